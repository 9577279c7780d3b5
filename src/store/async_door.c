#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "async_door.h"


/*
 * "AJDOOR", and a digit that is raised with what follows, and with what worker
 * and nginx say to each other when a job runs: a worker that is restarted
 * must not meet an nginx that says less than he counts on (async_http.c).
 */
#define ASYNC_DOOR_MAGIC  0x33524f4f444a41ull
#define ASYNC_DOOR_NAME   0x00ffffffffffffull       /* all but the digit */

#define ASYNC_DOOR_POLL   10                        /* ms */
#define ASYNC_DOOR_TURN   20                        /* ms */

struct async_door_map_s {
    uint64_t         magic;
    uint64_t         size;          /* of all this: another libc differs */
    uint64_t         pid_ns;        /* inode of the PID namespace */
    char             boot[ASYNC_BOOT_ID];
    uint32_t         latched;
    uint32_t         nfaults;       /* ever */
    int64_t          faults[ASYNC_DOOR_FAULTS];     /* the last, a ring */
    async_quota_t    quota;
    pthread_mutex_t  turn;          /* of those who wait for the other */
    pthread_mutex_t  mutex;
};


static async_rc_t async_door_enter(async_door_t *door, int64_t wait_ms,
    async_error_t *err);
static async_rc_t async_door_judge(async_door_t *door, bool alone,
    async_error_t *err);
static async_rc_t async_door_make(async_door_t *door, const char *boot,
    uint64_t pid_ns, async_error_t *err);
static int async_door_mutex(pthread_mutex_t *mutex, int64_t wait_ms);
static struct timespec async_door_until(int64_t wait_ms);


async_rc_t
async_door_open(async_door_t *door, int dir_fd, int64_t wait_ms,
    async_error_t *err)
{
    async_rc_t  rc;

    door->map = NULL;
    door->locked = false;
    door->fd = openat(dir_fd, "door", O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW,
                      0600);

    if (door->fd == -1) {
        async_error_set(err, "cannot open db/door of the store: %s",
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    rc = async_door_enter(door, wait_ms, err);

    if (rc != ASYNC_OK) {
        async_door_close(door);
    }

    return rc;
}


static async_rc_t
async_door_enter(async_door_t *door, int64_t wait_ms, async_error_t *err)
{
    bool         alone;
    async_rc_t   rc;
    struct stat  st;

    alone = async_door_flock(door->fd, LOCK_EX, 0) == ASYNC_OK;

    if (!alone) {
        rc = async_door_flock(door->fd, LOCK_SH, wait_ms);

        if (rc != ASYNC_OK) {
            async_error_set(err, "another process holds db/door of the store "
                            "and does not let go");
            return rc;
        }
    }

    /*
     * The file may be empty even with company: between our two tries
     * somebody made it, and died before he wrote.  But what is longer is in
     * use by another version, and not to be cut.
     */

    if (fstat(door->fd, &st) == -1
        || ((alone || st.st_size < (off_t) sizeof(async_door_map_t))
            && ftruncate(door->fd, sizeof(async_door_map_t)) == -1))
    {
        async_error_set(err, "cannot size db/door of the store: %s",
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    door->map = mmap(NULL, sizeof(async_door_map_t), PROT_READ|PROT_WRITE,
                     MAP_SHARED, door->fd, 0);

    if (door->map == MAP_FAILED) {
        door->map = NULL;
        async_error_set(err, "cannot map db/door of the store: %s",
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    rc = async_door_judge(door, alone, err);

    if (rc != ASYNC_OK || !alone) {
        return rc;
    }

    /* all have gone since: somebody restarted them */

    __atomic_store_n(&door->map->latched, 0, __ATOMIC_RELAXED);

    /* the change of the lock leaves a gap, in which another may be alone */

    rc = async_door_flock(door->fd, LOCK_SH, wait_ms);

    if (rc != ASYNC_OK) {
        async_error_set(err, "cannot keep db/door of the store");
        return rc;
    }

    return async_door_judge(door, false, err);
}


static async_rc_t
async_door_judge(async_door_t *door, bool alone, async_error_t *err)
{
    char               boot[ASYNC_BOOT_ID];
    bool               whole, same;
    async_rc_t         rc;
    struct stat        ns;
    async_door_map_t  *map;

    rc = async_door_boot_id(boot, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (stat("/proc/self/ns/pid", &ns) == -1) {
        async_error_set(err, "cannot tell the PID namespace: "
                        "/proc/self/ns/pid: %s", strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    map = door->map;

    whole = map->magic == ASYNC_DOOR_MAGIC
            && map->size == sizeof(async_door_map_t)
            && memcmp(map->boot, boot, ASYNC_BOOT_ID) == 0;

    same = whole && map->pid_ns == (uint64_t) ns.st_ino;

    if (same) {
        return ASYNC_OK;
    }

    if (alone) {
        return async_door_make(door, boot, (uint64_t) ns.st_ino, err);
    }

    if (whole) {
        async_error_set(err, "the store is in use in another PID namespace "
                        "(container); all its users must share one");

    } else if (map->magic != ASYNC_DOOR_MAGIC
               && (map->magic & ASYNC_DOOR_NAME)
                  == (ASYNC_DOOR_MAGIC & ASYNC_DOOR_NAME))
    {
        async_error_set(err, "the store is in use by another version of "
                        "nginx-async; restart nginx (a reload is not enough) "
                        "and the worker");

    } else {
        async_error_set(err, "db/door of the store is damaged; stop all that "
                        "use the store, then start again");
    }

    return ASYNC_UNAVAILABLE;
}


static async_rc_t
async_door_make(async_door_t *door, const char *boot, uint64_t pid_ns,
    async_error_t *err)
{
    int                  rc;
    async_door_map_t    *map;
    pthread_mutexattr_t  attr;

    map = door->map;

    memset(map, 0, sizeof(async_door_map_t));

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);

    rc = pthread_mutex_init(&map->mutex, &attr);

    if (rc == 0) {
        rc = pthread_mutex_init(&map->turn, &attr);
    }

    pthread_mutexattr_destroy(&attr);

    if (rc != 0) {
        async_error_set(err, "cannot make the lock in db/door: %s",
                        strerror(rc));
        return ASYNC_UNAVAILABLE;
    }

    /* magic last: who dies before it leaves a door that is made anew */

    map->size = sizeof(async_door_map_t);
    map->pid_ns = pid_ns;
    memcpy(map->boot, boot, ASYNC_BOOT_ID);
    __atomic_store_n(&map->magic, ASYNC_DOOR_MAGIC, __ATOMIC_RELEASE);

    return ASYNC_OK;
}


void
async_door_close(async_door_t *door)
{
    if (door->map != NULL) {
        munmap(door->map, sizeof(async_door_map_t));
        door->map = NULL;
    }

    if (door->fd != -1) {
        close(door->fd);
        door->fd = -1;
    }
}


/*
 * Who closes the door and comes again at once would have it before who was
 * woken by that.  So one waits for his turn first, and has it until the door
 * is open.  But not for long: a process that is stopped while it has the turn
 * must not keep out all others.
 */

async_rc_t
async_door_lock(async_door_t *door, int64_t wait_ms, async_error_t *err)
{
    int   rc;
    bool  turn;

    turn = async_door_mutex(&door->map->turn,
                            wait_ms < ASYNC_DOOR_TURN ? wait_ms
                                                      : ASYNC_DOOR_TURN) == 0;

    rc = async_door_mutex(&door->map->mutex, wait_ms);

    if (turn) {
        pthread_mutex_unlock(&door->map->turn);
    }

    if (rc == 0) {
        door->locked = true;
        return ASYNC_OK;
    }

    if (rc == ETIMEDOUT) {
        async_error_set(err, "another process held the store for longer than "
                        "%lld ms", (long long) wait_ms);
        return ASYNC_BUSY;
    }

    async_error_set(err, "cannot lock db/door of the store: %s",
                    strerror(rc));
    return ASYNC_UNAVAILABLE;
}


void
async_door_unlock(async_door_t *door)
{
    door->locked = false;
    pthread_mutex_unlock(&door->map->mutex);
}


async_quota_t *
async_door_quota(async_door_t *door)
{
    return &door->map->quota;
}


void
async_door_latch(async_door_t *door)
{
    __atomic_store_n(&door->map->latched, 1, __ATOMIC_RELAXED);
}


bool
async_door_latched(const async_door_t *door)
{
    return __atomic_load_n(&door->map->latched, __ATOMIC_RELAXED) != 0;
}


void
async_door_fault(async_door_t *door, int64_t now)
{
    uint32_t  n;

    n = __atomic_fetch_add(&door->map->nfaults, 1, __ATOMIC_RELAXED);

    __atomic_store_n(&door->map->faults[n % ASYNC_DOOR_FAULTS], now,
                     __ATOMIC_RELAXED);
}


bool
async_door_tripped(const async_door_t *door, int64_t now)
{
    int      i;
    int64_t  at;

    if (__atomic_load_n(&door->map->nfaults, __ATOMIC_RELAXED)
        < ASYNC_DOOR_FAULTS)
    {
        return false;
    }

    for (i = 0; i < ASYNC_DOOR_FAULTS; i++) {
        at = __atomic_load_n(&door->map->faults[i], __ATOMIC_RELAXED);

        if (now - at > ASYNC_DOOR_MINUTE) {
            return false;
        }
    }

    return true;
}


async_rc_t
async_door_flock(int fd, int operation, int64_t wait_ms)
{
    int64_t                left;
    const struct timespec  nap = { 0, ASYNC_DOOR_POLL * 1000000 };

    for (left = wait_ms; /* void */; left -= ASYNC_DOOR_POLL) {

        if (flock(fd, operation|LOCK_NB) == 0) {
            return ASYNC_OK;
        }

        if (errno != EWOULDBLOCK && errno != EINTR) {
            return ASYNC_UNAVAILABLE;
        }

        if (left <= 0) {
            return ASYNC_BUSY;
        }

        nanosleep(&nap, NULL);
    }
}


async_rc_t
async_door_boot_id(char id[ASYNC_BOOT_ID], async_error_t *err)
{
    int      fd;
    ssize_t  n;

    n = -1;
    fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY|O_CLOEXEC);

    if (fd != -1) {
        n = read(fd, id, ASYNC_BOOT_ID - 1);
        close(fd);
    }

    if (n != ASYNC_BOOT_ID - 1) {
        async_error_set(err, "cannot read /proc/sys/kernel/random/boot_id, "
                        "which the store needs");
        return ASYNC_UNAVAILABLE;
    }

    id[ASYNC_BOOT_ID - 1] = '\0';

    return ASYNC_OK;
}


static int
async_door_mutex(pthread_mutex_t *mutex, int64_t wait_ms)
{
    int              rc;
    struct timespec  until;

    rc = pthread_mutex_trylock(mutex);

    if (rc == EBUSY) {
        until = async_door_until(wait_ms);
        rc = pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
    }

    /* what the one who died was writing is LMDB's to undo, and it does */

    return rc == EOWNERDEAD ? pthread_mutex_consistent(mutex) : rc;
}


static struct timespec
async_door_until(int64_t wait_ms)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    ts.tv_sec += wait_ms / 1000;
    ts.tv_nsec += (wait_ms % 1000) * 1000000;

    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }

    return ts;
}
