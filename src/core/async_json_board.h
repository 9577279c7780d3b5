/*
 * JSON that is for operators: what a dashboard shows.  It tells more than the
 * documents of async_json.h, which are for clients; nothing of a request's
 * head or body is in it.  All of it as there: appends what fits within cap,
 * returns the length, or 0 if it was too small.
 */

#ifndef ASYNC_JSON_BOARD_H
#define ASYNC_JSON_BOARD_H

#include "async_estimate.h"
#include "async_job.h"
#include "async_policy.h"


/* enough for any queue, its name escaped */
#define ASYNC_JSON_QUEUE_MAX  1024
/* enough for any job */
#define ASYNC_JSON_BOARD_JOB_MAX  32768

typedef struct {
    uint64_t  queued;
    uint64_t  running;
    bool      paused;
} async_board_queue_t;


size_t async_json_board_queue(char *out, size_t cap, const async_queue_t *q,
    const async_board_queue_t *figures);

/* {"job":{its document},"method":…,"uri":…, …} */
size_t async_json_board_job(char *out, size_t cap, const async_job_t *job,
    const async_estimate_t *estimate);


#endif /* ASYNC_JSON_BOARD_H */
