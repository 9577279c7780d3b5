#include <pthread.h>
#include <sched.h>
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
#define ASYNC_SCRIBE_SLICE  100000     /* ns, the least that there is */


/* sched_setattr(2), of which libc knows nothing */
typedef struct {
    uint32_t  size;
    uint32_t  policy;
    uint64_t  flags;
    int32_t   nice;
    uint32_t  priority;
    uint64_t  runtime;
    uint64_t  deadline;
    uint64_t  period;
} async_scribe_attr_t;

struct async_scribe_s {
    async_store_t         *store;
    pthread_t              thread;
    pthread_mutex_t        turn;     /* of those who ask */
    pthread_mutex_t        lock;     /* of what follows */
    pthread_cond_t         work;     /* there is some, or it is to end */
    pthread_cond_t         done;     /* what was asked, or it ends */
    bool                   there;    /* the thread is, turn */
    bool                   ends;     /* it is to, or does */
    bool                   lost;

    bool                   asked;
    async_scribe_fn        fn;
    void                  *data;
    async_error_t         *err;
    async_rc_t             rc;

    async_scribe_turn_fn   posted;   /* NULL: nothing is */
    void                  *posted_data;
    bool                   turned;   /* it had the last turn */
};


static async_scribe_t *async_scribe_get(async_store_t *store,
    async_error_t *err);
static async_rc_t async_scribe_ask(async_scribe_t *scribe,
    async_scribe_fn fn, void *data, async_error_t *err);
static bool async_scribe_start(async_scribe_t *scribe);
static void *async_scribe_main(void *data);
static void async_scribe_hasten(void);
static void async_scribe_asked(async_scribe_t *scribe);
static void async_scribe_signal(async_scribe_t *scribe, pthread_cond_t *cond);
static void async_scribe_posted(async_scribe_t *scribe);
static void async_scribe_probe(void);
static async_rc_t async_scribe_leave(async_store_t *store, void *data,
    async_error_t *err);
static async_rc_t async_scribe_end(async_store_t *store, void *data,
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
    rc = async_scribe_ask(scribe, fn, data, err);
    (void) pthread_mutex_unlock(&scribe->turn);

    return rc;
}


static async_rc_t
async_scribe_ask(async_scribe_t *scribe, async_scribe_fn fn, void *data,
    async_error_t *err)
{
    bool        ends, taken;
    async_rc_t  rc;

    rc = ASYNC_UNAVAILABLE;
    async_error_set(err, "%s", async_store_health_text(ASYNC_STORE_DAMAGED));

    if (!scribe->there) {
        return rc;
    }

    (void) pthread_mutex_lock(&scribe->lock);

    /* it may have ended in a turn that nobody asked for */

    taken = !scribe->ends;

    if (taken) {
        scribe->fn = fn;
        scribe->data = data;
        scribe->err = err;
        scribe->asked = true;

        async_scribe_signal(scribe, &scribe->work);
    }

    while (scribe->asked && !scribe->ends) {
        (void) pthread_cond_wait(&scribe->done, &scribe->lock);
    }

    if (taken && !scribe->asked) {
        rc = scribe->rc;
    }

    ends = scribe->ends;

    (void) pthread_mutex_unlock(&scribe->lock);

    /* its locks are open once it has ended, and not before */

    if (ends) {
        scribe->there = false;
        (void) pthread_join(scribe->thread, NULL);
    }

    return rc;
}


async_rc_t
async_scribe_post(async_store_t *store, async_scribe_turn_fn fn, void *data,
    async_error_t *err)
{
    bool             ends;
    async_scribe_t  *scribe;

    scribe = store->scribe;
    ends = scribe == NULL;

    if (scribe != NULL) {
        (void) pthread_mutex_lock(&scribe->lock);

        ends = scribe->ends;

        if (!ends) {
            scribe->posted = fn;
            scribe->posted_data = data;
        }

        (void) pthread_mutex_unlock(&scribe->lock);
        (void) pthread_cond_signal(&scribe->work);
    }

    if (ends) {
        async_error_set(err, "%s",
                        async_store_health_text(ASYNC_STORE_DAMAGED));
    }

    return ends ? ASYNC_UNAVAILABLE : ASYNC_OK;
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
    (void) pthread_cond_init(&scribe->work, NULL);
    (void) pthread_cond_init(&scribe->done, NULL);

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
    bool             lost;
    async_scribe_t  *scribe = data;

    async_guard_expendable();
    async_scribe_hasten();

    (void) pthread_mutex_lock(&scribe->lock);

    while (!scribe->ends) {

        if (scribe->posted != NULL && !(scribe->asked && scribe->turned)) {
            async_scribe_posted(scribe);

        } else if (scribe->asked) {
            async_scribe_asked(scribe);

        } else {
            (void) pthread_cond_wait(&scribe->work, &scribe->lock);
        }
    }

    lost = scribe->lost;

    (void) pthread_mutex_unlock(&scribe->lock);

    if (scribe->posted != NULL) {
        (void) scribe->posted(NULL, scribe->posted_data);
    }

    /* libc would clean up after it, in a heap whose lock it may hold itself;
       AddressSanitizer has another heap, and wants to be told */

#if !(__SANITIZE_ADDRESS__)
    if (lost) {
        (void) syscall(SYS_exit, 0);
    }
#else
    (void) lost;
#endif

    return NULL;
}


/*
 * It works little and waits for the disk often, others wait for it, and it
 * holds a lock: so it asks for a short turn at the processor, which it gets
 * the sooner (from Linux 6.12 on, and without any privilege).
 */

static void
async_scribe_hasten(void)
{
    async_scribe_attr_t  attr;

    memset(&attr, 0, sizeof(attr));

    if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) == 0
        && attr.policy == SCHED_OTHER)
    {
        attr.runtime = ASYNC_SCRIBE_SLICE;
        (void) syscall(SYS_sched_setattr, 0, &attr, 0);
    }
}


static void
async_scribe_asked(async_scribe_t *scribe)
{
    async_rc_t  rc;

    (void) pthread_mutex_unlock(&scribe->lock);

    rc = scribe->fn(scribe->store, scribe->data, scribe->err);

    if (scribe->lost) {
        async_scribe_probe();
    }

    (void) pthread_mutex_lock(&scribe->lock);

    scribe->rc = rc;
    scribe->asked = false;
    scribe->turned = false;
    scribe->ends = scribe->ends || scribe->lost;

    async_scribe_signal(scribe, &scribe->done);
}


/* the lock is let go for it: who is woken would stop at it at once */

static void
async_scribe_signal(async_scribe_t *scribe, pthread_cond_t *cond)
{
    (void) pthread_mutex_unlock(&scribe->lock);
    (void) pthread_cond_signal(cond);
    (void) pthread_mutex_lock(&scribe->lock);
}


static void
async_scribe_posted(async_scribe_t *scribe)
{
    bool                   again;
    void                  *data;
    async_scribe_turn_fn   fn;

    fn = scribe->posted;
    data = scribe->posted_data;

    scribe->posted = NULL;

    (void) pthread_mutex_unlock(&scribe->lock);

    again = fn(scribe->store, data);

    if (scribe->lost) {
        async_scribe_probe();
    }

    (void) pthread_mutex_lock(&scribe->lock);

    /* else it may have been posted anew meanwhile */

    if (again) {
        scribe->posted = fn;
    }

    scribe->turned = true;
    scribe->ends = scribe->ends || scribe->lost;

    (void) pthread_cond_signal(&scribe->done);
}


/*
 * LMDB may have been led to free what is no memory of the heap: then the lock
 * of the process' own part is held for good, and all its threads would stop
 * at it one by one.  This thread is the first; and a process that would hang
 * is better dead, and started again.  By calls of the kernel: those of libc
 * may want the heap.
 */

static void
async_scribe_probe(void)
{
    int                timer;
    struct sigevent    event;
    struct itimerspec  patience;

    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGKILL;

    memset(&patience, 0, sizeof(patience));
    patience.it_value.tv_sec = ASYNC_SCRIBE_PATIENCE;

    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) == -1) {
        return;
    }

    (void) syscall(SYS_timer_settime, timer, 0, &patience, NULL);

    free(async_scribe_probes[(async_scribe_lost() - 1) % ASYNC_SCRIBE_LOST]);

    (void) syscall(SYS_timer_delete, timer);
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


bool
async_scribe_gave_up(const async_store_t *store)
{
    return store->scribe->lost;
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

    (void) async_scribe_run(store, async_scribe_leave, NULL, NULL);

    (void) pthread_mutex_destroy(&scribe->turn);
    (void) pthread_mutex_destroy(&scribe->lock);
    (void) pthread_cond_destroy(&scribe->work);
    (void) pthread_cond_destroy(&scribe->done);
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
    async_quota_done(store);

    if (store->env != NULL) {
        mdb_env_close(store->env);
        store->env = NULL;
    }

    async_guard_end(&guard);

    return async_scribe_end(store, NULL, NULL);
}


void
async_scribe_quit(async_store_t *store)
{
    if (store->scribe != NULL) {
        (void) async_scribe_run(store, async_scribe_end, NULL, NULL);
    }
}


static async_rc_t
async_scribe_end(async_store_t *store, void *data, async_error_t *err)
{
    (void) data;
    (void) err;

    if (store->scribe != NULL) {
        (void) pthread_mutex_lock(&store->scribe->lock);
        store->scribe->ends = true;
        (void) pthread_mutex_unlock(&store->scribe->lock);
    }

    return ASYNC_OK;
}


unsigned
async_scribe_lost(void)
{
    return atomic_load(&async_scribes_lost);
}
