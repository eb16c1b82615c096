/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines gather in memory and are written in blocks: writing must not hold up the replies.
 */
#include "tools/mock/log.h"
#include "libtrace/json.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLUSH_AT = 256 << 10, BUFFER_MAX = 256 << 20 };

struct log {
	int fd;
	struct tr_buf b;
	const char *path;
};

int log_open(struct log **out, const char *path, struct tr_err *err)
{
	struct log *l = calloc(1, sizeof *l);

	*out = l;
	if (!l)
		return tr_fail(err, TR_ENOMEM, "out of memory for the log");
	tr_buf_init(&l->b, BUFFER_MAX);
	l->path = path;
	l->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (l->fd >= 0)
		return 0;
	tr_fail_errno(err, "cannot write");
	tr_err_file(err, path);
	return -TR_EIO;
}

int log_flush(struct log *l, struct tr_err *err)
{
	size_t done = 0;

	while (done < l->b.n) {
		ssize_t k = write(l->fd, l->b.p + done, l->b.n - done);

		if (k >= 0) {
			done += (size_t)k;
		} else if (errno != EINTR) {
			tr_fail_errno(err, "cannot write");
			tr_err_file(err, l->path);
			return -TR_EIO;
		}
	}
	l->b.n = 0;
	return 0;
}

static int put_number(struct tr_buf *b, const char *key, int64_t v)
{
	int rc = tr_buf_str(b, key);

	return rc < 0 ? rc : tr_buf_i64(b, v);
}

static int put_stamps(struct tr_buf *b, const struct stamps *s)
{
	int rc = tr_buf_str(b, ",\"writes_ns\":[");

	for (size_t i = 0; i < s->n && rc == 0; i++) {
		rc = i ? tr_buf_char(b, ',') : 0;
		rc = rc < 0 ? rc : tr_buf_i64(b, s->ns[i]);
	}
	return rc < 0 ? rc : tr_buf_char(b, ']');
}

static int put_line(struct tr_buf *b, const struct log_line *e, const struct stamps *s)
{
	int rc = put_number(b, "{\"n\":", (int64_t)e->number);

	rc = rc < 0 ? rc : tr_buf_str(b, ",\"id\":");
	rc = rc < 0 ? rc : tr_json_quote(b, e->id);
	rc = rc < 0 ? rc : put_number(b, ",\"conn\":", (int64_t)e->conn);
	if (e->body.n) {
		rc = rc < 0 ? rc : tr_buf_str(b, ",\"body\":");
		rc = rc < 0 ? rc : tr_json_quote(b, e->body);
	}
	rc = rc < 0 ? rc : tr_buf_str(b, ",\"path\":\"");
	rc = rc < 0 ? rc : tr_buf_str(b, e->path);
	rc = rc < 0 ? rc : put_number(b, "\",\"arrival_ns\":", e->arrival_ns);
	rc = rc < 0 ? rc : put_number(b, ",\"in_tokens\":", (int64_t)e->in_tokens);
	rc = rc < 0 ? rc : put_number(b, ",\"out_tokens\":", (int64_t)e->out_tokens);
	rc = rc < 0 ? rc : put_number(b, ",\"max_tokens\":", (int64_t)e->max_tokens);
	rc = rc < 0 ? rc : put_stamps(b, s);
	if (e->first != SIZE_MAX)
		rc = rc < 0 ? rc : put_number(b, ",\"first_token\":", (int64_t)e->first);
	else
		rc = rc < 0 ? rc : tr_buf_str(b, ",\"first_token\":null");
	rc = rc < 0 ? rc : put_number(b, ",\"end_ns\":", e->end_ns);
	rc = rc < 0 ? rc : put_number(b, ",\"bytes_in\":", (int64_t)e->bytes_in);
	rc = rc < 0 ? rc : tr_buf_str(b, ",\"outcome\":\"");
	rc = rc < 0 ? rc : tr_buf_str(b, e->outcome);
	return rc < 0 ? rc : tr_buf_str(b, e->stream ? "\",\"stream\":true}\n" : "\",\"stream\":false}\n");
}

int log_add(struct log *l, const struct log_line *e, const struct stamps *s)
{
	size_t n = l->b.n;
	int rc = put_line(&l->b, e, s);

	if (rc < 0)
		l->b.n = n; /* no half lines */
	return rc == 0 && l->b.n >= FLUSH_AT ? log_flush(l, NULL) : rc;
}

int log_close(struct log *l, struct tr_err *err)
{
	int rc = 0;

	if (!l)
		return 0;
	if (l->fd >= 0) {
		rc = log_flush(l, err);
		if (close(l->fd) < 0 && rc == 0) {
			rc = tr_fail_errno(err, "cannot write");
			tr_err_file(err, l->path);
		}
	}
	tr_buf_free(&l->b);
	free(l);
	return rc;
}

void stamps_add(struct stamps *s, int64_t ns)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 32;
		int64_t *p = cap <= STAMPS_MAX ? realloc(s->ns, cap * sizeof *p) : NULL;

		if (!p)
			return;
		s->ns = p;
		s->cap = cap;
	}
	s->ns[s->n++] = ns;
}

void stamps_free(struct stamps *s)
{
	free(s->ns);
	*s = (struct stamps){.ns = NULL};
}
