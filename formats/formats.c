/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of formats, and how one is chosen: by name, by the extension of a path, or by the first bytes of
 * an input.
 */
#include "formats/formats.h"
#include "libtrace/trb.h"
#include <string.h>

/* --- the library's own forms have no options -------------------------------------------------- */

static int trb_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err)
{
	(void)o;
	return tr_trb_reader(r, in, err);
}

static int trb_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                      const struct tr_write_opts *o, struct tr_err *err)
{
	(void)o;
	return tr_trb_writer(w, out, head, err);
}

static int jsonl_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o,
                      struct tr_err *err)
{
	(void)o;
	return tr_jsonl_reader(r, in, err);
}

static int jsonl_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                        const struct tr_write_opts *o, struct tr_err *err)
{
	(void)o;
	return tr_jsonl_writer(w, out, head, err);
}

/* The first is the default of outputs. */
const struct tr_format tr_formats[] = {
    {"trb", "binary stream, trb(5)", ".trb", tr_trb_claims, trb_open, trb_create},
    {"jsonl", "the binary stream's twin in text", ".jsonl", tr_jsonl_claims, jsonl_open, jsonl_create},
    {"azure", "Azure LLM inference traces, 2023 to 2025", NULL, tr_azure_claims, tr_azure_open,
     tr_azure_create},
    {"csv", "delimited text, see --map", ".csv", tr_csv_claims, tr_csv_open, tr_csv_create},
    {"sharegpt", "conversations, a JSON array or lines", NULL, tr_sharegpt_claims, tr_sharegpt_open,
     tr_sharegpt_create},
    {"custom", "vLLM's custom prompts, JSON lines", NULL, tr_custom_claims, tr_custom_open, tr_custom_create},
    {"openai-batch", "OpenAI batch requests, JSON lines", NULL, tr_batch_claims, tr_batch_open,
     tr_batch_create},
    {"spec-bench", "Spec-Bench questions, JSON lines", NULL, tr_spec_claims, tr_spec_open, tr_spec_create},
    {"aibrix", "AIBrix workloads with prompts, JSON lines", NULL, tr_aibrix_claims, tr_aibrix_open, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

const struct tr_format *tr_format_find(const char *name)
{
	const struct tr_format *f = tr_formats;

	while (f->name && strcmp(f->name, name) != 0)
		f++;
	return f->name ? f : NULL;
}

static int ends_with(const char *s, size_t n, const char *end)
{
	size_t k = strlen(end);

	return n >= k && memcmp(s + n - k, end, k) == 0;
}

const struct tr_format *tr_format_of_path(const char *path)
{
	size_t n = strlen(path);

	if (ends_with(path, n, ".zst"))
		n -= strlen(".zst");
	else if (ends_with(path, n, ".gz"))
		n -= strlen(".gz");
	for (const struct tr_format *f = tr_formats; f->name; f++)
		if (f->extension && ends_with(path, n, f->extension))
			return f;
	return NULL;
}

static void show_beginning(struct tr_slice s, struct tr_err *err)
{
	const char *end = s.n ? memchr(s.p, '\n', s.n) : NULL;

	tr_err_line(err, 1);
	tr_err_value(err, s.p, end ? (size_t)(end - s.p) : s.n);
}

const struct tr_format *tr_format_detect(const struct tr_format *table, struct tr_slice first_bytes,
                                         struct tr_err *err)
{
	const struct tr_format *found = NULL;
	char names[128];
	size_t n = 0;
	int count = 0;

	if (first_bytes.n == 0) {
		tr_fail(err, TR_EDATA, "empty input");
		return NULL;
	}
	for (const struct tr_format *f = table; f->name; f++) {
		size_t k = strlen(f->name);

		if (!f->claims || !f->claims(first_bytes))
			continue;
		found = f;
		if (n + k + 3 < sizeof(names)) {
			memcpy(names + n, count ? ", " : "", count ? 2 : 0);
			n += count ? 2 : 0;
			memcpy(names + n, f->name, k);
			n += k;
		}
		count++;
	}
	names[n] = '\0';
	if (count == 1)
		return found;
	if (count == 0) {
		tr_fail(err, TR_EDATA,
		        "no format claims this input; say which with -F, or map its columns with --map");
		show_beginning(first_bytes, err);
	} else {
		tr_fail(err, TR_EDATA, "%s formats claim this input: %s; say which with -F",
		        count == 2 ? "two" : "several", names);
	}
	return NULL;
}

int tr_open(struct tr_reader **r, const char *path, const struct tr_format *format,
            const struct tr_read_opts *o, struct tr_err *err)
{
	static const struct tr_read_opts none = {0};
	struct tr_slice first;
	struct tr_in *in;
	int rc = tr_in_open(&in, path, 0, err);

	if (rc < 0)
		return rc;
	if (!o)
		o = &none;
	if (!format && o->map)
		format = tr_format_find("csv");
	if (!format) {
		struct tr_err e;

		rc = tr_in_peek(in, &first, err);
		if (rc == 0) {
			format = tr_format_detect(tr_formats, first, &e);
			if (!format) {
				tr_err_file(&e, tr_in_name(in));
				rc = -(int)e.code;
				if (err)
					*err = e;
			}
		}
	}
	if (rc == 0 && !format->open)
		rc = tr_fail(err, TR_EUSAGE, "%s can be written, not read", format->name);
	if (rc < 0) {
		tr_in_close(in);
		return rc;
	}
	return format->open(r, in, o, err);
}

int tr_create(struct tr_writer **w, const char *path, const struct tr_format *format,
              const struct tr_head *head, const struct tr_write_opts *o, struct tr_err *err)
{
	struct tr_out *out;
	unsigned flags;
	int rc;

	if (!format && path)
		format = tr_format_of_path(path);
	if (!format)
		format = tr_formats;
	if (!format->create)
		return tr_fail(err, TR_EUSAGE, "%s can be read, not written", format->name);
	/* A way back to the source's format ends with a look whether the bytes are the source's. */
	flags = head->format && strcmp(head->format, format->name) == 0 ? TR_OUT_SHA256 : 0;
	if (o && o->in_place)
		flags |= TR_OUT_IN_PLACE | (o->force ? TR_OUT_FORCE : 0);
	rc = tr_out_open(&out, path, flags, err);
	if (rc < 0)
		return rc;
	if (format == tr_formats && tr_out_is_tty(out)) {
		tr_out_abort(out);
		return tr_fail(err, TR_EUSAGE,
		               "binary output to a terminal; use -o FILE, a pipe, or -f jsonl");
	}
	return format->create(w, out, head, o, err);
}
