# SPDX-License-Identifier: Apache-2.0
"""--dry-run: nothing is sent, and what it counts is what the run then does. Prints TAP."""

import collections
import contextlib
import json
import select
import socket
import sys

from rig import MS, S, Mock, Stream, case, check, main, path, replay, same, synth, trace


@contextlib.contextmanager
def nobody():
    """A socket that listens; at the end nobody must have come."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(8)
        yield "http://127.0.0.1:%d" % s.getsockname()[1]
        same(select.select([s], [], [], 0)[0], [], "connections")


def plan(source, *options):
    with nobody() as url:
        r = replay("--url", url, "--dry-run", "--json", *options, source).need(0)
    return json.loads(r.out)


def busiest(dues, seconds):
    """Requests in the fullest run of so many whole seconds."""
    count = collections.Counter(d // S for d in dues)
    return max(sum(count[s + k] for k in range(seconds)) for s in range(max(count) + 1))


def compare(source, url, k, options):
    p, out = plan(source, *options), path("run-%d.trb" % k)
    r = replay("--url", url, "--api", "completions", *options, "-o", out, source)
    check(r.status in (0, 4), r.err)
    records = Stream(out).records
    dues = [x["due_ns"] for x in records]
    what = " ".join(options)
    check(records, "an empty window proves nothing: " + what)
    same(p["schema"], "trace-replay-plan/1", "schema")
    same((p["requests"], p["input_tokens"], p["output_tokens"]),
         (len(records), sum(x["seen_in_tokens"] for x in records), sum(x["seen_out_tokens"] for x in records)),
         "requests and tokens of " + what)
    span = max(dues) - min(dues)
    check(abs(p["duration_s"] - span / 1e9) < 1e-9, "duration_s of %s: %r, not %r" % (what, p["duration_s"], span / 1e9))
    if span:
        rate = (len(records) - 1) * 1e9 / span
        check(abs(p["rate_per_s"] / rate - 1) < 1e-9, "rate_per_s of %s: %r, not %r" % (what, p["rate_per_s"], rate))
    same((p["peak_per_s"], p["streams"]), (busiest(dues, 1), {"if_1s": busiest(dues, 1), "if_10s": busiest(dues, 10)}),
         "peaks of " + what)
    return len(records)


@case("its figures are those of the run, for windows, speeds and limits")
def _():
    rows = [{"id": i, "arrival_ns": (i * i * 7) * MS, "in_tokens": i % 37, "out_tokens": i % 5} for i in range(60)]  # 24 s
    source, n = trace("t.jsonl", rows), 0
    with Mock("--instant") as m:
        for k, options in enumerate((
                ["--speed", "8"],
                ["--speed", "20", "--start", "5s"],
                ["--speed", "20", "--start", "2s", "--duration", "10s"],
                ["--speed", "10", "--limit", "17"],
                ["--speed", "3.5", "--start", "1s", "--duration", "8s", "--limit", "20"],
                ["--speed", "100", "--limit", "1"])):
            n += compare(source, m.url, k, options)
        same(len(m.stop()), n, "requests that the server saw")


@case("lengths of laws, chat and token ids: nothing is sent, whatever is asked for")
def _():
    source = synth("t.trb", 100, 500, "uniform:1..900", "uniform:1..90")
    records = Stream(source).records
    want = (500, sum(r["in_tokens"] for r in records), sum(r["out_tokens"] for r in records))
    for options in ([], ["--api", "completions", "--prompt", "ids"], ["--warmup", "9"], ["--threads", "4", "--connections", "50"],
                    ["--wait-ready", "10s"]):
        p = plan(source, *options)
        same((p["requests"], p["input_tokens"], p["output_tokens"]), want, "requests, tokens with " + " ".join(options))


@case("as text, and into a file")
def _():
    source = synth("t.trb", 100, 500)
    with nobody() as url:
        text = replay("--url", url, "--dry-run", source).need(0).out.decode()
        check(text.endswith("nothing was sent\n") and "500" in text and "10,000" in text, text)
        replay("--url", url, "--dry-run", "--json", "-o", path("plan.json"), source).need(0)
    with open(path("plan.json")) as f:
        same(json.load(f)["requests"], 500, "requests in the file")


BAD = (
    ("no arrival", {"id": 7, "in_tokens": 5, "out_tokens": 5}, "arrival"),
    ("no input length", {"id": 7, "arrival_ns": 7 * MS, "out_tokens": 5}, "id 7"),
    ("messages that are no JSON", {"id": 7, "arrival_ns": 7 * MS, "out_tokens": 5, "payload_kind": "messages", "payload": "[{"},
     "id 7"),
    ("a payload of no kind known", {"id": 7, "arrival_ns": 7 * MS, "out_tokens": 5, "payload_kind": "song", "payload": "la"},
     "id 7"),
)


@case("a bad record is found: status 3, one line, which record")
def _():
    good = [{"id": i, "arrival_ns": i * MS, "in_tokens": 5, "out_tokens": 5} for i in range(7)]
    for name, bad, said in BAD:
        source = trace("bad.jsonl", good + [bad])
        with nobody() as url:
            r = replay("--url", url, "--dry-run", "--json", source)
        check(r.status == 3, "%s: status %d: %r %s" % (name, r.status, r.out, r.err))
        same((r.out, r.err.count("\n")), (b"", 1), "%s: output, lines of the message" % name)
        check(said in r.err, "%s: the message does not say %r: %s" % (name, said, r.err))


@case("a row of a CSV trace that is none: status 3, file and line")
def _():
    with open(path("bad.csv"), "w") as f:
        f.write("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04,x,10\n")
    with nobody() as url:
        r = replay("--url", url, "--dry-run", path("bad.csv")).need(3)
    check("bad.csv:3:" in r.err and r.err.count("\n") == 1, r.err)


if __name__ == "__main__":
    sys.exit(main(3))
