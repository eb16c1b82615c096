/* SPDX-License-Identifier: Apache-2.0
 *
 * The log: one JSON line for each generation request, when it has ended.
 */
#ifndef TOOLS_MOCK_LOG_H
#define TOOLS_MOCK_LOG_H

#include "libtrace/buf.h"
#include "libtrace/err.h"
#include <stdint.h>

enum { STAMPS_MAX = 1 << 21 }; /* of one request; what comes after is not noted */

struct stamps {
	int64_t *ns;
	size_t n, cap;
};

struct log_line {
	uint64_t number, conn;
	struct tr_slice id;
	struct tr_slice body; /* n 0: not to be logged */
	const char *path;
	int64_t arrival_ns, end_ns;
	uint64_t in_tokens, out_tokens, max_tokens, bytes_in;
	size_t first; /* index of the first write that carried tokens; SIZE_MAX = none did */
	const char *outcome;
	int stream;
};

struct log;

int log_open(struct log **l, const char *path, struct tr_err *err);
int log_add(struct log *l, const struct log_line *line,
            const struct stamps *s); /* 0 or -TR_EIO, -TR_ENOMEM */
int log_flush(struct log *l, struct tr_err *err);
int log_close(struct log *l, struct tr_err *err); /* l may be NULL */

void stamps_add(struct stamps *s, int64_t ns);
void stamps_free(struct stamps *s);

#endif
