/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reporting tools print with: a JSON writer that keeps integers exact, and numbers, times and
 * foreign strings for a terminal. Everything goes to stdout; cli_close_stdout() checks it in the end.
 */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include "libtrace/buf.h"
#include <stdint.h>

/* --- JSON -------------------------------------------------------------------------------- */

struct rep_json {
	int depth;
	int filled; /* the innermost object or array has a member */
};
/* key NULL: an element of an array, or the outermost value. */
void rep_open(struct rep_json *j, const char *key, char bracket);
void rep_close(struct rep_json *j, char bracket);
void rep_null(struct rep_json *j, const char *key);
void rep_bool(struct rep_json *j, const char *key, int v);
void rep_u64(struct rep_json *j, const char *key, uint64_t v);
void rep_i64(struct rep_json *j, const char *key, int64_t v);
void rep_u128(struct rep_json *j, const char *key, unsigned __int128 v);
void rep_num(struct rep_json *j, const char *key, double v); /* NAN: null; infinite: "inf" */
void rep_str(struct rep_json *j, const char *key, struct tr_slice s);
void rep_cstr(struct rep_json *j, const char *key, const char *s); /* NULL: null */

/* --- text -------------------------------------------------------------------------------- */

enum { REP_TEXT = 64 };

/* Each fills out (REP_TEXT bytes) and returns it. */
char *rep_digits(unsigned __int128 v, char *out);    /* 18059974 */
char *rep_thousands(unsigned __int128 v, char *out); /* 18,059,974 */
char *rep_short(double v, char *out);     /* at most 6 characters: 2048, 0.9638, 12.3M; "-" for NAN */
char *rep_short_ns(double ns, char *out); /* at most 6 characters: 63.8ms, 217s */
char *rep_span(double ns, char *out);     /* 57 min 16 s */

/* Control characters and bytes that are not UTF-8 as \xNN, cut to `width` characters with "..."; out holds
 * REP_SAFE(width) bytes. Returns out. */
#define REP_SAFE(width) ((width)*4 + 1)
char *rep_safe(struct tr_slice s, unsigned width, char *out);
unsigned rep_width(const char *s); /* characters of UTF-8 text */
/* s with blanks after it (left = 1) or before it up to width, to stdout. */
void rep_pad(const char *s, unsigned width, int left);

/* 1 when stdout is a terminal and NO_COLOR is unset or empty. */
int rep_colour(void);

#endif
