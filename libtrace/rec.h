/* SPDX-License-Identifier: Apache-2.0
 *
 * The record: one request, with observations when it has been sent. Also the two side records of
 * the stream: series points and events. A field table describes each of them; codec, JSONL, CSV mapping,
 * filters, reports and documents are driven by it. A new field is one member and one row in rec.c.
 *
 * Units: *_ns are nanoseconds (int64). arrival_ns and all stamps are offsets from the trace origin: the first
 * record's arrival, unless the header says otherwise. A field is present when its bit in `mask` is set; a
 * field that is absent has no value (not 0).
 *
 * Ownership: strings and lists are borrowed; they live as long as the block they came from.
 */
#ifndef LIBTRACE_REC_H
#define LIBTRACE_REC_H

#include "libtrace/buf.h"
#include <stddef.h>
#include <stdint.h>

struct tr_list { /* borrowed */
	const uint64_t *v;
	size_t n;
};

/* X(bit, member, C type, TYPE, HINT, "unit", "what it is")
 * Order and bit numbers are part of the format (content hash): append only. */
#define TR_REC_FIELDS(X)                                                                                     \
	X(0, id, uint64_t, U64, DELTA, "", "number of the request, unique in its stream")                    \
	X(1, arrival_ns, int64_t, I64, DELTA, "ns", "arrival, from the trace origin")                        \
	X(2, in_tokens, uint64_t, U64, PLAIN, "tokens", "input length (ISL), whole prompt")                  \
	X(3, out_tokens, uint64_t, U64, PLAIN, "tokens", "output length (OSL)")                              \
	X(4, images, uint64_t, U64, PLAIN, "images", "images in the prompt")                                 \
	X(5, session, struct tr_slice, STR, DICT, "", "session or conversation")                             \
	X(6, turn, uint64_t, U64, PLAIN, "", "turn in the session, from 1")                                  \
	X(7, parent, uint64_t, U64, DELTA, "", "id of the request that this one follows")                    \
	X(8, preds, struct tr_list, LIST, DELTA, "", "ids of further predecessors")                          \
	X(9, think_ns, int64_t, I64, PLAIN, "ns", "wait after the parent's end")                             \
	X(10, tenant, struct tr_slice, STR, DICT, "", "tenant, client or application")                       \
	X(11, type, struct tr_slice, STR, DICT, "", "kind of request, as the source names it")               \
	X(12, model, struct tr_slice, STR, DICT, "", "model")                                                \
	X(13, adapter, struct tr_slice, STR, DICT, "", "LoRA adapter")                                       \
	X(14, stage, uint64_t, U64, PLAIN, "", "load stage, from 0")                                         \
	X(15, priority, int64_t, I64, PLAIN, "", "scheduling priority, as sent")                             \
	X(16, slo, struct tr_slice, STR, DICT, "", "name of the SLO that the request is held to")            \
	X(17, block_size, uint64_t, U64, PLAIN, "tokens", "tokens in a prefix block")                        \
	X(18, block_tail, struct tr_slice, STR, DICT, "",                                                    \
	  "ceil: last block may be partial; floor: it is left out")                                          \
	X(19, blocks, struct tr_list, LIST, DELTA, "", "prefix block ids")                                   \
	X(20, payload_kind, struct tr_slice, STR, DICT, "", "messages, delta, text, tokens or body")         \
	X(21, payload, struct tr_slice, STR, BYTES, "", "what to send")                                      \
	X(22, answer, struct tr_slice, STR, BYTES, "", "recorded answer")                                    \
	X(23, source_id, struct tr_slice, STR, BYTES, "", "the source's own id of the request")              \
	X(24, extra, struct tr_slice, STR, BYTES, "", "columns the model has no field for: a JSON object")   \
	X(25, source_row, struct tr_slice, STR, BYTES, "",                                                   \
	  "the source's bytes of a row that its style does not reproduce")                                   \
	X(26, due_ns, int64_t, I64, DELTA, "ns", "when it was due, from time zero of the replay")            \
	X(27, dispatched_ns, int64_t, I64, DELTA, "ns",                                                      \
	  "when it was handed to a connection, a new one or one at hand")                                    \
	X(28, sent_ns, int64_t, I64, DELTA, "ns", "when its last byte was handed to the kernel")             \
	X(29, headers_ns, int64_t, I64, DELTA, "ns", "when the reply's headers were complete")               \
	X(30, first_ns, int64_t, I64, DELTA, "ns", "when the first token arrived")                           \
	X(31, end_ns, int64_t, I64, DELTA, "ns", "when the reply ended")                                     \
	X(32, gaps_ns, struct tr_list, LIST, PLAIN, "ns", "time between token events")                       \
	X(33, event_tokens, struct tr_list, LIST, PLAIN, "tokens", "tokens of each token event")             \
	X(34, seen_in_tokens, uint64_t, U64, PLAIN, "tokens", "prompt tokens the server counted")            \
	X(35, seen_out_tokens, uint64_t, U64, PLAIN, "tokens", "output tokens the server counted")           \
	X(36, cached_tokens, uint64_t, U64, PLAIN, "tokens", "prompt tokens served from cache")              \
	X(37, bytes_out, uint64_t, U64, PLAIN, "bytes", "bytes of the request")                              \
	X(38, bytes_in, uint64_t, U64, PLAIN, "bytes", "bytes of the reply")                                 \
	X(39, finish, struct tr_slice, STR, DICT, "", "finish reason, as the server names it")               \
	X(40, status, struct tr_slice, STR, DICT, "", "ok, failed or censored")                              \
	X(41, http_code, uint64_t, U64, PLAIN, "", "HTTP status")                                            \
	X(42, error, struct tr_slice, STR, DICT, "", "error class")                                          \
	X(43, connect_ns, int64_t, I64, PLAIN, "ns", "time to connect, new connections only")                \
	X(44, tls_ns, int64_t, I64, PLAIN, "ns", "time of the TLS handshake")                                \
	X(45, reused, uint64_t, U64, PLAIN, "", "1: the connection had carried a request before")            \
	X(46, resent, uint64_t, U64, PLAIN, "", "1: the transport sent it twice")                            \
	X(47, server_id, struct tr_slice, STR, BYTES, "", "the server's id of the request")                  \
	X(48, worker, uint64_t, U64, PLAIN, "", "sending thread")                                            \
	X(49, estimated, uint64_t, U64, PLAIN, "", "1: the lengths are estimates from bytes, not counts")    \
	X(50, turns, uint64_t, U64, PLAIN, "", "turns of the session, where the source knows")

#define TR_SERIES_FIELDS(X)                                                                                  \
	X(0, t_ns, int64_t, I64, DELTA, "ns", "when, from the trace origin")                                 \
	X(1, name, struct tr_slice, STR, DICT, "", "name of the series")                                     \
	X(2, value, double, F64, PLAIN, "", "value")                                                         \
	X(3, labels, struct tr_slice, STR, DICT, "", "labels, as a JSON object")

#define TR_EVENT_FIELDS(X)                                                                                   \
	X(0, t_ns, int64_t, I64, DELTA, "ns", "when, from the trace origin")                                 \
	X(1, kind, struct tr_slice, STR, DICT, "", "stage, finding, warning or note")                        \
	X(2, text, struct tr_slice, STR, BYTES, "", "what happened")                                         \
	X(3, data, struct tr_slice, STR, BYTES, "", "details, as a JSON object")

struct tr_rec {
	uint64_t mask;
#define TR_X(bit, member, ctype, type, hint, unit, text) ctype member;
	TR_REC_FIELDS(TR_X)
#undef TR_X
};
struct tr_series {
	uint64_t mask;
#define TR_X(bit, member, ctype, type, hint, unit, text) ctype member;
	TR_SERIES_FIELDS(TR_X)
#undef TR_X
};
struct tr_event {
	uint64_t mask;
#define TR_X(bit, member, ctype, type, hint, unit, text) ctype member;
	TR_EVENT_FIELDS(TR_X)
#undef TR_X
};

/* TR_F_id, TR_F_arrival_ns, ...: bit numbers. TR_HAS(rec, in_tokens) tests, TR_SET sets and marks. */
enum tr_rec_bit {
#define TR_X(bit, member, ctype, type, hint, unit, text) TR_F_##member = (bit),
	TR_REC_FIELDS(TR_X)
#undef TR_X
	    TR_REC_NFIELDS
};
enum tr_series_bit {
#define TR_X(bit, member, ctype, type, hint, unit, text) TR_S_##member = (bit),
	TR_SERIES_FIELDS(TR_X)
#undef TR_X
	    TR_SERIES_NFIELDS
};
enum tr_event_bit {
#define TR_X(bit, member, ctype, type, hint, unit, text) TR_E_##member = (bit),
	TR_EVENT_FIELDS(TR_X)
#undef TR_X
	    TR_EVENT_NFIELDS
};
#define TR_BIT(member)             (UINT64_C(1) << TR_F_##member)
#define TR_HAS(rec, member)        (((rec)->mask >> TR_F_##member) & 1)
#define TR_SET(rec, member, value) ((rec)->member = (value), (rec)->mask |= TR_BIT(member))

enum tr_type { TR_TYPE_U64, TR_TYPE_I64, TR_TYPE_F64, TR_TYPE_STR, TR_TYPE_LIST };
enum tr_hint {
	TR_HINT_PLAIN, /* integers: values stand alone */
	TR_HINT_DELTA, /* integers: differences are small */
	TR_HINT_DICT,  /* strings: few distinct */
	TR_HINT_BYTES, /* strings: mostly distinct */
};

struct tr_field {
	const char *name;
	enum tr_type type;
	enum tr_hint hint;
	unsigned bit;
	size_t offset; /* of the member in its struct */
	const char *unit;
	const char *text;
};

enum tr_kind { TR_REQUEST, TR_SERIES, TR_EVENT, TR_KINDS };

struct tr_schema {
	const char *name; /* "request", "series", "event" */
	const struct tr_field *fields;
	unsigned nfields; /* fields[i].bit == i */
	size_t size;      /* of the struct */
	int time_bit;     /* the field that gives a block its time range */
};

extern const struct tr_schema tr_schemas[TR_KINDS];

/* NULL when there is none of that name. */
const struct tr_field *tr_field_find(const struct tr_schema *schema, struct tr_slice name);
const struct tr_field *tr_field_nearest(const struct tr_schema *schema, struct tr_slice name);

/* Typed access through the table; the field must be present. rec is the schema's struct. */
uint64_t tr_field_bits(const struct tr_field *f, const void *rec); /* U64, I64, F64 as raw bits */
struct tr_slice tr_field_str(const struct tr_field *f, const void *rec);
struct tr_list tr_field_list(const struct tr_field *f, const void *rec);
void tr_field_set_bits(const struct tr_field *f, void *rec, uint64_t bits);
void tr_field_set_str(const struct tr_field *f, void *rec, struct tr_slice s);
void tr_field_set_list(const struct tr_field *f, void *rec, struct tr_list l);

/* Limits, in bytes of content: 8 for each number and list element, 16 for each string or list, and the
 * bytes of strings. */
enum {
	TR_RECORD_MAX = 6 << 20,    /* one record */
	TR_BLOCK_ROWS = 65536,      /* records in a block */
	TR_BLOCK_CONTENT = 1 << 20, /* a writer closes the block here */
	TR_BLOCK_MAX = 8 << 20,     /* a reader refuses more */
};

#endif
