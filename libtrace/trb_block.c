/* SPDX-License-Identifier: Apache-2.0
 *
 * Data blocks: columns by name, each made of streams of integers and bytes.
 */
#include "libtrace/err.h"
#include "libtrace/trb_impl.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PARTLY = 1, DICTIONARY = 0, PLAIN_STRINGS = 1, NAME_MAX_BYTES = 255 };

static const unsigned char type_codes[] = {
    [TR_TYPE_U64] = 0, [TR_TYPE_I64] = 1, [TR_TYPE_F64] = 2, [TR_TYPE_STR] = 3, [TR_TYPE_LIST] = 4};

uint32_t trb_crc(const unsigned char *head, const struct tr_buf *body)
{
	uLong crc = crc32(0, head, TRB_HEAD);
	return (uint32_t)(body->n ? crc32(crc, (unsigned char *)body->p, (uInt)body->n)
	                          : crc); /* zlib takes NULL as a reset */
}

/* --- out --------------------------------------------------------------------------------- */

static int put_presence(struct trb_enc *e, struct tr_buf *out, const struct tr_block *b,
                        const struct tr_column *c)
{
	unsigned char bits[TR_BLOCK_ROWS / 8] = {0};
	for (uint32_t i = 0; i < b->rows; i++)
		if (c->present ? c->present[i / 64] >> (i % 64) & 1 : i < c->count)
			bits[i / 8] |= (unsigned char)(1u << (i % 8));
	return trb_put_bytes(e, out, bits, (b->rows + 7) / 8);
}

/* Numbers of the distinct strings in order of first appearance. */
struct dictionary {
	uint64_t *index; /* of each value */
	uint64_t *place; /* of each distinct string */
	size_t n;
	uint32_t *table; /* open addressing, number + 1 */
};

static uint32_t find(struct dictionary *d, size_t mask, const char *bytes, uint64_t place)
{
	const char *p = bytes + (place >> 32);
	size_t n = place & UINT32_MAX;
	uint64_t h = n;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * UINT64_C(1099511628211);
	h ^= h >> 32;
	for (size_t slot = h & mask;; slot = (slot + 1) & mask) {
		uint32_t k = d->table[slot];
		if (k == 0) {
			d->place[d->n] = place;
			d->table[slot] = (uint32_t)++d->n;
			return (uint32_t)d->n - 1;
		}
		uint64_t other = d->place[k - 1];
		if ((other & UINT32_MAX) == n && (n == 0 || memcmp(bytes + (other >> 32), p, n) == 0))
			return k - 1;
	}
}

static int put_plain_strings(struct trb_enc *e, struct tr_buf *out, const char *bytes, const uint64_t *place,
                             size_t n)
{
	struct tr_buf all;
	tr_buf_init(&all, 2 * (size_t)TR_BLOCK_MAX);
	uint64_t *lengths = malloc(n * sizeof *lengths);
	int rc = lengths ? 0 : -TR_ENOMEM;
	for (size_t i = 0; i < n && rc == 0; i++) {
		lengths[i] = place[i] & UINT32_MAX;
		rc = tr_buf_add(&all, bytes + (place[i] >> 32), lengths[i]);
	}
	if (rc == 0)
		rc = trb_put_ints(e, out, lengths, n, TR_HINT_PLAIN);
	if (rc == 0)
		rc = trb_put_bytes(e, out, all.p, all.n);
	free(lengths);
	tr_buf_free(&all);
	return rc;
}

static int put_strings(struct trb_enc *e, struct tr_buf *out, const struct tr_block *b,
                       const struct tr_column *c)
{
	const char *bytes = b->bytes.p ? b->bytes.p : "";
	if (c->field->hint != TR_HINT_DICT || c->count == 0) {
		int rc = tr_buf_char(out, PLAIN_STRINGS);
		return rc < 0 ? rc : put_plain_strings(e, out, bytes, c->v, c->count);
	}
	size_t slots = 64;
	while (slots < 2 * (size_t)c->count)
		slots *= 2;
	struct dictionary d = {malloc(c->count * sizeof *d.index), malloc(c->count * sizeof *d.place), 0,
	                       calloc(slots, sizeof *d.table)};
	int rc = d.index && d.place && d.table ? 0 : -TR_ENOMEM;
	for (uint32_t i = 0; i < c->count && rc == 0; i++)
		d.index[i] = find(&d, slots - 1, bytes, c->v[i]);
	if (rc == 0)
		rc = tr_buf_char(out, DICTIONARY);
	if (rc == 0)
		rc = trb_put_varint(out, d.n);
	if (rc == 0)
		rc = put_plain_strings(e, out, bytes, d.place, d.n);
	if (rc == 0)
		rc = trb_put_ints(e, out, d.index, c->count, TR_HINT_PLAIN);
	free(d.index);
	free(d.place);
	free(d.table);
	return rc;
}

static int put_lists(struct trb_enc *e, struct tr_buf *out, const struct tr_block *b,
                     const struct tr_column *c)
{
	uint64_t *lengths = malloc((c->count + 1) * sizeof *lengths);
	struct tr_buf all;
	tr_buf_init(&all, 2 * (size_t)TR_BLOCK_MAX);
	int rc = lengths ? 0 : -TR_ENOMEM;
	for (uint32_t i = 0; i < c->count && rc == 0; i++) {
		lengths[i] = c->v[i] & UINT32_MAX;
		rc = tr_buf_add(&all, b->pool + (c->v[i] >> 32), lengths[i] * sizeof *b->pool);
	}
	if (rc == 0)
		rc = trb_put_ints(e, out, lengths, c->count, TR_HINT_PLAIN);
	if (rc == 0)
		rc = trb_put_ints(e, out, (const uint64_t *)(void *)all.p, all.n / sizeof(uint64_t),
		                  c->field->hint);
	free(lengths);
	tr_buf_free(&all);
	return rc;
}

static int put_column(struct trb_enc *e, struct tr_buf *out, const struct tr_block *b,
                      const struct tr_column *c)
{
	const struct tr_field *f = c->field;
	size_t name = strlen(f->name);
	int partly = c->count < b->rows;
	int rc = partly ? put_presence(e, &e->column, b, c) : 0;
	if (rc == 0)
		rc = f->type == TR_TYPE_STR    ? put_strings(e, &e->column, b, c)
		     : f->type == TR_TYPE_LIST ? put_lists(e, &e->column, b, c)
		                               : trb_put_ints(e, &e->column, c->v, c->count, f->hint);
	if (rc == 0)
		rc = tr_buf_char(out, (char)name);
	if (rc == 0)
		rc = tr_buf_add(out, f->name, name);
	if (rc == 0)
		rc = tr_buf_char(out, (char)type_codes[f->type]);
	if (rc == 0)
		rc = tr_buf_char(out, (char)(partly ? PARTLY : 0));
	if (rc == 0)
		rc = trb_put_varint(out, e->column.n);
	return rc < 0 ? rc : tr_buf_add(out, e->column.p, e->column.n);
}

/* Columns in the order of their numbers, so that the bytes do not depend on which record came first. */
int trb_put_block(struct trb_enc *e, struct tr_buf *out, const struct tr_block *b)
{
	int rc = trb_put_varint(out, b->ncols);
	for (unsigned bit = 0; bit < b->schema->nfields && rc == 0; bit++) {
		if (b->col_of[bit] < 0)
			continue;
		e->column.n = 0;
		rc = put_column(e, out, b, &b->cols[b->col_of[bit]]);
	}
	return rc;
}

/* --- in ---------------------------------------------------------------------------------- */

static int bad(struct trb_dec *d, const char *reason)
{
	if (!d->reason)
		d->reason = reason;
	return -TR_EDATA;
}

static int no_memory(struct trb_dec *d)
{
	bad(d, "no memory");
	return -TR_ENOMEM;
}

static int get_presence(struct trb_dec *d, uint32_t rows, struct tr_column *c)
{
	int rc = trb_get_bytes(d, (rows + 7) / 8, &d->bytes[0]);
	if (rc < 0)
		return rc;
	const unsigned char *p = (unsigned char *)d->bytes[0].p;
	if (d->bytes[0].n != (rows + 7) / 8 || (rows % 8 && p[rows / 8] >> (rows % 8)))
		return bad(d, "presence bitmap does not fit");
	c->present = calloc(TR_BLOCK_ROWS / 64, sizeof *c->present);
	if (!c->present)
		return no_memory(d);
	for (uint32_t i = 0; i < d->bytes[0].n; i++) {
		c->present[i / 8] |= (uint64_t)p[i] << (8 * (i % 8));
		c->count += (uint32_t)__builtin_popcount(p[i]);
	}
	return 0;
}

/* n strings into the block's bytes; place[i] says where. */
static int get_plain_strings(struct trb_dec *d, struct tr_block *b, uint64_t *place, size_t n)
{
	int rc = trb_get_ints(d, place, n);
	uint64_t total = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (place[i] > d->budget - total)
			rc = bad(d, trb_too_much);
		else
			total += place[i];
	}
	if (rc == 0)
		rc = trb_get_bytes(d, total, &d->bytes[0]);
	if (rc < 0)
		return rc;
	if (d->bytes[0].n != total)
		return bad(d, "strings do not fit their lengths");
	uint64_t at = b->bytes.n;
	if (tr_buf_add(&b->bytes, d->bytes[0].p, total) < 0)
		return bad(d, trb_too_much);
	for (size_t i = 0; i < n; i++) {
		uint64_t length = place[i];
		place[i] = at << 32 | length;
		at += length;
	}
	return 0;
}

static int get_dictionary(struct trb_dec *d, struct tr_block *b, struct tr_column *c)
{
	uint64_t n;
	if (trb_get_varint(d, &n) < 0)
		return -TR_EDATA;
	if (n < 1 || n > c->count)
		return bad(d, "dictionary does not fit");
	uint64_t *place = malloc(n * sizeof *place);
	int rc = place ? get_plain_strings(d, b, place, n) : no_memory(d);
	if (rc == 0)
		rc = trb_get_ints(d, c->v, c->count);
	for (uint32_t i = 0; i < c->count && rc == 0; i++) {
		if (c->v[i] >= n)
			rc = bad(d, "string number outside its dictionary");
		else
			c->v[i] = place[c->v[i]];
	}
	free(place);
	return rc;
}

static int get_strings(struct trb_dec *d, struct tr_block *b, struct tr_column *c)
{
	if (trb_charge(d, 8, c->count) < 0)
		return -TR_EDATA;
	if (d->pos == d->n)
		return bad(d, "strings are missing");
	unsigned form = d->p[d->pos++];
	if (form > PLAIN_STRINGS)
		return bad(d, "unknown form of strings");
	int rc = form == DICTIONARY ? get_dictionary(d, b, c) : get_plain_strings(d, b, c->v, c->count);
	/* A word counts for each record that has it, or a small file could stand for any amount of text. */
	for (uint32_t i = 0; i < c->count && rc == 0; i++)
		rc = trb_charge(d, 1, c->v[i] & UINT32_MAX);
	return rc;
}

static int get_lists(struct trb_dec *d, struct tr_block *b, struct tr_column *c)
{
	int rc = trb_charge(d, 8, c->count);
	if (rc == 0)
		rc = trb_get_ints(d, c->v, c->count);
	uint64_t total = 0;
	for (uint32_t i = 0; i < c->count && rc == 0; i++) {
		if (c->v[i] > d->budget / 8 - total)
			rc = bad(d, trb_too_much);
		else
			total += c->v[i];
	}
	if (rc == 0)
		rc = trb_charge(d, 8, total);
	if (rc < 0)
		return rc;
	uint64_t *pool = realloc(b->pool, (b->pool_n + total + 1) * sizeof *pool);
	if (!pool)
		return no_memory(d);
	b->pool = pool;
	b->pool_cap = (uint32_t)(b->pool_n + total + 1);
	rc = trb_get_ints(d, pool + b->pool_n, total);
	for (uint32_t i = 0; i < c->count; i++) {
		uint64_t length = c->v[i];
		c->v[i] = (uint64_t)b->pool_n << 32 | length;
		b->pool_n += (uint32_t)length;
	}
	return rc;
}

static int get_values(struct trb_dec *d, struct tr_block *b, struct tr_column *c)
{
	int rc = trb_charge(d, 8, c->count);
	if (rc < 0)
		return rc;
	c->v = malloc((c->count + 1) * sizeof *c->v);
	if (!c->v)
		return no_memory(d);
	c->cap = c->count + 1;
	if (c->field->type == TR_TYPE_STR)
		return get_strings(d, b, c);
	if (c->field->type == TR_TYPE_LIST)
		return get_lists(d, b, c);
	return trb_get_ints(d, c->v, c->count);
}

static int get_column(struct trb_dec *d, struct tr_block *b)
{
	uint64_t length;
	if (d->pos == d->n)
		return bad(d, "column is missing");
	struct tr_slice name = {(const char *)d->p + d->pos + 1, d->p[d->pos]};
	if (d->n - d->pos < name.n + 3)
		return bad(d, "column ends early");
	d->pos += 1 + name.n;
	unsigned type = d->p[d->pos], flags = d->p[d->pos + 1];
	d->pos += 2;
	if (trb_get_varint(d, &length) < 0)
		return -TR_EDATA;
	if (length > d->n - d->pos)
		return bad(d, "column is longer than its block");
	size_t end = d->pos + length, whole = d->n;
	const struct tr_field *f = tr_field_find(b->schema, name);
	if (!f) {
		d->pos = end;
		return 0;
	}
	if (type != type_codes[f->type])
		return bad(d, "column has another type than its field");
	if (flags & ~(unsigned)PARTLY)
		return bad(d, "column has unknown flags");
	if (b->col_of[f->bit] >= 0)
		return bad(d, "column stands twice");
	b->col_of[f->bit] = (int8_t)b->ncols;
	struct tr_column *c = &b->cols[b->ncols++];
	c->field = f;
	d->n = end;
	int rc = 0;
	if (flags & PARTLY)
		rc = get_presence(d, b->rows, c);
	else
		c->count = b->rows;
	if (rc == 0)
		rc = get_values(d, b, c);
	if (rc == 0 && d->pos != end)
		rc = bad(d, "bytes left at the end of a column");
	d->n = whole;
	return rc;
}

int trb_get_block(struct trb_dec *d, enum tr_kind kind, uint32_t rows, struct tr_block **out)
{
	struct tr_block *b;
	uint64_t ncols;
	int rc = tr_block_new(&b, kind, NULL);
	if (rc < 0)
		return no_memory(d);
	b->rows = rows;
	d->budget = TR_BLOCK_MAX;
	d->reason = NULL;
	rc = trb_get_varint(d, &ncols);
	for (uint64_t i = 0; i < ncols && rc == 0; i++)
		rc = get_column(d, b);
	if (rc == 0 && d->pos != d->n)
		rc = bad(d, "bytes left at the end of a block");
	b->content = TR_BLOCK_MAX - d->budget;
	if (rc == 0 && b->content > TR_RECORD_MAX && tr_block_largest(b) > TR_RECORD_MAX)
		rc = bad(d, "a record of more than 6 MiB");
	if (rc < 0) {
		tr_block_unref(b);
		return rc;
	}
	*out = b;
	return 0;
}
