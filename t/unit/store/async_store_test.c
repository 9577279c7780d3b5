/*
 * Folders, opening, and what the store says about itself.
 */

#include "async_bell.h"
#include "async_fixture.h"

#include <sys/file.h>


/* --- folders --- */

static int
setup_folder(void **state)
{
    fixture_t  *f;

    f = calloc(1, sizeof(fixture_t));
    assert_non_null(f);

    f->now = FIXTURE_NOW;
    fixture_folder(f->path, sizeof(f->path));

    *state = f;

    return 0;
}


static struct stat
look(fixture_t *f, const char *name)
{
    char         path[600];
    struct stat  st;

    snprintf(path, sizeof(path), "%s/%s", f->path, name);
    assert_int_equal(lstat(path, &st), 0);

    return st;
}


static async_rc_t
prepare(fixture_t *f, const char *name)
{
    char  path[600];

    snprintf(path, sizeof(path), "%s%s", f->path, name);
    f->err.text[0] = '\0';

    return async_store_prepare(path, geteuid(), getegid(), &f->err);
}


static void
the_folders_have_their_modes(void **state)
{
    mode_t      mask;
    fixture_t  *f = *state;

    mask = umask(077);
    assert_int_equal(prepare(f, "/store"), ASYNC_OK);
    umask(0);
    assert_int_equal(prepare(f, "/other"), ASYNC_OK);
    umask(mask);

    assert_int_equal(look(f, "store").st_mode, S_IFDIR|0755);
    assert_int_equal(look(f, "store/db").st_mode, S_IFDIR|0700);
    assert_int_equal(look(f, "store/spool").st_mode, S_IFDIR|0700);
    assert_int_equal(look(f, "store/run").st_mode, S_IFDIR|0755);

    assert_int_equal(look(f, "other").st_mode, S_IFDIR|0755);
    assert_int_equal(look(f, "other/db").st_mode, S_IFDIR|0700);
    assert_int_equal(look(f, "other/run").st_mode, S_IFDIR|0755);

    assert_int_equal(prepare(f, "/store"), ASYNC_OK);
}


static void
folders_that_differ_are_put_right(void **state)
{
    char        path[600];
    fixture_t  *f = *state;

    assert_int_equal(prepare(f, "/store"), ASYNC_OK);

    snprintf(path, sizeof(path), "%s/store/spool", f->path);
    assert_int_equal(chmod(path, 0777), 0);
    snprintf(path, sizeof(path), "%s/store/run", f->path);
    assert_int_equal(chmod(path, 0700), 0);

    assert_int_equal(prepare(f, "/store"), ASYNC_OK);
    assert_int_equal(look(f, "store/spool").st_mode, S_IFDIR|0700);
    assert_int_equal(look(f, "store/run").st_mode, S_IFDIR|0755);
}


/* these two tell something only where the tests run as root */

static void
root_gives_db_and_spool_away_and_keeps_run(void **state)
{
    char        path[600];
    fixture_t  *f = *state;

    snprintf(path, sizeof(path), "%s/store", f->path);

    if (geteuid() != 0) {
        assert_int_equal(async_store_prepare(path, 12345, 54321, &f->err),
                         ASYNC_OK);
        assert_int_equal(look(f, "store/db").st_uid, geteuid());
        return;
    }

    assert_int_equal(async_store_prepare(path, 12345, 54321, &f->err),
                     ASYNC_OK);
    assert_int_equal(look(f, "store/db").st_uid, 12345);
    assert_int_equal(look(f, "store/spool").st_gid, 54321);
    assert_int_equal(look(f, "store/run").st_uid, 0);
    assert_int_equal(look(f, "store").st_uid, 0);
}


static void
root_does_not_work_where_others_may_swap_names(void **state)
{
    async_rc_t  rc;
    fixture_t  *f = *state;

    assert_int_equal(chmod(f->path, 0777), 0);
    rc = prepare(f, "");

    if (geteuid() != 0) {
        assert_int_equal(rc, ASYNC_OK);
        return;
    }

    assert_int_equal(rc, ASYNC_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "others than root"));
}


static void
no_link_is_followed(void **state)
{
    char        path[600];
    fixture_t  *f = *state;

    snprintf(path, sizeof(path), "%s/elsewhere", f->path);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/link", f->path);
    assert_int_equal(symlink("elsewhere", path), 0);

    assert_int_equal(prepare(f, "/link"), ASYNC_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "symbolic link"));

    assert_int_equal(prepare(f, "/store"), ASYNC_OK);
    snprintf(path, sizeof(path), "%s/store/spool", f->path);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("../elsewhere", path), 0);

    assert_int_equal(prepare(f, "/store"), ASYNC_UNAVAILABLE);
    assert_int_equal(look(f, "elsewhere").st_mode, S_IFDIR|0755);
}


static void
a_parent_that_is_missing_is_said(void **state)
{
    fixture_t  *f = *state;

    assert_int_equal(prepare(f, "/not/there"), ASYNC_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "/not/there"));
}


/* --- opening --- */

static void
who_does_not_create_finds_nothing_and_leaves_nothing(void **state)
{
    char         path[600];
    fixture_t   *f = *state;
    struct stat  st;

    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_NOT_FOUND);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_NOT_FOUND);

    assert_int_equal(prepare(f, ""), ASYNC_OK);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_NOT_FOUND);

    snprintf(path, sizeof(path), "%s/db/data.mdb", f->path);
    assert_int_equal(stat(path, &st), -1);

    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    fixture_close(f);

    assert_int_equal(look(f, "db/data.mdb").st_mode, S_IFREG|0600);
    assert_int_equal(look(f, "db/lock.mdb").st_mode, S_IFREG|0600);
    assert_int_equal(look(f, "db/door").st_mode, S_IFREG|0600);
    assert_int_equal(look(f, "db/bell").st_mode, S_IFREG|0600);
}


/* an environment that somebody was making when the lights went out */

static void
databases_that_are_missing_are_made_by_who_creates(void **state)
{
    char         path[600];
    MDB_env     *env;
    fixture_t   *f = *state;
    async_job_t  job;

    assert_int_equal(prepare(f, ""), ASYNC_OK);
    snprintf(path, sizeof(path), "%s/db", f->path);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    mdb_env_close(env);

    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_NOT_FOUND);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);

    job = fixture_job(1);
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    fixture_assert_sound(f);
    fixture_close(f);
}


static void
what_was_stored_is_there_after_a_reopen(void **state)
{
    char         token[ASYNC_TOKEN + 1];
    uint8_t      buf[ASYNC_JOB_MAX];
    fixture_t   *f = *state;
    async_job_t  job;

    fixture_submit_all(f, 1, 3);

    snprintf(token, sizeof(token), "%s", async_store_token(f->store));
    assert_int_equal(strlen(token), ASYNC_TOKEN);
    assert_int_equal(strspn(token, "0123456789abcdef"), ASYNC_TOKEN);
    assert_string_equal(async_store_path(f->store), f->path);

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);

    assert_string_equal(async_store_token(f->store), token);
    job = fixture_job(2);
    job = fixture_look(f, &job.id, buf);
    assert_int_equal(job.state, ASYNC_STATE_QUEUED);
    fixture_assert_counts(f, "default", 3, 0);
}


static void
two_stores_have_two_tokens(void **state)
{
    char        token[ASYNC_TOKEN + 1];
    fixture_t  *f = *state, *other;

    snprintf(token, sizeof(token), "%s", async_store_token(f->store));

    assert_int_equal(fixture_setup((void **) &other), 0);
    assert_string_not_equal(async_store_token(other->store), token);
    fixture_teardown((void **) &other);
}


static void
relaxed_still_keeps_what_was_stored(void **state)
{
    fixture_t              *f = *state;
    async_store_options_t   options;

    fixture_close(f);

    memset(&options, 0, sizeof(options));
    options.path = f->path;
    options.relaxed = true;
    options.create = true;

    assert_int_equal(async_store_open(&f->store, &options, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_view_open(&f->view, f->store), ASYNC_OK);

    fixture_submit_all(f, 1, 2);
    fixture_close(f);

    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    fixture_assert_counts(f, "default", 2, 0);
}


/* a store of before there were keys and owners */

static void
a_store_of_an_older_version_gets_what_it_lacks(void **state)
{
    MDB_txn                *txn;
    async_db_t              db;
    fixture_t              *f = *state;
    async_job_t             job;
    async_store_options_t   options;

    fixture_submit_all(f, 1, 1);
    assert_int_equal(mdb_txn_begin(f->store->env, NULL, 0, &txn), 0);

    for (db = ASYNC_DB_NEWER; db < ASYNC_DB_MAX; db++) {
        assert_int_equal(mdb_drop(txn, f->store->dbi[db], 1), 0);
    }

    assert_int_equal(mdb_txn_commit(txn), 0);
    fixture_close(f);

    /* an event loop neither writes nor fails for good: somebody else will */

    memset(&options, 0, sizeof(options));
    options.path = f->path;
    options.hasty = true;
    assert_int_equal(async_store_open(&f->store, &options, &f->err),
                     ASYNC_NOT_FOUND);
    assert_non_null(strstr(f->err.text, "older version"));

    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    job = fixture_job(2);
    job.owner = fixture_str("somebody........");
    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    assert_int_equal(fixture_entries(f, ASYNC_DB_OWNERS), 1);
    fixture_assert_counts(f, "default", 2, 0);
    fixture_assert_sound(f);
    fixture_close(f);

    options.hasty = true;
    assert_int_equal(async_store_open(&f->store, &options, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_view_open(&f->view, f->store), ASYNC_OK);
}


static void
the_size_is_what_was_last_asked_for(void **state)
{
    fixture_t              *f = *state;
    async_store_figures_t   figures;

    assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);
    assert_int_equal(figures.size, 256u << 20);
    assert_true(figures.used > 0 && figures.used < 1 << 20);
    assert_int_equal(figures.jobs, 0);

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 32 << 20, true), ASYNC_OK);
    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);
    assert_int_equal(figures.size, 32u << 20);
    fixture_close(f);

    assert_int_equal(fixture_open_as(f, ASYNC_STORE_SIZE_MIN - 1, true),
                     ASYNC_INVALID);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
}


static void
overwrite_meta(fixture_t *f, const async_meta_t *meta)
{
    uint8_t      buf[ASYNC_META_MAX];
    async_key_t  key;

    async_key_meta(&key);
    fixture_overwrite(f, &key, buf, async_meta_encode(meta, buf,
                                                      sizeof(buf)));
}


static void
a_store_of_another_kind_is_refused(void **state)
{
    fixture_t     *f = *state;
    async_key_t    key;
    async_meta_t   meta, other;
    uint8_t        buf[ASYNC_META_MAX];
    size_t         len;

    async_key_meta(&key);
    len = fixture_value(f, &key, buf, sizeof(buf));
    assert_int_equal(async_meta_decode(&meta, buf, len), ASYNC_OK);
    assert_int_equal(meta.lmdb_major, 0);
    assert_int_equal(meta.lmdb_minor, 9);

    other = meta;
    other.schema = 2;
    overwrite_meta(f, &other);
    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "schema 2"));
}


static void
a_store_of_another_lmdb_is_refused(void **state)
{
    fixture_t     *f = *state;
    async_key_t    key;
    async_meta_t   meta;
    uint8_t        buf[ASYNC_META_MAX];
    size_t         len;

    async_key_meta(&key);
    len = fixture_value(f, &key, buf, sizeof(buf));
    assert_int_equal(async_meta_decode(&meta, buf, len), ASYNC_OK);

    meta.lmdb_major = 1;
    meta.lmdb_minor = 0;
    overwrite_meta(f, &meta);
    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "LMDB 1.0"));
}


static void
a_damaged_record_about_the_store_is_refused(void **state)
{
    fixture_t     *f = *state;
    async_key_t    key;
    uint8_t        buf[ASYNC_META_MAX];
    size_t         len;

    async_key_meta(&key);
    len = fixture_value(f, &key, buf, sizeof(buf));
    fixture_overwrite(f, &key, buf, len - 1);
    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_CORRUPT);
    assert_non_null(strstr(f->err.text, "damaged"));
}


static void
a_file_that_is_no_database_is_refused(void **state)
{
    int         fd;
    char        path[600], junk[8192];
    fixture_t  *f = *state;

    assert_int_equal(prepare(f, ""), ASYNC_OK);

    memset(junk, 'j', sizeof(junk));
    snprintf(path, sizeof(path), "%s/db/data.mdb", f->path);
    fd = open(path, O_WRONLY|O_CREAT|O_CLOEXEC, 0600);
    assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
    close(fd);

    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "not an LMDB file"));
}


static void
a_long_path_works_all_the_same(void **state)
{
    int         fd;
    char        name[101];
    fixture_t  *f = *state;
    async_bell_t  *bell;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';

    snprintf(f->path + strlen(f->path), sizeof(f->path) - strlen(f->path),
             "/%s", name);
    assert_int_equal(prepare(f, ""), ASYNC_OK);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
    assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                     ASYNC_OK);

    async_bell_close(bell);
    fixture_close(f);
    *strrchr(f->path, '/') = '\0';
}


/* a migration keeps everyone out until it is through */

static void
a_store_on_its_way_to_another_schema_is_waited_for(void **state)
{
    int         fd;
    char        path[600];
    fixture_t  *f = *state;

    fixture_close(f);
    snprintf(path, sizeof(path), "%s/db/schema.lock", f->path);
    fd = open(path, O_RDWR|O_CLOEXEC);
    assert_int_not_equal(fd, -1);
    assert_int_equal(flock(fd, LOCK_EX|LOCK_NB), 0);

    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_BUSY);
    assert_non_null(strstr(f->err.text, "schema"));

    close(fd);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);

    /* and nobody begins one while it is used */

    fd = open(path, O_RDWR|O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX|LOCK_NB), -1);
    close(fd);
}


static void
no_descriptor_outlives_an_exec(void **state)
{
    int         fd, n;
    char        link[64], path[600];
    ssize_t     len;
    fixture_t  *f = *state;

    fixture_take_over(f);

    for (fd = 3, n = 0; fd < 1024; fd++) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        len = readlink(link, path, sizeof(path) - 1);
        path[len > 0 ? len : 0] = '\0';

        if (strncmp(path, f->path, strlen(f->path)) == 0
            || fd == f->store->ring_fd)
        {
            assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
            n++;
        }
    }

    /* db/, door, bell, worker.lock, schema.lock, lock.mdb, data.mdb twice, a
       socket */

    assert_int_equal(n, 9);
}


static void
an_opening_does_not_wait_for_ever_for_a_stopped_one(void **state)
{
    int            fds[2];
    char           byte;
    pid_t          pid;
    fixture_t     *f = *state;
    async_door_t   door;

    fixture_close(f);
    assert_int_equal(pipe(fds), 0);

    pid = fork();

    if (pid == 0) {
        char  path[600];

        snprintf(path, sizeof(path), "%s/db", f->path);

        if (async_door_open(&door, open(path, O_RDONLY), ASYNC_DOOR_WAIT,
                            NULL)
                != ASYNC_OK
            || async_door_lock(&door, 1000, NULL) != ASYNC_OK
            || write(fds[1], "x", 1) != 1)
        {
            _exit(1);
        }

        raise(SIGSTOP);
        _exit(0);
    }

    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);

    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_BUSY);

    kill(pid, SIGCONT);
    assert_int_equal(fixture_wait(pid), 0);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);

    close(fds[0]);
    close(fds[1]);
}


static int
reader_seen(const char *line, void *data)
{
    long  *pid = data;

    if (strtol(line, NULL, 10) == *pid) {
        *pid = 0;
    }

    return 0;
}


static bool
reads(fixture_t *f, pid_t pid)
{
    long  wanted;

    wanted = (long) pid;
    assert_true(mdb_reader_list(f->store->env, reader_seen, &wanted) >= 0);

    return wanted == 0;
}


static void
readers_that_died_are_reaped(void **state)
{
    pid_t                   pid;
    fixture_t              *f = *state;
    MDB_txn                *txn;
    async_store_t          *store;
    async_store_options_t   options;

    memset(&options, 0, sizeof(options));
    options.path = f->path;

    fixture_close(f);
    pid = fork();

    if (pid == 0) {
        if (async_store_open(&store, &options, NULL) != ASYNC_OK
            || mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn) != 0)
        {
            _exit(1);
        }

        kill(getpid(), SIGSTOP);
        _exit(0);
    }

    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);

    assert_int_equal(async_store_reap_readers(f->store), ASYNC_OK);
    assert_true(reads(f, pid));

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(reads(f, pid));

    assert_int_equal(async_store_reap_readers(f->store), ASYNC_OK);
    assert_false(reads(f, pid));
}


int
main(void)
{
#define folder(test)                                                         \
    cmocka_unit_test_setup_teardown(test, setup_folder, fixture_teardown)
    const struct CMUnitTest  tests[] = {
        folder(the_folders_have_their_modes),
        folder(folders_that_differ_are_put_right),
        folder(root_gives_db_and_spool_away_and_keeps_run),
        folder(root_does_not_work_where_others_may_swap_names),
        folder(no_link_is_followed),
        folder(a_parent_that_is_missing_is_said),
        folder(who_does_not_create_finds_nothing_and_leaves_nothing),
        folder(databases_that_are_missing_are_made_by_who_creates),
        sound(what_was_stored_is_there_after_a_reopen),
        sound(two_stores_have_two_tokens),
        sound(relaxed_still_keeps_what_was_stored),
        sound(a_store_of_an_older_version_gets_what_it_lacks),
        sound(the_size_is_what_was_last_asked_for),
        plain(a_store_of_another_kind_is_refused),
        plain(a_store_of_another_lmdb_is_refused),
        plain(a_damaged_record_about_the_store_is_refused),
        folder(a_file_that_is_no_database_is_refused),
        folder(a_long_path_works_all_the_same),
        sound(a_store_on_its_way_to_another_schema_is_waited_for),
        sound(no_descriptor_outlives_an_exec),
        sound(an_opening_does_not_wait_for_ever_for_a_stopped_one),
        sound(readers_that_died_are_reaped)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
