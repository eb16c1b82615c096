/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSONL twin, out: one object a line, keys in the order of the field numbers.
 */
#include "libtrace/json.h"
#include "libtrace/num.h"
#include "libtrace/stream_impl.h"
#include "libtrace/trb.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 8 * TR_RECORD_MAX, FLUSH_AT = 64 << 10 };

struct jsonl {
	struct tr_buf text;
};

union any {
	struct tr_rec rec;
	struct tr_series series;
	struct tr_event event;
};

static int print_list(struct tr_buf *b, struct tr_list l)
{
	int rc = tr_buf_char(b, '[');
	for (size_t i = 0; i < l.n && rc == 0; i++) {
		if (i)
			rc = tr_buf_char(b, ',');
		if (rc == 0)
			rc = tr_buf_u64(b, l.v[i]);
	}
	return rc < 0 ? rc : tr_buf_char(b, ']');
}

static int print_value(struct tr_buf *b, const struct tr_field *f, const void *rec)
{
	char number[32];
	double v;
	uint64_t bits;
	switch (f->type) {
	case TR_TYPE_STR:
		return tr_json_quote(b, tr_field_str(f, rec));
	case TR_TYPE_LIST:
		return print_list(b, tr_field_list(f, rec));
	case TR_TYPE_U64:
		return tr_buf_u64(b, tr_field_bits(f, rec));
	case TR_TYPE_I64:
		return tr_buf_i64(b, (int64_t)tr_field_bits(f, rec));
	default:
		bits = tr_field_bits(f, rec);
		memcpy(&v, &bits, sizeof v);
		if (!isfinite(v))
			return tr_buf_str(b, isnan(v) ? "\"nan\"" : v > 0 ? "\"inf\"" : "\"-inf\"");
		return tr_buf_str(b, tr_num_print(v, number, sizeof number));
	}
}

static int print_record(struct tr_buf *b, const struct tr_schema *schema, const void *rec)
{
	uint64_t mask;
	memcpy(&mask, rec, sizeof mask);
	int rc = tr_buf_char(b, '{'), first = 1;
	for (; mask && rc == 0; mask &= mask - 1) {
		const struct tr_field *f = &schema->fields[__builtin_ctzll(mask)];
		rc = tr_buf_str(b, first ? "\"" : ",\"");
		if (rc == 0)
			rc = tr_buf_str(b, f->name);
		if (rc == 0)
			rc = tr_buf_str(b, "\":");
		if (rc == 0)
			rc = print_value(b, f, rec);
		first = 0;
	}
	return rc < 0 ? rc : tr_buf_char(b, '}');
}

static int write_text(struct jsonl *x, struct tr_out *out, struct tr_err *err)
{
	int rc = tr_out_write(out, x->text.p, x->text.n, err);
	x->text.n = 0;
	return rc;
}

static int block(void *self, struct tr_out *out, const struct tr_block *b, struct tr_err *err)
{
	static const char *const before[TR_KINDS] = {"", "{\"series\":", "{\"event\":"};
	static const char *const after[TR_KINDS] = {"\n", "}\n", "}\n"};
	struct jsonl *x = self;
	struct tr_cursor c;
	union any any;
	int rc = 0;
	tr_cursor_init(&c, b);
	while (rc == 0 && tr_cursor_next(&c, &any)) {
		rc = tr_buf_str(&x->text, before[b->kind]);
		if (rc == 0)
			rc = print_record(&x->text, b->schema, &any);
		if (rc == 0)
			rc = tr_buf_str(&x->text, after[b->kind]);
		if (rc < 0)
			return tr_fail(err, (enum tr_code) - rc, "no room for a line");
		if (x->text.n >= FLUSH_AT)
			rc = write_text(x, out, err);
	}
	return rc < 0 ? rc : write_text(x, out, err);
}

static int print_meta(struct jsonl *x, struct tr_out *out, const char *key, const struct tr_head *head,
                      const struct tr_tail *tail, struct tr_err *err)
{
	int rc = tr_buf_str(&x->text, key);
	if (rc == 0)
		rc = head ? tr_head_print(head, &x->text) : tr_tail_print(tail, &x->text);
	if (rc == 0)
		rc = tr_buf_str(&x->text, "}\n");
	return rc < 0 ? tr_fail(err, (enum tr_code) - rc, "header or trailer is too long")
	              : write_text(x, out, err);
}

static int begin(void *self, struct tr_out *out, const struct tr_head *head, struct tr_err *err)
{
	return print_meta(self, out, "{\"trace\":", head, NULL, err);
}

static int end(void *self, struct tr_out *out, const struct tr_tail *tail, struct tr_err *err)
{
	return print_meta(self, out, "{\"end\":", NULL, tail, err);
}

static void free_writer(void *self)
{
	struct jsonl *x = self;
	tr_buf_free(&x->text);
	free(x);
}

int tr_jsonl_writer(struct tr_writer **out, struct tr_out *o, const struct tr_head *head, struct tr_err *err)
{
	static const struct tr_writer_ops ops = {begin, block, end, free_writer};
	struct jsonl *x = calloc(1, sizeof *x);
	if (!x) {
		tr_out_abort(o);
		return tr_fail(err, TR_ENOMEM, "no memory for a writer");
	}
	tr_buf_init(&x->text, LINE_MAX_BYTES);
	return tr_writer_make(out, &ops, x, o, head, err);
}
