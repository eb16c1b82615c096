# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests of trace-replay share: servers that do as they are told and remember what they saw, traces, runs of
the tool and what came out of them, and cases that run beside each other. Everything that is started ends with its `with`."""

import concurrent.futures
import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

FULL = bool(os.environ.get("REPRISE_FULL"))
SANITIZED = any(os.environ.get("REPRISE_BUILD", "").endswith(x) for x in ("asan", "ubsan", "tsan"))
LIMIT_S = 60  # of any child process
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

# --- a server in this process ---------------------------------------------------------------------------------------


class Request:
    def __init__(self, conn, turn, line, headers, body, began):
        self.conn, self.turn, self.line, self.headers, self.body = conn, turn, line, headers, body
        self.method, self.path, self.version = (line.split(" ") + ["", ""])[:3]
        self.began, self.ended = began, time.monotonic()  # head complete, body complete
        self.rested = 0.0  # how long the connection had been idle

    def header(self, name):
        found = [v for k, v in self.headers if k.lower() == name.lower()]
        return found[0] if len(found) == 1 else found or None

    @property
    def id(self):
        return self.header("x-request-id")

    def json(self):
        return json.loads(self.body)


class Conn:
    """One accepted connection. An answer may send whatever it likes; after fin() or reset() nothing more is read."""

    def __init__(self, sock, number):
        self.sock, self.number, self.open, self.received = sock, number, True, 0
        self.alpn = self.sni = None

    def send(self, data):
        try:
            self.sock.sendall(data if isinstance(data, bytes) else data.encode())
        except OSError:
            self.open = False
        return self.open

    def _leave(self):
        self.open = False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def fin(self):
        self._leave()

    def reset(self):
        self.open = False
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def reply(self, status=200, body=b"", *fields):
        lines = ["HTTP/1.1 %d Said" % status, "Content-Length: %d" % len(body), *fields]
        return self.send("\r\n".join(lines + ["", ""]).encode() + body)

    def answer(self, request, tokens=None, extra=0):
        """As a server should: a stream or a whole reply, of the tokens asked for, with usage (extra: of a template)."""
        asked = request.json()
        chat = "chat" in request.path
        n = tokens or asked.get("max_tokens") or asked.get("max_completion_tokens") or 2
        usage = {"prompt_tokens": count_prompt(asked) + extra, "completion_tokens": n}
        if not asked.get("stream"):
            said = {"message": {"content": "a " * n}} if chat else {"text": "a " * n}
            body = json.dumps({"choices": [dict(said, index=0, finish_reason="length")], "usage": usage}).encode()
            return self.reply(200, body, "Content-Type: application/json")
        return self.send(HEAD + b"".join(map(chunk, events(n, usage, chat))) + b"0\r\n\r\n")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(data):
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def events(n, usage=None, chat=True, finish="length", done=True):
    """The events of a good stream of n tokens, a list of bytes."""
    out = []
    for i in range(n):
        why = finish if i == n - 1 else None
        said = {"delta": {"content": "a "}} if chat else {"text": "a "}
        out.append(event({"id": "s", "choices": [dict(said, index=0, finish_reason=why)]}))
    if usage:
        out.append(event({"id": "s", "choices": [], "usage": usage}))
    return out + [event(b"[DONE]")] if done else out


def count_prompt(asked):
    if "messages" in asked:
        return sum(len(str(m["content"]).split()) for m in asked["messages"])
    p = asked["prompt"]
    return len(p) if isinstance(p, list) else len(p.split())


def good(conn, request):
    conn.answer(request)


class Server:
    """Listens at once. `answer(conn, request)` is called for every POST, `get(conn, request)` for the rest; `welcome(number)`
    may refuse a connection before a byte is read (False), or give the TLS context to wrap it in."""

    def __init__(self, answer=good, get=None, welcome=None, tls=None):
        self.answer, self.get, self.welcome, self.tls = answer, get or self.get_well, welcome, tls
        self.lock, self.requests, self.conns, self.refused = threading.Lock(), [], [], 0
        self.handshakes_failed = 0
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.sock.getsockname()[1]
        self.url = "http%s://127.0.0.1:%d" % ("s" if tls else "", self.port)

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stop_listening()
        with self.lock:
            conns = list(self.conns)
        for c in conns:
            c.fin()

    def stop_listening(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    @staticmethod
    def get_well(conn, request):
        conn.reply(200, b'{"data":[{"id":"m"}]}' if "models" in request.path else b"", "Content-Type: application/json")

    def posts(self, *ids):
        with self.lock:
            found = [r for r in self.requests if r.method == "POST"]
        return [r for r in found if r.id in ids] if ids else found

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            with self.lock:
                conn = Conn(sock, len(self.conns))
                self.conns.append(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with contextlib.suppress(OSError, ValueError):
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = self.tls
            if self.welcome:
                said = self.welcome(conn.number)
                if said is False:
                    conn.fin()
                    return
                context = said if said and said is not True else context
            if context:
                try:
                    conn.sock = context.wrap_socket(conn.sock, server_side=True)
                    conn.alpn = conn.sock.selected_alpn_protocol()
                except OSError:
                    with self.lock:
                        self.handshakes_failed += 1
                    conn.fin()
                    return
            self._turns(conn)
        conn.fin()

    def _turns(self, conn):
        turn, got, rest_from = 0, b"", time.monotonic()
        while conn.open:
            first = None
            while b"\r\n\r\n" not in got:
                piece = conn.sock.recv(65536)
                first = first or time.monotonic()
                if not piece:
                    return
                conn.received += len(piece)
                got += piece
            head, got = got.split(b"\r\n\r\n", 1)
            began = time.monotonic()
            line, *fields = head.decode("latin-1").split("\r\n")
            headers = [tuple(f.split(": ", 1)) if ": " in f else (f, "") for f in fields]
            size = next((int(v) for k, v in headers if k.lower() == "content-length"), 0)
            parts, have = [got], len(got)
            while have < size:
                piece = conn.sock.recv(1 << 20)
                if not piece:
                    return
                conn.received += len(piece)
                parts.append(piece)
                have += len(piece)
            whole = b"".join(parts)
            body, got = whole[:size], whole[size:]
            r = Request(conn, turn, line, headers, body, began)
            r.rested = (first or began) - rest_from
            with self.lock:
                self.requests.append(r)
            (self.answer if r.method == "POST" else self.get)(conn, r)
            turn, rest_from = turn + 1, time.monotonic()


# --- children ---------------------------------------------------------------------------------------------------------


def environment(more=None):
    env = {k: v for k, v in os.environ.items() if k.lower() not in PROXIES}
    env.update(more or {})
    return env


class Mock:
    """trace-mock on a free port; with its log after the `with`."""

    def __init__(self, *args, env=None, port=0):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "log")
        self.p = subprocess.Popen(["trace-mock", "--port", str(port), "--log", self.path, "--duration", "%ds" % (3 * LIMIT_S), *args],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(env))
        ready, _, _ = select.select([self.p.stdout], [], [], 20)
        line = self.p.stdout.readline().decode() if ready else ""
        if "listening on " not in line:
            self.__exit__()
            raise RuntimeError("trace-mock did not start: " + self.said)
        self.url = line.split("listening on ")[1].strip()
        self.port = int(self.url.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def kill(self):
        self.p.kill()

    def lines(self):
        """of the log as far as it is written"""
        with contextlib.suppress(OSError), open(self.path) as f:
            return [json.loads(x) for x in f.read().splitlines() if x.endswith("}")]
        return []

    def __exit__(self, *_):
        self.p.terminate()
        try:
            _, err = self.p.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            _, err = self.p.communicate()
        self.said = err.decode("utf-8", "replace")
        self.log = self.lines()
        self.folder.cleanup()


class Replay:
    """A run of trace-replay: status, stderr, peak_kib; and from its results records, head, tail, client (what it says of itself),
    fields (of the bodies), raw (the bytes)."""

    def __init__(self, url, trace, *args, env=None, late="1m"):
        self.folder = tempfile.TemporaryDirectory()
        name = os.path.join(self.folder.name, "t.jsonl")
        with open(name, "w") as f:
            f.write(trace)
        self.out = os.path.join(self.folder.name, "r.trb")
        self.err = tempfile.TemporaryFile()
        self.p = subprocess.Popen(["trace-replay", "--url", url, "--late", late, *args, "-o", self.out, name], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=self.err, env=environment(env))
        self.status = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            self.p.kill()
            self.p.wait()
        self.err.close()
        self.folder.cleanup()

    def wait(self, limit=LIMIT_S):
        """The peak is this child's own; wait4 is the only way to it. (It begins with what this process held at the fork.)"""
        late = threading.Timer(limit, self.p.kill)
        late.start()
        try:
            _, status, used = os.wait4(self.p.pid, 0)
        finally:
            late.cancel()
        self.status = self.p.returncode = os.waitstatus_to_exitcode(status)
        self.peak_kib = used.ru_maxrss
        self.err.seek(0)
        self.stderr = self.err.read().decode("utf-8", "replace")
        self._read()
        return self

    def _read(self):
        self.records, self.head, self.tail, self.client, self.raw, self.summary = [], {}, {}, {}, b"", {}
        if not os.path.exists(self.out):
            return
        with open(self.out, "rb") as f:
            self.raw = f.read()
        said = subprocess.run(["trace-convert", "-f", "jsonl", self.out], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=LIMIT_S)
        for line in said.stdout.splitlines():
            o = json.loads(line)
            if "trace" in o:
                self.head = o["trace"]
            elif "end" in o:
                self.tail = o["end"]
            elif "event" in o:
                if o["event"]["text"] == "client":
                    self.client = json.loads(o["event"]["data"])
            else:
                self.records.append(o)
        said = subprocess.run(["trace-summarize", "--json", self.out], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=LIMIT_S)
        if said.stdout:
            self.summary = json.loads(said.stdout).get("requests") or {}

    @property
    def fields(self):
        notes = self.head.get("notes") or {}
        return (json.loads(notes) if isinstance(notes, str) else notes).get("fields")

    def record(self, number):
        found = [r for r in self.records if r["id"] == number]
        if len(found) != 1:
            raise AssertionError("record %d is there %d times; stderr: %s" % (number, len(found), self.stderr))
        return found[0]

    def ends(self):
        """{id: "ok" or the error class}"""
        return {r["id"]: r.get("error") or r["status"] for r in self.records}


def replay(url, trace, *args, env=None, late="1m", limit=LIMIT_S):
    with Replay(url, trace, *args, env=env, late=late) as r:
        return r.wait(limit)


def trace(rows):
    """JSONL; a row is (arrival in s, in_tokens, out_tokens[, further members])."""
    lines = [json.dumps({"trace": {"version": 1}})]
    for i, row in enumerate(rows):
        o = {"id": i, "arrival_ns": int(row[0] * 1e9), "in_tokens": row[1], "out_tokens": row[2]}
        o.update(row[3] if len(row) > 3 else {})
        lines.append(json.dumps({k: v for k, v in o.items() if v is not None}))
    return ended("\n".join(lines) + "\n")


def ended(text):
    """With the trailer that trace-convert finds for it: sums and a hash, so that the trace counts as whole."""
    said = subprocess.run(["trace-convert", "-q", "-f", "jsonl", "-"], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          timeout=LIMIT_S)
    end = json.loads(said.stdout.splitlines()[-1])
    end["end"]["state"] = "complete"
    return text + json.dumps(end) + "\n"


def steady(n, gap=0.02, tokens_in=20, tokens_out=4):
    return trace([(i * gap, tokens_in, tokens_out) for i in range(n)])


# --- cases --------------------------------------------------------------------------------------------------------------


class Case:
    """What one case found wrong. `equal` and `true` go on after a failure; an exception ends the case."""

    def __init__(self):
        self.problems, self.skipped = [], None

    def true(self, fact, what):
        if not fact:
            self.problems.append(what)
        return fact

    def equal(self, got, want, what):
        return self.true(got == want, "%s: %r, not %r" % (what, got, want))

    def skip(self, why):
        self.skipped = why


def verdict(t, r, nothing_ok):
    """A machine that is busy may make a run VOID for its own lateness; else it is VOID when nothing succeeded, and then alone."""
    why = r.tail.get("reasons") or ""
    if r.tail.get("verdict") == "VOID" and not nothing_ok:
        t.true("from the input" in why or "late" in why or "rate" in why, "VOID: " + why)
    t.equal("no request succeeded" in why, nothing_ok, "it says that nothing succeeded")
    t.equal(r.status, 4 if r.tail.get("verdict") == "VOID" else 0, "exit status")


CASES = []


def case(name, *args):
    """A case, perhaps of a table: called with a Case and what else is given."""

    def take(f):
        CASES.append((name, f, args))
        return f

    return take


def run_case(name, f, args):
    t = Case()
    try:
        f(t, *args)
    except Exception:  # noqa: a case that breaks has failed
        t.problems += traceback.format_exc().splitlines()
    return t


def main(together=8):
    """Cases mostly wait, so several run at once; they are reported in their order."""
    failed = 0
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    cases = [c for c in CASES if wanted in c[0]]
    print("1..%d" % len(cases), flush=True)
    with concurrent.futures.ThreadPoolExecutor(together) as pool:
        for n, (c, ran) in enumerate([(c, pool.submit(run_case, *c)) for c in cases], 1):
            t = ran.result()
            end = " # skip " + t.skipped if t.skipped and not t.problems else ""
            print("%s %d - %s%s" % ("not ok" if t.problems else "ok", n, c[0], end), flush=True)
            for p in t.problems:
                print("#   " + p.replace("\n", "\n#   "))
            failed += bool(t.problems)
    return failed > 0
