/*
 * The check: each database is walked once, and each row looked at from both
 * sides.  One read transaction all the way, so that what others write
 * meanwhile cannot look like a fault.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_checker.h"


#define ASYNC_CHECK_TEXT   512
#define ASYNC_CHECK_EVERY  1024       /* rows between two words of progress */


static void async_check_rest(async_checker_t *ck);
static void async_check_walk(async_checker_t *ck, async_db_t db);
static void async_check_rows_of(async_checker_t *ck, async_db_t db);
static void async_check_text(async_checker_t *ck, const char *prefix,
    const char *fmt, va_list args);

static void async_check_job_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
static void async_check_places(async_checker_t *ck, const async_job_t *job);
static void async_check_count(async_checker_t *ck, const async_job_t *job);
static void async_check_last_line(async_checker_t *ck,
    const async_job_t *job);
static void async_check_policy(async_checker_t *ck, const async_job_t *job);
static void async_check_payload_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);
static void async_check_index_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value);


/* jobs before counts and stats, which are compared with their sums */

static const async_check_row_t  async_check_rows[ASYNC_DB_MAX] = {
    [ASYNC_DB_META]    = async_check_meta_row,
    [ASYNC_DB_JOBS]    = async_check_job_row,
    [ASYNC_DB_PAYLOAD] = async_check_payload_row,
    [ASYNC_DB_READY]   = async_check_index_row,
    [ASYNC_DB_TIMERS]  = async_check_index_row,
    [ASYNC_DB_RUNNING] = async_check_index_row,
    [ASYNC_DB_TRAIL]   = async_check_trail_row,
    [ASYNC_DB_FEED]    = async_check_feed_row,
    [ASYNC_DB_BYSTATE] = async_check_index_row,
    [ASYNC_DB_COUNTS]  = async_check_count_row,
    [ASYNC_DB_POLICY]  = async_check_policy_row,
    [ASYNC_DB_STATS]   = async_check_stat_row,
    [ASYNC_DB_KNOWN]   = async_check_known_row,
    [ASYNC_DB_OWNERS]  = async_check_owner_row,
    [ASYNC_DB_HOOKS]   = async_check_hook_row,
    [ASYNC_DB_SCHEDULES] = async_check_schedule_row
};


async_rc_t
async_store_check(async_store_t *store, async_check_figures_t *figures,
    async_check_fn report, async_check_progress_fn progress, void *data,
    async_error_t *err)
{
    async_checker_t  ck;

    memset(&ck, 0, sizeof(async_checker_t));

    ck.store = store;
    ck.figures = figures;
    ck.report = report;
    ck.progress = progress;
    ck.data = data;

    return async_check_run(&ck, err);
}


async_rc_t
async_check_run(async_checker_t *ck, async_error_t *err)
{
    async_rc_t  rc;
    async_db_t  db;

    memset(ck->figures, 0, sizeof(async_check_figures_t));

    rc = async_check_open(ck, err);

    if (rc == ASYNC_OK) {

        for (db = 0; db < ASYNC_DB_MAX && ck->rc == ASYNC_OK; db++) {
            async_check_walk(ck, db);
        }

        if (ck->rc == ASYNC_OK) {
            async_check_rest(ck);
        }

        rc = ck->rc;

        if (rc != ASYNC_OK) {
            async_error_set(err, "no memory to check the store");
        }
    }

    async_check_close(ck);

    return rc;
}


static void
async_check_rest(async_checker_t *ck)
{
    async_guard_t  guard;

    if (async_guard_caught(&guard)) {
        async_check_fault(ck, "not all of the spool could be compared: a "
                          "page is damaged");
        return;
    }

    async_check_totals(ck);
    async_check_spool(ck);

    async_guard_end(&guard);
}


async_rc_t
async_check_open(async_checker_t *ck, async_error_t *err)
{
    int            rc;
    MDB_stat       st;
    async_db_t     db;
    async_guard_t  guard;

    if (async_guard_caught(&guard)) {
        async_error_set(err, "the store is damaged where it says what is in "
                        "it; nginx-async salvage rescues what is left");
        return ASYNC_CORRUPT;
    }

    rc = mdb_txn_begin(ck->store->env, NULL, MDB_RDONLY, &ck->txn);

    for (db = 0; db < ASYNC_DB_MAX && rc == MDB_SUCCESS; db++) {
        rc = mdb_cursor_open(ck->txn, ck->store->dbi[db], &ck->cursors[db]);

        if (rc == MDB_SUCCESS) {
            rc = mdb_stat(ck->txn, ck->store->dbi[db], &st);
            ck->total += st.ms_entries;
        }
    }

    async_guard_end(&guard);

    return async_db_rc(rc, "read the store", err);
}


void
async_check_close(async_checker_t *ck)
{
    async_db_t  db;

    for (db = 0; db < ASYNC_DB_MAX; db++) {
        if (ck->cursors[db] != NULL) {
            mdb_cursor_close(ck->cursors[db]);
        }
    }

    if (ck->txn != NULL) {
        mdb_txn_abort(ck->txn);
    }

    free(ck->tallies);
    free(ck->owned);
    free(ck->head);
}


/* with a cursor of its own: the row functions use the shared ones */

static void
async_check_walk(async_checker_t *ck, async_db_t db)
{
    async_guard_t  guard;

    /* the rest may still be sound: a person wants to know how much is not */

    if (async_guard_caught(&guard)) {
        async_check_fault(ck, "%s cannot be read to its end: a page is "
                          "damaged", async_db_name(db));
        return;
    }

    async_check_rows_of(ck, db);

    async_guard_end(&guard);
}


static void
async_check_rows_of(async_checker_t *ck, async_db_t db)
{
    int          rc;
    MDB_val      row, value;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(ck->txn, ck->store->dbi[db], &cursor);

    if (rc != MDB_SUCCESS) {
        ck->rc = ASYNC_NO_SPACE;
        return;
    }

    memset(&ck->last, 0, sizeof(async_id_t));

    while (ck->rc == ASYNC_OK) {
        rc = mdb_cursor_get(cursor, &row, &value, MDB_NEXT);

        if (rc != MDB_SUCCESS) {
            break;
        }

        if (ck->progress != NULL
            && ck->figures->records % ASYNC_CHECK_EVERY == 0)
        {
            ck->progress(ck->data, ck->figures->records, ck->total);
        }

        ck->figures->records++;
        async_check_rows[db](ck, db, &row, &value);
    }

    mdb_cursor_close(cursor);

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
        async_check_fault(ck, "%s cannot be read to its end: %s",
                          async_db_name(db), mdb_strerror(rc));
    }
}


/* --- saying so --- */

void
async_check_fault(async_checker_t *ck, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    async_check_text(ck, "", fmt, args);
    va_end(args);
}


void
async_check_fault_of(async_checker_t *ck, const async_id_t *id,
    const char *fmt, ...)
{
    char     prefix[sizeof("job : ") + ASYNC_ID_TEXT], *p;
    va_list  args;

    memcpy(prefix, "job ", 4);
    p = async_id_format(prefix + 4, id);
    memcpy(p, ": ", 3);

    va_start(args, fmt);
    async_check_text(ck, prefix, fmt, args);
    va_end(args);
}


static void
async_check_text(async_checker_t *ck, const char *prefix, const char *fmt,
    va_list args)
{
    char    text[ASYNC_CHECK_TEXT], *p;
    size_t  len;

    ck->figures->faults++;

    if (ck->report == NULL) {
        return;
    }

    len = strlen(prefix);
    memcpy(text, prefix, len);
    (void) vsnprintf(text + len, sizeof(text) - len, fmt, args);

    /* names come from damaged bytes, and go to somebody's terminal */

    for (p = text; *p != '\0'; p++) {
        if ((unsigned char) *p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }

    ck->report(ck->data, text);
}


/* --- looking up --- */

bool
async_check_seek(async_checker_t *ck, const async_key_t *key, MDB_val *row,
    MDB_val *value)
{
    row->mv_size = key->len;
    row->mv_data = (void *) key->bytes;

    return mdb_cursor_get(ck->cursors[key->db], row, value, MDB_SET_RANGE)
           == MDB_SUCCESS;
}


bool
async_check_next(async_checker_t *ck, async_db_t db, MDB_val *row,
    MDB_val *value)
{
    return mdb_cursor_get(ck->cursors[db], row, value, MDB_NEXT)
           == MDB_SUCCESS;
}


async_rc_t
async_check_job(async_checker_t *ck, MDB_txn *txn, const async_id_t *id,
    async_job_t *job)
{
    MDB_val      value;
    async_rc_t   rc;
    async_key_t  key;

    async_key_job(&key, id);
    rc = async_db_get(ck->store, txn, &key, &value);

    if (rc != ASYNC_OK) {
        return rc;
    }

    return async_job_decode(job, id, value.mv_data, value.mv_size);
}


/*
 * The job that a row of db belongs to.  Only a missing one is the row's
 * fault, and told once for all its rows that follow each other.
 */

async_rc_t
async_check_owner(async_checker_t *ck, async_db_t db, const async_id_t *id,
    async_job_t *job)
{
    async_rc_t  rc;

    rc = async_check_job(ck, ck->txn, id, job);

    if (rc == ASYNC_NOT_FOUND
        && memcmp(id, &ck->last, sizeof(async_id_t)) != 0)
    {
        async_check_fault_of(ck, id, "has rows in %s, but no record",
                             async_db_name(db));
        ck->last = *id;
    }

    return rc;
}


/* --- jobs --- */

static void
async_check_job_row(async_checker_t *ck, async_db_t db, const MDB_val *row,
    const MDB_val *value)
{
    async_id_t   id;
    async_job_t  job;

    (void) db;

    if (row->mv_size != sizeof(async_id_t)) {
        async_check_fault(ck, "jobs has a key of %zu bytes", row->mv_size);
        return;
    }

    memcpy(&id, row->mv_data, sizeof(async_id_t));
    ck->figures->jobs++;

    if (async_job_decode(&job, &id, value->mv_data, value->mv_size)
        != ASYNC_OK)
    {
        ck->corrupt++;
        async_check_fault_of(ck, &id, "its record is damaged");
        return;
    }

    if (job.epoch > ck->epoch) {
        async_check_fault_of(ck, &id, "was claimed in epoch %llu, and the "
                             "store has seen %llu",
                             (unsigned long long) job.epoch,
                             (unsigned long long) ck->epoch);
    }

    async_check_places(ck, &job);
    async_check_count(ck, &job);
    async_check_last_line(ck, &job);
    async_check_policy(ck, &job);
    async_check_known(ck, &job);
    async_check_hook(ck, &job);
    (void) async_check_request(ck, &job);
    (void) async_check_response(ck, &job);
}


/* exactly one row in bystate, and one in ready, timers or running */

static void
async_check_places(async_checker_t *ck, const async_job_t *job)
{
    bool         more;
    MDB_val      row, value;
    unsigned     n;
    async_key_t  key;

    async_key_state(&key, job);

    if (async_db_get(ck->store, ck->txn, &key, &value) != ASYNC_OK) {
        async_check_fault_of(ck, &job->id, "is %s, but not listed in bystate",
                             async_state_name((async_state_t) job->state));
    }

    async_key_place(&key, job, 0);

    if (key.db != ASYNC_DB_READY) {
        n = async_db_get(ck->store, ck->txn, &key, &value) == ASYNC_OK;

    } else {
        n = 0;
        more = async_check_seek(ck, &key, &row, &value);

        /* the number in the row is not in the record */

        while (more && row.mv_size == key.len
               && memcmp(row.mv_data, key.bytes,
                         key.len - sizeof(async_id_t) - 8) == 0)
        {
            n += async_key_same_place(&row, &key);
            more = async_check_next(ck, ASYNC_DB_READY, &row, &value);
        }
    }

    if (n != 1) {
        async_check_fault_of(ck, &job->id, "is %s, but has %u rows in %s",
                             async_state_name((async_state_t) job->state), n,
                             async_db_name(key.db));
    }
}


static void
async_check_count(async_checker_t *ck, const async_job_t *job)
{
    async_check_tally_t  *tally;

    tally = async_check_tally(ck, job->queue);

    if (tally == NULL) {
        ck->rc = ASYNC_NO_SPACE;
        return;
    }

    tally->states[job->state]++;

    if (job->state == ASYNC_STATE_PROCESSING) {
        tally->running++;

    } else if (!async_state_final((async_state_t) job->state)) {
        tally->queued++;
    }
}


/* few queues: no index */

async_check_tally_t *
async_check_tally(async_checker_t *ck, async_str_t queue)
{
    unsigned              i;
    async_check_tally_t  *tally;

    for (i = 0; i < ck->ntallies; i++) {
        tally = &ck->tallies[i];

        if (tally->queue.len == queue.len
            && memcmp(tally->queue.data, queue.data, queue.len) == 0)
        {
            return tally;
        }
    }

    tally = realloc(ck->tallies,
                    (ck->ntallies + 1) * sizeof(async_check_tally_t));

    if (tally == NULL) {
        ck->rc = ASYNC_NO_SPACE;
        return NULL;
    }

    ck->tallies = tally;
    tally += ck->ntallies++;

    memset(tally, 0, sizeof(async_check_tally_t));
    tally->queue = queue;

    return tally;
}


/* the history ends where the record says, in the state that it says */

static void
async_check_last_line(async_checker_t *ck, const async_job_t *job)
{
    MDB_val        value;
    async_key_t    key;
    async_trail_t  line;

    async_key_trail(&key, &job->id, job->seq);

    if (async_db_get(ck->store, ck->txn, &key, &value) != ASYNC_OK) {
        async_check_fault_of(ck, &job->id, "its history has no line %llu, "
                             "the last", (unsigned long long) job->seq);
        return;
    }

    if (async_trail_decode(&line, value.mv_data, value.mv_size) == ASYNC_OK
        && line.state != job->state)
    {
        async_check_fault_of(ck, &job->id, "is %s, but its history ends with "
                             "%s",
                             async_state_name((async_state_t) job->state),
                             async_state_name((async_state_t) line.state));
    }

    if (job->reports.thinned != 0) {
        async_check_thinned(ck, job);
    }
}


/* without it the job would run under the defaults */

static void
async_check_policy(async_checker_t *ck, const async_job_t *job)
{
    MDB_val         value;
    async_key_t     key;
    static uint8_t  none[ASYNC_POLICY_KEY];

    async_key_policy(&key, job->policy);

    if (async_db_get(ck->store, ck->txn, &key, &value) != ASYNC_OK
        && memcmp(job->policy, none, sizeof(none)) != 0)
    {
        async_check_fault_of(ck, &job->id, "its policy is missing");
    }
}


/* --- the other side --- */

static void
async_check_index_row(async_checker_t *ck, async_db_t db, const MDB_val *row,
    const MDB_val *value)
{
    bool         same;
    async_id_t   id;
    async_key_t  key;
    async_job_t  job;

    (void) value;

    if (row->mv_size < sizeof(async_id_t)) {
        async_check_fault(ck, "%s has a key of %zu bytes", async_db_name(db),
                          row->mv_size);
        return;
    }

    async_key_id(row, &id);

    if (async_check_owner(ck, db, &id, &job) != ASYNC_OK) {
        return;
    }

    if (db == ASYNC_DB_TIMERS
        && *(uint8_t *) row->mv_data >= ASYNC_TIMER_HOOK)
    {
        async_check_hook_timer(ck, row);
        return;
    }

    if (db == ASYNC_DB_BYSTATE) {
        async_key_state(&key, &job);

    } else {
        async_key_place(&key, &job, 0);
    }

    same = key.db == db
           && (async_key_same_place(row, &key)
               || (row->mv_size == key.len
                   && memcmp(row->mv_data, key.bytes, key.len) == 0));

    if (!same) {
        async_check_fault_of(ck, &id, "is %s, and a row of %s says otherwise",
                             async_state_name((async_state_t) job.state),
                             async_db_name(db));
    }
}


/* bodies were read with their jobs; here only rows of nobody are left */

static void
async_check_payload_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value)
{
    async_id_t      id;
    async_job_t     job;
    const uint8_t  *kind;

    (void) value;

    kind = (const uint8_t *) row->mv_data + sizeof(async_id_t);

    if (row->mv_size != sizeof(async_id_t) + 1 + 4
        || *kind < ASYNC_PAYLOAD_REQUEST
        || *kind > ASYNC_PAYLOAD_RESPONSE_BODY)
    {
        async_check_fault(ck, "payload has a row that is not ours");
        return;
    }

    memcpy(&id, row->mv_data, sizeof(async_id_t));
    (void) async_check_owner(ck, db, &id, &job);
}
