# SPDX-License-Identifier: Apache-2.0
"""Hostile input: bombs, windows, endless lines, depth, sizes that lie. Every tool that reads must end with status 3 and one clear line
(or pass what is merely odd), within 64 MiB of memory. Prints TAP."""

import gzip
import os
import subprocess
import sys
import tempfile

LIMIT_KIB = 64 << 10
HEADER = b"TIMESTAMP,ContextTokens,GeneratedTokens\n"
ROW = b"2023-11-16 18:17:03.9799600,4808,10\n"
TRACE = b'{"trace":{"version":1}}\n'
END = (b'{"end":{"records":%d,"series":0,"events":0,"in_tokens":%d,"out_tokens":0,"inversions":0,"skipped":0,'
       b'"content":"%s","state":"complete"}}\n')
READERS = (["trace-convert", "-f", "jsonl"], ["trace-summarize"], ["trace-check"])


def zstd(data, *options):
    return subprocess.run(["zstd", "-q", "-c", *options], input=data, stdout=subprocess.PIPE, check=True).stdout


def run(command, path):
    """status, stderr, peak KiB; output is thrown away"""
    with tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            os.dup2(err.fileno(), 2)
            os.execvp(command[0], command + [path])
        _, status, used = os.wait4(pid, 0)
        err.seek(0)
        return os.waitstatus_to_exitcode(status), err.read().decode("utf-8", "replace"), used.ru_maxrss


def line_of(n):
    """A member of gzip that holds one line of n megabytes, made small by compressing twice over the same block."""
    block = gzip.compress(b"7" * (1 << 20), 9)
    return gzip.compress(HEADER + ROW) + block * n


def pages():
    yield "a line of 1 GiB without an end, gzip", 3, line_of(1024)
    yield "a row of 1 MiB and one byte", 3, HEADER + b"2023-11-16 18:17:03," + b" " * (1 << 20) + b"1,1\n"
    yield "zstd bomb: 800 MiB of zeros", 3, zstd(HEADER + ROW) + zstd(bytes(1 << 20)) * 800
    yield "zstd window of 128 MiB", 3, zstd(HEADER + ROW * 100, "--long=27", "--no-check")
    yield "zstd window of 2 GiB", 3, bytes.fromhex("28b52ffd00a8") + b"\x01\x00\x00"
    yield "zstd frame that declares 2^60 bytes", 3, bytes.fromhex("28b52ffdc058") + (1 << 60).to_bytes(8, "little") + b"\x01\x00\x00"
    yield "zstd with a damaged checksum", 3, zstd(HEADER + ROW, "--check")[:-1] + b"\x00"
    yield "zstd frames, skippable ones between", 0, (bytes.fromhex("502a4d1804000000") + b"abcd" + zstd(HEADER) +
                                                     bytes.fromhex("5f2a4d1800000000") + zstd(ROW))
    yield "gzip cut in the middle", 3, gzip.compress(HEADER + ROW * 5000)[:-200]
    yield "257 columns", 3, b",".join(b"c%d" % i for i in range(254)) + b"," + HEADER + b"1," * 256 + b"1\n"
    yield "NUL bytes in a row", 3, HEADER + b"2023-11-16 18:17:03,\0,1\n"
    yield "a quote left open for 2 MiB", 3, HEADER + b'"' + ROW * 60000
    yield "a number above 2^64", 3, HEADER + b"2023-11-16 18:17:03,18446744073709551616,1\n"
    yield "a stamp beyond int64", 3, HEADER + b"9999-11-16 18:17:03,1,1\n"
    yield "two rows further apart than int64", 3, HEADER + b"1678-11-16 18:17:03,1,1\n" + b"2262-01-16 18:17:03,1,1\n"
    yield "JSON 100,000 deep", 3, TRACE + b'{"id":0,"extra2":' + b"[" * 100000 + b"]" * 100000 + b"}\n"
    yield "JSONL line of 64 MiB", 3, TRACE + b'{"id":0,"payload":"' + b"x" * (64 << 20) + b'"}\n'
    yield "JSONL record above 6 MiB", 3, TRACE + b'{"id":0,"payload":"' + b"x" * (6 << 20) + b'"}\n'
    yield "JSONL list of a million", 3, TRACE + b'{"id":0,"blocks":[' + b"1," * 1000000 + b"1]}\n"
    yield "JSONL number in exponent form", 3, TRACE + b'{"id":0,"in_tokens":1e400}\n'
    yield "JSONL fraction for an integer", 3, TRACE + b'{"id":0,"in_tokens":1.0}\n'
    yield "JSONL key twice", 3, TRACE + b'{"id":0,"id":1}\n'
    yield "JSONL lone surrogate, cut after", 3, TRACE + b'{"id":0,"session":"\\ud83d"}\n'
    yield "JSONL with a bad escape", 3, TRACE + b'{"id":0,"session":"\\x41"}\n'
    yield "JSONL text after the trailer", 3, TRACE + END % (0, 0, b"0" * 16) + b"{}\n"
    yield "JSONL trailer that lies", 3, TRACE + b'{"id":0,"in_tokens":9007199254740993}\n' + END % (2, 9007199254740993, b"0" * 16)
    yield "bytes of no format", 3, bytes(range(128, 256)) * 100
    yield "a line of blanks and tabs, 900 KiB", 3, b" \t" * (450 << 10)


def judge(command, path, want, sanitized):
    status, err, peak = run(command, path)
    # trace-check's own finding of a cut stream is status 4
    if status != want and not (command[0] == "trace-check" and want == 3 and status == 4):
        yield "status %d, not %d" % (status, want)
    if want and status != 4 and (err.count("\n") != 1 or path not in err):
        yield "not one line with the file's name: %r" % err[:400]
    if len(err) > 1000:
        yield "a message of %d bytes" % len(err)
    if peak > LIMIT_KIB and not sanitized:
        yield "%d KiB of memory" % peak


def main():
    sanitized = any(os.environ.get("REPRISE_BUILD", "").endswith(x) for x in ("asan", "ubsan", "tsan"))
    failed = n = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "input")
        for name, want, data in pages():
            with open(path, "wb") as f:
                f.write(data)
            del data  # a child's peak begins with what this process holds
            for command in READERS:
                n += 1
                problems = list(judge(command, path, want, sanitized))
                print("%s %d - hostile: %s, %s" % ("not ok" if problems else "ok", n, name, command[0]))
                for p in problems:
                    print("#   " + p)
                failed += bool(problems)
    print("1..%d" % n)
    return failed > 0


sys.exit(main())
