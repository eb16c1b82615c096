/* SPDX-License-Identifier: Apache-2.0
 *
 * A bounded pull scanner for JSON: slices, exact 64-bit integers, no tree, no allocation. Strict RFC 8259.
 *
 *     tr_json_init(&j, text, n);
 *     while ((t = tr_json_next(&j)) != TR_JSON_END) ...
 *
 * Strings come as raw slices between the quotes; tr_json_unescape undoes the escapes.
 */
#ifndef LIBTRACE_JSON_H
#define LIBTRACE_JSON_H

#include "libtrace/buf.h"
#include <stdint.h>

enum { TR_JSON_DEPTH = 64 };

enum tr_json_token {
	TR_JSON_END,    /* the one value is complete and only blanks follow */
	TR_JSON_ERROR,  /* j->reason and j->pos say what and where; sticks */
	TR_JSON_OBJECT, /* { */
	TR_JSON_CLOSE,  /* } or ] */
	TR_JSON_ARRAY,  /* [ */
	TR_JSON_KEY,    /* slice: raw key */
	TR_JSON_STRING, /* slice: raw string */
	TR_JSON_NUMBER, /* slice: the number as written */
	TR_JSON_TRUE,
	TR_JSON_FALSE,
	TR_JSON_NULL,
};

struct tr_json {
	const char *p;
	size_t n, pos;
	struct tr_slice s; /* of the last KEY, STRING or NUMBER */
	int escaped;       /* that slice holds a backslash */
	const char *reason;
	int depth, state;
	uint64_t in_array; /* bit d: level d is an array */
};

void tr_json_init(struct tr_json *j, const char *p, size_t n);
enum tr_json_token tr_json_next(struct tr_json *j);

/* Having just read a token that begins a value (or a KEY: its value), pass over the whole value.
 * *raw (may be NULL) gets its text as written. 0 or -TR_EDATA. */
int tr_json_skip(struct tr_json *j, enum tr_json_token t, struct tr_slice *raw);

/* Undo the escapes of a raw string, appending UTF-8 to b. A lone surrogate escape becomes its three-byte
 * (WTF-8) form, except that with TR_JSON_BYTES \udc80..\udcff become the single bytes 0x80..0xff: so our own
 * JSONL carries bytes that are not UTF-8. 0, -TR_EDATA (bad escape), -TR_ELIMIT, -TR_ENOMEM. */
enum { TR_JSON_BYTES = 1 };
int tr_json_unescape(struct tr_slice raw, unsigned flags, struct tr_buf *b);

/* How many bytes that would append (without TR_JSON_BYTES). 0, or -TR_EDATA: bad escape. */
int tr_json_unescaped(struct tr_slice raw, size_t *length);

/* Append s as a quoted JSON string. Valid UTF-8 stays as it is (control characters, quote and backslash
 * escaped); a byte that is not part of valid UTF-8 becomes \udc80..\udcff. */
int tr_json_quote(struct tr_buf *b, struct tr_slice s);

/* Is all of it valid UTF-8 (Unicode 15, table 3-7)? */
int tr_json_utf8(struct tr_slice s);

#endif
