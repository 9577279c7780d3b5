/*
 * The check, of the rows that are no job's record and no index.
 */

#include <openssl/evp.h>
#include <string.h>

#include "async_checker.h"


static void async_check_states(async_checker_t *ck,
    const async_check_tally_t *tally, const MDB_val *value);


void
async_check_meta_row(async_checker_t *ck, async_db_t db, const MDB_val *row,
    const MDB_val *value)
{
    async_key_t   key;
    async_meta_t  meta;

    (void) db;

    async_key_meta(&key);

    if (row->mv_size != key.len
        || memcmp(row->mv_data, key.bytes, key.len) != 0)
    {
        async_check_fault(ck, "meta has a row that is not ours");
        return;
    }

    if (async_meta_decode(&meta, value->mv_data, value->mv_size) != ASYNC_OK)
    {
        async_check_fault(ck, "the record about the store is damaged");
        return;
    }

    ck->epoch = meta.epoch;
}


/* --- history and feed --- */

void
async_check_trail_row(async_checker_t *ck, async_db_t db, const MDB_val *row,
    const MDB_val *value)
{
    uint64_t       seq;
    async_id_t     id;
    async_key_t    key;
    async_job_t    job;
    async_trail_t  line;
    MDB_val        before;

    if (row->mv_size != sizeof(async_id_t) + 8) {
        async_check_fault(ck, "trail has a key of %zu bytes", row->mv_size);
        return;
    }

    memcpy(&id, row->mv_data, sizeof(async_id_t));
    seq = async_get_be64((const uint8_t *) row->mv_data
                         + sizeof(async_id_t));

    if (async_trail_decode(&line, value->mv_data, value->mv_size)
        != ASYNC_OK)
    {
        async_check_fault_of(ck, &id, "line %llu of its history is damaged",
                             (unsigned long long) seq);
    }

    if (async_check_owner(ck, db, &id, &job) != ASYNC_OK) {
        return;
    }

    if (seq == 0 || seq > job.seq) {
        async_check_fault_of(ck, &id, "its history has a line %llu, after "
                             "the last", (unsigned long long) seq);
        return;
    }

    /* where lines of progress were thinned they are counted at the last */

    async_key_trail(&key, &id, seq - 1);

    if (seq > 1 && job.reports.thinned == 0
        && async_db_get(ck->store, ck->txn, &key, &before) != ASYNC_OK)
    {
        async_check_fault_of(ck, &id, "its history has no line %llu",
                             (unsigned long long) seq - 1);
    }
}


/* of progress the last line stands, as long as the attempt runs */

void
async_check_thinned(async_checker_t *ck, const async_job_t *job)
{
    bool         more;
    MDB_val      row, value;
    uint64_t     n;
    async_key_t  key;

    async_key_trail(&key, &job->id, 0);
    more = async_check_seek(ck, &key, &row, &value);

    for (n = 0; more && row.mv_size == key.len
                && memcmp(row.mv_data, &job->id, sizeof(async_id_t)) == 0;
         n++)
    {
        more = async_check_next(ck, ASYNC_DB_TRAIL, &row, &value);
    }

    if (n + job->reports.thinned != job->seq) {
        async_check_fault_of(ck, &job->id, "its history has %llu lines of "
                             "%llu, and %llu were thinned",
                             (unsigned long long) n,
                             (unsigned long long) job->seq,
                             (unsigned long long) job->reports.thinned);
    }
}


/* old entries are trimmed and may outlive their jobs; numbers leave no gap */

void
async_check_feed_row(async_checker_t *ck, async_db_t db, const MDB_val *row,
    const MDB_val *value)
{
    uint64_t     number, seq;
    async_id_t   id;
    async_job_t  job;

    (void) db;

    if (row->mv_size != 8 || value->mv_size != sizeof(async_id_t) + 8) {
        async_check_fault(ck, "feed has a row that is not ours");
        return;
    }

    number = async_get_be64(row->mv_data);
    memcpy(&id, value->mv_data, sizeof(async_id_t));
    seq = async_get_be64((const uint8_t *) value->mv_data
                         + sizeof(async_id_t));

    if (ck->feed != 0 && number != ck->feed + 1) {
        async_check_fault(ck, "feed has no entry %llu",
                          (unsigned long long) ck->feed + 1);
    }

    ck->feed = number;

    if (async_check_job(ck, ck->txn, &id, &job) == ASYNC_OK
        && (seq == 0 || seq > job.seq))
    {
        async_check_fault_of(ck, &id, "feed entry %llu tells of line %llu of "
                             "its history, which has %llu",
                             (unsigned long long) number,
                             (unsigned long long) seq,
                             (unsigned long long) job.seq);
    }
}


/* --- sums --- */

/* jobs that do not decode are counted somewhere, but nobody knows where */

bool
async_check_sum(const async_checker_t *ck, uint64_t stored, uint64_t found)
{
    return stored >= found && stored - found <= ck->corrupt;
}


void
async_check_count_row(async_checker_t *ck, async_db_t db, const MDB_val *row,
    const MDB_val *value)
{
    uint64_t              n[2];
    async_str_t           queue;
    async_check_tally_t  *tally;

    (void) db;

    if (row->mv_size > 0 && *(uint8_t *) row->mv_data == 0) {
        async_check_owned_row(ck, row, value);
        return;
    }

    queue.data = row->mv_data;
    queue.len = row->mv_size;

    tally = async_check_tally(ck, queue);

    if (tally == NULL) {
        ck->rc = ASYNC_NO_SPACE;
        return;
    }

    tally->seen = true;

    if (async_count_decode(n, 2, value->mv_data, value->mv_size) != ASYNC_OK)
    {
        async_check_fault(ck, "queue \"%.*s\": its counts are damaged",
                          (int) queue.len, queue.data);
        return;
    }

    if (!async_check_sum(ck, n[0], tally->queued)
        || !async_check_sum(ck, n[1], tally->running))
    {
        async_check_fault(ck, "queue \"%.*s\": counts say %llu queued and "
                          "%llu running, there are %llu and %llu",
                          (int) queue.len, queue.data,
                          (unsigned long long) n[0],
                          (unsigned long long) n[1],
                          (unsigned long long) tally->queued,
                          (unsigned long long) tally->running);
    }

    async_check_states(ck, tally, value);
}


static void
async_check_states(async_checker_t *ck, const async_check_tally_t *tally,
    const MDB_val *value)
{
    int       state;
    uint64_t  n[ASYNC_QUEUE_COUNTS];

    /* a row of an older version does not say */

    if (async_count_decode(n, ASYNC_QUEUE_COUNTS, value->mv_data,
                           value->mv_size) != ASYNC_OK)
    {
        return;
    }

    for (state = 1; state < ASYNC_STATE_MAX; state++) {

        if (!async_check_sum(ck, n[1 + state], tally->states[state])) {
            async_check_fault(ck, "queue \"%.*s\": counts say %llu %s, there "
                              "are %llu",
                              (int) tally->queue.len, tally->queue.data,
                              (unsigned long long) n[1 + state],
                              async_state_name((async_state_t) state),
                              (unsigned long long) tally->states[state]);
        }
    }
}


void
async_check_stat_row(async_checker_t *ck, async_db_t db, const MDB_val *row,
    const MDB_val *value)
{
    uint64_t      n;
    async_rc_t    rc;
    async_key_t   key;
    async_runs_t  runs;

    (void) db;

    if (async_key_is_runs(row->mv_data, row->mv_size)) {

        if (async_runs_decode(&runs, value->mv_data, value->mv_size)
            != ASYNC_OK)
        {
            async_check_fault(ck, "stats: the run times of a %s are damaged",
                              *(uint8_t *) row->mv_data
                              == ASYNC_STAT_OF_QUEUE ? "queue" : "location");
        }

        return;
    }

    rc = async_key_metered(row->mv_data, row->mv_size, value->mv_data,
                           value->mv_size);

    if (rc != ASYNC_NOT_FOUND) {

        if (rc != ASYNC_OK) {
            async_check_fault(ck, "stats: what is counted of queue \"%.*s\" "
                              "is damaged", (int) row->mv_size - 1,
                              (const char *) row->mv_data + 1);
        }

        return;
    }

    async_key_stat(&key, ASYNC_STAT_SPOOLED);

    if (async_count_decode(&n, 1, value->mv_data, value->mv_size)
        != ASYNC_OK)
    {
        async_check_fault(ck, "stats: \"%.*s\" is damaged",
                          (int) row->mv_size, (const char *) row->mv_data);
        return;
    }

    if (row->mv_size == key.len
        && memcmp(row->mv_data, key.bytes, key.len) == 0
        && (n < ck->spooled || (n > ck->spooled && ck->corrupt == 0)))
    {
        async_check_fault(ck, "stats say that %llu bytes are spooled, there "
                          "are %llu", (unsigned long long) n,
                          (unsigned long long) ck->spooled);
    }
}


void
async_check_policy_row(async_checker_t *ck, async_db_t db,
    const MDB_val *row, const MDB_val *value)
{
    uint8_t             sum[EVP_MAX_MD_SIZE];
    uint64_t            gate[ASYNC_GATE_NUMBERS];
    const uint8_t      *key;
    async_queue_t       queue;
    async_policy_t      policy;
    async_key_files_t   files;

    (void) db;

    key = row->mv_data;

    if (key[0] == ASYNC_POLICY_OF_LOCATION
        && row->mv_size == 1 + ASYNC_POLICY_KEY)
    {
        if (async_policy_decode(&policy, value->mv_data, value->mv_size)
            != ASYNC_OK
            || EVP_Digest(value->mv_data, value->mv_size, sum, NULL,
                          EVP_sha256(), NULL) != 1
            || memcmp(sum, key + 1, ASYNC_POLICY_KEY) != 0)
        {
            async_check_fault(ck, "the policy %02x%02x%02x%02x… of a "
                              "location is damaged", key[1], key[2], key[3],
                              key[4]);
        }

    } else if (key[0] == ASYNC_POLICY_OF_QUEUE) {

        if (async_queue_decode(&queue, value->mv_data, value->mv_size)
            != ASYNC_OK
            || queue.name.len != row->mv_size - 1
            || memcmp(queue.name.data, key + 1, queue.name.len) != 0)
        {
            async_check_fault(ck, "queue \"%.*s\": its policy is damaged",
                              (int) row->mv_size - 1,
                              (const char *) key + 1);
        }

    } else if (key[0] == ASYNC_POLICY_OF_GATE && row->mv_size > 1
               && row->mv_size <= 1 + ASYNC_QUEUE_MAX)
    {
        if (async_count_decode(gate, ASYNC_GATE_NUMBERS, value->mv_data,
                               value->mv_size) != ASYNC_OK)
        {
            async_check_fault(ck, "queue \"%.*s\": whether it is paused is "
                              "damaged", (int) row->mv_size - 1,
                              (const char *) key + 1);
        }

    } else if (key[0] == ASYNC_POLICY_OF_KEYS && row->mv_size == 1) {

        if (async_key_files_decode(&files, value->mv_data, value->mv_size)
            != ASYNC_OK)
        {
            async_check_fault(ck, "the paths of key files are damaged");
        }

    } else if (key[0] == ASYNC_POLICY_OF_HOOKS
               || key[0] == ASYNC_POLICY_OF_HOOKS_IN_FORCE)
    {
        if (!async_hook_policy_sound(key, row->mv_size, value->mv_data,
                                     value->mv_size))
        {
            async_check_fault(ck, "a policy of webhooks is damaged");
        }

    } else {
        async_check_fault(ck, "policy has a row that is not ours");
    }
}


/* queues with jobs, and no row to be compared with; and no row at all */

void
async_check_totals(async_checker_t *ck)
{
    MDB_val               value;
    unsigned              i;
    async_key_t           key;
    async_check_tally_t  *tally;

    for (i = 0; i < ck->ntallies; i++) {
        tally = &ck->tallies[i];

        if (!tally->seen && tally->queued + tally->running != 0) {
            async_check_fault(ck, "queue \"%.*s\": has no counts",
                              (int) tally->queue.len, tally->queue.data);
        }
    }

    async_check_known_totals(ck);
    async_check_hook_totals(ck);

    async_key_stat(&key, ASYNC_STAT_SPOOLED);

    if (ck->spooled != 0
        && async_db_get(ck->store, ck->txn, &key, &value) != ASYNC_OK)
    {
        async_check_fault(ck, "stats do not say how many bytes are spooled");
    }

    async_key_meta(&key);

    if (async_db_get(ck->store, ck->txn, &key, &value) != ASYNC_OK) {
        async_check_fault(ck, "there is no record about the store");
    }
}
