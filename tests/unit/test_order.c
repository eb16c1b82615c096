/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring that puts arrivals in order, against a stable sort of the same rows.
 */
#include "libtrace/order.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

enum { ROWS = 200000 };

struct row {
	int64_t t;
	uint64_t number;
};

static int by_time(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	if (a->t != b->t)
		return a->t < b->t ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static uint64_t draw(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *state >> 33;
}

/* Push n rows, pop the rest; what left is compared with the sorted rows. Returns how many were late. */
static unsigned compare(struct row *rows, unsigned n)
{
	struct tr_order *o;
	struct tr_ordered r;
	struct row *out = malloc(n * sizeof(*out));
	unsigned left = 0, late = 0;
	assert_non_null(out);
	assert_int_equal(tr_order_new(&o, 1, NULL), 0);
	for (unsigned i = 0; i < n; i++) {
		r = (struct tr_ordered){.t = rows[i].t, .w = {rows[i].number}};
		enum tr_order_result result = tr_order_push(o, &r, &r);
		late += result == TR_ORDER_LATE;
		if (result == TR_ORDER_LEFT)
			out[left++] = (struct row){r.t, r.w[0]};
	}
	while (tr_order_pop(o, &r))
		out[left++] = (struct row){r.t, r.w[0]};
	assert_int_equal(left + late, n);
	qsort(rows, n, sizeof(*rows), by_time);
	for (unsigned i = 0; i < left && late == 0; i++) {
		assert_int_equal(out[i].t, rows[i].t);
		assert_int_equal(out[i].number, rows[i].number);
	}
	for (unsigned i = 1; i < left; i++)
		assert_true(out[i - 1].t <= out[i].t);
	free(out);
	tr_order_free(o);
	return late;
}

static struct row *rows_of(unsigned n, uint64_t step, uint64_t disorder)
{
	struct row *rows = malloc(n * sizeof(*rows));
	uint64_t state = 1;
	assert_non_null(rows);
	for (unsigned i = 0; i < n; i++)
		rows[i] = (struct row){(int64_t)(i * step + draw(&state) % (disorder + 1)) - 1000, i};
	return rows;
}

static void test_in_reach(void **state)
{
	static const struct {
		unsigned n;
		uint64_t step, disorder;
	} cases[] = {
	    {1, 1, 0},
	    {2, 0, 0},
	    {1000, 0, 5},
	    {8000, 0, 1 << 30},
	    {ROWS, 1, 0},
	    {ROWS, 1, 100},
	    {ROWS, 100, 30000},
	    {ROWS / 2, 1, 3000},
	    {TR_ORDER_ROWS + 1, 0, 0},
	    {ROWS, 1, TR_ORDER_ROWS - 1}, /* as far as the ring reaches: seconds, so only in the long form */
	};
	const char *full = getenv("REPRISE_FULL");
	unsigned n = sizeof(cases) / sizeof(cases[0]) - !(full && *full);
	(void)state;
	for (unsigned i = 0; i < n; i++) {
		struct row *rows = rows_of(cases[i].n, cases[i].step, cases[i].disorder);
		assert_int_equal(compare(rows, cases[i].n), 0);
		free(rows);
	}
}

/* A falling stream: the ring fills, one more leaves at once, and each one after is older than that. */
static void test_late(void **state)
{
	unsigned n = TR_ORDER_ROWS + 10;
	struct row *rows = malloc(n * sizeof(*rows));
	(void)state;
	assert_non_null(rows);
	for (unsigned i = 0; i < n; i++)
		rows[i] = (struct row){-(int64_t)i, i};
	assert_int_equal(compare(rows, n), 9);
	free(rows);
}

static void test_edge(void **state)
{
	struct tr_order *o;
	struct tr_ordered r = {0};
	(void)state;
	assert_int_equal(tr_order_new(&o, TR_ORDER_WORDS + 1, NULL), -TR_EUSAGE);
	assert_int_equal(tr_order_new(&o, 0, NULL), 0);
	assert_int_equal(tr_order_pop(o, &r), 0);
	r.t = INT64_MAX;
	assert_int_equal(tr_order_push(o, &r, &r), TR_ORDER_KEPT);
	r.t = INT64_MIN;
	assert_int_equal(tr_order_push(o, &r, &r), TR_ORDER_KEPT);
	assert_int_equal(tr_order_pop(o, &r), 1);
	assert_true(r.t == INT64_MIN);
	/* equal to what has left is not late */
	assert_int_equal(tr_order_push(o, &r, &r), TR_ORDER_KEPT);
	assert_int_equal(tr_order_pop(o, &r), 1);
	assert_int_equal(tr_order_pop(o, &r), 1);
	assert_true(r.t == INT64_MAX);
	r.t = INT64_MAX - 1;
	assert_int_equal(tr_order_push(o, &r, &r), TR_ORDER_LATE);
	tr_order_free(o);
	tr_order_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_reach),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_edge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
