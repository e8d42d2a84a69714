/* What a database of results comes to, as text. Private to tools/farm/. */
#ifndef OCTO_FARM_REPORT_H
#define OCTO_FARM_REPORT_H

#include "tools/farm/store.h"

/* farm_report prints the summary unless `quiet` and nothing failed, and returns the exit status. */
enum sim_exit farm_report(struct farm_store *store, bool quiet);

#endif
