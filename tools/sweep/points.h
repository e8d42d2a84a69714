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

/* A set of keys with a value each. Zeroed is empty. */
struct sweep_same {
    uint64_t *keys;
    uint64_t *values;
    size_t count, capacity;
};

struct sweep_run {
    struct sweep_row *row;
    const struct sweep_options *options;
    uint64_t *point;
    FILE *out;
    void *block; /* of the world */
    void *copies[SWEEP_COPIES];
    struct sweep_world *world;
    struct sweep_same runs;               /* what power losses have left so far */
    struct sweep_same recoveries;         /* likewise, and how many points the recovery had */
    void (*judge)(struct sweep_run *run); /* NULL: to the end */
    uint64_t salt;                        /* of what is compared: which damage was done */
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

/* sweep_same_key: after a power loss of the struck node, all that the run goes on from, but for the
 * time, the messages in flight and the draws for election timeouts: the bytes on its disk, the
 * roles, terms and logs of the others, what the clients have asked for, what is committed. */
uint64_t sweep_same_key(const struct sweep_world *world, octo_node_id struck);

/* sweep_same_at returns the value of a key, 0 if it is new, valid until the next call; *seen (may
 * be NULL): whether it is not. */
uint64_t *sweep_same_at(struct sweep_same *same, uint64_t key, bool *seen);
void sweep_same_free(struct sweep_same *same);

/* sweep_recovery_run takes a world whose struck node is down through its recovery, and has every
 * operation of it struck by a power loss; `first` says what came before. */
void sweep_recovery_run(struct sweep_run *run, const char *first);

/* sweep_damage is the whole sweep `damage` or `mend` of a row. */
void sweep_damage(struct sweep_run *run);

#endif
