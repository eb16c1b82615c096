/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of bytes and integers, out: a divisor and differences taken off first, then whichever of the kinds
 * of trb(5) makes a sample smallest. Class and mantissa apart is near the entropy of lengths and gaps: the
 * classes compress, the bits below do not.
 */
#include "libtrace/trb_impl.h"

#include "libtrace/err.h"
#include "libtrace/le.h"

#include <string.h>

enum { SAMPLE = 2048, ZSTD_LEVEL = 1, WORTH_ZSTD = 16, ALL = 1 << 30 };
enum kind { CONSTANT, VARINT, CLASS, RUNS };
enum { DELTA = 16, ZIGZAG = 32 };

int trb_enc_init(struct trb_enc *e)
{
	memset(e, 0, sizeof *e);
	tr_buf_init(&e->residuals, ALL);
	tr_buf_init(&e->packed, ALL);
	tr_buf_init(&e->column, ALL);
	for (int i = 0; i < 2; i++) {
		tr_buf_init(&e->trial[i], ALL);
		tr_buf_init(&e->runs[i], ALL);
		tr_buf_init(&e->bytes[i], ALL);
	}
	e->zstd = ZSTD_createCCtx();
	return e->zstd ? 0 : -TR_ENOMEM;
}

void trb_enc_free(struct trb_enc *e)
{
	ZSTD_freeCCtx(e->zstd);
	tr_buf_free(&e->residuals);
	tr_buf_free(&e->packed);
	tr_buf_free(&e->column);
	for (int i = 0; i < 2; i++) {
		tr_buf_free(&e->trial[i]);
		tr_buf_free(&e->runs[i]);
		tr_buf_free(&e->bytes[i]);
	}
}

int trb_put_varint(struct tr_buf *out, uint64_t v)
{
	unsigned char s[10];
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		s[n++] = (unsigned char)(v | 0x80);
	s[n++] = (unsigned char)v;
	return tr_buf_add(out, s, n);
}

int trb_put_bytes(struct trb_enc *e, struct tr_buf *out, const void *p, size_t n)
{
	size_t packed = n;
	int rc = 0;
	if (n >= WORTH_ZSTD) {
		e->packed.n = 0;
		rc = tr_buf_reserve(&e->packed, ZSTD_compressBound(n));
		if (rc < 0)
			return rc;
		packed = ZSTD_compressCCtx(e->zstd, e->packed.p, e->packed.cap, p, n, ZSTD_LEVEL);
		if (ZSTD_isError(packed))
			return -TR_ENOMEM;
	}
	int zstd = packed + 3 < n;
	rc = tr_buf_char(out, (char)zstd);
	if (rc == 0)
		rc = trb_put_varint(out, n);
	if (rc == 0 && zstd)
		rc = trb_put_varint(out, packed);
	return rc < 0 ? rc : tr_buf_add(out, zstd ? e->packed.p : p, zstd ? packed : n);
}

/* --- from values to residuals ------------------------------------------------------------ */

struct plan {
	int delta, zigzag;
	uint64_t first, divisor;
	const uint64_t *r; /* residuals */
	size_t m;
	int constant;
};

static uint64_t magnitude(uint64_t s)
{
	return (int64_t)s < 0 ? 0 - s : s;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t t = a % b;
		a = b;
		b = t;
	}
	return a;
}

/* Divide all by their greatest common divisor, which is returned; signs stay. One division a value: the
 * quotients are made with the divisor found so far, and scaled up when it turns out to be smaller. */
static uint64_t divide(uint64_t *r, size_t m)
{
	uint64_t g = 0;
	for (size_t i = 0; i < m && g != 1; i++) {
		uint64_t a = magnitude(r[i]), q = g ? a / g : 0, rest = a - q * g;
		if (rest) {
			uint64_t smaller = gcd(rest, g), scale = g / smaller;
			for (size_t k = 0; k < i; k++)
				r[k] *= scale; /* also of a negative quotient: modulo 2^64 */
			g = smaller;
			q = a / g;
		}
		r[i] = (int64_t)r[i] < 0 ? 0 - q : q;
	}
	return g ? g : 1;
}

static int make_residuals(struct trb_enc *e, const uint64_t *v, size_t n, int delta, struct plan *plan)
{
	size_t m = n - (size_t)delta;
	e->residuals.n = 0;
	int rc = tr_buf_reserve(&e->residuals, (m + 1) * sizeof(uint64_t));
	if (rc < 0)
		return rc;
	uint64_t *r = (uint64_t *)(void *)e->residuals.p, any = 0, differs = 0;
	for (size_t i = 0; i < m; i++) {
		r[i] = delta ? v[i + 1] - v[i] : v[i];
		any |= r[i];
		differs |= r[i] ^ r[0];
	}
	int zigzag = (any >> 63) != 0;
	uint64_t g = divide(r, m);
	if (zigzag)
		for (size_t i = 0; i < m; i++)
			r[i] = (int64_t)r[i] < 0 ? 2 * (0 - r[i]) - 1 : 2 * r[i];
	*plan = (struct plan){delta, zigzag, delta ? v[0] : 0, g, r, m, m == 0 || differs == 0};
	return 0;
}

/* --- the kinds --------------------------------------------------------------------------- */

static int put_varints(struct trb_enc *e, struct tr_buf *out, const uint64_t *r, size_t m)
{
	struct tr_buf *raw = &e->bytes[0];
	raw->n = 0;
	int rc = tr_buf_reserve(raw, 10 * m);
	for (size_t i = 0; i < m && rc == 0; i++)
		rc = trb_put_varint(raw, r[i]);
	return rc < 0 ? rc : trb_put_bytes(e, out, raw->p, raw->n);
}

static int put_classes(struct trb_enc *e, struct tr_buf *out, const uint64_t *r, size_t m)
{
	struct tr_buf *classes = &e->bytes[0], *bits = &e->bytes[1];
	classes->n = bits->n = 0;
	int rc = tr_buf_reserve(classes, m);
	if (rc == 0)
		rc = tr_buf_reserve(bits, 8 * m + 16);
	if (rc < 0)
		return rc;
	unsigned __int128 pending = 0;
	unsigned n = 0;
	for (size_t i = 0; i < m; i++) {
		unsigned class = r[i] ? 64 - (unsigned)__builtin_clzll(r[i]) : 0;
		classes->p[i] = (char)class;
		if (class < 2)
			continue;
		pending |= (unsigned __int128)(r[i] ^ UINT64_C(1) << (class - 1)) << n;
		n += class - 1;
		if (n >= 64) {
			tr_put_le64((unsigned char *)bits->p + bits->n, (uint64_t)pending);
			bits->n += 8;
			pending >>= 64;
			n -= 64;
		}
	}
	tr_put_le64((unsigned char *)bits->p + bits->n, (uint64_t)pending);
	bits->n += (n + 7) / 8;
	rc = trb_put_bytes(e, out, classes->p, m);
	return rc < 0 ? rc : trb_put_bytes(e, out, bits->p, bits->n);
}

static int put_plain(struct trb_enc *e, struct tr_buf *out, enum kind kind, const struct plan *plan)
{
	int rc =
	    tr_buf_char(out, (char)((int)kind | (plan->delta ? DELTA : 0) | (plan->zigzag ? ZIGZAG : 0)));
	if (rc == 0 && plan->delta)
		rc = trb_put_varint(out, plan->first << 1 ^ (0 - (plan->first >> 63)));
	if (rc == 0)
		rc = trb_put_varint(out, plan->divisor);
	if (rc < 0)
		return rc;
	if (kind == CONSTANT)
		return trb_put_varint(out, plan->m ? plan->r[0] : 0);
	return (kind == VARINT ? put_varints : put_classes)(e, out, plan->r, plan->m);
}

static int put_ints(struct trb_enc *e, struct tr_buf *out, const uint64_t *v, size_t n, int delta);

static int put_runs(struct trb_enc *e, struct tr_buf *out, const uint64_t *v, size_t n)
{
	struct tr_buf *first = &e->runs[0], *length = &e->runs[1];
	int rc = tr_buf_char(out, RUNS);
	first->n = length->n = 0;
	for (size_t i = 0; i < n && rc == 0;) {
		size_t k = i + 1;
		while (k < n && v[k] == v[k - 1] + 1)
			k++;
		uint64_t more = k - i - 1;
		rc = tr_buf_add(first, &v[i], sizeof v[i]);
		if (rc == 0)
			rc = tr_buf_add(length, &more, sizeof more);
		i = k;
	}
	size_t count = first->n / sizeof *v;
	if (rc == 0)
		rc = trb_put_varint(out, count);
	if (rc == 0)
		rc = put_ints(e, out, (const uint64_t *)(void *)first->p, count, 1);
	return rc < 0 ? rc : put_ints(e, out, (const uint64_t *)(void *)length->p, count, 0);
}

/* The smaller of varint and class on a sample. */
static int choose(struct trb_enc *e, const struct plan *plan, enum kind *kind, size_t *size)
{
	struct plan sample = *plan;
	size_t sizes[2];
	sample.m = plan->m < SAMPLE ? plan->m : SAMPLE;
	for (int i = 0; i < 2; i++) {
		e->trial[0].n = 0;
		int rc = put_plain(e, &e->trial[0], i ? CLASS : VARINT, &sample);
		if (rc < 0)
			return rc;
		sizes[i] = e->trial[0].n;
	}
	*kind = sizes[1] < sizes[0] ? CLASS : VARINT;
	*size = sizes[*kind == CLASS];
	return 0;
}

/* Without runs; what runs are made of. */
static int put_ints(struct trb_enc *e, struct tr_buf *out, const uint64_t *v, size_t n, int delta)
{
	struct plan plan;
	enum kind kind = CONSTANT;
	size_t size;
	if (n == 0)
		return 0;
	int rc = make_residuals(e, v, n, delta, &plan);
	if (rc == 0 && !plan.constant)
		rc = choose(e, &plan, &kind, &size);
	return rc < 0 ? rc : put_plain(e, out, kind, &plan);
}

static size_t steps_of_one(const uint64_t *v, size_t n)
{
	size_t count = 0;
	for (size_t i = 1; i < n; i++)
		count += v[i] == v[i - 1] + 1;
	return count;
}

int trb_put_ints(struct trb_enc *e, struct tr_buf *out, const uint64_t *v, size_t n, enum tr_hint hint)
{
	struct plan plan;
	enum kind kind = CONSTANT;
	size_t size = 0;
	if (n == 0)
		return 0;
	int delta = hint == TR_HINT_DELTA;
	int rc = make_residuals(e, v, n, delta, &plan);
	if (rc < 0)
		return rc;
	if (plan.constant)
		return put_plain(e, out, CONSTANT, &plan);
	rc = choose(e, &plan, &kind, &size);
	if (rc < 0)
		return rc;
	size_t sample = n < SAMPLE ? n : SAMPLE;
	if (delta && steps_of_one(v, sample) > sample / 2) {
		e->trial[1].n = 0;
		rc = put_runs(e, &e->trial[1], v, sample);
		if (rc == 0 && e->trial[1].n < size)
			return put_runs(e, out, v, n);
		if (rc == 0) /* the parts of the runs were made in the same buffer */
			rc = make_residuals(e, v, n, delta, &plan);
	}
	return rc < 0 ? rc : put_plain(e, out, kind, &plan);
}
