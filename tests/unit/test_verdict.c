/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of the verdict, each on both sides of its limit, as docs/METRICS.md states them.
 */
#include "tools/replay/verdict.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

enum { MS = 1000000 };

struct scene {
	struct run_stats s;
	struct run_opts o;
	struct verdict_facts f;
};

/* 1,000 requests over 10 s, all sent in time, all well. */
static void begin(struct scene *c)
{
	*c = (struct scene){.s = {.offered = 1000,
	                          .sent = 1000,
	                          .ok = 1000,
	                          .last_due = 10000 * (int64_t)MS,
	                          .last_sent = 10000 * (int64_t)MS},
	                    .o = {.late_ns = 10 * MS}};
	c->s.by[OUT_OK] = 1000;
	assert_int_equal(tr_hist_new(&c->s.lateness, 7, INT64_MAX, NULL), 0);
	assert_int_equal(tr_hist_new(&c->s.gaps, 7, INT64_MAX, NULL), 0);
	assert_int_equal(tr_hist_new(&c->s.stalls, 7, INT64_MAX, NULL), 0);
	c->f = (struct verdict_facts){.stats = &c->s, .opts = &c->o};
}

/* word NULL: no reason at all. */
static void judged(struct scene *c, enum verdict want, const char *word)
{
	struct tr_buf b;

	tr_buf_init(&b, 65536);
	enum verdict v = verdict_of(&c->f, &b);
	assert_int_equal(tr_buf_char(&b, '\0'), 0);
	if (v != want || (word ? !strstr(b.p, word) : b.p[0] != '\0'))
		fail_msg("%s: \"%s\"; expected %s with \"%s\"", verdict_name(v), b.p, verdict_name(want),
		         word ? word : "");
	tr_buf_free(&b);
	run_stats_free(&c->s);
}

/* A field of the scene, a value that passes, one that does not, and what is said then. */
struct row {
	const char *what;
	size_t at;
	enum { U64, I64, DOUBLE } type;
	double passes, fails;
	enum verdict verdict;
	const char *word;
};
#define AT(member) #member, offsetof(struct scene, member)

static const struct row rows[] = {
    {AT(s.offered), U64, 1000, 0, VERDICT_VOID, "nothing was sent"},
    {AT(s.ok), U64, 1, 0, VERDICT_VOID, "no request succeeded"},
    {AT(f.suspended_ns), I64, MS, MS + 1, VERDICT_VOID, "slept"},
    {AT(s.by[OUT_CLIENT]), U64, 0, 11, VERDICT_VOID, "1.1 %"},
    {AT(s.by[OUT_CLIENT]), U64, 0, 10, VERDICT_SUSPECT, "descriptors"},
    {AT(f.missed), U64, 0, 1, VERDICT_VOID, "before the start"},
    {AT(s.late), U64, 10, 11, VERDICT_VOID, "more than 10 ms late"},
    {AT(s.late_input), U64, 10, 11, VERDICT_VOID, "from the input"},
    {AT(s.last_sent), I64, 10100.0 * MS, 10101.0 * MS, VERDICT_VOID, "achieved rate is 99.0 %"},
    {AT(s.last_sent), I64, 9900.0 * MS, 9899.0 * MS, VERDICT_VOID, "achieved rate is 101.0 %"},
    {AT(s.held), U64, 10, 11, VERDICT_SUSPECT, "--max-inflight held back 1.1 %"},
    {AT(s.load), DOUBLE, 0.70, 0.71, VERDICT_SUSPECT, "71 % of its core"},
    {AT(f.spilled), U64, 0, 1000000, VERDICT_SUSPECT, "1.0 MB"},
    {AT(s.stripped), U64, 0, 1, VERDICT_SUSPECT, "too large"},
    /* 999 gaps in 10 s: 99.9 requests/s */
    {AT(f.roofline_per_s), DOUBLE, 143, 142, VERDICT_SUSPECT, "is near the 142"},
};

static void set(struct scene *c, const struct row *r, double v)
{
	void *p = (char *)c + r->at;

	if (r->type == DOUBLE)
		memcpy(p, &v, sizeof(v));
	else
		memcpy(p, &(int64_t){(int64_t)v}, sizeof(int64_t));
}

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene c;
		begin(&c);
		set(&c, &rows[i], rows[i].passes);
		judged(&c, VERDICT_VALID, NULL);
		begin(&c);
		set(&c, &rows[i], rows[i].fails);
		judged(&c, rows[i].verdict, rows[i].word);
	}
}

static void stalls(int64_t stall, unsigned rare, int64_t gap, enum verdict want)
{
	struct scene c;

	begin(&c);
	tr_hist_add(c.s.stalls, MS / 100, 1000 - rare, NULL);
	tr_hist_add(c.s.stalls, (uint64_t)stall, rare, NULL);
	tr_hist_add(c.s.gaps, (uint64_t)gap, 100, NULL);
	judged(&c, want, want ? "turns of the loop" : NULL);
}

static void test_stalls(void **state)
{
	(void)state;
	stalls(MS, 11, 20 * MS, VERDICT_VALID); /* p99 of 1 ms against a gap of 20 */
	stalls(MS, 11, 9 * MS, VERDICT_SUSPECT);
	stalls(MS, 10, 9 * MS, VERDICT_VALID); /* rarer than one in a hundred */
	stalls(MS, 11, 0, VERDICT_VALID);      /* events in one piece: nothing to hold it against */
}

/* A span off by less than --late says nothing; held requests stretch it by order. */
static void test_rate_exceptions(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	c.s.last_due = 100 * MS;
	c.s.last_sent = 110 * MS;
	judged(&c, VERDICT_VALID, NULL);
	begin(&c);
	c.s.last_due = 100 * MS;
	c.s.last_sent = 111 * MS;
	judged(&c, VERDICT_VOID, "achieved rate");
	begin(&c);
	c.s.last_sent = 20000 * (int64_t)MS;
	c.s.held = 1;
	judged(&c, VERDICT_VALID, NULL);
}

/* The gravest counts, and every reason is told. */
static void test_several(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	c.s.load = 0.9;
	c.s.late = 500;
	judged(&c, VERDICT_VOID, "late; a thread");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_stalls),
	    cmocka_unit_test(test_rate_exceptions),
	    cmocka_unit_test(test_several),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
