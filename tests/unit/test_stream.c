/* SPDX-License-Identifier: Apache-2.0
 *
 * The record stream as a whole: what is put in comes out, in both forms, in any shape; a stream cut or
 * damaged anywhere gives its whole blocks and then one error.
 */
#include "libtrace/trb.h"
#include "tests/unit/gen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

typedef int make_writer(struct tr_writer **, struct tr_out *, const struct tr_head *, struct tr_err *);
typedef int make_reader(struct tr_reader **, struct tr_in *, struct tr_err *);

static const struct {
	make_writer *writer;
	make_reader *reader;
} forms[] = {{tr_trb_writer, tr_trb_reader}, {tr_jsonl_writer, tr_jsonl_reader}};

static void must(int rc, const struct tr_err *err)
{
	char line[1024];
	if (rc < 0)
		fail_msg("%s", tr_err_format(err, line, sizeof line));
}

static struct tr_slice write_stream(int form, struct gen *g, unsigned records, struct tr_buf *buf)
{
	struct tr_err err;
	struct tr_out *out;
	struct tr_writer *w;
	struct tr_head head = {.has_seed = 1, .seed = 7};
	union {
		struct tr_rec rec;
		struct tr_series series;
		struct tr_event event;
	} any;
	buf->n = 0;
	must(tr_meta_set(&head.order, "file", &err), &err);
	must(tr_out_open_buf(&out, buf, 0, &err), &err);
	must(forms[form].writer(&w, out, &head, &err), &err);
	for (unsigned i = 0; i < records; i++) {
		gen_record(g, TR_REQUEST, &any.rec);
		must(tr_writer_put(w, &any.rec, &err), &err);
		if (i % 50 == 7) {
			gen_record(g, TR_SERIES, &any.series);
			must(tr_writer_put_series(w, &any.series, &err), &err);
		}
		if (i % 70 == 9) {
			gen_record(g, TR_EVENT, &any.event);
			must(tr_writer_put_event(w, &any.event, &err), &err);
		}
	}
	must(tr_writer_finish(w, &err), &err);
	tr_head_free(&head);
	return (struct tr_slice){buf->p, buf->n};
}

static void assert_same(const struct tr_schema *schema, const void *a, const void *b)
{
	uint64_t ma, mb;
	memcpy(&ma, a, sizeof ma);
	memcpy(&mb, b, sizeof mb);
	assert_int_equal(ma, mb);
	for (unsigned i = 0; i < schema->nfields; i++) {
		const struct tr_field *f = &schema->fields[i];
		if (!(ma >> i & 1))
			continue;
		if (f->type == TR_TYPE_STR) {
			struct tr_slice x = tr_field_str(f, a), y = tr_field_str(f, b);
			assert_int_equal(x.n, y.n);
			if (x.n)
				assert_memory_equal(x.p, y.p, x.n);
		} else if (f->type == TR_TYPE_LIST) {
			struct tr_list x = tr_field_list(f, a), y = tr_field_list(f, b);
			assert_int_equal(x.n, y.n);
			if (x.n)
				assert_memory_equal(x.v, y.v, x.n * sizeof *x.v);
		} else {
			assert_int_equal(tr_field_bits(f, a), tr_field_bits(f, b));
		}
	}
}

static struct tr_reader *open_stream(int form, struct tr_slice s)
{
	struct tr_err err;
	struct tr_in *in;
	struct tr_reader *r;
	must(tr_in_open_mem(&in, "memory", s.p, s.n, 0, &err), &err);
	must(forms[form].reader(&r, in, &err), &err);
	return r;
}

/* Every shape and seed: put, read back, compare with a second run of the same generator. */
static void round_trips(void **state)
{
	static const uint64_t shapes[] = {
	    0, 0xf, UINT64_MAX, UINT64_C(0x3fc000000), UINT64_C(0x1fe0), UINT64_C(0x0780000)};
	static const unsigned odds[] = {16, 8, 1};
	struct gen *g = malloc(sizeof *g);
	struct tr_buf buf;
	(void)state;
	tr_buf_init(&buf, 1u << 30);
	for (int form = 0; form < 2; form++) {
		uint64_t seed = 1;
		for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
			for (int o = 0; o < 3; o++) {
				gen_init(g, ++seed, shapes[s], odds[o]);
				struct tr_slice bytes = write_stream(form, g, 300, &buf);
				gen_init(g, seed, shapes[s], odds[o]);
				struct tr_reader *r = open_stream(form, bytes);
				const struct tr_rec *got;
				struct tr_rec want;
				struct tr_event side;
				struct tr_err err;
				unsigned n = 0;
				int rc;
				for (; (rc = tr_reader_next(r, &got, &err)) == 1; n++) {
					gen_record(g, TR_REQUEST, &want);
					assert_same(&tr_schemas[TR_REQUEST], got, &want);
					if (n % 50 == 7)
						gen_record(g, TR_SERIES, &side);
					if (n % 70 == 9)
						gen_record(g, TR_EVENT, &side);
				}
				must(rc, &err);
				assert_int_equal(n, 300);
				assert_int_equal(tr_reader_tail(r)->records, 300);
				assert_string_equal(tr_reader_tail(r)->state, "complete");
				assert_int_equal(tr_reader_head(r)->seed, 7);
				tr_reader_close(r);
			}
	}
	tr_buf_free(&buf);
	free(g);
}

/* The same records have the same content hash in both forms. */
static void hash_of_both_forms(void **state)
{
	struct gen *g = malloc(sizeof *g);
	uint64_t hash[2];
	struct tr_buf buf;
	(void)state;
	tr_buf_init(&buf, 1u << 30);
	for (int form = 0; form < 2; form++) {
		struct tr_block *b;
		struct tr_err err;
		int rc;
		gen_init(g, 99, UINT64_MAX, 9);
		struct tr_reader *r = open_stream(form, write_stream(form, g, 500, &buf));
		while ((rc = tr_reader_block(r, &b, &err)) == 1)
			tr_block_unref(b);
		must(rc, &err);
		hash[form] = tr_reader_tail(r)->content;
		tr_reader_close(r);
	}
	assert_int_equal(hash[0], hash[1]);
	assert_int_not_equal(hash[0], 0);
	tr_buf_free(&buf);
	free(g);
}

/* Reads what there is: number of records, and the end's code. */
static int drain(int form, struct tr_slice s, uint64_t *records)
{
	struct tr_err err;
	struct tr_in *in;
	struct tr_reader *r;
	struct tr_block *b;
	*records = 0;
	tr_err_clear(&err);
	must(tr_in_open_mem(&in, "memory", s.p, s.n, 0, &err), &err);
	int rc = forms[form].reader(&r, in, &err);
	if (rc == 0) {
		while ((rc = tr_reader_block(r, &b, &err)) == 1) {
			*records += b->kind == TR_REQUEST ? b->rows : 0;
			tr_block_unref(b);
		}
		tr_reader_close(r);
	}
	if (rc < 0) {
		assert_true(err.text[0] != '\0');
		assert_string_equal(err.file, "memory");
		assert_true(err.line > 0 || err.offset >= 0);
	}
	return rc;
}

static void cut_at_every_byte(void **state)
{
	struct gen *g = malloc(sizeof *g);
	struct tr_buf buf;
	(void)state;
	tr_buf_init(&buf, 1u << 30);
	for (int form = 0; form < 2; form++) {
		uint64_t whole, records, before = 0;
		gen_init(g, 5, 0xf, 16);
		struct tr_slice s = write_stream(form, g, 40, &buf);
		assert_int_equal(drain(form, s, &whole), 0);
		size_t stream = s.n;
		if (form == 0) /* a cut inside the index loses nothing, but is told */
			while (memcmp(s.p + stream - 8, "{\"records", 8) != 0 && stream > 8)
				stream--;
		for (size_t n = 0; n < s.n; n++) {
			/* a copy of its own, so that a sanitizer sees reads beyond the cut */
			char *copy = malloc(n ? n : 1);
			memcpy(copy, s.p, n);
			int rc = drain(form, (struct tr_slice){copy, n}, &records);
			free(copy);
			/* the one cut that loses nothing: the newline of the last line */
			if (rc == 0)
				assert_true(form == 0 ? n > stream : n + 1 == s.n);
			assert_true(records >= before && records <= whole);
			before = records;
		}
		assert_int_equal(before, whole);
	}
	tr_buf_free(&buf);
	free(g);
}

/* A flipped byte is found, or (in JSONL text that still parses) at least harmless: never a crash, never more
 * records. */
static void flipped_bytes(void **state)
{
	const char *full = getenv("REPRISE_FULL");
	unsigned flips = full && *full ? 10000 : 2000;
	struct gen *g = malloc(sizeof *g);
	struct tr_rng rng;
	struct tr_buf buf;
	(void)state;
	tr_buf_init(&buf, 1u << 30);
	tr_rng_init(&rng, 11, "flips");
	for (int form = 0; form < 2; form++) {
		uint64_t whole, records;
		unsigned found = 0;
		gen_init(g, 6, UINT64_MAX, 3);
		struct tr_slice s = write_stream(form, g, 60, &buf);
		assert_int_equal(drain(form, s, &whole), 0);
		char *copy = malloc(s.n);
		for (unsigned i = 0; i < flips; i++) {
			memcpy(copy, s.p, s.n);
			copy[tr_rng_below(&rng, s.n)] ^= (char)(1 + tr_rng_below(&rng, 255));
			found += drain(form, (struct tr_slice){copy, s.n}, &records) < 0;
			/* a series line whose key is hit reads as a record of unknown keys: the trailer then
			 * tells */
			assert_true(records <= whole + (form == 1));
		}
		/* Only the minor version of the binary form may change unnoticed, and unknown header keys of
		 * either. */
		assert_true(found > flips - flips / (form ? 10 : 100));
		free(copy);
	}
	tr_buf_free(&buf);
	free(g);
}

/* A held block outlives the reader's next steps. */
static void held_records(void **state)
{
	struct gen *g = malloc(sizeof *g);
	struct tr_buf buf;
	const struct tr_rec *rec;
	struct tr_err err;
	(void)state;
	tr_buf_init(&buf, 1u << 30);
	gen_init(g, 3, UINT64_MAX, 16);
	struct tr_reader *r = open_stream(0, write_stream(0, g, 2000, &buf));
	assert_int_equal(tr_reader_next(r, &rec, &err), 1);
	struct tr_rec copy = *rec;
	struct tr_block *hold = tr_reader_hold(r);
	while (tr_reader_next(r, &rec, &err) == 1)
		;
	tr_reader_close(r);
	gen_init(g, 3, UINT64_MAX, 16);
	struct tr_rec want;
	gen_record(g, TR_REQUEST, &want);
	assert_same(&tr_schemas[TR_REQUEST], &copy, &want);
	tr_block_unref(hold);
	tr_buf_free(&buf);
	free(g);
}

/* Blocks of integers alone, which are filled the short way, close at the same limits as any others. */
static void blocks_close_at_their_limits(void **state)
{
	static const struct {
		uint64_t fields;
		uint32_t rows; /* of a full block */
	} cases[] = {
	    {TR_BIT(id), TR_BLOCK_ROWS},
	    {TR_BIT(id) | TR_BIT(in_tokens), TR_BLOCK_ROWS},
	    {TR_BIT(id) | TR_BIT(in_tokens) | TR_BIT(turn), TR_BLOCK_CONTENT / 24},
	    {TR_BIT(id) | TR_BIT(arrival_ns) | TR_BIT(in_tokens) | TR_BIT(out_tokens), TR_BLOCK_CONTENT / 32},
	    {TR_BIT(id) | TR_BIT(session), TR_BLOCK_CONTENT / (8 + 16 + 5)},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tr_rec rec = {.mask = cases[i].fields, .session = {"abcde", 5}};
		struct tr_block *b;
		struct tr_err err;
		must(tr_block_new(&b, TR_REQUEST, &err), &err);
		while (tr_block_add(b, &rec, &err) == 0)
			rec.id++;
		assert_int_equal(b->rows, cases[i].rows);
		assert_true(b->content <= TR_BLOCK_CONTENT);
		struct tr_cursor c;
		struct tr_rec back;
		uint64_t n = 0;
		for (tr_cursor_init(&c, b); tr_cursor_next(&c, &back); n++) {
			assert_int_equal(back.mask, cases[i].fields);
			assert_int_equal(back.id, n);
		}
		assert_int_equal(n, cases[i].rows);
		tr_block_unref(b);
	}
}

static void oversized_record(void **state)
{
	struct tr_err err;
	struct tr_out *out;
	struct tr_writer *w;
	struct tr_buf buf;
	struct tr_head head = {0};
	struct tr_rec rec = {0};
	char *big = calloc(1, TR_RECORD_MAX + 1);
	(void)state;
	tr_buf_init(&buf, 1u << 30);
	must(tr_out_open_buf(&out, &buf, 0, &err), &err);
	must(tr_trb_writer(&w, out, &head, &err), &err);
	TR_SET(&rec, payload, ((struct tr_slice){big, TR_RECORD_MAX - 16}));
	must(tr_writer_put(w, &rec, &err), &err);
	rec.payload.n++;
	assert_int_equal(tr_writer_put(w, &rec, &err), -TR_ELIMIT);
	must(tr_writer_finish(w, &err), &err);
	uint64_t records;
	assert_int_equal(drain(0, (struct tr_slice){buf.p, buf.n}, &records), 0);
	assert_int_equal(records, 1);
	free(big);
	tr_buf_free(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trips),
	    cmocka_unit_test(hash_of_both_forms),
	    cmocka_unit_test(cut_at_every_byte),
	    cmocka_unit_test(flipped_bytes),
	    cmocka_unit_test(held_records),
	    cmocka_unit_test(oversized_record),
	    cmocka_unit_test(blocks_close_at_their_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
