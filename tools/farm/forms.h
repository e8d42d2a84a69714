/* The forms of a report beside the text: NDJSON, JUnit XML, HTML. Private to tools/farm/. */
#ifndef OCTO_FARM_FORMS_H
#define OCTO_FARM_FORMS_H

#include "tools/farm/summary.h"

/* farm_forms_check tries to open each of the arguments' outputs, so that a farm of hours does not
 * end with a complaint. False: it has complained. */
bool farm_forms_check(const struct farm_arguments *arguments) OCTO_MUST_USE;

/* farm_forms_write writes all outputs. False: it has complained. */
bool farm_forms_write(const struct farm_arguments *arguments, const struct farm_summary *summary,
                      struct farm_store *store) OCTO_MUST_USE;

/* Each writes one form to out; errors of the database stick in store->failed. */
void farm_ndjson_write(FILE *out, const struct farm_summary *summary, struct farm_store *store);
void farm_junit_write(FILE *out, const struct farm_summary *summary, struct farm_store *store);
void farm_html_write(FILE *out, const struct farm_summary *summary, struct farm_store *store);

#endif
