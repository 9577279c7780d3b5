/*
 * From the start of the process until the store is this worker's: become the
 * user, wait for nginx to make the store, stand by while another worker holds
 * it, take over, judge the jobs that the one before left behind.
 */

#ifndef ASYNC_TAKEOVER_H
#define ASYNC_TAKEOVER_H

#include "async_store.h"
#include "async_worker.h"


typedef enum {
    ASYNC_TAKEOVER_DONE,
    ASYNC_TAKEOVER_STOPPED,     /* a signal came */
    ASYNC_TAKEOVER_FAILED       /* the reason is in the log */
} async_takeover_t;


/*
 * signals: a signalfd, watched but not read.  again: the store was open
 * before; what keeps it from being opened now is waited for, however long.
 * *store is open after DONE, and also after the others if it is not NULL.
 */
async_takeover_t async_takeover(const async_worker_options_t *options,
    int signals, bool again, async_store_t **store, uint64_t *epoch);


#endif /* ASYNC_TAKEOVER_H */
