/* SPDX-License-Identifier: Apache-2.0
 *
 * Where results go. Workers hand over blocks and never wait; a thread of the sink's own brings them to the
 * writer, in the order of arrival. When the output does not take them fast enough, blocks collect in memory
 * up to a limit, then in an unlinked temporary file under $TMPDIR or /tmp: nothing is dropped.
 */
#ifndef TOOLS_REPLAY_SINK_H
#define TOOLS_REPLAY_SINK_H

#include "libtrace/stream.h"

enum { SINK_MEMORY = 32 << 20 }; /* bytes of blocks that wait in memory, as allocated */

struct sink;

/* The writer stays the caller's, who must not use it until sink_end. memory: SINK_MEMORY (tests: less). */
int sink_start(struct sink **s, struct tr_writer *w, size_t memory, struct tr_err *err);
/* Takes the reference. Never waits for the output. */
void sink_put(struct sink *s, struct tr_block *b);
/* < 0: the output or the temporary file has failed; what is put from now on is thrown away. */
int sink_failed(struct sink *s);
/* Waits until everything put has reached the writer: 0, or the first error. Frees. *spilled: bytes of content
 * that went by the temporary file; *behind_ns: the longest time a block waited. */
int sink_end(struct sink *s, uint64_t *spilled, int64_t *behind_ns, struct tr_err *err);

#endif
