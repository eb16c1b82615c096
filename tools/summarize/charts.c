/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts of block characters: lengths in bins that double, side by side, and the rate over time.
 */
#include "tools/report.h"
#include "tools/summarize/results.h"
#include <stdio.h>
#include <string.h>

enum { BINS = 128, ROWS = 16, BAR = 22, COLUMNS = 72, HEIGHT = 3, FEW = 10, GLYPH = 4 };

/* --- histograms ------------------------------------------------------------------------------ */

struct chart {
	unsigned rows;
	uint64_t low[ROWS], count[ROWS]; /* a row begins at low */
	uint64_t most;
};

/* Lengths: 0, 1, 2-3, 4-7, ... */
static unsigned doubling(uint64_t *edges)
{
	edges[0] = 0;
	for (unsigned i = 0; i < 64; i++)
		edges[i + 1] = UINT64_C(1) << i;
	return 65;
}

/* Times: round ones, from 1 us. */
static unsigned decades(uint64_t *edges)
{
	static const unsigned tenths[] = {10, 15, 20, 30, 50, 70};
	enum { STEPS = sizeof(tenths) / sizeof(tenths[0]) };
	unsigned n = 1;
	edges[0] = 0;
	for (uint64_t unit = 100; unit < UINT64_C(100000000000000000); unit *= 10)
		for (unsigned i = 0; i < STEPS; i++)
			edges[n++] = unit * tenths[i];
	return n;
}

/* From the first bin used to the last, as many to a row as needed. */
static struct chart bin(const struct tr_dist *d, unsigned (*make)(uint64_t *edges))
{
	struct chart l = {0};
	uint64_t edges[BINS + 1], counts[BINS];
	unsigned bins = make(edges) - 1, first = BINS, last = 0;
	tr_dist_bins(d, edges, bins + 1, counts);
	for (unsigned i = 0; i < bins; i++) {
		if (counts[i] == 0)
			continue;
		first = i < first ? i : first;
		last = i;
	}
	if (first == BINS)
		return l;
	unsigned each = (last - first) / ROWS + 1;
	l.rows = (last - first) / each + 1;
	for (unsigned i = first; i <= last; i++)
		l.count[(i - first) / each] += counts[i];
	for (unsigned i = 0; i < l.rows; i++) {
		l.low[i] = edges[first + i * each];
		l.most = l.count[i] > l.most ? l.count[i] : l.most;
	}
	return l;
}

/* v/most * BAR characters, in eighths; something is shown of whatever is not zero. */
static void print_bar(uint64_t v, uint64_t most)
{
	static const char part[][GLYPH] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned eighths = (unsigned)((unsigned __int128)v * (BAR * 8) / most);
	eighths += v > 0 && eighths == 0;
	for (unsigned i = 0; i < BAR; i++, eighths -= eighths < 8 ? eighths : 8)
		fputs(eighths >= 8 ? "█" : part[eighths], stdout);
}

static void print_row(const struct chart *l, unsigned row, int last, char *(*name)(double v, char *out))
{
	char text[REP_TEXT];
	if (row >= l->rows) {
		printf("%*s", last ? 0 : 6 + 1 + BAR + 1 + 6, "");
		return;
	}
	printf("%6s ", name((double)l->low[row], text));
	print_bar(l->count[row], l->most);
	printf(last ? " %s" : " %-6s", rep_short((double)l->count[row], text));
}

/* Two of them side by side. */
static void print_pair(const struct chart *a, const struct chart *b, char *(*name)(double v, char *out))
{
	for (unsigned i = 0; i < a->rows || i < b->rows; i++) {
		print_row(a, i, i >= b->rows, name);
		fputs(i < b->rows ? "   " : "", stdout);
		print_row(b, i, 1, name);
		putchar('\n');
	}
}

void sum_chart_lengths(const struct sum *s, const char *strong, const char *plain)
{
	struct chart in = bin(s->all.d[SUM_IN], doubling), out = bin(s->all.d[SUM_OUT], doubling);
	if (in.rows + out.rows == 0)
		return;
	printf("\n%s%-39s%s%s\n", strong, in.rows ? "input tokens, from" : "",
	       out.rows ? "output tokens, from" : "", plain);
	print_pair(&in, &out, rep_short);
}

void sum_chart_latencies(const struct sum *s, const char *strong, const char *plain)
{
	struct chart ttft = bin(s->results->d[SUM_TTFT], decades), e2e = bin(s->results->d[SUM_E2E], decades);
	if (ttft.rows + e2e.rows == 0)
		return;
	printf("\n%s%-39s%s%s\n", strong, ttft.rows ? "TTFT, from" : "", e2e.rows ? "E2E, from" : "", plain);
	print_pair(&ttft, &e2e, rep_short_ns);
}

/* --- rate ------------------------------------------------------------------------------------ */

void sum_chart_rate(const struct sum *s, const char *strong, const char *plain)
{
	static const char glyphs[][GLYPH] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	const struct sum_arrivals *a = &s->arrivals;
	double rate[COLUMNS] = {0}, peak = 0, width = (double)(UINT64_C(1) << a->shift);
	char each[REP_TEXT], top[REP_TEXT];
	uint64_t span = (uint64_t)s->all.before - (uint64_t)a->origin;
	if (a->placed < FEW || span == 0)
		return;
	unsigned used = (unsigned)(span >> a->shift) + 1, columns = used < COLUMNS ? used : COLUMNS;
	columns = a->placed < columns ? (unsigned)a->placed : columns;
	for (unsigned c = 0; c < columns; c++) {
		unsigned from = c * used / columns, to = (c + 1) * used / columns;
		for (unsigned i = from; i < to; i++)
			rate[c] += (double)a->bins[i];
		rate[c] /= (to - from) * width / 1e9;
		peak = rate[c] > peak ? rate[c] : peak;
	}
	printf("\n%srate over time%s, %s a column, highest %s/s\n", strong, plain,
	       rep_short_ns(used * width / columns, each), rep_short(peak, top));
	for (unsigned row = HEIGHT; row-- > 0;) {
		printf("  %s", row == HEIGHT - 1 ? "┌" : "│");
		for (unsigned c = 0; c < columns; c++) {
			unsigned level = (unsigned)(rate[c] / peak * HEIGHT * 8);
			level += rate[c] > 0 && level == 0;
			level -= level < row * 8 ? level : row * 8;
			fputs(glyphs[level < 8 ? level : 8], stdout);
		}
		putchar('\n');
	}
}
