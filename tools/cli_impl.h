/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the parts of cli: the table that the parser, the help and the completions walk, and the usage
 * error.
 */
#ifndef TOOLS_CLI_IMPL_H
#define TOOLS_CLI_IMPL_H

#include "tools/cli.h"

enum { CLI_LINE = 1024, CLI_WORD = 64 };

/* The options of every tool. --help and --version have no place to store to: the parser answers them. */
extern const struct cli_option cli_common[];
extern int cli_quiet;
extern int cli_progress_wanted; /* -1 = decide by the terminal */

/* The i-th option, own before common; NULL at the end. *letter (may be NULL) is its short form, 0 when an own
 * option has taken that letter. */
const struct cli_option *cli_nth(const struct cli_tool *tool, int i, char *letter);

/* The i-th word of "a|b|c" into out (CLI_WORD bytes); NULL at the end. */
const char *cli_choice(const char *choices, int i, char *out);
const char *cli_format_name(const void *ctx, int i);

void cli_print_help(const struct cli_tool *tool, FILE *f);
void cli_print_man(const struct cli_tool *tool, FILE *f);
/* 0, or -1 for an unknown shell. */
int cli_print_completion(const struct cli_tool *tool, const char *shell, FILE *f);

/* `tool: text`, made one line, with the progress line taken away first. */
void cli_say(const struct cli_tool *tool, const char *text);

#endif
