/*
 * One line of a job's history: what happened, when, by whom.
 */

#ifndef ASYNC_TRAIL_H
#define ASYNC_TRAIL_H

#include <stdint.h>

#include "async_record.h"
#include "async_state.h"


#define ASYNC_TRAIL_MAX  1024       /* bytes of an encoded line */


typedef struct {
    uint8_t      event;             /* async_event_type_t */
    uint8_t      state;             /* the state after it */
    uint8_t      error;             /* async_job_error_t; of a webhook's
                                       attempt async_hook_error_t */
    uint16_t     status;            /* backend's, or the webhook's receiver's;
                                       0 = none */
    uint32_t     attempt;
    int64_t      at;                /* unix ms */
    uint64_t     duration;          /* ms the attempt took, 0 = none */
    async_str_t  by;                /* "client", "worker", "cli:user", … */
} async_trail_t;


size_t async_trail_encode(const async_trail_t *t, uint8_t *buf, size_t cap);
/* by is borrowed from data, or there for good */
async_rc_t async_trail_decode(async_trail_t *t, const void *data, size_t len);


#endif /* ASYNC_TRAIL_H */
