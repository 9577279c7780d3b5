/*
 * What the worker meets, in a test's own process: a real store, the fake
 * server, and the worker as a process of its own (this program once more,
 * since a store may not be opened after a fork without exec).
 */

#ifndef ASYNC_FAKE_H
#define ASYNC_FAKE_H

#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "async_fake_server.h"
#include "async_feed.h"
#include "async_message.h"
#include "async_payload.h"
#include "async_worker.h"


#define FAKE_WAIT   20000       /* ms that anything may take */
#define FAKE_LIMIT  (1024 * 1024)

static struct {
    char             path[64];
    async_store_t   *store;
    async_view_t    *view;
    int              notify;                        /* NOTIFY_SOCKET */
    uint8_t          policy[ASYNC_POLICY_KEY];      /* 60 s, 1 MiB */
    uint8_t          hasty[ASYNC_POLICY_KEY];       /* 300 ms */
} fake;


/* where a worker reports to a service manager: it tells us when it is ready */

static void
fake_notify(void)
{
    struct timeval      limit = { FAKE_WAIT / 1000, 0 };
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(struct sockaddr_un));
    sun.sun_family = AF_UNIX;
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/notify", fake.path);

    fake.notify = socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fake.notify, (struct sockaddr *) &sun, sizeof(sun)),
                     0);
    assert_int_equal(setsockopt(fake.notify, SOL_SOCKET, SO_RCVTIMEO, &limit,
                                sizeof(limit)),
                     0);
    setenv("NOTIFY_SOCKET", sun.sun_path, 1);
}


/* reads what is reported until text is among it */

static void
fake_hear(const char *text)
{
    char     buf[256];
    ssize_t  n;

    do {
        n = recv(fake.notify, buf, sizeof(buf) - 1, 0);

        if (n < 0) {
            fail_msg("nobody said %s", text);
        }

        buf[n > 0 ? n : 0] = '\0';
    } while (strstr(buf, text) == NULL);
}


static void
fake_folder(void)
{
    strcpy(fake.path, "/tmp/async-worker-XXXXXX");
    assert_non_null(mkdtemp(fake.path));
    fake_log.nseen = 0;
    fake_log.open_max = 0;
    fake_notify();
}


static void
fake_store(void)
{
    async_error_t          err;
    async_queue_t          queue;
    async_policy_t         policies[2];
    async_store_options_t  options = { .size = 256 << 20, .create = true };

    options.path = fake.path;

    assert_int_equal(async_store_prepare(fake.path, geteuid(), getegid(),
                                         &err),
                     ASYNC_OK);
    assert_int_equal(async_store_open(&fake.store, &options, &err), ASYNC_OK);
    assert_int_equal(async_view_open(&fake.view, fake.store), ASYNC_OK);

    async_policy_defaults(&policies[0]);
    policies[0].timeout = 60000;
    policies[0].result_max = FAKE_LIMIT;
    policies[0].retain_result = 3600000;
    policies[0].retain_failed = 3600000;
    policies[0].retain_history = 3600000;
    policies[0].attempts = 1;
    policies[1] = policies[0];
    policies[1].timeout = 300;

    memset(&queue, 0, sizeof(async_queue_t));
    queue.name = (async_str_t) async_str("default");
    queue.concurrency = 1000;
    queue.max_queued = 100000;
    queue.loaded = fake_now();

    assert_int_equal(async_store_publish(fake.store, policies, 2, &queue, 1,
                                         &err),
                     ASYNC_OK);

    async_policy_key(fake.policy, &policies[0]);
    async_policy_key(fake.hasty, &policies[1]);
}


static void
fake_remove(void)
{
    char  command[128];

    if (fake.view) {
        async_view_close(fake.view);
        async_store_close(fake.store);
        fake.view = NULL;
    }

    close(fake.notify);
    snprintf(command, sizeof(command), "rm -rf %s", fake.path);
    assert_int_equal(system(command), 0);
}


typedef struct {
    const char     *method;         /* NULL: POST, or GET without a body */
    const char     *target;
    bool            repeatable;
    bool            hasty;
    bool            no_body;
    const char     *body;           /* NULL: "body" */
    size_t          body_len;       /* 0: strlen(body) */
    bool            spool;
    bool            damaged;        /* its checksum is wrong */
    uint64_t        server;         /* 0: 1 */
    const char     *headers[8];     /* name, value, … */
} fake_job_t;


static size_t
fake_head(const fake_job_t *wanted, uint8_t *buf, size_t cap)
{
    unsigned        i;
    const char     *method;
    async_str_t     name, value;
    async_writer_t  w;

    method = wanted->method ? wanted->method
                            : wanted->no_body ? "GET" : "POST";

    async_writer_init(&w, buf, cap, ASYNC_RECORD_REQUEST);
    async_write_tag(&w, ASYNC_REQUEST_METHOD, method, strlen(method));
    async_write_tag(&w, ASYNC_REQUEST_TARGET, wanted->target,
                    strlen(wanted->target));

    for (i = 0; i < 8 && wanted->headers[i]; i += 2) {
        name.data = wanted->headers[i];
        name.len = strlen(name.data);
        value.data = wanted->headers[i + 1];
        value.len = strlen(value.data);
        async_write_tag_pair(&w, ASYNC_REQUEST_HEADER, name, value);
    }

    if (i == 0) {
        async_write_tag_pair(&w, ASYNC_REQUEST_HEADER,
                             (async_str_t) async_str("Host"),
                             (async_str_t) async_str("example.com"));
    }

    return async_writer_end(&w);
}


static void
fake_body(const fake_job_t *wanted, async_job_t *job, async_event_t *event)
{
    async_str_t    body;
    async_error_t  err;
    async_spool_t  spool;

    if (wanted->no_body) {
        return;
    }

    body.data = wanted->body ? wanted->body : "body";
    body.len = wanted->body_len ? wanted->body_len : strlen(body.data);

    if (wanted->spool) {
        assert_int_equal(async_spool_create(&spool, fake.store, &job->id,
                                            ASYNC_PAYLOAD_REQUEST_BODY, &err),
                         ASYNC_OK);
        assert_int_equal(async_spool_write(&spool, body.data, body.len, &err),
                         ASYNC_OK);
        assert_int_equal(async_spool_finish(&spool, &job->request, &err),
                         ASYNC_OK);

    } else {
        job->request.where = ASYNC_BODY_CHUNKS;
        job->request.len = body.len;
        job->request.crc = async_crc32c(0, body.data, body.len);
        event->payload.body = body;
    }

    job->request.crc ^= wanted->damaged;
}


static async_id_t
fake_submit(const fake_job_t *wanted)
{
    uint8_t        head[4096], random[ASYNC_ID_RANDOM];
    async_job_t    job;
    async_batch_t  batch;
    async_error_t  err;
    async_event_t  event;

    memset(&job, 0, sizeof(async_job_t));
    memset(&event, 0, sizeof(async_event_t));
    memset(&batch, 0, sizeof(async_batch_t));

    assert_int_equal(getrandom(random, sizeof(random), 0), sizeof(random));
    async_id_make(&job.id, fake_now(), random);

    job.priority = ASYNC_PRIORITY;
    job.percent = ASYNC_NO_PERCENT;
    job.flags = wanted->repeatable ? ASYNC_JOB_REPEATABLE : 0;
    job.attempts_max = 1;
    job.server = wanted->server ? wanted->server : 1;
    memcpy(job.policy, wanted->hasty ? fake.hasty : fake.policy,
           sizeof(job.policy));
    job.queue = (async_str_t) async_str("default");
    job.status_prefix = (async_str_t) async_str("/jobs/");
    job.method.data = wanted->method ? wanted->method
                                     : wanted->no_body ? "GET" : "POST";
    job.method.len = strlen(job.method.data);
    job.uri.data = wanted->target;
    job.uri.len = strlen(wanted->target);

    fake_body(wanted, &job, &event);

    event.type = ASYNC_EVENT_SUBMITTED;
    event.id = job.id;
    event.job = &job;
    event.payload.head.data = (char *) head;
    event.payload.head.len = fake_head(wanted, head, sizeof(head));
    event.by = (async_str_t) async_str("client");

    batch.events = &event;
    batch.n = 1;
    batch.now = fake_now();

    assert_int_equal(async_store_apply(fake.store, &batch, &err), ASYNC_OK);
    assert_int_equal(event.rc, ASYNC_OK);

    return job.id;
}


/* a job's record; its strings live until the next call */

static async_job_t
fake_look(const async_id_t *id)
{
    static uint8_t  buf[ASYNC_JOB_MAX];

    async_job_t     job;

    assert_int_equal(async_view_job(fake.view, id, &job, buf), ASYNC_OK);

    return job;
}


/* polls until the job has ended; the test fails if it does not */

static async_job_t
fake_wait(const async_id_t *id)
{
    int64_t      end;
    async_job_t  job;

    for (end = fake_now() + FAKE_WAIT; fake_now() < end; fake_sleep(2)) {
        job = fake_look(id);

        if (async_state_final((async_state_t) job.state)) {
            return job;
        }
    }

    fail_msg("job for %.*s stays %s", (int) job.uri.len, job.uri.data,
             async_state_name((async_state_t) job.state));

    return job;
}


static void
fake_wait_executions(const char *target, unsigned n)
{
    int64_t  end;

    for (end = fake_now() + FAKE_WAIT; fake_now() < end; fake_sleep(2)) {
        if (fake_executions(target) >= n) {
            return;
        }
    }

    fail_msg("%s ran %u times, not %u", target, fake_executions(target), n);
}


/* --- the worker, a process of its own --- */

static int
fake_worker_main(int argc, char **argv)
{
    async_worker_options_t  options;

    (void) argc;

    memset(&options, 0, sizeof(async_worker_options_t));
    options.store = argv[2];
    options.concurrency = (unsigned) atoi(argv[3]);
    options.grace_ms = (unsigned) atoi(argv[4]);
    options.log_level = getenv("ASYNC_TEST_LOG") ? ASYNC_LOG_DEBUG
                                                 : ASYNC_LOG_ERROR;

    return async_worker_run(&options);
}


/* returns when it has its signals in hand: it may be told to stop */

static pid_t
fake_start_at(const char *store, unsigned concurrency, unsigned grace)
{
    char   n[16], ms[16];
    pid_t  pid;

    snprintf(n, sizeof(n), "%u", concurrency);
    snprintf(ms, sizeof(ms), "%u", grace);

    pid = fork();
    assert_true(pid >= 0);

    if (pid == 0) {
        execl("/proc/self/exe", "worker", "worker", store, n, ms,
              (char *) NULL);
        _exit(127);
    }

    fake_hear("READY=1");

    return pid;
}


static pid_t
fake_start(unsigned concurrency, unsigned grace)
{
    return fake_start_at(fake.path, concurrency, grace);
}


/* the exit code, or 128 and the signal */

static int
fake_reap(pid_t pid)
{
    int      status;
    int64_t  end;

    for (end = fake_now() + FAKE_WAIT; fake_now() < end; fake_sleep(2)) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status)
                                     : 128 + WTERMSIG(status);
        }
    }

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    fail_msg("the worker does not end");

    return -1;
}


static int
fake_stop(pid_t pid)
{
    kill(pid, SIGTERM);

    return fake_reap(pid);
}


#endif /* ASYNC_FAKE_H */
