# SPDX-License-Identifier: Apache-2.0
#
# An independent reference for what trace-summarize says of results: everything in lists, by definition.
#   results_reference.py make SEED > run.part      a random run, without trailer
#   results_reference.py check run.jsonl r.json    every figure of the report against it
import json
import math
import random
import sys
from fractions import Fraction

MS = 10**6


def make(seed):
    rng = random.Random(seed)
    rows, due = [], rng.randrange(5 * MS)
    for i in range(rng.choice((40, 300, 1500))):
        due += int(rng.expovariate(1) * 10 * MS)
        rows.append(request(rng, i, due))
    print('{"trace":{"version":1}}')
    for row in sorted(rows, key=lambda r: r.get("end_ns", r["due_ns"])):
        print(json.dumps(row))


def request(rng, i, due):
    events = rng.choice((0, 1, 2, 5, 30))
    row = dict(id=i, arrival_ns=due, in_tokens=rng.randrange(900), out_tokens=events, due_ns=due)
    row["status"] = rng.choice(("ok",) * 9 + ("failed", "censored"))
    if row["status"] != "ok" and rng.random() < 0.7:
        row["error"] = rng.choice(("timeout", "http_5xx", "truncated"))
    if row["status"] == "failed" and rng.random() < 0.3:
        return row
    row["sent_ns"] = due + rng.choice((0, 0, int(rng.expovariate(1) * MS), -5))
    if row["status"] == "censored" and rng.random() < 0.5:
        return row
    t = row["sent_ns"] + rng.randrange(100 * MS)
    if events:
        row["first_ns"] = t
        row["gaps_ns"] = [rng.randrange(40 * MS) for _ in range(events - 1)]
        t += sum(row["gaps_ns"])
        tokens = [rng.choice((0, 1, 1, 1, 3)) for _ in range(events)]
        if rng.random() < 0.7:
            row["event_tokens"] = tokens
        if rng.random() < 0.8:
            row["seen_out_tokens"] = sum(tokens)
            row["seen_in_tokens"] = row["in_tokens"] + (rng.random() < 0.1) * 13
    row["end_ns"] = t + rng.randrange(MS)
    if rng.random() < 0.5:
        row["reused"] = rng.randrange(2)
        row["connect_ns"] = rng.randrange(MS)
    return row


# --- the definitions ---------------------------------------------------------------------------------------------


def several(row):
    gaps = row.get("gaps_ns", [])
    tokens = row.get("event_tokens")
    itl = [g // n for g, n in zip(gaps, tokens[1:]) for _ in range(n)] if tokens and "gaps_ns" in row else []
    return {"icl_ms": gaps, "itl_ms": itl, "max_gap_ms": [max(gaps)] if gaps else []}


def span(row, start, end):
    return [row[end] - row[start]] if start in row and end in row and row[end] >= row[start] else []


def latencies(rows):
    out = {k: [] for k in "ttft e2e ttft_sent e2e_sent tpot icl itl max_gap connect tls lateness".split()}
    out = {k + "_ms": v for k, v in out.items()}
    for row in rows:
        out["lateness_ms"] += span(row, "due_ns", "sent_ns")
        if row["status"] != "ok":
            continue
        out["ttft_ms"] += span(row, "due_ns", "first_ns")
        out["e2e_ms"] += span(row, "due_ns", "end_ns")
        out["ttft_sent_ms"] += span(row, "sent_ns", "first_ns")
        out["e2e_sent_ms"] += span(row, "sent_ns", "end_ns")
        if row.get("seen_out_tokens", 0) > 1:
            out["tpot_ms"] += [v // (row["seen_out_tokens"] - 1) for v in span(row, "first_ns", "end_ns")]
        out["connect_ms"] += [row["connect_ns"]] if "connect_ns" in row else []
        for key, values in several(row).items():
            out[key] += values
    return out


PERCENTILES = {"p1": 10, "p5": 50, "p25": 250, "p50": 500, "p75": 750, "p90": 900, "p95": 950, "p99": 990, "p999": 999}


def nearest(values, k):
    return values[max(1, math.ceil(Fraction(len(values) * k, 1000))) - 1] if values else None


def same(what, got, want):
    if want is None or isinstance(want, str) or got is None or isinstance(got, str):
        assert got == want, (what, got, want)
    else:
        assert math.isclose(got, want, rel_tol=1e-12, abs_tol=1e-12), (what, got, want)


def check_percentiles(what, got, values):
    values = sorted(values)
    for key, k in PERCENTILES.items():
        v = nearest(values, k)
        same((what, key), got[key], "inf" if v == math.inf else v / 1e6 if v is not None else None)
    beyond = {key: len(values) * min(k, 1000 - k) / 1000 for key, k in PERCENTILES.items()}
    assert got.get("thin", []) == [k for k, n in beyond.items() if values and n < 10], (what, got)
    assert "error" not in got


def check_latencies(report, rows):
    lost = sum(row["status"] != "ok" for row in rows)
    for key, values in latencies(rows).items():
        got = report[key]
        assert got["count"] == len(values), (key, got["count"], len(values))
        if values:
            mean = Fraction(sum(values), len(values))
            same((key, "mean"), got["mean"], float(mean / MS))
            same((key, "max"), got["max"], max(values) / 1e6)
            same((key, "sd"), got["sd"], math.sqrt(sum((v - mean) ** 2 for v in values) / len(values)) / 1e6)
        check_percentiles(key, got, values)
        assert ("with_failures" in got) == (key.startswith("ttft") or key.startswith("e2e"))
        if "with_failures" in got:
            assert got["with_failures"]["infinite"] == lost
            check_percentiles(key, got["with_failures"], values + [math.inf] * lost)


def token_stamps(row):
    """(stamp, tokens) of each event."""
    gaps = row.get("gaps_ns", [])
    if "first_ns" in row:
        stamps = [row["first_ns"]]
    elif "end_ns" in row and not gaps:
        stamps = [row["end_ns"]]
    else:
        return []
    for gap in gaps:
        stamps.append(stamps[-1] + gap)
    if len(row.get("event_tokens", [])) == len(stamps):
        return list(zip(stamps, row["event_tokens"]))
    n, total = len(stamps), row.get("seen_out_tokens", 0)
    return [(t, total * (i + 1) // n - total * i // n) for i, t in enumerate(stamps)]


def in_flight(rows):
    """[(from, to, how many)] over all time."""
    changes = {}
    for row in rows:
        end = row.get("end_ns", math.inf)
        if "sent_ns" in row and end > row["sent_ns"]:
            for t, by in ((row["sent_ns"], 1), (end, -1)):
                changes[t] = changes.get(t, 0) + by
    times, n, out = sorted(changes), 0, []
    for t, to in zip(times, times[1:] + [math.inf]):
        n += changes[t]
        out.append((t, to, n))
    return out


def check_concurrency(report, rows):
    steps = in_flight(rows)
    first, last = min(r["due_ns"] for r in rows), max(r["due_ns"] for r in rows)
    inside = [(max(a, first), min(b, last), n) for a, b, n in steps if a < last and b > first]
    mean = Fraction(sum((b - a) * n for a, b, n in inside), last - first)
    assert report["concurrency"]["peak"] == max(n for a, b, n in steps if a != math.inf)
    same("mean", report["concurrency"]["mean"], float(mean))
    best, start, end = (0, None, None), None, None
    for a, b, n in inside:
        if 2 * n >= mean:
            start = a if end != a or start is None else start
            end = b
            best = max(best, (end - start, start, end), key=lambda x: x[0])
        else:
            start = None
    steady = report["windows"]["steady"]
    sent = [r["sent_ns"] for r in rows if "sent_ns" in r and r.get("end_ns", math.inf) > r["sent_ns"]]
    few = sum(best[1] <= t <= best[2] for t in sent) < 30
    if few or 10 * best[0] < last - first:
        assert steady is None, (steady, best)
        return
    same("steady", steady["start_s"], best[1] / 1e9)
    same("steady", steady["end_s"], best[2] / 1e9)


def check_window(got, rows, stamps):
    """Bins at the edges count whole: nothing inside is missing, what lies within a bin of an edge may be too much."""
    start, end = round(got["start_s"] * 1e9), round(got["end_s"] * 1e9)
    times = [t for row in rows for t in (row.get("sent_ns"), row.get("end_ns")) if t is not None] + [t for t, _ in stamps]
    width = (max(times) - min(times)) / 4096 + 1024
    flows = {
        "output_tokens": stamps,
        "requests": [(r["end_ns"], 1) for r in rows if r["status"] == "ok" and "end_ns" in r],
        "input_tokens_per_s": [(r["sent_ns"], r["in_tokens"]) for r in rows if "sent_ns" in r],
    }
    for key, flow in flows.items():
        exact = sum(n for t, n in flow if start <= t <= end)
        slack = sum(n for t, n in flow if min(abs(t - start), abs(t - end)) <= width) + 1e-6
        value = got[key] * ((end - start) / 1e9 if key.endswith("_per_s") else 1)
        assert -1e-6 <= value - exact <= slack, (key, value, exact, slack)
    same("rate", got["output_tokens_per_s"], got["output_tokens"] / ((end - start) / 1e9))
    same("rate", got["requests_per_s"], got["requests"] / ((end - start) / 1e9))


def check(stream, report):
    rows = [json.loads(line) for line in open(stream)][1:-1]
    report = json.load(open(report))
    requests = report["requests"]
    for status in "ok", "failed", "censored":
        assert requests[status] == sum(row["status"] == status for row in rows)
    check_latencies(report, rows)
    check_concurrency(report, rows)
    stamps = [s for row in rows for s in token_stamps(row)]
    due, end = [r["due_ns"] for r in rows], [r["end_ns"] for r in rows if "end_ns" in r]
    windows = report["windows"]
    same("whole", windows["whole"]["end_s"], max(end) / 1e9)
    same("arrival", windows["arrival"]["start_s"], min(due) / 1e9)
    same("arrival", windows["arrival"]["end_s"], max(due) / 1e9)
    inside = sum(n for t, n in stamps if min(due) <= t <= max(end))
    if min(r.get("sent_ns", min(due)) for r in rows) >= min(due) and all(t <= max(end) for t, _ in stamps):
        same("whole", windows["whole"]["output_tokens"], inside)
    for window in windows.values():
        if window:
            check_window(window, rows, stamps)
    sent = [r["sent_ns"] for r in rows if "sent_ns" in r]
    same("offered", report["rate"]["offered_per_s"], (len(due) - 1) / ((max(due) - min(due)) / 1e9))
    same("achieved", report["rate"]["achieved_per_s"], (len(sent) - 1) / ((max(sent) - min(sent)) / 1e9))
    tokens = report["tokens"]
    for key, field in ("in_asked", "in_tokens"), ("in_seen", "seen_in_tokens"), ("out_seen", "seen_out_tokens"):
        assert tokens[key] == sum(r.get(field, 0) for r in rows)
    assert tokens["in_mismatched"] == sum(r.get("seen_in_tokens", r["in_tokens"]) != r["in_tokens"] for r in rows)
    assert report["connections"]["new"] == sum(r.get("reused") == 0 for r in rows)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(int(sys.argv[2]))
    else:
        check(sys.argv[2], sys.argv[3])
