/* One durable log on one simulated disk, judged by wal_model.h after every step: the host of its
 * tests. A world is one block of memory and can be saved and put back. */
#ifndef OCTO_TESTS_WAL_WORLD_H
#define OCTO_TESTS_WAL_WORLD_H

#include <stdlib.h>

#include "tests/unit/draw.h"
#include "tests/unit/wal_model.h"
#include "vfs/vfs.h"

#define WORLD_EFFECTS    64u
#define WORLD_PENDING    64u
#define WORLD_DISK_BYTES (2u << 20)
#define WORLD_WAL_BYTES  (512u << 10)
#define WORLD_NEVER      UINT64_MAX

enum world_loss { LOSE_ALL = 0, LOSE_ANY = 1, LOSE_NONE = 2, LOSE_COUNT = 3 };

/* One fault at one operation. */
struct world_strike {
    uint64_t operation; /* the how manieth, from 1; 0: none */
    enum octo_disk_chance_kind kind;
    uint64_t answer;
    bool asked;
};

struct world_pending {
    uint32_t slot;
    uint8_t kind;
};

struct world {
    struct model model;
    struct octo_config config;
    struct octo_arena arena; /* the disk's */
    struct octo_simdisk *disk;
    struct octo_wal *wal;
    uint64_t next_op;
    struct octo_effects effects;
    uint32_t marks[OCTO_MARK_COUNT];
    octo_time_ns now;
    octo_time_ns deadline;
    uint64_t random;
    uint64_t commands;
    octo_term term;   /* a leader's, for the next entries */
    bool checked;     /* what this incarnation recovered was judged */
    uint32_t readies; /* boots that came to their end */
    uint32_t act;     /* where a life (wal_life.h) stands */

    struct world_pending pending[WORLD_PENDING]; /* oldest first */
    uint32_t pending_count;
    uint64_t operations; /* submitted */
    uint64_t ticks;      /* operations submitted and completed */
    uint64_t stop_at;    /* the tick before which the power goes */
    bool stopped;
    struct world_strike strike;
    uint32_t rates[OCTO_CHANCE_COUNT]; /* per million */
    uint8_t liar;                      /* kind of file that lies; 0: none */
    uint8_t unreadable;                /* kind of file that cannot be read; 0: none */
    enum world_loss loss;

    struct octo_effect items[WORLD_EFFECTS];
    _Alignas(64) uint8_t disk_bytes[WORLD_DISK_BYTES];
    _Alignas(64) uint8_t wal_bytes[WORLD_WAL_BYTES];
};

static inline uint32_t below(struct world *world, uint32_t limit)
{
    return draw_below(&world->random, limit);
}

static inline bool world_rule(struct world *world, bool holds, const char *rule)
{
    return model_rule(&world->model, holds, rule);
}

static inline bool ready(const struct world *world)
{
    return octo_wal_stage(world->wal) == OCTO_WAL_READY;
}

/* ---- The disk's host ------------------------------------------------------------------------- */

static inline uint64_t world_crash_answer(struct world *world, enum octo_disk_chance_kind kind)
{
    if (world->loss != LOSE_ANY)
        return world->loss == LOSE_NONE ? 1 : 0;
    if (kind == OCTO_CHANCE_CRASH_ENTRY)
        return below(world, 2);
    if (kind == OCTO_CHANCE_CRASH_SIZE)
        return below(world, 3);
    switch (below(world, 6)) {
    case 0:
        return 2 + below(world, 63);
    case 1:
        return 65 + draw(&world->random) % 1000000;
    default:
        return below(world, 2);
    }
}

static inline uint64_t world_draw_answer(struct world *world, enum octo_disk_chance_kind kind)
{
    if (world->rates[kind] == 0 || below(world, 1000000) >= world->rates[kind])
        return 0;
    if (kind == OCTO_CHANCE_WRITE_ERROR)
        return 1 + below(world, 3);
    if (kind == OCTO_CHANCE_SYNC_ERROR)
        return 1 + below(world, 2);
    if (kind == OCTO_CHANCE_MISDIRECTED_WRITE || kind == OCTO_CHANCE_MISDIRECTED_READ)
        return 1 + below(world, 4);
    return 1;
}

static inline uint64_t world_ask(void *context, const struct octo_disk_question *question)
{
    struct world *world = context;
    struct world_strike *strike = &world->strike;
    const enum octo_disk_chance_kind kind = question->kind;
    const bool lie = kind == OCTO_CHANCE_LOST_WRITE || kind == OCTO_CHANCE_MISDIRECTED_WRITE ||
                     kind == OCTO_CHANCE_MISDIRECTED_READ;

    if (kind == OCTO_CHANCE_LATENCY)
        return 1;
    if (kind == OCTO_CHANCE_CRASH_SECTOR || kind == OCTO_CHANCE_CRASH_ENTRY ||
        kind == OCTO_CHANCE_CRASH_SIZE)
        return world_crash_answer(world, kind);
    /* A lie about the vote or the identity has no twin that makes it good. */
    if ((kind == OCTO_CHANCE_LOST_WRITE || kind == OCTO_CHANCE_MISDIRECTED_WRITE) &&
        question->file.kind != OCTO_FILE_MAIN && question->file.kind != OCTO_FILE_RECOVERY)
        return 0;
    if (strike->operation == world->operations && strike->kind == kind) {
        strike->asked = true;
        return strike->answer;
    }
    if (kind == OCTO_CHANCE_READ_ERROR && question->file.kind == world->unreadable)
        return 1;
    if (lie && question->file.kind != world->liar)
        return 0;
    return world_draw_answer(world, kind);
}

static inline struct octo_disk_host world_host(struct world *world)
{
    return (struct octo_disk_host){.context = world, .ask = world_ask};
}

static inline bool world_tick(struct world *world)
{
    world->ticks++;
    world->stopped = world->stopped || world->ticks == world->stop_at;
    return !world->stopped;
}

static inline void world_submit(struct world *world, const struct octo_disk_op *op)
{
    const struct octo_disk_host host = world_host(world);
    struct world_pending *pending = &world->pending[world->pending_count];

    if (!world_tick(world))
        return;
    world->operations++;
    if (!world_rule(world, world->pending_count < WORLD_PENDING, "too many operations"))
        return;
    pending->kind = op->kind;
    const octo_time_ns latency = octo_simdisk_submit(world->disk, op, &host, &pending->slot);
    if (world_rule(world, latency > 0, "the test's disk is full"))
        world->pending_count++;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static inline struct octo_step world_step_begin(struct world *world)
{
    world->effects.count = 0;
    world->effects.deadline = OCTO_NEVER;
    return (struct octo_step){
        .config = &world->config,
        .effects = &world->effects,
        .now = world->now,
        .marks = world->marks,
        .next_op = &world->next_op,
    };
}

static inline void world_judge(struct world *world)
{
    if (octo_wal_stage(world->wal) == OCTO_WAL_FAILED)
        world_rule(world, false, octo_err_text(octo_wal_reason(world->wal)));
    if (!ready(world))
        return;
    if (!world->checked) {
        model_check_recovered(&world->model, world->wal);
        model_check_vote(&world->model, world->wal);
        world->readies++;
    }
    world->checked = true;
    if (world->model.complaint == NULL)
        model_promises(&world->model, world->wal);
}

static inline void world_step_end(struct world *world, struct octo_step *step)
{
    octo_wal_flush(world->wal, step);
    octo_wal_check(world->wal);
    world->deadline = world->effects.deadline;
    for (uint32_t i = 0; i < world->effects.count; i++)
        if (world->effects.items[i].kind == OCTO_EFFECT_DISK)
            world_submit(world, &world->effects.items[i].disk);
    if (world->stopped)
        return;
    world_judge(world);
    if (octo_wal_stage(world->wal) != OCTO_WAL_WAITING)
        return;
    struct octo_step found = world_step_begin(world);
    octo_wal_found(world->wal, &found, &world->model.snapshot);
    world_step_end(world, &found);
}

static inline void world_boot(struct world *world, bool format)
{
    struct octo_arena arena;

    /* A block may hold anything before init. */
    memset(world->wal_bytes, (int)below(world, 256), octo_wal_bytes(&world->config));
    octo_arena_init(&arena, world->wal_bytes, sizeof world->wal_bytes);
    world->wal = octo_wal_init(&world->config, &arena);
    world_rule(world, arena.used == octo_wal_bytes(&world->config), "octo_wal_bytes is wrong");
    world->checked = false;
    world->stopped = false;
    struct octo_step step = world_step_begin(world);
    octo_wal_boot(world->wal, &step, format);
    world_step_end(world, &step);
}

static inline void world_complete(struct world *world, uint32_t which)
{
    static uint8_t scratch[65536];
    const struct octo_disk_host host = world_host(world);
    struct octo_event event = {.now = world->now};
    const uint32_t slot = world->pending[which].slot;

    if (!world_tick(world))
        return;
    world->pending_count--;
    memmove(&world->pending[which], &world->pending[which + 1],
            (world->pending_count - which) * sizeof world->pending[0]);
    octo_simdisk_complete(world->disk, slot, &host, scratch, sizeof scratch, &event);
    struct octo_step step = world_step_begin(world);
    octo_wal_completion(world->wal, &step, &event);
    world_step_end(world, &step);
}

static inline void world_timer(struct world *world, octo_time_ns at)
{
    world->now = octo_max_u64(world->now, at);
    struct octo_step step = world_step_begin(world);
    world_step_end(world, &step);
}

/* One event, whatever is next; false if nothing is. */
static inline bool world_event(struct world *world, uint32_t which)
{
    if (world->stopped || world->model.complaint != NULL)
        return false;
    if (world->pending_count > 0)
        world_complete(world, which % world->pending_count);
    else if (world->deadline != OCTO_NEVER)
        world_timer(world, world->deadline);
    else
        return false;
    return true;
}

/* Until nothing is left to be done. */
static inline void world_settle(struct world *world)
{
    uint32_t events = 0;

    while (world_event(world, 0))
        if (!world_rule(world, ++events < 50000, "it goes on and on"))
            return;
}

static inline void world_kill(struct world *world)
{
    octo_simdisk_kill(world->disk);
    world->pending_count = 0;
}

static inline void world_power_loss(struct world *world, enum world_loss loss)
{
    const struct octo_disk_host host = world_host(world);

    world->loss = loss;
    octo_simdisk_power_loss(world->disk, &host);
    world->pending_count = 0;
}

/* Another's hand on the disk: one operation, at once. */
static inline enum octo_err world_disk_do(struct world *world, const struct octo_disk_op *op)
{
    const struct octo_disk_host host = world_host(world);
    struct octo_event event = {0};
    uint32_t slot;

    if (octo_simdisk_submit(world->disk, op, &host, &slot) == 0)
        return OCTO_ERR_FULL;
    octo_simdisk_complete(world->disk, slot, &host, NULL, 0, &event);
    return event.disk.result;
}

static inline void world_remove(struct world *world, struct octo_file file)
{
    const struct octo_disk_op unlink = {.kind = OCTO_DISK_UNLINK, .file = file};
    const struct octo_disk_op sync = {.kind = OCTO_DISK_DIR_SYNC};

    world_rule(world, world_disk_do(world, &unlink) == OCTO_ERR_OK, "no such file");
    world_rule(world, world_disk_do(world, &sync) == OCTO_ERR_OK, "no sync");
}

/* ---- What is done to the log ----------------------------------------------------------------- */

static inline void world_vote(struct world *world, octo_term term, octo_node_id vote)
{
    struct model *model = &world->model;

    if (model->vote_count == MODEL_VOTES)
        return;
    octo_wal_set_vote(world->wal, term, vote);
    model->votes[model->vote_count++] = (struct model_vote){term, vote};
}

static inline enum octo_err world_append(struct world *world, octo_index index, uint32_t size)
{
    const struct octo_log *log = octo_wal_log(world->wal);
    const uint64_t seed = ++world->commands * 1000003;
    const struct octo_entry entry = {
        .index = index,
        .term = world->term,
        .kind = size > 0 || seed % 2 == 0 ? OCTO_ENTRY_COMMAND : OCTO_ENTRY_NOOP,
        .client = seed % 7,
        .sequence = world->commands,
        .command = model_command(seed, size),
        .size = size,
    };
    const uint64_t previous = octo_log_chain(log, index - 1);
    const octo_index last = octo_wal_last(world->wal);

    if (world->term > octo_wal_term(world->wal))
        world_vote(world, world->term, 0);
    const enum octo_err err = octo_wal_append(world->wal, &entry);

    if (err == OCTO_ERR_OK)
        model_appended(&world->model, &entry, previous, seed);
    else
        world_rule(world, octo_wal_last(world->wal) == last, "a refused append changed the log");
    return err;
}

/* Brings back an entry that was made before: from a leader, or from a peer that need not lead. */
static inline enum octo_err world_bring(struct world *world,
                                        const struct model_operation *operation, bool fetched)
{
    struct octo_entry entry = operation->entry;

    entry.command = model_command(operation->command_seed, entry.size);
    const enum octo_err err =
        fetched ? octo_wal_fetched(world->wal, &entry) : octo_wal_append(world->wal, &entry);
    if (err == OCTO_ERR_OK)
        model_appended(&world->model, &entry, operation->previous, operation->command_seed);
    return err;
}

/* A snapshot of the node's own. */
static inline void world_compact(struct world *world, struct octo_step *step, octo_index index,
                                 octo_index keep)
{
    world->model.snapshot = octo_log_position(octo_wal_log(world->wal), index);
    octo_wal_compact(world->wal, step, index, keep);
}

/* One of a leader's, durable; whether the log was told of it depends on `tell`. */
static inline void world_install(struct world *world, struct octo_step *step,
                                 const struct octo_position *snapshot, bool tell)
{
    const struct octo_log *log = octo_wal_log(world->wal);

    if (snapshot->term > octo_wal_term(world->wal))
        world_vote(world, snapshot->term, 0);
    if (octo_log_has(log, snapshot->index) &&
        octo_log_chain(log, snapshot->index) == snapshot->chain)
        world->model.snapshot = *snapshot;
    else
        model_installed(&world->model, snapshot);
    if (tell)
        octo_wal_install(world->wal, step, snapshot);
}

/* ---- The end --------------------------------------------------------------------------------- */

static inline void world_faultless(struct world *world)
{
    memset(world->rates, 0, sizeof world->rates);
    world->strike = (struct world_strike){0};
    world->stop_at = WORLD_NEVER;
}

/* Where all segments are in use a snapshot gives room for the rest; until that is durable. */
static inline void world_make_room(struct world *world)
{
    for (uint32_t i = 0; i < 100 && world->model.complaint == NULL; i++) {
        const octo_index durable = octo_wal_durable(world->wal);
        if (durable == octo_wal_last(world->wal))
            return;
        world_rule(world, octo_wal_pressed(world->wal, durable),
                   "it waits, and does not say for room");
        struct octo_step step = world_step_begin(world);
        if (durable > world->model.snapshot.index)
            world_compact(world, &step, durable, durable);
        world_step_end(world, &step);
        world_settle(world);
    }
}

/* Everything becomes durable, and survives a power loss that takes all the rest. */
static inline void world_finish(struct world *world)
{
    for (uint32_t round = 0; round < 2; round++) {
        world_settle(world);
        world_rule(world, ready(world), "not READY in the end");
        world_make_room(world);
        if (world->model.complaint != NULL)
            return;
        world_rule(world, octo_wal_durable(world->wal) == octo_wal_last(world->wal),
                   "not durable in the end");
        world_rule(world, octo_wal_vote_saved(world->wal), "vote not saved in the end");
        if (round == 0 && world->model.complaint == NULL) {
            world_power_loss(world, LOSE_ALL);
            world_boot(world, false);
        }
    }
}

/* ---- Worlds ---------------------------------------------------------------------------------- */

static inline void world_config(struct octo_config *config, uint32_t batches_max)
{
    octo_config_small(config, 77, 2, 3, 100);
    config->command_bytes_max = 2600;
    config->sector_bytes = 512;
    config->flush_bytes_max = 4096;
    config->read_bytes = 4096;
    config->segment_bytes = 2048;
    config->segments_max = 12;
    config->batches_max = batches_max;
    config->log_entries_max = 200;
    config->log_bytes_max = 1u << 15;
}

/* An empty disk. */
static inline void world_reset(struct world *world, uint64_t seed)
{
    memset(world, 0, offsetof(struct world, items));
    model_init(&world->model);
    world->random = seed;
    world->term = 1;
    world->deadline = OCTO_NEVER;
    world->stop_at = WORLD_NEVER;
    world->effects.items = world->items;
    world->effects.capacity = WORLD_EFFECTS;
    world_config(&world->config, 2);
    octo_arena_init(&world->arena, world->disk_bytes, sizeof world->disk_bytes);
    world->disk = octo_simdisk_create(&world->arena, WORLD_PENDING);
    world_rule(world, world->disk != NULL, "no disk");
}

static inline struct world *world_make(void)
{
    return aligned_alloc(64, octo_align_up(sizeof(struct world), 64));
}

#ifdef __SANITIZE_ADDRESS__
void __asan_unpoison_memory_region(const volatile void *at, size_t size);
#else
#define __asan_unpoison_memory_region(at, size) ((void)(at))
#endif

/* A saved world is put back where it was: it holds pointers into itself. What the disk had poisoned
 * is not any more. */
static inline void world_copy(struct world *to, const struct world *from)
{
    __asan_unpoison_memory_region(from->disk_bytes, sizeof from->disk_bytes);
    __asan_unpoison_memory_region(to->disk_bytes, sizeof to->disk_bytes);
    memcpy(to, from, offsetof(struct world, disk_bytes));
    memcpy(to->disk_bytes, from->disk_bytes, from->arena.used);
    memcpy(to->wal_bytes, from->wal_bytes, octo_wal_bytes(&from->config));
}

#endif
