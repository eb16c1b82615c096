#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tests/bench/run.sh BUILD: speed, memory and size on a synthetic Azure-like trace. ROWS (default 10000000) and RUNS (default 5) change
# the scale; FULL=1 adds zstd -19 and, where pyarrow is installed, parquet. Files stand in BUILD/bench.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
mkdir -p "$build/bench"
"${CC:-cc}" -O2 -o "$build/bench/libcsv_null" "$root/tests/bench/libcsv_null.c" -lcsv
"${CC:-cc}" -O2 -o "$build/bench/azure_rows" "$root/tests/bench/azure_rows.c" -lm
export PATH="$build/bin:$PATH"
cd "$build/bench"
exec python3 "$root/tests/bench/bench.py"
