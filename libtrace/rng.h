/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded, named random streams: (seed, purpose) -> independent generator, the same on every machine.
 * Adding a consumer under a new name never shifts the draws of another.
 * Generator: xoshiro256** 1.0 (Blackman and Vigna, ACM TOMS 47(4), 2021; public domain reference), seeded by
 * splitmix64 from the seed and the purpose's bytes.
 */
#ifndef LIBTRACE_RNG_H
#define LIBTRACE_RNG_H

#include <stdint.h>

struct tr_rng {
	uint64_t s[4];
};

void tr_rng_init(struct tr_rng *g, uint64_t seed, const char *purpose);
uint64_t tr_rng_u64(struct tr_rng *g);
uint64_t tr_rng_below(struct tr_rng *g, uint64_t n); /* 0..n-1, unbiased; n = 0 means 2^64 */
double tr_rng_open(struct tr_rng *g);                /* (0,1): (k + 0.5) / 2^52, never 0 or 1 */

/* Transcendentals made of IEEE +, -, *, / and sqrt alone, so that draws are equal on every machine and
 * compiler (with -ffp-contract=off). Relative error below 2^-50 (the quantile: 2^-49), tested against libm.
 */
double tr_det_log(double x);             /* x > 0, finite */
double tr_det_exp(double x);             /* under- and overflow to 0 and DBL_MAX */
double tr_det_normal_quantile(double p); /* 0 < p < 1; Wichura, AS 241 (PPND16), 1988 */

double tr_rng_exponential(struct tr_rng *g); /* mean 1 */
double tr_rng_normal(struct tr_rng *g);      /* one uniform per draw, by the quantile */

#endif
