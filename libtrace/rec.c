/* SPDX-License-Identifier: Apache-2.0
 *
 * The field tables, made from the lists in rec.h, and access through them.
 */
#include "libtrace/rec.h"

#include "libtrace/near.h"

#include <string.h>

#define TR_ROW(strct, bit, member, type, hint, unit, text)                                                   \
	[bit] = {#member, TR_TYPE_##type, TR_HINT_##hint, bit, offsetof(struct strct, member), unit, text},

static const struct tr_field rec_fields[] = {
#define TR_X(bit, member, ctype, type, hint, unit, text) TR_ROW(tr_rec, bit, member, type, hint, unit, text)
    TR_REC_FIELDS(TR_X)
#undef TR_X
};
static const struct tr_field series_fields[] = {
#define TR_X(bit, member, ctype, type, hint, unit, text)                                                     \
	TR_ROW(tr_series, bit, member, type, hint, unit, text)
    TR_SERIES_FIELDS(TR_X)
#undef TR_X
};
static const struct tr_field event_fields[] = {
#define TR_X(bit, member, ctype, type, hint, unit, text) TR_ROW(tr_event, bit, member, type, hint, unit, text)
    TR_EVENT_FIELDS(TR_X)
#undef TR_X
};

const struct tr_schema tr_schemas[TR_KINDS] = {
    [TR_REQUEST] = {"request", rec_fields, TR_REC_NFIELDS, sizeof(struct tr_rec), TR_F_arrival_ns},
    [TR_SERIES] = {"series", series_fields, TR_SERIES_NFIELDS, sizeof(struct tr_series), TR_S_t_ns},
    [TR_EVENT] = {"event", event_fields, TR_EVENT_NFIELDS, sizeof(struct tr_event), TR_E_t_ns},
};

const struct tr_field *tr_field_find(const struct tr_schema *schema, struct tr_slice name)
{
	for (unsigned i = 0; i < schema->nfields; i++)
		if (tr_slice_eq(name, schema->fields[i].name))
			return &schema->fields[i];
	return NULL;
}

static const char *nth_name(const void *ctx, int i)
{
	const struct tr_schema *schema = ctx;
	return (unsigned)i < schema->nfields ? schema->fields[i].name : NULL;
}

const struct tr_field *tr_field_nearest(const struct tr_schema *schema, struct tr_slice name)
{
	const char *near = tr_near(name, nth_name, schema);
	return near ? tr_field_find(schema, tr_slice_of(near)) : NULL;
}

uint64_t tr_field_bits(const struct tr_field *f, const void *rec)
{
	uint64_t bits;
	memcpy(&bits, (const char *)rec + f->offset, sizeof bits);
	return bits;
}

struct tr_slice tr_field_str(const struct tr_field *f, const void *rec)
{
	struct tr_slice s;
	memcpy(&s, (const char *)rec + f->offset, sizeof s);
	return s;
}

struct tr_list tr_field_list(const struct tr_field *f, const void *rec)
{
	struct tr_list l;
	memcpy(&l, (const char *)rec + f->offset, sizeof l);
	return l;
}

/* The mask is the first member of every record. */
static void mark(const struct tr_field *f, void *rec)
{
	uint64_t mask;
	memcpy(&mask, rec, sizeof mask);
	mask |= UINT64_C(1) << f->bit;
	memcpy(rec, &mask, sizeof mask);
}

void tr_field_set_bits(const struct tr_field *f, void *rec, uint64_t bits)
{
	memcpy((char *)rec + f->offset, &bits, sizeof bits);
	mark(f, rec);
}

void tr_field_set_str(const struct tr_field *f, void *rec, struct tr_slice s)
{
	memcpy((char *)rec + f->offset, &s, sizeof s);
	mark(f, rec);
}

void tr_field_set_list(const struct tr_field *f, void *rec, struct tr_list l)
{
	memcpy((char *)rec + f->offset, &l, sizeof l);
	mark(f, rec);
}
