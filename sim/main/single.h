/* --seed N: one run. Private to sim/main/. */
#ifndef OCTO_SIM_MAIN_SINGLE_H
#define OCTO_SIM_MAIN_SINGLE_H

#include "sim/main/outcome.h"

/* sim_single makes the run, writes its trace, reports it and returns the exit status. */
enum sim_exit sim_single(struct sim_program *program);

#endif
