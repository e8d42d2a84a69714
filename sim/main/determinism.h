/* --check-determinism: the same seed, four times. Private to sim/main/.
 *
 *   1  here, recorded
 *   2  in another process (executed anew, so that code and stack lie elsewhere too), in a block at
 *      another address, over memory and stack filled with another pattern
 *   3  here, over a third pattern: saved midway, run on, the block scribbled over, restored, and
 *      run to the end
 *   4  here, as a replay of what was recorded, written as a text and read again
 *
 * The first three are compared after every event, the last one by its result and hash. */
#ifndef OCTO_SIM_MAIN_DETERMINISM_H
#define OCTO_SIM_MAIN_DETERMINISM_H

#include "sim/main/block.h"
#include "sim/main/outcome.h"

#define SIM_LINE_BYTES 1024u

/* The first event after which two runs of one seed were not equal. */
struct sim_difference {
    bool found;
    const char *where; /* which run differed from the first one */
    uint64_t event;
    uint64_t first_hash, second_hash;
    char first[SIM_LINE_BYTES]; /* the trace lines, "" if there is none */
    char second[SIM_LINE_BYTES];
};

/* sim_determinism_check makes the four runs of options; block holds all but the second. Fills
 * outcome from the first run. False if the check itself could not be made (it has complained). */
bool sim_determinism_check(const struct sim_program *program,
                           const struct octo_sim_options *options, const struct sim_block *block,
                           struct sim_outcome *outcome,
                           struct sim_difference *difference) OCTO_MUST_USE;

void sim_determinism_report(const struct sim_program *program, const struct sim_outcome *outcome,
                            const struct sim_difference *difference);

/* sim_determinism_witness makes the second run and returns true if this process was started for
 * that; *status is then its exit status. Call it once the arguments are known. */
bool sim_determinism_witness(const struct sim_program *program, int *status) OCTO_MUST_USE;

#endif
