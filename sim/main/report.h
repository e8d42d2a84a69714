/* The report for people. Private to sim/main/. */
#ifndef OCTO_SIM_MAIN_REPORT_H
#define OCTO_SIM_MAIN_REPORT_H

#include "sim/main/many.h"
#include "sim/main/outcome.h"

/* sim_report_run prints the verdict, on failure what broke and how to repeat it, and (with
 * statistics) the run's numbers. */
void sim_report_run(const struct sim_program *program, const struct sim_outcome *outcome,
                    bool statistics);

/* sim_report_sums prints the numbers of many runs. */
void sim_report_sums(const struct sim_program *program, const struct sim_sums *sums);

#endif
