/* SPDX-License-Identifier: Apache-2.0
 *
 * What every tool does the same way: options from one table (parser, --help, man page and shell
 * completion), messages, exit status, signals, progress.
 */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include "formats/formats.h"
#include "libtrace/err.h"
#include <stdio.h>

enum cli_type {
	CLI_FLAG,     /* int: set to 1; --no-NAME sets 0 where negatable */
	CLI_STRING,   /* const char * */
	CLI_U64,      /* uint64_t, "10k" "64Ki" allowed */
	CLI_DURATION, /* int64_t nanoseconds */
	CLI_RATIO,    /* struct tr_ratio */
	CLI_FORMAT,   /* const struct tr_format * */
	CLI_SKIP_BAD, /* uint64_t, argument optional: --skip-bad or --skip-bad=N */
	CLI_CHOICE,   /* int: index in choices ("nearest|linear") */
	CLI_LIST,     /* struct cli_list: may be given several times */
};

struct cli_option {
	const char *name; /* long name without -- */
	char letter;      /* short form, 0 = none */
	enum cli_type type;
	void *to;
	const char *arg;     /* word for the argument in help, NULL for flags */
	const char *help;    /* one or two lines, no newline; the same text stands in the man page */
	const char *choices; /* CLI_CHOICE */
	int negatable;       /* CLI_FLAG: --no-NAME too */
};
struct cli_list {
	const char *v[64];
	unsigned n;
};

struct cli_tool {
	const char *name;     /* "trace-convert" */
	const char *synopsis; /* "[options] [file...]" */
	const char *summary;  /* one line */
	const char *epilog;   /* examples, shown after the options; NULL = none */
	struct cli_option *
	    options; /* own options, ends with name NULL; --help --version -q --progress come by themselves */
	int max_files; /* operands allowed; -1 = any number */
};

struct cli_args {
	char **files;
	int nfiles;
	char *line; /* the options as given, secrets redacted: for head.options */
	int quiet;
	int progress; /* decided: show progress */
};

/* Parses argv; answers --help, --version, --help-man, --completion and exits on them; a usage error ends with
 * 2 and the nearest option. Also ignores SIGPIPE and makes sure that descriptors 0 to 2 exist. */
void cli_parse(const struct cli_tool *tool, int argc, char **argv, struct cli_args *args);

/* `tool: message` on stderr, one line. */
void cli_warn(const struct cli_tool *tool, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_warn_err(const struct cli_tool *tool, const struct tr_err *err);
/* Print the error and give the exit status for it. TR_EPIPE ends the process here, quietly, by SIGPIPE: give
 * up unfinished outputs first. */
int cli_fail(const struct cli_tool *tool, const struct tr_err *err);

/* The value of an option does not do: fills err for cli_fail, returns -TR_EUSAGE. value NULL: not to be
 * shown. */
int cli_bad_option(struct tr_err *err, const char *option, const char *value, const char *why);

/* First SIGINT, SIGTERM or SIGHUP sets the flag, a second one kills. cli_interrupted() = signal number or 0.
 */
void cli_catch_signals(void);
/* Readers at the end of a pipeline ignore the first SIGINT and finish at end of input. */
void cli_ignore_first_interrupt(void);
int cli_interrupted(void);

/* Flush and close stdout, checking; returns the exit status to use when `status` was the tool's own. */
int cli_close_stdout(const struct cli_tool *tool, int status);

/* Progress line on stderr, at most four times a second; done clears it. */
void cli_progress(const struct cli_tool *tool, const struct cli_args *args, uint64_t records);
void cli_progress_done(const struct cli_args *args);

/* tr_read_opts.warn and tr_write_opts.warn for a tool (ctx = const struct cli_tool *). */
void cli_on_warning(void *ctx, const struct tr_err *err);

extern const char cli_version[]; /* "0.1.0" */

#endif
