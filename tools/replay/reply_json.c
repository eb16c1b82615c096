/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of the members that are read, object by object; everything else is passed over. The shapes:
 *
 *   OpenAI, vLLM, SGLang, llama.cpp, TGI, TensorRT-LLM, Ollama   choices[0].delta|message|text, usage
 *   SGLang /generate                                             text, output_ids, meta_info
 *   llama.cpp /completion                                        content, tokens, stop, timings
 *   TGI /generate_stream, /generate                              token, generated_text, details
 *   errors                                                       error (object or text), object: "error"
 */
#include "tools/replay/reply_json.h"

#include "libtrace/err.h"
#include "libtrace/json.h"
#include "libtrace/num.h"

#include <string.h>

enum what {
	SAID,    /* a string of the answer's text: PAYLOAD, and kept */
	PAYLOAD, /* a string, list or object: something generated unless it is empty */
	IDS,     /* a list, counted */
	ONE,     /* a number: one token id */
	COUNT,   /* a number of tokens */
	WORD,    /* a string or number; or an object that has it, by `into` */
	FLAG,    /* true or false */
	INTO,    /* an object */
	MARK,    /* an object, and that it is there */
	FIRST,   /* a list; its first member is such an object */
	ERROR,   /* null and false are none; a string is its text, an object has it */
};

struct rule {
	const char *key;
	size_t n;
	enum what what;
	size_t at; /* in struct chunk */
	const struct rule *into;
};

#define AT(field) offsetof(struct chunk, field)
#define RULE(key, what, field, into_what)                                                                    \
	{                                                                                                    \
		key, sizeof key - 1, what, AT(field), into_what                                              \
	}
#define RULE_INTO(key, rules)                                                                                \
	{                                                                                                    \
		key, sizeof key - 1, INTO, 0, rules                                                          \
	}
#define RULES_END                                                                                            \
	{                                                                                                    \
		NULL, 0, PAYLOAD, 0, NULL                                                                    \
	}

static const struct rule prompt_details_rules[] = {
    RULE("cached_tokens", COUNT, cached, NULL),
    RULES_END,
};
static const struct rule usage_rules[] = {
    RULE("prompt_tokens", COUNT, in, NULL),
    RULE("completion_tokens", COUNT, out, NULL),
    RULE_INTO("prompt_tokens_details", prompt_details_rules),
    RULES_END,
};
static const struct rule delta_rules[] = {
    RULE("content", SAID, payload, NULL),
    RULE("reasoning", PAYLOAD, payload, NULL),
    RULE("reasoning_content", PAYLOAD, payload, NULL),
    RULE("tool_calls", PAYLOAD, payload, NULL),
    RULE("function_call", PAYLOAD, payload, NULL),
    RULE("refusal", PAYLOAD, payload, NULL),
    RULE("token_ids", IDS, ids, NULL),
    RULES_END,
};
static const struct rule choice_rules[] = {
    RULE_INTO("delta", delta_rules),           RULE_INTO("message", delta_rules),
    RULE("text", PAYLOAD, payload, NULL),      RULE("token_ids", IDS, ids, NULL),
    RULE("finish_reason", WORD, finish, NULL), RULES_END,
};
static const struct rule finish_rules[] = {
    RULE("type", WORD, finish, NULL),
    RULE("message", WORD, error_text, NULL),
    RULES_END,
};
static const struct rule meta_rules[] = {
    RULE("id", WORD, id, NULL),
    RULE("prompt_tokens", COUNT, in, NULL),
    RULE("completion_tokens", COUNT, out, NULL),
    RULE("cached_tokens", COUNT, cached, NULL),
    RULE("finish_reason", WORD, finish, finish_rules),
    RULES_END,
};
static const struct rule timings_rules[] = {
    RULE("cache_n", COUNT, cached, NULL),
    RULE("predicted_n", COUNT, out, NULL),
    RULES_END,
};
static const struct rule token_rules[] = {
    RULE("id", ONE, ids, NULL),
    RULE("text", PAYLOAD, payload, NULL),
    RULES_END,
};
static const struct rule details_rules[] = {
    RULE("finish_reason", WORD, finish, NULL),
    RULE("generated_tokens", COUNT, out, NULL),
    RULE("input_length", COUNT, in, NULL),
    RULES_END,
};
static const struct rule error_rules[] = {
    RULE("message", WORD, error_text, NULL),
    RULE("type", WORD, error_type, NULL),
    RULE("code", WORD, error_code, NULL),
    RULES_END,
};
static const struct rule top_rules[] = {
    RULE("id", WORD, id, NULL),
    RULE("object", WORD, object, NULL),
    RULE("choices", FIRST, choices, choice_rules),
    RULE("usage", MARK, usage, usage_rules),
    RULE("text", PAYLOAD, payload, NULL),
    RULE("output_ids", PAYLOAD, payload, NULL),
    RULE("meta_info", MARK, cumulative, meta_rules),
    RULE("content", PAYLOAD, payload, NULL),
    RULE("tokens", IDS, tokens, NULL),
    RULE("stop", FLAG, stop, NULL),
    RULE("stop_type", WORD, stop_type, NULL),
    RULE("tokens_evaluated", COUNT, in, NULL),
    RULE("tokens_predicted", COUNT, out, NULL),
    RULE_INTO("timings", timings_rules),
    RULE_INTO("token", token_rules),
    RULE("generated_text", WORD, generated, NULL),
    RULE_INTO("details", details_rules),
    RULE("error", ERROR, error, error_rules),
    RULE("error_type", WORD, error_type, NULL),
    RULE("message", WORD, error_text, NULL),
    RULE("detail", WORD, error_text, NULL),
    RULE("type", WORD, error_type, NULL),
    RULE("code", WORD, error_code, NULL),
    RULES_END,
};

static int object(struct tr_json *j, struct chunk *c, const struct rule *rules);

/* Pass over what is left of the lists and objects opened since the depth was this. */
static int leave(struct tr_json *j, int depth)
{
	while (j->depth > depth)
		if (tr_json_next(j) == TR_JSON_ERROR)
			return -TR_EDATA;
	return 0;
}

/* Stands within a list or object: is that all of it? */
static int closes(struct tr_json *j, enum tr_json_token *t)
{
	*t = tr_json_next(j);
	return *t == TR_JSON_CLOSE;
}

static int count_members(struct tr_json *j, struct chunk_count *ids)
{
	uint64_t n = 0;
	enum tr_json_token t;
	while (!closes(j, &t)) {
		if (tr_json_skip(j, t, NULL) < 0)
			return -TR_EDATA;
		n++;
	}
	/* An empty list is what servers send that were not asked for ids: it tells nothing. */
	if (n)
		*ids = (struct chunk_count){n, 1};
	return 0;
}

static int payload(struct tr_json *j, struct chunk *c, enum tr_json_token t)
{
	if (t == TR_JSON_STRING) {
		c->payload |= j->s.n > 0;
	} else if (t == TR_JSON_ARRAY || t == TR_JSON_OBJECT) {
		int depth = j->depth - 1;
		c->payload |= !closes(j, &t);
		return leave(j, depth);
	}
	return 0;
}

static int first(struct tr_json *j, struct chunk *c, const struct rule *rule)
{
	int depth = j->depth - 1;
	enum tr_json_token t;
	if (closes(j, &t))
		return 0;
	c->choices = 1;
	if (t == TR_JSON_OBJECT && object(j, c, rule->into) < 0)
		return -TR_EDATA;
	return leave(j, depth);
}

static int error(struct tr_json *j, struct chunk *c, enum tr_json_token t, const struct rule *rule)
{
	if (t == TR_JSON_NULL || t == TR_JSON_FALSE)
		return 0;
	c->error = 1;
	if (t == TR_JSON_STRING)
		c->error_text = j->s;
	return t == TR_JSON_OBJECT ? object(j, c, rule->into) : tr_json_skip(j, t, NULL);
}

/* Stands behind the key. Members of another type than the API's tell nothing. */
static int value(struct tr_json *j, struct chunk *c, const struct rule *rule)
{
	void *at = (char *)c + rule->at;
	struct chunk_count *count = at;
	enum tr_json_token t = tr_json_next(j);
	if (t == TR_JSON_ERROR)
		return -TR_EDATA;
	if (rule->what == SAID && t == TR_JSON_STRING)
		c->text = j->s;
	if (rule->what == PAYLOAD || rule->what == SAID)
		return payload(j, c, t);
	if (rule->what == ERROR)
		return error(j, c, t, rule);
	if (rule->what == MARK && t == TR_JSON_OBJECT)
		*(int *)at = 1;
	if (rule->into && rule->what != FIRST && t == TR_JSON_OBJECT)
		return object(j, c, rule->into);
	if (t == TR_JSON_ARRAY && rule->what == FIRST)
		return first(j, c, rule);
	if (t == TR_JSON_ARRAY && rule->what == IDS)
		return count_members(j, count);
	if (t == TR_JSON_NUMBER && rule->what == COUNT && !tr_num_u64(j->s, &count->v))
		count->has = 1;
	if (t == TR_JSON_NUMBER && rule->what == ONE)
		*count = (struct chunk_count){1, 1};
	if (rule->what == FLAG)
		*(int *)at = t == TR_JSON_TRUE;
	if (rule->what == WORD && (t == TR_JSON_STRING || t == TR_JSON_NUMBER))
		*(struct tr_slice *)at = j->s;
	return tr_json_skip(j, t, NULL);
}

static const struct rule *find(const struct rule *r, struct tr_slice key)
{
	for (; r->key; r++)
		if (r->n == key.n && r->key[0] == key.p[0] && memcmp(r->key, key.p, key.n) == 0)
			return r;
	return NULL;
}

/* Stands behind the brace. */
static int object(struct tr_json *j, struct chunk *c, const struct rule *rules)
{
	enum tr_json_token t;
	while ((t = tr_json_next(j)) == TR_JSON_KEY) {
		const struct rule *rule = find(rules, j->s);
		if ((rule ? value(j, c, rule) : tr_json_skip(j, t, NULL)) < 0)
			return -TR_EDATA;
	}
	return t == TR_JSON_CLOSE ? 0 : -TR_EDATA;
}

/* What several members say together. */
static void conclude(struct chunk *c)
{
	static const char unnamed[] = "unspecified";
	if (tr_slice_eq(c->object, "error"))
		c->error = 1;
	if (c->stop && !c->finish.p)
		c->finish = c->stop_type;
	if ((c->stop || c->generated.p) && !c->finish.n)
		c->finish = tr_slice_of(unnamed);
	if (c->tokens.has && !c->out.has)
		c->ids = c->tokens;
	c->payload |= c->ids.has || c->tokens.has;
	c->cumulative = c->cumulative && c->out.has;
}

int chunk_scan(struct chunk *c, struct tr_slice text, const char **why)
{
	struct tr_json j;
	*c = (struct chunk){0};
	tr_json_init(&j, text.p, text.n);
	*why = "not a JSON object";
	if (tr_json_next(&j) == TR_JSON_OBJECT && object(&j, c, top_rules) == 0 &&
	    tr_json_next(&j) == TR_JSON_END) {
		*why = NULL;
		conclude(c);
		return 0;
	}
	if (j.reason)
		*why = j.reason;
	/* The scanner's limit has no code of its own. */
	return j.reason && strcmp(j.reason, "nested too deeply") == 0 ? -TR_ELIMIT : -TR_EDATA;
}
