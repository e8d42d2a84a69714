/* --seeds A..B: many runs, one after the other, in one block. Private to sim/main/. */
#ifndef OCTO_SIM_MAIN_MANY_H
#define OCTO_SIM_MAIN_MANY_H

#include "sim/main/outcome.h"

struct sim_sums {
    uint64_t runs, ok, broken, undecided, different;
    uint64_t calm;                        /* runs in which no fault struck */
    uint64_t last;                        /* seed of the last run made */
    uint64_t events, virtual_ns, wall_ns; /* wall: from the first run's begin to the last's end */
    uint64_t acked, failed, unknown, elections, crashes, restarts;
    uint64_t impaired, lies_told, lies_ended;
    uint64_t faults[OCTO_FAULT_COUNT];
    uint64_t marks[OCTO_MARK_COUNT];
    uint64_t excuses[OCTO_EXCUSE_COUNT];
    size_t used_bytes; /* the most that any run used */
};

/* sim_many makes the runs, reports them, and returns the exit status. */
enum sim_exit sim_many(const struct sim_program *program);

#endif
