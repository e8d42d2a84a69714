/* What befalls a disk as a whole, or a thing on it that is chosen by its meaning: a window without
 * space, a slow window, rot in an entry, a marker, a vote, a snapshot, a wipe, a swap. */
#include "sim/world.h"

#define FILES_MAX  128u
#define SECTOR     OCTO_SIMDISK_SECTOR_BYTES
#define SEARCH_MAX 512u    /* sectors looked at for a record of the wanted kind */
#define CRASH_PPM  600000u /* rot is followed by a crash: what nobody reads does no harm */
#define POWER_PPM  500000u

/* Windows in which a kind is forced, sooner or later. A node that came to life in the last ones had
 * too few of them. */
#define WINDOWS_ENOUGH 20u

enum {
    PART_NODE = 1,
    PART_LENGTH,
    PART_MEANING,
    PART_FILE,
    PART_PLACE,
    PART_DAMAGE,
    PART_BITS,
    PART_CRASH,
    PART_POWER,
    PART_DOWN,
    PART_TOPIC,
};

static uint64_t part(uint64_t bits, uint32_t number)
{
    return octo_mix(bits ^ octo_mix(number + 1000));
}

/* ---- Whom ------------------------------------------------------------------------------------ */

/* The first of the nodes, from a drawn one on, that is (or is not) impaired and not out; 0: none.
 */
static octo_node_id target(const struct octo_world *world, uint64_t bits, bool impaired)
{
    const uint32_t nodes = world->options.node_count;
    octo_node_id id = 1 + (octo_node_id)octo_range(part(bits, PART_NODE), nodes);

    for (uint32_t i = 0; i < nodes; i++) {
        const bool out = (world->ledger.out & 1u << id) != 0;
        if (!out && world->hosts[id].formatted && (!impaired || ledger_impaired(world, id)))
            return id;
        id = id % nodes + 1;
    }
    return 0;
}

/* ---- Where ----------------------------------------------------------------------------------- */

/* A file of the kind that is there durably; number UINT32_MAX if there is none. */
static struct octo_file file_pick(const struct octo_world *world, octo_node_id id, uint8_t kind,
                                  uint64_t bits)
{
    uint32_t numbers[FILES_MAX];
    const uint32_t count = (uint32_t)octo_min_u64(
        octo_simdisk_files(world->hosts[id].disk, kind, numbers, FILES_MAX), FILES_MAX);
    struct octo_file file = {.kind = kind, .number = UINT32_MAX};

    if (count > 0)
        file.number = numbers[octo_range(bits, count)];
    return file;
}

/* A sector in which a record of the type stands, from a drawn one on; false if none is near.
 * Records are followed within a sector only: a batch begins with its markers. */
static bool record_find(const struct octo_world *world, octo_node_id id, struct octo_file file,
                        uint8_t type, uint64_t bits, uint64_t *sector)
{
    const struct octo_simdisk *disk = world->hosts[id].disk;
    uint64_t size = 0;

    if (!octo_simdisk_durable_size(disk, file, &size) || size < SECTOR)
        return false;
    const uint64_t sectors = size / SECTOR;
    uint64_t at = octo_range(bits, sectors);
    for (uint32_t i = 0; i < SEARCH_MAX && i < sectors; i++, at = (at + 1) % sectors) {
        const uint8_t *bytes = octo_simdisk_durable_sector(disk, file, at);
        for (uint32_t in = 0; bytes != NULL && in + OCTO_RECORD_HEADER_BYTES <= SECTOR;) {
            if (octo_get_u32(bytes + in) != OCTO_RECORD_MAGIC)
                break;
            if (bytes[in + 5] == type) {
                *sector = at;
                return true;
            }
            in += (uint32_t)octo_align_up(
                OCTO_RECORD_HEADER_BYTES + octo_min_u64(octo_get_u32(bytes + in + 64), SECTOR), 8);
        }
    }
    return false;
}

/* ---- Rot ------------------------------------------------------------------------------------- */

static bool rot_at(struct octo_world *world, octo_node_id id, struct octo_file file,
                   uint64_t sector, uint64_t bits, enum octo_fault kind)
{
    const enum octo_disk_damage damage =
        (enum octo_disk_damage)(OCTO_DAMAGE_FLIP + octo_range(part(bits, PART_DAMAGE), 4));

    if (octo_simdisk_damage(world->hosts[id].disk, file, sector * SECTOR, SECTOR, damage,
                            part(bits, PART_BITS)) == 0)
        return false;
    octo_oracles_damaged(world->oracles, id);
    record_fault(world, kind, id, 0,
                 (uint64_t)file.kind << 56 | (uint64_t)file.number << 32 | sector);
    return true;
}

/* An entry or a marker of one topic, or of both. */
static bool rot_record(struct octo_world *world, octo_node_id id, uint8_t type, uint64_t bits,
                       bool both)
{
    uint8_t topic =
        octo_range(part(bits, PART_TOPIC), 2) == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY;
    struct octo_file file = file_pick(world, id, topic, part(bits, PART_FILE));
    uint64_t sector = 0;

    if (file.number == UINT32_MAX ||
        !record_find(world, id, file, type, part(bits, PART_PLACE), &sector))
        return false;
    if (!both && !ledger_allows(world, id, file))
        file.kind = topic == OCTO_FILE_MAIN ? OCTO_FILE_RECOVERY : OCTO_FILE_MAIN;
    if (both ? !ledger_allows_double(world, id) : !ledger_allows(world, id, file))
        return false;
    if (!both)
        return rot_at(world, id, file, sector, bits, OCTO_FAULT_DISK_ROT);
    const struct octo_file twin = {.kind = file.kind == OCTO_FILE_MAIN ? OCTO_FILE_RECOVERY
                                                                       : OCTO_FILE_MAIN,
                                   .number = file.number};
    return rot_at(world, id, file, sector, bits, OCTO_FAULT_DISK_ROT_DOUBLE) &&
           rot_at(world, id, twin, sector, octo_mix(bits), OCTO_FAULT_DISK_ROT_DOUBLE);
}

/* One of the sectors that were ever written: most of a snapshot's file is room. */
static bool written_find(const struct octo_world *world, octo_node_id id, struct octo_file file,
                         uint64_t bits, uint64_t *sector)
{
    const struct octo_simdisk *disk = world->hosts[id].disk;
    uint64_t size = 0;
    uint64_t written = 0;

    if (!octo_simdisk_durable_size(disk, file, &size))
        return false;
    for (uint64_t at = 0; at < size / SECTOR; at++)
        written += octo_simdisk_durable_sector(disk, file, at) != NULL;
    uint64_t left = written > 0 ? 1 + octo_range(bits, written) : 0;
    for (uint64_t at = 0; left > 0; at++) {
        left -= octo_simdisk_durable_sector(disk, file, at) != NULL;
        *sector = at;
    }
    return written > 0;
}

/* A sector of a file that there is but one of. */
static bool rot_single(struct octo_world *world, octo_node_id id, uint8_t kind, uint64_t bits,
                       enum octo_fault fault)
{
    const struct octo_file file = file_pick(world, id, kind, part(bits, PART_FILE));
    uint64_t sector = 0;

    return file.number != UINT32_MAX && ledger_allows(world, id, file) &&
           written_find(world, id, file, part(bits, PART_PLACE), &sector) &&
           rot_at(world, id, file, sector, bits, fault);
}

/* What rots, if the scenario leaves it open. */
static enum octo_sim_rot rot_draw(uint64_t bits, bool both)
{
    switch (octo_range(part(bits, PART_MEANING), both ? 8 : 6)) {
    case 0:
    case 1:
        return OCTO_SIM_ROT_MARKER;
    case 2:
        return OCTO_SIM_ROT_SNAPSHOT;
    case 6:
        return OCTO_SIM_ROT_VOTE;
    default:
        return OCTO_SIM_ROT_ENTRY;
    }
}

static bool rot(struct octo_world *world, octo_node_id id, uint64_t bits, bool both)
{
    const enum octo_fault fault = both ? OCTO_FAULT_DISK_ROT_DOUBLE : OCTO_FAULT_DISK_ROT;
    enum octo_sim_rot what = world->options.tuning.rot_target;

    if (what == OCTO_SIM_ROT_DRAWN)
        what = rot_draw(bits, both);
    if (what == OCTO_SIM_ROT_SNAPSHOT)
        return rot_single(world, id, OCTO_FILE_SNAPSHOT, bits, fault);
    if (what == OCTO_SIM_ROT_VOTE)
        return rot_single(world, id, OCTO_FILE_VOTE, bits, fault);
    return rot_record(world, id,
                      what == OCTO_SIM_ROT_MARKER ? OCTO_RECORD_MARKER : OCTO_RECORD_ENTRY, bits,
                      both);
}

static void rot_strike(struct octo_world *world, uint64_t bits, bool both)
{
    const octo_node_id id = target(world, bits, both);

    if (id == 0 || !rot(world, id, bits, both))
        return;
    if (world->hosts[id].up && octo_strikes(part(bits, PART_CRASH), CRASH_PPM))
        schedule_crash(world, id, octo_strikes(part(bits, PART_POWER), POWER_PPM),
                       part(bits, PART_DOWN));
}

/* ---- Whole disks ------------------------------------------------------------------------------
 */

/* Its process ends as by a power loss; what it promised is void from here on. */
static void disk_lost(struct octo_world *world, octo_node_id id, enum octo_fault kind,
                      uint64_t bits)
{
    if (world->hosts[id].up)
        schedule_crash(world, id, true, part(bits, PART_DOWN));
    record_fault(world, kind, id, 0, world->hosts[id].incarnation);
    world->ledger.out |= 1u << id;
    octo_oracles_wiped(world->oracles, id);
}

/* Impaired nodes that are not out yet. */
static uint32_t impaired_left(const struct octo_world *world)
{
    uint32_t count = 0;
    for (uint32_t set = world->ledger.impaired & ~world->ledger.out; set != 0; set &= set - 1)
        count++;
    return count;
}

static bool still_to_come(const struct octo_world *world, enum octo_fault fault)
{
    return world->drawing.on[fault] && world->faults[fault] == 0;
}

/* With its spare nodes out for good a cluster stands still whenever another one fails: so that it
 * does something worth while, that comes late in a run, by its operations or by its time. */
static bool too_early(const struct octo_world *world)
{
    return clients_ended(world) < world->options.operations - world->options.operations / 5 &&
           world->now < world->drawing.faults_end_ns;
}

/* Who loses its disk is out for good: what else the drawing has for the impaired nodes comes first.
 */
static void wipe_strike(struct octo_world *world, uint64_t bits)
{
    const octo_node_id id = target(world, bits, true);

    if (id == 0 || too_early(world) || still_to_come(world, OCTO_FAULT_DISK_ROT_DOUBLE) ||
        (still_to_come(world, OCTO_FAULT_DISK_SWAP) && impaired_left(world) < 3))
        return;
    disk_lost(world, id, OCTO_FAULT_DISK_WIPE, bits);
    struct host_context context = {.world = world, .id = id};
    const struct octo_disk_host disk_host = host_disk_host(&context);
    octo_simdisk_wipe(world->hosts[id].disk, &disk_host);
}

static void swap_strike(struct octo_world *world, uint64_t bits)
{
    const octo_node_id a = target(world, bits, true);

    if (too_early(world) || still_to_come(world, OCTO_FAULT_DISK_ROT_DOUBLE))
        return;
    for (octo_node_id b = 1; a != 0 && b <= world->options.node_count; b++) {
        if (b == a || !ledger_impaired(world, b) || (world->ledger.out & 1u << b) != 0 ||
            !world->hosts[b].formatted)
            continue;
        disk_lost(world, a, OCTO_FAULT_DISK_SWAP, bits);
        disk_lost(world, b, OCTO_FAULT_DISK_SWAP, octo_mix(bits));
        struct octo_simdisk *const disk = world->hosts[a].disk;
        world->hosts[a].disk = world->hosts[b].disk;
        world->hosts[b].disk = disk;
        return;
    }
}

/* A window in which the disk is full, or slow. */
static void window_strike(struct octo_world *world, enum octo_fault kind, uint64_t bits)
{
    const octo_node_id id =
        1 + (octo_node_id)octo_range(part(bits, PART_NODE), world->options.node_count);
    const octo_time_ns length = 1 + octo_range(part(bits, PART_LENGTH), world->drawing.damage_ns);

    record_fault(world, kind, id, 0, length);
    if (kind == OCTO_FAULT_DISK_FULL)
        world->ledger.full_until[id] = world->now + length;
    else
        world->ledger.slow_until[id] = world->now + length;
}

bool damage_possible(const struct octo_world *world, enum octo_fault kind)
{
    uint32_t any = 0;
    uint32_t impaired = 0;

    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        if (world->schedule.lived[id] < WINDOWS_ENOUGH)
            continue;
        any++;
        impaired += ledger_impaired(world, id);
    }
    if (kind == OCTO_FAULT_DISK_ROT)
        return any >= 1;
    if (kind == OCTO_FAULT_DISK_SWAP)
        return impaired >= 2;
    if (kind == OCTO_FAULT_DISK_WIPE || kind == OCTO_FAULT_DISK_ROT_DOUBLE)
        return impaired >= 1;
    return true;
}

void damage_strike(struct octo_world *world, enum octo_fault kind, uint64_t bits)
{
    if (kind == OCTO_FAULT_DISK_FULL || kind == OCTO_FAULT_DISK_SLOW)
        window_strike(world, kind, bits);
    else if (kind == OCTO_FAULT_DISK_WIPE)
        wipe_strike(world, bits);
    else if (kind == OCTO_FAULT_DISK_SWAP)
        swap_strike(world, bits);
    else
        rot_strike(world, bits, kind == OCTO_FAULT_DISK_ROT_DOUBLE);
}
