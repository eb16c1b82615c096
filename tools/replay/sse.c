/* SPDX-License-Identifier: Apache-2.0
 *
 * The event parser. Lines that lie whole in the piece fed are used where they are; only what goes on in the
 * next piece is copied.
 */
#include "tools/replay/sse.h"

#include "libtrace/err.h"

#include <string.h>

enum {
	KEEP = 64 << 10, /* buffers up to this size survive a restart */
	BOM_PAST = 3,
};

static const char bom[] = "\xef\xbb\xbf";

void sse_init(struct sse *s, sse_fn fn, void *ctx)
{
	*s = (struct sse){.fn = fn, .ctx = ctx};
	tr_buf_init(&s->line, SSE_LINE_MAX);
	tr_buf_init(&s->name, SSE_LINE_MAX);
	tr_buf_init(&s->data, SSE_EVENT_MAX);
}

static void reuse(struct tr_buf *b)
{
	b->n = 0;
	if (b->cap > KEEP)
		tr_buf_free(b);
}

static void event_clear(struct sse *s)
{
	s->name_at = s->data_at = (struct tr_slice){NULL, 0};
	s->name.n = s->data.n = 0;
	s->has_data = 0;
}

void sse_restart(struct sse *s)
{
	event_clear(s);
	reuse(&s->line);
	reuse(&s->name);
	reuse(&s->data);
	s->after_cr = 0;
	s->bom = 0;
}

void sse_free(struct sse *s)
{
	event_clear(s);
	tr_buf_free(&s->line);
	tr_buf_free(&s->name);
	tr_buf_free(&s->data);
}

/* Make the slice one of our own, so that it outlives the piece it lies in. */
static int own(struct tr_buf *b, struct tr_slice *at)
{
	if (at->n && at->p != b->p) {
		b->n = 0;
		int rc = tr_buf_add(b, at->p, at->n);
		if (rc < 0)
			return rc;
	}
	*at = (struct tr_slice){b->p, at->n};
	return 0;
}

static int dispatch(struct sse *s)
{
	struct tr_slice name = s->name_at, data = s->data_at;
	int has_data = s->has_data;
	event_clear(s);
	return has_data ? s->fn(s->ctx, name, data) : 0;
}

static int add_data(struct sse *s, struct tr_slice value)
{
	if (!s->has_data) {
		s->has_data = 1;
		s->data_at = value;
		return 0;
	}
	int rc = own(&s->data, &s->data_at);
	if (rc == 0)
		rc = tr_buf_char(&s->data, '\n');
	if (rc == 0)
		rc = tr_buf_add(&s->data, value.p, value.n);
	s->data_at = (struct tr_slice){s->data.p, s->data.n};
	return rc;
}

static int field(struct sse *s, struct tr_slice line)
{
	const char *colon = memchr(line.p, ':', line.n);
	size_t n = colon ? (size_t)(colon - line.p) : line.n;
	size_t skip = colon ? n + 1 : n;
	if (skip < line.n && line.p[skip] == ' ')
		skip++;
	struct tr_slice key = {line.p, n}, value = {line.p + skip, line.n - skip};
	if (tr_slice_eq(key, "data"))
		return add_data(s, value);
	if (tr_slice_eq(key, "event"))
		s->name_at = value;
	return 0;
}

static int line_done(struct sse *s, struct tr_slice line)
{
	if (line.n > SSE_LINE_MAX)
		return -TR_ELIMIT;
	if (line.n == 0)
		return dispatch(s);
	return line.p[0] == ':' ? 0 : field(s, line);
}

/* Pass over a BOM; what only began like one is the beginning of the first line. */
static int start(struct sse *s, const char **p, const char *end)
{
	while (s->bom < BOM_PAST && *p < end) {
		if (**p != bom[s->bom]) {
			int rc = tr_buf_add(&s->line, bom, s->bom);
			s->bom = BOM_PAST;
			return rc;
		}
		++*p;
		s->bom++;
	}
	return 0;
}

/* The next byte c at or after p, or end. *seen remembers it: no byte is searched twice. */
static const char *find(const char **seen, const char *p, const char *end, char c)
{
	if (!*seen || *seen < p) {
		const char *at = memchr(p, c, (size_t)(end - p));
		*seen = at ? at : end;
	}
	return *seen;
}

static int lines(struct sse *s, const char **pp, const char *end)
{
	const char *p = *pp, *lf = NULL, *cr = NULL;
	while (p < end) {
		if (s->after_cr) {
			s->after_cr = 0;
			if (*p == '\n' && ++p == end)
				break;
		}
		const char *a = find(&lf, p, end, '\n'), *b = find(&cr, p, end, '\r');
		const char *stop = a < b ? a : b;
		if (stop == end)
			break;
		struct tr_slice line = {p, (size_t)(stop - p)};
		if (s->line.n) {
			int rc = tr_buf_add(&s->line, line.p, line.n);
			if (rc < 0)
				return rc;
			line = (struct tr_slice){s->line.p, s->line.n};
			s->line.n = 0;
		}
		s->after_cr = *stop == '\r';
		p = stop + 1;
		int rc = line_done(s, line);
		if (rc < 0)
			return rc;
	}
	*pp = p;
	return 0;
}

int sse_feed(struct sse *s, const char *p, size_t n)
{
	const char *end = p + n;
	int rc = n ? start(s, &p, end) : 0;
	if (rc == 0 && p < end)
		rc = lines(s, &p, end);
	if (rc == 0)
		rc = own(&s->name, &s->name_at);
	if (rc == 0)
		rc = own(&s->data, &s->data_at);
	if (rc == 0)
		rc = tr_buf_add(&s->line, p, (size_t)(end - p));
	if (rc < 0)
		event_clear(s);
	return rc;
}

int sse_end(struct sse *s)
{
	int unfinished = s->line.n || s->has_data || s->name_at.n || (s->bom > 0 && s->bom < BOM_PAST);
	event_clear(s);
	s->line.n = 0;
	return unfinished;
}
