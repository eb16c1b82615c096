# SPDX-License-Identifier: Apache-2.0
"""tokenizer_reference.py TOKENIZER TEXTS: what tokenizer_rate.c does, with Hugging Face `tokenizers` in one thread: first a line with the
seconds of loading and KiB, then for every line on stdin the seconds of encoding all texts: the least of its three calls (one text at a
time, all at once, all at once without offsets), and how many ids."""

import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
import tokenizers  # noqa: E402  (reads the environment)


def timed(work):
    start = time.monotonic()
    made = work()
    return time.monotonic() - start, made


def resident():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


before = resident()
seconds, t = timed(lambda: tokenizers.Tokenizer.from_file(sys.argv[1]))
print("%.6f %d %s" % (seconds, resident() - before, tokenizers.__version__), flush=True)
t.no_truncation()
t.no_padding()
with open(sys.argv[2], "rb") as f:
    content, texts, at = f.read(), [], 0
while at < len(content):
    n = int.from_bytes(content[at:at + 4], "little")
    texts.append(content[at + 4:at + 4 + n].decode("utf-8", "replace"))
    at += 4 + n
for _ in sys.stdin:
    runs = [timed(work) for work in (lambda: [t.encode(s) for s in texts], lambda: t.encode_batch(texts), lambda: t.encode_batch_fast(texts))]
    print("%.6f %d" % (min(s for s, _ in runs), sum(map(len, runs[0][1]))), flush=True)
