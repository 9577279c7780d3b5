
/*
 * Fire-and-forget (contract, section 2): 202 before the request is stored.
 * Nobody learns of its job, so what is lost on the way to the disk is told
 * here: in the log, together with others of its second.
 */

#include "ngx_http_async_metrics.h"


#define NGX_HTTP_ASYNC_LOST  1000             /* ms between lines */


static void ngx_http_async_forget_stored(ngx_http_async_op_t *op,
    async_rc_t rc);
static void ngx_http_async_lost(async_rc_t rc);
static void ngx_http_async_lost_handler(ngx_event_t *ev);
static void ngx_http_async_lost_log(void);


static ngx_uint_t        ngx_http_async_lost_n;
static async_rc_t        ngx_http_async_lost_rc;      /* of the last */
static ngx_event_t       ngx_http_async_lost_event;
static ngx_connection_t  ngx_http_async_lost_dummy;   /* ident of a timer */


/* what promises that a request is not lost, or that something is told of it */

char *
ngx_http_async_check_forget(ngx_conf_t *cf, ngx_http_async_loc_conf_t *conf)
{
    const char                *other;
    ngx_http_core_loc_conf_t  *clcf;

    if (!conf->forget) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    other = NULL;

    if (conf->idempotency && conf->idempotency->required) {
        other = "async_idempotency ... required";

    } else if (conf->wait) {
        other = "async_wait";

    } else if (conf->callback) {
        other = "async_callback";
    }

    if (other) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_forget\" and \"%s\" exclude each other in "
                      "location \"%V\": a client that is told nothing of its "
                      "job cannot rely on it; take one of them away",
                      other, &clcf->name);
        return NGX_CONF_ERROR;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"async_forget\" is on in location \"%V\": a request that "
                  "was accepted there can be lost, if the store cannot take "
                  "it or nginx ends before it is written", &clcf->name);

    return NGX_CONF_OK;
}


/* the op goes on without its request, which is answered and may go */

ngx_int_t
ngx_http_async_forgotten(ngx_http_request_t *r, ngx_http_async_op_t *op)
{
    op->handler = ngx_http_async_forget_stored;
    (void) ngx_http_async_take_request(op);

    if (ngx_http_async_set_text(r, "Cache-Control", "no-store") != NGX_OK
        || ngx_http_async_set_applied(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_async_reply_empty(r, NGX_HTTP_ACCEPTED);
}


static void
ngx_http_async_forget_stored(ngx_http_async_op_t *op, async_rc_t rc)
{
    ngx_http_async_count_op(op, rc);

    switch (rc) {

    case ASYNC_OK:
    case ASYNC_EXISTS:
        break;

    case ASYNC_KEY_REUSED:
    case ASYNC_OWNER_FULL:

        /* that is the client's doing, and could fill the log */

        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                      "async_forget: an accepted request is dropped (%s)",
                      async_rc_name(rc));
        break;

    default:
        ngx_http_async_lost(rc);
        break;
    }

    if (!op->in_flight) {
        op->rc = rc;
        ngx_http_async_drop_body(op);
    }
}


/* the first at once, others with the next line */

static void
ngx_http_async_lost(async_rc_t rc)
{
    ngx_event_t  *ev;

    ngx_http_async_lost_n++;
    ngx_http_async_lost_rc = rc;

    ev = &ngx_http_async_lost_event;

    if (ev->timer_set) {
        return;
    }

    ngx_http_async_lost_dummy.fd = (ngx_socket_t) -1;

    ev->handler = ngx_http_async_lost_handler;
    ev->data = &ngx_http_async_lost_dummy;
    ev->log = ngx_cycle->log;
    ev->cancelable = 1;

    ngx_http_async_lost_log();
    ngx_add_timer(ev, NGX_HTTP_ASYNC_LOST);
}


static void
ngx_http_async_lost_handler(ngx_event_t *ev)
{
    if (ngx_http_async_lost_n) {
        ngx_http_async_lost_log();
        ngx_add_timer(ev, NGX_HTTP_ASYNC_LOST);
    }
}


static void
ngx_http_async_lost_log(void)
{
    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "async_forget: %ui accepted request%s lost (the last: %s); "
                  "without \"async_forget\" a client is told in time",
                  ngx_http_async_lost_n,
                  ngx_http_async_lost_n == 1 ? " was" : "s were",
                  async_rc_name(ngx_http_async_lost_rc));

    ngx_http_async_lost_n = 0;
}
