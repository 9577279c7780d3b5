/*
 * The doorbell, between processes: those that listen open the store for
 * themselves.
 */

#include <poll.h>
#include <sys/socket.h>

#include "async_bell.h"
#include "async_fixture.h"


/* is there something to read within ms */

static bool
rings(int fd, int ms)
{
    struct pollfd  pfd;

    pfd.fd = fd;
    pfd.events = POLLIN;

    return poll(&pfd, 1, ms) == 1;
}


static void
only_who_is_armed_is_rung_and_only_once(void **state)
{
    int            fd;
    fixture_t     *f = *state;
    async_bell_t  *bell;

    assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                     ASYNC_OK);

    fixture_submit_all(f, 1, 1);
    assert_false(rings(fd, 0));

    async_bell_arm(bell);
    assert_false(rings(fd, 0));
    fixture_submit_all(f, 2, 1);
    assert_true(rings(fd, 0));

    async_bell_drain(bell);
    assert_false(rings(fd, 0));
    fixture_submit_all(f, 3, 1);
    assert_false(rings(fd, 0));

    async_bell_arm(bell);
    async_bell_arm(bell);
    fixture_submit_all(f, 4, 1);
    assert_true(rings(fd, 0));

    async_bell_close(bell);
}


static void
one_that_is_mute_is_not_rung_by_us_and_stays_armed(void **state)
{
    int            fd, other;
    fixture_t     *f = *state;
    async_bell_t  *bell, *heard;

    assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                     ASYNC_OK);
    assert_int_equal(async_bell_open(&heard, f->store, &other, &f->err),
                     ASYNC_OK);

    async_bell_mute(bell);
    async_bell_arm(bell);
    async_bell_arm(heard);
    fixture_submit_all(f, 1, 1);
    assert_false(rings(fd, 0));
    assert_true(rings(other, 0));

    /* as another process would */

    f->store->mute = -1;
    async_bell_ring(f->store);
    assert_true(rings(fd, 0));

    async_bell_close(heard);
    async_bell_close(bell);
}


static void
a_batch_that_changed_nothing_rings_nobody(void **state)
{
    int            fd;
    fixture_t     *f = *state;
    async_bell_t  *bell;

    fixture_take_over(f);
    assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                     ASYNC_OK);
    async_bell_arm(bell);

    assert_int_equal(fixture_claim(f, 1), 0);
    assert_false(rings(fd, 0));

    fixture_submit_all(f, 1, 1);
    assert_true(rings(fd, 0));

    async_bell_close(bell);
}


static void
a_full_socket_is_no_trouble(void **state)
{
    int            i, fd;
    fixture_t     *f = *state;
    async_bell_t  *bell;

    assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                     ASYNC_OK);

    for (i = 0; i < 2000; i++) {
        async_bell_arm(bell);
        async_bell_ring(f->store);
    }

    assert_true(rings(fd, 0));
    async_bell_drain(bell);
    assert_false(rings(fd, 0));

    async_bell_arm(bell);
    async_bell_ring(f->store);
    assert_true(rings(fd, 0));

    async_bell_close(bell);
}


static void
the_sockets_are_the_owners_alone(void **state)
{
    int            fd;
    char           path[600];
    mode_t         mask;
    fixture_t     *f = *state;
    struct stat    st;
    async_bell_t  *bell;

    mask = umask(0);
    assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                     ASYNC_OK);
    assert_int_equal(umask(mask), 0);

    snprintf(path, sizeof(path), "%s/db/bell-0.sock", f->path);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFSOCK|0600);

    async_bell_close(bell);
    assert_int_equal(lstat(path, &st), -1);
}


/* --- listeners in other processes --- */

typedef struct {
    pid_t  pid;
    int    to, from;
} listener_t;


/*
 * Opens the store and a bell, arms, says so with a letter, and says another
 * when it is rung; ends at a letter to it.
 */

static void
listen_in(fixture_t *f, listener_t *listener)
{
    int                    to[2], from[2], fd;
    char                   byte;
    async_bell_t          *bell;
    async_store_t         *store;
    struct pollfd          pfds[2];
    async_store_options_t  options;

    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);

    listener->to = to[1];
    listener->from = from[0];
    listener->pid = fork();

    if (listener->pid != 0) {
        close(to[0]);
        close(from[1]);
        assert_int_equal(read(from[0], &byte, 1), 1);
        return;
    }

    close(to[1]);

    memset(&options, 0, sizeof(options));
    options.path = f->path;

    if (async_store_open(&store, &options, NULL) != ASYNC_OK
        || async_bell_open(&bell, store, &fd, NULL) != ASYNC_OK)
    {
        _exit(1);
    }

    async_bell_arm(bell);
    pfds[0].fd = fd;
    pfds[0].events = POLLIN;
    pfds[1].fd = to[0];
    pfds[1].events = POLLIN;

    while (write(from[1], "x", 1) == 1 && poll(pfds, 2, -1) > 0) {
        if (pfds[1].revents != 0) {
            async_bell_close(bell);
            async_store_close(store);
            _exit(0);
        }

        async_bell_drain(bell);
    }

    _exit(2);
}


static void
assert_rung(const listener_t *listener)
{
    char  byte;

    assert_true(rings(listener->from, 10000));
    assert_int_equal(read(listener->from, &byte, 1), 1);
}


static void
dismiss(listener_t *listener)
{
    assert_int_equal(write(listener->to, "x", 1), 1);
    assert_int_equal(fixture_wait(listener->pid), 0);
    close(listener->to);
    close(listener->from);
}


static void
reopen(fixture_t *f)
{
    assert_int_equal(fixture_open_as(f, 0, true), ASYNC_OK);
}


static void
all_who_listen_hear_of_a_submit(void **state)
{
    int         i;
    fixture_t  *f = *state;
    listener_t  listeners[3];

    fixture_close(f);

    for (i = 0; i < 3; i++) {
        listen_in(f, &listeners[i]);
    }

    reopen(f);
    fixture_submit_all(f, 1, 1);

    for (i = 0; i < 3; i++) {
        assert_rung(&listeners[i]);
    }

    for (i = 0; i < 3; i++) {
        dismiss(&listeners[i]);
    }
}


static void
the_slot_of_a_dead_listener_is_free_again(void **state)
{
    int            fd, status;
    fixture_t     *f = *state;
    listener_t     listener;
    async_bell_t  *bell;

    fixture_close(f);
    listen_in(f, &listener);
    assert_int_equal(kill(listener.pid, SIGKILL), 0);
    assert_int_equal(waitpid(listener.pid, &status, 0), listener.pid);
    close(listener.to);
    close(listener.from);

    /* nobody is harmed by ringing him, and his place is the next one's */

    reopen(f);
    fixture_submit_all(f, 1, 1);
    assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                     ASYNC_OK);

    async_bell_arm(bell);
    fixture_submit_all(f, 2, 1);
    assert_true(rings(fd, 0));
    async_bell_close(bell);

    fixture_close(f);
    listen_in(f, &listener);                        /* in the same slot */
    reopen(f);
    fixture_submit_all(f, 3, 1);
    assert_rung(&listener);
    dismiss(&listener);
}


static void
every_slot_can_be_taken_and_then_it_is_said(void **state)
{
    int            fds[ASYNC_BELL_SLOTS], fd;
    unsigned       i;
    fixture_t     *f = *state;
    async_bell_t  *bells[ASYNC_BELL_SLOTS], *bell;

    for (i = 0; i < ASYNC_BELL_SLOTS; i++) {
        assert_int_equal(async_bell_open(&bells[i], f->store, &fds[i],
                                         &f->err), ASYNC_OK);
        async_bell_arm(bells[i]);
    }

    assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                     ASYNC_NO_SPACE);
    assert_null(bell);

    fixture_submit_all(f, 1, 1);

    for (i = 0; i < ASYNC_BELL_SLOTS; i++) {
        assert_true(rings(fds[i], 0));
    }

    async_bell_close(bells[100]);
    assert_int_equal(async_bell_open(&bells[100], f->store, &fd, &f->err),
                     ASYNC_OK);

    for (i = 0; i < ASYNC_BELL_SLOTS; i++) {
        async_bell_close(bells[i]);
    }
}


static void
a_table_of_an_earlier_boot_is_emptied(void **state)
{
    int            fd, i;
    char           byte;
    fixture_t     *f = *state;
    async_bell_t  *bell;

    assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                     ASYNC_OK);
    async_bell_arm(bell);
    byte = 0;

    /* as if the power had gone: nobody takes himself out */

    assert_int_equal(pread(f->store->bell_fd, &byte, 1, 8), 1);
    byte ^= 1;
    assert_int_equal(pwrite(f->store->bell_fd, &byte, 1, 8), 1);

    close(fd);
    free(bell);
    fixture_close(f);
    reopen(f);

    for (i = 0; i < 2; i++) {
        assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                         ASYNC_OK);
        fixture_submit_all(f, 1 + i, 1);
        assert_false(rings(fd, 0));                 /* not armed by now */
        async_bell_close(bell);
    }
}


/*
 * The promise to a receiver: armed before the last look, no change after it
 * goes by unheard.  One process submits, the other counts what it finds.
 */

static void
no_change_after_arming_goes_by_unheard(void **state)
{
    int            fd;
    pid_t          pid;
    uint64_t       seq, seen;
    unsigned       i;
    fixture_t     *f = *state;
    async_job_t    job;
    async_bell_t  *bell;

    fixture_close(f);
    pid = fork();

    if (pid == 0) {
        if (fixture_open_as(f, 0, false) != ASYNC_OK) {
            _exit(1);
        }

        for (i = 0; i < 500; i++) {
            job = fixture_job(i);

            if (fixture_submit(f, &job) != ASYNC_OK) {
                _exit(2);
            }
        }

        fixture_close(f);
        _exit(0);
    }

    reopen(f);
    assert_int_equal(async_bell_open(&bell, f->store, &fd, &f->err),
                     ASYNC_OK);

    for (seq = 0; seq < 500; /* void */) {
        async_bell_arm(bell);
        assert_int_equal(async_view_feed_last(f->view, &seen), ASYNC_OK);

        if (seen != seq) {
            seq = seen;
            continue;
        }

        if (!rings(fd, 10000)) {
            fail_msg("no ring after entry %u", (unsigned) seq);
        }

        async_bell_drain(bell);
    }

    async_bell_close(bell);
    assert_int_equal(fixture_wait(pid), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(only_who_is_armed_is_rung_and_only_once),
        sound(one_that_is_mute_is_not_rung_by_us_and_stays_armed),
        sound(a_batch_that_changed_nothing_rings_nobody),
        sound(a_full_socket_is_no_trouble),
        sound(the_sockets_are_the_owners_alone),
        sound(all_who_listen_hear_of_a_submit),
        sound(the_slot_of_a_dead_listener_is_free_again),
        sound(every_slot_can_be_taken_and_then_it_is_said),
        sound(a_table_of_an_earlier_boot_is_emptied),
        sound(no_change_after_arming_goes_by_unheard)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
