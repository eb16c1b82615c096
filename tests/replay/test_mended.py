# SPDX-License-Identifier: Apache-2.0
"""What went wrong once and must not again: bad bodies, the grace of several threads, due times out of reach, places that timeouts free,
late rows of a live pipe, signals before the run, no descriptors, secrets, odd servers. Prints TAP."""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import SANITIZED, Server, chunk, event, events, good
from harness import trace as rows
from rig import LIMIT, S, Mock, Stream, case, check, child, main, note, path, replay, run, same, together, wait_for

SLOW = 4 if SANITIZED else 1
PLAIN = ["--no-probe", "--model", "m", "--late", "1m"]
SECRET = "sk-SECRET-12345678"
YEAR = 365 * 86400


def written(name, text):
    with open(path(name), "w") as f:
        f.write(text)
    return path(name)


def go(server, trace_of, *options, name="run", wrapped=(), **more):
    """A run against the server; what it returned, and its results if there are any."""
    out, of = path(name + ".trb"), written(name + ".jsonl", rows(trace_of))
    r = run(*wrapped, "trace-replay", "--url", server.url, *options, "-o", out, of, **more)
    results = None
    if os.path.exists(out):
        state = run("trace-convert", "-q", "-f", "jsonl", out).status
        results = Stream(out, state)
    return r, results


def limited(what):
    """Prefix of a command that shall run under a limit of the shell's."""
    return ["sh", "-c", 'ulimit %s && exec "$@"' % what, "sh"]


def after(seconds):
    """An answer that comes so late."""
    def answer(conn, request):
        time.sleep(seconds)
        good(conn, request)
    return answer


@contextlib.contextmanager
def silence():
    """A server that takes requests and never answers."""
    over = threading.Event()
    with Server(lambda *_: over.wait(LIMIT)) as server:
        yield server
        over.set()


def ends(results):
    return {r["id"]: r.get("error") or r["status"] for r in results.records}


# --- the order of things --------------------------------------------------------------------------------------------


@case("a body that cannot be made keeps nothing back that is due before it, and its id is named")
def _():
    text = [(0.1 * i, None, 2, {"payload": "words %d" % i, "payload_kind": "text"}) for i in range(4)]
    bad = (1.3, None, 2, {"payload": "[5,6,7]", "payload_kind": "tokens"})
    late = (1.6, None, 2, {"payload": "never", "payload_kind": "text"})

    def one(threads):
        with Server() as server:
            r, results = go(server, [*text, bad, late], *PLAIN, "--threads", threads, name="t%d" % threads)
            r.need(3)
            check("(id 4)" in r.err, "the record is not named: %s" % r.err)
            same(ends(results), {i: "ok" for i in range(4)}, "results")
            same(sorted(p.id for p in server.posts()), list("0123"), "what the server saw")
    together([functools.partial(one, n) for n in (1, 2)])


@case("nor what is due before it and comes after it: from a pipe, and from a file that is out of order")
def _():
    bad = {"payload": "[5]", "payload_kind": "tokens"}
    text = rows([(0, 20, 2), (2.5, None, 2, bad), (1.2, 20, 2)]).encode().splitlines(keepends=True)
    answered = threading.Event()

    def answer(conn, request):
        good(conn, request)
        answered.set()
    with Server(answer) as server, child(["trace-replay", "--url", server.url, *PLAIN, "-o", path("pipe.trb"), "-"],
                                         stdin=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        p.stdin.write(b"".join(text[:3]))
        p.stdin.flush()
        check(answered.wait(20), "the first was not sent")
        p.stdin.write(b"".join(text[3:]))
        p.stdin.close()
        same(p.wait(20), 3, "status")
        check(server.posts("2"), "the one that came after the bad one was not sent")
    with Server() as server:
        go(server, [(1.5, None, 2, bad)] + [(0.001 * i, 20, 2) for i in range(300)], *PLAIN)
        same(len(server.posts()), 300, "requests sent before the bad one, from a file out of order")


@case("--grace counts from the last request of the whole run, however many threads")
def _():
    def one(threads, grace, second):
        with Server(after(0.8)) as server:
            r, results = go(server, [(0, 20, 2), (1.5, 20, 2)], *PLAIN, "--threads", threads, "--grace", grace,
                            name="%d-%s" % (threads, grace))
            check(r.status == 0, "status %d: %s" % (r.status, r.err))
            same(ends(results), {0: "ok", 1: second}, "with --threads %d --grace %s" % (threads, grace))
    together([functools.partial(one, n, *x) for n in (1, 2) for x in (("1200ms", "ok"), ("300ms", "censored"))])


@case("due beyond 100 years: refused, and not sent at once")
def _():
    def one(name, far, *options):
        with Server() as server:
            r, results = go(server, [(0, 20, 2), (0.1, 20, 2, {"arrival_ns": far})], *PLAIN, *options, name=name, limit=20)
            r.need(3)
            check("100 years" in r.err and "(id 1)" in r.err, "the message: %s" % r.err)
            check(not server.posts("1"), "it was sent")
            check(not results or 1 not in results.ids(), "it has a result")
    together([functools.partial(one, "max", (1 << 63) - 2), functools.partial(one, "101", 101 * YEAR * S),
              functools.partial(one, "slow", 2 * YEAR * S, "--speed", "0.01")])


@case("a place that a timeout frees is used at once")
def _():
    with silence() as server:
        r, results = go(server, [(0, 20, 2)] * 10, *PLAIN, "--max-inflight", "1", "--timeout", "50ms")
        r.need(4)
        same(ends(results), {i: "timeout" for i in range(10)}, "results")
        took = (max(x["end_ns"] for x in results.records) - min(x["sent_ns"] for x in results.records)) / S
        note("%.3f s" % took)
        check(took < 0.9 * SLOW, "10 timeouts of 50 ms took %.3f s" % took)


@case("an earlier request that comes late from a pipe goes before later ones that are prepared")
def _():
    text = rows([(0, 20, 2)] + [(2.5, 20, 2)] * 100 + [(1.5, 20, 2)]).encode().splitlines(keepends=True)
    answered = threading.Event()

    def answer(conn, request):
        good(conn, request)
        answered.set()
    with Server(answer) as server, child(["trace-replay", "--url", server.url, *PLAIN, "-o", path("r.trb"), "-"],
                                         stdin=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        p.stdin.write(b"".join(text[:102]))
        p.stdin.flush()
        check(answered.wait(LIMIT), "the first was not sent")
        p.stdin.write(b"".join(text[102:]))
        p.stdin.close()
        same(p.wait(LIMIT), 0, "status (%s)" % p.stderr.read()[-300:])
    late = Stream(path("r.trb")).by_id()[101]
    lateness = (late["sent_ns"] - late["due_ns"]) / S
    note("%.4f s late" % lateness)
    same(late["due_ns"], 1500000000, "when it was due")
    check(lateness < 0.5, "sent %.3f s late" % lateness)


# --- signals and servers that are not there -------------------------------------------------------------------------


def interrupted(p, limit):
    began = time.monotonic()
    p.send_signal(signal.SIGINT)
    same(p.wait(LIMIT), 130, "status (%s)" % p.stderr.read()[-300:])
    took = time.monotonic() - began
    note("ended after %.2f s" % took)
    check(took < limit, "it took %.1f s to end" % took)


@case("SIGINT during the warm-up ends it")
def _():
    asked = threading.Event()

    def answer(conn, request):
        asked.set()
        after(2)(conn, request)
    with Server(answer) as server, child(
            ["trace-replay", "--url", server.url, *PLAIN, "--warmup", "48", "-o", path("r.trb"), written("t", rows([(0, 20, 2)]))],
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as p:
        check(asked.wait(LIMIT), "no warm-up")
        interrupted(p, 4)
        seen = server.posts()
        check(len(seen) < 48, "all %d were sent" % len(seen))
        check(all(x.id.startswith("warmup-") for x in seen), "what was sent: %s" % [x.id for x in seen])


def catches_sigint(pid):
    with open("/proc/%d/status" % pid) as f:
        caught = next(line.split()[1] for line in f if line.startswith("SigCgt:"))
    return int(caught, 16) >> (signal.SIGINT - 1) & 1


@case("SIGINT while --wait-ready waits, and the model is still to be asked for")
def _():
    with socket.socket() as nobody:  # bound, not listening: the port is nobody else's
        nobody.bind(("127.0.0.1", 0))
        with child(["trace-replay", "--url", "http://127.0.0.1:%d" % nobody.getsockname()[1], "--wait-ready", "1m", "-o",
                    path("r.trb"), written("t", rows([(0, 20, 2)]))], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as p:
            wait_for(lambda: catches_sigint(p.pid), "the handler of SIGINT")
            time.sleep(0.3)  # into the wait: refused attempts cannot be seen from here
            interrupted(p, 4)


@case("--wait-ready waits for a name that does not resolve")
def _():
    began = time.monotonic()
    r = replay("--url", "http://%s.invalid:8000" % ("x" * 64),  # a label too long to be asked for: no network is needed
               "--wait-ready", "1s", "-o", path("r.trb"), written("t", rows([(0, 20, 2)])))
    took = time.monotonic() - began
    note("%.2f s: %s" % (took, r.err.strip()))
    r.need(1)
    check("resolve" in r.err, "the message: %s" % r.err)
    check(0.95 <= took < 10, "it waited %.2f s" % took)


@case("the client has no descriptors left: its own failure, and the run is VOID")
def _():
    with Server(after(1)) as server:
        r, results = go(server, [(0, 20, 2)] * 150, *PLAIN, wrapped=limited("-n 60"))
    r.need(4)
    how = list(ends(results).values())
    note({x: how.count(x) for x in set(how)})
    check(set(how) == {"ok", "client"} and how.count("client") > 75, "results: %s" % {x: how.count(x) for x in set(how)})
    same(results.end["verdict"], "VOID", "verdict")
    check("descriptors" in results.end["reasons"] and "descriptors" in r.err, "reasons: %s" % results.end["reasons"])


# --- what servers say -----------------------------------------------------------------------------------------------


def saying(status, text):
    body = json.dumps({"error": {"message": text}}).encode()
    return lambda conn, _: conn.reply(status, body, "Content-Type: application/json")


@case("a secret within a header's value is not repeated, and short values hide no message")
def _():
    def one(name, status, probe):
        with Server(saying(status, "Incorrect API key provided: " + SECRET)) as server:
            r, _ = go(server, [(0, 20, 2)] * 3, "--model", "m", *probe, "-H", "Authorization: Bearer " + SECRET, name=name)
            check(r.status in (1, 4), "status %d: %s" % (r.status, r.err))
            same(server.posts()[0].header("authorization"), "Bearer " + SECRET, "what the server was given")
            check("SECRET" not in r.err, "standard error holds it: %s" % r.err)
            check(any(x in r.err for x in (str(status), "http_%dxx" % (status // 100))), "what failed is not said: %s" % r.err)

    def short():
        with Server(saying(500, "worker 1 of 12 is gone")) as server:
            r, _ = go(server, [(0, 20, 2)] * 3, *PLAIN, "-H", "X-T: 1", name="short")
            r.need(4)
            check("worker 1 of 12 is gone" in r.err, "the message is hidden: %s" % r.err)
    together([short] + [functools.partial(one, "%d%s" % (s, "".join(p)), s, p) for s in (401, 500) for p in ([], ["--no-probe"])])


@case("a key that comes back as the reply's id or as its finish reason is not in the results")
def _():
    def answer(conn, request):
        said = {"id": SECRET, "choices": [{"index": 0, "message": {"content": "a a"}, "finish_reason": SECRET}],
                "usage": {"prompt_tokens": 20, "completion_tokens": 2}}
        conn.reply(200, json.dumps(said).encode(), "Content-Type: application/json")
    with Server(answer) as server:
        r, results = go(server, [(0, 20, 2)] * 3, *PLAIN, "--no-stream", "--api-key-env", "CANARY", env={"CANARY": SECRET})
        same(server.posts()[0].header("authorization"), "Bearer " + SECRET, "what the server was given")
    r.need(0)
    same(ends(results), {i: "ok" for i in range(3)}, "results")
    with open(path("run.trb"), "rb") as f:
        check(b"SECRET" not in f.read() and b"SECRET" not in results.text, "it is in the results: %s" % results.records[0])
    check("SECRET" not in r.err, "standard error holds it: %s" % r.err)


@case("262,144 blanks of no type, a byte at a time, cost little")
def _():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Server(lambda conn, _: conn.send(head + b"1\r\n \r\n" * 262144 + b"0\r\n\r\n")) as server:
        r, results = go(server, [(0, 20, 2)], *PLAIN, wrapped=limited("-t %d" % (5 * SLOW)))
    r.need(4)  # the limit kills it otherwise
    same(len(results.records), 1, "records")
    check(results.records[0]["bytes_in"] >= 262144, "not all was read: %s" % results.records[0])
    note(ends(results))


@case("--no-stream: nobody can tell when the tokens came, and none is made up")
def _():
    with Server() as server:
        r, results = go(server, [(0.02 * i, 20, 3 + i) for i in range(5)], *PLAIN, "--no-stream")
    r.need(0)
    for x in results.records:
        same([k for k in ("first_ns", "gaps_ns", "event_tokens") if k in x], [], "times of tokens in record %d" % x["id"])
        same((x["status"], x["seen_out_tokens"]), ("ok", 3 + x["id"]), "record %d" % x["id"])
    same(len(results.records), 5, "records")


@case("streams without [DONE], and those that go on after it, succeed and are counted")
def _():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    def answer(conn, request):
        told = events(2, usage={"prompt_tokens": 20, "completion_tokens": 2}, done=request.id != "1")
        told += [event(b"more")] * (request.id == "2")
        conn.send(head + b"".join(map(chunk, told)) + chunk(b""))
    with Server(answer) as server:
        r, results = go(server, [(0.02 * i, 20, 2) for i in range(5)], *PLAIN)
    r.need(0)
    same(sorted(x["status"] for x in results.records), ["ok"] * 5, "statuses")
    facts = results.event("client")
    same((facts["no_done"], facts["after_done"]), (1, 1), "no_done, after_done")
    check("1 streams went on after [DONE]" in r.err, r.err)


@case("a template that is longer than the prompts is named")
def _():
    with Mock("--instant", "--template-tokens", "2000") as server:
        r, _ = go(server, [(0.01 * i, 20, 2) for i in range(10)], "--late", "1m")
    check(r.status == 0, "status %d: %s" % (r.status, r.err))
    check("10 requests are longer than in the trace" in r.err and "2000 tokens" in r.err, "no warning: %s" % r.err)


if __name__ == "__main__":
    sys.exit(main(8))
