/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of tokenizers: a tokenizer.json or a file of ranks, whatever comes. One that loads encodes a few
 * texts, the beginning of itself among them; counting and encoding agree, and a second time gives the same.
 */
#include "libtrace/tokenizer/tokenizer.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { OWN_TEXT = 512 };

static void encode(struct tr_encoder *e, struct tr_slice text, unsigned flags)
{
	struct tr_ids ids = {0};
	struct tr_err err;
	uint64_t n = 0;
	tr_err_clear(&err);
	int rc = tr_encode(e, text, flags, &ids, &err);
	check_end(rc, &err);
	if (rc == 0) {
		const size_t once = ids.n;
		promise(tr_count_tokens(e, text, flags, &n, &err) == 0 && n == once);
		promise(tr_encode(e, text, flags, &ids, &err) == 0 && ids.n == 2 * once);
		promise(once == 0 || memcmp(ids.v, ids.v + once, once * sizeof *ids.v) == 0);
	}
	tr_ids_free(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const texts[] = {
	    "",
	    "It's 1234567 words, don't you THINK?\r\n\r\n  if (x) {\n\t\tnothing();\n\t}",
	    "Ångström ﬁ ½ 漢字かな 한글 e\xcc\x81\xcc\xa3 مرحبا",
	    "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9",
	    "<s>[CLS] </s><|endoftext|> \xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
	};
	struct tr_tokenizer *t;
	struct tr_encoder *e;
	struct tr_err err;
	tr_err_clear(&err);
	int rc = tr_tokenizer_open_mem(&t, "fuzz", (struct tr_slice){(const char *)data, size}, &err);
	check_end(rc, &err);
	if (rc < 0)
		return 0;
	promise(strlen(tr_tokenizer_sha256(t)) == 64 && tr_tokenizer_kind(t) && tr_tokenizer_name(t));
	promise(tr_encoder_new(&e, t, &err) == 0);
	for (unsigned flags = 0; flags <= TR_TOK_SPECIAL; flags++) {
		for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
			encode(e, tr_slice_of(texts[i]), flags);
		encode(e, (struct tr_slice){(const char *)data, size < OWN_TEXT ? size : OWN_TEXT}, flags);
	}
	tr_encoder_free(e);
	tr_tokenizer_free(t);
	return 0;
}
