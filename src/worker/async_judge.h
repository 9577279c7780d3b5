/*
 * From what was seen of a replay to what becomes of its job.  No clock, no
 * I/O: the table that decides whether a request may be sent again.
 */

#ifndef ASYNC_JUDGE_H
#define ASYNC_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "async_facts.h"
#include "async_job.h"
#include "async_policy.h"


#define ASYNC_JUDGE_DETAIL  96
#define ASYNC_JUDGE_DEATHS  3       /* attempts cut, the last is final */


/* how a replay ended, seen from this side of the socket */
typedef enum {
    ASYNC_END_COMPLETE,     /* nginx gave a whole response */
    ASYNC_END_UNREACHED,    /* no connection, or nginx never read from it */
    ASYNC_END_BROKEN,       /* cut after nginx may have had the request */
    ASYNC_END_TIMEOUT,      /* our clock: the policy's timeout */
    ASYNC_END_TOO_LARGE,    /* the response passed its limit */
    ASYNC_END_DAMAGED,      /* the stored request does not read */
    ASYNC_END_UNSTORED,     /* the response could not be written here */
    ASYNC_END_UNSENT,       /* we could not begin (memory, descriptors) */
    ASYNC_END_STOPPED,      /* we are told to stop */
    ASYNC_END_CANCELED      /* the job is to be canceled */
} async_end_t;

typedef struct {
    async_end_t    end;
    bool           sent;        /* request bytes may have been read by nginx */
    bool           repeatable;
    bool           last;        /* no attempt is left after this one */
    uint32_t       deaths;      /* attempts of the job that were cut before */
    bool           end_line;    /* the response head had Async-Replay-End */
    unsigned       status;      /* of the response head, 0 = none arrived */
    async_facts_t  facts;       /* if end_line */
    uint64_t       elapsed;     /* ms since nginx may have begun */

    const async_policy_t  *policy;
} async_outcome_t;


/* what it says about the server block's nginx */
typedef enum {
    ASYNC_NGINX_HERE,
    ASYNC_NGINX_SILENT,         /* not there */
    ASYNC_NGINX_REFUSED,        /* there, but it does not know us */
    ASYNC_NGINX_UNKNOWN
} async_nginx_t;

typedef struct {
    async_event_type_t  event;
    async_job_error_t   error;
    bool                keep;      /* the response is stored with the event */
    bool                sent;      /* the backend may have got the request */
    async_nginx_t       nginx;
    char                detail[ASYNC_JUDGE_DETAIL];    /* "" = none */
} async_verdict_t;


void async_judge(async_verdict_t *verdict, const async_outcome_t *outcome);


#endif /* ASYNC_JUDGE_H */
