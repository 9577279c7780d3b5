
/*
 * The client's Prefer header (RFC 7240): what it asks for, and what an answer
 * that depends on it must say.
 */

#include "ngx_http_async_module.h"


static ngx_uint_t ngx_http_async_varies(ngx_http_request_t *r);


void
ngx_http_async_read_prefer(ngx_http_request_t *r, async_prefer_t *prefer)
{
    ngx_uint_t        i;
    async_str_t       value;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    async_prefer_init(prefer);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_async_header_is(&header[i], "Prefer")) {
                value.data = (char *) header[i].value.data;
                value.len = header[i].value.len;

                async_prefer_add(prefer, value);
            }
        }
    }
}


ngx_int_t
ngx_http_async_set_applied(ngx_http_request_t *r)
{
    async_prefer_t  prefer;

    ngx_http_async_read_prefer(r, &prefer);

    if (prefer.respond_async
        && ngx_http_async_set_text(r, "Preference-Applied", "respond-async")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * A line of its own, as nginx itself does for Accept-Encoding: what others
 * have said of Vary stays as it is.
 */

ngx_int_t
ngx_http_async_set_vary(ngx_http_request_t *r)
{
    if (ngx_http_async_varies(r)) {
        return NGX_OK;
    }

    return ngx_http_async_set_text(r, "Vary", "Prefer");
}


/* whether it is said already, be it by "Vary: *" */

static ngx_uint_t
ngx_http_async_varies(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (header[i].hash
                && ngx_http_async_header_is(&header[i], "Vary")
                && (ngx_http_async_listed(&header[i].value, "prefer")
                    || ngx_http_async_listed(&header[i].value, "*")))
            {
                return 1;
            }
        }
    }

    return 0;
}


/* a member of a list (RFC 9110, section 5.6.1), its parameters aside */

ngx_uint_t
ngx_http_async_listed(ngx_str_t *list, const char *name)
{
    size_t   len;
    u_char  *p, *last, *start, *end;

    len = ngx_strlen(name);
    last = list->data + list->len;

    for (start = list->data; start < last; start = end + 1) {

        end = ngx_strlchr(start, last, ',');
        end = end ? end : last;

        while (start < end && (*start == ' ' || *start == '\t')) {
            start++;
        }

        p = ngx_strlchr(start, end, ';');
        p = p ? p : end;

        while (p > start && (p[-1] == ' ' || p[-1] == '\t')) {
            p--;
        }

        if ((size_t) (p - start) == len
            && ngx_strncasecmp(start, (u_char *) name, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
