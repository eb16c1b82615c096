/* SPDX-License-Identifier: Apache-2.0
 *
 * Header and trailer: printed, parsed, copied; bad ones refused.
 */
#include "libtrace/meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct tr_slice of(const char *s)
{
	return (struct tr_slice){s, strlen(s)};
}

static void head_round_trip(void **state)
{
	struct tr_head a = {.has_origin = 1,
	                    .origin_ns = -1700158623979960001,
	                    .has_seed = 1,
	                    .seed = UINT64_MAX},
	               b = {0}, c = {0};
	struct tr_buf one, two;
	struct tr_err err;
	(void)state;
	tr_meta_set(&a.order, "file", NULL);
	tr_meta_set(&a.tool, "trace-convert \"0.1.0\"\n\xff", NULL);
	tr_meta_set(&a.style, "{\"eol\":\"\\r\\n\",\"x\":[1,{}]}", NULL);
	tr_meta_set(&a.history[0], "first", NULL);
	tr_meta_set(&a.history[1], "", NULL);
	a.nhistory = 2;
	tr_buf_init(&one, TR_META_MAX);
	tr_buf_init(&two, TR_META_MAX);
	assert_int_equal(tr_head_print(&a, &one), 0);
	assert_int_equal(tr_head_parse(&b, (struct tr_slice){one.p, one.n}, &err), 0);
	assert_int_equal(tr_head_copy(&c, &b, &err), 0);
	assert_int_equal(tr_head_print(&c, &two), 0);
	assert_int_equal(one.n, two.n);
	assert_memory_equal(one.p, two.p, one.n);
	assert_int_equal(c.origin_ns, a.origin_ns);
	assert_string_equal(c.tool, a.tool);
	assert_null(c.notes);
	tr_head_free(&a);
	tr_head_free(&b);
	tr_head_free(&c);
	tr_buf_free(&one);
	tr_buf_free(&two);
}

static void tail_round_trip(void **state)
{
	struct tr_tail a = {.records = 8819,
	                    .in_tokens = UINT64_MAX,
	                    .content = 0x0123456789abcdef,
	                    .has_span = 1,
	                    .first_ns = -5,
	                    .last_ns = 7,
	                    .skipped = 3};
	struct tr_tail b = {0}, c = {0};
	struct tr_buf one;
	struct tr_err err;
	(void)state;
	tr_meta_set(&a.state, "complete", NULL);
	tr_meta_set(&a.sources[0].name, "a.csv", NULL);
	memset(a.sources[0].sha256, 'e', 64);
	a.sources[0].bytes = 320117;
	tr_meta_set(&a.sources[1].name, "", NULL);
	a.nsources = 2;
	tr_buf_init(&one, TR_META_MAX);
	assert_int_equal(tr_tail_print(&a, &one), 0);
	assert_int_equal(tr_tail_parse(&b, (struct tr_slice){one.p, one.n}, &err), 0);
	assert_int_equal(b.records, a.records);
	assert_int_equal(b.in_tokens, a.in_tokens);
	assert_int_equal(b.content, a.content);
	assert_int_equal(b.first_ns, -5);
	assert_int_equal(b.nsources, 2);
	assert_string_equal(b.sources[0].sha256, a.sources[0].sha256);
	assert_int_equal(tr_tail_copy_facts(&c, &b, &err), 0);
	assert_int_equal(c.records, 0); /* counts are not handed on */
	assert_int_equal(c.skipped, 3);
	assert_string_equal(c.sources[0].name, "a.csv");
	assert_string_equal(c.state, "complete");
	tr_tail_free(&a);
	tr_tail_free(&b);
	tr_tail_free(&c);
	tr_buf_free(&one);
}

static void unknown_keys_pass(void **state)
{
	struct tr_head h = {0};
	struct tr_tail t = {0};
	(void)state;
	assert_int_equal(tr_head_parse(&h, of("{\"later\":{\"a\":[1,2]},\"order\":null,\"seed\":4}"), NULL),
	                 0);
	assert_true(h.has_seed && h.seed == 4 && !h.order);
	assert_int_equal(tr_tail_parse(&t, of("{\"later\":[{}],\"records\":1}"), NULL), 0);
	assert_int_equal(t.records, 1);
	/* An object goes into a line of JSONL: blanks between its tokens go, those in strings stay. */
	assert_int_equal(tr_head_parse(&h, of("{\"style\": { \n \"a \\\" b\" : [1 , 2]\t} }"), NULL), 0);
	assert_string_equal(h.style, "{\"a \\\" b\":[1,2]}");
	tr_head_free(&h);
	tr_tail_free(&t);
}

static void bad_ones_are_refused(void **state)
{
	static const char *const heads[] = {
	    "",
	    "[]",
	    "{",
	    "{\"version\":2}",
	    "{\"origin_ns\":1.5}",
	    "{\"origin_ns\":9223372036854775808}",
	    "{\"seed\":-1}",
	    "{\"seed\":\"1\"}",
	    "{\"style\":3}",
	    "{\"order\":3}",
	    "{\"history\":[1]}",
	    "{\"history\":[\"a\"}",
	    "{} {}",
	    "{\"tool\":\"a\\u0000b\"}",
	};
	static const char *const tails[] = {
	    "{\"records\":-1}",
	    "{\"content\":\"123\"}",
	    "{\"content\":\"0123456789ABCDEF\"}",
	    "{\"sources\":[1]}",
	    "{\"sources\":[{\"bytes\":\"x\"}]}",
	    "{\"records\":18446744073709551616}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		struct tr_head h = {0};
		struct tr_err err;
		tr_err_clear(&err);
		if (tr_head_parse(&h, of(heads[i]), &err) >= 0)
			fail_msg("taken: %s", heads[i]);
		assert_true(err.text[0] != '\0');
		tr_head_free(&h);
	}
	for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
		struct tr_tail t = {0};
		if (tr_tail_parse(&t, of(tails[i]), NULL) >= 0)
			fail_msg("taken: %s", tails[i]);
		tr_tail_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(head_round_trip),
	    cmocka_unit_test(tail_round_trip),
	    cmocka_unit_test(unknown_keys_pass),
	    cmocka_unit_test(bad_ones_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
