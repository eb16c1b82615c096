/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns: literal text, or regular expressions by PCRE2 with its JIT, rewritten from the reference's
 * dialect by regex.c.
 *
 * The patterns of well-known tokenizers are known to take time in proportion to the text. Others are watched:
 * they call back before each of their items, and an encoder has only so many steps for a text, so that a
 * hostile one ends in an error. PCRE2's own limits do not do: its JIT counts no steps of a* a* a*.
 */
#define _GNU_SOURCE           /* memmem */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "libtrace/tokenizer/impl.h"

#include <pcre2.h>
#include <stdlib.h>

enum {
	PATTERN_MAX = 1 << 14,
	MATCH_LIMIT = 20000000, /* of the interpreter, where there is no JIT */
	HEAP_LIMIT = 64 << 10,  /* KiB; the same */
	STACK_MAX = 8 << 20,
	STEPS = 1 << 26, /* of a watched pattern, for a text ... */
	STEPS_A_BYTE = 256,
};

/* Without alternatives that can match the same text in many ways. */
static const char *const trusted[] = {
    PATTERN_GPT2,
    PATTERN_GPT2_SHORT,
    PATTERN_CL100K,
    PATTERN_QWEN,
    PATTERN_O200K,
    "\\p{N}{1,3}", /* DeepSeek V3's three */
    "[\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x82\x9f\xe3\x82\xa0-\xe3\x83\xbf]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
    "?[\\p{P}"
    "\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
};

static int is_trusted(struct tr_slice regex)
{
	for (size_t i = 0; i < sizeof trusted / sizeof trusted[0]; i++)
		if (tr_slice_eq(regex, trusted[i]))
			return 1;
	return 0;
}

static int compile(struct pattern *p, struct tr_slice regex, struct tr_err *err)
{
	struct tr_buf b;
	int code, rc;
	PCRE2_SIZE at;
	tr_buf_init(&b, PATTERN_MAX * 8);
	rc = regex.n > PATTERN_MAX ? tr_fail(err, TR_ELIMIT, "a pattern that is too long")
	                           : regex_translate(regex, &b, err);
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	if (rc == 0 && (!context || tr_buf_char(&b, '\0') < 0))
		rc = tok_no_memory(err);
	if (rc < 0) {
		tr_buf_free(&b);
		pcre2_compile_context_free(context);
		return rc;
	}
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	p->code = pcre2_compile((PCRE2_SPTR)b.p, b.n - 1,
	                        PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C |
	                            (is_trusted(regex) ? 0 : PCRE2_AUTO_CALLOUT),
	                        &code, &at, context);
	pcre2_compile_context_free(context);
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
	tr_buf_init(&text, PATTERN_MAX + 1);
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
	uint64_t steps; /* left for this text */
	size_t last;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

/* Before an item of a watched pattern: how far it has moved is what the last one cost. */
static int watch(pcre2_callout_block *c, void *data)
{
	struct matcher *m = data;
	size_t here = c->current_position;
	uint64_t cost = 1 + (here > m->last ? here - m->last : 0);
	m->last = here;
	if (cost > m->steps)
		return PCRE2_ERROR_MATCHLIMIT;
	m->steps -= cost;
	return 0;
}

void matcher_begin(struct matcher *m, size_t bytes)
{
	m->steps = STEPS + (uint64_t)bytes * STEPS_A_BYTE;
}

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
	pcre2_set_heap_limit(m->context, HEAP_LIMIT);
	pcre2_set_callout(m->context, watch, m);
	matcher_begin(m, 0);
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
	if (n == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter has more room */
		n = pcre2_match(p->code, (PCRE2_SPTR)s.p, s.n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
		                m->data, m->context);
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
