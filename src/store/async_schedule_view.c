/*
 * Schedules, read; and their payload, which is encrypted as a job's is, under
 * an id that is made of the name.
 */

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "async_work.h"


typedef struct {
    async_schedule_fn        fn;
    async_schedule_state_fn  state_fn;
    void                    *data;
} async_schedule_walk_t;

typedef struct {
    async_str_t           *bytes;
    async_payload_kind_t   kind;
} async_schedule_part_t;


static async_rc_t async_schedule_walk(async_view_t *view,
    async_schedule_walk_t *walk);
static async_rc_t async_schedule_each(async_view_t *view,
    async_schedule_walk_t *walk);
static bool async_schedule_one(async_view_t *view,
    async_schedule_walk_t *walk, const async_schedule_state_t *state);
static uint8_t async_schedule_last(async_view_t *view,
    const async_schedule_state_t *state);
static async_rc_t async_schedule_read_runs(async_view_t *view,
    async_schedule_run_t *runs, unsigned max, unsigned *n);
static async_rc_t async_schedule_copy(async_view_t *view, async_str_t name,
    async_schedule_ticket_t *ticket, uint8_t *buf, size_t cap, size_t *len);
static async_rc_t async_schedule_open(async_view_t *view,
    async_schedule_ticket_t *ticket);
static void async_schedule_id(async_id_t *id, async_str_t name);
static unsigned async_schedule_parts(async_schedule_t *s,
    async_schedule_part_t parts[3]);
static async_rc_t async_schedule_unseal(const async_store_t *store,
    const async_seal_t *seal, const async_id_t *id,
    const async_schedule_part_t *part);


/* --- walks --- */

async_rc_t
async_view_schedules(async_view_t *view, async_schedule_fn fn, void *data)
{
    async_schedule_walk_t  walk = { fn, NULL, data };

    return async_schedule_walk(view, &walk);
}


async_rc_t
async_view_schedule_states(async_view_t *view, async_schedule_state_fn fn,
    void *data)
{
    async_schedule_walk_t  walk = { NULL, fn, data };

    return async_schedule_walk(view, &walk);
}


static async_rc_t
async_schedule_walk(async_view_t *view, async_schedule_walk_t *walk)
{
    async_rc_t  rc;

    rc = async_view_begin(view);

    if (rc == ASYNC_OK) {
        rc = async_schedule_each(view, walk);
        async_view_end(view);
    }

    return rc;
}


static async_rc_t
async_schedule_each(async_view_t *view, async_schedule_walk_t *walk)
{
    int                     rc;
    MDB_val                 k, v;
    MDB_cursor             *cursor;
    async_key_t             key;
    async_schedule_state_t  state;

    rc = mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_SCHEDULES],
                         &cursor);

    if (rc != MDB_SUCCESS) {
        return async_db_rc(rc, NULL, NULL);
    }

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_STATE,
                       (async_str_t) { "", 0 });

    k.mv_size = key.len;
    k.mv_data = key.bytes;

    for (rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
         rc == MDB_SUCCESS
         && *(uint8_t *) k.mv_data == ASYNC_SCHEDULE_OF_STATE;
         rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))
    {
        /* what is damaged is told by a check */

        if (async_schedule_state_decode(&state, v.mv_data, v.mv_size)
            == ASYNC_OK
            && !async_schedule_one(view, walk, &state))
        {
            break;
        }
    }

    mdb_cursor_close(cursor);

    return rc == MDB_NOTFOUND ? ASYNC_OK : async_db_rc(rc, NULL, NULL);
}


static bool
async_schedule_one(async_view_t *view, async_schedule_walk_t *walk,
    const async_schedule_state_t *state)
{
    MDB_val               v;
    async_key_t           key;
    async_schedule_t      s;
    async_schedule_row_t  row;

    if (walk->state_fn != NULL) {
        return walk->state_fn(walk->data, state);
    }

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_CONF, state->name);

    row.said = async_db_get(view->store, view->txn, &key, &v) == ASYNC_OK
               && async_schedule_decode(&s, v.mv_data, v.mv_size) == ASYNC_OK
               ? &s : NULL;
    row.state = state;
    row.last = async_schedule_last(view, state);

    return walk->fn(walk->data, &row);
}


/* what is written down when it ends, or else what its job is now */

static uint8_t
async_schedule_last(async_view_t *view, const async_schedule_state_t *state)
{
    MDB_val      v;
    async_job_t  job;
    async_key_t  key;

    if (state->result != ASYNC_STATE_NONE || !async_job_has(&state->job)) {
        return state->result;
    }

    async_key_job(&key, &state->job);

    if (async_db_get(view->store, view->txn, &key, &v) != ASYNC_OK
        || async_job_decode(&job, &state->job, v.mv_data, v.mv_size)
           != ASYNC_OK)
    {
        return ASYNC_STATE_NONE;
    }

    return job.state;
}


async_rc_t
async_view_schedule_changes(async_view_t *view, uint64_t *changes)
{
    MDB_val      v;
    async_rc_t   rc;
    async_key_t  key;

    *changes = 0;

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_ALL, (async_str_t) { "", 0 });

    rc = async_view_begin(view);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_db_get(view->store, view->txn, &key, &v);

    if (rc == ASYNC_OK) {
        rc = async_count_decode(changes, 1, v.mv_data, v.mv_size);
    }

    async_view_end(view);

    return rc == ASYNC_NOT_FOUND ? ASYNC_OK : rc;
}


async_rc_t
async_view_schedule_runs(async_view_t *view, async_schedule_run_t *runs,
    unsigned max, unsigned *n)
{
    async_rc_t  rc;

    *n = 0;

    rc = async_view_begin(view);

    if (rc == ASYNC_OK) {
        rc = async_schedule_read_runs(view, runs, max, n);
        async_view_end(view);
    }

    return rc;
}


static async_rc_t
async_schedule_read_runs(async_view_t *view, async_schedule_run_t *runs,
    unsigned max, unsigned *n)
{
    int                    rc;
    MDB_val                k, v;
    MDB_cursor            *cursor;
    async_key_t            key;
    async_schedule_run_t  *run;

    rc = mdb_cursor_open(view->txn, view->store->dbi[ASYNC_DB_SCHEDULES],
                         &cursor);

    if (rc != MDB_SUCCESS) {
        return async_db_rc(rc, NULL, NULL);
    }

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_RUN, (async_str_t) { "", 0 });

    k.mv_size = key.len;
    k.mv_data = key.bytes;

    for (rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
         rc == MDB_SUCCESS && *n < max
         && *(uint8_t *) k.mv_data == ASYNC_SCHEDULE_OF_RUN;
         rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))
    {
        if (k.mv_size <= 1 + sizeof(async_id_t)
            || k.mv_size > 1 + sizeof(async_id_t) + ASYNC_SCHEDULE_NAME)
        {
            continue;
        }

        run = &runs[(*n)++];
        run->len = k.mv_size - 1 - sizeof(async_id_t);

        memcpy(&run->id, (uint8_t *) k.mv_data + 1, sizeof(async_id_t));
        memcpy(run->name, (uint8_t *) k.mv_data + 1 + sizeof(async_id_t),
               run->len);
    }

    mdb_cursor_close(cursor);

    return rc == MDB_NOTFOUND ? ASYNC_OK : async_db_rc(rc, NULL, NULL);
}


/* --- one, to be fired --- */

async_rc_t
async_view_schedule(async_view_t *view, async_str_t name,
    async_schedule_ticket_t *ticket)
{
    size_t      len, cap;
    async_rc_t  rc;

    memset(ticket, 0, sizeof(async_schedule_ticket_t));

    if (!async_schedule_name(name)) {
        return ASYNC_NOT_FOUND;
    }

    /* it may have become longer meanwhile */

    for (cap = 0; /* void */ ; cap = len) {

        rc = async_schedule_copy(view, name, ticket, ticket->memory, cap,
                                 &len);

        if (rc != ASYNC_NO_SPACE) {
            break;
        }

        free(ticket->memory);
        ticket->memory = malloc(len);

        if (ticket->memory == NULL) {
            return ASYNC_NO_SPACE;
        }
    }

    if (rc == ASYNC_OK) {
        rc = async_schedule_decode(&ticket->said, ticket->memory, len);
    }

    if (rc == ASYNC_OK) {
        ticket->state.name = ticket->said.name;
        rc = async_schedule_open(view, ticket);
    }

    if (rc != ASYNC_OK) {
        free(ticket->memory);
        ticket->memory = NULL;
    }

    return rc;
}


void
async_schedule_free(async_schedule_ticket_t *ticket)
{
    free(ticket->memory);
    ticket->memory = NULL;
}


static async_rc_t
async_schedule_copy(async_view_t *view, async_str_t name,
    async_schedule_ticket_t *ticket, uint8_t *buf, size_t cap, size_t *len)
{
    uint8_t      last;
    MDB_val      v, state;
    async_rc_t   rc;
    async_key_t  key;

    rc = async_view_begin(view);

    if (rc != ASYNC_OK) {
        return rc;
    }

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_STATE, name);
    rc = async_db_get(view->store, view->txn, &key, &state);

    if (rc == ASYNC_OK) {
        rc = async_schedule_state_decode(&ticket->state, state.mv_data,
                                         state.mv_size);
    }

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_CONF, name);

    if (rc == ASYNC_OK) {
        rc = async_db_get(view->store, view->txn, &key, &v);
    }

    if (rc == ASYNC_OK) {
        last = async_schedule_last(view, &ticket->state);

        ticket->unfinished = last != ASYNC_STATE_NONE
                             && !async_state_final((async_state_t) last);
        *len = v.mv_size;

        if (v.mv_size > cap) {
            rc = ASYNC_NO_SPACE;

        } else {
            memcpy(buf, v.mv_data, v.mv_size);
        }
    }

    async_view_end(view);

    return rc;
}


/* the job, and what belongs to it in the clear, in the ticket's memory */

static async_rc_t
async_schedule_open(async_view_t *view, async_schedule_ticket_t *ticket)
{
    unsigned               i, n;
    async_rc_t             rc;
    async_id_t             id;
    async_seal_t          *seal;
    async_schedule_part_t  parts[3];

    async_schedule_id(&id, ticket->said.name);

    rc = async_job_decode(&ticket->job, &id, ticket->said.job.data,
                          ticket->said.job.len);

    if (rc == ASYNC_OK && ticket->said.hook.len != 0) {
        rc = async_hook_decode(&ticket->hook, ticket->said.hook.data,
                               ticket->said.hook.len);
    }

    if (rc != ASYNC_OK) {
        return rc;
    }

    seal = &ticket->job.request.seal;
    n = async_schedule_parts(&ticket->said, parts);

    for (i = 0; i < n && rc == ASYNC_OK && seal->used; i++) {
        rc = async_schedule_unseal(view->store, seal, &id, &parts[i]);
    }

    if (rc == ASYNC_OK) {
        memset(seal, 0, sizeof(async_seal_t));

        ticket->job.schedule = ticket->said.name;
        ticket->job.request.len = ticket->said.body.len;
        ticket->job.request.crc = async_crc32c(0, ticket->said.body.data,
                                               ticket->said.body.len);
    }

    return rc;
}


/* --- at rest --- */

static void
async_schedule_id(async_id_t *id, async_str_t name)
{
    uint8_t  digest[SHA256_DIGEST_LENGTH];

    (void) SHA256((const uint8_t *) name.data, name.len, digest);
    memcpy(id, digest, sizeof(async_id_t));
}


static unsigned
async_schedule_parts(async_schedule_t *s, async_schedule_part_t parts[3])
{
    unsigned  n;

    n = 0;

    parts[n].bytes = &s->head;
    parts[n++].kind = ASYNC_PAYLOAD_REQUEST;

    if (s->capture.len != 0) {
        parts[n].bytes = &s->capture;
        parts[n++].kind = ASYNC_PAYLOAD_CAPTURE;
    }

    if (s->body.len != 0) {
        parts[n].bytes = &s->body;
        parts[n++].kind = ASYNC_PAYLOAD_REQUEST_BODY;
    }

    return n;
}


size_t
async_schedule_sealed_size(const async_schedule_t *s)
{
    async_schedule_t  big;

    big = *s;
    big.job.len = ASYNC_JOB_MAX;

    /* once for the record, once to encrypt */

    return async_schedule_size(&big)
           + (size_t) (2 * async_cipher_stored(s->head.len, ASYNC_CHUNK_PLAIN)
                       + 2 * async_cipher_stored(s->capture.len,
                                                 ASYNC_CHUNK_PLAIN)
                       + 2 * async_cipher_stored(s->body.len,
                                                 ASYNC_CHUNK_PLAIN));
}


async_rc_t
async_schedule_seal(const async_store_t *store, const async_schedule_t *s,
    uint8_t *buf, size_t cap, size_t *len)
{
    size_t                 stored;
    uint8_t                salt[ASYNC_SALT], record[ASYNC_JOB_MAX], *out;
    unsigned               i, n;
    async_rc_t             rc;
    async_id_t             id;
    async_job_t            job;
    async_cipher_t         cipher;
    async_schedule_t       sealed;
    async_schedule_part_t  parts[3];

    sealed = *s;
    async_schedule_id(&id, s->name);

    rc = async_job_decode(&job, &id, s->job.data, s->job.len);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (getrandom(salt, sizeof(salt), 0) != (ssize_t) sizeof(salt)) {
        return ASYNC_UNAVAILABLE;
    }

    async_store_seal(store, &job.request.seal, salt);

    n = job.request.seal.used ? async_schedule_parts(&sealed, parts) : 0;
    out = buf + cap;

    for (i = 0; i < n; i++) {
        rc = async_store_cipher(store, &cipher, &job.request.seal, &id,
                                parts[i].kind, true);

        if (rc != ASYNC_OK) {
            return rc;
        }

        stored = (size_t) async_cipher_stored(parts[i].bytes->len,
                                              ASYNC_CHUNK_PLAIN);
        out -= stored;

        if (!async_cipher_seal_all(&cipher, *parts[i].bytes, out)) {
            rc = ASYNC_NO_SPACE;
        }

        async_cipher_close(&cipher);

        if (rc != ASYNC_OK) {
            return rc;
        }

        parts[i].bytes->data = (const char *) out;
        parts[i].bytes->len = stored;
    }

    sealed.job.data = (const char *) record;
    sealed.job.len = async_job_encode(&job, record, sizeof(record));

    *len = async_schedule_encode(&sealed, buf, (size_t) (out - buf));

    return *len != 0 ? ASYNC_OK : ASYNC_INVALID;
}


static async_rc_t
async_schedule_unseal(const async_store_t *store, const async_seal_t *seal,
    const async_id_t *id, const async_schedule_part_t *part)
{
    size_t           at, len, plain;
    uint8_t         *bytes;
    uint64_t         number;
    async_rc_t       rc;
    async_cipher_t   cipher;

    rc = async_store_cipher(store, &cipher, seal, id, part->kind, false);

    if (rc != ASYNC_OK) {
        return rc;
    }

    bytes = (uint8_t *) part->bytes->data;
    plain = 0;
    number = 0;

    for (at = 0; at < part->bytes->len && rc == ASYNC_OK; at += len) {

        len = part->bytes->len - at < ASYNC_CHUNK ? part->bytes->len - at
                                                  : ASYNC_CHUNK;

        if (len <= ASYNC_CIPHER_TAG
            || !async_cipher_unseal(&cipher, number++,
                                    at + len == part->bytes->len, bytes + at,
                                    len, bytes + at))
        {
            rc = ASYNC_CORRUPT;
            break;
        }

        /* together, in front of where the next comes out */

        memmove(bytes + plain, bytes + at, len - ASYNC_CIPHER_TAG);
        plain += len - ASYNC_CIPHER_TAG;
    }

    async_cipher_close(&cipher);
    part->bytes->len = plain;

    return rc;
}
