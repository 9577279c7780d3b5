/*
 * The record of a job, what can be told of it, and the documents that are made
 * of that.
 */

#include "async_job.h"
#include "async_json.h"
#include "fuzz_record.h"


#define NOW  1795341600000ll


static const async_id_t  id;


static void
assert_limits(const async_job_t *job)
{
    fuzz_assert(job->state > ASYNC_STATE_NONE && job->state < ASYNC_STATE_MAX);
    fuzz_assert(job->priority <= 9);
    fuzz_assert(job->percent <= 100 || job->percent == ASYNC_NO_PERCENT);
    fuzz_assert(job->request.where <= ASYNC_BODY_SPOOL);
    fuzz_assert(job->response.where <= ASYNC_BODY_SPOOL);
    fuzz_assert(job->queue.len >= 1 && job->queue.len <= ASYNC_QUEUE_MAX);
    fuzz_assert(job->owner.len == 0 || job->owner.len == ASYNC_OWNER);
}


/* what is known of its location is as arbitrary as the record */

static void
estimate_job(async_estimate_t *estimate, const async_job_t *job)
{
    async_known_t  known;

    known.retry_after = 0;
    known.shown = true;
    known.run = (uint32_t) job->server;
    known.wait = async_estimate_wait(job->epoch, job->seq, job->attempt,
                                     job->deaths, job->server);
    known.stands = (job->priority == 0);

    async_estimate_job(estimate, job, &known, NOW);

    fuzz_assert(estimate->percent <= 99
                || estimate->percent == ASYNC_NO_PERCENT);
    fuzz_assert(estimate->completion >= 0);
    fuzz_assert(estimate->retry_after <= ASYNC_ESTIMATE_MOST);
    fuzz_assert(async_state_final((async_state_t) job->state)
                == (estimate->retry_after == 0));
}


/* what is read can be written, and is the same from then on */

static void
assert_again(const async_job_t *job, size_t len)
{
    size_t       size, first_len, second_len;
    uint8_t     *first, *second;
    async_job_t  again;

    /* a tag that was not there is not written, and a seal is written whole */

    size = 2 * len + 512;
    first = fuzz_alloc(size);
    second = fuzz_alloc(size);

    first_len = async_job_encode(job, first, size);
    fuzz_assert(first_len != 0);
    fuzz_assert(async_job_encode(job, second, first_len - 1) == 0);

    fuzz_assert(async_job_decode(&again, &id, first, first_len) == ASYNC_OK);

    second_len = async_job_encode(&again, second, size);
    fuzz_assert_same(first, first_len, second, second_len);

    free(first);
    free(second);
}


static void
assert_documents(const async_job_t *job, size_t len)
{
    char              *out;
    size_t             n, size;
    async_estimate_t   estimate;

    estimate_job(&estimate, job);

    /* no string is there more than thrice, no byte becomes more than six */

    size = ASYNC_JSON_JOB_MAX + 18 * len;
    out = fuzz_alloc(size + 1);

    n = async_json_job(out, size, job, &estimate);
    fuzz_assert(n != 0 && n <= size);
    fuzz_assert(len > ASYNC_JOB_MAX || n <= ASYNC_JSON_JOB_MAX);
    fuzz_assert(async_json_job(out, n - 1, job, &estimate) == 0);
    fuzz_assert(async_json_job(out, n, job, &estimate) == n);
    out[n] = '\0';
    fuzz_assert_document(out, n);

    n = async_json_azure(out, size, job, &estimate,
                         fuzz_str("http://host", 11));
    fuzz_assert(n != 0 && n <= size);
    out[n] = '\0';
    fuzz_assert_document(out, n);

    free(out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t      *record;
    async_rc_t    rc;
    async_job_t   job;

    /* without a checksum: a record of its own, or nothing */

    (void) async_job_decode(&job, &id, data, size);

    record = fuzz_record(ASYNC_RECORD_JOB, data, size);
    size += ASYNC_RECORD_HEADER;

    rc = async_job_decode(&job, &id, record, size);

    if (rc == ASYNC_OK) {
        assert_limits(&job);
        assert_again(&job, size);
        assert_documents(&job, size);

    } else {
        fuzz_assert(rc == ASYNC_CORRUPT);
    }

    free(record);

    return 0;
}
