/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns: literal text, or regular expressions by PCRE2 with its JIT. The reference uses Oniguruma, so what
 * the two read differently is rewritten first: \s, \w and \b mean Unicode's properties there, \h a
 * hexadecimal digit, ^ and $ the ends of lines, {,n} up to n, a class in a class its union. Intersections of
 * classes are refused. A match is bounded, so a hostile pattern ends in an error.
 */
#define _GNU_SOURCE           /* memmem */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "libtrace/tokenizer/impl.h"

#include <pcre2.h>
#include <stdlib.h>

enum { PATTERN_MAX = 1 << 16, MATCH_LIMIT = 20000000, STACK_MAX = 1 << 20 };

/* White_Space; PCRE2's own \s has U+180E too. */
#define WHITE                                                                                                \
	"\\x{09}-\\x{0d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{"    \
	"205f}\\x{3000}"
#define WORD "\\p{L}\\p{M}\\p{Nd}\\p{Pc}"
#define HEX  "0-9A-Fa-f"

/* One regular expression on its way from the one dialect to the other. */
struct translation {
	struct tr_slice from;
	size_t i;
	int depth; /* of character classes */
	struct tr_buf *to;
};

static char peek(const struct translation *t, size_t ahead)
{
	return t->i + ahead < t->from.n ? t->from.p[t->i + ahead] : '\0';
}

static int escape(struct translation *t)
{
	static const struct {
		char c;
		const char *outside, *inside; /* of a character class; NULL: as it is */
	} rows[] = {
	    {'s', "[" WHITE "]", WHITE},
	    {'S', "[^" WHITE "]", NULL},
	    {'w', "[" WORD "]", WORD},
	    {'W', "[^" WORD "]", NULL},
	    {'h', "[" HEX "]", HEX},
	    {'H', "[^" HEX "]", "\\x{0}-/:-@G-`g-\\x{10ffff}"},
	    {'v', "\\x{0b}", "\\x{0b}"},
	    {'b', "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))", NULL},
	    {'B', "(?:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "]))", NULL},
	};
	const char c = peek(t, 1), *put = NULL;
	for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
		if (rows[r].c == c)
			put = t->depth ? rows[r].inside : rows[r].outside;
	int rc = put ? tr_buf_str(t->to, put) : tr_buf_add(t->to, t->from.p + t->i, 2);
	t->i += 2;
	return rc;
}

/* A class within a class only adds to it there, so its brackets can go; what stands first or last in it must
 * not take another meaning. */
static int open_class(struct translation *t)
{
	const int inner = t->depth > 0;
	if (inner && peek(t, 1) == ':') { /* [:alpha:] */
		const char *end = memmem(t->from.p + t->i, t->from.n - t->i, ":]", 2);
		size_t n = end ? (size_t)(end - t->from.p) + 2 - t->i : 1;
		t->i += n;
		return tr_buf_add(t->to, t->from.p + t->i - n, n);
	}
	if (inner && peek(t, 1) == '^')
		return -TR_EDATA;
	t->depth++;
	t->i++;
	int rc = inner ? 0 : tr_buf_char(t->to, '[');
	if (rc == 0 && peek(t, 0) == '^') {
		t->i++;
		rc = tr_buf_char(t->to, '^');
	}
	if (rc == 0 && (peek(t, 0) == ']' || (inner && peek(t, 0) == '-'))) {
		rc = tr_buf_char(t->to, '\\');
		rc = rc ? rc : tr_buf_char(t->to, t->from.p[t->i++]);
	}
	return rc;
}

static int in_class(struct translation *t)
{
	const char c = peek(t, 0);
	if (c == '[')
		return open_class(t);
	if (c == '&' && peek(t, 1) == '&')
		return -TR_EDATA;
	t->i++;
	if (c == ']')
		return --t->depth ? 0 : tr_buf_char(t->to, c);
	if (c == '-' && t->depth > 1 && peek(t, 0) == ']')
		return tr_buf_str(t->to, "\\-");
	return tr_buf_char(t->to, c);
}

/* 0, -TR_ENOMEM, -TR_ELIMIT, or -TR_EDATA: it says what cannot be said here. */
static int translate(struct tr_slice regex, struct tr_buf *b)
{
	struct translation t = {.from = regex, .to = b};
	int rc = 0;
	while (rc == 0 && t.i < regex.n) {
		if (peek(&t, 0) == '\\' && t.i + 1 < regex.n) {
			rc = escape(&t);
		} else if (t.depth) {
			rc = in_class(&t);
		} else if (peek(&t, 0) == '[') {
			rc = open_class(&t);
		} else {
			const int open = peek(&t, 0) == '{' && peek(&t, 1) == ',' && peek(&t, 2) >= '0' &&
			                 peek(&t, 2) <= '9';
			rc = open ? tr_buf_str(b, "{0") : tr_buf_char(b, peek(&t, 0));
			t.i++;
		}
	}
	return rc;
}

static int compile(struct pattern *p, struct tr_slice regex, struct tr_err *err)
{
	struct tr_buf b;
	int code, rc;
	PCRE2_SIZE at;
	tr_buf_init(&b, PATTERN_MAX * 8);
	rc = regex.n > PATTERN_MAX ? -TR_ELIMIT : translate(regex, &b);
	if (rc == 0)
		rc = tr_buf_char(&b, '\0');
	if (rc < 0) {
		tr_buf_free(&b);
		tr_fail(err, (enum tr_code) - rc,
		        rc == -TR_EDATA ? "classes that intersect or exclude within a class are not supported"
		                        : "a pattern that is too long");
		if (rc == -TR_EDATA)
			tr_err_value(err, regex.p, regex.n);
		return rc;
	}
	p->code = pcre2_compile((PCRE2_SPTR)b.p, b.n - 1,
	                        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at,
	                        NULL);
	tr_buf_free(&b);
	if (!p->code) {
		char why[128] = "?";
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
		tr_fail(err, TR_EDATA, "bad regular expression: %s", why);
		tr_err_value(err, regex.p, regex.n);
		return -TR_EDATA;
	}
	pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without it the interpreter does the same, slower */
	return 0;
}

int pattern_regex(struct pattern *p, const char *regex, struct tr_err *err)
{
	return compile(p, tr_slice_of(regex), err);
}

int pattern_parse(struct pattern *p, struct tr_json *j, struct tr_err *err)
{
	struct tr_buf text;
	int rc;
	pattern_free(p); /* a key that stands twice */
	if (tr_json_next(j) != TR_JSON_OBJECT || tr_json_next(j) != TR_JSON_KEY)
		return tok_bad(err, j, "pattern", "not {\"String\":...} or {\"Regex\":...}");
	int regex = tr_slice_eq(j->s, "Regex");
	if (!regex && !tr_slice_eq(j->s, "String"))
		return tok_bad(err, j, "pattern", "not {\"String\":...} or {\"Regex\":...}");
	if (tr_json_next(j) != TR_JSON_STRING)
		return tok_bad(err, j, "pattern", "not a string");
	tr_buf_init(&text, PATTERN_MAX);
	rc = tok_string(j, &text);
	if (rc == 0)
		rc = tr_buf_char(&text, '\0'); /* so that there are bytes even where the text is empty */
	if (rc < 0) {
		tr_buf_free(&text);
		return tr_fail(err, (enum tr_code) - rc, "a pattern that is too long");
	}
	if (regex) {
		rc = compile(p, (struct tr_slice){text.p, text.n - 1}, err);
		tr_buf_free(&text);
	} else {
		p->literal = text.p;
		p->n = text.n - 1;
	}
	if (rc == 0 && tr_json_next(j) != TR_JSON_CLOSE)
		rc = tok_bad(err, j, "pattern", "more than one");
	return rc;
}

void pattern_free(struct pattern *p)
{
	free(p->literal);
	pcre2_code_free(p->code);
	*p = (struct pattern){0};
}

/* --- matching ----------------------------------------------------------------------------- */

struct matcher {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

int matcher_new(struct matcher **out, struct tr_err *err)
{
	struct matcher *m = calloc(1, sizeof *m);
	if (m) {
		m->data = pcre2_match_data_create(1, NULL);
		m->context = pcre2_match_context_create(NULL);
		m->stack = pcre2_jit_stack_create(32 << 10, STACK_MAX, NULL);
	}
	if (!m || !m->data || !m->context || !m->stack) {
		matcher_free(m);
		return tok_no_memory(err);
	}
	pcre2_set_match_limit(m->context, MATCH_LIMIT);
	pcre2_jit_stack_assign(m->context, NULL, m->stack);
	*out = m;
	return 0;
}

void matcher_free(struct matcher *m)
{
	if (!m)
		return;
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
	pcre2_jit_stack_free(m->stack);
	free(m);
}

static int find_literal(const struct pattern *p, struct tr_slice s, size_t from, size_t *start, size_t *end)
{
	const char *at = p->n && from < s.n ? memmem(s.p + from, s.n - from, p->literal, p->n) : NULL;
	if (!at)
		return 0;
	*start = (size_t)(at - s.p);
	*end = *start + p->n;
	return 1;
}

int pattern_find(const struct pattern *p, struct matcher *m, struct tr_slice s, size_t from, size_t *start,
                 size_t *end, struct tr_err *err)
{
	if (!p->code)
		return find_literal(p, s, from, start, end);
	int n = pcre2_match(p->code, (PCRE2_SPTR)s.p, s.n, from, PCRE2_NO_UTF_CHECK, m->data, m->context);
	if (n == PCRE2_ERROR_NOMATCH)
		return 0;
	if (n < 0) {
		char why[128] = "?";
		pcre2_get_error_message(n, (PCRE2_UCHAR *)why, sizeof why);
		return tr_fail(err, TR_ELIMIT, "the tokenizer's pattern takes too much on this text: %s",
		               why);
	}
	PCRE2_SIZE *v = pcre2_get_ovector_pointer(m->data);
	*start = v[0];
	*end = v[1];
	return 1;
}
