/* SPDX-License-Identifier: Apache-2.0
 *
 * ids TOKENIZER [--special] [--hash]: texts from stdin, each behind its length (4 bytes, little-endian). For each a line of ids; with
 * --hash, one line for all: texts, ids, and the 64-bit FNV-1a over the ids of each text (4 bytes each, little-endian) and a
 * 0xffffffff behind them.
 */
#include "libtrace/tokenizer/tokenizer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t fnv(uint64_t h, uint32_t v)
{
	for (int i = 0; i < 4; i++, v >>= 8)
		h = (h ^ (v & 0xff)) * UINT64_C(0x100000001b3);
	return h;
}

static int complain(const struct tr_err *err)
{
	char line[1024];
	fprintf(stderr, "ids: %s\n", tr_err_format(err, line, sizeof line));
	return tr_code_exit(err->code);
}

int main(int argc, char **argv)
{
	struct tr_tokenizer *t;
	struct tr_encoder *e;
	struct tr_ids ids = {0};
	struct tr_err err;
	unsigned flags = 0;
	int hashing = 0, rc;
	uint64_t texts = 0, total = 0, h = UINT64_C(0xcbf29ce484222325);
	unsigned char head[4];
	char *text = NULL;
	for (int i = 2; i < argc; i++) {
		flags |= strcmp(argv[i], "--special") == 0 ? TR_TOK_SPECIAL : 0;
		hashing |= strcmp(argv[i], "--hash") == 0;
	}
	tr_err_clear(&err);
	if (argc < 2 || tr_tokenizer_open(&t, argv[1], &err) < 0 || tr_encoder_new(&e, t, &err) < 0)
		return complain(&err);
	while (fread(head, 1, 4, stdin) == 4) {
		size_t n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
		text = realloc(text, n + 1);
		if (!text || fread(text, 1, n, stdin) != n)
			return 1;
		ids.n = 0;
		rc = tr_encode(e, (struct tr_slice){text, n}, flags, &ids, &err);
		if (rc < 0)
			return complain(&err);
		for (size_t i = 0; i < ids.n; i++) {
			h = fnv(h, ids.v[i]);
			if (!hashing)
				printf("%s%" PRIu32, i ? " " : "", ids.v[i]);
		}
		if (!hashing)
			putchar('\n');
		h = fnv(h, UINT32_MAX);
		texts++;
		total += ids.n;
	}
	if (hashing)
		printf("%" PRIu64 " %" PRIu64 " %016" PRIx64 "\n", texts, total, h);
	tr_ids_free(&ids);
	tr_encoder_free(e);
	tr_tokenizer_free(t);
	free(text);
	return 0;
}
