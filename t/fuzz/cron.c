/*
 * Expressions of cron, and the times that come of them.
 */

#include "async_cron.h"
#include "fuzz.h"


/* a time fits its expression, rises, and is the first of its kind */

static void
assert_next(const async_cron_t *cron, const async_zone_t *utc, int64_t after)
{
    int64_t  next;

    next = async_cron_next(cron, utc, after);

    fuzz_assert(next > after && next % 60000 == 0);
    fuzz_assert(cron->minutes >> (next / 60000 % 60) & 1);
    fuzz_assert(cron->hours >> (next / 3600000 % 24) & 1);
    fuzz_assert(async_cron_next(cron, utc, next - 1) == next);
    fuzz_assert(async_cron_next(cron, utc, after + (next - after) / 2)
                == next);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    async_rc_t     rc;
    async_cron_t   cron;
    async_zone_t   utc;
    async_error_t  err;

    err.text[0] = '\0';
    rc = async_cron_parse(&cron, fuzz_str(data, size), &err);

    if (rc != ASYNC_OK) {
        fuzz_assert(rc == ASYNC_INVALID && err.text[0] != '\0');
        return 0;
    }

    fuzz_assert(cron.minutes != 0 && cron.minutes >> 60 == 0);
    fuzz_assert(cron.hours != 0 && cron.hours >> 24 == 0);
    fuzz_assert(cron.days != 0 && (cron.days & 1) == 0);
    fuzz_assert(cron.months != 0 && (cron.months & ~0x1ffe) == 0);
    fuzz_assert(cron.weekdays != 0 && cron.weekdays >> 7 == 0);

    async_zone_utc(&utc);
    assert_next(&cron, &utc, 0);
    assert_next(&cron, &utc, 1795942799999);

    return 0;
}
