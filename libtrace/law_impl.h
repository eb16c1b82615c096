/* SPDX-License-Identifier: Apache-2.0
 *
 * Between law.c, which knows the grammar, and length.c and arrival.c, which know the laws.
 */
#ifndef LIBTRACE_LAW_IMPL_H
#define LIBTRACE_LAW_IMPL_H

#include "libtrace/law.h"

enum { TR_LAW_NAMES = 32 }; /* laws named in a message, at most */

/* The value of one parameter. COUNT fills number too; both ends of a RANGE and a COUNT are at most 2^53,
 * so that the double holds them exactly. */
struct tr_law_value {
	double number;
	uint64_t lo, hi;      /* RANGE */
	struct tr_ratio rate; /* RATE; number = events per second */
};

/* Split "name:args". The name's row is looked up by name_of(i), NULL after the last; returns i or < 0. */
int tr_law_find(const char *kind, const char *text, const char *(*name_of)(int i), const char **args,
                struct tr_err *err);

/* Read the arguments, fill in defaults. */
int tr_law_args(const char *law, const struct tr_law_param *params, const char *args,
                struct tr_law_value values[TR_LAW_PARAMS], struct tr_err *err);

#endif
