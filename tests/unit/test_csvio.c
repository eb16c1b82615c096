/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of delimited text: the same however the bytes come and whoever splits them; bad rows, ends, limits.
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

struct log { /* what a reader of rows was told */
	struct csvio io;
	struct tr_buf text;
};

static const char *log_cell(void *self, unsigned col, struct tr_slice s)
{
	struct log *log = self;

	assert_int_equal(tr_buf_printf(&log->text, "%u%s", col, s.p ? "=" : "-"), 0);
	assert_int_equal(tr_buf_add(&log->text, s.p, s.n), 0);
	tr_buf_char(&log->text, '|');
	return tr_slice_eq(s, "bad") ? "no good" : NULL;
}

static const char *log_row(void *self, unsigned *col)
{
	struct log *log = self;

	(void)col;
	assert_int_equal(tr_buf_printf(&log->text, "line %u %s raw ", (unsigned)log->io.row_line,
	                               log->io.regular ? "regular" : "irregular"),
	                 0);
	tr_buf_add(&log->text, log->io.raw.p, log->io.raw.n);
	tr_buf_str(&log->text, "$\n");
	return NULL;
}

static const struct csvio_ops log_ops = {log_cell, log_row};

static int log_open(struct log *log, struct tr_slice s, size_t step, const struct tr_read_opts *o)
{
	struct tr_in *in;
	int rc;

	assert_int_equal(tr_in_open_mem(&in, "mem", s.p, s.n, 0, NULL), 0);
	tr_buf_init(&log->text, 1 << 24);
	rc = csvio_open(&log->io, in, o, ',', &log_ops, log, NULL);
	assert_int_equal(rc, 0);
	log->io.step = step;
	log->io.sep = tr_slice_of(",");
	log->io.eol = tr_slice_of("\n");
	return rc;
}

static void log_close(struct log *log)
{
	csvio_free(&log->io);
	tr_buf_free(&log->text);
}

static const char mixed[] = "\xef\xbb\xbfName,B\n"
                            "1,2\n"
                            "\n  \r\n3,4\n"
                            "5,6\r\n"
                            "7 ,8\n"
                            "\"a\nb\",9\n"
                            "\"say \"\"x\"\"\",\n"
                            "\"\",10\r11,12\r"
                            "\"\r\n\",13\r\n"
                            "14,bad\n"
                            "15\n"
                            "16,1\"7\n"
                            "18,19";

static const char mixed_rows[] = "0=1|1=2|line 2 regular raw 1,2\n$\n"
                                 "0=3|1=4|line 5 irregular raw \n  \r\n3,4\n$\n"
                                 "0=5|1=6|line 6 irregular raw 5,6\r\n$\n"
                                 "0=7|1=8|line 7 irregular raw 7 ,8\n$\n"
                                 "0=a\nb|1=9|line 8 irregular raw \"a\nb\",9\n$\n"
                                 "0=say \"x\"|1-|line 10 irregular raw \"say \"\"x\"\"\",\n$\n"
                                 "0=|1=10|line 11 irregular raw \"\",10\r$\n"
                                 "0=11|1=12|line 12 irregular raw 11,12\r$\n"
                                 "0=\r\n|1=13|line 13 irregular raw \"\r\n\",13\r\n$\n"
                                 "0=14|1=bad|"
                                 "0=15|"
                                 "0=16|"
                                 "0=18|1=19|line 18 regular raw 18,19$\n";

static void test_any_chunk(void **state)
{
	(void)state;
	for (size_t step = 1; step <= 64; step++) {
		struct tr_read_opts o = {.skip_bad = 3};
		struct tr_slice look;
		struct tr_err err;
		struct log log;
		int rc, whole;

		log_open(&log, tr_slice_of(mixed), step, &o);
		if (step % 2) { /* looking first makes no difference */
			assert_int_equal(csvio_look(&log.io, &look, &whole, &err), 0);
			assert_int_equal(look.n, strlen(mixed));
			assert_true(whole);
		}
		assert_int_equal(csvio_header(&log.io, &err), 0);
		assert_true(log.io.bom);
		assert_true(tr_slice_eq(log.io.raw, "Name,B\n"));
		assert_true(tr_slice_eq(csvio_name(&log.io, 0), "Name"));
		assert_int_equal(csvio_find(&log.io, tr_slice_of("B")), 1);
		while ((rc = csvio_next(&log.io, &err)) == 1)
			;
		assert_int_equal(rc, 0);
		assert_int_equal(log.io.tail.skipped, 3);
		assert_false(log.io.final_newline);
		assert_int_equal(csvio_rest(&log.io).n, 0);
		tr_buf_char(&log.text, '\0');
		assert_string_equal(log.text.p, mixed_rows);
		log_close(&log);
	}
}

/* What is split here and what libcsv makes of the same text: the same cells, rows, places and complaints. */
static void test_split_as_libcsv(void **state)
{
	static const char alphabet[] = "ab,,,  \t\"\r\n\n\n1;";
	const char *full = getenv("REPRISE_FULL");
	int rounds = full && *full ? 100000 : 6000;
	struct tr_rng g;
	char text[80];

	(void)state;
	tr_rng_init(&g, 1, "lines");
	for (int i = 0; i < rounds; i++) {
		struct tr_read_opts o = {.skip_bad = UINT64_MAX};
		size_t n = tr_rng_below(&g, sizeof(text));
		char delimiter = ",\t;"[tr_rng_below(&g, 3)];
		struct log logs[2];
		int rc[2];

		for (size_t k = 0; k < n; k++)
			text[k] = alphabet[tr_rng_below(&g, sizeof(alphabet) - 1)];
		for (int way = 0; way < 2; way++) {
			struct log *log = &logs[way];
			struct tr_err err;

			log_open(log, (struct tr_slice){text, n}, 1 + tr_rng_below(&g, 90), &o);
			csvio_set_delimiter(&log->io, delimiter);
			log->io.library_only = way;
			csvio_number_columns(&log->io, 2 + (unsigned)(i % 3), &err);
			while ((rc[way] = csvio_next(&log->io, &err)) == 1)
				;
			tr_buf_printf(&log->text, "skipped %u, rest %u", (unsigned)log->io.tail.skipped,
			              (unsigned)csvio_rest(&log->io).n);
			tr_buf_char(&log->text, '\0');
		}
		assert_int_equal(rc[0], rc[1]);
		if (strcmp(logs[0].text.p, logs[1].text.p) != 0)
			fail_msg("\"%.*s\": %s, not %s", (int)n, text, logs[0].text.p, logs[1].text.p);
		log_close(&logs[0]);
		log_close(&logs[1]);
	}
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

static void test_bad_rows(void **state)
{
	struct told told = {0};
	struct tr_read_opts o = {.skip_bad = 2, .warn = on_warning, .warn_ctx = &told};
	struct tr_err err;
	struct log log;
	int rc;

	(void)state;
	log_open(&log, tr_slice_of(mixed), 7, &o);
	assert_int_equal(csvio_header(&log.io, &err), 0);
	while ((rc = csvio_next(&log.io, &err)) == 1)
		;
	assert_int_equal(rc, -TR_EDATA);
	assert_int_equal(told.n, 2);
	assert_int_equal(told.err[0].line, 15);
	assert_string_equal(told.err[0].field, "B");
	assert_string_equal(told.err[0].text, "no good");
	assert_string_equal(told.err[0].value, "bad");
	assert_string_equal(told.err[1].file, "mem");
	assert_int_equal(told.err[1].line, 16);
	assert_string_equal(told.err[1].text, "1 cells in a row, 2 in the header");
	assert_int_equal(err.line, 17);
	log_close(&log);
}

static void test_ends(void **state)
{
	static const struct {
		const char *text, *rest;
		int final_newline, rc;
	} cases[] = {
	    {"A\n1\n", "", 1, 0},           {"A\n1", "", 0, 0},
	    {"A\n1\n\n \n", "\n \n", 1, 0}, {"A\n1\n  ", "  ", 1, 0},
	    {"A\n1\r", "", 1, 0},           {"A\r1\r\r", "\r", 1, 0},
	    {"A\n\"1\"", "", 0, 0},         {"A\n\"1\n2", NULL, 0, -TR_EDATA},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tr_err err;
		struct log log;
		int rc;

		log_open(&log, tr_slice_of(cases[i].text), 1, NULL);
		assert_int_equal(csvio_header(&log.io, &err), 0);
		while ((rc = csvio_next(&log.io, &err)) == 1)
			;
		assert_int_equal(rc, cases[i].rc);
		if (rc == 0) {
			assert_true(tr_slice_eq(csvio_rest(&log.io), cases[i].rest));
			assert_int_equal(log.io.final_newline, cases[i].final_newline);
		}
		log_close(&log);
	}
}

static void test_limits(void **state)
{
	const size_t n = CSVIO_ROW_MAX + 100;
	char *big = malloc(n);
	struct tr_err err;
	struct log log;

	(void)state;
	assert_non_null(big);
	memset(big, 'x', n);
	memcpy(big, "A\n\"", 3); /* a quote that is never closed */
	log_open(&log, (struct tr_slice){big, n}, CSVIO_LOOK, &(struct tr_read_opts){.skip_bad = UINT64_MAX});
	assert_int_equal(csvio_header(&log.io, &err), 0);
	assert_int_equal(csvio_next(&log.io, &err), -TR_ELIMIT);
	assert_int_equal(err.line, 2);
	log_close(&log);

	memset(big, ',', CSVIO_COLS_MAX - 1);
	big[CSVIO_COLS_MAX - 1] = '\n';
	log_open(&log, (struct tr_slice){big, CSVIO_COLS_MAX}, CSVIO_LOOK, NULL);
	assert_int_equal(csvio_header(&log.io, &err), 0);
	assert_int_equal(log.io.ncols, CSVIO_COLS_MAX);
	log_close(&log);
	big[CSVIO_COLS_MAX - 1] = ',';
	big[CSVIO_COLS_MAX] = '\n';
	log_open(&log, (struct tr_slice){big, CSVIO_COLS_MAX + 1}, CSVIO_LOOK, NULL);
	assert_int_equal(csvio_header(&log.io, &err), -TR_ELIMIT);
	log_close(&log);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_any_chunk), cmocka_unit_test(test_split_as_libcsv),
	    cmocka_unit_test(test_bad_rows),  cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
