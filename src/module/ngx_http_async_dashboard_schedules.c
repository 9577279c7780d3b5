
/*
 * The dashboard's list of schedules: all that nginx.conf says, or once said.
 */

#include "ngx_http_async_dashboard.h"

#include "async_json_board.h"
#include "async_schedules.h"


static bool ngx_http_async_add_schedule(void *data,
    const async_schedule_row_t *row);
static bool ngx_http_async_is_schedule(void *data,
    const async_schedule_state_t *state);


ngx_int_t
ngx_http_async_schedules(ngx_http_request_t *r)
{
    ngx_http_async_doc_t  doc;

    ngx_http_async_doc_init(&doc, r);
    ngx_http_async_doc_literal(&doc, "{\"schedules\":[");

    if (async_view_schedules(ngx_http_async_view(),
                             ngx_http_async_add_schedule, &doc)
        != ASYNC_OK)
    {
        return ngx_http_async_unread(r);
    }

    ngx_http_async_doc_literal(&doc, "]}");

    return ngx_http_async_doc_reply(&doc, r);
}


static bool
ngx_http_async_add_schedule(void *data, const async_schedule_row_t *row)
{
    size_t  len;

    static char  buf[ASYNC_JSON_SCHEDULE_MAX];

    len = async_json_board_schedule(buf, sizeof(buf), row->said, row->state,
                                    row->last);

    ngx_http_async_doc_item(data, buf, len);

    return true;
}


ngx_uint_t
ngx_http_async_has_schedules(void)
{
    ngx_uint_t  any;

    any = 0;

    return async_view_schedule_states(ngx_http_async_view(),
                                      ngx_http_async_is_schedule, &any)
           == ASYNC_OK
           && any;
}


static bool
ngx_http_async_is_schedule(void *data, const async_schedule_state_t *state)
{
    ngx_uint_t *any = data;

    *any = 1;

    return false;
}
