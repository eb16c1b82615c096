/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of columns: built record by record, walked record by record.
 */
#include "libtrace/block.h"

#include <stdlib.h>
#include <string.h>

enum { RECENT_SLOTS = 256, RECENT_LONGEST = 128 };

/* Direct-mapped: names of models and sessions repeat, so most find themselves here. */
struct recent {
	uint64_t place[RECENT_SLOTS]; /* offset << 32 | length + 1; 0 = free */
};

int tr_block_new(struct tr_block **out, enum tr_kind kind, struct tr_err *err)
{
	struct tr_block *b = calloc(1, sizeof *b);
	if (!b)
		return tr_fail(err, TR_ENOMEM, "no memory for a block");
	b->kind = kind;
	b->schema = &tr_schemas[kind];
	b->refs = 1;
	memset(b->col_of, -1, sizeof b->col_of);
	tr_buf_init(&b->bytes, TR_BLOCK_MAX);
	*out = b;
	return 0;
}

struct tr_block *tr_block_ref(struct tr_block *b)
{
	__atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
	return b;
}

void tr_block_unref(struct tr_block *b)
{
	if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (uint32_t i = 0; i < b->ncols; i++) {
		free(b->cols[i].present);
		free(b->cols[i].v);
	}
	tr_buf_free(&b->bytes);
	free(b->pool);
	free(b->recent);
	free(b);
}

static struct tr_column *column(struct tr_block *b, unsigned bit)
{
	if (b->col_of[bit] < 0) {
		b->col_of[bit] = (int8_t)b->ncols;
		b->cols[b->ncols++] = (struct tr_column){.field = &b->schema->fields[bit]};
	}
	return &b->cols[b->col_of[bit]];
}

/* Room for one more value in the current row, and its presence noted. */
static int column_open_row(const struct tr_block *b, struct tr_column *c)
{
	if (c->count == c->cap) {
		uint32_t cap = c->cap ? c->cap * 2 : 256;
		uint64_t *v = realloc(c->v, cap * sizeof *v);
		if (!v)
			return -TR_ENOMEM;
		c->v = v;
		c->cap = cap;
	}
	if (!c->present) {
		if (c->count == b->rows)
			return 0;
		c->present = calloc(TR_BLOCK_ROWS / 64, sizeof *c->present);
		if (!c->present)
			return -TR_ENOMEM;
		for (uint32_t i = 0; i < c->count; i++)
			c->present[i / 64] |= UINT64_C(1) << (i % 64);
	}
	c->present[b->rows / 64] |= UINT64_C(1) << (b->rows % 64);
	return 0;
}

static int store_bytes(struct tr_block *b, struct tr_slice s, int repeats, uint64_t *place)
{
	uint64_t *slot = NULL;
	if (repeats && s.n <= RECENT_LONGEST) {
		if (!b->recent && !(b->recent = calloc(1, sizeof(struct recent))))
			return -TR_ENOMEM;
		uint32_t h = 2166136261u; /* FNV-1a */
		for (size_t i = 0; i < s.n; i++)
			h = (h ^ (unsigned char)s.p[i]) * 16777619u;
		slot = &((struct recent *)b->recent)->place[(h ^ h >> 16) % RECENT_SLOTS];
		uint64_t at = *slot >> 32, n = (*slot & UINT32_MAX) - 1;
		if (*slot && n == s.n && (n == 0 || memcmp(b->bytes.p + at, s.p, n) == 0)) {
			*place = at << 32 | n;
			return 0;
		}
	}
	uint64_t at = b->bytes.n;
	int rc = tr_buf_add(&b->bytes, s.p, s.n);
	if (rc < 0)
		return rc;
	*place = at << 32 | s.n;
	if (slot)
		*slot = *place + 1;
	return 0;
}

static int store_list(struct tr_block *b, struct tr_list l, uint64_t *place)
{
	if (l.n > b->pool_cap - b->pool_n) {
		size_t cap = b->pool_cap ? (size_t)b->pool_cap * 2 : 1024;
		while (cap < b->pool_n + l.n)
			cap *= 2;
		uint64_t *pool = realloc(b->pool, cap * sizeof *pool);
		if (!pool)
			return -TR_ENOMEM;
		b->pool = pool;
		b->pool_cap = (uint32_t)cap;
	}
	if (l.n)
		memcpy(b->pool + b->pool_n, l.v, l.n * sizeof *l.v);
	*place = (uint64_t)b->pool_n << 32 | l.n;
	b->pool_n += (uint32_t)l.n;
	return 0;
}

/* Content of a record, as far as it matters for the limits. */
static size_t content_of(const struct tr_schema *schema, const void *rec, uint64_t mask)
{
	size_t n = 0;
	for (uint64_t m = mask; m; m &= m - 1) {
		const struct tr_field *f = &schema->fields[__builtin_ctzll(m)];
		if (f->type == TR_TYPE_STR)
			n += 16 + tr_field_str(f, rec).n;
		else if (f->type == TR_TYPE_LIST)
			n += 16 + 8 * tr_field_list(f, rec).n;
		else
			n += 8;
		if (n > TR_RECORD_MAX)
			break;
	}
	return n;
}

/* One NaN, so that the JSONL twin, which knows only one, has the same content. */
static uint64_t number(const struct tr_field *f, const void *rec)
{
	uint64_t v = tr_field_bits(f, rec);
	int nan = f->type == TR_TYPE_F64 && (v << 1) > UINT64_C(0xffe0000000000000);
	return nan ? UINT64_C(0x7ff8000000000000) : v;
}

/* The common case by far: a record with the same fields as the ones before, all of them integers, and room
 * for it. */
static int add_integers(struct tr_block *b, const void *rec, uint64_t mask)
{
	if (mask != b->plain_mask || b->rows >= b->plain_room)
		return 0;
	for (uint32_t i = 0; i < b->ncols; i++) {
		struct tr_column *c = &b->cols[i];
		memcpy(&c->v[c->count++], (const char *)rec + c->field->offset, sizeof *c->v);
	}
	b->content += 8 * (size_t)b->ncols;
	b->rows++;
	return 1;
}

/* After a record went the long way: how many rows may follow the short one. */
static void find_room(struct tr_block *b, uint64_t mask)
{
	uint64_t room = TR_BLOCK_ROWS;
	b->plain_mask = 0;
	if (mask == 0 || (uint32_t)__builtin_popcountll(mask) != b->ncols)
		return;
	for (uint32_t i = 0; i < b->ncols; i++) {
		const struct tr_column *c = &b->cols[i];
		if (c->present || c->count != b->rows ||
		    (c->field->type != TR_TYPE_U64 && c->field->type != TR_TYPE_I64))
			return;
		room = c->cap < room ? c->cap : room;
	}
	size_t left =
	    b->content < TR_BLOCK_CONTENT ? (TR_BLOCK_CONTENT - b->content) / (8 * (size_t)b->ncols) : 0;
	b->plain_room = b->rows + left < room ? (uint32_t)(b->rows + left) : (uint32_t)room;
	b->plain_mask = mask;
}

int tr_block_add(struct tr_block *b, const void *rec, struct tr_err *err)
{
	uint64_t mask;
	memcpy(&mask, rec, sizeof mask);
	if (mask && add_integers(b, rec, mask))
		return 0;
	size_t content = content_of(b->schema, rec, mask);
	if (content > TR_RECORD_MAX)
		return tr_fail(err, TR_ELIMIT, "a record of more than %d bytes", TR_RECORD_MAX);
	if (b->rows == TR_BLOCK_ROWS || (b->rows && b->content + content > TR_BLOCK_CONTENT))
		return 1;
	for (uint64_t m = mask; m; m &= m - 1) {
		struct tr_column *c = column(b, (unsigned)__builtin_ctzll(m));
		const struct tr_field *f = c->field;
		uint64_t v = 0;
		int rc = column_open_row(b, c);
		if (rc == 0 && f->type == TR_TYPE_STR)
			rc = store_bytes(b, tr_field_str(f, rec), f->hint == TR_HINT_DICT, &v);
		else if (rc == 0 && f->type == TR_TYPE_LIST)
			rc = store_list(b, tr_field_list(f, rec), &v);
		else
			v = number(f, rec);
		if (rc < 0)
			return tr_fail(err, (enum tr_code) - rc, "no memory for a block");
		c->v[c->count++] = v;
	}
	b->content += content;
	b->rows++;
	find_room(b, mask);
	return 0;
}

void tr_cursor_init(struct tr_cursor *c, const struct tr_block *b)
{
	memset(c, 0, sizeof *c);
	c->b = b;
}

int tr_cursor_next(struct tr_cursor *cur, void *rec)
{
	const struct tr_block *b = cur->b;
	uint32_t row = cur->row;
	if (row >= b->rows)
		return 0;
	uint64_t mask = 0;
	for (uint32_t i = 0; i < b->ncols; i++) {
		const struct tr_column *c = &b->cols[i];
		if (c->present ? !(c->present[row / 64] >> (row % 64) & 1) : row >= c->count)
			continue;
		uint64_t v = c->v[cur->next[i]++];
		char *member = (char *)rec + c->field->offset;
		mask |= UINT64_C(1) << c->field->bit;
		if (c->field->type == TR_TYPE_STR) {
			struct tr_slice s = {b->bytes.p ? b->bytes.p + (v >> 32) : "", v & UINT32_MAX};
			memcpy(member, &s, sizeof s);
		} else if (c->field->type == TR_TYPE_LIST) {
			struct tr_list l = {b->pool + (v >> 32), v & UINT32_MAX};
			memcpy(member, &l, sizeof l);
		} else {
			memcpy(member, &v, sizeof v);
		}
	}
	memcpy(rec, &mask, sizeof mask);
	cur->row++;
	return 1;
}

size_t tr_block_largest(const struct tr_block *b)
{
	union {
		struct tr_rec rec;
		struct tr_series series;
		struct tr_event event;
	} any;
	struct tr_cursor c;
	size_t largest = 0;
	tr_cursor_init(&c, b);
	while (tr_cursor_next(&c, &any)) {
		uint64_t mask;
		memcpy(&mask, &any, sizeof mask);
		size_t n = content_of(b->schema, &any, mask);
		largest = n > largest ? n : largest;
	}
	return largest;
}
