#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tests/portable.sh BUILD: the same seed gives the same records whatever compiler, optimisation, instruction
# set or byte order the tools were built for, and each build reads what the others wrote. Builds the tools
# in several ways into BUILD/portable, also for other machines, whose programs run under qemu with libraries
# fetched by a private apt, so that nothing foreign is installed. What cannot be had here is passed over,
# saying why. Prints TAP.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1/portable"
top=$(cd "$1/portable" && pwd)
export LC_ALL=C.UTF-8
unset MAKEFLAGS MAKELEVEL MFLAGS REPRISE_FULL

# name, command that must run for it, compiler, flags
native='
gcc-O0      gcc    gcc    -O0
gcc-O2      gcc    gcc    -O2
gcc-native  gcc    gcc    -O3 -march=native
clang-O0    clang  clang  -O0
clang-O2    clang  clang  -O2
'
# name, what Debian calls the machine, what compilers call it, what qemu calls it, flags. s390x is
# big-endian; both have fused multiplication, and char without a sign.
foreign='
s390x    s390x  s390x-linux-gnu    s390x    -O2
aarch64  arm64  aarch64-linux-gnu  aarch64  -O2
'
libraries=(libzstd-dev zlib1g-dev libssl-dev libcsv-dev libcjson-dev libpcre2-dev libutf8proc-dev libcmocka-dev)
tools=(trace-synth trace-convert)
units=(test_stream test_ints test_json test_num test_rng test_dist)

# What is drawn: name, arrivals, input lengths, output lengths, other options. In ordinary traces a draw's
# last bit hardly ever moves a whole nanosecond or token; in `bits` gaps and lengths are so large that it
# does.
traces='
laws      poisson:20/s    uniform:100..2000 normal:200,80 --requests 50k --seed 7
bits      poisson:0.03/h  normal:4e13,1e13,1,90000000000000 normal:0,2e13,1,90000000000000 --requests 50k
wide      poisson:7/h     fixed:1 uniform:0..99999999999999 --requests 20k --seed 18446744073709551615
constant  constant:7/s    fixed:512 fixed:128 --duration 1h
'
sample=$PWD/datasets/azure-llm-2023/sample.csv

n=0 failed=0
ok() {
	n=$((n + 1))
	echo "ok $n - $1"
}
not_ok() { # name, file with what was said
	n=$((n + 1))
	failed=1
	echo "not ok $n - $1"
	tail -n 20 "$2" | sed 's/^/# /'
}
check() { # name, command...: its output is shown when it fails
	local name=$1
	shift
	if "$@" >"$top/log" 2>&1; then ok "$name"; else not_ok "$name" "$top/log"; fi
}
skip() { # name, why
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# --- building ---------------------------------------------------------------------------------------------

variants=()
declare -A runner

build() { # name, how to run it, variables of make...
	local name=$1 dir=$top/$1 run=$2
	shift 2
	# Warnings belong to the plain builds: other levels and compilers have false ones.
	if make -s O="$dir" SAN= WERROR= "$@" "${tools[@]/#/$dir/bin/}" >"$top/log" 2>&1; then
		variants+=("$name")
		runner[$name]=$run
		ok "$name: builds"
	else
		not_ok "$name: builds" "$top/log"
	fi
}

# A folder that holds the libraries and headers of another machine, by apt's own resolution, from the
# sources of this system, with lists and a cache that belong to the folder.
sysroot() { # Debian's name of the machine, folder
	local dir=$2 deb link
	[[ ! -e $dir/complete ]] || return 0
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
	: >"$dir/apt/status"
	local apt=(apt-get -qq -y -o APT::Architecture="$1" -o APT::Architectures="$1" -o APT::Sandbox::User=root
		-o Dir::State="$dir/apt" -o Dir::State::lists=lists -o Dir::State::status="$dir/apt/status"
		-o Dir::Cache="$dir/apt/cache" -o Acquire::Languages=none -o Acquire::Retries=2 -o Debug::NoLocking=true
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
	"${apt[@]}" update || true # a source that lacks the machine may be one that is not needed
	"${apt[@]}" --no-install-recommends --download-only install "${libraries[@]}" || return
	for deb in "$dir"/apt/cache/archives/*.deb; do
		dpkg -x "$deb" "$dir" || return
	done
	# Links from the root of that machine are to stay inside the folder.
	while read -r link; do
		ln -sfn "$dir$(readlink "$link")" "$link" || return
	done < <(find "$dir" -type l -lname '/*')
	rm -rf "$dir/apt"
	touch "$dir/complete"
}

build_foreign() { # row of the table
	local name debian triple qemu flags root command
	read -r name debian triple qemu flags <<<"$1"
	root=$top/sysroot-$debian
	for command in "$triple-gcc" "qemu-$qemu" apt-get dpkg; do
		if ! command -v "$command" >/dev/null; then
			skip "$name: builds" "no $command here"
			return
		fi
	done
	if ! sysroot "$debian" "$root" >"$top/log" 2>&1; then
		skip "$name: builds" "its libraries cannot be fetched: $(grep '^[EW]:' "$top/log" | head -n 1)"
		return
	fi
	build "$name" "timeout 300 qemu-$qemu -L $root" \
		CC="$triple-gcc --sysroot=$root" AR="$triple-ar" CFLAGS="$flags"
}

while read -r name command compiler flags; do
	[[ -n $name ]] || continue
	# shellcheck disable=SC2086
	if ! command -v "$command" >/dev/null; then
		skip "$name: builds" "no $command here"
	elif ! $compiler $flags -x c -E /dev/null >/dev/null 2>&1; then
		skip "$name: builds" "$compiler does not know $flags"
	else
		build "$name" 'timeout 300' CC="$compiler" CFLAGS="$flags"
	fi
done <<<"$native"
while read -r row; do
	[[ -z $row ]] || build_foreign "$row"
done <<<"$foreign"

# --- the same records -------------------------------------------------------------------------------------

run() { # variant, program, arguments...
	local variant=$1 program=$2
	shift 2
	# shellcheck disable=SC2086
	${runner[$variant]} "$top/$variant/$program" "$@"
}

content() { # JSONL -> the hash of its records
	sed -n '$s/.*"content":"\([0-9a-f]\{16\}\)".*/\1/p' "$1"
}

# A trace of every field that libtrace/rec.h lists, with values of all sizes: what no law draws. It has no
# trailer, so that its hash is for the tools to find; they read it and end with status 3.
write_fields() {
	python3 - <<-'END'
		import json, random, re
		rng = random.Random(1)
		words = [""] + ["".join(rng.choices('ab"\\\n/ é€😀', k=1 + i)) for i in range(40)]
		make = {
		    "U64": lambda: rng.getrandbits(rng.randrange(65)),
		    "I64": lambda: rng.getrandbits(rng.randrange(64)) * rng.choice([1, -1]),
		    "F64": lambda: rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300),
		    "STR": lambda: rng.choice(words),
		    "LIST": lambda: [rng.getrandbits(rng.randrange(65)) for _ in range(rng.randrange(20))],
		}
		def some(what):
		    table = re.search(r"#define TR_%s_FIELDS\(X\)(.*?)\n\n" % what, text, re.S)[1]
		    fields = re.findall(r"X\(\d+, (\w+), [\w ]+, ([A-Z0-9]+),", table)
		    return {name: make[kind]() for name, kind in fields if rng.random() < 0.5}
		text = open("libtrace/rec.h", encoding="utf-8").read()
		print('{"trace":{"version":1}}')
		for i in range(2000):
		    record = some("REC") | {"id": i, "in_tokens": i << 20, "out_tokens": i}
		    for line in record, {"series": some("SERIES")}, {"event": some("EVENT")}:
		        print(json.dumps(line, ensure_ascii=False))
	END
}

# In a folder of the variant's own, so that the names that traces tell of their making are the same.
write_traces() ( # variant
	local name arrivals input output others options
	rm -rf "$top/$1/traces"
	mkdir -p "$top/$1/traces"
	cd "$top/$1/traces"
	while read -r name arrivals input output others; do
		[[ -n $name ]] || continue
		read -ra options <<<"--arrivals $arrivals --input $input --output $output $others"
		run "$1" bin/trace-synth "${options[@]}" -f jsonl >"$name.jsonl" || return
		run "$1" bin/trace-synth "${options[@]}" -o "$name.trb" || return
	done <<<"$traces"
	cp "$sample" sample.csv
	cp "$top/made.jsonl" .
	run "$1" bin/trace-convert made.jsonl -f jsonl >fields.jsonl || (($? == 3)) || return
	run "$1" bin/trace-convert made.jsonl -o fields.trb || (($? == 3)) || return
	run "$1" bin/trace-convert sample.csv -o sample.trb || return
	run "$1" bin/trace-convert sample.trb -o sample.jsonl || return
	run "$1" bin/trace-convert sample.jsonl -f azure -o back.csv
)

same_hash() { # trace, variant, reference
	local got want
	got=$(content "$top/$2/traces/$1.jsonl")
	want=$(content "$top/$3/traces/$1.jsonl")
	[[ -n $want && $got == "$want" ]] || {
		echo "content ${got:-unknown}; of $3: ${want:-unknown}"
		return 1
	}
}

read_all() ( # reader: each writer's file has the records, and the JSONL, that the writer gave as JSONL
	local writer trace got want
	for writer in "${writers[@]}"; do
		for trace in "${names[@]}"; do
			cd "$top/$writer/traces"
			run "$1" bin/trace-convert "$trace.trb" -f jsonl >"$top/read.jsonl" || return
			got=$(content "$top/read.jsonl")
			want=$(content "$trace.jsonl")
			[[ -n $want && $got == "$want" ]] || {
				echo "$trace.trb of $writer: content ${got:-unknown}, written as ${want:-unknown}"
				return 1
			}
			# The records themselves; the first line tells of the conversion.
			cmp <(tail -n +2 "$top/read.jsonl") <(tail -n +2 "$trace.jsonl") || return
		done
	done
)

PYTHONIOENCODING=utf-8 write_fields >"$top/made.jsonl"
names=(sample fields)
while read -r name _; do
	[[ -z $name ]] || names+=("$name")
done <<<"$traces"

writers=() # the builds that the rest is about
for variant in "${variants[@]}"; do
	if write_traces "$variant" >"$top/log" 2>&1; then
		ok "$variant: writes traces"
		writers+=("$variant")
	else
		not_ok "$variant: writes traces" "$top/log"
	fi
done
first=${writers[0]-}
for variant in "${writers[@]}"; do
	check "$variant: Azure to binary to JSONL to Azure gives the sample's bytes" \
		cmp "$sample" "$top/$variant/traces/back.csv"
	[[ $variant != "$first" ]] || continue
	for name in "${names[@]}"; do
		check "$variant: $name: the content hash of $first" same_hash "$name" "$variant" "$first"
		check "$variant: $name: the JSONL of $first" cmp "$top"/{"$first","$variant"}/traces/"$name.jsonl"
		# Not promised, since another release of zstd may pack otherwise.
		cmp -s "$top"/{"$first","$variant"}/traces/"$name.trb" ||
			echo "# $variant: $name: the bytes of the binary form differ from those of $first"
	done
done
if [[ -n $first ]]; then
	for name in "${names[@]}"; do
		echo "# $name: content $(content "$top/$first/traces/$name.jsonl") by $first;" \
			"$(cd "$top" && sha256sum "${writers[@]/%//traces/$name.trb}" | cut -d ' ' -f 1 | sort -u | wc -l)" \
			"spelling(s) of the binary form by ${#writers[@]} builds"
	done
fi
for variant in "${writers[@]}"; do
	check "$variant: reads what every build wrote" read_all "$variant"
done
((${#variants[@]} > 1)) || skip 'equal records' "nothing to compare with"

# --- unit tests on the other machines ---------------------------------------------------------------------

while read -r name debian triple _ flags; do
	[[ -n ${runner[${name:-none}]-} ]] || continue
	dir=$top/$name
	root=$top/sysroot-$debian
	for unit in "${units[@]}"; do
		if make -s O="$dir" SAN= WERROR= CC="$triple-gcc --sysroot=$root" AR="$triple-ar" \
			CFLAGS="$flags" "$dir/tests/unit/$unit" >"$top/log" 2>&1; then
			check "$name: $unit" run "$name" "tests/unit/$unit"
		elif grep -q 'internal compiler error' "$top/log"; then
			skip "$name: $unit" "internal error of $triple-gcc"
		else
			not_ok "$name: $unit builds" "$top/log"
		fi
	done
done <<<"$foreign"

echo "1..$n"
exit $failed
