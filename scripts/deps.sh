#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is missing to build and test (default), or also to lint, fuzz and run the sanitizers
# (`full`), or to build for other machines and run what was built (`portable`), on Debian and Ubuntu. Asks
# for things by trying them, not the package manager, so that what came another way counts too.
set -euo pipefail

has_command() { command -v "$1" >/dev/null; }
has_header() { printf '#define PCRE2_CODE_UNIT_WIDTH 8\n#include <%s>\n' "$1" | cc -E - >/dev/null 2>&1; }
has_fuzzer() {
	local dir status=0
	dir=$(mktemp -d)
	printf 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return p && n > 9 ? 0 : 0; }\n' |
		clang -x c -fsanitize=fuzzer,address,undefined -o "$dir/probe" - >/dev/null 2>&1 || status=1
	rm -rf "$dir"
	return $status
}

# check, what it looks for, package
build_set='
command cc gcc
header stdio.h libc6-dev
header csv.h libcsv-dev
header cjson/cJSON.h libcjson-dev
header zstd.h libzstd-dev
header zlib.h zlib1g-dev
header openssl/evp.h libssl-dev
header curl/curl.h libcurl4-openssl-dev
header event2/event.h libevent-dev
header pcre2.h libpcre2-dev
header utf8proc.h libutf8proc-dev
header cmocka.h libcmocka-dev
command bats bats
command scdoc scdoc
command pkg-config pkg-config
command zstd zstd
command openssl openssl
command python3 python3
'
full_set='
command clang clang
command clang-format clang-format
command clang-tidy clang-tidy
fuzzer libFuzzer @fuzzer
'
# The libraries of the other machines are fetched by tests/portable.sh, which keeps them out of the system.
portable_set='
command s390x-linux-gnu-gcc gcc-s390x-linux-gnu
command aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
command qemu-s390x qemu-user
'

missing() { # set -> packages
	local check what package
	while read -r check what package; do
		[[ -z $check ]] || "has_$check" "$what" || printf '%s\n' "$package"
	done <<<"$1"
}

# The runtime of libFuzzer is packaged by version; older releases have it in libclang-common.
fuzzer_package() {
	local version package
	version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
	has_command clang && version=$(clang -dumpversion | cut -d. -f1)
	for package in "libclang-rt-$version-dev" "libclang-common-$version-dev"; do
		if apt-cache show "$package" >/dev/null 2>&1; then
			echo "$package"
			return
		fi
	done
	echo "deps: no package with libFuzzer for clang ${version:-(none found)}" >&2
	return 1
}

as_root() {
	if ((EUID == 0)); then
		"$@"
	else
		sudo "$@"
	fi
}

case ${1-} in
'') wanted=$build_set ;;
full) wanted=$build_set$full_set ;;
portable) wanted=$build_set$portable_set ;;
*)
	echo "usage: scripts/deps.sh [full|portable]" >&2
	exit 2
	;;
esac

mapfile -t packages < <(missing "$wanted")
if ((${#packages[@]} == 0)); then
	echo "deps: all there"
	exit 0
fi
echo "deps: missing: ${packages[*]/@fuzzer/the runtime of libFuzzer}"
if ! has_command apt-get; then
	echo "deps: no apt-get here: install these, or what this system calls them, by hand" >&2
	exit 1
fi
if ((EUID != 0)) && ! has_command sudo; then
	echo "deps: neither root nor sudo: install these by hand" >&2
	exit 1
fi
as_root apt-get -qq update
for i in "${!packages[@]}"; do
	[[ ${packages[i]} != @fuzzer ]] || packages[i]=$(fuzzer_package)
done
echo "deps: installing: ${packages[*]}"
as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
	install --no-install-recommends "${packages[@]}" >/dev/null

mapfile -t packages < <(missing "$wanted")
if ((${#packages[@]} != 0)); then
	echo "deps: still missing after installing: ${packages[*]}" >&2
	exit 1
fi
