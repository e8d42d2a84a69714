#include "sim/main/scenarios.h"

#include "sim/main/json.h"

void sim_scenarios_print(const struct sim_program *program)
{
    const uint32_t count = octo_scenario_count();
    struct octo_scenario scenario;
    int width = 0;

    for (uint32_t i = 0; i < count; i++) {
        octo_scenario_at(i, &scenario);
        const int size = (int)strlen(scenario.name);
        width = size > width ? size : width;
    }
    for (uint32_t i = 0; i < count; i++) {
        octo_scenario_at(i, &scenario);
        if (program->arguments.json)
            sim_json_scenario(program, &scenario);
        else
            fprintf(program->out, "%-*s  %s\n", width, scenario.name, scenario.summary);
    }
}
