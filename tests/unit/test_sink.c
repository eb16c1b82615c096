/* SPDX-License-Identifier: Apache-2.0
 *
 * The sink of trace-replay: an output that is stuck, slow, or gone never holds up those who put, and every
 * record arrives once, in order. The reader of the output is a thread, which reads when told to.
 */
#include "tools/replay/sink.h"

#include "libtrace/clock.h"
#include "libtrace/rng.h"
#include "libtrace/trb.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __SANITIZE_THREAD__ /* many times slower */
enum { MANY = 40, ROUNDS = 4 };
#else
enum { MANY = 270, ROUNDS = 12 };
#endif
enum { PAYLOAD = 8 << 10, ROWS = 100, MB = 1 << 20 };

static char dir[] = "/tmp/reprise-sink-XXXXXX";
static char fifo[64];
static char noise[ROWS][PAYLOAD]; /* nothing repeats in a block, so that nothing is compressed away */

static int set_up(void **state)
{
	struct tr_rng g;
	(void)state;
	tr_rng_init(&g, 1, "sink");
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i / PAYLOAD][i % PAYLOAD] = (char)tr_rng_u64(&g);
	if (!mkdtemp(dir) || setenv("TMPDIR", dir, 1) < 0)
		return 1;
	snprintf(fifo, sizeof fifo, "%s/fifo", dir);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return mkfifo(fifo, 0600);
}

static int tear_down(void **state)
{
	(void)state;
	unlink(fifo);
	return rmdir(dir); /* no temporary file is left */
}

/* The next n records, numbered on from *id. */
static struct tr_block *make_block(uint64_t *id, int n)
{
	struct tr_block *b;
	struct tr_err err;
	assert_int_equal(tr_block_new(&b, TR_REQUEST, &err), 0);
	for (int i = 0; i < n; i++) {
		struct tr_rec rec = {0};
		TR_SET(&rec, id, *id);
		TR_SET(&rec, payload, ((struct tr_slice){noise[(*id)++ % ROWS], PAYLOAD}));
		assert_int_equal(tr_block_add(b, &rec, &err), 0);
	}
	return b;
}

/* --- the reader ---------------------------------------------------------------------------- */

struct reader {
	pthread_t thread;
	int go[2];   /* a byte: read on */
	int done[2]; /* a byte: have read as told */
	uint64_t records, step;
	int failed;
};

/* `step` records for each byte: 0 = every id in order, and the trailer fits. */
static int read_in_steps(const struct reader *f, struct tr_reader *r)
{
	const struct tr_rec *rec;
	struct tr_err err;
	uint64_t id = 0;
	char c;
	int rc;
	while ((rc = tr_reader_next(r, &rec, &err)) == 1) {
		if (rec->id != id || rec->payload.n != PAYLOAD ||
		    memcmp(rec->payload.p, noise[id++ % ROWS], PAYLOAD) != 0)
			return 3;
		if (id % f->step == 0 && (write(f->done[1], "", 1) != 1 || read(f->go[0], &c, 1) != 1))
			return 4;
	}
	return rc < 0 || id != f->records || tr_reader_tail(r)->records != id ? 5 : 0;
}

static void *reader_main(void *arg)
{
	struct reader *f = arg;
	struct tr_reader *r;
	struct tr_in *in;
	char c;
	f->failed = 1;
	if (tr_in_open(&in, fifo, 0, NULL) < 0)
		return NULL;
	f->failed = 2;
	if (read(f->go[0], &c, 1) != 1 || tr_trb_reader(&r, in, NULL) < 0)
		return NULL;
	f->failed = read_in_steps(f, r);
	tr_reader_close(r); /* also after a failure: the writer then sees it */
	return NULL;
}

static void reader_start(struct reader *f, uint64_t records, uint64_t step)
{
	*f = (struct reader){.records = records, .step = step};
	assert_int_equal(pipe(f->go), 0);
	assert_int_equal(pipe(f->done), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, reader_main, f), 0);
}

static void reader_go(const struct reader *f)
{
	assert_int_equal(write(f->go[1], "", 1), 1);
}

static void reader_has_read(const struct reader *f)
{
	char c;
	assert_int_equal(read(f->done[0], &c, 1), 1);
}

static void reader_ends_well(struct reader *f)
{
	pthread_join(f->thread, NULL);
	assert_int_equal(f->failed, 0);
	for (int i = 0; i < 2; i++) {
		close(f->go[i]);
		close(f->done[i]);
	}
}

static struct tr_writer *open_writer(const char *path)
{
	char order[] = "completion";
	const struct tr_head head = {.order = order};
	struct tr_writer *w;
	struct tr_out *out;
	struct tr_err err;
	assert_int_equal(tr_out_open(&out, path, TR_OUT_IN_PLACE, &err), 0);
	assert_int_equal(tr_trb_writer(&w, out, &head, &err), 0);
	return w;
}

static struct sink *start(struct tr_writer *w, size_t memory)
{
	struct sink *s;
	struct tr_err err;
	assert_int_equal(sink_start(&s, w, memory, &err), 0);
	return s;
}

/* --- the tests ----------------------------------------------------------------------------- */

static void normal_run(void **state)
{
	char path[64];
	struct tr_err err;
	const struct tr_rec *rec;
	struct tr_reader *r;
	struct tr_in *in;
	uint64_t id = 0, spilled, next = 0;
	int64_t behind;
	(void)state;
	snprintf(path, sizeof path, "%s/run.trb", dir);
	struct tr_writer *w = open_writer(path);
	struct sink *s = start(w, SINK_MEMORY);
	for (int i = 0; i < 15; i++)
		sink_put(s, make_block(&id, i)); /* the first is empty */
	assert_int_equal(sink_failed(s), 0);
	assert_int_equal(sink_end(s, &spilled, &behind, &err), 0);
	assert_int_equal(spilled, 0);
	assert_true(behind > 0);
	assert_int_equal(tr_writer_finish(w, &err), 0);
	assert_int_equal(tr_in_open(&in, path, 0, &err), 0);
	assert_int_equal(tr_trb_reader(&r, in, &err), 0);
	while (tr_reader_next(r, &rec, &err) == 1)
		assert_int_equal(rec->id, next++);
	assert_int_equal(next, id);
	assert_string_equal(tr_reader_tail(r)->state, "complete");
	tr_reader_close(r);
	unlink(path);
}

/* Not a byte is read before everything has been put. */
static void stuck_output(void **state)
{
	enum { BLOCKS = MANY, MEMORY = 8 * MB };
	struct reader f;
	struct tr_err err;
	uint64_t id = 0, spilled, content = 0;
	int64_t behind, began;
	(void)state;
	reader_start(&f, BLOCKS * ROWS, UINT64_MAX);
	struct tr_writer *w = open_writer(fifo);
	struct sink *s = start(w, MEMORY);
	began = tr_mono_ns();
	for (int i = 0; i < BLOCKS; i++) {
		struct tr_block *b = make_block(&id, ROWS);
		content += b->content;
		sink_put(s, b);
	}
	assert_int_equal(content / ROWS, (uint64_t)BLOCKS * (8 + 16 + PAYLOAD)); /* 211 MB */
	assert_int_equal(sink_failed(s), 0);
	int64_t put = tr_mono_ns();
	reader_go(&f);
	assert_int_equal(sink_end(s, &spilled, &behind, &err), 0);
	assert_int_equal(tr_writer_finish(w, &err), 0);
	reader_ends_well(&f);
	assert_in_range(spilled, content - MEMORY - 3 * MB, content);
	assert_in_range(behind, 1, tr_mono_ns() - began);
	print_message("%d MB put in %.3f s, %d MB of them spilled, longest wait %.3f s\n",
	              (int)(content >> 20), (double)(put - began) / 1e9, (int)(spilled >> 20),
	              (double)behind / 1e9);
}

static size_t still_held(struct tr_block *const *blocks, int n)
{
	size_t held = 0;
	for (int i = 0; i < n; i++)
		held += __atomic_load_n(&blocks[i]->refs, __ATOMIC_ACQUIRE) > 1 ? blocks[i]->content : 0;
	return held;
}

static void memory_is_bounded(void **state)
{
	enum { BLOCKS = 100, MEMORY = 2 * MB };
	struct tr_block *blocks[BLOCKS];
	struct reader f;
	struct tr_err err;
	uint64_t id = 0, spilled;
	int64_t behind;
	(void)state;
	reader_start(&f, BLOCKS * ROWS / 5, UINT64_MAX);
	struct tr_writer *w = open_writer(fifo);
	struct sink *s = start(w, MEMORY);
	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = make_block(&id, ROWS / 5);
		sink_put(s, tr_block_ref(blocks[i]));
	}
	/* What stays beside the limit: three blocks on their way in each writer. */
	while (still_held(blocks, BLOCKS) > MEMORY + 3 * blocks[0]->content)
		sched_yield();
	assert_true(still_held(blocks, BLOCKS) > MEMORY / 4);
	reader_go(&f);
	assert_int_equal(sink_end(s, &spilled, &behind, &err), 0);
	assert_int_equal(tr_writer_finish(w, &err), 0);
	reader_ends_well(&f);
	assert_int_equal(still_held(blocks, BLOCKS), 0);
	assert_true(spilled > 0);
	for (int i = 0; i < BLOCKS; i++)
		tr_block_unref(blocks[i]);
}

/* A block of few records, as a live output gets them, has little content and much memory. */
static void small_blocks_count_in_full(void **state)
{
	struct tr_err err;
	struct tr_block *b;
	struct tr_rec rec = {0};
	uint64_t spilled;
	int64_t behind;
	(void)state;
	struct tr_writer *w = open_writer("/dev/null");
	struct sink *s = start(w, 2048); /* the first column alone is as much */
	TR_SET(&rec, id, 1);
	assert_int_equal(tr_block_new(&b, TR_REQUEST, &err), 0);
	assert_int_equal(tr_block_add(b, &rec, &err), 0);
	sink_put(s, b);
	assert_int_equal(sink_end(s, &spilled, &behind, &err), 0);
	assert_int_equal(spilled, 8);
	assert_int_equal(tr_writer_finish(w, &err), 0);
}

/* The output goes on and stops again: from memory to a file and back, with a second
 * file while the first is read. */
static void stop_and_go(void **state)
{
	enum { EACH = 6, AHEAD = 3, STEP = EACH * ROWS };
	static const size_t limits[] = {0, MB, 3 * MB, SINK_MEMORY};
	(void)state;
	for (size_t k = 0; k < sizeof limits / sizeof limits[0]; k++) {
		struct reader f;
		struct tr_err err;
		uint64_t id = 0, spilled;
		int64_t behind;
		reader_start(&f, (AHEAD + ROUNDS) * STEP, STEP);
		struct tr_writer *w = open_writer(fifo);
		struct sink *s = start(w, limits[k]);
		for (int i = 0; i < AHEAD * EACH; i++)
			sink_put(s, make_block(&id, ROWS));
		for (int i = 0; i < ROUNDS; i++) {
			for (int j = 0; j < EACH; j++)
				sink_put(s, make_block(&id, ROWS));
			reader_go(&f);
			reader_has_read(&f);
		}
		for (int i = 0; i <= AHEAD; i++)
			reader_go(&f);
		assert_int_equal(sink_end(s, &spilled, &behind, &err), 0);
		assert_int_equal(tr_writer_finish(w, &err), 0);
		reader_ends_well(&f);
		if (limits[k] == 0)
			assert_int_equal(spilled, id * (8 + 16 + PAYLOAD));
		if (limits[k] == SINK_MEMORY)
			assert_int_equal(spilled, 0);
	}
}

struct putter {
	struct sink *s;
	struct tr_block *b;
};

static void *put_often(void *arg)
{
	struct putter *p = arg;
	for (int i = 0; i < 200; i++)
		sink_put(p->s, tr_block_ref(p->b));
	return NULL;
}

static void several_put(void **state)
{
	char path[64];
	struct tr_err err;
	uint64_t id = 0, spilled;
	int64_t behind;
	pthread_t threads[4];
	(void)state;
	snprintf(path, sizeof path, "%s/run.trb", dir);
	struct tr_writer *w = open_writer(path);
	struct sink *s = start(w, MB);
	struct putter p = {s, make_block(&id, 3)};
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_often, &p), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sink_end(s, &spilled, &behind, &err), 0);
	assert_int_equal(tr_writer_finish(w, &err), 0);
	tr_block_unref(p.b);

	struct tr_reader *r;
	struct tr_in *in;
	const struct tr_rec *rec;
	assert_int_equal(tr_in_open(&in, path, 0, &err), 0);
	assert_int_equal(tr_trb_reader(&r, in, &err), 0);
	while (tr_reader_next(r, &rec, &err) == 1)
		;
	assert_int_equal(tr_reader_tail(r)->records, 4 * 200 * 3);
	tr_reader_close(r);
	unlink(path);
}

/* The reader goes away in the middle of a block; with `backlog` more is waiting then. */
static void reader_gone(void **state)
{
	(void)state;
	for (int backlog = 0; backlog <= 20; backlog += 10) {
		struct tr_err err;
		uint64_t id = 0, spilled;
		int64_t behind;
		int end = open(fifo, O_RDONLY | O_NONBLOCK);
		struct tr_writer *w = open_writer(fifo);
		struct sink *s = start(w, 4 * MB);
		for (int i = 0; i < 1 + backlog; i++)
			sink_put(s, make_block(&id, ROWS));
		assert_int_equal(sink_failed(s), 0);
		close(end);
		while (sink_failed(s) == 0)
			sched_yield();
		assert_int_equal(sink_failed(s), -TR_EPIPE);
		for (int i = 0; i < 10; i++)
			sink_put(s, make_block(&id, ROWS));
		assert_int_equal(sink_end(s, &spilled, &behind, &err), -TR_EPIPE);
		assert_int_equal(err.code, TR_EPIPE);
		tr_writer_abort(w);
	}
}

/* While the output is stuck the temporary file fails too: nobody waits for either. */
static void spill_fails(const char *file, const char *text)
{
	struct tr_err err;
	uint64_t id = 0, spilled;
	int64_t behind;
	int end = open(fifo, O_RDONLY | O_NONBLOCK);
	struct tr_writer *w = open_writer(fifo);
	struct sink *s = start(w, MB);
	while (sink_failed(s) == 0 && id < 100 * ROWS)
		sink_put(s, make_block(&id, ROWS));
	while (sink_failed(s) == 0)
		sched_yield();
	assert_int_equal(sink_failed(s), -TR_EIO);
	assert_int_equal(sink_end(s, &spilled, &behind, &err), -TR_EIO);
	assert_string_equal(err.file, file);
	assert_string_equal(err.text, text);
	close(end); /* the writer itself is still in the pipe */
	tr_writer_abort(w);
}

static void no_room_for_the_file(void **state)
{
	char file[128];
	struct rlimit before, small;
	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 3 * MB;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	snprintf(file, sizeof file, "temporary file in %s", dir);
	spill_fails(file, "cannot write: File too large");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

	setenv("TMPDIR", "/nonexistent", 1);
	spill_fails("temporary file in /nonexistent", "cannot create: No such file or directory");
	setenv("TMPDIR", dir, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(normal_run),        cmocka_unit_test(stuck_output),
	    cmocka_unit_test(memory_is_bounded), cmocka_unit_test(small_blocks_count_in_full),
	    cmocka_unit_test(stop_and_go),       cmocka_unit_test(several_put),
	    cmocka_unit_test(reader_gone),       cmocka_unit_test(no_room_for_the_file),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
