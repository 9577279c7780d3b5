/*
 * One job: that runs, reports, is canceled, and has a history.
 */

#ifndef ASYNC_ONE_JOB_H
#define ASYNC_ONE_JOB_H

#include "async_fixture.h"


#define DAY  (24 * 3600 * 1000ll)


/* of a history: how many lines, and the last of them */
typedef struct {
    unsigned       n;
    async_trail_t  last;
    uint64_t       seq;
    char           by[32];
} lines_t;


static inline bool
lines_each(void *data, uint64_t seq, const async_trail_t *t)
{
    lines_t  *lines = data;

    lines->n++;
    lines->seq = seq;
    lines->last = *t;
    snprintf(lines->by, sizeof(lines->by), "%.*s", (int) t->by.len,
             t->by.data);

    return true;
}


static inline lines_t
lines(fixture_t *f, const async_id_t *id)
{
    lines_t  found;

    memset(&found, 0, sizeof(found));
    assert_int_equal(async_view_trail(f->view, id, 0, lines_each, &found),
                     ASYNC_OK);

    return found;
}


static inline const async_job_t *
one_running(fixture_t *f, uint16_t flags)
{
    async_job_t  job;

    job = fixture_job(1);
    job.flags = flags;

    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);

    return &f->claims[0].job;
}


static inline async_rc_t
cancel(fixture_t *f, const async_id_t *id)
{
    async_event_t  event;

    memset(&event, 0, sizeof(event));

    event.type = ASYNC_EVENT_CANCEL_REQUESTED;
    event.id = *id;
    event.by = fixture_str("client");

    return fixture_event(f, &event);
}


/* received in us, as a process that takes reports has it */

static inline async_event_t
report(const async_job_t *job, uint8_t percent, const char *message,
    int64_t received)
{
    async_event_t  event;

    memset(&event, 0, sizeof(event));

    event.type = ASYNC_EVENT_PROGRESSED;
    event.id = job->id;
    event.attempt = job->attempt;
    event.percent = percent;
    event.received = received;
    event.by = fixture_str("backend");

    if (message != NULL) {
        event.has_message = true;
        event.message = fixture_str(message);
    }

    return event;
}


static inline async_rc_t
reported(fixture_t *f, const async_job_t *job, uint8_t percent,
    const char *message)
{
    async_event_t  event;

    event = report(job, percent, message, f->now * 1000);

    return fixture_event(f, &event);
}


#endif /* ASYNC_ONE_JOB_H */
