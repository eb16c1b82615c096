/* SPDX-License-Identifier: Apache-2.0
 *
 * What a trailer states of a stream: counts, sums, inversions and the content hash of trb(5), over columns.
 */
#include "libtrace/le.h"
#include "libtrace/stream_impl.h"

#include <string.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

/* Finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014; constants by Stafford, variant 13). */
static inline uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t hash_bytes(const char *bytes, size_t n)
{
	const unsigned char *p = (const unsigned char *)bytes;
	unsigned char last[8] = {0};
	uint64_t q = n;
	size_t i = 0;
	for (; i + 8 <= n; i += 8)
		q = mix(q ^ tr_le64(p + i));
	if (i == n)
		return q;
	memcpy(last, p + i, n - i);
	return mix(q ^ tr_le64(last));
}

static uint64_t hash_list(const uint64_t *v, size_t n)
{
	uint64_t q = n;
	for (size_t i = 0; i < n; i++)
		q = mix(q ^ v[i]);
	return q;
}

static uint64_t hash_value(const struct tr_block *b, const struct tr_column *c, uint64_t v)
{
	if (c->field->type == TR_TYPE_STR)
		return hash_bytes(b->bytes.p + (v >> 32), v & UINT32_MAX);
	if (c->field->type == TR_TYPE_LIST)
		return hash_list(b->pool + (v >> 32), v & UINT32_MAX);
	return v;
}

/* Column by column over short stretches of rows, so that the independent multiplications overlap. */
void tr_count_hash(struct tr_count *c, struct tr_tail *tail, const struct tr_block *b)
{
	enum { STRETCH = 512 };
	uint64_t r[STRETCH], chain = c->chain[b->kind];
	uint32_t next[TR_REC_NFIELDS] = {0};
	for (uint32_t row = 0; row < b->rows; row += STRETCH) {
		uint32_t n = b->rows - row < STRETCH ? b->rows - row : STRETCH;
		memset(r, 0, n * sizeof *r);
		for (uint32_t k = 0; k < b->ncols; k++) {
			const struct tr_column *col = &b->cols[k];
			uint64_t salt = GOLDEN * (col->field->bit + 1);
			int number = col->field->type != TR_TYPE_STR && col->field->type != TR_TYPE_LIST;
			if (number && !col->present && col->count >= row + n) {
				for (uint32_t i = 0; i < n; i++)
					r[i] += mix(col->v[row + i] + salt);
				next[k] += n;
				continue;
			}
			for (uint32_t i = 0; i < n; i++) {
				uint32_t at = row + i;
				if (col->present ? col->present[at / 64] >> (at % 64) & 1 : at < col->count)
					r[i] += mix(hash_value(b, col, col->v[next[k]++]) + salt);
			}
		}
		for (uint32_t i = 0; i < n; i++)
			chain = mix(chain ^ r[i]);
	}
	c->chain[b->kind] = chain;
	tail->content = mix(c->chain[TR_REQUEST] + GOLDEN) ^ mix(c->chain[TR_SERIES] + 2 * GOLDEN) ^
	                mix(c->chain[TR_EVENT] + 3 * GOLDEN);
}

void tr_count_start(struct tr_count *c, struct tr_tail *tail)
{
	*c = (struct tr_count){{0}, 0, 0};
	tr_count_hash(c, tail, &(struct tr_block){.kind = TR_REQUEST});
}

static uint64_t sum(const struct tr_block *b, unsigned bit)
{
	uint64_t s = 0;
	if (b->col_of[bit] >= 0)
		for (uint32_t i = 0; i < b->cols[b->col_of[bit]].count; i++)
			s += b->cols[b->col_of[bit]].v[i];
	return s;
}

void tr_count_block(struct tr_count *c, struct tr_tail *tail, const struct tr_block *b)
{
	if (b->kind == TR_SERIES)
		tail->series += b->rows;
	if (b->kind == TR_EVENT)
		tail->events += b->rows;
	if (b->kind != TR_REQUEST)
		return;
	tail->records += b->rows;
	tail->in_tokens += sum(b, TR_F_in_tokens);
	tail->out_tokens += sum(b, TR_F_out_tokens);
	if (b->col_of[TR_F_arrival_ns] < 0)
		return;
	const struct tr_column *col = &b->cols[b->col_of[TR_F_arrival_ns]];
	for (uint32_t i = 0; i < col->count; i++) {
		int64_t t = (int64_t)col->v[i];
		if (!c->any) {
			tail->first_ns = tail->last_ns = c->last_arrival = t;
			tail->has_span = c->any = 1;
		}
		tail->inversions += t < c->last_arrival;
		tail->first_ns = t < tail->first_ns ? t : tail->first_ns;
		tail->last_ns = t > tail->last_ns ? t : tail->last_ns;
		c->last_arrival = t;
	}
}
