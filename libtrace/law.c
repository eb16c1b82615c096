/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar of laws, name:ARG,ARG,key=value, and its messages. Whoever mistypes a parameter is told which
 * one was probably meant.
 */
#include "libtrace/law_impl.h"
#include "libtrace/near.h"
#include <stdio.h>
#include <string.h>

#define COUNT_MAX (UINT64_C(1) << 53)

enum { SHOWN = 32, LIST_LEN = 160 };

static struct tr_slice slice(const char *from, const char *to)
{
	struct tr_slice s = {from, (size_t)(to - from)};

	return s;
}

static const char *nth(const void *ctx, int i)
{
	return ((const char *const *)ctx)[i];
}

/* "; did you mean "x"?" or, when nothing is near, "; there is a, b, c". */
static void hint(struct tr_slice word, const char *const *names, char out[LIST_LEN])
{
	const char *near = tr_near(word, nth, names);
	size_t len;

	if (near) {
		snprintf(out, LIST_LEN, "; did you mean \"%s\"?", near);
		return;
	}
	snprintf(out, LIST_LEN, "; there is");
	for (const char *const *n = names; *n; n++) {
		len = strlen(out);
		snprintf(out + len, LIST_LEN - len, "%s %s", n == names ? "" : ",", *n);
	}
}

int tr_law_find(const char *kind, const char *text, const char *(*name_of)(int i), const char **args,
                struct tr_err *err)
{
	const char *colon = strchr(text, ':'), *end = colon ? colon : text + strlen(text);
	struct tr_slice name = slice(text, end);
	const char *names[TR_LAW_NAMES + 1] = {NULL};
	char tail[LIST_LEN];
	int i;

	*args = colon ? colon + 1 : end;
	for (i = 0; name_of(i); i++)
		if (tr_slice_eq(name, name_of(i)))
			return i;
		else if (i < TR_LAW_NAMES)
			names[i] = name_of(i);
	hint(name, names, tail);
	tr_fail(err, TR_EUSAGE, "no %s law \"%.*s\"%s", kind, (int)(name.n < SHOWN ? name.n : SHOWN), name.p,
	        tail);
	return -TR_EUSAGE;
}

static const char *read_count(struct tr_slice s, uint64_t *out)
{
	const char *why = tr_num_count(s, out);

	return !why && *out > COUNT_MAX ? "too large" : why;
}

static const char *read_range(struct tr_slice s, struct tr_law_value *v)
{
	const char *why = "not A..B";

	for (size_t i = 0; i + 1 < s.n; i++) {
		if (s.p[i] != '.' || s.p[i + 1] != '.')
			continue;
		why = read_count(slice(s.p, s.p + i), &v->lo);
		return why ? why : read_count(slice(s.p + i + 2, s.p + s.n), &v->hi);
	}
	return why;
}

static const char *read_value(const struct tr_law_param *param, struct tr_slice s, struct tr_law_value *v)
{
	const char *why = NULL;

	switch (param->type) {
	case TR_PARAM_NUMBER:
		return tr_num_double(s, &v->number);
	case TR_PARAM_COUNT:
		why = read_count(s, &v->lo);
		v->hi = v->lo;
		v->number = (double)v->lo;
		return why;
	case TR_PARAM_RATE:
		why = tr_num_rate(s, &v->rate);
		v->number = why ? 0 : (double)v->rate.num / (double)v->rate.den * 1e9;
		return why;
	case TR_PARAM_RANGE:
		why = read_range(s, v);
		v->number = (double)v->lo;
		return why;
	}
	return why;
}

static int find_param(const struct tr_law_param *params, struct tr_slice name)
{
	for (int i = 0; i < TR_LAW_PARAMS && params[i].name; i++)
		if (tr_slice_eq(name, params[i].name))
			return i;
	return -1;
}

static int unknown_param(const char *law, const struct tr_law_param *params, struct tr_slice name,
                         struct tr_err *err)
{
	const char *names[TR_LAW_PARAMS + 1] = {NULL};
	char tail[LIST_LEN];

	for (int i = 0; i < TR_LAW_PARAMS && params[i].name; i++)
		names[i] = params[i].name;
	hint(name, names, tail);
	return tr_fail(err, TR_EUSAGE, "%s: no parameter \"%.*s\"%s", law,
	               (int)(name.n < SHOWN ? name.n : SHOWN), name.p, tail);
}

static int one_value(const char *law, const struct tr_law_param *param, struct tr_slice text,
                     struct tr_law_value *v, struct tr_err *err)
{
	const char *why = read_value(param, text, v);

	if (!why)
		return 0;
	tr_fail(err, TR_EUSAGE, "%s: %s: %s", law, param->name, why);
	tr_err_value(err, text.p, text.n);
	return -TR_EUSAGE;
}

int tr_law_args(const char *law, const struct tr_law_param *params, const char *args,
                struct tr_law_value values[TR_LAW_PARAMS], struct tr_err *err)
{
	int given[TR_LAW_PARAMS] = {0}, place = 0, rc;

	memset(values, 0, TR_LAW_PARAMS * sizeof(*values));
	for (const char *p = args, *end; *p; p = *end ? end + 1 : end) {
		const char *equals;

		end = p + strcspn(p, ",");
		equals = memchr(p, '=', (size_t)(end - p));
		if (equals) {
			place = find_param(params, slice(p, equals));
			if (place < 0)
				return unknown_param(law, params, slice(p, equals), err);
			p = equals + 1;
		} else if (place >= TR_LAW_PARAMS || !params[place].name) {
			tr_fail(err, TR_EUSAGE, "%s: too many arguments", law);
			tr_err_value(err, p, (size_t)(end - p));
			return -TR_EUSAGE;
		}
		if (given[place]++)
			return tr_fail(err, TR_EUSAGE, "%s: %s: given twice", law, params[place].name);
		rc = one_value(law, &params[place], slice(p, end), &values[place], err);
		if (rc < 0)
			return rc;
		place++;
	}
	for (int i = 0; i < TR_LAW_PARAMS && params[i].name; i++) {
		const char *text = params[i].fallback;

		if (given[i])
			continue;
		if (!text)
			return tr_fail(err, TR_EUSAGE, "%s: %s is missing (%s)", law, params[i].name,
			               params[i].help);
		rc = one_value(law, &params[i], slice(text, text + strlen(text)), &values[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
