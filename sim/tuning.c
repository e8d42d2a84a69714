/* A tuning's limits. */
#include "sim/world.h"

bool tuning_has(const struct octo_sim_tuning *tuning, enum octo_tune tune)
{
    return (tuning->set >> tune & 1) != 0;
}

static bool values_ok(const struct octo_sim_tuning *tuning)
{
    static const struct {
        uint64_t least, most;
    } limits[OCTO_TUNE_COUNT] = {
#define TUNE_LIMITS(name, section, key, unit, least, most) [OCTO_TUNE_##name] = {(least), (most)},
        OCTO_TUNES(TUNE_LIMITS)
#undef TUNE_LIMITS
    };

    for (uint32_t i = 0; i < OCTO_TUNE_COUNT; i++) {
        const uint64_t value = tuning->values[i];
        if (tuning_has(tuning, (enum octo_tune)i) &&
            (value < limits[i].least || value > limits[i].most))
            return false;
    }
    return true;
}

bool tuning_ok(const struct octo_sim_tuning *tuning)
{
    for (uint32_t i = 0; i < OCTO_FAULT_COUNT; i++) {
        if (tuning->kinds[i] > OCTO_SIM_KIND_OFF || tuning->rates_ppm[i] > 1000000)
            return false;
    }
    /* A clock that runs backwards is none. */
    if (tuning->rates_ppm[OCTO_FAULT_CLOCK_DRIFT] > OCTO_SIM_DRIFT_MAX_PPM)
        return false;
    if ((uint32_t)tuning->crash_target > OCTO_SIM_TARGET_TURN ||
        (uint32_t)tuning->rot_target > OCTO_SIM_ROT_SNAPSHOT ||
        (tuning->unjudged & ~OCTO_PROPERTIES_OPTIONAL) != 0)
        return false;
    const bool both =
        tuning_has(tuning, OCTO_TUNE_FAULTS_FROM) && tuning_has(tuning, OCTO_TUNE_FAULTS_TO);
    return values_ok(tuning) &&
           !(both && tuning->values[OCTO_TUNE_FAULTS_FROM] >= tuning->values[OCTO_TUNE_FAULTS_TO]);
}

uint64_t world_required(const struct octo_world *world, enum octo_fault fault)
{
    return octo_max_u64(world->options.tuning.required_faults[fault], 1);
}
