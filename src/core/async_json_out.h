/*
 * Private to src/core: appending to a document.  Appends run to a limit that
 * no caller can pass: what does not fit makes the end NULL, and NULL goes
 * through all that follows, so that one look at the end is enough.
 *
 * Names come with their comma, and with the opening quote where the value
 * does not bring it.  A text or a time that is not set is left out.
 */

#ifndef ASYNC_JSON_OUT_H
#define ASYNC_JSON_OUT_H

#include <string.h>

#include "async_json.h"


/* inline, since every poll makes a document, and most of that is literals:
   how long they are, and so how they are copied, the compiler knows then */

static inline char *
async_json_raw(char *p, const char *limit, const char *data, size_t len)
{
    if (p == NULL || len > (size_t) (limit - p)) {
        return NULL;
    }

    memcpy(p, data, len);

    return p + len;
}

#define async_json_literal(p, limit, text)                                   \
    async_json_raw(p, limit, text, sizeof(text) - 1)

char *async_json_escape(char *p, const char *limit, async_str_t s);
char *async_json_digits(char *p, const char *limit, uint64_t v);
/* with the quote behind it */
char *async_json_moment(char *p, const char *limit, int64_t ms);


static inline char *
async_json_text(char *p, const char *limit, const char *name, async_str_t s)
{
    if (s.len == 0) {
        return p;
    }

    p = async_json_raw(p, limit, name, strlen(name));

    return async_json_string(p, limit, s);
}


static inline char *
async_json_number(char *p, const char *limit, const char *name, uint64_t v)
{
    p = async_json_raw(p, limit, name, strlen(name));

    return async_json_digits(p, limit, v);
}


static inline char *
async_json_time(char *p, const char *limit, const char *name, int64_t ms)
{
    if (ms == 0) {
        return p;
    }

    p = async_json_raw(p, limit, name, strlen(name));

    return async_json_moment(p, limit, ms);
}


char *async_json_percent(char *p, const char *limit, const async_job_t *job,
    const async_estimate_t *estimate);
/* where the job lives, id being its text, and what lies below it */
char *async_json_url(char *p, const char *limit, const async_job_t *job,
    const char id[ASYNC_ID_TEXT], const char *suffix);


#endif /* ASYNC_JSON_OUT_H */
