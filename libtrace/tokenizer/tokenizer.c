/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a tokenizer: the file as a whole, its parts in any order.
 */
#include "libtrace/io.h"
#include "libtrace/num.h"
#include "libtrace/tokenizer/impl.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* --- what the parts share ------------------------------------------------------------------ */

int tok_no_memory(struct tr_err *err)
{
	return tr_fail(err, TR_ENOMEM, "no memory for a tokenizer");
}

int tok_refuse(struct tr_err *err, const char *part, struct tr_slice what)
{
	return tr_fail(err, TR_EDATA, "%s: %.*s is not supported", part, (int)(what.n < 64 ? what.n : 64),
	               what.p);
}

int tok_bad(struct tr_err *err, const struct tr_json *j, const char *part, const char *what)
{
	tr_fail(err, TR_EDATA, "%s: %s", part, j->reason ? j->reason : what);
	tr_err_offset(err, (int64_t)j->pos);
	return -TR_EDATA;
}

int tok_string(const struct tr_json *j, struct tr_buf *b)
{
	struct tr_slice s = j->s;
	b->n = 0;
	return j->escaped ? tr_json_unescape(s, 0, b) : tr_buf_add(b, s.p, s.n);
}

int tok_bool(enum tr_json_token t, int *to)
{
	if (t != TR_JSON_TRUE && t != TR_JSON_FALSE)
		return -1;
	*to = t == TR_JSON_TRUE;
	return 0;
}

void tr_ids_free(struct tr_ids *ids)
{
	free(ids->v);
	*ids = (struct tr_ids){0};
}

int ids_add(struct tr_ids *ids, const uint32_t *v, size_t n, struct tr_err *err)
{
	if (n > ids->cap - ids->n) {
		size_t cap = ids->cap ? ids->cap * 2 : 256;
		while (cap < ids->n + n)
			cap *= 2;
		uint32_t *p = realloc(ids->v, cap * sizeof *p);
		if (!p)
			return tok_no_memory(err);
		ids->v = p;
		ids->cap = cap;
	}
	for (size_t i = 0; i < n; i++)
		ids->v[ids->n + i] = v[i];
	ids->n += n;
	return 0;
}

int ids_push(struct tr_ids *ids, uint32_t id, struct tr_err *err)
{
	return ids_add(ids, &id, 1, err);
}

/* --- tokenizer.json -------------------------------------------------------------------------- */

typedef int part_parser(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);

static const struct {
	const char *key;
	part_parser *parse;
} parts[] = {
    {"added_tokens", added_parse},  {"normalizer", normalizer_parse}, {"pre_tokenizer", pre_parse},
    {"post_processor", post_parse}, {"model", model_parse},
};
enum { NPARTS = sizeof parts / sizeof parts[0] };

static int parse_json(struct tr_tokenizer *t, struct tr_slice text, struct tr_err *err)
{
	struct tr_json j, model;
	enum tr_json_token k;
	unsigned seen = 0;
	int rc = 0, model_waits = 0;
	tr_json_init(&j, text.p, text.n);
	if (tr_json_next(&j) != TR_JSON_OBJECT)
		return tr_fail(err, TR_EDATA, "neither a tokenizer.json nor a tiktoken file of ranks");
	while (rc == 0 && (k = tr_json_next(&j)) == TR_JSON_KEY) {
		unsigned i = 0;
		while (i < NPARTS && !tr_slice_eq(j.s, parts[i].key))
			i++;
		if (i < NPARTS && seen >> i & 1)
			return tok_bad(err, &j, parts[i].key, "stands twice");
		seen |= i < NPARTS ? 1U << i : 0;
		if (i < NPARTS && parts[i].parse == model_parse && !(seen >> 2 & 1)) {
			model = j; /* it looks at the pre-tokenizers */
			model_waits = 1;
			i = NPARTS;
		}
		if (i < NPARTS)
			rc = parts[i].parse(t, &j, err);
		else if (tr_json_skip(&j, TR_JSON_KEY, NULL) < 0)
			rc = tok_bad(err, &j, "tokenizer", "bad value");
	}
	if (rc == 0 && (k != TR_JSON_CLOSE || tr_json_next(&j) != TR_JSON_END))
		return tok_bad(err, &j, "tokenizer", "not one JSON object");
	if (rc == 0 && model_waits)
		rc = model_parse(t, &model, err);
	if (rc == 0 && t->model == MODEL_NONE)
		return tr_fail(err, TR_EDATA, "a JSON object, but not a tokenizer.json: it has no model");
	return rc < 0 ? rc : added_ready(t, err);
}

/* --- opening --------------------------------------------------------------------------------- */

static int sha256(struct tr_slice text, char hex[65])
{
	unsigned char digest[32];
	unsigned n = 0;
	if (EVP_Digest(text.p, text.n, digest, &n, EVP_sha256(), NULL) != 1)
		return -1;
	for (int i = 0; i < 32; i++) {
		hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	hex[64] = '\0';
	return 0;
}

int tr_tokenizer_open_mem(struct tr_tokenizer **out, const char *name, struct tr_slice text,
                          struct tr_err *err)
{
	struct tr_tokenizer *t = calloc(1, sizeof *t);
	int rc = 0;
	if (!t || !(t->name = strdup(name)) || sha256(text, t->sha256) < 0) {
		tr_tokenizer_free(t);
		return tok_no_memory(err);
	}
	vocab_init(&t->vocab);
	if (err)
		tr_err_clear(err);
	if (text.n > TOK_FILE_MAX)
		rc = tr_fail(err, TR_ELIMIT, "a tokenizer of more than 256 MiB");
	else if (!utf8_valid(text))
		rc = tr_fail(err, TR_EDATA, "not UTF-8");
	else if (tiktoken_claims(text))
		rc = tiktoken_parse(t, text, err);
	else
		rc = parse_json(t, text, err);
	if (rc < 0) {
		tr_err_file(err, name);
		tr_tokenizer_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

static int read_all(struct tr_in *in, struct tr_buf *b, struct tr_err *err)
{
	struct tr_slice s;
	int rc;
	while ((rc = tr_in_next(in, &s, -1, err)) == 1) {
		rc = tr_buf_add(b, s.p, s.n);
		if (rc < 0)
			return tr_fail(err, (enum tr_code) - rc, "a tokenizer of more than 256 MiB");
	}
	return rc;
}

int tr_tokenizer_open(struct tr_tokenizer **t, const char *path, struct tr_err *err)
{
	struct tr_in *in;
	struct tr_buf b;
	int rc = tr_in_open(&in, path, 0, err);
	if (rc < 0)
		return rc;
	tr_buf_init(&b, TOK_FILE_MAX);
	rc = read_all(in, &b, err);
	if (rc < 0)
		tr_err_file(err, path);
	else
		rc = tr_tokenizer_open_mem(t, path, (struct tr_slice){b.n ? b.p : "", b.n}, err);
	tr_buf_free(&b);
	tr_in_close(in);
	return rc;
}

void tr_tokenizer_free(struct tr_tokenizer *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->norms; i++)
		normalizer_free(&t->norm[i]);
	for (unsigned i = 0; i < t->pres; i++)
		pre_free(&t->pre[i]);
	for (unsigned i = 0; i < t->nadded; i++)
		tr_buf_free(&t->added[i].content);
	free(t->added);
	trie_free(&t->raw);
	trie_free(&t->normalized);
	vocab_free(&t->vocab);
	bpe_free(&t->bpe);
	unigram_free(&t->unigram);
	trie_free(&t->wordpiece.trie);
	tr_buf_free(&t->wordpiece.unk);
	tr_buf_free(&t->wordpiece.prefix);
	tr_ids_free(&t->before);
	tr_ids_free(&t->after);
	free(t->name);
	free(t);
}

const char *tr_tokenizer_name(const struct tr_tokenizer *t)
{
	return t->name;
}

const char *tr_tokenizer_sha256(const struct tr_tokenizer *t)
{
	return t->sha256;
}

const char *tr_tokenizer_kind(const struct tr_tokenizer *t)
{
	if (t->model == MODEL_BPE)
		return t->bpe.raw_bytes && t->pres && t->pre[t->pres - 1].leave_bytes ? "byte-level BPE"
		                                                                      : "BPE";
	return t->model == MODEL_UNIGRAM ? "Unigram" : t->wordpiece.whole_only ? "WordLevel" : "WordPiece";
}
