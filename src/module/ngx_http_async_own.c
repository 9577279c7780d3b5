
/*
 * GET {status}: an owner's own jobs, newest first, a page at a time.  The
 * store bounds the rows that it looks at for a page, and a page its jobs, so
 * neither time nor memory depends on how many there are.
 */

#include "ngx_http_async_module.h"

#include "async_json.h"
#include "async_query.h"


#define NGX_HTTP_ASYNC_DETAIL  80             /* of what is wrong */


typedef struct {
    ngx_http_request_t  *request;
    async_id_t           ids[ASYNC_QUERY_LIMIT_MAX];
    ngx_uint_t           n;
    ngx_chain_t         *out;                 /* a link for each piece */
    ngx_chain_t        **last;
    size_t               size;
} ngx_http_async_page_t;


static ngx_int_t ngx_http_async_bad_query(ngx_http_request_t *r,
    const char *wrong);
static void ngx_http_async_own_query(const async_query_t *asked,
    u_char *owner, async_own_query_t *query);
static bool ngx_http_async_found_own(void *data, const async_job_t *job);
static ngx_int_t ngx_http_async_add_jobs(ngx_http_async_page_t *page,
    const async_query_t *asked);
static ngx_int_t ngx_http_async_end_page(ngx_http_async_page_t *page,
    const async_own_page_t *own);
static ngx_int_t ngx_http_async_add_piece(ngx_http_async_page_t *page,
    const u_char *data, size_t len);


ngx_int_t
ngx_http_async_own(ngx_http_request_t *r)
{
    u_char                      owner[ASYNC_OWNER];
    const char                 *wrong;
    async_str_t                 args;
    async_view_t               *view;
    async_query_t               asked;
    async_own_page_t            own;
    async_own_query_t           query;
    ngx_http_async_page_t       page;
    ngx_http_async_loc_conf_t  *alcf;

    static ngx_str_t  type = ngx_string("application/json");

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_async_module);

    switch (ngx_http_async_owner(r, alcf, owner)) {

    case NGX_OK:
        break;

    case NGX_ABORT:
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_OWNER_REQUIRED,
                   "It is not known whose jobs these would be.", NULL, 0);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    view = ngx_http_async_view();

    if (view == NULL) {
        return ngx_http_async_unread(r);
    }

    args.data = (char *) r->args.data;
    args.len = r->args.len;

    if (async_query_parse(&asked, args, &wrong) != ASYNC_OK) {
        return ngx_http_async_bad_query(r, wrong);
    }

    ngx_memzero(&page, sizeof(ngx_http_async_page_t));
    page.request = r;
    page.last = &page.out;

    ngx_http_async_own_query(&asked, owner, &query);

    if (async_view_own(view, &query, &own, ngx_http_async_found_own, &page)
        != ASYNC_OK)
    {
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_UNAVAILABLE,
                   "The list cannot be read at present.", NULL, 0);
    }

    if (ngx_http_async_add_jobs(&page, &asked) != NGX_OK
        || ngx_http_async_end_page(&page, &own) != NGX_OK
        || ngx_http_async_set_text(r, "Cache-Control", "no-store") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_chain(r, NGX_HTTP_OK, &type, page.out,
                                      page.size);
}


static ngx_int_t
ngx_http_async_bad_query(ngx_http_request_t *r, const char *wrong)
{
    u_char  detail[NGX_HTTP_ASYNC_DETAIL];

    ngx_snprintf(detail, sizeof(detail),
                 "\"%s\" was given a value that it cannot have.%Z",
                 wrong ? wrong : "query");

    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_QUERY_INVALID,
                                        (char *) detail, NULL, 0);
}


static void
ngx_http_async_own_query(const async_query_t *asked, u_char *owner,
    async_own_query_t *query)
{
    ngx_memzero(query, sizeof(async_own_query_t));

    query->owner.data = (char *) owner;
    query->owner.len = ASYNC_OWNER;
    query->state = asked->status;
    query->queue.data = asked->queue;
    query->queue.len = asked->queue_len;
    query->limit = asked->limit;

    if (asked->has_cursor) {
        query->before.set = true;
        query->before.bucket = asked->cursor.bucket;
        query->before.id = asked->cursor.id;
    }
}


static bool
ngx_http_async_found_own(void *data, const async_job_t *job)
{
    ngx_http_async_page_t *page = data;

    if (page->n == ASYNC_QUERY_LIMIT_MAX) {
        return false;
    }

    /* nobody is told of it, and so is not he whose it is */

    if (job->flags & ASYNC_JOB_FORGET) {
        return true;
    }

    page->ids[page->n++] = job->id;

    return true;
}


/*
 * Each is read again, since what is told of it may need other looks at the
 * store; one that has changed meanwhile, so that it was not asked for, is
 * left out.
 */

static ngx_int_t
ngx_http_async_add_jobs(ngx_http_async_page_t *page,
    const async_query_t *asked)
{
    size_t             len;
    u_char            *p;
    ngx_uint_t         i;
    async_job_t        job;
    async_view_t      *view;
    async_estimate_t   estimate;

    static uint8_t  record[ASYNC_JOB_MAX];
    static u_char   buf[sizeof("{\"jobs\":[") + ASYNC_JSON_JOB_MAX];

    view = ngx_http_async_view();
    p = ngx_cpymem(buf, "{\"jobs\":[", sizeof("{\"jobs\":[") - 1);

    for (i = 0; i < page->n; i++) {

        if (async_view_job(view, &page->ids[i], &job, record) != ASYNC_OK
            || (asked->status != ASYNC_STATE_NONE
                && job.state != asked->status))
        {
            continue;
        }

        ngx_http_async_estimate(&job, &estimate);

        len = ngx_http_async_job_json(page->request, &job, &estimate, p,
                                      ASYNC_JSON_JOB_MAX);

        if (len == 0
            || ngx_http_async_add_piece(page, buf, p + len - buf) != NGX_OK)
        {
            return NGX_ERROR;
        }

        buf[0] = ',';
        p = buf + 1;
    }

    return page->out ? NGX_OK : ngx_http_async_add_piece(page, buf, p - buf);
}


static ngx_int_t
ngx_http_async_end_page(ngx_http_async_page_t *page,
    const async_own_page_t *own)
{
    u_char          end[sizeof("],\"nextCursor\":\"\"}") + ASYNC_CURSOR_TEXT];
    u_char         *p;
    async_cursor_t  cursor;

    p = end;
    *p++ = ']';

    if (own->more) {
        cursor.bucket = own->last.bucket;
        cursor.id = own->last.id;

        p = ngx_cpymem(p, ",\"nextCursor\":\"",
                       sizeof(",\"nextCursor\":\"") - 1);
        p = (u_char *) async_cursor_format((char *) p, &cursor);
        *p++ = '"';
    }

    *p++ = '}';

    return ngx_http_async_add_piece(page, end, p - end);
}


static ngx_int_t
ngx_http_async_add_piece(ngx_http_async_page_t *page, const u_char *data,
    size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_create_temp_buf(page->request->pool, len);
    cl = ngx_alloc_chain_link(page->request->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_cpymem(b->last, data, len);

    cl->buf = b;
    cl->next = NULL;

    *page->last = cl;
    page->last = &cl->next;
    page->size += len;

    return NGX_OK;
}
