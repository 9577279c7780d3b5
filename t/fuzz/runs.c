/*
 * The record of the last run times, and what is learned from them.
 */

#include "async_runs.h"
#include "fuzz_record.h"


static void
assert_learned(async_runs_t *runs)
{
    uint32_t  mean, median;

    fuzz_assert(runs->n <= ASYNC_RUNS);

    mean = async_runs_mean(runs);
    median = async_runs_median(runs);

    fuzz_assert((mean == 0) == (runs->n == 0));
    fuzz_assert((median == 0) == (runs->n == 0));

    async_runs_add(runs, (uint64_t) mean << 31);
    fuzz_assert(runs->n >= 1 && runs->n <= ASYNC_RUNS);
}


static void
assert_again(const async_runs_t *runs)
{
    size_t        first_len, second_len;
    uint8_t       first[ASYNC_RUNS_MAX], second[ASYNC_RUNS_MAX];
    async_runs_t  again;

    first_len = async_runs_encode(runs, first, sizeof(first));
    fuzz_assert(first_len != 0);

    fuzz_assert(async_runs_decode(&again, first, first_len) == ASYNC_OK);

    second_len = async_runs_encode(&again, second, sizeof(second));
    fuzz_assert_same(first, first_len, second, second_len);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t       *record;
    async_rc_t     rc;
    async_runs_t   runs;

    (void) async_runs_decode(&runs, data, size);

    record = fuzz_record(ASYNC_RECORD_RUNS, data, size);
    rc = async_runs_decode(&runs, record, ASYNC_RECORD_HEADER + size);
    free(record);

    if (rc == ASYNC_OK) {
        assert_again(&runs);

    } else {
        fuzz_assert(rc == ASYNC_CORRUPT);
        fuzz_assert(runs.n == 0);
    }

    assert_learned(&runs);

    return 0;
}
