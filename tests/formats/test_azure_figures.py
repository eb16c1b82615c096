#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Recomputes every figure of a trace from the CSV itself, exactly and naively (fractions, sorting, no library of ours), and
# holds trace-summarize against it: on the CSV and on the binary form of it, with both percentile methods. The
# published files are also held against constants computed elsewhere. Prints TAP. Run from the root of the repository,
# with the tools in PATH; the published files are looked for in the folder that REPRISE_DATA names.

import datetime
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
from fractions import Fraction

NS = 10**9
PERCENTILES = {"p1": 10, "p5": 50, "p25": 250, "p50": 500, "p75": 750, "p90": 900, "p95": 950, "p99": 990,
               "p999": 999}
STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)?")
# File: rows, sums, span in ns, and some figures with the digits that are published.
PUBLISHED = {
    "azure-llm-2023/AzureLLMInferenceTrace_code.csv": {
        "records": 8819, "input_tokens.sum": 18059974, "output_tokens.sum": 245896, "span_s": "3435.948056",
        "rate_per_s": "2.566686066339", "input_tokens.mean": "2047.848282", "input_tokens.sd": "1973.765369",
        "output_tokens.mean": "27.882526", "output_tokens.sd": "59.858856", "input_tokens.p50": 1469,
        "input_tokens.p90": 5194, "input_tokens.p95": 7315, "input_tokens.p99": 7436, "input_tokens.min": 3,
        "input_tokens.max": 7437, "output_tokens.p50": 13, "output_tokens.p90": 55, "output_tokens.p95": 90,
        "output_tokens.p99": 252, "output_tokens.min": 6, "output_tokens.max": 1899,
        "interarrival_s.mean": "0.389652", "interarrival_s.sd": "5.124422", "interarrival_s.cv": "13.151291",
        "interarrival_s.p50": "0.063784", "interarrival_s.p90": "0.273039", "interarrival_s.p95": "0.400846",
        "interarrival_s.p99": "2.205167", "interarrival_s.max": "217.168952", "interarrival_s.min": "0.000006",
        "burstiness.windows.0.windows": 3436, "burstiness.windows.0.max": 67,
        "burstiness.windows.0.max_index": 862, "burstiness.windows.0.empty": 2521,
        "burstiness.windows.0.dispersion": "13.181964", "burstiness.windows.2.windows": 58,
        "burstiness.windows.2.max": 632, "burstiness.windows.2.max_index": 14, "burstiness.windows.2.min": 0,
        "burstiness.windows.2.empty": 12, "burstiness.windows.2.dispersion": "160.543468", "ties": 0,
        "inversions": 0, "source.sha256": "54e9a6d2a4bd06ba1e060304b900abbc74cbea53de96506e60fe5bb4f2277fb6",
    },
    "azure-llm-2024/AzureLLMInferenceTrace_code_1week.rows3765335-3766358.csv": {
        "records": 1024, "input_tokens.sum": 3126240, "output_tokens.sum": 24314, "span_s": "350.813259",
        "input_tokens.mean": "3052.968750", "input_tokens.p50": 2104, "input_tokens.max": 7686,
        "input_tokens.min": 3, "output_tokens.mean": "23.744141", "output_tokens.p50": 9,
        "output_tokens.max": 1175, "output_tokens.min": 1, "interarrival_s.mean": "0.342926",
        "interarrival_s.cv": "1.122385", "interarrival_s.min": "0.000016", "interarrival_s.max": "3.607149",
        "burstiness.windows.2.windows": 6, "burstiness.windows.2.max": 186, "burstiness.windows.2.min": 148,
    },
    "inference-perf/trace.csv": {
        "records": 20, "input_tokens.sum": 11540, "output_tokens.sum": 1674, "span_s": "13.025088",
        "input_tokens.mean": 577, "input_tokens.min": 91, "input_tokens.max": 2221, "output_tokens.mean": "83.7",
        "output_tokens.min": 12, "output_tokens.max": 174,
        "source.sha256": "640b755cca147fa504a4de6abc9e2da9feb4e3b1a34955bc1b2ed42edccf9a92",
    },
}


# ---- the figures, from the text -------------------------------------------------------------------


def nanoseconds(stamp):
    date, hour, minute, second, fraction = STAMP.fullmatch(stamp).groups()
    days = (datetime.date.fromisoformat(date) - datetime.date(1970, 1, 1)).days
    whole = days * 86400 + int(hour) * 3600 + int(minute) * 60 + int(second)
    return whole * NS + int((fraction or "").ljust(9, "0"))


def read(path):
    with open(path, encoding="ascii", newline="") as f:
        lines = [line.strip() for line in f.read().split("\n")]
    names = [name.strip() for name in lines[0].split(",")]
    rows = [dict(zip(names, line.split(","))) for line in lines[1:] if line]
    return [(nanoseconds(row["TIMESTAMP"].strip()), int(row["ContextTokens"]), int(row["GeneratedTokens"]))
            for row in rows]


def percentile(ordered, k, method):
    p = Fraction(k, 1000)
    if method == "nearest":
        return Fraction(ordered[max(math.ceil(p * len(ordered)), 1) - 1])
    h = p * (len(ordered) - 1)
    low = math.floor(h)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (h - low) * (ordered[high] - ordered[low])


def root(fraction):
    """Square root of an exact fraction, to more digits than a double has."""
    scale = 10**40
    return Fraction(math.isqrt(fraction.numerator * scale**2 // fraction.denominator), scale)


def distribution(values, unit, method):
    names = ["sum", "mean", "sd", "cv", "min", "max", *PERCENTILES]
    n = len(values)
    if n == 0:
        return {"count": 0, **dict.fromkeys(names)}
    ordered = sorted(values)
    mean = Fraction(sum(values), n)
    sd = root(Fraction(sum(v * v for v in values), n) - mean * mean)
    figures = {"sum": sum(values), "mean": mean, "sd": sd, "min": ordered[0], "max": ordered[-1]}
    figures |= {name: percentile(ordered, k, method) for name, k in PERCENTILES.items()}
    figures = {name: Fraction(v) / unit for name, v in figures.items()}
    return {"count": n, "cv": sd / mean if mean else None, **figures}


def windows(arrivals, seconds):
    width = seconds * NS
    counts = [0] * ((arrivals[-1] - arrivals[0]) // width + 1)
    for t in arrivals:
        counts[(t - arrivals[0]) // width] += 1
    mean = Fraction(sum(counts), len(counts))
    variance = sum((c - mean)**2 for c in counts) / len(counts)
    return {"width_s": seconds, "windows": len(counts), "max": max(counts), "max_index": counts.index(max(counts)),
            "min": min(counts), "empty": counts.count(0), "dispersion": variance / mean}


def summary(rows, method):
    stamps = [row[0] for row in rows]
    arrivals = sorted(stamps)
    gaps = [b - a for a, b in zip(arrivals, arrivals[1:])]
    span = Fraction(arrivals[-1] - arrivals[0], NS)
    gap = distribution(gaps, NS, method)
    return {
        "records": len(rows), "span_s": span, "rate_per_s": len(rows) / span if span else None,
        "input_tokens": distribution([row[1] for row in rows], 1, method),
        "output_tokens": distribution([row[2] for row in rows], 1, method), "interarrival_s": gap,
        "zero_input_tokens": sum(row[1] == 0 for row in rows),
        "zero_output_tokens": sum(row[2] == 0 for row in rows),
        "inversions": sum(b < a for a, b in zip(stamps, stamps[1:])), "ties": gaps.count(0),
        "burstiness": {"interarrival_cv": gap["cv"], "windows": [windows(arrivals, s) for s in (1, 10, 60)],
                       "approximate": False},
        "percentile_method": method, "sorted": True, "late": 0, "sessions": None, "state": "complete",
        "kind": "trace", "schema": "trace-summary/1", "skipped": 0,
    }


# ---- the comparison ---------------------------------------------------------------------------------


def differences(want, got, path=""):
    """Where got is not what is wanted; keys that are not wanted may be there."""
    if isinstance(want, dict):
        for key, value in want.items():
            if not isinstance(got, dict) or key not in got:
                yield f"{path}{key}: missing"
            else:
                yield from differences(value, got[key], f"{path}{key}.")
    elif isinstance(want, list):
        if not isinstance(got, list) or len(got) != len(want):
            yield f"{path}: want {len(want)} elements, got {got!r}"
        else:
            for i, value in enumerate(want):
                yield from differences(value, got[i], f"{path}{i}.")
    elif isinstance(want, Fraction):
        close = isinstance(got, (int, float)) and abs(Fraction(got) - want) <= abs(want) * Fraction(1, 10**14)
        if not close:
            yield f"{path}: want {float(want)!r}, got {got!r}"
    elif want != got or type(want) is not type(got):
        yield f"{path}: want {want!r}, got {got!r}"


def at(tree, path):
    for key in path.split("."):
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    return tree


def same_digits(want, got):
    """A constant as published: an integer, a hash, or a decimal with as many digits as are given."""
    if not isinstance(want, str) or not re.fullmatch(r"\d+\.\d+", want):
        return want == got
    return f"{got:.{len(want.split('.')[1])}f}" == want


def summarize(path, method):
    out = subprocess.run(["trace-summarize", "--json", "--percentile-method", method, path], check=True,
                         stdout=subprocess.PIPE).stdout
    return json.loads(out)


class Tap:
    def __init__(self):
        self.n, self.failed = 0, 0

    def result(self, name, problems):
        self.n += 1
        problems = list(problems)
        self.failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {self.n} - {name}")
        for problem in problems[:20]:
            print(f"# {problem}")

    def skip(self, name, why):
        self.n += 1
        print(f"ok {self.n} - {name} # SKIP {why}")

    def done(self):
        print(f"1..{self.n}")
        return 1 if self.failed else 0


def check(tap, name, path, folder):
    rows = read(path)
    binary = os.path.join(folder, "converted.trb")
    subprocess.run(["trace-convert", "-o", binary, path], check=True)
    for method in ("nearest", "linear"):
        want = summary(rows, method)
        tap.result(f"{name}: {method}, CSV", differences(want, summarize(path, method)))
        tap.result(f"{name}: {method}, binary", differences(want, summarize(binary, method)))


# ---- generated files --------------------------------------------------------------------------------


def stamp(ns, digits):
    moment = datetime.datetime(2023, 11, 16) + datetime.timedelta(seconds=ns // NS)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{ns % NS:09d}"[:20 + digits]


def write(path, rows):
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    text += "\r\n".join(f"{stamp(t, 7)},{i},{o}" for t, i, o in rows)
    with open(path, "w", encoding="ascii", newline="") as f:
        f.write(text)


def generated():
    rng = random.Random(20231116)
    bursts, t = [], 0
    for _ in range(5000):
        t += rng.choice([0, 100, 700, rng.randrange(10**5, 10**8, 100), rng.randrange(0, 5 * 10**9, 100)])
        bursts.append((t, rng.randrange(0, 9000), min(int(rng.paretovariate(0.9)) - 1, 10**6)))
    shuffled = bursts[:]
    rng.shuffle(shuffled)
    nearly = sorted(bursts, key=lambda row: (row[0] + rng.randrange(0, 4 * 10**9), row))
    edges = [(k * 10**9, 1, 1) for k in (0, 1, 9, 10, 59, 60, 61, 119, 120)]
    return {"bursts and ties": bursts, "nearly in order": nearly, "in no order": shuffled,
            "on the edges of windows": edges, "one row": bursts[:1], "two rows": bursts[:2],
            "all at once": [(7 * NS, 5, 5)] * 30}


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in generated().items():
            path = os.path.join(folder, "generated.csv")
            write(path, rows)
            check(tap, f"generated, {name}", path, folder)
        for name, constants in PUBLISHED.items():
            data = os.environ.get("REPRISE_DATA")
            if not data:
                tap.skip(name, "REPRISE_DATA is unset")
                continue
            path = os.path.join(data, name)
            check(tap, name, path, folder)
            got = summarize(path, "nearest")
            tap.result(f"{name}: published figures", (f"{key}: want {want}, got {at(got, key)}"
                                                      for key, want in constants.items()
                                                      if not same_digits(want, at(got, key))))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
