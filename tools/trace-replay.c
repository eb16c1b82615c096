/* SPDX-License-Identifier: Apache-2.0
 *
 * trace-replay: sends the requests of a trace at their moments and writes what came back, a record each.
 */
#include "libtrace/clock.h"
#include "libtrace/rng.h"
#include "tools/cli.h"
#include "tools/replay/dryrun.h"
#include "tools/replay/replay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WARMUP_MAX = 100000, CONNECTIONS = 16, POOL = 65536 };
static const int64_t LONGEST_NS = INT64_C(86400000000000) * 365;
/* uvicorn, under vLLM and SGLang, closes a connection that has rested for 5 s. */
static const int64_t IDLE_NS = 4000000000;
static const int64_t CONNECT_NS = 30000000000;

static struct {
	const char *url, *model, *nonce, *extra, *key_env, *cacert, *proxy, *path, *map, *ids, *roofline;
	const struct tr_format *format, *input_format;
	struct cli_list headers;
	struct tr_ratio speed;
	int64_t start, duration, timeout, grace, wait_ready, late, think;
	uint64_t limit, threads, max_inflight, connections, warmup, seed, skip_bad;
	int api, prompt, force_output, stream, probe, insecure, dry_run, self_test, force, json;
	int closed, live;
	const char *tokenizer;
} opt = {.speed = {1, 1},
         .start = -1,
         .duration = -1,
         .timeout = 600000000000,
         .grace = -1,
         .late = 10000000,
         .threads = 1,
         .connections = CONNECTIONS,
         .seed = UINT64_MAX,
         .stream = 1,
         .probe = 1};

static struct cli_option options[] = {
    {.name = "url",
     .type = CLI_STRING,
     .to = &opt.url,
     .arg = "URL",
     .help = "The server, without the /v1: http://localhost:8000. Required."},
    {.name = "model",
     .letter = 'm',
     .type = CLI_STRING,
     .to = &opt.model,
     .arg = "NAME",
     .help = "Model to ask for, whatever the trace names. Default: the record's; where it has none, the "
             "first that "
             "the server lists."},
    {.name = "api",
     .type = CLI_CHOICE,
     .to = &opt.api,
     .arg = "API",
     .choices = "chat|completions",
     .help = "/v1/chat/completions or /v1/completions. Default: chat."},
    {.name = "speed",
     .type = CLI_RATIO,
     .to = &opt.speed,
     .arg = "X",
     .help = "Replay X times as fast. Default: 1."},
    {.name = "start",
     .type = CLI_DURATION,
     .to = &opt.start,
     .arg = "T",
     .help = "Begin at this time of the trace, before speed. Default: its first request."},
    {.name = "duration",
     .type = CLI_DURATION,
     .to = &opt.duration,
     .arg = "T",
     .help = "Replay so much of the trace's time, before speed. Default: all."},
    {.name = "limit",
     .type = CLI_U64,
     .to = &opt.limit,
     .arg = "N",
     .help = "Send N requests at most; 0: all."},
    {.name = "threads",
     .type = CLI_U64,
     .to = &opt.threads,
     .arg = "N",
     .help = "Sending threads, 64 at most. Default: 1."},
    {.name = "max-inflight",
     .type = CLI_U64,
     .to = &opt.max_inflight,
     .arg = "N",
     .help = "Hold a request back while N are on their way; it is then sent late, and counted. Default: no "
             "limit."},
    {.name = "timeout",
     .type = CLI_DURATION,
     .to = &opt.timeout,
     .arg = "T",
     .help = "Give a request up so long after it was sent. Default: 10m."},
    {.name = "grace",
     .type = CLI_DURATION,
     .to = &opt.grace,
     .arg = "T",
     .help = "Wait so long for replies after the last request, or after Ctrl-C. Default: as --timeout."},
    {.name = "prompt",
     .type = CLI_CHOICE,
     .to = &opt.prompt,
     .arg = "KIND",
     .choices = "auto|words|ids|payload",
     .help = "words: portable words, one token each. ids: token ids (completions). payload: what the trace "
             "holds. "
             "Default: the payload where there is one, else words."},
    {.name = "session",
     .type = CLI_CHOICE,
     .to = &opt.closed,
     .arg = "HOW",
     .choices = "open|closed",
     .help =
         "open: every turn at its own time. closed: a turn when the one before has ended, after the time to "
         "think. "
         "Default: open."},
    {.name = "history",
     .type = CLI_CHOICE,
     .to = &opt.live,
     .arg = "WHOSE",
     .choices = "recorded|live",
     .help = "Answers in the prompts of later turns: the trace's, or with closed sessions this server's. "
             "Default: "
             "recorded."},
    {.name = "think",
     .type = CLI_DURATION,
     .to = &opt.think,
     .arg = "T",
     .help = "Time to think before a turn of a closed session whose record tells none. Default: 0."},
    {.name = "tokenizer",
     .type = CLI_STRING,
     .to = &opt.tokenizer,
     .arg = "FILE",
     .help =
         "tokenizer.json or tiktoken file of the server's model: prompts are made of the words that are one "
         "token each in it. Default: words that eight vocabularies share."},
    {.name = "content-seed",
     .type = CLI_U64,
     .to = &opt.seed,
     .arg = "N",
     .help = "Seed of the prompts' content. Default: the trace's, else 1."},
    {.name = "nonce",
     .type = CLI_STRING,
     .to = &opt.nonce,
     .arg = "auto|off|HEX",
     .help =
         "What the first words of every prompt of this run are made of, so that no earlier run's cache is "
         "found. Default: auto, a new one each time."},
    {.name = "ids",
     .type = CLI_STRING,
     .to = &opt.ids,
     .arg = "A..B",
     .help = "Range of the token ids of --prompt ids. Default: 1000..29999."},
    {.name = "warmup",
     .type = CLI_U64,
     .to = &opt.warmup,
     .arg = "N",
     .help = "Send N requests of other content before time zero; they are not in the results."},
    {.name = "connections",
     .type = CLI_U64,
     .to = &opt.connections,
     .arg = "N",
     .help = "Open N connections before time zero. Default: 16."},
    {.name = "stream",
     .type = CLI_FLAG,
     .to = &opt.stream,
     .negatable = 1,
     .help = "Ask for streams of events, or with --no-stream for whole replies. Default: streams."},
    {.name = "force-output",
     .type = CLI_CHOICE,
     .to = &opt.force_output,
     .arg = "HOW",
     .choices = "auto|off",
     .help = "auto: force the trace's output lengths (max_tokens, min_tokens, ignore_eos; what the server "
             "refuses is "
             "left away) and count another length as a failure. off: only ask for them."},
    {.name = "extra-body",
     .type = CLI_STRING,
     .to = &opt.extra,
     .arg = "JSON",
     .help = "Object of further members for every request's body, such as '{\"temperature\":0}'."},
    {.name = "probe",
     .type = CLI_FLAG,
     .to = &opt.probe,
     .negatable = 1,
     .help =
         "Send one request of two tokens before the run, to learn which fields the server takes and how many "
         "tokens its chat template adds. Default: yes."},
    {.name = "wait-ready",
     .type = CLI_DURATION,
     .to = &opt.wait_ready,
     .arg = "T",
     .help = "Wait so long for the server to become ready. Default: one attempt."},
    {.name = "header",
     .letter = 'H',
     .type = CLI_LIST,
     .to = &opt.headers,
     .arg = "'K: V'",
     .help = "Send this header too. May be given several times."},
    {.name = "api-key-env",
     .type = CLI_STRING,
     .to = &opt.key_env,
     .arg = "NAME",
     .help = "Environment variable that holds the API key, sent as a bearer token."},
    {.name = "insecure",
     .type = CLI_FLAG,
     .to = &opt.insecure,
     .help = "Do not check the server's certificate."},
    {.name = "cacert",
     .type = CLI_STRING,
     .to = &opt.cacert,
     .arg = "FILE",
     .help = "Certificates to trust, in PEM form. Default: the system's."},
    {.name = "proxy",
     .type = CLI_STRING,
     .to = &opt.proxy,
     .arg = "URL",
     .help = "Go through this proxy. Those of the environment are never used."},
    {.name = "late",
     .type = CLI_DURATION,
     .to = &opt.late,
     .arg = "T",
     .help = "A run is VOID when more than 1 % of its requests were sent later than this. Default: 10ms."},
    {.name = "roofline",
     .type = CLI_STRING,
     .to = &opt.roofline,
     .arg = "FILE",
     .help = "What --self-test printed on this machine: a run that comes near it is SUSPECT."},
    {.name = "dry-run",
     .letter = 'n',
     .type = CLI_FLAG,
     .to = &opt.dry_run,
     .help = "Send nothing: count what would be sent."},
    {.name = "self-test",
     .type = CLI_FLAG,
     .to = &opt.self_test,
     .help = "Measure what this client reaches here, against trace-mock on this machine; needs no trace."},
    {.name = "json", .type = CLI_FLAG, .to = &opt.json, .help = "Print the report of --dry-run as JSON."},
    {.name = "output",
     .letter = 'o',
     .type = CLI_STRING,
     .to = &opt.path,
     .arg = "FILE",
     .help = "Results go here, as they come; with --dry-run and --self-test, the report. An existing file is "
             "refused. "
             "Default: standard output."},
    {.name = "force", .type = CLI_FLAG, .to = &opt.force, .help = "Overwrite an existing FILE."},
    {.name = "format",
     .letter = 'f',
     .type = CLI_FORMAT,
     .to = &opt.format,
     .arg = "FORMAT",
     .help = "Format of the results. Default: by the extension of FILE, else binary."},
    {.name = "input-format",
     .letter = 'F',
     .type = CLI_FORMAT,
     .to = &opt.input_format,
     .arg = "FORMAT",
     .help = "Format of the trace. Default: found by its content."},
    {.name = "map",
     .type = CLI_STRING,
     .to = &opt.map,
     .arg = "MAP",
     .help = "Columns of a CSV trace: arrival=COL[:unit],in=COL,out=COL,..."},
    {.name = "skip-bad",
     .type = CLI_SKIP_BAD,
     .to = &opt.skip_bad,
     .arg = "N",
     .help = "Pass over bad rows, N at most; they are counted and reported."},
    {.name = NULL},
};

static const struct cli_tool tool = {
    .name = "trace-replay",
    .synopsis = "--url URL [options] [trace]",
    .summary = "send the requests of a trace at their moments, record what comes back",
    .epilog = "Examples:\n"
              "  trace-replay --url http://localhost:8000 trace.trb | trace-summarize\n"
              "  trace-convert azure.csv | trace-replay --url URL --model M --speed 20 -o run.trb\n"
              "  trace-replay --url URL --dry-run trace.trb\n",
    .options = options,
    .max_files = 1,
};

/* --- options ------------------------------------------------------------------------------- */

static int check_header(const char *h, struct tr_err *err)
{
	/* RFC 9110, 5.6.2: what a name is made of. */
	static const char token[] =
	    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = strspn(h, token);

	if (n == 0 || h[n] != ':')
		return cli_bad_option(err, "--header", NULL, "not of the form 'Name: value'");
	for (const char *p = h; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return cli_bad_option(err, "--header", NULL, "a control character in a header");
	return 0;
}

static int read_nonce(struct prompt_opts *p, struct tr_err *err)
{
	const char *s = opt.nonce ? opt.nonce : "auto";
	char *end;

	if (strcmp(s, "off") == 0)
		return 0;
	p->has_nonce = 1;
	if (strcmp(s, "auto") == 0) {
		struct tr_rng g;
		tr_rng_init(&g, (uint64_t)tr_wall_ns() ^ (uint64_t)getpid() << 40, "nonce");
		p->nonce = tr_rng_u64(&g);
		return 0;
	}
	if (strspn(s, "0123456789abcdefABCDEF") != strlen(s) || strlen(s) > 16 || !*s)
		return cli_bad_option(err, "--nonce", s, "auto, off, or up to 16 hexadecimal digits");
	p->nonce = strtoull(s, &end, 16);
	return 0;
}

static int read_ids(struct prompt_opts *p, struct tr_err *err)
{
	const char *s = opt.ids ? opt.ids : "1000..29999", *dots = strstr(s, "..");
	struct tr_slice lo = {s, dots ? (size_t)(dots - s) : 0};

	if (!dots || tr_num_u64(lo, &p->id_lo) || tr_num_u64(tr_slice_of(dots + 2), &p->id_hi) ||
	    p->id_lo > p->id_hi || p->id_hi > INT32_MAX)
		return cli_bad_option(err, "--ids", s, "not a range of token ids such as 1000..29999");
	return 0;
}

static int read_key(struct transport_opts *t, struct tr_err *err)
{
	if (!opt.key_env)
		return 0;
	t->bearer = getenv(opt.key_env);
	if (!t->bearer || !*t->bearer)
		return cli_bad_option(err, "--api-key-env", opt.key_env,
		                      "no such variable in the environment");
	for (const char *p = t->bearer; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			return cli_bad_option(err, "--api-key-env", opt.key_env,
			                      "the key holds blanks or control characters");
	return 0;
}

static int read_counts(struct run_opts *r, struct tr_err *err)
{
	if (opt.threads < 1 || opt.threads > RUN_THREADS_MAX)
		return cli_bad_option(err, "--threads", NULL, "1 to 64");
	if (opt.max_inflight > 1000000)
		return cli_bad_option(err, "--max-inflight", NULL, "at most a million");
	if (opt.connections > 100000 || opt.warmup > WARMUP_MAX)
		return cli_bad_option(err, opt.warmup > WARMUP_MAX ? "--warmup" : "--connections", NULL,
		                      "at most 100000");
	if (opt.timeout <= 0 || opt.timeout > LONGEST_NS)
		return cli_bad_option(err, "--timeout", NULL, "more than 0 and at most a year");
	r->threads = (unsigned)opt.threads;
	r->max_inflight = (unsigned)opt.max_inflight;
	r->connections = (unsigned)opt.connections;
	r->timeout_ns = opt.timeout;
	r->grace_ns = opt.grace < 0 ? opt.timeout : opt.grace > LONGEST_NS ? LONGEST_NS : opt.grace;
	if (opt.wait_ready > LONGEST_NS)
		opt.wait_ready = LONGEST_NS;
	r->late_ns = opt.late;
	if (opt.live && !opt.closed)
		return cli_bad_option(err, "--history", "live", "goes with --session closed");
	if (opt.live && opt.api)
		return cli_bad_option(err, "--history", "live", "a completions request has no history");
	if (opt.think && !opt.closed)
		return cli_bad_option(err, "--think", NULL, "goes with --session closed");
	r->closed = opt.closed;
	r->live = opt.live;
	r->think_ns = opt.think;
	return 0;
}

static int read_body(struct body_opts *b, struct tr_err *err)
{
	b->api = opt.api ? BODY_COMPLETIONS : BODY_CHAT;
	b->prompt = (enum body_prompt)opt.prompt;
	b->model = opt.model;
	b->model_wins = opt.model != NULL;
	b->stream = opt.stream;
	b->fields = 1u << BODY_MAX_TOKENS | 1u << BODY_USAGE;
	if (!opt.force_output)
		b->fields |= 1u << BODY_MIN_TOKENS | 1u << BODY_IGNORE_EOS | 1u << BODY_CONTINUOUS_USAGE;
	if (opt.extra) {
		b->extra = tr_slice_of(opt.extra);
		if (body_check_extra(b->extra, err) < 0)
			return cli_bad_option(err, "--extra-body", opt.extra, "not a JSON object");
	}
	if (b->prompt == BODY_IDS && b->api == BODY_CHAT)
		return cli_bad_option(err, "--prompt", "ids", "token ids need --api completions");
	int rc = read_nonce(&b->content, err);
	return rc < 0 ? rc : read_ids(&b->content, err);
}

static int read_transport(struct transport_opts *t, struct tr_buf *shown, struct tr_err *err)
{
	if (!opt.url)
		return cli_bad_option(err, "--url", NULL,
		                      "say where the server is, such as http://localhost:8000");
	if (transport_check_url(opt.url, shown, err) < 0 || tr_buf_char(shown, '\0') < 0) {
		tr_err_field(err, "--url", 5);
		return -TR_EUSAGE;
	}
	for (unsigned i = 0; i < opt.headers.n; i++)
		if (check_header(opt.headers.v[i], err) < 0)
			return -TR_EUSAGE;
	*t = (struct transport_opts){.url = shown->p,
	                             .headers = opt.headers.v,
	                             .cacert = opt.cacert,
	                             .proxy = opt.proxy,
	                             .insecure = opt.insecure,
	                             .connect_timeout_ns = CONNECT_NS,
	                             .idle_ns = IDLE_NS,
	                             .max_connections = POOL};
	return read_key(t, err);
}

/* --- the report of --dry-run and --self-test ------------------------------------------------- */

/* It goes to standard output, wherever that is. */
static int report_to(const char *path, struct tr_err *err)
{
	if (!path || strcmp(path, "-") == 0)
		return 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (opt.force ? O_TRUNC : O_EXCL), 0666);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0) {
		int rc = tr_fail_errno(err, "cannot write");
		tr_err_file(err, path);
		return rc;
	}
	close(fd);
	return 0;
}

static int plan(struct feed *feed, const struct body_opts *body)
{
	struct tr_err err;
	struct dry d;

	tr_err_clear(&err);
	int rc = dry_run(feed, body, &d, &err);
	if (rc == 0 && !cli_interrupted())
		rc = report_to(opt.path, &err);
	if (rc < 0)
		return cli_fail(&tool, &err);
	if (cli_interrupted())
		return 128 + cli_interrupted();
	dry_print(&d, opt.json);
	return 0;
}

/* --- */

static int open_trace(const struct cli_args *args, struct feed *feed, struct tr_err *err)
{
	struct tr_read_opts o = {.map = opt.map,
	                         .skip_bad = opt.skip_bad,
	                         .warn = cli_on_warning,
	                         .warn_ctx = (void *)(uintptr_t)&tool};

	feed->has_start = opt.start >= 0;
	feed->sched = (struct tr_sched){
	    .start_ns = feed->has_start ? opt.start : 0, .duration_ns = opt.duration, .speed = opt.speed};
	feed->limit = opt.limit;
	feed->closed = opt.closed;
	return tr_open(&feed->r, args->nfiles ? args->files[0] : "-", opt.input_format, &o, err);
}

/* Opening it would empty what is to be read. */
static int same_file(const char *in, const char *out)
{
	struct stat a, b;

	return in && out && stat(in, &a) == 0 && stat(out, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* Said before anything is sent. */
static int check_output(const struct cli_args *args, struct tr_err *err)
{
	if (!opt.path || strcmp(opt.path, "-") == 0)
		return 0;
	if (same_file(args->nfiles ? args->files[0] : NULL, opt.path))
		return cli_bad_option(err, "-o", opt.path,
		                      "the trace and its results cannot be the same file");
	struct stat s;
	if (!opt.force && stat(opt.path, &s) == 0 && S_ISREG(s.st_mode))
		return cli_bad_option(err, "-o", opt.path, "the file exists; --force overwrites it");
	return 0;
}

static void choose_seed(struct prompt_opts *p, const struct tr_head *h)
{
	p->seed = opt.seed != UINT64_MAX ? opt.seed : h->has_seed ? h->seed : 1;
}

static int run(const struct cli_args *args, struct tr_err *err)
{
	struct replay_opts o = {.tool = &tool,
	                        .args = args,
	                        .path = opt.path,
	                        .format = opt.format,
	                        .force = opt.force,
	                        .warmup = opt.warmup,
	                        .wait_ready_ns = opt.wait_ready,
	                        .probe = opt.probe && opt.prompt != BODY_PAYLOAD};
	struct feed feed = {0};
	struct tr_buf shown;
	struct tr_tokenizer *tokenizer = NULL;
	struct words_list words = {0};
	int status;

	tr_buf_init(&shown, 1 << 16);
	int rc = read_transport(&o.run.transport, &shown, err);
	rc = rc ? rc : read_counts(&o.run, err);
	rc = rc ? rc : read_body(&o.run.body, err);
	rc = rc || !opt.tokenizer ? rc : tr_tokenizer_open(&tokenizer, opt.tokenizer, err);
	rc = rc || !opt.tokenizer ? rc : words_list_new(&words, tokenizer, err);
	o.run.body.content.words = opt.tokenizer ? &words : NULL;
	o.tokenizer = tokenizer;
	rc = rc || !opt.roofline ? rc : self_test_read(opt.roofline, &o.roofline, err);
	rc = rc ? rc : transport_global_start(err);
	rc = rc ? rc : open_trace(args, &feed, err);
	rc = rc ? rc : check_output(args, err);
	if (rc == 0) {
		o.shown_url = shown.p;
		choose_seed(&o.run.body.content, tr_reader_head(feed.r));
		cli_catch_signals();
		status = opt.dry_run ? plan(&feed, &o.run.body) : replay(&o, &feed);
	} else {
		status = cli_fail(&tool, err);
	}
	feed_free(&feed);
	tr_reader_close(feed.r);
	transport_global_end();
	tr_buf_free(&shown);
	words_list_free(&words);
	tr_tokenizer_free(tokenizer);
	return status;
}

static int test_self(struct tr_err *err)
{
	int rc = opt.threads < 1 || opt.threads > RUN_THREADS_MAX
	             ? cli_bad_option(err, "--threads", NULL, "1 to 64")
	             : 0;

	rc = rc ? rc : report_to(opt.path, err);
	rc = rc ? rc : transport_global_start(err);
	if (rc < 0)
		return cli_fail(&tool, err);
	cli_catch_signals();
	int status = self_test(&tool, (unsigned)opt.threads);
	transport_global_end();
	return status;
}

int main(int argc, char **argv)
{
	struct cli_args args;
	struct tr_err err;

	cli_parse(&tool, argc, argv, &args);
	tr_err_clear(&err);
	int status = opt.self_test ? test_self(&err) : run(&args, &err);
	return opt.self_test || opt.dry_run ? cli_close_stdout(&tool, status) : status;
}
