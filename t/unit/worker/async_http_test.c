/*
 * The client of replays against a socket that this test reads itself: what is
 * written, and what an end is taken for.  Whole jobs are in
 * async_worker_test.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
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
    unsigned           calls;         /* of give() and take_body() */
    unsigned           fails;         /* the call that does, 0 = none */
    bool               greedy;        /* the peer reads while we write */
    int                send_errno;    /* of every send(), 0 = it works */
} world_t;


static world_t  world;


/* the client's, too */

ssize_t
send(int fd, const void *buf, size_t len, int flags)
{
    if (world.send_errno) {
        errno = world.send_errno;
        return -1;
    }

    return sendto(fd, buf, len, flags, NULL, 0);
}


static void
drain(void)
{
    static char  sink[256 * 1024];

    while (recv(world.peer, sink, sizeof(sink), MSG_DONTWAIT) > 0) {
        /* void */
    }
}


static long
give(void *data, char *buf, size_t len)
{
    (void) data;
    memset(buf, 'b', len);

    if (world.greedy) {
        drain();
    }

    /* it may be less than what was asked for */

    return ++world.calls == world.fails ? -1 : (long) (len + 1) / 2;
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

    return ++world.calls != world.fails;
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
start_long(size_t body, const char *value)
{
    static const async_http_handler_t  handler = {
        give, take_line, take_body
    };

    const async_http_header_t  headers[] = { { "X", value }, { "Host", "h" } };

    const async_http_request_t  request = {
        .socket = world.path, .method = "PUT", .target = "/",
        .headers = headers, .nheaders = 2, .has_body = body > 0,
        .body_len = body, .response_max = 1 << 30, .handler = &handler,
        .data = &world
    };

    world.transfer = async_http_start(world.http, &request);
    assert_non_null(world.transfer);
}


static void
start(size_t body)
{
    start_long(body, "");
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
say(const char *text)
{
    assert_int_equal(sendto(world.peer, text, strlen(text), 0, NULL, 0),
                     strlen(text));
}


static void
begin_it(void)
{
    say(BEGUN);
}


static void
answer(void)
{
    say(ANSWER);
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


/* before anyone looks at it: else every wait would end with the peer's word */

static void
an_end_hangs_up(void **state)
{
    char  c;

    (void) state;

    start(0);
    (void) get(sizeof(HEAD) + 1);
    answer();
    turn();
    assert_int_equal(recv(world.peer, &c, 1, 0), 0);
    ends(ASYNC_HTTP_COMPLETE);
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
what_was_not_written_to_its_end_has_not_run(void **state)
{
    int       len;
    char     *value, buf[4096];
    unsigned  body;

    (void) state;

    value = malloc(4000000);
    assert_non_null(value);
    memset(value, 'v', 3999999);
    value[3999999] = '\0';

    for (body = 0; body <= 3; body += 3) {
        start_long(body, value);
        (void) get(0);

        while (ioctl(world.peer, FIONREAD, &len) == 0 && len > 0) {
            assert_true(recv(world.peer, buf, sizeof(buf), 0) > 0);
        }

        assert_true(async_http_written(world.transfer));
        assert_false(async_http_reached(world.transfer));
        (void) close(world.peer);
        ends(ASYNC_HTTP_UNREACHED);
    }

    free(value);
}


/* the reset comes after the answer, and what was read stays read */

static void
a_reset_takes_no_answer_away(void **state)
{
    unsigned  body;

    (void) state;

    for (body = 0; body <= 3; body += 3) {
        start(body);
        (void) get(1);
        answer();
        (void) close(world.peer);
        world.peer = -1;
        ends(ASYNC_HTTP_COMPLETE);

        start(body);
        (void) get(1);
        say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok");
        (void) close(world.peer);
        world.peer = -1;
        ends(ASYNC_HTTP_BROKEN);
    }
}


/* others want their turn, too */

static void
a_fast_peer_does_not_keep_us(void **state)
{
    unsigned  calls;

    (void) state;

    start((size_t) 1 << 40);
    (void) get(0);
    drain();
    world.greedy = true;
    world.fails = 1000;

    do {
        calls = world.calls;
        turn();
        assert_true(world.calls < calls + 100);
    } while (world.calls < world.fails);

    ends(ASYNC_HTTP_ABORTED);
}


/* and not that nobody began, if somebody did */

static void
a_send_that_fails_is_the_end(void **state)
{
    unsigned  begun;

    (void) state;

    world.send_errno = ENOBUFS;
    start(0);
    (void) get(0);
    assert_false(async_http_written(world.transfer));
    ends(ASYNC_HTTP_UNREACHED);

    start(3);
    (void) get(0);
    ends(ASYNC_HTTP_UNREACHED);

    for (begun = 0; begun < 2; begun++) {
        world.send_errno = 0;
        start(10000000);
        (void) get(1);

        if (begun) {
            begin_it();
        }

        world.send_errno = ENOBUFS;

        drain();
        ends(begun ? ASYNC_HTTP_BROKEN : ASYNC_HTTP_UNREACHED);
    }
}


static void
an_answer_may_be_too_large_or_not_be_taken(void **state)
{
    (void) state;

    start(0);
    (void) get(sizeof(HEAD) + 1);
    say("HTTP/1.1 200 OK\r\nContent-Length: 1073741825\r\n\r\n");
    ends(ASYNC_HTTP_TOO_LARGE);

    world.fails = 1;
    start(0);
    (void) get(sizeof(HEAD) + 1);
    answer();
    ends(ASYNC_HTTP_ABORTED);
}


static void
who_has_no_room_is_unreached(void **state)
{
    int                 i, fds[64];
    struct rlimit       limit, none;
    struct sockaddr_un  addr = { .sun_family = AF_UNIX };

    (void) state;

    strcpy(addr.sun_path, world.path);

    for (i = 0; i < 64; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK, 0);

        if (connect(fds[i], (struct sockaddr *) &addr, sizeof(addr)) != 0) {
            break;
        }
    }

    assert_true(i < 64);
    assert_int_equal(errno, EAGAIN);

    start(0);
    assert_false(async_http_written(world.transfer));
    ends(ASYNC_HTTP_UNREACHED);

    while (i >= 0) {
        (void) close(fds[i--]);
    }

    /* nor have we, for a descriptor */

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    start(0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_false(async_http_written(world.transfer));
    ends(ASYNC_HTTP_UNREACHED);
}


/* the kernel had told of both */

static void
one_that_is_stopped_is_told_of_no_more(void **state)
{
    int                first;
    async_transfer_t  *t;

    (void) state;

    start(3);
    t = world.transfer;
    (void) get(sizeof(LONG) - 1);
    answer();
    first = world.peer;
    world.peer = -1;

    start(3);
    (void) get(sizeof(LONG) - 1);
    answer();

    assert_true(async_http_wait(world.http, NULL, 0, WAIT));
    async_http_stop(world.http, t);
    ends(ASYNC_HTTP_COMPLETE);
    (void) close(first);
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
        test(an_end_hangs_up),
        test(an_early_answer_is_an_answer),
        test(what_was_not_written_to_its_end_has_not_run),
        test(a_reset_takes_no_answer_away),
        test(a_fast_peer_does_not_keep_us),
        test(a_send_that_fails_is_the_end),
        test(an_answer_may_be_too_large_or_not_be_taken),
        test(who_has_no_room_is_unreached),
        test(one_that_is_stopped_is_told_of_no_more),
        test(nobody_there_is_unreached)
#undef test
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
