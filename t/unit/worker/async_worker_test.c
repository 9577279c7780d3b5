/*
 * The worker against a real store and a server that behaves as a backend
 * should not: what becomes of each job, and how often its request was run.
 */

#include "async_fake.h"
#include "async_db.h"


#define COMPLETED    ASYNC_STATE_COMPLETED
#define FAILED       ASYNC_STATE_FAILED

#define NONE         ASYNC_JOB_ERROR_NONE
#define STATUS       ASYNC_JOB_ERROR_BACKEND_STATUS
#define UNREACHABLE  ASYNC_JOB_ERROR_BACKEND_UNREACHABLE
#define TIMEOUT      ASYNC_JOB_ERROR_TIMEOUT
#define UNKNOWN      ASYNC_JOB_ERROR_OUTCOME_UNKNOWN
#define TOO_LARGE    ASYNC_JOB_ERROR_RESULT_TOO_LARGE


static pid_t          worker;
static fake_server_t  server;


static int
begin(void **state)
{
    (void) state;

    fake_folder();
    fake_store();
    fake_listen(&server, fake.path, 1, 0);
    worker = fake_start(64, 5000);

    return 0;
}


static int
finish(void **state)
{
    (void) state;

    assert_int_equal(fake_stop(worker), 0);
    fake_unlisten(&server);
    fake_remove();

    return 0;
}


/* the body of a response that lies in chunks */

static void
body_is(const async_job_t *job, const char *text)
{
    char    buf[4096];
    size_t  len;

    len = strlen(text);

    assert_int_equal(job->response.where, ASYNC_BODY_CHUNKS);
    assert_int_equal(job->response.len, len);
    assert_int_equal(job->response.crc, async_crc32c(0, text, len));
    assert_int_equal(async_view_body(fake.view, &job->id,
                                     ASYNC_PAYLOAD_RESPONSE_BODY, 0,
                                     (uint8_t *) buf, len),
                     ASYNC_OK);
    assert_memory_equal(buf, text, len);
}


static void
header_count_is(const async_job_t *job, unsigned n)
{
    size_t          len;
    uint8_t         buf[4096];
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    assert_int_equal(async_view_head(fake.view, &job->id,
                                     ASYNC_PAYLOAD_RESPONSE, buf, sizeof(buf),
                                     &len),
                     ASYNC_OK);
    assert_int_equal(async_reader_init(&rd, buf, len, ASYNC_RECORD_RESPONSE),
                     ASYNC_OK);

    while (async_read_tag(&rd, &tag, &value)) {
        n -= tag == ASYNC_RESPONSE_HEADER;
    }

    assert_int_equal(n, 0);
}


static void
the_request_is_the_clients_and_nothing_else(void **state)
{
    char               text[1024], id_text[ASYNC_ID_TEXT];
    async_id_t         id;
    const fake_seen_t *seen;

    const fake_job_t  job = {
        .target = "/echo", .body = "a\0b\r\nc", .body_len = 6,
        .headers = { "X-Two", "1", "Host", "example.com:81",
                     "X-Two", "2", "X-Empty", "" }
    };

    (void) state;

    id = fake_submit(&job);
    assert_int_equal(fake_wait(&id).state, COMPLETED);

    async_id_format(id_text, &id);
    snprintf(text, sizeof(text),
             "POST /echo HTTP/1.1\r\n"
             "Host: example.com:81\r\n"
             "X-Two: 1\r\n"
             "X-Two: 2\r\n"
             "X-Empty:\r\n"
             "Async-Replay: %.*s %.*s 1\r\n"
             "Content-Length: 6\r\n\r\n",
             ASYNC_TOKEN, async_store_token(fake.store),
             ASYNC_ID_TEXT, id_text);

    seen = fake_request("/echo");
    assert_int_equal(seen->len, strlen(text) + 6);
    assert_memory_equal(seen->text, text, strlen(text));
    assert_memory_equal(seen->text + strlen(text), "a\0b\r\nc", 6);
}


static void
lines_of_its_own_stay_away(void **state)
{
    async_id_t          id;
    const char        **line;
    const fake_seen_t  *seen;

    const fake_job_t  plain = { .target = "/ok", .no_body = true };
    const fake_job_t  empty = { .target = "/again", .body = "" };

    const char  *own[] = { "\r\nAccept", "\r\nUser-Agent", "\r\nExpect",
                           "\r\nContent-Type", "\r\nConnection",
                           "\r\nTransfer-Encoding", NULL };

    (void) state;

    id = fake_submit(&plain);
    assert_int_equal(fake_wait(&id).state, COMPLETED);
    id = fake_submit(&empty);
    assert_int_equal(fake_wait(&id).state, COMPLETED);

    for (line = own; *line; line++) {
        assert_null(strcasestr(fake_request("/ok")->text, *line));
        assert_null(strcasestr(fake_request("/again")->text, *line));
    }

    assert_null(strcasestr(fake_request("/ok")->text, "\r\nContent-Length"));

    seen = fake_request("/again");
    assert_non_null(strstr(seen->text, "\r\nContent-Length: 0\r\n"));
}


static void
a_client_may_send_what_clients_do(void **state)
{
    async_id_t          id;
    const fake_seen_t  *seen;

    const fake_job_t  job = {
        .method = "PUT", .target = "/ok",
        .headers = { "Host", "h", "accept", "a/b", "User-Agent", "",
                     "Content-Type", "x/y" }
    };

    (void) state;

    id = fake_submit(&job);
    assert_int_equal(fake_wait(&id).state, COMPLETED);

    seen = fake_request("/ok");
    assert_non_null(strstr(seen->text, "PUT /ok HTTP/1.1\r\nHost: h\r\n"
                                       "accept: a/b\r\nUser-Agent:\r\n"
                                       "Content-Type: x/y\r\n"));
}


static void
a_response_is_stored_as_it_came(void **state)
{
    async_id_t   id;
    async_job_t  job;

    const fake_job_t  created = { .target = "/created" };
    const fake_job_t  chunked = { .target = "/chunked" };
    const fake_job_t  empty = { .target = "/empty" };
    const fake_job_t  interim = { .target = "/interim" };
    const fake_job_t  encoded = { .target = "/encoded" };
    const fake_job_t  redirect = { .target = "/redirect" };

    (void) state;

    id = fake_submit(&created);
    job = fake_wait(&id);
    assert_int_equal(job.result_status, 201);
    assert_int_equal(job.resource.len, 12);
    assert_memory_equal(job.resource.data, "http://h/r/1", 12);
    header_count_is(&job, 3);
    body_is(&job, "");

    id = fake_submit(&chunked);
    job = fake_wait(&id);
    header_count_is(&job, 1);
    body_is(&job, "abcdefg");

    id = fake_submit(&empty);
    job = fake_wait(&id);
    assert_int_equal(job.result_status, 204);
    assert_int_equal(job.response.where, ASYNC_BODY_NONE);

    id = fake_submit(&interim);
    job = fake_wait(&id);
    assert_int_equal(job.result_status, 200);
    header_count_is(&job, 1);
    body_is(&job, "ok");

    id = fake_submit(&encoded);
    job = fake_wait(&id);
    header_count_is(&job, 2);
    body_is(&job, "\x1f\x8bxx");

    id = fake_submit(&redirect);
    job = fake_wait(&id);
    assert_int_equal(job.result_status, 302);
    assert_int_equal(fake_executions("/ok"), 0);
}


static void
head_has_no_body(void **state)
{
    async_id_t   id;
    async_job_t  job;

    const fake_job_t  head = { .method = "HEAD", .target = "/ok",
                               .no_body = true };

    (void) state;

    id = fake_submit(&head);
    job = fake_wait(&id);

    assert_int_equal(job.state, COMPLETED);
    assert_int_equal(job.result_status, 200);
    assert_int_equal(job.response.where, ASYNC_BODY_NONE);
    assert_non_null(strstr(fake_request("/ok")->text, "HEAD /ok HTTP/1.1"));
}


static void
large_bodies_go_through_the_spool(void **state)
{
    char        *body;
    char         path[512];
    size_t       i;
    async_id_t   id;
    async_job_t  job;
    struct stat  st;

    fake_job_t  echo = { .target = "/echo", .spool = true,
                         .body_len = 900000 };

    (void) state;

    body = malloc(echo.body_len);

    for (i = 0; i < echo.body_len; i++) {
        body[i] = (char) (i * 31 >> 3);
    }

    echo.body = body;
    id = fake_submit(&echo);
    job = fake_wait(&id);

    assert_int_equal(job.state, COMPLETED);
    assert_int_equal(job.response.where, ASYNC_BODY_SPOOL);
    assert_int_equal(job.response.len, echo.body_len);
    assert_int_equal(job.response.crc,
                     async_crc32c(0, body, echo.body_len));
    free(body);

    assert_true(async_spool_path(fake.store, &id, ASYNC_PAYLOAD_RESPONSE_BODY,
                                 path, sizeof(path)));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 900000);
}


/* a body of chunks that is larger than the buffer */

static void
a_body_of_many_chunks_arrives_whole(void **state)
{
    char        *body;
    async_id_t   id;
    async_job_t  job;

    fake_job_t  echo = { .target = "/echo", .body_len = 200001 };

    (void) state;

    body = malloc(echo.body_len);
    memset(body, 'c', echo.body_len);
    body[100000] = 'd';

    echo.body = body;
    id = fake_submit(&echo);
    job = fake_wait(&id);

    assert_int_equal(job.response.where, ASYNC_BODY_CHUNKS);
    assert_int_equal(job.response.len, echo.body_len);
    assert_int_equal(job.response.crc,
                     async_crc32c(0, body, echo.body_len));
    free(body);
}


/* a damaged body is never sent to its end */

static void
a_damaged_request_is_not_run(void **state)
{
    async_id_t   id;
    async_job_t  job;

    const fake_job_t  chunks = { .target = "/ok", .damaged = true };
    const fake_job_t  spool = { .target = "/ok", .damaged = true,
                                .spool = true };

    (void) state;

    id = fake_submit(&chunks);
    job = fake_wait(&id);
    assert_int_equal(job.state, FAILED);
    assert_int_equal(job.error, UNKNOWN);

    id = fake_submit(&spool);
    job = fake_wait(&id);
    assert_int_equal(job.state, FAILED);
    assert_int_equal(job.error, UNKNOWN);

    assert_int_equal(fake_executions("/ok"), 0);
}


static void
each_outcome_has_its_state(void **state)
{
    size_t       i, n;
    async_id_t   ids[32];
    async_job_t  job;

    const struct {
        fake_job_t         job;
        async_state_t      state;
        async_job_error_t  error;
        unsigned           status;
        unsigned           runs;
    } rows[] = {
        { { .target = "/ok" },         COMPLETED, NONE,        200, 1 },
        { { .target = "/missing" },    FAILED,    STATUS,      404, 1 },
        { { .target = "/refused" },    FAILED,    UNREACHABLE, 0,   1 },
        { { .target = "/lost" },       FAILED,    UNKNOWN,     0,   1 },
        { { .target = "/unmarked" },   FAILED,    UNREACHABLE, 0,   1 },
        { { .target = "/crashed" },    FAILED,    UNKNOWN,     0,   1 },
        { { .target = "/short" },      FAILED,    UNKNOWN,     0,   1 },
        { { .target = "/torn" },       FAILED,    UNKNOWN,     0,   1 },
        { { .target = "/half" },       FAILED,    UNKNOWN,     0,   1 },
        { { .target = "/rubbish" },    FAILED,    UNKNOWN,     0,   1 },
        { { .target = "/nothing" },    FAILED,    UNKNOWN,     0,   1 },
        { { .target = "/announced" },  FAILED,    TOO_LARGE,   0,   1 },
        { { .target = "/endless" },    FAILED,    TOO_LARGE,   0,   1 },
        { { .target = "/wordy" },      FAILED,    TOO_LARGE,   0,   1 },
        { { .target = "/never", .hasty = true, .repeatable = true },
                                       FAILED,    TIMEOUT,     0,   1 },
        { { .target = "/drip", .hasty = true },
                                       FAILED,    TIMEOUT,     0,   1 },
        { { .target = "/shutdown", .repeatable = true },
                                       COMPLETED, NONE,        200, 2 },
        { { .target = "/forbidden" },  COMPLETED, NONE,        200, 3 },
        { { .target = "/once/put", .repeatable = true },
                                       COMPLETED, NONE,        200, 2 },
        { { .target = "/once/post" },  FAILED,    UNKNOWN,     0,   1 },
        { { .target = "/once/get", .no_body = true },
                                       FAILED,    UNKNOWN,     0,   1 }
    };

    (void) state;

    n = sizeof(rows) / sizeof(rows[0]);

    for (i = 0; i < n; i++) {
        ids[i] = fake_submit(&rows[i].job);
    }

    for (i = 0; i < n; i++) {
        job = fake_wait(&ids[i]);

        if (job.state != rows[i].state || job.error != rows[i].error
            || job.result_status != rows[i].status
            || fake_executions(rows[i].job.target) != rows[i].runs)
        {
            fail_msg("%s: %s, error \"%s\", status %u, %u runs",
                     rows[i].job.target,
                     async_state_name((async_state_t) job.state),
                     async_job_error_name((async_job_error_t) job.error),
                     job.result_status,
                     fake_executions(rows[i].job.target));
        }
    }
}


/* three deaths, and the job is set aside */

static void
a_response_that_is_always_cut_ends_at_last(void **state)
{
    async_id_t   id;
    async_job_t  job;

    const fake_job_t  shorts = { .target = "/short", .repeatable = true };

    (void) state;

    id = fake_submit(&shorts);
    job = fake_wait(&id);

    assert_int_equal(job.state, FAILED);
    assert_int_equal(job.error, UNKNOWN);
    assert_int_equal(fake_executions("/short"), 3);
}


static void
a_server_that_is_away_costs_no_attempt(void **state)
{
    int64_t        end;
    async_id_t     id;
    async_job_t    job;
    fake_server_t  late;

    const fake_job_t  ok = { .target = "/ok", .server = 2 };

    (void) state;

    id = fake_submit(&ok);

    /* until it was tried and put aside */

    end = fake_now() + FAKE_WAIT;

    do {
        fake_sleep(2);
        job = fake_look(&id);
    } while (!(job.flags & ASYNC_JOB_PARKED) && fake_now() < end);

    assert_true(job.flags & ASYNC_JOB_PARKED);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);

    fake_listen(&late, fake.path, 2, 0);
    job = fake_wait(&id);
    fake_unlisten(&late);

    assert_int_equal(job.state, COMPLETED);
    assert_int_equal(job.attempt, 1);
    assert_int_equal(job.deaths, 0);
    assert_int_equal(fake_executions("/ok"), 1);
}


/* as nginx does without a free connection: nothing was read, nothing is lost */

static void
a_connection_closed_unread_is_no_attempt(void **state)
{
    char           *body;
    async_id_t      id[3];
    unsigned        i;
    async_job_t     job;
    fake_server_t   deaf;

    fake_job_t  post = { .target = "/ok", .server = 3 };
    fake_job_t  get = { .target = "/ok", .server = 3, .no_body = true };
    fake_job_t  large = { .target = "/ok", .server = 3, .spool = true,
                          .body_len = 900000 };

    (void) state;

    body = calloc(1, large.body_len);
    large.body = body;

    fake_listen(&deaf, fake.path, 3, 4);

    id[0] = fake_submit(&post);
    id[1] = fake_submit(&get);
    id[2] = fake_submit(&large);
    free(body);

    for (i = 0; i < 3; i++) {
        job = fake_wait(&id[i]);
        assert_int_equal(job.state, COMPLETED);
        assert_int_equal(job.attempt, 1);
        assert_int_equal(job.deaths, 0);
    }

    fake_unlisten(&deaf);
    assert_int_equal(fake_executions("/ok"), 3);
}


/* as an nginx whose worker is stopped: the kernel connects in its place */

static void
the_clock_starts_when_nginx_reads_the_request(void **state)
{
    unsigned        i;
    async_id_t      id[4], control;
    async_job_t     job;
    fake_server_t   late;

    const fake_job_t  jobs[] = {
        { .target = "/ok", .server = 4, .hasty = true },
        { .target = "/again", .server = 4, .hasty = true, .no_body = true },
        { .target = "/empty", .server = 4, .hasty = true, .no_body = true,
          .repeatable = true },
        { .target = "/never/late", .server = 4, .hasty = true,
          .no_body = true }
    };
    const fake_job_t  never = { .target = "/never", .hasty = true };

    (void) state;

    fake_bind(&late, fake.path, 4);

    for (i = 0; i < 4; i++) {
        id[i] = fake_submit(&jobs[i]);
    }

    /* claimed after them, each with the same timeout: theirs is long over */

    for (i = 0; i < 2; i++) {
        control = fake_submit(&never);
        assert_int_equal(fake_wait(&control).error, TIMEOUT);
    }

    for (i = 0; i < 4; i++) {
        assert_int_equal(fake_look(&id[i]).state, ASYNC_STATE_PROCESSING);
    }

    fake_serve(&late);

    for (i = 0; i < 4; i++) {
        job = fake_wait(&id[i]);
        assert_int_equal(job.state, i < 3 ? COMPLETED : FAILED);
        assert_int_equal(job.error, i < 3 ? NONE : TIMEOUT);
        assert_int_equal(job.attempt, 1);
        assert_int_equal(job.deaths, 0);
        assert_int_equal(fake_executions(jobs[i].target), 1);
    }

    fake_unlisten(&late);
}


static void
a_response_without_a_disk_is_not_completed(void **state)
{
    char         spool[96];
    async_id_t   id;
    async_job_t  job;

    const fake_job_t  post = { .target = "/large" };
    const fake_job_t  small = { .target = "/ok" };

    (void) state;

    snprintf(spool, sizeof(spool), "%s/spool", fake.path);
    assert_int_equal(rmdir(spool), 0);

    id = fake_submit(&post);
    job = fake_wait(&id);
    assert_int_equal(job.state, FAILED);
    assert_int_equal(job.error, UNKNOWN);
    assert_int_equal(job.response.where, ASYNC_BODY_NONE);
    assert_int_equal(fake_executions("/large"), 1);

    id = fake_submit(&small);
    assert_int_equal(fake_wait(&id).state, COMPLETED);
}


/* what ended while nobody could write is settled later, and not run again */

static void
a_busy_store_gets_its_results_later(void **state)
{
    async_id_t     id;
    async_job_t    job;
    async_error_t  err;

    const fake_job_t  slow = { .target = "/slow" };

    (void) state;

    id = fake_submit(&slow);
    fake_wait_executions("/slow", 1);

    assert_int_equal(async_door_lock(&fake.store->door, 2000, &err),
                     ASYNC_OK);

    /* until the answer is given, and for two tries of the worker more */

    while (fake_working() > 0) {
        fake_sleep(2);
    }

    fake_sleep(1200);
    assert_int_equal(fake_look(&id).state, ASYNC_STATE_PROCESSING);
    async_door_unlock(&fake.store->door);

    job = fake_wait(&id);
    assert_int_equal(job.state, COMPLETED);
    assert_int_equal(fake_executions("/slow"), 1);
}


static void
many_jobs_run_once_each(void **state)
{
    unsigned     i;
    async_id_t   ids[400];
    async_job_t  job;

    const fake_job_t  many = { .target = "/many" };

    (void) state;

    for (i = 0; i < 400; i++) {
        ids[i] = fake_submit(&many);
    }

    for (i = 0; i < 400; i++) {
        job = fake_wait(&ids[i]);
        assert_int_equal(job.state, COMPLETED);
        assert_int_equal(job.attempt, 1);
    }

    assert_int_equal(fake_executions("/many"), 400);
    assert_in_range(fake_log.open_max, 2, 64);
}


int
main(int argc, char **argv)
{
    const struct CMUnitTest  tests[] = {
#define test(name)  cmocka_unit_test_setup_teardown(name, begin, finish)
        test(the_request_is_the_clients_and_nothing_else),
        test(lines_of_its_own_stay_away),
        test(a_client_may_send_what_clients_do),
        test(a_response_is_stored_as_it_came),
        test(head_has_no_body),
        test(large_bodies_go_through_the_spool),
        test(a_body_of_many_chunks_arrives_whole),
        test(a_damaged_request_is_not_run),
        test(each_outcome_has_its_state),
        test(a_response_that_is_always_cut_ends_at_last),
        test(a_server_that_is_away_costs_no_attempt),
        test(a_connection_closed_unread_is_no_attempt),
        test(the_clock_starts_when_nginx_reads_the_request),
        test(a_response_without_a_disk_is_not_completed),
        test(a_busy_store_gets_its_results_later),
        test(many_jobs_run_once_each)
#undef test
    };

    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return fake_worker_main(argc, argv);
    }

    return cmocka_run_group_tests(tests, NULL, NULL);
}
