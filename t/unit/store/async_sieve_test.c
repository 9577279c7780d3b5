/*
 * What is remembered of older buckets never hides a key that is there.
 */

#include "async_fixture.h"
#include "async_sieve.h"


#define DAY    (24 * 3600 * 1000ll)
#define KEYS   400
#define JOBS   2000
#define STEPS  6000


static async_submit_key_t
key_of(unsigned n)
{
    async_submit_key_t  key;

    memset(&key, 0, sizeof(key));

    /* some have their first four bytes in common */

    key.used = true;
    key.ttl = DAY;
    async_put_be32(key.hash, n / 2 * 2654435761u);
    async_put_be32(key.hash + 4, n * 2246822519u);

    return key;
}


static async_event_t
keyed(async_job_t *job, unsigned n, unsigned key)
{
    async_event_t  event;

    *job = fixture_job(n);
    event = fixture_submitted(job);
    event.idempotency = key_of(key);

    return event;
}


/* as if it were full; by 0: as if nothing were in it yet, as it is with so
   many jobs in the store that it is a small part of them */

static void
next_bucket(fixture_t *f, uint64_t by)
{
    uint64_t     n[2] = { 1, 0 };
    uint8_t      buf[ASYNC_COUNT_MAX];
    size_t       len;
    async_key_t  key;

    async_key_stat(&key, ASYNC_STAT_BUCKET);

    if (fixture_has(f, &key)) {
        len = fixture_value(f, &key, buf, sizeof(buf));
        (void) async_count_decode(n, 2, buf, len);
    }

    n[0] += by;
    n[1] = 0;
    fixture_overwrite(f, &key, buf, async_count_encode(n, 2, buf,
                                                       sizeof(buf)));
}


static unsigned
remembered(fixture_t *f)
{
    return f->store->sieves != NULL ? f->store->sieves->n : 0;
}


static void
older_buckets_are_remembered_after_some_looks(void **state)
{
    unsigned        n;
    fixture_t      *f = *state;
    async_job_t     job;
    async_event_t   event;

    for (n = 0; n < 60; n++) {
        event = keyed(&job, n + 1, n);
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);

        if (n % 10 == 9) {
            next_bucket(f, 1);
        }
    }

    for (n = 0; n < 40; n++) {
        event = keyed(&job, n + 101, n + 1000);
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    }

    assert_int_equal(remembered(f), 6);

    for (n = 0; n < 60; n++) {
        event = keyed(&job, n + 201, n);
        assert_int_equal(fixture_event(f, &event), ASYNC_EXISTS);
    }
}


/* a job of an older bucket that gets its first key moves to the newest */

static void
an_older_bucket_gets_no_row(void **state)
{
    unsigned        n;
    uint8_t         buf[ASYNC_JOB_MAX];
    fixture_t      *f = *state;
    async_id_t      id;
    async_job_t     job;
    async_event_t   event;

    job = fixture_job(1);
    event = fixture_submitted(&job);
    event.coalesce.used = true;
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    next_bucket(f, 1);

    for (n = 2; n < 6; n++) {
        event = keyed(&job, n, n);
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    }

    assert_int_equal(remembered(f), 1);

    event = keyed(&job, 10, 10);
    event.coalesce.used = true;
    assert_int_equal(fixture_event(f, &event), ASYNC_EXISTS);

    event = keyed(&job, 11, 10);
    assert_int_equal(fixture_apply(f, &event, 1), ASYNC_OK);
    assert_int_equal(event.rc, ASYNC_EXISTS);

    id = fixture_id(1);
    assert_memory_equal(&event.id, &id, sizeof(id));
    assert_int_equal(fixture_look(f, &id, buf).bucket, 2);
}


/* more rows than are read at once */

static void
a_large_bucket_is_read_in_slices(void **state)
{
    unsigned        n, i, slices;
    fixture_t      *f = *state;
    async_job_t     jobs[100], job;
    async_event_t   events[100], event;

    for (n = 0; n < 2 * ASYNC_SIEVE_SLICE + 100; n += 100) {

        for (i = 0; i < 100; i++) {
            events[i] = keyed(&jobs[i], n + i + 1, n + i);
        }

        assert_int_equal(fixture_apply(f, events, 100), ASYNC_OK);
        next_bucket(f, 0);
    }

    next_bucket(f, 1);

    for (slices = 0; remembered(f) == 0; slices++) {
        event = keyed(&job, n + slices + 1, n + slices);
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
        assert_true(slices < 10);
    }

    assert_true(slices > 2);

    for (i = 0; i < n; i += 7) {
        event = keyed(&job, 100000 + i, i);
        assert_int_equal(fixture_event(f, &event), ASYNC_EXISTS);
    }
}


/* an older bucket is the newest again: nothing is known of it any more */

static void
what_only_damage_can_do_is_noticed(void **state)
{
    unsigned        n;
    uint64_t        last[2] = { 1, 1 };
    uint8_t         buf[ASYNC_COUNT_MAX];
    fixture_t      *f = *state;
    async_key_t     key;
    async_job_t     job;
    async_event_t   event;

    event = keyed(&job, 1, 1);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    next_bucket(f, 1);

    for (n = 2; n < 6; n++) {
        event = keyed(&job, n, n);
        event.idempotency.ttl = 0;
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    }

    assert_int_equal(remembered(f), 1);

    for (n = 2; n < 6; n++) {
        job = fixture_job(n);
        event = fixture_about(ASYNC_EVENT_CANCEL_REQUESTED, &job);
        assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    }

    async_key_stat(&key, ASYNC_STAT_BUCKET);
    fixture_overwrite(f, &key, buf, async_count_encode(last, 2, buf,
                                                       sizeof(buf)));

    event = keyed(&job, 10, 10);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    assert_int_equal(remembered(f), 0);
    event = keyed(&job, 11, 10);
    assert_int_equal(fixture_event(f, &event), ASYNC_EXISTS);
}


/* --- any order of things --- */

typedef struct {
    fixture_t  *f;
    uint64_t    random;
    int         holder[KEYS];       /* job, or 0 */
    uint8_t     state[JOBS];        /* 0: not there, 1: waits, 2: canceled */
    bool        joins[JOBS];        /* has the string that others join */
} play_t;


static unsigned
pick(play_t *p, unsigned n)
{
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;

    return (unsigned) ((p->random * 0x2545F4914F6CDD1Dull) >> 33) % n;
}


static void
play_submit(play_t *p, unsigned n)
{
    int            joined;
    unsigned       i, key;
    async_id_t     id;
    async_job_t    job;
    async_event_t  event;

    key = pick(p, KEYS);
    event = keyed(&job, n, key);
    joined = 0;

    if (pick(p, 3) == 0) {
        event.coalesce.used = true;
        memset(event.coalesce.hash, 'c', ASYNC_SUBMIT_HASH);

        for (i = 1; i < JOBS; i++) {
            if (p->state[i] == 1 && p->joins[i]) {
                joined = (int) i;
            }
        }
    }

    /* with a key or without, which is then the first of its job */

    event.idempotency.used = pick(p, event.coalesce.used ? 2 : 8) != 0;

    assert_int_equal(fixture_apply(p->f, &event, 1), ASYNC_OK);

    if (event.idempotency.used && p->holder[key] != 0) {
        id = fixture_id((unsigned) p->holder[key]);
        assert_int_equal(event.rc, ASYNC_EXISTS);
        assert_false(event.joined);
        assert_memory_equal(&event.id, &id, sizeof(id));
        return;
    }

    if (joined != 0) {
        id = fixture_id((unsigned) joined);
        assert_int_equal(event.rc, ASYNC_EXISTS);
        assert_true(event.joined);
        assert_memory_equal(&event.id, &id, sizeof(id));

    } else {
        assert_int_equal(event.rc, ASYNC_OK);
        joined = (int) n;
        p->state[n] = 1;
        p->joins[n] = event.coalesce.used;
    }

    if (event.idempotency.used) {
        p->holder[key] = joined;
    }
}


/* canceled it gives its keys up, and then all of it may go */

static void
play_end(play_t *p, unsigned n)
{
    unsigned       i;
    async_job_t    job;
    async_event_t  event;

    if (p->state[n] == 0) {
        return;
    }

    job = fixture_job(n);
    event = fixture_about(p->state[n] == 1 ? ASYNC_EVENT_CANCEL_REQUESTED
                                           : ASYNC_EVENT_FORGOTTEN, &job);
    assert_int_equal(fixture_event(p->f, &event), ASYNC_OK);

    for (i = 0; i < KEYS && p->state[n] == 1; i++) {
        p->holder[i] = p->holder[i] == (int) n ? 0 : p->holder[i];
    }

    p->state[n] = p->state[n] == 1 ? 2 : 0;
}


static void
play(fixture_t *f, uint64_t seed)
{
    unsigned  i, n;
    play_t    p;

    memset(&p, 0, sizeof(p));
    p.f = f;
    p.random = seed;

    for (i = 0, n = 1; i < STEPS && n < JOBS; i++) {

        switch (pick(&p, 12)) {

        case 0:
            next_bucket(f, 1 + pick(&p, 3));
            break;

        case 1:
        case 2:
        case 3:
            play_end(&p, 1 + pick(&p, n));
            break;

        case 4:
            if (pick(&p, 20) == 0) {
                fixture_assert_sound(f);
                fixture_close(f);
                assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);
            }

            break;

        default:
            play_submit(&p, n++);
        }
    }

    assert_true(remembered(f) > 0);
}


static void
any_order_of_things(void **state)
{
    play(*state, getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10)
                                        : 88172645463325252ull);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(older_buckets_are_remembered_after_some_looks),
        sound(an_older_bucket_gets_no_row),
        sound(a_large_bucket_is_read_in_slices),
        cmocka_unit_test_setup_teardown(what_only_damage_can_do_is_noticed,
                                        fixture_setup, fixture_teardown),
        sound(any_order_of_things)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
