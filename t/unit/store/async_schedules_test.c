/*
 * Schedules at rest: as they are stored and read, encrypted, damaged, and
 * after a salvage.  When they fire: t/unit/worker/async_firing_test.c.
 */

#include "async_fixture.h"
#include "async_salvage.h"
#include "async_schedules.h"


#define MARKER  "xyzzy-plain-marker-xyzzy"

static char  body[ASYNC_SCHEDULE_BODY];


static void
publish(fixture_t *f, const char *name, size_t len)
{
    size_t             i;
    uint8_t            record[ASYNC_JOB_MAX];
    async_job_t        job;
    async_schedule_t   s;
    async_schedules_t  said = { .instance = 1, .list = &s, .n = 1 };

    static int64_t  loaded;

    for (i = 0; i < len; i++) {
        body[i] = MARKER[i % (sizeof(MARKER) - 1)];
    }

    job = fixture_job(0);
    job.state = ASYNC_STATE_QUEUED;
    job.request.len = len;

    memset(&s, 0, sizeof(s));
    s.name = fixture_str(name);
    s.cron = fixture_str("* * * * *");
    s.zone = fixture_str("Europe/Berlin");
    s.misfire = ASYNC_MISFIRE_ALL;
    s.instance = 1;
    s.loaded = said.loaded = ++loaded;
    s.head = fixture_head(ASYNC_RECORD_REQUEST);
    s.capture = fixture_head(ASYNC_RECORD_CAPTURE);
    s.body.data = body;
    s.body.len = len;
    s.job.data = (const char *) record;
    s.job.len = async_job_encode(&job, record, sizeof(record));

    assert_int_equal(async_store_publish_schedules(f->store, &said, &f->err),
                     ASYNC_OK);
}


static void
assert_ticket(fixture_t *f, const char *name, size_t len)
{
    async_str_t              head;
    async_schedule_ticket_t  ticket;

    assert_int_equal(async_view_schedule(f->view, fixture_str(name), &ticket),
                     ASYNC_OK);

    head = fixture_head(ASYNC_RECORD_REQUEST);
    assert_int_equal(ticket.said.head.len, head.len);
    assert_memory_equal(ticket.said.head.data, head.data, head.len);
    head = fixture_head(ASYNC_RECORD_CAPTURE);
    assert_int_equal(ticket.said.capture.len, head.len);
    assert_memory_equal(ticket.said.capture.data, head.data, head.len);
    assert_int_equal(ticket.said.body.len, len);
    assert_memory_equal(ticket.said.body.data, body, len);
    assert_int_equal(ticket.said.misfire, ASYNC_MISFIRE_ALL);
    assert_int_equal(ticket.job.request.len, len);
    assert_int_equal(ticket.job.request.crc, async_crc32c(0, body, len));
    assert_false(ticket.job.request.seal.used);
    assert_false(ticket.unfinished);

    async_schedule_free(&ticket);
}


static void
use_key(fixture_t *f, uint8_t seed)
{
    async_keys_t  keys;

    memset(&keys, 0, sizeof(keys));
    keys.n = seed != 0;
    keys.encrypts = seed != 0;
    memset(keys.secrets[0].bytes, seed, ASYNC_SECRET);
    memset(keys.secrets[0].id, seed, ASYNC_KEY_ID);

    assert_int_equal(async_store_use_keys(f->store, &keys), ASYNC_OK);
}


static bool
in_file(fixture_t *f, const char *text)
{
    int           fd;
    bool          found;
    char          path[600], *data;
    struct stat   st;

    snprintf(path, sizeof(path), "%s/db/data.mdb", f->path);
    fd = open(path, O_RDONLY);
    assert_int_not_equal(fd, -1);
    assert_int_equal(fstat(fd, &st), 0);
    data = malloc((size_t) st.st_size);
    assert_non_null(data);
    assert_int_equal(read(fd, data, (size_t) st.st_size), st.st_size);
    close(fd);
    found = memmem(data, (size_t) st.st_size, text, strlen(text)) != NULL;
    free(data);

    return found;
}


static void
test_read(void **state)
{
    uint64_t                 before, after;
    fixture_t               *f = *state;
    async_schedule_ticket_t  ticket;

    assert_int_equal(async_view_schedule_changes(f->view, &before), ASYNC_OK);
    publish(f, "empty", 0);
    assert_int_equal(async_view_schedule_changes(f->view, &after), ASYNC_OK);
    assert_int_not_equal(before, after);
    assert_ticket(f, "empty", 0);

    publish(f, "large", ASYNC_SCHEDULE_BODY);
    assert_ticket(f, "large", ASYNC_SCHEDULE_BODY);

    assert_int_equal(async_view_schedule(f->view, fixture_str("none"),
                                         &ticket), ASYNC_NOT_FOUND);
    assert_int_equal(async_view_schedule(f->view, fixture_str(""), &ticket),
                     ASYNC_NOT_FOUND);
}


static void
test_sealed(void **state)
{
    size_t                    i;
    fixture_t                *f = *state;
    async_schedule_ticket_t   ticket;
    static const size_t       lens[] = {
        1, 100, 4064, 4065, ASYNC_SCHEDULE_BODY
    };

    use_key(f, 1);

    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        publish(f, "sealed", lens[i]);
        assert_ticket(f, "sealed", lens[i]);
    }

    assert_false(in_file(f, MARKER));

    /* who has another key, and what the next start of nginx has written */

    fixture_close(f);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
    use_key(f, 2);
    assert_int_equal(async_view_schedule(f->view, fixture_str("sealed"),
                                         &ticket), ASYNC_NO_KEY);
    publish(f, "sealed", 10);
    assert_ticket(f, "sealed", 10);

    use_key(f, 0);
    publish(f, "sealed", 10);
    assert_ticket(f, "sealed", 10);
}


/* each byte of each record, and a check that tells of it */

static void
count(void *data, const char *fault)
{
    unsigned  *n = data;

    *n += strncmp(fault, "schedule", 8) == 0;
}


static void
test_damage(void **state)
{
    size_t                  i, len;
    uint8_t                 buf[4096];
    unsigned                n, of;
    fixture_t              *f = *state;
    async_key_t             key;
    async_check_figures_t   figures;

    publish(f, "damaged", 10);

    for (of = ASYNC_SCHEDULE_OF_CONF; of <= ASYNC_SCHEDULE_OF_STATE; of++) {
        async_key_schedule(&key, (async_schedule_of_t) of,
                           fixture_str("damaged"));
        len = fixture_value(f, &key, buf, sizeof(buf));

        for (i = 0; i < len; i += 7) {
            buf[i] ^= 1;
            fixture_overwrite(f, &key, buf, len);
            buf[i] ^= 1;
            n = 0;
            assert_int_equal(async_store_check(f->store, &figures, count,
                                               NULL, &n, &f->err), ASYNC_OK);
            assert_int_equal(n, 1);
        }

        fixture_overwrite(f, &key, buf, len);
    }
}


/* what has become of it is rescued; nginx says the rest anew */

static bool
paused(void *data, const async_schedule_row_t *row)
{
    *(bool *) data = row->state->paused && row->said == NULL;

    return true;
}


static void
salvage(fixture_t *f)
{
    char                      to[600];
    async_salvage_figures_t   figures;
    async_salvage_options_t   options = { .now = FIXTURE_NOW };

    fixture_close(f);

    snprintf(to, sizeof(to), "%s-to", f->path);
    assert_int_equal(async_store_prepare(to, geteuid(), getegid(), &f->err),
                     ASYNC_OK);

    options.from = f->path;
    options.to = to;
    assert_int_equal(async_store_salvage(&options, &figures, NULL, NULL, NULL,
                                         &f->err), ASYNC_OK);

    fixture_remove(f->path);
    assert_int_equal(rename(to, f->path), 0);
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
}


static void
test_salvage(void **state)
{
    bool        found;
    fixture_t  *f = *state;

    publish(f, "rescued", 60000);
    assert_int_equal(async_store_pause_schedule(f->store,
                                                fixture_str("rescued"), true,
                                                &f->err), ASYNC_OK);
    salvage(f);

    found = false;
    assert_int_equal(async_view_schedules(f->view, paused, &found), ASYNC_OK);
    assert_true(found);

    /* as long as nobody has resumed it, it is paused, whatever nginx says */

    publish(f, "rescued", 10);
    assert_ticket(f, "rescued", 10);
}


/* what was missed meanwhile is made good as after any other stop */

static void
test_salvage_of_a_time(void **state)
{
    fixture_t                *f = *state;
    async_schedule_move_t     move = { .next = FIXTURE_NOW - 60000 };
    async_schedule_ticket_t   ticket;

    publish(f, "rescued", 10);
    fixture_take_over(f);
    memcpy(move.name, "rescued", 7);
    move.len = 7;
    assert_int_equal(async_store_move_schedules(f->store, f->epoch, &move, 1,
                                                &f->err), ASYNC_OK);
    salvage(f);
    publish(f, "rescued", 10);

    assert_int_equal(async_view_schedule(f->view, fixture_str("rescued"),
                                         &ticket), ASYNC_OK);
    assert_int_equal(ticket.state.next, FIXTURE_NOW - 60000);
    async_schedule_free(&ticket);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(test_read),
        sound(test_sealed),
        sound(test_damage),
        sound(test_salvage),
        sound(test_salvage_of_a_time)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
