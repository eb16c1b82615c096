/* SPDX-License-Identifier: Apache-2.0
 *
 * azure_rows N: N rows in the published spelling of the Azure LLM trace of 2023 (whole microseconds in seven
 * digits, CRLF), with gaps, input and output lengths of about its sizes. Test data for benchmarks only.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t state = 88172645463325252u;

static double uniform(void)
{
	state ^= state << 13; /* xorshift64, Marsaglia 2003 */
	state ^= state >> 7;
	state ^= state << 17;
	return (double)((state >> 11) + 1) / 9007199254740994.0;
}

int main(int argc, char **argv)
{
	uint64_t n = argc == 2 ? strtoull(argv[1], NULL, 10) : 0, us = 0;
	puts("TIMESTAMP,ContextTokens,GeneratedTokens\r");
	for (uint64_t i = 0; i < n; i++) {
		us += (uint64_t)(-log(uniform()) * 36000); /* 28 a second, as the week of 2024 */
		unsigned in =
		    (unsigned)(exp(7.2 + 0.9 * sqrt(-2 * log(uniform())) * cos(6.2831853 * uniform())));
		unsigned out =
		    (unsigned)(exp(2.5 + 0.9 * sqrt(-2 * log(uniform())) * cos(6.2831853 * uniform())));
		uint64_t s = us / 1000000;
		printf("2023-11-%02u %02u:%02u:%02u.%06u0,%u,%u\r\n", (unsigned)(16 + s / 86400),
		       (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60), (unsigned)(s % 60),
		       (unsigned)(us % 1000000), 1 + in % 7437, 1 + out % 1899);
	}
	return 0;
}
