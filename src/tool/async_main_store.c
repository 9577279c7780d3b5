/*
 * nginx-async check: the store as a whole.
 */

#include <stdio.h>

#include "async_check.h"
#include "async_command.h"
#include "async_main.h"
#include "async_print.h"


static int async_main_check(const async_options_t *options);


const async_command_t  async_commands_store[] = {

    { "check",
      async_option_bit(JSON), NULL, false, async_main_check,
      "check          verify everything in the store",
      "Usage: nginx-async [--store DIR] check [--json]\n"
      "\n"
      "Reads the whole store at one point in time, while it is in use: every\n"
      "record decodes, every index, history and count agrees with the jobs,\n"
      "every body is there with its length and checksum.  Faults are printed\n"
      "on stderr, figures on stdout.  Changes nothing.  Exit status 1 if\n"
      "there was a fault.\n"
      "\n"
      "Options:\n"
      "  --json             the figures as a JSON object\n"
      "  --store DIR        the store\n" },

    { "backup",
      async_option_bit(JSON) | async_option_bit(RATE)
      | async_option_bit(FORCE),
      "the FILE to write", false, async_main_backup,
      "backup FILE    a consistent copy of the store",
      "Usage: nginx-async [--store DIR] backup [OPTION...] FILE\n"
      "\n"
      "Writes a copy of the store at one point in time, while it is in use:\n"
      "a tar archive, of which a store is made by\n"
      "\n"
      "    mkdir DIR && tar -xf FILE -C DIR\n"
      "\n"
      "as root, so that the files get their owner back.  The archive is read\n"
      "again and checked before it takes its name; a FILE that is there is\n"
      "replaced then and not earlier.  Room is needed for the archive and\n"
      "for the database once more.  While the database is copied, pages that\n"
      "become free are not used again: the store's file may grow by what is\n"
      "written in that time.  Figures are printed on stdout.  Exit status 1,\n"
      "and no FILE, if it failed or a fault was found.\n"
      "\n"
      "Options:\n"
      "  --rate SIZE        bytes a second to copy and to check (default\n"
      "                     100m); 0: as fast as it goes\n"
      "  --force            keep the archive although it has faults\n"
      "  --json             the figures as a JSON object\n"
      "  --store DIR        the store\n" },

    { "salvage",
      async_option_bit(JSON),
      "the DIR of the new store", false, async_main_salvage,
      "salvage DIR    a new store of what a damaged one still holds",
      "Usage: nginx-async --store DAMAGED salvage [--json] DIR\n"
      "\n"
      "Makes a new store in DIR, which must be empty or not be there, of all\n"
      "that a damaged one still holds.  Stop nginx and the worker before; the\n"
      "damaged store is only read.  Spooled files become links where that is\n"
      "possible.  Jobs that were unfinished and are not known for certain to\n"
      "be as they were found, or that lost a part of their request, become\n"
      "failed with outcome-unknown; a job whose result is damaged stays\n"
      "without it.  Each job that lost something is named on stderr, figures\n"
      "are printed on stdout.  DIR needs room for the database twice.\n"
      "\n"
      "Exit status 0: all that the damaged store counted was rescued.  1:\n"
      "something is lost, or there was nothing.\n"
      "\n"
      "Options:\n"
      "  --json             the figures as a JSON object\n"
      "  --store DIR        the damaged store\n" },

    { NULL, 0, NULL, false, NULL, NULL, NULL }
};


static int
async_main_check(const async_options_t *options)
{
    int                     status;
    async_rc_t              rc;
    async_bar_t             bar;
    async_error_t           err;
    async_store_t          *store;
    async_check_figures_t   figures;

    store = async_main_open(options, true, &status);

    if (store == NULL) {
        return status;
    }

    async_bar_init(&bar);

    rc = async_store_check(store, &figures, async_main_fault,
                           async_main_progress, &bar, &err);

    async_bar_clear(&bar);
    async_store_close(store);

    if (rc != ASYNC_OK) {
        return async_main_failed(&err);
    }

    async_print_check(&figures, options->given[ASYNC_OPTION_JSON]);

    return (figures.faults == 0) ? ASYNC_EXIT_DONE : ASYNC_EXIT_FAILED;
}
