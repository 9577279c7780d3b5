
/*
 * The async_progress location, and the URLs below it:
 *
 *   {base}{prefix}{id}/{attempt}-{mac}
 *
 * mac is from HMAC-SHA256 of id and attempt with the store's token, which
 * nobody outside knows.
 */

#include "ngx_http_async_conf.h"
#include "ngx_http_async_progress.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>


#define NGX_HTTP_ASYNC_MAC       16           /* bytes, twice as many digits */
#define NGX_HTTP_ASYNC_MAC_TEXT  (2 * NGX_HTTP_ASYNC_MAC)


static char *ngx_http_async_progress_base(ngx_conf_t *cf, ngx_str_t *base);
static ngx_uint_t ngx_http_async_shares(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_async_progress_origin(ngx_http_request_t *r,
    ngx_http_async_progress_t *progress, ngx_str_t *origin);
static ngx_int_t ngx_http_async_mac(const async_id_t *id, uint32_t attempt,
    u_char text[NGX_HTTP_ASYNC_MAC_TEXT]);
static ngx_int_t ngx_http_async_progress_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_progress_about(ngx_http_request_t *r,
    async_id_t *id, uint32_t *attempt);
static ngx_int_t ngx_http_async_progress_known(ngx_http_request_t *r,
    const async_id_t *id, uint32_t attempt);
static void ngx_http_async_progress_read(ngx_http_request_t *r);
static ngx_int_t ngx_http_async_progress_body(ngx_http_request_t *r,
    async_str_t *body);
static ngx_int_t ngx_http_async_progress_invalid(ngx_http_request_t *r,
    const char *detail);


/* --- the directive --- */

char *
ngx_http_async_set_progress(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    char                        *rc;
    ngx_str_t                   *value, base;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_async_srv_conf_t   *ascf;
    ngx_http_async_main_conf_t  *amcf;
    ngx_http_async_progress_t   *progress;

    rc = ngx_http_async_set_endpoint(cf, cmd, alcf,
                                     ngx_http_async_progress_handler);
    if (rc != NGX_CONF_OK) {
        return rc;
    }

    ngx_str_null(&base);

    if (cf->args->nelts == 2) {
        value = cf->args->elts;
        base = value[1];

        rc = ngx_http_async_progress_base(cf, &base);
        if (rc != NGX_CONF_OK) {
            return rc;
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    ascf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_async_module);
    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_async_module);

    progress = ngx_pcalloc(cf->pool, sizeof(ngx_http_async_progress_t));
    if (progress == NULL) {
        return NGX_CONF_ERROR;
    }

    progress->prefix = clcf->name;
    progress->base = base;

    if (ascf->progress == NULL) {
        ascf->progress = progress;
    }

    if (amcf->progress == NULL && base.len) {
        amcf->progress = progress;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_async_progress_base(ngx_conf_t *cf, ngx_str_t *base)
{
    size_t      skip;
    ngx_str_t   given;
    ngx_uint_t  i;

    given = *base;

    if (ngx_strncmp(base->data, "base=", 5) == 0) {
        base->data += 5;
        base->len -= 5;

        while (base->len && base->data[base->len - 1] == '/') {
            base->len--;
        }

        skip = ngx_strncasecmp(base->data, (u_char *) "http://", 7) == 0 ? 7
             : ngx_strncasecmp(base->data, (u_char *) "https://", 8) == 0 ? 8
             : base->len;

        for (i = skip; i < base->len; i++) {
            if (base->data[i] <= ' ' || base->data[i] >= 0x7f
                || ngx_strchr("?#\"<>\\$", base->data[i]))
            {
                break;
            }
        }

        if (skip < base->len && i == base->len && base->data[skip] != '/') {
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"async_progress\": write "
                       "the address that backends reach this server at, such "
                       "as base=http://10.0.0.1:8080", &given);

    return NGX_CONF_ERROR;
}


/*
 * What leads a backend to the location?  Never the client's Host, which is
 * whatever it says: the address that the client came to, unless another
 * server answers there, or a certificate wants to be called by its name.
 */

void
ngx_http_async_progress_init(ngx_conf_t *cf)
{
    ngx_uint_t                   s;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_async_srv_conf_t   *ascf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;

    for (s = 0; s < cmcf->servers.nelts; s++) {
        ascf = cscfp[s]->ctx->srv_conf[ngx_http_async_module.ctx_index];

        if (ascf->progress && ascf->host.len) {
            ascf->progress->name = ascf->host;
            ascf->progress->by_name = ngx_http_async_shares(cf, cscfp[s]);
        }
    }
}


static ngx_uint_t
ngx_http_async_shares(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                   p, a, s;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    port = cmcf->ports ? cmcf->ports->elts : NULL;

    for (p = 0; port && p < cmcf->ports->nelts; p++) {
        addr = port[p].addrs.elts;

        for (a = 0; a < port[p].addrs.nelts; a++) {
            cscfp = addr[a].servers.elts;

            for (s = 0; s < addr[a].servers.nelts; s++) {
                if (cscfp[s] == cscf && addr[a].default_server != cscf) {
                    return 1;
                }
            }
        }
    }

    return 0;
}


/* --- the URL of a replay --- */

ngx_int_t
ngx_http_async_progress_url(ngx_http_request_t *r, const async_id_t *id,
    ngx_str_t *url)
{
    u_char                      *p;
    ngx_str_t                    origin;
    ngx_http_async_mark_t       *mark;
    ngx_http_async_srv_conf_t   *ascf;
    ngx_http_async_main_conf_t  *amcf;
    ngx_http_async_progress_t   *progress;

    ngx_str_null(url);

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_async_module);
    amcf = ngx_http_get_module_main_conf(r, ngx_http_async_module);
    mark = ngx_http_async_get_mark(r);

    progress = ascf->progress ? ascf->progress : amcf->progress;

    if (progress == NULL) {
        return NGX_OK;
    }

    origin = progress->base;

    if (origin.len == 0
        && ngx_http_async_progress_origin(r, progress, &origin) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (origin.len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, origin.len + progress->prefix.len + ASYNC_ID_TEXT
                             + 1 + NGX_INT_T_LEN + 1
                             + NGX_HTTP_ASYNC_MAC_TEXT);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;

    p = ngx_sprintf(p, "%V%V", &origin, &progress->prefix);
    p = (u_char *) async_id_format((char *) p, id);
    p = ngx_sprintf(p, "/%ui-", mark->attempt);

    if (ngx_http_async_mac(id, (uint32_t) mark->attempt, p) != NGX_OK) {
        return NGX_ERROR;
    }

    url->len = p + NGX_HTTP_ASYNC_MAC_TEXT - url->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_progress_origin(ngx_http_request_t *r,
    ngx_http_async_progress_t *progress, ngx_str_t *origin)
{
    size_t                     n;
    u_char                    *p;
    in_port_t                  port;
    ngx_uint_t                 ssl;
    ngx_connection_t          *c;
    ngx_http_async_mark_t     *mark;

    c = r->connection;
    mark = ngx_http_async_get_mark(r);

    ssl = mark->capture->origin.len > 5 && mark->capture->origin.data[4] == 's';
    port = ngx_inet_get_port(c->local_sockaddr);

    p = ngx_pnalloc(r->pool, sizeof("https://:65535") + progress->name.len
                             + NGX_SOCKADDR_STRLEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    origin->data = p;
    p = ngx_sprintf(p, "http%s://", ssl ? "s" : "");

    if (progress->name.len && port && (ssl || progress->by_name)) {
        p = ngx_sprintf(p, "%V:%ui", &progress->name, (ngx_uint_t) port);

    } else if (port) {
        n = ngx_sock_ntop(c->local_sockaddr, c->local_socklen, p,
                          NGX_SOCKADDR_STRLEN, 1);
        p = n ? p + n : origin->data;

    } else {

        /* a client that came by a unix socket: no port of ours is known */

        p = origin->data;
    }

    origin->len = p - origin->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_mac(const async_id_t *id, uint32_t attempt,
    u_char text[NGX_HTTP_ASYNC_MAC_TEXT])
{
    u_char                 digest[EVP_MAX_MD_SIZE], *p;
    async_store_t         *store;
    u_char                 data[sizeof("progress") - 1 + sizeof(async_id_t)
                                + 4];

    store = ngx_http_async_store();

    if (store == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(data, "progress", sizeof("progress") - 1);
    p = ngx_cpymem(p, id, sizeof(async_id_t));
    async_put_be32(p, attempt);

    if (HMAC(EVP_sha256(), async_store_token(store), ASYNC_TOKEN, data,
             sizeof(data), digest, NULL)
        == NULL)
    {
        return NGX_ERROR;
    }

    ngx_hex_dump(text, digest, NGX_HTTP_ASYNC_MAC);

    return NGX_OK;
}


/* --- a report --- */

static ngx_int_t
ngx_http_async_progress_handler(ngx_http_request_t *r)
{
    ngx_int_t   rc;
    uint32_t    attempt;
    async_id_t  id;

    if (!(r->method & (NGX_HTTP_POST|NGX_HTTP_PUT))) {
        return ngx_http_async_allows(r, "POST, PUT, OPTIONS",
                   "Progress is reported with POST or PUT.");
    }

    if (ngx_http_async_view() == NULL) {
        return ngx_http_async_unread(r);
    }

    if (ngx_http_async_progress_about(r, &id, &attempt) != NGX_OK) {
        return ngx_http_async_report_unknown(r);
    }

    rc = ngx_http_async_progress_known(r, &id, attempt);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (r->headers_in.content_length_n > ASYNC_PROGRESS_BODY) {
        return ngx_http_async_progress_invalid(r, "A report has at most 4,096 "
                                                  "bytes.");
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_async_progress_read);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


/* NGX_OK: it is a URL that was handed out */

static ngx_int_t
ngx_http_async_progress_about(ngx_http_request_t *r, async_id_t *id,
    uint32_t *attempt)
{
    u_char                    *p, *end, *mac;
    ngx_int_t                  n;
    ngx_http_core_loc_conf_t  *clcf;
    u_char                     text[NGX_HTTP_ASYNC_MAC_TEXT];

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->uri.len < clcf->name.len + ASYNC_ID_TEXT + sizeof("/1-") - 1
                     + NGX_HTTP_ASYNC_MAC_TEXT)
    {
        return NGX_DECLINED;
    }

    p = r->uri.data + clcf->name.len;
    end = r->uri.data + r->uri.len;
    mac = end - NGX_HTTP_ASYNC_MAC_TEXT;

    if (!async_id_parse(id, (char *) p, ASYNC_ID_TEXT)
        || p[ASYNC_ID_TEXT] != '/' || mac[-1] != '-')
    {
        return NGX_DECLINED;
    }

    p += ASYNC_ID_TEXT + 1;

    n = ngx_atoi(p, mac - 1 - p);

    if (n < 1 || n > (ngx_int_t) NGX_MAX_INT32_VALUE || *p == '0') {
        return NGX_DECLINED;
    }

    *attempt = (uint32_t) n;

    if (ngx_http_async_mac(id, *attempt, text) != NGX_OK
        || CRYPTO_memcmp(text, mac, NGX_HTTP_ASYNC_MAC_TEXT) != 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* NGX_DECLINED: that attempt runs; else the answer was sent */

static ngx_int_t
ngx_http_async_progress_known(ngx_http_request_t *r, const async_id_t *id,
    uint32_t attempt)
{
    async_rc_t   rc;
    async_job_t  job;

    static uint8_t  buf[ASYNC_JOB_MAX];

    rc = async_view_job(ngx_http_async_view(), id, &job, buf);

    if (rc == ASYNC_NOT_FOUND) {
        return ngx_http_async_report_unknown(r);
    }

    if (rc != ASYNC_OK) {
        return ngx_http_async_act_failed(r, id, rc);
    }

    if (async_state_final((async_state_t) job.state)) {
        return ngx_http_async_report_ended(r, id);
    }

    if (job.state != ASYNC_STATE_PROCESSING || job.attempt != attempt) {
        return ngx_http_async_report_unknown(r);
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_async_report_ended(ngx_http_request_t *r, const async_id_t *id)
{
    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_JOB_FINISHED,
               "The job has ended, its progress is of no interest any more.",
               id, 0);
}


/* one that was never handed out, and one whose attempt is over */

ngx_int_t
ngx_http_async_report_unknown(ngx_http_request_t *r)
{
    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_JOB_NOT_FOUND,
               "There is no attempt of a job that reports here.", NULL, 0);
}


static void
ngx_http_async_progress_read(ngx_http_request_t *r)
{
    ngx_int_t         rc;
    uint32_t          attempt;
    async_id_t        id;
    async_str_t       body;
    async_progress_t  progress;

    rc = ngx_http_async_progress_body(r, &body);

    if (ngx_http_async_store() == NULL) {

        /* it went while the body came */

        rc = ngx_http_async_unread(r);

    } else if (rc == NGX_OK && async_progress_parse(&progress, body) == ASYNC_OK
        && ngx_http_async_progress_about(r, &id, &attempt) == NGX_OK)
    {
        rc = ngx_http_async_report(r, &id, attempt, &progress);

    } else if (rc != NGX_ERROR) {
        rc = ngx_http_async_progress_invalid(r,
                 "A report is a JSON object with percentComplete, a number "
                 "from 0 to 100, or message, a text of at most 1,024 bytes, "
                 "or both.");

    } else {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_finalize_request(r, rc);
}


/* NGX_DECLINED: it is too long */

static ngx_int_t
ngx_http_async_progress_body(ngx_http_request_t *r, async_str_t *body)
{
    off_t         size;
    size_t        n;
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    static u_char  buf[ASYNC_PROGRESS_BODY];

    p = buf;

    for (cl = r->request_body ? r->request_body->bufs : NULL; cl;
         cl = cl->next)
    {
        b = cl->buf;
        size = ngx_buf_size(b);

        if (size > buf + sizeof(buf) - p) {
            return NGX_DECLINED;
        }

        n = (size_t) size;

        if (ngx_buf_in_memory(b)) {
            ngx_memcpy(p, b->pos, n);

        } else if (n
                   && ngx_read_file(b->file, p, n, b->file_pos)
                      != (ssize_t) n)
        {
            return NGX_ERROR;
        }

        p += n;
    }

    body->data = (char *) buf;
    body->len = p - buf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_progress_invalid(ngx_http_request_t *r, const char *detail)
{
    return ngx_http_async_reply_problem(r, ASYNC_PROBLEM_PROGRESS_INVALID,
                                        detail, NULL, 0);
}
