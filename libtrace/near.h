/* SPDX-License-Identifier: Apache-2.0
 *
 * The name that somebody meant.
 */
#ifndef LIBTRACE_NEAR_H
#define LIBTRACE_NEAR_H

#include "libtrace/buf.h"

enum { TR_NEAR_LONGEST = 64 }; /* longer words and names are near nothing */

/* name(ctx, i) gives the names, from 0, then NULL. The nearest by edit distance, or the only one that begins
 * so; NULL when none is near. */
const char *tr_near(struct tr_slice word, const char *(*name)(const void *ctx, int i), const void *ctx);

#endif
