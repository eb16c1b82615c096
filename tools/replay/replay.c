/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/replay/replay.h"

#include "libtrace/clock.h"
#include "tools/replay/ask.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { WARM_AT_ONCE = 16, POLL_MS = 100 };
static const int64_t LEAD_NS = 50000000;      /* from the first jobs at hand to time zero */
static const int64_t PATIENCE_NS = 200000000; /* a slow input: begin with what there is */

struct session {
	struct replay_opts *o;
	struct feed *feed;
	struct tr_writer *w;
	struct sink *sink;
	struct run *run;
	struct tr_buf model;
	struct probe probe;
	uint64_t warm_ok, warm_failed;
	int64_t zero_mono, zero_wall;
	int64_t boot_offset; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC at time zero */
	int begun;
	int queued; /* the input has been waiting for the queues, not they for it */
	int status; /* of an input that ended badly */
};

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- before ------------------------------------------------------------------------------ */

/* Every stream in flight needs a descriptor. */
static void raise_descriptors(const struct session *s)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	if (s->o->run.max_inflight && l.rlim_cur != RLIM_INFINITY && s->o->run.max_inflight + 64 > l.rlim_cur)
		cli_warn(s->o->tool, "--max-inflight %u, but only %llu descriptors are allowed (ulimit -n)",
		         s->o->run.max_inflight, (unsigned long long)l.rlim_cur);
}

static int meet_server(struct session *s, struct tr_err *err)
{
	struct run_opts *r = &s->o->run;
	int rc = ask_ready(&r->transport, s->o->wait_ready_ns, err);

	if (rc == 0 && !cli_interrupted() && !r->body.model) {
		rc = ask_model(&r->transport, &s->model, err);
		if (rc == 0 && tr_buf_char(&s->model, '\0') < 0)
			rc = tr_fail(err, TR_ENOMEM, "out of memory");
		r->body.model = s->model.p;
	}
	s->probe.fields = r->body.fields;
	if (rc == 0 && s->o->probe && !cli_interrupted()) {
		rc = probe(&r->transport, &r->body, &s->probe, err);
		r->body.fields = s->probe.fields;
		r->body.template_tokens = s->probe.template_tokens;
		if (rc == 0 && s->probe.note[0] && !cli_interrupted())
			cli_warn(s->o->tool, "%s", s->probe.note);
	}
	return cli_interrupted() ? 0 : rc;
}

/* --- the output -------------------------------------------------------------------------- */

static void add_fields(cJSON *o, unsigned fields)
{
	cJSON *list = cJSON_AddArrayToObject(o, "fields");

	for (unsigned f = 0; f < BODY_FIELDS; f++)
		if (fields & 1u << f)
			cJSON_AddItemToArray(list, cJSON_CreateString(body_field_name(f)));
}

/* What somebody needs to know to do it again. */
static char *describe(const struct session *s)
{
	const struct run_opts *r = &s->o->run;
	cJSON *o = cJSON_CreateObject();
	char nonce[32];

	snprintf(nonce, sizeof(nonce), "%016llx", (unsigned long long)r->body.content.nonce);
	cJSON_AddStringToObject(o, "url", s->o->shown_url);
	cJSON_AddStringToObject(o, "api", r->body.api == BODY_CHAT ? "chat" : "completions");
	cJSON_AddStringToObject(o, "model", r->body.model ? r->body.model : "");
	cJSON_AddBoolToObject(o, "stream", r->body.stream);
	cJSON_AddNumberToObject(o, "threads", r->threads);
	cJSON_AddNumberToObject(o, "max_inflight", r->max_inflight);
	cJSON_AddStringToObject(o, "session", r->closed ? "closed" : "open");
	cJSON_AddStringToObject(o, "history", r->live ? "live" : "recorded");
	cJSON_AddNumberToObject(o, "timeout_s", (double)r->timeout_ns / 1e9);
	cJSON_AddStringToObject(o, "nonce", r->body.content.has_nonce ? nonce : "off");
	cJSON_AddNumberToObject(o, "template_tokens", (double)r->body.template_tokens);
	cJSON_AddBoolToObject(o, "probed", s->probe.answered);
	add_fields(o, r->body.fields);
	char *text = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	return text;
}

/* Earlier steps of the trace, then the one that made it. */
static int history(struct tr_head *h, const struct tr_head *from, struct tr_err *err)
{
	struct tr_buf b;
	int rc = tr_head_copy(h, from, err);

	if (rc < 0 || !h->tool || h->nhistory == TR_HISTORY_MAX)
		return rc;
	tr_buf_init(&b, TR_META_MAX);
	rc = tr_buf_printf(&b, "%s%s%s", h->tool, h->options && *h->options ? " " : "",
	                   h->options ? h->options : "");
	rc = rc ? tr_fail(err, TR_ENOMEM, "out of memory for the header")
	        : tr_meta_set(&h->history[h->nhistory], b.p, err);
	h->nhistory += rc == 0;
	tr_buf_free(&b);
	return rc;
}

static int create(struct session *s, struct tr_err *err)
{
	struct tr_head h = {0};
	struct tr_write_opts write = {.warn = cli_on_warning,
	                              .warn_ctx = (void *)(uintptr_t)s->o->tool,
	                              .in_place = 1,
	                              .force = s->o->force};
	char version[64], *notes = describe(s);
	int rc = history(&h, tr_reader_head(s->feed->r), err);

	snprintf(version, sizeof(version), "%s %s", s->o->tool->name, cli_version);
	rc = rc < 0 ? rc : tr_meta_set(&h.tool, version, err);
	rc = rc < 0 ? rc : tr_meta_set(&h.options, s->o->args->line, err);
	rc = rc < 0 ? rc : tr_meta_set(&h.order, "completion", err);
	rc = rc < 0 ? rc : tr_meta_set(&h.notes, notes, err);
	rc = rc < 0 ? rc : tr_meta_set(&h.format, NULL, err);
	rc = rc < 0 ? rc : tr_meta_set(&h.style, NULL, err);
	h.has_seed = 1;
	h.seed = s->o->run.body.content.seed;
	rc = rc < 0 ? rc : tr_create(&s->w, s->o->path, s->o->format, &h, &write, err);
	cJSON_free(notes);
	tr_head_free(&h);
	return rc;
}

static struct tr_event event(const struct session *s, const char *kind, const char *text, const char *data)
{
	struct tr_event e = {.mask = 1u << TR_E_t_ns | 1u << TR_E_kind | 1u << TR_E_text | 1u << TR_E_data,
	                     .t_ns = s->begun ? tr_mono_ns() - s->zero_mono : 0,
	                     .kind = tr_slice_of(kind),
	                     .text = tr_slice_of(text),
	                     .data = tr_slice_of(data)};

	return e;
}

/* Into the stream, between the results. */
static void note(struct session *s, const char *text, const char *data)
{
	struct tr_event e = event(s, "note", text, data);
	struct tr_block *b = NULL;

	if (tr_block_new(&b, TR_EVENT, NULL) == 0 && tr_block_add(b, &e, NULL) == 0)
		sink_put(s->sink, b);
	else
		tr_block_unref(b);
}

/* --- sending ----------------------------------------------------------------------------- */

static int warm_up(struct session *s, struct tr_err *err)
{
	const struct run_opts *r = &s->o->run;
	unsigned n = (unsigned)s->o->warmup;
	unsigned at_once = r->max_inflight && r->max_inflight < WARM_AT_ONCE ? r->max_inflight : WARM_AT_ONCE;
	struct tr_rec *recs = calloc(n ? n : 1, sizeof(*recs));
	int rc = 0;

	if (!recs)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	/* The lengths of the field's usual defaults: what matters is that every part of the server has run.
	 */
	for (unsigned i = 0; i < n; i++) {
		TR_SET(&recs[i], in_tokens, 512);
		TR_SET(&recs[i], out_tokens, 16);
	}
	if (n)
		rc =
		    run_warm_up(s->run, recs, n, at_once, &s->warm_ok, &s->warm_failed, cli_interrupted, err);
	free(recs);
	if (rc == 0 && s->warm_failed)
		cli_warn(s->o->tool, "%llu of %u warm-up requests failed", (unsigned long long)s->warm_failed,
		         n);
	return rc;
}

static void begin(struct session *s)
{
	cJSON *o = cJSON_CreateObject();
	char mono[32], wall[32];

	s->zero_mono = tr_mono_ns() + LEAD_NS;
	s->zero_wall = tr_wall_ns() + LEAD_NS;
	s->boot_offset = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);
	s->begun = 1;
	run_begin(s->run, s->zero_mono);
	snprintf(mono, sizeof(mono), "%lld", (long long)s->zero_mono);
	snprintf(wall, sizeof(wall), "%lld", (long long)s->zero_wall);
	cJSON_AddRawToObject(o, "mono_ns", mono);
	cJSON_AddRawToObject(o, "wall_ns", wall);
	char *data = cJSON_PrintUnformatted(o);
	note(s, "time zero", data ? data : "{}");
	cJSON_free(data);
	cJSON_Delete(o);
}

/* 1 = go on; 0 = stop sending, the run is being ended. */
static int look_around(struct session *s, int *stopped)
{
	if (*stopped)
		return 0;
	if (sink_failed(s->sink)) {
		run_stop(s->run, 0);
		*stopped = 1;
	} else if (cli_interrupted()) {
		run_stop(s->run, -1);
		*stopped = 1;
	}
	cli_progress(s->o->tool, s->o->args, run_finished(s->run));
	return !*stopped;
}

/* A run that has failed says why at its end. */
static void push(struct session *s, struct job *j, int *stopped)
{
	int rc = 1;

	if (s->queued && run_starved(s->run, j))
		s->queued = 0;
	j->late_input = s->begun && !j->follows && !s->queued && s->zero_mono + j->due_ns < tr_mono_ns();
	while (rc > 0 && look_around(s, stopped)) {
		rc = run_push(s->run, j, s->queued ? POLL_MS : 0, NULL);
		s->queued |= rc > 0;
		if (rc > 0 && !s->begun) /* the queues are full: it can begin */
			begin(s);
	}
	*stopped |= rc < 0;
	if (rc)
		job_free(j);
}

static int feed_all(struct session *s, int *stopped, struct tr_err *err)
{
	int64_t since = tr_mono_ns();
	struct job *j;
	int rc = 1;

	while (rc > 0 && look_around(s, stopped)) {
		rc = feed_next(s->feed, &j, err);
		if (!s->begun && s->feed->jobs && (rc != 1 || tr_mono_ns() - since > PATIENCE_NS))
			begin(s);
		if (rc == 1)
			push(s, j, stopped);
		else
			s->queued = 0;
	}
	return rc < 0 ? rc : 0;
}

/* What came before an input ended badly is sent, and the exit status tells. */
static void send_all(struct session *s, struct tr_err *err)
{
	int stopped = 0, rc = feed_all(s, &stopped, err);

	if (rc < 0)
		s->status = cli_fail(s->o->tool, err);
	if (!s->begun)
		begin(s);
	run_input_ended(s->run);
	while (!run_wait(s->run, POLL_MS))
		look_around(s, &stopped);
	cli_progress_done(s->o->args);
}

/* --- after ------------------------------------------------------------------------------- */

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static char *client_facts(const struct session *s, const struct run_stats *st, uint64_t spilled,
                          int64_t behind)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, "lateness_p50_ms", run_rank_ms(st->lateness, 0.5));
	cJSON_AddNumberToObject(o, "lateness_p99_ms", run_rank_ms(st->lateness, 0.99));
	cJSON_AddNumberToObject(o, "lateness_max_ms", ms((uint64_t)st->latest));
	cJSON_AddNumberToObject(o, "loop_p99_ms", run_rank_ms(st->stalls, 0.99));
	cJSON_AddNumberToObject(o, "loop_max_ms", run_rank_ms(st->stalls, 1));
	cJSON_AddNumberToObject(o, "cpu_load", st->load);
	cJSON_AddNumberToObject(o, "spin_s", (double)st->spin_ns / 1e9);
	cJSON_AddNumberToObject(o, "connections", (double)st->connections);
	cJSON_AddNumberToObject(o, "held", (double)st->held);
	cJSON_AddNumberToObject(o, "late", (double)st->late);
	cJSON_AddNumberToObject(o, "late_input", (double)st->late_input);
	cJSON_AddNumberToObject(o, "unsorted", (double)st->unsorted);
	cJSON_AddNumberToObject(o, "raised_lengths", (double)st->raised);
	cJSON_AddNumberToObject(o, "no_done", (double)st->no_done);
	cJSON_AddNumberToObject(o, "after_done", (double)st->after_done);
	cJSON_AddNumberToObject(o, "stripped", (double)st->stripped);
	cJSON_AddNumberToObject(o, "spilled_bytes", (double)spilled);
	cJSON_AddNumberToObject(o, "output_behind_ms", ms((uint64_t)behind));
	cJSON_AddNumberToObject(o, "warmup_ok", (double)s->warm_ok);
	cJSON_AddNumberToObject(o, "warmup_failed", (double)s->warm_failed);
	cJSON_AddNumberToObject(o, "clock_step_ms",
	                        (double)(tr_wall_ns() - tr_mono_ns() - (s->zero_wall - s->zero_mono)) / 1e6);
	char *text = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	return text;
}

static void print_failures(const struct session *s, const struct run_stats *st)
{
	for (unsigned i = OUT_OK + 1; i < OUTCOME_COUNT; i++)
		if (st->by[i])
			cli_warn(s->o->tool, "%llu %s: %s%s%s", (unsigned long long)st->by[i],
			         outcome_name(i), outcome_text(i), st->sample[i][0] ? "; the first: " : "",
			         st->sample[i]);
}

static void print_verdict(const struct session *s, const struct run_stats *st, enum verdict v,
                          const char *reasons, uint64_t unsent)
{
	if (s->o->args->quiet && v == VERDICT_VALID)
		return;
	print_failures(s, st);
	if (st->after_done)
		cli_warn(s->o->tool, "%llu streams went on after [DONE]", (unsigned long long)st->after_done);
	if (st->raised * 100 > st->offered)
		cli_warn(s->o->tool,
		         "%llu requests are longer than in the trace: a length of 0, or a prompt below the "
		         "template's %llu tokens",
		         (unsigned long long)st->raised, (unsigned long long)s->o->run.body.template_tokens);
	if (unsent)
		cli_warn(s->o->tool, "stopped: %llu requests taken from the trace were not sent",
		         (unsigned long long)unsent);
	char late[96] = "";
	if (st->sent)
		snprintf(late, sizeof(late), "; late p50 %.3g ms, p99 %.3g ms, max %.3g ms",
		         run_rank_ms(st->lateness, 0.5), run_rank_ms(st->lateness, 0.99),
		         ms((uint64_t)st->latest));
	cli_warn(s->o->tool, "%s%s%s: %llu requests, %llu ok%s", verdict_name(v), *reasons ? ": " : "",
	         reasons, (unsigned long long)st->offered, (unsigned long long)st->ok, late);
}

static int write_tail(struct session *s, enum verdict v, const char *reasons, struct tr_err *err)
{
	int interrupted = cli_interrupted() || s->status;
	struct tr_tail *t = tr_writer_tail(s->w);
	int rc = s->feed->ended ? tr_tail_copy_facts(t, tr_reader_tail(s->feed->r), err) : 0;

	rc = rc < 0 ? rc : tr_meta_set(&t->style, NULL, err);
	if (rc == 0 && s->o->tokenizer) {
		rc = tr_meta_set(&t->tokenizer, tr_tokenizer_name(s->o->tokenizer), err);
		rc = rc < 0 ? rc
		            : tr_meta_set(&t->tokenizer_sha256, tr_tokenizer_sha256(s->o->tokenizer), err);
	}
	rc = rc < 0 ? rc : tr_meta_set(&t->verdict, verdict_name(v), err);
	rc = rc < 0 ? rc : tr_meta_set(&t->reasons, *reasons ? reasons : NULL, err);
	return rc < 0 ? rc : tr_meta_set(&t->state, interrupted ? "interrupted" : "complete", err);
}

/* The sink has given the writer back. */
static int write_end(struct session *s, const struct verdict_facts *f, enum verdict v, const char *reasons,
                     int64_t behind, struct tr_err *err)
{
	char *facts = client_facts(s, f->stats, f->spilled, behind);
	struct tr_event e = event(s, "note", "client", facts ? facts : "{}");
	int rc = tr_writer_put_event(s->w, &e, err);

	cJSON_free(facts);
	if (rc == 0 && v != VERDICT_VALID) {
		e = event(s, "warning", reasons, "{}");
		rc = tr_writer_put_event(s->w, &e, err);
	}
	rc = rc < 0 ? rc : write_tail(s, v, reasons, err);
	if (rc < 0)
		tr_writer_abort(s->w);
	else
		rc = tr_writer_finish(s->w, err);
	s->w = NULL;
	return rc;
}

/* The threads are done: what they saw, the verdict, the trailer. Exit status. */
static int conclude(struct session *s)
{
	struct run_stats st;
	struct verdict_facts f = {
	    .stats = &st, .opts = &s->o->run, .roofline_per_s = s->o->roofline, .missed = s->feed->missed};
	struct tr_buf reasons;
	struct tr_err err;
	uint64_t unsent = 0;
	int64_t behind = 0;

	tr_err_clear(&err);
	f.suspended_ns = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC) - s->boot_offset;
	if (run_end(s->run, &st, &unsent, &err) < 0) {
		if (err.code == TR_EDATA)
			tr_err_file(&err, tr_reader_name(s->feed->r));
		s->status = cli_fail(s->o->tool, &err);
	}
	int rc = sink_end(s->sink, &f.spilled, &behind, &err);
	tr_buf_init(&reasons, 1 << 16);
	enum verdict v = verdict_of(&f, &reasons);
	if (rc == 0 && tr_buf_char(&reasons, '\0') < 0)
		rc = tr_fail(&err, TR_ENOMEM, "out of memory");
	if (rc < 0)
		tr_writer_abort(s->w);
	else
		rc = write_end(s, &f, v, reasons.p, behind, &err);
	if (reasons.p)
		print_verdict(s, &st, v, reasons.p, unsent);
	run_stats_free(&st);
	tr_buf_free(&reasons);
	if (rc < 0)
		return cli_fail(s->o->tool, &err);
	if (cli_interrupted())
		return 128 + cli_interrupted();
	return s->status ? s->status : v == VERDICT_VOID ? 4 : 0;
}

static int prepare(struct session *s, struct tr_err *err)
{
	int rc = meet_server(s, err);

	if (rc < 0 || cli_interrupted())
		return rc;
	rc = create(s, err);
	if (rc == 0 && (rc = sink_start(&s->sink, s->w, SINK_MEMORY, err)) == 0) {
		rc = run_new(&s->run, &s->o->run, s->sink, err);
		if (rc == 0)
			rc = warm_up(s, err);
	}
	return rc;
}

int replay(struct replay_opts *o, struct feed *feed)
{
	struct session s = {.o = o, .feed = feed};
	struct tr_err err;

	tr_err_clear(&err);
	tr_buf_init(&s.model, 4096);
	raise_descriptors(&s);
	int rc = prepare(&s, &err);
	int status;
	if (rc < 0 || !s.run) {
		status = rc < 0 ? cli_fail(o->tool, &err) : 128 + cli_interrupted();
		if (s.run) {
			struct run_stats st;
			uint64_t unsent;
			run_stop(s.run, 0);
			run_end(s.run, &st, &unsent, NULL);
			run_stats_free(&st);
		}
		if (s.sink)
			sink_end(s.sink, &(uint64_t){0}, &(int64_t){0}, NULL);
		tr_writer_abort(s.w);
	} else {
		send_all(&s, &err);
		status = conclude(&s);
	}
	tr_buf_free(&s.model);
	return status;
}
