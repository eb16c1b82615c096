/* SPDX-License-Identifier: Apache-2.0
 *
 * Random streams: xoshiro256** 1.0 (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
 * ACM TOMS 47(4), 2021), its state filled by splitmix64 (Steele, Lea and Flood, OOPSLA 2014). The purpose
 * is folded into the seed byte by byte, so that two purposes share a stream only by a collision of 64 bits.
 */
#include "libtrace/rng.h"

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

void tr_rng_init(struct tr_rng *g, uint64_t seed, const char *purpose)
{
	const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);

	for (const char *p = purpose; *p; p++)
		seed = mix(seed + golden * (1 + (uint64_t)(unsigned char)*p));
	for (int i = 0; i < 4; i++) /* at most one of four can be zero: mix is one-to-one */
		g->s[i] = mix(seed += golden);
}

uint64_t tr_rng_u64(struct tr_rng *g)
{
	uint64_t *s = g->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

/* Lemire, "Fast random integer generation in an interval", ACM TOMACS 29(1), 2019. */
uint64_t tr_rng_below(struct tr_rng *g, uint64_t n)
{
	unsigned __int128 product;

	if (n == 0)
		return tr_rng_u64(g);
	product = (unsigned __int128)tr_rng_u64(g) * n;
	if ((uint64_t)product < n) {
		uint64_t unfair = (0 - n) % n;

		while ((uint64_t)product < unfair)
			product = (unsigned __int128)tr_rng_u64(g) * n;
	}
	return (uint64_t)(product >> 64);
}

double tr_rng_open(struct tr_rng *g)
{
	/* 52 bits: with one more, k + 0.5 would round, and the largest to 1. */
	return ((double)(tr_rng_u64(g) >> 12) + 0.5) * 0x1p-52;
}

double tr_rng_exponential(struct tr_rng *g)
{
	return -tr_det_log(tr_rng_open(g));
}

double tr_rng_normal(struct tr_rng *g)
{
	return tr_det_normal_quantile(tr_rng_open(g));
}
