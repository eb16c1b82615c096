/* SPDX-License-Identifier: Apache-2.0
 *
 * Output in place: the record of a run. It is there from the start, refuses to replace another, and what has
 * been flushed can be read whatever becomes of the process.
 */
#include "formats/formats.h"
#include "libtrace/trb.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const names[] = {"out", "out.zst", "out.gz"};
static char dir[] = "/tmp/reprise-place-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(dir); /* no test leaves a file, nor a temporary */
}

static char *path_of(const char *name)
{
	static char path[64];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static struct tr_out *place(const char *path, unsigned flags)
{
	struct tr_out *out;
	struct tr_err err;
	assert_int_equal(tr_out_open(&out, path, TR_OUT_IN_PLACE | flags, &err), 0);
	return out;
}

static void add(struct tr_out *out, const char *text)
{
	struct tr_err err;
	assert_int_equal(tr_out_write(out, text, strlen(text), &err), 0);
}

/* What can be read, and how reading ends. */
static void assert_reads(const char *path, const char *text, int end)
{
	struct tr_in *in;
	struct tr_slice s;
	struct tr_err err;
	char got[64];
	size_t n = 0;
	int rc;
	assert_int_equal(tr_in_open(&in, path, 0, &err), 0);
	while ((rc = tr_in_next(in, &s, -1, &err)) == 1) {
		assert_true(n + s.n <= sizeof got);
		memcpy(got + n, s.p, s.n);
		n += s.n;
	}
	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, n);
	assert_int_equal(rc, end);
	tr_in_close(in);
}

static void there_from_the_start(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		char *path = path_of(names[i]);
		struct tr_out *out = place(path, 0);
		struct tr_err err;
		assert_int_equal(access(path, F_OK), 0);
		assert_true(tr_out_is_live(out));
		assert_int_equal(tr_out_seekable(out), i == 0);
		add(out, "one ");
		assert_int_equal(tr_out_flush(out, &err), 0);
		add(out, "two");
		assert_reads(path, "one ", i == 0 ? 0 : -TR_ECUT); /* as after a kill */
		assert_int_equal(tr_out_commit(out, &err), 0);
		assert_reads(path, "one two", 0);
		assert_int_equal(unlink(path), 0);
	}
}

static void others_are_as_before(void **state)
{
	char *path = path_of("out");
	struct tr_out *out;
	struct tr_err err;
	(void)state;
	assert_int_equal(tr_out_open(&out, path, 0, &err), 0);
	assert_false(tr_out_is_live(out));
	assert_int_not_equal(access(path, F_OK), 0);
	tr_out_abort(out);
}

static void an_existing_file(void **state)
{
	char *path = path_of("out");
	struct tr_out *out = place(path, 0);
	struct tr_err err;
	(void)state;
	add(out, "a long first run");
	assert_int_equal(tr_out_commit(out, &err), 0);

	assert_int_equal(tr_out_open(&out, path, TR_OUT_IN_PLACE, &err), -TR_EUSAGE);
	assert_string_equal(err.file, path);
	assert_string_equal(err.text, "exists already; --force overwrites it");
	assert_int_equal(tr_code_exit((int)err.code), 2);
	assert_reads(path, "a long first run", 0);

	out = place(path, TR_OUT_FORCE);
	assert_true(tr_out_is_live(out));
	add(out, "second");
	assert_int_equal(tr_out_commit(out, &err), 0);
	assert_reads(path, "second", 0);
	assert_int_equal(unlink(path), 0);

	assert_int_equal(symlink("/nonexistent/x", path), 0); /* a link that leads nowhere is there too */
	assert_int_equal(tr_out_open(&out, path, TR_OUT_IN_PLACE, &err), -TR_EUSAGE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(tr_out_open(&out, "/nonexistent/x", TR_OUT_IN_PLACE | TR_OUT_FORCE, &err), -TR_EIO);
	assert_int_equal(tr_out_open(&out, dir, TR_OUT_IN_PLACE | TR_OUT_FORCE, &err), -TR_EIO);
}

static void what_is_not_a_file(void **state)
{
	struct tr_out *out = place("/dev/null", 0);
	struct tr_err err;
	(void)state;
	assert_true(tr_out_is_live(out));
	assert_int_equal(tr_out_commit(out, &err), 0);
}

static void abort_keeps(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		char *path = path_of(names[i]);
		struct tr_out *out = place(path, 0);
		add(out, "until here");
		tr_out_abort(out);
		assert_reads(path, "until here", 0);
		assert_int_equal(unlink(path), 0);

		tr_out_abort(place(path, 0)); /* nothing came of it: the name is free again */
		assert_int_not_equal(access(path, F_OK), 0);
	}
}

/* A record that has been handed over can be read before anything is finished or given up. */
static void a_record_is_there_at_once(void **state)
{
	static const char *const forms[] = {"run.trb", "run.jsonl", "run.trb.zst", "run.trb.gz"};
	(void)state;
	for (int i = 0; i < 4; i++) {
		char *path = path_of(forms[i]), order[] = "completion";
		const struct tr_write_opts opts = {.in_place = 1};
		const struct tr_head head = {.order = order};
		struct tr_rec rec = {0};
		const struct tr_rec *seen;
		struct tr_writer *w, *second;
		struct tr_reader *r;
		struct tr_block *b;
		struct tr_err err;
		int rc = 0;
		assert_int_equal(tr_create(&w, path, NULL, &head, &opts, &err), 0);
		assert_int_equal(tr_create(&second, path, NULL, &head, &opts, &err), -TR_EUSAGE);
		TR_SET(&rec, id, 7);
		assert_int_equal(tr_block_new(&b, TR_REQUEST, &err), 0);
		assert_int_equal(tr_block_add(b, &rec, &err), 0);
		assert_int_equal(tr_writer_try_block(w, b, &err), 0);
		while (rc != 1) { /* the writer's thread is on its way; the run's time limit ends a failure */
			if (tr_open(&r, path, NULL, NULL, &err) < 0)
				continue;
			rc = tr_reader_next(r, &seen, &err);
			if (rc == 1) {
				assert_int_equal(seen->id, 7);
				assert_int_equal(tr_reader_next(r, &seen, &err), -TR_ECUT);
				if (i < 2)
					assert_string_equal(tr_reader_tail(r)->state, "cut");
			}
			tr_reader_close(r);
		}
		tr_writer_abort(w);
		assert_int_equal(tr_open(&r, path, NULL, NULL, &err), 0);
		assert_int_equal(tr_reader_next(r, &seen, &err), 1);
		assert_int_equal(tr_reader_next(r, &seen, &err), -TR_ECUT);
		tr_reader_close(r);
		assert_int_equal(unlink(path), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_from_the_start), cmocka_unit_test(others_are_as_before),
	    cmocka_unit_test(an_existing_file),     cmocka_unit_test(what_is_not_a_file),
	    cmocka_unit_test(abort_keeps),          cmocka_unit_test(a_record_is_there_at_once),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
