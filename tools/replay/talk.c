/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/replay/talk.h"

#include "tools/hash.h"
#include <stdlib.h>

void talk_ref(struct talk *k)
{
	k->refs++;
}

void talk_unref(struct talk *k)
{
	if (!k || --k->refs > 0)
		return;
	tr_buf_free(&k->history);
	tr_buf_free(&k->name);
	free(k);
}

static int same(const struct talk *k, uint64_t hash, struct tr_slice name)
{
	return k->hash == hash && k->name.n == name.n && (!name.n || memcmp(k->name.p, name.p, name.n) == 0);
}

struct talk *talks_find(struct talks *t, struct tr_slice name)
{
	uint64_t hash = hash_bytes(name);
	struct talk *k = t->slots ? t->slots[hash & t->mask] : NULL;

	while (k && !same(k, hash, name))
		k = k->chain;
	return k;
}

static void unlink_age(struct talks *t, struct talk *k)
{
	*(k->older ? &k->older->newer : &t->oldest) = k->newer;
	*(k->newer ? &k->newer->older : &t->newest) = k->older;
	k->older = k->newer = NULL;
}

static void link_newest(struct talks *t, struct talk *k)
{
	k->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = k;
	t->newest = k;
}

void talks_forget(struct talks *t, struct talk *k)
{
	struct talk **at = &t->slots[k->hash & t->mask];

	if (!k->listed)
		return;
	while (*at != k)
		at = &(*at)->chain;
	*at = k->chain;
	unlink_age(t, k);
	t->n--;
	t->bytes -= k->counted;
	k->listed = 0;
	talk_unref(k);
}

/* Those with turns that wait, or one on its way, are needed. */
static void make_room(struct talks *t)
{
	struct talk *k = t->oldest, *next;

	for (; k && (t->n > TALKS_MAX || t->bytes > TALKS_BYTES); k = next) {
		next = k->newer;
		if (!k->busy && !k->first)
			talks_forget(t, k);
	}
}

void talks_touch(struct talks *t, struct talk *k)
{
	if (!k->listed)
		return;
	t->bytes += k->history.cap - k->counted;
	k->counted = k->history.cap;
	unlink_age(t, k);
	link_newest(t, k);
	if (t->n > TALKS_MAX || t->bytes > TALKS_BYTES)
		make_room(t);
}

static int grow(struct talks *t)
{
	unsigned slots = t->slots ? (t->mask + 1) * 4 : 256;
	struct talk **v = calloc(slots, sizeof(*v));

	if (!v)
		return -1;
	for (struct talk *k = t->oldest; k; k = k->newer) {
		k->chain = v[k->hash & (slots - 1)];
		v[k->hash & (slots - 1)] = k;
	}
	free(t->slots);
	t->slots = v;
	t->mask = slots - 1;
	return 0;
}

struct talk *talks_new(struct talks *t, struct tr_slice name)
{
	struct talk *k = talks_find(t, name);

	if (k)
		talks_forget(t, k);
	if ((!t->slots || t->n > t->mask) && grow(t) < 0)
		return NULL;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	tr_buf_init(&k->name, name.n);
	tr_buf_init(&k->history, TALK_HISTORY_MAX);
	k->refs = k->listed = 1;
	if (tr_buf_add(&k->name, name.p, name.n) < 0) {
		free(k);
		return NULL;
	}
	k->hash = hash_bytes(name);
	k->chain = t->slots[k->hash & t->mask];
	t->slots[k->hash & t->mask] = k;
	t->n++;
	link_newest(t, k);
	make_room(t);
	return k;
}

void talks_free(struct talks *t)
{
	while (t->oldest)
		talks_forget(t, t->oldest);
	free(t->slots);
	*t = (struct talks){0};
}

int talk_add(struct talk *k, struct tr_slice messages)
{
	size_t before = k->history.n;
	int rc = messages.n && before ? tr_buf_char(&k->history, ',') : 0;

	rc = rc ? rc : tr_buf_add(&k->history, messages.p, messages.n);
	if (rc < 0)
		k->history.n = before;
	return rc;
}

int talk_add_answer(struct talk *k, struct tr_slice raw)
{
	size_t before = k->history.n;
	int rc = tr_buf_str(&k->history, before ? ",{\"role\":\"assistant\",\"content\":\""
	                                        : "{\"role\":\"assistant\",\"content\":\"");

	rc = rc ? rc : tr_buf_add(&k->history, raw.p, raw.n);
	rc = rc ? rc : tr_buf_str(&k->history, "\"}");
	if (rc < 0)
		k->history.n = before;
	return rc;
}
