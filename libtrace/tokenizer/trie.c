/* SPDX-License-Identifier: Apache-2.0
 *
 * A trie over bytes whose edges stand in one hash table: as large as its strings, whatever they are.
 */
#include "libtrace/tokenizer/impl.h"

#include <stdlib.h>

static uint32_t edge_hash(uint32_t node, unsigned char byte)
{
	uint64_t h = ((uint64_t)node << 8 | byte) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32);
}

uint32_t trie_step(const struct trie *t, uint32_t node, unsigned char byte)
{
	if (!t->edges)
		return TOK_NONE;
	for (uint32_t i = edge_hash(node, byte) & t->mask; t->edges[i].used; i = (i + 1) & t->mask)
		if (t->edges[i].from == node && t->edges[i].byte == byte)
			return t->edges[i].to;
	return TOK_NONE;
}

static void put(struct trie *t, struct trie_edge e)
{
	uint32_t i = edge_hash(e.from, e.byte) & t->mask;
	while (t->edges[i].used)
		i = (i + 1) & t->mask;
	t->edges[i] = e;
}

/* Room for one more node. */
static int grow(struct trie *t, struct tr_err *err)
{
	if (t->nodes < t->cap)
		return 0;
	uint32_t cap = t->cap ? t->cap * 2 : 256;
	struct trie old = *t;
	uint32_t *value = realloc(t->value, cap * sizeof *value);
	if (!value)
		return tok_no_memory(err);
	t->value = value;
	struct trie_edge *edges = calloc((size_t)cap * 2, sizeof *edges);
	if (!edges)
		return tok_no_memory(err);
	t->edges = edges;
	t->mask = cap * 2 - 1;
	for (uint32_t i = 0; old.edges && i <= old.mask; i++)
		if (old.edges[i].used)
			put(t, old.edges[i]);
	free(old.edges);
	t->cap = cap;
	if (t->nodes == 0) {
		t->value[0] = TOK_NONE;
		t->nodes = 1;
	}
	return 0;
}

int trie_add(struct trie *t, struct tr_slice s, uint32_t value, struct tr_err *err)
{
	uint32_t node = TRIE_ROOT;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char byte = (unsigned char)s.p[i];
		uint32_t next = trie_step(t, node, byte);
		if (next == TOK_NONE) {
			int rc = t->nodes > (UINT32_C(1) << 28) ? tr_fail(err, TR_ELIMIT, "too many strings")
			                                        : grow(t, err);
			if (rc < 0)
				return rc;
			next = t->nodes++;
			t->value[next] = TOK_NONE;
			put(t, (struct trie_edge){node, next, byte, 1});
		}
		node = next;
	}
	if (s.n)
		t->first[(unsigned char)s.p[0]] = 1;
	if (s.n && t->value[node] == TOK_NONE)
		t->value[node] = value;
	return 0;
}

void trie_free(struct trie *t)
{
	free(t->edges);
	free(t->value);
	*t = (struct trie){0};
}
