/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON body of a request: model, prompt, and the fields that force a length and ask for counts.
 */
#ifndef TOOLS_REPLAY_BODY_H
#define TOOLS_REPLAY_BODY_H

#include "libtrace/err.h"
#include "tools/prompt.h"

enum body_api { BODY_CHAT, BODY_COMPLETIONS };
enum body_prompt { BODY_AUTO, BODY_WORDS, BODY_IDS, BODY_PAYLOAD }; /* AUTO: the payload where there is one */

/* Fields that a server may refuse; body_field_name tells how each is spelled in JSON, so that an error that
 * names one can be answered by leaving it away. */
enum body_field {
	BODY_MAX_TOKENS,            /* max_tokens */
	BODY_MAX_COMPLETION_TOKENS, /* max_completion_tokens, chat: instead of the one above */
	BODY_MIN_TOKENS,            /* min_tokens */
	BODY_IGNORE_EOS,            /* ignore_eos */
	BODY_USAGE,                 /* stream_options.include_usage */
	BODY_CONTINUOUS_USAGE,      /* stream_options.continuous_usage_stats */
	BODY_FIELDS
};
const char *body_field_name(enum body_field f);

struct body_opts {
	enum body_api api;
	enum body_prompt prompt;
	const char *model; /* for records that name none, and for all when model_wins */
	int model_wins;
	int stream;
	unsigned fields;          /* bit per body_field that may be sent */
	uint64_t template_tokens; /* the server adds these to every text prompt: words are fewer by them */
	struct tr_slice
	    extra; /* JSON object of further members: they replace ours of the same name; n 0: none */
	struct prompt_opts content;
	struct tr_slice
	    messages; /* of the conversation: the prompt, in place of the record's own; p NULL: none */
};

struct body_made {
	uint64_t ask_in, ask_out; /* lengths aimed at, as the server should count; 0 = not known */
	int forced;               /* ask_out must be met: a maximum and what forces a minimum were sent */
	int stream;          /* as the body that is sent says: extra and raw bodies have their own word */
	unsigned raised : 1; /* a length of the trace was below what can be sent, and was raised */
};

/* Check the extra object: valid JSON in UTF-8, an object, no nesting beyond TR_JSON_DEPTH, no bad escapes. It
 * must pass before body_make sees it. */
int body_check_extra(struct tr_slice extra, struct tr_err *err);
/* The messages of a payload of that kind, without the list's brackets; borrowed. -TR_EDATA: it holds none. */
int body_messages(const struct tr_rec *r, struct tr_slice *messages, struct tr_err *err);
/* Append the body for a record; when it fails, nothing is appended. -TR_EDATA: the record does not tell what
 * to send; -TR_EUSAGE: the options ask for what this API cannot carry; -TR_ELIMIT, -TR_ENOMEM.
 *
 * The model is the record's adapter (as vLLM has it), else its model, else the one of the options; without
 * any, the member is left out. Payloads: messages (a JSON array, chat alone), delta
 * (likewise, with what was said before in o->messages), text, tokens (a JSON array of
 * ids, completions alone), body (a JSON object, sent as it is: no field and no extra is added to it). Where
 * extra replaces a prompt or a maximum, the length aimed at is not known. */
int body_make(const struct body_opts *o, const struct tr_rec *r, struct tr_buf *out, struct body_made *made,
              struct tr_err *err);

#endif
