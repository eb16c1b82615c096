/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions in a sending thread. All turns of a session are one thread's, so nothing is locked.
 *
 * Open: every turn goes out at its own time; its prompt is what the trace says was said before. Closed: a
 * turn goes out when the one before has ended, after the time to think; its prompt is what was said, with the
 * trace's answers or with this server's. A turn that failed ends its session: the turns behind it are not
 * sent, and say so.
 */
#include "tools/replay/run_impl.h"

#include "libtrace/json.h"

#include <stdlib.h>

static int is_kind(const struct tr_rec *r, const char *kind)
{
	return TR_HAS(r, payload) && TR_HAS(r, payload_kind) && tr_slice_eq(r->payload_kind, kind);
}

/* Are its words those of the trace, as messages? */
static int has_messages(const struct worker *w, const struct tr_rec *r)
{
	enum body_prompt p = w->run->o.body.prompt;

	return (p == BODY_AUTO || p == BODY_PAYLOAD) && (is_kind(r, "delta") || is_kind(r, "messages"));
}

/* Words in place of messages: in closed sessions a conversation is made of them too. */
static int has_words(const struct worker *w, const struct tr_rec *r)
{
	enum body_prompt p = w->run->o.body.prompt;

	return TR_HAS(r, in_tokens) && (p == BODY_WORDS || (p == BODY_AUTO && !TR_HAS(r, payload)));
}

static int converses(const struct worker *w, const struct tr_rec *r)
{
	if (!TR_HAS(r, session) || w->run->o.body.api != BODY_CHAT)
		return 0;
	return has_messages(w, r) || (w->run->o.closed && has_words(w, r));
}

/* --- turns that are not sent ------------------------------------------------------------------ */

static void skip(struct worker *w, struct job *j)
{
	struct tr_rec r = j->rec;

	worker_dispatched(w, j);
	w->s.by[OUT_SESSION]++;
	TR_SET(&r, error, tr_slice_of(outcome_name(OUT_SESSION)));
	TR_SET(&r, status, tr_slice_of("unsent"));
	TR_SET(&r, worker, w->index);
	if (w->run->sink)
		worker_keep(w, &r);
	job_free(j);
	atomic_fetch_add(&w->run->finished, 1);
}

static struct job *unpark(struct worker *w, struct talk *k)
{
	struct job *j = k->first;

	if (!j)
		return NULL;
	k->first = j->next;
	k->last = k->first ? k->last : NULL;
	w->parked--;
	w->parked_bytes -= TR_HAS(&j->rec, payload) ? j->rec.payload.n : 0;
	return j;
}

static void park(struct worker *w, struct talk *k, struct job *j)
{
	j->next = NULL;
	*(k->last ? &k->last->next : &k->first) = j;
	k->last = j;
	w->parked++;
	w->parked_bytes += TR_HAS(&j->rec, payload) ? j->rec.payload.n : 0;
	worker_dispatched(w, j); /* it does not keep others from being taken in */
}

int session_full(const struct worker *w)
{
	return w->parked >= PARKED_JOBS || w->parked_bytes >= INBOX_BYTES;
}

static uint64_t drop(struct worker *w, struct talk *k)
{
	struct job *j;
	uint64_t n = 0;

	for (; (j = unpark(w, k)); n++)
		job_free(j);
	return n;
}

uint64_t session_drop(struct worker *w)
{
	uint64_t n = 0;

	for (struct talk *k = w->talks.oldest; k; k = k->newer)
		n += drop(w, k);
	return n;
}

uint64_t session_drop_behind(struct worker *w, struct job *j)
{
	return j->talk ? drop(w, j->talk) : 0;
}

/* --- taking in ---------------------------------------------------------------------------------- */

static void out_of_memory(struct worker *w)
{
	struct tr_err err;

	worker_fail(w, tr_fail(&err, TR_ENOMEM, "no memory for a conversation"), &err);
}

static int is_last(const struct tr_rec *r)
{
	return TR_HAS(r, turns) && TR_HAS(r, turn) && r->turn >= r->turns;
}

static void hold(struct job *j, struct talk *k)
{
	j->talk = k;
	talk_ref(k);
}

/* What was said before, put together from the trace: its prompt ends where it stands now. */
static int open_turn(struct worker *w, struct talk *k, struct job *j)
{
	struct tr_slice said;
	struct tr_buf quoted;
	int rc = body_messages(&j->rec, &said, &j->bad);

	if (rc < 0) { /* told when its turn to be sent has come */
		j->bad_rc = rc;
		return 0;
	}
	rc = talk_add(k, said);
	j->prompt_n = k->history.n;
	if (rc == 0 && TR_HAS(&j->rec, answer)) {
		tr_buf_init(&quoted, TALK_HISTORY_MAX);
		rc = tr_json_quote(&quoted, j->rec.answer);
		rc = rc ? rc : talk_add_answer(k, (struct tr_slice){quoted.p + 1, quoted.n - 2});
		tr_buf_free(&quoted);
	}
	talks_touch(&w->talks, k);
	if (rc == 0 && is_last(&j->rec))
		talks_forget(&w->talks, k);
	return rc;
}

static int64_t think_of(const struct worker *w, const struct tr_rec *r)
{
	return TR_HAS(r, think_ns) && r->think_ns > 0 ? r->think_ns
	       : TR_HAS(r, think_ns)                  ? 0
	                                              : w->run->o.think_ns;
}

static void send_after(struct worker *w, struct talk *k, struct job *j)
{
	k->busy = 1;
	j->due_ns = k->end_ns + think_of(w, &j->rec);
	worker_schedule(w, j);
}

/* A turn of a closed session that follows another. */
static void follow(struct worker *w, struct talk *k, struct job *j)
{
	k->tail_id = j->rec.id;
	hold(j, k);
	if (k->failed)
		skip(w, j);
	else if (k->busy || k->first)
		park(w, k, j);
	else
		send_after(w, k, j);
}

int session_take(struct worker *w, struct job *j)
{
	const struct tr_rec *r = &j->rec;
	struct talk *k;
	int closed = w->run->o.closed;

	if (j->warmup || !TR_HAS(r, session) || (!closed && !converses(w, r)))
		return 1;
	if (TR_HAS(r, parent)) {
		k = talks_find(&w->talks, r->session);
		if (k && k->tail_id == r->parent && closed) {
			follow(w, k, j);
			return 0;
		}
		if (!k || k->tail_id != r->parent) { /* its earlier turns are not there */
			if (j->due_ns != INT64_MIN && !(is_kind(r, "delta") && has_messages(w, r)))
				return 1;
			skip(w, j);
			return 0;
		}
	} else {
		k = talks_new(&w->talks, r->session);
	}
	if (!k) {
		out_of_memory(w);
		return 1;
	}
	k->tail_id = r->id;
	hold(j, k);
	k->busy = closed;
	if (!closed && open_turn(w, k, j) < 0)
		out_of_memory(w);
	return 1;
}

/* --- prompts --------------------------------------------------------------------------------------- */

/* The words that a turn's prompt has more than what was said before; the first is a prompt of its own. */
static int say_words(const struct worker *w, struct talk *k, const struct job *j)
{
	const struct body_opts *o = &w->run->o.body;
	struct prompt_opts content = o->content;
	struct tr_rec r = j->rec;
	struct tr_buf b;
	uint64_t before = k->tokens + o->template_tokens, n = r.in_tokens > before ? r.in_tokens - before : 1;

	if (k->history.n) { /* the blocks and the nonce are in the first turn */
		r.mask &= ~TR_BIT(blocks);
		content.has_nonce = 0;
	}
	tr_buf_init(&b, TALK_HISTORY_MAX);
	int rc = tr_buf_str(&b, "{\"role\":\"user\",\"content\":\"");
	rc = rc ? rc : prompt_words(&content, &r, n, &b);
	rc = rc ? rc : tr_buf_str(&b, "\"}");
	rc = rc ? rc : talk_add(k, (struct tr_slice){b.p, b.n});
	tr_buf_free(&b);
	return rc;
}

int session_prompt(struct worker *w, struct job *j, struct tr_slice *messages, struct tr_err *err)
{
	struct talk *k = j->talk;
	struct tr_slice said;
	int rc = j->bad_rc;

	if (rc < 0)
		*err = j->bad;
	if (rc < 0 || !k || !converses(w, &j->rec))
		return rc;
	if (w->run->o.closed) {
		if (has_messages(w, &j->rec)) {
			rc = body_messages(&j->rec, &said, err);
			if (rc < 0)
				return rc;
			rc = talk_add(k, said);
		} else {
			rc = say_words(w, k, j);
		}
		talks_touch(&w->talks, k);
		j->prompt_n = k->history.n;
	}
	*messages = (struct tr_slice){k->history.p, j->prompt_n};
	return rc < 0 ? tr_fail(err, (enum tr_code) - rc, "a conversation of more than 64 MiB") : 0;
}

/* --- when a turn has ended ---------------------------------------------------------------------------- */

static int remember_answer(struct worker *w, struct talk *k, const struct flight *f)
{
	const struct tr_rec *r = &f->job->rec;
	struct prompt_opts content = w->run->o.body.content;
	struct tr_buf b;
	int rc = 0;

	if (!converses(w, r))
		return 0;
	if (w->run->o.live)
		return talk_add_answer(k, (struct tr_slice){f->said.p, f->said.n});
	tr_buf_init(&b, TALK_HISTORY_MAX);
	if (has_messages(w, r) && TR_HAS(r, answer)) {
		rc = tr_json_quote(&b, r->answer);
		rc = rc ? rc : talk_add_answer(k, (struct tr_slice){b.p + 1, b.n - 2});
	} else if (!has_messages(w, r) && TR_HAS(r, out_tokens) && r->out_tokens) {
		content.answer = 1;
		content.has_nonce = 0;
		rc = prompt_words(&content, r, r->out_tokens, &b);
		rc = rc ? rc : talk_add_answer(k, (struct tr_slice){b.p, b.n});
	}
	tr_buf_free(&b);
	return rc;
}

static uint64_t tokens_so_far(const struct worker *w, const struct flight *f)
{
	const struct tr_rec *r = &f->job->rec;
	const struct reply *p = &f->reply;
	uint64_t in = p->has_in ? p->in_tokens : r->in_tokens;

	if (w->run->o.live && p->has_out)
		return in + p->out_tokens;
	return in + (TR_HAS(r, out_tokens) ? r->out_tokens : p->out_tokens);
}

void session_ended(struct worker *w, struct flight *f, int64_t end_ns)
{
	struct talk *k = f->job->talk;
	struct job *j;

	if (!k || !w->run->o.closed)
		return;
	k->busy = 0;
	k->end_ns = end_ns;
	k->failed = f->reply.outcome != OUT_OK;
	if (!k->failed) {
		k->tokens = tokens_so_far(w, f);
		if (remember_answer(w, k, f) < 0)
			k->failed = 1;
		talks_touch(&w->talks, k);
	}
	while (k->failed && (j = unpark(w, k)))
		skip(w, j);
	if ((j = unpark(w, k)))
		send_after(w, k, j);
	else if (is_last(&f->job->rec))
		talks_forget(&w->talks, k);
}
