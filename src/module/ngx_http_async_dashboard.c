
/*
 * The dashboard's location: what lies where, who may ask for it, and the
 * headers that keep a browser from running anything that is not ours.
 */

#include "ngx_http_async_conf.h"
#include "ngx_http_async_dashboard.h"


#define NGX_HTTP_ASYNC_ETAG  (2 + 8 + 1 + NGX_SIZE_T_LEN)


/* a file of src/dashboard, in the module */
typedef struct {
    ngx_str_t                    name;        /* below the prefix */
    const u_char                *data;
    const u_char                *end;
    ngx_str_t                    type;
} ngx_http_async_asset_t;

/* what answers to a name below the prefix, as a content handler */
typedef struct {
    ngx_str_t                    name;
    ngx_int_t                  (*handler)(ngx_http_request_t *r);
} ngx_http_async_data_t;


static ngx_int_t ngx_http_async_dashboard_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_dashboard_data(ngx_http_request_t *r);
static void ngx_http_async_below(ngx_http_request_t *r, ngx_str_t *name);
static ngx_int_t ngx_http_async_set_security(ngx_http_request_t *r);
static ngx_http_async_asset_t *ngx_http_async_find_asset(ngx_str_t *name);
static ngx_int_t ngx_http_async_asset(ngx_http_request_t *r,
    ngx_http_async_asset_t *asset);
static ngx_int_t ngx_http_async_data(ngx_http_request_t *r,
    ngx_http_async_data_t *data);


/* of ngx_http_async_dashboard_assets.S */
#define ngx_http_async_asset_symbols(name)                                   \
    extern const u_char  ngx_http_async_asset_##name[];                      \
    extern const u_char  ngx_http_async_asset_##name##_end[]

ngx_http_async_asset_symbols(page);
ngx_http_async_asset_symbols(script);
ngx_http_async_asset_symbols(style);
ngx_http_async_asset_symbols(icon);

#define ngx_http_async_embedded(name)                                        \
    ngx_http_async_asset_##name, ngx_http_async_asset_##name##_end


static ngx_http_async_asset_t  ngx_http_async_assets[] = {
    { ngx_string(""), ngx_http_async_embedded(page),
      ngx_string("text/html; charset=utf-8") },
    { ngx_string("dashboard.js"), ngx_http_async_embedded(script),
      ngx_string("text/javascript; charset=utf-8") },
    { ngx_string("dashboard.css"), ngx_http_async_embedded(style),
      ngx_string("text/css; charset=utf-8") },
    { ngx_string("icon.svg"), ngx_http_async_embedded(icon),
      ngx_string("image/svg+xml") },
    { ngx_null_string, NULL, NULL, ngx_null_string }
};

static ngx_http_async_data_t  ngx_http_async_datas[] = {
    { ngx_string("data/overview"), ngx_http_async_overview },
    { ngx_string("data/charts"), ngx_http_async_charts },
    { ngx_string("data/jobs"), ngx_http_async_jobs },
    { ngx_string("data/job"), ngx_http_async_job },
    { ngx_string("data/webhooks"), ngx_http_async_webhooks },
    { ngx_string("data/schedules"), ngx_http_async_schedules },
    { ngx_string("live"), ngx_http_async_live },
    { ngx_null_string, NULL }
};


char *
ngx_http_async_set_dashboard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    char                      *rc;
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    rc = ngx_http_async_set_endpoint(cf, cmd, alcf,
                                     ngx_http_async_dashboard_handler);
    if (rc != NGX_CONF_OK) {
        return rc;
    }

    /* who leaves out the last "/" is sent there */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->auto_redirect = 1;

    if (cf->args->nelts == 1) {
        return NGX_CONF_OK;
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "actions") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"async_dashboard\": "
                           "write \"async_dashboard;\", which only shows, or "
                           "\"async_dashboard actions;\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    alcf->actions = 1;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_async_dashboard_handler(ngx_http_request_t *r)
{
    ngx_str_t                name;
    ngx_http_async_asset_t  *asset;

    if (ngx_http_async_set_security(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_async_below(r, &name);

    asset = ngx_http_async_find_asset(&name);

    if (asset) {
        return ngx_http_async_asset(r, asset);
    }

    if (ngx_http_async_view() == NULL && ngx_http_async_store_error() == NULL)
    {
        return ngx_http_async_await_store(r, ngx_http_async_dashboard_data);
    }

    return ngx_http_async_dashboard_data(r);
}


static ngx_int_t
ngx_http_async_dashboard_data(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_str_t               name;
    ngx_http_async_data_t  *data;

    ngx_http_async_below(r, &name);

    for (data = ngx_http_async_datas; data->handler; data++) {

        if (data->name.len == name.len
            && ngx_memcmp(data->name.data, name.data, name.len) == 0)
        {
            return ngx_http_async_data(r, data);
        }
    }

    if (name.len > sizeof("act/") - 1
        && ngx_memcmp(name.data, "act/", sizeof("act/") - 1) == 0)
    {
        name.data += sizeof("act/") - 1;
        name.len -= sizeof("act/") - 1;

        rc = ngx_http_async_dashboard_act(r, &name);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return ngx_http_async_dashboard_problem(r, NGX_HTTP_NOT_FOUND,
                                            "There is nothing here.");
}


static void
ngx_http_async_below(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    name->data = r->uri.data + clcf->name.len;
    name->len = r->uri.len - clcf->name.len;
}


static ngx_int_t
ngx_http_async_set_security(ngx_http_request_t *r)
{
    ngx_uint_t  i;

    static struct {
        const char  *name;
        ngx_str_t    value;
    } headers[] = {
        { "Content-Security-Policy",
          ngx_string("default-src 'none'; script-src 'self'; "
                     "style-src 'self'; img-src 'self'; connect-src 'self'; "
                     "base-uri 'none'; form-action 'none'; "
                     "frame-ancestors 'none'; "
                     "require-trusted-types-for 'script'; "
                     "trusted-types 'none'") },
        { "X-Content-Type-Options", ngx_string("nosniff") },
        { "X-Frame-Options", ngx_string("DENY") },
        { "Referrer-Policy", ngx_string("no-referrer") },
        { "Cross-Origin-Opener-Policy", ngx_string("same-origin") },
        { "Cross-Origin-Resource-Policy", ngx_string("same-origin") }
    };

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (ngx_http_async_add_header(r, headers[i].name, &headers[i].value)
            == NULL)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_http_async_asset_t *
ngx_http_async_find_asset(ngx_str_t *name)
{
    ngx_http_async_asset_t  *asset;

    for (asset = ngx_http_async_assets; asset->data; asset++) {

        if (asset->name.len == name->len
            && ngx_memcmp(asset->name.data, name->data, name->len) == 0)
        {
            return asset;
        }
    }

    return NULL;
}


/* kept by the browser, which asks each time whether it is still the same */

static ngx_int_t
ngx_http_async_asset(ngx_http_request_t *r, ngx_http_async_asset_t *asset)
{
    size_t      size;
    ngx_str_t   etag;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_async_allows(r, "GET, HEAD, OPTIONS",
                                     "This is read with GET and HEAD.");
    }

    size = asset->end - asset->data;

    etag.data = ngx_pnalloc(r->pool, NGX_HTTP_ASYNC_ETAG);
    if (etag.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    etag.len = ngx_sprintf(etag.data, "\"%08xD-%xz\"",
                           ngx_crc32_long((u_char *) asset->data, size), size)
               - etag.data;

    r->headers_out.etag = ngx_http_async_add_header(r, "ETag", &etag);

    if (r->headers_out.etag == NULL
        || ngx_http_async_set_text(r, "Cache-Control", "no-cache") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply(r, NGX_HTTP_OK, &asset->type,
                                (u_char *) asset->data, size);
}


static ngx_int_t
ngx_http_async_data(ngx_http_request_t *r, ngx_http_async_data_t *data)
{
    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_async_allows(r, "GET, HEAD, OPTIONS",
                                     "This is read with GET and HEAD.");
    }

    if (ngx_http_async_view() == NULL) {
        return ngx_http_async_unread(r);
    }

    if (ngx_http_async_set_text(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return data->handler(r);
}


ngx_int_t
ngx_http_async_dashboard_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail)
{
    u_char      *p, *last;
    const char  *title;

    static ngx_str_t  type = ngx_string("application/problem+json");

    /* RFC 9457, section 4.2.1: without a type, what the status means */

    title = status == NGX_HTTP_FORBIDDEN ? "Forbidden"
            : status == NGX_HTTP_CONFLICT ? "Conflict"
            : "Not Found";

    p = ngx_pnalloc(r->pool, NGX_HTTP_ASYNC_PROBLEM_MAX);

    if (p == NULL
        || ngx_http_async_set_text(r, "Cache-Control", "no-store") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    last = ngx_snprintf(p, NGX_HTTP_ASYNC_PROBLEM_MAX,
                        "{\"title\":\"%s\",\"status\":%ui,"
                        "\"detail\":\"%s\"}", title, status, detail);

    return ngx_http_async_reply(r, status, &type, p, last - p);
}
