/*
 * Hosts of webhooks: who answers gets more, who does not is probed.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "async_hosts.h"


#define NOW  1795341600000


static bool  doubt;
static int64_t  until;


static async_hosts_turn_t
ask(async_hosts_t *hosts, uint64_t host, int64_t now)
{
    return async_hosts_ask(hosts, host, now, &until, &doubt);
}


static void
one(async_hosts_t *hosts, uint64_t host, async_hosts_end_t end, int64_t now)
{
    assert_int_equal(ask(hosts, host, now), ASYNC_HOSTS_GO);
    async_hosts_ended(hosts, host, doubt, end, now);
}


static void
one_that_answers_gets_more_at_a_time(void **state)
{
    unsigned       i;
    async_hosts_t  hosts = { .hosts = NULL };

    (void) state;

    for (i = 0; i < ASYNC_HOSTS_FEW; i++) {
        assert_int_equal(ask(&hosts, 7, NOW), ASYNC_HOSTS_GO);
        assert_true(doubt);
    }

    assert_int_equal(ask(&hosts, 7, NOW), ASYNC_HOSTS_BUSY);

    for (i = 0; i < ASYNC_HOSTS_FEW; i++) {
        async_hosts_ended(&hosts, 7, true, ASYNC_HOSTS_ANSWERED, NOW);
    }

    for (i = 0; i < 10; i++) {
        one(&hosts, 7, ASYNC_HOSTS_ANSWERED, NOW);
    }

    for (i = 0; i < ASYNC_HOSTS_WINDOW; i++) {
        assert_int_equal(ask(&hosts, 7, NOW), ASYNC_HOSTS_GO);
        assert_false(doubt);
    }

    assert_int_equal(ask(&hosts, 7, NOW), ASYNC_HOSTS_BUSY);
    async_hosts_clean(&hosts);
}


static void
after_five_failures_it_is_probed(void **state)
{
    unsigned       i;
    int64_t        now;
    async_hosts_t  hosts = { .hosts = NULL };

    (void) state;

    for (i = 0; i < ASYNC_HOSTS_FAILURES; i++) {
        one(&hosts, 7, ASYNC_HOSTS_FAILED, NOW);
    }

    assert_int_equal(ask(&hosts, 7, NOW), ASYNC_HOSTS_DOWN);
    assert_int_equal(until, NOW + ASYNC_HOSTS_PROBE_MIN);

    /* one, and no other beside it */

    now = until;
    assert_int_equal(ask(&hosts, 7, now), ASYNC_HOSTS_GO);
    assert_int_equal(ask(&hosts, 7, now), ASYNC_HOSTS_DOWN);
    async_hosts_ended(&hosts, 7, true, ASYNC_HOSTS_FAILED, now);

    assert_int_equal(ask(&hosts, 7, now), ASYNC_HOSTS_DOWN);
    assert_int_equal(until, now + 2 * ASYNC_HOSTS_PROBE_MIN);

    for (i = 0; i < 20; i++) {
        one(&hosts, 7, ASYNC_HOSTS_FAILED, now += ASYNC_HOSTS_PROBE_MAX);
    }

    assert_int_equal(ask(&hosts, 7, now), ASYNC_HOSTS_DOWN);
    assert_int_equal(until, now + ASYNC_HOSTS_PROBE_MAX);

    /* and all is well again once it answers */

    one(&hosts, 7, ASYNC_HOSTS_ANSWERED, until);
    assert_int_equal(ask(&hosts, 7, until), ASYNC_HOSTS_GO);
    assert_int_equal(ask(&hosts, 7, until), ASYNC_HOSTS_GO);
    async_hosts_clean(&hosts);
}


static void
one_that_hangs_does_not_hold_its_neighbours(void **state)
{
    unsigned       i, n;
    async_hosts_t  hosts = { .hosts = NULL };

    (void) state;

    /* as long as it has not failed five times in a row */

    for (i = 0; i < ASYNC_HOSTS_FAILURES; i++) {
        assert_int_equal(ask(&hosts, 7, NOW), ASYNC_HOSTS_GO);

        for (n = 0; n < 10; n++) {
            one(&hosts, 7, i > 0 ? ASYNC_HOSTS_UNTRIED : ASYNC_HOSTS_ANSWERED,
                NOW);
        }

        async_hosts_ended(&hosts, 7, i == 0, ASYNC_HOSTS_FAILED, NOW);
    }

    assert_int_equal(ask(&hosts, 7, NOW), ASYNC_HOSTS_DOWN);
    async_hosts_clean(&hosts);
}


static void
those_that_fail_together_are_one_failure_of_a_probe(void **state)
{
    unsigned       i;
    async_hosts_t  hosts = { .hosts = NULL };

    (void) state;

    for (i = 0; i < 10; i++) {
        one(&hosts, 7, ASYNC_HOSTS_ANSWERED, NOW);
    }

    for (i = 0; i < ASYNC_HOSTS_WINDOW; i++) {
        assert_int_equal(ask(&hosts, 7, NOW), ASYNC_HOSTS_GO);
    }

    for (i = 0; i < ASYNC_HOSTS_WINDOW; i++) {
        async_hosts_ended(&hosts, 7, false, ASYNC_HOSTS_FAILED, NOW);
    }

    assert_int_equal(ask(&hosts, 7, NOW), ASYNC_HOSTS_DOWN);
    assert_int_equal(until, NOW + ASYNC_HOSTS_PROBE_MIN);
    async_hosts_clean(&hosts);
}


static void
a_clock_that_was_set_back_does_not_silence_it(void **state)
{
    unsigned       i;
    async_hosts_t  hosts = { .hosts = NULL };

    (void) state;

    for (i = 0; i < ASYNC_HOSTS_FAILURES; i++) {
        one(&hosts, 7, ASYNC_HOSTS_FAILED, NOW);
    }

    assert_int_equal(ask(&hosts, 7, NOW - 3600 * 1000), ASYNC_HOSTS_GO);
    async_hosts_clean(&hosts);
}


static void
the_dead_take_no_slot_of_the_living(void **state)
{
    unsigned       i, n;
    async_hosts_t  hosts = { .hosts = NULL };

    (void) state;

    for (i = 1; i <= 8; i++) {
        for (n = 0; n < 8; n++) {
            one(&hosts, i, ASYNC_HOSTS_ANSWERED, NOW);
        }
    }

    /* many that hang */

    for (i = 0; i < ASYNC_HOSTS_DOUBT; i++) {
        assert_int_equal(ask(&hosts, 100 + i, NOW), ASYNC_HOSTS_GO);
    }

    assert_int_equal(ask(&hosts, 100 + i, NOW), ASYNC_HOSTS_BUSY);

    for (n = 0; n < ASYNC_HOSTS_ANSWER; n++) {
        assert_int_equal(ask(&hosts, 1 + n % 8, NOW), ASYNC_HOSTS_GO);
    }

    assert_int_equal(ask(&hosts, 1, NOW), ASYNC_HOSTS_BUSY);
    async_hosts_clean(&hosts);
}


static void
a_few_that_hang_leave_room_for_one_that_is_new(void **state)
{
    unsigned       i, n;
    async_hosts_t  hosts = { .hosts = NULL };

    (void) state;

    for (i = 0; i < ASYNC_HOSTS_DOUBT - 4; i++) {
        for (n = 0; n < ASYNC_HOSTS_FEW; n++) {
            (void) ask(&hosts, 100 + i / ASYNC_HOSTS_FEW, NOW);
        }
    }

    assert_int_equal(hosts.doubtful, ASYNC_HOSTS_DOUBT / 2 + 3);
    assert_int_equal(ask(&hosts, 7, NOW), ASYNC_HOSTS_GO);
    async_hosts_clean(&hosts);
}


static void
however_many_they_are(void **state)
{
    uint64_t       i;
    async_hosts_t  hosts = { .hosts = NULL };

    (void) state;

    for (i = 0; i < 200000; i++) {
        one(&hosts, i * 0x9e3779b97f4a7c15ull, ASYNC_HOSTS_FAILED,
            NOW + (int64_t) i);
    }

    assert_true(hosts.size <= 1 << 16);
    assert_int_equal(hosts.answering + hosts.doubtful, 0);
    async_hosts_clean(&hosts);
}


static void
what_was_not_tried_says_nothing(void **state)
{
    unsigned       i;
    async_hosts_t  hosts = { .hosts = NULL };

    (void) state;

    for (i = 0; i < 2 * ASYNC_HOSTS_FAILURES; i++) {
        one(&hosts, 0, ASYNC_HOSTS_UNTRIED, NOW);
    }

    assert_int_equal(ask(&hosts, 0, NOW), ASYNC_HOSTS_GO);
    async_hosts_clean(&hosts);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(one_that_answers_gets_more_at_a_time),
        cmocka_unit_test(after_five_failures_it_is_probed),
        cmocka_unit_test(one_that_hangs_does_not_hold_its_neighbours),
        cmocka_unit_test(those_that_fail_together_are_one_failure_of_a_probe),
        cmocka_unit_test(a_clock_that_was_set_back_does_not_silence_it),
        cmocka_unit_test(the_dead_take_no_slot_of_the_living),
        cmocka_unit_test(a_few_that_hang_leave_room_for_one_that_is_new),
        cmocka_unit_test(however_many_they_are),
        cmocka_unit_test(what_was_not_tried_says_nothing)
    };

    return cmocka_run_group_tests_name("async_hosts", tests, NULL, NULL);
}
