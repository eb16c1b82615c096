/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte-pair encoding of a word: symbols are merged, the pair of lowest rank first, the leftmost of equals,
 * until no pair has a rank. Short words by looking at all ranks each time, long ones by a heap, so that a
 * text without a space takes n log n. What was found for a short word is remembered.
 *
 * Files by rank (tiktoken) have no merges: a pair's rank is the id of its bytes put together.
 */
#include "libtrace/tokenizer/merges.h"

#include <stdlib.h>

enum {
	SHORT_WORD = 128, /* symbols that are merged by looking at all of them */
	CACHED_WORD = 64, /* bytes of a word that is remembered */
	CACHE_SLOTS = 1 << 16,
	CACHE_WORDS = CACHE_SLOTS / 2,
	CACHE_BYTES = 1 << 20,
	CACHE_IDS = 1 << 18,
};

/* --- when all is known -------------------------------------------------------------------------- */

/* Which bytes end a character that some piece has a U+2581 behind: merges may cross the place between the
 * two. Others they cannot cross, so that a text may be cut there. A run of U+2581 stays together. */
static int list_joins(const struct vocab *v, unsigned char joins[256])
{
	static const char space[] = "\xe2\x96\x81";
	if (vocab_find(v, tr_slice_of(space)) == TOK_NONE)
		return 0;
	for (uint32_t i = 0; i < v->count; i++) {
		const char *p = v->arena.p + v->v[i].at;
		for (size_t k = 1; k + 3 <= v->v[i].n; k++)
			if (memcmp(p + k, space, 3) == 0)
				joins[(unsigned char)p[k - 1]] = 1;
	}
	joins[0x81] = 1; /* U+2581 itself */
	return 1;
}

/* The pairs that every word of a byte-level model begins with. */
static int list_byte_pairs(struct tr_tokenizer *t, struct tr_err *err)
{
	struct bpe *b = &t->bpe;
	char text[2];
	b->bytes = malloc(65536 * sizeof *b->bytes);
	if (!b->bytes)
		return tok_no_memory(err);
	for (uint32_t i = 0; i < 65536; i++) {
		b->bytes[i] = (struct merge){.rank = TOK_NONE, .id = TOK_NONE};
		text[0] = (char)(i >> 8);
		text[1] = (char)i;
		if (b->by_rank) {
			b->bytes[i].id = b->bytes[i].rank = vocab_find(&t->vocab, (struct tr_slice){text, 2});
			continue;
		}
		const struct merge *m = find_merge(b, b->byte_id[i >> 8], b->byte_id[i & 255]);
		if (m)
			b->bytes[i] = *m;
	}
	return 0;
}

int bpe_ready(struct tr_tokenizer *t, struct tr_err *err)
{
	struct bpe *b = &t->bpe;
	char text[8];
	int rc = merges_room(b, err);
	int all_bytes = 1;
	b->raw_bytes = !b->prefix.n && !b->suffix.n;
	for (unsigned i = 0; i < 256; i++) {
		size_t n = utf8_put(byte_char((unsigned char)i), text);
		uint32_t id = vocab_find(&t->vocab, (struct tr_slice){text, n});
		if (b->by_rank)
			id = vocab_find(&t->vocab, (struct tr_slice){(text[0] = (char)i, text), 1});
		if (b->byte_fallback) {
			static const char hex[] = "0123456789ABCDEF";
			memcpy(text, "<0x00>", 6);
			text[3] = hex[i >> 4];
			text[4] = hex[i & 15];
			id = vocab_find(&t->vocab, (struct tr_slice){text, 6});
		}
		b->byte_id[i] = id;
		all_bytes &= id != TOK_NONE;
		b->raw_bytes &= id != TOK_NONE && !b->byte_fallback;
	}
	b->unk_id = b->unk.n ? vocab_find(&t->vocab, (struct tr_slice){b->unk.p, b->unk.n}) : TOK_NONE;
	if (rc == 0 && b->unk.n && b->unk_id == TOK_NONE) {
		tr_fail(err, TR_EDATA, "unk_token: not a piece of the vocabulary");
		tr_err_value(err, b->unk.p, b->unk.n);
		return -TR_EDATA;
	}
	if (rc == 0 && b->by_rank && !b->raw_bytes)
		return tr_fail(err, TR_EDATA, "not every single byte has a rank");
	/* Where an unknown character leaves nothing behind, what stands around it is joined. */
	const int vanish = b->unk_id == TOK_NONE && !(b->byte_fallback && all_bytes);
	b->parts =
	    !b->ignore_merges && !b->prefix.n && !b->suffix.n && !vanish && list_joins(&t->vocab, b->joins);
	rc = rc ? rc : merges_ready(b, err);
	if (rc == 0 && b->raw_bytes)
		rc = list_byte_pairs(t, err);
	/* A last step that only writes bytes as characters need not be run. */
	if (t->pres && t->pre[t->pres - 1].kind == PRE_BYTES && b->raw_bytes)
		t->pre[t->pres - 1].leave_bytes = 1;
	return rc;
}

void bpe_free(struct bpe *b)
{
	free(b->merges);
	free(b->may);
	free(b->bytes);
	tr_buf_free(&b->unk);
	tr_buf_free(&b->prefix);
	tr_buf_free(&b->suffix);
}

/* --- scratch of an encoder ------------------------------------------------------------------------ */

struct symbol {
	uint32_t id, at;     /* its bytes begin there */
	uint32_t prev, next; /* long words: neighbours; TOK_NONE: none */
};
struct heap_entry {
	uint32_t rank, at, id; /* at: index of the left symbol */
};
struct cached {
	uint32_t hash, key, first;
	uint16_t n, ids; /* bytes; ids. ids 0: free */
};
struct bpe_work {
	struct symbol *s;
	size_t n, cap;
	struct heap_entry *heap;
	size_t heap_n, heap_cap;
	struct cached *cache;
	uint32_t words;
	char *keys;
	uint32_t keys_n, *ids, ids_n;
	struct tr_buf text;
};

int bpe_work_new(struct bpe_work **out, struct tr_err *err)
{
	struct bpe_work *w = calloc(1, sizeof *w);
	if (w) {
		w->cache = calloc(CACHE_SLOTS, sizeof *w->cache);
		w->keys = malloc(CACHE_BYTES);
		w->ids = malloc(CACHE_IDS * sizeof *w->ids);
		tr_buf_init(&w->text, TOK_TEXT_MAX);
	}
	if (!w || !w->cache || !w->keys || !w->ids) {
		bpe_work_free(w);
		return tok_no_memory(err);
	}
	*out = w;
	return 0;
}

void bpe_work_free(struct bpe_work *w)
{
	if (!w)
		return;
	free(w->s);
	free(w->heap);
	free(w->cache);
	free(w->keys);
	free(w->ids);
	tr_buf_free(&w->text);
	free(w);
}

static struct cached *cache_slot(const struct bpe_work *w, struct tr_slice word, uint32_t hash)
{
	uint32_t i = hash & (CACHE_SLOTS - 1);
	while (w->cache[i].ids && (w->cache[i].hash != hash || w->cache[i].n != word.n ||
	                           memcmp(w->keys + w->cache[i].key, word.p, word.n) != 0))
		i = (i + 1) & (CACHE_SLOTS - 1);
	return &w->cache[i];
}

/* A cache that is full starts over: the words of a text come back at once. */
static void remember(struct bpe_work *w, struct cached *slot, struct tr_slice word, uint32_t hash,
                     const uint32_t *ids, size_t n)
{
	if (n == 0)
		return;
	if (w->words == CACHE_WORDS || w->keys_n + word.n > CACHE_BYTES || w->ids_n + n > CACHE_IDS) {
		memset(w->cache, 0, CACHE_SLOTS * sizeof *w->cache);
		w->words = w->keys_n = w->ids_n = 0;
		slot = cache_slot(w, word, hash);
	}
	*slot = (struct cached){hash, w->keys_n, w->ids_n, (uint16_t)word.n, (uint16_t)n};
	memcpy(w->keys + w->keys_n, word.p, word.n);
	memcpy(w->ids + w->ids_n, ids, n * sizeof *ids);
	w->keys_n += (uint32_t)word.n;
	w->ids_n += (uint32_t)n;
	w->words++;
}

/* --- a word as symbols ---------------------------------------------------------------------------- */

static int reserve(struct bpe_work *w, size_t n, struct tr_err *err)
{
	if (n <= w->cap)
		return 0;
	size_t cap = w->cap ? w->cap : 256;
	while (cap < n)
		cap *= 2;
	struct symbol *s = realloc(w->s, cap * sizeof *s);
	if (!s)
		return tok_no_memory(err);
	w->s = s;
	w->cap = cap;
	return 0;
}

static void put_symbol(struct bpe_work *w, uint32_t id, size_t at)
{
	w->s[w->n++] = (struct symbol){.id = id, .at = (uint32_t)at};
}

/* The id of a character with what the model puts before and behind it. */
static int char_id(struct tr_encoder *e, struct tr_slice c, int first, int last, uint32_t *id,
                   struct tr_err *err)
{
	const struct bpe *b = &e->t->bpe;
	struct tr_buf *text = &e->bpe->text;
	if ((first || !b->prefix.n) && (!last || !b->suffix.n)) {
		*id = vocab_find(&e->t->vocab, c);
		return 0;
	}
	text->n = 0;
	int rc = first ? 0 : tr_buf_add(text, b->prefix.p, b->prefix.n);
	rc = rc ? rc : tr_buf_add(text, c.p, c.n);
	rc = rc || !last ? rc : tr_buf_add(text, b->suffix.p, b->suffix.n);
	if (rc < 0)
		return tok_no_memory(err);
	*id = vocab_find(&e->t->vocab, (struct tr_slice){text->p, text->n});
	return 0;
}

static int fall_back(struct tr_encoder *e, struct tr_slice c, size_t at)
{
	const struct bpe *b = &e->t->bpe;
	for (size_t i = 0; i < c.n; i++)
		if (b->byte_id[(unsigned char)c.p[i]] == TOK_NONE)
			return 0;
	for (size_t i = 0; i < c.n; i++)
		put_symbol(e->bpe, b->byte_id[(unsigned char)c.p[i]], at + i);
	return 1;
}

/* Characters without a piece become bytes, or the unknown token, several as one where the model says so. As
 * in the reference an unknown one waits for the next known one, and bytes pass it. */
static int split_chars(struct tr_encoder *e, struct tr_slice word, struct tr_err *err)
{
	const struct bpe *b = &e->t->bpe;
	struct bpe_work *w = e->bpe;
	int unknown = 0;
	size_t n, unknown_at = 0;
	for (size_t i = 0; i < word.n; i += n) {
		uint32_t id = TOK_NONE;
		n = utf8_length(word.p + i);
		struct tr_slice c = {word.p + i, n};
		int rc = char_id(e, c, i == 0, i + n == word.n, &id, err);
		if (rc < 0)
			return rc;
		if (id != TOK_NONE) {
			if (unknown)
				put_symbol(w, b->unk_id, unknown_at);
			unknown = 0;
			put_symbol(w, id, i);
			continue;
		}
		if ((b->byte_fallback && fall_back(e, c, i)) || b->unk_id == TOK_NONE)
			continue;
		if (unknown && !b->fuse_unk)
			put_symbol(w, b->unk_id, unknown_at);
		if (!unknown || !b->fuse_unk)
			unknown_at = i;
		unknown = 1;
	}
	if (unknown)
		put_symbol(w, b->unk_id, unknown_at);
	return 0;
}

static int split(struct tr_encoder *e, struct tr_slice word, int raw, struct tr_err *err)
{
	struct bpe_work *w = e->bpe;
	if (word.n > UINT32_MAX / 2)
		return tr_fail(err, TR_ELIMIT, "a word that is too long");
	int rc = reserve(w, word.n + 1, err);
	w->n = 0;
	if (rc < 0)
		return rc;
	if (!raw)
		return split_chars(e, word, err);
	for (size_t i = 0; i < word.n; i++)
		put_symbol(w, e->t->bpe.byte_id[(unsigned char)word.p[i]], i);
	return 0;
}

/* --- merging -------------------------------------------------------------------------------------- */

/* The rank of a pair, TOK_NONE when it has none. Its bytes: [left.at, end). */
static uint32_t rank_of(const struct tr_tokenizer *t, const char *word, const struct symbol *left,
                        const struct symbol *right, size_t end, uint32_t *id)
{
	if (t->bpe.by_rank)
		return *id = vocab_find(&t->vocab, (struct tr_slice){word + left->at, end - left->at});
	const struct merge *m = find_merge(&t->bpe, left->id, right->id);
	*id = m ? m->id : TOK_NONE;
	return m ? m->rank : TOK_NONE;
}

/* The first pairs of a word: of bytes, by their table. */
static void first_ranks(const struct tr_tokenizer *t, struct tr_slice word, int raw, const struct bpe_work *w,
                        uint32_t *rank, uint32_t *id)
{
	const struct symbol *s = w->s;
	for (size_t i = 0; i + 1 < w->n; i++) {
		if (raw) {
			const struct merge *m =
			    &t->bpe.bytes[(unsigned char)word.p[i] << 8 | (unsigned char)word.p[i + 1]];
			rank[i] = m->rank;
			id[i] = m->id;
		} else {
			rank[i] =
			    rank_of(t, word.p, &s[i], &s[i + 1], i + 2 < w->n ? s[i + 2].at : word.n, &id[i]);
		}
	}
}

static void merge_short(const struct tr_tokenizer *t, struct tr_slice word, int raw, struct bpe_work *w)
{
	uint32_t rank[SHORT_WORD], id[SHORT_WORD] = {0};
	struct symbol *s = w->s;
	size_t n = w->n;
	first_ranks(t, word, raw, w, rank, id);
#define END_OF(i) ((i) + 1 < n ? s[(i) + 1].at : word.n)
	for (;;) {
		size_t best = 0;
		uint32_t lowest = TOK_NONE;
		for (size_t i = 0; i + 1 < n; i++) {
			best = rank[i] < lowest ? i : best;
			lowest = rank[i] < lowest ? rank[i] : lowest;
		}
		if (lowest == TOK_NONE)
			break;
		s[best].id = id[best];
		n--;
		memmove(&s[best + 1], &s[best + 2], (n - best - 1) * sizeof *s);
		if (best + 1 < n) {
			memmove(&rank[best + 1], &rank[best + 2], (n - best - 2) * sizeof *rank);
			memmove(&id[best + 1], &id[best + 2], (n - best - 2) * sizeof *id);
			rank[best] = rank_of(t, word.p, &s[best], &s[best + 1], END_OF(best + 1), &id[best]);
		}
		if (best)
			rank[best - 1] =
			    rank_of(t, word.p, &s[best - 1], &s[best], END_OF(best), &id[best - 1]);
	}
#undef END_OF
	w->n = n;
}

static int before(const struct heap_entry *a, const struct heap_entry *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static int heap_push(struct bpe_work *w, struct heap_entry e, struct tr_err *err)
{
	if (w->heap_n == w->heap_cap) {
		size_t cap = w->heap_cap ? w->heap_cap * 2 : 1024;
		struct heap_entry *h = realloc(w->heap, cap * sizeof *h);
		if (!h)
			return tok_no_memory(err);
		w->heap = h;
		w->heap_cap = cap;
	}
	size_t i = w->heap_n++;
	for (; i && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
	return 0;
}

static struct heap_entry heap_pop(struct bpe_work *w)
{
	struct heap_entry top = w->heap[0], last = w->heap[--w->heap_n];
	size_t i = 0, k;
	while ((k = 2 * i + 1) < w->heap_n) {
		k += k + 1 < w->heap_n && before(&w->heap[k + 1], &w->heap[k]);
		if (!before(&w->heap[k], &last))
			break;
		w->heap[i] = w->heap[k];
		i = k;
	}
	w->heap[i] = last;
	return top;
}

static int offer(const struct tr_tokenizer *t, struct tr_slice word, struct bpe_work *w, uint32_t i,
                 struct tr_err *err)
{
	struct symbol *s = w->s;
	uint32_t id = TOK_NONE, next = i == TOK_NONE ? TOK_NONE : s[i].next;
	if (next == TOK_NONE)
		return 0;
	size_t end = s[next].next == TOK_NONE ? word.n : s[s[next].next].at;
	uint32_t rank = rank_of(t, word.p, &s[i], &s[next], end, &id);
	return rank == TOK_NONE ? 0 : heap_push(w, (struct heap_entry){rank, i, id}, err);
}

static int merge_long(const struct tr_tokenizer *t, struct tr_slice word, struct bpe_work *w,
                      struct tr_err *err)
{
	struct symbol *s = w->s;
	uint32_t n = (uint32_t)w->n, dead = TOK_NONE - 1;
	int rc = 0;
	for (uint32_t i = 0; i < n; i++) {
		s[i].prev = i ? i - 1 : TOK_NONE;
		s[i].next = i + 1 < n ? i + 1 : TOK_NONE;
	}
	w->heap_n = 0;
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = offer(t, word, w, i, err);
	while (rc == 0 && w->heap_n) {
		struct heap_entry e = heap_pop(w);
		uint32_t next = s[e.at].next, id = TOK_NONE;
		if (next == TOK_NONE || next == dead)
			continue;
		size_t end = s[next].next == TOK_NONE ? word.n : s[s[next].next].at;
		if (rank_of(t, word.p, &s[e.at], &s[next], end, &id) == TOK_NONE || id != e.id)
			continue; /* the pair has changed since */
		s[e.at].id = e.id;
		s[e.at].next = s[next].next;
		s[next].next = dead;
		if (s[e.at].next != TOK_NONE)
			s[s[e.at].next].prev = e.at;
		rc = offer(t, word, w, s[e.at].prev, err);
		rc = rc ? rc : offer(t, word, w, e.at, err);
	}
	size_t kept = 0;
	for (uint32_t i = n ? 0 : TOK_NONE; i != TOK_NONE && rc == 0;) {
		uint32_t next = s[i].next;
		s[kept++].id = s[i].id;
		i = next;
	}
	w->n = kept;
	return rc;
}

/* A piece of the vocabulary that needs no merging. */
static uint32_t whole(struct tr_encoder *e, struct tr_slice word, int raw)
{
	const struct bpe *b = &e->t->bpe;
	if (!b->ignore_merges && !b->by_rank)
		return TOK_NONE;
	if (!raw || b->by_rank)
		return vocab_find(&e->t->vocab, word);
	struct tr_buf *text = &e->bpe->text;
	text->n = 0;
	if (word.n > e->t->vocab.longest || byte_map(word, text) < 0)
		return TOK_NONE;
	return vocab_find(&e->t->vocab, (struct tr_slice){text->p, text->n});
}

static int encode(struct tr_encoder *e, struct tr_slice word, int raw, struct tr_ids *ids, struct tr_err *err)
{
	struct bpe_work *w = e->bpe;
	uint32_t id = whole(e, word, raw);
	if (id != TOK_NONE)
		return ids_push(ids, id, err);
	int rc = split(e, word, raw, err);
	if (rc == 0 && w->n > SHORT_WORD)
		rc = merge_long(e->t, word, w, err);
	else if (rc == 0)
		merge_short(e->t, word, raw, w);
	for (size_t i = 0; i < w->n && rc == 0; i++)
		rc = ids_push(ids, w->s[i].id, err);
	return rc;
}

static int encode_cached(struct tr_encoder *e, struct tr_slice word, int raw, struct tr_ids *ids,
                         struct tr_err *err)
{
	if (word.n > CACHED_WORD)
		return encode(e, word, raw, ids, err);
	uint32_t hash = tok_hash(word.p, word.n);
	struct cached *slot = cache_slot(e->bpe, word, hash);
	if (slot->ids)
		return ids_add(ids, e->bpe->ids + slot->first, slot->ids, err);
	size_t from = ids->n;
	int rc = encode(e, word, raw, ids, err);
	if (rc == 0 && ids->n > from)
		remember(e->bpe, slot, word, hash, ids->v + from, ids->n - from);
	return rc;
}

/* The end of the stretch that begins at `from`: the next place before a U+2581 that no piece crosses. */
static size_t part_end(const struct bpe *b, struct tr_slice text, size_t from)
{
	for (size_t i = from + 1; i < text.n; i++) {
		const char *lead = memchr(text.p + i, '\xe2', text.n - i);
		if (!lead)
			return text.n;
		i = (size_t)(lead - text.p);
		if (i + 3 <= text.n && memcmp(lead, "\xe2\x96\x81", 3) == 0 &&
		    !b->joins[(unsigned char)text.p[i - 1]])
			return i;
	}
	return text.n;
}

static int encode_parts(struct tr_encoder *e, struct tr_slice text, struct tr_ids *ids, struct tr_err *err)
{
	int rc = 0;
	for (size_t from = 0, end; from < text.n && rc == 0; from = end) {
		end = part_end(&e->t->bpe, text, from);
		rc = encode_cached(e, (struct tr_slice){text.p + from, end - from}, 0, ids, err);
	}
	return rc;
}

int bpe_word(struct tr_encoder *e, struct tr_slice word, int raw, struct tr_ids *ids, struct tr_err *err)
{
	return e->t->bpe.parts && !raw ? encode_parts(e, word, ids, err)
	                               : encode_cached(e, word, raw, ids, err);
}
