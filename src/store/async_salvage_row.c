/*
 * Rows, by their shape: the page that they were found on may belong to any
 * database.  Values say what they are and have a checksum; payload is only
 * believed in when its whole is compared with what the job says of it.
 */

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "async_joined.h"
#include "async_salvager.h"


#define ASYNC_SCRATCH      "salvage.tmp"
#define ASYNC_SCRATCH_MIN  (256ull << 20)
#define ASYNC_SCRATCH_ROWS 4096               /* in one transaction */
#define ASYNC_SALVAGE_LATE 60000              /* ms */


static int async_scratch_env(async_salvager_t *s, const char *path);
static int async_scratch_databases(async_salvager_t *s);
static bool async_scratch_begin(async_salvager_t *s);
static void async_scratch_put(async_salvager_t *s, async_db_t db,
    const async_pages_row_t *row, bool over);
static void async_scratch_job(async_salvager_t *s, const async_id_t *id,
    const async_pages_row_t *row);
static bool async_scratch_history(async_salvager_t *s,
    const async_id_t *id);
static bool async_scratch_better(const async_job_t *job, bool sure,
    const async_job_t *before, bool before_sure);
static bool async_row_id(const async_pages_row_t *row, async_id_t *id);
static bool async_row_policy(const async_pages_row_t *row);
static bool async_row_schedule(const async_pages_row_t *row);
static bool async_row_stats(const async_pages_row_t *row);
static void async_row_meta(async_salvager_t *s,
    const async_pages_row_t *row);
static bool async_row_is(const async_pages_row_t *row, const char *name);


/* --- the environment --- */

async_rc_t
async_scratch_open(async_salvager_t *s)
{
    int   n, rc;
    char  path[4096];

    /* in a folder that is ours, and on the disk that has room for it */

    n = snprintf(path, sizeof(path), "%s/db/" ASYNC_SCRATCH, s->options->to);

    if (n < 0 || (size_t) n >= sizeof(path)) {
        async_error_set(s->err, "the path of the new store is too long");
        return ASYNC_INVALID;
    }

    s->scratch.path = (char *) s->options->from;

    (void) unlink(path);

    rc = async_scratch_env(s, path);

    /* it goes with us, whatever becomes of us */

    (void) unlink(path);

    return async_db_rc(rc, "make a file for what is found", s->err);
}


static int
async_scratch_env(async_salvager_t *s, const char *path)
{
    int       rc, fd;
    MDB_env  *env;

    rc = mdb_env_create(&env);

    if (rc != MDB_SUCCESS) {
        return rc;
    }

    s->scratch.env = env;

    mdb_env_set_maxdbs(env, ASYNC_DB_MAX + 1);

    rc = mdb_env_set_mapsize(env, 4 * s->pages.size + ASYNC_SCRATCH_MIN);

    if (rc == MDB_SUCCESS) {
        rc = mdb_env_open(env, path, MDB_NOSUBDIR|MDB_NOLOCK|MDB_NOSYNC
                                     |MDB_NOTLS, 0600);
    }

    if (rc == MDB_SUCCESS && mdb_env_get_fd(env, &fd) == MDB_SUCCESS) {
        (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
    }

    return rc == MDB_SUCCESS ? async_scratch_databases(s) : rc;
}


static int
async_scratch_databases(async_salvager_t *s)
{
    int         rc;
    async_db_t  db;

    rc = mdb_txn_begin(s->scratch.env, NULL, 0, &s->txn);

    for (db = 0; db < ASYNC_DB_MAX && rc == MDB_SUCCESS; db++) {
        rc = mdb_dbi_open(s->txn, async_db_name(db), MDB_CREATE,
                          &s->scratch.dbi[db]);
    }

    if (rc == MDB_SUCCESS) {
        rc = mdb_dbi_open(s->txn, "unsure", MDB_CREATE, &s->unsure);
    }

    return rc;
}


void
async_scratch_close(async_salvager_t *s)
{
    if (s->txn != NULL) {
        mdb_txn_abort(s->txn);
        s->txn = NULL;
    }

    if (s->scratch.env != NULL) {
        mdb_env_close(s->scratch.env);
        s->scratch.env = NULL;
    }
}


void
async_scratch_commit(async_salvager_t *s)
{
    int  rc;

    if (s->txn == NULL || s->rc != ASYNC_OK) {
        return;
    }

    rc = mdb_txn_commit(s->txn);

    s->txn = NULL;
    s->written = 0;
    s->rc = async_db_rc(rc, "keep what was found", s->err);
}


static bool
async_scratch_begin(async_salvager_t *s)
{
    int  rc;

    if (s->written >= ASYNC_SCRATCH_ROWS) {
        async_scratch_commit(s);
    }

    if (s->rc == ASYNC_OK && s->txn == NULL) {
        rc = mdb_txn_begin(s->scratch.env, NULL, 0, &s->txn);
        s->rc = async_db_rc(rc, "keep what was found", s->err);
    }

    return s->rc == ASYNC_OK;
}


uint64_t
async_scratch_count(async_salvager_t *s, async_db_t db)
{
    MDB_stat  st;

    if (!async_scratch_begin(s)
        || mdb_stat(s->txn, s->scratch.dbi[db], &st) != MDB_SUCCESS)
    {
        return 0;
    }

    return st.ms_entries;
}


/* what is not sure does not take the place of what came before */

static void
async_scratch_put(async_salvager_t *s, async_db_t db,
    const async_pages_row_t *row, bool over)
{
    int      rc;
    MDB_val  k, v;

    k.mv_size = row->key_len;
    k.mv_data = (void *) row->key;
    v.mv_size = row->len;
    v.mv_data = (void *) row->value;

    rc = mdb_put(s->txn, s->scratch.dbi[db], &k, &v,
                 over ? 0 : MDB_NOOVERWRITE);

    if (rc != MDB_SUCCESS && rc != MDB_KEYEXIST) {
        s->rc = async_db_rc(rc, "keep what was found", s->err);
    }

    s->written++;
}


/* --- rows --- */

void
async_scratch_row(void *data, const async_pages_row_t *row)
{
    bool               sure;
    async_id_t         id;
    async_job_t        job;
    async_hook_t       hook;
    async_trail_t      line;
    async_joined_t     joined;
    async_salvager_t  *s = data;

    if (row->value == NULL || row->subdata || !async_scratch_begin(s)) {
        return;
    }

    sure = row->sure && !s->stale;

    s->rows++;

    if (s->progress != NULL && s->rows % 1024 == 0
        && s->rows < s->entries)
    {
        s->progress(s->data, s->rows, 2 * s->entries);
    }

    if (row->key_len == 8 && row->len == sizeof(async_id_t) + 8) {

        if (async_get_be64(row->key) > s->feed
            && async_get_be64(row->key) < UINT64_MAX / 2)
        {
            s->feed = async_get_be64(row->key);
        }

    } else if (async_row_is(row, "store")) {
        async_row_meta(s, row);

    } else if (async_row_policy(row)) {
        async_scratch_put(s, ASYNC_DB_POLICY, row, sure);

    } else if (async_row_schedule(row)) {
        async_scratch_put(s, ASYNC_DB_SCHEDULES, row, sure);

    } else if (async_row_stats(row)) {
        async_scratch_put(s, ASYNC_DB_STATS, row, sure);

    } else if (async_key_is_joined(row->key, row->key_len, &id)) {

        if (async_joined_decode(&joined, row->value, row->len) == ASYNC_OK) {
            async_scratch_put(s, ASYNC_DB_KNOWN, row, sure);
        }

    } else if (!async_row_id(row, &id)) {
        return;

    } else if (row->key_len == sizeof(async_id_t)
               && async_job_decode(&job, &id, row->value, row->len)
                  == ASYNC_OK)
    {
        async_scratch_job(s, &id, row);

    } else if (row->key_len == sizeof(async_id_t) + 8
               && async_trail_decode(&line, row->value, row->len)
                  == ASYNC_OK)
    {
        async_scratch_put(s, ASYNC_DB_TRAIL, row, sure);

    } else if (row->key_len == sizeof(async_id_t) + 4
               && async_hook_decode(&hook, row->value, row->len) == ASYNC_OK)
    {
        async_scratch_put(s, ASYNC_DB_HOOKS, row, sure);

    } else if (row->key_len == sizeof(async_id_t) + 1 + 4
               && row->key[16] >= ASYNC_PAYLOAD_REQUEST
               && row->key[16] <= ASYNC_PAYLOAD_RESPONSE_BODY
               && row->len >= 1 && row->len <= ASYNC_CHUNK)
    {
        async_scratch_put(s, ASYNC_DB_PAYLOAD, row, sure);
    }
}


/* keys of jobs, history and payload begin with one */

static bool
async_row_id(const async_pages_row_t *row, async_id_t *id)
{
    if (row->key_len < sizeof(async_id_t)) {
        return false;
    }

    memcpy(id, row->key, sizeof(async_id_t));

    return id->bytes[6] >> 4 == 7 && id->bytes[8] >> 6 == 2;
}


static bool
async_row_is(const async_pages_row_t *row, const char *name)
{
    return row->key_len == strlen(name)
           && memcmp(row->key, name, row->key_len) == 0;
}


/* a location's policy has its own hash as key: where it was is no matter */

static bool
async_row_policy(const async_pages_row_t *row)
{
    uint8_t            sum[EVP_MAX_MD_SIZE];
    uint64_t           gate[ASYNC_GATE_NUMBERS];
    async_queue_t      queue;
    async_policy_t     policy;
    async_key_files_t  files;

    if (row->key[0] == ASYNC_POLICY_OF_KEYS && row->key_len == 1) {
        return async_key_files_decode(&files, row->value, row->len)
               == ASYNC_OK;
    }

    if (async_hook_policy_sound(row->key, row->key_len, row->value,
                                row->len))
    {
        return true;
    }

    if (row->key[0] == ASYNC_POLICY_OF_GATE && row->key_len > 1
        && row->key_len <= 1 + ASYNC_QUEUE_MAX)
    {
        return async_count_decode(gate, ASYNC_GATE_NUMBERS, row->value,
                                  row->len) == ASYNC_OK;
    }

    if (row->key[0] == ASYNC_POLICY_OF_LOCATION
        && row->key_len == 1 + ASYNC_POLICY_KEY)
    {
        return async_policy_decode(&policy, row->value, row->len) == ASYNC_OK
               && EVP_Digest(row->value, row->len, sum, NULL, EVP_sha256(),
                             NULL) == 1
               && memcmp(sum, row->key + 1, ASYNC_POLICY_KEY) == 0;
    }

    return row->key[0] == ASYNC_POLICY_OF_QUEUE
           && async_queue_decode(&queue, row->value, row->len) == ASYNC_OK
           && queue.name.len == row->key_len - 1
           && memcmp(queue.name.data, row->key + 1, queue.name.len) == 0;
}


/* when it was last fired, and whether it is paused; nginx says the rest anew */

static bool
async_row_schedule(const async_pages_row_t *row)
{
    async_schedule_state_t  state;

    return row->key[0] == ASYNC_SCHEDULE_OF_STATE
           && async_schedule_state_decode(&state, row->value, row->len)
              == ASYNC_OK
           && state.name.len == row->key_len - 1
           && memcmp(state.name.data, row->key + 1, state.name.len) == 0;
}


/* what follows from the jobs that are found is counted anew */

static bool
async_row_stats(const async_pages_row_t *row)
{
    uint64_t      hooks[ASYNC_HOOK_NUMBERS];
    async_runs_t  runs;

    if (async_key_is_runs(row->key, row->key_len)) {
        return async_runs_decode(&runs, row->value, row->len) == ASYNC_OK;
    }

    if (async_row_is(row, ASYNC_STAT_HOOKS)) {
        return async_count_decode(hooks, ASYNC_HOOK_NUMBERS, row->value,
                                  row->len) == ASYNC_OK;
    }

    return async_key_metered(row->key, row->key_len, row->value, row->len)
           == ASYNC_OK;
}


static void
async_row_meta(async_salvager_t *s, const async_pages_row_t *row)
{
    async_meta_t  meta;

    if (async_meta_decode(&meta, row->value, row->len) == ASYNC_OK
        && (!s->has_meta || meta.epoch > s->meta.epoch))
    {
        s->meta = meta;
        s->has_meta = true;
        s->epoch = meta.epoch > s->epoch ? meta.epoch : s->epoch;
    }
}


/* --- jobs --- */

static void
async_scratch_job(async_salvager_t *s, const async_id_t *id,
    const async_pages_row_t *row)
{
    int          rc;
    bool         sure;
    MDB_val      k, v, none;
    async_job_t  job, before;

    sure = row->sure && !s->stale;

    (void) async_job_decode(&job, id, row->value, row->len);

    k.mv_size = sizeof(async_id_t);
    k.mv_data = (void *) id;

    rc = mdb_get(s->txn, s->scratch.dbi[ASYNC_DB_JOBS], &k, &v);

    if (rc == MDB_SUCCESS
        && async_job_decode(&before, id, v.mv_data, v.mv_size) == ASYNC_OK
        && !async_scratch_better(&job, sure, &before,
                                 mdb_get(s->txn, s->unsure, &k, &none)
                                 == MDB_NOTFOUND))
    {
        return;
    }

    if (rc == MDB_NOTFOUND
        && ((s->newer
             && async_id_time(id) < s->youngest - ASYNC_SALVAGE_LATE)
            || (s->rest && !async_scratch_history(s, id))))
    {
        return;
    }

    async_scratch_put(s, ASYNC_DB_JOBS, row, true);

    if (sure) {
        rc = mdb_del(s->txn, s->unsure, &k, NULL);

    } else {
        none.mv_size = 0;
        none.mv_data = "";
        rc = mdb_put(s->txn, s->unsure, &k, &none, 0);
    }

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
        s->rc = async_db_rc(rc, "keep what was found", s->err);
    }

    s->epoch = job.epoch > s->epoch ? job.epoch : s->epoch;
    s->youngest = async_id_time(id) > s->youngest ? async_id_time(id)
                                                  : s->youngest;
}


static bool
async_scratch_history(async_salvager_t *s, const async_id_t *id)
{
    int          rc;
    bool         found;
    MDB_val      k, v;
    MDB_cursor  *cursor;
    async_key_t  key;

    rc = mdb_cursor_open(s->txn, s->scratch.dbi[ASYNC_DB_TRAIL], &cursor);

    if (rc != MDB_SUCCESS) {
        s->rc = async_db_rc(rc, "look at what was found", s->err);
        return false;
    }

    async_key_trail(&key, id, 0);

    k.mv_size = key.len;
    k.mv_data = key.bytes;

    found = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE) == MDB_SUCCESS
            && k.mv_size == key.len
            && memcmp(k.mv_data, id, sizeof(async_id_t)) == 0;

    mdb_cursor_close(cursor);

    return found;
}


/* a final state has none after it; else the longer history is the newer */

static bool
async_scratch_better(const async_job_t *job, bool sure,
    const async_job_t *before, bool before_sure)
{
    bool  final, was_final;

    final = async_state_final((async_state_t) job->state);
    was_final = async_state_final((async_state_t) before->state);

    if (final != was_final) {
        return final;
    }

    if (job->seq != before->seq) {
        return job->seq > before->seq;
    }

    return sure && !before_sure;
}
