# SPDX-License-Identifier: Apache-2.0
"""trace-replay on the wire: what it must not do behind the user's back (send again, wait for 100-continue, change the protocol, follow,
take proxies or compression), how it keeps connections, and what its requests hold. Prints TAP."""

import gzip
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time

from harness import FULL, Mock, Server, case, events, good, main, replay, steady, trace, verdict

ALONE = ("--no-probe", "--model", "m", "--connections", "0", "--max-inflight", "1")
KEY = "sk-canary-5f3a9c71d2"

# --- hidden resend ------------------------------------------------------------------------------------------------------


def dies_at_second(how):
    """Answers the first request of a connection; reads the second one wholly, and leaves."""

    def answer(conn, request):
        if request.turn == 1:
            getattr(conn, how)()
        else:
            conn.answer(request)

    return answer


@case("hidden resend: a kept connection reads the request, then FIN", "fin")
@case("hidden resend: a kept connection reads the request, then RST", "reset")
def hidden_resend(t, how):
    with Server(dies_at_second(how)) as s:
        r = replay(s.url, steady(3, gap=0.05), *ALONE)
    t.equal([q.id for q in s.posts()], ["0", "1", "2"], "POSTs that the server saw")
    t.equal(r.ends(), {0: "ok", 1: "closed", 2: "ok"}, "ends")
    t.equal(r.record(1)["status"], "failed", "status")
    t.equal([i for i in range(3) if r.record(i).get("resent")], [1], "marked as resent")
    t.true("http_code" not in r.record(1) and "first_ns" not in r.record(1), "a record of nothing seen tells a reply")
    verdict(t, r, False)
    t.true("closed" in r.stderr, "stderr does not name the class: " + r.stderr)


@case("hidden resend: many connections die at once, each request is seen once", "fin")
@case("hidden resend: many connections are reset at once, each request is seen once", "reset")
def hidden_resend_of_many(t, how):
    def answer(conn, request):
        if int(request.id) % 2:
            getattr(conn, how)()
        else:
            conn.answer(request)

    with Server(answer) as s:
        r = replay(s.url, steady(60, gap=0.01), "--no-probe", "--model", "m")
    t.equal(sorted(int(q.id) for q in s.posts()), list(range(60)), "POSTs that the server saw")
    t.equal(r.ends(), {i: "closed" if i % 2 else "ok" for i in range(60)}, "ends")


@case("hidden resend: a first request on a new connection is not marked", "fin")
def fresh_is_not_resent(t, how):
    with Server(lambda conn, request: conn.fin()) as s:
        r = replay(s.url, steady(2), *ALONE)
    t.equal([q.id for q in s.posts()], ["0", "1"], "POSTs that the server saw")
    t.equal(r.ends(), {0: "closed", 1: "closed"}, "ends")
    t.equal([x.get("resent") for x in r.records], [None, None], "marked as resent")
    t.equal(r.status, 4, "exit status")


@case("hidden resend: a probe whose kept connection dies is not sent twice either")
def probe_once(t):
    with Server(lambda conn, request: conn.fin()) as s:
        replay(s.url, steady(1), "--model", "m", "--connections", "0")
    t.equal([q.id for q in s.posts()], ["probe-1", "0"], "POSTs that the server saw")


# --- idle age -----------------------------------------------------------------------------------------------------------


def idle(t, gap, n, reused):
    with Mock("--instant", "--idle-close", "5s") as m:
        r = replay(m.url, steady(n, gap), *ALONE, limit=120)
    t.equal(sorted(x["id"] for x in m.log), [str(i) for i in range(n)], "requests that the server saw")
    t.equal(r.ends(), {i: "ok" for i in range(n)}, "ends")
    t.true(not any(x.get("resent") for x in r.records), "a request was resent")
    t.equal([r.record(i).get("reused") or 0 for i in range(n)], [0] + [reused] * (n - 1), "reused")
    t.equal(len({x["conn"] for x in m.log}), 1 if reused else n, "connections")


@case("idle age: 0.15 requests/s, the server closes after 5 s")
def idle_low_rate(t):
    idle(t, 1 / 0.15, 10 if FULL else 3, 0)


@case("idle age: gaps of 3 s, the server closes after 5 s: the connection is kept")
def idle_reused(t):
    idle(t, 3, 6 if FULL else 3, 1)


@case("DEFECT: idle age: a connection that has rested for 4.6 s is not used again", 4.6)
@case("idle age: a connection that has rested for 5.5 s is not used again", 5.5)
def idle_is_old(t, gap):
    """The race that the server's closing is: it takes the request, and is gone."""

    def answer(conn, request):
        if request.turn and request.rested > 4.2:
            conn.fin()
        else:
            conn.answer(request)

    with Server(answer) as s:
        r = replay(s.url, steady(2, gap), *ALONE)
    t.equal(r.ends(), {0: "ok", 1: "ok"}, "ends")
    t.equal([(q.id, q.turn) for q in s.posts()], [("0", 0), ("1", 0)], "requests, and their place on the connection")


@case("idle age: a connection that the server has closed while it rested is passed over", "fin")
@case("DEFECT: idle age: a connection that the server has reset while it rested is passed over", "reset")
def closed_while_resting(t, how):
    def answer(conn, request):
        conn.answer(request)
        getattr(conn, how)()

    # libcurl looks through its connections once a second, and twice is enough for it to see a reset
    with Server(answer) as s:
        r = replay(s.url, steady(3, 0.7 if how == "reset" else 1.5), *ALONE)
    t.equal([q.id for q in s.posts()], ["0", "1", "2"], "POSTs that the server saw")
    t.equal(r.ends(), {i: "ok" for i in range(3)}, "ends")
    t.true(not any(x.get("resent") for x in r.records), "a request was resent")


# --- the head of a request ------------------------------------------------------------------------------------------


@case("Expect: a prompt of 1.2 MB goes out in one step")
def expect(t):
    """With Expect each of them would take 1 s; on a busy machine one of them may."""
    with Server() as s:
        r = replay(s.url, trace([(i / 10, 200000, 2) for i in range(3)]), *ALONE)
    for q in s.posts():
        t.equal(q.header("expect"), None, "Expect")
        t.true(len(q.body) > 1100000, "a body of %d bytes is no test" % len(q.body))
        t.equal(len(q.json()["messages"][0]["content"].split()), 200000, "words")
    t.equal(r.ends(), {0: "ok", 1: "ok", 2: "ok"}, "ends")
    for what, took in (("between head and body", [q.ended - q.began for q in s.posts()]),
                       ("to the first byte", [(x["first_ns"] - x["dispatched_ns"]) / 1e9 for x in r.records]),
                       ("to send", [(x["sent_ns"] - x["dispatched_ns"]) / 1e9 for x in r.records])):
        t.true(min(took) < 0.9, "%r s %s" % (took, what))
    t.true(all(x["bytes_out"] >= 1100000 for x in r.records), "bytes_out: %r" % [x["bytes_out"] for x in r.records])


@case("HTTP version: HTTP/1.1, and nothing asks to change it")
def version(t):
    with Server() as s:
        r = replay(s.url, steady(2), "--model", "m", "--connections", "2")
    t.equal(r.ends(), {0: "ok", 1: "ok"}, "ends")
    t.equal({q.version for q in s.requests}, {"HTTP/1.1"}, "versions")
    for name in ("upgrade", "http2-settings", "accept-encoding", "te", "expect", "cookie", "authorization", "proxy-connection"):
        t.true(all(q.header(name) is None for q in s.requests), "a request has the header " + name)


class Certificate:
    def __init__(self, folder, name, alt="DNS:localhost,IP:127.0.0.1"):
        self.pem, self.key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=reprise", "-addext", "subjectAltName=" + alt, "-out", self.pem,
                        "-keyout", self.key], check=True, timeout=30, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def context(self):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(self.pem, self.key)
        c.set_alpn_protocols(["h2", "http/1.1"])
        return c


def with_certificates(f):
    def case_of(t, *args):
        if not shutil.which("openssl"):
            t.skip("there is no openssl command")
            return
        with tempfile.TemporaryDirectory() as folder:
            f(t, Certificate(folder, "one"), Certificate(folder, "other", "DNS:elsewhere.invalid,DNS:localhost"), *args)

    return case_of


@case("TLS: --cacert works, over HTTP/1.1, and h2 is not offered", ("--cacert",))
@case("TLS: --insecure works, over HTTP/1.1, and h2 is not offered", ("--insecure",))
@with_certificates
def tls(t, one, _, how):
    context, names = one.context(), []
    context.sni_callback = lambda sock, name, c: names.append(name)
    with Server(tls=context) as s:
        url = s.url.replace("127.0.0.1", "localhost")
        r = replay(url, steady(3), *ALONE, *(how if how[0] != "--cacert" else ("--cacert", one.pem)))
    t.equal(r.ends(), {0: "ok", 1: "ok", 2: "ok"}, "ends; stderr %r" % r.stderr)
    t.equal({q.version for q in s.requests}, {"HTTP/1.1"}, "versions")
    t.true(all(c.alpn in (None, "http/1.1") for c in s.conns), "ALPN %r" % [c.alpn for c in s.conns])
    t.equal(set(names), {"localhost"}, "SNI")
    t.true(r.record(0).get("tls_ns", 0) > 0 and "tls_ns" not in r.record(1), "tls_ns: %r" % [x.get("tls_ns") for x in r.records])
    t.equal(any("--insecure" in h for h in r.head["history"]), how[0] == "--insecure", "the results say --insecure")


@case("TLS: a certificate that nobody vouches for: one line, exit 1, nothing was sent")
@with_certificates
def tls_unknown(t, one, _):
    with Server(tls=one.context()) as s:
        r = replay(s.url, steady(1), *ALONE)
    t.equal(r.status, 1, "exit status")
    t.true(r.stderr.count("\n") == 1 and "certificate" in r.stderr, "stderr: %r" % r.stderr)
    t.equal(s.requests, [], "requests")


@case("TLS: another certificate in the middle of a run: class tls")
@with_certificates
def tls_changes(t, one, other):
    a, b = one.context(), other.context()
    with Server(tls=a, welcome=lambda number: a if number == 0 else b) as s:
        r = replay(s.url, steady(2), *ALONE, "--cacert", one.pem)
    t.equal(r.ends(), {0: "tls", 1: "tls"}, "ends; stderr %r" % r.stderr)
    t.equal(s.posts(), [], "POSTs")
    t.equal(r.status, 4, "exit status")


@case("TLS: a name that the certificate does not have is refused")
@with_certificates
def tls_name(t, _, other):
    with Server(tls=other.context()) as s:
        r = replay(s.url, steady(1), *ALONE, "--cacert", other.pem)
        t.equal(s.requests, [], "requests")
        known = replay(s.url.replace("127.0.0.1", "localhost"), steady(1), *ALONE, "--cacert", other.pem)
    t.equal(r.status, 1, "exit status")
    t.equal(known.ends(), {0: "ok"}, "with the right name")
    t.equal(r.stderr.count("\n"), 1, "lines on stderr")


@case("TLS: SSLKEYLOGFILE does not matter, http_proxy of the environment neither")
@with_certificates
def tls_environment(t, one, _):
    with Server(tls=one.context()) as s, Server() as proxy:
        r = replay(s.url, steady(1), *ALONE, "--cacert", one.pem, env=proxies(proxy.url))
    t.equal(r.ends(), {0: "ok"}, "ends; stderr %r" % r.stderr)
    t.equal(len(proxy.conns), 0, "connections to the proxy")


# --- proxies --------------------------------------------------------------------------------------------------------


def proxies(url):
    return {k: url for k in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")}


@case("proxies: those of the environment are never contacted")
def proxies_of_environment(t):
    with Server() as s, Server() as proxy:
        r = replay(s.url, steady(3), env=proxies(proxy.url))
    t.equal(r.ends(), {0: "ok", 1: "ok", 2: "ok"}, "ends; stderr %r" % r.stderr)
    t.equal(len(proxy.conns), 0, "connections to the proxy")


@case("proxies: a dead one in the environment does no harm")
def proxies_dead(t):
    with Server() as s:
        r = replay(s.url, steady(1), *ALONE, env=proxies("http://127.0.0.1:1"))
    t.equal(r.ends(), {0: "ok"}, "ends; stderr %r" % r.stderr)


@case("proxies: --proxy is used, whatever NO_PROXY says, and resolves the name")
def proxies_asked(t):
    def get(conn, request):
        conn.reply(200)

    with Server(get=get) as proxy:
        r = replay("http://server.invalid:81", steady(2), *ALONE, "--proxy", proxy.url, env={"NO_PROXY": "*", "no_proxy": "*"})
    t.equal(r.ends(), {0: "ok", 1: "ok"}, "ends; stderr %r" % r.stderr)
    t.equal([q.path for q in proxy.posts()], ["http://server.invalid:81/v1/chat/completions"] * 2, "asked of the proxy")


# --- compression, redirects -----------------------------------------------------------------------------------------


@case("compression: not asked for, and a reply in gzip is no success")
def compression(t):
    def answer(conn, request):
        body = gzip.compress(b"".join(events(4)))
        kind = "text/event-stream" if request.id == "0" else "application/json"
        conn.reply(200, body, "Content-Type: " + kind, "Content-Encoding: gzip")

    with Server(answer) as s:
        r = replay(s.url, steady(2), *ALONE)
    t.true(all(q.header("accept-encoding") is None for q in s.requests), "Accept-Encoding was sent")
    t.true(all(e in ("protocol", "truncated") for e in r.ends().values()), "ends: %r" % r.ends())
    t.equal([x["status"] for x in r.records], ["failed", "failed"], "status")
    t.true(not any("first_ns" in x for x in r.records), "a first token was seen")
    t.equal(r.status, 4, "exit status")


@case("redirect: to another server: not followed, and it never sees the key")
def redirect(t):
    codes = (301, 302, 303, 307, 308)
    with Server() as second:
        def answer(conn, request):
            conn.reply(codes[int(request.id)], b"", "Location: %s%s" % (second.url, request.path))

        def get(conn, request):
            conn.reply(307, b"", "Location: %s%s" % (second.url, request.path))

        with Server(answer, get) as first:
            r = replay(first.url, steady(5), *ALONE, "--api-key-env", "KEY", "-H", "X-Api-Key: " + KEY, env={"KEY": KEY})
        t.equal(len(second.conns), 0, "connections to the second server")
    t.equal(r.ends(), {i: "redirect" for i in range(5)}, "ends; stderr %r" % r.stderr)
    t.equal([r.record(i)["http_code"] for i in range(5)], list(codes), "codes")
    t.equal({q.header("authorization") for q in first.posts()}, {"Bearer " + KEY}, "the key at the first server")
    t.equal(r.status, 4, "exit status")
    t.true(KEY not in r.stderr, "the key stands in stderr")


@case("redirect: the probe does not follow either")
def redirect_probe(t):
    with Server() as second:
        with Server(lambda conn, request: conn.reply(307, b"", "Location: %s%s" % (second.url, request.path))) as first:
            r = replay(first.url, steady(1), "--model", "m", "--api-key-env", "KEY", env={"KEY": KEY})
        t.equal(len(second.conns), 0, "connections to the second server")
    t.equal(r.ends(), {0: "redirect"}, "ends")


@case("secrets: the key and secret headers stand in no output")
def secrets(t):
    def answer(conn, request):
        if request.id == "1":
            conn.reply(500, b'{"error":{"message":"bad key %s"}}' % KEY.encode(), "Content-Type: application/json")
        else:
            conn.answer(request)

    with Server(answer) as s:
        r = replay(s.url, steady(3), *ALONE, "--api-key-env", "KEY", "-H", "X-Api-Key: " + KEY + "-two", env={"KEY": KEY})
    t.equal(r.ends(), {0: "ok", 1: "http_5xx", 2: "ok"}, "ends")
    t.equal({q.header("x-api-key") for q in s.posts()}, {KEY + "-two"}, "the header arrived")
    text = str((r.head, r.tail, r.records, r.client))
    t.true(KEY.encode() not in r.raw and KEY not in text, "the key stands in the results")
    t.true(KEY not in r.stderr, "the key stands in stderr: " + r.stderr)


# --- connections ----------------------------------------------------------------------------------------------------


@case("connections: 200 requests use the 16 that were opened")
def kept(t):
    with Server() as s:
        r = replay(s.url, steady(200, 0.004), "--model", "m", "--max-inflight", "16")
    t.equal(set(r.ends().values()), {"ok"}, "ends")
    t.equal(len(s.posts()), 201, "POSTs")
    t.true(len(s.conns) <= 18, "%d connections: more than 16, one to ask, one to probe" % len(s.conns))
    t.equal(r.client["connections"], 16, "connections as the results tell")
    t.true(all(x.get("reused") for x in r.records), "a request opened a connection")


@case("connections: --connections 0 --max-inflight 1 uses exactly one")
def one(t):
    with Server() as s:
        r = replay(s.url, steady(50, 0.002), *ALONE)
    t.equal(set(r.ends().values()), {"ok"}, "ends")
    t.equal(len({q.conn for q in s.posts()}), 1, "connections that carried requests")
    t.equal([r.record(i).get("reused") or 0 for i in range(50)], [0] + [1] * 49, "reused")
    t.true(r.record(0).get("connect_ns", 0) > 0 and "connect_ns" not in r.record(1), "connect_ns")
    t.equal(r.client["connections"], 1, "connections as the results tell")


@case("connections: a server that closes each one after its reply")
def close_each(t):
    def answer(conn, request):
        conn.reply(200, b"".join(events(4)), "Content-Type: text/event-stream", "Connection: close")
        conn.fin()

    with Server(answer) as s:
        r = replay(s.url, steady(20, 0.005), *ALONE)
    t.equal(set(r.ends().values()), {"ok"}, "ends: %r" % r.ends())
    t.equal({q.turn for q in s.posts()}, {0}, "place on the connection")
    t.equal(len(s.posts()), 20, "POSTs")


@case("connections: 64 at once need no more than 64, and come back")
def many(t):
    with Mock("--ttft", "300ms", "--itl", "0") as m:
        rows = [(i * 0.001, 20, 2) for i in range(64)] + [(1.5 + i * 0.001, 20, 2) for i in range(64)]
        r = replay(m.url, trace(rows), "--no-probe", "--model", "m")
    t.equal(set(r.ends().values()), {"ok"}, "ends")
    t.true(len({x["conn"] for x in m.log}) <= 64, "%d connections" % len({x["conn"] for x in m.log}))
    t.true(all(r.record(i).get("reused") for i in range(64, 128)), "the second wave opened connections")


@case("no server: the name does not resolve: one line, exit 1")
def no_name(t):
    r = replay("http://nobody.invalid:8000", steady(1), *ALONE)
    t.equal(r.status, 1, "exit status")
    t.true(r.stderr.count("\n") == 1 and "nobody.invalid" in r.stderr, "stderr: %r" % r.stderr)


@case("no server: nobody listens: one line, exit 1")
def no_port(t):
    began = time.monotonic()
    r = replay("http://127.0.0.1:1", steady(1), *ALONE)
    t.equal(r.status, 1, "exit status")
    t.true(r.stderr.count("\n") == 1, "stderr: %r" % r.stderr)
    t.true(time.monotonic() - began < 5, "it took %.1f s" % (time.monotonic() - began))


@case("no server: it dies between the first question and the run: class connect")
def dies_early(t):
    def get(conn, request):
        s.stop_listening()
        conn.reply(200, b"", "Connection: close")
        conn.fin()

    with Server(get=get) as s:
        r = replay(s.url, steady(3), *ALONE)
    t.equal(r.ends(), {i: "connect" for i in range(3)}, "ends; stderr %r" % r.stderr)
    t.true(not any("sent_ns" in x for x in r.records), "something was sent to nobody")
    t.equal(r.status, 4, "exit status")
    t.true("connect" in r.stderr, "stderr: %r" % r.stderr)


@case("refused options: header injection, user:password, keys with blanks")
def refused(t):
    table = (
        (("-H", "X-A: 1\r\nX-Evil: 2"), None), (("-H", "X-A: 1\nX-Evil: 2"), None), (("-H", "X-A: 1\rX-Evil: 2"), None),
        (("-H", "no colon"), None), (("-H", ": no name"), None),
        (("--api-key-env", "KEY"), {"KEY": "two\r\nX-Evil: 1"}), (("--api-key-env", "KEY"), {"KEY": "two words"}),
        (("--api-key-env", "NO_SUCH_VARIABLE_HERE"), None),
    )
    with Server() as s:
        for args, env in table:
            r = replay(s.url, steady(1), *args, env=env)
            t.true(r.status == 2 and r.stderr.count("\n") == 1, "%r: status %d, %r" % (args, r.status, r.stderr))
        for url in ("http://user:pass-canary@127.0.0.1:%d" % s.port, "http://user@127.0.0.1:%d" % s.port, s.url + "/?key=pass-canary",
                    "ftp://127.0.0.1:%d" % s.port, "file:///etc/passwd"):
            r = replay(url, steady(1))
            t.true(r.status == 2 and "pass-canary" not in r.stderr, "%s: status %d, %r" % (url, r.status, r.stderr))
        t.equal(len(s.conns), 0, "connections")


# --- what a request holds -------------------------------------------------------------------------------------------


def bodies(rows, *args, answer=good, env=None):
    with Server(answer) as s:
        r = replay(s.url, trace(rows), *args, "--connections", "0", "--max-inflight", "1", env=env)
    return r, s.posts()


@case("DEFECT: refused options: a header's name that is no token, DEL in a value")
def refused_names(t):
    with Server() as s:
        for h in ("X A: 1", "X-A\t: 1", "X(A): 1", "X-A: \x7f"):
            r = replay(s.url, steady(1), *ALONE, "-H", h)
            t.true(r.status == 2 and r.stderr.count("\n") == 1, "%r: status %d, %r" % (h, r.status, r.stderr))


@case("requests: each carries its id, its type and the headers that were asked for")
def heads(t):
    rows = [(0, 20, 4, {"id": 7}), (0.01, 20, 4, {"id": 9007199254740993}), (0.02, 20, 4, {"id": 3})]
    r, posts = bodies(rows, "--no-probe", "--model", "m", "-H", "X-One: 1", "-H", "X-Two:  two: 2", "--api-key-env", "KEY", env={"KEY": KEY})
    t.equal([q.id for q in posts], ["7", "9007199254740993", "3"], "ids")
    t.equal({x["id"] for x in r.records}, {7, 9007199254740993, 3}, "ids of the records")
    for q in posts:
        t.equal(q.header("content-type"), "application/json", "Content-Type")
        t.equal(q.header("x-one"), "1", "X-One")
        t.equal((q.header("x-two") or "").strip(), "two: 2", "X-Two")
        t.equal(q.header("authorization"), "Bearer " + KEY, "Authorization")
        t.equal(q.header("host"), r.head["notes"]["url"][len("http://"):], "Host")
        t.equal(q.header("transfer-encoding"), None, "Transfer-Encoding")
        t.equal(q.path, "/v1/chat/completions", "path")


FORCED = {"max_tokens": 5, "min_tokens": 5, "ignore_eos": True, "stream": True,
          "stream_options": {"include_usage": True, "continuous_usage_stats": True}}


def without(o, *names):
    return {k: v for k, v in o.items() if k not in names}


@case("requests: chat, words")
def chat(t):
    r, (q,) = bodies([(0, 33, 5, {"model": "trace-model"})], "--no-probe")
    o = q.json()
    t.equal(without(o, "messages"), dict(FORCED, model="trace-model"), "members")
    t.equal([without(m, "content") for m in o["messages"]], [{"role": "user"}], "messages")
    t.equal(len(o["messages"][0]["content"].split(" ")), 33, "words")
    t.equal((r.record(0)["status"], r.record(0)["seen_in_tokens"]), ("ok", 33), "end")


@case("requests: completions, words")
def completions(t):
    r, (q,) = bodies([(0, 33, 5)], "--no-probe", "--api", "completions", "--model", "m")
    t.equal(q.path, "/v1/completions", "path")
    t.equal(without(q.json(), "prompt"), dict(FORCED, model="m"), "members")
    t.equal(len(q.json()["prompt"].split(" ")), 33, "words")
    t.equal(r.record(0)["status"], "ok", "end")


@case("requests: completions, ids")
def ids(t):
    _, (q,) = bodies([(0, 50, 5)], "--no-probe", "--api", "completions", "--model", "m", "--prompt", "ids", "--ids", "500..600")
    p = q.json()["prompt"]
    t.true(len(p) == 50 and all(isinstance(x, int) and 500 <= x <= 600 for x in p), "ids: %r" % p)


@case("requests: --no-stream asks for no stream and no options of one")
def no_stream(t):
    r, (q,) = bodies([(0, 20, 5)], "--no-probe", "--model", "m", "--no-stream")
    t.equal(without(q.json(), "messages"), dict(without(FORCED, "stream_options"), stream=False, model="m"), "members")
    x = r.record(0)
    t.equal((x["status"], x["seen_out_tokens"], "event_tokens" in x), ("ok", 5, False), "end")


@case("requests: --force-output off asks for a maximum alone")
def not_forced(t):
    _, (q,) = bodies([(0, 20, 5)], "--no-probe", "--model", "m", "--force-output", "off")
    t.equal(without(q.json(), "messages"), {"model": "m", "max_tokens": 5, "stream": True, "stream_options": {"include_usage": True}}, "members")


@case("requests: --extra-body adds and replaces, each member stands once")
def extra(t):
    _, (q,) = bodies([(0, 20, 5)], "--no-probe", "--model", "m", "--extra-body",
                     '{"temperature":0,"ignore_eos":false,"nested":{"a":[1,"ü"]}}')
    t.equal(without(q.json(), "messages"), dict(FORCED, model="m", temperature=0, ignore_eos=False, nested={"a": [1, "ü"]}), "members")
    t.equal(q.body.count(b'"ignore_eos"'), 1, "ignore_eos stands")
    for bad in ("[1]", "{", '{"a":1}x', "1", ""):
        r, posts = bodies([(0, 20, 5)], "--no-probe", "--model", "m", "--extra-body", bad)
        t.true(r.status == 2 and not posts, "--extra-body %r: status %d, %r" % (bad, r.status, r.stderr))


@case("requests: payloads of the trace: text, messages, tokens, body")
def payloads(t):
    text = 'say "hi"\n\u00fc \\ \u0007'
    messages = [{"role": "system", "content": "be"}, {"role": "user", "content": "good"}]
    raw = {"model": "own", "messages": [{"role": "user", "content": "x"}], "max_tokens": 3, "stream": True, "odd": [1]}
    _, chats = bodies([(0, None, 5, {"payload": text, "payload_kind": "text"}),
                       (0.01, None, 5, {"payload": json.dumps(messages), "payload_kind": "messages"}),
                       (0.02, None, 3, {"payload": json.dumps(raw), "payload_kind": "body"})], "--no-probe", "--model", "m")
    t.equal([q.json()["messages"] for q in chats[:2]], [[{"role": "user", "content": text}], messages], "messages")
    t.equal(chats[2].json(), raw, "a body of its own")
    _, (q,) = bodies([(0, None, 5, {"payload": "[5,6,7]", "payload_kind": "tokens"})], "--no-probe", "--api", "completions", "--model", "m")
    t.equal(q.json()["prompt"], [5, 6, 7], "tokens")


@case("requests: what the chat template adds is found by the probe and left out of the words")
def template(t):
    r, posts = bodies([(0, 40, 5)], answer=lambda conn, request: conn.answer(request, extra=9))
    t.equal([q.id for q in posts], ["probe-1", "0"], "requests")
    t.equal(len(posts[1].json()["messages"][0]["content"].split()), 31, "words")
    t.equal((r.record(0)["seen_in_tokens"], r.head["notes"]["template_tokens"]), (40, 9), "tokens seen and noted")
    t.equal(posts[1].json()["model"], "m", "the model that the server names")


@case("requests: --model wins over the trace, an adapter names the model")
def model(t):
    _, (q,) = bodies([(0, 20, 5, {"model": "a", "adapter": "b"})], "--no-probe", "--model", "c")
    t.equal(q.json()["model"], "c", "model")
    _, (q,) = bodies([(0, 20, 5, {"model": "a", "adapter": "b"})], "--no-probe")
    t.equal(q.json()["model"], "b", "model")


@case("requests: the same trace and nonce are the same bytes; another nonce is another prompt")
def same(t):
    rows = [(i * 0.01, 40, 5) for i in range(3)]
    first, second, third = (
        [q.body for q in bodies(rows, "--no-probe", "--model", "m", "--nonce", n)[1]] for n in ("1f", "1f", "20"))
    t.equal(len(first), 3, "bodies")
    t.equal(first, second, "bodies of a second run")
    t.true(all(a != b for a, b in zip(first, third)), "another nonce changes nothing")


sys.exit(main(16))
