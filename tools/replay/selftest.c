/* SPDX-License-Identifier: Apache-2.0
 *
 * What this client reaches on this machine: as fast as it can against the simulated server's shortest
 * replies, and its punctuality at a modest rate. Client and server share the machine, so the figures are
 * floors.
 */
#include "tools/replay/replay.h"

#include "libtrace/clock.h"
#include "tools/report.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS = 16, WORDS = 16, PORT_LINE = 256 };
static const int64_t MEASURE_NS = 2000000000;
static const uint64_t PACED_PER_S = 1000;

/* --- the server -------------------------------------------------------------------------- */

struct mock {
	pid_t pid;
	int out; /* its standard output; it ends with us */
	char url[64];
};

/* The one that stands beside this program, else the one on the path. */
static void exec_mock(void)
{
	static const char name[] = "trace-mock";
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(name));
	char *args[] = {(char[]){"trace-mock"},
	                (char[]){"--instant"},
	                (char[]){"--port"},
	                (char[]){"0"},
	                (char[]){"--duration"},
	                (char[]){"120s"},
	                NULL};

	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n > 0) {
		memcpy(path + n, name, sizeof(name));
		execv(path, args);
	}
	execvp(name, args);
	_exit(127);
}

static int read_url(struct mock *m)
{
	char line[PORT_LINE];
	size_t n = 0;

	while (n < sizeof(line) - 1) {
		ssize_t k = read(m->out, line + n, 1);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		if (line[n++] == '\n')
			break;
	}
	line[n ? n - 1 : 0] = '\0';
	const char *url = strstr(line, "http://");
	if (!url)
		return -1;
	snprintf(m->url, sizeof(m->url), "%s", url);
	return 0;
}

static int start_mock(struct mock *m, struct tr_err *err)
{
	int fds[2];

	if (pipe(fds) < 0)
		return tr_fail_errno(err, "cannot make a pipe");
	m->pid = fork();
	if (m->pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		exec_mock();
	}
	close(fds[1]);
	m->out = fds[0];
	if (m->pid < 0)
		return tr_fail_errno(err, "cannot start trace-mock");
	if (read_url(m) < 0)
		return tr_fail(
		    err, TR_EIO,
		    "trace-mock does not start; it is looked for beside this program and on the PATH");
	return 0;
}

static void stop_mock(struct mock *m)
{
	if (m->pid > 0) {
		kill(m->pid, SIGTERM);
		while (waitpid(m->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (m->out > 0)
		close(m->out);
}

/* --- measuring --------------------------------------------------------------------------- */

static struct job *job(uint64_t seq, int64_t due_ns)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	TR_SET(&j->rec, id, seq);
	TR_SET(&j->rec, in_tokens, WORDS);
	TR_SET(&j->rec, out_tokens, EVENTS);
	j->seq = seq;
	j->due_ns = due_ns;
	return j;
}

/* per_s 0: as fast as --max-inflight allows. */
static int measure(const struct run_opts *o, uint64_t per_s, struct run_stats *s, struct tr_err *err)
{
	struct run *r;
	uint64_t unsent;
	int64_t zero, last = 0;
	int rc = run_new(&r, o, NULL, err), pushed = 0;

	if (rc < 0)
		return rc;
	zero = tr_mono_ns() + 20000000;
	run_begin(r, zero);
	for (uint64_t i = 0; !cli_interrupted() && rc == 0; i += pushed == 0) {
		struct job *j;
		last = per_s ? (int64_t)(i * 1000000000 / per_s) : 0;
		if ((per_s ? last : tr_mono_ns() - zero) > MEASURE_NS)
			break;
		j = job(i, last);
		if (!j)
			break;
		pushed = run_push(r, j, 100, err);
		if (pushed)
			job_free(j);
		rc = pushed < 0 ? pushed : 0;
	}
	run_input_ended(r);
	while (!run_wait(r, 1000))
		if (cli_interrupted())
			run_stop(r, 0);
	int e = run_end(r, s, &unsent, err);
	return rc < 0 ? rc : e;
}

enum { FAST = 2 };
static const unsigned streams[FAST] = {64, 1024};

struct findings {
	struct run_stats fast[FAST], paced;
};

static int find(struct findings *f, struct run_opts *o, struct tr_err *err)
{
	int rc = 0;

	for (int i = 0; i < FAST && rc == 0; i++) {
		o->max_inflight = o->connections = streams[i];
		rc = measure(o, 0, &f->fast[i], err);
	}
	o->max_inflight = 0;
	o->connections = 16;
	return rc < 0 ? rc : measure(o, PACED_PER_S, &f->paced, err);
}

static void print_fast(struct rep_json *j, const struct run_stats *s, unsigned n, unsigned threads)
{
	double span = (double)(s->last_sent - s->first_sent) / 1e9;
	char key[32];

	snprintf(key, sizeof(key), "streams_%u", n);
	rep_open(j, key, '{');
	rep_u64(j, "requests", s->sent);
	rep_u64(j, "failed", s->offered - s->ok);
	rep_num(j, "requests_per_s", (double)s->sent / span);
	rep_num(j, "events_per_s", (double)s->sent * EVENTS / span);
	rep_num(j, "cpu_us_per_request", (double)s->cpu_ns / 1e3 / (double)s->sent * (double)threads);
	rep_close(j, '}');
}

static void print_paced(struct rep_json *j, const struct run_stats *s)
{
	rep_open(j, "paced", '{');
	rep_u64(j, "requests_per_s", PACED_PER_S);
	rep_u64(j, "requests", s->sent);
	rep_u64(j, "failed", s->offered - s->ok);
	rep_num(j, "lateness_p50_us", 1e3 * run_rank_ms(s->lateness, 0.5));
	rep_num(j, "lateness_p99_us", 1e3 * run_rank_ms(s->lateness, 0.99));
	rep_num(j, "lateness_p999_us", 1e3 * run_rank_ms(s->lateness, 0.999));
	rep_num(j, "lateness_max_us", (double)s->latest / 1e3);
	rep_num(j, "cpu_load", s->load);
	rep_close(j, '}');
}

static void print(const struct findings *f, unsigned threads)
{
	struct rep_json j = {0};

	rep_open(&j, NULL, '{');
	rep_cstr(&j, "schema", "trace-selftest/1");
	rep_cstr(&j, "version", cli_version);
	rep_u64(&j, "threads", threads);
	rep_u64(&j, "events_per_reply", EVENTS);
	for (int i = 0; i < FAST; i++)
		print_fast(&j, &f->fast[i], streams[i], threads);
	print_paced(&j, &f->paced);
	rep_close(&j, '}');
}

int self_test(const struct cli_tool *tool, unsigned threads)
{
	struct mock m = {0};
	struct tr_err err;
	struct findings f = {0};
	struct run_opts o = {
	    .threads = threads,
	    .timeout_ns = 10000000000,
	    .grace_ns = 10000000000,
	    .late_ns = 10000000,
	    .body = {.api = BODY_COMPLETIONS,
	             .prompt = BODY_WORDS,
	             .model = "mock",
	             .stream = 1,
	             .fields = 1u << BODY_MAX_TOKENS | 1u << BODY_IGNORE_EOS | 1u << BODY_USAGE,
	             .content = {.seed = 1}},
	    .transport = {.connect_timeout_ns = 10000000000, .idle_ns = 4000000000, .max_connections = 4096}};

	tr_err_clear(&err);
	int rc = start_mock(&m, &err);
	o.transport.url = m.url;
	rc = rc ? rc : find(&f, &o, &err);
	stop_mock(&m);
	if (rc == 0 && !cli_interrupted())
		print(&f, threads);
	for (int i = 0; i < FAST; i++)
		run_stats_free(&f.fast[i]);
	run_stats_free(&f.paced);
	if (rc < 0)
		return cli_fail(tool, &err);
	return cli_interrupted() ? 128 + cli_interrupted() : 0;
}

/* --- reading it back --------------------------------------------------------------------- */

int self_test_read(const char *path, double *per_s, struct tr_err *err)
{
	char text[16384];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (!f || ferror(f)) {
		int rc = tr_fail_errno(err, "cannot read");
		if (f)
			fclose(f);
		tr_err_file(err, path);
		return rc;
	}
	fclose(f);
	text[n] = '\0';
	cJSON *o = cJSON_Parse(text);
	const cJSON *schema = cJSON_GetObjectItem(o, "schema");
	const cJSON *rate = cJSON_GetObjectItem(cJSON_GetObjectItem(o, "streams_1024"), "requests_per_s");
	int good = cJSON_IsString(schema) && strcmp(schema->valuestring, "trace-selftest/1") == 0 &&
	           cJSON_IsNumber(rate);
	if (good)
		*per_s = rate->valuedouble;
	cJSON_Delete(o);
	if (good)
		return 0;
	int rc = tr_fail(err, TR_EDATA, "not what trace-replay --self-test prints");
	tr_err_file(err, path);
	return rc;
}
