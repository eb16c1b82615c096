/* SPDX-License-Identifier: Apache-2.0
 *
 * What a tool says while it works and when it ends: messages, exit status, signals, progress.
 */
#include "tools/cli_impl.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int64_t PROGRESS_EVERY_NS = 250000000;

static struct {
	int64_t start, last; /* monotonic, ns; 0 = not yet */
	int shown;
} progress;

static volatile sig_atomic_t interrupted;

/* --- messages ---------------------------------------------------------------------------- */

static void clear_progress(void)
{
	if (progress.shown)
		fputs("\r\033[K", stderr);
	progress.shown = 0;
}

void cli_say(const struct cli_tool *tool, const char *text)
{
	char line[CLI_LINE];
	snprintf(line, sizeof line, "%s", text);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	clear_progress();
	fprintf(stderr, "%s: %s\n", tool->name, line);
}

void cli_warn(const struct cli_tool *tool, const char *fmt, ...)
{
	char text[CLI_LINE];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	cli_say(tool, text);
}

void cli_warn_err(const struct cli_tool *tool, const struct tr_err *err)
{
	char text[CLI_LINE];
	cli_say(tool, tr_err_format(err, text, sizeof text));
}

void cli_on_warning(void *ctx, const struct tr_err *err)
{
	cli_warn_err(ctx, err);
}

/* --- ending ------------------------------------------------------------------------------ */

/* The way of every filter: the shell sees the signal, nobody reads a message. */
static int die_of_sigpipe(void)
{
	sigset_t set;
	clear_progress();
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
	return tr_code_exit(TR_EPIPE);
}

int cli_bad_option(struct tr_err *err, const char *option, const char *value, const char *why)
{
	tr_fail(err, TR_EUSAGE, "%s", why);
	tr_err_field(err, option, strlen(option));
	if (value)
		tr_err_value(err, value, strlen(value));
	return -TR_EUSAGE;
}

int cli_fail(const struct cli_tool *tool, const struct tr_err *err)
{
	if (err->code == TR_EPIPE)
		return die_of_sigpipe();
	cli_warn_err(tool, err);
	return tr_code_exit(err->code);
}

int cli_close_stdout(const struct cli_tool *tool, int status)
{
	struct tr_err err;
	int failed = fflush(stdout) != 0 || ferror(stdout);
	int why = errno;
	/* After a flush only the close itself can fail. EBADF: the stream of records has closed the
	 * descriptor already. */
	if (fclose(stdout) != 0 && !failed && errno != EBADF) {
		failed = 1;
		why = errno;
	}
	if (!failed)
		return status;
	if (why == EPIPE)
		return die_of_sigpipe();
	errno = why;
	tr_fail_errno(&err, "cannot write standard output");
	cli_warn_err(tool, &err);
	/* A status that says what the output would have said gives way. */
	return status == 0 || status == 4 ? tr_code_exit(TR_EIO) : status;
}

/* --- signals ----------------------------------------------------------------------------- */

/* A signal that was ignored when the tool started (nohup, a background job) stays ignored. */
static void catch (int sig, const struct sigaction *action)
{
	struct sigaction old;
	if (sigaction(sig, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(sig, action, NULL);
}

static void on_first(int sig)
{
	interrupted = sig;
	/* The second one, of whichever kind, kills. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
}

static void on_ignored(int sig)
{
	(void)sig;
}

void cli_catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_first};
	sigemptyset(&action.sa_mask);
	catch (SIGINT, &action);
	catch (SIGTERM, &action);
	catch (SIGHUP, &action);
}

void cli_ignore_first_interrupt(void)
{
	struct sigaction action = {.sa_handler = on_ignored, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
	sigemptyset(&action.sa_mask);
	catch (SIGINT, &action);
}

int cli_interrupted(void)
{
	return interrupted;
}

/* --- progress ---------------------------------------------------------------------------- */

/* 1234567 -> "1.2 M" */
static const char *short_number(double v, char *out, size_t size)
{
	static const char *const unit[] = {"", " k", " M", " G", " T", " P"};
	size_t i = 0;
	for (; v >= 999.5 && i < sizeof unit / sizeof *unit - 1; i++)
		v /= 1000;
	snprintf(out, size, i && v < 9.95 ? "%.1f%s" : "%.0f%s", v, unit[i]);
	return out;
}

void cli_progress(const struct cli_tool *tool, const struct cli_args *args, uint64_t records)
{
	struct timespec ts;
	char n[16], rate[16];
	if (!args->progress)
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	int64_t now = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	if (!progress.start)
		progress.start = progress.last = now;
	if (now - progress.last < PROGRESS_EVERY_NS)
		return;
	progress.last = now;
	double seconds = (double)(now - progress.start) / 1e9;
	fprintf(stderr, "\r%s: %s records, %s/s\033[K", tool->name,
	        short_number((double)records, n, sizeof n),
	        short_number((double)records / seconds, rate, sizeof rate));
	progress.shown = 1;
}

void cli_progress_done(const struct cli_args *args)
{
	(void)args;
	clear_progress();
}
