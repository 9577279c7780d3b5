/*
 * The store as a table in memory, with rules written apart from the store's:
 * what async_model_test.c compares it with.
 */

#ifndef ASYNC_MODEL_H
#define ASYNC_MODEL_H

#include "async_fixture.h"
#include "async_joined.h"


#define JOBS     300
#define QUEUES   3
#define SERVERS  3
#define STEPS    2500
#define BATCH    6

#define KEYS     40
#define OWNERS   3
#define NOBODY   -1

/* what is left of a key that a request brought which was coalesced */
enum { FURTHER_NOT, FURTHER_HELD, FURTHER_FREE };

typedef struct {
    bool         there;
    bool         forgotten;
    async_job_t  job;                   /* what the record must say */
    uint64_t     number;                /* of its row in ready */
    int          key;                   /* NOBODY, or of KEYS */
    int          print;
    uint8_t      further[KEYS];         /* keys besides */
    int          further_print[KEYS];
    int          coalesce;
    int          owner;                 /* NOBODY, or of OWNERS */
} model_job_t;

typedef struct {
    fixture_t    *f;
    uint64_t      random;
    uint64_t      feed;
    model_job_t   jobs[JOBS];
    unsigned      applied;              /* events that were */
    unsigned      refused;
} model_t;

typedef struct {
    async_db_t    db;
    async_key_t  *rows;
    unsigned      n;
} model_rows_t;


static const char *const  queues[QUEUES] = { "a", "aa", "default" };
static const uint32_t     concurrency[QUEUES] = { 1, 3, 20 };
static const uint32_t     per_owner[QUEUES] = { 5, 0, 12 };
static const char *const  owners[OWNERS] = {
    "alice...........", "bob.............", "carol..........."
};


static inline unsigned
pick(model_t *m, unsigned n)
{
    /* xorshift64*, so that a run can be repeated anywhere */

    m->random ^= m->random >> 12;
    m->random ^= m->random << 25;
    m->random ^= m->random >> 27;

    return (unsigned) ((m->random * 0x2545F4914F6CDD1Dull) >> 33) % n;
}


/* --- the model's own rules, written apart from the store's --- */

static inline model_job_t *
model_known(model_t *m, int key, int coalesce)
{
    unsigned  i;

    for (i = 0; i < JOBS; i++) {
        if (m->jobs[i].there
            && ((key != NOBODY
                 && (m->jobs[i].key == key
                     || m->jobs[i].further[key] == FURTHER_HELD))
                || (coalesce != NOBODY && m->jobs[i].coalesce == coalesce)))
        {
            return &m->jobs[i];
        }
    }

    return NULL;
}


static inline unsigned
model_owned(model_t *m, int owner, async_str_t queue)
{
    unsigned  i, n;

    for (i = 0, n = 0; i < JOBS; i++) {
        n += m->jobs[i].there && m->jobs[i].owner == owner
             && m->jobs[i].job.queue.data == queue.data
             && !async_state_final(m->jobs[i].job.state);
    }

    return n;
}


/* who looks for a key removes what is left where it is free */

static inline void
model_meet(model_t *m, int key)
{
    unsigned  i;

    for (i = 0; i < JOBS && key != NOBODY; i++) {
        if (m->jobs[i].there && m->jobs[i].further[key] == FURTHER_FREE) {
            m->jobs[i].further[key] = FURTHER_NOT;
        }
    }
}


/* what must become of a submit; *other is the job that was there before */

static inline async_rc_t
model_judge(model_t *m, const async_job_t *job, const model_job_t *known,
    model_job_t **other)
{
    int       print;
    unsigned  q;

    *other = model_known(m, known->key, NOBODY);
    model_meet(m, known->key);

    if (*other != NULL) {
        print = (*other)->key == known->key
                ? (*other)->print : (*other)->further_print[known->key];

        return print == known->print ? ASYNC_EXISTS : ASYNC_KEY_REUSED;
    }

    *other = model_known(m, NOBODY, known->coalesce);

    if (*other != NULL) {
        return ASYNC_EXISTS;
    }

    for (q = 0; job->queue.data != queues[q]; q++) {
        /* void */
    }

    if (known->owner != NOBODY && per_owner[q] != 0
        && model_owned(m, known->owner, job->queue) >= per_owner[q])
    {
        return ASYNC_OWNER_FULL;
    }

    return m->jobs[async_get_be32(job->id.bytes + 12)].there ? ASYNC_INVALID
                                                             : ASYNC_OK;
}


/* the same submit is known from now on by its key, too, if it has one */

static inline void
model_joined(model_t *m, model_job_t *mj, const model_job_t *known,
    uint64_t ttl)
{
    int64_t  expires;

    if (known->key == NOBODY || model_known(m, known->key, NOBODY) != NULL) {
        return;
    }

    expires = m->f->now + (int64_t) ttl;

    if (mj->key == NOBODY) {
        mj->key = known->key;
        mj->print = known->print;
        mj->job.idempotency.expires = expires;
        return;
    }

    mj->further[known->key] = FURTHER_HELD;
    mj->further_print[known->key] = known->print;

    if (mj->job.idempotency.expires < expires) {
        mj->job.idempotency.expires = expires;
    }
}


/* at the end of a job: what others may have now */

static inline void
model_ended(model_job_t *mj)
{
    int           i;
    async_job_t  *job = &mj->job;

    mj->coalesce = NOBODY;

    if (mj->key == NOBODY) {
        return;
    }

    if (!(job->flags & (ASYNC_JOB_SENT|ASYNC_JOB_ANSWERED))
        && (job->state == ASYNC_STATE_CANCELED
            || job->error == ASYNC_JOB_ERROR_START_TIMEOUT
            || job->error == ASYNC_JOB_ERROR_BACKEND_UNREACHABLE))
    {
        mj->key = NOBODY;

        for (i = 0; i < KEYS; i++) {
            mj->further[i] = mj->further[i] != FURTHER_NOT ? FURTHER_FREE
                                                           : FURTHER_NOT;
        }

    } else if (job->due < job->idempotency.expires) {
        job->due = job->idempotency.expires;
    }
}


static inline void
model_submitted(model_t *m, const async_event_t *event,
    const model_job_t *known)
{
    model_job_t        *mj;
    const async_job_t  *job = event->job;

    mj = &m->jobs[async_get_be32(job->id.bytes + 12)];

    *mj = *known;
    mj->there = true;
    mj->job = *job;
    mj->job.state = ASYNC_STATE_QUEUED;
    mj->job.queued = m->f->now;
    mj->job.due = 0;
    mj->job.seq = 1;

    if (event->due > m->f->now) {
        mj->job.state = ASYNC_STATE_SCHEDULED;
        mj->job.due = event->due;
    }

    mj->number = ++m->feed;
}


/* what a job is known by: as few jobs as these are all of the first bucket */

static inline void
model_rows(const model_job_t *mj, model_rows_t *rows)
{
    int          i;
    uint8_t      hash[ASYNC_SUBMIT_HASH];
    async_key_t  key;

    if (mj->key != NOBODY) {
        memset(hash, mj->key, sizeof(hash));
        async_key_known(&key, 1, hash);
        rows[key.db].rows[rows[key.db].n++] = key;
    }

    for (i = 0; i < KEYS; i++) {
        if (mj->further[i] != FURTHER_NOT) {
            memset(hash, i, sizeof(hash));
            async_key_known(&key, 1, hash);
            rows[key.db].rows[rows[key.db].n++] = key;
            async_key_joined(&key, &mj->job.id, hash);
            rows[key.db].rows[rows[key.db].n++] = key;
        }
    }

    if (mj->coalesce != NOBODY) {
        memset(hash, 0x80 + mj->coalesce, sizeof(hash));
        async_key_known(&key, 1, hash);
        rows[key.db].rows[rows[key.db].n++] = key;
    }

    if (mj->owner != NOBODY) {
        async_key_owner(&key, 1, mj->job.owner, &mj->job.id);
        rows[key.db].rows[rows[key.db].n++] = key;
    }
}


/* what comes of it; 0: nothing happens */

static inline int
model_type(const async_event_t *event, const async_job_t *job)
{
    switch ((int) event->type) {

    case ASYNC_EVENT_CANCEL_REQUESTED:
        if (job->state != ASYNC_STATE_PROCESSING) {
            return job->state == ASYNC_STATE_CANCELED ? 0
                                                      : ASYNC_EVENT_CANCELED;
        }

        return job->flags & ASYNC_JOB_CANCEL_WANTED
               ? 0 : ASYNC_EVENT_CANCEL_REQUESTED;

    case ASYNC_EVENT_COMPLETED:
        return event->type;

    case ASYNC_EVENT_FAILED:
        return job->flags & ASYNC_JOB_CANCEL_WANTED
               && event->error == ASYNC_JOB_ERROR_OUTCOME_UNKNOWN
               ? ASYNC_EVENT_CANCELED : ASYNC_EVENT_FAILED;

    default:
        return job->flags & ASYNC_JOB_CANCEL_WANTED ? ASYNC_EVENT_CANCELED
                                                    : (int) event->type;
    }
}


static inline bool
model_unknown(const async_event_t *event)
{
    switch ((int) event->type) {

    case ASYNC_EVENT_INTERRUPTED:
        return true;

    case ASYNC_EVENT_RELEASED:
        return event->sent;

    case ASYNC_EVENT_ATTEMPT_FAILED:
        return event->sent && event->error != ASYNC_JOB_ERROR_BACKEND_STATUS;

    default:
        return event->type == ASYNC_EVENT_CANCELED && event->sent;
    }
}


static inline void
model_settled(model_t *m, const async_event_t *event)
{
    int           type;
    async_job_t  *job;
    model_job_t  *mj;

    mj = &m->jobs[async_get_be32(event->id.bytes + 12)];
    job = &mj->job;

    if (event->type == ASYNC_EVENT_FORGOTTEN) {
        memset(mj, 0, sizeof(model_job_t));
        mj->forgotten = true;
        return;
    }

    type = model_type(event, job);

    if (type == 0) {
        return;
    }

    job->flags |= model_unknown(event)
                  || (event->type == ASYNC_EVENT_FAILED
                      && type == ASYNC_EVENT_CANCELED) ? ASYNC_JOB_SENT : 0;
    job->seq++;
    m->feed++;
    mj->number = 0;

    switch (type) {

    case ASYNC_EVENT_CANCEL_REQUESTED:
        job->flags |= ASYNC_JOB_CANCEL_WANTED;
        break;

    case ASYNC_EVENT_CANCELED:
        job->state = ASYNC_STATE_CANCELED;
        job->flags &= (uint16_t) ~ASYNC_JOB_PARKED;
        job->expires = m->f->now + 24 * 3600 * 1000ll;
        job->due = m->f->now + 30 * 24 * 3600 * 1000ll;
        job->error = ASYNC_JOB_ERROR_NONE;
        job->flags |= event->status != 0 ? ASYNC_JOB_ANSWERED : 0;
        model_ended(mj);
        break;

    case ASYNC_EVENT_RELEASED:
        job->state = ASYNC_STATE_QUEUED;
        job->attempt--;

        if (event->due > m->f->now) {
            job->flags |= ASYNC_JOB_PARKED;
            job->due = event->due;
        }

        break;

    case ASYNC_EVENT_INTERRUPTED:
        job->state = ASYNC_STATE_QUEUED;
        job->deaths++;
        break;

    case ASYNC_EVENT_ATTEMPT_FAILED:
        job->state = ASYNC_STATE_RETRYING;
        job->error = event->error;
        job->due = event->due;
        job->flags |= event->error == ASYNC_JOB_ERROR_BACKEND_STATUS
                      ? ASYNC_JOB_ANSWERED : 0;
        break;

    case ASYNC_EVENT_COMPLETED:
        job->state = ASYNC_STATE_COMPLETED;
        job->expires = m->f->now + 24 * 3600 * 1000ll;
        job->due = m->f->now + 30 * 24 * 3600 * 1000ll;
        job->result_status = event->status;
        model_ended(mj);
        break;

    case ASYNC_EVENT_FAILED:
        job->state = ASYNC_STATE_FAILED;
        job->expires = m->f->now + 7 * 24 * 3600 * 1000ll;
        job->due = m->f->now + 30 * 24 * 3600 * 1000ll;
        job->error = event->error;
        model_ended(mj);
        break;
    }
}


static inline bool
model_fence(model_t *m, const async_event_t *event)
{
    const async_job_t  *job;

    job = &m->jobs[async_get_be32(event->id.bytes + 12)].job;

    /* a client has none, and may not cancel what ended otherwise */

    if (event->type == ASYNC_EVENT_CANCEL_REQUESTED) {
        return job->state != ASYNC_STATE_COMPLETED
               && job->state != ASYNC_STATE_FAILED;
    }

    if (event->type == ASYNC_EVENT_FORGOTTEN) {
        return async_state_final(job->state);
    }

    return job->state == ASYNC_STATE_PROCESSING
           && event->epoch == job->epoch && event->epoch == m->f->epoch
           && event->attempt == job->attempt;
}


static inline unsigned
model_count(model_t *m, unsigned queue, bool running)
{
    uint8_t   state;
    unsigned  i, n;

    for (i = 0, n = 0; i < JOBS; i++) {
        if (m->jobs[i].there && m->jobs[i].job.queue.data == queues[queue]) {
            state = m->jobs[i].job.state;

            n += running ? state == ASYNC_STATE_PROCESSING
                         : state == ASYNC_STATE_QUEUED
                           || state == ASYNC_STATE_SCHEDULED
                           || state == ASYNC_STATE_RETRYING;
        }
    }

    return n;
}


/* would a go before b in their queue? */

static inline bool
model_before(const model_job_t *a, const model_job_t *b)
{
    if (a->job.priority != b->job.priority) {
        return a->job.priority > b->job.priority;
    }

    if (a->job.queued != b->job.queued) {
        return a->job.queued < b->job.queued;
    }

    if (a->number != b->number) {
        return a->number < b->number;
    }

    return memcmp(&a->job.id, &b->job.id, sizeof(async_id_t)) < 0;
}


static inline bool
model_ready(const model_job_t *mj)
{
    return mj->there && mj->job.state == ASYNC_STATE_QUEUED
           && !(mj->job.flags & ASYNC_JOB_PARKED);
}


#endif /* ASYNC_MODEL_H */
