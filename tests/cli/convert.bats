# SPDX-License-Identifier: Apache-2.0
#
# trace-convert: ways back that give the same bytes, joined inputs, maps, what is said of bad inputs, and inputs that end or
# stop early.

setup() {
	cd "$BATS_TEST_TMPDIR"
	H=TIMESTAMP,ContextTokens,GeneratedTokens
}

# Fails with what was said unless the status is the wanted one; output and messages are in out and err.
ends() { # status, command...
	local want=$1 status=0
	shift
	"$@" >out 2>err || status=$?
	[ "$status" = "$want" ] || {
		printf 'status %s instead of %s\n' "$status" "$want"
		cat err
		return 1
	}
}

says() { # text: one line of messages holds it
	grep -qF -- "$1" err || {
		printf 'not said: %s\n' "$1"
		cat err
		return 1
	}
}

lacks() { # text file
	if grep -F -- "$1" "$2"; then return 1; fi
}

# There and back with files and with pipes, without a word.
same() { # file
	trace-convert "$1" -o way.trb 2>err
	trace-convert way.trb -f azure -o back.csv 2>>err
	cmp "$1" back.csv
	trace-convert <"$1" -f jsonl 2>>err | trace-convert 2>>err | trace-convert -f azure 2>>err | cmp "$1" -
	[ ! -s err ] || {
		cat err
		return 1
	}
}

rows() { # field=value pairs of the records on standard input, for a look at a few of them
	sed -e '/^{"trace"/d' -e '/^{"end"/d'
}

facts() { # an expression over head h and tail t of a JSONL trace
	python3 -c '
import json, sys
lines = open(sys.argv[1]).read().splitlines()
h, t = json.loads(lines[0])["trace"], json.loads(lines[-1]).get("end")
print(eval(sys.argv[2]))' "$1" "$2"
}

@test "azure 2023 there and back" {
	printf '%s\r\n' $H '2023-11-16 18:17:03.9799600,4808,10' '2023-11-16 18:17:04.0319600,3180,8' >a.csv
	same a.csv
	printf '%s\r\n%s\r\n%s' $H '2023-11-16 18:17:03.9799600,4808,10' '2023-11-16 18:17:04.0319600,3180,8' >a.csv
	same a.csv
	trace-convert a.csv -f jsonl >a.jsonl
	rows <a.jsonl | tail -n 1 | grep -qxF '{"id":1,"arrival_ns":52000000,"in_tokens":3180,"out_tokens":8}'
	[ "$(facts a.jsonl 'h["origin_ns"]')" = 1700158623979960000 ]
	[ "$(facts a.jsonl 't["sources"][0]["sha256"]')" = "$(sha256sum <a.csv | cut -d ' ' -f 1)" ]
	[ "$(facts a.jsonl 't["sources"][0]["bytes"]')" = "$(wc -c <a.csv)" ]
}

@test "azure 2024 there and back, with and without a fraction" {
	printf '%s\r\n' $H '2024-05-10 00:00:00.009930+00:00,2162,5' '2024-05-12 00:00:00+00:00,1452,3' >a.csv
	same a.csv
	trace-convert a.csv -f jsonl >a.jsonl
	lacks source_row a.jsonl
	rows <a.jsonl | tail -n 1 | grep -qF '"arrival_ns":172799990070000,'
	# A file that never omits the fraction.
	printf '%s\n' $H '2024-05-12 00:00:00.000000+00:00,1,1' '2024-05-12 00:00:01.000000+00:00,1,1' >a.csv
	same a.csv
	trace-convert a.csv -f jsonl >a.jsonl
	lacks source_row a.jsonl
}

@test "azure 2025 there and back" {
	printf '%s\n' TIMESTAMP,NumImages,ContextTokens,GeneratedTokens '2024-10-15T12:00:00.269Z,0,770,491' \
		'2024-10-15T12:00:05.819Z,1,949,126' >a.csv
	same a.csv
	trace-convert a.csv -f jsonl | rows | tail -n 1 |
		grep -qxF '{"id":1,"arrival_ns":5550000000,"in_tokens":949,"out_tokens":126,"images":1}'
}

@test "the form of inference-perf there and back" {
	printf '%s\n' 'TIMESTAMP, ContextTokens, GeneratedTokens' '2023-01-01 00:00:00.000, 150, 200' \
		'2023-01-01 00:00:01.500, 1, 2' >a.csv
	same a.csv
	trace-convert a.csv -f jsonl >a.jsonl
	lacks source_row a.jsonl
}

@test "odd spellings there and back" {
	printf '\357\273\277%s\n2023-01-01 05:00:00.5-05:30,1,1\n' $H >a.csv
	same a.csv
	printf '%s\n' "$H,Model" '2023-01-01 00:00:00.5,1,1,x' '2023-01-01 00:00:00.25,1,1,"y ""z"", w"' \
		'2023-01-01 00:00:00.25,1,1,' '2023-01-01T00:00:00.25Z,01,1,z' '"2023-01-01 00:00:00.25", 1,1,z' >a.csv
	same a.csv
	printf '%s\n\n2023-01-01 00:00:00,1,1\n \n\n2023-01-01 00:00:01,1,1\r\n2023-01-01 00:00:02,1,1\n\n \n' $H >a.csv
	same a.csv
	printf '%s\n2023-01-01 00:00:00,1,1\n\n \n2023-01-01 00:00:01,1,1\n  ' $H >a.csv
	same a.csv
	printf 'GeneratedTokens,a b,ContextTokens,TIMESTAMP,a b\n1,\377\\,3,2023-01-01 00:00:00,"\n"\n2,,3,2023-01-01 00:00:00,-' >a.csv
	same a.csv
}

@test "a large file there and back: its first rows do not show its style" {
	awk -v h=$H 'BEGIN {
		print h
		for (i = 0; i < 150000; i++)
			printf "2024-05-%02d %02d:%02d:%02d%s+00:00,%d,%d\n", 10 + i / 86400, i / 3600 % 24, i / 60 % 60, i % 60,
				i < 100000 ? sprintf(".%06d", i % 1000 + 1) : "", i % 7000, i % 300
	}' >a.csv
	same a.csv
	trace-convert a.csv | trace-convert -f jsonl >a.jsonl
	lacks source_row a.jsonl
	[ "$(facts a.jsonl 't["records"]')" = 150000 ]
}

@test "compressed inputs and outputs" {
	printf '%s\n' $H '2023-01-01 00:00:00,1,1' >a.csv
	gzip -k a.csv
	trace-convert a.csv.gz -f azure -o b.csv.gz
	gzip -dc b.csv.gz | cmp a.csv -
	trace-convert a.csv -o c.jsonl.zst
	trace-convert c.jsonl.zst -f azure | cmp a.csv -
}

@test "published files there and back" {
	[ -n "${REPRISE_DATA-}" ] || skip "REPRISE_DATA is not set"
	while read -r sha file; do
		[ "$(sha256sum <"$REPRISE_DATA/$file" | cut -d ' ' -f 1)" = "$sha" ]
		trace-convert "$REPRISE_DATA/$file" -o a.trb
		[ "$(trace-convert a.trb -f azure | sha256sum | cut -d ' ' -f 1)" = "$sha" ]
		same "$REPRISE_DATA/$file"
	done <<-END
		54e9a6d2a4bd06ba1e060304b900abbc74cbea53de96506e60fe5bb4f2277fb6 azure-llm-2023/AzureLLMInferenceTrace_code.csv
		dba1a757308b50b673a357dc0ea0f5109791585153f7e3b6fc93b5050f9b8c8b azure-llm-2024/AzureLLMInferenceTrace_code_1week.rows3765335-3766358.csv
		640b755cca147fa504a4de6abc9e2da9feb4e3b1a34955bc1b2ed42edccf9a92 inference-perf/trace.csv
	END
}

@test "other published files by map" {
	[ -n "${REPRISE_DATA-}" ] || skip "REPRISE_DATA is not set"
	trace-convert --map 'arrival=Timestamp,in=Request tokens,out=Response tokens,model=Model,type=Log Type' \
		"$REPRISE_DATA/burstgpt/BurstGPT_1.head30.csv" -f jsonl -o a.jsonl
	[ "$(facts a.jsonl '[t[k] for k in ("records", "in_tokens", "out_tokens", "last_ns")]')" = \
		'[30, 17722, 10280, 2288000000000]' ]
	[ "$(facts a.jsonl 'h["notes"]')" = "{'first_arrival_ns': 5000000000}" ]
	rows <a.jsonl | head -n 1 | grep -qF '"type":"Conversation log","model":"ChatGPT","extra":"{\"Total tokens\":\"490\"}"'
	trace-convert --map 'in=num_prefill_tokens,out=num_decode_tokens' \
		"$REPRISE_DATA"/vidur/arxiv_*.csv -f jsonl -o a.jsonl
	[ "$(facts a.jsonl '[t[k] for k in ("records", "in_tokens", "out_tokens")]')" = '[28257, 73131321, 8234948]' ]
	# The same requests as the Azure file, with seconds that the file's maker has rounded through a double.
	trace-convert --map 'arrival=arrived_at:s,in=num_prefill_tokens,out=num_decode_tokens' \
		"$REPRISE_DATA/vidur/splitwise_code.csv" -f jsonl -o a.jsonl
	[ "$(facts a.jsonl '[t[k] for k in ("records", "in_tokens", "out_tokens", "inversions")]')" = \
		'[8819, 18059974, 245896, 0]' ]
}

@test "azure files of other formats" {
	printf '%s\n' id,arrival_ns,in_tokens,out_tokens,images,tenant '0,0,1,2,3,x' '1,1500000000,4,5,,' >a.csv
	ends 0 trace-convert a.csv -f azure
	printf '%s\r\n' TIMESTAMP,NumImages,ContextTokens,GeneratedTokens '1970-01-01 00:00:00.000000000,3,1,2' \
		'1970-01-01 00:00:01.500000000,,4,5' | cmp - out
	says 'not written: tenant (1 records)'
	printf '%s\n' arrival_ns,in_tokens 0,1 >a.csv
	ends 3 trace-convert a.csv -f azure -o b.csv
	says 'out_tokens: no value'
	[ ! -e b.csv ]
}

@test "a way back that is not the source says so" {
	printf '%s\n' $H '2023-01-01 00:00:00,1,1' '2023-01-01 00:00:01,2,1' >a.csv
	trace-convert a.csv -f jsonl | sed '1s/"eol":"\\n"/"eol":"\\r\\n"/' >b.jsonl
	ends 0 trace-convert b.jsonl -f azure
	says 'output differs from the source bytes of a.csv'
	printf '%s\n%s\r\n%s\r\n' $H '2023-01-01 00:00:00,1,1' '2023-01-01 00:00:01,2,1' | cmp - out
}

@test "csv there and back" {
	printf '%s\n' "$H,Model" '2023-01-01 00:00:00.5,1,1,"x, y"' '2023-01-01 00:00:00.25,1,1, z' >a.csv
	trace-convert a.csv -f csv -o b.csv
	head -n 1 b.csv | grep -qxF id,arrival_ns,in_tokens,out_tokens,extra,source_row
	trace-convert b.csv -f jsonl -o b.jsonl
	trace-convert a.csv -f jsonl -o a.jsonl
	cmp <(rows <a.jsonl) <(rows <b.jsonl)
	[ "$(facts a.jsonl 't["content"]')" = "$(facts b.jsonl 't["content"]')" ]
	ends 0 trace-convert a.csv -f csv --columns in_tokens,id
	printf 'in_tokens,id\n1,0\n1,1\n' | cmp - out
}

@test "several inputs follow one another" {
	printf '%s\n' $H '2023-01-01 00:00:10,1,1' '2023-01-01 00:00:11,2,2' >a.csv
	printf '%s\n' $H '2023-01-01 00:00:05.5,3,3' '2023-01-01 00:00:20,4,4' >b.csv
	ends 0 trace-convert a.csv b.csv -f jsonl -o c.jsonl
	[ ! -s err ]
	rows <c.jsonl >rows
	printf '%s\n' '{"id":0,"arrival_ns":0,"in_tokens":1,"out_tokens":1}' \
		'{"id":1,"arrival_ns":1000000000,"in_tokens":2,"out_tokens":2}' \
		'{"id":2,"arrival_ns":-4500000000,"in_tokens":3,"out_tokens":3}' \
		'{"id":3,"arrival_ns":10000000000,"in_tokens":4,"out_tokens":4}' | cmp - rows
	[ "$(facts c.jsonl '[s["name"] for s in t["sources"]]')" = "['a.csv', 'b.csv']" ]
	[ "$(facts c.jsonl '[h["order"], t["inversions"], t["records"]]')" = "['file', 1, 4]" ]
	printf '%s\n' id,arrival_ns,in_tokens,parent,preds '7,0,1,,' '9,1,1,7,7 8' >d.csv
	ends 0 trace-convert c.jsonl - -f jsonl -o e.jsonl <d.csv
	says 'arrivals stay as they are'
	rows <e.jsonl | tail -n 1 | grep -qxF '{"id":13,"arrival_ns":1,"in_tokens":1,"parent":11,"preds":[11,12]}'
	[ "$(facts e.jsonl 'h["history"]')" = "['trace-convert 0.1.0 a.csv b.csv -f jsonl -o c.jsonl']" ]
}

@test "bad inputs are named with line, column and value" {
	awk -v h=$H 'BEGIN { print h; for (i = 2; i <= 8000; i++) print "2023-01-01 00:00:00," (i == 7000 ? "12x" : i) ",1" }' >a.csv
	ends 3 trace-convert a.csv -o a.trb
	[ "$(cat err)" = 'trace-convert: a.csv:7000: ContextTokens: not a number: "12x"' ]
	[ ! -e a.trb ]
	printf '%s\n' TIMESTAMP,ContextTokens,Other 1,2,3 >b.csv
	ends 3 trace-convert -F azure b.csv -f jsonl
	[ "$(cat err)" = 'trace-convert: b.csv:1: GeneratedTokens: the header has no such column: "TIMESTAMP,ContextTokens,Other"' ]
	ends 3 trace-convert b.csv -f jsonl
	says 'b.csv:1: no format claims this input'
	says '"TIMESTAMP,ContextTokens,Other"'
	: >empty
	ends 3 trace-convert empty -f jsonl
	says 'empty: empty input'
	ends 3 trace-convert -F azure empty -f jsonl
	says 'empty: empty input'
	echo $H >c.csv
	ends 3 trace-convert c.csv -f jsonl
	says 'c.csv:1: no rows'
	ends 3 trace-convert -f jsonl <c.csv
	says '<stdin>:1: no rows'
	printf '%s\n"2023-01-01 00:00:00,1,1\n' $H >d.csv
	ends 3 trace-convert d.csv -f jsonl
	says 'd.csv:2: '
	ends 1 trace-convert none.csv -f jsonl
	says none.csv
}

@test "wrong usage" {
	ends 2 trace-convert -F azur a.csv
	says 'did you mean "azure"?'
	ends 2 trace-convert -f trb --columns id a.csv
	says --columns
	ends 2 trace-convert -F azure --map in=x a.csv
	says --map
	ends 2 trace-convert --delimiter ab a.csv
	says --delimiter
	echo a >a.csv
	ends 2 trace-convert --map in=a:s a.csv
	says 'map: a unit that the field does not have: "s"'
	ends 2 trace-convert --map inn=a a.csv
	says map
}

@test "bad rows are passed over on request" {
	printf '%s\n' $H '2023-01-01 00:00:00,1,1' '2023-01-01 00:00:01,x,1' '2023-01-01 00:00:02,2' '2023-01-01 00:00:03,3,3' >a.csv
	ends 0 trace-convert --skip-bad a.csv -f jsonl
	says 'a.csv:3: ContextTokens: not a number: "x"'
	says 'a.csv:4: 2 cells in a row, 3 in the header'
	[ "$(wc -l <err)" = 2 ]
	rows <out | tail -n 1 | grep -qxF '{"id":1,"arrival_ns":3000000000,"in_tokens":3,"out_tokens":3}'
	[ "$(facts out '[t["skipped"], t["records"], t["state"]]')" = "[2, 2, 'complete']" ]
	ends 3 trace-convert --skip-bad=1 a.csv -f jsonl
	[ "$(wc -l <err)" = 2 ]
	ends 0 trace-convert --skip-bad=2 a.csv -f jsonl
}

@test "an input that ends early is written as far as it came" {
	printf '%s\n' $H '2023-01-01 00:00:00,1,1' '2023-01-01 00:00:01,2,1' '2023-01-01 00:00:02,3,1' >a.csv
	trace-convert a.csv -f jsonl | head -n 3 >cut.jsonl
	ends 3 trace-convert cut.jsonl -o b.jsonl
	says cut.jsonl
	[ "$(facts b.jsonl '[t["records"], t["state"]]')" = "[2, 'interrupted']" ]
	# What was read again is whole, and still says that it was not.
	ends 0 trace-convert b.jsonl -o c.jsonl
	[ "$(facts c.jsonl 't["state"]')" = interrupted ]
	ends 3 trace-convert cut.jsonl a.csv -o b.jsonl
	[ "$(facts b.jsonl '[t["records"], t["state"]]')" = "[5, 'interrupted']" ]
	awk -v h=$H 'BEGIN { print h; for (i = 0; i < 50000; i++) printf "2023-01-01 00:00:00.%06d,%d,1\n", i * 7 % 10007, i }' >a.csv
	gzip -c a.csv | head -c 100000 >cut.csv.gz
	ends 3 trace-convert cut.csv.gz -o b.jsonl
	says cut.csv.gz
	[ "$(facts b.jsonl 't["state"]')" = interrupted ]
	[ "$(facts b.jsonl 't["records"]')" -gt 1000 ]
}

@test "a record comes out without waiting for its block, and a signal ends the trace in order" {
	printf '%s\n' $H '2023-01-01 00:00:00,1,1' '2023-01-01 00:00:01,2,2' >a.csv
	for pair in INT:130 TERM:143; do
		rm -f in out.fifo
		mkfifo in out.fifo
		env --default-signal=INT trace-convert in -f jsonl >out.fifo 2>err &
		pid=$!
		exec 6<out.fifo 5>in
		cat a.csv >&5
		for want in '{"trace"' '{"id":0,' '{"id":1,'; do
			read -r -t 60 line <&6
			[[ $line == "$want"* ]]
		done
		kill -"${pair%:*}" $pid
		read -r -t 60 line <&6
		[[ $line == '{"end"'*'"state":"interrupted"'* ]]
		status=0
		wait $pid || status=$?
		exec 5>&- 6<&-
		[ $status = "${pair#*:}" ]
	done
}

@test "an input that two formats claim is not guessed at" {
	printf '%s\n' "$H,arrival_ns,in_tokens" '2023-01-01 00:00:00,1,2,3,4' >both.csv
	ends 3 trace-convert both.csv -f jsonl
	says 'both.csv: two formats claim this input: azure, csv; say which with -F'
	[ "$(wc -l <err)" = 1 ]
	ends 0 trace-convert -F csv both.csv -f jsonl
	rows <out | grep -qxF '{"id":0,"arrival_ns":3,"in_tokens":4,"extra":"{\"TIMESTAMP\":\"2023-01-01 00:00:00\",\"ContextTokens\":\"1\",\"GeneratedTokens\":\"2\"}"}'
	ends 0 trace-convert -F azure both.csv -f azure
	cmp out both.csv
}

@test "further inputs: records without ids do not disturb the numbering, parents move with their records" {
	printf 'id,arrival_ns,in_tokens,parent\n10,1,1,\n,2,1,\n12,3,1,10\n' >b.csv
	ends 0 trace-convert b.csv b.csv b.csv -f csv --columns id,parent
	[ "$(tail -n +2 out | tr '\n' ' ')" = "10, , 12,10 23, , 25,23 36, , 38,36 " ]
}

@test "an output keeps the mode of the file it replaces" {
	printf '%s\n' $H '2023-01-01 00:00:00,1,1' >a.csv
	touch old.trb
	chmod 600 old.trb
	ends 0 trace-convert a.csv -o old.trb
	[ "$(stat -c %a old.trb)" = 600 ]
}

@test "history stays within its limit" {
	printf '%s\n' $H '2023-01-01 00:00:00,1,1' >a.csv
	trace-convert a.csv -o h.trb
	for i in $(seq 70); do trace-convert h.trb -o h.trb; done
	ends 0 trace-convert h.trb -f jsonl
	head -n 1 out | grep -qF '"history":["(earlier steps are left out)"'
}
