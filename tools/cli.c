/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser of the command line: one table of options for all tools, strict, with the nearest name for a
 * wrong one. Not getopt_long: it accepts abbreviations (a new option would break scripts), and cannot
 * suggest.
 */
#include "tools/cli_impl.h"
#include "libtrace/near.h"
#include "libtrace/num.h"
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char cli_version[] = REPRISE_VERSION;

int cli_quiet;
int cli_progress_wanted = -1;

const struct cli_option cli_common[] = {
    {.name = "quiet",
     .letter = 'q',
     .type = CLI_FLAG,
     .to = &cli_quiet,
     .help = "No progress and no notes; warnings and errors only."},
    {.name = "progress",
     .type = CLI_FLAG,
     .to = &cli_progress_wanted,
     .help = "Show progress on standard error. Default: when that is a terminal.",
     .negatable = 1},
    {.name = "help", .letter = 'h', .type = CLI_FLAG, .help = "Show this help."},
    {.name = "version", .type = CLI_FLAG, .help = "Show the version."},
    {0},
};

/* What cli_parse hands out lives as long as the process. */
static struct {
	char *line;
	char **files;
	size_t *secret; /* for each argument: where a secret value begins in it; SIZE_MAX = nowhere */
} kept;

struct parse {
	const struct cli_tool *tool;
	char **argv;
	int argc, at; /* argv[at] is being read */
};

const struct cli_option *cli_nth(const struct cli_tool *tool, int i, char *letter)
{
	int own = 0;
	while (tool->options && tool->options[own].name)
		own++;
	const struct cli_option *o = i < own ? &tool->options[i] : &cli_common[i - own];
	if (!o->name)
		return NULL;
	if (!letter)
		return o;
	*letter = o->letter;
	for (int k = 0; k < own && i >= own; k++)
		if (tool->options[k].letter == o->letter)
			*letter = 0;
	return o;
}

const char *cli_choice(const char *choices, int i, char *out)
{
	for (; i > 0 && choices; i--) {
		choices = strchr(choices, '|');
		choices = choices ? choices + 1 : NULL;
	}
	if (!choices)
		return NULL;
	size_t n = strcspn(choices, "|");
	if (n >= CLI_WORD)
		n = CLI_WORD - 1;
	memcpy(out, choices, n);
	out[n] = 0;
	return out;
}

const char *cli_format_name(const void *ctx, int i)
{
	(void)ctx;
	return tr_formats[i].name;
}

/* --- usage errors ------------------------------------------------------------------------ */

static _Noreturn void usage(const struct cli_tool *tool, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static _Noreturn void usage(const struct cli_tool *tool, const char *fmt, ...)
{
	char text[CLI_LINE];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	cli_say(tool, text);
	fprintf(stderr, "try %s --help\n", tool->name);
	exit(tr_code_exit(TR_EUSAGE));
}

/* `tool: --option: what is wrong: "value"` and, when there is one, `; did you mean "x"?` */
static _Noreturn void bad_value(const struct parse *p, const struct cli_option *o, const char *why,
                                const char *value, const char *more, const char *near)
{
	struct tr_err err;
	char text[CLI_LINE];
	tr_fail(&err, TR_EUSAGE, "%s", why);
	char name[CLI_WORD];
	snprintf(name, sizeof name, "--%s", o->name);
	tr_err_field(&err, name, strlen(name));
	tr_err_value(&err, value, strlen(value));
	tr_err_format(&err, text, sizeof text);
	usage(p->tool, "%s%s%s%s%s", text, more, near ? "; did you mean \"" : "", near ? near : "",
	      near ? "\"?" : "");
}

static const char *option_name(const void *ctx, int i)
{
	const struct cli_option *o = cli_nth(ctx, i, NULL);
	return o ? o->name : NULL;
}

/* The names of flags that have a --no- form; an empty name, near to nothing, in the place of the others. */
static const char *negatable_name(const void *ctx, int i)
{
	const struct cli_option *o = cli_nth(ctx, i, NULL);
	return !o ? NULL : o->negatable ? o->name : "";
}

static _Noreturn void unknown_long(const struct parse *p, const char *name, size_t n)
{
	char word[CLI_WORD] = "";
	if (n < sizeof word)
		memcpy(word, name, n);
	const char *no = "", *near = tr_near(tr_slice_of(word), option_name, p->tool);
	if (!near && strncmp(word, "no-", 3) == 0) {
		no = "no-";
		near = tr_near(tr_slice_of(word + 3), negatable_name, p->tool);
	}
	if (near)
		usage(p->tool, "unknown option \"--%.*s\"; did you mean \"--%s%s\"?", (int)n, name, no, near);
	usage(p->tool, "unknown option \"--%.*s\"", (int)n, name);
}

/* --- values ------------------------------------------------------------------------------ */

static const char *choice_name(const void *ctx, int i)
{
	static char word[CLI_WORD];
	return cli_choice(ctx, i, word);
}

static void list_names(const char *(*name)(const void *, int), const void *ctx, char *out, size_t size)
{
	const char *word;
	size_t n = (size_t)snprintf(out, size, "; there is ");
	for (int i = 0; n < size && (word = name(ctx, i)); i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "", word);
}

static void set_choice(const struct parse *p, const struct cli_option *o, const char *value)
{
	char word[CLI_WORD], more[CLI_LINE / 2];
	for (int i = 0; cli_choice(o->choices, i, word); i++)
		if (strcmp(word, value) == 0) {
			*(int *)o->to = i;
			return;
		}
	list_names(choice_name, o->choices, more, sizeof more);
	bad_value(p, o, "unknown word", value, more, tr_near(tr_slice_of(value), choice_name, o->choices));
}

static void set_format(const struct parse *p, const struct cli_option *o, const char *value)
{
	char more[CLI_LINE / 2];
	const struct tr_format *f = tr_format_find(value);
	if (f) {
		*(const struct tr_format **)o->to = f;
		return;
	}
	list_names(cli_format_name, NULL, more, sizeof more);
	bad_value(p, o, "unknown format", value, more, tr_near(tr_slice_of(value), cli_format_name, NULL));
}

static void set_list(const struct parse *p, const struct cli_option *o, const char *value)
{
	struct cli_list *list = o->to;
	if (list->n == sizeof list->v / sizeof *list->v)
		bad_value(p, o, "given too often", value, "", NULL);
	list->v[list->n++] = value;
}

static void set_string(const struct parse *p, const struct cli_option *o, const char *value)
{
	(void)p;
	*(const char **)o->to = value;
}

#define NUMBER_SETTER(function, ctype, parse_number)                                                         \
	static void function(const struct parse *p, const struct cli_option *o, const char *value)           \
	{                                                                                                    \
		const char *why = parse_number((struct tr_slice){value, strlen(value)}, (ctype *)o->to);     \
		if (why)                                                                                     \
			bad_value(p, o, why, value, "", NULL);                                               \
	}
NUMBER_SETTER(set_u64, uint64_t, tr_num_count)
NUMBER_SETTER(set_duration, int64_t, tr_num_duration)
NUMBER_SETTER(set_ratio, struct tr_ratio, tr_num_ratio)

static void set_skip_bad(const struct parse *p, const struct cli_option *o, const char *value)
{
	if (value)
		set_u64(p, o, value);
	else
		*(uint64_t *)o->to = UINT64_MAX;
}

static const struct {
	void (*set)(const struct parse *p, const struct cli_option *o, const char *value);
	enum { ARG_NONE, ARG_NEEDED, ARG_OPTIONAL } arg;
} types[] = {
    [CLI_FLAG] = {NULL, ARG_NONE},
    [CLI_STRING] = {set_string, ARG_NEEDED},
    [CLI_U64] = {set_u64, ARG_NEEDED},
    [CLI_DURATION] = {set_duration, ARG_NEEDED},
    [CLI_RATIO] = {set_ratio, ARG_NEEDED},
    [CLI_FORMAT] = {set_format, ARG_NEEDED},
    [CLI_SKIP_BAD] = {set_skip_bad, ARG_OPTIONAL},
    [CLI_CHOICE] = {set_choice, ARG_NEEDED},
    [CLI_LIST] = {set_list, ARG_NEEDED},
};

/* --- options ----------------------------------------------------------------------------- */

static _Noreturn void leave(const struct cli_tool *tool)
{
	exit(cli_close_stdout(tool, 0));
}

static void set_flag(const struct parse *p, const struct cli_option *o, int value)
{
	if (o->to) {
		*(int *)o->to = value;
		return;
	}
	if (strcmp(o->name, "version") == 0)
		printf("%s %s\n", p->tool->name, cli_version);
	else
		cli_print_help(p->tool, stdout);
	leave(p->tool);
}

/* Whole words, so that --api-key is a secret and --max-tokens is not. */
static int is_secret(const char *name)
{
	static const char *const words[] = {"key", "token", "header", "headers", "proxy"};
	while (*name) {
		size_t n = strcspn(name, "-");
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (strlen(words[i]) == n && memcmp(words[i], name, n) == 0)
				return 1;
		name += n + (name[n] == '-');
	}
	return 0;
}

/* The value begins at `value` in argv[at]. */
static void take_value(struct parse *p, const struct cli_option *o, const char *value)
{
	if (value && is_secret(o->name))
		kept.secret[p->at] = (size_t)(value - p->argv[p->at]);
	types[o->type].set(p, o, value);
}

/* The value of an option is the rest of its argument (may be NULL), else the next argument. */
static void take_option(struct parse *p, const struct cli_option *o, const char *rest)
{
	if (!rest && types[o->type].arg == ARG_NEEDED) {
		if (p->at + 1 >= p->argc)
			usage(p->tool, "option \"--%s\" needs a value: %s", o->name,
			      o->arg ? o->arg : "VALUE");
		rest = p->argv[++p->at];
	}
	take_value(p, o, rest);
}

static void parse_long(struct parse *p, const char *name)
{
	size_t n = strcspn(name, "=");
	const char *value = name[n] ? name + n + 1 : NULL;
	const struct cli_option *o;
	for (int i = 0; (o = cli_nth(p->tool, i, NULL)); i++) {
		int no = o->negatable && n > 3 && strncmp(name, "no-", 3) == 0;
		const char *stem = no ? name + 3 : name;
		size_t stem_n = no ? n - 3 : n;
		if (strlen(o->name) != stem_n || memcmp(o->name, stem, stem_n) != 0)
			continue;
		if (types[o->type].arg != ARG_NONE)
			take_option(p, o, value);
		else if (value)
			usage(p->tool, "option \"--%.*s\" takes no value: \"%s\"", (int)n, name, value);
		else
			set_flag(p, o, !no);
		return;
	}
	/* For the pages and the shells; no word of them in the help. */
	if (n == 8 && strcmp(name, "help-man") == 0) {
		cli_print_man(p->tool, stdout);
		leave(p->tool);
	}
	if (n == 10 && memcmp(name, "completion", n) == 0) {
		const char *shell = value ? value : p->at + 1 < p->argc ? p->argv[p->at + 1] : "";
		if (cli_print_completion(p->tool, shell, stdout) != 0)
			usage(p->tool, "no completion for this shell: \"%s\"; there is bash, zsh", shell);
		leave(p->tool);
	}
	unknown_long(p, name, n);
}

static void parse_short(struct parse *p, const char *letters)
{
	const struct cli_option *o;
	char letter = 0;
	for (; *letters; letters++) {
		for (int i = 0; (o = cli_nth(p->tool, i, &letter)); i++)
			if (letter && letter == *letters)
				break;
		if (!o)
			usage(p->tool, "unknown option \"-%c\"", *letters);
		if (types[o->type].arg != ARG_NONE) {
			take_option(p, o, letters[1] ? letters + 1 : NULL);
			return;
		}
		set_flag(p, o, 1);
	}
}

/* --- the whole line ---------------------------------------------------------------------- */

/* The arguments joined by blanks; one that a shell would take apart stands in quotes. */
static char *join(int argc, char **argv)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./,:@%";
	size_t size = 1, n = 0;
	for (int i = 1; i < argc; i++)
		size += 4 * strlen(argv[i]) + 6; /* a quote becomes '\'' */
	char *line = malloc(size);
	if (!line)
		return NULL;
	for (int i = 1; i < argc; i++) {
		const char *s = argv[i];
		size_t keep = strlen(s), shown = kept.secret[i] < keep ? kept.secret[i] : keep;
		int quote = kept.secret[i] != 0 && (keep == 0 || strspn(s, plain) < shown);
		if (i > 1)
			line[n++] = ' ';
		if (quote)
			line[n++] = '\'';
		for (size_t k = 0; k < shown; k++) {
			if (s[k] == '\'') {
				memcpy(line + n, "'\\'", 3);
				n += 3;
			}
			line[n++] = s[k];
		}
		if (quote)
			line[n++] = '\'';
		if (kept.secret[i] != SIZE_MAX) {
			memcpy(line + n, "***", 3);
			n += 3;
		}
	}
	line[n] = 0;
	return line;
}

/* A file opened later must never become descriptor 0, 1 or 2. What was closed cannot be used: reading from
 * the one, writing to the others, fails. */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
			exit(tr_code_exit(TR_EIO));
}

static _Noreturn void no_memory(const struct cli_tool *tool)
{
	cli_say(tool, tr_code_text(TR_ENOMEM));
	exit(tr_code_exit(TR_ENOMEM));
}

void cli_parse(const struct cli_tool *tool, int argc, char **argv, struct cli_args *args)
{
	fill_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);

	struct parse p = {tool, argv, argc, 1};
	int nfiles = 0, ended = 0;
	free(kept.line);
	free(kept.files);
	free(kept.secret);
	kept.line = NULL;
	kept.secret = calloc((size_t)argc + 1, sizeof *kept.secret);
	kept.files = calloc((size_t)argc + 1, sizeof *kept.files);
	if (!kept.secret || !kept.files)
		no_memory(tool);
	for (int i = 0; i <= argc; i++)
		kept.secret[i] = SIZE_MAX;
	for (; p.at < argc; p.at++) {
		char *s = argv[p.at];
		if (ended || s[0] != '-' || s[1] == 0)
			kept.files[nfiles++] = s;
		else if (strcmp(s, "--") == 0)
			ended = 1;
		else if (s[1] == '-')
			parse_long(&p, s + 2);
		else
			parse_short(&p, s + 1);
	}
	if (tool->max_files >= 0 && nfiles > tool->max_files)
		usage(tool, "one argument too many: \"%s\"", kept.files[tool->max_files]);
	kept.line = join(argc, argv);
	if (!kept.line)
		no_memory(tool);

	args->files = kept.files;
	args->nfiles = nfiles;
	args->line = kept.line;
	args->quiet = cli_quiet;
	args->progress =
	    !cli_quiet && (cli_progress_wanted < 0 ? isatty(STDERR_FILENO) : cli_progress_wanted);
}
