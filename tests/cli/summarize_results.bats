# SPDX-License-Identifier: Apache-2.0
#
# trace-summarize on results: a small run worked out by hand, random runs against an independent reference, and what is
# said of runs that failed. The runs are JSONL, made here.

setup() {
	bats_require_minimum_version 1.5.0
	cd "$BATS_TEST_TMPDIR"
	# Times in ms: due, sent, first token, gaps. a: 4 tokens in 3 events; b: one event; c: tokens of events unknown;
	# d: a 503; e: cut off; f: never sent.
	records >small.part <<-'EOT'
		dict(id=0, arrival_ns=0, model="x", in_tokens=10, out_tokens=4, due_ns=0, sent_ns=1*ms, first_ns=11*ms, gaps_ns=[20*ms, 30*ms], event_tokens=[1, 2, 1], end_ns=62*ms, seen_in_tokens=10, seen_out_tokens=4, cached_tokens=8, status="ok", http_code=200, connect_ns=500000, reused=0, resent=0, bytes_out=100, bytes_in=1000)
		dict(id=1, arrival_ns=10*ms, model="y", in_tokens=20, out_tokens=1, due_ns=10*ms, sent_ns=10*ms, first_ns=30*ms, gaps_ns=[], event_tokens=[1], end_ns=30*ms, seen_in_tokens=33, seen_out_tokens=1, cached_tokens=0, status="ok", http_code=200, reused=1, resent=1, bytes_out=200, bytes_in=400)
		dict(id=2, arrival_ns=20*ms, model="x", in_tokens=30, out_tokens=3, due_ns=20*ms, sent_ns=22*ms, first_ns=52*ms, gaps_ns=[8*ms], end_ns=60*ms, seen_in_tokens=30, seen_out_tokens=5, status="ok", http_code=200, reused=1, resent=0)
		dict(id=3, arrival_ns=30*ms, in_tokens=40, out_tokens=9, due_ns=30*ms, sent_ns=30*ms, end_ns=35*ms, status="failed", error="http_5xx", http_code=503, reused=1, resent=0)
		dict(id=4, arrival_ns=40*ms, model="y", in_tokens=50, out_tokens=9, due_ns=40*ms, sent_ns=41*ms, first_ns=70*ms, gaps_ns=[10*ms], event_tokens=[1, 1], end_ns=100*ms, status="censored", reused=1, resent=0)
		dict(id=5, arrival_ns=50*ms, model="y", in_tokens=60, out_tokens=9, due_ns=50*ms, status="failed", error="closed")
	EOT
	whole complete <small.part >small.jsonl
}

# A Python expression a line -> a stream without its trailer.
records() {
	python3 -c 'import json, sys
ms = 1000000
print("""{"trace":{"version":1}}""")
for line in sys.stdin:
    print(json.dumps(eval(line)))'
}

# What is cut gets a trailer, with a state and what else is given.
whole() {
	{ trace-convert -F jsonl -f jsonl 2>cut.err || [ $? = 3 ]; } | sed "s/\"state\":\"interrupted\"/${2-}\"state\":\"$1\"/"
}

get() {
	python3 -c 'import json, sys; d = json.load(sys.stdin); print(json.dumps(eval(sys.argv[1])))' "$1"
}

is() { # expression, expected; the report stands in r.json
	local got
	got=$(get "$1" <r.json)
	[[ $got == "$2" ]] || {
		printf '%s\nwant %s\ngot  %s\n' "$1" "$2" "$got"
		return 1
	}
}

@test "six requests, worked out by hand: counts, rates, tokens" {
	trace-summarize --json small.jsonl >r.json
	is 'd["kind"], d["state"], d["records"], d["verdict"]' '["results", "complete", 6, null]'
	is 'd["requests"]' '{"offered": 6, "ok": 3, "failed": 2, "censored": 1, "unsent": 0, "by_error": {"censored": 1, "closed": 1, "http_5xx": 1}, "http": {"200": 3, "503": 1}}'
	is 'd["rate"]' '{"offered_per_s": 100, "achieved_per_s": 100}' # 5 in 50 ms, 4 in 40 ms
	is 'd["tokens"]' '{"in_asked": 210, "in_seen": 73, "out_asked": 35, "out_seen": 10, "cached": 8, "in_mismatched": 1, "out_mismatched": 1, "out_spread": 5}'
	is 'd["bytes"], d["connections"]' '[{"out": 300, "in": 1400}, {"new": 1, "reused": 4, "resent": 1}]'
}

@test "six requests, worked out by hand: latencies" {
	trace-summarize --json small.jsonl >r.json
	values='[d[k][x] for x in ("count", "sum", "min", "p50", "max")]'
	k() { is "${values//\[k\]/[\"$1\"]}" "$2"; }
	k lateness_ms '[5, 4, 0, 1, 2]'
	k ttft_ms '[3, 63, 11, 20, 32]'
	k ttft_sent_ms '[3, 60, 10, 20, 30]'
	k e2e_ms '[3, 122, 20, 40, 62]'
	k e2e_sent_ms '[3, 119, 20, 38, 61]'
	k icl_ms '[3, 58, 8, 20, 30]'
	k itl_ms '[3, 50, 10, 10, 30]'
	k tpot_ms '[2, 19, 2, 2, 17]'
	k max_gap_ms '[2, 38, 8, 8, 30]'
	k connect_ms '[1, 0.5, 0.5, 0.5, 0.5]'
	is 'd["tls_ms"]["count"], d["tls_ms"]["p50"]' '[0, null]'
	is '[d["ttft_ms"]["with_failures"][x] for x in ("count", "infinite", "p50", "p75")]' '[6, 3, 32, "inf"]'
	is '[d["e2e_sent_ms"]["with_failures"][x] for x in ("count", "infinite", "p25", "p99")]' '[6, 3, 38, "inf"]'
	is '["with_failures" in d[x] for x in ("ttft_sent_ms", "itl_ms", "lateness_ms")]' '[true, false, false]'
}

@test "six requests, worked out by hand: windows, requests in flight" {
	trace-summarize --json small.jsonl >r.json
	# all by stamps in ms: a at 11, 31, 61; b at 30; c 2 tokens at 52 and 3 at 60; e at 70 and 80
	is '[d["windows"]["whole"][x] for x in ("start_s", "end_s", "requests", "output_tokens", "output_tokens_per_s", "input_tokens_per_s")]' \
		'[0, 0.1, 3, 12, 120, 1500]'
	is '[d["windows"]["arrival"][x] for x in ("start_s", "end_s")], round(d["windows"]["arrival"]["output_tokens"], 9)' '[[0, 0.05], 4]'
	# in flight: 0, from 1: 1, 10: 2, 22: 3, 30: b ended, d came, 35: 2, 41: 3, 60: 2, 62: 1, 100: 0; mean over 0..50 is
	# (9 + 24 + 24 + 15 + 12 + 27) / 50
	is 'd["concurrency"]' '{"peak": 3, "mean": 2.22, "approximate": false}'
	is 'd["windows"]["steady"]' null # from 10 to 50 ms, but with four requests
}

@test "the steady window: its edges count whole; none when it is short or has few requests" {
	# one at -50 ms that takes no time; n at 0, 0.1, 0.2 ms, ..., each with 10 tokens in, that end at 100 ms; one at the end
	steady() { # n, ns of the last due
		python3 -c 'import sys
n, last = map(int, sys.argv[1:])
print("due_ns,sent_ns,end_ns,status,in_tokens,seen_out_tokens\n-50000000,-50000000,-50000000,ok,1,")
for i in range(n):
    print(f"{i * 100000},{i * 100000},100000000,ok,10,1")
print(f"{last},{last},{last + 1},ok,1,")' "$@" | trace-summarize -F csv "${@:3}" --json >r.json
	}
	values='[d["windows"]["steady"][x] for x in ("start_s", "end_s", "requests", "output_tokens")]'
	steady 100 200000000
	# mean in flight 100 x 95.05 ms / 250 ms = 38.02: half of it with the 20th, whose tokens count
	is "$values" '[0.0019, 0.1, 100, 100]'
	is 'abs(d["windows"]["steady"]["input_tokens_per_s"] * 0.0981 - 810) < 1e-6' true
	steady 100 900000000
	is 'd["windows"]["steady"] is None' false
	steady 100 1000000000
	is 'd["windows"]["steady"]' null
	steady 40 200000000 # 33 sent in it
	is 'd["windows"]["steady"] is None' false
	steady 30 200000000 # 25
	is 'd["windows"]["steady"]' null
}

@test "whole replies: no first token, so no TTFT, TPOT and gaps, but tokens when they ended" {
	records <<-'EOT' | whole complete >replies.jsonl
		dict(arrival_ns=0, due_ns=0, sent_ns=0, end_ns=40*ms, seen_out_tokens=7, in_tokens=5, status="ok")
		dict(arrival_ns=100*ms, due_ns=100*ms, sent_ns=100*ms, end_ns=190*ms, seen_out_tokens=9, in_tokens=5, status="ok", gaps_ns=[])
		dict(arrival_ns=100*ms, due_ns=100*ms, sent_ns=100*ms, status="failed", error="closed")
	EOT
	trace-summarize --json replies.jsonl >r.json
	is '[d[k + "_ms"]["count"] for k in ("ttft", "ttft_sent", "tpot", "icl", "itl", "max_gap", "e2e")]' '[0, 0, 0, 0, 0, 0, 2]'
	is 'd["ttft_ms"]["p50"], d["ttft_ms"]["with_failures"], d["e2e_ms"]["with_failures"]["infinite"]' '[null, null, 1]'
	is '[d["windows"][k]["output_tokens"] for k in ("whole", "arrival")], d["tokens"]["out_spread"]' '[[16, 7], 0]'
	trace-summarize replies.jsonl >text
	[ "$(grep -A 1 '^TTFT ' text | grep -c 'failed as inf')" = 0 ]
	[ "$(grep -A 1 '^E2E ' text | grep -c 'failed as inf')" = 1 ]
}

@test "what cannot be is left out and counted, and does not deny the rest" {
	records <<-'EOT' | whole complete >damaged.jsonl
		dict(arrival_ns=-2**63, due_ns=0, sent_ns=0, first_ns=1*ms, gaps_ns=[1*ms, 2**64-1], event_tokens=[1, 2, 1], end_ns=9*ms, status="ok", model="m")
		dict(arrival_ns=2**63-1, due_ns=-2**63, sent_ns=2**63-1, first_ns=2**63-1, end_ns=2**63-1, status="ok", model="m")
		dict(arrival_ns=2**63-1, due_ns=0, sent_ns=0, first_ns=2*ms, gaps_ns=[3*ms], event_tokens=[2**32+1, 1], end_ns=5*ms, seen_out_tokens=2**32, in_tokens=2**64-1, status="ok", model="m")
	EOT
	trace-summarize --json --by model damaged.jsonl >r.json
	# a list of gaps; stamps; event_tokens; in_tokens as a sum, and as a length; the time between two arrivals
	is 'd["damaged"]' 6
	is '[d[k + "_ms"]["count"] for k in ("ttft", "e2e", "icl", "itl", "max_gap")]' '[2, 2, 1, 0, 1]'
	is 'd["ttft_ms"]["max"], d["icl_ms"]["max"], d["tokens"]["in_asked"], d["tokens"]["out_seen"]' '[2, 3, null, 4294967296]'
	is 'd["interarrival_s"]["count"], d["input_tokens"]["count"], d["by"]["groups"][0]["ttft_ms"]["count"]' '[1, 0, 2]'
	trace-summarize damaged.jsonl | grep -qx '6 values are impossible and were left out'
	trace-summarize --json small.jsonl >r.json
	is 'd["damaged"]' 0
}

@test "several runs are laid over each other, and the report says so" {
	trace-summarize --json small.jsonl small.jsonl >r.json
	is 'd["runs"], d["concurrency"]["peak"], d["windows"]["whole"]["output_tokens_per_s"]' '[2, 6, 240]'
	trace-summarize small.jsonl small.jsonl | grep -q '^2 runs laid over each other'
	trace-summarize --json small.jsonl >r.json
	is 'd["runs"]' 1
	[ "$(trace-summarize small.jsonl | grep -c laid)" = 0 ]
}

@test "a class that is called others is one with what found no place" {
	for first in 1 70; do
		for i in $(seq 100); do
			[ "$i" = "$first" ] && echo "dict(status='failed', error='others')"
			echo "dict(status='failed', error='class$i')"
		done | records | whole complete >classes.jsonl
		trace-summarize --json classes.jsonl >r.json || [ $? = 4 ]
		[ "$(grep -c '"others"' r.json)" = 1 ]
		is 'sum(d["requests"]["by_error"].values()), d["requests"]["by_error"]["others"]' "[101, $((first == 1 ? 39 : 38))]"
	done
}

@test "percentiles with few values behind them are named" {
	trace-summarize --json small.jsonl >r.json
	is 'd["ttft_ms"]["thin"]' '["p1", "p5", "p25", "p50", "p75", "p90", "p95", "p99", "p999"]'
	is '"thin" in d["tls_ms"], "thin" in d["input_tokens"]' '[false, false]'
	for n in 999:p99 1000:p999; do
		python3 -c 'import sys
for i in range(int(sys.argv[1])):
    print(f"dict(due_ns={i}, sent_ns={i}, first_ns={i} + 5, end_ns={i} + 10, status=\"ok\")")' "${n%:*}" | records | whole complete >many.jsonl
		trace-summarize --json many.jsonl >r.json
		is 'd["e2e_ms"]["thin"][-2 if "'"${n#*:}"'" == "p99" else -1:][0], "p95" in d["e2e_ms"]["thin"]' "[\"${n#*:}\", false]"
		trace-summarize many.jsonl >text
		grep -q '^E2E .*10ns\(~\| \)  *\(-\|10ns~\)  *10ns$' text
	done
	grep -q '^~ fewer than 10 values' text
}

@test "random runs against an independent reference, in any order of the records" {
	for seed in 1 2 3 4; do
		python3 "$BATS_TEST_DIRNAME/results_reference.py" make "$seed" >run.part
		whole complete <run.part >run.jsonl
		trace-summarize --json run.jsonl >r.json
		python3 "$BATS_TEST_DIRNAME/results_reference.py" check run.jsonl r.json
		{ head -n 1 run.part && tail -n +2 run.part | shuf --random-source=<(yes "$seed"); } | whole complete >other.jsonl
		trace-summarize --json other.jsonl | sed '/"inversions"\|"name"/d' >other.json
		sed '/"inversions"\|"name"/d' r.json | diff - other.json
	done
}

@test "above 131,072 requests concurrency comes from bins" {
	for n in 131072 131073; do
		awk -v n=$n 'BEGIN { print "due_ns,sent_ns,end_ns,status"
			for (i = 0; i < n; i++) printf "%.0f,%.0f,%.0f,ok\n", i * 1000000, i * 1000000, i * 1000000 + 200000000 }' |
			trace-summarize -F csv --json >r.json
		is 'd["runs"]' 1 # of many blocks
		is 'd["concurrency"]["approximate"], 199 <= d["concurrency"]["peak"] <= 201, abs(d["concurrency"]["mean"] - 200) < 0.5' \
			"[$([ $n = 131072 ] && echo false || echo true), true, true]"
		is 'abs(d["windows"]["steady"]["start_s"] - 0.1) < 0.04, d["windows"]["steady"]["end_s"]' "[true, 131.07$((n - 131071))]"
	done
}

@test "nothing succeeded: no latencies, a clear line, status 4" {
	grep -v '"status": "ok"' small.part | whole complete >bad.jsonl
	run -4 trace-summarize bad.jsonl
	[[ $output == *'no request succeeded: there are no latencies to report'* ]]
	[ "$(grep -c '^\(TTFT\|E2E\|ICL\)' <<<"$output")" = 0 ]
	status=0
	trace-summarize --json bad.jsonl >r.json || status=$?
	[ "$status" = 4 ]
	is 'd["requests"]["ok"], d["ttft_ms"]["p50"], d["ttft_ms"]["with_failures"]["p50"], d["lateness_ms"]["count"]' '[0, null, "inf", 2]'
}

@test "a status that is not known is no success" {
	printf 'arrival_ns,sent_ns,status,error\n0,1,,\n0,1,great,\n0,1,ok,\n0,1,failed,\n0,,,\n' | trace-summarize -F csv --json >r.json
	is 'd["requests"]["offered"], d["requests"]["ok"], d["requests"]["by_error"]' '[4, 1, {"unstated": 3}]'
}

@test "the verdict stands near the top with its reasons; VOID is status 4, an interrupted run is named" {
	whole complete '"verdict":"VOID","reasons":"3 % of requests were sent more than 10 ms late",' <small.part >void.jsonl
	run -4 trace-summarize void.jsonl
	[ "${lines[1]}" = 'verdict VOID: 3 % of requests were sent more than 10 ms late' ]
	whole interrupted '"verdict":"SUSPECT","reasons":"interrupted",' <small.part >cut.jsonl
	run -0 trace-summarize cut.jsonl
	[[ ${lines[1]} == 'the input is interrupted: '* ]]
	[ "${lines[2]}" = 'verdict SUSPECT: interrupted' ]
	[[ ${lines[3]} == *'6 offered, 3 ok, 2 failed, 1 censored' ]]
}

@test "groups of results" {
	trace-summarize --json --by model small.jsonl >r.json
	is '[(g["value"], g["records"], g["ok"], g["ttft_ms"]["count"], g["ttft_ms"]["p50"], g["itl_ms"]["count"], g["e2e_ms"]["max"]) for g in d["by"]["groups"]]' \
		'[["x", 2, 2, 2, 11, 3, 62], ["y", 3, 1, 1, 20, 0, 20], [null, 1, 0, 0, null, 0, null]]'
	trace-summarize --by model small.jsonl >text
	grep -q '^x  *2  *2  *11ms~  *-  *10ms~  *40ms~  *-$' text
	trace-summarize --csv --by model small.jsonl | grep -c '^\(x\|y\|(none)\),\(ttft\|itl\|e2e\)_ms,' | grep -qx 9
	trace-summarize --csv small.jsonl | grep -q '^,ttft_ms,3,63,21,'
}

@test "the report as text" {
	trace-summarize small.jsonl >text
	diff "$BATS_TEST_DIRNAME/summarize_results.txt" text
}

@test "strange results: a valid report, 110 columns, no control characters" {
	records >strange.part <<-'EOT'
		dict(due_ns=-2**63, sent_ns=-2**63, first_ns=-5, end_ns=-1, status="ok", seen_out_tokens=2**64-1, gaps_ns=[1], event_tokens=[2**64-1, 2**64-1])
		dict(due_ns=0, sent_ns=2**63-1, end_ns=2**63-1, status="failed", error="a\"\\\x1b[31m,é", http_code=2**40)
		dict(due_ns=5, sent_ns=9, first_ns=2, end_ns=1, status="ok", gaps_ns=[2**62, 2**62, 2**62], seen_out_tokens=9, reused=7)
		dict(status="ok", gaps_ns=[], event_tokens=[])
		dict(status="\x1b[31m", error="x" * 200)
	EOT
	for i in $(seq 100); do echo "dict(status='failed', error='class$i')"; done | records | tail -n +2 >>strange.part
	whole complete '"verdict":"SUSPECT","reasons":"a \\u001b[31m b'"$(printf ' word%s' {1..60})"'",' <strange.part >strange.jsonl
	trace-summarize --json strange.jsonl >r.json
	is 'len(d["requests"]["by_error"]), d["requests"]["by_error"]["others"], d["requests"]["http"]' '[64, 39, {"others": 1}]'
	is '[k for k in d["requests"]["by_error"] if not k.startswith("class") and k != "others"]' '["a____31m___", "'"$(printf 'x%.0s' {1..39})"'"]'
	trace-summarize strange.jsonl >text
	[ "$(LC_ALL=C grep -c $'[\x01-\x09\x0b-\x1f\x7f]' text)" = 0 ]
	python3 -c 'wide = [line for line in open("text", encoding="utf-8").read().split("\n") if len(line) > 110]
assert not wide, wide'
	trace-convert -o strange.trb strange.jsonl
	trace-summarize --json strange.trb | sed /name/d | diff - <(sed /name/d r.json)
}

@test "only what was sent is a result: a trace beside it counts for its lengths" {
	trace-convert -f jsonl small.jsonl | sed 's/,"due_ns".*/}/' | sed '$d' | whole complete >plain.jsonl
	trace-summarize --json plain.jsonl small.jsonl >r.json
	is 'd["records"], d["requests"]["offered"], d["runs"], d["kind"], d["input_tokens"]["count"]' '[12, 6, 1, "results", 12]'
	trace-summarize --json plain.jsonl >r.json
	is 'd["kind"], "requests" in d' '["trace", false]'
}

@test "an interrupted pipeline is still summarised" {
	python3 - <<-'EOT'
		import json, signal, subprocess
		p = subprocess.Popen(["trace-summarize", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
		row = b'{"due_ns":1,"sent_ns":1,"first_ns":2,"end_ns":3,"status":"ok"}\n'
		p.stdin.write(b'{"trace":{"version":1}}\n' + row * 100000)
		p.stdin.flush()  # more than pipe and buffers hold: it is reading
		p.send_signal(signal.SIGINT)
		out = p.communicate()[0]
		report = json.loads(out)
		assert p.returncode == 3 and report["state"] == "cut" and report["requests"]["ok"] == 100000, (p.returncode, report["requests"])
	EOT
}
