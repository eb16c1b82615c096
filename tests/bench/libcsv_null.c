/* SPDX-License-Identifier: Apache-2.0
 *
 * The yardstick for CSV: libcsv over a file with callbacks that do nothing.
 */
#include <csv.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void on_cell(void *p, size_t n, void *data)
{
	(void)p;
	(void)n;
	(void)data;
}

static void on_row(int c, void *data)
{
	(void)c;
	++*(unsigned long *)data;
}

int main(int argc, char **argv)
{
	static char buffer[256 << 10];
	struct csv_parser p;
	unsigned long rows = 0;
	ssize_t n;
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	if (fd < 0 || csv_init(&p, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0)
		return 1;
	while ((n = read(fd, buffer, sizeof buffer)) > 0)
		if (csv_parse(&p, buffer, (size_t)n, on_cell, on_row, &rows) != (size_t)n)
			return 1;
	csv_fini(&p, on_cell, on_row, &rows);
	csv_free(&p);
	printf("%lu\n", rows);
	return 0;
}
