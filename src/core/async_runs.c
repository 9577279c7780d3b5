#include <string.h>

#include "async_runs.h"


#define ASYNC_RUNS_BITS  7          /* that count in a figure */


static void async_runs_sort(const async_runs_t *runs, uint32_t *sorted);
static uint32_t async_runs_round(uint64_t ms);


void
async_runs_add(async_runs_t *runs, uint64_t ms)
{
    if (runs->n == ASYNC_RUNS) {
        memmove(runs->ms, runs->ms + 1,
                (ASYNC_RUNS - 1) * sizeof(uint32_t));
        runs->n--;
    }

    runs->ms[runs->n++] = ms < UINT32_MAX ? (uint32_t) ms : UINT32_MAX;
}


uint32_t
async_runs_median(const async_runs_t *runs)
{
    unsigned  middle;
    uint32_t  sorted[ASYNC_RUNS];

    if (runs->n == 0) {
        return 0;
    }

    async_runs_sort(runs, sorted);

    middle = runs->n / 2;

    if (runs->n % 2 == 1) {
        return async_runs_round(sorted[middle]);
    }

    return async_runs_round(((uint64_t) sorted[middle - 1] + sorted[middle])
                            / 2);
}


uint32_t
async_runs_percentile(const async_runs_t *runs, unsigned percent)
{
    unsigned  rank;
    uint32_t  sorted[ASYNC_RUNS];

    if (runs->n == 0) {
        return 0;
    }

    async_runs_sort(runs, sorted);

    rank = (runs->n * percent + 99) / 100;

    return sorted[rank > 0 ? rank - 1 : 0];
}


static void
async_runs_sort(const async_runs_t *runs, uint32_t *sorted)
{
    unsigned  i, j;
    uint32_t  ms;

    for (i = 0; i < runs->n; i++) {

        ms = runs->ms[i];

        for (j = i; j > 0 && sorted[j - 1] > ms; j--) {
            sorted[j] = sorted[j - 1];
        }

        sorted[j] = ms;
    }
}


uint32_t
async_runs_mean(const async_runs_t *runs)
{
    unsigned  i;
    uint64_t  sum;

    if (runs->n == 0) {
        return 0;
    }

    for (i = 0, sum = 0; i < runs->n; i++) {
        sum += runs->ms[i];
    }

    return async_runs_round(sum / runs->n);
}


static uint32_t
async_runs_round(uint64_t ms)
{
    unsigned  shift;

    for (shift = 0; ms >> shift >= 1u << ASYNC_RUNS_BITS; shift++) {
        /* void */
    }

    if (shift > 0) {
        ms = ((ms >> (shift - 1)) + 1) >> 1 << shift;
    }

    ms = ms > 0 ? ms : 1;

    return ms < UINT32_MAX ? (uint32_t) ms : UINT32_MAX;
}


size_t
async_runs_encode(const async_runs_t *runs, uint8_t *buf, size_t cap)
{
    unsigned        i;
    async_writer_t  w;

    if (runs->n == 0 || runs->n > ASYNC_RUNS) {
        return 0;
    }

    async_writer_init(&w, buf, cap, ASYNC_RECORD_RUNS);

    async_write_u32(&w, runs->n);

    for (i = 0; i < runs->n; i++) {
        async_write_u32(&w, runs->ms[i]);
    }

    return async_writer_end(&w);
}


async_rc_t
async_runs_decode(async_runs_t *runs, const void *data, size_t len)
{
    unsigned        i;
    uint32_t        n;
    async_reader_t  rd;

    memset(runs, 0, sizeof(async_runs_t));

    if (async_reader_init(&rd, data, len, ASYNC_RECORD_RUNS) != ASYNC_OK) {
        return ASYNC_CORRUPT;
    }

    n = async_read_u32(&rd);

    if (n == 0 || n > ASYNC_RUNS) {
        return ASYNC_CORRUPT;
    }

    for (i = 0; i < n; i++) {
        runs->ms[i] = async_read_u32(&rd);
    }

    if (rd.broken) {
        memset(runs, 0, sizeof(async_runs_t));
        return ASYNC_CORRUPT;
    }

    runs->n = n;

    return ASYNC_OK;
}
