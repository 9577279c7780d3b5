
/*
 * The async_store directive: where the jobs lie, how safe, under which keys,
 * and the threads that work on it.
 */

#include "ngx_http_async_conf.h"


static ngx_int_t ngx_http_async_add_key(ngx_conf_t *cf,
    ngx_http_async_main_conf_t *amcf, ngx_str_t *value);
static ngx_int_t ngx_http_async_check_keys(ngx_conf_t *cf,
    ngx_http_async_main_conf_t *amcf);
static char *ngx_http_async_add_pool(ngx_conf_t *cf, char *name,
    ngx_thread_pool_t **pool);


char *
ngx_http_async_store_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_main_conf_t *amcf = conf;

    ngx_str_t   *value, s;
    ngx_uint_t   i;

    if (amcf->path.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0
        || ngx_strlchr(value[1].data, value[1].data + value[1].len, '$'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"async_store %V\" names no folder: there is one "
                           "for all of nginx, without variables, such as "
                           "/var/lib/nginx-async; to have none, leave the "
                           "directive out", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_async_once(cf, 2) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    amcf->path = value[1];

    while (amcf->path.len > 1 && amcf->path.data[amcf->path.len - 1] == '/') {
        amcf->path.data[--amcf->path.len] = '\0';
    }

    if (amcf->path.len == 0
        || ngx_conf_full_name(cf->cycle, &amcf->path, 0) != NGX_OK)
    {
        return "needs a folder, such as /var/lib/nginx-async";
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "size=", 5) == 0) {
            s.data = value[i].data + 5;
            s.len = value[i].len - 5;
            amcf->size = ngx_parse_offset(&s);

            if (amcf->size == NGX_ERROR
                || amcf->size < (off_t) ASYNC_STORE_SIZE_MIN)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid size \"%V\": write a size of at "
                                   "least 16m, such as size=64g", &s);
                return NGX_CONF_ERROR;
            }

        } else if (ngx_strcmp(value[i].data, "sync=strict") == 0) {
            amcf->relaxed = 0;

        } else if (ngx_strcmp(value[i].data, "sync=relaxed") == 0) {
            amcf->relaxed = 1;

        } else if (ngx_strncmp(value[i].data, "key=", 4) == 0) {
            s.data = value[i].data + 4;
            s.len = value[i].len - 4;

            if (ngx_http_async_add_key(cf, amcf, &s) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\": async_store takes "
                               "size=64g, sync=strict or sync=relaxed, and "
                               "key=file", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    /* where nothing else is left its schedules have to learn of that */

    amcf->used = 1;

    if (ngx_http_async_check_keys(cf, amcf) != NGX_OK
        || ngx_http_async_add_pool(cf, "async_commits", &amcf->commits)
           != NGX_CONF_OK
        || ngx_http_async_add_pool(cf, "async_reads", &amcf->reads)
           != NGX_CONF_OK
        || ngx_http_async_add_pool(cf, "async_results", &amcf->results)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_async_add_pool(cf, "async_files", &amcf->files);
}


/*
 * The first key encrypts, all decrypt; "off" in its place leaves the others
 * to what they have encrypted.  The master reads the files, as root if need
 * be; what the worker gets to know of them is the path.
 */

static ngx_int_t
ngx_http_async_add_key(ngx_conf_t *cf, ngx_http_async_main_conf_t *amcf,
    ngx_str_t *value)
{
    bool                exposed;
    ngx_str_t           path;
    async_error_t       error;
    async_key_files_t  *files;

    if (amcf->keys == NULL) {
        amcf->keys = ngx_pcalloc(cf->pool, sizeof(async_keys_t));
        amcf->key_files = ngx_pcalloc(cf->pool, sizeof(async_key_files_t));

        if (amcf->keys == NULL || amcf->key_files == NULL) {
            return NGX_ERROR;
        }

        if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
            return NGX_OK;
        }

        amcf->keys->encrypts = 1;
        amcf->key_files->encrypts = 1;
    }

    path = *value;
    files = amcf->key_files;

    if (path.len == 0 || ngx_http_async_key_path(cf, &path) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"key=\" of async_store needs the path of a file "
                           "with a key, such as one that \"openssl rand -hex "
                           "32 > file\" makes");
        return NGX_ERROR;
    }

    if (async_keys_read(amcf->keys, (char *) path.data, &exposed, &error)
        != ASYNC_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "async_store: %s",
                           error.text);
        return NGX_ERROR;
    }

    if (exposed) {
        ngx_http_async_warn_exposed(cf, "key", &path, 1);
    }

    ngx_memcpy(files->ids[files->n],
               amcf->keys->secrets[amcf->keys->n - 1].id, ASYNC_KEY_ID);
    ngx_memcpy(files->paths[files->n++], path.data, path.len);

    return NGX_OK;
}


void
ngx_http_async_warn_exposed(ngx_conf_t *cf, const char *what, ngx_str_t *path,
    ngx_uint_t shared)
{
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "the %s file \"%V\" can be used by everybody on this "
                       "machine: chmod it to %s", what, path,
                       shared ? "640, with the group of nginx's workers"
                              : "600");
}


/*
 * of a file with a secret: relative to nginx.conf, as a certificate; absolute
 * for the worker, with a NUL behind it
 */

ngx_int_t
ngx_http_async_key_path(ngx_conf_t *cf, ngx_str_t *path)
{
    u_char  *p;
    char     cwd[ASYNC_KEY_PATH];

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    if (path->data[0] != '/') {

        if (getcwd(cwd, sizeof(cwd)) == NULL) {
            return NGX_ERROR;
        }

        p = ngx_pnalloc(cf->pool, ngx_strlen(cwd) + path->len + 2);
        if (p == NULL) {
            return NGX_ERROR;
        }

        path->len = ngx_sprintf(p, "%s/%V%Z", cwd, path) - p - 1;
        path->data = p;
    }

    return path->len < ASYNC_KEY_PATH ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_async_check_keys(ngx_conf_t *cf, ngx_http_async_main_conf_t *amcf)
{
    if (amcf->keys && amcf->keys->n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"key=off\" of async_store stands before keys "
                           "that shall go on to decrypt: add one as "
                           "key=file, or leave it out");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The threads of a pool can only be set by the core's own directive, so it is
 * called as if it stood in the file.
 */

static char *
ngx_http_async_add_pool(ngx_conf_t *cf, char *name, ngx_thread_pool_t **pool)
{
    char           *rv;
    ngx_str_t      *arg, pool_name;
    ngx_uint_t      i;
    ngx_array_t    *saved, args;
    ngx_command_t  *cmd;

    if (ngx_array_init(&args, cf->pool, 3, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    pool_name.data = (u_char *) name;
    pool_name.len = ngx_strlen(name);

    arg = ngx_array_push_n(&args, 3);
    if (arg == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_str_set(&arg[0], "thread_pool");
    arg[1] = pool_name;
    ngx_str_set(&arg[2], "threads=1");

    cmd = ngx_thread_pool_module.commands;

    for (i = 0; cmd[i].name.len; i++) {

        if (ngx_strcmp(cmd[i].name.data, "thread_pool") != 0) {
            continue;
        }

        saved = cf->args;
        cf->args = &args;
        rv = cmd[i].set(cf, &cmd[i], NULL);
        cf->args = saved;

        if (rv != NGX_CONF_OK) {
            return rv;
        }

        *pool = ngx_thread_pool_add(cf, &pool_name);

        return *pool ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    return "needs an nginx built with threads";
}
