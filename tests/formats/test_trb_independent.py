#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Holds the C codec of the binary format against the decoder and the encoder that were written from trb(5)
# alone: records that libtrace wrote must be read here value for value, and the other way round; hostile and
# cut streams must end in an error, in bounded memory. Prints TAP. Run from the root of the repository, with
# the tools in PATH.

import json
import os
import random
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import trb_decode as dec  # noqa: E402
import trb_encode as enc  # noqa: E402
from trb_encode import (CLASS, CONSTANT, HEADER, RUNS, VARINT, Plan, RandomPlan, block, column,  # noqa: E402
                        framed, ints, object_block, preamble, raw_bytes, trailer_of, varint, zstd_bomb,
                        zstd_bytes, zstd_frame, zstd_plain)

TOOL = "trace-convert"
RSS_MAX = 64 << 20
OUTPUT_MAX = 256 << 20
SECONDS_MAX = 30
EXTREMES = (0, 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1)
TEXTS = (b"", b"a", b"\xc3\xa9\xf0\x9f\x98\x80", b"\xff\xfe\x80", b"\xed\xa0\x80", b"\xc0\xaf",
         b"\xf4\x90\x80\x80", b"\xf0\x9f\x98", b"a\0b\"\\/\n\x1f\x7f", b"\xe2\x80\xa8", b"eight by",
         b"nine byte")


# ---- running the tool ------------------------------------------------------------------------------


class Runner:
    """Runs commands from a process that was forked while small: a child's peak memory counts its parent's."""

    def __init__(self):
        ask_out, self.ask = os.pipe()
        self.answer, answer_in = os.pipe()
        if os.fork() == 0:
            os.close(self.ask)
            os.close(self.answer)
            self.serve(os.fdopen(ask_out), os.fdopen(answer_in, "w"))
            os._exit(0)
        os.close(ask_out)
        os.close(answer_in)
        self.ask, self.answer = os.fdopen(self.ask, "w"), os.fdopen(self.answer)

    @staticmethod
    def serve(asked, answers):
        resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_MAX, OUTPUT_MAX))
        for line in asked:
            args, out, err = json.loads(line)
            pid = os.posix_spawnp(args[0], args, os.environ, file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_OPEN, 2, err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)])
            signal.signal(signal.SIGALRM, lambda *_, pid=pid: os.kill(pid, signal.SIGKILL))
            signal.alarm(SECONDS_MAX)
            _, status, usage = os.wait4(pid, 0)
            signal.alarm(0)
            answer = [os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024]
            print(json.dumps(answer), file=answers, flush=True)

    def run(self, *args):
        """exit status (below 0: the signal), stdout, stderr, peak memory"""
        out, err = os.path.join(FOLDER, "out"), os.path.join(FOLDER, "err")
        print(json.dumps([args, out, err]), file=self.ask, flush=True)
        status, peak = json.loads(self.answer.readline())
        return status, dec.load(out), dec.load(err).decode("utf-8", "replace"), peak


def write(name, data):
    path = os.path.join(FOLDER, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def to_trb(text):
    """JSONL through the tool, decoded here."""
    status, out, err, _ = RUNNER.run(TOOL, "-F", "jsonl", "-f", "trb", write("in.jsonl", text))
    if status != 0 or err:
        raise AssertionError(f"exit {status}: {err}")
    return dec.Stream(out)


def to_text(data):
    """A binary stream through the tool, as text parsed here."""
    status, out, err, _ = RUNNER.run(TOOL, "-F", "trb", "-f", "jsonl", write("in.trb", data))
    if status != 0 or err:
        raise AssertionError(f"exit {status}: {err}")
    return parse_jsonl(out)


# ---- items -----------------------------------------------------------------------------------------


def parse_value(kind, value):
    if kind == dec.STR:
        return value.encode("utf-8", "surrogateescape")
    return float(value) if kind == dec.F64 else value


def parse_jsonl(data):
    """header, items, trailer; each of header and trailer None when it is not there."""
    header = trailer = None
    items = []
    for line in data.decode("utf-8").split("\n")[:-1]:
        obj = json.loads(line, object_pairs_hook=dec.one_of_each, parse_constant=dec.no_constant,
                         parse_int=lambda digits: -0.0 if digits == "-0" else int(digits))
        if "trace" in obj:
            header = obj["trace"]
        elif "end" in obj:
            trailer = obj["end"]
        else:
            kind = next((k for k in ("series", "event") if k in obj), "request")
            record = obj if kind == "request" else obj[kind]
            items.append((kind, {n: parse_value(dec.TYPE_OF[kind][n], v) for n, v in record.items()}))
    return header, items, trailer


def bits(value):
    return struct.pack("<d", value) if isinstance(value, float) else value


def shown(record, name):
    return f"{record[name]!r:.200}" if name in record else "absent"


def first_difference(got, want):
    """None when both hold the same values, each kind in its order."""
    for kind in dec.KINDS:
        a = [r for k, r in got if k == kind]
        b = [r for k, r in want if k == kind]
        for i, (x, y) in enumerate(zip(a, b)):
            for name, _ in dec.SCHEMAS[kind]:
                if (name in x) != (name in y) or bits(x.get(name)) != bits(y.get(name)):
                    return f"{kind} {i}: {name}: {shown(x, name)}, not {shown(y, name)}"
        if len(a) != len(b):
            return f"{len(a)} of {kind}, not {len(b)}"
    return None


def differs(got, trailer, want, state="complete"):
    difference = first_difference(got, want)
    if difference:
        return difference
    for key, value in {**trailer_of(want), "state": state}.items():
        if trailer.get(key) != value:
            return f"trailer: {key} is {trailer.get(key)!r}, not {value!r}"
    return None


def random_value(rng, kind):
    if kind == dec.U64:
        return rng.choice(EXTREMES) if rng.random() < 0.3 else rng.randrange(1 << rng.randrange(1, 65))
    if kind == dec.I64:
        return dec.signed(random_value(rng, dec.U64))
    if kind == dec.F64:
        return rng.choice((0.0, -0.0, 3.0, 0.1, -2.5, 5e-324, sys.float_info.max, 2.0**53 + 2, rng.random(),
                           float("inf"), float("-inf"), float("nan")))
    if kind == dec.STR:
        return rng.choice(TEXTS) if rng.random() < 0.7 else rng.randbytes(rng.randrange(60))
    length = rng.choice((0, 0, 1, 5, 5, 400))
    if rng.random() < 0.5:
        start = rng.randrange(1 << 40)
        return list(range(start, start + length))
    return [random_value(rng, dec.U64) for _ in range(length)]


def random_items(rng, n, strange=0.2):
    """Mostly requests. Each field has a habit in the stream: there or not, and how it moves."""
    habits = {}
    for kind in dec.KINDS:
        for name, t in dec.SCHEMAS[kind]:
            share = rng.choice((0, 0.05, 0.5, 0.95, 1, 1))
            pool = [random_value(rng, t) for _ in range(rng.choice((1, 3, 40)))]
            habits[kind, name] = (share, pool, rng.choice(("pool", "random", "step")), t)
    items = []
    for i in range(n):
        kind = rng.choice(dec.KINDS) if rng.random() < strange else "request"
        record = {}
        for name, _ in dec.SCHEMAS[kind]:
            share, pool, how, t = habits[kind, name]
            if rng.random() >= share:
                continue
            if how == "step" and t == dec.U64:
                record[name] = (pool[0] + i * 1000) & dec.MASK
            elif how == "step" and t == dec.I64:
                record[name] = dec.signed(pool[0] + i * 1000 + rng.randrange(-1, 2) & dec.MASK)
            else:
                record[name] = random_value(rng, t) if how == "random" else rng.choice(pool)
        items.append((kind, record))
    return items


def random_jsonl(rng, items):
    """The items as text: keys in any order, escapes or not, blanks or not."""
    lines = [json.dumps({"trace": HEADER})]
    for kind, record in items:
        fields = list(record)
        rng.shuffle(fields)
        obj = {name: dec.json_value(record[name]) for name in fields}
        obj = obj if kind == "request" else {kind: obj}
        if rng.random() < 0.5:
            lines.append(dec.to_json(obj))
        else:
            lines.append(json.dumps(obj))
    lines.append(json.dumps({"end": trailer_of(items)}))
    return ("\n".join(lines) + "\n").encode()


# ---- both ways -------------------------------------------------------------------------------------


def test_field_table():
    """The fields in rec.h are those that the decoder knows: a new one must reach it."""
    with open("libtrace/rec.h", encoding="utf-8") as f:
        text = f.read()
    letters = {"U64": dec.U64, "I64": dec.I64, "F64": dec.F64, "STR": dec.STR, "LIST": dec.LIST}
    for macro, kind in (("REC", "request"), ("SERIES", "series"), ("EVENT", "event")):
        rows = re.search(rf"#define TR_{macro}_FIELDS\(X\)(.*?[^\\])\n", text, re.S)[1]
        found = re.findall(r"X\((\d+), (\w+), [\w ]+, (\w+), ", rows)
        want = [(str(i), name, t) for i, (name, t) in enumerate(dec.SCHEMAS[kind])]
        got = [(number, name, letters[t]) for number, name, t in found]
        if got != want:
            yield f"{kind}: {sorted(set(got) ^ set(want))}"


def test_from_tool():
    """What the tool writes is what the decoder reads."""
    for seed in range(40):
        rng = random.Random(seed)
        items = random_items(rng, rng.choice((0, 1, 2, 30, 300)))
        stream = to_trb(random_jsonl(rng, items))
        difference = differs(list(stream.items()), stream.trailer, items)
        if difference:
            yield f"seed {seed}: {difference}"
        missing = {k: v for k, v in HEADER.items() if stream.header.get(k) != v}
        if missing:
            yield f"seed {seed}: header: not {missing}"


def test_to_tool():
    """What the encoder writes, in any encoding, is what the tool reads."""
    for seed in range(40):
        rng = random.Random(1000 + seed)
        items = random_items(rng, rng.choice((0, 1, 2, 30, 100)))
        data = enc.encode(items, plan=RandomPlan(rng), rows=rng.choice((7, 50)), index=seed % 2 == 1)
        header, got, trailer = to_text(data)
        difference = differs(got, trailer or {}, items)
        if difference:
            yield f"seed {seed}: {difference}"
        if header != HEADER | (header or {}):
            yield f"seed {seed}: header {header}"


def plain_items(n):
    return [("request", {"id": i, "arrival_ns": i * 1000 - 5000, "in_tokens": i * i,
                         "session": b"s%d" % (i % 3), "blocks": list(range(i)), "payload": b"\xff" * (i % 4)})
            for i in range(n)]


def test_every_encoding():
    """Each kind of numbers with each of its options, each form of strings, plain and zstd."""
    items = plain_items(20)
    items += [("series", {"t_ns": i, "name": b"queue", "value": i / 2}) for i in range(9)]
    items += [("event", {"t_ns": -i, "kind": b"note", "text": b"x" * i}) for i in range(9)]
    plans = [Plan(form, pack, kind=kind, delta=delta, zig=zig)
             for form in (0, 1) for pack in (raw_bytes, zstd_bytes) for kind in (VARINT, CLASS)
             for delta in (False, True) for zig in (False, True)]
    plans += [Plan(form, kind=RUNS) for form in (0, 1)]
    for plan in plans:
        _, got, trailer = to_text(enc.encode(items, plan=plan))
        difference = differs(got, trailer or {}, items)
        if difference:
            yield f"{plan.options}, form {plan.form}: {difference}"


def numbers_stream(encoded, values, name="in_tokens", kind=dec.U64):
    items = [("request", {name: v}) for v in values]
    times = (min(values), max(values)) if name == "arrival_ns" else (0, 0)
    content = varint(1) + column(name, kind, 0, encoded)
    return join(block(b"R", content, len(values), times), items=items), items


def test_numbers():
    """Corners of the numbers: values that wrap, one value, divisors, long varints."""
    inverse = pow(3, -1, 1 << 64)
    cases = {
        "constant, not delta": (ints([7] * 5, CONSTANT), [7] * 5),
        "constant steps": (ints([10, 7, 4, 1], CONSTANT, delta=True, zig=True, divisor=3), [10, 7, 4, 1]),
        "constant steps, one value": (ints([2**64 - 1], CONSTANT, delta=True), [2**64 - 1]),
        "no steps, varint": (ints([5], VARINT, delta=True), [5]),
        "no steps, class": (ints([5], CLASS, delta=True, pack=zstd_bytes), [5]),
        "wraps": (ints([2**64 - 1, 0, 2**63, 1], CLASS, delta=True), [2**64 - 1, 0, 2**63, 1]),
        "wraps signed": (ints([2**64 - 1, 0, 2**63, 1], CLASS, True, True), [2**64 - 1, 0, 2**63, 1]),
        "divisor": (ints([6000, 0, 9000], VARINT, divisor=3000), [6000, 0, 9000]),
        "divisor that wraps": (b"\0" + varint(3) + varint(inverse), [1, 1]),
        "divisor 2^64-1": (b"\0" + varint(2**64 - 1) + varint(2), [2**64 - 2] * 2),
        "class 64": (ints([2**64 - 1, 2**63], CLASS), [2**64 - 1, 2**63]),
        "varints longer than need be": (b"\1" + b"\x81\x00" + raw_bytes(b"\x85\x80\x00\x86\x00"), [5, 6]),
        "runs that wrap": (ints([2**64 - 2, 2**64 - 1, 0, 1, 9], RUNS), [2**64 - 2, 2**64 - 1, 0, 1, 9]),
    }
    for name, (encoded, values) in cases.items():
        data, items = numbers_stream(encoded, values)
        _, got, trailer = to_text(data)
        difference = differs(got, trailer or {}, items)
        if difference:
            yield f"{name}: {difference}"


def test_zstd_frames():
    """One frame, of any make: with and without its size, a checksum, any level, nothing in it."""
    text = b"some text, some text, some text " * 3000
    items = [("request", {"payload": text}), ("request", {"payload": b""})]
    makes = {
        "no size": zstd_frame(text), "size": zstd_frame(text, f"--stream-size={len(text)}"),
        "no checksum": zstd_frame(text, "--no-check"), "level 19": zstd_frame(text, "-19"),
        "stored": zstd_plain(text), "stored, window": zstd_plain(text, False),
    }
    for name, frame in makes.items():
        rest = b"\1" + ints([len(text), 0]) + framed(text, frame)
        content = varint(1) + column("payload", dec.STR, 0, rest)
        _, got, trailer = to_text(join(block(b"R", content, 2), items=items))
        difference = differs(got, trailer or {}, items)
        if difference:
            yield f"{name}: {difference}"


def test_later_versions():
    """Unknown columns and blocks, and a higher minor version, are passed over silently."""
    items = plain_items(30)
    strangers = [column("of_tomorrow", dec.U64, 0, ints([1] * 10)), column("odd", 9, 0, b"whatever"),
                 column(b"\xff\xfe", 200, 0, b""), column("x" * 255, dec.STR, 1, b"\xff" * 300)]
    foreign = [block(b"Q", b"body"), block(b"\0", b""), block(b"Z", bytes(1 << 20)),
               block(b"h", b"{}", 7, (-3, 9))]
    for index in (False, True):
        data = enc.encode(items, rows=10, index=index, strangers=strangers, foreign=foreign)
        _, got, trailer = to_text(data[:10] + b"\7\1" + data[12:])
        difference = differs(got, trailer or {}, items)
        if difference:
            yield f"index {index}: {difference}"


def test_many_strangers():
    """A body full of unknown columns is legal, and does not take for ever."""
    columns = [column(struct.pack("<I", i), 0, 0, b"") for i in range(1_000_000)]
    content = varint(len(columns)) + b"".join(columns)
    items = [("request", {})]
    _, got, trailer = to_text(join(block(b"R", content, 1), items=items))
    difference = differs(got, trailer or {}, items)
    if difference:
        yield difference


def test_limits_held():
    """What lies just within the limits is read."""
    one = [("request", {"payload": b"x" * (dec.RECORD_MAX - 16)})]
    many = [("request", {"in_tokens": 5}) for _ in range(dec.ROWS_MAX)]
    full = [("request", {"blocks": [5] * ((dec.CONTENT_MAX // 4 - 16) // 8)}) for _ in range(4)]
    full_plan = Plan(kind=CONSTANT)
    for name, items, plan in (("record", one, Plan(pack=zstd_bytes)), ("rows", many, full_plan),
                              ("content", full, full_plan)):
        _, got, trailer = to_text(enc.encode(items, plan=plan, rows=dec.ROWS_MAX))
        difference = differs(got, trailer or {}, items)
        if difference:
            yield f"{name}: {difference}"


def test_blocks_split():
    """The writer closes its blocks in time."""
    small = [("request", {"in_tokens": i & 3}) for i in range(150_000)]
    large = [("request", {"id": i, "payload": bytes([65 + i % 26]) * 100_000}) for i in range(40)]
    for name, items in (("small", small), ("large", large)):
        stream = to_trb(enc.to_jsonl(items))
        difference = differs(list(stream.items()), stream.trailer, items)
        if difference:
            yield f"{name}: {difference}"
        if len(stream.blocks) < 3:
            yield f"{name}: {len(stream.blocks)} blocks"
        if max(b.count for b in stream.blocks) * (100_024 if name == "large" else 8) > (1 << 20) + 100_024:
            yield f"{name}: a block of {max(b.count for b in stream.blocks)} records"


def test_file_has_index():
    """A file ends with an index, a pipe does not; the records are the same."""
    items = plain_items(50)
    out = os.path.join(FOLDER, "indexed.trb")
    status, _, err, _ = RUNNER.run(TOOL, "-F", "jsonl", "-o", out, write("in.jsonl", enc.to_jsonl(items)))
    if status != 0:
        yield f"exit {status}: {err}"
        return
    stream = dec.Stream(dec.load(out))
    if not stream.indexed:
        yield "no index"
    difference = differs(list(stream.items()), stream.trailer, items)
    if difference:
        yield difference


def test_command():
    """trb_decode.py as a command prints the twin, and checks."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trb_decode.py")
    items = mixed_items()
    data = enc.encode(items, plan=Plan(pack=zstd_bytes))
    good, cut = write("good.trb", data), write("short.trb", data[:-1])
    status, out, err, _ = RUNNER.run(sys.executable, script, good)
    if status != 0 or err or parse_jsonl(out) != (HEADER, items, trailer_of(items)):
        yield f"exit {status}: {err}: {out!r:.300}"
    for path, want in ((good, 0), (cut, 3)):
        status, out, err, _ = RUNNER.run(sys.executable, script, "--check", path)
        if status != want or out or bool(err) != bool(want):
            yield f"--check: exit {status}: {err}: {out!r:.300}"


def test_record_too_large():
    """A record above the limit is refused when it is written."""
    text = enc.to_jsonl([("request", {"payload": b"x" * (dec.RECORD_MAX - 15)})])
    status, _, err, _ = RUNNER.run(TOOL, "-F", "jsonl", "-f", "trb", write("in.jsonl", text))
    if status != 3 or err.count("\n") != 1:
        yield f"exit {status}: {err}"


# ---- hostile streams -------------------------------------------------------------------------------

HEAD = object_block(b"H", HEADER)


def join(*blocks, items=(), head=HEAD):
    return preamble() + head + b"".join(blocks) + object_block(b"T", trailer_of(items))


def one_column(name, kind, rest, n=2, flags=0, items=None):
    """A stream of one block of one column. items: what a careless reader would see."""
    content = varint(1) + column(name, kind, flags, rest)
    return join(block(b"R", content, n), items=items or [("request", {})] * n)


def numbers(rest, n=2, seen=None):
    items = seen and [("request", {"in_tokens": v}) for v in seen]
    return one_column("in_tokens", dec.U64, rest, n, items=items)


def texts(rest, n=2):
    return one_column("session", dec.STR, rest, n)


def lists(rest, n=2):
    return one_column("blocks", dec.LIST, rest, n)


def payload(raw, frame, **wrong):
    """One string of so many bytes, as the given frame."""
    rest = b"\1" + ints([raw]) + framed(b"", frame, length=raw, **wrong)
    return one_column("payload", dec.STR, rest, 1)


def hostile_layout():
    items = plain_items(3)
    good = enc.encode(items)
    rows = enc.data_block("request", items, Plan())
    end = object_block(b"T", trailer_of(items))
    yield "wrong magic", b"\x89TRC" + good[4:]
    yield "text mode magic", good.replace(b"\r\n", b"\n", 1)
    yield "version 2", preamble(major=2) + good[16:]
    yield "version 0", preamble(major=0) + good[16:]
    yield "reserved bytes of the preamble", preamble(reserved=1) + good[16:]
    yield "header missing", preamble() + rows + end
    yield "header after the data", preamble() + rows + HEAD + end
    yield "unknown block before the header", preamble() + block(b"Q", b"body") + HEAD + rows + end
    yield "empty unknown block before the header", preamble() + block(b"Q", b"") + HEAD + rows + end
    yield "header twice", preamble() + HEAD + HEAD + rows + end
    yield "header alone", preamble() + HEAD
    yield "trailer alone", preamble() + end
    yield "trailer missing", preamble() + HEAD + rows
    yield "two trailers", good + end
    yield "data after the trailer", good + rows
    yield "unknown block after the trailer", good + block(b"Q", b"")
    yield "bytes after the trailer", good + b"\0"
    yield "many bytes after the trailer", good + bytes(100)
    yield "header again after the trailer", good + HEAD
    yield "stream after the stream", good + good
    for name, text in (("not JSON", b"{"), ("empty", b""), ("a list", b"[]"),
                       ("not UTF-8", b'{"notes":{"a":"\xff"}}'), ("two objects", b"{}{}"),
                       ("very deep", b'{"a":' + b"[" * 500_000),
                       ("cut in a string", b'{"note":"\\ud800')):
        yield f"header: {name}", join(head=block(b"H", text))
        yield f"trailer: {name}", preamble() + HEAD + block(b"T", text)
    yield "header too large", join(head=block(b"H", b'{"a":"' + b"x" * (1 << 20) + b'"}'))
    wrong = {"records": 4, "series": 1, "events": 1, "in_tokens": 6, "out_tokens": 1, "content": "0" * 16}
    for key, value in wrong.items():
        lie = object_block(b"T", {**trailer_of(items), key: value})
        yield f"trailer: wrong {key}", preamble() + HEAD + rows + lie


def hostile_heads():
    items = plain_items(3)
    records = [record for _, record in items]
    content = enc.body("request", records, Plan())
    times = enc.times_of("request", records)
    good = block(b"R", content, 3, times)

    def rows(**wrong):
        return join(block(b"R", content, **{"count": 3, "times": times, **wrong}), items=items)
    yield "bad checksum of the header", join(HEAD[:12] + b"abcd" + HEAD[16:], head=b"")
    yield "bad checksum", rows(crc=1)
    yield "checksum of the body alone", rows(crc=dec.zlib.crc32(content))
    yield "bad checksum of an unknown block", join(block(b"Q", b"abc", crc=1), good, items=items)
    yield "a bit of the body turned", join(good[:-1] + bytes([good[-1] ^ 1]), items=items)
    yield "a bit of the head turned", join(good[:20] + bytes([good[20] ^ 1]) + good[21:], items=items)
    for at in range(3):
        yield f"reserved byte {at + 1} of the head", rows(reserved=bytes([int(i == at) for i in range(3)]))
    for length in (0, len(content) - 1, len(content) + 1, 2**31, 2**32 - 1):
        yield f"body length {length}", rows(length=length)
    long = block(b"Q", content, length=2**32 - 1)
    yield "body length 2^32-1 of an unknown block", join(long, good, items=items)
    yield "body of 8 MiB + 1", join(block(b"Q", bytes((8 << 20) + 1)), good, items=items)
    for count in (0, 2, 4, 65536, 65537, 2**31, 2**32 - 1):
        yield f"count {count}", rows(count=count)
    zeros = varint(1) + column("in_tokens", dec.U64, 0, ints([0] * 65537, CONSTANT))
    items = [("request", {"in_tokens": 0})] * 65537
    yield "count 65537, all there", join(block(b"R", zeros, 65537), items=items)


def hostile_columns():
    good = ints([4, 7])
    items = [("request", {"in_tokens": 4}), ("request", {"in_tokens": 7})]
    one = column("in_tokens", dec.U64, 0, good)

    def rows(content, seen=items):
        return join(block(b"R", content, 2), items=seen)

    def single(kind=dec.U64, flags=0, rest=good, **wrong):
        return rows(varint(1) + column("in_tokens", kind, flags, rest, **wrong))
    yield "empty body", rows(b"")
    yield "no column where one was told", rows(varint(1))
    yield "2^64-1 columns", rows(varint(2**64 - 1) + one)
    yield "columns left over", rows(varint(0) + one, [("request", {})] * 2)
    yield "bytes left over", rows(varint(1) + one + b"\0")
    yield "a name twice", rows(varint(2) + one + one)
    yield "a name beyond the body", rows(varint(1) + b"\xffin_tokens")
    yield "wrong type", single(dec.I64)
    yield "unknown type", single(5)
    for bit in range(1, 8):
        yield f"flag bit {bit}", single(flags=1 << bit)
    for length in (len(good) - 1, len(good) + 1, 2**31, 2**32, 2**63, 2**64 - 1):
        yield f"column length {length}", single(length=length)
        unknown = column("odd", 0, 0, good, length=length)
        yield f"unknown column's length {length}", rows(varint(2) + one + unknown)
    yield "bytes left over in a column", single(rest=good + b"\0")
    for name, bitmap in (("two bytes", raw_bytes(b"\3\0")), ("no byte", raw_bytes(b"")),
                         ("an unused bit", raw_bytes(b"\7")), ("a high unused bit", raw_bytes(b"\x83")),
                         ("2^63 bytes", raw_bytes(b"\3", 2**63))):
        yield f"bitmap of {name}", single(flags=1, rest=bitmap + good)


def hostile_numbers():
    long_varint, over = b"\x80" * 10 + b"\0", b"\xff" * 9 + b"\2"
    for head in [*range(4, 16), 0x13, 0x23, 0x33, 0x40, 0x80, 0xFF]:
        yield f"kind {head:#04x}", numbers(bytes([head]) + b"\1\1", seen=[1, 1])
    for kind in (CONSTANT, VARINT, CLASS):
        good = ints([5, 5], kind)
        yield f"divisor 0, kind {kind}", numbers(good[:1] + b"\0" + good[2:], seen=[0, 0])
    yield "divisor of 11 bytes", numbers(b"\0" + long_varint + b"\5", seen=[0, 0])
    yield "divisor above 2^64", numbers(b"\0" + over + b"\5")
    yield "first value of 11 bytes", numbers(b"\x10" + long_varint + b"\1\0", seen=[0, 0])
    yield "constant of 11 bytes", numbers(b"\0\1" + long_varint, seen=[0, 0])
    yield "constant above 2^64", numbers(b"\0\1" + over, seen=[2**64 - 1] * 2)
    yield "constant missing", numbers(b"\0\1")
    yield "nothing", numbers(b"")
    yield "varint of 11 bytes", numbers(b"\1\1" + raw_bytes(b"\1" + long_varint), seen=[1, 0])
    yield "varint above 2^64", numbers(b"\1\1" + raw_bytes(b"\1" + over))
    yield "varint cut", numbers(b"\1\1" + raw_bytes(b"\1\x80"), seen=[1, 0])
    yield "a varint too few", numbers(b"\1\1" + raw_bytes(b"\1"))
    yield "a varint too many", numbers(b"\1\1" + raw_bytes(b"\1\1\1"), seen=[1, 1])
    yield "a step too many", numbers(b"\x11\2\1" + raw_bytes(b"\1\1"), seen=[1, 2])
    yield "varints of 2^63 bytes", numbers(b"\1\1" + raw_bytes(b"\1\1", 2**63))
    yield "class 65", numbers(b"\2\1" + raw_bytes(b"\x41\0") + raw_bytes(bytes(8)))
    yield "class 255", numbers(b"\2\1" + raw_bytes(b"\xff\0") + raw_bytes(bytes(32)))
    yield "a class too few", numbers(b"\2\1" + raw_bytes(b"\1") + raw_bytes(b""))
    yield "a class too many", numbers(b"\2\1" + raw_bytes(b"\1\1\1") + raw_bytes(b""), seen=[1, 1])
    yield "a mantissa byte too few", numbers(b"\2\1" + raw_bytes(b"\x09\x02") + raw_bytes(b"\0"))
    yield "a mantissa byte too many", numbers(b"\2\1" + raw_bytes(b"\3\2") + raw_bytes(b"\0\0"), seen=[4, 2])
    yield "mantissa padding", numbers(b"\2\1" + raw_bytes(b"\3\2") + raw_bytes(b"\x80"), seen=[4, 2])
    yield "mantissa padding, low", numbers(b"\2\1" + raw_bytes(b"\3\2") + raw_bytes(b"\x08"), seen=[4, 2])
    for k in (0, 3, 2**32 + 1, 2**63, 2**64 - 1):
        yield f"{k} runs", numbers(b"\3" + varint(k) + ints([1]) + ints([1]), seen=[1, 2])
    nested = ints([1, 1], RUNS)
    yield "runs in the first values", numbers(b"\3\2" + nested + ints([0, 0]), seen=[1, 1])
    yield "runs in the run lengths", numbers(b"\3\2" + ints([1, 1]) + ints([0, 0], RUNS), seen=[1, 1])
    deep = b"\3\1" * 100_000 + ints([1])
    yield "runs nested deep", numbers(deep, 1)
    yield "runs too short", numbers(ints([1, 2], RUNS), 3)
    yield "runs too long", numbers(ints([1, 2, 3], RUNS), seen=[1, 2])
    yield "a run of 2^63", numbers(b"\3\1" + ints([1]) + ints([2**63 - 1]))
    yield "a run of 2^64", numbers(b"\3\1" + ints([1]) + ints([2**64 - 1]))
    yield "runs whose lengths wrap", numbers(b"\3\2" + ints([1, 1]) + ints([2**64 - 2, 2]))
    yield "runs whose lengths wrap to n", numbers(b"\3\2" + ints([1, 1]) + ints([2**64 - 1, 1]))


def hostile_bytes():
    text = b"abcdefgh" * 1000
    frame = zstd_frame(text, f"--stream-size={len(text)}")
    loose = zstd_frame(text)
    yield "method 2", texts(b"\1" + ints([1, 1]) + b"\2" + varint(2) + b"ab")
    yield "method 255", texts(b"\1" + ints([1, 1]) + b"\xff" + varint(2) + b"ab")
    for length in (1, 3, 2**32 + 2, 2**63, 2**64 - 1):
        yield f"raw length {length} for 2", texts(b"\1" + ints([1, 1]) + raw_bytes(b"ab", length))
    for stored in (len(frame) - 1, len(frame) + 1, 2**32 + len(frame), 2**63, 2**64 - 1):
        yield f"stored length {stored} for {len(frame)}", payload(len(text), frame, stored=stored)
    yield "not a frame", payload(10, b"abcdefghij")
    yield "no frame", payload(10, b"")
    yield "a frame of nothing", payload(10, zstd_plain(b""))
    yield "frame cut", payload(len(text), frame[:-5])
    yield "frame turned", payload(len(text), frame[:20] + bytes([frame[20] ^ 0x55]) + frame[21:])
    yield "frame's checksum turned", payload(len(text), frame[:-1] + bytes([frame[-1] ^ 1]))
    yield "bytes after the frame", payload(len(text), frame + b"\0")
    yield "two frames", payload(2 * len(text), frame + frame)
    yield "two frames, the first is enough", payload(len(text), frame + frame)
    yield "skippable frame before", payload(len(text), b"\x50\x2a\x4d\x18\4\0\0\0abcd" + frame)
    for name, f in (("a size", frame), ("no size", loose)):
        yield f"frame with {name} holds more", payload(len(text) - 1, f)
        yield f"frame with {name} holds less", payload(len(text) + 1, f)
        yield f"frame with {name} holds much more", payload(3, f)
        yield f"frame with {name} holds much less", payload(6_000_000, f)
        yield f"frame with {name}, raw length 2^40", payload(2**40, f)
        yield f"frame with {name}, raw length 2^63", payload(2**63, f)
        yield f"frame with {name}, raw length 2^64-1", payload(2**64 - 1, f)
    gib = 1 << 30
    silent = zstd_bomb(gib, declared=False)
    yield "bomb that tells", payload(gib, zstd_bomb(gib))
    yield "bomb that tells, small raw length", payload(1000, zstd_bomb(gib))
    yield "bomb that lies small", payload(1000, zstd_bomb(gib, declared=1000))
    yield "bomb that lies huge", payload(1000, zstd_bomb(1000, declared=2**63))
    yield "bomb that says nothing", payload(1000, silent)
    yield "bomb that says nothing, 5 MiB", payload(5 << 20, silent)
    yield "bomb in a bitmap", one_column("in_tokens", dec.U64, framed(b"", silent, length=1), flags=1)
    yield "bomb in the varints", numbers(b"\1\1" + framed(b"", silent, length=2))
    yield "window of 2 GiB", payload(len(text), b"\x28\xb5\x2f\xfd\x00\xa8" + loose[6:])
    yield "dictionary wanted", payload(3, b"\x28\xb5\x2f\xfd\x21\x07\x03\x19\0\0abc")


def hostile_strings():
    two = ints([1, 1])
    mib = zstd_bytes(bytes(1 << 20))
    yield "form 2", texts(b"\2" + two + raw_bytes(b"ab"))
    yield "form 255", texts(b"\xff" + two + raw_bytes(b"ab"))
    yield "dictionary of 0", texts(b"\0" + varint(0) + raw_bytes(b"") + ints([0, 0]))
    words = ints([1, 1, 1]) + raw_bytes(b"abc")
    yield "dictionary larger than the column", texts(b"\0" + varint(3) + words + ints([0, 1]))
    for d in (65537, 2**32 + 1, 2**63, 2**64 - 1):
        yield f"dictionary of {d}", texts(b"\0" + varint(d) + ints([1]) + raw_bytes(b"a") + ints([0, 0]))
    for number in (1, 2, 2**32, 2**63, 2**64 - 1):
        yield f"string number {number} of 1", texts(b"\0\1" + ints([1]) + raw_bytes(b"a") + ints([0, number]))
    for form, more in ((b"\0\2", ints([0, 1])), (b"\1", b"")):
        name = "dictionary" if more else "plain"
        for lengths in ([1, 2], [1, 0], [2**32, 2], [2**62, 2**62], [2**63, 2**63], [2**63 + 1, 2**63 + 1],
                        [2**64 - 1, 3], [2**64 - 1, 2**64 - 1]):
            yield f"{name}: strings of {lengths} bytes", texts(form + ints(lengths) + raw_bytes(b"ab") + more)
    yield "strings of 2^40 bytes", texts(b"\1" + ints([2**40] * 65536, CONSTANT) + raw_bytes(b""), 65536)
    yield "dictionary word of 1 MiB 65536 times", texts(
        b"\0\1" + ints([1 << 20]) + mib + ints([0] * 65536, CONSTANT), 65536)
    yield "record above 6 MiB", texts(
        b"\0\1" + ints([dec.RECORD_MAX - 15]) + zstd_bytes(bytes(dec.RECORD_MAX - 15)) + ints([0]), 1)
    yield "content above 8 MiB", texts(b"\0\1" + ints([1 << 20]) + mib + ints([0] * 8, CONSTANT), 8)
    names = [n for n, t in dec.SCHEMAS["request"] if t == dec.U64]
    columns = b"".join(column(n, dec.U64, 0, ints([1] * 65536, CONSTANT)) for n in names)
    yield f"{len(names)} constant columns of 65536", join(block(b"R", varint(len(names)) + columns, 65536))


def hostile_lists():
    for lengths in ([1, 2], [2**20, 2**20], [2**32, 2], [2**60, 2**60], [2**61, 2**61], [2**63, 2**63],
                    [2**63 + 1, 2**63 + 1], [2**64 - 1, 3], [2**64 - 1, 1], [2**64 - 1, 2**64 - 1]):
        yield f"lists of {lengths}", lists(ints(lengths) + ints([5, 5]))
        yield f"lists of {lengths}, constant", lists(ints(lengths) + ints([5, 5], CONSTANT)
                                                     if sum(lengths) > 3 else ints(lengths) + ints([5] * 2))
    yield "65536 lists of 2^50", lists(ints([2**50] * 65536, CONSTANT) + ints([1], CONSTANT), 65536)
    yield "lists of 8 MiB", lists(ints([2**19, 2**19]) + ints([5] * 2**20, CONSTANT))
    yield "a list above 6 MiB", lists(ints([dec.RECORD_MAX // 8 - 1]) + ints([5], CONSTANT), 1)
    yield "elements of empty lists", lists(ints([0, 0]) + ints([5]))
    yield "elements missing", lists(ints([1, 1]))
    columns = [column(n, dec.LIST, 0, ints([2**19]) + ints([5], CONSTANT)) for n in ("blocks", "preds")]
    yield "two lists, together too large", join(block(b"R", varint(2) + b"".join(columns), 1))


def hostile_index():
    items = plain_items(30)
    good = enc.encode(items, rows=10)
    full = enc.encode(items, rows=10, index=True)
    tail = full[len(good):]
    at = len(good)
    yield "index without the footer", full[:-16]
    yield "footer without the index", good + full[-16:]
    yield "footer cut", full[:-1]
    yield "footer's mark", full[:-1] + b"Y"
    yield "footer's offset", good + tail[:-16] + dec.FOOTER.pack(at + 1, b"TRBINDEX")
    yield "bytes after the footer", full + b"\0"
    yield "index twice", full + tail
    trailer = object_block(b"T", trailer_of(items))
    yield "index before the trailer", full.replace(trailer, b"") + trailer
    yield "checksum of the index", good + tail[:40] + bytes([tail[40] ^ 1]) + tail[41:]
    yield "index with a wrong count", good + block(b"X", tail[32:-16], 2**32 - 1) + tail[-16:]


def harmless():
    items = plain_items(3)
    records = [record for _, record in items]
    content = enc.body("request", records, Plan())
    yield "times that are not those of the records", join(block(b"R", content, 3), items=items), items
    odd = column("odd", dec.U64, 0, b"")
    one = column("in_tokens", dec.U64, 0, ints([4]))
    seen = [("request", {"in_tokens": 4})]
    yield "an unknown name twice", join(block(b"R", varint(3) + odd + one + odd, 1), items=seen), seen
    items = plain_items(30)
    good = enc.encode(items, rows=10)
    tail = enc.encode(items, rows=10, index=True)[len(good):]
    for offset in (0, 8, 16, 24, 28, 29):
        content = bytearray(tail[32:-16])
        content[offset] ^= 1
        yield f"index entry, byte {offset}", good + block(b"X", bytes(content), 3) + tail[-16:], items
    yield "index of two of three blocks", good + block(b"X", tail[32:96], 2) + tail[-16:], items


def refused_badly(data, before):
    """What is wrong with how the tool refuses the stream, or None. It must do so before an offset."""
    path = write("hostile.trb", data)
    status, _, err, peak = RUNNER.run(TOOL, "-F", "trb", "-f", "jsonl", path)
    if status != 3:
        return f"exit {status}: {err:.300}"
    where = re.fullmatch(rf"[^\n]*{re.escape(path)}@(\d+)[^\n]*\n", err)
    if not where:
        return f"stderr is not one line with the file and @offset: {err:.300}"
    if int(where[1]) >= before:
        return f"seen too late: {err:.300}"
    if peak > RSS_MAX:
        return f"peak memory {peak >> 20} MiB"
    return None


def refuses(cases, in_block):
    """A test that all cases are refused, here and by the tool. in_block: not by the trailer's sums alone."""
    def test():
        for name, data in cases():
            try:
                for _ in dec.Stream(data).items():
                    pass
                yield f"{name}: the decoder here takes it"
            except dec.TrbError:
                pass
            wrong = refused_badly(data, data.rindex(b"T\0\0\0") if in_block else len(data) + 1)
            if wrong:
                yield f"{name}: {wrong}"
    test.__doc__ = cases.__name__.replace("_", ": ")
    return test


def test_harmless():
    """What the decoder here refuses and a reader may pass over: then it must give the right records."""
    for name, data, items in harmless():
        try:
            for _ in dec.Stream(data).items():
                pass
            yield f"{name}: the decoder here takes it"
        except dec.TrbError:
            pass
        status, out, _, _ = RUNNER.run(TOOL, "-F", "trb", "-f", "jsonl", write("hostile.trb", data))
        _, got, trailer = parse_jsonl(out)
        wrong = differs(got, trailer or {}, items) if status == 0 else refused_badly(data, len(data) + 1)
        if wrong:
            yield f"{name}: {wrong}"


# ---- cut streams -----------------------------------------------------------------------------------


def mixed_items():
    items = plain_items(6)
    items += [("series", {"t_ns": 5, "name": b"queue", "value": 1.5})]
    return items + [("event", {"t_ns": 9, "kind": b"note", "text": b"\xff"})] + plain_items(2)


def test_cut_everywhere():
    """A stream that is cut gives its whole blocks, then an error."""
    items = mixed_items()
    data = enc.encode(items, rows=4)
    ends, at = [], 0
    for b in dec.Stream(data).blocks:
        at += b.count
        ends.append((b.end, at))
    for cut in range(len(data)):
        path = write("cut.trb", data[:cut])
        status, out, err, _ = RUNNER.run(TOOL, "-F", "trb", "-f", "jsonl", path)
        want = items[:max((n for end, n in ends if end <= cut), default=0)]
        _, got, trailer = parse_jsonl(out)
        difference = first_difference(got, want)
        if difference:
            yield f"cut at {cut}: {difference}"
        if status != 3 or err.count("\n") != 1 or not re.search(re.escape(path) + r"@\d+", err):
            yield f"cut at {cut}: exit {status}: {err:.300}"
        if trailer is not None and differs(got, trailer, want, "interrupted"):
            yield f"cut at {cut}: {differs(got, trailer, want, 'interrupted')}"


def test_cut_index():
    """A stream that is cut after its trailer gives all, then an error."""
    items = mixed_items()
    whole = len(enc.encode(items, rows=4))
    data = enc.encode(items, rows=4, index=True)
    for cut in range(whole + 1, len(data)):
        path = write("cut.trb", data[:cut])
        status, out, err, _ = RUNNER.run(TOOL, "-F", "trb", "-f", "jsonl", path)
        difference = first_difference(parse_jsonl(out)[1], items)
        if difference:
            yield f"cut at {cut}: {difference}"
        if status != 3 or err.count("\n") != 1:
            yield f"cut at {cut}: exit {status}: {err:.300}"


def test_damage():
    """A damaged byte anywhere: the whole blocks before it come out, then an error."""
    items = mixed_items()
    data = enc.encode(items, rows=4, index=True)
    blocks = dec.Stream(data).blocks
    for at in range(0, len(data), 3):
        path = write("damaged.trb", data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:])
        status, out, err, _ = RUNNER.run(TOOL, "-F", "trb", "-f", "jsonl", path)
        whole = sum(b.count for b in blocks if b.end <= at)
        difference = first_difference(parse_jsonl(out)[1], items[:whole])
        if difference:
            yield f"byte {at}: {difference}"
        if status != 3 or err.count("\n") != 1:
            yield f"byte {at}: exit {status}: {err:.300}"


# ---- TAP -------------------------------------------------------------------------------------------

TESTS = (
    test_field_table, test_from_tool, test_to_tool, test_every_encoding, test_numbers, test_zstd_frames,
    test_later_versions, test_many_strangers, test_limits_held, test_blocks_split, test_file_has_index,
    test_command, test_record_too_large, refuses(hostile_layout, False), refuses(hostile_heads, False),
    refuses(hostile_columns, True), refuses(hostile_numbers, True), refuses(hostile_bytes, True),
    refuses(hostile_strings, True), refuses(hostile_lists, True), refuses(hostile_index, False),
    test_harmless, test_cut_everywhere, test_cut_index, test_damage,
)


def run(test):
    """What is wrong, at most ten things."""
    found = []
    try:
        for wrong in test():
            found.append(wrong)
            if len(found) == 10:
                found.append("and so on")
                break
    except (AssertionError, dec.TrbError, ValueError, KeyError) as e:
        found.append(f"{type(e).__name__}: {e}")
    return found


def main():
    for tool in (TOOL, "zstd"):
        if shutil.which(tool) is None:
            print(f"Bail out! {tool} is not in PATH")
            return 1
    print(f"1..{len(TESTS)}")
    failed = 0
    for i, test in enumerate(TESTS, 1):
        found = run(test)
        failed += bool(found)
        title = (test.__doc__ or test.__name__.replace("test_", "").replace("_", " ")).rstrip(".")
        print(f"{'not ok' if found else 'ok'} {i} - trb: {title}", flush=True)
        for wrong in found:
            print("#   " + wrong.replace("\n", " "), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    RUNNER = Runner()
    with tempfile.TemporaryDirectory() as FOLDER:
        sys.exit(main())
