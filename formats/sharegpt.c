/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading ShareGPT: a record for each assistant message that answers something. What comes before it since
 * the last answer is the record's own part of the prompt; an assistant message that answers nothing (at the
 * beginning, or behind another one) is part of the next prompt.
 */
#include "formats/sharegpt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES_MAX = 1 << 20 };

const char *const sharegpt_names[2][3] = {{"human", "gpt", "system"}, {"user", "assistant", "system"}};

static const struct {
	const char *name;
	enum sharegpt_role role;
} roles[] = {
    {"human", SHAREGPT_USER},          {"gpt", SHAREGPT_ASSISTANT},  {"user", SHAREGPT_USER},
    {"assistant", SHAREGPT_ASSISTANT}, {"system", SHAREGPT_SYSTEM},  {"chatgpt", SHAREGPT_ASSISTANT},
    {"bing", SHAREGPT_ASSISTANT},      {"bard", SHAREGPT_ASSISTANT}, {"function_call", SHAREGPT_ASSISTANT},
};

static const char *const openai[] = {"user", "assistant", "system"};

int tr_sharegpt_claims(struct tr_slice s)
{
	static const char *const keys[] = {"conversations", "conversation", NULL};
	size_t i = s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	while (i < s.n && strchr(" \t\r\n", s.p[i]) && s.p[i])
		i++;
	return i < s.n && (s.p[i] == '[' || texts_keys(s, keys) != 0);
}

/* --- parsing ------------------------------------------------------------------------------------ */

/* Another role, a tool's or an unknown one, speaks to the model as the user does. */
static enum sharegpt_role role_of(struct tr_slice name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (tr_slice_eq(name, roles[i].name))
			return roles[i].role;
	return SHAREGPT_USER;
}

static int which(struct tr_slice key, const char *a, const char *b)
{
	return tr_slice_eq(key, a) ? 0 : tr_slice_eq(key, b) ? 1 : -1;
}

static const char *take_members(struct tr_json *j, struct sharegpt_message *m)
{
	enum tr_json_token t;
	struct text s;
	while ((t = tr_json_next(j)) == TR_JSON_KEY) {
		int role = which(j->s, "from", "role"), value = which(j->s, "value", "content");
		if (j->escaped && texts_string(j, &s))
			return "bad escape";
		t = tr_json_next(j);
		if (t == TR_JSON_STRING && texts_string(j, &s))
			return "bad escape";
		if (role >= 0 && m->role_key < 0 && t == TR_JSON_STRING && !j->escaped) {
			m->role_key = role;
			m->from.raw = j->s;
			m->role = role_of(j->s);
		} else if (value >= 0 && m->value_key < 0 && t == TR_JSON_STRING) {
			m->value_key = value;
			m->value = s;
		} else {
			struct tr_slice raw;
			m->more = 1;
			if (tr_json_skip(j, t, &raw) < 0)
				return j->reason;
			const char *why = t == TR_JSON_OBJECT || t == TR_JSON_ARRAY ? texts_check(raw) : NULL;
			if (why)
				return why;
		}
	}
	return t == TR_JSON_CLOSE ? NULL : j->reason;
}

/* A message that is a string: with the text of such an object in it, as some files have, or plain text. Goes
 * back raw. */
static const char *take_string(struct tr_json *j, struct sharegpt_message *m)
{
	struct tr_buf b;
	struct tr_json inner;
	struct sharegpt_message in = {.role_key = -1, .value_key = -1};
	m->more = 1;
	if (texts_string(j, &m->value))
		return "bad escape";
	if (!j->s.n || j->s.p[0] != '{')
		return NULL;
	tr_buf_init(&b, DOCS_MAX);
	if (tr_buf_reserve(&b, 1) < 0 || texts_unescape(m->value, &b) < 0) {
		tr_buf_free(&b);
		return "no memory for a message";
	}
	tr_json_init(&inner, b.p, b.n);
	if (tr_json_next(&inner) != TR_JSON_OBJECT || take_members(&inner, &in) || in.value_key < 0) {
		tr_buf_free(&b);
		return NULL;
	}
	m->from = in.from;
	m->role = in.role;
	m->value = in.value;
	m->own = b.p;
	return NULL;
}

static const char *take_message(struct tr_json *j, enum tr_json_token t, struct sharegpt_message *m)
{
	const char *why = NULL;
	size_t start = j->pos - 1;
	*m = (struct sharegpt_message){.role_key = -1, .value_key = -1};
	if (t == TR_JSON_OBJECT) {
		why = take_members(j, m);
		m->raw = (struct tr_slice){j->p + start, j->pos - start};
	} else if (t == TR_JSON_STRING) {
		m->raw = (struct tr_slice){j->s.p - 1, j->s.n + 2};
		why = take_string(j, m);
	} else {
		return j->reason ? j->reason : "a message is neither an object nor a string";
	}
	return why;
}

static const char *take_list(struct tr_json *j, struct sharegpt_entry *e, size_t *cap)
{
	enum tr_json_token t = tr_json_next(j);
	if (t != TR_JSON_ARRAY)
		return j->reason ? j->reason : "the list of messages is not an array";
	while ((t = tr_json_next(j)) != TR_JSON_CLOSE) {
		if (e->n == *cap) {
			size_t more = *cap ? *cap * 2 : 16;
			struct sharegpt_message *m =
			    more <= MESSAGES_MAX ? realloc(e->m, more * sizeof(*m)) : NULL;
			if (!m)
				return "too many messages";
			e->m = m;
			*cap = more;
		}
		const char *why = take_message(j, t, &e->m[e->n++]);
		if (why)
			return why;
	}
	return NULL;
}

static const char *parse(struct tr_slice doc, struct sharegpt_entry *e)
{
	struct tr_json j;
	enum tr_json_token t;
	struct tr_slice raw;
	struct text s;
	size_t cap = 0;
	const char *why;
	tr_json_init(&j, doc.p, doc.n);
	if (tr_json_next(&j) != TR_JSON_OBJECT)
		return j.reason;
	while ((t = tr_json_next(&j)) == TR_JSON_KEY) {
		struct tr_slice key = j.s;
		if (j.escaped && texts_string(&j, &s))
			return "bad escape";
		if (!e->list.p && which(key, "conversations", "conversation") >= 0) {
			e->list = key;
			why = take_list(&j, e, &cap);
			if (why)
				return why;
			continue;
		}
		t = tr_json_next(&j);
		if (t == TR_JSON_STRING && texts_string(&j, &s))
			return "bad escape";
		if (tr_json_skip(&j, t, &raw) < 0)
			return j.reason;
		why = t == TR_JSON_OBJECT || t == TR_JSON_ARRAY ? texts_check(raw) : NULL;
		if (why)
			return why;
		if (!e->id_raw.p && tr_slice_eq(key, "id")) {
			e->id_raw = raw;
			e->id_is_string = t == TR_JSON_STRING;
			e->id = s;
		} else {
			e->others = 1;
		}
	}
	if (t != TR_JSON_CLOSE || tr_json_next(&j) != TR_JSON_END)
		return j.reason ? j.reason : "not an object";
	if (!e->list.p)
		return "no conversations in it";
	return tr_json_utf8(doc) ? NULL : "not UTF-8";
}

/* --- what the fields do not say -------------------------------------------------------------------- */

static int key_begin(struct tr_buf *b, const char *key)
{
	int rc = tr_buf_str(b, b->n ? ",\"" : "{\"");
	rc = rc ? rc : tr_buf_str(b, key);
	return rc ? rc : tr_buf_str(b, "\":");
}

/* All members of an object but some, as they stand. */
static int others_of(struct tr_buf *b, struct tr_slice object, const char *not1, const char *not2)
{
	struct tr_json j;
	int rc = tr_buf_char(b, '{'), any = 0, dropped1 = 0, dropped2 = 0;
	tr_json_init(&j, object.p, object.n);
	tr_json_next(&j);
	while (rc == 0 && tr_json_next(&j) == TR_JSON_KEY) {
		struct tr_slice key = j.s, raw;
		if (tr_json_skip(&j, TR_JSON_KEY, &raw) < 0)
			break;
		if (not1 && !dropped1 && tr_slice_eq(key, not1) && (dropped1 = 1))
			continue;
		if (not2 && !dropped2 && tr_slice_eq(key, not2) && (dropped2 = 1))
			continue;
		rc = tr_buf_str(b, any ? ",\"" : "\"");
		rc = rc ? rc : tr_buf_add(b, key.p, key.n);
		rc = rc ? rc : tr_buf_str(b, "\":");
		rc = rc ? rc : tr_buf_add(b, raw.p, raw.n);
		any = 1;
	}
	return rc ? rc : tr_buf_char(b, '}');
}

static int spelling(const struct sharegpt_entry *e)
{
	return e->n && e->m[0].role_key == 1 && e->m[0].value_key == 1;
}

static int is_odd(const struct sharegpt_message *m, int spell)
{
	return m->more || m->role_key != spell || m->value_key != spell ||
	       !tr_slice_eq(m->from.raw, sharegpt_names[spell][m->role]);
}

static int entry_extra(struct texts_batch *b, const struct sharegpt_entry *e, struct tr_slice doc)
{
	struct tr_buf *x = &b->extra;
	char list[16];
	int rc = 0;
	if (!tr_slice_eq(e->list, "conversations")) {
		rc = key_begin(x, "list");
		rc = rc ? rc : tr_buf_str(x, "\"conversation\"");
	}
	if (rc == 0 && spelling(e)) {
		rc = key_begin(x, "spell");
		rc = rc ? rc : tr_buf_str(x, "[\"role\",\"content\"]");
	}
	if (rc == 0 && !e->id_is_string) {
		rc = key_begin(x, e->id_raw.p ? "id" : "noid");
		rc = rc ? rc : e->id_raw.p ? tr_buf_add(x, e->id_raw.p, e->id_raw.n) : tr_buf_char(x, '1');
	}
	if (rc == 0 && e->others) {
		snprintf(list, sizeof(list), "%.*s", (int)e->list.n, e->list.p);
		rc = key_begin(x, "entry");
		rc = rc ? rc : others_of(x, doc, "id", list);
	}
	return rc;
}

/* What is odd about messages [from, to) of the entry. */
static int messages_extra(struct texts_batch *b, const struct sharegpt_entry *e, size_t from, size_t to)
{
	static const char *const values[] = {"value", "content"};
	struct tr_buf *x = &b->extra;
	int rc = 0, any = 0, spell = spelling(e);
	for (size_t i = from; i < to && rc == 0; i++) {
		const struct sharegpt_message *m = &e->m[i];
		if (!is_odd(m, spell))
			continue;
		rc = any ? tr_buf_char(x, ',') : key_begin(x, "msgs");
		if (rc == 0 && !any)
			rc = tr_buf_char(x, '{');
		any = 1;
		rc = rc ? rc : tr_buf_printf(x, "\"%zu\":", i - from);
		if (rc == 0 && m->value_key == spell) {
			rc = others_of(x, m->raw, values[spell], NULL);
		} else if (rc == 0) {
			rc = tr_buf_str(x, "{\"raw\":");
			rc = rc ? rc : tr_buf_add(x, m->raw.p, m->raw.n);
			rc = rc ? rc : tr_buf_char(x, '}');
		}
	}
	return rc || !any ? rc : tr_buf_char(x, '}');
}

static int after_extra(struct texts_batch *b, const struct sharegpt_entry *e, size_t from)
{
	struct tr_buf *x = &b->extra;
	int rc = key_begin(x, "after");
	for (size_t i = from; i < e->n && rc == 0; i++) {
		rc = tr_buf_char(x, i == from ? '[' : ',');
		rc = rc ? rc : tr_buf_add(x, e->m[i].raw.p, e->m[i].raw.n);
	}
	return rc ? rc : tr_buf_char(x, ']');
}

/* --- records --------------------------------------------------------------------------------------- */

struct tr_slice sharegpt_session(struct texts_batch *b, const struct sharegpt_entry *e)
{
	struct text id = e->id_is_string ? e->id : (struct text){e->id_raw, 0, e->id_raw.n};
	b->name.n = 0;
	if (!id.raw.n || texts_unescape(id, &b->name) < 0)
		tr_buf_printf(&b->name, "#%" PRIu64, b->number);
	return (struct tr_slice){b->name.p, b->name.n};
}

static int payload(struct texts_batch *b, const struct sharegpt_message *m, size_t n)
{
	int rc;
	b->payload.n = 0;
	rc = tr_buf_char(&b->payload, '[');
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = texts_message(&b->payload, openai[m[i].role], m[i].value);
	return rc ? rc : tr_buf_char(&b->payload, ']');
}

static int set_texts(struct texts_batch *b, const struct sharegpt_message *m, size_t n,
                     const struct sharegpt_message *answer, int whole, struct tr_rec *rec)
{
	int rc;
	if (b->o->no_payload)
		return 0;
	rc = payload(b, m, n);
	TR_SET(rec, payload_kind, tr_slice_of(whole ? "messages" : "delta"));
	TR_SET(rec, payload, ((struct tr_slice){b->payload.p, b->payload.n}));
	if (answer) {
		b->answer.n = 0;
		rc = rc ? rc : tr_buf_reserve(&b->answer, 1);
		rc = rc ? rc : texts_unescape(answer->value, &b->answer);
		TR_SET(rec, answer, ((struct tr_slice){b->answer.p, b->answer.n}));
	}
	return rc;
}

static int no_memory(struct tr_err *err)
{
	return tr_fail(err, TR_ENOMEM, "no memory for a conversation");
}

int sharegpt_pair(struct texts_batch *b, const struct sharegpt_entry *e,
                  const struct sharegpt_message *prompt, const struct sharegpt_message *answer,
                  unsigned flags, struct tr_rec *rec, struct tr_err *err)
{
	uint64_t in, out;
	int rc = texts_count(b, prompt->value, flags, &in, err);
	rc = rc ? rc : texts_count(b, answer->value, flags, &out, err);
	if (rc < 0)
		return rc;
	struct sharegpt_message user = *prompt;
	user.role = SHAREGPT_USER;
	*rec = (struct tr_rec){0};
	TR_SET(rec, session, sharegpt_session(b, e));
	TR_SET(rec, turn, 1);
	TR_SET(rec, turns, 1);
	TR_SET(rec, in_tokens, in);
	TR_SET(rec, out_tokens, out);
	texts_estimated(b, rec);
	return set_texts(b, &user, 1, answer, 1, rec) < 0 ? no_memory(err) : 0;
}

/* Does a record end at message i? *asked: somebody has spoken to the model since the last answer. */
static int ends_record(const struct sharegpt_entry *e, size_t i, int *asked)
{
	int ends = e->m[i].role == SHAREGPT_ASSISTANT && *asked;
	*asked = ends ? 0 : *asked | (e->m[i].role == SHAREGPT_USER);
	return ends;
}

static uint64_t count_turns(const struct sharegpt_entry *e)
{
	uint64_t n = 0;
	int asked = 0;
	for (size_t i = 0; i < e->n; i++)
		n += (unsigned)ends_record(e, i, &asked);
	return n + (asked != 0);
}

struct walk {             /* through the messages of one entry */
	size_t from;      /* first message of the record that comes next */
	uint64_t history; /* tokens of all messages before it */
	uint64_t turn, turns, last_id;
};

/* The record of messages [w->from, to); the last one is the answer when `answered`. */
static int put_record(struct texts_batch *b, const struct sharegpt_entry *e, struct walk *w, size_t to,
                      int answered, size_t leftovers, struct tr_slice doc, struct tr_err *err)
{
	struct tr_rec rec = {0};
	size_t prompt_end = to - (answered != 0);
	uint64_t n, out = 0;
	int rc = 0;
	for (size_t i = w->from; i < prompt_end && rc == 0; i++) {
		rc = texts_count(b, e->m[i].value, 0, &n, err);
		w->history += n + b->o->message_overhead;
	}
	if (rc == 0 && answered)
		rc = texts_count(b, e->m[prompt_end].value, 0, &out, err);
	if (rc < 0)
		return rc;
	TR_SET(&rec, session, sharegpt_session(b, e));
	TR_SET(&rec, turn, ++w->turn);
	TR_SET(&rec, turns, w->turns);
	if (w->turn > 1)
		TR_SET(&rec, parent, w->last_id);
	TR_SET(&rec, in_tokens, w->history);
	if (answered)
		TR_SET(&rec, out_tokens, out);
	texts_estimated(b, &rec);
	b->extra.n = 0;
	if (!b->o->no_payload && w->turn == 1)
		rc = entry_extra(b, e, doc);
	if (!b->o->no_payload)
		rc = rc ? rc : messages_extra(b, e, w->from, to);
	if (!b->o->no_payload && leftovers)
		rc = rc ? rc : after_extra(b, e, to);
	if (rc == 0 && b->extra.n)
		rc = tr_buf_char(&b->extra, '}');
	if (rc == 0 && b->extra.n)
		TR_SET(&rec, extra, ((struct tr_slice){b->extra.p, b->extra.n}));
	rc = rc ? rc
	        : set_texts(b, e->m + w->from, prompt_end - w->from, answered ? &e->m[prompt_end] : NULL,
	                    w->turn == 1, &rec);
	if (rc < 0)
		return no_memory(err);
	w->last_id = b->id;
	w->from = to;
	w->history += out + b->o->message_overhead;
	return texts_put(b, &rec, err);
}

static int put_event(struct texts_batch *b, struct tr_slice doc, struct tr_err *err)
{
	struct tr_event ev = {0};
	ev.kind = tr_slice_of("source");
	ev.data = doc;
	ev.mask = UINT64_C(1) << TR_E_kind | UINT64_C(1) << TR_E_data;
	return texts_put_event(b, &ev, err);
}

/* Where the last record ends: what is behind it is kept with it. */
static size_t last_end(const struct sharegpt_entry *e)
{
	size_t end = 0;
	int asked = 0;
	for (size_t i = 0; i < e->n; i++)
		if (ends_record(e, i, &asked))
			end = i + 1;
	return asked ? e->n : end;
}

static int put_all(struct texts_batch *b, const struct sharegpt_entry *e, struct tr_slice doc,
                   struct tr_err *err)
{
	struct walk w = {.turns = count_turns(e)};
	size_t end = last_end(e);
	int asked = 0, rc = 0;
	if (!w.turns)
		return b->o->no_payload || b->o->turns == TR_TURNS_FIRST ? 0 : put_event(b, doc, err);
	if (b->o->turns == TR_TURNS_FIRST)
		w.turns = 1;
	for (size_t i = 0; i < end && rc == 0 && w.turn < w.turns; i++) {
		int ends = ends_record(e, i, &asked);
		if (ends || i + 1 == end)
			rc = put_record(b, e, &w, i + 1, ends, i + 1 == end ? e->n - end : 0, doc, err);
	}
	return rc;
}

static void count_facts(struct texts_facts *f, const struct sharegpt_entry *e)
{
	f->entries++;
	f->messages += e->n;
	for (size_t i = 0; i < e->n; i++) {
		texts_role(f, e->m[i].from.raw);
		f->empty += e->m[i].value.raw.n == 0;
	}
}

static const char *take(struct texts_batch *b, struct tr_slice doc, int *rc, struct tr_err *err)
{
	struct sharegpt_entry e = {0};
	struct tr_rec rec;
	const char *why = parse(doc, &e);
	if (!why) {
		count_facts(&b->facts, &e);
		if (b->o->peer) {
			why = sharegpt_peer(b, &e, rc, err);
		} else if (b->o->turns != TR_TURNS_FIRST_PAIR) {
			*rc = put_all(b, &e, doc, err);
		} else if (e.n >= 2) {
			*rc = sharegpt_pair(b, &e, &e.m[0], &e.m[1], 0, &rec, err);
			if (*rc == 0)
				rec.in_tokens += b->o->message_overhead;
			*rc = *rc ? *rc : texts_put(b, &rec, err);
		}
	}
	for (size_t i = 0; i < e.n; i++)
		free(e.m[i].own);
	free(e.m);
	return why;
}

static int style(struct tr_slice first, int array, struct tr_buf *b)
{
	(void)first;
	return tr_buf_printf(b, "{\"form\":\"%s\"}", array ? "array" : "lines");
}

int tr_sharegpt_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err)
{
	static const struct texts_ops ops = {"sharegpt", style, take};
	return texts_open(r, in, o, &ops, err);
}
