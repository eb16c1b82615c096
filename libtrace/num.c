/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict number parsing. Times, rates and counts are kept as integers from the first digit to the last:
 * a double has 53 bits, and nanoseconds of a year need 55. Plain integers have a short path of their own,
 * since every field of every row of a CSV file goes through it.
 */
#include "libtrace/num.h"
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char not_a_number[] = "not a number";
static const char not_an_integer[] = "not an integer";
static const char too_large[] = "too large";
static const char negative[] = "negative";
static const char unknown_unit[] = "unknown unit";

/* [-]digits[.digits][e[+-]digits], taken apart. The digits are those of the text with leading zeros of
 * the whole part left out; the value is 0.DIGITS times 10^point. */
struct decimal {
	const char *whole, *frac; /* digits before and after the point */
	size_t nwhole, nfrac;
	int64_t exp;    /* clamped: no text is long enough to bring it back */
	int neg, plain; /* plain: neither point nor exponent */
};

enum { EXP_CLAMP = 1000000000 };

static int is_digit(char c)
{
	return (unsigned char)(c - '0') <= 9;
}

static size_t span_digits(const char *p, const char *end)
{
	const char *q = p;

	while (q < end && is_digit(*q))
		q++;
	return (size_t)(q - p);
}

static int scan_exponent(const char **pp, const char *end, int64_t *exp)
{
	const char *p = *pp;
	int neg = p < end && *p == '-';

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (p == end || !is_digit(*p))
		return 0;
	for (*exp = 0; p < end && is_digit(*p); p++)
		if (*exp < EXP_CLAMP)
			*exp = *exp * 10 + (*p - '0');
	if (neg)
		*exp = -*exp;
	*pp = p;
	return 1;
}

/* NULL when the whole slice has the syntax. */
static const char *scan(struct tr_slice s, struct decimal *d)
{
	const char *p = s.p, *end;

	memset(d, 0, sizeof(*d));
	if (s.n == 0)
		return "empty";
	end = s.p + s.n;
	if (*p == '-') {
		d->neg = 1;
		p++;
	}
	d->whole = p;
	d->nwhole = span_digits(p, end);
	if (d->nwhole == 0)
		return not_a_number;
	p += d->nwhole;
	d->frac = p;
	d->plain = p == end;
	if (p < end && *p == '.') {
		d->frac = ++p;
		d->nfrac = span_digits(p, end);
		if (d->nfrac == 0)
			return not_a_number;
		p += d->nfrac;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (!scan_exponent(&p, end, &d->exp))
			return not_a_number;
	}
	if (p != end)
		return not_a_number;
	while (d->nwhole > 0 && *d->whole == '0') {
		d->whole++;
		d->nwhole--;
	}
	return NULL;
}

/* The i-th digit, whole part first. */
static unsigned digit(const struct decimal *d, size_t i)
{
	char c = i < d->nwhole ? d->whole[i] : d->frac[i - d->nwhole];

	return (unsigned)(c - '0');
}

/* Up to 19 digits fit in 64 bits whatever they are. */
enum { SAFE_DIGITS = 19 };

static const char *u64_slow(struct tr_slice s, uint64_t *out)
{
	struct decimal d;
	const char *why = scan(s, &d);
	uint64_t v = 0;

	if (why)
		return why;
	if (d.neg)
		return negative;
	if (!d.plain)
		return not_an_integer;
	for (size_t i = 0; i < d.nwhole; i++)
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit(&d, i), &v))
			return too_large;
	*out = v;
	return NULL;
}

const char *tr_num_u64(struct tr_slice s, uint64_t *out)
{
	if (s.n - 1 < SAFE_DIGITS) { /* also false for n = 0 */
		uint64_t v = 0;
		size_t i = 0;

		do {
			unsigned d = (unsigned char)s.p[i] - (unsigned)'0';

			if (d > 9)
				return u64_slow(s, out);
			v = v * 10 + d;
		} while (++i < s.n);
		*out = v;
		return NULL;
	}
	return u64_slow(s, out);
}

const char *tr_num_i64(struct tr_slice s, int64_t *out)
{
	int neg = s.n > 0 && s.p[0] == '-';
	struct tr_slice digits = {s.p + neg, s.n - (size_t)neg};
	uint64_t v = 0;
	const char *why = neg && digits.n == 0 ? not_a_number : tr_num_u64(digits, &v);

	if (why)
		return why == negative ? not_a_number : why; /* "--5" */
	if (v > (uint64_t)INT64_MAX + (uint64_t)neg)
		return too_large;
	*out = neg ? -(int64_t)(v - (v > 0)) - (v > 0) : (int64_t)v;
	return NULL;
}

/* Above this, ten units and a carry do not fit in 64 bits. 58 years is unit enough. */
#define UNIT_MAX (UINT64_MAX / 10)

/* floor(unit * 0.DIGITS), digits taken from `from` on and preceded by zeros. Dividing from the last digit up
 * is exact: floor((n + y) / 10) = floor((n + floor(y)) / 10) for whole n. */
static uint64_t below_point(const struct decimal *d, size_t from, int64_t zeros, uint64_t unit, int *cut)
{
	uint64_t x = 0;

	for (size_t i = d->nwhole + d->nfrac; i > from; i--) {
		uint64_t sum = digit(d, i - 1) * unit + x;

		x = sum / 10;
		*cut |= x * 10 != sum;
	}
	for (; zeros > 0 && x > 0; zeros--) {
		*cut |= x % 10 != 0;
		x /= 10;
	}
	return x;
}

const char *tr_num_decimal_ns(struct tr_slice s, int64_t unit_ns, int64_t *out, int *exact)
{
	struct decimal d;
	const char *why = scan(s, &d);
	uint64_t unit = (uint64_t)unit_ns, whole = 0, ns;
	int cut = 0;
	int64_t point, i = 0;

	if (why)
		return why;
	if (unit_ns < 0 || unit > UNIT_MAX)
		return too_large;
	point = (int64_t)d.nwhole + d.exp;
	for (; i < point; i++) {
		size_t at = (size_t)i;
		unsigned next = at < d.nwhole + d.nfrac ? digit(&d, at) : 0;

		if (whole == 0 && at >= d.nwhole + d.nfrac)
			break; /* zero times any power of ten */
		if (__builtin_mul_overflow(whole, UINT64_C(10), &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)next, &whole))
			return too_large;
	}
	if (__builtin_mul_overflow(whole, unit, &ns))
		return too_large;
	if (point < (int64_t)(d.nwhole + d.nfrac)) {
		size_t from = point > 0 ? (size_t)point : 0;
		uint64_t rest = below_point(&d, from, point < 0 ? -point : 0, unit, &cut);

		if (__builtin_add_overflow(ns, rest, &ns))
			return too_large;
	}
	if (ns > (uint64_t)INT64_MAX + (uint64_t)d.neg)
		return too_large;
	*out = d.neg ? -(int64_t)(ns - (ns > 0)) - (ns > 0) : (int64_t)ns;
	if (exact)
		*exact = !cut;
	return NULL;
}

/* A binary64 midpoint has at most 767 significant digits: what comes after can only matter by not
 * being zero. */
enum { DOUBLE_DIGITS = 770, FAST_DIGITS = 15, FAST_POWER = 22 };

static const double powers_of_ten[FAST_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* Both factors are exact below these bounds, so one operation rounds once (Clinger, 1990). */
static int double_fast(const struct decimal *d, double *out)
{
	size_t n = d->nwhole + d->nfrac;
	int64_t exp = d->exp - (int64_t)d->nfrac;
	uint64_t v = 0;

	if (n > FAST_DIGITS || exp < -FAST_POWER || exp > FAST_POWER)
		return 0;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + digit(d, i);
	*out = exp < 0 ? (double)v / powers_of_ten[-exp] : (double)v * powers_of_ten[exp];
	return 1;
}

static double double_slow(const struct decimal *d)
{
	char text[DOUBLE_DIGITS + 48];
	size_t n = d->nwhole + d->nfrac, first = 0, len = 0;
	int64_t exp;

	while (first < n && digit(d, first) == 0)
		first++;
	exp = d->exp + (int64_t)d->nwhole - (int64_t)first; /* of 0.DIGITS */
	text[len++] = '0';
	text[len++] = '.';
	for (size_t i = first; i < n; i++) {
		char c = (char)('0' + digit(d, i));

		if (i - first < DOUBLE_DIGITS) {
			text[len++] = c;
		} else if (c != '0') {
			text[len++] = '1';
			break;
		}
	}
	snprintf(text + len, sizeof(text) - len, "e%lld", (long long)exp);
	return strtod(text, NULL);
}

const char *tr_num_double(struct tr_slice s, double *out)
{
	struct decimal d;
	const char *why = scan(s, &d);
	double v;

	if (why)
		return why;
	if (!double_fast(&d, &v))
		v = double_slow(&d);
	if (v > DBL_MAX)
		return too_large;
	*out = d.neg ? -v : v;
	return NULL;
}

struct unit {
	const char *name;
	uint64_t times;
};

static const struct unit time_units[] = {
    {"", UINT64_C(1000000000)}, /* bare: seconds */
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", UINT64_C(1000000000)},
    {"m", UINT64_C(60000000000)},
    {"h", UINT64_C(3600000000000)},
    {"d", UINT64_C(86400000000000)},
    {NULL, 0},
};

static const struct unit count_units[] = {
    {"", 1},
    {"k", 1000},
    {"M", 1000000},
    {"G", UINT64_C(1000000000)},
    {"T", UINT64_C(1000000000000)},
    {"Ki", UINT64_C(1) << 10},
    {"Mi", UINT64_C(1) << 20},
    {"Gi", UINT64_C(1) << 30},
    {"Ti", UINT64_C(1) << 40},
    {NULL, 0},
};

static const struct unit *find_unit(const struct unit *units, struct tr_slice name)
{
	for (; units->name; units++)
		if (tr_slice_eq(name, units->name))
			return units;
	return NULL;
}

static int is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Cut the letters at the end off. */
static struct tr_slice split_unit(struct tr_slice *s)
{
	size_t n = s->n;
	struct tr_slice unit;

	while (n > 0 && is_letter(s->p[n - 1]))
		n--;
	unit.p = s->p + n;
	unit.n = s->n - n;
	s->n = n;
	return unit;
}

const char *tr_num_duration(struct tr_slice s, int64_t *ns)
{
	struct tr_slice name;
	const struct unit *unit;
	const char *why;
	int exact;
	int64_t v;

	if (s.n == 0)
		return "empty";
	name = split_unit(&s);
	if (s.n == 0)
		return not_a_number;
	unit = find_unit(time_units, name);
	if (!unit)
		return unknown_unit;
	why = tr_num_decimal_ns(s, (int64_t)unit->times, &v, &exact);
	if (why)
		return why;
	if (s.p[0] == '-')
		return negative;
	if (!exact)
		return "finer than a nanosecond";
	*ns = v;
	return NULL;
}

static unsigned __int128 gcd(unsigned __int128 a, unsigned __int128 b)
{
	while (b) {
		unsigned __int128 r = a % b;

		a = b;
		b = r;
	}
	return a;
}

enum { RATIO_DECIMALS = 9 };

/* s / per as a reduced fraction. */
static const char *ratio_per(struct tr_slice s, uint64_t per, struct tr_ratio *out)
{
	struct decimal d;
	const char *why = scan(s, &d);
	unsigned __int128 num, den = per, g;
	uint64_t v = 0;
	size_t n;
	int64_t decimals;

	if (why)
		return why;
	n = d.nwhole + d.nfrac;
	decimals = (int64_t)d.nfrac - d.exp;
	while (n > 0 && digit(&d, n - 1) == 0) {
		n--;
		decimals--;
	}
	if (n == 0)
		return "zero";
	if (d.neg)
		return negative;
	if (decimals > RATIO_DECIMALS)
		return "more than 9 decimals";
	for (size_t i = 0; i < n; i++)
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit(&d, i), &v))
			return too_large;
	for (; decimals < 0; decimals++)
		if (__builtin_mul_overflow(v, UINT64_C(10), &v))
			return too_large;
	for (num = v; decimals > 0; decimals--)
		den *= 10;
	g = gcd(num, den);
	num /= g;
	den /= g;
	if (den > UINT64_MAX)
		return "too many digits";
	out->num = (uint64_t)num;
	out->den = (uint64_t)den;
	return NULL;
}

const char *tr_num_rate(struct tr_slice s, struct tr_ratio *out)
{
	const char *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
	struct tr_slice name = {"s", 1};
	const struct unit *unit;

	if (s.n == 0)
		return "empty";
	if (slash) {
		name.p = slash + 1;
		name.n = s.n - (size_t)(slash + 1 - s.p);
		s.n = (size_t)(slash - s.p);
	}
	unit = name.n ? find_unit(time_units, name) : NULL;
	if (!unit)
		return unknown_unit;
	return ratio_per(s, unit->times, out);
}

const char *tr_num_ratio(struct tr_slice s, struct tr_ratio *out)
{
	return ratio_per(s, 1, out);
}

const char *tr_num_count(struct tr_slice s, uint64_t *out)
{
	struct tr_slice name;
	const struct unit *unit;
	const char *why;
	uint64_t v;

	if (s.n == 0)
		return "empty";
	name = split_unit(&s);
	if (s.n == 0)
		return not_a_number;
	why = tr_num_u64(s, &v);
	if (why)
		return why;
	unit = find_unit(count_units, name);
	if (!unit)
		return unknown_unit;
	if (__builtin_mul_overflow(v, unit->times, &v))
		return too_large;
	*out = v;
	return NULL;
}

char *tr_num_print(double v, char *out, size_t size)
{
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(out, size, "%.*g", digits, v);
		if (strtod(out, NULL) == v)
			break;
	}
	return out;
}
