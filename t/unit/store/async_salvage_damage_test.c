/*
 * Salvage of stores that were damaged at random, SALVAGE_ROUNDS times of each
 * kind.  Where each record lies is known, so is which of them were hit.
 */

#include "async_salvaged.h"


static uint64_t  dice = 88172645463325252ull;

static size_t
roll(size_t n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;

    return (size_t) (dice % n);
}


static unsigned
rounds(void)
{
    const char  *text;

    text = getenv("SALVAGE_ROUNDS");

    return text != NULL ? (unsigned) atoi(text) : 40;
}


/* of the damages, how many changed nothing and how many found nothing */

static void
one_damage(const uint8_t *data, size_t len, span_t damage, unsigned *changed,
    unsigned *nothing)
{
    salvaged_t  x;

    salvage(&x, data, len);

    if (x.rc == ASYNC_OK) {
        *changed += compare(&x, damage, blinding(damage)) > 0;

        if (async_salvage_whole(&x.figures)) {
            assert_string_equal(said, "");
            assert_int_equal(x.figures.jobs, JOBS + back);
        }

    } else {
        assert_int_equal(x.rc, ASYNC_CORRUPT);
        (*nothing)++;
    }

    salvaged_done(&x);
}


static void
a_flipped_bit_costs_what_it_hits(void **state)
{
    uint8_t   *copy;
    size_t     at;
    unsigned   i, changed, nothing;

    (void) state;

    changed = 0;
    nothing = 0;

    for (i = 0; i < rounds(); i++) {
        copy = copy_of_image();

        /* half of them where the trees are */

        at = roll(size);
        at = i % 2 ? at / PAGE * PAGE + roll(64) : at;
        copy[at] ^= (uint8_t) (1u << roll(8));

        one_damage(copy, size, (span_t) { at, at + 1 }, &changed, &nothing);
        free(copy);
    }

    print_message("# %u flipped bits, %u of them cost something\n", i,
                  changed);
    assert_int_equal(nothing, 0);
}


static void
a_zeroed_page_costs_what_it_held(void **state)
{
    uint8_t   *copy;
    size_t     at, len;
    unsigned   i, changed, nothing;

    (void) state;

    changed = 0;
    nothing = 0;

    for (i = 0; i < rounds(); i++) {
        copy = copy_of_image();

        len = (i % 4 == 0 ? 1 + roll(8) : 1) * PAGE;
        at = roll((size - len) / PAGE) * PAGE;
        memset(copy + at, i % 3 == 0 ? 0xff : 0, len);

        one_damage(copy, size, (span_t) { at, at + len }, &changed,
                   &nothing);
        free(copy);
    }

    print_message("# %u zeroed ranges, %u of them cost something\n", i,
                  changed);
    assert_true(changed > 0);
    assert_int_equal(nothing, 0);
}


static void
a_cut_file_gives_what_is_left(void **state)
{
    size_t      len;
    span_t      damage;
    unsigned    i, changed, nothing;
    salvaged_t  x;

    (void) state;

    changed = 0;
    nothing = 0;

    for (i = 0; i < rounds(); i++) {
        len = i % 4 == 0 ? size - roll(20 * PAGE) : 1 + roll(size - 1);

        damage.from = len / PAGE * PAGE;
        damage.to = size;

        /* the trees may have begun behind the end */

        salvage(&x, image, len);

        if (x.rc == ASYNC_OK) {
            changed += compare(&x, damage, true) > 0;

        } else {
            assert_int_equal(x.rc, ASYNC_CORRUPT);
            nothing++;
        }

        salvaged_done(&x);
    }

    print_message("# %u lengths, of %u nothing was left\n", i, nothing);
    assert_true(changed > 0);
    assert_true(nothing < i / 4);
}


/* a page written where another belongs, and noise: no claim on what is back
   but that it is right, and that it ends */

static void
nothing_wrong_comes_of_noise(void **state)
{
    uint8_t     *copy;
    size_t       at, k;
    unsigned     i, j;
    salvaged_t   x;

    (void) state;

    for (i = 0; i < rounds(); i++) {
        copy = copy_of_image();

        for (j = 0; j < 1 + i % 16; j++) {
            at = roll(size / PAGE) * PAGE;

            if (j % 2) {
                memcpy(copy + at, image + roll(size / PAGE) * PAGE, PAGE);

            } else {
                for (k = 0; k < 32; k++) {
                    copy[at + roll(PAGE)] = (uint8_t) roll(256);
                }

                for (k = 0; k < 4; k++) {
                    copy[at + roll(64)] = (uint8_t) roll(256);
                }
            }
        }

        salvage(&x, copy, size);

        if (x.rc == ASYNC_OK) {
            look(&x);

            for (j = 0; j < njobs; j++) {
                if (now[j].found) {
                    assert_nothing_wrong(&models[j], &now[j]);
                }
            }
        }

        salvaged_done(&x);
        free(copy);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_flipped_bit_costs_what_it_hits),
        cmocka_unit_test(a_zeroed_page_costs_what_it_held),
        cmocka_unit_test(a_cut_file_gives_what_is_left),
        cmocka_unit_test(nothing_wrong_comes_of_noise)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
