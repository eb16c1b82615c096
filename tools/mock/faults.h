/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes wrong, and when:  KIND[:key=value,...]  with rate=P (drawn per request), nth=N or every=N.
 */
#ifndef TOOLS_MOCK_FAULTS_H
#define TOOLS_MOCK_FAULTS_H

#include "libtrace/err.h"
#include <stdint.h>

/* X(enumerator, name, what it may take besides rate, nth, every) */
#define FAULT_LIST(X)                                                                                        \
	X(FAULT_FREEZE, "freeze", "at for")                                                                  \
	X(FAULT_ERROR, "error", "code")                                                                      \
	X(FAULT_RESET, "reset", "")                                                                          \
	X(FAULT_CLOSE, "close", "")                                                                          \
	X(FAULT_REDIRECT, "redirect", "to")                                                                  \
	X(FAULT_STALL, "stall", "after for")                                                                 \
	X(FAULT_MALFORMED, "malformed", "after")                                                             \
	X(FAULT_CUT, "cut", "after")                                                                         \
	X(FAULT_ERROR_EVENT, "error-event", "after code")                                                    \
	X(FAULT_NO_DONE, "no-done", "")                                                                      \
	X(FAULT_NO_FINISH, "no-finish", "")                                                                  \
	X(FAULT_SHORT, "short", "")                                                                          \
	X(FAULT_ENDLESS_LINE, "endless-line", "after")                                                       \
	X(FAULT_ENDLESS, "endless", "")

enum fault_kind {
#define FAULT_ENUM(e, name, keys) e,
	FAULT_LIST(FAULT_ENUM)
#undef FAULT_ENUM
};

struct fault {
	enum fault_kind kind;
	const char *name;
	double rate;         /* < 0: not by chance */
	uint64_t nth, every; /* 0 = not so */
	uint64_t after;      /* events */
	int64_t at_ns, for_ns;
	uint64_t code;
	char to[256];
};

enum { FAULTS_MAX = 16 };

struct faults {
	struct fault v[FAULTS_MAX];
	unsigned n;
};

int fault_add(struct faults *f, const char *spec, struct tr_err *err);
/* What befalls this request, NULL = nothing; the first that fits. Freezes are none of its business. */
const struct fault *fault_of(const struct faults *f, uint64_t seed, uint64_t request);
const struct fault *fault_freeze(const struct faults *f); /* NULL = none */

#endif
