/* SPDX-License-Identifier: Apache-2.0
 *
 * The request parser.
 */
#include "tools/mock/http.h"
#include "libtrace/num.h"
#include <string.h>
#include <strings.h>

void http_reader_init(struct http_reader *h)
{
	*h = (struct http_reader){.state = HTTP_HEAD};
	tr_buf_init(&h->body, HTTP_BODY_MAX);
}

void http_reader_free(struct http_reader *h)
{
	tr_buf_free(&h->body);
	http_reader_init(h);
}

static const struct {
	int status;
	const char *reason;
} reasons[] = {
    {200, "OK"},
    {307, "Temporary Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {413, "Content Too Large"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_reason(int status)
{
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Status";
}

/* --- the head ------------------------------------------------------------------------------ */

static int is_token(struct tr_slice s)
{
	static const char other[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i], low = c | 32;

		if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr(other, c)))
			return 0;
	}
	return s.n > 0;
}

static int is_text(struct tr_slice s, int blanks)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == 127 || (c < ' ' && !(blanks && c == '\t')) || (c == ' ' && !blanks))
			return 0;
	}
	return 1;
}

static int is_word(struct tr_slice s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* Does a comma-separated list hold the word? */
static int lists(struct tr_slice s, const char *word)
{
	while (s.n) {
		const char *comma = memchr(s.p, ',', s.n);
		size_t n = comma ? (size_t)(comma - s.p) : s.n;

		if (is_word(tr_slice_trim((struct tr_slice){s.p, n}), word))
			return 1;
		n += comma != NULL;
		s = (struct tr_slice){s.p + n, s.n - n};
	}
	return 0;
}

/* The line after *pos without its end; *pos goes behind it. The caller has seen that all lines end in CRLF.
 */
static struct tr_slice next_line(const char *p, size_t n, size_t *pos)
{
	const char *end = memchr(p + *pos, '\n', n - *pos);
	struct tr_slice line = {p + *pos, (size_t)(end - (p + *pos)) - 1};

	*pos = (size_t)(end - p) + 1;
	return line;
}

static int request_line(struct tr_slice line, struct http_request *r)
{
	const char *a = memchr(line.p, ' ', line.n);
	const char *b = a ? memchr(a + 1, ' ', line.n - (size_t)(a + 1 - line.p)) : NULL;
	const char *query;

	if (!b)
		return -400;
	struct tr_slice version = {b + 1, line.n - (size_t)(b + 1 - line.p)};
	r->method = (struct tr_slice){line.p, (size_t)(a - line.p)};
	r->path = (struct tr_slice){a + 1, (size_t)(b - a - 1)};
	if (!is_token(r->method) || !r->path.n || r->path.p[0] != '/' || !is_text(r->path, 0))
		return -400;
	query = memchr(r->path.p, '?', r->path.n);
	if (query)
		r->path.n = (size_t)(query - r->path.p);
	if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0)
		return -400;
	if (memcmp(version.p + 5, "1.", 2) != 0)
		return -505;
	r->old = version.p[7] == '0';
	r->keep_alive = !r->old;
	return 0;
}

static int on_length(struct http_request *r, struct tr_slice value)
{
	uint64_t length;

	if (tr_num_u64(value, &length) || (r->has_length && length != r->length))
		return -400;
	r->length = length;
	r->has_length = 1;
	return length > HTTP_BODY_MAX ? -413 : 0;
}

static int on_coding(struct http_request *r, struct tr_slice value)
{
	if (r->chunked)
		return -400;
	r->chunked = 1;
	return is_word(value, "chunked") ? 0 : -501;
}

static int on_connection(struct http_request *r, struct tr_slice value)
{
	if (lists(value, "close"))
		r->keep_alive = 0;
	else if (lists(value, "keep-alive"))
		r->keep_alive = 1;
	return 0;
}

static int on_expect(struct http_request *r, struct tr_slice value)
{
	r->expect = is_word(value, "100-continue");
	return 0;
}

static int on_request_id(struct http_request *r, struct tr_slice value)
{
	r->request_id = value;
	return 0;
}

static int on_authorization(struct http_request *r, struct tr_slice value)
{
	r->authorization = value;
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct http_request *r, struct tr_slice value);
} fields[] = {
    {"content-length", on_length}, {"transfer-encoding", on_coding}, {"connection", on_connection},
    {"expect", on_expect},         {"x-request-id", on_request_id},  {"authorization", on_authorization},
};

static int field_line(struct tr_slice line, struct http_request *r)
{
	const char *colon = memchr(line.p, ':', line.n);

	if (!colon)
		return -400;
	struct tr_slice name = {line.p, (size_t)(colon - line.p)};
	struct tr_slice value = tr_slice_trim((struct tr_slice){colon + 1, line.n - name.n - 1});
	if (!is_token(name) || !is_text(value, 1))
		return -400;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (is_word(name, fields[i].name))
			return fields[i].set(r, value);
	return 0;
}

static int parse_head(const char *p, size_t n, struct http_request *r)
{
	size_t pos = 0;
	struct tr_slice line = next_line(p, n, &pos);

	while (line.n == 0) /* empty lines before a request are passed over (RFC 9112, 2.2) */
		line = next_line(p, n, &pos);
	*r = (struct http_request){.used = n};
	int rc = request_line(line, r);
	while (rc == 0 && (line = next_line(p, n, &pos)).n)
		rc = field_line(line, r);
	return rc == 0 && r->chunked && r->has_length ? -400 : rc;
}

/* --- where things end ---------------------------------------------------------------------- */

/* The next whole line from h->pos on; 1, 0 = it is not whole yet, or a status. */
static int whole_line(struct http_reader *h, const char *p, size_t n, struct tr_slice *line)
{
	const char *end = memchr(p + h->pos, '\n', n - h->pos);

	if (!end) {
		h->pos = n;
		return n - h->line > HTTP_HEAD_MAX ? -431 : 0;
	}
	if (end == p + h->line || end[-1] != '\r')
		return -400;
	*line = (struct tr_slice){p + h->line, (size_t)(end - (p + h->line)) - 1};
	h->pos = h->line = (size_t)(end - p) + 1;
	return h->pos - h->head > HTTP_HEAD_MAX && h->state == HTTP_HEAD ? -431 : 1;
}

static int find_head(struct http_reader *h, const char *p, size_t n)
{
	struct tr_slice line;
	int rc;

	while ((rc = whole_line(h, p, n, &line)) == 1) {
		if (line.n == 0 && h->left) { /* `left`: a line that is not empty has been seen */
			h->head = h->pos;
			return 1;
		}
		h->left |= line.n > 0;
	}
	return rc == 0 && n > HTTP_HEAD_MAX ? -431 : rc;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size of a chunk; what follows a semicolon is passed over. */
static int chunk_size(struct http_reader *h, struct tr_slice line)
{
	size_t i = 0;

	h->left = 0;
	for (; i < line.n && hex_value(line.p[i]) >= 0; i++) {
		h->left = h->left * 16 + (uint64_t)hex_value(line.p[i]);
		if (h->left > HTTP_BODY_MAX)
			return -413;
	}
	if (i == 0 || (i < line.n && !memchr("; \t", line.p[i], 3)))
		return -400;
	if (h->left + h->body.n > HTTP_BODY_MAX)
		return -413;
	h->state = h->left ? HTTP_CHUNK : HTTP_TRAILERS;
	return 1;
}

static int chunk_bytes(struct http_reader *h, const char *p, size_t n)
{
	size_t k = n - h->pos < h->left ? n - h->pos : (size_t)h->left;

	if (tr_buf_add(&h->body, p + h->pos, k) < 0)
		return -500;
	h->pos += k;
	h->left -= k;
	h->line = h->pos;
	if (h->left)
		return 0;
	h->state = HTTP_CHUNK_END;
	return 1;
}

/* 1 = the body is whole. */
static int read_chunks(struct http_reader *h, const char *p, size_t n)
{
	struct tr_slice line;
	int rc = 1;

	while (rc == 1) {
		if (h->state == HTTP_CHUNK) {
			rc = chunk_bytes(h, p, n);
			continue;
		}
		rc = whole_line(h, p, n, &line);
		if (rc != 1)
			break;
		if (h->state == HTTP_CHUNK_SIZE) {
			rc = chunk_size(h, line);
		} else if (h->state == HTTP_CHUNK_END) {
			rc = line.n ? -400 : 1;
			h->state = HTTP_CHUNK_SIZE;
		} else if (line.n == 0) {
			return 1;
		}
	}
	return rc;
}

static int body_whole(struct http_reader *h, const char *p, size_t n, struct http_request *r)
{
	if (h->state == HTTP_BODY) {
		r->used = h->head + (size_t)r->length;
		r->body = (struct tr_slice){p + h->head, (size_t)r->length};
		return n >= r->used;
	}
	int rc = read_chunks(h, p, n);
	r->used = h->pos;
	r->body = (struct tr_slice){h->body.p, h->body.n};
	return rc;
}

int http_read(struct http_reader *h, const char *p, size_t n, struct http_request *r)
{
	int rc;

	*r = (struct http_request){.used = 0};
	if (h->state == HTTP_HEAD) {
		rc = find_head(h, p, n);
		if (rc != 1)
			return rc;
	}
	/* Parsed again when there is more: the bytes may have moved since. */
	rc = parse_head(p, h->head, r);
	if (rc < 0)
		return rc;
	if (h->state == HTTP_HEAD) {
		h->state = r->chunked ? HTTP_CHUNK_SIZE : HTTP_BODY;
		h->left = 0;
	}
	rc = body_whole(h, p, n, r);
	return rc == 0 && n > HTTP_FRAME_MAX ? -413 : rc;
}
