/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing files of prompts, a line an object. A record that the form cannot hold is an error, never left out.
 */
#include "formats/members.h"
#include "formats/texts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct writer {
	int (*put)(struct writer *w, const struct tr_rec *r, struct tr_err *err);
	int (*finish)(struct writer *w);
	struct tr_buf b;
	int open;           /* spec-bench: a question's turns are being written */
	uint64_t last_id;   /* of its last turn */
	struct tr_buf rest; /* spec-bench: what stands behind the turns */
};

static int kind_is(const struct tr_rec *r, const char *kind)
{
	return TR_HAS(r, payload) && TR_HAS(r, payload_kind) && tr_slice_eq(r->payload_kind, kind);
}

static int refuse(const char *why, struct tr_err *err)
{
	tr_fail(err, TR_EDATA, "%s", why);
	tr_err_field(err, "payload", 7);
	return -TR_EDATA;
}

static const char no_text[] = "a record without text; make some with trace-convert --text words";

/* The members of `extra`, each behind a comma. */
static int put_extra(struct tr_buf *b, const struct tr_rec *r)
{
	if (!TR_HAS(r, extra) || r->extra.n < 3)
		return 0;
	int rc = tr_buf_char(b, ',');
	return rc ? rc : tr_buf_add(b, r->extra.p + 1, r->extra.n - 2);
}

/* The one user message that a payload is, as a JSON string. */
static int put_prompt(struct tr_buf *b, const struct tr_rec *r, struct tr_err *err)
{
	struct tr_json j;
	struct tr_slice raw = {NULL, 0};
	if (!TR_HAS(r, payload))
		return refuse(no_text, err);
	if (kind_is(r, "text"))
		return texts_quote(b, r->payload);
	if (!kind_is(r, "messages") && !kind_is(r, "delta"))
		return refuse("a payload of this kind is no prompt: text or messages is", err);
	tr_json_init(&j, r->payload.p, r->payload.n);
	if (tr_json_next(&j) != TR_JSON_ARRAY || tr_json_next(&j) != TR_JSON_OBJECT ||
	    tr_json_skip(&j, TR_JSON_OBJECT, &raw) < 0 || tr_json_next(&j) != TR_JSON_CLOSE)
		return refuse("several messages cannot be one prompt", err);
	raw = member_of(raw, "content");
	return raw.p ? tr_buf_add(b, raw.p, raw.n) : refuse("a message without content", err);
}

static int put_custom(struct writer *w, const struct tr_rec *r, struct tr_err *err)
{
	int rc = tr_buf_str(&w->b, "{\"prompt\":");
	if (kind_is(r, "delta"))
		return refuse("a later turn of a session cannot be a prompt of its own", err);
	rc = rc ? rc : put_prompt(&w->b, r, err);
	if (rc == 0 && TR_HAS(r, out_tokens))
		rc = tr_buf_printf(&w->b, ",\"output_tokens\":%" PRIu64, r->out_tokens);
	rc = rc ? rc : put_extra(&w->b, r);
	return rc ? rc : tr_buf_str(&w->b, "}\n");
}

static int put_body(struct writer *w, const struct tr_rec *r, struct tr_err *err)
{
	struct tr_buf *b = &w->b;
	int rc;
	if (kind_is(r, "body"))
		return tr_buf_add(b, r->payload.p, r->payload.n);
	if (kind_is(r, "delta") || kind_is(r, "tokens"))
		return refuse("a batch line needs a whole prompt: body, messages or text", err);
	rc = tr_buf_str(b, "{\"model\":");
	rc = rc ? rc : TR_HAS(r, model) ? texts_quote(b, r->model) : tr_buf_str(b, "\"\"");
	rc = rc ? rc : tr_buf_str(b, ",\"messages\":");
	if (rc == 0 && kind_is(r, "messages"))
		rc = tr_buf_add(b, r->payload.p, r->payload.n);
	else if (rc == 0) {
		rc = tr_buf_str(b, "[{\"role\":\"user\",\"content\":");
		rc = rc ? rc : put_prompt(b, r, err);
		rc = rc ? rc : tr_buf_str(b, "}]");
	}
	if (rc == 0 && TR_HAS(r, out_tokens))
		rc = tr_buf_printf(b, ",\"max_tokens\":%" PRIu64, r->out_tokens);
	return rc ? rc : tr_buf_char(b, '}');
}

static int put_batch(struct writer *w, const struct tr_rec *r, struct tr_err *err)
{
	struct tr_slice extra = TR_HAS(r, extra) ? r->extra : (struct tr_slice){0};
	int rc = tr_buf_str(&w->b, "{\"custom_id\":");
	if (rc == 0 && TR_HAS(r, source_id))
		rc = texts_quote(&w->b, r->source_id);
	else if (rc == 0)
		rc = tr_buf_printf(&w->b, "\"request-%" PRIu64 "\"", r->id);
	if (rc == 0 && !member_of(extra, "method").p)
		rc = tr_buf_str(&w->b, ",\"method\":\"POST\"");
	if (rc == 0 && !member_of(extra, "url").p)
		rc = tr_buf_str(&w->b, ",\"url\":\"/v1/chat/completions\"");
	rc = rc ? rc : tr_buf_str(&w->b, ",\"body\":");
	rc = rc ? rc : put_body(w, r, err);
	rc = rc ? rc : put_extra(&w->b, r);
	return rc ? rc : tr_buf_str(&w->b, "}\n");
}

static int finish_spec(struct writer *w)
{
	int rc = w->open ? tr_buf_char(&w->b, ']') : 0;
	rc = rc || !w->open ? rc : tr_buf_add(&w->b, w->rest.p, w->rest.n);
	rc = rc || !w->open ? rc : tr_buf_str(&w->b, "}\n");
	w->open = 0;
	w->rest.n = 0;
	return rc;
}

static int is_number(struct tr_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
	return s.n > 0 && s.n < 19 && (s.n == 1 || s.p[0] != '0');
}

static int put_spec(struct writer *w, const struct tr_rec *r, struct tr_err *err)
{
	struct tr_slice extra = TR_HAS(r, extra) ? r->extra : (struct tr_slice){0};
	int rc = 0, goes_on = kind_is(r, "delta");
	if (goes_on && (!w->open || !TR_HAS(r, parent) || r->parent != w->last_id))
		return refuse("the turns of a session do not stand behind one another", err);
	if (!goes_on) {
		rc = finish_spec(w);
		rc = rc ? rc : tr_buf_char(&w->b, '{');
		if (rc == 0 && !member_of(extra, "question_id").p) {
			rc = tr_buf_str(&w->b, "\"question_id\":");
			if (rc == 0 && TR_HAS(r, source_id) && is_number(r->source_id))
				rc = tr_buf_add(&w->b, r->source_id.p, r->source_id.n);
			else if (rc == 0)
				rc = tr_buf_printf(&w->b, "%" PRIu64, r->id);
			rc = rc ? rc : tr_buf_char(&w->b, ',');
		}
		if (rc == 0 && TR_HAS(r, type)) {
			rc = tr_buf_str(&w->b, "\"category\":");
			rc = rc ? rc : texts_quote(&w->b, r->type);
			rc = rc ? rc : tr_buf_char(&w->b, ',');
		}
		rc = rc ? rc : tr_buf_str(&w->b, "\"turns\":[");
		rc = rc ? rc : put_extra(&w->rest, r);
		w->open = 1;
	} else {
		rc = tr_buf_char(&w->b, ',');
	}
	w->last_id = r->id;
	return rc ? rc : put_prompt(&w->b, r, err);
}

/* --- the writer
 * --------------------------------------------------------------------------------------------- */

static int flush(struct writer *w, struct tr_out *out, struct tr_err *err)
{
	int rc = w->b.n ? tr_out_write(out, w->b.p, w->b.n, err) : 0;
	w->b.n = 0;
	return rc;
}

static int begin(void *self, struct tr_out *out, const struct tr_head *head, struct tr_err *err)
{
	(void)self;
	(void)out;
	(void)head;
	(void)err;
	return 0;
}

static int block(void *self, struct tr_out *out, const struct tr_block *b, struct tr_err *err)
{
	struct writer *w = self;
	struct tr_cursor c;
	struct tr_rec r;
	int rc = 0;
	if (b->kind != TR_REQUEST)
		return 0;
	tr_cursor_init(&c, b);
	tr_err_clear(err);
	while (rc == 0 && tr_cursor_next(&c, &r)) {
		rc = w->put(w, &r, err);
		if (rc < 0 && err->code == TR_OK)
			rc = tr_fail(err, (enum tr_code) - rc, "a prompt that is too large");
		if (rc == 0 && w->b.n > 1 << 18)
			rc = flush(w, out, err);
	}
	return rc < 0 ? rc : flush(w, out, err);
}

static int end(void *self, struct tr_out *out, const struct tr_tail *tail, struct tr_err *err)
{
	struct writer *w = self;
	(void)tail;
	if (w->finish && w->finish(w) < 0)
		return tr_fail(err, TR_ENOMEM, "no memory for output");
	return flush(w, out, err);
}

static void writer_free(void *self)
{
	struct writer *w = self;
	tr_buf_free(&w->b);
	tr_buf_free(&w->rest);
	free(w);
}

static int create(struct tr_writer **out, struct tr_out *o, const struct tr_head *head, struct writer is,
                  struct tr_err *err)
{
	static const struct tr_writer_ops ops = {
	    .begin = begin, .block = block, .end = end, .free = writer_free};
	struct writer *w = malloc(sizeof(*w));
	if (!w) {
		tr_out_abort(o);
		return tr_fail(err, TR_ENOMEM, "no memory for a writer");
	}
	*w = is;
	tr_buf_init(&w->b, 64 << 20);
	tr_buf_init(&w->rest, TR_RECORD_MAX);
	return tr_writer_make(out, &ops, w, o, head, err);
}

int tr_custom_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                     const struct tr_write_opts *o, struct tr_err *err)
{
	(void)o;
	return create(w, out, head, (struct writer){.put = put_custom}, err);
}

int tr_batch_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                    const struct tr_write_opts *o, struct tr_err *err)
{
	(void)o;
	return create(w, out, head, (struct writer){.put = put_batch}, err);
}

int tr_spec_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                   const struct tr_write_opts *o, struct tr_err *err)
{
	(void)o;
	return create(w, out, head, (struct writer){.put = put_spec, .finish = finish_spec}, err);
}
