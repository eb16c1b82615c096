/* SPDX-License-Identifier: Apache-2.0
 *
 * The first line is a column map (empty: none), the rest a delimited file.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *eol = size ? memchr(data, '\n', size) : NULL;
	char map[200];
	if (!eol || (size_t)(eol - data) >= sizeof map)
		return 0;
	size_t n = (size_t)(eol - data);
	memcpy(map, data, n);
	map[n] = '\0';
	struct tr_read_opts o = {.map = n ? map : NULL, .skip_bad = size % 2 ? 0 : UINT64_MAX};
	fuzz_format(tr_format_find("csv"), &o, eol + 1, size - n - 1);
	return 0;
}
