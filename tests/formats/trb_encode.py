#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# An encoder of the binary trace format that shares nothing with libtrace, written from trb(5). It exists to
# make streams that the C writer would not: every encoding, whether it is a good one or not, columns and
# blocks of a later version, and, since every part can be given wrong, hostile ones. Values are as in
# trb_decode.py.

import json
import struct
import subprocess
import zlib

from trb_decode import (ENTRY, F64, FOOTER, HEAD, KIND_OF, LIST, MAGIC, MASK, PREAMBLE, SCHEMAS, STR,
                        TIME_FIELD, Totals, json_line, signed, to_json)

CONSTANT, VARINT, CLASS, RUNS = range(4)
TYPE_BYTE = {kind: letter for letter, kind in KIND_OF.items()}


# ---- bytes -----------------------------------------------------------------------------------------


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(s):
    return s << 1 if s >= 0 else (-s << 1) - 1


def zstd_frame(data, *options):
    """By the zstd command. It declares the content size only when told by --stream-size=N."""
    return subprocess.run(["zstd", "-cq", *options], input=data, stdout=subprocess.PIPE, check=True).stdout


def zstd_plain(data, declared=None, window=0x68):
    """By hand, without compression: a single segment that declares a size; a window for declared=False."""
    if declared is False:
        head = bytes([0x00, window])
    else:
        head = b"\xe0" + struct.pack("<Q", len(data) if declared is None else declared)
    out = b"\x28\xb5\x2f\xfd" + head
    pieces = [data[i:i + 65536] for i in range(0, len(data), 65536)] or [b""]
    for i, piece in enumerate(pieces):
        out += ((len(piece) << 3) | (i == len(pieces) - 1)).to_bytes(3, "little") + piece
    return out


def zstd_bomb(size, declared=None, byte=b"\0"):
    """By hand: size bytes out of four for each 128 KiB."""
    window = min(size, 128 << 10)
    if declared is False:
        out = b"\x28\xb5\x2f\xfd\x00\x68"
    else:
        out = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", size if declared is None else declared)
    while size > 0:
        n = min(size, window)
        size -= n
        out += ((n << 3) | 2 | (size == 0)).to_bytes(3, "little") + byte
    return out


def raw_bytes(data, length=None):
    return b"\0" + varint(len(data) if length is None else length) + data


def framed(data, frame, length=None, stored=None):
    """A bytes stream of a given frame: any of the numbers may be given wrong."""
    return (b"\1" + varint(len(data) if length is None else length) +
            varint(len(frame) if stored is None else stored) + frame)


def zstd_bytes(data):
    return framed(data, zstd_frame(data, f"--stream-size={len(data)}"))


# ---- ints ------------------------------------------------------------------------------------------


def residuals_of(values, delta, zig, divisor):
    """The residuals, or None when the divisor does not divide the steps."""
    steps = [b - a & MASK for a, b in zip(values, values[1:])] if delta else values
    out = []
    for step in steps:
        s = signed(step) if zig else step
        if s % divisor:
            return None
        r = abs(s) // divisor
        out.append(zigzag(-r if s < 0 else r) if zig else r)
    return out


def pack_class(residuals, pack):
    classes = bytes(r.bit_length() for r in residuals)
    out, have, held = bytearray(), 0, 0
    for r in residuals:
        width = max(r.bit_length() - 1, 0)
        have |= (r & ((1 << width) - 1)) << held
        held += width
        while held >= 8:
            out.append(have & 255)
            have >>= 8
            held -= 8
    if held:
        out.append(have)
    return pack(classes) + pack(bytes(out))


def pack_runs(values, ints):
    firsts, lengths = [], []
    for v in values:
        if firsts and v == firsts[-1] + lengths[-1] + 1 & MASK:
            lengths[-1] += 1
        else:
            firsts.append(v)
            lengths.append(0)
    return varint(len(firsts)) + ints(firsts) + ints(lengths)


def ints(values, kind=VARINT, delta=False, zig=False, divisor=1, pack=raw_bytes, inner=None):
    """values: 64 bits each, as signed or unsigned numbers. inner encodes the two parts of runs."""
    values = [v & MASK for v in values]
    if not values:
        return b""
    head = bytes([kind | delta << 4 | zig << 5])
    if kind == RUNS:
        return head + pack_runs(values, inner or ints)
    if delta:
        head += varint(zigzag(signed(values[0])))
    head += varint(divisor)
    residuals = residuals_of(values, delta, zig, divisor)
    if residuals is None:
        raise ValueError(f"{divisor} does not divide the steps")
    if kind == CONSTANT:
        if len(set(residuals)) > 1:
            raise ValueError("not constant")
        return head + varint(residuals[0] if residuals else 0)
    if kind == VARINT:
        return head + pack(b"".join(map(varint, residuals)))
    return head + pack_class(residuals, pack)


# ---- plans -----------------------------------------------------------------------------------------


class Plan:
    """How to encode what can be encoded in several ways: always so."""

    def __init__(self, form=1, pack=raw_bytes, **options):
        self.form, self.pack, self.options = form, pack, options

    def ints(self, values):
        return ints(values, pack=self.pack, **self.options)

    def string_form(self):
        return self.form

    def order(self, columns):
        return columns

    def marks_all(self):
        return False


class RandomPlan(Plan):
    """Each time otherwise: any encoding that can hold the values."""

    def __init__(self, rng):
        super().__init__()
        self.rng = rng
        self.pack = self.random_bytes

    def random_bytes(self, data):
        frame = self.rng.choice((None, None, None, None, zstd_plain, zstd_plain, zstd_frame))
        if frame is None:
            return raw_bytes(data)
        if frame is zstd_frame:
            return zstd_bytes(data)
        return framed(data, zstd_plain(data, self.rng.choice((None, False))))

    def ints(self, values, kinds=(CONSTANT, VARINT, CLASS, RUNS)):
        values = [v & MASK for v in values]
        kind = self.rng.choice(kinds)
        delta, zig = self.rng.random() < 0.5, self.rng.random() < 0.5
        if not values or kind == RUNS:
            return ints(values, RUNS, inner=lambda v: self.ints(v, (CONSTANT, VARINT, CLASS)))
        divisors = [g for g in (1, 1, 2, 3, 1000) if residuals_of(values, delta, zig, g) is not None]
        divisor = self.rng.choice(divisors)
        if kind == CONSTANT and len(set(residuals_of(values, delta, zig, divisor))) > 1:
            kind = CLASS
        return ints(values, kind, delta, zig, divisor, self.pack)

    def string_form(self):
        return self.rng.randrange(2)

    def order(self, columns):
        columns = list(columns)
        self.rng.shuffle(columns)
        return columns

    def marks_all(self):
        return self.rng.random() < 0.3


# ---- columns and blocks ----------------------------------------------------------------------------


def strings(values, plan):
    if plan.string_form() == 0 and values:
        words = list(dict.fromkeys(values))
        numbers = {w: i for i, w in enumerate(words)}
        return (b"\0" + varint(len(words)) + plan.ints([len(w) for w in words]) + plan.pack(b"".join(words)) +
                plan.ints([numbers[v] for v in values]))
    return b"\1" + plan.ints([len(v) for v in values]) + plan.pack(b"".join(values))


def column(name, kind, flags, rest, length=None):
    name = name if isinstance(name, bytes) else name.encode()
    length = len(rest) if length is None else length
    return bytes([len(name)]) + name + bytes([kind, flags]) + varint(length) + rest


def bitmap_of(marks):
    out = bytearray((len(marks) + 7) // 8)
    for i, mark in enumerate(marks):
        out[i >> 3] |= mark << (i & 7)
    return bytes(out)


def values_of(kind, values, plan):
    if kind == STR:
        return strings(values, plan)
    if kind == LIST:
        return plan.ints([len(v) for v in values]) + plan.ints([e for v in values for e in v])
    if kind == F64:
        values = [struct.unpack("<Q", struct.pack("<d", v))[0] for v in values]
    return plan.ints(values)


def known_column(name, kind, records, plan):
    """The column of one field; records without it are left out by the bitmap."""
    marks = [name in r for r in records]
    partial = not all(marks) or plan.marks_all()
    rest = plan.pack(bitmap_of(marks)) if partial else b""
    values = [r[name] for r in records if name in r]
    return column(name, kind, int(partial), rest + values_of(kind, values, plan))


def body(kind, records, plan, strangers=()):
    columns = [known_column(name, t, records, plan) for name, t in SCHEMAS[kind]
               if any(name in r for r in records)]
    columns = plan.order(columns + list(strangers))
    return varint(len(columns)) + b"".join(columns)


def block(letter, content, count=0, times=(0, 0), length=None, crc=None, reserved=b"\0\0\0"):
    """Any part of the head may be given wrong; the checksum is right unless it is given."""
    length = len(content) if length is None else length
    if crc is None:
        crc = zlib.crc32(HEAD.pack(letter, reserved, length, count, 0, *times) + content)
    return HEAD.pack(letter, reserved, length, count, crc, *times) + content


def times_of(kind, records):
    times = [r[TIME_FIELD[kind]] for r in records if TIME_FIELD[kind] in r]
    return (min(times), max(times)) if times else (0, 0)


def data_block(kind, records, plan, strangers=()):
    content = body(kind, records, plan, strangers)
    return block(TYPE_BYTE[kind], content, len(records), times_of(kind, records))


def preamble(magic=MAGIC, major=1, minor=0, reserved=0):
    return PREAMBLE.pack(magic, major, minor, reserved)


def object_block(letter, value):
    return block(letter, json.dumps(value).encode())


# ---- streams ---------------------------------------------------------------------------------------

HEADER = {"version": 1, "order": "arrival"}


def trailer_of(items):
    totals = Totals()
    for kind, record in items:
        totals.add(kind, record)
    return {**totals.trailer(), "state": "complete"}


def grouped(items, rows):
    """Stretches of one kind, of at most so many records."""
    out = []
    for kind, record in items:
        if not out or out[-1][0] != kind or len(out[-1][1]) == rows:
            out.append((kind, []))
        out[-1][1].append(record)
    return out


def index_of(blocks):
    """X block and footer for whole blocks, in order, that begin after the preamble."""
    at, entries = PREAMBLE.size, []
    for b in blocks:
        letter, _, _, count, _, low, high = HEAD.unpack_from(b)
        if letter in KIND_OF:
            entries.append(ENTRY.pack(at, low, high, count, letter, bytes(3)))
        at += len(b)
    return block(b"X", b"".join(entries), len(entries)) + FOOTER.pack(at, b"TRBINDEX")


def encode(items, header=None, plan=None, rows=1000, index=False, strangers=(), foreign=()):
    """A good stream. strangers: unknown columns for every block; foreign: unknown blocks among them."""
    plan = plan or Plan()
    blocks = [data_block(kind, records, plan, strangers) for kind, records in grouped(items, rows)]
    for i, b in enumerate(foreign):
        blocks.insert(i * 2 % (len(blocks) + 1), b)
    blocks.insert(0, object_block(b"H", HEADER if header is None else header))
    blocks.append(object_block(b"T", trailer_of(items)))
    return preamble() + b"".join(blocks) + (index_of(blocks) if index else b"")


def to_jsonl(items, header=None):
    """The same items as text."""
    lines = [to_json({"trace": HEADER if header is None else header})]
    lines += [json_line(kind, record) for kind, record in items]
    lines.append(to_json({"end": trailer_of(items)}))
    return ("\n".join(lines) + "\n").encode()
