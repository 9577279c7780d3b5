/*
 * The hot record of a job: what status, claim and settle need, below 2 KB.
 * Request and response live beside it as payload (async_message.h).
 *
 * Decoding borrows: the strings of an async_job_t point into the bytes that
 * were decoded and die with them.
 */

#ifndef ASYNC_JOB_H
#define ASYNC_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "async_id.h"
#include "async_rc.h"
#include "async_record.h"
#include "async_state.h"


#define ASYNC_JOB_MAX       2048    /* bytes of an encoded job */
#define ASYNC_QUEUE_MAX     64      /* bytes of a queue's name */
#define ASYNC_PRIORITY      4       /* default; 9 runs first */
#define ASYNC_OWNER         16      /* bytes: the first of SHA-256 of the
                                       owner's name */
#define ASYNC_SUBMIT_HASH   32      /* bytes: SHA-256 of all that makes two
                                       submits one */
#define ASYNC_SUBMIT_PRINT  16      /* bytes: the first of SHA-256 of what was
                                       submitted */
#define ASYNC_NO_PERCENT    255


/* why a job failed: number on disk, code on the wire (contract, section 8) */
#define ASYNC_JOB_ERRORS(X)                                                  \
    X(1, BACKEND_STATUS,      "backend-status")                              \
    X(2, BACKEND_UNREACHABLE, "backend-unreachable")                         \
    X(3, TIMEOUT,             "timeout")                                     \
    X(4, START_TIMEOUT,       "start-timeout")                               \
    X(5, OUTCOME_UNKNOWN,     "outcome-unknown")                             \
    X(6, RESULT_TOO_LARGE,    "result-too-large")

typedef enum {
    ASYNC_JOB_ERROR_NONE = 0,
#define X(number, symbol, name)  ASYNC_JOB_ERROR_##symbol = number,
    ASYNC_JOB_ERRORS(X)
#undef X
    ASYNC_JOB_ERROR_MAX
} async_job_error_t;


/* facts that do not depend on each other */
#define ASYNC_JOB_REPEATABLE     0x0001  /* may be sent twice: method is not
                                            POST, PATCH or LOCK, or the user
                                            allowed it (non_idempotent) */
#define ASYNC_JOB_CANCEL_WANTED  0x0002
#define ASYNC_JOB_PARKED         0x0004  /* queued, but waits until due, or
                                            with due 0 until its nginx answers
                                            again */
#define ASYNC_JOB_SWEPT          0x0008  /* final, and past its retention: the
                                            payload is gone */
#define ASYNC_JOB_SENT           0x0010  /* an attempt was sent, and what came
                                            of it is not known: to be told of
                                            one that was canceled */
#define ASYNC_JOB_FORGET         0x0020  /* nobody is told of it: it is not
                                            served, and gone with its end */
#define ASYNC_JOB_ANSWERED       0x0040  /* the backend answered an attempt
                                            that did not end it */
#define ASYNC_JOB_MESSAGE        0x0080  /* of a sender who sends it again if
                                            it fails: then it gives up its
                                            idempotency key */


/* a key that the job is known by: it has a row in keys, see async_db.h */
typedef struct {
    bool      used;
    uint8_t   hash[ASYNC_SUBMIT_HASH];
    uint8_t   print[ASYNC_SUBMIT_PRINT];   /* of an idempotency key only */
    int64_t   expires;              /* unix ms, the same: the job is not
                                       forgotten before */
} async_job_key_t;


/*
 * What backends reported.  Of the lines that its history would have, the last
 * one of an attempt that runs is kept.
 */
typedef struct {
    uint64_t  thinned;              /* lines that were removed */
    uint64_t  row;                  /* seq of the one that stands, 0 = none */
    int64_t   received;             /* unix us: the report that is shown */
    int64_t   pace;                 /* see async_pace.h */
} async_job_reports_t;


/* where a body lies */
typedef enum {
    ASYNC_BODY_NONE   = 0,          /* there is none (not even an empty one) */
    ASYNC_BODY_CHUNKS = 1,          /* in the store; len may be 0 */
    ASYNC_BODY_SPOOL  = 2           /* file in spool/, see async_payload.h */
} async_body_where_t;

/*
 * How what belongs to a request (head, capture, body) or to a response (head,
 * body) is encrypted, see async_cipher.h.  The checksums are of the bytes as
 * they are stored, so that they can be compared without a key; those of heads
 * in the clear are in their records.
 */
#define ASYNC_KEY_ID  8
#define ASYNC_SALT    16

typedef struct {
    bool      used;                 /* false: it is in the clear */
    bool      moved;                /* under the id of another job, of which
                                       it is a copy */
    async_id_t  of;
    uint8_t   key[ASYNC_KEY_ID];
    uint8_t   salt[ASYNC_SALT];     /* new for each that is stored */
    uint32_t  head_crc;
    uint32_t  capture_crc;
} async_seal_t;

typedef struct {
    uint8_t       where;
    uint64_t      len;              /* bytes, before they are encrypted */
    uint32_t      crc;              /* CRC32C of the whole, as it is stored */
    async_seal_t  seal;             /* also of what has no body */
} async_body_t;


typedef struct {
    async_id_t   id;                /* the key; not in the record */

    /* fixed head */
    uint8_t      state;             /* async_state_t */
    uint8_t      priority;          /* 0..9 */
    uint8_t      percent;           /* 0..100 or ASYNC_NO_PERCENT */
    uint8_t      error;             /* async_job_error_t */
    uint16_t     flags;             /* ASYNC_JOB_* */
    uint16_t     result_status;     /* HTTP status, 0 = none stored */
    uint32_t     attempt;           /* made so far, 1 = first */
    uint32_t     attempts_max;      /* those that were cut do not count: each
                                       makes it one more */
    uint32_t     deaths;            /* times an attempt was cut by a crash */
    uint64_t     epoch;             /* of the worker that claimed it */
    uint64_t     seq;               /* last event in its trail */
    int64_t      created;           /* unix ms, like all below; 0 = not yet */
    int64_t      queued;            /* place in the queue */
    int64_t      due;               /* next attempt, or not before; of a job
                                       that ended: when it is forgotten */
    int64_t      started;           /* of the last attempt */
    int64_t      finished;
    int64_t      expires;           /* the result */
    uint64_t     server;            /* key of the server block that replays
                                       it: names the socket in run/ */
    uint8_t      policy[16];        /* key in the policy database */
    async_body_t request;
    async_body_t response;

    /* tags */
    async_str_t  queue;             /* 1..ASYNC_QUEUE_MAX bytes */
    async_str_t  status_prefix;     /* "/jobs/": URLs are made from it */
    async_str_t  method;            /* for lists and logs */
    async_str_t  uri;               /* the same, cut at 256 bytes */
    async_str_t  message;           /* progress, UTF-8 */
    async_str_t  resource;          /* the backend's Location, made absolute */
    async_str_t  detail;            /* one sentence beside error, for people */
    async_str_t  owner;             /* ASYNC_OWNER bytes, or nobody's */
    uint8_t      dialect;           /* async_dialect_t, or of a newer version:
                                       as good as native */
    uint64_t     bucket;            /* of its rows in keys and owners, 0 = it
                                       has none */
    async_job_key_t  idempotency;
    async_job_key_t  coalesce;      /* until it ends */
    uint8_t      hooks;             /* 1: it has a webhook, see async_hook.h */
    async_job_reports_t  reports;
    async_id_t   retry_of;          /* the job that it repeats, by hand */
    async_id_t   retried_as;        /* the one that repeats it; all zero:
                                       there is none.  Either may be gone */
    async_str_t  schedule;          /* the name of what made it */

    async_str_t  unknown;           /* tags of a newer version, carried along */
} async_job_t;


/*
 * Bytes written, or 0 if it does not fit into cap (ASYNC_JOB_MAX is enough
 * for what the limits above allow; longer strings are the caller's error) or
 * holds what decode would refuse: no state, priority over 9, percent over
 * 100, no queue or one with too long a name or one that begins with a zero
 * byte, an unknown place of a body, an owner of another length.
 */
size_t async_job_encode(const async_job_t *job, uint8_t *buf, size_t cap);
/* ASYNC_OK or ASYNC_CORRUPT; id is taken as given */
async_rc_t async_job_decode(async_job_t *job, const async_id_t *id,
    const void *data, size_t len);
/*
 * Whether its request is still stored.  What ran to its end, or was canceled,
 * is not run again; one that failed keeps it for a retry by hand.
 */
bool async_job_keeps_request(const async_job_t *job);
/* it has failed, and what is needed to run it once more is there */
bool async_job_retryable(const async_job_t *job);
bool async_job_has(const async_id_t *id);     /* of the two above: there is */
const char *async_job_error_name(async_job_error_t error);   /* "" if none */


#endif /* ASYNC_JOB_H */
