#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The examples of the README are run: every block marked ```sh, in order, in one scratch folder. The server that they take
# for granted is started here, on a port that is free.

setup() {
	root=$PWD
	cd "$BATS_TEST_TMPDIR"
	cp "$root"/datasets/azure-llm-2023/sample.csv azure.csv
	cp "$root"/datasets/sharegpt/sample.json sharegpt.json
	mkfifo url
	trace-mock --port 0 --ttft 20ms --itl 2ms --duration 120s >url 2>mock.err &
	mock=$!
	read -r line <url
	port=${line##*:}
}

teardown() {
	kill "$mock"
}

blocks() {
	awk -v port="$port" '/^```sh$/ { n++; on = 1; next } /^```$/ { on = 0 } on { gsub(/localhost:8000/, "localhost:" port); print > ("block" n ".sh") } END { print n }' "$root/README.md"
}

@test "README: every example runs and prints something" {
	n=$(blocks)
	[ "$n" -ge 3 ]
	for ((i = 1; i <= n; i++)); do
		run bash -euo pipefail "block$i.sh"
		echo "--- block $i, status $status"
		cat "block$i.sh"
		echo "$output"
		[ "$status" -eq 0 ]
		[ -n "$output" ]
	done
}

@test "README: the table of tools names every tool, and no other" {
	diff <(sed -n 's/^| \[*`\(trace-[a-z]*\)`.*/\1/p' "$root/README.md" | sort) <(cd "$root/tools" && ls trace-*.c | sed 's/\.c$//' | sort)
}
