/*
 * Trees of pages, the list of those that are free, and what neither of them
 * names.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "async_salvage_page.h"


#define ASYNC_SCAN_EVERY  1024


/* keys that a page may hold: from low on, below high; NULL = no limit */
typedef struct {
    const uint8_t  *low, *high;
    size_t          low_len, high_len;
} async_range_t;

typedef struct {
    async_pages_t  *pages;
    uint64_t        last;
    bool            sound;
} async_unused_t;


static void async_pages_step(async_pages_t *pages, async_walk_t *walk,
    uint64_t n, unsigned level, const async_range_t *range);
static bool async_pages_take(async_pages_t *pages, async_walk_t *walk,
    uint64_t n);
static bool async_pages_astray(async_pages_t *pages, const uint8_t *page,
    unsigned level, const async_range_t *range);
static void async_pages_branch(async_pages_t *pages, async_walk_t *walk,
    const uint8_t *page, unsigned level, const async_range_t *range);
static void async_unused_row(void *data, const async_pages_row_t *row);
static bool async_unused_add(async_pages_t *pages, uint64_t n,
    uint64_t below, uint64_t last);


void
async_pages_walk(async_pages_t *pages, const async_tree_t *tree,
    async_walk_t *walk)
{
    static const async_range_t  all;

    memset(&walk->found, 0, sizeof(async_tree_t));
    walk->faults = 0;

    if (tree->root == UINT64_MAX) {
        return;
    }

    if (tree->depth == 0 || tree->depth > ASYNC_PAGES_DEPTH) {
        walk->faults++;
        pages->damaged++;
        return;
    }

    async_pages_step(pages, walk, tree->root, tree->depth, &all);
}


bool
async_pages_whole(const async_tree_t *tree, const async_walk_t *walk)
{
    return walk->faults == 0
           && walk->found.branches == tree->branches
           && walk->found.leaves == tree->leaves
           && walk->found.overflows == tree->overflows
           && walk->found.entries == tree->entries;
}


static void
async_pages_step(async_pages_t *pages, async_walk_t *walk, uint64_t n,
    unsigned level, const async_range_t *range)
{
    bool      unused, sound;
    uint8_t  *page;

    if (!async_pages_take(pages, walk, n)) {
        return;
    }

    page = malloc(pages->page);

    if (page == NULL) {
        pages->rc = ASYNC_NO_SPACE;
        return;
    }

    unused = async_bit(pages->unused, n) && !walk->old;
    sound = async_pages_read(pages, n, page)
            && (async_page_valid(pages, page, n, ASYNC_PAGE_BRANCH)
                || async_page_valid(pages, page, n, ASYNC_PAGE_LEAF));

    if (sound && async_page_flags(page) == (level > 1 ? ASYNC_PAGE_BRANCH
                                                      : ASYNC_PAGE_LEAF)
        && !(unused && async_pages_astray(pages, page, level, range)))
    {
        pages->conflict = pages->conflict || unused;

        if (level > 1) {
            walk->found.branches++;
            async_pages_branch(pages, walk, page, level, range);

        } else {
            walk->found.leaves++;
            async_pages_rows(pages, walk, page, async_page_nodes(page),
                             !unused && !walk->old);
        }

    } else {
        async_pages_fault(pages, walk);

        /*
         * Sound, but not what belongs here: the pointer was wrong, and the
         * one that is right may still come.  Else the page itself was hit:
         * where a leaf belongs, its rows may have been spared.
         */

        if (sound) {
            async_bit_set(pages->seen, n, false);

        } else if (level == 1 && async_pages_read(pages, n, page)) {
            async_pages_rows(pages, walk, page,
                             async_page_guess(pages, page), false);
        }
    }

    free(page);
}


static bool
async_pages_take(async_pages_t *pages, async_walk_t *walk, uint64_t n)
{
    if (pages->rc != ASYNC_OK) {
        return false;
    }

    if (n < 2 || n >= pages->n || async_bit(pages->seen, n)) {

        /* what an old tree shares with the newest was read there */

        if (!walk->old) {
            async_pages_fault(pages, walk);
        }

        return false;
    }

    async_bit_set(pages->seen, n, true);

    return true;
}


static int
async_key_compare(const uint8_t *a, size_t a_len, const uint8_t *b,
    size_t b_len)
{
    int  rc;

    rc = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return rc != 0 ? rc : (a_len > b_len) - (a_len < b_len);
}


/*
 * A tree leads to a page that is said to be unused: one of them is wrong.  It
 * is the tree if the page has keys that do not belong there.
 */

static bool
async_pages_astray(async_pages_t *pages, const uint8_t *page, unsigned level,
    const async_range_t *range)
{
    unsigned        i, n;
    async_node_t    node;
    const uint8_t  *key;

    n = async_page_nodes(page);

    /* the first key of a branch is not written down */

    for (i = level > 1 ? 1 : 0; i < n; i++) {

        key = async_page_node(pages, page, i, &node);

        if (key == NULL
            || (range->low != NULL
                && async_key_compare(key, node.key, range->low,
                                     range->low_len) < 0)
            || (range->high != NULL
                && async_key_compare(key, node.key, range->high,
                                     range->high_len) >= 0))
        {
            return true;
        }
    }

    return false;
}


static void
async_pages_branch(async_pages_t *pages, async_walk_t *walk,
    const uint8_t *page, unsigned level, const async_range_t *range)
{
    unsigned        i, n;
    async_node_t    node, next;
    async_range_t   part;
    const uint8_t  *key;

    n = async_page_nodes(page);
    part = *range;

    for (i = 0; i < n; i++) {

        key = async_page_node(pages, page, i, &node);

        if (key == NULL) {
            async_pages_fault(pages, walk);
            continue;
        }

        if (i > 0) {
            part.low = key;
            part.low_len = node.key;
        }

        part.high = range->high;
        part.high_len = range->high_len;

        if (i + 1 < n
            && (key = async_page_node(pages, page, i + 1, &next)) != NULL)
        {
            part.high = key;
            part.high_len = next.key;
        }

        async_pages_step(pages, walk,
                         async_node_page(&node), level - 1, &part);
    }
}


bool
async_pages_last(async_pages_t *pages, const async_tree_t *tree,
    uint8_t *key, size_t len)
{
    bool            found;
    uint8_t        *page;
    uint64_t        n;
    unsigned        level;
    async_node_t    node;
    const uint8_t  *data;

    page = malloc(pages->page);

    if (page == NULL) {
        pages->rc = ASYNC_NO_SPACE;
        return false;
    }

    n = tree->root;
    found = false;

    for (level = tree->depth; level > 0 && level <= ASYNC_PAGES_DEPTH;
         level--)
    {
        if (n < 2 || !async_pages_read(pages, n, page)
            || !async_page_valid(pages, page, n, level > 1
                                 ? ASYNC_PAGE_BRANCH : ASYNC_PAGE_LEAF))
        {
            break;
        }

        data = async_page_node(pages, page, async_page_nodes(page) - 1,
                               &node);

        if (data == NULL) {
            break;
        }

        if (level == 1 && node.key == len) {
            memcpy(key, data, len);
            found = true;
        }

        n = async_node_page(&node);
    }

    free(page);

    return found;
}


/* --- what no tree reaches --- */

void
async_pages_scan(async_pages_t *pages, bool skip_unused, async_pages_fn fn,
    async_pages_progress_fn progress, void *data)
{
    uint64_t  n;

    for (n = 2; n < pages->n && pages->rc == ASYNC_OK; n++) {

        if (progress != NULL && n % ASYNC_SCAN_EVERY == 0) {
            progress(data, n, pages->n);
        }

        if (async_bit(pages->seen, n)
            || (skip_unused && async_bit(pages->unused, n)))
        {
            continue;
        }

        (void) async_pages_leaf(pages, n, fn, data);
    }
}


bool
async_pages_leaf(async_pages_t *pages, uint64_t n, async_pages_fn fn,
    void *data)
{
    bool           valid;
    uint8_t       *page;
    async_walk_t   walk = { .fn = fn, .data = data, .old = true };

    page = malloc(pages->page);

    if (page == NULL) {
        pages->rc = ASYNC_NO_SPACE;
        return false;
    }

    valid = async_pages_read(pages, n, page)
            && async_page_valid(pages, page, n, ASYNC_PAGE_LEAF);

    if (valid) {
        async_pages_rows(pages, &walk, page, async_page_nodes(page), true);
    }

    free(page);

    return valid;
}


/* --- free pages --- */

bool
async_pages_unused(async_pages_t *pages, const async_pages_meta_t *meta)
{
    async_unused_t  unused = { .pages = pages, .last = meta->last,
                               .sound = true };
    async_walk_t    walk = { .fn = async_unused_row, .data = &unused };

    async_pages_walk(pages, &meta->free, &walk);

    return unused.sound && async_pages_whole(&meta->free, &walk);
}


/* number of pages, then the pages, highest first */

static void
async_unused_row(void *data, const async_pages_row_t *row)
{
    size_t           i, n, part, at;
    uint64_t         below;
    async_unused_t  *unused = data;
    async_pages_t   *pages = unused->pages;
    const uint8_t   *p;

    if (row->len < 8 || row->len % 8 != 0 || row->subdata) {
        unused->sound = false;
        return;
    }

    n = row->len / 8;
    below = UINT64_MAX;

    for (at = 0; at < n && unused->sound; at += part) {

        part = n - at;

        if (row->value != NULL) {
            p = row->value + 8 * at;

        } else {
            part = part < pages->page / 8 ? part : pages->page / 8;
            p = pages->value;

            if (pread(pages->fd, pages->value, 8 * part,
                      (off_t) (row->overflow * pages->page
                               + ASYNC_PAGES_HEADER + 8 * at))
                != (ssize_t) (8 * part))
            {
                unused->sound = false;
                return;
            }
        }

        for (i = 0; i < part && unused->sound; i++) {

            if (at + i == 0) {
                unused->sound = async_page_u64(p) == n - 1;
                continue;
            }

            unused->sound = async_unused_add(pages,
                                             async_page_u64(p + 8 * i),
                                             below, unused->last);
            below = async_page_u64(p + 8 * i);
        }
    }
}


/* one that the file no longer has is no loss */

static bool
async_unused_add(async_pages_t *pages, uint64_t n, uint64_t below,
    uint64_t last)
{
    if (n < 2 || n > last || n >= below) {
        return false;
    }

    if (n >= pages->n) {
        return true;
    }

    if (async_bit(pages->unused, n)) {
        return false;
    }

    async_bit_set(pages->unused, n, true);

    return true;
}
