/*
 * The commands that are longer than a page, and what all of them share.
 * Each returns the exit status.
 */

#ifndef ASYNC_MAIN_H
#define ASYNC_MAIN_H

#include <stdint.h>

#include "async_options.h"


#define ASYNC_EXIT_DONE    0
#define ASYNC_EXIT_FAILED  1
#define ASYNC_EXIT_USAGE   2
#define ASYNC_EXIT_NO_SUCH 3


int async_main_backup(const async_options_t *options);
int async_main_salvage(const async_options_t *options);
int async_main_pause(const async_options_t *options);
int async_main_resume(const async_options_t *options);

/* says why; the exit status of that */
int async_main_failed(const async_error_t *err);
/* the same for a store that was not opened, and what can be done */
int async_main_unopened(async_rc_t rc, const async_error_t *err);
/* for checks and their like; data is the async_bar_t */
void async_main_fault(void *data, const char *fault);
void async_main_progress(void *data, uint64_t done, uint64_t total);


#endif /* ASYNC_MAIN_H */
