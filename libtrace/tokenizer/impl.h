/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the tokenizer: its parts, in the order in which a text passes them. Names are those of
 * tokenizer.json; what each does is what Hugging Face `tokenizers` 0.23 does.
 *
 *     clean UTF-8 -> added tokens of the raw text -> normalizer -> added tokens of the normalized text ->
 *     pre_tokenizer -> model -> post_processor
 */
#ifndef LIBTRACE_TOKENIZER_IMPL_H
#define LIBTRACE_TOKENIZER_IMPL_H

#include "libtrace/json.h"
#include "libtrace/tokenizer/tokenizer.h"

#include <string.h>

enum {
	TOK_FILE_MAX = 256 << 20,
	TOK_TEXT_MAX = 512 << 20, /* of a text, and of each of its forms on the way */
	TOK_PIECES_MAX = 4 << 20, /* entries of a vocabulary, merges */
	TOK_ID_MAX = INT32_MAX,
	TOK_ADDED_MAX = 1024, /* bytes of an added token */
	TOK_WALK_MAX = 1024,  /* bytes of a piece that is found by walking a trie */
	TOK_STEPS_MAX = 64,   /* normalizers or pre-tokenizers */
};
#define TOK_NONE UINT32_MAX

/* --- utf8.c ------------------------------------------------------------------------------- */

/* Length of the sequence that starts with this byte; the text is valid UTF-8. */
static inline size_t utf8_length(const char *p)
{
	unsigned char c = (unsigned char)*p;
	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}
/* The code point at p, and its length; the text is valid UTF-8. */
uint32_t utf8_at(const char *p, size_t *length);
size_t utf8_put(uint32_t cp, char *p); /* up to 4 bytes */
int utf8_valid(struct tr_slice s);
/* s itself when it is valid UTF-8; else a copy in b, with U+FFFD for each maximal ill-formed part. */
int utf8_clean(struct tr_slice *s, struct tr_buf *b);
size_t utf8_count(struct tr_slice s); /* code points */

int cp_is_white(uint32_t cp);       /* White_Space */
int cp_is_word(uint32_t cp);        /* \w of Rust's regex: Alphabetic, M, Nd, Pc, Join_Control */
int cp_is_punctuation(uint32_t cp); /* ASCII punctuation, or P* of Unicode 8.0 */
int cp_is_numeric(uint32_t cp);     /* N* */

enum cp_age { AGE_8 = 8, AGE_9 = 9, AGE_LATER = 15 }; /* of Unicode 8.0 or before, 9.0, later or never */
enum cp_age cp_age(uint32_t cp);                      /* age.c */

/* --- vocab.c: pieces by their bytes ------------------------------------------------------- */

struct piece {
	uint32_t at, n, id, hash;
};
struct vocab {
	struct tr_buf arena; /* the bytes of all pieces */
	struct piece *v;
	uint32_t count, cap;
	uint64_t *slots; /* hash << 32 | index in v + 1; open addressing */
	uint32_t mask;
	uint32_t longest; /* bytes of the longest piece */
};
void vocab_init(struct vocab *v);
void vocab_free(struct vocab *v);
int vocab_add(struct vocab *v, struct tr_slice piece, uint32_t id,
              struct tr_err *err); /* the last one counts */
uint32_t tok_hash(const char *p, size_t n);
uint32_t vocab_find_hashed(const struct vocab *v, struct tr_slice piece, uint32_t hash);
/* Ask for the memory that a look-up of this hash will need, stage by stage. The vocabulary is not empty. */
enum vocab_stage { VOCAB_SLOT, VOCAB_ENTRY, VOCAB_BYTES };
void vocab_fetch(const struct vocab *v, uint32_t hash, enum vocab_stage stage);
static inline uint32_t vocab_find(const struct vocab *v, struct tr_slice piece) /* TOK_NONE: not there */
{
	return vocab_find_hashed(v, piece, tok_hash(piece.p, piece.n));
}

/* --- trie.c: strings that begin at a place ------------------------------------------------- */

struct trie {
	struct trie_edge {
		uint32_t from, to;
		unsigned char byte, used;
	} * edges;       /* open addressing */
	uint32_t *value; /* of a node; TOK_NONE: no string ends here */
	uint32_t nodes, cap, mask;
	unsigned char first[256]; /* does any string begin so? */
};
int trie_add(struct trie *t, struct tr_slice s, uint32_t value,
             struct tr_err *err); /* value of a string that is there stays */
void trie_free(struct trie *t);
#define TRIE_ROOT 0
uint32_t trie_step(const struct trie *t, uint32_t node, unsigned char byte); /* TOK_NONE: none */

/* --- regex.c, pattern.c: what splits and replaces --------------------------------------------------- */

/* Well-known patterns, as they stand in files. */
#define PATTERN_GPT2       "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define PATTERN_GPT2_SHORT "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define PATTERN_CL100K                                                                                       \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+"       \
	"[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define PATTERN_QWEN                                                                                         \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"  \
	"\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define PATTERN_O200K                                                                                        \
	"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"          \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"                                                                     \
	"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"          \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"                                                                     \
	"\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
/* From Oniguruma's dialect to PCRE2's, appended to out. -TR_EDATA: something in it is not supported. */
int regex_translate(struct tr_slice regex, struct tr_buf *out, struct tr_err *err);
struct pattern {
	char *literal; /* or NULL: a regex */
	size_t n;
	void *code; /* pcre2_code */
};
/* json: {"String":"..."} or {"Regex":"..."} */
int pattern_parse(struct pattern *p, struct tr_json *j, struct tr_err *err);
int pattern_regex(struct pattern *p, const char *regex, struct tr_err *err);
void pattern_free(struct pattern *p);
struct matcher; /* of one encoder: match data, limits, stack */
int matcher_new(struct matcher **m, struct tr_err *err);
void matcher_begin(struct matcher *m, size_t bytes); /* a text of that length: new limits */
void matcher_free(struct matcher *m);
/* The first match at or after `from` in s: 1 = found, 0 = none, < 0 a limit was reached. */
int pattern_find(const struct pattern *p, struct matcher *m, struct tr_slice s, size_t from, size_t *start,
                 size_t *end, struct tr_err *err);

/* --- normalize.c, form.c, precompiled.c ------------------------------------------------------------ */

enum normalizer_kind {
	NORM_FORM,
	NORM_LOWERCASE,
	NORM_STRIP,
	NORM_STRIP_ACCENTS,
	NORM_REPLACE,
	NORM_PREPEND,
	NORM_BERT,
	NORM_NMT,
	NORM_PRECOMPILED,
	NORM_BYTES,
};
struct normalizer {
	enum normalizer_kind kind;
	int compose, compat;                /* NORM_FORM */
	int left, right;                    /* NORM_STRIP */
	int clean, chinese, accents, lower; /* NORM_BERT */
	struct pattern pattern;             /* NORM_REPLACE */
	struct tr_buf text;                 /* REPLACE, PREPEND: what to put; PRECOMPILED: the map */
	size_t units;                       /* PRECOMPILED: of its trie */
};
int normalizer_parse(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);
void normalizer_free(struct normalizer *n);
/* *s in, *s out: in b when it was changed. */
int normalizer_run(const struct normalizer *n, struct matcher *m, struct tr_slice *s, struct tr_buf *b,
                   struct tr_err *err);
int form_run(const struct normalizer *n, struct tr_slice *s, struct tr_buf *b);
/* Steps that follow each other write into two buffers in turn: into the one that the text is not in. */
static inline int tok_is_in(struct tr_slice s, const struct tr_buf *b)
{
	return b->p && s.p >= b->p && s.p < b->p + b->n;
}
int precompiled_parse(struct normalizer *n, struct tr_slice base64, struct tr_err *err);
int precompiled_run(const struct normalizer *n, struct tr_slice s, struct tr_buf *b);

/* --- pretokenize.c -------------------------------------------------------------------------- */

enum behavior { REMOVED, ISOLATED, WITH_PREVIOUS, WITH_NEXT, CONTIGUOUS };
enum pre_kind { PRE_SPLIT, PRE_CHARS, PRE_METASPACE, PRE_BYTES };
enum scheme { SCHEME_FIRST, SCHEME_ALWAYS, SCHEME_NEVER };
struct pre {
	enum pre_kind kind;
	enum behavior behavior;
	int invert;
	struct pattern pattern;    /* SPLIT; BYTES: unless code is NULL */
	int (*is)(uint32_t cp);    /* CHARS: those that split ... */
	uint32_t delimiter;        /* ... or this one alone, when `is` is NULL */
	int add_space;             /* BYTES */
	int leave_bytes;           /* BYTES: the last step, whose mapping the model does not need */
	enum scheme scheme;        /* METASPACE */
	int split;                 /* METASPACE */
	struct tr_buf replacement; /* METASPACE */
};
int pre_parse(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);
void pre_free(struct pre *p);

struct span {
	size_t at, n; /* in the text at hand */
};
struct spans {
	struct span *v;
	size_t n, cap;
};
struct pre_work { /* scratch of an encoder */
	struct spans spans, next;
	struct tr_buf text, other;
};
/* From a piece of normalized text to words: work->spans over *text, which may have been rewritten. at_start:
 * the piece begins where the whole text does. */
int pre_run(const struct tr_tokenizer *t, struct matcher *m, struct tr_slice *text, int at_start,
            struct pre_work *work, struct tr_err *err);
void pre_work_free(struct pre_work *work);

/* --- bytes.c: GPT-2's printable characters for bytes ---------------------------------------- */

uint32_t byte_char(unsigned char byte);            /* code point */
int byte_map(struct tr_slice s, struct tr_buf *b); /* append the text that stands for these bytes */

/* --- bpe.c ------------------------------------------------------------------------------------ */

struct merge {
	uint64_t pair; /* left << 32 | right; UINT64_MAX: free */
	uint32_t rank, id;
};
struct bpe {
	struct merge *merges; /* open addressing */
	struct merge *bytes;  /* byte-level: of the bytes left << 8 | right; rank TOK_NONE: none */
	uint32_t mask, count;
	int by_rank; /* tiktoken: no merges; a pair's rank is the id of its bytes */
	int ignore_merges, fuse_unk, byte_fallback;
	struct tr_buf unk, prefix, suffix;
	uint32_t unk_id;
	uint32_t byte_id[256];    /* ids of single bytes: mapped (byte-level), or <0x..> (byte fallback) */
	uint32_t ascii_id[128];   /* ids of single characters */
	int raw_bytes;            /* byte-level, and every byte has a piece */
	uint64_t *may;            /* bits: a pair whose bit is not set has no rank */
	int parts;                /* a word may be cut before a U+2581 ... */
	unsigned char joins[256]; /* ... but not behind a character that ends so */
};
struct bpe_work;

/* --- unigram.c, wordpiece.c ------------------------------------------------------------------- */

struct unigram {
	struct trie trie;
	double *score; /* by id */
	uint32_t count, unk_id;
	double unk_score;
	int byte_fallback;
};
struct wordpiece { /* and WordLevel, which has no prefix and takes whole words only */
	struct tr_buf unk, prefix;
	struct trie trie;
	uint32_t rest; /* where the trie's pieces with the prefix go on; TOK_NONE: there is none */
	size_t max_chars;
	int whole_only;
};

/* --- added.c ---------------------------------------------------------------------------------- */

struct added {
	struct tr_buf content;
	uint32_t id;
	int special, normalized, left, right, single_word;
};
struct added_hit {
	size_t start, end;
	const struct added *token;
};
int added_parse(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);
int added_ready(struct tr_tokenizer *t, struct tr_err *err); /* ids and tries, once all the rest is known */
/* The first added token at or after *search. start_min: the end of the one before. 1 or 0. */
int added_find(const struct tr_tokenizer *t, const struct trie *trie, struct tr_slice s, size_t *search,
               size_t start_min, struct added_hit *hit);

/* --- the whole -------------------------------------------------------------------------------- */

enum model { MODEL_NONE, MODEL_BPE, MODEL_UNIGRAM, MODEL_WORDPIECE };
struct tr_tokenizer {
	char *name;
	char sha256[65];
	struct normalizer norm[TOK_STEPS_MAX];
	unsigned norms;
	struct pre pre[TOK_STEPS_MAX];
	unsigned pres;
	enum model model;
	struct vocab vocab;
	struct bpe bpe;
	struct unigram unigram;
	struct wordpiece wordpiece;
	struct added *added;
	unsigned nadded, added_cap;
	struct trie raw, normalized; /* of added tokens: index in added */
	struct tr_ids before, after; /* what the post-processor puts round a text */
};

struct tr_encoder {
	const struct tr_tokenizer *t;
	struct matcher *matcher;
	struct tr_buf clean, norm[2];
	struct pre_work pre;
	struct bpe_work *bpe;
	struct unigram_node *nodes;
	size_t nodes_cap;
	struct tr_ids counted;
};

int ids_push(struct tr_ids *ids, uint32_t id, struct tr_err *err);
int ids_add(struct tr_ids *ids, const uint32_t *v, size_t n, struct tr_err *err);
int tok_no_memory(struct tr_err *err);
int tok_refuse(struct tr_err *err, const char *part, struct tr_slice what); /* "... is not supported" */
int tok_bad(struct tr_err *err, const struct tr_json *j, const char *part, const char *what);
/* A string token, unescaped, into b (emptied first). */
int tok_string(const struct tr_json *j, struct tr_buf *b);
int tok_bool(enum tr_json_token t, int *to); /* 0, or -1 when it is neither true nor false */

int bpe_parse_merges(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);
int bpe_ready(struct tr_tokenizer *t, struct tr_err *err);
void bpe_free(struct bpe *b);
int bpe_work_new(struct bpe_work **w, struct tr_err *err);
void bpe_work_free(struct bpe_work *w);
/* Append the ids of a word. raw: its bytes stand for themselves. */
int bpe_word(struct tr_encoder *e, struct tr_slice word, int raw, struct tr_ids *ids, struct tr_err *err);

int unigram_parse_vocab(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);
int unigram_ready(struct tr_tokenizer *t, struct tr_err *err);
void unigram_free(struct unigram *u);
int unigram_word(struct tr_encoder *e, struct tr_slice word, struct tr_ids *ids, struct tr_err *err);
int wordpiece_ready(struct tr_tokenizer *t, struct tr_err *err);
int wordpiece_word(struct tr_encoder *e, struct tr_slice word, struct tr_ids *ids, struct tr_err *err);

int post_parse(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);
int model_parse(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);
int tiktoken_parse(struct tr_tokenizer *t, struct tr_slice text, struct tr_err *err);
/* Does it begin like a file of ranks? */
int tiktoken_claims(struct tr_slice text);

#endif
