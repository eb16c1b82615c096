#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/demo.sh BUILD: a first round of the tools: a made trace, checked, described, turned into other forms and back.
# Everything it writes stands in BUILD/demo.
set -euo pipefail
build=$(cd "$1" && pwd)
export PATH="$build/bin:$PATH"
rm -rf "$build/demo"
mkdir -p "$build/demo"
cp datasets/azure-llm-2023/sample.csv "$build/demo/azure-sample.csv"
cd "$build/demo"

show() { # comment, command line
	printf '\n# %s\n$ %s\n' "$1" "$2"
	bash -o pipefail -c "$2"
}

show 'A log in the form of the Azure LLM traces: what is in it?' 'trace-convert azure-sample.csv | trace-summarize'
show 'Ten minutes of synthetic load. The same seed gives the same trace on every machine.' \
	'trace-synth --arrivals poisson:20/s --input uniform:100..2000 --output normal:mean=200,sd=80,min=1,max=800 --duration 10m --seed 7 -o load.trb'
show 'Would anything in it spoil a replay?' 'trace-check load.trb'
show 'What is in it?' 'trace-summarize load.trb'
show 'The same as JSON lines, and as a public format: the Azure traces.' \
	'trace-convert load.trb -o load.jsonl && trace-convert load.trb -f azure > azure.csv && head -n 3 load.jsonl azure.csv'
show 'A compact form: bytes of each.' 'wc -c load.trb load.jsonl azure.csv'
show 'The way back from a foreign file is exact, byte for byte.' \
	'trace-convert azure.csv -o azure.trb && trace-convert azure.trb -f azure | cmp - azure.csv && echo same bytes'
printf '\nThe files are in %s.\n' "$PWD"
