
/*
 * The store in an nginx process: the master makes the folders, each worker
 * opens the store.  A store that cannot be opened never stops a worker: its
 * asynchronous locations answer 503, and it is tried again each second.  So
 * is one that was replaced under us, or is damaged: it is closed and opened
 * anew.
 */

#include "ngx_http_async_metrics.h"
#include "ngx_http_async_watch.h"

#include "async_hooks.h"


#define NGX_HTTP_ASYNC_RETRY_OPEN  1000       /* ms */
#define NGX_HTTP_ASYNC_LOOK        1000
#define NGX_HTTP_ASYNC_LEFT        2000       /* until all others noticed */
#define NGX_HTTP_ASYNC_IDLE        100        /* until no thread uses it */


typedef struct {
    ngx_http_async_main_conf_t  *amcf;
    async_store_t               *store;       /* in and out */
    async_store_t               *left;        /* to be closed before */
    async_rc_t                   rc;
    async_error_t                error;
} ngx_http_async_open_t;


/* what one process has; a reload in a single process keeps the store */
typedef struct {
    ngx_http_async_main_conf_t  *amcf;
    async_store_t               *store;
    async_store_t               *left;        /* no longer used, still open */
    async_view_t                *view;
    ngx_event_t                  retry;
    ngx_event_t                  look;
    ngx_uint_t                   published;   /* unsigned published:1 */
    ngx_uint_t                   failed;      /* unsigned failed:1 */
    char                         error[ASYNC_ERROR_TEXT];
    u_char                       path[NGX_MAX_PATH];
} ngx_http_async_process_t;


static void ngx_http_async_rotate(ngx_http_core_main_conf_t *cmcf,
    ngx_http_handler_pt handler);
static void ngx_http_async_warn_shutdown(ngx_cycle_t *cycle,
    ngx_http_async_main_conf_t *amcf);
static void ngx_http_async_open_existing(ngx_cycle_t *cycle);
static async_rc_t ngx_http_async_open_store(ngx_http_async_main_conf_t *amcf,
    ngx_uint_t create, async_store_t **store, async_error_t *error);
static void ngx_http_async_look(ngx_event_t *ev);
static void ngx_http_async_leave(async_store_health_t health);
static void ngx_http_async_post_open(ngx_event_t *ev);
static void ngx_http_async_open_thread(void *data, ngx_log_t *log);
static void ngx_http_async_opened(ngx_event_t *ev);


static ngx_http_async_process_t  ngx_http_async_process;


ngx_int_t
ngx_http_async_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i, level;
    async_error_t                error;
    ngx_core_conf_t             *ccf;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_async_main_conf_t  *amcf;

    static ngx_http_handler_pt  handlers[] = {
        ngx_http_async_post_read,
        ngx_http_async_preaccess,
        ngx_http_async_access,
        ngx_http_async_precontent
    };

    amcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_async_module);

    if (amcf == NULL || !amcf->used) {
        return NGX_OK;
    }

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);

    for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        ngx_http_async_rotate(cmcf, handlers[i]);
    }

    ngx_http_async_warn_shutdown(cycle, amcf);

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (async_store_prepare((char *) amcf->path.data,
                            geteuid() == 0 ? ccf->user : geteuid(),
                            geteuid() == 0 ? ccf->group : getegid(), &error)
        == ASYNC_OK)
    {
        if (async_store_volatile((char *) amcf->path.data)) {
            ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                          "async_store \"%V\" lies in memory (tmpfs): its "
                          "jobs are lost when the machine stops; name a "
                          "folder on a disk", &amcf->path);
        }

        return NGX_OK;
    }

    /* as in ngx_http_async_add_listeners(): only nginx -t refuses */

    level = ngx_test_config ? NGX_LOG_EMERG : NGX_LOG_ERR;

    ngx_log_error(level, cycle->log, 0,
                  "async_store: %s", error.text);

    return ngx_test_config ? NGX_ERROR : NGX_OK;
}


/*
 * Modules that are loaded later push their handlers later, and so run before
 * ours: ours move to the front of their phase once the engine is built.
 */

static void
ngx_http_async_rotate(ngx_http_core_main_conf_t *cmcf,
    ngx_http_handler_pt handler)
{
    ngx_http_phase_handler_t  *ph, *first, *last, ours;

    ph = cmcf->phase_engine.handlers;

    for (last = ph; last->checker && last->handler != handler; last++) {
        /* void */
    }

    if (last->checker == NULL) {
        return;
    }

    for (first = last;
         first > ph && first[-1].checker == last->checker
         && first[-1].next == last->next;
         first--)
    {
        /* void */
    }

    ours = *last;
    ngx_memmove(first + 1, first, (last - first) * sizeof(*first));
    *first = ours;
}


static void
ngx_http_async_warn_shutdown(ngx_cycle_t *cycle,
    ngx_http_async_main_conf_t *amcf)
{
    ngx_uint_t        i;
    async_policy_t   *policy;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);
    policy = amcf->policies.elts;

    if (ccf->shutdown_timeout == 0) {
        return;
    }

    for (i = 0; i < amcf->policies.nelts; i++) {

        if (ccf->shutdown_timeout < policy[i].timeout) {
            ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                          "\"worker_shutdown_timeout\" of %M ms is shorter "
                          "than an \"async_timeout\" of %uL ms: a reload cuts "
                          "jobs that run longer; make it longer, or leave it "
                          "out", ccf->shutdown_timeout, policy[i].timeout);
            return;
        }
    }
}


ngx_int_t
ngx_http_async_init_process(ngx_cycle_t *cycle)
{
    ngx_http_async_process_t    *ap;
    ngx_http_async_main_conf_t  *amcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    amcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_async_module);

    if (amcf == NULL || !amcf->used) {
        return NGX_OK;
    }

    if (ngx_http_async_commit_init(cycle) != NGX_OK) {
        return NGX_OK;
    }

    ngx_http_async_files_init(cycle, amcf);
    ngx_http_async_watch_init();
    ngx_http_async_feed_init(amcf);

    ap = &ngx_http_async_process;

    if (ap->retry.timer_set) {
        ngx_del_timer(&ap->retry);
    }

    ap->amcf = amcf;
    ap->published = 0;
    ap->retry.handler = ngx_http_async_post_open;
    ap->retry.data = ap;
    ap->retry.log = cycle->log;
    ap->retry.cancelable = 1;

    if (!ap->look.timer_set) {
        ap->look.handler = ngx_http_async_look;
        ap->look.data = ap;
        ap->look.log = cycle->log;
        ap->look.cancelable = 1;

        ngx_add_timer(&ap->look, NGX_HTTP_ASYNC_LOOK);
    }

    if (ap->store == NULL && ap->left == NULL) {
        ngx_http_async_open_existing(cycle);

    } else if (ap->store && ngx_strcmp(ap->path, amcf->path.data) != 0) {

        /* one process cannot leave a store while its jobs are in flight */

        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "\"async_store %V\" takes effect after a restart, "
                      "\"%s\" is used until then", &amcf->path, ap->path);

    } else if (ap->store) {
        (void) async_store_use_keys(ap->store, amcf->keys);
    }

    ngx_http_async_post_open(&ap->retry);

    return NGX_OK;
}


/*
 * After a reload the store is there: opening it at once means that not one
 * request has to wait or be refused.  But not for a moment's wait: a process
 * that holds the store may be stopped, and other sites must not stop with it.
 */

static void
ngx_http_async_open_existing(ngx_cycle_t *cycle)
{
    async_error_t              error;
    ngx_http_async_process_t  *ap;

    ap = &ngx_http_async_process;

    ngx_cpystrn(ap->path, ap->amcf->path.data, NGX_MAX_PATH);

    if (ngx_http_async_open_store(ap->amcf, 0, &ap->store, &error)
        != ASYNC_OK)
    {
        return;
    }

    if (async_view_open(&ap->view, ap->store) != ASYNC_OK) {
        async_store_close(ap->store);
        ap->store = NULL;
        ap->view = NULL;
    }
}


/* no store of ours is ever open without its keys */

static async_rc_t
ngx_http_async_open_store(ngx_http_async_main_conf_t *amcf,
    ngx_uint_t create, async_store_t **store, async_error_t *error)
{
    async_rc_t             rc;
    async_store_options_t  options;

    ngx_memzero(&options, sizeof(async_store_options_t));

    options.path = (char *) amcf->path.data;
    options.size = amcf->size;
    options.relaxed = amcf->relaxed;
    options.create = create;
    options.hasty = !create;

    rc = async_store_open(store, &options, error);

    if (rc == ASYNC_OK) {
        rc = async_store_use_keys(*store, amcf->keys);

        if (rc != ASYNC_OK) {
            async_error_set(error, "no memory for keys");
            async_store_close(*store);
        }
    }

    if (rc != ASYNC_OK) {
        *store = NULL;
        return rc;
    }

    async_slate_sit(*store, ASYNC_SEAT_NGINX);

    return ASYNC_OK;
}


static void
ngx_http_async_look(ngx_event_t *ev)
{
    async_store_health_t       health;
    ngx_http_async_process_t  *ap;

    ap = ev->data;

    if (ngx_exiting) {
        return;
    }

    if (ap->store) {
        health = async_store_health(ap->store);

        if (health != ASYNC_STORE_SOUND) {
            ngx_http_async_leave(health);

        } else {
            ngx_http_async_count_waiting(ap->store);
        }
    }

    ngx_add_timer(ev, NGX_HTTP_ASYNC_LOOK);
}


/* nothing of it is used from here on; what threads have, they finish */

static void
ngx_http_async_leave(async_store_health_t health)
{
    ngx_http_async_process_t  *ap;

    ap = &ngx_http_async_process;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "async_store \"%s\" is closed and opened anew: %s", ap->path,
                  async_store_health_text(health));

    ngx_cpystrn((u_char *) ap->error,
                (u_char *) async_store_health_text(health),
                ASYNC_ERROR_TEXT);

    ngx_http_async_feed_leave();
    async_view_close(ap->view);

    ap->view = NULL;
    ap->left = ap->store;
    ap->store = NULL;
    ap->published = 0;
    ap->failed = 1;

    ngx_add_timer(&ap->retry, NGX_HTTP_ASYNC_LEFT);
}


static void
ngx_http_async_post_open(ngx_event_t *ev)
{
    ngx_thread_task_t         *task;
    ngx_http_async_open_t     *open;
    ngx_http_async_process_t  *ap;

    ap = ev->data;

    if (ngx_exiting) {
        return;
    }

    if (ap->left
        && (ngx_http_async_files_busy() || ngx_http_async_feed_busy()))
    {
        ngx_add_timer(ev, NGX_HTTP_ASYNC_IDLE);
        return;
    }

    task = ngx_calloc(sizeof(ngx_thread_task_t)
                      + sizeof(ngx_http_async_open_t), ev->log);
    if (task == NULL) {
        ngx_add_timer(ev, NGX_HTTP_ASYNC_RETRY_OPEN);
        return;
    }

    open = (ngx_http_async_open_t *) (task + 1);
    open->amcf = ap->amcf;
    open->store = ap->store;
    open->left = ap->left;

    task->ctx = open;
    task->handler = ngx_http_async_open_thread;
    task->event.handler = ngx_http_async_opened;
    task->event.data = task;

    if (ngx_thread_task_post(ap->amcf->commits, task) != NGX_OK) {
        ngx_free(task);
        ngx_add_timer(ev, NGX_HTTP_ASYNC_RETRY_OPEN);
        return;
    }

    ap->left = NULL;
}


/* pool thread: makes what is missing, says what the configuration says */

static void
ngx_http_async_open_thread(void *data, ngx_log_t *log)
{
    ngx_http_async_open_t *open = data;

    /* a batch that is in it ends first */

    async_store_close(open->left);

    if (open->store == NULL) {
        open->rc = ngx_http_async_open_store(open->amcf, 1, &open->store,
                                             &open->error);
        if (open->rc != ASYNC_OK) {
            return;
        }
    }

    open->rc = async_store_publish(open->store, open->amcf->policies.elts,
                                   open->amcf->policies.nelts,
                                   open->amcf->queues.elts,
                                   open->amcf->queues.nelts, &open->error);

    if (open->rc == ASYNC_OK) {
        open->rc = async_store_publish_hooks(open->store,
                                             open->amcf->hooks.elts,
                                             open->amcf->hooks.nelts,
                                             open->amcf->key_files->loaded,
                                             &open->error);
    }

    if (open->rc == ASYNC_OK) {
        open->rc = async_store_publish_keys(open->store,
                                            open->amcf->key_files,
                                            &open->error);
    }

    if (open->rc == ASYNC_OK) {
        open->rc = async_store_publish_schedules(open->store,
                                                 open->amcf->schedules,
                                                 &open->error);
    }
}


static void
ngx_http_async_opened(ngx_event_t *ev)
{
    ngx_thread_task_t         *task;
    ngx_http_async_open_t     *open;
    ngx_http_async_process_t  *ap;

    task = ev->data;
    open = task->ctx;
    ap = &ngx_http_async_process;

    if (ap->store == NULL && open->store) {
        if (async_view_open(&ap->view, open->store) == ASYNC_OK) {
            ap->store = open->store;

        } else {
            async_store_close(open->store);
            open->rc = ASYNC_UNAVAILABLE;
            async_error_set(&open->error, "no reader slot is free");
        }
    }

    if (open->rc == ASYNC_OK) {
        if (ap->failed) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "async_store \"%s\" is available again", ap->path);
        }

        ap->published = 1;
        ap->failed = 0;

    } else {
        if (ngx_strcmp(ap->error, open->error.text) != 0 || !ap->failed) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "async_store \"%s\" cannot be used: %s", ap->path,
                          open->error.text);
        }

        ngx_cpystrn((u_char *) ap->error, (u_char *) open->error.text,
                    ASYNC_ERROR_TEXT);
        ap->failed = 1;

        if (!ngx_exiting) {
            ngx_add_timer(&ap->retry, NGX_HTTP_ASYNC_RETRY_OPEN);
        }
    }

    ngx_free(task);

    ngx_http_async_commit_resume();
}


/* threads that write run in this module, which is about to be unloaded */

void
ngx_http_async_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_async_feed_exit();

    async_store_quit(ngx_http_async_process.left);
    async_store_quit(ngx_http_async_process.store);
}


async_store_t *
ngx_http_async_store(void)
{
    return ngx_http_async_process.store;
}


async_view_t *
ngx_http_async_view(void)
{
    return ngx_http_async_process.view;
}


ngx_uint_t
ngx_http_async_published(void)
{
    return ngx_http_async_process.published;
}


const char *
ngx_http_async_store_error(void)
{
    if (ngx_http_async_process.failed && !ngx_http_async_process.published) {
        return ngx_http_async_process.error;
    }

    return NULL;
}
