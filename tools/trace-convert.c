/* SPDX-License-Identifier: Apache-2.0
 *
 * trace-convert: any format to any format. One input goes through block by block, as it is; further inputs
 * follow it with new ids and, where wall time is known, arrivals on the first one's time scale.
 */
#include "libtrace/pool.h"
#include "tools/cli.h"
#include "tools/convert/convert.h"
#include <stdlib.h>
#include <string.h>

static struct {
	const char *path, *map, *delimiter, *columns;
	const struct tr_format *format, *input_format;
	uint64_t skip_bad, overhead, threads, seed;
	const char *tokenizer, *arrivals, *think, *verify;
	int turns, peer, payload, text, count_only, special;
} opt = {.payload = 1, .overhead = 5, .threads = UINT64_MAX, .seed = 1};

static struct cli_option options[] = {
    {.name = "output",
     .letter = 'o',
     .type = CLI_STRING,
     .to = &opt.path,
     .arg = "FILE",
     .help = "File to write; it appears when it is complete. Default: standard output."},
    {.name = "format",
     .letter = 'f',
     .type = CLI_FORMAT,
     .to = &opt.format,
     .arg = "FORMAT",
     .help = "Format of the output. Default: by the extension of FILE, else binary."},
    {.name = "input-format",
     .letter = 'F',
     .type = CLI_FORMAT,
     .to = &opt.input_format,
     .arg = "FORMAT",
     .help = "Format of the inputs. Default: found from their first bytes."},
    {.name = "map",
     .type = CLI_STRING,
     .to = &opt.map,
     .arg = "MAP",
     .help = "Columns of csv inputs: arrival=COL[:UNIT],in=COL,out=COL,FIELD=COL,... COL is a name or #N; "
             "UNIT s, "
             "ms, us, ns or iso."},
    {.name = "delimiter",
     .type = CLI_STRING,
     .to = &opt.delimiter,
     .arg = "CHAR",
     .help = "What parts the columns of csv inputs, a character or the word tab. Default: found from the "
             "header."},
    {.name = "columns",
     .type = CLI_STRING,
     .to = &opt.columns,
     .arg = "LIST",
     .help = "Fields of a csv output, comma separated; others are left out. Default: those of the first "
             "records."},
    {.name = "tokenizer",
     .type = CLI_STRING,
     .to = &opt.tokenizer,
     .arg = "FILE",
     .help = "tokenizer.json or tiktoken file that texts are counted with. Default: bytes / 4, marked as "
             "estimated."},
    {.name = "turns",
     .type = CLI_CHOICE,
     .to = &opt.turns,
     .choices = "all|first|first-pair",
     .arg = "WHICH",
     .help = "Records of a conversation: all turns, the first, or the first two messages whoever speaks."},
    {.name = "peer-filter",
     .type = CLI_CHOICE,
     .to = &opt.peer,
     .choices = "none|vllm|sglang|aiperf|inference-perf",
     .arg = "TOOL",
     .help = "Keep of a sharegpt input what that tool keeps, by its own rule. Needs --tokenizer."},
    {.name = "payload",
     .type = CLI_FLAG,
     .to = &opt.payload,
     .negatable = 1,
     .help = "Keep texts; with --no-payload only their lengths and links. Default: yes."},
    {.name = "message-overhead",
     .type = CLI_U64,
     .to = &opt.overhead,
     .arg = "N",
     .help = "Tokens that the chat template adds for each message of a history. Default: 5, as ChatML, "
             "Llama 3 and "
             "Gemma add."},
    {.name = "text",
     .type = CLI_CHOICE,
     .to = &opt.text,
     .choices = "none|words",
     .arg = "KIND",
     .help = "words: texts of exact lengths for a trace without, of words that are one token each."},
    {.name = "arrivals",
     .type = CLI_STRING,
     .to = &opt.arrivals,
     .arg = "LAW",
     .help = "When sessions of an input without times begin: constant:RATE or poisson:RATE."},
    {.name = "think",
     .type = CLI_STRING,
     .to = &opt.think,
     .arg = "TIME",
     .help = "With --arrivals, time between the turns of a session: T, or exponential:T by its mean."},
    {.name = "seed",
     .type = CLI_U64,
     .to = &opt.seed,
     .arg = "N",
     .help = "Seed of --arrivals and --text. Default: 1."},
    {.name = "count-only",
     .type = CLI_FLAG,
     .to = &opt.count_only,
     .help = "Print the number of tokens of each line of the inputs, nothing else."},
    {.name = "special",
     .type = CLI_FLAG,
     .to = &opt.special,
     .help = "With --count-only: with the special tokens that the tokenizer puts round a text."},
    {.name = "threads",
     .type = CLI_U64,
     .to = &opt.threads,
     .arg = "N",
     .help = "Threads that count, 0 to 16. Default: as many as there are other processors, at most 8."},
    {.name = "verify-dataset",
     .type = CLI_STRING,
     .to = &opt.verify,
     .arg = "NAME",
     .help = "Hold the input against what is known of a published data set: checksum, rows, sums."},
    {.name = "skip-bad",
     .type = CLI_SKIP_BAD,
     .to = &opt.skip_bad,
     .arg = "N",
     .help = "Report bad rows or objects of foreign inputs and go on, at most N times. Without N: any number "
             "of times."},
    {.name = NULL},
};

static const struct cli_tool tool = {
    .name = "trace-convert",
    .synopsis = "[options] [file...]",
    .summary = "convert traces from any format to any format",
    .epilog = "Examples:\n"
              "  trace-convert azure.csv -o azure.trb\n"
              "  trace-convert azure.trb -f azure > azure.csv\n"
              "  trace-convert --map 'arrival=Timestamp:s,in=Request tokens,out=Response tokens' \\\n"
              "      burst.csv -o burst.trb\n"
              "  trace-convert --tokenizer tokenizer.json --arrivals poisson:2/s sharegpt.json -o chat.trb\n"
              "  trace-convert -f sharegpt --text words azure.csv > azure.json\n",
    .options = options,
    .max_files = -1,
};

struct job {
	const struct cli_args *args;
	struct tr_read_opts read;
	struct tr_writer *w;
	struct tr_head head; /* of the output */
	uint64_t records;
	uint64_t next_id; /* above every id so far */
	int read_failed;  /* the error at hand came from an input */
	int ended;        /* the input at hand was read to its end, or to its error */
	int cut;          /* status to exit with: an input ended early */
	struct tr_tokenizer *tokenizer;
	struct arrivals arrivals;
	struct word_texts words;
};

/* --- the head ---------------------------------------------------------------------------- */

static int push_history(struct tr_head *h, struct tr_err *err)
{
	size_t n;
	char *step;

	if (!h->tool)
		return 0;
	if (h->nhistory == TR_HISTORY_MAX) {
		int rc = tr_meta_set(&h->history[0], "(earlier steps are left out)", err);

		if (rc < 0)
			return rc;
		free(h->history[1]);
		h->nhistory--;
		memmove(h->history + 1, h->history + 2, (h->nhistory - 1) * sizeof(h->history[0]));
	}
	n = strlen(h->tool) + (h->options ? strlen(h->options) : 0) + 2;
	step = malloc(n);
	if (!step)
		return tr_fail(err, TR_ENOMEM, "no memory for the head");
	snprintf(step, n, "%s%s%s", h->tool, h->options && *h->options ? " " : "",
	         h->options ? h->options : "");
	h->history[h->nhistory++] = step;
	return 0;
}

static int make_head(struct job *job, const struct tr_head *from, struct tr_err *err)
{
	struct tr_head *h = &job->head;
	char version[64];
	int rc = tr_head_copy(h, from, err);

	snprintf(version, sizeof(version), "%s %s", tool.name, cli_version);
	if (rc == 0)
		rc = push_history(h, err);
	if (rc == 0)
		rc = tr_meta_set(&h->tool, version, err);
	if (rc == 0)
		rc = tr_meta_set(&h->options, job->args->line, err);
	if (rc == 0 && job->args->nfiles > 1)
		rc = tr_meta_set(&h->order, "file", err);
	if (job->arrivals.on || job->words.on) {
		h->has_seed = 1;
		h->seed = opt.seed;
	}
	return rc;
}

/* --- the trailer ------------------------------------------------------------------------- */

static int add_sources(struct tr_tail *to, const struct tr_tail *from, struct tr_err *err)
{
	for (unsigned i = 0; i < from->nsources; i++) {
		struct tr_source *s = &to->sources[to->nsources];
		int rc;

		if (to->nsources == TR_SOURCES_MAX) {
			cli_warn(&tool, "more than %d sources: the trailer names the first ones only",
			         TR_SOURCES_MAX);
			return 0;
		}
		*s = from->sources[i];
		s->name = NULL;
		rc = tr_meta_set(&s->name, from->sources[i].name, err);
		if (rc < 0)
			return rc;
		to->nsources++;
	}
	return 0;
}

static int rank(const char *verdict)
{
	static const char *const order[] = {"VALID", "SUSPECT", "VOID"};
	int r = 0;

	for (int i = 0; verdict && i < 3; i++)
		r = strcmp(verdict, order[i]) == 0 ? i + 1 : r;
	return r;
}

/* What an input's trailer says, after its end. Of several verdicts the worst counts. */
static int merge_tail(struct job *job, const struct tr_tail *from, int first, struct tr_err *err)
{
	struct tr_tail *to = tr_writer_tail(job->w);
	int rc = 0, whole = from->state && strcmp(from->state, "complete") == 0;

	if (first) {
		rc = tr_tail_copy_facts(to, from, err);
	} else {
		to->skipped += from->skipped;
		rc = add_sources(to, from, err);
		if (rc == 0 && rank(from->verdict) > rank(to->verdict)) {
			rc = tr_meta_set(&to->verdict, from->verdict, err);
			if (rc == 0)
				rc = tr_meta_set(&to->reasons, from->reasons, err);
		}
	}
	if (rc == 0 && job->args->nfiles > 1)
		rc = tr_meta_set(&to->style, NULL, err); /* the end of one file is not the end of all */
	if (rc == 0 && job->words.on && job->tokenizer) {
		rc = tr_meta_set(&to->tokenizer, tr_tokenizer_name(job->tokenizer), err);
		rc = rc < 0 ? rc
		            : tr_meta_set(&to->tokenizer_sha256, tr_tokenizer_sha256(job->tokenizer), err);
	}
	if (rc == 0 && !whole)
		rc = tr_meta_set(&to->state, "interrupted", err);
	return rc;
}

/* --- records ----------------------------------------------------------------------------- */

/* What is added to the records of one input. */
struct change {
	uint64_t id;
	int64_t ns;
	int other_style; /* source_row belongs to another spelling than the head's */
};

static void note_ids(struct job *job, const struct tr_block *b)
{
	const struct tr_column *c;

	if (b->kind != TR_REQUEST || b->col_of[TR_F_id] < 0)
		return;
	c = &b->cols[b->col_of[TR_F_id]];
	for (uint32_t i = 0; i < c->count; i++)
		if (c->v[i] >= job->next_id && c->v[i] < UINT64_MAX)
			job->next_id = c->v[i] + 1;
}

static int shift_ns(int64_t *t, int64_t by, struct tr_err *err)
{
	return __builtin_add_overflow(*t, by, t)
	           ? tr_fail(err, TR_EDATA, "more than 292 years from the first input")
	           : 0;
}

static int put_request(struct job *job, struct tr_rec *rec, const struct change *change, struct tr_err *err)
{
	uint64_t preds[1024], *ids = preds;
	int rc = TR_HAS(rec, arrival_ns) ? shift_ns(&rec->arrival_ns, change->ns, err) : 0;

	if (rc == 0 && TR_HAS(rec, id) && __builtin_add_overflow(rec->id, change->id, &rec->id))
		rc = tr_fail(err, TR_EDATA, "ids are too large to be numbered on");
	if (rc == 0 && TR_HAS(rec, parent) && __builtin_add_overflow(rec->parent, change->id, &rec->parent))
		rc = tr_fail(err, TR_EDATA, "ids of parents are too large to be numbered on");
	if (TR_HAS(rec, id) && rec->id >= job->next_id && rec->id < UINT64_MAX)
		job->next_id = rec->id + 1;
	if (change->other_style)
		rec->mask &= ~TR_BIT(source_row);
	rc = rc < 0 ? rc : arrivals_apply(&job->arrivals, rec, err);
	rc = rc < 0 ? rc : word_texts_apply(&job->words, rec, err);
	if (rc == 0 && TR_HAS(rec, preds)) {
		size_t n = rec->preds.n;

		if (n > sizeof(preds) / sizeof(preds[0]) && !(ids = calloc(n, sizeof(*ids))))
			return tr_fail(err, TR_ENOMEM, "no memory for predecessors");
		for (size_t i = 0; i < n; i++)
			ids[i] = rec->preds.v[i] + change->id;
		rec->preds.v = ids;
	}
	if (rc == 0)
		rc = tr_writer_put(job->w, rec, err);
	if (ids != preds)
		free(ids);
	return rc;
}

static int put_changed(struct job *job, const struct tr_block *b, const struct change *change,
                       struct tr_err *err)
{
	union {
		struct tr_rec rec;
		struct tr_series series;
		struct tr_event event;
	} u;
	struct tr_cursor cursor;
	int rc = 0;

	memset(&u, 0, sizeof(u));
	tr_cursor_init(&cursor, b);
	while (rc == 0 && tr_cursor_next(&cursor, &u)) {
		if (b->kind == TR_REQUEST) {
			rc = put_request(job, &u.rec, change, err);
		} else if (b->kind == TR_SERIES) {
			rc = shift_ns(&u.series.t_ns, change->ns, err);
			rc = rc < 0 ? rc : tr_writer_put_series(job->w, &u.series, err);
		} else {
			rc = shift_ns(&u.event.t_ns, change->ns, err);
			rc = rc < 0 ? rc : tr_writer_put_event(job->w, &u.event, err);
		}
	}
	/* A block without rows: nothing has come for a while. */
	if (rc == 0 && b->rows == 0)
		rc = tr_writer_flush(job->w, err);
	return rc;
}

static int same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* How the records of a further input come to follow those of the ones before. */
static int plan_change(struct job *job, struct tr_reader *r, struct change *change, struct tr_err *err)
{
	const struct tr_head *h = tr_reader_head(r), *first = &job->head;

	*change = (struct change){.id = job->next_id};
	change->other_style = !same_text(h->format, first->format) || !same_text(h->style, first->style);
	if (h->has_origin && first->has_origin) {
		if (__builtin_sub_overflow(h->origin_ns, first->origin_ns, &change->ns))
			return tr_fail(err, TR_EDATA, "more than 292 years from the first input");
	} else {
		cli_warn(&tool, "%s: arrivals stay as they are: %s has no wall time", tr_reader_name(r),
		         h->has_origin ? "the first input" : "it");
	}
	return 0;
}

/* --- inputs ------------------------------------------------------------------------------ */

static int copy(struct job *job, struct tr_reader *r, int first, struct tr_err *err)
{
	struct change change = {0};
	int rc = first ? 0 : plan_change(job, r, &change, err);

	job->ended = 0;
	while (rc >= 0 && !cli_interrupted()) {
		struct tr_block *b;

		rc = tr_reader_block(r, &b, err);
		job->read_failed = rc < 0;
		job->ended = rc <= 0;
		if (rc <= 0)
			break;
		job->records += b->rows;
		if (first && !job->arrivals.on && !job->words.on) {
			note_ids(job, b);
			rc = tr_writer_block(job->w, b, err);
		} else {
			rc = put_changed(job, b, &change, err);
			tr_block_unref(b);
		}
		cli_progress(&tool, job->args, job->records);
	}
	return rc;
}

static int start_output(struct job *job, const struct tr_reader *r, struct tr_err *err)
{
	struct tr_write_opts write = {
	    .columns = opt.columns, .warn = cli_on_warning, .warn_ctx = (void *)&tool};
	int rc = make_head(job, tr_reader_head(r), err);

	return rc < 0 ? rc : tr_create(&job->w, opt.path, opt.format, &job->head, &write, err);
}

/* An input that was cut, or a damaged stream of ours, gives what is whole, and the exit status tells; so does
 * any input on its way through a pipe, where what has gone cannot be called back. A bad row of a foreign file
 * makes no output file. */
static int keep_what_came(const struct job *job, const struct tr_reader *r, int rc)
{
	int to_stdout = !opt.path || strcmp(opt.path, "-") == 0;

	return job->w && job->read_failed && (rc == -TR_ECUT || to_stdout || tr_reader_is_own(r));
}

static int take_input(struct job *job, const char *path, struct tr_err *err)
{
	struct tr_reader *r;
	int first = !job->w, rc = tr_open(&r, path, opt.input_format, &job->read, err);

	if (rc < 0)
		return rc;
	if (first) {
		cli_catch_signals(); /* until now there is nothing to bring to an end in order */
		rc = start_output(job, r, err);
	}
	if (rc == 0)
		rc = copy(job, r, first, err);
	cli_progress_done(job->args);
	if (rc < 0 && keep_what_came(job, r, rc)) {
		cli_warn_err(&tool, err);
		job->cut = tr_code_exit(rc);
		rc = 0;
	}
	/* Before its end an input's trailer is not ours to read. */
	if (rc >= 0 && job->ended)
		rc = merge_tail(job, tr_reader_tail(r), first, err);
	tr_reader_close(r);
	return rc;
}

static int check_options(struct job *job, struct tr_err *err)
{
	const struct tr_format *csv = tr_format_find("csv");
	const struct tr_format *to = opt.format || !opt.path ? opt.format : tr_format_of_path(opt.path);
	const char *d = opt.delimiter;

	if (opt.columns && to != csv)
		return cli_bad_option(err, "--columns", NULL, "the output is not csv");
	if ((opt.map || d) && opt.input_format && opt.input_format != csv)
		return cli_bad_option(err, opt.map ? "--map" : "--delimiter", NULL, "the input is not csv");
	if (d && strcmp(d, "tab") == 0)
		d = "\t";
	if (d && (strlen(d) != 1 || strchr("\"\r\n", *d)))
		return cli_bad_option(err, "--delimiter", NULL, "not one character");
	if (opt.threads == UINT64_MAX)
		opt.threads = tr_pool_spare_processors();
	if (opt.threads > TR_POOL_THREADS)
		return cli_bad_option(err, "--threads", NULL, "more than 16");
	if (opt.overhead > 1000)
		return cli_bad_option(err, "--message-overhead", NULL, "more than 1000");
	if (opt.peer && !opt.tokenizer)
		return cli_bad_option(err, "--peer-filter", NULL,
		                      "needs --tokenizer: these rules count tokens");
	if (opt.think && !opt.arrivals)
		return cli_bad_option(err, "--think", NULL, "goes with --arrivals");
	if (opt.special && !opt.count_only)
		return cli_bad_option(err, "--special", NULL, "goes with --count-only");
	job->read = (struct tr_read_opts){.map = opt.map,
	                                  .delimiter = d ? *d : 0,
	                                  .turns = (enum tr_turns)opt.turns,
	                                  .peer = (enum tr_peer)opt.peer,
	                                  .no_payload = !opt.payload,
	                                  .message_overhead = (unsigned)opt.overhead,
	                                  .threads = (unsigned)opt.threads,
	                                  .skip_bad = opt.skip_bad,
	                                  .warn = cli_on_warning,
	                                  .warn_ctx = (void *)&tool};
	return 0;
}

/* What options name is made ready. */
static int prepare(struct job *job, struct tr_err *err)
{
	int rc = check_options(job, err);

	if (rc == 0 && opt.tokenizer)
		rc = tr_tokenizer_open(&job->tokenizer, opt.tokenizer, err);
	job->read.tokenizer = job->tokenizer;
	if (rc == 0 && opt.arrivals)
		rc = arrivals_init(&job->arrivals, opt.arrivals, opt.think, opt.seed, err);
	if (rc == 0 && opt.text)
		rc = word_texts_init(&job->words, job->tokenizer, opt.seed, err);
	return rc;
}

static void clean(struct job *job)
{
	tr_head_free(&job->head);
	word_texts_free(&job->words);
	tr_tokenizer_free(job->tokenizer);
}

int main(int argc, char **argv)
{
	static char stdin_name[] = "-", *stdin_only[] = {stdin_name};
	struct cli_args args;
	struct job job = {.args = &args};
	struct tr_err err;
	int rc;

	cli_parse(&tool, argc, argv, &args);
	if (args.nfiles == 0) {
		args.files = stdin_only;
		args.nfiles = 1;
	}
	tr_err_clear(&err);
	if (opt.verify)
		return verify_dataset(&tool, opt.verify, args.files[0]);
	if (prepare(&job, &err) < 0) {
		clean(&job);
		return cli_fail(&tool, &err);
	}
	if (opt.count_only) {
		rc = count_lines(&tool, &args, job.tokenizer, (unsigned)opt.threads, opt.special);
		clean(&job);
		return rc;
	}
	rc = 0;
	for (int i = 0; i < args.nfiles && rc >= 0 && !cli_interrupted(); i++)
		rc = take_input(&job, args.files[i], &err);
	if (rc >= 0 && job.w && cli_interrupted())
		rc = tr_meta_set(&tr_writer_tail(job.w)->state, "interrupted", &err);
	if (rc < 0)
		tr_writer_abort(job.w);
	else if (job.w)
		rc = tr_writer_finish(job.w, &err);
	if (job.words.raised)
		cli_warn(&tool,
		         "%llu turns are not longer than the prompt and answer before: they got one word",
		         (unsigned long long)job.words.raised);
	clean(&job);
	if (rc < 0)
		return cli_fail(&tool, &err);
	if (cli_interrupted())
		return 128 + cli_interrupted();
	return job.cut;
}
