/*
 * The codecs of a location's policy and of a queue's.
 *
 *   policy: offset size            queue: offset size
 *             12    8 timeout               12    4  concurrency
 *             20    8 result_max            16    4  max_queued
 *             28    8 retain_result         20    8  loaded
 *             36    8 retain_failed         28    -  tag 1, name
 *             44    8 retain_history
 *             52    4 attempts
 *             56    4 retry_after
 *             60    - no tags yet
 */

#include <string.h>

#include "async_policy.h"


#define ASYNC_QUEUE_TAG_NAME  1


size_t
async_policy_encode(const async_policy_t *p, uint8_t *buf, size_t cap)
{
    async_writer_t  w;

    if (p->attempts == 0) {
        return 0;
    }

    async_writer_init(&w, buf, cap, ASYNC_RECORD_POLICY);

    async_write_u64(&w, p->timeout);
    async_write_u64(&w, p->result_max);
    async_write_u64(&w, p->retain_result);
    async_write_u64(&w, p->retain_failed);
    async_write_u64(&w, p->retain_history);
    async_write_u32(&w, p->attempts);
    async_write_u32(&w, p->retry_after);

    return async_writer_end(&w);
}


async_rc_t
async_policy_decode(async_policy_t *p, const void *data, size_t len)
{
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    memset(p, 0, sizeof(async_policy_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_POLICY) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    p->timeout = async_read_u64(&rd);
    p->result_max = async_read_u64(&rd);
    p->retain_result = async_read_u64(&rd);
    p->retain_failed = async_read_u64(&rd);
    p->retain_history = async_read_u64(&rd);
    p->attempts = async_read_u32(&rd);
    p->retry_after = async_read_u32(&rd);

    while (async_read_tag(&rd, &tag, &value)) {
        /* of a newer version: whole, but nothing to us */
    }

    return (rd.broken || p->attempts == 0) ? ASYNC_CORRUPT : ASYNC_OK;
}


size_t
async_queue_encode(const async_queue_t *q, uint8_t *buf, size_t cap)
{
    async_writer_t  w;

    if (q->name.len == 0 || q->name.len > ASYNC_QUEUE_MAX) {
        return 0;
    }

    async_writer_init(&w, buf, cap, ASYNC_RECORD_QUEUE);

    async_write_u32(&w, q->concurrency);
    async_write_u32(&w, q->max_queued);
    async_write_u64(&w, (uint64_t) q->loaded);
    async_write_tag(&w, ASYNC_QUEUE_TAG_NAME, q->name.data, q->name.len);

    return async_writer_end(&w);
}


async_rc_t
async_queue_decode(async_queue_t *q, const void *data, size_t len)
{
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    memset(q, 0, sizeof(async_queue_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_QUEUE) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    q->concurrency = async_read_u32(&rd);
    q->max_queued = async_read_u32(&rd);
    q->loaded = (int64_t) async_read_u64(&rd);

    while (async_read_tag(&rd, &tag, &value)) {

        if (tag == ASYNC_QUEUE_TAG_NAME) {
            q->name = value;
        }
    }

    if (rd.broken || q->name.len == 0 || q->name.len > ASYNC_QUEUE_MAX) {
        return ASYNC_CORRUPT;
    }

    return ASYNC_OK;
}
