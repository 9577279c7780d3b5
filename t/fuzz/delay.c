/*
 * Delays, and with them RFC 3339.  The first byte says when now is.
 */

#include "async_delay.h"
#include "async_time.h"
#include "fuzz.h"


/* from 1970 to the year 9998, so that a year ahead can still be written */

static const int64_t  nows[] = {
    0, 1, 999999999999, 1000000000000, 1795341600250, 253370764799999
};


/* a time that is read is the same when it is written and read again */

static void
assert_time(const char *text, size_t len)
{
    char     again[ASYNC_TIME_TEXT];
    int64_t  ms, ms_again;

    if (!async_time_parse(&ms, text, len)) {
        return;
    }

    /* 0000-01-01T00:00:00+23:59, 9999-12-31T23:59:59.999-23:59 */

    fuzz_assert(ms >= -62167305540000 && ms <= 253402387139999);
    fuzz_assert(len >= sizeof("0000-01-01T00:00:00Z") - 1);

    if (ms < 0 || ms > 253402300799999) {
        return;
    }

    fuzz_assert(async_time_format(again, ms) == again + ASYNC_TIME_TEXT);
    fuzz_assert(async_time_parse(&ms_again, again, ASYNC_TIME_TEXT));
    fuzz_assert(ms_again == ms);
}


static void
assert_due(int64_t now, int64_t due)
{
    char     text[ASYNC_TIME_TEXT];
    int64_t  again;

    fuzz_assert(due > now && due <= now + ASYNC_DELAY_MAX);

    (void) async_time_format(text, due);
    fuzz_assert(async_delay_parse(fuzz_str(text, sizeof(text)), now, &again)
                == ASYNC_OK);
    fuzz_assert(again == due);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t     now, due;
    async_rc_t  rc;

    if (size == 0) {
        return 0;
    }

    now = nows[data[0] % (sizeof(nows) / sizeof(nows[0]))];
    data++;
    size--;

    assert_time((const char *) data, size);

    rc = async_delay_parse(fuzz_str(data, size), now, &due);

    if (rc == ASYNC_OK && due != 0) {
        assert_due(now, due);
        return 0;
    }

    fuzz_assert(rc == ASYNC_OK || rc == ASYNC_INVALID);
    fuzz_assert(due == 0);

    return 0;
}
