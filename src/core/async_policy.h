/*
 * What nginx.conf said, on its way to the worker through the store.
 *
 * A location's policy is immutable: its key is made from its bytes, and a
 * job keeps the one that it was accepted with.  A queue's policy has the
 * queue's name as key; the newest start of nginx wins.
 */

#ifndef ASYNC_POLICY_H
#define ASYNC_POLICY_H

#include <stdint.h>

#include "async_job.h"


#define ASYNC_POLICY_KEY  16
#define ASYNC_POLICY_MAX  256       /* bytes of an encoded policy */


typedef struct {
    uint64_t  timeout;              /* ms, one attempt */
    uint64_t  result_max;           /* bytes */
    uint64_t  retain_result;        /* ms */
    uint64_t  retain_failed;        /* ms */
    uint64_t  retain_history;       /* ms */
    uint32_t  attempts;             /* >= 1 */
    uint32_t  retry_after;          /* s, on unfinished answers */
} async_policy_t;

typedef struct {
    async_str_t  name;
    uint32_t     concurrency;
    uint32_t     max_queued;
    int64_t      loaded;            /* unix ms when that nginx read its
                                       configuration; the newest wins */
} async_queue_t;


size_t async_policy_encode(const async_policy_t *p, uint8_t *buf, size_t cap);
async_rc_t async_policy_decode(async_policy_t *p, const void *data,
    size_t len);
/* borrows name from data */
size_t async_queue_encode(const async_queue_t *q, uint8_t *buf, size_t cap);
async_rc_t async_queue_decode(async_queue_t *q, const void *data, size_t len);


#endif /* ASYNC_POLICY_H */
