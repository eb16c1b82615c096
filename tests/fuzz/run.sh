#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tests/fuzz/run.sh BUILD: runs every fuzz target for its share of FUZZ_SECONDS (default 60), or for FUZZ_EACH seconds.
# Seeds are tests/fuzz/corpus/NAME/; what is found in addition, and inputs that crash, stay in BUILD.
set -euo pipefail
shopt -s nullglob # no targets: an empty list
cd "$(dirname "$0")/../.."
build=$1

targets=(tests/fuzz/fuzz_*.c)
if ((${#targets[@]} == 0)); then
	echo "fuzz: no targets in tests/fuzz" >&2
	exit 1
fi
each=${FUZZ_EACH:-$((${FUZZ_SECONDS:-60} / ${#targets[@]}))}
((each > 0)) || each=1

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
failed=0
for target in "${targets[@]}"; do
	name=$(basename "$target" .c)
	name=${name#fuzz_}
	corpus=$build/corpus/$name
	mkdir -p "$corpus" "$build/crashes"
	more=()
	[[ ! -s tests/fuzz/$name.dict ]] || more+=("-dict=tests/fuzz/$name.dict")
	more+=("$corpus")
	[[ ! -d tests/fuzz/corpus/$name ]] || more+=("tests/fuzz/corpus/$name")
	if "$build/${target%.c}" -max_total_time="$each" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
		-artifact_prefix="$build/crashes/$name-" -print_final_stats=1 "${more[@]}" >"$build/$name.log" 2>&1; then
		echo "ok    $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log") runs in ${each} s"
	else
		failed=1
		echo "FAIL  $name: see $build/$name.log"
		grep -v '^#' "$build/$name.log" | tail -n 60
	fi
done
exit $failed
