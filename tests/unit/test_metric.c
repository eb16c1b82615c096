/* SPDX-License-Identifier: Apache-2.0
 *
 * The metrics: their values by hand, where they are not defined, and that the table is whole.
 */
#include "libtrace/metric.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const uint64_t gaps[] = {300000000, 200000001, 400000000}, tokens[] = {1, 7, 2, 0};

/* Due at 1 ms, sent 0.5 ms late, first token at 101 ms, end at 1.101 s after 11 tokens in 4 events. */
static struct tr_rec result(void)
{
	struct tr_rec r = {0};

	TR_SET(&r, in_tokens, 4808);
	TR_SET(&r, out_tokens, 10);
	TR_SET(&r, images, 2);
	TR_SET(&r, due_ns, 1000000);
	TR_SET(&r, sent_ns, 1500000);
	TR_SET(&r, first_ns, 101000000);
	TR_SET(&r, end_ns, 1101000000);
	TR_SET(&r, seen_out_tokens, 11);
	TR_SET(&r, connect_ns, 40000);
	TR_SET(&r, tls_ns, 0);
	TR_SET(&r, gaps_ns, ((struct tr_list){gaps, 3}));
	TR_SET(&r, event_tokens, ((struct tr_list){tokens, 4}));
	return r;
}

static const struct {
	const char *name;
	uint64_t value;
} known[] = {
    {"input_tokens", 4808},   {"output_tokens", 10}, {"total_tokens", 4818},  {"images", 2},
    {"lateness", 500000},     {"ttft", 100000000},   {"ttft_sent", 99500000}, {"e2e", 1100000000},
    {"e2e_sent", 1099500000}, {"tpot", 100000000},   {"connect", 40000},      {"tls", 0},
    {"max_gap", 400000000},
};

static const struct {
	const char *name;
	size_t n;
	uint64_t value[3], times[3];
} several[] = {
    {"icl", 3, {300000000, 200000001, 400000000}, {1, 1, 1}},
    {"itl", 3, {300000000 / 7, 100000000, 0}, {7, 2, 0}},
};

static int value(const char *name, const struct tr_rec *r, uint64_t *v)
{
	const struct tr_metric *m = tr_metric_find(name);

	assert_non_null(m);
	return tr_metric_value(m, r, v);
}

static void test_values(void **state)
{
	struct tr_rec r = result();

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		uint64_t v = 77;

		print_message("# %s\n", known[i].name);
		assert_int_equal(value(known[i].name, &r, &v), 1);
		assert_true(v == known[i].value);
	}
}

/* Each needed field taken away in turn, its value left in the struct: no metric may look at it. */
static void test_absent(void **state)
{
	(void)state;
	for (const struct tr_metric *m = tr_metrics; m->name; m++) {
		for (unsigned bit = 0; bit < 64; bit++) {
			struct tr_rec r = result();
			uint64_t v;

			r.mask &= ~(UINT64_C(1) << bit);
			int defined = m->value ? tr_metric_value(m, &r, &v) : tr_metric_nth(m, &r, 0, &v, &v);
			assert_int_equal(defined, !(m->needs >> bit & 1));
		}
	}
}

static void test_undefined(void **state)
{
	struct tr_rec r = result();
	uint64_t v;

	(void)state;
	r.seen_out_tokens = 1;
	assert_int_equal(value("tpot", &r, &v), 0);
	r.seen_out_tokens = 0;
	assert_int_equal(value("tpot", &r, &v), 0);
	r.seen_out_tokens = 4;
	r.end_ns = r.first_ns + 10; /* 10 / 3, rounded down */
	assert_int_equal(value("tpot", &r, &v), 1);
	assert_true(v == 3);
	r.sent_ns = r.due_ns - 1;
	assert_int_equal(value("lateness", &r, &v), 0);
	r.first_ns = r.due_ns - 1;
	assert_int_equal(value("ttft", &r, &v), 0);
	r.first_ns = r.due_ns;
	assert_int_equal(value("ttft", &r, &v), 1);
	assert_true(v == 0);
	r.end_ns = r.first_ns - 1;
	assert_int_equal(value("tpot", &r, &v), 0);
	assert_int_equal(value("e2e", &r, &v), 0);
	r.connect_ns = -1;
	assert_int_equal(value("connect", &r, &v), 0);
	r.in_tokens = UINT64_MAX;
	assert_int_equal(value("total_tokens", &r, &v), 0);
	r.due_ns = INT64_MIN;
	r.end_ns = INT64_MAX;
	assert_int_equal(value("e2e", &r, &v), 1);
	assert_true(v == UINT64_MAX);
}

static void test_several(void **state)
{
	struct tr_rec r = result();
	uint64_t v, times, huge[] = {1, UINT64_C(1) << 32};

	(void)state;
	for (size_t k = 0; k < sizeof(several) / sizeof(*several); k++) {
		const struct tr_metric *m = tr_metric_find(several[k].name);

		assert_int_equal(tr_metric_value(m, &r, &v), 0);
		for (size_t i = 0; i < several[k].n; i++) {
			assert_int_equal(tr_metric_nth(m, &r, i, &v, &times), 1);
			assert_true(v == several[k].value[i] && times == several[k].times[i]);
		}
		assert_int_equal(tr_metric_nth(m, &r, several[k].n, &v, &times), 0);
	}
	assert_int_equal(tr_metric_nth(tr_metric_find("ttft"), &r, 0, &v, &times), 0);
	r.event_tokens.n = 3; /* not one for each event: which is whose is not known */
	assert_int_equal(tr_metric_nth(tr_metric_find("itl"), &r, 0, &v, &times), 0);
	r.gaps_ns.n = 1;
	r.event_tokens = (struct tr_list){huge, 2};
	assert_int_equal(tr_metric_nth(tr_metric_find("itl"), &r, 0, &v, &times), 1);
	assert_true(times == 0);
	r.gaps_ns.n = 0;
	assert_int_equal(value("max_gap", &r, &v), 0);
}

static int is_part(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* As a whole word. */
static int names(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p++)
		if (!is_part(p[n]) && (p == text || !is_part(p[-1])))
			return 1;
	return 0;
}

/* The definition names every field that it needs, and no other field of the record. */
static void test_definitions(void **state)
{
	const struct tr_schema *schema = &tr_schemas[TR_REQUEST];
	size_t n = 0;

	(void)state;
	for (const struct tr_metric *m = tr_metrics; m->name; m++, n++) {
		print_message("# %s\n", m->name);
		assert_true(strcmp(m->unit, "ns") == 0 || strcmp(m->unit, "tokens") == 0 ||
		            strcmp(m->unit, "images") == 0);
		assert_int_equal(m->definition[strlen(m->definition) - 1], '.');
		assert_true(strlen(m->source) > 0);
		assert_true(m->needs != 0);
		assert_ptr_equal(tr_metric_find(m->name), m);
		assert_true(!m->value != !m->nth);
		for (unsigned f = 0; f < schema->nfields; f++) {
			const struct tr_field *field = &schema->fields[f];
			int needed = m->needs >> field->bit & 1;

			if (needed || strchr(field->name, '_')) /* the others are words of the language too */
				assert_int_equal(names(m->definition, field->name), needed);
		}
	}
	assert_int_equal(n, sizeof(known) / sizeof(*known) + sizeof(several) / sizeof(*several));
	assert_null(tr_metric_find("itls"));
	assert_null(tr_metric_find(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),      cmocka_unit_test(test_absent),
	    cmocka_unit_test(test_undefined),   cmocka_unit_test(test_several),
	    cmocka_unit_test(test_definitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
