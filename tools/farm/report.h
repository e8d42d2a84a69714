/* What a database of results comes to, as text. Private to tools/farm/. */
#ifndef OCTO_FARM_REPORT_H
#define OCTO_FARM_REPORT_H

#include "tools/farm/store.h"

/* farm_report prints the summary unless arguments->quiet and nothing failed, writes the outputs
 * that the arguments name, and returns the exit status. With an output on standard output the
 * summary goes to standard error. */
enum sim_exit farm_report(struct farm_store *store, const struct farm_arguments *arguments);

#endif
