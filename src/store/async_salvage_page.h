/*
 * Private to src/store: LMDB's file, format of 0.9, read page by page without
 * LMDB and without trust in anything that it says.
 *
 *   page 0, 1      meta: the roots of two trees, the last two transactions
 *   branch, leaf   16 bytes of header, offsets of nodes, room, nodes
 *   overflow       16 bytes of header, one value of a leaf
 *
 * One tree is the list of free pages, the other holds a record for each named
 * database, with the root of a tree of its own.  A page is never changed in
 * place: a transaction writes new ones and frees the old.  So what no tree
 * reaches and the list does not name is lost from the newest state; what the
 * list names is of an older one.
 *
 * Every page is read at most once for all walks and scans together, so that
 * no ring of pointers keeps anybody; memory is two bits for each page.
 */

#ifndef ASYNC_SALVAGE_PAGE_H
#define ASYNC_SALVAGE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "async_rc.h"


#define ASYNC_PAGES_DEPTH  32          /* LMDB's own limit */

/* what is written about a tree; root UINT64_MAX is an empty one */
typedef struct {
    uint16_t  depth;
    uint64_t  branches;
    uint64_t  leaves;
    uint64_t  overflows;
    uint64_t  entries;
    uint64_t  root;
} async_tree_t;

typedef struct {
    bool          valid;
    uint64_t      txn;
    uint64_t      last;                /* page */
    async_tree_t  free;
    async_tree_t  main;
} async_pages_meta_t;

typedef struct {
    int                  fd;
    uint64_t             size;         /* bytes of the file */
    uint32_t             page;         /* bytes of a page */
    uint64_t             n;            /* whole pages in the file */
    async_pages_meta_t   meta[2];
    uint8_t             *seen;         /* bits: was read */
    uint8_t             *unused;       /* bits: in the list of free pages */
    uint8_t             *value;        /* a page of room */
    uint64_t             damaged;      /* pages and pointers that were bad */
    bool                 conflict;     /* a tree reached an unused page */
    async_rc_t           rc;           /* why it could not go on */
} async_pages_t;

/* a row of a leaf; all borrowed for the call */
typedef struct {
    const uint8_t  *key;
    size_t          key_len;
    const uint8_t  *value;             /* NULL: longer than ours are; at
                                          overflow */
    size_t          len;
    uint64_t        overflow;          /* page, 0 = none */
    bool            subdata;           /* value is the record of a tree */
    bool            sure;              /* nothing about its page is odd */
} async_pages_row_t;

typedef void (*async_pages_fn)(void *data, const async_pages_row_t *row);

/* how to walk; what was found is filled in */
typedef struct {
    async_pages_fn   fn;               /* may be NULL: to count */
    void            *data;
    bool             old;              /* a tree of the past: its pages may be
                                          unused or were read already */
    async_tree_t     found;
    uint64_t         faults;
} async_walk_t;


/* ASYNC_NOT_FOUND: no such file; ASYNC_CORRUPT: nothing of LMDB's in it */
async_rc_t async_pages_open(async_pages_t *pages, int dir_fd,
    const char *name, async_error_t *err);
void async_pages_close(async_pages_t *pages);
/* forgets which pages were read */
void async_pages_again(async_pages_t *pages);

/* the record of a tree, as it stands in meta pages and in the main tree */
void async_pages_tree(const uint8_t *data, async_tree_t *tree);
#define ASYNC_PAGES_TREE  48           /* bytes of it */

void async_pages_walk(async_pages_t *pages, const async_tree_t *tree,
    async_walk_t *walk);
/* true if the walk found what the record about the tree says */
bool async_pages_whole(const async_tree_t *tree, const async_walk_t *walk);
/* rows of all leaves that were not read yet, without those unused ones */
typedef void (*async_pages_progress_fn)(void *data, uint64_t done,
    uint64_t total);

void async_pages_scan(async_pages_t *pages, bool skip_unused,
    async_pages_fn fn, async_pages_progress_fn progress, void *data);
/* reads the list of free pages; true if it is whole and makes sense */
bool async_pages_unused(async_pages_t *pages, const async_pages_meta_t *meta);
/* a leaf that stands alone: its rows; false if page n is none */
bool async_pages_leaf(async_pages_t *pages, uint64_t n, async_pages_fn fn,
    void *data);
/* the last key of a tree; false if the way to it is damaged */
bool async_pages_last(async_pages_t *pages, const async_tree_t *tree,
    uint8_t *key, size_t len);


/* --- one page, between the two files that know it --- */

#define ASYNC_PAGES_HEADER    16

#define ASYNC_PAGE_BRANCH     0x01       /* flags of a page */
#define ASYNC_PAGE_LEAF       0x02
#define ASYNC_PAGE_OVERFLOW   0x04
#define ASYNC_PAGE_META       0x08

typedef struct {
    uint16_t  lo, hi, flags, key;
} async_node_t;

uint16_t async_page_u16(const uint8_t *p);
uint64_t async_page_u64(const uint8_t *p);
bool async_bit(const uint8_t *bits, uint64_t n);
void async_bit_set(uint8_t *bits, uint64_t n, bool on);

/* false if the file has no such page */
bool async_pages_read(async_pages_t *pages, uint64_t n, uint8_t *buf);
/* its header is that of page n, and of this kind */
bool async_page_valid(const async_pages_t *pages, const uint8_t *page,
    uint64_t n, uint16_t flags);
unsigned async_page_flags(const uint8_t *page);
unsigned async_page_nodes(const uint8_t *page);
/* the same where the header is not to be trusted: not less */
unsigned async_page_guess(const async_pages_t *pages, const uint8_t *page);
/* the node's key, inside the page; NULL if it is not */
const uint8_t *async_page_node(const async_pages_t *pages,
    const uint8_t *page, unsigned i, async_node_t *node);
uint64_t async_node_page(const async_node_t *node);
/* gives the rows of a leaf to walk->fn */
void async_pages_rows(async_pages_t *pages, async_walk_t *walk,
    const uint8_t *page, unsigned nodes, bool sure);
void async_pages_fault(async_pages_t *pages, async_walk_t *walk);


#endif /* ASYNC_SALVAGE_PAGE_H */
