/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets share: read a stream to its end, and hold the library to its promises on the way.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "formats/formats.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void promise(int holds)
{
	if (!holds)
		abort();
}

/* A failure has a text. */
static inline void check_end(int rc, const struct tr_err *err)
{
	promise(rc == 0 || (err->code == (enum tr_code) - rc && err->text[0]));
}

/* Through open, read all, write as JSONL into memory. */
static inline void fuzz_format(const struct tr_format *format, const struct tr_read_opts *o,
                               const uint8_t *data, size_t size)
{
	struct tr_err err;
	struct tr_in *in;
	struct tr_reader *r;
	struct tr_writer *w;
	struct tr_out *out;
	struct tr_block *b;
	struct tr_buf text;
	tr_err_clear(&err);
	promise(tr_in_open_mem(&in, "fuzz", data, size, 0, &err) == 0);
	int rc = format->open(&r, in, o, &err);
	if (rc < 0) {
		check_end(rc, &err);
		return;
	}
	tr_buf_init(&text, 64 << 20);
	promise(tr_out_open_buf(&out, &text, 0, &err) == 0);
	promise(tr_format_find("jsonl")->create(&w, out, tr_reader_head(r), NULL, &err) == 0);
	while ((rc = tr_reader_block(r, &b, &err)) == 1)
		if (tr_writer_block(w, b, NULL) < 0)
			break;
	if (rc <= 0)
		check_end(rc, &err);
	tr_writer_abort(w);
	tr_reader_close(r);
	tr_buf_free(&text);
}

#endif
