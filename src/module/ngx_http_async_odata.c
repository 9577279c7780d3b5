
/*
 * The status monitor of OData (4.01 Protocol, section 11.6): unfinished it is
 * 202, and then the response itself, always with the status 200, or that
 * response as a whole message.  Durable Functions' clients poll like that,
 * too.
 */

#include "ngx_http_async_module.h"

#include "async_accept.h"
#include "async_feed.h"
#include "async_json.h"


/* status line, our own Content-Type, Content-Length, and the empty line */
#define NGX_HTTP_ASYNC_MESSAGE_LINES  256


static ngx_int_t ngx_http_async_odata_unfinished(ngx_http_request_t *r,
    async_job_t *job);
static ngx_int_t ngx_http_async_odata_removed(ngx_http_request_t *r,
    const async_id_t *id, async_rc_t rc);
static ngx_int_t ngx_http_async_odata_canceled(ngx_http_request_t *r,
    const async_id_t *id, async_rc_t rc);
static ngx_uint_t ngx_http_async_odata_deleted(async_job_t *job);
static bool ngx_http_async_odata_by(void *data, uint64_t seq,
    const async_trail_t *t);
static ngx_int_t ngx_http_async_odata_own(ngx_http_request_t *r,
    ngx_uint_t status, const char *code, async_str_t text);
static ngx_uint_t ngx_http_async_odata_whole(ngx_http_request_t *r);
static u_char *ngx_http_async_message_begin(u_char *p, ngx_uint_t status);
static u_char *ngx_http_async_message_end(u_char *p, ngx_uint_t status,
    off_t len);


ngx_int_t
ngx_http_async_odata(ngx_http_request_t *r, async_job_t *job)
{
    async_str_t             text;
    ngx_http_async_mark_t  *mark;

    if (job->state == ASYNC_STATE_CANCELED
        && ngx_http_async_odata_deleted(job))
    {
        return ngx_http_async_no_job(r);
    }

    if (ngx_http_async_set_text(r, "Vary", "Accept, OData-MaxVersion")
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!async_state_final(job->state)) {
        return ngx_http_async_odata_unfinished(r, job);
    }

    if (job->state == ASYNC_STATE_CANCELED) {
        text = (async_str_t) async_str("The job was canceled.");

        return ngx_http_async_odata_own(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                   async_problem_code(ASYNC_PROBLEM_JOB_CANCELED), text);
    }

    if (ngx_http_async_result_gone(job)) {
        return ngx_http_async_reply_gone(r, job);
    }

    if (job->result_status == 0) {
        return ngx_http_async_odata_own(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                   async_job_error_name((async_job_error_t) job->error),
                   job->detail);
    }

    mark = ngx_http_async_make_mark(r);
    if (mark == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    mark->form = ngx_http_async_odata_whole(r) ? NGX_HTTP_ASYNC_MESSAGE
                                               : NGX_HTTP_ASYNC_MONITOR;

    return ngx_http_async_response(r, job);
}


static ngx_int_t
ngx_http_async_odata_unfinished(ngx_http_request_t *r, async_job_t *job)
{
    if (ngx_http_async_set_links(r, job) != NGX_OK
        || ngx_http_async_set_text(r, "Cache-Control", "no-cache") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_job(r, NGX_HTTP_ACCEPTED, job, NULL);
}


/*
 * A monitor that was deleted is gone.  What runs cannot be canceled at once,
 * which is what 204 would say.
 */

ngx_int_t
ngx_http_async_odata_delete(ngx_http_request_t *r, async_job_t *job)
{
    if (job->state == ASYNC_STATE_CANCELED
        && ngx_http_async_odata_deleted(job))
    {
        return ngx_http_async_no_job(r);
    }

    if (async_state_final(job->state)) {
        return ngx_http_async_act(r, ASYNC_EVENT_FORGOTTEN, &job->id,
                                  ngx_http_async_odata_removed);
    }

    if (job->state != ASYNC_STATE_PROCESSING) {
        return ngx_http_async_act(r, ASYNC_EVENT_CANCEL_REQUESTED, &job->id,
                                  ngx_http_async_odata_canceled);
    }

    if (ngx_http_async_set_text(r, "Allow", "GET, HEAD, OPTIONS") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_METHOD_NOT_ALLOWED,
               "The job runs, it cannot be deleted before it has ended.",
               &job->id, 0);
}


static ngx_int_t
ngx_http_async_odata_removed(ngx_http_request_t *r, const async_id_t *id,
    async_rc_t rc)
{
    switch (rc) {

    case ASYNC_OK:
        return ngx_http_async_reply_empty(r, NGX_HTTP_NO_CONTENT);

    case ASYNC_NOT_FOUND:
        return ngx_http_async_no_job(r);

    default:
        return ngx_http_async_act_failed(r, id, rc);
    }
}


static ngx_int_t
ngx_http_async_odata_canceled(ngx_http_request_t *r, const async_id_t *id,
    async_rc_t rc)
{
    ngx_int_t     answer;
    async_job_t  *job;

    job = ngx_http_async_canceled(r, id, rc, &answer);

    if (job == NULL) {
        return answer;
    }

    if (job->state == ASYNC_STATE_CANCELED) {
        return ngx_http_async_reply_empty(r, NGX_HTTP_NO_CONTENT);
    }

    /* it was started, or even ended, in between: it will be canceled, or not */

    return async_state_final(job->state)
           ? ngx_http_async_odata_delete(r, job)
           : ngx_http_async_odata_unfinished(r, job);
}


/* whose cancel it was stands in the last line of the history */

static ngx_uint_t
ngx_http_async_odata_deleted(async_job_t *job)
{
    async_view_t  *view;
    ngx_uint_t     client;

    client = 0;
    view = ngx_http_async_view();

    if (view) {
        (void) async_view_trail(view, &job->id, job->seq - 1,
                                ngx_http_async_odata_by, &client);
    }

    return client;
}


static bool
ngx_http_async_odata_by(void *data, uint64_t seq, const async_trail_t *t)
{
    ngx_uint_t *client = data;

    *client = (t->by.len == 6 && ngx_memcmp(t->by.data, "client", 6) == 0);

    return true;
}


/* a response of ours in the place of the backend's */

static ngx_int_t
ngx_http_async_odata_own(ngx_http_request_t *r, ngx_uint_t status,
    const char *code, async_str_t text)
{
    u_char      *p;
    ngx_str_t    body, type;
    ngx_uint_t   whole;
    async_str_t  name;

    static u_char     json[NGX_HTTP_ASYNC_PROBLEM_MAX];

    whole = ngx_http_async_odata_whole(r);

    name.data = code;
    name.len = ngx_strlen(code);
    text.len = ngx_min(text.len, NGX_HTTP_ASYNC_DETAIL_MAX);

    body.len = async_json_error((char *) json, sizeof(json), name, text,
                                false);
    body.data = ngx_pnalloc(r->pool, NGX_HTTP_ASYNC_MESSAGE_LINES + body.len);

    if (body.data == NULL
        || ngx_http_async_set_text(r, "Cache-Control", "no-cache") != NGX_OK
        || ngx_http_async_set_number(r, "AsyncResult", status) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = body.data;

    if (whole) {
        p = ngx_http_async_message_begin(p, status);
        p = ngx_cpymem(p, "Content-Type: application/json" CRLF,
                       sizeof("Content-Type: application/json" CRLF) - 1);
        p = ngx_http_async_message_end(p, status, body.len);
    }

    p = ngx_cpymem(p, json, body.len);
    body.len = p - body.data;

    if (whole) {
        ngx_str_set(&type, "application/http");

    } else {
        ngx_str_set(&type, "application/json");
    }

    r->disable_not_modified = 1;

    return ngx_http_async_reply(r, NGX_HTTP_OK, &type, body.data, body.len);
}


/* --- the form that is asked for --- */

static ngx_uint_t
ngx_http_async_odata_whole(ngx_http_request_t *r)
{
    ngx_str_t        *value;
    ngx_uint_t        i, any, old;
    async_str_t       line;
    async_accept_t    accept;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    async_accept_init(&accept, "application/http");

    any = 0;
    old = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            value = &header[i].value;

            if (ngx_http_async_header_is(&header[i], "Accept")) {
                line.data = (char *) value->data;
                line.len = value->len;

                async_accept_add(&accept, line);
                any = 1;

            } else if (ngx_http_async_header_is(&header[i],
                                                "OData-MaxVersion"))
            {
                old = (value->len == 3
                       && ngx_memcmp(value->data, "4.0", 3) == 0);
            }
        }
    }

    return any ? accept.match == ASYNC_ACCEPT_NAMED && accept.weight != 0
               : old;
}


/* --- a message within a message (RFC 9112, section 10.2) --- */

/*
 * The head of the stored response becomes the first bytes of the body; those
 * that follow are the same in all forms.
 */

ngx_int_t
ngx_http_async_message_head(ngx_http_request_t *r, async_job_t *job,
    async_reader_t *rd)
{
    u_char                 *p;
    uint16_t                tag;
    async_str_t             value, name, rest;
    ngx_http_async_mark_t  *mark;

    /* in the record, a line takes four bytes more */

    p = ngx_pnalloc(r->pool, NGX_HTTP_ASYNC_MESSAGE_LINES
                             + (rd->end - rd->pos));
    if (p == NULL) {
        return NGX_ERROR;
    }

    mark = ngx_http_async_get_mark(r);
    mark->before.data = p;

    p = ngx_http_async_message_begin(p, job->result_status);

    while (async_read_tag(rd, &tag, &value)) {

        if (tag != ASYNC_RESPONSE_HEADER) {
            continue;
        }

        if (!async_tag_pair(value, &name, &rest)) {
            return NGX_ERROR;
        }

        if (ngx_http_async_hides(r, job, name)) {
            continue;
        }

        p = ngx_cpymem(p, name.data, name.len);
        p = ngx_cpymem(p, ": ", 2);
        p = ngx_cpymem(p, rest.data, rest.len);
        p = ngx_cpymem(p, CRLF, 2);
    }

    p = ngx_http_async_message_end(p, job->result_status, job->response.len);
    mark->before.len = p - mark->before.data;

    ngx_str_set(&r->headers_out.content_type, "application/http");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n += mark->before.len;

    return NGX_OK;
}


/* what goes out before the body, once; NULL: no memory */

ngx_chain_t *
ngx_http_async_message_before(ngx_http_request_t *r, ngx_chain_t *out)
{
    ngx_buf_t              *b;
    ngx_chain_t            *cl;
    ngx_http_async_mark_t  *mark;

    mark = ngx_http_async_get_mark(r);

    if (mark == NULL || mark->before.len == 0) {
        return out;
    }

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NULL;
    }

    b->pos = mark->before.data;
    b->last = b->pos + mark->before.len;
    b->memory = 1;

    mark->before.len = 0;

    cl->buf = b;
    cl->next = out;

    return cl;
}


static u_char *
ngx_http_async_message_begin(u_char *p, ngx_uint_t status)
{
    ngx_uint_t  i;

    /* a phrase may be empty, and says nothing that the status does not */

    static struct {
        ngx_uint_t   status;
        const char  *phrase;
    } phrases[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 304, "Not Modified" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 412, "Precondition Failed" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 0, "" }
    };

    for (i = 0; phrases[i].status && phrases[i].status != status; i++) {
        /* void */
    }

    return ngx_sprintf(p, "HTTP/1.1 %ui %s" CRLF, status, phrases[i].phrase);
}


/* a 204 must not have a length, and a 304 has that of another response */

static u_char *
ngx_http_async_message_end(u_char *p, ngx_uint_t status, off_t len)
{
    if (status == NGX_HTTP_NO_CONTENT || status == NGX_HTTP_NOT_MODIFIED) {
        return ngx_cpymem(p, CRLF, sizeof(CRLF) - 1);
    }

    return ngx_sprintf(p, "Content-Length: %O" CRLF CRLF, len);
}
