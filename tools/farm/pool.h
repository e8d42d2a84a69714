/* Worker processes: what kills a run kills a worker, and becomes the run's result. Private to
 * tools/farm/. */
#ifndef OCTO_FARM_POOL_H
#define OCTO_FARM_POOL_H

#include "sim/main/outcome.h"
#include "tools/farm/arguments.h"

enum farm_fate {
    FARM_OK = 1,
    FARM_BROKEN,
    FARM_UNDECIDED,
    FARM_CRASH,  /* the worker died of a signal, or left */
    FARM_HANG,   /* longer than --budget */
    FARM_MEMORY, /* more than --memory */
    FARM_FATE_COUNT,
};

struct farm_task {
    uint32_t scenario; /* number in farm_arguments.scenarios */
    uint64_t seed;
};

/* What a worker sends back, and what the pool makes up for a worker that cannot. Of a run that did
 * not end, the outcome holds the options and wall time alone. */
struct farm_result {
    struct farm_task task;
    enum farm_fate fate;
    int signal; /* FARM_CRASH: what it died of; 0: it left by itself */
    struct sim_outcome outcome;
};

/* Who gives the tasks and takes the results. */
struct farm_owner {
    void *context;
    bool (*next)(void *context, struct farm_task *task); /* false: no more */
    void (*result)(void *context, const struct farm_result *result);
    enum farm_wish { FARM_GO_ON, FARM_STOP } (*wish)(void *context); /* stop: drop what runs */
};

/* farm_pool_run makes the owner's tasks in arguments->jobs processes until there are no more or the
 * owner wishes to stop. False: the machine has no processes or memory left; it has complained. */
bool farm_pool_run(const struct farm_arguments *arguments, const struct octo_machine *machine,
                   const struct farm_owner *owner) OCTO_MUST_USE;

#endif
