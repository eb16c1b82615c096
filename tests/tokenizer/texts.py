# SPDX-License-Identifier: Apache-2.0
"""The texts that token ids are compared on. Every text is bytes, mostly UTF-8; what is not is what its lossy decoding gives
(bytes.decode("utf-8", "replace")). A corpus is a row of groups (name, texts); only the standard library is used, and nothing
that differs from one version of Python to the next, so that the numbers in expected.tsv stay those of the same texts:

    data     of the data folder's files: all JSON string values, decoded (.json, .jsonl; keys are not values), and all lines of
             files of other kinds; within a file each text once
    lines    the lines of the .json and .jsonl files as they stand, each once
    sources  the project's own files, each as one text
    special  texts and families of texts that are hard for one reason or another (special.py)
    long     a megabyte of this or that, most without a space (special.py)
    sweep    every code point that Unicode 14 assigns, 16 to a text, between letters, digits and spaces
    random   100,000 strings of 1 to 40 code points that Unicode 14 assigns
    invalid  bytes that are not UTF-8

Chance is splitmix64 (Steele, Lea and Flood, OOPSLA 2014), begun for each group of 500 texts by its number."""

import collections
import gzip
import hashlib
import json
import os
import subprocess

from special import long_texts, special

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MASK = (1 << 64) - 1
GROUP = 500
RANDOM = 100000


class Chance:
    def __init__(self, seed):
        self.state = seed * 0xd1342543de82ef95 & MASK

    def below(self, n):
        self.state = x = self.state + 0x9e3779b97f4a7c15 & MASK
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
        x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
        return ((x ^ x >> 31) * n) >> 64

    def of(self, row):
        return row[self.below(len(row))]


def assigned():
    """All code points that Unicode 14 assigns, but surrogates and private ones: assigned.txt has gaps and lengths in turn."""
    at, all_of = 0, []
    with open(os.path.join(HERE, "assigned.txt"), encoding="ascii") as f:
        numbers = [int(n, 16) for line in f if line[0] != "#" for n in line.split()]
    for gap, length in zip(numbers[::2], numbers[1::2]):
        at += gap
        all_of.extend(range(at, at + length))
        at += length
    return all_of


def strings(value):
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def data_files(folder):
    """(path within the folder, content, how many kinds of JSON: "json", "jsonl" or "")"""
    for path in sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names):
        with open(os.path.join(folder, path), "rb") as f:
            content = f.read()
        name = path
        if path.endswith(".gz"):
            name, content = path[:-3], gzip.decompress(content)
        kind = name.rpartition(".")[2]
        yield path, content, kind if kind in ("json", "jsonl") else ""


def data(folder):
    for path, content, kind in data_files(folder):
        if kind == "json":
            texts = strings(json.loads(content))
        elif kind == "jsonl":
            texts = (s for line in content.split(b"\n") if line.strip() for s in strings(json.loads(line)))
        else:
            texts = content.split(b"\n")
        yield path, list(dict.fromkeys(texts))


def lines(folder):
    for path, content, kind in data_files(folder):
        if kind:
            yield path, list(dict.fromkeys(content.split(b"\n")))


def sources():
    """The tree as it is now, without the numbers themselves."""
    names = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], stdout=subprocess.PIPE, check=True).stdout
    for name in sorted(names.decode().split("\0")):
        path = os.path.join(ROOT, name)
        if name and name != "tests/tokenizer/expected.tsv" and os.path.isfile(path):
            with open(path, "rb") as f:
                yield name, [f.read()]


COMMON = [ord(c) for c in "abcdefgh ABC   '  0123456789.,!?\n\n\r\t-_/\\\"'''stSTlldmreve "]
ODD = [0x85, 0xa0, 0x180e, 0x200b, 0x2028, 0x3000, 0x301, 0x300, 0x323, 0x17f, 0x212a, 0x1100, 0x1161, 0x11a8, 0xac00, 0x200d,
       0x1f600, 0xfe0f, 0x1f3fd, 0x1f1e6, 0x4e00, 0x3042, 0x30a2, 0x641, 0x660, 0x2581, 0xff21, 0x130, 0xfb01, 0xdf, 0x2019,
       0xfffd, 0xfeff, 0x0, 0x1, 0x7f, 0x9, 0xb, 0xc, 0x1c, 0x1f, 0xad, 0x61c, 0xe33, 0xe31, 0x5d0, 0x5b0, 0x64b, 0x1d7ce, 0x2160]
BLANK = [0x20] * 8 + [0xa] * 4 + [0xd, 0xd, 0x9, 0x9, 0xb, 0xc, 0x85, 0xa0, 0x2003, 0x2028, 0x3000]
MIX = COMMON + ODD


def random_text(chance, every, known):
    """Code points: of all (0, 1), of ASCII (2), of ASCII with odd ones (3), from around one that is drawn (4, 5: mostly one script;
    with ASCII between), blanks and a few letters (6), digits with separators (7)."""
    how, length = chance.below(8), 1 + chance.below(40)
    if how in (0, 1):
        row = [chance.of(every) for _ in range(length)]
    elif how == 2:
        row = [chance.of(COMMON) for _ in range(length)]
    elif how == 3:
        row = [chance.of(MIX) for _ in range(length)]
    elif how in (4, 5):
        around, row = chance.of(every), []
        for _ in range(length):
            c = around + chance.below(64) - 32
            row.append(c if c in known and (how == 4 or chance.below(3)) else chance.of(COMMON))
    elif how == 6:
        row = [chance.of(BLANK) if chance.below(4) else chance.of(COMMON) for _ in range(length)]
    else:
        row = [48 + chance.below(10) if chance.below(6) else chance.of(MIX) for _ in range(length)]
    return "".join(map(chr, row)).encode()


def random(groups=RANDOM // GROUP):
    every = assigned()
    known = set(every)
    for number in range(groups):
        chance = Chance(number)
        yield str(number), [random_text(chance, every, known) for _ in range(GROUP)]


def sweep():
    every = assigned()
    for start in range(0, len(every), 16 * GROUP):
        part = every[start:start + 16 * GROUP]
        yield "%x" % part[0], ["".join("%ca%cb %c1%c%c " % (c, c, c, c, c) for c in part[i:i + 16]).encode()
                               for i in range(0, len(part), 16)]


def invalid():
    whole = "aé漢😀 ' the 1\n".encode()
    pieces = [b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xe0\x80\x80", b"\xe0\xa0", b"\xe2\x82", b"\xed\xa0\x80",
              b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xef\xbf", b"\xf0\x80\x80\x80", b"\xf0\x90", b"\xf0\x9f\x98",
              b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\0", b"a",
              b" ", b"word", b"\n", "é".encode(), "漢".encode(), "😀".encode()]
    yield "each", pieces + [b"ab" + p + b"cd" for p in pieces] + [p + b" " + p + p for p in pieces]
    yield "cut", [whole[i:j] for i in range(len(whole)) for j in range(i, len(whole) + 1)]
    chance = Chance(1)
    yield "bytes", [bytes(chance.below(256) for _ in range(1 + chance.below(40))) for _ in range(GROUP)]
    yield "pieces", [b"".join(chance.of(pieces) for _ in range(1 + chance.below(20))) for _ in range(GROUP)]
    yield "overwritten", [bytes(b if chance.below(12) else chance.below(256) for b in (whole * 4)[:8 + chance.below(60)])
                          for _ in range(GROUP)]


def corpora(data_folder):
    """name -> a function that makes its groups, those of the data folder only where it is there"""
    made = {"sources": sources, "special": special, "long": long_texts, "sweep": sweep, "random": random, "invalid": invalid}
    if data_folder:
        made.update(data=lambda: data(data_folder), lines=lambda: lines(data_folder))
    return made


def of_model(corpus, groups, name):
    """The groups that a vocabulary is compared on: all, but for models of our own and files of ranks only some corpora and less
    chance."""
    if "/" not in name:
        return groups
    if corpus not in ("special", "sweep", "random", "invalid"):
        return []
    return groups if groups is True else (g for n, g in enumerate(groups) if n < 20 or corpus != "random")


def chunks(texts):
    for start in range(0, len(texts), GROUP):
        yield start, texts[start:start + GROUP]


def digest(texts):
    """The first 12 hex digits of the SHA-256 over a group's texts, each behind its length (4 bytes, little-endian)."""
    h = hashlib.sha256()
    for t in texts:
        h.update(len(t).to_bytes(4, "little") + t)
    return h.hexdigest()[:12]


def blob(text):
    """What git calls this content."""
    return hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest()


def frames(texts):
    """As the program `ids` reads them."""
    return b"".join(len(t).to_bytes(4, "little") + t for t in texts)


END = b"\xff\xff\xff\xff"
EXPECTED = os.path.join(HERE, "expected.tsv")
Group = collections.namedtuple("Group", "row name digest texts blob")
Ids = collections.namedtuple("Ids", "row texts sums hashes")


class Expected:
    """expected.tsv as it stands: groups by corpus, hashes of vocabularies by name, ids by (corpus, vocabulary)."""

    def __init__(self):
        self.head, self.groups, self.vocabularies, self.ids = "", {}, {}, {}
        with open(EXPECTED, encoding="utf-8") as f:
            for row in f:
                kind, *v = row.rstrip("\n").split("\t")
                if row[0] == "#":
                    self.head += row
                elif kind == "group":
                    self.groups.setdefault(v[0], []).append(Group(row, v[1], v[2], int(v[3]), v[4] if len(v) > 4 else None))
                elif kind == "vocabulary":
                    self.vocabularies[v[0]] = v[1]
                else:
                    hashes = [[h[i:i + 10] for i in range(0, len(h), 10)] for h in (v[4], v[4] if v[6] == "=" else v[6])]
                    self.ids[v[0], v[1]] = Ids(row, int(v[2]), (int(v[3]), int(v[5])), hashes)
