/* SPDX-License-Identifier: Apache-2.0
 *
 * The characters by which byte-level vocabularies write bytes (GPT-2's bytes_to_unicode): printable Latin-1
 * stands for itself, the other 68 bytes, in order, are U+0100 and on.
 */
#include "libtrace/tokenizer/impl.h"

static int itself(unsigned char b)
{
	return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
}

uint32_t byte_char(unsigned char byte)
{
	uint32_t other = 256;
	if (itself(byte))
		return byte;
	for (unsigned b = 0; b < byte; b++)
		other += !itself((unsigned char)b);
	return other;
}

int byte_map(struct tr_slice s, struct tr_buf *b)
{
	int rc = tr_buf_reserve(b, s.n * 2);
	for (size_t i = 0; i < s.n && rc == 0; i++)
		b->n += utf8_put(byte_char((unsigned char)s.p[i]), b->p + b->n);
	return rc;
}
