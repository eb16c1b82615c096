/* SPDX-License-Identifier: Apache-2.0
 *
 * Prompts that records bring along: sent as they stand, or refused.
 */
#include "tests/unit/body.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(payloads),
	    cmocka_unit_test(raw_bodies),
	    cmocka_unit_test(hostile_payloads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
