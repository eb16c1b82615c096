/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/texts.h"

#include "libtrace/pool.h"
#include "libtrace/scan.h"
#include "libtrace/tokenizer/tokenizer.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH_BYTES = 256 << 10, /* of text, before a batch is begun to be worked at */
	FEW_MS = DOCS_WAIT_MS,
};

struct batch {
	struct texts_batch b; /* first */
	const struct texts_ops *ops;
	struct tr_buf text; /* the objects, one behind the other */
	struct doc {
		size_t at, n;
		uint64_t number, line, offset, line_start;
	} * docs;
	size_t ndocs, docs_cap;
	uint64_t left; /* bad objects that may be passed over */
	int rc;        /* how it ended */
	struct tr_err err, *warnings;
	size_t nwarnings;
};

struct texts {
	const struct texts_ops *ops;
	struct tr_read_opts o;
	struct tr_in *in;
	struct docs docs;
	struct tr_tail tail;
	struct texts_facts facts;
	struct tr_pool *pool;
	struct batch *batch;     /* TR_POOL... all of them, in a ring with the pool */
	unsigned nbatches, busy; /* busy: handed to the pool and not come back */
	unsigned next_in, next_out;
	struct batch *giving; /* its blocks are being delivered */
	unsigned given;
	struct tr_slice first; /* the first object waits to be taken */
	int has_first, ended, rc;
	uint64_t base, warned; /* records delivered; bad objects passed over */
	int has_origin;
	int64_t origin; /* arrival of the first record: what is taken off all */
	struct tr_err err;
};

/* --- what happens to an object ------------------------------------------------------------------ */

static int keep(struct texts_batch *b, struct tr_err *err)
{
	if (b->nfull == b->full_cap) {
		unsigned cap = b->full_cap ? b->full_cap * 2 : 8;
		struct tr_block **v = realloc(b->full, cap * sizeof(*v));
		if (!v)
			return tr_fail(err, TR_ENOMEM, "no memory for records");
		b->full = v;
		b->full_cap = cap;
	}
	b->full[b->nfull++] = b->block;
	b->block = NULL;
	return 0;
}

static int put(struct texts_batch *b, enum tr_kind kind, const void *rec, struct tr_err *err)
{
	int rc = b->block && b->block->kind != kind ? keep(b, err) : 0;
	while (rc >= 0) {
		rc = b->block ? 0 : tr_block_new(&b->block, kind, err);
		if (rc == 0)
			rc = tr_block_add(b->block, rec, err);
		if (rc <= 0)
			break;
		rc = keep(b, err);
	}
	return rc;
}

int texts_put(struct texts_batch *b, const struct tr_rec *rec, struct tr_err *err)
{
	struct tr_rec r = *rec;
	TR_SET(&r, id, b->id++);
	return put(b, TR_REQUEST, &r, err);
}

int texts_put_event(struct texts_batch *b, const struct tr_event *e, struct tr_err *err)
{
	return put(b, TR_EVENT, e, err);
}

int texts_unescape(struct text t, struct tr_buf *to)
{
	return t.escaped ? tr_json_unescape(t.raw, 0, to) : tr_buf_add(to, t.raw.p, t.raw.n);
}

int texts_count(struct texts_batch *b, struct text t, unsigned flags, uint64_t *n, struct tr_err *err)
{
	struct tr_slice s = t.raw;
	if (!b->encoder) {
		*n = (t.length + 3) / 4;
		return 0;
	}
	if (t.escaped) {
		b->scratch.n = 0;
		if (tr_json_unescape(t.raw, 0, &b->scratch) < 0)
			return tr_fail(err, TR_ENOMEM, "no memory for a text");
		s = (struct tr_slice){b->scratch.p, b->scratch.n};
	}
	return tr_count_tokens(b->encoder, s, flags, n, err);
}

void texts_estimated(const struct texts_batch *b, struct tr_rec *rec)
{
	if (!b->encoder)
		TR_SET(rec, estimated, 1);
}

int texts_message(struct tr_buf *b, const char *role, struct text t)
{
	int rc = tr_buf_str(b, b->n > 1 ? ",{\"role\":\"" : "{\"role\":\"");
	rc = rc ? rc : tr_buf_str(b, role);
	rc = rc ? rc : tr_buf_str(b, "\",\"content\":\"");
	rc = rc ? rc : tr_buf_add(b, t.raw.p, t.raw.n);
	return rc ? rc : tr_buf_str(b, "\"}");
}

const char *texts_string(const struct tr_json *j, struct text *t)
{
	*t = (struct text){j->s, j->escaped, j->s.n};
	return j->escaped && tr_json_unescaped(j->s, &t->length) < 0 ? "bad escape" : NULL;
}

const char *texts_check(struct tr_slice doc)
{
	struct tr_json j;
	enum tr_json_token t;
	struct text s;
	tr_json_init(&j, doc.p, doc.n);
	while ((t = tr_json_next(&j)) != TR_JSON_END) {
		if (t == TR_JSON_ERROR)
			return j.reason;
		if ((t == TR_JSON_STRING || t == TR_JSON_KEY) && texts_string(&j, &s))
			return "bad escape";
	}
	return tr_json_utf8(doc) ? NULL : "not UTF-8";
}

void texts_role(struct texts_facts *f, struct tr_slice name)
{
	unsigned i = 0;
	while (i + 1 < TEXTS_ROLES && f->roles[i].n && !tr_slice_eq(name, f->roles[i].name))
		i++;
	if (!f->roles[i].n) {
		int fits = i + 1 < TEXTS_ROLES && name.n < sizeof(f->roles[i].name) && name.n;
		memcpy(f->roles[i].name, fits ? name.p : "(other)", fits ? name.n : 8);
	}
	f->roles[i].n++;
}

/* --- a batch --------------------------------------------------------------------------------------- */

static void batch_free(struct batch *x)
{
	struct texts_batch *b = &x->b;
	struct tr_buf *bufs[] = {&b->scratch, &b->payload, &b->answer, &b->extra, &b->name, &x->text};
	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
		tr_buf_free(bufs[i]);
	for (unsigned i = 0; i < b->nfull; i++)
		tr_block_unref(b->full[i]);
	tr_block_unref(b->block);
	tr_encoder_free(b->encoder);
	free(b->full);
	free(x->docs);
	free(x->warnings);
}

static int batch_init(struct batch *x, const struct texts *t, struct tr_err *err)
{
	struct texts_batch *b = &x->b;
	struct tr_buf *bufs[] = {&b->scratch, &b->payload, &b->answer, &b->extra, &b->name};
	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
		tr_buf_init(bufs[i], DOCS_MAX * 2);
	tr_buf_init(&x->text, DOCS_MAX + BATCH_BYTES);
	x->ops = t->ops;
	b->o = &t->o;
	return t->o.tokenizer ? tr_encoder_new(&b->encoder, t->o.tokenizer, err) : 0;
}

static void forget(struct texts_batch *b)
{
	for (unsigned i = 0; i < b->nfull; i++)
		tr_block_unref(b->full[i]);
	tr_block_unref(b->block);
	b->block = NULL;
	b->nfull = 0;
	b->id = 0;
	b->facts = (struct texts_facts){0};
}

static void place(const struct doc *d, struct tr_err *err)
{
	struct docs at = {.line = d->line, .offset = d->offset, .line_start = d->line_start};
	docs_place(&at, err);
}

static int note_bad(struct batch *x, const struct tr_err *err)
{
	struct tr_err *v = realloc(x->warnings, (x->nwarnings + 1) * sizeof(*v));
	if (!v)
		return -TR_ENOMEM;
	x->warnings = v;
	x->warnings[x->nwarnings++] = *err;
	x->b.facts.skipped++;
	return 0;
}

/* Runs on any thread: nothing but the batch is touched. */
static void work(void *item)
{
	struct batch *x = item;
	x->rc = 0;
	x->nwarnings = 0;
	for (size_t i = 0; i < x->ndocs && x->rc == 0; i++) {
		const struct doc *d = &x->docs[i];
		struct tr_err err;
		int rc = 0;
		x->b.number = d->number;
		tr_err_clear(&err);
		const char *why = x->ops->take(&x->b, (struct tr_slice){x->text.p + d->at, d->n}, &rc, &err);
		if (!why && rc == 0)
			continue;
		if (why) {
			struct tr_err said = err;
			rc = tr_fail(&err, TR_EDATA, "%s", why);
			memcpy(err.field, said.field, sizeof(err.field));
			memcpy(err.value, said.value, sizeof(err.value));
		}
		place(d, &err);
		if ((rc == -TR_EDATA || rc == -TR_ELIMIT) && x->b.o->skip_bad && note_bad(x, &err) == 0)
			continue;
		x->err = err;
		x->rc = rc;
	}
	if (x->b.block && keep(&x->b, &x->err) < 0)
		x->rc = -TR_ENOMEM;
}

static int add_doc(struct batch *x, const struct docs *from, struct tr_slice doc, struct tr_err *err)
{
	if (x->ndocs == x->docs_cap) {
		size_t cap = x->docs_cap ? x->docs_cap * 2 : 64;
		struct doc *v = realloc(x->docs, cap * sizeof(*v));
		if (!v)
			return tr_fail(err, TR_ENOMEM, "no memory for objects");
		x->docs = v;
		x->docs_cap = cap;
	}
	x->docs[x->ndocs++] =
	    (struct doc){x->text.n, doc.n, from->number, from->line, from->offset, from->line_start};
	return tr_buf_add(&x->text, doc.p, doc.n) < 0 ? tr_fail(err, TR_ENOMEM, "no memory for objects") : 0;
}

/* Objects for one batch: 1 = some, 0 = none are left, 2 = nothing came for a while, < 0. What came before an
 * error is worked at first. */
static int fill(struct texts *t, struct batch *x)
{
	int rc = 1;
	forget(&x->b);
	x->ndocs = 0;
	x->text.n = 0;
	while (x->text.n < BATCH_BYTES) {
		struct tr_slice doc = t->first;
		rc = t->has_first ? 1 : t->ended ? 0 : t->rc < 0 ? t->rc : docs_next(&t->docs, &doc, &t->err);
		if (rc != 1)
			break;
		t->has_first = 0;
		rc = add_doc(x, &t->docs, doc, &t->err);
		if (rc < 0)
			break;
		rc = 1;
	}
	t->ended |= rc == 0;
	t->rc = rc < 0 ? rc : t->rc;
	return x->ndocs ? 1 : rc;
}

/* --- the reader -------------------------------------------------------------------------------------- */

static void add_facts(struct texts_facts *to, const struct texts_facts *f)
{
	to->entries += f->entries;
	to->messages += f->messages;
	to->empty += f->empty;
	to->skipped += f->skipped;
	for (unsigned i = 0; i < TEXTS_ROLES && f->roles[i].n; i++) {
		texts_role(to, tr_slice_of(f->roles[i].name));
		for (unsigned k = 0; k < TEXTS_ROLES; k++)
			if (strcmp(to->roles[k].name, f->roles[i].name) == 0) {
				to->roles[k].n += f->roles[i].n - 1;
				break;
			}
	}
}

static int set_facts(struct texts *t, struct tr_err *err)
{
	struct tr_buf b;
	const struct texts_facts *f = &t->facts;
	tr_buf_init(&b, 1 << 16);
	int rc = tr_buf_printf(&b, "{\"entries\":%" PRIu64, f->entries);
	if (rc == 0 && f->messages)
		rc = tr_buf_printf(&b, ",\"messages\":%" PRIu64 ",\"empty\":%" PRIu64 ",\"roles\":{",
		                   f->messages, f->empty);
	for (unsigned i = 0; i < TEXTS_ROLES && f->roles[i].n && rc == 0; i++) {
		rc = i ? tr_buf_char(&b, ',') : 0;
		rc = rc ? rc : tr_json_quote(&b, tr_slice_of(f->roles[i].name));
		rc = rc ? rc : tr_buf_printf(&b, ":%" PRIu64, f->roles[i].n);
	}
	rc = rc ? rc : tr_buf_add(&b, f->messages ? "}}" : "}", f->messages ? 3 : 2); /* with its NUL */
	if (rc == 0)
		rc = tr_meta_set(&t->tail.style, b.p, err);
	tr_buf_free(&b);
	t->tail.skipped = f->skipped;
	return rc;
}

static int facts_at_end(struct texts *t, struct tr_err *err)
{
	struct tr_source *s = &t->tail.sources[0];
	int rc = tr_meta_set(&s->name, tr_in_name(t->in), err);
	t->tail.nsources = rc == 0;
	memcpy(s->sha256, tr_in_sha256(t->in), sizeof(s->sha256));
	s->bytes = tr_in_offset(t->in);
	if (rc == 0 && t->o.tokenizer) {
		rc = tr_meta_set(&t->tail.tokenizer, tr_tokenizer_name(t->o.tokenizer), err);
		if (rc == 0)
			rc = tr_meta_set(&t->tail.tokenizer_sha256, tr_tokenizer_sha256(t->o.tokenizer), err);
	}
	rc = rc ? rc : tr_meta_set(&t->tail.state, "complete", err);
	return rc ? rc : set_facts(t, err);
}

static void add_to(struct tr_block *b, unsigned field, uint64_t n)
{
	int c = b->col_of[field];
	for (uint32_t i = 0; c >= 0 && i < b->cols[c].count; i++)
		b->cols[c].v[i] += n;
}

/* Records are numbered on from those of the batches before; times count from the first record's. */
static void fit_in(struct texts *t, struct tr_block *b)
{
	if (b->kind != TR_REQUEST)
		return;
	add_to(b, TR_F_id, t->base);
	add_to(b, TR_F_parent, t->base);
	if (b->col_of[TR_F_arrival_ns] >= 0 && !t->has_origin) {
		t->has_origin = 1;
		t->origin = (int64_t)b->cols[b->col_of[TR_F_arrival_ns]].v[0];
	}
	add_to(b, TR_F_arrival_ns, 0 - (uint64_t)t->origin);
}

/* Fill and hand out until the pool has enough to do. 1 = a batch is under way, else as fill. */
static int keep_busy(struct texts *t)
{
	int rc = 1;
	while (t->busy < t->nbatches - (t->giving != NULL)) {
		struct batch *x = &t->batch[t->next_in];
		rc = fill(t, x);
		if (rc != 1)
			break;
		t->next_in = (t->next_in + 1) % t->nbatches;
		tr_pool_push(t->pool, x);
		t->busy++;
	}
	return t->busy ? 1 : rc;
}

static int over_skipped(struct texts *t, struct batch *x)
{
	for (size_t i = 0; i < x->nwarnings; i++) {
		tr_err_file(&x->warnings[i], tr_in_name(t->in));
		if (t->warned++ == t->o.skip_bad && t->o.skip_bad != UINT64_MAX) {
			t->err = x->warnings[i];
			return t->rc = -(int)t->err.code;
		}
		if (t->o.warn)
			t->o.warn(t->o.warn_ctx, &x->warnings[i]);
	}
	return 0;
}

static int texts_block(void *self, struct tr_block **out, struct tr_err *err)
{
	struct texts *t = self;
	for (;;) {
		struct batch *x = t->giving;
		if (x && t->given < x->b.nfull) {
			*out = x->b.full[t->given];
			x->b.full[t->given++] = NULL;
			fit_in(t, *out);
			return 1;
		}
		if (x) {
			t->base += x->b.id;
			add_facts(&t->facts, &x->b.facts);
			t->giving = NULL;
			int rc = over_skipped(t, x);
			if (rc == 0 && x->rc < 0) {
				t->err = x->err;
				rc = t->rc = x->rc;
			}
			if (rc < 0) {
				t->ended = 1; /* nothing behind a bad object is delivered */
				while (t->busy) {
					tr_pool_pull(t->pool);
					t->busy--;
				}
			}
		}
		int rc = t->rc < 0 && !t->busy ? t->rc : keep_busy(t);
		if (rc == 2)
			return tr_block_new(out, TR_REQUEST, err) < 0 ? -TR_ENOMEM : 1;
		if (rc == 0)
			return facts_at_end(t, err);
		if (rc < 0) {
			*err = t->err;
			tr_err_file(err, tr_in_name(t->in));
			set_facts(t, NULL);
			return rc;
		}
		t->giving = tr_pool_pull(t->pool);
		t->given = 0;
		t->busy--;
	}
}

static void texts_free(void *self)
{
	struct texts *t = self;
	tr_pool_free(t->pool);
	for (unsigned i = 0; t->batch && i < t->nbatches; i++)
		batch_free(&t->batch[i]);
	free(t->batch);
	docs_free(&t->docs);
	tr_tail_free(&t->tail);
	tr_in_close(t->in);
	free(t);
}

static const struct tr_reader_ops texts_reader = {.block = texts_block, .free = texts_free};

static int make_head(struct texts *t, struct tr_head *head, struct tr_err *err)
{
	struct tr_buf b;
	int rc = 0;
	tr_buf_init(&b, 1 << 16);
	if (t->ops->style && t->has_first)
		rc = t->ops->style(t->first, t->docs.array, &b);
	if (rc == 0 && b.n)
		rc = tr_buf_char(&b, '\0');
	if (rc == 0 && b.n)
		rc = tr_meta_set(&head->style, b.p, err);
	b.n = 0;
	rc = rc ? rc
	        : tr_buf_printf(&b, "{\"message_overhead\":%u,\"counted\":\"%s\"}", t->o.message_overhead,
	                        t->o.tokenizer ? "tokens" : "bytes/4");
	rc = rc ? rc : tr_buf_char(&b, '\0');
	rc = rc ? rc : tr_meta_set(&head->notes, b.p, err);
	rc = rc ? rc : tr_meta_set(&head->format, t->ops->format, err);
	rc = rc ? rc : tr_meta_set(&head->order, "file", err);
	tr_buf_free(&b);
	return rc < 0 ? tr_fail(err, TR_ENOMEM, "no memory for the header") : 0;
}

static int start(struct texts *t, struct tr_head *head, struct tr_err *err)
{
	unsigned threads = t->o.tokenizer ? t->o.threads : 0;
	int rc = tr_pool_new(&t->pool, work, threads, err);
	t->nbatches = threads ? threads * 2 + 1 : 1;
	t->batch = rc == 0 ? calloc(t->nbatches, sizeof(*t->batch)) : NULL;
	if (rc == 0 && !t->batch)
		rc = tr_fail(err, TR_ENOMEM, "no memory for a reader");
	for (unsigned i = 0; i < t->nbatches && rc == 0; i++)
		rc = batch_init(&t->batch[i], t, err);
	if (rc < 0)
		return rc;
	/* Without an object there is nothing; a first one that is cut gives its error when records are asked
	 * for. */
	while ((rc = docs_next(&t->docs, &t->first, &t->err)) == 2)
		;
	t->has_first = rc == 1;
	t->ended = rc == 0;
	t->rc = rc < 0 ? rc : 0;
	return make_head(t, head, err);
}

int texts_open(struct tr_reader **out, struct tr_in *in, const struct tr_read_opts *o,
               const struct texts_ops *ops, struct tr_err *err)
{
	struct texts *t = calloc(1, sizeof(*t));
	struct tr_head head = {0};
	if (!t) {
		tr_in_close(in);
		return tr_fail(err, TR_ENOMEM, "no memory for a reader");
	}
	t->ops = ops;
	t->o = *o;
	t->in = in;
	tr_in_set(in, TR_IN_AHEAD | TR_IN_SHA256);
	docs_init(&t->docs, in);
	int rc = start(t, &head, err);
	if (rc == 0)
		return tr_reader_make(out, &texts_reader, t, tr_in_name(in), &head, &t->tail, err);
	tr_err_file(err, tr_in_name(in));
	tr_head_free(&head);
	texts_free(t);
	return rc;
}

/* --- small things ------------------------------------------------------------------------------------- */

unsigned texts_keys(struct tr_slice s, const char *const *keys)
{
	struct tr_json j;
	enum tr_json_token t;
	unsigned found = 0;
	if (s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
		s = (struct tr_slice){s.p + 3, s.n - 3};
	while (s.n && (strchr(" \t\r\n[", *s.p) && *s.p)) {
		s.p++;
		s.n--;
	}
	tr_json_init(&j, s.p, s.n);
	if (tr_json_next(&j) != TR_JSON_OBJECT)
		return 0;
	while ((t = tr_json_next(&j)) == TR_JSON_KEY) {
		for (unsigned i = 0; keys[i]; i++)
			found |= tr_slice_eq(j.s, keys[i]) ? 1U << i : 0;
		if (tr_json_skip(&j, t, NULL) < 0)
			break;
	}
	return found;
}

int texts_quote(struct tr_buf *b, struct tr_slice s)
{
	size_t from = 0;
	int rc = tr_buf_char(b, '"');
	for (size_t i = 0; i < s.n && rc == 0;) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 0x20 && c != '"' && c != '\\' && c != 0xed) {
			size_t to = tr_scan_string(s.p, i, s.n);
			const char *ed = memchr(s.p + i, 0xed, to - i);
			i = ed ? (size_t)(ed - s.p) : to;
			continue;
		}
		int surrogate = c == 0xed && s.n - i >= 3 && (unsigned char)s.p[i + 1] >= 0xa0;
		if (c == 0xed && !surrogate) {
			i++;
			continue;
		}
		rc = tr_buf_add(b, s.p + from, i - from);
		if (rc == 0 && surrogate)
			rc = tr_buf_printf(b, "\\u%04x",
			                   0xd000u | ((unsigned char)s.p[i + 1] & 0x3fu) << 6 |
			                       ((unsigned char)s.p[i + 2] & 0x3fu));
		else if (rc == 0 && (c == '"' || c == '\\'))
			rc = tr_buf_printf(b, "\\%c", c);
		else if (rc == 0)
			rc = c == '\n'   ? tr_buf_str(b, "\\n")
			     : c == '\r' ? tr_buf_str(b, "\\r")
			     : c == '\t' ? tr_buf_str(b, "\\t")
			                 : tr_buf_printf(b, "\\u%04x", c);
		i += surrogate ? 3 : 1;
		from = i;
	}
	rc = rc ? rc : tr_buf_add(b, s.p + from, s.n - from);
	return rc ? rc : tr_buf_char(b, '"');
}
