
/*
 * The job that a schedule will make: as if its request had been submitted by
 * the server's own machine, at its first name, and had been let in.
 */

#include "ngx_http_async_callback.h"
#include "ngx_http_async_schedule.h"


#define NGX_HTTP_ASYNC_URI_MAX  256


static ngx_http_core_loc_conf_t *ngx_http_async_schedule_target(
    ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
    ngx_http_async_schedule_t *schedule);
static ngx_http_async_loc_conf_t *ngx_http_async_schedule_conf(
    ngx_http_core_srv_conf_t *cscf, ngx_http_core_loc_conf_t *clcf);
static ngx_int_t ngx_http_async_schedule_path(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *path);
static ngx_int_t ngx_http_async_schedule_record(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_core_loc_conf_t *clcf,
    ngx_http_async_schedule_t *schedule, uint64_t *flags);
static ngx_int_t ngx_http_async_schedule_prefix(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_async_loc_conf_t *alcf,
    ngx_http_async_schedule_t *schedule, async_str_t *prefix);
static uint8_t ngx_http_async_schedule_priority(
    ngx_http_async_loc_conf_t *alcf);
static ngx_int_t ngx_http_async_schedule_hook(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_core_loc_conf_t *clcf,
    ngx_http_async_schedule_t *schedule);
static ngx_int_t ngx_http_async_schedule_head(ngx_conf_t *cf, ngx_str_t *host,
    ngx_http_async_schedule_t *schedule);
static void ngx_http_async_schedule_host(ngx_http_core_srv_conf_t *cscf,
    ngx_str_t *host);
static ngx_int_t ngx_http_async_schedule_capture(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_core_loc_conf_t *clcf,
    ngx_str_t *host, uint64_t flags, ngx_http_async_schedule_t *schedule);
static u_char *ngx_http_async_schedule_origin(u_char *p, ngx_str_t *host,
    ngx_uint_t ssl, in_port_t port);
static ngx_http_conf_addr_t *ngx_http_async_schedule_listen(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static void ngx_http_async_write_pair(async_writer_t *w, uint16_t tag,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_http_async_keep_record(ngx_conf_t *cf,
    async_writer_t *w, u_char *buf, async_str_t *record);


ngx_int_t
ngx_http_async_schedule_job(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
    ngx_http_async_schedule_t *schedule)
{
    uint64_t                   flags;
    ngx_str_t                  host;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_async_schedule_target(cf, cscf, schedule);
    if (clcf == NULL) {
        return NGX_ERROR;
    }

    ngx_http_async_schedule_host(cscf, &host);

    if (ngx_http_async_schedule_record(cf, cscf, clcf, schedule, &flags)
        != NGX_OK
        || ngx_http_async_schedule_hook(cf, cscf, clcf, schedule) != NGX_OK
        || ngx_http_async_schedule_head(cf, &host, schedule) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_async_schedule_capture(cf, cscf, clcf, &host, flags,
                                           schedule);
}


/* NULL, and said why, if its requests do not become jobs */

static ngx_http_core_loc_conf_t *
ngx_http_async_schedule_target(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
    ngx_http_async_schedule_t *schedule)
{
    ngx_str_t                   path;
    ngx_http_core_loc_conf_t   *root, *clcf;
    ngx_http_async_loc_conf_t  *alcf;

    if (ngx_http_async_schedule_path(cf, schedule, &path) != NGX_OK) {
        return NULL;
    }

    root = cscf->ctx->loc_conf[ngx_http_core_module.ctx_index];
    clcf = ngx_http_async_find_location(root, &path);
    clcf = clcf ? clcf : root;
    alcf = ngx_http_async_schedule_conf(cscf, clcf);

    if (alcf->mode == NGX_HTTP_ASYNC_ON && !alcf->endpoint) {
        return clcf;
    }

    if (clcf == root) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the schedule \"%*s\" runs \"%V\", which no location "
                      "of server \"%V\" answers: write one with \"async "
                      "on;\" there", schedule->said.name.len,
                      schedule->said.name.data, &schedule->uri,
                      &cscf->server_name);

    } else {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the schedule \"%*s\" runs \"%V\", which location "
                      "\"%V\" of server \"%V\" answers, and that has no "
                      "\"async on;\": add it there, or write the URI of "
                      "another", schedule->said.name.len,
                      schedule->said.name.data, &schedule->uri, &clcf->name,
                      &cscf->server_name);
    }

    return NULL;
}


static ngx_http_async_loc_conf_t *
ngx_http_async_schedule_conf(ngx_http_core_srv_conf_t *cscf,
    ngx_http_core_loc_conf_t *clcf)
{
    void  **conf;

    conf = clcf->loc_conf ? clcf->loc_conf : cscf->ctx->loc_conf;

    return conf[ngx_http_async_module.ctx_index];
}


/* as nginx will see it: decoded, and without what it would take out */

static ngx_int_t
ngx_http_async_schedule_path(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *path)
{
    u_char  *query, *dst, *src;

    *path = schedule->uri;

    query = ngx_strlchr(path->data, path->data + path->len, '?');
    if (query) {
        path->len = query - path->data;
    }

    dst = ngx_pnalloc(cf->pool, path->len + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    src = path->data;
    path->data = dst;

    ngx_unescape_uri(&dst, &src, path->len, 0);

    path->len = dst - path->data;
    *dst = '\0';

    if (ngx_strstr(path->data, "//") || ngx_strstr(path->data, "/./")
        || ngx_strstr(path->data, "/../"))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the URI \"%V\" of the schedule \"%*s\" is not the "
                      "shortest: write it without \"//\", \"/./\" and "
                      "\"/../\"", &schedule->uri, schedule->said.name.len,
                      schedule->said.name.data);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_schedule_record(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_core_loc_conf_t *clcf,
    ngx_http_async_schedule_t *schedule, uint64_t *flags)
{
    u_char                     *buf;
    async_job_t                 job;
    ngx_http_async_loc_conf_t  *alcf;
    ngx_http_async_srv_conf_t  *ascf;

    alcf = ngx_http_async_schedule_conf(cscf, clcf);
    ascf = cscf->ctx->srv_conf[ngx_http_async_module.ctx_index];

    ngx_memzero(&job, sizeof(async_job_t));

    job.state = ASYNC_STATE_QUEUED;
    job.percent = ASYNC_NO_PERCENT;
    job.priority = ngx_http_async_schedule_priority(alcf);
    job.attempts_max = alcf->attempts;
    job.server = ascf->key;
    job.dialect = alcf->dialect;
    job.queue.data = (char *) alcf->queue.data;
    job.queue.len = alcf->queue.len;
    job.method.data = (char *) schedule->method.data;
    job.method.len = schedule->method.len;
    job.uri.data = (char *) schedule->uri.data;
    job.uri.len = ngx_min(schedule->uri.len, NGX_HTTP_ASYNC_URI_MAX);

    ngx_memcpy(job.policy, alcf->policy, ASYNC_POLICY_KEY);

    /* as proxy_next_upstream sees it, see ngx_http_async_build_job() */

    if ((ngx_strcmp(schedule->method.data, "POST") != 0
         && ngx_strcmp(schedule->method.data, "PATCH") != 0
         && ngx_strcmp(schedule->method.data, "LOCK") != 0)
        || (alcf->retry && alcf->retry->non_idempotent))
    {
        job.flags |= ASYNC_JOB_REPEATABLE;
    }

    if (alcf->forget) {
        job.flags |= ASYNC_JOB_FORGET;
    }

    /* what has a body by its nature says that it is empty */

    if (schedule->has_body || ngx_strcmp(schedule->method.data, "POST") == 0
        || ngx_strcmp(schedule->method.data, "PUT") == 0
        || ngx_strcmp(schedule->method.data, "PATCH") == 0)
    {
        job.request.where = ASYNC_BODY_CHUNKS;
        job.request.len = schedule->said.body.len;
    }

    *flags = job.flags;

    if (ngx_http_async_schedule_prefix(cf, cscf, alcf, schedule,
                                       &job.status_prefix)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    buf = ngx_pnalloc(cf->pool, ASYNC_JOB_MAX);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    schedule->said.job.data = (char *) buf;
    schedule->said.job.len = async_job_encode(&job, buf, ASYNC_JOB_MAX);

    return schedule->said.job.len ? NGX_OK : NGX_ERROR;
}


/* variables have no values yet: then it is the server's own */

static ngx_int_t
ngx_http_async_schedule_prefix(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_async_loc_conf_t *alcf,
    ngx_http_async_schedule_t *schedule, async_str_t *prefix)
{
    ngx_str_t                  *name;
    ngx_http_async_srv_conf_t  *ascf;

    ascf = cscf->ctx->srv_conf[ngx_http_async_module.ctx_index];

    if (alcf->forget) {
        return NGX_OK;
    }

    if (alcf->status_uri && alcf->status_uri->lengths == NULL) {
        name = &alcf->status_uri->value;

    } else if (ascf->statuses.nelts) {
        name = &((ngx_http_async_place_t *) ascf->statuses.elts)->name;

    } else {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_status_uri\" of the schedule \"%*s\" has "
                      "variables, which have no values without a client: "
                      "write it without, or add an \"async_status\" location "
                      "to server \"%V\"", schedule->said.name.len,
                      schedule->said.name.data, &cscf->server_name);
        return NGX_ERROR;
    }

    prefix->data = (char *) name->data;
    prefix->len = name->len;

    return NGX_OK;
}


static uint8_t
ngx_http_async_schedule_priority(ngx_http_async_loc_conf_t *alcf)
{
    ngx_str_t  *value;

    if (alcf->priority == NULL || alcf->priority->lengths) {
        return ASYNC_PRIORITY;
    }

    value = &alcf->priority->value;

    return value->len == 1 && value->data[0] >= '0' && value->data[0] <= '9'
           ? value->data[0] - '0' : ASYNC_PRIORITY;
}


/* a URL that a client would give is nobody's here, and nobody is told */

static ngx_int_t
ngx_http_async_schedule_hook(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_async_schedule_t *schedule)
{
    u_char                     *buf, origin[ASYNC_HOOK_ORIGIN];
    in_port_t                   port;
    ngx_uint_t                  ssl;
    async_hook_t                hook;
    ngx_http_conf_addr_t       *addr;
    ngx_http_async_loc_conf_t  *alcf;
    ngx_http_async_srv_conf_t  *ascf;

    alcf = ngx_http_async_schedule_conf(cscf, clcf);

    if (alcf->callback == NULL || alcf->callback->url->lengths
        || alcf->callback->url->value.len == 0)
    {
        return NGX_OK;
    }

    if (alcf->callback_secret->per == ASYNC_HOOK_PER_OWNER) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the jobs of the schedule \"%*s\" have no owner, and so "
                      "no key to sign their webhooks with: write "
                      "\"async_callback_secret ... per=host;\" in location "
                      "\"%V\", or \"async_callback off;\"",
                      schedule->said.name.len, schedule->said.name.data,
                      &clcf->name);
        return NGX_ERROR;
    }

    ngx_memzero(&hook, sizeof(async_hook_t));

    hook.state = ASYNC_HOOK_WAITING;
    hook.on = alcf->callback->on;
    hook.url.data = (char *) alcf->callback->url->value.data;
    hook.url.len = alcf->callback->url->value.len;

    ngx_memcpy(hook.policy, alcf->hook_policy, ASYNC_HOOK_POLICY);

    ascf = cscf->ctx->srv_conf[ngx_http_async_module.ctx_index];

    if (ascf->host.len) {
        addr = ngx_http_async_schedule_listen(cf, cscf);
        port = addr ? ngx_inet_get_port(addr->opt.sockaddr) : 0;
        ssl = addr ? addr->opt.ssl : 0;

        hook.origin.data = (char *) origin;
        hook.origin.len = ngx_http_async_schedule_origin(origin,
                              &ascf->host, ssl,
                              clcf->port_in_redirect ? port : 0)
                          - origin;
    }

    buf = ngx_pnalloc(cf->pool, ASYNC_HOOK_MAX);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    schedule->said.hook.data = (char *) buf;
    schedule->said.hook.len = async_hook_encode(&hook, buf, ASYNC_HOOK_MAX);

    if (schedule->said.hook.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_callback %V\" of the schedule \"%*s\" is too "
                      "long: write a URL of at most %d bytes",
                      &alcf->callback->url->value, schedule->said.name.len,
                      schedule->said.name.data, ASYNC_HOOK_URL);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static u_char *
ngx_http_async_schedule_origin(u_char *p, ngx_str_t *host, ngx_uint_t ssl,
    in_port_t port)
{
    p = ngx_sprintf(p, "http%s://%V", ssl ? "s" : "", host);

    if (port && port != (ssl ? 443 : 80)) {
        p = ngx_sprintf(p, ":%ui", (ngx_uint_t) port);
    }

    return p;
}


/* --- the request --- */

static ngx_int_t
ngx_http_async_schedule_head(ngx_conf_t *cf, ngx_str_t *host,
    ngx_http_async_schedule_t *schedule)
{
    size_t           len;
    u_char          *buf;
    async_writer_t   w;

    len = 256 + schedule->method.len + schedule->uri.len + host->len
          + schedule->type.len;

    buf = ngx_pnalloc(cf->pool, len);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    async_writer_init(&w, buf, len, ASYNC_RECORD_REQUEST);
    async_write_tag(&w, ASYNC_REQUEST_METHOD, schedule->method.data,
                    schedule->method.len);
    async_write_tag(&w, ASYNC_REQUEST_TARGET, schedule->uri.data,
                    schedule->uri.len);
    ngx_http_async_write_pair(&w, ASYNC_REQUEST_HEADER, "Host", host);

    if (schedule->type.len) {
        ngx_http_async_write_pair(&w, ASYNC_REQUEST_HEADER, "Content-Type",
                                  &schedule->type);
    }

    return ngx_http_async_keep_record(cf, &w, buf, &schedule->said.head);
}


/* the server's first name, unless it stands for many */

static void
ngx_http_async_schedule_host(ngx_http_core_srv_conf_t *cscf, ngx_str_t *host)
{
    *host = cscf->server_name;

    if (host->len == 0 || host->len > 255 || host->data[0] == '~'
        || ngx_strlchr(host->data, host->data + host->len, '*')
        || ngx_strcmp(host->data, "_") == 0)
    {
        ngx_str_set(host, "localhost");
    }
}


/* --- what surrounds it --- */

static ngx_int_t
ngx_http_async_schedule_capture(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_http_core_loc_conf_t *clcf,
    ngx_str_t *host, uint64_t flags, ngx_http_async_schedule_t *schedule)
{
    u_char                     *buf, *p, origin[512];
    in_port_t                   port;
    ngx_uint_t                  ssl;
    ngx_sockaddr_t              local;
    async_writer_t              w;
    struct sockaddr_in          peer;
    ngx_http_conf_addr_t       *addr;
    ngx_http_async_loc_conf_t  *alcf;

    static ngx_str_t  https = ngx_string("https");
    static ngx_str_t  on = ngx_string("on");

    alcf = ngx_http_async_schedule_conf(cscf, clcf);
    addr = ngx_http_async_schedule_listen(cf, cscf);

    ngx_memzero(&peer, sizeof(struct sockaddr_in));
    peer.sin_family = AF_INET;
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    ngx_memcpy(&local, &peer, sizeof(struct sockaddr_in));
    port = 0;
    ssl = 0;

    if (addr) {
        port = ngx_inet_get_port(addr->opt.sockaddr);
        ssl = addr->opt.ssl;

        if (!ngx_inet_wildcard(addr->opt.sockaddr)) {
            ngx_memcpy(&local, addr->opt.sockaddr, addr->opt.socklen);
        }

        ngx_inet_set_port(&local.sockaddr, port);
    }

    buf = ngx_pnalloc(cf->pool, 2048);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    async_writer_init(&w, buf, 2048, ASYNC_RECORD_CAPTURE);
    async_write_tag(&w, ASYNC_CAPTURE_PEER, &peer, sizeof(peer));
    async_write_tag(&w, ASYNC_CAPTURE_PEER_TEXT, "127.0.0.1",
                    sizeof("127.0.0.1") - 1);
    async_write_tag(&w, ASYNC_CAPTURE_LOCAL, &local,
                    local.sockaddr.sa_family == AF_INET
                    ? sizeof(struct sockaddr_in)
                    : sizeof(struct sockaddr_in6));
    async_write_tag_u64(&w, ASYNC_CAPTURE_TIMEOUT, alcf->timeout);
    async_write_tag_u64(&w, ASYNC_CAPTURE_FLAGS,
                        flags | ASYNC_CAPTURE_SCHEDULED);

    p = ngx_http_async_schedule_origin(origin, host, ssl,
                                       clcf->port_in_redirect ? port : 0);

    async_write_tag(&w, ASYNC_CAPTURE_ORIGIN, origin, p - origin);

    if (ssl) {
        ngx_http_async_write_pair(&w, ASYNC_CAPTURE_CONN_VAR, "scheme",
                                  &https);
        ngx_http_async_write_pair(&w, ASYNC_CAPTURE_CONN_VAR, "https", &on);
    }

    return ngx_http_async_keep_record(cf, &w, buf, &schedule->said.capture);
}


/* the one with TLS, if there is any, for backends are told the scheme */

static ngx_http_conf_addr_t *
ngx_http_async_schedule_listen(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                   p, a, s;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr, *best;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    port = cmcf->ports ? cmcf->ports->elts : NULL;
    best = NULL;

    for (p = 0; cmcf->ports && p < cmcf->ports->nelts; p++) {
        addr = port[p].addrs.elts;

        for (a = 0; a < port[p].addrs.nelts; a++) {

            if (addr[a].opt.sockaddr->sa_family == AF_UNIX
                || (best && (best->opt.ssl || !addr[a].opt.ssl)))
            {
                continue;
            }

            cscfp = addr[a].servers.elts;

            for (s = 0; s < addr[a].servers.nelts; s++) {
                if (cscfp[s] == cscf) {
                    best = &addr[a];
                }
            }
        }
    }

    return best;
}


static void
ngx_http_async_write_pair(async_writer_t *w, uint16_t tag, const char *name,
    ngx_str_t *value)
{
    async_str_t  key, s;

    key.data = name;
    key.len = ngx_strlen(name);
    s.data = (char *) value->data;
    s.len = value->len;

    async_write_tag_pair(w, tag, key, s);
}


static ngx_int_t
ngx_http_async_keep_record(ngx_conf_t *cf, async_writer_t *w, u_char *buf,
    async_str_t *record)
{
    record->data = (char *) buf;
    record->len = async_writer_end(w);

    if (record->len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "a schedule's request takes %uz bytes, which are too "
                      "many: write a shorter URI, or set fewer variables",
                      w->need);
    }

    return record->len ? NGX_OK : NGX_ERROR;
}
