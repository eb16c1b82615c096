#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Which way the folders point, and where each library may be seen, read off the #include lines: tools/ -> formats/ ->
# libtrace/, never the other way. The check is tried on planted violations too. Prints TAP.
set -euo pipefail
cd "$(dirname "$0")/../.."

# header (a shell pattern), folders that may include it
table='
libtrace/*          libtrace/* formats/* tools/* docs/gen/*
formats/*           formats/* tools/*
tools/*             tools/*
csv.h               formats/*
cjson/*             formats/* tools/*
zstd*.h             libtrace/*
zlib.h              libtrace/*
openssl/*           libtrace/*
pthread.h           libtrace/* tools/replay/*
curl/*              tools/replay/* tools/sweep/*
event2/*            tools/mock/*
yaml.h              libtrace/profile*
emmintrin.h         libtrace/scan.h
pcre2.h             libtrace/tokenizer/*
utf8proc.h          libtrace/tokenizer/*
sqlite3.h           tools/sweep/*
'
# What the C library and the kernel have. Anything else is a new dependency: it needs a row above.
system=' assert.h ctype.h dirent.h errno.h fcntl.h float.h glob.h inttypes.h limits.h locale.h math.h netdb.h poll.h sched.h
 signal.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h strings.h termios.h
 time.h unistd.h '

violations() { # root
	(
		cd "$1"
		{ find libtrace formats tools docs/gen -name '*.[ch]' 2>/dev/null || true; } | sort | while read -r file; do
			sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*\([<"]\)\([^>"]*\)[>"].*/\1 \2/p' "$file" |
				while read -r quote header; do
					allowed "$file" "$quote" "$header" || echo "$file includes $header"
				done
		done
	)
}

allowed() { # file quote header
	local pattern folders folder
	while read -r pattern folders; do
		# shellcheck disable=SC2254
		case $3 in
		'' | $pattern) ;;
		*) continue ;;
		esac
		[[ $pattern ]] || continue
		set -f
		for folder in $folders; do
			# shellcheck disable=SC2254
			case $1 in $folder) return 0 ;; esac
		done
		return 1
	done <<<"$table"
	# Not in the table: only what the system has. A quoted name without its folder is nobody's.
	[[ $2 == '<' ]] || return 1
	[[ $3 == sys/* || $3 == netinet/* || $3 == linux/* || $3 == arpa/* || ${system//$'\n'/ } == *" $3 "* ]]
}

n=0
report() { # violations name
	n=$((n + 1))
	if [[ -z $1 ]]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' <<<"$1"
	fi
}

report "$(violations .)" 'includes keep to the layers'

plant=$(mktemp -d)
trap 'rm -rf "$plant"' EXIT
planted='
libtrace/a.c "formats/formats.h"
libtrace/a.c "tools/cli.h"
formats/a.c "tools/cli.h"
formats/a.c <zstd.h>
formats/a.c "cli.h"
libtrace/a.h <cjson/cJSON.h>
tools/trace-a.c <csv.h>
tools/trace-a.c <pthread.h>
libtrace/a.c <curl/curl.h>
formats/a.c <newlib/new.h>
'
while read -r file header; do
	[[ $file ]] || continue
	rm -rf "$plant"/*
	mkdir -p "$plant/${file%/*}"
	printf '#include <stdio.h>\n #  include %s\n' "$header" >"$plant/$file"
	found=$(violations "$plant")
	report "$([[ $found == "$file includes ${header//[<>\"]/}" ]] || echo "found: $found")" "found when planted: $header in $file"
done <<<"$planted"
echo "1..$n"
