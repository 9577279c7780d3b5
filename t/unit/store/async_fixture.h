/*
 * A real store in a folder of its own for each test, and the few words that
 * tests say to it: submit, claim, settle, and look what rows there are.
 */

#ifndef ASYNC_FIXTURE_H
#define ASYNC_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "async_apply.h"
#include "async_check.h"
#include "async_db.h"
#include "async_feed.h"


#define FIXTURE_NOW     1795341600000       /* 2026-11-22T10:00:00Z */
#define FIXTURE_CLAIMS  64


typedef struct {
    char            path[512];
    async_store_t  *store;
    async_view_t   *view;
    int64_t         now;
    uint64_t        epoch;
    async_error_t   err;

    /* of the last claim */
    async_claim_t   claims[FIXTURE_CLAIMS];
    unsigned        n;
    int64_t         next_due;
    bool            more;
} fixture_t;


static inline async_str_t
fixture_str(const char *text)
{
    async_str_t  s;

    s.data = text;
    s.len = strlen(text);

    return s;
}


/* --- the folder --- */

static inline int
fixture_unlink(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;

    return remove(path);
}


static inline void
fixture_remove(const char *path)
{
    (void) nftw(path, fixture_unlink, 16, FTW_DEPTH|FTW_PHYS);
}


static inline void
fixture_folder(char *path, size_t cap)
{
    const char  *tmp;

    tmp = getenv("TMPDIR");

    snprintf(path, cap, "%s/async-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(path));
}


static inline async_rc_t
fixture_open_as(fixture_t *f, uint64_t size, bool create)
{
    async_rc_t             rc;
    async_store_options_t  options;

    memset(&options, 0, sizeof(options));

    options.path = f->path;
    options.size = size;
    options.create = create;

    f->err.text[0] = '\0';
    f->view = NULL;

    rc = async_store_open(&f->store, &options, &f->err);

    if (rc == ASYNC_OK) {
        assert_int_equal(async_view_open(&f->view, f->store), ASYNC_OK);
    }

    return rc;
}


static inline void
fixture_close(fixture_t *f)
{
    async_view_close(f->view);
    async_store_close(f->store);

    f->view = NULL;
    f->store = NULL;
}


static inline int
fixture_setup_size(void **state, uint64_t size)
{
    fixture_t  *f;

    f = calloc(1, sizeof(fixture_t));
    assert_non_null(f);

    f->now = FIXTURE_NOW;
    fixture_folder(f->path, sizeof(f->path));

    assert_int_equal(async_store_prepare(f->path, geteuid(), getegid(),
                                         &f->err), ASYNC_OK);
    assert_int_equal(fixture_open_as(f, size, true), ASYNC_OK);

    *state = f;

    return 0;
}


static inline int
fixture_setup(void **state)
{
    return fixture_setup_size(state, 256ull << 20);
}


static inline void
fixture_check_fault(void *data, const char *fault)
{
    (void) data;

    print_error("check: %s\n", fault);
}


static inline int
fixture_teardown(void **state)
{
    fixture_t  *f = *state;

    fixture_close(f);
    fixture_remove(f->path);
    free(f);

    return 0;
}


/* --- the store's own check, for tests that leave a sound store --- */

static inline void
fixture_assert_sound(fixture_t *f)
{
    async_error_t          err;
    async_check_figures_t  figures;

    assert_int_equal(async_store_check(f->store, &figures,
                                       fixture_check_fault, NULL, NULL, &err),
                     ASYNC_OK);
    assert_int_equal(figures.faults, 0);
}


static inline int
fixture_teardown_sound(void **state)
{
    fixture_assert_sound(*state);

    return fixture_teardown(state);
}


/* tests of a store of their own, which is checked at the end; or is not, as
   it is damaged or closed by then */
#define sound(test)                                                          \
    cmocka_unit_test_setup_teardown(test, fixture_setup,                     \
                                    fixture_teardown_sound)
#define plain(test)                                                          \
    cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)


/* --- events --- */

static inline async_id_t
fixture_id(unsigned n)
{
    uint8_t     random[ASYNC_ID_RANDOM] = { 0 };
    async_id_t  id;

    async_put_be32(random + 6, n);
    async_id_make(&id, FIXTURE_NOW, random);

    return id;
}


static inline async_job_t
fixture_job(unsigned n)
{
    async_job_t  job;

    memset(&job, 0, sizeof(job));

    job.id = fixture_id(n);
    job.priority = ASYNC_PRIORITY;
    job.attempts_max = 5;
    job.created = FIXTURE_NOW;
    job.server = 7;
    job.request.where = ASYNC_BODY_CHUNKS;
    job.request.len = 4;
    job.request.crc = async_crc32c(0, "body", 4);
    job.queue = fixture_str("default");
    job.status_prefix = fixture_str("/jobs/");
    job.method = fixture_str("POST");
    job.uri = fixture_str("/reports");

    return job;
}


/* records of which the store wants to know no more than that they are whole */

static inline async_str_t
fixture_record(uint8_t *buf, size_t cap, async_record_kind_t kind,
    size_t fill)
{
    char            *bytes;
    async_str_t      record;
    async_writer_t   w;

    bytes = calloc(1, fill + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', fill);

    async_writer_init(&w, buf, cap, kind);
    async_write_tag(&w, 200, bytes, fill);

    record.data = (const char *) buf;
    record.len = async_writer_end(&w);

    assert_int_not_equal(record.len, 0);
    free(bytes);

    return record;
}


static inline async_str_t
fixture_head(async_record_kind_t kind)
{
    static _Thread_local uint8_t  bufs[ASYNC_RECORD_COUNT + 1][64];

    return fixture_record(bufs[kind], sizeof(bufs[kind]), kind, 8);
}


static inline async_event_t
fixture_submitted(const async_job_t *job)
{
    async_event_t  event;

    memset(&event, 0, sizeof(event));

    event.type = ASYNC_EVENT_SUBMITTED;
    event.id = job->id;
    event.job = job;
    event.by = fixture_str("client");
    event.payload.head = fixture_head(ASYNC_RECORD_REQUEST);
    event.payload.capture = fixture_head(ASYNC_RECORD_CAPTURE);
    event.payload.body.data = "body";
    event.payload.body.len = job->request.where == ASYNC_BODY_CHUNKS
                             ? job->request.len : 0;

    return event;
}


static inline async_rc_t
fixture_apply(fixture_t *f, async_event_t *events, unsigned n)
{
    async_batch_t  batch;

    memset(&batch, 0, sizeof(batch));

    batch.events = events;
    batch.n = n;
    batch.now = f->now;

    return async_store_apply(f->store, &batch, &f->err);
}


/* one event: what came of it */

static inline async_rc_t
fixture_event(fixture_t *f, async_event_t *event)
{
    async_rc_t  rc;

    rc = fixture_apply(f, event, 1);

    return rc == ASYNC_OK ? event->rc : rc;
}


static inline async_rc_t
fixture_submit(fixture_t *f, const async_job_t *job)
{
    async_event_t  event;

    event = fixture_submitted(job);

    return fixture_event(f, &event);
}


/* jobs from..from+n-1 of the default queue */

static inline void
fixture_submit_all(fixture_t *f, unsigned from, unsigned n)
{
    unsigned     i;
    async_job_t  job;

    for (i = from; i < from + n; i++) {
        job = fixture_job(i);
        assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    }
}


static inline void
fixture_take_over(fixture_t *f)
{
    assert_true(async_store_lock_worker(f->store, &f->err));
    assert_int_equal(async_store_take_over(f->store, &f->epoch, &f->err),
                     ASYNC_OK);
}


/* one slice, now */

static inline async_sweep_t
fixture_sweep(fixture_t *f)
{
    async_batch_t  batch;
    async_sweep_t  slice;

    memset(&batch, 0, sizeof(batch));
    memset(&slice, 0, sizeof(slice));

    slice.epoch = f->epoch;
    batch.sweep = &slice;
    batch.now = f->now;

    assert_int_equal(async_store_apply(f->store, &batch, &f->err), ASYNC_OK);

    return slice;
}


static inline async_rc_t
fixture_claim_skip(fixture_t *f, unsigned max, const uint64_t *skip,
    unsigned nskip)
{
    async_rc_t             rc;
    async_batch_t          batch;
    async_claim_request_t  request;

    memset(&batch, 0, sizeof(batch));
    memset(&request, 0, sizeof(request));

    request.epoch = f->epoch;
    request.claims = f->claims;
    request.max = max;
    request.skip = skip;
    request.nskip = nskip;

    batch.claim = &request;
    batch.now = f->now;

    rc = async_store_apply(f->store, &batch, &f->err);

    f->n = request.n;
    f->next_due = request.next_due;
    f->more = request.more;

    return rc;
}


static inline unsigned
fixture_claim(fixture_t *f, unsigned max)
{
    assert_int_equal(fixture_claim_skip(f, max, NULL, 0), ASYNC_OK);

    return f->n;
}


/* an event about a claimed job, fence filled in */

static inline async_event_t
fixture_about(async_event_type_t type, const async_job_t *job)
{
    async_event_t  event;

    memset(&event, 0, sizeof(event));

    event.type = type;
    event.id = job->id;
    event.epoch = job->epoch;
    event.attempt = job->attempt;
    event.by = fixture_str("worker");

    return event;
}


static inline async_event_t
fixture_completed(const async_job_t *job)
{
    async_event_t  event;

    event = fixture_about(ASYNC_EVENT_COMPLETED, job);

    event.status = 200;
    event.duration = 1500;
    event.response.where = ASYNC_BODY_CHUNKS;
    event.response.len = 6;
    event.response.crc = async_crc32c(0, "result", 6);
    event.payload.head = fixture_head(ASYNC_RECORD_RESPONSE);
    event.payload.body = fixture_str("result");

    return event;
}


/* --- what is there --- */

static inline async_job_t
fixture_look(fixture_t *f, const async_id_t *id, uint8_t *buf)
{
    async_job_t  job;

    assert_int_equal(async_view_job(f->view, id, &job, buf), ASYNC_OK);

    return job;
}


static inline size_t
fixture_entries(fixture_t *f, async_db_t db)
{
    MDB_txn   *txn;
    MDB_stat   st;

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_stat(txn, f->store->dbi[db], &st), 0);
    mdb_txn_abort(txn);

    return st.ms_entries;
}


static inline bool
fixture_has(fixture_t *f, const async_key_t *key)
{
    bool      has;
    MDB_txn  *txn;
    MDB_val   v;

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, MDB_RDONLY, &txn), 0);
    has = async_db_get(f->store, txn, key, &v) == ASYNC_OK;
    mdb_txn_abort(txn);

    return has;
}


/* the job is where its record says, and nowhere else, if it is the only one */

static inline void
fixture_assert_only(fixture_t *f, const async_job_t *job, async_db_t place)
{
    async_key_t  key;

    async_key_state(&key, job);
    assert_true(fixture_has(f, &key));
    assert_int_equal(fixture_entries(f, ASYNC_DB_BYSTATE), 1);

    assert_int_equal(fixture_entries(f, ASYNC_DB_READY),
                     place == ASYNC_DB_READY);
    assert_int_equal(fixture_entries(f, ASYNC_DB_TIMERS),
                     place == ASYNC_DB_TIMERS);
    assert_int_equal(fixture_entries(f, ASYNC_DB_RUNNING),
                     place == ASYNC_DB_RUNNING);

    async_key_place(&key, job, 0);
    assert_int_equal(key.db, place);

    if (place != ASYNC_DB_READY) {
        assert_true(fixture_has(f, &key));
    }
}


typedef struct {
    const char             *queue;
    async_queue_figures_t   figures;
} fixture_counts_t;


static inline bool
fixture_counts_each(void *data, const async_queue_t *q,
    const async_queue_figures_t *figures)
{
    fixture_counts_t  *counts = data;

    if (q->name.len == strlen(counts->queue)
        && memcmp(q->name.data, counts->queue, q->name.len) == 0)
    {
        counts->figures = *figures;
        return false;
    }

    return true;
}


static inline void
fixture_assert_counts(fixture_t *f, const char *queue, uint64_t queued,
    uint64_t running)
{
    fixture_counts_t  counts;

    memset(&counts, 0, sizeof(counts));
    counts.queue = queue;

    assert_int_equal(async_view_queues(f->view, fixture_counts_each, &counts),
                     ASYNC_OK);
    assert_int_equal(counts.figures.queued, queued);
    assert_int_equal(counts.figures.running, running);
}


static inline void
fixture_queue_of(fixture_t *f, const char *name, uint32_t concurrency,
    uint32_t max_queued, uint32_t per_owner, int64_t loaded)
{
    async_queue_t  queue;

    memset(&queue, 0, sizeof(queue));
    queue.name = fixture_str(name);
    queue.per_owner = per_owner;
    queue.concurrency = concurrency;
    queue.max_queued = max_queued;
    queue.loaded = loaded;

    assert_int_equal(async_store_publish(f->store, NULL, 0, &queue, 1,
                                         &f->err), ASYNC_OK);
}


static inline void
fixture_queue(fixture_t *f, const char *name, uint32_t concurrency,
    uint32_t max_queued, int64_t loaded)
{
    fixture_queue_of(f, name, concurrency, max_queued, 0, loaded);
}


/*
 * Writes a row behind the store's back, for tests of damage; len 0 removes
 * it.
 */

static inline void
fixture_overwrite(fixture_t *f, const async_key_t *key, const void *data,
    size_t len)
{
    MDB_txn  *txn;
    MDB_val   k, v;

    k.mv_size = key->len;
    k.mv_data = (void *) key->bytes;
    v.mv_size = len;
    v.mv_data = (void *) data;

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, 0, &txn), 0);

    if (len == 0) {
        assert_int_equal(mdb_del(txn, f->store->dbi[key->db], &k, NULL), 0);

    } else {
        assert_int_equal(mdb_put(txn, f->store->dbi[key->db], &k, &v, 0), 0);
    }

    assert_int_equal(mdb_txn_commit(txn), 0);
}


/* a stored value, copied; returns its length */

static inline size_t
fixture_value(fixture_t *f, const async_key_t *key, uint8_t *buf, size_t cap)
{
    MDB_txn  *txn;
    MDB_val   v;

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(async_db_get(f->store, txn, key, &v), ASYNC_OK);
    assert_true(v.mv_size <= cap);

    memcpy(buf, v.mv_data, v.mv_size);
    mdb_txn_abort(txn);

    return v.mv_size;
}


static inline uint64_t
fixture_transaction(fixture_t *f)
{
    async_store_figures_t  figures;

    assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);

    return figures.transaction;
}


/* --- other processes --- */

/* the exit status of a child that must end by itself */

static inline int
fixture_wait(pid_t pid)
{
    int  status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));

    return WEXITSTATUS(status);
}


#endif /* ASYNC_FIXTURE_H */
