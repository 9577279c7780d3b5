/*
 * Memory runs out: at each allocation in turn, for once and for good, of
 * everything that is done with a store.
 *
 *     allocations FOLDER
 *
 * Prints how often an allocation failed, and what was answered.  Nothing may
 * crash; what was accepted is there, what was refused is not.
 */

#include <errno.h>

#include "driver.h"


#define MEMORY_TRIES  400
#define MEMORY_JOBS   20000

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static unsigned  countdown;              /* to the one that fails; 0: none */
static bool      for_good;               /* and all after it */
static bool      gone;
static unsigned  failed;


/* --- the allocator --- */

static bool
memory_fails(void)
{
    if (gone && for_good) {
        failed++;
        errno = ENOMEM;
        return true;
    }

    if (countdown == 0 || --countdown > 0) {
        return false;
    }

    gone = true;
    failed++;
    errno = ENOMEM;

    return true;
}


void *
malloc(size_t size)
{
    return memory_fails() ? NULL : __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    return memory_fails() ? NULL : __libc_calloc(n, size);
}


void *
realloc(void *p, size_t size)
{
    return memory_fails() ? NULL : __libc_realloc(p, size);
}


int
posix_memalign(void **p, size_t alignment, size_t size)
{
    if (memory_fails()) {
        return ENOMEM;
    }

    *p = __libc_memalign(alignment, size);

    return *p != NULL ? 0 : ENOMEM;
}


static void
memory_out(unsigned n)
{
    gone = false;
    countdown = n;
}


/* true if it had run out: there is one more to try */

static bool
memory_back(void)
{
    bool  was;

    was = gone;
    gone = false;
    countdown = 0;

    return was;
}


/* --- a store that is used meanwhile --- */

static char            folder[512];
static async_store_t  *store;
static uint64_t        epoch;
static unsigned        submitted;
static bool            accepted[MEMORY_JOBS];
static async_claim_t   claims[8];
static unsigned        nclaims;
static unsigned        answers[ASYNC_UNKNOWN + 1];


static bool
memory_count(async_rc_t rc, const char *what)
{
    answers[rc]++;

    if (rc != ASYNC_OK && rc != ASYNC_NO_SPACE && rc != ASYNC_UNAVAILABLE) {
        die("%s: %s", what, async_rc_name(rc));
    }

    return rc == ASYNC_OK;
}


static void
memory_open(unsigned n)
{
    async_rc_t      rc;
    async_error_t   err;

    async_store_close(store);
    store = NULL;

    memory_out(n);
    rc = driver_open(&store, folder, 64 << 20, true, &err);
    (void) memory_back();

    if (!memory_count(rc, "open")
        && driver_open(&store, folder, 64 << 20, true, &err) != ASYNC_OK)
    {
        die("it does not open again: %s", err.text);
    }

    epoch = driver_take_over(store);
}


static async_rc_t
memory_apply(async_event_t *events, unsigned n, async_claim_request_t *claim,
    unsigned at)
{
    async_rc_t     rc;
    async_error_t  err;
    async_batch_t  batch = {
        .events = events, .n = n, .claim = claim, .now = DRIVER_NOW
    };

    memory_out(at);
    rc = async_store_apply(store, &batch, &err);

    return memory_count(rc, "apply") && n > 0 ? events[0].rc : rc;
}


static bool
memory_submit(unsigned n)
{
    char           body[9000];
    async_job_t    job;
    async_event_t  event;

    memset(body, 'b', sizeof(body));

    job = driver_job(submitted, DRIVER_NOW);
    event = driver_submitted(&job);
    driver_body(store, &job.id, ASYNC_PAYLOAD_REQUEST_BODY, false, body,
                sizeof(body), &job.request, &event.payload);

    accepted[submitted++] = memory_apply(&event, 1, NULL, n) == ASYNC_OK;

    return memory_back();
}


static bool
memory_claim(unsigned n)
{
    async_claim_request_t  claim = {
        .epoch = epoch, .claims = claims, .max = 4
    };

    nclaims = 0;

    if (memory_apply(NULL, 0, &claim, n) == ASYNC_OK) {
        nclaims = claim.n;
    }

    return memory_back();
}


static bool
memory_end(unsigned n)
{
    unsigned       i;
    async_event_t  events[8];

    for (i = 0; i < nclaims; i++) {
        events[i] = driver_ended(ASYNC_EVENT_COMPLETED, &claims[i].job.id,
                                 epoch, claims[i].job.attempt);
        driver_body(store, &claims[i].job.id, ASYNC_PAYLOAD_RESPONSE_BODY,
                    false, "result", 6, &events[i].response,
                    &events[i].payload);
    }

    (void) memory_apply(events, nclaims, NULL, n);

    return memory_back();
}


static bool
memory_look(unsigned n)
{
    uint8_t        buf[ASYNC_JOB_MAX];
    async_id_t     id;
    async_rc_t     rc;
    async_job_t    job;
    async_view_t  *view;

    memory_out(n);
    rc = async_view_open(&view, store);

    if (memory_count(rc, "view")) {
        id = driver_id(0, DRIVER_NOW);
        rc = async_view_job(view, &id, &job, buf);

        if (rc != ASYNC_NOT_FOUND) {
            (void) memory_count(rc, "look");
        }

        async_view_close(view);
    }

    return memory_back();
}


static bool
memory_check(unsigned n)
{
    unsigned               shown;
    async_rc_t             rc;
    async_error_t          err;
    async_check_figures_t  figures;

    shown = 0;
    memory_out(n);
    rc = async_store_check(store, &figures, driver_fault, NULL, &shown, &err);

    if (memory_count(rc, "check") && figures.faults > 0) {
        die("%u faults", (unsigned) figures.faults);
    }

    return memory_back();
}


/* --- what is there in the end --- */

static void
memory_compare(void)
{
    bool           there;
    uint8_t        buf[ASYNC_JOB_MAX];
    unsigned       i, n;
    async_id_t     id;
    async_job_t    job;
    async_view_t  *view;

    if (async_view_open(&view, store) != ASYNC_OK) {
        die("no view");
    }

    for (i = 0, n = 0; i < submitted; i++) {
        id = driver_id(i, DRIVER_NOW);
        there = async_view_job(view, &id, &job, buf) == ASYNC_OK;
        n += there;

        if (there != accepted[i]) {
            die("job %u was %s", i, there ? "refused, and is there"
                                          : "accepted, and is not there");
        }
    }

    async_view_close(view);

    printf("submitted %u accepted %u failed %u ok %u refused %u check %u\n",
           submitted, n, failed, answers[ASYNC_OK],
           answers[ASYNC_NO_SPACE] + answers[ASYNC_UNAVAILABLE],
           (unsigned) driver_check(store));
}


int
main(int argc, char **argv)
{
    unsigned       i, n, round;
    async_error_t  err;

    static bool  (*const does[])(unsigned n) = {
        memory_submit, memory_claim, memory_end, memory_look, memory_check
    };

    if (argc != 2) {
        die("usage: allocations FOLDER");
    }

    (void) snprintf(folder, sizeof(folder), "%s/store", argv[1]);

    if (driver_open(&store, folder, 64 << 20, true, &err) != ASYNC_OK) {
        die("%s", err.text);
    }

    epoch = driver_take_over(store);

    for (round = 0; round < 6; round++) {
        for_good = round % 2;

        for (i = 0; i < sizeof(does) / sizeof(does[0]); i++) {
            for (n = 1; n < MEMORY_TRIES && does[i](n); n++) {
                /* an allocation further each time */
            }
        }

        for (n = 1; n < 60; n++) {
            memory_open(n);
            (void) memory_submit(0);
        }
    }

    memory_compare();
    async_store_close(store);

    return 0;
}
