/*
 * A store that has a job of each kind, for tests that look at it or damage
 * it: a queue, a policy, and jobs in all states that there are today.
 */

#ifndef ASYNC_SAMPLE_H
#define ASYNC_SAMPLE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "async_payload.h"


#define NOW  1795341600000


/* in the order that they are submitted */
enum { QUEUED, PARKED, RUNNING, COMPLETED, SPOOLED, FAILED, JOBS };

static char      root[64], path[128];
static char      body[2 * ASYNC_CHUNK + 100];
static uint8_t   head[64];
static size_t    head_len;
static uint64_t  epoch;


static inline async_id_t
id_of(int job)
{
    uint8_t     random[ASYNC_ID_RANDOM];
    async_id_t  id;

    memset(random, job, sizeof(random));
    async_id_make(&id, NOW, random);

    return id;
}


static inline void
apply(async_store_t *store, async_event_t *event)
{
    async_batch_t  batch = { .events = event, .n = 1, .now = NOW };
    async_error_t  err;

    assert_int_equal(async_store_apply(store, &batch, &err), ASYNC_OK);
    assert_int_equal(event->rc, ASYNC_OK);
}


static inline void
submit(async_store_t *store, int n, const async_policy_t *policy)
{
    async_job_t    job = { .queue = async_str("default") };
    async_event_t  event = { .type = ASYNC_EVENT_SUBMITTED, .job = &job };

    job.id = event.id = id_of(n);
    job.priority = ASYNC_PRIORITY;
    job.attempts_max = 5;
    async_policy_key(job.policy, policy);

    /* those that are claimed go before the one that stays */

    job.priority = (n == QUEUED) ? 0 : 9;

    job.request.where = ASYNC_BODY_CHUNKS;
    job.request.len = sizeof(body);
    job.request.crc = async_crc32c(0, body, sizeof(body));

    event.payload.head.data = (const char *) head;
    event.payload.head.len = head_len;
    event.payload.body.data = body;
    event.payload.body.len = sizeof(body);

    apply(store, &event);
}


static inline void
claim(async_store_t *store)
{
    async_claim_t          claims[JOBS - 1];
    async_error_t          err;
    async_claim_request_t  request = {
        .epoch = epoch, .claims = claims, .max = JOBS - 1
    };
    async_batch_t          batch = { .claim = &request, .now = NOW };

    assert_int_equal(async_store_apply(store, &batch, &err), ASYNC_OK);
    assert_int_equal(request.n, JOBS - 1);
}


static inline void
end(async_store_t *store, int n, async_event_type_t type)
{
    uint8_t         buf[64];
    async_error_t   err;
    async_spool_t   spool;
    async_writer_t  w;
    async_event_t   event = {
        .type = type, .epoch = epoch, .attempt = 1, .status = 200
    };

    event.id = id_of(n);
    event.due = NOW + 1000;

    async_writer_init(&w, buf, sizeof(buf), ASYNC_RECORD_RESPONSE);
    async_write_tag_u64(&w, 1, 200);

    event.payload.head.data = (const char *) buf;
    event.payload.head.len = async_writer_end(&w);

    if (n == COMPLETED) {
        event.response.where = ASYNC_BODY_CHUNKS;
        event.response.len = event.payload.body.len = 10;
        event.response.crc = async_crc32c(0, body, 10);
        event.payload.body.data = body;

    } else if (n == SPOOLED) {
        assert_int_equal(async_spool_create(&spool, store, &event.id,
                                            ASYNC_PAYLOAD_RESPONSE_BODY,
                                            &err), ASYNC_OK);
        assert_int_equal(async_spool_write(&spool, body, sizeof(body), &err),
                         ASYNC_OK);
        assert_int_equal(async_spool_finish(&spool, &event.response, &err),
                         ASYNC_OK);

    } else {
        event.payload.head.len = 0;
        event.status = 0;
        event.error = (type == ASYNC_EVENT_FAILED) ? ASYNC_JOB_ERROR_TIMEOUT
                                                   : ASYNC_JOB_ERROR_NONE;
    }

    apply(store, &event);
}


static inline async_store_t *
store_open(bool create)
{
    async_error_t          err;
    async_store_t         *store;
    async_store_options_t  options = {
        .path = path, .create = create, .size = create ? 64 << 20 : 0
    };

    if (async_store_open(&store, &options, &err) != ASYNC_OK) {
        fail_msg("%s", err.text);
    }

    return store;
}


static inline int
setup(void **state)
{
    int              i;
    static int       n;
    async_error_t    err;
    async_store_t   *store;
    async_writer_t   w;
    async_policy_t   policy;
    async_queue_t    queue = {
        .name = async_str("default"), .concurrency = 8, .max_queued = 100,
        .loaded = NOW
    };

    (void) state;

    snprintf(path, sizeof(path), "%s/%d", root, n++);

    async_policy_defaults(&policy);
    policy.retain_result = 1000;
    policy.retain_failed = 1000;
    policy.retain_history = 1000;

    for (i = 0; i < (int) sizeof(body); i++) {
        body[i] = (char) (i * 7);
    }

    async_writer_init(&w, head, sizeof(head), ASYNC_RECORD_REQUEST);
    async_write_tag(&w, 1, "POST", 4);
    head_len = async_writer_end(&w);

    assert_int_equal(async_store_prepare(path, geteuid(), getegid(), &err),
                     ASYNC_OK);

    store = store_open(true);

    assert_int_equal(async_store_publish(store, &policy, 1, &queue, 1, &err),
                     ASYNC_OK);
    assert_true(async_store_lock_worker(store, &err));
    assert_int_equal(async_store_take_over(store, &epoch, &err), ASYNC_OK);

    for (i = 0; i < JOBS; i++) {
        submit(store, i, &policy);
    }

    claim(store);
    end(store, PARKED, ASYNC_EVENT_RELEASED);
    end(store, COMPLETED, ASYNC_EVENT_COMPLETED);
    end(store, SPOOLED, ASYNC_EVENT_COMPLETED);
    end(store, FAILED, ASYNC_EVENT_FAILED);

    async_store_close(store);

    return 0;
}


static inline int
make_root(void **state)
{
    (void) state;

    snprintf(root, sizeof(root), "/tmp/async-check-XXXXXX");

    return mkdtemp(root) != NULL ? 0 : -1;
}


static inline int
remove_root(void **state)
{
    char  command[128];

    (void) state;

    snprintf(command, sizeof(command), "rm -rf '%s'", root);

    return system(command);
}


#endif /* ASYNC_SAMPLE_H */
