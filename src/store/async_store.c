#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "async_db.h"


#define ASYNC_STORE_SIZE      (64ull << 30)
#define ASYNC_STORE_DATABASES 16
#define ASYNC_STORE_HASTE     50            /* ms: for a commit, no stop */

static async_rc_t async_store_guarded(async_store_t *store, void *data,
    async_error_t *err);
static async_rc_t async_store_begin(async_store_t *store,
    const async_store_options_t *options, async_error_t *err);
static async_rc_t async_store_dir(async_store_t *store,
    const async_store_options_t *options, bool *fresh, async_error_t *err);
static async_rc_t async_store_schema(async_store_t *store, int64_t wait,
    async_error_t *err);
static async_rc_t async_store_env(async_store_t *store,
    const async_store_options_t *options, bool fresh, async_error_t *err);
static async_rc_t async_store_databases(async_store_t *store,
    const async_store_options_t *options, bool make, async_error_t *err);
static async_rc_t async_store_meta(async_store_t *store, MDB_txn *txn,
    const async_store_options_t *options, async_error_t *err);
static async_rc_t async_store_meta_new(async_meta_t *meta, uint64_t size,
    async_error_t *err);
static async_rc_t async_store_meta_judge(const async_meta_t *meta,
    async_error_t *err);


async_rc_t
async_store_open(async_store_t **out, const async_store_options_t *options,
    async_error_t *err)
{
    async_rc_t      rc;
    async_store_t  *store;

    *out = NULL;

    if (options->size != 0 && options->size < ASYNC_STORE_SIZE_MIN) {
        async_error_set(err, "the size of a store is at least 16m");
        return ASYNC_INVALID;
    }

    store = calloc(1, sizeof(async_store_t));

    if (store == NULL) {
        async_error_set(err, "no memory for the store");
        return ASYNC_NO_SPACE;
    }

    store->dir_fd = -1;
    store->worker_fd = -1;
    store->bell_fd = -1;
    store->ring_fd = -1;
    store->mute = -1;
    store->schema_fd = -1;
    store->door.fd = -1;

    if (async_scribe_lost() >= ASYNC_SCRIBE_LOST) {
        async_error_set(err, "too many damaged pages were met in writing: "
                        "this process opens no store any more");
        async_store_close(store);
        return ASYNC_UNAVAILABLE;
    }

    store->path = strdup(options->path);
    rc = ASYNC_NO_SPACE;

    async_guard_init();

    if (store->path != NULL) {
        rc = async_scribe_run(store, async_store_guarded, (void *) options,
                              err);
    }

    if (rc != ASYNC_OK) {
        async_store_close(store);
        return rc;
    }

    *out = store;

    return ASYNC_OK;
}


/* scribe: what LMDB allocates is of his part of the heap from the beginning */

static async_rc_t
async_store_guarded(async_store_t *store, void *data, async_error_t *err)
{
    async_rc_t                    rc;
    async_guard_t                 guard;
    const async_store_options_t  *options = data;

    if (async_guard_caught(&guard)) {
        (void) async_health_damaged(store, err);

        if (store->opening != NULL && store->making) {
            (void) async_scribe_give_up(store);
            return ASYNC_UNAVAILABLE;
        }

        if (store->opening != NULL) {
            mdb_txn_abort(store->opening);
            store->opening = NULL;
        }

        if (store->door.locked) {
            async_door_unlock(&store->door);
        }

        return ASYNC_UNAVAILABLE;
    }

    rc = async_store_begin(store, options, err);

    async_guard_end(&guard);

    return rc;
}


static async_rc_t
async_store_begin(async_store_t *store, const async_store_options_t *options,
    async_error_t *err)
{
    bool        fresh;
    int64_t     wait;
    async_rc_t  rc;

    wait = options->hasty ? ASYNC_STORE_HASTE : ASYNC_DOOR_WAIT;

    rc = async_store_dir(store, options, &fresh, err);

    if (rc == ASYNC_OK) {
        rc = async_store_schema(store, wait, err);
    }

    if (rc == ASYNC_OK) {
        rc = async_door_open(&store->door, store->dir_fd, wait, err);
    }

    if (rc != ASYNC_OK) {
        return rc;
    }

    store->quota = async_door_quota(&store->door);

    if (!options->inspect
        && async_door_tripped(&store->door, async_monotonic()))
    {
        async_error_set(err, "three damaged pages were met within a minute, "
                        "the store is switched off for the rest of it; run "
                        "nginx-async check");
        return ASYNC_UNAVAILABLE;
    }

    /*
     * All of it behind the door, although LMDB has locks of its own for it:
     * nobody can wait for those with a limit.
     */

    rc = async_door_lock(&store->door, wait, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (options->create) {
        rc = async_make_data(store, err);
    }

    if (rc == ASYNC_OK) {
        rc = async_store_env(store, options, fresh, err);
    }

    if (rc == ASYNC_OK) {
        rc = async_store_databases(store, options, options->create, err);
    }

    /* of an older version: whoever may take his time brings it up to date */

    if (rc == ASYNC_NOT_FOUND && store->older && !options->hasty) {
        rc = async_store_databases(store, options, true, err);
    }

    async_door_unlock(&store->door);

    if (rc == ASYNC_OK) {
        async_slate_attach(store);
        rc = async_bell_attach(store, err);
    }

    return rc;
}


static async_rc_t
async_store_dir(async_store_t *store, const async_store_options_t *options,
    bool *fresh, async_error_t *err)
{
    int   fd;
    bool  db;

    fd = open(store->path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    db = fd != -1;

    if (db) {
        store->dir_fd = openat(fd, "db", O_RDONLY|O_DIRECTORY|O_CLOEXEC);
        close(fd);
    }

    if (store->dir_fd == -1) {
        async_error_set(err, "cannot open the folder \"%s%s\": %s",
                        store->path, db ? "/db" : "", strerror(errno));
        return errno == ENOENT ? ASYNC_NOT_FOUND : ASYNC_UNAVAILABLE;
    }

    *fresh = faccessat(store->dir_fd, "data.mdb", F_OK, 0) == -1
             && errno == ENOENT;

    /* LMDB would make the file even for a look */

    if (*fresh && !options->create) {
        async_error_set(err, "there is no store in \"%s\" yet", store->path);
        return ASYNC_NOT_FOUND;
    }

    return async_folder_local(store->dir_fd, err);
}


/*
 * Whoever has the store open holds this lock shared.  A migration to another
 * schema takes it exclusively, so that nobody meets a store halfway.
 */

static async_rc_t
async_store_schema(async_store_t *store, int64_t wait, async_error_t *err)
{
    async_rc_t  rc;

    store->schema_fd = openat(store->dir_fd, "schema.lock",
                              O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW, 0600);

    if (store->schema_fd == -1) {
        async_error_set(err, "cannot open db/schema.lock of the store: %s",
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    rc = async_door_flock(store->schema_fd, LOCK_SH, wait);

    if (rc != ASYNC_OK) {
        async_error_set(err, "the store is being brought to another schema");
    }

    return rc;
}


static async_rc_t
async_store_env(async_store_t *store, const async_store_options_t *options,
    bool fresh, async_error_t *err)
{
    int          rc, fd;
    char         path[64];
    MDB_envinfo  info;

    /* by descriptor: what was checked is what is opened */

    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", store->dir_fd);

    rc = mdb_env_create(&store->env);

    if (rc != MDB_SUCCESS) {
        return async_db_rc(rc, "open the store", err);
    }

    store->size = options->size;
    store->relaxed = options->relaxed;

    if (store->size == 0 && fresh) {
        store->size = ASYNC_STORE_SIZE;
    }

    async_guard_env(store->env);

    mdb_env_set_maxdbs(store->env, ASYNC_STORE_DATABASES);
    mdb_env_set_maxreaders(store->env, ASYNC_STORE_READERS);

    /* without a size LMDB takes the largest that it was ever given */

    if (store->size != 0) {
        rc = mdb_env_set_mapsize(store->env, store->size);
    }

    if (rc == MDB_SUCCESS) {
        rc = mdb_env_open(store->env, path,
                          MDB_NOTLS | (options->relaxed ? MDB_NOMETASYNC : 0),
                          0600);
    }

    if (rc != MDB_SUCCESS) {
        return async_db_rc(rc, "open the store", err);
    }

    /* the one descriptor that LMDB leaves open across an exec */

    if (mdb_env_get_fd(store->env, &fd) == MDB_SUCCESS) {
        (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
    }

    if (store->size == 0 && mdb_env_info(store->env, &info) == MDB_SUCCESS) {
        store->size = info.me_mapsize;
    }

    return async_health_begin(store, err);
}


static async_rc_t
async_store_databases(async_store_t *store,
    const async_store_options_t *options, bool make, async_error_t *err)
{
    int         rc;
    MDB_txn    *txn;
    async_rc_t  result;

    store->making = make;

    rc = async_db_begin(store, make ? 0 : MDB_RDONLY, &txn);

    if (rc != MDB_SUCCESS) {
        return async_db_rc(rc, "read the store", err);
    }

    store->opening = txn;

    result = async_store_handles(store, txn, make, err);

    if (result == ASYNC_OK) {
        result = async_store_meta(store, txn, options, err);
    }

    store->opening = NULL;

    if (result != ASYNC_OK) {
        mdb_txn_abort(txn);
        return result;
    }

    /* also after mere reading: only a commit keeps the handles */

    return async_db_rc(mdb_txn_commit(txn), "make the store", err);
}


async_rc_t
async_store_handles(async_store_t *store, MDB_txn *txn, bool create,
    async_error_t *err)
{
    int         rc;
    async_db_t  db;

    for (db = 0; db < ASYNC_DB_MAX; db++) {

        rc = mdb_dbi_open(txn, async_db_name(db), create ? MDB_CREATE : 0,
                          &store->dbi[db]);

        if (rc == MDB_NOTFOUND) {
            store->older = db >= ASYNC_DB_NEWER;
            async_error_set(err, store->older
                            ? "the store in \"%s\" is of an older version"
                            : "there is no store in \"%s\" yet",
                            store->path);
            return ASYNC_NOT_FOUND;
        }

        if (rc != MDB_SUCCESS) {
            return async_db_rc(rc, "open the databases of the store", err);
        }
    }

    return ASYNC_OK;
}


static async_rc_t
async_store_meta(async_store_t *store, MDB_txn *txn,
    const async_store_options_t *options, async_error_t *err)
{
    bool          write;
    MDB_val       k, v;
    uint8_t       buf[ASYNC_META_MAX];
    async_rc_t    rc;
    async_key_t   key;
    async_meta_t  meta;

    async_key_meta(&key);

    rc = async_db_get(store, txn, &key, &v);
    write = rc == ASYNC_NOT_FOUND && options->create;

    if (write) {
        rc = async_store_meta_new(&meta, store->size, err);

    } else if (rc == ASYNC_OK) {
        rc = async_meta_decode(&meta, v.mv_data, v.mv_size);

        if (rc == ASYNC_OK) {
            rc = async_store_meta_judge(&meta, err);

        } else {
            async_error_set(err, "the record about the store is damaged");
        }
    }

    if (rc != ASYNC_OK) {
        return rc;
    }

    memcpy(store->token, meta.token, ASYNC_TOKEN);

    if (options->size == 0) {
        store->size = meta.size;

    } else if (meta.size != store->size) {
        meta.size = store->size;
        write = options->create;
    }

    if (!write) {
        return ASYNC_OK;
    }

    k.mv_size = key.len;
    k.mv_data = key.bytes;
    v.mv_size = async_meta_encode(&meta, buf, sizeof(buf));
    v.mv_data = buf;

    return async_db_rc(mdb_put(txn, store->dbi[ASYNC_DB_META], &k, &v, 0),
                       "make the store", err);
}


static async_rc_t
async_store_meta_new(async_meta_t *meta, uint64_t size, async_error_t *err)
{
    int                i, major, minor, patch;
    uint8_t            random[ASYNC_TOKEN / 2];
    static const char  hex[] = "0123456789abcdef";

    if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random)) {
        async_error_set(err, "the kernel gave no random bytes: %s",
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    (void) mdb_version(&major, &minor, &patch);

    meta->schema = ASYNC_SCHEMA;
    meta->lmdb_major = (uint32_t) major;
    meta->lmdb_minor = (uint32_t) minor;
    meta->epoch = 0;
    meta->size = size;

    for (i = 0; i < ASYNC_TOKEN; i += 2) {
        meta->token[i] = hex[random[i / 2] >> 4];
        meta->token[i + 1] = hex[random[i / 2] & 0x0f];
    }

    return ASYNC_OK;
}


static async_rc_t
async_store_meta_judge(const async_meta_t *meta, async_error_t *err)
{
    int  major, minor, patch;

    (void) mdb_version(&major, &minor, &patch);

    if (meta->schema != ASYNC_SCHEMA) {
        async_error_set(err, "the store has schema %u, this program knows "
                        "%u: use the version of nginx-async that made it",
                        (unsigned) meta->schema, ASYNC_SCHEMA);
        return ASYNC_UNAVAILABLE;
    }

    if (meta->lmdb_major != (uint32_t) major
        || meta->lmdb_minor != (uint32_t) minor)
    {
        async_error_set(err, "the store was made with LMDB %u.%u, this is "
                        "LMDB %d.%d, which cannot read it",
                        (unsigned) meta->lmdb_major,
                        (unsigned) meta->lmdb_minor, major, minor);
        return ASYNC_UNAVAILABLE;
    }

    return ASYNC_OK;
}


void
async_store_quit(async_store_t *store)
{
    if (store == NULL) {
        return;
    }

    async_scribe_quit(store);
    async_ahead_end(store);
}


void
async_store_close(async_store_t *store)
{
    if (store == NULL) {
        return;
    }

    /* what is posted goes on until this */

    async_scribe_close(store);
    async_ahead_end(store);

    async_bell_detach(store);
    async_slate_detach(store);

    async_door_close(&store->door);

    if (store->worker_fd != -1) {
        close(store->worker_fd);
    }

    if (store->schema_fd != -1) {
        close(store->schema_fd);
    }

    if (store->dir_fd != -1) {
        close(store->dir_fd);
    }

    async_store_drop_keys(store);

    free(store->path);
    free(store);
}


/* --- about the store --- */

const char *
async_store_path(const async_store_t *store)
{
    return store->path;
}


const char *
async_store_token(const async_store_t *store)
{
    return store->token;
}


async_rc_t
async_store_reap_readers(async_store_t *store)
{
    int  dead;

    return async_db_rc(mdb_reader_check(store->env, &dead), NULL, NULL);
}
