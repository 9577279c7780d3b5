/*
 * Time zones: the input is a file of the system's data.  The spans of what is
 * taken lie one after the other.
 */

#include "async_cron.h"
#include "fuzz.h"


#define SPANS  64


static void
assert_spans(const async_zone_t *zone, int64_t t)
{
    int                i;
    async_zone_span_t  span, next;

    async_zone_span(zone, t, &span);

    for (i = 0; i < SPANS; i++) {
        fuzz_assert(span.from <= t && t < span.to);
        fuzz_assert(span.offset > -26 * 7 * 3600
                    && span.offset < 26 * 7 * 3600);

        /* as far as the calendar goes */

        if (span.to > 250000000000) {
            return;
        }

        t = span.to;
        async_zone_span(zone, t, &next);
        fuzz_assert(next.from == t);
        span = next;
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t        next;
    async_cron_t   cron;
    async_zone_t   zone;
    async_error_t  err;

    (void) async_zone_name(fuzz_str(data, size));

    if (async_zone_decode(&zone, data, size) != ASYNC_OK) {
        return 0;
    }

    assert_spans(&zone, 0);
    assert_spans(&zone, 1795942800);

    (void) async_cron_parse(&cron, fuzz_str("30 2 * * *", 10), &err);

    next = async_cron_next(&cron, &zone, 1795942800000);
    fuzz_assert(next > 1795942800000);

    return 0;
}
