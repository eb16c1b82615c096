/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSONL twin, in. Lines are scanned where they lie in the input's pieces; only a line that spans two
 * pieces is copied.
 */
#include "libtrace/json.h"
#include "libtrace/num.h"
#include "libtrace/stream_impl.h"
#include "libtrace/trb.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A record of TR_RECORD_MAX content, every byte of it escaped. */
enum { LINE_MAX_BYTES = 6 * TR_RECORD_MAX, IDLE_MS = 250 };

union any {
	struct tr_rec rec;
	struct tr_series series;
	struct tr_event event;
};

struct jsonl {
	struct tr_in *in;
	struct tr_slice piece; /* what is left of the input's piece */
	struct tr_buf carry;   /* beginning of a line that goes on in the next piece */
	uint64_t line;
	struct tr_buf text; /* unescaped strings of one record */
	uint64_t *list;     /* list elements of one record */
	size_t list_n, list_cap;
	struct tr_block *block; /* being filled */
	int counted;            /* the trailer has come, and the block's records are in the counts */
	struct tr_tail tail;
	struct tr_count count;
	int trailed;
	int rc; /* an error met behind good records */
	struct tr_err err;
};

int tr_jsonl_claims(struct tr_slice s)
{
	static const char start[] = "{\"trace\":";
	return s.n >= sizeof start - 1 && memcmp(s.p, start, sizeof start - 1) == 0;
}

/* The next line without its end: 1, 0 at the end of input, 2 nothing came for a while, < 0. */
static int next_line(struct jsonl *x, struct tr_slice *line, struct tr_err *err)
{
	if (x->carry.n && x->carry.p[x->carry.n - 1] == '\n')
		x->carry.n = 0; /* handed out last time */
	for (;;) {
		const char *eol = x->piece.n ? memchr(x->piece.p, '\n', x->piece.n) : NULL;
		size_t n = eol ? (size_t)(eol - x->piece.p) + 1 : x->piece.n;
		struct tr_slice part = {x->piece.p, n};
		if (n)
			x->piece.p += n;
		x->piece.n -= n;
		if (eol && x->carry.n == 0) {
			*line = (struct tr_slice){part.p, n - 1};
			break;
		}
		if (tr_buf_add(&x->carry, part.p, part.n) < 0)
			return tr_fail(err, TR_ELIMIT, "line is longer than %d bytes", LINE_MAX_BYTES);
		if (eol) {
			*line = (struct tr_slice){x->carry.p, x->carry.n - 1};
			break;
		}
		int rc = tr_in_next(x->in, &x->piece, IDLE_MS, err);
		if (rc == 0 && x->carry.n) {
			*line = (struct tr_slice){x->carry.p, x->carry.n};
			if (tr_buf_char(&x->carry, '\n') < 0)
				return tr_fail(err, TR_ELIMIT, "line is longer than %d bytes",
				               LINE_MAX_BYTES);
			line->p = x->carry.p;
			break;
		}
		if (rc != 1) {
			x->piece.n = 0;
			return rc;
		}
	}
	x->line++;
	return 1;
}

/* --- one record -------------------------------------------------------------------------- */

static int bad_value(struct tr_err *err, struct tr_slice key, struct tr_slice value, const char *reason)
{
	tr_fail(err, TR_EDATA, "%s", reason);
	tr_err_field(err, key.p, key.n);
	if (value.n)
		tr_err_value(err, value.p, value.n);
	return -TR_EDATA;
}

/* Strings move when x->text grows, so they are kept as offsets until the record is complete. */
struct pending {
	const struct tr_field *field;
	size_t at, n;
};

static int take_list(struct jsonl *x, struct tr_json *j, struct tr_slice key, struct tr_err *err)
{
	enum tr_json_token t;
	while ((t = tr_json_next(j)) == TR_JSON_NUMBER) {
		if (x->list_n == x->list_cap) {
			size_t cap = x->list_cap ? 2 * x->list_cap : 1024;
			if (cap > 2 * (size_t)TR_RECORD_MAX / 8)
				return bad_value(err, key, (struct tr_slice){0}, "list is too long");
			uint64_t *list = realloc(x->list, cap * sizeof *list);
			if (!list)
				return tr_fail(err, TR_ENOMEM, "no memory for a list");
			x->list = list;
			x->list_cap = cap;
		}
		const char *reason = tr_num_u64(j->s, &x->list[x->list_n++]);
		if (reason)
			return bad_value(err, key, j->s, reason);
	}
	return t == TR_JSON_CLOSE ? 0
	                          : bad_value(err, key, (struct tr_slice){0},
	                                      j->reason ? j->reason : "not a list of numbers");
}

static int take_number(const struct tr_field *f, void *rec, struct tr_slice s, struct tr_slice key,
                       struct tr_err *err)
{
	uint64_t bits = 0;
	int64_t i = 0;
	double v = 0;
	const char *reason;
	if (f->type == TR_TYPE_U64) {
		reason = tr_num_u64(s, &bits);
	} else if (f->type == TR_TYPE_I64) {
		reason = tr_num_i64(s, &i);
		bits = (uint64_t)i;
	} else {
		reason = tr_num_double(s, &v);
		memcpy(&bits, &v, sizeof bits);
	}
	if (reason)
		return bad_value(err, key, s, reason);
	tr_field_set_bits(f, rec, bits);
	return 0;
}

/* Numbers that JSON cannot write stand as these strings. */
static int take_not_finite(const struct tr_field *f, void *rec, struct tr_slice s)
{
	static const struct {
		const char *text;
		double v;
	} rows[] = {{"nan", (double)NAN}, {"inf", (double)INFINITY}, {"-inf", -(double)INFINITY}};
	for (int i = 0; i < 3; i++)
		if (tr_slice_eq(s, rows[i].text)) {
			uint64_t bits;
			memcpy(&bits, &rows[i].v, sizeof bits);
			tr_field_set_bits(f, rec, bits);
			return 1;
		}
	return 0;
}

static int take_field(struct jsonl *x, struct tr_json *j, const struct tr_schema *schema, void *rec,
                      struct pending *pending, unsigned *npending, struct tr_err *err)
{
	struct tr_slice key = j->s;
	const struct tr_field *f = tr_field_find(schema, key);
	enum tr_json_token t = tr_json_next(j);
	if (!f) {
		/* Unknown keys pass, as unknown columns do. */
		return tr_json_skip(j, t, NULL) < 0
		           ? bad_value(err, key, (struct tr_slice){0}, j->reason ? j->reason : "bad value")
		           : 0;
	}
	uint64_t mask;
	memcpy(&mask, rec, sizeof mask);
	if (mask >> f->bit & 1)
		return bad_value(err, key, (struct tr_slice){0}, "key stands twice");
	if (f->type == TR_TYPE_STR && t == TR_JSON_STRING) {
		struct pending p = {f, x->text.n, 0};
		int rc = tr_json_unescape(j->s, TR_JSON_BYTES, &x->text);
		if (rc < 0)
			return bad_value(err, key, (struct tr_slice){0},
			                 rc == -TR_EDATA ? "bad escape" : "string is too long");
		p.n = x->text.n - p.at;
		pending[(*npending)++] = p;
		tr_field_set_str(f, rec, (struct tr_slice){"", 0});
		return 0;
	}
	if (f->type == TR_TYPE_LIST && t == TR_JSON_ARRAY) {
		struct pending p = {f, x->list_n, 0};
		int rc = take_list(x, j, key, err);
		p.n = x->list_n - p.at;
		pending[(*npending)++] = p;
		tr_field_set_list(f, rec, (struct tr_list){NULL, 0});
		return rc;
	}
	if (f->type != TR_TYPE_STR && f->type != TR_TYPE_LIST && t == TR_JSON_NUMBER)
		return take_number(f, rec, j->s, key, err);
	if (f->type == TR_TYPE_F64 && t == TR_JSON_STRING && take_not_finite(f, rec, j->s))
		return 0;
	return bad_value(err, key, (struct tr_slice){0}, j->reason ? j->reason : "value has the wrong type");
}

/* The fields of an object whose opening brace has been read, up to its closing one. */
static int take_record(struct jsonl *x, struct tr_json *j, enum tr_json_token t, enum tr_kind kind,
                       union any *any, struct tr_err *err)
{
	struct pending pending[TR_REC_NFIELDS];
	unsigned n = 0;
	memset(any, 0, sizeof *any);
	x->text.n = 0;
	x->list_n = 0;
	for (; t == TR_JSON_KEY; t = tr_json_next(j)) {
		int rc = take_field(x, j, &tr_schemas[kind], any, pending, &n, err);
		if (rc < 0)
			return rc;
	}
	if (t != TR_JSON_CLOSE)
		return tr_fail(err, TR_EDATA, "%s", j->reason ? j->reason : "not a record");
	for (unsigned i = 0; i < n; i++) {
		struct pending *p = &pending[i];
		if (p->field->type == TR_TYPE_STR)
			tr_field_set_str(p->field, any,
			                 (struct tr_slice){p->n ? x->text.p + p->at : "", p->n});
		else
			tr_field_set_list(p->field, any, (struct tr_list){x->list + p->at, p->n});
	}
	return 0;
}

static int end_of_line(struct tr_json *j, struct tr_err *err)
{
	return tr_json_next(j) == TR_JSON_END
	           ? 0
	           : tr_fail(err, TR_EDATA, "%s", j->reason ? j->reason : "text after the record");
}

static void count(struct jsonl *x, const struct tr_block *b)
{
	if (!x->counted) {
		tr_count_block(&x->count, &x->tail, b);
		tr_count_hash(&x->count, &x->tail, b);
	}
}

static int take_trailer(struct jsonl *x, struct tr_slice json, struct tr_err *err)
{
	struct tr_tail said = {0};
	if (x->block)
		count(x, x->block);
	x->counted = x->block != NULL;
	int rc = tr_tail_parse(&said, json, err);
	if (rc == 0)
		rc = tr_tail_verify(&said, &x->tail, 0, err);
	if (rc < 0 && err)
		err->offset = -1; /* the line says where */
	if (rc == 0)
		rc = tr_tail_copy_facts(&x->tail, &said, err);
	if (rc == 0 && !x->tail.state)
		rc = tr_fail(err, TR_EDATA, "trailer without a state");
	tr_tail_free(&said);
	x->trailed = 1;
	return rc;
}

/* A line that is not an empty one: 0 = *kind and *any filled, 1 = it was the trailer, < 0. */
static int take_line(struct jsonl *x, struct tr_slice line, enum tr_kind *kind, union any *any,
                     struct tr_err *err)
{
	struct tr_json j;
	struct tr_slice raw;
	tr_json_init(&j, line.p, line.n);
	if (tr_json_next(&j) != TR_JSON_OBJECT)
		return tr_fail(err, TR_EDATA, "%s", j.reason ? j.reason : "not a JSON object");
	enum tr_json_token t = tr_json_next(&j);
	*kind = TR_REQUEST;
	if (t == TR_JSON_KEY && tr_slice_eq(j.s, "end")) {
		if (tr_json_skip(&j, t, &raw) < 0 || tr_json_next(&j) != TR_JSON_CLOSE)
			return tr_fail(err, TR_EDATA, "%s", j.reason ? j.reason : "bad trailer");
		int rc = end_of_line(&j, err);
		rc = rc < 0 ? rc : take_trailer(x, raw, err);
		return rc < 0 ? rc : 1;
	}
	int side = t == TR_JSON_KEY && (tr_slice_eq(j.s, "series") || tr_slice_eq(j.s, "event"));
	if (side) {
		*kind = tr_slice_eq(j.s, "series") ? TR_SERIES : TR_EVENT;
		if (tr_json_next(&j) != TR_JSON_OBJECT)
			return tr_fail(err, TR_EDATA, "%s", j.reason ? j.reason : "not a JSON object");
		t = tr_json_next(&j);
	}
	int rc = take_record(x, &j, t, *kind, any, err);
	if (rc == 0 && side && tr_json_next(&j) != TR_JSON_CLOSE)
		rc = tr_fail(err, TR_EDATA, "%s", j.reason ? j.reason : "not one record");
	return rc < 0 ? rc : end_of_line(&j, err);
}

/* --- blocks ------------------------------------------------------------------------------ */

static int give(struct jsonl *x, struct tr_block **b)
{
	*b = x->block;
	x->block = NULL;
	count(x, *b);
	return 1;
}

/* Keep the record that did not fit for a block of its own. */
static int add(struct jsonl *x, enum tr_kind kind, const union any *any, struct tr_block **full,
               struct tr_err *err)
{
	*full = NULL;
	for (;;) {
		int rc = x->block ? 0 : tr_block_new(&x->block, kind, err);
		if (rc == 0 && x->block->kind == kind)
			rc = tr_block_add(x->block, any, err);
		else if (rc == 0)
			rc = 1;
		if (rc < 0) {
			tr_block_unref(*full);
			*full = NULL;
		}
		if (rc <= 0)
			return rc;
		give(x, full);
	}
}

static int at_end(struct jsonl *x, struct tr_err *err)
{
	if (x->trailed)
		return 0;
	tr_meta_set(&x->tail.state, "cut", NULL);
	tr_fail(err, TR_ECUT, "stream ends without its trailer: it was cut");
	tr_err_line(err, x->line);
	return -TR_ECUT;
}

static int read_block(struct jsonl *x, struct tr_block **b, struct tr_err *err)
{
	for (;;) {
		struct tr_slice line;
		enum tr_kind kind = TR_REQUEST;
		union any any;
		int rc = next_line(x, &line, err);
		if (rc == 2) {
			rc = x->block ? 0 : tr_block_new(&x->block, TR_REQUEST, err);
			return rc < 0 ? rc : give(x, b);
		}
		if (rc == 1 && x->trailed && line.n)
			rc = tr_fail(err, TR_EDATA, "text after the trailer");
		else if (rc == 1 && line.n == 0)
			continue;
		else if (rc == 1)
			rc = take_line(x, line, &kind, &any, err);
		else if (rc == 0 && !x->block)
			return at_end(x, err);
		else if (rc == 0)
			return give(x, b);
		struct tr_block *full = NULL;
		if (rc == 0)
			rc = add(x, kind, &any, &full, err);
		if (rc < 0) {
			tr_err_line(err, x->line);
			return rc;
		}
		if (full) {
			*b = full;
			return 1;
		}
	}
}

static int reader_block(void *self, struct tr_block **b, struct tr_err *err)
{
	struct jsonl *x = self;
	if (x->rc == 0) {
		x->rc = read_block(x, b, &x->err);
		if (x->rc == 1) {
			x->rc = 0;
			return 1;
		}
		if (x->rc < 0 && x->block)
			return give(x, b); /* the good records first */
		if (x->rc == 0)
			return 0;
	}
	*err = x->err;
	return x->rc;
}

static void reader_free(void *self)
{
	struct jsonl *x = self;
	tr_block_unref(x->block);
	tr_buf_free(&x->carry);
	tr_buf_free(&x->text);
	tr_tail_free(&x->tail);
	free(x->list);
	tr_in_close(x->in);
	free(x);
}

static int read_header(struct jsonl *x, struct tr_head *head, struct tr_err *err)
{
	struct tr_slice line, raw;
	struct tr_json j;
	int rc;
	while ((rc = next_line(x, &line, err)) == 2)
		;
	if (rc < 0)
		return rc;
	tr_json_init(&j, line.p, line.n);
	if (rc == 0)
		rc = tr_fail(err, TR_EDATA, "empty input");
	else if (tr_json_next(&j) != TR_JSON_OBJECT || tr_json_next(&j) != TR_JSON_KEY ||
	         !tr_slice_eq(j.s, "trace") || tr_json_skip(&j, TR_JSON_KEY, &raw) < 0 ||
	         tr_json_next(&j) != TR_JSON_CLOSE)
		rc = tr_fail(err, TR_EDATA, "not the first line of a trace: {\"trace\":{...}}");
	else
		rc = tr_head_parse(head, raw, err);
	tr_err_line(err, x->line ? x->line : 1);
	return rc;
}

int tr_jsonl_reader(struct tr_reader **out, struct tr_in *in, struct tr_err *err)
{
	static const struct tr_reader_ops ops = {reader_block, reader_free, 1};
	struct tr_head head = {0};
	struct jsonl *x = calloc(1, sizeof *x);
	if (!x) {
		tr_in_close(in);
		return tr_fail(err, TR_ENOMEM, "no memory for a reader");
	}
	x->in = in;
	tr_in_set(in, TR_IN_AHEAD);
	tr_buf_init(&x->carry, LINE_MAX_BYTES);
	tr_buf_init(&x->text, TR_RECORD_MAX);
	tr_count_start(&x->count, &x->tail);
	int rc = read_header(x, &head, err);
	if (rc == 0)
		return tr_reader_make(out, &ops, x, tr_in_name(in), &head, &x->tail, err);
	tr_err_file(err, tr_in_name(in));
	tr_head_free(&head);
	reader_free(x);
	return rc;
}
