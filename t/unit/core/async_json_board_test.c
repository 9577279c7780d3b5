/*
 * What a dashboard is told of queues and jobs, byte for byte.
 */

#include <stdio.h>

#include "async_golden.h"
#include "async_json.h"
#include "async_json_board.h"


#define ID  "01a202b2-c500-7c3e-9d2f-1b5e0c8a4d11"

#define BESIDE  ",\"method\":\"POST\",\"uri\":\"/a?<b>\",\"priority\":4"


static void
set(async_str_t *s, const char *text)
{
    s->data = text;
    s->len = strlen(text);
}


static void
make_job(async_job_t *job)
{
    memset(job, 0, sizeof(async_job_t));

    assert_true(async_id_parse(&job->id, ID, strlen(ID)));

    job->state = ASYNC_STATE_QUEUED;
    job->percent = ASYNC_NO_PERCENT;
    job->priority = ASYNC_PRIORITY;
    job->created = 1795341600000;

    set(&job->queue, "reports");
    set(&job->status_prefix, "/jobs/");
    set(&job->method, "POST");
    set(&job->uri, "/a?<b>");
}


/* its document and what stands beside it: exact at its size, nothing at any
   smaller one, never a byte beyond */

static void
assert_job(const async_job_t *job, const char *beside)
{
    char    out[2048], expected[2048];
    size_t  cap, len;

    len = (size_t) sprintf(expected, "{\"job\":");
    len += async_json_job(expected + len, sizeof(expected) - len, job, NULL);
    len += (size_t) sprintf(expected + len, BESIDE "%s}", beside);

    for (cap = 0; cap <= len + 1; cap++) {
        out[cap] = '~';

        assert_int_equal(async_json_board_job(out, cap, job, NULL),
                         cap < len ? 0 : len);
        assert_int_equal(out[cap], '~');
    }

    assert_memory_equal(out, expected, len);
}


static void
a_job_shows_its_request(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job);
    assert_job(&job, ",\"dialect\":\"native\",\"requestBytes\":0"
               ",\"responseBytes\":0");

    job.due = 1795341601500;
    job.dialect = ASYNC_DIALECT_AZURE;
    job.request.len = 7;
    job.request.seal.used = true;
    job.response.len = 8;
    job.flags = ASYNC_JOB_REPEATABLE | ASYNC_JOB_FORGET;
    set(&job.owner, "0123456789abcdef");

    assert_job(&job, ",\"dueAt\":\"2026-11-22T10:00:01.500Z\""
               ",\"dialect\":\"azure\",\"requestBytes\":7,\"responseBytes\":8"
               ",\"owned\":true,\"repeatable\":true,\"forget\":true"
               ",\"encrypted\":true");
}


static void
a_dialect_of_a_newer_version_is_native(void **state)
{
    async_job_t  job;

    (void) state;

    make_job(&job);
    job.dialect = 200;

    assert_job(&job, ",\"dialect\":\"native\",\"requestBytes\":0"
               ",\"responseBytes\":0");
}


static void
the_longest_job_fits_the_promised_room(void **state)
{
    async_job_t  job;
    static char  worst[ASYNC_JOB_MAX], out[ASYNC_JSON_BOARD_JOB_MAX];

    (void) state;

    memset(worst, 1, sizeof(worst));
    make_job(&job);

    job.message.data = worst;
    job.message.len = sizeof(worst);

    assert_int_not_equal(async_json_board_job(out, sizeof(out), &job, NULL),
                         0);
}


static void
a_queue_shows_its_limits(void **state)
{
    char                 out[ASYNC_JSON_QUEUE_MAX], worst[ASYNC_QUEUE_MAX];
    size_t               cap, len;
    async_queue_t        q = { .concurrency = 8, .max_queued = 100000 };
    async_board_queue_t  figures = { .queued = 3, .running = 1 };

    static const char  plain[] = "{\"name\":\"mail\",\"queued\":3"
        ",\"processing\":1,\"concurrency\":8,\"maxQueued\":100000"
        ",\"ended\":0}";
    static const char  full[] = "{\"name\":\"mail\",\"queued\":3"
        ",\"processing\":1,\"concurrency\":8,\"maxQueued\":100000"
        ",\"perOwner\":5,\"intervalUs\":100000,\"oldestMs\":1500"
        ",\"ended\":12,\"halfMs\":20,\"mostMs\":30,\"paused\":true}";

    (void) state;

    set(&q.name, "mail");
    len = async_json_board_queue(out, sizeof(out), &q, &figures);
    assert_int_equal(len, sizeof(plain) - 1);
    assert_memory_equal(out, plain, len);

    q.per_owner = 5;
    q.interval = 100000;
    figures.paused = true;
    figures.oldest = 1500;
    figures.ended = 12;
    figures.half = 20;
    figures.most = 30;

    for (cap = 0; cap < sizeof(full); cap++) {
        len = async_json_board_queue(out, cap, &q, &figures);
        assert_int_equal(len, cap < sizeof(full) - 1 ? 0 : cap);
    }

    assert_memory_equal(out, full, sizeof(full) - 1);

    memset(worst, 1, sizeof(worst));
    q.name.data = worst;
    q.name.len = sizeof(worst);
    q.concurrency = q.max_queued = q.per_owner = UINT32_MAX;
    q.interval = figures.queued = figures.running = UINT64_MAX;
    figures.oldest = figures.ended = UINT64_MAX;
    figures.half = figures.most = UINT32_MAX;

    assert_int_not_equal(async_json_board_queue(out, sizeof(out), &q,
                                                &figures), 0);
}


static void
a_webhook_shows_no_secret_of_its_url(void **state)
{
    char          out[ASYNC_JSON_HOOK_MAX];
    size_t        cap, len;
    async_id_t    id;
    async_hook_t  hook = {
        .state = ASYNC_HOOK_DEAD, .error = ASYNC_HOOK_ERROR_STATUS,
        .status = 500, .attempts = 10, .owed = 1795341600000,
        .due = 1795341600000, .ended = 1795341601500
    };

    static char        worst[ASYNC_HOOK_URL];
    static const char  dead[] = "{\"id\":\"" ID "\",\"state\":\"dead\""
        ",\"url\":\"https://a.test/x\",\"cut\":true,\"attempts\":10"
        ",\"error\":\"status\",\"status\":500"
        ",\"owedAt\":\"2026-11-22T10:00:00.000Z\""
        ",\"endedAt\":\"2026-11-22T10:00:01.500Z\"}";

    (void) state;

    assert_true(async_id_parse(&id, ID, strlen(ID)));
    set(&hook.url, "https://a.test/x?token=secret#more");

    for (cap = 0; cap < sizeof(dead); cap++) {
        len = async_json_board_hook(out, cap, &id, &hook);
        assert_int_equal(len, cap < sizeof(dead) - 1 ? 0 : cap);
    }

    assert_memory_equal(out, dead, sizeof(dead) - 1);

    memset(worst, 1, sizeof(worst));
    hook.url.data = worst;
    hook.url.len = sizeof(worst);

    assert_int_not_equal(async_json_board_hook(out, sizeof(out), &id, &hook),
                         0);
}


static void
a_schedule_shows_what_became_of_it(void **state)
{
    char                    out[ASYNC_JSON_SCHEDULE_MAX];
    size_t                  cap, len;
    async_schedule_t        said = { .misfire = ASYNC_MISFIRE_ALL,
                                     .overlap = true };
    async_schedule_state_t  now = { .next = 1795341600000,
                                    .fired = 1795341601500, .skipped = 3,
                                    .paused = true };

    static const char  full[] = "{\"name\":\"nightly\""
        ",\"cron\":\"0 3 * * *\",\"zone\":\"Europe/Rome\""
        ",\"misfire\":\"all\",\"overlap\":true,\"paused\":true"
        ",\"nextAt\":\"2026-11-22T10:00:00.000Z\""
        ",\"firedAt\":\"2026-11-22T10:00:01.500Z\",\"job\":\"" ID "\""
        ",\"last\":\"failed\",\"skipped\":3}";
    static const char  gone[] = "{\"name\":\"nightly\",\"gone\":true"
        ",\"skipped\":0}";

    (void) state;

    set(&now.name, "nightly");
    set(&said.cron, "0 3 * * *");
    set(&said.zone, "Europe/Rome");
    assert_true(async_id_parse(&now.job, ID, strlen(ID)));

    for (cap = 0; cap < sizeof(full); cap++) {
        len = async_json_board_schedule(out, cap, &said, &now,
                                        ASYNC_STATE_FAILED);
        assert_int_equal(len, cap < sizeof(full) - 1 ? 0 : cap);
    }

    assert_memory_equal(out, full, sizeof(full) - 1);

    memset(&now, 0, sizeof(now));
    now.next = ASYNC_SCHEDULE_NEVER;
    set(&now.name, "nightly");

    len = async_json_board_schedule(out, sizeof(out), NULL, &now,
                                    ASYNC_STATE_NONE);
    assert_int_equal(len, sizeof(gone) - 1);
    assert_memory_equal(out, gone, len);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_job_shows_its_request),
        cmocka_unit_test(a_dialect_of_a_newer_version_is_native),
        cmocka_unit_test(the_longest_job_fits_the_promised_room),
        cmocka_unit_test(a_queue_shows_its_limits),
        cmocka_unit_test(a_webhook_shows_no_secret_of_its_url),
        cmocka_unit_test(a_schedule_shows_what_became_of_it)
    };

    return cmocka_run_group_tests_name("async_json_board", tests, NULL, NULL);
}
