#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The examples of the README are run: every block marked ```sh, in order, in one scratch folder.

setup() {
	root=$PWD
	cd "$BATS_TEST_TMPDIR"
	cp "$root"/datasets/azure-llm-2023/sample.csv azure.csv
}

blocks() {
	awk '/^```sh$/ { n++; on = 1; next } /^```$/ { on = 0 } on { print > ("block" n ".sh") } END { print n }' "$root/README.md"
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
