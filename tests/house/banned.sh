#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What may not stand in our files: functions with no bounds or no error, side effects in the library, paths and hosts of
# somebody's machine. Each pattern is tried on a planted line. Prints TAP. The brackets in the patterns keep them from
# finding themselves.
set -euo pipefail
cd "$(dirname "$0")/../.."

c_files() { find libtrace formats tools tests docs/gen -name '*.[ch]' | sort; }
library_files() { find libtrace formats -name '*.[ch]' | sort; }
all_files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -name build -prune -o -name .git -prune -o -type f -print
	fi | grep -v '^third_party/' | while read -r f; do [[ ! -f $f ]] || echo "$f"; done
}

# file:line:code, without what stands in comments and strings.
code_of() {
	xargs -d '\n' python3 -c '
import re, sys
skip = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|\x27(?:\\.|[^\x27\\\n])*\x27", re.S)
for name in sys.argv[1:]:
    text = skip.sub(lambda m: "\n" * m[0].count("\n"), open(name, encoding="utf-8", errors="replace").read())
    for i, line in enumerate(text.split("\n"), 1):
        if line.strip():
            print(f"{name}:{i}:{line}")
'
}
c_code() { c_files | code_of; }
library_code() { library_files | code_of; }
all_text() { all_files | xargs -d '\n' grep -nI '' /dev/null; }

call='(^|[^[:alnum:]_."])' # a call: the name, whole, with a parenthesis after it
# text | name | pattern | a line that it must find
rules=(
	"c_code|no unbounded or unchecked functions|$call(ato[ifl]|atoll|strto[k]|sscan[f]|v?sprint[f]|strcp[y]|strca[t]|strnc[p]y|get[s]|alloc[a]|setlocal[e]) ?\\(|	n = ato""i(s);"
	"c_code|no typedef of a struct|typede[f] struct|typede""f struct a b;"
	"c_code|no suppressed warnings|#[ ]*pragm[a] (GCC|clang) diagnostic|#pragm""a GCC diagnostic ignored"
	"library_code|the library does not print, leave, or read the environment|$call(printf|puts|putchar|perror|exit|_exit|abort|getenv|signal|sigaction) ?\\(|	exit(1);"
	"library_code|the library does not know the standard streams|$call(stderr|stdout|stdin)[^[:alnum:]_]|	fputs(s, stderr);"
	"all_text|no path of a machine|/wor[k]/|/tm[p]/build-|/hom[e]/[a-z]|see /wor""k/x"
	"all_text|no registry|deb\\.debia[n]\\.org|archiv[e]\\.ubuntu\\.com|pyp[i]\\.org|npmj[s]\\.|crate[s]\\.io|proxy\\.golan[g]|from pyp""i.org"
)

n=0
report() { # findings name
	n=$((n + 1))
	if [[ -z $1 ]]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' <<<"$1"
	fi
}

for rule in "${rules[@]}"; do
	text=${rule%%|*}
	rule=${rule#*|}
	name=${rule%%|*}
	rule=${rule#*|}
	line=${rule##*|}
	pattern=${rule%|*}
	report "$("$text" | grep -E -- "$pattern" || true)" "$name"
	report "$(grep -qE -- "$pattern" <<<"$line" || echo "not found: $line")" "found when planted: $name"
done

report "$(all_files | grep -E '\.([ch]|sh|py|bats|mk)$|^Makefile$' | while read -r f; do
	head -n 2 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"
done)" 'every source file names its licence'
echo "1..$n"
