/*
 * A store of jobs in all states, for tests that damage its file: what each
 * job is made of, and where in the file each part of it lies.
 */

#ifndef ASYNC_IMPRINT_H
#define ASYNC_IMPRINT_H

#include <sys/mman.h>

#include "async_fixture.h"


#define JOBS    240
#define GONE    96
#define DAY     86400000
#define PARTS   8
#define SPANS   64
#define PAGE    4096


typedef struct {
    size_t  from, to;
} span_t;

/* of a job: its record, each kind of payload, its history */
enum { RECORD, REQUEST, CAPTURE, REQUEST_BODY, RESPONSE, RESPONSE_BODY,
       HISTORY };

typedef struct {
    async_id_t  id;
    uint8_t     record[ASYNC_JOB_MAX];
    size_t      len;
    uint32_t    crc[PARTS];          /* of all rows */
    uint32_t    rows[PARTS];
    span_t      spans[PARTS][SPANS];
    unsigned    n[PARTS];
    bool        found;
} model_t;

static char      root[64];
static fixture_t *whole;              /* the store as it was, closed */
static uint8_t   *image;
static size_t     size;
static model_t    models[JOBS];
static unsigned   njobs;
static span_t     list[256];          /* pages of the list of free pages */
static unsigned   nlist;
static span_t     policies;
static async_id_t  gone[GONE];
static async_runs_t  learned;         /* of its one location */


/* --- the store as it was --- */

static inline char *
bytes_of(unsigned n, size_t len)
{
    char    *bytes;
    size_t   i;

    bytes = malloc(len + 1);
    assert_non_null(bytes);

    for (i = 0; i < len; i++) {
        bytes[i] = (char) (n * 31 + i * 7 + i / 251);
    }

    return bytes;
}


static inline async_body_t
body_of(fixture_t *f, async_id_t id, async_payload_kind_t kind,
    const char *bytes, size_t len, bool spooled)
{
    async_body_t   body;
    async_spool_t  spool;

    memset(&body, 0, sizeof(body));
    body.where = ASYNC_BODY_CHUNKS;
    body.len = len;
    body.crc = async_crc32c(0, bytes, len);

    if (spooled) {
        assert_int_equal(async_spool_create(&spool, f->store, &id, kind,
                                            &f->err), ASYNC_OK);
        assert_int_equal(async_spool_write(&spool, bytes, len, &f->err),
                         ASYNC_OK);
        assert_int_equal(async_spool_finish(&spool, &body, &f->err),
                         ASYNC_OK);
    }

    return body;
}


static inline const async_policy_t *
policy_of(bool brief)
{
    static async_policy_t  policy;

    async_policy_defaults(&policy);
    policy.timeout = 1000;
    policy.location = 17;

    if (brief) {
        policy.retain_result = 1;
        policy.retain_failed = 1;
        policy.retain_history = 1;
    }

    return &policy;
}


static const size_t  sizes[] = { 4, 0, 900, 5000, 3000, 20000, 60 };


/* as far apart as real ones: a flipped bit makes none of the others */

static inline async_id_t
id_of(unsigned n, int64_t at)
{
    unsigned    i;
    uint8_t     random[ASYNC_ID_RANDOM];
    async_id_t  id;

    for (i = 0; i < sizeof(random); i++) {
        n = n * 1103515245 + 12345;
        random[i] = (uint8_t) (n >> 16);
    }

    async_id_make(&id, at, random);

    return id;
}


/* one in two has an owner, one in three a key, one in five coalesces */

static inline void
known_by(unsigned n, async_job_t *job, async_event_t *event)
{
    static const char  owner[] = "one of several..";

    if (n % 2 == 0) {
        job->owner = fixture_str(owner);
    }

    if (n % 3 == 0) {
        event->idempotency.used = true;
        event->idempotency.ttl = DAY;
        memset(event->idempotency.hash, (int) n, ASYNC_SUBMIT_HASH);
        memset(event->idempotency.print, (int) n + 1, ASYNC_SUBMIT_PRINT);
    }

    if (n % 5 == 0) {
        event->coalesce.used = true;
        memset(event->coalesce.hash, (int) n, ASYNC_SUBMIT_HASH);
        event->coalesce.hash[0] ^= 0xff;
    }
}


static inline void
submit(fixture_t *f, unsigned n)
{
    char           *bytes;
    size_t          len;
    async_job_t     job;
    async_event_t   event;

    len = sizes[n % 7];
    bytes = bytes_of(n, len);

    job = fixture_job(n);
    job.id = id_of(n, f->now);
    job.created = f->now;
    job.priority = n % 10;
    job.flags = n % 2 ? ASYNC_JOB_REPEATABLE : 0;
    async_policy_key(job.policy, policy_of(false));
    job.request = body_of(f, job.id, ASYNC_PAYLOAD_REQUEST_BODY, bytes, len,
                          n % 29 == 3);

    event = fixture_submitted(&job);
    event.payload.body.data = bytes;
    event.payload.body.len = job.request.where == ASYNC_BODY_CHUNKS ? len : 0;

    known_by(n, &job, &event);

    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    free(bytes);
}


static inline void
settle(fixture_t *f, const async_job_t *job, unsigned n)
{
    char           *bytes;
    size_t          len;
    async_event_t   event;

    switch (n % 8) {

    case 0:
        return;                                     /* goes on running */

    case 1:
        event = fixture_about(ASYNC_EVENT_RELEASED, job);
        event.due = f->now + 60000;
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
        return;

    case 2:
        event = fixture_about(ASYNC_EVENT_FAILED, job);
        event.error = ASYNC_JOB_ERROR_TIMEOUT;
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
        return;

    case 3:
        event = fixture_about(ASYNC_EVENT_ATTEMPT_FAILED, job);
        event.error = ASYNC_JOB_ERROR_TIMEOUT;
        event.due = f->now + 90000;
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
        return;

    default:
        len = sizes[(n + 3) % 7];
        bytes = bytes_of(n + 1000, len);

        event = fixture_completed(job);
        event.response = body_of(f, job->id, ASYNC_PAYLOAD_RESPONSE_BODY,
                                 bytes, len, n % 31 >= 28);
        event.payload.body.data = bytes;
        event.payload.body.len = event.response.where == ASYNC_BODY_CHUNKS
                                 ? len : 0;

        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
        free(bytes);
    }
}


/* jobs that have come and gone: what is left of them lies in free pages */

static inline void
forget(fixture_t *f)
{
    unsigned        i;
    async_batch_t   batch;
    async_event_t   event;
    async_sweep_t   sweep;
    async_job_t     job;

    /* no turn for the others */

    fixture_queue(f, "default", 1, 100000, FIXTURE_NOW + 1);

    for (i = 0; i < GONE; i++) {
        job = fixture_job(i);
        job.id = id_of(1000 + i, FIXTURE_NOW - DAY);
        job.priority = 9;
        job.queue = fixture_str("brief");
        gone[i] = job.id;
        async_policy_key(job.policy, policy_of(true));

        assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

        if (i % 8 == 7) {
            fixture_claim(f, 8);

            for (; f->n > 0; f->n--) {
                event = fixture_completed(&f->claims[f->n - 1].job);
                assert_int_equal(fixture_event(f, &event), ASYNC_OK);
            }
        }
    }

    f->now += 1000;
    memset(&batch, 0, sizeof(batch));

    do {
        memset(&sweep, 0, sizeof(sweep));
        sweep.epoch = f->epoch;
        batch.sweep = &sweep;
        batch.now = f->now;

        assert_int_equal(async_store_apply(f->store, &batch, &f->err),
                         ASYNC_OK);
    } while (sweep.more || sweep.rows > 0);

    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), JOBS);
}


static inline void
populate(fixture_t *f)
{
    unsigned  i, n, settled;

    assert_int_equal(async_store_publish(f->store, policy_of(false), 1, NULL, 0,
                                         &f->err), ASYNC_OK);
    fixture_queue(f, "default", 64, 100000, FIXTURE_NOW);
    fixture_take_over(f);

    assert_int_equal(async_store_publish(f->store, policy_of(true), 1, NULL,
                                         0, &f->err), ASYNC_OK);

    for (n = 0, settled = 0; n < JOBS; n += 24) {

        for (i = n; i < n + 24; i++) {
            submit(f, i);
        }

        f->now += 1000;
        fixture_claim(f, 14);

        for (i = 0; i < f->n; i++) {
            settle(f, &f->claims[i].job, settled++);
        }
    }

    forget(f);
}


/* --- where it lies in the file --- */

static inline size_t
offset_of(const uint8_t *map, const void *p)
{
    return (size_t) ((const uint8_t *) p - map);
}


static inline void
span_add(model_t *m, unsigned part, size_t from, size_t to)
{
    assert_true(m->n[part] < SPANS);

    m->spans[part][m->n[part]].from = from;
    m->spans[part][m->n[part]].to = to;
    m->n[part]++;
}


/* header and offsets of the leaf, the node, and a value on its own page */

static inline void
spans_of(model_t *m, unsigned part, const uint8_t *map, const MDB_val *k,
    const MDB_val *v)
{
    size_t    key, value, page;
    uint16_t  lower;

    key = offset_of(map, k->mv_data);
    value = offset_of(map, v->mv_data);
    page = key / PAGE * PAGE;

    memcpy(&lower, map + page + 12, sizeof(lower));

    span_add(m, part, page, page + lower);
    span_add(m, part, key - 8, key + k->mv_size + 8);

    if (v->mv_size != 0) {
        span_add(m, part, value, value + v->mv_size);
    }
}


static inline model_t *
model_of(const void *id)
{
    unsigned  i;

    for (i = 0; i < njobs; i++) {
        if (memcmp(&models[i].id, id, sizeof(async_id_t)) == 0) {
            return &models[i];
        }
    }

    return NULL;
}


typedef void (*row_fn)(const uint8_t *map, const MDB_val *k,
    const MDB_val *v);


static inline void
each_row(fixture_t *f, MDB_dbi dbi, row_fn fn)
{
    MDB_txn        *txn;
    MDB_val         k, v;
    uint64_t        pgno;
    MDB_cursor     *cursor;
    const uint8_t  *page;

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_cursor_open(txn, dbi, &cursor), 0);

    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        page = (uint8_t *) ((uintptr_t) k.mv_data / PAGE * PAGE);
        memcpy(&pgno, page, sizeof(pgno));
        fn(page - pgno * PAGE, &k, &v);
    }

    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
}


static inline void
take_job(const uint8_t *map, const MDB_val *k, const MDB_val *v)
{
    model_t  *m;

    m = &models[njobs++];

    memcpy(&m->id, k->mv_data, sizeof(async_id_t));
    memcpy(m->record, v->mv_data, v->mv_size);
    m->len = v->mv_size;

    spans_of(m, RECORD, map, k, v);
}


static inline void
take_payload(const uint8_t *map, const MDB_val *k, const MDB_val *v)
{
    model_t   *m;
    unsigned   part;

    m = model_of(k->mv_data);
    assert_non_null(m);

    part = ((uint8_t *) k->mv_data)[16];
    m->crc[part] = async_crc32c(m->crc[part], v->mv_data, v->mv_size);
    m->rows[part]++;

    spans_of(m, part, map, k, v);
}


static inline void
take_line(const uint8_t *map, const MDB_val *k, const MDB_val *v)
{
    model_t  *m;

    m = model_of(k->mv_data);
    assert_non_null(m);

    m->crc[HISTORY] = async_crc32c(m->crc[HISTORY], v->mv_data, v->mv_size);
    m->rows[HISTORY]++;

    spans_of(m, HISTORY, map, k, v);
}


static inline void
take_free(const uint8_t *map, const MDB_val *k, const MDB_val *v)
{
    size_t  page, value;

    assert_true(nlist + 2 < 256);

    page = offset_of(map, k->mv_data) / PAGE * PAGE;
    value = offset_of(map, v->mv_data) / PAGE * PAGE;

    list[nlist].from = page;
    list[nlist++].to = page + PAGE;
    list[nlist].from = value;
    list[nlist++].to = value + (v->mv_size / PAGE + 1) * PAGE;
}


static inline void
take_policy(const uint8_t *map, const MDB_val *k, const MDB_val *v)
{
    (void) v;

    policies.from = offset_of(map, k->mv_data) / PAGE * PAGE;
    policies.to = policies.from + PAGE;
}


static inline void
file_path(char *out, const char *folder, const char *name)
{
    snprintf(out, 600, "%s/%s", folder, name);
}


static inline int
setup(void **state)
{
    int          fd;
    char         path[600];
    void        *f;
    struct stat  st;

    (void) state;

    snprintf(root, sizeof(root), "/tmp/async-salvage-XXXXXX");
    assert_non_null(mkdtemp(root));

    assert_int_equal(fixture_setup(&f), 0);
    whole = f;

    populate(whole);

    each_row(whole, whole->store->dbi[ASYNC_DB_JOBS], take_job);
    each_row(whole, whole->store->dbi[ASYNC_DB_PAYLOAD], take_payload);
    each_row(whole, whole->store->dbi[ASYNC_DB_TRAIL], take_line);
    each_row(whole, 0, take_free);
    each_row(whole, whole->store->dbi[ASYNC_DB_POLICY], take_policy);

    assert_int_equal(njobs, JOBS);
    assert_true(nlist > 0);

    assert_int_equal(async_view_runs(whole->view, 7, policy_of(false)->location,
                                     &learned), ASYNC_OK);
    assert_int_not_equal(learned.n, 0);

    fixture_assert_sound(whole);
    fixture_close(whole);

    file_path(path, whole->path, "db/data.mdb");
    fd = open(path, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);

    size = (size_t) st.st_size;
    image = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(image, MAP_FAILED);
    close(fd);

    return 0;
}


static inline int
teardown(void **state)
{
    (void) state;

    munmap(image, size);
    fixture_remove(whole->path);
    fixture_remove(root);
    free(whole);

    return 0;
}


#endif /* ASYNC_IMPRINT_H */
