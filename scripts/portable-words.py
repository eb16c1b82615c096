#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/portable-words.py TOKENIZER.json...: the words that are one token each in all of these vocabularies.

Keeps the words of 2 to 12 lower-case ASCII letters that are one token with a space before them, and marks those
that are one token at the beginning of a text too. Prints what datasets/portable-words/words.tsv holds.

That a vocabulary has a piece does not make it a token: byte-pair merges must lead to it, in their order. So they
are carried out. A word counts by itself only if nothing can merge across its border, which is checked as well.
"""
import json
import re
import sys

WORD = re.compile(r"[a-z]{2,12}\Z")
SPACES = "\u0120\u2581"  # how vocabularies write a space: byte-level BPE (as in GPT-2), SentencePiece


class Vocabulary:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            whole = json.load(file)
        model = whole["model"]
        if model.get("type", "BPE") != "BPE":
            raise SystemExit(f"{path}: a {model['type']} model, not BPE")
        self.pieces = set(model["vocab"])
        self.whole_first = model.get("ignore_merges", False)  # a text that is a piece is not merged at all
        pairs = (m.split(" ", 1) if isinstance(m, str) else m for m in model["merges"])
        self.ranks = {tuple(pair): rank for rank, pair in enumerate(pairs)}
        self.space = max(SPACES, key=lambda s: sum(p.startswith(s) for p in self.pieces))
        # Byte-level BPE cuts the text before each space; SentencePiece does not, and must have no piece to span words.
        if self.space == SPACES[1]:
            spanning = [p for p in self.pieces if re.search("[a-z]\u2581+[a-z]|[a-z]\u2581+\\Z", p)]
            if spanning:
                raise SystemExit(f"{path}: pieces span words, such as {spanning[0]!r}")
        # Some put a space before every text: there the first word is like all others.
        self.adds_space = any(
            part.get("type") == "Prepend"
            or part.get("add_prefix_space") is True and part.get("prepend_scheme", "first") != "never"
            for part in parts(whole.get("normalizer"), whole.get("pre_tokenizer"))
        )

    def is_token(self, text):
        if text not in self.pieces:
            return False
        symbols = list(text)
        while len(symbols) > 1 and not self.whole_first:
            known = [(self.ranks[pair], i) for i, pair in enumerate(zip(symbols, symbols[1:])) if pair in self.ranks]
            if not known:
                return False
            i = min(known)[1]
            symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
        return True

    def words(self):
        return {p[1:] for p in self.pieces if p[0] == self.space and WORD.match(p[1:]) and self.is_token(p)}

    def first_words(self):
        return self.words() if self.adds_space else {p for p in self.pieces if WORD.match(p) and self.is_token(p)}


def parts(*trees):
    """Every step of normalisers and pre-tokenisers, sequences unrolled."""
    for tree in trees:
        if tree:
            yield tree
            yield from parts(*tree.get("normalizers", []), *tree.get("pretokenizers", []))


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    words = first = None
    for path in sys.argv[1:]:
        vocabulary = Vocabulary(path)
        has, begins = vocabulary.words(), vocabulary.first_words()
        words = has if words is None else words & has
        first = begins if first is None else first & begins
        print(f"{path}: {len(has)} words, in all so far {len(words)}", file=sys.stderr)
    print("# Portable words: one token each, with a space before them, in every vocabulary given. From scripts/portable-words.py.")
    print("# word\tfirst: 1 when it is one token at the beginning of a text too")
    for word in sorted(words):
        print(f"{word}\t{int(word in first)}")


if __name__ == "__main__":
    main()
