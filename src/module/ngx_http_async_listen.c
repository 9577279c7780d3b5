
/*
 * The private listeners: every server with asynchronous locations gets one
 * unix socket of its own in the store's run/ folder, on which the worker
 * replays that server's jobs.  Alone on its address it is the default server
 * there, so that names, regular expressions and header buffers act as ever.
 */

#include "ngx_http_async_module.h"

#include <ngx_md5.h>
#if (NGX_HTTP_SSL)
#include <ngx_http_ssl_module.h>
#endif


/* the first version that limits the number of header lines */
#define NGX_HTTP_ASYNC_MAX_HEADERS  1029008


static uint64_t ngx_http_async_server_key(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_uint_t ngx_http_async_before(ngx_str_t *one, ngx_str_t *two);
static ngx_uint_t ngx_http_async_serves(ngx_http_conf_addr_t *addr,
    ngx_http_core_srv_conf_t *cscf);
static ngx_http_core_srv_conf_t *ngx_http_async_private_server(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_async_without_ssl(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *ctx);
static ngx_int_t ngx_http_async_add_listener(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_str_t *run, uint64_t key);
static ngx_int_t ngx_http_async_make_folder(ngx_conf_t *cf, ngx_str_t *path);
static void ngx_http_async_remove_stale(ngx_conf_t *cf,
    struct sockaddr_un *sun);
static ngx_uint_t ngx_http_async_is_ours(ngx_conf_t *cf,
    struct sockaddr_un *sun);


ngx_int_t
ngx_http_async_add_listeners(ngx_conf_t *cf, ngx_http_async_main_conf_t *amcf)
{
    uint64_t                     key;
    ngx_str_t                    run;
    ngx_uint_t                   s, i;
    ngx_http_core_srv_conf_t   **cscfp, *private;
    ngx_http_async_srv_conf_t   *ascf, *other;
    ngx_http_core_main_conf_t   *cmcf;

    run.data = ngx_pnalloc(cf->pool, amcf->path.len + sizeof("/run"));
    if (run.data == NULL) {
        return NGX_ERROR;
    }

    run.len = ngx_sprintf(run.data, "%V/run%Z", &amcf->path) - run.data - 1;

    if (ngx_http_async_make_folder(cf, &amcf->path) != NGX_OK
        || ngx_http_async_make_folder(cf, &run) != NGX_OK)
    {
        /*
         * nginx -t refuses; a real start goes on without us, since the other
         * sites of this nginx must not suffer: asynchronous locations say 503
         */

        return ngx_test_config ? NGX_ERROR : NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;

    for (s = 0; s < cmcf->servers.nelts; s++) {

        ascf = cscfp[s]->ctx->srv_conf[ngx_http_async_module.ctx_index];

        if (!ascf->async) {
            continue;
        }

        key = ngx_http_async_server_key(cf, cscfp[s]);

        /* nginx ignores a server that repeats another, so its key is free */

        for (i = 0; i < s; i++) {
            other = cscfp[i]->ctx->srv_conf[ngx_http_async_module.ctx_index];

            if (other->key == key) {
                key++;
                i = (ngx_uint_t) -1;
            }
        }

        ascf->key = key;

        private = ngx_http_async_private_server(cf, cscfp[s]);

        if (private == NULL
            || ngx_http_async_add_listener(cf, private, &run, key) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the first 8 bytes of MD5 over parts, each with its length in front */

uint64_t
ngx_http_async_digest(ngx_str_t *parts, ngx_uint_t n)
{
    u_char      digest[16];
    uint64_t    key;
    ngx_md5_t   md5;
    ngx_uint_t  i;

    ngx_md5_init(&md5);

    for (i = 0; i < n; i++) {
        ngx_md5_update(&md5, &parts[i].len, sizeof(parts[i].len));
        ngx_md5_update(&md5, parts[i].data, parts[i].len);
    }

    ngx_md5_final(digest, &md5);
    ngx_memcpy(&key, digest, sizeof(key));

    return key;
}


/*
 * Instance (prefix and configuration file), first name and lowest listen: the
 * same after a restart and after everyday edits, such as another name or a
 * listen for TLS, so that accepted jobs find their server again.
 */

static uint64_t
ngx_http_async_server_key(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_str_t                   part[4];
    ngx_uint_t                  p, a;
    ngx_http_conf_port_t       *port, *low;
    ngx_http_conf_addr_t       *addr;
    ngx_http_core_main_conf_t  *cmcf;

    part[0] = cf->cycle->prefix;
    part[1] = cf->cycle->conf_file;
    part[2] = cscf->server_name;
    ngx_str_null(&part[3]);

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    port = cmcf->ports ? cmcf->ports->elts : NULL;
    low = NULL;

    for (p = 0; cmcf->ports && p < cmcf->ports->nelts; p++) {
        addr = port[p].addrs.elts;

        for (a = 0; a < port[p].addrs.nelts; a++) {

            if (!ngx_http_async_serves(&addr[a], cscf)) {
                continue;
            }

            if (low == NULL || port[p].port < low->port
                || (port[p].port == low->port
                    && ngx_http_async_before(&addr[a].opt.addr_text,
                                             &part[3])))
            {
                low = &port[p];
                part[3] = addr[a].opt.addr_text;
            }
        }
    }

    return ngx_http_async_digest(part, 4);
}


static ngx_uint_t
ngx_http_async_before(ngx_str_t *one, ngx_str_t *two)
{
    ngx_int_t  rc;

    rc = ngx_memcmp(one->data, two->data, ngx_min(one->len, two->len));

    return rc < 0 || (rc == 0 && one->len < two->len);
}


static ngx_uint_t
ngx_http_async_serves(ngx_http_conf_addr_t *addr,
    ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                  i;
    ngx_http_core_srv_conf_t  **cscfp;

    cscfp = addr->servers.elts;

    for (i = 0; i < addr->servers.nelts; i++) {
        if (cscfp[i] == cscf) {
            return 1;
        }
    }

    return 0;
}


/*
 * The same server with more room for header lines: a request that filled its
 * buffers to the last byte comes back with a line more, and with a space
 * after each colon.
 */

static ngx_http_core_srv_conf_t *
ngx_http_async_private_server(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_http_conf_ctx_t        *ctx;
    ngx_http_core_srv_conf_t   *private;
    ngx_http_async_srv_conf_t  *ascf;

    private = ngx_palloc(cf->pool, sizeof(ngx_http_core_srv_conf_t));
    ctx = ngx_palloc(cf->pool, sizeof(ngx_http_conf_ctx_t));
    ascf = ngx_palloc(cf->pool, sizeof(ngx_http_async_srv_conf_t));

    if (private == NULL || ctx == NULL || ascf == NULL) {
        return NULL;
    }

    *private = *cscf;
    *ctx = *cscf->ctx;

    ctx->srv_conf = ngx_palloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (ctx->srv_conf == NULL) {
        return NULL;
    }

    ngx_memcpy(ctx->srv_conf, cscf->ctx->srv_conf,
               sizeof(void *) * ngx_http_max_module);

    *ascf = *(ngx_http_async_srv_conf_t *)
                 cscf->ctx->srv_conf[ngx_http_async_module.ctx_index];
    ascf->replay = 1;

    ctx->srv_conf[ngx_http_core_module.ctx_index] = private;
    ctx->srv_conf[ngx_http_async_module.ctx_index] = ascf;

    private->ctx = ctx;
    private->large_client_header_buffers.num += 2;
    private->large_client_header_buffers.size += 1024;
#if (nginx_version >= NGX_HTTP_ASYNC_MAX_HEADERS)
    private->max_headers += 8;
#endif

    return ngx_http_async_without_ssl(cf, ctx) == NGX_OK ? private : NULL;
}


/* "ssl on" of old speaks for every listener of its server */

static ngx_int_t
ngx_http_async_without_ssl(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx)
{
#if (NGX_HTTP_SSL && nginx_version < 1025001)

    ngx_http_ssl_srv_conf_t  *sscf;

    sscf = ngx_palloc(cf->pool, sizeof(ngx_http_ssl_srv_conf_t));
    if (sscf == NULL) {
        return NGX_ERROR;
    }

    *sscf = *(ngx_http_ssl_srv_conf_t *)
                 ctx->srv_conf[ngx_http_ssl_module.ctx_index];
    sscf->enable = 0;

    ctx->srv_conf[ngx_http_ssl_module.ctx_index] = sscf;

#endif

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_add_listener(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
    ngx_str_t *run, uint64_t key)
{
    u_char                  *p;
    ngx_http_listen_opt_t    lsopt;
    struct sockaddr_un      *sun;

    sun = ngx_pcalloc(cf->pool, sizeof(ngx_sockaddr_t));
    if (sun == NULL) {
        return NGX_ERROR;
    }

    if (run->len + sizeof("/0123456789abcdef.sock") > sizeof(sun->sun_path)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the folder of \"async_store\" has too long a name for "
                      "the sockets below \"%V\": choose one of at most %uz "
                      "bytes", run,
                      sizeof(sun->sun_path)
                      - sizeof("/run/0123456789abcdef.sock"));
        return NGX_ERROR;
    }

    sun->sun_family = AF_UNIX;
    p = ngx_sprintf((u_char *) sun->sun_path, "%V/%016xL.sock%Z", run,
                    (int64_t) key);

    ngx_memzero(&lsopt, sizeof(ngx_http_listen_opt_t));

    lsopt.sockaddr = (struct sockaddr *) sun;
    lsopt.socklen = sizeof(struct sockaddr_un);
    lsopt.addr_text.len = sizeof("unix:") - 1 + (p - 1
                                                 - (u_char *) sun->sun_path);
    lsopt.addr_text.data = ngx_pnalloc(cf->pool, lsopt.addr_text.len + 1);
    if (lsopt.addr_text.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(lsopt.addr_text.data, "unix:%s%Z", sun->sun_path);

    lsopt.bind = 1;
    lsopt.default_server = 1;
    lsopt.backlog = NGX_LISTEN_BACKLOG;
    lsopt.rcvbuf = -1;
    lsopt.sndbuf = -1;
#if (NGX_HAVE_SETFIB)
    lsopt.setfib = -1;
#endif
#if (NGX_HAVE_TCP_FASTOPEN)
    lsopt.fastopen = -1;
#endif
#if (nginx_version >= 1025000)
    lsopt.type = SOCK_STREAM;
#endif

    ngx_http_async_remove_stale(cf, sun);

    return ngx_http_add_listen(cf, cscf, &lsopt);
}


/*
 * The folder must be there before the sockets are bound; its parts for the
 * worker user follow in ngx_http_async_init_module().
 */

static ngx_int_t
ngx_http_async_make_folder(ngx_conf_t *cf, ngx_str_t *path)
{
    ngx_err_t   err;
    ngx_uint_t  level;

    if (ngx_create_dir(path->data, 0755) == 0) {
        return NGX_OK;
    }

    err = ngx_errno;

    if (err == NGX_EEXIST) {
        return NGX_OK;
    }

    level = ngx_test_config ? NGX_LOG_EMERG : NGX_LOG_ERR;

    ngx_log_error(level, cf->log, err,
                  "the folder \"%V\" of \"async_store\" cannot be made: create "
                  "its parent, or name a folder that nginx may write to",
                  path);

    return NGX_ERROR;
}


/*
 * A master that was killed leaves its socket files behind, and binding would
 * fail.  One that refuses a connection has nobody behind it; one that answers
 * is left alone, binding then says that the address is in use.
 */

static void
ngx_http_async_remove_stale(ngx_conf_t *cf, struct sockaddr_un *sun)
{
    int           rc;
    ngx_socket_t  s;

    if (ngx_http_async_is_ours(cf, sun)) {
        return;
    }

    s = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    if (s == (ngx_socket_t) -1) {
        return;
    }

    rc = connect(s, (struct sockaddr *) sun, sizeof(struct sockaddr_un));

    if (rc == -1 && ngx_socket_errno == NGX_ECONNREFUSED) {
        ngx_log_error(NGX_LOG_NOTICE, cf->log, 0,
                      "removing stale socket \"%s\"", sun->sun_path);

        (void) ngx_delete_file(sun->sun_path);
    }

    (void) ngx_close_socket(s);
}


/* on a reload the socket is inherited from the cycle before */

static ngx_uint_t
ngx_http_async_is_ours(ngx_conf_t *cf, struct sockaddr_un *sun)
{
    ngx_uint_t        i;
    ngx_cycle_t      *old;
    ngx_listening_t  *ls;

    old = cf->cycle->old_cycle;

    if (old == NULL) {
        return 0;
    }

    ls = old->listening.elts;

    for (i = 0; i < old->listening.nelts; i++) {
        if (ls[i].sockaddr->sa_family == AF_UNIX
            && ngx_strcmp(((struct sockaddr_un *) ls[i].sockaddr)->sun_path,
                          sun->sun_path)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}
