/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing byte buffer with a maximum given at creation. A failed append leaves the content as
 * it was and returns -TR_ELIMIT or -TR_ENOMEM. The buffer owns its bytes until tr_buf_free.
 */
#ifndef LIBTRACE_BUF_H
#define LIBTRACE_BUF_H

#include <stddef.h>
#include <string.h>

struct tr_slice { /* borrowed bytes, not NUL-terminated */
	const char *p;
	size_t n;
};

struct tr_buf {
	char *p;
	size_t n, cap, max;
};

void tr_buf_init(struct tr_buf *b, size_t max);
void tr_buf_free(struct tr_buf *b);                /* leaves an empty buffer with the same maximum */
int tr_buf_reserve(struct tr_buf *b, size_t more); /* room for `more` bytes beyond n */
int tr_buf_add(struct tr_buf *b, const void *p, size_t n);
int tr_buf_str(struct tr_buf *b, const char *s);
int tr_buf_char(struct tr_buf *b, char c);
int tr_buf_printf(struct tr_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int tr_buf_u64(struct tr_buf *b, unsigned long long v); /* decimal */
int tr_buf_i64(struct tr_buf *b, long long v);          /* decimal */

struct tr_slice tr_slice_of(const char *s); /* a C string without its NUL */
/* True when the slice equals the C string. Here, so that the length of a literal is known where it is
 * compared. */
static inline int tr_slice_eq(struct tr_slice s, const char *c)
{
	return s.n == strlen(c) && (s.n == 0 || memcmp(s.p, c, s.n) == 0);
}
struct tr_slice tr_slice_trim(struct tr_slice s); /* without ASCII blanks (space, tab) at both ends */

#endif
