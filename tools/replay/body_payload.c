/* SPDX-License-Identifier: Apache-2.0
 *
 * Prompts that the records bring along. They come from files, so each is held against what its kind says
 * before a server sees it.
 */
#include "libtrace/num.h"
#include "tools/replay/body_impl.h"

static const char *const kinds[KINDS] = {
    [KIND_MESSAGES] = "messages", [KIND_DELTA] = "delta", [KIND_TEXT] = "text",
    [KIND_TOKENS] = "tokens",     [KIND_BODY] = "body",
};

static int wrong(struct tr_err *err, const char *field, const char *what)
{
	tr_fail(err, TR_EDATA, "%s", what);
	tr_err_field(err, field, tr_slice_of(field).n);
	return -TR_EDATA;
}

/* The scanner leaves escapes to those who undo them; these are only looked at. */
static int escapes(struct tr_json *j, struct tr_buf *scratch)
{
	scratch->n = 0;
	return j->escaped ? tr_json_unescape(j->s, 0, scratch) : 0;
}

/* NULL, or what is wrong with a JSON text that must be an object or an array. */
static const char *json_fault(struct tr_slice text, enum tr_json_token want)
{
	struct tr_json j;
	struct tr_buf scratch;
	const char *fault = NULL;
	tr_buf_init(&scratch, text.n);
	tr_json_init(&j, text.p, text.n);
	enum tr_json_token t = tr_json_next(&j);
	if (t != want)
		fault = want == TR_JSON_OBJECT ? "not a JSON object" : "not a JSON array";
	for (; !fault && t != TR_JSON_END; t = tr_json_next(&j)) {
		if (t == TR_JSON_ERROR)
			fault = j.reason;
		else if ((t == TR_JSON_KEY || t == TR_JSON_STRING) && escapes(&j, &scratch) < 0)
			fault = "bad escape";
	}
	if (!fault && !tr_json_utf8(text))
		fault = "not UTF-8";
	tr_buf_free(&scratch);
	return fault;
}

static const char *ids_fault(struct tr_slice text)
{
	struct tr_json j;
	enum tr_json_token t;
	uint64_t id;
	tr_json_init(&j, text.p, text.n);
	if (tr_json_next(&j) != TR_JSON_ARRAY)
		return "not a JSON array of token ids";
	while ((t = tr_json_next(&j)) == TR_JSON_NUMBER)
		if (tr_num_u64(j.s, &id))
			return "not a token id";
	return t == TR_JSON_CLOSE && tr_json_next(&j) == TR_JSON_END ? NULL : "not a JSON array of token ids";
}

int body_check_extra(struct tr_slice extra, struct tr_err *err)
{
	const char *fault = json_fault(extra, TR_JSON_OBJECT);
	if (!fault)
		return 0;
	tr_fail(err, TR_EUSAGE, "%s", fault);
	tr_err_value(err, extra.p, extra.n);
	return -TR_EUSAGE;
}

int body_payload_kind(const struct tr_rec *r, enum body_kind *kind, struct tr_err *err)
{
	if (!TR_HAS(r, payload))
		return wrong(err, "payload", "record has no payload");
	for (int k = 0; k < KINDS; k++)
		if (TR_HAS(r, payload_kind) && tr_slice_eq(r->payload_kind, kinds[k])) {
			*kind = (enum body_kind)k;
			return 0;
		}
	wrong(err, "payload_kind", "not messages, delta, text, tokens or body");
	if (TR_HAS(r, payload_kind))
		tr_err_value(err, r->payload_kind.p, r->payload_kind.n);
	return -TR_EDATA;
}

static int put_messages(struct body_work *w)
{
	const char *fault = w->o->api == BODY_CHAT ? json_fault(w->r->payload, TR_JSON_ARRAY)
	                                           : "a completions request cannot carry chat messages";
	if (fault)
		return wrong(w->err, "payload", fault);
	if (body_begin(w, MEMBER_MESSAGES))
		body_raw(w, w->r->payload);
	return 0;
}

static int put_delta(struct body_work *w)
{
	return w->o->api == BODY_CHAT
	           ? wrong(w->err, "payload", "a turn whose session's earlier turns are not there")
	           : wrong(w->err, "payload", "a completions request cannot carry chat messages");
}

int body_messages(const struct tr_rec *r, struct tr_slice *messages, struct tr_err *err)
{
	struct tr_slice s = r->payload;
	const char *fault = json_fault(s, TR_JSON_ARRAY);
	if (fault)
		return wrong(err, "payload", fault);
	while (*s.p != '[') { /* blanks alone stand round the list */
		s.p++;
		s.n--;
	}
	while (s.p[s.n - 1] != ']')
		s.n--;
	for (s.p++, s.n -= 2; s.n && strchr(" \t\r\n", *s.p); s.n--)
		s.p++;
	*messages = s;
	return 0;
}

int body_conversation(struct body_work *w)
{
	w->made->ask_in = TR_HAS(w->r, in_tokens) ? w->r->in_tokens : 0;
	if (!body_begin(w, MEMBER_MESSAGES))
		return 0;
	body_text(w, "[");
	body_raw(w, w->o->messages);
	body_text(w, "]");
	return 0;
}

static int put_text(struct body_work *w)
{
	const int chat = w->o->api == BODY_CHAT;
	if (!body_begin(w, chat ? MEMBER_MESSAGES : MEMBER_PROMPT))
		return 0;
	body_text(w, chat ? "[{\"role\":\"user\",\"content\":" : "");
	body_quoted(w, w->r->payload);
	body_text(w, chat ? "}]" : "");
	return 0;
}

static int put_tokens(struct body_work *w)
{
	const char *fault =
	    w->o->api == BODY_CHAT ? "a chat request cannot carry token ids" : ids_fault(w->r->payload);
	if (fault)
		return wrong(w->err, "payload", fault);
	if (body_begin(w, MEMBER_PROMPT))
		body_raw(w, w->r->payload);
	return 0;
}

int body_payload(struct body_work *w, enum body_kind kind)
{
	static int (*const put[KINDS])(struct body_work *) = {
	    [KIND_MESSAGES] = put_messages,
	    [KIND_DELTA] = put_delta,
	    [KIND_TEXT] = put_text,
	    [KIND_TOKENS] = put_tokens,
	};
	w->made->ask_in = TR_HAS(w->r, in_tokens) ? w->r->in_tokens : 0;
	return put[kind](w);
}

int body_payload_whole(struct body_work *w)
{
	const struct tr_rec *r = w->r;
	unsigned found;
	const char *fault = json_fault(r->payload, TR_JSON_OBJECT);
	if (fault)
		return wrong(w->err, "payload", fault);
	w->made->stream = 0;
	if (body_scan(r->payload, &found, &w->made->stream) < 0)
		return wrong(w->err, "payload", "not a JSON object");
	w->made->ask_in = TR_HAS(r, in_tokens) ? r->in_tokens : 0;
	w->made->ask_out = TR_HAS(r, out_tokens) ? r->out_tokens : 0;
	body_raw(w, r->payload);
	return 0;
}
