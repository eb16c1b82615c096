# SPDX-License-Identifier: Apache-2.0
"""Hostile tokenizer files: what is not one ends with status 3 and one clear line, what is merely odd loads; either within bounded time
(the kernel ends a child that uses more than CPU_S seconds of processor) and memory. Prints TAP."""

import base64
import json
import os
import resource
import subprocess
import sys
import tempfile

import models
import texts

BUILD = os.environ.get("REPRISE_BUILD") or os.path.join(texts.ROOT, "build")
IDS = os.path.join(BUILD, "tests/tokenizer/ids")
SANITIZED = any(BUILD.endswith(x) for x in ("asan", "ubsan", "tsan"))
CPU_S = 60 if SANITIZED else 20
MIB = 1 << 20
TEXTS = ["", "It's the word, 12345 times!\r\n\r\n  x", "a" * 5000, "漢字 \U0001f600 e\u0301", "<s>[CLS]</s>"]
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def whole(vocab=None, merges=(), model=None, **sections):
    m = {"type": "BPE", "unk_token": None, "vocab": {"a": 0, "b": 1, "aa": 2} if vocab is None else vocab, "merges": list(merges)}
    m.update(model or {})
    return json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
                       "post_processor": None, "decoder": None, "model": m, **sections}).encode()


def split(regex):
    return whole(pre_tokenizer={"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False})


def nested(n, kind, inner):
    key = ('{"type":"Sequence","%s":[' % inner).encode()
    return whole().replace(('"%s": null' % kind).encode(), ('"%s": ' % kind).encode() + key * n + b"]}" * n)


def many_pieces(mib):
    """A vocabulary of this many MiB."""
    rows = b",".join(b'"%s%d":%d' % (b"p" * 80, i, i) for i in range(mib * MIB // 100))
    return b'{"added_tokens":[],"model":{"type":"BPE","vocab":{' + rows + b'},"merges":[]}}'


def pages():
    """(what, wanted status: 3, 0 or None for either, content)"""
    good = whole(merges=["a a"])
    yield "good", 0, good
    yield "empty", 3, b""
    yield "blanks", 3, b" \n" * 1000
    yield "not JSON", 3, b"\x80\x81\x82" * 100
    yield "a list", 3, b"[1,2,3]"
    yield "another document", 3, b'{"a":1,"b":[2]}'
    yield "no model", 3, b'{"version":"1.0","added_tokens":[]}'
    yield "model null", 3, whole(model=None).replace(b'"model": {', b'"m": {')
    yield "unknown model", 3, whole(model={"type": "Unheard"})
    yield "no vocabulary", 3, whole(vocab={})
    yield "vocabulary a string", 3, whole(model={"vocab": "a"})
    yield "text behind the end", 3, good + b"{}"
    yield "not UTF-8 in a piece", None, good.replace(b'"aa"', b'"a\xff\xfe"')
    yield "lone surrogate in a piece", None, good.replace(b'"aa"', b'"a\\ud800"')
    yield "NUL in a piece", 3, whole(vocab={"a": 0, "\0": 1}, merges=["a b"])
    yield "bad escape", 3, good.replace(b'"aa"', b'"\\q"')
    for cut in range(0, len(good), 7):
        yield "cut at %d" % cut, 3, good[:cut]
    yield "id -1", 3, whole(vocab={"a": -1})
    yield "id 2^31", 3, whole(vocab={"a": 1 << 31})
    yield "id 2^64", 3, whole(vocab={"a": 1 << 64})
    yield "id 1e99", 3, good.replace(b'"a": 0', b'"a": 1e99')
    yield "id 1.5", 3, good.replace(b'"a": 0', b'"a": 1.5')
    yield "id a string", 3, good.replace(b'"a": 0', b'"a": "0"')
    yield "id 2^31-1", 0, whole(vocab={"a": (1 << 31) - 1})
    yield "two pieces with one id", None, whole(vocab={"a": 0, "b": 0})
    yield "a piece twice", None, good.replace(b'"b": 1', b'"a": 1')
    yield "model twice", None, good[:-1] + b', "model": {"type":"BPE","vocab":{"x":0},"merges":[]}}'
    yield "vocab twice", 3, good.replace(b'"vocab"', b'"vocab": {"x": 5}, "vocab"', 1)
    yield "merge of what is no piece", 3, whole(merges=["a z"])
    yield "merge whose result is no piece", 3, whole(merges=["a b"])
    yield "merge of one part", 3, whole(merges=["aa"])
    yield "merge of three parts", 3, whole(merges=["a a a"])
    yield "merge as a number", 3, whole(merges=[7])
    yield "merge as a list of three", 3, whole(merges=[["a", "a", "a"]])
    yield "merge as a list of numbers", 3, whole(merges=[[1, 2]])
    yield "merge of nothing", None, whole(vocab={"a": 0, "": 1}, merges=[["a", ""]])
    yield "merges in a cycle", None, whole(vocab={"a": 0, "": 1, "aa": 2}, merges=[["a", ""], ["", "a"], ["", ""], ["a", "a"]])
    yield "one merge a hundred thousand times", 0, whole(merges=["a a"] * 100000)
    yield "merges of doubling length", 0, whole(vocab={"a" * (1 << k): k for k in range(13)},
                                                merges=["%s %s" % ("a" * (1 << k), "a" * (1 << k)) for k in range(12)])
    yield "a piece of 8 MiB", None, whole(vocab={"a": 0, "b" * (8 * MIB): 1})
    yield "dropout", 3, whole(model={"dropout": 0.1})
    for regex in ("(a", "[z-a]", "a{2,1}", "*a", "(?<n", "\\p{Nothing}", "(?<=a+)b", "\\", "(?(1)a|b", "a{99999}", "(" * 1000, "(?R"):
        yield "bad regex " + regex[:20], 3, split(regex)
    for regex in ("(a+)+$", "(a|aa)+$", "(a*)*b", "(.*)*(.*)*(.*)*x", "(?:a?){30}a{30}", "((a+)+)+c", "(?=(a+)+$)a"):
        yield "catastrophic regex " + regex, None, split(regex)
    yield "recursive regex", None, split("(?:a(?R)?b)+")
    yield "empty regex", None, split("")
    yield "regex that matches nothing", 0, split("x*")
    yield "regex of 1 MiB", 3, split("a" * MIB)
    yield "regex of 60,000 alternatives", None, split("|".join("a%d" % (i % 10) for i in range(20000)))
    yield "regex of 10,000 brackets", 3, split("(" * 10000 + ")" * 10000)
    yield "regex of a million repetitions", None, split("((a{0,100}){0,100}){0,100}")
    yield "normalizers a thousand deep", 3, nested(1000, "normalizer", "normalizers")
    yield "pre-tokenizers a thousand deep", 3, nested(1000, "pre_tokenizer", "pretokenizers")
    yield "post-processors a thousand deep", 3, nested(1000, "post_processor", "processors")
    yield "normalizers in a row of 100,000", 3, whole(normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}] * 100000})
    yield "a text that grows with each step", None, whole(normalizer={"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}] * 60})
    yield "prepended megabytes", None, whole(normalizer={"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "x" * 900000}] * 60})
    yield "JSON 200,000 deep", 3, b'{"model":' + b"[" * 200000 + b"]" * 200000 + b"}"
    yield "unknown normalizer", 3, whole(normalizer={"type": "Unheard"})
    yield "unknown pre-tokenizer", 3, whole(pre_tokenizer={"type": "Unheard"})
    yield "unknown post-processor", 3, whole(post_processor={"type": "Unheard"})
    yield "normalizer without a type", 3, whole(normalizer={"lowercase": True})
    yield "normalizer a number", 3, whole(normalizer=5)
    yield "unknown behaviour", 3, whole(pre_tokenizer={"type": "Split", "pattern": {"String": "a"}, "behavior": "Gone", "invert": False})
    yield "split without a pattern", 3, whole(pre_tokenizer={"type": "Split", "behavior": "Isolated", "invert": False})
    yield "replace without a pattern", 3, whole(normalizer={"type": "Replace", "content": "x"})
    for name, map64 in (("not base64", "!!!!"), ("empty", ""), ("short", "AAAA"), ("longer than it says", base64.b64encode(
            b"\x04\0\0\0" + b"\0" * 400).decode()), ("shorter than it says", base64.b64encode(b"\0\0\0\x7f" + b"\0" * 400).decode()), (
            "pointing nowhere", base64.b64encode(b"\0\1\0\0" + b"\xff" * 256 + b"a\0").decode())):
        yield "character map " + name, None, whole(normalizer={"type": "Precompiled", "precompiled_charsmap": map64})
    yield "no character map", 3, whole(normalizer={"type": "Precompiled"})
    yield "template with an unknown token", None, whole(post_processor={"type": "TemplateProcessing", "single": [
        {"SpecialToken": {"id": "<x>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}})
    yield "template with a million parts", None, whole(post_processor={"type": "TemplateProcessing", "single": [
        {"Sequence": {"id": "A", "type_id": 0}}] * 100000, "pair": [], "special_tokens": {}})
    yield "added token of nothing", None, whole(added_tokens=[{"id": 5, "content": "", **models.PLAIN}])
    yield "added token of 1 MiB", None, whole(added_tokens=[{"id": 5, "content": "x" * MIB, **models.PLAIN}])
    yield "added tokens, 100,000", 0, whole(added_tokens=[{"id": i, "content": "t%d" % i, **models.PLAIN} for i in range(100000)])
    yield "added token with id 2^40", None, whole(added_tokens=[{"id": 1 << 40, "content": "x", **models.PLAIN}])
    yield "added tokens that begin alike", None, whole(added_tokens=[{"id": i, "content": "a" * (1 + i), **models.PLAIN} for i in range(900)])
    yield "unigram: no list", 3, whole(model={"type": "Unigram", "unk_id": 0})
    yield "unigram: id of the unknown out of range", 3, whole(model={"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": 7})
    yield "unigram: score not a number", 3, whole(model={"type": "Unigram", "vocab": [["a", "x"]], "unk_id": 0})
    yield "unigram: score 1e999", None, whole(model={"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": 0}).replace(b"-1.0", b"-1e999")
    yield "unigram: pieces without a score", 3, whole(model={"type": "Unigram", "vocab": [["a"]], "unk_id": 0})
    yield "wordpiece without its unknown", None, whole(model={"type": "WordPiece", "unk_token": "[UNK]"})
    yield "wordpiece of any length", 0, whole(model={"type": "WordPiece", "vocab": {"[UNK]": 0, "a": 1, "##a": 2, "##aa": 3},
                                                     "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                                                     "max_input_chars_per_word": 1000000000})
    yield "ranks of no known count", 3, b"YQ== 0\nYg== 1\n"
    yield "ranks: not base64", 3, b"YQ== 0\n!! 1\n"
    yield "ranks: a rank above 2^31", 3, b"YQ== 4294967296\n"
    yield "ranks: a line of 4 MiB", 3, b"YQ== 0\n" + b"QUFB" * MIB + b" 1\n"
    yield "ranks, a million", 3, b"".join(b"%s %d\n" % (base64.b64encode(b"%d" % i), i) for i in range(1000000))
    yield "100 MiB of vocabulary", None, many_pieces(100)
    yield "a string of 300 MiB", 3, b'{"model":"' + b"x" * (300 * MIB)


def run(path):
    def limits():
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))

    with tempfile.TemporaryFile() as f, tempfile.TemporaryFile() as err:
        f.write(texts.frames(t.encode() for t in TEXTS))
        f.seek(0)
        child = subprocess.Popen([IDS, path, "--special"], stdin=f, stdout=subprocess.DEVNULL, stderr=err, preexec_fn=limits)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        return child.returncode, err.read().decode("utf-8", "replace"), used


def judge(path, want, size):
    status, err, used = run(path)
    # A limit that a text meets is the system's 1 or bad data; that of a file is bad data.
    if status not in ((0, 1, 3) if want is None else (want,)):
        yield "status %d, not %s: %s" % (status, "0, 1 or 3" if want is None else want, err[:300])
    if status > 0 and (err.count("\n") != 1 or not err.startswith("ids: ") or len(err) > 1000):
        yield "not one clear line: %r" % err[:300]
    if status == 0 and err:
        yield "said something: %r" % err[:300]
    # The file, its decoded form, tables of it; a text may grow to the limit that it then meets.
    if used.ru_maxrss > (700 << 10) + size * 5 // 1024 and not SANITIZED:
        yield "%d MiB of memory for a file of %d bytes" % (used.ru_maxrss >> 10, size)


def main():
    n = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "t.json")
        for name, want, content in pages():
            with open(path, "wb") as f:
                f.write(content)
            size = len(content)
            del content  # a child's peak begins with what this process holds
            problems = list(judge(path, want, size))
            n += 1
            print("%s %d - hostile tokenizer: %s" % ("not ok" if problems else "ok", n, name))
            for p in problems:
                print("#   " + p)
            failed += bool(problems)
    print("1..%d" % n)
    return failed > 0


sys.exit(main())
