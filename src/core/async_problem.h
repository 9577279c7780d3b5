/*
 * Our own error answers: application/problem+json (RFC 9457) with a code
 * from the contract, section 8.
 */

#ifndef ASYNC_PROBLEM_H
#define ASYNC_PROBLEM_H

#include <stddef.h>

#include "async_id.h"
#include "async_record.h"


/*    symbol, status, code, title */
#define ASYNC_PROBLEMS(X)                                                    \
    X(KEY_MISSING, 400, "idempotency-key-missing",                           \
      "The idempotency key is missing")                                      \
    X(KEY_INVALID, 400, "idempotency-key-invalid",                           \
      "The idempotency key is invalid")                                      \
    X(DELAY_INVALID, 400, "delay-invalid",                                   \
      "The delay is invalid")                                                \
    X(CALLBACK_INVALID, 400, "callback-invalid",                             \
      "The callback is invalid")                                             \
    X(CALLBACK_REFUSED, 400, "callback-refused",                             \
      "The callback is not allowed")                                         \
    X(PROGRESS_INVALID, 400, "progress-invalid",                             \
      "The progress is invalid")                                             \
    X(QUERY_INVALID, 400, "query-invalid",                                   \
      "The query is invalid")                                                \
    X(SIGNATURE_INVALID, 401, "signature-invalid",                           \
      "The signature is invalid")                                            \
    X(OWNER_REQUIRED, 403, "owner-required",                                 \
      "An owner is required")                                                \
    X(JOB_NOT_FOUND, 404, "job-not-found",                                   \
      "No such job")                                                         \
    X(METHOD_NOT_ALLOWED, 405, "method-not-allowed",                         \
      "Method not allowed")                                                  \
    X(JOB_FINISHED, 409, "job-finished",                                     \
      "The job has finished")                                                \
    X(JOB_CANCELED, 409, "job-canceled",                                     \
      "The job was canceled")                                                \
    X(RESULT_GONE, 410, "result-gone",                                       \
      "The result is gone")                                                  \
    X(KEY_REUSED, 422, "idempotency-key-reused",                             \
      "The idempotency key was used before")                                 \
    X(OWNER_LIMIT, 429, "owner-limit",                                       \
      "Too many jobs of this owner")                                         \
    X(BACKEND_STATUS, 502, "backend-status",                                 \
      "The backend refused")                                                 \
    X(BACKEND_UNREACHABLE, 502, "backend-unreachable",                       \
      "The backend could not be reached")                                    \
    X(TIMEOUT, 504, "timeout",                                               \
      "The backend took too long")                                           \
    X(START_TIMEOUT, 502, "start-timeout",                                   \
      "The job was not started in time")                                     \
    X(OUTCOME_UNKNOWN, 502, "outcome-unknown",                               \
      "The outcome is unknown")                                              \
    X(RESULT_TOO_LARGE, 502, "result-too-large",                             \
      "The response was too large")                                          \
    X(STORE_UNAVAILABLE, 503, "store-unavailable",                           \
      "The job store is unavailable")                                        \
    X(STORE_FULL, 503, "store-full",                                         \
      "The job store is full")                                               \
    X(QUEUE_FULL, 503, "queue-full",                                         \
      "The queue is full")

typedef enum {
#define X(symbol, status, code, title)  ASYNC_PROBLEM_##symbol,
    ASYNC_PROBLEMS(X)
#undef X
    ASYNC_PROBLEM_MAX
} async_problem_t;


#define ASYNC_PROBLEM_TEXT  1024

int async_problem_status(async_problem_t problem);
const char *async_problem_code(async_problem_t problem);
/*
 * Writes the document, no NUL, into out (at least ASYNC_PROBLEM_TEXT bytes)
 * and returns its length.  detail is cut at 512 bytes, counted as it stands
 * in the document (escaped), and may be empty; id may be NULL; unknown adds
 * "outcome":"unknown".
 */
size_t async_problem_json(char *out, async_problem_t problem,
    async_str_t detail, const async_id_t *id, int unknown);


#endif /* ASYNC_PROBLEM_H */
