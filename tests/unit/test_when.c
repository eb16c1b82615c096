/* SPDX-License-Identifier: Apache-2.0
 *
 * Stamps: known ones, the edges of the range, random ones there and back in every form, and a calendar that
 * counts days one by one as the reference.
 */
#include "libtrace/rng.h"
#include "libtrace/when.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000000)

static struct tr_slice str(const char *s)
{
	return (struct tr_slice){s, strlen(s)};
}

static void test_known(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds, ns;
		char sep;
		int digits;
		const char *zone;
		int zone_s;
	} cases[] = {
	    {"1970-01-01 00:00:00", 0, 0, ' ', 0, "", 0},
	    {"2023-11-16 18:17:03.9799600", 1700158623, 979960000, ' ', 7, "", 0},
	    {"2024-05-12 00:00:00+00:00", 1715472000, 0, ' ', 0, "+00:00", 0},
	    {"2024-10-15T12:00:00.269Z", 1728993600, 269000000, 'T', 3, "Z", 0},
	    {"2024-02-29 23:59:59.999999999", 1709251199, 999999999, ' ', 9, "", 0},
	    {"2000-02-29T00:00:00+0530", 951762600, 0, 'T', 0, "+0530", 19800},
	    {"2000-02-29T00:00:00.5-08", 951811200, 500000000, 'T', 1, "-08", -28800},
	    {"1969-12-31 23:59:59.25", -1, 250000000, ' ', 2, "", 0},
	    {"1677-09-21 00:12:43.145224192", -9223372037, 145224192, ' ', 9, "", 0},
	    {"2262-04-11 23:47:16.854775807", 9223372036, 854775807, ' ', 9, "", 0},
	    {"1677-09-20T23:12:43.145224192-01:00", -9223372037, 145224192, 'T', 9, "-01:00", -3600},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tr_when_form form;
		int64_t ns;
		char text[48];
		const char *why = tr_when_parse(str(cases[i].text), &ns, &form);

		print_message("# \"%s\"\n", cases[i].text);
		assert_null(why);
		assert_true((__int128)ns == (__int128)cases[i].seconds * SECOND + cases[i].ns);
		assert_int_equal(form.sep, cases[i].sep);
		assert_int_equal(form.digits, cases[i].digits);
		assert_string_equal(form.zone, cases[i].zone);
		assert_int_equal(form.zone_s, cases[i].zone_s);
		assert_int_equal(tr_when_print(ns, &form, text, sizeof(text)), strlen(cases[i].text));
		assert_string_equal(text, cases[i].text);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	    {"", "empty"},
	    {"2023-11-16", "not YYYY-MM-DD hh:mm:ss"},
	    {"2023-11-16 18:17:0", "not YYYY-MM-DD hh:mm:ss"},
	    {"2023/11/16 18:17:03", "not YYYY-MM-DD hh:mm:ss"},
	    {"2023-11-16_18:17:03", "not YYYY-MM-DD hh:mm:ss"},
	    {"2023-11-16t18:17:03", "not YYYY-MM-DD hh:mm:ss"},
	    {"2023-11-16 18.17:03", "not YYYY-MM-DD hh:mm:ss"},
	    {" 2023-11-16 18:17:03", "not YYYY-MM-DD hh:mm:ss"},
	    {"2023-1x-16 18:17:03", "not YYYY-MM-DD hh:mm:ss"},
	    {"2023-11-16 18:17:0:", "not YYYY-MM-DD hh:mm:ss"},
	    {"-023-11-16 18:17:03", "not YYYY-MM-DD hh:mm:ss"},
	    {"2023-00-16 18:17:03", "no such month"},
	    {"2023-13-16 18:17:03", "no such month"},
	    {"2023-11-00 18:17:03", "no such day"},
	    {"2023-11-31 18:17:03", "no such day"},
	    {"2023-02-29 18:17:03", "no such day"},
	    {"1900-02-29 18:17:03", "no such day"},
	    {"2100-02-29 18:17:03", "no such day"},
	    {"2024-02-30 18:17:03", "no such day"},
	    {"2023-11-16 24:00:00", "no such hour"},
	    {"2023-11-16 18:60:03", "no such minute"},
	    {"2023-11-16 18:17:60", "no such second"},
	    {"2023-11-16 18:17:03.", "no digit after the point"},
	    {"2023-11-16 18:17:03.Z", "no digit after the point"},
	    {"2023-11-16 18:17:03.0123456789", "more than nine digits after the point"},
	    {"2023-11-16 18:17:03,5", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03 ", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03z", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03Z0", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03+", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03+1", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03+100", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03+01:0", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03+01.00", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03+24:00", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03+01:60", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03+01:00x", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"2023-11-16 18:17:03+0a:00", "not a zone (Z, +hh, +hhmm or +hh:mm)"},
	    {"1677-09-21 00:12:43.145224191", "outside the years 1677 to 2262"},
	    {"2262-04-11 23:47:16.854775808", "outside the years 1677 to 2262"},
	    {"2262-04-11 23:47:16.854775807-00:01", "outside the years 1677 to 2262"},
	    {"0000-01-01 00:00:00", "outside the years 1677 to 2262"},
	    {"9999-12-31 23:59:59", "outside the years 1677 to 2262"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tr_when_form form = {'?', 77, "?", 77};
		int64_t ns = 77;
		const char *why = tr_when_parse(str(cases[i].text), &ns, &form);

		print_message("# \"%s\"\n", cases[i].text);
		assert_non_null(why);
		assert_string_equal(why, cases[i].why);
		assert_true(ns == 77 && form.digits == 77 && form.sep == '?');
	}
}

static int month_length(int year, int month)
{
	int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 ? 28 + leap : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* Every day from 1678 to 2261, counted on one by one. 1678-01-01: 292 years before 1970, 70 of them leap. */
static void test_every_day(void **state)
{
	int64_t day = -(292 * 365 + 70), seen_epoch = 0;

	(void)state;
	for (int year = 1678; year <= 2261; year++) {
		for (int month = 1; month <= 12; month++) {
			for (int d = 1; d <= 32; d++) {
				char text[48], back[48];
				struct tr_when_form form;
				int64_t ns;
				const char *why;

				snprintf(text, sizeof(text), "%04d-%02d-%02d 00:00:01", year, month, d);
				why = tr_when_parse(str(text), &ns, &form);
				if (d > month_length(year, month)) {
					assert_string_equal(why, "no such day");
					continue;
				}
				assert_null(why);
				assert_true(ns == (day * 86400 + 1) * SECOND);
				tr_when_print(ns, &form, back, sizeof(back));
				assert_string_equal(back, text);
				seen_epoch += day == 0 && year == 1970 && month == 1 && d == 1;
				day++;
			}
		}
	}
	assert_int_equal(seen_epoch, 1);
}

static void test_round_trip(void **state)
{
	static const char *const zones[] = {"",      "Z",   "+00:00", "-00:00", "+0530",
	                                    "-0930", "+14", "-08",    "-12:00"};
	static const int seconds[] = {0, 0, 0, 0, 19800, -34200, 50400, -28800, -43200};
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "when");
	for (int i = 0; i < 200000; i++) {
		struct tr_when_form form = {0}, again;
		size_t z = (size_t)tr_rng_below(&g, 9), n;
		int64_t ns = (int64_t)tr_rng_u64(&g), back, cut = 1;
		char text[48];

		form.sep = tr_rng_below(&g, 2) ? 'T' : ' ';
		form.digits = (int)tr_rng_below(&g, 10);
		memcpy(form.zone, zones[z], strlen(zones[z]));
		form.zone_s = seconds[z];
		for (int d = form.digits; d < 9; d++)
			cut *= 10;
		if (ns < INT64_MIN + 2 * SECOND)
			continue;
		n = tr_when_print(ns, &form, text, sizeof(text));
		assert_int_equal(n, strlen(text));
		assert_null(tr_when_parse((struct tr_slice){text, n}, &back, &again));
		assert_true(back <= ns && ns - back < cut);
		assert_true(((ns % SECOND + SECOND) % SECOND) / cut ==
		            ((back % SECOND + SECOND) % SECOND) / cut);
		assert_int_equal(again.sep, form.sep);
		assert_int_equal(again.digits, form.digits);
		assert_int_equal(again.zone_s, form.zone_s);
		assert_string_equal(again.zone, form.zone);
	}
}

/* Any one byte changed: refused, or a stamp that prints as what was read. */
static void test_damaged(void **state)
{
	static const char good[] = "2024-10-15T12:00:00.269123456+05:30";
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "damage");
	for (int i = 0; i < 200000; i++) {
		char text[sizeof(good)], back[48];
		struct tr_when_form form;
		int64_t ns;
		size_t n = 1 + (size_t)tr_rng_below(&g, sizeof(good) - 1);

		memcpy(text, good, sizeof(good));
		text[tr_rng_below(&g, n)] = (char)tr_rng_below(&g, 256);
		if (tr_when_parse((struct tr_slice){text, n}, &ns, &form))
			continue;
		assert_int_equal(tr_when_print(ns, &form, back, sizeof(back)), n);
		assert_memory_equal(back, text, n);
	}
}

static void test_small_room(void **state)
{
	struct tr_when_form form = {' ', 0, "", 0};
	char text[8] = "xxxxxxx";

	(void)state;
	assert_int_equal(tr_when_print(0, &form, text, 5), 4);
	assert_string_equal(text, "1970");
	assert_int_equal(text[5], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known),     cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_every_day), cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_damaged),   cmocka_unit_test(test_small_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
