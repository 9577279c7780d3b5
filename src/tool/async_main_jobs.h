/*
 * What commands say of a job.
 */

#ifndef ASYNC_MAIN_JOBS_H
#define ASYNC_MAIN_JOBS_H

#include "async_json.h"
#include "async_store.h"


#define ASYNC_AGO  32                /* bytes */


/* the native document with "method", "uri" and "priority" besides */
void async_job_print_json(const async_job_t *job,
    const async_estimate_t *estimate);
/* name, as it stands, and a string behind it */
void async_json_print(const char *name, async_str_t s);
/* "12s", "3m05s", "2h30m", "4d01h" into at least ASYNC_AGO bytes */
void async_ago_format(char *out, int64_t ms);

/* false, and told, if it is no id: then there is no such job, too */
bool async_job_id(const char *arg, async_id_t *id);
bool async_job_none(const char *arg);
/* told, the exit status of a look at a job that came to nothing; ASYNC_LATE:
   async_job_id() has told */
int async_job_unseen(async_rc_t rc, const char *arg);

/* false, and told, if there is no such queue; *status is the exit status */
bool async_queue_known(async_view_t *view, const char *name, int *status);

/* as clients are told, but for what is learned that they see a second later */
async_rc_t async_job_estimate(async_view_t *view, const async_job_t *job,
    async_estimate_t *estimate);


#endif /* ASYNC_MAIN_JOBS_H */
