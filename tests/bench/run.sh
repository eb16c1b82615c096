#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tests/bench/run.sh BUILD [trace|replay|tokenizer]: of traces: speed, memory and size on a synthetic Azure-like trace (bench.py); ROWS
# (default 10000000) and RUNS (default 5) change the scale, FULL=1 adds zstd -19 and, where pyarrow is installed, parquet. Of
# replays: see replay.py; REQUESTS (default 1000000) and RUNS (default 3). Of tokenizers: see tokenizer.py. Files stand in
# BUILD/bench.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
mkdir -p "$build/bench/bin"
"${CC:-cc}" -O2 -o "$build/bench/libcsv_null" "$root/tests/bench/libcsv_null.c" -lcsv
"${CC:-cc}" -O2 -o "$build/bench/azure_rows" "$root/tests/bench/azure_rows.c" -lm
export PATH="$build/bin:$PATH"
"${CC:-cc}" -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -ffp-contract=off -I"$root" -o "$build/bench/bin/spin_control" \
	"$root/tests/bench/spin_control.c" "$build/libtrace.a" -lm
cd "$build/bench"
"${CC:-cc}" -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -I"$root" -o tokenizer_rate "$root/tests/bench/tokenizer_rate.c" \
	"$build/libtokenizer.a" "$build/libtrace.a" -lpcre2-8 -lutf8proc -lzstd -lz -lcrypto -lpthread -lm
part=${2-}
[[ ${part:-trace} != trace ]] || python3 "$root/tests/bench/bench.py"
[[ ${part:-replay} != replay ]] || python3 "$root/tests/bench/replay.py"
[[ ${part:-tokenizer} != tokenizer ]] || python3 "$root/tests/bench/tokenizer.py"
