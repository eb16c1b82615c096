# SPDX-License-Identifier: Apache-2.0
"""How fast files of conversations are read, on one core: a ShareGPT array of MB megabytes (default 1000) out of the texts of REPRISE_DATA, or of
our sample without it, repeated with fresh ids. cat and json.load of a tenth of it beside it, round by round in turn. Medians of RUNS rounds
(default 3) after one that is not counted, and peak memory. Judges nothing."""

import json
import os
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RUNS = int(os.environ.get("RUNS", "3"))
SIZE = int(os.environ.get("MB", "1000")) * 1000000
DATA = os.environ.get("REPRISE_DATA")


def entries():
    names = ("llamafactory_glaive_toolcall_en_demo.json", "medicalgpt_sharegpt_zh.filtered.jsonl", "fastchat_dummy_conversation.json")
    for path in [os.path.join(DATA, "sharegpt", n) for n in names] if DATA else [os.path.join(HERE, "../../datasets/sharegpt/sample.json")]:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        yield from json.loads(text) if text.lstrip().startswith("[") else map(json.loads, text.strip().split("\n"))


def make(path, size):
    source, n, k = list(entries()), 0, 0
    with open(path, "wb") as f:
        f.write(b"[")
        while n < size:
            for e in source:
                text = (", " if k else "").encode() + json.dumps(dict(e, id="id%08d_%d" % (k, k % 7)), ensure_ascii=True if DATA is None else False).encode()
                f.write(text)
                n += len(text)
                k += 1
        f.write(b"]\n")
    return os.path.getsize(path), k


def once(command):
    """(wall seconds, peak MiB)"""
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
        os.execvp(command[0], command)
    _, status, used = os.wait4(pid, 0)
    if status:
        raise SystemExit("failed: %s" % command)
    return time.monotonic() - start, used.ru_maxrss / 1024


size, count = make("talks.json", SIZE)
small, _ = make("small.json", SIZE // 10)
cases = (("lengths alone (--no-payload)", size, ["trace-convert", "-q", "--no-payload", "talks.json", "-o", "talks.trb"]),
         ("to .trb, with texts", size, ["trace-convert", "-q", "talks.json", "-o", "talks.trb"]),
         ("cat of it", size, ["sh", "-c", "cat talks.json >/dev/null"]),
         ("python3 json.load of a tenth", small, ["python3", "-c", "import json; json.load(open('small.json', encoding='utf-8'))"]))
runs = {name: [] for name, _, _ in cases}
for i in range(RUNS + 1):
    for name, _, command in cases:
        got = once(command)
        if i:
            runs[name].append(got)
print("%d conversations, %d bytes" % (count, size))
print("%-32s %8s %8s %8s" % ("one core", "median", "MB/s", "MiB"))
for name, n, _ in cases:
    median = statistics.median(r[0] for r in runs[name])
    print("%-32s %7.2fs %8.0f %8.1f" % (name, median, n / median / 1e6, max(r[1] for r in runs[name])))
for name in "talks.json", "small.json", "talks.trb":
    os.unlink(name)
