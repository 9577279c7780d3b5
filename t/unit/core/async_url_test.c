/*
 * URLs of callbacks.
 */

#include <stdio.h>

#include "async_text.h"
#include "async_url.h"


static async_rc_t
parse(const char *text, size_t len, async_url_t *url)
{
    async_rc_t          rc;
    const char         *why;
    static async_str_t  last;

    /* what was parsed borrows from it */

    exact_free(last);
    last = exact(text, len);

    rc = async_url_parse(url, last, &why);

    assert_true(rc == ASYNC_OK || rc == ASYNC_INVALID);
    assert_true((rc == ASYNC_OK) == (why == NULL));

    return rc;
}


static async_url_t
url(const char *text)
{
    async_url_t  u;

    if (parse(text, strlen(text), &u) != ASYNC_OK) {
        fail_msg("refused: %s", text);
    }

    return u;
}


static void
assert_refused(const char *text)
{
    async_url_t  u;

    if (parse(text, strlen(text), &u) == ASYNC_OK) {
        fail_msg("taken: %s", text);
    }
}


static void
assert_text(async_str_t s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.data, expected, s.len);
}


static void
a_url_comes_apart(void **state)
{
    async_url_t  u;

    (void) state;

    u = url("https://hooks.example.com:8443/in/a%20b?x[]=1&y=/?");
    assert_true(u.https);
    assert_false(u.is_address);
    assert_int_equal(u.port, 8443);
    assert_text(u.host, "hooks.example.com");
    assert_text(u.target, "/in/a%20b?x[]=1&y=/?");

    u = url("HTTP://Example.COM");
    assert_false(u.https);
    assert_int_equal(u.port, 80);
    assert_text(u.host, "Example.COM");
    assert_text(u.target, "");

    u = url("https://example.com?a@b:c");
    assert_int_equal(u.port, 443);
    assert_text(u.host, "example.com");
    assert_text(u.target, "?a@b:c");

    u = url("http://127.0.0.1:65535/");
    assert_true(u.is_address);
    assert_int_equal(u.address.len, ASYNC_ADDRESS_V4);
    assert_int_equal(u.port, 65535);
    assert_text(u.host, "127.0.0.1");

    u = url("https://[2001:DB8::1]/x");
    assert_true(u.is_address);
    assert_int_equal(u.address.len, ASYNC_ADDRESS_V6);
    assert_int_equal(u.port, 443);
    assert_text(u.host, "2001:DB8::1");
    assert_text(u.target, "/x");

    u = url("http://[::ffff:1.2.3.4]:8080");
    assert_true(u.is_address);
    assert_int_equal(u.address.len, ASYNC_ADDRESS_V4);
    assert_int_equal(u.port, 8080);
}


static void
what_is_usual_is_taken(void **state)
{
    size_t       i;
    const char  *good[] = {
        "https://example.com/", "https://example.com:443/",
        "https://EXAMPLE.com/Path", "https://a/", "https://my_service:80/",
        "https://xn--bcher-kva.example/", "https://r3---sn-x.example.com/",
        "https://1password.com/", "https://123.example.com/",
        "https://0x.example.com/", "https://1.2.3.4.example.com/",
        "https://example.x1/", "https://example.0xyz/",
        "https://hooks.slack.com/services/T00/B00/XXX",
        "https://example.com/a;b=1,2/(c)'!$&+*~._-:@",
        "https://example.com//", "https://example.com/../../x",
        "https://example.com/%2e%2E%00%0d%0a"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        (void) url(good[i]);
    }
}


static void
there_are_limits(void **state)
{
    char         text[ASYNC_URL_MAX + 2];
    size_t       i, n;
    async_url_t  u;

    (void) state;

    /* the whole */

    memset(text, 'a', sizeof(text));
    memcpy(text, "https://example.com/", 20);

    assert_int_equal(parse(text, ASYNC_URL_MAX, &u), ASYNC_OK);
    assert_int_equal(parse(text, ASYNC_URL_MAX + 1, &u), ASYNC_INVALID);

    /* a label */

    memset(text, 'a', sizeof(text));
    memcpy(text, "https://", 8);
    memcpy(text + 8 + 63, ".com", 5);
    (void) url(text);

    memset(text + 8, 'a', 64);
    memcpy(text + 8 + 64, ".com", 5);
    assert_refused(text);

    /* a name */

    for (i = 8; i < 8 + 254; i++) {
        text[i] = (i % 2) ? '.' : 'a';
    }

    text[8 + 253] = '\0';
    u = url(text);
    assert_int_equal(u.host.len, ASYNC_URL_HOST_MAX);

    for (n = 0; n < 2; n++) {
        text[8 + 253 + n] = 'a';
    }

    text[8 + 255] = '\0';
    assert_refused(text);
}


static void
a_host_is_the_same_however_it_is_written(void **state)
{
    char         host[ASYNC_URL_HOST_MAX + 1];
    async_url_t  u;

    (void) state;

    assert_int_equal(parse("HTTP://Hooks.Example.COM:8080/In", 32, &u),
                     ASYNC_OK);
    async_url_host(&u, host);
    assert_string_equal(host, "hooks.example.com");

    assert_int_equal(parse("https://[2001:DB8::A]/", 22, &u), ASYNC_OK);
    async_url_host(&u, host);
    assert_string_equal(host, "2001:db8::a");
}


static void
every_byte_is_looked_at(void **state)
{
    int          c;
    char         text[] = "https://a_b.example.com/a_b";
    async_url_t  u;

    (void) state;

    for (c = 0; c < 256; c++) {
        text[9] = (char) c;

        if (parse(text, sizeof(text) - 1, &u) == ASYNC_OK) {
            assert_true((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
                        || (c >= 'a' && c <= 'z') || c == '-' || c == '_'
                        || c == '.' || c == '/' || c == '?');
        }

        text[9] = '_';
        text[25] = (char) c;

        assert_int_equal(parse(text, sizeof(text) - 1, &u) == ASYNC_OK,
                         c > 0x20 && c < 0x7f
                         && strchr("\"#%<>[\\]^`{|}", c) == NULL);
        text[25] = '_';
    }
}


static void
every_part_of_a_url_ends_somewhere(void **state)
{
    size_t       n;
    async_url_t  u;
    const char   text[] = "https://[64:ff9b::192.0.2.33]:8443/%41?%42";

    (void) state;

    for (n = 0; n < sizeof(text); n++) {
        (void) parse(text, n, &u);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_url_comes_apart),
        cmocka_unit_test(what_is_usual_is_taken),
        cmocka_unit_test(there_are_limits),
        cmocka_unit_test(a_host_is_the_same_however_it_is_written),
        cmocka_unit_test(every_byte_is_looked_at),
        cmocka_unit_test(every_part_of_a_url_ends_somewhere)
    };

    return cmocka_run_group_tests_name("async_url", tests, NULL, NULL);
}
