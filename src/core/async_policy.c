/*
 * The codecs of a location's policy and of a queue's.
 *
 *   policy: offset size            queue: offset size
 *             12    8 timeout               12    4  concurrency
 *             20    8 result_max            16    4  max_queued
 *             28    8 retain_result         20    8  loaded
 *             36    8 retain_failed         28    -  tags, below
 *             44    8 retain_history
 *             52    4 attempts
 *             56    4 retry_after
 *             60    - tags: 1 backoff_min u64, 2 backoff_max u64,
 *                     3 start_timeout u64, 4 retry_on u64, 5 retry_status,
 *                     6 location u64, 7 estimate u64
 *
 * A queue's tags: 1 name, 2 per_owner u64, 3 interval u64, 4 paused (empty).
 *
 * A policy of before the tags had no retries and says so by its attempts;
 * what else it lacks is the default.  Tags 6 and 7 are only written if they
 * say something else than that, so that older policies keep their keys.
 */

#include <string.h>

#include "async_policy.h"


typedef enum {
    ASYNC_POLICY_TAG_BACKOFF_MIN   = 1,
    ASYNC_POLICY_TAG_BACKOFF_MAX   = 2,
    ASYNC_POLICY_TAG_START_TIMEOUT = 3,
    ASYNC_POLICY_TAG_RETRY_ON      = 4,
    ASYNC_POLICY_TAG_RETRY_STATUS  = 5,
    ASYNC_POLICY_TAG_LOCATION      = 6,
    ASYNC_POLICY_TAG_ESTIMATE      = 7
} async_policy_tag_t;

#define ASYNC_QUEUE_TAG_NAME       1
#define ASYNC_QUEUE_TAG_PER_OWNER  2
#define ASYNC_QUEUE_TAG_INTERVAL   3
#define ASYNC_QUEUE_TAG_PAUSED     4


static bool async_policy_read_tag(async_policy_t *p, uint16_t tag,
    async_str_t value);


void
async_policy_defaults(async_policy_t *p)
{
    size_t                 i;
    static const uint16_t  statuses[] = { 408, 429, 500, 502, 503, 504 };

    memset(p, 0, sizeof(async_policy_t));

    p->timeout = 15 * 60 * 1000;
    p->result_max = 1ull << 30;
    p->retain_result = 24ull * 3600 * 1000;
    p->retain_failed = 7 * 24ull * 3600 * 1000;
    p->retain_history = 30 * 24ull * 3600 * 1000;
    p->attempts = 5;
    p->estimate = true;
    p->backoff_min = 10 * 1000;
    p->backoff_max = 2 * 60 * 1000;
    p->start_timeout = 24ull * 3600 * 1000;
    p->retry_on = ASYNC_RETRY_ERROR|ASYNC_RETRY_TIMEOUT;

    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        (void) async_policy_set_retry(p, statuses[i]);
    }
}


bool
async_policy_set_retry(async_policy_t *p, unsigned status)
{
    unsigned  n;

    if (status < ASYNC_RETRY_STATUS_MIN || status > ASYNC_RETRY_STATUS_MAX) {
        return false;
    }

    n = status - ASYNC_RETRY_STATUS_MIN;
    p->retry_status[n / 8] |= (uint8_t) (1u << n % 8);

    return true;
}


bool
async_policy_retries(const async_policy_t *p, unsigned status)
{
    unsigned  n;

    if (status < ASYNC_RETRY_STATUS_MIN || status > ASYNC_RETRY_STATUS_MAX) {
        return false;
    }

    n = status - ASYNC_RETRY_STATUS_MIN;

    return p->retry_status[n / 8] & (1u << n % 8);
}


int64_t
async_policy_wait(const async_policy_t *p, uint32_t attempt,
    int64_t retry_after, uint64_t random)
{
    uint64_t  least, most;

    least = p->backoff_min < ASYNC_RETRY_AFTER_MAX ? p->backoff_min
                                                   : ASYNC_RETRY_AFTER_MAX;

    if (retry_after >= 0) {

        if (retry_after > ASYNC_RETRY_AFTER_MAX) {
            retry_after = ASYNC_RETRY_AFTER_MAX;
        }

        return retry_after > (int64_t) least ? retry_after : (int64_t) least;
    }

    /* both are below 2^27, so that 36 doublings cannot overflow */

    most = least << (attempt < 36 ? attempt : 36);
    most = most < p->backoff_max ? most : p->backoff_max;

    if (most <= least) {
        return (int64_t) least;
    }

    return (int64_t) (least + random % (most - least + 1));
}


bool
async_policy_overdue(const async_policy_t *p, const async_job_t *job,
    int64_t now)
{
    return job->state == ASYNC_STATE_QUEUED
           && (job->started == 0 || job->started < job->queued)
           && now > job->queued
           && (uint64_t) now - (uint64_t) job->queued > p->start_timeout;
}


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

    async_write_tag_u64(&w, ASYNC_POLICY_TAG_BACKOFF_MIN, p->backoff_min);
    async_write_tag_u64(&w, ASYNC_POLICY_TAG_BACKOFF_MAX, p->backoff_max);
    async_write_tag_u64(&w, ASYNC_POLICY_TAG_START_TIMEOUT,
                        p->start_timeout);
    async_write_tag_u64(&w, ASYNC_POLICY_TAG_RETRY_ON, p->retry_on);
    async_write_tag(&w, ASYNC_POLICY_TAG_RETRY_STATUS, p->retry_status,
                    sizeof(p->retry_status));

    if (p->location != 0) {
        async_write_tag_u64(&w, ASYNC_POLICY_TAG_LOCATION, p->location);
    }

    if (!p->estimate) {
        async_write_tag_u64(&w, ASYNC_POLICY_TAG_ESTIMATE, 0);
    }

    return async_writer_end(&w);
}


async_rc_t
async_policy_decode(async_policy_t *p, const void *data, size_t len)
{
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    async_policy_defaults(p);

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

        if (!async_policy_read_tag(p, tag, value)) {
            return ASYNC_CORRUPT;
        }
    }

    return (rd.broken || p->attempts == 0) ? ASYNC_CORRUPT : ASYNC_OK;
}


static bool
async_policy_read_tag(async_policy_t *p, uint16_t tag, async_str_t value)
{
    bool      sound;
    uint64_t  n;

    switch (tag) {

    case ASYNC_POLICY_TAG_BACKOFF_MIN:
        return async_tag_u64(value, &p->backoff_min);

    case ASYNC_POLICY_TAG_BACKOFF_MAX:
        return async_tag_u64(value, &p->backoff_max);

    case ASYNC_POLICY_TAG_START_TIMEOUT:
        return async_tag_u64(value, &p->start_timeout);

    case ASYNC_POLICY_TAG_RETRY_ON:
        sound = async_tag_u64(value, &n);
        p->retry_on = sound ? (uint32_t) n : 0;
        return sound;

    case ASYNC_POLICY_TAG_RETRY_STATUS:
        sound = value.len == sizeof(p->retry_status);

        if (sound) {
            memcpy(p->retry_status, value.data, value.len);
        }

        return sound;

    case ASYNC_POLICY_TAG_LOCATION:
        return async_tag_u64(value, &p->location);

    case ASYNC_POLICY_TAG_ESTIMATE:
        sound = async_tag_u64(value, &n);
        p->estimate = sound && n != 0;
        return sound;

    default:
        return true;               /* of a newer version: nothing to us */
    }
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

    if (q->per_owner != 0) {
        async_write_tag_u64(&w, ASYNC_QUEUE_TAG_PER_OWNER, q->per_owner);
    }

    if (q->interval != 0) {
        async_write_tag_u64(&w, ASYNC_QUEUE_TAG_INTERVAL, q->interval);
    }

    if (q->paused) {
        async_write_tag(&w, ASYNC_QUEUE_TAG_PAUSED, "", 0);
    }

    return async_writer_end(&w);
}


async_rc_t
async_queue_decode(async_queue_t *q, const void *data, size_t len)
{
    uint16_t        tag;
    uint64_t        n;
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

        switch (tag) {

        case ASYNC_QUEUE_TAG_NAME:
            q->name = value;
            break;

        case ASYNC_QUEUE_TAG_PER_OWNER:
            if (!async_tag_u64(value, &n) || n > UINT32_MAX) {
                return ASYNC_CORRUPT;
            }

            q->per_owner = (uint32_t) n;
            break;

        case ASYNC_QUEUE_TAG_INTERVAL:
            if (!async_tag_u64(value, &q->interval)
                || q->interval > ASYNC_INTERVAL_MAX)
            {
                return ASYNC_CORRUPT;
            }

            break;

        case ASYNC_QUEUE_TAG_PAUSED:
            q->paused = true;
            break;

        default:
            break;                  /* of a newer version: nothing to us */
        }
    }

    if (rd.broken || q->name.len == 0 || q->name.len > ASYNC_QUEUE_MAX) {
        return ASYNC_CORRUPT;
    }

    return ASYNC_OK;
}
