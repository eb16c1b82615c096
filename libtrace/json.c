/* SPDX-License-Identifier: Apache-2.0
 *
 * The pull scanner: a cursor over one JSON value, strict, without memory of its own.
 */
#include "libtrace/json.h"

#include "libtrace/err.h"
#include "libtrace/scan.h"

#include <string.h>

enum state { WANT_VALUE, WANT_VALUE_OR_CLOSE, WANT_KEY_OR_CLOSE, WANT_KEY, WANT_COMMA_OR_CLOSE, DONE };

void tr_json_init(struct tr_json *j, const char *p, size_t n)
{
	*j = (struct tr_json){.p = p, .n = n, .state = WANT_VALUE};
}

static enum tr_json_token fail(struct tr_json *j, const char *reason)
{
	j->reason = reason;
	return TR_JSON_ERROR;
}

static void blanks(struct tr_json *j)
{
	while (j->pos < j->n) {
		char c = j->p[j->pos];
		if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
			break;
		j->pos++;
	}
}

static int in_array(const struct tr_json *j)
{
	return j->depth > 0 && (j->in_array >> (j->depth - 1) & 1);
}

static void value_done(struct tr_json *j)
{
	j->state = j->depth == 0 ? DONE : WANT_COMMA_OR_CLOSE;
}

/* Stands on the opening quote; leaves the slice between the quotes. Escapes are checked when undone. */
static int string(struct tr_json *j)
{
	size_t i = j->pos + 1;
	j->escaped = 0;
	while ((i = tr_scan_string(j->p, i, j->n)) < j->n) {
		if (j->p[i] == '"') {
			j->s = (struct tr_slice){j->p + j->pos + 1, i - j->pos - 1};
			j->pos = i + 1;
			return 0;
		}
		if (j->p[i] != '\\') {
			j->pos = i;
			fail(j, "control character in a string");
			return -TR_EDATA;
		}
		j->escaped = 1;
		i += j->n - i < 2 ? 1 : 2;
	}
	fail(j, "string without an end");
	return -TR_EDATA;
}

static size_t digits(const struct tr_json *j, size_t i)
{
	while (i < j->n && j->p[i] >= '0' && j->p[i] <= '9')
		i++;
	return i;
}

static enum tr_json_token number(struct tr_json *j)
{
	size_t i = j->pos + (j->p[j->pos] == '-');
	size_t first = i;
	i = digits(j, i);
	if (i == first || (j->p[first] == '0' && i > first + 1))
		return fail(j, "not a JSON number");
	if (i < j->n && j->p[i] == '.') {
		size_t fraction = ++i;
		i = digits(j, i);
		if (i == fraction)
			return fail(j, "not a JSON number");
	}
	if (i < j->n && (j->p[i] == 'e' || j->p[i] == 'E')) {
		i++;
		if (i < j->n && (j->p[i] == '+' || j->p[i] == '-'))
			i++;
		size_t exponent = i;
		i = digits(j, i);
		if (i == exponent)
			return fail(j, "not a JSON number");
	}
	j->s = (struct tr_slice){j->p + j->pos, i - j->pos};
	j->pos = i;
	value_done(j);
	return TR_JSON_NUMBER;
}

static enum tr_json_token word(struct tr_json *j, const char *w, enum tr_json_token t)
{
	size_t n = strlen(w);
	if (j->n - j->pos < n || memcmp(j->p + j->pos, w, n) != 0)
		return fail(j, "not a JSON value");
	j->pos += n;
	value_done(j);
	return t;
}

static enum tr_json_token open(struct tr_json *j, int array)
{
	if (j->depth == TR_JSON_DEPTH)
		return fail(j, "nested too deeply");
	uint64_t bit = UINT64_C(1) << j->depth;
	j->in_array = array ? j->in_array | bit : j->in_array & ~bit;
	j->depth++;
	j->pos++;
	j->state = array ? WANT_VALUE_OR_CLOSE : WANT_KEY_OR_CLOSE;
	return array ? TR_JSON_ARRAY : TR_JSON_OBJECT;
}

static enum tr_json_token value(struct tr_json *j)
{
	switch (j->p[j->pos]) {
	case '{':
		return open(j, 0);
	case '[':
		return open(j, 1);
	case '"':
		if (string(j) < 0)
			return TR_JSON_ERROR;
		value_done(j);
		return TR_JSON_STRING;
	case 't':
		return word(j, "true", TR_JSON_TRUE);
	case 'f':
		return word(j, "false", TR_JSON_FALSE);
	case 'n':
		return word(j, "null", TR_JSON_NULL);
	default:
		return number(j);
	}
}

static enum tr_json_token key(struct tr_json *j)
{
	if (j->p[j->pos] != '"')
		return fail(j, "a key in quotes is missing");
	if (string(j) < 0)
		return TR_JSON_ERROR;
	blanks(j);
	if (j->pos == j->n || j->p[j->pos] != ':')
		return fail(j, "\":\" is missing after a key");
	j->pos++;
	j->state = WANT_VALUE;
	return TR_JSON_KEY;
}

enum tr_json_token tr_json_next(struct tr_json *j)
{
	if (j->reason)
		return TR_JSON_ERROR;
	blanks(j);
	if (j->state == DONE)
		return j->pos == j->n ? TR_JSON_END : fail(j, "text after the JSON value");
	if (j->pos == j->n)
		return fail(j, "JSON ends early");
	char c = j->p[j->pos];
	if (j->state == WANT_COMMA_OR_CLOSE && c == ',') {
		j->pos++;
		blanks(j);
		if (j->pos == j->n)
			return fail(j, "JSON ends early");
		return in_array(j) ? value(j) : key(j);
	}
	if (j->state != WANT_VALUE && j->state != WANT_KEY && c == (in_array(j) ? ']' : '}')) {
		j->pos++;
		j->depth--;
		value_done(j);
		return TR_JSON_CLOSE;
	}
	if (j->state == WANT_COMMA_OR_CLOSE)
		return fail(j, "\",\" is missing");
	return j->state == WANT_KEY_OR_CLOSE ? key(j) : value(j);
}

int tr_json_skip(struct tr_json *j, enum tr_json_token t, struct tr_slice *raw)
{
	size_t start = j->pos;
	if (t == TR_JSON_KEY) {
		blanks(j);
		start = j->pos;
		t = tr_json_next(j);
	} else if (t == TR_JSON_STRING) {
		start = (size_t)(j->s.p - j->p) - 1;
	} else if (t == TR_JSON_NUMBER) {
		start = (size_t)(j->s.p - j->p);
	} else if (t == TR_JSON_OBJECT || t == TR_JSON_ARRAY) {
		start = j->pos - 1;
	} else if (t == TR_JSON_TRUE || t == TR_JSON_FALSE || t == TR_JSON_NULL) {
		start = j->pos - (t == TR_JSON_FALSE ? 5 : 4);
	}
	if (t == TR_JSON_OBJECT || t == TR_JSON_ARRAY)
		for (int depth = j->depth - 1; j->depth > depth && t != TR_JSON_ERROR;)
			t = tr_json_next(j);
	if (t == TR_JSON_ERROR || t == TR_JSON_END)
		return -TR_EDATA;
	if (raw)
		*raw = (struct tr_slice){j->p + start, j->pos - start};
	return 0;
}

static int hex4(struct tr_slice s, size_t i, unsigned *out)
{
	unsigned v = 0;
	if (s.n < 4 || i > s.n - 4)
		return -1;
	for (size_t k = i; k < i + 4; k++) {
		char c = s.p[k];
		unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
		             : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
		             : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
		                                    : 16;
		if (d == 16)
			return -1;
		v = v << 4 | d;
	}
	*out = v;
	return 0;
}

static int utf8(struct tr_buf *b, unsigned cp)
{
	char s[4];
	size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n; i-- > 1; cp >>= 6)
		s[i] = (char)(0x80 | (cp & 0x3f));
	s[0] = (char)(lead[n] | cp);
	return tr_buf_add(b, s, n);
}

/* Stands behind "\u"; returns how many characters of the raw text were used, or < 0. */
static int unicode(struct tr_slice raw, size_t i, unsigned flags, struct tr_buf *b)
{
	unsigned cp, low;
	int used = 4;
	if (hex4(raw, i, &cp) < 0)
		return -TR_EDATA;
	if (cp >= 0xd800 && cp < 0xdc00 && i + 10 <= raw.n && raw.p[i + 4] == '\\' && raw.p[i + 5] == 'u' &&
	    hex4(raw, i + 6, &low) == 0 && low >= 0xdc00 && low < 0xe000) {
		cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
		used = 10;
	}
	int rc = flags & TR_JSON_BYTES && cp >= 0xdc80 && cp <= 0xdcff ? tr_buf_char(b, (char)(cp & 0xff))
	                                                               : utf8(b, cp);
	return rc < 0 ? rc : used;
}

int tr_json_unescape(struct tr_slice raw, unsigned flags, struct tr_buf *b)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	int rc = 0;
	for (size_t i = 0; i < raw.n && rc >= 0;) {
		const char *stop = memchr(raw.p + i, '\\', raw.n - i);
		size_t plain = stop ? (size_t)(stop - raw.p) - i : raw.n - i;
		rc = tr_buf_add(b, raw.p + i, plain);
		i += plain;
		if (!stop || rc < 0)
			break;
		if (++i == raw.n)
			return -TR_EDATA;
		char c = raw.p[i++];
		const char *at = c ? strchr(names, c) : NULL;
		if (at) {
			rc = tr_buf_char(b, bytes[at - names]);
		} else if (c == 'u') {
			rc = unicode(raw, i, flags, b);
			i += rc > 0 ? (size_t)rc : 0;
		} else {
			return -TR_EDATA;
		}
	}
	return rc < 0 ? rc : 0;
}

int tr_json_unescaped(struct tr_slice raw, size_t *length)
{
	size_t n = 0, i = 0;
	unsigned cp, low;
	for (;;) {
		const char *stop = i < raw.n ? memchr(raw.p + i, '\\', raw.n - i) : NULL;
		size_t plain = stop ? (size_t)(stop - raw.p) - i : raw.n - i;
		n += plain;
		i += plain + 1;
		if (!stop)
			break;
		char c = i < raw.n ? raw.p[i++] : 0;
		if (c == 'n' || c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'r' ||
		    c == 't') {
			n++;
			continue;
		}
		if (c != 'u' || hex4(raw, i, &cp) < 0)
			return -TR_EDATA;
		i += 4;
		if (cp >= 0xd800 && cp < 0xdc00 && i + 6 <= raw.n && raw.p[i] == '\\' &&
		    raw.p[i + 1] == 'u' && hex4(raw, i + 2, &low) == 0 && low >= 0xdc00 && low < 0xe000) {
			i += 6;
			n += 4;
		} else {
			n += cp < 0x80 ? 1 : cp < 0x800 ? 2 : 3;
		}
	}
	*length = n;
	return 0;
}

/* Length of the valid UTF-8 sequence at p, 0 when there is none (overlong forms, surrogates and values above
 * 10FFFF are not valid). Unicode 15, table 3-7. */
static size_t valid(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char first, last, low, high, length;
	} rows[] = {
	    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
	    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
	    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
		if (p[0] < rows[r].first || p[0] > rows[r].last)
			continue;
		if (n < rows[r].length || p[1] < rows[r].low || p[1] > rows[r].high)
			return 0;
		for (size_t i = 2; i < rows[r].length; i++)
			if (p[i] < 0x80 || p[i] > 0xbf)
				return 0;
		return rows[r].length;
	}
	return 0;
}

int tr_json_quote(struct tr_buf *b, struct tr_slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	int rc = tr_buf_char(b, '"');
	for (size_t i = 0; i < s.n && rc == 0;) {
		size_t plain = i;
		while (plain < s.n) {
			unsigned char c = p[plain];
			size_t step =
			    c >= 0x80 ? valid(p + plain, s.n - plain) : c >= 0x20 && c != '"' && c != '\\';
			if (step == 0)
				break;
			plain += step;
		}
		rc = tr_buf_add(b, p + i, plain - i);
		if (plain < s.n && rc == 0) {
			unsigned char c = p[plain++];
			if (c == '"' || c == '\\')
				rc = tr_buf_printf(b, "\\%c", c);
			else if (c == '\n')
				rc = tr_buf_str(b, "\\n");
			else if (c == '\r')
				rc = tr_buf_str(b, "\\r");
			else if (c == '\t')
				rc = tr_buf_str(b, "\\t");
			else if (c < 0x80)
				rc = tr_buf_printf(b, "\\u%04x", c);
			else
				rc = tr_buf_printf(b, "\\udc%02x", c);
		}
		i = plain;
	}
	return rc < 0 ? rc : tr_buf_char(b, '"');
}

int tr_json_utf8(struct tr_slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	for (size_t i = 0; (i = tr_scan_utf8(s.p, i, s.n)) < s.n;) {
		size_t stop = i + 16 < s.n ? i + 16 : s.n;
		while (i < stop) {
			size_t step = p[i] < 0x80 ? 1 : valid(p + i, s.n - i);
			if (step == 0)
				return 0;
			i += step;
		}
	}
	return 1;
}
