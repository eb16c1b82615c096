# SPDX-License-Identifier: Apache-2.0
#
# trace-check: each kind of finding is provoked, by the least that provokes it, and not found a step before.

setup() {
	bats_require_minimum_version 1.5.0
	cd "$BATS_TEST_TMPDIR"
}

# The kinds found in a table (CSV with field names) or, when its first line is an object, in JSONL without a trailer.
kinds() {
	local options=(--json)
	cat >input
	if [[ $(head -c 1 input) == '{' ]]; then
		options+=(--allow cut)
	else
		options+=(-F csv)
	fi
	trace-check "${options[@]}" "$@" input | python3 -c 'import json, sys
d = json.load(sys.stdin)
found = [f["kind"] for f in d["findings"] if not f["allowed"]]
assert d["ok"] == (not found)
print(*found)'
}

finds() { # expected, what the input is
	local got
	got=$(kinds)
	[[ $got == "$1" ]] || {
		printf 'want: %s\ngot:  %s\n' "$1" "$got"
		return 1
	}
}

jsonl() { # records
	printf '%s\n' '{"trace":{}}' "$@"
}

@test "a clean trace" {
	printf 'arrival_ns,in_tokens,out_tokens\n0,5,5\n1000000000,6,6\n1500000000,7,7\n' >clean.csv
	trace-check --json clean.csv >r.json
	python3 - "$(sha256sum clean.csv | cut -d' ' -f1)" <<-'EOT'
		import json, sys
		assert json.load(open("r.json")) == {
		    "schema": "trace-check/1", "source": {"name": "clean.csv", "sha256": sys.argv[1], "format": "csv"},
		    "state": "complete", "records": 3, "span_s": 1.5, "tick_ns": 500000000, "input_tokens": 18,
		    "output_tokens": 18, "late": 0, "findings": [], "ok": True}
	EOT
	trace-check clean.csv >out
	[ "$(head -n 1 out)" = 'clean.csv: no findings' ]
	[ "$(wc -l <out)" = 3 ]
}

@test "the published Azure files are clean" {
	[ -n "${REPRISE_DATA:-}" ] || skip "REPRISE_DATA is unset"
	trace-check "$REPRISE_DATA"/azure-llm-2023/AzureLLMInferenceTrace_code.csv "$REPRISE_DATA"/azure-llm-2024/*.csv \
		"$REPRISE_DATA"/inference-perf/trace.csv
}

@test "unit-doubt: the rate" {
	printf 'arrival_ns\n0\n2000\n' | finds ''
	printf 'arrival_ns\n0\n1999\n' | finds 'unit-doubt'
	printf 'arrival_ns\n0\n86400000000001\n172800000000000\n' | finds ''
	printf 'arrival_ns\n0\n172800000000001\n' | finds 'unit-doubt'
	{ echo arrival_ns && seq 0 50000000000000 31600000000000000; } | finds ''
	{ echo arrival_ns && seq 0 50000000000000 31650000000000000; } | finds 'unit-doubt'
}

@test "unit-doubt: milliseconds read as seconds" {
	{ echo arrival_ns && seq 0 101000000000 101898000000000; } >input.csv
	[ "$(wc -l <input.csv)" = 1010 ]
	finds 'unit-doubt' <input.csv
	head -n 1000 input.csv | finds ''
	sed '500s/000000000$/000000001/' input.csv | finds ''
	{ echo arrival_ns && seq 0 99000000000 101898000000000; } | finds ''
}

@test "tick and ties" {
	printf 'arrival_ns,in_tokens\n0,1\n1000000,2\n1000000,3\n3000000,4\n' | finds 'tick ties'
	printf 'arrival_ns,in_tokens\n0,1\n999999,2\n999999,3\n2999997,4\n' | finds 'ties'
	printf 'arrival_ns,in_tokens\n0,1\n1000000,2\n3000000,4\n' | finds ''
	{ echo arrival_ns,in_tokens && seq 9 | sed 's/^/7,/' && echo 90001,1; } | finds 'tick ties'
	{ echo arrival_ns,in_tokens && seq 8 | sed 's/^/7,/' && echo 90001,1 && echo 90012,1; } | finds 'ties'
	printf 'arrival_ns,in_tokens\n0,1\n6000,2\n10000,3\n' | trace-check --json -F csv | grep -q '"tick_ns": 2000,'
	printf 'arrival_ns,in_tokens\n4,1\n' | trace-check --json -F csv | grep -q '"tick_ns": null,'
}

@test "inversions, and arrivals before the origin" {
	printf 'arrival_ns\n0\n20000\n10000\n' | finds 'inversions'
	printf 'arrival_ns\n0\n20000\n-10000\n' | finds 'inversions negative-arrival'
	printf 'arrival_ns\n-10000\n0\n' | finds 'negative-arrival'
	printf '%s\n' '{"trace":{"order":"completion"}}' '{"id":1,"arrival_ns":20000}' '{"id":0,"arrival_ns":10000}' | finds ''
	printf 'arrival_ns\n0\n20000\n10000\n' | trace-check -F csv | grep -q 'inversions *1 - first: record 3' || false
}

@test "duplicates" {
	printf 'id,arrival_ns,in_tokens\n0,7,1\n1,7,2\n2,7,1\n3,70000,1\n' | finds 'ties duplicates'
	printf 'id,arrival_ns,in_tokens\n0,7,1\n1,7,2\n2,90000,1\n' | finds 'ties'
	printf 'id,arrival_ns,in_tokens\n0,7,1\n1,90000,2\n2,7,1\n' | finds 'ties inversions duplicates'
	jsonl '{"id":0,"arrival_ns":7,"blocks":[1,2]}' '{"id":1,"arrival_ns":7,"blocks":[1,3]}' '{"id":2,"arrival_ns":70000}' | finds 'ties'
	jsonl '{"id":0,"arrival_ns":7,"blocks":[1,2]}' '{"id":1,"arrival_ns":7,"blocks":[1,2]}' '{"id":2,"arrival_ns":70000}' |
		finds 'ties duplicates'
	printf 'id,arrival_ns,model\n0,7,a\n1,7,\n2,90000,a\n' | finds 'ties'
	# more rows of one stamp than are kept
	{ echo arrival_ns,in_tokens && seq 5000 | sed 's/^/7,/' && echo 7,1 && echo 900000000,1; } | finds 'tick ties duplicates'
}

@test "impossible lengths" {
	printf 'in_tokens\n1\n0\n' | finds 'zero-input'
	printf 'out_tokens\n1\n0\n' | finds 'zero-output'
	printf 'in_tokens,out_tokens\n10000000,10000000\n' | finds ''
	printf 'in_tokens,out_tokens\n10000001,1\n' | finds 'huge-tokens'
	printf 'in_tokens,out_tokens\n1,10000001\n' | finds 'huge-tokens'
}

@test "prefix blocks" {
	local n
	jsonl '{"id":0,"in_tokens":1024,"block_size":512,"blocks":[1,2]}' | finds ''
	for n in '1,2' '1,2,3'; do
		jsonl "{\"id\":0,\"in_tokens\":1025,\"block_size\":512,\"blocks\":[$n]}" | finds ''
	done
	for n in '' '1' '1,2,3,4'; do
		jsonl "{\"id\":0,\"in_tokens\":1025,\"block_size\":512,\"blocks\":[$n]}" | finds 'block-count'
	done
	jsonl '{"id":0,"in_tokens":1025,"block_size":512,"block_tail":"ceil","blocks":[1,2]}' | finds 'block-count'
	jsonl '{"id":0,"in_tokens":1025,"block_size":512,"block_tail":"ceil","blocks":[1,2,3]}' | finds ''
	jsonl '{"id":0,"in_tokens":1025,"block_size":512,"block_tail":"floor","blocks":[1,2]}' | finds ''
	jsonl '{"id":0,"in_tokens":1025,"block_size":512,"block_tail":"floor","blocks":[1,2,3]}' | finds 'block-count'
	jsonl '{"id":0,"in_tokens":1025,"block_size":0,"blocks":[1,2,3]}' | finds 'block-count'
	jsonl '{"id":0,"in_tokens":1025,"blocks":[1,2,3]}' | finds ''
}

@test "sessions" {
	printf 'id,turn\n0,1\n1,0\n' | finds 'turn-zero'
	printf 'id,parent\n0,\n1,0\n2,0\n' | finds ''
	printf 'id,parent\n0,\n1,1\n' | finds 'parent'
	printf 'id,parent\n0,\n1,2\n' | finds 'parent'
}

@test "skipped, interrupted, cut" {
	printf 'arrival_ns,in_tokens\n0,1\nx,2\n' >bad.csv
	run -3 trace-check bad.csv
	run -4 trace-check -q --skip-bad bad.csv
	[[ $output == *skipped* ]]
	trace-check --skip-bad --allow skipped bad.csv >out
	printf 'arrival_ns,in_tokens\n0,1\n5000,2\n' | trace-convert -f jsonl >whole.jsonl
	trace-check whole.jsonl >out
	sed 's/"state":"complete"/"state":"interrupted"/' whole.jsonl >interrupted.jsonl
	run -4 trace-check interrupted.jsonl
	[[ $output == *interrupted* ]]
	trace-check --allow interrupted interrupted.jsonl >out
	sed '$d' whole.jsonl >cut.jsonl
	run -4 trace-check cut.jsonl
	[[ $output == *'cut'*'without its trailer'* ]]
	trace-check --allow cut cut.jsonl >out
	[ "$(head -n 1 out)" = 'cut.jsonl: allowed findings only' ]
}

@test "damaged: status 3, whatever is allowed, after the findings of what was read" {
	printf 'arrival_ns,in_tokens\n0,0\n5000,2\n' | trace-convert -f jsonl >whole.jsonl
	sed 's/"in_tokens":2,/"in_tokens":3,/' whole.jsonl >wrong-sum.jsonl
	sed 's/"records":2/"records":3/' whole.jsonl >wrong-count.jsonl
	sed 's/"content":"./"content":"x/' whole.jsonl >wrong-hash.jsonl
	for file in wrong-sum wrong-count wrong-hash; do
		cmp -s whole.jsonl $file.jsonl && return 1
		status=0
		trace-check --json --allow damaged $file.jsonl >r.json 2>err || status=$?
		[ "$status" = 3 ]
		[ "$(wc -l <err)" = 1 ]
		[ "$(python3 -c 'import json; print(*[f["kind"] for f in json.load(open("r.json"))["findings"]])')" = 'zero-input damaged' ]
	done
}

@test "several inputs: each by itself, and the gravest status" {
	printf 'arrival_ns,in_tokens\n0,1\n' >good.csv
	printf 'arrival_ns,in_tokens\n0,0\n' >zero.csv
	printf 'arrival_ns,in_tokens\n0,1\n0,x\n' >bad.csv
	run -0 trace-check good.csv good.csv
	run -4 trace-check zero.csv good.csv
	run -3 trace-check zero.csv bad.csv good.csv
	[[ $output == *'zero.csv: findings'*'bad.csv: findings'*'good.csv: no findings'* ]]
	run -1 trace-check bad.csv none.csv zero.csv
}

@test "the first place is the first row of the input, also when sorting moved it" {
	printf 'id,arrival_ns,in_tokens\n7,90000,1\n8,5,1\n9,5,2\n10,90000,2\n' | trace-check -F csv --json >r.json || [ "$?" = 4 ]
	python3 -c 'import json
found = {f["kind"]: (f["count"], f["first"]) for f in json.load(open("r.json"))["findings"]}
assert found["ties"] == (2, {"record": 3, "id": 9}), found
assert found["inversions"] == (1, {"record": 2, "id": 8}), found'
}

@test "rows far out of place are counted" {
	{ echo arrival_ns && seq 1000 1000 70000000 && echo 1500; } >late.csv
	trace-check -F csv --json late.csv >r.json || [ "$?" = 4 ]
	grep -q '"late": 1,' r.json
	run trace-check -F csv late.csv
	[[ $output == *'1 arrivals came too late to be placed'* ]]
}

@test "--allow knows its words, and --kinds lists them" {
	printf 'arrival_ns,in_tokens\n0,0\n' >zero.csv
	trace-check --allow ties,zero-input zero.csv
	trace-check --allow ties --allow zero-input zero.csv
	run -2 trace-check --allow zero-inptu zero.csv
	[[ $output == *'did you mean zero-input?'* ]]
	run -2 trace-check --allow zero-input, zero.csv
	page=$BATS_TEST_DIRNAME/../../docs/man/trace-check.1.scd
	trace-check --kinds >kinds
	[ "$(wc -l <kinds)" -ge 16 ]
	cut -d' ' -f1 kinds | sort >table
	sed -n '/^# FINDINGS/,/^# JSON/p' "$page" | grep -oE '^\*.*\*$' | grep -oE '[a-z-]+' | sort | diff table -
}

@test "the text fits 80 columns and holds no control characters" {
	printf 'arrival_ns,in_tokens,out_tokens,turn,parent,id\n0,0,0,0,0,0\n0,0,0,0,0,0\n-5,99999999,1,1,5,1\n' >$'wild\e[31m.csv'
	trace-check $'wild\e[31m.csv' >out || [ "$?" = 4 ]
	[ "$(LC_ALL=C grep -c $'[\x01-\x09\x0b-\x1f\x7f]' out)" = 0 ]
	[ "$(awk 'length($0) > 80' out | wc -l)" = 0 ]
	grep -q '^wild' out
}
