/* The scenarios that are built in. */
#include "sim/scenario.h"

#include <stdio.h>

uint32_t octo_scenario_count(void)
{
    return 2;
}

void octo_scenario_at(uint32_t number, struct octo_scenario *scenario)
{
    octo_assert(number < 2);
    *scenario = (struct octo_scenario){.options = octo_sim_options_default(),
                                       .seeds = 50,
                                       .undecided_max_ppm = 1000,
                                       .excused_max_ppm = 1000000};
    scenario->options.faults = number == 0 ? OCTO_SIM_FAULTS_ALL : OCTO_SIM_FAULTS_SWARM;
    (void)snprintf(scenario->name, sizeof scenario->name, "%s",
                   number == 0 ? "reference" : "swarm");
    (void)snprintf(scenario->summary, sizeof scenario->summary, "%s",
                   number == 0 ? "every kind of fault on" : "each seed draws its faults");
}

bool octo_scenario_load(const char *name, struct octo_scenario *scenario,
                        char error[OCTO_SCENARIO_ERROR_BYTES])
{
    for (uint32_t number = 0; number < 2; number++) {
        octo_scenario_at(number, scenario);
        if (strcmp(scenario->name, name) == 0)
            return true;
    }
    (void)snprintf(error, OCTO_SCENARIO_ERROR_BYTES, "no scenario is called '%.40s'", name);
    return false;
}
