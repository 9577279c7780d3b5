/*
 * A damaged copy of the store, what salvage makes of it, and how it compares
 * with what was there: what no damage has hit must come back as it was, and
 * nothing may come back as something else.
 */

#ifndef ASYNC_SALVAGED_H
#define ASYNC_SALVAGED_H

#include "async_imprint.h"
#include "async_salvage.h"


static char      said[4096];          /* by salvage, a line a job */
static unsigned  runs;


/* --- a damaged copy, and what is made of it --- */

typedef struct {
    fixture_t                f;       /* the new store */
    char                     from[128];
    async_salvage_figures_t  figures;
    async_rc_t               rc;
} salvaged_t;


static inline void
report(void *data, const char *sentence)
{
    size_t  len;

    (void) data;

    len = strlen(said);
    snprintf(said + len, sizeof(said) - len, "%s\n", sentence);
}


static inline void
write_all(const char *path, const uint8_t *data, size_t len)
{
    int  fd;

    fd = open(path, O_WRONLY|O_CREAT|O_TRUNC, 0600);
    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}


static inline void
salvage(salvaged_t *x, const uint8_t *data, size_t len)
{
    char                     path[600], spool[600];
    async_salvage_options_t  options;

    memset(x, 0, sizeof(salvaged_t));
    said[0] = '\0';

    snprintf(x->from, sizeof(x->from), "%s/from%u", root, runs);
    snprintf(x->f.path, sizeof(x->f.path), "%s/to%u", root, runs++);

    assert_int_equal(mkdir(x->from, 0700), 0);
    file_path(path, x->from, "db");
    assert_int_equal(mkdir(path, 0700), 0);
    file_path(path, x->from, "db/data.mdb");
    write_all(path, data, len);

    file_path(path, x->from, "spool");
    file_path(spool, whole->path, "spool");
    assert_int_equal(symlink(spool, path), 0);

    assert_int_equal(async_store_prepare(x->f.path, geteuid(), getegid(),
                                         &x->f.err), ASYNC_OK);

    options.from = x->from;
    options.to = x->f.path;
    options.now = whole->now;

    x->rc = async_store_salvage(&options, &x->figures, report, NULL, NULL,
                                &x->f.err);

    if (x->rc == ASYNC_OK) {
        assert_int_equal(fixture_open_as(&x->f, 0, false), ASYNC_OK);
        fixture_assert_sound(&x->f);
    }
}


static inline void
salvaged_done(salvaged_t *x)
{
    if (x->rc == ASYNC_OK) {
        fixture_close(&x->f);
    }

    fixture_remove(x->from);
    fixture_remove(x->f.path);
}


/* --- comparing --- */

static model_t  now[JOBS];

static inline model_t *
now_of(const void *id)
{
    model_t  *m;

    m = model_of(id);

    return m != NULL ? &now[m - models] : NULL;
}


static unsigned  back;                /* of those that were forgotten */

static inline bool
was_forgotten(const void *id)
{
    unsigned  i;

    for (i = 0; i < GONE; i++) {
        if (memcmp(&gone[i], id, sizeof(async_id_t)) == 0) {
            return true;
        }
    }

    return false;
}


static inline void
now_job(const uint8_t *map, const MDB_val *k, const MDB_val *v)
{
    model_t      *m;
    async_job_t   job;

    (void) map;

    m = now_of(k->mv_data);

    /* an id is not part of the record's checksum: one that was hit leads to
       nothing that could run or be served */

    if (m == NULL) {
        assert_int_equal(async_job_decode(&job, k->mv_data, v->mv_data,
                                          v->mv_size), ASYNC_OK);
        assert_true(async_state_final(job.state));

        if (was_forgotten(k->mv_data)) {
            back++;
            return;
        }

        assert_true(job.result_status == 0
                    || (job.flags & ASYNC_JOB_SWEPT));
        return;
    }

    memcpy(&m->id, k->mv_data, sizeof(async_id_t));
    memcpy(m->record, v->mv_data, v->mv_size);
    m->len = v->mv_size;
    m->found = true;
}


static inline void
now_payload(const uint8_t *map, const MDB_val *k, const MDB_val *v)
{
    model_t   *m;
    unsigned   part;

    (void) map;

    m = now_of(k->mv_data);

    if (m == NULL) {
        return;
    }

    part = ((uint8_t *) k->mv_data)[16];
    m->crc[part] = async_crc32c(m->crc[part], v->mv_data, v->mv_size);
    m->rows[part]++;
}


static inline void
now_line(const uint8_t *map, const MDB_val *k, const MDB_val *v)
{
    model_t  *m;

    (void) map;

    m = now_of(k->mv_data);

    if (m == NULL) {
        return;
    }

    m->crc[HISTORY] = async_crc32c(m->crc[HISTORY], v->mv_data, v->mv_size);
    m->rows[HISTORY]++;
}


static inline void
look(salvaged_t *x)
{
    memset(now, 0, sizeof(now));
    back = 0;

    each_row(&x->f, x->f.store->dbi[ASYNC_DB_JOBS], now_job);
    each_row(&x->f, x->f.store->dbi[ASYNC_DB_PAYLOAD], now_payload);
    each_row(&x->f, x->f.store->dbi[ASYNC_DB_TRAIL], now_line);
}


static inline bool
same(const model_t *was, const model_t *is, unsigned part)
{
    return was->rows[part] == is->rows[part]
           && was->crc[part] == is->crc[part];
}


static inline bool
same_bytes(const model_t *was, const model_t *is)
{
    return was->len == is->len
           && memcmp(was->record, is->record, was->len) == 0;
}


/* or the same but for its policy, which was lost */

static inline bool
same_record(const model_t *was, const model_t *is)
{
    model_t      without;
    async_job_t  job;

    if (same_bytes(was, is)) {
        return true;
    }

    without = *was;

    assert_int_equal(async_job_decode(&job, &was->id, was->record, was->len),
                     ASYNC_OK);
    memset(job.policy, 0, sizeof(job.policy));
    without.len = async_job_encode(&job, without.record, ASYNC_JOB_MAX);

    return same_bytes(&without, is);
}


static inline bool
hit(const model_t *m, unsigned part, span_t damage)
{
    unsigned  i;

    for (i = 0; i < m->n[part]; i++) {
        if (m->spans[part][i].from < damage.to
            && damage.from < m->spans[part][i].to)
        {
            return true;
        }
    }

    return false;
}


static inline bool
request_hit(const model_t *m, span_t damage)
{
    return hit(m, REQUEST, damage) || hit(m, CAPTURE, damage)
           || hit(m, REQUEST_BODY, damage);
}


static inline bool
response_hit(const model_t *m, span_t damage)
{
    return hit(m, RESPONSE, damage) || hit(m, RESPONSE_BODY, damage);
}


/* the one page of policies */

static inline bool
policy_hit(span_t damage)
{
    return policies.from < damage.to && damage.from < policies.to;
}


/* a damage to what tells the new from the old */

static inline bool
blinding(span_t damage)
{
    unsigned  i;

    if (damage.from < 2 * PAGE) {
        return true;
    }

    for (i = 0; i < nlist; i++) {
        if (list[i].from < damage.to && damage.from < list[i].to) {
            return true;
        }
    }

    return false;
}


/*
 * What must hold whatever the damage: nothing comes back as something else.
 */

static inline void
assert_nothing_wrong(const model_t *was, const model_t *is)
{
    async_job_t  before, after;

    assert_int_equal(async_job_decode(&before, &was->id, was->record,
                                      was->len), ASYNC_OK);
    assert_int_equal(async_job_decode(&after, &is->id, is->record, is->len),
                     ASYNC_OK);

    if (!async_state_final(after.state) && !same_record(was, is)) {
        fail_msg("%s, line %u, was %s, line %u", async_state_name(after.state),
                 (unsigned) after.seq, async_state_name(before.state),
                 (unsigned) before.seq);
    }

    if (!async_state_final(after.state)) {

        /* it will run: so it was to run, and with these very bytes */

        assert_true(same_record(was, is));
        assert_true(same(was, is, REQUEST));
        assert_true(same(was, is, CAPTURE));
        assert_true(same(was, is, REQUEST_BODY));
    }

    if (after.result_status != 0 && !(after.flags & ASYNC_JOB_SWEPT)) {
        assert_int_equal(before.result_status, after.result_status);
        assert_true(same(was, is, RESPONSE));
        assert_true(same(was, is, RESPONSE_BODY));
    }

    if (async_state_final(before.state)) {
        assert_int_equal(after.state == before.state
                         || after.error == ASYNC_JOB_ERROR_OUTCOME_UNKNOWN,
                         1);
    }

    if (after.state == ASYNC_STATE_COMPLETED) {
        assert_int_equal(before.state, ASYNC_STATE_COMPLETED);
    }
}


/* what was not hit is back, as it was */

static inline void
assert_spared(const model_t *was, const model_t *is, span_t damage,
    bool blind)
{
    bool         stopped;
    async_job_t  before, after;

    if (hit(was, RECORD, damage)) {
        return;
    }

    assert_true(is->found);

    (void) async_job_decode(&before, &was->id, was->record, was->len);
    (void) async_job_decode(&after, &is->id, is->record, is->len);

    stopped = !async_state_final(before.state)
              && async_state_final(after.state);

    /* a line of history with a flipped number may come after the last */

    if (stopped && !blind && !request_hit(was, damage)
        && !hit(was, HISTORY, damage))
    {
        fail_msg("bytes %zu to %zu: %s", damage.from, damage.to, said);
    }

    if (stopped) {
        assert_int_equal(after.state, ASYNC_STATE_FAILED);
        assert_int_equal(after.error, ASYNC_JOB_ERROR_OUTCOME_UNKNOWN);

    } else if (!response_hit(was, damage) && !request_hit(was, damage)) {
        assert_true(policy_hit(damage) ? same_record(was, is)
                                       : same_bytes(was, is));
    }

    if (!response_hit(was, damage)) {
        assert_false(after.flags & ASYNC_JOB_SWEPT);
        assert_int_equal(after.result_status, before.result_status);
        assert_true(same(was, is, RESPONSE));
        assert_true(same(was, is, RESPONSE_BODY));
    }

    if (!request_hit(was, damage)) {
        assert_true(same(was, is, REQUEST));
        assert_true(same(was, is, REQUEST_BODY));
    }

    if (!hit(was, HISTORY, damage) && !stopped) {
        assert_true(same(was, is, HISTORY));
    }
}


/* returns how many jobs are not what they were */

/* blind: what tells the new from the old was hit */

static inline unsigned
compare(salvaged_t *x, span_t damage, bool blind)
{
    unsigned  i, part, changed;
    bool      equal;

    look(x);

    if (!blind) {
        assert_int_equal(back, 0);
    }

    for (i = 0, changed = 0; i < njobs; i++) {

        if (now[i].found) {
            assert_nothing_wrong(&models[i], &now[i]);
        }

        assert_spared(&models[i], &now[i], damage, blind);

        equal = now[i].found && same_bytes(&models[i], &now[i]);

        for (part = REQUEST; part <= HISTORY; part++) {
            equal = equal && same(&models[i], &now[i], part);
        }

        changed += !equal;
    }

    return changed;
}


/*
 * Jobs that the very last transaction has forgotten may be back if the meta
 * page that it wrote was hit: it had no event that would tell its age.
 */

static inline void
assert_all_back(salvaged_t *x, bool meta)
{
    span_t  none = { 0, 0 };

    assert_int_equal(x->rc, ASYNC_OK);
    assert_int_equal(compare(x, none, meta), 0);
    assert_int_equal(x->figures.jobs, JOBS + back);
    assert_int_equal(x->figures.whole, JOBS + back);
    assert_string_equal(said, "");
}


static inline uint8_t *
copy_of_image(void)
{
    uint8_t  *copy;

    copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, image, size);

    return copy;
}


#endif /* ASYNC_SALVAGED_H */
