
/*
 * A result that lies in the spool.  Nothing of it goes out before the whole
 * file was compared with its checksum, on a thread; which files that was done
 * for is remembered.  Then a plain one is sent by sendfile, and an encrypted
 * one decrypted a segment at a time, as fast as the client takes it.
 *
 * HEAD and conditionals that need no body read nothing: the header is held
 * back where their filters have had it, and is sent on from there.
 */

#include "ngx_http_async_module.h"

#include "async_cipher.h"


#define NGX_HTTP_ASYNC_VERIFY  (4 * 1024 * 1024)   /* bytes in a task */
#define NGX_HTTP_ASYNC_SEEN    1024                /* files remembered */


/* a file that was verified, as it was then */
typedef struct {
    async_id_t                   id;
    ino_t                        ino;
    off_t                        size;
    struct timespec              mtime;
    struct timespec              ctime;
} ngx_http_async_seen_t;


typedef struct ngx_http_async_spooled_s  ngx_http_async_spooled_t;

typedef enum {
    NGX_HTTP_ASYNC_VERIFIES = 0,
    NGX_HTTP_ASYNC_READS
} ngx_http_async_spooled_e;


/*
 * The context of its request: subrequests have their own, and one that is
 * redirected loses it.
 *
 * Lives as long as the pool of its request, whose output may point into it,
 * and as the task on the thread that works on it, whichever ends last.
 */
struct ngx_http_async_spooled_s {
    ngx_http_request_t          *request;     /* NULL once it has ended */
    ngx_http_async_spooled_e     phase;
    ngx_thread_task_t            task;
    async_spool_reader_t         file;
    ngx_http_async_seen_t        seen;
    async_rc_t                   rc;          /* of the last task */
    bool                         done;

    off_t                        pos;         /* next byte to be read */
    off_t                        end;
    off_t                        skip;        /* bytes before a range */
    size_t                       len;         /* of what is in data */
    ngx_buf_t                    buf;
    ngx_buf_t                    before;
    u_char                      *data;        /* ASYNC_SEGMENT bytes */

    unsigned                     verified:1;
    unsigned                     held:1;      /* the header is */
    unsigned                     busy:1;      /* on the thread */
    unsigned                     orphan:1;    /* the pool is gone */
};


static ngx_http_async_spooled_t *ngx_http_async_open_spooled(
    ngx_http_request_t *r, async_job_t *job);
static ngx_int_t ngx_http_async_look(ngx_http_async_spooled_t *s,
    ngx_http_async_seen_t *seen);
static ngx_http_async_seen_t *ngx_http_async_seen(
    ngx_http_async_spooled_t *s);
static ngx_int_t ngx_http_async_spooled_wait(ngx_http_request_t *r,
    ngx_http_async_spooled_t *s);
static ngx_int_t ngx_http_async_spooled_post(ngx_http_async_spooled_t *s);
static void ngx_http_async_spooled_thread(void *data, ngx_log_t *log);
static void ngx_http_async_spooled_event(ngx_event_t *ev);
static void ngx_http_async_verified(ngx_http_request_t *r,
    ngx_http_async_spooled_t *s);
static ngx_int_t ngx_http_async_send_file(ngx_http_request_t *r,
    ngx_http_async_spooled_t *s);
static ngx_int_t ngx_http_async_send_sealed(ngx_http_request_t *r,
    ngx_http_async_spooled_t *s);
static void ngx_http_async_send_segment(ngx_http_request_t *r,
    ngx_http_async_spooled_t *s);
static void ngx_http_async_next_segment(ngx_http_request_t *r,
    ngx_http_async_spooled_t *s);
static void ngx_http_async_spooled_writer(ngx_http_request_t *r);
static void ngx_http_async_spooled_ended(void *data);
static void ngx_http_async_spooled_cleanup(void *data);
static void ngx_http_async_spooled_free(ngx_http_async_spooled_t *s);


static ngx_http_async_seen_t  ngx_http_async_seen_files[NGX_HTTP_ASYNC_SEEN];


ngx_int_t
ngx_http_async_spooled(ngx_http_request_t *r, async_job_t *job)
{
    ngx_int_t                  rc;
    ngx_http_async_spooled_t  *s;

    s = ngx_http_async_open_spooled(r, job);

    if (s == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (s->rc != ASYNC_OK) {
        return ngx_http_async_damaged(r, &job->id, "body");
    }

    ngx_http_set_ctx(r, s, ngx_http_async_module);

    /* what is decrypted comes in many pieces, and once */

    r->single_range = job->response.seal.used;

    rc = ngx_http_async_send_head(r, job);

    if (rc == NGX_DECLINED) {
        s->verified = 1;
        return ngx_http_async_damaged(r, &job->id, "head");
    }

    if (s->held) {
        return ngx_http_async_spooled_wait(r, s);
    }

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return s->file.cipher ? ngx_http_async_send_sealed(r, s)
                          : ngx_http_async_send_file(r, s);
}


/* NULL: no memory; the rest is in its rc */

static ngx_http_async_spooled_t *
ngx_http_async_open_spooled(ngx_http_request_t *r, async_job_t *job)
{
    async_error_t              error;
    ngx_http_cleanup_t        *hcln;
    ngx_pool_cleanup_t        *cln;
    ngx_http_async_spooled_t  *s;

    hcln = ngx_http_cleanup_add(r, 0);
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (hcln == NULL || cln == NULL) {
        return NULL;
    }

    s = ngx_calloc(sizeof(ngx_http_async_spooled_t), r->connection->log);
    if (s == NULL) {
        return NULL;
    }

    s->request = r;

    hcln->handler = ngx_http_async_spooled_ended;
    hcln->data = s;
    cln->handler = ngx_http_async_spooled_cleanup;
    cln->data = s;

    s->task.ctx = s;
    s->task.handler = ngx_http_async_spooled_thread;
    s->task.event.handler = ngx_http_async_spooled_event;
    s->task.event.data = s;

    s->rc = async_spool_open(&s->file, ngx_http_async_store(), &job->id,
                             ASYNC_PAYLOAD_RESPONSE_BODY, &job->response,
                             &error);

    if (s->rc != ASYNC_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "async_store: a stored response cannot be served: %s",
                      error.text);
        return s;
    }

    s->seen.id = job->id;

    if (ngx_http_async_look(s, &s->seen) != NGX_OK) {
        s->rc = ASYNC_UNAVAILABLE;
        return s;
    }

    s->verified = ngx_memcmp(&s->seen, ngx_http_async_seen(s),
                             sizeof(ngx_http_async_seen_t))
                  == 0;

    return s;
}


static ngx_int_t
ngx_http_async_look(ngx_http_async_spooled_t *s, ngx_http_async_seen_t *seen)
{
    ngx_file_info_t  fi;

    if (ngx_fd_info(s->file.fd, &fi) == NGX_FILE_ERROR) {
        return NGX_ERROR;
    }

    seen->ino = fi.st_ino;
    seen->size = fi.st_size;
    seen->mtime = fi.st_mtim;
    seen->ctime = fi.st_ctim;

    return NGX_OK;
}


/* its one place in the table: who comes there later, takes it */

static ngx_http_async_seen_t *
ngx_http_async_seen(ngx_http_async_spooled_t *s)
{
    uint32_t  hash;

    hash = async_crc32c(0, &s->seen.id, sizeof(async_id_t));

    return &ngx_http_async_seen_files[hash % NGX_HTTP_ASYNC_SEEN];
}


ngx_int_t
ngx_http_async_hold_header(ngx_http_request_t *r)
{
    ngx_http_async_spooled_t  *s;

    s = ngx_http_get_module_ctx(r, ngx_http_async_module);

    if (s == NULL || s->verified
        || r->method == NGX_HTTP_HEAD
        || r->headers_out.status == NGX_HTTP_NOT_MODIFIED
        || r->headers_out.status == NGX_HTTP_PRECONDITION_FAILED)
    {
        return NGX_OK;
    }

    s->held = 1;

    return NGX_AGAIN;
}


/* --- the thread --- */

static ngx_int_t
ngx_http_async_spooled_wait(ngx_http_request_t *r,
    ngx_http_async_spooled_t *s)
{
    if (ngx_http_async_spooled_post(s) != NGX_OK) {
        s->held = 0;
        s->verified = 1;

        return ngx_http_async_damaged(r, &s->seen.id, "body");
    }

    /* a client that goes away is seen meanwhile */

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_async_spooled_writer;
    r->main->count++;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_async_spooled_post(ngx_http_async_spooled_t *s)
{
    ngx_http_async_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(s->request, ngx_http_async_module);

    if (ngx_thread_task_post(amcf->results, &s->task) != NGX_OK) {
        return NGX_ERROR;
    }

    s->busy = 1;

    return NGX_OK;
}


/* pool thread */

static void
ngx_http_async_spooled_thread(void *data, ngx_log_t *log)
{
    ngx_http_async_spooled_t *s = data;

    if (s->phase == NGX_HTTP_ASYNC_VERIFIES) {
        s->rc = async_spool_verify(&s->file, NGX_HTTP_ASYNC_VERIFY, &s->done);

    } else {
        s->rc = async_spool_read(&s->file, s->pos, s->data, s->len);
    }
}


static void
ngx_http_async_spooled_event(ngx_event_t *ev)
{
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_async_spooled_t  *s;

    s = ev->data;
    s->busy = 0;

    if (s->orphan) {
        ngx_http_async_spooled_free(s);
        return;
    }

    r = s->request;

    if (r == NULL) {
        return;
    }

    c = r->connection;
    ngx_http_set_log_request(c->log, r);

    if (s->phase == NGX_HTTP_ASYNC_VERIFIES) {
        ngx_http_async_verified(r, s);

    } else {
        ngx_http_async_send_segment(r, s);
    }

    ngx_http_run_posted_requests(c);
}


/* --- before the first byte --- */

static void
ngx_http_async_verified(ngx_http_request_t *r, ngx_http_async_spooled_t *s)
{
    ngx_int_t              rc;
    ngx_http_async_seen_t  now;

    if (s->rc == ASYNC_OK && !s->done) {

        if (ngx_http_async_spooled_post(s) == NGX_OK) {
            return;
        }

        s->rc = ASYNC_UNAVAILABLE;
    }

    s->held = 0;
    s->verified = 1;

    if (s->rc != ASYNC_OK) {
        ngx_http_finalize_request(r,
                       ngx_http_async_damaged(r, &s->seen.id, "body"));
        return;
    }

    now = s->seen;

    if (ngx_http_async_look(s, &now) == NGX_OK
        && ngx_memcmp(&now, &s->seen, sizeof(ngx_http_async_seen_t)) == 0)
    {
        *ngx_http_async_seen(s) = now;
    }

    rc = ngx_http_async_release_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    rc = s->file.cipher ? ngx_http_async_send_sealed(r, s)
                        : ngx_http_async_send_file(r, s);

    /* NGX_DONE gives back the count that waiting took */

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_http_async_send_file(ngx_http_request_t *r, ngx_http_async_spooled_t *s)
{
    ngx_buf_t                *b;
    ngx_chain_t               out, *cl;
    ngx_pool_cleanup_t       *cln;
    ngx_pool_cleanup_file_t  *clnf;

    b = ngx_calloc_buf(r->pool);
    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_pool_cleanup_file_t));

    if (b == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    b->file = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
    if (b->file == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&b->file->name, "a spooled result");

    cln->handler = ngx_pool_cleanup_file;
    clnf = cln->data;
    clnf->fd = s->file.fd;
    clnf->name = b->file->name.data;
    clnf->log = r->pool->log;

    b->file_last = s->file.body.len;
    b->in_file = b->file_last ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    b->file->fd = s->file.fd;
    b->file->log = r->connection->log;

    s->file.fd = NGX_INVALID_FILE;

    out.buf = b;
    out.next = NULL;

    cl = ngx_http_async_message_before(r, &out);

    return cl ? ngx_http_output_filter(r, cl) : NGX_ERROR;
}


/* --- what is decrypted --- */

static ngx_int_t
ngx_http_async_send_sealed(ngx_http_request_t *r,
    ngx_http_async_spooled_t *s)
{
    s->data = ngx_alloc(ASYNC_SEGMENT, r->connection->log);
    if (s->data == NULL) {
        return NGX_ERROR;
    }

    s->phase = NGX_HTTP_ASYNC_READS;
    s->end = s->file.body.len;

    /*
     * The range filter counts the bytes that come by.  Those before its
     * range it drops unseen, so they need not be read: a piece of a file
     * that is none stands for them.
     */

    if (r->headers_out.status == NGX_HTTP_PARTIAL_CONTENT
        && r->headers_out.content_range && s->file.body.len)
    {
        s->skip = r->headers_out.content_offset;
        s->pos = s->skip;
        s->end = s->pos + r->headers_out.content_length_n;
    }

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_async_spooled_writer;
    r->main->count++;

    ngx_http_async_next_segment(r, s);

    return NGX_DONE;
}


static void
ngx_http_async_next_segment(ngx_http_request_t *r,
    ngx_http_async_spooled_t *s)
{
    s->len = ASYNC_SEGMENT - s->pos % ASYNC_SEGMENT;
    s->len = ngx_min((off_t) s->len, s->end - s->pos);

    if (ngx_http_async_spooled_post(s) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


static void
ngx_http_async_send_segment(ngx_http_request_t *r,
    ngx_http_async_spooled_t *s)
{
    u_char        text[ASYNC_ID_TEXT];
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out, before, *cl;

    if (s->rc != ASYNC_OK) {

        /* too late for a 503: a connection that breaks off says it, too */

        async_id_format((char *) text, &s->seen.id);

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "the stored response of job %*s cannot be decrypted "
                      "at %O (%s): see \"nginx-async check\"",
                      (size_t) ASYNC_ID_TEXT, text, s->pos,
                      async_rc_name(s->rc));

        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    s->pos += s->len;

    b = &s->buf;
    ngx_memzero(b, sizeof(ngx_buf_t));

    b->start = s->data;
    b->pos = s->data;
    b->last = s->data + s->len;
    b->end = s->data + ASYNC_SEGMENT;
    b->temporary = 1;
    b->flush = 1;

    if (s->pos == s->end) {
        b->last_buf = (r == r->main) ? 1 : 0;
        b->last_in_chain = 1;
    }

    out.buf = b;
    out.next = NULL;

    if (s->skip) {
        s->before.in_file = 1;
        s->before.file_last = s->skip;
        s->skip = 0;

        before.buf = &s->before;
        before.next = &out;
        rc = ngx_http_output_filter(r, &before);

    } else {
        cl = ngx_http_async_message_before(r, &out);
        rc = cl ? ngx_http_output_filter(r, cl) : NGX_ERROR;
    }

    if (rc == NGX_ERROR || s->pos == s->end) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    ngx_http_async_spooled_writer(r);
}


/* the next segment when the client has taken this one */

static void
ngx_http_async_spooled_writer(ngx_http_request_t *r)
{
    ngx_http_async_spooled_t  *s;

    s = ngx_http_get_module_ctx(r, ngx_http_async_module);

    if (s && !s->busy && ngx_http_async_taken(r, &s->buf) == NGX_OK) {
        ngx_http_async_next_segment(r, s);
    }
}


/* --- the end --- */

static void
ngx_http_async_spooled_ended(void *data)
{
    ngx_http_async_spooled_t *s = data;

    s->request = NULL;
}


static void
ngx_http_async_spooled_cleanup(void *data)
{
    ngx_http_async_spooled_t *s = data;

    s->orphan = 1;

    if (!s->busy) {
        ngx_http_async_spooled_free(s);
    }
}


static void
ngx_http_async_spooled_free(ngx_http_async_spooled_t *s)
{
    async_spool_close(&s->file);

    if (s->data) {
        ngx_explicit_memzero(s->data, ASYNC_SEGMENT);
        ngx_free(s->data);
    }

    ngx_free(s);
}
