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
	python3 - <<-'EOT' | sort -u >keys
		import json
		def keys(tree):
		    for key, value in (tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()):
		        if isinstance(key, str):
		            print(key)
		        keys(value)
		for name in "full.json", "bare.json":
		    keys(json.load(open(name)))
	EOT
	sed -n '/^## Keys/,/^## Metrics/s/^| `\([a-z0-9_]*\)` |.*/\1/p' "$page" | sort >defined
	[ "$(uniq -d defined)" = '' ]
	diff keys defined
}
