/*
 * Progress, as backends report it: a change of the job like others, but for
 * how many there may be.  A backend may report a thousand times a second;
 * what is written is paced (async_pace.h), and of the lines of history only
 * the last is kept, for as long as the attempt runs.
 */

#include <string.h>

#include "async_pace.h"
#include "async_work.h"


/* us by which the clock may have been set back between two reports */
#define ASYNC_REPORT_CLOCK  (10 * 1000 * 1000)


static bool async_report_same(const async_event_t *event,
    const async_job_t *job);


/*
 * Reports of an attempt may come by several processes, each of which keeps
 * the last that it has: the one that came in last is the one that counts,
 * whichever is written first.
 */

async_rc_t
async_report_check(const async_work_t *work, async_event_t *event,
    const async_job_t *job, bool *news)
{
    int64_t  next;

    *news = false;

    if (async_state_final((async_state_t) job->state)) {
        return ASYNC_REFUSED;
    }

    if (job->state != ASYNC_STATE_PROCESSING
        || job->attempt != event->attempt)
    {
        return ASYNC_STALE;
    }

    if (job->reports.row != 0
        && event->received < job->reports.received
        && event->received > job->reports.received - ASYNC_REPORT_CLOCK)
    {
        return ASYNC_OK;
    }

    if (async_report_same(event, job)) {
        return ASYNC_OK;
    }

    next = async_pace_next(job->reports.pace, work->now);

    if (next > work->now) {
        event->due = next;
        return ASYNC_EARLY;
    }

    *news = true;

    return ASYNC_OK;
}


static bool
async_report_same(const async_event_t *event, const async_job_t *job)
{
    if (event->percent != ASYNC_NO_PERCENT && event->percent != job->percent)
    {
        return false;
    }

    return !event->has_message
           || (event->message.len == job->message.len
               && (event->message.len == 0
                   || memcmp(event->message.data, job->message.data,
                             event->message.len) == 0));
}


void
async_report_change(const async_event_t *event, async_job_t *job, int64_t now)
{
    if (event->percent != ASYNC_NO_PERCENT) {
        job->percent = event->percent;
    }

    if (event->has_message) {
        job->message = event->message;
    }

    job->reports.thinned += job->reports.row != 0 ? 1 : 0;
    job->reports.row = job->seq;
    job->reports.received = event->received;
    job->reports.pace = async_pace_after(job->reports.pace, now);
}


/* how far it came when it ended is told; an attempt that did not end it is
   history */

void
async_report_leave(const async_job_t *before, async_job_t *job)
{
    if (before->state != ASYNC_STATE_PROCESSING
        || job->state == ASYNC_STATE_PROCESSING)
    {
        return;
    }

    if (before->reports.row != 0) {
        job->reports.thinned++;
        job->reports.row = 0;
    }

    if (!async_state_final((async_state_t) job->state)) {
        job->percent = ASYNC_NO_PERCENT;
        memset(&job->message, 0, sizeof(async_str_t));
    }
}


void
async_report_thin(async_work_t *work, const async_job_t *before,
    const async_job_t *job)
{
    async_key_t  key;

    if (before->reports.row != 0 && before->reports.row != job->reports.row) {
        async_key_trail(&key, &job->id, before->reports.row);
        async_work_delete(work, &key);
    }
}


/*
 * A message may be half of a record.  What a job needs, to end above all,
 * goes before: the message is cut between two characters.
 */

size_t
async_report_encode(async_job_t *job, uint8_t *buf, size_t cap)
{
    size_t          len;
    const uint8_t  *p;

    len = async_job_encode(job, buf, cap);

    while (len == 0 && job->message.len > 0) {
        p = (const uint8_t *) job->message.data;
        job->message.len -= job->message.len < 64 ? job->message.len : 64;

        while (job->message.len > 0 && (p[job->message.len] & 0xc0) == 0x80) {
            job->message.len--;
        }

        len = async_job_encode(job, buf, cap);
    }

    return len;
}
