/* SPDX-License-Identifier: Apache-2.0
 *
 * Short texts: the JSON scanner, header and trailer, numbers, stamps, laws. The first byte chooses.
 */
#include "libtrace/json.h"
#include "libtrace/law.h"
#include "libtrace/num.h"
#include "libtrace/when.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void json(struct tr_slice s)
{
	struct tr_json j;
	struct tr_buf text, quoted;
	enum tr_json_token t;
	int steps = 0;
	tr_buf_init(&text, 1 << 20);
	tr_buf_init(&quoted, 8 << 20);
	tr_json_init(&j, s.p, s.n);
	while ((t = tr_json_next(&j)) != TR_JSON_END && t != TR_JSON_ERROR) {
		if (t == TR_JSON_STRING || t == TR_JSON_KEY) {
			text.n = quoted.n = 0;
			if (tr_json_unescape(j.s, TR_JSON_BYTES, &text) == 0)
				promise(tr_json_quote(&quoted, (struct tr_slice){text.p, text.n}) == 0);
		}
		if (++steps % 3 == 0)
			tr_json_skip(&j, t, NULL);
	}
	promise(t != TR_JSON_ERROR || j.reason);
	tr_buf_free(&text);
	tr_buf_free(&quoted);
}

static void meta(struct tr_slice s)
{
	struct tr_head h = {0};
	struct tr_tail t = {0};
	struct tr_err err;
	struct tr_buf b;
	tr_err_clear(&err);
	tr_buf_init(&b, 32 << 20);
	int rc = tr_head_parse(&h, s, &err);
	check_end(rc, &err);
	if (rc == 0)
		promise(tr_head_print(&h, &b) == 0);
	rc = tr_tail_parse(&t, s, &err);
	check_end(rc, &err);
	if (rc == 0)
		promise(tr_tail_print(&t, &b) == 0);
	tr_head_free(&h);
	tr_tail_free(&t);
	tr_buf_free(&b);
}

static void numbers(struct tr_slice s)
{
	uint64_t u;
	int64_t i;
	double v;
	struct tr_ratio r;
	int exact;
	tr_num_u64(s, &u);
	tr_num_i64(s, &i);
	tr_num_double(s, &v);
	tr_num_count(s, &u);
	tr_num_duration(s, &i);
	if (!tr_num_rate(s, &r))
		promise(r.num > 0 && r.den > 0);
	if (!tr_num_ratio(s, &r))
		promise(r.num > 0 && r.den > 0);
	tr_num_decimal_ns(s, 1000000000, &i, &exact);
}

static void stamps(struct tr_slice s)
{
	struct tr_when_form form;
	int64_t ns, again;
	char text[64];
	if (tr_when_parse(s, &ns, &form))
		return;
	size_t n = tr_when_print(ns, &form, text, sizeof text);
	promise(tr_when_parse((struct tr_slice){text, n}, &again, NULL) == NULL && again == ns);
}

static void laws(struct tr_slice s)
{
	char text[256];
	struct tr_length d;
	struct tr_arrival a;
	struct tr_rng g;
	uint64_t u;
	int64_t ns, last = 0;
	if (s.n >= sizeof text)
		return;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	tr_rng_init(&g, 1, "fuzz");
	if (tr_length_parse(&d, text, NULL) == 0)
		for (int i = 0; i < 3 && tr_length_draw(&d, &g, &u, NULL) == 0; i++)
			promise(u >= d.lo && u <= d.hi);
	if (tr_arrival_parse(&a, text, NULL) == 0)
		for (int i = 0; i < 3 && tr_arrival_next(&a, &g, &ns, NULL) == 0; i++, last = ns)
			promise(ns >= last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const what[])(struct tr_slice) = {json, meta, numbers, stamps, laws};
	if (size)
		what[data[0] % 5]((struct tr_slice){(const char *)data + 1, size - 1});
	return 0;
}
