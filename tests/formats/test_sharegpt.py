#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files of texts: figures of the public ones, ways back as parsed documents, quirks, damage, and the subsets that other tools keep, by their
rules written here again. Prints TAP."""

import glob
import json
import os
import subprocess
import sys
import tempfile

DATA = os.environ.get("REPRISE_DATA")
VOCAB = os.environ.get("REPRISE_VOCAB")
FULL = os.environ.get("REPRISE_FULL") == "1"
HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "../../datasets/sharegpt/sample.json")
LIMIT = 120
scratch = tempfile.TemporaryDirectory(prefix="reprise-")
done = failed = 0


class Skip(Exception):
    pass


def case(name, f, *args):
    global done, failed
    done += 1
    try:
        f(*args)
        print("ok %d - %s" % (done, name), flush=True)
    except Skip as why:
        print("ok %d - %s # SKIP %s" % (done, name, why), flush=True)
    except AssertionError as why:
        failed += 1
        print("not ok %d - %s\n# %s" % (done, name, str(why)[:1500].replace("\n", "\n# ")), flush=True)


def same(got, want, text=""):
    assert got == want, "%s: %.600r, not %.600r" % (text, got, want)


def convert(*args, stdin=b"", status=0):
    p = subprocess.run(["trace-convert", *map(str, args)], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT)
    assert p.returncode == status, "trace-convert %s: status %d, not %d: %.400s" % (args, p.returncode, status, p.stderr.decode("utf-8", "replace"))
    return p


def file(name, content):
    path = os.path.join(scratch.name, name)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    return path


def documents(text):
    """An array, or objects after one another."""
    text = text.lstrip("\ufeff").strip()
    if text.startswith("["):
        return json.loads(text)
    found, at = [], 0
    while at < len(text):
        o, at = json.JSONDecoder().raw_decode(text, at)
        found.append(o)
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
    return found


def load(path):
    with open(path, encoding="utf-8") as f:
        return documents(f.read())


def records(*args, stdin=b"", status=0):
    rows = [json.loads(x) for x in convert("-f", "jsonl", *args, stdin=stdin, status=status).stdout.decode().rstrip("\n").split("\n")]
    return [r for r in rows if "id" in r], next((r["end"] for r in rows if "end" in r), None)


def data(name):
    if not DATA:
        raise Skip("no REPRISE_DATA")
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        raise Skip(name + " is not there")
    return path


# --- figures and ways back --------------------------------------------------------------------------------

FIGURES = {
    "sharegpt/dialogstudio_sharegpt_original_example.json": (5, 28, {"human": 14, "gpt": 14}, 0),
    "sharegpt/mlenergy_ShareGPT_V3_filtered_500.json": (500, 500, {"human": 500}, 0),
    "sharegpt/medicalgpt_sharegpt_zh.filtered.jsonl": (994, 8723, {"human": 4365, "gpt": 4358}, 17),
    "sharegpt/llamafactory_glaive_toolcall_en_demo.json": (300, 1914, {"human": 746, "gpt": 746, "function_call": 211, "observation": 211}, 0),
    "sharegpt/fastchat_dummy_conversation.json": (500, 2000, {"human": 1000, "gpt": 1000}, 0),
    "sharegpt/inferenceperf_e2e_sharegpt.json": (2, 4, {"human": 2, "gpt": 2}, 0),
}


def figures(name):
    path = data(name)
    entries, messages, roles, empty = FIGURES[name]
    rows, end = records(path)
    same(end["style"], {"entries": entries, "messages": messages, "empty": empty, "roles": roles}, "what was there")
    # Recomputed from the documents: a record for each answer that somebody had asked for, and one for a question without.
    want = 0
    for e in load(path):
        asked = False
        for m in e["conversations"]:
            if m["from"] in ("gpt", "function_call"):
                want += asked
                asked = False
            else:
                asked = True
        want += asked
    same(len(rows), want, "records")
    same(sum(r["turn"] == 1 for r in rows), sum(1 for e in load(path) if e["conversations"]), "sessions")
    assert all(r["estimated"] == 1 for r in rows)


def way_back(path, form):
    want = load(path)
    for middle in "trb", "jsonl":
        there = convert(path, "-f", middle).stdout
        same(documents(convert("-f", form, stdin=there).stdout.decode()), want, "by way of " + middle)


def spec_bench():
    rows, end = records(data("spec-bench/question.jsonl"))
    same((end["style"]["entries"], len(rows), len({r["type"] for r in rows})), (480, 560, 13), "questions, turns, categories")
    same(sum(r["turn"] == 2 for r in rows), 80, "second turns")


def aibrix(name, rows, total_in, total_out, first, span):
    got, end = records(data("aibrix/" + name))
    same((len(got), end["in_tokens"], end["out_tokens"]), (rows, total_in, total_out), name)
    same(end["last_ns"] - end["first_ns"], span * 1000000, "span")
    want = [q["prompt"] for line in load(data("aibrix/" + name)) for q in line["requests"]]
    same([r["payload"] for r in got], want, "prompts")


# --- what is in a record -----------------------------------------------------------------------------------

QUIRKS = r"""[{"id":"a","conversations":[{"from":"gpt","value":"lead"},{"from":"human","value":"hi \ud83d\ude00 \ud83d lone \u0000 \"q\""},
 {"from":"gpt","value":"x \ud83d y \u0000 \\ \/ \u00e9 <b>"},{"from":"gpt","value":"again"},{"from":"human","value":""},{"from":"gpt","value":""}],"model":"","n":1.50},
 {"conversations":[{"from":"system","value":"s"},{"from":"gpt","value":"only"}]},
 {"id":5,"conversation":[{"role":"user","content":"u","extra":[1,{"a":null}]},{"role":"assistant","content":"as"},{"role":"user","content":"tail"}]},
 {"id":"e","conversations":[]},
 {"id":"a","conversations":["{\"from\":\"human\",\"value\":\"inner \\\"x\\\"\"}",{"from":"gpt","value":"ok"},{"from":"bing","value":"b"}],"tools":"[]"},
 {"id":null,"conversations":[{"from":"human","value":null},{"from":"gpt","value":"z"},{"from":"human"},{"value":"w","from":"observation"},
  {"from":"function_call","value":"{}"},{"from":"gpt","value":"after"}]},
 {"id":"pl\u0041in \ud800","conversations":[{"value":"order","from":"human"},{"from":"chatgpt","value":"ok"}]},
 {"id":"x","conversations":["plain string",{"from":"gpt","value":"ok"},{"from":"critic","value":"hm"}]}]
"""


def quirks():
    rows, _ = records(file("quirks.json", QUIRKS))
    first = rows[0]
    same(json.loads(first["payload"]), [{"role": "assistant", "content": "lead"}, {"role": "user", "content": "hi \U0001f600 \ud83d lone \0 \"q\""}], "delta")
    same((first["turn"], first["turns"], "parent" in first, first["payload_kind"]), (1, 2, False, "messages"), "first turn")
    second = rows[1]
    same((second["turn"], second["parent"], second["payload_kind"], second["answer"], second["out_tokens"]), (2, first["id"], "delta", "", 0), "second turn")
    same(json.loads(second["payload"])[0], {"role": "assistant", "content": "again"}, "an answer behind an answer is context")
    tail = next(r for r in rows if r["session"] == "5" and r["turn"] == 2)
    assert "answer" not in tail and "out_tokens" not in tail, tail
    inner = [r for r in rows if r["session"] == "a"][2]
    same(json.loads(inner["payload"]), [{"role": "user", "content": 'inner "x"'}], "a message that is a string")


def lengths():
    """Bytes / 4, rounded up, each message by itself, and so much more for each message of the history."""
    path = file("len.json", json.dumps([{"id": "a", "conversations": [{"from": "human", "value": "é" * 5}, {"from": "gpt", "value": "abc"},
                                                                      {"from": "human", "value": "x" * 9}, {"from": "gpt", "value": "y" * 8}]}]))
    for n in 5, 0, 7:
        rows, _ = records("--message-overhead", n, path)
        same([(r["in_tokens"], r["out_tokens"]) for r in rows], [(3 + n, 1), (3 + n + 1 + n + 3 + n, 2)], "lengths")


def turns():
    rows, _ = records("--turns", "first", file("quirks.json", QUIRKS))
    same([(r["turn"], r["turns"]) for r in rows], [(1, 1)] * len(rows), "first turns")
    rows, _ = records("--turns", "first-pair", file("quirks.json", QUIRKS))
    pairs = [(json.loads(r["payload"])[0]["content"], r["answer"]) for r in rows]
    same(pairs[0], ("lead", "hi \U0001f600 \udced\udca0\udcbd lone \0 \"q\""), "first two messages, whoever speaks")
    same(len(rows), 7, "entries with two messages")


def no_payload():
    with_text, end = records(SAMPLE)
    without, end2 = records("--no-payload", SAMPLE)
    same([{k: v for k, v in r.items() if k not in ("payload", "payload_kind", "answer", "extra")} for r in with_text], without, "lengths and links")
    same(end["style"], end2["style"], "facts")


def other_ways():
    """Text payloads as conversations and as batch lines; a chat as a batch line."""
    custom = b'{"prompt":"Say \\"hi\\"","output_tokens":3,"x":1}\n{"prompt":"","output_tokens":0}\n'
    trb = convert("-F", "custom", stdin=custom).stdout
    same(documents(convert("-f", "custom", stdin=trb).stdout.decode()), documents(custom.decode()), "custom")
    talks = documents(convert("-f", "sharegpt", stdin=trb).stdout.decode())
    same([t["conversations"] for t in talks], [[{"from": "human", "value": 'Say "hi"'}], [{"from": "human", "value": ""}]], "as conversations")
    batch = documents(convert("-f", "openai-batch", stdin=trb).stdout.decode())
    same(batch[0]["body"], {"model": "", "messages": [{"role": "user", "content": 'Say "hi"'}], "max_tokens": 3}, "as a batch")
    p = convert("-f", "custom", stdin=convert(SAMPLE).stdout, status=3)
    assert "cannot be a prompt of its own" in p.stderr.decode("utf-8", "replace"), p.stderr
    p = convert("-f", "sharegpt", "-F", "csv", stdin=b"arrival_ns,in_tokens\n0,3\n", status=3)
    assert "--text words" in p.stderr.decode("utf-8", "replace"), p.stderr


# --- damage ------------------------------------------------------------------------------------------------

def cut():
    """Cut anywhere: whole conversations before the cut come, then one line says what is wrong."""
    text = open(SAMPLE, "rb").read()[:2200]
    ends = [i + 3 for i in range(len(text)) if text[i:i + 4] == b"\n },"]
    step = 1 if FULL else 13
    for n in range(1, len(text), step):
        p = subprocess.run(["trace-convert", "-F", "sharegpt", "-f", "jsonl", "-"], input=text[:n], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT)
        assert p.returncode == 3 and p.stderr.count(b"\n") == 1, (n, p.returncode, p.stderr)
        sessions = {json.loads(x).get("session") for x in p.stdout.decode().rstrip("\n").split("\n") if '"session"' in x}
        same(len(sessions), sum(n >= e for e in ends), "sessions before byte %d" % n)


def bad_entry():
    lines = ['{"id":"%d","conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}]}' % i for i in range(5)]
    for bad, why in (('{"id":"x","conversations":5}', "not an array"), ('{"id":"x"}', "no conversations"), ('{"id":"x","conversations":[3]}', "neither"),
                     ('{"id":"x","conversations":[{"from":"human","value":"\\x"}]}', "bad escape"), ('{"id":"x" "y"}', '"," is missing')):
        path = file("bad.jsonl", "\n".join(lines[:2] + [bad] + lines[2:]))
        p = convert(path, "-o", os.path.join(scratch.name, "out.trb"), status=3)
        assert ":3: " in p.stderr.decode("utf-8", "replace") and why in p.stderr.decode("utf-8", "replace"), p.stderr
        p = convert("--skip-bad", "-f", "jsonl", path)
        rows = [json.loads(x) for x in p.stdout.decode().rstrip("\n").split("\n")]
        same([r["session"] for r in rows if "id" in r], list("01234"), "the others")
        same(rows[-1]["end"]["skipped"], 1, "skipped")
        convert("--skip-bad=0", path, "-f", "jsonl", status=3)
    p = convert("-F", "sharegpt", "-f", "jsonl", stdin=b"[" + lines[0].encode() + b" " + lines[1].encode() + b"]", status=3)
    assert "not a comma" in p.stderr.decode("utf-8", "replace"), p.stderr
    p = convert("-F", "sharegpt", "-f", "jsonl", stdin=b'[{"id":"' + b"x" * 5000 + b'","conversations":[]},\xff{}]', status=3)
    assert "@" in p.stderr.decode("utf-8", "replace"), "a long line has an offset: %r" % p.stderr
    p = convert("-F", "sharegpt", "-f", "jsonl", stdin=b'{"id":"\xff","conversations":[]}', status=3)
    assert "not UTF-8" in p.stderr.decode("utf-8", "replace"), p.stderr


def large():
    """An object above the limit is refused before it is gathered; deep nesting too."""
    p = convert("-F", "sharegpt", "-f", "jsonl", stdin=b'[{"id":"a","conversations":[{"from":"human","value":"' + b"x" * (9 << 20), status=3)
    assert "8 MiB" in p.stderr.decode("utf-8", "replace"), p.stderr
    p = convert("-F", "sharegpt", "-f", "jsonl", stdin=b'[{"id":' + b"[" * 100000 + b"]" * 100000 + b"}]", status=3)
    assert "deep" in p.stderr.decode("utf-8", "replace"), p.stderr


# --- threads -----------------------------------------------------------------------------------------------

def bytes_tokenizer(bos):
    """A token for each byte of UTF-8, and one in front where asked: what can be counted here as well."""
    itself = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    chars, n = {b: chr(b) for b in itself}, 0
    for b in range(256):
        if b not in chars:
            chars[b] = chr(256 + n)
            n += 1
    vocab = {chars[b]: b for b in range(256)}
    vocab["<s>"] = 256
    post = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [256], "tokens": ["<s>"]}}}
    return file("bytes%d.json" % bos, json.dumps({
        "version": "1.0", "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": post if bos else None, "decoder": None,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": []}}))


def threads():
    path = data("sharegpt/medicalgpt_sharegpt_zh.filtered.jsonl") if DATA else SAMPLE
    t = bytes_tokenizer(0)
    one = convert("--tokenizer", t, "--threads", 0, path, "-f", "csv").stdout
    for n in 1, 2, 5:
        same(convert("--tokenizer", t, "--threads", n, path, "-f", "csv").stdout == one, True, "%d threads" % n)
    _, end = records("--tokenizer", t, path)
    import hashlib
    same((end["tokenizer"], end["tokenizer_sha256"]), (t, hashlib.sha256(open(t, "rb").read()).hexdigest()), "named in the trailer")


# --- what other tools keep --------------------------------------------------------------------------------

def text_of(e, i):
    m = e[i]
    return m.get("value") if isinstance(m, dict) else None


def valid(p, c):
    return p >= 4 and c >= 4 and p <= 1024 and p + c <= 2048


def vllm(entries, n):
    for e in entries:
        c = e.get("conversations")
        if c and len(c) >= 2 and text_of(c, 0) is not None and text_of(c, 1) is not None:
            p, a = text_of(c, 0), text_of(c, 1)
            if valid(n(p, 1), n(a, 1)):
                yield [(p, a)], [(n(p, 1), n(a, 1))]


def sglang(entries, n):
    for e in entries:
        c = e.get("conversations", e.get("conversation", []))
        if len(c) >= 2 and text_of(c, 0) is not None and text_of(c, 1) is not None:
            p, a = text_of(c, 0), text_of(c, 1)
            if n(p, 1) >= 2 and n(a, 1) >= 2:
                yield [(p, a)], [(n(p, 1), n(a, 1))]


def inference_perf(entries, n):
    for e in entries[1:]:  # the first is consumed at the start
        c = e.get("conversations")
        if c and len(c) >= 2 and text_of(c, 0) and text_of(c, 1) is not None:
            p, a = text_of(c, 0), text_of(c, 1)
            yield [(p, a)], [(n(p, 1), n(a, 1))]


def aiperf(entries, n):
    for e in entries:
        c = [m for m in e.get("conversations", []) if isinstance(m, dict)]
        if len(e.get("conversations", [])) < 2 or len(c) < 2:
            continue
        pairs = []
        if any(m.get("from") in ("human", "gpt") for m in c):
            c = [m for m in c if m.get("from") in ("human", "gpt")]
            i = 0
            while i < len(c) - 1:
                if c[i]["from"] == "human" and c[i + 1]["from"] == "gpt":
                    if c[i].get("value") and c[i + 1].get("value"):
                        pairs.append((c[i]["value"], c[i + 1]["value"]))
                    i += 2
                else:
                    i += 1
        elif c[0].get("value") and c[1].get("value"):
            pairs = [(c[0]["value"], c[1]["value"])]
        if pairs and all(valid(n(p, 0), n(a, 0)) for p, a in pairs):
            yield pairs, [(n(p, 0), n(a, 0)) for p, a in pairs]


def peers(path, name, rule, bos):
    entries = load(path)
    count = lambda s, special: len(s.encode("utf-8", "surrogatepass")) + (bos if special else 0)
    # A lone surrogate is one U+FFFD a byte: three each, as long as its three bytes times three.
    count_one = lambda s, special: count(s, special) + 6 * sum(0xd800 <= ord(x) < 0xe000 for x in s)
    want = list(rule(entries, count_one))
    rows, _ = records("--peer-filter", name, "--tokenizer", bytes_tokenizer(bos), path)
    same([(r["in_tokens"], r["out_tokens"]) for r in rows], [c for _, counts in want for c in counts], "lengths")
    plain = lambda s: s.encode("utf-8", "surrogatepass")
    ours = [(plain(json.loads(r["payload"])[0]["content"]), r["answer"].encode("utf-8", "surrogateescape")) for r in rows]
    same(ours, [(plain(p), plain(a)) for pairs, _ in want for p, a in pairs], "pairs")
    same(sum(r["turn"] == 1 for r in rows), len(want), "conversations")


# pairs kept, input and output tokens: vllm's rule with Hugging Face tokenizers 0.23.3
KEPT = {
    ("llama2", "fastchat_dummy_conversation.json"): (500, 3501, 8837),
    ("llama2", "inferenceperf_e2e_sharegpt.json"): (1, 8, 9),
    ("llama2", "llamafactory_glaive_toolcall_en_demo.json"): (299, 14072, 36613),
    ("llama2", "medicalgpt_sharegpt_zh.filtered.jsonl"): (986, 84658, 283361),
    ("gpt35turbo", "fastchat_dummy_conversation.json"): (500, 2795, 7827),
    ("gpt35turbo", "inferenceperf_e2e_sharegpt.json"): (1, 7, 7),
    ("gpt35turbo", "llamafactory_glaive_toolcall_en_demo.json"): (297, 12322, 31128),
    ("gpt35turbo", "medicalgpt_sharegpt_zh.filtered.jsonl"): (975, 83636, 275334),
}


def kept(vocabulary, name):
    if not VOCAB or not os.path.exists(os.path.join(VOCAB, vocabulary + ".json")):
        raise Skip("no REPRISE_VOCAB")
    _, end = records("--peer-filter", "vllm", "--no-payload", "--tokenizer", os.path.join(VOCAB, vocabulary + ".json"), data("sharegpt/" + name))
    same((end["records"], end["in_tokens"], end["out_tokens"]), KEPT[vocabulary, name], "kept")


for figure in FIGURES:
    case("figures: " + figure, figures, figure)
for each in sorted(glob.glob(os.path.join(DATA or "/nonexistent", "sharegpt/*.json*"))) + [SAMPLE, file("quirks.json", QUIRKS)]:
    case("way back: " + os.path.basename(each), way_back, each, "sharegpt")
for each in sorted(glob.glob(os.path.join(DATA or "/nonexistent", "openai-batch/*.jsonl"))):
    case("way back: " + os.path.basename(each), way_back, each, "openai-batch")
case("way back: Spec-Bench", lambda: way_back(data("spec-bench/question.jsonl"), "spec-bench"))
case("figures: Spec-Bench", spec_bench)
case("figures: AIBrix, 5 s", aibrix, "5s.filtered.jsonl", 202, 160538, 26064, 21, 4972)
case("figures: AIBrix, ten requests", aibrix, "ten_requests.jsonl", 10, 9169, 816, 21, 4313)
case("quirks of messages", quirks)
case("lengths of a history", lengths)
case("--turns", turns)
case("--no-payload", no_payload)
case("from one form to another", other_ways)
case("cut anywhere", cut)
case("a bad entry", bad_entry)
case("too large, too deep", large)
case("the same with any number of threads", threads)
for each in [SAMPLE, file("quirks.json", QUIRKS)] + sorted(glob.glob(os.path.join(DATA or "/nonexistent", "sharegpt/*.json*"))):
    for peer, rule in (("vllm", vllm), ("sglang", sglang), ("aiperf", aiperf), ("inference-perf", inference_perf)):
        for bos in 0, 1:
            case("%s keeps of %s%s" % (peer, os.path.basename(each), ", with BOS" if bos else ""), peers, each, peer, rule, bos)
for key in KEPT:
    case("vllm keeps, as %s counts, of %s" % key, kept, *key)
print("1..%d" % done)
sys.exit(failed > 0)
