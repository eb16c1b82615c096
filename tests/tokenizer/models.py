# SPDX-License-Identifier: Apache-2.0
"""Small tokenizers of our own for what public vocabularies do not use. models/BASE.json are trained on the project's documents;
models/variants.json gives each one's parts other forms: {name: {"base": BASE, "added": [...], section: value, "model": {...}}}.
And files of ranks, as tiktoken reads them, of public vocabularies."""

import base64
import json
import os

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")
RANKED = ("gpt35turbo", "gpt4o", "llama3", "qwen3")
PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}


def composed():
    """name -> tokenizer.json as bytes"""
    made = {}
    with open(os.path.join(FOLDER, "variants.json"), encoding="utf-8") as f:
        variants = json.load(f)
    for name in sorted(os.listdir(FOLDER)):
        if name != "variants.json":
            with open(os.path.join(FOLDER, name), "rb") as f:
                made[name[:-5]] = f.read()
    for name, change in variants.items():
        t = json.loads(made[change["base"]])
        for section in ("normalizer", "pre_tokenizer", "post_processor"):
            if section in change:
                t[section] = change[section]
        t["model"].update(change.get("model", {}))
        following = 1 + max([i for i in ids(t["model"]["vocab"])] + [a["id"] for a in t["added_tokens"]])
        for n, added in enumerate(change.get("added", [])):
            t["added_tokens"].append({"id": following + n, **PLAIN, **added})
        made[name] = json.dumps(t, ensure_ascii=False, separators=(",", ":")).encode()
    return made


def ids(vocab):
    return vocab.values() if isinstance(vocab, dict) else range(len(vocab))


def ranks(content):
    """A tokenizer.json of byte-level BPE as a file of ranks: pieces as bytes, in base64, in the order of their ids. Bytes that are no
    printable Latin-1 character are written in it as U+0100 and on."""
    shown = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    hidden = [b for b in range(256) if b not in shown]
    byte_of = {chr(b): b for b in shown} | {chr(256 + n): b for n, b in enumerate(hidden)}
    t = json.loads(content)
    added = {a["content"] for a in t["added_tokens"]}
    rows = sorted((i, piece) for piece, i in t["model"]["vocab"].items() if piece not in added)
    return b"".join(b"%s %d\n" % (base64.b64encode(bytes(byte_of[c] for c in piece)), i) for i, piece in rows)
