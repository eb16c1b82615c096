# SPDX-License-Identifier: Apache-2.0
#
# docs/METRICS.md against the tool: its last table is the table of metrics, word for word, and its keys are those of a
# report, no more and no fewer.

setup() {
	page=$BATS_TEST_DIRNAME/../../docs/METRICS.md
	cd "$BATS_TEST_TMPDIR"
}

@test "the table of metrics is that of trace-summarize --define list" {
	trace-summarize --define list |
		sed -nE 'N; N; s/^([^ ]+) \(([^)]*)\)\n +(.*)\n +(.*)$/| `\1` | \2 | \3 | \4 |/p' >tool
	[ "$(wc -l <tool)" -gt 5 ]
	sed -n '/^## Metrics of a record/,$p' "$page" | grep '^| `' | diff tool -
}

@test "every key of a report is defined, and every key that is defined occurs" {
	{
		echo arrival_ns,in_tokens,out_tokens,session,type,model,adapter,tenant
		# more distinct values than are counted exactly, so that `error` is there
		seq 1000000 | sed 's/.*/&000,&,1,s,t,m,a,c/'
	} >trace.csv
	trace-summarize --json --by window=1h trace.csv >full.json
	printf 'in_tokens\n1\n' | trace-summarize -F csv --json >bare.json
	{
		echo model,due_ns,sent_ns,first_ns,end_ns,status,http_code
		printf 'm,%d,1,2,3,ok,200\n' {0..19}
	} | trace-summarize -F csv --json --by model >results.json
	python3 - <<-'EOT' | sort -u >keys
		import json
		named = [{}, {"200": 20}]  # their keys are names of what was met
		def keys(tree):
		    for key, value in () if tree in named else (tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()):
		        if isinstance(key, str):
		            print(key)
		        keys(value)
		for name in "full.json", "bare.json", "results.json":
		    keys(json.load(open(name)))
	EOT
	sed -n '/^## Keys/,/^## Metrics/s/^| `\([a-z0-9_]*\)` |.*/\1/p' "$page" | sort >defined
	[ "$(uniq -d defined)" = '' ]
	diff keys defined
}

@test "every class of error is explained, in the words of the source" {
	awk '/^#define OUTCOMES/ { on = 1; next } on { sub(/[ \t]*\\$/, ""); text = text $0 } /OUT_CENSORED/ { exit } END { print text }' \
		"$BATS_TEST_DIRNAME/../../tools/replay/outcome.h" | sed 's/X(OUT_/\n&/g' |
		sed -nE 's/"[ \t]+"//g; s/^X\(OUT_[A-Z0-9_]+,[ \t]*"([a-z0-9_]+)",[ \t]*"(.*)"\).*/| `\1` | \2 |/p' >source
	[ "$(wc -l <source)" -gt 15 ]
	sed -n '/^## How a request can end/,/^## Verdict/p' "$page" | grep '^| `' | diff source -
}
