/*
 * Bodies too large for the map, as files.  What a committed event names must
 * survive a power cut: hence both syncs, before the event is applied.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_spool_cipher.h"


#define ASYNC_SPOOL_BUFFER  (256 * 1024)
#define ASYNC_SPOOL_TMP     ".tmp"


static bool async_spool_start(async_spool_t *spool,
    async_store_t *store, const async_id_t *id,
    async_payload_kind_t kind, async_error_t *err);
static void async_spool_tmp(const async_spool_t *spool, char *path);
static async_rc_t async_spool_make(async_spool_t *spool,
    async_store_t *store, const async_id_t *id, async_payload_kind_t kind,
    async_error_t *err);
static async_rc_t async_spool_encrypt(async_spool_t *spool,
    async_store_t *store, const async_id_t *id, async_payload_kind_t kind,
    async_error_t *err);
static async_rc_t async_spool_fill(async_spool_t *spool, const uint8_t *p,
    size_t len, async_error_t *err);
static async_rc_t async_spool_segment(async_spool_t *spool, bool last,
    async_error_t *err);
static async_rc_t async_spool_put(async_spool_t *spool, const uint8_t *p,
    size_t len, async_error_t *err);
static void async_spool_done(async_spool_t *spool);
static async_rc_t async_spool_take(async_spool_t *spool,
    async_store_t *store, const async_id_t *id, async_payload_kind_t kind,
    const char *path, async_error_t *err);
static async_rc_t async_spool_copy(async_spool_t *spool, int fd, bool write,
    async_error_t *err);
static bool async_spool_sync_folder(const async_spool_t *spool);
static async_rc_t async_spool_error(const async_spool_t *spool,
    const char *what, async_error_t *err);


bool
async_spool_path(const async_store_t *store, const async_id_t *id,
    async_payload_kind_t kind, char *buf, size_t cap)
{
    int   n;
    char  text[ASYNC_ID_TEXT];

    (void) async_id_format(text, id);

    n = snprintf(buf, cap, "%s/spool/%.*s.%s", store->path, ASYNC_ID_TEXT,
                 text, kind == ASYNC_PAYLOAD_REQUEST_BODY ? "req" : "res");

    return n > 0 && (size_t) n < cap;
}


bool
async_spool_name(const char *name, async_spool_name_t *file)
{
    if (strlen(name) < ASYNC_ID_TEXT + 4
        || !async_id_parse(&file->id, name, ASYNC_ID_TEXT))
    {
        return false;
    }

    name += ASYNC_ID_TEXT;

    if (memcmp(name, ".req", 4) == 0) {
        file->kind = ASYNC_PAYLOAD_REQUEST_BODY;

    } else if (memcmp(name, ".res", 4) == 0) {
        file->kind = ASYNC_PAYLOAD_RESPONSE_BODY;

    } else {
        return false;
    }

    name += 4;
    file->tmp = strcmp(name, ASYNC_SPOOL_TMP) == 0;

    return file->tmp || *name == '\0';
}


async_rc_t
async_spool_create(async_spool_t *spool, async_store_t *store,
    const async_id_t *id, async_payload_kind_t kind, async_error_t *err)
{
    if (!async_spool_start(spool, store, id, kind, err)) {
        return ASYNC_INVALID;
    }

    return async_spool_make(spool, store, id, kind, err);
}


static bool
async_spool_start(async_spool_t *spool, async_store_t *store,
    const async_id_t *id, async_payload_kind_t kind, async_error_t *err)
{
    spool->fd = -1;
    spool->len = 0;
    spool->crc = 0;
    spool->cipher = NULL;

    if (kind != ASYNC_PAYLOAD_REQUEST_BODY
        && kind != ASYNC_PAYLOAD_RESPONSE_BODY)
    {
        async_error_set(err, "only bodies are spooled");
        return false;
    }

    if (!async_spool_path(store, id, kind, spool->path,
                          sizeof(spool->path) - sizeof(ASYNC_SPOOL_TMP)))
    {
        async_error_set(err, "the path of the store is too long");
        return false;
    }

    return true;
}


static void
async_spool_tmp(const async_spool_t *spool, char *path)
{
    size_t  len;

    len = strlen(spool->path);

    memcpy(path, spool->path, len);
    memcpy(path + len, ASYNC_SPOOL_TMP, sizeof(ASYNC_SPOOL_TMP));
}


static async_rc_t
async_spool_make(async_spool_t *spool, async_store_t *store,
    const async_id_t *id, async_payload_kind_t kind, async_error_t *err)
{
    char        tmp[sizeof(spool->path)];
    async_rc_t  rc;

    async_spool_tmp(spool, tmp);

    /* one that is there was left by an attempt that died */

    if (unlink(tmp) == -1 && errno != ENOENT) {
        return async_spool_error(spool, "remove what is left of", err);
    }

    spool->fd = open(tmp, O_RDWR|O_APPEND|O_CREAT|O_EXCL|O_CLOEXEC|O_NOFOLLOW,
                     0600);

    if (spool->fd == -1) {
        return async_spool_error(spool, "create", err);
    }

    rc = async_store_encrypts(store)
         ? async_spool_encrypt(spool, store, id, kind, err) : ASYNC_OK;

    if (rc != ASYNC_OK) {
        async_spool_abandon(spool);
    }

    return rc;
}


static async_rc_t
async_spool_encrypt(async_spool_t *spool, async_store_t *store,
    const async_id_t *id, async_payload_kind_t kind, async_error_t *err)
{
    uint8_t                salt[ASYNC_SALT];
    async_rc_t             rc;
    async_seal_t           seal;
    async_spool_cipher_t  *sc;

    if (getrandom(salt, sizeof(salt), 0) != (ssize_t) sizeof(salt)) {
        async_error_set(err, "the kernel gave no random bytes: %s",
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    async_store_seal(store, &seal, salt);

    /* the keys may have been taken away just now */

    if (!seal.used) {
        return ASYNC_OK;
    }

    rc = async_spool_cipher_open(&sc, store, &seal, id, kind, true);

    if (rc != ASYNC_OK) {
        async_error_set(err, "no memory to encrypt a body");
        return rc;
    }

    spool->cipher = sc;

    return ASYNC_OK;
}


async_rc_t
async_spool_write(async_spool_t *spool, const void *data, size_t len,
    async_error_t *err)
{
    async_rc_t  rc;

    if (spool->fd == -1) {
        async_error_set(err, "the spool file is not open");
        return ASYNC_INVALID;
    }

    rc = spool->cipher != NULL ? async_spool_fill(spool, data, len, err)
                               : async_spool_put(spool, data, len, err);

    if (rc == ASYNC_OK) {
        spool->len += len;
    }

    return rc;
}


/* a full segment waits until it is known whether it is the last */

static async_rc_t
async_spool_fill(async_spool_t *spool, const uint8_t *p, size_t len,
    async_error_t *err)
{
    size_t                 part;
    async_rc_t             rc;
    async_spool_cipher_t  *sc;

    sc = spool->cipher;

    for (/* void */; len > 0; p += part, len -= part) {

        if (sc->fill == ASYNC_SEGMENT) {
            rc = async_spool_segment(spool, false, err);

            if (rc != ASYNC_OK) {
                return rc;
            }
        }

        part = ASYNC_SEGMENT - sc->fill < len ? ASYNC_SEGMENT - sc->fill
                                              : len;

        memcpy(sc->buf + sc->fill, p, part);
        sc->fill += part;
    }

    return ASYNC_OK;
}


static async_rc_t
async_spool_segment(async_spool_t *spool, bool last, async_error_t *err)
{
    size_t                 len;
    async_spool_cipher_t  *sc;

    sc = spool->cipher;

    if (!async_cipher_seal(&sc->cipher, sc->number, last, sc->buf, sc->fill,
                           sc->buf))
    {
        async_error_set(err, "libcrypto cannot encrypt a body");
        return ASYNC_UNAVAILABLE;
    }

    len = sc->fill + ASYNC_CIPHER_TAG;

    sc->fill = 0;
    sc->number++;

    return async_spool_put(spool, sc->buf, len, err);
}


static async_rc_t
async_spool_put(async_spool_t *spool, const uint8_t *p, size_t len,
    async_error_t *err)
{
    ssize_t  n;

    for (/* void */; len > 0; p += n, len -= (size_t) n) {

        n = write(spool->fd, p, len);

        if (n == -1 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n == -1) {
            return async_spool_error(spool, "write to", err);
        }

        spool->crc = async_crc32c(spool->crc, p, (size_t) n);
    }

    return ASYNC_OK;
}


async_rc_t
async_spool_adopt(async_spool_t *spool, async_store_t *store,
    const async_id_t *id, async_payload_kind_t kind, const char *path, int fd,
    async_error_t *err)
{
    async_rc_t  rc;

    if (!async_spool_start(spool, store, id, kind, err)) {
        return ASYNC_INVALID;
    }

    rc = path != NULL ? async_spool_take(spool, store, id, kind, path, err)
                      : ASYNC_NOT_FOUND;

    if (rc == ASYNC_NOT_FOUND) {
        rc = async_spool_make(spool, store, id, kind, err);

        if (rc == ASYNC_OK) {
            rc = async_spool_copy(spool, fd, true, err);
        }
    }

    if (rc != ASYNC_OK) {
        async_spool_abandon(spool);
    }

    return rc;
}


/* ASYNC_NOT_FOUND: no file lies there */

static async_rc_t
async_spool_take(async_spool_t *spool, async_store_t *store,
    const async_id_t *id, async_payload_kind_t kind, const char *path,
    async_error_t *err)
{
    int          fd;
    bool         copy;
    char         tmp[sizeof(spool->path)];
    async_rc_t   rc;
    struct stat  st;

    async_spool_tmp(spool, tmp);

    fd = open(path, O_RDWR|O_APPEND|O_CLOEXEC|O_NOFOLLOW);

    if (fd == -1) {
        return errno == ENOENT
               ? ASYNC_NOT_FOUND
               : async_spool_error(spool, "read what becomes", err);
    }

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)
        || fchmod(fd, 0600) == -1)
    {
        rc = async_spool_error(spool, "take over", err);
        close(fd);
        return rc;
    }

    copy = async_store_encrypts(store);

    if (!copy && rename(path, tmp) == 0) {
        spool->fd = fd;
        return async_spool_copy(spool, fd, false, err);
    }

    if (copy || errno == EXDEV || errno == ENOENT) {
        rc = async_spool_make(spool, store, id, kind, err);

        if (rc == ASYNC_OK) {
            rc = async_spool_copy(spool, fd, true, err);
        }

        if (rc == ASYNC_OK) {
            (void) unlink(path);
        }

    } else {
        rc = async_spool_error(spool, "take over", err);
    }

    close(fd);

    return rc;
}


/* reads fd from its beginning, for the checksum and, if write, the bytes */

static async_rc_t
async_spool_copy(async_spool_t *spool, int fd, bool write, async_error_t *err)
{
    off_t       offset;
    ssize_t     n;
    uint8_t    *buf;
    async_rc_t  rc;

    buf = malloc(ASYNC_SPOOL_BUFFER);

    if (buf == NULL) {
        async_error_set(err, "no memory to copy a body");
        return ASYNC_NO_SPACE;
    }

    rc = ASYNC_OK;

    for (offset = 0; rc == ASYNC_OK; offset += n) {

        n = pread(fd, buf, ASYNC_SPOOL_BUFFER, offset);

        if (n == -1 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n == -1) {
            rc = async_spool_error(spool, "read what becomes", err);
            break;
        }

        if (n == 0) {
            break;
        }

        if (write) {
            rc = async_spool_write(spool, buf, (size_t) n, err);

        } else {
            spool->crc = async_crc32c(spool->crc, buf, (size_t) n);
            spool->len += (uint64_t) n;
        }
    }

    free(buf);

    return rc;
}


async_rc_t
async_spool_finish(async_spool_t *spool, async_body_t *body,
    async_error_t *err)
{
    char        tmp[sizeof(spool->path)];
    async_rc_t  rc;

    if (spool->fd == -1) {
        async_error_set(err, "the spool file is not open");
        return ASYNC_INVALID;
    }

    async_spool_tmp(spool, tmp);

    rc = spool->cipher != NULL && spool->len > 0
         ? async_spool_segment(spool, true, err) : ASYNC_OK;

    if (rc != ASYNC_OK) {
        /* async_spool_segment() has said why */

    } else if (fsync(spool->fd) == -1) {
        rc = async_spool_error(spool, "sync", err);

    } else if (rename(tmp, spool->path) == -1) {
        rc = async_spool_error(spool, "rename", err);

    } else if (!async_spool_sync_folder(spool)) {
        rc = async_spool_error(spool, "sync the folder of", err);
        (void) unlink(spool->path);
    }

    if (rc != ASYNC_OK) {
        async_spool_abandon(spool);
        return rc;
    }

    memset(body, 0, sizeof(async_body_t));

    body->where = ASYNC_BODY_SPOOL;
    body->len = spool->len;
    body->crc = spool->crc;

    if (spool->cipher != NULL) {
        body->seal = spool->cipher->seal;
    }

    async_spool_done(spool);

    return ASYNC_OK;
}


static bool
async_spool_sync_folder(const async_spool_t *spool)
{
    int    fd;
    bool   done;
    char   path[sizeof(spool->path)];
    char  *slash;

    memcpy(path, spool->path, sizeof(path));

    slash = strrchr(path, '/');
    *slash = '\0';

    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        return false;
    }

    done = fsync(fd) == 0;
    close(fd);

    return done;
}


void
async_spool_abandon(async_spool_t *spool)
{
    char  tmp[sizeof(spool->path)];

    if (spool->fd == -1) {
        return;
    }

    async_spool_tmp(spool, tmp);
    (void) unlink(tmp);

    async_spool_done(spool);
}


static void
async_spool_done(async_spool_t *spool)
{
    async_spool_cipher_close(spool->cipher);
    spool->cipher = NULL;

    close(spool->fd);
    spool->fd = -1;
}


void
async_spool_remove(async_store_t *store, const async_id_t *id,
    async_payload_kind_t kind)
{
    int   fd;
    char  path[sizeof(((async_spool_t *) 0)->path)];

    if (!async_spool_path(store, id, kind, path, sizeof(path))) {
        return;
    }

    /*
     * Who removes has made sure before that no record names the file.  So a
     * backup that begins only now does not want it, and one without the lock
     * has not begun.
     */

    fd = openat(store->dir_fd, ASYNC_BACKUP_LOCK, O_RDONLY|O_CLOEXEC);

    if (fd == -1 || flock(fd, LOCK_SH|LOCK_NB) == 0) {
        (void) unlink(path);
    }

    if (fd != -1) {
        close(fd);
    }
}


static async_rc_t
async_spool_error(const async_spool_t *spool, const char *what,
    async_error_t *err)
{
    int  error;

    error = errno;

    async_error_set(err, "cannot %s the spool file \"%.150s\": %s", what,
                    spool->path, strerror(error));

    return error == ENOSPC || error == EDQUOT ? ASYNC_STORE_FULL
                                              : ASYNC_UNAVAILABLE;
}
