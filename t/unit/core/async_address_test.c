/*
 * Addresses and networks.
 */

#include <stdio.h>

#include "async_address.h"
#include "async_text.h"


static bool
parse(const char *text, async_address_t *a)
{
    bool          ok;
    async_str_t   value;

    value = exact(text, strlen(text));

    ok = async_address_parse(a, value);
    exact_free(value);

    return ok;
}


static async_address_t
address(const char *text)
{
    async_address_t  a;

    if (!parse(text, &a)) {
        fail_msg("refused: %s", text);
    }

    return a;
}


static void
assert_v6(const char *text, const char *bytes)
{
    async_address_t  a;

    a = address(text);
    assert_int_equal(a.len, ASYNC_ADDRESS_V6);
    assert_memory_equal(a.bytes, bytes, ASYNC_ADDRESS_V6);
}


static void
ipv4_is_four_decimal_numbers(void **state)
{
    size_t           i;
    async_address_t  a;
    const char      *bad[] = {
        "", ".", "1", "1.2", "1.2.3", "1.2.3.", ".1.2.3", "1.2.3.4.",
        "1.2.3.4.5", "1..2.3", "01.2.3.4", "1.2.3.04", "00.0.0.0",
        "256.1.1.1", "1.1.1.256", "1.2.3.1000", "1.2.3.a", "0x1.2.3.4",
        "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4", "+1.2.3.4", "1,2,3,4",
        "2130706433"
    };

    (void) state;

    a = address("192.0.2.255");
    assert_int_equal(a.len, ASYNC_ADDRESS_V4);
    assert_memory_equal(a.bytes, "\xc0\0\2\xff\0\0\0\0\0\0\0\0\0\0\0", 16);

    a = address("0.0.0.0");
    assert_int_equal(a.len, ASYNC_ADDRESS_V4);

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        if (parse(bad[i], &a)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}


static void
ipv6_is_as_rfc_4291_writes_it(void **state)
{
    (void) state;

    assert_v6("::", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_v6("::1", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
    assert_v6("1::", "\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_v6("2001:DB8:0:0:8:800:200C:417A",
              "\x20\x01\x0d\xb8\0\0\0\0\0\x08\x08\0\x20\x0c\x41\x7a");
    assert_v6("2001:db8::8:800:200c:417a",
              "\x20\x01\x0d\xb8\0\0\0\0\0\x08\x08\0\x20\x0c\x41\x7a");
    assert_v6("1:2:3:4:5:6:7::", "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0");
    assert_v6("::2:3:4:5:6:7:8", "\0\0\0\2\0\3\0\4\0\5\0\6\0\7\0\x08");
    assert_v6("1:2:3::5:6:7:8", "\0\1\0\2\0\3\0\0\0\5\0\6\0\7\0\x08");
    assert_v6("::1.2.3.4", "\0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\4");
    assert_v6("1:2:3:4:5:6:1.2.3.4", "\0\1\0\2\0\3\0\4\0\5\0\6\1\2\3\4");
    assert_v6("64:ff9b::1.2.3.4", "\0\x64\xff\x9b\0\0\0\0\0\0\0\0\1\2\3\4");
}


static void
nothing_else_is_ipv6(void **state)
{
    size_t           i;
    async_address_t  a;
    const char      *bad[] = {
        ":", ":::", "1", "1:", ":1", ":1::", "1::2::3", "1:::2", "::1:",
        "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "12345::", "::g", "::1%1",
        "fe80::1%eth0", "[::1]", "::1/128", "::1.2.3", "::01.2.3.4",
        "::256.2.3.4", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4",
        "::1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:1.2.3.4", ":: 1", "::-1",
        "0x1::"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        if (parse(bad[i], &a)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}


static void
a_mapped_address_is_the_one_in_it(void **state)
{
    size_t           i;
    async_address_t  a, b;
    const char      *same[] = {
        "::ffff:10.0.0.1", "::ffff:a00:1", "::FFFF:0A00:0001",
        "0:0:0:0:0:ffff:10.0.0.1", "0::ffff:10.0.0.1"
    };

    (void) state;

    a = address("10.0.0.1");

    for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        b = address(same[i]);
        assert_true(async_address_equal(&a, &b));
    }

    async_address_set(&b, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
    assert_true(async_address_equal(&a, &b));

    async_address_set(&b, "\x0a\0\0\1", 4);
    assert_true(async_address_equal(&a, &b));

    b = address("::10.0.0.1");
    assert_false(async_address_equal(&a, &b));

    b = address("10.0.0.2");
    assert_false(async_address_equal(&a, &b));
}


static void
what_is_global(void **state)
{
    size_t           i;
    async_address_t  a;
    const char      *global[] = {
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.216.34",
        "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
        "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
        "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255",
        "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
        "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255",
        "203.0.114.0", "223.255.255.255", "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8", "2000::", "2001:200::1", "2001:db7:ffff::",
        "2001:db9::", "2001:4860:4860::8888", "2003::1", "2606:4700::1111",
        "2620:4f:7fff::", "2620:4f:8001::", "2a00:1450:4001:80b::200e",
        "2607:f8b0::5efe:8.8.8.8", "2607:f8b0::200:5efe:808:808",
        "2607:f8b0::100:5efe:a00:1", "3ffd::1"
    };

    (void) state;

    for (i = 0; i < sizeof(global) / sizeof(global[0]); i++) {
        a = address(global[i]);

        if (!async_address_global(&a)) {
            fail_msg("not global: %s", global[i]);
        }
    }
}


static void
what_is_not(void **state)
{
    size_t           i;
    async_address_t  a;
    const char      *special[] = {
        "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255",
        "100.64.0.0", "100.127.255.255", "127.0.0.0", "127.255.255.255",
        "169.254.0.0", "169.254.169.254", "172.16.0.0", "172.31.255.255",
        "192.0.0.0", "192.0.0.9", "192.0.0.171", "192.0.2.0", "192.31.196.1",
        "192.52.193.1", "192.88.99.1", "192.168.0.0", "192.168.255.255",
        "192.175.48.1", "198.18.0.0", "198.19.255.255", "198.51.100.0",
        "203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0",
        "255.255.255.254", "255.255.255.255",
        "::", "::1", "::2", "::8.8.8.8", "::ffff:127.0.0.1",
        "::ffff:0:8.8.8.8", "::fffe:8.8.8.8", "64:ff9b::10.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b:1::8.8.8.8", "64:ff9b::1:8.8.8.8",
        "100::", "100:0:0:1::", "1fff:ffff::", "2001::", "2001:0:808:808::",
        "2001:1::1", "2001:2::", "2001:3::", "2001:4:112::", "2001:10::",
        "2001:20::", "2001:30::", "2001:1ff:ffff::", "2001:db8::",
        "2001:db8:ffff::", "2002::", "2002:808:808::1", "2002:7f00:1::",
        "2607:f8b0::5efe:10.0.0.1", "2607:f8b0::200:5efe:127.0.0.1",
        "2620:4f:8000::", "3ffe::1", "3fff::", "3fff:fff:ffff::", "4000::",
        "5f00::", "a000::", "fc00::", "fd00:ec2::254", "fdff:ffff::",
        "fe80::1", "febf:ffff::", "fec0::1", "ff02::1", "ffff::"
    };

    (void) state;

    for (i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        a = address(special[i]);

        if (async_address_global(&a)) {
            fail_msg("global: %s", special[i]);
        }
    }

    memset(&a, 0, sizeof(a));
    assert_false(async_address_global(&a));
}


static bool
has(const char *network, const char *text)
{
    async_str_t      value = { network, strlen(network) };
    async_cidr_t     cidr;
    async_address_t  a;

    if (!async_cidr_parse(&cidr, value)) {
        fail_msg("refused: %s", network);
    }

    a = address(text);

    return async_cidr_has(&cidr, &a);
}


static void
a_network_has_what_begins_like_it(void **state)
{
    (void) state;

    assert_true(has("10.0.0.0/8", "10.255.255.255"));
    assert_false(has("10.0.0.0/8", "11.0.0.0"));
    assert_true(has("10.1.2.3/8", "10.0.0.0"));
    assert_true(has("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_false(has("10.0.0.0/8", "::10.1.2.3"));
    assert_true(has("192.168.4.0/22", "192.168.7.255"));
    assert_false(has("192.168.4.0/22", "192.168.8.0"));
    assert_true(has("127.0.0.1", "127.0.0.1"));
    assert_false(has("127.0.0.1", "127.0.0.2"));
    assert_true(has("127.0.0.1/32", "127.0.0.1"));
    assert_true(has("10.0.0.2/31", "10.0.0.3"));
    assert_false(has("10.0.0.2/31", "10.0.0.4"));
    assert_true(has("0.0.0.0/0", "255.1.2.3"));
    assert_false(has("0.0.0.0/0", "::1"));

    assert_true(has("::1", "0::1"));
    assert_false(has("::1", "::2"));
    assert_true(has("fd00::/8", "fdff::1"));
    assert_false(has("fd00::/8", "fc00::1"));
    assert_true(has("::/0", "ffff::"));
    assert_false(has("::/0", "10.0.0.1"));
    assert_false(has("::/0", "::ffff:10.0.0.1"));
    assert_true(has("2001:db8::/127", "2001:db8::1"));
    assert_true(has("::ffff:10.0.0.1/128", "10.0.0.1"));
    assert_true(has("::ffff:10.0.0.1", "10.0.0.1"));
    assert_false(has("::ffff:10.0.0.1", "10.0.0.2"));
}


static void
what_is_no_network(void **state)
{
    size_t        i;
    async_str_t   value;
    async_cidr_t  cidr;
    const char   *bad[] = {
        "", "/", "/8", "10/8", "10.0/8", "10.0.0.0/", "10.0.0.0/33",
        "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ",
        "10.0.0.0/8/8", "10.0.0.0/255.0.0.0", "10.0.0.0/1000",
        "10.0.0.0/ffff", "::/129", "::/256", "[::]/8", "::ffff:10.0.0.0/104",
        "::ffff:10.0.0.0/8", "::ffff:10.0.0.0/127", "localhost/8"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        value.data = bad[i];
        value.len = strlen(bad[i]);

        if (async_cidr_parse(&cidr, value)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(ipv4_is_four_decimal_numbers),
        cmocka_unit_test(ipv6_is_as_rfc_4291_writes_it),
        cmocka_unit_test(nothing_else_is_ipv6),
        cmocka_unit_test(a_mapped_address_is_the_one_in_it),
        cmocka_unit_test(what_is_global),
        cmocka_unit_test(what_is_not),
        cmocka_unit_test(a_network_has_what_begins_like_it),
        cmocka_unit_test(what_is_no_network)
    };

    return cmocka_run_group_tests_name("async_address", tests, NULL, NULL);
}
