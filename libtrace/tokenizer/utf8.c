/* SPDX-License-Identifier: Apache-2.0
 *
 * Code points: reading and writing them, what is not UTF-8, and the few properties that patterns are not
 * needed for.
 */
#include "libtrace/tokenizer/impl.h"

#include <utf8proc.h>

uint32_t utf8_at(const char *p, size_t *length)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t n = *length = utf8_length(p);
	if (n == 1)
		return u[0];
	uint32_t cp = n == 2 ? u[0] & 0x1f : n == 3 ? u[0] & 0x0f : u[0] & 0x07;
	for (size_t i = 1; i < n; i++)
		cp = cp << 6 | (u[i] & 0x3f);
	return cp;
}

size_t utf8_put(uint32_t cp, char *p)
{
	size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n; i-- > 1; cp >>= 6)
		p[i] = (char)(0x80 | (cp & 0x3f));
	p[0] = (char)(lead[n] | cp);
	return n;
}

/* Unicode 15, table 3-7: how much of a well-formed sequence stands at p; *whole: all of it. An ill-formed
 * part is as long as it could have begun one ("maximal subpart"), one byte at least. */
static size_t sequence(const unsigned char *p, size_t n, int *whole)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t want = p[0] < 0x80   ? 1
	              : p[0] < 0xc2 ? 0
	              : p[0] < 0xe0 ? 2
	              : p[0] < 0xf0 ? 3
	              : p[0] < 0xf5 ? 4
	                            : 0;
	*whole = want == 1;
	if (want < 2)
		return 1;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	size_t i = 1;
	for (; i < want && i < n && p[i] >= low && p[i] <= high; i++) {
		low = 0x80;
		high = 0xbf;
	}
	*whole = i == want;
	return i;
}

static size_t ascii(const unsigned char *p, size_t i, size_t n)
{
	uint64_t w;
	for (; n - i >= sizeof w; i += sizeof w) {
		memcpy(&w, p + i, sizeof w);
		if (w & UINT64_C(0x8080808080808080))
			break;
	}
	while (i < n && p[i] < 0x80)
		i++;
	return i;
}

/* The first ill-formed part at or after i; n when there is none. */
static size_t first_bad(const unsigned char *p, size_t i, size_t n, size_t *length)
{
	int whole = 1;
	while ((i = ascii(p, i, n)) < n) {
		*length = sequence(p + i, n - i, &whole);
		if (!whole)
			return i;
		i += *length;
	}
	return n;
}

int utf8_valid(struct tr_slice s)
{
	size_t length;
	return first_bad((const unsigned char *)s.p, 0, s.n, &length) == s.n;
}

int utf8_clean(struct tr_slice *s, struct tr_buf *b)
{
	const unsigned char *p = (const unsigned char *)s->p;
	size_t length, from = 0, bad = first_bad(p, 0, s->n, &length);
	if (bad == s->n)
		return 0;
	b->n = 0;
	int rc = 0;
	while (rc == 0 && from < s->n) {
		rc = tr_buf_add(b, s->p + from, bad - from);
		if (rc == 0 && bad < s->n)
			rc = tr_buf_add(b, "\xef\xbf\xbd", 3);
		from = bad < s->n ? bad + length : bad;
		bad = from < s->n ? first_bad(p, from, s->n, &length) : from;
	}
	*s = (struct tr_slice){b->p, b->n};
	return rc;
}

size_t utf8_count(struct tr_slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

int cp_is_white(uint32_t cp)
{
	if (cp < 0x80)
		return cp == ' ' || (cp >= 9 && cp <= 13);
	return cp == 0x85 || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
	       cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

int cp_is_word(uint32_t cp)
{
	switch (utf8proc_category((utf8proc_int32_t)cp)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_MC:
	case UTF8PROC_CATEGORY_ME:
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_PC:
		return 1;
	default: /* Other_Alphabetic beyond marks; Join_Control */
		return (cp >= 0x24b6 && cp <= 0x24e9) || (cp >= 0x1f130 && cp <= 0x1f149) ||
		       (cp >= 0x1f150 && cp <= 0x1f169) || (cp >= 0x1f170 && cp <= 0x1f189) || cp == 0x200c ||
		       cp == 0x200d;
	}
}

int cp_is_punctuation(uint32_t cp)
{
	if (cp < 0x80)
		return (cp >= 33 && cp <= 47) || (cp >= 58 && cp <= 64) || (cp >= 91 && cp <= 96) ||
		       (cp >= 123 && cp <= 126);
	if (cp == 0x166d || cp == 0x111c9) /* no longer */
		return 1;
	utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
	return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO && cp_age(cp) <= AGE_8;
}

int cp_is_numeric(uint32_t cp)
{
	utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
	return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO;
}
