#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# A decoder of the binary trace format that shares nothing with libtrace: it was written from trb(5) alone,
# so that the page is proved sufficient and the C codec has something to be held against. It is strict (it
# refuses whatever the page does not allow) rather than fast. Python's standard library and the zstd command.
#
#   trb_decode.py FILE           print the JSONL twin
#   trb_decode.py --check FILE   only check

import json
import math
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import namedtuple

MASK = (1 << 64) - 1
MIB = 1 << 20
BODY_MAX = 8 * MIB
CONTENT_MAX = 8 * MIB
RECORD_MAX = 6 * MIB
META_MAX = 1 * MIB
ROWS_MAX = 65536

MAGIC = bytes.fromhex("895452420d0a1a0a")
PREAMBLE = struct.Struct("<8sHHI")
HEAD = struct.Struct("<c3sIIIqq")
ENTRY = struct.Struct("<QqqIc3s")
FOOTER = struct.Struct("<Q8s")

U64, I64, F64, STR, LIST = range(5)

# The position of a field is its number.
SCHEMAS = {
    "request": (
        ("id", U64), ("arrival_ns", I64), ("in_tokens", U64), ("out_tokens", U64), ("images", U64),
        ("session", STR), ("turn", U64), ("parent", U64), ("preds", LIST), ("think_ns", I64),
        ("tenant", STR), ("type", STR), ("model", STR), ("adapter", STR), ("stage", U64),
        ("priority", I64), ("slo", STR), ("block_size", U64), ("block_tail", STR), ("blocks", LIST),
        ("payload_kind", STR), ("payload", STR), ("answer", STR), ("source_id", STR),
        ("extra", STR), ("source_row", STR), ("due_ns", I64), ("dispatched_ns", I64),
        ("sent_ns", I64), ("headers_ns", I64), ("first_ns", I64), ("end_ns", I64),
        ("gaps_ns", LIST), ("event_tokens", LIST), ("seen_in_tokens", U64),
        ("seen_out_tokens", U64), ("cached_tokens", U64), ("bytes_out", U64), ("bytes_in", U64),
        ("finish", STR), ("status", STR), ("http_code", U64), ("error", STR), ("connect_ns", I64),
        ("tls_ns", I64), ("reused", U64), ("resent", U64), ("server_id", STR), ("worker", U64),
        ("estimated", U64), ("turns", U64),
    ),
    "series": (("t_ns", I64), ("name", STR), ("value", F64), ("labels", STR)),
    "event": (("t_ns", I64), ("kind", STR), ("text", STR), ("data", STR)),
}
KINDS = tuple(SCHEMAS)
KIND_OF = {b"R": "request", b"S": "series", b"E": "event"}
TIME_FIELD = {"request": "arrival_ns", "series": "t_ns", "event": "t_ns"}
NUMBER_OF = {kind: {name: b for b, (name, _) in enumerate(fields)} for kind, fields in SCHEMAS.items()}
TYPE_OF = {kind: dict(fields) for kind, fields in SCHEMAS.items()}


class TrbError(Exception):
    """What is wrong, and the offset in the stream near which it is."""

    def __init__(self, offset, what):
        super().__init__(f"@{offset}: {what}")
        self.offset = offset


# ---- cursor --------------------------------------------------------------------------------------


class Cursor:
    """Takes a stretch of the stream apart from front to back."""

    def __init__(self, data, at, end):
        self.data, self.at, self.end = data, at, end

    def fail(self, what):
        raise TrbError(self.at, what)

    def take(self, n):
        if n > self.end - self.at:
            self.fail(f"{n} bytes wanted, {self.end - self.at} left")
        self.at += n
        return self.data[self.at - n:self.at]

    def u8(self):
        return self.take(1)[0]

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            b = self.u8()
            value |= (b & 127) << shift
            if b < 128:
                if value > MASK:
                    self.fail("varint of 2^64 or more")
                return value
        self.fail("varint of more than ten bytes")

    def done(self):
        if self.at != self.end:
            self.fail(f"{self.end - self.at} bytes left over")


# ---- zstd frames ---------------------------------------------------------------------------------
#
# A frame is inflated by the zstd command, and a call costs milliseconds: the columns of a group of blocks are
# decoded side by side as generators, each of which yields the frame it needs next; all frames go to one call.

Frame = namedtuple("Frame", "data raw where")


def frame_content_size(frame):
    """Walk one zstd frame (RFC 8878). Its declared content size, or None; it must end where the data ends."""
    cur = Cursor(frame.data, 0, len(frame.data))
    try:
        if cur.take(4) != b"\x28\xb5\x2f\xfd":
            cur.fail("not a zstd frame")
        descriptor = cur.u8()
        if descriptor & 0x08:
            cur.fail("zstd frame with the reserved bit set")
        single = descriptor >> 5 & 1
        if not single:
            cur.take(1)
        if any(cur.take((0, 1, 2, 4)[descriptor & 3])):
            cur.fail("zstd frame with a dictionary")
        width = (single, 2, 4, 8)[descriptor >> 6]
        size = int.from_bytes(cur.take(width), "little") + (256 if width == 2 else 0)
        last = 0
        while not last:
            head = int.from_bytes(cur.take(3), "little")
            last, kind, length = head & 1, head >> 1 & 3, head >> 3
            if kind == 3:
                cur.fail("zstd block of the reserved kind")
            cur.take(1 if kind == 1 else length)
        cur.take(4 if descriptor & 4 else 0)
        cur.done()
    except TrbError as e:
        raise TrbError(frame.where, f"bad zstd frame: {e}") from None
    return size if width else None


def inflate_one(frame):
    with tempfile.TemporaryFile() as source:
        source.write(frame.data)
        source.seek(0)
        with subprocess.Popen(["zstd", "-dcq"], stdin=source, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as zstd:
            raw = zstd.stdout.read(frame.raw + 1)
            if len(raw) > frame.raw:
                zstd.kill()
            status = zstd.wait()
    if len(raw) != frame.raw or status != 0:
        raise TrbError(frame.where, f"zstd frame does not give the {frame.raw} bytes that it should")
    return raw


def inflate_many(frames):
    """Frames that declare their right size: together, cut apart by it."""
    done = subprocess.run(["zstd", "-dcq"], input=b"".join(f.data for f in frames), check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode != 0 or len(done.stdout) != sum(f.raw for f in frames):
        return [inflate_one(f) for f in frames]
    raws, at = [], 0
    for f in frames:
        raws.append(done.stdout[at:at + f.raw])
        at += f.raw
    return raws


def inflate(frames):
    raws = {}
    batch, size = [], 0
    for i, f in enumerate(frames):
        declared = frame_content_size(f)
        if declared is None:
            raws[i] = inflate_one(f)
            continue
        if declared != f.raw:
            raise TrbError(f.where, f"zstd frame declares {declared} bytes, not {f.raw}")
        if size + f.raw > 32 * MIB:
            raws.update(zip(batch, inflate_many([frames[j] for j in batch])))
            batch, size = [], 0
        batch.append(i)
        size += f.raw
    if batch:
        raws.update(zip(batch, inflate_many([frames[j] for j in batch])))
    return [raws[i] for i in range(len(frames))]


def run_together(jobs):
    """Run generators that yield frames and are sent what is in them; their results, in order."""
    results = [None] * len(jobs)
    waiting = [(i, job, None) for i, job in enumerate(jobs)]
    while waiting:
        asked = []
        for i, job, raw in waiting:
            try:
                asked.append((i, job, job.send(raw)))
            except StopIteration as end:
                results[i] = end.value
        raws = inflate([frame for _, _, frame in asked])
        waiting = [(i, job, raw) for (i, job, _), raw in zip(asked, raws)]
    return results


# ---- bytes and ints ------------------------------------------------------------------------------


def get_bytes(cur, least, most):
    """A bytes stream whose raw length must lie in [least, most]."""
    method = cur.u8()
    raw = cur.varint()
    if not least <= raw <= most:
        cur.fail(f"{raw} bytes where {least} to {most} belong")
    if method == 0:
        return cur.take(raw)
    if method != 1:
        cur.fail(f"unknown method {method}")
    stored = cur.varint()
    where = cur.at
    return (yield Frame(cur.take(stored), raw, where))


def unzigzag(z):
    return z >> 1 ^ -(z & 1)


def residuals_constant(cur, m):
    value = cur.varint()
    return [value] * m
    yield  # a generator, as the others


def residuals_varint(cur, m):
    where = cur.at
    raw = yield from get_bytes(cur, m, 10 * m)
    out = []
    value = shift = 0
    for b in raw:
        value |= (b & 127) << shift
        shift += 7
        if b < 128:
            if value > MASK:
                raise TrbError(where, "varint of 2^64 or more")
            out.append(value)
            value = shift = 0
        elif shift == 70:
            raise TrbError(where, "varint of more than ten bytes")
    if shift != 0:
        raise TrbError(where, "cut varint")
    if len(out) != m:
        raise TrbError(where, f"{len(out)} varints where {m} belong")
    return out


def residuals_class(cur, m):
    where = cur.at
    classes = yield from get_bytes(cur, m, m)
    if m and max(classes) > 64:
        raise TrbError(where, f"class {max(classes)}")
    bits = sum(c - 1 for c in classes if c > 1)
    where = cur.at
    size = (bits + 7) // 8
    mantissas = yield from get_bytes(cur, size, size)
    out = []
    have = held = at = 0
    for c in classes:
        if c < 2:
            out.append(c)
            continue
        while held < c - 1:
            have |= int.from_bytes(mantissas[at:at + 8], "little") << held
            held += 64
            at += 8
        lead = 1 << (c - 1)
        out.append(lead | (have & (lead - 1)))
        have >>= c - 1
        held -= c - 1
    if have:
        raise TrbError(where, "unused mantissa bits that are not zero")
    return out


RESIDUALS = (residuals_constant, residuals_varint, residuals_class)
RUNS = 3


def get_runs(cur, n):
    where = cur.at
    k = cur.varint()
    if not 1 <= k <= n:
        raise TrbError(where, f"{k} runs for {n} values")
    firsts = yield from get_ints(cur, k, nested=True)
    lengths = yield from get_ints(cur, k, nested=True)
    if sum(lengths) + k != n:
        raise TrbError(where, f"runs of {sum(lengths) + k} values in all where {n} belong")
    return [v + i & MASK for v, length in zip(firsts, lengths) for i in range(length + 1)]


def get_ints(cur, n, nested=False):
    """n numbers as their 64 bits, unsigned."""
    if n == 0:
        return []
    head = cur.u8()
    kind, delta, zigzag = head & 15, head >> 4 & 1, head >> 5 & 1
    if head >> 6 or kind > RUNS or (kind == RUNS and (delta or zigzag or nested)):
        cur.fail(f"bad kind of numbers {head:#04x}")
    if kind == RUNS:
        return (yield from get_runs(cur, n))
    value = unzigzag(cur.varint()) & MASK if delta else 0
    divisor = cur.varint()
    if divisor == 0:
        cur.fail("divisor 0")
    steps = yield from RESIDUALS[kind](cur, n - delta)
    if zigzag:
        steps = [unzigzag(r) for r in steps]
    steps = [divisor * r & MASK for r in steps]
    if not delta:
        return steps
    out = [value]
    for s in steps:
        value = value + s & MASK
        out.append(value)
    return out


# ---- columns -------------------------------------------------------------------------------------


def signed(bits):
    return bits - (1 << 64) if bits >> 63 else bits


def get_numbers(cur, n, kind):
    values = yield from get_ints(cur, n)
    if kind == I64:
        return [signed(v) for v in values]
    if kind == F64:
        return list(struct.unpack(f"<{n}d", struct.pack(f"<{n}Q", *values)))
    return values


def cut_apart(data, lengths):
    out, at = [], 0
    for length in lengths:
        out.append(bytes(data[at:at + length]))
        at += length
    return out


def get_texts(cur, n):
    """n strings: ints(n) lengths, bytes."""
    where = cur.at
    lengths = yield from get_ints(cur, n)
    total = sum(lengths)
    if total > CONTENT_MAX:
        raise TrbError(where, f"strings of {total} bytes")
    return cut_apart((yield from get_bytes(cur, total, total)), lengths)


def get_strings(cur, n, _kind):
    form = cur.u8()
    if form == 1:
        return (yield from get_texts(cur, n))
    if form != 0:
        cur.fail(f"unknown form of strings {form}")
    where = cur.at
    d = cur.varint()
    if not 1 <= d <= n:
        raise TrbError(where, f"dictionary of {d} strings for {n} values")
    words = yield from get_texts(cur, d)
    where = cur.at
    numbers = yield from get_ints(cur, n)
    if max(numbers) >= d:
        raise TrbError(where, f"string number {max(numbers)} in a dictionary of {d}")
    return [words[i] for i in numbers]


def get_lists(cur, n, _kind):
    where = cur.at
    lengths = yield from get_ints(cur, n)
    total = sum(lengths)
    if 8 * total > CONTENT_MAX:
        raise TrbError(where, f"lists of {total} elements")
    elements = yield from get_ints(cur, total)
    out, at = [], 0
    for length in lengths:
        out.append(elements[at:at + length])
        at += length
    return out


VALUES = {U64: get_numbers, I64: get_numbers, F64: get_numbers, STR: get_strings, LIST: get_lists}


def get_column(cur, records, kind, flags):
    """The rows that have a value, and the values."""
    rows = range(records)
    if flags & 1:
        where = cur.at
        size = (records + 7) // 8
        bitmap = int.from_bytes((yield from get_bytes(cur, size, size)), "little")
        if bitmap >> records:
            raise TrbError(where, "unused bits of the presence bitmap that are not zero")
        rows = [i for i, bit in enumerate(reversed(f"{bitmap:b}")) if bit == "1"]
    values = yield from VALUES[kind](cur, len(rows), kind)
    cur.done()
    return rows, values


def column_jobs(data, block):
    """Walk the columns of a data block: (name, generator) for each known one."""
    cur = Cursor(data, block.offset + HEAD.size, block.end)
    types = TYPE_OF[block.kind]
    seen = set()
    jobs = []
    for _ in range(cur.varint()):
        name = bytes(cur.take(cur.u8())).decode("latin-1")
        if name in seen:
            cur.fail(f"column {name!r} stands twice")
        seen.add(name)
        kind, flags = cur.u8(), cur.u8()
        if flags & ~1:
            cur.fail(f"column {name!r} has unknown flags {flags:#04x}")
        rest = cur.varint()
        at = cur.at
        cur.take(rest)
        if name not in types:
            continue
        if kind != types[name]:
            cur.fail(f"column {name!r} has type {kind}, not {types[name]}")
        jobs.append((name, get_column(Cursor(data, at, cur.at), block.count, kind, flags)))
    cur.done()
    return jobs


def content_of(kind, value):
    if kind == STR:
        return 16 + len(value)
    return 16 + 8 * len(value) if kind == LIST else 8


def assemble(block, names, columns):
    """The block's records, each with its fields by number; limits and times are held against the head."""
    types, numbers = TYPE_OF[block.kind], NUMBER_OF[block.kind]
    records = [{} for _ in range(block.count)]
    sizes = [0] * block.count
    lowest = highest = 0
    for name, (rows, values) in sorted(zip(names, columns), key=lambda c: numbers[c[0]]):
        kind = types[name]
        for row, value in zip(rows, values):
            records[row][name] = value
            sizes[row] += content_of(kind, value)
        if name == TIME_FIELD[block.kind] and values:
            lowest, highest = min(values), max(values)
    if (block.lowest, block.highest) != (lowest, highest):
        raise TrbError(block.offset, f"times {lowest} to {highest}, not {block.lowest} to {block.highest}")
    if sum(sizes) > CONTENT_MAX:
        raise TrbError(block.offset, f"{sum(sizes)} bytes of content in a block")
    if sizes and max(sizes) > RECORD_MAX:
        raise TrbError(block.offset, f"{max(sizes)} bytes of content in a record")
    return records


# ---- totals and content hash ---------------------------------------------------------------------

P = 0x9E3779B97F4A7C15


def mix(x):
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def field_hash(number, kind, value):
    if kind == STR:
        q = len(value)
        for at in range(0, len(value), 8):
            q = mix(q ^ int.from_bytes(value[at:at + 8], "little"))
    elif kind == LIST:
        q = len(value)
        for e in value:
            q = mix(q ^ e)
    elif kind == F64:
        q = struct.unpack("<Q", struct.pack("<d", value))[0]
    else:
        q = value & MASK
    return mix(q + P * (number + 1) & MASK)


class Totals:
    """What the trailer says of the records."""

    def __init__(self):
        self.counts = dict.fromkeys(KINDS, 0)
        self.chains = dict.fromkeys(KINDS, 0)
        self.in_tokens = self.out_tokens = self.inversions = 0
        self.arrival = self.first = self.last = None

    def add(self, kind, record):
        fields, numbers = TYPE_OF[kind], NUMBER_OF[kind]
        r = sum(field_hash(numbers[name], fields[name], value) for name, value in record.items())
        self.chains[kind] = mix(self.chains[kind] ^ r & MASK)
        self.counts[kind] += 1
        if kind != "request":
            return
        self.in_tokens += record.get("in_tokens", 0)
        self.out_tokens += record.get("out_tokens", 0)
        arrival = record.get("arrival_ns")
        if arrival is not None:
            if self.arrival is None:
                self.first = self.last = arrival
            elif arrival < self.arrival:
                self.inversions += 1
            self.arrival = arrival
            self.first, self.last = min(self.first, arrival), max(self.last, arrival)

    def content(self):
        c = 0
        for i, kind in enumerate(KINDS):
            c ^= mix(self.chains[kind] + P * (i + 1) & MASK)
        return f"{c:016x}"

    def trailer(self):
        ends = {} if self.arrival is None else {"first_ns": self.first, "last_ns": self.last}
        return {
            "records": self.counts["request"],
            "series": self.counts["series"],
            "events": self.counts["event"],
            "in_tokens": self.in_tokens & MASK, "out_tokens": self.out_tokens & MASK,
            "inversions": self.inversions, "content": self.content(),
            **ends,
        }


# ---- the stream ----------------------------------------------------------------------------------

Block = namedtuple("Block", "type kind offset end count lowest highest")


def one_of_each(pairs):
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError("a key stands twice")
    return keys


def no_constant(name):
    raise ValueError(f"{name} is not JSON")


def get_object(data, block):
    try:
        text = data[block.offset + HEAD.size:block.end].decode("utf-8")
        value = json.loads(text, object_pairs_hook=one_of_each, parse_constant=no_constant)
    except (ValueError, RecursionError) as e:
        raise TrbError(block.offset, f"not a JSON object: {e}") from None
    if not isinstance(value, dict):
        raise TrbError(block.offset, "not a JSON object")
    return value


class Stream:
    """A whole stream: its layout is checked at once, its records when items() gives them."""

    def __init__(self, data):
        self.data = data
        self.blocks = []  # the data blocks
        self.header = self.trailer = None
        self.indexed = False
        self.layout()

    def layout(self):
        data = self.data
        if len(data) < PREAMBLE.size:
            raise TrbError(len(data), "cut in the preamble")
        magic, major, self.minor, reserved = PREAMBLE.unpack_from(data)
        if magic != MAGIC:
            raise TrbError(0, "not a trb stream")
        if major != 1:
            raise TrbError(8, f"version {major}")
        if reserved:
            raise TrbError(12, "reserved bytes that are not zero")
        at = PREAMBLE.size
        while at < len(data):
            block = self.head(at)
            at = block.end
            if self.trailer is not None:
                self.index(block)
                return
            if (block.type == b"H") != (self.header is None):
                raise TrbError(block.offset, "the first block, and it alone, must be the header")
            if block.type == b"H":
                self.header = get_object(data, block)
            elif block.type == b"T":
                self.trailer = get_object(data, block)
            elif block.type == b"X":
                raise TrbError(block.offset, "index before the trailer")
            elif block.kind:
                self.blocks.append(block)
        if self.trailer is None:
            raise TrbError(at, "cut: no trailer")

    def head(self, at):
        data = self.data
        if len(data) - at < HEAD.size:
            raise TrbError(at, "cut in the head of a block")
        kind, reserved, length, count, crc, lowest, highest = HEAD.unpack_from(data, at)
        block = Block(kind, KIND_OF.get(kind), at, at + HEAD.size + length, count, lowest, highest)
        if any(reserved):
            raise TrbError(at, "reserved bytes that are not zero")
        if length > (META_MAX if kind in b"HT" else BODY_MAX):
            raise TrbError(at, f"body of {length} bytes")
        if block.kind and count > ROWS_MAX:
            raise TrbError(at, f"{count} records in a block")
        if kind in b"HT" and count:
            raise TrbError(at, "a count where none belongs")
        if kind in b"HTX" and (lowest or highest):
            raise TrbError(at, "times where none belong")
        if block.end > len(data):
            raise TrbError(at, "cut in a block")
        whole = data[at:at + 12] + bytes(4) + data[at + 16:block.end]
        if zlib.crc32(whole) != crc:
            raise TrbError(at, "checksum does not match")
        return block

    def index(self, block):
        """What may follow the trailer: an index of all data blocks, and the footer."""
        data = self.data
        if block.type != b"X":
            raise TrbError(block.offset, "data after the trailer")
        want = b"".join(ENTRY.pack(b.offset, b.lowest, b.highest, b.count, b.type, bytes(3))
                        for b in self.blocks)
        if block.count != len(self.blocks) or data[block.offset + HEAD.size:block.end] != want:
            raise TrbError(block.offset, "the index does not match the blocks")
        if data[block.end:] != FOOTER.pack(block.offset, b"TRBINDEX"):
            raise TrbError(block.end, "bad footer")
        self.indexed = True

    def items(self, group=32):
        """All (kind, record) in stream order; at the end the trailer is held against them."""
        totals = Totals()
        for start in range(0, len(self.blocks), group):
            blocks = self.blocks[start:start + group]
            jobs = [column_jobs(self.data, b) for b in blocks]
            columns = iter(run_together([job for block_jobs in jobs for _, job in block_jobs]))
            for block, block_jobs in zip(blocks, jobs):
                names = [name for name, _ in block_jobs]
                for record in assemble(block, names, [next(columns) for _ in names]):
                    totals.add(block.kind, record)
                    yield block.kind, record
        for key, value in totals.trailer().items():
            if self.trailer.get(key) != value:
                said = self.trailer.get(key)
                raise TrbError(len(self.data), f"trailer: {key} is {said!r}, found {value!r}")
        if self.trailer.get("state") not in ("complete", "interrupted"):
            raise TrbError(len(self.data), f"trailer: state is {self.trailer.get('state')!r}")


def load(path):
    if path == "-":
        return sys.stdin.buffer.read()
    with open(path, "rb") as f:
        return f.read()


def decode(path):
    """header, [(kind, record)], trailer. Strings are bytes."""
    stream = Stream(load(path))
    return stream.header, list(stream.items()), stream.trailer


# ---- JSONL ---------------------------------------------------------------------------------------


def to_json(value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[\ud800-\udfff]", lambda m: f"\\u{ord(m[0]):04x}", text)


def json_value(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53 and str(value) != "-0.0":
        return int(value)
    return value


def json_line(kind, record):
    fields = {name: json_value(record[name]) for name, _ in SCHEMAS[kind] if name in record}
    return to_json(fields if kind == "request" else {kind: fields})


def main(argv):
    check = "--check" in argv
    paths = [a for a in argv if a != "--check"]
    if len(paths) != 1:
        print("usage: trb_decode.py [--check] FILE", file=sys.stderr)
        return 2
    out = sys.stdout.buffer
    try:
        stream = Stream(load(paths[0]))
        if not check:
            out.write((to_json({"trace": stream.header}) + "\n").encode())
        for kind, record in stream.items():
            if not check:
                out.write((json_line(kind, record) + "\n").encode())
        if not check:
            out.write((to_json({"end": stream.trailer}) + "\n").encode())
        out.flush()
    except TrbError as e:
        out.flush()
        print(f"trb_decode.py: {paths[0]}{e}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
