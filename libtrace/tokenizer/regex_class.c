/* SPDX-License-Identifier: Apache-2.0
 *
 * Escapes, properties and character classes of Oniguruma's dialect, as PCRE2 writes them.
 */
#include "libtrace/tokenizer/regex.h"

#include <stdio.h>

#define WHITE                                                                                                \
	"\\x{09}-\\x{0d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{"    \
	"205f}\\x{3000}"
#define NOT_WHITE                                                                                            \
	"\\x{00}-\\x{08}\\x{0e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"   \
	"\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
#define HEX "0-9A-Fa-f"

#define ANY_CHAR "(?s:.)"

/* --- escapes and properties ----------------------------------------------------------------- */

static void set_of(struct regex_meaning *m, int negated, const char *set)
{
	m->kind = negated ? REGEX_NOT_SET : REGEX_SET;
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
    {"punct", "\\p{P}"},
    {"word", REGEX_WORD},
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

static int property(struct regex_job *j, const char *name, size_t n, int negated, struct regex_meaning *m)
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
			return regex_refuse(j, "a property by a name that is not known");
	if (k < 2 || k == sizeof key - 2)
		return regex_refuse(j, "a property by a name that is not known");
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

static int hex(struct regex_job *j, size_t least, size_t most, struct regex_meaning *m)
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
	m->kind = REGEX_CHAR;
	m->cp = v;
	return n < least || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)
	           ? regex_refuse(j, "a code that is not a character")
	           : 0;
}

int regex_escape(struct regex_job *j, struct regex_meaning *m)
{
	static const struct {
		char c, not_c;
		const char *set, *not_set; /* NULL: has to be negated as a whole */
	} sets[] = {{'s', 'S', WHITE, NOT_WHITE},
	            {'w', 'W', REGEX_WORD, NULL},
	            {'d', 'D', "\\p{Nd}", "\\P{Nd}"},
	            {'h', 'H', HEX, NULL}};
	static const char names[] = "ntrfvae", codes[] = "\n\t\r\f\v\a\033";
	if (j->at == j->in.n)
		return regex_refuse(j, "a backslash at its end");
	char c = j->in.p[j->at];
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
		if (c == sets[i].c || c == sets[i].not_c) {
			int negated = c == sets[i].not_c, whole = negated && !sets[i].not_set;
			j->at++;
			set_of(m, whole, negated && !whole ? sets[i].not_set : sets[i].set);
			return 0;
		}
	m->kind = REGEX_CHAR;
	const char *name = c ? strchr(names, c) : NULL;
	if (name) {
		j->at++;
		m->cp = (unsigned char)codes[name - names];
		return 0;
	}
	if (regex_take(j, "x{"))
		return hex(j, 1, 8, m) < 0  ? -TR_EDATA
		       : regex_take(j, "}") ? 0
		                            : regex_refuse(j, "\\x{ without its end");
	if (regex_take(j, "x")) {
		int rc = hex(j, 1, 2, m);
		return rc == 0 && m->cp >= 0x80 ? regex_refuse(j, "a single byte that is not a character")
		                                : rc;
	}
	if (regex_take(j, "u"))
		return hex(j, 4, 4, m);
	if (regex_next_is(j, "p{") || regex_next_is(j, "P{")) {
		int negated = c == 'P';
		j->at += 2;
		negated ^= regex_take(j, "^");
		const char *from = j->in.p + j->at, *end = memchr(from, '}', j->in.n - j->at);
		if (!end)
			return regex_refuse(j, "a property without its end");
		j->at += (size_t)(end - from) + 1;
		return property(j, from, (size_t)(end - from), negated, m);
	}
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
		char what[] = "\\? is not supported";
		what[1] = c;
		return regex_refuse(j, what);
	}
	size_t length;
	m->cp = utf8_at(j->in.p + j->at, &length);
	j->at += length;
	return 0;
}

/* --- classes --------------------------------------------------------------------------------- */

/* One operand of "&&": what can stand in a PCRE2 class, and alternatives that cannot. */
struct operand {
	struct tr_buf flat, others; /* others: each with a bar behind it */
	unsigned nothers;
};

static int put_operand(struct regex_job *j, struct operand *o, struct tr_buf *b)
{
	if (!o->flat.n && !o->others.n)
		return regex_refuse(j, "a class with nothing in it");
	int group = o->nothers + (o->flat.n > 0) > 1;
	int rc = regex_say(j, b, group ? "(?:" : "");
	if (rc == 0 && o->flat.n) {
		rc = regex_say(j, b, "[");
		rc = rc ? rc : regex_say_bytes(j, b, o->flat.p, o->flat.n);
		rc = rc ? rc : regex_say(j, b, o->others.n ? "]|" : "]");
	}
	if (rc == 0 && o->others.n) {
		rc = regex_say_bytes(j, b, o->others.p, o->others.n - 1); /* without the last bar */
		rc = rc || !group ? rc : regex_say(j, b, ")");
	}
	return rc;
}

/* [:alpha:], if it stands here. 1, 0, or an error. */
static int posix(struct regex_job *j, struct regex_meaning *m)
{
	static const char *const names[] = {"alnum", "alpha", "cntrl", "digit", "lower",
	                                    "punct", "space", "upper", "word",  "xdigit"};
	size_t at = j->at;
	if (!regex_take(j, "[:"))
		return 0;
	int negated = regex_take(j, "^");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t here = j->at;
		if (regex_take(j, "punct:]")) { /* another set than \\p{Punct} */
			set_of(m, negated, "\\p{P}\\p{S}");
			return 1;
		}
		if (regex_take(j, names[i]) && regex_take(j, ":]"))
			return property(j, names[i], strlen(names[i]), negated, m) < 0 ? -TR_EDATA : 1;
		j->at = here;
	}
	for (size_t i = j->at; i + 1 < j->in.n && i < j->at + 20; i++)
		if (j->in.p[i] == ':' && j->in.p[i + 1] == ']')
			return regex_refuse(j, "a bracket like [:graph:] that is not supported");
	j->at = at;
	return 0;
}

static int add_meaning(struct regex_job *j, struct operand *o, const struct regex_meaning *m)
{
	int rc;
	if (m->kind == REGEX_CHAR)
		return regex_say_char(j, &o->flat, m->cp);
	if (m->kind == REGEX_SET)
		return regex_say(j, &o->flat, m->set);
	o->nothers++;
	rc = regex_say(j, &o->others, "[^");
	rc = rc ? rc : regex_say(j, &o->others, m->set);
	return rc ? rc : regex_say(j, &o->others, "]|");
}

static int one_char(struct regex_job *j, struct regex_meaning *m)
{
	size_t length;
	if (regex_take(j, "\\")) {
		if (regex_take(j, "b")) {
			*m = (struct regex_meaning){.kind = REGEX_CHAR, .cp = 8};
			return 0;
		}
		return regex_escape(j, m);
	}
	m->kind = REGEX_CHAR;
	m->cp = utf8_at(j->in.p + j->at, &length);
	j->at += length;
	return 0;
}

/* A character, a range, or a set. */
static int item(struct regex_job *j, struct operand *o)
{
	struct regex_meaning m, to;
	int rc = posix(j, &m);
	if (rc)
		return rc < 0 ? rc : add_meaning(j, o, &m);
	rc = one_char(j, &m);
	if (rc < 0 || m.kind != REGEX_CHAR || !regex_next_is(j, "-") || j->in.n - j->at < 2 ||
	    j->in.p[j->at + 1] == ']')
		return rc < 0 ? rc : add_meaning(j, o, &m);
	j->at++;
	if (regex_next_is(j, "[") || regex_next_is(j, "&&"))
		return regex_refuse(j, "a range that ends in a class");
	rc = one_char(j, &to);
	if (rc < 0 || to.kind != REGEX_CHAR || to.cp < m.cp)
		return rc < 0 ? rc : regex_refuse(j, "a range that is none");
	rc = add_meaning(j, o, &m);
	rc = rc ? rc : regex_say(j, &o->flat, "-");
	rc = rc ? rc : add_meaning(j, o, &to);
	/* What follows a range is no range: [a-c-e] has a dash. */
	return rc == 0 && regex_next_is(j, "-") && regex_take(j, "-") ? regex_say(j, &o->flat, "\\x{2d}")
	                                                              : rc;
}

static int class_into(struct regex_job *j, struct operand *to, unsigned depth);

/* Up to and with the closing bracket. */
static int members(struct regex_job *j, struct operand *o, struct tr_buf *ands, unsigned depth)
{
	int rc = 0, first = 1;
	for (; rc == 0; first = 0) {
		if (j->at == j->in.n)
			return regex_refuse(j, "a class without its end");
		if (regex_next_is(j, "]") && !first)
			return j->at++, 0;
		if (regex_take(j, "&&")) {
			rc = regex_say(j, ands, "(?=");
			rc = rc ? rc : put_operand(j, o, ands);
			rc = rc ? rc : regex_say(j, ands, ")");
			o->flat.n = o->others.n = o->nothers = 0;
			continue;
		}
		size_t at = j->at;
		struct regex_meaning m;
		int is = posix(j, &m);
		j->at = at;
		if (is < 0)
			return is;
		if (!is && regex_take(j, "["))
			rc = class_into(j, o, depth + 1);
		else
			rc = item(j, o);
	}
	return rc;
}

/* Behind the opening bracket: what the class matches, added to an operand of the one around it. */
static int class_into(struct regex_job *j, struct operand *to, unsigned depth)
{
	struct operand o = {.nothers = 0};
	struct tr_buf ands;
	int negated = regex_take(j, "^");
	if (depth > 8)
		return regex_refuse(j, "classes nested too deeply");
	tr_buf_init(&o.flat, to->flat.max);
	tr_buf_init(&o.others, to->flat.max);
	tr_buf_init(&ands, to->flat.max);
	int rc = members(j, &o, &ands, depth);
	if (rc == 0 && !ands.n && !negated && (o.flat.n || o.others.n)) { /* a union */
		rc = regex_say_bytes(j, &to->flat, o.flat.p, o.flat.n);
		rc = rc ? rc : regex_say_bytes(j, &to->others, o.others.p, o.others.n);
		to->nothers += o.nothers;
	} else if (rc == 0) {
		int plain = !ands.n && !o.others.n && o.flat.n;
		to->nothers++;
		rc = regex_say(j, &to->others, plain ? "[^" : negated ? "(?:(?!" : "(?:");
		rc = rc || !ands.n ? rc : regex_say_bytes(j, &to->others, ands.p, ands.n);
		if (rc == 0)
			rc = plain ? regex_say_bytes(j, &to->others, o.flat.p, o.flat.n)
			           : put_operand(j, &o, &to->others);
		rc = rc ? rc : regex_say(j, &to->others, plain ? "]|" : negated ? ")" ANY_CHAR ")|" : ")|");
	}
	tr_buf_free(&o.flat);
	tr_buf_free(&o.others);
	tr_buf_free(&ands);
	return rc;
}

int regex_class(struct regex_job *j)
{
	struct operand o = {.nothers = 0};
	tr_buf_init(&o.flat, j->out->max);
	tr_buf_init(&o.others, j->out->max);
	int rc = class_into(j, &o, 0);
	rc = rc ? rc : put_operand(j, &o, j->out);
	tr_buf_free(&o.flat);
	tr_buf_free(&o.others);
	return rc;
}
