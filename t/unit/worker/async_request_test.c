/*
 * From the stored record of a request to the lines of its replay.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "async_message.h"
#include "async_record.h"
#include "async_request.h"


#define TOKEN  "0123456789abcdef0123456789abcdef"

static const char  replay[] =
    TOKEN " 0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11 7";

static async_id_t      id;
static uint8_t         record[16384];
static async_writer_t  w;


static int
start(void **state)
{
    (void) state;

    assert_true(async_id_parse(&id, "0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11",
                               ASYNC_ID_TEXT));
    async_writer_init(&w, record, sizeof(record), ASYNC_RECORD_REQUEST);

    return 0;
}


static void
line(const char *method, const char *target)
{
    async_write_tag(&w, ASYNC_REQUEST_METHOD, method, strlen(method));
    async_write_tag(&w, ASYNC_REQUEST_TARGET, target, strlen(target));
}


static void
header_of(const char *name, size_t name_len, const char *value,
    size_t value_len)
{
    async_write_tag_pair(&w, ASYNC_REQUEST_HEADER,
                         (async_str_t) { name, name_len },
                         (async_str_t) { value, value_len });
}


static void
header(const char *name, const char *value)
{
    header_of(name, strlen(name), value, strlen(value));
}


/* on the heap with its exact length, so that a sanitizer sees the end */

static async_rc_t
parse_bytes(async_request_t *r, size_t len)
{
    uint8_t     *copy;
    async_rc_t   rc;

    copy = malloc(len ? len : 1);
    memcpy(copy, record, len);

    rc = async_request_parse(r, copy, len, TOKEN, &id, 7);
    free(copy);

    return rc;
}


static async_rc_t
parse(async_request_t *r)
{
    size_t  len;

    len = async_writer_end(&w);
    assert_true(len > 0);

    return parse_bytes(r, len);
}


static void
is(const async_request_t *r, unsigned n, const char *name, const char *value)
{
    assert_true(n < r->nheaders);
    assert_string_equal(r->headers[n].name, name);
    assert_string_equal(r->headers[n].value, value);
}


static void
lines_stay_as_they_came_and_ours_is_last(void **state)
{
    async_request_t  r;

    (void) state;

    line("POST", "/a/../b//c?x=%20&y=\xc3\xa4");
    header("X-Two", "1");
    header("host", "example.com:8443");
    header("X-Two", "2");
    header("X-Empty", "");
    header("Content-Type", "text/plain; charset=utf-8");
    header("X-Bytes", "\x01\x80\xff");

    assert_int_equal(parse(&r), ASYNC_OK);

    assert_string_equal(r.method, "POST");
    assert_string_equal(r.target, "/a/../b//c?x=%20&y=\xc3\xa4");
    assert_int_equal(r.nheaders, 7);
    assert_int_equal(r.skipped, 0);

    is(&r, 0, "X-Two", "1");
    is(&r, 1, "host", "example.com:8443");
    is(&r, 2, "X-Two", "2");
    is(&r, 3, "X-Empty", "");
    is(&r, 4, "Content-Type", "text/plain; charset=utf-8");
    is(&r, 5, "X-Bytes", "\x01\x80\xff");
    is(&r, 6, "Async-Replay", replay);

    async_request_clean(&r);
}


static void
a_host_is_never_missing(void **state)
{
    async_request_t  r;

    (void) state;

    line("GET", "/");

    assert_int_equal(parse(&r), ASYNC_OK);
    assert_int_equal(r.nheaders, 2);
    is(&r, 0, "Host", "localhost");
    is(&r, 1, "Async-Replay", replay);

    async_request_clean(&r);
}


static void
what_would_break_the_lines_is_left_out(void **state)
{
    async_request_t  r;

    (void) state;

    line("GET", "/");
    header("Host", "h");
    header("X-CR", "a\rb");
    header("X-LF", "a\nInjected: 1");
    header_of("X-NUL", 5, "a\0b", 3);
    header("X: Y", "colon");
    header("X;", "semicolon");
    header("X\nY", "newline");
    header("", "no name");
    header("X-Fine", "1");

    assert_int_equal(parse(&r), ASYNC_OK);
    assert_int_equal(r.skipped, 7);
    assert_int_equal(r.nheaders, 3);
    is(&r, 0, "Host", "h");
    is(&r, 1, "X-Fine", "1");
    is(&r, 2, "Async-Replay", replay);

    async_request_clean(&r);
}


static void
a_clients_own_replay_line_is_left_out(void **state)
{
    async_request_t  r;

    (void) state;

    line("GET", "/");
    header("ASYNC-replay", "forged");
    header("Async-Replay-Not", "stays");
    header("Host", "h");

    assert_int_equal(parse(&r), ASYNC_OK);
    assert_int_equal(r.nheaders, 3);
    is(&r, 0, "Async-Replay-Not", "stays");
    is(&r, 2, "Async-Replay", replay);

    async_request_clean(&r);
}


static void
a_request_line_that_cannot_be_sent_is_corrupt(void **state)
{
    size_t           i;
    async_request_t  r;

    const char *const  lines[][2] = {
        { "", "/" }, { "GET", "" }, { "GE T", "/" }, { "GET\r", "/" },
        { "GET\xff", "/" }, { "GET", "/a b" }, { "GET", "/a\nb" },
        { "GET", "/\x7f" }
    };

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        start(state);
        line(lines[i][0], lines[i][1]);
        assert_int_equal(parse(&r), ASYNC_CORRUPT);
    }

    start(state);
    async_write_tag(&w, ASYNC_REQUEST_METHOD, "GET", 3);
    assert_int_equal(parse(&r), ASYNC_CORRUPT);

    start(state);
    async_write_tag(&w, ASYNC_REQUEST_TARGET, "/", 1);
    assert_int_equal(parse(&r), ASYNC_CORRUPT);

    start(state);
    line("GET", "/");
    line("GET", "/");
    assert_int_equal(parse(&r), ASYNC_CORRUPT);

    start(state);
    line("GET", "/");
    async_write_tag(&w, ASYNC_REQUEST_HEADER, "\xff", 1);
    assert_int_equal(parse(&r), ASYNC_CORRUPT);
}


static void
an_unknown_tag_is_skipped(void **state)
{
    async_request_t  r;

    (void) state;

    line("GET", "/");
    async_write_tag(&w, 999, "of a newer version", 18);
    header("Host", "h");

    assert_int_equal(parse(&r), ASYNC_OK);
    assert_int_equal(r.nheaders, 2);

    async_request_clean(&r);
}


static void
every_truncation_is_corrupt(void **state)
{
    size_t           len, full;
    async_request_t  r;

    (void) state;

    line("POST", "/x");
    header("Host", "h");
    header("X", "");

    full = async_writer_end(&w);

    for (len = 0; len < full; len++) {
        assert_int_equal(parse_bytes(&r, len), ASYNC_CORRUPT);
    }

    assert_int_equal(parse_bytes(&r, full), ASYNC_OK);
    async_request_clean(&r);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(lines_stay_as_they_came_and_ours_is_last,
                               start),
        cmocka_unit_test_setup(a_host_is_never_missing, start),
        cmocka_unit_test_setup(what_would_break_the_lines_is_left_out, start),
        cmocka_unit_test_setup(a_clients_own_replay_line_is_left_out, start),
        cmocka_unit_test_setup(a_request_line_that_cannot_be_sent_is_corrupt,
                               start),
        cmocka_unit_test_setup(an_unknown_tag_is_skipped, start),
        cmocka_unit_test_setup(every_truncation_is_corrupt, start)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
