/* SPDX-License-Identifier: Apache-2.0
 *
 * Input byte streams. A raw source (descriptor or memory) feeds an optional decoder (zstd, gzip, found by
 * magic); what comes out is handed over in pieces, either on the caller's thread or ahead of it by a thread
 * that reads, decodes and hashes while the caller parses.
 */
#include "libtrace/io.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { PIECE = 256 << 10, SLOTS = 4, ZSTD_WINDOW_LOG = 25 };
enum codec { PLAIN, ZSTD, GZIP };

struct slot {
	char *p;
	size_t n;
};

/* Pieces on their way from the reading thread: slots [taken, filled) are ready. */
struct ahead {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	uint64_t filled, taken; /* counts; slot = count % SLOTS */
	int lent;               /* the caller looks at slot taken % SLOTS */
	int done, stop;
	int rc; /* how it ended: 0 or < 0 with err */
	struct tr_err err;
};

struct tr_in {
	char *name;
	int fd, owns_fd;
	int wake[2]; /* a pipe; closing its write end ends a wait for input */
	const char *mem;
	size_t mem_n;
	unsigned flags;

	char *raw; /* encoded bytes read and not yet decoded */
	size_t raw_pos, raw_n;
	int raw_end;
	enum codec codec;
	int started;  /* codec known */
	int in_frame; /* decoder is inside a frame or member: an end here is a cut */
	ZSTD_DStream *zstd;
	z_stream gz;

	char *peek;
	size_t peek_n, peek_pos;
	int peeked_end;

	char *piece;          /* caller's thread: the piece last handed over */
	struct tr_slice rest; /* tr_in_read: what is left of a piece */
	struct ahead *ahead;
	EVP_MD_CTX *sha;
	char hex[65];
	uint64_t offset;
	int ended;
};

/* --- raw bytes --------------------------------------------------------------------------- */

static int raw_read(struct tr_in *in, char *p, size_t n, size_t *got, struct tr_err *err)
{
	if (in->mem) {
		*got = n < in->mem_n ? n : in->mem_n;
		memcpy(p, in->mem, *got);
		in->mem += *got;
		in->mem_n -= *got;
		return 0;
	}
	for (;;) {
		struct pollfd fds[2] = {{.fd = in->fd, .events = POLLIN},
		                        {.fd = in->wake[0], .events = POLLIN}};
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return tr_fail_errno(err, "cannot wait for input");
		}
		if (fds[1].revents) {
			*got = 0;
			return 0;
		}
		ssize_t k = read(in->fd, p, n);
		if (k >= 0) {
			*got = (size_t)k;
			return 0;
		}
		if (errno != EINTR)
			return tr_fail_errno(err, "cannot read");
	}
}

/* More raw bytes behind those that are left. */
static int raw_more(struct tr_in *in, struct tr_err *err)
{
	if (in->raw_pos) {
		memmove(in->raw, in->raw + in->raw_pos, in->raw_n - in->raw_pos);
		in->raw_n -= in->raw_pos;
		in->raw_pos = 0;
	}
	size_t got;
	int rc = raw_read(in, in->raw + in->raw_n, PIECE - in->raw_n, &got, err);
	if (rc < 0)
		return rc;
	in->raw_n += got;
	in->raw_end = got == 0;
	return 0;
}

/* --- decoding ---------------------------------------------------------------------------- */

static int start(struct tr_in *in, struct tr_err *err)
{
	static const unsigned char zstd_magic[] = {0x28, 0xb5, 0x2f, 0xfd}, gzip_magic[] = {0x1f, 0x8b, 0x08};
	int rc = 0;
	while (rc == 0 && in->raw_n < 4 && !in->raw_end)
		rc = raw_more(in, err);
	if (rc < 0)
		return rc;
	const unsigned char *p = (const unsigned char *)in->raw;
	int skippable =
	    in->raw_n >= 4 && (p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18;
	if (in->raw_n >= 4 && (memcmp(p, zstd_magic, 4) == 0 || skippable)) {
		in->codec = ZSTD;
		in->zstd = ZSTD_createDStream();
		if (!in->zstd)
			return tr_fail(err, TR_ENOMEM, "no memory for zstd");
		ZSTD_DCtx_setParameter(in->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	} else if (in->raw_n >= 3 && memcmp(p, gzip_magic, 3) == 0) {
		in->codec = GZIP;
		if (inflateInit2(&in->gz, 15 + 16) != Z_OK)
			return tr_fail(err, TR_ENOMEM, "no memory for gzip");
	}
	in->started = 1;
	return 0;
}

static int decode_zstd(struct tr_in *in, char *p, size_t n, size_t *got, struct tr_err *err)
{
	ZSTD_inBuffer src = {in->raw, in->raw_n, in->raw_pos};
	ZSTD_outBuffer dst = {p, n, 0};
	size_t rc = ZSTD_decompressStream(in->zstd, &dst, &src);
	in->raw_pos = src.pos;
	*got = dst.pos;
	if (ZSTD_isError(rc)) {
		if (ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge)
			return tr_fail(err, TR_ELIMIT,
			               "zstd window above 32 MiB; undo it with `zstd -d --long=31` first");
		return tr_fail(err, TR_EDATA, "damaged zstd data: %s", ZSTD_getErrorName(rc));
	}
	in->in_frame = rc != 0;
	return 0;
}

static int decode_gzip(struct tr_in *in, char *p, size_t n, size_t *got, struct tr_err *err)
{
	if (!in->in_frame) { /* a further member */
		inflateReset(&in->gz);
		in->in_frame = 1;
	}
	in->gz.next_in = (unsigned char *)in->raw + in->raw_pos;
	in->gz.avail_in = (uInt)(in->raw_n - in->raw_pos);
	in->gz.next_out = (unsigned char *)p;
	in->gz.avail_out = (uInt)n;
	int rc = inflate(&in->gz, Z_NO_FLUSH);
	in->raw_pos = in->raw_n - in->gz.avail_in;
	*got = n - in->gz.avail_out;
	if (rc == Z_STREAM_END)
		in->in_frame = 0;
	else if (rc != Z_OK && rc != Z_BUF_ERROR)
		return tr_fail(err, TR_EDATA, "damaged gzip data: %s",
		               in->gz.msg ? in->gz.msg : "bad stream");
	return 0;
}

/* Up to n decoded bytes; *got = 0 only at the end. */
static int produce(struct tr_in *in, char *p, size_t n, size_t *got, struct tr_err *err)
{
	int rc = in->started ? 0 : start(in, err);
	*got = 0;
	while (rc == 0 && *got == 0) {
		if (in->codec == PLAIN) {
			size_t left = in->raw_n - in->raw_pos;
			if (left == 0)
				return in->raw_end ? 0 : raw_read(in, p, n, got, err);
			*got = left < n ? left : n;
			memcpy(p, in->raw + in->raw_pos, *got);
			in->raw_pos += *got;
			return 0;
		}
		if (in->raw_pos == in->raw_n && !in->raw_end)
			rc = raw_more(in, err);
		int idle = in->raw_pos == in->raw_n;
		if (rc == 0 && idle && !in->in_frame)
			return 0;
		if (rc == 0)
			rc = in->codec == ZSTD ? decode_zstd(in, p, n, got, err)
			                       : decode_gzip(in, p, n, got, err);
		if (rc == 0 && idle && *got == 0 && in->in_frame)
			rc = tr_fail(err, TR_ECUT, "compressed input ends early");
	}
	return rc;
}

/* The next piece in order: first what was peeked, then new bytes. Hashes. */
static int next_piece(struct tr_in *in, char *p, size_t *got, struct tr_err *err)
{
	*got = in->peek_n - in->peek_pos;
	if (*got) {
		memcpy(p, in->peek + in->peek_pos, *got);
		in->peek_pos = in->peek_n;
	} else if (!in->peeked_end) {
		int rc = produce(in, p, PIECE, got, err);
		if (rc < 0) {
			tr_err_file(err, in->name);
			return rc;
		}
	}
	if (in->sha && *got)
		EVP_DigestUpdate(in->sha, p, *got);
	return 0;
}

/* --- the reading thread ------------------------------------------------------------------ */

static void *ahead_main(void *arg)
{
	struct tr_in *in = arg;
	struct ahead *a = in->ahead;
	struct slot *slots = (struct slot *)(a + 1);
	for (;;) {
		pthread_mutex_lock(&a->lock);
		while (!a->stop && a->filled - a->taken == SLOTS)
			pthread_cond_wait(&a->change, &a->lock);
		int stop = a->stop;
		pthread_mutex_unlock(&a->lock);
		if (stop)
			return NULL;
		struct slot *s = &slots[a->filled % SLOTS];
		struct tr_err err;
		int rc = next_piece(in, s->p, &s->n, &err);
		pthread_mutex_lock(&a->lock);
		if (rc < 0) {
			a->err = err;
			a->rc = rc;
		}
		if (rc < 0 || s->n == 0)
			a->done = 1;
		else
			a->filled++;
		int done = a->done;
		pthread_cond_broadcast(&a->change);
		pthread_mutex_unlock(&a->lock);
		if (done)
			return NULL;
	}
}

static void ahead_free(struct ahead *a)
{
	struct slot *slots = (struct slot *)(a + 1);
	for (int i = 0; i < SLOTS; i++)
		free(slots[i].p);
	free(a);
}

static int ahead_start(struct tr_in *in, struct tr_err *err)
{
	struct ahead *a = calloc(1, sizeof *a + SLOTS * sizeof(struct slot));
	if (!a)
		return tr_fail(err, TR_ENOMEM, "no memory for input");
	struct slot *slots = (struct slot *)(a + 1);
	int short_of_memory = 0;
	for (int i = 0; i < SLOTS; i++)
		short_of_memory |= !(slots[i].p = malloc(PIECE));
	if (short_of_memory) {
		ahead_free(a);
		return tr_fail(err, TR_ENOMEM, "no memory for input");
	}
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->change, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&a->lock, NULL);
	in->ahead = a;
	int rc = pthread_create(&a->thread, NULL, ahead_main, in);
	if (rc == 0)
		return 0;
	in->ahead = NULL;
	ahead_free(a);
	errno = rc;
	return tr_fail_errno(err, "cannot start a thread");
}

static void ahead_stop(struct tr_in *in)
{
	struct ahead *a = in->ahead;
	pthread_mutex_lock(&a->lock);
	a->stop = 1;
	pthread_cond_broadcast(&a->change);
	pthread_mutex_unlock(&a->lock);
	tr_in_interrupt(in);
	pthread_join(a->thread, NULL);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->change);
	in->ahead = NULL;
	ahead_free(a);
}

static int ahead_next(struct tr_in *in, struct tr_slice *s, int wait_ms, struct tr_err *err)
{
	struct ahead *a = in->ahead;
	struct slot *slots = (struct slot *)(a + 1);
	struct timespec until;
	if (wait_ms >= 0) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += wait_ms / 1000;
		until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
	}
	pthread_mutex_lock(&a->lock);
	if (a->lent) {
		a->lent = 0;
		a->taken++;
		pthread_cond_broadcast(&a->change);
	}
	int late = 0;
	while (a->filled == a->taken && !a->done && !late)
		late = wait_ms < 0 ? pthread_cond_wait(&a->change, &a->lock)
		                   : pthread_cond_timedwait(&a->change, &a->lock, &until);
	int rc;
	if (a->filled > a->taken) {
		*s = (struct tr_slice){slots[a->taken % SLOTS].p, slots[a->taken % SLOTS].n};
		a->lent = 1;
		rc = 1;
	} else if (!a->done) {
		rc = 2;
	} else {
		rc = a->rc;
		if (rc < 0 && err)
			*err = a->err;
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}

/* --- the interface ----------------------------------------------------------------------- */

static int new_in(struct tr_in **out, const char *name, unsigned flags, struct tr_err *err)
{
	struct tr_in *in = calloc(1, sizeof *in);
	if (in) {
		in->fd = in->wake[0] = in->wake[1] = -1;
		in->flags = flags;
		in->name = malloc(strlen(name) + 1);
		in->raw = malloc(PIECE);
	}
	if (!in || !in->name || !in->raw) {
		tr_in_close(in);
		return tr_fail(err, TR_ENOMEM, "no memory for input");
	}
	memcpy(in->name, name, strlen(name) + 1);
	*out = in;
	return 0;
}

int tr_in_open(struct tr_in **out, const char *path, unsigned flags, struct tr_err *err)
{
	int is_stdin = !path || strcmp(path, "-") == 0;
	struct tr_in *in = NULL;
	int rc = new_in(&in, is_stdin ? "<stdin>" : path, flags, err);
	if (rc < 0)
		return rc;
	in->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	in->owns_fd = !is_stdin;
	struct stat st;
	if (in->fd < 0 || fstat(in->fd, &st) < 0)
		rc = tr_fail_errno(err, "cannot open");
	else if (S_ISDIR(st.st_mode))
		rc = tr_fail(err, TR_EIO, "is a directory");
	else if (pipe(in->wake) < 0)
		rc = tr_fail_errno(err, "cannot make a pipe");
	else if (fcntl(in->wake[0], F_SETFD, FD_CLOEXEC) < 0 || fcntl(in->wake[1], F_SETFD, FD_CLOEXEC) < 0)
		rc = tr_fail_errno(err, "cannot set up a pipe");
	if (rc < 0) {
		tr_err_file(err, in->name);
		tr_in_close(in);
		return rc;
	}
	*out = in;
	return 0;
}

int tr_in_open_mem(struct tr_in **out, const char *name, const void *p, size_t n, unsigned flags,
                   struct tr_err *err)
{
	int rc = new_in(out, name, flags, err);
	if (rc == 0) {
		(*out)->mem = n ? p : "";
		(*out)->mem_n = n;
	}
	return rc;
}

void tr_in_close(struct tr_in *in)
{
	if (!in)
		return;
	if (in->ahead)
		ahead_stop(in);
	tr_in_interrupt(in);
	if (in->wake[0] >= 0)
		close(in->wake[0]);
	if (in->owns_fd && in->fd >= 0)
		close(in->fd);
	ZSTD_freeDStream(in->zstd);
	if (in->codec == GZIP)
		inflateEnd(&in->gz);
	EVP_MD_CTX_free(in->sha);
	free(in->piece);
	free(in->peek);
	free(in->raw);
	free(in->name);
	free(in);
}

void tr_in_interrupt(struct tr_in *in)
{
	if (in->wake[1] >= 0)
		close(in->wake[1]);
	in->wake[1] = -1;
}

void tr_in_set(struct tr_in *in, unsigned flags)
{
	in->flags = flags;
}

int tr_in_peek(struct tr_in *in, struct tr_slice *s, struct tr_err *err)
{
	if (!in->peek && !(in->peek = malloc(TR_IN_PEEK)))
		return tr_fail(err, TR_ENOMEM, "no memory for input");
	while (in->peek_n < TR_IN_PEEK && !in->peeked_end && !memchr(in->peek, '\n', in->peek_n)) {
		size_t got;
		int rc = produce(in, in->peek + in->peek_n, TR_IN_PEEK - in->peek_n, &got, err);
		if (rc < 0) {
			tr_err_file(err, in->name);
			return rc;
		}
		in->peek_n += got;
		in->peeked_end = got == 0;
	}
	*s = (struct tr_slice){in->peek, in->peek_n};
	return 0;
}

/* The flags take effect with the first piece. */
static int prepare(struct tr_in *in, struct tr_err *err)
{
	if (in->flags & TR_IN_SHA256 && !in->sha) {
		in->sha = EVP_MD_CTX_new();
		if (!in->sha || EVP_DigestInit_ex(in->sha, EVP_sha256(), NULL) != 1)
			return tr_fail(err, TR_ENOMEM, "no memory for SHA-256");
	}
	if (in->flags & TR_IN_AHEAD)
		return in->ahead ? 0 : ahead_start(in, err);
	if (!in->piece && !(in->piece = malloc(PIECE)))
		return tr_fail(err, TR_ENOMEM, "no memory for input");
	return 0;
}

int tr_in_next(struct tr_in *in, struct tr_slice *s, int wait_ms, struct tr_err *err)
{
	if (in->ended)
		return 0;
	int rc = prepare(in, err);
	if (rc < 0)
		return rc;
	if (in->ahead) {
		rc = ahead_next(in, s, wait_ms, err);
	} else {
		size_t got;
		rc = next_piece(in, in->piece, &got, err);
		*s = (struct tr_slice){in->piece, got};
		rc = rc < 0 ? rc : got > 0;
	}
	if (rc == 1)
		in->offset += s->n;
	if (rc == 0)
		in->ended = 1;
	return rc;
}

int tr_in_read(struct tr_in *in, void *p, size_t n, size_t *got, struct tr_err *err)
{
	*got = 0;
	while (*got < n) {
		if (in->rest.n == 0) {
			int rc = tr_in_next(in, &in->rest, -1, err);
			if (rc <= 0) {
				in->rest.n = 0;
				return rc;
			}
		}
		size_t k = in->rest.n < n - *got ? in->rest.n : n - *got;
		memcpy((char *)p + *got, in->rest.p, k);
		in->rest.p += k;
		in->rest.n -= k;
		*got += k;
	}
	return 0;
}

const char *tr_in_name(const struct tr_in *in)
{
	return in->name;
}

uint64_t tr_in_offset(const struct tr_in *in)
{
	return in->offset - in->rest.n;
}

const char *tr_in_sha256(struct tr_in *in)
{
	if (in->ended && in->sha && !in->hex[0]) {
		unsigned char digest[32];
		EVP_DigestFinal_ex(in->sha, digest, NULL);
		for (int i = 0; i < 32; i++) {
			in->hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
			in->hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
		}
	}
	return in->hex;
}
