/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of a data block, without the checksum that would keep a fuzzer out. What decodes is encoded and
 * decoded again and must be the same.
 */
#include "libtrace/stream_impl.h"
#include "libtrace/trb_impl.h"
#include "tests/fuzz/fuzz.h"

static uint64_t hash(const struct tr_block *b)
{
	struct tr_count c;
	struct tr_tail t = {0};
	tr_count_start(&c, &t);
	tr_count_block(&c, &t, b);
	tr_count_hash(&c, &t, b);
	return t.content;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trb_dec d;
	struct trb_enc e;
	struct tr_block *one = NULL, *two = NULL;
	struct tr_buf body;
	if (size < 3)
		return 0;
	uint32_t rows = data[0] | (uint32_t)data[1] << 8;
	promise(trb_dec_init(&d) == 0 && trb_enc_init(&e) == 0);
	tr_buf_init(&body, 32 << 20);
	d.p = data + 3;
	d.n = size - 3;
	if (trb_get_block(&d, data[2] % TR_KINDS, rows, &one) == 0) {
		promise(trb_put_block(&e, &body, one) == 0);
		d.p = (unsigned char *)body.p;
		d.n = body.n;
		d.pos = 0;
		promise(trb_get_block(&d, one->kind, rows, &two) == 0);
		promise(hash(one) == hash(two));
	} else {
		promise(d.reason != NULL);
	}
	tr_block_unref(one);
	tr_block_unref(two);
	tr_buf_free(&body);
	trb_dec_free(&d);
	trb_enc_free(&e);
	return 0;
}
