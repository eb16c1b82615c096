# SPDX-License-Identifier: Apache-2.0
"""Runs that are not what was asked for say so: records that came too late from a pipe, a trace that is not in order, a client that
was held. Prints TAP."""

import contextlib
import json
import subprocess
import sys

from rig import (LIMIT, MS, S, Mock, Stream, case, check, child, lines, main, note, path, replay, run, same, summary, trace, trailer,
                 wait_for)


def record(i, ms):
    return {"id": i, "arrival_ns": ms * MS, "in_tokens": 10, "out_tokens": 2}


def by_pipe(first, second, *options):
    """Writes the second part when the first has come back from the server. -> status, messages, results"""
    out, errors = path("r.jsonl"), path("errors")
    with contextlib.ExitStack() as stack:
        m = stack.enter_context(Mock("--instant"))
        f = stack.enter_context(open(errors, "wb"))
        p = stack.enter_context(child(["trace-replay", "--url", m.url, "--api", "completions", *options, "-o", out, "-"],
                                      stdin=subprocess.PIPE, stderr=f))
        p.stdin.write(lines(first))
        p.stdin.flush()

        def back():
            with contextlib.suppress(FileNotFoundError), open(out, "rb") as results:
                return sum(b'"status":"ok"' in x for x in results.read().splitlines()) >= len(first)
        wait_for(back, "the first part's replies")
        p.stdin.write(lines(second).split(b"\n", 1)[1] + trailer(first + second))
        p.stdin.close()
        status = p.wait(LIMIT)
        log = m.stop()
    same(sorted(x["id"] for x in log), sorted(r["id"] for r in first + second), "ids that the server saw")
    with open(errors) as f:
        return status, f.read(), out


def verdict_is(out, verdict, *reasons, status):
    s = summary(out, status)
    note("%s: %s" % (s["verdict"], s["reasons"]))
    same(s["verdict"], verdict, "verdict (%s)" % s["reasons"])
    for r in reasons:
        check(r in s["reasons"], "the reasons do not say %r: %s" % (r, s["reasons"]))
    text = run("trace-summarize", out).need(status)
    check(verdict in text.out.decode(), "the text does not say " + verdict)
    return s


@case("records that come when they were due already: VOID, status 4 of both tools, none is lost")
def _():
    first, second = [record(i, i * 10) for i in range(50)], [record(50 + i, 490) for i in range(10)]
    status, said, out = by_pipe(first, second)
    same(status, 4, "status: " + said)
    check("VOID" in said and "came from the input" in said, said)
    s = verdict_is(out, "VOID", "16.7 % of the requests came from the input when they were due already", status=4)
    check("order" not in s["reasons"], "this trace is in order: " + s["reasons"])
    facts = Stream(out).event("client")
    same((facts["late_input"], facts["unsorted"]), (10, 0), "late_input, unsorted")
    same(s["requests"]["ok"], 60, "requests that succeeded")
    check(s["e2e_ms"]["max"] > 10 * s["e2e_sent_ms"]["p50"], "the latency from due does not show it")


@case("less than 1 % of such records: no VOID for that, but they are counted")
def _():
    first, second = [record(i, i * 3) for i in range(400)], [record(400, 1197)]
    status, said, out = by_pipe(first, second)
    facts, end = Stream(out).event("client"), Stream(out).end
    same(facts["late_input"], 1, "late_input")
    check("came from the input" not in end.get("reasons", ""), end.get("reasons"))
    check(status in (0, 4), said)


@case("a trace that is not in order, too late for that: VOID, and the reason is said")
def _():
    first, second = [record(i, 500 + i) for i in range(50)], [record(50 + i, i) for i in range(50)]
    status, said, out = by_pipe(first, second, "--start", "0s")
    same(status, 4, "status: " + said)
    check("not in order of arrival" in said, said)
    verdict_is(out, "VOID", "came from the input", "(the trace is not in order of arrival)", status=4)
    same(Stream(out).event("client")["unsorted"], 50, "unsorted")


@case("a trace that is not in order, but at hand in time: sent in order, and counted")
def _():
    rows = [record(i, 5 * (i ^ 1)) for i in range(200)]  # neighbours change places
    out = path("r.trb")
    with Mock("--instant") as m:
        r = replay("--url", m.url, "--start", "0s", "-o", out, trace("t.jsonl", rows))
        log = m.stop()
    check(r.status in (0, 4), r.err)
    stream = Stream(out)
    same(stream.event("client")["unsorted"], 100, "unsorted")
    same(stream.event("client")["late_input"], 0, "late_input")
    sent = sorted(stream.records, key=lambda x: x["sent_ns"])
    same([x["due_ns"] for x in sent], sorted(x["arrival_ns"] for x in rows), "due times, in the order of sending")
    same(len(log), 200, "requests that the server saw")


@case("an empty window: VOID, nothing was sent")
def _():
    out = path("r.trb")
    with Mock("--instant") as m:
        r = replay("--url", m.url, "--start", "1h", "-o", out, trace("t.jsonl", [record(i, i) for i in range(10)])).need(4)
        same(m.stop(), [], "requests")
    check("nothing was sent" in r.err, r.err)
    same(json.loads(run("trace-summarize", "--json", out).out)["verdict"], "VOID", "verdict")


@case("held by --max-inflight: SUSPECT, and none of it counts as the client's lateness")
def _():
    rows = [record(i, 5 * i) for i in range(200)]
    out = path("r.trb")
    with Mock("--ttft", "400ms", "--itl", "0") as m:
        r = replay("--url", m.url, "--max-inflight", "16", "--late", "200ms", "-o", out, trace("t.jsonl", rows))
        m.stop()
    stream = Stream(out)
    facts = stream.event("client")
    late = [x["id"] for x in stream.records if x["sent_ns"] - x["due_ns"] > S // 5]
    note("%d held, %d late, %d sent 200 ms late; %s: %s" % (facts["held"], facts["late"], len(late), stream.end["verdict"],
                                                           stream.end.get("reasons")))
    check(len(late) > 100 and facts["held"] >= len(late), "%d held, %d sent late" % (facts["held"], len(late)))
    same(facts["late"], 0, "counted as the client's lateness")
    check("--max-inflight held back" in stream.end["reasons"], "the reasons: " + stream.end["reasons"])
    check(r.status == 0 and stream.end["verdict"] == "SUSPECT", "%s: %s" % (stream.end["verdict"], stream.end["reasons"]))


if __name__ == "__main__":
    sys.exit(main(3))
