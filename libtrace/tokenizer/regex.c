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
#include "libtrace/tokenizer/impl.h"

#include <stdio.h>

#define WHITE                                                                                                \
	"\\x{09}-\\x{0d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{"    \
	"205f}\\x{3000}"
#define NOT_WHITE                                                                                            \
	"\\x{00}-\\x{08}\\x{0e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"   \
	"\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
#define WORD     "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define HEX      "0-9A-Fa-f"
#define PUNCT    "\\p{P}$+<=>^`|~"
#define ANY_CHAR "(?s:.)"

enum { NESTING = 64, NO_ATOM = -1 };

struct level {
	long atom;        /* where the group begins in what is written */
	unsigned options; /* groups that an option opened, to be closed with this one */
};
struct job {
	struct tr_slice in;
	size_t at;
	struct tr_buf *out;
	struct level level[NESTING];
	unsigned depth;
	long atom; /* where the last thing that can be repeated begins */
	int repeated;
	struct tr_err *err;
};

static int refuse(struct job *j, const char *what)
{
	tr_fail(j->err, TR_EDATA, "regular expression: %s", what);
	tr_err_value(j->err, j->in.p, j->in.n);
	return -TR_EDATA;
}

static int say_bytes(struct job *j, struct tr_buf *b, const char *p, size_t n)
{
	int rc = tr_buf_add(b, p, n);
	return rc < 0 ? tr_fail(j->err, (enum tr_code) - rc, "a pattern that is too long") : 0;
}

static int say(struct job *j, struct tr_buf *b, const char *s)
{
	return say_bytes(j, b, s, strlen(s));
}

static int say_char(struct job *j, struct tr_buf *b, uint32_t cp)
{
	char text[16];
	snprintf(text, sizeof text, "\\x{%x}", cp);
	return say(j, b, text);
}

static int next_is(const struct job *j, const char *s)
{
	size_t n = strlen(s);
	return j->in.n - j->at >= n && memcmp(j->in.p + j->at, s, n) == 0;
}

static int take(struct job *j, const char *s)
{
	int is = next_is(j, s);
	j->at += is ? strlen(s) : 0;
	return is;
}

/* Put text at a place in what has been written. */
static int insert(struct job *j, struct tr_buf *b, size_t at, const char *s)
{
	size_t n = strlen(s), rest = b->n - at;
	int rc = say(j, b, s);
	if (rc == 0) {
		memmove(b->p + at + n, b->p + at, rest);
		memcpy(b->p + at, s, n);
	}
	return rc;
}

/* --- escapes and properties ----------------------------------------------------------------- */

/* What an escape stands for: a character, a set that can stand in a class, or one that can only be negated
 * as a whole. */
struct meaning {
	enum { CHAR, SET, NOT_SET } kind;
	uint32_t cp;
	char set[512];
};

static void set_of(struct meaning *m, int negated, const char *set)
{
	m->kind = negated ? NOT_SET : SET;
	snprintf(m->set, sizeof m->set, "%s", set);
}

/* Names as Oniguruma compares them, without blanks, "-" and "_". General categories are told from scripts,
 * since PCRE2 takes a bare script for its extensions. */
static const struct {
	const char *name, *set;
} properties[] = {
    {"any", "\\x{0}-\\x{10ffff}"},
    {"alnum", "\\p{Alphabetic}\\p{Nd}"},
    {"alpha", "\\p{Alphabetic}"},
    {"alphabetic", "\\p{Alphabetic}"},
    {"digit", "\\p{Nd}"},
    {"lower", "\\p{Lowercase}"},
    {"lowercase", "\\p{Lowercase}"},
    {"upper", "\\p{Uppercase}"},
    {"uppercase", "\\p{Uppercase}"},
    {"space", WHITE},
    {"whitespace", WHITE},
    {"punct", PUNCT},
    {"word", WORD},
    {"xdigit", HEX},
    {"cntrl", "\\p{Cc}"},
    {"emoji", "\\p{Emoji}"},
    {"extendedpictographic", "\\p{Extended_Pictographic}"},
    {"ideographic", "\\p{Ideographic}"},
    {"other", "\\p{C}"},
    {"control", "\\p{Cc}"},
    {"format", "\\p{Cf}"},
    {"unassigned", "\\p{Cn}"},
    {"privateuse", "\\p{Co}"},
    {"letter", "\\p{L}"},
    {"casedletter", "\\p{Lu}\\p{Ll}\\p{Lt}"},
    {"lc", "\\p{Lu}\\p{Ll}\\p{Lt}"},
    {"lowercaseletter", "\\p{Ll}"},
    {"modifierletter", "\\p{Lm}"},
    {"otherletter", "\\p{Lo}"},
    {"titlecaseletter", "\\p{Lt}"},
    {"uppercaseletter", "\\p{Lu}"},
    {"mark", "\\p{M}"},
    {"combiningmark", "\\p{M}"},
    {"spacingmark", "\\p{Mc}"},
    {"enclosingmark", "\\p{Me}"},
    {"nonspacingmark", "\\p{Mn}"},
    {"number", "\\p{N}"},
    {"decimalnumber", "\\p{Nd}"},
    {"letternumber", "\\p{Nl}"},
    {"othernumber", "\\p{No}"},
    {"punctuation", "\\p{P}"},
    {"connectorpunctuation", "\\p{Pc}"},
    {"dashpunctuation", "\\p{Pd}"},
    {"closepunctuation", "\\p{Pe}"},
    {"finalpunctuation", "\\p{Pf}"},
    {"initialpunctuation", "\\p{Pi}"},
    {"otherpunctuation", "\\p{Po}"},
    {"openpunctuation", "\\p{Ps}"},
    {"symbol", "\\p{S}"},
    {"currencysymbol", "\\p{Sc}"},
    {"modifiersymbol", "\\p{Sk}"},
    {"mathsymbol", "\\p{Sm}"},
    {"othersymbol", "\\p{So}"},
    {"separator", "\\p{Z}"},
    {"lineseparator", "\\p{Zl}"},
    {"paragraphseparator", "\\p{Zp}"},
    {"spaceseparator", "\\p{Zs}"},
};

static int property(struct job *j, const char *name, size_t n, int negated, struct meaning *m)
{
	static const char categories[] =
	    " c cc cf cn co l ll lm lo lt lu m mc me mn n nd nl no p pc pd pe pf pi "
	    "po ps s sc sk sm so z zl zp zs ";
	char key[48] = " ", set[64];
	size_t k = 1;
	for (size_t i = 0; i < n && k < sizeof key - 2; i++)
		if (name[i] != ' ' && name[i] != '-' && name[i] != '_')
			key[k++] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
	for (size_t i = 1; i < k; i++)
		if ((key[i] < 'a' || key[i] > 'z') && (key[i] < '0' || key[i] > '9'))
			return refuse(j, "a property by a name that is not known");
	if (k < 2 || k == sizeof key - 2)
		return refuse(j, "a property by a name that is not known");
	for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
		if (strcmp(key + 1, properties[i].name) == 0) {
			set_of(m, negated, properties[i].set);
			return 0;
		}
	key[k] = ' ';
	int category = strstr(categories, key) != NULL;
	key[k] = '\0';
	if (category)
		key[1] = (char)(key[1] - 32);
	snprintf(set, sizeof set, "\\%c{%s%s}", negated ? 'P' : 'p', category ? "" : "sc:", key + 1);
	set_of(m, 0, set);
	return 0;
}

static int hex(struct job *j, size_t least, size_t most, struct meaning *m)
{
	size_t n = 0;
	uint32_t v = 0;
	for (; n < most && j->at < j->in.n; n++, j->at++) {
		char c = j->in.p[j->at];
		uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
		             : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
		             : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
		                                    : 16;
		if (d == 16)
			break;
		v = v << 4 | d;
	}
	m->kind = CHAR;
	m->cp = v;
	return n < least || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)
	           ? refuse(j, "a code that is not a character")
	           : 0;
}

/* Behind a backslash; what only stands outside of a class is not known here. */
static int escape(struct job *j, struct meaning *m)
{
	static const struct {
		char c, not_c;
		const char *set, *not_set; /* NULL: has to be negated as a whole */
	} sets[] = {{'s', 'S', WHITE, NOT_WHITE},
	            {'w', 'W', WORD, NULL},
	            {'d', 'D', "\\p{Nd}", "\\P{Nd}"},
	            {'h', 'H', HEX, NULL}};
	static const char names[] = "ntrfvae", codes[] = "\n\t\r\f\v\a\033";
	if (j->at == j->in.n)
		return refuse(j, "a backslash at its end");
	char c = j->in.p[j->at];
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
		if (c == sets[i].c || c == sets[i].not_c) {
			int negated = c == sets[i].not_c, whole = negated && !sets[i].not_set;
			j->at++;
			set_of(m, whole, negated && !whole ? sets[i].not_set : sets[i].set);
			return 0;
		}
	m->kind = CHAR;
	const char *name = c ? strchr(names, c) : NULL;
	if (name) {
		j->at++;
		m->cp = (unsigned char)codes[name - names];
		return 0;
	}
	if (take(j, "x{"))
		return hex(j, 1, 8, m) < 0 ? -TR_EDATA : take(j, "}") ? 0 : refuse(j, "\\x{ without its end");
	if (take(j, "x")) {
		int rc = hex(j, 1, 2, m);
		return rc == 0 && m->cp >= 0x80 ? refuse(j, "a single byte that is not a character") : rc;
	}
	if (take(j, "u"))
		return hex(j, 4, 4, m);
	if (next_is(j, "p{") || next_is(j, "P{")) {
		int negated = c == 'P';
		j->at += 2;
		negated ^= take(j, "^");
		const char *from = j->in.p + j->at, *end = memchr(from, '}', j->in.n - j->at);
		if (!end)
			return refuse(j, "a property without its end");
		j->at += (size_t)(end - from) + 1;
		return property(j, from, (size_t)(end - from), negated, m);
	}
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
		char what[] = "\\? is not supported";
		what[1] = c;
		return refuse(j, what);
	}
	size_t length;
	m->cp = utf8_at(j->in.p + j->at, &length);
	j->at += length;
	return 0;
}

/* --- classes --------------------------------------------------------------------------------- */

/* One operand of "&&": what can stand in a PCRE2 class, and alternatives that cannot. */
struct operand {
	struct tr_buf flat, others;
};

static int put_operand(struct job *j, struct operand *o, struct tr_buf *b)
{
	if (!o->flat.n && !o->others.n)
		return refuse(j, "a class with nothing in it");
	int rc = say(j, b, o->others.n ? "(?:" : "");
	if (rc == 0 && o->flat.n) {
		rc = say(j, b, "[");
		rc = rc ? rc : say_bytes(j, b, o->flat.p, o->flat.n);
		rc = rc ? rc : say(j, b, o->others.n ? "]|" : "]");
	}
	if (rc == 0 && o->others.n) {
		rc = say_bytes(j, b, o->others.p, o->others.n - 1); /* without the last bar */
		rc = rc ? rc : say(j, b, ")");
	}
	return rc;
}

/* [:alpha:], if it stands here. 1, 0, or an error. */
static int posix(struct job *j, struct meaning *m)
{
	static const char *const names[] = {"alnum", "alpha", "cntrl", "digit", "lower",
	                                    "punct", "space", "upper", "word",  "xdigit"};
	size_t at = j->at;
	if (!take(j, "[:"))
		return 0;
	int negated = take(j, "^");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t here = j->at;
		if (take(j, names[i]) && take(j, ":]"))
			return property(j, names[i], strlen(names[i]), negated, m) < 0 ? -TR_EDATA : 1;
		j->at = here;
	}
	for (size_t i = j->at; i + 1 < j->in.n && i < j->at + 20; i++)
		if (j->in.p[i] == ':' && j->in.p[i + 1] == ']')
			return refuse(j, "a bracket like [:graph:] that is not supported");
	j->at = at;
	return 0;
}

static int add_meaning(struct job *j, struct operand *o, const struct meaning *m)
{
	int rc;
	if (m->kind == CHAR)
		return say_char(j, &o->flat, m->cp);
	if (m->kind == SET)
		return say(j, &o->flat, m->set);
	rc = say(j, &o->others, "[^");
	rc = rc ? rc : say(j, &o->others, m->set);
	return rc ? rc : say(j, &o->others, "]|");
}

static int one_char(struct job *j, struct meaning *m)
{
	size_t length;
	if (take(j, "\\")) {
		if (take(j, "b")) {
			*m = (struct meaning){.kind = CHAR, .cp = 8};
			return 0;
		}
		return escape(j, m);
	}
	m->kind = CHAR;
	m->cp = utf8_at(j->in.p + j->at, &length);
	j->at += length;
	return 0;
}

/* A character, a range, or a set. */
static int item(struct job *j, struct operand *o)
{
	struct meaning m, to;
	int rc = posix(j, &m);
	if (rc)
		return rc < 0 ? rc : add_meaning(j, o, &m);
	rc = one_char(j, &m);
	if (rc < 0 || m.kind != CHAR || !next_is(j, "-") || j->in.n - j->at < 2 || j->in.p[j->at + 1] == ']')
		return rc < 0 ? rc : add_meaning(j, o, &m);
	j->at++;
	if (next_is(j, "[") || next_is(j, "&&"))
		return refuse(j, "a range that ends in a class");
	rc = one_char(j, &to);
	if (rc < 0 || to.kind != CHAR || to.cp < m.cp)
		return rc < 0 ? rc : refuse(j, "a range that is none");
	rc = add_meaning(j, o, &m);
	rc = rc ? rc : say(j, &o->flat, "-");
	rc = rc ? rc : add_meaning(j, o, &to);
	/* What follows a range is no range: [a-c-e] has a dash. */
	return rc == 0 && next_is(j, "-") && take(j, "-") ? say(j, &o->flat, "\\x{2d}") : rc;
}

static int class_into(struct job *j, struct operand *to, unsigned depth);

/* Up to and with the closing bracket. */
static int members(struct job *j, struct operand *o, struct tr_buf *ands, unsigned depth)
{
	int rc = 0, first = 1;
	for (; rc == 0; first = 0) {
		if (j->at == j->in.n)
			return refuse(j, "a class without its end");
		if (next_is(j, "]") && !first)
			return j->at++, 0;
		if (take(j, "&&")) {
			rc = say(j, ands, "(?=");
			rc = rc ? rc : put_operand(j, o, ands);
			rc = rc ? rc : say(j, ands, ")");
			o->flat.n = o->others.n = 0;
			continue;
		}
		size_t at = j->at;
		struct meaning m;
		int is = posix(j, &m);
		j->at = at;
		if (is < 0)
			return is;
		if (!is && take(j, "["))
			rc = class_into(j, o, depth + 1);
		else
			rc = item(j, o);
	}
	return rc;
}

/* Behind the opening bracket: what the class matches, added to an operand of the one around it. */
static int class_into(struct job *j, struct operand *to, unsigned depth)
{
	struct operand o;
	struct tr_buf ands;
	int negated = take(j, "^");
	if (depth > 8)
		return refuse(j, "classes nested too deeply");
	tr_buf_init(&o.flat, to->flat.max);
	tr_buf_init(&o.others, to->flat.max);
	tr_buf_init(&ands, to->flat.max);
	int rc = members(j, &o, &ands, depth);
	if (rc == 0 && !ands.n && !o.others.n && o.flat.n) {
		rc = negated ? say(j, &to->others, "[^") : 0;
		rc = rc ? rc : say_bytes(j, negated ? &to->others : &to->flat, o.flat.p, o.flat.n);
		rc = rc || !negated ? rc : say(j, &to->others, "]|");
	} else if (rc == 0) {
		rc = say(j, &to->others, negated ? "(?:(?!" : "(?:");
		rc = rc || !ands.n ? rc : say_bytes(j, &to->others, ands.p, ands.n);
		rc = rc ? rc : put_operand(j, &o, &to->others);
		rc = rc ? rc : say(j, &to->others, negated ? ")" ANY_CHAR ")|" : ")|");
	}
	tr_buf_free(&o.flat);
	tr_buf_free(&o.others);
	tr_buf_free(&ands);
	return rc;
}

static int class(struct job *j)
{
	struct operand o;
	tr_buf_init(&o.flat, j->out->max);
	tr_buf_init(&o.others, j->out->max);
	int rc = class_into(j, &o, 0);
	rc = rc ? rc : put_operand(j, &o, j->out);
	tr_buf_free(&o.flat);
	tr_buf_free(&o.others);
	return rc;
}

/* --- groups and repetition --------------------------------------------------------------------- */

static int close_options(struct job *j)
{
	int rc = 0;
	for (; j->level[j->depth].options && rc == 0; j->level[j->depth].options--)
		rc = say(j, j->out, ")");
	return rc;
}

/* Behind "(?": i, m and their negations. */
static int options(struct job *j)
{
	char text[16] = "(?";
	size_t n = 2;
	int off = 0;
	for (; j->at < j->in.n && j->in.p[j->at] != ')' && j->in.p[j->at] != ':'; j->at++) {
		char c = j->in.p[j->at];
		if ((c != 'i' && c != 'm' && (c != '-' || off)) || n > 10)
			return refuse(j, "a kind of group or an option that is not supported");
		off |= c == '-';
		text[n++] = (char)(c == 'm' ? 's' : c);
	}
	if (j->at == j->in.n)
		return refuse(j, "a group without its end");
	text[n] = ':';
	if (j->in.p[j->at++] == ')') {
		j->level[j->depth].options++;
		j->atom = NO_ATOM;
		return j->level[j->depth].options > NESTING ? refuse(j, "too many options")
		                                            : say(j, j->out, text);
	}
	j->level[++j->depth] = (struct level){.atom = (long)j->out->n};
	return say(j, j->out, text);
}

static int open_group(struct job *j)
{
	static const char *const kinds[] = {"?:", "?=", "?!", "?>", "?<=", "?<!"};
	if (j->depth + 1 == NESTING)
		return refuse(j, "groups nested too deeply");
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (take(j, kinds[i])) {
			j->level[++j->depth] = (struct level){.atom = (long)j->out->n};
			j->atom = NO_ATOM;
			int rc = say(j, j->out, "(");
			return rc ? rc : say(j, j->out, kinds[i]);
		}
	if (take(j, "?<")) { /* a name */
		const char *end = memchr(j->in.p + j->at, '>', j->in.n - j->at);
		if (!end)
			return refuse(j, "a group's name without its end");
		j->at = (size_t)(end - j->in.p) + 1;
	} else if (take(j, "?")) {
		return options(j);
	}
	j->level[++j->depth] = (struct level){.atom = (long)j->out->n};
	j->atom = NO_ATOM;
	return say(j, j->out, "(?:");
}

static int close_group(struct job *j)
{
	if (j->depth == 0)
		return refuse(j, "a closing parenthesis too many");
	int rc = close_options(j);
	j->atom = j->level[j->depth--].atom;
	j->repeated = 0;
	return rc ? rc : say(j, j->out, ")");
}

/* {n}, {n,}, {,m}, {n,m}: 1 when it is one, with its bounds ("" is none). */
static int interval(struct job *j, char low[8], char high[8], int *fixed)
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

static int repeat(struct job *j, const char *how, int wrap)
{
	if (j->atom == NO_ATOM)
		return refuse(j, "nothing to repeat");
	if (j->repeated)
		return refuse(j, "a repetition of a repetition");
	int rc = say(j, j->out, how);
	j->repeated = 1;
	if (wrap && rc == 0) {
		rc = insert(j, j->out, (size_t)j->atom, "(?:");
		rc = rc ? rc : say(j, j->out, ")");
		j->repeated = 0;
	}
	return rc;
}

static int quantifier(struct job *j, char c)
{
	char low[8], high[8], text[32];
	int fixed;
	if (c == '{') {
		if (!interval(j, low, high, &fixed)) {
			j->atom = (long)j->out->n;
			j->repeated = 0;
			return say(j, j->out, "\\{");
		}
		snprintf(text, sizeof text, fixed ? "{%s}" : "{%s,%s}", low[0] ? low : "0", high);
		if (!fixed && take(j, "?"))
			return repeat(j, strcat(text, "?"), 0);
		/* Neither {n}? nor {n,m}+ is what it looks like: both repeat the whole. */
		return repeat(j, text, next_is(j, "+") || next_is(j, "?") || next_is(j, "*"));
	}
	snprintf(text, sizeof text, "%c%s", c, take(j, "?") ? "?" : take(j, "+") ? "+" : "");
	return repeat(j, text, 0);
}

/* --- the whole ---------------------------------------------------------------------------------- */

static int atom(struct job *j, const char *text)
{
	j->atom = (long)j->out->n;
	j->repeated = 0;
	return say(j, j->out, text);
}

static int outside_escape(struct job *j)
{
	static const struct {
		const char *escape, *to;
	} rows[] = {
	    {"b", "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))"},
	    {"B", "(?:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "]))"},
	    {"A", "\\A"},
	    {"z", "\\z"},
	    {"Z", "\\Z"},
	};
	struct meaning m;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (take(j, rows[i].escape))
			return atom(j, rows[i].to);
	int rc = escape(j, &m);
	if (rc < 0)
		return rc;
	rc = atom(j, m.kind == CHAR ? "" : m.kind == SET ? "[" : "[^");
	if (rc == 0)
		rc = m.kind == CHAR ? say_char(j, j->out, m.cp) : say(j, j->out, m.set);
	return rc || m.kind == CHAR ? rc : say(j, j->out, "]");
}

static int step(struct job *j)
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
		return class(j);
	case '(':
		return open_group(j);
	case ')':
		return close_group(j);
	case '|':
		j->atom = NO_ATOM;
		return say(j, j->out, "|");
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
		return c == '\0' ? refuse(j, "a NUL") : atom(j, text);
	}
}

int regex_translate(struct tr_slice regex, struct tr_buf *out, struct tr_err *err)
{
	struct job j = {.in = regex, .out = out, .atom = NO_ATOM, .err = err};
	int rc = 0;
	while (rc == 0 && j.at < regex.n)
		rc = step(&j);
	if (rc == 0 && j.depth)
		return refuse(&j, "a group without its end");
	return rc ? rc : close_options(&j);
}
