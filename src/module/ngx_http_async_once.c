
/*
 * A submit that waited is answered with what its replay has given, and that
 * went through the filters of this very location: sub_filter, ssi and their
 * like would change it a second time.  nginx has no way around a filter, but
 * each of them looks at the header and leaves alone what is none of its
 * business: another type, nothing to change, a status without a body.  So two
 * header filters stand around them.  The first makes the header say that, the
 * second puts it right again, before gzip and all that has to do with the
 * connection, which is another one.
 *
 * They are modules of their own, since the order of filters is that of the
 * modules; see ngx_module_order in config.  In an nginx that was built with
 * the module inside they are not in that order, and do nothing.
 */

#include "ngx_http_async_module.h"


static ngx_int_t ngx_http_async_hide_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_show_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_hide_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_async_show_init(ngx_conf_t *cf);


static ngx_http_module_t  ngx_http_async_hide_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_async_hide_init,              /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


static ngx_http_module_t  ngx_http_async_show_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_async_show_init,              /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_async_hide_module = {
    NGX_MODULE_V1,
    &ngx_http_async_hide_module_ctx,       /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_module_t  ngx_http_async_show_module = {
    NGX_MODULE_V1,
    &ngx_http_async_show_module_ctx,       /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_async_hide_next;
static ngx_http_output_header_filter_pt  ngx_http_async_show_next;


static ngx_int_t
ngx_http_async_hide_filter(ngx_http_request_t *r)
{
    ngx_http_headers_out_t  *out;
    ngx_http_async_mark_t   *mark;

    if (r != r->main || r->content_handler != ngx_http_async_submit
        || !ngx_http_async_waited(r))
    {
        return ngx_http_async_hide_next(r);
    }

    mark = ngx_http_async_get_mark(r);
    out = &r->headers_out;

    mark->hidden.used = 1;
    mark->hidden.status = out->status;
    mark->hidden.type = out->content_type;
    mark->hidden.length = out->content_length_n;

    out->status = NGX_HTTP_NOT_MODIFIED;
    out->content_type.len = 0;
    out->content_length_n = 0;

    return ngx_http_async_hide_next(r);
}


static ngx_int_t
ngx_http_async_show_filter(ngx_http_request_t *r)
{
    ngx_http_headers_out_t  *out;
    ngx_http_async_mark_t   *mark;

    if (r != r->main || r->content_handler != ngx_http_async_submit) {
        return ngx_http_async_show_next(r);
    }

    mark = ngx_http_async_get_mark(r);

    if (mark && mark->hidden.used) {
        mark->hidden.used = 0;

        out = &r->headers_out;
        out->status = mark->hidden.status;
        out->content_type = mark->hidden.type;

        /* gunzip has none to tell */

        if (out->content_length_n == 0) {
            out->content_length_n = mark->hidden.length;
        }
    }

    return ngx_http_async_show_next(r);
}


/* filters run in the opposite order of their modules */

static ngx_int_t
ngx_http_async_hide_init(ngx_conf_t *cf)
{
    ngx_uint_t  i;

    for (i = 0; cf->cycle->modules[i]; i++) {

        if (cf->cycle->modules[i] == &ngx_http_async_hide_module) {
            return NGX_OK;
        }

        if (cf->cycle->modules[i] == &ngx_http_async_show_module) {
            break;
        }
    }

    ngx_http_async_hide_next = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_async_hide_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_show_init(ngx_conf_t *cf)
{
    ngx_http_async_show_next = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_async_show_filter;

    return NGX_OK;
}
