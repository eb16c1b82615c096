/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking through bytes sixteen at a time, where the processor can; one at a time gives the same.
 */
#ifndef LIBTRACE_SCAN_H
#define LIBTRACE_SCAN_H

#include <stddef.h>
#ifdef __SSE2__
#include <emmintrin.h>
/* How far, from the boundary of a character at i, text is surely well-formed UTF-8: the boundary of another
 * character, i itself where nothing can be said. A byte must go on a character just when one, two or three
 * bytes before it a lead byte says so; lead bytes whose second byte is bounded (E0, ED, F0 and above) and
 * those that never occur (C0, C1) are left to others. */
static inline size_t tr_scan_utf8(const char *p, size_t i, size_t n)
{
#ifdef __SSE2__
	const __m128i c0 = _mm_set1_epi8((char)0xc0), e0 = _mm_set1_epi8((char)0xe0),
	              f0 = _mm_set1_epi8((char)0xf0), c1 = _mm_set1_epi8((char)0xc1),
	              ed = _mm_set1_epi8((char)0xed);
	size_t k = i;
	for (; k >= 3 && n - k >= 16; k += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + k));
		__m128i x1 = _mm_loadu_si128((const __m128i *)(const void *)(p + k - 1));
		__m128i x2 = _mm_loadu_si128((const __m128i *)(const void *)(p + k - 2));
		if (!_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(x, x1), x2)))
			continue;
		__m128i wants = _mm_or_si128(_mm_cmpeq_epi8(_mm_max_epu8(x1, c0), x1),
		                             _mm_cmpeq_epi8(_mm_max_epu8(x2, e0), x2));
		__m128i goes_on = _mm_cmplt_epi8(x, c0); /* signed: 80 to BF */
		__m128i other =
		    _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, e0), _mm_cmpeq_epi8(x, ed)),
		                 _mm_or_si128(_mm_cmpeq_epi8(_mm_max_epu8(x, f0), x),
		                              _mm_or_si128(_mm_cmpeq_epi8(x, c0), _mm_cmpeq_epi8(x, c1))));
		if (_mm_movemask_epi8(_mm_or_si128(_mm_xor_si128(wants, goes_on), other)))
			break;
	}
	/* Back to where the last character begins: it may be cut by the end of the block. */
	for (int back = 0; k > i && back < 3 && ((unsigned char)p[k - 1] & 0xc0) == 0x80; back++)
		k--;
	return k > i && (unsigned char)p[k - 1] >= 0xc0 ? k - 1 : k;
#else
	(void)p;
	(void)n;
	return i;
#endif
}

#endif

/* The first byte at or after i that ends a plain stretch of a JSON string: a quote, a backslash or a control
 * character. n: none. */
static inline size_t tr_scan_string(const char *p, size_t i, size_t n)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), low = _mm_set1_epi8(0x1f);
#define TR_SCAN_HIT(at)                                                                                      \
	(x = _mm_loadu_si128((const __m128i *)(const void *)(at)),                                           \
	 _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash)),                      \
	              _mm_cmpeq_epi8(_mm_min_epu8(x, low), x)))
	__m128i x;
	for (; n - i >= 32; i += 32) {
		__m128i a = TR_SCAN_HIT(p + i), b = TR_SCAN_HIT(p + i + 16);
		if (_mm_movemask_epi8(_mm_or_si128(a, b)))
			return i + (size_t)__builtin_ctz((unsigned)_mm_movemask_epi8(a) |
			                                 (unsigned)_mm_movemask_epi8(b) << 16);
	}
	if (n - i >= 16) {
		int mask = _mm_movemask_epi8(TR_SCAN_HIT(p + i));
		if (mask)
			return i + (size_t)__builtin_ctz((unsigned)mask);
		i += 16;
	}
#undef TR_SCAN_HIT
#endif
	while (i < n && (unsigned char)p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

/* The first byte at or after i that is not ASCII. n: none. */
static inline size_t tr_scan_ascii(const char *p, size_t i, size_t n)
{
#ifdef __SSE2__
	for (; n - i >= 16; i += 16) {
		int mask = _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i)));
		if (mask)
			return i + (size_t)__builtin_ctz((unsigned)mask);
	}
#endif
	while (i < n && (unsigned char)p[i] < 0x80)
		i++;
	return i;
}

#endif
