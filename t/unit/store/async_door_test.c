/*
 * The door, with processes that die, stop, or come from elsewhere.
 */

#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "async_fixture.h"


typedef struct {
    char          path[512];
    int           dir_fd;
    async_door_t  door;
    pid_t         pid;              /* a child, 0 = none */
    int           to, from;         /* pipes to and from it */
} room_t;


static int
setup(void **state)
{
    room_t  *room;

    room = calloc(1, sizeof(room_t));
    assert_non_null(room);

    fixture_folder(room->path, sizeof(room->path));
    room->dir_fd = open(room->path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    room->door.fd = -1;

    *state = room;

    return 0;
}


static int
teardown(void **state)
{
    room_t  *room = *state;

    async_door_close(&room->door);
    close(room->dir_fd);
    fixture_remove(room->path);
    free(room);

    return 0;
}


/*
 * A process that opens the door for itself (and takes it, if it should),
 * says so, waits for a word, and ends with 0 if all went well.
 */

static void
company(room_t *room, bool lock)
{
    int           to[2], from[2];
    char          byte;
    async_door_t  door;

    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);

    room->pid = fork();

    if (room->pid == 0) {
        close(to[1]);

        if (async_door_open(&door, room->dir_fd, ASYNC_DOOR_WAIT, NULL)
                != ASYNC_OK
            || (lock && async_door_lock(&door, 1000, NULL) != ASYNC_OK)
            || write(from[1], "x", 1) != 1
            || read(to[0], &byte, 1) != 1)
        {
            _exit(1);
        }

        if (lock) {
            async_door_unlock(&door);
        }

        async_door_close(&door);
        _exit(0);
    }

    close(to[0]);
    close(from[1]);
    room->to = to[1];
    room->from = from[0];

    assert_int_equal(read(room->from, &byte, 1), 1);
}


static void
company_goes(room_t *room)
{
    assert_int_equal(write(room->to, "x", 1), 1);
    assert_int_equal(fixture_wait(room->pid), 0);
    close(room->to);
    close(room->from);
}


static void
open_ok(room_t *room)
{
    async_error_t  err;

    err.text[0] = '\0';

    if (async_door_open(&room->door, room->dir_fd, ASYNC_DOOR_WAIT, &err)
        != ASYNC_OK)
    {
        fail_msg("%s", err.text);
    }
}


static void
damage(room_t *room, off_t offset)
{
    int      fd;
    uint8_t  byte;

    fd = openat(room->dir_fd, "door", O_RDWR|O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x01;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}


static void
one_at_a_time(void **state)
{
    room_t  *room = *state;

    company(room, true);
    open_ok(room);
    assert_int_equal(async_door_lock(&room->door, 50, NULL), ASYNC_BUSY);
    company_goes(room);
    assert_int_equal(async_door_lock(&room->door, 50, NULL), ASYNC_OK);
    async_door_unlock(&room->door);
}


static void
who_is_killed_behind_the_door_leaves_it_open(void **state)
{
    int      status, i;
    room_t  *room = *state;

    for (i = 0; i < 3; i++) {
        company(room, true);

        if (room->door.fd == -1) {
            open_ok(room);
        }

        assert_int_equal(kill(room->pid, SIGKILL), 0);
        assert_int_equal(waitpid(room->pid, &status, 0), room->pid);
        assert_true(WIFSIGNALED(status));

        assert_int_equal(async_door_lock(&room->door, 2000, NULL), ASYNC_OK);
        async_door_unlock(&room->door);
    }
}


static void
who_is_stopped_behind_it_makes_the_others_busy(void **state)
{
    room_t         *room = *state;
    async_error_t   err;

    company(room, true);
    open_ok(room);

    assert_int_equal(kill(room->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(room->pid, NULL, WUNTRACED), room->pid);

    assert_int_equal(async_door_lock(&room->door, 100, &err), ASYNC_BUSY);
    assert_non_null(strstr(err.text, "100 ms"));

    assert_int_equal(kill(room->pid, SIGCONT), 0);
    company_goes(room);
    assert_int_equal(async_door_lock(&room->door, 100, NULL), ASYNC_OK);
    async_door_unlock(&room->door);
}


/* each comes again at once; who has been in each time, by turns */

typedef struct {
    uint32_t  n;
    uint8_t   who[4096];
} visits_t;


static bool
visit(async_door_t *door, visits_t *visits, uint8_t who)
{
    int  i;

    for (i = 0; i < 100; i++) {

        if (async_door_lock(door, 2000, NULL) != ASYNC_OK) {
            return false;
        }

        visits->who[visits->n++] = who;
        usleep(500);
        async_door_unlock(door);
    }

    return true;
}


static void
who_comes_again_at_once_waits_for_the_other(void **state)
{
    pid_t         pid;
    room_t       *room = *state;
    uint32_t      i, first, last, thrice = 0;
    visits_t     *visits;
    async_door_t  door;

    visits = mmap(NULL, sizeof(visits_t), PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(visits, MAP_FAILED);

    open_ok(room);

    pid = fork();

    if (pid == 0) {
        _exit(async_door_open(&door, room->dir_fd, ASYNC_DOOR_WAIT, NULL)
              == ASYNC_OK && visit(&door, visits, 1) ? 0 : 1);
    }

    assert_true(visit(&room->door, visits, 0));
    assert_int_equal(fixture_wait(pid), 0);
    assert_int_equal(visits->n, 200);

    /* while both were there */

    for (first = 1; visits->who[first] == visits->who[0]; first++) {
        assert_true(first < 199);
    }

    for (last = 198; visits->who[last] == visits->who[199]; last--) {
        assert_true(last > 0);
    }

    assert_true(last > first + 50);

    for (i = first + 2; i <= last; i++) {
        thrice += visits->who[i] == visits->who[i - 1]
                  && visits->who[i] == visits->who[i - 2];
    }

    /* a machine that is busy may let one sleep for longer than his turn */

    assert_true(thrice < 10);

    munmap(visits, sizeof(visits_t));
}


static void
who_is_stopped_in_the_line_keeps_nobody_out(void **state)
{
    pid_t          pid;
    room_t        *room = *state;
    async_door_t   door;

    open_ok(room);
    assert_int_equal(async_door_lock(&room->door, 1000, NULL), ASYNC_OK);

    pid = fork();

    if (pid == 0) {
        if (async_door_open(&door, room->dir_fd, ASYNC_DOOR_WAIT, NULL)
                != ASYNC_OK
            || async_door_lock(&door, 60000, NULL) != ASYNC_OK)
        {
            _exit(1);
        }

        async_door_unlock(&door);
        _exit(0);
    }

    usleep(100000);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    async_door_unlock(&room->door);

    assert_int_equal(async_door_lock(&room->door, 500, NULL), ASYNC_OK);
    async_door_unlock(&room->door);

    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(fixture_wait(pid), 0);
}


/* a power cut: the mutex in the file is held by a thread that is no more */

static void
a_mutex_of_an_earlier_boot_is_made_anew(void **state)
{
    int      fd;
    room_t  *room = *state;
    uint8_t  held[1024];
    ssize_t  len;

    fd = openat(room->dir_fd, "door", O_RDWR|O_CREAT|O_CLOEXEC, 0600);

    open_ok(room);
    assert_int_equal(async_door_lock(&room->door, 100, NULL), ASYNC_OK);
    len = pread(fd, held, sizeof(held), 0);
    assert_true(len > 0 && len < (ssize_t) sizeof(held));
    async_door_unlock(&room->door);
    async_door_close(&room->door);

    /* of this boot, it is somebody's */

    assert_int_equal(pwrite(fd, held, (size_t) len, 0), len);
    open_ok(room);
    assert_int_equal(async_door_lock(&room->door, 50, NULL), ASYNC_BUSY);
    async_door_close(&room->door);

    damage(room, 24);                               /* the boot id */

    open_ok(room);
    assert_int_equal(async_door_lock(&room->door, 100, NULL), ASYNC_OK);
    async_door_unlock(&room->door);

    close(fd);
}


static void
nobody_makes_anew_what_another_may_hold(void **state)
{
    room_t         *room = *state;
    async_error_t   err;

    company(room, true);
    damage(room, 0);                                /* the magic */

    assert_int_equal(async_door_open(&room->door, room->dir_fd,
                                     ASYNC_DOOR_WAIT, &err),
                     ASYNC_UNAVAILABLE);
    assert_non_null(strstr(err.text, "damaged"));
    assert_int_equal(room->door.fd, -1);

    company_goes(room);
    open_ok(room);
}


/* whose door is longer; it lies at its end, perhaps, what they lock */

static void
another_version_is_told_so_and_keeps_its_file(void **state)
{
    int             fd;
    room_t         *room = *state;
    off_t           size;
    struct stat     st;
    async_error_t   err;

    company(room, true);
    damage(room, 6);                                /* the magic's digit */

    assert_int_equal(fstatat(room->dir_fd, "door", &st, 0), 0);
    size = st.st_size + 64;
    fd = openat(room->dir_fd, "door", O_RDWR|O_CLOEXEC);
    assert_int_equal(ftruncate(fd, size), 0);
    close(fd);

    assert_int_equal(async_door_open(&room->door, room->dir_fd,
                                     ASYNC_DOOR_WAIT, &err),
                     ASYNC_UNAVAILABLE);
    assert_non_null(strstr(err.text, "another version"));

    assert_int_equal(fstatat(room->dir_fd, "door", &st, 0), 0);
    assert_int_equal(st.st_size, size);

    company_goes(room);
    open_ok(room);
}


static void
another_pid_namespace_may_not_come_in(void **state)
{
    room_t         *room = *state;
    async_error_t   err;

    company(room, false);
    damage(room, 16);                               /* the namespace */

    assert_int_equal(async_door_open(&room->door, room->dir_fd,
                                     ASYNC_DOOR_WAIT, &err),
                     ASYNC_UNAVAILABLE);
    assert_non_null(strstr(err.text, "PID namespace"));

    /* once the others have gone, a container that was made anew may */

    company_goes(room);
    open_ok(room);
}


static void
a_file_of_any_other_length_is_made_anew_by_who_is_alone(void **state)
{
    int      fd;
    off_t    size;
    room_t  *room = *state;

    for (size = 0; size < 300; size += 37) {
        fd = openat(room->dir_fd, "door", O_RDWR|O_CREAT|O_CLOEXEC, 0600);
        assert_int_equal(ftruncate(fd, size), 0);
        close(fd);

        open_ok(room);
        assert_int_equal(async_door_lock(&room->door, 100, NULL), ASYNC_OK);
        async_door_unlock(&room->door);
        async_door_close(&room->door);
    }
}


static void
many_who_come_at_once_agree_on_one_mutex(void **state)
{
    int            i, j;
    pid_t          pids[8];
    room_t        *room = *state;
    async_door_t   door;
    volatile int  *shared;

    /* [0]: how many are behind the door; [1]: passages */

    shared = mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                  -1, 0);
    assert_true(shared != MAP_FAILED);

    for (i = 0; i < 8; i++) {
        pids[i] = fork();

        if (pids[i] != 0) {
            continue;
        }

        if (async_door_open(&door, room->dir_fd, ASYNC_DOOR_WAIT, NULL)
            != ASYNC_OK)
        {
            _exit(1);
        }

        for (j = 0; j < 200; j++) {
            if (async_door_lock(&door, 20000, NULL) != ASYNC_OK) {
                _exit(2);
            }

            if (shared[0]++ != 0) {
                _exit(3);
            }

            sched_yield();
            shared[1]++;
            shared[0]--;
            async_door_unlock(&door);
        }

        async_door_close(&door);
        _exit(0);
    }

    for (i = 0; i < 8; i++) {
        assert_int_equal(fixture_wait(pids[i]), 0);
    }

    assert_int_equal(shared[1], 8 * 200);
    munmap((void *) shared, 4096);
}


static void
the_file_does_not_follow_a_link(void **state)
{
    room_t  *room = *state;

    assert_int_equal(symlinkat("elsewhere", room->dir_fd, "door"), 0);
    assert_int_equal(async_door_open(&room->door, room->dir_fd,
                                     ASYNC_DOOR_WAIT, NULL),
                     ASYNC_UNAVAILABLE);
    assert_int_equal(faccessat(room->dir_fd, "elsewhere", F_OK, 0), -1);
}


static void
a_flock_is_waited_for_with_a_limit(void **state)
{
    int      a, b;
    room_t  *room = *state;

    a = openat(room->dir_fd, "lock", O_RDWR|O_CREAT|O_CLOEXEC, 0600);
    b = openat(room->dir_fd, "lock", O_RDWR|O_CLOEXEC);

    assert_int_equal(async_door_flock(a, LOCK_EX, 0), ASYNC_OK);
    assert_int_equal(async_door_flock(b, LOCK_SH, 0), ASYNC_BUSY);
    assert_int_equal(async_door_flock(b, LOCK_SH, 30), ASYNC_BUSY);
    assert_int_equal(flock(a, LOCK_UN), 0);
    assert_int_equal(async_door_flock(b, LOCK_SH, 0), ASYNC_OK);
    assert_int_equal(async_door_flock(-1, LOCK_SH, 100), ASYNC_UNAVAILABLE);

    close(a);
    close(b);
}


int
main(void)
{
#define unit(test)  cmocka_unit_test_setup_teardown(test, setup, teardown)

    const struct CMUnitTest  tests[] = {
        unit(one_at_a_time),
        unit(who_is_killed_behind_the_door_leaves_it_open),
        unit(who_is_stopped_behind_it_makes_the_others_busy),
        unit(who_comes_again_at_once_waits_for_the_other),
        unit(who_is_stopped_in_the_line_keeps_nobody_out),
        unit(a_mutex_of_an_earlier_boot_is_made_anew),
        unit(nobody_makes_anew_what_another_may_hold),
        unit(another_version_is_told_so_and_keeps_its_file),
        unit(another_pid_namespace_may_not_come_in),
        unit(a_file_of_any_other_length_is_made_anew_by_who_is_alone),
        unit(many_who_come_at_once_agree_on_one_mutex),
        unit(the_file_does_not_follow_a_link),
        unit(a_flock_is_waited_for_with_a_limit)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
