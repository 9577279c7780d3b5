
/*
 * The dashboard's list of webhooks: data/webhooks?state=dead&cursor=...
 */

#include "ngx_http_async_dashboard.h"

#include "async_hooks.h"
#include "async_json_board.h"


#define NGX_HTTP_ASYNC_HOOKS      50          /* of a page */
#define NGX_HTTP_ASYNC_HOOK_ROWS  2000        /* looked at for one */


static ngx_int_t ngx_http_async_hook_state(ngx_http_request_t *r,
    uint8_t *state);
static ngx_int_t ngx_http_async_hook_place(ngx_http_request_t *r,
    async_hook_place_t *place);
static bool ngx_http_async_add_hook(void *data, const async_id_t *id,
    const async_hook_t *hook);


ngx_int_t
ngx_http_async_webhooks(ngx_http_request_t *r)
{
    u_char                 *p;
    uint8_t                 state;
    async_hook_place_t      before;
    ngx_http_async_doc_t    doc;
    async_hook_figures_t    figures;
    u_char                  buf[sizeof("],\"pending\":,\"dead\":,"
                                       "\"nextCursor\":\"\"}")
                                + 2 * NGX_INT64_LEN + ASYNC_ID_TEXT];

    if (ngx_http_async_hook_state(r, &state) != NGX_OK
        || ngx_http_async_hook_place(r, &before) != NGX_OK)
    {
        return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_QUERY_INVALID,
                   "What is searched for cannot be understood.", NULL, 0);
    }

    ngx_http_async_doc_init(&doc, r);
    ngx_http_async_doc_literal(&doc, "{\"webhooks\":[");

    if (async_view_hooks(ngx_http_async_view(), state, NGX_HTTP_ASYNC_HOOKS,
                         NGX_HTTP_ASYNC_HOOK_ROWS, &before,
                         ngx_http_async_add_hook, &doc)
        != ASYNC_OK
        || async_view_hook_figures(ngx_http_async_view(), &figures)
           != ASYNC_OK)
    {
        return ngx_http_async_unread(r);
    }

    p = ngx_sprintf(buf, "],\"pending\":%uL,\"dead\":%uL",
                    figures.pending, figures.dead);

    if (before.set) {
        p = ngx_cpymem(p, ",\"nextCursor\":\"",
                       sizeof(",\"nextCursor\":\"") - 1);
        p = (u_char *) async_id_format((char *) p, &before.id);
        *p++ = '"';
    }

    *p++ = '}';

    ngx_http_async_doc_add(&doc, buf, p - buf);

    return ngx_http_async_doc_reply(&doc, r);
}


static ngx_int_t
ngx_http_async_hook_state(ngx_http_request_t *r, uint8_t *state)
{
    int          i;
    ngx_str_t    value;
    const char  *name;

    *state = 0;

    if (ngx_http_arg(r, (u_char *) "state", 5, &value) != NGX_OK
        || value.len == 0)
    {
        return NGX_OK;
    }

    for (i = 1; i < ASYNC_HOOK_STATE_MAX; i++) {
        name = async_hook_state_name((async_hook_state_t) i);

        if (ngx_strlen(name) == value.len
            && ngx_memcmp(name, value.data, value.len) == 0)
        {
            *state = (uint8_t) i;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_async_hook_place(ngx_http_request_t *r, async_hook_place_t *place)
{
    ngx_str_t  value;

    ngx_memzero(place, sizeof(async_hook_place_t));

    if (ngx_http_arg(r, (u_char *) "cursor", 6, &value) != NGX_OK
        || value.len == 0)
    {
        return NGX_OK;
    }

    place->set = async_id_parse(&place->id, (char *) value.data, value.len);

    return place->set ? NGX_OK : NGX_ERROR;
}


static bool
ngx_http_async_add_hook(void *data, const async_id_t *id,
    const async_hook_t *hook)
{
    size_t  len;

    static char  buf[ASYNC_JSON_HOOK_MAX];

    len = async_json_board_hook(buf, sizeof(buf), id, hook);

    ngx_http_async_doc_item(data, buf, len);

    return true;
}


ngx_int_t
ngx_http_async_add_hook_of(ngx_http_async_doc_t *doc, const async_id_t *id)
{
    async_rc_t    rc;
    async_hook_t  hook;

    static uint8_t  record[ASYNC_HOOK_MAX];

    rc = async_view_hook(ngx_http_async_view(), id, &hook, record);

    if (rc == ASYNC_NOT_FOUND) {
        return NGX_OK;
    }

    if (rc != ASYNC_OK) {
        return NGX_ERROR;
    }

    ngx_http_async_doc_literal(doc, ",\"webhook\":");
    (void) ngx_http_async_add_hook(doc, id, &hook);
    doc->items = 0;

    return NGX_OK;
}
