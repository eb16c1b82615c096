# SPDX-License-Identifier: Apache-2.0
#
# trace-synth: what is drawn depends on the seed and the law alone, counts and durations are exact, and what is wrong is
# said. The laws themselves are tested in tests/unit/test_law.c.

setup() {
	cd "$BATS_TEST_TMPDIR"
	arrivals='--arrivals poisson:50/s'
	laws="$arrivals --input uniform:100..2000 --output normal:200,80"
}

# Standard output is a file: through a pipe blocks are also closed by time.
synth() { # file, options
	local to=$1
	shift
	trace-synth "$@" >"$to"
}

# An expression over head h, tail t and records r of a JSONL trace.
facts() { # file, expression
	python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
h, r, t = lines[0]["trace"], lines[1:-1], lines[-1]["end"]
print(eval(sys.argv[2]))
' "$1" "$2"
}

content() { facts "$1" 't["content"]'; }

column() { facts "$1" "[x['$2'] for x in r]"; }

@test "the same seed gives the same bytes" {
	# shellcheck disable=SC2086
	for form in trb jsonl; do
		synth a $laws --requests 20k -f $form
		synth b $laws --requests 20k -f $form
		cmp a b
	done
	[[ $(content a) =~ ^[0-9a-f]{16}$ ]]
}

@test "seed 1 is the default, another seed gives another trace" {
	# shellcheck disable=SC2086
	{
		synth a $laws --requests 100 -f jsonl
		synth b $laws --requests 100 -f jsonl --seed 1
		synth c $laws --requests 100 -f jsonl --seed 2
	}
	[ "$(content a)" = "$(content b)" ]
	[ "$(content a)" != "$(content c)" ]
	[ "$(facts c 'h["seed"]')" = 2 ]
	for field in arrival_ns in_tokens out_tokens; do
		[ "$(column a $field)" = "$(column b $field)" ]
		[ "$(column a $field)" != "$(column c $field)" ]
	done
}

# The same on every machine and compiler, and in every version: whoever changes a draw changes this.
@test "the content is pinned" {
	# shellcheck disable=SC2086
	synth a $laws --requests 10k -f jsonl
	[ "$(content a)" = f3f7a71ee2df0abf ]
}

@test "another law of lengths leaves the arrivals and the other lengths as they were" {
	# shellcheck disable=SC2086
	{
		synth a $laws --requests 500 -f jsonl
		synth b $arrivals --input uniform:100..2000 --output fixed:7 --requests 500 -f jsonl
		synth c $arrivals --input fixed:9 --output normal:200,80 --requests 500 -f jsonl
		synth d --arrivals constant:50/s ${laws#"$arrivals"} --requests 500 -f jsonl
	}
	for field in arrival_ns in_tokens; do [ "$(column a $field)" = "$(column b $field)" ]; done
	for field in arrival_ns out_tokens; do [ "$(column a $field)" = "$(column c $field)" ]; done
	for field in in_tokens out_tokens; do [ "$(column a $field)" = "$(column d $field)" ]; done
	[ "$(facts b '{x["out_tokens"] for x in r}')" = '{7}' ]
	[ "$(facts a 'len({x["out_tokens"] for x in r}) > 100')" = True ]
}

@test "a longer trace begins with the shorter one" {
	# shellcheck disable=SC2086
	{
		synth a $laws --requests 100 -f jsonl
		synth b $laws --requests 1000 -f jsonl
	}
	cmp <(sed -n 2,101p a) <(sed -n 2,101p b)
}

@test "the number of requests is exact" {
	for n in 0 1 2 70000; do
		# shellcheck disable=SC2086
		synth a $laws --requests $n -f jsonl
		[ "$(facts a 'len(r), t["records"], t["state"]')" = "($n, $n, 'complete')" ]
		[ "$(facts a '[x["id"] for x in r] == list(range(len(r)))')" = True ]
	done
}

@test "the duration is exact: the arrivals before it, and none at it" {
	lengths='--input fixed:5 --output fixed:3'
	# shellcheck disable=SC2086
	{
		synth a --arrivals constant:10/s $lengths --duration 2s -f jsonl
		synth b --arrivals constant:10/s $lengths --duration 2.000000001s -f jsonl
		synth c $arrivals $lengths --duration 20s -f jsonl
		synth d $arrivals $lengths --requests 2k -f jsonl
		synth e $arrivals $lengths --duration 0 -f jsonl
	}
	[ "$(facts a 't["records"], t["first_ns"], t["last_ns"]')" = '(20, 0, 1900000000)' ]
	[ "$(facts b 't["records"], t["last_ns"]')" = '(21, 2000000000)' ]
	n=$(facts c 't["records"]')
	[ "$n" -gt 850 ]
	[ "$n" -lt 1150 ]
	# Those of the same process below 20 s, and no others.
	[ "$(facts d 'sum(x["arrival_ns"] < 20 * 10**9 for x in r)')" = "$n" ]
	[ "$(facts e 't["records"]')" = 0 ]
}

@test "of --requests and --duration the first to end ends it" {
	lengths='--input fixed:5 --output fixed:3'
	# shellcheck disable=SC2086
	{
		synth a --arrivals constant:10/s $lengths --duration 2s --requests 7 -f jsonl
		synth b --arrivals constant:10/s $lengths --duration 2s --requests 700 -f jsonl
	}
	[ "$(facts a 't["records"]')" = 7 ]
	[ "$(facts b 't["records"]')" = 20 ]
}

@test "the header says what it is" {
	# shellcheck disable=SC2086
	synth a $laws --requests 5 -f jsonl --seed 18446744073709551615 --model 'a "b"'
	[ "$(facts a 'h["order"], h["seed"], h["tool"].split()[0], "origin_ns" in h')" = \
		"('arrival', 18446744073709551615, 'trace-synth', False)" ]
	[ "$(facts a '" ".join(f"{k}={v}" for k, v in h["notes"].items())')" = \
		'arrivals=poisson:50/s input=uniform:100..2000 output=normal:200,80 conditioning=none origin=start' ]
	[ "$(facts a '{x["model"] for x in r}')" = "{'a \"b\"'}" ]
	[ "$(facts a '" ".join(r[0])')" = 'id arrival_ns in_tokens out_tokens model' ]
}

@test "-o chooses the form by the extension" {
	# shellcheck disable=SC2086
	{
		trace-synth $laws --requests 5 -o a.jsonl
		trace-synth $laws --requests 5 -o a.trb
	}
	[ "$(facts a.jsonl 'len(r)')" = 5 ]
	[ "$(head -c 4 a.trb | od -An -tx1 | tr -d ' ')" = 89545242 ]
}

refused() { # message, options
	local status=0 want=$1
	shift
	trace-synth "$@" -o never.trb >out 2>err || status=$?
	[ "$status" = 2 ] && [ ! -s out ] && [ ! -e never.trb ] && [ "$(head -n 1 err)" = "trace-synth: $want" ] || {
		echo "status $status: $(cat err)"
		return 1
	}
}

@test "what is wrong with a law is said, and nothing written" {
	rest='--input fixed:5 --output fixed:3 --requests 5'
	# shellcheck disable=SC2086
	{
		refused '--arrivals: no arrival law "poison"; did you mean "poisson"?' --arrivals poison:2/s $rest
		refused '--arrivals: poisson: rate: zero: "0/s"' --arrivals poisson:0/s $rest
		refused '--arrivals: poisson: rate: unknown unit: "2/w"' --arrivals poisson:2/w $rest
		refused '--input: uniform: the range begins above its end' $arrivals --output fixed:1 --requests 5 --input uniform:5..4
		refused '--output: normal: no parameter "std"; did you mean "sd"?' $arrivals --input fixed:1 --requests 5 \
			--output normal:mean=5,std=2
		refused '--output: normal: fewer than 1 in 1000 draws would fall within min=1 to max=9' $arrivals --input fixed:1 \
			--requests 5 --output normal:mean=500,sd=2,max=9
		refused '--requests: not a number: "many"' $arrivals --input fixed:1 --output fixed:1 --requests many
	}
}

@test "what is missing is said" {
	# shellcheck disable=SC2086
	{
		refused '--arrivals is needed; see --help' --input fixed:5 --output fixed:3 --requests 5
		refused '--input is needed; see --help' $arrivals --output fixed:3 --requests 5
		refused '--output is needed; see --help' $arrivals --input fixed:5 --requests 5
		refused '--requests or --duration is needed; see --help' $laws
		refused 'one argument too many: "file.trb"' $laws --requests 5 file.trb
	}
}

@test "an arrival beyond all time is an error, but not after the end" {
	slow='--arrivals constant:0.000000001/s --input fixed:5 --output fixed:3'
	status=0
	# shellcheck disable=SC2086
	trace-synth $slow --requests 11 -o a.jsonl 2>err || status=$?
	[ "$status" = 3 ]
	[ "$(cat err)" = 'trace-synth: constant: event 11 lies beyond 292 years' ]
	[ ! -e a.jsonl ]
	# shellcheck disable=SC2086
	trace-synth $slow --duration 106751d -o a.jsonl
	[ "$(facts a.jsonl 't["records"]')" = 10 ]
}

@test "--list-laws names the laws and their parameters" {
	trace-synth --list-laws >out
	for word in constant poisson rate fixed n uniform range normal mean sd min max; do
		grep -qE "^ +$word +[^ ]" out
	done
	grep -q 'max .*(default 2147483647)' out
}

# Stopped when it has certainly begun: what came out until then is whole, and says so.
interrupt() { # signal, status
	local status=0 pid head record
	mkfifo pipe
	# A background job ignores SIGINT unless told not to.
	# shellcheck disable=SC2086
	env --default-signal=INT,TERM trace-synth $laws --requests 1000G -f jsonl >pipe &
	pid=$!
	exec 9<pipe
	read -r head <&9
	read -r record <&9 # the head comes before anything has been made
	kill -"$1" $pid
	{ printf '%s\n' "$head" "$record" && cat <&9; } >cut.jsonl
	exec 9<&-
	wait $pid || status=$?
	rm pipe
	[ "$status" = "$2" ]
	[ "$(facts cut.jsonl 't["state"], t["records"] == len(r) > 0')" = "('interrupted', True)" ]
}

@test "SIGINT cuts the stream and ends with 130" { interrupt INT 130; }
@test "SIGTERM cuts the stream and ends with 143" { interrupt TERM 143; }
