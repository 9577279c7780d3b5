/*
 * Changes what a store says about itself, as if another version had made it.
 *
 *     meta FOLDER schema|lmdb NUMBER
 *
 * Prints what it said before.
 */

#include "async_db.h"
#include "driver.h"


int
main(int argc, char **argv)
{
    char          path[512];
    uint32_t      number;
    uint8_t       buf[ASYNC_META_MAX];
    MDB_dbi       dbi;
    MDB_env      *env;
    MDB_txn      *txn;
    MDB_val       k, v;
    async_key_t   key;
    async_meta_t  meta;

    if (argc != 4) {
        die("usage: meta FOLDER schema|lmdb NUMBER");
    }

    driver_become_owner(argv[1]);
    (void) snprintf(path, sizeof(path), "%s/db", argv[1]);

    if (mdb_env_create(&env) != 0
        || mdb_env_set_maxdbs(env, 16) != 0
        || mdb_env_set_maxreaders(env, ASYNC_STORE_READERS) != 0
        || mdb_env_open(env, path, 0, 0600) != 0
        || mdb_txn_begin(env, NULL, 0, &txn) != 0
        || mdb_dbi_open(txn, async_db_name(ASYNC_DB_META), 0, &dbi) != 0)
    {
        die("cannot open %s", path);
    }

    async_key_meta(&key);
    k.mv_size = key.len;
    k.mv_data = key.bytes;

    if (mdb_get(txn, dbi, &k, &v) != 0
        || async_meta_decode(&meta, v.mv_data, v.mv_size) != ASYNC_OK)
    {
        die("no record about the store");
    }

    number = (uint32_t) atoi(argv[3]);

    if (strcmp(argv[2], "schema") == 0) {
        printf("%u\n", (unsigned) meta.schema);
        meta.schema = number;

    } else {
        printf("%u\n", (unsigned) meta.lmdb_major);
        meta.lmdb_major = number;
    }

    v.mv_size = async_meta_encode(&meta, buf, sizeof(buf));
    v.mv_data = buf;

    if (mdb_put(txn, dbi, &k, &v, 0) != 0 || mdb_txn_commit(txn) != 0) {
        die("cannot change it");
    }

    mdb_env_close(env);

    return 0;
}
