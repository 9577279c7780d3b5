/*
 * Thousands of random events, right and wrong ones, against a model of the
 * store that is a table in memory; every now and then, and at the end, each
 * row of each index is compared.  SEED=n repeats a run.
 */

#include "async_model.h"


/* --- steps --- */

static async_job_t
random_job(model_t *m, unsigned n)
{
    async_job_t  job;

    job = fixture_job(n);
    job.queue = fixture_str(queues[pick(m, QUEUES)]);
    job.priority = (uint8_t) pick(m, 10);
    job.server = 1 + pick(m, SERVERS);
    job.flags = pick(m, 2) ? ASYNC_JOB_REPEATABLE : 0;

    return job;
}


/* keys and owner, in the event and for the model */

static void
random_known(model_t *m, async_job_t *job, async_event_t *event,
    model_job_t *known)
{
    memset(known, 0, sizeof(model_job_t));

    known->key = pick(m, 2) ? (int) pick(m, KEYS) : NOBODY;
    known->print = (int) pick(m, 8) / 7;
    known->coalesce = pick(m, 4) ? NOBODY : (int) pick(m, KEYS);
    known->owner = (int) pick(m, OWNERS + 1) - 1;

    if (known->key != NOBODY) {
        event->idempotency.used = true;
        event->idempotency.ttl = pick(m, 60) * 24 * 3600 * 1000ull;
        memset(event->idempotency.hash, known->key, ASYNC_SUBMIT_HASH);
        memset(event->idempotency.print, known->print, ASYNC_SUBMIT_PRINT);

        job->idempotency.expires = job->created
                                   + (int64_t) event->idempotency.ttl;
    }

    if (known->coalesce != NOBODY) {
        event->coalesce.used = true;
        memset(event->coalesce.hash, 0x80 + known->coalesce,
               ASYNC_SUBMIT_HASH);
    }

    if (known->owner != NOBODY) {
        job->owner = fixture_str(owners[known->owner]);
    }
}


static async_event_t
random_settling(model_t *m, unsigned n)
{
    async_job_t       job;
    async_event_t     event;
    static const int  types[] = {
        ASYNC_EVENT_COMPLETED, ASYNC_EVENT_FAILED, ASYNC_EVENT_RELEASED,
        ASYNC_EVENT_INTERRUPTED, ASYNC_EVENT_ATTEMPT_FAILED,
        ASYNC_EVENT_CANCEL_REQUESTED, ASYNC_EVENT_CANCELED,
        ASYNC_EVENT_FORGOTTEN
    };

    job = m->jobs[n].there ? m->jobs[n].job : fixture_job(n);

    /* the last is rare: what is forgotten is out of the game */

    event = fixture_completed(&job);
    event.type = types[pick(m, 29) / 4];
    event.sent = pick(m, 2);

    switch (pick(m, 8)) {
    case 0:
        event.epoch += pick(m, 3) - 1;
        break;
    case 1:
        event.attempt += pick(m, 3) - 1;
        break;
    }

    if (event.type != ASYNC_EVENT_COMPLETED) {
        memset(&event.response, 0, sizeof(event.response));
        memset(&event.payload, 0, sizeof(event.payload));
    }

    if (event.type != ASYNC_EVENT_COMPLETED
        && event.type != ASYNC_EVENT_FAILED)
    {
        event.status = pick(m, 2) ? 500 : 0;
    }

    /* whom a claim finds too late, no attempt tells */

    if (event.type == ASYNC_EVENT_FAILED
        || event.type == ASYNC_EVENT_ATTEMPT_FAILED)
    {
        do {
            event.error = (uint8_t) (1 + pick(m, ASYNC_JOB_ERROR_MAX - 1));
        } while (event.error == ASYNC_JOB_ERROR_START_TIMEOUT);
    }

    if (event.type == ASYNC_EVENT_ATTEMPT_FAILED) {
        event.due = m->f->now + pick(m, 50);
    }

    if (event.type == ASYNC_EVENT_RELEASED && pick(m, 2)) {
        event.due = m->f->now + pick(m, 50);
    }

    return event;
}


static void
events_step(model_t *m)
{
    unsigned        i, n, at;
    async_rc_t      rc;
    async_job_t     jobs[BATCH];
    async_event_t   events[BATCH];
    model_job_t    *mj, *other, known[BATCH];

    n = 1 + pick(m, BATCH);

    for (i = 0; i < n; i++) {
        at = pick(m, JOBS);

        if (pick(m, 2) && !m->jobs[at].forgotten) {
            jobs[i] = random_job(m, at);
            events[i] = fixture_submitted(&jobs[i]);
            events[i].due = pick(m, 3) ? 0 : m->f->now + pick(m, 50);
            random_known(m, &jobs[i], &events[i], &known[i]);

        } else {
            events[i] = random_settling(m, at);
        }
    }

    assert_int_equal(fixture_apply(m->f, events, n), ASYNC_OK);

    for (i = 0; i < n; i++) {
        mj = &m->jobs[async_get_be32(events[i].id.bytes + 12)];
        other = NULL;

        if (events[i].type == ASYNC_EVENT_SUBMITTED) {
            rc = model_judge(m, &jobs[i], &known[i], &other);
            assert_int_equal(events[i].rc, rc);
            assert_memory_equal(&events[i].id, other != NULL ? &other->job.id
                                                             : &jobs[i].id,
                                sizeof(async_id_t));

        } else if (!mj->there) {
            assert_int_equal(events[i].rc, ASYNC_NOT_FOUND);

        } else if (!model_fence(m, &events[i])) {
            assert_true(events[i].rc == ASYNC_STALE
                        || (events[i].rc == ASYNC_REFUSED
                            && async_state_final(mj->job.state)
                               != (events[i].type == ASYNC_EVENT_FORGOTTEN)));
        } else {
            assert_int_equal(events[i].rc, ASYNC_OK);
        }

        if (events[i].rc == ASYNC_EXISTS && other != NULL) {
            model_joined(m, other, &known[i], events[i].idempotency.ttl);
        }

        if (events[i].rc != ASYNC_OK) {
            m->refused++;
            continue;
        }

        m->applied++;

        if (events[i].type == ASYNC_EVENT_SUBMITTED) {
            model_submitted(m, &events[i], &known[i]);

        } else {
            model_settled(m, &events[i]);
        }
    }
}


/* those whose wait is over, in the order of their time */

static void
claim_woken(model_t *m)
{
    unsigned      i;
    async_job_t  *job;
    model_job_t  *first;

    for ( ;; ) {
        first = NULL;

        for (i = 0; i < JOBS; i++) {
            job = &m->jobs[i].job;

            if (m->jobs[i].there
                && (job->state == ASYNC_STATE_RETRYING
                    || job->state == ASYNC_STATE_SCHEDULED)
                && job->due <= m->f->now
                && (first == NULL || job->due < first->job.due
                    || (job->due == first->job.due
                        && memcmp(&job->id, &first->job.id,
                                  sizeof(async_id_t)) < 0)))
            {
                first = &m->jobs[i];
            }
        }

        if (first == NULL) {
            return;
        }

        first->job.queued = first->job.state == ASYNC_STATE_SCHEDULED
                            ? first->job.due : m->f->now;
        first->job.state = ASYNC_STATE_QUEUED;
        first->job.error = ASYNC_JOB_ERROR_NONE;
        first->job.due = 0;
        first->job.seq++;
        first->number = ++m->feed;
    }
}


/* what a claim did of itself to jobs that it did not give out */

static void
claim_moved(model_t *m, const uint64_t *skip, unsigned nskip)
{
    bool          away;
    unsigned      i;
    uint8_t       buf[ASYNC_JOB_MAX];
    async_job_t   job;
    model_job_t  *mj;

    for (i = 0; i < JOBS; i++) {
        mj = &m->jobs[i];

        if (!mj->there || mj->job.state != ASYNC_STATE_QUEUED) {
            continue;
        }

        away = nskip > 0 && mj->job.server == skip[0];

        if ((mj->job.flags & ASYNC_JOB_PARKED) && mj->job.due <= m->f->now) {
            mj->job.due = 0;
            mj->job.flags &= (uint16_t) (away ? ~0 : ~ASYNC_JOB_PARKED);
            mj->number = 0;
        }

        job = fixture_look(m->f, &mj->job.id, buf);

        if (!(mj->job.flags & ASYNC_JOB_PARKED)
            && (job.flags & ASYNC_JOB_PARKED))
        {
            assert_true(away);
            mj->job.flags |= ASYNC_JOB_PARKED;
            mj->job.due = 0;
        }
    }
}


static void
claim_given(model_t *m, const async_claim_t *claim, const uint64_t *skip,
    unsigned nskip)
{
    unsigned      i;
    model_job_t  *mj;

    mj = &m->jobs[async_get_be32(claim->job.id.bytes + 12)];

    assert_true(model_ready(mj));
    assert_true(nskip == 0 || mj->job.server != skip[0]);

    for (i = 0; i < JOBS; i++) {
        if (model_ready(&m->jobs[i])
            && m->jobs[i].job.queue.data == mj->job.queue.data
            && model_before(&m->jobs[i], mj))
        {
            fail_msg("job %u was passed over", i);
        }
    }

    mj->job.state = ASYNC_STATE_PROCESSING;
    mj->job.attempt++;
    mj->job.epoch = m->f->epoch;
    mj->job.due = 0;
    mj->job.seq++;
    m->feed++;

    assert_int_equal(claim->job.attempt, mj->job.attempt);
    assert_int_equal(claim->job.epoch, m->f->epoch);
}


static void
claim_step(model_t *m)
{
    unsigned  i, max, nskip;
    uint64_t  skip;

    max = pick(m, 8);
    skip = 1 + pick(m, SERVERS);
    nskip = pick(m, 3) == 0 ? 1 : 0;

    assert_int_equal(fixture_claim_skip(m->f, max, &skip, nskip), ASYNC_OK);
    assert_true(m->f->n <= max);

    /* first what was woken or parked; the claimed are still queued here,
       and their records no longer: they cannot be taken for parked */

    claim_woken(m);
    claim_moved(m, &skip, nskip);

    for (i = 0; i < m->f->n; i++) {
        claim_given(m, &m->f->claims[i], &skip, nskip);
    }

    for (i = 0; i < QUEUES; i++) {
        assert_true(model_count(m, i, true) <= concurrency[i]);
    }

    /* who got less than he asked for was told that there is no more */

    if (m->f->n < max) {
        assert_false(m->f->more);

        for (i = 0; i < JOBS; i++) {
            if (model_ready(&m->jobs[i])) {
                unsigned  q;

                for (q = 0; m->jobs[i].job.queue.data != queues[q]; q++) {
                    /* void */
                }

                assert_int_equal(model_count(m, q, true), concurrency[q]);
            }
        }
    }
}


static void
recover_step(model_t *m)
{
    bool         left;
    unsigned     i;
    async_job_t  *job;

    fixture_take_over(m->f);

    do {
        assert_int_equal(async_store_recover(m->f->store, m->f->epoch,
                                             m->f->now, 1 + pick(m, 5), &left,
                                             &m->f->err), ASYNC_OK);
    } while (left);

    for (i = 0; i < JOBS; i++) {
        job = &m->jobs[i].job;

        if (!m->jobs[i].there || job->state != ASYNC_STATE_PROCESSING) {
            continue;
        }

        job->seq++;
        m->feed++;
        m->jobs[i].number = 0;

        if (job->flags & ASYNC_JOB_CANCEL_WANTED) {
            job->flags |= ASYNC_JOB_SENT;
            job->state = ASYNC_STATE_CANCELED;
            job->expires = m->f->now + 24 * 3600 * 1000ll;
            job->due = m->f->now + 30 * 24 * 3600 * 1000ll;
            model_ended(&m->jobs[i]);
            continue;
        }

        job->deaths++;

        if ((job->flags & ASYNC_JOB_REPEATABLE) && job->deaths < 3) {
            job->flags |= ASYNC_JOB_SENT;
            job->state = ASYNC_STATE_QUEUED;

        } else {
            job->state = ASYNC_STATE_FAILED;
            job->error = ASYNC_JOB_ERROR_OUTCOME_UNKNOWN;
            job->expires = m->f->now + 7 * 24 * 3600 * 1000ll;
            job->due = m->f->now + 30 * 24 * 3600 * 1000ll;
            model_ended(&m->jobs[i]);
        }
    }
}


/* --- the comparison --- */

static int
order(const void *a, const void *b)
{
    int                 rc;
    const async_key_t  *x = a, *y = b;

    rc = memcmp(x->bytes, y->bytes, x->len < y->len ? x->len : y->len);

    return rc != 0 ? rc : (x->len > y->len) - (x->len < y->len);
}


static void
compare_rows(model_t *m, model_rows_t *rows)
{
    unsigned     i;
    MDB_txn     *txn;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    qsort(rows->rows, rows->n, sizeof(async_key_t), order);

    assert_int_equal(mdb_txn_begin(m->f->store->env, NULL, MDB_RDONLY, &txn),
                     0);
    assert_int_equal(mdb_cursor_open(txn, m->f->store->dbi[rows->db],
                                     &cursor), 0);

    for (i = 0; i < rows->n; i++) {
        assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_NEXT), 0);
        assert_int_equal(k.mv_size, rows->rows[i].len);
        assert_memory_equal(k.mv_data, rows->rows[i].bytes, k.mv_size);
    }

    assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_NEXT), MDB_NOTFOUND);

    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
}


static void
compare_job(model_t *m, unsigned n)
{
    uint8_t             buf[ASYNC_JOB_MAX];
    async_id_t          id;
    async_job_t         job;
    const async_job_t  *want;

    id = fixture_id(n);

    if (!m->jobs[n].there) {
        assert_int_equal(async_view_job(m->f->view, &id, &job, buf),
                         ASYNC_NOT_FOUND);
        return;
    }

    want = &m->jobs[n].job;
    job = fixture_look(m->f, &id, buf);

    assert_int_equal(job.state, want->state);
    assert_int_equal(job.flags, want->flags);
    assert_int_equal(job.attempt, want->attempt);
    assert_int_equal(job.deaths, want->deaths);
    assert_int_equal(job.epoch, want->epoch);
    assert_int_equal(job.seq, want->seq);
    assert_int_equal(job.queued, want->queued);
    assert_int_equal(job.due, want->due);
    assert_int_equal(job.expires, want->expires);
    assert_int_equal(job.error, want->error);
    assert_int_equal(job.result_status, want->result_status);
    assert_int_equal(job.priority, want->priority);
}


static bool
own_each(void *data, const async_job_t *job)
{
    async_id_t  **next = data;

    *(*next)++ = job->id;

    return true;
}


/* a list, read in pages of seven, against the ids in falling order */

static void
compare_own(model_t *m, int owner)
{
    unsigned           n, i;
    async_id_t         found[JOBS + 1], *next;
    async_own_page_t   page;
    async_own_query_t  query = { .limit = 7 };

    query.owner = fixture_str(owners[owner]);
    query.state = ASYNC_STATE_COMPLETED * (unsigned) pick(m, 2);
    next = found;

    do {
        assert_int_equal(async_view_own(m->f->view, &query, &page, own_each,
                                        &next), ASYNC_OK);
        query.before = page.last;
    } while (page.more);

    for (i = JOBS, n = 0; i-- > 0; /* void */) {
        if (m->jobs[i].there && m->jobs[i].owner == owner
            && (query.state == 0 || m->jobs[i].job.state == query.state))
        {
            assert_memory_equal(&found[n++], &m->jobs[i].job.id,
                                sizeof(async_id_t));
        }
    }

    assert_int_equal(next - found, n);
}


static void
compare(model_t *m)
{
    unsigned      i;
    uint64_t      seq;
    async_db_t    db;
    async_key_t   key;
    model_rows_t  rows[ASYNC_DB_MAX];

    memset(rows, 0, sizeof(rows));

    for (db = 0; db < ASYNC_DB_MAX; db++) {
        rows[db].db = db;
        rows[db].rows = calloc(2 * (JOBS + KEYS), sizeof(async_key_t));
    }

    for (i = 0; i < JOBS; i++) {
        compare_job(m, i);

        if (m->jobs[i].there) {
            async_key_state(&key, &m->jobs[i].job);
            rows[key.db].rows[rows[key.db].n++] = key;
            async_key_place(&key, &m->jobs[i].job, m->jobs[i].number);
            rows[key.db].rows[rows[key.db].n++] = key;
            model_rows(&m->jobs[i], rows);
        }
    }

    compare_rows(m, &rows[ASYNC_DB_READY]);
    compare_rows(m, &rows[ASYNC_DB_TIMERS]);
    compare_rows(m, &rows[ASYNC_DB_RUNNING]);
    compare_rows(m, &rows[ASYNC_DB_BYSTATE]);
    compare_rows(m, &rows[ASYNC_DB_KNOWN]);
    compare_rows(m, &rows[ASYNC_DB_OWNERS]);

    for (i = 0; i < OWNERS; i++) {
        compare_own(m, (int) i);
    }

    for (i = 0; i < QUEUES; i++) {
        fixture_assert_counts(m->f, queues[i], model_count(m, i, false),
                              model_count(m, i, true));
    }

    assert_int_equal(async_view_feed_last(m->f->view, &seq), ASYNC_OK);
    assert_int_equal(seq, m->feed);

    for (db = 0; db < ASYNC_DB_MAX; db++) {
        free(rows[db].rows);
    }

    fixture_assert_sound(m->f);
}


static void
the_store_does_what_the_model_does(fixture_t *f, uint64_t seed)
{
    unsigned  i, step;
    model_t  *m;

    m = calloc(1, sizeof(model_t));
    assert_non_null(m);
    m->f = f;
    m->random = seed * 0x9E3779B97F4A7C15ull + 1;

    print_message("# seed %llu\n", (unsigned long long) seed);

    for (i = 0; i < QUEUES; i++) {
        fixture_queue_of(f, queues[i], concurrency[i], 1000, per_owner[i], 1);
    }

    fixture_take_over(f);

    for (step = 0; step < STEPS; step++) {

        f->now += pick(m, 3);

        switch (pick(m, 20)) {

        case 0:
            if (pick(m, 10) == 0) {
                recover_step(m);
            }

            break;

        case 1: case 2: case 3: case 4: case 5: case 6:
            claim_step(m);
            break;

        default:
            events_step(m);
            break;
        }

        if (step % 250 == 249) {
            compare(m);
        }

        if (step % 500 == 499) {
            fixture_close(f);
            assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
            fixture_take_over(f);
            recover_step(m);
        }
    }

    /* a run in which little happened would prove little */

    assert_true(m->applied > 200);
    assert_true(m->refused > 200);

    free(m);
}


static void
random_run_1(void **state)
{
    const char  *seed;

    seed = getenv("SEED");

    the_store_does_what_the_model_does(*state, seed != NULL
                                       ? strtoull(seed, NULL, 10) : 1);
}


static void
random_run_2(void **state)
{
    the_store_does_what_the_model_does(*state, 2);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(random_run_1),
        sound(random_run_2)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
