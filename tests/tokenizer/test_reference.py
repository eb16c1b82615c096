# SPDX-License-Identifier: Apache-2.0
"""Token ids against the numbers of the reference in expected.tsv: every vocabulary in REPRISE_VOCAB, files of ranks made of some of
them, and every model of our own, on the corpora of texts.py, with and without added tokens. The short form takes of some corpora every
second or eighth chunk, other ones for each vocabulary, so that eight vocabularies between them see all; REPRISE_FULL=1 takes everything.
Prints TAP."""

import hashlib
import os
import subprocess
import sys
import tempfile

import models
import texts

BUILD = os.environ.get("REPRISE_BUILD") or os.path.join(texts.ROOT, "build")
IDS = os.path.join(BUILD, "tests/tokenizer/ids")
FULL = os.environ.get("REPRISE_FULL") == "1"
SHARE = {} if FULL else {"data": 2, "lines": 8, "long": 8, "random": 8, "sweep": 4}
MODEL_SHARE = {} if FULL else {"random": 20, "sweep": 19, "special": 4}


class Corpus:
    """The chunks of a corpus as far as their texts are still those of the numbers."""

    def __init__(self, name, made, expected):
        self.name, self.chunks, self.gone, self.past = name, [], [], 0
        made = dict(made)
        for group in expected:
            row = made.get(group.name)
            if row is not None and texts.digest(row) != group.digest:
                row = None
            if row is None and group.blob:
                row = self.history(group)
            if row is None:
                self.gone.append(group.name)
                row = [None] * group.texts
            for start, chunk in texts.chunks(row):
                self.chunks.append(("%s, texts %d to %d" % (group.name, start, start + len(chunk) - 1),
                                    None if chunk[0] is None else texts.frames(chunk) + texts.END))
        self.groups = len(expected)

    def history(self, group):
        """A source that has changed since, as git still has it."""
        run = subprocess.run(["git", "-C", texts.ROOT, "cat-file", "blob", group.blob], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False)
        if run.returncode or texts.digest([run.stdout]) != group.digest:
            return None
        self.past += 1
        return [run.stdout]

    def state(self):
        return "%s: %d of %d groups of texts are those of the numbers%s" % (
            self.name, self.groups - len(self.gone), self.groups, ", %d from the history" % self.past if self.past else "")


def judge(path, name, number, corpora, expected):
    """(corpus, problems) of one vocabulary; one run of `ids` for all of them"""
    plan = []
    with tempfile.TemporaryFile() as f:
        for corpus in corpora:
            wanted = expected.ids.get((corpus.name, name))
            share = (MODEL_SHARE if "/" in name else SHARE).get(corpus.name, 1)
            for n, (where, frames) in enumerate(corpus.chunks[:len(wanted.hashes[0])] if wanted else []):
                if frames and n % share == number % share:
                    f.write(frames)
                    plan.append((corpus.name, n, where))
        f.seek(0)
        run = subprocess.run([IDS, path, "--hash"], stdin=f, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    lines = run.stdout.decode().splitlines()
    problems = {corpus.name: [] for corpus in corpora if (corpus.name, name) in expected.ids}
    sums = {corpus: [0, 0] for corpus in problems}
    count = dict.fromkeys(problems, 0)
    for (corpus, n, where), line in zip(plan, lines):
        ids, hashes = line.split()[::2], line.split()[1::2]
        count[corpus] += 1
        for special in (0, 1):
            sums[corpus][special] += int(ids[special])
            if hashes[special] != expected.ids[corpus, name].hashes[special][n]:
                problems[corpus].append("%s: other ids, special tokens %s" % (where, "added" if special else "not added"))
    if run.returncode or len(lines) != len(plan):
        problems[plan[min(len(lines), len(plan) - 1)][0]].append(
            "ended with %d after %d of %d chunks: %s" % (run.returncode, len(lines), len(plan), run.stderr.decode()[:400].strip()))
    for corpus, found in problems.items():
        wanted = expected.ids[corpus, name]
        if not found and count[corpus] == len(wanted.hashes[0]) and tuple(sums[corpus]) != wanted.sums:
            found.append("%s ids in all, not %s" % (sums[corpus], wanted.sums))
        if not found and not count[corpus]:
            found.append("no texts to compare")
    return problems


def vocabularies(expected, folder):
    """(name, path of its file, which may not be there)"""
    for name, content in models.composed().items():
        path = os.path.join(folder, name + ".json")
        with open(path, "wb") as f:
            f.write(content)
        yield "models/" + name, path
    public = {name: os.path.join(os.environ.get("REPRISE_VOCAB", ""), name + ".json") for name in sorted(expected.vocabularies)
              if "/" not in name}
    yield from public.items()
    for name in models.RANKED:
        path = os.path.join(folder, name + ".ranks")
        if os.path.isfile(public[name]):
            with open(public[name], "rb") as f, open(path, "wb") as out:
                out.write(models.ranks(f.read()))
        yield "ranks/" + name, path


def main():
    expected = texts.Expected()
    data = os.environ.get("REPRISE_DATA")
    n = failed = 0

    def case(name, problems):
        nonlocal n, failed
        n += 1
        print("%s %d - %s" % ("not ok" if problems else "ok", n, name))
        for p in problems[:8]:
            print("#   " + p)
        failed += bool(problems)

    def skip(name, why):
        nonlocal n
        n += 1
        print("ok %d - %s # SKIP %s" % (n, name, why))

    corpora = []
    for name, make in texts.corpora(data).items():
        corpora.append(Corpus(name, make(), expected.groups[name]))
        print("# " + corpora[-1].state())
        # Sources change, and data folders have more or less in them; what is made here does not.
        enough = {"sources": 2, "data": 2, "lines": 2}.get(name)
        case("reference: texts of " + name, [] if len(corpora[-1].gone) * (enough or 10000) <= corpora[-1].groups else
             ["not those of the numbers: " + ", ".join(corpora[-1].gone[:10])])
    if not data:
        skip("reference: texts of data and lines", "no REPRISE_DATA")
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, path) in enumerate(vocabularies(expected, folder)):
            if name not in expected.vocabularies:
                case("reference: " + name, ["no numbers for it"])
                continue
            if not os.path.isfile(path):
                skip("reference: " + name, "no such file in REPRISE_VOCAB")
                continue
            with open(path, "rb") as f:
                if hashlib.sha256(f.read()).hexdigest() != expected.vocabularies[name]:
                    skip("reference: " + name, "not the file that the numbers were made with")
                    continue
            problems = judge(path, name, number, corpora, expected)
            if "/" in name:
                case("reference: " + name, [corpus + ": " + p for corpus, row in problems.items() for p in row])
            else:
                for corpus, row in problems.items():
                    case("reference: %s, %s" % (name, corpus), row)
    print("1..%d" % n)
    return failed > 0


sys.exit(main())
