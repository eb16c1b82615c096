/* SPDX-License-Identifier: Apache-2.0
 *
 * Header and trailer as JSON objects. Two tables say which key is which member; printing, parsing, copying
 * and freeing walk them. Sources and history, the two lists, are done by hand.
 */
#include "libtrace/meta.h"

#include "libtrace/json.h"
#include "libtrace/num.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum type { TEXT, OBJECT /* a JSON object kept as text */, U64, I64, HEX };
enum { NO_FLAG = 0xffff };

struct member {
	const char *key;
	enum type type;
	size_t offset;
	size_t flag; /* offset of the int that says whether it is there; NO_FLAG: always */
	int fact;    /* trailer: handed on from reader to writer, not computed */
};

#define HEAD(m) offsetof(struct tr_head, m)
#define TAIL(m) offsetof(struct tr_tail, m)

static const struct member head_members[] = {
    {"origin_ns", I64, HEAD(origin_ns), HEAD(has_origin), 0},
    {"order", TEXT, HEAD(order), NO_FLAG, 0},
    {"seed", U64, HEAD(seed), HEAD(has_seed), 0},
    {"tool", TEXT, HEAD(tool), NO_FLAG, 0},
    {"options", TEXT, HEAD(options), NO_FLAG, 0},
    {"format", TEXT, HEAD(format), NO_FLAG, 0},
    {"style", OBJECT, HEAD(style), NO_FLAG, 0},
    {"notes", OBJECT, HEAD(notes), NO_FLAG, 0},
    {NULL, TEXT, 0, 0, 0},
};
static const struct member tail_members[] = {
    {"records", U64, TAIL(records), NO_FLAG, 0},
    {"series", U64, TAIL(series), NO_FLAG, 0},
    {"events", U64, TAIL(events), NO_FLAG, 0},
    {"in_tokens", U64, TAIL(in_tokens), NO_FLAG, 0},
    {"out_tokens", U64, TAIL(out_tokens), NO_FLAG, 0},
    {"inversions", U64, TAIL(inversions), NO_FLAG, 0},
    {"skipped", U64, TAIL(skipped), NO_FLAG, 1},
    {"first_ns", I64, TAIL(first_ns), TAIL(has_span), 0},
    {"last_ns", I64, TAIL(last_ns), TAIL(has_span), 0},
    {"content", HEX, TAIL(content), NO_FLAG, 0},
    {"style", OBJECT, TAIL(style), NO_FLAG, 1},
    {"tokenizer", TEXT, TAIL(tokenizer), NO_FLAG, 1},
    {"tokenizer_sha256", TEXT, TAIL(tokenizer_sha256), NO_FLAG, 1},
    {"verdict", TEXT, TAIL(verdict), NO_FLAG, 1},
    {"reasons", TEXT, TAIL(reasons), NO_FLAG, 1},
    {"state", TEXT, TAIL(state), NO_FLAG, 1},
    {NULL, TEXT, 0, 0, 0},
};

static char **text_of(void *base, const struct member *m)
{
	return (char **)(void *)((char *)base + m->offset);
}

static int no_memory(struct tr_err *err)
{
	return tr_fail(err, TR_ENOMEM, "no memory for header or trailer");
}

int tr_meta_set(char **member, const char *s, struct tr_err *err)
{
	char *copy = s ? strdup(s) : NULL;
	if (s && !copy)
		return no_memory(err);
	free(*member);
	*member = copy;
	return 0;
}

static int set_slice(char **member, struct tr_slice s, struct tr_err *err)
{
	char *copy = malloc(s.n + 1);
	if (!copy)
		return no_memory(err);
	memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	free(*member);
	*member = copy;
	return 0;
}

/* An object as text, without blanks between its tokens: it will stand in a line of JSONL. */
static int set_squeezed(char **member, struct tr_slice s, struct tr_err *err)
{
	int rc = set_slice(member, s, err), inside = 0;
	char *to = *member;
	for (const char *p = *member; rc == 0 && *p; p++) {
		if (!inside && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
			continue;
		if (*p == '"')
			inside = !inside;
		else if (inside && *p == '\\')
			*to++ = *p++;
		*to++ = *p;
	}
	if (rc == 0)
		*to = '\0';
	return rc;
}

static void free_members(void *base, const struct member *m)
{
	for (; m->key; m++)
		if (m->type == TEXT || m->type == OBJECT)
			tr_meta_set(text_of(base, m), NULL, NULL);
}

void tr_head_free(struct tr_head *h)
{
	free_members(h, head_members);
	for (unsigned i = 0; i < h->nhistory; i++)
		free(h->history[i]);
	memset(h, 0, sizeof *h);
}

void tr_tail_free(struct tr_tail *t)
{
	free_members(t, tail_members);
	for (unsigned i = 0; i < t->nsources; i++)
		free(t->sources[i].name);
	memset(t, 0, sizeof *t);
}

int tr_head_copy(struct tr_head *to, const struct tr_head *from, struct tr_err *err)
{
	int rc = 0;
	to->has_origin = from->has_origin;
	to->origin_ns = from->origin_ns;
	to->has_seed = from->has_seed;
	to->seed = from->seed;
	for (const struct member *m = head_members; m->key && rc == 0; m++)
		if (m->type == TEXT || m->type == OBJECT)
			rc = tr_meta_set(text_of(to, m), *text_of((void *)(uintptr_t)from, m), err);
	for (unsigned i = 0; i < from->nhistory && rc == 0; i++) {
		rc = tr_meta_set(&to->history[i], from->history[i], err);
		to->nhistory = i + (rc == 0);
	}
	return rc;
}

int tr_tail_copy_facts(struct tr_tail *to, const struct tr_tail *from, struct tr_err *err)
{
	int rc = 0;
	to->skipped = from->skipped;
	for (const struct member *m = tail_members; m->key && rc == 0; m++)
		if (m->fact && (m->type == TEXT || m->type == OBJECT))
			rc = tr_meta_set(text_of(to, m), *text_of((void *)(uintptr_t)from, m), err);
	for (unsigned i = 0; i < to->nsources; i++)
		tr_meta_set(&to->sources[i].name, NULL, NULL);
	for (to->nsources = 0; to->nsources < from->nsources && rc == 0;) {
		struct tr_source *s = &to->sources[to->nsources];
		*s = from->sources[to->nsources];
		s->name = NULL;
		rc = tr_meta_set(&s->name, from->sources[to->nsources].name, err);
		to->nsources += rc == 0;
	}
	return rc;
}

/* --- printing ---------------------------------------------------------------------------- */

static int print_member(const struct member *m, const void *base, struct tr_buf *b)
{
	const char *p = (const char *)base + m->offset;
	uint64_t v = 0;
	char *text = NULL;
	if (m->type == TEXT || m->type == OBJECT)
		memcpy(&text, p, sizeof text);
	else
		memcpy(&v, p, sizeof v);
	if ((m->type == TEXT || m->type == OBJECT) && !text)
		return 0;
	int rc = tr_buf_printf(b, ",\"%s\":", m->key);
	if (rc < 0)
		return rc;
	switch (m->type) {
	case TEXT:
		return tr_json_quote(b, tr_slice_of(text));
	case OBJECT:
		return tr_buf_str(b, text);
	case U64:
		return tr_buf_u64(b, v);
	case I64:
		return tr_buf_i64(b, (int64_t)v);
	default:
		return tr_buf_printf(b, "\"%016" PRIx64 "\"", v);
	}
}

static int print_members(const struct member *m, const void *base, struct tr_buf *b)
{
	int rc = 0;
	for (; m->key && rc == 0; m++) {
		int there = 1;
		if (m->flag != NO_FLAG)
			memcpy(&there, (const char *)base + m->flag, sizeof there);
		if (there)
			rc = print_member(m, base, b);
	}
	return rc;
}

int tr_head_print(const struct tr_head *h, struct tr_buf *b)
{
	int rc = tr_buf_str(b, "{\"version\":1");
	if (rc == 0)
		rc = print_members(head_members, h, b);
	for (unsigned i = 0; i < h->nhistory && rc == 0; i++) {
		rc = tr_buf_str(b, i ? "," : ",\"history\":[");
		if (rc == 0)
			rc = tr_json_quote(b, tr_slice_of(h->history[i]));
	}
	if (h->nhistory && rc == 0)
		rc = tr_buf_char(b, ']');
	return rc < 0 ? rc : tr_buf_char(b, '}');
}

int tr_tail_print(const struct tr_tail *t, struct tr_buf *b)
{
	size_t start = b->n;
	int rc = print_members(tail_members, t, b);
	if (rc == 0)
		b->p[start] = '{'; /* instead of the first comma */
	for (unsigned i = 0; i < t->nsources && rc == 0; i++) {
		rc = tr_buf_str(b, i ? ",{\"name\":" : ",\"sources\":[{\"name\":");
		if (rc == 0)
			rc = tr_json_quote(b, tr_slice_of(t->sources[i].name));
		if (rc == 0 && t->sources[i].sha256[0])
			rc = tr_buf_printf(b, ",\"sha256\":\"%s\"", t->sources[i].sha256);
		if (rc == 0)
			rc = tr_buf_printf(b, ",\"bytes\":%" PRIu64 "}", t->sources[i].bytes);
	}
	if (t->nsources && rc == 0)
		rc = tr_buf_char(b, ']');
	return rc < 0 ? rc : tr_buf_char(b, '}');
}

/* --- parsing ----------------------------------------------------------------------------- */

static int bad(const struct tr_json *j, struct tr_slice key, const char *what, struct tr_err *err)
{
	tr_fail(err, TR_EDATA, "%s", j->reason ? j->reason : what);
	if (key.n)
		tr_err_field(err, key.p, key.n);
	return -TR_EDATA;
}

static int take_text(struct tr_json *j, char **to, struct tr_err *err)
{
	struct tr_buf b;
	tr_buf_init(&b, TR_META_MAX);
	int rc = tr_json_unescape(j->s, TR_JSON_BYTES, &b);
	if (rc < 0)
		rc = tr_fail(err, (enum tr_code) - rc, "bad string");
	else if (b.n && memchr(b.p, '\0', b.n))
		rc = tr_fail(err, TR_EDATA, "string holds a NUL");
	else
		rc = set_slice(to, (struct tr_slice){b.n ? b.p : "", b.n}, err);
	tr_buf_free(&b);
	return rc;
}

static int hex16(struct tr_slice s, uint64_t *out)
{
	uint64_t v = 0;
	if (s.n != 16)
		return -1;
	for (size_t i = 0; i < 16; i++) {
		char c = s.p[i];
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return -1;
	}
	*out = v;
	return 0;
}

static int take_member(struct tr_json *j, const struct member *m, void *base, struct tr_err *err)
{
	struct tr_slice key = j->s, raw;
	enum tr_json_token t = tr_json_next(j);
	char *p = (char *)base + m->offset;
	uint64_t v = 0;
	int64_t i = 0;
	const char *reason = NULL;
	if (t == TR_JSON_NULL)
		return 0;
	switch (m->type) {
	case TEXT:
		return t == TR_JSON_STRING ? take_text(j, text_of(base, m), err)
		                           : bad(j, key, "not a string", err);
	case OBJECT:
		if (t != TR_JSON_OBJECT || tr_json_skip(j, t, &raw) < 0)
			return bad(j, key, "not an object", err);
		if (!tr_json_utf8(raw))
			return bad(j, key, "not UTF-8", err);
		return set_squeezed(text_of(base, m), raw, err);
	case U64:
		reason = t == TR_JSON_NUMBER ? tr_num_u64(j->s, &v) : "not a number";
		break;
	case I64:
		reason = t == TR_JSON_NUMBER ? tr_num_i64(j->s, &i) : "not a number";
		v = (uint64_t)i;
		break;
	default:
		reason = t == TR_JSON_STRING && hex16(j->s, &v) == 0 ? NULL : "not 16 hex digits";
	}
	if (reason)
		return bad(j, key, reason, err);
	memcpy(p, &v, sizeof v);
	if (m->flag != NO_FLAG)
		memcpy((char *)base + m->flag, &(int){1}, sizeof(int));
	return 0;
}

typedef int special(struct tr_json *j, void *base, struct tr_slice key, struct tr_err *err);

static int parse_object(void *base, const struct member *members, special *other, struct tr_slice json,
                        struct tr_err *err)
{
	struct tr_json j;
	tr_json_init(&j, json.p, json.n);
	enum tr_json_token t = tr_json_next(&j);
	if (t != TR_JSON_OBJECT)
		return bad(&j, (struct tr_slice){0}, "not a JSON object", err);
	while ((t = tr_json_next(&j)) == TR_JSON_KEY) {
		const struct member *m = members;
		while (m->key && !tr_slice_eq(j.s, m->key))
			m++;
		int rc = m->key ? take_member(&j, m, base, err) : other(&j, base, j.s, err);
		if (rc < 0)
			return rc;
	}
	if (t != TR_JSON_CLOSE || tr_json_next(&j) != TR_JSON_END)
		return bad(&j, (struct tr_slice){0}, "not a JSON object", err);
	return 0;
}

static int head_other(struct tr_json *j, void *base, struct tr_slice key, struct tr_err *err)
{
	struct tr_head *h = base;
	enum tr_json_token t = tr_json_next(j);
	if (tr_slice_eq(key, "version")) {
		if (t != TR_JSON_NUMBER || !tr_slice_eq(j->s, "1"))
			return bad(j, key, "not a version that this program knows (1)", err);
	} else if (tr_slice_eq(key, "history") && t == TR_JSON_ARRAY) {
		while ((t = tr_json_next(j)) == TR_JSON_STRING) {
			if (h->nhistory == TR_HISTORY_MAX)
				return tr_fail(err, TR_ELIMIT, "more than %d steps of history",
				               TR_HISTORY_MAX);
			int rc = take_text(j, &h->history[h->nhistory], err);
			if (rc < 0)
				return rc;
			h->nhistory++;
		}
		if (t != TR_JSON_CLOSE)
			return bad(j, key, "not a list of strings", err);
	} else if (tr_json_skip(j, t, NULL) < 0) {
		return bad(j, key, "bad value", err);
	}
	return 0;
}

static int take_source(struct tr_json *j, struct tr_source *s, struct tr_err *err)
{
	enum tr_json_token t;
	int rc = 0;
	while ((t = tr_json_next(j)) == TR_JSON_KEY && rc == 0) {
		struct tr_slice key = j->s;
		t = tr_json_next(j);
		if (tr_slice_eq(key, "name") && t == TR_JSON_STRING) {
			rc = take_text(j, &s->name, err);
		} else if (tr_slice_eq(key, "sha256") && t == TR_JSON_STRING && j->s.n == 64 && !j->escaped) {
			memcpy(s->sha256, j->s.p, 64);
			s->sha256[64] = '\0';
		} else if (tr_slice_eq(key, "bytes") && t == TR_JSON_NUMBER && !tr_num_u64(j->s, &s->bytes)) {
			continue;
		} else if (tr_slice_eq(key, "name") || tr_slice_eq(key, "sha256") ||
		           tr_slice_eq(key, "bytes") || tr_json_skip(j, t, NULL) < 0) {
			rc = bad(j, key, "bad value", err);
		}
	}
	if (rc == 0 && t != TR_JSON_CLOSE)
		rc = bad(j, (struct tr_slice){0}, "bad source", err);
	return rc < 0 || s->name ? rc : tr_meta_set(&s->name, "", err);
}

static int tail_other(struct tr_json *j, void *base, struct tr_slice key, struct tr_err *err)
{
	struct tr_tail *tail = base;
	enum tr_json_token t = tr_json_next(j);
	if (!tr_slice_eq(key, "sources") || t != TR_JSON_ARRAY)
		return tr_json_skip(j, t, NULL) < 0 ? bad(j, key, "bad value", err) : 0;
	while ((t = tr_json_next(j)) == TR_JSON_OBJECT) {
		if (tail->nsources == TR_SOURCES_MAX)
			return tr_fail(err, TR_ELIMIT, "more than %d sources", TR_SOURCES_MAX);
		struct tr_source *s = &tail->sources[tail->nsources++];
		memset(s, 0, sizeof *s);
		int rc = take_source(j, s, err);
		if (rc < 0)
			return rc;
	}
	return t == TR_JSON_CLOSE ? 0 : bad(j, key, "not a list of objects", err);
}

int tr_head_parse(struct tr_head *h, struct tr_slice json, struct tr_err *err)
{
	return parse_object(h, head_members, head_other, json, err);
}

int tr_tail_parse(struct tr_tail *t, struct tr_slice json, struct tr_err *err)
{
	return parse_object(t, tail_members, tail_other, json, err);
}
