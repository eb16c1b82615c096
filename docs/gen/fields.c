/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the field tables of libtrace/rec.h as scdoc tables, for docs/man/trb.5.scd: the specification cannot
 * differ from the code.
 */
#include "libtrace/rec.h"
#include <stdio.h>

static const char *const type_name[] = {
    [TR_TYPE_U64] = "unsigned", [TR_TYPE_I64] = "signed", [TR_TYPE_F64] = "binary64",
    [TR_TYPE_STR] = "string",   [TR_TYPE_LIST] = "list",
};

/* scdoc reads * and _ as markup, and an empty cell needs nothing. */
static void cell(const char *bullet, const char *text)
{
	printf("%s", bullet);
	for (; *text; text++) {
		if (*text == '_' || *text == '*' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\n');
}

static void table(char block, const struct tr_schema *s)
{
	printf("%c blocks, %s:\n\n", block, s->name);
	printf("|[ *number*\n:[ *name*\n:[ *type*\n:[ *unit*\n:< *meaning*\n");
	for (unsigned i = 0; i < s->nfields; i++) {
		const struct tr_field *f = &s->fields[i];
		printf("|  %u\n", f->bit);
		cell(":  ", f->name);
		cell(":  ", type_name[f->type]);
		cell(":  ", f->unit);
		cell(":  ", f->text);
	}
	putchar('\n');
}

int main(void)
{
	static const char block[TR_KINDS] = {[TR_REQUEST] = 'R', [TR_SERIES] = 'S', [TR_EVENT] = 'E'};
	for (int k = 0; k < TR_KINDS; k++)
		table(block[k], &tr_schemas[k]);
	return fflush(stdout) != 0;
}
