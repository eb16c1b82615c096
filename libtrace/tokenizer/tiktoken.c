/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of ranks, as tiktoken reads them: a line "base64 rank" for each piece. Such a file names neither its
 * pattern nor its special tokens; the pattern follows from how many ranks there are, and special tokens
 * written out in a text are text (encode_ordinary). Patterns: tiktoken_ext/openai_public.py, Llama 3's and
 * Qwen's tokenizers.
 */
#include "libtrace/num.h"
#include "libtrace/tokenizer/impl.h"

#include <openssl/evp.h>

static const struct {
	uint32_t ranks;
	const char *pattern;
} known[] = {
    {50256, PATTERN_GPT2_SHORT}, /* r50k_base, gpt2 */
    {50280, PATTERN_GPT2_SHORT}, /* p50k_base */
    {100256, PATTERN_CL100K},    /* cl100k_base */
    {128000, PATTERN_CL100K},    /* Llama 3 */
    {151643, PATTERN_QWEN},      /* Qwen */
    {199998, PATTERN_O200K},     /* o200k_base, o200k_harmony */
};

static int line_parts(struct tr_slice line, struct tr_slice *base64, uint64_t *rank)
{
	const char *space = line.n ? memchr(line.p, ' ', line.n) : NULL;
	if (!space || space == line.p)
		return -1;
	*base64 = (struct tr_slice){line.p, (size_t)(space - line.p)};
	struct tr_slice number = {space + 1, line.n - base64->n - 1};
	return base64->n % 4 || tr_num_u64(number, rank) || *rank > TOK_ID_MAX ? -1 : 0;
}

static struct tr_slice next_line(struct tr_slice *text)
{
	const char *end = memchr(text->p, '\n', text->n);
	struct tr_slice line = {text->p, end ? (size_t)(end - text->p) : text->n};
	size_t used = line.n + (end != NULL);
	text->p += used;
	text->n -= used;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

int tiktoken_claims(struct tr_slice text)
{
	struct tr_slice base64;
	uint64_t rank;
	return text.n && line_parts(next_line(&text), &base64, &rank) == 0;
}

static int take_line(struct tr_tokenizer *t, struct tr_slice line, struct tr_err *err)
{
	struct tr_slice base64;
	unsigned char piece[1024];
	uint64_t rank;
	if (line_parts(line, &base64, &rank) < 0 || base64.n > sizeof piece)
		return tr_fail(err, TR_EDATA, "not a piece in base64 and its rank");
	int n = EVP_DecodeBlock(piece, (const unsigned char *)base64.p, (int)base64.n);
	for (size_t i = base64.n; n > 0 && i && base64.p[i - 1] == '='; i--)
		n--;
	if (n <= 0)
		return tr_fail(err, TR_EDATA, "not a piece in base64 and its rank");
	return vocab_add(&t->vocab, (struct tr_slice){(const char *)piece, (size_t)n}, (uint32_t)rank, err);
}

int tiktoken_parse(struct tr_tokenizer *t, struct tr_slice text, struct tr_err *err)
{
	const char *pattern = NULL;
	uint64_t number = 0;
	int rc = 0;
	while (text.n && rc == 0) {
		struct tr_slice line = next_line(&text);
		number++;
		if (line.n)
			rc = take_line(t, line, err);
	}
	if (rc < 0) {
		tr_err_line(err, number);
		return rc;
	}
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i].ranks == t->vocab.count)
			pattern = known[i].pattern;
	if (!pattern)
		return tr_fail(err, TR_EDATA,
		               "%u ranks: no file with a known pattern (r50k, p50k, cl100k, o200k, Llama 3, "
		               "Qwen) has as many",
		               t->vocab.count);
	t->pre[0] = (struct pre){.kind = PRE_BYTES, .leave_bytes = 1};
	tr_buf_init(&t->pre[0].replacement, 64);
	t->pres = 1;
	t->model = MODEL_BPE;
	t->bpe.by_rank = 1;
	rc = pattern_regex(&t->pre[0].pattern, pattern, err);
	return rc < 0 ? rc : bpe_ready(t, err);
}
