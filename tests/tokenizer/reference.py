# SPDX-License-Identifier: Apache-2.0
"""Makes expected.tsv again, with a Python that has Hugging Face `tokenizers`; or, with names, shows where our ids differ.

    reference.py > expected.tsv               all vocabularies in $REPRISE_VOCAB and all models in models/
    reference.py NAME CORPUS [MOST]           the first texts whose ids differ, of one vocabulary or model and one corpus

$REPRISE_DATA is the data folder, $REPRISE_BUILD the build whose tests/tokenizer/ids is held against the reference."""

import glob
import hashlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
from array import array

import texts

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402  (reads the environment)

HEAD = """\
# Numbers of the reference: Hugging Face tokenizers %s. Made by reference.py; README.md says how.
# vocabulary  name, SHA-256 of its file
# group       corpus, name, digest of its texts (texts.py), how many; of sources also git's name of the content
# ids         corpus, vocabulary, texts, ids, hashes, and the last two with add_special_tokens ("=": the same hashes).
#             A hash is 10 hex digits for each chunk of up to %d texts of a group, one behind the other: see ids.c.
"""


def hashed(rows):
    h = hashlib.sha256()
    for ids in rows:
        h.update(array("I", ids).tobytes() + texts.END)
    return h.hexdigest()[:10]


def paths():
    """name -> path of every vocabulary and model"""
    vocabularies = glob.glob(os.path.join(os.environ["REPRISE_VOCAB"], "*.json"))
    models = glob.glob(os.path.join(texts.HERE, "models", "*.json"))
    named = {os.path.basename(p)[:-5]: p for p in vocabularies}
    named.update({"models/" + os.path.basename(p)[:-5]: p for p in models})
    return dict(sorted(named.items()))


def corpora_of(name):
    every = texts.corpora(os.environ["REPRISE_DATA"])
    if name.startswith("models/"):
        for corpus in ("data", "lines"):
            del every[corpus]
    return dict(sorted(every.items()))


def opened(path):
    t = tokenizers.Tokenizer.from_file(path)
    t.no_truncation()
    t.no_padding()
    return t


def rows(name_path):
    name, path = name_path
    t = opened(path)
    with open(path, "rb") as f:
        out = ["vocabulary\t%s\t%s" % (name, hashlib.sha256(f.read()).hexdigest())]
    for corpus, make in corpora_of(name).items():
        count, sums, hashes = 0, [0, 0], ["", ""]
        for _, all_texts in make():
            for _, chunk in texts.chunks(all_texts):
                decoded = [b.decode("utf-8", "replace") for b in chunk]
                count += len(chunk)
                for special in (False, True):
                    ids = [t.encode(s, add_special_tokens=special).ids for s in decoded]
                    sums[special] += sum(map(len, ids))
                    hashes[special] += hashed(ids)
        if hashes[0] == hashes[1]:
            hashes[1] = "="
        out.append("ids\t%s\t%s\t%d\t%d\t%s\t%d\t%s" % (corpus, name, count, sums[0], hashes[0], sums[1], hashes[1]))
    print(name, "done", file=sys.stderr)
    return out


def make():
    print(HEAD % (tokenizers.__version__, texts.GROUP), end="")
    for corpus, groups in sorted(texts.corpora(os.environ["REPRISE_DATA"]).items()):
        for name, group in groups():
            more = "\t" + texts.blob(group[0]) if corpus == "sources" else ""
            print("group\t%s\t%s\t%s\t%d%s" % (corpus, name, texts.digest(group), len(group), more))
    with multiprocessing.Pool(int(os.environ.get("JOBS", "1"))) as pool:
        for out in pool.imap(rows, paths().items(), chunksize=1):
            print("\n".join(out), flush=True)


def differ(name, corpus, most=5):
    path = paths()[name]
    t = opened(path)
    groups = list(texts.corpora(os.environ["REPRISE_DATA"])[corpus]())
    every = [(group, i, b) for group, row in groups for i, b in enumerate(row)]
    seen = [0, 0]
    for special in (False, True):
        with tempfile.TemporaryFile() as f:
            f.write(texts.frames(b for _, _, b in every))
            f.seek(0)
            run = subprocess.run([os.path.join(os.environ["REPRISE_BUILD"], "tests/tokenizer/ids"), path] + ["--special"] * special,
                                 stdin=f, stdout=subprocess.PIPE, check=False)
        lines = run.stdout.decode().split("\n")
        for (group, i, b), line in zip(every, lines):
            want = t.encode(b.decode("utf-8", "replace"), add_special_tokens=special).ids
            got = [int(x) for x in line.split()]
            if want == got:
                continue
            seen[special] += 1
            if seen[special] <= most:
                at = next((k for k, (x, y) in enumerate(zip(want, got)) if x != y), min(len(want), len(got)))
                print("%s, %s, special %d, group %s, text %d: %r" % (name, corpus, special, group, i, b[:200]))
                for who, ids in (("reference", want), ("ours", got)):
                    print("   %-9s from %d of %d: %s" % (who, at, len(ids), [(x, t.id_to_token(x)) for x in ids[at:at + 6]]))
        print("%s, %s, special %d: %d of %d texts differ, status %d" % (name, corpus, special, seen[special], len(every), run.returncode))
    return any(seen)


if len(sys.argv) > 2:
    sys.exit(differ(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
make()
