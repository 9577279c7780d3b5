#include "async_fixture.h"


static bool
there(fixture_t *f, const char *name)
{
    return faccessat(f->store->dir_fd, name, F_OK, 0) == 0;
}


static void
a_store_is_made_whole(void **state)
{
    fixture_t  *f = *state;

    assert_true(there(f, "data.mdb"));
    assert_false(there(f, "new"));
}


/* what a power cut left of a store that was being made */

static void
a_half_made_one_is_made_anew(void **state)
{
    int         fd, dir_fd;
    char        path[600];
    fixture_t  *f = *state;

    dir_fd = dup(f->store->dir_fd);
    fixture_close(f);

    assert_int_equal(unlinkat(dir_fd, "data.mdb", 0), 0);
    assert_int_equal(mkdirat(dir_fd, "new", 0700), 0);

    snprintf(path, sizeof(path), "%s/db/new/data.mdb", f->path);
    fd = open(path, O_WRONLY|O_CREAT, 0600);
    assert_int_equal(write(fd, "torn", 4), 4);
    close(fd);
    close(dir_fd);

    assert_int_equal(fixture_open_as(f, 16 << 20, true), ASYNC_OK);
    fixture_submit_all(f, 0, 1);

    assert_true(there(f, "data.mdb"));
    assert_false(there(f, "new"));
}


static void
one_that_is_there_is_left_alone(void **state)
{
    fixture_t  *f = *state;

    fixture_submit_all(f, 0, 3);
    fixture_close(f);

    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
    assert_int_equal(fixture_entries(f, ASYNC_DB_JOBS), 3);
}


static void
who_may_not_make_one_makes_nothing(void **state)
{
    int         dir_fd;
    fixture_t  *f = *state;

    dir_fd = dup(f->store->dir_fd);
    fixture_close(f);
    assert_int_equal(unlinkat(dir_fd, "data.mdb", 0), 0);

    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_NOT_FOUND);
    assert_int_equal(faccessat(dir_fd, "data.mdb", F_OK, 0), -1);
    assert_int_equal(faccessat(dir_fd, "new", F_OK, 0), -1);
    close(dir_fd);

    assert_int_equal(fixture_open_as(f, 16 << 20, true), ASYNC_OK);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(a_store_is_made_whole),
        sound(a_half_made_one_is_made_anew),
        sound(one_that_is_there_is_left_alone),
        sound(who_may_not_make_one_makes_nothing)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
