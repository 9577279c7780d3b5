/*
 * The worker's keys: what nginx said, and what the files hold.
 */

#include <openssl/evp.h>

#include "../store/async_fixture.h"
#include "async_keyring.h"


static async_key_files_t  files;
static async_keyring_t    ring;


static void
path_of(fixture_t *f, unsigned n, char *path, size_t cap)
{
    snprintf(path, cap, "%s/%u.key", f->path, n);
}


static void
write_key(fixture_t *f, unsigned n, const char *digit)
{
    char      path[600];
    FILE     *out;
    unsigned  i;

    path_of(f, n, path, sizeof(path));
    out = fopen(path, "we");
    assert_non_null(out);

    for (i = 0; i < 64; i++) {
        fputs(digit, out);
    }

    fclose(out);
}


static void
remove_key(fixture_t *f, unsigned n)
{
    char  path[600];

    path_of(f, n, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
}


/* files 1..n, as nginx would say it that has found these digits in them */

static void
publish(fixture_t *f, bool encrypts, unsigned n, const char *digits)
{
    unsigned  i;
    uint8_t   secret[ASYNC_SECRET], digest[32];

    files.loaded++;
    files.encrypts = encrypts;
    files.n = n;

    for (i = 0; i < n; i++) {
        memset(files.paths[i], 0, ASYNC_KEY_PATH);
        path_of(f, i + 1, files.paths[i], ASYNC_KEY_PATH);

        memset(secret, (digits[i] - (digits[i] < 'a' ? '0' : 'a' - 10)) * 17,
               sizeof(secret));
        assert_int_equal(EVP_Digest(secret, sizeof(secret), digest, NULL,
                                    EVP_sha256(), NULL), 1);
        memcpy(files.ids[i], digest, ASYNC_KEY_ID);
    }

    assert_int_equal(async_store_publish_keys(f->store, &files, &f->err),
                     ASYNC_OK);
}


static const async_keys_t *
keys(fixture_t *f)
{
    assert_non_null(f->store->ring);

    return &f->store->ring->keys;
}


static int
setup(void **state)
{
    memset(&ring, 0, sizeof(ring));
    memset(&files, 0, sizeof(files));

    return fixture_setup(state);
}


static void
without_a_word_of_nginx_nothing_is_encrypted(void **state)
{
    fixture_t  *f = *state;

    async_keyring_look(&ring, f->store);
    assert_true(ring.ready);
    assert_false(async_store_encrypts(f->store));
}


static void
a_key_is_taken_at_the_next_look(void **state)
{
    fixture_t  *f = *state;

    async_keyring_check(&ring, f->store);

    write_key(f, 1, "1");
    publish(f, true, 1, "1");
    async_keyring_look(&ring, f->store);

    assert_true(ring.ready);
    assert_true(async_store_encrypts(f->store));
    assert_int_equal(keys(f)->secrets[0].bytes[0], 0x11);

    publish(f, false, 1, "1");
    async_keyring_look(&ring, f->store);
    assert_true(ring.ready);
    assert_false(async_store_encrypts(f->store));
    assert_int_equal(keys(f)->n, 1);

    publish(f, false, 0, "");
    async_keyring_look(&ring, f->store);
    assert_int_equal(keys(f)->n, 0);
}


static void
nothing_runs_until_the_key_can_be_read(void **state)
{
    fixture_t  *f = *state;

    publish(f, true, 1, "a");
    async_keyring_check(&ring, f->store);
    assert_false(ring.ready);

    async_keyring_look(&ring, f->store);
    async_keyring_check(&ring, f->store);
    assert_false(ring.ready);

    write_key(f, 1, "x");
    async_keyring_check(&ring, f->store);
    assert_false(ring.ready);

    write_key(f, 1, "a");
    async_keyring_check(&ring, f->store);
    assert_true(ring.ready);
    assert_true(async_store_encrypts(f->store));

    /* one that can no longer be read was read */

    remove_key(f, 1);
    async_keyring_check(&ring, f->store);
    assert_true(ring.ready);
    assert_true(async_store_encrypts(f->store));
}


static void
keys_stay_in_use_until_others_take_their_place(void **state)
{
    fixture_t  *f = *state;

    write_key(f, 1, "1");
    publish(f, true, 1, "1");
    async_keyring_check(&ring, f->store);

    /* file 1 is another's now, and cannot be read */

    remove_key(f, 1);
    write_key(f, 2, "2");
    publish(f, true, 2, "32");
    async_keyring_check(&ring, f->store);
    assert_false(ring.ready);
    assert_int_equal(keys(f)->n, 1);
    assert_int_equal(keys(f)->secrets[0].bytes[0], 0x11);

    write_key(f, 1, "3");
    async_keyring_check(&ring, f->store);
    assert_true(ring.ready);
    assert_int_equal(keys(f)->n, 2);
    assert_int_equal(keys(f)->secrets[0].bytes[0], 0x33);
    assert_int_equal(keys(f)->secrets[1].bytes[0], 0x22);
}


static void
one_that_only_decrypts_stops_nobody(void **state)
{
    fixture_t         *f = *state;
    async_key_ring_t  *before;

    write_key(f, 1, "1");
    publish(f, true, 2, "12");
    async_keyring_check(&ring, f->store);
    assert_true(ring.ready);
    assert_int_equal(keys(f)->n, 1);

    /* asked for each second, and nothing grows by it */

    before = f->store->ring;
    async_keyring_check(&ring, f->store);
    async_keyring_check(&ring, f->store);
    assert_ptr_equal(f->store->ring, before);

    write_key(f, 2, "2");
    async_keyring_check(&ring, f->store);
    assert_int_equal(keys(f)->n, 2);
}


static void
a_file_that_was_written_over_is_not_used(void **state)
{
    fixture_t  *f = *state;

    write_key(f, 1, "1");
    publish(f, true, 1, "1");
    async_keyring_check(&ring, f->store);

    /* what was read goes on */

    write_key(f, 1, "2");
    async_keyring_check(&ring, f->store);
    assert_true(ring.ready);
    assert_int_equal(keys(f)->secrets[0].bytes[0], 0x11);

    /* another worker would wait for nginx to read it as well */

    memset(&ring, 0, sizeof(ring));
    async_keyring_check(&ring, f->store);
    assert_false(ring.ready);

    publish(f, true, 1, "2");
    async_keyring_look(&ring, f->store);
    assert_true(ring.ready);
    assert_int_equal(keys(f)->n, 1);
    assert_int_equal(keys(f)->secrets[0].bytes[0], 0x22);
}


static void
a_row_that_is_damaged_stops_it(void **state)
{
    fixture_t    *f = *state;
    async_key_t   key;

    write_key(f, 1, "1");
    publish(f, true, 1, "1");
    async_keyring_check(&ring, f->store);
    assert_true(ring.ready);

    async_key_keys(&key);
    fixture_overwrite(f, &key, "damage", 6);
    async_keyring_look(&ring, f->store);
    assert_false(ring.ready);

    publish(f, true, 1, "1");
    async_keyring_check(&ring, f->store);
    assert_true(ring.ready);
}


int
main(void)
{
#define unit(test)                                                           \
    cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

    const struct CMUnitTest  tests[] = {
        unit(without_a_word_of_nginx_nothing_is_encrypted),
        unit(a_key_is_taken_at_the_next_look),
        unit(nothing_runs_until_the_key_can_be_read),
        unit(keys_stay_in_use_until_others_take_their_place),
        unit(one_that_only_decrypts_stops_nobody),
        unit(a_file_that_was_written_over_is_not_used),
        unit(a_row_that_is_damaged_stops_it)
    };

    return cmocka_run_group_tests_name("async_keyring", tests, NULL, NULL);
}
