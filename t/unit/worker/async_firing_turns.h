/*
 * Schedules in a real store, and a worker whose turns are a call each, by
 * clocks that stand where the test puts them.
 */

#ifndef ASYNC_FIRING_TURNS_H
#define ASYNC_FIRING_TURNS_H

#include "../store/async_fixture.h"
#include "async_firing.h"
#include "async_log.h"
#include "async_schedules.h"
#include "async_time.h"


#define MINUTE  60000
#define HOUR    (60 * MINUTE)


static async_firings_t     firings;
static async_clock_t       wall_clock;
static int64_t             boot;
static int64_t             loaded;

static async_schedule_t    list[70];
static async_schedules_t   said;
static char                names[70][ASYNC_SCHEDULE_NAME];
static uint8_t             records[70][ASYNC_JOB_MAX];
static async_event_t       events[ASYNC_FIRING_MAX];


/* --- nginx.conf --- */

static inline async_schedule_t *
add(const char *name, const char *cron, async_misfire_t misfire)
{
    async_job_t        job;
    async_schedule_t  *s;

    s = &list[said.n];

    memset(s, 0, sizeof(async_schedule_t));
    snprintf(names[said.n], sizeof(names[0]), "%s", name);

    job = fixture_job(0);
    job.state = ASYNC_STATE_QUEUED;
    job.request.where = ASYNC_BODY_CHUNKS;
    job.request.len = 5;

    s->name = fixture_str(names[said.n]);
    s->cron = fixture_str(cron);
    s->zone = fixture_str("UTC");
    s->misfire = (uint8_t) misfire;
    s->instance = said.instance;
    s->head = fixture_head(ASYNC_RECORD_REQUEST);
    s->body = fixture_str("body!");
    s->job.data = (const char *) records[said.n];
    s->job.len = async_job_encode(&job, records[said.n], ASYNC_JOB_MAX);
    assert_int_not_equal(s->job.len, 0);

    said.n++;

    return s;
}


static inline void
publish(fixture_t *f)
{
    unsigned  i;

    said.loaded = ++loaded;
    said.list = list;

    for (i = 0; i < said.n; i++) {
        list[i].loaded = said.loaded;
    }

    assert_int_equal(async_store_publish_schedules(f->store, &said, &f->err),
                     ASYNC_OK);
}


/* --- the worker --- */

static inline void
start(fixture_t *f)
{
    async_firing_clean(&firings);
    fixture_take_over(f);
    async_firing_init(&firings, f->epoch);
    memset(&wall_clock, 0, sizeof(wall_clock));
}


/* one turn of the loop; how many jobs were made */

static inline unsigned
turn(fixture_t *f)
{
    unsigned       i, n, made;
    async_batch_t  batch;

    memset(&batch, 0, sizeof(batch));

    boot += 1000;
    (void) async_clock_look(&wall_clock, f->now, boot);

    async_firing_rung(&firings);
    async_firing_collect(&firings, f->store, f->view, &wall_clock, f->now,
                         boot);
    async_firing_events(&firings, events);

    batch.events = events;
    batch.n = n = firings.n;
    batch.now = f->now;

    assert_int_equal(async_store_apply(f->store, &batch, &f->err), ASYNC_OK);

    for (i = 0, made = 0; i < n; i++) {
        made += events[i].rc == ASYNC_OK;
    }

    async_firing_done(&firings, ASYNC_OK, events, boot);

    return made;
}


/* so much later, by both clocks, and all that is due */

static inline unsigned
later(fixture_t *f, int64_t ms)
{
    unsigned  i, n;

    f->now += ms - 1000;
    boot += ms - 1000;

    for (i = 0, n = 0; i < 4; i++) {
        f->now += i == 0 ? 1000 : 0;
        n += turn(f);
        boot -= i == 0 ? 0 : 1000;
    }

    return n;
}


static inline bool
find(void *data, const async_schedule_row_t *row)
{
    async_schedule_row_t  *found = data;
    static async_schedule_state_t  state;

    if (row->state->name.len == found->state->name.len
        && memcmp(row->state->name.data, found->state->name.data,
                  row->state->name.len) == 0)
    {
        state = *row->state;
        found->said = row->said;
        found->last = row->last;
        found->state = &state;
        return false;
    }

    return true;
}


static inline async_schedule_state_t
state_of(fixture_t *f, const char *name, uint8_t *last)
{
    async_schedule_row_t    row;
    async_schedule_state_t  wanted;

    memset(&wanted, 0, sizeof(wanted));
    wanted.name = fixture_str(name);
    row.state = &wanted;
    row.last = 99;

    assert_int_equal(async_view_schedules(f->view, find, &row), ASYNC_OK);
    assert_int_not_equal(row.last, 99);

    if (last != NULL) {
        *last = row.last;
    }

    return *row.state;
}


static inline void
assert_next(fixture_t *f, const char *name, const char *time)
{
    char     text[ASYNC_TIME_TEXT + 1];
    int64_t  ms, next;

    next = state_of(f, name, NULL).next;
    assert_true(async_time_parse(&ms, time, strlen(time)));

    if (next != ms) {
        *async_time_format(text, next) = '\0';
        fail_msg("%s: next is %s, and not %s", name, text, time);
    }
}


/* all that waits runs, and completes */

static inline unsigned
run_all(fixture_t *f)
{
    unsigned       i, n;
    async_event_t  done[FIXTURE_CLAIMS];

    n = fixture_claim(f, FIXTURE_CLAIMS);

    for (i = 0; i < n; i++) {
        done[i] = fixture_completed(&f->claims[i].job);
    }

    fixture_apply(f, done, n);

    return n;
}


static inline int
setup(void **state)
{
    async_log_init(-1);
    memset(&said, 0, sizeof(said));
    said.instance = 7;
    boot = 5000000;

    return fixture_setup(state);
}


static inline int
teardown(void **state)
{
    async_firing_clean(&firings);

    return fixture_teardown_sound(state);
}


#define TURNS(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)


#endif /* ASYNC_FIRING_TURNS_H */
