
/*
 * {status}{id}/result: the backend's stored response, or why there is none.
 */

#include "ngx_http_async_module.h"


#define NGX_HTTP_ASYNC_HEAD_MAX  (96 * 1024)


static ngx_int_t ngx_http_async_no_response(ngx_http_request_t *r,
    async_job_t *job);
static ngx_int_t ngx_http_async_locked(ngx_http_request_t *r,
    async_job_t *job);
static ngx_int_t ngx_http_async_set_headers(ngx_http_request_t *r,
    async_job_t *job, async_reader_t *rd);
static ngx_int_t ngx_http_async_set_itself(ngx_http_request_t *r,
    async_job_t *job);
static ngx_int_t ngx_http_async_set_monitor(ngx_http_request_t *r,
    async_job_t *job);
static ngx_int_t ngx_http_async_set_status(ngx_http_request_t *r,
    async_job_t *job);
static ngx_int_t ngx_http_async_set_header(ngx_http_request_t *r,
    async_job_t *job, async_str_t pair);
static ngx_uint_t ngx_http_async_monitors(ngx_http_request_t *r);
static ngx_uint_t ngx_http_async_has_cache_control(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_set_cache_control(ngx_http_request_t *r,
    ngx_table_elt_t *h);
static ngx_int_t ngx_http_async_set_content_type(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_int_t ngx_http_async_set_own(ngx_http_request_t *r,
    async_job_t *job);
static ngx_buf_t *ngx_http_async_body_buf(ngx_http_request_t *r,
    async_job_t *job);
static ngx_buf_t *ngx_http_async_chunks_buf(ngx_http_request_t *r,
    async_job_t *job);


ngx_int_t
ngx_http_async_result(ngx_http_request_t *r, async_job_t *job)
{
    if (job->state == ASYNC_STATE_CANCELED) {
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_JOB_CANCELED,
                   "The job was canceled, it has no result.", &job->id, 0);
    }

    if (ngx_http_async_result_gone(job)) {
        return ngx_http_async_reply_gone(r, job);
    }

    if (job->result_status == 0) {
        return ngx_http_async_no_response(r, job);
    }

    return ngx_http_async_response(r, job);
}


ngx_uint_t
ngx_http_async_result_gone(async_job_t *job)
{
    return (job->flags & ASYNC_JOB_SWEPT)
           || job->expires <= ngx_http_async_now();
}


ngx_int_t
ngx_http_async_reply_gone(ngx_http_request_t *r, async_job_t *job)
{
    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_RESULT_GONE,
               "The result was kept for as long as it is kept here.",
               &job->id, 0);
}


ngx_int_t
ngx_http_async_response(ngx_http_request_t *r, async_job_t *job)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out, *cl;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!async_store_unlocks(ngx_http_async_store(), &job->response.seal)) {
        return ngx_http_async_locked(r, job);
    }

    if (job->response.where == ASYNC_BODY_SPOOL) {
        return ngx_http_async_spooled(r, job);
    }

    b = ngx_http_async_body_buf(r, job);
    if (b == NULL) {
        return ngx_http_async_damaged(r, &job->id, "body");
    }

    rc = ngx_http_async_send_head(r, job);

    if (rc == NGX_DECLINED) {
        return ngx_http_async_damaged(r, &job->id, "head");
    }

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;

    cl = ngx_http_async_message_before(r, &out);

    return cl ? ngx_http_output_filter(r, cl) : NGX_ERROR;
}


static ngx_int_t
ngx_http_async_no_response(ngx_http_request_t *r, async_job_t *job)
{
    u_char           *detail;
    async_problem_t   problem;

    switch (job->error) {

    case ASYNC_JOB_ERROR_BACKEND_UNREACHABLE:
        problem = ASYNC_PROBLEM_BACKEND_UNREACHABLE;
        break;

    case ASYNC_JOB_ERROR_TIMEOUT:
        problem = ASYNC_PROBLEM_TIMEOUT;
        break;

    case ASYNC_JOB_ERROR_START_TIMEOUT:
        problem = ASYNC_PROBLEM_START_TIMEOUT;
        break;

    case ASYNC_JOB_ERROR_RESULT_TOO_LARGE:
        problem = ASYNC_PROBLEM_RESULT_TOO_LARGE;
        break;

    default:
        problem = ASYNC_PROBLEM_OUTCOME_UNKNOWN;
    }

    detail = ngx_pnalloc(r->pool, job->detail.len + 1);
    if (detail == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_cpystrn(detail, (u_char *) job->detail.data, job->detail.len + 1);

    return ngx_http_async_reply_problem(r, problem, (char *) detail, &job->id,
                                        0);
}


ngx_int_t
ngx_http_async_damaged(ngx_http_request_t *r, const async_id_t *id,
    const char *what)
{
    u_char  text[ASYNC_ID_TEXT];

    async_id_format((char *) text, id);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "the stored response of job %*s cannot be served, its %s is "
                  "missing or damaged: see \"nginx-async check\"",
                  (size_t) ASYNC_ID_TEXT, text, what);

    ngx_http_clean_header(r);

    if (ngx_http_async_waited(r)) {
        return ngx_http_async_unheld(r, id);
    }

    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_UNAVAILABLE,
               "The stored result cannot be read.", id, 0);
}


static ngx_int_t
ngx_http_async_locked(ngx_http_request_t *r, async_job_t *job)
{
    char    key[ASYNC_KEY_ID_TEXT];
    u_char  text[ASYNC_ID_TEXT];

    async_id_format((char *) text, &job->id);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "the stored response of job %*s cannot be served, it is "
                  "encrypted with key %s, which \"async_store\" does not "
                  "name: add its file to it as a further \"key=\"",
                  (size_t) ASYNC_ID_TEXT, text,
                  async_key_id_format(key, job->response.seal.key));

    if (ngx_http_async_waited(r)) {
        ngx_http_clean_header(r);
        return ngx_http_async_unheld(r, &job->id);
    }

    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_STORE_UNAVAILABLE,
               "The stored result cannot be read.", &job->id, 0);
}


ngx_int_t
ngx_http_async_send_head(ngx_http_request_t *r, async_job_t *job)
{
    size_t                  len;
    u_char                 *head;
    ngx_int_t               rc;
    async_reader_t          rd;
    ngx_http_async_mark_t  *mark;
    ngx_http_async_form_e   form;

    static uint8_t  buf[NGX_HTTP_ASYNC_HEAD_MAX];

    mark = ngx_http_async_get_mark(r);
    form = mark ? mark->form : NGX_HTTP_ASYNC_ITSELF;

    if (async_view_head(ngx_http_async_view(), &job->id,
                        ASYNC_PAYLOAD_RESPONSE, buf, sizeof(buf), &len)
        != ASYNC_OK)
    {
        return NGX_DECLINED;
    }

    head = ngx_pnalloc(r->pool, len);
    if (head == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(head, buf, len);

    if (async_reader_init(&rd, head, len, ASYNC_RECORD_RESPONSE) != ASYNC_OK) {
        return NGX_DECLINED;
    }

    r->headers_out.content_length_n = job->response.len;
    r->headers_out.last_modified_time = -1;

    rc = form == NGX_HTTP_ASYNC_MESSAGE
         ? ngx_http_async_message_head(r, job, &rd)
         : ngx_http_async_set_headers(r, job, &rd);

    if (rc != NGX_OK || rd.broken) {
        return rc == NGX_OK ? NGX_DECLINED : NGX_ERROR;
    }

    rc = form == NGX_HTTP_ASYNC_ITSELF
         ? ngx_http_async_set_itself(r, job)
         : ngx_http_async_set_monitor(r, job);

    return rc == NGX_OK ? ngx_http_send_header(r) : NGX_ERROR;
}


static ngx_int_t
ngx_http_async_set_headers(ngx_http_request_t *r, async_job_t *job,
    async_reader_t *rd)
{
    uint16_t     tag;
    async_str_t  value;

    while (async_read_tag(rd, &tag, &value)) {

        if (tag == ASYNC_RESPONSE_HEADER
            && ngx_http_async_set_header(r, job, value) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_set_itself(ngx_http_request_t *r, async_job_t *job)
{
    /* what HEAD was answered with has no body, but a GET of it ends, too */

    if (job->response.where == ASYNC_BODY_NONE
        && (r->method == NGX_HTTP_HEAD
            || job->result_status == NGX_HTTP_NO_CONTENT
            || job->result_status == NGX_HTTP_NOT_MODIFIED))
    {
        r->headers_out.content_length_n = -1;
        r->header_only = 1;
    }

    r->allow_ranges = (job->result_status == NGX_HTTP_OK
                       && job->response.where != ASYNC_BODY_NONE
                       && !ngx_http_async_waited(r));

    return ngx_http_async_set_own(r, job) == NGX_OK
           && ngx_http_async_set_status(r, job) == NGX_OK
           ? NGX_OK : NGX_ERROR;
}


/* what is told of the response is not what a condition here is about */

static ngx_int_t
ngx_http_async_set_monitor(ngx_http_request_t *r, async_job_t *job)
{
    r->headers_out.status = NGX_HTTP_OK;
    r->disable_not_modified = 1;

    /* as before its end, unless the response says how long it is good for */

    if (!ngx_http_async_has_cache_control(r)
        && ngx_http_async_set_text(r, "Cache-Control", "no-cache") != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_async_set_number(r, "AsyncResult", job->result_status);
}


/*
 * nginx compares conditionals for 200 only; any stored 2xx has them (RFC
 * 9110, 13.2.1).  So it goes out as a 200 until they were looked at, see
 * ngx_http_async_header_filter().
 */

static ngx_int_t
ngx_http_async_set_status(ngx_http_request_t *r, async_job_t *job)
{
    ngx_http_async_mark_t  *mark;

    r->headers_out.status = job->result_status;

    if (job->result_status <= 200 || job->result_status > 299) {
        return NGX_OK;
    }

    mark = ngx_http_async_make_mark(r);
    if (mark == NULL) {
        return NGX_ERROR;
    }

    mark->result_status = job->result_status;
    r->headers_out.status = NGX_HTTP_OK;

    return NGX_OK;
}


/* fields that nginx's filters work with go where they look for them */

static ngx_int_t
ngx_http_async_set_header(ngx_http_request_t *r, async_job_t *job,
    async_str_t pair)
{
    ngx_str_t         key, value;
    async_str_t       name, rest;
    ngx_table_elt_t  *h, **place;

    if (!async_tag_pair(pair, &name, &rest)) {
        return NGX_ERROR;
    }

    key.data = (u_char *) name.data;
    key.len = name.len;
    value.data = (u_char *) rest.data;
    value.len = rest.len;
    place = NULL;

#define ngx_http_async_is(literal)                                           \
    (key.len == sizeof(literal) - 1                                          \
     && ngx_strncasecmp(key.data, (u_char *) literal, sizeof(literal) - 1)   \
        == 0)

    if (ngx_http_async_is("Content-Type")) {
        return ngx_http_async_set_content_type(r, &value);
    }

    if (ngx_http_async_hides(r, job, name)) {
        return NGX_OK;
    }

    /* a monitor says it itself, and a client reads the first line */

    if (ngx_http_async_is("AsyncResult") && ngx_http_async_monitors(r)) {
        return NGX_OK;
    }

    if (ngx_http_async_is("Last-Modified")) {
        place = &r->headers_out.last_modified;
        r->headers_out.last_modified_time = ngx_parse_http_time(value.data,
                                                                value.len);

    } else if (ngx_http_async_is("ETag")) {
        place = &r->headers_out.etag;

    } else if (ngx_http_async_is("Content-Encoding")) {
        place = &r->headers_out.content_encoding;

    } else if (ngx_http_async_is("Expires")) {
        place = &r->headers_out.expires;

    } else if (ngx_http_async_is("WWW-Authenticate")) {
        place = &r->headers_out.www_authenticate;
    }

#undef ngx_http_async_is

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key = key;
    h->value = value;

    if (place) {
        *place = h;
    }

    if (key.len == sizeof("Cache-Control") - 1
        && ngx_strncasecmp(key.data, (u_char *) "Cache-Control", key.len) == 0)
    {
        return ngx_http_async_set_cache_control(r, h);
    }

    return NGX_OK;
}


/*
 * Without an owner whoever knows the URL may read: no session for them, but
 * for him who submitted and still is on the line; one who only joined him, by
 * a key, may be somebody else.
 */

ngx_uint_t
ngx_http_async_hides(ngx_http_request_t *r, async_job_t *job, async_str_t name)
{
    return name.len == sizeof("Set-Cookie") - 1
           && ngx_strncasecmp((u_char *) name.data, (u_char *) "Set-Cookie",
                              name.len)
              == 0
           && job->owner.len == 0
           && (!ngx_http_async_waited(r)
               || ngx_http_async_get_mark(r)->joined);
}


static ngx_uint_t
ngx_http_async_monitors(ngx_http_request_t *r)
{
    ngx_http_async_mark_t  *mark;

    mark = ngx_http_async_get_mark(r);

    return mark && mark->form == NGX_HTTP_ASYNC_MONITOR;
}


static ngx_uint_t
ngx_http_async_has_cache_control(ngx_http_request_t *r)
{
#if (nginx_version >= 1023000)
    return r->headers_out.cache_control != NULL;
#else
    return r->headers_out.cache_control.nelts != 0;
#endif
}


/* "expires" of this location replaces what it finds here */

static ngx_int_t
ngx_http_async_set_cache_control(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    ngx_table_elt_t  **place;

#if (nginx_version >= 1023000)

    for (place = &r->headers_out.cache_control; *place;
         place = &(*place)->next)
    {
        /* void */
    }

#else

    if (r->headers_out.cache_control.elts == NULL
        && ngx_array_init(&r->headers_out.cache_control, r->pool, 1,
                          sizeof(ngx_table_elt_t *))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    place = ngx_array_push(&r->headers_out.cache_control);
    if (place == NULL) {
        return NGX_ERROR;
    }

#endif

    *place = h;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_set_content_type(ngx_http_request_t *r, ngx_str_t *value)
{
    u_char  *p;

    p = ngx_strlchr(value->data, value->data + value->len, ';');

    r->headers_out.content_type = *value;
    r->headers_out.content_type_len = p ? (size_t) (p - value->data)
                                        : value->len;
    r->headers_out.content_type_lowcase = NULL;

    return NGX_OK;
}


/*
 * Async-Result, and an ETag where the backend sent none: of the resource
 * /result, not of what was asked for by a submit that waited
 */

static ngx_int_t
ngx_http_async_set_own(ngx_http_request_t *r, async_job_t *job)
{
    u_char     *p;
    ngx_str_t   value;

    if (ngx_http_async_set_number(r, "Async-Result", job->result_status)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (r->headers_out.etag || job->result_status < 200
        || job->result_status > 299 || ngx_http_async_waited(r))
    {
        return NGX_OK;
    }

    value.data = ngx_pnalloc(r->pool, ASYNC_ID_TEXT + sizeof("\"-01234567\""));
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    p = value.data;
    *p++ = '"';
    p = (u_char *) async_id_format((char *) p, &job->id);
    p = ngx_sprintf(p, "-%08xD\"", job->response.crc);
    value.len = p - value.data;

    r->headers_out.etag = ngx_http_async_add_header(r, "ETag", &value);

    return r->headers_out.etag ? NGX_OK : NGX_ERROR;
}


static ngx_buf_t *
ngx_http_async_body_buf(ngx_http_request_t *r, async_job_t *job)
{
    switch (job->response.where) {

    case ASYNC_BODY_NONE:
        return ngx_calloc_buf(r->pool);

    case ASYNC_BODY_CHUNKS:
        return ngx_http_async_chunks_buf(r, job);

    default:
        return NULL;
    }
}


static ngx_buf_t *
ngx_http_async_chunks_buf(ngx_http_request_t *r, async_job_t *job)
{
    size_t      len;
    ngx_buf_t  *b;

    if (job->response.len > ASYNC_CHUNKED_MAX) {
        return NULL;
    }

    len = job->response.len;

    b = ngx_create_temp_buf(r->pool, len ? len : 1);
    if (b == NULL) {
        return NULL;
    }

    if (len == 0) {
        b->temporary = 0;
        return b;
    }

    if (async_view_body(ngx_http_async_view(), &job->id,
                        ASYNC_PAYLOAD_RESPONSE_BODY, 0, b->pos, len)
        != ASYNC_OK
        || (!job->response.seal.used
            && async_crc32c(0, b->pos, len) != job->response.crc))
    {
        return NULL;
    }

    b->last = b->pos + len;

    return b;
}
