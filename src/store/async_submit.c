/*
 * How a job begins.
 *
 * Its rows are written in two parts: the record and what the next submits of
 * the batch may ask for, then, of all of them at once, the rest, one database
 * after the other.  LMDB gives the pages of a transaction out in the order in
 * which they are first touched, those that are free before those at the end
 * of the file.  Nodes near the root and the last leaves, which every commit
 * writes anew, then are given out next to each other, and become free next to
 * each other; those that are full of jobs, and stay, lie elsewhere.  Written
 * job by job they would be mixed, and what is free would be single pages:
 * twice as many writes for a commit.
 */

#include <string.h>

#include "async_work.h"


static async_event_type_t async_submit_type(const async_event_t *event,
    int64_t now);
static bool async_submit_check(const async_job_t *job,
    const async_payload_t *payload);
static void async_submit_job(const async_event_t *event, int64_t now,
    async_event_type_t type, async_job_t *job);
static void async_submit_key(async_job_key_t *to,
    const async_submit_key_t *from, const async_job_t *job);
static async_rc_t async_submit_known(async_work_t *work,
    async_event_t *event);
static async_rc_t async_submit_room(async_work_t *work,
    const async_event_t *event, const async_submit_t *submit,
    async_tally_t **tally);
static bool async_submit_record(async_work_t *work, async_submit_t *submit);
static void async_submit_put_off(async_work_t *work, async_submit_t *submit);
static void async_submit_payload(async_work_t *work, async_submit_t *submit);
static void async_submit_line(async_work_t *work, async_submit_t *submit);
static void async_submit_word(async_work_t *work, async_submit_t *submit);
static void async_submit_state(async_work_t *work, async_submit_t *submit);
static void async_submit_place(async_work_t *work, async_submit_t *submit);


/* the rows that can wait, in the order in which they are written; the place
   of a job that is delayed is in timers */
static const struct {
    async_db_t   db;
    void       (*put)(async_work_t *work, async_submit_t *submit);
} async_submit_rest[] = {
    { ASYNC_DB_PAYLOAD, async_submit_payload },
    { ASYNC_DB_TRAIL,   async_submit_line },
    { ASYNC_DB_FEED,    async_submit_word },
    { ASYNC_DB_BYSTATE, async_submit_state },
    { ASYNC_DB_READY,   async_submit_place }
};

#define ASYNC_SUBMIT_REST                                                    \
    (sizeof(async_submit_rest) / sizeof(async_submit_rest[0]))


uint8_t *
async_event_prepare(const async_event_t *event, int64_t now,
    async_submit_t *submit, uint8_t *buf)
{
    uint8_t             hook[ASYNC_HOOK_MAX];
    async_job_t        *job;
    async_event_type_t  type;

    job = &submit->job;
    submit->event = event;
    submit->len = 0;

    if (event->job == NULL
        || !async_submit_check(event->job, &event->payload)
        || (event->hook != NULL
            && (event->hook->state != ASYNC_HOOK_WAITING
                || async_hook_encode(event->hook, hook, sizeof(hook)) == 0)))
    {
        return buf;
    }

    type = async_submit_type(event, now);

    async_submit_job(event, now, type, job);

    submit->record = buf;
    submit->len = async_job_encode(job, buf, ASYNC_JOB_MAX);

    submit->trail = buf + submit->len;
    submit->trail_len = async_event_trail(event, type, job, now,
                                          submit->trail, ASYNC_TRAIL_MAX);

    submit->need = async_event_stored(submit->len + submit->trail_len)
                   + async_event_need(event);

    if (submit->trail_len == 0) {
        submit->len = 0;
    }

    return submit->trail + submit->trail_len;
}


/* a time that has passed when the batch is made is none */

static async_event_type_t
async_submit_type(const async_event_t *event, int64_t now)
{
    return event->due > now ? ASYNC_EVENT_DELAYED : ASYNC_EVENT_SUBMITTED;
}


static bool
async_submit_check(const async_job_t *job, const async_payload_t *payload)
{
    return job->queue.len >= 1
           && job->queue.len <= ASYNC_QUEUE_MAX
           && job->priority <= 9
           && payload->head.len > 0
           && async_event_body(&job->request, payload->body);
}


/* as it is stored, but for the bucket, which only a transaction can tell */

static void
async_submit_job(const async_event_t *event, int64_t now,
    async_event_type_t type, async_job_t *job)
{
    *job = *event->job;

    job->state = (uint8_t) async_state_next(ASYNC_STATE_NONE, type);
    job->percent = ASYNC_NO_PERCENT;
    job->error = ASYNC_JOB_ERROR_NONE;
    job->flags &= ASYNC_JOB_REPEATABLE | ASYNC_JOB_FORGET
                  | ASYNC_JOB_MESSAGE;
    job->result_status = 0;
    job->attempt = 0;
    job->deaths = 0;
    job->epoch = 0;
    job->seq = 1;
    job->created = job->created != 0 ? job->created : now;
    job->queued = now;
    job->due = type == ASYNC_EVENT_DELAYED ? event->due : 0;
    job->started = 0;
    job->finished = 0;
    job->expires = 0;
    memset(&job->response, 0, sizeof(async_body_t));

    job->hooks = event->hook != NULL ? 1 : 0;

    async_submit_key(&job->idempotency, &event->idempotency, job);
    async_submit_key(&job->coalesce, &event->coalesce, job);

    job->bucket = job->owner.len != 0 || job->idempotency.used
                  || job->coalesce.used;
}


static void
async_submit_key(async_job_key_t *to, const async_submit_key_t *from,
    const async_job_t *job)
{
    memset(to, 0, sizeof(async_job_key_t));

    if (from->used) {
        to->used = true;
        to->expires = from->ttl < (uint64_t) (INT64_MAX - job->created)
                      ? job->created + (int64_t) from->ttl : INT64_MAX;

        memcpy(to->hash, from->hash, sizeof(to->hash));
        memcpy(to->print, from->print, sizeof(to->print));
    }
}


async_rc_t
async_event_submit(async_work_t *work, async_event_t *event,
    async_submit_t *submit)
{
    async_rc_t      rc;
    async_tally_t  *tally;

    if (submit->len == 0) {
        return ASYNC_INVALID;
    }

    rc = event->firing != NULL ? async_fire_check(work, event) : ASYNC_OK;

    /* who asks again is answered, however full it is */

    if (rc == ASYNC_OK) {
        rc = async_submit_known(work, event);
    }

    if (rc == ASYNC_OK) {
        rc = async_submit_room(work, event, submit, &tally);
    }

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (!async_submit_record(work, submit)) {
        return ASYNC_INVALID;
    }

    async_event_enter(work, &submit->job, tally);

    if (event->hook != NULL) {
        async_hook_submit(work, &submit->job.id, event->hook);
    }

    if (event->firing != NULL) {
        async_fire_done(work, event);
    }

    work->store->quota->added += submit->need;

    async_submit_put_off(work, submit);

    return work->fault;
}


static void
async_submit_put_off(async_work_t *work, async_submit_t *submit)
{
    submit->next = NULL;

    if (work->submits == NULL) {
        work->submits = submit;

    } else {
        work->submitted->next = submit;
    }

    work->submitted = submit;
}


void
async_submit_rows(async_work_t *work)
{
    size_t           i;
    async_submit_t  *first, *submit;

    first = work->submits;
    work->submits = NULL;

    for (i = 0; first != NULL && i < ASYNC_SUBMIT_REST; i++) {
        async_work_stay(work, async_submit_rest[i].db);

        for (submit = first; submit != NULL; submit = submit->next) {
            async_submit_rest[i].put(work, submit);
        }

        async_work_leave(work);
    }
}


/* ASYNC_OK: nothing like it was accepted before */

static async_rc_t
async_submit_known(async_work_t *work, async_event_t *event)
{
    uint8_t      print[ASYNC_SUBMIT_PRINT];
    async_rc_t   rc;
    async_id_t   id;

    if (event->idempotency.used) {
        rc = async_known_find(work, event->idempotency.hash, &id, print);

        if (rc == ASYNC_OK) {
            event->id = id;

            return memcmp(print, event->idempotency.print, sizeof(print)) == 0
                   ? ASYNC_EXISTS : ASYNC_KEY_REUSED;
        }

        if (rc != ASYNC_NOT_FOUND) {
            return rc;
        }
    }

    if (event->coalesce.used) {
        rc = async_known_find(work, event->coalesce.hash, &id, print);

        if (rc == ASYNC_OK && event->idempotency.used) {
            rc = async_joined_bind(work, &id, &event->idempotency);
        }

        if (rc == ASYNC_OK) {
            event->id = id;
            event->joined = true;
            return ASYNC_EXISTS;
        }

        if (rc != ASYNC_NOT_FOUND) {
            return rc;
        }
    }

    return ASYNC_OK;
}


static async_rc_t
async_submit_room(async_work_t *work, const async_event_t *event,
    const async_submit_t *submit, async_tally_t **tally)
{
    const async_job_t  *job;

    job = event->job;
    *tally = async_work_tally(work, job->queue);

    if (*tally == NULL) {
        return work->fault;
    }

    /* his own fault first: it tells him more */

    if (job->owner.len != 0 && (*tally)->per_owner != 0
        && async_owner_jobs(work, job->owner, job->queue)
           >= (*tally)->per_owner)
    {
        return ASYNC_OWNER_FULL;
    }

    if ((*tally)->queued >= (*tally)->max_queued) {
        return ASYNC_QUEUE_FULL;
    }

    if (!async_quota_allows(work->store, work->spooled,
                            submit->need + async_event_file(&job->request),
                            ASYNC_QUOTA_SUBMIT))
    {
        return ASYNC_STORE_FULL;
    }

    return ASYNC_OK;
}


/* false if the id is taken */

static bool
async_submit_record(async_work_t *work, async_submit_t *submit)
{
    size_t        len;
    uint8_t       buf[ASYNC_JOB_MAX];
    async_job_t  *job;
    async_key_t   key;

    job = &submit->job;

    async_key_job(&key, &job->id);

    if (job->bucket == 0) {
        return async_work_add(work, &key, submit->record, submit->len);
    }

    /* where its rows go is only known now */

    job->bucket = async_known_bucket(work);
    len = async_job_encode(job, buf, sizeof(buf));

    return len != 0 && async_work_add(work, &key, buf, len);
}


void
async_event_enter(async_work_t *work, const async_job_t *job,
    async_tally_t *tally)
{
    async_known_put(work, job);

    async_event_spooled(work, &job->request);

    async_place_count(tally, job->state, 1);
    async_owner_count(work, job, 1);

    async_meter_enter(work, tally, async_job_has(&job->retry_of)
                                   ? ASYNC_SUBMIT_RETRIED
                                   : ASYNC_SUBMIT_ACCEPTED);
}


static void
async_submit_payload(async_work_t *work, async_submit_t *submit)
{
    const async_id_t       *id;
    const async_payload_t  *payload;

    id = &submit->job.id;
    payload = &submit->event->payload;

    async_work_chunks(work, id, ASYNC_PAYLOAD_REQUEST, payload->head);
    async_work_chunks(work, id, ASYNC_PAYLOAD_CAPTURE, payload->capture);
    async_work_chunks(work, id, ASYNC_PAYLOAD_REQUEST_BODY, payload->body);
}


static void
async_submit_line(async_work_t *work, async_submit_t *submit)
{
    async_event_line(work, &submit->job, submit->trail, submit->trail_len);
}


static void
async_submit_word(async_work_t *work, async_submit_t *submit)
{
    async_event_word(work, &submit->job);
    submit->number = work->feed;
}


static void
async_submit_state(async_work_t *work, async_submit_t *submit)
{
    async_place_state(work, &submit->job);
}


static void
async_submit_place(async_work_t *work, async_submit_t *submit)
{
    async_place_wait(work, &submit->job, submit->number);
}
