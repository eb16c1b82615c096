/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts of exact lengths in place of those that a trace does not have: portable words, a token each. A prompt
 * is a function of the record's blocks and id (tools/prompt.h), so that records that share leading blocks
 * share their words. A later turn of a session is what its prompt is longer than the prompt before and its
 * answer together.
 */
#include "tools/word_texts.h"

int word_texts_init(struct word_texts *w, const struct tr_tokenizer *t, uint64_t seed, struct tr_err *err)
{
	int rc = t ? words_list_new(&w->list, t, err) : 0;
	w->on = 1;
	w->prompt = (struct prompt_opts){.seed = seed, .words = t ? &w->list : NULL};
	tr_buf_init(&w->payload, TR_RECORD_MAX);
	tr_buf_init(&w->answer, TR_RECORD_MAX);
	return rc;
}

void word_texts_free(struct word_texts *w)
{
	words_list_free(&w->list);
	tr_buf_free(&w->payload);
	tr_buf_free(&w->answer);
}

static int make(struct word_texts *w, const struct tr_rec *r, uint64_t n, int answer, int message,
                struct tr_buf *to)
{
	struct prompt_opts o = w->prompt;
	int rc = message ? tr_buf_str(to, "[{\"role\":\"user\",\"content\":\"") : tr_buf_reserve(to, 1);
	o.answer = answer;
	rc = rc ? rc : n ? prompt_words(&o, r, n, to) : 0;
	return rc || !message ? rc : tr_buf_str(to, "\"}]");
}

/* Words of the new message of a turn that goes on where the record before ended. */
static uint64_t new_words(struct word_texts *w, const struct tr_rec *r)
{
	uint64_t before = w->last_in + w->last_out;
	if (r->in_tokens > before)
		return r->in_tokens - before;
	w->raised++;
	return 1;
}

int word_texts_apply(struct word_texts *w, struct tr_rec *r, struct tr_err *err)
{
	if (!w->on)
		return 0;
	if (TR_HAS(r, payload) || TR_HAS(r, answer))
		return tr_fail(err, TR_EUSAGE, "--text words: the input has texts of its own");
	int goes_on = TR_HAS(r, parent) && w->any && r->parent == w->last_id;
	int session = TR_HAS(r, session);
	uint64_t in = TR_HAS(r, in_tokens) ? r->in_tokens : 0,
	         out = TR_HAS(r, out_tokens) ? r->out_tokens : 0;
	struct tr_rec of = *r;
	if (goes_on)
		of.mask &= ~TR_BIT(blocks);
	w->payload.n = w->answer.n = 0;
	int rc = make(w, &of, goes_on ? new_words(w, r) : in, 0, session, &w->payload);
	rc = rc ? rc : make(w, &of, out, 1, 0, &w->answer);
	if (rc < 0)
		return tr_fail(err, (enum tr_code) - rc, "a text that is too long for a record");
	TR_SET(r, payload_kind, tr_slice_of(goes_on ? "delta" : session ? "messages" : "text"));
	TR_SET(r, payload, ((struct tr_slice){w->payload.p, w->payload.n}));
	if (TR_HAS(r, out_tokens))
		TR_SET(r, answer, ((struct tr_slice){w->answer.p, w->answer.n}));
	w->any = TR_HAS(r, id);
	w->last_id = r->id;
	w->last_in = in;
	w->last_out = out;
	return 0;
}
