/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounded growing buffer.
 */
#include "libtrace/buf.h"

#include "libtrace/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tr_buf_init(struct tr_buf *b, size_t max)
{
	*b = (struct tr_buf){.max = max};
}

void tr_buf_free(struct tr_buf *b)
{
	free(b->p);
	tr_buf_init(b, b->max);
}

int tr_buf_reserve(struct tr_buf *b, size_t more)
{
	if (more <= b->cap - b->n)
		return 0;
	if (more > b->max - b->n)
		return -TR_ELIMIT;
	size_t cap = b->cap < 64 ? 64 : b->cap * 2;
	if (cap < b->n + more)
		cap = b->n + more;
	if (cap > b->max)
		cap = b->max;
	char *p = realloc(b->p, cap);
	if (!p)
		return -TR_ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

int tr_buf_add(struct tr_buf *b, const void *p, size_t n)
{
	int rc = tr_buf_reserve(b, n);
	if (rc < 0)
		return rc;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

int tr_buf_str(struct tr_buf *b, const char *s)
{
	return tr_buf_add(b, s, strlen(s));
}

int tr_buf_char(struct tr_buf *b, char c)
{
	return tr_buf_add(b, &c, 1);
}

int tr_buf_printf(struct tr_buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -TR_ELIMIT;
	/* vsnprintf wants a byte for its NUL; it is not part of the content. */
	int rc = tr_buf_reserve(b, (size_t)n + 1);
	if (rc < 0)
		return rc;
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
	return 0;
}

int tr_buf_u64(struct tr_buf *b, unsigned long long v)
{
	char digits[20];
	size_t i = sizeof digits;
	do
		digits[--i] = (char)('0' + v % 10);
	while (v /= 10);
	return tr_buf_add(b, digits + i, sizeof digits - i);
}

int tr_buf_i64(struct tr_buf *b, long long v)
{
	if (v >= 0)
		return tr_buf_u64(b, (unsigned long long)v);
	int rc = tr_buf_reserve(b, 21);
	if (rc < 0)
		return rc;
	tr_buf_char(b, '-');
	return tr_buf_u64(b, 0 - (unsigned long long)v);
}

struct tr_slice tr_slice_of(const char *s)
{
	return (struct tr_slice){s, strlen(s)};
}

struct tr_slice tr_slice_trim(struct tr_slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}
