/* What one run came to, and how it is named. Private to sim/main/ and tools/farm/. */
#ifndef OCTO_SIM_MAIN_OUTCOME_H
#define OCTO_SIM_MAIN_OUTCOME_H

#include "sim/main/arguments.h"
#include "sim/main/block.h"

enum sim_exit {
    SIM_EXIT_OK = 0,
    SIM_EXIT_BROKEN = 1,
    SIM_EXIT_USAGE = 2,
    SIM_EXIT_HARNESS = 3,
    SIM_EXIT_UNDECIDED = 4,
};

struct sim_outcome {
    struct octo_sim_options options;
    struct octo_sim_result result;
    uint64_t excuses[OCTO_EXCUSE_COUNT];
    uint64_t wall_ns;
    bool stopped;  /* by --until: the run would go on */
    bool compared; /* --check-determinism: all runs were equal */
};

/* sim_outcome_take asks world how it stands. */
void sim_outcome_take(struct sim_outcome *outcome, const struct octo_world *world,
                      const struct octo_sim_options *options, uint64_t wall_ns);

/* sim_outcome_make makes one whole run of options in the block. False if there can be no such
 * world.
 */
bool sim_outcome_make(struct sim_outcome *outcome, const struct sim_block *block,
                      const struct octo_sim_options *options,
                      const struct octo_machine *machine) OCTO_MUST_USE;

enum sim_exit sim_outcome_exit(const struct sim_outcome *outcome);

/* "ok", "broken" or "undecided" */
const char *sim_outcome_text(const struct sim_outcome *outcome);

uint64_t sim_outcome_faults(const struct sim_outcome *outcome); /* of all kinds */
uint64_t sim_rate(uint64_t count, uint64_t wall_ns);            /* per second */

const char *sim_excuse_text(enum octo_excuse excuse);

/* sim_replay_text writes the command line that repeats a run of options, or of the plan that was
 * given, quoted for a shell. */
#define SIM_REPLAY_BYTES 512u
void sim_replay_text(const struct sim_program *program, const struct octo_sim_options *options,
                     char *out);

#endif
