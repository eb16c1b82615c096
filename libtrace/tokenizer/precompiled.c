/* SPDX-License-Identifier: Apache-2.0
 *
 * SentencePiece's compiled character map: a double-array trie (Darts) from strings to places in a pool of
 * NUL-terminated replacements. Layout: SentencePiece's normalizer.cc; units: darts-clone.
 */
#include "libtrace/tokenizer/impl.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <utf8proc.h>

static uint32_t unit(const struct normalizer *n, size_t i)
{
	const unsigned char *p = (const unsigned char *)n->text.p + 4 + i * 4;
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int precompiled_parse(struct normalizer *n, struct tr_slice base64, struct tr_err *err)
{
	size_t padding = 0;
	int rc;
	tr_buf_free(&n->text); /* a key that stands twice */
	tr_buf_init(&n->text, TOK_FILE_MAX);
	n->units = 0;
	if (base64.n % 4 || base64.n > TOK_FILE_MAX / 2)
		return tr_fail(err, TR_EDATA, "normalizer: not the base64 of a character map");
	while (padding < 2 && padding < base64.n && base64.p[base64.n - 1 - padding] == '=')
		padding++;
	rc = tr_buf_reserve(&n->text, base64.n / 4 * 3 + 1);
	if (rc < 0)
		return tok_no_memory(err);
	int got = EVP_DecodeBlock((unsigned char *)n->text.p, (const unsigned char *)base64.p, (int)base64.n);
	if (got < 4 || (size_t)got < padding + 4)
		return tr_fail(err, TR_EDATA, "normalizer: not the base64 of a character map");
	n->text.n = (size_t)got - padding;
	size_t bytes = 0;
	for (int i = 3; i >= 0; i--)
		bytes = bytes << 8 | (unsigned char)n->text.p[i];
	if (bytes % 4 || bytes == 0 || bytes > n->text.n - 4)
		return tr_fail(err, TR_EDATA, "normalizer: a character map of another length than it says");
	if (!utf8_valid((struct tr_slice){n->text.p + 4 + bytes, n->text.n - 4 - bytes}))
		return tr_fail(err, TR_EDATA, "normalizer: a character map whose texts are not UTF-8");
	n->units = bytes / 4;
	return 0;
}

static size_t offset_of(uint32_t u)
{
	return (size_t)(u >> 10) << ((u & (1U << 9)) >> 6);
}

/* The replacement of the shortest string of the map that begins here, as the reference takes it. */
static int look_up(const struct normalizer *n, struct tr_slice s, struct tr_slice *to)
{
	size_t at = 0, pool = 4 + n->units * 4;
	uint32_t u = unit(n, 0);
	at ^= offset_of(u);
	for (size_t i = 0; i < s.n && s.p[i]; i++) {
		at ^= (unsigned char)s.p[i];
		if (at >= n->units)
			return 0;
		u = unit(n, at);
		if ((u & ((1U << 31) | 0xff)) != (unsigned char)s.p[i])
			return 0;
		at ^= offset_of(u);
		if (!(u >> 8 & 1))
			continue;
		if (at >= n->units)
			return 0;
		size_t value = unit(n, at) & ((1U << 31) - 1);
		if (value >= n->text.n - pool)
			return 0;
		const char *p = n->text.p + pool + value;
		if (((unsigned char)*p & 0xc0) == 0x80) /* within a character */
			return 0;
		const char *end = memchr(p, '\0', n->text.n - pool - value);
		*to = (struct tr_slice){p, end ? (size_t)(end - p) : n->text.n - pool - value};
		return 1;
	}
	return 0;
}

/* A grapheme cluster of up to five bytes as a whole, else character by character. */
static int put_cluster(const struct normalizer *n, struct tr_slice s, struct tr_buf *b)
{
	struct tr_slice to;
	int rc = 0;
	if (s.n < 6 && look_up(n, s, &to))
		return tr_buf_add(b, to.p, to.n);
	for (size_t i = 0; i < s.n && rc == 0;) {
		struct tr_slice c = {s.p + i, utf8_length(s.p + i)};
		rc = look_up(n, c, &to) ? tr_buf_add(b, to.p, to.n) : tr_buf_add(b, c.p, c.n);
		i += c.n;
	}
	return rc;
}

int precompiled_run(const struct normalizer *n, struct tr_slice s, struct tr_buf *b)
{
	utf8proc_int32_t state = 0;
	uint32_t last = 0;
	size_t start = 0, length;
	int rc = 0;
	for (size_t i = 0; i < s.n && rc == 0; i += length) {
		uint32_t cp = utf8_at(s.p + i, &length);
		if (i &&
		    utf8proc_grapheme_break_stateful((utf8proc_int32_t)last, (utf8proc_int32_t)cp, &state)) {
			rc = put_cluster(n, (struct tr_slice){s.p + start, i - start}, b);
			start = i;
		}
		last = cp;
	}
	return rc < 0 || start == s.n ? rc : put_cluster(n, (struct tr_slice){s.p + start, s.n - start}, b);
}
