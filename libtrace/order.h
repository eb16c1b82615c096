/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts arrivals that are nearly in order into order, in bounded memory. The latest 65,536 rows are
 * kept sorted; what leaves at the old end is in order. An append costs O(1); a row out of place is
 * inserted. A row older than one that has already left cannot be placed any more and is reported as
 * late. Equal times keep their order.
 */
#ifndef LIBTRACE_ORDER_H
#define LIBTRACE_ORDER_H

#include "libtrace/err.h"
#include <stdint.h>

enum { TR_ORDER_ROWS = 65536, TR_ORDER_WORDS = 4 };

struct tr_ordered {
	int64_t t;
	uint64_t w[TR_ORDER_WORDS]; /* carried along; only the first `words` given at creation */
};

struct tr_order; /* opaque */

int tr_order_new(struct tr_order **o, unsigned words, struct tr_err *err);
void tr_order_free(struct tr_order *o); /* NULL is fine */

enum tr_order_result {
	TR_ORDER_KEPT, /* taken; nothing leaves yet */
	TR_ORDER_LEFT, /* taken; *out has left, in order */
	TR_ORDER_LATE, /* not taken: older than what has left */
};
/* in and out may be the same. */
enum tr_order_result tr_order_push(struct tr_order *o, const struct tr_ordered *in, struct tr_ordered *out);
/* At the end of input: 1 = *out has left, in order; 0 = empty. */
int tr_order_pop(struct tr_order *o, struct tr_ordered *out);

#endif
