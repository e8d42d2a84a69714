/* Scenarios: the built-in ones load, names are unambiguous, and a drawing does what a tuning says.
 */
#include <assert.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "sim/scenario.h"
#include "sim/world.h"

static struct octo_world world;

static const struct octo_drawing *draw(uint64_t seed, const struct octo_sim_tuning *tuning,
                                       enum octo_sim_faults faults)
{
    memset(&world, 0, sizeof world);
    world.options = octo_sim_options_default();
    world.options.seed = seed;
    world.options.faults = faults;
    world.options.tuning = *tuning;
    octo_config_small(&world.config, 1, 1, world.options.node_count, world.options.operations);
    drawing_make(&world);
    return &world.drawing;
}

Test(scenario, every_built_in_one_loads_by_number_and_by_name)
{
    char error[OCTO_SCENARIO_ERROR_BYTES] = "";
    struct octo_scenario before = {0};

    cr_assert(gt(u32, octo_scenario_count(), 40));
    for (uint32_t i = 0; i < octo_scenario_count(); i++) {
        struct octo_scenario scenario;
        struct octo_scenario same;
        octo_scenario_at(i, &scenario);
        cr_assert(octo_scenario_load(scenario.name, &same, error), "%s", error);
        cr_assert(zero(int, memcmp(&scenario.options.tuning, &same.options.tuning,
                                   sizeof same.options.tuning)));
        cr_assert(lt(int, strcmp(before.name, scenario.name), 0), "%s", scenario.name);
        cr_assert(octo_world_bytes(&scenario.options) > 0, "%s", scenario.name);
        before = scenario;
    }
}

/* `require` names faults and marks alike. */
Test(scenario, no_fault_is_called_as_a_mark)
{
    for (uint32_t i = 0; i < OCTO_FAULT_COUNT; i++) {
        for (uint32_t k = 0; k < OCTO_MARK_COUNT; k++)
            cr_assert_str_neq(octo_fault_text((enum octo_fault)i),
                              octo_mark_text((enum octo_mark)k));
    }
    static_assert(OCTO_TUNE_COUNT <= 64, "a bit each");
}

Test(scenario, distance_counts_letters)
{
    static const struct {
        const char *a, *b;
        uint32_t distance;
    } cases[] = {{"", "", 0},         {"a", "", 1},       {"", "abc", 3},
                 {"kill", "kill", 0}, {"kil", "kill", 1}, {"scheduel", "schedule", 2},
                 {"abc", "xyz", 3}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert(eq(u32, octo_scenario_distance(cases[i].a, cases[i].b), cases[i].distance));
}

Test(scenario, a_tuning_beyond_its_limits_makes_no_world)
{
    struct octo_sim_options options = octo_sim_options_default();

    options.tuning.set = 1ull << OCTO_TUNE_CLIENTS;
    cr_assert(eq(u64, octo_world_bytes(&options), 0));
    options.tuning.values[OCTO_TUNE_CLIENTS] = 65;
    cr_assert(eq(u64, octo_world_bytes(&options), 0));
    options.tuning.values[OCTO_TUNE_CLIENTS] = 64;
    cr_assert(gt(u64, octo_world_bytes(&options), 0));
    options.tuning.rates_ppm[OCTO_FAULT_CLOCK_DRIFT] = OCTO_SIM_DRIFT_MAX_PPM + 1;
    cr_assert(eq(u64, octo_world_bytes(&options), 0));
}

Test(scenario, kinds_and_rates_go_over_every_mix)
{
    struct octo_sim_tuning tuning = {0};

    tuning.kinds[OCTO_FAULT_KILL] = OCTO_SIM_KIND_OFF;
    tuning.kinds[OCTO_FAULT_DISK_FULL] = OCTO_SIM_KIND_ON;
    tuning.kinds[OCTO_FAULT_MESSAGE_LOST] = OCTO_SIM_KIND_ON;
    tuning.rates_ppm[OCTO_FAULT_MESSAGE_LOST] = 123456;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        const struct octo_drawing *drawing = draw(seed, &tuning, (enum octo_sim_faults)(seed % 4));
        cr_assert(not(drawing->on[OCTO_FAULT_KILL]));
        cr_assert(drawing->on[OCTO_FAULT_DISK_FULL]);
        cr_assert(eq(u32, drawing->loss_ppm, 123456));
    }
}

Test(scenario, numbers_go_over_what_is_drawn)
{
    struct octo_sim_tuning tuning = {
        .set = 1ull << OCTO_TUNE_WINDOW | 1ull << OCTO_TUNE_CLIENTS | 1ull << OCTO_TUNE_JITTER |
               1ull << OCTO_TUNE_SNAPSHOT_ENTRIES | 1ull << OCTO_TUNE_DURATION,
        .crash_target = OCTO_SIM_TARGET_SAME,
    };
    uint32_t victims = 0;

    tuning.values[OCTO_TUNE_WINDOW] = 777 * OCTO_MS;
    tuning.values[OCTO_TUNE_CLIENTS] = 13;
    tuning.values[OCTO_TUNE_SNAPSHOT_ENTRIES] = 33;
    tuning.values[OCTO_TUNE_DURATION] = 7 * OCTO_SECOND;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        const struct octo_drawing *drawing = draw(seed, &tuning, (enum octo_sim_faults)(seed % 4));
        cr_assert(eq(u64, drawing->window_ns, 777 * OCTO_MS));
        cr_assert(eq(u32, drawing->client_count, 13));
        cr_assert(eq(u64, drawing->latency_jitter_ns, 0));
        cr_assert(eq(u64, drawing->faults_end_ns, 18 * OCTO_SECOND));
        cr_assert(eq(u32, world.config.snapshot_entries, 33));
        victims |= 1u << drawing->victim;
    }
    cr_assert(eq(u32, victims, 0x3e), "every node is some seed's victim");
}
