
/*
 * The async_schedule directive.
 */

#include "ngx_http_async_conf.h"
#include "ngx_http_async_schedule.h"

#include "async_cron.h"
#include "async_zone_file.h"


#define NGX_HTTP_ASYNC_TARGET_MAX  2048       /* bytes of a URI with query */


static ngx_int_t ngx_http_async_schedule_times(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *value);
static ngx_int_t ngx_http_async_schedule_request(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *value);
static ngx_int_t ngx_http_async_schedule_param(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *value);
static ngx_int_t ngx_http_async_schedule_zone(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *value);
static ngx_int_t ngx_http_async_schedule_type(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *value);
static ngx_int_t ngx_http_async_schedule_body(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *path);
static ngx_int_t ngx_http_async_read_body(ngx_conf_t *cf, ngx_file_t *file,
    ngx_http_async_schedule_t *schedule);
static ngx_int_t ngx_http_async_schedule_unique(ngx_conf_t *cf,
    ngx_http_async_main_conf_t *amcf, ngx_str_t *name);


char *
ngx_http_async_set_schedule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_srv_conf_t *ascf = conf;

    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_async_schedule_t   *schedule;
    ngx_http_async_main_conf_t  *amcf;

    if (cf->args->nelts < 5) {
        return "needs a name, the times of cron, a method and a URI, such as "
               "\"async_schedule nightly \"0 3 * * *\" POST /reports;\"";
    }

    value = cf->args->elts;
    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_async_module);

    if (ngx_http_async_schedule_unique(cf, amcf, &value[1]) != NGX_OK
        || ngx_http_async_once(cf, 5) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    schedule = ngx_array_push(&ascf->schedules);
    if (schedule == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(schedule, sizeof(ngx_http_async_schedule_t));

    schedule->said.name.data = (char *) value[1].data;
    schedule->said.name.len = value[1].len;

    if (ngx_http_async_schedule_times(cf, schedule, &value[2]) != NGX_OK
        || ngx_http_async_schedule_request(cf, schedule, &value[3]) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 5; i < cf->args->nelts; i++) {
        if (ngx_http_async_schedule_param(cf, schedule, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (schedule->type.len && !schedule->has_body) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"type=%V\" of the schedule \"%V\" has nothing "
                           "to say it of: add body=file, or leave it out",
                           &schedule->type, &value[1]);
        return NGX_CONF_ERROR;
    }

    amcf->used = 1;

    return NGX_CONF_OK;
}


/* names are of the store, and so of all servers together */

static ngx_int_t
ngx_http_async_schedule_unique(ngx_conf_t *cf,
    ngx_http_async_main_conf_t *amcf, ngx_str_t *name)
{
    ngx_str_t    *used;
    ngx_uint_t    i;
    async_str_t   s;

    s.data = (char *) name->data;
    s.len = name->len;

    if (!async_schedule_name(s)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" of a schedule: write 1 to %d "
                           "characters without spaces, such as nightly", name,
                           ASYNC_SCHEDULE_NAME);
        return NGX_ERROR;
    }

    used = amcf->schedule_names.elts;

    for (i = 0; i < amcf->schedule_names.nelts; i++) {

        if (used[i].len == name->len
            && ngx_memcmp(used[i].data, name->data, name->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "there is another schedule \"%V\": each name "
                               "of a store, in whatever server, can be there "
                               "once", name);
            return NGX_ERROR;
        }
    }

    used = ngx_array_push(&amcf->schedule_names);
    if (used == NULL) {
        return NGX_ERROR;
    }

    *used = *name;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_schedule_times(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *value)
{
    async_cron_t   cron;
    async_error_t  error;

    schedule->said.cron.data = (char *) value->data;
    schedule->said.cron.len = value->len;

    if (async_cron_parse(&cron, schedule->said.cron, &error) != ASYNC_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid times \"%V\" of the schedule \"%*s\": %s",
                           value, schedule->said.name.len,
                           schedule->said.name.data, error.text);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* METHOD uri */

static ngx_int_t
ngx_http_async_schedule_request(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *value)
{
    ngx_str_t   *method, *uri;
    ngx_uint_t   i, bad;

    method = &value[0];
    uri = &value[1];
    bad = method->len == 0 || method->len > 32;

    for (i = 0; i < method->len; i++) {
        bad |= (method->data[i] < 'A' || method->data[i] > 'Z')
               && method->data[i] != '-' && method->data[i] != '_';
    }

    if (bad || ngx_strcmp(method->data, "CONNECT") == 0
        || ngx_strcmp(method->data, "TRACE") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid method \"%V\" of the schedule \"%*s\": "
                           "write one such as POST, in capitals", method,
                           schedule->said.name.len, schedule->said.name.data);
        return NGX_ERROR;
    }

    bad = uri->len == 0 || uri->len > NGX_HTTP_ASYNC_TARGET_MAX
          || uri->data[0] != '/';

    for (i = 0; i < uri->len; i++) {
        bad |= uri->data[i] <= ' ' || uri->data[i] == 0x7f
               || uri->data[i] == '#';
    }

    if (bad) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid URI \"%V\" of the schedule \"%*s\": write "
                           "the path in this server, such as /reports?all=1",
                           uri, schedule->said.name.len,
                           schedule->said.name.data);
        return NGX_ERROR;
    }

    schedule->method = *method;
    schedule->uri = *uri;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_schedule_param(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *value)
{
    ngx_str_t    s;
    async_str_t  word;

    if (ngx_strncmp(value->data, "tz=", 3) == 0) {
        s.data = value->data + 3;
        s.len = value->len - 3;

        return ngx_http_async_schedule_zone(cf, schedule, &s);
    }

    if (ngx_strncmp(value->data, "misfire=", 8) == 0) {
        word.data = (char *) value->data + 8;
        word.len = value->len - 8;

        if (async_misfire_parse(word, &schedule->said.misfire)) {
            return NGX_OK;
        }

    } else if (ngx_strcmp(value->data, "overlap=skip") == 0) {
        schedule->said.overlap = false;
        return NGX_OK;

    } else if (ngx_strcmp(value->data, "overlap=allow") == 0) {
        schedule->said.overlap = true;
        return NGX_OK;

    } else if (ngx_strncmp(value->data, "body=", 5) == 0 && value->len > 5) {
        s.data = value->data + 5;
        s.len = value->len - 5;

        return ngx_http_async_schedule_body(cf, schedule, &s);

    } else if (ngx_strncmp(value->data, "type=", 5) == 0 && value->len > 5) {
        s.data = value->data + 5;
        s.len = value->len - 5;

        return ngx_http_async_schedule_type(cf, schedule, &s);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" of the schedule \"%*s\": "
                       "async_schedule takes tz=Area/City, misfire=once, all "
                       "or skip, overlap=skip or allow, body=file and "
                       "type=media/type", value, schedule->said.name.len,
                       schedule->said.name.data);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_async_schedule_zone(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *value)
{
    async_error_t      error;
    async_zone_file_t  file;

    schedule->said.zone.data = (char *) value->data;
    schedule->said.zone.len = value->len;

    async_error_set(&error, "it is empty");

    if (value->len == 0
        || async_zone_load(&file, schedule->said.zone, &error) != ASYNC_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time zone \"tz=%V\" of the schedule "
                           "\"%*s\": %s; write one such as tz=Europe/Berlin",
                           value, schedule->said.name.len,
                           schedule->said.name.data, error.text);
        return NGX_ERROR;
    }

    async_zone_free(&file);

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_schedule_type(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *value)
{
    ngx_uint_t  i, bad;

    bad = ngx_strlchr(value->data, value->data + value->len, '/') == NULL;

    for (i = 0; i < value->len; i++) {
        bad |= value->data[i] < ' ' || value->data[i] >= 0x7f;
    }

    if (bad) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid media type \"%V\" of the schedule "
                           "\"%*s\": write one such as "
                           "type=application/json", value,
                           schedule->said.name.len, schedule->said.name.data);
        return NGX_ERROR;
    }

    schedule->type = *value;

    return NGX_OK;
}


/* relative to nginx.conf, as a certificate; read here, as by the master */

static ngx_int_t
ngx_http_async_schedule_body(ngx_conf_t *cf,
    ngx_http_async_schedule_t *schedule, ngx_str_t *path)
{
    ngx_int_t   rc;
    ngx_str_t   name;
    ngx_file_t  file;

    name = *path;

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = name;
    file.log = cf->log;
    file.fd = ngx_open_file(name.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "the body \"%V\" of the schedule \"%*s\" cannot "
                           "be opened: write the path of a file, relative to "
                           "the folder of nginx.conf", &name,
                           schedule->said.name.len, schedule->said.name.data);
        return NGX_ERROR;
    }

    rc = ngx_http_async_read_body(cf, &file, schedule);

    (void) ngx_close_file(file.fd);

    return rc;
}


static ngx_int_t
ngx_http_async_read_body(ngx_conf_t *cf, ngx_file_t *file,
    ngx_http_async_schedule_t *schedule)
{
    off_t     size;
    u_char   *buf;
    ssize_t   n;

    if (ngx_fd_info(file->fd, &file->info) == NGX_FILE_ERROR
        || !ngx_is_file(&file->info))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the body \"%V\" of the schedule \"%*s\" is no "
                           "file", &file->name, schedule->said.name.len,
                           schedule->said.name.data);
        return NGX_ERROR;
    }

    size = ngx_file_size(&file->info);

    if (size > ASYNC_SCHEDULE_BODY) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the body \"%V\" of the schedule \"%*s\" has %O "
                           "bytes, %d are possible: let the backend read it "
                           "from elsewhere", &file->name,
                           schedule->said.name.len, schedule->said.name.data,
                           size, ASYNC_SCHEDULE_BODY);
        return NGX_ERROR;
    }

    buf = ngx_pnalloc(cf->pool, size + 1);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    n = ngx_read_file(file, buf, size, 0);

    if (n != size) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the body \"%V\" of the schedule \"%*s\" cannot "
                           "be read", &file->name, schedule->said.name.len,
                           schedule->said.name.data);
        return NGX_ERROR;
    }

    schedule->said.body.data = (char *) buf;
    schedule->said.body.len = n;
    schedule->has_body = 1;

    return NGX_OK;
}


/* --- when all is read --- */

ngx_int_t
ngx_http_async_init_schedules(ngx_conf_t *cf,
    ngx_http_async_main_conf_t *amcf)
{
    ngx_str_t                    part[2];
    ngx_uint_t                   s, i;
    ngx_array_t                  list;
    async_schedule_t            *said;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_async_schedule_t   *schedule;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_async_srv_conf_t   *ascf;

    amcf->schedules = ngx_pcalloc(cf->pool, sizeof(async_schedules_t));

    if (amcf->schedules == NULL
        || ngx_array_init(&list, cf->pool, 4, sizeof(async_schedule_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    part[0] = cf->cycle->prefix;
    part[1] = cf->cycle->conf_file;

    amcf->schedules->instance = ngx_http_async_digest(part, 2);
    amcf->schedules->loaded = amcf->key_files->loaded;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;

    for (s = 0; s < cmcf->servers.nelts; s++) {
        ascf = cscfp[s]->ctx->srv_conf[ngx_http_async_module.ctx_index];
        schedule = ascf->schedules.elts;

        for (i = 0; i < ascf->schedules.nelts; i++) {

            if (ngx_http_async_schedule_job(cf, cscfp[s], &schedule[i])
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            said = ngx_array_push(&list);
            if (said == NULL) {
                return NGX_ERROR;
            }

            *said = schedule[i].said;
            said->instance = amcf->schedules->instance;
            said->loaded = amcf->schedules->loaded;
        }
    }

    amcf->schedules->list = list.elts;
    amcf->schedules->n = list.nelts;

    return NGX_OK;
}
