# SPDX-License-Identifier: Apache-2.0
#
# trace-mock over real sockets: what it says byte by byte, when, what goes wrong on purpose, and what it writes down.

setup() {
	bats_require_minimum_version 1.5.0
	cd "$BATS_TEST_TMPDIR"
	server=
	cat >h.py <<-'EOT'
		import http.client, json, os, re, select, socket, sys, time

		PORT = int(os.environ["PORT"])

		def connect():
		    s = socket.create_connection(("127.0.0.1", PORT), 30)
		    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		    return s

		def rest(s):
		    got = b""
		    while piece := s.recv(65536):
		        got += piece
		    return got

		def raw(data):
		    """What comes until the server closes."""
		    with connect() as s:
		        s.sendall(data)
		        return rest(s)

		def head(method, path, body=b"", *fields):
		    lines = [f"{method} {path} HTTP/1.1", "Host: x", *fields]
		    if body:
		        lines.append(f"Content-Length: {len(body)}")
		    return "\r\n".join(lines + ["", ""]).encode() + body

		def ask(path, body, *fields, method="POST"):
		    return head(method, path, json.dumps(body).encode() if body is not None else b"", *fields)

		def call(path, body=None, headers={}, method=None):
		    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
		    c.request(method or ("GET" if body is None else "POST"), path,
		              body if body is None or isinstance(body, bytes) else json.dumps(body), headers)
		    r = c.getresponse()
		    data = r.read()
		    c.close()
		    return r.status, {k.lower(): v for k, v in r.getheaders()}, data

		def events(data):
		    parts = data.decode().split("\n\n")
		    assert parts.pop() == "", parts
		    assert all(p.startswith("data: ") for p in parts), parts
		    return [p[6:] if p == "data: [DONE]" else json.loads(p[6:]) for p in parts]

		def stream(path="/v1/completions", **more):
		    body = {"stream": True, **({"messages": [{"content": "about"}]} if "chat" in path else {"prompt": "hello"}), **more}
		    status, headers, data = call(path, body)
		    assert status == 200 and headers["transfer-encoding"] == "chunked", (status, headers)
		    assert headers["content-type"] == "text/event-stream; charset=utf-8", headers
		    return events(data)

		def text(found):
		    return "".join(e["choices"][0]["text"] for e in found if isinstance(e, dict) and e.get("choices"))

		def error(got, status):
		    assert got[0] == status, got
		    e = json.loads(got[2])["error"]
		    assert e["code"] == status and e["message"], e
		    return e["message"]
	EOT
}

teardown() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
}

# Starts a server; PORT is there when it listens.
serve() {
	exec {line}< <(exec trace-mock --port 0 "$@" 2>err 3>&-)
	server=$!
	export SERVER=$server
	read -r announced <&"$line"
	[[ $announced =~ ^'trace-mock: listening on http://127.0.0.1:'([0-9]+)$ ]]
	export PORT=${BASH_REMATCH[1]}
}

# Stops it, and it must go in peace.
stop() {
	local status=0
	kill "${1:--TERM}" "$server"
	wait "$server" || status=$?
	server=
	[ "$status" = 0 ]
	[ ! -s err ]
}

py() {
	{
		echo 'from h import *'
		cat
	} >t.py
	timeout 60 python3 t.py
}

fast='--ttft 0 --itl 0'

@test "endpoints, and what is none" {
	serve --model 'a "b"' --template-tokens 3
	py <<-'EOT'
		s, h, b = call("/health")
		assert (s, b, h["content-length"]) == (200, b"", "0"), (s, h, b)
		s, h, b = call("/v1/models?x=1")
		assert s == 200 and h["content-type"] == "application/json"
		d = json.loads(b)
		assert d["object"] == "list" and [m["id"] for m in d["data"]] == ['a "b"'], d
		assert json.loads(call("/tokenize", {"prompt": "about after 12345"})[2])["count"] == 4
		d = json.loads(call("/tokenize", {"messages": [{"role": "user", "content": "about after"}]})[2])
		assert d["count"] == 5 and len(d["tokens"]) == 5, d
		error(call("/nothing"), 404)
		error(call("/v1/completions"), 405)
		error(call("/health", b"x"), 405)
		# No body to HEAD: on a connection that goes on it would be taken for the next reply.
		got = raw(head("HEAD", "/health") + head("HEAD", "/nothing") + head("GET", "/health", b"", "Connection: close"))
		parts = got.decode().split("\r\n\r\n")
		assert [p[:12] for p in parts] == ["HTTP/1.1 405", "HTTP/1.1 404", "HTTP/1.1 200", ""], got
	EOT
	stop
}

@test "a stream of completions, byte by byte" {
	serve $fast
	py <<-'EOT'
		got = raw(ask("/v1/completions", {"model": "m", "prompt": "about", "max_tokens": 2, "stream": True,
		                                   "stream_options": {"include_usage": True}}, "X-Request-Id: r-1", "Connection: close"))
		got = got.decode()
		words = re.findall(r'"text":"( [a-z]+)"', got)
		created = re.search(r'"created":(\d+)', got)[1]
		assert len(words) == 2 and abs(int(created) - time.time()) < 100, got
		start = f'data: {{"id":"cmpl-r-1","object":"text_completion","created":{created},"model":"m","choices":['
		def event(i, finish):
		    return start + f'{{"index":0,"text":"{words[i]}","logprobs":null,"finish_reason":{finish},"stop_reason":null}}],"usage":null}}\n\n'
		parts = [event(0, "null"), event(1, '"length"'),
		         start + '],"usage":{"prompt_tokens":1,"total_tokens":3,"completion_tokens":2}}\n\n', "data: [DONE]\n\n", ""]
		want = ("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: r-1\r\n"
		        "transfer-encoding: chunked\r\nconnection: close\r\n\r\n" + "".join(f"{len(p):x}\r\n{p}\r\n" for p in parts))
		assert got == want, (got, want)
	EOT
	stop
}

@test "a stream of chat, byte by byte" {
	serve $fast --template-tokens 0
	py <<-'EOT'
		got = call("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "about"}, {"role": "user",
		    "content": [{"type": "text", "text": "after"}]}], "max_completion_tokens": 2, "max_tokens": 9, "stream": True,
		    "stream_options": {"include_usage": True}}, {"X-Request-Id": "r-2"})[2].decode()
		words = re.findall(r'"content":"( [a-z]+)"', got)
		created = re.search(r'"created":(\d+)', got)[1]
		start = f'data: {{"id":"chatcmpl-r-2","object":"chat.completion.chunk","created":{created},"model":"m","choices":['
		def event(delta, finish):
		    return start + f'{{"index":0,"delta":{{{delta}}},"logprobs":null,"finish_reason":{finish}}}]}}\n\n'
		want = (event('"role":"assistant","content":""', "null") + event(f'"content":"{words[0]}"', "null") +
		        event(f'"content":"{words[1]}"', '"length","stop_reason":null') +
		        start + '],"usage":{"prompt_tokens":2,"total_tokens":4,"completion_tokens":2}}\n\n' + "data: [DONE]\n\n")
		assert got == want, (got, want)
	EOT
	stop
}

@test "whole replies, counts, ids, chunks" {
	serve $fast --chunk-tokens 4
	py <<-'EOT'
		d = json.loads(call("/v1/completions", {"prompt": [5, 6, 7], "return_token_ids": True})[2])
		assert d["usage"] == {"prompt_tokens": 3, "total_tokens": 19, "completion_tokens": 16}, d
		c = d["choices"][0]
		assert c["finish_reason"] == "length" and len(c["text"].split(" ")) == 17 and c["text"][0] == " ", c
		assert c["prompt_token_ids"] == [5, 6, 7] and len(c["token_ids"]) == 16, c
		d = json.loads(call("/v1/chat/completions", {"messages": [{"content": "about"}], "max_tokens": 3})[2])
		assert d["object"] == "chat.completion" and d["usage"]["prompt_tokens"] == 8, d
		assert len(d["choices"][0]["message"]["content"].split()) == 3, d
		e = stream(prompt="about", max_tokens=10, return_token_ids=True, stream_options={"include_usage": True, "continuous_usage_stats": True})
		assert [len(x["choices"][0]["token_ids"]) for x in e[:3]] == [4, 4, 2], e
		assert [x["usage"]["completion_tokens"] for x in e[:4]] == [4, 8, 10, 10] and len(e) == 5, e
		assert e[0]["choices"][0]["prompt_token_ids"] == [1] and "prompt_token_ids" not in e[1]["choices"][0], e
		assert len(text(e).split()) == 10
		assert json.loads(call("/v1/completions", {"prompt": ["about after"]})[2])["usage"]["prompt_tokens"] == 2
		assert json.loads(call("/v1/completions", {"prompt": "about\u0020after"})[2])["usage"]["prompt_tokens"] == 2
		assert json.loads(call("/v1/completions", b'{"prompt":"about\\u0020after"}')[2])["usage"]["prompt_tokens"] == 2
	EOT
	stop
}

@test "natural lengths" {
	serve $fast --natural fixed:5
	py <<-'EOT'
		def run(**more):
		    e = stream(max_tokens=8, **more)
		    return len(text(e).split()), e[-2]["choices"][0]["finish_reason"]
		assert run() == (5, "stop")
		assert run(ignore_eos=True) == (8, "length")
		assert run(min_tokens=7) == (7, "stop")
		assert run(min_tokens=8) == (8, "length")
	EOT
	stop
}

@test "bodies that are refused" {
	serve $fast --strict-model --reject cache_salt --reject continuous_usage_stats
	py <<-'EOT'
		def bad(body, word, path="/v1/completions"):
		    m = error(call(path, body), 400)
		    assert word in m, m
		ok = {"model": "mock", "prompt": "x"}
		assert call("/v1/completions", ok)[0] == 200
		bad(b'{"prompt":"x"', "not JSON")
		bad(b'{"prompt":"x"} {}', "not JSON")
		bad(b"[1]", "object")
		bad({}, "prompt: is needed")
		bad({}, "messages: is needed", "/v1/chat/completions")
		bad({**ok, "max_tokens": 0}, "max_tokens")
		bad({**ok, "max_tokens": 1.5}, "max_tokens")
		bad({**ok, "max_tokens": 2000000}, "max_tokens")
		bad({**ok, "max_tokens": "5"}, "max_tokens")
		bad({**ok, "min_tokens": 17}, "min_tokens")
		bad({**ok, "stream": 1}, "stream")
		bad({**ok, "prompt": ["a", "b"]}, "prompt")
		bad({**ok, "prompt": [[1], [2]]}, "prompt")
		bad({**ok, "prompt": {}}, "prompt")
		bad({**ok, "cache_salt": "s"}, "('body', 'cache_salt')")
		bad({**ok, "stream_options": {"continuous_usage_stats": False}}, "('body', 'stream_options', 'continuous_usage_stats')")
		error(call("/v1/completions", {**ok, "model": "other"}), 404)
		assert call("/v1/completions", {**ok, "max_tokens": None, "unknown": {"a": [1, {"b": 2}]}})[0] == 200
	EOT
	stop
}

@test "the key" {
	export MOCK_KEY=s3cret
	serve $fast --api-key-env MOCK_KEY --log log
	py <<-'EOT'
		error(call("/v1/models"), 401)
		error(call("/v1/completions", {"prompt": "x"}, {"Authorization": "Bearer s3cre"}), 401)
		error(call("/v1/completions", {"prompt": "x"}, {"Authorization": "Bearer s3crets"}), 401)
		assert call("/v1/completions", {"prompt": "x"}, {"Authorization": "Bearer s3cret"})[0] == 200
		assert call("/health")[0] == 200
	EOT
	stop
	[ "$(wc -l <log)" = 1 ]
	run ! grep -q s3cret log
	run -2 trace-mock --port 0 --api-key-env NO_SUCH_VARIABLE
}

@test "stamps are in order, where the law says, and never before their time" {
	serve --ttft 30ms --itl 10ms --log log
	py <<-'EOT'
		before = time.monotonic_ns()
		c = http.client.HTTPConnection("127.0.0.1", PORT)
		c.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"content": "about"}], "max_tokens": 5, "stream": True}))
		c.getresponse().read()
		print(before, time.monotonic_ns(), file=open("times", "w"))
		got = call("/v1/completions", {"prompt": "x", "max_tokens": 4}, {"X-Request-Id": 'q"\\'})
		assert got[0] == 200, got
	EOT
	stop
	py <<-'EOT'
		a, b = [json.loads(x) for x in open("log")]
		before, after = map(int, open("times").read().split())
		w = a["writes_ns"]
		assert before < a["arrival_ns"] < w[0] and w[-1] <= a["end_ns"], (before, a, after)
		assert len(w) == 7 and a["first_token"] == 1 and w == sorted(w), a # role, five tokens, done
		for i in range(5):
		    assert w[1 + i] - a["arrival_ns"] >= 30_000_000 + i * 10_000_000, (i, a)
		want = {"n": 1, "id": "mock-1", "conn": 1, "path": "/v1/chat/completions", "in_tokens": 8, "out_tokens": 5,
		        "max_tokens": 5, "outcome": "ok", "stream": True}
		assert {k: a[k] for k in want} == want and set(a) - set(want) == {
		    "arrival_ns", "writes_ns", "first_token", "end_ns", "bytes_in"}, a
		assert b["id"] == "mock-2" and len(b["writes_ns"]) == 1 and b["stream"] is False, b
		assert b["writes_ns"][0] - b["arrival_ns"] >= 60_000_000 and b["bytes_in"] > 100, b
	EOT
}

@test "draws depend on seed and number alone" {
	for i in 1 2; do
		serve --ttft uniform:0ms..400ms --itl exponential:mean=2ms --natural uniform:1..9 --seed 7 --log log$i
		if [ $i = 1 ]; then
			py <<<'for i in range(6): stream(max_tokens=20)'
		else # the same on one connection, pipelined
			py <<<'raw(ask("/v1/completions", {"stream": True, "prompt": "hello", "max_tokens": 20}) * 5 +
			           ask("/v1/completions", {"stream": True, "prompt": "hello", "max_tokens": 20}, "Connection: close"))'
		fi
		stop
	done
	py <<-'EOT'
		a, b = [[json.loads(x) for x in open(n)] for n in ("log1", "log2")]
		ttft = [[(r["writes_ns"][0] - r["arrival_ns"]) / 1e6 for r in x] for x in (a, b)]
		assert len(ttft[0]) == len(ttft[1]) == 6
		tokens = [[r["out_tokens"] for r in x] for x in (a, b)]
		assert tokens[0] == tokens[1] and len(set(tokens[0])) > 2, tokens
		# What a busy machine adds is no draw: of six pairs most agree.
		assert max(ttft[0]) - min(ttft[0]) > 120 and sorted(abs(x - y) for x, y in zip(*ttft))[2] < 40, ttft
	EOT
}

@test "slots: first come, first served" {
	serve --slots 1 --ttft 40ms --itl 5ms --log log
	py <<-'EOT'
		socks = []
		for i in range(4):
		    s = connect()
		    s.sendall(ask("/v1/completions", {"prompt": "x", "max_tokens": 2, "stream": True}, f"X-Request-Id: r{i}", "Connection: close"))
		    assert s.recv(15) == b"HTTP/1.1 200 OK" # it has been read
		    socks.append(s)
		socks[2].close() # leaves the queue
		for i in (0, 1, 3):
		    assert b"[DONE]" in rest(socks[i])
	EOT
	stop
	py <<-'EOT'
		d = {x["id"]: x for x in map(json.loads, open("log"))}
		assert [d[f"r{i}"]["outcome"] for i in range(4)] == ["ok", "ok", "aborted", "ok"], d
		assert d["r2"]["out_tokens"] == 0 and d["r2"]["writes_ns"] == []
		for a, b in (("r0", "r1"), ("r1", "r3")):
		    assert d[b]["writes_ns"][0] - d[a]["writes_ns"][-1] >= 38_000_000, d
	EOT
}

@test "a client that leaves" {
	serve --ttft 0 --itl 5ms --log log --slots 1
	py <<-'EOT'
		with connect() as s:
		    s.sendall(ask("/v1/completions", {"prompt": "x", "max_tokens": 100000, "stream": True}))
		    assert s.recv(10)
		stream(max_tokens=2) # gets the slot
	EOT
	stop -INT
	py <<-'EOT'
		a, b = map(json.loads, open("log"))
		assert a["outcome"] == "aborted" and a["out_tokens"] < 100000 and b["outcome"] == "ok", (a, b)
	EOT
}

@test "keep-alive and pipelining, in order" {
	serve --ttft uniform:0ms..20ms --itl 1ms --log log
	py <<-'EOT'
		one = ask("/v1/completions", {"prompt": "x", "max_tokens": 2}, "X-Request-Id: a")
		two = ask("/v1/completions", {"prompt": "x", "max_tokens": 2, "stream": True}, "X-Request-Id: b")
		got = raw(one + head("GET", "/health") + two + head("GET", "/nothing", b"", "Connection: close")).decode()
		order = [m for m in re.findall(r'cmpl-[ab]|content-length: 0|not found|\[DONE\]', got)]
		assert order == ["cmpl-a", "content-length: 0", "cmpl-b", "cmpl-b", "[DONE]", "not found"], got
		c = http.client.HTTPConnection("127.0.0.1", PORT)
		for i in range(3):
		    c.request("GET", "/health")
		    assert c.getresponse().read() == b""
		assert raw(b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
	EOT
	stop
	[ "$(sed -E 's/.*"conn":([0-9]+).*/\1/' log | sort -u)" = 1 ]
}

@test "HTTP/1.0 streams without chunks" {
	serve $fast
	py <<-'EOT'
		b = b'{"prompt":"x","max_tokens":2,"stream":true}'
		got = raw(b"POST /v1/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(b) + b)
		head, body = got.split(b"\r\n\r\n", 1)
		assert b"chunked" not in head and b"connection: close" in head and len(events(body)) == 3, got
	EOT
	stop
}

@test "bodies in chunks, bodies that wait for leave, large bodies, any cut" {
	serve $fast
	py <<-'EOT'
		body = json.dumps({"prompt": "about after", "max_tokens": 1}).encode()
		chunks = b"".join(b"%x;ext=1\r\n%c\r\n" % (1, c) for c in body) + b"0\r\nTrailer: x\r\n\r\n"
		want = head("POST", "/v1/completions", b"", "Transfer-Encoding: chunked", "Connection: close") + chunks
		assert b'"prompt_tokens":2' in raw(want)
		with connect() as s: # every split: bytes one by one
		    for c in want:
		        s.sendall(bytes([c]))
		    assert b'"prompt_tokens":2' in rest(s)
		with connect() as s:
		    h = head("POST", "/v1/completions", b"", f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close")
		    s.sendall(h)
		    assert s.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
		    s.sendall(body)
		    got = rest(s)
		    assert got.startswith(b"HTTP/1.1 200") and b"100 Continue" not in got, got
		big = {"prompt": "about " * 300000 + "about"}
		assert json.loads(call("/v1/completions", big)[2])["usage"]["prompt_tokens"] == 300001
		ids = {"prompt": list(range(200000))}
		assert json.loads(call("/v1/completions", ids)[2])["usage"]["prompt_tokens"] == 200000
	EOT
	stop
}

@test "requests that are not HTTP" {
	serve $fast
	py <<-'EOT'
		def refused(data, status=400):
		    got = raw(data)
		    assert got.startswith(b"HTTP/1.1 %d " % status) and b"connection: close" in got, (data[:80], got)
		refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n")
		refused(b"GET / HTTP/1.1\n\n")
		refused(b"GET /\r\n\r\n")
		refused(b"GET  / HTTP/1.1\r\n\r\n")
		refused(b"GET / HTTP/2.0\r\n\r\n", 505)
		refused(b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
		refused(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
		refused(b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n")
		refused(b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n")
		post = b"POST /v1/completions HTTP/1.1\r\n"
		refused(post + b"Content-Length: -1\r\n\r\n")
		refused(post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n")
		refused(post + b"Content-Length: 1, 1\r\n\r\n")
		refused(post + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n")
		refused(post + b"Transfer-Encoding: gzip\r\n\r\n", 501)
		refused(post + b"Content-Length: 67108865\r\n\r\n", 413)
		refused(post + b"Content-Length: 99999999999999999999\r\n\r\n")
		refused(post + b"Transfer-Encoding: chunked\r\n\r\nx\r\n")
		refused(post + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n")
		refused(post + b"Transfer-Encoding: chunked\r\n\r\n2\0\r\n{}\r\n0\r\n\r\n")
		refused(post + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 413)
		refused(b"GET / HTTP/1.1\r\nA: " + b"x" * 65536 + b"\r\n\r\n", 431)
		refused(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 11000, 431)
		refused(b"GET /" + b"x" * 70000, 431)
		assert raw(b"\r\n\r\nGET /health HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
		assert call("/health")[0] == 200
	EOT
	stop
}

@test "a slow head holds nobody up" {
	serve $fast
	py <<-'EOT'
		data = head("GET", "/health", b"", "Connection: close")
		slow = [connect() for i in range(50)]
		for k in data[:-1]:
		    for s in slow:
		        s.sendall(bytes([k]))
		    if k == 10:
		        assert call("/health")[0] == 200
		for s in slow:
		    s.sendall(data[-1:])
		    assert rest(s).startswith(b"HTTP/1.1 200")
	EOT
	stop
}

@test "idle connections are closed, busy ones are not" {
	serve --ttft 300ms --itl 0 --idle-close 100ms
	py <<-'EOT'
		s, t = connect(), connect()
		t.sendall(ask("/v1/completions", {"prompt": "x", "max_tokens": 1}))
		start = time.monotonic()
		assert s.recv(1) == b"" and 0.09 < time.monotonic() - start
		got = rest(t) # the reply, then the close
		assert got.startswith(b"HTTP/1.1 200") and time.monotonic() - start > 0.39, got
	EOT
	stop
}

@test "faults before the reply" {
	serve $fast --log log --fault error:code=429,nth=1 --fault error:nth=2 --fault reset:nth=3 --fault close:nth=4 \
		--fault redirect:to=http://127.0.0.1:1/x,nth=5
	py <<-'EOT'
		body = {"prompt": "x", "max_tokens": 1}
		s, h, b = call("/v1/completions", body)
		assert s == 429 and h["retry-after"] == "1" and json.loads(b)["error"]["code"] == 429, (s, h, b)
		s, h, b = call("/v1/completions", body)
		assert s == 503 and "retry-after" not in h, (s, h, b)
		try:
		    raw(ask("/v1/completions", body))
		    assert 0, "no reset"
		except ConnectionResetError:
		    pass
		assert raw(ask("/v1/completions", body)) == b""
		s, h, b = call("/v1/completions", body)
		assert s == 307 and h["location"] == "http://127.0.0.1:1/x", (s, h, b)
		assert call("/v1/completions", body)[0] == 200
	EOT
	stop
	[ "$(sed -E 's/.*"outcome":"([a-z-]+)".*/\1/' log | paste -sd' ')" = 'error error reset close redirect ok' ]
}

@test "faults within a stream" {
	serve $fast --log log --fault malformed:after=2,nth=1 --fault no-done:nth=2 --fault no-finish:nth=3 \
		--fault cut:after=2,nth=4 --fault error-event:after=2,code=400,nth=5 --fault short:nth=6 --fault cut:after=0,nth=7
	py <<-'EOT'
		def one():
		    return call("/v1/completions", {"prompt": "x", "max_tokens": 4, "stream": True})[2].decode()
		parts = one().split("\n\n")
		assert len(parts) == 7 and parts[5] == "data: [DONE]", parts
		try:
		    json.loads(parts[2][6:])
		    assert 0, "this is JSON"
		except ValueError:
		    pass
		e = events(one().encode())
		assert len(e) == 4 and e[3]["choices"][0]["finish_reason"] == "length", e
		e = events(one().encode())
		assert e[4] == "[DONE]" and all(x["choices"][0]["finish_reason"] is None for x in e[:4]), e
		got = raw(ask("/v1/completions", {"prompt": "x", "max_tokens": 4, "stream": True}))
		assert got.count(b"data: ") == 2 and not got.endswith(b"0\r\n\r\n"), got
		e = events(one().encode())
		assert len(e) == 4 and e[2]["error"]["code"] == 400 and e[3] == "[DONE]", e
		e = events(one().encode())
		assert len(e) == 3 and e[1]["choices"][0]["finish_reason"] == "stop", e
		got = raw(ask("/v1/completions", {"prompt": "x", "max_tokens": 4, "stream": True}))
		assert got.endswith(b"chunked\r\n\r\n"), got
		assert len(events(one().encode())) == 5
	EOT
	stop
	[ "$(sed -E 's/.*"outcome":"([a-z-]+)".*/\1/' log | paste -sd' ')" = \
		'malformed no-done no-finish cut error-event short cut ok' ]
}

@test "faults of whole replies" {
	serve $fast --fault malformed:nth=1 --fault cut:nth=2 --fault error-event:nth=3 --fault short:nth=4
	py <<-'EOT'
		body = {"prompt": "x", "max_tokens": 4}
		try:
		    json.loads(call("/v1/completions", body)[2])
		    assert 0, "this is JSON"
		except ValueError:
		    pass
		try:
		    call("/v1/completions", body)
		    assert 0, "this is whole"
		except http.client.IncompleteRead:
		    pass
		error(call("/v1/completions", body), 500)
		d = json.loads(call("/v1/completions", body)[2])
		assert d["usage"]["completion_tokens"] == 2 and d["choices"][0]["finish_reason"] == "stop", d
	EOT
	stop
}

@test "a stall, a freeze" {
	serve --ttft 0 --itl 1ms --log log --fault stall:after=3,for=150ms,nth=1
	py <<<'stream(max_tokens=6)'
	stop
	py <<-'EOT'
		w = json.loads(open("log").read())["writes_ns"]
		gaps = [b - a for a, b in zip(w, w[1:])]
		assert gaps[2] >= 150_000_000 > max(gaps[:2] + gaps[3:]), gaps
	EOT
	serve --ttft 0 --itl 0 --log log --fault stall:after=2,for=150ms # behind the last event: the end waits
	py <<-'EOT'
		e = stream(max_tokens=2, stream_options={"include_usage": True})
		assert len(e) == 4 and e[3] == "[DONE]" and e[1]["choices"][0]["finish_reason"] == "length", e
		assert len(stream(max_tokens=1)) == 2 # over before
	EOT
	stop
	py <<-'EOT'
		a, b = map(json.loads, open("log"))
		w = a["writes_ns"]
		assert a["outcome"] == "stall" and len(w) == 4 and w[2] - w[1] >= 150_000_000 > w[3] - w[2], a
		assert b["outcome"] == "ok", b
	EOT
	serve --ttft 0 --itl 20ms --log log --fault freeze:at=50ms,for=300ms
	py <<-'EOT'
		with connect() as s:
		    s.sendall(ask("/v1/completions", {"prompt": "x", "max_tokens": 6, "stream": True}, "Connection: close"))
		    time.sleep(0.1) # within the freeze
		    start = time.monotonic()
		    assert call("/health")[0] == 200 and time.monotonic() - start > 0.15
		    assert b"[DONE]" in rest(s)
	EOT
	stop
	py <<-'EOT'
		w = json.loads(open("log").read())["writes_ns"]
		gaps = [b - a for a, b in zip(w, w[1:])]
		assert sum(g >= 300_000_000 for g in gaps) == 1, gaps
		assert w[5] - w[0] >= 400_000_000, gaps # the plan moved with it
	EOT
}

@test "endless replies end with the client, and wait for it" {
	serve $fast --log log --fault endless:nth=1 --fault endless-line:after=1,nth=2
	py <<-'EOT'
		for many, few in ((b"data: ", 10**9), (b"xxxxxxxx", 2)):
		    with connect() as s:
		        s.sendall(ask("/v1/completions", {"prompt": "x", "max_tokens": 4, "stream": True}))
		        got = b""
		        while len(got) < 3 << 20:
		            got += s.recv(1 << 20)
		        assert got.count(many) > 10000 and got.count(b"\n\n") < few + 2, got[:300]
		        time.sleep(0.2)
		        rss = int(re.search(r"VmRSS:\s*(\d+)", open(f"/proc/{os.environ['SERVER']}/status").read())[1])
		        assert call("/health")[0] == 200
		    if "REPRISE_BUILD" not in os.environ or "san" not in os.environ["REPRISE_BUILD"]:
		        assert rss < 100_000, rss
	EOT
	stop
	[ "$(sed -E 's/.*"outcome":"([a-z-]+)".*/\1/' log | paste -sd' ')" = 'endless endless-line' ]
}

@test "faults by chance and by turn" {
	serve $fast --fault error:rate=0.3 --log log
	py <<-'EOT'
		got = [call("/v1/completions", {"prompt": "x", "max_tokens": 1})[0] for i in range(200)]
		assert 30 < got.count(503) < 90 and got.count(200) + got.count(503) == 200, got
		open("first", "w").write(repr(got))
	EOT
	stop
	serve $fast --fault error:rate=0.3
	py <<-'EOT'
		got = [call("/v1/completions", {"prompt": "x", "max_tokens": 1})[0] for i in range(200)]
		assert repr(got) == open("first").read()
	EOT
	stop
	serve $fast --fault error:every=3
	py <<<'assert [call("/v1/completions", {"prompt": "x"})[0] for i in range(6)] == [200, 200, 503] * 2'
	stop
}

@test "an event that is too large fails its reply" {
	serve --instant --log log # counts blanks
	py <<-'EOT'
		got = raw(ask("/v1/completions", {"prompt": " " * 9_000_000, "max_tokens": 4, "stream": True, "return_token_ids": True}))
		assert got.startswith(b"HTTP/1.1 200") and b"data: " not in got and not got.endswith(b"0\r\n\r\n"), got[-200:]
		assert len(stream(max_tokens=2)) == 3
	EOT
	stop
	py <<-'EOT'
		a, b = map(json.loads, open("log"))
		assert a["outcome"] == "failed" and a["out_tokens"] == 0 and a["writes_ns"] == [] and a["first_token"] is None, a
		assert b["outcome"] == "ok", b
	EOT
}

@test "usage in each event needs usage at the end, and --usage" {
	for how in '--ttft 0 --itl 0' --instant '--ttft 0 --itl 0 --no-usage' '--instant --no-usage'; do
		# shellcheck disable=SC2086
		serve $how
		HOW=$how py <<-'EOT'
			each = {"continuous_usage_stats": True}
			def counts(**options):
			    return [x["usage"] and x["usage"]["completion_tokens"] for x in stream(max_tokens=2, stream_options=options)[:-1]]
			assert counts(**each) == [None, None], counts(**each)
			want = [None, None] if "--no-usage" in os.environ["HOW"] else [1, 2, 2]
			assert counts(**each, include_usage=True) == want, (counts(**each, include_usage=True), want)
		EOT
		stop
	done
}

@test "the name of a request in the log" {
	for how in '--ttft 0 --itl 0' --instant; do
		# shellcheck disable=SC2086
		serve $how --log log
		py <<-'EOT'
			for name in ("r-1", 'q"\\', "", "x" * 128, "x" * 129):
			    assert call("/v1/completions", {"prompt": "x"}, {"X-Request-Id": name})[0] == 200
			assert call("/v1/completions", {"prompt": "x"})[0] == 200
		EOT
		stop
		py <<-'EOT'
			got = [json.loads(x)["id"] for x in open("log")]
			assert got == ["r-1", "mock-2", "mock-3", "x" * 128, "mock-5", "mock-6"], got
		EOT
	done
}

@test "delays beyond any run do not wrap" {
	serve --ttft 0 --itl 1d --log log
	py <<-'EOT'
		with connect() as s:
		    s.sendall(ask("/v1/completions", {"prompt": "x", "max_tokens": 1 << 20}))
		    assert call("/v1/completions", {"prompt": "x", "max_tokens": 1})[0] == 200
		    assert not select.select([s], [], [], 0.2)[0]
	EOT
	stop
	[ "$(sed -E 's/.*"out_tokens":([0-9]+).*/\1/' log | sort -n | paste -sd' ')" = '0 1' ]
}

@test "--instant: the same replies in one write" {
	serve --instant --log log --fault error:nth=5
	py <<-'EOT'
		opt = {"stream_options": {"include_usage": True}, "max_tokens": 5}
		e = stream(**opt, prompt="about after again")
		assert len(e) == 7 and e[5]["usage"] == {"prompt_tokens": 3, "total_tokens": 8, "completion_tokens": 5}, e
		assert [x["choices"][0]["finish_reason"] for x in e[:5]] == [None] * 4 + ["length"]
		e = stream("/v1/chat/completions", **opt, messages=[{"content": "about after"}])
		assert len(e) == 8 and e[6]["usage"]["prompt_tokens"] == 9, e
		d = json.loads(call("/v1/completions", {"prompt": list(range(1000)), "max_tokens": 2, "model": "z"})[2])
		assert d["usage"] == {"prompt_tokens": 1000, "total_tokens": 1002, "completion_tokens": 2} and d["model"] == "z", d
		assert stream(**opt, prompt="about")[5]["usage"]["prompt_tokens"] == 1
		assert call("/v1/completions", {"prompt": "x"})[0] == 503
		got = raw(ask("/v1/completions", {"prompt": "x", "stream": True, "max_tokens": 20000}) * 3 +
		          head("GET", "/health", b"", "Connection: close"))
		assert got.count(b"[DONE]") == 3 and got.count(b"data: ") == 60003
	EOT
	stop
	[ "$(wc -l <log)" = 8 ]
	[ "$(grep -c '"writes_ns":\[\]' log)" = 8 ]
	serve --instant
	py <<-'EOT'
		# A client that sends and does not read: the server stops taking its requests, and loses none.
		one, many = ask("/v1/completions", {"prompt": "x", "stream": True, "max_tokens": 2000}), 100
		with connect() as s:
		    s.setblocking(False)
		    data, got = one * many + head("GET", "/health", b"", "Connection: close"), b""
		    sent = s.send(data)
		    time.sleep(0.2)
		    rss = int(re.search(r"VmRSS:\s*(\d+)", open(f"/proc/{os.environ['SERVER']}/status").read())[1])
		    s.setblocking(True)
		    s.sendall(data[sent:])
		    got = rest(s)
		assert got.count(b"[DONE]") == many and got.endswith(b"content-length: 0\r\nconnection: close\r\n\r\n")
		if "san" not in os.environ.get("REPRISE_BUILD", ""):
		    assert rss < 30_000, rss
	EOT
	stop
}

@test "without usage" {
	serve $fast --no-usage
	py <<-'EOT'
		assert "usage" not in json.loads(call("/v1/completions", {"prompt": "x"})[2])
		e = stream(max_tokens=1, stream_options={"include_usage": True})
		assert len(e) == 2, e
	EOT
	stop
}

@test "a port that is taken, other starts that cannot be" {
	serve $fast
	run -1 --separate-stderr trace-mock --port "$PORT"
	[ -z "$output" ]
	[[ $stderr == "trace-mock: cannot listen on 127.0.0.1 port $PORT: Address already in use" ]]
	stop
	run -1 trace-mock --port 0 --log no-folder/x
	run -2 trace-mock --port 65536
	run -2 trace-mock --instant --ttft 5ms
	for law in 5 5ms uniform:1ms..2ms exponential:5ms normal:5ms,1ms normal:mean=5ms,sd=1ms; do
		trace-mock --port 0 --ttft "$law" --duration 0 >/dev/null
	done
	for law in '' x 5x uniform:1ms uniform:2ms..1ms normal:5ms gamma:5ms exponential:-1 99999h; do
		run -2 --separate-stderr trace-mock --port 0 --itl "$law"
		[[ ${stderr_lines[0]} == 'trace-mock: --itl: '* ]]
	done
	run -2 --separate-stderr trace-mock --port 0 --fault short,rate=0.1
	[[ ${stderr_lines[0]} == *'the form is KIND:key=value,... and the kinds are freeze '*' endless: "short,rate=0.1"' ]]
	for fault in x error:code=200 error:after=1 stall freeze:at=1s redirect error:rate=2 error:nth=0 error:x stall:after=0,for=1s; do
		run -2 --separate-stderr trace-mock --port 0 --fault "$fault"
		[[ ${stderr_lines[0]} == 'trace-mock: --fault: '* ]]
	done
}

@test "many connections at once" {
	serve --ttft 200ms --itl 1ms --log log
	py <<-'EOT'
		socks = [connect() for i in range(500)]
		for s in socks:
		    s.sendall(ask("/v1/completions", {"prompt": "x", "max_tokens": 3, "stream": True}, "Connection: close"))
		assert all(b"[DONE]" in rest(s) for s in socks)
	EOT
	stop
	[ "$(grep -c '"outcome":"ok"' log)" = 500 ]
}
