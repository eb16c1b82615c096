/* SPDX-License-Identifier: Apache-2.0
 *
 * --by: a record's group, by the value of a field or by the window of its arrival.
 */
#include "tools/hash.h"
#include "libtrace/num.h"
#include "tools/summarize/results.h"
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 4096 };

int sum_by_parse(struct sum_by *by, const char *text, struct tr_err *err)
{
	static const char window[] = "window=";
	const struct tr_schema *schema = &tr_schemas[TR_REQUEST];
	struct tr_slice s = {text, strlen(text)};
	*by = (struct sum_by){.text = text};
	if (strncmp(text, window, sizeof(window) - 1) == 0) {
		s.p += sizeof(window) - 1;
		s.n -= sizeof(window) - 1;
		const char *why = tr_num_duration(s, &by->window);
		if (!why && by->window == 0)
			why = "a window has a length";
		if (!why)
			return 0;
		tr_fail(err, TR_EUSAGE, "--by window: %s", why);
		tr_err_value(err, s.p, s.n);
		return -TR_EUSAGE;
	}
	by->field = tr_field_find(schema, s);
	if (!by->field) {
		const struct tr_field *near = tr_field_nearest(schema, s);
		tr_fail(err, TR_EUSAGE, "--by: no such field%s%s%s", near ? " (did you mean " : "",
		        near ? near->name : "", near ? "?)" : "");
		tr_err_value(err, s.p, s.n);
		return -TR_EUSAGE;
	}
	if (by->field->type == TR_TYPE_LIST)
		return tr_fail(err, TR_EUSAGE, "--by %s: a list does not name a group", text);
	return 0;
}

int sum_groups_new(struct sum_groups **g, const struct sum_by *by, enum tr_percentile method,
                   struct tr_err *err)
{
	struct sum_groups *new = calloc(1, sizeof(*new));
	if (new) {
		new->by = *by;
		new->method = method;
		new->v = calloc(SUM_GROUPS_MAX, sizeof(*new->v));
		new->slots = calloc(SLOTS, sizeof(*new->slots));
	}
	if (!new || !new->v || !new->slots) {
		sum_groups_free(new);
		return tr_fail(err, TR_ENOMEM, "out of memory");
	}
	*g = new;
	return 0;
}

void sum_groups_free(struct sum_groups *g)
{
	if (!g)
		return;
	for (unsigned i = 0; i < g->n; i++) {
		free(g->v[i].text);
		sum_set_free(&g->v[i].set);
		sum_group_results_free(g->v[i].results);
	}
	free(g->v);
	free(g->slots);
	free(g);
}

/* Find or make the group. text: what a string key is printed as. */
static int find(struct sum_groups *g, int has_key, uint64_t key, struct tr_slice text,
                struct tr_dist_budget *budget, unsigned *index, struct tr_err *err)
{
	const struct sum_group *last = &g->v[g->last];
	if (g->n > 0 && last->has_key == has_key && last->key == key) {
		*index = g->last;
		return 0;
	}
	unsigned i = (unsigned)(hash_u64(key + (unsigned)has_key) % SLOTS);
	for (; g->slots[i]; i = (i + 1) % SLOTS) {
		const struct sum_group *v = &g->v[g->slots[i] - 1];
		if (v->has_key == has_key && v->key == key) {
			*index = g->last = g->slots[i] - 1u;
			return 0;
		}
	}
	if (g->n == SUM_GROUPS_MAX)
		return tr_fail(err, TR_EUSAGE, "--by %s makes more than %d groups", g->by.text,
		               SUM_GROUPS_MAX);
	struct sum_group *new = &g->v[g->n];
	*new = (struct sum_group){.has_key = has_key, .key = key};
	if (text.p) {
		new->n = text.n < SUM_NAME_BYTES ? text.n : SUM_NAME_BYTES;
		new->text = malloc(new->n + 1);
		if (!new->text)
			return tr_fail(err, TR_ENOMEM, "out of memory");
		memcpy(new->text, text.p, new->n);
	}
	*index = g->last = g->n++;
	g->slots[i] = (uint16_t)g->n;
	return sum_set_init(&new->set, budget, err);
}

int sum_groups_of_record(struct sum_groups *g, const struct tr_rec *r, struct tr_dist_budget *budget,
                         unsigned *index, struct tr_err *err)
{
	const struct tr_field *f = g->by.field;
	const struct tr_slice no_text = {NULL, 0};
	if (!(r->mask >> f->bit & 1))
		return sum_groups_of_none(g, budget, index, err);
	if (f->type != TR_TYPE_STR)
		return find(g, 1, tr_field_bits(f, r), no_text, budget, index, err);
	struct tr_slice s = tr_field_str(f, r);
	if (!s.p)
		s.p = "";
	return find(g, 1, hash_bytes(s), s, budget, index, err);
}

int sum_groups_of_arrival(struct sum_groups *g, int64_t t, int in_order, struct tr_dist_budget *budget,
                          unsigned *index, struct tr_err *err)
{
	if (!g->started) {
		g->started = 1;
		g->origin = t;
	}
	/* floor, also for what is late and lies before the origin */
	__int128 offset = (__int128)t - g->origin, window = g->by.window;
	int64_t k = (int64_t)(offset / window - (offset % window < 0));
	int e = find(g, 1, (uint64_t)k, (struct tr_slice){NULL, 0}, budget, index, err);
	if (e || (g->open && g->filling == *index))
		return e;
	if (in_order) {
		if (g->open)
			sum_set_seal(&g->v[g->filling].set, g->method);
		g->open = 1;
		g->filling = *index;
	} else if (!g->v[*index].set.sealed) {
		sum_set_seal(&g->v[*index].set, g->method);
	}
	return 0;
}

int sum_groups_of_none(struct sum_groups *g, struct tr_dist_budget *budget, unsigned *index,
                       struct tr_err *err)
{
	return find(g, 0, 0, (struct tr_slice){NULL, 0}, budget, index, err);
}

static int by_text(const struct sum_group *a, const struct sum_group *b)
{
	int c = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);
	if (c)
		return c;
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	return a->key < b->key ? -1 : a->key > b->key;
}

static int compare_text(const void *x, const void *y)
{
	const struct sum_group *a = x, *b = y;
	return a->has_key && b->has_key ? by_text(a, b) : b->has_key - a->has_key;
}

static int compare_signed(const void *x, const void *y)
{
	const struct sum_group *a = x, *b = y;
	int64_t i = (int64_t)a->key, j = (int64_t)b->key;
	return a->has_key && b->has_key ? (i > j) - (i < j) : b->has_key - a->has_key;
}

static int compare_unsigned(const void *x, const void *y)
{
	const struct sum_group *a = x, *b = y;
	return a->has_key && b->has_key ? (a->key > b->key) - (a->key < b->key) : b->has_key - a->has_key;
}

void sum_groups_sort(struct sum_groups *g)
{
	const struct tr_field *f = g->by.field;
	int text = f && f->type == TR_TYPE_STR, natural = f && f->type == TR_TYPE_U64;
	qsort(g->v, g->n, sizeof(*g->v), text ? compare_text : natural ? compare_unsigned : compare_signed);
}
