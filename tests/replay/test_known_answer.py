# SPDX-License-Identifier: Apache-2.0
"""Coordinated omission, with an answer that is known: 50 requests a second, a server that answers at once but for one freeze.
Whatever --max-inflight is, a latency from the due time shows every request that fell into the freeze. A client that measures
otherwise is wrong every time, so one right answer of three is enough. Prints TAP."""

import functools
import os
import sys

from rig import FULL, MS, Mock, Skip, Stream, case, check, main, note, replay, same, summary, synth, together

GAP = 20  # ms
REQUESTS, AT, FREEZE = (3000, 20010, 2000) if FULL else (600, 5010, 400)  # begins between two requests
TOLERANCE = 50  # ms
ATTEMPTS = 3


def nearest_rank(values, percent):
    return sorted(values)[(len(values) * percent + 99) // 100 - 1]


def expected(cap):
    """ms from due, and from sent. Of those in the freeze, the cap's number are on their way and the others go out at its end."""
    due, sent, on_their_way = [], [], 0
    for k in range(REQUESTS):
        frozen = AT <= k * GAP < AT + FREEZE
        due.append(AT + FREEZE - k * GAP if frozen else 0)
        goes_out = frozen and (not cap or on_their_way < cap)
        sent.append(due[-1] if goes_out else 0)
        on_their_way += goes_out
    return due, sent


def distance(s, cap):
    """What differs from the known answer."""
    due, sent = expected(cap)
    for key, values in ("e2e_ms", due), ("e2e_sent_ms", sent):
        for figure, want in ("p99", nearest_rank(values, 99)), ("max", max(values)):
            if abs(s[key][figure] - want) > TOLERANCE:
                yield "%s.%s is %.1f ms, not %d" % (key, figure, s[key][figure], want)


def attempt(trace, results, cap):
    with Mock("--instant", "--fault", "freeze:at=%dms,for=%dms" % (AT, FREEZE)) as m:
        r = replay("--url", m.url, "--api", "completions", "--no-probe", "--late", "%dms" % TOLERANCE,
                   *(["--max-inflight", cap] if cap else []), "-o", results, "--force", trace)
        log = m.stop()
    check(r.status in (0, 4), "status %d: %s" % (r.status, r.err))
    s = summary(results, r.status)
    stream = Stream(results)
    same(s["requests"]["ok"], REQUESTS, "requests that succeeded")
    same(s["requests"]["failed"] + s["requests"]["censored"], 0, "requests that failed")
    same(sorted(x["id"] for x in log), list(range(REQUESTS)), "ids that the server saw")
    same(stream.ids(), list(range(REQUESTS)), "ids in the results")
    return r, s, stream


def stalls(stream):
    """Requests that were late or slow while the server was well: the machine's doing, and neither the server's nor the cap's."""
    well = [x for x in stream.records if not AT - 1000 <= x["due_ns"] / MS <= AT + FREEZE + 1000]
    return sum(max(x["sent_ns"] - x["due_ns"], x["end_ns"] - x["sent_ns"]) > TOLERANCE * MS for x in well)


def known(cap):
    trace = synth("trace-%d.trb" % cap, 1000 // GAP, REQUESTS, 20, 1)
    for n in range(ATTEMPTS):
        r, s, stream = attempt(trace, trace + ".results.trb", cap)
        client, wrong, late = stream.event("client"), list(distance(s, cap)), stalls(stream)
        if not wrong and s["verdict"] != "VOID":
            break
        if n + 1 < ATTEMPTS:
            note("%s; %d requests far from the freeze were slow; %s: again" % ("; ".join(wrong), late, s["reasons"]))
    figures = ", ".join("%s p99 %.1f max %.1f mean %.2f" % (k, s[k]["p99"], s[k]["max"], s[k]["mean"]) for k in
                        ("e2e_ms", "e2e_sent_ms"))
    note("%s; %d held; %s: %s" % (figures, client["held"], s["verdict"], s["reasons"]))
    if late and (wrong or s["verdict"] == "VOID"):
        raise Skip("--max-inflight %s: the machine stood still %d times over" % (cap or "unset", ATTEMPTS))
    check(not wrong, "; ".join(wrong))
    frozen = FREEZE // GAP
    if cap and cap < frozen:
        check(client["held"] >= frozen - cap, "%d of %d counted as held" % (client["held"], frozen - cap))
    check(s["verdict"] != "VOID" and r.status == 0, "the server's freeze is not the client's fault: %s" % r.err)
    if cap and cap < frozen:
        check(s["verdict"] == "SUSPECT" and "--max-inflight held back" in s["reasons"],
              "held requests pass as %s: %s" % (s["verdict"], s["reasons"]))
        check(s["e2e_sent_ms"]["mean"] < s["e2e_ms"]["mean"], "the cap hides nothing from e2e_sent")
        if cap == 1 or FULL:
            check(s["e2e_sent_ms"]["p99"] < s["e2e_ms"]["p99"] / 2, "e2e_sent is not shown apart")
    if not cap:
        same(client["held"], 0, "held without a cap")


def all_at_once():
    """The four runs, side by side; each case then tells of its own."""
    caps = [0, 100, 10, 1]

    def one(cap):
        try:
            known(cap)
        except (AssertionError, Skip) as why:
            return why
        return None
    return dict(zip(caps, together([functools.partial(one, cap) for cap in caps])))


@case("a freeze of %d ms at 50/s, %d requests: from due, the same answer for any --max-inflight" % (FREEZE, REQUESTS))
def _():
    if os.path.basename(os.environ["REPRISE_BUILD"]) in ("asan", "ubsan", "tsan"):
        raise Skip("an instrumented server does not answer at once")
    ends = all_at_once()
    wrong = {cap: why for cap, why in ends.items() if isinstance(why, AssertionError)}
    check(not wrong, "\n".join("--max-inflight %s: %s" % (cap or "unset", why) for cap, why in wrong.items()))
    undecided = [str(why) for why in ends.values() if why]
    if undecided:
        raise Skip("; ".join(undecided))


@case("the arithmetic: p99 and maximum of the published case are 1.40 s and 2.0 s")
def _():
    values = [0] * 2900 + list(range(20, 2001, 20))
    same((nearest_rank(values, 99), max(values)), (1400, 2000), "p99, max in ms")


if __name__ == "__main__":
    sys.exit(main(2))
