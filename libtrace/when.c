/* SPDX-License-Identifier: Apache-2.0
 *
 * Wall-clock stamps. Every row of most public traces has one, so parsing is arithmetic only: no
 * sscanf, no mktime, no time zone database. The calendar is counted in eras of 400 years (146,097 days), from
 * the first of March, so that the leap day comes last.
 */
#include "libtrace/when.h"
#include <string.h>

enum { DAY_S = 86400, ERA_DAYS = 146097, EPOCH_DAYS = 719468 /* 0000-03-01 to 1970-01-01 */ };
#define SECOND_NS INT64_C(1000000000)

static int64_t days_from_civil(unsigned year, unsigned month, unsigned day)
{
	unsigned y = year - (month <= 2);
	unsigned era = y / 400, of_era = y % 400;
	unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return (int64_t)era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
}

static void civil_from_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	uint64_t d = (uint64_t)(days + EPOCH_DAYS); /* int64 nanoseconds never come before the year 0 */
	unsigned era = (unsigned)(d / ERA_DAYS), of_era = (unsigned)(d % ERA_DAYS);
	unsigned y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * y + y / 4 - y / 100);
	unsigned m = (5 * of_year + 2) / 153;

	*day = of_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = era * 400 + y + (*month <= 2);
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const unsigned char days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month] + (unsigned)leap;
}

/* A digit's value; above 9 when it is none. */
static unsigned val(char c)
{
	return (unsigned char)c - (unsigned)'0';
}

/* Two digits; *bad collects whether all were digits, to be looked at once. */
static unsigned two(const char *p, unsigned *bad)
{
	unsigned a = val(p[0]), b = val(p[1]);

	*bad |= (unsigned)(a > 9) | (unsigned)(b > 9);
	return a * 10 + b;
}

/* "", Z, +hh, +hhmm, +hh:mm and with a minus. */
static int parse_zone(const char *p, size_t n, int32_t *zone_s)
{
	unsigned bad = 0, hours, minutes = 0;

	*zone_s = 0;
	if (n == 0 || (n == 1 && *p == 'Z'))
		return 1;
	if ((*p != '+' && *p != '-') || (n != 3 && n != 5 && n != 6) || (n == 6 && p[3] != ':'))
		return 0;
	hours = two(p + 1, &bad);
	if (n > 3)
		minutes = two(p + n - 2, &bad);
	if (bad || hours > 23 || minutes > 59)
		return 0;
	*zone_s = (int32_t)(hours * 3600 + minutes * 60);
	if (*p == '-')
		*zone_s = -*zone_s;
	return 1;
}

/* Digits after the point up to the first non-digit, as nanoseconds; returns how many, 10 for too many. */
static unsigned parse_fraction(const char *p, const char *end, uint64_t *ns)
{
	static const uint32_t scale[10] = {1000000000, 100000000, 10000000, 1000000, 100000,
	                                   10000,      1000,      100,      10,      1};
	unsigned n = 0;
	uint64_t v = 0;

	for (; p + n < end && val(p[n]) <= 9; n++) {
		if (n == 9)
			return 10;
		v = v * 10 + val(p[n]);
	}
	*ns = v * scale[n];
	return n;
}

static const char outside[] = "outside the years 1677 to 2262";

const char *tr_when_parse(struct tr_slice s, int64_t *epoch_ns, struct tr_when_form *form)
{
	enum { SECONDS_LEN = 19 };
	const char *p = s.p, *end;
	unsigned bad = 0, year, month, day, hour, minute, second, digits = 0;
	uint64_t fraction = 0;
	int32_t zone_s = 0;
	int64_t seconds;
	__int128 ns;

	if (s.n < SECONDS_LEN)
		return s.n == 0 ? "empty" : "not YYYY-MM-DD hh:mm:ss";
	end = p + s.n;
	year = two(p, &bad) * 100 + two(p + 2, &bad);
	month = two(p + 5, &bad);
	day = two(p + 8, &bad);
	hour = two(p + 11, &bad);
	minute = two(p + 14, &bad);
	second = two(p + 17, &bad);
	if (bad || p[4] != '-' || p[7] != '-' || (p[10] != ' ' && p[10] != 'T') || p[13] != ':' ||
	    p[16] != ':')
		return "not YYYY-MM-DD hh:mm:ss";
	if (year < 1677 || year > 2262)
		return outside;
	if (month < 1 || month > 12)
		return "no such month";
	if (day < 1 || day > month_days(year, month))
		return "no such day";
	if (hour > 23)
		return "no such hour";
	if (minute > 59)
		return "no such minute";
	if (second > 59)
		return "no such second";
	p += SECONDS_LEN;
	if (p < end && *p == '.') {
		digits = parse_fraction(++p, end, &fraction);
		if (digits == 0)
			return "no digit after the point";
		if (digits > 9)
			return "more than nine digits after the point";
		p += digits;
	}
	if (p < end && !parse_zone(p, (size_t)(end - p), &zone_s))
		return "not a zone (Z, +hh, +hhmm or +hh:mm)";
	seconds = days_from_civil(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - zone_s;
	ns = (__int128)seconds * SECOND_NS + (int64_t)fraction;
	if (ns != (int64_t)ns)
		return outside;
	*epoch_ns = (int64_t)ns;
	if (form) {
		form->sep = s.p[10];
		form->digits = (int)digits;
		for (size_t i = 0; i < sizeof(form->zone); i++) /* at most 6 bytes: cheaper than a call */
			form->zone[i] = p + i < end ? p[i] : 0;
		form->zone_s = zone_s;
	}
	return NULL;
}

static char *put(char *p, unsigned v, int digits)
{
	for (int i = digits - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + digits;
}

size_t tr_when_print(int64_t epoch_ns, const struct tr_when_form *form, char *out, size_t size)
{
	int64_t seconds = epoch_ns / SECOND_NS, fraction = epoch_ns % SECOND_NS, days, of_day;
	unsigned year, month, day;
	char nine[9], text[48], *p = text;
	size_t zone = strnlen(form->zone, sizeof(form->zone) - 1), n;

	if (fraction < 0) {
		fraction += SECOND_NS;
		seconds--;
	}
	seconds += form->zone_s;
	days = seconds / DAY_S;
	of_day = seconds % DAY_S;
	if (of_day < 0) {
		of_day += DAY_S;
		days--;
	}
	civil_from_days(days, &year, &month, &day);
	p = put(p, year, 4);
	*p++ = '-';
	p = put(p, month, 2);
	*p++ = '-';
	p = put(p, day, 2);
	*p++ = form->sep;
	p = put(p, (unsigned)(of_day / 3600), 2);
	*p++ = ':';
	p = put(p, (unsigned)(of_day / 60 % 60), 2);
	*p++ = ':';
	p = put(p, (unsigned)(of_day % 60), 2);
	if (form->digits > 0) {
		n = form->digits < 9 ? (size_t)form->digits : 9;
		put(nine, (unsigned)fraction, 9);
		*p++ = '.';
		memcpy(p, nine, n);
		p += n;
	}
	memcpy(p, form->zone, zone);
	n = (size_t)(p - text) + zone;
	if (size == 0)
		return 0;
	if (n > size - 1)
		n = size - 1;
	memcpy(out, text, n);
	out[n] = 0;
	return n;
}
