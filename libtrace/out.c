/* SPDX-License-Identifier: Apache-2.0
 *
 * Output byte streams: buffered, compressed by the path's ending, under a temporary name until committed
 * unless asked otherwise. What is not a regular file (a terminal, a pipe, /dev/null) is written in place.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "libtrace/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { BUFFER = 128 << 10, ZSTD_LEVEL = 3, GZIP_LEVEL = 6 };
enum codec { PLAIN, ZSTD, GZIP };

struct tr_out {
	char *name;        /* for messages */
	char *path, *temp; /* final and temporary name; NULL when written in place */
	int fd, owns_fd;
	int in_place; /* as asked for */
	int created;  /* in place, and not there before */
	int failed;   /* bytes are missing: nothing may follow */
	int seekable;
	struct tr_buf *memory;
	enum codec codec;
	ZSTD_CStream *zstd;
	z_stream gz;
	char *buffer; /* plain bytes waiting */
	size_t n;
	char *packed; /* compressed bytes on their way */
	uint64_t offset;
	EVP_MD_CTX *sha;
	char hex[65];
};

static int write_all(struct tr_out *o, const char *p, size_t n, struct tr_err *err)
{
	if (o->memory) {
		int rc = tr_buf_add(o->memory, p, n);
		return rc < 0 ? tr_fail(err, (enum tr_code) - rc, "no room for the output") : 0;
	}
	while (n) {
		ssize_t k = write(o->fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			int rc = tr_fail_errno(err, "cannot write");
			o->failed = 1;
			tr_err_file(err, o->name);
			return rc;
		}
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int pack_zstd(struct tr_out *o, const char *p, size_t n, ZSTD_EndDirective how, struct tr_err *err)
{
	ZSTD_inBuffer src = {p, n, 0};
	size_t left;
	do {
		ZSTD_outBuffer dst = {o->packed, BUFFER, 0};
		left = ZSTD_compressStream2(o->zstd, &dst, &src, how);
		if (ZSTD_isError(left))
			return tr_fail(err, TR_EIO, "zstd: %s", ZSTD_getErrorName(left));
		int rc = write_all(o, o->packed, dst.pos, err);
		if (rc < 0)
			return rc;
	} while (how == ZSTD_e_continue ? src.pos < src.size : left > 0);
	return 0;
}

static int pack_gzip(struct tr_out *o, const char *p, size_t n, int how, struct tr_err *err)
{
	o->gz.next_in = (unsigned char *)p;
	o->gz.avail_in = (uInt)n;
	do {
		o->gz.next_out = (unsigned char *)o->packed;
		o->gz.avail_out = BUFFER;
		if (deflate(&o->gz, how) == Z_STREAM_ERROR)
			return tr_fail(err, TR_EIO, "gzip: stream error");
		int rc = write_all(o, o->packed, BUFFER - o->gz.avail_out, err);
		if (rc < 0)
			return rc;
	} while (o->gz.avail_out == 0);
	return 0;
}

enum push { MORE, FLUSH, END };

static int push(struct tr_out *o, const char *p, size_t n, enum push how, struct tr_err *err)
{
	static const ZSTD_EndDirective zstd_how[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
	static const int gzip_how[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
	switch (o->codec) {
	case ZSTD:
		return pack_zstd(o, p, n, zstd_how[how], err);
	case GZIP:
		return pack_gzip(o, p, n, gzip_how[how], err);
	default:
		return write_all(o, p, n, err);
	}
}

static int drain(struct tr_out *o, enum push how, struct tr_err *err)
{
	size_t n = o->n;
	o->n = 0;
	return push(o, o->buffer, n, how, err);
}

static void free_out(struct tr_out *o)
{
	if (o->owns_fd && o->fd >= 0)
		close(o->fd);
	ZSTD_freeCStream(o->zstd);
	if (o->codec == GZIP)
		deflateEnd(&o->gz);
	EVP_MD_CTX_free(o->sha);
	free(o->name);
	free(o->path);
	free(o->temp);
	free(o->buffer);
	free(o->packed);
	free(o);
}

static int ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);
	return n > k && strcmp(s + n - k, end) == 0;
}

static int new_out(struct tr_out **out, const char *name, unsigned flags, struct tr_err *err)
{
	struct tr_out *o = calloc(1, sizeof *o);
	if (!o)
		return tr_fail(err, TR_ENOMEM, "no memory for output");
	o->fd = -1;
	o->name = strdup(name);
	o->buffer = malloc(BUFFER);
	int bad = !o->name || !o->buffer;
	if (ends_with(name, ".zst")) {
		o->zstd = ZSTD_createCStream();
		bad |= !o->zstd ||
		       ZSTD_isError(ZSTD_CCtx_setParameter(o->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) ||
		       ZSTD_isError(ZSTD_CCtx_setParameter(o->zstd, ZSTD_c_checksumFlag, 1));
		o->codec = ZSTD;
	} else if (ends_with(name, ".gz")) {
		if (deflateInit2(&o->gz, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK)
			o->codec = GZIP;
		else
			bad = 1;
	}
	if (o->codec != PLAIN)
		bad |= !(o->packed = malloc(BUFFER));
	if (flags & TR_OUT_SHA256)
		bad |= !(o->sha = EVP_MD_CTX_new()) || EVP_DigestInit_ex(o->sha, EVP_sha256(), NULL) != 1;
	if (bad) {
		free_out(o);
		return tr_fail(err, TR_ENOMEM, "no memory for output");
	}
	*out = o;
	return 0;
}

/* A temporary beside the final name, so that the rename stays inside one file system. */
static int open_temp(struct tr_out *o, const char *path, struct tr_err *err)
{
	o->path = realpath(path, NULL); /* a symbolic link stays; what it points to is replaced */
	if (!o->path)
		o->path = strdup(path);
	size_t size = o->path ? strlen(o->path) + 40 : 0;
	o->temp = size ? malloc(size) : NULL;
	if (!o->temp)
		return tr_fail(err, TR_ENOMEM, "no memory for output");
	for (int i = 0; i < 100; i++) {
		snprintf(o->temp, size, "%s.%ld-%d.tmp", o->path, (long)getpid(), i);
		o->fd = open(o->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
		if (o->fd >= 0 || errno != EEXIST)
			break;
	}
	if (o->fd >= 0) {
		struct stat st; /* who could not read the old file shall not read the new one */
		if (stat(o->path, &st) == 0)
			(void)fchmod(o->fd, st.st_mode & 0777);
		o->seekable = 1;
		return 0;
	}
	int rc = tr_fail_errno(err, "cannot create");
	free(o->temp);
	o->temp = NULL;
	return rc;
}

static int open_in_place(struct tr_out *o, const char *path, unsigned flags, struct tr_err *err)
{
	o->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	o->created = o->fd >= 0;
	if (o->fd < 0 && errno == EEXIST) {
		if (!(flags & TR_OUT_FORCE))
			return tr_fail(err, TR_EUSAGE, "exists already; --force overwrites it");
		o->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	}
	if (o->fd < 0)
		return tr_fail_errno(err, "cannot create");
	o->seekable = 1;
	return 0;
}

int tr_out_open(struct tr_out **out, const char *path, unsigned flags, struct tr_err *err)
{
	int is_stdout = !path || strcmp(path, "-") == 0;
	struct tr_out *o;
	int rc = new_out(&o, is_stdout ? "<stdout>" : path, flags, err);
	if (rc < 0)
		return rc;
	struct stat st;
	o->in_place = (flags & TR_OUT_IN_PLACE) != 0;
	if (is_stdout) {
		o->fd = STDOUT_FILENO;
		o->seekable = fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode) && lseek(o->fd, 0, SEEK_CUR) == 0;
	} else {
		o->owns_fd = 1;
		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
			rc = tr_fail(err, TR_EIO, "is a directory");
		} else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
			o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
			if (o->fd < 0)
				rc = tr_fail_errno(err, "cannot open for writing");
		} else if (o->in_place) {
			rc = open_in_place(o, path, flags, err);
		} else {
			rc = open_temp(o, path, err);
		}
	}
	if (rc < 0) {
		tr_err_file(err, o->name);
		tr_out_abort(o);
		return rc;
	}
	if (o->codec != PLAIN)
		o->seekable = 0;
	*out = o;
	return 0;
}

int tr_out_open_buf(struct tr_out **out, struct tr_buf *buf, unsigned flags, struct tr_err *err)
{
	int rc = new_out(out, "<memory>", flags, err);
	if (rc == 0) {
		(*out)->memory = buf;
		(*out)->seekable = 1;
	}
	return rc;
}

int tr_out_write(struct tr_out *o, const void *p, size_t n, struct tr_err *err)
{
	if (o->sha)
		EVP_DigestUpdate(o->sha, p, n);
	o->offset += n;
	if (n > BUFFER - o->n) {
		int rc = drain(o, MORE, err);
		if (rc < 0)
			return rc;
		if (n >= BUFFER)
			return push(o, p, n, MORE, err);
	}
	memcpy(o->buffer + o->n, p, n);
	o->n += n;
	return 0;
}

int tr_out_flush(struct tr_out *o, struct tr_err *err)
{
	return drain(o, FLUSH, err);
}

uint64_t tr_out_offset(const struct tr_out *o)
{
	return o->offset;
}

int tr_out_seekable(const struct tr_out *o)
{
	return o->seekable;
}

int tr_out_is_tty(const struct tr_out *o)
{
	return o->fd >= 0 && isatty(o->fd);
}

static int is_file(const struct tr_out *o)
{
	struct stat st;
	return o->fd >= 0 && fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode);
}

int tr_out_is_live(const struct tr_out *o)
{
	return o->fd >= 0 && (o->in_place || (o->codec == PLAIN && !is_file(o)));
}

const char *tr_out_sha256(struct tr_out *o)
{
	EVP_MD_CTX *copy = o->sha ? EVP_MD_CTX_new() : NULL;
	unsigned char digest[32];
	o->hex[0] = '\0';
	if (copy && EVP_MD_CTX_copy_ex(copy, o->sha) == 1 && EVP_DigestFinal_ex(copy, digest, NULL) == 1)
		for (int i = 0; i < 32; i++) {
			o->hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
			o->hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
		}
	EVP_MD_CTX_free(copy);
	return o->hex;
}

int tr_out_commit(struct tr_out *o, struct tr_err *err)
{
	int rc = drain(o, END, err);
	if (rc == 0 && o->fd >= 0) {
		/* close() is where a full disk or quota may first show. stdout stays open as a descriptor for
		 * others. */
		int fd = o->owns_fd ? o->fd : dup(o->fd);
		if (o->owns_fd)
			o->fd = -1;
		if (fd >= 0 && close(fd) < 0) {
			rc = tr_fail_errno(err, "cannot close");
			tr_err_file(err, o->name);
		}
	}
	if (rc == 0 && o->temp && rename(o->temp, o->path) < 0) {
		rc = tr_fail_errno(err, "cannot rename into place");
		tr_err_file(err, o->name);
	}
	if (rc < 0 && o->temp)
		unlink(o->temp);
	free_out(o);
	return rc;
}

void tr_out_abort(struct tr_out *o)
{
	if (!o)
		return;
	if (o->temp)
		unlink(o->temp);
	else if (o->created && o->offset == 0)
		unlink(o->name);
	else if (o->in_place && is_file(o) && !o->failed)
		(void)drain(o, END, NULL); /* never a pipe: it could block */
	free_out(o);
}
