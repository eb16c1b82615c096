/* SPDX-License-Identifier: Apache-2.0
 *
 * Request bodies, member by member. A failed append is kept in the work's rc and looked at once, at the end.
 */
#include "tools/replay/body_impl.h"

static const char *const members[MEMBERS] = {
    [MEMBER_MODEL] = "model",
    [MEMBER_PROMPT] = "prompt",
    [MEMBER_MESSAGES] = "messages",
    [MEMBER_MAX_TOKENS] = "max_tokens",
    [MEMBER_MAX_COMPLETION_TOKENS] = "max_completion_tokens",
    [MEMBER_MIN_TOKENS] = "min_tokens",
    [MEMBER_IGNORE_EOS] = "ignore_eos",
    [MEMBER_STREAM] = "stream",
    [MEMBER_STREAM_OPTIONS] = "stream_options",
    [MEMBER_PRIORITY] = "priority",
};

static const char *const fields[BODY_FIELDS] = {
    [BODY_MAX_TOKENS] = "max_tokens", [BODY_MAX_COMPLETION_TOKENS] = "max_completion_tokens",
    [BODY_MIN_TOKENS] = "min_tokens", [BODY_IGNORE_EOS] = "ignore_eos",
    [BODY_USAGE] = "include_usage",   [BODY_CONTINUOUS_USAGE] = "continuous_usage_stats",
};

const char *body_field_name(enum body_field f)
{
	return fields[f];
}

static unsigned member_bit(struct tr_slice name)
{
	for (unsigned m = 0; m < MEMBERS; m++)
		if (tr_slice_eq(name, members[m]))
			return 1U << m;
	return 0;
}

/* The same for a name as it stands in JSON. One that does not fit is none of ours. */
static unsigned raw_member_bit(const struct tr_json *j)
{
	struct tr_buf name;
	unsigned bit = 0;
	if (!j->escaped)
		return member_bit(j->s);
	tr_buf_init(&name, 64);
	if (tr_json_unescape(j->s, 0, &name) == 0)
		bit = member_bit((struct tr_slice){name.p, name.n});
	tr_buf_free(&name);
	return bit;
}

int body_scan(struct tr_slice object, unsigned *found, int *stream)
{
	struct tr_json j;
	enum tr_json_token t;
	*found = 0;
	tr_json_init(&j, object.p, object.n);
	if (tr_json_next(&j) != TR_JSON_OBJECT)
		return -TR_EDATA;
	while ((t = tr_json_next(&j)) == TR_JSON_KEY) {
		unsigned bit = raw_member_bit(&j);
		*found |= bit;
		t = tr_json_next(&j);
		if (bit == 1U << MEMBER_STREAM)
			*stream = t == TR_JSON_TRUE;
		if (tr_json_skip(&j, t, NULL) < 0)
			return -TR_EDATA;
	}
	return t == TR_JSON_CLOSE && tr_json_next(&j) == TR_JSON_END ? 0 : -TR_EDATA;
}

/* --- appending --------------------------------------------------------------------------- */

void body_text(struct body_work *w, const char *s)
{
	if (w->rc == 0)
		w->rc = tr_buf_str(w->out, s);
}

void body_raw(struct body_work *w, struct tr_slice s)
{
	if (w->rc == 0)
		w->rc = tr_buf_add(w->out, s.p, s.n);
}

void body_quoted(struct body_work *w, struct tr_slice s)
{
	if (w->rc == 0)
		w->rc = tr_json_quote(w->out, s);
}

int body_begin(struct body_work *w, enum body_member m)
{
	if (w->rc < 0 || w->replaced >> m & 1)
		return 0;
	body_text(w, w->out->p[w->out->n - 1] == '{' ? "\"" : ",\"");
	body_text(w, members[m]);
	body_text(w, "\":");
	return 1;
}

static void put_u64(struct body_work *w, enum body_member m, uint64_t v)
{
	if (body_begin(w, m) && w->rc == 0)
		w->rc = tr_buf_u64(w->out, v);
}

static void put_bool(struct body_work *w, enum body_member m, int v)
{
	if (body_begin(w, m))
		body_text(w, v ? "true" : "false");
}

/* --- members ----------------------------------------------------------------------------- */

static void put_model(struct body_work *w)
{
	const struct tr_rec *r = w->r;
	struct tr_slice name = w->o->model ? tr_slice_of(w->o->model) : (struct tr_slice){0};
	if (!w->o->model || !w->o->model_wins) {
		if (TR_HAS(r, adapter) && r->adapter.n)
			name = r->adapter;
		else if (TR_HAS(r, model) && r->model.n)
			name = r->model;
	}
	if (name.p && body_begin(w, MEMBER_MODEL))
		body_quoted(w, name);
}

static void put_words(struct body_work *w, uint64_t in)
{
	const int chat = w->o->api == BODY_CHAT;
	const uint64_t around = w->o->template_tokens, words = in > around ? in - around : 1;
	w->made->raised |= in <= around;
	w->made->ask_in = words + around;
	if (!body_begin(w, chat ? MEMBER_MESSAGES : MEMBER_PROMPT))
		return;
	body_text(w, chat ? "[{\"role\":\"user\",\"content\":\"" : "\"");
	if (w->rc == 0)
		w->rc = prompt_words(&w->o->content, w->r, words, w->out);
	body_text(w, chat ? "\"}]" : "\"");
}

static int put_ids(struct body_work *w, uint64_t in)
{
	if (w->o->api == BODY_CHAT)
		return tr_fail(w->err, TR_EUSAGE, "a chat request cannot carry token ids");
	w->made->ask_in = in;
	if (!body_begin(w, MEMBER_PROMPT))
		return 0;
	body_text(w, "[");
	if (w->rc == 0)
		w->rc = prompt_ids(&w->o->content, w->r, in, w->out);
	body_text(w, "]");
	return 0;
}

static int put_made_prompt(struct body_work *w)
{
	if (!TR_HAS(w->r, in_tokens)) {
		tr_fail(w->err, TR_EDATA, "record has neither an input length nor a payload");
		tr_err_field(w->err, "in_tokens", 9);
		return -TR_EDATA;
	}
	uint64_t in = w->r->in_tokens ? w->r->in_tokens : 1;
	w->made->raised |= w->r->in_tokens == 0;
	if (w->o->prompt == BODY_IDS)
		return put_ids(w, in);
	put_words(w, in);
	return 0;
}

static void put_lengths(struct body_work *w)
{
	const unsigned have = w->o->fields;
	enum body_member maximum = MEMBER_MAX_TOKENS;
	unsigned may = 1U << BODY_MAX_TOKENS;
	if (!TR_HAS(w->r, out_tokens))
		return;
	if (w->o->api == BODY_CHAT && have >> BODY_MAX_COMPLETION_TOKENS & 1) {
		maximum = MEMBER_MAX_COMPLETION_TOKENS;
		may = 1U << BODY_MAX_COMPLETION_TOKENS;
	}
	const uint64_t n = w->r->out_tokens ? w->r->out_tokens : 1;
	const unsigned maxima = 1U << MEMBER_MAX_TOKENS | 1U << MEMBER_MAX_COMPLETION_TOKENS;
	int below = 0;
	if (have & may)
		put_u64(w, maximum, n);
	if (have >> BODY_MIN_TOKENS & 1) {
		put_u64(w, MEMBER_MIN_TOKENS, n);
		below |= !(w->replaced >> MEMBER_MIN_TOKENS & 1);
	}
	if (have >> BODY_IGNORE_EOS & 1) {
		put_bool(w, MEMBER_IGNORE_EOS, 1);
		below |= !(w->replaced >> MEMBER_IGNORE_EOS & 1);
	}
	w->made->raised |= w->r->out_tokens == 0;
	w->made->ask_out = w->replaced & maxima ? 0 : n;
	w->made->forced = below && have & may && w->made->ask_out;
}

static void put_stream(struct body_work *w)
{
	static const char *const options[] = {
	    NULL,
	    "{\"include_usage\":true}",
	    "{\"continuous_usage_stats\":true}",
	    "{\"include_usage\":true,\"continuous_usage_stats\":true}",
	};
	const unsigned usage = w->o->fields >> BODY_USAGE & 1;
	const unsigned running = w->o->fields >> BODY_CONTINUOUS_USAGE & 1;
	const char *text = options[usage | running << 1];
	put_bool(w, MEMBER_STREAM, w->made->stream);
	/* Servers refuse the options of a stream where there is none. */
	if (text && w->made->stream && body_begin(w, MEMBER_STREAM_OPTIONS))
		body_text(w, text);
}

static int blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct tr_slice without_blanks(struct tr_slice s)
{
	for (; s.n && blank(s.p[0]); s.n--)
		s.p++;
	while (s.n && blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* The members of the extra object, which is known to be good, without its braces. */
static void put_extra(struct body_work *w)
{
	struct tr_slice s = without_blanks(w->o->extra);
	s = s.n < 2 ? s : without_blanks((struct tr_slice){s.p + 1, s.n - 2});
	if (s.n == 0 || w->rc < 0)
		return;
	body_text(w, w->out->p[w->out->n - 1] == '{' ? "" : ",");
	body_raw(w, s);
}

/* --- the whole --------------------------------------------------------------------------- */

static int make(struct body_work *w)
{
	const enum body_prompt from = w->o->prompt;
	const int talk = w->o->messages.p != NULL;
	const int payload = !talk && (from == BODY_PAYLOAD || (from == BODY_AUTO && TR_HAS(w->r, payload)));
	enum body_kind kind = KINDS;
	int rc = payload ? body_payload_kind(w->r, &kind, w->err) : 0;
	if (rc < 0 || kind == KIND_BODY)
		return rc < 0 ? rc : body_payload_whole(w);
	if (w->o->extra.n && body_scan(w->o->extra, &w->replaced, &w->made->stream) < 0)
		return tr_fail(w->err, TR_EUSAGE, "further members are not a JSON object");
	body_text(w, "{");
	put_model(w);
	rc = talk ? body_conversation(w) : payload ? body_payload(w, kind) : put_made_prompt(w);
	if (w->replaced & (1U << MEMBER_PROMPT | 1U << MEMBER_MESSAGES))
		w->made->ask_in = 0;
	put_lengths(w);
	put_stream(w);
	if (TR_HAS(w->r, priority) && body_begin(w, MEMBER_PRIORITY) && w->rc == 0)
		w->rc = tr_buf_i64(w->out, w->r->priority);
	put_extra(w);
	body_text(w, "}");
	return rc;
}

int body_make(const struct body_opts *o, const struct tr_rec *r, struct tr_buf *out, struct body_made *made,
              struct tr_err *err)
{
	const size_t before = out->n;
	struct body_work w = {.o = o, .r = r, .out = out, .made = made, .err = err};
	*made = (struct body_made){.stream = o->stream != 0};
	int rc = make(&w);
	if (rc == 0 && w.rc < 0)
		rc = w.rc == -TR_ENOMEM
		         ? tr_fail(err, TR_ENOMEM, "no memory for a request")
		         : tr_fail(err, TR_ELIMIT, "request is longer than %zu bytes", out->max);
	if (rc < 0)
		out->n = before;
	return rc;
}
