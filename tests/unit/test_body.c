/* SPDX-License-Identifier: Apache-2.0
 *
 * Request bodies: every one is read back with cJSON and must have the members it should have, and no others.
 */
#include "tests/unit/body.h"

static const char usage_options[] = "{\"include_usage\":true,\"continuous_usage_stats\":true}";

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
	    cmocka_unit_test(every_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
