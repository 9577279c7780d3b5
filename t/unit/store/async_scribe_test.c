/*
 * The thread that writes: its results go to who asked, and its locks open
 * when it is lost.
 */

#include "async_fixture.h"

#include <pthread.h>


/* of a thread that was lost, nothing is given back */

const char *
__lsan_default_suppressions(void)
{
    return "leak:liblmdb";
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
        plain(locks_open_when_it_is_lost)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
