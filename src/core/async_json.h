/*
 * JSON of a job and of its history (contract, section 4), written by hand:
 * the status of a job is served as fast as a static string, which no tree of
 * nodes can be.
 */

#ifndef ASYNC_JSON_H
#define ASYNC_JSON_H

#include <stddef.h>

#include "async_estimate.h"
#include "async_job.h"
#include "async_trail.h"


/* enough for a line of history of ASYNC_TRAIL_MAX bytes */
#define ASYNC_JSON_TRAIL_MAX  8192

/* enough for any job whose strings are within ASYNC_JOB_MAX, escaped */
#define ASYNC_JSON_JOB_MAX  36864

/*
 * Appends to out what fits, always within cap; returns the length that the
 * document has (no NUL), or 0 if cap was too small.  estimate may be NULL.
 */
size_t async_json_job(char *out, size_t cap, const async_job_t *job,
    const async_estimate_t *estimate);

/*
 * {"type":"job.completed","timestamp":…,"data":{document}} of a job that has
 * ended (contract, section 7); the caller has made its prefix absolute.
 */
#define ASYNC_JSON_WEBHOOK_MAX  (128 + ASYNC_JSON_JOB_MAX)

size_t async_json_webhook(char *out, size_t cap, const async_job_t *job);

/*
 * The strong ETag of that document, quotes included (RFC 9110, 8.8.3): the
 * number of the job's last change, and what the estimate shows, which moves
 * between changes; nothing else in the document does.  So two documents of a
 * job that have the same are the same.  Returns its length, at most
 * ASYNC_JSON_ETAG.
 *
 * Who waits for it to change makes the estimate anew, once a second is often
 * enough: what it is made from is not looked up more often.
 */
#define ASYNC_JSON_ETAG  (1 + 16 + 1 + 2 + 1 + 16 + 1)

size_t async_json_etag(char out[ASYNC_JSON_ETAG], const async_job_t *job,
    const async_estimate_t *estimate);

/*
 * The document in the azure dialect.  origin, "scheme://host[:port]",
 * completes the place of the result; empty where the job's prefix is absolute.
 */
size_t async_json_azure(char *out, size_t cap, const async_job_t *job,
    const async_estimate_t *estimate, async_str_t origin);

/*
 * {"error":{"code":…,"message":…}}, in all dialects but the native one; with
 * unknown "outcome":"unknown" beside the two, since nothing else may stand
 * beside an error there.
 */
size_t async_json_error(char *out, size_t cap, async_str_t code,
    async_str_t message, bool unknown);

/* the same for a line of a job's history (contract, section 4) */
size_t async_json_trail(char *out, size_t cap, uint64_t seq,
    const async_trail_t *t);

/*
 * RFC 8259 string with quotes: escapes control characters, quote, backslash
 * and DEL; bytes that are not UTF-8 become U+FFFD.  Returns the new end, or
 * NULL if it would pass limit.
 */
char *async_json_string(char *out, const char *limit, async_str_t s);


#endif /* ASYNC_JSON_H */
