/*
 * What the commands share.  Each returns the exit status.
 */

#ifndef ASYNC_MAIN_H
#define ASYNC_MAIN_H

#include <stdint.h>

#include "async_options.h"
#include "async_store.h"


#define ASYNC_EXIT_DONE    0
#define ASYNC_EXIT_FAILED  1
#define ASYNC_EXIT_USAGE   2
#define ASYNC_EXIT_NO_SUCH 3

#define ASYNC_WHO  64                /* bytes of who it is */


/* commands that are longer than a page */
int async_main_backup(const async_options_t *options);
int async_main_salvage(const async_options_t *options);
int async_main_show(const async_options_t *options);
int async_main_watch(const async_options_t *options);

/*
 * Becomes the owner of the store and opens it; inspect: also while damage
 * keeps others off.  NULL: it was said why, *status is the exit status.
 */
async_store_t *async_main_open(const async_options_t *options, bool inspect,
    int *status);
/* and looks at it; the caller closes both */
async_view_t *async_main_look(const async_options_t *options,
    async_store_t **store, int *status);
/* "cli:alice", who calls us, for the history; before the store is opened */
async_str_t async_main_who(char buf[ASYNC_WHO]);
int64_t async_main_now(void);        /* unix ms */

/* says why; the exit status of that */
int async_main_failed(const async_error_t *err);
/* the same for a store that was not opened, and what can be done */
int async_main_unopened(async_rc_t rc, const async_error_t *err);
/* the same for one that is open; makes the sentence, too */
int async_main_unread(async_rc_t rc, async_error_t *err);
/* for checks and their like; data is the async_bar_t */
void async_main_fault(void *data, const char *fault);
void async_main_progress(void *data, uint64_t done, uint64_t total);


#endif /* ASYNC_MAIN_H */
