/* Scenarios: what people want a cluster to live through, as files that they write.
 *
 * The ones in scenarios/ are built into the program; a path (anything with a '/' or that ends in
 * ".yaml") names a file of the user's own. docs/scenarios.md has the format.
 */
#ifndef OCTO_SIM_SCENARIO_H
#define OCTO_SIM_SCENARIO_H

#include "sim/sim.h"

#define OCTO_SCENARIO_NAME_BYTES    48u
#define OCTO_SCENARIO_SUMMARY_BYTES 120u
#define OCTO_SCENARIO_ERROR_BYTES   256u

#define OCTO_SCENARIO_SEEDS_DEFAULT  50u
#define OCTO_SCENARIO_SEEDS_MAX      1000000000u
#define OCTO_SCENARIO_UNDECIDED_PPM  1000u /* ceiling, where a scenario names none */
#define OCTO_SCENARIO_SEEDS_VARIABLE "OCTO_SCENARIO_SEEDS"

struct octo_scenario {
    char name[OCTO_SCENARIO_NAME_BYTES];
    char summary[OCTO_SCENARIO_SUMMARY_BYTES]; /* one line */
    struct octo_sim_options options;           /* of every run; the seed is the caller's to set */
    uint32_t seeds;                            /* runs by default */
    uint32_t excused_max_ppm;   /* ceiling: runs with a liveness excuse, of all runs */
    uint32_t undecided_max_ppm; /* ceiling: undecided runs, of all runs */
    uint64_t digest;            /* of all that the file says; comments say nothing */
};

/* octo_scenario_count: how many are built in. octo_scenario_at fills the one numbered 0 .. count-1,
 * in the order of their names. */
uint32_t octo_scenario_count(void);
void octo_scenario_at(uint32_t number, struct octo_scenario *scenario);

/* octo_scenario_load fills the scenario of a name or a path. False: `error` says file, line and
 * what was expected, without a newline. */
bool octo_scenario_load(const char *name, struct octo_scenario *scenario,
                        char error[OCTO_SCENARIO_ERROR_BYTES]) OCTO_MUST_USE;

/* octo_scenario_seeds is how many seeds to run where nobody said: default_count, or what the
 * environment's OCTO_SCENARIO_SEEDS says. False: it says no number, and `error` what was wanted. */
bool octo_scenario_seeds(uint32_t default_count, uint32_t *count,
                         char error[OCTO_SCENARIO_ERROR_BYTES]) OCTO_MUST_USE;

/* octo_scenario_distance: how many letters to change, add or drop to make a of b (Levenshtein), for
 * "did you mean"; of b the first 64 count. */
uint32_t octo_scenario_distance(const char *a, const char *b);

#endif
