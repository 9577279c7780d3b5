/*
 * The records of what nginx.conf says of webhooks.
 */

#include "async_golden.h"
#include "async_hook_policy.h"


/* a key per host, secrets in /etc/a and /etc/b, public and .example.com */

static const char  golden[] =
    "414a0e014b0000008d71f2360100080000000200000000000000020006000000"
    "2f6574632f610200060000002f6574632f620300130000007075626c6963202e"
    "6578616d706c652e636f6d";

/* one policy, loaded at 2026-11-22T10:00:00Z */

static const char  golden_in_force[] =
    "414a0e0130000000906d03c004000800000000c5b202a2010000050010000000"
    "22222222222222222222222222222222";


static async_rc_t
decode(const void *data, size_t len)
{
    async_hook_policy_t  p;

    return async_hook_policy_decode(&p, data, len);
}


static async_rc_t
decode_in_force(const void *data, size_t len)
{
    async_hooks_in_force_t  f;

    return async_hooks_in_force_decode(&f, data, len);
}


static void
the_golden_policy(void **state)
{
    size_t                len;
    uint8_t              *bytes, buf[ASYNC_HOOK_POLICY_MAX];
    async_hook_policy_t   p;

    (void) state;

    bytes = async_golden_bytes(golden, &len);
    assert_int_equal(async_hook_policy_decode(&p, bytes, len), ASYNC_OK);

    assert_int_equal(p.per, ASYNC_HOOK_PER_HOST);
    assert_int_equal(p.nsecrets, 2);
    assert_str(p.secrets[0], "/etc/a");
    assert_str(p.secrets[1], "/etc/b");
    assert_str(p.allow, "public .example.com");

    assert_int_equal(async_hook_policy_encode(&p, buf, len - 1), 0);
    assert_int_equal(async_hook_policy_encode(&p, buf, sizeof(buf)), len);
    assert_memory_equal(buf, bytes, len);
    free(bytes);
}


static void
those_in_force(void **state)
{
    size_t                   len;
    uint8_t                 *bytes, buf[256];
    async_hooks_in_force_t   f;

    (void) state;

    bytes = async_golden_bytes(golden_in_force, &len);
    assert_int_equal(async_hooks_in_force_decode(&f, bytes, len), ASYNC_OK);

    assert_int_equal(f.loaded, 1795341600000);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.keys[0][0], 0x22);

    assert_int_equal(async_hooks_in_force_encode(&f, buf, sizeof(buf)), len);
    assert_memory_equal(buf, bytes, len);
    free(bytes);
}


static void
damage_is_corrupt(void **state)
{
    (void) state;

    async_golden_damage(golden, decode);
    async_golden_damage(golden_in_force, decode_in_force);
}


static void
it_has_a_secret_and_says_who_may_be_called(void **state)
{
    uint8_t              buf[ASYNC_HOOK_POLICY_MAX];
    async_hook_policy_t  p = {
        .nsecrets = 1, .secrets = { async_str("/etc/a") },
        .allow = async_str("public")
    };

    (void) state;

    assert_int_not_equal(async_hook_policy_encode(&p, buf, sizeof(buf)), 0);

    p.nsecrets = 0;
    assert_int_equal(async_hook_policy_encode(&p, buf, sizeof(buf)), 0);

    p.nsecrets = 1;
    p.allow.len = 0;
    assert_int_equal(async_hook_policy_encode(&p, buf, sizeof(buf)), 0);

    p.allow.len = 6;
    p.secrets[0] = (async_str_t) async_str("/etc\0a");
    assert_int_equal(async_hook_policy_encode(&p, buf, sizeof(buf)), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_golden_policy),
        cmocka_unit_test(those_in_force),
        cmocka_unit_test(damage_is_corrupt),
        cmocka_unit_test(it_has_a_secret_and_says_who_may_be_called)
    };

    return cmocka_run_group_tests_name("async_hook_policy", tests, NULL,
                                       NULL);
}
