/*
 * Cuts the power, again and again, at random points of a log that
 * preload_record.so made of power_run, and looks at the store that a disk
 * may then hold: it opens, its check finds nothing, and its jobs are those
 * of the last acknowledged transaction, or of the one that was under way.
 * In relaxed mode the last acknowledged transaction may be lost as a whole.
 * In the end the store must go on working.
 *
 *     power_cut LOG FOLDER strict|relaxed|unsynced STATES SEED PROCESSES
 *
 * unsynced is strict on a disk that syncs nothing: it must be found out.
 * FOLDER is where the states are laid out, on a disk that is none.  Prints
 * what it counted.  Exit status 1 if a state was bad; it is left in FOLDER.
 */

#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "driver.h"
#include "power_disk.h"
#include "power_model.h"


typedef struct {
    uint64_t  states;
    uint64_t  during;          /* the transaction under way had reached the
                                  disk */
    uint64_t  lost;            /* relaxed: the last one had not */
    uint64_t  jobs;            /* compared */
    uint64_t  acked;           /* transactions acknowledged at the cuts */
    uint64_t  number;          /* of the state under examination */
    uint64_t  entry;           /* where it was cut */
} cut_counts_t;

typedef struct {
    const record_entry_t  *first;
    const record_entry_t  *end;
    unsigned               entries;
    bool                   relaxed;
    bool                   unsynced;
    char                   path[512];        /* of the process's folder */
    cut_counts_t          *counts;
    char                  *acks;             /* up to now */
    size_t                 nacks;
    size_t                 room;
} cut_t;


static disk_t         disk;
static power_model_t  model;


/* --- a store after a power cut --- */

typedef struct {
    const char  *why;
    unsigned     n;
    unsigned     kept;         /* of them, those that must be there */
} cut_compare_t;


static bool
cut_job(void *data, const async_job_t *job)
{
    unsigned        n;
    power_job_t    *expected;
    cut_compare_t  *compare = data;

    n = async_get_be32(job->id.bytes + 12);
    compare->n++;

    if (n >= model.n) {
        compare->why = "a job that nobody submitted";
        return false;
    }

    expected = &model.jobs[n];
    compare->kept += !expected->removed;

    if (job->state != expected->state) {
        compare->why = "another state";

    } else if (job->attempt != expected->attempt) {
        compare->why = "another attempt";

    } else if (!async_state_final(job->state)
               && job->request.crc != expected->request)
    {
        compare->why = "another request";

    } else if (async_state_final(job->state) && !expected->removed
               && (job->response.crc != expected->response
                   || job->result_status != expected->status))
    {
        compare->why = "another result";
    }

    return compare->why == NULL;
}


/* NULL if the jobs are those of this transaction */

static const char *
cut_compare(cut_t *cut, async_view_t *view, unsigned transaction)
{
    unsigned       i, kept;
    cut_compare_t  compare = { NULL, 0, 0 };

    power_model_read(&model, cut->acks, cut->nacks, transaction);

    if (async_view_jobs(view, POWER_JOBS, cut_job, &compare) != ASYNC_OK) {
        return "the jobs cannot be read";
    }

    for (i = 0, kept = 0; i < model.n; i++) {
        kept += !model.jobs[i].removed;
    }

    if (compare.why == NULL && compare.kept != kept) {
        compare.why = "jobs are missing";
    }

    cut->counts->jobs += compare.n;

    return compare.why;
}


static const char *
cut_transactions(cut_t *cut, async_store_t *store)
{
    unsigned       acked, begun, least, n;
    const char    *why;
    async_view_t  *view;

    if (async_view_open(&view, store) != ASYNC_OK) {
        return "no view";
    }

    power_model_read(&model, cut->acks, cut->nacks, 0);

    acked = model.acked;
    begun = model.begun;
    least = cut->relaxed && acked > 0 ? acked - 1 : acked;

    /* from the newest: those that changed nothing look alike */

    why = NULL;

    for (n = begun + 1; n > least; n--) {
        why = cut_compare(cut, view, n - 1);

        if (why == NULL) {
            cut->counts->during += n - 1 > acked;
            cut->counts->lost += n - 1 < acked;
            break;
        }
    }

    cut->counts->acked += acked;
    async_view_close(view);

    if (why != NULL) {
        fprintf(stderr, "%u acknowledged, %u begun; compared with %u: %s\n",
                acked, begun, n, why);
    }

    return why;
}


/* jobs of the last boot are judged, and new ones come */

static const char *
cut_goes_on(async_store_t *store)
{
    bool           left;
    uint64_t       epoch;
    async_job_t    job;
    async_error_t  err;
    async_event_t  event;
    async_batch_t  batch = { .events = &event, .n = 1, .now = DRIVER_NOW };

    epoch = driver_take_over(store);

    do {
        if (async_store_recover(store, epoch, DRIVER_NOW, 1000, &left, &err)
            != ASYNC_OK)
        {
            return "it does not recover";
        }
    } while (left);

    job = driver_job(POWER_JOBS, DRIVER_NOW);
    event = driver_submitted(&job);
    driver_body(store, &job.id, ASYNC_PAYLOAD_REQUEST_BODY, false, "body", 4,
                &job.request, &event.payload);

    if (async_store_apply(store, &batch, &err) != ASYNC_OK
        || event.rc != ASYNC_OK)
    {
        return "it takes no new job";
    }

    return driver_check(store) == 0 ? NULL : "not clean after it went on";
}


static const char *
cut_examine(cut_t *cut)
{
    char            path[600];
    const char     *why;
    async_error_t   err;
    async_store_t  *store;

    (void) snprintf(path, sizeof(path), "%s/store", cut->path);

    if (driver_open(&store, path, 16 << 20, cut->relaxed, &err) != ASYNC_OK) {
        fprintf(stderr, "%s\n", err.text);
        return "it does not open";
    }

    why = driver_check(store) == 0 ? NULL : "not clean";

    if (why == NULL) {
        why = cut_transactions(cut, store);
    }

    if (why == NULL) {
        why = cut_goes_on(store);
    }

    async_store_close(store);

    return why;
}


/* --- the states --- */

static void
cut_acks(cut_t *cut, const record_entry_t *entry)
{
    while (cut->nacks + entry->len > cut->room) {
        cut->room = cut->room * 2 + 65536;
        cut->acks = realloc(cut->acks, cut->room);
    }

    memcpy(cut->acks + cut->nacks, entry + 1, entry->len);
    cut->nacks += entry->len;
}


static void
cut_remove(const char *path)
{
    char  command[600];

    (void) snprintf(command, sizeof(command), "rm -rf '%s'", path);

    if (system(command) != 0) {
        die("cannot remove %s", path);
    }
}


/* removes files, and leaves folders: much faster than rm */

static void
cut_clear(const char *path)
{
    unsigned                  i;
    char                      name[800];
    DIR                      *dir;
    struct dirent            *d;
    static const char *const  folders[] = { "store/db", "store/spool" };

    for (i = 0; i < 2; i++) {
        (void) snprintf(name, sizeof(name), "%s/%s", path, folders[i]);
        dir = opendir(name);

        while (dir != NULL && (d = readdir(dir)) != NULL) {
            (void) unlinkat(dirfd(dir), d->d_name, 0);
        }

        if (dir != NULL) {
            closedir(dir);
            (void) rmdir(name);
        }
    }

    (void) snprintf(name, sizeof(name), "%s/store/run", path);
    (void) rmdir(name);
    (void) snprintf(name, sizeof(name), "%s/store", path);
    (void) rmdir(name);
}


/* one state: the entry was under way when the power went */

static bool
cut_state(cut_t *cut, uint64_t seed)
{
    int          fd;
    const char  *why;
    disk_cut_t   dc;

    static uint8_t  *bytes;
    static size_t    room;

    if (bytes == NULL) {
        room = 1 << 20;
        bytes = malloc(room);
    }

    dc = (disk_cut_t) { .seed = seed, .bytes = bytes, .room = room };

    dc.torn = driver_below(&dc.seed, 2);
    dc.odds = driver_below(&dc.seed, 8);
    dc.odds = dc.odds == 0 ? 0 : dc.odds == 1 ? 256
              : driver_below(&dc.seed, 257);

    cut_clear(cut->path);
    fd = open(cut->path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    disk_leave(&dc, fd, disk.root);
    close(fd);

    bytes = dc.bytes;
    room = dc.room;

    why = cut_examine(cut);
    cut->counts->states++;

    if (why != NULL) {
        fprintf(stderr, "state %u, cut at entry %u of %u, odds %u%s: %s\n",
                (unsigned) cut->counts->number, (unsigned) cut->counts->entry,
                cut->entries, dc.odds, dc.torn ? ", torn" : "", why);
    }

    return why == NULL;
}


static int
cut_order(const void *a, const void *b)
{
    unsigned  x = *(const unsigned *) a, y = *(const unsigned *) b;

    return x < y ? -1 : x > y;
}


/* the states of one process, in the order of the log */

static int
cut_process(cut_t *cut, unsigned states, uint64_t seed)
{
    bool                   acks;
    unsigned               i, at, *cuts;
    disk_file_t           *watched;
    const record_entry_t  *entry;

    cuts = malloc((states + 1) * sizeof(unsigned));

    for (i = 0; i < states; i++) {
        cuts[i] = 1 + driver_below(&seed, cut->entries - 1);
    }

    qsort(cuts, states, sizeof(unsigned), cut_order);

    disk.root = &disk.files[disk.nfiles++];
    disk.root->folder = true;
    disk.root->ino = cut->first->ino;
    watched = NULL;

    for (i = 0, at = 1, entry = disk_next(cut->first); i < states; at++) {

        acks = watched != NULL && entry->ino == watched->ino;

        if (!acks) {
            disk_begin(&disk, entry);
        }

        for (/* void */; i < states && cuts[i] == at; i++) {
            cut->counts->number = i;
            cut->counts->entry = at;

            if (!cut_state(cut, driver_random(&seed))) {
                return 1;
            }
        }

        if (acks) {
            cut_acks(cut, entry);

        } else if (!cut->unsynced) {
            disk_end(&disk, entry);
        }

        if (watched == NULL) {
            watched = disk_find(disk.root, "acks", 4);
        }

        entry = disk_next(entry);
    }

    return 0;
}


/* --- all of it --- */

static void
cut_map(cut_t *cut, const char *log)
{
    int                    fd;
    struct stat            st;
    const record_entry_t  *entry;

    fd = open(log, O_RDONLY|O_CLOEXEC);

    if (fd == -1 || fstat(fd, &st) == -1 || st.st_size == 0) {
        die("no log %s", log);
    }

    cut->first = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd,
                      0);
    cut->end = (const record_entry_t *) ((const char *) cut->first
                                         + st.st_size);
    close(fd);

    for (entry = cut->first; entry < cut->end; entry = disk_next(entry)) {
        cut->entries++;
    }
}


static bool
cut_wait(pid_t pid, const cut_counts_t *counts)
{
    int  status;

    if (waitpid(pid, &status, 0) != pid) {
        die("a process is gone");
    }

    if (WIFSIGNALED(status)) {
        fprintf(stderr, "state %u, cut at entry %u: signal %d\n",
                (unsigned) counts->number, (unsigned) counts->entry,
                WTERMSIG(status));
    }

    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}


int
main(int argc, char **argv)
{
    bool           sound;
    pid_t          pids[64];
    cut_t          cut = { 0 };
    unsigned       i, n, states;
    uint64_t       seed;
    cut_counts_t  *counts, all = { 0 };

    if (argc != 7) {
        die("usage: power_cut LOG FOLDER strict|relaxed|unsynced STATES "
            "SEED PROCESSES");
    }

    cut_map(&cut, argv[1]);
    cut.relaxed = strcmp(argv[3], "relaxed") == 0;
    cut.unsynced = strcmp(argv[3], "unsynced") == 0;
    states = (unsigned) atoi(argv[4]);
    seed = (uint64_t) atoll(argv[5]);
    n = (unsigned) atoi(argv[6]);
    n = n < 1 ? 1 : n > 64 ? 64 : n;

    counts = mmap(NULL, n * sizeof(cut_counts_t), PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    for (i = 0; i < n; i++) {
        (void) snprintf(cut.path, sizeof(cut.path), "%s/%u", argv[2], i);
        cut_remove(cut.path);

        if (mkdir(cut.path, 0755) == -1) {
            die("cannot make %s", cut.path);
        }

        cut.counts = &counts[i];
        pids[i] = fork();

        if (pids[i] == 0) {
            _exit(cut_process(&cut, states / n + (i < states % n),
                              seed + i * 1000003));
        }
    }

    for (i = 0, sound = true; i < n; i++) {
        sound = cut_wait(pids[i], &counts[i]) && sound;

        all.states += counts[i].states;
        all.during += counts[i].during;
        all.lost += counts[i].lost;
        all.jobs += counts[i].jobs;
        all.acked += counts[i].acked;
    }

    printf("states %u entries %u jobs %u acked %u during %u lost %u\n",
           (unsigned) all.states, cut.entries, (unsigned) all.jobs,
           (unsigned) all.acked, (unsigned) all.during, (unsigned) all.lost);

    return sound ? 0 : 1;
}
