
/*
 * What a client asks for with a GET of a job: its events, and from where on.
 */

#include "ngx_http_async_events.h"

#include "async_stream.h"


static ngx_uint_t ngx_http_async_is_events(u_char *p, u_char *end);


ngx_uint_t
ngx_http_async_accepts_events(ngx_http_request_t *r)
{
    u_char           *p, *end, *next;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_async_header_is(&h[i], "Accept")) {
                continue;
            }

            p = h[i].value.data;
            end = p + h[i].value.len;

            for ( /* void */ ; p < end; p = next + 1) {
                next = ngx_strlchr(p, end, ',');
                next = next ? next : end;

                if (ngx_http_async_is_events(p, next)) {
                    return 1;
                }
            }
        }
    }

    return 0;
}


/* a media range of RFC 9110, section 12.5.1, without "q=0" */

static ngx_uint_t
ngx_http_async_is_events(u_char *p, u_char *end)
{
    size_t   len;
    u_char  *q;

    len = sizeof("text/event-stream") - 1;

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    if ((size_t) (end - p) < len
        || ngx_strncasecmp(p, (u_char *) "text/event-stream", len) != 0)
    {
        return 0;
    }

    p += len;

    if (p < end && *p != ';' && *p != ' ' && *p != '\t') {
        return 0;
    }

    q = ngx_strlcasestrn(p, end, (u_char *) "q=0", 3 - 1);

    if (q == NULL) {
        return 1;
    }

    for (q += 3; q < end && (*q == '.' || *q == '0'); q++) { /* void */ }

    return q < end && *q >= '1' && *q <= '9';
}


/*
 * A browser comes back with the header and with the URL that it was given at
 * first: the header is newer.  NGX_DECLINED: there is none, or none of ours.
 */

ngx_int_t
ngx_http_async_last_id(ngx_http_request_t *r, uint64_t *id)
{
    ngx_str_t         arg;
    ngx_uint_t        i;
    async_str_t       text;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_async_header_is(&h[i], "Last-Event-ID")) {
                text.data = (char *) h[i].value.data;
                text.len = h[i].value.len;

                return async_stream_id(id, text) ? NGX_OK : NGX_DECLINED;
            }
        }
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
