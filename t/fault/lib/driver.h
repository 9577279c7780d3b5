/*
 * The words that the programs of these tests say to a store: open, submit,
 * claim, end.  What must not fail ends the program with a sentence.
 */

#ifndef DRIVER_H
#define DRIVER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_apply.h"
#include "async_check.h"
#include "async_payload.h"


#define DRIVER_NOW  1795341600000           /* 2026-11-22T10:00:00Z */


__attribute__((noreturn, format(printf, 1, 2)))
static inline void
die(const char *fmt, ...)
{
    va_list  ap;

    va_start(ap, fmt);
    (void) vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void) fputc('\n', stderr);

    _exit(1);
}


/* --- chance, the same for the same seed --- */

static inline uint64_t
driver_random(uint64_t *seed)
{
    uint64_t  z;

    *seed += 0x9e3779b97f4a7c15;            /* splitmix64 */
    z = *seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}


static inline unsigned
driver_below(uint64_t *seed, unsigned n)
{
    return (unsigned) (driver_random(seed) % n);
}


static inline void
driver_fill(uint64_t *seed, char *buf, size_t len)
{
    size_t    i;
    uint64_t  word;

    for (i = 0, word = 0; i < len; i++, word >>= 8) {
        word = i % 8 == 0 ? driver_random(seed) : word;
        buf[i] = (char) word;
    }
}


/* --- the store --- */

static inline async_str_t
driver_str(const char *text)
{
    async_str_t  s;

    s.data = text;
    s.len = strlen(text);

    return s;
}


static inline async_rc_t
driver_open(async_store_t **store, const char *path, uint64_t size,
    bool relaxed, async_error_t *err)
{
    async_rc_t             rc;
    async_store_options_t  options;

    memset(&options, 0, sizeof(options));

    options.path = path;
    options.size = size;
    options.relaxed = relaxed;
    options.create = true;

    rc = async_store_prepare(path, geteuid(), getegid(), err);

    return rc == ASYNC_OK ? async_store_open(store, &options, err) : rc;
}


/* as the tools do it: what root makes in a store is lost to its owner */

static inline void
driver_become_owner(const char *path)
{
    char         db[512];
    struct stat  st;

    (void) snprintf(db, sizeof(db), "%s/db", path);

    if (geteuid() == 0
        && (stat(db, &st) == -1 || setgid(st.st_gid) == -1
            || setuid(st.st_uid) == -1))
    {
        die("cannot become the owner of %s", db);
    }
}


static inline async_id_t
driver_id(unsigned n, int64_t now)
{
    uint8_t     random[ASYNC_ID_RANDOM] = { 0 };
    async_id_t  id;

    async_put_be32(random + 6, n);
    async_id_make(&id, now, random);

    return id;
}


/* job n; its body is the caller's business */

static inline async_job_t
driver_job(unsigned n, int64_t now)
{
    async_job_t  job;

    memset(&job, 0, sizeof(job));

    job.id = driver_id(n, now);
    job.priority = ASYNC_PRIORITY;
    job.attempts_max = 5;
    job.created = now;
    job.server = 7;
    job.queue = driver_str("default");
    job.status_prefix = driver_str("/jobs/");
    job.method = driver_str("POST");
    job.uri = driver_str("/reports");

    return job;
}


/* a record of which the store wants to know no more than that it is whole */

static inline async_str_t
driver_head(async_record_kind_t kind, uint8_t *buf, size_t cap, size_t fill)
{
    char            bytes[4096];
    async_str_t     head;
    async_writer_t  w;

    memset(bytes, 'h', sizeof(bytes));

    async_writer_init(&w, buf, cap, kind);
    async_write_tag(&w, 200, bytes, fill);

    head.data = (const char *) buf;
    head.len = async_writer_end(&w);

    return head;
}


static inline async_event_t
driver_submitted(const async_job_t *job)
{
    async_event_t         event;
    static uint8_t        request[512], capture[512];

    memset(&event, 0, sizeof(event));

    event.type = ASYNC_EVENT_SUBMITTED;
    event.id = job->id;
    event.job = job;
    event.by = driver_str("client");
    event.payload.head = driver_head(ASYNC_RECORD_REQUEST, request,
                                     sizeof(request), 300);
    event.payload.capture = driver_head(ASYNC_RECORD_CAPTURE, capture,
                                        sizeof(capture), 200);

    return event;
}


/* an end of a claimed job, with the fence of its claim */

static inline async_event_t
driver_ended(async_event_type_t type, const async_id_t *id, uint64_t epoch,
    uint32_t attempt)
{
    async_event_t   event;
    static uint8_t  response[512];

    memset(&event, 0, sizeof(event));

    event.type = type;
    event.id = *id;
    event.epoch = epoch;
    event.attempt = attempt;
    event.by = driver_str("worker");

    if (type == ASYNC_EVENT_COMPLETED || type == ASYNC_EVENT_FAILED) {
        event.status = type == ASYNC_EVENT_COMPLETED ? 200 : 500;
        event.duration = 1500;
        event.payload.head = driver_head(ASYNC_RECORD_RESPONSE, response,
                                         sizeof(response), 150);
    }

    if (type == ASYNC_EVENT_FAILED) {
        event.error = ASYNC_JOB_ERROR_BACKEND_STATUS;
    }

    return event;
}


/* a body in the store, or in a file of its own */

static inline void
driver_body(async_store_t *store, const async_id_t *id,
    async_payload_kind_t kind, bool spool, const char *bytes, size_t len,
    async_body_t *body, async_payload_t *payload)
{
    async_error_t  err;
    async_spool_t  file;

    if (spool) {
        if (async_spool_create(&file, store, id, kind, &err) != ASYNC_OK
            || async_spool_write(&file, bytes, len, &err) != ASYNC_OK
            || async_spool_finish(&file, body, &err) != ASYNC_OK)
        {
            die("spool: %s", err.text);
        }

        return;
    }

    body->where = ASYNC_BODY_CHUNKS;
    body->len = len;
    body->crc = async_crc32c(0, bytes, len);

    payload->body.data = bytes;
    payload->body.len = len;
}


static inline uint64_t
driver_take_over(async_store_t *store)
{
    uint64_t       epoch;
    async_error_t  err;

    if (!async_store_lock_worker(store, &err)
        || async_store_take_over(store, &epoch, &err) != ASYNC_OK)
    {
        die("take over: %s", err.text);
    }

    return epoch;
}


/* --- its check --- */

static inline void
driver_fault(void *data, const char *fault)
{
    unsigned  *shown = data;

    if ((*shown)++ < 5) {
        (void) fprintf(stderr, "check: %s\n", fault);
    }
}


/* the number of faults; UINT64_MAX if it could not be checked */

static inline uint64_t
driver_check(async_store_t *store)
{
    unsigned               shown;
    async_error_t          err;
    async_check_figures_t  figures;

    shown = 0;

    if (async_store_check(store, &figures, driver_fault, NULL, &shown, &err)
        != ASYNC_OK)
    {
        (void) fprintf(stderr, "check: %s\n", err.text);
        return UINT64_MAX;
    }

    return figures.faults;
}


#endif /* DRIVER_H */
