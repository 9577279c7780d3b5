/*
 * Where a response's lines end and which bytes are body, however the bytes
 * are cut.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "async_frame.h"


#define FINE       ASYNC_FRAME_FINE
#define RUBBISH    ASYNC_FRAME_RUBBISH
#define TOO_LARGE  ASYNC_FRAME_TOO_LARGE
#define MAX        1000

#define OK         "HTTP/1.1 200 OK\r\n"
#define CHUNKED    OK "Transfer-Encoding: chunked\r\n\r\n"
#define SIZED(n)   OK "Content-Length: " n "\r\n\r\n"

/* it ends by itself, with the connection, or too early */
#define ENDS(text, body)      { text, body, true, true, FINE, false }
#define OPEN(text, body)      { text, body, false, true, FINE, false }
#define PART(text, body)      { text, body, false, false, FINE, false }
#define FAIL(rc, text, body)  { text, body, false, false, rc, false }


typedef struct {
    char      lines[4096];
    char      body[4096];
    unsigned  refuse;       /* the call that is refused, 0 = none */
    unsigned  calls;
} taken_t;

typedef struct {
    const char        *text;
    const char        *body;
    bool               whole;      /* without an end of the connection */
    bool               closed;     /* with it */
    async_frame_rc_t   rc;
    bool               bodiless;
} row_t;


static const row_t  rows[] = {
    ENDS(SIZED("3") "abc", "abc"),
    ENDS(SIZED("0"), ""),
    ENDS(SIZED("3") "abcdef", "abc"),
    PART(SIZED("4") "abc", "abc"),
    ENDS(OK "content-length:\t3 \r\nX: y\r\n\r\nabc", "abc"),
    ENDS(OK "Content-Length: 3\nX: y\n\nabc", "abc"),
    ENDS(OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", "ab"),
    OPEN(OK "X: y\r\n\r\nabc", "abc"),
    OPEN(OK "X: y\r\n\r\n", ""),
    PART(OK "X: y\r\n", ""),
    PART("", ""),
    OPEN("HTTP/1.0 200\r\n\r\nabc", "abc"),

    /* RFC 9112, section 7.1 */

    ENDS(CHUNKED "3\r\nabc\r\n0\r\n\r\n", "abc"),
    ENDS(CHUNKED "003;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
         "abc0123456789"),
    ENDS(CHUNKED "0\r\n\r\n", ""),
    PART(CHUNKED "3\r\nabc\r\n0\r\n", "abc"),
    PART(CHUNKED "3\r\nabc\r\n", "abc"),
    PART(CHUNKED "3\r\nab", "ab"),
    ENDS(OK "Content-Length: 2\r\ntransfer-encoding: Chunked\r\n\r\n"
         "1\r\na\r\n0\r\n\r\n", "a"),

    /* RFC 9112, section 6.3 */

    ENDS("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", ""),
    ENDS("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", ""),
    { SIZED("2000"), "", true, true, FINE, true },
    ENDS("HTTP/1.1 100 Continue\r\nContent-Length: 9\r\n\r\n" SIZED("1") "a",
         "a"),
    ENDS("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
         "HTTP/1.1 204 No\r\n\r\n", ""),
    PART("HTTP/1.1 101 Switching Protocols\r\n\r\n", ""),

    FAIL(RUBBISH, "hello\r\n", ""),
    FAIL(RUBBISH, "\r\n" SIZED("0"), ""),
    FAIL(RUBBISH, "HTTP/2 200\r\n\r\n", ""),
    FAIL(RUBBISH, "HTTP/1.1 20\r\n\r\n", ""),
    FAIL(RUBBISH, "HTTP/1.1 2x0 OK\r\n\r\n", ""),
    FAIL(RUBBISH, "HTTP/1.1 099 Low\r\n\r\n", ""),
    FAIL(RUBBISH, "HTTP/1.1 2000 OK\r\n\r\n", ""),
    FAIL(RUBBISH, "HTTP/1.x 200 OK\r\n\r\n", ""),
    FAIL(RUBBISH, "HTTP/1.1 100 Continue\r\n\r\n" "X: y\r\n\r\n", ""),
    FAIL(RUBBISH, SIZED(""), ""),
    FAIL(RUBBISH, SIZED("-1"), ""),
    FAIL(RUBBISH, SIZED("1a"), ""),
    FAIL(RUBBISH, SIZED("12345678901234567890"), ""),
    FAIL(RUBBISH, OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", ""),
    FAIL(RUBBISH, OK "Transfer-Encoding: gzip, chunked\r\n\r\n", ""),
    FAIL(RUBBISH, CHUNKED "\r\n", ""),
    FAIL(RUBBISH, CHUNKED "x\r\n", ""),
    FAIL(RUBBISH, CHUNKED "1x\r\na\r\n", ""),
    FAIL(RUBBISH, CHUNKED "1\r\nab\r\n", "a"),
    FAIL(RUBBISH, CHUNKED "1000000000000000\r\n", ""),
    FAIL(TOO_LARGE, SIZED("1001"), ""),

    /* the most that nginx knows */

    FAIL(TOO_LARGE, SIZED("9223372036854775807"), "")
};


static bool
take_line(void *data, const char *line, size_t len)
{
    taken_t  *taken = data;

    assert_int_equal(line[len - 1], '\n');
    strncat(taken->lines, line, len);

    return ++taken->calls != taken->refuse;
}


static bool
take_body(void *data, const char *buf, size_t len)
{
    taken_t  *taken = data;

    assert_true(len > 0);
    strncat(taken->body, buf, len);

    return ++taken->calls != taken->refuse;
}


/* so many bytes at a time; the copy ends where the bytes do, for ASan */

static async_frame_rc_t
feed(async_frame_t *f, taken_t *taken, const char *text, size_t len,
    size_t step)
{
    char              *piece;
    size_t             n;
    async_frame_rc_t   rc;

    const async_frame_taker_t  taker = { take_line, take_body, taken };

    rc = FINE;

    for ( /* void */ ; len > 0 && rc == FINE; text += n, len -= n) {
        n = len < step ? len : step;
        piece = malloc(n);
        memcpy(piece, text, n);
        rc = async_frame_read(f, piece, n, &taker);
        free(piece);
    }

    return rc;
}


static void
a_response_is_the_same_however_it_is_cut(void **state)
{
    size_t            step, len;
    unsigned          i;
    taken_t           taken;
    const row_t      *row;
    async_frame_t     f;
    async_frame_rc_t  rc;

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        row = &rows[i];
        len = strlen(row->text);

        for (step = 1; step <= len; step++) {
            memset(&taken, 0, sizeof(taken));
            async_frame_init(&f, row->bodiless, MAX);
            rc = feed(&f, &taken, row->text, len, step);

            if (rc != row->rc || strcmp(taken.body, row->body) != 0
                || (f.phase == ASYNC_FRAME_WHOLE) != row->whole
                || async_frame_close(&f) != row->closed)
            {
                fail_msg("row %u by %zu: rc %d, phase %d, body \"%s\"", i,
                         step, rc, f.phase, taken.body);
            }

            async_frame_clean(&f);
        }
    }
}


static void
the_lines_are_those_of_heads_and_trailers(void **state)
{
    size_t         step;
    taken_t        taken;
    async_frame_t  f;

    static const char  text[] =
        "HTTP/1.1 100 Continue\r\n\r\n" CHUNKED
        "2;a\r\n\r\n\r\n0\r\nX: y\r\n\r\nHTTP";

    (void) state;

    for (step = 1; step < sizeof(text); step++) {
        memset(&taken, 0, sizeof(taken));
        async_frame_init(&f, false, MAX);

        assert_int_equal(feed(&f, &taken, text, sizeof(text) - 1, step), FINE);
        assert_string_equal(taken.lines, "HTTP/1.1 100 Continue\r\n\r\n"
                                         CHUNKED "X: y\r\n\r\n");
        assert_string_equal(taken.body, "\r\n");
        assert_int_equal(f.status, 200);

        async_frame_clean(&f);
    }
}


static void
who_takes_may_refuse(void **state)
{
    unsigned       n;
    taken_t        taken;
    async_frame_t  f;

    static const char  text[] = CHUNKED "1\r\na\r\n0\r\n\r\n";

    (void) state;

    for (n = 1; n <= 5; n++) {
        memset(&taken, 0, sizeof(taken));
        taken.refuse = n;
        async_frame_init(&f, false, MAX);

        assert_int_equal(feed(&f, &taken, text, sizeof(text) - 1, 4096),
                         ASYNC_FRAME_REFUSED);
        assert_int_equal(taken.calls, n);

        async_frame_clean(&f);
    }
}


static void
a_line_has_its_limit(void **state)
{
    char           *text;
    size_t          step;
    taken_t         taken;
    async_frame_t   f;

    (void) state;

    text = malloc(ASYNC_FRAME_LINE_MAX + 1);
    memset(text, 'x', ASYNC_FRAME_LINE_MAX + 1);

    for (step = 1000; step < ASYNC_FRAME_LINE_MAX; step += 30000) {
        memset(&taken, 0, sizeof(taken));
        async_frame_init(&f, false, MAX);

        assert_int_equal(feed(&f, &taken, text, ASYNC_FRAME_LINE_MAX, step),
                         FINE);
        assert_int_equal(feed(&f, &taken, text, 1, step), TOO_LARGE);

        async_frame_clean(&f);
    }

    free(text);
}


static bool
count(void *data, const char *buf, size_t len)
{
    size_t  *sum = data;

    (void) buf;
    *sum += len;

    return true;
}


/* nor do many chunks take memory */

static void
chunks_are_let_go(void **state)
{
    size_t         i, step, sum;
    async_frame_t  f;

    static const char           chunk[] = "1;x\r\na\r\n";
    const async_frame_taker_t   taker = { count, count, &sum };

    (void) state;

    sum = 0;
    async_frame_init(&f, false, MAX);
    assert_int_equal(async_frame_read(&f, CHUNKED, sizeof(CHUNKED) - 1,
                                      &taker),
                     FINE);
    sum = 0;

    for (i = 0; i < 100000; i++) {
        step = 1 + i % (sizeof(chunk) - 2);

        assert_int_equal(async_frame_read(&f, chunk, step, &taker), FINE);
        assert_int_equal(async_frame_read(&f, chunk + step,
                                          sizeof(chunk) - 1 - step, &taker),
                         FINE);
    }

    assert_int_equal(sum, 100000);
    assert_true(f.part_cap <= 256);
    assert_int_equal(f.part_len, 0);

    async_frame_clean(&f);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_response_is_the_same_however_it_is_cut),
        cmocka_unit_test(the_lines_are_those_of_heads_and_trailers),
        cmocka_unit_test(who_takes_may_refuse),
        cmocka_unit_test(a_line_has_its_limit),
        cmocka_unit_test(chunks_are_let_go)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
