/*
 * The worker process: claims jobs from the store, replays each through
 * nginx, and settles what came of it.  One thread, one call.
 */

#ifndef ASYNC_WORKER_H
#define ASYNC_WORKER_H


typedef enum {
    ASYNC_LOG_ERROR  = 1,       /* somebody has to do something */
    ASYNC_LOG_WARN   = 2,       /* it goes on, but not as it should */
    ASYNC_LOG_NOTICE = 3,       /* start, standby, takeover, stop */
    ASYNC_LOG_INFO   = 4,       /* one line for each attempt that ended */
    ASYNC_LOG_DEBUG  = 5
} async_log_level_t;


typedef struct {
    const char  *store;         /* the folder that async_store names */
    unsigned     concurrency;   /* jobs at once; 0 = 256 */
    const char  *user;          /* become this user first; NULL = stay */
    unsigned     grace_ms;      /* for running jobs after TERM */
    int          log_level;     /* async_log_level_t; 0 = ASYNC_LOG_INFO */
} async_worker_options_t;


/*
 * Runs until TERM or INT (0), or until it must not go on (1, and the reason
 * is in the log).  Blocks both signals and ignores PIPE: the process is the
 * worker's.  Waits for a store that nginx has not created yet, and as hot
 * standby while another worker holds it.
 */
int async_worker_run(const async_worker_options_t *options);


#endif /* ASYNC_WORKER_H */
