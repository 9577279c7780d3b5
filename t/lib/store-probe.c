
/*
 * What tests ask of a store besides nginx-async:
 *
 *   store-probe jobs DIR    a line of JSON for each job, newest first
 *   store-probe door DIR    goes through the door, begins a write, says
 *                           "held" and keeps both until its input ends
 *   store-probe trim DIR    leaves but the newest of the feed, as after a
 *                           hundred thousand changes
 *   store-probe cancel DIR ID
 *                           cancels a job, as somebody who is no client
 */

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "async_drop.h"
#include "async_work.h"


static int probe_jobs(async_store_t *store);
static bool probe_job(void *data, const async_job_t *job);
static void probe_string(const char *name, async_str_t s);
static int probe_door(async_store_t *store);
static int probe_hold(void);
static int probe_trim(async_store_t *store);
static int probe_cancel(async_store_t *store, const char *id);
static int probe_failed(const char *what, const async_error_t *err);


int
main(int argc, char **argv)
{
    int                    status;
    async_error_t          err = { .text = "" };
    async_store_t         *store;
    async_store_options_t  options = { .path = argc > 2 ? argv[2] : "" };

    if (argc < 3 || (argc != 4) == (strcmp(argv[1], "cancel") == 0)) {
        fprintf(stderr, "store-probe jobs|door|trim DIR, or cancel DIR ID\n");
        return 2;
    }

    if (async_drop(options.path, NULL, &err) != ASYNC_OK) {
        return probe_failed("owner", &err);
    }

    if (async_store_open(&store, &options, &err) != ASYNC_OK) {
        return probe_failed("open", &err);
    }

    status = argc == 4 ? probe_cancel(store, argv[3])
             : strcmp(argv[1], "door") == 0 ? probe_door(store)
             : strcmp(argv[1], "trim") == 0 ? probe_trim(store)
                                            : probe_jobs(store);

    async_store_close(store);

    return status;
}


static int
probe_jobs(async_store_t *store)
{
    async_rc_t      rc;
    async_view_t   *view;
    async_error_t   err;

    async_error_set(&err, "see above");

    if (async_view_open(&view, store) != ASYNC_OK) {
        return probe_failed("view", &err);
    }

    rc = async_view_jobs(view, ~0u, probe_job, NULL);

    async_view_close(view);

    return rc == ASYNC_OK ? 0 : probe_failed(async_rc_name(rc), &err);
}


static bool
probe_job(void *data, const async_job_t *job)
{
    char  id[ASYNC_ID_TEXT + 1];

    (void) data;

    *async_id_format(id, &job->id) = '\0';

    printf("{\"id\":\"%s\",\"status\":\"%s\",\"error\":\"%s\","
           "\"attempt\":%u,\"deaths\":%u,", id,
           async_state_name(job->state),
           async_job_error_name(job->error), job->attempt, job->deaths);

    probe_string("queue", job->queue);
    printf(",");
    probe_string("method", job->method);
    printf(",");
    probe_string("uri", job->uri);
    printf("}\n");

    return true;
}


static void
probe_string(const char *name, async_str_t s)
{
    size_t  i;

    printf("\"%s\":\"", name);

    for (i = 0; i < s.len; i++) {
        unsigned char  c = (unsigned char) s.data[i];

        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }

    printf("\"");
}


static int
probe_door(async_store_t *store)
{
    async_work_t   work;
    async_error_t  err;

    if (async_work_begin(&work, store, (int64_t) time(NULL) * 1000, 10000,
                         &err)
        != ASYNC_OK)
    {
        return probe_failed("door", &err);
    }

    (void) probe_hold();

    async_work_abort(&work);

    return 0;
}


static int
probe_hold(void)
{
    char  c;

    printf("held\n");
    fflush(stdout);

    while (read(STDIN_FILENO, &c, 1) > 0) {
        /* void */
    }

    return 0;
}


static int
probe_trim(async_store_t *store)
{
    MDB_val        row;
    async_key_t    first, key;
    async_work_t   work;
    async_error_t  err;

    if (async_work_begin(&work, store, (int64_t) time(NULL) * 1000, 10000,
                         &err)
        != ASYNC_OK)
    {
        return probe_failed("door", &err);
    }

    async_key_feed(&first, 0);

    while (async_work_seek(&work, &first, &row)
           && async_get_be64(row.mv_data) < work.feed)
    {
        async_key_feed(&key, async_get_be64(row.mv_data));
        async_work_delete(&work, &key);
    }

    return async_work_commit(&work, &err) == ASYNC_OK
           ? 0 : probe_failed("trim", &err);
}


static int
probe_cancel(async_store_t *store, const char *id)
{
    async_rc_t     rc;
    async_error_t  err;
    async_event_t  event = {
        .type = ASYNC_EVENT_CANCEL_REQUESTED,
        .by = async_str("cli:probe")
    };
    async_batch_t  batch = {
        .events = &event, .n = 1, .now = (int64_t) time(NULL) * 1000
    };

    async_error_set(&err, "it was not canceled");

    if (!async_id_parse(&event.id, id, strlen(id))) {
        return probe_failed("id", &err);
    }

    rc = async_store_apply(store, &batch, &err);

    return rc == ASYNC_OK && event.rc == ASYNC_OK
           ? 0 : probe_failed(async_rc_name(event.rc), &err);
}


static int
probe_failed(const char *what, const async_error_t *err)
{
    fprintf(stderr, "store-probe: %s: %s\n", what, err->text);
    return 1;
}
