# SPDX-License-Identifier: Apache-2.0
"""--self-test measures this machine, and --roofline holds a run against what it found. Prints TAP."""

import json
import os
import signal
import sys

from rig import Mock, case, check, child, main, path, replay, run, same, synth, wait_for


@case("--self-test: requests/s, events/s and lateness, all succeeded, and a run reads it back")
def _():
    found = json.loads(run("trace-replay", "--self-test", limit=120).need(0).out)
    same(found["schema"], "trace-selftest/1", "schema")
    for streams in "streams_64", "streams_1024":
        f = found[streams]
        same(f["failed"], 0, streams + " failed")
        check(f["requests"] > 100 and f["requests_per_s"] > 0, "%s: %s" % (streams, f))
        check(abs(f["events_per_s"] / f["requests_per_s"] - found["events_per_reply"]) < 1e-6, "events: %s" % f)
    p = found["paced"]
    same((p["failed"], p["requests"]), (0, 2001), "paced: failed, requests in 2 s")
    check(0 <= p["lateness_p50_us"] <= p["lateness_p99_us"] <= p["lateness_max_us"] * 1.01, "lateness: %s" % p)
    with open(path("roof.json"), "w") as f:
        json.dump(found, f)
    with Mock("--instant") as m:
        r = replay("--url", m.url, "--roofline", path("roof.json"), "-o", path("r.trb"), synth("t.trb", 20, 10))
    check("near the" not in r.err, r.err)


@case("--roofline: a run that comes near it is SUSPECT; a file of another kind is refused")
def _():
    trace = synth("t.trb", 50, 100)
    with open(path("low.json"), "w") as f:
        json.dump({"schema": "trace-selftest/1", "streams_1024": {"requests_per_s": 60}}, f)
    with open(path("other.json"), "w") as f:
        json.dump({"schema": "trace-summary/1"}, f)
    with Mock("--instant") as m:
        r = replay("--url", m.url, "--roofline", path("low.json"), "-o", path("r.trb"), trace)
        check("near the 60 that this client reaches" in r.err, r.err)
        for name, status, word in ("other.json", 3, "--self-test"), ("none.json", 1, "No such file"):
            r = replay("--url", m.url, "--roofline", path(name), "-o", path("n.trb"), trace)
            same(r.status, status, "status with " + name)
            check(word in r.err and name in r.err and not os.path.exists(path("n.trb")), r.err)


@case("--self-test interrupted: 130, and no half of a report")
def _():
    with child(["trace-replay", "--self-test", "-o", path("x.json")]) as p:
        wait_for(lambda: open("/proc/%d/task/%d/children" % (p.pid, p.pid)).read(), "the server to be started")
        p.send_signal(signal.SIGINT)
        same(p.wait(30), 130, "status")
    same(os.path.getsize(path("x.json")), 0, "bytes of a report")


if __name__ == "__main__":
    sys.exit(main(3))
