/*
 * Who is the worker, and what becomes of the jobs that another left running.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "async_work.h"


#define ASYNC_DEATHS_MAX   3
#define ASYNC_REWIND_ROWS    10000   /* once in the life of a clock */
#define ASYNC_REWIND_PARKED  60000   /* ms, nobody parks for longer */


/* what recovery and rewinding are told, and tell */
typedef struct {
    uint64_t  epoch;
    int64_t   now;
    unsigned  max;
    bool      left;
    int64_t   jump;
    unsigned  moved;
} async_recover_t;


static async_rc_t async_take_over_write(async_store_t *store, void *data,
    async_error_t *err);
static async_rc_t async_recover_write(async_store_t *store, void *data,
    async_error_t *err);
static async_rc_t async_rewind_write(async_store_t *store, void *data,
    async_error_t *err);
static async_rc_t async_recover_late(async_work_t *work, async_error_t *err);
static void async_recover_rows(async_work_t *work, unsigned max,
    bool *left);
static bool async_recover_job(async_work_t *work, const async_key_t *row);
static unsigned async_rewind_rows(async_work_t *work, int64_t jump);
static bool async_rewind_job(async_work_t *work, const async_key_t *row,
    int64_t jump);
static int64_t async_rewind_due(const async_work_t *work,
    const async_job_t *job, int64_t jump);


bool
async_store_lock_worker(async_store_t *store, async_error_t *err)
{
    int  fd;

    if (store->worker_fd != -1) {
        return true;
    }

    fd = openat(store->dir_fd, "worker.lock",
                O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW, 0600);

    if (fd == -1) {
        async_error_set(err, "cannot open db/worker.lock of the store: %s",
                        strerror(errno));
        return false;
    }

    if (async_door_flock(fd, LOCK_EX, 0) != ASYNC_OK) {
        async_error_set(err, "another worker is running on this store");
        close(fd);
        return false;
    }

    store->worker_fd = fd;

    return true;
}


async_rc_t
async_store_take_over(async_store_t *store, uint64_t *epoch,
    async_error_t *err)
{
    if (store->worker_fd == -1) {
        async_error_set(err, "only who holds worker.lock may take over");
        return ASYNC_INVALID;
    }

    return async_scribe_run(store, async_take_over_write, epoch, err);
}


/* scribe, like all below that write */

static async_rc_t
async_take_over_write(async_store_t *store, void *data, async_error_t *err)
{
    MDB_val       v;
    uint8_t       buf[ASYNC_META_MAX];
    uint64_t     *epoch = data;
    async_rc_t    rc;
    async_key_t   key;
    async_meta_t  meta;
    async_work_t  work;

    rc = async_work_begin(&work, store, 0, ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    async_key_meta(&key);

    if (async_work_get(&work, &key, &v) == ASYNC_OK
        && async_meta_decode(&meta, v.mv_data, v.mv_size) == ASYNC_OK)
    {
        meta.epoch++;
        async_work_put(&work, &key, buf,
                       async_meta_encode(&meta, buf, sizeof(buf)));
    }

    async_hook_list_dead(&work);

    rc = async_work_commit(&work, err);

    if (rc == ASYNC_OK) {
        *epoch = meta.epoch;
    }

    return rc;
}


async_rc_t
async_store_recover(async_store_t *store, uint64_t epoch, int64_t now,
    unsigned max, bool *left, async_error_t *err)
{
    async_rc_t       rc;
    async_recover_t  how = { .epoch = epoch, .now = now, .max = max };

    rc = async_scribe_run(store, async_recover_write, &how, err);
    *left = how.left;

    return rc;
}


static async_rc_t
async_recover_write(async_store_t *store, void *data, async_error_t *err)
{
    async_rc_t        rc;
    async_work_t      work;
    async_recover_t  *how = data;

    rc = async_work_begin(&work, store, how->now, ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (work.epoch != how->epoch) {
        return async_recover_late(&work, err);
    }

    async_recover_rows(&work, how->max, &how->left);

    return async_work_commit(&work, err);
}


static void
async_recover_rows(async_work_t *work, unsigned max, bool *left)
{
    MDB_val      row;
    async_key_t  key, first;

    async_key_running(&first, 0, &(async_id_t) { { 0 } });

    key = first;

    while (async_work_seek(work, &first, &row)
           && row.mv_size == key.len
           && async_get_be64(row.mv_data) < work->epoch)
    {
        if (max-- == 0) {
            *left = true;
            break;
        }

        memcpy(key.bytes, row.mv_data, key.len);

        /* no sound job behind it: the row goes, the record stays */

        if (!async_recover_job(work, &key)) {
            async_work_delete(work, &key);
            work->recount = true;
        }
    }
}


static bool
async_recover_job(async_work_t *work, const async_key_t *row)
{
    uint8_t        buf[ASYNC_JOB_MAX];
    async_job_t    job;
    async_event_t  event;

    if (!async_place_job(work, row, &job, buf)) {
        return false;
    }

    memset(&event, 0, sizeof(async_event_t));

    event.id = job.id;
    event.by = (async_str_t) async_str("worker");

    if (job.flags & ASYNC_JOB_CANCEL_WANTED) {
        event.type = ASYNC_EVENT_CANCELED;
        event.sent = true;

    } else if (job.deaths + 1 < ASYNC_DEATHS_MAX
               && (job.flags & ASYNC_JOB_REPEATABLE))
    {
        event.type = ASYNC_EVENT_INTERRUPTED;

    } else {
        event.type = ASYNC_EVENT_FAILED;
        event.error = ASYNC_JOB_ERROR_OUTCOME_UNKNOWN;
        event.detail = job.deaths + 1 < ASYNC_DEATHS_MAX
            ? (async_str_t) async_str("The worker stopped while the request "
                                      "was on its way.")
            : (async_str_t) async_str("The worker stopped three times while "
                                      "this job was running.");
        job.deaths++;
    }

    return async_event_move(work, &event, &job) == ASYNC_OK;
}


/* --- a clock that was set back --- */

async_rc_t
async_store_rewind(async_store_t *store, uint64_t epoch, int64_t now,
    int64_t jump, unsigned *moved, async_error_t *err)
{
    async_rc_t       rc;
    async_recover_t  how = { .epoch = epoch, .now = now, .jump = jump };

    rc = async_scribe_run(store, async_rewind_write, &how, err);
    *moved = how.moved;

    return rc;
}


static async_rc_t
async_rewind_write(async_store_t *store, void *data, async_error_t *err)
{
    async_rc_t        rc;
    async_work_t      work;
    async_recover_t  *how = data;

    rc = async_work_begin(&work, store, how->now, ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (work.epoch != how->epoch) {
        return async_recover_late(&work, err);
    }

    how->moved = async_rewind_rows(&work, how->jump)
                 + async_hook_rewind(&work, how->jump, ASYNC_REWIND_ROWS);

    return async_work_commit(&work, err);
}


static async_rc_t
async_recover_late(async_work_t *work, async_error_t *err)
{
    async_work_abort(work);
    async_error_set(err, "another worker took over");

    return ASYNC_STALE;
}


/* rows move towards now, and so never before the place that is looked at */

static unsigned
async_rewind_rows(async_work_t *work, int64_t jump)
{
    size_t       i;
    MDB_val      row;
    unsigned     moved;
    async_key_t  key;

    moved = 0;
    async_key_timer(&key, ASYNC_TIMER_DUE, work->now + 1,
                    &(async_id_t) { { 0 } });

    while (moved < ASYNC_REWIND_ROWS && async_work_seek(work, &key, &row)
           && row.mv_size == key.len
           && *(uint8_t *) row.mv_data == ASYNC_TIMER_DUE)
    {
        memcpy(key.bytes, row.mv_data, key.len);
        moved += async_rewind_job(work, &key, jump) ? 1 : 0;

        /* the key after it */

        for (i = key.len; i-- > 0 && ++key.bytes[i] == 0; /* void */) {
            /* void */
        }
    }

    return moved;
}


static bool
async_rewind_job(async_work_t *work, const async_key_t *row, int64_t jump)
{
    size_t       len;
    uint8_t      buf[ASYNC_JOB_MAX], new[ASYNC_JOB_MAX];
    async_job_t  job, before;
    async_key_t  key;

    if (!async_place_job(work, row, &job, buf)
        || job.state == ASYNC_STATE_SCHEDULED)
    {
        return false;
    }

    before = job;
    job.due = async_rewind_due(work, &job, jump);

    if (job.due >= before.due) {
        return false;
    }

    len = async_job_encode(&job, new, sizeof(new));

    async_key_job(&key, &job.id);
    async_work_put(work, &key, new, len);
    async_place_move(work, &before, &job);

    return true;
}


static int64_t
async_rewind_due(const async_work_t *work, const async_job_t *job,
    int64_t jump)
{
    int64_t  due;

    if (jump != ASYNC_REWIND_UNKNOWN) {
        due = job->due + jump;

    } else if (job->started > work->now) {

        /* it waits for what it waited for when it was started */

        due = work->now + job->due - job->started;

    } else if (job->state == ASYNC_STATE_QUEUED
               && job->due > work->now + ASYNC_REWIND_PARKED)
    {
        due = work->now;

    } else {
        return job->due;
    }

    return due > work->now ? due : work->now + 1;
}
