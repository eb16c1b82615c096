#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sessions: turns in open and closed loop, histories of the trace and of the server, the time to think, sessions that fail,
as seen by trace-mock, which writes down the bodies that it got."""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import *  # noqa: E402,F403

WORDS = [w.split("\t")[0] for w in open(os.path.join(os.path.dirname(__file__), "../../datasets/portable-words/words.tsv"))
         if not w.startswith("#")]


def user(text):
    return {"role": "user", "content": text}


def answer(text):
    return {"role": "assistant", "content": text}


def talk(first_id, session, turns, arrival=0, think=None, out=4, texts=True):
    """A conversation as records: the later turns hold what is new in them."""
    made = []
    for k in range(turns):
        r = {"id": first_id + k, "session": session, "turn": k + 1, "turns": turns, "in_tokens": 10 * (k + 1), "out_tokens": out}
        if texts:
            said = [user("question %s %d" % (session, k))]
            r.update(payload_kind="delta" if k else "messages", payload=json.dumps(said), answer="recorded %s %d" % (session, k))
        if k:
            r["parent"] = first_id + k - 1
            if think is not None:
                r["think_ns"] = think
        else:
            r["arrival_ns"] = arrival
        made.append(r)
    return made


def bodies(log):
    return {x["id"]: json.loads(x["body"]) for x in log}


def go(records, *options, mock=(), status=0, name="in"):
    with Mock("--log-bodies", *mock) as m:
        r = replay("--url", m.url, "--late", "1m", "-o", path(name + ".trb"), *options, trace(name + ".jsonl", records)).need(status)
        log = m.stop()
    return r, Stream(path(name + ".trb")), {x["id"]: x for x in log}, bodies(log)


@case("closed and live: later prompts hold what the server really answered, and think times hold")
def live():
    think = 50 * MS
    r, s, log, asked = go(talk(0, "a", 3, think=think), "--session", "closed", "--history", "live", mock=("--ttft", "5ms", "--itl", "1ms"))
    check("3 requests, 3 ok" in r.err, r.err)
    first, second, third = (asked[i]["messages"] for i in range(3))
    same(first, [user("question a 0")], "first prompt")
    same([m["role"] for m in second], ["user", "assistant", "user"], "roles of the second")
    same([m["role"] for m in third], ["user", "assistant", "user", "assistant", "user"], "roles of the third")
    same((second[0], second[2]), (user("question a 0"), user("question a 1")), "what the user said")
    same(third[:3], second, "the third goes on from the second")
    for said in (second[1]["content"], third[3]["content"]):
        check(len(said.split()) == 4 and all(w in WORDS for w in said.split()), "a live answer: %r" % said)
    check(second[1]["content"] != third[3]["content"], "two answers")
    by = s.by_id()
    for i in (1, 2):
        same(by[i]["due_ns"] - by[i - 1]["end_ns"], think, "think time of turn %d" % (i + 1))
        check(by[i]["sent_ns"] >= by[i]["due_ns"], "sent before it was due")
        check(log[i]["arrival_ns"] - log[i - 1]["end_ns"] >= think, "as the server saw it")


@case("closed and recorded: prompts hold the trace's answers; --think where the record tells none")
def recorded():
    _, s, log, asked = go(talk(0, "a", 3), "--session", "closed", "--think", "30ms")
    same([m["content"] for m in asked[2]["messages"]],
         ["question a 0", "recorded a 0", "question a 1", "recorded a 1", "question a 2"], "third prompt")
    check(log[1]["arrival_ns"] - log[0]["end_ns"] >= 30 * MS, "time to think")
    notes = json.loads(json.dumps(s.head["notes"]))
    same((notes["session"], notes["history"]), ("closed", "recorded"), "what the results say of themselves")


@case("open: each turn at its own time, with the trace's answers in its prompt")
def open_loop():
    records = talk(0, "a", 3)
    for k, r in enumerate(records):
        r["arrival_ns"] = k * 40 * MS
    _, s, log, asked = go(records, mock=("--ttft", "200ms"))
    same([m["content"] for m in asked[2]["messages"]],
         ["question a 0", "recorded a 0", "question a 1", "recorded a 1", "question a 2"], "third prompt")
    check(log[2]["arrival_ns"] < log[0]["end_ns"], "it waited for the first")
    same(s.by_id()[2]["due_ns"] - s.by_id()[0]["due_ns"], 80 * MS, "due")


@case("a turn that fails ends its session; the turns behind it are counted and said, others go on")
def failing():
    records = talk(0, "a", 4) + talk(10, "b", 3, arrival=MS)
    with Notes(lambda h, b: (500, {"error": {"message": "no"}}) if "question a 1" in json.dumps(b["messages"]) else answered(h, b)) as n:
        r = replay("--url", n.url, "--late", "1m", "--no-stream", "--no-probe", "--session", "closed", "--force-output", "off",
                   "-o", path("r.trb"), trace("in.jsonl", records)).need(0)
    by = Stream(path("r.trb")).by_id()
    same([by[i]["status"] for i in range(4)], ["ok", "failed", "unsent", "unsent"], "session a")
    same([by[i]["status"] for i in range(10, 13)], ["ok"] * 3, "session b")
    same([by[i].get("error") for i in range(4)], [None, "http_5xx", "session", "session"], "why")
    check("sent_ns" not in by[2] and "due_ns" not in by[2], "a turn that was not sent has no times")
    check("2 session: not sent" in r.err, r.err)
    got = summary(path("r.trb"))["requests"]
    same((got["offered"], got["ok"], got["failed"], got["unsent"], got["by_error"]),
         (5, 4, 1, 2, {"http_5xx": 1, "session": 2}), "summary")


@case("500 sessions of 4 turns on two threads, session by session and by turns: all sent, each after the one before")
def many():
    n = 500
    blocks = [talk(10 * i, "s%d" % i, 4, arrival=i * MS, out=2) for i in range(n)]
    by_turn = [b[k] for k in range(4) for b in blocks]

    def one(records, name):
        _, s, log, asked = go(records, "--session", "closed", "--threads", "2", "--history", "live", mock=("--ttft", "1ms", "--itl", "100us"),
                              name=name, status=0)
        by = s.by_id()
        same(len(log), 4 * n, name + ": requests")
        for b in blocks:
            for k in range(1, 4):
                check(by[b[k]["id"]]["due_ns"] == by[b[k - 1]["id"]]["end_ns"], "due when the one before ended")
                same(asked[b[k]["id"]]["messages"][:2 * k - 1], asked[b[k - 1]["id"]]["messages"], "the prompt goes on")
        same({r["status"] for r in s.records}, {"ok"}, "status")
    one([r for b in blocks for r in b], "by-session")
    one(by_turn, "by-turn")


@case("lengths alone: a closed conversation of words; each prompt begins with the one before")
def lengths():
    for history in "recorded", "live":
        records = talk(0, "a", 3, texts=False, out=5)
        for k, r in enumerate(records):
            r["in_tokens"] = 20 + 40 * k
        _, s, _, asked = go(records, "--session", "closed", "--history", history, "--nonce", "off", mock=("--template-tokens", "0"), name=history)
        for k in (1, 2):
            m = asked[k]["messages"]
            same(m[:2 * k - 1], asked[k - 1]["messages"], history + ": the prompt goes on")
            same(len(m[2 * k - 1]["content"].split()), 5, history + ": words of the answer")
            same(sum(len(x["content"].split()) for x in m), 20 + 40 * k, history + ": words of prompt %d" % (k + 1))
        same([r["seen_in_tokens"] for r in sorted(s.records, key=lambda r: r["id"])], [20, 60, 100], history + ": as the server counts")


@case("a turn whose earlier turns are not in the trace: lengths are sent at their own time, a part of a conversation is not")
def orphans():
    rows = talk(0, "a", 3)[1:] + talk(10, "b", 2, arrival=MS)
    rows[0]["arrival_ns"] = rows[1]["arrival_ns"] = MS
    for how in ("--session=closed",), ():
        if not how:
            rows[3]["arrival_ns"] = 2 * MS
        r, s, _, _ = go(rows, *how, name="o%d" % len(how))
        same({x["id"]: x["status"] for x in s.records}, {1: "unsent", 2: "unsent", 10: "ok", 11: "ok"}, str(how))
        check("2 session: not sent" in r.err, r.err)
    plain = talk(0, "a", 3, texts=False)[1:]
    for k, x in enumerate(plain):
        x["arrival_ns"] = 10 * k * MS
    _, s, _, _ = go(plain, "--session", "closed", name="lengths")
    same([x["status"] for x in s.records], ["ok", "ok"], "lengths")


@case("Ctrl-C in the middle of sessions: what waits is dropped and counted, nothing hangs")
def interrupted():
    records = [r for i in range(20) for r in talk(10 * i, "s%d" % i, 5, arrival=0, think=3600 * S)]
    with Mock("--log-bodies") as m:
        with child(["trace-replay", "--url", m.url, "--session", "closed", "-o", path("r.trb"), trace("in.jsonl", records)],
                   stderr=subprocess.PIPE) as p:
            wait_for(lambda: os.path.exists(m.log) and run("trace-convert", "-f", "jsonl", path("r.trb")).out.count(b'"status":"ok"') == 20,
                     "the first turns")
            p.send_signal(signal.SIGINT)
            err = p.communicate(timeout=LIMIT)[1].decode()
            same(p.returncode, 130, "status: " + err)
        same(len(m.stop()), 20, "requests")
    check("80 requests taken from the trace were not sent" in err, err)


@case("a server that dies: its sessions end, the run ends")
def dying():
    records = [r for i in range(8) for r in talk(10 * i, "s%d" % i, 3, arrival=0, think=2 * S)]
    with Mock("--log-bodies", "--ttft", "1ms", "--itl", "1ms") as m:
        with child(["trace-replay", "--url", m.url, "--session", "closed", "-o", path("r.trb"), trace("in.jsonl", records)],
                   stderr=subprocess.PIPE) as p:
            wait_for(lambda: run("trace-convert", "-f", "jsonl", path("r.trb")).out.count(b'"status":"ok"') >= 8, "the first turns")
            m.p.kill()
            err = p.communicate(timeout=LIMIT)[1].decode()
    s = Stream(path("r.trb"))
    same(len(s.records), 24, "a record for each turn")
    same({r["status"] for r in s.records} <= {"ok", "failed", "unsent"}, True, "statuses")
    check(sum(r["status"] == "unsent" for r in s.records) > 0 and "session: not sent" in err, err)


@case("options that do not go together are refused")
def refused():
    t = trace("in.jsonl", talk(0, "a", 1))
    for options, why in ((["--history", "live"], "--session closed"), (["--think", "1s"], "--session closed"),
                         (["--session", "closed", "--history", "live", "--api", "completions"], "history")):
        r = replay("--url", "http://127.0.0.1:1", *options, t).need(2)
        check(why in r.err, r.err)


@case("--dry-run of closed sessions counts the turns whose time is not known")
def dry():
    r = replay("--url", "http://127.0.0.1:1", "--session", "closed", "--dry-run", "--json", trace("in.jsonl", talk(0, "a", 3))).need(0)
    got = json.loads(r.out)
    same((got["requests"], got["turns_that_follow"]), (1, 2), "plan")


if __name__ == "__main__":
    sys.exit(main(4))
