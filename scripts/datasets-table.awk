# SPDX-License-Identifier: Apache-2.0
#
# datasets/*/manifest.json -> a C table of their texts, for trace-convert --verify-dataset.
BEGIN {
	print "/* Made by scripts/datasets-table.awk from datasets. */"
	print "#include \"tools/convert/convert.h\""
	print "const struct dataset_text dataset_texts[] = {"
}
FNR == 1 {
	if (NR > 1)
		print "    },"
	name = FILENAME
	sub(/\/manifest\.json$/, "", name)
	sub(/.*\//, "", name)
	printf "    {\"%s\",\n", name
}
{
	gsub(/\\/, "\\\\")
	gsub(/"/, "\\\"")
	printf "     \"%s\\n\"\n", $0
}
END {
	print "    },"
	print "    {0, 0},"
	print "};"
}
