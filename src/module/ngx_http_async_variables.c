
/*
 * $async_job_id, $async_job_status, $async_queue, $async_attempt and
 * $async_replay: of a request that became a job, or that replays one; and
 * $async_message_id, of one whose signature was verified.
 */

#include "ngx_http_async_verify.h"


typedef enum {
    NGX_HTTP_ASYNC_VAR_ID = 0,
    NGX_HTTP_ASYNC_VAR_STATUS,
    NGX_HTTP_ASYNC_VAR_QUEUE,
    NGX_HTTP_ASYNC_VAR_ATTEMPT,
    NGX_HTTP_ASYNC_VAR_REPLAY,
    NGX_HTTP_ASYNC_VAR_MESSAGE
} ngx_http_async_variable_e;


static ngx_int_t ngx_http_async_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_async_attempt_text(ngx_http_request_t *r,
    ngx_http_async_mark_t *mark, ngx_str_t *value);


static ngx_http_variable_t  ngx_http_async_vars[] = {

    { ngx_string("async_job_id"), NULL, ngx_http_async_variable,
      NGX_HTTP_ASYNC_VAR_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("async_job_status"), NULL, ngx_http_async_variable,
      NGX_HTTP_ASYNC_VAR_STATUS, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("async_queue"), NULL, ngx_http_async_variable,
      NGX_HTTP_ASYNC_VAR_QUEUE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("async_attempt"), NULL, ngx_http_async_variable,
      NGX_HTTP_ASYNC_VAR_ATTEMPT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("async_replay"), NULL, ngx_http_async_variable,
      NGX_HTTP_ASYNC_VAR_REPLAY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string(NGX_HTTP_ASYNC_MESSAGE), NULL, ngx_http_async_variable,
      NGX_HTTP_ASYNC_VAR_MESSAGE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_async_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_async_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t               value;
    ngx_http_async_mark_t  *mark;

    ngx_str_null(&value);
    mark = ngx_http_async_get_mark(r->main);

    if (mark && data == NGX_HTTP_ASYNC_VAR_MESSAGE) {
        ngx_http_async_message_id(mark, &value);

    /* a submit that was refused has made no job */

    } else if (mark && mark->id.len
        && (mark->stored || mark->phase == NGX_HTTP_ASYNC_REPLAY))
    {

        switch (data) {

        case NGX_HTTP_ASYNC_VAR_ID:
            value = mark->id;
            break;

        case NGX_HTTP_ASYNC_VAR_STATUS:
            value.data = (u_char *) async_state_name(mark->state);
            value.len = ngx_strlen(value.data);

            break;

        case NGX_HTTP_ASYNC_VAR_QUEUE:
            value = mark->queue;
            break;

        case NGX_HTTP_ASYNC_VAR_ATTEMPT:
            if (ngx_http_async_attempt_text(r, mark, &value) != NGX_OK) {
                return NGX_ERROR;
            }

            break;

        case NGX_HTTP_ASYNC_VAR_REPLAY:
            if (mark->phase == NGX_HTTP_ASYNC_REPLAY) {
                ngx_str_set(&value, "1");
            }

            break;
        }
    }

    if (value.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = value.len;
    v->data = value.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_attempt_text(ngx_http_request_t *r,
    ngx_http_async_mark_t *mark, ngx_str_t *value)
{
    if (mark->attempt == 0) {
        return NGX_OK;
    }

    value->data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(value->data, "%ui", mark->attempt) - value->data;

    return NGX_OK;
}
