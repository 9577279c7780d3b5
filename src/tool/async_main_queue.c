/*
 * nginx-async pause, nginx-async resume.
 */

#include <stdio.h>
#include <string.h>

#include "async_apply.h"
#include "async_drop.h"
#include "async_main.h"


static int async_queue_pause(const async_options_t *options, bool paused);


int
async_main_pause(const async_options_t *options)
{
    return async_queue_pause(options, true);
}


int
async_main_resume(const async_options_t *options)
{
    return async_queue_pause(options, false);
}


static int
async_queue_pause(const async_options_t *options, bool paused)
{
    async_rc_t              rc;
    async_str_t             queue;
    async_error_t           err;
    async_store_t          *store;
    async_store_options_t   open;

    rc = async_drop(options->store, NULL, &err);

    if (rc != ASYNC_OK) {
        return async_main_failed(&err);
    }

    memset(&open, 0, sizeof(async_store_options_t));
    open.path = options->store;

    rc = async_store_open(&store, &open, &err);

    if (rc != ASYNC_OK) {
        return async_main_unopened(rc, &err);
    }

    queue.data = options->args[0];
    queue.len = strlen(queue.data);

    rc = async_store_pause(store, queue, paused, &err);

    async_store_close(store);

    if (rc != ASYNC_OK) {
        (void) async_main_failed(&err);
        return rc == ASYNC_NOT_FOUND ? ASYNC_EXIT_NO_SUCH : ASYNC_EXIT_FAILED;
    }

    return ASYNC_EXIT_DONE;
}
