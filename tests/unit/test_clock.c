/* SPDX-License-Identifier: Apache-2.0
 *
 * The clocks: what they promise whatever the machine's load is. No bound on how late, none can be kept here.
 */
#include "libtrace/clock.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#define MS INT64_C(1000000)

static void test_virtual(void **state)
{
	struct tr_clock c;

	(void)state;
	tr_clock_virtual(&c, 100);
	assert_true(c.now(&c) == 100);
	assert_true(c.now(&c) == 100); /* stands still */
	assert_true(c.wait_until(&c, 250) == 250 && c.now(&c) == 250);
	assert_true(c.wait_until(&c, 200) == 250); /* never back */
	c.virtual_ns = INT64_MAX - 1;
	assert_true(c.wait_until(&c, INT64_MAX) == INT64_MAX);
	tr_clock_virtual(&c, INT64_MIN);
	assert_true(c.wait_until(&c, -5) == -5);
}

static void never_early(struct tr_clock *c)
{
	int64_t last = c->now(c);

	for (int i = 0; i < 20; i++) {
		int64_t until = last + i * MS / 20, after = c->wait_until(c, until);

		assert_true(after >= until && after >= last);
		last = c->now(c);
		assert_true(last >= after);
	}
	assert_true(c->wait_until(c, last - 1) >= last); /* past: at once */
	assert_true(c->wait_until(c, 0) >= last);
	assert_true(c->wait_until(c, INT64_MIN) >= last);
}

static void test_monotonic(void **state)
{
	struct tr_clock c;
	int64_t before = tr_mono_ns();

	(void)state;
	tr_clock_monotonic(&c);
	assert_true(before > 0 && c.now(&c) >= before);
	never_early(&c);
}

static void test_spinning(void **state)
{
	static const int64_t spins[] = {0, 1, 100000, INT64_MAX};
	struct tr_clock c;

	(void)state;
	for (size_t i = 0; i < sizeof(spins) / sizeof(*spins); i++) {
		tr_clock_spinning(&c, spins[i]);
		never_early(&c);
	}
}

static void test_wall(void **state)
{
	(void)state;
	assert_true(tr_wall_ns() > INT64_C(1700000000) * 1000 * MS); /* after November 2023 */
}

static volatile sig_atomic_t handled;

static void on_signal(int sig)
{
	(void)sig;
	handled = 1;
}

/* A wait of an hour ends when a handler ran. The signal comes again and again: the first may be too early. */
static void ends_early(struct tr_clock *c)
{
	const struct timespec ms = {0, MS};
	struct sigaction action = {.sa_handler = on_signal};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec every = {.it_interval = ms, .it_value = ms};
	int64_t hour = c->now(c) + 3600 * 1000 * MS;
	timer_t timer;

	sigemptyset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	handled = 0;
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
	assert_true(c->wait_until(c, hour) < hour);
	timer_delete(timer);
	assert_int_equal(handled, 1);
	/* The handler stays: a last signal may still be on its way. */
}

static void test_interrupted(void **state)
{
	struct tr_clock c;

	(void)state;
	tr_clock_monotonic(&c);
	ends_early(&c);
	tr_clock_spinning(&c, 50000);
	ends_early(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_virtual),     cmocka_unit_test(test_monotonic),
	    cmocka_unit_test(test_spinning),    cmocka_unit_test(test_wall),
	    cmocka_unit_test(test_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
