/* A fixed life of a log, for sweeps: appends that roll over segments, entries larger than a
 * segment, rewrites, compactions with recycling, installs, restarts. It goes on where it was after
 * a crash. */
#ifndef OCTO_TESTS_WAL_LIFE_H
#define OCTO_TESTS_WAL_LIFE_H

#include "tests/unit/wal_world.h"

enum life_kind {
    LIFE_APPEND,   /* a: bytes */
    LIFE_REWRITE,  /* a: bytes, b: how many entries from the end on are replaced */
    LIFE_WAIT,     /* until all is durable */
    LIFE_EVENTS,   /* a: so many */
    LIFE_VOTE,     /* for a */
    LIFE_COMPACT,  /* a: entries kept above the snapshot, b: kept in memory below it */
    LIFE_INSTALL,  /* a: so far beyond the end */
    LIFE_CONFLICT, /* a: so far before the end, with another chain */
    LIFE_MATCH,    /* a: so far before the end, with the same chain */
    LIFE_RESTART,  /* with a power loss */
    LIFE_KILL,
    LIFE_END,
};

struct life_act {
    enum life_kind kind;
    uint32_t a, b;
};

static const struct life_act life_acts[] = {
    {LIFE_APPEND, 600, 0},   {LIFE_APPEND, 300, 0},
    {LIFE_EVENTS, 3, 0},     {LIFE_APPEND, 900, 0},
    {LIFE_APPEND, 0, 0},     {LIFE_VOTE, 1, 0},
    {LIFE_EVENTS, 3, 0},     {LIFE_REWRITE, 100, 2}, /* while those are on their way */
    {LIFE_EVENTS, 2, 0},     {LIFE_APPEND, 2600, 0}, /* larger than a segment */
    {LIFE_WAIT, 0, 0},       {LIFE_REWRITE, 700, 1}, /* after they were acknowledged */
    {LIFE_EVENTS, 2, 0},     {LIFE_APPEND, 900, 0},
    {LIFE_WAIT, 0, 0},       {LIFE_APPEND, 1200, 0},
    {LIFE_EVENTS, 5, 0},     {LIFE_COMPACT, 1, 2},
    {LIFE_APPEND, 100, 0},   {LIFE_WAIT, 0, 0},
    {LIFE_APPEND, 1500, 0},  {LIFE_WAIT, 0, 0},
    {LIFE_APPEND, 1500, 0},  {LIFE_KILL, 0, 0},
    {LIFE_COMPACT, 0, 1},    {LIFE_APPEND, 40, 0},
    {LIFE_VOTE, 3, 0},       {LIFE_APPEND, 1700, 0},
    {LIFE_APPEND, 1800, 0},  {LIFE_WAIT, 0, 0},
    {LIFE_APPEND, 100, 0},   {LIFE_WAIT, 0, 0},
    {LIFE_REWRITE, 2000, 3}, /* the snapshot comes before it is durable */
    {LIFE_COMPACT, 0, 0},    {LIFE_EVENTS, 20, 0},
    {LIFE_EVENTS, 4, 0},     {LIFE_INSTALL, 4, 0},
    {LIFE_EVENTS, 1, 0},     {LIFE_APPEND, 200, 0},
    {LIFE_WAIT, 0, 0},       {LIFE_APPEND, 900, 0},
    {LIFE_RESTART, 0, 0},    {LIFE_APPEND, 700, 0},
    {LIFE_APPEND, 700, 0},   {LIFE_EVENTS, 4, 0},
    {LIFE_CONFLICT, 1, 0},   {LIFE_EVENTS, 2, 0},
    {LIFE_INSTALL, 2, 0}, /* a second one at once */
    {LIFE_APPEND, 50, 0},    {LIFE_APPEND, 60, 0},
    {LIFE_WAIT, 0, 0},       {LIFE_MATCH, 1, 0},
    {LIFE_REWRITE, 70, 1},   {LIFE_WAIT, 0, 0},
    {LIFE_END, 0, 0},
};

static inline bool life_settled(const struct world *world)
{
    return world->pending_count == 0 && world->deadline == OCTO_NEVER;
}

static inline void life_install(struct world *world, struct octo_step *step,
                                const struct life_act *act)
{
    const struct octo_log *log = octo_wal_log(world->wal);
    const octo_index least = world->model.snapshot.index + 1;
    struct octo_position snapshot = {.index = log->last + act->a};

    if (act->kind != LIFE_INSTALL)
        snapshot.index = log->last > act->a ? octo_max_u64(log->last - act->a, least) : least;
    if (act->kind == LIFE_MATCH && snapshot.index <= log->last) {
        snapshot = octo_log_position(log, snapshot.index);
    } else {
        snapshot.term = ++world->term;
        snapshot.chain = octo_mix(snapshot.index + world->term);
    }
    world_install(world, step, &snapshot, true);
}

static inline void life_step(struct world *world, struct octo_step *step,
                             const struct life_act *act)
{
    const struct octo_log *log = octo_wal_log(world->wal);
    const octo_index least = world->model.snapshot.index + 1;
    octo_index index = log->last + 1;

    switch (act->kind) {
    case LIFE_REWRITE:
        index = index > act->b ? octo_max_u64(index - act->b, least) : least;
        world->term++;
        (void)world_append(world, index, act->a);
        break;
    case LIFE_APPEND:
        (void)world_append(world, index, act->a);
        break;
    case LIFE_VOTE:
        world_vote(world, octo_wal_term(world->wal) + 1, act->a);
        break;
    case LIFE_COMPACT:
        index = octo_wal_durable(world->wal);
        index = index > act->a ? index - act->a : 0;
        if (index < least)
            break;
        world_compact(world, step, index,
                      octo_max_u64(index > act->b ? index - act->b : 0, log->base.index));
        break;
    case LIFE_INSTALL:
    case LIFE_CONFLICT:
    case LIFE_MATCH:
        life_install(world, step, act);
        break;
    case LIFE_WAIT:
    case LIFE_EVENTS:
    case LIFE_RESTART:
    case LIFE_KILL:
    case LIFE_END:
        break;
    }
}

/* Acts on; false at the end of the life. */
static inline bool life_act_next(struct world *world, uint32_t *events)
{
    const struct life_act *act = &life_acts[world->act];

    if (act->kind == LIFE_END)
        return false;
    if ((act->kind == LIFE_WAIT && !life_settled(world)) ||
        (act->kind == LIFE_EVENTS && *events < act->a && !life_settled(world))) {
        (*events)++;
        world_event(world, *events);
        return true;
    }
    *events = 0;
    world->act++;
    if (act->kind == LIFE_RESTART || act->kind == LIFE_KILL) {
        if (act->kind == LIFE_KILL)
            world_kill(world);
        else
            world_power_loss(world, LOSE_ALL);
        world_boot(world, false);
        return true;
    }
    struct octo_step step = world_step_begin(world);
    life_step(world, &step, act);
    world_step_end(world, &step);
    return true;
}

/* Lives on to the end, or until the world stops. */
static inline void life(struct world *world)
{
    uint32_t events = 0;

    for (uint32_t i = 0; !world->stopped && world->model.complaint == NULL; i++) {
        if (!world_rule(world, i < 100000, "the life does not end"))
            return;
        if (!ready(world))
            world_event(world, i);
        else if (!life_act_next(world, &events))
            return;
    }
}

/* What must hold in the end, however it came to it. */
static inline void life_finish(struct world *world)
{
    world_faultless(world);
    life(world);
    world_finish(world);
}

static inline struct octo_file topic_file(uint32_t topic, uint32_t number)
{
    const uint8_t kind = topic == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY;
    return (struct octo_file){.kind = kind, .number = number};
}

/* The disk after a life: cleanly at rest, the power gone. */
static inline void lived(struct world *world, uint32_t acts)
{
    world_reset(world, acts);
    world_boot(world, true);
    world->act = 0;
    while (world->act < acts && world->model.complaint == NULL) {
        uint32_t events = 0;
        if (!ready(world))
            world_event(world, 0);
        else if (!life_act_next(world, &events))
            break;
    }
    world_settle(world);
    cr_assert(world->model.complaint == NULL, "%s", world->model.complaint);
    world_power_loss(world, LOSE_ALL);
}

static inline void boot(struct world *world)
{
    world_boot(world, false);
    world_settle(world);
    world_rule(world, ready(world), "not READY");
}

#endif
