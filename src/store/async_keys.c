#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_db.h"


/* a line of a key file is shorter; one byte more shows what is too long */
#define ASYNC_KEYS_LINE  128

/* of base64: 32 bytes make 44 characters, of which the last is padding */
#define ASYNC_KEYS_BASE64  44


static ssize_t async_keys_load(const char *path, char *line, bool *exposed,
    async_error_t *err);
static size_t async_keys_trim(const char *line, size_t len);
static bool async_keys_hex(const char *line, size_t len, uint8_t *bytes);
static int async_keys_digit(char c);
static bool async_keys_base64(const char *line, size_t len, uint8_t *bytes);


async_rc_t
async_keys_read(async_keys_t *keys, const char *path, bool *exposed,
    async_error_t *err)
{
    char             line[ASYNC_KEYS_LINE + 1];
    uint8_t          digest[EVP_MAX_MD_SIZE];
    size_t           len;
    ssize_t          n;
    async_rc_t       rc;
    async_secret_t  *secret;

    if (keys->n == ASYNC_KEYS_MAX) {
        async_error_set(err, "%d key files are the most", ASYNC_KEYS_MAX);
        return ASYNC_INVALID;
    }

    n = async_keys_load(path, line, exposed, err);

    if (n < 0) {
        return ASYNC_UNAVAILABLE;
    }

    rc = ASYNC_INVALID;
    secret = &keys->secrets[keys->n];
    len = async_keys_trim(line, (size_t) n);

    if (!async_keys_hex(line, len, secret->bytes)
        && !async_keys_base64(line, len, secret->bytes))
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


/* not a pipe or a device, which could keep us waiting */

static ssize_t
async_keys_load(const char *path, char *line, bool *exposed,
    async_error_t *err)
{
    int          fd;
    ssize_t      n;
    struct stat  st;

    *exposed = false;

    fd = open(path, O_RDONLY|O_NONBLOCK|O_NOCTTY|O_CLOEXEC);

    if (fd == -1) {
        async_error_set(err, "cannot open \"%.120s\": %s%s", path,
                        strerror(errno),
                        errno == ENOENT ? "; make one with \"openssl rand "
                                          "-hex 32 > file\"" : "");
        return -1;
    }

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        async_error_set(err, "\"%.120s\" is no file", path);
        close(fd);
        return -1;
    }

    *exposed = (st.st_mode & 007) != 0;

    do {
        n = read(fd, line, ASYNC_KEYS_LINE + 1);
    } while (n == -1 && errno == EINTR);

    if (n == -1) {
        async_error_set(err, "cannot read \"%.120s\": %s", path,
                        strerror(errno));
    }

    close(fd);

    return n;
}


/* one line end and no more: what follows it is not what anyone meant */

static size_t
async_keys_trim(const char *line, size_t len)
{
    len -= len > 0 && line[len - 1] == '\n' ? 1 : 0;
    len -= len > 0 && line[len - 1] == '\r' ? 1 : 0;

    return len;
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


/* with its padding or without; only as an encoder would have written it */

static bool
async_keys_base64(const char *line, size_t len, uint8_t *bytes)
{
    bool           same;
    unsigned char  in[ASYNC_KEYS_BASE64 + 1], out[ASYNC_SECRET + 4];
    unsigned char  again[ASYNC_KEYS_BASE64 + 1];

    if (len != ASYNC_KEYS_BASE64 && len != ASYNC_KEYS_BASE64 - 1) {
        return false;
    }

    memcpy(in, line, len);
    in[ASYNC_KEYS_BASE64 - 1] = len == ASYNC_KEYS_BASE64
                                ? (unsigned char) line[len - 1] : '=';
    in[ASYNC_KEYS_BASE64] = '\0';

    same = EVP_DecodeBlock(out, in, ASYNC_KEYS_BASE64) == ASYNC_SECRET + 1
           && EVP_EncodeBlock(again, out, ASYNC_SECRET)
              == ASYNC_KEYS_BASE64
           && memcmp(again, in, ASYNC_KEYS_BASE64) == 0;

    if (same) {
        memcpy(bytes, out, ASYNC_SECRET);
    }

    OPENSSL_cleanse(in, sizeof(in));
    OPENSSL_cleanse(out, sizeof(out));
    OPENSSL_cleanse(again, sizeof(again));

    return same;
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
