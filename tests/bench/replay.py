# SPDX-License-Identifier: Apache-2.0
"""trace-replay against trace-mock: punctuality beside a bare control, stamps against the server's own log, requests and events a
second beside wrk (where it is installed), memory. Prints; judges nothing. Client and server have a core each where there are two."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time

RUNS = int(os.environ.get("RUNS", "3"))
REQUESTS = int(os.environ.get("REQUESTS", "1000000"))
EVENTS = 16
CORES = sorted(os.sched_getaffinity(0))
CLIENT, SERVER = CORES[0], CORES[1 % len(CORES)]


class Mock:
    """The simulated server, on a core or anywhere."""

    def __init__(self, *options, core=None):
        command = ["trace-mock", "--port", "0", "--duration", "600s", *options]
        self.process = subprocess.Popen((["taskset", "-c", str(core)] if core is not None else []) + command,
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


def rank(values, share):
    values = sorted(values)
    return values[max(0, min(len(values), -(-int(share * 1000) * len(values) // 1000)) - 1)]


def replay(url, *options, core=None):
    """Its last line on standard error, wall seconds, cpu seconds, peak MiB."""
    command = (["taskset", "-c", str(core)] if core is not None else []) + ["trace-replay", "--url", url, *options]
    start = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    said = process.stderr.read()
    process.stderr.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 4):
        sys.exit("trace-replay: status %d: %s" % (process.returncode, said))
    return said.strip().split("\n")[-1], time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def records(path):
    out = subprocess.run(["trace-convert", path, "-f", "jsonl"], stdout=subprocess.PIPE, check=True).stdout
    zero, rows = None, []
    for line in out.splitlines():
        row = json.loads(line)
        if "id" in row:
            rows.append(row)
        elif row.get("event", {}).get("text") == "time zero":
            zero = json.loads(row["event"]["data"])["mono_ns"]
    return zero, rows


def stamp_errors(zero, rows, log):
    """Client's stamp of each token event less the server's of its write, in ms."""
    writes = {}
    for line in open(log):
        row = json.loads(line)
        writes[row["id"]] = row["writes_ns"][row["first_token"] or 0:]
    errors = []
    for row in rows:
        at = row["first_ns"] + zero
        server = iter(writes[str(row["id"])])
        errors.append((at - next(server)) / 1e6)
        for gap in row["gaps_ns"]:
            at += gap
            errors.append((at - next(server)) / 1e6)
    return errors


def workload():
    path = os.path.join(os.environ.get("REPRISE_DATA", ""), "azure-llm-2023", "AzureLLMInferenceTrace_code.csv")
    if os.path.exists(path):
        print("trace: Azure code 2023, --start 849.473156s --duration 10m --speed 20")
        return ["--start", "849.473156s", "--duration", "10m", "--speed", "20", path]
    subprocess.run("trace-synth --arrivals poisson:91.2/s --input normal:mean=2082,sd=1974,min=3,max=7437 "
                   "--output normal:mean=26,sd=60,min=6,max=800 --requests 2737 -o replay.trb".split(), check=True)
    print("trace: synthetic, 2,737 requests at 91.2/s (REPRISE_DATA is not set)")
    return ["replay.trb"]


def control():
    out = subprocess.run(["bin/spin_control", "91.2", "10"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [float(x) for x in out.split()]


def punctual():
    trace = workload()
    print("%-10s %9s %9s %9s | %9s %9s | %9s %9s %9s   verdict" % (
        "", "late p50", "p99", "max", "control", "p99", "stamps", "p99", "least"))
    for run in range(RUNS):
        before = control()
        with Mock("--ttft", "20ms", "--itl", "5ms", "--log", "server.jsonl") as mock:
            said = replay(mock.url, "--api", "completions", "--threads", "2", "--force", "-o", "run.trb", *trace)[0]
        after = control()
        zero, rows = records("run.trb")
        late = [(r["sent_ns"] - r["due_ns"]) / 1e6 for r in rows]
        errors = stamp_errors(zero, rows, "server.jsonl")
        os.remove("server.jsonl")
        print("run %-6d %9.3f %9.3f %9.3f | %9.3f %9.3f | %9.4f %9.4f %9.4f   %s" % (
            run + 1, rank(late, 0.5), rank(late, 0.99), max(late), max(before[0], after[0]), max(before[1], after[1]),
            rank(errors, 0.5), rank(errors, 0.99), min(errors), said.split(":")[1].strip()))
    print("ms; lateness is sent - due; the control sleeps and spins, no HTTP, before and after each run (the worse of two);\n"
          "stamps: the client's of each token event less the server's before its write()\n")


LUA = """wrk.method = "POST"
wrk.path = "/v1/completions"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"model":"mock","prompt":"one two three","max_tokens":%d,"min_tokens":%d,"ignore_eos":true,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}'
""" % (EVENTS, EVENTS)


def wrk(url, streams):
    open("post.lua", "w").write(LUA)
    out = subprocess.run(["taskset", "-c", str(CLIENT), "wrk", "-t1", "-c%d" % streams, "-d5s", "-s", "post.lua", url],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(next(l for l in out.splitlines() if l.startswith("Requests/sec")).split()[1])


def fast(n, path):
    subprocess.run(("trace-synth --arrivals constant:1000000/s --input fixed:16 --output fixed:%d --requests %d -o %s" % (
        EVENTS, n, path)).split(), check=True)


def throughput():
    fast(100000, "fast.trb")
    print("%-14s %12s %12s %12s %8s %10s" % ("streams", "wrk req/s", "ours req/s", "events/s", "ratio", "us CPU/req"))
    for streams in (64, 1024):
        peer, ours, cpu = [], [], []
        for _ in range(RUNS):
            with Mock("--instant", core=SERVER) as mock:
                if shutil.which("wrk"):
                    peer.append(wrk(mock.url, streams))
                _, _, used, _ = replay(mock.url, "--api", "completions", "--max-inflight", str(streams), "--connections",
                                       str(streams), "--force", "-o", "fast-run.trb", "fast.trb", core=CLIENT)
            report = json.loads(subprocess.run(["trace-summarize", "--json", "fast-run.trb"], stdout=subprocess.PIPE).stdout)
            if report["requests"]["ok"] != 100000:
                sys.exit("not all succeeded: %s" % report["requests"])
            ours.append(report["rate"]["achieved_per_s"])
            cpu.append(used / 100000 * 1e6)
        mine = statistics.median(ours)
        theirs = statistics.median(peer) if peer else float("nan")
        print("%-14d %12.0f %12.0f %12.0f %8.2f %10.1f" % (
            streams, theirs, mine, mine * EVENTS, mine / theirs, statistics.median(cpu)))
    print("medians of %d; %d events a reply in one write, usage in each, [DONE]; the same request from both; all threads of the client on one core\n" % (
        RUNS, EVENTS))


def memory():
    fast(REQUESTS, "many.trb")
    with Mock("--instant") as mock:
        said, wall, cpu, peak = replay(mock.url, "--api", "completions", "--max-inflight", "1024", "--force", "-o", "many-run.trb",
                                       "many.trb")
    report = json.loads(subprocess.run(["trace-summarize", "--json", "many-run.trb"], stdout=subprocess.PIPE).stdout)
    print("%d requests, 1,024 at once: %d ok, %.1f s, %.1f s of CPU, peak %.1f MiB; results %.1f MB" % (
        REQUESTS, report["requests"]["ok"], wall, cpu, peak, os.path.getsize("many-run.trb") / 1e6))
    os.remove("many.trb")
    os.remove("many-run.trb")


def main():
    what = sys.argv[1:] or ["punctual", "throughput", "memory"]
    for name in what:
        {"punctual": punctual, "throughput": throughput, "memory": memory}[name]()


main()
