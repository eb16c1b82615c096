/* SPDX-License-Identifier: Apache-2.0
 *
 * Is this file the one that was published? By its SHA-256 where that is known; else what is known of it is
 * compared: size, rows, sums, span. The manifests (datasets/NAME/manifest.json) are in the program.
 */
#include "libtrace/near.h"
#include "tools/convert/convert.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct found { /* what the file at hand is */
	const char *sha256;
	uint64_t bytes, rows, in_tokens, out_tokens, span_ns;
};

static int no_such(const struct cli_tool *tool, const char *name)
{
	struct tr_err err;
	char names[512] = "";
	for (const struct dataset_text *d = dataset_texts; d->name; d++) {
		strncat(names, *names ? ", " : "", sizeof(names) - strlen(names) - 1);
		strncat(names, d->name, sizeof(names) - strlen(names) - 1);
	}
	char why[600];
	snprintf(why, sizeof(why), "no such data set; there are %s", names);
	cli_bad_option(&err, "--verify-dataset", name, why);
	return cli_fail(tool, &err);
}

static const cJSON *member(const cJSON *o, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(o, name);
}

static const char *text(const cJSON *o, const char *name)
{
	const char *s = cJSON_GetStringValue(member(o, name));
	return s ? s : "";
}

/* Entries, where an object of the source is several records. */
static uint64_t rows_of(const struct tr_tail *t)
{
	const char *entries = t->style ? strstr(t->style, "\"entries\":") : NULL;
	return entries ? strtoull(entries + strlen("\"entries\":"), NULL, 10) : t->records;
}

static int read_all(struct tr_reader *r, struct tr_err *err)
{
	struct tr_block *b;
	int rc;
	while ((rc = tr_reader_block(r, &b, err)) == 1)
		tr_block_unref(b);
	return rc;
}

/* One fact of a published file: 1 = it differs, and was told. Numbers above 2^53 do not occur in manifests.
 */
static int differs(const cJSON *file, const char *name, uint64_t here, unsigned *known)
{
	const cJSON *v = member(file, name);
	if (!cJSON_IsNumber(v))
		return 0;
	++*known;
	if ((uint64_t)v->valuedouble == here)
		return 0;
	printf("%s: %" PRIu64 ", published %.0f\n", name, here, v->valuedouble);
	return 1;
}

static unsigned distance(const cJSON *file, const struct found *f, const char *base)
{
	const cJSON *rows = member(file, "rows");
	unsigned d = strcmp(text(file, "name"), base) != 0;
	return d * 2 + (!cJSON_IsNumber(rows) || (uint64_t)rows->valuedouble != f->rows);
}

/* The published file that this one is, or is most like. */
static const cJSON *nearest(const cJSON *files, const struct found *f, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	const cJSON *file, *best = NULL;
	cJSON_ArrayForEach(file, files)
	{
		if (strcmp(text(file, "sha256"), f->sha256) == 0)
			return file;
		if (!best || distance(file, f, base) < distance(best, f, base))
			best = file;
	}
	return best;
}

static int compare(const cJSON *manifest, const struct found *f, const char *path)
{
	const cJSON *file = nearest(member(manifest, "files"), f, path);
	const char *sha = text(file, "sha256"), *name = text(manifest, "name");
	unsigned known = 0, wrong = 0;
	if (strcmp(sha, f->sha256) == 0) {
		printf("%s: %s, %s (%s): the SHA-256 agrees\n", path, name, text(file, "name"),
		       text(file, "origin"));
		return 0;
	}
	if (*sha)
		printf("sha256: %s, published %s\n", f->sha256, sha);
	wrong += *sha != '\0';
	wrong += (unsigned)differs(file, "bytes", f->bytes, &known);
	wrong += (unsigned)differs(file, "rows", f->rows, &known);
	wrong += (unsigned)differs(file, "in_tokens", f->in_tokens, &known);
	wrong += (unsigned)differs(file, "out_tokens", f->out_tokens, &known);
	wrong += (unsigned)differs(file, "span_ns", f->span_ns, &known);
	if (wrong)
		printf("%s: not %s, %s\n", path, name, text(file, "name"));
	else
		printf("%s: %s, %s: what is known of it agrees (%u figures); no SHA-256 is known\n", path,
		       name, text(file, "name"), known);
	return wrong ? 4 : 0;
}

int verify_dataset(const struct cli_tool *tool, const char *name, const char *path)
{
	const struct dataset_text *d = dataset_texts;
	struct tr_reader *r = NULL;
	struct tr_err err;
	int status = 1;
	while (d->name && strcmp(d->name, name) != 0)
		d++;
	if (!d->name)
		return no_such(tool, name);
	cJSON *manifest = cJSON_Parse(d->json);
	tr_err_clear(&err);
	int rc = manifest ? tr_open(&r, path, tr_format_find(text(manifest, "format")), NULL, &err)
	                  : tr_fail(&err, TR_ENOMEM, "no memory for a manifest");
	rc = rc < 0 ? rc : read_all(r, &err);
	if (rc < 0) {
		status = cli_fail(tool, &err);
	} else {
		const struct tr_tail *t = tr_reader_tail(r);
		struct found f = {.sha256 = t->nsources ? t->sources[0].sha256 : "",
		                  .bytes = t->nsources ? t->sources[0].bytes : 0,
		                  .rows = rows_of(t),
		                  .in_tokens = t->in_tokens,
		                  .out_tokens = t->out_tokens,
		                  .span_ns = t->has_span ? (uint64_t)t->last_ns - (uint64_t)t->first_ns : 0};
		status = cli_close_stdout(tool, compare(manifest, &f, path));
	}
	tr_reader_close(r);
	cJSON_Delete(manifest);
	return status;
}
