/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte streams: compressed input in every shape and state, reading ahead, output that appears only when it is
 * whole.
 */
#include "libtrace/io.h"
#include "libtrace/rng.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

enum { BIG = 3 << 20 };

static char *text; /* compressible in part */
static const unsigned modes[] = {0, TR_IN_SHA256, TR_IN_AHEAD | TR_IN_SHA256};

static int set_up(void **state)
{
	struct tr_rng g;
	(void)state;
	text = malloc(BIG);
	tr_rng_init(&g, 1, "io");
	for (size_t i = 0; i < BIG; i++)
		text[i] = (char)(i / 4096 % 2 ? tr_rng_u64(&g) : '\n' + i % 23);
	return text == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	free(text);
	return 0;
}

static struct tr_buf zstd_frame(const char *p, size_t n, int window_log)
{
	struct tr_buf b;
	ZSTD_CCtx *z = ZSTD_createCCtx();
	tr_buf_init(&b, 1u << 28);
	assert_int_equal(tr_buf_reserve(&b, ZSTD_compressBound(n)), 0);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0);
	if (window_log)
		ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window_log);
	/* streaming, with no size told: else the window would shrink to the content */
	ZSTD_inBuffer in = {p, n, 0};
	ZSTD_outBuffer out = {b.p, b.cap, 0};
	if (window_log) {
		ZSTD_inBuffer none = {p, 0, 0};
		ZSTD_compressStream2(z, &out, &none, ZSTD_e_flush);
	}
	assert_int_equal(ZSTD_compressStream2(z, &out, &in, ZSTD_e_end), 0);
	b.n = out.pos;
	ZSTD_freeCCtx(z);
	return b;
}

static struct tr_buf gzip_member(const char *p, size_t n)
{
	struct tr_buf b;
	z_stream z = {0};
	tr_buf_init(&b, 1u << 28);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(tr_buf_reserve(&b, deflateBound(&z, n)), 0);
	z.next_in = (unsigned char *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = (unsigned char *)b.p;
	z.avail_out = (uInt)b.cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.n = b.cap - z.avail_out;
	deflateEnd(&z);
	return b;
}

/* Reads all; the end's code. What came is held against want as far as it goes. */
static int drain(const void *p, size_t n, unsigned flags, const char *want, size_t want_n, size_t *got)
{
	struct tr_in *in;
	struct tr_slice s;
	struct tr_err err;
	int rc;
	*got = 0;
	tr_err_clear(&err);
	assert_int_equal(tr_in_open_mem(&in, "memory", p, n, flags, &err), 0);
	while ((rc = tr_in_next(in, &s, -1, &err)) == 1) {
		assert_true(*got + s.n <= want_n);
		assert_memory_equal(s.p, want + *got, s.n);
		*got += s.n;
		assert_int_equal(tr_in_offset(in), *got);
	}
	if (rc < 0)
		assert_string_equal(err.file, "memory");
	if (rc == 0 && flags & TR_IN_SHA256)
		assert_int_equal(strlen(tr_in_sha256(in)), 64);
	tr_in_close(in);
	return rc;
}

static void whole(const void *p, size_t n, const char *want, size_t want_n)
{
	size_t got;
	for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
		assert_int_equal(drain(p, n, modes[m], want, want_n, &got), 0);
		assert_int_equal(got, want_n);
	}
}

static void decodes(void **state)
{
	struct tr_buf z = zstd_frame(text, BIG, 0), g = gzip_member(text, BIG);
	(void)state;
	whole(text, BIG, text, BIG);
	whole(text, 0, text, 0);
	whole(text, 3, text, 3);
	whole(z.p, z.n, text, BIG);
	whole(g.p, g.n, text, BIG);
	tr_buf_free(&z);
	tr_buf_free(&g);
}

static void several_frames_and_members(void **state)
{
	static const unsigned char skippable[] = {0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'};
	struct tr_buf all;
	size_t cuts[] = {0, 1000, 1000, 1500000, BIG};
	(void)state;
	for (int gzip = 0; gzip < 2; gzip++) {
		tr_buf_init(&all, 1u << 28);
		for (int i = 0; i < 4; i++) {
			struct tr_buf part = gzip ? gzip_member(text + cuts[i], cuts[i + 1] - cuts[i])
			                          : zstd_frame(text + cuts[i], cuts[i + 1] - cuts[i], 0);
			if (!gzip)
				tr_buf_add(&all, skippable, sizeof skippable);
			tr_buf_add(&all, part.p, part.n);
			tr_buf_free(&part);
		}
		whole(all.p, all.n, text, BIG);
		tr_buf_free(&all);
	}
}

static void cut_or_damaged(void **state)
{
	struct tr_buf packed[2] = {zstd_frame(text, 20000, 0), gzip_member(text, 20000)};
	size_t got;
	(void)state;
	for (int i = 0; i < 2; i++) {
		for (size_t n = 5; n < packed[i].n; n += 7)
			assert_int_equal(drain(packed[i].p, n, 0, text, 20000, &got), -TR_ECUT);
		packed[i].p[packed[i].n / 2] ^= 0x55;
		assert_true(drain(packed[i].p, packed[i].n, TR_IN_AHEAD, text, 20000, &got) < 0 ||
		            got == 20000);
		packed[i].p[packed[i].n / 2] ^= 0x55;
		packed[i].p[packed[i].n - 2] ^= 0x55; /* the checksum, or gzip's length */
		assert_int_equal(drain(packed[i].p, packed[i].n, 0, text, 20000, &got), -TR_EDATA);
		tr_buf_free(&packed[i]);
	}
}

static void window_limit(void **state)
{
	struct tr_buf ok = zstd_frame(text, BIG, 25), large = zstd_frame(text, BIG, 26);
	size_t got;
	(void)state;
	assert_int_equal(drain(ok.p, ok.n, 0, text, BIG, &got), 0);
	assert_int_equal(drain(large.p, large.n, 0, text, BIG, &got), -TR_ELIMIT);
	tr_buf_free(&ok);
	tr_buf_free(&large);
}

static void known_sha256(void **state)
{
	struct tr_in *in;
	struct tr_slice s;
	struct tr_buf z = zstd_frame("abc", 3, 0);
	(void)state;
	for (int peek = 0; peek < 2; peek++) {
		assert_int_equal(tr_in_open_mem(&in, "m", z.p, z.n, 0, NULL), 0);
		if (peek) {
			assert_int_equal(tr_in_peek(in, &s, NULL), 0);
			assert_true(tr_slice_eq(s, "abc"));
		}
		tr_in_set(in, TR_IN_SHA256);
		assert_string_equal(tr_in_sha256(in), "");
		while (tr_in_next(in, &s, -1, NULL) == 1)
			;
		/* FIPS 180-2, appendix B.1 */
		assert_string_equal(tr_in_sha256(in),
		                    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
		tr_in_close(in);
	}
	tr_buf_free(&z);
}

/* A pipe that nobody writes to: a bounded wait returns, and closing does not hang. */
static void silent_pipe(void **state)
{
	int fds[2], saved = dup(STDIN_FILENO);
	struct tr_in *in;
	struct tr_slice s;
	(void)state;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[0], STDIN_FILENO);
	assert_int_equal(tr_in_open(&in, "-", TR_IN_AHEAD, NULL), 0);
	assert_int_equal(tr_in_next(in, &s, 20, NULL), 2);
	assert_int_equal(write(fds[1], "hello", 5), 5);
	assert_int_equal(tr_in_next(in, &s, -1, NULL), 1);
	assert_true(tr_slice_eq(s, "hello"));
	assert_int_equal(tr_in_next(in, &s, 0, NULL), 2);
	tr_in_close(in);
	dup2(saved, STDIN_FILENO);
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

static void what_cannot_be_opened(void **state)
{
	struct tr_in *in;
	struct tr_out *out;
	struct tr_err err;
	(void)state;
	assert_int_equal(tr_in_open(&in, "/nonexistent/x", 0, &err), -TR_EIO);
	assert_string_equal(err.file, "/nonexistent/x");
	assert_int_equal(tr_in_open(&in, "/", 0, &err), -TR_EIO);
	assert_string_equal(err.text, "is a directory");
	assert_int_equal(tr_out_open(&out, "/nonexistent/x", 0, &err), -TR_EIO);
	assert_int_equal(tr_out_open(&out, "/", 0, &err), -TR_EIO);
}

static void output_appears_when_whole(void **state)
{
	static const char *const names[] = {"out", "out.zst", "out.gz"};
	char dir[] = "/tmp/reprise-io-XXXXXX", path[64];
	(void)state;
	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < 3; i++) {
		struct tr_out *out;
		struct tr_in *in;
		struct tr_slice s;
		struct tr_err err;
		size_t got = 0;
		int rc;
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		assert_int_equal(tr_out_open(&out, path, 0, &err), 0);
		for (size_t n = 0; n < BIG; n += 100001)
			assert_int_equal(
			    tr_out_write(out, text + n, BIG - n < 100001 ? BIG - n : 100001, &err), 0);
		assert_int_equal(tr_out_offset(out), BIG);
		assert_int_not_equal(access(path, F_OK), 0);
		assert_int_equal(tr_out_commit(out, &err), 0);
		assert_int_equal(tr_in_open(&in, path, TR_IN_AHEAD, &err), 0);
		while ((rc = tr_in_next(in, &s, -1, &err)) == 1) {
			assert_memory_equal(s.p, text + got, s.n);
			got += s.n;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(got, BIG);
		tr_in_close(in);
		assert_int_equal(tr_out_open(&out, path, 0, &err), 0);
		assert_int_equal(tr_out_write(out, "new", 3, &err), 0);
		tr_out_abort(out); /* the old file stays */
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_size > 3);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0); /* no temporary is left */
}

static void full_disk(void **state)
{
	struct tr_out *out;
	struct tr_err err;
	(void)state;
	assert_int_equal(tr_out_open(&out, "/dev/full", 0, &err), 0);
	assert_int_equal(tr_out_write(out, "x", 1, &err), 0);
	assert_int_equal(tr_out_commit(out, &err), -TR_EIO);
	assert_string_equal(err.file, "/dev/full");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes),
	    cmocka_unit_test(several_frames_and_members),
	    cmocka_unit_test(cut_or_damaged),
	    cmocka_unit_test(window_limit),
	    cmocka_unit_test(known_sha256),
	    cmocka_unit_test(silent_pipe),
	    cmocka_unit_test(what_cannot_be_opened),
	    cmocka_unit_test(output_appears_when_whole),
	    cmocka_unit_test(full_disk),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
