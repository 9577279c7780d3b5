/*
 * Keys and small records as they lie on disk.  A change here breaks every
 * store in the field.
 */

#include "async_fixture.h"


static const async_id_t  id = {
    { 0x01, 0x92, 0xf3, 0xc1, 0x7a, 0x9b, 0x7c, 0x3e,
      0x9d, 0x2f, 0x1b, 0x5e, 0x0c, 0x8a, 0x4d, 0x11 }
};

#define ID  "0192f3c17a9b7c3e9d2f1b5e0c8a4d11"


static void
assert_key(const async_key_t *key, async_db_t db, const char *hex)
{
    char    text[2 * sizeof(key->bytes) + 1];
    size_t  i;

    for (i = 0; i < key->len; i++) {
        snprintf(text + 2 * i, 3, "%02x", key->bytes[i]);
    }

    text[2 * key->len] = '\0';

    assert_string_equal(text, hex);
    assert_int_equal(key->db, db);
}


static void
keys_have_their_golden_bytes(void **state)
{
    uint8_t      policy[ASYNC_POLICY_KEY];
    async_key_t  key;

    (void) state;
    memset(policy, 0xab, sizeof(policy));

    async_key_meta(&key);
    assert_key(&key, ASYNC_DB_META, "73746f7265");
    async_key_job(&key, &id);
    assert_key(&key, ASYNC_DB_JOBS, ID);
    async_key_payload(&key, &id, ASYNC_PAYLOAD_RESPONSE_BODY, 258);
    assert_key(&key, ASYNC_DB_PAYLOAD, ID "05" "00000102");
    async_key_trail(&key, &id, 3);
    assert_key(&key, ASYNC_DB_TRAIL, ID "0000000000000003");
    async_key_feed(&key, 0x0102030405060708);
    assert_key(&key, ASYNC_DB_FEED, "0102030405060708");
    async_key_count(&key, fixture_str("default"));
    assert_key(&key, ASYNC_DB_COUNTS, "64656661756c74");
    async_key_policy(&key, policy);
    assert_key(&key, ASYNC_DB_POLICY,
               "01" "abababababababababababababababab");
    async_key_queue(&key, fixture_str("default"));
    assert_key(&key, ASYNC_DB_POLICY, "02" "64656661756c74");
    async_key_stat(&key, ASYNC_STAT_SPOOLED);
    assert_key(&key, ASYNC_DB_STATS, "73706f6f6c6564");
    async_key_location_runs(&key, 7, 0x1234);
    assert_key(&key, ASYNC_DB_STATS,
               "01" "0000000000000007" "0000000000001234");
    assert_true(async_key_is_runs(key.bytes, key.len));
    assert_false(async_key_is_runs(key.bytes, key.len - 1));
    async_key_queue_runs(&key, fixture_str("default"));
    assert_key(&key, ASYNC_DB_STATS, "02" "64656661756c74");
    assert_true(async_key_is_runs(key.bytes, key.len));
    assert_false(async_key_is_runs(key.bytes, 1));
    async_key_timer(&key, ASYNC_TIMER_DUE, FIXTURE_NOW, &id);
    assert_key(&key, ASYNC_DB_TIMERS, "01" "000001a202b2c500" ID);
    async_key_running(&key, 7, &id);
    assert_key(&key, ASYNC_DB_RUNNING, "0000000000000007" ID);
    async_key_ready(&key, fixture_str("default"));
    assert_key(&key, ASYNC_DB_READY, "0764656661756c74");
}


#define AWAY  0x8000                /* here alone: parked without a time */

/* one state, and where a job in it lies */

typedef struct {
    async_state_t  state;
    uint16_t       flags;
    async_db_t     db;
    const char    *hex;
} place_t;

static void
each_state_has_its_place(void **state)
{
    size_t                i;
    char                  hex[128];
    async_job_t           job;
    async_key_t           key;
    static const place_t  places[] = {
        { ASYNC_STATE_QUEUED, 0, ASYNC_DB_READY,
          "0764656661756c74" "05" "000001a202b2c500" "0000000000000007" ID },
        { ASYNC_STATE_QUEUED, ASYNC_JOB_PARKED, ASYNC_DB_TIMERS,
          "01" "000001a202b2c501" ID },
        { ASYNC_STATE_QUEUED, ASYNC_JOB_PARKED | AWAY, ASYNC_DB_TIMERS,
          "00" "0000000000000007" "05" "000001a202b2c500" ID },
        { ASYNC_STATE_SCHEDULED, 0, ASYNC_DB_TIMERS,
          "01" "000001a202b2c501" ID },
        { ASYNC_STATE_RETRYING, 0, ASYNC_DB_TIMERS,
          "01" "000001a202b2c501" ID },
        { ASYNC_STATE_PROCESSING, 0, ASYNC_DB_RUNNING,
          "0000000000000002" ID },
        { ASYNC_STATE_COMPLETED, 0, ASYNC_DB_TIMERS,
          "02" "000001a202b2c502" ID },
        { ASYNC_STATE_FAILED, 0, ASYNC_DB_TIMERS,
          "02" "000001a202b2c502" ID },
        { ASYNC_STATE_CANCELED, 0, ASYNC_DB_TIMERS,
          "02" "000001a202b2c502" ID }
    };

    (void) state;

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        job = fixture_job(1);
        job.id = id;
        job.state = (uint8_t) places[i].state;
        job.flags = places[i].flags & (uint16_t) ~AWAY;
        job.queued = FIXTURE_NOW;
        job.due = places[i].flags & AWAY ? 0 : FIXTURE_NOW + 1;
        job.expires = FIXTURE_NOW + 2;
        job.epoch = 2;

        async_key_place(&key, &job, 7);
        assert_key(&key, places[i].db, places[i].hex);

        snprintf(hex, sizeof(hex), "%02x" "000001a202b2c500" ID,
                 places[i].state);
        async_key_state(&key, &job);
        assert_key(&key, ASYNC_DB_BYSTATE, hex);
    }
}


static void
rows_of_ready_are_found_without_their_number(void **state)
{
    MDB_val      row;
    async_job_t  job;
    async_id_t   found;
    async_key_t  key, other;

    (void) state;

    job = fixture_job(1);
    job.id = id;
    job.state = ASYNC_STATE_QUEUED;
    job.queued = FIXTURE_NOW;

    async_key_place(&key, &job, 0);
    async_key_place(&other, &job, 99);

    row.mv_size = other.len;
    row.mv_data = other.bytes;

    assert_true(async_key_same_place(&row, &key));
    async_key_id(&row, &found);
    assert_memory_equal(&found, &id, sizeof(id));

    other.bytes[other.len - 1] ^= 1;                /* another id */
    assert_false(async_key_same_place(&row, &key));
    other.bytes[other.len - 1] ^= 1;
    other.bytes[8] ^= 1;                            /* another priority */
    assert_false(async_key_same_place(&row, &key));
    other.bytes[8] ^= 1;
    row.mv_size--;
    assert_false(async_key_same_place(&row, &key));

    /* only rows of ready have one */

    job.state = ASYNC_STATE_PROCESSING;
    async_key_place(&key, &job, 0);
    row.mv_size = key.len;
    row.mv_data = key.bytes;
    assert_false(async_key_same_place(&row, &key));

    row.mv_size = 3;
    async_key_id(&row, &found);
    assert_int_equal(found.bytes[0], 0);
}


static void
a_key_never_outgrows_its_room(void **state)
{
    char         name[300];
    async_job_t  job;
    async_key_t  key;

    (void) state;
    memset(name, 'q', sizeof(name));

    job = fixture_job(1);
    job.state = ASYNC_STATE_QUEUED;
    job.queue = (async_str_t) { name, ASYNC_QUEUE_MAX };
    async_key_place(&key, &job, UINT64_MAX);
    assert_int_equal(key.len, sizeof(key.bytes));

    async_key_count(&key, (async_str_t) { name, sizeof(name) });
    assert_int_equal(key.len, sizeof(key.bytes));
}


static void
the_record_about_the_store_is_read_as_it_was_written(void **state)
{
    size_t        len, cut;
    uint8_t       buf[ASYNC_META_MAX];
    async_meta_t  meta, read;

    (void) state;
    memset(&meta, 0, sizeof(meta));

    meta.schema = 1;
    meta.lmdb_minor = 9;
    meta.epoch = 0x0102030405060708;
    meta.size = 64ull << 30;
    memset(meta.token, 'a', sizeof(meta.token));

    len = async_meta_encode(&meta, buf, sizeof(buf));
    assert_int_equal(len, ASYNC_RECORD_HEADER + 3 * 4 + 2 * 8 + ASYNC_TOKEN);
    assert_int_equal(async_meta_encode(&meta, buf, len - 1), 0);
    len = async_meta_encode(&meta, buf, len);

    memset(&read, 0, sizeof(read));
    assert_int_equal(async_meta_decode(&read, buf, len), ASYNC_OK);
    assert_memory_equal(&read, &meta, sizeof(meta));

    for (cut = 0; cut < len; cut++) {
        assert_int_equal(async_meta_decode(&read, buf, cut), ASYNC_CORRUPT);
    }
}


static void
figures_are_read_as_they_were_written(void **state)
{
    size_t    len, cut;
    uint64_t  n[2] = { 5, UINT64_MAX }, read[3];
    uint8_t   buf[ASYNC_COUNT_MAX];

    (void) state;

    len = async_count_encode(n, 2, buf, sizeof(buf));
    assert_int_equal(len, ASYNC_RECORD_HEADER + 16);
    assert_int_equal(async_count_decode(read, 2, buf, len), ASYNC_OK);
    assert_int_equal(read[0], 5);
    assert_true(read[1] == UINT64_MAX);

    /* a reader of fewer is content: numbers may be added */

    assert_int_equal(async_count_decode(read, 1, buf, len), ASYNC_OK);
    assert_int_equal(async_count_decode(read, 3, buf, len), ASYNC_CORRUPT);

    for (cut = 0; cut < len; cut++) {
        assert_int_equal(async_count_decode(read, 2, buf, cut),
                         ASYNC_CORRUPT);
    }
}


static void
what_lmdb_says_becomes_one_of_ours(void **state)
{
    async_error_t  err;

    (void) state;

    assert_int_equal(async_db_rc(0, NULL, NULL), ASYNC_OK);
    assert_int_equal(async_db_rc(MDB_NOTFOUND, NULL, NULL), ASYNC_NOT_FOUND);
    assert_int_equal(async_db_rc(MDB_KEYEXIST, NULL, NULL), ASYNC_INVALID);
    assert_int_equal(async_db_rc(MDB_MAP_FULL, NULL, NULL),
                     ASYNC_STORE_FULL);
    assert_int_equal(async_db_rc(MDB_TXN_FULL, NULL, NULL),
                     ASYNC_STORE_FULL);
    assert_int_equal(async_db_rc(ENOSPC, NULL, NULL), ASYNC_STORE_FULL);
    assert_int_equal(async_db_rc(MDB_CORRUPTED, NULL, NULL), ASYNC_CORRUPT);
    assert_int_equal(async_db_rc(ENOMEM, NULL, NULL), ASYNC_NO_SPACE);
    assert_int_equal(async_db_rc(MDB_READERS_FULL, "read", &err),
                     ASYNC_UNAVAILABLE);
    assert_non_null(strstr(err.text, "cannot read: "));
    assert_int_equal(async_db_rc(MDB_MAP_RESIZED, "read", &err),
                     ASYNC_UNAVAILABLE);
    assert_non_null(strstr(err.text, "larger size"));
    assert_int_equal(async_db_rc(MDB_PANIC, "read", &err),
                     ASYNC_UNAVAILABLE);
    assert_non_null(strstr(err.text, "earlier write"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(keys_have_their_golden_bytes),
        cmocka_unit_test(each_state_has_its_place),
        cmocka_unit_test(rows_of_ready_are_found_without_their_number),
        cmocka_unit_test(a_key_never_outgrows_its_room),
        cmocka_unit_test(the_record_about_the_store_is_read_as_it_was_written),
        cmocka_unit_test(figures_are_read_as_they_were_written),
        cmocka_unit_test(what_lmdb_says_becomes_one_of_ours)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
