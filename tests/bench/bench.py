# SPDX-License-Identifier: Apache-2.0
"""Runs each command several times in turn (A B C A B C ...), so that a drifting machine hits all alike; prints medians, spreads,
ratios within the run, and peak memory. Judges nothing."""

import os
import platform
import shutil
import statistics
import subprocess
import time

ROWS = int(os.environ.get("ROWS", "10000000"))
RUNS = int(os.environ.get("RUNS", "5"))
FULL = os.environ.get("FULL") == "1"
SYNTH = ("trace-synth --arrivals poisson:50/s --input normal:mean=2048,sd=1974,min=3,max=7437 "
         "--output normal:mean=28,sd=60,min=6,max=1899 --seed 1 --requests %d" % ROWS)


def once(command, cores):
    """(wall seconds, cpu seconds, peak MiB) of one command, its output thrown away."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, allowed)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        words = command.split()
        os.execvp(words[0], words)
    _, status, used = os.wait4(pid, 0)
    wall = time.monotonic() - start
    if status:
        raise SystemExit("failed: %s (status %#x)" % (command, status))
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def table(rows, count, cases):
    runs = {case[0]: [] for case in cases}
    for name, command, cores in cases:
        once(command, cores)
    for _ in range(RUNS):
        for name, command, cores in cases:
            runs[name].append(once(command, cores))
    print("%-34s %6s %7s %7s %7s %9s %7s" % (rows, "cores", "median", "min", "max", "M rows/s", "MiB"))
    medians = {}
    for name, command, cores in cases:
        walls = [r[0] for r in runs[name]]
        medians[name] = statistics.median(walls)
        print("%-34s %6d %6.2fs %6.2fs %6.2fs %9.2f %7.1f" % (
            name, cores, medians[name], min(walls), max(walls), count / medians[name] / 1e6, max(r[2] for r in runs[name])))
    return medians


def size(name, path, count):
    n = os.path.getsize(path)
    print("%-34s %12d bytes %7.3f a row" % (name, n, n / count))


def parquet(csv, out):
    try:
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        return False
    options = pyarrow.csv.ConvertOptions(timestamp_parsers=["%Y-%m-%d %H:%M:%S", pyarrow.csv.ISO8601],
                                         column_types={"TIMESTAMP": pyarrow.timestamp("ns")})
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(csv, convert_options=options), out, compression="zstd", compression_level=19)
    return True


def main():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            print("machine:", line.split(":", 1)[1].strip(), "x", os.cpu_count(), platform.release())
            break
    with open("s.csv", "wb") as f:
        subprocess.run(["./azure_rows", str(ROWS)], stdout=f, check=True)
    subprocess.run("trace-convert s.csv -o s.trb".split(), check=True)
    subprocess.run("trace-convert s.trb -f jsonl -o s.jsonl".split(), check=True)
    count = ROWS
    print("%d rows; medians of %d runs after one that is not counted; MiB is the peak of resident memory\n" % (count, RUNS))

    cases = [
        ("wc -l", "wc -l s.csv", 1),
        ("libcsv, empty callbacks", "./libcsv_null s.csv", 1),
        ("convert azure -> trb", "trace-convert s.csv -f trb -o out.trb", 1),
        ("convert azure -> trb (2)", "trace-convert s.csv -f trb -o out.trb", 2),
        ("convert trb -> azure", "trace-convert s.trb -f azure -o out.csv", 1),
        ("convert jsonl -> trb", "trace-convert s.jsonl -o out.trb", 1),
        ("convert trb -> jsonl", "trace-convert s.trb -o out.jsonl", 1),
        ("summarize trb", "trace-summarize s.trb", 1),
        ("summarize trb (2)", "trace-summarize s.trb", 2),
        ("summarize azure", "trace-summarize s.csv", 1),
        ("check trb", "trace-check --allow=tick,ties s.trb", 1),
        ("synth", SYNTH + " -o out.trb", 1),
    ]
    m = table("speed", count, cases)
    one, two = m["convert azure -> trb"], m["convert azure -> trb (2)"]
    print("\nconvert, one core, takes %.2f of libcsv with empty callbacks, %.1f of wc -l; two cores are %.2f times as fast as one"
          % (one / m["libcsv, empty callbacks"], one / m["wc -l"], one / two))
    print("summarize reads trb %.1f times as fast as azure\n" % (m["summarize azure"] / m["summarize trb"]))

    size("azure CSV", "s.csv", count)
    size("trb", "s.trb", count)
    if FULL:
        subprocess.run("zstd -q -f -19 -T0 s.csv -o s.csv.zst".split(), check=True)
        size("CSV, zstd -19", "s.csv.zst", count)
        if parquet("s.csv", "s.parquet"):
            size("parquet, zstd -19 (pyarrow)", "s.parquet", count)
    for name in ("out.trb", "out.csv", "out.jsonl", "s.jsonl"):
        os.remove(name)


if shutil.which("trace-convert"):
    main()
else:
    raise SystemExit("bench: the tools are not in PATH; use make bench")
