#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tests/run.sh BUILD [unit|python|replay|bats|house ...]: runs the test files of these kinds (default: all), several at once, and counts
# their cases. All of them speak TAP. A file that ends badly, or not with the number of cases that it promised, is a
# failure of its own. The last line is the count; the status is 0 only when something passed and nothing failed.
set -euo pipefail

cd "$(dirname "$0")/.."
mkdir -p "$1"
REPRISE_BUILD=$(cd "$1" && pwd)
shift
export REPRISE_BUILD PATH="$REPRISE_BUILD/bin:$PATH" LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
# Public vocabularies (scripts/vocabularies.sh): tests print what they skip without them.
for dir in "${REPRISE_VOCAB-}" "$REPRISE_BUILD/vocabularies" "$REPRISE_BUILD/../vocabularies"; do
	if [[ -n $dir && -d $dir ]]; then
		REPRISE_VOCAB=$(cd "$dir" && pwd)
		export REPRISE_VOCAB
		break
	fi
done
export FILE_TIMEOUT=${FILE_TIMEOUT:-300}
# A test that calls make gets the variables given to this one, not its job server.
case ${MAKEFLAGS-} in
*' -- '*) MAKEFLAGS="-- ${MAKEFLAGS#* -- }" ;;
*) unset MAKEFLAGS ;;
esac
unset MAKELEVEL MFLAGS

(($#)) || set -- unit python bats house
files=()
shopt -s nullglob
for kind; do
	case $kind in
	unit) for f in tests/unit/test_*.c; do files+=("$REPRISE_BUILD/${f%.c}"); done ;;
	python) files+=(tests/*/test_*.py) ;;
	replay) files+=(tests/replay/test_*.py) ;; # of those, the ones that send
	bats) files+=(tests/*/*.bats) ;;
	house) files+=(tests/house/*.sh) ;;
	*)
		echo "tests/run.sh: no such kind: $kind" >&2
		exit 2
		;;
	esac
done

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export logs

# The memory map of the kernel may be too random for ThreadSanitizer.
fixed=
if [[ ${REPRISE_BUILD##*/} == tsan ]] && setarch -R true 2>/dev/null; then
	fixed='setarch -R'
fi
export fixed

run_file() {
	local file=$1 name log status=0
	name=${file#"$REPRISE_BUILD/"}
	log=$logs/${name//\//_}
	local command=("$file")
	case $file in
	*.py) command=(python3 "$file") ;;
	*.bats) command=(bats --tap "$file") ;;
	esac
	# shellcheck disable=SC2086
	{ CMOCKA_MESSAGE_OUTPUT=TAP $fixed timeout -k 5 "$FILE_TIMEOUT" "${command[@]}" || status=$?; } >"$log.tap" 2>&1 </dev/null
	awk -v name="$name" -v status=$status -v log_file="$log" '
		function fail(what) { failed++; print "FAILED  " name ": " what > (log_file ".failed") }
		/^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; planned = 1; about = 0 }
		/^1\.\.0.*# *[Ss][Kk][Ii][Pp]/ { whole = 1 }
		/^(not )?ok/ {
			seen++
			about = 0
			what = $0
			sub(/^(not )?ok *[0-9]* *(- )?/, "", what)
			if (tolower(what) ~ /# *skip/) {
				skipped++
				print "  " name ": " what > (log_file ".skipped")
			} else if (/^ok/) {
				passed++
			} else {
				fail(what)
				about = 40
			}
			next
		}
		about-- > 0 { print "        " $0 > (log_file ".failed") }
		{ last[++lines % 10] = $0 }
		END {
			if (whole && !seen) {
				skipped++
				print "  " name ": the whole file" > (log_file ".skipped")
			} else if (!seen || !planned || plan != seen)
				fail(planned ? "planned " plan " cases, ran " seen + 0 : "told no plan, ran " seen + 0 " cases")
			if (status == 124)
				fail("ran out of time")
			else if (status && !failed)
				fail("ended with status " status)
			if (failed && (!planned || plan != seen || status > 1))
				for (i = lines > 10 ? lines - 9 : 1; i <= lines; i++)
					print "        " last[i % 10] > (log_file ".failed")
			printf "%s  %4d  %s\n", failed ? "FAIL" : "ok  ", passed, name
			print passed + 0, failed + 0, skipped + 0 > (log_file ".count")
		}' "$log.tap"
}
export -f run_file

((${#files[@]} == 0)) || printf '%s\0' "${files[@]}" |
	xargs -0 -n 1 -P "$(nproc)" bash -c 'run_file "$1"' bash

for kind in skipped failed; do
	lists=("$logs"/*."$kind")
	((${#lists[@]} == 0)) || { printf '\n%s (%d):\n' "$kind" "$(cat "${lists[@]}" | grep -c '^\(FAILED\)\?  [^ ]')" && cat "${lists[@]}"; }
done
cat /dev/null "$logs"/*.count | awk -v files=${#files[@]} '
	{ passed += $1; failed += $2; skipped += $3 }
	END {
		if (NR != files || passed + failed == 0)
			failed++ # a file that told nothing, or no tests at all
		printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit failed > 0
	}'
