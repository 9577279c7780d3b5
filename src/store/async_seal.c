/*
 * Encrypting what a batch brings, before the door: the salts come in one
 * call, the ciphertexts lie in one piece of memory.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "async_work.h"


typedef struct {
    const async_store_t  *store;
    const uint8_t        *salt;      /* of the event that is next */
    uint8_t              *out;       /* where the next ciphertext goes */
} async_sealer_t;


static bool async_seal_wanted(const async_event_t *event);
static bool async_seal_needed(const async_store_t *store,
    const async_event_t *event);
static const async_body_t *async_seal_body(const async_event_t *event);
static size_t async_seal_size(const async_payload_t *payload);
static async_rc_t async_seal_copy(async_sealed_t *sealed,
    const async_store_t *store, size_t size, async_error_t *err);
static async_rc_t async_seal_event(async_sealer_t *sealer,
    async_event_t *event, async_job_t *job);
static async_rc_t async_seal_payload(async_sealer_t *sealer,
    async_payload_t *payload, const async_id_t *id, bool request,
    async_body_t *body);
static async_rc_t async_seal_bytes(async_sealer_t *sealer,
    const async_seal_t *seal, const async_id_t *id,
    async_payload_kind_t kind, async_str_t *bytes, uint32_t *crc);


async_rc_t
async_seal_begin(async_sealed_t *sealed, const async_store_t *store,
    async_batch_t *batch, async_error_t *err)
{
    bool      needed;
    size_t    size;
    unsigned  i;

    sealed->given = batch;
    sealed->batch = *batch;
    sealed->memory = NULL;

    needed = false;
    size = 0;

    for (i = 0; i < batch->n; i++) {
        if (async_seal_needed(store, &batch->events[i])) {
            needed = true;
            size += async_seal_size(&batch->events[i].payload);
        }
    }

    return needed ? async_seal_copy(sealed, store, size, err) : ASYNC_OK;
}


void
async_seal_results(async_sealed_t *sealed)
{
    unsigned  i;

    if (sealed->memory == NULL) {
        return;
    }

    for (i = 0; i < sealed->batch.n; i++) {
        sealed->given->events[i].rc = sealed->batch.events[i].rc;
        sealed->given->events[i].id = sealed->batch.events[i].id;
        sealed->given->events[i].joined = sealed->batch.events[i].joined;
        sealed->given->events[i].due = sealed->batch.events[i].due;
    }
}


void
async_seal_end(async_sealed_t *sealed)
{
    async_seal_results(sealed);
    free(sealed->memory);
}


static bool
async_seal_wanted(const async_event_t *event)
{
    return event->payload.head.len != 0
           && (event->type != ASYNC_EVENT_SUBMITTED || event->job != NULL);
}


/*
 * A file in the spool is as it is, whatever the keys have become since: it
 * decides for the head that is stored with it.
 */

static bool
async_seal_needed(const async_store_t *store, const async_event_t *event)
{
    const async_body_t  *body;

    if (!async_seal_wanted(event)) {
        return false;
    }

    body = async_seal_body(event);

    return body->where == ASYNC_BODY_SPOOL ? body->seal.used
                                           : async_store_encrypts(store);
}


static const async_body_t *
async_seal_body(const async_event_t *event)
{
    return event->type == ASYNC_EVENT_SUBMITTED ? &event->job->request
                                                : &event->response;
}


static size_t
async_seal_size(const async_payload_t *payload)
{
    return (size_t) (async_cipher_stored(payload->head.len,
                                         ASYNC_CHUNK_PLAIN)
                     + async_cipher_stored(payload->capture.len,
                                           ASYNC_CHUNK_PLAIN)
                     + async_cipher_stored(payload->body.len,
                                           ASYNC_CHUNK_PLAIN));
}


/* one allocation: events, jobs, salts, ciphertexts */

static async_rc_t
async_seal_copy(async_sealed_t *sealed, const async_store_t *store,
    size_t size, async_error_t *err)
{
    size_t           n, salts;
    unsigned         i;
    async_rc_t       rc;
    async_job_t     *jobs;
    async_event_t   *events;
    async_sealer_t   sealer;

    n = sealed->batch.n;
    salts = n * ASYNC_SALT;

    events = malloc(n * (sizeof(async_event_t) + sizeof(async_job_t))
                    + salts + size);

    if (events == NULL) {
        async_error_set(err, "no memory to encrypt a batch");
        return ASYNC_UNAVAILABLE;
    }

    jobs = (async_job_t *) (events + n);

    sealer.store = store;
    sealer.salt = (uint8_t *) (jobs + n);
    sealer.out = (uint8_t *) (jobs + n) + salts;

    rc = ASYNC_OK;

    for (i = 0; i < salts && rc == ASYNC_OK; i += 256) {

        /* what is no longer is never cut short */

        if (getrandom((uint8_t *) (jobs + n) + i,
                      salts - i < 256 ? salts - i : 256, 0) == -1)
        {
            async_error_set(err, "the kernel gave no random bytes: %s",
                            strerror(errno));
            rc = ASYNC_UNAVAILABLE;
        }
    }

    memcpy(events, sealed->batch.events, n * sizeof(async_event_t));

    for (i = 0; i < n && rc == ASYNC_OK; i++, sealer.salt += ASYNC_SALT) {

        if (!async_seal_needed(store, &events[i])) {
            continue;
        }

        rc = async_seal_event(&sealer, &events[i], &jobs[i]);

        if (rc != ASYNC_OK) {
            async_error_set(err, "payload cannot be encrypted (%s)",
                            async_rc_name(rc));
            rc = ASYNC_UNAVAILABLE;
        }
    }

    if (rc != ASYNC_OK) {
        free(events);
        return rc;
    }

    sealed->memory = events;
    sealed->batch.events = events;

    return ASYNC_OK;
}


static async_rc_t
async_seal_event(async_sealer_t *sealer, async_event_t *event,
    async_job_t *job)
{
    if (event->type == ASYNC_EVENT_SUBMITTED) {
        *job = *event->job;
        event->job = job;

        return async_seal_payload(sealer, &event->payload, &job->id, true,
                                  &job->request);
    }

    return async_seal_payload(sealer, &event->payload, &event->id, false,
                              &event->response);
}


static async_rc_t
async_seal_payload(async_sealer_t *sealer, async_payload_t *payload,
    const async_id_t *id, bool request, async_body_t *body)
{
    async_rc_t     rc;
    async_seal_t  *seal;

    seal = &body->seal;

    if (body->where != ASYNC_BODY_SPOOL) {
        async_store_seal(sealer->store, seal, sealer->salt);
    }

    rc = async_seal_bytes(sealer, seal, id,
                          request ? ASYNC_PAYLOAD_REQUEST
                                  : ASYNC_PAYLOAD_RESPONSE,
                          &payload->head, &seal->head_crc);

    if (rc == ASYNC_OK && payload->capture.len != 0) {
        rc = async_seal_bytes(sealer, seal, id, ASYNC_PAYLOAD_CAPTURE,
                              &payload->capture, &seal->capture_crc);
    }

    if (rc == ASYNC_OK && payload->body.len != 0) {
        rc = async_seal_bytes(sealer, seal, id,
                              request ? ASYNC_PAYLOAD_REQUEST_BODY
                                      : ASYNC_PAYLOAD_RESPONSE_BODY,
                              &payload->body, &body->crc);
    }

    return rc;
}


static async_rc_t
async_seal_bytes(async_sealer_t *sealer, const async_seal_t *seal,
    const async_id_t *id, async_payload_kind_t kind, async_str_t *bytes,
    uint32_t *crc)
{
    size_t          len;
    async_rc_t      rc;
    async_cipher_t  cipher;

    rc = async_store_cipher(sealer->store, &cipher, seal, id, kind, true);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (!async_cipher_seal_all(&cipher, *bytes, sealer->out)) {
        rc = ASYNC_NO_SPACE;
    }

    async_cipher_close(&cipher);

    if (rc == ASYNC_OK) {
        len = (size_t) async_cipher_stored(bytes->len, ASYNC_CHUNK_PLAIN);

        *crc = async_crc32c(0, sealer->out, len);

        bytes->data = (const char *) sealer->out;
        bytes->len = len;
        sealer->out += len;
    }

    return rc;
}
