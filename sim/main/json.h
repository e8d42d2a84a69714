/* Reports for machines: one JSON object a line. Private to sim/main/. */
#ifndef OCTO_SIM_MAIN_JSON_H
#define OCTO_SIM_MAIN_JSON_H

#include "sim/main/determinism.h"
#include "sim/main/many.h"
#include "sim/main/outcome.h"

/* sim_json_run prints the object of one run. difference: NULL if runs were not compared. */
void sim_json_run(const struct sim_program *program, const struct sim_outcome *outcome,
                  const struct sim_difference *difference);

/* sim_json_sums prints the object that ends the output of --seeds ("summary": true). */
void sim_json_sums(const struct sim_program *program, const struct sim_sums *sums);

/* sim_json_scenario prints one line about a scenario. */
void sim_json_scenario(const struct sim_program *program, const struct octo_scenario *scenario);

#endif
