/* SPDX-License-Identifier: Apache-2.0
 *
 * A 64-bit hash for tables in memory: names, group values, contents. Not for files; not against an
 * adversary.
 */
#ifndef TOOLS_HASH_H
#define TOOLS_HASH_H

#include "libtrace/buf.h"
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_u64(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static inline uint64_t hash_bytes(struct tr_slice s)
{
	uint64_t h = hash_u64(s.n + UINT64_C(0x9e3779b97f4a7c15));
	for (size_t i = 0; i < s.n; i += 8) {
		uint64_t group = 0;
		memcpy(&group, s.p + i, s.n - i < 8 ? s.n - i : 8);
		h = hash_u64(h ^ group);
	}
	return h;
}

#endif
