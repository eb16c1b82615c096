/* SPDX-License-Identifier: Apache-2.0
 *
 * ids TOKENIZER [--special] [--hash]: the ids of texts from stdin, each text behind its length (4 bytes,
 * little-endian), printed as a line of numbers each; --special with what the post-processor adds. With --hash
 * the length 0xffffffff ends a group, and each group is a line: how many ids and a hash without added
 * tokens, and the same two with them. The hash is the first 10 hex digits of the SHA-256 over the ids of each
 * text (4 bytes each, little-endian) and a 0xffffffff behind them. Counting has to agree with every text's
 * ids.
 */
#include "libtrace/tokenizer/tokenizer.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t end_mark = UINT32_MAX;

struct sums {
	EVP_MD_CTX *hash;
	uint64_t ids;
};

static int complain(const struct tr_err *err)
{
	char line[1024];
	fprintf(stderr, "ids: %s\n", tr_err_format(err, line, sizeof line));
	return tr_code_exit(err->code);
}

static int little_endian(void)
{
	const uint16_t one = 1;
	return *(const unsigned char *)&one;
}

static void begin(struct sums *s)
{
	s->ids = 0;
	EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL);
}

static void put_line_part(struct sums *s, const char *behind)
{
	unsigned char sha[EVP_MAX_MD_SIZE];
	EVP_DigestFinal_ex(s->hash, sha, NULL);
	printf("%" PRIu64 " %02x%02x%02x%02x%02x%s", s->ids, sha[0], sha[1], sha[2], sha[3], sha[4], behind);
	begin(s);
}

static int hash_text(struct tr_encoder *e, struct tr_slice text, unsigned flags, struct tr_ids *ids,
                     struct sums *s, struct tr_err *err)
{
	uint64_t n = 0;
	ids->n = 0;
	int rc = tr_encode(e, text, flags, ids, err);
	if (rc == 0 && !(flags & TR_TOK_SPECIAL))
		rc = tr_count_tokens(e, text, flags, &n, err);
	if (rc == 0 && !(flags & TR_TOK_SPECIAL) && n != ids->n)
		rc = tr_fail(err, TR_EDATA, "counted %" PRIu64 " tokens, made %zu ids", n, ids->n);
	if (rc < 0)
		return rc;
	s->ids += ids->n;
	EVP_DigestUpdate(s->hash, ids->v, ids->n * sizeof *ids->v);
	EVP_DigestUpdate(s->hash, &end_mark, sizeof end_mark);
	return 0;
}

static int print_text(struct tr_encoder *e, struct tr_slice text, unsigned flags, struct tr_ids *ids,
                      struct tr_err *err)
{
	ids->n = 0;
	int rc = tr_encode(e, text, flags, ids, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < ids->n; i++)
		printf("%s%" PRIu32, i ? " " : "", ids->v[i]);
	putchar('\n');
	return 0;
}

int main(int argc, char **argv)
{
	struct tr_tokenizer *t;
	struct tr_encoder *e;
	struct tr_ids ids = {0};
	struct tr_err err;
	struct sums plain = {.hash = EVP_MD_CTX_new()}, special = {.hash = EVP_MD_CTX_new()};
	unsigned flags = 0;
	int hashing = 0, rc;
	unsigned char head[4];
	char *text = NULL;
	for (int i = 2; i < argc; i++) {
		flags |= strcmp(argv[i], "--special") == 0 ? TR_TOK_SPECIAL : 0;
		hashing |= strcmp(argv[i], "--hash") == 0;
	}
	tr_err_clear(&err);
	if (argc < 2 || !plain.hash || !special.hash || !little_endian()) {
		fputs("usage: ids TOKENIZER [--special] [--hash] < texts\n", stderr);
		return 2;
	}
	if (tr_tokenizer_open(&t, argv[1], &err) < 0 || tr_encoder_new(&e, t, &err) < 0)
		return complain(&err);
	begin(&plain);
	begin(&special);
	while (fread(head, 1, 4, stdin) == 4) {
		size_t n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
		if (n == end_mark) {
			put_line_part(&plain, " ");
			put_line_part(&special, "\n");
			continue;
		}
		text = realloc(text, n + 1);
		if (!text || fread(text, 1, n, stdin) != n)
			return 1;
		struct tr_slice s = {text, n};
		if (!hashing)
			rc = print_text(e, s, flags, &ids, &err);
		else if ((rc = hash_text(e, s, 0, &ids, &plain, &err)) == 0)
			rc = hash_text(e, s, TR_TOK_SPECIAL, &ids, &special, &err);
		if (rc < 0)
			return complain(&err);
	}
	tr_ids_free(&ids);
	tr_encoder_free(e);
	tr_tokenizer_free(t);
	EVP_MD_CTX_free(plain.hash);
	EVP_MD_CTX_free(special.hash);
	free(text);
	return fflush(stdout) ? 1 : 0;
}
