/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading what is asked. One pass; members that are not known are passed over, as vLLM does.
 */
#include "tools/mock/ask.h"
#include "libtrace/json.h"
#include "libtrace/num.h"
#include "tools/words.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct reading {
	struct ask *a;
	const struct ask_how *how;
	struct tr_json j;
	int bad;          /* a->why is filled */
	uint64_t has_max; /* max_tokens as given under its newer name */
};

static void fail(struct reading *r, const char *field, const char *what)
{
	if (!r->bad)
		snprintf(r->a->why, sizeof r->a->why, "%s: %s", field, what);
	r->bad = 1;
}

/* --- text ---------------------------------------------------------------------------------- */

static uint64_t count_words(struct tr_slice s)
{
	uint64_t n = s.n > 0;

	for (const char *p = s.p, *end = s.p + s.n; s.n && (p = memchr(p, ' ', (size_t)(end - p))); p++)
		n++;
	return n;
}

static void count_text(struct reading *r)
{
	struct tr_slice s = r->j.s;
	struct tr_buf text;

	if (r->how->quick) {
		r->a->in_tokens += count_words(s);
		return;
	}
	if (!r->j.escaped) {
		r->a->in_tokens += words_tokens(s);
		return;
	}
	tr_buf_init(&text, s.n + 1);
	if (tr_json_unescape(s, 0, &text) < 0)
		fail(r, "prompt", "a string that cannot be decoded");
	else
		r->a->in_tokens += words_tokens((struct tr_slice){text.p, text.n});
	tr_buf_free(&text);
}

/* --- the prompt ---------------------------------------------------------------------------- */

/* A list of ids, or of one text. */
static void prompt_list(struct reading *r, size_t from)
{
	enum tr_json_token t;
	uint64_t ids = 0, texts = 0, id;

	while ((t = tr_json_next(&r->j)) != TR_JSON_CLOSE && t != TR_JSON_ERROR) {
		if (t == TR_JSON_NUMBER && !tr_num_u64(r->j.s, &id)) {
			ids++;
		} else if (t == TR_JSON_STRING) {
			texts++;
			count_text(r);
		} else {
			fail(r, "prompt", "must be a text or a list of token ids; one prompt a request");
			tr_json_skip(&r->j, t, NULL);
		}
	}
	if (texts > 1 || (texts && ids))
		fail(r, "prompt", "one prompt a request");
	if (ids)
		r->a->ids = (struct tr_slice){r->j.p + from, r->j.pos - from};
	r->a->in_tokens += ids;
}

static void on_prompt(struct reading *r, enum tr_json_token t)
{
	size_t at = r->j.pos;

	r->a->has_prompt = 1;
	r->a->in_tokens = 0;
	r->a->ids.n = 0;
	if (t == TR_JSON_STRING)
		count_text(r);
	else if (t == TR_JSON_ARRAY)
		prompt_list(r, at - 1);
	else
		fail(r, "prompt", "must be a text or a list of token ids");
}

/* --- messages ------------------------------------------------------------------------------ */

/* Counts every string under a key of this name, within the object that has just begun. */
static void texts_of_object(struct reading *r, const char *name)
{
	enum tr_json_token t;

	while ((t = tr_json_next(&r->j)) == TR_JSON_KEY) {
		int wanted = tr_slice_eq(r->j.s, name);

		t = tr_json_next(&r->j);
		if (!wanted || (t != TR_JSON_STRING && t != TR_JSON_ARRAY)) {
			tr_json_skip(&r->j, t, NULL);
			continue;
		}
		if (t == TR_JSON_STRING) {
			count_text(r);
			continue;
		}
		while ((t = tr_json_next(&r->j)) != TR_JSON_CLOSE && t != TR_JSON_ERROR) { /* content parts */
			if (t == TR_JSON_OBJECT)
				texts_of_object(r, "text");
			else
				tr_json_skip(&r->j, t, NULL);
		}
	}
}

static void on_messages(struct reading *r, enum tr_json_token t)
{
	if (t != TR_JSON_ARRAY) {
		fail(r, "messages", "must be a list");
		tr_json_skip(&r->j, t, NULL);
		return;
	}
	r->a->has_prompt = 0;
	r->a->in_tokens = 0;
	while ((t = tr_json_next(&r->j)) != TR_JSON_CLOSE && t != TR_JSON_ERROR) {
		r->a->has_prompt = 1;
		if (t == TR_JSON_OBJECT) {
			texts_of_object(r, "content");
		} else {
			fail(r, "messages", "must be objects");
			tr_json_skip(&r->j, t, NULL);
		}
	}
}

/* --- members ------------------------------------------------------------------------------- */

static const struct member {
	const char *name;
	enum { MEMBER_FLAG, MEMBER_COUNT } type;
	size_t to; /* in struct ask */
	uint64_t least;
} members[] =
    {
        {"stream", MEMBER_FLAG, offsetof(struct ask, stream), 0},
        {"ignore_eos", MEMBER_FLAG, offsetof(struct ask, ignore_eos), 0},
        {"return_token_ids", MEMBER_FLAG, offsetof(struct ask, return_token_ids), 0},
        {"max_tokens", MEMBER_COUNT, offsetof(struct ask, max_tokens), 1},
        {"min_tokens", MEMBER_COUNT, offsetof(struct ask, min_tokens), 0},
},
  stream_options[] = {
      {"include_usage", MEMBER_FLAG, offsetof(struct ask, include_usage), 0},
      {"continuous_usage_stats", MEMBER_FLAG, offsetof(struct ask, continuous_usage), 0},
};

static void set_count(struct reading *r, const char *name, uint64_t least, uint64_t *to)
{
	uint64_t v = 0;

	if (tr_num_u64(r->j.s, &v) || v < least || v > ASK_TOKENS_MAX) {
		char what[80];

		snprintf(what, sizeof what, "must be a whole number, %u to %u", (unsigned)least,
		         ASK_TOKENS_MAX);
		fail(r, name, what);
	} else {
		*to = v;
	}
}

static void set_member(struct reading *r, const struct member *m, enum tr_json_token t)
{
	char *to = (char *)r->a + m->to;

	if (t == TR_JSON_NULL)
		return;
	if (m->type == MEMBER_FLAG && (t == TR_JSON_TRUE || t == TR_JSON_FALSE)) {
		*(int *)(void *)to = t == TR_JSON_TRUE;
	} else if (m->type == MEMBER_COUNT && t == TR_JSON_NUMBER) {
		set_count(r, m->name, m->least, (uint64_t *)(void *)to);
	} else {
		fail(r, m->name, m->type == MEMBER_FLAG ? "must be true or false" : "must be a whole number");
		tr_json_skip(&r->j, t, NULL);
	}
}

static const struct member *find_member(const struct member *table, size_t n, struct tr_slice name)
{
	for (size_t i = 0; i < n; i++)
		if (tr_slice_eq(name, table[i].name))
			return &table[i];
	return NULL;
}

/* As FastAPI tells what its model forbids. */
static void refuse_rejected(struct reading *r, const char *parent, struct tr_slice name)
{
	for (unsigned i = 0; i < r->how->rejects && !r->bad; i++)
		if (tr_slice_eq(name, r->how->reject[i])) {
			snprintf(r->a->why, sizeof r->a->why,
			         "[{'type': 'extra_forbidden', 'loc': ('body', %s'%s'), "
			         "'msg': 'Extra inputs are not permitted'}]",
			         parent, r->how->reject[i]);
			r->bad = 1;
		}
}

static void on_stream_options(struct reading *r, enum tr_json_token t)
{
	if (t == TR_JSON_NULL)
		return;
	if (t != TR_JSON_OBJECT) {
		fail(r, "stream_options", "must be an object");
		tr_json_skip(&r->j, t, NULL);
		return;
	}
	while ((t = tr_json_next(&r->j)) == TR_JSON_KEY) {
		const struct member *m = find_member(stream_options, 2, r->j.s);

		refuse_rejected(r, "'stream_options', ", r->j.s);
		t = tr_json_next(&r->j);
		if (m)
			set_member(r, m, t);
		else
			tr_json_skip(&r->j, t, NULL);
	}
}

static void on_model(struct reading *r, enum tr_json_token t)
{
	if (t == TR_JSON_STRING && r->j.s.n <= ASK_MODEL_MAX) {
		r->a->model = r->j.s;
		return;
	}
	fail(r, "model", "must be a string of at most 768 bytes");
	tr_json_skip(&r->j, t, NULL);
}

/* The newer name wins over max_tokens, wherever it stands. */
static void on_completion_tokens(struct reading *r, enum tr_json_token t)
{
	if (t == TR_JSON_NUMBER) {
		set_count(r, "max_completion_tokens", 1, &r->has_max);
	} else if (t != TR_JSON_NULL) {
		fail(r, "max_completion_tokens", "must be a whole number");
		tr_json_skip(&r->j, t, NULL);
	}
}

static void on_member(struct reading *r)
{
	static const struct {
		const char *name;
		int chat; /* of that endpoint alone; -1 = both */
		void (*set)(struct reading *r, enum tr_json_token t);
	} special[] = {
	    {"model", -1, on_model},
	    {"prompt", 0, on_prompt},
	    {"messages", 1, on_messages},
	    {"stream_options", -1, on_stream_options},
	    {"max_completion_tokens", 1, on_completion_tokens},
	};
	struct tr_slice name = r->j.s;
	const struct member *m = find_member(members, sizeof members / sizeof *members, name);

	refuse_rejected(r, "", name);
	enum tr_json_token t = tr_json_next(&r->j);
	if (m) {
		set_member(r, m, t);
		return;
	}
	for (size_t i = 0; i < sizeof special / sizeof *special; i++)
		if (tr_slice_eq(name, special[i].name) &&
		    (special[i].chat < 0 || special[i].chat == r->a->chat)) {
			special[i].set(r, t);
			return;
		}
	tr_json_skip(&r->j, t, NULL);
}

int ask_read(struct ask *a, struct tr_slice body, int chat, const struct ask_how *how)
{
	struct reading r = {.a = a, .how = how};
	enum tr_json_token t;

	*a = (struct ask){.chat = chat, .max_tokens = 16};
	tr_json_init(&r.j, body.p, body.n);
	t = tr_json_next(&r.j);
	if (t != TR_JSON_OBJECT && t != TR_JSON_ERROR)
		fail(&r, "body", "must be a JSON object");
	while (!r.bad && (t = tr_json_next(&r.j)) == TR_JSON_KEY)
		on_member(&r);
	if (!r.bad && t == TR_JSON_CLOSE)
		t = tr_json_next(&r.j);
	if (!r.bad && t == TR_JSON_ERROR)
		snprintf(a->why, sizeof a->why, "body: not JSON at byte %zu: %s", r.j.pos, r.j.reason);
	else if (!r.bad && !a->has_prompt)
		fail(&r, chat ? "messages" : "prompt", "is needed");
	if (r.has_max)
		a->max_tokens = r.has_max;
	if (!r.bad && t != TR_JSON_ERROR && a->min_tokens > a->max_tokens)
		fail(&r, "min_tokens", "must be at most max_tokens");
	return r.bad || t == TR_JSON_ERROR ? 400 : 0;
}
