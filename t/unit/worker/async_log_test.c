/*
 * Log lines, read back from a pipe that stands for stderr.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "async_log.h"


static int   ends[2];
static int   terminal;
static char  line[4 * ASYNC_LOG_LINE];


static int
begin(void **state)
{
    (void) state;

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    terminal = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);

    return 0;
}


static int
finish(void **state)
{
    (void) state;

    dup2(terminal, STDERR_FILENO);
    close(terminal);
    close(ends[0]);
    close(ends[1]);

    return 0;
}


/* what was logged since the last call, after its time */

static const char *
logged(void)
{
    ssize_t  n;

    n = read(ends[0], line, sizeof(line) - 1);
    line[n > 0 ? n : 0] = '\0';

    return n > 25 ? line + 25 : line;
}


static void
a_line_has_time_and_level(void **state)
{
    (void) state;

    async_log_init(ASYNC_LOG_INFO);
    async_log(ASYNC_LOG_INFO, "msg=\"a b\" n=%d", 7);

    assert_string_equal(logged(), "info msg=\"a b\" n=7\n");
    assert_int_equal(line[4], '-');
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[23], 'Z');
}


static void
a_level_that_is_not_wanted_is_silent(void **state)
{
    (void) state;

    async_log_init(ASYNC_LOG_WARN);
    async_log(ASYNC_LOG_NOTICE, "no");
    async_log(ASYNC_LOG_DEBUG, "no");
    assert_string_equal(logged(), "");

    async_log(ASYNC_LOG_WARN, "yes");
    assert_string_equal(logged(), "warn yes\n");

    async_log_init(0);
    async_log(ASYNC_LOG_INFO, "yes");
    async_log(ASYNC_LOG_DEBUG, "no");
    assert_string_equal(logged(), "info yes\n");
}


static void
nobody_forges_a_line(void **state)
{
    async_log_quote_t  quote;

    (void) state;

    async_log_init(ASYNC_LOG_INFO);
    async_log(ASYNC_LOG_ERROR, "text=%s",
              async_log_quote(&quote, "a\nb\r\x1b[1m\x7f\"c\\"));

    assert_string_equal(logged(), "error text=\"a?b??[1m?\\\"c\\\\\"\n");
}


static void
a_long_line_is_cut(void **state)
{
    char               text[3 * ASYNC_LOG_LINE];
    async_log_quote_t  quote;

    (void) state;

    memset(text, '"', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    async_log_init(ASYNC_LOG_INFO);
    async_log(ASYNC_LOG_INFO, "%s", text);

    assert_true(strlen(logged()) < ASYNC_LOG_LINE);
    assert_int_equal(line[strlen(line) - 1], '\n');

    async_log_quote(&quote, text);
    assert_true(strlen(quote.text) < sizeof(quote.text));
    assert_int_equal(quote.text[strlen(quote.text) - 1], '"');
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
#define test(name)  cmocka_unit_test_setup_teardown(name, begin, finish)
        test(a_line_has_time_and_level),
        test(a_level_that_is_not_wanted_is_silent),
        test(nobody_forges_a_line),
        test(a_long_line_is_cut)
#undef test
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
