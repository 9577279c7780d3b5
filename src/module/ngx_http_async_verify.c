
/*
 * async_verify: who may put messages into a location, known by his secret.
 * The master reads the files; workers have what was in them in memory only.
 */

#include "ngx_http_async_conf.h"
#include "ngx_http_async_verify.h"

#include <openssl/crypto.h>

#include "async_secret_file.h"


#define NGX_HTTP_ASYNC_TOLERANCE  300         /* s */


static char *ngx_http_async_verify_tolerance(ngx_conf_t *cf,
    ngx_http_async_verify_t *verify, ngx_str_t *value);
static char *ngx_http_async_add_secret(ngx_conf_t *cf,
    ngx_http_async_verify_t *verify, ngx_str_t *value);
static async_rc_t ngx_http_async_read_secret(ngx_http_async_verify_t *verify,
    ngx_str_t *path, bool *exposed, async_error_t *error);
static void ngx_http_async_forget_secrets(void *data);


static const char  *ngx_http_async_secret_hints[ASYNC_SCHEME_MAX] = {
    "a secret of Standard Webhooks, \"whsec_\" and base64 of 16 to 64 bytes",
    "the text that was entered as secret of the webhook, in one line",
    "the signing secret that Stripe shows, \"whsec_...\", in one line"
};


char *
ngx_http_async_set_verify(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_async_loc_conf_t *alcf = conf;

    char                     *rc;
    ngx_str_t                *value;
    ngx_uint_t                i;
    async_str_t               name;
    async_scheme_t            scheme;
    ngx_pool_cleanup_t       *cln;
    ngx_http_async_verify_t  *verify;

    if (alcf->verify != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    alcf->verify = NULL;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    name.data = (char *) value[1].data;
    name.len = value[1].len;
    scheme = async_scheme(name);

    if (scheme == ASYNC_SCHEME_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid scheme \"%V\" in \"async_verify\": write "
                           "standard, github or stripe and the file with the "
                           "secret, or \"async_verify off\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_async_once_named(cf, "tolerance=") != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    verify = ngx_pcalloc(cf->pool, sizeof(ngx_http_async_verify_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (verify == NULL || cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_async_forget_secrets;
    cln->data = verify;

    verify->scheme = scheme;
    verify->tolerance = NGX_HTTP_ASYNC_TOLERANCE;

    for (i = 2; i < cf->args->nelts; i++) {

        rc = ngx_strncmp(value[i].data, "tolerance=", 10) == 0
             ? ngx_http_async_verify_tolerance(cf, verify, &value[i])
             : ngx_http_async_add_secret(cf, verify, &value[i]);

        if (rc != NGX_CONF_OK) {
            return rc;
        }
    }

    if (verify->n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"async_verify %V\" names no file: write one that "
                           "holds %s, such as \"async_verify %V "
                           "webhook.secret\"", &value[1],
                           ngx_http_async_secret_hints[scheme], &value[1]);
        return NGX_CONF_ERROR;
    }

    alcf->verify = verify;

    return NGX_CONF_OK;
}


static char *
ngx_http_async_verify_tolerance(ngx_conf_t *cf,
    ngx_http_async_verify_t *verify, ngx_str_t *value)
{
    ngx_str_t  s;

    s.data = value->data + 10;
    s.len = value->len - 10;

    verify->tolerance = s.len ? ngx_parse_time(&s, 1) : (time_t) NGX_ERROR;

    if (verify->tolerance == (time_t) NGX_ERROR || verify->tolerance == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\": write how far the clock of a "
                           "sender may be from ours, and its message on its "
                           "way, such as tolerance=5m", value);
        return NGX_CONF_ERROR;
    }

    if (verify->scheme == ASYNC_SCHEME_GITHUB) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" has no effect, since GitHub's messages have "
                           "no timestamp: leave it out", value);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_async_add_secret(ngx_conf_t *cf, ngx_http_async_verify_t *verify,
    ngx_str_t *value)
{
    bool           exposed;
    ngx_str_t      path;
    async_error_t  error;

    if (verify->n == NGX_HTTP_ASYNC_SECRETS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many files in \"async_verify\": %d are the "
                           "most, of which all but one are there until the "
                           "sender has the new secret",
                           NGX_HTTP_ASYNC_SECRETS);
        return NGX_CONF_ERROR;
    }

    path = *value;

    if (path.len == 0 || ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return "needs the path of a file with a secret";
    }

    if (ngx_http_async_read_secret(verify, &path, &exposed, &error)
        != ASYNC_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "async_verify: %s",
                           error.text);
        return NGX_CONF_ERROR;
    }

    if (exposed) {
        ngx_http_async_warn_exposed(cf, "secret", &path, 0);
    }

    return NGX_CONF_OK;
}


static async_rc_t
ngx_http_async_read_secret(ngx_http_async_verify_t *verify, ngx_str_t *path,
    bool *exposed, async_error_t *error)
{
    char                      line[ASYNC_SIGNING_KEY + 3];
    size_t                    len;
    async_rc_t                rc;
    async_str_t               text;
    ngx_http_async_secret_t  *secret;

    rc = async_secret_file((char *) path->data, line, sizeof(line), &len,
                           exposed, NULL, error);

    if (rc != ASYNC_OK) {
        return rc;
    }

    text.data = line;
    text.len = len;
    secret = &verify->secrets[verify->n];

    if (async_signing_key(secret->bytes, &secret->len, verify->scheme, text)) {
        verify->n++;

    } else {
        async_error_set(error, "\"%.100s\" does not hold %s", path->data,
                        ngx_http_async_secret_hints[verify->scheme]);
        rc = ASYNC_INVALID;
    }

    OPENSSL_cleanse(line, sizeof(line));

    return rc;
}


static void
ngx_http_async_forget_secrets(void *data)
{
    OPENSSL_cleanse(data, sizeof(ngx_http_async_verify_t));
}


/*
 * What is not verified must not get through beside: neither because a sender
 * did not ask for a job, nor by a header or an argument of his.
 */

char *
ngx_http_async_merge_verify(ngx_conf_t *cf, ngx_http_async_loc_conf_t *prev,
    ngx_http_async_loc_conf_t *conf)
{
    ngx_uint_t                 own;
    ngx_http_core_loc_conf_t  *clcf;

    own = conf->verify != NGX_CONF_UNSET_PTR && conf->verify;
    ngx_conf_merge_ptr_value(conf->verify, prev->verify, NULL);

    if (conf->verify == NULL) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->mode == NGX_HTTP_ASYNC_OFF || conf->endpoint) {

        if (!own || (clcf->name.len == 0 && !clcf->noname)) {
            return NGX_CONF_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_verify\" in location \"%V\" would verify "
                      "nothing, since no request becomes a job there: write "
                      "\"async on\" beside it", &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (conf->mode == NGX_HTTP_ASYNC_PREFER) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_verify\" and \"async prefer\" exclude each "
                      "other in location \"%V\", since a request without "
                      "that preference would not be verified: write \"async "
                      "on\"", &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (conf->bypass && conf->bypass->nelts) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"async_verify\" and \"async_bypass\" exclude each "
                      "other in location \"%V\", since what bypasses would "
                      "not be verified: write \"async_bypass off\"",
                      &clcf->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
