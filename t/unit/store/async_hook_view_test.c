/*
 * Webhooks looked at: lists, policies, and what a check and a salvage make of
 * them.
 */

#include "async_hooked.h"
#include "async_salvage.h"


/* --- lists --- */

typedef struct {
    unsigned    n;
    async_id_t  ids[8];
} listed_t;


static bool
list_each(void *data, const async_id_t *id, const async_hook_t *hook)
{
    listed_t  *listed = data;

    (void) hook;

    listed->ids[listed->n++] = *id;

    return true;
}


static void
they_are_listed_newest_first(void **state)
{
    unsigned            i;
    listed_t            listed;
    fixture_t          *f = *state;
    async_id_t          id;
    async_job_t         job;
    async_hook_t        hook;
    async_hook_place_t  place = { .set = false };

    hook = waiting();
    fixture_take_over(f);

    for (i = 1; i <= 4; i++) {
        job = fixture_job(i);
        assert_int_equal(submit_with(f, &job, &hook), ASYNC_OK);

        if (i < 4) {
            assert_int_equal(cancel(f, &job.id), ASYNC_OK);
        }
    }

    /* one waits for its job and is not told of */

    memset(&listed, 0, sizeof(listed));
    assert_int_equal(async_view_hooks(f->view, 0, 2, 0, &place, list_each,
                                      &listed), ASYNC_OK);
    assert_int_equal(listed.n, 2);
    assert_true(place.set);

    assert_int_equal(async_view_hooks(f->view, 0, 2, 0, &place, list_each,
                                      &listed), ASYNC_OK);
    assert_int_equal(listed.n, 3);
    assert_false(place.set);

    for (i = 0; i < 3; i++) {
        id = fixture_id(3 - i);
        assert_memory_equal(&listed.ids[i], &id, sizeof(id));
    }

}


static unsigned
dead(fixture_t *f, unsigned rows, listed_t *listed)
{
    async_hook_place_t  place = { .set = false };

    memset(listed, 0, sizeof(listed_t));

    assert_int_equal(async_view_hooks(f->view, ASYNC_HOOK_DEAD, 8, rows,
                                      &place, list_each, listed), ASYNC_OK);

    return listed->n;
}


/* the oldest two of four, of which each had one */

static void
two_die(fixture_t *f, async_id_t ids[2])
{
    unsigned       i;
    async_job_t    job;
    async_hook_t   hook;
    async_event_t  event;

    hook = waiting();
    fixture_take_over(f);

    for (i = 1; i <= 4; i++) {
        job = fixture_job(i);
        assert_int_equal(submit_with(f, &job, &hook), ASYNC_OK);
        assert_int_equal(cancel(f, &job.id), ASYNC_OK);

        if (i <= 2) {
            ids[i - 1] = job.id;
            event = tried(f, &job.id, ASYNC_EVENT_WEBHOOK_DEAD, 1);
            assert_int_equal(fixture_event(f, &event), ASYNC_OK);
        }
    }
}


static void
the_dead_are_looked_for_among_the_dead(void **state)
{
    listed_t    listed;
    fixture_t  *f = *state;
    async_id_t  ids[2];

    assert_int_equal(dead(f, 1, &listed), 0);
    two_die(f, ids);

    assert_int_equal(dead(f, 0, &listed), 2);
    assert_memory_equal(&listed.ids[0], &ids[1], sizeof(async_id_t));
    assert_memory_equal(&listed.ids[1], &ids[0], sizeof(async_id_t));

    assert_int_equal(dead(f, 1, &listed), 1);
    assert_memory_equal(&listed.ids[0], &ids[1], sizeof(async_id_t));
}


static void
those_of_an_older_version_are_put_on_the_list(void **state)
{
    unsigned      i;
    listed_t      listed;
    fixture_t    *f = *state;
    async_id_t    ids[2];
    async_key_t   key;

    two_die(f, ids);

    for (i = 0; i < 2; i++) {
        async_key_timer(&key, ASYNC_TIMER_DEAD, 0, &ids[i]);
        fixture_overwrite(f, &key, NULL, 0);
    }

    fixture_assert_sound(f);
    assert_int_equal(dead(f, 0, &listed), 2);

    fixture_take_over(f);
    assert_true(fixture_has(f, &key));
    assert_int_equal(dead(f, 1, &listed), 1);
    assert_int_equal(dead(f, 0, &listed), 2);
}


/* --- what nginx.conf says --- */

static void
a_policy_is_found_by_its_key(void **state)
{
    uint8_t                 key[ASYNC_HOOK_POLICY];
    uint64_t                before;
    fixture_t              *f = *state;
    static uint8_t          buf[ASYNC_HOOK_POLICY_MAX];
    async_hook_policy_t     found, policy = {
        .per = ASYNC_HOOK_PER_HOST, .nsecrets = 1,
        .secrets = { async_str("/etc/secret") }, .allow = async_str("public")
    };
    async_hooks_in_force_t  in_force;

    assert_int_equal(async_store_publish_hooks(f->store, &policy, 1, 5,
                                               &f->err), ASYNC_OK);
    assert_true(async_hook_policy_key(key, &policy));

    assert_int_equal(async_view_hook_policy(f->view, key, &found, buf),
                     ASYNC_OK);
    assert_int_equal(found.per, ASYNC_HOOK_PER_HOST);

    assert_int_equal(async_view_hooks_in_force(f->view, &in_force), ASYNC_OK);
    assert_int_equal(in_force.n, 1);
    assert_memory_equal(in_force.keys[0], key, sizeof(key));

    /* all nginx workers say the same, one after the other */

    before = fixture_transaction(f);
    assert_int_equal(async_store_publish_hooks(f->store, &policy, 1, 5,
                                               &f->err), ASYNC_OK);
    assert_int_equal(fixture_transaction(f), before);

    /* another configuration, which is older: its jobs have their policy */

    policy.per = ASYNC_HOOK_PER_NONE;
    assert_int_equal(async_store_publish_hooks(f->store, &policy, 1, 4,
                                               &f->err), ASYNC_OK);
    assert_true(async_hook_policy_key(key, &policy));
    assert_int_equal(async_view_hook_policy(f->view, key, &found, buf),
                     ASYNC_OK);
    assert_int_equal(async_view_hooks_in_force(f->view, &in_force), ASYNC_OK);
    assert_int_equal(in_force.loaded, 5);

    /* and one that has no webhooks any more */

    assert_int_equal(async_store_publish_hooks(f->store, NULL, 0, 6,
                                               &f->err), ASYNC_OK);
    assert_int_equal(async_view_hooks_in_force(f->view, &in_force), ASYNC_OK);
    assert_int_equal(in_force.n, 0);

    policy.nsecrets = 0;
    assert_int_equal(async_store_publish_hooks(f->store, &policy, 1, 7,
                                               &f->err), ASYNC_INVALID);
}


/* --- damage --- */

static void
count_fault(void *data, const char *fault)
{
    (void) fault;

    ++*(unsigned *) data;
}


static unsigned
faults(fixture_t *f)
{
    unsigned               n;
    async_error_t          err;
    async_check_figures_t  found;

    n = 0;
    assert_int_equal(async_store_check(f->store, &found, count_fault, NULL,
                                       &n, &err), ASYNC_OK);

    return n;
}


static void
a_check_finds_what_is_wrong(void **state)
{
    size_t        len, i;
    uint8_t       buf[ASYNC_HOOK_MAX];
    fixture_t    *f = *state;
    async_id_t    id;
    async_key_t   keys[3];
    async_hook_t  hook;

    hook = waiting();
    id = completed_with(f, &hook);
    assert_int_equal(faults(f), 0);

    async_key_hook(&keys[0], &id);
    async_key_timer(&keys[1], ASYNC_TIMER_HOOK, f->now, &id);
    async_key_stat(&keys[2], ASYNC_STAT_HOOKS);

    for (i = 0; i < 3; i++) {
        len = fixture_value(f, &keys[i], buf, sizeof(buf));
        fixture_overwrite(f, &keys[i], NULL, 0);
        assert_true(faults(f) > 0);

        if (len > 0) {
            fixture_overwrite(f, &keys[i], buf, len);
            assert_int_equal(faults(f), 0);

            buf[len - 1] ^= 1;
            fixture_overwrite(f, &keys[i], buf, len);
            assert_true(faults(f) > 0);
            buf[len - 1] ^= 1;
            fixture_overwrite(f, &keys[i], buf, len);

        } else {
            MDB_txn  *txn;
            MDB_val   k = { keys[i].len, keys[i].bytes }, v = { 0, "" };

            assert_int_equal(mdb_txn_begin(f->store->env, NULL, 0, &txn), 0);
            assert_int_equal(mdb_put(txn, f->store->dbi[keys[i].db], &k, &v,
                                     0), 0);
            assert_int_equal(mdb_txn_commit(txn), 0);
        }

        assert_int_equal(faults(f), 0);
    }
}


static void
a_check_counts_the_dead(void **state)
{
    fixture_t   *f = *state;
    async_id_t   ids[2];
    async_key_t  key;

    two_die(f, ids);
    assert_int_equal(faults(f), 0);

    async_key_timer(&key, ASYNC_TIMER_DEAD, 0, &ids[0]);
    fixture_overwrite(f, &key, NULL, 0);
    assert_int_equal(faults(f), 1);
}


static void
a_row_of_nobody_does_not_stay(void **state)
{
    int64_t           next;
    fixture_t        *f = *state;
    async_id_t        id;
    async_key_t       key;
    async_hook_t      hook;
    async_due_hook_t  hooks[2];

    hook = waiting();
    id = completed_with(f, &hook);

    async_key_hook(&key, &id);
    fixture_overwrite(f, &key, NULL, 0);
    assert_int_equal(due(f, hooks, 2, &next), 0);

    f->now += 1000;
    (void) fixture_sweep(f);

    async_key_timer(&key, ASYNC_TIMER_HOOK, f->now - 1000, &id);
    assert_false(fixture_has(f, &key));
}


static void
it_is_salvaged(void **state)
{
    char                      to[600];
    fixture_t                *f = *state;
    async_id_t                id;
    async_job_t               job;
    async_hook_t              hook;
    async_event_t             event;
    async_hook_policy_t       policy = {
        .nsecrets = 1, .secrets = { async_str("/etc/secret") },
        .allow = async_str("public")
    };
    async_hooks_in_force_t    in_force;
    async_salvage_options_t   options;
    async_salvage_figures_t   found;

    hook = waiting();
    assert_int_equal(async_store_publish_hooks(f->store, &policy, 1, 5,
                                               &f->err), ASYNC_OK);
    id = completed_with(f, &hook);
    event = tried(f, &id, ASYNC_EVENT_WEBHOOK_FAILED, 1);
    assert_int_equal(fixture_event(f, &event), ASYNC_OK);
    job = fixture_job(2);
    assert_int_equal(submit_with(f, &job, &hook), ASYNC_OK);
    fixture_close(f);

    memset(&options, 0, sizeof(options));
    snprintf(to, sizeof(to), "%s/new", f->path);
    options.from = f->path;
    options.to = to;
    options.now = f->now;

    assert_int_equal(async_store_prepare(to, geteuid(), getegid(), &f->err),
                     ASYNC_OK);
    assert_int_equal(async_store_salvage(&options, &found, NULL, NULL, NULL,
                                         &f->err), ASYNC_OK);
    assert_int_equal(found.jobs, 2);
    assert_int_equal(found.whole, 2);

    snprintf(f->path + strlen(f->path), 5, "/new");
    assert_int_equal(fixture_open_as(f, 0, false), ASYNC_OK);

    assert_int_equal(look(f, &id).state, ASYNC_HOOK_PENDING);
    assert_int_equal(look(f, &job.id).state, ASYNC_HOOK_WAITING);
    assert_int_equal(figures(f).pending, 1);
    assert_int_equal(figures(f).failed, 1);
    fixture_assert_sound(f);
    assert_int_equal(async_view_hooks_in_force(f->view, &in_force), ASYNC_OK);
    assert_int_equal(in_force.n, 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sound(they_are_listed_newest_first),
        sound(the_dead_are_looked_for_among_the_dead),
        sound(those_of_an_older_version_are_put_on_the_list),
        sound(a_policy_is_found_by_its_key),
        plain(a_check_finds_what_is_wrong),
        plain(a_check_counts_the_dead),
        plain(a_row_of_nobody_does_not_stay),
        sound(it_is_salvaged)
    };

    return cmocka_run_group_tests_name("async_hook_view", tests, NULL, NULL);
}
