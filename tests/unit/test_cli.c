/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser of the command line, from one table with an option of every type. Errors end the process, so
 * they are looked at in a child.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libtrace/num.h"
#include "libtrace/near.h"
#include "tools/cli.h"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	int flag, choice;
	const char *string, *key;
	uint64_t count, skip;
	int64_t time;
	struct tr_ratio ratio;
	const struct tr_format *format;
	struct cli_list list;
} got;

static struct cli_option options[] = {
    {"flag", 'g', CLI_FLAG, &got.flag, NULL, "A flag.", NULL, 1},
    {"string", 's', CLI_STRING, &got.string, "TEXT", "A string.", NULL, 0},
    {"api-key", 'k', CLI_STRING, &got.key, "KEY", "A secret.", NULL, 0},
    {"max-tokens", 'n', CLI_U64, &got.count, "N", "A count.", NULL, 0},
    {"skip-bad", 0, CLI_SKIP_BAD, &got.skip, "N", "Optional count.", NULL, 0},
    {"time", 't', CLI_DURATION, &got.time, "TIME", "A duration.", NULL, 0},
    {"speed", 0, CLI_RATIO, &got.ratio, "X", "A ratio.", NULL, 0},
    {"format", 'f', CLI_FORMAT, &got.format, "NAME", "A format.", NULL, 0},
    {"method", 'm', CLI_CHOICE, &got.choice, "METHOD", "A choice.", "nearest|linear", 0},
    {"where", 'w', CLI_LIST, &got.list, "EXPR", "A list.", NULL, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, NULL, 0},
};
static const struct cli_tool tool = {"trace-x", "[options] [file...]", "A tool.", NULL, options, 2};

enum { ARGS = 80 };

static struct cli_args parse(const char *const *argv)
{
	static struct cli_args args;
	char *copy[ARGS];
	int argc = 0;
	memset(&got, 0, sizeof got);
	for (; argv[argc] && argc < ARGS - 1; argc++)
		copy[argc] = (char *)(uintptr_t)argv[argc];
	copy[argc] = NULL;
	cli_parse(&tool, argc, copy, &args);
	return args;
}
#define PARSE(...) parse((const char *const[]){"trace-x", __VA_ARGS__, NULL})

/* What a child says on standard error, and its exit status. */
static int fails(char *said, size_t size, const char *const *argv)
{
	int to[2], status;
	assert_int_equal(pipe(to), 0);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		dup2(to[1], STDERR_FILENO);
		parse(argv);
		_exit(0);
	}
	close(to[1]);
	size_t n = 0;
	ssize_t k;
	while (n < size - 1 && (k = read(to[0], said + n, size - 1 - n)) > 0)
		n += (size_t)k;
	said[n] = 0;
	close(to[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#define FAILS(message, ...)                                                                                  \
	do {                                                                                                 \
		char said_[512];                                                                             \
		assert_int_equal(                                                                            \
		    fails(said_, sizeof said_, (const char *const[]){"trace-x", __VA_ARGS__, NULL}), 2);     \
		assert_string_equal(said_, "trace-x: " message "\ntry trace-x --help\n");                    \
	} while (0)

static void every_type(void **state)
{
	(void)state;
	struct cli_args a =
	    PARSE("--flag", "--string", "one two", "--max-tokens=64Ki", "--time", "250ms", "--speed=0.25",
	          "--format", "csv", "--method=linear", "--where", "a", "-wb", "--skip-bad=7", "in");
	assert_int_equal(got.flag, 1);
	assert_string_equal(got.string, "one two");
	assert_int_equal(got.count, 65536);
	assert_int_equal(got.time, 250000000);
	assert_int_equal(got.ratio.num, 1);
	assert_int_equal(got.ratio.den, 4);
	assert_ptr_equal(got.format, tr_format_find("csv"));
	assert_non_null(got.format);
	assert_int_equal(got.choice, 1);
	assert_int_equal(got.list.n, 2);
	assert_string_equal(got.list.v[1], "b");
	assert_int_equal(got.skip, 7);
	assert_int_equal(a.nfiles, 1);
	assert_string_equal(a.files[0], "in");
}

static void short_options_bundle(void **state)
{
	(void)state;
	PARSE("-gn5", "-gs", "-");
	assert_int_equal(got.flag, 1);
	assert_int_equal(got.count, 5);
	assert_string_equal(got.string, "-");
}

static void flags_can_be_taken_back(void **state)
{
	(void)state;
	PARSE("--flag", "--no-flag");
	assert_int_equal(got.flag, 0);
	PARSE("--no-flag", "-g");
	assert_int_equal(got.flag, 1);
}

static void optional_value_needs_an_equals_sign(void **state)
{
	(void)state;
	struct cli_args a = PARSE("--skip-bad", "5");
	assert_true(got.skip == UINT64_MAX);
	assert_int_equal(a.nfiles, 1);
	assert_string_equal(a.files[0], "5");
}

static void operands_mix_with_options_until_the_dashes(void **state)
{
	(void)state;
	struct cli_args a = PARSE("-", "-g", "--", "-s");
	assert_int_equal(a.nfiles, 2);
	assert_string_equal(a.files[0], "-");
	assert_string_equal(a.files[1], "-s");
	assert_null(got.string);
}

static void line_has_no_secrets(void **state)
{
	(void)state;
	assert_string_equal(PARSE("--api-key", "hush", "--max-tokens", "5", "a").line,
	                    "--api-key *** --max-tokens 5 a");
	assert_string_equal(got.key, "hush");
	assert_string_equal(PARSE("--api-key=hush").line, "--api-key=***");
	assert_string_equal(PARSE("-gkhush").line, "-gk***");
	assert_string_equal(PARSE("-k", "").line, "-k ***");
	assert_string_equal(PARSE("-s", "it's", "").line, "-s 'it'\\''s' ''");
}

static void unknown_options_name_the_nearest(void **state)
{
	(void)state;
	FAILS("unknown option \"--fomrat\"; did you mean \"--format\"?", "--fomrat=csv");
	FAILS("unknown option \"--meth\"; did you mean \"--method\"?", "--meth", "linear");
	FAILS("unknown option \"--no-falg\"; did you mean \"--no-flag\"?", "--no-falg");
	FAILS("unknown option \"--no-string\"; did you mean \"--string\"?", "--no-string");
	FAILS("unknown option \"--xyzzy\"", "--xyzzy");
	FAILS("unknown option \"-z\"", "-gz");
	FAILS("unknown option \"--?[2J\"", "--\033[2J");
}

static void bad_values_say_which_and_why(void **state)
{
	(void)state;
	FAILS("--max-tokens: not a number: \"x\"", "-n", "x");
	FAILS("option \"--string\" needs a value: TEXT", "--string");
	FAILS("option \"--flag\" takes no value: \"1\"", "--flag=1");
	FAILS("--method: unknown word: \"liner\"; there is nearest, linear; did you mean \"linear\"?", "-m",
	      "liner");
	FAILS("one argument too many: \"c\"", "a", "b", "c");
}

static void a_list_has_an_end(void **state)
{
	(void)state;
	const char *argv[ARGS] = {"trace-x"};
	char said[512];
	for (int i = 1; i <= 64; i++)
		argv[i] = "-wa";
	parse(argv);
	assert_int_equal(got.list.n, 64);
	argv[65] = "-wlast";
	assert_int_equal(fails(said, sizeof said, argv), 2);
	assert_string_equal(said, "trace-x: --where: given too often: \"last\"\ntry trace-x --help\n");
}

static void unknown_formats_are_told_the_names(void **state)
{
	(void)state;
	char said[512];
	const char *const argv[] = {"trace-x", "-f", "csvv", NULL};
	assert_int_equal(fails(said, sizeof said, argv), 2);
	assert_non_null(strstr(said, "trace-x: --format: unknown format: \"csvv\"; there is "));
	assert_non_null(strstr(said, "jsonl"));
	assert_non_null(strstr(said, "; did you mean \"csv\"?\n"));
}

static const char *word(const void *ctx, int i)
{
	return ((const char *const *)ctx)[i];
}

static void nearest(void **state)
{
	(void)state;
	static const char *const words[] = {"output", "input-format", "format", "seed", "a", NULL};
	static const char *const pairs[][2] = {
	    {"ouptut", "output"}, {"sed", "seed"},  {"seeed", "seed"},
	    {"form", "format"},   {"FORMAT", NULL}, {"b", NULL},
	    {"", NULL},           {"zzzz", NULL},   {"input", "input-format"},
	};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		const char *found = tr_near(tr_slice_of(pairs[i][0]), word, words);
		assert_string_equal(found ? found : "none", pairs[i][1] ? pairs[i][1] : "none");
	}
	char longest[200];
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	assert_null(tr_near(tr_slice_of(longest), word, words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_type),
	    cmocka_unit_test(short_options_bundle),
	    cmocka_unit_test(flags_can_be_taken_back),
	    cmocka_unit_test(optional_value_needs_an_equals_sign),
	    cmocka_unit_test(operands_mix_with_options_until_the_dashes),
	    cmocka_unit_test(line_has_no_secrets),
	    cmocka_unit_test(unknown_options_name_the_nearest),
	    cmocka_unit_test(bad_values_say_which_and_why),
	    cmocka_unit_test(a_list_has_an_end),
	    cmocka_unit_test(unknown_formats_are_told_the_names),
	    cmocka_unit_test(nearest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
