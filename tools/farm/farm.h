/* The farm's door: many runs on every core, each result a row of a database.
 *
 *     plan (scenarios, seeds, shard) -> workers (one process a core) -> store (SQLite) -> report
 */
#ifndef OCTO_FARM_FARM_H
#define OCTO_FARM_FARM_H

#include "kernel/kernel.h"

/* octo_farm_main is the whole program octo-farm for a user's machine: parses argv, makes the runs
 * or reports, and returns the exit status (0 held, 1 broke, 2 usage or bad input, 3 the farm itself
 * failed, 4 more checks undecided than their ceiling allows). */
int octo_farm_main(int argc, char **argv, const struct octo_machine *machine);

#endif
