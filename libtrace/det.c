/* SPDX-License-Identifier: Apache-2.0
 *
 * Transcendental functions that give the same bits everywhere: IEEE +, -, *, / and the square root (which
 * IEEE rounds correctly too), in a fixed order, and no fused operation. What a libm returns differs between
 * versions in the last bit, and one bit moves a draw.
 */
#include "libtrace/rng.h"
#include <float.h>
#include <math.h>
#include <string.h>

/* ln 2 in two parts; the first has 32 bits, so that its product with an exponent is exact. */
static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;

static uint64_t bits_of(double x)
{
	uint64_t u;

	memcpy(&u, &x, sizeof(u));
	return u;
}

static double double_of(uint64_t u)
{
	double x;

	memcpy(&x, &u, sizeof(x));
	return x;
}

/* ln(x) = k ln 2 + 2 artanh((m - 1) / (m + 1)), m within sqrt(1/2)..sqrt(2): the odd series in s,
 * |s| < 0.172. */
double tr_det_log(double x)
{
	static const double odd[] = {1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
	                             1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3};
	int k = 0;
	double s, z, tail = 0;
	uint64_t u;

	if (x < DBL_MIN) { /* subnormal: make the leading bit explicit */
		x *= 0x1p54;
		k = -54;
	}
	u = bits_of(x);
	k += (int)(u >> 52) - 1023;
	x = double_of((u & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000));
	if (x > 0x1.6a09e667f3bcdp0) {
		x *= 0.5;
		k++;
	}
	s = (x - 1.0) / (x + 1.0);
	z = s * s;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		tail = (tail + odd[i]) * z;
	s *= 2.0;
	return k * ln2_high + (s + (s * tail + k * ln2_low));
}

/* exp(x) = 2^k exp(r), |r| <= ln 2 / 2, by the series of 14 terms. */
double tr_det_exp(double x)
{
	enum { TERMS = 14 };
	double r, sum = 1.0;
	int k;

	if (x != x)
		return x;
	if (x > 709.79)
		return DBL_MAX;
	if (x < -745.14)
		return 0.0;
	k = (int)(x * 0x1.71547652b82fep0 + (x < 0 ? -0.5 : 0.5));
	r = (x - k * ln2_high) - k * ln2_low;
	for (int i = TERMS; i > 0; i--)
		sum = 1.0 + sum * r / i;
	/* In two steps, since 2^k alone may be out of range when the result is not. */
	sum *= double_of((uint64_t)(k / 2 + 1023) << 52);
	sum *= double_of((uint64_t)(k - k / 2 + 1023) << 52);
	return sum > DBL_MAX ? DBL_MAX : sum;
}

static double polynomial(const double c[8], double x)
{
	double sum = c[7];

	for (int i = 6; i >= 0; i--)
		sum = sum * x + c[i];
	return sum;
}

/* M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics
 * 37(3), 1988, PPND16: rational functions for the middle, the shoulders and the tails. */
double tr_det_normal_quantile(double p)
{
	static const double a[8] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
	                            1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
	                            3.3430575583588128105e4, 2.5090809287301226727e3};
	static const double b[8] = {1.0,
	                            4.2313330701600911252e1,
	                            6.8718700749205790830e2,
	                            5.3941960214247511077e3,
	                            2.1213794301586595867e4,
	                            3.9307895800092710610e4,
	                            2.8729085735721942674e4,
	                            5.2264952788528545610e3};
	static const double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
	                            5.76949722146069140550e0,  3.64784832476320460504e0,
	                            1.27045825245236838258e0,  2.41780725177450611770e-1,
	                            2.27238449892691845833e-2, 7.74545014278341407640e-4};
	static const double d[8] = {1.0,
	                            2.05319162663775882187e0,
	                            1.67638483018380384940e0,
	                            6.89767334985100004550e-1,
	                            1.48103976427480074590e-1,
	                            1.51986665636164571966e-2,
	                            5.47593808499534494600e-4,
	                            1.05075007164441684324e-9};
	static const double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
	                            1.78482653991729133580e0,  2.96560571828504891230e-1,
	                            2.65321895265761230930e-2, 1.24266094738807843860e-3,
	                            2.71155556874348757815e-5, 2.01033439929228813265e-7};
	static const double f[8] = {1.0,
	                            5.99832206555887937690e-1,
	                            1.36929880922735805310e-1,
	                            1.48753612908506148525e-2,
	                            7.86869131145613259100e-4,
	                            1.84631831751005468180e-5,
	                            1.42151175831644588870e-7,
	                            2.04426310338993978564e-15};
	double q = p - 0.5, r, v;

	if (q >= -0.425 && q <= 0.425) {
		r = 0.180625 - q * q;
		return q * polynomial(a, r) / polynomial(b, r);
	}
	r = sqrt(-tr_det_log(q < 0 ? p : 1.0 - p));
	v = r <= 5.0 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
	             : polynomial(e, r - 5.0) / polynomial(f, r - 5.0);
	return q < 0 ? -v : v;
}
