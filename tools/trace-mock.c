/* SPDX-License-Identifier: Apache-2.0
 *
 * trace-mock: a simulated inference server. It speaks as vLLM does, takes as long as it is told, fails as it
 * is told, and writes down when it wrote what: clients are measured against it.
 */
#include "tools/cli.h"
#include "tools/mock/mock.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static struct {
	const char *ttft, *itl, *natural, *key_name;
	struct cli_list faults, rejects;
	struct mock_opts m;
} opt = {.m = {.host = "127.0.0.1",
               .model = "mock",
               .usage = 1,
               .port = 8000,
               .chunk = 1,
               .template_tokens = 7,
               .seed = 1,
               .idle_ns = -1,
               .duration_ns = -1}};

static struct cli_option options[] = {
    {.name = "host",
     .type = CLI_STRING,
     .to = &opt.m.host,
     .arg = "ADDRESS",
     .help = "Address to listen on. Default: 127.0.0.1."},
    {.name = "port",
     .letter = 'p',
     .type = CLI_U64,
     .to = &opt.m.port,
     .arg = "N",
     .help = "Port to listen on, 0 = any that is free. Default: 8000."},
    {.name = "ttft",
     .type = CLI_STRING,
     .to = &opt.ttft,
     .arg = "LAW",
     .help = "Time to the first token: 50ms, uniform:A..B, exponential:mean=T\n"
             "or normal:mean=T,sd=T. Default: 50ms."},
    {.name = "itl",
     .type = CLI_STRING,
     .to = &opt.itl,
     .arg = "LAW",
     .help = "Time between events, likewise. Default: 10ms."},
    {.name = "slots",
     .type = CLI_U64,
     .to = &opt.m.slots,
     .arg = "N",
     .help = "Requests generated at once; the others queue. Default: 0, unlimited."},
    {.name = "chunk-tokens",
     .type = CLI_U64,
     .to = &opt.m.chunk,
     .arg = "K",
     .help = "Tokens of one event. Default: 1."},
    {.name = "natural",
     .type = CLI_STRING,
     .to = &opt.natural,
     .arg = "LAW",
     .help = "Length of answers that may stop: fixed:N, uniform:A..B, ...\n"
             "Default: none, all have max_tokens."},
    {.name = "template-tokens",
     .type = CLI_U64,
     .to = &opt.m.template_tokens,
     .arg = "N",
     .help = "Tokens that the chat template adds to a prompt. Default: 7."},
    {.name = "instant",
     .type = CLI_FLAG,
     .to = &opt.m.instant,
     .help = "Answer at once, in one write; takes no --ttft and --itl."},
    {.name = "model",
     .type = CLI_STRING,
     .to = &opt.m.model,
     .arg = "NAME",
     .help = "Name of the model. Default: mock."},
    {.name = "strict-model",
     .type = CLI_FLAG,
     .to = &opt.m.strict_model,
     .help = "Answer 404 to requests for another model."},
    {.name = "usage",
     .type = CLI_FLAG,
     .to = &opt.m.usage,
     .help = "Report token counts, where a request asks for them. Default.",
     .negatable = 1},
    {.name = "fault",
     .type = CLI_LIST,
     .to = &opt.faults,
     .arg = "SPEC",
     .help = "What goes wrong: KIND:key=value,... or KIND alone; see FAULTS in\n"
             "the manual. May be given several times."},
    {.name = "reject",
     .type = CLI_LIST,
     .to = &opt.rejects,
     .arg = "FIELD",
     .help = "Answer 400 when the body has this field. May be given several times."},
    {.name = "api-key-env",
     .type = CLI_STRING,
     .to = &opt.key_name,
     .arg = "VARIABLE",
     .help = "Ask for the key that is in this environment variable."},
    {.name = "idle-close",
     .type = CLI_DURATION,
     .to = &opt.m.idle_ns,
     .arg = "T",
     .help = "Close connections that are idle for T. Default: never."},
    {.name = "log",
     .type = CLI_STRING,
     .to = &opt.m.log,
     .arg = "FILE",
     .help = "Write a line of JSON for each request that was generated."},
    {.name = "log-bodies",
     .type = CLI_FLAG,
     .to = &opt.m.log_bodies,
     .help = "With the request's whole body in it."},
    {.name = "duration",
     .type = CLI_DURATION,
     .to = &opt.m.duration_ns,
     .arg = "T",
     .help = "End after T. Default: at SIGINT, SIGTERM or SIGHUP."},
    {.name = "seed",
     .type = CLI_U64,
     .to = &opt.m.seed,
     .arg = "N",
     .help = "Seed of all draws. Default: 1."},
    {.name = NULL},
};

static const struct cli_tool tool = {
    .name = "trace-mock",
    .synopsis = "[options]",
    .summary = "a simulated inference server",
    .epilog = "Examples:\n"
              "  trace-mock --ttft normal:mean=80ms,sd=20ms --itl 15ms --slots 32 --log server.jsonl\n"
              "  trace-mock --port 0 --fault error:code=503,rate=0.01 --fault stall:after=5,for=2s\n",
    .options = options,
    .max_files = 0,
};

static int set_delays(struct tr_err *err)
{
	const char *nothing = opt.m.instant ? "0" : NULL;
	int rc;

	if (opt.m.instant && (opt.ttft || opt.itl))
		return cli_bad_option(err, "--instant", NULL, "takes neither --ttft nor --itl");
	rc = delay_parse(&opt.m.ttft, "--ttft", opt.ttft ? opt.ttft : nothing ? nothing : "50ms", err);
	return rc < 0 ? rc
	              : delay_parse(&opt.m.itl, "--itl",
	                            opt.itl   ? opt.itl
	                            : nothing ? nothing
	                                      : "10ms",
	                            err);
}

static int set_natural(struct tr_err *err)
{
	if (!opt.natural)
		return 0;
	opt.m.has_natural = 1;
	int rc = tr_length_parse(&opt.m.natural, opt.natural, err);
	if (rc < 0)
		tr_err_field(err, "--natural", 9);
	return rc;
}

/* The key itself is shown nowhere. */
static int set_key(struct tr_err *err)
{
	if (!opt.key_name)
		return 0;
	opt.m.key = getenv(opt.key_name);
	return opt.m.key && *opt.m.key
	           ? 0
	           : cli_bad_option(err, "--api-key-env", opt.key_name, "this variable is not set");
}

static int prepare(struct tr_err *err)
{
	int rc = 0;

	if (opt.m.port > 65535)
		return cli_bad_option(err, "--port", NULL, "must be 0 to 65535");
	if (opt.m.chunk < 1 || opt.m.chunk > 10000)
		return cli_bad_option(err, "--chunk-tokens", NULL, "must be 1 to 10000");
	if (opt.m.template_tokens > 1000000)
		return cli_bad_option(err, "--template-tokens", NULL, "must be at most 1000000");
	if (!*opt.m.model || strlen(opt.m.model) > ASK_MODEL_MAX / 6) /* six bytes a character, escaped */
		return cli_bad_option(err, "--model", NULL, "must be 1 to 128 bytes");
	rc = set_delays(err);
	rc = rc < 0 ? rc : set_natural(err);
	rc = rc < 0 ? rc : set_key(err);
	for (unsigned i = 0; i < opt.faults.n && rc == 0; i++)
		rc = fault_add(&opt.m.faults, opt.faults.v[i], err);
	opt.m.ask =
	    (struct ask_how){.quick = opt.m.instant, .reject = opt.rejects.v, .rejects = opt.rejects.n};
	return rc;
}

/* Whoever started the server waits for this line, and then knows the port. */
static int announce(struct mock *m)
{
	int v6 = strchr(opt.m.host, ':') != NULL;

	printf("trace-mock: listening on http://%s%s%s:%u\n", v6 ? "[" : "", opt.m.host, v6 ? "]" : "",
	       server_port(m->server));
	int status = cli_close_stdout(&tool, 0);
	if (status == 0 && open("/dev/null", O_WRONLY) < 0) /* keeps the descriptor's place */
		status = tr_code_exit(TR_EIO);
	return status;
}

int main(int argc, char **argv)
{
	struct cli_args args;
	struct mock *m = NULL;
	struct tr_err err;
	int status;

	cli_parse(&tool, argc, argv, &args);
	tr_err_clear(&err);
	if (prepare(&err) < 0)
		return cli_fail(&tool, &err);
	if (mock_new(&m, &opt.m, &err) < 0)
		status = cli_fail(&tool, &err);
	else
		status = announce(m);
	if (status == 0 && mock_run(m, &err) < 0)
		status = cli_fail(&tool, &err);
	mock_free(m);
	return status;
}
