/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and meanings of the outcomes, off the one table.
 */
#include "tools/replay/outcome.h"

static const struct {
	const char *name, *text;
} table[] = {
#define OUTCOME_X(code, name, text) [code] = {name, text},
    OUTCOMES(OUTCOME_X)
#undef OUTCOME_X
};

const char *outcome_name(enum outcome o)
{
	return (unsigned)o < OUTCOME_COUNT ? table[o].name : "unknown";
}

const char *outcome_text(enum outcome o)
{
	return (unsigned)o < OUTCOME_COUNT ? table[o].text : "not an outcome";
}
