/*
 * Damage under an open store: nobody dies of it, and nobody goes on as if
 * nothing had been.
 */

#include "async_fixture.h"

#include <pthread.h>

#include "async_slate.h"


/*
 * What LMDB holds on its way through a damaged page is lost with it: there
 * are three such ways a minute at most, and the store is left after each.
 */

const char *
__lsan_default_suppressions(void)
{
    return "leak:liblmdb\nleak:async_ahead_tell\nleak:async_tally_add";
}


static void
damage(fixture_t *f, off_t from, off_t len, int byte)
{
    int      fd;
    char     path[600], page[4096];
    ssize_t  n;

    snprintf(path, sizeof(path), "%s/db/data.mdb", f->path);
    fd = open(path, O_RDWR);
    assert_int_not_equal(fd, -1);
    memset(page, byte, sizeof(page));

    for (/* void */; len > 0; len -= n, from += n) {
        n = pwrite(fd, page, len < 4096 ? (size_t) len : 4096, from);
        assert_true(n > 0);
    }

    close(fd);
}


static void
cut(fixture_t *f, off_t len)
{
    char  path[600];

    snprintf(path, sizeof(path), "%s/db/data.mdb", f->path);
    assert_int_equal(truncate(path, len), 0);
}


static off_t
size(fixture_t *f)
{
    char         path[600];
    struct stat  st;

    snprintf(path, sizeof(path), "%s/db/data.mdb", f->path);
    assert_int_equal(stat(path, &st), 0);

    return st.st_size;
}


static bool
each_job(void *data, const async_job_t *job)
{
    (void) job;
    (*(unsigned *) data)++;

    return true;
}


/* every reading and every writing call, whatever it says */

static void
use(fixture_t *f)
{
    bool                    left;
    size_t                  len;
    uint8_t                 buf[ASYNC_JOB_MAX];
    uint64_t                seq = 0, lag;
    unsigned                i, n = 0;
    async_id_t              ids[4];
    async_job_t             job;
    async_patrol_t          patrol = { .len = 0 };
    async_policy_t          policy;
    async_overdue_t         late[4];
    async_check_figures_t   figures;
    async_store_figures_t   numbers;

    for (i = 0; i < 300; i++) {
        ids[0] = fixture_id(i);
        (void) async_view_job(f->view, &ids[0], &job, buf);
        (void) async_view_head(f->view, &ids[0], ASYNC_PAYLOAD_REQUEST, buf,
                               sizeof(buf), &len);
        (void) async_view_body(f->view, &ids[0], ASYNC_PAYLOAD_REQUEST_BODY,
                               0, buf, 4);
    }

    async_policy_defaults(&policy);
    (void) async_view_jobs(f->view, 1000, each_job, &n);
    (void) async_view_overdue(f->view, &patrol, f->now, late, 4, &n);
    (void) async_view_feed_last(f->view, &seq);
    (void) async_store_figures(f->store, &numbers);
    (void) async_store_transaction(f->store);
    (void) async_store_lag(f->store, &lag);
    (void) async_store_epoch(f->store);
    (void) async_store_publish(f->store, &policy, 1, NULL, 0, &f->err);
    (void) async_store_recover(f->store, f->epoch, f->now, 10, &left,
                               &f->err);
    (void) fixture_claim_skip(f, 8, NULL, 0);
    job = fixture_job(100000);
    (void) fixture_submit(f, &job);
    (void) async_store_check(f->store, &figures, NULL, NULL, NULL, &f->err);
}


/* cmocka has handlers of its own while a test runs */

static void
fill(fixture_t *f)
{
    async_guard_init();
    fixture_take_over(f);
    fixture_submit_all(f, 0, 300);
    assert_int_equal(fixture_claim(f, 8), 8);
}


static void
a_file_cut_short_kills_nobody(void **state)
{
    off_t       len;
    uint8_t     buf[ASYNC_JOB_MAX];
    fixture_t  *f = *state;
    async_id_t  id;
    async_job_t job;

    fill(f);

    /* the metas stay, what they refer to is no longer there */

    len = size(f);
    cut(f, 2 * 4096);
    assert_true(len > 100000);

    use(f);

    assert_int_equal(async_store_health(f->store), ASYNC_STORE_DAMAGED);

    id = fixture_id(1);
    assert_int_equal(async_view_job(f->view, &id, &job, buf),
                     ASYNC_UNAVAILABLE);

    job = fixture_job(100001);
    assert_int_equal(fixture_submit(f, &job), ASYNC_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "damaged"));
}


static void
a_file_that_is_empty_kills_nobody(void **state)
{
    uint64_t    lag;
    fixture_t  *f = *state;

    fill(f);
    cut(f, 0);

    assert_int_equal(async_store_transaction(f->store), 0);
    assert_int_equal(async_store_lag(f->store, &lag), ASYNC_UNAVAILABLE);
    use(f);

    assert_int_equal(async_store_health(f->store), ASYNC_STORE_DAMAGED);
}


/* whatever is in the pages: LMDB believes it, walks off, or asserts */

static void
pages_of_rubbish_kill_nobody(void **state)
{
    int         byte;
    off_t       len;
    fixture_t  *f = *state;

    fill(f);
    len = size(f);

    for (byte = 0; byte < 256; byte += 51) {
        damage(f, 2 * 4096, len - 2 * 4096, byte);

        if (f->store == NULL
            && fixture_open_as(f, 0, false) != ASYNC_OK)
        {
            continue;
        }

        use(f);
        async_view_close(f->view);
        async_store_close(f->store);
        f->store = NULL;
        f->view = NULL;
    }
}


static void
after_a_fault_others_can_write_if_theirs_is_sound(void **state)
{
    char         from[600], to[600];
    fixture_t   *f = *state;
    async_job_t  job;

    async_guard_init();
    fixture_submit_all(f, 0, 50);

    /* a write transaction meets the fault, with both locks held */

    snprintf(from, sizeof(from), "%s/db/data.mdb", f->path);
    snprintf(to, sizeof(to), "%s/db/copy", f->path);
    {
        char  command[1400];

        snprintf(command, sizeof(command), "cp %s %s", from, to);
        assert_int_equal(system(command), 0);
    }

    cut(f, 2 * 4096);
    job = fixture_job(60);
    assert_int_equal(fixture_submit(f, &job), ASYNC_UNAVAILABLE);
    assert_int_equal(async_store_health(f->store), ASYNC_STORE_DAMAGED);

    fixture_close(f);
    assert_int_equal(rename(to, from), 0);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    fixture_assert_sound(f);
}


static void
three_faults_in_a_minute_switch_it_off(void **state)
{
    int                     i;
    fixture_t              *f = *state;
    async_store_t          *store;
    async_store_options_t   options;

    fixture_close(f);

    memset(&options, 0, sizeof(options));
    options.path = f->path;

    for (i = 0; i < 3; i++) {
        assert_int_equal(async_store_open(&store, &options, &f->err),
                         ASYNC_OK);
        async_door_fault(&store->door, async_monotonic());
        async_store_close(store);
    }

    assert_int_equal(async_store_open(&store, &options, &f->err),
                     ASYNC_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "three damaged pages"));

    /* who looks after it comes in */

    options.inspect = true;
    assert_int_equal(async_store_open(&store, &options, &f->err), ASYNC_OK);

    /* and after the minute all do */

    async_door_fault(&store->door, async_monotonic() - ASYNC_DOOR_MINUTE - 1);
    async_store_close(store);

    options.inspect = false;
    assert_int_equal(async_store_open(&store, &options, &f->err), ASYNC_OK);
    async_store_close(store);

    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
}


static void *
fault_without_a_guard(void *data)
{
    (void) data;
    raise(SIGSEGV);

    return NULL;
}


/* what is not a page's fault takes its course */

static void
other_faults_are_not_ours(void **state)
{
    int         status;
    pid_t       pid;
    fixture_t  *f = *state;

    (void) f;
    pid = fork();

    if (pid == 0) {
        pthread_t  thread;

        signal(SIGSEGV, SIG_DFL);
        async_guard_init();
        pthread_create(&thread, NULL, fault_without_a_guard, NULL);
        pthread_join(thread, NULL);
        _exit(0);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}


static void
a_hasty_opening_does_not_wait(void **state)
{
    int                     fds[2];
    char                    byte;
    pid_t                   pid;
    int64_t                 before;
    fixture_t              *f = *state;
    async_store_t          *store;
    async_store_options_t   options;

    fixture_close(f);
    assert_int_equal(pipe(fds), 0);
    pid = fork();

    if (pid == 0) {
        if (fixture_open_as(f, 0, false) != ASYNC_OK
            || async_door_lock(&f->store->door, 1000, NULL) != ASYNC_OK
            || write(fds[1], "x", 1) != 1)
        {
            _exit(1);
        }

        raise(SIGSTOP);
        _exit(0);
    }

    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);

    memset(&options, 0, sizeof(options));
    options.path = f->path;
    options.hasty = true;

    before = async_monotonic();
    assert_int_equal(async_store_open(&store, &options, &f->err), ASYNC_BUSY);
    assert_true(async_monotonic() - before < 1000);

    kill(pid, SIGCONT);
    assert_int_equal(fixture_wait(pid), 0);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    close(fds[0]);
    close(fds[1]);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        plain(a_file_cut_short_kills_nobody),
        plain(a_file_that_is_empty_kills_nobody),
        plain(pages_of_rubbish_kill_nobody),
        plain(after_a_fault_others_can_write_if_theirs_is_sound),
        plain(three_faults_in_a_minute_switch_it_off),
        plain(other_faults_are_not_ours),
        plain(a_hasty_opening_does_not_wait)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
