/* SPDX-License-Identifier: Apache-2.0
 *
 * The style of an Azure trace, to and from JSON. It comes back out of a head that anybody may have written,
 * so that nothing in it is taken on trust.
 */
#include "formats/azure.h"
#include "libtrace/num.h"
#include <string.h>

const char *const azure_columns[AZURE_EXTRA] = {"TIMESTAMP", "ContextTokens", "GeneratedTokens", "NumImages"};

const uint32_t azure_digit_ns[10] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                     10000,      1000,      100,      10,      1};

void azure_style_init(struct azure_style *st)
{
	tr_buf_init(&st->header, CSVIO_ROW_MAX);
	tr_buf_init(&st->sep, 64);
	tr_buf_init(&st->eol, 8);
	tr_buf_init(&st->names, CSVIO_ROW_MAX);
}

void azure_style_free(struct azure_style *st)
{
	tr_buf_free(&st->header);
	tr_buf_free(&st->sep);
	tr_buf_free(&st->eol);
	tr_buf_free(&st->names);
}

static enum azure_role role_of(struct tr_slice name)
{
	unsigned r = 0;

	while (r < AZURE_EXTRA && !tr_slice_eq(name, azure_columns[r]))
		r++;
	return (enum azure_role)r;
}

int azure_style_add(struct azure_style *st, struct tr_slice name)
{
	enum azure_role r = role_of(name);

	for (unsigned i = 0; i < st->ncols && r != AZURE_EXTRA; i++)
		if (st->role[i] == r)
			return -1;
	if (st->ncols == CSVIO_COLS_MAX || tr_buf_add(&st->names, name.p, name.n) < 0)
		return -1;
	st->role[st->ncols++] = (unsigned char)r;
	st->name_at[st->ncols] = (uint32_t)st->names.n;
	return 0;
}

struct tr_slice azure_style_name(const struct azure_style *st, unsigned col)
{
	return (struct tr_slice){st->names.p + st->name_at[col], st->name_at[col + 1] - st->name_at[col]};
}

int azure_style_has(const struct azure_style *st, enum azure_role r)
{
	return st->ncols && memchr(st->role, (int)r, st->ncols) != NULL;
}

int azure_style_print(const struct azure_style *st, struct tr_buf *b)
{
	int rc = tr_buf_str(b, "{\"header\":");

	if (rc == 0)
		rc = tr_json_quote(b, csvio_buf(&st->header));
	if (rc == 0)
		rc = tr_buf_str(b, ",\"separator\":");
	if (rc == 0)
		rc = tr_json_quote(b, csvio_buf(&st->sep));
	if (rc == 0)
		rc = tr_buf_str(b, ",\"eol\":");
	if (rc == 0)
		rc = tr_json_quote(b, csvio_buf(&st->eol));
	if (rc == 0)
		rc = tr_buf_printf(
		    b, ",\"bom\":%s,\"time_separator\":\"%c\",\"digits\":%d,\"zone\":\"%s\",\"omit_zero\":%s",
		    st->bom ? "true" : "false", st->form.sep, st->form.digits, st->form.zone,
		    st->omit_zero ? "true" : "false");
	for (unsigned i = 0; i < st->ncols && rc == 0; i++) {
		rc = tr_buf_str(b, i ? "," : ",\"columns\":[");
		if (rc == 0)
			rc = tr_json_quote(b, azure_style_name(st, i));
	}
	return rc < 0 ? rc : tr_buf_str(b, "]}");
}

int azure_style_text(const struct tr_json *j, enum tr_json_token t, struct tr_buf *b)
{
	b->n = 0;
	return t == TR_JSON_STRING ? tr_json_unescape(j->s, TR_JSON_BYTES, b) : -TR_EDATA;
}

static int style_zone(struct azure_style *st, struct tr_slice zone)
{
	struct tr_when_form form;
	char text[32] = "2000-01-01 00:00:00";
	size_t n = strlen(text);
	int64_t ns;

	if (zone.n >= sizeof(form.zone))
		return -TR_EDATA;
	if (zone.n)
		memcpy(text + n, zone.p, zone.n);
	if (tr_when_parse((struct tr_slice){text, n + zone.n}, &ns, &form) || form.digits)
		return -TR_EDATA;
	memcpy(st->form.zone, form.zone, sizeof(form.zone));
	st->form.zone_s = form.zone_s;
	return 0;
}

static int style_columns(struct azure_style *st, struct tr_json *j, enum tr_json_token t)
{
	struct tr_buf name;
	int rc = t == TR_JSON_ARRAY ? 0 : -TR_EDATA;

	tr_buf_init(&name, CSVIO_ROW_MAX);
	while (rc == 0 && (t = tr_json_next(j)) == TR_JSON_STRING) {
		rc = azure_style_text(j, t, &name);
		if (rc == 0)
			rc = azure_style_add(st, csvio_buf(&name));
	}
	tr_buf_free(&name);
	return rc < 0 || t != TR_JSON_CLOSE ? -TR_EDATA : 0;
}

static int style_member(struct azure_style *st, struct tr_json *j, struct tr_slice key)
{
	enum tr_json_token t = tr_json_next(j);
	uint64_t digits;

	if (tr_slice_eq(key, "header"))
		return azure_style_text(j, t, &st->header);
	if (tr_slice_eq(key, "separator"))
		return azure_style_text(j, t, &st->sep);
	if (tr_slice_eq(key, "eol"))
		return azure_style_text(j, t, &st->eol);
	if (tr_slice_eq(key, "columns"))
		return style_columns(st, j, t);
	if (tr_slice_eq(key, "zone"))
		return t == TR_JSON_STRING ? style_zone(st, j->s) : -TR_EDATA;
	if (tr_slice_eq(key, "bom"))
		st->bom = t == TR_JSON_TRUE;
	else if (tr_slice_eq(key, "omit_zero"))
		st->omit_zero = t == TR_JSON_TRUE;
	else if (tr_slice_eq(key, "time_separator") && t == TR_JSON_STRING && j->s.n == 1)
		st->form.sep = *j->s.p;
	else if (tr_slice_eq(key, "digits") && t == TR_JSON_NUMBER && !tr_num_u64(j->s, &digits) &&
	         digits <= 9)
		st->form.digits = (int)digits;
	else
		return tr_json_skip(j, t, NULL);
	return 0;
}

int azure_style_parse(struct azure_style *st, const char *json, struct tr_err *err)
{
	struct tr_json j;
	enum tr_json_token t;
	int rc = 0;

	tr_json_init(&j, json, strlen(json));
	t = tr_json_next(&j);
	while (rc == 0 && t != TR_JSON_ERROR && (t = tr_json_next(&j)) == TR_JSON_KEY)
		rc = style_member(st, &j, j.s);
	if (rc == 0 && t == TR_JSON_CLOSE && (st->form.sep == ' ' || st->form.sep == 'T') && st->sep.n &&
	    st->eol.n && azure_style_has(st, AZURE_STAMP) && azure_style_has(st, AZURE_IN_TOKENS) &&
	    azure_style_has(st, AZURE_OUT_TOKENS))
		return 0;
	tr_fail(err, TR_EDATA, "the head holds no style that azure understands");
	tr_err_value(err, json, strlen(json));
	return -TR_EDATA;
}
