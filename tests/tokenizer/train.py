# SPDX-License-Identifier: Apache-2.0
"""train.py: makes models/BASE.json again, with a Python that has Hugging Face `tokenizers`, from the project's documents."""

import json
import os

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from models import FOLDER
from texts import ROOT

TEXT = [open(os.path.join(ROOT, name), encoding="utf-8").read()
        for name in ("README.md", "docs/ARCHITECTURE.md", "docs/METRICS.md", "docs/PERFORMANCE.md", "LICENSE")]
TEXT += ["Größe, façade, naïve: l'été où ça coûte; 中文字符，测试。日本語テスト 한국어 문장 Привет мир नमस्ते สวัสดี مرحبا"] * 3


def charsmap(table):
    """A map of SentencePiece: a trie as darts-clone lays it out, and the replacements, each with a NUL behind it."""
    blob, root = b"", {}
    for key, to in table.items():
        node = root
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = len(blob)
        blob += to.encode() + b"\0"
    units, used = {}, {0}

    def place(at, node):
        """Give the unit at `at` an offset, so that its children (0: its value) find free places at offset ^ label."""
        labels = [0 if c is None else c for c in node]
        base = next(b for b in range(1, 1 << 20) if not any((at ^ b ^ c) in used or at ^ b ^ c == 0 for c in labels))
        used.update(at ^ base ^ c for c in labels)
        units[at] = units.get(at, 0) | base << 10 | (256 if None in node else 0)
        for c, child in node.items():
            if c is None:
                units[at ^ base] = child | 1 << 31
            else:
                units[at ^ base ^ c] = c
        for c, child in node.items():
            if c is not None:
                place(at ^ base ^ c, child)

    place(0, root)
    size = (max(max(units), max(used)) | 255) + 1
    trie = b"".join(units.get(i, 0x2ff).to_bytes(4, "little") for i in range(size))
    return len(trie).to_bytes(4, "little") + trie + blob


def keep(name, t, vocab=None):
    whole = json.loads(t.to_str())
    if vocab:
        vocab(whole)
    with open(os.path.join(FOLDER, name + ".json"), "w", encoding="utf-8") as f:
        json.dump(whole, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    print(name, os.path.getsize(f.name))


def bpe_bytes():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=1200, special_tokens=["<s>", "</s>", "<mask>"], show_progress=False,
                                                    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    keep("bpe-bytes", t)


def bpe_chars():
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    hexes = ["<0x%02X>" % i for i in range(256)]
    t.train_from_iterator([w for text in TEXT for w in text.split("\n")], trainers.BpeTrainer(
        vocab_size=1200, special_tokens=["<unk>", "<s>", "</s>"] + hexes, max_token_length=10, show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A $B", special_tokens=[("<s>", 1), ("</s>", 2)])
    keep("bpe-chars", t, lambda w: w.update(added_tokens=w["added_tokens"][:3]))


def bpe_ends():
    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>", continuing_subword_prefix="@"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(" ", " "), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    t.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=900, special_tokens=["<unk>"], show_progress=False,
                                                    end_of_word_suffix="</w>", continuing_subword_prefix="@"))
    keep("bpe-ends", t)


def unigram():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.train_from_iterator(TEXT, trainers.UnigramTrainer(vocab_size=1000, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>",
                                                        show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A $B", special_tokens=[("</s>", 2)])
    keep("unigram", t)

    def with_bytes(whole):
        whole["model"]["byte_fallback"] = True
        whole["model"]["vocab"] += [["<0x%02X>" % i, -20.0] for i in range(256)]

    table = {"ﬁ": "fi", "①": "1", "½": "1/2", "Ａ": "A", "Ｂ": "B", "é": "e", "e\u0301": "é", "…": "...", "\u3000": " ", "\t": " ", "\u200b": "",
             "㍿": "株式会社", "ü": "ue", "\n": " ", "한": "한", "👍": ":+1:", "\u00ad": ""}
    t.normalizer = normalizers.Precompiled(charsmap(table))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    keep("unigram-map", t, with_bytes)


def wordpiece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=1500, show_progress=False,
                                                          special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    keep("wordpiece", t)


def wordlevel():
    t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.train_from_iterator(TEXT, trainers.WordLevelTrainer(vocab_size=1500, special_tokens=["[UNK]"], show_progress=False))
    keep("wordlevel", t)


for train in (bpe_bytes, bpe_chars, bpe_ends, unigram, wordpiece, wordlevel):
    train()
