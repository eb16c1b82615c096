/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON and terminal text for reports. The JSON writer prints as it goes: a report of a thousand groups
 * needs no memory of its own.
 */
#include "tools/report.h"
#include "libtrace/json.h"
#include "libtrace/num.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_quoted(struct tr_slice s)
{
	struct tr_buf b;
	tr_buf_init(&b, s.n * 6 + 2);
	if (tr_json_quote(&b, s) == 0)
		fwrite(b.p, 1, b.n, stdout);
	else
		fputs("null", stdout);
	tr_buf_free(&b);
}

static void indent(const struct rep_json *j)
{
	putchar('\n');
	for (int i = 0; i < j->depth; i++)
		fputs("  ", stdout);
}

static void key_of(struct rep_json *j, const char *key)
{
	if (j->filled)
		putchar(',');
	if (j->depth > 0)
		indent(j);
	j->filled = 1;
	if (key)
		printf("\"%s\": ", key);
}

void rep_open(struct rep_json *j, const char *key, char bracket)
{
	key_of(j, key);
	putchar(bracket);
	j->depth++;
	j->filled = 0;
}

void rep_close(struct rep_json *j, char bracket)
{
	j->depth--;
	if (j->filled)
		indent(j);
	putchar(bracket);
	j->filled = 1;
	if (j->depth == 0) {
		putchar('\n');
		j->filled = 0;
	}
}

static void literal(struct rep_json *j, const char *key, const char *text)
{
	key_of(j, key);
	fputs(text, stdout);
}

void rep_null(struct rep_json *j, const char *key)
{
	literal(j, key, "null");
}

void rep_bool(struct rep_json *j, const char *key, int v)
{
	literal(j, key, v ? "true" : "false");
}

void rep_u64(struct rep_json *j, const char *key, uint64_t v)
{
	rep_u128(j, key, v);
}

void rep_i64(struct rep_json *j, const char *key, int64_t v)
{
	key_of(j, key);
	printf("%lld", (long long)v);
}

void rep_u128(struct rep_json *j, const char *key, unsigned __int128 v)
{
	char text[REP_TEXT];
	literal(j, key, rep_digits(v, text));
}

void rep_num(struct rep_json *j, const char *key, double v)
{
	char text[REP_TEXT];
	if (isnan(v))
		rep_null(j, key);
	else
		literal(j, key, isinf(v) ? "\"inf\"" : tr_num_print(v, text, sizeof(text)));
}

void rep_str(struct rep_json *j, const char *key, struct tr_slice s)
{
	key_of(j, key);
	put_quoted(s);
}

void rep_cstr(struct rep_json *j, const char *key, const char *s)
{
	if (s)
		rep_str(j, key, (struct tr_slice){s, strlen(s)});
	else
		rep_null(j, key);
}

char *rep_digits(unsigned __int128 v, char *out)
{
	char *p = out + REP_TEXT - 1, *end = p;
	do
		*--p = (char)('0' + (int)(v % 10));
	while (v /= 10);
	memmove(out, p, (size_t)(end - p));
	out[end - p] = 0;
	return out;
}

char *rep_thousands(unsigned __int128 v, char *out)
{
	char plain[REP_TEXT];
	size_t n = strlen(rep_digits(v, plain)), to = 0;
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			out[to++] = ',';
		out[to++] = plain[i];
	}
	out[to] = 0;
	return out;
}

/* Three figures and a unit; v has been brought below 999.5. */
static char *three(double v, const char *unit, char *out)
{
	snprintf(out, REP_TEXT, "%.3g%s", v, unit);
	return out;
}

char *rep_short(double v, char *out)
{
	static const char *const units[] = {"M", "G", "T", "P", "E", "Z", "Y"};
	if (isnan(v) || isinf(v)) {
		snprintf(out, REP_TEXT, "%s", isnan(v) ? "-" : "inf");
		return out;
	}
	if (v < 999999.5) {
		int whole = v >= 9999.5 || floor(v) == v;
		snprintf(out, REP_TEXT, whole ? "%.0f" : v >= 0.1 ? "%.4g" : v >= 0.001 ? "%.4f" : "%.0e", v);
		return out;
	}
	unsigned u = 0;
	for (v /= 1e6; v >= 999.5 && u + 1 < sizeof(units) / sizeof(units[0]); u++)
		v /= 1e3;
	return three(v, units[u], out);
}

char *rep_short_ns(double ns, char *out)
{
	static const struct {
		double below, unit;
		const char *name;
	} steps[] = {
	    {999.5, 1, "ns"},    {999.5e3, 1e3, "us"},  {999.5e6, 1e6, "ms"},    {999.5e9, 1e9, "s"},
	    {7.2e12, 6e10, "m"}, {3.6e14, 3.6e12, "h"}, {8.64e16, 8.64e13, "d"}, {INFINITY, 3.15576e16, "y"},
	};
	if (isnan(ns) || isinf(ns)) {
		snprintf(out, REP_TEXT, "%s", isnan(ns) ? "-" : "inf");
		return out;
	}
	if (ns == 0) {
		snprintf(out, REP_TEXT, "0");
		return out;
	}
	unsigned i = 0;
	while (ns >= steps[i].below)
		i++;
	return three(ns / steps[i].unit, steps[i].name, out);
}

char *rep_span(double ns, char *out)
{
	static const struct {
		double unit;
		const char *name, *rest;
		double rest_unit;
	} steps[] = {
	    {86400e9, "d", "h", 3600e9},
	    {3600e9, "h", "min", 60e9},
	    {60e9, "min", "s", 1e9},
	};
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (ns < steps[i].unit)
			continue;
		double whole = floor(ns / steps[i].unit);
		double rest = floor((ns - whole * steps[i].unit) / steps[i].rest_unit);
		snprintf(out, REP_TEXT, "%.0f %s %.0f %s", whole, steps[i].name, rest, steps[i].rest);
		return out;
	}
	return rep_short_ns(ns, out);
}

/* Length of the printable UTF-8 character at p; 0 when its first byte must be escaped. */
static unsigned printable(const unsigned char *p, size_t n)
{
	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	unsigned len = p[0] >= 0xf0 && p[0] < 0xf5   ? 4
	               : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
	               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
	                                             : 0;
	if (len == 0 || len > n)
		return 0;
	for (unsigned i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	uint32_t c = p[0] & (0xffu >> (len + 1));
	for (unsigned i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3f);
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	/* C1 controls, surrogates, and the marks that turn the direction of writing or break the line */
	if (c < least[len] || c < 0xa0 || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff || c == 0x200e ||
	    c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;
	return len;
}

char *rep_safe(struct tr_slice s, unsigned width, char *out)
{
	unsigned used = 0;
	size_t to = 0, cut = 0; /* cut: where "..." goes when the text is too long */
	for (size_t i = 0; i < s.n;) {
		const unsigned char *p = (const unsigned char *)s.p + i;
		unsigned len = printable(p, s.n - i), chars = len ? 1 : 4;
		if (used + 3 <= width)
			cut = to;
		if (used + chars > width) {
			memcpy(out + cut, "...", 4);
			return out;
		}
		if (len)
			memcpy(out + to, p, len);
		else
			snprintf(out + to, 5, "\\x%02x", p[0]);
		to += len ? len : 4;
		i += len ? len : 1;
		used += chars;
	}
	out[to] = 0;
	return out;
}

unsigned rep_width(const char *s)
{
	unsigned n = 0;
	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

void rep_pad(const char *s, unsigned width, int left)
{
	unsigned have = rep_width(s), blanks = have < width ? width - have : 0;
	printf("%*s%s%*s", left ? 0 : (int)blanks, "", s, left ? (int)blanks : 0, "");
}

int rep_colour(void)
{
	const char *no = getenv("NO_COLOR");
	return isatty(STDOUT_FILENO) && !(no && *no);
}
