/*
 * What nginx.conf said.  Every start of every nginx worker comes by here, so
 * the common case, that all of it is known, only reads.
 */

#include <openssl/sha.h>
#include <string.h>

#include "async_work.h"


typedef struct {
    const async_policy_t  *policies;
    unsigned               npolicies;
    const async_queue_t   *queues;
    unsigned               nqueues;
    bool                   known;
} async_publish_said_t;


static bool async_publish_valid(const async_policy_t *policies,
    unsigned npolicies, const async_queue_t *queues, unsigned nqueues);
static async_rc_t async_publish_look(async_store_t *store, MDB_txn *txn,
    void *data);
static async_rc_t async_publish_write(async_store_t *store, void *data,
    async_error_t *err);
static void async_publish_policy(async_work_t *work,
    const async_policy_t *policy);
static void async_publish_queue(async_work_t *work,
    const async_queue_t *queue);
static bool async_publish_known(async_store_t *store, MDB_txn *txn,
    const async_publish_said_t *said);
static bool async_queue_known(const async_queue_t *queue,
    const MDB_val *stored);


void
async_policy_key(uint8_t key[ASYNC_POLICY_KEY], const async_policy_t *policy)
{
    size_t   len;
    uint8_t  buf[ASYNC_POLICY_MAX], digest[SHA256_DIGEST_LENGTH];

    len = async_policy_encode(policy, buf, sizeof(buf));

    (void) SHA256(buf, len, digest);
    memcpy(key, digest, ASYNC_POLICY_KEY);
}


async_rc_t
async_store_publish(async_store_t *store, const async_policy_t *policies,
    unsigned npolicies, const async_queue_t *queues, unsigned nqueues,
    async_error_t *err)
{
    async_rc_t            rc;
    async_publish_said_t  said;

    if (!async_publish_valid(policies, npolicies, queues, nqueues)) {
        async_error_set(err, "a policy or the name of a queue is not valid");
        return ASYNC_INVALID;
    }

    said.policies = policies;
    said.npolicies = npolicies;
    said.queues = queues;
    said.nqueues = nqueues;

    rc = async_db_look(store, async_publish_look, &said, err);

    if (rc != ASYNC_OK || said.known) {
        return rc;
    }

    return async_scribe_run(store, async_publish_write, &said, err);
}


static async_rc_t
async_publish_look(async_store_t *store, MDB_txn *txn, void *data)
{
    async_publish_said_t  *said = data;

    said->known = async_publish_known(store, txn, said);

    return ASYNC_OK;
}


/* scribe */

static async_rc_t
async_publish_write(async_store_t *store, void *data, async_error_t *err)
{
    unsigned               i;
    async_rc_t             rc;
    async_work_t           work;
    async_publish_said_t  *said = data;

    rc = async_work_begin(&work, store, 0, ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    for (i = 0; i < said->npolicies; i++) {
        async_publish_policy(&work, &said->policies[i]);
    }

    for (i = 0; i < said->nqueues; i++) {
        async_publish_queue(&work, &said->queues[i]);
    }

    return async_work_commit(&work, err);
}


static bool
async_publish_valid(const async_policy_t *policies, unsigned npolicies,
    const async_queue_t *queues, unsigned nqueues)
{
    uint8_t   buf[ASYNC_POLICY_MAX];
    unsigned  i;

    for (i = 0; i < npolicies; i++) {
        if (async_policy_encode(&policies[i], buf, sizeof(buf)) == 0) {
            return false;
        }
    }

    for (i = 0; i < nqueues; i++) {
        if (queues[i].name.len == 0 || queues[i].name.len > ASYNC_QUEUE_MAX
            || async_queue_encode(&queues[i], buf, sizeof(buf)) == 0)
        {
            return false;
        }
    }

    return true;
}


static void
async_publish_policy(async_work_t *work, const async_policy_t *policy)
{
    uint8_t      buf[ASYNC_POLICY_MAX], digest[ASYNC_POLICY_KEY];
    async_key_t  key;

    async_policy_key(digest, policy);
    async_key_policy(&key, digest);

    async_work_put(work, &key, buf,
                   async_policy_encode(policy, buf, sizeof(buf)));
}


/* looked at once more: another may have come between */

static void
async_publish_queue(async_work_t *work, const async_queue_t *queue)
{
    MDB_val      v;
    uint8_t      buf[ASYNC_POLICY_MAX];
    async_key_t  key;

    async_key_queue(&key, queue->name);

    switch (async_work_get(work, &key, &v)) {

    case ASYNC_OK:
        if (async_queue_known(queue, &v)) {
            return;
        }

        break;

    case ASYNC_NOT_FOUND:
        async_gate_first(work, queue);
        break;

    default:
        return;
    }

    async_work_put(work, &key, buf,
                   async_queue_encode(queue, buf, sizeof(buf)));
}


static bool
async_publish_known(async_store_t *store, MDB_txn *txn,
    const async_publish_said_t *said)
{
    MDB_val         v;
    uint8_t         digest[ASYNC_POLICY_KEY];
    unsigned        i;
    async_key_t     key;
    async_policy_t  policy;

    for (i = 0; i < said->npolicies; i++) {
        async_policy_key(digest, &said->policies[i]);
        async_key_policy(&key, digest);

        if (async_db_get(store, txn, &key, &v) != ASYNC_OK
            || async_policy_decode(&policy, v.mv_data, v.mv_size) != ASYNC_OK)
        {
            return false;
        }
    }

    for (i = 0; i < said->nqueues; i++) {
        async_key_queue(&key, said->queues[i].name);

        if (async_db_get(store, txn, &key, &v) != ASYNC_OK
            || !async_queue_known(&said->queues[i], &v))
        {
            return false;
        }
    }

    return true;
}


/* the newest start of nginx wins */

static bool
async_queue_known(const async_queue_t *queue, const MDB_val *stored)
{
    async_queue_t  old;

    return async_queue_decode(&old, stored->mv_data, stored->mv_size)
               == ASYNC_OK
           && old.loaded >= queue->loaded;
}
