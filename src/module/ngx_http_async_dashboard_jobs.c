
/*
 * The dashboard's list of jobs, a page at a time:
 *
 *   data/jobs?status=failed&queue=reports&since=TIME&until=TIME&cursor=...
 *
 * and whose they are in a header, since an owner may be a secret and a query
 * is logged.  The store bounds the rows that it looks at for a page.
 */

#include "ngx_http_async_dashboard.h"

#include "async_cursor.h"
#include "async_json_board.h"
#include "async_time.h"

#include <openssl/evp.h>


#define NGX_HTTP_ASYNC_PAGE  50               /* jobs */


static ngx_int_t ngx_http_async_read_search(ngx_http_request_t *r,
    async_list_query_t *query);
static ngx_int_t ngx_http_async_unescape(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_int_t ngx_http_async_read_state(ngx_str_t *value, uint8_t *state);
static ngx_int_t ngx_http_async_read_time(ngx_str_t *value, int64_t *ms);
static ngx_int_t ngx_http_async_read_place(ngx_str_t *value,
    async_list_place_t *place);
static ngx_int_t ngx_http_async_read_owner(ngx_http_request_t *r,
    async_str_t *owner);
static bool ngx_http_async_add_job(void *data, const async_job_t *job);
static void ngx_http_async_add_cursor(ngx_http_async_doc_t *doc,
    const async_list_page_t *page);


ngx_int_t
ngx_http_async_jobs(ngx_http_request_t *r)
{
    async_list_page_t     page;
    async_list_query_t    query;
    ngx_http_async_doc_t  doc;

    ngx_memzero(&query, sizeof(async_list_query_t));
    query.limit = NGX_HTTP_ASYNC_PAGE;

    switch (ngx_http_async_read_search(r, &query)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_QUERY_INVALID,
                   "What is searched for cannot be understood.", NULL, 0);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_async_doc_init(&doc, r);
    ngx_http_async_doc_literal(&doc, "{\"jobs\":[");

    if (async_view_list(ngx_http_async_view(), &query, &page,
                        ngx_http_async_add_job, &doc)
        != ASYNC_OK)
    {
        return ngx_http_async_unread(r);
    }

    ngx_http_async_add_cursor(&doc, &page);

    return ngx_http_async_doc_reply(&doc, r);
}


/* NGX_DECLINED: there is a value that its argument cannot have */

static ngx_int_t
ngx_http_async_read_search(ngx_http_request_t *r, async_list_query_t *query)
{
    ngx_str_t  status, queue, since, until, cursor;

    if (ngx_http_async_read_arg(r, "status", &status) != NGX_OK
        || ngx_http_async_read_arg(r, "queue", &queue) != NGX_OK
        || ngx_http_async_read_arg(r, "since", &since) != NGX_OK
        || ngx_http_async_read_arg(r, "until", &until) != NGX_OK
        || ngx_http_async_read_arg(r, "cursor", &cursor) != NGX_OK)
    {
        return NGX_ERROR;
    }

    query->queue.data = (char *) queue.data;
    query->queue.len = queue.len;

    if (ngx_http_async_read_state(&status, &query->state) != NGX_OK
        || ngx_http_async_read_time(&since, &query->since) != NGX_OK
        || ngx_http_async_read_time(&until, &query->until) != NGX_OK
        || ngx_http_async_read_place(&cursor, &query->before) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_http_async_read_owner(r, &query->owner);
}


ngx_int_t
ngx_http_async_read_arg(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), value) != NGX_OK) {
        ngx_str_null(value);
        return NGX_OK;
    }

    return ngx_http_async_unescape(r, value);
}


/* as a form encodes: "+" is a space */

static ngx_int_t
ngx_http_async_unescape(ngx_http_request_t *r, ngx_str_t *value)
{
    size_t   i;
    u_char  *dst, *src, *copy;

    if (value->len == 0) {
        return NGX_OK;
    }

    copy = ngx_pnalloc(r->pool, 2 * value->len);
    if (copy == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < value->len; i++) {
        copy[i] = value->data[i] == '+' ? ' ' : value->data[i];
    }

    src = copy;
    dst = copy + value->len;

    ngx_unescape_uri(&dst, &src, value->len, 0);

    value->data = copy + value->len;
    value->len = dst - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_read_state(ngx_str_t *value, uint8_t *state)
{
    int          i;
    const char  *name;

    *state = ASYNC_STATE_NONE;

    if (value->len == 0) {
        return NGX_OK;
    }

    for (i = ASYNC_STATE_NONE + 1; i < ASYNC_STATE_MAX; i++) {
        name = async_state_name((async_state_t) i);

        if (ngx_strlen(name) == value->len
            && ngx_memcmp(name, value->data, value->len) == 0)
        {
            *state = (uint8_t) i;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_async_read_time(ngx_str_t *value, int64_t *ms)
{
    *ms = 0;

    return value->len == 0
           || async_time_parse(ms, (char *) value->data, value->len)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_async_read_place(ngx_str_t *value, async_list_place_t *place)
{
    async_cursor_t  cursor;

    if (value->len == 0) {
        return NGX_OK;
    }

    if (!async_cursor_parse(&cursor, (char *) value->data, value->len)) {
        return NGX_ERROR;
    }

    place->set = true;
    place->created = (int64_t) cursor.bucket;
    place->id = cursor.id;

    return NGX_OK;
}


/* the store knows owners by their hash only */

static ngx_int_t
ngx_http_async_read_owner(ngx_http_request_t *r, async_str_t *owner)
{
    u_char     *digest;
    ngx_str_t   value, *header;

    ngx_str_null(&value);

    header = ngx_http_async_header(r, "Async-Dashboard-Owner");

    if (header) {
        value = *header;
    }

    if (ngx_http_async_unescape(r, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        return NGX_OK;
    }

    digest = ngx_pnalloc(r->pool, EVP_MAX_MD_SIZE);

    if (digest == NULL
        || EVP_Digest(value.data, value.len, digest, NULL, EVP_sha256(), NULL)
           != 1)
    {
        return NGX_ERROR;
    }

    owner->data = (char *) digest;
    owner->len = ASYNC_OWNER;

    return NGX_OK;
}


static bool
ngx_http_async_add_job(void *data, const async_job_t *job)
{
    size_t  len;

    static char  buf[ASYNC_JSON_BOARD_JOB_MAX];

    len = async_json_board_job(buf, sizeof(buf), job, NULL);

    ngx_http_async_doc_item(data, buf, len);

    return true;
}


static void
ngx_http_async_add_cursor(ngx_http_async_doc_t *doc,
    const async_list_page_t *page)
{
    char            text[ASYNC_CURSOR_TEXT];
    async_cursor_t  cursor;

    if (!page->more) {
        ngx_http_async_doc_literal(doc, "]}");
        return;
    }

    cursor.bucket = (uint64_t) page->last.created;
    cursor.id = page->last.id;

    (void) async_cursor_format(text, &cursor);

    ngx_http_async_doc_literal(doc, "],\"nextCursor\":\"");
    ngx_http_async_doc_add(doc, text, ASYNC_CURSOR_TEXT);
    ngx_http_async_doc_literal(doc, "\"}");
}
