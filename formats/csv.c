/* SPDX-License-Identifier: Apache-2.0
 *
 * Any delimited text. A map says which column is which field (`arrival=Timestamp:s,in="Request
 * tokens",out=#4`); a file whose header consists of field names, such as our own writer makes, is mapped by
 * itself. Columns without a field stay, as text, in `extra`.
 */
#include "formats/csvio.h"
#include "libtrace/num.h"
#include "libtrace/stream_impl.h"
#include "libtrace/when.h"
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct tr_schema *const schema = &tr_schemas[TR_REQUEST];

enum unit { AUTO, ISO, DECIMAL };
static const struct {
	const char *name;
	enum unit unit;
	int64_t ns;
} units[] = {
    {"s", DECIMAL, 1000000000}, {"ms", DECIMAL, 1000000}, {"us", DECIMAL, 1000},
    {"ns", DECIMAL, 1},         {"iso", ISO, 0},          {NULL, AUTO, 0},
};

static int is_time(const struct tr_field *f)
{
	return f->type == TR_TYPE_I64 && strcmp(f->unit, "ns") == 0;
}

/* A point in time, not a length of time. */
static int is_stamp(const struct tr_field *f)
{
	return is_time(f) && f->hint == TR_HINT_DELTA;
}

/* --- the map ----------------------------------------------------------------------------- */

struct entry {
	const struct tr_field *field;
	struct tr_buf name;
	unsigned number; /* of the column, from 1; 0: by name */
	enum unit unit;
	int64_t unit_ns;
};

struct map {
	struct entry e[TR_REC_NFIELDS];
	unsigned n;
	int no_header;
};

static int map_error(const char *why, struct tr_slice what, struct tr_err *err)
{
	tr_fail(err, TR_EUSAGE, "%s", why);
	tr_err_field(err, "map", 3);
	tr_err_value(err, what.p, what.n);
	return -TR_EUSAGE;
}

static const struct tr_field *field_of(struct tr_slice key)
{
	static const struct {
		const char *key, *field;
	} shorts[] = {{"arrival", "arrival_ns"}, {"in", "in_tokens"}, {"out", "out_tokens"}};

	for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++)
		if (tr_slice_eq(key, shorts[i].key))
			key = tr_slice_of(shorts[i].field);
	return tr_field_find(schema, key);
}

static int unknown_field(struct tr_slice key, struct tr_err *err)
{
	const struct tr_field *near = tr_field_nearest(schema, key);

	tr_fail(err, TR_EUSAGE, near ? "no such field; did you mean %s?" : "no such field%s",
	        near ? near->name : "");
	tr_err_field(err, "map", 3);
	tr_err_value(err, key.p, key.n);
	return -TR_EUSAGE;
}

/* A column up to `:`, `,` or the end, moved past: "quoted", #number or plain. */
static const char *parse_column(const char *p, struct entry *e, struct tr_err *err)
{
	const char *start = p;
	uint64_t number;

	if (*p == '"') {
		for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
			p += *p == '"';
			if (tr_buf_char(&e->name, *p) < 0)
				break;
		}
		if (*p == '"')
			return p + 1;
		map_error("a quote without its end", tr_slice_of(start), err);
		return NULL;
	}
	p += strcspn(p, ":,");
	if (tr_buf_add(&e->name, start, (size_t)(p - start)) < 0 || p == start) {
		map_error("a column is missing", tr_slice_of(start), err);
		return NULL;
	}
	if (*start != '#')
		return p;
	if (tr_num_u64((struct tr_slice){start + 1, (size_t)(p - start) - 1}, &number) || number < 1 ||
	    number > CSVIO_COLS_MAX) {
		map_error("not the number of a column", tr_slice_of(start), err);
		return NULL;
	}
	e->number = (unsigned)number;
	return p;
}

static const char *parse_unit(const char *p, struct entry *e, struct tr_err *err)
{
	struct tr_slice name = {p, strcspn(p, ",")};
	unsigned i = 0;

	while (units[i].name && !tr_slice_eq(name, units[i].name))
		i++;
	if (!units[i].name) {
		map_error("unknown unit, there are s, ms, us, ns and iso", name, err);
		return NULL;
	}
	if (!is_time(e->field) || (units[i].unit == ISO && !is_stamp(e->field))) {
		map_error("a unit that the field does not have", name, err);
		return NULL;
	}
	e->unit = units[i].unit;
	e->unit_ns = units[i].ns;
	return p + name.n;
}

static const char *parse_entry(struct map *m, const char *p, struct tr_err *err)
{
	struct tr_slice key = {p, strcspn(p, "=,")};
	struct entry *e = &m->e[m->n];

	p += key.n;
	if (*p != '=') {
		map_error("field=column is missing its =", key, err);
		return NULL;
	}
	p++;
	if (tr_slice_eq(key, "header")) {
		if (strcspn(p, ",") == 4 && memcmp(p, "none", 4) == 0) {
			m->no_header = 1;
			return p + 4;
		}
		map_error("header can only be none", tr_slice_of(p), err);
		return NULL;
	}
	e->field = field_of(key);
	if (!e->field) {
		unknown_field(key, err);
		return NULL;
	}
	for (unsigned i = 0; i < m->n; i++)
		if (m->e[i].field == e->field) {
			map_error("a field stands twice", key, err);
			return NULL;
		}
	tr_buf_init(&e->name, CSVIO_ROW_MAX);
	m->n++;
	e->unit = AUTO;
	p = parse_column(p, e, err);
	return p && *p == ':' ? parse_unit(p + 1, e, err) : p;
}

static int parse_map(struct map *m, const char *p, struct tr_err *err)
{
	do {
		const char *start = p;

		p = parse_entry(m, p, err);
		if (!p)
			return -TR_EUSAGE;
		if (*p && *p != ',')
			return map_error("a comma is missing", tr_slice_of(start), err);
	} while (*p++);
	return 0;
}

static void map_free(struct map *m)
{
	for (unsigned i = 0; i < m->n; i++)
		tr_buf_free(&m->e[i].name);
}

/* --- reading ----------------------------------------------------------------------------- */

struct column {
	const struct tr_field *field; /* NULL: goes to extra */
	enum unit unit;
	int64_t unit_ns;
};

struct late { /* a string or list of the row at hand: where it stands, for buffers move while they grow */
	const struct tr_field *field;
	size_t at, n;
};

struct reader {
	struct csvio io;
	struct column col[CSVIO_COLS_MAX];
	int col_of[TR_REC_NFIELDS]; /* -1 = not mapped */
	int own;                    /* our own csv: offsets in ns, taken as they are */
	int has_base;
	int64_t base; /* what is taken off every stamp */
	uint64_t id;
	struct tr_buf extra, bytes, pool;
	struct late late[TR_REC_NFIELDS];
	unsigned nlate;
};

static const char *take_time(struct column *col, struct tr_slice s, int64_t *ns)
{
	if (col->unit == AUTO) {
		int stamp = is_stamp(col->field) && !tr_when_parse(s, ns, NULL);

		col->unit = stamp ? ISO : DECIMAL;
		col->unit_ns = units[0].ns;
	}
	if (col->unit == ISO)
		return tr_when_parse(s, ns, NULL);
	return tr_num_decimal_ns(s, col->unit_ns, ns, NULL);
}

static const char *take_list(struct reader *r, struct tr_slice s)
{
	size_t i = 0;

	while (i < s.n) {
		size_t from = i;
		uint64_t v;
		const char *why;

		while (i < s.n && s.p[i] != ' ' && s.p[i] != ';' && s.p[i] != '\t')
			i++;
		if (i > from) {
			why = tr_num_u64((struct tr_slice){s.p + from, i - from}, &v);
			if (why)
				return why;
			if (tr_buf_add(&r->pool, &v, sizeof(v)) < 0)
				return "a list that is too long";
		}
		i++;
	}
	return NULL;
}

static const char *take_late(struct reader *r, const struct tr_field *f, struct tr_slice s)
{
	struct late *late = &r->late[r->nlate++];
	struct tr_buf *to = f->type == TR_TYPE_LIST ? &r->pool : &r->bytes;

	*late = (struct late){f, to->n, 0};
	if (f->type == TR_TYPE_LIST) {
		const char *why = take_list(r, s);

		if (why)
			return why;
	} else if (tr_buf_add(to, s.p, s.n) < 0) {
		return "too long";
	}
	late->n = to->n - late->at;
	return NULL;
}

static const char *take_number(struct reader *r, struct column *col, struct tr_slice s)
{
	const struct tr_field *f = col->field;
	const char *why;
	uint64_t u;
	int64_t i;

	if (s.n == 0)
		return NULL;
	if (f->type == TR_TYPE_U64) {
		why = tr_num_u64(s, &u);
	} else {
		why = is_time(f) && !r->own ? take_time(col, s, &i) : tr_num_i64(s, &i);
		u = (uint64_t)i;
	}
	if (!why)
		tr_field_set_bits(f, &r->io.rec, u);
	return why;
}

static const char *csv_cell(void *self, unsigned i, struct tr_slice s)
{
	struct reader *r = self;
	struct column *col = &r->col[i];

	if (i == 0) {
		r->nlate = 0;
		r->extra.n = r->bytes.n = r->pool.n = 0;
	}
	if (!col->field)
		return csvio_add_extra(&r->extra, csvio_name(&r->io, i), s) < 0 ? "too long" : NULL;
	if (col->field->type != TR_TYPE_STR && col->field->type != TR_TYPE_LIST)
		return take_number(r, col, s);
	return s.p ? take_late(r, col->field, s) : NULL; /* an empty cell in quotes is a value */
}

/* Stamps are turned into offsets from the first record's arrival, as far as they are counted as it is: by
 * the wall or as plain numbers. */
static const char *shift_stamps(struct reader *r, unsigned *col)
{
	struct tr_rec *rec = &r->io.rec;
	int arrival = r->col_of[TR_F_arrival_ns];

	if (!r->has_base) {
		*col = (unsigned)arrival;
		if (!TR_HAS(rec, arrival_ns))
			return "empty in the first row, which gives the origin";
		r->has_base = 1;
		r->base = rec->arrival_ns;
	}
	for (unsigned f = 0; f < TR_REC_NFIELDS; f++) {
		const struct tr_field *field = &schema->fields[f];
		int64_t v;

		if (!(rec->mask >> f & 1) || r->col_of[f] < 0 || !is_stamp(field))
			continue;
		if ((r->col[r->col_of[f]].unit == ISO) != (r->col[arrival].unit == ISO))
			continue;
		*col = (unsigned)r->col_of[f];
		if (__builtin_sub_overflow((int64_t)tr_field_bits(field, rec), r->base, &v))
			return "more than 292 years from the first arrival";
		tr_field_set_bits(field, rec, (uint64_t)v);
	}
	return NULL;
}

static const char *csv_row(void *self, unsigned *col)
{
	struct reader *r = self;
	struct tr_rec *rec = &r->io.rec;
	const char *why = r->own || r->col_of[TR_F_arrival_ns] < 0 ? NULL : shift_stamps(r, col);

	if (why)
		return why;
	for (unsigned i = 0; i < r->nlate; i++) {
		const struct late *l = &r->late[i];

		if (l->field->type == TR_TYPE_LIST)
			tr_field_set_list(
			    l->field, rec,
			    (struct tr_list){(const uint64_t *)(const void *)(r->pool.p + l->at),
			                     l->n / sizeof(uint64_t)});
		else
			tr_field_set_str(l->field, rec, (struct tr_slice){r->bytes.p + l->at, l->n});
	}
	if (r->extra.n) {
		if (tr_buf_char(&r->extra, '}') < 0)
			return "columns without a field are too long";
		TR_SET(rec, extra, ((struct tr_slice){r->extra.p, r->extra.n}));
	}
	if (r->col_of[TR_F_id] < 0)
		TR_SET(rec, id, r->id);
	r->id++;
	return NULL;
}

static const struct csvio_ops csv_cells = {csv_cell, csv_row};

static int csv_block(void *self, struct tr_block **b, struct tr_err *err)
{
	struct reader *r = self;

	return csvio_block(&r->io, b, err);
}

static void csv_free_reader(void *self)
{
	struct reader *r = self;

	csvio_free(&r->io);
	tr_buf_free(&r->extra);
	tr_buf_free(&r->bytes);
	tr_buf_free(&r->pool);
	free(r);
}

static const struct tr_reader_ops csv_reader = {.block = csv_block, .free = csv_free_reader};

/* --- opening ----------------------------------------------------------------------------- */

/* The candidate that the first line has most of, outside quotes; the comma when there is none. */
static char find_delimiter(struct tr_slice s)
{
	static const char candidates[] = ",;\t|";
	size_t count[sizeof(candidates)] = {0}, best = 0;
	int quoted = 0, begun = 0;

	for (size_t i = 0; i < s.n; i++) {
		const char *at = s.p[i] ? strchr(candidates, s.p[i]) : NULL;

		quoted ^= s.p[i] == '"';
		if (!quoted && begun && (s.p[i] == '\n' || s.p[i] == '\r'))
			break;
		begun |= s.p[i] != '\n' && s.p[i] != '\r';
		if (at && !quoted)
			count[at - candidates]++;
	}
	for (size_t i = 1; candidates[i]; i++)
		if (count[i] > count[best])
			best = i;
	return candidates[best];
}

static int place_column(struct reader *r, const struct entry *e, struct tr_err *err)
{
	struct tr_slice name = {e->name.p, e->name.n};
	int col = e->number ? (int)e->number - 1 : csvio_find(&r->io, name);

	if (col < 0 || (unsigned)col >= r->io.ncols) {
		tr_fail(err, TR_EDATA, "no such column");
		tr_err_field(err, e->field->name, strlen(e->field->name));
		tr_err_value(err, name.p, name.n);
		tr_err_line(err, r->io.row_line);
		return -TR_EDATA;
	}
	if (r->col[col].field)
		return map_error("a column stands twice", name, err);
	r->col[col] = (struct column){e->field, e->unit, e->unit_ns};
	r->col_of[e->field->bit] = col;
	return 0;
}

static int name_error(const struct reader *r, const char *what, struct tr_slice name, struct tr_err *err)
{
	tr_fail(err, TR_EUSAGE, "%s", what);
	tr_err_field(err, name.p, name.n);
	tr_err_line(err, r->io.row_line);
	return -TR_EUSAGE;
}

/* Names of fields are those fields. Others are kept beside them, once it is clear that the names mean fields.
 */
static int map_by_names(struct reader *r, struct tr_err *err)
{
	struct tr_slice unknown = {NULL, 0};

	r->own = 1;
	for (unsigned i = 0; i < r->io.ncols; i++) {
		struct tr_slice name = csvio_name(&r->io, i);
		const struct tr_field *f = tr_field_find(schema, name);

		if (!f) {
			unknown = unknown.p ? unknown : name;
			continue;
		}
		if (r->col_of[f->bit] >= 0)
			return name_error(r, "the column stands twice", name, err);
		r->col[i] = (struct column){.field = f, .unit = DECIMAL, .unit_ns = 1};
		r->col_of[f->bit] = (int)i;
	}
	if (unknown.p && (r->col_of[TR_F_arrival_ns] < 0 || r->col_of[TR_F_in_tokens] < 0))
		return name_error(r, "which column is what? Say so with --map", unknown, err);
	return 0;
}

static int take_any(struct tr_slice s, int whole, char delimiter, unsigned *ncols, struct tr_err *err)
{
	struct csvio io;
	int rc = csvio_open_mem(&io, s, whole, delimiter, &csv_cells, NULL, err);

	if (rc == 0)
		rc = csvio_header(&io, err);
	*ncols = io.ncols;
	csvio_free(&io);
	return rc;
}

static int find_columns(struct reader *r, const struct map *m, struct tr_err *err)
{
	char delimiter = r->io.opts.delimiter;
	struct tr_slice s;
	unsigned ncols;
	int whole, rc = csvio_look(&r->io, &s, &whole, err), keeps = 0;

	if (rc < 0)
		return rc;
	if (!delimiter)
		delimiter = find_delimiter(s);
	csvio_set_delimiter(&r->io, delimiter);
	if (m->no_header) {
		rc = take_any(s, whole, delimiter, &ncols, err);
		if (rc == 0)
			rc = csvio_number_columns(&r->io, ncols, err);
	} else {
		rc = csvio_header(&r->io, err);
	}
	if (rc == 0 && !r->io.opts.map)
		rc = map_by_names(r, err);
	for (unsigned i = 0; i < m->n && rc == 0; i++)
		rc = place_column(r, &m->e[i], err);
	for (unsigned i = 0; i < r->io.ncols; i++)
		keeps |= !r->col[i].field;
	if (rc == 0 && keeps && r->col_of[TR_F_extra] >= 0)
		rc = map_error("extra is mapped, so that other columns have no place", tr_slice_of("extra"),
		               err);
	return rc;
}

static int make_head(const struct reader *r, struct tr_head *head, struct tr_err *err)
{
	int arrival = r->col_of[TR_F_arrival_ns], rc = 0;

	if (r->has_base && r->col[arrival].unit == ISO) {
		head->has_origin = 1;
		head->origin_ns = r->base;
	} else if (r->has_base) {
		struct tr_buf b;

		tr_buf_init(&b, 64);
		rc = tr_buf_printf(&b, "{\"first_arrival_ns\":%" PRId64 "}", r->base);
		if (rc == 0)
			rc = tr_buf_char(&b, '\0');
		rc = rc < 0 ? tr_fail(err, TR_ENOMEM, "no memory for the head")
		            : tr_meta_set(&head->notes, b.p, err);
		tr_buf_free(&b);
	}
	if (rc == 0)
		rc = tr_meta_set(&head->format, "csv", err);
	return rc < 0 ? rc : tr_meta_set(&head->order, "file", err);
}

static int start(struct reader *r, struct tr_head *head, struct tr_err *err)
{
	struct map m = {.n = 0};
	int rc = r->io.opts.map ? parse_map(&m, r->io.opts.map, err) : 0;

	if (rc == 0)
		rc = find_columns(r, &m, err);
	map_free(&m);
	if (rc == 0)
		rc = csvio_first(&r->io, err);
	return rc < 0 ? rc : make_head(r, head, err);
}

int tr_csv_open(struct tr_reader **out, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct tr_head head = {0};
	int rc;

	if (!r) {
		tr_in_close(in);
		return tr_fail(err, TR_ENOMEM, "no memory for a reader");
	}
	for (unsigned i = 0; i < TR_REC_NFIELDS; i++)
		r->col_of[i] = -1;
	tr_buf_init(&r->extra, TR_RECORD_MAX);
	tr_buf_init(&r->bytes, TR_RECORD_MAX);
	tr_buf_init(&r->pool, TR_RECORD_MAX);
	rc = csvio_open(&r->io, in, o, ',', &csv_cells, r, err);
	if (rc == 0)
		rc = start(r, &head, err);
	if (rc == 0)
		return tr_reader_make(out, &csv_reader, r, tr_in_name(in), &head, &r->io.tail, err);
	if (rc != -TR_EUSAGE)
		tr_err_file(err, tr_in_name(in));
	tr_head_free(&head);
	csv_free_reader(r);
	return rc;
}

int tr_csv_claims(struct tr_slice first_bytes)
{
	struct csvio io;
	int rc = csvio_open_mem(&io, first_bytes, 1, ',', &csv_cells, NULL, NULL), both;

	if (rc == 0)
		rc = csvio_header(&io, NULL);
	both = rc == 0 && csvio_find(&io, tr_slice_of("arrival_ns")) >= 0 &&
	       csvio_find(&io, tr_slice_of("in_tokens")) >= 0;
	csvio_free(&io);
	return both;
}
