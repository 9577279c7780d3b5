/*
 * What nginx.conf said of webhooks.
 */

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "async_hooks.h"
#include "async_work.h"


typedef struct {
    const async_hook_policy_t  *policies;
    unsigned                    n;
    async_hooks_in_force_t      in_force;
    bool                        known;
    uint8_t                     buf[ASYNC_HOOK_POLICY_MAX];
} async_hooks_said_t;


static async_rc_t async_hooks_look(async_store_t *store, MDB_txn *txn,
    void *data);
static bool async_hooks_missing(async_store_t *store, MDB_txn *txn,
    const async_hooks_said_t *said);
static bool async_hooks_newer(async_store_t *store, MDB_txn *txn,
    const async_hooks_said_t *said);
static async_rc_t async_hooks_write(async_store_t *store, void *data,
    async_error_t *err);


void
async_key_hook_policy(async_key_t *key, const uint8_t *policy)
{
    key->db = ASYNC_DB_POLICY;
    key->len = 1 + ASYNC_HOOK_POLICY;
    key->bytes[0] = ASYNC_POLICY_OF_HOOKS;

    memcpy(key->bytes + 1, policy, ASYNC_HOOK_POLICY);
}


void
async_key_hooks_in_force(async_key_t *key)
{
    key->db = ASYNC_DB_POLICY;
    key->len = 1;
    key->bytes[0] = ASYNC_POLICY_OF_HOOKS_IN_FORCE;
}


bool
async_hook_policy_sound(const uint8_t *key, size_t key_len,
    const void *value, size_t len)
{
    uint8_t                 digest[SHA256_DIGEST_LENGTH];
    async_hook_policy_t     policy;
    async_hooks_in_force_t  in_force;

    if (key[0] == ASYNC_POLICY_OF_HOOKS && key_len == 1 + ASYNC_HOOK_POLICY) {
        (void) SHA256(value, len, digest);

        return async_hook_policy_decode(&policy, value, len) == ASYNC_OK
               && memcmp(digest, key + 1, ASYNC_HOOK_POLICY) == 0;
    }

    return key[0] == ASYNC_POLICY_OF_HOOKS_IN_FORCE && key_len == 1
           && async_hooks_in_force_decode(&in_force, value, len) == ASYNC_OK;
}


bool
async_hook_policy_key(uint8_t key[ASYNC_HOOK_POLICY],
    const async_hook_policy_t *policy)
{
    size_t   len;
    uint8_t  buf[ASYNC_HOOK_POLICY_MAX], digest[SHA256_DIGEST_LENGTH];

    len = async_hook_policy_encode(policy, buf, sizeof(buf));

    if (len == 0) {
        return false;
    }

    (void) SHA256(buf, len, digest);
    memcpy(key, digest, ASYNC_HOOK_POLICY);

    return true;
}


async_rc_t
async_store_publish_hooks(async_store_t *store,
    const async_hook_policy_t *policies, unsigned n, int64_t loaded,
    async_error_t *err)
{
    unsigned             i;
    async_rc_t           rc;
    async_hooks_said_t  *said;

    said = calloc(1, sizeof(async_hooks_said_t));

    if (said == NULL) {
        async_error_set(err, "no memory for the policies of webhooks");
        return ASYNC_NO_SPACE;
    }

    said->policies = policies;
    said->n = n;
    said->in_force.loaded = loaded;

    for (i = 0, rc = ASYNC_OK; i < n && rc == ASYNC_OK; i++) {

        if (i == ASYNC_HOOK_IN_FORCE
            || !async_hook_policy_key(said->in_force.keys[i], &policies[i]))
        {
            async_error_set(err, "a policy of webhooks is not valid");
            rc = ASYNC_INVALID;
        }

        said->in_force.n++;
    }

    if (rc == ASYNC_OK) {
        rc = async_db_look(store, async_hooks_look, said, err);
    }

    if (rc == ASYNC_OK && !said->known) {
        rc = async_scribe_run(store, async_hooks_write, said, err);
    }

    free(said);

    return rc;
}


static async_rc_t
async_hooks_look(async_store_t *store, MDB_txn *txn, void *data)
{
    async_hooks_said_t  *said = data;

    said->known = !async_hooks_newer(store, txn, said)
                  && !async_hooks_missing(store, txn, said);

    return ASYNC_OK;
}


static bool
async_hooks_missing(async_store_t *store, MDB_txn *txn,
    const async_hooks_said_t *said)
{
    MDB_val      v;
    unsigned     i;
    async_key_t  key;

    for (i = 0; i < said->n; i++) {
        async_key_hook_policy(&key, said->in_force.keys[i]);

        if (async_db_get(store, txn, &key, &v) != ASYNC_OK) {
            return true;
        }
    }

    return false;
}


/* the newest start of nginx wins; who never had any does not say so */

static bool
async_hooks_newer(async_store_t *store, MDB_txn *txn,
    const async_hooks_said_t *said)
{
    MDB_val                 v;
    async_key_t             key;
    async_hooks_in_force_t  stored;

    async_key_hooks_in_force(&key);

    if (async_db_get(store, txn, &key, &v) != ASYNC_OK) {
        return said->n > 0;
    }

    return async_hooks_in_force_decode(&stored, v.mv_data, v.mv_size)
           != ASYNC_OK
           || stored.loaded < said->in_force.loaded;
}


/*
 * scribe: policies are put whatever is in force, since jobs of an older nginx
 * that is still there name its own
 */

static async_rc_t
async_hooks_write(async_store_t *store, void *data, async_error_t *err)
{
    unsigned             i;
    async_rc_t           rc;
    async_key_t          key;
    async_work_t         work;
    async_hooks_said_t  *said = data;

    rc = async_work_begin(&work, store, 0, ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    for (i = 0; i < said->n; i++) {
        async_key_hook_policy(&key, said->in_force.keys[i]);
        async_work_put(&work, &key, said->buf,
                       async_hook_policy_encode(&said->policies[i],
                                                said->buf,
                                                sizeof(said->buf)));
    }

    if (async_hooks_newer(store, work.txn, said)) {
        async_key_hooks_in_force(&key);
        async_work_put(&work, &key, said->buf,
                       async_hooks_in_force_encode(&said->in_force,
                                                   said->buf,
                                                   sizeof(said->buf)));
    }

    return async_work_commit(&work, err);
}
