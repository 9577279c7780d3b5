/*
 * What power_run.c does to its store, as lines of text that it writes beside
 * it, and what the store must then hold, as power_cut.c reads them:
 *
 *   begin 7                     what follows is in the seventh transaction
 *   submit 12 1f03c2a9          job number, checksum of the request's body
 *   claim 12                    its next attempt
 *   end 12 4 200 77ab03c2       state, status and checksum of the response
 *   sweep                       what ended POWER_KEPT transactions ago loses
 *                               its result, and later all; in slices, so that
 *                               nobody knows before how much of it
 *   ack 7                       the store said that it is on disk
 */

#ifndef POWER_MODEL_H
#define POWER_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "async_job.h"


#define POWER_JOBS  2000
#define POWER_KEPT  20                       /* transactions */

typedef struct {
    uint8_t   state;
    bool      removed;                       /* or about to be */
    unsigned  ended;                         /* in this transaction */
    uint16_t  status;
    uint32_t  attempt;
    uint32_t  request;
    uint32_t  response;
} power_job_t;

typedef struct {
    unsigned     n;                          /* jobs */
    unsigned     begun;                      /* number of the transaction */
    unsigned     acked;
    power_job_t  jobs[POWER_JOBS];
} power_model_t;


static inline void
power_model_apply(power_model_t *m, const char *line)
{
    unsigned      n, state, status;
    uint32_t      crc;
    power_job_t  *job;

    if (sscanf(line, "submit %u %x", &n, &crc) == 2) {
        job = &m->jobs[n];
        *job = (power_job_t) { .state = ASYNC_STATE_QUEUED, .request = crc };
        m->n = n + 1;

    } else if (sscanf(line, "claim %u", &n) == 1) {
        m->jobs[n].state = ASYNC_STATE_PROCESSING;
        m->jobs[n].attempt++;

    } else if (sscanf(line, "end %u %u %u %x", &n, &state, &status, &crc)
               == 4)
    {
        m->jobs[n].state = (uint8_t) state;
        m->jobs[n].status = (uint16_t) status;
        m->jobs[n].response = crc;
        m->jobs[n].ended = m->begun;

    } else if (strcmp(line, "sweep") == 0) {
        for (n = 0; n < m->n; n++) {
            job = &m->jobs[n];

            job->removed = job->removed
                           || (job->ended > 0
                               && job->ended + POWER_KEPT <= m->begun);
        }
    }
}


/* the jobs after transaction limit, if the text goes as far */

static inline void
power_model_read(power_model_t *m, const char *text, size_t len,
    unsigned limit)
{
    char         line[80];
    size_t       i, n;
    const char  *end;

    m->n = m->begun = m->acked = 0;

    for (i = 0; i < len; i += n + 1) {

        end = memchr(text + i, '\n', len - i);

        if (end == NULL) {
            return;
        }

        n = (size_t) (end - text) - i;
        memcpy(line, text + i, n);
        line[n] = '\0';

        if (sscanf(line, "begin %u", &m->begun) == 1
            || sscanf(line, "ack %u", &m->acked) == 1)
        {
            continue;
        }

        if (m->begun <= limit) {
            power_model_apply(m, line);
        }
    }
}


#endif /* POWER_MODEL_H */
