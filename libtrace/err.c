/* SPDX-License-Identifier: Apache-2.0
 *
 * The error value: one code, one line of text, one place.
 */
#include "libtrace/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int exit;
	const char *text;
} codes[] = {
#define TR_X(code, status, text) [code] = {status, text},
    TR_ERR_LIST(TR_X)
#undef TR_X
};

void tr_err_clear(struct tr_err *err)
{
	if (!err)
		return;
	err->code = TR_OK;
	err->file[0] = err->field[0] = err->text[0] = err->value[0] = '\0';
	err->line = 0;
	err->offset = -1;
}

__attribute__((format(printf, 3, 0))) static void vfail(struct tr_err *err, enum tr_code code,
                                                        const char *fmt, va_list ap)
{
	tr_err_clear(err);
	err->code = code;
	vsnprintf(err->text, sizeof err->text, fmt, ap);
}

int tr_fail(struct tr_err *err, enum tr_code code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		vfail(err, code, fmt, ap);
		va_end(ap);
	}
	return -(int)code;
}

int tr_fail_errno(struct tr_err *err, const char *fmt, ...)
{
	int sys = errno;
	enum tr_code code = sys == EPIPE ? TR_EPIPE : sys == ENOMEM ? TR_ENOMEM : TR_EIO;
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		vfail(err, code, fmt, ap);
		va_end(ap);
		size_t n = strlen(err->text);
		snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(sys));
	}
	return -(int)code;
}

/* Copy for a person's eyes: control bytes as \xNN, clipped with "..." so that one line stays one line. */
static void show(char *out, size_t size, const char *p, size_t n)
{
	size_t o = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		int plain = c >= 0x20 && c != 0x7f;
		if (o + (plain ? 1 : 4) + 4 > size) {
			memcpy(out + o, "...", 4);
			return;
		}
		if (plain)
			out[o++] = (char)c;
		else
			o += (size_t)snprintf(out + o, size - o, "\\x%02x", c);
	}
	out[o] = '\0';
}

void tr_err_file(struct tr_err *err, const char *file)
{
	if (err && err->code && !err->file[0] && file)
		show(err->file, sizeof err->file, file, strlen(file));
}

void tr_err_line(struct tr_err *err, uint64_t line)
{
	if (err && err->code && !err->line)
		err->line = line;
}

void tr_err_offset(struct tr_err *err, int64_t offset)
{
	if (err && err->code && err->offset < 0)
		err->offset = offset;
}

void tr_err_field(struct tr_err *err, const char *name, size_t n)
{
	if (err && err->code && !err->field[0])
		show(err->field, sizeof err->field, name, n);
}

void tr_err_value(struct tr_err *err, const char *p, size_t n)
{
	if (err && err->code && !err->value[0])
		show(err->value, sizeof err->value, p, n);
}

char *tr_err_format(const struct tr_err *err, char *out, size_t size)
{
	char place[TR_ERR_NAME + 32] = "";
	if (err->line)
		snprintf(place, sizeof place, "%s:%" PRIu64 ": ", err->file[0] ? err->file : "line",
		         err->line);
	else if (err->offset >= 0)
		snprintf(place, sizeof place, "%s@%" PRId64 ": ", err->file, err->offset);
	else if (err->file[0])
		snprintf(place, sizeof place, "%s: ", err->file);
	snprintf(out, size, "%s%s%s%s%s%s%s", place, err->field, err->field[0] ? ": " : "",
	         err->text[0] ? err->text : tr_code_text((int)err->code), err->value[0] ? ": \"" : "",
	         err->value, err->value[0] ? "\"" : "");
	return out;
}

static size_t slot(int code)
{
	size_t i = (size_t)(code < 0 ? -code : code);
	return i < sizeof codes / sizeof codes[0] ? i : (size_t)TR_EIO;
}

int tr_code_exit(int code)
{
	return codes[slot(code)].exit;
}

const char *tr_code_text(int code)
{
	return codes[slot(code)].text;
}
