/* SPDX-License-Identifier: Apache-2.0
 *
 * tokenizer_rate TOKENIZER TEXTS: loads the tokenizer, then the file of texts (each behind its length, 4
 * bytes, little-endian), and prints how long loading took and the memory that it left in use. Then, for every
 * line on stdin, one round: the seconds of making all ids and of counting alone, and how many ids. So rounds
 * of several programs can take turns.
 */
#include "libtrace/tokenizer/tokenizer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* KiB in memory now. (The peak of getrusage begins with that of the process that started this one.) */
static long resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	char line[128] = "";
	char *second = line;
	if (f && fgets(line, sizeof line, f))
		strtol(line, &second, 10);
	if (f)
		fclose(f);
	return strtol(second, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}

static void complain(const struct tr_err *err)
{
	char line[1024];
	fprintf(stderr, "tokenizer_rate: %s\n", tr_err_format(err, line, sizeof line));
	exit(1);
}

/* The whole file, or the end of the program. */
static struct tr_slice read_all(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *p = NULL;
	long n = -1;
	if (f && fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0)
		p = malloc((size_t)n + 1);
	if (!p || fread(p, 1, (size_t)n, f) != (size_t)n) {
		perror(path);
		exit(1);
	}
	fclose(f);
	return (struct tr_slice){p, (size_t)n};
}

static double round_of(struct tr_encoder *e, struct tr_slice all, int counting, uint64_t *total)
{
	struct tr_ids ids = {0};
	struct tr_err err;
	const double start = now();
	tr_err_clear(&err);
	*total = 0;
	while (all.n >= 4) {
		const unsigned char *h = (const unsigned char *)all.p;
		const size_t n = h[0] | (size_t)h[1] << 8 | (size_t)h[2] << 16 | (size_t)h[3] << 24;
		const struct tr_slice text = {all.p + 4, n};
		uint64_t count = 0;
		ids.n = 0;
		if ((counting ? tr_count_tokens(e, text, TR_TOK_SPECIAL, &count, &err)
		              : tr_encode(e, text, TR_TOK_SPECIAL, &ids, &err)) < 0)
			complain(&err);
		*total += count + ids.n;
		all.p += 4 + n;
		all.n -= 4 + n;
	}
	tr_ids_free(&ids);
	return now() - start;
}

int main(int argc, char **argv)
{
	struct tr_tokenizer *t;
	struct tr_encoder *e;
	struct tr_err err;
	char line[64];
	if (argc != 3)
		return 2;
	tr_err_clear(&err);
	const long before = resident();
	const double start = now();
	if (tr_tokenizer_open(&t, argv[1], &err) < 0 || tr_encoder_new(&e, t, &err) < 0)
		complain(&err);
	printf("%.6f ", now() - start);
	printf("%ld\n", resident() - before);
	fflush(stdout);
	struct tr_slice all = read_all(argv[2]);
	while (fgets(line, sizeof line, stdin)) {
		uint64_t ids, counted;
		double s = round_of(e, all, 0, &ids), c = round_of(e, all, 1, &counted);
		printf("%.6f %.6f %" PRIu64 " %" PRIu64 "\n", s, c, ids, counted);
		fflush(stdout);
	}
	tr_encoder_free(e);
	tr_tokenizer_free(t);
	return 0;
}
