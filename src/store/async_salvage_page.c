/*
 * Pages, one by one.  Numbers are in the byte order of the machine, as LMDB
 * writes them; none is used before it was compared with the file's bounds.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_payload.h"
#include "async_salvage_page.h"


#define ASYNC_PAGES_NODE      8
#define ASYNC_PAGES_MAX       65536
#define ASYNC_PAGES_KEY_MAX   511
#define ASYNC_PAGES_MAGIC     0xBEEFC0DEu
#define ASYNC_PAGES_VERSION   1

#define ASYNC_NODE_BIG        0x01
#define ASYNC_NODE_SUBDATA    0x02


static async_rc_t async_pages_init(async_pages_t *pages, async_error_t *err);
static bool async_pages_metas(async_pages_t *pages, uint32_t page);
static void async_pages_meta(async_pages_t *pages, unsigned i,
    uint32_t page);
static bool async_page_bounds(const async_pages_t *pages,
    const uint8_t *page);
static bool async_pages_row(async_pages_t *pages, async_walk_t *walk,
    const uint8_t *data, size_t room, const async_node_t *node,
    async_pages_row_t *row);
static bool async_pages_big(async_pages_t *pages, async_walk_t *walk,
    uint64_t n, async_pages_row_t *row);


uint16_t
async_page_u16(const uint8_t *p)
{
    uint16_t  v;

    memcpy(&v, p, sizeof(v));

    return v;
}


static uint32_t
async_page_u32(const uint8_t *p)
{
    uint32_t  v;

    memcpy(&v, p, sizeof(v));

    return v;
}


uint64_t
async_page_u64(const uint8_t *p)
{
    uint64_t  v;

    memcpy(&v, p, sizeof(v));

    return v;
}


bool
async_bit(const uint8_t *bits, uint64_t n)
{
    return bits[n / 8] & (1u << (n % 8));
}


void
async_bit_set(uint8_t *bits, uint64_t n, bool on)
{
    uint8_t  mask;

    mask = (uint8_t) (1u << (n % 8));

    if (on) {
        bits[n / 8] |= mask;

    } else {
        bits[n / 8] &= (uint8_t) ~mask;
    }
}


/* --- the file --- */

async_rc_t
async_pages_open(async_pages_t *pages, int dir_fd, const char *name,
    async_error_t *err)
{
    async_rc_t   rc;
    struct stat  st;

    memset(pages, 0, sizeof(async_pages_t));

    pages->fd = openat(dir_fd, name, O_RDONLY|O_CLOEXEC|O_NOFOLLOW);

    if (pages->fd == -1) {
        async_error_set(err, "cannot open \"%s\": %s", name, strerror(errno));
        return errno == ENOENT ? ASYNC_NOT_FOUND : ASYNC_UNAVAILABLE;
    }

    if (fstat(pages->fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        async_error_set(err, "\"%s\" is not a file", name);
        rc = ASYNC_UNAVAILABLE;

    } else if (st.st_size == 0) {
        async_error_set(err, "\"%s\" is empty: there is nothing to salvage",
                        name);
        rc = ASYNC_CORRUPT;

    } else {
        pages->size = (uint64_t) st.st_size;
        rc = async_pages_init(pages, err);
    }

    if (rc != ASYNC_OK) {
        async_pages_close(pages);
    }

    return rc;
}


static async_rc_t
async_pages_init(async_pages_t *pages, async_error_t *err)
{
    bool      found;
    long      page;
    uint32_t  try;

    page = sysconf(_SC_PAGESIZE);
    found = page <= ASYNC_PAGES_MAX
            && async_pages_metas(pages, (uint32_t) page);

    for (try = 4096; !found && try <= ASYNC_PAGES_MAX; try *= 2) {
        found = async_pages_metas(pages, try);
    }

    if (!found) {
        pages->page = page <= ASYNC_PAGES_MAX ? (uint32_t) page : 4096;
    }

    pages->n = pages->size / pages->page;

    pages->seen = calloc(1, pages->n / 8 + 1);
    pages->unused = calloc(1, pages->n / 8 + 1);
    pages->value = malloc(pages->page);

    if (pages->seen == NULL || pages->unused == NULL || pages->value == NULL)
    {
        async_error_set(err, "no memory for the pages of a file of %llu "
                        "bytes", (unsigned long long) pages->size);
        return ASYNC_NO_SPACE;
    }

    return ASYNC_OK;
}


void
async_pages_close(async_pages_t *pages)
{
    if (pages->fd != -1) {
        close(pages->fd);
        pages->fd = -1;
    }

    free(pages->seen);
    free(pages->unused);
    free(pages->value);

    pages->seen = NULL;
    pages->unused = NULL;
    pages->value = NULL;
}


void
async_pages_again(async_pages_t *pages)
{
    memset(pages->seen, 0, pages->n / 8 + 1);

    pages->damaged = 0;
    pages->conflict = false;
}


/* true if one of the two is there, for pages of this size */

static bool
async_pages_metas(async_pages_t *pages, uint32_t page)
{
    pages->page = page;

    async_pages_meta(pages, 0, page);
    async_pages_meta(pages, 1, page);

    return pages->meta[0].valid || pages->meta[1].valid;
}


static void
async_pages_meta(async_pages_t *pages, unsigned i, uint32_t page)
{
    uint8_t              buf[ASYNC_PAGES_HEADER + 136], *p;
    async_pages_meta_t  *meta;

    meta = &pages->meta[i];
    meta->valid = false;

    if (pread(pages->fd, buf, sizeof(buf), (off_t) i * page)
        != (ssize_t) sizeof(buf))
    {
        return;
    }

    p = buf + ASYNC_PAGES_HEADER;

    /* magic, version, address, size of the map, free, main, last, txn */

    if (async_page_u64(buf) != i
        || async_page_u16(buf + 10) != ASYNC_PAGE_META
        || async_page_u32(p) != ASYNC_PAGES_MAGIC
        || async_page_u32(p + 4) != ASYNC_PAGES_VERSION
        || async_page_u32(p + 24) != page)
    {
        return;
    }

    async_pages_tree(p + 24, &meta->free);
    async_pages_tree(p + 24 + ASYNC_PAGES_TREE, &meta->main);

    meta->last = async_page_u64(p + 120);
    meta->txn = async_page_u64(p + 128);
    meta->valid = true;
}


void
async_pages_tree(const uint8_t *data, async_tree_t *tree)
{
    tree->depth = async_page_u16(data + 6);
    tree->branches = async_page_u64(data + 8);
    tree->leaves = async_page_u64(data + 16);
    tree->overflows = async_page_u64(data + 24);
    tree->entries = async_page_u64(data + 32);
    tree->root = async_page_u64(data + 40);
}


bool
async_pages_read(async_pages_t *pages, uint64_t n, uint8_t *buf)
{
    return n < pages->n
           && pread(pages->fd, buf, pages->page, (off_t) (n * pages->page))
              == (ssize_t) pages->page;
}


/* --- one page --- */

bool
async_page_valid(const async_pages_t *pages, const uint8_t *page, uint64_t n,
    uint16_t flags)
{
    return async_page_u64(page) == n
           && async_page_flags(page) == flags
           && async_page_bounds(pages, page);
}


static bool
async_page_bounds(const async_pages_t *pages, const uint8_t *page)
{
    uint16_t  lower, upper;

    lower = async_page_u16(page + 12);
    upper = async_page_u16(page + 14);

    /* a page without a row is none */

    return lower > ASYNC_PAGES_HEADER && lower % 2 == 0
           && lower <= upper && upper <= pages->page;
}


unsigned
async_page_flags(const uint8_t *page)
{
    return async_page_u16(page + 10);
}


unsigned
async_page_nodes(const uint8_t *page)
{
    return (async_page_u16(page + 12) - ASYNC_PAGES_HEADER) / 2u;
}


/*
 * How many offsets there may be where the header is not to be trusted, unless
 * it seems to be right in that: they end at the latest where the first node
 * begins.
 */

unsigned
async_page_guess(const async_pages_t *pages, const uint8_t *page)
{
    size_t    end;
    uint16_t  at;
    unsigned  i;

    if (async_page_bounds(pages, page)) {
        return async_page_nodes(page);
    }

    end = pages->page;

    for (i = 0; ASYNC_PAGES_HEADER + 2u * (i + 1) <= end; i++) {

        at = async_page_u16(page + ASYNC_PAGES_HEADER + 2u * i);

        if (at >= ASYNC_PAGES_HEADER && at < end) {
            end = at;
        }
    }

    return i;
}


/* the node's key, with all that it says of its own length inside the page */

const uint8_t *
async_page_node(const async_pages_t *pages, const uint8_t *page, unsigned i,
    async_node_t *node)
{
    size_t          at;
    const uint8_t  *p;

    at = async_page_u16(page + ASYNC_PAGES_HEADER + 2u * i);

    if (at < ASYNC_PAGES_HEADER || at % 2 != 0
        || at + ASYNC_PAGES_NODE > pages->page)
    {
        return NULL;
    }

    p = page + at;

    node->lo = async_page_u16(p);
    node->hi = async_page_u16(p + 2);
    node->flags = async_page_u16(p + 4);
    node->key = async_page_u16(p + 6);

    if (at + ASYNC_PAGES_NODE + node->key > pages->page) {
        return NULL;
    }

    return p + ASYNC_PAGES_NODE;
}


uint64_t
async_node_page(const async_node_t *node)
{
    return node->lo | (uint64_t) node->hi << 16 | (uint64_t) node->flags << 32;
}


void
async_pages_rows(async_pages_t *pages, async_walk_t *walk,
    const uint8_t *page, unsigned nodes, bool sure)
{
    unsigned            i;
    async_node_t        node;
    const uint8_t      *data;
    async_pages_row_t   row;

    for (i = 0; i < nodes; i++) {

        data = async_page_node(pages, page, i, &node);

        if (data == NULL
            || !async_pages_row(pages, walk, data,
                                (size_t) (page + pages->page - data), &node,
                                &row))
        {
            async_pages_fault(pages, walk);
            continue;
        }

        row.sure = sure;
        walk->found.entries++;

        if (walk->fn != NULL) {
            walk->fn(walk->data, &row);
        }
    }
}


static bool
async_pages_row(async_pages_t *pages, async_walk_t *walk,
    const uint8_t *data, size_t room, const async_node_t *node,
    async_pages_row_t *row)
{
    size_t  stored;

    row->key = data;
    row->key_len = node->key;
    row->len = node->lo | (size_t) node->hi << 16;
    row->overflow = 0;
    row->subdata = node->flags & ASYNC_NODE_SUBDATA;

    stored = node->flags & ASYNC_NODE_BIG ? 8 : row->len;

    if (node->key == 0 || node->key > ASYNC_PAGES_KEY_MAX
        || node->flags & ~(ASYNC_NODE_BIG|ASYNC_NODE_SUBDATA)
        || stored > room - node->key
        || (row->subdata && stored != ASYNC_PAGES_TREE))
    {
        return false;
    }

    if (node->flags & ASYNC_NODE_BIG) {
        return async_pages_big(pages, walk, async_page_u64(data + node->key),
                               row);
    }

    row->value = data + node->key;

    return true;
}


/*
 * A value on pages of its own.  Their header is not needed to read it, and a
 * wrong byte in the value is found by whoever knows its checksum.
 */

static bool
async_pages_big(async_pages_t *pages, async_walk_t *walk, uint64_t n,
    async_pages_row_t *row)
{
    uint8_t   header[ASYNC_PAGES_HEADER];
    uint64_t  count, i;

    count = (ASYNC_PAGES_HEADER - 1 + row->len) / pages->page + 1;

    if (n < 2 || n >= pages->n || count > pages->n - n) {
        return false;
    }

    if (pread(pages->fd, header, sizeof(header), (off_t) (n * pages->page))
            != (ssize_t) sizeof(header)
        || async_page_u64(header) != n
        || async_page_u16(header + 10) != ASYNC_PAGE_OVERFLOW
        || async_page_u32(header + 12) != count)
    {
        /* if the pointer is wrong, the page belongs to somebody else */

        async_pages_fault(pages, walk);

    } else {
        for (i = n; i < n + count; i++) {
            async_bit_set(pages->seen, i, true);
        }

        walk->found.overflows += count;
    }

    row->overflow = n;
    row->value = NULL;

    if (row->len > ASYNC_CHUNK || row->len > pages->page) {
        return true;
    }

    row->value = pages->value;

    return pread(pages->fd, pages->value, row->len,
                 (off_t) (n * pages->page + ASYNC_PAGES_HEADER))
           == (ssize_t) row->len;
}


void
async_pages_fault(async_pages_t *pages, async_walk_t *walk)
{
    walk->faults++;
    pages->damaged++;
}
