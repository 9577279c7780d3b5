/*
 * The client of replays against a socket that this test reads itself: what is
 * written, and what an end is taken for.  Whole jobs are in
 * async_worker_test.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "async_http.h"


#define WAIT    20000      /* ms */
#define BEGUN   "HTTP/1.1 100 Continue\r\n\r\n"
#define ANSWER  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

typedef struct {
    char               path[64];
    int                listener;
    int                peer;
    async_http_t      *http;
    async_transfer_t  *transfer;
    char               body[16];      /* of the answer */
} world_t;


static world_t  world;


static long
give(void *data, char *buf, size_t len)
{
    (void) data;
    memset(buf, 'b', len);

    return (long) len;
}


static bool
take_line(void *data, const char *line, size_t len)
{
    (void) data;
    (void) line;
    (void) len;

    return true;
}


static bool
take_body(void *data, const char *buf, size_t len)
{
    (void) data;
    strncat(world.body, buf, len);

    return true;
}


static int
begin(void **state)
{
    struct sockaddr_un  addr = { .sun_family = AF_UNIX };

    (void) state;

    memset(&world, 0, sizeof(world));
    snprintf(world.path, sizeof(world.path), "/tmp/async-http-%d", getpid());
    strcpy(addr.sun_path, world.path);

    world.peer = -1;
    world.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    (void) unlink(world.path);

    assert_int_equal(bind(world.listener, (struct sockaddr *) &addr,
                          sizeof(addr)), 0);
    assert_int_equal(listen(world.listener, 8), 0);

    world.http = async_http_create();
    assert_non_null(world.http);

    return 0;
}


static int
finish(void **state)
{
    (void) state;

    async_http_destroy(world.http);
    (void) close(world.listener);
    (void) unlink(world.path);

    return 0;
}


static void
start(size_t body)
{
    static const async_http_handler_t  handler = {
        give, take_line, take_body
    };

    const async_http_header_t  headers[] = { { "X", "" }, { "Host", "h" } };

    const async_http_request_t  request = {
        .socket = world.path, .method = "PUT", .target = "/",
        .headers = headers, .nheaders = 2, .has_body = body > 0,
        .body_len = body, .handler = &handler, .data = &world
    };

    world.transfer = async_http_start(world.http, &request);
    assert_non_null(world.transfer);
}


/* what the peer has got so far; the rest of a head may yet come */

static const char *
get(size_t len)
{
    ssize_t      n;
    size_t       have;
    static char  buf[4096];

    if (world.peer == -1) {
        world.peer = accept(world.listener, NULL, NULL);
    }

    for (have = 0; have < len; have += (size_t) n) {
        n = recv(world.peer, buf + have, len - have, 0);
        assert_true(n > 0);
    }

    buf[have] = '\0';

    return buf;
}


static void
turn(void)
{
    assert_true(async_http_wait(world.http, NULL, 0, WAIT));
    assert_true(async_http_perform(world.http));
}


static void
ends(async_http_end_t expected)
{
    void              *data;
    const char        *why;
    async_http_end_t   end;
    async_transfer_t  *t;

    while ((t = async_http_ended(world.http, &data, &end, &why)) == NULL) {
        turn();
    }

    assert_ptr_equal(t, world.transfer);
    assert_ptr_equal(data, &world);
    assert_int_equal(end, expected);
    assert_non_null(why);
    assert_null(async_http_ended(world.http, &data, &end, &why));

    async_http_stop(world.http, t);

    if (world.peer != -1) {
        (void) close(world.peer);
        world.peer = -1;
    }
}


static void
begin_it(void)
{
    assert_int_equal(send(world.peer, BEGUN, sizeof(BEGUN) - 1, 0),
                     sizeof(BEGUN) - 1);
}


static void
answer(void)
{
    assert_int_equal(send(world.peer, ANSWER, sizeof(ANSWER) - 1, 0),
                     sizeof(ANSWER) - 1);
}


#define HEAD  "PUT / HTTP/1.1\r\nHost: h\r\nX:\r\n"
#define LONG  HEAD "Content-Length: 3\r\n\r\n"


static void
a_small_body_comes_with_its_head(void **state)
{
    (void) state;

    start(3);
    assert_true(async_http_written(world.transfer));
    assert_string_equal(get(sizeof(LONG) + 2), LONG "bbb");
    assert_false(async_http_reached(world.transfer));

    begin_it();
    turn();
    assert_true(async_http_reached(world.transfer));

    answer();
    ends(ASYNC_HTTP_COMPLETE);
    assert_string_equal(world.body, "ok");
}


static void
what_nginx_began_may_have_run(void **state)
{
    (void) state;

    /* without a body: what was read to its end */

    start(0);
    assert_string_equal(get(sizeof(HEAD) + 1), HEAD "\r\n");
    assert_true(async_http_reached(world.transfer));
    (void) close(world.peer);
    ends(ASYNC_HTTP_BROKEN);

    /* with one: how much was read says nothing */

    start(3);
    (void) get(1);
    begin_it();
    (void) close(world.peer);
    ends(ASYNC_HTTP_BROKEN);

    start(10000000);
    (void) get(1);
    begin_it();
    turn();
    (void) close(world.peer);
    ends(ASYNC_HTTP_BROKEN);
}


static void
what_it_did_not_begin_has_not_run(void **state)
{
    unsigned  read;

    (void) state;

    for (read = 0; read < 2; read++) {
        start(0);
        (void) get(read);
        assert_false(async_http_reached(world.transfer));
        (void) close(world.peer);
        assert_false(async_http_reached(world.transfer));
        ends(ASYNC_HTTP_UNREACHED);
    }

    for (read = 0; read < sizeof(LONG) + 3; read++) {
        start(3);
        (void) get(read);
        assert_false(async_http_reached(world.transfer));
        (void) close(world.peer);
        ends(ASYNC_HTTP_UNREACHED);
    }
}


/* the socket goes on telling */

static void
an_end_is_told_once(void **state)
{
    (void) state;

    start(3);
    (void) get(0);
    (void) close(world.peer);
    turn();
    turn();
    ends(ASYNC_HTTP_UNREACHED);
}


static void
an_early_answer_is_an_answer(void **state)
{
    (void) state;

    start(10000000);
    (void) get(1000);
    answer();
    ends(ASYNC_HTTP_COMPLETE);
}


static void
nobody_there_is_unreached(void **state)
{
    (void) state;

    assert_int_equal(unlink(world.path), 0);
    start(3);
    assert_false(async_http_written(world.transfer));
    ends(ASYNC_HTTP_UNREACHED);

    /* one that is stopped before its end is looked at leaves nothing */

    start(0);
    async_http_stop(world.http, world.transfer);
    assert_true(async_http_wait(world.http, NULL, 0, 0));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
#define test(name)  cmocka_unit_test_setup_teardown(name, begin, finish)
        test(a_small_body_comes_with_its_head),
        test(what_nginx_began_may_have_run),
        test(what_it_did_not_begin_has_not_run),
        test(an_end_is_told_once),
        test(an_early_answer_is_an_answer),
        test(nobody_there_is_unreached)
#undef test
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
