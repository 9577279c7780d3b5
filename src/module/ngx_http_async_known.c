
/*
 * What a submit is known by: its owner, and the keys under which it is one
 * and the same as another; and when it is to run, and how soon.  All of it
 * comes from the request, and what is wrong there makes no job.
 */

#include "ngx_http_async_callback.h"

#include "async_delay.h"
#include "async_idempotency.h"


static ngx_int_t ngx_http_async_take_owner(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op);
static ngx_int_t ngx_http_async_take_priority(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op);
static ngx_int_t ngx_http_async_take_delay(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op);
static ngx_int_t ngx_http_async_take_key(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op);
static ngx_int_t ngx_http_async_hash_key(ngx_http_request_t *r,
    ngx_http_async_op_t *op, ngx_str_t *key);
static ngx_int_t ngx_http_async_hash_message(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op, ngx_str_t *id);
static ngx_int_t ngx_http_async_key_text(ngx_http_request_t *r,
    ngx_http_async_idempotency_t *idempotency, ngx_http_async_op_t *op,
    ngx_str_t *text);
static ngx_int_t ngx_http_async_quote_key(ngx_http_request_t *r,
    ngx_http_async_op_t *op, ngx_str_t *key);
static ngx_int_t ngx_http_async_take_coalesce(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op);


ngx_int_t
ngx_http_async_identify(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    static ngx_int_t  (*take[])(ngx_http_request_t *r,
        ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op) =
    {
        ngx_http_async_take_owner,
        ngx_http_async_take_priority,
        ngx_http_async_take_delay,
        ngx_http_async_take_callback,
        ngx_http_async_take_key,
        ngx_http_async_take_coalesce
    };

    for (i = 0; i < sizeof(take) / sizeof(take[0]); i++) {

        rc = take[i](r, alcf, op);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_take_owner(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op)
{
    switch (ngx_http_async_owner(r, alcf, op->owner)) {

    case NGX_OK:
        op->job.owner.data = (char *) op->owner;
        op->job.owner.len = ASYNC_OWNER;
        return NGX_OK;

    case NGX_DECLINED:
        return NGX_OK;

    case NGX_ABORT:
        return ngx_http_async_refuse_submit(op, ASYNC_PROBLEM_OWNER_REQUIRED,
                   "Jobs here belong to someone, and it is not known to "
                   "whom this one would.");

    default:
        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_http_async_take_priority(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op)
{
    ngx_str_t  value;

    if (alcf->priority == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, alcf->priority, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 1 && value.data[0] >= '0' && value.data[0] <= '9') {
        op->job.priority = value.data[0] - '0';
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_take_delay(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op)
{
    int64_t      due;
    ngx_str_t    value;
    async_str_t  text;

    if (alcf->delay == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, alcf->delay, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        return NGX_OK;
    }

    text.data = (char *) value.data;
    text.len = value.len;

    if (async_delay_parse(text, op->job.created, &due) != ASYNC_OK) {
        return ngx_http_async_refuse_submit(op, ASYNC_PROBLEM_DELAY_INVALID,
                   "A delay is a time such as 10s or 2h, seconds, unix time "
                   "or RFC 3339, and ends within a year.");
    }

    /* what the store will make of it, for the document of the answer */

    if (due > op->job.created) {
        op->job.state = ASYNC_STATE_SCHEDULED;
        op->event.due = due;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_take_key(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op)
{
    u_char               key[ASYNC_IDEMPOTENCY_MAX];
    size_t               len;
    ngx_int_t            rc;
    ngx_str_t            value;
    async_str_t          text;
    async_submit_key_t  *sk;

    rc = ngx_http_async_key_text(r, alcf->idempotency, op, &value);

    if (rc != NGX_OK) {
        return rc == NGX_DONE ? NGX_OK : rc;
    }

    text.data = (char *) value.data;
    text.len = value.len;

    if (async_idempotency_parse(text, (char *) key, &len) != ASYNC_OK) {
        return ngx_http_async_refuse_submit(op, ASYNC_PROBLEM_KEY_INVALID,
                   "An idempotency key has 1 to 255 characters, bare or in "
                   "quotes, and comes in one line.");
    }

    sk = &op->event.idempotency;
    sk->used = true;
    sk->ttl = alcf->idempotency->ttl * (uint64_t) 1000;

    value.data = key;
    value.len = len;

    if ((alcf->idempotency->message
         ? ngx_http_async_hash_message(r, alcf, op, &value)
         : ngx_http_async_hash_key(r, op, &value))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* a backend gets the client's header as it is, another source as it */

    if (alcf->idempotency->header) {
        return NGX_OK;
    }

    return ngx_http_async_quote_key(r, op, &value);
}


static ngx_int_t
ngx_http_async_hash_key(ngx_http_request_t *r, ngx_http_async_op_t *op,
    ngx_str_t *key)
{
    ngx_str_t  part[2];

    if (ngx_http_async_scope(r, op, &part[0]) != NGX_OK) {
        return NGX_ERROR;
    }

    part[1] = *key;

    if (ngx_http_async_hash(op->event.idempotency.hash,
                            NGX_HTTP_ASYNC_HASH_KEY, part, 2)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    part[0] = r->method_name;
    part[1] = r->unparsed_uri;

    return ngx_http_async_hash(op->line, NGX_HTTP_ASYNC_HASH_LINE, part, 2);
}


/*
 * The id of a message is one and the same for all who send it, since they
 * have the secret; but not in another location, where it is another secret:
 * who may send there must not take ids from those who send here.
 */

static ngx_int_t
ngx_http_async_hash_message(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op, ngx_str_t *id)
{
    ngx_str_t                   part[4];
    ngx_http_async_srv_conf_t  *ascf;

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_async_module);

    op->job.flags |= ASYNC_JOB_MESSAGE;

    part[0].data = (u_char *) &ascf->key;
    part[0].len = sizeof(ascf->key);
    part[1].data = (u_char *) &alcf->key;
    part[1].len = sizeof(alcf->key);
    part[2].data = (u_char *) op->job.owner.data;
    part[2].len = op->job.owner.len;
    part[3] = *id;

    return ngx_http_async_hash(op->event.idempotency.hash,
                               NGX_HTTP_ASYNC_HASH_MESSAGE, part, 4);
}


/* NGX_DONE: there is none, and need not be */

static ngx_int_t
ngx_http_async_key_text(ngx_http_request_t *r,
    ngx_http_async_idempotency_t *idempotency, ngx_http_async_op_t *op,
    ngx_str_t *text)
{
    ngx_uint_t   lines;
    async_str_t  last;

    if (idempotency->value == NULL) {
        return NGX_DONE;
    }

    if (ngx_http_complex_value(r, idempotency->value, text) != NGX_OK) {
        return NGX_ERROR;
    }

    /* an empty line is no key, and not the same as no line */

    lines = idempotency->header
            ? ngx_http_async_header_lines(r, "Idempotency-Key", &last)
            : (text->len != 0);

    if (lines == 1) {
        return NGX_OK;
    }

    if (lines > 1) {

        /* which of them counted would depend on nginx's version */

        text->len = 0;
        return NGX_OK;
    }

    if (!idempotency->required) {
        return NGX_DONE;
    }

    return ngx_http_async_refuse_submit(op, ASYNC_PROBLEM_KEY_MISSING,
               "A request here needs an idempotency key: the same one when "
               "it is sent again, else a new one.");
}


/* a String of RFC 8941, section 3.3.3 */

static ngx_int_t
ngx_http_async_quote_key(ngx_http_request_t *r, ngx_http_async_op_t *op,
    ngx_str_t *key)
{
    u_char  *p;
    size_t   i;

    op->key.data = ngx_pnalloc(r->pool, 2 * key->len + 2);
    if (op->key.data == NULL) {
        return NGX_ERROR;
    }

    p = op->key.data;
    *p++ = '"';

    for (i = 0; i < key->len; i++) {
        if (key->data[i] == '"' || key->data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = key->data[i];
    }

    *p++ = '"';
    op->key.len = p - op->key.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_async_take_coalesce(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op)
{
    ngx_str_t  part[2];

    if (alcf->coalesce == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, alcf->coalesce, &part[1]) != NGX_OK) {
        return NGX_ERROR;
    }

    if (part[1].len == 0) {
        return NGX_OK;
    }

    if (ngx_http_async_scope(r, op, &part[0]) != NGX_OK) {
        return NGX_ERROR;
    }

    op->event.coalesce.used = true;

    return ngx_http_async_hash(op->event.coalesce.hash,
                               NGX_HTTP_ASYNC_HASH_SINGLE, part, 2);
}


ngx_int_t
ngx_http_async_refuse_submit(ngx_http_async_op_t *op, async_problem_t problem,
    const char *detail)
{
    op->problem = problem;
    op->refusal = detail;

    return NGX_DECLINED;
}
