/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_MEMBERS_H
#define FORMATS_MEMBERS_H

#include "libtrace/json.h"

/* The value of a member of a JSON object, as it stands; p NULL: there is none, or it is no object. */
static inline struct tr_slice member_of(struct tr_slice object, const char *key)
{
	struct tr_json j;
	struct tr_slice raw;
	tr_json_init(&j, object.p, object.n);
	if (!object.n || tr_json_next(&j) != TR_JSON_OBJECT)
		return (struct tr_slice){0};
	while (tr_json_next(&j) == TR_JSON_KEY) {
		int found = tr_slice_eq(j.s, key);
		if (tr_json_skip(&j, TR_JSON_KEY, &raw) < 0)
			break;
		if (found)
			return raw;
	}
	return (struct tr_slice){0};
}

#endif
