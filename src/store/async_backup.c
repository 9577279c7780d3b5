/*
 * The copy that LMDB makes is one point in time, and it alone says which
 * files belong to it.  So the database is copied first, into a file of its
 * own; then it is opened, and what its jobs name is put into the archive with
 * it; then the check reads all of it, files from the archive itself.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "async_backer.h"


#define ASYNC_BACKUP_WAIT    5000             /* ms */


typedef struct {
    MDB_env  *env;
    int       fd;
    int       rc;
} async_backup_copy_t;


static async_rc_t async_backup_make(async_backup_t *b);
static async_rc_t async_backup_begin(async_backup_t *b);
static async_rc_t async_backup_database(async_backup_t *b);
static void *async_backup_thread(void *data);
static async_rc_t async_backup_drain(async_backup_t *b, int fd);
static async_rc_t async_backup_open(async_backup_t *b);
static async_rc_t async_backup_files(async_backup_t *b);
static async_rc_t async_backup_job(async_backup_t *b,
    const async_job_t *job);
static async_rc_t async_backup_spooled(async_backup_t *b,
    const async_id_t *id, async_payload_kind_t kind,
    const async_body_t *body);
static async_rc_t async_backup_member(async_backup_t *b, const char *name,
    int fd, uint64_t size, uint32_t *crc);
static async_rc_t async_backup_write(async_backup_t *b, int fd,
    const void *data, size_t len);
static async_rc_t async_backup_end(async_backup_t *b);
static async_rc_t async_backup_error(async_backup_t *b, const char *what);


async_rc_t
async_store_backup(async_store_t *store,
    const async_backup_options_t *options, async_backup_figures_t *figures,
    async_check_fn report, async_check_progress_fn progress, void *data,
    async_error_t *err)
{
    async_rc_t      rc;
    async_backup_t  b;

    memset(figures, 0, sizeof(async_backup_figures_t));
    memset(&b, 0, sizeof(async_backup_t));

    b.store = store;
    b.options = options;
    b.figures = figures;
    b.report = report;
    b.progress = progress;
    b.data = data;
    b.err = err;
    b.lock = -1;
    b.buf = malloc(ASYNC_BACKUP_BUFFER);

    if (b.buf == NULL) {
        async_error_set(err, "no memory for a backup");
        return ASYNC_NO_SPACE;
    }

    rc = async_backup_make(&b);

    if (b.copy.env != NULL) {
        mdb_env_close(b.copy.env);
    }

    if (b.lock != -1) {
        close(b.lock);
    }

    free(b.buf);

    return rc;
}


static async_rc_t
async_backup_make(async_backup_t *b)
{
    async_rc_t  rc;

    rc = async_backup_begin(b);

    if (rc == ASYNC_OK) {
        rc = async_backup_database(b);
    }

    if (rc == ASYNC_OK) {
        rc = async_backup_open(b);
    }

    if (rc == ASYNC_OK) {
        rc = async_backup_files(b);
    }

    /* what was copied may go; what was read is checked without the store */

    if (b->lock != -1) {
        close(b->lock);
        b->lock = -1;
    }

    if (rc == ASYNC_OK) {
        rc = async_backup_end(b);
    }

    return rc == ASYNC_OK ? async_backup_verify(b) : rc;
}


static async_rc_t
async_backup_begin(async_backup_t *b)
{
    async_rc_t             rc;
    struct stat            st;
    async_store_figures_t  figures;

    if (fstat(b->store->dir_fd, &st) == 0) {
        b->uid = st.st_uid;
        b->gid = st.st_gid;
    }

    /* the database is written twice and read once more, files once and once */

    if (async_store_figures(b->store, &figures) == ASYNC_OK) {
        b->total = 3 * figures.used + 2 * figures.spooled;
    }

    b->lock = openat(b->store->dir_fd, ASYNC_BACKUP_LOCK,
                     O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW, 0600);

    if (b->lock == -1) {
        return async_backup_error(b, "open db/" ASYNC_BACKUP_LOCK);
    }

    rc = async_door_flock(b->lock, LOCK_EX, ASYNC_BACKUP_WAIT);

    if (rc == ASYNC_BUSY) {
        async_error_set(b->err, "another backup of the store is at work");

    } else if (rc != ASYNC_OK) {
        (void) async_backup_error(b, "lock db/" ASYNC_BACKUP_LOCK);
    }

    b->start = async_monotonic();

    return rc;
}


/* --- the database --- */

/* LMDB writes into a pipe, as fast as we take it out */

static async_rc_t
async_backup_database(async_backup_t *b)
{
    int                  rc, fds[2];
    pthread_t            thread;
    async_rc_t           result;
    async_backup_copy_t  copy;

    if (pipe2(fds, O_CLOEXEC) == -1) {
        return async_backup_error(b, "make a pipe");
    }

    copy.env = b->store->env;
    copy.fd = fds[1];
    copy.rc = 0;

    rc = pthread_create(&thread, NULL, async_backup_thread, &copy);

    if (rc != 0) {
        close(fds[0]);
        close(fds[1]);
        errno = rc;
        return async_backup_error(b, "start a thread");
    }

    result = async_backup_drain(b, fds[0]);

    close(fds[0]);
    (void) pthread_join(thread, NULL);

    if (result == ASYNC_OK && copy.rc != MDB_SUCCESS) {
        result = async_db_rc(copy.rc, "copy the database", b->err);
    }

    return result;
}


static void *
async_backup_thread(void *data)
{
    async_backup_copy_t  *copy = data;

    copy->rc = mdb_env_copyfd2(copy->env, copy->fd, MDB_CP_COMPACT);
    close(copy->fd);

    return NULL;
}


static async_rc_t
async_backup_drain(async_backup_t *b, int fd)
{
    ssize_t     n;
    async_rc_t  rc;

    for ( ;; ) {
        n = read(fd, b->buf, ASYNC_BACKUP_BUFFER);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1) {
            return async_backup_error(b, "read from a pipe");
        }

        if (n == 0) {
            return ASYNC_OK;
        }

        rc = async_backup_write(b, b->options->spare, b->buf, (size_t) n);

        if (rc != ASYNC_OK) {
            return rc;
        }

        b->size += (uint64_t) n;
    }
}


static async_rc_t
async_backup_open(async_backup_t *b)
{
    int         rc;
    char        path[64];
    MDB_txn    *txn;
    async_rc_t  result;

    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d",
                    b->options->spare);

    b->copy.path = b->store->path;

    rc = mdb_env_create(&b->copy.env);

    if (rc == MDB_SUCCESS) {
        mdb_env_set_maxdbs(b->copy.env, ASYNC_DB_MAX);
        rc = mdb_env_open(b->copy.env, path, MDB_RDONLY|MDB_NOSUBDIR
                          |MDB_NOLOCK|MDB_NOTLS, 0600);
    }

    if (rc == MDB_SUCCESS) {
        rc = mdb_txn_begin(b->copy.env, NULL, MDB_RDONLY, &txn);
    }

    if (rc != MDB_SUCCESS) {
        return async_db_rc(rc, "open the copy", b->err);
    }

    result = async_store_handles(&b->copy, txn, false, b->err);

    if (result != ASYNC_OK) {
        mdb_txn_abort(txn);
        return result;
    }

    return async_db_rc(mdb_txn_commit(txn), "open the copy", b->err);
}


/* --- the archive --- */

static async_rc_t
async_backup_files(async_backup_t *b)
{
    int           rc;
    MDB_txn      *txn;
    MDB_val       row, value;
    MDB_cursor   *cursor;
    async_rc_t    result;
    async_id_t    id;
    async_job_t   job;

    result = async_backup_member(b, "db/", -1, 0, NULL);

    if (result == ASYNC_OK) {
        result = async_backup_member(b, ASYNC_BACKUP_DATA, b->options->spare,
                                     b->size, &b->crc);
    }

    if (result == ASYNC_OK) {
        result = async_backup_member(b, "spool/", -1, 0, NULL);
    }

    if (result != ASYNC_OK) {
        return result;
    }

    rc = mdb_txn_begin(b->copy.env, NULL, MDB_RDONLY, &txn);

    if (rc != MDB_SUCCESS) {
        return async_db_rc(rc, "read the copy", b->err);
    }

    cursor = NULL;
    rc = mdb_cursor_open(txn, b->copy.dbi[ASYNC_DB_JOBS], &cursor);

    while (rc == MDB_SUCCESS && result == ASYNC_OK) {
        rc = mdb_cursor_get(cursor, &row, &value, MDB_NEXT);

        /* one that is damaged is the check's to tell */

        if (rc == MDB_SUCCESS && row.mv_size == sizeof(async_id_t)) {
            memcpy(&id, row.mv_data, sizeof(async_id_t));

            if (async_job_decode(&job, &id, value.mv_data, value.mv_size)
                == ASYNC_OK)
            {
                result = async_backup_job(b, &job);
            }
        }
    }

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
        result = async_db_rc(rc, "read the copy", b->err);
    }

    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }

    mdb_txn_abort(txn);

    return result;
}


static async_rc_t
async_backup_job(async_backup_t *b, const async_job_t *job)
{
    async_rc_t  rc;

    rc = async_backup_spooled(b, &job->id, ASYNC_PAYLOAD_REQUEST_BODY,
                              &job->request);

    return rc != ASYNC_OK ? rc
           : async_backup_spooled(b, &job->id, ASYNC_PAYLOAD_RESPONSE_BODY,
                                  &job->response);
}


/* one that is missing or short is left out, and told by the check */

static async_rc_t
async_backup_spooled(async_backup_t *b, const async_id_t *id,
    async_payload_kind_t kind, const async_body_t *body)
{
    int          fd;
    char         path[4096], name[64];
    uint64_t     size;
    async_rc_t   rc;
    struct stat  st;

    if (body->where != ASYNC_BODY_SPOOL) {
        return ASYNC_OK;
    }

    if (!async_spool_path(b->store, id, kind, path, sizeof(path))) {
        async_error_set(b->err, "the path of the store is too long");
        return ASYNC_INVALID;
    }

    fd = open(path, O_RDONLY|O_NOFOLLOW|O_CLOEXEC);

    if (fd == -1) {
        return errno == ENOENT ? ASYNC_OK
                               : async_backup_error(b, "open a spool file");
    }

    rc = ASYNC_OK;
    async_backup_name(name, id, kind);

    size = async_body_stored(body);

    if (fstat(fd, &st) == 0 && (uint64_t) st.st_size >= size) {
        rc = async_backup_member(b, name, fd, size, NULL);
        b->figures->files++;
    }

    close(fd);

    return rc;
}


void
async_backup_name(char *name, const async_id_t *id,
    async_payload_kind_t kind)
{
    memcpy(name, "spool/", 6);
    name = async_id_format(name + 6, id);
    memcpy(name, kind == ASYNC_PAYLOAD_REQUEST_BODY ? ".req" : ".res", 5);
}


/* size bytes from the beginning of fd */

static async_rc_t
async_backup_member(async_backup_t *b, const char *name, int fd,
    uint64_t size, uint32_t *crc)
{
    size_t       part;
    ssize_t      n;
    uint8_t      block[ASYNC_TAR_BLOCK];
    uint64_t     offset;
    async_rc_t   rc;
    async_tar_t  tar;

    memset(&tar, 0, sizeof(async_tar_t));

    (void) snprintf(tar.name, sizeof(tar.name), "%s", name);

    tar.mode = fd == -1 ? 0700 : 0600;
    tar.uid = b->uid;
    tar.gid = b->gid;
    tar.size = size;
    tar.mtime = b->options->now / 1000;

    async_tar_encode(&tar, block);

    rc = async_backup_write(b, b->options->fd, block, sizeof(block));

    for (offset = 0; offset < size && rc == ASYNC_OK; offset += (size_t) n) {

        part = size - offset < ASYNC_BACKUP_BUFFER
               ? (size_t) (size - offset) : ASYNC_BACKUP_BUFFER;

        n = pread(fd, b->buf, part, (off_t) offset);

        if (n == -1 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return async_backup_error(b, "read what is to be kept");
        }

        if (crc != NULL) {
            *crc = async_crc32c(*crc, b->buf, (size_t) n);
        }

        rc = async_backup_write(b, b->options->fd, b->buf, (size_t) n);
    }

    memset(block, 0, sizeof(block));

    return rc == ASYNC_OK ? async_backup_write(b, b->options->fd, block,
                                               async_tar_fill(size)) : rc;
}


static async_rc_t
async_backup_write(async_backup_t *b, int fd, const void *data, size_t len)
{
    ssize_t         n;
    const uint8_t  *p;

    async_backup_pace(b, len);

    for (p = data; len > 0; p += n, len -= (size_t) n) {

        n = write(fd, p, len);

        if (n == -1 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n == -1) {
            return async_backup_error(b, "write the backup");
        }

        b->figures->bytes += fd == b->options->fd ? (uint64_t) n : 0;
    }

    return ASYNC_OK;
}


/* two blocks of zeros; tar wants no more */

static async_rc_t
async_backup_end(async_backup_t *b)
{
    async_rc_t  rc;
    uint8_t     zeros[2 * ASYNC_TAR_BLOCK];

    memset(zeros, 0, sizeof(zeros));

    rc = async_backup_write(b, b->options->fd, zeros, sizeof(zeros));

    if (rc == ASYNC_OK && fsync(b->options->fd) == -1) {
        rc = async_backup_error(b, "sync the backup");
    }

    return rc;
}


/* --- what all of them need --- */

void
async_backup_pace(async_backup_t *b, uint64_t bytes)
{
    int64_t          ahead;
    struct timespec  nap;

    b->done += bytes;

    if (b->progress != NULL) {
        b->progress(b->data, b->done, b->total > b->done ? b->total
                                                         : b->done);
    }

    if (b->options->rate == 0) {
        return;
    }

    ahead = (int64_t) ((double) b->done * 1000 / (double) b->options->rate)
            - (async_monotonic() - b->start);

    if (ahead > 0) {
        nap.tv_sec = ahead / 1000;
        nap.tv_nsec = ahead % 1000 * 1000000;

        (void) nanosleep(&nap, NULL);
    }
}


static async_rc_t
async_backup_error(async_backup_t *b, const char *what)
{
    int  error;

    error = errno;

    async_error_set(b->err, "cannot %s: %s", what, strerror(error));

    return error == ENOSPC || error == EDQUOT ? ASYNC_STORE_FULL
                                              : ASYNC_UNAVAILABLE;
}
