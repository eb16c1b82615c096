/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a whole trb input, compressed or not.
 */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tr_read_opts o = {.skip_bad = size % 2 ? 0 : UINT64_MAX};
	fuzz_format(tr_format_find("trb"), &o, data, size);
	return 0;
}
