/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects out of a stream: the same ones wherever pieces of the input end; and work in order on several
 * threads.
 */
#include "formats/docs.h"
#include "libtrace/pool.h"
#include "libtrace/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- objects ----------------------------------------------------------------------------------- */

static void add_string(struct tr_buf *b, struct tr_rng *g)
{
	static const char *const bits[] = {"a", "\\\"",    "\\\\",         "{",     "}",  "[", "]",
	                                   ",", "\\u0022", "\xe4\xb8\xad", "text ", "\\n"};
	tr_buf_char(b, '"');
	for (uint64_t n = tr_rng_below(g, 40); n; n--)
		tr_buf_str(b, bits[tr_rng_below(g, sizeof bits / sizeof bits[0])]);
	tr_buf_char(b, '"');
}

static void add_object(struct tr_buf *b, struct tr_rng *g, int depth)
{
	tr_buf_char(b, '{');
	for (uint64_t n = tr_rng_below(g, 4), i = 0; i < n; i++) {
		tr_buf_str(b, i ? ", " : "");
		add_string(b, g);
		tr_buf_str(b, ":\n");
		if (depth < 4 && tr_rng_below(g, 3) == 0)
			add_object(b, g, depth + 1);
		else if (tr_rng_below(g, 2))
			add_string(b, g);
		else
			tr_buf_str(b, "[1,{},[\"]\"]]");
	}
	tr_buf_char(b, '}');
}

/* Three megabytes: pieces end after each 256 KiB, wherever in an object that is. */
static void pieces(int array)
{
	struct tr_rng g;
	struct tr_buf all, one[60000];
	size_t n = 0, at = 0;
	uint64_t line = 1;
	tr_rng_init(&g, 7, array ? "array" : "lines");
	tr_buf_init(&all, 64 << 20);
	tr_buf_str(&all, array ? " [\n" : "");
	while (all.n < 3 << 20) {
		tr_buf_init(&one[n], 1 << 20);
		add_object(&one[n], &g, 0);
		tr_buf_str(&all, array && n ? " ,\n" : n ? "\n" : "");
		tr_buf_add(&all, one[n].p, one[n].n);
		n++;
	}
	tr_buf_str(&all, array ? "\n]\n" : "\n\n");
	struct tr_in *in;
	struct docs d;
	struct tr_slice doc;
	struct tr_err err;
	assert_int_equal(tr_in_open_mem(&in, "docs", all.p, all.n, 0, &err), 0);
	docs_init(&d, in);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(docs_next(&d, &doc, &err), 1);
		assert_int_equal(doc.n, one[i].n);
		assert_memory_equal(doc.p, one[i].p, doc.n);
		assert_int_equal(d.number, i + 1);
		for (; at < d.offset; at++)
			line += all.p[at] == '\n';
		assert_int_equal(d.line, line);
		assert_memory_equal(all.p + d.offset, doc.p, doc.n);
	}
	assert_int_equal(docs_next(&d, &doc, &err), 0);
	assert_int_equal(d.array, array);
	docs_free(&d);
	tr_in_close(in);
	while (n)
		tr_buf_free(&one[--n]);
	tr_buf_free(&all);
}

static void arrays(void **state)
{
	(void)state;
	pieces(1);
}

static void lines(void **state)
{
	(void)state;
	pieces(0);
}

static void refused(void **state)
{
	static const struct {
		const char *text;
		unsigned good; /* objects before */
		const char *why;
	} rows[] = {
	    {"5", 0, "not a JSON object"},  {"[5]", 0, "not an object"},
	    {"[{},]", 1, "not an object"},  {"[{} {}]", 1, "not a comma"},
	    {"[{}] x", 1, "behind"},        {"{} ]", 1, "not a JSON object"},
	    {"[{}", 1, "inside its array"}, {"{\"a\":\"}", 0, "inside an object"},
	    {"[,{}]", 0, "not an object"},  {"{},{}", 1, "not a JSON object"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct tr_in *in;
		struct docs d;
		struct tr_slice doc;
		struct tr_err err;
		int rc;
		unsigned good = 0;
		assert_int_equal(tr_in_open_mem(&in, "docs", rows[i].text, strlen(rows[i].text), 0, &err), 0);
		docs_init(&d, in);
		while ((rc = docs_next(&d, &doc, &err)) == 1)
			good++;
		assert_true(rc < 0);
		assert_int_equal(good, rows[i].good);
		if (strcmp(rows[i].why, "behind") != 0)
			assert_non_null(strstr(err.text, rows[i].why));
		docs_free(&d);
		tr_in_close(in);
	}
}

/* --- the pool ------------------------------------------------------------------------------------ */

struct item {
	unsigned long n, result;
};

static void work(void *p)
{
	struct item *i = p;
	unsigned long x = i->n;
	for (unsigned long k = 0; k < (i->n % 7) * 20000; k++) /* some take longer than others */
		x = x * 6364136223846793005UL + 1442695040888963407UL;
	i->result = x;
}

static void in_order(void **state)
{
	(void)state;
	for (unsigned threads = 0; threads < 5; threads++) {
		struct item items[TR_POOL_ITEMS], alone;
		struct tr_pool *p;
		unsigned long in = 0, out = 0;
		assert_int_equal(tr_pool_new(&p, work, threads, NULL), 0);
		while (out < 500) {
			while (in < 500 && in - out < TR_POOL_ITEMS) {
				items[in % TR_POOL_ITEMS].n = in;
				tr_pool_push(p, &items[in % TR_POOL_ITEMS]);
				in++;
			}
			struct item *i = tr_pool_pull(p);
			alone.n = out;
			work(&alone);
			assert_int_equal(i->n, out);
			assert_int_equal(i->result, alone.result);
			out++;
		}
		tr_pool_push(p, &items[0]); /* given up with work under way */
		tr_pool_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(arrays),
	    cmocka_unit_test(lines),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
