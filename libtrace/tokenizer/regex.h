/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the translation of regular expressions: regex.c walks over one, regex_class.c reads escapes and
 * classes.
 */
#ifndef LIBTRACE_TOKENIZER_REGEX_H
#define LIBTRACE_TOKENIZER_REGEX_H

#include "libtrace/tokenizer/impl.h"

enum { REGEX_NESTING = 64, REGEX_NO_ATOM = -1 };

struct regex_level {
	long atom;        /* where the group begins in what is written */
	unsigned options; /* groups that an option opened, to be closed with this one */
};
struct regex_job {
	struct tr_slice in;
	size_t at;
	struct tr_buf *out;
	struct regex_level level[REGEX_NESTING];
	unsigned depth;
	long atom; /* where the last thing that can be repeated begins */
	int repeated, ignores_case;
	struct tr_err *err;
};

#define REGEX_WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"

/* What an escape stands for: a character, a set that can stand in a class, or one that can only be negated
 * as a whole. */
struct regex_meaning {
	enum { REGEX_CHAR, REGEX_SET, REGEX_NOT_SET } kind;
	uint32_t cp;
	char set[512];
};

/* They return 0 or the error that they have put into the job. */
int regex_refuse(struct regex_job *j, const char *what);
int regex_say(struct regex_job *j, struct tr_buf *b, const char *s);
int regex_say_bytes(struct regex_job *j, struct tr_buf *b, const char *p, size_t n);
int regex_say_char(struct regex_job *j, struct tr_buf *b, uint32_t cp);
int regex_next_is(const struct regex_job *j, const char *s);
int regex_take(struct regex_job *j, const char *s); /* pass over s, if it stands here: 1 or 0 */
/* Behind a backslash; what only stands outside of a class is not known here. */
int regex_escape(struct regex_job *j, struct regex_meaning *m);
/* Behind an opening bracket: the class, written out. */
int regex_class(struct regex_job *j);

#endif
