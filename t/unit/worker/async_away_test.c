/*
 * Server blocks that do not answer: how long they are left alone, and what
 * brings them back.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "async_away.h"


static char          run[32];
static bool          news;
static async_away_t  away;


static int
begin(void **state)
{
    (void) state;

    strcpy(run, "/tmp/async-away-XXXXXX");
    assert_non_null(mkdtemp(run));

    return 0;
}


static int
finish(void **state)
{
    char  command[64];

    (void) state;

    async_away_clean(&away);
    snprintf(command, sizeof(command), "rm -rf %s", run);

    return system(command);
}


static int
listener(uint64_t server)
{
    int                 fd;
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(struct sockaddr_un));
    sun.sun_family = AF_UNIX;
    assert_true(async_away_socket(sun.sun_path, sizeof(sun.sun_path), run,
                                  server));

    fd = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &sun, sizeof(sun)), 0);
    assert_int_equal(listen(fd, 4), 0);

    return fd;
}


static void
it_is_asked_less_and_less_often(void **state)
{
    int64_t   now, next;
    unsigned  i;

    const int64_t  delays[] = { 500, 1000, 2000, 4000, 5000, 5000 };

    (void) state;

    now = 1000;
    next = async_away_add(&away, 7, false, now, &news);

    assert_true(news);
    assert_int_equal(next, 1250);
    assert_int_equal(away.nkeys, 1);
    assert_int_equal(away.keys[0], 7);

    for (i = 0; i < 6; i++) {
        assert_false(async_away_probe(&away, run, next - 1));
        assert_int_equal(async_away_next(&away), next);

        now = next;
        assert_false(async_away_probe(&away, run, now));
        next = async_away_next(&away);
        assert_int_equal(next, now + delays[i]);
    }
}


/* all that were under way fail at once: that is one failure */

static void
many_failures_at_once_are_one(void **state)
{
    int64_t  next;

    (void) state;

    next = async_away_add(&away, 7, false, 1000, &news);

    assert_int_equal(async_away_add(&away, 7, false, 1001, &news), next);
    assert_false(news);
    assert_int_equal(away.n, 1);
}


static void
one_that_listens_is_tried(void **state)
{
    int  fd;

    (void) state;

    async_away_add(&away, 7, false, 1000, &news);
    async_away_add(&away, 8, false, 1000, &news);
    fd = listener(7);

    assert_true(async_away_probe(&away, run, 1250));
    assert_int_equal(away.nkeys, 1);
    assert_int_equal(away.keys[0], 8);

    /* it failed all the same: no news, and a longer wait */

    assert_int_equal(async_away_add(&away, 7, false, 1300, &news), 1800);
    assert_false(news);
    assert_int_equal(away.nkeys, 2);

    assert_true(async_away_probe(&away, run, 1800));
    assert_true(async_away_clear(&away, 7));
    assert_false(async_away_clear(&away, 7));
    assert_int_equal(away.n, 1);

    close(fd);
}


/* a connection says nothing about one that refuses requests */

static void
one_that_refused_is_tried_without_asking(void **state)
{
    (void) state;

    async_away_add(&away, 7, true, 1000, &news);

    assert_false(async_away_probe(&away, run, 1249));
    assert_true(async_away_probe(&away, run, 1250));
    assert_int_equal(away.nkeys, 0);
    assert_int_equal(async_away_next(&away), 0);
}


static void
there_may_be_many(void **state)
{
    uint64_t  i;

    (void) state;

    for (i = 1; i <= 100; i++) {
        async_away_add(&away, i, false, 1000, &news);
    }

    assert_int_equal(away.nkeys, 100);

    for (i = 1; i <= 100; i += 2) {
        assert_true(async_away_clear(&away, i));
    }

    assert_int_equal(away.nkeys, 50);

    for (i = 0; i < 50; i++) {
        assert_int_equal(away.keys[i] % 2, 0);
    }
}


static void
a_socket_has_its_name(void **state)
{
    char  path[108];

    (void) state;

    assert_true(async_away_socket(path, sizeof(path), "/s/run", 0xab12));
    assert_string_equal(path, "/s/run/000000000000ab12.sock");
    assert_true(async_away_socket(path, 29, "/s/run", 0xab12));
    assert_false(async_away_socket(path, 28, "/s/run", 0xab12));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
#define test(name)  cmocka_unit_test_setup_teardown(name, begin, finish)
        test(it_is_asked_less_and_less_often),
        test(many_failures_at_once_are_one),
        test(one_that_listens_is_tried),
        test(one_that_refused_is_tried_without_asking),
        test(there_may_be_many),
        test(a_socket_has_its_name)
#undef test
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
