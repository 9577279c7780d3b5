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

#include "async_estimate.h"
#include "async_job.h"


char *async_json_raw(char *p, const char *limit, const char *data,
    size_t len);

#define async_json_literal(p, limit, text)                                   \
    async_json_raw(p, limit, text, sizeof(text) - 1)

char *async_json_escape(char *p, const char *limit, async_str_t s);
char *async_json_text(char *p, const char *limit, const char *name,
    async_str_t s);
char *async_json_number(char *p, const char *limit, const char *name,
    uint64_t v);
char *async_json_time(char *p, const char *limit, const char *name,
    int64_t ms);
char *async_json_percent(char *p, const char *limit, const async_job_t *job,
    const async_estimate_t *estimate);
/* where the job lives, and what lies below it */
char *async_json_url(char *p, const char *limit, const char *name,
    const async_job_t *job, const char *suffix);


#endif /* ASYNC_JSON_OUT_H */
