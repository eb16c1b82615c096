#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The library and the formats keep no writable globals: two readers in one process never meet. Read off the sections of
# the plain build's objects; sanitizers add variables of their own. Prints TAP.
set -euo pipefail
build=${REPRISE_BUILD:-build}

echo 1..3
n=0
for archive in libtrace libtokenizer libformats; do
	n=$((n + 1))
	found=$(nm --format=sysv "$build/$archive.a" |
		awk -F'|' '{ gsub(/ /, "", $7); gsub(/ /, "", $1) } $7 ~ /^(\.data|\.bss|\.tdata|\.tbss)$/ { print $1 }')
	if nm "$build/$archive.a" 2>/dev/null | grep -q '__asan\|__tsan\|__ubsan'; then
		echo "ok $n - $archive # SKIP sanitized"
	elif [[ -z $found ]]; then
		echo "ok $n - no writable globals in $archive"
	else
		echo "not ok $n - no writable globals in $archive"
		sed 's/^/# /' <<<"$found"
	fi
done
