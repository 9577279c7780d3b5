/*
 * What others than the worker change: nginx at its start, a person.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async_work.h"


typedef struct {
    const async_schedules_t  *said;
    async_str_t              *records;    /* as they are to be stored */
    bool                      known;
} async_schedules_said_t;

typedef struct {
    async_str_t        name;
    bool               pause;             /* or run */
    bool               paused;
    const async_id_t  *id;
} async_schedules_act_t;


static async_rc_t async_schedules_look(async_store_t *store, MDB_txn *txn,
    void *data);
static async_rc_t async_schedules_prepare(const async_store_t *store,
    const async_schedules_t *said, async_str_t *records,
    async_error_t *err);
static async_rc_t async_schedules_publish(async_store_t *store, void *data,
    async_error_t *err);
static void async_schedules_put(async_work_t *work,
    const async_schedule_t *s, async_str_t record);
static void async_schedules_leave(async_work_t *work,
    const async_schedules_t *said);
static bool async_schedules_old(async_work_t *work, const async_key_t *key,
    const async_schedules_t *said);
static void async_schedules_gone(async_work_t *work, const async_key_t *key);
static void async_schedules_next(async_schedule_state_t *state, bool anew);
static async_rc_t async_schedules_act(async_store_t *store, void *data,
    async_error_t *err);
static bool async_schedules_same(async_str_t one, async_str_t two);


/* --- nginx --- */

async_rc_t
async_store_publish_schedules(async_store_t *store,
    const async_schedules_t *said, async_error_t *err)
{
    unsigned                 i;
    async_rc_t               rc;
    async_schedules_said_t   publish;

    publish.said = said;

    rc = async_db_look(store, async_schedules_look, &publish, err);

    if (rc != ASYNC_OK || publish.known) {
        return rc;
    }

    publish.records = calloc(said->n + 1, sizeof(async_str_t));

    if (publish.records == NULL) {
        async_error_set(err, "no memory for schedules");
        return ASYNC_NO_SPACE;
    }

    rc = async_schedules_prepare(store, said, publish.records, err);

    if (rc == ASYNC_OK) {
        rc = async_scribe_run(store, async_schedules_publish, &publish, err);
    }

    for (i = 0; i < said->n; i++) {
        free((char *) publish.records[i].data);
    }

    free(publish.records);

    return rc;
}


/* the newest start of an instance wins, and all of it came in one piece */

static async_rc_t
async_schedules_look(async_store_t *store, MDB_txn *txn, void *data)
{
    int                       rc;
    bool                      newer, stale;
    MDB_val                   k, v;
    unsigned                  n;
    MDB_cursor               *cursor;
    async_key_t               key;
    async_schedule_t          s;
    const async_schedules_t  *said;
    async_schedules_said_t   *publish = data;

    said = publish->said;

    rc = mdb_cursor_open(txn, store->dbi[ASYNC_DB_SCHEDULES], &cursor);

    if (rc != MDB_SUCCESS) {
        return async_db_rc(rc, NULL, NULL);
    }

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_CONF, (async_str_t) { "", 0 });

    k.mv_size = key.len;
    k.mv_data = key.bytes;

    newer = false;
    stale = false;
    n = 0;

    for (rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
         rc == MDB_SUCCESS
         && *(uint8_t *) k.mv_data == ASYNC_SCHEDULE_OF_CONF;
         rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))
    {
        if (async_schedule_decode(&s, v.mv_data, v.mv_size) != ASYNC_OK
            || s.instance != said->instance)
        {
            continue;
        }

        newer = newer || s.loaded > said->loaded;
        stale = stale || (s.loaded < said->loaded && !s.gone);
        n += s.loaded == said->loaded && !s.gone;
    }

    mdb_cursor_close(cursor);

    publish->known = newer || (n == said->n && !stale);

    return rc == MDB_NOTFOUND ? ASYNC_OK : async_db_rc(rc, NULL, NULL);
}


/* before the door: encrypted, if the store does so, and encoded */

static async_rc_t
async_schedules_prepare(const async_store_t *store,
    const async_schedules_t *said, async_str_t *records, async_error_t *err)
{
    size_t       need;
    uint8_t     *buf;
    unsigned     i;
    async_rc_t   rc;

    for (i = 0; i < said->n; i++) {
        need = async_schedule_sealed_size(&said->list[i]);
        buf = malloc(need);

        if (buf == NULL) {
            async_error_set(err, "no memory for schedules");
            return ASYNC_NO_SPACE;
        }

        records[i].data = (const char *) buf;

        rc = async_schedule_seal(store, &said->list[i], buf, need,
                                 &records[i].len);

        if (rc != ASYNC_OK) {
            async_error_set(err, "the schedule \"%.*s\" cannot be stored "
                            "(%s)", (int) said->list[i].name.len,
                            said->list[i].name.data, async_rc_name(rc));
            return rc;
        }
    }

    return ASYNC_OK;
}


/* scribe */

static async_rc_t
async_schedules_publish(async_store_t *store, void *data, async_error_t *err)
{
    unsigned                 i;
    async_rc_t               rc;
    async_work_t             work;
    async_schedules_said_t  *publish = data;

    rc = async_work_begin(&work, store, 0, ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    for (i = 0; i < publish->said->n; i++) {
        async_schedules_put(&work, &publish->said->list[i],
                            publish->records[i]);
    }

    async_schedules_leave(&work, publish->said);
    async_fire_changed(&work);

    return async_work_commit(&work, err);
}


/* looked at once more: another may have come between */

static void
async_schedules_put(async_work_t *work, const async_schedule_t *s,
    async_str_t record)
{
    bool                    anew;
    MDB_val                 v;
    uint8_t                 buf[ASYNC_SCHEDULE_STATE];
    async_rc_t              rc;
    async_key_t             key;
    async_schedule_t        old;
    async_schedule_state_t  state;

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_CONF, s->name);

    rc = async_work_get(work, &key, &v);
    anew = false;

    if (rc == ASYNC_OK
        && async_schedule_decode(&old, v.mv_data, v.mv_size) == ASYNC_OK)
    {
        if (old.loaded > s->loaded) {
            return;
        }

        anew = old.gone || !async_schedules_same(old.cron, s->cron)
               || !async_schedules_same(old.zone, s->zone);
    }

    if (async_fire_state(work, s->name, &state, buf) != ASYNC_OK) {
        memset(&state, 0, sizeof(async_schedule_state_t));
    }

    state.name = s->name;
    async_schedules_next(&state, anew);

    async_work_put(work, &key, record.data, record.len);
    async_fire_put(work, &state);
}


/* what this instance has said before, and says no more */

static void
async_schedules_leave(async_work_t *work, const async_schedules_t *said)
{
    MDB_val      row;
    async_key_t  key, next;

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_CONF, (async_str_t) { "", 0 });

    while (work->fault == ASYNC_OK && async_work_seek(work, &key, &row)
           && row.mv_size < sizeof(key.bytes)
           && *(uint8_t *) row.mv_data == ASYNC_SCHEDULE_OF_CONF)
    {
        memcpy(key.bytes, row.mv_data, row.mv_size);
        key.len = row.mv_size;

        /* the least that is greater */

        next = key;
        next.bytes[next.len++] = 0;

        if (async_schedules_old(work, &key, said)) {
            async_schedules_gone(work, &key);
        }

        key = next;
    }
}


static bool
async_schedules_old(async_work_t *work, const async_key_t *key,
    const async_schedules_t *said)
{
    MDB_val           v;
    async_schedule_t  s;

    return async_work_get(work, key, &v) == ASYNC_OK
           && async_schedule_decode(&s, v.mv_data, v.mv_size) == ASYNC_OK
           && s.instance == said->instance && s.loaded < said->loaded
           && !s.gone;
}


static void
async_schedules_gone(async_work_t *work, const async_key_t *key)
{
    size_t                  len;
    MDB_val                 v;
    uint8_t                *buf, record[ASYNC_SCHEDULE_STATE];
    async_schedule_t        s;
    async_schedule_state_t  state;

    if (async_work_get(work, key, &v) != ASYNC_OK
        || async_schedule_decode(&s, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        return;
    }

    s.gone = true;
    len = async_schedule_size(&s);
    buf = malloc(len);

    if (buf == NULL) {
        async_work_fault(work, ENOMEM);
        return;
    }

    len = async_schedule_encode(&s, buf, len);
    (void) async_schedule_decode(&s, buf, len);

    async_work_put(work, key, buf, len);

    if (async_fire_state(work, s.name, &state, record) == ASYNC_OK) {
        state.next = ASYNC_SCHEDULE_NEVER;
        async_fire_put(work, &state);
    }

    free(buf);
}


/* found anew, from now on; or left, so that what is missed is known */

static void
async_schedules_next(async_schedule_state_t *state, bool anew)
{
    if (state->paused) {
        state->next = ASYNC_SCHEDULE_NEVER;

    } else if (anew || state->next == ASYNC_SCHEDULE_NEVER) {
        state->next = 0;
    }
}


static bool
async_schedules_same(async_str_t one, async_str_t two)
{
    return one.len == two.len
           && (one.len == 0 || memcmp(one.data, two.data, one.len) == 0);
}


/* --- a person --- */

async_rc_t
async_store_pause_schedule(async_store_t *store, async_str_t name,
    bool paused, async_error_t *err)
{
    async_schedules_act_t  act = { name, true, paused, NULL };

    return async_scribe_run(store, async_schedules_act, &act, err);
}


async_rc_t
async_store_run_schedule(async_store_t *store, async_str_t name,
    const async_id_t *id, async_error_t *err)
{
    async_schedules_act_t  act = { name, false, false, id };

    return async_scribe_run(store, async_schedules_act, &act, err);
}


/* scribe */

static async_rc_t
async_schedules_act(async_store_t *store, void *data, async_error_t *err)
{
    bool                     there;
    MDB_val                  v;
    uint8_t                  buf[ASYNC_SCHEDULE_STATE];
    async_rc_t               rc;
    async_key_t              key;
    async_work_t             work;
    async_schedule_t         s;
    async_schedule_state_t   state;
    async_schedules_act_t   *act = data;

    rc = async_work_begin(&work, store, 0, ASYNC_DOOR_WAIT, err);

    if (rc != ASYNC_OK) {
        return rc;
    }

    rc = async_fire_state(&work, act->name, &state, buf);

    if (rc != ASYNC_OK) {
        async_work_abort(&work);
        async_error_set(err, "there is no schedule \"%.*s\"",
                        (int) (act->name.len < 100 ? act->name.len : 100),
                        act->name.data);
        return rc;
    }

    async_key_schedule(&key, ASYNC_SCHEDULE_OF_CONF, act->name);

    there = async_work_get(&work, &key, &v) == ASYNC_OK
            && async_schedule_decode(&s, v.mv_data, v.mv_size) == ASYNC_OK
            && !s.gone;

    if (!act->pause && !there) {
        async_work_abort(&work);
        async_error_set(err, "the schedule \"%.*s\" is no longer in "
                        "nginx.conf", (int) act->name.len, act->name.data);
        return ASYNC_REFUSED;
    }

    if (!act->pause) {
        async_key_schedule_run(&key, act->id, act->name);
        async_work_put(&work, &key, "", 0);

    } else if (state.paused != act->paused) {
        state.paused = act->paused;
        async_schedules_next(&state, true);

        if (!there) {
            state.next = ASYNC_SCHEDULE_NEVER;
        }

        async_fire_put(&work, &state);
    }

    async_fire_changed(&work);

    rc = async_work_commit(&work, err);

    return rc;
}
