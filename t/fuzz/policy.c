/*
 * The records of a location's policy and of a queue's.
 */

#include "async_policy.h"
#include "fuzz_record.h"


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
