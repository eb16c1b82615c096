# SPDX-License-Identifier: Apache-2.0
#
# awk -f scripts/words-table.awk words.tsv: the C tables of tools/words.h, from the list of portable words.

function fail(what) {
	print FILENAME ":" FNR ": " what ": \"" $0 "\"" > "/dev/stderr"
	failed = 1
	exit 1
}

# Writes the numbers of v[0..n-1], twenty a line.
function numbers(v, n,    i) {
	for (i = 0; i < n; i++)
		printf "%s%d,", i % 20 ? " " : "\n\t", v[i]
	print "\n};"
}

# The slot where tools/words.c begins to look; every step stays below 2^53, so it is exact in any awk.
function slot_of(word,    i, h) {
	h = 0
	for (i = 1; i <= length(word); i++)
		h = (h * 31 + index("abcdefghijklmnopqrstuvwxyz", substr(word, i, 1))) % 4294967296
	return h % SLOTS
}

BEGIN {
	FS = "\t"
	SLOTS = 32768 # WORDS_SLOTS
	n = firsts = 0
	for (s = 0; s < SLOTS; s++)
		slot[s] = 0
}
/^#/ { next }
$1 !~ /^[a-z][a-z]+$/ || length($1) > 12 || $2 !~ /^[01]$/ || NF != 2 { fail("not a word and 0 or 1") }
n && $1 "" <= word[n - 1] "" { fail("not in ascending order") }
{
	word[n] = $1
	if ($2)
		first[firsts++] = n
	s = slot_of($1)
	while (slot[s])
		s = (s + 1) % SLOTS
	slot[s] = ++n
	if (n > SLOTS / 2)
		fail("more words than the table is made for")
}
END {
	if (failed)
		exit 1
	print "/* SPDX-License-Identifier: Apache-2.0 */"
	print "/* Made from the list of portable words by scripts/words-table.awk. */"
	print "#include \"tools/words.h\"\n"
	print "const uint32_t words_count = " n + 0 ";"
	print "const struct words_entry words_all[] = {"
	for (i = 0; i < n; i++)
		printf "\t{%d, \" %s\"},\n", length(word[i]) + 1, word[i]
	print "};\n"
	print "const uint32_t words_first_count = " firsts + 0 ";"
	printf "const uint16_t words_first[] = {"
	numbers(first, firsts)
	printf "\nconst uint16_t words_slots[WORDS_SLOTS] = {"
	numbers(slot, SLOTS)
}
