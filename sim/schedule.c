/* The schedule of crashes, partitions and pauses.
 *
 * Virtual time is cut into windows. At the start of each, one decision per family (crash,
 * partition, pause) says whether it strikes, whom, how, when in the window and for how long; a
 * crash and its restart, a cut and its heal are one decision. A kind that is on and has not struck
 * yet is forced, in every second window or in each, so that no run ends before each has struck
 * (finish.c waits for it).
 */
#include "sim/world.h"

/* Tokens of OCTO_ITEM_SCHEDULE: what, and for AGAIN also the node and its incarnation. */
enum schedule_what {
    WHAT_WINDOW = 1,
    WHAT_CRASH = 2,
    WHAT_AGAIN = 3, /* a second crash, while the node recovers from the first */
    WHAT_PARTITION = 4,
    WHAT_FLAP = 5,
    WHAT_HEAL = 6,
    WHAT_PAUSE = 7,
    WHAT_FORMAT = 8, /* power loss while a new node formats its directory */
    WHAT_DAMAGE = 9,
};

#define FLAPS 6u /* of a flapping partition, about */

#define FORMAT_CRASH_PPM  500000u
#define FORMAT_OPERATIONS 6u /* formatting takes about so long, in disk latencies */

static const uint8_t crash_kinds[] = {
    OCTO_FAULT_POWER_LOSS,
    OCTO_FAULT_KILL,
    OCTO_FAULT_CRASH_IN_RECOVERY,
    OCTO_FAULT_MAJORITY_CRASH,
};
static const uint8_t partition_kinds[] = {
    OCTO_FAULT_PARTITION_SYMMETRIC, OCTO_FAULT_PARTITION_ONE_WAY, OCTO_FAULT_PARTITION_LEADER,
    OCTO_FAULT_PARTITION_MINORITY,  OCTO_FAULT_PARTITION_BRIDGE,  OCTO_FAULT_PARTITION_FLAPPING,
    OCTO_FAULT_PARTITION_CLIENTS,
};
static const uint8_t pause_kinds[] = {OCTO_FAULT_PAUSE};
static const uint8_t damage_kinds[] = {
    OCTO_FAULT_DISK_FULL,       OCTO_FAULT_DISK_SLOW, OCTO_FAULT_DISK_ROT,
    OCTO_FAULT_DISK_ROT_DOUBLE, OCTO_FAULT_DISK_WIPE, OCTO_FAULT_DISK_SWAP,
};

struct family {
    enum octo_decision purpose;
    enum schedule_what what;
    const uint8_t *kinds;
    uint32_t kind_count;
    uint32_t force_windows; /* forced in windows whose number modulo 2 is this bit */
};

static const struct family families[] = {
    {OCTO_DECIDE_CRASH, WHAT_CRASH, crash_kinds, sizeof crash_kinds, 1u << 1},
    {OCTO_DECIDE_PARTITION, WHAT_PARTITION, partition_kinds, sizeof partition_kinds, 1u << 0},
    {OCTO_DECIDE_PAUSE, WHAT_PAUSE, pause_kinds, sizeof pause_kinds, 1u << 1},
    {OCTO_DECIDE_DAMAGE, WHAT_DAMAGE, damage_kinds, sizeof damage_kinds, 1u << 0 | 1u << 1},
};

#define FAMILIES (sizeof families / sizeof families[0])

/* Independent 64-bit words out of one decision. */
static uint64_t part(uint64_t bits, uint32_t number)
{
    return octo_mix(bits ^ octo_mix(number));
}

enum {
    PART_KIND = 100,
    PART_OFFSET,
    PART_LENGTH,
    PART_TARGET,
    PART_POWER,
    PART_AGAIN,
    PART_AGAIN_POWER,
    PART_AGAIN_DOWN,
    PART_COUNT,
    PART_FORMAT_DOWN,
    PART_MEMBER = 200,      /* + node */
    PART_MEMBER_DOWN = 300, /* + node */
};

/* In the end what had nobody to strike is not missed. */
static bool kind_missing(const struct octo_world *world, uint8_t kind)
{
    return world->drawing.on[kind] &&
           world->faults[kind] < world_required(world, (enum octo_fault)kind) &&
           !(world->quiet && !damage_possible(world, (enum octo_fault)kind));
}

enum octo_fault schedule_missing(const struct octo_world *world)
{
    for (uint32_t i = 0; i < FAMILIES; i++) {
        for (uint32_t k = 0; k < families[i].kind_count; k++) {
            if (kind_missing(world, families[i].kinds[k]))
                return (enum octo_fault)families[i].kinds[k];
        }
    }
    return OCTO_FAULT_COUNT;
}

/* The leader; while there is none, the last one. 0 if there never was one. */
static octo_node_id leader_or_last(struct octo_world *world)
{
    const octo_node_id leader = host_leader(world);
    if (leader != 0)
        world->schedule.leader = leader;
    return world->schedule.leader;
}

/* ---- Windows -----------------------------------------------------------------------------------
 */

/* Picks one of the family's kinds that are on (only missing ones, if asked); COUNT if there is
 * none. */
static uint8_t kind_pick(const struct octo_world *world, const struct family *family, bool missing,
                         uint64_t bits)
{
    uint8_t found[8];
    uint32_t count = 0;

    octo_assert(family->kind_count <= sizeof found);
    for (uint32_t k = 0; k < family->kind_count; k++) {
        const uint8_t kind = family->kinds[k];
        const uint64_t required = world_required(world, (enum octo_fault)kind);
        if (world->drawing.on[kind] && (!missing || world->faults[kind] < required))
            found[count++] = kind;
    }
    return count == 0 ? OCTO_FAULT_COUNT : found[octo_range(part(bits, PART_KIND), count)];
}

static uint32_t family_ppm(const struct octo_world *world, const struct family *family)
{
    if (family->purpose == OCTO_DECIDE_CRASH)
        return world->drawing.crash_ppm;
    if (family->purpose == OCTO_DECIDE_DAMAGE)
        return world->drawing.damage_ppm;
    return family->purpose == OCTO_DECIDE_PARTITION ? world->drawing.partition_ppm
                                                    : world->drawing.pause_ppm;
}

/* Decides for one family; true if it strikes in this window. */
static bool family_decide(struct octo_world *world, const struct family *family, uint64_t *bits,
                          uint8_t *kind)
{
    const uint32_t window = world->schedule.window;
    const struct octo_key key = {.purpose = (uint8_t)family->purpose, .identity = {window, 0}};

    if (kind_pick(world, family, false, 0) == OCTO_FAULT_COUNT)
        return false;
    const enum plan_answer answer = world_planned(world, &key, bits, kind);
    if (answer == PLAN_NOTHING)
        return false;
    if (answer == PLAN_STRIKES) {
        world_planned_record(world, &key, *bits, *kind);
        return true;
    }
    *kind = OCTO_FAULT_COUNT;
    if ((family->force_windows & 1u << window % 2) != 0)
        *kind = kind_pick(world, family, true, *bits);
    if (*kind == OCTO_FAULT_COUNT && octo_strikes(*bits, family_ppm(world, family)))
        *kind = kind_pick(world, family, false, *bits);
    if (*kind == OCTO_FAULT_COUNT)
        return false;
    world_planned_record(world, &key, *bits, *kind);
    return true;
}

static bool has_log(const struct octo_world *world, octo_node_id id)
{
    const struct octo_host_node *host = &world->hosts[id];
    struct octo_node_view view;

    if (!host->up || !host->ready_seen)
        return false;
    octo_node_look(host->node, &view);
    return view.last > 0;
}

static void window_begin(struct octo_world *world)
{
    struct octo_schedule *schedule = &world->schedule;
    uint64_t *const bits[FAMILIES] = {&schedule->crash, &schedule->partition, &schedule->pause,
                                      &schedule->damage};
    uint8_t pause_kind = 0;
    uint8_t *const kinds[FAMILIES] = {&schedule->crash_kind, &schedule->partition_kind, &pause_kind,
                                      &schedule->damage_kind};

    schedule->window++;
    for (octo_node_id id = 1; id <= world->options.node_count; id++)
        schedule->lived[id] += has_log(world, id);
    for (uint32_t i = 0; i < FAMILIES; i++) {
        if (world_calm(world) || !family_decide(world, &families[i], bits[i], kinds[i]))
            continue;
        const octo_time_ns offset =
            octo_range(part(*bits[i], PART_OFFSET), world->drawing.window_ns);
        world_at(world, world->now + offset, OCTO_ITEM_SCHEDULE, schedule->window,
                 families[i].what);
    }
    world_at(world, world->now + world->drawing.window_ns, OCTO_ITEM_SCHEDULE, schedule->window + 1,
             WHAT_WINDOW);
}

/* ---- Crashes -----------------------------------------------------------------------------------
 */

static bool power_chosen(const struct octo_world *world, uint64_t bits)
{
    const bool *const on = world->drawing.on;

    if (!on[OCTO_FAULT_KILL])
        return true;
    return on[OCTO_FAULT_POWER_LOSS] && octo_strikes(bits, 600000);
}

/* Crashing a node that is not ready is a kind of its own. */
static bool may_crash(const struct octo_world *world, octo_node_id id)
{
    const struct octo_host_node *host = &world->hosts[id];
    return host->up && (host->ready_seen || world->drawing.on[OCTO_FAULT_CRASH_IN_RECOVERY]);
}

/* Crashes a node and says when it starts again; bits decide how long it is down. */
static octo_time_ns crash(struct octo_world *world, octo_node_id id, bool power_loss, uint64_t bits)
{
    const octo_time_ns start = world->now + 1 + octo_range(bits, world->drawing.down_ns);

    host_stop(world, id, power_loss);
    world_at(world, start, OCTO_ITEM_START, id, world->hosts[id].incarnation);
    return start;
}

void schedule_crash(struct octo_world *world, octo_node_id id, bool power_loss, uint64_t bits)
{
    (void)crash(world, id, power_loss, bits);
}

/* Of the nodes that may crash, the one that has done so least; 0 if all have often enough. */
static octo_node_id crash_due(const struct octo_world *world)
{
    octo_node_id least = 0;

    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        const uint32_t crashes = world->hosts[id].crashes;
        if (crashes < world->options.crash_cycles && may_crash(world, id) &&
            (least == 0 || crashes < world->hosts[least].crashes))
            least = id;
    }
    return least;
}

bool schedule_cycles_over(const struct octo_world *world)
{
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        const bool out = (world->ledger.out & 1u << id) != 0;
        if (!out && world->hosts[id].crashes < world->options.crash_cycles)
            return false;
    }
    return true;
}

static bool all_ready(const struct octo_world *world)
{
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        if (!world->hosts[id].up || !world->hosts[id].ready_seen)
            return false;
    }
    return true;
}

/* Whom a scenario wants to crash now; 0: nobody. */
static octo_node_id crash_wanted(struct octo_world *world, uint64_t bits)
{
    const uint32_t nodes = world->options.node_count;
    const octo_node_id leader = host_leader(world);
    octo_node_id id = 0;

    switch (world->options.tuning.crash_target) {
    case OCTO_SIM_TARGET_DRAWN:
        octo_assert(false);
        break;
    case OCTO_SIM_TARGET_LEADER:
        id = leader;
        break;
    case OCTO_SIM_TARGET_FOLLOWER:
        id = 1 + (octo_node_id)octo_range(bits, nodes);
        if (id == leader)
            id = id % nodes + 1;
        break;
    case OCTO_SIM_TARGET_SAME:
        id = world->drawing.victim;
        break;
    case OCTO_SIM_TARGET_TURN:
        id = all_ready(world) ? world->schedule.turn++ % nodes + 1 : 0;
        break;
    }
    return id != 0 && may_crash(world, id) ? id : 0;
}

/* The leader in half of the cases, else any node; the next one if that cannot crash. */
static octo_node_id crash_target(struct octo_world *world, uint64_t bits)
{
    const uint32_t nodes = world->options.node_count;
    const uint64_t target = part(bits, PART_TARGET);
    if (world->options.tuning.crash_target != OCTO_SIM_TARGET_DRAWN)
        return crash_wanted(world, target);
    const octo_node_id leader = leader_or_last(world);
    octo_node_id id = 1 + (octo_node_id)octo_range(octo_mix(target), nodes);

    const octo_node_id due = crash_due(world);
    if (due != 0)
        return due;
    if (leader != 0 && octo_strikes(target, 500000))
        id = leader;
    for (uint32_t i = 0; i < nodes; i++) {
        if (may_crash(world, id))
            return id;
        id = id % nodes + 1;
    }
    return 0;
}

static uint32_t nodes_down(const struct octo_world *world)
{
    uint32_t down = 0;
    for (octo_node_id id = 1; id <= world->options.node_count; id++)
        down += world->hosts[id].up ? 0 : 1;
    return down;
}

static void crash_majority(struct octo_world *world, uint64_t bits)
{
    const uint32_t nodes = world->options.node_count;
    const uint32_t majority = nodes / 2 + 1;
    uint32_t wanted = majority + (uint32_t)octo_range(part(bits, PART_COUNT), nodes - majority + 1);
    const bool power_loss = power_chosen(world, part(bits, PART_POWER));
    const uint32_t before = nodes_down(world);

    for (octo_node_id id = 1; id <= nodes; id++) {
        if (octo_range(part(bits, PART_MEMBER + id), nodes - id + 1) >= wanted)
            continue;
        wanted--;
        if (may_crash(world, id))
            crash(world, id, power_loss, part(bits, PART_MEMBER_DOWN + id));
    }
    const uint32_t after = nodes_down(world);
    if (after > before && after >= majority)
        record_fault(world, OCTO_FAULT_MAJORITY_CRASH, 0, 0, after);
}

/* The second crash comes a moment after the boot: in half of the cases before any disk operation
 * can have come back, so that it surely finds the node recovering. */
static void crash_again_later(struct octo_world *world, octo_node_id id, octo_time_ns start,
                              uint64_t bits)
{
    const uint64_t again = part(bits, PART_AGAIN);
    const octo_time_ns latency = world->drawing.disk_latency_ns;
    const octo_time_ns most = octo_strikes(again, 500000) ? latency / 2 : 30 * latency;
    const octo_time_ns delay = 1 + octo_range(octo_mix(again), most);

    world_at(world, start + delay, OCTO_ITEM_SCHEDULE, world->schedule.window,
             WHAT_AGAIN | (uint64_t)id << 8 | ((uint64_t)world->hosts[id].incarnation + 1) << 16);
}

static void crash_one(struct octo_world *world, enum octo_fault kind, uint64_t bits)
{
    const octo_node_id id = crash_target(world, bits);
    if (id == 0)
        return;
    bool power_loss = kind == OCTO_FAULT_POWER_LOSS;
    if (kind == OCTO_FAULT_CRASH_IN_RECOVERY)
        power_loss = power_chosen(world, part(bits, PART_POWER));
    const octo_time_ns start = crash(world, id, power_loss, part(bits, PART_LENGTH));
    if (kind == OCTO_FAULT_CRASH_IN_RECOVERY)
        crash_again_later(world, id, start, bits);
}

static void strike_crash(struct octo_world *world)
{
    uint64_t bits = world->schedule.crash;
    const enum octo_fault kind = (enum octo_fault)world->schedule.crash_kind;

    if (kind == OCTO_FAULT_MAJORITY_CRASH) {
        crash_majority(world, bits);
        return;
    }
    for (uint32_t i = 0; i < world->drawing.crash_count; i++, bits = octo_mix(bits))
        crash_one(world, kind, bits);
}

static void strike_again(struct octo_world *world, uint32_t window, uint64_t token)
{
    const octo_node_id id = (octo_node_id)(token >> 8 & 0xff);
    const struct octo_host_node *host = &world->hosts[id];

    if (!host->up || host->ready_seen || host->incarnation != (uint32_t)(token >> 16))
        return;
    const struct octo_key key = {
        .purpose = OCTO_DECIDE_CRASH,
        .detail = OCTO_CRASH_AGAIN,
        .actor = (uint8_t)id,
        .incarnation = host->incarnation,
        .identity = {window, 0},
    };
    uint64_t bits;
    if (!world_chance(world, &key, 0, true, &bits))
        return;
    crash(world, id, power_chosen(world, part(bits, PART_AGAIN_POWER)),
          part(bits, PART_AGAIN_DOWN));
}

/* Directory entries are made once, and so are lost early or never: the power fails while some of
 * the nodes format. */
static void format_begin(struct octo_world *world)
{
    if (!world->drawing.on[OCTO_FAULT_DISK_ENTRY_LOST])
        return;
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        const struct octo_key key = {
            .purpose = OCTO_DECIDE_CRASH, .detail = OCTO_CRASH_FORMAT, .actor = (uint8_t)id};
        uint64_t bits;
        if (!world_chance(world, &key, FORMAT_CRASH_PPM, false, &bits))
            continue;
        const octo_time_ns most = FORMAT_OPERATIONS * world->drawing.disk_latency_ns;
        world->schedule.format[id] = bits;
        world_at(world, world->now + 1 + octo_range(part(bits, PART_OFFSET), most),
                 OCTO_ITEM_SCHEDULE, 0, WHAT_FORMAT | (uint64_t)id << 8);
    }
}

static void strike_format(struct octo_world *world, uint64_t token)
{
    const octo_node_id id = (octo_node_id)(token >> 8 & 0xff);
    if (world->hosts[id].up && !world->hosts[id].formatted)
        crash(world, id, true, part(world->schedule.format[id], PART_FORMAT_DOWN));
}

/* ---- Partitions and pauses ---------------------------------------------------------------------
 */

static void links_apply(struct octo_world *world, bool cut)
{
    struct octo_schedule *schedule = &world->schedule;
    const uint32_t nodes = world->options.node_count;

    for (octo_node_id from = 0; from <= nodes; from++) {
        for (octo_node_id to = 0; to <= nodes; to++) {
            if (schedule->links[from] & 1u << to)
                network_cut(world, from, to, cut);
        }
    }
    schedule->partition_cut = cut;
}

static void partition_end(struct octo_world *world)
{
    if (world->schedule.partition_active && world->schedule.partition_cut)
        links_apply(world, false);
    world->schedule.partition_active = false;
}

/* One partition at a time: a new one ends the one before. */
static void strike_partition(struct octo_world *world)
{
    struct octo_schedule *schedule = &world->schedule;
    const uint64_t bits = schedule->partition;
    const enum octo_fault shape = (enum octo_fault)schedule->partition_kind;
    const octo_time_ns most = world->drawing.cut_ns;
    const octo_time_ns length = most / 4 + 1 + octo_range(part(bits, PART_LENGTH), most);
    const octo_node_id leader = leader_or_last(world);

    partition_end(world);
    shape_links(world, shape, part(bits, PART_TARGET), leader, schedule->links);
    links_apply(world, true);
    schedule->partition_active = true;
    schedule->partition_window = schedule->window;
    schedule->partition_until = world->now + length;
    schedule->flap_ns = length / FLAPS + 1;
    record_fault(world, shape, shape == OCTO_FAULT_PARTITION_LEADER ? leader : 0, 0, length);
    world_at(world, schedule->partition_until, OCTO_ITEM_SCHEDULE, schedule->window, WHAT_HEAL);
    if (shape == OCTO_FAULT_PARTITION_FLAPPING)
        world_at(world, world->now + schedule->flap_ns, OCTO_ITEM_SCHEDULE, schedule->window,
                 WHAT_FLAP);
}

static void partition_flap(struct octo_world *world, uint32_t window)
{
    struct octo_schedule *schedule = &world->schedule;

    if (!schedule->partition_active || schedule->partition_window != window)
        return;
    links_apply(world, !schedule->partition_cut);
    if (world->now + schedule->flap_ns < schedule->partition_until)
        world_at(world, world->now + schedule->flap_ns, OCTO_ITEM_SCHEDULE, window, WHAT_FLAP);
}

static void strike_pause(struct octo_world *world)
{
    const uint32_t nodes = world->options.node_count;
    const uint64_t bits = world->schedule.pause;
    const uint64_t target = part(bits, PART_TARGET);
    const octo_node_id leader = leader_or_last(world);
    const octo_time_ns length = 1 + octo_range(part(bits, PART_LENGTH), world->drawing.pause_ns);
    octo_node_id id = 1 + (octo_node_id)octo_range(octo_mix(target), nodes);

    if (leader != 0 && octo_strikes(target, 500000))
        id = leader;
    for (uint32_t i = 0; i < nodes; i++) {
        if (world->hosts[id].up && !host_is_paused(world, id)) {
            host_pause(world, id, world->now + length);
            return;
        }
        id = id % nodes + 1;
    }
}

/* ---- The way in --------------------------------------------------------------------------------
 */

void schedule_begin(struct octo_world *world)
{
    world->schedule = (struct octo_schedule){0};
    world_at(world, 0, OCTO_ITEM_FINISH, 0, 0);
    format_begin(world);
    for (uint32_t i = 0; i < FAMILIES; i++) {
        if (kind_pick(world, &families[i], false, 0) == OCTO_FAULT_COUNT)
            continue;
        world_at(world, world->drawing.window_ns / 2, OCTO_ITEM_SCHEDULE, 1, WHAT_WINDOW);
        return;
    }
}

/* The family whose strike in a window this is; NONE: it is something else. */
static enum octo_decision strike_family(enum schedule_what what)
{
    for (uint32_t i = 0; i < FAMILIES; i++) {
        if (families[i].what == what)
            return families[i].purpose;
    }
    return OCTO_DECIDE_NONE;
}

void schedule_item(struct octo_world *world, uint32_t window, uint64_t token)
{
    const enum schedule_what what = (enum schedule_what)(token & 0xff);
    const bool strikes = what != WHAT_WINDOW && what != WHAT_FLAP && what != WHAT_HEAL;

    if (world->quiet || (strikes && world_calm(world)))
        return;
    world->schedule.striking = (uint8_t)strike_family(what);
    switch (what) {
    case WHAT_WINDOW:
        window_begin(world);
        break;
    case WHAT_CRASH:
        strike_crash(world);
        break;
    case WHAT_AGAIN:
        strike_again(world, window, token);
        break;
    case WHAT_PARTITION:
        strike_partition(world);
        break;
    case WHAT_FLAP:
        partition_flap(world, window);
        break;
    case WHAT_HEAL:
        if (world->schedule.partition_window == window)
            partition_end(world);
        break;
    case WHAT_PAUSE:
        strike_pause(world);
        break;
    case WHAT_FORMAT:
        strike_format(world, token);
        break;
    case WHAT_DAMAGE:
        damage_strike(world, (enum octo_fault)world->schedule.damage_kind, world->schedule.damage);
        break;
    }
    world->schedule.striking = OCTO_DECIDE_NONE;
}

void schedule_end(struct octo_world *world)
{
    octo_assert(!world->quiet);
    world->quiet = true;
    world->quiet_since = world->now;
    world->schedule.partition_active = false;
    network_heal(world);
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        if (!world->hosts[id].up)
            host_start(world, id);
        else if (world->hosts[id].paused)
            host_resume(world, id);
    }
}
