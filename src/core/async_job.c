/*
 * The codec of the job record.  Its bytes, one real record decoded, are in
 * t/unit/core/async_job_test.c.
 *
 *   offset size                       offset size
 *       12    1  state                    88    8  expires
 *       13    1  priority                 96    8  server
 *       14    1  percent                 104   16  policy
 *       15    1  error                   120   13  request body: u8 where,
 *       16    2  flags                              u64 length, u32 crc32c
 *       18    2  result status           133   13  response body
 *       20    4  attempt                 146    -  tags, numbers rising
 *       24    4  attempts at most
 *       28    4  deaths
 *       32    8  epoch
 *       40    8  seq
 *       48    8  created
 *       56    8  queued
 *       64    8  due
 *       72    8  started
 *       80    8  finished
 *
 * A seal's tag: key id 8, salt 16, u32 crc32c of the head, u32 of the capture.
 * An idempotency key's: hash 32, print 16, u64 expires.
 * A retry's: id of the job that it repeats 16, and if the request's seal was
 * moved, the id that it was made for 16.  That of reports: u64 thinned, row,
 * received, pace.
 */

#include <string.h>

#include "async_job.h"


#define ASYNC_JOB_SEAL  (ASYNC_KEY_ID + ASYNC_SALT + 2 * 4)
#define ASYNC_JOB_KEY   (ASYNC_SUBMIT_HASH + ASYNC_SUBMIT_PRINT + 8)
#define ASYNC_JOB_REPORTS  (4 * 8)

/* numbers are never used again; one above the last is of a newer version */

typedef enum {
    ASYNC_JOB_TAG_QUEUE         = 1,
    ASYNC_JOB_TAG_STATUS_PREFIX = 2,
    ASYNC_JOB_TAG_METHOD        = 3,
    ASYNC_JOB_TAG_URI           = 4,
    ASYNC_JOB_TAG_MESSAGE       = 5,
    ASYNC_JOB_TAG_RESOURCE      = 6,
    ASYNC_JOB_TAG_DETAIL        = 7,
    ASYNC_JOB_TAG_REQUEST_SEAL  = 8,
    ASYNC_JOB_TAG_RESPONSE_SEAL = 9,
    ASYNC_JOB_TAG_OWNER         = 10,
    ASYNC_JOB_TAG_DIALECT       = 11,   /* a byte; absent: native */
    ASYNC_JOB_TAG_BUCKET        = 12,
    ASYNC_JOB_TAG_IDEMPOTENCY   = 13,
    ASYNC_JOB_TAG_COALESCE      = 14,
    ASYNC_JOB_TAG_HOOKS         = 15,   /* u64 */
    ASYNC_JOB_TAG_REPORTS       = 18,
    ASYNC_JOB_TAG_RETRY_OF      = 20,
    ASYNC_JOB_TAG_RETRIED_AS    = 21,
    ASYNC_JOB_TAG_SCHEDULE      = 22,
    ASYNC_JOB_TAG_LAST          = 22
} async_job_tag_t;


static bool async_job_valid(const async_job_t *job);
static void async_job_write_head(async_writer_t *w, const async_job_t *job);
static void async_job_write_tag(async_writer_t *w, async_job_tag_t tag,
    async_str_t s);
static void async_job_write_body(async_writer_t *w, const async_body_t *body);
static void async_job_write_seal(async_writer_t *w, async_job_tag_t tag,
    const async_seal_t *seal);
static void async_job_write_keys(async_writer_t *w, const async_job_t *job);
static void async_job_write_reports(async_writer_t *w,
    const async_job_reports_t *reports);
static void async_job_write_retries(async_writer_t *w,
    const async_job_t *job);
static void async_job_read_head(async_reader_t *rd, async_job_t *job);
static void async_job_read_body(async_reader_t *rd, async_body_t *body);
static bool async_job_read_tags(async_reader_t *rd, async_job_t *job);
static async_str_t *async_job_tag(async_job_t *job, uint16_t tag);
static async_seal_t *async_job_seal(async_job_t *job, uint16_t tag);
static bool async_job_read_seal(async_seal_t *seal, async_str_t value);
static bool async_job_read_dialect(async_job_t *job, async_str_t value);
static bool async_job_read_keys(async_job_t *job, uint16_t tag,
    async_str_t value);
static bool async_job_read_reports(async_job_reports_t *reports,
    async_str_t value);
static uint64_t async_job_u64(const uint8_t *p);
static bool async_job_read_retries(async_job_t *job, uint16_t tag,
    async_str_t value);


static const char *const  async_job_error_names[ASYNC_JOB_ERROR_MAX] = {
    [ASYNC_JOB_ERROR_NONE] = "",
#define X(number, symbol, name)  [number] = name,
    ASYNC_JOB_ERRORS(X)
#undef X
};


size_t
async_job_encode(const async_job_t *job, uint8_t *buf, size_t cap)
{
    async_writer_t  w;

    if (!async_job_valid(job)) {
        /* a record that nobody could read again must not be written */
        return 0;
    }

    async_writer_init(&w, buf, cap, ASYNC_RECORD_JOB);

    async_job_write_head(&w, job);

    async_job_write_tag(&w, ASYNC_JOB_TAG_QUEUE, job->queue);
    async_job_write_tag(&w, ASYNC_JOB_TAG_STATUS_PREFIX, job->status_prefix);
    async_job_write_tag(&w, ASYNC_JOB_TAG_METHOD, job->method);
    async_job_write_tag(&w, ASYNC_JOB_TAG_URI, job->uri);
    async_job_write_tag(&w, ASYNC_JOB_TAG_MESSAGE, job->message);
    async_job_write_tag(&w, ASYNC_JOB_TAG_RESOURCE, job->resource);
    async_job_write_tag(&w, ASYNC_JOB_TAG_DETAIL, job->detail);
    async_job_write_seal(&w, ASYNC_JOB_TAG_REQUEST_SEAL, &job->request.seal);
    async_job_write_seal(&w, ASYNC_JOB_TAG_RESPONSE_SEAL,
                         &job->response.seal);
    async_job_write_tag(&w, ASYNC_JOB_TAG_OWNER, job->owner);

    if (job->dialect != ASYNC_DIALECT_NATIVE) {
        async_write_tag(&w, ASYNC_JOB_TAG_DIALECT, &job->dialect, 1);
    }

    async_job_write_keys(&w, job);

    if (job->hooks != 0) {
        async_write_tag_u64(&w, ASYNC_JOB_TAG_HOOKS, job->hooks);
    }

    async_job_write_reports(&w, &job->reports);
    async_job_write_retries(&w, job);
    async_job_write_tag(&w, ASYNC_JOB_TAG_SCHEDULE, job->schedule);

    async_write_raw(&w, job->unknown.data, job->unknown.len);

    return async_writer_end(&w);
}


/*
 * What encode and decode both insist on.  Flags and errors may be of a newer
 * version, which adds to them without raising the version of the record.
 */

static bool
async_job_valid(const async_job_t *job)
{
    return job->state > ASYNC_STATE_NONE
           && job->state < ASYNC_STATE_MAX
           && job->priority <= 9
           && (job->percent <= 100 || job->percent == ASYNC_NO_PERCENT)
           && job->request.where <= ASYNC_BODY_SPOOL
           && job->response.where <= ASYNC_BODY_SPOOL
           && job->queue.len >= 1
           && job->queue.len <= ASYNC_QUEUE_MAX
           && job->queue.data[0] != '\0'
           && (job->owner.len == 0 || job->owner.len == ASYNC_OWNER);
}


static void
async_job_write_head(async_writer_t *w, const async_job_t *job)
{
    async_write_u8(w, job->state);
    async_write_u8(w, job->priority);
    async_write_u8(w, job->percent);
    async_write_u8(w, job->error);
    async_write_u16(w, job->flags);
    async_write_u16(w, job->result_status);
    async_write_u32(w, job->attempt);
    async_write_u32(w, job->attempts_max);
    async_write_u32(w, job->deaths);
    async_write_u64(w, job->epoch);
    async_write_u64(w, job->seq);
    async_write_u64(w, (uint64_t) job->created);
    async_write_u64(w, (uint64_t) job->queued);
    async_write_u64(w, (uint64_t) job->due);
    async_write_u64(w, (uint64_t) job->started);
    async_write_u64(w, (uint64_t) job->finished);
    async_write_u64(w, (uint64_t) job->expires);
    async_write_u64(w, job->server);
    async_write_raw(w, job->policy, sizeof(job->policy));
    async_job_write_body(w, &job->request);
    async_job_write_body(w, &job->response);
}


static void
async_job_write_body(async_writer_t *w, const async_body_t *body)
{
    async_write_u8(w, body->where);
    async_write_u64(w, body->len);
    async_write_u32(w, body->crc);
}


static void
async_job_write_tag(async_writer_t *w, async_job_tag_t tag, async_str_t s)
{
    if (s.len != 0) {
        async_write_tag(w, (uint16_t) tag, s.data, s.len);
    }
}


static void
async_job_write_seal(async_writer_t *w, async_job_tag_t tag,
    const async_seal_t *seal)
{
    unsigned  i;
    uint8_t   bytes[ASYNC_JOB_SEAL], *p;

    if (!seal->used) {
        return;
    }

    memcpy(bytes, seal->key, ASYNC_KEY_ID);
    memcpy(bytes + ASYNC_KEY_ID, seal->salt, ASYNC_SALT);

    p = bytes + ASYNC_KEY_ID + ASYNC_SALT;

    for (i = 0; i < 4; i++) {
        p[i] = (uint8_t) (seal->head_crc >> 8 * i);
        p[4 + i] = (uint8_t) (seal->capture_crc >> 8 * i);
    }

    async_write_tag(w, (uint16_t) tag, bytes, sizeof(bytes));
}


static void
async_job_write_keys(async_writer_t *w, const async_job_t *job)
{
    unsigned  i;
    uint8_t   bytes[ASYNC_JOB_KEY], *p;

    if (job->bucket != 0) {
        async_write_tag_u64(w, ASYNC_JOB_TAG_BUCKET, job->bucket);
    }

    if (job->idempotency.used) {
        p = bytes + ASYNC_SUBMIT_HASH + ASYNC_SUBMIT_PRINT;

        memcpy(bytes, job->idempotency.hash, ASYNC_SUBMIT_HASH);
        memcpy(bytes + ASYNC_SUBMIT_HASH, job->idempotency.print,
               ASYNC_SUBMIT_PRINT);

        for (i = 0; i < 8; i++) {
            p[i] = (uint8_t) ((uint64_t) job->idempotency.expires >> 8 * i);
        }

        async_write_tag(w, ASYNC_JOB_TAG_IDEMPOTENCY, bytes, sizeof(bytes));
    }

    if (job->coalesce.used) {
        async_write_tag(w, ASYNC_JOB_TAG_COALESCE, job->coalesce.hash,
                        ASYNC_SUBMIT_HASH);
    }
}


static void
async_job_write_reports(async_writer_t *w, const async_job_reports_t *reports)
{
    unsigned  i, shift;
    uint8_t   bytes[ASYNC_JOB_REPORTS], *p;
    uint64_t  n[4];

    if (reports->thinned == 0 && reports->row == 0) {
        return;
    }

    n[0] = reports->thinned;
    n[1] = reports->row;
    n[2] = (uint64_t) reports->received;
    n[3] = (uint64_t) reports->pace;

    for (i = 0, p = bytes; i < 4; i++) {
        for (shift = 0; shift < 64; shift += 8) {
            *p++ = (uint8_t) (n[i] >> shift);
        }
    }

    async_write_tag(w, ASYNC_JOB_TAG_REPORTS, bytes, sizeof(bytes));
}


static void
async_job_write_retries(async_writer_t *w, const async_job_t *job)
{
    uint8_t  bytes[2 * sizeof(async_id_t)];

    if (async_job_has(&job->retry_of)) {
        memcpy(bytes, &job->retry_of, sizeof(async_id_t));
        memcpy(bytes + sizeof(async_id_t), &job->request.seal.of,
               sizeof(async_id_t));

        async_write_tag(w, ASYNC_JOB_TAG_RETRY_OF, bytes,
                        job->request.seal.moved ? sizeof(bytes)
                                                : sizeof(async_id_t));
    }

    if (async_job_has(&job->retried_as)) {
        async_write_tag(w, ASYNC_JOB_TAG_RETRIED_AS, &job->retried_as,
                        sizeof(async_id_t));
    }
}


async_rc_t
async_job_decode(async_job_t *job, const async_id_t *id, const void *data,
    size_t len)
{
    async_reader_t  rd;

    memset(job, 0, sizeof(async_job_t));
    job->id = *id;

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_JOB) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    async_job_read_head(&rd, job);

    if (!async_job_read_tags(&rd, job) || !async_job_valid(job)) {
        return ASYNC_CORRUPT;
    }

    return ASYNC_OK;
}


static void
async_job_read_head(async_reader_t *rd, async_job_t *job)
{
    async_str_t  policy;

    job->state = async_read_u8(rd);
    job->priority = async_read_u8(rd);
    job->percent = async_read_u8(rd);
    job->error = async_read_u8(rd);
    job->flags = async_read_u16(rd);
    job->result_status = async_read_u16(rd);
    job->attempt = async_read_u32(rd);
    job->attempts_max = async_read_u32(rd);
    job->deaths = async_read_u32(rd);
    job->epoch = async_read_u64(rd);
    job->seq = async_read_u64(rd);
    job->created = (int64_t) async_read_u64(rd);
    job->queued = (int64_t) async_read_u64(rd);
    job->due = (int64_t) async_read_u64(rd);
    job->started = (int64_t) async_read_u64(rd);
    job->finished = (int64_t) async_read_u64(rd);
    job->expires = (int64_t) async_read_u64(rd);
    job->server = async_read_u64(rd);

    policy = async_read_raw(rd, sizeof(job->policy));

    if (policy.len == sizeof(job->policy)) {
        memcpy(job->policy, policy.data, sizeof(job->policy));
    }

    async_job_read_body(rd, &job->request);
    async_job_read_body(rd, &job->response);
}


static void
async_job_read_body(async_reader_t *rd, async_body_t *body)
{
    body->where = async_read_u8(rd);
    body->len = async_read_u64(rd);
    body->crc = async_read_u32(rd);
}


/*
 * Numbers rise, so what is unknown is one piece at the end and can be
 * borrowed and written back as it is.  Known ones stand at most once.  A
 * number below the last that has no field was retired: it is left out.
 */

static bool
async_job_read_tags(async_reader_t *rd, async_job_t *job)
{
    uint16_t       tag, last;
    const char    *start;
    async_str_t    value, *field;
    async_seal_t  *seal;

    last = 0;
    start = (const char *) rd->pos;

    while (async_read_tag(rd, &tag, &value)) {

        if (tag < last || (tag == last && tag <= ASYNC_JOB_TAG_LAST)) {
            return false;
        }

        if (tag <= ASYNC_JOB_TAG_LAST) {
            field = async_job_tag(job, tag);
            seal = async_job_seal(job, tag);

            if (field != NULL) {
                *field = value;
            }

            if ((seal != NULL && !async_job_read_seal(seal, value))
                || !async_job_read_keys(job, tag, value)
                || !async_job_read_retries(job, tag, value))
            {
                return false;
            }

            if ((tag == ASYNC_JOB_TAG_DIALECT
                 && !async_job_read_dialect(job, value))
                || (tag == ASYNC_JOB_TAG_REPORTS
                    && !async_job_read_reports(&job->reports, value)))
            {
                return false;
            }

            start = (const char *) rd->pos;
        }

        last = tag;
    }

    job->unknown.data = start;
    job->unknown.len = (size_t) ((const char *) rd->end - start);

    return !rd->broken;
}


static async_str_t *
async_job_tag(async_job_t *job, uint16_t tag)
{
    switch (tag) {

    case ASYNC_JOB_TAG_QUEUE:
        return &job->queue;

    case ASYNC_JOB_TAG_STATUS_PREFIX:
        return &job->status_prefix;

    case ASYNC_JOB_TAG_METHOD:
        return &job->method;

    case ASYNC_JOB_TAG_URI:
        return &job->uri;

    case ASYNC_JOB_TAG_MESSAGE:
        return &job->message;

    case ASYNC_JOB_TAG_RESOURCE:
        return &job->resource;

    case ASYNC_JOB_TAG_DETAIL:
        return &job->detail;

    case ASYNC_JOB_TAG_OWNER:
        return &job->owner;

    case ASYNC_JOB_TAG_SCHEDULE:
        return &job->schedule;

    default:
        return NULL;
    }
}


static async_seal_t *
async_job_seal(async_job_t *job, uint16_t tag)
{
    switch (tag) {

    case ASYNC_JOB_TAG_REQUEST_SEAL:
        return &job->request.seal;

    case ASYNC_JOB_TAG_RESPONSE_SEAL:
        return &job->response.seal;

    default:
        return NULL;
    }
}


static bool
async_job_read_seal(async_seal_t *seal, async_str_t value)
{
    unsigned        i;
    const uint8_t  *p;

    if (value.len != ASYNC_JOB_SEAL) {
        return false;
    }

    p = (const uint8_t *) value.data;

    seal->used = true;

    memcpy(seal->key, p, ASYNC_KEY_ID);
    memcpy(seal->salt, p + ASYNC_KEY_ID, ASYNC_SALT);

    p += ASYNC_KEY_ID + ASYNC_SALT;

    for (i = 0; i < 4; i++) {
        seal->head_crc |= (uint32_t) p[i] << 8 * i;
        seal->capture_crc |= (uint32_t) p[4 + i] << 8 * i;
    }

    return true;
}


static bool
async_job_read_dialect(async_job_t *job, async_str_t value)
{
    if (value.len != 1 || value.data[0] == ASYNC_DIALECT_NATIVE) {
        return false;
    }

    job->dialect = (uint8_t) value.data[0];

    return true;
}


/* true also for a tag of something else */

static bool
async_job_read_keys(async_job_t *job, uint16_t tag, async_str_t value)
{
    uint64_t        n;
    const uint8_t  *p;

    p = (const uint8_t *) value.data;

    switch (tag) {

    case ASYNC_JOB_TAG_BUCKET:
        return async_tag_u64(value, &job->bucket);

    case ASYNC_JOB_TAG_HOOKS:
        job->hooks = 1;
        return async_tag_u64(value, &n) && n == 1;

    case ASYNC_JOB_TAG_IDEMPOTENCY:
        if (value.len != ASYNC_JOB_KEY) {
            return false;
        }

        job->idempotency.used = true;
        memcpy(job->idempotency.hash, p, ASYNC_SUBMIT_HASH);
        memcpy(job->idempotency.print, p + ASYNC_SUBMIT_HASH,
               ASYNC_SUBMIT_PRINT);

        p += ASYNC_SUBMIT_HASH + ASYNC_SUBMIT_PRINT;

        job->idempotency.expires = (int64_t) async_job_u64(p);
        return true;

    case ASYNC_JOB_TAG_COALESCE:
        if (value.len != ASYNC_SUBMIT_HASH) {
            return false;
        }

        job->coalesce.used = true;
        memcpy(job->coalesce.hash, p, ASYNC_SUBMIT_HASH);
        return true;

    default:
        return true;
    }
}


/* true also for a tag of something else */

static bool
async_job_read_retries(async_job_t *job, uint16_t tag, async_str_t value)
{
    async_id_t  *id;

    switch (tag) {

    case ASYNC_JOB_TAG_RETRY_OF:
        id = &job->retry_of;

        if (value.len == 2 * sizeof(async_id_t)) {
            job->request.seal.moved = true;
            value.len -= sizeof(async_id_t);
            memcpy(&job->request.seal.of, value.data + value.len,
                   sizeof(async_id_t));
        }

        break;

    case ASYNC_JOB_TAG_RETRIED_AS:
        id = &job->retried_as;
        break;

    default:
        return true;
    }

    if (value.len != sizeof(async_id_t)
        || !async_id_valid((const uint8_t *) value.data))
    {
        return false;
    }

    memcpy(id, value.data, sizeof(async_id_t));

    return true;
}


static bool
async_job_read_reports(async_job_reports_t *reports, async_str_t value)
{
    const uint8_t  *p;

    if (value.len != ASYNC_JOB_REPORTS) {
        return false;
    }

    p = (const uint8_t *) value.data;

    reports->thinned = async_job_u64(p);
    reports->row = async_job_u64(p + 8);
    reports->received = (int64_t) async_job_u64(p + 16);
    reports->pace = (int64_t) async_job_u64(p + 24);

    return reports->thinned != 0 || reports->row != 0;
}


static uint64_t
async_job_u64(const uint8_t *p)
{
    unsigned  i;
    uint64_t  v;

    for (i = 0, v = 0; i < 8; i++) {
        v |= (uint64_t) p[i] << 8 * i;
    }

    return v;
}


bool
async_job_keeps_request(const async_job_t *job)
{
    return job->state != ASYNC_STATE_COMPLETED
           && job->state != ASYNC_STATE_CANCELED
           && !(job->flags & ASYNC_JOB_SWEPT);
}


bool
async_job_retryable(const async_job_t *job)
{
    return job->state == ASYNC_STATE_FAILED && async_job_keeps_request(job);
}


bool
async_job_has(const async_id_t *id)
{
    static const async_id_t  none;

    return memcmp(id, &none, sizeof(async_id_t)) != 0;
}


const char *
async_job_error_name(async_job_error_t error)
{
    return ((unsigned) error < ASYNC_JOB_ERROR_MAX)
           ? async_job_error_names[error] : "";
}
