/*
 * Private to src/store: what is certainly not among the keys of a bucket.
 *
 * A new key is looked for in every bucket, the newest to the oldest, and in
 * nearly all cases in vain: each costs a way down the tree.  But rows are only
 * ever put into the newest bucket, so of an older one a process can remember
 * which hashes are in it: sorted, the first four bytes of each, since a row's
 * place is its hash.  Rows that go meanwhile do no harm, they are looked for
 * in vain.
 *
 * What is remembered is read a slice at a time, each at the begin of a
 * transaction, before anything has changed in it: then it is what is
 * committed, and a row that is there in the end was there all along.
 */

#ifndef ASYNC_SIEVE_H
#define ASYNC_SIEVE_H

#include "async_work.h"


#define ASYNC_SIEVES       64
#define ASYNC_SIEVE_SLICE  4096              /* rows read at once */
#define ASYNC_SIEVE_ALL    (4u << 20)        /* rows that are remembered, of
                                                all buckets: 16 MB */

typedef struct {
    uint64_t   bucket;
    uint64_t   above;               /* there are no rows between the two */
    uint32_t  *tags;
    uint32_t   n;
    uint32_t   room;
} async_sieve_t;

struct async_sieves_s {
    async_sieve_t  list[ASYNC_SIEVES];        /* the newest bucket first */
    unsigned       n;
    async_sieve_t  next;            /* being read; bucket 0: none */
    async_key_t    place;           /* how far */
    uint64_t       newest;          /* bucket, so far */
    uint32_t       rows;            /* of all */
    bool           full;            /* no more memory for them */
};


/* at the begin of a transaction: reads on, if there is anything to read */
void async_sieve_read(async_work_t *work);
/* a look has come from one bucket to another, and had to look there */
void async_sieve_want(async_work_t *work, uint64_t bucket, uint64_t above);
/* the next bucket with rows below this one, if it is remembered; NULL: it is
   not known which one that is */
const async_sieve_t *async_sieve_below(async_work_t *work, uint64_t bucket);
/* false: the key is not in that bucket */
bool async_sieve_may_have(const async_sieve_t *sieve,
    const uint8_t hash[ASYNC_SUBMIT_HASH]);
void async_sieve_free(async_store_t *store);


#endif /* ASYNC_SIEVE_H */
