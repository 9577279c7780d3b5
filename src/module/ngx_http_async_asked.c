
/*
 * What a client asks for in its headers, and with a GET of a job: its events,
 * and from where on.
 */

#include "ngx_http_async_events.h"

#include "async_accept.h"
#include "async_stream.h"


/* the stream is named, and a document is not more welcome */

ngx_uint_t
ngx_http_async_accepts_events(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    async_str_t       value;
    async_accept_t    events, document;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    async_accept_init(&events, "text/event-stream");
    async_accept_init(&document, "application/json");

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_async_header_is(&h[i], "Accept")) {
                value.data = (char *) h[i].value.data;
                value.len = h[i].value.len;

                async_accept_add(&events, value);
                async_accept_add(&document, value);
            }
        }
    }

    return events.match == ASYNC_ACCEPT_NAMED && events.weight != 0
           && events.weight >= document.weight;
}


ngx_str_t *
ngx_http_async_header(ngx_http_request_t *r, const char *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_async_header_is(&h[i], name)) {
                return &h[i].value;
            }
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_async_header_lines(ngx_http_request_t *r, const char *name,
    async_str_t *value)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    n = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_async_header_is(&h[i], name)) {
                value->data = (char *) h[i].value.data;
                value->len = h[i].value.len;
                n++;
            }
        }
    }

    return n;
}


/*
 * A browser comes back with the header and with the URL that it was given at
 * first: the header is newer.  NGX_DECLINED: there is none, or none of ours.
 */

ngx_int_t
ngx_http_async_last_id(ngx_http_request_t *r, uint64_t *id)
{
    ngx_str_t    arg, *header;
    async_str_t  text;

    header = ngx_http_async_header(r, "Last-Event-ID");

    if (header) {
        text.data = (char *) header->data;
        text.len = header->len;

        return async_stream_id(id, text) ? NGX_OK : NGX_DECLINED;
    }

    if (r->args.len
        && ngx_http_arg(r, (u_char *) "last_event_id",
                        sizeof("last_event_id") - 1, &arg)
           == NGX_OK)
    {
        text.data = (char *) arg.data;
        text.len = arg.len;

        return async_stream_id(id, text) ? NGX_OK : NGX_DECLINED;
    }

    return NGX_DECLINED;
}
