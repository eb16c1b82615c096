/* SPDX-License-Identifier: Apache-2.0
 *
 * trace-synth: makes a trace out of laws. Arrivals, input and output lengths are drawn from streams of their
 * own, so that changing one law leaves what the others draw as it was, and two runs differ in one thing.
 */
#include "libtrace/law.h"
#include "tools/cli.h"
#include "tools/word_texts.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	const char *arrivals, *input, *output, *model, *path, *tokenizer;
	const struct tr_format *format;
	uint64_t requests, seed;
	int64_t duration_ns;
	int list_laws, text;
} opt = {.requests = UINT64_MAX, .duration_ns = -1, .seed = 1}; /* neither end is set */

static struct cli_option options[] = {
    {.name = "arrivals",
     .type = CLI_STRING,
     .to = &opt.arrivals,
     .arg = "LAW",
     .help = "When requests arrive: constant:RATE or poisson:RATE, such as poisson:20/s."},
    {.name = "input",
     .type = CLI_STRING,
     .to = &opt.input,
     .arg = "LAW",
     .help = "Input lengths in tokens: fixed:N, uniform:A..B or normal:mean=,sd=,min=,max=."},
    {.name = "output",
     .type = CLI_STRING,
     .to = &opt.output,
     .arg = "LAW",
     .help = "Output lengths in tokens, likewise. The file to write is -o."},
    {.name = "requests",
     .type = CLI_U64,
     .to = &opt.requests,
     .arg = "N",
     .help = "End after N requests. With --duration: whichever ends first."},
    {.name = "duration",
     .type = CLI_DURATION,
     .to = &opt.duration_ns,
     .arg = "T",
     .help = "End before the first arrival at T or later."},
    {.name = "seed", .type = CLI_U64, .to = &opt.seed, .arg = "N", .help = "Seed of all draws. Default: 1."},
    {.name = "model",
     .type = CLI_STRING,
     .to = &opt.model,
     .arg = "NAME",
     .help = "Model that every request names. Default: none."},
    {.name = "text",
     .type = CLI_CHOICE,
     .to = &opt.text,
     .choices = "none|words",
     .arg = "KIND",
     .help = "words: prompts and answers of exactly these lengths, of words that are one token each."},
    {.name = "tokenizer",
     .type = CLI_STRING,
     .to = &opt.tokenizer,
     .arg = "FILE",
     .help = "With --text: tokenizer.json or tiktoken file whose words are taken. Default: words that eight "
             "vocabularies share."},
    {.name = "file",
     .letter = 'o',
     .type = CLI_STRING,
     .to = &opt.path,
     .arg = "FILE",
     .help = "File to write. Default: standard output."},
    {.name = "format",
     .letter = 'f',
     .type = CLI_FORMAT,
     .to = &opt.format,
     .arg = "FORMAT",
     .help = "Format of the output. Default: by the extension of FILE, else binary."},
    {.name = "list-laws",
     .type = CLI_FLAG,
     .to = &opt.list_laws,
     .help = "Print the laws and their parameters."},
    {.name = NULL},
};

static const struct cli_tool tool = {
    .name = "trace-synth",
    .synopsis = "--arrivals LAW --input LAW --output LAW [options]",
    .summary = "make a synthetic trace from laws of arrivals and lengths",
    .epilog = "Examples:\n"
              "  trace-synth --arrivals poisson:20/s --input uniform:100..2000 \\\n"
              "      --output normal:mean=200,sd=80 --duration 10m -o load.trb\n"
              "  trace-synth --arrivals constant:5/s --input fixed:512 --output fixed:128 \\\n"
              "      --requests 1k -f jsonl | head\n",
    .options = options,
    .max_files = 0,
};

/* --- the laws, told ------------------------------------------------------------------------ */

static void print_law(const char *name, const char *help, const struct tr_law_param *params)
{
	printf("  %-10s %s\n", name, help);
	for (int i = 0; i < TR_LAW_PARAMS && params[i].name; i++) {
		const char *fallback = params[i].fallback;

		printf("    %-8s %s%s%s%s\n", params[i].name, params[i].help, fallback ? " (default " : "",
		       fallback ? fallback : "", fallback ? ")" : "");
	}
}

static void print_laws(void)
{
	printf("arrivals\n");
	for (const struct tr_arrival_law *l = tr_arrival_laws; l->name; l++)
		print_law(l->name, l->help, l->params);
	printf("lengths\n");
	for (const struct tr_length_law *l = tr_length_laws; l->name; l++)
		print_law(l->name, l->help, l->params);
}

/* --- what is made -------------------------------------------------------------------------- */

struct synth {
	struct tr_arrival arrivals;
	struct tr_length input, output;
	struct tr_rng arrivals_rng, input_rng, output_rng;
	struct tr_tokenizer *tokenizer;
	struct word_texts words;
};

static int need(const char *value, const char *name, struct tr_err *err)
{
	return value ? 0 : tr_fail(err, TR_EUSAGE, "--%s is needed; see --help", name);
}

/* Which option a bad law came with. */
static int named(int rc, const char *option, struct tr_err *err)
{
	if (rc < 0)
		tr_err_field(err, option, strlen(option));
	return rc;
}

static int prepare(struct synth *s, struct tr_err *err)
{
	int rc = need(opt.arrivals, "arrivals", err);

	rc = rc < 0 ? rc : need(opt.input, "input", err);
	rc = rc < 0 ? rc : need(opt.output, "output", err);
	if (rc == 0 && opt.requests == UINT64_MAX && opt.duration_ns < 0)
		rc = tr_fail(err, TR_EUSAGE, "--requests or --duration is needed; see --help");
	rc = rc < 0 ? rc : named(tr_arrival_parse(&s->arrivals, opt.arrivals, err), "--arrivals", err);
	rc = rc < 0 ? rc : named(tr_length_parse(&s->input, opt.input, err), "--input", err);
	rc = rc < 0 ? rc : named(tr_length_parse(&s->output, opt.output, err), "--output", err);
	if (rc == 0 && opt.tokenizer && !opt.text)
		return cli_bad_option(err, "--tokenizer", NULL, "goes with --text words");
	if (rc == 0 && opt.tokenizer)
		rc = tr_tokenizer_open(&s->tokenizer, opt.tokenizer, err);
	if (rc == 0 && opt.text)
		rc = word_texts_init(&s->words, s->tokenizer, opt.seed, err);
	tr_rng_init(&s->arrivals_rng, opt.seed, "arrivals");
	tr_rng_init(&s->input_rng, opt.seed, "input");
	tr_rng_init(&s->output_rng, opt.seed, "output");
	return rc;
}

/* What the trace says of how it was made. "conditioning": the count in a given time is left to chance, and
 * the time of a given count too. "origin": offsets count from the start of the process, not from the first
 * arrival. */
static int describe(char **notes, struct tr_err *err)
{
	cJSON *o = cJSON_CreateObject();
	int rc = 0;

	if (!o || !cJSON_AddStringToObject(o, "arrivals", opt.arrivals) ||
	    !cJSON_AddStringToObject(o, "input", opt.input) ||
	    !cJSON_AddStringToObject(o, "output", opt.output) ||
	    !cJSON_AddStringToObject(o, "conditioning", "none") ||
	    !cJSON_AddStringToObject(o, "origin", "start") || !(*notes = cJSON_PrintUnformatted(o)))
		rc = tr_fail(err, TR_ENOMEM, "out of memory for the header");
	cJSON_Delete(o);
	return rc;
}

static int create(struct tr_writer **w, const struct cli_args *args, struct tr_err *err)
{
	struct tr_head head = {.has_seed = 1, .seed = opt.seed};
	struct tr_write_opts write = {.warn = cli_on_warning, .warn_ctx = (void *)&tool};
	char version[64], *notes = NULL;
	int rc;

	snprintf(version, sizeof(version), "%s %s", tool.name, cli_version);
	rc = describe(&notes, err);
	rc = rc < 0 ? rc : tr_meta_set(&head.notes, notes, err);
	rc = rc < 0 ? rc : tr_meta_set(&head.order, "arrival", err);
	rc = rc < 0 ? rc : tr_meta_set(&head.tool, version, err);
	rc = rc < 0 ? rc : tr_meta_set(&head.options, args->line, err);
	rc = rc < 0 ? rc : tr_create(w, opt.path, opt.format, &head, &write, err);
	cJSON_free(notes);
	tr_head_free(&head);
	return rc;
}

/* 1 = *r filled, 0 = the time is over. */
static int draw(struct synth *s, struct tr_rec *r, struct tr_err *err)
{
	int64_t arrival = 0;
	uint64_t in = 0, out = 0;
	int rc = tr_arrival_next(&s->arrivals, &s->arrivals_rng, &arrival, err);

	if (opt.duration_ns >= 0 && (rc == -TR_ELIMIT || arrival >= opt.duration_ns))
		return 0; /* an arrival past the end of time is past the duration too */
	rc = rc < 0 ? rc : tr_length_draw(&s->input, &s->input_rng, &in, err);
	rc = rc < 0 ? rc : tr_length_draw(&s->output, &s->output_rng, &out, err);
	TR_SET(r, arrival_ns, arrival);
	TR_SET(r, in_tokens, in);
	TR_SET(r, out_tokens, out);
	r->mask &= ~(TR_BIT(payload) | TR_BIT(answer));
	rc = rc < 0 ? rc : word_texts_apply(&s->words, r, err);
	return rc < 0 ? rc : 1;
}

static int make(struct synth *s, struct tr_writer *w, const struct cli_args *args, struct tr_err *err)
{
	struct tr_rec r = {0};
	int rc = 1;

	if (opt.model)
		TR_SET(&r, model, ((struct tr_slice){opt.model, strlen(opt.model)}));
	for (uint64_t id = 0; id < opt.requests && !cli_interrupted(); id++) {
		TR_SET(&r, id, id);
		rc = draw(s, &r, err);
		if (rc <= 0)
			break;
		rc = tr_writer_put(w, &r, err);
		if (rc < 0)
			break;
		cli_progress(&tool, args, id + 1);
	}
	cli_progress_done(args);
	if (rc >= 0 && cli_interrupted())
		rc = tr_meta_set(&tr_writer_tail(w)->state, "interrupted", err);
	if (rc >= 0 && s->tokenizer) {
		struct tr_tail *t = tr_writer_tail(w);
		rc = tr_meta_set(&t->tokenizer, tr_tokenizer_name(s->tokenizer), err);
		rc = rc < 0 ? rc : tr_meta_set(&t->tokenizer_sha256, tr_tokenizer_sha256(s->tokenizer), err);
	}
	return rc < 0 ? rc : 0;
}

static int run(struct synth *s, const struct cli_args *args, struct tr_err *err)
{
	struct tr_writer *w;
	int rc = prepare(s, err);

	if (rc < 0)
		return rc;
	cli_catch_signals();
	rc = create(&w, args, err);
	if (rc < 0)
		return rc;
	rc = make(s, w, args, err);
	if (rc == 0)
		return tr_writer_finish(w, err);
	tr_writer_abort(w);
	return rc;
}

int main(int argc, char **argv)
{
	struct cli_args args;
	struct synth s = {.tokenizer = NULL};
	struct tr_err err;
	int rc;

	cli_parse(&tool, argc, argv, &args);
	if (opt.list_laws) {
		print_laws();
		return cli_close_stdout(&tool, 0);
	}
	tr_err_clear(&err);
	rc = run(&s, &args, &err);
	word_texts_free(&s.words);
	tr_tokenizer_free(s.tokenizer);
	if (rc < 0)
		return cli_fail(&tool, &err);
	return cli_interrupted() ? 128 + cli_interrupted() : 0;
}
