/*
 * Requests and responses of jobs.  A body up to ASYNC_CHUNKED_MAX lies in
 * the store in chunks of ASYNC_CHUNK bytes (one overflow page each); a larger
 * one is a file in spool/, named by job and kind, written and fsynced (its
 * folder too) before the event that refers to it is applied.
 *
 * A store with keys encrypts all of it (async_cipher.h).  What is given and
 * what is returned here is in the clear; only checksums are of what is
 * stored.
 */

#ifndef ASYNC_PAYLOAD_H
#define ASYNC_PAYLOAD_H

#include "async_apply.h"


#define ASYNC_CHUNK        4080
#define ASYNC_CHUNKED_MAX  (256 * 1024)

typedef enum {                         /* on disk, part of the key */
    ASYNC_PAYLOAD_REQUEST  = 1,
    ASYNC_PAYLOAD_CAPTURE  = 2,
    ASYNC_PAYLOAD_REQUEST_BODY  = 3,
    ASYNC_PAYLOAD_RESPONSE = 4,
    ASYNC_PAYLOAD_RESPONSE_BODY = 5
} async_payload_kind_t;


/*
 * Reads a head or capture record: *len is the length it has; ASYNC_NO_SPACE
 * if cap is smaller.  The bytes are copied, not decoded.  ASYNC_NO_KEY:
 * encrypted with a key that the store was not given.
 */
async_rc_t async_view_head(async_view_t *view, const async_id_t *id,
    async_payload_kind_t kind, uint8_t *buf, size_t cap, size_t *len);

/*
 * Copies len bytes at offset of a chunked body; ASYNC_NOT_FOUND if a chunk is
 * missing, ASYNC_CORRUPT if one has the wrong length.  The caller compares
 * the checksum once it has the whole, unless the body was sealed: then every
 * byte was authenticated, and the checksum is not of these.
 */
async_rc_t async_view_body(async_view_t *view, const async_id_t *id,
    async_payload_kind_t kind, uint64_t offset, uint8_t *buf, size_t len);

/* writes "<store>/spool/<id>.<req|res>" with a NUL; false if cap is short */
bool async_spool_path(const async_store_t *store, const async_id_t *id,
    async_payload_kind_t kind, char *buf, size_t cap);

/* what a file's name in spool/ says; false if it is not named as ours */
typedef struct {
    async_id_t            id;
    async_payload_kind_t  kind;
    bool                  tmp;         /* in the making, or left behind */
} async_spool_name_t;

bool async_spool_name(const char *name, async_spool_name_t *file);

/*
 * A spool file in the making: "<final name>.tmp", 0600, append only.  All of
 * it may block on the disk: never call it from an event loop.
 */
typedef struct async_spool_cipher_s  async_spool_cipher_t;

typedef struct {
    int                    fd;         /* -1 = closed */
    uint64_t               len;        /* before it is encrypted */
    uint32_t               crc;        /* of what is in the file */
    async_spool_cipher_t  *cipher;     /* NULL: in the clear */
    char                   path[512];  /* final name */
} async_spool_t;

async_rc_t async_spool_create(async_spool_t *spool, async_store_t *store,
    const async_id_t *id, async_payload_kind_t kind, async_error_t *err);
async_rc_t async_spool_write(async_spool_t *spool, const void *data,
    size_t len, async_error_t *err);
/*
 * Takes over a finished file that lies at path (renamed if on the same
 * filesystem and not to be encrypted, else copied); or, if path is NULL or
 * nothing lies there any more, copies fd.  fd stays the caller's.  Computes
 * length and checksum.
 */
async_rc_t async_spool_adopt(async_spool_t *spool, async_store_t *store,
    const async_id_t *id, async_payload_kind_t kind, const char *path, int fd,
    async_error_t *err);
/* fsync, rename to the final name, fsync the folder; body is filled in */
async_rc_t async_spool_finish(async_spool_t *spool, async_body_t *body,
    async_error_t *err);
void async_spool_abandon(async_spool_t *spool);
/*
 * Removes a final file that no record names any more; not there is no error.
 * While a backup is made it stays, and is left over.
 */
void async_spool_remove(async_store_t *store, const async_id_t *id,
    async_payload_kind_t kind);

/*
 * A spooled body that is read back, and may block as well.  body is what the
 * job says of it.  ASYNC_NOT_FOUND: there is no file; ASYNC_CORRUPT: it has
 * not the length that it should have; ASYNC_NO_KEY.
 */
typedef struct {
    int                    fd;         /* -1 = closed */
    async_body_t           body;
    async_spool_cipher_t  *cipher;
    uint64_t               checked;    /* bytes of the file, by the next */
    uint32_t               crc;
} async_spool_reader_t;

async_rc_t async_spool_open(async_spool_reader_t *reader,
    async_store_t *store, const async_id_t *id, async_payload_kind_t kind,
    const async_body_t *body, async_error_t *err);
/* len bytes at offset, in the clear; ASYNC_CORRUPT if they are damaged */
async_rc_t async_spool_read(async_spool_reader_t *reader, uint64_t offset,
    void *buf, size_t len);
/*
 * Compares the checksum of the file, no more than most bytes of it in a call
 * and no key needed.  *done: it is as it was written.
 */
async_rc_t async_spool_verify(async_spool_reader_t *reader, uint64_t most,
    bool *done);
void async_spool_close(async_spool_reader_t *reader);


#endif /* ASYNC_PAYLOAD_H */
