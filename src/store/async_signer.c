#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "async_secret_file.h"
#include "async_signer.h"


#define ASYNC_SIGNER_LINE  256
#define ASYNC_SIGNER_NEW   32       /* bytes of a new key */


async_rc_t
async_signer_read(async_signer_t *signer, const char *path, bool *exposed,
    async_error_t *err)
{
    char         line[ASYNC_SIGNER_LINE];
    size_t       len;
    async_rc_t   rc;
    async_str_t  text;

    if (signer->n == ASYNC_SIGNER_KEYS) {
        async_error_set(err, "%d secret files are the most",
                        ASYNC_SIGNER_KEYS);
        return ASYNC_INVALID;
    }

    rc = async_secret_file(path, line, sizeof(line), &len, exposed,
                           "make one with \"nginx-async keygen > file\"",
                           err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    text.data = line;
    text.len = len;

    if (len > 6 && len < sizeof(line) && memcmp(line, "whsec_", 6) == 0
        && async_signing_key(signer->keys[signer->n].bytes,
                             &signer->keys[signer->n].len,
                             ASYNC_SCHEME_STANDARD, text))
    {
        signer->n++;

    } else {
        async_error_set(err, "\"%.120s\" holds no secret, which is one line "
                        "\"whsec_…\"; make one with \"nginx-async keygen > "
                        "file\"", path);
        rc = ASYNC_INVALID;
    }

    OPENSSL_cleanse(line, sizeof(line));

    return rc;
}


bool
async_signer_derive(async_signer_t *signer, async_str_t whom)
{
    uint8_t   mac[EVP_MAX_MD_SIZE];
    unsigned  i, len;

    for (i = 0; i < signer->n; i++) {

        if (HMAC(EVP_sha256(), signer->keys[i].bytes,
                 (int) signer->keys[i].len, (const uint8_t *) whom.data,
                 whom.len, mac, &len) == NULL)
        {
            return false;
        }

        OPENSSL_cleanse(signer->keys[i].bytes, ASYNC_SIGNING_KEY);
        memcpy(signer->keys[i].bytes, mac, ASYNC_MAC);
        signer->keys[i].len = ASYNC_MAC;
    }

    OPENSSL_cleanse(mac, sizeof(mac));

    return true;
}


bool
async_signer_sign(const async_signer_t *signer, async_str_t id,
    int64_t seconds, async_str_t body, char out[ASYNC_SIGNER_TEXT])
{
    int        n;
    char      *text;
    bool       done;
    uint8_t    mac[EVP_MAX_MD_SIZE];
    size_t     front;
    unsigned   i, len;

    text = malloc(id.len + 32 + body.len);

    if (text == NULL || signer->n == 0) {
        free(text);
        return false;
    }

    memcpy(text, id.data, id.len);
    n = snprintf(text + id.len, 32, ".%" PRId64 ".", seconds);
    front = id.len + (size_t) n;
    memcpy(text + front, body.data, body.len);

    done = true;

    for (i = 0; i < signer->n && done; i++) {

        done = HMAC(EVP_sha256(), signer->keys[i].bytes,
                    (int) signer->keys[i].len, (const uint8_t *) text,
                    front + body.len, mac, &len) != NULL;

        if (i > 0) {
            *out++ = ' ';
        }

        memcpy(out, "v1,", 3);
        out += 3 + EVP_EncodeBlock((uint8_t *) out + 3, mac, ASYNC_MAC);
    }

    free(text);

    return done;
}


void
async_signer_format(const async_signer_t *signer, unsigned key,
    char out[ASYNC_SIGNER_KEY_TEXT])
{
    memcpy(out, "whsec_", 6);

    /* 64 bytes at the most, which are 88 characters */

    (void) EVP_EncodeBlock((uint8_t *) out + 6, signer->keys[key].bytes,
                           (int) signer->keys[key].len);
}


bool
async_signer_make(async_signer_t *signer)
{
    signer->n = 1;
    signer->keys[0].len = ASYNC_SIGNER_NEW;

    return getrandom(signer->keys[0].bytes, ASYNC_SIGNER_NEW, 0)
           == ASYNC_SIGNER_NEW;
}


void
async_signer_clean(async_signer_t *signer)
{
    OPENSSL_cleanse(signer, sizeof(async_signer_t));
}
