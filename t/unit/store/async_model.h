/*
 * The store as a table in memory, with rules written apart from the store's:
 * what async_model_test.c compares it with.
 */

#ifndef ASYNC_MODEL_H
#define ASYNC_MODEL_H

#include "async_fixture.h"


#define JOBS     300
#define QUEUES   3
#define SERVERS  3
#define STEPS    2500
#define BATCH    6

typedef struct {
    bool         there;
    async_job_t  job;                   /* what the record must say */
    uint64_t     number;                /* of its row in ready */
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

static inline void
model_submitted(model_t *m, const async_event_t *event)
{
    model_job_t        *mj;
    const async_job_t  *job = event->job;

    mj = &m->jobs[async_get_be32(job->id.bytes + 12)];

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
    case ASYNC_EVENT_FAILED:
        return event->type;

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

    type = model_type(event, job);

    if (type == 0) {
        return;
    }

    job->flags |= model_unknown(event) ? ASYNC_JOB_SENT : 0;
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
        break;

    case ASYNC_EVENT_COMPLETED:
        job->state = ASYNC_STATE_COMPLETED;
        job->expires = m->f->now + 24 * 3600 * 1000ll;
        job->due = m->f->now + 30 * 24 * 3600 * 1000ll;
        job->result_status = event->status;
        break;

    case ASYNC_EVENT_FAILED:
        job->state = ASYNC_STATE_FAILED;
        job->expires = m->f->now + 7 * 24 * 3600 * 1000ll;
        job->due = m->f->now + 30 * 24 * 3600 * 1000ll;
        job->error = event->error;
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
