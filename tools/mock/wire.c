/* SPDX-License-Identifier: Apache-2.0
 *
 * Spelling. Members and their order are those of vLLM's OpenAI-compatible server.
 */
#include "tools/mock/wire.h"
#include "libtrace/json.h"
#include "tools/words.h"

const char wire_done[] = "data: [DONE]\n\n";

enum { WORD_STEP = 4999, ID_BASE = 1000 }; /* the step has no divisor in common with the count of words */

static uint64_t word_at(const struct wire *w, uint64_t i)
{
	return (w->first_word + i * WORD_STEP) % words_count;
}

static int put_text(const struct wire *w, struct tr_buf *out, uint64_t from, uint64_t n)
{
	int rc = 0;

	for (uint64_t i = from; i < from + n && rc == 0; i++) {
		const struct words_entry *e = &words_all[word_at(w, i)];

		rc = tr_buf_add(out, e->text, e->n);
	}
	return rc;
}

int wire_open(struct wire *w, const struct ask *a, const struct wire_facts *f)
{
	static const char *const objects[2][2] = {{"text_completion", "text_completion"},
	                                          {"chat.completion", "chat.completion.chunk"}};
	struct tr_buf *b = &w->start;
	int rc;

	*w = (struct wire){.chat = a->chat,
	                   .continuous = a->continuous_usage,
	                   .token_ids = a->return_token_ids,
	                   .in_tokens = f->in_tokens,
	                   .first_word = f->first_word};
	tr_buf_init(b, 16 << 10);
	tr_buf_init(&w->ids, a->ids.n);
	rc = tr_buf_str(b, a->chat ? "{\"id\":\"chatcmpl-" : "{\"id\":\"cmpl-");
	rc = rc < 0 ? rc : tr_buf_add(b, f->id.p, f->id.n);
	rc = rc < 0 ? rc : tr_buf_str(b, "\",\"object\":\"");
	rc = rc < 0 ? rc : tr_buf_str(b, objects[a->chat][a->stream]);
	rc = rc < 0 ? rc : tr_buf_str(b, "\",\"created\":");
	rc = rc < 0 ? rc : tr_buf_i64(b, f->created);
	rc = rc < 0 ? rc : tr_buf_str(b, ",\"model\":\"");
	rc = rc < 0 ? rc : tr_buf_add(b, f->model.p, f->model.n);
	rc = rc < 0 ? rc : tr_buf_str(b, "\",");
	return rc < 0 || !a->return_token_ids ? rc : tr_buf_add(&w->ids, a->ids.p, a->ids.n);
}

void wire_close(struct wire *w)
{
	tr_buf_free(&w->start);
	tr_buf_free(&w->ids);
}

static int put_start(const struct wire *w, struct tr_buf *out)
{
	return tr_buf_add(out, w->start.p, w->start.n);
}

static int put_usage(const struct wire *w, struct tr_buf *out, uint64_t n)
{
	int rc = tr_buf_str(out, "\"usage\":{\"prompt_tokens\":");

	rc = rc < 0 ? rc : tr_buf_u64(out, w->in_tokens);
	rc = rc < 0 ? rc : tr_buf_str(out, ",\"total_tokens\":");
	rc = rc < 0 ? rc : tr_buf_u64(out, w->in_tokens + n);
	rc = rc < 0 ? rc : tr_buf_str(out, ",\"completion_tokens\":");
	rc = rc < 0 ? rc : tr_buf_u64(out, n);
	return rc < 0 ? rc : tr_buf_char(out, '}');
}

/* A text has no ids here but the number of its tokens: 1, 2, 3 ... */
static int put_prompt_ids(const struct wire *w, struct tr_buf *out)
{
	int rc = tr_buf_str(out, ",\"prompt_token_ids\":");

	if (rc < 0 || w->ids.n)
		return rc < 0 ? rc : tr_buf_add(out, w->ids.p, w->ids.n);
	for (uint64_t i = 1; i <= w->in_tokens && rc == 0; i++) {
		rc = tr_buf_char(out, i == 1 ? '[' : ',');
		rc = rc < 0 ? rc : tr_buf_u64(out, i);
	}
	return rc < 0 ? rc : tr_buf_str(out, w->in_tokens ? "]" : "[]");
}

static int put_ids(const struct wire *w, struct tr_buf *out, uint64_t from, uint64_t n)
{
	int rc = tr_buf_str(out, ",\"token_ids\":[");

	for (uint64_t i = from; i < from + n && rc == 0; i++) {
		rc = i == from ? 0 : tr_buf_char(out, ',');
		rc = rc < 0 ? rc : tr_buf_u64(out, ID_BASE + word_at(w, i));
	}
	return rc < 0 ? rc : tr_buf_char(out, ']');
}

/* "finish_reason" and, where vLLM has it, "stop_reason". */
static int put_finish(struct tr_buf *out, const char *finish, int stop_reason)
{
	int rc = tr_buf_str(out, ",\"logprobs\":null,\"finish_reason\":");

	if (finish)
		rc = rc < 0 ? rc : tr_buf_printf(out, "\"%s\"", finish);
	else
		rc = rc < 0 ? rc : tr_buf_str(out, "null");
	return rc < 0 || !stop_reason ? rc : tr_buf_str(out, ",\"stop_reason\":null");
}

/* After the choices of an event. */
static int put_event_end(const struct wire *w, struct tr_buf *out, uint64_t so_far)
{
	int rc = 0;

	if (w->continuous) {
		rc = tr_buf_char(out, ',');
		rc = rc < 0 ? rc : put_usage(w, out, so_far);
	} else if (!w->chat) {
		rc = tr_buf_str(out, ",\"usage\":null");
	}
	return rc < 0 ? rc : tr_buf_str(out, "}\n\n");
}

int wire_role(const struct wire *w, struct tr_buf *out)
{
	int rc = tr_buf_str(out, "data: ");

	rc = rc < 0 ? rc : put_start(w, out);
	rc = rc < 0
	         ? rc
	         : tr_buf_str(
	               out, "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
	rc = rc < 0 ? rc : put_finish(out, NULL, 0);
	rc = rc < 0 ? rc : tr_buf_str(out, "}]");
	if (w->token_ids)
		rc = rc < 0 ? rc : put_prompt_ids(w, out);
	return rc < 0 ? rc : put_event_end(w, out, 0);
}

int wire_tokens(const struct wire *w, struct tr_buf *out, uint64_t from, uint64_t n, const char *finish)
{
	int rc = tr_buf_str(out, "data: ");

	rc = rc < 0 ? rc : put_start(w, out);
	rc = rc < 0 ? rc : tr_buf_str(out, "\"choices\":[{\"index\":0,");
	rc = rc < 0 ? rc : tr_buf_str(out, w->chat ? "\"delta\":{\"content\":\"" : "\"text\":\"");
	rc = rc < 0 ? rc : put_text(w, out, from, n);
	rc = rc < 0 ? rc : tr_buf_str(out, w->chat ? "\"}" : "\"");
	rc = rc < 0 ? rc : put_finish(out, finish, !w->chat || finish != NULL);
	if (w->token_ids && !w->chat && from == 0)
		rc = rc < 0 ? rc : put_prompt_ids(w, out);
	if (w->token_ids)
		rc = rc < 0 ? rc : put_ids(w, out, from, n);
	rc = rc < 0 ? rc : tr_buf_str(out, "}]");
	return rc < 0 ? rc : put_event_end(w, out, from + n);
}

int wire_usage(const struct wire *w, struct tr_buf *out, uint64_t out_tokens)
{
	int rc = tr_buf_str(out, "data: ");

	rc = rc < 0 ? rc : put_start(w, out);
	rc = rc < 0 ? rc : tr_buf_str(out, "\"choices\":[],");
	rc = rc < 0 ? rc : put_usage(w, out, out_tokens);
	return rc < 0 ? rc : tr_buf_str(out, "}\n\n");
}

int wire_whole(const struct wire *w, struct tr_buf *out, uint64_t n, const char *finish, int usage)
{
	int rc = put_start(w, out);

	rc = rc < 0 ? rc : tr_buf_str(out, "\"choices\":[{\"index\":0,");
	rc = rc < 0 ? rc
	            : tr_buf_str(out, w->chat ? "\"message\":{\"role\":\"assistant\",\"content\":\""
	                                      : "\"text\":\"");
	rc = rc < 0 ? rc : put_text(w, out, 0, n);
	rc = rc < 0 ? rc : tr_buf_str(out, w->chat ? "\"}" : "\"");
	rc = rc < 0 ? rc : put_finish(out, finish, 1);
	if (w->token_ids && !w->chat)
		rc = rc < 0 ? rc : put_prompt_ids(w, out);
	if (w->token_ids)
		rc = rc < 0 ? rc : put_ids(w, out, 0, n);
	rc = rc < 0 ? rc : tr_buf_str(out, "}]");
	if (w->token_ids && w->chat)
		rc = rc < 0 ? rc : put_prompt_ids(w, out);
	rc = rc < 0 || !usage ? rc : tr_buf_char(out, ',');
	rc = rc < 0 || !usage ? rc : put_usage(w, out, n);
	return rc < 0 ? rc : tr_buf_char(out, '}');
}

int wire_error(struct tr_buf *out, int status, const char *message)
{
	static const struct {
		int status;
		const char *type;
	} types[] = {{400, "BadRequestError"}, {401, "AuthenticationError"},
	             {404, "NotFoundError"},   {405, "MethodNotAllowedError"},
	             {429, "RateLimitError"},  {503, "ServiceUnavailableError"}};
	const char *type = status < 500 ? "BadRequestError" : "InternalServerError";
	int rc = tr_buf_str(out, "{\"error\":{\"message\":");

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].status == status)
			type = types[i].type;
	rc = rc < 0 ? rc : tr_json_quote(out, tr_slice_of(message));
	return rc < 0 ? rc
	              : tr_buf_printf(out, ",\"type\":\"%s\",\"param\":null,\"code\":%d}}", type, status);
}
