/* SPDX-License-Identifier: Apache-2.0 */
#include "libtrace/tokenizer/tokenizer.h"

#include <stdlib.h>

void tr_ids_free(struct tr_ids *ids)
{
	free(ids->v);
	*ids = (struct tr_ids){0};
}
