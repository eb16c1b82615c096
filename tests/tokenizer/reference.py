# SPDX-License-Identifier: Apache-2.0
"""With a Python that has Hugging Face `tokenizers`, and `tiktoken` for files of ranks:

    reference.py                       makes expected.tsv again, for all vocabularies in $REPRISE_VOCAB and all models of our own
    reference.py NAME CORPUS [MOST]    shows the first texts whose ids differ, of one vocabulary (or models/NAME) and one corpus

$REPRISE_DATA is the data folder, JOBS how many run at once (1), $REPRISE_BUILD the build whose tests/tokenizer/ids is held against the reference."""

import base64
import glob
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import types
from array import array

import models
import texts

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tiktoken  # noqa: E402
import tokenizers  # noqa: E402  (reads the environment)

HEAD = """\
# Numbers of the reference: Hugging Face tokenizers %s, tiktoken %s for ranks/. Made by reference.py; README.md says how.
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


def vocabularies():
    """name -> (bytes of its file), every public vocabulary and every model of our own"""
    made = {"models/" + name: content for name, content in models.composed().items()}
    for path in glob.glob(os.path.join(os.environ["REPRISE_VOCAB"], "*.json")):
        with open(path, "rb") as f:
            made[os.path.basename(path)[:-5]] = f.read()
    made.update({"ranks/" + name: models.ranks(made[name]) for name in models.RANKED})
    return dict(sorted(made.items()))


def corpora():
    return dict(sorted(texts.corpora(os.environ["REPRISE_DATA"]).items()))


def opened(name, content):
    if name.startswith("ranks/"):
        return Ranks(name[6:], content)
    t = tokenizers.Tokenizer.from_buffer(content)
    t.no_truncation()
    t.no_padding()
    return t


class Ranks:
    """tiktoken, with the pattern of the tokenizer.json that the ranks are from"""

    def __init__(self, name, content):
        with open(os.path.join(os.environ["REPRISE_VOCAB"], name + ".json"), encoding="utf-8") as f:
            pattern = json.load(f)["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
        pairs = (line.split() for line in content.splitlines())
        self.t = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks={base64.b64decode(p): int(i) for p, i in pairs}, special_tokens={})

    def encode(self, text, add_special_tokens=True):
        del add_special_tokens
        return types.SimpleNamespace(ids=self.t.encode_ordinary(text))

    def id_to_token(self, i):
        return self.t.decode_single_token_bytes(i)


def row(job):
    corpus, name, content = job
    t = opened(name, content)
    count, sums, hashes = 0, [0, 0], ["", ""]
    for _, all_texts in texts.of_model(corpus, corpora()[corpus](), name):
        for _, chunk in texts.chunks(all_texts):
            decoded = [b.decode("utf-8", "replace") for b in chunk]
            count += len(chunk)
            for special in (False, True):
                ids = [t.encode(s, add_special_tokens=special).ids for s in decoded]
                sums[special] += sum(map(len, ids))
                hashes[special] += hashed(ids)
    if hashes[0] == hashes[1]:
        hashes[1] = "="
    print(corpus, name, file=sys.stderr)
    return "ids\t%s\t%s\t%d\t%d\t%s\t%d\t%s" % (corpus, name, count, sums[0], hashes[0], sums[1], hashes[1])


def make():
    """Rows whose texts and vocabulary are those of the file that is there are kept."""
    out, jobs, kept = [HEAD % (tokenizers.__version__, tiktoken.__version__, texts.GROUP)], [], {}
    old = texts.Expected() if os.path.exists(texts.EXPECTED) else None
    same_version = old and old.head == out[0]
    for corpus, groups in corpora().items():
        group_rows = []
        for name, group in groups():
            more = "\t" + texts.blob(group[0]) if corpus == "sources" else ""
            group_rows.append("group\t%s\t%s\t%s\t%d%s\n" % (corpus, name, texts.digest(group), len(group), more))
        out += group_rows
        kept[corpus] = same_version and [g.row for g in old.groups.get(corpus, [])] == group_rows
    for name, content in vocabularies().items():
        sha = hashlib.sha256(content).hexdigest()
        out.append("vocabulary\t%s\t%s\n" % (name, sha))
        for corpus in corpora():
            if not texts.of_model(corpus, True, name):
                continue
            if kept[corpus] and old.vocabularies.get(name) == sha and (corpus, name) in old.ids:
                out.append(old.ids[corpus, name].row)
            else:
                jobs.append((len(out), (corpus, name, content)))
                out.append(None)
    with multiprocessing.Pool(int(os.environ.get("JOBS", "1"))) as pool:
        for (at, _), made in zip(jobs, pool.imap(row, [job for _, job in jobs], chunksize=1)):
            out[at] = made + "\n"
    with open(texts.EXPECTED, "w", encoding="utf-8") as f:
        f.write("".join(out))


def differ(name, corpus, most=5):
    content = vocabularies()[name]
    t = opened(name, content)
    groups = list(texts.of_model(corpus, corpora()[corpus](), name))
    every = [(group, i, b) for group, row in groups for i, b in enumerate(row)]
    seen = [0, 0]
    for special in (False, True):
        with tempfile.TemporaryFile() as f, tempfile.NamedTemporaryFile(suffix=".json") as vocabulary:
            vocabulary.write(content)
            vocabulary.flush()
            f.write(texts.frames(b for _, _, b in every))
            f.seek(0)
            run = subprocess.run([os.path.join(os.environ["REPRISE_BUILD"], "tests/tokenizer/ids"), vocabulary.name] + ["--special"] * special,
                                 stdin=f, stdout=subprocess.PIPE, check=False)
        lines = run.stdout.decode().split("\n")
        if len(lines) <= len(every):
            print("%s, %s: stopped at text %d of %d" % (name, corpus, len(lines) - 1, len(every)))
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
