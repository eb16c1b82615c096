/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/replay/ask.h"

#include "libtrace/clock.h"
#include "libtrace/json.h"
#include "tools/cli.h"
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20, PROBE_WORDS = 8, PROBE_TOKENS = 2, PROBES_MAX = 8 };
static const int64_t READY_EVERY_NS = 100000000; /* between two attempts */
static const int64_t ASK_TIMEOUT_NS = 10000000000;
static const int64_t PROBE_TIMEOUT_NS = 300000000000; /* a cold model may have to be loaded first */

/* --- one question ------------------------------------------------------------------------ */

static void on_headers(struct exchange *x, struct tr_slice type)
{
	struct answer *a = (struct answer *)x;

	reply_headers(&a->reply, x->http_code, type);
}

static int on_data(struct exchange *x, const char *p, size_t n, int64_t t_ns)
{
	struct answer *a = (struct answer *)x;

	if (a->text.n + n <= TEXT_MAX)
		tr_buf_add(&a->text, p, n);
	return reply_data(&a->reply, p, n, t_ns) < 0 && x->http_code == 200 ? -1 : 0;
}

static void on_ended(struct exchange *x, enum outcome how, const char *why)
{
	struct answer *a = (struct answer *)x;

	a->ended = 1;
	a->how = how;
	snprintf(a->why, sizeof(a->why), "%s", why);
	if (x->http_code) {
		reply_end(&a->reply, how == OUT_OK ? REPLY_END_CLEAN : REPLY_END_CUT);
		a->how = a->reply.outcome;
		if (a->reply.message[0])
			snprintf(a->why, sizeof(a->why), "%s", a->reply.message);
	}
}

int ask(const struct transport_opts *o, const char *method, const char *path, const char *id,
        struct tr_slice body, int64_t timeout_ns, struct answer *a, struct tr_err *err)
{
	static const struct transport_calls calls = {on_headers, on_data, on_ended};
	struct transport *t;
	int64_t until = tr_mono_ns() + timeout_ns;
	int rc = transport_new(&t, o, &calls, err);

	reply_init(&a->reply);
	tr_buf_init(&a->text, TEXT_MAX);
	if (rc < 0)
		return rc;
	reply_restart(&a->reply, 0, 0);
	a->x = (struct exchange){.method = method, .path = path, .id = id, .body = body};
	transport_start(t, &a->x);
	while (!a->ended && tr_mono_ns() < until && !cli_interrupted())
		transport_wait(t, until);
	if (!a->ended) {
		transport_cancel(t, &a->x);
		a->how = OUT_TIMEOUT;
		snprintf(a->why, sizeof(a->why), "no answer in time");
	}
	transport_free(t);
	if (transport_names_key(o, a->why))
		snprintf(a->why, sizeof(a->why), "(it holds the key)");
	return 0;
}

void answer_free(struct answer *a)
{
	reply_free(&a->reply);
	tr_buf_free(&a->text);
}

/* --- is it there ------------------------------------------------------------------------- */

static int get(const struct transport_opts *o, const char *path, int64_t timeout_ns, struct answer *a,
               struct tr_err *err)
{
	*a = (struct answer){0};
	return ask(o, "GET", path, "ready", (struct tr_slice){"", 0}, timeout_ns, a, err);
}

struct readiness {
	int reached; /* something answered */
	char why[256];
};

/* 1 = ready; 0 = not yet. A server without /health is asked for its models. A name that does not resolve may
 * do so later. */
static int is_ready(const struct transport_opts *o, int64_t timeout_ns, struct readiness *r,
                    struct tr_err *err)
{
	static const char *const paths[] = {"/health", "/v1/models"};
	int rc = 0;

	for (unsigned i = 0; i < 2 && rc == 0; i++) {
		struct answer a;
		rc = get(o, paths[i], timeout_ns, &a, err);
		if (rc == 0) {
			r->reached = a.x.http_code != 0;
			if (r->reached)
				snprintf(r->why, sizeof(r->why), "HTTP %u", a.x.http_code);
			else if (a.how != OUT_TIMEOUT ||
			         !r->why[0]) /* the last attempt may have had little time */
				snprintf(r->why, sizeof(r->why), "%s", a.why);
			rc = a.x.http_code == 200;
		}
		answer_free(&a);
		if (!r->reached)
			break;
	}
	return rc;
}

int ask_ready(const struct transport_opts *o, int64_t wait_ns, struct tr_err *err)
{
	int64_t until = tr_mono_ns() + wait_ns;
	struct readiness r = {.why = ""};

	for (;;) {
		int64_t left = until - tr_mono_ns();
		int rc = is_ready(o, wait_ns && left < ASK_TIMEOUT_NS ? left : ASK_TIMEOUT_NS, &r, err);
		int over = tr_mono_ns() >= until;

		/* Without --wait-ready a server that answers at all is left to the probe. */
		if (rc == 1 || (wait_ns == 0 && r.reached) || cli_interrupted())
			return 0;
		if (rc < 0 && (over || rc != -TR_EIO))
			return rc;
		if (over)
			return tr_fail(err, TR_EIO, "the server is not ready: %s", r.why);
		struct tr_clock c;
		tr_clock_monotonic(&c);
		c.wait_until(&c, tr_mono_ns() + READY_EVERY_NS);
	}
}

/* --- which model ------------------------------------------------------------------------- */

/* data[0].id */
static int first_model(struct tr_slice text, struct tr_buf *model)
{
	struct tr_json j;
	enum tr_json_token t;
	int in_data = 0;

	tr_json_init(&j, text.p, text.n);
	while ((t = tr_json_next(&j)) > TR_JSON_ERROR) {
		if (t != TR_JSON_KEY)
			continue;
		if (j.depth == 1 && tr_slice_eq(j.s, "data")) {
			in_data = 1;
		} else if (in_data && j.depth == 3 && tr_slice_eq(j.s, "id")) {
			return tr_json_next(&j) == TR_JSON_STRING ? tr_json_unescape(j.s, 0, model) : -1;
		}
	}
	return -1;
}

int ask_model(const struct transport_opts *o, struct tr_buf *model, struct tr_err *err)
{
	struct answer a;
	int rc = get(o, "/v1/models", ASK_TIMEOUT_NS, &a, err);

	if (rc == 0 && a.x.http_code != 200 && a.x.http_code != 404)
		rc = a.x.http_code ? tr_fail(err, TR_EIO, "/v1/models: HTTP %u: %s", a.x.http_code, a.why)
		                   : tr_fail(err, TR_EIO, "/v1/models: %s", a.why);
	if (rc == 0 &&
	    (a.x.http_code != 200 || first_model((struct tr_slice){a.text.p, a.text.n}, model) < 0))
		rc = tr_fail(err, TR_EUSAGE, "the server names no model; say which with --model");
	answer_free(&a);
	return rc;
}

/* --- which fields ------------------------------------------------------------------------ */

/* The order in which fields are left away when the error does not name one: the rarest first. */
static const enum body_field by_rarity[] = {BODY_CONTINUOUS_USAGE, BODY_MIN_TOKENS, BODY_IGNORE_EOS,
                                            BODY_USAGE};

/* max_tokens and max_completion_tokens stand for each other: one of them always stays. */
static void leave_away(unsigned *fields, enum body_field f)
{
	*fields &= ~(1u << f);
	if (f == BODY_MAX_TOKENS)
		*fields |= 1u << BODY_MAX_COMPLETION_TOKENS;
	if (f == BODY_USAGE)
		*fields &= ~(1u << BODY_CONTINUOUS_USAGE);
}

static int names(struct tr_slice text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.n; i++)
		if (memcmp(text.p + i, word, n) == 0)
			return 1;
	return 0;
}

/* 1 = a field fewer; 0 = nothing is left that could be left away. */
static int fewer(unsigned *fields, struct tr_slice error)
{
	unsigned before = *fields;

	for (unsigned f = 0; f < BODY_FIELDS; f++)
		if (*fields & 1u << f && names(error, body_field_name(f)))
			leave_away(fields, f);
	if (*fields == before && *fields & 1u << BODY_USAGE && names(error, "stream_options"))
		leave_away(fields, BODY_USAGE);
	for (unsigned i = 0; i < sizeof(by_rarity) / sizeof(by_rarity[0]) && *fields == before; i++)
		if (*fields & 1u << by_rarity[i])
			leave_away(fields, by_rarity[i]);
	return *fields != before;
}

static int ask_probe(const struct transport_opts *t, const struct body_opts *b, unsigned fields, unsigned n,
                     struct answer *a, struct tr_err *err)
{
	struct tr_rec rec = {0};
	struct body_opts o = *b;
	struct body_made made;
	struct tr_buf body;
	char id[32];

	*a = (struct answer){0};
	TR_SET(&rec, id, n);
	TR_SET(&rec, in_tokens, PROBE_WORDS);
	TR_SET(&rec, out_tokens, PROBE_TOKENS);
	o.fields = fields;
	o.template_tokens = 0;
	o.content.warmup = 1;
	o.prompt = b->prompt == BODY_IDS ? BODY_IDS : BODY_WORDS;
	snprintf(id, sizeof(id), "probe-%u", n);
	tr_buf_init(&body, 1 << 20);
	int rc = body_make(&o, &rec, &body, &made, err);
	if (rc == 0)
		rc = ask(t, "POST", b->api == BODY_CHAT ? "/v1/chat/completions" : "/v1/completions", id,
		         (struct tr_slice){body.p, body.n}, PROBE_TIMEOUT_NS, a, err);
	tr_buf_free(&body);
	return rc;
}

static void learn(struct probe *p, const struct answer *a)
{
	p->answered = 1;
	if (!a->reply.has_in)
		snprintf(p->note, sizeof(p->note),
		         "the server counts no prompt tokens: input lengths are not proven");
	else if (a->reply.in_tokens < PROBE_WORDS)
		snprintf(p->note, sizeof(p->note), "the server counted %llu tokens in a prompt of %d",
		         (unsigned long long)a->reply.in_tokens, PROBE_WORDS);
	else
		p->template_tokens = a->reply.in_tokens - PROBE_WORDS;
}

int probe(const struct transport_opts *t, const struct body_opts *b, struct probe *p, struct tr_err *err)
{
	*p = (struct probe){.fields = b->fields};
	for (unsigned n = 1;; n++) {
		struct answer a;
		int rc = ask_probe(t, b, p->fields, n, &a, err);
		unsigned code = a.x.http_code;
		int refused = code == 400 || code == 422;

		if (rc == 0 && refused && n < PROBES_MAX &&
		    fewer(&p->fields, (struct tr_slice){a.text.p, a.text.n})) {
			answer_free(&a);
			continue;
		}
		if (rc == 0 && a.how == OUT_OK)
			learn(p, &a);
		else if (rc == 0 && code / 100 == 4 && code != 429)
			rc = tr_fail(err, TR_EIO, "the server refuses requests: HTTP %u: %s", code, a.why);
		else if (rc == 0)
			snprintf(p->note, sizeof(p->note), "the first request failed (%s%s%.160s)",
			         outcome_name(a.how), a.why[0] ? ": " : "", a.why);
		if (!p->answered && rc == 0)
			p->fields = b->fields;
		answer_free(&a);
		return rc;
	}
}
