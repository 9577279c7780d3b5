/*
 * The records of a location's policy and of a queue's, and what follows from
 * a policy.
 */

#include "async_policy.h"
#include "fuzz_record.h"


/* no wait is longer than a day or what the policy itself says */

static void
assert_waits(const async_policy_t *policy)
{
    int64_t      wait;
    uint32_t     attempt;
    async_job_t  job;

    for (attempt = 1; attempt != 0; attempt <<= 1) {
        wait = async_policy_wait(policy, attempt, -1, policy->result_max);
        fuzz_assert(wait >= 0);
        fuzz_assert(wait <= ASYNC_RETRY_AFTER_MAX
                    || (uint64_t) wait <= policy->backoff_max);

        wait = async_policy_wait(policy, attempt,
                                 (int64_t) (policy->timeout >> 1), 0);
        fuzz_assert(wait >= 0 && wait <= ASYNC_RETRY_AFTER_MAX);
    }

    memset(&job, 0, sizeof(async_job_t));
    job.state = ASYNC_STATE_QUEUED;
    job.queued = (int64_t) policy->timeout;
    job.started = (int64_t) policy->retain_result;

    if (async_policy_overdue(policy, &job, 1795341600000)) {
        fuzz_assert(job.queued < 1795341600000);
    }
}


static void
assert_policy(const uint8_t *record, size_t len)
{
    size_t           first_len, second_len;
    uint8_t          first[ASYNC_POLICY_MAX], second[ASYNC_POLICY_MAX];
    async_rc_t       rc;
    async_policy_t   policy;

    rc = async_policy_decode(&policy, record, len);

    if (rc != ASYNC_OK) {
        fuzz_assert(rc == ASYNC_CORRUPT);
        return;
    }

    fuzz_assert(policy.attempts >= 1);
    assert_waits(&policy);

    first_len = async_policy_encode(&policy, first, sizeof(first));
    fuzz_assert(first_len != 0);

    fuzz_assert(async_policy_decode(&policy, first, first_len) == ASYNC_OK);

    second_len = async_policy_encode(&policy, second, sizeof(second));
    fuzz_assert_same(first, first_len, second, second_len);
}


static void
assert_queue(const uint8_t *record, size_t len)
{
    size_t         first_len, second_len;
    uint8_t        first[ASYNC_POLICY_MAX], second[ASYNC_POLICY_MAX];
    async_rc_t     rc;
    async_queue_t  queue, again;

    rc = async_queue_decode(&queue, record, len);

    if (rc != ASYNC_OK) {
        fuzz_assert(rc == ASYNC_CORRUPT);
        return;
    }

    fuzz_assert(queue.name.len >= 1 && queue.name.len <= ASYNC_QUEUE_MAX);

    first_len = async_queue_encode(&queue, first, sizeof(first));
    fuzz_assert(first_len != 0);

    fuzz_assert(async_queue_decode(&again, first, first_len) == ASYNC_OK);

    second_len = async_queue_encode(&again, second, sizeof(second));
    fuzz_assert_same(first, first_len, second, second_len);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t  *record;

    assert_policy(data, size);
    assert_queue(data, size);

    record = fuzz_record(ASYNC_RECORD_POLICY, data, size);
    assert_policy(record, ASYNC_RECORD_HEADER + size);
    free(record);

    record = fuzz_record(ASYNC_RECORD_QUEUE, data, size);
    assert_queue(record, ASYNC_RECORD_HEADER + size);
    free(record);

    return 0;
}
