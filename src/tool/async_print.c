#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "async_print.h"


#define ASYNC_BAR_WIDTH  40


void
async_bar_init(async_bar_t *bar)
{
    bar->shown = false;
    bar->percent = -1;
}


void
async_bar_draw(async_bar_t *bar, uint64_t done, uint64_t total)
{
    int                percent, filled;
    static const char  full[] = "########################################";

    if (!isatty(STDERR_FILENO)) {
        return;
    }

    percent = (total == 0 || done >= total) ? 100
              : (int) ((double) done * 100 / (double) total);

    if (bar->shown && percent == bar->percent) {
        return;
    }

    filled = percent * ASYNC_BAR_WIDTH / 100;

    (void) fprintf(stderr, "\r[%.*s%*s] %3d %%", filled, full,
                   ASYNC_BAR_WIDTH - filled, "", percent);
    (void) fflush(stderr);

    bar->shown = true;
    bar->percent = percent;
}


void
async_bar_clear(async_bar_t *bar)
{
    if (bar->shown) {
        (void) fprintf(stderr, "\r%*s\r", ASYNC_BAR_WIDTH + 8, "");
        bar->shown = false;
    }
}


static const char *
async_print_plural(uint64_t n)
{
    return (n == 1) ? "" : "s";
}


void
async_print_check(const async_check_figures_t *figures, bool json)
{
    if (json) {
        (void) printf("{\"jobs\":%" PRIu64 ",\"records\":%" PRIu64
                      ",\"spoolFiles\":%" PRIu64 ",\"orphans\":%" PRIu64
                      ",\"faults\":%" PRIu64 "}\n",
                      figures->jobs, figures->records, figures->spool_files,
                      figures->orphans, figures->faults);
        return;
    }

    (void) printf("%" PRIu64 " job%s, %" PRIu64 " record%s, %" PRIu64
                  " spool file%s",
                  figures->jobs, async_print_plural(figures->jobs),
                  figures->records, async_print_plural(figures->records),
                  figures->spool_files,
                  async_print_plural(figures->spool_files));

    if (figures->orphans != 0) {
        (void) printf(" (%" PRIu64 " of no job, to be swept)",
                      figures->orphans);
    }

    if (figures->faults == 0) {
        (void) printf(": no faults\n");

    } else {
        (void) printf(": %" PRIu64 " fault%s\n", figures->faults,
                      async_print_plural(figures->faults));
    }
}


void
async_print_backup(const async_backup_figures_t *figures, int64_t ms,
    bool json)
{
    if (json) {
        (void) printf("{\"jobs\":%" PRIu64 ",\"spoolFiles\":%" PRIu64
                      ",\"bytes\":%" PRIu64 ",\"seconds\":%.3f,\"faults\":%"
                      PRIu64 "}\n",
                      figures->check.jobs, figures->files, figures->bytes,
                      (double) ms / 1000, figures->check.faults);
        return;
    }

    (void) printf("%" PRIu64 " job%s, %" PRIu64 " spool file%s, %" PRIu64
                  " bytes in %.1f s",
                  figures->check.jobs,
                  async_print_plural(figures->check.jobs), figures->files,
                  async_print_plural(figures->files), figures->bytes,
                  (double) ms / 1000);

    if (figures->check.faults == 0) {
        (void) printf(": checked, no faults\n");

    } else {
        (void) printf(": %" PRIu64 " fault%s\n", figures->check.faults,
                      async_print_plural(figures->check.faults));
    }
}


void
async_print_salvage(const async_salvage_figures_t *figures, bool json)
{
    uint64_t  lost;

    lost = figures->promised > figures->jobs
           ? figures->promised - figures->jobs : 0;

    if (json) {
        (void) printf("{\"jobs\":%" PRIu64 ",\"whole\":%" PRIu64
                      ",\"failed\":%" PRIu64 ",\"withoutResult\":%" PRIu64,
                      figures->jobs, figures->whole, figures->stopped,
                      figures->no_result);

        if (figures->counted) {
            (void) printf(",\"lost\":%" PRIu64, lost);
        }

        (void) printf(",\"damagedPages\":%" PRIu64 ",\"complete\":%s}\n",
                      figures->damaged,
                      async_salvage_whole(figures) ? "true" : "false");
        return;
    }

    (void) printf("%" PRIu64 " job%s found, %" PRIu64 " whole, %" PRIu64
                  " now failed, %" PRIu64 " without result; ",
                  figures->jobs, async_print_plural(figures->jobs),
                  figures->whole, figures->stopped, figures->no_result);

    if (figures->counted) {
        (void) printf("%" PRIu64 " job%s lost", lost,
                      async_print_plural(lost));

    } else {
        (void) printf("how many are lost is not known");
    }

    (void) printf("; %" PRIu64 " damaged page%s\n", figures->damaged,
                  async_print_plural(figures->damaged));
}
