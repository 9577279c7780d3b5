/*
 * How a job begins.
 */

#include <string.h>

#include "async_work.h"


static async_event_type_t async_submit_type(const async_event_t *event,
    int64_t now);
static bool async_submit_check(const async_job_t *job,
    const async_payload_t *payload);


uint8_t *
async_event_prepare(const async_event_t *event, int64_t now,
    async_submit_t *submit, uint8_t *buf)
{
    async_job_t         job;
    async_event_type_t  type;

    submit->len = 0;

    if (event->job == NULL || !async_submit_check(event->job,
                                                  &event->payload))
    {
        return buf;
    }

    job = *event->job;

    type = async_submit_type(event, now);

    job.state = (uint8_t) async_state_next(ASYNC_STATE_NONE, type);
    job.percent = ASYNC_NO_PERCENT;
    job.error = ASYNC_JOB_ERROR_NONE;
    job.flags &= ASYNC_JOB_REPEATABLE | ASYNC_JOB_FORGET;
    job.result_status = 0;
    job.attempt = 0;
    job.deaths = 0;
    job.epoch = 0;
    job.seq = 1;
    job.created = job.created != 0 ? job.created : now;
    job.queued = now;
    job.due = type == ASYNC_EVENT_DELAYED ? event->due : 0;
    job.started = 0;
    job.finished = 0;
    job.expires = 0;
    memset(&job.response, 0, sizeof(async_body_t));

    submit->state = job.state;
    submit->record = buf;
    submit->len = async_job_encode(&job, buf, ASYNC_JOB_MAX);

    submit->trail = buf + submit->len;
    submit->trail_len = async_event_trail(event, type, &job, now,
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


async_rc_t
async_event_submit(async_work_t *work, const async_event_t *event,
    const async_submit_t *submit)
{
    async_key_t         key;
    async_job_t         job;
    async_tally_t      *tally;
    const async_job_t  *given;

    if (submit->len == 0) {
        return ASYNC_INVALID;
    }

    given = event->job;
    tally = async_work_tally(work, given->queue);

    if (tally == NULL) {
        return work->fault;
    }

    if (tally->queued >= tally->max_queued) {
        return ASYNC_QUEUE_FULL;
    }

    if (!async_quota_allows(work->store, work->spooled,
                            submit->need + async_event_file(&given->request),
                            ASYNC_QUOTA_SUBMIT))
    {
        return ASYNC_STORE_FULL;
    }

    async_key_job(&key, &given->id);

    if (!async_work_add(work, &key, submit->record, submit->len)) {
        return ASYNC_INVALID;
    }

    /* of the record, the keys below want these alone */

    job.id = given->id;
    job.state = submit->state;
    job.flags = 0;
    job.due = event->due;
    job.priority = given->priority;
    job.seq = 1;
    job.created = given->created != 0 ? given->created : work->now;
    job.queued = work->now;
    job.queue = given->queue;

    async_event_log(work, &job, submit->trail, submit->trail_len);

    async_key_state(&key, &job);
    async_work_put(work, &key, "", 0);

    async_key_place(&key, &job, work->feed);
    async_work_put(work, &key, "", 0);

    async_work_chunks(work, &job.id, ASYNC_PAYLOAD_REQUEST,
                      event->payload.head);
    async_work_chunks(work, &job.id, ASYNC_PAYLOAD_CAPTURE,
                      event->payload.capture);
    async_work_chunks(work, &job.id, ASYNC_PAYLOAD_REQUEST_BODY,
                      event->payload.body);

    async_place_count(tally, job.state, 1);
    async_event_spooled(work, &given->request);

    work->store->quota->added += submit->need;

    return work->fault;
}
