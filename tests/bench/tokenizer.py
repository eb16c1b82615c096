# SPDX-License-Identifier: Apache-2.0
"""How fast tokenizers are on one core: MB/s of making ids and of counting, for every vocabulary in REPRISE_VOCAB, on English, code and
Chinese; the time and memory that loading takes. Texts come from REPRISE_DATA and the project's own C, as documents of natural length and
as the same text cut to pieces of 10 kB. With REPRISE_REFERENCE_PYTHON (a Python that has Hugging Face `tokenizers`), the reference's
single-thread rate in the same run, round by round in turn with ours, and the ratio. Medians of RUNS rounds (default 5) after one that is
not counted. Judges nothing."""

import glob
import json
import os
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RUNS = int(os.environ.get("RUNS", "5"))
MOST = int(os.environ.get("TOKENIZER_MB", "2")) * 1000000
PIECE = 10000


def conversations(name):
    with open(os.path.join(os.environ["REPRISE_DATA"], "sharegpt", name), encoding="utf-8") as f:
        rows = json.load(f) if name.endswith(".json") else map(json.loads, f)
        return [m["value"] for row in rows for m in row["conversations"]]


def prompts(path, *keys):
    with open(os.path.join(os.environ["REPRISE_DATA"], path), encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    return [t for row in rows for key in keys for t in (row[key] if isinstance(row[key], list) else [row[key]]) if isinstance(t, str)]


def code():
    names = sorted(n for folder in ("libtrace", "formats", "tools", "tests") for n in glob.glob(
        os.path.join(ROOT, folder, "**", "*.[ch]"), recursive=True))
    return [open(n, encoding="utf-8").read() for n in names]


def corpora():
    """name -> texts as bytes"""
    made = {"code": code()}
    if "REPRISE_DATA" in os.environ:
        made["English"] = prompts("spec-bench/question.jsonl", "turns") + conversations("fastchat_dummy_conversation.json")
        made["Chinese"] = conversations("medicalgpt_sharegpt_zh.filtered.jsonl")
    for name in ("English", "code", "Chinese"):
        if name in made:
            cut, total = [], 0
            for text in made[name]:
                if total < MOST:
                    cut.append(text.encode())
                    total += len(cut[-1])
            yield name, "natural", cut
            whole = b"".join(cut)
            yield name, "10 kB", [whole[i:i + PIECE].decode("utf-8", "ignore").encode() for i in range(0, len(whole), PIECE)]


class Program:
    def __init__(self, *command):
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]))
        self.loaded = self.line()
        self.rounds = []

    def line(self):
        line = self.p.stdout.readline()
        if not line:
            raise SystemExit("bench: %s ended" % self.p.args[0])
        return line.split()

    def round(self, counts):
        self.p.stdin.write("\n")
        self.p.stdin.flush()
        line = self.line()
        if counts:
            self.rounds.append(line)

    def median(self, column):
        return statistics.median(float(r[column]) for r in self.rounds)

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def measure(path, texts, python):
    with open("texts.bin", "wb") as f:
        for t in texts:
            f.write(len(t).to_bytes(4, "little") + t)
    ours = Program("./tokenizer_rate", path, "texts.bin")
    reference = Program(python, os.path.join(HERE, "tokenizer_reference.py"), path, "texts.bin") if python else None
    for n in range(RUNS + 1):
        for program in (ours, reference):
            if program:
                program.round(n > 0)
    for program in (ours, reference):
        if program:
            program.close()
    return ours, reference


def main():
    if "REPRISE_VOCAB" not in os.environ:
        print("tokenizers: no REPRISE_VOCAB, not measured")
        return
    python = os.environ.get("REPRISE_REFERENCE_PYTHON")
    paths = sorted(glob.glob(os.path.join(os.environ["REPRISE_VOCAB"], "*.json")))
    all_corpora = list(corpora())
    print("tokenizers, one core; medians of %d rounds; MB = 10^6 bytes; texts: %s\n" % (RUNS, ", ".join(
        "%s %s %.1f MB in %d" % (n, kind, sum(map(len, texts)) / 1e6, len(texts)) for n, kind, texts in all_corpora)))
    print("%-13s %-8s %-8s %9s %9s %9s %7s %9s" % ("vocabulary", "text", "pieces", "ids MB/s", "count", "reference", "ratio", "ids"))
    loads = []
    for path in paths:
        name, load = os.path.basename(path)[:-5], []
        for corpus, kind, texts in all_corpora:
            ours, theirs = measure(path, texts, python)
            size = sum(map(len, texts)) / 1e6
            load.append((ours.loaded, theirs.loaded if theirs else None))
            ids, same = ours.rounds[0][2], not theirs or theirs.rounds[0][1] == ours.rounds[0][2] == ours.rounds[0][3]
            print("%-13s %-8s %-8s %9.1f %9.1f %9s %7s %9s%s" % (
                name, corpus, kind, size / ours.median(0), size / ours.median(1), "%.1f" % (size / theirs.median(0)) if theirs else "-",
                "%.1f" % (theirs.median(0) / ours.median(0)) if theirs else "-", ids, "" if same else "  NOT AS MANY AS THE REFERENCE"),
                flush=True)
        loads.append((name, load))
    print("\n%-13s %8s %9s %9s %13s %7s" % ("vocabulary", "file MB", "load s", "MiB", "reference s", "MiB"))
    for path, (name, load) in zip(paths, loads):
        def median(who, column):
            return statistics.median(float(row[who][column]) for row in load)
        print("%-13s %8.1f %9.3f %9.0f %13s %7s" % (
            name, os.path.getsize(path) / 1e6, median(0, 0), median(0, 1) / 1024, "%.3f" % median(1, 0) if python else "-",
            "%.0f" % (median(1, 1) / 1024) if python else "-"))
    if os.path.exists("texts.bin"):
        os.remove("texts.bin")


main()
