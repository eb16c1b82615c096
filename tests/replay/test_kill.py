# SPDX-License-Identifier: Apache-2.0
"""What is left of a run that does not come to its end: killed at any moment, interrupted as a whole pipeline, its reader gone, its
reader asleep, every request refused. Prints TAP."""

import contextlib
import fcntl
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time

from rig import (FULL, LIMIT, MS, S, Mock, Stream, case, check, child, main, note, path, replay, run, same, summary, synth, together,
                 wait_for)

KILLS = 20 if FULL else 6
FLUSHED = 600 * MS  # a record that ended so long before the kill is in the file
SHAPE = ("--ttft", "40ms", "--itl", "5ms")


def cut_off(out):
    """A stream that has lost its end; the records that it gives."""
    stream = Stream(out, 3)
    check("cut" in stream.err, "trace-convert does not say that it was cut: " + stream.err)
    same((stream.end or {}).get("state"), "interrupted", "state after conversion")
    r = run("trace-summarize", "--json", out).need(3)
    s = json.loads(r.out)
    same((s["state"], s["records"]), ("cut", len(stream.records)), "state, records of the summary")
    return stream


def is_prefix(stream, log, killed):
    """What ended first is there, each request once, as the server had it."""
    server = {x["id"]: x for x in log}
    ids = [r["id"] for r in stream.records]
    same(len(ids), len(set(ids)), "records of one id")
    check(set(ids) <= set(server), "records of requests that the server never saw")
    for r in stream.records:
        x = server[r["id"]]
        same((r["seen_in_tokens"], r["seen_out_tokens"], r["status"], x["outcome"]), (x["in_tokens"], x["out_tokens"], "ok", "ok"),
             "record %d" % r["id"])
    last = max((server[i]["end_ns"] for i in ids), default=0)
    holes = [i for i, x in server.items() if i not in ids and x["end_ns"] < last - 300 * MS]
    same(holes, [], "requests that ended before the last record, and are not there")
    return [i for i, x in server.items() if i not in ids and x["outcome"] == "ok" and x["end_ns"] < killed - FLUSHED]


def kill_once(n, after):
    """-> ids that should have been in the file."""
    trace, out = synth("k%d.trb" % n, 100, 300, "uniform:1..100", "uniform:1..20"), path("killed-%d.trb" % n)
    with contextlib.ExitStack() as stack:
        m = stack.enter_context(Mock(*SHAPE))
        p = stack.enter_context(child(["trace-replay", "--url", m.url, "--api", "completions", "-q", "-o", out, trace, "--force"],
                                      stderr=subprocess.PIPE))
        wait_for(lambda: os.path.exists(out), "the results' file")
        time.sleep(after)  # the moment is what is being drawn
        killed = time.monotonic_ns()
        p.kill()
        p.wait()
        log = m.stop()
    stream = cut_off(out)
    missing = is_prefix(stream, log, killed)
    return after, len(stream.records), len(log), missing


def kill_at(n, after):
    for _ in range(3):  # a machine that stands still for long may have kept a flush from happening
        after, records, requests, missing = kill_once(n, after)
        if not missing:
            break
    return "after %.2f s: %d of %d records" % (after, records, requests), missing


@case("kill -9 at %d moments: what was flushed is readable, a prefix in time, and said to be cut" % KILLS)
def _():
    draw = random.Random(20231116)
    moments = [draw.uniform(0.1, 2.9) for _ in range(KILLS)]
    results = []
    for k in range(0, KILLS, 3):
        results += together([functools.partial(kill_at, n, moments[n]) for n in range(k, min(k + 3, KILLS))])
    for text, _ in results:
        note(text)
    same([missing for _, missing in results if missing], [], "requests that had ended %d ms before the kill" % (FLUSHED // MS))
    check(any(not text.endswith(" 0 records") for text, _ in results), "no run wrote anything")


@case("kill -9 before the first flush: a readable head, or a clear error")
def _():
    trace, out = synth("t.trb", 10, 600), path("killed.trb")
    with Mock("--ttft", "30s") as m, child(["trace-replay", "--url", m.url, "--no-probe", "-q", "-o", out, trace]) as p:
        wait_for(lambda: os.path.exists(out), "the results' file")
        p.kill()
        p.wait()
    size = os.path.getsize(out)
    r = run("trace-convert", "-f", "jsonl", out)
    note("%d bytes; status %d: %s" % (size, r.status, r.err.strip()))
    same(r.status, 3, "status of trace-convert")
    same(r.err.count("\n"), 1, "lines of its message")
    check(out in r.err, "the message does not name the file")
    if size:
        check("cut" in r.err, "not said to be cut")
        same([x for x in r.out.splitlines() if b'"id"' in x], [], "records")


# --- signals ---


def finished_some(errors):
    """Waits until progress tells of requests that have ended."""
    def some():
        with open(errors, "rb") as f:
            return any(x.split()[0] not in (b"0", b"-") for x in f.read().split(b"trace-replay: ")[1:] if b" records" in x)
    wait_for(some, "the first requests to end")


PIPELINE = """trap : INT TERM
trace-convert "$1" | trace-replay --url "$2" --api completions --progress 2>"$3/errors" | trace-summarize --json >"$3/summary"
echo "${PIPESTATUS[@]}" >"$3/status"
"""


@case("Ctrl-C to a whole pipeline: sending stops, what is on its way is waited for, the report is partial")
def _():
    folder = path("pipe")
    os.mkdir(folder)
    trace = synth("t.trb", 50, 800000, "uniform:1..5000", 30)  # more than pipes hold
    with Mock("--ttft", "300ms", "--itl", "5ms") as m:
        with child(["bash", "-o", "pipefail", "-c", PIPELINE, "bash", trace, m.url, folder], start_new_session=True,
                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
            errors = os.path.join(folder, "errors")
            wait_for(lambda: os.path.exists(errors), "the pipeline")
            finished_some(errors)
            asked = time.monotonic_ns()
            os.killpg(p.pid, signal.SIGINT)
            p.wait(LIMIT)
        log = m.stop()
    with open(os.path.join(folder, "status")) as f:
        status = f.read().split()
    with open(os.path.join(folder, "summary")) as f:
        s = json.load(f)
    with open(errors) as f:
        said = f.read().splitlines()[-3:]
    note("statuses %s; %d requests; state %s" % (" ".join(status), s["records"], s["state"]))
    same(status[1], "130", "status of trace-replay")
    check(status[0] in ("130", "141"), "status of trace-convert: " + status[0])  # 141: nobody read on
    same(status[2], "4" if s["verdict"] == "VOID" else "0", "status of trace-summarize")
    same(s["state"], "interrupted", "state in the summary")
    same(s["requests"]["offered"], len(log), "requests, as the server saw them")
    same((s["requests"]["ok"], s["requests"]["failed"], s["requests"]["censored"]), (len(log), 0, 0), "all that was sent had its end")
    check(log and any(x["end_ns"] > asked for x in log), "nothing was on its way")
    check(all(x["arrival_ns"] < asked + 5 * S for x in log), "it went on sending")
    check(any("not sent" in x for x in said), "it does not say that requests were not sent: %r" % said)


def interrupted(number, status):
    trace, out, errors = synth("t.trb", 50, 200000, 20, 5), path("r.trb"), path("errors")
    with Mock("--ttft", "300ms", "--itl", "5ms") as m:
        with open(errors, "wb") as f, child(["trace-replay", "--url", m.url, "--progress", "-o", out, trace], stderr=f) as p:
            finished_some(errors)
            asked = time.monotonic_ns()
            p.send_signal(number)
            same(p.wait(LIMIT), status, "status")
        log = m.stop()
    stream = Stream(out)
    same(stream.end["state"], "interrupted", "state in the trailer")
    same(stream.ids(), sorted(x["id"] for x in log), "ids")
    same({r["status"] for r in stream.records}, {"ok"}, "what was on its way had its end")
    check(any(x["end_ns"] > asked for x in log), "nothing was on its way")
    s = summary(out, 4 if stream.end["verdict"] == "VOID" else 0)
    same((s["state"], s["records"]), ("interrupted", len(log)), "state, records in the summary")


@case("SIGTERM: 143, a trailer that says interrupted, nothing lost")
def _():
    interrupted(signal.SIGTERM, 143)


@case("SIGINT: 130, the same")
def _():
    interrupted(signal.SIGINT, 130)


def pending(p):
    with open("/proc/%d/status" % p.pid) as f:
        return any(int(line.split()[1], 16) for line in f if line.startswith(("SigPnd", "ShdPnd")))


def connections(url):
    """Established ones to that port."""
    port = ":%04X" % int(url.rsplit(":", 1)[1])
    with open("/proc/net/tcp") as f:
        return sum(line.split()[2].endswith(port) and line.split()[3] == "01" for line in f)


@case("a second SIGINT ends it at once")
def _():
    trace, out, errors = synth("t.trb", 50, 20000, 20, 5), path("r.trb"), path("errors")
    with Mock("--ttft", "600s") as m, open(errors, "wb") as f:
        with child(["trace-replay", "--url", m.url, "--no-probe", "--connections", "0", "-o", out, trace], stderr=f) as p:
            wait_for(lambda: connections(m.url) >= 3, "requests to be on their way")  # before the run there is one at a time
            p.send_signal(signal.SIGINT)
            wait_for(lambda: not pending(p), "the first signal to be taken")
            time.sleep(0.3)  # it waits for replies now, and must not end
            same(p.poll(), None, "status after the first signal")
            p.send_signal(signal.SIGINT)
            status = p.wait(30)
    check(status in (-signal.SIGINT, 130), "status %d" % status)
    Stream(out, 3)


# --- readers ---


@case("a reader that goes away: no more is sent, and it ends by SIGPIPE")
def _():
    trace = synth("t.trb", 50, 200000, 20, 5)
    with contextlib.ExitStack() as stack:
        m = stack.enter_context(Mock(*SHAPE))
        p = stack.enter_context(child(["trace-replay", "--url", m.url, "-q", trace], stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        head = stack.enter_context(child(["head", "-c", "100"], stdin=p.stdout, stdout=subprocess.PIPE))
        p.stdout.close()
        same(len(head.communicate(timeout=LIMIT)[0]), 100, "bytes that the reader took")
        gone = time.monotonic_ns()
        same(p.wait(LIMIT), -signal.SIGPIPE, "status")
        ended = time.monotonic_ns()
        said = p.stderr.read().decode()
        log = m.stop()
    note("it ended %.2f s after its reader; %d requests" % ((ended - gone) / 1e9, len(log)))
    check(ended - gone < 20 * S, "it went on for %.1f s" % ((ended - gone) / 1e9))
    check(all(x["arrival_ns"] < ended for x in log), "requests after its end")
    check("not sent" in said, "it does not say that requests were not sent: %r" % said)


@case("every request fails: status 4 of both tools, and no latency percentile")
def _():
    trace, out = synth("t.trb", 100, 50), path("r.trb")
    with Mock("--instant", "--fault", "error:code=500") as m:
        r = replay("--url", m.url, "-o", out, trace)
        log = m.stop()
    r.need(4)
    check("VOID: no request succeeded" in r.err, r.err)
    same(len(log), 50, "requests")
    s = summary(out, 4)
    same((s["verdict"], s["requests"]["ok"], s["requests"]["failed"], s["requests"]["by_error"]), ("VOID", 0, 50, {"http_5xx": 50}),
         "verdict, requests")
    for key in "ttft_ms", "ttft_sent_ms", "e2e_ms", "e2e_sent_ms", "tpot_ms", "itl_ms", "icl_ms", "max_gap_ms":
        same([s[key][k] for k in ("count", "min", "p50", "p99", "max")], [0, None, None, None, None], key)
    text = run("trace-summarize", out).need(4).out.decode()
    check("VOID" in text, "the text says no word of it")


def sending_over(errors):
    """The line of progress has been wiped out, for good."""
    with open(errors, "rb") as f:
        return f.read().endswith(b"\r\033[K")


@case("a reader that sleeps until the run is over: nothing is lost, and the sending goes on in time")
def _():
    rate, requests, tokens = (50, 3000, 1000) if FULL else (100, 300, 20)
    trace, errors, out = synth("t.trb", rate, requests, 20, tokens), path("errors"), path("r.trb")
    with Mock("--instant") as m, open(errors, "wb") as f:
        with child(["trace-replay", "--url", m.url, "--api", "completions", "--progress", trace], stdout=subprocess.PIPE, stderr=f) as p:
            fcntl.fcntl(p.stdout, fcntl.F_SETPIPE_SZ, 4096)
            wait_for(lambda: sending_over(errors), "the end of sending")
            taken = []
            while piece := p.stdout.read(65536):
                taken.append(piece)
            status = p.wait(LIMIT)
        log = m.stop()
    check(status in (0, 4), "status %d" % status)
    with open(out, "wb") as f:
        f.write(b"".join(taken))
    stream = Stream(out)
    client = stream.event("client")
    note("%d bytes, %d spilled, %.1f ms behind; late p99 %.2f ms; %s: %s" % (
        os.path.getsize(out), client["spilled_bytes"], client["output_behind_ms"], client["lateness_p99_ms"], stream.end["verdict"],
        stream.end.get("reasons")))
    same(stream.ids(), list(range(requests)), "ids in the results")
    same(sorted(x["id"] for x in log), list(range(requests)), "ids that the server saw")
    same(len({x["status"] for x in stream.records} - {"ok"}), 0, "failures")
    check(os.path.getsize(out) > 4096 and client["output_behind_ms"] > 300, "the output was never behind: the case proves nothing")
    span = max(x["sent_ns"] for x in stream.records) - min(x["sent_ns"] for x in stream.records)
    check(abs(span - (requests - 1) * S // rate) < S, "sending took %.2f s" % (span / 1e9))
    if FULL:
        check(client["spilled_bytes"] > 0, "nothing went by the temporary file")
    if client["spilled_bytes"]:
        check(stream.end["verdict"] != "VALID" and "temporary file" in stream.end["reasons"], "the verdict hides the temporary file")


if __name__ == "__main__":
    sys.exit(main(4))
