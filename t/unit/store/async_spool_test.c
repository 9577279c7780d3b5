/*
 * Bodies too large for the map.
 */

#include <sys/resource.h>

#include "async_fixture.h"


#define LARGE  (1024 * 1024 + 17)


static char *
pattern(size_t len)
{
    char    *bytes;
    size_t   i;

    bytes = malloc(len);
    assert_non_null(bytes);

    for (i = 0; i < len; i++) {
        bytes[i] = (char) (i * 7 + i / 4099);
    }

    return bytes;
}


static unsigned
files(fixture_t *f)
{
    char      command[600];
    FILE     *p;
    unsigned  n;

    snprintf(command, sizeof(command), "ls '%s/spool' | wc -l", f->path);
    p = popen(command, "re");
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%u", &n), 1);
    pclose(p);

    return n;
}


static void
assert_file(const char *path, const char *bytes, size_t len)
{
    int          fd;
    char        *found;
    struct stat  st;

    found = malloc(len + 1);
    fd = open(path, O_RDONLY|O_CLOEXEC|O_NOFOLLOW);
    assert_int_not_equal(fd, -1);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG|0600);
    assert_int_equal(st.st_size, len);
    assert_int_equal(read(fd, found, len + 1), len);
    assert_memory_equal(found, bytes, len);
    close(fd);
    free(found);
}


static void
elsewhere(fixture_t *f, const char *folder, const char *bytes, size_t len,
    char *path, size_t cap)
{
    int  fd;

    snprintf(path, cap, "%s/body-%d", folder != NULL ? folder : f->path,
             (int) getpid());
    fd = open(path, O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0644);
    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}


static void
a_file_is_there_only_when_it_is_finished(void **state)
{
    char           *bytes, path[600];
    size_t          done, part;
    fixture_t      *f = *state;
    async_id_t      id;
    async_body_t    body;
    async_spool_t   spool;

    bytes = pattern(LARGE);
    id = fixture_id(1);

    assert_true(async_spool_path(f->store, &id, ASYNC_PAYLOAD_RESPONSE_BODY,
                                 path, sizeof(path)));
    assert_non_null(strstr(path, "/spool/01a202b2-c500-7"));
    assert_string_equal(path + strlen(path) - 4, ".res");

    assert_int_equal(async_spool_create(&spool, f->store, &id,
                                        ASYNC_PAYLOAD_RESPONSE_BODY, &f->err),
                     ASYNC_OK);

    for (done = 0; done < LARGE; done += part) {
        part = LARGE - done < 70000 ? LARGE - done : 70000;
        assert_int_equal(async_spool_write(&spool, bytes + done, part,
                                           &f->err), ASYNC_OK);
    }

    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(async_spool_finish(&spool, &body, &f->err), ASYNC_OK);
    assert_int_equal(spool.fd, -1);

    assert_int_equal(body.where, ASYNC_BODY_SPOOL);
    assert_int_equal(body.len, LARGE);
    assert_int_equal(body.crc, async_crc32c(0, bytes, LARGE));
    assert_file(path, bytes, LARGE);
    assert_int_equal(files(f), 1);

    async_spool_abandon(&spool);                    /* nothing to abandon */
    assert_int_equal(files(f), 1);

    async_spool_remove(f->store, &id, ASYNC_PAYLOAD_RESPONSE_BODY);
    async_spool_remove(f->store, &id, ASYNC_PAYLOAD_RESPONSE_BODY);
    assert_int_equal(files(f), 0);

    free(bytes);
}


static void
an_abandoned_file_leaves_nothing(void **state)
{
    fixture_t      *f = *state;
    async_id_t      id;
    async_body_t    body;
    async_spool_t   spool;

    id = fixture_id(1);

    assert_int_equal(async_spool_create(&spool, f->store, &id,
                                        ASYNC_PAYLOAD_REQUEST_BODY, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_write(&spool, "x", 1, &f->err), ASYNC_OK);
    assert_int_equal(files(f), 1);

    async_spool_abandon(&spool);
    assert_int_equal(files(f), 0);

    assert_int_equal(async_spool_write(&spool, "x", 1, &f->err),
                     ASYNC_INVALID);
    assert_int_equal(async_spool_finish(&spool, &body, &f->err),
                     ASYNC_INVALID);
}


static void
what_a_dead_attempt_left_is_no_hindrance(void **state)
{
    char           path[600];
    fixture_t     *f = *state;
    async_id_t     id;
    async_body_t   body;
    async_spool_t  dead, spool;

    id = fixture_id(1);

    assert_int_equal(async_spool_create(&dead, f->store, &id,
                                        ASYNC_PAYLOAD_RESPONSE_BODY, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_write(&dead, "old", 3, &f->err), ASYNC_OK);
    close(dead.fd);

    assert_int_equal(async_spool_create(&spool, f->store, &id,
                                        ASYNC_PAYLOAD_RESPONSE_BODY, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_write(&spool, "new!", 4, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_finish(&spool, &body, &f->err), ASYNC_OK);

    assert_true(async_spool_path(f->store, &id, ASYNC_PAYLOAD_RESPONSE_BODY,
                                 path, sizeof(path)));
    assert_file(path, "new!", 4);
    assert_int_equal(files(f), 1);
}


static void
adopted(fixture_t *f, const char *from, int fd, const char *bytes, size_t len)
{
    char           path[600];
    async_id_t     id;
    async_body_t   body;
    async_spool_t  spool;

    id = fixture_id(1);

    assert_int_equal(async_spool_adopt(&spool, f->store, &id,
                                       ASYNC_PAYLOAD_REQUEST_BODY, from, fd,
                                       &f->err), ASYNC_OK);
    assert_int_equal(async_spool_finish(&spool, &body, &f->err), ASYNC_OK);
    assert_int_equal(body.where, ASYNC_BODY_SPOOL);
    assert_int_equal(body.len, len);
    assert_int_equal(body.crc, async_crc32c(0, bytes, len));

    assert_true(async_spool_path(f->store, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                 path, sizeof(path)));
    assert_file(path, bytes, len);
    assert_int_equal(files(f), 1);
}


static void
a_file_of_this_filesystem_is_renamed(void **state)
{
    char         *bytes, path[600], final[600];
    fixture_t    *f = *state;
    struct stat   before, after;
    async_id_t    id;

    bytes = pattern(LARGE);
    id = fixture_id(1);
    elsewhere(f, NULL, bytes, LARGE, path, sizeof(path));
    assert_int_equal(stat(path, &before), 0);

    adopted(f, path, -1, bytes, LARGE);

    assert_int_equal(access(path, F_OK), -1);
    assert_true(async_spool_path(f->store, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                 final, sizeof(final)));
    assert_int_equal(stat(final, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);

    free(bytes);
}


static void
a_file_of_another_filesystem_is_copied(void **state)
{
    char         *bytes, path[600];
    fixture_t    *f = *state;
    struct stat   here, there;

    /* without a second filesystem this is the rename once more */

    assert_int_equal(stat(f->path, &here), 0);
    assert_int_equal(stat("/dev/shm", &there), 0);

    bytes = pattern(LARGE);
    elsewhere(f, here.st_dev != there.st_dev ? "/dev/shm" : NULL, bytes,
              LARGE, path, sizeof(path));

    adopted(f, path, -1, bytes, LARGE);
    assert_int_equal(access(path, F_OK), -1);

    free(bytes);
}


static void
an_open_file_without_a_name_is_copied_from_its_beginning(void **state)
{
    int         fd;
    char       *bytes, path[600];
    fixture_t  *f = *state;

    bytes = pattern(LARGE);
    elsewhere(f, NULL, bytes, LARGE, path, sizeof(path));
    fd = open(path, O_RDONLY|O_CLOEXEC);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(lseek(fd, 100, SEEK_SET), 100);

    adopted(f, NULL, fd, bytes, LARGE);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 100);  /* it is the caller's */

    adopted(f, path, fd, bytes, LARGE);             /* its name is no more */

    close(fd);
    free(bytes);
}


static void
what_cannot_be_adopted_leaves_nothing(void **state)
{
    char           path[600];
    fixture_t     *f = *state;
    async_id_t     id;
    async_spool_t  spool;

    id = fixture_id(1);

    assert_int_equal(async_spool_adopt(&spool, f->store, &id,
                                       ASYNC_PAYLOAD_REQUEST_BODY,
                                       "/not/there", -1, &f->err),
                     ASYNC_UNAVAILABLE);
    assert_int_equal(spool.fd, -1);
    assert_int_equal(async_spool_adopt(&spool, f->store, &id,
                                       ASYNC_PAYLOAD_REQUEST_BODY, NULL, -1,
                                       &f->err), ASYNC_UNAVAILABLE);
    assert_int_equal(async_spool_adopt(&spool, f->store, &id,
                                       ASYNC_PAYLOAD_REQUEST, NULL, 0,
                                       &f->err), ASYNC_INVALID);
    assert_int_equal(files(f), 0);

    /* a link is not a body */

    snprintf(path, sizeof(path), "%s/link", f->path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(async_spool_adopt(&spool, f->store, &id,
                                       ASYNC_PAYLOAD_REQUEST_BODY, path, -1,
                                       &f->err), ASYNC_UNAVAILABLE);
    assert_int_equal(files(f), 0);
}


static void
requests_and_responses_have_names_of_their_own(void **state)
{
    char        req[600], res[600];
    fixture_t  *f = *state;
    async_id_t  id;

    id = fixture_id(1);

    assert_true(async_spool_path(f->store, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                 req, sizeof(req)));
    assert_true(async_spool_path(f->store, &id, ASYNC_PAYLOAD_RESPONSE_BODY,
                                 res, sizeof(res)));
    assert_string_not_equal(req, res);
    assert_string_equal(req + strlen(req) - 4, ".req");

    assert_true(async_spool_path(f->store, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                 req, strlen(req) + 1));
    assert_false(async_spool_path(f->store, &id, ASYNC_PAYLOAD_REQUEST_BODY,
                                  res, strlen(req)));
}


/* a limit on the size of files stands for a disk that ends */

static int
no_room(fixture_t *f, const char *bytes)
{
    async_id_t     id;
    async_spool_t  spool;

    id = fixture_id(1);
    signal(SIGXFSZ, SIG_IGN);

    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit) { 100000, 100000 }) != 0
        || async_spool_create(&spool, f->store, &id,
                              ASYNC_PAYLOAD_RESPONSE_BODY, &f->err)
           != ASYNC_OK)
    {
        return 1;
    }

    if (async_spool_write(&spool, bytes, LARGE, &f->err) == ASYNC_OK) {
        return 2;
    }

    async_spool_abandon(&spool);

    return strstr(f->err.text, "spool file") != NULL ? 0 : 3;
}


static void
a_write_that_fails_is_told_of(void **state)
{
    char       *bytes;
    pid_t       pid;
    fixture_t  *f = *state;

    bytes = pattern(LARGE);
    pid = fork();

    if (pid == 0) {
        _exit(no_room(f, bytes));
    }

    assert_int_equal(fixture_wait(pid), 0);
    assert_int_equal(files(f), 0);
    free(bytes);
}


/* the whole way: a job whose bodies are files */

static void
a_job_with_spooled_bodies_is_sound(void **state)
{
    char                   *bytes;
    fixture_t              *f = *state;
    async_job_t             job;
    async_event_t           event;
    async_spool_t           spool;
    async_store_figures_t   figures;

    bytes = pattern(LARGE);
    job = fixture_job(1);

    assert_int_equal(async_spool_create(&spool, f->store, &job.id,
                                        ASYNC_PAYLOAD_REQUEST_BODY, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_write(&spool, bytes, LARGE, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_finish(&spool, &job.request, &f->err),
                     ASYNC_OK);

    assert_int_equal(fixture_submit(f, &job), ASYNC_OK);
    fixture_take_over(f);
    assert_int_equal(fixture_claim(f, 1), 1);
    assert_int_equal(f->claims[0].job.request.where, ASYNC_BODY_SPOOL);
    assert_int_equal(f->claims[0].job.request.len, LARGE);

    event = fixture_completed(&f->claims[0].job);

    assert_int_equal(async_spool_create(&spool, f->store, &job.id,
                                        ASYNC_PAYLOAD_RESPONSE_BODY, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_write(&spool, bytes, 300000, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_spool_finish(&spool, &event.response, &f->err),
                     ASYNC_OK);
    event.payload.body.len = 0;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);

    assert_int_equal(async_store_figures(f->store, &figures), ASYNC_OK);
    assert_int_equal(figures.spooled, 300000);
    assert_int_equal(files(f), 1);

    free(bytes);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        plain(a_file_is_there_only_when_it_is_finished),
        plain(an_abandoned_file_leaves_nothing),
        plain(what_a_dead_attempt_left_is_no_hindrance),
        plain(a_file_of_this_filesystem_is_renamed),
        plain(a_file_of_another_filesystem_is_copied),
        plain(an_open_file_without_a_name_is_copied_from_its_beginning),
        plain(what_cannot_be_adopted_leaves_nothing),
        plain(requests_and_responses_have_names_of_their_own),
        plain(a_write_that_fails_is_told_of),
        sound(a_job_with_spooled_bodies_is_sound)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
