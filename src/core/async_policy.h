/*
 * What nginx.conf said, on its way to the worker through the store.
 *
 * A location's policy is immutable: its key is made from its bytes, and a
 * job keeps the one that it was accepted with.  A queue's policy has the
 * queue's name as key; the newest start of nginx wins.
 */

#ifndef ASYNC_POLICY_H
#define ASYNC_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "async_job.h"


#define ASYNC_POLICY_KEY  16
#define ASYNC_POLICY_MAX  256       /* bytes of an encoded policy */

/* failures that are tried again, besides statuses */
#define ASYNC_RETRY_ERROR    0x01   /* no connection, no complete answer */
#define ASYNC_RETRY_TIMEOUT  0x02

/* the statuses that can be tried again: 400 to 599, a bit each */
#define ASYNC_RETRY_STATUS_MIN  400
#define ASYNC_RETRY_STATUS_MAX  599
#define ASYNC_RETRY_STATUSES                                                 \
    ((ASYNC_RETRY_STATUS_MAX - ASYNC_RETRY_STATUS_MIN + 1) / 8)

#define ASYNC_INTERVAL_MAX  (60 * UINT64_C(1000000))    /* us: one a minute */

/* what a backend's Retry-After may ask for at most */
#define ASYNC_RETRY_AFTER_MAX   (24 * 3600 * (int64_t) 1000)    /* ms */


typedef struct {
    uint64_t  timeout;              /* ms, one attempt */
    uint64_t  result_max;           /* bytes */
    uint64_t  retain_result;        /* ms */
    uint64_t  retain_failed;        /* ms */
    uint64_t  retain_history;       /* ms */
    uint32_t  attempts;             /* >= 1 */
    uint32_t  retry_after;          /* s, on unfinished answers; 0 = learned,
                                       see async_estimate.h */
    uint64_t  backoff_min;          /* ms between attempts */
    uint64_t  backoff_max;
    uint64_t  start_timeout;        /* ms from due to started */
    uint32_t  retry_on;             /* ASYNC_RETRY_* */
    uint8_t   retry_status[ASYNC_RETRY_STATUSES];
    uint64_t  location;             /* its key in its server block: whose run
                                       times they are; 0 = not known */
    bool      estimate;             /* clients are told what is learned */
} async_policy_t;

typedef struct {
    async_str_t  name;
    uint32_t     concurrency;
    uint32_t     max_queued;
    uint32_t     per_owner;         /* unfinished jobs of one owner, 0 = as
                                       many as he likes */
    int64_t      loaded;            /* unix ms when that nginx read its
                                       configuration; the newest wins */
    uint64_t     interval;          /* us from one start to the next, at the
                                       least, 0 = none */
    bool         paused;            /* when it first appears */
} async_queue_t;


/* what a location has that says nothing (contract, section 2) */
void async_policy_defaults(async_policy_t *p);

/* false if the status is none that can be tried again */
bool async_policy_set_retry(async_policy_t *p, unsigned status);
bool async_policy_retries(const async_policy_t *p, unsigned status);
/*
 * ms until the attempt after this one (1 = the first): random between
 * backoff_min and min(backoff_max, backoff_min * 2^attempt), for a random
 * number of 64 bits; or retry_after, what the backend asked for in ms, -1 =
 * nothing.
 */
int64_t async_policy_wait(const async_policy_t *p, uint32_t attempt,
    int64_t retry_after, uint64_t random);

/* it waits for its first start since it was due, and does so for too long */
bool async_policy_overdue(const async_policy_t *p, const async_job_t *job,
    int64_t now);

size_t async_policy_encode(const async_policy_t *p, uint8_t *buf, size_t cap);
async_rc_t async_policy_decode(async_policy_t *p, const void *data,
    size_t len);
/* borrows name from data */
size_t async_queue_encode(const async_queue_t *q, uint8_t *buf, size_t cap);
async_rc_t async_queue_decode(async_queue_t *q, const void *data, size_t len);


#endif /* ASYNC_POLICY_H */
