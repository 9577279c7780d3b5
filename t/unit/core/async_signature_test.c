/*
 * What the headers of signed messages say; the signatures themselves are
 * verified by flow tests, with the packages of those who sign.
 */

#include "async_signature.h"
#include "async_text.h"


#define NOW        1614265330
#define TOLERANCE  300

#define B64  "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define HEX  "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


static async_signature_t  sig;


static const char *
read_at(async_scheme_t scheme, const char *id, const char *timestamp,
    const char *signature, int64_t now)
{
    async_str_t  headers[ASYNC_SIGNED_HEADERS];

    headers[ASYNC_SIGNED_ID] = str(id);
    headers[ASYNC_SIGNED_TIMESTAMP] = str(timestamp);
    headers[ASYNC_SIGNED_SIGNATURE] = str(signature);

    memset(&sig, 0xa5, sizeof(sig));

    return async_signature_read(&sig, scheme, headers, now, TOLERANCE);
}


static void
assert_front(const char *expected)
{
    char      front[128];
    size_t    len;
    unsigned  i;

    len = 0;

    for (i = 0; i < sig.nfront; i++) {
        memcpy(front + len, sig.front[i].data, sig.front[i].len);
        len += sig.front[i].len;
    }

    assert_int_equal(len, strlen(expected));
    assert_memory_equal(front, expected, len);
}


static void
schemes_have_names_and_headers(void **state)
{
    (void) state;

    assert_int_equal(async_scheme(str("standard")), ASYNC_SCHEME_STANDARD);
    assert_int_equal(async_scheme(str("github")), ASYNC_SCHEME_GITHUB);
    assert_int_equal(async_scheme(str("stripe")), ASYNC_SCHEME_STRIPE);
    assert_int_equal(async_scheme(str("off")), ASYNC_SCHEME_MAX);
    assert_int_equal(async_scheme(str("")), ASYNC_SCHEME_MAX);
    assert_int_equal(async_scheme(str("stand")), ASYNC_SCHEME_MAX);

    assert_string_equal(async_scheme_name(ASYNC_SCHEME_STRIPE), "stripe");
    assert_string_equal(async_scheme_header(ASYNC_SCHEME_GITHUB,
                                            ASYNC_SIGNED_ID),
                        "X-GitHub-Delivery");
    assert_null(async_scheme_header(ASYNC_SCHEME_STRIPE, ASYNC_SIGNED_ID));
}


static void
standard_signs_id_and_timestamp(void **state)
{
    (void) state;

    assert_null(read_at(ASYNC_SCHEME_STANDARD, "msg_1", "1614265330",
                        "v1," B64, NOW));
    assert_front("msg_1.1614265330.");
    assert_int_equal(sig.n, 1);
    assert_memory_equal(sig.macs[0], "\x83\x48\x4c\xf5\x2b\x04", 6);

    /* during a rotation, beside others, and without its padding */

    assert_null(read_at(ASYNC_SCHEME_STANDARD, "msg_1", "1614265330",
                        "v1a,xx v1," B64 " v2," B64 "  v1,"
                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NOW));
    assert_int_equal(sig.n, 2);
    assert_int_equal(sig.macs[1][31], 0);

    assert_non_null(read_at(ASYNC_SCHEME_STANDARD, "", "1614265330",
                            "v1," B64, NOW));
    assert_non_null(read_at(ASYNC_SCHEME_STANDARD, "msg_1", "", "v1," B64,
                            NOW));
    assert_non_null(read_at(ASYNC_SCHEME_STANDARD, "msg_1", "1614265330", "",
                            NOW));
}


static void
github_signs_the_body_alone(void **state)
{
    (void) state;

    assert_null(read_at(ASYNC_SCHEME_GITHUB, "", "", "sha256=" HEX, NOW));
    assert_front("");
    assert_int_equal(sig.n, 1);
    assert_memory_equal(sig.macs[0], "\x75\x71\x07\xea", 4);

    assert_non_null(read_at(ASYNC_SCHEME_GITHUB, "x", "", HEX, NOW));
    assert_non_null(read_at(ASYNC_SCHEME_GITHUB, "x", "", "sha1=" HEX, NOW));
    assert_non_null(read_at(ASYNC_SCHEME_GITHUB, "x", "", "sha256=" HEX "0",
                            NOW));
}


static void
stripe_signs_the_timestamp(void **state)
{
    (void) state;

    assert_null(read_at(ASYNC_SCHEME_STRIPE, "", "",
                        "t=1614265330,v1=" HEX ",v0=" HEX, NOW));
    assert_front("1614265330.");
    assert_int_equal(sig.n, 1);

    assert_null(read_at(ASYNC_SCHEME_STRIPE, "", "",
                        "v1=" HEX ",t=1614265330,v1=" HEX, NOW));
    assert_front("1614265330.");
    assert_int_equal(sig.n, 2);

    assert_non_null(read_at(ASYNC_SCHEME_STRIPE, "", "", "v1=" HEX, NOW));
    assert_non_null(read_at(ASYNC_SCHEME_STRIPE, "", "", "t=1614265330",
                            NOW));
    assert_non_null(read_at(ASYNC_SCHEME_STRIPE, "", "",
                            "t=1614265330,v0=" HEX, NOW));
    assert_non_null(read_at(ASYNC_SCHEME_STRIPE, "", "",
                            "t=1,t=1614265330,v1=" HEX, NOW));
    assert_non_null(read_at(ASYNC_SCHEME_STRIPE, "", "", "t=,v1=" HEX, NOW));
}


static void
a_timestamp_may_be_off_by_the_tolerance(void **state)
{
    size_t       i;
    const char  *bad[] = {
        "1614265330.0", "-1", "+1614265330", " 1614265330", "1614265330 ",
        "0x60378a32", "1614265330000", "9999999999999999999999", "now"
    };

    (void) state;

    assert_null(read_at(ASYNC_SCHEME_STANDARD, "a", "1614265330", "v1," B64,
                        NOW + TOLERANCE));
    assert_non_null(read_at(ASYNC_SCHEME_STANDARD, "a", "1614265330",
                            "v1," B64, NOW + TOLERANCE + 1));
    assert_null(read_at(ASYNC_SCHEME_STANDARD, "a", "1614265330", "v1," B64,
                        NOW - TOLERANCE));
    assert_non_null(read_at(ASYNC_SCHEME_STANDARD, "a", "1614265330",
                            "v1," B64, NOW - TOLERANCE - 1));
    assert_non_null(read_at(ASYNC_SCHEME_STRIPE, "", "",
                            "t=1614265330,v1=" HEX, NOW + TOLERANCE + 1));

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        if (read_at(ASYNC_SCHEME_STANDARD, "a", bad[i], "v1," B64, NOW)
            == NULL)
        {
            fail_msg("taken: %s", bad[i]);
        }
    }
}


static void
what_is_no_signature_is_passed_over(void **state)
{
    size_t       i;
    const char  *none[] = {
        "v1", "v1,", "v1,=", "V1," B64, "v1 " B64, "v1," B64 "=",
        "v1,A" B64, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1Q==",
        "v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE=", ",", "v1,,", " "
    };

    (void) state;

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {

        if (read_at(ASYNC_SCHEME_STANDARD, "a", "1614265330", none[i], NOW)
            == NULL)
        {
            fail_msg("taken: %s", none[i]);
        }
    }
}


static void
no_more_signatures_than_there_is_room_for(void **state)
{
    int   i;
    char  text[32 * (sizeof(HEX) + 4) + 16];

    (void) state;

    strcpy(text, "t=1614265330");

    for (i = 0; i < 32; i++) {
        strcat(text, ",v1=" HEX);
    }

    assert_null(read_at(ASYNC_SCHEME_STRIPE, "", "", text, NOW));
    assert_int_equal(sig.n, ASYNC_SIGNATURES);
}


static void
assert_key(async_scheme_t scheme, const char *text, size_t expected)
{
    bool     ok;
    size_t   len;
    uint8_t  key[ASYNC_SIGNING_KEY];

    ok = async_signing_key(key, &len, scheme, str(text));

    if (ok != (expected != 0) || (ok && len != expected)) {
        fail_msg("\"%s\": %zu", text, ok ? len : 0);
    }
}


static void
a_secret_is_base64_or_itself(void **state)
{
    char  text[ASYNC_SIGNING_KEY + 2];

    (void) state;

    assert_key(ASYNC_SCHEME_STANDARD,
               "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 24);
    assert_key(ASYNC_SCHEME_STANDARD, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 24);
    assert_key(ASYNC_SCHEME_STANDARD, "whsec_", 0);
    assert_key(ASYNC_SCHEME_STANDARD, "", 0);
    assert_key(ASYNC_SCHEME_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8I", 0);
    assert_key(ASYNC_SCHEME_STANDARD, "whsec_not base64 at all, really!", 0);
    assert_key(ASYNC_SCHEME_STANDARD, "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa",
               0);

    assert_key(ASYNC_SCHEME_STRIPE, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZ", 29);
    assert_key(ASYNC_SCHEME_GITHUB, "It's a Secret to Everybody", 26);
    assert_key(ASYNC_SCHEME_GITHUB, "", 0);
    assert_key(ASYNC_SCHEME_GITHUB, "two\nlines", 0);
    assert_key(ASYNC_SCHEME_STRIPE, "a\x7f", 0);

    memset(text, 'A', sizeof(text));
    text[88] = '\0';
    assert_key(ASYNC_SCHEME_STANDARD, text, 0);
    text[84] = '\0';
    assert_key(ASYNC_SCHEME_STANDARD, text, 63);

    memset(text, 'A', sizeof(text));
    text[ASYNC_SIGNING_KEY + 1] = '\0';
    assert_key(ASYNC_SCHEME_GITHUB, text, 0);
    text[ASYNC_SIGNING_KEY] = '\0';
    assert_key(ASYNC_SCHEME_GITHUB, text, ASYNC_SIGNING_KEY);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(schemes_have_names_and_headers),
        cmocka_unit_test(standard_signs_id_and_timestamp),
        cmocka_unit_test(github_signs_the_body_alone),
        cmocka_unit_test(stripe_signs_the_timestamp),
        cmocka_unit_test(a_timestamp_may_be_off_by_the_tolerance),
        cmocka_unit_test(what_is_no_signature_is_passed_over),
        cmocka_unit_test(no_more_signatures_than_there_is_room_for),
        cmocka_unit_test(a_secret_is_base64_or_itself)
    };

    return cmocka_run_group_tests_name("async_signature", tests, NULL, NULL);
}
