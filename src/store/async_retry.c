/*
 * A retry by hand.  The new job has the request of the old one, copied within
 * the store: chunks in the transaction, a spooled body as another name of the
 * same file, which nobody ever changes.  What is encrypted is copied as it is;
 * the new job's seal says under which id that was.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_work.h"


static async_rc_t async_retry_look(async_store_t *store,
    const async_id_t *id, bool *spooled, async_error_t *err);
static async_rc_t async_retry_link(async_store_t *store,
    const async_retry_t *retry, async_error_t *err);
static bool async_retry_durable(const char *path);
static async_rc_t async_retry_apply(async_store_t *store,
    async_retry_t *retry, async_error_t *err);
static bool async_retry_before(async_work_t *work, const async_job_t *old);
static async_rc_t async_retry_room(async_work_t *work,
    const async_job_t *old, async_tally_t **tally);
static void async_retry_job(async_work_t *work, const async_event_t *event,
    const async_job_t *old, async_job_t *job);
static void async_retry_copy(async_work_t *work, const async_id_t *from,
    const async_id_t *to, async_payload_kind_t kind);


async_rc_t
async_store_retry(async_store_t *store, async_retry_t *retry,
    async_error_t *err)
{
    bool        spooled;
    async_rc_t  rc;

    rc = async_retry_look(store, &retry->id, &spooled, err);

    if (rc == ASYNC_OK && spooled) {
        rc = async_retry_link(store, retry, err);
    }

    if (rc != ASYNC_OK) {
        return rc;
    }

    return async_retry_apply(store, retry, err);
}


/* what is seen here is looked at again in the transaction */

static async_rc_t
async_retry_look(async_store_t *store, const async_id_t *id, bool *spooled,
    async_error_t *err)
{
    uint8_t        buf[ASYNC_JOB_MAX];
    async_rc_t     rc;
    async_job_t    job;
    async_view_t  *view;

    rc = async_view_open(&view, store);

    if (rc == ASYNC_OK) {
        rc = async_view_job(view, id, &job, buf);
        async_view_close(view);
    }

    if (rc != ASYNC_OK) {
        async_error_set(err, "the job cannot be read (%s)",
                        async_rc_name(rc));
        return rc;
    }

    *spooled = job.request.where == ASYNC_BODY_SPOOL;

    return async_job_retryable(&job) ? ASYNC_OK : ASYNC_REFUSED;
}


static async_rc_t
async_retry_link(async_store_t *store, const async_retry_t *retry,
    async_error_t *err)
{
    char  from[sizeof(((async_spool_t *) 0)->path)], to[sizeof(from)];

    if (!async_spool_path(store, &retry->id, ASYNC_PAYLOAD_REQUEST_BODY, from,
                          sizeof(from))
        || !async_spool_path(store, &retry->as, ASYNC_PAYLOAD_REQUEST_BODY,
                             to, sizeof(to)))
    {
        async_error_set(err, "the path of the store is too long");
        return ASYNC_INVALID;
    }

    if (link(from, to) == -1) {

        /* it has just expired, or is damaged */

        if (errno == ENOENT) {
            return ASYNC_REFUSED;
        }

        async_error_set(err, "cannot link the spool file \"%.150s\": %s",
                        from, strerror(errno));
        return errno == ENOSPC || errno == EDQUOT ? ASYNC_STORE_FULL
                                                  : ASYNC_UNAVAILABLE;
    }

    /* a new time: no job names it yet, and old files of no job are swept */

    if (utimensat(AT_FDCWD, to, NULL, AT_SYMLINK_NOFOLLOW) == -1
        || !async_retry_durable(to))
    {
        async_error_set(err, "cannot sync the spool file \"%.150s\": %s", to,
                        strerror(errno));
        (void) unlink(to);
        return ASYNC_UNAVAILABLE;
    }

    return ASYNC_OK;
}


static bool
async_retry_durable(const char *path)
{
    int     fd;
    bool    done;
    char    folder[sizeof(((async_spool_t *) 0)->path)];
    size_t  len;

    len = (size_t) (strrchr(path, '/') - path);

    memcpy(folder, path, len);
    folder[len] = '\0';

    fd = open(folder, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        return false;
    }

    done = fsync(fd) == 0;
    close(fd);

    return done;
}


static async_rc_t
async_retry_apply(async_store_t *store, async_retry_t *retry,
    async_error_t *err)
{
    async_rc_t     rc;
    async_batch_t  batch;
    async_event_t  event;

    memset(&batch, 0, sizeof(async_batch_t));
    memset(&event, 0, sizeof(async_event_t));

    event.type = ASYNC_EVENT_RETRIED;
    event.id = retry->id;
    event.as = retry->as;
    event.by = retry->by;

    batch.events = &event;
    batch.n = 1;
    batch.now = retry->now;

    rc = async_store_apply(store, &batch, err);
    rc = rc == ASYNC_OK ? event.rc : rc;

    /* if nobody knows whether it exists, the sweep finds out */

    if (rc != ASYNC_OK && rc != ASYNC_UNKNOWN) {
        async_spool_remove(store, &retry->as, ASYNC_PAYLOAD_REQUEST_BODY);
    }

    retry->as = event.as;

    return rc;
}


/* --- in the transaction --- */

async_rc_t
async_event_retry(async_work_t *work, async_event_t *event)
{
    size_t          len, old_len, trail_len, old_trail_len;
    uint8_t         buf[ASYNC_JOB_MAX], record[ASYNC_JOB_MAX];
    uint8_t         old_record[ASYNC_JOB_MAX], trail[ASYNC_TRAIL_MAX];
    uint8_t         old_trail[ASYNC_TRAIL_MAX], hook_buf[ASYNC_HOOK_MAX];
    int64_t         at;
    async_rc_t      rc;
    async_job_t     old, job;
    async_key_t     key;
    async_hook_t    hook;
    async_tally_t  *tally;

    rc = async_work_job(work, &event->id, &old, buf);

    if (rc != ASYNC_OK || !async_job_retryable(&old)) {
        return rc != ASYNC_OK ? rc : ASYNC_REFUSED;
    }

    if (async_retry_before(work, &old)) {
        event->as = old.retried_as;
        return ASYNC_EXISTS;
    }

    rc = async_retry_room(work, &old, &tally);

    if (rc != ASYNC_OK) {
        return rc;
    }

    async_retry_job(work, event, &old, &job);

    job.hooks = async_hook_again(work, &old, &hook, hook_buf) ? 1 : 0;
    at = async_event_time(work, &old);
    old.retried_as = event->as;
    old.seq++;

    len = async_job_encode(&job, record, sizeof(record));
    trail_len = async_event_trail(event, ASYNC_EVENT_SUBMITTED, &job,
                                  work->now, trail, sizeof(trail));
    old_len = async_job_encode(&old, old_record, sizeof(old_record));
    old_trail_len = async_event_trail(event, ASYNC_EVENT_RETRIED, &old, at,
                                      old_trail, sizeof(old_trail));

    async_key_job(&key, &job.id);

    if (len == 0 || trail_len == 0 || old_len == 0 || old_trail_len == 0
        || !async_work_add(work, &key, record, len))
    {
        return ASYNC_INVALID;
    }

    async_event_log(work, &job, trail, trail_len);
    async_place_state(work, &job);
    async_place_wait(work, &job, work->feed);
    async_event_enter(work, &job, tally);

    async_retry_copy(work, &old.id, &job.id, ASYNC_PAYLOAD_REQUEST);
    async_retry_copy(work, &old.id, &job.id, ASYNC_PAYLOAD_CAPTURE);
    async_retry_copy(work, &old.id, &job.id, ASYNC_PAYLOAD_REQUEST_BODY);

    if (job.hooks > 0) {
        async_hook_submit(work, &job.id, &hook);
    }

    async_key_job(&key, &old.id);
    async_work_put(work, &key, old_record, old_len);
    async_event_log(work, &old, old_trail, old_trail_len);

    return work->fault;
}


/* two clicks make one job; if that is gone, the next makes another */

static bool
async_retry_before(async_work_t *work, const async_job_t *old)
{
    MDB_val      v;
    async_key_t  key;

    if (!async_job_has(&old->retried_as)) {
        return false;
    }

    async_key_job(&key, &old->retried_as);

    return async_work_get(work, &key, &v) == ASYNC_OK;
}


/* what one owner may have is no limit for who runs the gateway */

static async_rc_t
async_retry_room(async_work_t *work, const async_job_t *old,
    async_tally_t **tally)
{
    size_t         need;
    async_event_t  event;

    *tally = async_work_tally(work, old->queue);

    if (*tally == NULL) {
        return work->fault;
    }

    if ((*tally)->queued >= (*tally)->max_queued) {
        return ASYNC_QUEUE_FULL;
    }

    memset(&event, 0, sizeof(async_event_t));
    event.type = ASYNC_EVENT_SUBMITTED;

    need = async_event_need(&event) + 2 * (ASYNC_JOB_MAX + ASYNC_TRAIL_MAX)
           + (old->hooks > 0 ? ASYNC_HOOK_MAX : 0);

    if (old->request.where == ASYNC_BODY_CHUNKS) {
        need += async_event_stored((size_t) async_body_stored(&old->request));
    }

    if (!async_quota_allows(work->store, work->spooled,
                            need + async_event_file(&old->request),
                            ASYNC_QUOTA_SUBMIT))
    {
        return ASYNC_STORE_FULL;
    }

    work->store->quota->added += need;

    return ASYNC_OK;
}


/* as it was submitted, by the policy that it was accepted with */

static void
async_retry_job(async_work_t *work, const async_event_t *event,
    const async_job_t *old, async_job_t *job)
{
    async_seal_t    *seal;
    async_policy_t   policy;

    async_work_policy(work, old->policy, &policy);

    memset(job, 0, sizeof(async_job_t));

    job->id = event->as;
    job->state = ASYNC_STATE_QUEUED;
    job->priority = old->priority;
    job->percent = ASYNC_NO_PERCENT;
    job->flags = old->flags & ASYNC_JOB_REPEATABLE;
    job->attempts_max = policy.attempts;
    job->seq = 1;
    job->created = work->now;
    job->queued = work->now;
    job->server = old->server;
    job->request = old->request;
    job->queue = old->queue;
    job->status_prefix = old->status_prefix;
    job->method = old->method;
    job->uri = old->uri;
    job->owner = old->owner;
    job->dialect = old->dialect;
    job->retry_of = old->id;

    memcpy(job->policy, old->policy, sizeof(job->policy));

    if (job->owner.len != 0) {
        job->bucket = async_known_bucket(work);
    }

    seal = &job->request.seal;

    if (seal->used && !seal->moved) {
        seal->moved = true;
        seal->of = old->id;
    }
}


static void
async_retry_copy(async_work_t *work, const async_id_t *from,
    const async_id_t *to, async_payload_kind_t kind)
{
    size_t       len;
    MDB_val      v;
    uint8_t      chunk[ASYNC_CHUNK];
    uint32_t     n;
    async_key_t  key;

    for (n = 0; /* void */ ; n++) {
        async_key_payload(&key, from, kind, n);

        if (async_work_get(work, &key, &v) != ASYNC_OK
            || v.mv_size > sizeof(chunk))
        {
            return;
        }

        /* the next write may move what the map shows */

        len = v.mv_size;
        memcpy(chunk, v.mv_data, len);

        async_key_payload(&key, to, kind, n);
        async_work_put(work, &key, chunk, len);
    }
}
