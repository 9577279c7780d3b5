/*
 * Signatures of webhooks.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "async_signer.h"


static char  path[] = "/tmp/async-signer-XXXXXX";


static async_rc_t
read_file(async_signer_t *signer, const char *text)
{
    bool           exposed;
    FILE          *file;
    async_error_t  err;

    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);

    return async_signer_read(signer, path, &exposed, &err);
}


/* the example of the standard's own libraries */

static void
it_signs_as_the_standard_does(void **state)
{
    char            out[ASYNC_SIGNER_TEXT];
    async_signer_t  signer = { .n = 0 };

    (void) state;

    assert_int_equal(read_file(&signer, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa"
                                        "Sw\n"), ASYNC_OK);
    assert_true(async_signer_sign(&signer,
                (async_str_t) async_str("msg_p5jXN8AQM9LWM0D4loKWxJek"),
                1614265330,
                (async_str_t) async_str("{\"test\": 2432232314}"), out));
    assert_string_equal(out,
                        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}


static void
each_key_signs(void **state)
{
    char            out[ASYNC_SIGNER_TEXT], one[ASYNC_SIGNER_TEXT];
    unsigned        i;
    async_str_t     id = async_str("msg_1"), body = async_str("{}");
    async_error_t   err;
    async_signer_t  signer = { .n = 0 };
    bool            exposed;

    (void) state;

    assert_false(async_signer_sign(&signer, id, 1, body, out));

    for (i = 0; i < ASYNC_SIGNER_KEYS; i++) {
        assert_int_equal(read_file(&signer, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2"
                                            "LaLaSw"), ASYNC_OK);
    }

    assert_int_equal(async_signer_read(&signer, path, &exposed, &err),
                     ASYNC_INVALID);
    assert_true(async_signer_sign(&signer, id, 1, body, out));
    assert_int_equal(strlen(out), ASYNC_SIGNER_KEYS * 48 - 1);

    signer.n = 1;
    assert_true(async_signer_sign(&signer, id, 1, body, one));
    assert_memory_equal(out, one, 47);
    assert_int_equal(out[47], ' ');
    assert_memory_equal(out + 48, one, 47);
}


static void
a_receiver_has_a_key_of_its_own(void **state)
{
    char            before[ASYNC_SIGNER_KEY_TEXT];
    char            after[ASYNC_SIGNER_KEY_TEXT];
    async_signer_t  signer, again = { .n = 0 };

    (void) state;

    assert_true(async_signer_make(&signer));
    async_signer_format(&signer, 0, before);
    assert_int_equal(strlen(before), 6 + 44);

    assert_true(async_signer_derive(&signer,
                                    (async_str_t) async_str("a.example")));
    async_signer_format(&signer, 0, after);
    assert_string_not_equal(before, after);
    assert_int_equal(signer.keys[0].len, 32);

    /* what is printed can be read */

    assert_int_equal(read_file(&again, after), ASYNC_OK);
    assert_memory_equal(again.keys[0].bytes, signer.keys[0].bytes, 32);
}


static void
what_holds_no_secret_is_refused(void **state)
{
    unsigned                  i;
    async_signer_t            signer = { .n = 0 };
    static const char *const  texts[] = {
        "", "\n", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nwhsec_x\n"
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(read_file(&signer, texts[i]), ASYNC_INVALID);
    }

    assert_int_equal(signer.n, 0);
}


static int
make_file(void **state)
{
    int  fd;

    (void) state;

    fd = mkstemp(path);

    return fd != -1 ? close(fd) : -1;
}


static int
remove_file(void **state)
{
    (void) state;

    return unlink(path);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(it_signs_as_the_standard_does),
        cmocka_unit_test(each_key_signs),
        cmocka_unit_test(a_receiver_has_a_key_of_its_own),
        cmocka_unit_test(what_holds_no_secret_is_refused)
    };

    return cmocka_run_group_tests_name("async_signer", tests, make_file,
                                       remove_file);
}
