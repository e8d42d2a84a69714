/* The end of a run: when faults stop, whether the cluster recovers, and whether the run did
 * anything.
 *
 * Faults stop when every operation has ended and every scheduled kind has struck, or at the
 * drawing's end. Then all is healed, and the cluster has to come to rest: a leader, no operation
 * pending, every node ready with the same log applied. What takes longer than heal_ns without any
 * operation ending is a breach of liveness.
 */
#include <stdio.h>

#include "sim/world.h"

#define LOOK_NS           (20 * OCTO_MS)
#define EXPECTED_AT_LEAST 40u  /* strikes: that none comes then has a chance of one in 10^17 */
#define WINDOWS_MAX       120u /* every kind is forced within some 20, if it is possible at all */

/* ---- Non-vacuous -------------------------------------------------------------------------------
 */

/* What could have struck, while faults lasted. */
static struct octo_simdisk_stats disk_work(const struct octo_world *world)
{
    struct octo_simdisk_stats sum = {0};
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        const struct octo_simdisk_stats *stats = octo_simdisk_stats(world->hosts[id].disk);
        sum.reads += stats->reads;
        sum.writes += stats->writes;
        sum.syncs += stats->syncs;
        sum.sectors_kept += stats->sectors_kept;
        sum.sectors_torn += stats->sectors_torn;
    }
    return sum;
}

static void chances_count(struct octo_world *world)
{
    const struct octo_simdisk_stats work = disk_work(world);
    world->schedule.chances = (struct octo_chances){
        .messages = world->deliveries,
        .reads = work.reads,
        .writes = work.writes,
        .syncs = work.syncs,
        /* Not stats.sectors_lost: what a failed sync left behind is lost without being asked. */
        .sectors =
            work.sectors_kept + work.sectors_torn + world->faults[OCTO_FAULT_DISK_SECTOR_LOST],
    };
}

/* A kind with a rate that should have struck many times, and never did; COUNT if there is none. */
static enum octo_fault rate_missing(const struct octo_world *world)
{
    const struct octo_drawing *drawing = &world->drawing;
    const struct octo_chances *chances = &world->schedule.chances;
    const uint64_t operations = chances->reads + chances->writes + chances->syncs;
    const struct {
        enum octo_fault fault;
        uint64_t chances;
        uint32_t ppm;
    } rates[] = {
        {OCTO_FAULT_MESSAGE_LOST, chances->messages, drawing->loss_ppm},
        {OCTO_FAULT_MESSAGE_DUPLICATED, chances->messages, drawing->duplicate_ppm},
        {OCTO_FAULT_MESSAGE_DELAYED, chances->messages, drawing->delay_ppm},
        {OCTO_FAULT_MESSAGE_CORRUPTED, chances->messages, drawing->corrupt_ppm},
        {OCTO_FAULT_DISK_READ_ERROR, chances->reads, drawing->disk_read_error_ppm},
        {OCTO_FAULT_DISK_WRITE_ERROR, chances->writes, drawing->disk_write_error_ppm},
        {OCTO_FAULT_DISK_SYNC_ERROR, chances->syncs, drawing->disk_sync_error_ppm},
        {OCTO_FAULT_DISK_STALL, operations, drawing->disk_stall_ppm},
        {OCTO_FAULT_CRASH_AT_IO, operations, drawing->crash_at_io_ppm},
        {OCTO_FAULT_DISK_SECTOR_LOST, chances->sectors, 500000},
        {OCTO_FAULT_DISK_SECTOR_TORN, chances->sectors, 250000},
    };

    for (uint32_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        const enum octo_fault fault = rates[i].fault;
        if (drawing->on[fault] && world->faults[fault] == 0 &&
            rates[i].chances * rates[i].ppm >= EXPECTED_AT_LEAST * 1000000ull)
            return fault;
    }
    return OCTO_FAULT_COUNT;
}

/* Kinds that strike by construction: the schedule's, the clocks' at every boot, the clients' half
 * way. */
static enum octo_fault certain_missing(const struct octo_world *world)
{
    static const uint8_t clocks[] = {OCTO_FAULT_CLOCK_OFFSET, OCTO_FAULT_CLOCK_DRIFT};
    static const uint8_t clients[] = {OCTO_FAULT_CLIENT_CRASH, OCTO_FAULT_CLIENT_DUPLICATE};
    const bool half_way = clients_begun_loud(world) > clients_force_from(world);

    for (uint32_t i = 0; i < sizeof clocks; i++) {
        if (world->drawing.on[clocks[i]] && world->faults[clocks[i]] == 0)
            return (enum octo_fault)clocks[i];
    }
    for (uint32_t i = 0; i < sizeof clients && half_way; i++) {
        if (world->drawing.on[clients[i]] && world->faults[clients[i]] == 0)
            return (enum octo_fault)clients[i];
    }
    return schedule_missing(world);
}

/* What a scenario requires and the run does not show: its name and the counts; false: nothing. */
struct shortfall {
    const char *name;
    uint64_t required, count;
};

static bool required_missing(const struct octo_world *world, struct shortfall *missing)
{
    const struct octo_sim_tuning *tuning = &world->options.tuning;
    uint64_t marks[OCTO_MARK_COUNT];

    for (uint32_t i = 0; i < OCTO_FAULT_COUNT; i++) {
        *missing = (struct shortfall){octo_fault_text((enum octo_fault)i),
                                      tuning->required_faults[i], world->faults[i]};
        if (missing->count < missing->required)
            return true;
    }
    world_marks(world, marks);
    for (uint32_t i = 0; i < OCTO_MARK_COUNT; i++) {
        *missing = (struct shortfall){octo_mark_text((enum octo_mark)i), tuning->required_marks[i],
                                      marks[i]};
        if (missing->count < missing->required)
            return true;
    }
    return false;
}

/* A kind that a scenario turned on, and a cluster of this size cannot suffer; COUNT: none. */
static enum octo_fault tuned_impossible(const struct octo_world *world)
{
    for (uint32_t i = 0; i < OCTO_FAULT_COUNT; i++) {
        if (world->options.tuning.kinds[i] == OCTO_SIM_KIND_ON && !world->drawing.on[i])
            return (enum octo_fault)i;
    }
    return OCTO_FAULT_COUNT;
}

/* What the scenario asked for; true if it did not ask. */
static bool did_as_asked(struct octo_world *world)
{
    const enum octo_fault impossible = tuned_impossible(world);
    struct shortfall missing;

    if (impossible != OCTO_FAULT_COUNT)
        octo_oracles_break(world->oracles, OCTO_PROPERTY_NON_VACUOUS, world->events,
                           "the scenario turns %s on, which %u nodes cannot suffer",
                           octo_fault_text(impossible), world->options.node_count);
    else if (!schedule_cycles_over(world))
        octo_oracles_break(world->oracles, OCTO_PROPERTY_NON_VACUOUS, world->events,
                           "the faults ended before every node had crashed %u times",
                           world->options.crash_cycles);
    else if (required_missing(world, &missing))
        octo_oracles_break(world->oracles, OCTO_PROPERTY_NON_VACUOUS, world->events,
                           "the scenario requires %s; it wants %llu, and there were %llu",
                           missing.name, (unsigned long long)missing.required,
                           (unsigned long long)missing.count);
    else
        return true;
    return false;
}

static bool did_something(struct octo_world *world)
{
    uint32_t acked = 0;
    uint32_t failed = 0;
    uint32_t unknown = 0;
    clients_count(world, &acked, &failed, &unknown);
    enum octo_fault missing = certain_missing(world);
    if (missing == OCTO_FAULT_COUNT)
        missing = rate_missing(world);

    if (world->elections == 0)
        octo_oracles_break(world->oracles, OCTO_PROPERTY_NON_VACUOUS, world->events,
                           "no leader was ever elected");
    else if (acked == 0 && (unknown == 0 || world->options.operations > world->config.sessions_max))
        octo_oracles_break(world->oracles, OCTO_PROPERTY_NON_VACUOUS, world->events,
                           "no operation was ever acknowledged");
    else if (missing != OCTO_FAULT_COUNT)
        octo_oracles_break(world->oracles, OCTO_PROPERTY_NON_VACUOUS, world->events,
                           "the fault %s is on in this drawing, but never struck",
                           octo_fault_text(missing));
    else
        return did_as_asked(world);
    return false;
}

/* The marks that the plan says its run hits. */
static bool marks_hit(struct octo_world *world)
{
    uint64_t marks[OCTO_MARK_COUNT];

    world_marks(world, marks);
    for (uint32_t i = 0; i < OCTO_MARK_COUNT; i++) {
        if (marks[i] != 0 || !plan_wants(world, (enum octo_mark)i))
            continue;
        octo_oracles_break(world->oracles, OCTO_PROPERTY_NON_VACUOUS, world->events,
                           "the plan is stale: its run does not hit the mark %s any more",
                           octo_mark_text((enum octo_mark)i));
        return false;
    }
    return true;
}

/* ---- Liveness ----------------------------------------------------------------------------------
 */

/* An impaired node that stays out and has said why: its directory is gone or another's, or its vote
 * unreadable. It is waited for in vain; a majority does not need it. */
static bool excused(const struct octo_world *world, octo_node_id id)
{
    return world->hosts[id].halted && ledger_impaired(world, id);
}

/* Writes what keeps the cluster from being at rest, and returns false; or returns true. */
static bool at_rest(const struct octo_world *world, char *why, size_t size)
{
    const octo_node_id leader = host_leader(world);
    const uint32_t ended = clients_ended(world);
    struct octo_node_view first = {0};

    if (leader == 0) {
        (void)snprintf(why, size, "there is no leader");
        return false;
    }
    if (!clients_done(world)) {
        (void)snprintf(why, size, "%u of %u operations have ended, under leader n%u", ended,
                       world->options.operations, leader);
        return false;
    }
    octo_node_look(world->hosts[leader].node, &first);
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        const struct octo_host_node *host = &world->hosts[id];
        if (excused(world, id))
            continue;
        if (!host->up || !host->ready_seen) {
            (void)snprintf(why, size, "n%u is %s", id,
                           host->halted ? "halted"
                           : host->up   ? "not ready"
                                        : "down");
            return false;
        }
        struct octo_node_view view;
        octo_node_look(host->node, &view);
        if (view.last != first.last || view.commit != first.last || view.applied != first.last ||
            view.term != first.term) {
            (void)snprintf(why, size,
                           "n%u is behind in term %llu: last %llu, commit %llu, applied %llu; the "
                           "leader n%u has %llu in term %llu",
                           id, (unsigned long long)view.term, (unsigned long long)view.last,
                           (unsigned long long)view.commit, (unsigned long long)view.applied,
                           leader, (unsigned long long)first.last, (unsigned long long)first.term);
            return false;
        }
    }
    return true;
}

/* Judges the end: nodes as octo_oracles_finish takes them. */
static bool end_judged(struct octo_world *world, const struct octo_node *const *nodes)
{
    const enum octo_sim_share share = world_share(world, OCTO_SHARE_ORACLES);
    const struct octo_images images = host_images(world);
    const bool holds = octo_oracles_finish(world->oracles, world->events, nodes, &images);

    world_share(world, share);
    return holds;
}

static bool liveness_judged(const struct octo_world *world)
{
    return !world->options.unbounded &&
           (world->options.tuning.unjudged >> OCTO_PROPERTY_LIVENESS & 1) == 0;
}

/* The cluster did not come to rest, and liveness is no matter here: what clients were told and what
 * the disks hold is judged all the same, but for damage that knows no budget. */
static void judge_restless(struct octo_world *world)
{
    const struct octo_node *const nobody[OCTO_SIM_NODES_MAX + 1] = {0};

    if ((world->options.unbounded || end_judged(world, nobody)) && !plan_calm(world))
        (void)did_as_asked(world);
}

static void restless(struct octo_world *world, const char *why, octo_time_ns since)
{
    if (liveness_judged(world))
        octo_oracles_break(world->oracles, OCTO_PROPERTY_LIVENESS, world->events,
                           "%s, %llu ms after faults stopped and %llu ms after the last progress",
                           why, (unsigned long long)((world->now - world->quiet_since) / OCTO_MS),
                           (unsigned long long)((world->now - since) / OCTO_MS));
    else
        judge_restless(world);
}

void finish_stuck(struct octo_world *world, const char *why)
{
    world->over = true;
    if (liveness_judged(world))
        octo_oracles_break(world->oracles, OCTO_PROPERTY_LIVENESS, world->events, "%s", why);
    else
        judge_restless(world);
}

static void look_quiet(struct octo_world *world)
{
    const struct octo_node *nodes[OCTO_SIM_NODES_MAX + 1] = {0};
    const octo_time_ns since =
        octo_max_u64(octo_max_u64(world->quiet_since, host_late(world)), clients_progress(world));
    char why[OCTO_WHY_BYTES / 2];

    if (!at_rest(world, why, sizeof why)) {
        if (world->now > since + world->drawing.heal_ns) {
            world->over = true;
            restless(world, why, since);
        }
        return;
    }
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        if (excused(world, id))
            world->excuses[OCTO_EXCUSE_NODE_HALTED]++;
        else
            nodes[id - 1] = world->hosts[id].node;
    }
    if (end_judged(world, nodes))
        (void)(marks_hit(world) && (plan_calm(world) || did_something(world)));
    world->over = true;
}

/* A kind that still has not struck is waited for, but not for ever; likewise what a scenario
 * requires. */
static bool faults_over(const struct octo_world *world)
{
    const octo_time_ns end = world->drawing.faults_end_ns;
    struct shortfall missing;

    if (plan_calm(world))
        return world->now >= plan_quiet_ns(world);
    if (!clients_done(world) && world->now < end)
        return false;
    if (world->now >= world->drawing.faults_to_ns)
        return true;
    if (!schedule_cycles_over(world)) /* half of what a run may take is for its end */
        return world->items > world->items_max / 2;
    if (world->now >= end + WINDOWS_MAX * world->drawing.window_ns)
        return true;
    return schedule_missing(world) == OCTO_FAULT_COUNT && !required_missing(world, &missing);
}

void finish_look(struct octo_world *world)
{
    if (world->quiet) {
        look_quiet(world);
    } else if (faults_over(world)) {
        chances_count(world);
        schedule_end(world);
    }
    if (!world->over)
        world_at(world, world->now + LOOK_NS, OCTO_ITEM_FINISH, 0, 0);
}
