# SPDX-License-Identifier: Apache-2.0
#
# awk -f scripts/words-table.awk words.tsv: the C tables of tools/words.h, from the list of portable words.

function fail(what) {
	print FILENAME ":" FNR ": " what ": \"" $0 "\"" > "/dev/stderr"
	failed = 1
	exit 1
}

# Letters as digits of 5 bits. Halves of six letters, since awk's numbers are exact up to 2^53 alone.
function digits(letters,    i, v) {
	v = 0
	for (i = 1; i <= length(letters); i++)
		v = v * 32 + index("abcdefghijklmnopqrstuvwxyz", substr(letters, i, 1))
	return v
}

# Where tools/words.c begins to look: the upper 15 of 32 bits.
function slot_of(high, low) {
	return int((low * 2654435 + high * 3037001) % 4294967296 / 131072)
}

BEGIN {
	FS = "\t"
	SLOTS = 32768 # WORDS_SLOTS
	n = firsts = 0
}
/^#/ { next }
$1 !~ /^[a-z][a-z]+$/ || length($1) > 12 || $2 !~ /^[01]$/ || NF != 2 { fail("not a word and 0 or 1") }
n && $1 "" <= word[n - 1] "" { fail("not in ascending order") }
{
	word[n] = $1
	if ($2)
		first[firsts++] = n
	letters = length($1)
	low = digits(substr($1, letters > 6 ? letters - 5 : 1))
	high = letters > 6 ? digits(substr($1, 1, letters - 6)) : 0
	s = slot_of(high, low)
	while (s in slot)
		s = (s + 1) % SLOTS
	slot[s] = sprintf("UINT64_C(%d) << 30 | %d%s", high, low, $2 ? " | WORDS_BEGINS" : "")
	n++
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
	for (i = 0; i < firsts; i++)
		printf "%s%d,", i % 20 ? " " : "\n\t", first[i]
	print "\n};"
	print "\nconst uint64_t words_slots[WORDS_SLOTS] = {"
	for (s = 0; s < SLOTS; s++)
		if (s in slot)
			printf "\t[%d] = %s,\n", s, slot[s]
	print "};"
}
