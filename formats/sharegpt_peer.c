/* SPDX-License-Identifier: Apache-2.0
 *
 * The subset of a ShareGPT file that other tools send, by their own rules. Sources: vllm/benchmarks/datasets
 * (ShareGPTDataset, is_valid_sequence), sglang's bench_serving (sample_sharegpt_requests), aiperf's
 * dataset/loader/sharegpt.py, inference-perf's hf_sharegpt_datagen.py (completions).
 */
#include "formats/sharegpt.h"

#include "libtrace/tokenizer/tokenizer.h"

static int pair(struct texts_batch *b, const struct sharegpt_entry *e, size_t i, size_t k, unsigned flags,
                struct tr_rec *rec, struct tr_err *err)
{
	return sharegpt_pair(b, e, &e->m[i], &e->m[k], flags, rec, err);
}

/* Their code reads "value" of the first two messages, whoever speaks. */
static int two_values(const struct sharegpt_entry *e)
{
	return e->n >= 2 && e->m[0].value_key == 0 && e->m[1].value_key == 0;
}

static int is_valid_sequence(const struct tr_rec *r)
{
	return r->in_tokens >= 4 && r->out_tokens >= 4 && r->in_tokens <= 1024 &&
	       r->in_tokens + r->out_tokens <= 2048;
}

static int vllm(struct texts_batch *b, const struct sharegpt_entry *e, struct tr_err *err)
{
	struct tr_rec rec;
	if (!two_values(e) || !tr_slice_eq(e->list, "conversations"))
		return 0;
	int rc = pair(b, e, 0, 1, TR_TOK_SPECIAL, &rec, err);
	return rc < 0 || !is_valid_sequence(&rec) ? rc : texts_put(b, &rec, err);
}

static int sglang(struct texts_batch *b, const struct sharegpt_entry *e, struct tr_err *err)
{
	struct tr_rec rec;
	if (!two_values(e))
		return 0;
	int rc = pair(b, e, 0, 1, TR_TOK_SPECIAL, &rec, err);
	return rc < 0 || rec.in_tokens < 2 || rec.out_tokens < 2 ? rc : texts_put(b, &rec, err);
}

/* The first entry is consumed when the generator starts; nothing else is dropped but prompts without text. */
static int inference_perf(struct texts_batch *b, const struct sharegpt_entry *e, struct tr_err *err)
{
	struct tr_rec rec;
	if (b->number == 1 || !two_values(e) || !tr_slice_eq(e->list, "conversations") ||
	    !e->m[0].value.raw.n)
		return 0;
	int rc = pair(b, e, 0, 1, TR_TOK_SPECIAL, &rec, err);
	return rc < 0 ? rc : texts_put(b, &rec, err);
}

/* Neighbours human and gpt among the messages of those two; without any such role the first two messages. One
 * pair that is not valid drops the whole conversation. Counted without special tokens. */
static size_t next_pair(const struct sharegpt_entry *e, size_t from, size_t *human, size_t *gpt)
{
	size_t last = SIZE_MAX;
	for (size_t i = from; i < e->n; i++) {
		const struct sharegpt_message *m = &e->m[i];
		int is_human = m->role_key == 0 && tr_slice_eq(m->from.raw, "human");
		int is_gpt = m->role_key == 0 && tr_slice_eq(m->from.raw, "gpt");
		if (is_gpt && last != SIZE_MAX) {
			*human = last;
			*gpt = i;
			return i + 1;
		}
		last = is_human ? i : is_gpt ? SIZE_MAX : last;
	}
	return 0;
}

static int has_text(const struct sharegpt_message *m)
{
	return m->value_key == 0 && m->value.raw.n;
}

static int uses_roles(const struct sharegpt_entry *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->m[i].role_key == 0 &&
		    (tr_slice_eq(e->m[i].from.raw, "human") || tr_slice_eq(e->m[i].from.raw, "gpt")))
			return 1;
	return 0;
}

static int aiperf(struct texts_batch *b, const struct sharegpt_entry *e, struct tr_err *err)
{
	struct tr_rec rec;
	uint64_t turns = 0, turn = 0;
	size_t i, k, at;
	int rc = 0;
	if (e->n < 2 || !tr_slice_eq(e->list, "conversations"))
		return 0;
	if (!uses_roles(e)) {
		if (!has_text(&e->m[0]) || !has_text(&e->m[1]))
			return 0;
		rc = pair(b, e, 0, 1, 0, &rec, err);
		return rc < 0 || !is_valid_sequence(&rec) ? rc : texts_put(b, &rec, err);
	}
	for (at = 0; (at = next_pair(e, at, &i, &k));) {
		if (!has_text(&e->m[i]) || !has_text(&e->m[k]))
			continue;
		rc = pair(b, e, i, k, 0, &rec, err);
		if (rc < 0 || !is_valid_sequence(&rec))
			return rc;
		turns++;
	}
	for (at = 0; (at = next_pair(e, at, &i, &k)) && rc == 0;) {
		if (!has_text(&e->m[i]) || !has_text(&e->m[k]))
			continue;
		rc = pair(b, e, i, k, 0, &rec, err);
		TR_SET(&rec, turn, ++turn);
		TR_SET(&rec, turns, turns);
		if (turn > 1) {
			TR_SET(&rec, parent, b->id - 1);
			if (TR_HAS(&rec, payload))
				TR_SET(&rec, payload_kind, tr_slice_of("delta"));
		}
		rc = rc ? rc : texts_put(b, &rec, err);
	}
	return rc;
}

const char *sharegpt_peer(struct texts_batch *b, const struct sharegpt_entry *e, int *rc, struct tr_err *err)
{
	static int (*const rule[])(struct texts_batch *, const struct sharegpt_entry *, struct tr_err *) = {
	    [TR_PEER_VLLM] = vllm,
	    [TR_PEER_SGLANG] = sglang,
	    [TR_PEER_AIPERF] = aiperf,
	    [TR_PEER_INFERENCE_PERF] = inference_perf,
	};
	*rc = rule[b->o->peer](b, e, err);
	return NULL;
}
