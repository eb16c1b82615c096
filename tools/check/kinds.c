/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of findings, and the list of those that the user takes out of the verdict.
 */
#include "tools/check/check.h"
#include "libtrace/near.h"
#include "tools/cli.h"
#include <string.h>

const struct check_kind_info check_kinds[CHECK_NKINDS] = {
#define CHECK_X(symbol, kind, what, effect) {kind, what, effect},
    CHECK_KINDS(CHECK_X)
#undef CHECK_X
};

static const char *kind_name(const void *ctx, int i)
{
	(void)ctx;
	return i < CHECK_NKINDS ? check_kinds[i].name : NULL;
}

static int allow(struct tr_slice word, unsigned char *allowed, struct tr_err *err)
{
	for (int i = 0; i < CHECK_NKINDS; i++) {
		if (tr_slice_eq(word, check_kinds[i].name)) {
			allowed[i] = 1;
			return 0;
		}
	}
	const char *near = tr_near(word, kind_name, NULL);
	tr_fail(err, TR_EUSAGE, "--allow: no such kind of finding%s%s%s", near ? " (did you mean " : "",
	        near ? near : "", near ? "?)" : "");
	tr_err_value(err, word.p, word.n);
	return -TR_EUSAGE;
}

int check_allow(const char *list, unsigned char *allowed, struct tr_err *err)
{
	int e = 0;
	for (const char *p = list; e == 0; p++) {
		size_t n = strcspn(p, ",");
		e = allow((struct tr_slice){p, n}, allowed, err);
		p += n;
		if (!*p)
			break;
	}
	return e;
}
