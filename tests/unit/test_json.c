/* SPDX-License-Identifier: Apache-2.0
 *
 * The pull scanner: what it takes, what it refuses, exact slices, escapes both ways.
 */
#include "libtrace/err.h"
#include "libtrace/json.h"
#include "libtrace/rng.h"
#include "libtrace/scan.h"

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

/* The plain way, by table 3-7 of the standard. */
static int well_formed(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		unsigned char c = p[i], low = 0x80, high = 0xbf;
		size_t more = c < 0x80 ? 0 : c < 0xc2 ? 9 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 9;
		if (more == 9 || more > n - i - 1)
			return 0;
		low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
		high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
		for (size_t k = 1; k <= more; k++) {
			if (p[i + k] < low || p[i + k] > high)
				return 0;
			low = 0x80;
			high = 0xbf;
		}
		i += 1 + more;
	}
	return 1;
}

/* Whole characters of all lengths, now and then with a byte changed: in blocks or one at a time, the same is
 * said. */
static void utf8(void **state)
{
	static const char *const chars[] = {"a",
	                                    "\xc3\xa9",
	                                    "\xe4\xb8\xad",
	                                    "\xe0\xa4\x85",
	                                    "\xed\x9f\xbf",
	                                    "\xef\xbf\xbd",
	                                    "\xf0\x9f\x98\x80",
	                                    "plain text",
	                                    "\xf4\x8f\xbf\xbf",
	                                    "\xe4\xb8\xad\xe5\x9b\xbd"};
	struct tr_rng g;
	char text[400];
	unsigned good = 0;
	(void)state;
	tr_rng_init(&g, 3, "utf8");
	for (int i = 0; i < 60000; i++) {
		size_t n = 0, want = tr_rng_below(&g, 120);
		while (n < want) {
			const char *c = chars[tr_rng_below(&g, 2) ? 2 : tr_rng_below(&g, 10)];
			memcpy(text + n, c, strlen(c));
			n += strlen(c);
		}
		if (n && tr_rng_below(&g, 2))
			text[tr_rng_below(&g, n)] = (char)tr_rng_below(&g, 256);
		if (n && tr_rng_below(&g, 4) == 0)
			n -= tr_rng_below(&g, n < 3 ? n : 3);
		int is = well_formed((const unsigned char *)text, n);
		good += (unsigned)is;
		assert_int_equal(tr_json_utf8((struct tr_slice){text, n}), is);
	}
	assert_in_range(good, 10000, 59000);
}

/* Where a plain stretch ends, at every offset, and how long a string is without its escapes. */
static void stretches(void **state)
{
	struct tr_rng g;
	struct tr_buf b;
	char text[200];
	(void)state;
	tr_rng_init(&g, 4, "stretch");
	tr_buf_init(&b, 4096);
	for (int i = 0; i < 20000; i++) {
		size_t n = tr_rng_below(&g, sizeof text), length;
		for (size_t k = 0; k < n; k++)
			text[k] = tr_rng_below(&g, 40) ? (char)(0x20 + tr_rng_below(&g, 224))
			                               : "\"\\\x1f\n"[tr_rng_below(&g, 4)];
		for (size_t at = 0; at <= n; at += 1 + tr_rng_below(&g, 9)) {
			size_t plain = at;
			while (plain < n && (unsigned char)text[plain] >= 0x20 && text[plain] != '"' &&
			       text[plain] != '\\')
				plain++;
			assert_int_equal(tr_scan_string(text, at, n), plain);
		}
		for (size_t k = 0; k < n; k++)
			text[k] = "\\unD8d0c\"a"[tr_rng_below(&g, 10)];
		b.n = 0;
		int rc = tr_json_unescape((struct tr_slice){text, n}, 0, &b);
		assert_int_equal(tr_json_unescaped((struct tr_slice){text, n}, &length), rc);
		if (rc == 0)
			assert_int_equal(length, b.n);
	}
	tr_buf_free(&b);
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
	    cmocka_unit_test(utf8),
	    cmocka_unit_test(stretches),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
