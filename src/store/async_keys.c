#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "async_base64.h"
#include "async_db.h"
#include "async_secret_file.h"


/* a line of a key file is shorter; one byte more shows what is too long */
#define ASYNC_KEYS_LINE  128


static bool async_keys_hex(const char *line, size_t len, uint8_t *bytes);
static int async_keys_digit(char c);


async_rc_t
async_keys_read(async_keys_t *keys, const char *path, bool *exposed,
    async_error_t *err)
{
    char             line[ASYNC_KEYS_LINE + 1];
    uint8_t          digest[EVP_MAX_MD_SIZE];
    size_t           len, n;
    async_rc_t       rc;
    async_str_t      text;
    async_secret_t  *secret;

    if (keys->n == ASYNC_KEYS_MAX) {
        async_error_set(err, "%d key files are the most", ASYNC_KEYS_MAX);
        return ASYNC_INVALID;
    }

    rc = async_secret_file(path, line, sizeof(line), &len, exposed,
                           "make one with \"openssl rand -hex 32 > file\"",
                           err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = ASYNC_INVALID;
    secret = &keys->secrets[keys->n];
    text.data = line;
    text.len = len;

    if (!async_keys_hex(line, len, secret->bytes)
        && (!async_base64_decode(secret->bytes, ASYNC_SECRET, &n, text)
            || n != ASYNC_SECRET))
    {
        async_error_set(err, "\"%.120s\" holds no key of 32 bytes in "
                        "hexadecimal or base64; make one with \"openssl rand "
                        "-hex 32 > file\"", path);

    } else if (EVP_Digest(secret->bytes, ASYNC_SECRET, digest, NULL,
                          EVP_sha256(), NULL) != 1)
    {
        async_error_set(err, "libcrypto has no SHA-256");

    } else {
        memcpy(secret->id, digest, ASYNC_KEY_ID);
        keys->n++;
        rc = ASYNC_OK;
    }

    OPENSSL_cleanse(line, sizeof(line));

    return rc;
}


static bool
async_keys_hex(const char *line, size_t len, uint8_t *bytes)
{
    int     high, low;
    size_t  i;

    if (len != 2 * ASYNC_SECRET) {
        return false;
    }

    for (i = 0; i < ASYNC_SECRET; i++) {
        high = async_keys_digit(line[2 * i]);
        low = async_keys_digit(line[2 * i + 1]);

        if (high == -1 || low == -1) {
            return false;
        }

        bytes[i] = (uint8_t) (high << 4 | low);
    }

    return true;
}


static int
async_keys_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


void
async_keys_clean(async_keys_t *keys)
{
    OPENSSL_cleanse(keys, sizeof(async_keys_t));
}


const async_secret_t *
async_keys_find(const async_keys_t *keys, const uint8_t id[ASYNC_KEY_ID])
{
    unsigned  i;

    for (i = 0; i < keys->n; i++) {
        if (memcmp(keys->secrets[i].id, id, ASYNC_KEY_ID) == 0) {
            return &keys->secrets[i];
        }
    }

    return NULL;
}


const char *
async_key_id_format(char text[ASYNC_KEY_ID_TEXT],
    const uint8_t id[ASYNC_KEY_ID])
{
    unsigned           i;
    static const char  hex[] = "0123456789abcdef";

    for (i = 0; i < ASYNC_KEY_ID; i++) {
        text[2 * i] = hex[id[i] >> 4];
        text[2 * i + 1] = hex[id[i] & 0x0f];
    }

    text[2 * i] = '\0';

    return text;
}


/* --- those of a store --- */

async_rc_t
async_store_use_keys(async_store_t *store, const async_keys_t *keys)
{
    async_key_ring_t  *ring, *before;

    ring = calloc(1, sizeof(async_key_ring_t));

    if (ring == NULL) {
        return ASYNC_NO_SPACE;
    }

    if (keys != NULL) {
        ring->keys.n = keys->n;
        ring->keys.encrypts = keys->encrypts;
        memcpy(ring->keys.secrets, keys->secrets,
               keys->n * sizeof(async_secret_t));
    }

    before = atomic_load(&store->ring);

    /* whoever says it again and again must not fill the memory */

    if (before != NULL
        && memcmp(&before->keys, &ring->keys, sizeof(async_keys_t)) == 0)
    {
        async_keys_clean(&ring->keys);
        free(ring);
        return ASYNC_OK;
    }

    ring->before = before;
    atomic_store(&store->ring, ring);

    return ASYNC_OK;
}


void
async_store_drop_keys(async_store_t *store)
{
    async_key_ring_t  *ring, *before;

    for (ring = atomic_load(&store->ring); ring != NULL; ring = before) {
        before = ring->before;

        async_keys_clean(&ring->keys);
        free(ring);
    }

    atomic_store(&store->ring, NULL);
}


bool
async_store_encrypts(const async_store_t *store)
{
    const async_key_ring_t  *ring;

    ring = atomic_load(&store->ring);

    return ring != NULL && ring->keys.encrypts && ring->keys.n > 0;
}


bool
async_store_unlocks(const async_store_t *store, const async_seal_t *seal)
{
    const async_key_ring_t  *ring;

    if (!seal->used) {
        return true;
    }

    ring = atomic_load(&store->ring);

    return ring != NULL && async_keys_find(&ring->keys, seal->key) != NULL;
}


void
async_store_seal(const async_store_t *store, async_seal_t *seal,
    const uint8_t salt[ASYNC_SALT])
{
    const async_key_ring_t  *ring;

    ring = atomic_load(&store->ring);

    memset(seal, 0, sizeof(async_seal_t));

    if (ring != NULL && ring->keys.encrypts && ring->keys.n > 0) {
        seal->used = true;
        memcpy(seal->key, ring->keys.secrets[0].id, ASYNC_KEY_ID);
        memcpy(seal->salt, salt, ASYNC_SALT);
    }
}


async_rc_t
async_store_cipher(const async_store_t *store, async_cipher_t *cipher,
    const async_seal_t *seal, const async_id_t *id,
    async_payload_kind_t kind, bool encrypt)
{
    const async_secret_t    *secret;
    const async_key_ring_t  *ring;

    id = seal->moved ? &seal->of : id;

    for (ring = atomic_load(&store->ring); ring != NULL; ring = ring->before)
    {
        secret = async_keys_find(&ring->keys, seal->key);

        if (secret != NULL) {
            return async_cipher_open(cipher, secret, seal, id, kind, encrypt)
                   ? ASYNC_OK : ASYNC_NO_SPACE;
        }
    }

    return ASYNC_NO_KEY;
}
