/*
 * The check, of what jobs are known by: each row lost, each row too many,
 * each that says something else than the record.
 */

#include "async_fixture.h"
#include "async_joined.h"


static const char  alice[] = "alice...........";


typedef struct {
    unsigned  n;
    char      text[1024];
} faults_t;


static void
faults_each(void *data, const char *fault)
{
    size_t     len;
    faults_t  *faults = data;

    faults->n++;
    len = strlen(faults->text);
    snprintf(faults->text + len, sizeof(faults->text) - len, "%s\n", fault);
}


static void
assert_fault(fixture_t *f, unsigned n, const char *text)
{
    faults_t               faults;
    async_error_t          err;
    async_check_figures_t  figures;

    memset(&faults, 0, sizeof(faults));

    assert_int_equal(async_store_check(f->store, &figures, faults_each, NULL,
                                       &faults, &err), ASYNC_OK);

    if (faults.n != n || strstr(faults.text, text) == NULL) {
        fail_msg("%u faults:\n%s", faults.n, faults.text);
    }
}


/* two jobs, one of which has all that there is */

static void
fill(fixture_t *f)
{
    async_job_t    job;
    async_event_t  event;

    fixture_submit_all(f, 2, 1);

    job = fixture_job(1);
    job.owner = fixture_str(alice);

    event = fixture_submitted(&job);
    event.idempotency.used = true;
    memset(event.idempotency.hash, 'i', ASYNC_SUBMIT_HASH);
    memset(event.idempotency.print, 'p', ASYNC_SUBMIT_PRINT);
    event.coalesce.used = true;
    memset(event.coalesce.hash, 'c', ASYNC_SUBMIT_HASH);

    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    fixture_assert_sound(f);
}


static async_key_t
row_of(int hash)
{
    uint8_t      bytes[ASYNC_SUBMIT_HASH];
    async_key_t  key;

    memset(bytes, hash, sizeof(bytes));
    async_key_known(&key, 1, bytes);

    return key;
}


static void
a_key_without_its_row_is_told_of(void **state)
{
    fixture_t    *f = *state;
    async_key_t   key;

    fill(f);

    key = row_of('i');
    fixture_overwrite(f, &key, NULL, 0);
    assert_fault(f, 1, "its idempotency key has no row in keys");

    key = row_of('c');
    fixture_overwrite(f, &key, NULL, 0);
    assert_fault(f, 2, "its coalescing key has no row in keys");
}


static void
a_row_without_its_key_is_told_of(void **state)
{
    uint8_t       value[64];
    size_t        len;
    fixture_t    *f = *state;
    async_id_t    id;
    async_key_t   key;

    fill(f);

    /* one too many */

    key = row_of('i');
    len = fixture_value(f, &key, value, sizeof(value));
    key = row_of('x');
    fixture_overwrite(f, &key, value, len);
    assert_fault(f, 1, "keys has a row of it that it does not name");
    fixture_overwrite(f, &key, NULL, 0);

    /* with another print */

    key = row_of('i');
    value[len - 1] ^= 1;
    fixture_overwrite(f, &key, value, len);
    assert_fault(f, 1, "keys has a row of it that it does not name");
    value[len - 1] ^= 1;

    /* of another job */

    id = fixture_id(2);
    memcpy(value, &id, sizeof(id));
    fixture_overwrite(f, &key, value, len);
    assert_fault(f, 2, "the row of its idempotency key names another job");

    id = fixture_id(9);
    memcpy(value, &id, sizeof(id));
    fixture_overwrite(f, &key, value, len);
    assert_fault(f, 2, "has rows in keys, but no record");

    fixture_overwrite(f, &key, value, len - 1);
    assert_fault(f, 1, "keys has a row that is not ours");
}


static void
a_finished_job_has_no_coalescing_key(void **state)
{
    size_t         len;
    uint8_t        buf[ASYNC_JOB_MAX], value[64];
    fixture_t     *f = *state;
    async_id_t     id;
    async_job_t    job;
    async_key_t    key, row;
    async_event_t  event;

    fixture_take_over(f);
    fill(f);

    row = row_of('c');
    len = fixture_value(f, &row, value, sizeof(value));

    assert_int_equal(fixture_claim(f, 2), 2);
    event = fixture_completed(&f->claims[1].job);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    fixture_assert_sound(f);

    fixture_overwrite(f, &row, value, len);

    id = fixture_id(1);
    job = fixture_look(f, &id, buf);
    job.coalesce.used = true;
    memset(job.coalesce.hash, 'c', ASYNC_SUBMIT_HASH);

    async_key_job(&key, &id);
    fixture_overwrite(f, &key, value, 0);
    len = async_job_encode(&job, buf + 0, sizeof(buf));
    fixture_overwrite(f, &key, buf, len);
    assert_fault(f, 1, "is completed, and still has a coalescing key");
}


static void
the_rows_of_owners_are_compared(void **state)
{
    fixture_t    *f = *state;
    async_id_t    id;
    async_key_t   key;

    fill(f);
    id = fixture_id(1);

    async_key_owner(&key, 1, fixture_str(alice), &id);
    fixture_overwrite(f, &key, NULL, 0);
    assert_fault(f, 1, "is not listed in owners");

    async_key_owner(&key, 2, fixture_str(alice), &id);
    fixture_overwrite(f, &key, "x", 1);
    assert_fault(f, 2, "owners has a row that is not ours");
}


static void
a_row_of_owners_too_many_is_told_of(void **state)
{
    MDB_txn      *txn;
    MDB_val       k, v = { 0, "" };
    fixture_t    *f = *state;
    async_id_t    id;
    async_key_t   key;

    fill(f);
    id = fixture_id(2);

    async_key_owner(&key, 7, fixture_str(alice), &id);
    k.mv_size = key.len;
    k.mv_data = key.bytes;

    assert_int_equal(mdb_txn_begin(f->store->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, f->store->dbi[key.db], &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);

    assert_fault(f, 2, "owners has a row of it that it does not name");
    assert_fault(f, 2, "stats do not say which bucket is the newest");
}


static void
the_figures_of_owners_are_compared(void **state)
{
    uint64_t      n;
    uint8_t       buf[ASYNC_COUNT_MAX];
    fixture_t    *f = *state;
    async_key_t   key;

    fill(f);

    async_key_owned(&key, fixture_str(alice), fixture_str("default"));

    n = 2;
    fixture_overwrite(f, &key, buf, async_count_encode(&n, 1, buf,
                                                       sizeof(buf)));
    assert_fault(f, 1, "an owner has 2 jobs in it, there are 1");

    fixture_overwrite(f, &key, "damage", 6);
    assert_fault(f, 2, "what an owner has is damaged");

    fixture_overwrite(f, &key, NULL, 0);
    assert_fault(f, 1, "owners have 1 jobs that counts do not tell of");

    async_key_owned(&key, fixture_str(alice), fixture_str("other"));
    n = 0;
    fixture_overwrite(f, &key, buf, async_count_encode(&n, 1, buf,
                                                       sizeof(buf)));
    assert_fault(f, 2, "an owner has 0 jobs in it, there are 0");
}


/* from either side */

static void
further_keys_are_compared(void **state)
{
    uint8_t         value[64], row[64], hash[ASYNC_SUBMIT_HASH];
    size_t          len, row_len;
    fixture_t      *f = *state;
    async_id_t      id;
    async_job_t     job;
    async_key_t     key, further;
    async_event_t   event;

    fill(f);

    job = fixture_job(7);
    event = fixture_submitted(&job);
    event.idempotency.used = true;
    memset(event.idempotency.hash, 'f', ASYNC_SUBMIT_HASH);
    event.coalesce.used = true;
    memset(event.coalesce.hash, 'c', ASYNC_SUBMIT_HASH);
    assert_int_equal(fixture_event(f, &event), ASYNC_EXISTS);
    fixture_assert_sound(f);

    id = fixture_id(1);
    memset(hash, 'f', sizeof(hash));
    async_key_joined(&further, &id, hash);
    row_len = fixture_value(f, &further, row, sizeof(row));
    assert_int_equal(row_len, ASYNC_JOINED_MAX);

    key = row_of('f');
    len = fixture_value(f, &key, value, sizeof(value));
    fixture_overwrite(f, &key, NULL, 0);
    assert_fault(f, 1, "a further key has no row in keys");
    fixture_overwrite(f, &key, value, len);

    fixture_overwrite(f, &further, NULL, 0);
    assert_fault(f, 1, "keys has a row of it that it does not name");

    row[row_len - 1] ^= 1;
    fixture_overwrite(f, &further, row, row_len);
    assert_fault(f, 2, "the row of a further key is damaged");
    row[row_len - 1] ^= 1;

    fixture_overwrite(f, &further, row, row_len);
    fixture_assert_sound(f);

    id = fixture_id(9);
    async_key_joined(&further, &id, hash);
    fixture_overwrite(f, &further, row, row_len);
    assert_fault(f, 1, "has rows in keys, but no record");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        plain(a_key_without_its_row_is_told_of),
        plain(a_row_without_its_key_is_told_of),
        plain(a_finished_job_has_no_coalescing_key),
        plain(the_rows_of_owners_are_compared),
        plain(a_row_of_owners_too_many_is_told_of),
        plain(the_figures_of_owners_are_compared),
        plain(further_keys_are_compared)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
