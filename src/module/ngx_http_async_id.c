
/*
 * Ids of new jobs.
 */

#include "ngx_http_async_module.h"

#include <sys/random.h>


#define NGX_HTTP_ASYNC_IDS     256
#define NGX_HTTP_ASYNC_IDS_MS  64         /* so many may come in one ms */


static ngx_int_t ngx_http_async_draw_ids(async_id_t *ids);
static ngx_int_t ngx_http_async_draw(uint8_t *p, size_t n);
static int ngx_libc_cdecl ngx_http_async_cmp_ids(const void *one,
    const void *two);


/*
 * Their random bits are drawn for many at once, since a system call for each
 * would cost more than the id, and handed out from the least on.  So the ids
 * of a millisecond rise, as those of different ones do: rows that are added at
 * the end of a tree fill its pages, and those that are not fill two thirds.
 * New ones are drawn between two milliseconds, if possible.
 */

ngx_int_t
ngx_http_async_make_id(async_id_t *id, int64_t now)
{
    async_id_t         *next;
    static async_id_t   ids[NGX_HTTP_ASYNC_IDS];     /* without a time */
    static ngx_uint_t   left;
    static int64_t      last;
    static pid_t        pid;

    if (left == 0 || (left < NGX_HTTP_ASYNC_IDS_MS && now != last)
        || pid != ngx_pid)
    {

        if (ngx_http_async_draw_ids(ids) != NGX_OK) {
            return NGX_ERROR;
        }

        left = NGX_HTTP_ASYNC_IDS;
        pid = ngx_pid;
    }

    next = &ids[NGX_HTTP_ASYNC_IDS - left];
    left--;
    last = now;

    async_id_make(id, now,
                  next->bytes + sizeof(next->bytes) - ASYNC_ID_RANDOM);
    ngx_memzero(next, sizeof(async_id_t));

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_draw_ids(async_id_t *ids)
{
    uint8_t     random[NGX_HTTP_ASYNC_IDS][ASYNC_ID_RANDOM];
    ngx_uint_t  i;

    if (ngx_http_async_draw(random[0], sizeof(random)) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_ASYNC_IDS; i++) {
        async_id_make(&ids[i], 0, random[i]);
    }

    ngx_explicit_memzero(random, sizeof(random));

    ngx_qsort(ids, NGX_HTTP_ASYNC_IDS, sizeof(async_id_t),
              ngx_http_async_cmp_ids);

    return NGX_OK;
}


/* a signal may cut it short */

static ngx_int_t
ngx_http_async_draw(uint8_t *p, size_t n)
{
    ssize_t  got;

    while (n) {
        got = getrandom(p, n, 0);

        if (got == -1 && ngx_errno != NGX_EINTR) {
            return NGX_ERROR;
        }

        if (got > 0) {
            p += got;
            n -= (size_t) got;
        }
    }

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_async_cmp_ids(const void *one, const void *two)
{
    return ngx_memcmp(one, two, sizeof(async_id_t));
}
