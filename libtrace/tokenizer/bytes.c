/* SPDX-License-Identifier: Apache-2.0
 *
 * The characters by which byte-level vocabularies write bytes (GPT-2's bytes_to_unicode): printable Latin-1
 * stands for itself, the other 68 bytes, in order, are U+0100 and on.
 */
#include "libtrace/tokenizer/impl.h"

uint32_t byte_char(unsigned char byte)
{
	if (byte <= 32)
		return 256u + byte;
	if (byte >= 127 && byte <= 160)
		return 256u + 33 + (byte - 127u);
	return byte == 173 ? 256u + 33 + 34 : byte;
}

int byte_map(struct tr_slice s, struct tr_buf *b)
{
	int rc = tr_buf_reserve(b, s.n * 2);
	for (size_t i = 0; i < s.n && rc == 0; i++)
		b->n += utf8_put(byte_char((unsigned char)s.p[i]), b->p + b->n);
	return rc;
}
