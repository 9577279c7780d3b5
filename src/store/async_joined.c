#include <string.h>

#include "async_joined.h"
#include "async_work.h"


/* of the map, on the safe side: two rows, and a larger record */
#define ASYNC_JOINED_NEED  512


static void async_joined_put(async_work_t *work, async_job_t *job,
    const async_submit_key_t *from);
static void async_joined_remove(async_work_t *work, const async_id_t *id,
    const async_key_t *row);


/* --- a row --- */

void
async_key_joined(async_key_t *key, const async_id_t *id,
    const uint8_t hash[ASYNC_SUBMIT_HASH])
{
    key->db = ASYNC_DB_KNOWN;
    key->len = ASYNC_JOINED_KEY;

    async_put_be64(key->bytes, 0);
    memcpy(key->bytes + 8, id, sizeof(async_id_t));
    memcpy(key->bytes + 8 + sizeof(async_id_t), hash, ASYNC_SUBMIT_HASH);
}


bool
async_key_is_joined(const void *key, size_t len, async_id_t *id)
{
    if (len != ASYNC_JOINED_KEY || async_get_be64(key) != 0) {
        return false;
    }

    memcpy(id, (const uint8_t *) key + 8, sizeof(async_id_t));

    return true;
}


size_t
async_joined_encode(const async_joined_t *joined, uint8_t *buf, size_t cap)
{
    async_writer_t  w;

    async_writer_init(&w, buf, cap, ASYNC_RECORD_JOINED);
    async_write_u64(&w, joined->bucket);
    async_write_raw(&w, joined->print, ASYNC_SUBMIT_PRINT);

    return async_writer_end(&w);
}


async_rc_t
async_joined_decode(async_joined_t *joined, const void *data, size_t len)
{
    async_str_t     print;
    async_reader_t  rd;

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_JOINED) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    joined->bucket = async_read_u64(&rd);
    print = async_read_raw(&rd, ASYNC_SUBMIT_PRINT);

    if (rd.broken || joined->bucket == 0) {
        return ASYNC_CORRUPT;
    }

    memcpy(joined->print, print.data, ASYNC_SUBMIT_PRINT);

    return ASYNC_OK;
}


/* --- in a transaction --- */

async_rc_t
async_joined_bind(async_work_t *work, const async_id_t *id,
    const async_submit_key_t *from)
{
    size_t       len;
    uint8_t      buf[ASYNC_JOB_MAX], record[ASYNC_JOB_MAX];
    int64_t      expires;
    async_rc_t   rc;
    async_job_t  job;
    async_key_t  key;

    /* to be found again is a promise, and takes room */

    if (!async_quota_allows(work->store, work->spooled, ASYNC_JOINED_NEED,
                            ASYNC_QUOTA_SUBMIT))
    {
        return ASYNC_STORE_FULL;
    }

    rc = async_work_job(work, id, &job, buf);

    if (rc != ASYNC_OK) {
        return rc;
    }

    expires = from->ttl < (uint64_t) (INT64_MAX - work->now)
              ? work->now + (int64_t) from->ttl : INT64_MAX;

    if (job.idempotency.used) {
        async_joined_row(work, id, from->hash, from->print);

        if (job.idempotency.expires < expires) {
            job.idempotency.expires = expires;
        }

    } else {
        job.idempotency.expires = expires;
        async_joined_put(work, &job, from);
    }

    len = async_job_encode(&job, record, sizeof(record));

    if (len == 0) {
        return ASYNC_INVALID;
    }

    async_key_job(&key, id);
    async_work_put(work, &key, record, len);

    work->store->quota->added += ASYNC_JOINED_NEED;

    return work->fault;
}


/* the record has room for it; an older bucket must not get a row any more */

static void
async_joined_put(async_work_t *work, async_job_t *job,
    const async_submit_key_t *from)
{
    async_known_drop(work, job);

    job->bucket = async_known_bucket(work);
    job->idempotency.used = true;
    memcpy(job->idempotency.hash, from->hash, ASYNC_SUBMIT_HASH);
    memcpy(job->idempotency.print, from->print, ASYNC_SUBMIT_PRINT);

    async_known_put(work, job);
}


void
async_joined_row(async_work_t *work, const async_id_t *id,
    const uint8_t hash[ASYNC_SUBMIT_HASH],
    const uint8_t print[ASYNC_SUBMIT_PRINT])
{
    uint8_t         buf[ASYNC_JOINED_MAX], value[ASYNC_KNOWN_ROW];
    async_key_t     key;
    async_joined_t  joined;

    joined.bucket = async_known_bucket(work);
    memcpy(joined.print, print, ASYNC_SUBMIT_PRINT);

    memcpy(value, id, sizeof(async_id_t));
    memcpy(value + sizeof(async_id_t), print, ASYNC_SUBMIT_PRINT);

    async_key_known(&key, joined.bucket, hash);
    async_work_put(work, &key, value, sizeof(value));

    async_key_joined(&key, id, hash);
    async_work_put(work, &key, buf,
                   async_joined_encode(&joined, buf, sizeof(buf)));
}


unsigned
async_joined_drop(async_work_t *work, const async_id_t *id, unsigned max)
{
    MDB_val      row;
    unsigned     n;
    async_id_t   of;
    async_key_t  first, key;

    static const uint8_t  least[ASYNC_SUBMIT_HASH];

    async_key_joined(&first, id, least);

    for (n = 0; n < max && async_work_seek(work, &first, &row); n++) {

        if (!async_key_is_joined(row.mv_data, row.mv_size, &of)
            || memcmp(&of, id, sizeof(async_id_t)) != 0)
        {
            break;
        }

        key.db = ASYNC_DB_KNOWN;
        key.len = row.mv_size;
        memcpy(key.bytes, row.mv_data, row.mv_size);

        async_joined_remove(work, id, &key);
    }

    return n;
}


/* a key that was free again may be another job's by now, in the same bucket */

static void
async_joined_remove(async_work_t *work, const async_id_t *id,
    const async_key_t *row)
{
    MDB_val         v;
    async_key_t     key;
    async_joined_t  joined;

    if (async_work_get(work, row, &v) == ASYNC_OK
        && async_joined_decode(&joined, v.mv_data, v.mv_size) == ASYNC_OK)
    {
        async_key_known(&key, joined.bucket,
                        row->bytes + 8 + sizeof(async_id_t));

        if (async_work_get(work, &key, &v) == ASYNC_OK
            && v.mv_size == ASYNC_KNOWN_ROW
            && memcmp(v.mv_data, id, sizeof(async_id_t)) == 0)
        {
            async_work_delete(work, &key);
        }
    }

    async_work_delete(work, row);
}
