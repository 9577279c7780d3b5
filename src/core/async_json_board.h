/*
 * JSON that is for operators: what a dashboard shows.  It tells more than the
 * documents of async_json.h, which are for clients; nothing of a request's
 * head or body is in it.  All of it as there: appends what fits within cap,
 * returns the length, or 0 if it was too small.
 */

#ifndef ASYNC_JSON_BOARD_H
#define ASYNC_JSON_BOARD_H

#include "async_estimate.h"
#include "async_hook.h"
#include "async_job.h"
#include "async_policy.h"
#include "async_schedule.h"


/* enough for any queue, its name escaped */
#define ASYNC_JSON_QUEUE_MAX  1024
/* enough for any schedule */
#define ASYNC_JSON_SCHEDULE_MAX  8192
/* enough for any webhook, its URL escaped */
#define ASYNC_JSON_HOOK_MAX  16384
/* enough for any job */
#define ASYNC_JSON_BOARD_JOB_MAX  32768

typedef struct {
    uint64_t  queued;
    uint64_t  running;
    bool      paused;
    uint64_t  oldest;                /* ms that it waits, 0: there is none */
    uint64_t  ended;                 /* jobs, in the last ten minutes */
    uint32_t  half;                  /* ms that half of the last ones ran at
                                        the most, 0: there were none */
    uint32_t  most;                  /* the same of 19 in 20 */
} async_board_queue_t;


size_t async_json_board_queue(char *out, size_t cap, const async_queue_t *q,
    const async_board_queue_t *figures);

/* {"job":{its document},"method":…,"uri":…, …} */
size_t async_json_board_job(char *out, size_t cap, const async_job_t *job,
    const async_estimate_t *estimate);

/* without what follows the path of its URL, which may be a secret */
size_t async_json_board_hook(char *out, size_t cap, const async_id_t *id,
    const async_hook_t *hook);

/* said NULL: it is not known any more; last: async_state_t of its last job, or
   0 */
size_t async_json_board_schedule(char *out, size_t cap,
    const async_schedule_t *said, const async_schedule_state_t *state,
    uint8_t last);


#endif /* ASYNC_JSON_BOARD_H */
