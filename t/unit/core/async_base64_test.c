/*
 * Base64.
 */

#include "async_base64.h"
#include "async_text.h"


static bool
decode(const char *text, uint8_t *out, size_t cap, size_t *len)
{
    bool          ok;
    async_str_t   value;

    value = exact(text, strlen(text));

    ok = async_base64_decode(out, cap, len, value);
    exact_free(value);

    return ok;
}


static void
assert_bytes(const char *text, const char *expected)
{
    size_t   len;
    uint8_t  out[16];

    if (!decode(text, out, sizeof(out), &len)) {
        fail_msg("refused: %s", text);
    }

    assert_int_equal(len, strlen(expected));
    assert_memory_equal(out, expected, len);
    assert_true(len <= async_base64_bytes(strlen(text)));
}


static void
the_vectors_of_the_rfc(void **state)
{
    (void) state;

    assert_bytes("", "");
    assert_bytes("Zg==", "f");
    assert_bytes("Zm8=", "fo");
    assert_bytes("Zm9v", "foo");
    assert_bytes("Zm9vYg==", "foob");
    assert_bytes("Zm9vYmE=", "fooba");
    assert_bytes("Zm9vYmFy", "foobar");
    assert_bytes("+/+/", "\xfb\xff\xbf");
}


static void
padding_may_be_left_out(void **state)
{
    (void) state;

    assert_bytes("Zg", "f");
    assert_bytes("Zm8", "fo");
}


static void
what_no_encoder_writes_is_refused(void **state)
{
    size_t       i, len;
    uint8_t      out[16];
    const char  *bad[] = {
        "Z", "=", "==", "===", "====", "Zg=", "Zg===", "Z===", "Zm9v=",
        "Zm9v====", "Zh==", "Zm9=", "Z g=", "Zg==\n", " Zg==", "-_-_",
        "Zg==Zg==", "Z\xc3\xa4g"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        if (decode(bad[i], out, sizeof(out), &len)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}


static void
no_more_is_written_than_there_is_room_for(void **state)
{
    size_t   len;
    uint8_t  out[4] = { 0, 0, 0, 0x55 };

    (void) state;

    assert_true(decode("Zm9v", out, 3, &len));
    assert_false(decode("Zm9vYg", out, 3, &len));
    assert_int_equal(out[3], 0x55);
    assert_false(decode("Zg", out, 0, &len));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc),
        cmocka_unit_test(padding_may_be_left_out),
        cmocka_unit_test(what_no_encoder_writes_is_refused),
        cmocka_unit_test(no_more_is_written_than_there_is_room_for)
    };

    return cmocka_run_group_tests_name("async_base64", tests, NULL, NULL);
}
