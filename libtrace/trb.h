/* SPDX-License-Identifier: Apache-2.0
 *
 * The binary form (.trb) and its JSONL twin. The specification is trb(5).
 * Readers take the input, writers take the output, also on failure.
 */
#ifndef LIBTRACE_TRB_H
#define LIBTRACE_TRB_H

#include "libtrace/io.h"
#include "libtrace/stream.h"

int tr_trb_claims(struct tr_slice first_bytes);
int tr_trb_reader(struct tr_reader **r, struct tr_in *in, struct tr_err *err);
int tr_trb_writer(struct tr_writer **w, struct tr_out *out, const struct tr_head *head, struct tr_err *err);

int tr_jsonl_claims(struct tr_slice first_bytes);
int tr_jsonl_reader(struct tr_reader **r, struct tr_in *in, struct tr_err *err);
int tr_jsonl_writer(struct tr_writer **w, struct tr_out *out, const struct tr_head *head, struct tr_err *err);

#endif
