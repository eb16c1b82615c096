/* SPDX-License-Identifier: Apache-2.0
 *
 * The pull scanner: what it takes, what it refuses, exact slices, escapes both ways.
 */
#include "libtrace/err.h"
#include "libtrace/json.h"
#include "libtrace/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *scan(const char *text, size_t n)
{
	struct tr_json j;
	enum tr_json_token t;
	tr_json_init(&j, text, n);
	while ((t = tr_json_next(&j)) != TR_JSON_END)
		if (t == TR_JSON_ERROR)
			return j.reason;
	return NULL;
}

static void takes(void **state)
{
	static const char *const good[] = {
	    "{}",
	    "[]",
	    "0",
	    "-0",
	    "1e5",
	    "-1.5E+10",
	    "\"\"",
	    "true",
	    " null ",
	    "[1,2,[3,{\"a\":[]}]]",
	    "{\"a\":1,\"b\":{\"c\":null}}",
	    "[18446744073709551615,9007199254740993]",
	    "\"\\ud83d\\ude00\"",
	    "\t[\n1\r, 2 ]\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_null(scan(good[i], strlen(good[i])));
}

static void refuses(void **state)
{
	static const char *const bad[] = {
	    "",
	    " ",
	    "{",
	    "[",
	    "[1",
	    "[1,",
	    "[1,]",
	    "[,1]",
	    "{,}",
	    "{\"a\"}",
	    "{\"a\":}",
	    "{\"a\":1,}",
	    "{a:1}",
	    "{\"a\" 1}",
	    "[1 2]",
	    "01",
	    "-",
	    "+1",
	    "1.",
	    ".5",
	    "1e",
	    "1e+",
	    "0x10",
	    "NaN",
	    "Infinity",
	    "tru",
	    "nulll",
	    "\"",
	    "\"a",
	    "\"\\",
	    "\"a\nb\"",
	    "[1}",
	    "{\"a\":1]",
	    "]",
	    "}",
	    "1 2",
	    "{} x",
	    "'a'",
	    "[1]]",
	    "//",
	    "{\"a\":1 \"b\":2}",
	    "[\"a\" \"b\"]",
	    "{1:2}",
	    "nul",
	    "[tru]",
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (!scan(bad[i], strlen(bad[i])))
			fail_msg("taken: %s", bad[i]);
}

static void every_cut_is_refused(void **state)
{
	static const char text[] =
	    "{\"k\":[1,-2.5e3,\"x\\u00e9\",true,false,null,{\"z\":{}}],\"m\":\"\\\\\"}";
	(void)state;
	assert_null(scan(text, sizeof text - 1));
	for (size_t n = 0; n < sizeof text - 1; n++)
		assert_non_null(scan(text, n));
}

static void depth_is_bounded(void **state)
{
	char text[2 * (TR_JSON_DEPTH + 1)];
	(void)state;
	for (size_t depth = TR_JSON_DEPTH; depth <= TR_JSON_DEPTH + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		const char *reason = scan(text, 2 * depth);
		if (depth == TR_JSON_DEPTH)
			assert_null(reason);
		else
			assert_string_equal(reason, "nested too deeply");
	}
}

static void skips_whole_values(void **state)
{
	static const char text[] = "{\"a\": {\"x\":[1,2,{}]} , \"b\":\"s\\\"\", \"c\":false, \"d\":-1e3 }";
	static const char *const want[] = {"{\"x\":[1,2,{}]}", "\"s\\\"\"", "false", "-1e3"};
	struct tr_json j;
	struct tr_slice raw;
	(void)state;
	for (int after_value = 0; after_value < 2; after_value++) {
		tr_json_init(&j, text, sizeof text - 1);
		assert_int_equal(tr_json_next(&j), TR_JSON_OBJECT);
		for (int i = 0; i < 4; i++) {
			enum tr_json_token t = tr_json_next(&j);
			assert_int_equal(t, TR_JSON_KEY);
			if (after_value)
				t = tr_json_next(&j);
			assert_int_equal(tr_json_skip(&j, t, &raw), 0);
			assert_true(tr_slice_eq(raw, want[i]));
		}
		assert_int_equal(tr_json_next(&j), TR_JSON_CLOSE);
		assert_int_equal(tr_json_next(&j), TR_JSON_END);
		assert_int_equal(tr_json_next(&j), TR_JSON_END);
	}
}

static int unescape(const char *raw, unsigned flags, struct tr_buf *b)
{
	b->n = 0;
	return tr_json_unescape((struct tr_slice){raw, strlen(raw)}, flags, b);
}

static void escapes(void **state)
{
	struct tr_buf b;
	static const struct {
		const char *raw, *want;
		unsigned flags;
	} rows[] = {
	    {"a\\n\\t\\\"\\\\\\/\\b\\f\\r", "a\n\t\"\\/\b\f\r", 0},
	    {"\\u0041\\u00e9\\u20AC", "A\xc3\xa9\xe2\x82\xac", 0},
	    {"\\ud83d\\ude00!", "\xf0\x9f\x98\x80!", 0},
	    {"\\ud83d", "\xed\xa0\xbd", 0}, /* lone surrogates: WTF-8 */
	    {"\\ude00\\ud83d", "\xed\xb8\x80\xed\xa0\xbd", 0},
	    {"\\udcff", "\xed\xb3\xbf", 0},
	    {"\\udcff\\udc80", "\xff\x80", TR_JSON_BYTES},
	    {"\\udc7f", "\xed\xb1\xbf", TR_JSON_BYTES},
	};
	static const char *const bad[] = {"\\", "\\x", "\\u", "\\u12", "\\u12g4", "a\\u"};
	(void)state;
	tr_buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(unescape(rows[i].raw, rows[i].flags, &b), 0);
		assert_int_equal(b.n, strlen(rows[i].want));
		assert_memory_equal(b.p, rows[i].want, b.n);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(unescape(bad[i], 0, &b), -TR_EDATA);
	tr_buf_free(&b);
	tr_buf_init(&b, 3);
	assert_int_equal(unescape("abcd", 0, &b), -TR_ELIMIT);
	tr_buf_free(&b);
}

/* Any bytes at all: quoted, scanned, unescaped, the same. */
static void quote_round_trip(void **state)
{
	struct tr_rng g;
	struct tr_buf quoted, back;
	char text[64];
	(void)state;
	tr_buf_init(&quoted, 4096);
	tr_buf_init(&back, 4096);
	tr_rng_init(&g, 1, "quote");
	for (int i = 0; i < 20000; i++) {
		size_t n = tr_rng_below(&g, sizeof text);
		for (size_t k = 0; k < n; k++) /* much that looks like the start of UTF-8 */
			text[k] =
			    (char)(tr_rng_below(&g, 3) ? tr_rng_below(&g, 256) : 0xe0 + tr_rng_below(&g, 24));
		quoted.n = back.n = 0;
		assert_int_equal(tr_json_quote(&quoted, (struct tr_slice){text, n}), 0);
		struct tr_json j;
		tr_json_init(&j, quoted.p, quoted.n);
		assert_int_equal(tr_json_next(&j), TR_JSON_STRING);
		struct tr_slice raw = j.s;
		assert_int_equal(tr_json_next(&j), TR_JSON_END);
		assert_int_equal(tr_json_unescape(raw, TR_JSON_BYTES, &back), 0);
		assert_int_equal(back.n, n);
		if (n)
			assert_memory_equal(back.p, text, n);
	}
	tr_buf_free(&quoted);
	tr_buf_free(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(every_cut_is_refused),
	    cmocka_unit_test(depth_is_bounded),
	    cmocka_unit_test(skips_whole_values),
	    cmocka_unit_test(escapes),
	    cmocka_unit_test(quote_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
