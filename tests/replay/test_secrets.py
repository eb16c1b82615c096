# SPDX-License-Identifier: Apache-2.0
"""A key in the environment and a secret in a header reach the server, and nothing else: no output, no record, no message, no list of
processes, even when the server says them aloud. Prints TAP."""

import os
import subprocess
import sys

from rig import LIMIT, Notes, Stream, answered, case, check, child, main, path, replay, run, same, synth

KEY = "sk-canary-Zq7Xw93kPfLb2"
HEADER = "hdr-canary-Vt4Mn81jRsDc6"
SECRETS = (KEY, HEADER, "canary")
OPTIONS = ["--api-key-env", "CANARY", "-H", "X-Secret: " + HEADER]
ENV = {"CANARY": KEY}


def clean(data, where):
    if isinstance(data, bytes):
        data = data.decode("utf-8", "replace")
    for secret in SECRETS:
        at = data.find(secret)
        check(at < 0, "%s holds a secret: %r" % (where, data[max(0, at - 80):at + 60]))


def clean_results(out):
    with open(out, "rb") as f:
        clean(f.read(), "the results' file")
    r = run("trace-convert", "-f", "jsonl", out)
    clean(r.out, "the results, decoded")
    clean(r.err, "the message of trace-convert")
    for command in ["trace-summarize", out], ["trace-summarize", "--json", out], ["trace-check", out]:
        r = run(*command)
        clean(r.out + r.err.encode(), " ".join(command[:-1]))


def told(server):
    """The server was given both, each time."""
    check(server.posts, "the server was asked nothing")
    for headers, _ in server.posts:
        same((headers.get("Authorization"), headers.get("X-Secret")), ("Bearer " + KEY, HEADER), "what the server was given")


def run_against(answer, *options, statuses):
    trace = synth("t.trb", 100, 20)
    for name in "r.trb", "r.jsonl":
        out = path(name)
        with Notes(answer) as server:
            r = replay("--url", server.url, "--no-stream", *OPTIONS, *options, "-o", out, trace, env=ENV)
            told(server)
        clean(r.out, "standard output")
        clean(r.err, "standard error")
        check(r.status in statuses, "status %d: %s" % (r.status, r.err))
        if os.path.exists(out):
            clean_results(out)
    return r


@case("a run that goes well")
def _():
    run_against(answered, statuses=(0, 4))
    out = path("r.trb")
    check("--api-key-env" in " ".join(Stream(out).head.get("history", [])), "the options are not in the results: nothing was proven")


@case("a run to standard output")
def _():
    trace = synth("t.trb", 100, 20)
    with Notes(answered) as server:
        for more in [], ["-f", "jsonl"]:
            r = replay("--url", server.url, "--no-stream", *OPTIONS, *more, trace, env=ENV)
            clean(r.out, "standard output")
            clean(r.err, "standard error")
            check(r.out, "nothing was written")
        told(server)


def loud(code, text="refused"):
    """A server that repeats what it was given, in every place that a message may come from."""
    def answer(headers, _):
        said = "%s: Authorization: %s" % (text, headers["Authorization"])
        return code, {"error": {"message": said, "type": said, "code": said}, "message": said, "detail": said}
    return answer


def loud_header(code):
    def answer(headers, _):
        said = "bad header X-Secret: %s" % headers["X-Secret"]
        return code, {"error": {"message": said, "type": said, "code": code}}
    return answer


for code in 401, 403, 500:
    for how, probe in ("by the probe", []), ("by the run", ["--no-probe"]):
        @case("the server repeats the key in a %d, met %s" % (code, how))
        def _(code=code, probe=probe):
            r = run_against(loud(code), *probe, statuses=(1, 4))
            check(str(code) in r.err or "http_%d" % code in r.err or "http_%dxx" % (code // 100) in r.err, "what failed is not said")

    @case("the server repeats the header's secret in a %d" % code)
    def _(code=code):
        run_against(loud_header(code), "--no-probe", statuses=(4,))
        run_against(loud_header(code), "--force", statuses=(1, 4))


@case("the key is repeated late in a long message, where it may be clipped")
def _():
    for n in range(60, 128, 7):
        run_against(loud(500, "x" * n), "--no-probe", "--force", "--limit", "3", statuses=(4,))


@case("the key as an id and as a finish reason of a good reply")
def _():
    def answer(headers, body):
        code, reply = answered(headers, body)
        reply["choices"][0]["finish_reason"] = "stop"
        return code, reply
    run_against(answer, "--force-output", "off", statuses=(0, 4))


@case("--dry-run, as text and as JSON")
def _():
    trace = synth("t.trb", 100, 20)
    for more in [], ["--json"]:
        r = replay("--url", "http://127.0.0.1:9", *OPTIONS, "--dry-run", *more, trace, env=ENV).need(0)
        clean(r.out, "standard output")
        clean(r.err, "standard error")


@case("usage errors, a server that is not there, a URL with a password")
def _():
    trace = synth("t.trb", 100, 20)
    for more, status in (
            (["--url", "http://127.0.0.1:9", "--nonce", "xyz"], 2),
            (["--url", "http://127.0.0.1:9", "-H", "canary-without-a-colon"], 2),
            (["--url", "http://127.0.0.1:9"], 1),
            (["--url", "http://user:canary@127.0.0.1:9"], None)):
        r = replay(*more, *OPTIONS, trace, env=ENV)
        check(r.status in (1, 2) if status is None else r.status == status, "status %d: %s" % (r.status, r.err))
        clean(r.out, "standard output")
        clean(r.err, "standard error of %s" % more[1:3])
    r = replay("--url", "http://127.0.0.1:9", "--api-key-env", "CANARY", trace, env={"CANARY": "two canary"})
    r.need(2)
    clean(r.err, "standard error")


@case("the list of processes, while it runs")
def _():
    trace = synth("t.trb", 20, 100)
    with Notes(answered) as server, child(
            ["trace-replay", "--url", server.url, "--no-stream", "--api-key-env", "CANARY", "-o", path("r.trb"), trace],
            env=dict(os.environ, **ENV), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        check(server.posted.wait(LIMIT), "nothing was sent")
        with open("/proc/%d/cmdline" % p.pid, "rb") as f:
            line = f.read()
        same(p.poll(), None, "it has ended already: status")
        check(b"--api-key-env" in line, "this is not its line: %r" % line)
        clean(line, "the list of processes")
        p.terminate()
        out, err = p.communicate(timeout=LIMIT)
        same(server.posts[0][0].get("Authorization"), "Bearer " + KEY, "what the server was given")
    clean(out + err, "its output")


if __name__ == "__main__":
    sys.exit(main(4))
