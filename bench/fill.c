
/*
 * bench-fill DIR ID COUNT
 *
 * Makes COUNT more jobs like the one of that id, which has completed, and
 * prints their ids: submitted, claimed and completed, 1,000 in a transaction.
 * No worker may run on the store meanwhile.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "async_drop.h"
#include "async_payload.h"


#define FILL_BATCH  1000


typedef struct {
    async_store_t   *store;
    async_view_t    *view;
    uint64_t         epoch;

    async_job_t      job;            /* the model */
    uint8_t          record[ASYNC_JOB_MAX];
    async_payload_t  request;
    async_payload_t  response;

    async_job_t      jobs[FILL_BATCH];
    async_event_t    events[FILL_BATCH];
    async_claim_t    claims[FILL_BATCH];
} fill_t;


static bool fill_open(fill_t *fill, const char *path, const char *id,
    async_error_t *err);
static bool fill_model(fill_t *fill, async_error_t *err);
static async_str_t fill_record(async_record_kind_t kind);
static bool fill_submit(fill_t *fill, unsigned n, async_error_t *err);
static void fill_ids(async_id_t *ids, unsigned n);
static int fill_compare(const void *one, const void *two);
static unsigned fill_claim(fill_t *fill, unsigned n, async_error_t *err);
static bool fill_complete(fill_t *fill, unsigned n, async_error_t *err);
static bool fill_apply(fill_t *fill, async_batch_t *batch,
    async_error_t *err);
static int64_t fill_now(void);


int
main(int argc, char **argv)
{
    bool           done;
    fill_t        *fill;
    unsigned       n, claimed;
    unsigned long  left;
    async_error_t  err = { .text = "no memory" };

    if (argc != 4 || (left = strtoul(argv[3], NULL, 10)) == 0) {
        fprintf(stderr, "bench-fill DIR ID COUNT\n");
        return 2;
    }

    fill = calloc(1, sizeof(fill_t));

    done = fill && fill_open(fill, argv[1], argv[2], &err);

    while (done && left) {
        n = left < FILL_BATCH ? (unsigned) left : FILL_BATCH;
        done = fill_submit(fill, n, &err);
        left -= n;

        while (done && n) {
            claimed = fill_claim(fill, n, &err);
            done = claimed && fill_complete(fill, claimed, &err);
            n -= claimed;
        }
    }

    if (!done) {
        fprintf(stderr, "bench-fill: %s\n", err.text);
        return 1;
    }

    async_view_close(fill->view);
    async_store_close(fill->store);

    return 0;
}


static bool
fill_open(fill_t *fill, const char *path, const char *id, async_error_t *err)
{
    async_store_options_t  options = { .path = path };

    if (!async_id_parse(&fill->job.id, id, strlen(id))) {
        async_error_set(err, "%s is no id", id);
        return false;
    }

    if (async_drop(path, NULL, err) != ASYNC_OK
        || async_store_open(&fill->store, &options, err) != ASYNC_OK
        || !async_store_lock_worker(fill->store, err)
        || async_store_take_over(fill->store, &fill->epoch, err) != ASYNC_OK)
    {
        return false;
    }

    if (async_view_open(&fill->view, fill->store) != ASYNC_OK) {
        async_error_set(err, "the store cannot be read");
        return false;
    }

    return fill_model(fill, err);
}


/* the request of a job that has completed is gone, and that of its copies is
   when they have: any will do */

static bool
fill_model(fill_t *fill, async_error_t *err)
{
    size_t        len;
    uint8_t      *buf;
    async_id_t    id = fill->job.id;
    async_job_t  *job = &fill->job;

    if (async_view_job(fill->view, &id, job, fill->record) != ASYNC_OK
        || job->state != ASYNC_STATE_COMPLETED
        || job->response.where != ASYNC_BODY_CHUNKS)
    {
        async_error_set(err, "there is no such job that has completed");
        return false;
    }

    fill->request.head = fill_record(ASYNC_RECORD_REQUEST);
    fill->request.capture = fill_record(ASYNC_RECORD_CAPTURE);

    buf = malloc(2 * ASYNC_CHUNKED_MAX);

    if (buf == NULL
        || async_view_head(fill->view, &id, ASYNC_PAYLOAD_RESPONSE, buf,
                           ASYNC_CHUNKED_MAX, &len)
           != ASYNC_OK
        || async_view_body(fill->view, &id, ASYNC_PAYLOAD_RESPONSE_BODY, 0,
                           buf + ASYNC_CHUNKED_MAX,
                           (size_t) job->response.len)
           != ASYNC_OK)
    {
        async_error_set(err, "the response cannot be read");
        return false;
    }

    fill->response.head.data = (char *) buf;
    fill->response.head.len = len;
    fill->response.body.data = (char *) buf + ASYNC_CHUNKED_MAX;
    fill->response.body.len = (size_t) job->response.len;

    return true;
}


static async_str_t
fill_record(async_record_kind_t kind)
{
    async_str_t      record;
    async_writer_t   w;
    static uint8_t   bufs[2][64];
    static unsigned  n;

    async_writer_init(&w, bufs[n], sizeof(bufs[n]), kind);

    record.data = (char *) bufs[n++];
    record.len = async_writer_end(&w);

    return record;
}


static bool
fill_submit(fill_t *fill, unsigned n, async_error_t *err)
{
    char            text[ASYNC_ID_TEXT + 1];
    unsigned        i;
    async_id_t      ids[FILL_BATCH];
    async_job_t    *job;
    async_batch_t   batch = { .events = fill->events, .n = n };
    async_event_t  *event;

    memset(fill->events, 0, n * sizeof(async_event_t));
    fill_ids(ids, n);

    for (i = 0; i < n; i++) {
        job = &fill->jobs[i];
        event = &fill->events[i];

        memset(job, 0, sizeof(async_job_t));
        job->id = ids[i];

        job->priority = ASYNC_PRIORITY;
        job->flags = ASYNC_JOB_REPEATABLE;
        job->attempts_max = fill->job.attempts_max;
        job->created = fill_now();
        job->server = fill->job.server;
        memcpy(job->policy, fill->job.policy, sizeof(job->policy));
        job->queue = fill->job.queue;
        job->status_prefix = fill->job.status_prefix;
        job->method = fill->job.method;
        job->uri = fill->job.uri;
        job->owner = fill->job.owner;

        event->type = ASYNC_EVENT_SUBMITTED;
        event->id = job->id;
        event->job = job;
        event->payload = fill->request;
        event->by = (async_str_t) async_str("client");

        *async_id_format(text, &job->id) = '\0';
        puts(text);
    }

    return fill_apply(fill, &batch, err);
}


/* they rise, as those that nginx makes do */

static void
fill_ids(async_id_t *ids, unsigned n)
{
    uint8_t   random[ASYNC_ID_RANDOM];
    int64_t   now;
    unsigned  i;

    now = fill_now();

    for (i = 0; i < n; i++) {

        if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
            memset(random, 0, sizeof(random));
        }

        async_id_make(&ids[i], now, random);
    }

    qsort(ids, n, sizeof(async_id_t), fill_compare);
}


static int
fill_compare(const void *one, const void *two)
{
    return memcmp(one, two, sizeof(async_id_t));
}


/* how many: what a claim may take depends on the queue */

static unsigned
fill_claim(fill_t *fill, unsigned n, async_error_t *err)
{
    async_claim_request_t  claim = {
        .epoch = fill->epoch, .claims = fill->claims, .max = n
    };
    async_batch_t          batch = { .claim = &claim };

    async_error_set(err, "nothing can be claimed");

    return fill_apply(fill, &batch, err) ? claim.n : 0;
}


static bool
fill_complete(fill_t *fill, unsigned n, async_error_t *err)
{
    unsigned            i;
    async_batch_t       batch = { .events = fill->events, .n = n };
    async_event_t      *event;
    const async_job_t  *job;

    memset(fill->events, 0, n * sizeof(async_event_t));

    for (i = 0; i < n; i++) {
        event = &fill->events[i];
        job = &fill->claims[i].job;

        event->type = ASYNC_EVENT_COMPLETED;
        event->id = job->id;
        event->epoch = job->epoch;
        event->attempt = job->attempt;
        event->status = fill->job.result_status;
        event->response = fill->job.response;
        event->payload = fill->response;
        event->duration = 1;
        event->by = (async_str_t) async_str("worker");
    }

    return fill_apply(fill, &batch, err);
}


static bool
fill_apply(fill_t *fill, async_batch_t *batch, async_error_t *err)
{
    unsigned    i;
    async_rc_t  rc;

    batch->now = fill_now();
    batch->wait_ms = 30000;

    if (async_store_apply(fill->store, batch, err) != ASYNC_OK) {
        return false;
    }

    for (i = 0; i < batch->n; i++) {
        rc = batch->events[i].rc;

        if (rc != ASYNC_OK) {
            async_error_set(err, "a job was refused: %s", async_rc_name(rc));
            return false;
        }
    }

    return true;
}


static int64_t
fill_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
