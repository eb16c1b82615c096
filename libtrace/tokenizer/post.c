/* SPDX-License-Identifier: Apache-2.0
 *
 * Post-processors, as far as ids go: what stands before and behind a single text.
 */
#include "libtrace/num.h"
#include "libtrace/tokenizer/impl.h"

#include <stdlib.h>

static int bad(struct tr_err *err, const struct tr_json *j, const char *what)
{
	return tok_bad(err, j, "post_processor", what);
}

static int take_id(struct tr_json *j, enum tr_json_token k, uint32_t *id)
{
	uint64_t v;
	if (k != TR_JSON_NUMBER || tr_num_u64(j->s, &v) || v > TOK_ID_MAX)
		return -1;
	*id = (uint32_t)v;
	return 0;
}

/* {"ids":[1,2],...} of the special token that a template names. */
static int take_ids(struct tr_slice special, struct tr_slice name, struct tr_ids *to, struct tr_err *err)
{
	struct tr_json j;
	enum tr_json_token k;
	uint32_t id;
	int here = 0, rc = 0;
	tr_json_init(&j, special.p, special.n);
	if (tr_json_next(&j) != TR_JSON_OBJECT)
		return bad(err, &j, "special_tokens is not an object");
	while ((k = tr_json_next(&j)) == TR_JSON_KEY) {
		here = j.s.n == name.n && memcmp(j.s.p, name.p, name.n) == 0;
		if (tr_json_next(&j) != TR_JSON_OBJECT)
			return bad(err, &j, "special_tokens: not an object");
		while ((k = tr_json_next(&j)) == TR_JSON_KEY) {
			int ids = here && tr_slice_eq(j.s, "ids");
			if (!ids) {
				if (tr_json_skip(&j, TR_JSON_KEY, NULL) < 0)
					return bad(err, &j, "special_tokens: bad value");
				continue;
			}
			if (tr_json_next(&j) != TR_JSON_ARRAY)
				return bad(err, &j, "special_tokens: ids is not a list");
			while ((k = tr_json_next(&j)) != TR_JSON_CLOSE && rc == 0)
				rc = take_id(&j, k, &id) < 0 ? bad(err, &j, "special_tokens: not an id")
				                             : ids_push(to, id, err);
			if (rc < 0)
				return rc;
		}
		if (here)
			return 0;
	}
	return bad(err, &j, "the template names a token that special_tokens does not have");
}

/* [{"SpecialToken":{"id":"<s>",...}},{"Sequence":{...}},...] */
static int take_template(struct tr_tokenizer *t, struct tr_slice single, struct tr_slice special,
                         struct tr_err *err)
{
	struct tr_json j;
	enum tr_json_token k;
	struct tr_ids *to = &t->before;
	int rc = 0;
	tr_json_init(&j, single.p, single.n);
	if (tr_json_next(&j) != TR_JSON_ARRAY)
		return bad(err, &j, "single is not a list");
	while (rc == 0 && (k = tr_json_next(&j)) == TR_JSON_OBJECT) {
		if (tr_json_next(&j) != TR_JSON_KEY)
			return bad(err, &j, "single: an empty object");
		int token = tr_slice_eq(j.s, "SpecialToken");
		if (!token) {
			to = &t->after;
			if (tr_json_skip(&j, TR_JSON_KEY, NULL) < 0)
				return bad(err, &j, "single: bad value");
		} else {
			if (tr_json_next(&j) != TR_JSON_OBJECT)
				return bad(err, &j, "single: not an object");
			while (rc == 0 && (k = tr_json_next(&j)) == TR_JSON_KEY) {
				int id = tr_slice_eq(j.s, "id");
				k = tr_json_next(&j);
				if (id && k == TR_JSON_STRING)
					rc = take_ids(special, j.s, to, err);
				else if (id || tr_json_skip(&j, k, NULL) < 0)
					rc = bad(err, &j, "single: not an id");
			}
		}
		if (rc == 0 && tr_json_next(&j) != TR_JSON_CLOSE)
			rc = bad(err, &j, "single: more than one part in an object");
	}
	return rc == 0 && k != TR_JSON_CLOSE ? bad(err, &j, "single is not a list of objects") : rc;
}

/* ["[SEP]", 102] */
static int take_pair(struct tr_json *j, struct tr_ids *to, struct tr_err *err)
{
	uint32_t id;
	if (tr_json_next(j) != TR_JSON_ARRAY || tr_json_next(j) != TR_JSON_STRING ||
	    take_id(j, tr_json_next(j), &id) < 0 || tr_json_next(j) != TR_JSON_CLOSE)
		return bad(err, j, "not [\"token\", id]");
	return ids_push(to, id, err);
}

static int parse_sequence(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);

enum kind { TEMPLATE, PAIRS, NOTHING, SEQUENCE };

static int parse_members(struct tr_tokenizer *t, struct tr_json *j, enum kind kind, struct tr_err *err)
{
	struct tr_slice single = {"[]", 2}, special = {"{}", 2};
	enum tr_json_token k;
	int rc = 0;
	while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_KEY) {
		struct tr_slice key = j->s, raw;
		if (kind == SEQUENCE && tr_slice_eq(key, "processors")) {
			rc = parse_sequence(t, j, err);
		} else if (kind == PAIRS && (tr_slice_eq(key, "cls") || tr_slice_eq(key, "sep"))) {
			rc = take_pair(j, tr_slice_eq(key, "cls") ? &t->before : &t->after, err);
		} else if (tr_json_skip(j, TR_JSON_KEY, &raw) < 0) {
			rc = bad(err, j, "bad value");
		} else if (tr_slice_eq(key, "single")) {
			single = raw;
		} else if (tr_slice_eq(key, "special_tokens")) {
			special = raw;
		}
	}
	if (rc == 0 && j->reason)
		return bad(err, j, j->reason);
	return rc == 0 && kind == TEMPLATE ? take_template(t, single, special, err) : rc;
}

static int parse_object(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	static const struct {
		const char *type;
		enum kind kind;
	} kinds[] = {{"TemplateProcessing", TEMPLATE},
	             {"BertProcessing", PAIRS},
	             {"RobertaProcessing", PAIRS},
	             {"ByteLevel", NOTHING},
	             {"Sequence", SEQUENCE}};
	if (tr_json_next(j) != TR_JSON_KEY || !tr_slice_eq(j->s, "type") || tr_json_next(j) != TR_JSON_STRING)
		return bad(err, j, "does not begin with its type");
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (tr_slice_eq(j->s, kinds[i].type))
			return parse_members(t, j, kinds[i].kind, err);
	return tok_refuse(err, "post_processor", j->s);
}

static int parse_sequence(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	int rc = k == TR_JSON_ARRAY ? 0 : bad(err, j, "not a list");
	while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_OBJECT)
		rc = parse_object(t, j, err);
	return rc == 0 && k != TR_JSON_CLOSE ? bad(err, j, "not a list of objects") : rc;
}

int post_parse(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	if (k == TR_JSON_NULL)
		return 0;
	return k == TR_JSON_OBJECT ? parse_object(t, j, err) : bad(err, j, "not an object");
}
