# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end cases of trace-replay share: a simulated server, a server of our own that only takes notes, the tools, their
records, and a runner that works on several cases at once and prints TAP. Every child has a time limit and is gone at the end."""

import concurrent.futures
import contextlib
import http.server
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

FULL = os.environ.get("REPRISE_FULL") == "1"
DATA = os.environ.get("REPRISE_DATA")
LIMIT = 240 if FULL else 60  # seconds that any child may take
MS = 1000000
S = 1000 * MS

_cases = []
_here = threading.local()


class Skip(Exception):
    pass


# --- cases ---


def case(name):
    def add(function):
        _cases.append((name, function))
        return function
    return add


def note(text):
    _here.notes.append(str(text))


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def same(got, want, text):
    check(got == want, "%s: %.400r, not %.400r" % (text, got, want))


def _run(function):
    _here.notes = []
    _here.folder = tempfile.mkdtemp(prefix="reprise-")
    try:
        function()
        return "ok", _here.notes
    except Skip as why:
        return "skip", [str(why)]
    except AssertionError as why:
        return "not ok", _here.notes + str(why).splitlines()
    except BaseException:
        return "not ok", _here.notes + traceback.format_exc().splitlines()[-12:]
    finally:
        shutil.rmtree(_here.folder, ignore_errors=True)


def main(at_once):
    """Runs the cases that were declared, some at once; prints them in their order."""
    failed = 0
    print("1..%d" % len(_cases), flush=True)
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        done = [pool.submit(_run, function) for _, function in _cases]
        for n, ((name, _), future) in enumerate(zip(_cases, done), 1):
            how, notes = future.result()
            print("%s %d - %s%s" % ("ok" if how == "skip" else how, n, name, " # skip " + notes[0] if how == "skip" else ""))
            for text in notes if how != "skip" else ():
                print("#   " + text)
            sys.stdout.flush()
            failed += how == "not ok"
    return failed > 0


def path(name):
    """In a folder of the case's own."""
    return os.path.join(_here.folder, name)


def together(jobs):
    """Calls each in a thread, with the folder and the notes of this case; their results, or the first exception."""
    folder, notes = _here.folder, _here.notes

    def call(job):
        _here.folder, _here.notes = folder, notes
        return job()
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(call, jobs))


def wait_for(what, text, seconds=LIMIT):
    """Until what() is true: for states of other processes that cannot be waited for otherwise."""
    end = time.monotonic() + seconds
    while not what():
        check(time.monotonic() < end, "waited in vain for " + text)
        time.sleep(0.005)


# --- processes ---


@contextlib.contextmanager
def child(command, **more):
    p = subprocess.Popen(command, **more)
    try:
        yield p
    finally:
        if more.get("start_new_session"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(p.pid, signal.SIGKILL)
        if p.poll() is None:
            p.kill()
        p.wait()
        for f in p.stdin, p.stdout, p.stderr:
            if f:
                with contextlib.suppress(BrokenPipeError):
                    f.close()


class Ran:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def need(self, status):
        check(self.status == status, "status %d, not %d: %.600s" % (self.status, status, self.err))
        return self


def run(*command, env=None, stdin=b"", limit=LIMIT):
    p = subprocess.run([str(c) for c in command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit,
                       env=dict(os.environ, **env) if env else None)
    return Ran(p.returncode, p.stdout, p.stderr.decode("utf-8", "replace"))


def replay(*options, **more):
    return run("trace-replay", *options, **more)


def summary(of, status=0):
    r = run("trace-summarize", "--json", of)
    r.need(status)
    return json.loads(r.out)


# --- traces and records ---


class Stream:
    """A trace or result, as records."""

    def __init__(self, of, status=0):
        r = run("trace-convert", "-f", "jsonl", of)
        self.err = r.err
        check(r.status == status, "trace-convert: status %d, not %d: %s" % (r.status, status, r.err[:400]))
        self.records, self.events, self.head, self.end, self.text = [], [], None, None, r.out
        for line in r.out.decode().splitlines():
            o = json.loads(line)
            if "trace" in o:
                self.head = o["trace"]
            elif "event" in o:
                self.events.append(o["event"])
            elif "end" in o:
                self.end = o["end"]
            else:
                self.records.append(o)

    def by_id(self):
        return {r["id"]: r for r in self.records}

    def ids(self):
        return sorted(r["id"] for r in self.records)

    def event(self, text):
        found = [json.loads(e["data"]) for e in self.events if e["text"] == text]
        check(len(found) == 1, "%d events %r" % (len(found), text))
        return found[0]


def synth(name, rate, requests, tokens_in=20, tokens_out=4, *more):
    """A trace of constant rate; lengths are numbers or laws."""
    laws = [x if isinstance(x, str) else "fixed:%d" % x for x in (tokens_in, tokens_out)]
    run("trace-synth", "--arrivals", "constant:%s/s" % rate, "--input", laws[0], "--output", laws[1], "--requests", requests,
        *more, "-o", path(name)).need(0)
    return path(name)


def lines(records):
    """Records as JSONL that has no trailer yet, as in a pipe that is being written."""
    return b"".join(json.dumps(r).encode() + b"\n" for r in [{"trace": {"version": 1}}, *records])


def trailer(records):
    """The last line of a trace of these records."""
    r = run("trace-convert", "-F", "jsonl", "-f", "jsonl", stdin=lines(records)).need(3)
    return r.out.splitlines()[-1].replace(b'"state":"interrupted"', b'"state":"complete"') + b"\n"


def trace(name, records):
    with open(path(name), "wb") as f:
        f.write(lines(records) + trailer(records))
    return path(name)


# --- servers ---


class Mock:
    """trace-mock with a log. `with Mock(...) as m`: m.url; m.stop() -> the lines of its log."""

    count = 0

    def __init__(self, *options, env=None):
        Mock.count += 1
        self.log = path("mock-%d.log" % Mock.count)
        self.stack = contextlib.ExitStack()
        self.command = ["trace-mock", "--port", "0", "-q", "--log", self.log, *options]
        self.env = dict(os.environ, **env) if env else None

    def __enter__(self):
        self.p = self.stack.enter_context(child(self.command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=self.env))
        ready = select.select([self.p.stdout], [], [], LIMIT)[0]
        line = self.p.stdout.readline().decode() if ready else ""
        check(" listening on " in line, "trace-mock does not listen: %r" % line)
        self.url = line.split()[-1]
        return self

    def __exit__(self, *_):
        self.stack.close()

    def stop(self):
        """What was asked for; what is not of the run (probe, warm-up) is in self.others."""
        self.p.send_signal(signal.SIGTERM)
        same(self.p.wait(LIMIT), 0, "status of trace-mock")
        with open(self.log) as f:
            all_lines = [json.loads(line) for line in f]
        self.others = [x for x in all_lines if not x["id"].isdigit()]
        return [dict(x, id=int(x["id"])) for x in all_lines if x["id"].isdigit()]


class Listener(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # connections come all at once
    daemon_threads = True


class Notes:
    """A server that writes down what it was sent. `answer` (headers, body) -> (code, reply), for POST; GET finds a model."""

    def __init__(self, answer):
        notes = self
        self.posts, self.lock, self.posted = [], threading.Lock(), threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = LIMIT
            wbufsize = -1
            disable_nagle_algorithm = True

            def reply(self, code, reply):
                data = json.dumps(reply).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                self.reply(200, {"data": [{"id": "noted"}]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with notes.lock:
                    notes.posts.append((dict(self.headers), body))
                notes.posted.set()
                self.reply(*answer(self.headers, body))

            def log_message(self, *_):
                pass

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def answered(_, body):
    """A whole reply of the length that was asked for."""
    n = body.get("max_tokens", body.get("max_completion_tokens", 1))
    return 200, {"id": "x", "choices": [{"index": 0, "text": "a" * n, "message": {"role": "assistant", "content": "a" * n},
                                         "finish_reason": "length"}],
                 "usage": {"prompt_tokens": 1, "completion_tokens": n, "total_tokens": n + 1}}
