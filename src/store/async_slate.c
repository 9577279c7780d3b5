#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_slate.h"
#include "async_db.h"


#define ASYNC_SLATE_MAGIC    0x31544c534a41ull      /* "AJSLT1" */
#define ASYNC_SLATE_SEATS    256
#define ASYNC_SLATE_RESULTS  32                     /* room in the table */
#define ASYNC_SLATE_NAMED    2                      /* states of a queue */
#define ASYNC_SLATE_NAMING   1

typedef struct {
    _Atomic int32_t   pid;                          /* 0 = free */
    _Atomic uint32_t  seat;
    _Atomic uint64_t  start;                        /* of the process */
    _Atomic uint64_t  gauges[ASYNC_GAUGE_MAX];
} async_slate_seat_t;

typedef struct {
    _Atomic uint32_t  state;
    uint32_t          len;
    char              name[ASYNC_QUEUE_MAX];
    _Atomic uint64_t  submits[ASYNC_SLATE_RESULTS];
} async_slate_row_t;

struct async_slate_map_s {
    _Atomic uint64_t    magic;
    _Atomic uint64_t    commits[32];
    _Atomic uint64_t    batches[32];
    _Atomic uint64_t    commit_us;
    _Atomic uint64_t    batch_events;
    async_slate_row_t   queues[ASYNC_SLATE_QUEUES];
    async_slate_seat_t  seats[ASYNC_SLATE_SEATS];
};


static async_slate_row_t *async_slate_row(async_slate_map_t *map,
    async_str_t queue);
static bool async_slate_is(const async_slate_row_t *row, async_str_t queue);
static bool async_slate_take(async_slate_seat_t *seat, bool left);
static bool async_slate_lives(const async_slate_seat_t *seat);
static void async_slate_queues(async_slate_map_t *map,
    async_slate_figures_t *figures);
static unsigned async_slate_bucket(const uint64_t *bounds, unsigned n,
    uint64_t value);
static int async_lag_line(const char *line, void *data);


static const uint64_t  async_commit_bounds[ASYNC_COMMIT_BOUNDS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
    500000, 1000000, 2500000
};

static const uint64_t  async_batch_bounds[ASYNC_BATCH_BOUNDS] = {
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000
};


static const char *const  async_submit_result_names[ASYNC_SUBMIT_MAX] = {
#define X(number, symbol, name)  [number] = name,
    ASYNC_SUBMIT_RESULTS(X)
#undef X
};


/* --- with the store --- */

/* the room is made sure of: a page that the disk has none for would kill */

void
async_slate_attach(async_store_t *store)
{
    int                 fd;
    async_slate_map_t  *map;

    store->slate = NULL;
    store->seat = -1;

    fd = openat(store->dir_fd, "slate", O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW,
                0600);

    if (fd == -1) {
        return;
    }

    if (posix_fallocate(fd, 0, sizeof(async_slate_map_t)) != 0) {
        close(fd);
        return;
    }

    map = mmap(NULL, sizeof(async_slate_map_t), PROT_READ|PROT_WRITE,
               MAP_SHARED, fd, 0);

    close(fd);

    if (map == MAP_FAILED) {
        return;
    }

    /* all of a new one is zero; one of another layout is left alone */

    if (atomic_load(&map->magic) == 0) {
        atomic_store(&map->magic, ASYNC_SLATE_MAGIC);
    }

    if (atomic_load(&map->magic) != ASYNC_SLATE_MAGIC) {
        munmap(map, sizeof(async_slate_map_t));
        return;
    }

    store->slate = map;
}


void
async_slate_detach(async_store_t *store)
{
    if (store->slate == NULL) {
        return;
    }

    if (store->seat != -1) {
        atomic_store(&store->slate->seats[store->seat].pid, 0);
    }

    munmap(store->slate, sizeof(async_slate_map_t));
    store->slate = NULL;
}


/* --- counting --- */

/*
 * A seat whose process id is there, but of another start, is one that was left
 * behind; or it is being taken, between the id and the start.  So it is free
 * only if no other is.
 */

void
async_slate_sit(async_store_t *store, async_seat_t role)
{
    unsigned  i;

    if (store->slate == NULL) {
        return;
    }

    for (i = 0; i < 2 * ASYNC_SLATE_SEATS && store->seat == -1; i++) {
        if (async_slate_take(&store->slate->seats[i % ASYNC_SLATE_SEATS],
                             i >= ASYNC_SLATE_SEATS))
        {
            store->seat = (int) (i % ASYNC_SLATE_SEATS);
        }
    }

    if (store->seat != -1) {
        atomic_store(&store->slate->seats[store->seat].seat,
                     (uint32_t) role);
    }
}


static bool
async_slate_take(async_slate_seat_t *seat, bool left)
{
    int32_t   pid;
    uint64_t  start;

    pid = atomic_load(&seat->pid);
    start = pid != 0 ? async_bell_start_time(pid) : 0;

    if (start != 0 && (!left || start == atomic_load(&seat->start))) {
        return false;
    }

    if (!atomic_compare_exchange_strong(&seat->pid, &pid, (int32_t) getpid()))
    {
        return false;
    }

    atomic_store(&seat->seat, ASYNC_SEAT_NONE);
    memset(seat->gauges, 0, sizeof(seat->gauges));
    atomic_store(&seat->start, async_bell_start_time(getpid()));

    return true;
}


void
async_slate_gauge(async_store_t *store, async_gauge_t gauge, uint64_t value)
{
    if (store->slate != NULL && store->seat != -1 && gauge < ASYNC_GAUGE_MAX)
    {
        atomic_store_explicit(
            &store->slate->seats[store->seat].gauges[gauge], value,
            memory_order_relaxed);
    }
}


void
async_slate_submit(async_store_t *store, async_str_t queue,
    async_submit_result_t result)
{
    if (store->slate != NULL && result < ASYNC_SLATE_RESULTS) {
        atomic_fetch_add_explicit(
            &async_slate_row(store->slate, queue)->submits[result], 1,
            memory_order_relaxed);
    }
}


void
async_slate_commit(async_store_t *store, uint64_t us, uint64_t events)
{
    unsigned            i;
    async_slate_map_t  *map;

    map = store->slate;

    if (map == NULL || events == 0) {
        return;
    }

    i = async_slate_bucket(async_commit_bounds, ASYNC_COMMIT_BOUNDS, us);
    atomic_fetch_add(&map->commits[i], 1);
    atomic_fetch_add(&map->commit_us, us);

    i = async_slate_bucket(async_batch_bounds, ASYNC_BATCH_BOUNDS, events);
    atomic_fetch_add(&map->batches[i], 1);
    atomic_fetch_add(&map->batch_events, events);
}


static unsigned
async_slate_bucket(const uint64_t *bounds, unsigned n, uint64_t value)
{
    unsigned  i;

    for (i = 0; i < n && value > bounds[i]; i++) {
        /* void */
    }

    return i;
}


/*
 * A name is written by who takes the row, and read once it is there.  Who
 * comes in between counts with those that had no room.
 */

static async_slate_row_t *
async_slate_row(async_slate_map_t *map, async_str_t queue)
{
    unsigned            i;
    uint32_t            state;
    async_slate_row_t  *row;

    for (i = 0; i < ASYNC_SLATE_QUEUES - 1; i++) {
        row = &map->queues[i];
        state = atomic_load(&row->state);

        if (state == ASYNC_SLATE_NAMED) {

            if (async_slate_is(row, queue)) {
                return row;
            }

            continue;
        }

        if (state == ASYNC_SLATE_NAMING || queue.len > ASYNC_QUEUE_MAX
            || !atomic_compare_exchange_strong(&row->state, &state,
                                               ASYNC_SLATE_NAMING))
        {
            break;
        }

        memcpy(row->name, queue.data, queue.len);
        row->len = (uint32_t) queue.len;
        atomic_store(&row->state, ASYNC_SLATE_NAMED);

        return row;
    }

    return &map->queues[ASYNC_SLATE_QUEUES - 1];
}


static bool
async_slate_is(const async_slate_row_t *row, async_str_t queue)
{
    return row->len == queue.len
           && memcmp(row->name, queue.data, queue.len) == 0;
}


static bool
async_slate_lives(const async_slate_seat_t *seat)
{
    uint64_t  start;

    start = async_bell_start_time(atomic_load(&seat->pid));

    return start != 0 && start == atomic_load(&seat->start);
}


/* --- reading --- */

void
async_slate_read(async_store_t *store, async_slate_figures_t *figures)
{
    unsigned             i, k;
    uint32_t             role;
    async_slate_map_t   *map;
    async_slate_seat_t  *seat;

    memset(figures, 0, sizeof(async_slate_figures_t));

    map = store->slate;

    if (map == NULL) {
        return;
    }

    figures->there = true;

    for (i = 0; i <= ASYNC_COMMIT_BOUNDS; i++) {
        figures->commits[i] = atomic_load(&map->commits[i]);
    }

    for (i = 0; i <= ASYNC_BATCH_BOUNDS; i++) {
        figures->batches[i] = atomic_load(&map->batches[i]);
    }

    figures->commit_us = atomic_load(&map->commit_us);
    figures->batch_events = atomic_load(&map->batch_events);

    for (i = 0; i < ASYNC_SLATE_SEATS; i++) {
        seat = &map->seats[i];
        role = atomic_load(&seat->seat);

        if (atomic_load(&seat->pid) == 0 || role >= ASYNC_SEAT_MAX
            || !async_slate_lives(seat))
        {
            continue;
        }

        figures->seats[role]++;

        for (k = 0; k < ASYNC_GAUGE_MAX; k++) {
            figures->gauges[k] += atomic_load(&seat->gauges[k]);
        }
    }

    async_slate_queues(map, figures);
}


static void
async_slate_queues(async_slate_map_t *map, async_slate_figures_t *figures)
{
    unsigned              i, k;
    async_slate_row_t    *row;
    async_slate_queue_t  *queue;

    for (i = 0; i < ASYNC_SLATE_QUEUES; i++) {
        row = &map->queues[i];

        /* the last row has no name, and is there if it counts anything */

        if (i < ASYNC_SLATE_QUEUES - 1
            && (atomic_load(&row->state) != ASYNC_SLATE_NAMED
                || row->len > ASYNC_QUEUE_MAX))
        {
            continue;
        }

        queue = &figures->queues[figures->nqueues];
        queue->queue.data = figures->names[figures->nqueues];
        queue->queue.len = row->len <= ASYNC_QUEUE_MAX ? row->len : 0;

        memcpy(figures->names[figures->nqueues], row->name,
               queue->queue.len);

        for (k = 0; k < ASYNC_SUBMIT_MAX; k++) {
            queue->submits[k] = atomic_load(&row->submits[k]);
        }

        figures->nqueues++;
    }
}


uint64_t
async_commit_bound(unsigned bucket)
{
    return bucket < ASYNC_COMMIT_BOUNDS ? async_commit_bounds[bucket] : 0;
}


uint64_t
async_batch_bound(unsigned bucket)
{
    return bucket < ASYNC_BATCH_BOUNDS ? async_batch_bounds[bucket] : 0;
}


const char *
async_submit_result_name(async_submit_result_t result)
{
    return (unsigned) result < ASYNC_SUBMIT_MAX
           ? async_submit_result_names[result] : "";
}


async_submit_result_t
async_submit_result(const char *name)
{
    int  i;

    for (i = 0; i < ASYNC_SUBMIT_MAX; i++) {

        if (strcmp(async_submit_result_names[i], name) == 0) {
            return (async_submit_result_t) i;
        }
    }

    return ASYNC_SUBMIT_STORE_UNAVAILABLE;
}


/* --- readers --- */

/* "    pid     thread     txnid", a line for each reader, "-" if it rests */

static int
async_lag_line(const char *line, void *data)
{
    char       *end;
    uint64_t    txnid, *oldest = data;
    const char *last;

    last = strrchr(line, ' ');

    if (last == NULL) {
        return 0;
    }

    txnid = strtoull(last + 1, &end, 10);

    if (end != last + 1 && txnid != 0 && txnid < *oldest) {
        *oldest = txnid;
    }

    return 0;
}


async_rc_t
async_store_lag(async_store_t *store, uint64_t *lag)
{
    int            rc;
    uint64_t       oldest;
    MDB_envinfo    info;
    async_error_t  err;
    async_guard_t  guard;

    *lag = 0;
    oldest = UINT64_MAX;

    if (async_guard_caught(&guard)) {
        return async_health_damaged(store, &err);
    }

    rc = mdb_reader_list(store->env, async_lag_line, &oldest);

    if (rc >= 0) {
        rc = mdb_env_info(store->env, &info);
    }

    async_guard_end(&guard);

    if (rc != MDB_SUCCESS) {
        return ASYNC_UNAVAILABLE;
    }

    if (oldest < info.me_last_txnid) {
        *lag = info.me_last_txnid - oldest;
    }

    return ASYNC_OK;
}
