
/*
 * Which location answers a URI, before there is any request: the same search
 * as nginx's, on what it has made of the configuration.
 */

#include "ngx_http_async_schedule.h"


typedef enum {
    NGX_HTTP_ASYNC_NONE,
    NGX_HTTP_ASYNC_PREFIX,                    /* a regex may go before it */
    NGX_HTTP_ASYNC_EXACT
} ngx_http_async_found_e;


static ngx_http_async_found_e ngx_http_async_find_static(
    ngx_http_location_tree_node_t *node, ngx_str_t *uri,
    ngx_http_core_loc_conf_t **found);
static ngx_http_async_found_e ngx_http_async_find(
    ngx_http_core_loc_conf_t *clcf, ngx_str_t *uri,
    ngx_http_core_loc_conf_t **found);


ngx_http_core_loc_conf_t *
ngx_http_async_find_location(ngx_http_core_loc_conf_t *clcf, ngx_str_t *uri)
{
    ngx_http_core_loc_conf_t  *found;

    found = NULL;
    (void) ngx_http_async_find(clcf, uri, &found);

    return found;
}


static ngx_http_async_found_e
ngx_http_async_find(ngx_http_core_loc_conf_t *clcf, ngx_str_t *uri,
    ngx_http_core_loc_conf_t **found)
{
    ngx_uint_t               noregex;
    ngx_http_async_found_e   rc, nested;

    noregex = 0;
    rc = ngx_http_async_find_static(clcf->static_locations, uri, found);

    if (rc == NGX_HTTP_ASYNC_PREFIX) {
        noregex = (*found)->noregex;
        nested = ngx_http_async_find(*found, uri, found);

        rc = nested == NGX_HTTP_ASYNC_EXACT ? nested : rc;
    }

    if (rc == NGX_HTTP_ASYNC_EXACT) {
        return rc;
    }

#if (NGX_PCRE)

    if (!noregex && clcf->regex_locations) {
        ngx_http_core_loc_conf_t  **clcfp;

        for (clcfp = clcf->regex_locations; *clcfp; clcfp++) {

            if (ngx_regex_exec((*clcfp)->regex->regex, uri, NULL, 0) >= 0) {
                *found = *clcfp;
                (void) ngx_http_async_find(*clcfp, uri, found);

                return NGX_HTTP_ASYNC_EXACT;
            }
        }
    }

#endif

    return rc;
}


static ngx_http_async_found_e
ngx_http_async_find_static(ngx_http_location_tree_node_t *node,
    ngx_str_t *uri, ngx_http_core_loc_conf_t **found)
{
    size_t                   len, n;
    u_char                  *p;
    ngx_int_t                rc;
    ngx_http_async_found_e   best;

    len = uri->len;
    p = uri->data;
    best = NGX_HTTP_ASYNC_NONE;

    while (node) {
        n = ngx_min(len, (size_t) node->len);
        rc = ngx_filename_cmp(p, node->name, n);

        if (rc != 0) {
            node = (rc < 0) ? node->left : node->right;
            continue;
        }

        if (len > (size_t) node->len) {

            if (node->inclusive == NULL) {
                node = node->right;
                continue;
            }

            *found = node->inclusive;
            best = NGX_HTTP_ASYNC_PREFIX;

            node = node->tree;
            p += n;
            len -= n;
            continue;
        }

        if (len == (size_t) node->len) {
            *found = node->exact ? node->exact : node->inclusive;

            return node->exact ? NGX_HTTP_ASYNC_EXACT : NGX_HTTP_ASYNC_PREFIX;
        }

        /* "/jobs" is redirected to "/jobs/", and that is no answer */

        node = node->left;
    }

    return best;
}
