/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte says which format of texts and which options; the rest is the file. What is read can be
 * written in the same form, and be read again.
 */
#include "tests/fuzz/fuzz.h"

static const char *const names[] = {"sharegpt", "custom", "openai-batch", "spec-bench", "aibrix"};

static void read_again(const struct tr_format *format, struct tr_slice text)
{
	const struct tr_read_opts o = {.message_overhead = 5};
	struct tr_err err;
	struct tr_in *in;
	struct tr_reader *r;
	struct tr_block *b;
	tr_err_clear(&err);
	promise(tr_in_open_mem(&in, "again", text.p, text.n, 0, &err) == 0);
	promise(format->open(&r, in, &o, &err) == 0);
	int rc;
	while ((rc = tr_reader_block(r, &b, &err)) == 1)
		tr_block_unref(b);
	promise(rc == 0 || err.code == TR_ELIMIT);
	tr_reader_close(r);
}

/* Only a file that was read to its end without a complaint is written. */
static void write_back(const struct tr_format *format, const uint8_t *data, size_t size)
{
	const struct tr_read_opts o = {.message_overhead = 5};
	struct tr_err err;
	struct tr_in *in;
	struct tr_out *out;
	struct tr_reader *r;
	struct tr_writer *w;
	struct tr_block *b;
	struct tr_buf text;
	tr_err_clear(&err);
	promise(tr_in_open_mem(&in, "fuzz", data, size, 0, &err) == 0);
	if (format->open(&r, in, &o, &err) < 0)
		return;
	tr_buf_init(&text, 64 << 20);
	promise(tr_out_open_buf(&out, &text, 0, &err) == 0);
	promise(format->create(&w, out, tr_reader_head(r), NULL, &err) == 0);
	int rc;
	while ((rc = tr_reader_block(r, &b, &err)) == 1)
		if (tr_writer_block(w, b, &err) < 0)
			break;
	if (rc == 0 && tr_writer_finish(w, &err) == 0)
		read_again(format, (struct tr_slice){text.n ? text.p : "", text.n});
	else if (rc != 0)
		tr_writer_abort(w);
	tr_reader_close(r);
	tr_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const struct tr_format *format = tr_format_find(names[data[0] % 5]);
	unsigned how = data[0] / 5u;
	const struct tr_read_opts o = {.turns = (enum tr_turns)(how % 3),
	                               .peer = (enum tr_peer)(how / 3 % 5),
	                               .no_payload = how / 15 % 2,
	                               .skip_bad = how / 30 ? UINT64_MAX : 0,
	                               .message_overhead = 5};
	fuzz_format(format, &o, data + 1, size - 1);
	if (how == 0 && format->create)
		write_back(format, data + 1, size - 1);
	return 0;
}
