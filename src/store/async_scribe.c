#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "async_db.h"
#include "async_scribe.h"
#include "async_sieve.h"


#define ASYNC_SCRIBE_PROBE  4096       /* bytes: too many for a cache */
#define ASYNC_SCRIBE_PATIENCE  2       /* s, for a probe */


typedef enum {
    ASYNC_SCRIBE_IDLE,
    ASYNC_SCRIBE_WORKS,
    ASYNC_SCRIBE_PROBES,         /* gave up, and tries the heap */
    ASYNC_SCRIBE_ENDS            /* told to, or gave up */
} async_scribe_phase_t;

struct async_scribe_s {
    async_store_t         *store;
    pthread_t              thread;
    pthread_mutex_t        turn;     /* of those who ask */
    pthread_mutex_t        lock;
    pthread_cond_t         changed;
    async_scribe_phase_t   phase;
    bool                   there;    /* the thread is */
    bool                   lost;

    async_scribe_fn        fn;
    void                  *data;
    async_error_t         *err;
    async_rc_t             rc;
};


static async_scribe_t *async_scribe_get(async_store_t *store,
    async_error_t *err);
static async_rc_t async_scribe_ask(async_scribe_t *scribe,
    async_scribe_fn fn, void *data, async_error_t *err);
static bool async_scribe_start(async_scribe_t *scribe);
static void *async_scribe_main(void *data);
static void async_scribe_probe(async_scribe_t *scribe);
static void async_scribe_probed(async_scribe_t *scribe);
static void async_scribe_wait(async_scribe_t *scribe);
static async_rc_t async_scribe_leave(async_store_t *store, void *data,
    async_error_t *err);


static atomic_uint  async_scribes_lost;

/* pieces of the heap of the process, one for each thread that may be lost */
static void  *async_scribe_probes[ASYNC_SCRIBE_LOST];


async_rc_t
async_scribe_run(async_store_t *store, async_scribe_fn fn, void *data,
    async_error_t *err)
{
    async_rc_t       rc;
    async_scribe_t  *scribe;

    scribe = async_scribe_get(store, err);

    if (scribe == NULL) {
        return ASYNC_UNAVAILABLE;
    }

    (void) pthread_mutex_lock(&scribe->turn);

    if (scribe->there) {
        rc = async_scribe_ask(scribe, fn, data, err);

    } else {
        rc = ASYNC_UNAVAILABLE;
        async_error_set(err, "%s",
                        async_store_health_text(ASYNC_STORE_DAMAGED));
    }

    (void) pthread_mutex_unlock(&scribe->turn);

    return rc;
}


static async_rc_t
async_scribe_ask(async_scribe_t *scribe, async_scribe_fn fn, void *data,
    async_error_t *err)
{
    bool        ends;
    async_rc_t  rc;

    (void) pthread_mutex_lock(&scribe->lock);

    scribe->fn = fn;
    scribe->data = data;
    scribe->err = err;
    scribe->phase = ASYNC_SCRIBE_WORKS;

    (void) pthread_cond_broadcast(&scribe->changed);

    while (scribe->phase == ASYNC_SCRIBE_WORKS) {
        async_scribe_wait(scribe);
    }

    async_scribe_probed(scribe);

    rc = scribe->rc;
    ends = scribe->phase == ASYNC_SCRIBE_ENDS;

    (void) pthread_mutex_unlock(&scribe->lock);

    /* its locks are open once it has ended, and not before */

    if (ends) {
        scribe->there = false;
        (void) pthread_join(scribe->thread, NULL);
    }

    return rc;
}


static async_scribe_t *
async_scribe_get(async_store_t *store, async_error_t *err)
{
    unsigned                 i;
    async_scribe_t          *scribe;
    static pthread_mutex_t   lock = PTHREAD_MUTEX_INITIALIZER;

    (void) pthread_mutex_lock(&lock);

    for (i = 0; i < ASYNC_SCRIBE_LOST && async_scribe_lost() == 0; i++) {
        if (async_scribe_probes[i] == NULL) {
            async_scribe_probes[i] = malloc(ASYNC_SCRIBE_PROBE);
        }
    }

    scribe = store->scribe;

    if (scribe == NULL) {
        scribe = calloc(1, sizeof(async_scribe_t));

        if (scribe != NULL) {
            scribe->store = store;

            if (async_scribe_start(scribe)) {
                store->scribe = scribe;

            } else {
                free(scribe);
                scribe = NULL;
            }
        }
    }

    (void) pthread_mutex_unlock(&lock);

    if (scribe == NULL) {
        async_error_set(err, "no thread to write to the store with");
    }

    return scribe;
}


/* signals are for the threads of the program, but those of a page's fault */

static bool
async_scribe_start(async_scribe_t *scribe)
{
    int       rc;
    sigset_t  all, before;

    (void) pthread_mutex_init(&scribe->turn, NULL);
    (void) pthread_mutex_init(&scribe->lock, NULL);
    (void) pthread_cond_init(&scribe->changed, NULL);

    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);

    (void) pthread_sigmask(SIG_BLOCK, &all, &before);
    rc = pthread_create(&scribe->thread, NULL, async_scribe_main, scribe);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);

    scribe->there = rc == 0;

    return scribe->there;
}


static void *
async_scribe_main(void *data)
{
    async_rc_t       rc;
    async_scribe_t  *scribe = data;

    async_guard_expendable();

    (void) pthread_mutex_lock(&scribe->lock);

    while (scribe->phase != ASYNC_SCRIBE_ENDS) {

        if (scribe->phase == ASYNC_SCRIBE_IDLE) {
            async_scribe_wait(scribe);
            continue;
        }

        (void) pthread_mutex_unlock(&scribe->lock);
        rc = scribe->fn(scribe->store, scribe->data, scribe->err);
        (void) pthread_mutex_lock(&scribe->lock);

        scribe->rc = rc;
        scribe->phase = scribe->lost ? ASYNC_SCRIBE_PROBES
                                     : ASYNC_SCRIBE_IDLE;

        (void) pthread_cond_broadcast(&scribe->changed);

        if (scribe->lost) {
            async_scribe_probe(scribe);
        }
    }

    (void) pthread_mutex_unlock(&scribe->lock);

    /* libc would clean up after it, in a heap whose lock it may hold itself;
       AddressSanitizer has another heap, and wants to be told */

#if !(__SANITIZE_ADDRESS__)
    if (scribe->lost) {
        (void) syscall(SYS_exit, 0);
    }
#endif

    return NULL;
}


/*
 * LMDB may have been led to free what is no memory of the heap: then the lock
 * of the process' own part is held for good, and all its threads would stop
 * at it one by one.  This thread is the first.
 */

static void
async_scribe_probe(async_scribe_t *scribe)
{
    (void) pthread_mutex_unlock(&scribe->lock);
    free(async_scribe_probes[(async_scribe_lost() - 1) % ASYNC_SCRIBE_LOST]);
    (void) pthread_mutex_lock(&scribe->lock);

    scribe->phase = ASYNC_SCRIBE_ENDS;
    (void) pthread_cond_broadcast(&scribe->changed);
}


/* a process that would hang is better dead, and started again */

static void
async_scribe_probed(async_scribe_t *scribe)
{
    struct timespec  until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ASYNC_SCRIBE_PATIENCE;

    while (scribe->phase == ASYNC_SCRIBE_PROBES) {

        if (pthread_cond_timedwait(&scribe->changed, &scribe->lock, &until)
            == ETIMEDOUT)
        {
            abort();
        }
    }
}


static void
async_scribe_wait(async_scribe_t *scribe)
{
    (void) pthread_cond_wait(&scribe->changed, &scribe->lock);
}


bool
async_scribe_give_up(async_store_t *store)
{
    async_scribe_t  *scribe;

    scribe = store->scribe;

    if (scribe == NULL || !pthread_equal(pthread_self(), scribe->thread)) {
        return false;
    }

    scribe->lost = true;
    (void) atomic_fetch_add(&async_scribes_lost, 1);

    return true;
}


void
async_scribe_close(async_store_t *store)
{
    async_scribe_t  *scribe;

    scribe = store->scribe;

    if (scribe == NULL) {
        (void) async_scribe_leave(store, NULL, NULL);
        return;
    }

    if (scribe->there) {
        (void) async_scribe_run(store, async_scribe_leave, NULL, NULL);
    }

    if (scribe->there) {
        (void) pthread_mutex_lock(&scribe->lock);
        scribe->phase = ASYNC_SCRIBE_ENDS;
        (void) pthread_cond_broadcast(&scribe->changed);
        (void) pthread_mutex_unlock(&scribe->lock);
        (void) pthread_join(scribe->thread, NULL);
    }

    (void) pthread_mutex_destroy(&scribe->turn);
    (void) pthread_mutex_destroy(&scribe->lock);
    (void) pthread_cond_destroy(&scribe->changed);
    free(scribe);
    store->scribe = NULL;
}


/* what LMDB frees here may be what it broke before */

static async_rc_t
async_scribe_leave(async_store_t *store, void *data, async_error_t *err)
{
    async_guard_t  guard;

    (void) data;
    (void) err;

    if (async_guard_caught(&guard)) {
        (void) async_scribe_give_up(store);
        return ASYNC_UNAVAILABLE;
    }

    /* of this thread's heap like all that is made in a transaction */

    free(store->tallies);
    free(store->learned);
    async_sieve_free(store);

    if (store->env != NULL) {
        mdb_env_close(store->env);
    }

    async_guard_end(&guard);

    return ASYNC_OK;
}


unsigned
async_scribe_lost(void)
{
    return atomic_load(&async_scribes_lost);
}
