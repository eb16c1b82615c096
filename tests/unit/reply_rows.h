/* SPDX-License-Identifier: Apache-2.0
 *
 * Replies and what must be read from them: each way to end, each shape of an error, each sort of event.
 */
#ifndef TESTS_UNIT_REPLY_ROWS_H
#define TESTS_UNIT_REPLY_ROWS_H

static const char sse[] = "text/event-stream; charset=utf-8", json[] = "application/json";

/* A token of text; the finish reason; [DONE]; usage; an error. */
#define T(text)  "data: {\"choices\":[{\"index\":0,\"text\":\"" text "\",\"finish_reason\":null}]}\n\n"
#define FIN      "data: {\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\n"
#define FIN_(s)  "data: {\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"" s "\"}]}\n\n"
#define DONE     "data: [DONE]\n\n"
#define USAGE(n) "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":" #n "}}\n\n"
#define ERR      "data: {\"error\":{\"message\":\"out of \\\"memory\\\"\",\"type\":\"E\",\"code\":500}}\n\n"
#define DEEP     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["

enum { FORCED_2 = 1, CUT = 2 };

/* Of one reply each. Code 0: no headers came. */
static const struct {
	unsigned code;
	const char *type, *body;
	int how;
	const char *want;
} rows[] = {
    /* the table of reply.h, row by row */
    {200, sse, T("a") FIN DONE, 0, "stream events=1 finish=stop done"},
    {200, sse, T("a") FIN, 0, "stream events=1 finish=stop no_done"},
    {200, sse, T("a") DONE, 0, "stream events=1 done truncated: no finish reason"},
    {200, sse, T("a"), 0, "stream events=1 truncated: no finish reason"},
    {200, sse, T("a") "data: {\"ch", 0, "stream events=1 truncated: the reply ends within an event"},
    {200, sse, "", 0, "stream events=0 truncated: no finish reason"},
    {200, sse, DONE, 0, "stream events=0 done truncated: no finish reason"},
    {200, sse, T("a") T("b") ERR DONE, 0, "stream events=2 done server_error: E 500: out of \"memory\""},
    {200, sse, ERR, 0, "stream events=0 server_error: E 500: out of \"memory\""},
    {200, sse, T("a") FIN DONE ERR, 0,
     "stream events=1 finish=stop done after_done server_error: E 500: out of \"memory\""},
    {200, sse, T("a") ERR, CUT, "stream events=1 server_error: E 500: out of \"memory\""},
    {200, sse, T("a") T("b") FIN USAGE(2) DONE, FORCED_2,
     "stream events=2 tokens=1,1 in=3 out=2 finish=stop done"},
    {200, sse, T("a") FIN USAGE(1) DONE, FORCED_2,
     "stream events=1 tokens=1 in=3 out=1 finish=stop done length: another length than the one forced"},
    {200, sse, T("a") FIN USAGE(3) DONE, FORCED_2,
     "stream events=1 in=3 out=3 finish=stop done length: another length than the one forced"},
    {200, sse, T("a") FIN USAGE(1) DONE, 0, "stream events=1 tokens=1 in=3 out=1 finish=stop done"},
    {200, sse, T("a") FIN DONE, FORCED_2, "stream events=1 finish=stop done"},
    {200, sse, T("a") FIN DONE T("b"), 0, "stream events=1 finish=stop done after_done"},
    {200, sse, T("a") FIN DONE "data: <html>\n\n", 0, "stream events=1 finish=stop done after_done"},
    {200, sse, T("a") FIN DONE DONE, 0, "stream events=1 finish=stop done after_done"},
    {200, sse, T("a") DONE FIN, 0, "stream events=1 done after_done truncated: no finish reason"},
    {200, sse, T("a") FIN, CUT, "stream events=1 finish=stop transport: the reply was cut"},
    {200, sse, T("a"), CUT, "stream events=1 transport: the reply was cut"},
    {200, sse, "", CUT, "stream events=0 transport: the reply was cut"},
    {0, NULL, "", CUT, "events=0 closed: no reply"},
    {200, sse, T("a") FIN DONE, CUT, "stream events=1 finish=stop done"},
    {404, json, "{\"object\":\"error\",\"message\":\"no such model\",\"type\":\"NotFound\",\"code\":404}", 0,
     "events=0 http_4xx: NotFound 404: no such model"},
    {422, json, "{\"detail\":\"Unprocessable\"}", 0, "events=0 http_4xx: Unprocessable"},
    {429, json, "{\"error\":{\"message\":\"slow down\"}}", CUT, "events=0 http_429: slow down"},
    {503, "text/html", "<h1>\x1b[31mbusy</h1>\r\n", 0, "events=0 http_5xx: <h1>\\x1b[31mbusy</h1>\\x0d\\x0a"},
    {500, sse, ERR, 0, /* not read as a stream */
     "events=0 http_5xx: data: {\"error\":{\"message\":\"out of "
     "\\\"memory\\\"\",\"type\":\"E\",\"code\":500}}"
     "\\x0a\\x0a"},
    {301, "", "", 0, "events=0 redirect: "},
    {204, "", "", 0, "events=0 http_other: "},
    {100, "", "", 0, "events=0 http_other: "},
    {999, "", "", 0, "events=0 http_other: "},
    /* error objects in every shape */
    {200, sse, "data: {\"error\":\"boom\"}\n\n", 0, "stream events=0 server_error: boom"},
    {200, sse, "data:{\"error\":\"boom\",\"error_type\":\"generation\"}\n\n", 0,
     "stream events=0 server_error: generation: boom"},
    {200, sse, "data: {\"object\":\"error\",\"message\":\"bad\",\"type\":\"T\",\"code\":400}\n\n", 0,
     "stream events=0 server_error: T 400: bad"},
    {200, sse, "data: {\"error\":{}}\n\n", 0, "stream events=0 server_error: {\"error\":{}}"},
    {200, sse, "event: error\ndata: it broke\n\n", 0, "stream events=0 server_error: it broke"},
    {200, sse, "event: error\ndata: {\"message\":\"it broke\"}\n\n", 0,
     "stream events=0 server_error: it broke"},
    {200, sse, "data: {\"error\":null,\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"}]}\n\n", 0,
     "stream events=1 finish=stop no_done"},
    {200, sse, T("a") FIN_("abort") DONE, 0, "stream events=1 finish=abort done server_error: abort"},
    {200, sse, T("a") FIN_("error") DONE, 0, "stream events=1 finish=error done server_error: error"},
    {200, sse,
     "data: {\"text\":\"\",\"meta_info\":{\"finish_reason\":{\"type\":\"abort\",\"message\":\"too long\"},"
     "\"completion_tokens\":0,\"prompt_tokens\":9}}\n\n" DONE,
     0, "stream events=0 in=9 out=0 finish=abort done server_error: too long"},
    {200, sse, "data: {\"error\":\"\\u001b[2J\\u009b \\ud83d\\ude42 \\u00e9\\n\"}\n\n", 0,
     "stream events=0 server_error: \\x1b[2J\\x9b \xf0\x9f\x99\x82 \xc3\xa9\\x0a"},
    {200, sse, "data: {\"error\":\"\xff\\q\"}\n\n", 0, "stream events=0 server_error: \\xff\\q"},
    {200, json, "{\"error\":\"whole\"}", 0, "events=0 server_error: whole"},
    /* not what the API defines; too deep */
    {200, sse, T("a") "data: {\"choices\":[}\n\n" FIN DONE, 0, "stream events=1 protocol: not a JSON number"},
    {200, sse, "data: 7\n\n", 0, "stream events=0 protocol: not a JSON object"},
    {200, sse, "data: {} {}\n\n", 0, "stream events=0 protocol: text after the JSON value"},
    {200, sse, "data: " DEEP "\n\n", 0, "stream events=0 protocol: not a JSON object"},
    {200, sse, "data: {\"a\":" DEEP "\n\n", 0, "stream events=0 limit: nested too deeply"},
    {200, sse, "data: {\"choices\":" DEEP "\n\n", 0, "stream events=0 limit: nested too deeply"},
    {200, sse, "data: {\"choices\":[{\"token_ids\":" DEEP "\n\n", 0,
     "stream events=0 limit: nested too deeply"},
    {200, sse, "data: {\"content\":" DEEP "\n\n", 0, "stream events=0 limit: nested too deeply"},
    {200, json, "{\"a\":" DEEP, 0, "events=0 limit: nested too deeply"},
    {200, json, "{\"choices\":[", 0, "events=0 protocol: JSON ends early"},
    {200, json, "{\"choices\":[", CUT, "events=0 transport: the reply was cut"},
    {200, json, "", 0, "events=0 truncated: no finish reason"},
    {200, "text/html", "<html>", 0, "events=0 protocol: not a JSON number"},
    {200, "", "da", 0, "events=0 protocol: not a JSON number"},
    /* what is no token event, and what is */
    {200, sse, "data\n\ndata:\n\n: c\n\n" T("a") FIN DONE, 0, "stream events=1 finish=stop done"},
    {200, sse,
     "data: {\"choices\":[{\"delta\":{\"content\":null,\"tool_calls\":[],\"function_call\":{}}}]}\n\n" FIN, 0,
     "stream events=0 finish=stop no_done"},
    {200, sse, "data: {\"choices\":[{\"delta\":{\"function_call\":{\"name\":\"f\"}}}]}\n\n" FIN, 0,
     "stream events=1 finish=stop no_done"},
    {200, sse, "data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}\n\n" FIN, 0,
     "stream events=1 finish=stop no_done"},
    {200, sse, "data: {\"choices\":[{\"delta\":{\"content\":[{\"text\":\"a\"}]}}]}\n\n" FIN, 0,
     "stream events=1 finish=stop no_done"},
    {200, sse, USAGE(0) T("a") FIN DONE, 0, "stream events=1 in=3 out=0 finish=stop done role_first"},
    {200, sse, "data: {\"choices\":[{},{\"text\":\"b\"}],\"usage\":7,\"id\":[],\"x\":{\"error\":1}}\n\n" FIN,
     0, "stream events=0 finish=stop no_done"},
    {200, sse, "data: {\"content\":\"a\",\"tokens\":[5,6],\"stop\":false}\n\ndata: {\"stop\":true}\n\n", 0,
     "stream events=1 tokens=2 finish=unspecified no_done"},
    {200, sse, "data: {\"content\":\"a\",\"tokens\":[],\"stop\":false}\n\ndata: {\"stop\":true}\n\n", 0,
     "stream events=1 finish=unspecified no_done"},
    {200, sse, "data:{\"token\":{\"id\":5,\"text\":\"a\"},\"generated_text\":\"a\",\"details\":null}\n\n", 0,
     "stream events=1 tokens=1 finish=unspecified no_done"},
    {200, sse, "data: {\"usage\":{\"completion_tokens\":1e18,\"prompt_tokens\":-1},\"choices\":[]}\n\n" FIN,
     0, "stream events=0 finish=stop no_done"},
    {200, sse, "data: {\"choices\":{\"text\":\"a\"}}\n\n" FIN, 0, "stream events=0 finish=stop no_done"},
    {200, sse, "data: {\"text\":\"a\",\"meta_info\":{\"id\":\"x\"}}\n\ndata: {\"id\":\"y\"}\n\n" FIN, 0,
     "stream events=1 finish=stop id=x no_done"},
    {200, sse, "data: {\"choices\":[{\"delta\":{\"content\":\"a\",\"token_ids\":[1,[2],{}]}}]}\n\n" FIN, 0,
     "stream events=1 tokens=3 finish=stop no_done"},
    {200, sse, "data: {\"choices\":[{\"text\":\"a\"}],\"timings\":{\"predicted_n\":2}}\n\n" FIN, 0,
     "stream events=1 tokens=2 out=2 finish=stop no_done"},
    {200, sse, "data: {\"text\":\"\",\"output_ids\":[5],\"meta_info\":{\"completion_tokens\":1}}\n\n" FIN, 0,
     "stream events=1 tokens=1 out=1 finish=stop no_done"},
    /* whole replies */
    {200, json,
     "{\"id\":\"x\",\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"a "
     "b\"},\"finish_reason\":\"stop\"}],"
     "\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":9}}\n",
     0, "events=1 tokens=9 in=4 out=9 finish=stop id=x"},
    {200, "application/json; charset=utf-8",
     " {\"choices\":[{\"text\":\"a\",\"finish_reason\":\"length\",\"token_ids\":[7,8]}]}", FORCED_2,
     "events=1 tokens=2 finish=length"},
    {200, "", "{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"length\",\"token_ids\":[7]}]}", FORCED_2,
     "events=1 tokens=1 finish=length length: another length than the one forced"},
    {200, "", "{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"length\"}]}", 0, "events=1 finish=length"},
    {200, "text/plain",
     "{\"text\":\" a\",\"output_ids\":[5],\"meta_info\":{\"id\":\"s\",\"finish_reason\":{\"type\":\"stop\"},"
     "\"prompt_tokens\":2,\"completion_tokens\":1,\"cached_tokens\":1}}",
     0, "events=1 tokens=1 in=2 out=1 cached=1 finish=stop id=s"},
    {200, json,
     "{\"content\":\" a\",\"tokens\":[],\"stop\":true,\"stop_type\":\"eos\",\"tokens_predicted\":2,"
     "\"tokens_evaluated\":3}",
     0, "events=1 tokens=2 in=3 out=2 finish=eos"},
    {200, json,
     "{\"generated_text\":\"a\",\"details\":{\"finish_reason\":\"length\",\"generated_tokens\":2}}", 0,
     "events=1 tokens=2 out=2 finish=length"},
    {200, json, "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}", 0,
     "events=0 finish=stop"},
};

#endif
