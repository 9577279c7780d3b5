
/*
 * What the files of the module share: configuration, the mark of a request,
 * and the calls from one file into another.  All of it runs in the event
 * loop of one nginx process, unless it says "pool thread".
 */

#ifndef NGX_HTTP_ASYNC_MODULE_H
#define NGX_HTTP_ASYNC_MODULE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "async_apply.h"
#include "async_estimate.h"
#include "async_keys.h"
#include "async_message.h"
#include "async_payload.h"
#include "async_prefer.h"
#include "async_problem.h"
#include "async_schedules.h"
#include "async_store.h"


#define NGX_HTTP_ASYNC_DEADLINE      2000     /* ms, submit to commit */
#define NGX_HTTP_ASYNC_WAIT_MAX      30000    /* ms */
#define NGX_HTTP_ASYNC_CAPTURE_MAX   16384    /* bytes of captured variables */
#define NGX_HTTP_ASYNC_DETAIL_MAX    512      /* of a sentence in an error */
#define NGX_HTTP_ASYNC_PROBLEM_MAX   4096     /* of an error with it, escaped */


typedef struct ngx_http_async_progress_s  ngx_http_async_progress_t;

typedef struct {
    ngx_str_t                    path;        /* absolute, NUL-terminated */
    off_t                        size;
    ngx_uint_t                   relaxed;     /* unsigned relaxed:1 */
    async_keys_t                *keys;        /* NULL: none */
    async_key_files_t           *key_files;   /* the same, for the worker */

    ngx_array_t                  queues;      /* async_queue_t */
    ngx_array_t                  policies;    /* async_policy_t */
    ngx_array_t                  schedule_names;  /* ngx_str_t */
    async_schedules_t           *schedules;   /* of all servers */
    ngx_array_t                  hooks;       /* async_hook_policy_t */
    ngx_array_t                  conn_vars;   /* ngx_uint_t: indexes of what a
                                                 replay gets back first */

    ngx_thread_pool_t           *commits;     /* one thread: waits for the
                                                 door, but for batches */
    ngx_thread_pool_t           *files;       /* one thread: large bodies */
    ngx_thread_pool_t           *reads;       /* one thread: small ones that
                                                 lie in a file of nginx */
    ngx_thread_pool_t           *results;     /* one thread: those that are
                                                 served from the spool */

    ngx_http_async_progress_t   *progress;    /* one with a base, for servers
                                                 that have none */

    ngx_uint_t                   used;        /* unsigned used:1: something
                                                 needs a store, or it is there
                                                 for its own sake */
} ngx_http_async_main_conf_t;


typedef struct ngx_http_async_loc_conf_s  ngx_http_async_loc_conf_t;

typedef struct {
    ngx_str_t                    name;
    ngx_http_async_loc_conf_t   *conf;
} ngx_http_async_place_t;


typedef struct {
    ngx_array_t                  statuses;    /* ngx_http_async_place_t */
    ngx_array_t                  schedules;   /* ngx_http_async_schedule_t */
    ngx_array_t                  submits;     /* the same, for checks */
    uint64_t                     key;         /* names the private listener */
    ngx_array_t                  keys;        /* uint64_t: of its locations */
    ngx_http_async_progress_t   *progress;    /* NULL: nobody reports */
    ngx_str_t                    host;        /* the first name, if clients can
                                                 use it, else empty */
    unsigned                     async:1;     /* has an async location */
    unsigned                     replay:1;    /* the private listener's copy */
} ngx_http_async_srv_conf_t;


typedef enum {
    NGX_HTTP_ASYNC_OFF = 0,
    NGX_HTTP_ASYNC_ON,
    NGX_HTTP_ASYNC_PREFER                     /* if the client asks for it */
} ngx_http_async_mode_e;


/* what async_retry says; one attempt and nothing else if it is off */
typedef struct {
    ngx_uint_t                   attempts;
    ngx_msec_t                   backoff_min;
    ngx_msec_t                   backoff_max;
    ngx_array_t                 *on;          /* ngx_str_t, NULL: the default */
    ngx_uint_t                   non_idempotent;
                                              /* unsigned non_idempotent:1 */
} ngx_http_async_retry_t;


typedef struct {
    time_t                       result;      /* s */
    time_t                       failed;
    time_t                       history;
} ngx_http_async_retention_t;


typedef struct {
    ngx_http_complex_value_t    *value;       /* NULL: off */
    time_t                       ttl;         /* s */
    ngx_uint_t                   required;    /* unsigned required:1 */
    ngx_uint_t                   header;      /* unsigned header:1: of the
                                                 client's Idempotency-Key */
    ngx_uint_t                   message;     /* unsigned message:1: of a
                                                 message that was verified */
    ngx_uint_t                   implied;     /* unsigned implied:1: nobody
                                                 said so */
} ngx_http_async_idempotency_t;

typedef struct ngx_http_async_verify_s  ngx_http_async_verify_t;
typedef struct ngx_http_async_check_s  ngx_http_async_check_t;


typedef struct ngx_http_async_callback_s  ngx_http_async_callback_t;
typedef struct ngx_http_async_secrets_s  ngx_http_async_secrets_t;


struct ngx_http_async_loc_conf_s {
    ngx_uint_t                   mode;        /* ngx_http_async_mode_e */
    ngx_str_t                    queue;
    ngx_array_t                 *methods;     /* ngx_str_t, NULL: those of
                                                 the mode */
    ngx_array_t                 *bypass;      /* ngx_http_complex_value_t */
    ngx_array_t                 *drop;        /* ngx_str_t, lower case */
    ngx_array_t                 *keep;        /* ngx_int_t: variable indexes */
    ngx_msec_t                   timeout;
    off_t                        result_max;
    time_t                       retry_after; /* 0 = auto */
    ngx_flag_t                   estimate;
    ngx_msec_t                   wait;        /* the first answer of a job */
    ngx_msec_t                   wait_max;    /* what a client may ask for */
    ngx_msec_t                   events_ping;
    ngx_msec_t                   start_timeout;
    ngx_http_async_retry_t      *retry;
    ngx_http_async_retention_t  *retention;
    ngx_http_complex_value_t    *status_uri;
    ngx_uint_t                   dialect;     /* async_dialect_t */
    ngx_flag_t                   forget;

    ngx_http_complex_value_t    *owner;       /* NULL: off, as below */
    ngx_http_complex_value_t    *coalesce;
    ngx_http_complex_value_t    *delay;
    ngx_http_complex_value_t    *priority;    /* NULL: the default */
    ngx_http_async_idempotency_t
                                *idempotency;
    ngx_http_async_verify_t     *verify;      /* NULL: off */

    ngx_http_async_callback_t   *callback;    /* NULL: off */
    ngx_str_t                    callback_allow;  /* empty: nobody */
    ngx_http_async_secrets_t    *callback_secret;
    uint8_t                      hook_policy[ASYNC_HOOK_POLICY];

    uint64_t                     key;         /* of this location */
    uint8_t                      policy[ASYNC_POLICY_KEY];
    ngx_uint_t                   attempts;    /* of that policy */
    /* of a location of our own, not merged; NULL: it is none */
    ngx_command_t               *endpoint;
    ngx_http_handler_pt          handler;
    ngx_flag_t                   actions;     /* of a dashboard */
};


/*
 * The mark of a request: lives as a cleanup record of r->pool, since module
 * contexts are wiped by every internal redirect.
 */
typedef enum {
    NGX_HTTP_ASYNC_PLAIN = 0,    /* not ours, or not yet */
    NGX_HTTP_ASYNC_SUBMIT,       /* intercepted: makes its one job */
    NGX_HTTP_ASYNC_REPLAY        /* came over a private listener */
} ngx_http_async_phase_e;

/* what is made of a stored response */
typedef enum {
    NGX_HTTP_ASYNC_ITSELF = 0,   /* at its own address */
    NGX_HTTP_ASYNC_MONITOR,      /* the same as a 200, for OData */
    NGX_HTTP_ASYNC_MESSAGE       /* the whole of it as the body of a 200 */
} ngx_http_async_form_e;

#define NGX_HTTP_ASYNC_PASSED_MAX  16

typedef struct ngx_http_async_capture_s  ngx_http_async_capture_t;

/* what a header said, see ngx_http_async_once.c */
typedef struct {
    ngx_uint_t                   used;        /* unsigned used:1 */
    ngx_uint_t                   status;
    ngx_str_t                    type;
    off_t                        length;
} ngx_http_async_hidden_t;

typedef struct {
    ngx_http_async_phase_e       phase;

    /* locations whose access phase was passed, in order */
    uint64_t                     passed[NGX_HTTP_ASYNC_PASSED_MAX];
    ngx_uint_t                   npassed;

    /* job of a submit or a replay, for variables and logs */
    ngx_str_t                    id;          /* empty: none */
    ngx_str_t                    queue;
    ngx_uint_t                   state;       /* async_state_t */
    ngx_uint_t                   attempt;
    ngx_uint_t                   stored;      /* unsigned stored:1 */

    ngx_uint_t                   vary;        /* unsigned vary:1: what Prefer
                                                 says has decided */

    /* result only */
    ngx_http_async_form_e        form;
    ngx_str_t                    before;      /* what goes before its body */
    ngx_uint_t                   result_status;
                                              /* to be restored once
                                                 conditionals were compared */

    ngx_str_t                    message;     /* id, if it was verified */

    ngx_str_t                    url;         /* of the job that was stored */
    ngx_uint_t                   joined;      /* unsigned joined:1: another
                                                 request has made it */
    ngx_uint_t                   replayed;    /* unsigned replayed:1: its key
                                                 was known */
    ngx_uint_t                   waited;      /* unsigned waited:1: this is
                                                 its result */
    ngx_http_async_hidden_t      hidden;      /* of that, from some filters */

    /* replay only */
    ngx_http_async_capture_t    *capture;
    ngx_http_handler_pt          handler;     /* of the location, wrapped */
} ngx_http_async_mark_t;


/* what a replay puts back; strings borrowed from one copy in r->pool */
struct ngx_http_async_capture_s {
    ngx_str_t                    peer;        /* struct sockaddr bytes */
    ngx_str_t                    peer_text;
    ngx_str_t                    local;
    ngx_str_t                    origin;
    ngx_msec_t                   timeout;
    ngx_uint_t                   repeatable;  /* unsigned repeatable:1 */
    ngx_uint_t                   scheduled;   /* unsigned scheduled:1: by
                                                 nobody, and not yet where
                                                 it is to run */
    uint64_t                     passed[NGX_HTTP_ASYNC_PASSED_MAX];
    ngx_uint_t                   npassed;
    ngx_array_t                  conn_vars;   /* ngx_keyval_t */
    ngx_array_t                  vars;        /* ngx_keyval_t */
};


/*
 * A submit, or a change of a job, on its way to the disk.  It has a pool of
 * its own, since the request may be gone before its job is stored.  In turns
 * it belongs to the event loop, to the files thread and to the thread of the
 * store; only request is touched by the event loop at any time.
 */
typedef struct ngx_http_async_op_s  ngx_http_async_op_t;

typedef void (*ngx_http_async_op_handler_pt)(ngx_http_async_op_t *op,
    async_rc_t rc);
/* a change was made or refused, as rc says: answers, as a content handler */
typedef ngx_int_t (*ngx_http_async_act_pt)(ngx_http_request_t *r,
    const async_id_t *id, async_rc_t rc);

struct ngx_http_async_op_s {
    ngx_queue_t                  queue;
    ngx_pool_t                  *pool;
    ngx_http_request_t          *request;     /* NULL once it is gone */
    ngx_http_async_op_handler_pt handler;     /* rc is known: answers, and
                                                 frees unless in flight */
    ngx_http_async_op_handler_pt file_done;
    ngx_http_async_act_pt        act;         /* of a change */
    ngx_uint_t                   in_flight;   /* unsigned in_flight:1: it is
                                                 on a thread */
    ngx_uint_t                   withdrawn;   /* unsigned withdrawn:1: it was
                                                 answered there */

    ngx_http_cleanup_t          *cleanup;     /* of the request */

    const char                  *refusal;     /* NULL: none; else detail of */
    async_problem_t              problem;     /* this, and the client's doing */

    u_char                       owner[ASYNC_OWNER];
    ngx_http_async_check_t      *check;       /* of its signature */
    void                        *data;        /* of who made it */
    ngx_str_t                    key;         /* quoted, for the backend;
                                                 empty: the client's own */
    u_char                       line[ASYNC_SUBMIT_HASH];
                                              /* of method and URI */
    u_char                       sum[ASYNC_SUBMIT_HASH];
                                              /* of the body */

    async_job_t                  job;
    async_hook_t                 hook;
    async_event_t                event;
    async_spool_t                spool;
    async_rc_t                   rc;
    async_error_t                error;

    /* a body in nginx's temporary file */
    ngx_fd_t                     fd;          /* ours, NGX_INVALID_FILE: none */
    u_char                      *path;        /* NULL: no name any more */
    u_char                      *body;
    off_t                        length;
};


/* ngx_http_async_listen.c: private listeners, keys of servers */
ngx_int_t ngx_http_async_add_listeners(ngx_conf_t *cf,
    ngx_http_async_main_conf_t *amcf);
uint64_t ngx_http_async_digest(ngx_str_t *parts, ngx_uint_t n);

/* ngx_http_async_process.c: the store in an nginx worker */
ngx_int_t ngx_http_async_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_http_async_init_process(ngx_cycle_t *cycle);
void ngx_http_async_exit_process(ngx_cycle_t *cycle);
/* NULL until the store can be read; then it stays */
async_store_t *ngx_http_async_store(void);
async_view_t *ngx_http_async_view(void);
/* true once policies are in the store: jobs may refer to them */
ngx_uint_t ngx_http_async_published(void);
/* why the store cannot be used, or NULL while it is still being opened */
const char *ngx_http_async_store_error(void);

/* ngx_http_async_op.c */
/* NULL: no memory.  r may be NULL.  handler gets it back, and frees */
ngx_http_async_op_t *ngx_http_async_create_op(ngx_http_request_t *r,
    ngx_http_async_op_handler_pt handler);
/* the request, which the op then no longer knows; NULL once it is gone */
ngx_http_request_t *ngx_http_async_take_request(ngx_http_async_op_t *op);
void ngx_http_async_free(ngx_http_async_op_t *op, async_rc_t rc);

/* ngx_http_async_commit.c */
/* hands op over; op->handler is called later, never from inside */
void ngx_http_async_commit(ngx_http_async_op_t *op);
/* the store was published: what waited may go */
void ngx_http_async_commit_resume(void);
ngx_int_t ngx_http_async_commit_init(ngx_cycle_t *cycle);

/* ngx_http_async_file.c */
void ngx_http_async_files_init(ngx_cycle_t *cycle,
    ngx_http_async_main_conf_t *amcf);
/* runs thread on the files or the reads thread, as op->length says, then done
   in the event loop, with op->rc or, if it took too long, ASYNC_LATE */
ngx_int_t ngx_http_async_file_task(ngx_http_async_op_t *op,
    void (*thread)(void *data, ngx_log_t *log),
    ngx_http_async_op_handler_pt done);
/* whether a file thread may be using the store */
ngx_uint_t ngx_http_async_files_busy(void);

/* ngx_http_async_submit.c */
ngx_int_t ngx_http_async_precontent(ngx_http_request_t *r);
ngx_int_t ngx_http_async_preaccess(ngx_http_request_t *r);
ngx_int_t ngx_http_async_submit(ngx_http_request_t *r);
/* whether jobs can live there, see async_status_uri */
ngx_uint_t ngx_http_async_is_prefix(ngx_str_t *prefix);

/* ngx_http_async_id.c */
ngx_int_t ngx_http_async_make_id(async_id_t *id, int64_t now);

/* ngx_http_async_forget.c */
char *ngx_http_async_check_forget(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf);
/* answers; whatever becomes of op is no more than logged */
ngx_int_t ngx_http_async_forgotten(ngx_http_request_t *r,
    ngx_http_async_op_t *op);

/* ngx_http_async_known.c: owner, keys, delay and priority of a submit */
/* NGX_DECLINED: refused, op says why */
ngx_int_t ngx_http_async_identify(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op);
ngx_int_t ngx_http_async_refuse_submit(ngx_http_async_op_t *op,
    async_problem_t problem, const char *detail);

/* ngx_http_async_owner.c */
/* NGX_DECLINED: the location knows no owners; NGX_ABORT: it is nobody */
ngx_int_t ngx_http_async_owner(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, u_char owner[ASYNC_OWNER]);
/*
 * async_view_job() for a request to a status location: ASYNC_NOT_FOUND also
 * if the job is not that of who asks.  Nothing of a job is told or done
 * without it.
 */
async_rc_t ngx_http_async_view_job(ngx_http_request_t *r, async_view_t *view,
    const async_id_t *id, async_job_t *job, uint8_t *buf);

/* ngx_http_async_own.c: the list of one's own jobs */
ngx_int_t ngx_http_async_own(ngx_http_request_t *r);

/* ngx_http_async_hash.c */
/* what a hash is of: the first byte in it */
typedef enum {
    NGX_HTTP_ASYNC_HASH_OWNER  = 'o',         /* scopes: an owner's, */
    NGX_HTTP_ASYNC_HASH_CLIENT = 'c',         /* or a client's without one */
    NGX_HTTP_ASYNC_HASH_KEY    = 'i',         /* keys of each kind */
    NGX_HTTP_ASYNC_HASH_MESSAGE = 'm',
    NGX_HTTP_ASYNC_HASH_SINGLE = 's',
    NGX_HTTP_ASYNC_HASH_LINE   = 'l',         /* method and URI */
    NGX_HTTP_ASYNC_HASH_PRINT  = 'p'
} ngx_http_async_hash_e;

/* of a submit whose owner was taken; ASYNC_SUBMIT_HASH bytes in r->pool */
ngx_int_t ngx_http_async_scope(ngx_http_request_t *r,
    ngx_http_async_op_t *op, ngx_str_t *scope);
/* may block on a file: event loop only with the body in memory */
ngx_int_t ngx_http_async_hash_body(ngx_http_async_op_t *op);
/* once the body was hashed */
ngx_int_t ngx_http_async_set_print(ngx_http_async_op_t *op);
/* ASYNC_SUBMIT_HASH bytes: SHA-256 of kind and parts, with their lengths */
ngx_int_t ngx_http_async_hash(u_char *out, ngx_http_async_hash_e kind,
    ngx_str_t *parts, ngx_uint_t n);

/* ngx_http_async_answer.c */
/* what came of a submit goes to its client, if that is still there */
void ngx_http_async_answer(ngx_http_async_op_t *op, async_rc_t rc);
/* the 202 */
ngx_int_t ngx_http_async_accepted(ngx_http_request_t *r,
    const async_job_t *job);
ngx_int_t ngx_http_async_set_replayed(ngx_http_request_t *r,
    ngx_http_async_mark_t *mark);
/* op: NULL if it did not come to one */
ngx_int_t ngx_http_async_refused(ngx_http_request_t *r, async_rc_t rc,
    ngx_http_async_op_t *op);

/* ngx_http_async_body.c: the request's body into the op */
/* NGX_OK: done; NGX_AGAIN: done() is called later; NGX_ERROR */
ngx_int_t ngx_http_async_take_body(ngx_http_request_t *r,
    ngx_http_async_op_t *op, ngx_http_async_op_handler_pt done);
/* a job that was not stored leaves no file behind */
void ngx_http_async_drop_body(ngx_http_async_op_t *op);

/* ngx_http_async_head.c: the request's head as a record */
ngx_int_t ngx_http_async_take_head(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_op_t *op);
/* removes what clients must not send; keeps pointers into the list valid */
ngx_int_t ngx_http_async_strip(ngx_http_request_t *r);

/* ngx_http_async_capture.c */
ngx_int_t ngx_http_async_init_variables(ngx_conf_t *cf,
    ngx_http_async_main_conf_t *amcf);
ngx_int_t ngx_http_async_take_capture(ngx_http_request_t *r,
    ngx_http_async_loc_conf_t *alcf, ngx_http_async_mark_t *mark,
    ngx_http_async_op_t *op);
/* "scheme://host[:port]" as the client of r sees us; empty: too long */
ngx_int_t ngx_http_async_origin(ngx_http_request_t *r, ngx_str_t *origin);
ngx_http_async_capture_t *ngx_http_async_read_capture(ngx_http_request_t *r,
    const async_id_t *id);
void ngx_http_async_restore(ngx_http_request_t *r, ngx_array_t *pairs);

/* ngx_http_async_replay.c */
ngx_int_t ngx_http_async_post_read(ngx_http_request_t *r);
ngx_int_t ngx_http_async_access(ngx_http_request_t *r);
ngx_uint_t ngx_http_async_passed(ngx_http_request_t *r,
    ngx_http_async_mark_t *mark);
void ngx_http_async_replay_content(ngx_http_request_t *r,
    ngx_http_async_mark_t *mark);
ngx_int_t ngx_http_async_is_private(ngx_http_request_t *r);

/* ngx_http_async_facts.c: what a replay tells the worker */
ngx_int_t ngx_http_async_facts_init(ngx_conf_t *cf);
ngx_int_t ngx_http_async_facts_watch(ngx_http_request_t *r);
/* sends a header that was held back on its way */
ngx_int_t ngx_http_async_release_header(ngx_http_request_t *r);

/* ngx_http_async_status.c, ngx_http_async_result.c */
ngx_int_t ngx_http_async_status_handler(ngx_http_request_t *r);
/* calls handler once the store is open, or cannot be, or 2 s are over: what
   it returns, and this, is as of a content handler */
ngx_int_t ngx_http_async_await_store(ngx_http_request_t *r,
    ngx_http_handler_pt handler);
ngx_int_t ngx_http_async_document(ngx_http_request_t *r, async_job_t *job);
/*
 * The job that a request is about: every verb comes by here.  NULL: rc is
 * what the handler returns, an answer was sent.  It is borrowed until the
 * next call.  id NULL: the request names none.
 */
async_job_t *ngx_http_async_find_job(ngx_http_request_t *r,
    const async_id_t *id, ngx_int_t *rc);
ngx_int_t ngx_http_async_result(ngx_http_request_t *r, async_job_t *job);
/* the stored response, which there is, in the form that the mark says */
ngx_int_t ngx_http_async_response(ngx_http_request_t *r, async_job_t *job);
/* whether it was kept for as long as it is kept; and the answer then */
ngx_uint_t ngx_http_async_result_gone(async_job_t *job);
ngx_int_t ngx_http_async_reply_gone(ngx_http_request_t *r, async_job_t *job);
/* NGX_DECLINED: the stored head is missing or damaged, nothing was sent */
ngx_int_t ngx_http_async_send_head(ngx_http_request_t *r, async_job_t *job);
/* whether a header of the stored response is not for who asks */
ngx_uint_t ngx_http_async_hides(ngx_http_request_t *r, async_job_t *job,
    async_str_t name);
/* said and set aside: never a wrong byte as a result */
ngx_int_t ngx_http_async_damaged(ngx_http_request_t *r, const async_id_t *id,
    const char *what);

/* ngx_http_async_history.c */
ngx_int_t ngx_http_async_history(ngx_http_request_t *r,
    const async_id_t *id);

/* ngx_http_async_cancel.c: what changes a job; all return what a content
   handler returns */
ngx_int_t ngx_http_async_cancel(ngx_http_request_t *r, async_job_t *job);
/*
 * Sends an event about a job to the store, and answers with done() once it is
 * on the disk, or is not: ASYNC_EVENT_CANCEL_REQUESTED, or
 * ASYNC_EVENT_FORGOTTEN to remove one that has ended.  done() is not called
 * if the request is gone by then; rc is what the store made of the event, see
 * async_apply.h.
 */
ngx_int_t ngx_http_async_act(ngx_http_request_t *r, async_event_type_t type,
    const async_id_t *id, ngx_http_async_act_pt done);
/* the job after a cancel, or NULL: answer is what the handler returns */
async_job_t *ngx_http_async_canceled(ngx_http_request_t *r,
    const async_id_t *id, async_rc_t rc, ngx_int_t *answer);
/* the problem for an rc that says nothing about the job */
ngx_int_t ngx_http_async_act_failed(ngx_http_request_t *r,
    const async_id_t *id, async_rc_t rc);

/* ngx_http_async_wait.c: long polls, and submits that wait for their job */
char *ngx_http_async_set_wait(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* what a content handler returns; NGX_DECLINED: answer it now */
ngx_int_t ngx_http_async_poll(ngx_http_request_t *r, const async_id_t *id);
/* NGX_AGAIN: it is answered later; NGX_DECLINED: now */
ngx_int_t ngx_http_async_hold(ngx_http_request_t *r, const async_id_t *id);
/* whether this is the result for a submitter who waited */
ngx_uint_t ngx_http_async_waited(ngx_http_request_t *r);
/* the 202 after all, since the result cannot be read */
ngx_int_t ngx_http_async_unheld(ngx_http_request_t *r, const async_id_t *id);

/* ngx_http_async_spooled.c: results that lie in the spool */
ngx_int_t ngx_http_async_spooled(ngx_http_request_t *r, async_job_t *job);
/* NGX_AGAIN: the header waits until the file was verified */
ngx_int_t ngx_http_async_hold_header(ngx_http_request_t *r);

/* ngx_http_async_estimate.c: for async_json_job() and async_json_etag(), which
   want the same one; it is from what was learned up to a second ago */
void ngx_http_async_estimate(const async_job_t *job,
    async_estimate_t *estimate);

/* ngx_http_async_reply.c: all return what a content handler returns */
/* with Retry-After while the job is unfinished; estimate NULL: made here */
ngx_int_t ngx_http_async_reply_job(ngx_http_request_t *r, ngx_uint_t status,
    const async_job_t *job, const async_estimate_t *estimate);
ngx_int_t ngx_http_async_reply_problem(ngx_http_request_t *r,
    async_problem_t problem, const char *detail, const async_id_t *id,
    ngx_uint_t unknown);
/* NGX_DONE: whoever finalizes it answers later, as a thread or a commit */
ngx_int_t ngx_http_async_suspend(ngx_http_request_t *r);
/* 405, or 204 for OPTIONS */
ngx_int_t ngx_http_async_allows(ngx_http_request_t *r, const char *allow,
    const char *detail);
/* a 404, and a 503 */
ngx_int_t ngx_http_async_no_job(ngx_http_request_t *r);
ngx_int_t ngx_http_async_unread(ngx_http_request_t *r);
/* data lives as long as r->pool */
ngx_int_t ngx_http_async_reply(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, u_char *data, size_t len);
/* the same of several pieces, the last of which gets its flags here */
ngx_int_t ngx_http_async_reply_chain(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *type, ngx_chain_t *out, size_t len);
/* a status that says it all */
ngx_int_t ngx_http_async_reply_empty(ngx_http_request_t *r,
    ngx_uint_t status);
ngx_table_elt_t *ngx_http_async_add_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
/* text lives as long as r->pool, a literal does */
ngx_int_t ngx_http_async_set_text(ngx_http_request_t *r, const char *name,
    const char *text);
ngx_int_t ngx_http_async_set_number(ngx_http_request_t *r, const char *name,
    ngx_uint_t number);
ngx_int_t ngx_http_async_retry_after(ngx_http_request_t *r, time_t seconds);
/*
 * For a write event handler that sends in pieces, each in the same buf.
 * NGX_OK: the client has taken it, the next may go; NGX_AGAIN: called again
 * later; NGX_ERROR: the request was finalized.
 */
ngx_int_t ngx_http_async_taken(ngx_http_request_t *r, ngx_buf_t *b);

/* ngx_http_async_prefer.c */
void ngx_http_async_read_prefer(ngx_http_request_t *r,
    async_prefer_t *prefer);
/* on an answer that does what respond-async asks for: says so, if asked */
ngx_int_t ngx_http_async_set_applied(ngx_http_request_t *r);
ngx_int_t ngx_http_async_set_vary(ngx_http_request_t *r);
ngx_uint_t ngx_http_async_listed(ngx_str_t *list, const char *name);

/* ngx_http_async_dialect.c */
char *ngx_http_async_set_dialect(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_async_check_dialect(ngx_conf_t *cf,
    ngx_http_async_loc_conf_t *conf);
/* Location, and Operation-Location in azure */
ngx_int_t ngx_http_async_set_links(ngx_http_request_t *r,
    const async_job_t *job);
ngx_int_t ngx_http_async_job_origin(ngx_http_request_t *r,
    const async_job_t *job, ngx_str_t *origin);
/* the length of what was written to buf, 0: it does not fit, or no memory */
size_t ngx_http_async_job_json(ngx_http_request_t *r, const async_job_t *job,
    const async_estimate_t *estimate, u_char *buf, size_t size);
/* the same; buf has NGX_HTTP_ASYNC_PROBLEM_MAX bytes */
size_t ngx_http_async_problem_json(ngx_http_request_t *r, u_char *buf,
    async_problem_t problem, const char *detail, const async_id_t *id,
    ngx_uint_t unknown, ngx_str_t *type);

/* ngx_http_async_odata.c: the monitor, and a response as a message */
ngx_int_t ngx_http_async_odata(ngx_http_request_t *r, async_job_t *job);
ngx_int_t ngx_http_async_odata_delete(ngx_http_request_t *r,
    async_job_t *job);
ngx_int_t ngx_http_async_message_head(ngx_http_request_t *r,
    async_job_t *job, async_reader_t *rd);
ngx_chain_t *ngx_http_async_message_before(ngx_http_request_t *r,
    ngx_chain_t *out);

/* ngx_http_async_asked.c: the value of the first such header, or NULL */
ngx_str_t *ngx_http_async_header(ngx_http_request_t *r, const char *name);
/* how many lines of it there are; value is that of the last, if any */
ngx_uint_t ngx_http_async_header_lines(ngx_http_request_t *r,
    const char *name, async_str_t *value);

/* ngx_http_async_variables.c */
ngx_int_t ngx_http_async_add_variables(ngx_conf_t *cf);

/* ngx_http_async_mark.c */
ngx_http_async_mark_t *ngx_http_async_get_mark(ngx_http_request_t *r);
ngx_http_async_mark_t *ngx_http_async_make_mark(ngx_http_request_t *r);


static ngx_inline ngx_uint_t
ngx_http_async_header_is(ngx_table_elt_t *h, const char *name)
{
    return h->key.len == ngx_strlen(name)
           && ngx_strncasecmp(h->key.data, (u_char *) name, h->key.len) == 0;
}


/* unix ms, as nginx last saw the clock */
static ngx_inline int64_t
ngx_http_async_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + tp->msec;
}


extern ngx_module_t  ngx_http_async_module;
/* the core declares it nowhere */
extern ngx_module_t  ngx_thread_pool_module;


#endif /* NGX_HTTP_ASYNC_MODULE_H */
