/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors as values. The caller owns a struct tr_err; the call that failed fills it and returns
 * the negative code. The library never prints, never exits. A NULL err is allowed everywhere.
 */
#ifndef LIBTRACE_ERR_H
#define LIBTRACE_ERR_H

#include <stddef.h>
#include <stdint.h>

/* X(code, exit status of a tool, short text). Numbers are part of the ABI: append only. */
#define TR_ERR_LIST(X)                                                                                       \
	X(TR_OK, 0, "success")                                                                               \
	X(TR_EIO, 1, "input or output failed")                                                               \
	X(TR_ENOMEM, 1, "out of memory")                                                                     \
	X(TR_EUSAGE, 2, "used wrongly")                                                                      \
	X(TR_EDATA, 3, "bad input data")                                                                     \
	X(TR_ELIMIT, 3, "input exceeds a limit")                                                             \
	X(TR_ECUT, 3, "input ends early")                                                                    \
	X(TR_EPIPE, 0, "the reader of the output has gone")

enum tr_code {
#define TR_X(code, status, text) code,
	TR_ERR_LIST(TR_X)
#undef TR_X
};

enum { TR_ERR_TEXT = 256, TR_ERR_NAME = 256, TR_ERR_FIELD = 64, TR_ERR_VALUE = 96 };

struct tr_err {
	enum tr_code code;
	char file[TR_ERR_NAME];   /* "" = none */
	uint64_t line;            /* 1-based; 0 = none */
	int64_t offset;           /* byte offset in the decoded input; -1 = none */
	char field[TR_ERR_FIELD]; /* "" = none */
	char text[TR_ERR_TEXT];   /* what is wrong, one line */
	char value[TR_ERR_VALUE]; /* offending text, control bytes escaped, clipped; "" = none */
};

/* Start over: no error, no place. */
void tr_err_clear(struct tr_err *err);

/* Record a failure; returns -code, so that `return tr_fail(err, TR_EDATA, "...")` reads well.
 * The place (file, line, offset, field, value) is cleared: set it after with the calls below. */
int tr_fail(struct tr_err *err, enum tr_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with ": strerror(errno)" appended. */
int tr_fail_errno(struct tr_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Say where. Each only fills what is still unset, so inner calls win. err may be NULL. */
void tr_err_file(struct tr_err *err, const char *file);
void tr_err_line(struct tr_err *err, uint64_t line);
void tr_err_offset(struct tr_err *err, int64_t offset);
void tr_err_field(struct tr_err *err, const char *name, size_t n);
void tr_err_value(struct tr_err *err, const char *p, size_t n);

/* `file:line: field: what is wrong: "value"` (or `file@offset: ...`), always one line,
 * NUL-terminated, cut to size. Returns out. */
char *tr_err_format(const struct tr_err *err, char *out, size_t size);

/* Exit status of a tool for a code (positive or negative). */
int tr_code_exit(int code);
const char *tr_code_text(int code);

#endif
