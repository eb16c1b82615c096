/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of prompts, an object a line: vLLM's custom data sets, OpenAI batch files, Spec-Bench's questions,
 * AIBrix workloads. What a record has no field for stays in its `extra`.
 */
#include "formats/members.h"
#include "formats/texts.h"
#include "libtrace/num.h"
#include <stdlib.h>
#include <string.h>

/* --- members -------------------------------------------------------------------------------------- */

struct member {
	struct tr_slice key, raw;
	enum tr_json_token type;
	struct text text; /* strings */
};

struct members { /* of an object, one at a time */
	struct tr_json j;
	struct member m;
};

static const char *begin(struct members *m, struct tr_slice object)
{
	tr_json_init(&m->j, object.p, object.n);
	return tr_json_next(&m->j) == TR_JSON_OBJECT ? NULL : "not an object";
}

/* 1 = m->m is the next one, 0 = there is none. The object was checked before. */
static int next(struct members *m)
{
	if (tr_json_next(&m->j) != TR_JSON_KEY)
		return 0;
	m->m.key = m->j.s;
	m->m.type = tr_json_next(&m->j);
	texts_string(&m->j, &m->m.text);
	return tr_json_skip(&m->j, m->m.type, &m->m.raw) == 0;
}

static int key_is(const struct members *m, const char *key)
{
	return tr_slice_eq(m->m.key, key);
}

static int keep_other(struct texts_batch *b, const struct member *m)
{
	int rc = tr_buf_str(&b->extra, b->extra.n ? ",\"" : "{\"");
	rc = rc ? rc : tr_buf_add(&b->extra, m->key.p, m->key.n);
	rc = rc ? rc : tr_buf_str(&b->extra, "\":");
	return rc ? rc : tr_buf_add(&b->extra, m->raw.p, m->raw.n);
}

static int set_extra(struct texts_batch *b, struct tr_rec *rec)
{
	if (!b->extra.n || b->o->no_payload)
		return 0;
	int rc = tr_buf_char(&b->extra, '}');
	TR_SET(rec, extra, ((struct tr_slice){b->extra.p, b->extra.n}));
	return rc;
}

static const char *number(const struct member *m, uint64_t *to)
{
	return m->type == TR_JSON_NUMBER ? tr_num_u64(m->raw, to) : "not a number";
}

/* The column to blame. */
static const char *blame(const struct member *m, const char *why, struct tr_err *err)
{
	tr_err_field(err, m->key.p, m->key.n);
	tr_err_value(err, m->raw.p, m->raw.n);
	return why;
}

static int no_memory(struct tr_err *err)
{
	return tr_fail(err, TR_ENOMEM, "no memory for a prompt");
}

static int text_payload(struct texts_batch *b, struct text t, struct tr_rec *rec)
{
	if (b->o->no_payload)
		return 0;
	b->payload.n = 0;
	int rc = tr_buf_reserve(&b->payload, 1);
	rc = rc ? rc : texts_unescape(t, &b->payload);
	TR_SET(rec, payload_kind, tr_slice_of("text"));
	TR_SET(rec, payload, ((struct tr_slice){b->payload.p, b->payload.n}));
	return rc;
}

/* --- custom: {"prompt":"...","output_tokens":10} ------------------------------------------------------- */

int tr_custom_claims(struct tr_slice s)
{
	static const char *const keys[] = {"prompt", "conversations", "requests", "custom_id", NULL};
	return s.n && *s.p != '[' && texts_keys(s, keys) == 1;
}

static const char *take_custom(struct texts_batch *b, struct tr_slice doc, int *rc, struct tr_err *err)
{
	struct members m;
	struct tr_rec rec = {0};
	struct text prompt = {{NULL, 0}, 0, 0};
	uint64_t n;
	const char *why = texts_check(doc);
	why = why ? why : begin(&m, doc);
	b->extra.n = 0;
	while (!why && *rc == 0 && next(&m)) {
		if (key_is(&m, "prompt") && !prompt.raw.p) {
			if (m.m.type != TR_JSON_STRING)
				return blame(&m.m, "not a string", err);
			prompt = m.m.text;
		} else if (key_is(&m, "output_tokens")) {
			why = number(&m.m, &n);
			if (why)
				return blame(&m.m, why, err);
			TR_SET(&rec, out_tokens, n);
		} else {
			*rc = keep_other(b, &m.m);
		}
	}
	if (why || *rc < 0)
		return why;
	if (!prompt.raw.p)
		return "no prompt in it";
	b->facts.entries++;
	*rc = texts_count(b, prompt, 0, &n, err);
	if (*rc < 0)
		return NULL;
	TR_SET(&rec, in_tokens, n);
	texts_estimated(b, &rec);
	if (text_payload(b, prompt, &rec) < 0 || set_extra(b, &rec) < 0)
		*rc = no_memory(err);
	*rc = *rc ? *rc : texts_put(b, &rec, err);
	return NULL;
}

/* --- openai-batch: {"custom_id":"...","method":"POST","url":"/v1/chat/completions","body":{...}}
 * ------------ */

int tr_batch_claims(struct tr_slice s)
{
	static const char *const keys[] = {"custom_id", NULL};
	return s.n && *s.p != '[' && texts_keys(s, keys) == 1;
}

/* A message's or prompt's text: a string, or the text parts of a list. */
static int count_content(struct texts_batch *b, struct tr_slice raw, uint64_t *sum, struct tr_err *err)
{
	struct tr_json j;
	enum tr_json_token t;
	uint64_t n = 0;
	int rc = 0, text = 0;
	tr_json_init(&j, raw.p, raw.n);
	for (t = tr_json_next(&j); rc == 0 && t != TR_JSON_END && t != TR_JSON_ERROR; t = tr_json_next(&j)) {
		if (t == TR_JSON_KEY)
			text = tr_slice_eq(j.s, "text");
		else if (t == TR_JSON_STRING && (text || j.depth <= 1)) {
			struct text s;
			texts_string(&j, &s);
			rc = texts_count(b, s, 0, &n, err);
			*sum += n;
		}
	}
	return rc;
}

static int count_body(struct texts_batch *b, struct tr_slice body, struct tr_rec *rec, struct tr_err *err)
{
	struct members m;
	uint64_t sum = 0, out = 0;
	int rc = 0;
	begin(&m, body);
	while (rc == 0 && next(&m)) {
		if (key_is(&m, "prompt") || key_is(&m, "input")) {
			rc = count_content(b, m.m.raw, &sum, err);
		} else if (key_is(&m, "messages") && m.m.type == TR_JSON_ARRAY) {
			struct tr_json j;
			struct tr_slice raw;
			enum tr_json_token t;
			tr_json_init(&j, m.m.raw.p, m.m.raw.n);
			tr_json_next(&j);
			while (rc == 0 && (t = tr_json_next(&j)) == TR_JSON_OBJECT &&
			       tr_json_skip(&j, t, &raw) == 0) {
				rc = count_content(b, member_of(raw, "content"), &sum, err);
				sum += b->o->message_overhead;
			}
		} else if ((key_is(&m, "max_tokens") || key_is(&m, "max_completion_tokens")) &&
		           !number(&m.m, &out)) {
			TR_SET(rec, out_tokens, out);
		} else if (key_is(&m, "model") && m.m.type == TR_JSON_STRING && !m.m.text.escaped) {
			TR_SET(rec, model, m.m.text.raw);
		}
	}
	TR_SET(rec, in_tokens, sum);
	texts_estimated(b, rec);
	return rc;
}

static const char *take_batch(struct texts_batch *b, struct tr_slice doc, int *rc, struct tr_err *err)
{
	struct members m;
	struct tr_rec rec = {0};
	struct tr_slice body = {NULL, 0};
	const char *why = texts_check(doc);
	why = why ? why : begin(&m, doc);
	b->extra.n = b->name.n = 0;
	while (!why && *rc == 0 && next(&m)) {
		if (key_is(&m, "custom_id") && m.m.type == TR_JSON_STRING && !TR_HAS(&rec, source_id)) {
			*rc = tr_buf_reserve(&b->name, 1);
			*rc = *rc ? *rc : texts_unescape(m.m.text, &b->name);
			TR_SET(&rec, source_id, ((struct tr_slice){b->name.p, b->name.n}));
		} else if (key_is(&m, "body") && m.m.type == TR_JSON_OBJECT && !body.p) {
			body = m.m.raw;
		} else if (!(key_is(&m, "method") && tr_slice_eq(m.m.raw, "\"POST\"")) &&
		           !(key_is(&m, "url") && tr_slice_eq(m.m.raw, "\"/v1/chat/completions\""))) {
			*rc = keep_other(b, &m.m);
		}
	}
	if (why || *rc < 0)
		return why;
	if (!body.p)
		return "no body in it";
	b->facts.entries++;
	*rc = count_body(b, body, &rec, err);
	if (*rc < 0)
		return NULL;
	if (!b->o->no_payload) {
		TR_SET(&rec, payload_kind, tr_slice_of("body"));
		TR_SET(&rec, payload, body);
	}
	*rc = set_extra(b, &rec) < 0 ? no_memory(err) : texts_put(b, &rec, err);
	return NULL;
}

/* --- spec-bench: {"question_id":1,"category":"...","turns":["...","..."],"reference":[...]}
 * ---------------------- */

int tr_spec_claims(struct tr_slice s)
{
	static const char *const keys[] = {"question_id", "turns", NULL};
	return s.n && *s.p != '[' && texts_keys(s, keys) == 3;
}

/* A turn is a user message; what the model answered is not in the file, so the history has no answers. */
static int put_turns(struct texts_batch *b, struct tr_slice turns, struct tr_rec *rec, struct tr_err *err)
{
	struct tr_json j;
	uint64_t n, total = 0, history = 0, turn = 0;
	int rc = 0;
	tr_json_init(&j, turns.p, turns.n);
	for (tr_json_next(&j); tr_json_next(&j) == TR_JSON_STRING;)
		total++;
	tr_json_init(&j, turns.p, turns.n);
	for (tr_json_next(&j); rc == 0 && tr_json_next(&j) == TR_JSON_STRING;) {
		struct text t;
		texts_string(&j, &t);
		rc = texts_count(b, t, 0, &n, err);
		history += n + b->o->message_overhead;
		TR_SET(rec, turn, ++turn);
		TR_SET(rec, turns, total);
		TR_SET(rec, in_tokens, history);
		texts_estimated(b, rec);
		if (turn > 1) {
			TR_SET(rec, parent, b->id - 1);
			rec->mask &= ~TR_BIT(extra);
		}
		if (!b->o->no_payload) {
			b->payload.n = 0;
			rc = rc ? rc : tr_buf_char(&b->payload, '[');
			rc = rc ? rc : texts_message(&b->payload, "user", t);
			rc = rc ? rc : tr_buf_char(&b->payload, ']');
			TR_SET(rec, payload_kind, tr_slice_of(turn == 1 ? "messages" : "delta"));
			TR_SET(rec, payload, ((struct tr_slice){b->payload.p, b->payload.n}));
		}
		rc = rc ? rc : texts_put(b, rec, err);
		if (b->o->turns != TR_TURNS_ALL)
			break;
	}
	return rc;
}

static const char *take_spec(struct texts_batch *b, struct tr_slice doc, int *rc, struct tr_err *err)
{
	struct members m;
	struct tr_rec rec = {0};
	struct tr_slice turns = {NULL, 0};
	const char *why = texts_check(doc);
	why = why ? why : begin(&m, doc);
	b->extra.n = 0;
	while (!why && *rc == 0 && next(&m)) {
		if (key_is(&m, "question_id") && m.m.type == TR_JSON_NUMBER) {
			TR_SET(&rec, source_id, m.m.raw);
			TR_SET(&rec, session, m.m.raw);
		} else if (key_is(&m, "category") && m.m.type == TR_JSON_STRING && !m.m.text.escaped) {
			TR_SET(&rec, type, m.m.text.raw);
		} else if (key_is(&m, "turns") && m.m.type == TR_JSON_ARRAY && !turns.p) {
			turns = m.m.raw;
		} else {
			*rc = keep_other(b, &m.m);
		}
	}
	if (why || *rc < 0)
		return why;
	if (!turns.p)
		return "no turns in it";
	b->facts.entries++;
	*rc = set_extra(b, &rec) < 0 ? no_memory(err) : put_turns(b, turns, &rec, err);
	return NULL;
}

/* --- aibrix: {"timestamp":21,"requests":[{"Prompt Length":909,"Output Length":22,"prompt":"..."},...]}
 * ------------ */

int tr_aibrix_claims(struct tr_slice s)
{
	static const char *const keys[] = {"timestamp", "requests", NULL};
	return s.n && *s.p != '[' && texts_keys(s, keys) == 3;
}

static const char *take_request(struct texts_batch *b, struct tr_slice object, int64_t arrival, int *rc,
                                struct tr_err *err)
{
	struct members m;
	struct tr_rec rec = {0};
	struct text prompt = {{NULL, 0}, 0, 0};
	uint64_t n;
	const char *why = begin(&m, object);
	b->extra.n = 0;
	TR_SET(&rec, arrival_ns, arrival);
	while (!why && *rc == 0 && next(&m)) {
		int in = key_is(&m, "Prompt Length"), out = key_is(&m, "Output Length");
		if (key_is(&m, "prompt") && m.m.type == TR_JSON_STRING && !prompt.raw.p) {
			prompt = m.m.text;
		} else if (in || out) {
			why = number(&m.m, &n);
			if (why)
				return blame(&m.m, why, err);
			if (in)
				TR_SET(&rec, in_tokens, n);
			else
				TR_SET(&rec, out_tokens, n);
		} else {
			*rc = keep_other(b, &m.m);
		}
	}
	if (why || *rc < 0)
		return why;
	/* The source's own count stands, unless a tokenizer was given. */
	if (prompt.raw.p && (b->encoder || !TR_HAS(&rec, in_tokens))) {
		*rc = texts_count(b, prompt, 0, &n, err);
		TR_SET(&rec, in_tokens, n);
		texts_estimated(b, &rec);
	}
	if (*rc == 0 && ((prompt.raw.p && text_payload(b, prompt, &rec) < 0) || set_extra(b, &rec) < 0))
		*rc = no_memory(err);
	*rc = *rc ? *rc : texts_put(b, &rec, err);
	return NULL;
}

static const char *take_aibrix(struct texts_batch *b, struct tr_slice doc, int *rc, struct tr_err *err)
{
	struct tr_json j;
	struct tr_slice raw, stamp;
	enum tr_json_token t;
	int64_t ns;
	const char *why = texts_check(doc);
	if (why)
		return why;
	stamp = member_of(doc, "timestamp");
	why = stamp.p ? tr_num_decimal_ns(stamp, 1000000, &ns, NULL) : "missing";
	if (why) {
		tr_err_field(err, "timestamp", 9);
		tr_err_value(err, stamp.p, stamp.n);
		return why;
	}
	raw = member_of(doc, "requests");
	tr_json_init(&j, raw.p, raw.n);
	if (!raw.p || tr_json_next(&j) != TR_JSON_ARRAY)
		return "requests is not a list";
	b->facts.entries++;
	while (!why && *rc == 0 && (t = tr_json_next(&j)) == TR_JSON_OBJECT) {
		struct tr_slice one;
		why = tr_json_skip(&j, t, &one) < 0 ? "not an object" : take_request(b, one, ns, rc, err);
	}
	return why || *rc < 0 || t == TR_JSON_CLOSE ? why : "requests is not a list of objects";
}

/* --- opening ---------------------------------------------------------------------------------------------
 */

int tr_custom_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err)
{
	static const struct texts_ops ops = {"custom", NULL, take_custom};
	return texts_open(r, in, o, &ops, err);
}

int tr_batch_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err)
{
	static const struct texts_ops ops = {"openai-batch", NULL, take_batch};
	return texts_open(r, in, o, &ops, err);
}

int tr_spec_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err)
{
	static const struct texts_ops ops = {"spec-bench", NULL, take_spec};
	return texts_open(r, in, o, &ops, err);
}

int tr_aibrix_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err)
{
	static const struct texts_ops ops = {"aibrix", NULL, take_aibrix};
	return texts_open(r, in, o, &ops, err);
}
