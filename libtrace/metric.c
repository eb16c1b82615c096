/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of metrics. Latencies count from when a request was due; the same from when it was sent stand
 * beside them, under names that say so. A value that would be negative is not a value: the record is
 * damaged or of another meaning, and no report should average it.
 */
#include "libtrace/metric.h"
#include <string.h>

static int span(int64_t from, int64_t to, uint64_t *out)
{
	*out = (uint64_t)to - (uint64_t)from;
	return to >= from;
}

static int input_tokens(const struct tr_rec *r, uint64_t *out)
{
	*out = r->in_tokens;
	return 1;
}

static int output_tokens(const struct tr_rec *r, uint64_t *out)
{
	*out = r->out_tokens;
	return 1;
}

static int total_tokens(const struct tr_rec *r, uint64_t *out)
{
	return !__builtin_add_overflow(r->in_tokens, r->out_tokens, out);
}

static int images(const struct tr_rec *r, uint64_t *out)
{
	*out = r->images;
	return 1;
}

static int lateness(const struct tr_rec *r, uint64_t *out)
{
	return span(r->due_ns, r->sent_ns, out);
}

static int ttft(const struct tr_rec *r, uint64_t *out)
{
	return span(r->due_ns, r->first_ns, out);
}

static int ttft_sent(const struct tr_rec *r, uint64_t *out)
{
	return span(r->sent_ns, r->first_ns, out);
}

static int e2e(const struct tr_rec *r, uint64_t *out)
{
	return span(r->due_ns, r->end_ns, out);
}

static int e2e_sent(const struct tr_rec *r, uint64_t *out)
{
	return span(r->sent_ns, r->end_ns, out);
}

static int tpot(const struct tr_rec *r, uint64_t *out)
{
	uint64_t all;

	if (r->seen_out_tokens < 2 || !span(r->first_ns, r->end_ns, &all))
		return 0;
	*out = all / (r->seen_out_tokens - 1);
	return 1;
}

static int connect_time(const struct tr_rec *r, uint64_t *out)
{
	return span(0, r->connect_ns, out);
}

static int tls_time(const struct tr_rec *r, uint64_t *out)
{
	return span(0, r->tls_ns, out);
}

static int max_gap(const struct tr_rec *r, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < r->gaps_ns.n; i++)
		*out = r->gaps_ns.v[i] > *out ? r->gaps_ns.v[i] : *out;
	return r->gaps_ns.n > 0;
}

static int icl(const struct tr_rec *r, size_t i, uint64_t *out, uint64_t *times)
{
	if (i >= r->gaps_ns.n)
		return 0;
	*out = r->gaps_ns.v[i];
	*times = 1;
	return 1;
}

static int itl(const struct tr_rec *r, size_t i, uint64_t *out, uint64_t *times)
{
	if (i >= r->gaps_ns.n || r->event_tokens.n != r->gaps_ns.n + 1)
		return 0;
	uint64_t tokens = r->event_tokens.v[i + 1];

	*times = tokens <= UINT32_MAX ? tokens : 0; /* more is damage */
	*out = *times ? r->gaps_ns.v[i] / tokens : 0;
	return 1;
}

const struct tr_metric tr_metrics[] = {
    {
        "input_tokens",
        "tokens",
        "Input length: in_tokens, the whole prompt as the trace states it.",
        "What the server counted is seen_in_tokens, and may differ by a chat template.",
        TR_BIT(in_tokens),
        input_tokens,
        NULL,
    },
    {
        "output_tokens",
        "tokens",
        "Output length: out_tokens, as the trace states it.",
        "In a result, what the server counted is seen_out_tokens; vLLM and GuideLLM report that one.",
        TR_BIT(out_tokens),
        output_tokens,
        NULL,
    },
    {
        "total_tokens",
        "tokens",
        "Input and output length together: in_tokens + out_tokens.",
        "As the total of BurstGPT.",
        TR_BIT(in_tokens) | TR_BIT(out_tokens),
        total_tokens,
        NULL,
    },
    {
        "images",
        "images",
        "Images in the prompt: images.",
        "As the trace states it.",
        TR_BIT(images),
        images,
        NULL,
    },
    {
        "lateness",
        "ns",
        "How late the client was: sent_ns - due_ns; not defined when sent before due.",
        "MLPerf LoadGen and inference-perf (schedule delay) watch it; most tools do not measure it.",
        TR_BIT(due_ns) | TR_BIT(sent_ns),
        lateness,
        NULL,
    },
    {
        "ttft",
        "ns",
        "Time to first token, from when the request was due: first_ns - due_ns.",
        "From the schedule as MLPerf LoadGen and wrk2 do; vLLM, SGLang, GuideLLM and LLMPerf count from the "
        "send: "
        "see ttft_sent.",
        TR_BIT(due_ns) | TR_BIT(first_ns),
        ttft,
        NULL,
    },
    {
        "ttft_sent",
        "ns",
        "Time to first token, from when the request was sent: first_ns - sent_ns.",
        "As vLLM, SGLang, inference-perf, GuideLLM, AIPerf and LLMPerf; it hides the client's own delay.",
        TR_BIT(sent_ns) | TR_BIT(first_ns),
        ttft_sent,
        NULL,
    },
    {
        "e2e",
        "ns",
        "End-to-end latency, from when the request was due: end_ns - due_ns.",
        "From the schedule as MLPerf LoadGen and wrk2 do; vLLM (E2EL), GuideLLM and LLMPerf count from the "
        "send: see "
        "e2e_sent.",
        TR_BIT(due_ns) | TR_BIT(end_ns),
        e2e,
        NULL,
    },
    {
        "e2e_sent",
        "ns",
        "End-to-end latency, from when the request was sent: end_ns - sent_ns.",
        "As vLLM (E2EL), inference-perf, GuideLLM, AIPerf and LLMPerf; it hides the client's own delay.",
        TR_BIT(sent_ns) | TR_BIT(end_ns),
        e2e_sent,
        NULL,
    },
    {
        "tpot",
        "ns",
        "Time per output token after the first, rounded down: (end_ns - first_ns) / (seen_out_tokens - 1); "
        "not defined "
        "for fewer than two tokens.",
        "As vLLM, inference-perf and AIPerf; GuideLLM counts the first token in, and LLMPerf's inter-token "
        "latency "
        "had the time to first token in it.",
        TR_BIT(first_ns) | TR_BIT(end_ns) | TR_BIT(seen_out_tokens),
        tpot,
        NULL,
    },
    {
        "icl",
        "ns",
        "Inter-chunk latency: every entry of gaps_ns, the time from one token event to the next, whatever "
        "the number "
        "of tokens in it.",
        "vLLM, GuideLLM and LLMPerf print this as inter-token latency: the same where each event is one "
        "token.",
        TR_BIT(gaps_ns),
        NULL,
        icl,
    },
    {
        "itl",
        "ns",
        "Inter-token latency: an entry of gaps_ns divided by the event_tokens of the event that ends it, "
        "rounded down, "
        "counted once for each of those tokens; not defined where the tokens of events are unknown.",
        "As SGLang; vLLM and GuideLLM take chunks for tokens: see icl.",
        TR_BIT(gaps_ns) | TR_BIT(event_tokens),
        NULL,
        itl,
    },
    {
        "max_gap",
        "ns",
        "Longest stall of a request: the largest of its gaps_ns; not defined for fewer than two token "
        "events.",
        "An average per request (TPOT) hides it, as arXiv 2507.09019 points out.",
        TR_BIT(gaps_ns),
        max_gap,
        NULL,
    },
    {
        "connect",
        "ns",
        "Time to connect: connect_ns; new connections only.",
        "curl's connect less its name lookup.",
        TR_BIT(connect_ns),
        connect_time,
        NULL,
    },
    {
        "tls",
        "ns",
        "Time of the TLS handshake: tls_ns; new connections only.",
        "curl's appconnect less its connect.",
        TR_BIT(tls_ns),
        tls_time,
        NULL,
    },
    {NULL, NULL, NULL, NULL, 0, NULL, NULL},
};

const struct tr_metric *tr_metric_find(const char *name)
{
	for (const struct tr_metric *m = tr_metrics; m->name; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

int tr_metric_value(const struct tr_metric *m, const struct tr_rec *r, uint64_t *out)
{
	return (r->mask & m->needs) == m->needs && m->value && m->value(r, out);
}

int tr_metric_nth(const struct tr_metric *m, const struct tr_rec *r, size_t i, uint64_t *out, uint64_t *times)
{
	return (r->mask & m->needs) == m->needs && m->nth && m->nth(r, i, out, times);
}
