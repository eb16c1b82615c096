/* SPDX-License-Identifier: Apache-2.0
 *
 * Added tokens: texts that are one token wherever they stand. They are looked for before anything else is
 * done, those marked `normalized` after the normalizer; of those that begin at a place the longest counts.
 */
#include "libtrace/tokenizer/impl.h"

#include <stdlib.h>

static int take_member(struct added *a, struct tr_json *j, struct tr_slice key, struct tr_err *err)
{
	static const struct {
		const char *key;
		size_t offset;
	} flags[] = {
	    {"special", offsetof(struct added, special)},
	    {"normalized", offsetof(struct added, normalized)},
	    {"lstrip", offsetof(struct added, left)},
	    {"rstrip", offsetof(struct added, right)},
	    {"single_word", offsetof(struct added, single_word)},
	};
	enum tr_json_token k = tr_json_next(j);
	if (tr_slice_eq(key, "content"))
		return k == TR_JSON_STRING && tok_string(j, &a->content) == 0
		           ? 0
		           : tok_bad(err, j, "added_tokens", "content is not a string of up to 1024 bytes");
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (tr_slice_eq(key, flags[i].key))
			return tok_bool(k, (int *)(void *)((char *)a + flags[i].offset)) == 0
			           ? 0
			           : tok_bad(err, j, "added_tokens", "neither true nor false");
	return tr_json_skip(j, k, NULL) < 0 ? tok_bad(err, j, "added_tokens", "bad value") : 0;
}

static int make_room(struct tr_tokenizer *t, struct tr_err *err)
{
	if (t->nadded < t->added_cap)
		return 0;
	if (t->nadded >= TOK_PIECES_MAX)
		return tr_fail(err, TR_ELIMIT, "more than %d added tokens", TOK_PIECES_MAX);
	unsigned cap = t->added_cap ? t->added_cap * 2 : 64;
	struct added *v = realloc(t->added, cap * sizeof *v);
	if (!v)
		return tok_no_memory(err);
	t->added = v;
	t->added_cap = cap;
	return 0;
}

int added_parse(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	int rc = k == TR_JSON_ARRAY ? 0 : tok_bad(err, j, "added_tokens", "not a list");
	if (k == TR_JSON_NULL)
		return 0;
	while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_OBJECT) {
		rc = make_room(t, err);
		if (rc < 0)
			return rc;
		struct added *a = &t->added[t->nadded++];
		*a = (struct added){.normalized = 1};
		tr_buf_init(&a->content, TOK_ADDED_MAX);
		while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_KEY)
			rc = take_member(a, j, j->s, err);
		if (rc == 0 && k != TR_JSON_CLOSE)
			rc = tok_bad(err, j, "added_tokens", "not a list of objects");
	}
	return rc == 0 && k != TR_JSON_CLOSE ? tok_bad(err, j, "added_tokens", "not a list of objects") : rc;
}

/* The text by which a normalized token is looked for: itself, normalized. */
static int normalized(const struct tr_tokenizer *t, struct tr_slice *s, struct tr_buf b[2],
                      struct tr_err *err)
{
	struct matcher *m;
	int rc = matcher_new(&m, err);
	for (unsigned i = 0; i < t->norms && rc == 0; i++)
		rc = normalizer_run(&t->norm[i], m, s, &b[tok_is_in(*s, &b[0])], err);
	if (m)
		matcher_free(m);
	return rc;
}

/* Ids as the reference gives them: a piece of the model keeps its own, others are numbered on behind all. */
int added_ready(struct tr_tokenizer *t, struct tr_err *err)
{
	struct tr_buf b[2];
	uint32_t next = t->vocab.count;
	int rc = 0;
	tr_buf_init(&b[0], 1 << 20);
	tr_buf_init(&b[1], 1 << 20);
	for (unsigned i = 0; i < t->nadded && rc == 0; i++) {
		struct added *a = &t->added[i];
		struct tr_slice s = {a->content.p, a->content.n};
		if (s.n == 0)
			continue;
		a->id = vocab_find(&t->vocab, s);
		if (a->id == TOK_NONE)
			a->id = next;
		if (a->id >= next)
			next = a->id + 1;
		if (a->normalized && t->norms)
			rc = normalized(t, &s, b, err);
		if (rc == 0)
			rc = trie_add(a->normalized ? &t->normalized : &t->raw, s, i, err);
	}
	tr_buf_free(&b[0]);
	tr_buf_free(&b[1]);
	return rc;
}

static int word_before(struct tr_slice s, size_t at)
{
	size_t length;
	if (at == 0)
		return 0;
	for (at--; at && ((unsigned char)s.p[at] & 0xc0) == 0x80; at--)
		;
	return cp_is_word(utf8_at(s.p + at, &length));
}

static size_t white_before(struct tr_slice s, size_t at, size_t min)
{
	size_t length;
	while (at > min) {
		size_t i = at - 1;
		while (i > min && ((unsigned char)s.p[i] & 0xc0) == 0x80)
			i--;
		if (!cp_is_white(utf8_at(s.p + i, &length)))
			break;
		at = i;
	}
	return at;
}

/* The longest string of the trie at a place: its value, or TOK_NONE. */
static uint32_t longest(const struct trie *trie, struct tr_slice s, size_t at, size_t *end)
{
	uint32_t node = TRIE_ROOT, best = TOK_NONE;
	for (size_t i = at; i < s.n; i++) {
		node = trie_step(trie, node, (unsigned char)s.p[i]);
		if (node == TOK_NONE)
			break;
		if (trie->value[node] != TOK_NONE) {
			best = trie->value[node];
			*end = i + 1;
		}
	}
	return best;
}

int added_find(const struct tr_tokenizer *t, const struct trie *trie, struct tr_slice s, size_t *search,
               size_t start_min, struct added_hit *hit)
{
	size_t length, end = 0;
	for (size_t i = *search; trie->nodes && i < s.n; i++) {
		if (!trie->first[(unsigned char)s.p[i]])
			continue;
		uint32_t k = longest(trie, s, i, &end);
		if (k == TOK_NONE)
			continue;
		const struct added *a = &t->added[k];
		if (a->single_word &&
		    (word_before(s, i) || (end < s.n && cp_is_word(utf8_at(s.p + end, &length))))) {
			i = end - 1;
			continue;
		}
		*search = end;
		*hit = (struct added_hit){i, end, a};
		if (a->left)
			hit->start = white_before(s, i, start_min);
		if (hit->start < start_min)
			hit->start = start_min;
		while (a->right && hit->end < s.n && cp_is_white(utf8_at(s.p + hit->end, &length)))
			hit->end += length;
		return 1;
	}
	return 0;
}
