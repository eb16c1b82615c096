# SPDX-License-Identifier: Apache-2.0
#
# trace-summarize: the figures of small traces that can be worked out by hand, the three forms of the report, groups,
# limits, and what it says of inputs that are cut or damaged. Real files: tests/formats/test_azure_figures.py.

setup() {
	bats_require_minimum_version 1.5.0
	cd "$BATS_TEST_TMPDIR"
	cat >small.csv <<-'EOT'
		id,arrival_ns,in_tokens,out_tokens,session,model,stage
		0,0,10,1,a,llama,0
		1,500000000,20,0,b,qwen,0
		2,500000000,30,4,a,llama,1
		3,2500000000,40,,,,1
		4,1500000000,0,5,c,llama,2
	EOT
}

# For tables that do not tell by themselves what they are.
ts() {
	trace-summarize -F csv "$@"
}

# An expression over the report d (JSON on standard input).
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

@test "five requests, worked out by hand" {
	trace-summarize --json small.csv >r.json
	is 'list(d)[:2], d["schema"], d["kind"]' '[["schema", "kind"], "trace-summary/1", "trace"]'
	is '[d["records"], d["span_s"], d["rate_per_s"], d["sessions"]]' '[5, 2.5, 2, 3]'
	is '[d["inversions"], d["ties"], d["sorted"], d["late"]]' '[1, 1, true, 0]'
	is '[d["zero_input_tokens"], d["zero_output_tokens"]]' '[1, 1]'
	is '[d["input_tokens"][k] for k in ("count", "sum", "mean", "min", "max", "p50")]' '[5, 100, 20, 0, 40, 20]'
	is '[d["output_tokens"][k] for k in ("count", "sum", "mean", "min", "max", "p50")]' '[4, 10, 2.5, 0, 5, 1]'
	is '[d["interarrival_s"][k] for k in ("count", "sum", "mean", "min", "max", "p50")]' '[4, 2.5, 0.625, 0, 1, 0.5]'
	# 0, 0.5, 0.5 | 1.5 | 2.5: counts 3, 1, 1; mean 5/3, variance 8/9
	is '[d["burstiness"]["windows"][0][k] for k in ("width_s", "windows", "max", "max_index", "min", "empty")]' \
		'[1, 3, 3, 0, 1, 0]'
	is 'round(d["burstiness"]["windows"][0]["dispersion"], 12)' '0.533333333333'
	is 'd["models"]' '{"records": 4, "distinct": 2, "top": [{"value": "llama", "records": 3}, {"value": "qwen", "records": 1}]}'
	is '[d[k] for k in ("adapters", "types", "tenants", "by", "verdict", "sessions_note")]' '[null, null, null, null, null, null]'
	is '[d["state"], d["source"]["name"], d["source"]["format"]]' '["complete", "small.csv", "csv"]'
	is 'd["source"]["sha256"]' "\"$(sha256sum small.csv | cut -d' ' -f1)\""
}

@test "the same figures from every form of the same trace" {
	trace-summarize --json small.csv | sed '/"format"/d' >want
	for form in trb jsonl csv; do
		trace-convert -f $form small.csv | trace-summarize --json >r.json
		is 'd["input_tokens"]["sum"], d["ties"], d["models"]["distinct"]' '[100, 1, 2]'
	done
	trace-convert -o small.trb small.csv
	trace-summarize --json small.trb | sed '/"format"/d' | diff want -
}

@test "what is not there is null" {
	printf 'in_tokens\n5\n7\n' >lengths.csv
	ts --json lengths.csv >r.json
	is '[d[k] for k in ("records", "span_s", "rate_per_s", "sessions", "ties", "inversions", "zero_output_tokens")]' \
		'[2, null, null, null, null, null, null]'
	is 'd["output_tokens"]["count"], set(d["output_tokens"].values()) == {0, None}' '[0, true]'
	is 'd["burstiness"]["windows"], d["burstiness"]["interarrival_cv"]' '[[], null]'
	printf 'arrival_ns,in_tokens\n7,0\n7,0\n' | ts --json >r.json
	is 'd["span_s"], d["rate_per_s"], d["input_tokens"]["cv"], d["interarrival_s"]["cv"]' '[0, null, null, null]'
	ts lengths.csv >text
	grep -q '^output length is known of 0 requests$' text
}

@test "percentile methods" {
	printf 'in_tokens\n10\n20\n30\n40\n' >four.csv
	ts --json four.csv >r.json
	is '[d["percentile_method"]] + [d["input_tokens"][k] for k in ("p1", "p25", "p50", "p75", "p999")]' \
		'["nearest", 10, 10, 20, 30, 40]'
	ts --json --percentile-method linear four.csv >r.json
	is '[d["percentile_method"]] + [d["input_tokens"][k] for k in ("p1", "p25", "p50", "p75", "p999")]' \
		'["linear", 10.3, 17.5, 25, 32.5, 39.97]'
}

@test "integers stay exact beyond 2^53" {
	printf 'in_tokens\n9007199254740993\n9007199254740993\n9007199254740993\n' | ts --json >r.json
	is '[d["input_tokens"][k] for k in ("sum", "min", "max")]' '[27021597764222979, 9007199254740993, 9007199254740993]'
}

@test "groups by a string: by bytes, the ones without it last" {
	trace-summarize --json --by model small.csv >r.json
	is '[(g["value"], g["records"], g["span_s"]) for g in d["by"]["groups"]]' '[["llama", 3, 1.5], ["qwen", 1, 0], [null, 1, 0]]'
	is 'd["by"]["field"], d["by"]["window_s"]' '["model", null]'
	is '[g["interarrival_s"]["count"] for g in d["by"]["groups"]]' '[2, 0, 0]'
	is '[g["input_tokens"]["sum"] for g in d["by"]["groups"]]' '[40, 20, 40]'
	is 'd["by"]["groups"][0]["interarrival_s"]["sum"], d["by"]["groups"][0]["rate_per_s"]' '[1.5, 2]'
}

@test "groups by an integer, ascending" {
	printf 'stage\n10\n9\n10\n' | ts --json --by stage >r.json
	is '[(g["value"], g["records"]) for g in d["by"]["groups"]]' '[[9, 1], [10, 2]]'
	printf 'priority\n-1\n5\n-3\n' | ts --json --by priority >r.json
	is '[g["value"] for g in d["by"]["groups"]]' '[-3, -1, 5]'
}

@test "groups by window, from the first arrival, only those with any" {
	trace-summarize --json --by window=1s small.csv >r.json
	is '[(g["value"], g["start_s"], g["records"], g["input_tokens"]["sum"]) for g in d["by"]["groups"]]' \
		'[[0, 0, 3, 60], [1, 1, 1, 0], [2, 2, 1, 40]]'
	is 'd["by"]["field"], d["by"]["window_s"]' '["window", 1]'
	printf 'arrival_ns\n-5\n12\n-11\n' | ts --json --by window=10ns >r.json
	is '[(g["value"], g["records"]) for g in d["by"]["groups"]]' '[[0, 2], [2, 1]]'
}

@test "a thousand groups, and no more" {
	{ echo stage && seq 1000; } | ts --json --by stage >r.json
	is 'len(d["by"]["groups"]), d["by"]["groups"][999]["value"]' '[1000, 1000]'
	status=0
	{ echo stage && seq 1001; } | ts --json --by stage >out 2>err || status=$?
	[ "$status" = 2 ]
	[ ! -s out ]
	[ "$(cat err)" = 'trace-summarize: --by stage makes more than 1000 groups' ]
}

@test "--by of what does not exist" {
	for by in modle blocks window=0 window=x window= ''; do
		run -2 trace-summarize --by "$by" small.csv
		[ "${#lines[@]}" = 1 ]
	done
	run trace-summarize --by modle small.csv
	[[ $output == *'did you mean model?'* ]]
}

@test "--csv: a row a group and distribution" {
	trace-summarize --csv small.csv >table
	[ "$(head -n 1 table)" = group,distribution,count,sum,mean,sd,cv,min,max,p1,p5,p25,p50,p75,p90,p95,p99,p999,error ]
	[ "$(wc -l <table)" = 4 ]
	[ "$(grep -c '^,input_tokens,5,100,20,' table)" = 1 ]
	trace-summarize --csv --by model small.csv >table
	[ "$(wc -l <table)" = 10 ]
	[ "$(grep -c '^qwen,interarrival_s,0,,,,,,' table)" = 1 ]
	printf 'model,in_tokens\n"a,""b",1\n' | ts --csv --by model >table
	[ "$(grep -c '^"a,""b",input_tokens,1,1,' table)" = 1 ]
	run -2 trace-summarize --csv --json small.csv
}

@test "several inputs are one trace" {
	printf 'arrival_ns,in_tokens\n0,1\n5,2\n' >a.csv
	printf 'arrival_ns,in_tokens\n3,4\n' >b.csv
	trace-summarize --json a.csv b.csv >r.json
	is 'd["records"], d["input_tokens"]["sum"], d["source"], [s["name"] for s in d["sources"]]' '[3, 7, null, ["a.csv", "b.csv"]]'
	is 'd["inversions"]' 1
}

@test "inputs that state their origin are put on one axis" {
	printf 'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 00:00:00.0000000,1,1\n' >a.csv
	printf 'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 01:00:00.0000000,1,1\n' >b.csv
	trace-summarize --json a.csv b.csv >r.json
	is 'd["span_s"], d["inversions"]' '[3600, 0]'
	trace-summarize --json b.csv a.csv >r.json
	is 'd["span_s"], d["inversions"], d["ties"]' '[3600, 1, 0]'
}

@test "rows far out of place are counted, and the figures marked" {
	{ echo arrival_ns && seq 1000 1000 70000000 && echo 1500; } >late.csv
	ts --json late.csv >r.json
	is '[d["records"], d["sorted"], d["late"], d["burstiness"]["approximate"], d["inversions"]]' '[70001, false, 1, true, 1]'
	is 'd["interarrival_s"]["count"], d["span_s"]' '[69999, 0.069999]'
	ts late.csv | grep -q 'not sorted: 1 arrivals came too late'
	{ echo arrival_ns && seq 1000 1000 60000000 && echo 1500; } | ts --json >r.json
	is 'd["sorted"], d["interarrival_s"]["count"], d["interarrival_s"]["min"]' '[true, 60000, 5e-07]'
	ts --json --by window=10ms late.csv >r.json
	is '[g["records"] for g in d["by"]["groups"]]' '[10001, 10000, 10000, 10000, 10000, 10000, 10000]'
	is 'd["by"]["groups"][0]["interarrival_s"]["count"]' 9999
}

@test "sessions and names above their limits are null, with a note" {
	{ echo session && seq 262144; } | ts --json >r.json
	is 'd["sessions"], d["sessions_note"]' '[262144, null]'
	{ echo session && seq 262145; } | ts --json >r.json
	is 'd["sessions"], d["sessions_note"]' '[null, "more than 262144 sessions: not counted"]'
	{ echo model && seq 4097; } | ts --json >r.json
	is 'd["models"]' '{"records": 4097, "distinct": null, "top": null}'
}

@test "percentiles that are not exact say so, and keep their error" {
	{ echo in_tokens && seq 1500000; } | ts --json >r.json
	is '0 < d["input_tokens"]["error"] < 0.01' true
	is 'all(abs(d["input_tokens"][k] - 15000 * p) <= 15000 * p * d["input_tokens"]["error"] for k, p in
		(("p1", 1), ("p50", 50), ("p99", 99)))' true
	is 'd["input_tokens"]["sum"], "error" in d["interarrival_s"]' '[1125000750000, false]'
}

@test "results are told from traces" {
	printf 'arrival_ns,status\n0,ok\n' | ts --json >r.json
	is 'd["kind"]' '"results"'
}

@test "a cut stream: the figures of what was read, one line, status 3" {
	trace-convert -o whole.trb small.csv
	head -c -40 whole.trb >cut.trb
	status=0
	trace-summarize --json cut.trb >r.json 2>err || status=$?
	[ "$status" = 3 ]
	[ "$(wc -l <err)" = 1 ]
	is 'd["state"], d["records"]' '["cut", 5]'
	trace-convert -f jsonl small.csv | sed '$d' | trace-summarize >out 2>err || status=$?
	[ "$status" = 3 ]
	grep -q '^the input is cut' out
}

@test "a damaged stream, also when it is one of several" {
	trace-convert -f jsonl small.csv | sed 's/"in_tokens":100/"in_tokens":101/' >wrong.jsonl
	status=0
	trace-summarize --json small.csv wrong.jsonl >r.json 2>err || status=$?
	[ "$status" = 3 ]
	[ "$(wc -l <err)" = 1 ]
	is 'd["state"], d["records"]' '["damaged", 10]'
	printf 'in_tokens\n1\nx\n3\n' >bad.csv
	run -3 ts bad.csv
	ts --skip-bad --json bad.csv >r.json 2>err
	is 'd["state"], d["records"], d["skipped"]' '["complete", 2, 1]'
}

@test "what the trailer says of the run is passed on" {
	trace-convert -f jsonl small.csv >whole.jsonl
	sed 's/"state":"complete"/"state":"interrupted"/' whole.jsonl | trace-summarize --json >r.json
	is 'd["state"]' '"interrupted"'
	status=0
	sed 's/"state":"complete"/"verdict":"VOID","reasons":"late","state":"complete"/' whole.jsonl >void.jsonl
	trace-summarize --json whole.jsonl void.jsonl >r.json || status=$?
	[ "$status" = 4 ]
	is 'd["verdict"], d["reasons"]' '["VOID", "late"]'
	sed 's/VOID/SUSPECT/' void.jsonl | trace-summarize | grep -q '^verdict SUSPECT'
}

@test "the text fits 80 columns and holds no control characters" {
	python3 - >wild.csv <<-'EOT'
		import random
		rng = random.Random(1)
		print("arrival_ns,in_tokens,out_tokens,model,adapter,session")
		t = 0
		for i in range(3000):
		    t += int(rng.expovariate(1) * 10**rng.choice((1, 6, 12)))
		    print(f"{t},{int(rng.paretovariate(0.2)) % 2**62},{rng.randrange(9)},\x1b[31m{'x' * rng.randrange(90)}\x9b,{i % 20},{i}")
	EOT
	for by in model adapter window=1000d; do
		trace-summarize --by "$by" wild.csv >out
		[ "$(LC_ALL=C grep -c $'[\x01-\x09\x0b-\x1f\x7f]' out)" = 0 ]
		python3 -c 'import sys
text = open("out", encoding="utf-8").read()
wide = [line for line in text.split("\n") if len(line) > 80]
assert not wide, wide
assert "\\x1b[31m" in text and "█" in text'
	done
	trace-summarize --csv --by model wild.csv >out
	[ "$(LC_ALL=C grep -c $'[\x01-\x09\x0b-\x1f\x7f]' out)" = 0 ]
}

@test "bold on a terminal only, and not with NO_COLOR" {
	on_terminal='import pty, sys; sys.exit(pty.spawn(["trace-summarize", "small.csv"]))'
	env -u NO_COLOR python3 -c "$on_terminal" </dev/null >terminal
	grep -q $'\e\[1m' terminal
	NO_COLOR=1 python3 -c "$on_terminal" </dev/null >terminal
	[ "$(grep -c $'\e\[1m' terminal)" = 0 ]
	[ "$(env -u NO_COLOR trace-summarize small.csv | grep -c $'\e')" = 0 ]
}

@test "the first interrupt is ignored: the report comes at the end of the input" {
	python3 - <<-'EOT'
		import json, signal, subprocess
		p = subprocess.Popen(["trace-summarize", "-F", "csv", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
		p.stdin.write(b"arrival_ns\n" + b"".join(b"%d\n" % i for i in range(300000)))
		p.stdin.flush()  # more than pipe and buffers hold: it is reading
		p.send_signal(signal.SIGINT)
		out = p.communicate(b"300000\n")[0]
		assert p.returncode == 0, p.returncode
		assert json.loads(out)["records"] == 300001
	EOT
}

@test "--define" {
	trace-summarize --define ttft >one
	[ "$(head -n 1 one)" = 'ttft (ns)' ]
	[ "$(wc -l <one)" = 3 ]
	trace-summarize --define list >all
	[ "$(grep -c '^[^ ]' all)" = "$(($(wc -l <all) / 3))" ]
	run -2 trace-summarize --define ttfft
	[[ $output == *'did you mean ttft?'* ]]
}
