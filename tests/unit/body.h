/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of request bodies share: records, and bodies read back with cJSON.
 */
#ifndef TESTS_UNIT_BODY_H
#define TESTS_UNIT_BODY_H

#include "libtrace/err.h"
#include "libtrace/json.h"
#include "tools/replay/body.h"
#include "tools/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

enum { ALL = (1 << BODY_FIELDS) - 1, BIG = 1 << 20 };

static inline struct body_opts opts(enum body_api api)
{
	return (struct body_opts){.api = api,
	                          .model = "m",
	                          .stream = 1,
	                          .fields = ALL,
	                          .content = {.seed = 1, .id_lo = 10, .id_hi = 5000}};
}

static inline struct tr_rec record(uint64_t in, uint64_t out)
{
	struct tr_rec r = {0};
	TR_SET(&r, id, 7);
	TR_SET(&r, in_tokens, in);
	TR_SET(&r, out_tokens, out);
	return r;
}

static inline struct tr_rec carrying(const char *kind, const char *payload)
{
	struct tr_rec r = {0};
	TR_SET(&r, id, 7);
	TR_SET(&r, payload_kind, tr_slice_of(kind));
	TR_SET(&r, payload, tr_slice_of(payload));
	return r;
}

static inline char *body(const struct body_opts *o, const struct tr_rec *r, struct body_made *made)
{
	struct tr_buf b;
	struct tr_err err;
	tr_err_clear(&err);
	tr_buf_init(&b, BIG);
	assert_int_equal(body_make(o, r, &b, made, &err), 0);
	assert_int_equal(tr_buf_char(&b, 0), 0);
	return b.p;
}

/* The body parsed; its members' names must be these, in this order. */
static inline cJSON *parsed(const struct body_opts *o, const struct tr_rec *r, struct body_made *made,
                            const char *names)
{
	char got[256] = "", *text = body(o, r, made);
	size_t n = 0;
	cJSON *tree = cJSON_ParseWithOpts(text, NULL, 1), *member;
	assert_true(cJSON_IsObject(tree));
	cJSON_ArrayForEach(member, tree)
	{
		n += (size_t)snprintf(got + n, sizeof got - n, "%s%s", n ? " " : "", member->string);
		assert_true(n < sizeof got);
	}
	assert_string_equal(got, names);
	free(text);
	return tree;
}

/* The member is this JSON. */
static inline void has(const cJSON *tree, const char *name, const char *want)
{
	char *got = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(tree, name));
	assert_non_null(got);
	assert_string_equal(got, want);
	cJSON_free(got);
}

static const char *chat_text(const cJSON *tree)
{
	const cJSON *messages = cJSON_GetObjectItemCaseSensitive(tree, "messages");
	const cJSON *one = cJSON_GetArrayItem(messages, 0);
	assert_int_equal(cJSON_GetArraySize(messages), 1);
	assert_int_equal(cJSON_GetArraySize(one), 2);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(one, "role")), "user");
	return cJSON_GetStringValue(cJSON_GetObjectItem(one, "content"));
}

static inline int fails(const struct body_opts *o, const struct tr_rec *r, const char *field)
{
	struct tr_buf b;
	struct tr_err err;
	struct body_made made;
	tr_err_clear(&err);
	tr_buf_init(&b, BIG);
	assert_int_equal(tr_buf_str(&b, "head"), 0);
	int rc = body_make(o, r, &b, &made, &err);
	assert_true(rc < 0);
	assert_int_equal(err.code, -rc);
	assert_true(err.text[0] != 0);
	assert_string_equal(err.field, field);
	assert_int_equal(b.n, 4);
	tr_buf_free(&b);
	return rc;
}

#endif
