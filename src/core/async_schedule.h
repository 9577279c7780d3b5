/*
 * A schedule: what nginx.conf says of it, with the request ready to be made a
 * job of, and apart from that what has become of it.
 *
 * Decoding borrows: strings point into the bytes that were decoded.
 */

#ifndef ASYNC_SCHEDULE_H
#define ASYNC_SCHEDULE_H

#include "async_job.h"


#define ASYNC_SCHEDULE_NAME   64        /* bytes */
#define ASYNC_SCHEDULE_BODY   65536
#define ASYNC_SCHEDULE_LATE   60000     /* ms: more is a misfire */
#define ASYNC_SCHEDULE_STATE  512       /* bytes of an encoded state */

/* no time is next: it is paused, or left nginx.conf */
#define ASYNC_SCHEDULE_NEVER  INT64_MAX


/* what becomes of times that were missed */
#define ASYNC_MISFIRES(X)                                                    \
    X(0, ONCE, "once")                  /* one run for all of them */        \
    X(1, ALL,  "all")                   /* a run for each */                 \
    X(2, SKIP, "skip")

typedef enum {
#define X(number, symbol, name)  ASYNC_MISFIRE_##symbol = number,
    ASYNC_MISFIRES(X)
#undef X
    ASYNC_MISFIRE_MAX
} async_misfire_t;


typedef struct {
    async_str_t   name;                 /* 1..ASYNC_SCHEDULE_NAME bytes */
    async_str_t   cron;
    async_str_t   zone;                 /* empty: that of the machine */
    uint8_t       misfire;              /* async_misfire_t */
    bool          overlap;              /* also while its last job is
                                           unfinished */
    bool          gone;                 /* no longer in nginx.conf */
    uint64_t      instance;             /* of nginx: whose it is */
    int64_t       loaded;               /* unix ms when that nginx read its
                                           configuration; the newest wins */
    async_str_t   job;                  /* an encoded job, to be copied; its
                                           seal is that of the rest */
    async_str_t   head;                 /* REQUEST record */
    async_str_t   capture;              /* CAPTURE record */
    async_str_t   body;
    async_str_t   hook;                 /* an encoded webhook, which waits;
                                           empty: nobody is told */
} async_schedule_t;

typedef struct {
    async_str_t   name;
    int64_t       next;                 /* unix ms, 0: to be found */
    int64_t       last;                 /* the last time that a firing was
                                           for, 0: none yet */
    int64_t       fired;                /* when that was */
    bool          paused;
    async_id_t    job;                  /* of that firing or of a run by hand;
                                           no zeroes if there is one */
    uint8_t       result;               /* async_state_t in which that ended;
                                           0: it has not */
    uint8_t       error;                /* async_job_error_t, of the same */
    uint64_t      skipped;              /* times that came to nothing */
} async_schedule_state_t;


/* 0: it does not fit, or is not valid; need is what it takes */
size_t async_schedule_encode(const async_schedule_t *s, uint8_t *buf,
    size_t cap);
size_t async_schedule_size(const async_schedule_t *s);
async_rc_t async_schedule_decode(async_schedule_t *s, const void *data,
    size_t len);

size_t async_schedule_state_encode(const async_schedule_state_t *state,
    uint8_t *buf, size_t cap);
async_rc_t async_schedule_state_decode(async_schedule_state_t *state,
    const void *data, size_t len);

bool async_schedule_name(async_str_t name);
/* false if there is no such word */
bool async_misfire_parse(async_str_t word, uint8_t *misfire);
const char *async_misfire_name(uint8_t misfire);


#endif /* ASYNC_SCHEDULE_H */
