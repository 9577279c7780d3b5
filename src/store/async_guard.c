#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "async_guard.h"


static void async_guard_signal(int signo, siginfo_t *info, void *context);
static void async_guard_assert(MDB_env *env, const char *text);
static void async_guard_fault(void);


/* where a fault of this thread leads back to */
static _Thread_local async_guard_t  *async_guard_inner;

static _Thread_local bool            async_guard_lost_allowed;

static const int  async_guard_signals[] = { SIGSEGV, SIGBUS, SIGABRT };

#define ASYNC_GUARD_SIGNALS                                                  \
    (sizeof(async_guard_signals) / sizeof(async_guard_signals[0]))

static struct sigaction  async_guard_before[ASYNC_GUARD_SIGNALS];


void
async_guard_init(void)
{
    size_t            i;
    struct sigaction  action, there;

    static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;

    memset(&action, 0, sizeof(struct sigaction));

    /* the way back restores no mask: the signal must not be left blocked */

    action.sa_sigaction = async_guard_signal;
    action.sa_flags = SA_SIGINFO|SA_NODEFER|SA_ONSTACK;
    sigemptyset(&action.sa_mask);

    (void) pthread_mutex_lock(&lock);

    for (i = 0; i < ASYNC_GUARD_SIGNALS; i++) {

        if (sigaction(async_guard_signals[i], NULL, &there) == 0
            && there.sa_sigaction != async_guard_signal)
        {
            async_guard_before[i] = there;
            (void) sigaction(async_guard_signals[i], &action, NULL);
        }
    }

    (void) pthread_mutex_unlock(&lock);
}


static void
async_guard_signal(int signo, siginfo_t *info, void *context)
{
    size_t  i;

    (void) context;

    /* one that somebody sent is none of a page's, but abort() sends one */

    if (signo != SIGABRT
        ? info->si_code > 0
        : async_guard_lost_allowed && info->si_pid == getpid())
    {
        async_guard_fault();
    }

    /* not ours: it happens again, to whom it would have gone */

    for (i = 0; i < ASYNC_GUARD_SIGNALS; i++) {
        if (async_guard_signals[i] == signo) {
            (void) sigaction(signo, &async_guard_before[i], NULL);
        }
    }

    if (info->si_code <= 0) {
        (void) raise(signo);
    }
}


void
async_guard_expendable(void)
{
    async_guard_lost_allowed = true;
}


void
async_guard_env(MDB_env *env)
{
    (void) mdb_env_set_assert(env, async_guard_assert);
}


static void
async_guard_assert(MDB_env *env, const char *text)
{
    (void) env;
    (void) text;

    async_guard_fault();
}


static void
async_guard_fault(void)
{
    async_guard_t  *guard;

    guard = async_guard_inner;

    if (guard != NULL) {
        async_guard_inner = guard->outer;
        siglongjmp(guard->back, 1);
    }
}


void
async_guard_begin(async_guard_t *guard)
{
    guard->outer = async_guard_inner;
    async_guard_inner = guard;
}


void
async_guard_end(async_guard_t *guard)
{
    async_guard_inner = guard->outer;
}
