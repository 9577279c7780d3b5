#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <string.h>

#include "async_cipher.h"


#define ASYNC_CIPHER_NONCE  12

/* places in what is authenticated */
#define ASYNC_CIPHER_LAST    17
#define ASYNC_CIPHER_NUMBER  18


static bool async_cipher_subkey(const async_secret_t *secret,
    const async_seal_t *seal, const uint8_t *aad, uint8_t *subkey);
static bool async_cipher_begin(async_cipher_t *cipher, uint64_t number,
    bool last);
static void async_cipher_fetch(void);


/* looking an algorithm up takes longer than encrypting a head with it */

static EVP_CIPHER      *async_cipher_gcm;
static pthread_once_t   async_cipher_once = PTHREAD_ONCE_INIT;


static void
async_cipher_fetch(void)
{
    async_cipher_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}


bool
async_cipher_open(async_cipher_t *cipher, const async_secret_t *secret,
    const async_seal_t *seal, const async_id_t *id,
    async_payload_kind_t kind, bool encrypt)
{
    bool             done;
    uint8_t          subkey[ASYNC_SECRET];
    EVP_CIPHER_CTX  *ctx;

    (void) pthread_once(&async_cipher_once, async_cipher_fetch);

    memset(cipher, 0, sizeof(async_cipher_t));

    cipher->encrypt = encrypt;
    memcpy(cipher->aad, id->bytes, sizeof(id->bytes));
    cipher->aad[sizeof(id->bytes)] = (uint8_t) kind;

    ctx = async_cipher_gcm != NULL ? EVP_CIPHER_CTX_new() : NULL;

    if (ctx == NULL) {
        return false;
    }

    done = async_cipher_subkey(secret, seal, cipher->aad, subkey)
           && EVP_CipherInit_ex2(ctx, async_cipher_gcm, subkey, NULL,
                                 encrypt, NULL) == 1;

    OPENSSL_cleanse(subkey, sizeof(subkey));

    if (!done) {
        EVP_CIPHER_CTX_free(ctx);
        return false;
    }

    cipher->ctx = ctx;

    return true;
}


static bool
async_cipher_subkey(const async_secret_t *secret, const async_seal_t *seal,
    const uint8_t *aad, uint8_t *subkey)
{
    uint8_t  bytes[ASYNC_SALT + ASYNC_CIPHER_LAST];

    memcpy(bytes, seal->salt, ASYNC_SALT);
    memcpy(bytes + ASYNC_SALT, aad, ASYNC_CIPHER_LAST);

    return HMAC(EVP_sha256(), secret->bytes, ASYNC_SECRET, bytes,
                sizeof(bytes), subkey, NULL) != NULL;
}


void
async_cipher_close(async_cipher_t *cipher)
{
    EVP_CIPHER_CTX_free(cipher->ctx);
    cipher->ctx = NULL;
}


static bool
async_cipher_begin(async_cipher_t *cipher, uint64_t number, bool last)
{
    int      n;
    uint8_t  nonce[ASYNC_CIPHER_NONCE];

    memset(nonce, 0, sizeof(nonce));
    async_put_be64(nonce + sizeof(nonce) - 8, number);

    cipher->aad[ASYNC_CIPHER_LAST] = last ? 1 : 0;
    async_put_be64(cipher->aad + ASYNC_CIPHER_NUMBER, number);

    return EVP_CipherInit_ex2(cipher->ctx, NULL, NULL, nonce, cipher->encrypt,
                              NULL) == 1
           && EVP_CipherUpdate(cipher->ctx, NULL, &n, cipher->aad,
                               sizeof(cipher->aad)) == 1;
}


bool
async_cipher_seal(async_cipher_t *cipher, uint64_t number, bool last,
    const uint8_t *in, size_t len, uint8_t *out)
{
    int  n;

    return async_cipher_begin(cipher, number, last)
           && (len == 0
               || (EVP_CipherUpdate(cipher->ctx, out, &n, in, (int) len) == 1
                   && (size_t) n == len))
           && EVP_CipherFinal_ex(cipher->ctx, out + len, &n) == 1
           && EVP_CIPHER_CTX_ctrl(cipher->ctx, EVP_CTRL_AEAD_GET_TAG,
                                  ASYNC_CIPHER_TAG, out + len) == 1;
}


bool
async_cipher_unseal(async_cipher_t *cipher, uint64_t number, bool last,
    const uint8_t *in, size_t len, uint8_t *out)
{
    int      n;
    bool     sound;
    uint8_t  tag[ASYNC_CIPHER_TAG];

    if (len < ASYNC_CIPHER_TAG) {
        return false;
    }

    len -= ASYNC_CIPHER_TAG;
    memcpy(tag, in + len, ASYNC_CIPHER_TAG);

    sound = async_cipher_begin(cipher, number, last)
            && (len == 0
                || (EVP_CipherUpdate(cipher->ctx, out, &n, in, (int) len) == 1
                    && (size_t) n == len))
            && EVP_CIPHER_CTX_ctrl(cipher->ctx, EVP_CTRL_AEAD_SET_TAG,
                                   ASYNC_CIPHER_TAG, tag) == 1
            && EVP_CipherFinal_ex(cipher->ctx, tag, &n) == 1;

    if (!sound) {
        OPENSSL_cleanse(out, len);
    }

    return sound;
}


bool
async_cipher_seal_all(async_cipher_t *cipher, async_str_t bytes,
    uint8_t *out)
{
    size_t          len;
    uint64_t        number;
    const uint8_t  *in;

    in = (const uint8_t *) bytes.data;

    for (number = 0; bytes.len > 0; number++) {

        len = bytes.len < ASYNC_CHUNK_PLAIN ? bytes.len : ASYNC_CHUNK_PLAIN;
        bytes.len -= len;

        if (!async_cipher_seal(cipher, number, bytes.len == 0, in, len, out))
        {
            return false;
        }

        in += len;
        out += len + ASYNC_CIPHER_TAG;
    }

    return true;
}


uint64_t
async_cipher_stored(uint64_t plain, size_t piece)
{
    return plain + (plain / piece + (plain % piece != 0 ? 1 : 0))
                   * ASYNC_CIPHER_TAG;
}


uint64_t
async_body_stored(const async_body_t *body)
{
    if (!body->seal.used) {
        return body->len;
    }

    return async_cipher_stored(body->len, body->where == ASYNC_BODY_SPOOL
                                          ? ASYNC_SEGMENT
                                          : ASYNC_CHUNK_PLAIN);
}
