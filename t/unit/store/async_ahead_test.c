/*
 * Room that is there before it is needed: zeros behind what is used, and
 * nowhere else.
 */

#include <sys/file.h>

#include "async_fixture.h"


#define SMALL  (16u << 20)           /* the least map */
#define BATCH  100


static uint64_t
used(fixture_t *f)
{
    MDB_stat     st;
    MDB_envinfo  info;

    assert_int_equal(mdb_env_info(f->store->env, &info), 0);
    assert_int_equal(mdb_env_stat(f->store->env, &st), 0);

    return (info.me_last_pgno + 1) * (uint64_t) st.ms_psize;
}


static uint64_t
length(fixture_t *f)
{
    struct stat  st;

    assert_int_equal(fstatat(f->store->dir_fd, "data.mdb", &st, 0), 0);

    return (uint64_t) st.st_size;
}


/* bodies that only they have: the check compares what is read with a CRC */

static async_rc_t
add(fixture_t *f, unsigned from)
{
    unsigned       i;
    async_job_t    jobs[BATCH];
    async_event_t  events[BATCH];
    static char    bodies[BATCH][1500];

    for (i = 0; i < BATCH; i++) {
        memset(bodies[i], (int) ('a' + i % 26), sizeof(bodies[i]));
        jobs[i] = fixture_job(from + i);
        jobs[i].request.where = ASYNC_BODY_CHUNKS;
        jobs[i].request.len = sizeof(bodies[i]);
        jobs[i].request.crc = async_crc32c(0, bodies[i], sizeof(bodies[i]));

        events[i] = fixture_submitted(&jobs[i]);
        events[i].payload.body.data = bodies[i];
        events[i].payload.body.len = sizeof(bodies[i]);
    }

    return fixture_apply(f, events, BATCH);
}


/* the thread is given five seconds to come so far */

static bool
reaches(fixture_t *f, uint64_t bytes)
{
    int  n;

    for (n = 0; n < 500 && length(f) < bytes; n++) {
        usleep(10000);
    }

    return length(f) >= bytes;
}


static void
what_grows_has_room_ahead(void **state)
{
    int             fd;
    char            buf[4096];
    unsigned        i;
    uint64_t        at, end;
    fixture_t      *f = *state;
    static char     zeros[4096];

    for (i = 0; i < 40; i++) {
        assert_int_equal(add(f, i * BATCH), ASYNC_OK);
    }

    at = used(f);

    assert_true(at > 6 << 20);

    fd = openat(f->store->dir_fd, "data.mdb", O_RDONLY|O_DIRECT|O_CLOEXEC);

    if (fd == -1 && errno == EINVAL) {
        print_message("there is no O_DIRECT on this filesystem\n");
        skip();
    }

    close(fd);

    /* as seen from the commit before the last */

    assert_true(reaches(f, at + (1 << 20)));

    end = length(f);
    assert_true(end < at + (3 << 20));

    fd = openat(f->store->dir_fd, "data.mdb", O_RDONLY|O_CLOEXEC);
    assert_true(fd != -1);

    for ( ; at < end; at += sizeof(buf)) {
        assert_int_equal(pread(fd, buf, sizeof(buf), (off_t) at),
                         sizeof(buf));
        assert_memory_equal(buf, zeros, sizeof(buf));
    }

    close(fd);
}


static void
a_map_that_is_full_is_the_end(void **state)
{
    unsigned    i;
    async_rc_t  rc;
    fixture_t  *f = *state;

    for (i = 0, rc = ASYNC_OK; rc == ASYNC_OK && used(f) < SMALL * 3 / 4;
         i++)
    {
        rc = add(f, i * BATCH);
    }

    assert_int_equal(rc, ASYNC_OK);
    assert_true(length(f) <= SMALL);

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
    assert_true(length(f) <= SMALL);
}


/* two processes that write have a thread each */

static void
one_makes_room_at_a_time(void **state)
{
    int         fd;
    unsigned    i;
    uint64_t    at;
    fixture_t  *f = *state;

    fd = openat(f->store->dir_fd, "data.mdb", O_RDONLY|O_DIRECT|O_CLOEXEC);

    if (fd == -1 && errno == EINVAL) {
        print_message("there is no O_DIRECT on this filesystem\n");
        skip();
    }

    assert_int_equal(flock(fd, LOCK_EX), 0);

    for (i = 0; i < 40; i++) {
        assert_int_equal(add(f, i * BATCH), ASYNC_OK);
    }

    usleep(300000);
    assert_true(length(f) <= used(f));

    assert_int_equal(flock(fd, LOCK_UN), 0);

    /* the commits after it find the lock free */

    for ( ; i < 43; i++) {
        assert_int_equal(add(f, i * BATCH), ASYNC_OK);
    }

    at = used(f);
    assert_true(reaches(f, at + (1 << 20)));

    /* and so do others, when it is done */

    for (i = 0; i < 500 && flock(fd, LOCK_EX|LOCK_NB) != 0; i++) {
        usleep(10000);
    }

    assert_true(i < 500);
    close(fd);
}


static int
setup_small(void **state)
{
    return fixture_setup_size(state, SMALL);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(what_grows_has_room_ahead,
                                        fixture_setup,
                                        fixture_teardown_sound),
        cmocka_unit_test_setup_teardown(one_makes_room_at_a_time,
                                        fixture_setup,
                                        fixture_teardown_sound),
        cmocka_unit_test_setup_teardown(a_map_that_is_full_is_the_end,
                                        setup_small,
                                        fixture_teardown_sound)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
