/* The database of results. Private to tools/farm/. */
#ifndef OCTO_FARM_STORE_H
#define OCTO_FARM_STORE_H

#include "tools/farm/pool.h"

#include <sqlite3.h>
#include <sys/types.h>

struct farm_store {
    sqlite3 *db;
    sqlite3_stmt *has, *put;
    const char *path;
    ino_t inode; /* of the file that a farm writes; 0: none */
    bool open;   /* a transaction is under way */
    bool failed;
};

/* farm_build_text names what made the results: version, compiler and a digest of the program. */
const char *farm_build_text(void);

/* farm_store_create opens or makes the database of a farm of these arguments; it refuses that of
 * another build, machine or other flags. farm_store_read opens one that exists. False: it has
 * complained, the store is closed. */
bool farm_store_create(struct farm_store *store, const struct farm_arguments *arguments,
                       const struct octo_machine *machine) OCTO_MUST_USE;
bool farm_store_read(struct farm_store *store, const char *path) OCTO_MUST_USE;

/* farm_store_merge makes a new database of those that exist, all of one build and with equal flags
 * and scenarios but for the shard; their order is of no account. False: it has complained. */
bool farm_store_merge(const char *path, char **from, int count) OCTO_MUST_USE;

bool farm_store_has(struct farm_store *store, const char *scenario, uint64_t seed);

/* farm_store_put adds a row; farm_store_commit makes all rows so far durable against a kill of the
 * process. Errors stick in store->failed. */
void farm_store_put(struct farm_store *store, const struct farm_arguments *arguments,
                    const struct octo_machine *machine, const struct farm_result *result);
void farm_store_commit(struct farm_store *store);

/* farm_store_end notes that the farm came to its end, and was not stopped. */
void farm_store_end(struct farm_store *store);

/* farm_store_close commits. False if anything was not stored. */
bool farm_store_close(struct farm_store *store);

/* SQLite with its errors told once and kept in store->failed. farm_store_prepare: NULL on an error;
 * finalize it. farm_store_step: true if there is a row; a statement NULL is an error. */
bool farm_store_execute(struct farm_store *store, const char *text);
sqlite3_stmt *farm_store_prepare(struct farm_store *store, const char *text) OCTO_MUST_USE;
bool farm_store_step(struct farm_store *store, sqlite3_stmt *statement);

/* farm_store_damaged says once what no farm wrote, and keeps it in store->failed. */
void farm_store_damaged(struct farm_store *store, const char *what);

#endif
