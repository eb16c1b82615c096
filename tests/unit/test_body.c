/* SPDX-License-Identifier: Apache-2.0
 *
 * Request bodies: every one is read back with cJSON and must have the members it should have, and no others.
 */
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

static const char usage_options[] = "{\"include_usage\":true,\"continuous_usage_stats\":true}";

static struct body_opts opts(enum body_api api)
{
	return (struct body_opts){.api = api,
	                          .model = "m",
	                          .stream = 1,
	                          .fields = ALL,
	                          .content = {.seed = 1, .id_lo = 10, .id_hi = 5000}};
}

static struct tr_rec record(uint64_t in, uint64_t out)
{
	struct tr_rec r = {0};
	TR_SET(&r, id, 7);
	TR_SET(&r, in_tokens, in);
	TR_SET(&r, out_tokens, out);
	return r;
}

static struct tr_rec carrying(const char *kind, const char *payload)
{
	struct tr_rec r = {0};
	TR_SET(&r, id, 7);
	TR_SET(&r, payload_kind, tr_slice_of(kind));
	TR_SET(&r, payload, tr_slice_of(payload));
	return r;
}

static char *body(const struct body_opts *o, const struct tr_rec *r, struct body_made *made)
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
static cJSON *parsed(const struct body_opts *o, const struct tr_rec *r, struct body_made *made,
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
static void has(const cJSON *tree, const char *name, const char *want)
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

static int fails(const struct body_opts *o, const struct tr_rec *r, const char *field)
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

static void completions_words(void **state)
{
	const struct body_opts o = opts(BODY_COMPLETIONS);
	const struct tr_rec r = record(100, 20);
	struct body_made made;
	(void)state;
	cJSON *t =
	    parsed(&o, &r, &made, "model prompt max_tokens min_tokens ignore_eos stream stream_options");
	has(t, "model", "\"m\"");
	has(t, "max_tokens", "20");
	has(t, "min_tokens", "20");
	has(t, "ignore_eos", "true");
	has(t, "stream", "true");
	has(t, "stream_options", usage_options);
	const char *prompt = cJSON_GetStringValue(cJSON_GetObjectItem(t, "prompt"));
	assert_int_equal(words_tokens(tr_slice_of(prompt)), 100);
	assert_int_equal(made.ask_in, 100);
	assert_int_equal(made.ask_out, 20);
	assert_true(made.forced && made.stream && !made.raised);
	cJSON_Delete(t);
}

static void completions_ids(void **state)
{
	struct body_opts o = opts(BODY_COMPLETIONS);
	const struct tr_rec r = record(100, 20);
	struct body_made made;
	(void)state;
	o.prompt = BODY_IDS;
	o.template_tokens = 5; /* is of text alone */
	cJSON *t =
	    parsed(&o, &r, &made, "model prompt max_tokens min_tokens ignore_eos stream stream_options");
	const cJSON *prompt = cJSON_GetObjectItem(t, "prompt"), *id;
	assert_int_equal(cJSON_GetArraySize(prompt), 100);
	cJSON_ArrayForEach(id, prompt) assert_in_range((uint64_t)id->valuedouble, 10, 5000);
	assert_int_equal(made.ask_in, 100);
	cJSON_Delete(t);
	o.api = BODY_CHAT;
	assert_int_equal(fails(&o, &r, ""), -TR_EUSAGE);
}

static void chat_words(void **state)
{
	struct body_opts o = opts(BODY_CHAT);
	const struct tr_rec r = record(100, 20);
	struct body_made made;
	(void)state;
	o.template_tokens = 11;
	cJSON *t = parsed(&o, &r, &made,
	                  "model messages max_completion_tokens min_tokens ignore_eos stream stream_options");
	assert_int_equal(words_tokens(tr_slice_of(chat_text(t))), 89);
	assert_int_equal(made.ask_in, 100);
	cJSON_Delete(t);
	o.fields &= ~(1U << BODY_MAX_COMPLETION_TOKENS);
	cJSON_Delete(
	    parsed(&o, &r, &made, "model messages max_tokens min_tokens ignore_eos stream stream_options"));
}

/* Every set of fields, streamed or not: what is sent, and whether the length is forced. */
static void every_set_of_fields(void **state)
{
	const struct tr_rec r = record(3, 20);
	struct body_made made;
	(void)state;
	for (unsigned set = 0; set <= ALL; set++) {
		for (int stream = 0; stream < 2; stream++) {
			struct body_opts o = opts(BODY_COMPLETIONS);
			const int max = set >> BODY_MAX_TOKENS & 1, min = set >> BODY_MIN_TOKENS & 1,
			          eos = set >> BODY_IGNORE_EOS & 1, usage = set >> BODY_USAGE & 1,
			          running = set >> BODY_CONTINUOUS_USAGE & 1;
			char names[256];
			o.fields = set;
			o.stream = stream;
			snprintf(names, sizeof names, "model prompt%s%s%s stream%s", max ? " max_tokens" : "",
			         min ? " min_tokens" : "", eos ? " ignore_eos" : "",
			         stream && (usage || running) ? " stream_options" : "");
			cJSON *t = parsed(&o, &r, &made, names);
			has(t, "stream", stream ? "true" : "false");
			const cJSON *so = cJSON_GetObjectItem(t, "stream_options");
			assert_int_equal(!!cJSON_GetObjectItem(so, "include_usage"), stream && usage);
			assert_int_equal(!!cJSON_GetObjectItem(so, "continuous_usage_stats"),
			                 stream && running);
			assert_int_equal(made.forced, max && (min || eos));
			assert_int_equal(made.stream, stream);
			cJSON_Delete(t);
		}
	}
	for (int f = 0; f < BODY_FIELDS; f++)
		assert_non_null(body_field_name((enum body_field)f));
	assert_string_equal(body_field_name(BODY_USAGE), "include_usage");
}

static void lengths_raised_and_absent(void **state)
{
	struct body_opts o = opts(BODY_COMPLETIONS);
	struct tr_rec r = record(0, 0);
	struct body_made made;
	(void)state;
	cJSON *t =
	    parsed(&o, &r, &made, "model prompt max_tokens min_tokens ignore_eos stream stream_options");
	has(t, "max_tokens", "1");
	has(t, "min_tokens", "1");
	assert_int_equal(made.ask_in, 1);
	assert_int_equal(made.ask_out, 1);
	assert_true(made.raised);
	cJSON_Delete(t);

	r = record(5, 20);
	o.template_tokens = 5;
	cJSON_Delete(
	    parsed(&o, &r, &made, "model prompt max_tokens min_tokens ignore_eos stream stream_options"));
	assert_int_equal(made.ask_in, 6);
	assert_true(made.raised);
	o.template_tokens = 4;
	cJSON_Delete(
	    parsed(&o, &r, &made, "model prompt max_tokens min_tokens ignore_eos stream stream_options"));
	assert_int_equal(made.ask_in, 5);
	assert_true(!made.raised);

	r.mask &= ~TR_BIT(out_tokens);
	cJSON_Delete(parsed(&o, &r, &made, "model prompt stream stream_options"));
	assert_int_equal(made.ask_out, 0);
	assert_true(!made.forced && !made.raised);
	r.mask &= ~TR_BIT(in_tokens);
	assert_int_equal(fails(&o, &r, "in_tokens"), -TR_EDATA);
	r = record(UINT64_MAX, 1);
	assert_int_equal(fails(&o, &r, ""), -TR_ELIMIT);
	o.prompt = BODY_IDS;
	assert_int_equal(fails(&o, &r, ""), -TR_ELIMIT);
}

static void names_of_models(void **state)
{
	static const struct {
		const char *ours;
		int wins;
		const char *model, *adapter, *want;
	} rows[] = {
	    {"o", 0, NULL, NULL, "\"o\""},
	    {"o", 0, "r", NULL, "\"r\""},
	    {"o", 0, "r", "a", "\"a\""},
	    {"o", 0, NULL, "a", "\"a\""},
	    {"o", 0, "", "", "\"o\""},
	    {"o", 1, "r", "a", "\"o\""},
	    {NULL, 1, "r", NULL, "\"r\""},
	    {"q\"\\\n\xc3\xa9", 0, NULL, NULL, "\"q\\\"\\\\\\n\xc3\xa9\""},
	    {NULL, 0, "r\",\"x\":\"", NULL, "\"r\\\",\\\"x\\\":\\\"\""},
	};
	struct body_made made;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct body_opts o = opts(BODY_COMPLETIONS);
		struct tr_rec r = record(3, 4);
		o.fields = 0;
		o.model = rows[i].ours;
		o.model_wins = rows[i].wins;
		if (rows[i].model)
			TR_SET(&r, model, tr_slice_of(rows[i].model));
		if (rows[i].adapter)
			TR_SET(&r, adapter, tr_slice_of(rows[i].adapter));
		cJSON *t = parsed(&o, &r, &made, "model prompt stream");
		has(t, "model", rows[i].want);
		cJSON_Delete(t);
	}
	struct body_opts o = opts(BODY_COMPLETIONS);
	struct tr_rec r = record(3, 4);
	o.fields = 0;
	o.model = NULL;
	TR_SET(&r, priority, INT64_MIN);
	char *text = body(&o, &r, &made);
	assert_non_null(strstr(text, ",\"priority\":-9223372036854775808}"));
	assert_null(strstr(text, "model"));
	free(text);
}

static void extra_replaces(void **state)
{
	static const struct {
		const char *extra, *names, *member, *value;
		uint64_t ask_in, ask_out;
		int forced, stream;
	} rows[] = {
	    {" { } ", "model prompt max_tokens min_tokens ignore_eos stream stream_options", "model", "\"m\"",
	     3, 20, 1, 1},
	    {"\n{ \"top_k\" : [1, {}] } ",
	     "model prompt max_tokens min_tokens ignore_eos stream stream_options top_k", "top_k", "[1,{}]",
	     3, 20, 1, 1},
	    {"{\"model\":\"x\",\"seed\":3}",
	     "prompt max_tokens min_tokens ignore_eos stream stream_options model seed", "model", "\"x\"", 3,
	     20, 1, 1},
	    {"{\"mo\\u0064el\":\"x\"}", "prompt max_tokens min_tokens ignore_eos stream stream_options model",
	     "model", "\"x\"", 3, 20, 1, 1},
	    {"{\"stream\":false}", "model prompt max_tokens min_tokens ignore_eos stream", "stream", "false",
	     3, 20, 1, 0},
	    {"{\"stream_options\":null}",
	     "model prompt max_tokens min_tokens ignore_eos stream stream_options", "stream_options", "null",
	     3, 20, 1, 1},
	    {"{\"min_tokens\":1}", "model prompt max_tokens ignore_eos stream stream_options min_tokens",
	     "min_tokens", "1", 3, 20, 1, 1},
	    {"{\"min_tokens\":1,\"ignore_eos\":false}",
	     "model prompt max_tokens stream stream_options min_tokens ignore_eos", "ignore_eos", "false", 3,
	     20, 0, 1},
	    {"{\"max_tokens\":5}", "model prompt min_tokens ignore_eos stream stream_options max_tokens",
	     "max_tokens", "5", 3, 0, 0, 1},
	    {"{\"prompt\":\"hi\"}", "model max_tokens min_tokens ignore_eos stream stream_options prompt",
	     "prompt", "\"hi\"", 0, 20, 1, 1},
	};
	const struct tr_rec r = record(3, 20);
	struct body_made made;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct body_opts o = opts(BODY_COMPLETIONS);
		o.extra = tr_slice_of(rows[i].extra);
		assert_int_equal(body_check_extra(o.extra, NULL), 0);
		cJSON *t = parsed(&o, &r, &made, rows[i].names);
		has(t, rows[i].member, rows[i].value);
		assert_int_equal(made.ask_in, rows[i].ask_in);
		assert_int_equal(made.ask_out, rows[i].ask_out);
		assert_int_equal(made.forced, rows[i].forced);
		assert_int_equal(made.stream, rows[i].stream);
		cJSON_Delete(t);
	}
	struct body_opts o = opts(BODY_COMPLETIONS);
	o.model = NULL;
	o.extra =
	    tr_slice_of("{\"prompt\":1,\"stream\":false,\"max_tokens\":1,\"min_tokens\":1,\"ignore_eos\":1}");
	cJSON_Delete(parsed(&o, &r, &made, "prompt stream max_tokens min_tokens ignore_eos"));
	o.extra = tr_slice_of("{\"a\":1");
	assert_int_equal(fails(&o, &r, ""), -TR_EUSAGE);
}

static void hostile_extra(void **state)
{
	static const char *const bad[] = {
	    "",
	    "[]",
	    "1",
	    "\"{}\"",
	    "{}{}",
	    "{\"a\":1}}",
	    "{\"a\":1,}",
	    "{\"a\"}",
	    "{\"a\":01}",
	    "{\"a\":\"\\x\"}",
	    "{\"a\\u12\":1}",
	    "{\"a\":\"\xff\"}",
	    "{\"a\":nan}",
	    "{\"a\":1}\"b",
	    "{'a':1}",
	    "{\"a\":[}",
	    "{\"a\":\"\n\"}",
	    "{a:1}",
	};
	char deep[3 * TR_JSON_DEPTH + 8];
	struct tr_err err;
	size_t n = 0;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		tr_err_clear(&err);
		assert_int_equal(body_check_extra(tr_slice_of(bad[i]), &err), -TR_EUSAGE);
		assert_true(err.text[0] != 0);
	}
	n += (size_t)snprintf(deep, sizeof deep, "{\"a\":");
	for (int i = 1; i < TR_JSON_DEPTH; i++)
		deep[n++] = '[';
	for (int i = 1; i < TR_JSON_DEPTH; i++)
		deep[n++] = ']';
	deep[n++] = '}';
	assert_int_equal(body_check_extra((struct tr_slice){deep, n}, NULL), 0);
	memmove(deep + 6, deep + 5, n - 5);
	deep[5] = '[';
	deep[n] = ']';
	deep[n + 1] = '}';
	assert_int_equal(body_check_extra((struct tr_slice){deep, n + 2}, NULL), -TR_EUSAGE);
}

static void payloads(void **state)
{
	struct body_opts chat = opts(BODY_CHAT), plain = opts(BODY_COMPLETIONS);
	struct body_made made;
	const struct tr_rec messages = carrying(
	    "messages", " [{\"role\":\"system\",\"content\":\"a\\n\"}, {\"role\":\"user\",\"x\":[1]}]");
	const struct tr_rec text = carrying("text", "say \"hi\"\n\\ \xc3\xa9");
	const struct tr_rec tokens = carrying("tokens", "[1, 2,\n30000]");
	(void)state;
	chat.fields = plain.fields = 0;
	chat.template_tokens = plain.template_tokens = 9;
	cJSON *t = parsed(&chat, &messages, &made, "model messages stream");
	has(t, "messages", "[{\"role\":\"system\",\"content\":\"a\\n\"},{\"role\":\"user\",\"x\":[1]}]");
	assert_int_equal(made.ask_in, 0);
	cJSON_Delete(t);
	assert_int_equal(fails(&plain, &messages, "payload"), -TR_EDATA);

	t = parsed(&chat, &text, &made, "model messages stream");
	assert_string_equal(chat_text(t), "say \"hi\"\n\\ \xc3\xa9");
	cJSON_Delete(t);
	t = parsed(&plain, &text, &made, "model prompt stream");
	has(t, "prompt", "\"say \\\"hi\\\"\\n\\\\ \xc3\xa9\"");
	cJSON_Delete(t);

	t = parsed(&plain, &tokens, &made, "model prompt stream");
	has(t, "prompt", "[1,2,30000]");
	cJSON_Delete(t);
	assert_int_equal(fails(&chat, &tokens, "payload"), -TR_EDATA);

	/* Lengths that are known go with it; and the payload may be passed over. */
	struct tr_rec known = text;
	TR_SET(&known, in_tokens, 50);
	TR_SET(&known, out_tokens, 6);
	plain.fields = ALL;
	cJSON_Delete(parsed(&plain, &known, &made,
	                    "model prompt max_tokens min_tokens ignore_eos stream stream_options"));
	assert_int_equal(made.ask_in, 50);
	assert_int_equal(made.ask_out, 6);
	plain.prompt = BODY_WORDS;
	t = parsed(&plain, &known, &made,
	           "model prompt max_tokens min_tokens ignore_eos stream stream_options");
	assert_int_equal(words_tokens(tr_slice_of(cJSON_GetStringValue(cJSON_GetObjectItem(t, "prompt")))),
	                 41);
	cJSON_Delete(t);
	plain.prompt = BODY_PAYLOAD;
	known = record(5, 5);
	assert_int_equal(fails(&plain, &known, "payload"), -TR_EDATA);
}

static void raw_bodies(void **state)
{
	static const char raw[] = " {\"model\":\"z\", \"stream\" : true,\"prompt\":\"x\"}\n";
	struct body_opts o = opts(BODY_CHAT);
	struct tr_rec r = carrying("body", raw);
	struct body_made made;
	(void)state;
	o.extra = tr_slice_of("{\"seed\":1}");
	o.stream = 0;
	TR_SET(&r, out_tokens, 9);
	TR_SET(&r, priority, 1);
	char *text = body(&o, &r, &made);
	assert_string_equal(text, raw);
	assert_true(made.stream && !made.forced && made.ask_in == 0 && made.ask_out == 9);
	free(text);
	r = carrying("body", "{}");
	o.stream = 1;
	text = body(&o, &r, &made);
	assert_string_equal(text, "{}");
	assert_false(made.stream);
	free(text);
}

static void hostile_payloads(void **state)
{
	static const char *const rows[][2] = {
	    {"messages", ""},
	    {"messages", "{}"},
	    {"messages", "[1"},
	    {"messages", "[]]"},
	    {"messages", "[],\"x\":1"},
	    {"messages", "[\"\\q\"]"},
	    {"messages", "[\"\xff\"]"},
	    {"body", "[]"},
	    {"body", "{\"a\":}"},
	    {"body", "{} {}"},
	    {"body", "{\"a\":\"\\u00\"}"},
	};
	static const char *const tokens[] = {"",        "1,2",   "[1,2", "[-1]", "[1.5]",
	                                     "[\"1\"]", "[[1]]", "[1]2", "{}",   "[18446744073709551616]"};
	const struct body_opts chat = opts(BODY_CHAT), plain = opts(BODY_COMPLETIONS);
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct tr_rec r = carrying(rows[i][0], rows[i][1]);
		assert_int_equal(fails(&chat, &r, "payload"), -TR_EDATA);
	}
	for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
		const struct tr_rec r = carrying("tokens", tokens[i]);
		assert_int_equal(fails(&plain, &r, "payload"), -TR_EDATA);
	}
	struct tr_rec r = carrying("msg", "[]");
	assert_int_equal(fails(&chat, &r, "payload_kind"), -TR_EDATA);
	r.mask &= ~TR_BIT(payload_kind);
	assert_int_equal(fails(&chat, &r, "payload_kind"), -TR_EDATA);
}

/* A buffer of any size either takes the whole body or stays as it was. */
static void every_limit(void **state)
{
	struct body_opts o = opts(BODY_CHAT);
	struct tr_rec r = record(4, 5);
	struct body_made made;
	(void)state;
	TR_SET(&r, priority, -3);
	o.extra = tr_slice_of("{\"seed\":1}");
	char *whole = body(&o, &r, &made);
	size_t n = strlen(whole), fitted = 0;
	for (size_t max = 0; max < n + 1100; max++) {
		struct tr_buf b;
		tr_buf_init(&b, max);
		int rc = body_make(&o, &r, &b, &made, NULL);
		assert_true(rc == 0 || rc == -TR_ELIMIT);
		assert_int_equal(b.n, rc == 0 ? n : 0);
		if (rc == 0)
			assert_memory_equal(b.p, whole, n);
		fitted += rc == 0;
		tr_buf_free(&b);
	}
	assert_true(fitted > 0);
	free(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(completions_words), cmocka_unit_test(completions_ids),
	    cmocka_unit_test(chat_words),        cmocka_unit_test(every_set_of_fields),
	    cmocka_unit_test(names_of_models),   cmocka_unit_test(lengths_raised_and_absent),
	    cmocka_unit_test(extra_replaces),    cmocka_unit_test(hostile_extra),
	    cmocka_unit_test(payloads),          cmocka_unit_test(raw_bodies),
	    cmocka_unit_test(hostile_payloads),  cmocka_unit_test(every_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
