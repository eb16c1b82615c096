/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions from Oniguruma's dialect (Ruby syntax, UTF-8), which the reference has, to PCRE2's.
 * What both read alike goes through; what they read differently is rewritten; what is not known to be either
 * is refused, so that no pattern quietly means something else.
 *
 *     \s \S \w \W \d \h \b ...   sets of Unicode properties, written out
 *     [a[bc]] [a-z&&[^b]]        alternatives and look-ahead; a class that has neither stays a class
 *     x{,3} x{2,3}+ x{2}?        x{0,3}, (?:x{2,3})+, (?:x{2})?
 *     ^ $ (?m:.)                 at every line, (?s:.)
 *     (?i) inside a group        (?i:...) up to the group's end, alternatives and all
 *     groups                     none captures: there is nothing that could refer to them
 *
 * Sources: Oniguruma's doc/RE and doc/SYNTAX.md, pcre2pattern(3).
 */
#include "libtrace/tokenizer/regex.h"

#include <stdio.h>

#define LATIN_NO "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}" /* of a word, but not in a class */

int regex_refuse(struct regex_job *j, const char *what)
{
	tr_fail(j->err, TR_EDATA, "regular expression: %s", what);
	tr_err_value(j->err, j->in.p, j->in.n);
	return -TR_EDATA;
}

int regex_say_bytes(struct regex_job *j, struct tr_buf *b, const char *p, size_t n)
{
	int rc = tr_buf_add(b, p, n);
	return rc < 0 ? tr_fail(j->err, (enum tr_code) - rc, "a pattern that is too long") : 0;
}

int regex_say(struct regex_job *j, struct tr_buf *b, const char *s)
{
	return regex_say_bytes(j, b, s, strlen(s));
}

int regex_say_char(struct regex_job *j, struct tr_buf *b, uint32_t cp)
{
	char text[16];
	snprintf(text, sizeof text, "\\x{%x}", cp);
	return regex_say(j, b, text);
}

int regex_next_is(const struct regex_job *j, const char *s)
{
	size_t n = strlen(s);
	return j->in.n - j->at >= n && memcmp(j->in.p + j->at, s, n) == 0;
}

int regex_take(struct regex_job *j, const char *s)
{
	int is = regex_next_is(j, s);
	j->at += is ? strlen(s) : 0;
	return is;
}

/* Put text at a place in what has been written. */
static int insert(struct regex_job *j, struct tr_buf *b, size_t at, const char *s)
{
	size_t n = strlen(s), rest = b->n - at;
	int rc = regex_say(j, b, s);
	if (rc == 0) {
		memmove(b->p + at + n, b->p + at, rest);
		memcpy(b->p + at, s, n);
	}
	return rc;
}

/* --- groups and repetition --------------------------------------------------------------------- */

static int close_options(struct regex_job *j)
{
	int rc = 0;
	for (; j->level[j->depth].options && rc == 0; j->level[j->depth].options--)
		rc = regex_say(j, j->out, ")");
	return rc;
}

/* Behind "(?": i, m and their negations. */
static int options(struct regex_job *j)
{
	char text[16] = "(?";
	size_t n = 2;
	int off = 0;
	for (; j->at < j->in.n && j->in.p[j->at] != ')' && j->in.p[j->at] != ':'; j->at++) {
		char c = j->in.p[j->at];
		if ((c != 'i' && c != 'm' && (c != '-' || off)) || n > 10)
			return regex_refuse(j, "a kind of group or an option that is not supported");
		off |= c == '-';
		j->ignores_case |= c == 'i' && !off;
		text[n++] = (char)(c == 'm' ? 's' : c);
	}
	if (j->at == j->in.n)
		return regex_refuse(j, "a group without its end");
	text[n] = ':';
	if (j->in.p[j->at++] == ')') {
		j->level[j->depth].options++;
		j->atom = REGEX_NO_ATOM;
		return j->level[j->depth].options > REGEX_NESTING ? regex_refuse(j, "too many options")
		                                                  : regex_say(j, j->out, text);
	}
	j->level[++j->depth] = (struct regex_level){.atom = (long)j->out->n};
	return regex_say(j, j->out, text);
}

static int open_group(struct regex_job *j)
{
	static const char *const kinds[] = {"?:", "?=", "?!", "?>", "?<=", "?<!"};
	if (j->depth + 1 == REGEX_NESTING)
		return regex_refuse(j, "groups nested too deeply");
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (regex_take(j, kinds[i])) {
			j->level[++j->depth] = (struct regex_level){.atom = (long)j->out->n};
			j->atom = REGEX_NO_ATOM;
			int rc = regex_say(j, j->out, "(");
			return rc ? rc : regex_say(j, j->out, kinds[i]);
		}
	if (regex_take(j, "?<")) { /* a name */
		const char *end = memchr(j->in.p + j->at, '>', j->in.n - j->at);
		if (!end)
			return regex_refuse(j, "a group's name without its end");
		j->at = (size_t)(end - j->in.p) + 1;
	} else if (regex_take(j, "?")) {
		return options(j);
	}
	j->level[++j->depth] = (struct regex_level){.atom = (long)j->out->n};
	j->atom = REGEX_NO_ATOM;
	return regex_say(j, j->out, "(?:");
}

static int close_group(struct regex_job *j)
{
	if (j->depth == 0)
		return regex_refuse(j, "a closing parenthesis too many");
	int rc = close_options(j);
	j->atom = j->level[j->depth--].atom;
	j->repeated = 0;
	return rc ? rc : regex_say(j, j->out, ")");
}

/* {n}, {n,}, {,m}, {n,m}: 1 when it is one, with its bounds ("" is none). */
static int interval(struct regex_job *j, char low[8], char high[8], int *fixed)
{
	size_t at = j->at, n[2] = {0, 0};
	char *bounds[2] = {low, high};
	int side = 0;
	for (; at < j->in.n && j->in.p[at] != '}'; at++) {
		char c = j->in.p[at];
		if (c == ',' && side == 0)
			side = 1;
		else if (c >= '0' && c <= '9' && n[side] < 6)
			bounds[side][n[side]++] = c;
		else
			return 0;
	}
	low[n[0]] = high[n[1]] = '\0';
	if (at == j->in.n || (!n[0] && !n[1]))
		return 0;
	*fixed = !side;
	j->at = at + 1;
	return 1;
}

static int repeat(struct regex_job *j, const char *how, int wrap)
{
	if (j->atom == REGEX_NO_ATOM)
		return regex_refuse(j, "nothing to repeat");
	if (j->repeated)
		return regex_refuse(j, "a repetition of a repetition");
	int rc = regex_say(j, j->out, how);
	j->repeated = 1;
	if (wrap && rc == 0) {
		rc = insert(j, j->out, (size_t)j->atom, "(?:");
		rc = rc ? rc : regex_say(j, j->out, ")");
		j->repeated = 0;
	}
	return rc;
}

static int quantifier(struct regex_job *j, char c)
{
	char low[8], high[8], text[32];
	int fixed;
	if (c == '{') {
		if (!interval(j, low, high, &fixed)) {
			j->atom = (long)j->out->n;
			j->repeated = 0;
			return regex_say(j, j->out, "\\{");
		}
		int lazy = !fixed && regex_take(j, "?");
		snprintf(text, sizeof text,
		         fixed  ? "{%s}"
		         : lazy ? "{%s,%s}?"
		                : "{%s,%s}",
		         low[0] ? low : "0", high);
		if (lazy)
			return repeat(j, text, 0);
		/* Neither {n}? nor {n,m}+ is what it looks like: both repeat the whole. */
		return repeat(j, text,
		              regex_next_is(j, "+") || regex_next_is(j, "?") || regex_next_is(j, "*"));
	}
	snprintf(text, sizeof text, "%c%s", c, regex_take(j, "?") ? "?" : regex_take(j, "+") ? "+" : "");
	return repeat(j, text, 0);
}

/* --- the whole ---------------------------------------------------------------------------------- */

static int atom(struct regex_job *j, const char *text)
{
	j->atom = (long)j->out->n;
	j->repeated = 0;
	return regex_say(j, j->out, text);
}

#define W "[" REGEX_WORD LATIN_NO "]"
static int outside_escape(struct regex_job *j)
{
	static const struct {
		const char *escape, *to;
	} rows[] = {
	    {"b", "(?:(?<=" W ")(?!" W ")|(?<!" W ")(?=" W "))"},
	    {"B", "(?:(?<=" W ")(?=" W ")|(?<!" W ")(?!" W "))"},
	    {"A", "\\A"},
	    {"z", "\\z"},
	    {"Z", "\\Z"},
	};
	struct regex_meaning m;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (regex_take(j, rows[i].escape))
			return atom(j, rows[i].to);
	int rc = regex_escape(j, &m);
	if (rc < 0)
		return rc;
	rc = atom(j, m.kind == REGEX_CHAR ? "" : m.kind == REGEX_SET ? "[" : "[^");
	if (rc == 0)
		rc = m.kind == REGEX_CHAR ? regex_say_char(j, j->out, m.cp) : regex_say(j, j->out, m.set);
	if (rc == 0 && m.kind != REGEX_CHAR && strcmp(m.set, REGEX_WORD) == 0)
		rc = regex_say(j, j->out, LATIN_NO);
	return rc || m.kind == REGEX_CHAR ? rc : regex_say(j, j->out, "]");
}

static int step(struct regex_job *j)
{
	char c = j->in.p[j->at], text[8] = "";
	size_t length = utf8_length(j->in.p + j->at);
	memcpy(text, j->in.p + j->at, length);
	j->at += length;
	switch (c) {
	case '\\':
		return outside_escape(j);
	case '[':
		j->atom = (long)j->out->n;
		j->repeated = 0;
		return regex_class(j);
	case '(':
		return open_group(j);
	case ')':
		return close_group(j);
	case '|':
		j->atom = REGEX_NO_ATOM;
		return regex_say(j, j->out, "|");
	case '?':
	case '*':
	case '+':
	case '{':
		return quantifier(j, c);
	case '^':
		return atom(j, "(?m:^)");
	case '$':
		return atom(j, "(?m:$)");
	default:
		return c == '\0' ? regex_refuse(j, "a NUL") : atom(j, text);
	}
}

/* Without regard to case, Oniguruma takes some characters for two ("ss" and U+00DF). PCRE2 does not, so a
 * pattern in which that could matter is refused. */
static int folds(const struct regex_job *j)
{
	static const char pairs[][3] = {"ss", "st", "ff", "fi", "fl"};
	for (size_t i = 0; i < j->in.n; i++) {
		if ((unsigned char)j->in.p[i] >= 0x80)
			return 1;
		for (size_t k = 0; i + 1 < j->in.n && k < sizeof pairs / sizeof pairs[0]; k++)
			if ((j->in.p[i] | 32) == pairs[k][0] && (j->in.p[i + 1] | 32) == pairs[k][1])
				return 1;
	}
	return 0;
}

int regex_translate(struct tr_slice regex, struct tr_buf *out, struct tr_err *err)
{
	struct regex_job j = {.in = regex, .out = out, .atom = REGEX_NO_ATOM, .err = err};
	int rc = 0;
	while (rc == 0 && j.at < regex.n)
		rc = step(&j);
	if (rc == 0 && j.depth)
		return regex_refuse(&j, "a group without its end");
	if (rc == 0 && j.ignores_case && folds(&j))
		return regex_refuse(
		    &j, "letters without regard to case, some of which have folds of several letters");
	return rc ? rc : close_options(&j);
}
