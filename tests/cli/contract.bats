# SPDX-License-Identifier: Apache-2.0
#
# What every tool does the same way. The cases walk whatever stands in build/bin; a tool that needs arguments to run, or
# reads no input, says so in the table below.

setup() {
	# shellcheck disable=SC2034
	declare -gA needs=(
		[trace-synth]='--arrivals constant:10/s --input fixed:10 --output fixed:10 --requests 20'
		[trace-mock]='--port 0 --duration 100ms'
		[trace-replay]='--url http://127.0.0.1:9 --dry-run'
	)
	# Tools that read no stream.
	sources=' trace-mock trace-synth '
	build=${REPRISE_BUILD:-build}
	mapfile -t tools < <(cd "$build/bin" && ls)
	((${#tools[@]} > 0))
	cd "$BATS_TEST_TMPDIR"
	printf '%s\n' TIMESTAMP,ContextTokens,GeneratedTokens '2023-11-16 18:17:03.9799600,4808,10' \
		'2023-11-16 18:17:04.0319600,3180,8' '2023-11-16 18:17:04.0781600,110,27' >good.csv
}

# Runs one tool with what it needs; input is standard input. Leaves status, out and err.
try() {
	local tool=$1 input=$2
	shift 2
	status=0
	# shellcheck disable=SC2086
	"$tool" ${needs[$tool]-} "$@" <"$input" >out 2>err || status=$?
}

readers() {
	local tool
	for tool in "${tools[@]}"; do
		[[ $sources == *" $tool "* ]] || echo "$tool"
	done
}

# Says what is wrong with which tool.
expect() { # what, words of a test
	local what=$1
	shift
	[ "$@" ] || {
		printf '%s: %s; expected: %s\nstdout: %s\nstderr: %s\n' "$tool" "$what" "$*" "$(head -c 300 out)" "$(head -c 600 err)"
		return 1
	}
}

one_clear_line() {
	expect 'one line on standard error' "$(wc -l <err)" = 1
	expect 'the line begins with the name of the tool' "$(grep -c "^$tool: ." err)" = 1
}

options_part() { awk 'BEGIN { RS = "" } NR == 3'; } # of --help

long_options() { # of --help, with the --no- forms, sorted
	"$1" --help | options_part | sed -nE 's/^  (-.,|   ) --((\[no-\])?[a-z0-9-]+).*/\2/p' |
		sed -E 's/^\[no-\](.*)/\1\nno-\1/' | sort
}

writes_files() { "$1" --help | grep -q '^  -o, '; }

@test "--help goes to standard output and ends with 0" {
	for tool in "${tools[@]}"; do
		status=0
		"$tool" --help >out 2>err || status=$?
		expect status "$status" = 0
		expect 'standard error empty' ! -s err
		expect usage "$(head -n 1 out | grep -c "^usage: $tool ")" = 1
		expect 'fits 80 columns' "$(options_part <out | awk 'length($0) > 79' | wc -l)" = 0
		"$tool" -h | cmp - out
	done
}

@test "--version is the name and the version" {
	for tool in "${tools[@]}"; do
		"$tool" --version >out 2>err
		expect form "$(grep -cE "^$tool [0-9]+\.[0-9]+\.[0-9]+$" out)" = 1
		expect lines "$(wc -l <out)" = 1
	done
}

@test "an unknown option ends with 2 and the nearest one" {
	for tool in "${tools[@]}"; do
		try "$tool" good.csv --hlep
		expect status "$status" = 2
		expect 'standard output empty' ! -s out
		expect suggestion "$(grep -cxF "$tool: unknown option \"--hlep\"; did you mean \"--help\"?" err)" = 1
		expect hint "$(grep -cxF "try $tool --help" err)" = 1
		try "$tool" good.csv --zzzzzzzzzzzzzzzz
		expect status "$status" = 2
		expect 'no suggestion out of nothing' "$(grep -c 'did you mean' err)" = 0
	done
}

@test "a full disk ends with 1 and one line" {
	[[ -c /dev/full ]] || skip "no /dev/full here"
	for tool in "${tools[@]}"; do
		for args in '' --help --version; do
			status=0
			# shellcheck disable=SC2086
			"$tool" ${needs[$tool]-} $args <good.csv >/dev/full 2>err || status=$?
			: >out
			expect "status with '$args'" "$status" = 1
			one_clear_line
			expect 'the reason' "$(grep -c 'No space left on device' err)" = 1
		done
	done
}

@test "a reader that has gone ends a tool quietly, by SIGPIPE" {
	mkfifo fifo
	: >out
	for tool in "${tools[@]}"; do
		for args in '' --help; do
			exec 7<>fifo 8>fifo 7>&-
			status=0
			# shellcheck disable=SC2086
			"$tool" ${needs[$tool]-} $args <good.csv >&8 2>err || status=$?
			exec 8>&-
			expect "status with '$args'" "$status" = 141
			expect 'standard error empty' ! -s err
		done
	done
}

@test "a closed standard output ends with 1 and one line" {
	: >out
	for tool in "${tools[@]}"; do
		status=0
		# shellcheck disable=SC2086
		"$tool" ${needs[$tool]-} <good.csv >&- 2>err || status=$?
		expect status "$status" = 1
		one_clear_line
	done
}

@test "a directory as input ends with 1 and one line" {
	mkdir folder
	for tool in $(readers); do
		try "$tool" /dev/null folder
		expect status "$status" = 1
		expect 'standard output empty' ! -s out
		one_clear_line
		expect 'names it' "$(grep -c folder err)" = 1
	done
}

@test "a missing file ends with 1 and one line" {
	for tool in $(readers); do
		try "$tool" /dev/null not-there.csv
		expect status "$status" = 1
		expect 'standard output empty' ! -s out
		one_clear_line
		expect 'names it' "$(grep -c 'not-there.csv.*No such file' err)" = 1
	done
}

@test "an empty standard input ends with 3 and one line" {
	for tool in $(readers); do
		try "$tool" /dev/null
		expect status "$status" = 3
		expect 'standard output empty' ! -s out
		one_clear_line
	done
}

@test "a good input ends with 0 and nothing on standard error" {
	for tool in "${tools[@]}"; do
		try "$tool" good.csv
		expect status "$status" = 0
		expect 'standard error empty' ! -s err
		expect 'standard output not empty' -s out
	done
}

@test "an output file that cannot be made ends with 1 and one line" {
	for tool in "${tools[@]}"; do
		writes_files "$tool" || continue
		try "$tool" good.csv -o no-such-folder/x.trb
		expect status "$status" = 1
		one_clear_line
	done
}

@test "nothing is left behind when the input is bad" {
	for tool in $(readers); do
		writes_files "$tool" || continue
		try "$tool" /dev/null -o result.jsonl
		expect status "$status" = 3
		expect 'no file made' "$(echo result*)" = 'result*'
	done
}

@test "the man page has the parser's options, all of them and no others" {
	for tool in "${tools[@]}"; do
		page=$build/man/$tool.1
		[[ $page == /* ]] || page=$OLDPWD/$page
		expect 'a man page' -s "$page"
		long_options "$tool" | sed 's/^no-//' | sort -u >out
		sed -nE 's/^(\\fB-.\\fR, )?\\fB--(\[no-\])?([a-z0-9-]+)\\fR.*/\3/p' "$page" | sort -u >err
		expect 'same options' "$(cat out)" = "$(cat err)"
	done
}

@test "completion knows all options" {
	for tool in "${tools[@]}"; do
		long_options "$tool" >out
		"$tool" --completion bash >script
		bash -n script
		(
			# shellcheck disable=SC1091
			. ./script
			COMP_WORDS=("$tool" --) COMP_CWORD=1
			"_$tool" "$tool" -- "$tool"
			printf '%s\n' "${COMPREPLY[@]}" | sed -n 's/^--//p' | sort >err
		)
		expect 'bash: same options' "$(cat out)" = "$(cat err)"
		"$tool" --completion zsh | grep -oE -- "^[^[]*[^[:alnum:]-]--[a-z0-9-]+" | sed 's/.*--//' | sort >err
		expect 'zsh: same options' "$(cat out)" = "$(cat err)"
	done
}
