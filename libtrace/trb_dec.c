/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of bytes and integers, in. Everything here may come from a hostile file: each count is held against
 * what is left of the body or of the content budget before memory is taken for it.
 */
#include "libtrace/trb_impl.h"

#include "libtrace/err.h"
#include "libtrace/le.h"

#include <string.h>

enum { CONSTANT, VARINT, CLASS, RUNS, KIND = 15, DELTA = 16, ZIGZAG = 32, SLACK = 16 };

const char trb_too_much[] = "block holds more than 8 MiB of content";

int trb_dec_init(struct trb_dec *d)
{
	memset(d, 0, sizeof *d);
	for (int i = 0; i < 2; i++)
		tr_buf_init(&d->bytes[i], 10 * (size_t)TR_BLOCK_MAX / 8 + SLACK);
	d->zstd = ZSTD_createDCtx();
	return d->zstd ? 0 : -TR_ENOMEM;
}

void trb_dec_free(struct trb_dec *d)
{
	ZSTD_freeDCtx(d->zstd);
	tr_buf_free(&d->bytes[0]);
	tr_buf_free(&d->bytes[1]);
}

static int bad(struct trb_dec *d, const char *reason)
{
	if (!d->reason)
		d->reason = reason;
	return -TR_EDATA;
}

int trb_charge(struct trb_dec *d, size_t unit, size_t count)
{
	if (count > d->budget / unit)
		return bad(d, trb_too_much);
	d->budget -= unit * count;
	return 0;
}

static int get_varint(const unsigned char *p, size_t n, size_t *pos, uint64_t *v)
{
	uint64_t x = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (*pos == n)
			return -1;
		unsigned char c = p[(*pos)++];
		if (shift == 63 && c > 1)
			return -1;
		x |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*v = x;
			return 0;
		}
	}
	return -1;
}

int trb_get_varint(struct trb_dec *d, uint64_t *v)
{
	return get_varint(d->p, d->n, &d->pos, v) < 0 ? bad(d, "bad varint") : 0;
}

int trb_get_bytes(struct trb_dec *d, size_t max, struct tr_buf *to)
{
	uint64_t raw, stored;
	if (d->pos == d->n)
		return bad(d, "stream of bytes is missing");
	unsigned method = d->p[d->pos++];
	if (method > 1)
		return bad(d, "unknown compression method");
	if (trb_get_varint(d, &raw) < 0)
		return -TR_EDATA;
	stored = raw;
	if (method == 1 && trb_get_varint(d, &stored) < 0)
		return -TR_EDATA;
	if (raw > max)
		return bad(d, "stream of bytes is longer than its values can be");
	if (stored > d->n - d->pos)
		return bad(d, "stream of bytes is longer than its column");
	to->n = 0;
	int rc = tr_buf_reserve(to, raw + SLACK);
	if (rc < 0)
		return bad(d, "no memory"), rc;
	if (method == 0) {
		memcpy(to->p, d->p + d->pos, raw);
	} else {
		static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
		const unsigned char *frame = d->p + d->pos;
		if (stored < sizeof magic || memcmp(frame, magic, sizeof magic) != 0 ||
		    ZSTD_findFrameCompressedSize(frame, stored) != stored)
			return bad(d, "not one zstd frame");
		size_t k = ZSTD_decompressDCtx(d->zstd, to->p, raw, frame, stored);
		if (ZSTD_isError(k) || k != raw)
			return bad(d, "damaged zstd frame");
	}
	memset(to->p + raw, 0, SLACK);
	to->n = raw;
	d->pos += stored;
	return 0;
}

/* --- residuals, into v ------------------------------------------------------------------- */

static int get_constant(struct trb_dec *d, uint64_t *v, size_t m)
{
	uint64_t r;
	if (trb_get_varint(d, &r) < 0)
		return -TR_EDATA;
	for (size_t i = 0; i < m; i++)
		v[i] = r;
	return 0;
}

static int get_varints(struct trb_dec *d, uint64_t *v, size_t m)
{
	struct tr_buf *raw = &d->bytes[0];
	size_t pos = 0;
	int rc = trb_get_bytes(d, 10 * m, raw);
	for (size_t i = 0; i < m && rc == 0; i++)
		if (get_varint((unsigned char *)raw->p, raw->n, &pos, &v[i]) < 0)
			rc = bad(d, "bad varint among the values");
	return rc == 0 && pos != raw->n ? bad(d, "bytes left after the values") : rc;
}

static int get_classes(struct trb_dec *d, uint64_t *v, size_t m)
{
	struct tr_buf *classes = &d->bytes[0], *bits = &d->bytes[1];
	int rc = trb_get_bytes(d, m, classes);
	if (rc == 0)
		rc = trb_get_bytes(d, 8 * m, bits);
	if (rc < 0)
		return rc;
	const unsigned char *c = (unsigned char *)classes->p, *b = (unsigned char *)bits->p;
	if (classes->n != m)
		return bad(d, "not a class for each value");
	uint64_t total = 0;
	for (size_t i = 0; i < m; i++) {
		if (c[i] > 64)
			return bad(d, "class above 64");
		total += c[i] ? c[i] - 1u : 0;
	}
	if (bits->n != (total + 7) / 8 || (total % 8 && b[bits->n - 1] >> (total % 8)))
		return bad(d, "mantissas do not fit their classes");
	uint64_t at = 0;
	for (size_t i = 0; i < m; i++) {
		if (c[i] < 2) {
			v[i] = c[i];
			continue;
		}
		unsigned width = c[i] - 1u, shift = (unsigned)(at & 7);
		const unsigned char *p = b + (at >> 3);
		uint64_t x = tr_le64(p) >> shift;
		if (width + shift > 64)
			x |= (uint64_t)p[8] << (64 - shift);
		v[i] = (x & ((UINT64_C(1) << width) - 1)) | UINT64_C(1) << width;
		at += width;
	}
	return 0;
}

static int get_runs(struct trb_dec *d, uint64_t *v, size_t n)
{
	uint64_t k;
	if (trb_get_varint(d, &k) < 0)
		return -TR_EDATA;
	if (k < 1 || k > n)
		return bad(d, "number of runs does not fit");
	if (d->pos < d->n && (d->p[d->pos] & KIND) == RUNS)
		return bad(d, "runs inside runs");
	/* The first values go to the front of v, the lengths after them; n >= 2k is not sure, so lengths have
	 * their own room. */
	struct tr_buf lengths;
	tr_buf_init(&lengths, TR_BLOCK_MAX);
	int rc = tr_buf_reserve(&lengths, k * sizeof *v);
	if (rc < 0)
		return bad(d, "no memory"), rc;
	uint64_t *more = (uint64_t *)(void *)lengths.p;
	uint64_t *first =
	    v + (n - k); /* at the end: filled from the front, a run never overtakes what is still unread */
	rc = trb_get_ints(d, first, k);
	if (rc == 0 && d->pos < d->n && (d->p[d->pos] & KIND) == RUNS)
		rc = bad(d, "runs inside runs");
	if (rc == 0)
		rc = trb_get_ints(d, more, k);
	size_t at = 0;
	for (size_t i = 0; i < k && rc == 0; i++) {
		if (more[i] >= n - at - (k - i - 1)) {
			rc = bad(d, "runs are longer than their column");
			break;
		}
		uint64_t value = first[i];
		for (uint64_t j = 0; j <= more[i]; j++)
			v[at++] = value + j;
	}
	if (rc == 0 && at != n)
		rc = bad(d, "runs are shorter than their column");
	tr_buf_free(&lengths);
	return rc;
}

/* Residuals in v[0..m) become values; with delta they move up by one. */
static void finish(uint64_t *v, size_t n, int delta, int zigzag, uint64_t first, uint64_t g)
{
	size_t m = n - (size_t)delta;
	if (zigzag)
		for (size_t i = 0; i < m; i++)
			v[i] = (v[i] >> 1) ^ (0 - (v[i] & 1));
	if (g > 1)
		for (size_t i = 0; i < m; i++)
			v[i] *= g;
	if (!delta)
		return;
	uint64_t value = first;
	for (size_t i = 0; i < n; i++) {
		uint64_t step = i < m ? v[i] : 0;
		v[i] = value;
		value += step;
	}
}

int trb_get_ints(struct trb_dec *d, uint64_t *v, size_t n)
{
	static int (*const kinds[])(struct trb_dec *, uint64_t *, size_t) = {
	    [CONSTANT] = get_constant, [VARINT] = get_varints, [CLASS] = get_classes};
	uint64_t first = 0, g;
	if (n == 0)
		return 0;
	if (d->pos == d->n)
		return bad(d, "stream of integers is missing");
	unsigned byte = d->p[d->pos++], kind = byte & KIND;
	if (byte > (KIND | DELTA | ZIGZAG) || kind > RUNS || (kind == RUNS && byte != RUNS))
		return bad(d, "unknown encoding of integers");
	if (kind == RUNS)
		return get_runs(d, v, n);
	int delta = (byte & DELTA) != 0, zigzag = (byte & ZIGZAG) != 0;
	if (delta && trb_get_varint(d, &first) < 0)
		return -TR_EDATA;
	first = (first >> 1) ^ (0 - (first & 1));
	if (trb_get_varint(d, &g) < 0)
		return -TR_EDATA;
	if (g == 0)
		return bad(d, "divisor 0");
	int rc = kinds[kind](d, v, n - (size_t)delta);
	if (rc == 0)
		finish(v, n, delta, zigzag, first, g);
	return rc;
}
