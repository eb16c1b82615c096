/* SPDX-License-Identifier: Apache-2.0
 *
 * What reader and writer of the Azure traces share: the style, which is how a file is spelled. It travels in
 * the head as a JSON object.
 */
#ifndef FORMATS_AZURE_H
#define FORMATS_AZURE_H

#include "formats/csvio.h"
#include "libtrace/json.h"
#include "libtrace/when.h"

#define AZURE_SECOND_NS INT64_C(1000000000)

enum azure_role { AZURE_STAMP, AZURE_IN_TOKENS, AZURE_OUT_TOKENS, AZURE_IMAGES, AZURE_EXTRA };
enum { AZURE_REQUIRED = 3 }; /* the first so many have to be there */
extern const char *const azure_columns[AZURE_EXTRA];
extern const uint32_t azure_digit_ns[10]; /* ns in the last digit of a fraction of so many digits */

struct azure_style {
	struct tr_buf header; /* as it stands, with its line end */
	struct tr_buf sep, eol;
	int bom;
	struct tr_when_form form;
	int omit_zero; /* a fraction of zero is left out, with its point */
	unsigned ncols;
	unsigned char role[CSVIO_COLS_MAX];
	struct tr_buf names; /* of the columns; name_at as in csvio */
	uint32_t name_at[CSVIO_COLS_MAX + 1];
};

void azure_style_init(struct azure_style *st);
void azure_style_free(struct azure_style *st);
/* < 0: the column is already there. */
int azure_style_add(struct azure_style *st, struct tr_slice name);
struct tr_slice azure_style_name(const struct azure_style *st, unsigned col);
int azure_style_has(const struct azure_style *st, enum azure_role r);
int azure_style_print(const struct azure_style *st, struct tr_buf *b);
int azure_style_parse(struct azure_style *st, const char *json, struct tr_err *err);
/* The token as text in b; < 0 when it is no string. */
int azure_style_text(const struct tr_json *j, enum tr_json_token t, struct tr_buf *b);

#endif
