/*
 * Keys and the cipher.
 */

#include "async_fixture.h"


/* the job of the golden record, and its request's body */

static const async_id_t  id = {
    { 0x01, 0xa2, 0x02, 0xb2, 0xc5, 0x00, 0x7c, 0x3e,
      0x9d, 0x2f, 0x1b, 0x5e, 0x0c, 0x8a, 0x4d, 0x11 }
};

static const char  text[] = "The quick brown fox";

#define TEXT    (sizeof(text) - 1)
#define SEALED  (TEXT + ASYNC_CIPHER_TAG)

/*
 * Piece 5 of that text, as the last and as one that is not.  Made with an
 * implementation of HMAC-SHA256 and AES-GCM that is not OpenSSL's, which was
 * compared with FIPS 197, C.3, and test case 16 of the GCM specification.
 */

static const uint8_t  golden[2][SEALED] = {
    { 0x77, 0x58, 0xda, 0xb5, 0xd7, 0xb9, 0x74, 0x4e, 0x7c, 0x62, 0xcd, 0x19,
      0x6b, 0x9f, 0xb8, 0xfe, 0xf8, 0x32, 0xf7, 0xd4, 0xc8, 0xfc, 0x01, 0xa2,
      0x77, 0x4d, 0xc6, 0xaa, 0xd3, 0xe2, 0x4c, 0x88, 0xb0, 0xc2, 0x2d },
    { 0x77, 0x58, 0xda, 0xb5, 0xd7, 0xb9, 0x74, 0x4e, 0x7c, 0x62, 0xcd, 0x19,
      0x6b, 0x9f, 0xb8, 0xfe, 0xf8, 0x32, 0xf7, 0x60, 0xb3, 0xb2, 0x77, 0xac,
      0x9e, 0x96, 0x7b, 0x18, 0x57, 0x12, 0x6a, 0xce, 0x5f, 0xe1, 0xba }
};

/* the first bytes of the SHA-256 of 00 01 02 … 1f */

static const char  golden_id[] = "630dcd2966c43366";


/* 00 01 02 … 1f, and a salt of 20 21 … 2f */

static void
make(async_secret_t *secret, async_seal_t *seal)
{
    unsigned  i;

    memset(secret, 0, sizeof(async_secret_t));
    memset(seal, 0, sizeof(async_seal_t));

    seal->used = true;

    for (i = 0; i < ASYNC_SECRET; i++) {
        secret->bytes[i] = (uint8_t) i;
    }

    for (i = 0; i < ASYNC_SALT; i++) {
        seal->salt[i] = (uint8_t) (0x20 + i);
    }
}


static bool
unseals(const async_secret_t *secret, const async_seal_t *seal,
    const async_id_t *job, async_payload_kind_t kind, uint64_t number,
    bool last, const uint8_t *bytes, size_t len)
{
    bool             sound;
    size_t           i;
    uint8_t         *copy, *out;
    async_cipher_t   cipher;

    copy = malloc(len + 1);
    out = malloc(SEALED);
    memcpy(copy, bytes, len);
    memset(out, 'x', SEALED);

    assert_true(async_cipher_open(&cipher, secret, seal, job, kind, false));
    sound = async_cipher_unseal(&cipher, number, last, copy, len, out);
    async_cipher_close(&cipher);

    if (sound) {
        assert_int_equal(len, SEALED);
        assert_memory_equal(out, text, TEXT);

    } else {
        for (i = ASYNC_CIPHER_TAG; i < len; i++) {
            assert_int_equal(out[i - ASYNC_CIPHER_TAG], 0);
        }
    }

    free(copy);
    free(out);

    return sound;
}


static void
the_golden_pieces(void **state)
{
    int              last;
    uint8_t          out[SEALED];
    async_seal_t     seal;
    async_cipher_t   cipher;
    async_secret_t   secret;

    (void) state;

    make(&secret, &seal);

    for (last = 0; last < 2; last++) {
        assert_true(async_cipher_open(&cipher, &secret, &seal, &id,
                                      ASYNC_PAYLOAD_REQUEST_BODY, true));
        assert_true(async_cipher_seal(&cipher, 5, last,
                                      (const uint8_t *) text, TEXT, out));
        async_cipher_close(&cipher);

        assert_memory_equal(out, golden[last], SEALED);
        assert_true(unseals(&secret, &seal, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                            5, last, golden[last], SEALED));
    }
}


static void
every_cut_and_every_flipped_bit_is_refused(void **state)
{
    size_t          i;
    uint8_t         bytes[SEALED + 1];
    async_seal_t    seal;
    async_secret_t  secret;

    (void) state;

    make(&secret, &seal);
    memcpy(bytes, golden[1], SEALED);
    bytes[SEALED] = 0;

#define same(len)                                                            \
    unseals(&secret, &seal, &id, ASYNC_PAYLOAD_REQUEST_BODY, 5, true, bytes, \
            len)

    assert_true(same(SEALED));

    for (i = 0; i < SEALED; i++) {
        assert_false(same(i));
    }

    assert_false(same(SEALED + 1));

    for (i = 0; i < 8 * SEALED; i++) {
        bytes[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_false(same(SEALED));
        bytes[i / 8] ^= (uint8_t) (1 << i % 8);
    }

    assert_true(same(SEALED));

#undef same
}


static void
a_piece_belongs_to_one_place_alone(void **state)
{
    unsigned        i;
    async_id_t      other;
    async_seal_t    seal, salted;
    async_secret_t  secret, wrong;

    (void) state;

    make(&secret, &seal);

#define there(key, salt, job, kind, number, last)                            \
    unseals(&key, &salt, &job, ASYNC_PAYLOAD_##kind, number, last, golden[1],\
            SEALED)

    assert_true(there(secret, seal, id, REQUEST_BODY, 5, true));
    assert_false(there(secret, seal, id, REQUEST_BODY, 5, false));
    assert_false(there(secret, seal, id, REQUEST_BODY, 4, true));
    assert_false(there(secret, seal, id, REQUEST_BODY, 6, true));
    assert_false(there(secret, seal, id, REQUEST, 5, true));
    assert_false(there(secret, seal, id, CAPTURE, 5, true));
    assert_false(there(secret, seal, id, RESPONSE, 5, true));
    assert_false(there(secret, seal, id, RESPONSE_BODY, 5, true));

    for (i = 0; i < 8 * sizeof(id.bytes); i++) {
        other = id;
        other.bytes[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_false(there(secret, seal, other, REQUEST_BODY, 5, true));
    }

    for (i = 0; i < 8 * ASYNC_SALT; i++) {
        salted = seal;
        salted.salt[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_false(there(secret, salted, id, REQUEST_BODY, 5, true));
    }

    for (i = 0; i < 8 * ASYNC_SECRET; i++) {
        wrong = secret;
        wrong.bytes[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_false(there(wrong, seal, id, REQUEST_BODY, 5, true));
    }

#undef there
}


static void
an_empty_piece_is_a_tag(void **state)
{
    uint8_t          out[ASYNC_CIPHER_TAG], none[1];
    async_seal_t     seal;
    async_cipher_t   cipher;
    async_secret_t   secret;

    (void) state;

    make(&secret, &seal);

    assert_true(async_cipher_open(&cipher, &secret, &seal, &id,
                                  ASYNC_PAYLOAD_REQUEST_BODY, true));
    assert_true(async_cipher_seal(&cipher, 0, true, none, 0, out));
    async_cipher_close(&cipher);

    assert_true(async_cipher_open(&cipher, &secret, &seal, &id,
                                  ASYNC_PAYLOAD_REQUEST_BODY, false));
    assert_true(async_cipher_unseal(&cipher, 0, true, out, sizeof(out),
                                    none));
    out[0] ^= 1;
    assert_false(async_cipher_unseal(&cipher, 0, true, out, sizeof(out),
                                     none));
    async_cipher_close(&cipher);
}


static void
what_sealed_bytes_take(void **state)
{
    async_body_t  body;

    (void) state;

    assert_int_equal(async_cipher_stored(0, 100), 0);
    assert_int_equal(async_cipher_stored(1, 100), 1 + 16);
    assert_int_equal(async_cipher_stored(100, 100), 100 + 16);
    assert_int_equal(async_cipher_stored(101, 100), 101 + 32);

    memset(&body, 0, sizeof(body));
    body.where = ASYNC_BODY_CHUNKS;
    body.len = 2 * 4064 + 1;
    assert_int_equal(async_body_stored(&body), 2 * 4064 + 1);
    body.seal.used = true;
    assert_int_equal(async_body_stored(&body), 2 * 4080 + 1 + 16);
    body.where = ASYNC_BODY_SPOOL;
    body.len = 65536 + 1;
    assert_int_equal(async_body_stored(&body), 65552 + 1 + 16);
}


/* --- key files --- */

static async_rc_t
read_key(async_keys_t *keys, const char *content, size_t len, mode_t mode,
    bool *exposed)
{
    int            fd;
    char           path[600];
    async_rc_t     rc;
    async_error_t  err;

    fixture_folder(path, sizeof(path) - 4);
    strcat(path, "/k");

    fd = open(path, O_WRONLY|O_CREAT|O_CLOEXEC, 0600);
    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, content, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);

    rc = async_keys_read(keys, path, exposed, &err);

    *strrchr(path, '/') = '\0';
    fixture_remove(path);

    return rc;
}


#define HEX     "000102030405060708090a0b0c0d0e0f"                            \
                "101112131415161718191a1b1c1d1e1f"
#define BASE64  "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


static void
a_key_is_hexadecimal_or_base64(void **state)
{
    bool            exposed;
    char            name[ASYNC_KEY_ID_TEXT];
    size_t          i;
    async_keys_t    keys;
    async_seal_t    seal;
    async_secret_t  secret;
    static const char *const  good[] = {
        HEX, HEX "\n", HEX "\r\n", HEX "\r",
        "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
        BASE64, BASE64 "\n", BASE64 "=", BASE64 "=\n", BASE64 "=\r\n"
    };
    static const char *const  bad[] = {
        "", "\n", HEX "\n\n", HEX " ", " " HEX, HEX "00",
        "00", BASE64 "==", BASE64 "A", BASE64 "A=", " " BASE64,
        "0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9",      /* bits left */
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd=h8=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd-_8="
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        make(&secret, &seal);
        memset(&keys, 0, sizeof(keys));
        assert_int_equal(read_key(&keys, good[i], strlen(good[i]), 0600,
                                  &exposed), ASYNC_OK);
        assert_int_equal(keys.n, 1);
        assert_memory_equal(keys.secrets[0].bytes, secret.bytes,
                            ASYNC_SECRET);
        assert_string_equal(async_key_id_format(name, keys.secrets[0].id),
                            golden_id);
        assert_ptr_equal(async_keys_find(&keys, keys.secrets[0].id),
                         &keys.secrets[0]);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(&keys, 0, sizeof(keys));
        assert_int_equal(read_key(&keys, bad[i], strlen(bad[i]), 0600,
                                  &exposed), ASYNC_INVALID);
        assert_int_equal(keys.n, 0);
    }

    memset(&keys, 0, sizeof(keys));
    assert_int_equal(read_key(&keys, HEX "\0", sizeof(HEX), 0600, &exposed),
                     ASYNC_INVALID);
}


static void
who_may_read_a_key_is_told(void **state)
{
    bool           exposed;
    unsigned       i;
    async_keys_t   keys;
    async_error_t  err;

    (void) state;

    memset(&keys, 0, sizeof(keys));
    assert_int_equal(read_key(&keys, HEX, 64, 0640, &exposed), ASYNC_OK);
    assert_false(exposed);
    assert_int_equal(read_key(&keys, HEX, 64, 0644, &exposed), ASYNC_OK);
    assert_true(exposed);
    assert_int_equal(keys.n, 2);

    assert_int_equal(async_keys_read(&keys, "/nowhere/at/all", &exposed,
                                     &err), ASYNC_UNAVAILABLE);
    assert_non_null(strstr(err.text, "openssl rand -hex 32"));
    assert_int_equal(async_keys_read(&keys, "/dev/zero", &exposed, &err),
                     ASYNC_UNAVAILABLE);

    for (i = keys.n; i < ASYNC_KEYS_MAX; i++) {
        assert_int_equal(read_key(&keys, HEX, 64, 0600, &exposed), ASYNC_OK);
    }

    assert_int_equal(read_key(&keys, HEX, 64, 0600, &exposed),
                     ASYNC_INVALID);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_golden_pieces),
        cmocka_unit_test(every_cut_and_every_flipped_bit_is_refused),
        cmocka_unit_test(a_piece_belongs_to_one_place_alone),
        cmocka_unit_test(an_empty_piece_is_a_tag),
        cmocka_unit_test(what_sealed_bytes_take),
        cmocka_unit_test(a_key_is_hexadecimal_or_base64),
        cmocka_unit_test(who_may_read_a_key_is_told)
    };

    return cmocka_run_group_tests_name("async_cipher", tests, NULL, NULL);
}
