/*
 * The record of a webhook, and when it is tried again.
 */

#include "async_golden.h"
#include "async_hook.h"


/*
 * To https://example.com/in for all ends, pending after its third attempt was
 * answered with 500; owed again since 2026-11-22T10:00:00Z, due 5 s later
 */

static const char  golden[] =
    "414a0d0186000000de90b3c802070100f401030000000100000000c5b202a201"
    "000088d8b202a201000000000000000000001111111111111111111111111111"
    "111101001600000068747470733a2f2f6578616d706c652e636f6d2f696e0200"
    "1700000068747470733a2f2f6170692e6578616d706c652e636f6d0300050000"
    "00616c696365";


static async_hook_t
hook(void)
{
    async_hook_t  h;

    memset(&h, 0, sizeof(h));

    h.state = ASYNC_HOOK_PENDING;
    h.on = ASYNC_HOOK_ON_ALL;
    h.error = ASYNC_HOOK_ERROR_STATUS;
    h.status = 500;
    h.attempts = 3;
    h.tries = 1;
    h.owed = 1795341600000;
    h.due = 1795341605000;
    memset(h.policy, 0x11, sizeof(h.policy));
    h.url = (async_str_t) async_str("https://example.com/in");
    h.origin = (async_str_t) async_str("https://api.example.com");
    h.owner = (async_str_t) async_str("alice");

    return h;
}


static async_rc_t
decode(const void *data, size_t len)
{
    async_hook_t  h;

    return async_hook_decode(&h, data, len);
}


static void
the_golden_webhook(void **state)
{
    size_t        len;
    uint8_t      *bytes, buf[ASYNC_HOOK_MAX];
    async_hook_t  h, wanted;

    (void) state;

    wanted = hook();
    bytes = async_golden_bytes(golden, &len);
    assert_int_equal(async_hook_decode(&h, bytes, len), ASYNC_OK);

    assert_int_equal(h.state, ASYNC_HOOK_PENDING);
    assert_int_equal(h.on, ASYNC_HOOK_ON_ALL);
    assert_int_equal(h.error, ASYNC_HOOK_ERROR_STATUS);
    assert_int_equal(h.status, 500);
    assert_int_equal(h.attempts, 3);
    assert_int_equal(h.tries, 1);
    assert_int_equal(h.owed, 1795341600000);
    assert_int_equal(h.due, 1795341605000);
    assert_int_equal(h.ended, 0);
    assert_memory_equal(h.policy, wanted.policy, sizeof(h.policy));
    assert_str(h.url, "https://example.com/in");
    assert_str(h.origin, "https://api.example.com");
    assert_str(h.owner, "alice");

    assert_int_equal(async_hook_encode(&h, buf, len - 1), 0);
    assert_int_equal(async_hook_encode(&wanted, buf, sizeof(buf)), len);
    assert_memory_equal(buf, bytes, len);
    free(bytes);
}


static void
damage_is_corrupt(void **state)
{
    (void) state;

    async_golden_damage(golden, decode);
}


static void
what_nobody_could_read_is_not_written(void **state)
{
    uint8_t       buf[ASYNC_HOOK_MAX];
    async_hook_t  h;
    static char   long_url[ASYNC_HOOK_URL + 1];

    (void) state;

    h = hook();
    h.state = 0;
    assert_int_equal(async_hook_encode(&h, buf, sizeof(buf)), 0);
    h.state = ASYNC_HOOK_STATE_MAX;
    assert_int_equal(async_hook_encode(&h, buf, sizeof(buf)), 0);

    /* due if, and only if, it is pending */

    h.state = ASYNC_HOOK_DEAD;
    assert_int_equal(async_hook_encode(&h, buf, sizeof(buf)), 0);
    h.due = 0;
    assert_int_not_equal(async_hook_encode(&h, buf, sizeof(buf)), 0);
    h.state = ASYNC_HOOK_PENDING;
    assert_int_equal(async_hook_encode(&h, buf, sizeof(buf)), 0);

    h = hook();
    h.url.len = 0;
    assert_int_equal(async_hook_encode(&h, buf, sizeof(buf)), 0);
    h.url.data = long_url;
    h.url.len = sizeof(long_url);
    assert_int_equal(async_hook_encode(&h, buf, sizeof(buf)), 0);
    h.url.len = ASYNC_HOOK_URL;
    assert_int_not_equal(async_hook_encode(&h, buf, sizeof(buf)), 0);
}


static void
the_largest_fits(void **state)
{
    static char   text[ASYNC_HOOK_URL];
    uint8_t       buf[ASYNC_HOOK_MAX];
    async_hook_t  h;

    (void) state;

    h = hook();
    h.url.data = h.origin.data = h.owner.data = text;
    h.url.len = ASYNC_HOOK_URL;
    h.origin.len = ASYNC_HOOK_ORIGIN;
    h.owner.len = ASYNC_HOOK_OWNER;

    assert_int_not_equal(async_hook_encode(&h, buf, sizeof(buf)), 0);
}


static void
it_is_tried_ten_times(void **state)
{
    int64_t   wait;
    uint32_t  i;

    static const int64_t  s[] = {
        5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400
    };

    (void) state;

    for (i = 1; i <= 9; i++) {
        assert_int_equal(async_hook_wait(i, -1, 0), s[i - 1] * 1000);

        wait = async_hook_wait(i, -1, UINT64_MAX);
        assert_true(wait >= s[i - 1] * 1000 && wait <= s[i - 1] * 1100);
    }

    assert_int_equal(async_hook_wait(10, -1, 0), -1);
    assert_int_equal(async_hook_wait(10, 5000, 0), -1);
    assert_int_equal(async_hook_wait(0, -1, 0), -1);
}


static void
it_waits_as_long_as_it_is_asked_to(void **state)
{
    (void) state;

    assert_int_equal(async_hook_wait(1, 120000, 7), 120000);
    assert_int_equal(async_hook_wait(2, 1000, 0), 300000);
    assert_int_equal(async_hook_wait(1, INT64_MAX, 0), 24 * 3600 * 1000);
}


static void
its_time_ends(void **state)
{
    async_hook_t  h;

    (void) state;

    h = hook();
    assert_false(async_hook_spent(&h, h.owed + 75 * 3600 * 1000ll));
    assert_true(async_hook_spent(&h, h.owed + 84 * 3600 * 1000ll));
}


static void
an_end_is_told_or_not(void **state)
{
    async_hook_t  h;

    (void) state;

    h = hook();
    h.on = ASYNC_HOOK_ON_FAILED | ASYNC_HOOK_ON_CANCELED;

    assert_false(async_hook_wanted(&h, ASYNC_STATE_COMPLETED));
    assert_true(async_hook_wanted(&h, ASYNC_STATE_FAILED));
    assert_true(async_hook_wanted(&h, ASYNC_STATE_CANCELED));
    assert_false(async_hook_wanted(&h, ASYNC_STATE_PROCESSING));

    assert_string_equal(async_hook_state_name(ASYNC_HOOK_DEAD), "dead");
    assert_string_equal(async_hook_state_name((async_hook_state_t) 99), "");
    assert_string_equal(async_hook_error_name(ASYNC_HOOK_ERROR_TLS), "tls");
    assert_string_equal(async_hook_error_name((async_hook_error_t) 99), "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_golden_webhook),
        cmocka_unit_test(damage_is_corrupt),
        cmocka_unit_test(what_nobody_could_read_is_not_written),
        cmocka_unit_test(the_largest_fits),
        cmocka_unit_test(it_is_tried_ten_times),
        cmocka_unit_test(it_waits_as_long_as_it_is_asked_to),
        cmocka_unit_test(its_time_ends),
        cmocka_unit_test(an_end_is_told_or_not)
    };

    return cmocka_run_group_tests_name("async_hook", tests, NULL, NULL);
}
