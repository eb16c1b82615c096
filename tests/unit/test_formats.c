/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of formats, azure and csv: who claims what, values, maps, what is refused, and ways back that
 * give the same bytes.
 */
#include "formats/csvio.h"
#include "libtrace/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEADER "TIMESTAMP,ContextTokens,GeneratedTokens"

static struct tr_slice of_text(const char *s)
{
	return (struct tr_slice){s, strlen(s)};
}

/* --- detection --------------------------------------------------------------------------- */

static int claims_a(struct tr_slice s)
{
	return s.p[0] == 'a' || s.p[0] == '*';
}

static int claims_b(struct tr_slice s)
{
	return s.p[0] == 'b' || s.p[0] == '*';
}

static const struct tr_format fake[] = {
    {"azure", "", NULL, claims_a, NULL, NULL},
    {"out", "", NULL, NULL, NULL, NULL},
    {"csv", "", NULL, claims_b, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

static void test_one_claim(void **state)
{
	struct tr_err err;

	(void)state;
	assert_ptr_equal(tr_format_detect(fake, of_text("a"), &err), &fake[0]);
	assert_ptr_equal(tr_format_detect(fake, of_text("b"), &err), &fake[2]);
}

static void test_no_claim(void **state)
{
	struct tr_err err;
	char text[512];

	(void)state;
	assert_null(tr_format_detect(fake, of_text("x\ty\nz"), &err));
	assert_int_equal(err.code, TR_EDATA);
	tr_err_format(&err, text, sizeof(text));
	assert_non_null(strstr(text, "\"x\\x09y\""));
	assert_null(tr_format_detect(fake, of_text(""), &err));
	assert_string_equal(err.text, "empty input");
}

static void test_two_claims(void **state)
{
	struct tr_err err;

	(void)state;
	assert_null(tr_format_detect(fake, of_text("*"), &err));
	assert_string_equal(err.text, "two formats claim this input: azure, csv; say which with -F");
}

static void test_claims_of_the_table(void **state)
{
	static const struct {
		const char *text, *format; /* NULL: none */
	} cases[] = {
	    {HEADER "\r\n2023-11-16 18:17:03.9799600,4808,10\r\n", "azure"},
	    {"TIMESTAMP, ContextTokens, GeneratedTokens\n", "azure"},
	    {"\xef\xbb\xbf" HEADER, "azure"},
	    {"\r\n\n" HEADER "\n", "azure"},
	    {"GeneratedTokens,Extra,ContextTokens,TIMESTAMP\n", "azure"},
	    {"\"TIMESTAMP\",\"ContextTokens\",\"GeneratedTokens\"\n", "azure"},
	    {"TIMESTAMP,ContextTokens\n", NULL},
	    {"timestamp,contexttokens,generatedtokens\n", NULL},
	    {"id,arrival_ns,in_tokens,out_tokens\n0,0,1,1\n", "csv"},
	    {"arrival_ns,in_tokens,Other\n", "csv"},
	    {HEADER ",arrival_ns,in_tokens\n", NULL},
	    {"id,in_tokens\n", NULL},
	    {"{\"trace\":{\"version\":1}}\n", "jsonl"},
	    {"\x89TRB\r\n\x1a\n\x01", "trb"},
	    {"\"open quote", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tr_err err;
		const struct tr_format *f = tr_format_detect(tr_formats, of_text(cases[i].text), &err);

		assert_string_equal(f ? f->name : "none", cases[i].format ? cases[i].format : "none");
	}
}

static void test_extensions(void **state)
{
	(void)state;
	assert_string_equal(tr_format_of_path("a/b.trb")->name, "trb");
	assert_string_equal(tr_format_of_path("b.jsonl.zst")->name, "jsonl");
	assert_string_equal(tr_format_of_path("azure.csv.gz")->name, "csv");
	assert_null(tr_format_of_path("b.zst"));
	assert_null(tr_format_of_path("trb"));
	assert_null(tr_format_find("tr"));
	for (const struct tr_format *f = tr_formats; f->name; f++)
		assert_ptr_equal(tr_format_find(f->name), f);
}

struct told {
	unsigned n;
	struct tr_err err[4];
};

static void on_warning(void *ctx, const struct tr_err *err)
{
	struct told *told = ctx;

	assert_true(told->n < 4);
	told->err[told->n++] = *err;
}

/* --- there and back ---------------------------------------------------------------------- */

struct trip {
	struct tr_reader *r;
	struct tr_buf out;
	struct told told;
	struct tr_err err;
	unsigned source_rows; /* records that carry their own bytes */
	uint64_t records;
};

static int open_mem(struct trip *t, const char *format, struct tr_slice s, const struct tr_read_opts *o)
{
	struct tr_in *in;

	memset(t, 0, sizeof(*t));
	tr_buf_init(&t->out, 1 << 24);
	assert_int_equal(tr_in_open_mem(&in, "mem", s.p, s.n, 0, &t->err), 0);
	return tr_format_find(format)->open(&t->r, in, o, &t->err);
}

/* Everything from the reader into t->out. */
static int write_all(struct trip *t, const char *format, const struct tr_write_opts *o)
{
	struct tr_write_opts opts = o ? *o : (struct tr_write_opts){0};
	struct tr_writer *w;
	struct tr_out *out;
	struct tr_block *b;
	int rc;

	opts.warn = on_warning;
	opts.warn_ctx = &t->told;
	assert_int_equal(tr_out_open_buf(&out, &t->out, TR_OUT_SHA256, &t->err), 0);
	rc = tr_format_find(format)->create(&w, out, tr_reader_head(t->r), &opts, &t->err);
	if (rc < 0)
		return rc;
	while ((rc = tr_reader_block(t->r, &b, &t->err)) == 1) {
		t->records += b->rows;
		if (b->kind == TR_REQUEST && b->col_of[TR_F_source_row] >= 0)
			t->source_rows += b->cols[b->col_of[TR_F_source_row]].count;
		rc = tr_writer_block(w, b, &t->err);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		rc = tr_tail_copy_facts(tr_writer_tail(w), tr_reader_tail(t->r), &t->err);
	if (rc < 0)
		tr_writer_abort(w);
	else
		rc = tr_writer_finish(w, &t->err);
	return rc;
}

static void trip_free(struct trip *t)
{
	tr_reader_close(t->r);
	tr_buf_free(&t->out);
}

static void test_azure_same_bytes(void **state)
{
	static const struct {
		const char *text;
		unsigned rows, source_rows;
	} cases[] = {
	    /* 2023, the two line ends, without the last one */
	    {HEADER "\r\n2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8", 2, 0},
	    {HEADER "\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-17 00:00:00.0000000,3180,8\n", 2, 0},
	    /* 2024: no fraction when it is zero, shown or not */
	    {HEADER "\r\n2024-05-12 00:00:00+00:00,1,2\r\n2024-05-12 00:00:00.000001+00:00,0,0\r\n", 2, 0},
	    {HEADER "\r\n2024-05-12 00:00:00.022580+00:00,1,2\r\n", 1, 0},
	    {HEADER "\n2024-05-12 00:00:00.000000+00:00,1,2\n2024-05-12 00:00:01+00:00,1,2\n", 2, 1},
	    /* 2025 */
	    {"TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n2024-10-15T12:00:00.269Z,0,770,491\n"
	     "2024-10-15T12:00:05.000Z,,949,126\n",
	     2, 0},
	    /* inference-perf as documented */
	    {"TIMESTAMP, ContextTokens, GeneratedTokens\n2023-01-01 00:00:00.000, 150, 200\n"
	     "2023-01-01 00:00:01.500, 1, 2\n",
	     2, 0},
	    /* no fraction at all, a zone, a byte order mark, out of order */
	    {"\xef\xbb\xbf" HEADER "\n2023-01-01 05:00:00-05:30,1,1\n2023-01-01 04:59:59-05:30,1,1\n", 2, 0},
	    /* rows in another spelling */
	    {HEADER "\n2023-01-01 00:00:00.5,1,1\n2023-01-01 00:00:00.25,1,1\n2023-01-01T00:00:01.00,01,+1\n"
	            "2023-01-01 00:00:01.00Z,1,1\n \"2023-01-01 00:00:02.00\" ,\"1\",1\n2023-01-01 "
	            "00:00:03.00,1,1 \n",
	     6, 5},
	    /* one hour in several spellings, each twice */
	    {HEADER "\n2023-01-01 00:00:00.10,1,1\n2023-01-01T00:00:00.10,1,1\n2023-01-01T00:00:00.11,1,1\n"
	            "2023-01-01 00:00:00.12,1,1\n2023-01-01 00:00:00.1,1,1\n2023-01-01 00:00:00.1,1,1\n"
	            "2023-01-01 00:59:59.13,1,1\n2023-01-01 01:00:00.00,1,1\n2023-01-01 00:00:00.14,1,1",
	     9, 4},
	    /* blank lines before, between and behind */
	    {"\n" HEADER
	     "\n\n2023-01-01 00:00:00,1,1\n \n\n2023-01-01 00:00:01,1,1\n2023-01-01 00:00:02,1,1\n\n\n",
	     3, 2},
	    {HEADER "\n2023-01-01 00:00:00,1,1\n2023-01-01 00:00:01,1,1\r\n2023-01-01 "
	            "00:00:02,1,1\r2023-01-01 00:00:03,1,1",
	     4, 2},
	    /* extra columns, also empty, quoted, of one name, and not UTF-8 */
	    {"Model,TIMESTAMP,ContextTokens,\"a \"\"b\"\"\",GeneratedTokens,Model\n"
	     "x,2023-01-01 00:00:00.1,1,2,3,y\n,2023-01-01 00:00:00.2,1,\"2, 3\",3,\n\xff\\,2023-01-01 "
	     "00:00:00.3,1,{},3,z",
	     3, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct trip there, back;

		assert_int_equal(open_mem(&there, "azure", of_text(cases[i].text), NULL), 0);
		assert_int_equal(write_all(&there, i % 2 ? "jsonl" : "trb", NULL), 0);
		assert_int_equal(there.records, cases[i].rows);
		assert_int_equal(there.source_rows, cases[i].source_rows);
		assert_int_equal(open_mem(&back, i % 2 ? "jsonl" : "trb",
		                          (struct tr_slice){there.out.p, there.out.n}, NULL),
		                 0);
		assert_int_equal(write_all(&back, "azure", NULL), 0);
		tr_buf_char(&back.out, '\0');
		assert_string_equal(back.out.p, cases[i].text);
		assert_int_equal(back.told.n, 0);
		trip_free(&there);
		trip_free(&back);
	}
}

/* Whatever is read without an error comes back as it was, also what nobody has thought of. */
static void test_azure_mutations(void **state)
{
	static const char *const seeds[] = {
	    HEADER "\r\n2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8\r\n"
	           "2023-11-16 18:17:04.0000000,110,27",
	    "TIMESTAMP, ContextTokens, GeneratedTokens, a\n2024-05-12 00:00:00+00:00, 1, 2, x\n"
	    "2024-05-12 00:00:00.000001+00:00, 0, 0, \"y, \"\"\"\n\n2024-05-12 00:00:01+00:00, 3, 4, \n",
	    "\xef\xbb\xbf" HEADER
	    "\n2023-01-01 00:00:00.50,1,1\n2023-01-01 00:00:00.25,1,1\n2023-01-01 00:00:00.25,1,1\n",
	};
	static const char letters[] = "\r\n\n\r   \t,\"0011599:.+TZ\xef\xff\0x";
	uint64_t random = 1;
	unsigned same = 0;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		char text[512];
		size_t n = strlen(seeds[i % 3]);
		struct trip there, back;

		memcpy(text, seeds[i % 3], n);
		for (unsigned k = 0; k <= i % 2; k++) {
			size_t at, from;

			random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			at = (size_t)(random >> 33) % n;
			at = i % 8 && at < sizeof(HEADER) ? n - 1 - at : at; /* rows, mostly */
			from = (size_t)(random >> 24) % n;
			if (random >> 62 == 0)
				text[at] = letters[(random >> 40) % sizeof(letters)];
			else if (random >> 62 == 1)
				memmove(text + at, text + at + 1, --n - at);
			else if (random >> 62 == 2)
				memmove(text + at + 1, text + at, n++ - at);
			else
				text[at] = text[from];
		}
		if (open_mem(&there, "azure", (struct tr_slice){text, n}, NULL) < 0) {
			tr_buf_free(&there.out);
			continue;
		}
		if (write_all(&there, "trb", NULL) == 0) {
			assert_int_equal(
			    open_mem(&back, "trb", (struct tr_slice){there.out.p, there.out.n}, NULL), 0);
			assert_int_equal(write_all(&back, "azure", NULL), 0);
			assert_int_equal(back.told.n, 0);
			assert_int_equal(back.out.n, n);
			assert_memory_equal(back.out.p, text, n);
			trip_free(&back);
			same++;
		}
		trip_free(&there);
	}
	assert_true(same > 500);
}

static void test_azure_values(void **state)
{
	const struct tr_rec *rec;
	const struct tr_head *h;
	struct trip t;

	(void)state;
	assert_int_equal(
	    open_mem(&t, "azure",
	             of_text("GeneratedTokens,TIMESTAMP,Kind,NumImages,ContextTokens\n"
	                     "7,1970-01-01 01:00:00.000000001+01:00,\"a\"\"\tb\",3,18446744073709551615\n"
	                     "8,1969-12-31 23:59:59Z,,,0\n"),
	             NULL),
	    0);
	h = tr_reader_head(t.r);
	assert_true(h->has_origin);
	assert_int_equal(h->origin_ns, 1);
	assert_string_equal(h->format, "azure");
	assert_string_equal(h->order, "file");
	assert_int_equal(tr_reader_next(t.r, &rec, &t.err), 1);
	assert_int_equal(rec->mask, TR_BIT(id) | TR_BIT(arrival_ns) | TR_BIT(in_tokens) | TR_BIT(out_tokens) |
	                                TR_BIT(images) | TR_BIT(extra) | TR_BIT(source_row));
	assert_int_equal(rec->arrival_ns, 0);
	assert_true(rec->in_tokens == UINT64_MAX);
	assert_int_equal(rec->out_tokens, 7);
	assert_int_equal(rec->images, 3);
	assert_true(tr_slice_eq(rec->extra, "{\"Kind\":\"a\\\"\\tb\"}"));
	assert_int_equal(tr_reader_next(t.r, &rec, &t.err), 1);
	assert_int_equal(rec->id, 1);
	assert_int_equal(rec->arrival_ns, -1000000001);
	assert_false(TR_HAS(rec, images));
	assert_int_equal(tr_reader_next(t.r, &rec, &t.err), 0);
	assert_int_equal(tr_reader_tail(t.r)->inversions, 1);
	assert_int_equal(tr_reader_tail(t.r)->nsources, 1);
	assert_string_equal(tr_reader_tail(t.r)->state, "complete");
	trip_free(&t);
}

static void test_azure_refuses(void **state)
{
	static const struct {
		const char *text, *field, *why;
		uint64_t line;
	} cases[] = {
	    {"", "", "empty input", 0},
	    {"\n\n", "", "no header", 2},
	    {"TIMESTAMP,GeneratedTokens\n", "ContextTokens", "the header has no such column", 1},
	    {"TIMESTAMP,TIMESTAMP,ContextTokens,GeneratedTokens\n", "TIMESTAMP", "the column stands twice",
	     1},
	    {HEADER "\n", "", "no rows", 1},
	    {HEADER "\n2023-02-29 00:00:00,1,1\n", "TIMESTAMP", "no such day", 2},
	    {HEADER "\n2023-02-28 00:00:00,-1,1\n", "ContextTokens", "negative", 2},
	    {HEADER "\n2023-02-28 00:00:00,1,\n", "GeneratedTokens", "empty", 2},
	    {HEADER "\n2023-02-28 00:00:00,1.0,1\n", "ContextTokens", "not an integer", 2},
	    {HEADER "\n2023-02-28 00:00:00,18446744073709551616,1\n", "ContextTokens", "too large", 2},
	    {HEADER "\n2023-02-28 00:00:00,1,1,1\n", "", "4 cells in a row, 3 in the header", 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct trip t;

		assert_int_equal(open_mem(&t, "azure", of_text(cases[i].text), NULL), -TR_EDATA);
		assert_string_equal(t.err.text, cases[i].why);
		assert_string_equal(t.err.field, cases[i].field);
		assert_int_equal(t.err.line, cases[i].line);
		assert_string_equal(t.err.file, "mem");
		tr_buf_free(&t.out);
	}
}

/* A style in a head may be anybody's. */
static void test_azure_hostile_style(void **state)
{
	static const char *const styles[] = {
	    "{}",
	    "{\"header\":1}",
	    "{\"columns\":[\"TIMESTAMP\",\"ContextTokens\",\"GeneratedTokens\"]}",
	    "{\"header\":\"\",\"separator\":\",\",\"eol\":\"\\n\",\"time_separator\":\" "
	    "\",\"digits\":10,\"zone\":"
	    "\"+99:99\",\"columns\":[\"TIMESTAMP\",\"ContextTokens\",\"GeneratedTokens\"]}",
	    "{\"header\":\"\",\"separator\":\",\",\"eol\":\"\\n\",\"time_separator\":\"X\",\"digits\":3,"
	    "\"zone\":\"\","
	    "\"columns\":[\"TIMESTAMP\",\"ContextTokens\",\"GeneratedTokens\"]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		struct tr_head head = {.format = (char *)(uintptr_t) "azure",
		                       .style = (char *)(uintptr_t)styles[i]};
		struct tr_writer *w;
		struct tr_buf buf;
		struct tr_out *out;
		struct tr_err err;

		tr_buf_init(&buf, 1 << 20);
		assert_int_equal(tr_out_open_buf(&out, &buf, 0, &err), 0);
		assert_int_equal(tr_azure_create(&w, out, &head, NULL, &err), 0);
		assert_int_equal(tr_writer_finish(w, &err), -TR_EDATA);
		tr_buf_free(&buf);
	}
}

static void test_azure_says_what_is_lost(void **state)
{
	struct trip t;

	(void)state;
	assert_int_equal(
	    open_mem(
	        &t, "csv",
	        of_text("arrival_ns,in_tokens,out_tokens,session,model\n0,1,1,a,\n1,2,2,,m\n2,3,3,b,m\n"),
	        NULL),
	    0);
	assert_int_equal(write_all(&t, "azure", NULL), 0);
	tr_buf_char(&t.out, '\0');
	assert_string_equal(t.out.p, HEADER "\r\n1970-01-01 00:00:00.000000000,1,1\r\n"
	                                    "1970-01-01 00:00:00.000000001,2,2\r\n"
	                                    "1970-01-01 00:00:00.000000002,3,3\r\n");
	assert_int_equal(t.told.n, 1);
	assert_string_equal(t.told.err[0].text, "not written: session (2 records), model (2 records)");
	trip_free(&t);

	assert_int_equal(open_mem(&t, "csv", of_text("arrival_ns,in_tokens\n0,1\n"), NULL), 0);
	assert_int_equal(write_all(&t, "azure", NULL), -TR_EDATA);
	assert_string_equal(t.err.field, "out_tokens");
	trip_free(&t);
}

/* --- csv --------------------------------------------------------------------------------- */

static void test_csv_same_records(void **state)
{
	static const char text[] =
	    "id,arrival_ns,in_tokens,session,think_ns,priority,block_size,blocks,extra\n"
	    "7,-9223372036854775808,18446744073709551615,\"\",,-3,16,1 2 18446744073709551615,\n"
	    "8,5,1,\" a \"\"b\"\",\nc\",12,0,16,\"\",\"{\"\"x\"\":\"\"y\"\"}\"\n"
	    "9,,1,\xff\xfe,,,,,\n";
	struct trip t;

	(void)state;
	assert_int_equal(open_mem(&t, "csv", of_text(text), NULL), 0);
	assert_int_equal(write_all(&t, "csv", NULL), 0);
	tr_buf_char(&t.out, '\0');
	assert_string_equal(t.out.p, text);
	trip_free(&t);

	assert_int_equal(open_mem(&t, "csv", of_text(text), NULL), 0);
	assert_int_equal(write_all(&t, "csv", &(struct tr_write_opts){.columns = "session"}), 0);
	tr_buf_char(&t.out, '\0');
	assert_string_equal(t.out.p, "session\n\"\"\n\" a \"\"b\"\",\nc\"\n\xff\xfe\n");
	trip_free(&t);
}

static void test_csv_maps(void **state)
{
	static const struct {
		const char *map, *text, *jsonl; /* of the last record */
		char delimiter;
	} cases[] = {
	    {"arrival=t,in=i,out=o", "t,i,o\n1.5,1,2\n1.500000001,3,4\n",
	     "{\"id\":1,\"arrival_ns\":1,\"in_tokens\":3,\"out_tokens\":4}", 0},
	    {"arrival=t:ms,in=i", "i;t\n1;100\n2;100.25\n",
	     "{\"id\":1,\"arrival_ns\":250000,\"in_tokens\":2}", 0},
	    {"arrival=t,in=i", "i\tt\n1\t2023-01-01T00:00:00Z\n2\t2023-01-01 01:00:01+01:00\n",
	     "{\"id\":1,\"arrival_ns\":1000000000,\"in_tokens\":2}", 0},
	    {"in=#2,out=#1,header=none", "5|6\n7|8\n", "{\"id\":1,\"in_tokens\":8,\"out_tokens\":7}", 0},
	    {"in=\"a,b:\"\"c\"\"\",model=m", "m,\"a,b:\"\"c\"\"\",rest,\nx,1,r,\n",
	     "{\"id\":0,\"in_tokens\":1,\"model\":\"x\",\"extra\":\"{\\\"rest\\\":\\\"r\\\",\\\"\\\":"
	     "\\\"\\\"}\"}",
	     0},
	    {"in=i,blocks=b", "i,b\n1,3;4; 5\n", "{\"id\":0,\"in_tokens\":1,\"blocks\":[3,4,5]}", 0},
	    {"arrival=t:ms,end_ns=e:ms,think_ns=w:s", "t,e,w\n1000,1500,0.5\n",
	     "{\"id\":0,\"arrival_ns\":0,\"think_ns\":500000000,\"end_ns\":500000000}", 0},
	    {"in=a", "a,b:c\n1,2:3\n", "{\"id\":0,\"in_tokens\":1,\"extra\":\"{\\\"b:c\\\":\\\"2:3\\\"}\"}",
	     0},
	    {"in=c", "a,b:c\n1,2:3\n", "{\"id\":0,\"in_tokens\":3,\"extra\":\"{\\\"a,b\\\":\\\"1,2\\\"}\"}",
	     ':'},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tr_read_opts o = {.map = cases[i].map, .delimiter = cases[i].delimiter};
		struct trip t;
		char *end;

		assert_int_equal(open_mem(&t, "csv", of_text(cases[i].text), &o), 0);
		assert_int_equal(write_all(&t, "jsonl", NULL), 0);
		tr_buf_char(&t.out, '\0');
		end = strstr(t.out.p, "\n{\"end\"");
		assert_non_null(end);
		*end = '\0';
		assert_string_equal(strrchr(t.out.p, '\n') + 1, cases[i].jsonl);
		trip_free(&t);
	}
}

static void test_csv_heads(void **state)
{
	struct tr_read_opts o = {.map = "arrival=t"};
	struct trip t;

	(void)state;
	assert_int_equal(open_mem(&t, "csv", of_text("t\n1970-01-01 00:00:02\n"), &o), 0);
	assert_true(tr_reader_head(t.r)->has_origin);
	assert_int_equal(tr_reader_head(t.r)->origin_ns, 2000000000);
	trip_free(&t);
	assert_int_equal(open_mem(&t, "csv", of_text("t\n3.25\n"), &o), 0);
	assert_false(tr_reader_head(t.r)->has_origin);
	assert_string_equal(tr_reader_head(t.r)->notes, "{\"first_arrival_ns\":3250000000}");
	trip_free(&t);
}

static void test_csv_refuses(void **state)
{
	static const struct {
		const char *map, *text, *why;
		int rc;
	} cases[] = {
	    {"arrival", "a\n1\n", "field=column is missing its =", -TR_EUSAGE},
	    {"arrival=", "a\n1\n", "a column is missing", -TR_EUSAGE},
	    {"arival_ns=a", "a\n1\n", "no such field; did you mean arrival_ns?", -TR_EUSAGE},
	    {"in=a,in_tokens=a", "a\n1\n", "a field stands twice", -TR_EUSAGE},
	    {"in=a,out=a", "a\n1\n", "a column stands twice", -TR_EUSAGE},
	    {"in=a:s", "a\n1\n", "a unit that the field does not have", -TR_EUSAGE},
	    {"arrival=a:min", "a\n1\n", "unknown unit, there are s, ms, us, ns and iso", -TR_EUSAGE},
	    {"in=\"a", "a\n1\n", "a quote without its end", -TR_EUSAGE},
	    {"in=#0", "a\n1\n", "not the number of a column", -TR_EUSAGE},
	    {"in=a,", "a\n1\n", "field=column is missing its =", -TR_EUSAGE},
	    {"header=some,in=a", "a\n1\n", "header can only be none", -TR_EUSAGE},
	    {"extra=a", "a,b\n1,2\n", "extra is mapped, so that other columns have no place", -TR_EUSAGE},
	    {"in=#2", "a\n1\n", "no such column", -TR_EDATA},
	    {"in=b", "a\n1\n", "no such column", -TR_EDATA},
	    {"arrival=a", "a,b\n,1\n", "empty in the first row, which gives the origin", -TR_EDATA},
	    {"arrival=a", "a\n1h\n", "not a number", -TR_EDATA},
	    {"in=a", "a\n", "no rows", -TR_EDATA},
	    {"blocks=a", "a\n1,2\n", "2 cells in a row, 1 in the header", -TR_EDATA},
	    {NULL, "Timestamp,Tokens\n1,2\n", "which column is what? Say so with --map", -TR_EUSAGE},
	    {NULL, "in_tokens,in_tokens\n1,2\n", "the column stands twice", -TR_EUSAGE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tr_read_opts o = {.map = cases[i].map};
		struct trip t;

		assert_int_equal(open_mem(&t, "csv", of_text(cases[i].text), &o), cases[i].rc);
		assert_string_equal(t.err.text, cases[i].why);
		tr_buf_free(&t.out);
	}
}

static void test_csv_columns(void **state)
{
	struct trip t;

	(void)state;
	assert_int_equal(open_mem(&t, "csv", of_text("in_tokens\n1\n"), NULL), 0);
	assert_int_equal(write_all(&t, "csv", &(struct tr_write_opts){.columns = "id,in_token"}), -TR_EUSAGE);
	assert_string_equal(t.err.text, "no such field (did you mean in_tokens?)");
	trip_free(&t);
	assert_int_equal(open_mem(&t, "csv", of_text("in_tokens\n1\n"), NULL), 0);
	assert_int_equal(write_all(&t, "csv", &(struct tr_write_opts){.columns = "id,id"}), -TR_EUSAGE);
	trip_free(&t);
}

/* A field that first comes after the header was written must not vanish. */
static void test_csv_late_field(void **state)
{
	struct tr_rec rec = {0};
	struct tr_head head = {0};
	struct tr_writer *w;
	struct tr_buf buf;
	struct tr_out *out;
	struct tr_err err;
	int rc;

	(void)state;
	tr_buf_init(&buf, 1 << 20);
	assert_int_equal(tr_out_open_buf(&out, &buf, 0, &err), 0);
	assert_int_equal(tr_csv_create(&w, out, &head, NULL, &err), 0);
	TR_SET(&rec, in_tokens, 1);
	assert_int_equal(tr_writer_put(w, &rec, &err), 0);
	assert_int_equal(tr_writer_flush(w, &err), 0);
	TR_SET(&rec, turn, 2);
	assert_int_equal(tr_writer_put(w, &rec, &err), 0);
	rc = tr_writer_finish(w, &err);
	assert_int_equal(rc, -TR_EDATA);
	assert_string_equal(err.field, "turn");
	assert_non_null(strstr(err.text, "--columns"));
	tr_buf_free(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_claim),
	    cmocka_unit_test(test_no_claim),
	    cmocka_unit_test(test_two_claims),
	    cmocka_unit_test(test_claims_of_the_table),
	    cmocka_unit_test(test_extensions),
	    cmocka_unit_test(test_azure_same_bytes),
	    cmocka_unit_test(test_azure_mutations),
	    cmocka_unit_test(test_azure_values),
	    cmocka_unit_test(test_azure_refuses),
	    cmocka_unit_test(test_azure_hostile_style),
	    cmocka_unit_test(test_azure_says_what_is_lost),
	    cmocka_unit_test(test_csv_same_records),
	    cmocka_unit_test(test_csv_maps),
	    cmocka_unit_test(test_csv_heads),
	    cmocka_unit_test(test_csv_refuses),
	    cmocka_unit_test(test_csv_columns),
	    cmocka_unit_test(test_csv_late_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
