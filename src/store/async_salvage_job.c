/*
 * From the scratch into the new store, job by job: as a submit and its later
 * events would have left it, with what is lost said and set right.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "async_joined.h"
#include "async_salvager.h"


#define ASYNC_FILL_JOBS   128                 /* in one transaction */
#define ASYNC_FILL_BYTES  (4 << 20)
#define ASYNC_FILL_LINES  (1 << 24)           /* of one history */

/* "job <id>: ", which the check puts before what it finds */
#define ASYNC_FILL_PREFIX (sizeof("job : ") - 1 + ASYNC_ID_TEXT)


static bool async_fill_batch(async_fill_t *f, MDB_cursor *cursor);
static void async_fill_sync(async_fill_t *f);
static void async_fill_meta(async_fill_t *f);
static void async_fill_copy(async_fill_t *f, async_db_t db);
static void async_fill_figures(async_fill_t *f);
static bool async_fill_next(async_fill_t *f, MDB_cursor *cursor);
static void async_fill_job(async_fill_t *f, const async_id_t *id,
    const MDB_val *value);
static bool async_fill_request(async_fill_t *f, async_job_t *job);
static void async_fill_response(async_fill_t *f, async_job_t *job);
static void async_fill_policy(async_fill_t *f, async_job_t *job);
static void async_fill_rows(async_fill_t *f, async_job_t *job);
static void async_fill_hook(async_fill_t *f, async_job_t *job);
static void async_fill_key(async_fill_t *f, async_job_key_t *key,
    const char *what);
static void async_fill_joined(async_fill_t *f, const async_job_t *job);
static void async_fill_stop(async_fill_t *f, async_job_t *job,
    const char *detail);
static void async_fill_found(void *data, const char *fault);


void
async_salvage_fill(async_salvager_t *s, async_store_t *store)
{
    int           rc;
    MDB_cursor   *cursor;
    async_fill_t  f;

    memset(&f, 0, sizeof(f));

    f.s = s;
    f.store = store;

    f.ck.store = &s->scratch;
    f.ck.figures = &f.faults;
    f.ck.report = async_fill_found;
    f.ck.data = &f;

    s->rc = async_check_open(&f.ck, s->err);

    if (s->rc == ASYNC_OK) {
        rc = mdb_cursor_open(f.ck.txn, s->scratch.dbi[ASYNC_DB_JOBS],
                             &cursor);
        s->rc = async_db_rc(rc, "read what was found", s->err);
    }

    if (s->rc == ASYNC_OK) {

        while (async_fill_batch(&f, cursor)) {

            if (s->progress != NULL) {
                s->progress(s->data, f.ck.total + s->figures->jobs,
                            2 * f.ck.total);
            }
        }

        mdb_cursor_close(cursor);
    }

    async_check_close(&f.ck);
}


/* --- transactions --- */

/* as many jobs as one may hold; false if they were the last, or it failed */

static bool
async_fill_batch(async_fill_t *f, MDB_cursor *cursor)
{
    bool               more;
    unsigned           n;
    async_salvager_t  *s;

    s = f->s;
    s->rc = async_work_begin(&f->work, f->store, s->options->now,
                             ASYNC_DOOR_WAIT, s->err);

    if (s->rc != ASYNC_OK) {
        return false;
    }

    if (!f->begun) {
        async_fill_meta(f);
        async_fill_copy(f, ASYNC_DB_POLICY);
        async_fill_copy(f, ASYNC_DB_STATS);
        async_fill_figures(f);
        async_fill_copy(f, ASYNC_DB_SCHEDULES);
        f->begun = true;
    }

    f->bytes = 0;
    more = true;

    for (n = 0; n < ASYNC_FILL_JOBS && f->bytes < ASYNC_FILL_BYTES && more
         && s->rc == ASYNC_OK; n++)
    {
        more = async_fill_next(f, cursor);
    }

    if (s->rc == ASYNC_OK) {
        async_fill_sync(f);
    }

    if (s->rc != ASYNC_OK) {
        async_work_abort(&f->work);
        return false;
    }

    s->rc = async_work_commit(&f->work, s->err);

    return more && s->rc == ASYNC_OK;
}


/* files before the records that name them */

static void
async_fill_sync(async_fill_t *f)
{
    int   fd;
    char  path[4096];

    if (!f->linked) {
        return;
    }

    (void) snprintf(path, sizeof(path), "%s/spool",
                    async_store_path(f->store));

    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1 || fsync(fd) == -1) {
        async_error_set(f->s->err, "cannot sync \"%s\": %s", path,
                        strerror(errno));
        f->s->rc = ASYNC_UNAVAILABLE;
    }

    if (fd != -1) {
        close(fd);
    }

    f->linked = false;
}


/* --- what is not a job's --- */

static void
async_fill_meta(async_fill_t *f)
{
    MDB_val       v;
    uint8_t       buf[ASYNC_META_MAX];
    async_key_t   key;
    async_meta_t  meta;

    async_key_meta(&key);

    if (async_work_get(&f->work, &key, &v) != ASYNC_OK
        || async_meta_decode(&meta, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        return;
    }

    if (f->s->has_meta) {
        memcpy(meta.token, f->s->meta.token, ASYNC_TOKEN);
    }

    /* who still runs a job of the old store must not end one of this */

    meta.epoch = f->s->epoch + 1;

    async_work_put(&f->work, &key, buf,
                   async_meta_encode(&meta, buf, sizeof(buf)));
}


static void
async_fill_copy(async_fill_t *f, async_db_t db)
{
    bool         more;
    MDB_val      row, value;
    async_key_t  key = { .db = db, .len = 1 };

    for (more = async_check_seek(&f->ck, &key, &row, &value); more;
         more = async_check_next(&f->ck, db, &row, &value))
    {
        key.len = row.mv_size;

        if (key.len <= sizeof(key.bytes)) {
            memcpy(key.bytes, row.mv_data, key.len);
            async_work_put(&f->work, &key, value.mv_data, value.mv_size);
        }
    }
}


/* webhooks that there are come with their jobs, and count then */

static void
async_fill_figures(async_fill_t *f)
{
    MDB_val      v;
    uint8_t      buf[ASYNC_COUNT_MAX];
    uint64_t     n[ASYNC_HOOK_NUMBERS];
    async_key_t  key;

    async_key_stat(&key, ASYNC_STAT_HOOKS);

    if (async_work_get(&f->work, &key, &v) != ASYNC_OK
        || async_count_decode(n, ASYNC_HOOK_NUMBERS, v.mv_data, v.mv_size)
           != ASYNC_OK)
    {
        return;
    }

    n[ASYNC_HOOK_PENDING_N] = 0;
    n[ASYNC_HOOK_DEAD_N] = 0;

    async_work_put(&f->work, &key, buf,
                   async_count_encode(n, ASYNC_HOOK_NUMBERS, buf,
                                      sizeof(buf)));
}


/* --- jobs --- */

static bool
async_fill_next(async_fill_t *f, MDB_cursor *cursor)
{
    int         rc;
    MDB_val     row, value;
    async_id_t  id;

    rc = mdb_cursor_get(cursor, &row, &value, MDB_NEXT);

    if (rc == MDB_SUCCESS) {
        memcpy(&id, row.mv_data, sizeof(async_id_t));
        async_fill_job(f, &id, &value);

        if (f->ck.rc != ASYNC_OK) {
            async_error_set(f->s->err, "no memory to salvage the store");
            f->s->rc = f->ck.rc;
        }

    } else if (rc != MDB_NOTFOUND) {
        f->s->rc = async_db_rc(rc, "read what was found", f->s->err);
    }

    return rc == MDB_SUCCESS;
}


static void
async_fill_job(async_fill_t *f, const async_id_t *id, const MDB_val *value)
{
    bool          final, request, sure, newer;
    MDB_val       k, row, none;
    async_job_t   job;
    async_key_t   key;

    if (async_job_decode(&job, id, value->mv_data, value->mv_size)
            != ASYNC_OK
        || job.seq == 0 || job.seq > ASYNC_FILL_LINES)
    {
        return;
    }

    f->id = *id;
    f->len = 0;
    f->s->figures->jobs++;

    final = async_state_final((async_state_t) job.state);

    k.mv_size = sizeof(async_id_t);
    k.mv_data = (void *) id;
    sure = mdb_get(f->ck.txn, f->s->unsure, &k, &none) == MDB_NOTFOUND;

    /* a line after the last: there was a younger record */

    async_key_trail(&key, id, job.seq + 1);
    newer = async_check_seek(&f->ck, &key, &row, &none)
            && row.mv_size == key.len
            && memcmp(row.mv_data, id, sizeof(async_id_t)) == 0;

    request = async_fill_request(f, &job);

    async_fill_response(f, &job);
    async_fill_policy(f, &job);
    async_fill_rows(f, &job);
    async_fill_payload(f, &job, request);

    if (!final && (!sure || newer)) {
        async_fill_say(f, "what was found of it may be old");
        async_fill_stop(f, &job, "the store was damaged, and whether the "
                        "job has run is not known");

    } else if (!final && !request) {
        async_fill_stop(f, &job, "the stored request was damaged");
    }

    if (f->len == 0) {
        f->s->figures->whole++;

    } else if (f->s->report != NULL) {
        f->s->report(f->s->data, f->text);
    }
}


/* false: the job must not run; without what nginx captured it could not */

static bool
async_fill_request(async_fill_t *f, async_job_t *job)
{
    bool         sound;
    MDB_val      row, value;
    async_key_t  key;

    /* what it once had may have been found, and is not looked at */

    if (!async_job_keeps_request(job)) {
        memset(&job->request, 0, sizeof(async_body_t));
        return true;
    }

    sound = async_check_request(&f->ck, job);

    if (sound && !async_state_final((async_state_t) job->state)) {
        async_key_payload(&key, &job->id, ASYNC_PAYLOAD_CAPTURE, 0);

        if (!async_check_seek(&f->ck, &key, &row, &value)
            || row.mv_size != key.len
            || memcmp(row.mv_data, key.bytes, key.len) != 0)
        {
            async_fill_say(f, "its capture is missing");
            sound = false;
        }
    }

    if (!sound) {
        memset(&job->request, 0, sizeof(async_body_t));
    }

    return sound;
}


/* without its result a job is as retention would leave it one day */

static void
async_fill_response(async_fill_t *f, async_job_t *job)
{
    if (job->result_status == 0 || (job->flags & ASYNC_JOB_SWEPT)
        || async_check_response(&f->ck, job))
    {
        return;
    }

    job->flags |= ASYNC_JOB_SWEPT;
    memset(&job->request, 0, sizeof(async_body_t));
    memset(&job->response, 0, sizeof(async_body_t));

    async_fill_say(f, "its result is lost");
    f->s->figures->no_result++;
}


static void
async_fill_policy(async_fill_t *f, async_job_t *job)
{
    MDB_val         row, value;
    async_key_t     key;
    static uint8_t  none[ASYNC_POLICY_KEY];

    async_key_policy(&key, job->policy);

    if (memcmp(job->policy, none, sizeof(none)) != 0
        && (!async_check_seek(&f->ck, &key, &row, &value)
            || row.mv_size != key.len
            || memcmp(row.mv_data, key.bytes, key.len) != 0))
    {
        memset(job->policy, 0, sizeof(job->policy));
        async_fill_say(f, "its policy is lost, the defaults hold");
    }
}


/* the record and all that is derived from it */

static void
async_fill_rows(async_fill_t *f, async_job_t *job)
{
    uint8_t         buf[ASYNC_JOB_MAX], value[sizeof(async_id_t) + 8];
    async_key_t     key;
    async_tally_t  *tally;

    async_fill_hook(f, job);

    /* what it is known by stays, its rows go into buckets of this store */

    async_fill_key(f, &job->idempotency, "idempotency");
    async_fill_key(f, &job->coalesce, "coalescing");

    job->bucket = job->owner.len != 0 || job->idempotency.used
                  || job->coalesce.used ? async_known_bucket(&f->work) : 0;

    async_key_job(&key, &job->id);
    async_work_put(&f->work, &key, buf,
                   async_job_encode(job, buf, sizeof(buf)));

    async_known_put(&f->work, job);
    async_fill_joined(f, job);
    async_key_state(&key, job);
    async_work_put(&f->work, &key, "", 0);

    async_key_place(&key, job, ++f->number);
    async_work_put(&f->work, &key, "", 0);

    async_fill_history(f, job);

    tally = async_work_tally(&f->work, job->queue);

    if (tally != NULL) {
        async_place_count(tally, job->state, 1);
    }

    if (!async_state_final((async_state_t) job->state)) {
        async_owner_count(&f->work, job, 1);
    }

    /* one entry of the feed: its numbers go on where they were */

    if (f->number == 1) {
        memcpy(value, &job->id, sizeof(async_id_t));
        async_put_be64(value + sizeof(async_id_t), job->seq);

        f->work.feed = f->s->feed + 1;
        f->work.fed++;

        async_key_feed(&key, f->work.feed);
        async_work_put(&f->work, &key, value, sizeof(value));
    }
}


/*
 * A webhook that may have been sent since is sent again: a receiver knows it
 * by its id.
 */

static void
async_fill_hook(async_fill_t *f, async_job_t *job)
{
    bool          final;
    MDB_val       value;
    async_key_t   key;
    async_hook_t  hook;

    if (job->hooks == 0) {
        return;
    }

    final = async_state_final((async_state_t) job->state);
    async_key_hook(&key, &job->id);

    if (async_db_get(&f->s->scratch, f->ck.txn, &key, &value) != ASYNC_OK
        || async_hook_decode(&hook, value.mv_data, value.mv_size) != ASYNC_OK)
    {
        job->hooks = 0;
        async_fill_say(f, "its webhook is lost");
        return;
    }

    if (!final) {
        hook.state = ASYNC_HOOK_WAITING;
        hook.due = 0;
    }

    if (final && hook.state == ASYNC_HOOK_WAITING
        && async_hook_wanted(&hook, (async_state_t) job->state))
    {
        async_hook_owe(&f->work, &job->id, &hook);

    } else {
        async_hook_submit(&f->work, &job->id, &hook);
    }
}


/* an older job may hold it, whose last record, without it, was not found */

static void
async_fill_key(async_fill_t *f, async_job_key_t *key, const char *what)
{
    uint8_t     print[ASYNC_SUBMIT_PRINT];
    async_id_t  id;

    if (key->used
        && async_known_find(&f->work, key->hash, &id, print) == ASYNC_OK)
    {
        key->used = false;
        async_fill_say(f, "its %s key is that of an older job", what);
    }
}


static void
async_fill_joined(async_fill_t *f, const async_job_t *job)
{
    bool             more;
    uint8_t          print[ASYNC_SUBMIT_PRINT];
    MDB_val          row, value;
    async_id_t       id;
    async_key_t      key;
    async_joined_t   joined;
    const uint8_t   *hash;

    static const uint8_t  least[ASYNC_SUBMIT_HASH];

    if (async_known_given_up(job)) {
        return;
    }

    async_key_joined(&key, &job->id, least);

    for (more = async_check_seek(&f->ck, &key, &row, &value);
         more && async_key_is_joined(row.mv_data, row.mv_size, &id)
         && memcmp(&id, &job->id, sizeof(async_id_t)) == 0;
         more = async_check_next(&f->ck, ASYNC_DB_KNOWN, &row, &value))
    {
        hash = (const uint8_t *) row.mv_data + 8 + sizeof(async_id_t);

        if (async_joined_decode(&joined, value.mv_data, value.mv_size)
                == ASYNC_OK
            && async_known_find(&f->work, hash, &id, print)
               == ASYNC_NOT_FOUND)
        {
            async_joined_row(&f->work, &job->id, hash, joined.print);
        }
    }
}


static void
async_fill_stop(async_fill_t *f, async_job_t *job, const char *detail)
{
    async_event_t  event;

    memset(&event, 0, sizeof(event));

    event.type = ASYNC_EVENT_FAILED;
    event.id = job->id;
    event.error = ASYNC_JOB_ERROR_OUTCOME_UNKNOWN;
    event.detail.data = detail;
    event.detail.len = strlen(detail);
    event.by.data = "salvage";
    event.by.len = sizeof("salvage") - 1;

    (void) async_event_move(&f->work, &event, job);

    async_fill_say(f, "it has failed");
    f->s->figures->stopped++;
}


/* --- what is said of a job --- */

static void
async_fill_found(void *data, const char *fault)
{
    async_fill_t  *f = data;

    if (strlen(fault) > ASYNC_FILL_PREFIX) {
        async_fill_say(f, "%s", fault + ASYNC_FILL_PREFIX);
    }
}


void
async_fill_say(async_fill_t *f, const char *fmt, ...)
{
    int      n;
    size_t   room;
    va_list  args;

    if (f->len == 0) {
        (void) snprintf(f->text, sizeof(f->text), "job ");
        (void) async_id_format(f->text + 4, &f->id);
        f->text[4 + ASYNC_ID_TEXT] = ':';
        f->len = 4 + ASYNC_ID_TEXT + 1;

    } else if (f->len + 1 < sizeof(f->text)) {
        f->text[f->len++] = ';';
    }

    room = sizeof(f->text) - f->len;

    if (room < 2) {
        return;
    }

    f->text[f->len] = ' ';

    va_start(args, fmt);
    n = vsnprintf(f->text + f->len + 1, room - 1, fmt, args);
    va_end(args);

    n = n < 0 ? 0 : n;
    f->len += (size_t) n + 1 < room ? (size_t) n + 1 : room - 1;
}
