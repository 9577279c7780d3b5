/*
 * The paths of key files, on their way from nginx to the worker.  A KEYS
 * record has no fixed head:
 *
 *   tag 1   u64   when it was loaded
 *   tag 2   u64   1: the first encrypts
 *   tag 3   id of the key 8, path without a NUL; once for each file, in
 *           order
 */

#include <stdlib.h>
#include <string.h>

#include "async_work.h"


enum {
    ASYNC_KEYS_LOADED   = 1,
    ASYNC_KEYS_ENCRYPTS = 2,
    ASYNC_KEYS_FILE     = 3
};

/* header, three kinds of tags, and what they hold */
#define ASYNC_KEYS_RECORD                                                    \
    (64 + ASYNC_KEYS_MAX * (6 + ASYNC_KEY_ID + ASYNC_KEY_PATH))


typedef struct {
    const async_key_files_t  *files;
    async_key_files_t        *stored;     /* room to look */
    const uint8_t            *buf;        /* files, encoded */
    size_t                    len;
} async_key_files_said_t;


static async_rc_t async_key_files_write(async_store_t *store, void *data,
    async_error_t *err);
static async_rc_t async_key_files_get(async_store_t *store, MDB_txn *txn,
    void *data);
static size_t async_key_files_encode(const async_key_files_t *files,
    uint8_t *buf, size_t cap);
static bool async_key_files_add(async_key_files_t *files, async_str_t value);
static bool async_key_files_known(async_rc_t rc,
    const async_key_files_t *stored, const async_key_files_t *files);


async_rc_t
async_store_publish_keys(async_store_t *store,
    const async_key_files_t *files, async_error_t *err)
{
    uint8_t                 *buf;
    async_rc_t               rc;
    async_key_files_t       *stored;
    async_key_files_said_t   said;

    stored = malloc(sizeof(async_key_files_t) + ASYNC_KEYS_RECORD);

    if (stored == NULL) {
        async_error_set(err, "no memory for the paths of key files");
        return ASYNC_NO_SPACE;
    }

    buf = (uint8_t *) (stored + 1);
    rc = async_store_key_files(store, stored);

    if (async_key_files_known(rc, stored, files)) {
        free(stored);
        return ASYNC_OK;
    }

    said.files = files;
    said.stored = stored;
    said.buf = buf;
    said.len = async_key_files_encode(files, buf, ASYNC_KEYS_RECORD);

    rc = async_scribe_run(store, async_key_files_write, &said, err);

    free(stored);

    return rc;
}


/* scribe: looked at once more, another may have come between */

static async_rc_t
async_key_files_write(async_store_t *store, void *data, async_error_t *err)
{
    async_rc_t               rc;
    async_key_t              key;
    async_work_t             work;
    async_key_files_said_t  *said = data;

    rc = async_work_begin(&work, store, 0, ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_key_files_get(store, work.txn, said->stored);

    if (!async_key_files_known(rc, said->stored, said->files)) {
        async_key_keys(&key);
        async_work_put(&work, &key, said->buf, said->len);
    }

    return async_work_commit(&work, err);
}


/* who never had keys does not say so */

static bool
async_key_files_known(async_rc_t rc, const async_key_files_t *stored,
    const async_key_files_t *files)
{
    return rc == ASYNC_OK ? stored->loaded >= files->loaded
                          : rc == ASYNC_NOT_FOUND && files->n == 0;
}


async_rc_t
async_store_key_files(async_store_t *store, async_key_files_t *files)
{
    return async_db_look(store, async_key_files_get, files, NULL);
}


static async_rc_t
async_key_files_get(async_store_t *store, MDB_txn *txn, void *data)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  key;

    async_key_keys(&key);

    rc = async_db_get(store, txn, &key, &v);

    return rc == ASYNC_OK ? async_key_files_decode(data, v.mv_data, v.mv_size)
                          : rc;
}


static size_t
async_key_files_encode(const async_key_files_t *files, uint8_t *buf,
    size_t cap)
{
    char            value[ASYNC_KEY_ID + ASYNC_KEY_PATH];
    size_t          len;
    unsigned        i;
    async_writer_t  w;

    async_writer_init(&w, buf, cap, ASYNC_RECORD_KEYS);
    async_write_tag_u64(&w, ASYNC_KEYS_LOADED, (uint64_t) files->loaded);
    async_write_tag_u64(&w, ASYNC_KEYS_ENCRYPTS, files->encrypts ? 1 : 0);

    for (i = 0; i < files->n; i++) {
        len = strlen(files->paths[i]);

        memcpy(value, files->ids[i], ASYNC_KEY_ID);
        memcpy(value + ASYNC_KEY_ID, files->paths[i], len);

        async_write_tag(&w, ASYNC_KEYS_FILE, value, ASYNC_KEY_ID + len);
    }

    return async_writer_end(&w);
}


async_rc_t
async_key_files_decode(async_key_files_t *files, const void *data,
    size_t len)
{
    bool            sound;
    uint16_t        tag;
    uint64_t        n;
    async_str_t     value;
    async_reader_t  rd;

    memset(files, 0, sizeof(async_key_files_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_KEYS) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    sound = true;

    while (sound && async_read_tag(&rd, &tag, &value)) {

        n = 0;

        switch (tag) {

        case ASYNC_KEYS_LOADED:
            sound = async_tag_u64(value, &n);
            files->loaded = (int64_t) n;
            break;

        case ASYNC_KEYS_ENCRYPTS:
            sound = async_tag_u64(value, &n);
            files->encrypts = n != 0;
            break;

        case ASYNC_KEYS_FILE:
            sound = async_key_files_add(files, value);
            break;
        }
    }

    return sound && !rd.broken ? ASYNC_OK : ASYNC_CORRUPT;
}


static bool
async_key_files_add(async_key_files_t *files, async_str_t value)
{
    size_t  len;

    if (files->n == ASYNC_KEYS_MAX || value.len <= ASYNC_KEY_ID
        || value.len - ASYNC_KEY_ID >= ASYNC_KEY_PATH)
    {
        return false;
    }

    len = value.len - ASYNC_KEY_ID;

    memcpy(files->ids[files->n], value.data, ASYNC_KEY_ID);
    memcpy(files->paths[files->n], value.data + ASYNC_KEY_ID, len);
    files->n++;

    return memchr(value.data + ASYNC_KEY_ID, '\0', len) == NULL;
}
