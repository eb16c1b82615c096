# SPDX-License-Identifier: Apache-2.0
"""What a server can do wrong, and what trace-replay says of it: the class of each failure in the record, the summary, on stderr and in the
exit status; limits of time and memory; servers that die, freeze, refuse fields or keys. Prints TAP."""

import json
import socket
import sys
import time

from harness import FULL, HEAD, SANITIZED, Mock, Replay, Server, case, chunk, event, events, main, replay, steady, verdict

ALONE = ("--no-probe", "--model", "m", "--connections", "0", "--max-inflight", "1")
QUICK = ("--ttft", "2ms", "--itl", "1ms")
LIMIT_KIB = 128 << 10
KEY = "sk-canary-5f3a9c71d2"


def common(t, r, n, bad):
    """Whatever happens: each request is accounted for once, in records, summary and exit status. bad: {id: class}."""
    t.equal(sorted(x["id"] for x in r.records), list(range(n)), "ids of the records")
    t.equal(r.ends(), {i: bad.get(i, "ok") for i in range(n)}, "ends; stderr %r" % r.stderr)
    counts = {c: list(bad.values()).count(c) for c in set(bad.values())}
    s = r.summary
    t.equal({k: v for k, v in (s.get("by_error") or {}).items() if v}, counts, "by_error of the summary")
    censored = counts.get("censored", 0)
    t.equal((s.get("offered"), s.get("ok"), s.get("failed"), s.get("censored")), (n, n - len(bad), len(bad) - censored, censored), "counts")
    for x in r.records:
        want = "ok" if x["id"] not in bad else "censored" if bad[x["id"]] == "censored" else "failed"
        t.equal(x["status"], want, "status of %d" % x["id"])
    for c, many in counts.items():
        t.true("trace-replay: %d %s: " % (many, c) in r.stderr, "stderr does not say %d %s: %r" % (many, c, r.stderr))
    verdict(t, r, len(bad) == n)
    if not SANITIZED:
        t.true(r.peak_kib < LIMIT_KIB, "%d KiB of memory" % r.peak_kib)


# --- each class, by the mock: the second of three requests, then all ---------------------------------------------------

FAULTS = (
    # fault, class, HTTP code, of a whole reply: class, code
    ("error:code=429", "http_429", 429, "http_429", 429),
    ("error:code=503", "http_5xx", 503, "http_5xx", 503),
    ("error:code=404", "http_4xx", 404, "http_4xx", 404),
    ("error-event:after=0", "server_error", 200, "http_5xx", 500),
    ("error-event:after=2", "server_error", 200, "http_5xx", 500),
    ("no-finish", "truncated", 200, "truncated", 200),
    ("cut:after=2", "transport", 200, "transport", 200),
    ("malformed:after=2", "protocol", 200, "protocol", 200),
    ("short", "length", 200, "length", 200),
    ("reset", "closed", None, "closed", None),
    ("close", "closed", None, "closed", None),
    ("redirect:to=http://127.0.0.1:1/", "redirect", 307, "redirect", 307),
    ("no-done", None, 200, None, 200),
    ("endless-line:after=2", "limit", 200, None, 200),
)


def of_mock(t, fault, end, code, *more):
    n = 3
    with Mock(*QUICK, "--fault", fault + ("," if ":" in fault else ":") + "nth=2") as m:
        r = replay(m.url, steady(n), *ALONE, *more)
    common(t, r, n, {1: end} if end else {})
    t.equal(r.record(1).get("http_code"), code, "http_code")
    t.equal([r.record(i)["http_code"] for i in (0, 2)], [200, 200], "http_code of the others")
    with Mock(*QUICK, "--fault", fault) as m:
        r = replay(m.url, steady(2), *ALONE, *more)
    common(t, r, 2, {0: end, 1: end} if end else {})


for fault, end, code, whole_end, whole_code in FAULTS:
    case("stream: %s: %s" % (fault, end or "ok"), fault, end, code)(of_mock)
    case("whole: %s: %s" % (fault, whole_end or "ok"), fault, whole_end, whole_code, "--no-stream")(of_mock)


@case("stream: endless: limit, in bounded memory")
def endless(t):
    with Mock("--ttft", "0", "--itl", "0", "--fault", "endless:nth=2") as m:
        r = replay(m.url, steady(3), *ALONE)
    common(t, r, 3, {1: "limit"})
    t.true(r.record(1)["bytes_in"] < 200 << 20, "%d bytes were read" % r.record(1)["bytes_in"])
    t.true("gaps_ns" in r.record(0), "the others lost their gaps")


@case("stream: events until an error keep what was seen")
def seen_before_error(t):
    with Mock(*QUICK, "--fault", "error-event:after=3,nth=1") as m:
        r = replay(m.url, steady(2, tokens_out=8), *ALONE)
    x = r.record(0)
    t.equal((x["status"], x.get("error"), len(x.get("gaps_ns", []))), ("failed", "server_error", 2), "the failed record")
    t.true("first_ns" in x, "no first token")


# --- faults that need a server of our own ---------------------------------------------------------------------------


def flood(conn, data, most=1 << 40, rest=0):
    sent = 0
    while sent < most and conn.send(data):
        sent += len(data)
        time.sleep(rest)


def pieces(*parts):
    """A chunked stream of these events that ends as it should."""
    return HEAD + b"".join(map(chunk, parts)) + b"0\r\n\r\n"


OPEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n"
WHOLE = json.dumps({"choices": [{"index": 0, "message": {"content": "a a a a"}, "finish_reason": "length"}],
                    "usage": {"prompt_tokens": 20, "completion_tokens": 4}}).encode()

RAW = (
    # name, class, what is sent before the connection is closed, or how
    ("nothing but the head, then FIN", "transport", HEAD),
    ("half of the head, then FIN", "transport", HEAD[:40]),
    ("a stream that ends with the connection", None, OPEN + b"".join(events(4))),
    ("a stream that ends with the connection, without a finish reason", "truncated", OPEN + b"".join(events(4, finish=None))),
    ("a stream that ends within an event", "truncated", OPEN + b"".join(events(3, finish=None, done=False)) + b"data: {"),
    ("finish reason and [DONE], then cut", None, HEAD + b"".join(map(chunk, events(4)))),
    ("finish reason without [DONE], then cut", "transport", HEAD + b"".join(map(chunk, events(4, done=False)))),
    ("a chunk size that is none", "transport", HEAD + b"".join(map(chunk, events(2, done=False))) + b"zz\r\n"),
    ("bytes that are not HTTP", "protocol", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ("204", "http_other", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ("202 with a good stream", "http_other", pieces(*events(4)).replace(b" 200 OK", b" 202 Accepted")),
    ("304", "redirect", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ("418", "http_4xx", b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n"),
    ("599 with an endless body", "http_5xx", lambda c: (c.send(b"HTTP/1.1 599 No\r\n\r\n"), flood(c, b"<p>" * 20000))),
    ("an empty page", "truncated", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"),
    ("a page of HTML", "protocol", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"),
    ("a whole reply where a stream was asked for", None, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
     % len(WHOLE) + WHOLE),
    ("an error object that says 200", "server_error", pieces(event({"error": {"message": "out of \x1b[31mmemory", "code": 500}}))),
    ("an error object after a good end", "server_error", pieces(*events(4, done=False), event({"error": {"message": "late"}}))),
    ("one token too many", "length", pieces(*events(5, {"prompt_tokens": 20, "completion_tokens": 5}))),
    ("more events than tokens counted", None, pieces(*events(6, {"prompt_tokens": 20, "completion_tokens": 4}))),
    ("JSON 100,000 deep", "limit", pieces(b'data: {"choices":' + b"[" * 100000 + b"]" * 100000 + b"}\n\n", *events(4))),
    ("a count of 1e18 tokens", "length", pieces(*events(4, {"prompt_tokens": 20, "completion_tokens": 10 ** 18}))),
    ("data of 12 MB in one event of many lines", "limit", lambda c: (c.send(OPEN), flood(c, b"data: " + b"x" * 60000 + b"\n", 100 << 20))),
    ("a body of JSON that does not end", "limit", lambda c: (c.send(SIZED + b'{"x":"'), flood(c, b"x" * 65536))),
    ("a header that does not end", ("limit", "protocol", "transport"), lambda c: (c.send(b"HTTP/1.1 200 OK\r\nX: "), flood(c, b"x" * 65536))),
    ("headers that do not end", ("limit", "protocol", "transport"), lambda c: (c.send(b"HTTP/1.1 200 OK\r\n"), flood(c, b"X-A: b\r\n" * 8000))),
    ("100 Continue without end", ("limit", "protocol", "transport", "timeout"), lambda c: flood(c, b"HTTP/1.1 100 Continue\r\n\r\n" * 2000)),
    ("comments without end", "timeout", lambda c: (c.send(OPEN), flood(c, b": nothing\n\n" * 500, rest=0.001))),
)


def raw(t, end, how):
    def answer(conn, request):
        if request.id != "1":
            conn.answer(request)
            return
        conn.send(how) if isinstance(how, bytes) else how(conn)
        conn.fin()

    with Server(answer) as s:
        r = replay(s.url, steady(3, 0.3), *ALONE, "--timeout", "4s")
    got = r.ends().get(1)
    if isinstance(end, tuple) and t.true(got in end, "ends as %r, not one of %r" % (got, end)):
        end = got
    common(t, r, 3, {1: end} if end else {})
    t.equal([q.id for q in s.posts()], ["0", "1", "2"], "POSTs that the server saw")
    t.true("\x1b" not in r.stderr, "a control character went to stderr")


DEFECTS = ("half of the head, then FIN", "a header that does not end")
for name, end, how in RAW:
    ends = end if isinstance(end, str) else "a class of failure" if end else "ok"
    case("%sraw: %s: %s" % ("DEFECT: " if name in DEFECTS else "", name, ends), end, how)(raw)

# --- time -------------------------------------------------------------------------------------------------------------


@case("timeout: counts from when a request was sent")
def timeout(t):
    with Mock(*QUICK, "--fault", "stall:after=1,for=30s,nth=2") as m:
        r = replay(m.url, steady(3), *ALONE, "--timeout", "1s")
    common(t, r, 3, {1: "timeout"})
    x = r.record(1)
    took = (x["end_ns"] - x["sent_ns"]) / 1e9
    t.true(1 <= took < 2, "it took %.3f s" % took)
    t.true("first_ns" in x and x["http_code"] == 200, "what was seen before is lost")


@case("timeout: a request that waits for --max-inflight is not timed out for it")
def timeout_held(t):
    with Mock("--ttft", "600ms", "--itl", "0") as m:
        r = replay(m.url, steady(4, 0.001), *ALONE, "--timeout", "2s")
    common(t, r, 4, {})
    t.true(r.record(3)["sent_ns"] > 1.7e9, "the last was sent after %.3f s" % (r.record(3)["sent_ns"] / 1e9))


@case("DEFECT: timeout: a server that takes the connection and says nothing")
def silent(t):
    with Server(lambda conn, request: conn.sock.recv(1)) as s:
        r = replay(s.url, steady(3), "--no-probe", "--model", "m", "--connections", "0", "--timeout", "1s")
    common(t, r, 3, {i: "timeout" for i in range(3)})
    t.true(not any("http_code" in x or "headers_ns" in x for x in r.records), "a reply was seen")


@case("censored: still running when the grace period ends")
def censored(t):
    with Mock(*QUICK, "--fault", "stall:after=1,for=30s,nth=3") as m:
        began = time.monotonic()
        r = replay(m.url, steady(3), *ALONE, "--grace", "700ms")
        took = time.monotonic() - began
    common(t, r, 3, {2: "censored"})
    x = r.record(2)
    t.true(0.7 <= (x["end_ns"] - x["sent_ns"]) / 1e9 < 2.5, "its age is %.3f s" % ((x["end_ns"] - x["sent_ns"]) / 1e9))
    t.true(took < 15, "the run took %.1f s" % took)


@case("freeze: all succeed, late; the client is not to blame")
def freeze(t):
    n = 60
    with Mock(*QUICK, "--fault", "freeze:at=500ms,for=1500ms") as m:
        r = replay(m.url, steady(n, 0.02), "--no-probe", "--model", "m")
    common(t, r, n, {})
    e2e = [(x["end_ns"] - x["due_ns"]) / 1e9 for x in r.records]
    sent = [(x["sent_ns"] - x["due_ns"]) / 1e9 for x in r.records]
    t.true(max(e2e) > 1.2, "the longest took %.3f s from when it was due" % max(e2e))
    t.true(sum(v > 0.7 for v in e2e) >= 20, "%d were late" % sum(v > 0.7 for v in e2e))
    t.true(max(sent) < 0.5, "one was sent %.3f s late" % max(sent))


@case("killed: ok before, failed after, each request is there once")
def killed(t):
    n = 120
    with Mock(*QUICK) as m:
        with Replay(m.url, steady(n, 0.025), "--no-probe", "--model", "m") as r:
            until = time.monotonic() + 30
            while not m.lines() and time.monotonic() < until and r.p.poll() is None:
                time.sleep(0.02)
            m.kill()
            r.wait()
    ends = r.ends()
    after = [i for i in range(n) if ends.get(i) != "ok"]
    t.true(ends and 0 < len(after) < n, "%d of %d failed" % (len(after), n))
    t.true(set(ends[i] for i in after) <= {"connect", "closed", "transport"}, "ends: %r" % ends)
    t.equal(ends[n - 1], "connect", "the last")
    common(t, r, n, {i: ends[i] for i in after})
    t.equal(r.tail.get("state"), "complete", "state")


# --- fields that a server refuses ---------------------------------------------------------------------------------------

ALL = ["max_tokens", "min_tokens", "ignore_eos", "include_usage", "continuous_usage_stats"]


def fields(t, refused, want, api):
    args = [x for f in refused for x in ("--reject", f)]
    with Mock(*QUICK, *args) as m:
        r = replay(m.url, steady(3, tokens_in=30, tokens_out=5), "--api", api)
    common(t, r, 3, {})
    t.equal(r.fields, want, "fields in the head of the results")
    t.equal([x["out_tokens"] for x in m.log if not x["id"].startswith("probe")], [5, 5, 5], "lengths at the server")
    t.equal([x["in_tokens"] for x in m.log if not x["id"].startswith("probe")], [30, 30, 30], "prompts at the server")
    t.equal([x.get("seen_out_tokens") for x in r.records], [5, 5, 5], "lengths seen")


for api in ("chat", "completions"):
    for refused in ([], ["min_tokens"], ["ignore_eos"], ["continuous_usage_stats"], ["min_tokens", "ignore_eos", "continuous_usage_stats"]):
        case("refused: %s, %s" % (" ".join(refused) or "nothing", api), refused, [f for f in ALL if f not in refused], api)(fields)
case("refused: max_tokens, chat: max_completion_tokens", ["max_tokens"], ["max_completion_tokens"] + ALL[1:], "chat")(fields)
case("refused: all of them, chat", ["max_tokens", "min_tokens", "ignore_eos", "continuous_usage_stats"],
     ["max_completion_tokens", "include_usage"], "chat")(fields)


@case("DEFECT: refused: stream_options: lengths are counted by events")
def no_usage(t):
    with Mock(*QUICK, "--reject", "stream_options") as m:
        r = replay(m.url, steady(3, tokens_out=5), "--api", "completions")
    common(t, r, 3, {})
    t.true(not any("seen_out_tokens" in x for x in r.records), "a count that no one told")
    t.equal([x["out_tokens"] for x in m.log[1:]], [5, 5, 5], "lengths at the server")
    t.equal(r.fields, ["max_tokens", "min_tokens", "ignore_eos"], "fields")


@case("refused: what forces a length: another length is no failure")
def natural(t):
    with Mock(*QUICK, "--natural", "fixed:2", "--reject", "min_tokens", "--reject", "ignore_eos") as m:
        r = replay(m.url, steady(3, tokens_out=5))
    common(t, r, 3, {})
    t.equal([x["seen_out_tokens"] for x in r.records], [2, 2, 2], "lengths")


# --- before the run -----------------------------------------------------------------------------------------------------


def one_line(t, r, *words):
    t.equal(r.status, 1, "exit status; stderr %r" % r.stderr)
    t.true(r.stderr.count("\n") == 1 and all(w in r.stderr for w in words), "stderr: %r" % r.stderr)
    t.true(KEY not in r.stderr, "the key stands in stderr")


@case("401: one line, exit 1, nothing is sent", ("--model", "mock"), None)
@case("401: one line, exit 1, with a wrong key", ("--model", "mock", "--api-key-env", "KEY"), "sk-canary-other-key")
@case("DEFECT: 401: one line, exit 1, also where the model is asked for", (), None)
def unauthorized(t, args, key):
    with Mock(*QUICK, "--api-key-env", "MOCK_KEY", env={"MOCK_KEY": KEY}) as m:
        r = replay(m.url, steady(5), *args, env={"KEY": key} if key else None)
    one_line(t, r, "401")
    t.true("canary" not in r.stderr, "a key stands in stderr: " + r.stderr)
    t.equal(m.log, [], "requests that were generated")
    t.equal(r.records, [], "records")


@case("401: the right key works")
def authorized(t):
    with Mock(*QUICK, "--api-key-env", "MOCK_KEY", env={"MOCK_KEY": KEY}) as m:
        r = replay(m.url, steady(3), "--api-key-env", "KEY", env={"KEY": KEY})
    common(t, r, 3, {})
    t.true(KEY.encode() not in r.raw and KEY not in str((r.head, r.records)), "the key stands in the results")


@case("404: the probe's refusal is one line, exit 1")
def no_such_model(t):
    with Mock(*QUICK, "--strict-model", "--model", "there") as m:
        r = replay(m.url, steady(3), "--model", "elsewhere")
    one_line(t, r, "404", "model")
    t.equal(m.log, [], "requests that were generated")


@case("--wait-ready: a server that first closes, then says 503, then is ready")
def wait_ready(t):
    state = {"asked": 0}

    def get(conn, request):
        state["asked"] += 1
        if state["asked"] == 1:
            conn.fin()
        elif state["asked"] <= 5:
            conn.reply(503)
        else:
            Server.get_well(conn, request)

    with Server(get=get) as s:
        r = replay(s.url, steady(3), "--wait-ready", "30s")
    common(t, r, 3, {})
    t.true(state["asked"] > 5, "asked %d times" % state["asked"])


@case("--wait-ready: a server that starts later")
def starts_later(t):
    with socket.socket() as s:  # a port that is ours, where nobody listens yet
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
        with Replay("http://127.0.0.1:%d" % port, steady(3), "--wait-ready", "30s") as r:
            time.sleep(0.7)  # a refused connection leaves nothing that could be waited for
            t.equal(r.p.poll(), None, "it has given up")
            s.close()
            with Mock(*QUICK, port=port):
                r.wait()
    common(t, r, 3, {})


@case("--wait-ready: it is over after that time")
def not_ready(t):
    with Server(get=lambda conn, request: conn.reply(503)) as s:
        began = time.monotonic()
        r = replay(s.url, steady(3), "--wait-ready", "1s")
        took = time.monotonic() - began
    one_line(t, r, "503")
    t.true(1 <= took < 10, "it took %.1f s" % took)
    t.equal(s.posts(), [], "requests")


@case("without --wait-ready: nobody listens: one line, exit 1, no results")
def no_server(t):
    r = replay("http://127.0.0.1:1", steady(3))
    one_line(t, r, "not ready")
    t.equal(r.raw, b"", "results")


sys.exit(main(24 if FULL else 16))
