/*
 * Job ids.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "async_id.h"


static const char  example[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";


/* RFC 9562, appendix A.6 */

static void
the_example_of_rfc_9562(void **state)
{
    char           text[ASYNC_ID_TEXT];
    async_id_t     id, parsed;
    const uint8_t  random[ASYNC_ID_RANDOM] = {
        0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f
    };

    (void) state;

    async_id_make(&id, 1645557742000, random);
    assert_ptr_equal(async_id_format(text, &id), text + ASYNC_ID_TEXT);
    assert_memory_equal(text, example, ASYNC_ID_TEXT);

    assert_true(async_id_parse(&parsed, example, ASYNC_ID_TEXT));
    assert_memory_equal(parsed.bytes, id.bytes, 16);
    assert_int_equal(async_id_time(&parsed), 1645557742000);
}


static void
all_74_free_bits_are_random_and_six_are_fixed(void **state)
{
    int         i;
    unsigned    bit, changed;
    uint8_t     random[ASYNC_ID_RANDOM];
    async_id_t  zero, id;

    (void) state;

    memset(random, 0, sizeof(random));
    async_id_make(&zero, 0, random);
    changed = 0;

    for (bit = 0; bit < 80; bit++) {
        memset(random, 0, sizeof(random));
        random[bit / 8] = (uint8_t) (1 << bit % 8);
        async_id_make(&id, 0, random);

        assert_int_equal(id.bytes[6] >> 4, 7);
        assert_int_equal(id.bytes[8] >> 6, 2);

        for (i = 0; i < 6; i++) {
            assert_int_equal(id.bytes[i], 0);
        }

        changed += (memcmp(&id, &zero, sizeof(id)) != 0);
    }

    assert_int_equal(changed, 74);
}


static void
ids_sort_by_time_whatever_the_random_bytes_are(void **state)
{
    size_t         i;
    uint8_t        ones[ASYNC_ID_RANDOM], zeros[ASYNC_ID_RANDOM];
    async_id_t     a, b;
    const int64_t  times[] = {
        0, 1, 255, 256, 65535, 65536, 1795341600000, 1795341600001,
        0xfffffffffffe, 0xffffffffffff
    };

    (void) state;

    memset(ones, 0xff, sizeof(ones));
    memset(zeros, 0, sizeof(zeros));

    for (i = 0; i + 1 < sizeof(times) / sizeof(times[0]); i++) {
        async_id_make(&a, times[i], ones);
        async_id_make(&b, times[i + 1], zeros);

        assert_true(memcmp(a.bytes, b.bytes, 16) < 0);
        assert_int_equal(async_id_time(&a), times[i]);
    }
}


static void
times_out_of_48_bits_are_clamped(void **state)
{
    uint8_t     random[ASYNC_ID_RANDOM] = { 0 };
    async_id_t  id;

    (void) state;

    async_id_make(&id, -1, random);
    assert_int_equal(async_id_time(&id), 0);

    async_id_make(&id, INT64_MIN, random);
    assert_int_equal(async_id_time(&id), 0);

    async_id_make(&id, INT64_MAX, random);
    assert_int_equal(async_id_time(&id), 0xffffffffffff);
}


static void
upper_case_is_the_same_id(void **state)
{
    async_id_t  lower, upper;

    (void) state;

    assert_true(async_id_parse(&lower, example, ASYNC_ID_TEXT));
    assert_true(async_id_parse(&upper,
                               "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
                               ASYNC_ID_TEXT));
    assert_memory_equal(lower.bytes, upper.bytes, 16);
}


/* every byte of the text becomes every other byte */

static void
hostile_text_is_refused_at_every_place(void **state)
{
    int         c;
    bool        digit, expected;
    char        text[ASYNC_ID_TEXT];
    size_t      i;
    async_id_t  id, before;

    (void) state;

    memset(&before, 0x5a, sizeof(before));

    for (i = 0; i < ASYNC_ID_TEXT; i++) {

        for (c = 0; c < 256; c++) {
            memcpy(text, example, ASYNC_ID_TEXT);
            text[i] = (char) c;

            digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')
                    || (c >= 'A' && c <= 'F');

            if (example[i] == '-') {
                expected = (c == '-');

            } else if (i == 14) {
                expected = (c == '7');

            } else if (i == 19) {
                expected = (c != 0 && strchr("89abAB", c) != NULL);

            } else {
                expected = digit;
            }

            id = before;
            assert_int_equal(async_id_parse(&id, text, ASYNC_ID_TEXT),
                             expected);

            if (!expected) {
                assert_memory_equal(&id, &before, sizeof(id));
            }
        }
    }
}


static void
any_other_length_is_refused(void **state)
{
    char        text[64];
    size_t      len;
    async_id_t  id;

    (void) state;

    memset(text, '0', sizeof(text));
    memcpy(text, example, ASYNC_ID_TEXT);

    for (len = 0; len < sizeof(text); len++) {
        assert_int_equal(async_id_parse(&id, text, len),
                         len == ASYNC_ID_TEXT);
    }

    assert_false(async_id_parse(&id, NULL, 0));
    assert_false(async_id_parse(&id, "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
                                ASYNC_ID_TEXT));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_example_of_rfc_9562),
        cmocka_unit_test(all_74_free_bits_are_random_and_six_are_fixed),
        cmocka_unit_test(ids_sort_by_time_whatever_the_random_bytes_are),
        cmocka_unit_test(times_out_of_48_bits_are_clamped),
        cmocka_unit_test(upper_case_is_the_same_id),
        cmocka_unit_test(hostile_text_is_refused_at_every_place),
        cmocka_unit_test(any_other_length_is_refused)
    };

    return cmocka_run_group_tests_name("async_id", tests, NULL, NULL);
}
