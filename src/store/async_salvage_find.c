/*
 * Which pages to believe, and how far.
 *
 * Each of the two meta pages leads to a whole state, the newest and the one
 * before.  They have no checksum, so they are believed in as long as they
 * agree with each other, and the one whose feed has come further is the
 * newer.  If one is gone or odd, the page that it led to is looked for: it
 * holds the records of the named databases, and each transaction writes one.
 *
 * From the newest state every tree is walked.  Where a page is missing, what
 * hung below it is found by reading all pages that no tree reaches, less
 * those that the list of free pages names: those are of the past.  As long as
 * that list is sound, what is found so belongs to the newest state.
 */

#include <string.h>

#include "async_salvager.h"


#define ASYNC_SNAPSHOTS  8           /* looked at besides the meta pages */


typedef struct {
    async_tree_t   main;
    async_tree_t   trees[ASYNC_DB_MAX];
    bool           has[ASYNC_DB_MAX];
    bool           known;             /* feed is */
    uint64_t       feed;              /* number of the last entry */
    uint64_t       page;              /* where its records are */
    const async_pages_meta_t  *meta;  /* NULL: it was found without one */
} async_snapshot_t;

typedef struct {
    async_salvager_t   *s;
    async_snapshot_t    list[ASYNC_SNAPSHOTS];
    unsigned            n;
    uint64_t            above;        /* feeds up to here are not wanted */
} async_snapshots_t;


static bool async_find_meta(async_salvager_t *s, unsigned i,
    async_snapshot_t *snapshot);
static void async_find_tree(void *data, const async_pages_row_t *row);
static void async_find_feed(async_salvager_t *s, async_snapshot_t *snapshot);
static bool async_find_lost(async_salvager_t *s, bool any,
    async_snapshot_t *base, bool *suspect);
static void async_find_candidates(async_salvager_t *s,
    async_snapshots_t *found);
static void async_find_insert(async_snapshots_t *found,
    const async_snapshot_t *snapshot);
static bool async_find_walk(async_salvager_t *s,
    const async_snapshot_t *snapshot, bool old, async_pages_fn fn);
static void async_find_rest(async_salvager_t *s, const async_snapshot_t *base,
    bool listed, bool suspect);
static void async_find_promises(async_salvager_t *s,
    const async_snapshot_t *base);
static void async_find_missing(async_salvager_t *s,
    const async_snapshot_t *base);
static void async_find_progress(void *data, uint64_t done, uint64_t total);


void
async_salvage_find(async_salvager_t *s)
{
    bool                       has[2], agree, found, newest, suspect, whole;
    bool                       listed;
    unsigned                   i;
    async_snapshot_t           base, snapshot[2];
    const async_pages_meta_t  *meta;

    meta = s->pages.meta;

    has[0] = async_find_meta(s, 0, &snapshot[0]);
    has[1] = async_find_meta(s, 1, &snapshot[1]);

    /* the pages take turns, each transaction one */

    agree = meta[0].valid && meta[1].valid
            && meta[0].txn % 2 == 0 && meta[1].txn % 2 == 1
            && (meta[0].txn + 1 == meta[1].txn
                || meta[1].txn + 1 == meta[0].txn);

    i = meta[1].valid && (!meta[0].valid || meta[1].txn > meta[0].txn);

    if (has[0] && has[1] && snapshot[0].known && snapshot[1].known
        && snapshot[0].feed != snapshot[1].feed)
    {
        i = snapshot[1].feed > snapshot[0].feed;
    }

    base = snapshot[i];
    found = meta[i].valid;
    newest = false;
    suspect = !found;

    if (!agree) {
        newest = async_find_lost(s, found, &base, &suspect);
    }

    async_pages_again(&s->pages);

    listed = base.meta != NULL && async_pages_unused(&s->pages, base.meta);

    if (!listed) {
        memset(s->pages.unused, 0, s->pages.n / 8 + 1);
    }

    s->pages.conflict = false;
    s->stale = suspect;

    async_find_promises(s, &base);

    whole = async_find_walk(s, &base, false, async_scratch_row);

    if (s->pages.conflict) {
        whole = false;
    }

    if (!whole) {
        async_find_rest(s, &base, listed && agree, suspect || !found);
        s->figures->damaged = s->pages.damaged;

        /* of a job that was hit, the version before; not of one that went */

        if (base.meta != NULL && has[!i]) {
            s->stale = true;
            s->rest = true;
            (void) async_find_walk(s, &snapshot[!i], true,
                                   async_scratch_row);
        }

    } else if (!agree && !newest) {

        /* whatever the lost page led to, what it had of its own is there */

        s->stale = true;
        s->newer = true;
        async_pages_scan(&s->pages, false, async_scratch_row,
                         async_find_progress, s);
        s->figures->damaged = s->pages.damaged + 1;

    } else {
        s->figures->damaged = s->pages.damaged + !agree;
    }

    async_find_missing(s, &base);
}


/* --- states that the file may hold --- */

static bool
async_find_meta(async_salvager_t *s, unsigned i, async_snapshot_t *snapshot)
{
    async_walk_t               walk = { .fn = async_find_tree,
                                        .data = snapshot };
    const async_pages_meta_t  *meta;

    memset(snapshot, 0, sizeof(async_snapshot_t));

    meta = &s->pages.meta[i];

    if (!meta->valid) {
        return false;
    }

    snapshot->meta = meta;
    snapshot->main = meta->main;

    async_pages_again(&s->pages);
    async_pages_walk(&s->pages, &meta->main, &walk);

    async_find_feed(s, snapshot);

    return walk.found.entries != 0;
}


static void
async_find_tree(void *data, const async_pages_row_t *row)
{
    size_t             len;
    async_db_t         db;
    async_snapshot_t  *snapshot = data;

    if (!row->subdata || row->value == NULL) {
        return;
    }

    for (db = 0; db < ASYNC_DB_MAX; db++) {

        len = strlen(async_db_name(db));

        if (row->key_len == len
            && memcmp(row->key, async_db_name(db), len) == 0)
        {
            async_pages_tree(row->value, &snapshot->trees[db]);
            snapshot->has[db] = true;
        }
    }
}


static void
async_find_feed(async_salvager_t *s, async_snapshot_t *snapshot)
{
    uint8_t  key[8];

    if (!snapshot->has[ASYNC_DB_FEED]) {
        return;
    }

    if (snapshot->trees[ASYNC_DB_FEED].root == UINT64_MAX) {
        snapshot->known = true;

    } else if (async_pages_last(&s->pages, &snapshot->trees[ASYNC_DB_FEED],
                                key, sizeof(key)))
    {
        snapshot->feed = async_get_be64(key);
        snapshot->known = true;
    }
}


/*
 * A state that is newer than base, or any if there is none: true, and base
 * becomes it, if it is whole.  One that is newer and not whole makes all that
 * is older suspect.
 */

static bool
async_find_lost(async_salvager_t *s, bool any, async_snapshot_t *base,
    bool *suspect)
{
    unsigned           i;
    async_snapshots_t  found;

    memset(&found, 0, sizeof(found));

    found.s = s;
    found.above = any && base->known ? base->feed : 0;

    async_find_candidates(s, &found);

    for (i = 0; i < found.n; i++) {

        async_pages_again(&s->pages);

        if (async_find_walk(s, &found.list[i], false, NULL)) {

            /* of older ones that are whole nobody knows what is missing */

            *suspect = i > 0;
            *base = found.list[i];

            return any && i == 0;
        }
    }

    if (found.n > 0) {
        *suspect = true;

        if (!any) {
            *base = found.list[0];
        }
    }

    return false;
}


static void
async_find_candidates(async_salvager_t *s, async_snapshots_t *found)
{
    uint64_t          n;
    async_snapshot_t  snapshot;

    for (n = 2; n < s->pages.n && s->pages.rc == ASYNC_OK; n++) {

        memset(&snapshot, 0, sizeof(snapshot));

        if (!async_pages_leaf(&s->pages, n, async_find_tree, &snapshot)) {
            continue;
        }

        async_find_feed(s, &snapshot);

        if (!snapshot.known || snapshot.feed <= found->above) {
            continue;
        }

        snapshot.page = n;
        snapshot.main.root = n;
        snapshot.main.depth = 1;
        snapshot.main.leaves = 1;

        async_find_insert(found, &snapshot);
    }
}


/* highest feed first; of the same, the one that has all databases */

static void
async_find_insert(async_snapshots_t *found, const async_snapshot_t *snapshot)
{
    unsigned  i;

    for (i = found->n; i > 0 && found->list[i - 1].feed < snapshot->feed;
         i--)
    {
        if (i < ASYNC_SNAPSHOTS) {
            found->list[i] = found->list[i - 1];
        }
    }

    if (i < ASYNC_SNAPSHOTS) {
        found->list[i] = *snapshot;
        found->n += found->n < ASYNC_SNAPSHOTS ? 1 : 0;
    }
}


/* --- their rows --- */

static bool
async_find_walk(async_salvager_t *s, const async_snapshot_t *snapshot,
    bool old, async_pages_fn fn)
{
    bool          whole;
    async_db_t    db;
    async_walk_t  walk = { .fn = NULL, .data = s, .old = old };

    async_pages_walk(&s->pages, &snapshot->main, &walk);

    whole = walk.faults == 0 && walk.found.leaves > 0;
    walk.fn = fn;

    for (db = 0; db < ASYNC_DB_MAX; db++) {

        /* what an older version did not have is derived from the rest */

        if (!snapshot->has[db]) {
            whole = whole && db >= ASYNC_DB_NEWER;
            continue;
        }

        async_pages_walk(&s->pages, &snapshot->trees[db], &walk);

        if (!async_pages_whole(&snapshot->trees[db], &walk)) {
            whole = false;
        }
    }

    return whole;
}


static void
async_find_rest(async_salvager_t *s, const async_snapshot_t *base,
    bool listed, bool suspect)
{
    s->stale = suspect || !listed || s->pages.conflict;

    async_pages_scan(&s->pages, base->meta != NULL && listed,
                     async_scratch_row, async_find_progress, s);
}


static void
async_find_promises(async_salvager_t *s, const async_snapshot_t *base)
{
    async_db_t  db;

    for (db = 0; db < ASYNC_DB_MAX; db++) {
        if (base->has[db] && base->trees[db].entries < UINT64_MAX / 64) {
            s->entries += base->trees[db].entries;
        }
    }

    s->figures->counted = base->has[ASYNC_DB_JOBS];
    s->figures->promised = base->trees[ASYNC_DB_JOBS].entries;
}


/* history and policies that were counted and are not there */

static void
async_find_missing(async_salvager_t *s, const async_snapshot_t *base)
{
    unsigned           i;
    uint64_t           found;
    static async_db_t  dbs[] = { ASYNC_DB_TRAIL, ASYNC_DB_POLICY };

    for (i = 0; i < sizeof(dbs) / sizeof(dbs[0]); i++) {

        found = async_scratch_count(s, dbs[i]);

        if (base->has[dbs[i]] && base->trees[dbs[i]].entries > found) {
            s->figures->rows += base->trees[dbs[i]].entries - found;
        }
    }

    async_scratch_commit(s);

    if (s->rc == ASYNC_OK) {
        s->rc = s->pages.rc;

        if (s->rc != ASYNC_OK) {
            async_error_set(s->err, "no memory to salvage the store");
        }
    }
}


static void
async_find_progress(void *data, uint64_t done, uint64_t total)
{
    async_salvager_t  *s = data;

    if (s->progress != NULL) {
        s->progress(s->data, done / 2, total);
    }
}
