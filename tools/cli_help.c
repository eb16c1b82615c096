/* SPDX-License-Identifier: Apache-2.0
 *
 * What the option table says of itself: --help, the man page's options, completion for bash and zsh.
 */
#include "tools/cli_impl.h"
#include <string.h>

enum { HELP_COLUMN = 26, HELP_WIDTH = 79 };

/* --- help -------------------------------------------------------------------------------- */

static const char *argument(const struct cli_option *o)
{
	return o->type == CLI_FLAG ? "" : o->arg ? o->arg : "VALUE";
}

/* "  -o, --output FILE" */
static int print_form(const struct cli_option *o, char letter, FILE *f)
{
	char dash[] = {'-', letter, ',', 0};
	int optional = o->type == CLI_SKIP_BAD;
	return fprintf(f, "  %3s --%s%s%s%s%s", letter ? dash : "", o->negatable ? "[no-]" : "", o->name,
	               optional              ? "[="
	               : o->type == CLI_FLAG ? ""
	                                     : " ",
	               argument(o), optional ? "]" : "");
}

static void print_wrapped(const char *text, int column, FILE *f)
{
	while (*text) {
		int n = (int)strcspn(text, " ");
		if (column > HELP_COLUMN && column + 1 + n > HELP_WIDTH) {
			fprintf(f, "\n");
			column = 0;
		}
		if (column < HELP_COLUMN)
			fprintf(f, "%*s", HELP_COLUMN - column, "");
		else
			fprintf(f, " ");
		column = (column < HELP_COLUMN ? HELP_COLUMN : column + 1) + n;
		fprintf(f, "%.*s", n, text);
		text += n;
		text += strspn(text, " ");
	}
}

void cli_print_help(const struct cli_tool *tool, FILE *f)
{
	const struct cli_option *o;
	char letter = 0;
	fprintf(f, "usage: %s %s\n\n%s\n\n", tool->name, tool->synopsis, tool->summary);
	for (int i = 0; (o = cli_nth(tool, i, &letter)); i++) {
		int column = print_form(o, letter, f);
		if (column > HELP_COLUMN - 2) {
			fprintf(f, "\n");
			column = 0;
		}
		char text[CLI_LINE];
		int choice = o->type == CLI_CHOICE;
		snprintf(text, sizeof text, "%s%s%s%s", o->help, choice ? " (" : "", choice ? o->choices : "",
		         choice ? ")" : "");
		print_wrapped(text, column, f);
		fprintf(f, "\n");
	}
	if (tool->epilog)
		fprintf(f, "\n%s%s", tool->epilog,
		        tool->epilog[strlen(tool->epilog) - 1] == '\n' ? "" : "\n");
}

/* --- man page ---------------------------------------------------------------------------- */

static void print_escaped(const char *text, const char *special, FILE *f)
{
	for (; *text; text++) {
		if (strchr(special, *text))
			putc('\\', f);
		putc(*text, f);
	}
}

void cli_print_man(const struct cli_tool *tool, FILE *f)
{
	static const char special[] = "\\*_+#|[]<>";
	const struct cli_option *o;
	char letter = 0;
	for (int i = 0; (o = cli_nth(tool, i, &letter)); i++) {
		if (letter)
			fprintf(f, "*-%c*, ", letter);
		fprintf(f, "*--%s%s*", o->negatable ? "\\[no-\\]" : "", o->name);
		if (o->type != CLI_FLAG) {
			fputs(o->type == CLI_SKIP_BAD ? "\\[=_" : " _", f);
			print_escaped(argument(o), special, f);
			fputs(o->type == CLI_SKIP_BAD ? "_\\]" : "_", f);
		}
		fprintf(f, "\n\t");
		print_escaped(o->help, special, f);
		char word[CLI_WORD];
		for (int k = 0; o->type == CLI_CHOICE && cli_choice(o->choices, k, word); k++) {
			fprintf(f, "%s*", k ? ", " : " One of ");
			print_escaped(word, special, f);
			fprintf(f, "*");
		}
		fprintf(f, "%s\n\n", o->type == CLI_CHOICE ? "." : "");
	}
}

/* --- completion -------------------------------------------------------------------------- */

/* The words that may stand for the value of an option, blank separated; nothing when it takes any text. */
static void print_words(const struct cli_option *o, FILE *f)
{
	char word[CLI_WORD];
	const char *name;
	for (int k = 0; o->type == CLI_CHOICE && (name = cli_choice(o->choices, k, word)); k++)
		fprintf(f, "%s%s", k ? " " : "", name);
	for (int k = 0; o->type == CLI_FORMAT && (name = cli_format_name(NULL, k)); k++)
		fprintf(f, "%s%s", k ? " " : "", name);
}

static int has_words(const struct cli_option *o)
{
	return o->type == CLI_CHOICE || o->type == CLI_FORMAT;
}

static void print_bash(const struct cli_tool *tool, FILE *f)
{
	const struct cli_option *o;
	char letter = 0;
	fprintf(f, "_%s() {\n", tool->name);
	fputs("\tlocal cur=$2 prev=$3 words=\n"
	      "\t[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
	      "\t[[ $cur == = ]] && cur=\n"
	      "\tcase $prev in\n",
	      f);
	for (int i = 0; (o = cli_nth(tool, i, &letter)); i++) {
		if (!has_words(o))
			continue;
		char also[] = {'|', '-', letter, 0};
		fprintf(f, "\t--%s%s) words='", o->name, letter ? also : "");
		print_words(o, f);
		fputs("' ;;\n", f);
	}
	fputs("\t*) [[ $cur == -* ]] && words='", f);
	for (int i = 0; (o = cli_nth(tool, i, &letter)); i++) {
		fprintf(f, "%s--%s", i ? " " : "", o->name);
		if (o->negatable)
			fprintf(f, " --no-%s", o->name);
		if (letter)
			fprintf(f, " -%c", letter);
	}
	fputs("' ;;\n\tesac\n"
	      "\t[[ $words ]] && mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n",
	      f);
	fprintf(f, "complete -o default -F _%s %s\n", tool->name, tool->name);
}

/* One specification of zsh's _arguments: '(-o --output)'{-o+,--output=}'[help]:FILE:_files' */
static void print_zsh_option(const struct cli_option *o, const char *no, char letter, FILE *f)
{
	int takes = o->type != CLI_FLAG;
	fputs("\t", f);
	if (letter)
		fprintf(f, "'(-%c --%s)'{-%c%s,--%s%s}", letter, o->name, letter, takes ? "+" : "", o->name,
		        takes ? "=" : "");
	else
		fprintf(f, "--%s%s%s", no, o->name, takes ? o->type == CLI_SKIP_BAD ? "=-" : "=" : "");
	fputs("'[", f);
	for (const char *c = o->help; *c; c++) {
		if (*c == '\'')
			fputs("'\\'", f); /* the quote ends, a quote, and begins again below */
		else if (strchr("[]:\\", *c))
			putc('\\', f);
		putc(*c, f);
	}
	fputs("]", f);
	if (takes) {
		fprintf(f, "%s%s:", o->type == CLI_SKIP_BAD ? "::" : ":", argument(o));
		if (has_words(o)) {
			fputs("(", f);
			print_words(o, f);
			fputs(")", f);
		} else if (o->type == CLI_STRING || o->type == CLI_LIST) {
			fputs("_files", f);
		}
	}
	fputs("' \\\n", f);
}

static void print_zsh(const struct cli_tool *tool, FILE *f)
{
	const struct cli_option *o;
	char letter = 0;
	fprintf(f, "#compdef %s\n_arguments -s -S \\\n", tool->name);
	for (int i = 0; (o = cli_nth(tool, i, &letter)); i++) {
		print_zsh_option(o, "", letter, f);
		if (o->negatable)
			print_zsh_option(o, "no-", 0, f);
	}
	fputs("\t'*:file:_files'\n", f);
}

int cli_print_completion(const struct cli_tool *tool, const char *shell, FILE *f)
{
	if (strcmp(shell, "bash") == 0)
		print_bash(tool, f);
	else if (strcmp(shell, "zsh") == 0)
		print_zsh(tool, f);
	else
		return -1;
	return 0;
}
