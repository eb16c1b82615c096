/* SPDX-License-Identifier: Apache-2.0
 *
 * The findings as text for 80 columns and as JSON, schema trace-check/1.
 */
#include "tools/check/check.h"
#include "tools/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 80, LEFT = 20, NAME = 60 };

static double span(const struct check *c)
{
	return c->arrivals ? (double)((uint64_t)c->last - (uint64_t)c->first) : NAN;
}

/* --- text ---------------------------------------------------------------------------------- */

/* Words from column *at on, new lines beginning at column LEFT. */
static void wrap(const char *text, unsigned *at)
{
	while (*text) {
		size_t n = strcspn(text, " ");
		if (*at + 1 + n > WIDTH && *at > LEFT) {
			printf("\n%*s", LEFT, "");
			*at = LEFT;
		}
		printf("%s%.*s", *at > LEFT ? " " : "", (int)n, text);
		*at += (unsigned)n + (*at > LEFT);
		text += n + (text[n] == ' ');
	}
}

static void finding(const struct check *c, enum check_kind kind)
{
	const struct check_finding *f = &c->found[kind];
	const struct check_kind_info *k = &check_kinds[kind];
	char text[2 * sizeof(f->detail)], n[REP_TEXT];
	unsigned at = LEFT;
	printf("  %-*s", LEFT - 2, k->name);
	snprintf(text, sizeof(text), "%s%s", rep_thousands(f->count, n),
	         c->allowed[kind] ? " (allowed)" : "");
	wrap(text, &at);
	if (f->has_row) {
		snprintf(text, sizeof(text), f->has_id ? "first: record %llu, id %llu" : "first: record %llu",
		         (unsigned long long)f->row, (unsigned long long)f->id);
		wrap(at > LEFT ? "-" : "", &at);
		wrap(text, &at);
	}
	printf("\n%*s", LEFT, "");
	at = LEFT;
	snprintf(text, sizeof(text), "%s%s%s; %s", k->what, f->detail[0] ? ": " : "", f->detail, k->effect);
	wrap(text, &at);
	putchar('\n');
}

void check_text(const struct check *c)
{
	char name[REP_SAFE(NAME)], a[REP_TEXT];
	unsigned n = 0;
	for (int i = 0; i < CHECK_NKINDS; i++)
		n += c->found[i].count > 0;
	printf("%s: %s\n", rep_safe((struct tr_slice){c->name, strlen(c->name)}, NAME, name),
	       n == 0        ? "no findings"
	       : check_ok(c) ? "allowed findings only"
	                     : "findings");
	printf("  %s %s", rep_thousands(c->records, a), c->records == 1 ? "record" : "records");
	if (c->arrivals)
		printf(", span %s", rep_span(span(c), a));
	if (c->tick)
		printf(", tick %s", rep_short_ns((double)c->tick, a));
	printf("\n  input %s tokens", rep_thousands(c->in_tokens, a));
	printf(", output %s tokens\n", rep_thousands(c->out_tokens, a));
	if (c->late)
		printf("  %s arrivals came too late to be placed: ties and duplicates are approximate\n",
		       rep_thousands(c->late, a));
	for (int i = 0; i < CHECK_NKINDS; i++)
		if (c->found[i].count)
			finding(c, i);
}

/* --- JSON ---------------------------------------------------------------------------------- */

static void json_finding(struct rep_json *j, const struct check *c, enum check_kind kind)
{
	const struct check_finding *f = &c->found[kind];
	const struct check_kind_info *k = &check_kinds[kind];
	char text[2 * sizeof(f->detail)];
	rep_open(j, NULL, '{');
	rep_cstr(j, "kind", k->name);
	rep_u64(j, "count", f->count);
	if (f->has_row) {
		rep_open(j, "first", '{');
		rep_u64(j, "record", f->row);
		if (f->has_id)
			rep_u64(j, "id", f->id);
		else
			rep_null(j, "id");
		rep_close(j, '}');
	} else {
		rep_null(j, "first");
	}
	snprintf(text, sizeof(text), "%s%s%s; %s", k->what, f->detail[0] ? ": " : "", f->detail, k->effect);
	rep_cstr(j, "text", text);
	rep_bool(j, "allowed", c->allowed[kind]);
	rep_close(j, '}');
}

void check_json(const struct check *c)
{
	const struct tr_source *source = c->tail->nsources == 1 ? &c->tail->sources[0] : NULL;
	struct rep_json j = {0};
	rep_open(&j, NULL, '{');
	rep_cstr(&j, "schema", "trace-check/1");
	rep_open(&j, "source", '{');
	rep_cstr(&j, "name", source && source->name ? source->name : c->name);
	rep_cstr(&j, "sha256", source && source->sha256[0] ? source->sha256 : NULL);
	rep_cstr(&j, "format", c->head->format);
	rep_close(&j, '}');
	rep_cstr(&j, "state", c->state);
	rep_u64(&j, "records", c->records);
	rep_num(&j, "span_s", span(c) / 1e9);
	if (c->tick)
		rep_u64(&j, "tick_ns", c->tick);
	else
		rep_null(&j, "tick_ns");
	rep_u128(&j, "input_tokens", c->in_tokens);
	rep_u128(&j, "output_tokens", c->out_tokens);
	rep_u64(&j, "late", c->late);
	rep_open(&j, "findings", '[');
	for (int i = 0; i < CHECK_NKINDS; i++)
		if (c->found[i].count)
			json_finding(&j, c, i);
	rep_close(&j, ']');
	rep_bool(&j, "ok", check_ok(c));
	rep_close(&j, '}');
}
