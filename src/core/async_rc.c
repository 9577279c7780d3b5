/*
 * Result codes by name, and the sentence that goes with a failure.
 */

#include <stdarg.h>
#include <stdio.h>

#include "async_rc.h"


const char *
async_rc_name(async_rc_t rc)
{
    switch (rc) {

    case ASYNC_OK:
        return "ok";

    case ASYNC_NOT_FOUND:
        return "not-found";

    case ASYNC_CORRUPT:
        return "corrupt";

    case ASYNC_INVALID:
        return "invalid";

    case ASYNC_NO_SPACE:
        return "no-space";

    case ASYNC_REFUSED:
        return "refused";

    case ASYNC_STALE:
        return "stale";

    case ASYNC_LATE:
        return "late";

    case ASYNC_QUEUE_FULL:
        return "queue-full";

    case ASYNC_STORE_FULL:
        return "store-full";

    case ASYNC_BUSY:
        return "busy";

    case ASYNC_UNAVAILABLE:
        return "unavailable";

    case ASYNC_UNKNOWN:
        return "unknown";

    case ASYNC_NO_KEY:
        return "no-key";

    case ASYNC_EXISTS:
        return "exists";

    case ASYNC_KEY_REUSED:
        return "key-reused";

    case ASYNC_OWNER_FULL:
        return "owner-full";

    case ASYNC_EARLY:
        return "early";
    }

    /* no default above: the compiler names a code that was forgotten */

    return "invalid-code";
}


void
async_error_set(async_error_t *err, const char *fmt, ...)
{
    va_list  args;

    if (err == NULL) {
        return;
    }

    va_start(args, fmt);
    (void) vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
}
