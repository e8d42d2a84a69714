/* What the sweeps share. Private to tools/sweep/. */
#ifndef OCTO_TOOLS_SWEEP_POINTS_H
#define OCTO_TOOLS_SWEEP_POINTS_H

#include "tools/sweep/sweep.h"

#define SWEEP_WORLD_BYTES ((size_t)32 << 20)

enum sweep_copy {
    SWEEP_COPY_BEFORE, /* the event of the base run */
    SWEEP_COPY_AFTER,
    SWEEP_COPY_AGAIN, /* the event of the recovery that follows a crash */
    SWEEP_COPY_LATER,
    SWEEP_COPIES,
};

struct sweep_sums {
    uint64_t crashes, kills, halts;
    uint64_t faults[OCTO_CHANCE_COUNT];
    uint64_t marks[OCTO_MARK_COUNT];
};

struct sweep_run {
    struct sweep_row *row;
    const struct sweep_options *options;
    uint64_t *point;
    FILE *out;
    void *block; /* of the world */
    void *copies[SWEEP_COPIES];
    struct sweep_world *world;
    void (*judge)(struct sweep_run *run); /* NULL: to the end */
    const void *context;                  /* of judge */
};

double sweep_clock(void);
const char *sweep_name(enum sweep_kind sweep);

void sweep_run_open(struct sweep_run *run);
void sweep_run_close(struct sweep_run *run);

/* sweep_point_wanted counts a point and says whether it is to be run. */
bool sweep_point_wanted(struct sweep_run *run);

/* sweep_point_run runs the world, which is struck or will be, and takes down what came of it. */
void sweep_point_run(struct sweep_run *run, const char *what);

/* sweep_step_guarded is sweep_world_step; a failed assert is a verdict. */
bool sweep_step_guarded(struct sweep_world *world);

/* sweep_base_end judges the run that nothing strikes. */
void sweep_base_end(struct sweep_run *run);

/* sweep_damage is the whole sweep `damage` of a row. */
void sweep_damage(struct sweep_run *run);

#endif
