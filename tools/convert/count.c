/* SPDX-License-Identifier: Apache-2.0
 *
 * Token counts of lines, several batches of lines at once where there are processors, in the order of the
 * input.
 */
#include "tools/convert/convert.h"

#include "libtrace/io.h"
#include "libtrace/pool.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 64 << 20, BATCH = 256 << 10 };

struct batch {
	struct tr_encoder *e; /* NULL: bytes / 4 */
	unsigned flags;
	struct tr_buf text, counts; /* whole lines; what is printed of them */
	uint64_t line;              /* of the first one, from 1 */
	int rc;
	struct tr_err err;
};

struct counting {
	const char *name;
	struct tr_in *in;
	struct tr_buf carry; /* a line that goes on in the next piece */
	struct tr_slice piece;
	int ended;
	uint64_t line;
	struct tr_pool *pool;
	struct batch *batch;
	unsigned n, busy, next;
};

static void work(void *item)
{
	struct batch *b = item;
	uint64_t n = 0, line = b->line;
	b->rc = 0;
	b->counts.n = 0;
	for (size_t i = 0; i < b->text.n && b->rc == 0; line++) {
		const char *end = memchr(b->text.p + i, '\n', b->text.n - i);
		struct tr_slice s = {b->text.p + i, end ? (size_t)(end - b->text.p) - i : b->text.n - i};
		i += s.n + 1;
		n = (s.n + 3) / 4;
		if (b->e)
			b->rc = tr_count_tokens(b->e, s, b->flags, &n, &b->err);
		if (b->rc == 0 && (tr_buf_u64(&b->counts, n) < 0 || tr_buf_char(&b->counts, '\n') < 0))
			b->rc = tr_fail(&b->err, TR_ENOMEM, "no memory for counts");
		if (b->rc < 0)
			tr_err_line(&b->err, line);
	}
}

/* Whole lines into a batch: 1 = some, 0 = no more. */
static int fill(struct counting *c, struct batch *b, struct tr_err *err)
{
	b->text.n = 0;
	b->line = c->line;
	while (b->text.n < BATCH) {
		if (!c->piece.n && !c->ended) {
			int rc = tr_in_next(c->in, &c->piece, -1, err);
			if (rc < 0)
				return rc;
			c->ended = rc == 0;
		}
		const char *end = c->piece.n ? memchr(c->piece.p, '\n', c->piece.n) : NULL;
		size_t n = end ? (size_t)(end - c->piece.p) + 1 : c->piece.n;
		int rc = tr_buf_add(&c->carry, c->piece.p, n);
		c->piece = (struct tr_slice){c->piece.p + n, c->piece.n - n};
		if (rc < 0 || c->carry.n > LINE_MAX_BYTES) {
			if (b->text.n) /* first the lines before it */
				return 1;
			tr_fail(err, TR_ELIMIT, "a line of more than 64 MiB");
			tr_err_line(err, c->line);
			return -TR_ELIMIT;
		}
		if (!end && !c->ended)
			continue;
		if (c->carry.n && tr_buf_add(&b->text, c->carry.p, c->carry.n) < 0)
			return tr_fail(err, TR_ENOMEM, "no memory for lines");
		c->line += c->carry.n > 0;
		c->carry.n = 0;
		if (c->ended && !c->piece.n)
			break;
	}
	return b->text.n > 0;
}

static int print(const struct batch *b, struct tr_err *err)
{
	if (b->counts.n && fwrite(b->counts.p, 1, b->counts.n, stdout) != b->counts.n)
		return tr_fail_errno(err, "cannot write to standard output");
	if (b->rc < 0)
		*err = b->err;
	return b->rc;
}

static int take_oldest(struct counting *c, struct tr_err *err)
{
	c->busy--;
	return print(tr_pool_pull(c->pool), err);
}

static int count_file(struct counting *c, struct tr_err *err)
{
	int rc = 1;
	c->line = 1;
	c->ended = 0;
	c->carry.n = c->piece.n = 0;
	while (rc > 0 && !cli_interrupted()) {
		if (c->busy == c->n && (rc = take_oldest(c, err)) < 0)
			break;
		rc = fill(c, &c->batch[c->next], err);
		if (rc <= 0)
			break;
		tr_pool_push(c->pool, &c->batch[c->next]);
		c->next = (c->next + 1) % c->n;
		c->busy++;
	}
	while (c->busy) { /* what came before an error is printed */
		struct tr_err later;
		tr_err_clear(&later);
		int r = take_oldest(c, &later);
		if (rc >= 0 && r < 0) {
			rc = r;
			*err = later;
		}
	}
	if (rc < 0)
		tr_err_file(err, c->name);
	return rc;
}

static int begin(struct counting *c, const struct tr_tokenizer *t, unsigned threads, int special,
                 struct tr_err *err)
{
	int rc = tr_pool_new(&c->pool, work, threads, err);
	tr_buf_init(&c->carry, LINE_MAX_BYTES + BATCH * 2);
	c->n = threads ? threads * 2 : 1;
	c->batch = calloc(c->n, sizeof(*c->batch));
	if (rc == 0 && !c->batch)
		rc = tr_fail(err, TR_ENOMEM, "no memory for lines");
	for (unsigned i = 0; i < c->n && rc == 0; i++) {
		struct batch *b = &c->batch[i];
		tr_buf_init(&b->text, LINE_MAX_BYTES + BATCH * 2);
		tr_buf_init(&b->counts, LINE_MAX_BYTES);
		b->flags = special ? TR_TOK_SPECIAL : 0;
		rc = t ? tr_encoder_new(&b->e, t, err) : 0;
	}
	return rc;
}

int count_lines(const struct cli_tool *tool, const struct cli_args *args, const struct tr_tokenizer *t,
                unsigned threads, int special)
{
	struct counting c = {0};
	struct tr_err err;
	tr_err_clear(&err);
	int rc = begin(&c, t, threads, special, &err);
	for (int i = 0; i < args->nfiles && rc >= 0; i++) {
		rc = tr_in_open(&c.in, args->files[i], 0, &err);
		if (rc < 0)
			break;
		c.name = tr_in_name(c.in);
		rc = count_file(&c, &err);
		tr_in_close(c.in);
	}
	tr_pool_free(c.pool);
	for (unsigned i = 0; c.batch && i < c.n; i++) {
		tr_encoder_free(c.batch[i].e);
		tr_buf_free(&c.batch[i].text);
		tr_buf_free(&c.batch[i].counts);
	}
	free(c.batch);
	tr_buf_free(&c.carry);
	return cli_close_stdout(tool, rc < 0 ? cli_fail(tool, &err) : 0);
}
