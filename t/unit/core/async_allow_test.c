/*
 * Who may be called.
 */

#include <stdio.h>

#include "async_allow.h"
#include "async_text.h"


#define CORPUS  "t/lib/hostile-urls.txt"


static async_url_t
url(const char *text)
{
    async_url_t  u;
    const char  *why;

    if (async_url_parse(&u, str(text), &why) != ASYNC_OK) {
        fail_msg("%s %s", text, why);
    }

    return u;
}


static void
assert_allow(const char *list, const char *text, async_allow_t expected)
{
    async_url_t    u;
    const char    *why;
    async_allow_t  allow;

    u = url(text);
    allow = async_allow_url(str(list), &u, &why);

    assert_true((allow == ASYNC_ALLOW_REFUSED) == (why != NULL));

    if (allow != expected) {
        fail_msg("%s under \"%s\": %d", text, list, (int) allow);
    }
}


static void
assert_connect(const char *list, const char *text, const char *peer,
    bool expected)
{
    async_url_t      u;
    async_address_t  a;

    u = url(text);
    assert_true(async_address_parse(&a, str(peer)));

    if (async_allow_connect(str(list), &u, &a) != expected) {
        fail_msg("%s at %s under \"%s\"", text, peer, list);
    }
}


static void
entries_are_hosts_suffixes_networks_and_public(void **state)
{
    size_t       i;
    const char  *good[] = {
        "public", "example.com", ".example.com", ".com", "localhost",
        "EXAMPLE.com", "my_service", "127.0.0.1", "10.0.0.0/8", "::1",
        "fd00::/8", "0.0.0.0/0"
    };
    const char  *bad[] = {
        "", ".", "..", "*", "*.example.com", "example.com.", ".example.com.",
        "..example.com", "https://example.com", "example.com/",
        "example.com:443", "127.0.0.1:80", "127.1", ".127.0.0.1", "10.0.0.0/",
        "10.0.0.0/33", "[::1]", "[::1]:80", "~^a", "b\xc3\xbc.example",
        "-a.example", "a b", "::ffff:10.0.0.0/104", "$host"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {

        if (async_allow_entry(str(good[i])) != NULL) {
            fail_msg("refused: %s", good[i]);
        }
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        if (async_allow_entry(str(bad[i])) == NULL) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}


static void
a_host_is_trusted_with_its_addresses(void **state)
{
    const char  *list = "hooks.example.com localhost";

    (void) state;

    assert_allow(list, "https://hooks.example.com/", ASYNC_ALLOW_LISTED);
    assert_allow(list, "http://HOOKS.Example.com:22/", ASYNC_ALLOW_LISTED);
    assert_allow(list, "http://localhost:8080/", ASYNC_ALLOW_LISTED);
    assert_allow(list, "https://example.com/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "https://a.hooks.example.com/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "https://hooks.example.com.evil.test/",
                 ASYNC_ALLOW_REFUSED);
    assert_allow(list, "http://127.0.0.1/", ASYNC_ALLOW_REFUSED);

    assert_connect(list, "http://localhost/", "127.0.0.1", true);
    assert_connect(list, "http://localhost/", "::1", true);
    assert_connect(list, "https://hooks.example.com/", "10.0.0.1", true);
    assert_connect(list, "https://hooks.example.com/", "8.8.8.8", true);
    assert_connect(list, "https://example.com/", "8.8.8.8", false);
}


static void
a_network_is_for_addresses(void **state)
{
    const char  *list = "10.1.0.0/16 127.0.0.1 fd00::/8";

    (void) state;

    assert_allow(list, "http://10.1.2.3:8080/", ASYNC_ALLOW_LISTED);
    assert_allow(list, "http://[::ffff:10.1.2.3]/", ASYNC_ALLOW_LISTED);
    assert_allow(list, "https://127.0.0.1/", ASYNC_ALLOW_LISTED);
    assert_allow(list, "http://[fdff::1]/", ASYNC_ALLOW_LISTED);
    assert_allow(list, "http://10.2.0.1/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "http://127.0.0.2/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "http://[64:ff9b::10.1.2.3]/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "http://localhost/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "https://8.8.8.8/", ASYNC_ALLOW_REFUSED);

    assert_connect(list, "http://10.1.2.3/", "10.1.2.3", true);
    assert_connect(list, "http://10.1.2.3/", "::ffff:10.1.2.3", true);
    assert_connect(list, "http://10.1.2.3/", "10.1.2.4", false);
    assert_connect(list, "http://10.1.2.3/", "8.8.8.8", false);
    assert_connect(list, "http://localhost/", "127.0.0.1", false);
}


static void
a_suffix_is_https_to_the_internet(void **state)
{
    const char  *list = ".example.com";

    (void) state;

    assert_allow(list, "https://example.com/", ASYNC_ALLOW_PUBLIC);
    assert_allow(list, "https://a.b.EXAMPLE.com:8443/", ASYNC_ALLOW_PUBLIC);
    assert_allow(list, "http://a.example.com/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "https://badexample.com/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "https://a.example.com.test/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "https://com/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "https://8.8.8.8/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "https://a.example.com:25/", ASYNC_ALLOW_REFUSED);

    assert_connect(list, "https://a.example.com/", "8.8.8.8", true);
    assert_connect(list, "https://a.example.com/", "2606:4700::1111", true);
    assert_connect(list, "https://a.example.com/", "10.0.0.1", false);
    assert_connect(list, "https://a.example.com/", "::ffff:127.0.0.1",
                   false);
    assert_connect(list, "https://a.example.com/", "64:ff9b::a00:1", false);
}


static void
public_is_the_same_for_every_host(void **state)
{
    const char  *list = "public";

    (void) state;

    assert_allow(list, "https://example.com/", ASYNC_ALLOW_PUBLIC);
    assert_allow(list, "https://xn--bcher-kva.example:8443/",
                 ASYNC_ALLOW_PUBLIC);
    assert_allow(list, "https://8.8.8.8/", ASYNC_ALLOW_PUBLIC);
    assert_allow(list, "https://[2606:4700::1111]/", ASYNC_ALLOW_PUBLIC);
    assert_allow(list, "https://notlocal/", ASYNC_ALLOW_REFUSED);
    assert_allow(list, "https://thelocalhost.com/", ASYNC_ALLOW_PUBLIC);

    assert_connect(list, "https://example.com/", "93.184.216.34", true);
    assert_connect(list, "https://example.com/", "127.0.0.1", false);
    assert_connect(list, "https://8.8.8.8/", "8.8.8.8", true);
    assert_connect(list, "https://8.8.8.8/", "8.8.4.4", false);
    assert_connect(list, "http://example.com/", "93.184.216.34", false);
}


static void
the_most_that_an_entry_allows_counts(void **state)
{
    size_t       i;
    const char  *lists[] = {
        "public localhost 10.0.0.0/8 .example.com",
        "10.0.0.0/8 .example.com localhost public",
        "  localhost  public .example.com  10.0.0.0/8 "
    };

    (void) state;

    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        assert_allow(lists[i], "http://localhost/", ASYNC_ALLOW_LISTED);
        assert_allow(lists[i], "http://10.0.0.1/", ASYNC_ALLOW_LISTED);
        assert_allow(lists[i], "https://evil.test/", ASYNC_ALLOW_PUBLIC);
        assert_allow(lists[i], "http://evil.test/", ASYNC_ALLOW_REFUSED);

        assert_connect(lists[i], "https://evil.test/", "10.0.0.1", false);
        assert_connect(lists[i], "http://localhost/", "127.0.0.1", true);
    }

    assert_allow("", "https://example.com/", ASYNC_ALLOW_REFUSED);
    assert_allow(" ", "https://example.com/", ASYNC_ALLOW_REFUSED);
}


static void
one_host_is_one_however_it_is_written(void **state)
{
    size_t       i;
    const char  *one[] = {
        "", "hooks.example.com", "hooks.example.com HOOKS.example.com",
        "10.0.0.1", "10.0.0.1/32", "10.0.0.1 10.0.0.1/32 ::ffff:10.0.0.1",
        "::1", "::1/128 0:0::1"
    };
    const char  *more[] = {
        "public", "public public", ".example.com", ".example.com .example.com",
        "10.0.0.0/8", "10.0.0.0/8 10.0.0.0/8", "::1/127", "10.0.0.1 10.0.0.2",
        "10.0.0.1 10.0.0.0/31", "a.example b.example", "a.example .a.example",
        "127.0.0.1 localhost", "a.example a.example public"
    };

    (void) state;

    for (i = 0; i < sizeof(one) / sizeof(one[0]); i++) {

        if (!async_allow_one(str(one[i]))) {
            fail_msg("more than one: %s", one[i]);
        }
    }

    for (i = 0; i < sizeof(more) / sizeof(more[0]); i++) {

        if (async_allow_one(str(more[i]))) {
            fail_msg("one: %s", more[i]);
        }
    }
}


/* \xNN is a byte */

static size_t
unescape(char *line)
{
    char      *in, *out;
    unsigned   byte;

    out = line;

    for (in = line; *in != '\0' && *in != '\n'; in++) {

        if (in[0] == '\\' && in[1] == 'x') {
            assert_int_equal(sscanf(in + 2, "%2x", &byte), 1);
            *out++ = (char) byte;
            in += 3;
            continue;
        }

        *out++ = *in;
    }

    return (size_t) (out - line);
}


static void
what_is_hostile_is_not_called(void **state)
{
    FILE         *in;
    char          line[512], again[512];
    size_t        n;
    async_rc_t    rc;
    async_str_t   text;
    async_url_t   u;
    const char   *why;

    (void) state;

    in = fopen(CORPUS, "r");
    assert_non_null(in);
    n = 0;

    while (fgets(line, sizeof(line), in) != NULL) {

        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }

        strcpy(again, line);
        assert_true(strncmp(line, "invalid ", 8) == 0
                    || strncmp(line, "refused ", 8) == 0);

        text.len = unescape(line + 8);
        text.data = line + 8;

        rc = async_url_parse(&u, text, &why);

        if (rc == ASYNC_OK
            && async_allow_url(str("public"), &u, &why)
               != ASYNC_ALLOW_REFUSED)
        {
            fail_msg("allowed: %s", again);
        }

        assert_non_null(why);

        if ((rc == ASYNC_INVALID) != (line[0] == 'i')) {
            fail_msg("%s: %s", again, why);
        }

        n++;
    }

    fclose(in);
    assert_true(n > 180);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(entries_are_hosts_suffixes_networks_and_public),
        cmocka_unit_test(a_host_is_trusted_with_its_addresses),
        cmocka_unit_test(a_network_is_for_addresses),
        cmocka_unit_test(a_suffix_is_https_to_the_internet),
        cmocka_unit_test(public_is_the_same_for_every_host),
        cmocka_unit_test(the_most_that_an_entry_allows_counts),
        cmocka_unit_test(one_host_is_one_however_it_is_written),
        cmocka_unit_test(what_is_hostile_is_not_called)
    };

    return cmocka_run_group_tests_name("async_allow", tests, NULL, NULL);
}
