/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading faults, and choosing requests for them.
 */
#include "tools/mock/faults.h"
#include "libtrace/num.h"
#include "tools/mock/delay.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *keys;
} kinds[] = {
#define FAULT_ROW(e, name, keys) [e] = {name, keys},
    FAULT_LIST(FAULT_ROW)
#undef FAULT_ROW
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *set_rate(struct fault *f, struct tr_slice s)
{
	const char *why = tr_num_double(s, &f->rate);

	return why ? why : f->rate < 0 || f->rate > 1 ? "must be 0 to 1" : NULL;
}

static const char *set_nth(struct fault *f, struct tr_slice s)
{
	const char *why = tr_num_count(s, &f->nth);

	return why ? why : f->nth == 0 ? "counts from 1" : NULL;
}

static const char *set_every(struct fault *f, struct tr_slice s)
{
	const char *why = tr_num_count(s, &f->every);

	return why ? why : f->every == 0 ? "must be 1 at least" : NULL;
}

static const char *set_after(struct fault *f, struct tr_slice s)
{
	const char *why = tr_num_count(s, &f->after);

	return why ? why : f->after == 0 && f->kind == FAULT_STALL ? "must be 1 at least" : NULL;
}

static const char *set_at(struct fault *f, struct tr_slice s)
{
	return tr_num_duration(s, &f->at_ns);
}

static const char *set_for(struct fault *f, struct tr_slice s)
{
	return tr_num_duration(s, &f->for_ns);
}

static const char *set_code(struct fault *f, struct tr_slice s)
{
	const char *why = tr_num_u64(s, &f->code);

	return why ? why : f->code < 400 || f->code > 599 ? "must be 400 to 599" : NULL;
}

static const char *set_to(struct fault *f, struct tr_slice s)
{
	if (s.n >= sizeof f->to)
		return "too long";
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127)
			return "not a URL";
	memcpy(f->to, s.p, s.n);
	f->to[s.n] = 0;
	return NULL;
}

static const struct {
	const char *name;
	const char *(*set)(struct fault *f, struct tr_slice s);
	int any; /* of every kind */
} keys[] = {
    {"rate", set_rate, 1}, {"nth", set_nth, 1}, {"every", set_every, 1}, {"after", set_after, 0},
    {"at", set_at, 0},     {"for", set_for, 0}, {"code", set_code, 0},   {"to", set_to, 0},
};

static int has_word(const char *words, const char *word)
{
	size_t n = strlen(word), k;

	for (; *words; words += k + (words[k] == ' ')) {
		k = strcspn(words, " ");
		if (k == n && memcmp(words, word, n) == 0)
			return 1;
	}
	return 0;
}

static const char *set_key(struct fault *f, struct tr_slice s)
{
	const char *eq = memchr(s.p, '=', s.n);

	if (!eq)
		return "expected key=value";
	struct tr_slice name = {s.p, (size_t)(eq - s.p)};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (tr_slice_eq(name, keys[i].name) &&
		    ((keys[i].any && f->kind != FAULT_FREEZE) || has_word(kinds[f->kind].keys, keys[i].name)))
			return keys[i].set(f, (struct tr_slice){eq + 1, s.n - name.n - 1});
	return "this fault does not take this key";
}

static const char *set_keys(struct fault *f, const char *text)
{
	const char *why = NULL;

	while (*text && !why) {
		size_t n = strcspn(text, ",");

		why = set_key(f, (struct tr_slice){text, n});
		text += n + (text[n] == ',');
	}
	if (!why && f->kind == FAULT_REDIRECT && !f->to[0])
		why = "needs to=URL";
	if (!why && (f->kind == FAULT_FREEZE || f->kind == FAULT_STALL) && f->for_ns == 0)
		why = "needs for=T";
	return why;
}

const struct fault *fault_freeze(const struct faults *f)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->v[i].kind == FAULT_FREEZE)
			return &f->v[i];
	return NULL;
}

int fault_add(struct faults *faults, const char *spec, struct tr_err *err)
{
#define FAULT_WORD(e, name, keys) " " name
	static const char unknown[] =
	    "unknown fault; the form is KIND:key=value,... and the kinds are" FAULT_LIST(FAULT_WORD);
#undef FAULT_WORD
	size_t n = strcspn(spec, ":"), i = 0;
	const char *why;

	while (i < KINDS && !tr_slice_eq((struct tr_slice){spec, n}, kinds[i].name))
		i++;
	if (i == KINDS) {
		why = unknown;
	} else if (faults->n == FAULTS_MAX) {
		why = "too many faults";
	} else if (i == FAULT_FREEZE && fault_freeze(faults)) {
		why = "one freeze at most";
	} else {
		struct fault *f = &faults->v[faults->n++];

		*f = (struct fault){.kind = (enum fault_kind)i,
		                    .name = kinds[i].name,
		                    .rate = -1,
		                    .after = 1,
		                    .code = i == FAULT_ERROR_EVENT ? 500 : 503};
		why = set_keys(f, spec + n + (spec[n] == ':'));
	}
	if (!why)
		return 0;
	tr_fail(err, TR_EUSAGE, "%s", why);
	tr_err_field(err, "--fault", 7);
	tr_err_value(err, spec, strlen(spec));
	return -TR_EUSAGE;
}

static int befalls(const struct fault *f, unsigned i, uint64_t seed, uint64_t request)
{
	char purpose[32];
	struct tr_rng g;

	if ((f->nth && request != f->nth) || (f->every && request % f->every))
		return 0;
	if (f->rate < 0)
		return 1;
	snprintf(purpose, sizeof purpose, "fault %u", i);
	delay_rng(&g, seed, purpose, request);
	return tr_rng_open(&g) < f->rate;
}

const struct fault *fault_of(const struct faults *f, uint64_t seed, uint64_t request)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->v[i].kind != FAULT_FREEZE && befalls(&f->v[i], i, seed, request))
			return &f->v[i];
	return NULL;
}
