/* --list-scenarios. Private to sim/main/. */
#ifndef OCTO_SIM_MAIN_SCENARIOS_H
#define OCTO_SIM_MAIN_SCENARIOS_H

#include "sim/main/arguments.h"

/* sim_scenarios_print writes name and summary of every built-in scenario, a line each; with --json
 * an object a line. */
void sim_scenarios_print(const struct sim_program *program);

#endif
