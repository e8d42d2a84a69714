/* The drawing: which fault kinds a seed turns on, how hard they strike, how fast the network, the
 * disks and the clients are.
 *
 * The scale to keep in mind: elections take 150 .. 300 ms, heartbeats 30 ms. What makes a run long
 * is virtual time (heartbeats) and the number of group commits, so clients that wake together are
 * cheap.
 */
#include "sim/world.h"

#define US 1000ull /* nanoseconds in a microsecond */

#define THINK_MAX_NS OCTO_SECOND
#define BURST_MAX_NS (3 * OCTO_SECOND)

/* What a DRAWING decision is about: its detail. The numbers are part of every plan. */
enum drawing_item {
    ITEM_FAULTLESS = 1,
    ITEM_KIND = 2, /* identity: enum octo_fault */
    ITEM_SLOW = 3,
    ITEM_LATENCY_BASE = 4,
    ITEM_LATENCY_JITTER = 5,
    ITEM_LOSS = 6,
    ITEM_DUPLICATE = 7,
    ITEM_DELAY_RATE = 8,
    ITEM_DELAY = 9,
    ITEM_CORRUPT = 10,
    ITEM_READ_ERROR = 11,
    ITEM_WRITE_ERROR = 12,
    ITEM_SYNC_ERROR = 13,
    ITEM_STALL_RATE = 14,
    ITEM_STALL = 15,
    ITEM_DISK_LATENCY = 16,
    ITEM_DISK_JITTER = 17,
    ITEM_CRASH_AT_IO = 18,
    ITEM_WINDOW = 19,
    ITEM_CRASH = 20,
    ITEM_PARTITION = 21,
    ITEM_PAUSE_RATE = 22,
    ITEM_DOWN = 23,
    ITEM_CUT = 24,
    ITEM_PAUSE = 25,
    ITEM_CLOCK_OFFSET = 26,
    ITEM_CLOCK_DRIFT = 27,
    ITEM_CLIENTS = 28,
    ITEM_DURATION = 29,
    ITEM_BURST = 30,
    ITEM_BURST_OPERATIONS = 31,
    ITEM_TIMEOUT = 32,
    ITEM_GIVE_UP = 33,
    ITEM_CLIENT_CRASH = 34,
    ITEM_CLIENT_DUPLICATE = 35,
    ITEM_FEW_CLIENTS = 36,
    ITEM_CRASH_ELECTED = 37,
    ITEM_CRASH_ELECTED_RATE = 38,
    ITEM_SMALL_MESSAGES = 39,
    ITEM_APPEND_ENTRIES = 40,
    ITEM_SHORT_PIPELINE = 41,
    ITEM_INFLIGHT = 42,
    ITEM_SHORT_READ = 43,
    ITEM_LOST_WRITE = 44,
    ITEM_MISDIRECTED_WRITE = 45,
    ITEM_MISDIRECTED_READ = 46,
    ITEM_DAMAGE = 47,
    ITEM_DAMAGE_LENGTH = 48,
    ITEM_BATCHES = 49,
    ITEM_SEGMENT = 50,
    ITEM_SNAPSHOT = 51,
    ITEM_KEEP = 52,
    ITEM_CHUNK = 53,
    ITEM_SEGMENTS = 54,
    ITEM_CRASH_TRUNCATED = 55,
    ITEM_VICTIM = 56,
};

static uint64_t draw_bits(struct octo_world *world, enum drawing_item item, uint64_t identity)
{
    const struct octo_key key = {
        .purpose = OCTO_DECIDE_DRAWING,
        .detail = (uint8_t)item,
        .identity = {identity, 0},
    };
    return world_decide(world, &key);
}

static bool draw_chance(struct octo_world *world, enum drawing_item item, uint32_t ppm)
{
    return octo_strikes(draw_bits(world, item, 0), ppm);
}

/* low .. high, both possible, evenly. */
static uint64_t draw_between(struct octo_world *world, enum drawing_item item, uint64_t low,
                             uint64_t high)
{
    octo_assert(low <= high);
    return low + octo_range(draw_bits(world, item, 0), high - low + 1);
}

/* low .. high, each doubling as likely as the next: small values deserve as much attention. */
static uint64_t draw_scaled(struct octo_world *world, enum drawing_item item, uint64_t low,
                            uint64_t high)
{
    octo_assert(low > 0);
    octo_assert(low <= high);
    const uint64_t bits = draw_bits(world, item, 0);
    uint32_t doublings = 1;
    while ((high >> doublings) >= low)
        doublings++;
    const uint64_t from = low << octo_range(bits, doublings);
    const uint64_t to = octo_min_u64(2 * from - 1, high);
    return from + octo_range(octo_mix(bits), to - from + 1);
}

/* ---- Which kinds -------------------------------------------------------------------------------
 */

/* Whether a cluster of `nodes` can suffer the fault at all. */
static bool kind_possible(enum octo_fault fault, uint32_t nodes)
{
    switch (fault) {
    case OCTO_FAULT_PARTITION_SYMMETRIC:
    case OCTO_FAULT_PARTITION_ONE_WAY:
    case OCTO_FAULT_PARTITION_LEADER:
    case OCTO_FAULT_PARTITION_FLAPPING:
    case OCTO_FAULT_MESSAGE_CORRUPTED: /* clients speak through a checked connection */
        return nodes >= 2;
    case OCTO_FAULT_PARTITION_MINORITY:
    case OCTO_FAULT_PARTITION_BRIDGE:
    case OCTO_FAULT_MAJORITY_CRASH:
    case OCTO_FAULT_DISK_ROT_DOUBLE:
    case OCTO_FAULT_DISK_WIPE:
        return nodes >= 3;
    case OCTO_FAULT_DISK_SWAP:
        return nodes >= 5;
    case OCTO_FAULT_MESSAGE_LOST:
    case OCTO_FAULT_MESSAGE_DUPLICATED:
    case OCTO_FAULT_MESSAGE_DELAYED:
    case OCTO_FAULT_PARTITION_CLIENTS:
    case OCTO_FAULT_POWER_LOSS:
    case OCTO_FAULT_KILL:
    case OCTO_FAULT_CRASH_IN_RECOVERY:
    case OCTO_FAULT_CRASH_AT_IO:
    case OCTO_FAULT_PAUSE:
    case OCTO_FAULT_CLOCK_OFFSET:
    case OCTO_FAULT_CLOCK_DRIFT:
    case OCTO_FAULT_DISK_READ_ERROR:
    case OCTO_FAULT_DISK_WRITE_ERROR:
    case OCTO_FAULT_DISK_SYNC_ERROR:
    case OCTO_FAULT_DISK_SECTOR_LOST:
    case OCTO_FAULT_DISK_SECTOR_TORN:
    case OCTO_FAULT_DISK_ENTRY_LOST:
    case OCTO_FAULT_DISK_STALL:
    case OCTO_FAULT_DISK_SECTOR_GARBAGE:
    case OCTO_FAULT_DISK_SIZE_WRONG:
    case OCTO_FAULT_DISK_SHORT_READ:
    case OCTO_FAULT_DISK_LOST_WRITE:
    case OCTO_FAULT_DISK_MISDIRECTED_WRITE:
    case OCTO_FAULT_DISK_MISDIRECTED_READ:
    case OCTO_FAULT_DISK_FULL:
    case OCTO_FAULT_DISK_NO_SPACE:
    case OCTO_FAULT_DISK_SLOW:
    case OCTO_FAULT_DISK_ROT:
    case OCTO_FAULT_CLIENT_CRASH:
    case OCTO_FAULT_CLIENT_DUPLICATE:
        return true;
    case OCTO_FAULT_COUNT:
        break;
    }
    return false;
}

/* A majority crash and a crash in recovery need a way to crash; sectors and directory entries are
 * only lost with the power, entries only at a certain moment. */
static void kinds_complete(bool on[OCTO_FAULT_COUNT], uint32_t nodes)
{
    const bool crash = on[OCTO_FAULT_CRASH_IN_RECOVERY] || on[OCTO_FAULT_MAJORITY_CRASH];
    const bool loss = on[OCTO_FAULT_DISK_SECTOR_LOST] || on[OCTO_FAULT_DISK_SECTOR_TORN] ||
                      on[OCTO_FAULT_DISK_SECTOR_GARBAGE] || on[OCTO_FAULT_DISK_SIZE_WRONG];

    if (on[OCTO_FAULT_DISK_ENTRY_LOST] || (loss && !on[OCTO_FAULT_CRASH_AT_IO]))
        on[OCTO_FAULT_POWER_LOSS] = true;
    if (crash && !on[OCTO_FAULT_KILL])
        on[OCTO_FAULT_POWER_LOSS] = true;
    if (on[OCTO_FAULT_DISK_SWAP] && (nodes - 1) / 2 < 3) /* it takes two of the nodes there are */
        on[OCTO_FAULT_DISK_WIPE] = false;
    if (on[OCTO_FAULT_DISK_ROT] || on[OCTO_FAULT_DISK_ROT_DOUBLE])
        on[OCTO_FAULT_KILL] = on[OCTO_FAULT_KILL] || !on[OCTO_FAULT_POWER_LOSS];
}

/* What a disk does, and the crashes that show it. */
static bool kind_of_disk(uint32_t fault)
{
    return fault == OCTO_FAULT_POWER_LOSS || fault == OCTO_FAULT_KILL ||
           fault == OCTO_FAULT_CRASH_IN_RECOVERY || fault == OCTO_FAULT_CRASH_AT_IO ||
           fault == OCTO_FAULT_MAJORITY_CRASH ||
           (fault >= OCTO_FAULT_DISK_READ_ERROR && fault <= OCTO_FAULT_DISK_SWAP);
}

/* Whether this run has the fault, by the mix that was asked for. */
static bool kind_drawn(struct octo_world *world, uint32_t fault)
{
    const enum octo_sim_faults faults = world->options.faults;

    if (faults == OCTO_SIM_FAULTS_ALL)
        return true;
    if (faults == OCTO_SIM_FAULTS_DISK && !kind_of_disk(fault))
        return false;
    return octo_strikes(draw_bits(world, ITEM_KIND, fault),
                        faults == OCTO_SIM_FAULTS_DISK ? 800000 : 500000);
}

static void kinds_draw(struct octo_world *world)
{
    bool *const on = world->drawing.on;
    const enum octo_sim_faults faults = world->options.faults;

    if (faults == OCTO_SIM_FAULTS_NONE)
        return;
    if (faults == OCTO_SIM_FAULTS_SWARM && draw_chance(world, ITEM_FAULTLESS, 200000))
        return;
    for (uint32_t fault = 0; fault < OCTO_FAULT_COUNT; fault++) {
        if (!kind_possible((enum octo_fault)fault, world->options.node_count))
            continue;
        on[fault] = kind_drawn(world, fault);
    }
}

/* What a scenario says of kinds. */
static void kinds_tune(struct octo_world *world)
{
    for (uint32_t fault = 0; fault < OCTO_FAULT_COUNT; fault++) {
        const uint8_t kind = world->options.tuning.kinds[fault];
        if (kind == OCTO_SIM_KIND_ON)
            world->drawing.on[fault] =
                kind_possible((enum octo_fault)fault, world->options.node_count);
        else if (kind == OCTO_SIM_KIND_OFF)
            world->drawing.on[fault] = false;
    }
}

/* What was asked for by name is on whatever the mix. */
static void draw_kinds(struct octo_world *world)
{
    bool *const on = world->drawing.on;

    kinds_draw(world);
    kinds_tune(world);
    if (world->options.io_error_ppm > 0) {
        on[OCTO_FAULT_DISK_READ_ERROR] = true;
        on[OCTO_FAULT_DISK_WRITE_ERROR] = true;
        on[OCTO_FAULT_DISK_SYNC_ERROR] = true;
        on[OCTO_FAULT_DISK_SECTOR_TORN] = true;
    }
    if (world->options.crash_cycles > 0)
        on[OCTO_FAULT_POWER_LOSS] = true;
    kinds_complete(on, world->options.node_count);
    kinds_tune(world);
}

/* ---- How much ----------------------------------------------------------------------------------
 */

static void draw_network(struct octo_world *world)
{
    struct octo_drawing *drawing = &world->drawing;

    drawing->latency_base_ns = draw_scaled(world, ITEM_LATENCY_BASE, 100 * US, 12 * OCTO_MS);
    drawing->latency_jitter_ns = draw_scaled(world, ITEM_LATENCY_JITTER, 10 * US, 8 * OCTO_MS);
    drawing->loss_ppm = (uint32_t)draw_scaled(world, ITEM_LOSS, 1000, 100000);
    drawing->duplicate_ppm = (uint32_t)draw_scaled(world, ITEM_DUPLICATE, 1000, 100000);
    drawing->delay_ppm = (uint32_t)draw_scaled(world, ITEM_DELAY_RATE, 1000, 50000);
    drawing->delay_ns = draw_scaled(world, ITEM_DELAY, 10 * OCTO_MS, 1000 * OCTO_MS);
    drawing->corrupt_ppm = (uint32_t)draw_scaled(world, ITEM_CORRUPT, 1000, 50000);
}

static void draw_disk(struct octo_world *world)
{
    struct octo_drawing *drawing = &world->drawing;

    drawing->disk_latency_ns = draw_scaled(world, ITEM_DISK_LATENCY, 20 * US, 3 * OCTO_MS);
    drawing->disk_jitter_ns = draw_scaled(world, ITEM_DISK_JITTER, 10 * US, 2 * OCTO_MS);
    drawing->disk_read_error_ppm = (uint32_t)draw_scaled(world, ITEM_READ_ERROR, 2000, 200000);
    drawing->disk_write_error_ppm = (uint32_t)draw_scaled(world, ITEM_WRITE_ERROR, 100, 50000);
    drawing->disk_sync_error_ppm = (uint32_t)draw_scaled(world, ITEM_SYNC_ERROR, 100, 50000);
    drawing->disk_stall_ppm = (uint32_t)draw_scaled(world, ITEM_STALL_RATE, 100, 5000);
    drawing->disk_stall_ns = draw_scaled(world, ITEM_STALL, 10 * OCTO_MS, 500 * OCTO_MS);
    drawing->crash_at_io_ppm = (uint32_t)draw_scaled(world, ITEM_CRASH_AT_IO, 100, 3000);
    drawing->short_read_ppm = (uint32_t)draw_scaled(world, ITEM_SHORT_READ, 10000, 300000);
    drawing->lost_write_ppm = (uint32_t)draw_scaled(world, ITEM_LOST_WRITE, 200, 20000);
    drawing->misdirected_write_ppm =
        (uint32_t)draw_scaled(world, ITEM_MISDIRECTED_WRITE, 200, 20000);
    drawing->misdirected_read_ppm =
        (uint32_t)draw_scaled(world, ITEM_MISDIRECTED_READ, 2000, 50000);
}

/* Small segments roll over and are recycled within a run; snapshots are taken again and again. */
static void draw_storage(struct octo_world *world)
{
    struct octo_config *config = &world->config;

    config->batches_max = (uint32_t)draw_between(world, ITEM_BATCHES, 1, config->batches_max);
    config->segment_bytes =
        (uint32_t)draw_scaled(world, ITEM_SEGMENT, 32, 256) * config->sector_bytes;
    config->snapshot_entries = (uint32_t)draw_scaled(world, ITEM_SNAPSHOT, 20, 400);
    config->log_keep_entries = (uint32_t)draw_between(world, ITEM_KEEP, 0, 64);
}

/* Small limits make states that large ones pass over in one step: a log that is half brought up to
 * date, a window that is full. Limits only go down: the buffers were made for the usual ones. */
static void draw_limits(struct octo_world *world)
{
    struct octo_config *config = &world->config;

    if (draw_chance(world, ITEM_SMALL_MESSAGES, 250000))
        config->append_entries_max = (uint32_t)draw_between(world, ITEM_APPEND_ENTRIES, 1, 4);
    if (draw_chance(world, ITEM_SHORT_PIPELINE, 250000))
        config->inflight_max = (uint32_t)draw_between(world, ITEM_INFLIGHT, 1, 3);
}

static void draw_windows(struct octo_world *world)
{
    struct octo_drawing *drawing = &world->drawing;

    drawing->window_ns = draw_scaled(world, ITEM_WINDOW, 100 * OCTO_MS, 500 * OCTO_MS);
    drawing->crash_ppm = (uint32_t)draw_scaled(world, ITEM_CRASH, 50000, 600000);
    drawing->partition_ppm = (uint32_t)draw_scaled(world, ITEM_PARTITION, 50000, 600000);
    drawing->pause_ppm = (uint32_t)draw_scaled(world, ITEM_PAUSE_RATE, 50000, 400000);
    drawing->down_ns = draw_scaled(world, ITEM_DOWN, 5 * OCTO_MS, 1000 * OCTO_MS);
    drawing->cut_ns = draw_scaled(world, ITEM_CUT, 50 * OCTO_MS, 1000 * OCTO_MS);
    drawing->pause_ns = draw_scaled(world, ITEM_PAUSE, 10 * OCTO_MS, 600 * OCTO_MS);
    if (drawing->on[OCTO_FAULT_POWER_LOSS] && draw_chance(world, ITEM_CRASH_ELECTED, 400000))
        drawing->crash_elected_ppm =
            (uint32_t)draw_scaled(world, ITEM_CRASH_ELECTED_RATE, 100000, 700000);
    if (drawing->on[OCTO_FAULT_POWER_LOSS] && draw_chance(world, ITEM_CRASH_TRUNCATED, 400000))
        drawing->crash_truncated_ppm = 300000;
    drawing->damage_ppm = (uint32_t)draw_scaled(world, ITEM_DAMAGE, 50000, 600000);
    drawing->damage_ns = draw_scaled(world, ITEM_DAMAGE_LENGTH, 50 * OCTO_MS, 2000 * OCTO_MS);
    drawing->clock_offset_ns = draw_scaled(world, ITEM_CLOCK_OFFSET, OCTO_MS, 100 * OCTO_SECOND);
    drawing->clock_drift_ppm = (uint32_t)draw_scaled(world, ITEM_CLOCK_DRIFT, 100, 50000);
}

static void draw_clients(struct octo_world *world)
{
    struct octo_drawing *drawing = &world->drawing;

    /* Few clients make small groups, and so many disk operations: an eighth of the seeds suffices.
     */
    drawing->client_count = draw_chance(world, ITEM_FEW_CLIENTS, 125000)
                                ? (uint32_t)draw_between(world, ITEM_CLIENTS, 2, 8)
                                : (uint32_t)draw_between(world, ITEM_CLIENTS, 10, 24);
    drawing->timeout_ns = draw_scaled(world, ITEM_TIMEOUT, 120 * OCTO_MS, 600 * OCTO_MS);
    drawing->give_up_ns = draw_scaled(world, ITEM_GIVE_UP, 1000 * OCTO_MS, 10 * OCTO_SECOND);
    drawing->client_crash_ppm = (uint32_t)draw_scaled(world, ITEM_CLIENT_CRASH, 2000, 50000);
    drawing->client_duplicate_ppm =
        (uint32_t)draw_scaled(world, ITEM_CLIENT_DUPLICATE, 2000, 200000);
    drawing->burst_operations = draw_chance(world, ITEM_BURST, 750000)
                                    ? (uint32_t)draw_between(world, ITEM_BURST_OPERATIONS, 2, 8)
                                    : 0;
}

/* The reference run: every kind at a moderate rate, a usual network and disk, a busy cluster. */
static void reference_rates(struct octo_drawing *drawing)
{
    drawing->latency_base_ns = 500 * US;
    drawing->latency_jitter_ns = 500 * US;
    drawing->loss_ppm = 10000;
    drawing->duplicate_ppm = 10000;
    drawing->delay_ppm = 5000;
    drawing->delay_ns = 100 * OCTO_MS;
    drawing->corrupt_ppm = 5000;
    drawing->disk_latency_ns = 500 * US;
    drawing->disk_jitter_ns = 500 * US;
    drawing->disk_read_error_ppm = 30000;
    drawing->disk_write_error_ppm = 2000;
    drawing->disk_sync_error_ppm = 2000;
    drawing->disk_stall_ppm = 500;
    drawing->disk_stall_ns = 100 * OCTO_MS;
    drawing->crash_at_io_ppm = 500;
    drawing->short_read_ppm = 20000;
    drawing->lost_write_ppm = 1000;
    drawing->misdirected_write_ppm = 500;
    drawing->misdirected_read_ppm = 5000;
    drawing->damage_ppm = 250000;
    drawing->damage_ns = 200 * OCTO_MS;
    drawing->window_ns = 200 * OCTO_MS;
    drawing->crash_ppm = 250000;
    drawing->partition_ppm = 250000;
    drawing->pause_ppm = 100000;
    drawing->down_ns = 200 * OCTO_MS;
    drawing->cut_ns = 400 * OCTO_MS;
    drawing->pause_ns = 200 * OCTO_MS;
    drawing->clock_offset_ns = OCTO_SECOND;
    drawing->clock_drift_ppm = 5000;
    drawing->client_count = 24;
    drawing->timeout_ns = 250 * OCTO_MS;
    drawing->give_up_ns = 4 * OCTO_SECOND;
    drawing->client_crash_ppm = 10000;
    drawing->client_duplicate_ppm = 30000;
    drawing->burst_operations = 4;
}

/* ---- Rates -------------------------------------------------------------------------------------
 */

struct rate {
    enum octo_fault fault;
    uint32_t *ppm;
};

/* The rates of kinds that have one of their own; returns how many. */
static uint32_t rates_of(struct octo_drawing *drawing, struct rate rates[OCTO_FAULT_COUNT])
{
    const struct rate all[] = {
        {OCTO_FAULT_MESSAGE_LOST, &drawing->loss_ppm},
        {OCTO_FAULT_MESSAGE_DUPLICATED, &drawing->duplicate_ppm},
        {OCTO_FAULT_MESSAGE_DELAYED, &drawing->delay_ppm},
        {OCTO_FAULT_MESSAGE_CORRUPTED, &drawing->corrupt_ppm},
        {OCTO_FAULT_DISK_READ_ERROR, &drawing->disk_read_error_ppm},
        {OCTO_FAULT_DISK_WRITE_ERROR, &drawing->disk_write_error_ppm},
        {OCTO_FAULT_DISK_SYNC_ERROR, &drawing->disk_sync_error_ppm},
        {OCTO_FAULT_DISK_STALL, &drawing->disk_stall_ppm},
        {OCTO_FAULT_DISK_SHORT_READ, &drawing->short_read_ppm},
        {OCTO_FAULT_DISK_LOST_WRITE, &drawing->lost_write_ppm},
        {OCTO_FAULT_DISK_MISDIRECTED_WRITE, &drawing->misdirected_write_ppm},
        {OCTO_FAULT_DISK_MISDIRECTED_READ, &drawing->misdirected_read_ppm},
        {OCTO_FAULT_CRASH_AT_IO, &drawing->crash_at_io_ppm},
        {OCTO_FAULT_PAUSE, &drawing->pause_ppm},
        {OCTO_FAULT_CLOCK_DRIFT, &drawing->clock_drift_ppm},
        {OCTO_FAULT_CLIENT_CRASH, &drawing->client_crash_ppm},
        {OCTO_FAULT_CLIENT_DUPLICATE, &drawing->client_duplicate_ppm},
    };

    memcpy(rates, all, sizeof all);
    return sizeof all / sizeof all[0];
}

bool drawing_has_rate(enum octo_fault fault)
{
    struct octo_drawing drawing = {0};
    struct rate rates[OCTO_FAULT_COUNT];
    const uint32_t count = rates_of(&drawing, rates);

    for (uint32_t i = 0; i < count; i++) {
        if (rates[i].fault == fault)
            return true;
    }
    return false;
}

/* A kind that is off has no rate. */
static void rates_off(struct octo_drawing *drawing)
{
    struct rate rates[OCTO_FAULT_COUNT];
    const uint32_t count = rates_of(drawing, rates);

    for (uint32_t i = 0; i < count; i++) {
        if (!drawing->on[rates[i].fault])
            *rates[i].ppm = 0;
    }
    if (!drawing->on[OCTO_FAULT_CLOCK_OFFSET])
        drawing->clock_offset_ns = 0;
}

/* ---- Tuning: what a scenario sets goes over what was drawn -------------------------------------
 */

static void tune_small(const struct octo_sim_tuning *tuning, enum octo_tune tune, uint32_t *value)
{
    if (tuning_has(tuning, tune))
        *value = (uint32_t)tuning->values[tune];
}

static void tune_wide(const struct octo_sim_tuning *tuning, enum octo_tune tune, uint64_t *value)
{
    if (tuning_has(tuning, tune))
        *value = tuning->values[tune];
}

static void tune_rates(struct octo_drawing *drawing, const struct octo_sim_tuning *tuning)
{
    struct rate rates[OCTO_FAULT_COUNT];
    const uint32_t count = rates_of(drawing, rates);

    for (uint32_t i = 0; i < count; i++) {
        if (tuning->rates_ppm[rates[i].fault] != 0)
            *rates[i].ppm = tuning->rates_ppm[rates[i].fault];
    }
    tune_small(tuning, OCTO_TUNE_CRASH_RATE, &drawing->crash_ppm);
    tune_small(tuning, OCTO_TUNE_CRASH_COUNT, &drawing->crash_count);
    tune_small(tuning, OCTO_TUNE_CRASH_ELECTED_RATE, &drawing->crash_elected_ppm);
    tune_small(tuning, OCTO_TUNE_CRASH_TRUNCATING_RATE, &drawing->crash_truncated_ppm);
    tune_small(tuning, OCTO_TUNE_PARTITION_RATE, &drawing->partition_ppm);
    tune_small(tuning, OCTO_TUNE_DAMAGE_RATE, &drawing->damage_ppm);
}

static void tune_times(struct octo_drawing *drawing, const struct octo_sim_tuning *tuning)
{
    tune_wide(tuning, OCTO_TUNE_WINDOW, &drawing->window_ns);
    tune_wide(tuning, OCTO_TUNE_FAULTS_FROM, &drawing->faults_from_ns);
    tune_wide(tuning, OCTO_TUNE_FAULTS_TO, &drawing->faults_to_ns);
    tune_wide(tuning, OCTO_TUNE_DOWN, &drawing->down_ns);
    tune_wide(tuning, OCTO_TUNE_CUT, &drawing->cut_ns);
    tune_wide(tuning, OCTO_TUNE_PAUSE, &drawing->pause_ns);
    tune_wide(tuning, OCTO_TUNE_DAMAGE, &drawing->damage_ns);
    tune_wide(tuning, OCTO_TUNE_LATENCY, &drawing->latency_base_ns);
    tune_wide(tuning, OCTO_TUNE_JITTER, &drawing->latency_jitter_ns);
    tune_wide(tuning, OCTO_TUNE_DELAY, &drawing->delay_ns);
    tune_wide(tuning, OCTO_TUNE_BANDWIDTH, &drawing->bandwidth_bytes);
    tune_wide(tuning, OCTO_TUNE_DISK_LATENCY, &drawing->disk_latency_ns);
    tune_wide(tuning, OCTO_TUNE_DISK_JITTER, &drawing->disk_jitter_ns);
    tune_wide(tuning, OCTO_TUNE_STALL, &drawing->disk_stall_ns);
    tune_wide(tuning, OCTO_TUNE_CLOCK_OFFSET, &drawing->clock_offset_ns);
    tune_wide(tuning, OCTO_TUNE_TIMEOUT, &drawing->timeout_ns);
    tune_wide(tuning, OCTO_TUNE_GIVE_UP, &drawing->give_up_ns);
    tune_small(tuning, OCTO_TUNE_CLIENTS, &drawing->client_count);
    tune_small(tuning, OCTO_TUNE_BURST, &drawing->burst_operations);
}

static void tune_workload(struct octo_workload *workload, const struct octo_sim_tuning *tuning)
{
    workload->mixed = tuning_has(tuning, OCTO_TUNE_READS);
    tune_small(tuning, OCTO_TUNE_READS, &workload->reads_ppm);
    tune_small(tuning, OCTO_TUNE_KEYS, &workload->keys);
    tune_small(tuning, OCTO_TUNE_VALUE_BYTES, &workload->value_bytes);
}

static void tune(struct octo_world *world)
{
    const struct octo_sim_tuning *tuning = &world->options.tuning;
    struct octo_config *config = &world->config;

    tune_rates(&world->drawing, tuning);
    tune_times(&world->drawing, tuning);
    tune_workload(&world->drawing.workload, tuning);
    tune_small(tuning, OCTO_TUNE_SNAPSHOT_ENTRIES, &config->snapshot_entries);
    tune_small(tuning, OCTO_TUNE_KEEP_ENTRIES, &config->log_keep_entries);
    tune_small(tuning, OCTO_TUNE_SEGMENT_BYTES, &config->segment_bytes);
    config->segment_bytes -= config->segment_bytes % config->sector_bytes;
    if (tuning->crash_target == OCTO_SIM_TARGET_SAME)
        world->drawing.victim =
            (octo_node_id)draw_between(world, ITEM_VICTIM, 1, world->options.node_count);
}

/* How long the run should take, and so how long clients sleep. A quarter of the seeds is slow. */
static void draw_pace(struct octo_world *world)
{
    struct octo_drawing *drawing = &world->drawing;
    const struct octo_sim_tuning *tuning = &world->options.tuning;
    const uint64_t operations = world->options.operations;
    octo_time_ns duration_ns = 3 * OCTO_SECOND;

    if (world->options.faults != OCTO_SIM_FAULTS_ALL) {
        const bool slow = draw_chance(world, ITEM_SLOW, 250000);
        duration_ns = slow ? draw_between(world, ITEM_DURATION, 10 * OCTO_SECOND, 30 * OCTO_SECOND)
                           : draw_between(world, ITEM_DURATION, 2 * OCTO_SECOND, 6 * OCTO_SECOND);
        if (slow && !tuning_has(tuning, OCTO_TUNE_WINDOW))
            drawing->window_ns *= 4;
    }
    duration_ns = octo_max_u64(duration_ns * operations / 1000, OCTO_SECOND);
    tune_wide(tuning, OCTO_TUNE_DURATION, &duration_ns);
    drawing->think_ns =
        octo_min_u64(1 + duration_ns * drawing->client_count / operations, THINK_MAX_NS);
    drawing->burst_ns = octo_min_u64(drawing->think_ns * drawing->burst_operations, BURST_MAX_NS);
    drawing->faults_end_ns = 2 * duration_ns + 4 * OCTO_SECOND;
    /* The tail is measured from the last progress: elections, recoveries and a client's retries. */
    drawing->heal_ns = 10 * OCTO_SECOND +
                       100 * (drawing->latency_base_ns + drawing->disk_latency_ns) +
                       10 * (drawing->timeout_ns + drawing->delay_ns + drawing->disk_stall_ns) +
                       2 * (drawing->think_ns + drawing->burst_ns);
}

void drawing_make(struct octo_world *world)
{
    world->drawing = (struct octo_drawing){.faults_to_ns = OCTO_NEVER, .crash_count = 1};
    draw_kinds(world);
    if (world->options.faults == OCTO_SIM_FAULTS_ALL) {
        reference_rates(&world->drawing);
    } else {
        draw_network(world);
        draw_disk(world);
        draw_limits(world);
        draw_storage(world);
        draw_windows(world);
        draw_clients(world);
    }
    tune(world);
    if (world->options.io_error_ppm > 0) {
        world->drawing.disk_read_error_ppm = world->options.io_error_ppm;
        world->drawing.disk_write_error_ppm = world->options.io_error_ppm;
        world->drawing.disk_sync_error_ppm = world->options.io_error_ppm;
    }
    rates_off(&world->drawing);
    draw_pace(world);
    ledger_draw(world);
}
