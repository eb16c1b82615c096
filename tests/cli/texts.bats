# SPDX-License-Identifier: Apache-2.0
#
# Texts on the command line: counting lines, texts of words for traces without, arrival times for files without, published data sets.

setup() {
	cd "$BATS_TEST_TMPDIR"
	ROOT=$BATS_TEST_DIRNAME/../..
}

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

says() { # text
	grep -qF -- "$1" err || {
		printf 'not said: %s\n' "$1"
		cat err
		return 1
	}
}

# A tokenizer whose tokens are bytes, with a special one in front: what it counts can be counted here.
bytes_tokenizer() {
	python3 - <<-'EOT' >bytes.json
		import json
		itself = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
		others = [b for b in range(256) if b not in itself]
		vocab = {chr(b): b for b in itself}
		vocab.update({chr(256 + i): b for i, b in enumerate(others)})
		vocab["<s>"] = 256
		print(json.dumps({"added_tokens": [], "normalizer": None, "decoder": None,
		    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
		    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
		        "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [256], "tokens": ["<s>"]}}},
		    "model": {"type": "BPE", "vocab": vocab, "merges": []}}))
	EOT
}

vocabulary() { # name -> $V, or skips
	V=${REPRISE_VOCAB-}/$1.json
	[ -e "$V" ] || skip "no vocabularies"
}

@test "--count-only: a number a line, in order, whatever the line ends and the number of threads" {
	bytes_tokenizer
	printf 'abc\n\n\xc3\xa9\xff\r\nno newline' >lines
	ends 0 trace-convert --count-only --tokenizer bytes.json lines
	# the byte that is no UTF-8 counts as U+FFFD, three bytes; CR is part of a line
	printf '3\n0\n6\n10\n' | diff - out
	ends 0 trace-convert --count-only --special --tokenizer bytes.json lines
	printf '4\n1\n7\n11\n' | diff - out
	ends 0 trace-convert --count-only lines
	printf '1\n0\n1\n3\n' | diff - out
	seq 1 300000 | sed 's/$/ words of a line/' >many
	awk '{ print length($0) }' many >want
	for n in 0 1 3; do
		ends 0 trace-convert --count-only --tokenizer bytes.json --threads $n many lines
		{ cat want; printf '3\n0\n6\n10\n'; } | cmp - out
	done
	trace-convert --count-only --tokenizer bytes.json <many | cmp - want
	: >empty
	ends 0 trace-convert --count-only --tokenizer bytes.json empty
	[ ! -s out ]
}

@test "--count-only: what cannot be read is one line, and what came before is printed" {
	bytes_tokenizer
	ends 1 trace-convert --count-only --tokenizer bytes.json missing
	says 'missing: cannot open'
	ends 3 trace-convert --count-only --tokenizer "$ROOT/README.md" out
	says 'neither a tokenizer.json nor a tiktoken file'
	echo '{"model":{"type":"Other","vocab":{"a":0}}}' >other.json
	ends 3 trace-convert --count-only --tokenizer other.json out
	says 'model: Other is not supported'
	ends 2 trace-convert --special out
	says 'goes with --count-only'
	{ echo first; head -c 70000000 /dev/zero | tr '\0' x; } >long
	ends 3 trace-convert --count-only --threads 0 --tokenizer bytes.json long
	says 'long:2: a line of more than 64 MiB'
	[ "$(cat out)" = 5 ]
}

@test "--text words: as many words as the trace has tokens, and shared blocks are shared words" {
	{
		echo id,arrival_ns,in_tokens,out_tokens,block_size,blocks
		echo '0,0,40,3,16,7 8'
		echo '1,5,35,1,16,7 8'
		echo '2,6,20,2,16,7 9'
		echo '3,7,4,0,,'
	} >t.csv
	ends 0 trace-convert --text words -f sharegpt t.csv
	cp out talks.json
	python3 - <<-'EOT'
		import json
		talks = [t["conversations"] for t in json.load(open("talks.json"))]
		assert [len(t[0]["value"].split()) for t in talks] == [40, 35, 20, 4], talks
		assert [len(t[1]["value"].split()) for t in talks] == [3, 1, 2, 0], talks
		w = [t[0]["value"].split() for t in talks]
		assert w[0][:32] == w[1][:32] and w[0][32:35] != w[1][32:35]
		assert w[0][:16] == w[2][:16] and w[0][16:20] != w[2][16:20]
	EOT
	ends 0 trace-convert --text words -f sharegpt t.csv
	cmp out talks.json
	ends 0 trace-convert --text words --seed 2 -f sharegpt t.csv
	! cmp -s out talks.json
	# texts of its own are not replaced
	ends 2 trace-convert --text words -f jsonl talks.json
	says 'texts of its own'
}

@test "--text words: turns of a session go on from one another" {
	{
		echo id,session,turn,parent,arrival_ns,in_tokens,out_tokens
		echo 0,a,1,,0,10,4
		echo 1,a,2,0,1,20,5
		echo 2,a,3,1,2,24,1
		echo 3,b,1,,3,7,2
	} >t.csv
	ends 0 trace-convert --text words -f sharegpt t.csv
	says '1 turns are not longer'
	python3 -c '
import json
t = json.load(open("out"))
assert [x["id"] for x in t] == ["a", "b"]
assert [len(m["value"].split()) for m in t[0]["conversations"]] == [10, 4, 6, 5, 1, 1], t'
}

@test "--text words --tokenizer: counted again by that vocabulary, each text has exactly its length" {
	vocabulary qwen3
	ends 0 trace-synth --arrivals poisson:50/s --input uniform:1..200 --output uniform:1..50 --requests 300 --text words --tokenizer "$V" -f jsonl
	python3 - <<-'EOT' >lines
		import json
		rows = [json.loads(x) for x in open("out")]
		rows = [r for r in rows if "id" in r]
		open("want", "w").write("".join("%d\n%d\n" % (r["in_tokens"], r["out_tokens"]) for r in rows))
		for r in rows:
		    print(r["payload"])
		    print(r["answer"])
	EOT
	trace-convert --count-only --tokenizer "$V" lines | diff - want
	grep -o '"tokenizer_sha256":"[0-9a-f]*"' out | grep -q "$(sha256sum <"$V" | cut -c1-64)"
}

@test "a vocabulary that has too few of the words is refused" {
	bytes_tokenizer
	ends 3 trace-convert --text words --tokenizer bytes.json -F csv - <<<$'in_tokens,out_tokens\n3,1'
	says 'of the portable words are one token'
}

@test "--arrivals: sessions begin by the law, turns follow after the time to think" {
	cat >t.json <<-'EOT'
		[{"id":"a","conversations":[{"from":"human","value":"1"},{"from":"gpt","value":"2"},{"from":"human","value":"3"},{"from":"gpt","value":"4"}]},
		 {"id":"b","conversations":[{"from":"human","value":"1"},{"from":"gpt","value":"2"}]}]
	EOT
	ends 0 trace-convert --no-payload --arrivals constant:2/s t.json -f csv --columns id,session,arrival_ns,think_ns
	printf 'id,session,arrival_ns,think_ns\n0,a,0,\n1,a,,\n2,b,500000000,\n' | tr -d '\r' >want
	tr -d '\r' <out | diff - want
	ends 0 trace-convert --no-payload --arrivals constant:2/s --think 3s t.json -f csv --columns id,arrival_ns,think_ns
	tr -d '\r' <out | sed -n 3p | grep -qx '1,3000000000,3000000000'
	ends 0 trace-convert --no-payload --arrivals poisson:2/s --think exponential:1s --seed 4 t.json -o one.trb
	ends 0 trace-convert --no-payload --arrivals poisson:2/s --think exponential:1s --seed 4 t.json -o two.trb
	[ "$(trace-convert -f jsonl one.trb | tail -n 1 | grep -o '"content":"[^"]*"')" = "$(trace-convert -f jsonl two.trb | tail -n 1 | grep -o '"content":"[^"]*"')" ]
	trace-convert -f jsonl one.trb | head -n 1 | grep -q '"seed":4'
	ends 2 trace-convert --arrivals constant:2/s one.trb -f jsonl
	says 'arrival times of its own'
	ends 2 trace-convert --think 3s t.json
	says 'goes with --arrivals'
	ends 2 trace-convert --arrivals sometimes:2/s t.json
	says '--arrivals'
}

@test "--verify-dataset: our samples agree, a byte more does not, other names are refused" {
	for name in azure-llm-2023 azure-llm-2024 azure-lmm-2025 sharegpt; do
		ends 0 trace-convert --verify-dataset $name "$ROOT"/datasets/$name/sample.*
		grep -q 'the SHA-256 agrees' out
		cp "$ROOT"/datasets/$name/sample.* sample
		printf '\n' >>sample
		ends 4 trace-convert --verify-dataset $name sample
		grep -q '^sha256: ' out
		grep -q "^sample: not $name, " out
	done
	sed 's/,17\r$/,18\r/' "$ROOT/datasets/azure-llm-2023/sample.csv" >sample.csv
	ends 4 trace-convert --verify-dataset azure-llm-2023 sample.csv
	grep -q '^out_tokens: ' out
	ends 2 trace-convert --verify-dataset azure sample.csv
	says 'there are azure-llm-2023, azure-llm-2024, azure-lmm-2025, sharegpt'
	ends 1 trace-convert --verify-dataset sharegpt missing
	[ -z "${REPRISE_DATA-}" ] || ends 0 trace-convert --verify-dataset azure-llm-2023 "$REPRISE_DATA/azure-llm-2023/AzureLLMInferenceTrace_code.csv"
}

@test "--peer-filter counts tokens, and says so" {
	ends 2 trace-convert --peer-filter vllm "$ROOT/datasets/sharegpt/sample.json"
	says 'needs --tokenizer'
}
