/*
 * Backup: what is unpacked is the store that it was made of.
 */

#include <sys/file.h>
#include <sys/resource.h>

#include "async_imprint.h"
#include "async_backup.h"


static char      told[1024];
static uint64_t  moved, most;


static void
report(void *data, const char *fault)
{
    (void) data;

    snprintf(told, sizeof(told), "%s", fault);
}


static void
progress(void *data, uint64_t done, uint64_t total)
{
    (void) data;

    assert_true(done >= moved);
    assert_true(done <= total);

    moved = done;
    most = total;
}


static int
open_file(const char *name, int flags)
{
    int   fd;
    char  path[600];

    file_path(path, root, name);

    fd = open(path, flags|O_CREAT|O_TRUNC|O_CLOEXEC, 0600);
    assert_int_not_equal(fd, -1);

    return fd;
}


static async_rc_t
backup_to(int fd, int spare, uint64_t rate, async_backup_figures_t *figures)
{
    async_backup_options_t  options;

    options.fd = fd;
    options.spare = spare;
    options.rate = rate;
    options.now = FIXTURE_NOW;

    told[0] = '\0';
    moved = 0;

    return async_store_backup(whole->store, &options, figures, report,
                              progress, NULL, &whole->err);
}


static async_rc_t
backup(uint64_t rate, async_backup_figures_t *figures)
{
    int         fd, spare;
    async_rc_t  rc;

    fd = open_file("backup.tar", O_RDWR);
    spare = open_file("spare", O_RDWR);

    rc = backup_to(fd, spare, rate, figures);

    close(fd);
    close(spare);

    return rc;
}


/* the store stays open here, as it does in whoever uses it */

static int
setup_open(void **state)
{
    assert_int_equal(setup(state), 0);
    assert_int_equal(fixture_open_as(whole, 0, false), ASYNC_OK);

    return 0;
}


static int
teardown_open(void **state)
{
    fixture_close(whole);

    return teardown(state);
}


/* --- what is in it --- */

static unsigned  compared;

static void
same_job(const uint8_t *map, const MDB_val *k, const MDB_val *v)
{
    model_t  *m;

    (void) map;

    m = model_of(k->mv_data);

    assert_non_null(m);
    assert_int_equal(v->mv_size, m->len);
    assert_memory_equal(v->mv_data, m->record, m->len);

    compared++;
}


static void
what_is_unpacked_is_the_store(void **state)
{
    char                     command[1400];
    fixture_t                f;
    struct stat              st;
    async_check_figures_t    check;
    async_backup_figures_t   figures;

    (void) state;

    assert_int_equal(backup(0, &figures), ASYNC_OK);
    assert_string_equal(told, "");
    assert_int_equal(figures.check.faults, 0);
    assert_int_equal(figures.check.jobs, JOBS);
    assert_int_equal(figures.check.spool_files, figures.files);
    assert_true(figures.files > 4);
    assert_true(moved > 0 && moved <= most);

    memset(&f, 0, sizeof(f));
    snprintf(f.path, sizeof(f.path), "%s/unpacked", root);

    snprintf(command, sizeof(command), "mkdir %s && tar -xf %s/backup.tar "
             "-C %s", f.path, root, f.path);
    assert_int_equal(system(command), 0);

    snprintf(command, sizeof(command), "%s/backup.tar", root);
    assert_int_equal(stat(command, &st), 0);
    assert_int_equal(st.st_size, figures.bytes);

    snprintf(command, sizeof(command), "%s/unpacked/spool", root);
    assert_int_equal(stat(command, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);

    assert_int_equal(fixture_open_as(&f, 0, false), ASYNC_OK);
    fixture_assert_sound(&f);

    compared = 0;
    each_row(&f, f.store->dbi[ASYNC_DB_JOBS], same_job);
    assert_int_equal(compared, JOBS);

    assert_int_equal(async_store_check(f.store, &check, NULL, NULL, NULL,
                                       &f.err), ASYNC_OK);
    assert_int_equal(check.spool_files, figures.files);
    assert_int_equal(check.orphans, 0);

    assert_memory_equal(async_store_token(f.store),
                        async_store_token(whole->store), ASYNC_TOKEN);
    fixture_close(&f);
}


/* as POSIX wants it, whoever reads it */

static void
it_ends_with_two_empty_blocks(void **state)
{
    int                      fd;
    char                     path[600], end[1024];
    static const char        zeros[1024];
    async_backup_figures_t   figures;

    (void) state;

    assert_int_equal(backup(0, &figures), ASYNC_OK);
    assert_int_equal(figures.bytes % 512, 0);

    file_path(path, root, "backup.tar");
    fd = open(path, O_RDONLY);
    assert_int_equal(pread(fd, end, 1024, (off_t) figures.bytes - 1024),
                     1024);
    assert_memory_equal(end, zeros, 1024);
    close(fd);
}


static void
it_keeps_to_its_rate(void **state)
{
    int64_t                  start, took;
    async_backup_figures_t   figures;

    (void) state;

    start = async_monotonic();
    assert_int_equal(backup(10 << 20, &figures), ASYNC_OK);
    took = async_monotonic() - start;

    /* it moves the archive more than once */

    assert_true(took >= (int64_t) (figures.bytes * 1000 / (10 << 20)));
}


/* --- beside others --- */

static void
files_stay_while_it_is_made(void **state)
{
    int            fd;
    char           path[600];
    async_id_t     id;
    async_body_t   body;

    (void) state;

    id = id_of(7777, FIXTURE_NOW);
    body = body_of(whole, id, ASYNC_PAYLOAD_REQUEST_BODY, "x", 1, true);
    assert_int_equal(body.where, ASYNC_BODY_SPOOL);
    assert_true(async_spool_path(whole->store, &id,
                                 ASYNC_PAYLOAD_REQUEST_BODY, path,
                                 sizeof(path)));

    fd = openat(whole->store->dir_fd, ASYNC_BACKUP_LOCK, O_RDWR|O_CREAT,
                0600);
    assert_int_equal(flock(fd, LOCK_EX|LOCK_NB), 0);

    async_spool_remove(whole->store, &id, ASYNC_PAYLOAD_REQUEST_BODY);
    assert_int_equal(access(path, F_OK), 0);

    close(fd);

    async_spool_remove(whole->store, &id, ASYNC_PAYLOAD_REQUEST_BODY);
    assert_int_equal(access(path, F_OK), -1);
}


static void
one_is_made_at_a_time(void **state)
{
    int                      fd;
    async_backup_figures_t   figures;

    (void) state;

    fd = openat(whole->store->dir_fd, ASYNC_BACKUP_LOCK, O_RDWR|O_CREAT,
                0600);
    assert_int_equal(flock(fd, LOCK_EX|LOCK_NB), 0);

    assert_int_equal(backup(0, &figures), ASYNC_BUSY);
    assert_non_null(strstr(whole->err.text, "another backup"));

    close(fd);

    assert_int_equal(backup(0, &figures), ASYNC_OK);
}


/* --- what goes wrong --- */

static void
a_full_disk_is_said_to_be_full(void **state)
{
    int                      fd, full;
    async_backup_figures_t   figures;

    (void) state;

    full = open("/dev/full", O_RDWR);
    assert_int_not_equal(full, -1);

    fd = open_file("backup.tar", O_RDWR);

    assert_int_equal(backup_to(fd, full, 0, &figures), ASYNC_STORE_FULL);
    assert_non_null(strstr(whole->err.text, "No space left"));

    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(backup_to(full, fd, 0, &figures), ASYNC_STORE_FULL);

    close(full);
    close(fd);
}


static void
what_cannot_be_read_again_is_no_backup(void **state)
{
    int                      fd, spare;
    async_backup_figures_t   figures;

    (void) state;

    fd = open_file("backup.tar", O_WRONLY);
    spare = open_file("spare", O_RDWR);

    assert_int_equal(backup_to(fd, spare, 0, &figures), ASYNC_UNAVAILABLE);
    assert_non_null(strstr(whole->err.text, "not what is read"));

    close(fd);
    close(spare);
}


/* the path of a spooled body, of which there is one at least */

static void
spooled_path(char *path, size_t cap)
{
    unsigned     i;
    async_job_t  job;

    for (i = 0; i < njobs; i++) {
        assert_int_equal(async_job_decode(&job, &models[i].id,
                                          models[i].record, models[i].len),
                         ASYNC_OK);

        if (job.response.where == ASYNC_BODY_SPOOL && job.response.len > 1) {
            assert_true(async_spool_path(whole->store, &job.id,
                                         ASYNC_PAYLOAD_RESPONSE_BODY, path,
                                         cap));
            return;
        }
    }

    fail();
}


static void
faults_of_the_store_are_told(void **state)
{
    int                      fd;
    char                     path[600], kept[600], byte;
    async_backup_figures_t   figures;

    (void) state;

    spooled_path(path, sizeof(path));
    file_path(kept, root, "kept");

    assert_int_equal(rename(path, kept), 0);
    assert_int_equal(backup(0, &figures), ASYNC_OK);
    assert_int_equal(figures.check.faults, 1);
    assert_non_null(strstr(told, "its spooled response body: is missing"));

    assert_int_equal(rename(kept, path), 0);
    fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, 0), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 0), 1);

    assert_int_equal(backup(0, &figures), ASYNC_OK);
    assert_int_equal(figures.check.faults, 1);
    assert_non_null(strstr(told, "another checksum"));

    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
    close(fd);

    assert_int_equal(backup(0, &figures), ASYNC_OK);
    assert_int_equal(figures.check.faults, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(what_is_unpacked_is_the_store),
        cmocka_unit_test(it_ends_with_two_empty_blocks),
        cmocka_unit_test(it_keeps_to_its_rate),
        cmocka_unit_test(files_stay_while_it_is_made),
        cmocka_unit_test(one_is_made_at_a_time),
        cmocka_unit_test(a_full_disk_is_said_to_be_full),
        cmocka_unit_test(what_cannot_be_read_again_is_no_backup),
        cmocka_unit_test(faults_of_the_store_are_told)
    };

    return cmocka_run_group_tests(tests, setup_open, teardown_open);
}
