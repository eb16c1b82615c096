#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/demo.sh BUILD: a first round of the tools: a trace is described, checked and replayed against the simulated server, and
# the report printed. Everything it writes stands in BUILD/demo; the server is ended with it.
set -euo pipefail
build=$(cd "$1" && pwd)
export PATH="$build/bin:$PATH"
rm -rf "$build/demo"
mkdir -p "$build/demo"
cp datasets/azure-llm-2023/sample.csv "$build/demo/azure.csv"
cd "$build/demo"

mkfifo listening
trace-mock --port 0 --ttft uniform:50ms..150ms --itl 10ms --slots 64 --log server.jsonl --duration 170s >listening &
mock=$!
trap 'kill $mock 2>/dev/null || true' EXIT
read -r line <listening
export URL=${line##* }

show() { # comment, command line
	printf '\n# %s\n$ %s\n' "$1" "$2"
	bash -o pipefail -c "$2"
}

show 'A log in the form of the Azure LLM traces: what is in it?' 'trace-convert azure.csv | trace-summarize'
show 'A synthetic load. The same seed gives the same trace on every machine.' \
	'trace-synth --arrivals poisson:15/s --input uniform:100..2000 --output normal:mean=60,sd=30,min=1,max=200 --duration 10m --seed 7 -o load.trb'
show 'Would anything in it spoil a replay?' 'trace-check load.trb'
show 'What would a replay of two minutes of it do, five times as fast? Nothing is sent.' \
	'trace-replay --url "$URL" --start 1m --duration 2m --speed 5 --dry-run load.trb'
show 'The same against the simulated server, and the report of what came back.' \
	'trace-replay --url "$URL" --start 1m --duration 2m --speed 5 -o run.trb load.trb; trace-summarize run.trb'
show 'Where a figure comes from.' 'trace-summarize --define ttft'
printf '\nThe files are in %s; the server wrote down what it saw in server.jsonl.\n' "$PWD"
