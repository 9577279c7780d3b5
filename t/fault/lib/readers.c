/*
 * Takes reader slots of a store, and holds them until it is told to end.
 *
 *     readers FOLDER N          says how many it got: N, or all that are left
 *
 * A line on stdin, or its end: the transactions end in good order.
 */

#include "async_db.h"
#include "driver.h"


int
main(int argc, char **argv)
{
    int                     rc;
    char                    line[16];
    unsigned                i, n;
    async_error_t           err;
    async_store_t          *store;
    static MDB_txn         *txns[ASYNC_STORE_READERS];
    async_store_options_t   options = { .path = argc > 1 ? argv[1] : "" };

    if (argc != 3) {
        die("usage: readers FOLDER N");
    }

    driver_become_owner(options.path);

    if (async_store_open(&store, &options, &err) != ASYNC_OK) {
        die("%s", err.text);
    }

    n = (unsigned) atoi(argv[2]);

    for (i = 0, rc = 0; i < n && i < ASYNC_STORE_READERS; i++) {
        rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txns[i]);

        if (rc != 0) {
            break;
        }
    }

    n = i;
    printf("readers %u: %s\n", n, mdb_strerror(rc));
    (void) fflush(stdout);

    (void) !fgets(line, sizeof(line), stdin);

    for (i = 0; i < n; i++) {
        mdb_txn_abort(txns[i]);
    }

    async_store_close(store);

    return 0;
}
