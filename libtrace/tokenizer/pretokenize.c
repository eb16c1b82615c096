/* SPDX-License-Identifier: Apache-2.0
 *
 * Pre-tokenizers: each cuts the words at hand into smaller ones, and some rewrite them.
 */
#include "libtrace/tokenizer/impl.h"

#include <stdlib.h>

/* --- parsing ------------------------------------------------------------------------------ */

static const struct {
	const char *type;
	struct pre is;
} kinds[] = {
    {"Split", {.kind = PRE_SPLIT}},
    {"ByteLevel", {.kind = PRE_BYTES, .add_space = 1, .split = 1}},
    {"Metaspace", {.kind = PRE_METASPACE, .scheme = SCHEME_ALWAYS, .split = 1}},
    {"WhitespaceSplit", {.kind = PRE_CHARS, .behavior = REMOVED, .is = cp_is_white}},
    {"Punctuation", {.kind = PRE_CHARS, .behavior = ISOLATED, .is = cp_is_punctuation}},
    {"Digits", {.kind = PRE_CHARS, .behavior = CONTIGUOUS, .is = cp_is_numeric}},
    {"CharDelimiterSplit", {.kind = PRE_CHARS, .behavior = REMOVED}},
};

static int new_step(struct tr_tokenizer *t, struct pre is, struct pre **p, struct tr_err *err)
{
	if (t->pres == TOK_STEPS_MAX)
		return tr_fail(err, TR_ELIMIT, "pre_tokenizer: more than %d steps", TOK_STEPS_MAX);
	*p = &t->pre[t->pres++];
	**p = is;
	tr_buf_init(&(*p)->replacement, 64);
	return 0;
}

/* Those that are others put together. */
static int add(struct tr_tokenizer *t, struct tr_slice type, struct pre **p, struct tr_err *err)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (tr_slice_eq(type, kinds[i].type))
			return new_step(t, kinds[i].is, p, err);
	if (tr_slice_eq(type, "BertPreTokenizer")) {
		int rc = new_step(t, kinds[3].is, p, err);
		return rc < 0 ? rc : new_step(t, kinds[4].is, p, err);
	}
	if (tr_slice_eq(type, "Whitespace")) { /* \w+|[^\w\s]+ */
		int rc = new_step(t, kinds[3].is, p, err);
		return rc < 0
		           ? rc
		           : new_step(
		                 t, (struct pre){.kind = PRE_CHARS, .behavior = CONTIGUOUS, .is = cp_is_word},
		                 p, err);
	}
	return tok_refuse(err, "pre_tokenizer", type);
}

static int choose(const struct tr_json *j, const char *const *names, int *to)
{
	for (int i = 0; names[i]; i++)
		if (tr_slice_eq(j->s, names[i])) {
			*to = i;
			return 0;
		}
	return -1;
}

static int take_char(struct tr_json *j, struct tr_buf *b)
{
	return tok_string(j, b) == 0 && b->n && utf8_length(b->p) == b->n ? 0 : -1;
}

static int take_member(struct pre *p, struct tr_json *j, struct tr_slice key, struct tr_err *err)
{
	static const char *const behaviors[] = {"Removed",        "Isolated",   "MergedWithPrevious",
	                                        "MergedWithNext", "Contiguous", NULL};
	static const char *const schemes[] = {"first", "always", "never", NULL};
	int flag = 0, bad = 0, i = 0;
	size_t length;
	if (tr_slice_eq(key, "pattern") && p->kind == PRE_SPLIT)
		return pattern_parse(&p->pattern, j, err);
	enum tr_json_token k = tr_json_next(j);
	if (tr_slice_eq(key, "behavior")) {
		bad = k != TR_JSON_STRING || choose(j, behaviors, &i) < 0;
		p->behavior = (enum behavior)i;
	} else if (tr_slice_eq(key, "invert")) {
		bad = tok_bool(k, &p->invert) < 0;
	} else if (tr_slice_eq(key, "use_regex") || tr_slice_eq(key, "split")) {
		bad = tok_bool(k, &p->split) < 0;
	} else if (tr_slice_eq(key, "add_prefix_space") && p->kind == PRE_BYTES) {
		bad = tok_bool(k, &p->add_space) < 0;
	} else if (tr_slice_eq(key, "add_prefix_space") &&
	           p->kind == PRE_METASPACE) { /* before there were schemes */
		bad = tok_bool(k, &flag) < 0;
		if (!bad && !flag)
			p->scheme = SCHEME_NEVER;
	} else if (tr_slice_eq(key, "prepend_scheme")) {
		bad = k != TR_JSON_STRING || choose(j, schemes, &i) < 0;
		p->scheme = (enum scheme)i;
	} else if (tr_slice_eq(key, "individual_digits")) {
		bad = tok_bool(k, &flag) < 0;
		p->behavior = flag ? ISOLATED : CONTIGUOUS;
	} else if (tr_slice_eq(key, "replacement") || tr_slice_eq(key, "delimiter")) {
		bad = k != TR_JSON_STRING || take_char(j, &p->replacement) < 0;
		p->delimiter = bad ? 0 : utf8_at(p->replacement.p, &length);
	} else {
		bad = tr_json_skip(j, k, NULL) < 0;
	}
	return bad ? tok_bad(err, j, "pre_tokenizer", "bad value") : 0;
}

static int parse_sequence(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err);

static int parse_object(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	struct pre *p = NULL;
	enum tr_json_token k;
	if (tr_json_next(j) != TR_JSON_KEY || !tr_slice_eq(j->s, "type") || tr_json_next(j) != TR_JSON_STRING)
		return tok_bad(err, j, "pre_tokenizer", "does not begin with its type");
	int sequence = tr_slice_eq(j->s, "Sequence");
	int rc = sequence ? 0 : add(t, j->s, &p, err);
	while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_KEY) {
		if (!sequence)
			rc = take_member(p, j, j->s, err);
		else if (tr_slice_eq(j->s, "pretokenizers"))
			rc = parse_sequence(t, j, err);
		else if (tr_json_skip(j, k, NULL) < 0)
			rc = tok_bad(err, j, "pre_tokenizer", "bad value");
	}
	if (rc == 0 && j->reason)
		return tok_bad(err, j, "pre_tokenizer", j->reason);
	if (rc == 0 && p && p->kind == PRE_SPLIT && !p->pattern.literal && !p->pattern.code)
		rc = tr_fail(err, TR_EDATA, "pre_tokenizer: no pattern");
	if (rc == 0 && p && p->kind == PRE_BYTES && p->split)
		rc = pattern_regex(&p->pattern, PATTERN_GPT2, err);
	if (rc == 0 && p && p->kind == PRE_METASPACE && !p->replacement.n)
		rc = tr_buf_str(&p->replacement, "\xe2\x96\x81");
	return rc;
}

static int parse_sequence(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	int rc = k == TR_JSON_ARRAY ? 0 : tok_bad(err, j, "pre_tokenizer", "not a list");
	while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_OBJECT)
		rc = parse_object(t, j, err);
	return rc == 0 && k != TR_JSON_CLOSE ? tok_bad(err, j, "pre_tokenizer", "not a list of objects") : rc;
}

int pre_parse(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	enum tr_json_token k = tr_json_next(j);
	if (k == TR_JSON_NULL)
		return 0;
	return k == TR_JSON_OBJECT ? parse_object(t, j, err)
	                           : tok_bad(err, j, "pre_tokenizer", "not an object");
}

void pre_free(struct pre *p)
{
	pattern_free(&p->pattern);
	tr_buf_free(&p->replacement);
}

void pre_work_free(struct pre_work *w)
{
	free(w->spans.v);
	free(w->next.v);
	tr_buf_free(&w->text);
	tr_buf_free(&w->other);
}

/* --- cutting --------------------------------------------------------------------------------- */

static int push(struct spans *s, size_t at, size_t n, struct tr_err *err)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 256;
		struct span *v = realloc(s->v, cap * sizeof *v);
		if (!v)
			return tok_no_memory(err);
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n++] = (struct span){at, n};
	return 0;
}

/* A cut of one word into stretches that match and stretches that do not, put together as the behaviour says.
 * Stretches come in order. */
struct cutter {
	struct spans *to;
	size_t first; /* in `to`: where this word's pieces begin */
	enum behavior how;
	int invert, any, last_matched, empty;
	int waiting; /* WITH_NEXT: a match that the next stretch takes in */
	struct span held;
};

static int stretch(struct cutter *c, size_t at, size_t n, int matched, struct tr_err *err)
{
	struct span *last = c->to->n > c->first ? &c->to->v[c->to->n - 1] : NULL;
	int rc = 0;
	matched ^= c->invert;
	c->empty |= n == 0;
	switch (c->how) {
	case REMOVED:
		return matched ? 0 : push(c->to, at, n, err);
	case ISOLATED:
		return push(c->to, at, n, err);
	case WITH_PREVIOUS:
		if (matched && !c->last_matched && last)
			last->n += n;
		else
			rc = push(c->to, at, n, err);
		break;
	case CONTIGUOUS:
		if (c->any && matched == c->last_matched && last)
			last->n += n;
		else
			rc = push(c->to, at, n, err);
		break;
	case WITH_NEXT: /* the match right before a stretch that does not match is part of it */
		if (c->waiting && !matched) {
			at = c->held.at;
			n += c->held.n;
		} else if (c->waiting) {
			rc = push(c->to, c->held.at, c->held.n, err);
		}
		c->waiting = matched;
		c->held = (struct span){at, n};
		if (rc == 0 && !matched)
			rc = push(c->to, at, n, err);
		break;
	}
	c->last_matched = matched;
	c->any = 1;
	return rc;
}

/* The last match, and pieces without text away. */
static int cut_end(struct cutter *c, struct tr_err *err)
{
	int rc = c->waiting ? push(c->to, c->held.at, c->held.n, err) : 0;
	size_t kept = c->first;
	for (size_t i = c->first; c->empty && i < c->to->n; i++)
		if (c->to->v[i].n)
			c->to->v[kept++] = c->to->v[i];
	c->to->n = c->empty ? kept : c->to->n;
	return rc;
}

/* An empty match counts, as a stretch of nothing, unless it stands right behind a match. */
static int cut_by_pattern(const struct pre *p, struct matcher *m, struct tr_slice text, struct span w,
                          struct cutter *c, struct tr_err *err)
{
	struct tr_slice s = {text.p + w.at, w.n};
	size_t from = 0, at = 0, start, end;
	int rc, any = 0;
	while (from < s.n && (rc = pattern_find(&p->pattern, m, s, from, &start, &end, err)) != 0) {
		if (rc < 0)
			return rc;
		from = end;
		if (end == start && any && end == at) {
			from += end < s.n ? utf8_length(s.p + end) : 1;
			continue;
		}
		rc = start > at ? stretch(c, w.at + at, start - at, 0, err) : 0;
		rc = rc ? rc : stretch(c, w.at + start, end - start, 1, err);
		if (rc < 0)
			return rc;
		at = end;
		any = 1;
	}
	return at < s.n ? stretch(c, w.at + at, s.n - at, 0, err) : 0;
}

static int cut_by_char(const struct pre *p, struct tr_slice text, struct span w, struct cutter *c,
                       struct tr_err *err)
{
	size_t length, at = w.at;
	int rc = 0;
	for (size_t i = w.at; i < w.at + w.n && rc == 0; i += length) {
		uint32_t cp = utf8_at(text.p + i, &length);
		if (p->is ? !p->is(cp) : cp != p->delimiter)
			continue;
		if (i > at)
			rc = stretch(c, at, i - at, 0, err);
		if (rc == 0)
			rc = stretch(c, i, length, 1, err);
		at = i + length;
	}
	return rc < 0 || at == w.at + w.n ? rc : stretch(c, at, w.at + w.n - at, 0, err);
}

static int cut(const struct pre *p, enum behavior how, struct matcher *m, struct tr_slice text,
               struct pre_work *work, struct tr_err *err)
{
	int rc = 0;
	work->next.n = 0;
	for (size_t i = 0; i < work->spans.n && rc == 0; i++) {
		struct cutter c = {.to = &work->next, .first = work->next.n, .how = how, .invert = p->invert};
		rc = p->kind == PRE_CHARS ? cut_by_char(p, text, work->spans.v[i], &c, err)
		                          : cut_by_pattern(p, m, text, work->spans.v[i], &c, err);
		rc = rc < 0 ? rc : cut_end(&c, err);
	}
	struct spans s = work->spans;
	work->spans = work->next;
	work->next = s;
	return rc;
}

/* --- rewriting ------------------------------------------------------------------------------- */

typedef int rewriter(const struct pre *p, struct tr_slice word, int first, struct tr_buf *to);

static int rewrite(const struct pre *p, rewriter *f, int at_start, struct tr_slice *text,
                   struct pre_work *work, struct tr_err *err)
{
	struct tr_buf *to = text->p == work->text.p ? &work->other : &work->text;
	int rc = 0;
	to->n = 0;
	for (size_t i = 0; i < work->spans.n && rc == 0; i++) {
		struct span *w = &work->spans.v[i];
		size_t at = to->n;
		rc = f(p, (struct tr_slice){text->p + w->at, w->n}, at_start && w->at == 0, to);
		*w = (struct span){at, to->n - at};
	}
	*text = (struct tr_slice){to->p, to->n};
	return rc < 0 ? tr_fail(err, (enum tr_code) - rc, "a text that is too large for its pre-tokenizer")
	              : 0;
}

static int add_space(const struct pre *p, struct tr_slice word, int first, struct tr_buf *to)
{
	(void)p;
	(void)first;
	int rc = word.n && word.p[0] == ' ' ? 0 : tr_buf_char(to, ' ');
	return rc < 0 ? rc : tr_buf_add(to, word.p, word.n);
}

static int to_bytes(const struct pre *p, struct tr_slice word, int first, struct tr_buf *to)
{
	(void)p;
	(void)first;
	return byte_map(word, to);
}

static int to_metaspace(const struct pre *p, struct tr_slice word, int first, struct tr_buf *to)
{
	struct tr_slice r = {p->replacement.p, p->replacement.n};
	int begins = word.n && (word.p[0] == ' ' || (word.n >= r.n && memcmp(word.p, r.p, r.n) == 0));
	int rc = 0;
	if (!begins && (p->scheme == SCHEME_ALWAYS || (p->scheme == SCHEME_FIRST && first)))
		rc = tr_buf_add(to, r.p, r.n);
	for (size_t i = 0; i < word.n && rc == 0; i++)
		rc = word.p[i] == ' ' ? tr_buf_add(to, r.p, r.n) : tr_buf_char(to, word.p[i]);
	return rc;
}

static int metaspace(const struct pre *p, int at_start, struct tr_slice *text, struct pre_work *work,
                     struct tr_err *err)
{
	const struct pre by = {.kind = PRE_SPLIT,
	                       .pattern = {.literal = p->replacement.p, .n = p->replacement.n}};
	int rc = rewrite(p, to_metaspace, at_start, text, work, err);
	return rc < 0 || !p->split ? rc : cut(&by, WITH_NEXT, NULL, *text, work, err);
}

static int bytes(const struct pre *p, struct matcher *m, struct tr_slice *text, struct pre_work *work,
                 struct tr_err *err)
{
	int rc = p->add_space ? rewrite(p, add_space, 0, text, work, err) : 0;
	if (rc == 0 && p->pattern.code)
		rc = cut(p, ISOLATED, m, *text, work, err);
	return rc < 0 || p->leave_bytes ? rc : rewrite(p, to_bytes, 0, text, work, err);
}

int pre_run(const struct tr_tokenizer *t, struct matcher *m, struct tr_slice *text, int at_start,
            struct pre_work *work, struct tr_err *err)
{
	int rc = 0;
	work->spans.n = 0;
	if (text->n)
		rc = push(&work->spans, 0, text->n, err);
	for (unsigned i = 0; i < t->pres && rc == 0; i++) {
		const struct pre *p = &t->pre[i];
		if (p->kind == PRE_METASPACE)
			rc = metaspace(p, at_start, text, work, err);
		else if (p->kind == PRE_BYTES)
			rc = bytes(p, m, text, work, err);
		else
			rc = cut(p, p->behavior, m, *text, work, err);
	}
	return rc;
}
