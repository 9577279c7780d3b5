#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_ahead.h"
#include "async_db.h"


#define ASYNC_AHEAD_ROOM   (2ull << 20)      /* bytes */
#define ASYNC_AHEAD_SLICE  (256ull << 10)


struct async_ahead_s {
    int              fd;             /* -1 = not open */
    void            *zeros;          /* a slice of them */
    uint64_t         size;           /* of the map: no page lies beyond */
    size_t           last;           /* page, when we were last told */
    bool             there;          /* the thread is, or was */
    bool             off;            /* it cannot be */
    pthread_t        thread;
    pthread_mutex_t  lock;
    pthread_cond_t   changed;
    uint64_t         used;           /* bytes, the same */
    uint64_t         end;            /* of the file, as the thread saw it */
    bool             ends;
};


static void async_ahead_start(async_ahead_t *ahead, async_store_t *store);
static bool async_ahead_open(async_ahead_t *ahead,
    const async_store_t *store);
static void *async_ahead_main(void *data);
static bool async_ahead_short(const async_ahead_t *ahead);


void
async_ahead_tell(async_store_t *store)
{
    MDB_stat        st;
    MDB_envinfo     info;
    async_ahead_t  *ahead;

    if (mdb_env_info(store->env, &info) != MDB_SUCCESS
        || mdb_env_stat(store->env, &st) != MDB_SUCCESS)
    {
        return;
    }

    ahead = store->ahead;

    if (ahead == NULL) {
        ahead = calloc(1, sizeof(async_ahead_t));

        if (ahead != NULL) {
            ahead->fd = -1;
            ahead->size = info.me_mapsize;
            ahead->last = info.me_last_pgno;
            store->ahead = ahead;
        }

        return;
    }

    if (info.me_last_pgno == ahead->last || ahead->off) {
        return;
    }

    ahead->last = info.me_last_pgno;

    if (!ahead->there) {
        async_ahead_start(ahead, store);
    }

    if (ahead->there) {
        (void) pthread_mutex_lock(&ahead->lock);
        ahead->used = (info.me_last_pgno + 1) * (uint64_t) st.ms_psize;

        if (async_ahead_short(ahead)) {
            (void) pthread_cond_signal(&ahead->changed);
        }

        (void) pthread_mutex_unlock(&ahead->lock);
    }
}


static void
async_ahead_start(async_ahead_t *ahead, async_store_t *store)
{
    sigset_t  all, before;

    (void) pthread_mutex_init(&ahead->lock, NULL);
    (void) pthread_cond_init(&ahead->changed, NULL);

    /* signals are for the threads of the program */

    sigfillset(&all);
    (void) pthread_sigmask(SIG_BLOCK, &all, &before);

    ahead->there = async_ahead_open(ahead, store)
                   && pthread_create(&ahead->thread, NULL, async_ahead_main,
                                     ahead) == 0;
    ahead->off = !ahead->there;

    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
}


static bool
async_ahead_open(async_ahead_t *ahead, const async_store_t *store)
{
    struct stat  st;

    ahead->fd = openat(store->dir_fd, "data.mdb",
                       O_WRONLY|O_APPEND|O_DIRECT|O_CLOEXEC|O_NOFOLLOW);

    if (ahead->fd == -1 || fstat(ahead->fd, &st) == -1
        || st.st_dev != store->dev[0] || st.st_ino != store->ino[0])
    {
        return false;
    }

    /* never written to: the kernel has one page for all of it */

    ahead->zeros = mmap(NULL, ASYNC_AHEAD_SLICE, PROT_READ,
                        MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    if (ahead->zeros == MAP_FAILED) {
        ahead->zeros = NULL;
    }

    return ahead->zeros != NULL;
}


static void *
async_ahead_main(void *data)
{
    bool            alone;
    ssize_t         n;
    struct stat     st;
    async_ahead_t  *ahead = data;

    (void) pthread_mutex_lock(&ahead->lock);

    while (!ahead->ends) {

        /* of two processes that look and then append, both would add the last
           slice; who is not alone leaves it to the other */

        alone = async_ahead_short(ahead)
                && flock(ahead->fd, LOCK_EX|LOCK_NB) == 0;

        if (alone && fstat(ahead->fd, &st) == 0) {
            ahead->end = (uint64_t) st.st_size;
        }

        if (!alone || !async_ahead_short(ahead)) {
            (void) flock(ahead->fd, LOCK_UN);
            (void) pthread_cond_wait(&ahead->changed, &ahead->lock);
            continue;
        }

        (void) pthread_mutex_unlock(&ahead->lock);
        n = write(ahead->fd, ahead->zeros, ASYNC_AHEAD_SLICE);
        (void) flock(ahead->fd, LOCK_UN);
        (void) pthread_mutex_lock(&ahead->lock);

        if (n != (ssize_t) ASYNC_AHEAD_SLICE) {
            break;
        }
    }

    (void) pthread_mutex_unlock(&ahead->lock);

    return NULL;
}


/* a small store gets little */

static bool
async_ahead_short(const async_ahead_t *ahead)
{
    uint64_t  room;

    room = ahead->used / 2 < ASYNC_AHEAD_ROOM ? ahead->used / 2
                                              : ASYNC_AHEAD_ROOM;

    return ahead->end < ahead->used + room
           && ahead->end + ASYNC_AHEAD_SLICE <= ahead->size;
}


void
async_ahead_end(async_store_t *store)
{
    async_ahead_t  *ahead;

    ahead = store->ahead;

    if (ahead == NULL) {
        return;
    }

    if (ahead->there) {
        (void) pthread_mutex_lock(&ahead->lock);
        ahead->ends = true;
        (void) pthread_cond_signal(&ahead->changed);
        (void) pthread_mutex_unlock(&ahead->lock);
        (void) pthread_join(ahead->thread, NULL);
    }

    if (ahead->zeros != NULL) {
        (void) munmap(ahead->zeros, ASYNC_AHEAD_SLICE);
    }

    if (ahead->fd != -1) {
        close(ahead->fd);
    }

    /* it is of the heap of the thread that writes, which may have been lost */

    if (store->env == NULL) {
        free(ahead);
    }

    store->ahead = NULL;
}
