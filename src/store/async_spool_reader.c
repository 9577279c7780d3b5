#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_spool_cipher.h"


#define ASYNC_SPOOL_BLOCK  (64 * 1024)


static async_rc_t async_spool_pread(int fd, uint64_t offset, uint8_t *p,
    size_t len);
static async_rc_t async_spool_load(async_spool_reader_t *reader,
    uint64_t number);


async_rc_t
async_spool_open(async_spool_reader_t *reader, async_store_t *store,
    const async_id_t *id, async_payload_kind_t kind, const async_body_t *body,
    async_error_t *err)
{
    int          error;
    char         path[sizeof(((async_spool_t *) 0)->path)];
    async_rc_t   rc;
    struct stat  st;

    memset(reader, 0, sizeof(async_spool_reader_t));

    reader->body = *body;
    reader->fd = -1;

    if (!async_spool_path(store, id, kind, path, sizeof(path))) {
        async_error_set(err, "the path of the store is too long");
        return ASYNC_INVALID;
    }

    reader->fd = open(path, O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (reader->fd == -1) {
        error = errno;
        async_error_set(err, "cannot open \"%.150s\": %s", path,
                        strerror(error));

        /* what else there is may pass: no descriptor, no memory */

        return error == ENOENT || error == ELOOP ? ASYNC_NOT_FOUND
                                                 : ASYNC_UNAVAILABLE;
    }

    if (fstat(reader->fd, &st) == -1 || !S_ISREG(st.st_mode)
        || (uint64_t) st.st_size != async_body_stored(body))
    {
        async_error_set(err, "\"%.150s\" has not the length that it should "
                        "have", path);
        async_spool_close(reader);
        return ASYNC_CORRUPT;
    }

    if (!body->seal.used) {
        return ASYNC_OK;
    }

    rc = async_spool_cipher_open(&reader->cipher, store, &body->seal, id,
                                 kind, false);

    if (rc != ASYNC_OK) {
        async_error_set(err, "\"%.150s\" cannot be decrypted (%s)", path,
                        async_rc_name(rc));
        async_spool_close(reader);
    }

    return rc;
}


async_rc_t
async_spool_read(async_spool_reader_t *reader, uint64_t offset, void *buf,
    size_t len)
{
    size_t      skip, part;
    uint8_t    *p;
    async_rc_t  rc;

    if (offset > reader->body.len || len > reader->body.len - offset) {
        return ASYNC_INVALID;
    }

    if (reader->cipher == NULL) {
        return async_spool_pread(reader->fd, offset, buf, len);
    }

    for (p = buf; len > 0; p += part, offset += part, len -= part) {

        rc = async_spool_load(reader, offset / ASYNC_SEGMENT);

        if (rc != ASYNC_OK) {
            return rc;
        }

        skip = (size_t) (offset % ASYNC_SEGMENT);
        part = reader->cipher->fill - skip;
        part = part < len ? part : len;

        memcpy(p, reader->cipher->buf + skip, part);
    }

    return ASYNC_OK;
}


/* decrypts a segment where it lies; it stays for the next call */

static async_rc_t
async_spool_load(async_spool_reader_t *reader, uint64_t number)
{
    bool                   last;
    size_t                 len;
    uint64_t               start;
    async_rc_t             rc;
    async_spool_cipher_t  *sc;

    sc = reader->cipher;

    if (sc->fill > 0 && sc->number == number) {
        return ASYNC_OK;
    }

    start = number * ASYNC_SEGMENT;
    last = reader->body.len - start <= ASYNC_SEGMENT;
    len = last ? (size_t) (reader->body.len - start) : ASYNC_SEGMENT;

    sc->fill = 0;
    sc->number = number;

    rc = async_spool_pread(reader->fd,
                           number * (ASYNC_SEGMENT + ASYNC_CIPHER_TAG),
                           sc->buf, len + ASYNC_CIPHER_TAG);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (!async_cipher_unseal(&sc->cipher, number, last, sc->buf,
                             len + ASYNC_CIPHER_TAG, sc->buf))
    {
        return ASYNC_CORRUPT;
    }

    sc->fill = len;

    return ASYNC_OK;
}


async_rc_t
async_spool_verify(async_spool_reader_t *reader, uint64_t most, bool *done)
{
    size_t       len;
    uint64_t     left;
    uint8_t     *buf;
    async_rc_t   rc;

    *done = false;

    buf = malloc(ASYNC_SPOOL_BLOCK);

    if (buf == NULL) {
        return ASYNC_NO_SPACE;
    }

    rc = ASYNC_OK;
    left = async_body_stored(&reader->body) - reader->checked;
    most = most < left ? most : left;

    for (/* void */; most > 0; most -= len) {

        len = most < ASYNC_SPOOL_BLOCK ? (size_t) most : ASYNC_SPOOL_BLOCK;
        rc = async_spool_pread(reader->fd, reader->checked, buf, len);

        if (rc != ASYNC_OK) {
            break;
        }

        reader->crc = async_crc32c(reader->crc, buf, len);
        reader->checked += len;
    }

    free(buf);

    if (rc == ASYNC_OK
        && reader->checked == async_body_stored(&reader->body))
    {
        *done = true;
        rc = reader->crc == reader->body.crc ? ASYNC_OK : ASYNC_CORRUPT;
    }

    return rc;
}


/* ASYNC_CORRUPT: it is shorter than it was */

static async_rc_t
async_spool_pread(int fd, uint64_t offset, uint8_t *p, size_t len)
{
    ssize_t  n;

    for (/* void */; len > 0; p += n, len -= (size_t) n) {

        n = pread(fd, p, len, (off_t) offset);

        if (n == -1 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n == -1) {
            return ASYNC_UNAVAILABLE;
        }

        if (n == 0) {
            return ASYNC_CORRUPT;
        }

        offset += (uint64_t) n;
    }

    return ASYNC_OK;
}


void
async_spool_close(async_spool_reader_t *reader)
{
    async_spool_cipher_close(reader->cipher);
    reader->cipher = NULL;

    if (reader->fd != -1) {
        close(reader->fd);
        reader->fd = -1;
    }
}


/* --- the cipher of a file --- */

async_rc_t
async_spool_cipher_open(async_spool_cipher_t **out,
    const async_store_t *store, const async_seal_t *seal,
    const async_id_t *id, async_payload_kind_t kind, bool encrypt)
{
    async_rc_t             rc;
    async_spool_cipher_t  *sc;

    *out = NULL;

    sc = malloc(sizeof(async_spool_cipher_t));

    if (sc == NULL) {
        return ASYNC_NO_SPACE;
    }

    sc->seal = *seal;
    sc->number = 0;
    sc->fill = 0;

    rc = async_store_cipher(store, &sc->cipher, seal, id, kind, encrypt);

    if (rc != ASYNC_OK) {
        free(sc);
        return rc;
    }

    *out = sc;

    return ASYNC_OK;
}


void
async_spool_cipher_close(async_spool_cipher_t *sc)
{
    if (sc != NULL) {
        async_cipher_close(&sc->cipher);
        OPENSSL_cleanse(sc->buf, sizeof(sc->buf));
        free(sc);
    }
}
