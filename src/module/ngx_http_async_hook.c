
/*
 * The webhook that a submit asks for: checked before there is a job, and
 * stored with it.
 */

#include "ngx_http_async_callback.h"

#include "async_allow.h"


static ngx_int_t ngx_http_async_callback_refused(ngx_http_async_op_t *op,
    async_problem_t problem, const char *why);
static ngx_int_t ngx_http_async_hook_origin(ngx_http_request_t *r,
    ngx_http_async_op_t *op);
static ngx_int_t ngx_http_async_hook_owner(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op);


ngx_int_t
ngx_http_async_take_callback(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op)
{
    ngx_str_t      value;
    const char    *why;
    async_str_t    text, list;
    async_url_t    url;
    async_hook_t  *hook;

    if (alcf->callback == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, alcf->callback->url, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    /* who gives none is told nothing */

    if (value.len == 0) {
        return NGX_OK;
    }

    text.data = (char *) value.data;
    text.len = value.len;
    list.data = (char *) alcf->callback_allow.data;
    list.len = alcf->callback_allow.len;

    if (async_url_parse(&url, text, &why) != ASYNC_OK) {
        return ngx_http_async_callback_refused(op,
                   ASYNC_PROBLEM_CALLBACK_INVALID, why);
    }

    if (async_allow_url(list, &url, &why) == ASYNC_ALLOW_REFUSED) {
        return ngx_http_async_callback_refused(op,
                   ASYNC_PROBLEM_CALLBACK_REFUSED, why);
    }

    hook = &op->hook;

    hook->state = ASYNC_HOOK_WAITING;
    hook->on = alcf->callback->on;
    hook->url.len = value.len;
    hook->url.data = (char *) ngx_pstrdup(op->pool, &value);

    ngx_memcpy(hook->policy, alcf->hook_policy, ASYNC_HOOK_POLICY);

    if (hook->url.data == NULL
        || ngx_http_async_hook_origin(r, op) != NGX_OK
        || ngx_http_async_hook_owner(r, alcf, op) != NGX_OK)
    {
        return NGX_ERROR;
    }

    op->event.hook = hook;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_callback_refused(ngx_http_async_op_t *op,
    async_problem_t problem, const char *why)
{
    u_char  *detail;

    detail = ngx_pnalloc(op->pool, NGX_HTTP_ASYNC_DETAIL_MAX);
    if (detail == NULL) {
        return NGX_ERROR;
    }

    ngx_snprintf(detail, NGX_HTTP_ASYNC_DETAIL_MAX - 1,
                 "The callback URL %s.%Z", why);
    detail[NGX_HTTP_ASYNC_DETAIL_MAX - 1] = '\0';

    return ngx_http_async_refuse_submit(op, problem, (char *) detail);
}


/* as ngx_http_async_origin(), by the name of the server and no other */

static ngx_int_t
ngx_http_async_hook_origin(ngx_http_request_t *r, ngx_http_async_op_t *op)
{
    u_char                     *p;
    in_port_t                   port;
    ngx_uint_t                  ssl;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_async_srv_conf_t  *ascf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    ascf = ngx_http_get_module_srv_conf(r, ngx_http_async_module);

    if (ascf->host.len == 0) {
        return NGX_OK;
    }

    ssl = 0;

#if (NGX_HTTP_SSL)
    ssl = (r->connection->ssl != NULL);
#endif

    if (ngx_connection_local_sockaddr(r->connection, NULL, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    port = ngx_inet_get_port(r->connection->local_sockaddr);

    p = ngx_pnalloc(op->pool, sizeof("https://:65535") + ascf->host.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    op->hook.origin.data = (char *) p;

    p = ngx_sprintf(p, "http%s://%V", ssl ? "s" : "", &ascf->host);

    if (clcf->port_in_redirect && port && port != (ssl ? 443 : 80)) {
        p = ngx_sprintf(p, ":%ui", (ngx_uint_t) port);
    }

    op->hook.origin.len = (char *) p - op->hook.origin.data;

    return NGX_OK;
}


/* the name, which is what keys are derived from */

static ngx_int_t
ngx_http_async_hook_owner(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op)
{
    ngx_str_t  value;

    if (alcf->callback_secret->per != ASYNC_HOOK_PER_OWNER) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, alcf->owner, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len > ASYNC_HOOK_OWNER) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "\"async_owner\" gave %uz bytes, %d are the most that a "
                      "key of webhooks is derived from: take a shorter value, "
                      "or \"async_callback_secret ... per=host\"", value.len,
                      ASYNC_HOOK_OWNER);
        return NGX_ERROR;
    }

    op->hook.owner.len = value.len;
    op->hook.owner.data = (char *) ngx_pstrdup(op->pool, &value);

    return op->hook.owner.data ? NGX_OK : NGX_ERROR;
}
