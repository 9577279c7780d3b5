/*
 * The thread that writes: its results go to who asked, and its locks open
 * when it is lost.
 */

#include "async_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>


/* of a thread that was lost, nothing is given back */

const char *
__lsan_default_suppressions(void)
{
    return "leak:liblmdb\nleak:async_ahead_tell";
}


typedef struct {
    fixture_t  *f;
    unsigned    n;
    unsigned    wrong;
} asker_t;


static async_rc_t
twice(async_store_t *store, void *data, async_error_t *err)
{
    unsigned  *n = data;

    (void) store;
    (void) err;
    *n *= 2;

    return *n % 4 == 0 ? ASYNC_OK : ASYNC_STALE;
}


static void *
ask(void *data)
{
    unsigned    i, n;
    asker_t    *asker = data;
    async_rc_t  rc;

    for (i = 0; i < 2000; i++) {
        n = asker->n + i;
        rc = async_scribe_run(asker->f->store, twice, &n, NULL);

        asker->wrong += n != 2 * (asker->n + i)
                        || rc != (n % 4 == 0 ? ASYNC_OK : ASYNC_STALE);
    }

    return NULL;
}


static void
each_gets_the_answer_to_his_own_question(void **state)
{
    int         i;
    asker_t     askers[4];
    pthread_t   threads[4];
    fixture_t  *f = *state;

    for (i = 0; i < 4; i++) {
        askers[i] = (asker_t) { f, (unsigned) i * 1000003, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]),
                         0);
    }

    for (i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(askers[i].wrong, 0);
    }
}


/* of the calling thread's turns at the processor, in ns; 0: the kernel does
   not say */

static uint64_t
slice(void)
{
    uint64_t  attr[6];               /* struct sched_attr */

    return syscall(SYS_sched_getattr, 0, attr, sizeof(attr), 0) == 0
           ? attr[3] : 0;
}


static async_rc_t
tell_slice(async_store_t *store, void *data, async_error_t *err)
{
    (void) store;
    (void) err;
    *(uint64_t *) data = slice();

    return ASYNC_OK;
}


static void
its_turns_at_the_processor_are_short(void **state)
{
    uint64_t    scribes;
    fixture_t  *f = *state;

    if (slice() == 0) {
        print_message("this kernel has no turns to choose\n");
        skip();
    }

    assert_int_equal(async_scribe_run(f->store, tell_slice, &scribes, NULL),
                     ASYNC_OK);
    assert_int_equal(scribes, 100000);
    assert_true(slice() > 100000);
}


typedef struct {
    atomic_uint  turns;
    atomic_bool  enough;
    atomic_uint  never;              /* told so */
} poster_t;


static bool
again(async_store_t *store, void *data)
{
    poster_t  *poster = data;

    if (store == NULL) {
        (void) atomic_fetch_add(&poster->never, 1);
        return false;
    }

    (void) atomic_fetch_add(&poster->turns, 1);

    return !atomic_load(&poster->enough);
}


static void
what_goes_on_and_on_and_who_asks_take_turns(void **state)
{
    int         i;
    unsigned    turns, n = 1;
    poster_t    poster = { 0, false, 0 };
    fixture_t  *f = *state;

    /* it is started by who asks first */

    assert_int_equal(async_scribe_run(f->store, twice, &n, NULL),
                     ASYNC_STALE);
    assert_int_equal(async_scribe_post(f->store, again, &poster, NULL),
                     ASYNC_OK);

    for (i = 0; i < 100; i++) {
        turns = atomic_load(&poster.turns);
        n = 2;
        assert_int_equal(async_scribe_run(f->store, twice, &n, NULL),
                         ASYNC_OK);
        assert_int_equal(n, 4);
    }

    assert_true(turns > 0);

    atomic_store(&poster.enough, true);

    do {
        turns = atomic_load(&poster.turns);
        usleep(20000);
    } while (atomic_load(&poster.turns) != turns);

    /* and it can be posted anew */

    assert_int_equal(async_scribe_post(f->store, again, &poster, NULL),
                     ASYNC_OK);

    for (i = 0; i < 500 && atomic_load(&poster.turns) == turns; i++) {
        usleep(10000);
    }

    assert_int_equal(atomic_load(&poster.turns), turns + 1);
    assert_int_equal(atomic_load(&poster.never), 0);
}


/* as it is left in the middle of a write: both locks are held */

static async_rc_t
is_lost(async_store_t *store, void *data, async_error_t *err)
{
    MDB_txn  **txn = data;

    assert_int_equal(async_door_lock(&store->door, 1000, err), ASYNC_OK);
    assert_int_equal(mdb_txn_begin(store->env, NULL, 0, txn), 0);
    assert_true(async_scribe_give_up(store));

    return ASYNC_UNAVAILABLE;
}


static async_rc_t
posts_and_is_lost(async_store_t *store, void *data, async_error_t *err)
{
    poster_t  *poster = data;
    MDB_txn   *txn;

    assert_int_equal(async_scribe_post(store, again, poster, err), ASYNC_OK);

    return is_lost(store, &txn, err);
}


static void
what_was_posted_is_told_that_it_is_lost(void **state)
{
    poster_t    poster = { 0, false, 0 };
    fixture_t  *f = *state;

    assert_int_equal(async_scribe_run(f->store, posts_and_is_lost, &poster,
                                      &f->err), ASYNC_UNAVAILABLE);
    assert_int_equal(atomic_load(&poster.turns), 0);
    assert_int_equal(atomic_load(&poster.never), 1);

    f->err.text[0] = '\0';
    assert_int_equal(async_scribe_post(f->store, again, &poster, &f->err),
                     ASYNC_UNAVAILABLE);
    assert_true(f->err.text[0] != '\0');
}


static bool
turn_is_lost(async_store_t *store, void *data)
{
    MDB_txn        *txn;
    async_error_t   err;

    (void) data;
    (void) is_lost(store, &txn, &err);

    return false;
}


static void
who_asks_after_a_turn_was_lost_is_told_no(void **state)
{
    int         i;
    unsigned    n = 2, lost;
    poster_t    poster = { 0, true, 0 };
    fixture_t  *f = *state;

    lost = async_scribe_lost();

    assert_int_equal(async_scribe_run(f->store, twice, &n, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_scribe_post(f->store, turn_is_lost, NULL, &f->err),
                     ASYNC_OK);

    for (i = 0; i < 10000 && async_scribe_lost() == lost; i++) {
        usleep(1000);
    }

    for ( /* void */ ; i < 10000; i++) {
        if (async_scribe_post(f->store, again, &poster, &f->err) != ASYNC_OK) {
            break;
        }

        usleep(1000);
    }

    assert_true(i < 10000);

    /* and not what the last who asked was told */

    n = 2;
    assert_int_equal(async_scribe_run(f->store, twice, &n, &f->err),
                     ASYNC_UNAVAILABLE);
    assert_int_equal(n, 2);
}


static void
locks_open_when_it_is_lost(void **state)
{
    unsigned     n = 1, lost;
    MDB_txn     *txn;
    fixture_t   *f = *state;
    fixture_t    other;
    async_job_t  job;

    lost = async_scribe_lost();

    assert_false(async_scribe_give_up(f->store));
    assert_int_equal(async_scribe_run(f->store, is_lost, &txn, &f->err),
                     ASYNC_UNAVAILABLE);
    assert_int_equal(async_scribe_lost(), lost + 1);

    /* this store is done for, with a word */

    assert_int_equal(async_scribe_run(f->store, twice, &n, &f->err),
                     ASYNC_UNAVAILABLE);
    assert_int_equal(n, 1);
    assert_true(f->err.text[0] != '\0');

    async_view_close(f->view);
    async_store_close(f->store);

    /* others, and this process anew, are not */

    memset(&other, 0, sizeof(other));
    memcpy(other.path, f->path, sizeof(other.path));
    other.now = f->now;
    assert_int_equal(fixture_open_as(&other, 0, false), ASYNC_OK);

    job = fixture_job(1);
    assert_int_equal(fixture_submit(&other, &job), ASYNC_OK);
    fixture_assert_sound(&other);

    f->store = other.store;
    f->view = other.view;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        plain(each_gets_the_answer_to_his_own_question),
        plain(its_turns_at_the_processor_are_short),
        plain(what_goes_on_and_on_and_who_asks_take_turns),
        plain(what_was_posted_is_told_that_it_is_lost),
        plain(who_asks_after_a_turn_was_lost_is_told_no),
        plain(locks_open_when_it_is_lost)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
