/*
 * Private to src/store: the further keys of a job.
 *
 * A request that was coalesced into another's job may have brought an
 * idempotency key of its own, and they may be many: the record of the job has
 * room for one.  The others have a row in keys like any, and one more, by
 * job, from which the first is removed, checked, and made anew:
 *
 *   keys  bucket 8, hash 32       -> id 16, print 16
 *         0 8, id 16, hash 32     -> JOINED record: bucket u64, print 16
 *
 * No job is in bucket 0.  The record of the job stays as long as the last of
 * them was asked to live.
 */

#ifndef ASYNC_JOINED_H
#define ASYNC_JOINED_H

#include "async_db.h"


#define ASYNC_JOINED_KEY  (8 + sizeof(async_id_t) + ASYNC_SUBMIT_HASH)
#define ASYNC_JOINED_MAX  (ASYNC_RECORD_HEADER + 8 + ASYNC_SUBMIT_PRINT)

typedef struct {
    uint64_t  bucket;
    uint8_t   print[ASYNC_SUBMIT_PRINT];
} async_joined_t;

void async_key_joined(async_key_t *key, const async_id_t *id,
    const uint8_t hash[ASYNC_SUBMIT_HASH]);
/* whether it is such a key, and of which job */
bool async_key_is_joined(const void *key, size_t len, async_id_t *id);

size_t async_joined_encode(const async_joined_t *joined, uint8_t *buf,
    size_t cap);
async_rc_t async_joined_decode(async_joined_t *joined, const void *data,
    size_t len);

/*
 * A job that came to nothing, and nobody but us has heard of it; or a message
 * that failed: its keys are free again.  Its own rows are gone then; further
 * ones stay until somebody meets them, or the job is forgotten.
 */
bool async_known_given_up(const async_job_t *job);


#endif /* ASYNC_JOINED_H */
