#include <string.h>

#include "async_metrics.h"


typedef enum {
    ASYNC_METRICS_TAG_SUBMITS  = 1,
    ASYNC_METRICS_TAG_FINISHED = 2,
    ASYNC_METRICS_TAG_ATTEMPTS = 3,
    ASYNC_METRICS_TAG_DURATION = 4,
    ASYNC_METRICS_TAG_WAIT     = 5
} async_metrics_tag_t;


static uint64_t *async_metrics_row(async_metrics_t *metrics, uint16_t tag,
    size_t *n);
static void async_metrics_write(async_writer_t *w, uint16_t tag,
    const uint64_t *row, size_t n);
static void async_metrics_read(uint64_t *row, size_t n, async_str_t value);


static const uint64_t  async_bounds[ASYNC_BUCKETS] = {
#define X(ms)  ms,
    ASYNC_BOUNDS(X)
#undef X
    0
};


void
async_histogram_add(async_histogram_t *histogram, uint64_t ms)
{
    unsigned  i;

    for (i = 0; i < ASYNC_BUCKETS - 1 && ms > async_bounds[i]; i++) {
        /* void */
    }

    histogram->n[i]++;
    histogram->n[ASYNC_HISTOGRAM_SUM] += ms;
}


uint64_t
async_histogram_count(const async_histogram_t *histogram)
{
    unsigned  i;
    uint64_t  n;

    for (i = 0, n = 0; i < ASYNC_BUCKETS; i++) {
        n += histogram->n[i];
    }

    return n;
}


uint64_t
async_bound(unsigned bucket)
{
    return bucket < ASYNC_BUCKETS ? async_bounds[bucket] : 0;
}


const char *
async_attempt_name(unsigned result)
{
    switch (result) {

    case ASYNC_ATTEMPT_COMPLETED:
        return "completed";

    case ASYNC_ATTEMPT_INTERRUPTED:
        return "interrupted";

    case ASYNC_ATTEMPT_CANCELED:
        return "canceled";

    case ASYNC_JOB_ERROR_START_TIMEOUT:

        /* a job that was not started in time had no attempt */

        return "";

    default:
        return async_job_error_name((async_job_error_t) result);
    }
}


async_minute_t *
async_recent_at(async_recent_t *recent, int64_t now)
{
    size_t    gone;
    uint64_t  minute;

    minute = now > 0 ? (uint64_t) now / 60000 : 0;

    if (minute > recent->minute) {
        gone = minute - recent->minute < ASYNC_MINUTES
               ? (size_t) (minute - recent->minute) : ASYNC_MINUTES;

        memmove(recent->minutes + gone, recent->minutes,
                (ASYNC_MINUTES - gone) * sizeof(async_minute_t));
        memset(recent->minutes, 0, gone * sizeof(async_minute_t));

        recent->minute = minute;
    }

    return recent->minutes;
}


/* --- records --- */

static uint64_t *
async_metrics_row(async_metrics_t *metrics, uint16_t tag, size_t *n)
{
    switch (tag) {

    case ASYNC_METRICS_TAG_SUBMITS:
        *n = ASYNC_SUBMIT_ENTRIES;
        return metrics->submits;

    case ASYNC_METRICS_TAG_FINISHED:
        *n = ASYNC_STATE_MAX;
        return metrics->finished;

    case ASYNC_METRICS_TAG_ATTEMPTS:
        *n = ASYNC_ATTEMPTS;
        return metrics->attempts;

    case ASYNC_METRICS_TAG_DURATION:
        *n = ASYNC_BUCKETS + 1;
        return metrics->duration.n;

    case ASYNC_METRICS_TAG_WAIT:
        *n = ASYNC_BUCKETS + 1;
        return metrics->wait.n;

    default:
        *n = 0;
        return NULL;
    }
}


size_t
async_metrics_encode(const async_metrics_t *metrics, uint8_t *buf, size_t cap)
{
    size_t            n;
    uint16_t          tag;
    uint64_t         *row;
    async_metrics_t   copy;
    async_writer_t    w;

    copy = *metrics;

    async_writer_init(&w, buf, cap, ASYNC_RECORD_METRICS);

    for (tag = ASYNC_METRICS_TAG_SUBMITS; tag <= ASYNC_METRICS_TAG_WAIT; tag++)
    {
        row = async_metrics_row(&copy, tag, &n);
        async_metrics_write(&w, tag, row, n);
    }

    return async_writer_end(&w);
}


static void
async_metrics_write(async_writer_t *w, uint16_t tag, const uint64_t *row,
    size_t n)
{
    size_t    i;
    unsigned  shift;
    uint8_t   bytes[8 * (ASYNC_BUCKETS + 1)], *p;

    for (i = 0, p = bytes; i < n; i++) {
        for (shift = 0; shift < 64; shift += 8) {
            *p++ = (uint8_t) (row[i] >> shift);
        }
    }

    async_write_tag(w, tag, bytes, 8 * n);
}


async_rc_t
async_metrics_decode(async_metrics_t *metrics, const void *data, size_t len)
{
    size_t          n;
    uint16_t        tag;
    uint64_t       *row;
    async_str_t     value;
    async_reader_t  rd;

    memset(metrics, 0, sizeof(async_metrics_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_METRICS) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    while (async_read_tag(&rd, &tag, &value)) {
        row = async_metrics_row(metrics, tag, &n);

        if (row != NULL) {
            async_metrics_read(row, n, value);
        }
    }

    if (rd.broken) {
        memset(metrics, 0, sizeof(async_metrics_t));
        return ASYNC_CORRUPT;
    }

    return ASYNC_OK;
}


static void
async_metrics_read(uint64_t *row, size_t n, async_str_t value)
{
    size_t          i;
    unsigned        shift;
    const uint8_t  *p;

    p = (const uint8_t *) value.data;

    for (i = 0; i < n && i < value.len / 8; i++) {
        for (shift = 0, row[i] = 0; shift < 64; shift += 8) {
            row[i] |= (uint64_t) *p++ << shift;
        }
    }
}


size_t
async_recent_encode(const async_recent_t *recent, uint8_t *buf, size_t cap)
{
    size_t                 i;
    async_writer_t         w;
    const async_minute_t  *m;

    async_writer_init(&w, buf, cap, ASYNC_RECORD_RECENT);
    async_write_u64(&w, recent->minute);

    for (i = 0; i < ASYNC_MINUTES; i++) {
        m = &recent->minutes[i];

        async_write_u32(&w, m->accepted);
        async_write_u32(&w, m->completed);
        async_write_u32(&w, m->failed);
        async_write_u32(&w, m->started);
        async_write_u32(&w, m->waited);
        async_write_u32(&w, m->ran);
    }

    return async_writer_end(&w);
}


async_rc_t
async_recent_decode(async_recent_t *recent, const void *data, size_t len)
{
    size_t           i;
    async_reader_t   rd;
    async_minute_t  *m;

    memset(recent, 0, sizeof(async_recent_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_RECENT) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    recent->minute = async_read_u64(&rd);

    for (i = 0; i < ASYNC_MINUTES; i++) {
        m = &recent->minutes[i];

        m->accepted = async_read_u32(&rd);
        m->completed = async_read_u32(&rd);
        m->failed = async_read_u32(&rd);
        m->started = async_read_u32(&rd);
        m->waited = async_read_u32(&rd);
        m->ran = async_read_u32(&rd);
    }

    if (rd.broken) {
        memset(recent, 0, sizeof(async_recent_t));
        return ASYNC_CORRUPT;
    }

    return ASYNC_OK;
}
