/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing ShareGPT: from records that came from it, the same documents; from any others that have texts,
 * conversations that every reader of the form takes. The turns of a conversation stand behind one another.
 */
#include "formats/sharegpt.h"

#include "formats/members.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
	struct tr_buf b;
	int lines;           /* an entry a line, not one array */
	int any, open;       /* entries written; one is open */
	int messages;        /* of the open entry */
	int spell;           /* of the open entry: see sharegpt_names */
	uint64_t last_id;    /* record that the open entry ends with */
	struct tr_slice odd; /* "msgs" of the record at hand */
	size_t number;       /* of the message in the record */
};

static const char *const keys[2][2] = {{"from", "value"}, {"role", "content"}};

static int close_entry(struct writer *w)
{
	int rc = w->open ? tr_buf_str(&w->b, "]}") : 0;
	w->open = 0;
	return rc;
}

static int next_entry(struct writer *w)
{
	int rc = close_entry(w);
	rc = rc ? rc : tr_buf_str(&w->b, w->lines ? (w->any ? "\n" : "") : w->any ? ",\n" : "[\n");
	w->any = 1;
	return rc;
}

/* --- messages ------------------------------------------------------------------------------------ */

/* The members of an odd message, opened; what follows is its text. */
static int odd_message(struct writer *w, struct tr_slice odd)
{
	size_t n = odd.n - 1; /* without its closing brace */
	int rc = tr_buf_add(&w->b, odd.p, n);
	return rc || n == 1 ? rc : tr_buf_char(&w->b, ',');
}

static const char *name_of(const struct writer *w, const char *role, char *other, size_t size)
{
	for (int r = 0; r < 3; r++)
		if (strcmp(role, sharegpt_names[1][r]) == 0)
			return sharegpt_names[w->spell][r];
	snprintf(other, size, "%s", role);
	return other;
}

/* text: JSON, with its quotes. raw: the text without, to be quoted, when json.p is NULL. */
static int message(struct writer *w, const char *role, struct tr_slice json, struct tr_slice text)
{
	char number[24], other[64];
	struct tr_slice odd = {0}, raw = {0};
	int rc = w->messages++ ? tr_buf_char(&w->b, ',') : 0;
	if (w->odd.p) {
		snprintf(number, sizeof(number), "%zu", w->number);
		odd = member_of(w->odd, number);
		raw = odd.p ? member_of(odd, "raw") : raw;
	}
	w->number++;
	if (raw.p)
		return rc ? rc : tr_buf_add(&w->b, raw.p, raw.n);
	if (odd.p)
		rc = rc ? rc : odd_message(w, odd);
	else
		rc = rc ? rc
		        : tr_buf_printf(&w->b, "{\"%s\":\"%s\",", keys[w->spell][0],
		                        name_of(w, role, other, sizeof(other)));
	rc = rc ? rc : tr_buf_printf(&w->b, "\"%s\":", keys[w->spell][1]);
	rc = rc ? rc : json.p ? tr_buf_add(&w->b, json.p, json.n) : texts_quote(&w->b, text);
	return rc ? rc : tr_buf_char(&w->b, '}');
}

/* [{"role":"user","content":"..."},...] */
static int messages(struct writer *w, struct tr_slice list, struct tr_err *err)
{
	struct tr_json j;
	enum tr_json_token t;
	tr_json_init(&j, list.p, list.n);
	if (tr_json_next(&j) != TR_JSON_ARRAY)
		return tr_fail(err, TR_EDATA, "payload: not an array of messages");
	while ((t = tr_json_next(&j)) == TR_JSON_OBJECT) {
		struct tr_slice content = {"\"\"", 2}, raw;
		char role[64] = "user";
		while ((t = tr_json_next(&j)) == TR_JSON_KEY) {
			struct tr_slice key = j.s;
			if (tr_json_skip(&j, t, &raw) < 0)
				break;
			if (tr_slice_eq(key, "content"))
				content = raw;
			else if (tr_slice_eq(key, "role") && raw.n > 2 && *raw.p == '"')
				snprintf(role, sizeof(role), "%.*s", (int)(raw.n - 2 < 60 ? raw.n - 2 : 60),
				         raw.p + 1);
		}
		if (t != TR_JSON_CLOSE)
			break;
		if (message(w, role, content, content) < 0)
			return tr_fail(err, TR_ENOMEM, "no memory for a conversation");
	}
	return t == TR_JSON_CLOSE ? 0 : tr_fail(err, TR_EDATA, "payload: not an array of messages");
}

/* --- entries --------------------------------------------------------------------------------------- */

static int open_entry(struct writer *w, const struct tr_rec *r, struct tr_slice extra)
{
	struct tr_slice id = member_of(extra, "id"), others = member_of(extra, "entry"),
	                list = member_of(extra, "list");
	int rc = next_entry(w), comma = 0;
	rc = rc ? rc : tr_buf_char(&w->b, '{');
	if (rc == 0 && !member_of(extra, "noid").p) {
		rc = tr_buf_str(&w->b, "\"id\":");
		if (rc == 0 && id.p)
			rc = tr_buf_add(&w->b, id.p, id.n);
		else if (rc == 0 && TR_HAS(r, session))
			rc = texts_quote(&w->b, r->session);
		else if (rc == 0)
			rc = tr_buf_printf(&w->b, "\"%llu\"", (unsigned long long)r->id);
		comma = 1;
	}
	if (rc == 0 && others.n > 2) {
		rc = comma ? tr_buf_char(&w->b, ',') : 0;
		rc = rc ? rc : tr_buf_add(&w->b, others.p + 1, others.n - 2);
		comma = 1;
	}
	rc = rc || !comma ? rc : tr_buf_char(&w->b, ',');
	rc = rc ? rc : tr_buf_str(&w->b, list.p ? "\"conversation\":[" : "\"conversations\":[");
	w->spell = member_of(extra, "spell").p != NULL;
	w->open = 1;
	w->messages = 0;
	return rc;
}

static int behind(struct writer *w, struct tr_slice after)
{
	int rc = 0;
	if (after.n > 2) { /* a list: its elements as they stand */
		rc = w->messages++ ? tr_buf_char(&w->b, ',') : 0;
		rc = rc ? rc : tr_buf_add(&w->b, after.p + 1, after.n - 2);
	}
	return rc;
}

static int put(struct writer *w, const struct tr_rec *r, struct tr_err *err)
{
	struct tr_slice extra = TR_HAS(r, extra) ? r->extra : (struct tr_slice){0};
	int delta = TR_HAS(r, payload_kind) && tr_slice_eq(r->payload_kind, "delta");
	int text = TR_HAS(r, payload_kind) && tr_slice_eq(r->payload_kind, "text");
	int rc = 0;
	if (!TR_HAS(r, payload))
		return tr_fail(err, TR_EDATA,
		               "a record without text; make some with trace-convert --text words");
	if (!delta && !text && !tr_slice_eq(r->payload_kind, "messages"))
		return tr_fail(err, TR_EDATA,
		               "a payload of this kind is no conversation: messages, delta or text is");
	if (delta && (!w->open || !TR_HAS(r, parent) || r->parent != w->last_id))
		return tr_fail(err, TR_EDATA, "the turns of a session do not stand behind one another");
	if (!delta)
		rc = open_entry(w, r, extra);
	w->odd = member_of(extra, "msgs");
	w->number = 0;
	w->last_id = r->id;
	if (rc == 0)
		rc = text ? message(w, "user", (struct tr_slice){0}, r->payload)
		          : messages(w, r->payload, err);
	if (rc < 0 && rc != -TR_ENOMEM && rc != -TR_ELIMIT)
		return rc;
	if (rc == 0 && TR_HAS(r, answer))
		rc = message(w, "assistant", (struct tr_slice){0}, r->answer);
	rc = rc ? rc : behind(w, member_of(extra, "after"));
	return rc < 0 ? tr_fail(err, (enum tr_code) - rc, "a conversation that is too large") : 0;
}

/* --- the writer --------------------------------------------------------------------------------------- */

static int begin(void *self, struct tr_out *out, const struct tr_head *head, struct tr_err *err)
{
	struct writer *w = self;
	(void)out;
	(void)err;
	w->lines = head->format && strcmp(head->format, "sharegpt") == 0 && head->style &&
	           strstr(head->style, "\"form\":\"lines\"") != NULL;
	return 0;
}

static int flush(struct writer *w, struct tr_out *out, struct tr_err *err)
{
	int rc = w->b.n ? tr_out_write(out, w->b.p, w->b.n, err) : 0;
	w->b.n = 0;
	return rc;
}

static int block(void *self, struct tr_out *out, const struct tr_block *b, struct tr_err *err)
{
	struct writer *w = self;
	struct tr_cursor c;
	union {
		struct tr_rec rec;
		struct tr_event event;
		struct tr_series series;
	} u;
	int rc = 0;
	memset(&u, 0, sizeof(u));
	tr_cursor_init(&c, b);
	while (rc == 0 && tr_cursor_next(&c, &u)) {
		if (b->kind == TR_REQUEST) {
			rc = put(w, &u.rec, err);
			if (rc < 0 && TR_HAS(&u.rec, id))
				tr_err_field(err, "id", 2);
		} else if (b->kind == TR_EVENT && u.event.mask >> TR_E_data & 1 &&
		           tr_slice_eq(u.event.kind, "source")) {
			rc = next_entry(w);
			rc = rc ? rc : tr_buf_add(&w->b, u.event.data.p, u.event.data.n);
			rc = rc < 0 ? tr_fail(err, (enum tr_code) - rc, "a conversation that is too large")
			            : 0;
		}
		if (rc == 0 && w->b.n > 1 << 18)
			rc = flush(w, out, err);
	}
	return rc < 0 ? rc : flush(w, out, err);
}

static int end(void *self, struct tr_out *out, const struct tr_tail *tail, struct tr_err *err)
{
	struct writer *w = self;
	(void)tail;
	int rc = close_entry(w);
	rc = rc ? rc : tr_buf_str(&w->b, w->lines ? (w->any ? "\n" : "") : w->any ? "\n]\n" : "[]\n");
	return rc < 0 ? tr_fail(err, TR_ENOMEM, "no memory for output") : flush(w, out, err);
}

static void writer_free(void *self)
{
	struct writer *w = self;
	tr_buf_free(&w->b);
	free(w);
}

int tr_sharegpt_create(struct tr_writer **out, struct tr_out *o, const struct tr_head *head,
                       const struct tr_write_opts *opts, struct tr_err *err)
{
	static const struct tr_writer_ops ops = {
	    .begin = begin, .block = block, .end = end, .free = writer_free};
	struct writer *w = calloc(1, sizeof(*w));
	(void)opts;
	if (!w) {
		tr_out_abort(o);
		return tr_fail(err, TR_ENOMEM, "no memory for a writer");
	}
	tr_buf_init(&w->b, 64 << 20);
	return tr_writer_make(out, &ops, w, o, head, err);
}
