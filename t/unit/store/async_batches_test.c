/*
 * Batches without end: what they hold is asked for when the door is open.
 */

#include "async_fixture.h"

#include <malloc.h>
#include <pthread.h>


/* of a thread that was lost, nothing is given back */

const char *
__lsan_default_suppressions(void)
{
    return "leak:liblmdb\nleak:async_ahead_tell\nleak:async_batch_\n"
           "leak:async_tally_";
}


typedef struct {
    async_batches_t  batches;        /* the first */
    pthread_mutex_t  lock;
    pthread_cond_t   changed;
    async_event_t    events[8];
    unsigned         waiting;
    async_batch_t    batch;
    unsigned         taken;          /* of each batch, a digit */
    unsigned         ended;
    bool             idle;
    async_rc_t       rc;
    int64_t          wait_ms;
} supply_t;


static int64_t
supply_wait(async_batches_t *batches)
{
    return ((supply_t *) batches)->wait_ms;
}


static async_batch_t *
supply_take(async_batches_t *batches)
{
    supply_t       *s = (supply_t *) batches;
    async_batch_t  *batch;

    pthread_mutex_lock(&s->lock);
    memset(&s->batch, 0, sizeof(s->batch));
    s->batch.events = &s->events[s->ended];
    s->batch.n = s->waiting;
    s->batch.now = FIXTURE_NOW;
    s->taken = s->taken * 10 + s->waiting;
    s->waiting = 0;
    batch = s->batch.n > 0 ? &s->batch : NULL;
    s->idle = batch == NULL;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);

    return batch;
}


static bool
supply_done(async_batches_t *batches, async_batch_t *batch, async_rc_t rc,
    const async_error_t *err)
{
    supply_t  *s = (supply_t *) batches;

    (void) err;
    pthread_mutex_lock(&s->lock);
    s->ended += batch != NULL ? batch->n : 0;
    s->rc = rc;
    s->idle = batch == NULL;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);

    return batch != NULL;
}


static void
supply_init(supply_t *s)
{
    memset(s, 0, sizeof(*s));
    s->batches.wait = supply_wait;
    s->batches.take = supply_take;
    s->batches.done = supply_done;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
}


static void
supply_post(supply_t *s, fixture_t *f, int64_t wait_ms, unsigned waiting)
{
    s->taken = 0;
    s->idle = false;
    s->wait_ms = wait_ms;
    s->waiting = waiting;

    assert_int_equal(async_store_post(f->store, &s->batches, &f->err),
                     ASYNC_OK);
}


static void
supply_idle(supply_t *s)
{
    struct timespec  until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;

    pthread_mutex_lock(&s->lock);

    while (!s->idle) {
        assert_int_equal(pthread_cond_timedwait(&s->changed, &s->lock,
                                                &until), 0);
    }

    pthread_mutex_unlock(&s->lock);
}


static void
a_batch_is_what_is_there_when_the_door_opens(void **state)
{
    unsigned      i;
    supply_t      s;
    fixture_t    *f = *state;
    async_job_t   jobs[8];
    async_door_t  door;

    supply_init(&s);

    for (i = 0; i < 8; i++) {
        jobs[i] = fixture_job(1 + i);
        s.events[i] = fixture_submitted(&jobs[i]);
    }

    /* nothing is posted to a thread that was not needed yet */

    assert_int_equal(fixture_submit(f, &jobs[7]), ASYNC_OK);

    assert_int_equal(async_door_open(&door, f->store->dir_fd, 1000, NULL),
                     ASYNC_OK);
    assert_int_equal(async_door_lock(&door, 1000, NULL), ASYNC_OK);

    supply_post(&s, f, 10000, 1);
    usleep(50000);

    pthread_mutex_lock(&s.lock);
    assert_int_equal(s.taken, 0);
    s.waiting += 3;
    pthread_mutex_unlock(&s.lock);

    async_door_unlock(&door);
    supply_idle(&s);

    /* and it was asked once more, in vain */

    assert_int_equal(s.taken, 40);
    assert_int_equal(s.ended, 4);
    assert_int_equal(s.rc, ASYNC_OK);
    fixture_assert_counts(f, "default", 5, 0);

    /* of a door that stays closed nothing is taken */

    assert_int_equal(async_door_lock(&door, 1000, NULL), ASYNC_OK);
    supply_post(&s, f, 30, 3);
    supply_idle(&s);
    async_door_unlock(&door);

    assert_int_equal(s.rc, ASYNC_BUSY);
    assert_int_equal(s.taken, 0);
    fixture_assert_counts(f, "default", 5, 0);

    supply_post(&s, f, 1000, 3);
    supply_idle(&s);
    assert_int_equal(s.taken, 30);
    fixture_assert_counts(f, "default", 8, 0);

    for (i = 0; i < 7; i++) {
        assert_int_equal(s.events[i].rc, ASYNC_OK);
    }

    async_door_close(&door);
    pthread_mutex_destroy(&s.lock);
    pthread_cond_destroy(&s.changed);
}


/* libc ends this while it holds the lock of this thread's part of the heap */

static int
breaks_the_heap(const MDB_val *a, const MDB_val *b)
{
    (void) a;
    (void) b;

#if !(__SANITIZE_ADDRESS__)
    char *volatile  piece = malloc(20000);
    char *volatile  next = malloc(20000);

    memset(piece + malloc_usable_size(piece), 0, sizeof(size_t));
    free(piece);
    free(next);
#endif

    abort();
}


static void
who_broke_the_heap_does_not_stop_at_it(void **state)
{
    MDB_txn      *txn;
    supply_t      s;
    fixture_t    *f = *state;
    async_job_t   job;

    supply_init(&s);
    job = fixture_job(1);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);

    job = fixture_job(2);
    s.events[0] = fixture_submitted(&job);

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_set_compare(txn, f->store->dbi[ASYNC_DB_META],
                                     breaks_the_heap), 0);
    mdb_txn_abort(txn);

    /* else there would be no end to it */

    alarm(30);
    supply_post(&s, f, 1000, 1);

    pthread_mutex_lock(&s.lock);

    while (s.ended == 0) {
        pthread_cond_wait(&s.changed, &s.lock);
    }

    pthread_mutex_unlock(&s.lock);
    fixture_close(f);
    alarm(0);

    assert_int_equal(s.rc, ASYNC_UNAVAILABLE);
    assert_int_equal(s.events[0].rc, ASYNC_UNAVAILABLE);
}


/* of a job each, one after the other, until it is told that this is the end */

typedef struct {
    async_batches_t  batches;        /* the first */
    async_job_t      job;
    async_event_t    event;
    async_batch_t    batch;
    unsigned         n;
    unsigned         failed;
    bool             over;
} endless_t;


static int64_t
endless_wait(async_batches_t *batches)
{
    (void) batches;

    return 1000;
}


static async_batch_t *
endless_take(async_batches_t *batches)
{
    endless_t  *e = (endless_t *) batches;

    e->job = fixture_job(++e->n);
    e->event = fixture_submitted(&e->job);
    e->batch.events = &e->event;
    e->batch.n = 1;
    e->batch.now = FIXTURE_NOW;

    return &e->batch;
}


static bool
endless_done(async_batches_t *batches, async_batch_t *batch, async_rc_t rc,
    const async_error_t *err)
{
    endless_t  *e = (endless_t *) batches;

    (void) err;
    e->failed += batch != NULL && rc != ASYNC_OK;
    e->over = batch == NULL;

    return batch != NULL;
}


static void
a_store_that_is_closed_ends_them(void **state)
{
    int         i;
    unsigned    lost;
    endless_t   e;
    fixture_t  *f = *state;

    lost = async_scribe_lost();

    for (i = 0; i < 50; i++) {
        memset(&e, 0, sizeof(e));
        e.n = (unsigned) i * 10000;
        e.batches.wait = endless_wait;
        e.batches.take = endless_take;
        e.batches.done = endless_done;

        assert_int_equal(async_store_post(f->store, &e.batches, &f->err),
                         ASYNC_OK);
        usleep((unsigned) (i * 97 % 50) * 100);
        fixture_close(f);

        assert_true(e.over);
        assert_int_equal(e.failed, 0);
        assert_int_equal(async_scribe_lost(), lost);
        assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_batch_is_what_is_there_when_the_door_opens),
        sound(a_store_that_is_closed_ends_them),
        plain(who_broke_the_heap_does_not_stop_at_it)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
