/* SPDX-License-Identifier: Apache-2.0
 *
 * The "model" of a tokenizer.json. What kind it is may stand behind its vocabulary, or nowhere; its shape
 * tells.
 */
#include "libtrace/num.h"
#include "libtrace/tokenizer/impl.h"

/* {"piece": id, ...} */
static int take_vocab(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	struct tr_buf b;
	enum tr_json_token k;
	uint64_t id;
	int rc = 0;
	tr_buf_init(&b, 1 << 20);
	while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_KEY) {
		struct tr_slice piece = j->s;
		if (j->escaped) {
			rc = tok_string(j, &b);
			piece = (struct tr_slice){b.n ? b.p : "", b.n};
		}
		if (rc < 0 || tr_json_next(j) != TR_JSON_NUMBER || tr_num_u64(j->s, &id) || id > TOK_ID_MAX)
			rc = tok_bad(err, j, "vocab", "not a piece with its id");
		else
			rc = vocab_add(&t->vocab, piece, (uint32_t)id, err);
	}
	tr_buf_free(&b);
	return rc || k == TR_JSON_CLOSE ? rc
	                                : tok_bad(err, j, "vocab", j->reason ? j->reason : "not an object");
}

/* What the members say, before it is known whose they are. */
struct said {
	struct tr_buf type, unk, prefix, suffix;
	int has_prefix, ignore_merges, fuse_unk, byte_fallback, list;
	uint32_t unk_id;
	size_t max_chars;
	struct tr_json merges; /* the scanner before them, when they came first */
	int merges_wait;
};

static int take_text(struct tr_json *j, struct tr_buf *to, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	if (k == TR_JSON_NULL)
		return 0;
	return k == TR_JSON_STRING && tok_string(j, to) == 0 ? 0 : tok_bad(err, j, "model", "not a string");
}

static int take_flag(struct tr_json *j, int *to, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	return k == TR_JSON_NULL || tok_bool(k, to) == 0 ? 0
	                                                 : tok_bad(err, j, "model", "neither true nor false");
}

static int take_number(struct tr_json *j, uint64_t *to, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	if (k == TR_JSON_NULL)
		return 0;
	return k == TR_JSON_NUMBER && !tr_num_u64(j->s, to) && *to <= TOK_ID_MAX
	           ? 0
	           : tok_bad(err, j, "model", "not a number");
}

static int take_pieces(struct tr_tokenizer *t, struct tr_json *j, struct said *s, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	s->list = k == TR_JSON_ARRAY;
	if (t->vocab.count)
		return tok_bad(err, j, "model", "two vocabularies");
	if (k == TR_JSON_ARRAY)
		return unigram_parse_vocab(t, j, err);
	return k == TR_JSON_OBJECT ? take_vocab(t, j, err)
	                           : tok_bad(err, j, "vocab", "neither an object nor a list");
}

static int take_merges(struct tr_tokenizer *t, struct tr_json *j, struct said *s, struct tr_err *err)
{
	if (t->vocab.count)
		return bpe_parse_merges(t, j, err);
	s->merges = *j;
	s->merges_wait = 1;
	return tr_json_skip(j, TR_JSON_KEY, NULL) < 0 ? tok_bad(err, j, "merges", "bad value") : 0;
}

static int take_dropout(struct tr_json *j, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	double d = 0;
	if (k == TR_JSON_NULL || (k == TR_JSON_NUMBER && !tr_num_double(j->s, &d) && d == 0))
		return 0;
	return tr_fail(err, TR_EDATA, "model: dropout makes ids a matter of chance, and is not supported");
}

static int take_member(struct tr_tokenizer *t, struct tr_json *j, struct tr_slice key, struct said *s,
                       struct tr_err *err)
{
	const struct {
		const char *key;
		struct tr_buf *text;
		int *flag;
	} members[] = {
	    {"type", &s->type, NULL},
	    {"unk_token", &s->unk, NULL},
	    {"continuing_subword_prefix", &t->bpe.prefix, NULL}, /* merges need it at once */
	    {"end_of_word_suffix", &s->suffix, NULL},
	    {"ignore_merges", NULL, &s->ignore_merges},
	    {"fuse_unk", NULL, &s->fuse_unk},
	    {"byte_fallback", NULL, &s->byte_fallback},
	};
	uint64_t number = 0;
	int rc = 0;
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		if (tr_slice_eq(key, members[i].key))
			return members[i].text ? take_text(j, members[i].text, err)
			                       : take_flag(j, members[i].flag, err);
	if (tr_slice_eq(key, "vocab"))
		return take_pieces(t, j, s, err);
	if (tr_slice_eq(key, "merges"))
		return take_merges(t, j, s, err);
	if (tr_slice_eq(key, "dropout"))
		return take_dropout(j, err);
	if (tr_slice_eq(key, "unk_id")) {
		number = TOK_NONE;
		rc = take_number(j, &number, err);
		s->unk_id = (uint32_t)number;
		return rc;
	}
	if (tr_slice_eq(key, "max_input_chars_per_word")) {
		rc = take_number(j, &number, err);
		s->max_chars = number;
		return rc;
	}
	return tr_json_skip(j, TR_JSON_KEY, NULL) < 0 ? tok_bad(err, j, "model", "bad value") : 0;
}

static struct tr_buf take(struct tr_buf *from)
{
	struct tr_buf b = *from;
	tr_buf_init(from, b.max);
	return b;
}

/* Hand what was said to the model it is of. */
static int choose(struct tr_tokenizer *t, struct said *s, struct tr_err *err)
{
	struct tr_slice type = {s->type.n ? s->type.p : "", s->type.n};
	if (tr_slice_eq(type, "Unigram") || (!type.n && s->list)) {
		if (!s->list)
			return tr_fail(err, TR_EDATA, "vocab: not the list that a Unigram model has");
		t->model = MODEL_UNIGRAM;
		t->unigram.unk_id = s->unk_id;
		t->unigram.byte_fallback = s->byte_fallback;
		return unigram_ready(t, err);
	}
	if (s->list)
		return tr_fail(err, TR_EDATA, "vocab: not the object that this model has");
	if (tr_slice_eq(type, "WordPiece") || tr_slice_eq(type, "WordLevel")) {
		t->model = MODEL_WORDPIECE;
		t->wordpiece.whole_only = tr_slice_eq(type, "WordLevel");
		t->wordpiece.unk = take(&s->unk);
		t->wordpiece.prefix = take(&t->bpe.prefix);
		t->wordpiece.max_chars = s->max_chars;
		return wordpiece_ready(t, err);
	}
	if (type.n && !tr_slice_eq(type, "BPE"))
		return tok_refuse(err, "model", type);
	t->model = MODEL_BPE;
	t->bpe.unk = take(&s->unk);
	t->bpe.suffix = take(&s->suffix);
	t->bpe.ignore_merges = s->ignore_merges;
	t->bpe.fuse_unk = s->fuse_unk;
	t->bpe.byte_fallback = s->byte_fallback;
	int rc = s->merges_wait ? bpe_parse_merges(t, &s->merges, err) : 0;
	return rc < 0 ? rc : bpe_ready(t, err);
}

int model_parse(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	struct said s = {.unk_id = TOK_NONE, .max_chars = 100};
	struct tr_buf *texts[] = {&s.type, &s.unk, &s.suffix, &t->bpe.prefix};
	enum tr_json_token k = tr_json_next(j);
	int rc = k == TR_JSON_OBJECT ? 0 : tok_bad(err, j, "model", "not an object");
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		tr_buf_init(texts[i], 4096);
	while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_KEY)
		rc = take_member(t, j, j->s, &s, err);
	if (rc == 0 && k != TR_JSON_CLOSE)
		rc = tok_bad(err, j, "model", j->reason ? j->reason : "not an object");
	if (rc == 0 && !t->vocab.count)
		rc = tr_fail(err, TR_EDATA, "model: no vocabulary");
	if (rc == 0)
		rc = choose(t, &s, err);
	tr_buf_free(&s.type);
	tr_buf_free(&s.unk);
	tr_buf_free(&s.suffix);
	return rc;
}
