# SPDX-License-Identifier: Apache-2.0
"""Row for row: what the trace says, what the server counted, what the results hold. Also windows of the trace, warm-up, threads, and
what of a body the nonce decides. Prints TAP."""

import os
import sys

from rig import DATA, FULL, MS, Mock, Notes, Skip, Stream, answered, case, check, main, note, path, replay, same, synth, trace

TEMPLATE = 7  # trace-mock's
SHAPE = ("--ttft", "5ms", "--itl", "1ms")


def once(log, want, text="ids that the server saw"):
    same(sorted(x["id"] for x in log), sorted(want), text)


def rows_equal(rows, log, results, least=1):
    """The server's log and the results against the trace. `least`: the shortest prompt that this API can ask for. -> rows raised"""
    rows, server, seen = {x["id"]: x for x in rows}, {x["id"]: x for x in log}, results.by_id()
    once(log, rows)
    same(results.ids(), sorted(rows), "ids in the results")
    raised = 0
    for i, row in rows.items():
        s, r = server[i], seen[i]
        want_in, want_out = max(row["in_tokens"], least), max(row["out_tokens"], 1)
        raised += row["in_tokens"] < least
        same((s["in_tokens"], s["out_tokens"], s["outcome"]), (want_in, want_out, "ok"), "record %d at the server" % i)
        same((r["seen_in_tokens"], r["seen_out_tokens"], r["status"]), (want_in, want_out, "ok"), "record %d, as seen" % i)
        same((r["in_tokens"], r["out_tokens"]), (row["in_tokens"], row["out_tokens"]), "record %d, as asked" % i)
        check(r["sent_ns"] >= r["due_ns"], "record %d was sent %d ns before it was due" % (i, r["due_ns"] - r["sent_ns"]))
        if "event_tokens" in r:
            same(sum(r["event_tokens"]), want_out, "tokens of the events of record %d" % i)
    return raised


def stamps_follow(log, results):
    """Every event of the client against the write that carried it: nothing arrives before it was written."""
    zero = results.event("time zero")["mono_ns"]
    server, late = {x["id"]: x for x in log}, []
    for r in results.records:
        w = server[r["id"]]
        at, arrived = w["first_token"], [zero + r["first_ns"]]
        for gap in r["gaps_ns"]:
            arrived.append(arrived[-1] + gap)
        writes = w["writes_ns"][at:at + len(arrived)]
        same(len(writes), len(arrived), "token events of record %d" % r["id"])
        late += [a - b for a, b in zip(arrived, writes)]
        check(all(a >= b for a, b in zip(arrived, writes)), "record %d has an event from before its write" % r["id"])
        stamps = [r["sent_ns"], r["first_ns"], arrived[-1] - zero, r["end_ns"]]
        check(stamps == sorted(stamps), "record %d: sent, first, last token, end are out of order: %r" % (r["id"], stamps))
    late.sort()
    note("%d events; after their write: median %.3f ms, p99 %.3f ms" % (len(late), late[len(late) // 2] / MS,
                                                                        late[len(late) * 99 // 100] / MS))


# --- the code trace of Azure ---


def azure(api, prompt, least):
    if not DATA:
        raise Skip("REPRISE_DATA is unset")
    source = os.path.join(DATA, "azure-llm-2023/AzureLLMInferenceTrace_code.csv")
    window = ["--start", "849.473156s", "--duration", "10m"]
    window += ["--speed", "20"] if FULL else ["--speed", "200", "--limit", "400"]
    results = path("results.trb")
    with Mock(*SHAPE) as m:
        r = replay("--url", m.url, "--api", api, "--prompt", prompt, *window, "-o", results, source)
        log = m.stop()
    check(r.status in (0, 4), "status %d: %s" % (r.status, r.err))  # 4: this machine was too slow for the moments
    out = Stream(results)
    # The rows of the window, by a reading of our own.
    start, end = 849473156000, 849473156000 + 600 * 10 ** 9
    rows = [x for x in Stream(source).records if start <= x["arrival_ns"] < end]
    rows = rows if FULL else rows[:400]
    if FULL:
        same((len(rows), sum(x["in_tokens"] for x in rows), sum(x["out_tokens"] for x in rows)), (2737, 5698693, 70872),
             "requests and tokens of the slice")
    raised = rows_equal(rows, log, out, least)
    same(out.event("client")["raised_lengths"], raised + sum(x["out_tokens"] == 0 for x in rows), "lengths raised")
    stamps_follow(log, out)
    return results, rows


@case("azure code, completions of words: row for row, and the results replay like the trace")
def _():
    results, rows = azure("completions", "words", 1)
    again = path("again.trb")
    with Mock("--instant") as m:
        r = replay("--url", m.url, "--api", "completions", "--start", "849.473156s", "--speed", "100" if FULL else "1000", "-o", again,
                   results)
        log = m.stop()
    check(r.status in (0, 4), r.err)
    rows_equal(Stream(results).records, log, Stream(again))
    same(len(log), len(rows), "requests of the second replay")


@case("azure code, completions of token ids: row for row")
def _():
    azure("completions", "ids", 1)


@case("azure code, chat: row for row, but for prompts that the template fills")
def _():
    azure("chat", "words", TEMPLATE + 1)


# --- made-up traces ---


def short_prompts():
    """Every length around the template's, and outputs from 0."""
    rows = [{"id": i, "arrival_ns": i * 5 * MS, "in_tokens": i % 13, "out_tokens": i % 10} for i in range(130)]
    return trace("short.jsonl", rows), rows


def both(source, rows, mock=(), options=(), api="completions", least=1, status=(0, 4)):
    results = path("results.trb")
    with Mock(*mock) as m:
        r = replay("--url", m.url, "--api", api, *options, "-o", results, source)
        log = m.stop()
        others = m.others
    check(r.status in status, "status %d: %s" % (r.status, r.err))
    out = Stream(results)
    rows_equal(rows, log, out, least)
    return log, out, others


@case("lengths around the template's, and lengths of 0: only those that cannot be sent are raised")
def _():
    source, rows = short_prompts()
    _, out, _ = both(source, rows, SHAPE, api="chat", least=TEMPLATE + 1)
    same(out.event("client")["raised_lengths"], sum(x["in_tokens"] <= TEMPLATE or x["out_tokens"] == 0 for x in rows), "raised")


@case("results stand in the order of their ends: replayed, they lose none that arrived before the first to end")
def _():
    rows = [{"id": 0, "arrival_ns": 0, "in_tokens": 5, "out_tokens": 100}]
    rows += [{"id": i, "arrival_ns": i * 20 * MS, "in_tokens": 5, "out_tokens": 1} for i in range(1, 4)]
    _, out, _ = both(trace("t.jsonl", rows), rows, ("--ttft", "1ms", "--itl", "10ms"))
    check(out.records[0]["id"] != 0, "the first to arrive was the first to end: nothing is proven")
    again = path("again.trb")
    with Mock("--instant") as m:
        r = replay("--url", m.url, "--api", "completions", "-o", again, path("results.trb"))
        log = m.stop()
    note(r.err.strip())
    rows_equal(rows, log, Stream(again))


@case("chunks of three tokens: the events' tokens add up, the last one is partial")
def _():
    source = synth("t.trb", 100, 100, 20, "uniform:1..40")
    rows = Stream(source).records
    for api, least in ("completions", 1), ("chat", TEMPLATE + 1):
        log, out, _ = both(source, rows, (*SHAPE, "--chunk-tokens", "3"), ["--force"], api, least)
        stamps_follow(log, out)
        for r in out.records:
            n = r["out_tokens"]
            same(r["event_tokens"], [3] * (n // 3) + ([n % 3] if n % 3 else []), "tokens of the events of record %d" % r["id"])


@case("whole replies: lengths as seen, one event")
def _():
    source = synth("t.trb", 200, 200, "uniform:1..300", "uniform:1..40")
    log, out, _ = both(source, Stream(source).records, SHAPE, ["--no-stream"])
    check(not any(x["stream"] for x in log), "asked for a stream")
    check(all(len(r.get("gaps_ns", [])) == 0 for r in out.records), "a whole reply has gaps")


@case("four threads: every request once, every thread at work")
def _():
    source = synth("t.trb", 500, 1000, "uniform:1..300", "uniform:1..20")
    log, out, _ = both(source, Stream(source).records, SHAPE, ["--threads", "4"])
    same({r["worker"] for r in out.records}, {0, 1, 2, 3}, "threads")
    stamps_follow(log, out)


@case("--start, --duration, --limit and --speed pick exactly the right requests")
def _():
    source = synth("t.trb", 10, 300)  # every 100 ms, 30 s
    windows = (
        (["--start", "2s"], range(20, 300)),
        (["--start", "2.05s", "--duration", "1s"], range(21, 31)),
        (["--start", "2s", "--duration", "1s"], range(20, 30)),
        (["--duration", "1.000000001s"], range(0, 11)),
        (["--limit", "7"], range(0, 7)),
        (["--start", "29s", "--limit", "100"], range(290, 300)),
        (["--start", "5s", "--duration", "5s", "--limit", "3"], range(50, 53)),
    )
    with Mock("--instant") as m:
        for k, (options, want) in enumerate(windows):
            out = path("%d.trb" % k)
            r = replay("--url", m.url, "--speed", "100", *options, "-o", out, source)
            check(r.status in (0, 4), r.err)
            stream = Stream(out)
            same(stream.ids(), list(want), " ".join(options))
            start = 100 * MS * want[0] if "--start" not in options else int(float(options[1][:-1]) * 1000) * MS
            same([x["due_ns"] for x in sorted(stream.records, key=lambda x: x["id"])], [(i * 100 * MS - start) // 100 for i in want],
                 "due times of " + " ".join(options))
        log = m.stop()
    same(len(log), sum(len(w) for _, w in windows), "requests that the server saw")


@case("--warmup: as many requests, before time zero, in no record")
def _():
    source = synth("t.trb", 100, 50)
    _, out, others = both(source, Stream(source).records, SHAPE, ["--warmup", "20"])
    zero = out.event("time zero")["mono_ns"]
    warm = [x for x in others if x["id"].startswith("warmup")]
    once([dict(x, id=x["id"]) for x in warm], ["warmup-%d" % i for i in range(20)], "warm-up ids")
    same([x["id"] for x in others if not x["id"].startswith(("warmup", "probe"))], [], "other ids")
    check(all(x["end_ns"] < zero for x in warm), "a warm-up went on after time zero")
    same((out.event("client")["warmup_ok"], out.event("client")["warmup_failed"]), (20, 0), "warm-ups counted")


def bodies(source, *options):
    with Notes(answered) as server:
        r = replay("--url", server.url, "--no-probe", "--no-stream", *options, "-o", path("n.trb"), "--force", source)
        check(r.status in (0, 4), r.err)
        return {int(h["X-Request-Id"]): b for h, b in server.posts}


def words_of(body):
    if "messages" in body:
        return body["messages"][0]["content"].split()
    return body["prompt"].split() if isinstance(body["prompt"], str) else body["prompt"]


@case("the same nonce gives the same bodies; another one differs in the first five words")
def _():
    source = synth("t.trb", 200, 40, "uniform:1..60", 1)
    lengths = {r["id"]: r["in_tokens"] for r in Stream(source).records}
    for how in (["--api", "chat"], ["--api", "completions"], ["--api", "completions", "--prompt", "ids"]):
        one, same_one, other, off = (bodies(source, *how, "--nonce", n) for n in ("1234abcd5678ef", "1234abcd5678ef", "77", "off"))
        same(same_one, one, "bodies of the same nonce")
        same(sorted(one), sorted(lengths), "ids")
        check(one != other and one != off and other != off, "the nonce decides nothing")
        for i, n in lengths.items():
            a, b, c = words_of(one[i]), words_of(other[i]), words_of(off[i])
            same((len(a), len(b), len(c)), (n, n, n), "words of request %d" % i)
            same((b[5:], c[5:]), (a[5:], a[5:]), "what follows the nonce in request %d" % i)
            check(n < 5 or a[:5] != b[:5], "request %d has the same first five words" % i)
            same({k: v for k, v in one[i].items() if k not in ("prompt", "messages")},
                 {k: v for k, v in other[i].items() if k not in ("prompt", "messages")}, "the other members of request %d" % i)
        check(len({tuple(words_of(b)[:5]) for i, b in one.items() if lengths[i] >= 5}) == 1, "one run has one nonce")


@case("the nonce by itself is a new one each time")
def _():
    source = synth("t.trb", 200, 5, 20, 1)
    check(bodies(source) != bodies(source), "two runs sent the same")


if __name__ == "__main__":
    sys.exit(main(4))
