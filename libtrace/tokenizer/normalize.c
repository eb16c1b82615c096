/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalizers: each turns a text into another.
 */
#include "libtrace/tokenizer/impl.h"

#include <stdlib.h>
#include <utf8proc.h>

/* --- parsing ------------------------------------------------------------------------------ */

static int take_text(struct tr_buf *b, struct tr_json *j, enum tr_json_token t, struct tr_err *err)
{
	tr_buf_free(b); /* a key that stands twice */
	tr_buf_init(b, 1 << 20);
	return t == TR_JSON_STRING && tok_string(j, b) == 0 ? 0
	                                                    : tok_bad(err, j, "normalizer", "not a string");
}

static int take_member(struct normalizer *n, struct tr_json *j, struct tr_slice key, struct tr_err *err)
{
	static const struct {
		const char *key;
		size_t offset;
	} flags[] = {
	    {"strip_left", offsetof(struct normalizer, left)},
	    {"strip_right", offsetof(struct normalizer, right)},
	    {"clean_text", offsetof(struct normalizer, clean)},
	    {"handle_chinese_chars", offsetof(struct normalizer, chinese)},
	    {"strip_accents", offsetof(struct normalizer, accents)},
	    {"lowercase", offsetof(struct normalizer, lower)},
	};
	if (n->kind == NORM_REPLACE && tr_slice_eq(key, "pattern"))
		return pattern_parse(&n->pattern, j, err);
	enum tr_json_token t = tr_json_next(j);
	if ((n->kind == NORM_REPLACE && tr_slice_eq(key, "content")) ||
	    (n->kind == NORM_PREPEND && tr_slice_eq(key, "prepend")))
		return take_text(&n->text, j, t, err);
	if (n->kind == NORM_PRECOMPILED && tr_slice_eq(key, "precompiled_charsmap") && t == TR_JSON_STRING)
		return precompiled_parse(n, j->s, err);
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (tr_slice_eq(key, flags[i].key))
			return t == TR_JSON_NULL ||
			               tok_bool(t, (int *)(void *)((char *)n + flags[i].offset)) == 0
			           ? 0
			           : tok_bad(err, j, "normalizer", "neither true nor false");
	return tr_json_skip(j, t, NULL) < 0 ? tok_bad(err, j, "normalizer", "bad value") : 0;
}

static const struct {
	const char *type;
	struct normalizer is;
} kinds[] = {
    {"NFC", {.kind = NORM_FORM, .compose = 1}},
    {"NFD", {.kind = NORM_FORM}},
    {"NFKC", {.kind = NORM_FORM, .compose = 1, .compat = 1}},
    {"NFKD", {.kind = NORM_FORM, .compat = 1}},
    {"Lowercase", {.kind = NORM_LOWERCASE}},
    {"Strip", {.kind = NORM_STRIP, .left = 1, .right = 1}},
    {"StripAccents", {.kind = NORM_STRIP_ACCENTS}},
    {"Replace", {.kind = NORM_REPLACE}},
    {"Prepend", {.kind = NORM_PREPEND}},
    {"BertNormalizer", {.kind = NORM_BERT, .clean = 1, .chinese = 1, .accents = -1, .lower = 1}},
    {"Nmt", {.kind = NORM_NMT}},
    {"Precompiled", {.kind = NORM_PRECOMPILED}},
    {"ByteLevel", {.kind = NORM_BYTES}},
};

static int add(struct tr_tokenizer *t, struct tr_slice type, struct normalizer **n, struct tr_err *err)
{
	if (t->norms == TOK_STEPS_MAX)
		return tr_fail(err, TR_ELIMIT, "normalizer: more than %d steps", TOK_STEPS_MAX);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (tr_slice_eq(type, kinds[i].type)) {
			*n = &t->norm[t->norms++];
			**n = kinds[i].is;
			return 0;
		}
	return tok_refuse(err, "normalizer", type);
}

static int parse_sequence(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);

/* The members behind "type", which comes first in every file that the reference writes. */
static int parse_object(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	struct normalizer *n = NULL;
	enum tr_json_token k;
	int rc = 0, sequence = 0;
	if (tr_json_next(j) != TR_JSON_KEY || !tr_slice_eq(j->s, "type") || tr_json_next(j) != TR_JSON_STRING)
		return tok_bad(err, j, "normalizer", "does not begin with its type");
	sequence = tr_slice_eq(j->s, "Sequence");
	if (!sequence)
		rc = add(t, j->s, &n, err);
	while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_KEY) {
		if (!sequence)
			rc = take_member(n, j, j->s, err);
		else if (tr_slice_eq(j->s, "normalizers"))
			rc = parse_sequence(t, j, err);
		else if (tr_json_skip(j, k, NULL) < 0)
			rc = tok_bad(err, j, "normalizer", "bad value");
	}
	if (rc == 0 && n && n->kind == NORM_PRECOMPILED && !n->units)
		rc = tr_fail(err, TR_EDATA, "normalizer: no character map");
	if (rc == 0 && n && n->kind == NORM_REPLACE && !n->pattern.literal && !n->pattern.code)
		rc = tr_fail(err, TR_EDATA, "normalizer: no pattern");
	return rc == 0 && j->reason ? tok_bad(err, j, "normalizer", j->reason) : rc;
}

static int parse_sequence(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	int rc = k == TR_JSON_ARRAY ? 0 : tok_bad(err, j, "normalizer", "not a list");
	while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_OBJECT)
		rc = parse_object(t, j, err);
	return rc == 0 && k != TR_JSON_CLOSE ? tok_bad(err, j, "normalizer", "not a list of objects") : rc;
}

int normalizer_parse(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	if (k == TR_JSON_NULL)
		return 0;
	return k == TR_JSON_OBJECT ? parse_object(t, j, err) : tok_bad(err, j, "normalizer", "not an object");
}

void normalizer_free(struct normalizer *n)
{
	pattern_free(&n->pattern);
	tr_buf_free(&n->text);
}

/* --- character by character ------------------------------------------------------------------ */

static int put(struct tr_buf *b, uint32_t cp)
{
	int rc = tr_buf_reserve(b, 4);
	if (rc == 0)
		b->n += utf8_put(cp, b->p + b->n);
	return rc;
}

static int put_lower(struct tr_buf *b, uint32_t cp)
{
	if (cp == 0x130) /* the one lower case of two characters: SpecialCasing.txt */
		return tr_buf_add(b, "i\xcc\x87", 3);
	return put(b, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp));
}

/* Unicode 9.0's marks; those that changed their kind since are named. */
static int is_mark(uint32_t cp)
{
	if (cp < 0x300 || cp == 0x111c9)
		return 0;
	if (cp == 0x1cf2 || cp == 0x1cf3)
		return 1;
	utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
	return c >= UTF8PROC_CATEGORY_MN && c <= UTF8PROC_CATEGORY_ME && cp_age(cp) <= AGE_9;
}

/* Unicode 8.0's nonspacing marks. */
static int is_nonspacing(uint32_t cp)
{
	if (cp < 0x300 || cp == 0x1885 || cp == 0x1886 || cp == 0xa9bd || cp == 0x111c9)
		return 0;
	return cp == 0x1734 ||
	       (utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_MN && cp_age(cp) <= AGE_8);
}

static int is_chinese(uint32_t c)
{
	return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
	       (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
	       (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
	       (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static int is_other(uint32_t cp) /* Cc, Cf, Co of Unicode 8.0 */
{
	if (cp < 0xa0)
		return cp < 0x20 || cp >= 0x7f;
	utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
	return (c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CO) && cp_age(cp) <= AGE_8;
}

static int nmt(uint32_t cp, struct tr_buf *b)
{
	if ((cp >= 1 && cp <= 8) || cp == 11 || (cp >= 14 && cp <= 31) || cp == 0x7f || cp == 0x8f ||
	    cp == 0x9f)
		return 0;
	if (cp == 9 || cp == 10 || cp == 12 || cp == 13 || cp == 0x1680 || (cp >= 0x200b && cp <= 0x200f) ||
	    cp == 0x2028 || cp == 0x2029 || cp == 0x2581 || cp == 0xfeff || cp == 0xfffd)
		cp = ' ';
	return put(b, cp);
}

static int bert_clean(const struct normalizer *n, uint32_t cp, struct tr_buf *b)
{
	int kept = cp == '\t' || cp == '\n' || cp == '\r';
	if (n->clean && (cp == 0 || cp == 0xfffd || (!kept && is_other(cp))))
		return 0;
	if (n->clean && cp_is_white(cp))
		cp = ' ';
	if (!n->chinese || !is_chinese(cp))
		return put(b, cp);
	int rc = put(b, ' ');
	rc = rc ? rc : put(b, cp);
	return rc ? rc : put(b, ' ');
}

/* One pass over the characters. what: 0 Bert's first, 1 lower case, 2 without marks, 3 without Mn, 4 Nmt. */
enum pass { CLEAN, LOWER, NO_MARKS, NO_MN, NMT };

static int each(const struct normalizer *n, enum pass pass, struct tr_slice *s, struct tr_buf *b)
{
	size_t length;
	int rc = 0;
	b->n = 0;
	for (size_t i = 0; i < s->n && rc == 0; i += length) {
		uint32_t cp = utf8_at(s->p + i, &length);
		if (pass == CLEAN)
			rc = bert_clean(n, cp, b);
		else if (pass == LOWER)
			rc = put_lower(b, cp);
		else if (pass == NMT)
			rc = nmt(cp, b);
		else if (pass == NO_MN ? !is_nonspacing(cp) : !is_mark(cp))
			rc = put(b, cp);
	}
	*s = (struct tr_slice){b->p, b->n};
	return rc;
}

static int bert(const struct normalizer *n, struct tr_slice *s, struct tr_buf *b)
{
	static const struct normalizer nfd = {.kind = NORM_FORM};
	struct tr_buf other;
	int rc = each(n, CLEAN, s, b);
	tr_buf_init(&other, b->max);
	if (rc == 0 && (n->accents < 0 ? n->lower : n->accents)) {
		rc = form_run(&nfd, s, &other);
		struct tr_buf mine = *b; /* the form may still be in it */
		if (rc == 0 && s->p == mine.p) {
			rc = tr_buf_add(&other, s->p, s->n);
			*s = (struct tr_slice){other.p, other.n};
		}
		rc = rc ? rc : each(n, NO_MN, s, b);
	}
	if (rc == 0 && n->lower) {
		other.n = 0;
		rc = tr_buf_add(&other, s->p, s->n);
		*s = (struct tr_slice){other.p, other.n};
		rc = rc ? rc : each(n, LOWER, s, b);
	}
	tr_buf_free(&other);
	return rc;
}

/* --- the rest -------------------------------------------------------------------------------- */

static void strip(const struct normalizer *n, struct tr_slice *s)
{
	size_t length;
	while (n->left && s->n && cp_is_white(utf8_at(s->p, &length))) {
		s->p += length;
		s->n -= length;
	}
	while (n->right && s->n) {
		size_t i = s->n - 1;
		while (((unsigned char)s->p[i] & 0xc0) == 0x80)
			i--;
		if (!cp_is_white(utf8_at(s->p + i, &length)))
			break;
		s->n = i;
	}
}

static int replace(const struct normalizer *n, struct matcher *m, struct tr_slice *s, struct tr_buf *b,
                   struct tr_err *err)
{
	size_t from = 0, start, end, at = 0;
	int rc;
	b->n = 0;
	while ((rc = pattern_find(&n->pattern, m, *s, from, &start, &end, err)) == 1) {
		rc = tr_buf_add(b, s->p + at, start - at);
		rc = rc ? rc : tr_buf_add(b, n->text.p, n->text.n);
		if (rc < 0)
			return rc;
		at = end;
		if (end > start) {
			from = end;
		} else if (end >= s->n) {
			break;
		} else {
			from = end + utf8_length(s->p + end);
		}
	}
	if (rc < 0)
		return rc;
	if (at == 0 && b->n == 0)
		return 0;
	rc = tr_buf_add(b, s->p + at, s->n - at);
	*s = (struct tr_slice){b->p, b->n};
	return rc;
}

/* A single byte in place of which a text is put: the space of SentencePiece. */
static int replace_byte(const struct normalizer *n, struct tr_slice *s, struct tr_buf *b)
{
	char c = n->pattern.literal[0];
	size_t hits = 0;
	for (size_t i = 0; i < s->n; i++)
		hits += s->p[i] == c;
	if (!hits)
		return 0;
	b->n = 0;
	int rc = tr_buf_reserve(b, s->n + hits * n->text.n);
	char *to = b->p;
	for (size_t i = 0; i < s->n && rc == 0; i++) {
		if (s->p[i] != c) {
			*to++ = s->p[i];
			continue;
		}
		memcpy(to, n->text.p, n->text.n);
		to += n->text.n;
	}
	if (rc == 0)
		b->n = (size_t)(to - b->p);
	*s = (struct tr_slice){b->p, b->n};
	return rc;
}

static int run(const struct normalizer *n, struct matcher *m, struct tr_slice *s, struct tr_buf *b,
               struct tr_err *err)
{
	int rc = 0;
	switch (n->kind) {
	case NORM_FORM:
		return form_run(n, s, b);
	case NORM_LOWERCASE:
		return each(n, LOWER, s, b);
	case NORM_STRIP_ACCENTS:
		return each(n, NO_MARKS, s, b);
	case NORM_NMT:
		return each(n, NMT, s, b);
	case NORM_STRIP:
		strip(n, s);
		return 0;
	case NORM_BERT:
		return bert(n, s, b);
	case NORM_REPLACE:
		return n->pattern.literal && n->pattern.n == 1 && n->text.n ? replace_byte(n, s, b)
		                                                            : replace(n, m, s, b, err);
	case NORM_PREPEND:
		if (s->n == 0)
			return 0;
		b->n = 0;
		rc = tr_buf_add(b, n->text.p, n->text.n);
		rc = rc ? rc : tr_buf_add(b, s->p, s->n);
		break;
	case NORM_PRECOMPILED:
		b->n = 0;
		rc = precompiled_run(n, *s, b);
		break;
	case NORM_BYTES:
		b->n = 0;
		rc = byte_map(*s, b);
		break;
	}
	*s = (struct tr_slice){b->p, b->n};
	return rc;
}

int normalizer_run(const struct normalizer *n, struct matcher *m, struct tr_slice *s, struct tr_buf *b,
                   struct tr_err *err)
{
	if (err)
		err->code = TR_OK;
	int rc = run(n, m, s, b, err);
	if (rc < 0 && (!err || err->code == TR_OK))
		return tr_fail(err, (enum tr_code) - rc, "a text that is too large for its normalizer");
	return rc;
}
