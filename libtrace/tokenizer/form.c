/* SPDX-License-Identifier: Apache-2.0
 *
 * Normal forms NFC, NFD, NFKC, NFKD (UAX #15), as Unicode 9.0 has them: what was assigned later is left
 * alone. Only the stretches that are not in the form already are worked on, and the marks of a stretch are
 * ordered in linear time however many there are.
 */
#include "libtrace/tokenizer/impl.h"

#include <stdlib.h>
#include <utf8proc.h>

/* Characters that are no marks, and may compose with the one before them. Hangul aside. */
static int may_follow(uint32_t cp)
{
	static const uint32_t list[] = {0x9be,   0x9d7,   0xb3e,   0xb56,   0xb57,   0xbbe,   0xbd7,  0xcc2,
	                                0xcd5,   0xcd6,   0xd3e,   0xd57,   0xdcf,   0xddf,   0x102e, 0x1b35,
	                                0x11127, 0x1133e, 0x11357, 0x114b0, 0x114ba, 0x114bd, 0x115af};
	for (size_t i = 0; i < sizeof list / sizeof list[0] && list[i] <= cp; i++)
		if (list[i] == cp)
			return 1;
	return 0;
}

static utf8proc_option_t decomposing(const struct normalizer *n)
{
	return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (n->compat ? UTF8PROC_COMPAT : 0);
}

/* Is a character that decomposes the one that it becomes again? U+212B is not: it becomes U+00C5. */
static int comes_back(const struct normalizer *f, uint32_t cp)
{
	utf8proc_int32_t to[8];
	int last = 0;
	utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, to, 8, decomposing(f), &last);
	n = n > 0 && n <= 8 ? utf8proc_normalize_utf32(to, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE) : 0;
	return n == 1 && to[0] == (utf8proc_int32_t)cp;
}

enum state {
	OPEN,    /* it may change, or change what stands before it */
	SETTLED, /* it stays, and begins something new */
	INERT    /* the same, and what follows does not change it either */
};

/* The letters that texts are made of. */
static int at_once(const struct normalizer *n, uint32_t cp)
{
	if (cp >= 0x4e00 && cp <= 0x9fff)
		return 1;
	if (!n->compose)
		return 0;
	if (!n->compat && (cp < 0x300 || (cp >= 0x1e00 && cp <= 0x1eff)))
		return 1;
	return (cp >= 0x400 && cp <= 0x482) || (cp >= 0x3041 && cp <= 0x3096) ||
	       (cp >= 0x30a1 && cp <= 0x30fa);
}

static enum state state_of(const struct normalizer *n, uint32_t cp)
{
	if (cp < 0xa0 || at_once(n, cp))
		return SETTLED;
	if (cp >= 0xac00 && cp <= 0xd7a3)
		return n->compose ? SETTLED : OPEN;
	const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);
	int plain = !p->combining_class && p->decomp_seqindex == UINT16_MAX;
	if (cp_age(cp) > AGE_9 || cp == 0x11a7) /* no Jamo, but utf8proc composes it away */
		return INERT;
	if (p->combining_class || (cp >= 0x1100 && cp < 0x1200)) /* Jamo compose by rule */
		return OPEN;
	if (!n->compose)
		return plain ? SETTLED : OPEN;
	if (may_follow(cp))
		return OPEN;
	if (plain)
		return SETTLED;
	if (p->decomp_type != 0)
		return n->compat ? OPEN : SETTLED;
	return comes_back(n, cp) ? SETTLED : OPEN;
}

/* Code points of one stretch. */
struct stretch {
	utf8proc_int32_t here[64], *v;
	size_t n, cap;
};

static int room(struct stretch *t, size_t more)
{
	if (more <= t->cap - t->n)
		return 0;
	size_t cap = t->cap * 2 + more;
	utf8proc_int32_t *v = realloc(t->v == t->here ? NULL : t->v, cap * sizeof *v);
	if (!v)
		return -TR_ENOMEM;
	if (t->v == t->here)
		memcpy(v, t->here, t->n * sizeof *v);
	t->v = v;
	t->cap = cap;
	return 0;
}

static int decompose(const struct normalizer *n, struct tr_slice s, struct stretch *t)
{
	enum { LONGEST = 18 }; /* U+FDFA */
	size_t length;
	int last = 0;
	for (size_t i = 0; i < s.n; i += length) {
		uint32_t cp = utf8_at(s.p + i, &length);
		int rc = room(t, LONGEST);
		if (rc < 0)
			return rc;
		utf8proc_ssize_t got = utf8proc_decompose_char((utf8proc_int32_t)cp, t->v + t->n, LONGEST,
		                                               decomposing(n), &last);
		if (got < 0 || got > LONGEST)
			return -TR_ELIMIT;
		t->n += (size_t)got;
	}
	return 0;
}

static unsigned class_of(utf8proc_int32_t cp)
{
	return (unsigned)utf8proc_get_property(cp)->combining_class;
}

/* Sort marks by class, equals in their order: by counting, since somebody may send a million. */
static int order_run(utf8proc_int32_t *v, size_t n)
{
	size_t first[257] = {0};
	utf8proc_int32_t few[64], *to = n <= 64 ? few : malloc(n * sizeof *to);
	if (!to)
		return -TR_ENOMEM;
	for (size_t i = 0; i < n; i++)
		first[(class_of(v[i]) & 255) + 1]++;
	for (size_t c = 1; c < 257; c++)
		first[c] += first[c - 1];
	for (size_t i = 0; i < n; i++)
		to[first[class_of(v[i]) & 255]++] = v[i];
	memcpy(v, to, n * sizeof *to);
	if (to != few)
		free(to);
	return 0;
}

static int order(struct stretch *t)
{
	int rc = 0;
	for (size_t i = 0, from; i < t->n && rc == 0; i++) {
		unsigned before = 0, c;
		int sorted = 1;
		for (from = i; i < t->n && (c = class_of(t->v[i])) != 0; i++) {
			sorted &= c >= before;
			before = c;
		}
		rc = sorted ? 0 : order_run(t->v + from, i - from);
	}
	return rc;
}

static int put_stretch(const struct normalizer *n, struct tr_slice s, struct tr_buf *b)
{
	struct stretch t = {.cap = 64};
	t.v = t.here;
	int rc = decompose(n, s, &t);
	rc = rc ? rc : order(&t);
	if (rc == 0 && n->compose) {
		utf8proc_ssize_t got =
		    utf8proc_normalize_utf32(t.v, (utf8proc_ssize_t)t.n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
		rc = got < 0 ? -TR_ELIMIT : 0;
		t.n = got < 0 ? 0 : (size_t)got;
	}
	rc = rc ? rc : tr_buf_reserve(b, t.n * 4);
	for (size_t i = 0; i < t.n && rc == 0; i++)
		b->n += utf8_put((uint32_t)t.v[i], b->p + b->n);
	if (t.v != t.here)
		free(t.v);
	return rc;
}

/* A stretch begins with the settled character before an open one, and ends before the next settled one. */
int form_run(const struct normalizer *n, struct tr_slice *s, struct tr_buf *b)
{
	size_t length, done = 0, begin = 0; /* copied up to there; the last character, if it is settled */
	int rc = 0, changed = 0;
	for (size_t i = 0; i < s->n && rc == 0; i += length) {
		enum state state = state_of(n, utf8_at(s->p + i, &length));
		if (state != OPEN) {
			begin = state == INERT ? i + length : i;
			continue;
		}
		size_t end = i + length, more;
		while (end < s->n && state_of(n, utf8_at(s->p + end, &more)) == OPEN)
			end += more;
		b->n = changed ? b->n : 0;
		changed = 1;
		rc = tr_buf_add(b, s->p + done, begin - done);
		rc = rc ? rc : put_stretch(n, (struct tr_slice){s->p + begin, end - begin}, b);
		done = begin = end;
		length = end - i;
	}
	if (rc < 0 || !changed)
		return rc;
	rc = tr_buf_add(b, s->p + done, s->n - done);
	*s = (struct tr_slice){b->p, b->n};
	return rc;
}
