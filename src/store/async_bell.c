#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "async_bell.h"
#include "async_db.h"


#define ASYNC_BELL_MAGIC  0x314c4c4542414aull       /* "AJBELL1" */
#define ASYNC_BELL_WORDS  (ASYNC_BELL_SLOTS / 64)

typedef struct {
    _Atomic int32_t   pid;                          /* 0 = free */
    _Atomic uint64_t  start;                        /* of the process, ticks */
} async_bell_slot_t;

/*
 * Who is armed is a bit in one of four words, which a sender can look at in
 * one cache line, and which cannot fall behind the slots as a count could.
 */

struct async_bell_map_s {
    uint64_t           magic;
    char               boot[ASYNC_BOOT_ID];
    _Atomic uint64_t   armed[ASYNC_BELL_WORDS];
    async_bell_slot_t  slots[ASYNC_BELL_SLOTS];
};

struct async_bell_s {
    async_store_t  *store;
    unsigned        slot;
    int             fd;
};


static async_rc_t async_bell_map(async_store_t *store, async_error_t *err);
static async_rc_t async_bell_begin(async_store_t *store, async_error_t *err);
static bool async_bell_take(async_bell_t *bell);
static async_rc_t async_bell_bind(async_bell_t *bell, async_error_t *err);
static void async_bell_address(const async_store_t *store, unsigned slot,
    struct sockaddr_un *sun);
static void async_bell_send(async_store_t *store, unsigned slot);
static bool async_bell_dead(const async_bell_slot_t *slot);


/* --- with the store --- */

async_rc_t
async_bell_attach(async_store_t *store, async_error_t *err)
{
    async_rc_t  rc;

    store->ring_fd = socket(AF_UNIX, SOCK_DGRAM|SOCK_NONBLOCK|SOCK_CLOEXEC,
                            0);
    store->bell_fd = openat(store->dir_fd, "bell",
                            O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW, 0600);

    if (store->ring_fd == -1 || store->bell_fd == -1) {
        async_error_set(err, "cannot open db/bell of the store: %s",
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    rc = async_bell_begin(store, err);

    if (rc == ASYNC_OK) {
        rc = async_bell_map(store, err);
        (void) flock(store->bell_fd, LOCK_UN);
    }

    return rc;
}


static async_rc_t
async_bell_begin(async_store_t *store, async_error_t *err)
{
    async_rc_t  rc;

    rc = async_door_flock(store->bell_fd, LOCK_EX, ASYNC_DOOR_WAIT);

    if (rc != ASYNC_OK) {
        async_error_set(err, "another process holds db/bell of the store and "
                        "does not let go");
    }

    return rc;
}


static async_rc_t
async_bell_map(async_store_t *store, async_error_t *err)
{
    char               boot[ASYNC_BOOT_ID];
    async_rc_t         rc;
    async_bell_map_t  *map;

    rc = async_door_boot_id(boot, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    if (ftruncate(store->bell_fd, sizeof(async_bell_map_t)) == -1) {
        async_error_set(err, "cannot size db/bell of the store: %s",
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    map = mmap(NULL, sizeof(async_bell_map_t), PROT_READ|PROT_WRITE,
               MAP_SHARED, store->bell_fd, 0);

    if (map == MAP_FAILED) {
        async_error_set(err, "cannot map db/bell of the store: %s",
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    store->bell = map;

    /* after a reboot nobody of the table lives, whatever the numbers say */

    if (map->magic != ASYNC_BELL_MAGIC
        || memcmp(map->boot, boot, ASYNC_BOOT_ID) != 0)
    {
        memset(map, 0, sizeof(async_bell_map_t));
        memcpy(map->boot, boot, ASYNC_BOOT_ID);
        map->magic = ASYNC_BELL_MAGIC;
    }

    return ASYNC_OK;
}


void
async_bell_detach(async_store_t *store)
{
    if (store->bell != NULL) {
        munmap(store->bell, sizeof(async_bell_map_t));
        store->bell = NULL;
    }

    if (store->bell_fd != -1) {
        close(store->bell_fd);
        store->bell_fd = -1;
    }

    if (store->ring_fd != -1) {
        close(store->ring_fd);
        store->ring_fd = -1;
    }
}


/* --- receiving --- */

async_rc_t
async_bell_open(async_bell_t **out, async_store_t *store, int *fd,
    async_error_t *err)
{
    async_rc_t     rc;
    async_bell_t  *bell;

    *out = NULL;
    *fd = -1;

    bell = calloc(1, sizeof(async_bell_t));

    if (bell == NULL) {
        async_error_set(err, "no memory for a doorbell");
        return ASYNC_NO_SPACE;
    }

    bell->store = store;
    bell->fd = -1;

    rc = async_bell_begin(store, err);

    if (rc != ASYNC_OK) {
        free(bell);
        return rc;
    }

    if (!async_bell_take(bell)) {
        async_error_set(err, "all %d doorbells of the store are taken",
                        ASYNC_BELL_SLOTS);
        rc = ASYNC_NO_SPACE;

    } else {
        rc = async_bell_bind(bell, err);
    }

    (void) flock(store->bell_fd, LOCK_UN);

    if (rc != ASYNC_OK) {
        free(bell);
        return rc;
    }

    *out = bell;
    *fd = bell->fd;

    return ASYNC_OK;
}


static bool
async_bell_take(async_bell_t *bell)
{
    unsigned            i;
    async_bell_slot_t  *slot;

    for (i = 0; i < ASYNC_BELL_SLOTS; i++) {
        slot = &bell->store->bell->slots[i];

        if (atomic_load(&slot->pid) != 0 && !async_bell_dead(slot)) {
            continue;
        }

        atomic_fetch_and(&bell->store->bell->armed[i / 64],
                         ~(UINT64_C(1) << (i % 64)));
        atomic_store(&slot->start, async_bell_start_time(getpid()));
        atomic_store(&slot->pid, (int32_t) getpid());
        bell->slot = i;

        return true;
    }

    return false;
}


static async_rc_t
async_bell_bind(async_bell_t *bell, async_error_t *err)
{
    int                 rc;
    char                name[32];
    struct sockaddr_un  sun;

    (void) snprintf(name, sizeof(name), "bell-%u.sock", bell->slot);
    (void) unlinkat(bell->store->dir_fd, name, 0);

    async_bell_address(bell->store, bell->slot, &sun);

    bell->fd = socket(AF_UNIX, SOCK_DGRAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);

    /* the file gets the socket's mode: no umask, which is all threads' */

    rc = bell->fd != -1 && fchmod(bell->fd, 0600) == 0
         ? bind(bell->fd, (struct sockaddr *) &sun, sizeof(sun)) : -1;

    if (rc == 0) {
        return ASYNC_OK;
    }

    async_error_set(err, "cannot make db/%s of the store: %s", name,
                    strerror(errno));

    if (bell->fd != -1) {
        close(bell->fd);
    }

    atomic_store(&bell->store->bell->slots[bell->slot].pid, 0);

    return ASYNC_UNAVAILABLE;
}


/* by descriptor, so that a long path of the store fits all the same */

static void
async_bell_address(const async_store_t *store, unsigned slot,
    struct sockaddr_un *sun)
{
    memset(sun, 0, sizeof(struct sockaddr_un));

    sun->sun_family = AF_UNIX;

    (void) snprintf(sun->sun_path, sizeof(sun->sun_path),
                    "/proc/self/fd/%d/bell-%u.sock", store->dir_fd, slot);
}


void
async_bell_close(async_bell_t *bell)
{
    char               name[32];
    async_bell_map_t  *map;

    if (bell == NULL) {
        return;
    }

    map = bell->store->bell;

    if (bell->store->mute == (int) bell->slot) {
        bell->store->mute = -1;
    }

    atomic_fetch_and(&map->armed[bell->slot / 64],
                     ~(UINT64_C(1) << (bell->slot % 64)));

    (void) snprintf(name, sizeof(name), "bell-%u.sock", bell->slot);
    (void) unlinkat(bell->store->dir_fd, name, 0);

    close(bell->fd);
    atomic_store(&map->slots[bell->slot].pid, 0);

    free(bell);
}


void
async_bell_arm(async_bell_t *bell)
{
    /* sequentially consistent: what the receiver reads next, it reads after */

    atomic_fetch_or(&bell->store->bell->armed[bell->slot / 64],
                    UINT64_C(1) << (bell->slot % 64));
}


void
async_bell_mute(async_bell_t *bell)
{
    bell->store->mute = (int) bell->slot;
}


void
async_bell_drain(async_bell_t *bell)
{
    char  buf[64];

    while (recv(bell->fd, buf, sizeof(buf), 0) >= 0) { /* void */ }
}


/* --- ringing --- */

void
async_bell_ring(async_store_t *store)
{
    unsigned  i, bit;
    uint64_t  word, mute;

    for (i = 0; i < ASYNC_BELL_WORDS; i++) {
        mute = store->mute >= 0 && store->mute / 64 == (int) i
               ? UINT64_C(1) << (store->mute % 64) : 0;

        if ((atomic_load(&store->bell->armed[i]) & ~mute) == 0) {
            continue;
        }

        /* that one stays armed, for others */

        word = atomic_fetch_and(&store->bell->armed[i], mute) & ~mute;

        while (word != 0) {
            bit = (unsigned) __builtin_ctzll(word);
            word &= word - 1;

            async_bell_send(store, i * 64 + bit);
        }
    }
}


static void
async_bell_send(async_store_t *store, unsigned slot)
{
    int32_t             pid;
    struct sockaddr_un  sun;

    async_bell_address(store, slot, &sun);

    if (sendto(store->ring_fd, "", 1, MSG_DONTWAIT|MSG_NOSIGNAL,
               (struct sockaddr *) &sun, sizeof(sun)) != -1
        || errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
    {
        return;
    }

    /* nobody listens: forget him, unless he is only just moving in */

    pid = atomic_load(&store->bell->slots[slot].pid);

    if (pid != 0 && async_bell_dead(&store->bell->slots[slot])) {
        (void) atomic_compare_exchange_strong(
                                    &store->bell->slots[slot].pid, &pid, 0);
    }
}


/* a number of a process may be used again, but not with its start time */

static bool
async_bell_dead(const async_bell_slot_t *slot)
{
    return async_bell_start_time(atomic_load(&slot->pid))
           != atomic_load(&slot->start);
}


/* proc(5), /proc/pid/stat, field 22; 0 if there is no such process */

uint64_t
async_bell_start_time(int32_t pid)
{
    int       fd, field;
    char      buf[1024], *p;
    ssize_t   n;

    (void) snprintf(buf, sizeof(buf), "/proc/%d/stat", (int) pid);

    fd = open(buf, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }

    n = read(fd, buf, sizeof(buf) - 1);
    close(fd);

    if (n <= 0) {
        return 0;
    }

    buf[n] = '\0';

    /* field 2 is the name, which may hold anything: count from its end */

    p = strrchr(buf, ')');

    for (field = 2; p != NULL && field < 22; field++) {
        p = strchr(p + 1, ' ');
    }

    return p != NULL ? strtoull(p + 1, NULL, 10) : 0;
}
