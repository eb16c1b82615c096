/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte streams. Input: a file or stdin ("-" or NULL), with zstd and gzip (also several frames or
 * members after one another) undone on the fly, found by their magic bytes. Output: a file, written under a
 * temporary name and renamed on commit, or in place; or stdout.
 *
 * Limits: a zstd window above 32 MiB is refused (files made with --ultra -22 or --long need `zstd -d` first).
 */
#ifndef LIBTRACE_IO_H
#define LIBTRACE_IO_H

#include "libtrace/buf.h"
#include "libtrace/err.h"
#include <stdint.h>

struct tr_in; /* opaque */

enum {
	TR_IN_SHA256 = 1, /* hash the decoded bytes */
	TR_IN_AHEAD = 2,  /* read, decode and hash on a thread of its own */
};

/* A directory, a missing or unreadable file: -TR_EIO. */
int tr_in_open(struct tr_in **in, const char *path, unsigned flags, struct tr_err *err);
/* From memory (tests, fuzzing); bytes are borrowed until close. Compressed content is undone too. */
int tr_in_open_mem(struct tr_in **in, const char *name, const void *p, size_t n, unsigned flags,
                   struct tr_err *err);
void tr_in_close(struct tr_in *in); /* NULL is fine */
/* From another thread: a wait for input, now or later, sees the end. Call tr_in_close when that thread is
 * done. */
void tr_in_interrupt(struct tr_in *in);

/* Change flags before the first tr_in_next or tr_in_read (peeking is fine). */
void tr_in_set(struct tr_in *in, unsigned flags);

/* Look at the first bytes without taking them: at least the whole first line, unless the input ends or the
 * line is longer than TR_IN_PEEK. Borrowed until the next call. */
enum { TR_IN_PEEK = 65536 };
int tr_in_peek(struct tr_in *in, struct tr_slice *s, struct tr_err *err);

/* The next piece, borrowed until the next call: 1 = s filled (n > 0), 0 = end, < 0 = error.
 * With TR_IN_AHEAD and wait_ms >= 0: 2 = nothing came within wait_ms. wait_ms < 0 waits. */
int tr_in_next(struct tr_in *in, struct tr_slice *s, int wait_ms, struct tr_err *err);
/* Exactly n bytes unless the input ends: returns the count in *got. */
int tr_in_read(struct tr_in *in, void *p, size_t n, size_t *got, struct tr_err *err);

const char *tr_in_name(const struct tr_in *in); /* path, or "<stdin>" */
uint64_t tr_in_offset(const struct tr_in *in);  /* decoded bytes handed out so far */
/* After the end: SHA-256 of all decoded bytes in hex (65 bytes with NUL); "" when not asked for. */
const char *tr_in_sha256(struct tr_in *in);

struct tr_out; /* opaque */

enum {
	TR_OUT_SHA256 = 1,   /* hash what is written (before compression) */
	TR_OUT_IN_PLACE = 2, /* under its own name from the start; live; an existing file: -TR_EUSAGE ... */
	TR_OUT_FORCE = 4,    /* ... with this it is overwritten */
};

/* path NULL or "-": stdout. A path ending in .zst or .gz is compressed. */
int tr_out_open(struct tr_out **out, const char *path, unsigned flags, struct tr_err *err);
/* Collect in memory (tests, fuzzing): buf is the caller's. */
int tr_out_open_buf(struct tr_out **out, struct tr_buf *buf, unsigned flags, struct tr_err *err);
int tr_out_write(struct tr_out *out, const void *p, size_t n, struct tr_err *err);
int tr_out_flush(struct tr_out *out, struct tr_err *err);
uint64_t tr_out_offset(const struct tr_out *out); /* bytes written, before compression */
int tr_out_seekable(const struct tr_out *out);    /* a plain file written from its start */
int tr_out_is_tty(const struct tr_out *out);
/* What is written should not wait here: somebody may be reading at the other end, or it is in place, where
 * what has been flushed outlives the process. Compressed output is live only in place. */
int tr_out_is_live(const struct tr_out *out);
const char *tr_out_sha256(struct tr_out *out); /* of everything so far, hex; "" when not asked for */
/* Flush, check, close, rename into place. Frees out, also on failure (then the temporary is removed).
 * Until this returns 0 nothing may be called done. */
int tr_out_commit(struct tr_out *out, struct tr_err *err);
/* Give up: remove the temporary, free. A file in place keeps what was written, with its compression ended
 * properly; one that nothing was written to is removed again. NULL is fine. */
void tr_out_abort(struct tr_out *out);

#endif
