/*
 * Spool files that no job names, and those that may still get a job.
 */

#include "async_fixture.h"
#include "async_orphan.h"

#include <sys/time.h>


static void
make_file(fixture_t *f, const char *name, int64_t age)
{
    int             fd;
    char            path[1024];
    struct timeval  times[2] = { { 0, 0 }, { 0, 0 } };

    snprintf(path, sizeof(path), "%s/spool/%s", f->path, name);
    fd = open(path, O_CREAT|O_WRONLY, 0600);
    assert_int_not_equal(fd, -1);
    close(fd);

    times[0].tv_sec = times[1].tv_sec = (f->now - age) / 1000;
    assert_int_equal(utimes(path, times), 0);
}


static bool
there(fixture_t *f, const char *name)
{
    char  path[1024];

    snprintf(path, sizeof(path), "%s/spool/%s", f->path, name);

    return access(path, F_OK) == 0;
}


static void
only_old_files_of_no_job_are_orphans(void **state)
{
    char              id[ASYNC_ID_TEXT + 1], name[6][64];
    bool              end;
    unsigned          i, n, removed;
    fixture_t        *f = *state;
    async_id_t        other;
    async_job_t       job;
    async_event_t     event;
    async_spool_t     spool;
    async_orphans_t  *scan;

    static const char *const  suffix[] = {
        ".req", ".res", ".req.tmp", ".res.tmp"
    };

    /* of a job: named by it, or being written by its attempt */

    job = fixture_job(1);

    assert_int_equal(async_spool_create(&spool, f->store, &job.id,
                                        ASYNC_PAYLOAD_REQUEST_BODY, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_write(&spool, "body", 4, &f->err), ASYNC_OK);
    assert_int_equal(async_spool_finish(&spool, &job.request, &f->err),
                     ASYNC_OK);

    event = fixture_submitted(&job);
    event.payload.body.len = 0;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);

    *async_id_format(id, &job.id) = '\0';
    snprintf(name[4], 64, "%s.req", id);
    make_file(f, name[4], 2 * ASYNC_ORPHAN_AGE);
    snprintf(name[5], 64, "%s.res.tmp", id);
    make_file(f, name[5], 2 * ASYNC_ORPHAN_AGE);

    other = fixture_id(2);
    *async_id_format(id, &other) = '\0';

    for (i = 0; i < 4; i++) {
        snprintf(name[i], 64, "%s%s", id, suffix[i]);
        make_file(f, name[i], ASYNC_ORPHAN_AGE - 2000);
    }

    make_file(f, "README", 2 * ASYNC_ORPHAN_AGE);

    for (n = 0; n < 2; n++) {
        scan = async_orphans_begin(f->store);
        assert_non_null(scan);

        for (i = 0, end = false; i < 20 && !end; i++) {
            end = async_orphans_some(scan, f->view, f->now + n * 4000, 3,
                                     &removed);
        }

        assert_true(end);
        async_orphans_end(scan);

        for (i = 0; i < 4; i++) {
            assert_int_equal(there(f, name[i]), n == 0);
        }

        assert_true(there(f, name[4]));
        assert_true(there(f, name[5]));
        assert_true(there(f, "README"));
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(only_old_files_of_no_job_are_orphans,
                                        fixture_setup, fixture_teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
