/* What a step asked for: sends, disk operations with their chances, replies, traces, a halt. */
#include "sim/world.h"

#define ELECTED_CRASH_NS    (10 * OCTO_MS)
#define TRUNCATED_CRASH_NS  (4 * OCTO_MS)
#define SLOW_TIMES          20u
#define CRASH_AT_VOTE_TIMES 20u
#define ASTRAY_SECTORS_MAX  16u
#define HALT_PAUSE_NS       (200 * OCTO_MS) /* a supervisor waits before it starts a halted node anew */

/* ---- The disk's questions -------------------------------------------------------------------- */

static uint64_t file_word(struct octo_file file)
{
    return (uint64_t)file.kind << 32 | file.number;
}

static uint64_t answer_latency(struct octo_world *world, octo_node_id id, uint64_t bits,
                               const struct octo_disk_question *question)
{
    const struct octo_drawing *const drawing = &world->drawing;
    uint64_t latency = drawing->disk_latency_ns + octo_range(bits, drawing->disk_jitter_ns + 1);
    if (drawing->disk_stall_ppm > 0 && !world_calm(world)) {
        const uint64_t more = octo_mix(bits);
        if (octo_strikes(more, drawing->disk_stall_ppm)) {
            latency += octo_range(octo_mix(more), drawing->disk_stall_ns + 1);
            record_fault(world, OCTO_FAULT_DISK_STALL, id, 0, file_word(question->file));
        }
    }
    if (world->now < world->ledger.slow_until[id] && !world_calm(world))
        latency *= SLOW_TIMES;
    return octo_max_u64(latency, 1);
}

/* One of `answers` errors. */
static uint64_t answer_error(struct octo_world *world, octo_node_id id, uint64_t bits,
                             uint64_t answers, enum octo_fault fault,
                             const struct octo_disk_question *question)
{
    record_fault(world, fault, id, 0, file_word(question->file));
    return 1 + octo_range(octo_mix(bits), answers);
}

/* An unsynced sector at a power loss: half are lost, a quarter torn, an eighth garbage, the rest
 * kept. */
static uint64_t answer_sector(struct octo_world *world, octo_node_id id, uint64_t bits,
                              const struct octo_disk_question *question)
{
    const bool *const on = world->drawing.on;
    const uint64_t share = octo_range(bits, 8);
    if (share < 4 && on[OCTO_FAULT_DISK_SECTOR_LOST]) {
        record_fault(world, OCTO_FAULT_DISK_SECTOR_LOST, id, 0, question->occurrence);
        return 0;
    }
    if ((share == 4 || share == 5) && on[OCTO_FAULT_DISK_SECTOR_TORN]) {
        record_fault(world, OCTO_FAULT_DISK_SECTOR_TORN, id, 0, question->occurrence);
        /* Of a vote's sector only the first bytes say something: a tear behind them is none. */
        const bool vote = question->file.kind == OCTO_FILE_VOTE;
        return 2 + octo_range(octo_mix(bits),
                              (vote ? OCTO_VOTE_BYTES : OCTO_SIMDISK_SECTOR_BYTES) / 8 - 1);
    }
    if (share == 6 && on[OCTO_FAULT_DISK_SECTOR_GARBAGE]) {
        record_fault(world, OCTO_FAULT_DISK_SECTOR_GARBAGE, id, 0, question->occurrence);
        return octo_max_u64(octo_mix(bits), 65);
    }
    return 1;
}

static uint64_t answer_size(struct octo_world *world, octo_node_id id, uint64_t bits,
                            const struct octo_disk_question *question)
{
    const uint64_t answer = octo_range(bits, 3);
    if (answer == 0 || !world->drawing.on[OCTO_FAULT_DISK_SIZE_WRONG])
        return 0;
    record_fault(world, OCTO_FAULT_DISK_SIZE_WRONG, id, 0, file_word(question->file));
    return answer;
}

/* A lie, if the ledger covers it. */
static uint64_t answer_lie(struct octo_world *world, octo_node_id id, uint64_t bits,
                           const struct octo_disk_question *question)
{
    const bool read = question->kind == OCTO_CHANCE_MISDIRECTED_READ;
    const bool lost = question->kind == OCTO_CHANCE_LOST_WRITE;
    const enum octo_fault fault = read   ? OCTO_FAULT_DISK_MISDIRECTED_READ
                                  : lost ? OCTO_FAULT_DISK_LOST_WRITE
                                         : OCTO_FAULT_DISK_MISDIRECTED_WRITE;
    if (read ? !ledger_allows_read(world, id, question->file)
             : !ledger_allows(world, id, question->file))
        return 0;
    record_fault(world, fault, id, 0, file_word(question->file));
    octo_oracles_damaged(world->oracles, id);
    return lost ? 1 : 1 + octo_range(octo_mix(bits), ASTRAY_SECTORS_MAX);
}

static uint64_t answer_space(struct octo_world *world, octo_node_id id,
                             const struct octo_disk_question *question)
{
    if (world_calm(world) || world->now >= world->ledger.full_until[id])
        return 0;
    record_fault(world, OCTO_FAULT_DISK_NO_SPACE, id, 0, file_word(question->file));
    return 1;
}

static uint64_t answer_entry(struct octo_world *world, octo_node_id id, uint64_t bits,
                             const struct octo_disk_question *question)
{
    if (octo_range(bits, 2) != 0 || !world->drawing.on[OCTO_FAULT_DISK_ENTRY_LOST])
        return 1;
    record_fault(world, OCTO_FAULT_DISK_ENTRY_LOST, id, 0, file_word(question->file));
    return 0;
}

/* The rate of a question that has one; 0 when all is quiet. */
static uint32_t chance_ppm(const struct octo_world *world, enum octo_disk_chance_kind kind)
{
    const struct octo_drawing *const drawing = &world->drawing;

    if (world_calm(world))
        return 0;
    switch (kind) {
    case OCTO_CHANCE_READ_ERROR:
        return drawing->disk_read_error_ppm;
    case OCTO_CHANCE_WRITE_ERROR:
        return drawing->disk_write_error_ppm;
    case OCTO_CHANCE_SYNC_ERROR:
        return drawing->disk_sync_error_ppm;
    case OCTO_CHANCE_SHORT_READ:
        return drawing->short_read_ppm;
    case OCTO_CHANCE_LOST_WRITE:
        return drawing->lost_write_ppm;
    case OCTO_CHANCE_MISDIRECTED_WRITE:
        return drawing->misdirected_write_ppm;
    case OCTO_CHANCE_MISDIRECTED_READ:
        return drawing->misdirected_read_ppm;
    case OCTO_CHANCE_NONE:
    case OCTO_CHANCE_LATENCY:
    case OCTO_CHANCE_CRASH_SECTOR:
    case OCTO_CHANCE_CRASH_ENTRY:
    case OCTO_CHANCE_CRASH_SIZE:
    case OCTO_CHANCE_NO_SPACE:
    case OCTO_CHANCE_COUNT:
        break;
    }
    return 0;
}

/* Whether a fault of this kind strikes with a rate. The other questions come with every operation,
 * or at a power loss. */
static bool has_rate(enum octo_disk_chance_kind kind)
{
    return kind == OCTO_CHANCE_READ_ERROR || kind == OCTO_CHANCE_WRITE_ERROR ||
           kind == OCTO_CHANCE_SYNC_ERROR || kind == OCTO_CHANCE_SHORT_READ ||
           kind == OCTO_CHANCE_LOST_WRITE || kind == OCTO_CHANCE_MISDIRECTED_WRITE ||
           kind == OCTO_CHANCE_MISDIRECTED_READ;
}

static uint64_t disk_answer(struct octo_world *world, octo_node_id id,
                            const struct octo_disk_question *question)
{
    const uint32_t ppm = chance_ppm(world, question->kind);
    if (ppm == 0 && has_rate(question->kind))
        return 0; /* most of them, and before a key is made */
    if (question->kind == OCTO_CHANCE_NO_SPACE)
        return answer_space(world, id, question);
    const struct octo_key key = {
        .purpose = OCTO_DECIDE_DISK,
        .detail = (uint8_t)question->kind,
        .actor = (uint8_t)id,
        .target = question->op,
        .incarnation = world->hosts[id].incarnation,
        .identity = {file_word(question->file), question->occurrence},
    };
    uint64_t bits;
    if (!has_rate(question->kind))
        bits = world_decide(world, &key);
    else if (!world_chance(world, &key, ppm, false, &bits))
        return 0;
    switch (question->kind) {
    case OCTO_CHANCE_LATENCY:
        return answer_latency(world, id, bits, question);
    case OCTO_CHANCE_READ_ERROR:
        return answer_error(world, id, bits, 1, OCTO_FAULT_DISK_READ_ERROR, question);
    case OCTO_CHANCE_WRITE_ERROR:
        return answer_error(world, id, bits, 3, OCTO_FAULT_DISK_WRITE_ERROR, question);
    case OCTO_CHANCE_SYNC_ERROR:
        return answer_error(world, id, bits, 2, OCTO_FAULT_DISK_SYNC_ERROR, question);
    case OCTO_CHANCE_SHORT_READ:
        return answer_error(world, id, bits, 1, OCTO_FAULT_DISK_SHORT_READ, question);
    case OCTO_CHANCE_LOST_WRITE:
    case OCTO_CHANCE_MISDIRECTED_WRITE:
    case OCTO_CHANCE_MISDIRECTED_READ:
        return answer_lie(world, id, bits, question);
    case OCTO_CHANCE_CRASH_SECTOR:
        return answer_sector(world, id, bits, question);
    case OCTO_CHANCE_CRASH_ENTRY:
        return answer_entry(world, id, bits, question);
    case OCTO_CHANCE_CRASH_SIZE:
        return answer_size(world, id, bits, question);
    case OCTO_CHANCE_NO_SPACE:
    case OCTO_CHANCE_NONE:
    case OCTO_CHANCE_COUNT:
        break;
    }
    octo_assert(false); /* a question of an unknown kind */
    return 0;
}

static uint64_t disk_ask(void *context, const struct octo_disk_question *question)
{
    const struct host_context *const host = context;
    return disk_answer(host->world, host->id, question);
}

static void disk_durable(void *context, struct octo_file file, uint64_t offset, uint64_t length)
{
    const struct host_context *const host = context;
    struct octo_world *const world = host->world;
    const enum octo_sim_share share = world_share(world, OCTO_SHARE_ORACLES);
    const struct octo_images images = host_images(world);
    octo_oracles_durable(world->oracles, host->id, file, offset, length, &images);
    world_share(world, share);
}

struct octo_disk_host host_disk_host(struct host_context *context)
{
    return (struct octo_disk_host){.context = context, .ask = disk_ask, .durable = disk_durable};
}

/* ---- Effects --------------------------------------------------------------------------------- */

static void disk_submit(struct octo_world *world, octo_node_id id, const struct octo_disk_op *op)
{
    const struct octo_host_node *const host = &world->hosts[id];
    const enum octo_sim_share share = world_share(world, OCTO_SHARE_DISK);
    struct host_context context = {.world = world, .id = id};
    const struct octo_disk_host disk_host = host_disk_host(&context);
    uint32_t slot = 0;
    const octo_time_ns delay = octo_simdisk_submit(host->disk, op, &disk_host, &slot);
    world_share(world, share);
    if (delay == 0) {
        octo_oracles_break(world->oracles, OCTO_PROPERTY_BOUNDED, world->events,
                           "n%u has no room for another disk operation", id);
        world->over = true;
        return;
    }
    const uint64_t incarnation = (uint64_t)host->incarnation << 32;
    world_at_named(world, world->now + delay, OCTO_ITEM_DISK, id, incarnation | slot,
                   octo_mix(op->id + incarnation) + id);
}

/* The power fails right at a disk operation: just before it is submitted, or just after. Nothing
 * else of the step's effects happens. Returns true if it did. */
static bool crash_at_io(struct octo_world *world, octo_node_id id, const struct octo_disk_op *op)
{
    if (world->drawing.crash_at_io_ppm == 0 || world_calm(world))
        return false;
    struct octo_key key = {
        .purpose = OCTO_DECIDE_CRASH_AT_IO,
        .detail = op->kind,
        .actor = (uint8_t)id,
        .incarnation = world->hosts[id].incarnation,
        .identity = {file_word(op->file), 0},
    };
    key.attempt = world_attempt(world, &key);
    /* A vote is written a few times in a life, and each time by a rule of its own (V1). */
    const uint32_t times = op->file.kind == OCTO_FILE_VOTE ? CRASH_AT_VOTE_TIMES : 1;
    uint64_t bits;
    if (!world_chance(world, &key, world->drawing.crash_at_io_ppm * times, false, &bits))
        return false;
    bits = octo_mix(bits);
    if ((bits & 1) != 0)
        disk_submit(world, id, op);
    if (world->over)
        return true;
    host_crash(world, id, true, OCTO_FAULT_CRASH_AT_IO);
    const octo_time_ns down = 1 + octo_range(octo_mix(bits), world->drawing.down_ns + 1);
    world_at(world, world->now + down, OCTO_ITEM_START, id, world->hosts[id].incarnation);
    return true;
}

/* Power fails within `within` of now, or does not. Crash and restart are one decision. */
static void crash_soon(struct octo_world *world, const struct octo_key *key, uint32_t ppm,
                       octo_time_ns within)
{
    if (ppm == 0 || world_calm(world))
        return;
    uint64_t bits;
    if (!world_chance(world, key, ppm, false, &bits))
        return;
    const uint64_t when = octo_mix(bits);
    const octo_time_ns at = world->now + 1 + octo_range(when, within);
    const octo_time_ns back = at + 1 + octo_range(octo_mix(when), world->drawing.down_ns + 1);
    world_at(world, at, OCTO_ITEM_CRASH, key->actor, key->incarnation);
    world_at(world, back, OCTO_ITEM_START, key->actor, key->incarnation);
}

/* A new leader loses power before, or just after, its first entry has reached anybody: what the
 * episodes with several short-lived leaders begin with (figure 8). */
static void crash_elected(struct octo_world *world, octo_node_id id, octo_term term)
{
    const struct octo_key key = {
        .purpose = OCTO_DECIDE_CRASH,
        .detail = OCTO_CRASH_ELECTED,
        .actor = (uint8_t)id,
        .incarnation = world->hosts[id].incarnation,
        .identity = {term, 0},
    };
    crash_soon(world, &key, world->drawing.crash_elected_ppm, ELECTED_CRASH_NS);
}

/* A follower loses power while it writes entries in place of others: of those that replace and
 * those that are replaced the disk may then hold any mixture. */
static void crash_truncated(struct octo_world *world, octo_node_id id, octo_index from)
{
    const struct octo_key key = {
        .purpose = OCTO_DECIDE_CRASH,
        .detail = OCTO_CRASH_TRUNCATED,
        .actor = (uint8_t)id,
        .incarnation = world->hosts[id].incarnation,
        .identity = {from, 0},
    };
    crash_soon(world, &key, world->drawing.crash_truncated_ppm, TRUNCATED_CRASH_NS);
}

static void note_trace(struct octo_world *world, octo_node_id id, const struct octo_trace *trace)
{
    struct octo_host_node *const host = &world->hosts[id];
    if (trace->kind == OCTO_TRACE_READY) {
        host->ready_seen = true;
        host->formatted = true;
        host->halted = false;
    } else if (trace->kind == OCTO_TRACE_ROLE && trace->words[1] == OCTO_ROLE_LEADER) {
        world->elections++;
        crash_elected(world, id, trace->words[2]);
    } else if (trace->kind == OCTO_TRACE_TRUNCATE) {
        crash_truncated(world, id, trace->words[0]);
    }
}

void host_execute(struct octo_world *world, octo_node_id id)
{
    const struct octo_effects *const effects = &world->effects;
    bool halt = false;
    for (uint32_t i = 0; i < effects->count && !world->over; i++) {
        const struct octo_effect *const effect = &effects->items[i];
        switch (effect->kind) {
        case OCTO_EFFECT_SEND:
            network_send(world, id, effect->send.to, effect->send.bytes, effect->send.size);
            break;
        case OCTO_EFFECT_DISK:
            if (crash_at_io(world, id, &effect->disk))
                return;
            disk_submit(world, id, &effect->disk);
            break;
        case OCTO_EFFECT_REPLY:
            clients_reply(world, id, effect);
            break;
        case OCTO_EFFECT_TRACE:
            note_trace(world, id, &effect->trace);
            break;
        case OCTO_EFFECT_HALT:
            halt = true;
            break;
        }
    }
    if (!halt || world->over)
        return;
    world->hosts[id].halted = true;
    host_end(world, id, false);
    world_at(world, world->now + HALT_PAUSE_NS, OCTO_ITEM_START, id, world->hosts[id].incarnation);
}
