/*
 * The check: a sound store has no faults, and each kind of damage, done with
 * LMDB behind the store's back, is told.
 */

#include "async_sample.h"

#include "async_check.h"
#include "async_db.h"


#define FAULTS  32


static struct {
    char      text[FAULTS][256];
    unsigned  n;
    uint64_t  done, total;
} told;


/* --- damage --- */

typedef void (*damage_t)(MDB_txn *txn, MDB_dbi dbi, MDB_val *key);


static void
flip(MDB_txn *txn, MDB_dbi dbi, MDB_val *key)
{
    MDB_val   value;
    uint8_t  *copy;

    assert_int_equal(mdb_get(txn, dbi, key, &value), MDB_SUCCESS);

    copy = malloc(value.mv_size);
    assert_non_null(copy);
    memcpy(copy, value.mv_data, value.mv_size);
    copy[value.mv_size - 1] ^= 1;
    value.mv_data = copy;

    assert_int_equal(mdb_put(txn, dbi, key, &value, 0), MDB_SUCCESS);
    free(copy);
}


static void
remove_row(MDB_txn *txn, MDB_dbi dbi, MDB_val *key)
{
    assert_int_equal(mdb_del(txn, dbi, key, NULL), MDB_SUCCESS);
}


static void
add_row(MDB_txn *txn, MDB_dbi dbi, MDB_val *key)
{
    MDB_val  value = { 1, "x" };

    assert_int_equal(mdb_put(txn, dbi, key, &value, MDB_NOOVERWRITE),
                     MDB_SUCCESS);
}


static void
count_up(MDB_txn *txn, MDB_dbi dbi, MDB_val *key)
{
    uint8_t   buf[ASYNC_COUNT_MAX];
    uint64_t  n[2];
    MDB_val   value;

    assert_int_equal(mdb_get(txn, dbi, key, &value), MDB_SUCCESS);
    assert_int_equal(async_count_decode(n, 1, value.mv_data, value.mv_size),
                     ASYNC_OK);
    n[1] = 1;

    if (async_count_decode(n, 2, value.mv_data, value.mv_size) == ASYNC_OK) {
        n[0]++;
        value.mv_size = async_count_encode(n, 2, buf, sizeof(buf));

    } else {
        n[0]++;
        value.mv_size = async_count_encode(n, 1, buf, sizeof(buf));
    }

    value.mv_data = buf;
    assert_int_equal(mdb_put(txn, dbi, key, &value, 0), MDB_SUCCESS);
}


/* the row that begins with key: of ready the number is not known here */

static void
damage(const async_key_t *key, damage_t how)
{
    char         folder[160];
    MDB_dbi      dbi;
    MDB_env     *env;
    MDB_txn     *txn;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    snprintf(folder, sizeof(folder), "%s/db", path);

    assert_int_equal(mdb_env_create(&env), MDB_SUCCESS);
    mdb_env_set_maxdbs(env, 16);
    assert_int_equal(mdb_env_open(env, folder, 0, 0600), MDB_SUCCESS);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), MDB_SUCCESS);
    assert_int_equal(mdb_dbi_open(txn, async_db_name(key->db), 0, &dbi),
                     MDB_SUCCESS);

    k.mv_size = key->len;
    k.mv_data = (void *) key->bytes;

    if (how != add_row) {
        assert_int_equal(mdb_cursor_open(txn, dbi, &cursor), MDB_SUCCESS);
        assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE),
                         MDB_SUCCESS);
        mdb_cursor_close(cursor);
    }

    how(txn, dbi, &k);

    assert_int_equal(mdb_txn_commit(txn), MDB_SUCCESS);
    mdb_env_close(env);
}


/* --- checking --- */

static void
tell(void *data, const char *fault)
{
    (void) data;

    if (told.n < FAULTS) {
        snprintf(told.text[told.n], sizeof(told.text[0]), "%s", fault);
    }

    told.n++;
}


static void
moved(void *data, uint64_t done, uint64_t total)
{
    (void) data;

    assert_true(done >= told.done);
    assert_true(done <= total);

    told.done = done;
    told.total = total;
}


static async_check_figures_t
check(void)
{
    async_error_t           err;
    async_store_t          *store;
    async_check_figures_t   figures;

    memset(&told, 0, sizeof(told));

    store = store_open(false);
    assert_int_equal(async_store_check(store, &figures, tell, moved, NULL,
                                       &err), ASYNC_OK);
    async_store_close(store);

    assert_int_equal(figures.faults, told.n);
    assert_int_equal(figures.records, told.total);

    return figures;
}


/* the job as its record has it now */

static void
job_of(int n, async_job_t *job, uint8_t *buf)
{
    async_id_t      id;
    async_view_t   *view;
    async_store_t  *store;

    id = id_of(n);
    store = store_open(false);
    assert_int_equal(async_view_open(&view, store), ASYNC_OK);
    assert_int_equal(async_view_job(view, &id, job, buf), ASYNC_OK);
    async_view_close(view);
    async_store_close(store);
}


/* exactly one fault, of this job if n is one, with these words */

static void
assert_told(int n, const char *words)
{
    char        text[ASYNC_ID_TEXT + 1];
    async_id_t  id;

    (void) check();

    if (told.n != 1) {
        fail_msg("%u faults: %s | %s", told.n, told.text[0], told.text[1]);
    }

    if (strstr(told.text[0], words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", told.text[0], words);
    }

    if (n < JOBS) {
        id = id_of(n);
        *async_id_format(text, &id) = '\0';
        assert_non_null(strstr(told.text[0], text));
    }
}


static bool
was_told(const char *words)
{
    unsigned  i;

    for (i = 0; i < told.n; i++) {
        if (strstr(told.text[i], words) != NULL) {
            return true;
        }
    }

    return false;
}


/* --- tests --- */

static void
a_sound_store_has_no_faults(void **state)
{
    async_check_figures_t  figures;

    (void) state;

    figures = check();

    assert_int_equal(figures.faults, 0);
    assert_int_equal(figures.jobs, JOBS);
    assert_int_equal(figures.spool_files, 1);
    assert_int_equal(figures.orphans, 0);
}


/* one row damaged, one fault told; n is a chunk, a line or a number */

typedef struct {
    const char            *title;
    int                    job;
    async_db_t             db;
    async_payload_kind_t   kind;
    uint64_t               n;
    damage_t               how;
    const char            *words;
} damage_case_t;

#define BODY_OF(side)  ASYNC_PAYLOAD_##side##_BODY

static const damage_case_t  cases[] = {

    { "a job without its row in ready",
      QUEUED, ASYNC_DB_READY, 0, 0, remove_row,
      "is queued, but has 0 rows in ready" },

    { "a job without its timer",
      PARKED, ASYNC_DB_TIMERS, 0, 0, remove_row,
      "is queued, but has 0 rows in timers" },

    { "a job without its row in running",
      RUNNING, ASYNC_DB_RUNNING, 0, 0, remove_row,
      "is processing, but has 0 rows in running" },

    { "a job without its row in bystate",
      FAILED, ASYNC_DB_BYSTATE, 0, 0, remove_row,
      "is failed, but not listed in bystate" },

    { "a job with two rows in ready",
      QUEUED, ASYNC_DB_READY, 0, 12345, add_row,
      "is queued, but has 2 rows in ready" },

    { "a finished job with a row in running",
      COMPLETED, ASYNC_DB_RUNNING, 0, 0, add_row,
      "is completed, and a row of running says otherwise" },

    { "a record with a flipped bit, and nothing besides",
      QUEUED, ASYNC_DB_JOBS, 0, 0, flip,
      "its record is damaged" },

    { "a body without a chunk in the middle",
      RUNNING, ASYNC_DB_PAYLOAD, BODY_OF(REQUEST), 1, remove_row,
      "chunk 1 of its request body is missing" },

    { "a body without its last chunk",
      RUNNING, ASYNC_DB_PAYLOAD, BODY_OF(REQUEST), 2, remove_row,
      "its request body has 8160 bytes instead of 8260" },

    { "a body with a flipped bit",
      COMPLETED, ASYNC_DB_PAYLOAD, BODY_OF(RESPONSE), 0, flip,
      "its response body has another checksum" },

    { "a body that the job does not name",
      FAILED, ASYNC_DB_PAYLOAD, BODY_OF(RESPONSE), 0, add_row,
      "has 1 chunks of a response body that it does not name" },

    { "a chunk after the last",
      COMPLETED, ASYNC_DB_PAYLOAD, BODY_OF(RESPONSE), 1, add_row,
      "chunk 1 of its response body has a wrong size" },

    { "a request with a flipped bit",
      QUEUED, ASYNC_DB_PAYLOAD, ASYNC_PAYLOAD_REQUEST, 0, flip,
      "its request is damaged" },

    { "a job without its request",
      QUEUED, ASYNC_DB_PAYLOAD, ASYNC_PAYLOAD_REQUEST, 0, remove_row,
      "its request is missing" },

    { "a job without its response",
      SPOOLED, ASYNC_DB_PAYLOAD, ASYNC_PAYLOAD_RESPONSE, 0, remove_row,
      "its response is missing" },

    { "a line of history with a flipped bit",
      COMPLETED, ASYNC_DB_TRAIL, 0, 2, flip,
      "line 2 of its history is damaged" },

    { "a history without a line in the middle",
      COMPLETED, ASYNC_DB_TRAIL, 0, 2, remove_row,
      "its history has no line 2" },

    { "a history without its last line",
      COMPLETED, ASYNC_DB_TRAIL, 0, 3, remove_row,
      "its history has no line 3, the last" },

    { "a feed with a gap",
      JOBS, ASYNC_DB_FEED, 0, 3, remove_row,
      "feed has no entry 3" },

    { "counts that are too high",
      JOBS, ASYNC_DB_COUNTS, 0, 0, count_up,
      "queue \"default\": counts say 3 queued and 1 running, there are 2 "
      "and 1" },

    { "counts with a flipped bit",
      JOBS, ASYNC_DB_COUNTS, 0, 0, flip,
      "queue \"default\": its counts are damaged" },

    { "a queue without counts",
      JOBS, ASYNC_DB_COUNTS, 0, 0, remove_row,
      "queue \"default\": has no counts" },

    { "a wrong figure of the spool",
      JOBS, ASYNC_DB_STATS, 0, 0, count_up,
      "stats say that 8261 bytes are spooled, there are 8260" },

    { "no figure of the spool",
      JOBS, ASYNC_DB_STATS, 0, 0, remove_row,
      "stats do not say how many bytes are spooled" },

    { "a queue's policy with a flipped bit",
      JOBS, ASYNC_DB_POLICY, 0, ASYNC_POLICY_OF_QUEUE, flip,
      "queue \"default\": its policy is damaged" },

    { "a location's policy with a flipped bit",
      JOBS, ASYNC_DB_POLICY, 0, ASYNC_POLICY_OF_LOCATION, flip,
      "of a location is damaged" }
};


static void
key_of(const damage_case_t *c, async_key_t *key)
{
    uint8_t      buf[ASYNC_JOB_MAX];
    async_id_t   id;
    async_job_t  job;
    async_str_t  queue = async_str("default");

    id = id_of(c->job);

    switch (c->db) {

    case ASYNC_DB_JOBS:
        async_key_job(key, &id);
        break;

    case ASYNC_DB_PAYLOAD:
        async_key_payload(key, &id, c->kind, (uint32_t) c->n);
        break;

    case ASYNC_DB_RUNNING:
        async_key_running(key, epoch, &id);
        break;

    case ASYNC_DB_TRAIL:
        async_key_trail(key, &id, c->n);
        break;

    case ASYNC_DB_FEED:
        async_key_feed(key, c->n);
        break;

    case ASYNC_DB_COUNTS:
        async_key_count(key, queue);
        break;

    case ASYNC_DB_STATS:
        async_key_stat(key, ASYNC_STAT_SPOOLED);
        break;

    case ASYNC_DB_POLICY:
        key->db = c->db;
        key->len = 1;
        key->bytes[0] = (uint8_t) c->n;
        break;

    case ASYNC_DB_BYSTATE:
        job_of(c->job, &job, buf);
        async_key_state(key, &job);
        break;

    default:
        job_of(c->job, &job, buf);
        async_key_place(key, &job, c->n);
        assert_int_equal(key->db, c->db);
    }
}


static void
damage_is_told(void **state)
{
    async_key_t           key;
    const damage_case_t  *c;

    c = *state;

    key_of(c, &key);
    damage(&key, c->how);
    assert_told(c->job, c->words);
}


static void
rows_of_no_job_are_told_once_in_each_database(void **state)
{
    async_id_t   id;
    async_key_t  key;

    (void) state;

    id = id_of(COMPLETED);
    async_key_job(&key, &id);
    damage(&key, remove_row);

    (void) check();

    assert_int_equal(told.n, 5);
    assert_true(was_told("completed, there are "));
    assert_true(was_told("has rows in payload, but no record"));
    assert_true(was_told("has rows in timers, but no record"));
    assert_true(was_told("has rows in trail, but no record"));
    assert_true(was_told("has rows in bystate, but no record"));
}


static void
the_feed_is_trimmed_from_its_old_end(void **state)
{
    async_key_t  key;

    (void) state;

    async_key_feed(&key, 1);
    damage(&key, remove_row);
    async_key_feed(&key, 2);
    damage(&key, remove_row);
    assert_int_equal(check().faults, 0);
}


static void
jobs_without_their_policy_are_told(void **state)
{
    async_key_t  key;

    (void) state;

    key.db = ASYNC_DB_POLICY;
    key.len = 1;
    key.bytes[0] = ASYNC_POLICY_OF_LOCATION;
    damage(&key, remove_row);

    (void) check();
    assert_int_equal(told.n, JOBS);
    assert_true(was_told("its policy is missing"));
}


static void
spool_name(char *name, size_t size, int n, const char *suffix)
{
    char        text[ASYNC_ID_TEXT + 1];
    async_id_t  id;

    id = id_of(n);
    *async_id_format(text, &id) = '\0';

    assert_true(snprintf(name, size, "%s/spool/%s%s", path, text, suffix)
                < (int) size);
}


static void
write_file(const char *name, const void *data, size_t len)
{
    FILE  *file;

    file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}


static void
a_spool_file_that_differs_is_told(void **state)
{
    char  name[256];

    (void) state;

    spool_name(name, sizeof(name), SPOOLED, ".res");

    write_file(name, body, sizeof(body) - 1);
    assert_told(SPOOLED, "its spooled response body: is too short");

    body[0] ^= 1;
    write_file(name, body, sizeof(body));
    assert_told(SPOOLED, "its spooled response body: has another checksum");
    body[0] ^= 1;

    assert_int_equal(unlink(name), 0);
    assert_told(SPOOLED, "its spooled response body: is missing");
}


static void
spool_files_of_no_job_are_counted_but_no_fault(void **state)
{
    char                   name[256];
    async_check_figures_t  figures;

    (void) state;

    spool_name(name, sizeof(name), JOBS, ".res");
    write_file(name, "x", 1);

    spool_name(name, sizeof(name), SPOOLED, ".req");
    write_file(name, "x", 1);

    spool_name(name, sizeof(name), SPOOLED, ".res.tmp");
    write_file(name, "x", 1);

    figures = check();
    assert_int_equal(figures.faults, 0);
    assert_int_equal(figures.spool_files, 4);
    assert_int_equal(figures.orphans, 3);
}


#define NCASES  (sizeof(cases) / sizeof(cases[0]))

#define checked(test)  cmocka_unit_test_setup(test, setup)

int
main(void)
{
    size_t             i;
    struct CMUnitTest  tests[NCASES + 6] = {
        checked(a_sound_store_has_no_faults),
        checked(rows_of_no_job_are_told_once_in_each_database),
        checked(the_feed_is_trimmed_from_its_old_end),
        checked(jobs_without_their_policy_are_told),
        checked(a_spool_file_that_differs_is_told),
        checked(spool_files_of_no_job_are_counted_but_no_fault)
    };

    for (i = 0; i < NCASES; i++) {
        tests[6 + i].name = cases[i].title;
        tests[6 + i].test_func = damage_is_told;
        tests[6 + i].setup_func = setup;
        tests[6 + i].initial_state = (void *) &cases[i];
    }

    return cmocka_run_group_tests_name("async_check", tests, make_root,
                                       remove_root);
}
