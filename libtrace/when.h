/* SPDX-License-Identifier: Apache-2.0
 *
 * Wall-clock stamps as published in traces: "2023-11-16 18:17:03.9799600",
 * "2024-05-12 00:00:00+00:00", "2024-10-15T12:00:00.269Z". Proleptic Gregorian calendar, no leap
 * seconds, UTC when no zone is given. Range: what int64 nanoseconds hold (1677 to 2262).
 */
#ifndef LIBTRACE_WHEN_H
#define LIBTRACE_WHEN_H

#include "libtrace/buf.h"
#include <stdint.h>

struct tr_when_form {   /* how the text was spelled: enough to print it back */
	char sep;       /* ' ' or 'T' */
	int digits;     /* fraction digits 0..9; 0 = no fraction and no point */
	char zone[8];   /* "", "Z", "+00:00", "+0530", "-08": verbatim */
	int32_t zone_s; /* offset of the zone in seconds, east positive */
};

/* Returns NULL, or the reason why the text is not a stamp. form may be NULL. */
const char *tr_when_parse(struct tr_slice s, int64_t *epoch_ns, struct tr_when_form *form);

/* Print in the given form; digits below form->digits are cut. Returns the length; size >= 48. */
size_t tr_when_print(int64_t epoch_ns, const struct tr_when_form *form, char *out, size_t size);

#endif
