/*
 * What an event stream is made of (WHATWG HTML, "Server-sent events"): events
 * with the job's document, and the id that a client comes back with.
 *
 * The id of an event is the number of the change in the job's history.
 */

#ifndef ASYNC_STREAM_H
#define ASYNC_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "async_json.h"


/* enough for any event */
#define ASYNC_STREAM_EVENT_MAX  (ASYNC_JSON_JOB_MAX + 128)


/* Last-Event-ID: false if it is none of ours */
bool async_stream_id(uint64_t *id, async_str_t text);

/*
 * Whether a change is told there.  What is done about a job that has ended, a
 * webhook or a retry by hand, is in its history, and no event of it.
 */
bool async_stream_tells(const async_trail_t *line);

/* what a change is called there: a state, or progress */
const char *async_stream_name(async_event_type_t event, async_state_t state);

/*
 * Appends an event to out, as async_json_job() does, with the job's document;
 * id 0: it has none.
 */
size_t async_stream_event(char *out, size_t cap, const char *name,
    uint64_t id, const async_job_t *job, const async_estimate_t *estimate);

/*
 * The job as it was when line number seq was the last of its history, as far
 * as that is known now.  Not for a final state, which is always the present.
 * Borrows from job.
 */
void async_stream_past(async_job_t *past, const async_job_t *job,
    uint64_t seq, const async_trail_t *line);


#endif /* ASYNC_STREAM_H */
