/*
 * The check, of schedules.
 */

#include <string.h>

#include "async_checker.h"
#include "async_cron.h"


static const char *async_check_schedule_said(const async_str_t *name,
    const MDB_val *value);
static const char *async_check_schedule_state(async_checker_t *ck,
    const async_str_t *name, const MDB_val *value);
static bool async_check_schedule_is(const async_str_t *name,
    const async_str_t *key);


void
async_check_schedule_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value)
{
    size_t          skip;
    uint64_t        n;
    async_str_t     name;
    const char     *wrong;
    const uint8_t  *key;

    (void) db;

    key = row->mv_data;
    skip = 1 + (key[0] == ASYNC_SCHEDULE_OF_RUN ? sizeof(async_id_t) : 0);

    if (row->mv_size == 1 && key[0] == ASYNC_SCHEDULE_OF_ALL) {

        if (async_count_decode(&n, 1, value->mv_data, value->mv_size)
            != ASYNC_OK)
        {
            async_check_fault(ck, "schedules: how often they changed is "
                              "damaged");
        }

        return;
    }

    name.data = (const char *) key + skip;
    name.len = row->mv_size > skip ? row->mv_size - skip : 0;

    if (!async_schedule_name(name)) {
        async_check_fault(ck, "schedules has a row that is not ours");
        return;
    }

    switch (key[0]) {

    case ASYNC_SCHEDULE_OF_CONF:
        wrong = async_check_schedule_said(&name, value);
        break;

    case ASYNC_SCHEDULE_OF_STATE:
        wrong = async_check_schedule_state(ck, &name, value);
        break;

    case ASYNC_SCHEDULE_OF_RUN:
        wrong = value->mv_size == 0 ? NULL : "a run of it is damaged";
        break;

    default:
        wrong = "has a row that is not ours";
        break;
    }

    if (wrong != NULL) {
        async_check_fault(ck, "schedule \"%.*s\": %s", (int) name.len,
                          name.data, wrong);
    }
}


static const char *
async_check_schedule_said(const async_str_t *name, const MDB_val *value)
{
    async_id_t        id;
    async_job_t       job;
    async_cron_t      cron;
    async_error_t     err;
    async_schedule_t  s;

    memset(&id, 0, sizeof(async_id_t));

    if (async_schedule_decode(&s, value->mv_data, value->mv_size) != ASYNC_OK
        || !async_check_schedule_is(&s.name, name))
    {
        return "what nginx.conf said of it is damaged";
    }

    if (async_cron_parse(&cron, s.cron, &err) != ASYNC_OK) {
        return "its cron expression is none";
    }

    return async_job_decode(&job, &id, s.job.data, s.job.len) == ASYNC_OK
           ? NULL : "the job to be made of it is damaged";
}


/* a job that has been forgotten is no fault, nor one that a salvage ended */

static const char *
async_check_schedule_state(async_checker_t *ck, const async_str_t *name,
    const MDB_val *value)
{
    async_job_t              job;
    async_schedule_state_t   state;

    if (async_schedule_state_decode(&state, value->mv_data, value->mv_size)
        != ASYNC_OK
        || !async_check_schedule_is(&state.name, name))
    {
        return "its state is damaged";
    }

    if (state.paused && state.next != ASYNC_SCHEDULE_NEVER) {
        return "is paused, and has a next time";
    }

    return state.result == ASYNC_STATE_NONE
           || async_check_job(ck, ck->txn, &state.job, &job) != ASYNC_OK
           || job.state == state.result
           ? NULL : "its last job ended in another way than it says";
}


static bool
async_check_schedule_is(const async_str_t *name, const async_str_t *key)
{
    return name->len == key->len
           && memcmp(name->data, key->data, key->len) == 0;
}
