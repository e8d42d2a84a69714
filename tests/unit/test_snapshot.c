/* The snapshot store on a disk whose every operation fails, in every way, and on which the power is
 * lost after every operation. */
#include "kernel/snapshot/snapshot.h"
#include "kernel/snapshot/state.h"
#include "snapshot_disk.h"

#include <criterion/criterion.h>

#define ENTRIES 64u
#define ROUNDS  3u
#define STEPS   20000u /* more than anything takes */

struct node {
    struct octo_config config;
    struct octo_machine_context machine;
    uint8_t *memory;
    struct octo_sessions *sessions;
    struct octo_snapshots *snapshots;
    octo_index applied;
    void *block;
    uint32_t marks[OCTO_MARK_COUNT];
    uint64_t next_op;
    struct octo_effects effects;
    struct octo_effect items[64];
    octo_time_ns now;
    struct octo_disk_op pending[16];
    uint32_t pending_count;
    struct snapdisk *disk;
    octo_index saved;        /* of the newest that counted */
    uint32_t reads_received; /* chunks for peers */
    struct octo_snapshot_chunk chunk;
    uint8_t chunk_bytes[512];
    bool chunk_there;
};

static uint64_t digests[ENTRIES + 1]; /* of the state as of each index */

static struct octo_position position_of(octo_index index)
{
    return (struct octo_position){.index = index, .term = 1 + index / 10, .chain = octo_mix(index)};
}

static uint64_t state_digest(const struct node *node)
{
    return octo_mix(octo_machine_kv.digest(&node->machine)) ^ octo_sessions_digest(node->sessions);
}

static struct node *node_new(struct snapdisk *disk)
{
    struct node *node = calloc(1, sizeof *node);
    struct octo_config *config = &node->config;

    octo_config_small(config, 5, 1, 3, 100);
    config->snapshot_chunk_bytes = 512;
    config->snapshot_reserve_bytes = 2048;
    config->machine_memory_bytes = 32768;
    config->sessions_max = 8;
    config->result_bytes_max = 300;
    const size_t bytes =
        octo_snapshots_bytes(config) + octo_sessions_bytes(config) + config->machine_memory_bytes;
    struct octo_arena arena;
    node->block = aligned_alloc(64, octo_align_up(bytes, 64));
    memset(node->block, 0xa5, bytes);
    octo_arena_init(&arena, node->block, octo_align_up(bytes, 64));
    node->sessions = octo_sessions_init(config, &arena);
    node->memory = octo_arena_alloc(&arena, config->machine_memory_bytes);
    const struct octo_snapshot_content content = {
        .machine = &node->machine,
        .machine_memory = node->memory,
        .sessions = node->sessions,
        .applied = &node->applied,
    };
    node->snapshots = octo_snapshots_init(config, &content, &arena);
    cr_assert_leq(arena.used, bytes);
    node->disk = disk;
    node->next_op = 1;
    node->effects =
        (struct octo_effects){.items = node->items, .capacity = 64, .machine = &octo_machine_kv};
    return node;
}

static void node_free(struct node *node)
{
    free(node->block);
    free(node);
}

/* ---- Steps --------------------------------------------------------------------------------- */

static struct octo_step step_begin(struct node *node)
{
    node->effects.count = 0;
    node->effects.deadline = OCTO_NEVER;
    return (struct octo_step){.config = &node->config,
                              .effects = &node->effects,
                              .now = node->now,
                              .marks = node->marks,
                              .next_op = &node->next_op};
}

static void step_end(struct node *node, struct octo_step *step)
{
    const struct octo_snapshot_chunk *chunk = octo_snapshots_chunk(node->snapshots);

    node->chunk_there = chunk != NULL;
    if (chunk != NULL) {
        node->chunk = *chunk;
        memcpy(node->chunk_bytes, chunk->bytes, chunk->size);
        node->chunk.bytes = node->chunk_bytes;
    }
    octo_snapshots_drive(node->snapshots, step);
    octo_snapshots_check(node->snapshots);
    octo_sessions_check(node->sessions);
    switch (octo_snapshots_news(node->snapshots)) {
    case OCTO_SNAPSHOT_NO_NEWS:
        break;
    case OCTO_SNAPSHOT_INSTALLED:
        node->applied = octo_snapshots_newest(node->snapshots)->position.index;
        cr_assert_eq(state_digest(node), digests[node->applied]);
        /* fall through */
    case OCTO_SNAPSHOT_SAVED:
        cr_assert_gt(octo_snapshots_newest(node->snapshots)->position.index, node->saved);
        node->saved = octo_snapshots_newest(node->snapshots)->position.index;
        break;
    }
    for (uint32_t i = 0; i < node->effects.count; i++) {
        if (node->items[i].kind == OCTO_EFFECT_DISK)
            node->pending[node->pending_count++] = node->items[i].disk;
    }
}

/* One operation comes back, or time passes. False: nothing is left to do. */
static bool node_turn(struct node *node)
{
    struct octo_event event = {.kind = OCTO_EVENT_DISK};
    struct octo_step step = step_begin(node);

    if (node->pending_count == 0) {
        octo_snapshots_drive(node->snapshots, &step);
        const octo_time_ns deadline = node->effects.deadline;
        if (node->effects.count == 0 && deadline == OCTO_NEVER)
            return false;
        for (uint32_t i = 0; i < node->effects.count; i++) {
            if (node->items[i].kind == OCTO_EFFECT_DISK)
                node->pending[node->pending_count++] = node->items[i].disk;
        }
        if (deadline != OCTO_NEVER && deadline > node->now)
            node->now = deadline;
        return true;
    }
    const struct octo_disk_op op = node->pending[0];
    node->pending_count--;
    memmove(&node->pending[0], &node->pending[1], node->pending_count * sizeof op);
    event.now = ++node->now;
    step.now = node->now;
    event.disk.id = op.id;
    event.disk.result = snapdisk_do(node->disk, &op, &event);
    cr_assert(octo_snapshots_completion(node->snapshots, &step, &event));
    step_end(node, &step);
    return true;
}

static void node_boot(struct node *node)
{
    struct octo_step step = step_begin(node);
    octo_snapshots_boot(node->snapshots, &step);
    step_end(node, &step);
}

static bool node_ready(struct node *node)
{
    for (uint32_t i = 0;
         i < STEPS && octo_snapshots_stage(node->snapshots) == OCTO_SNAPSHOTS_BOOTING; i++)
        node_turn(node);
    if (octo_snapshots_stage(node->snapshots) != OCTO_SNAPSHOTS_READY)
        return false;
    node->applied = node->saved = octo_snapshots_newest(node->snapshots)->position.index;
    return true;
}

/* The entry at an index is a function of the index. Every third result is long. */
static void node_apply(struct node *node)
{
    uint8_t bytes[512];
    uint8_t result_bytes[300];
    uint8_t key[2];
    uint8_t value[200];
    const octo_index index = ++node->applied;
    uint64_t random = index;
    struct octo_buffer out = {.bytes = bytes, .capacity = sizeof bytes};
    struct octo_buffer result = {.bytes = result_bytes, .capacity = sizeof result_bytes};

    draw_bytes(&random, value, sizeof value);
    key[0] = (uint8_t)(index % 23);
    key[1] = 0;
    const struct octo_kv_command command = {.op = index % 5 == 0 ? OCTO_KV_DEL : OCTO_KV_SET,
                                            .key = key,
                                            .key_size = sizeof key,
                                            .value = value,
                                            .value_size =
                                                index % 5 == 0 ? 0 : 1 + index * 37 % 200};
    cr_assert_eq(octo_kv_encode(&command, &out), OCTO_ERR_OK);
    octo_machine_kv.apply(&node->machine, bytes, out.size, &result);
    if (index % 3 == 0)
        octo_sessions_record(node->sessions, 1 + index % 7, index, bytes, out.size);
    else
        octo_sessions_record(node->sessions, 1 + index % 7, index, result.bytes, result.size);
}

static void reference_make(void)
{
    struct snapdisk *disk = snapdisk_make();
    struct node *node = node_new(disk);

    node_boot(node);
    cr_assert(node_ready(node));
    digests[0] = state_digest(node);
    while (node->applied < ENTRIES) {
        node_apply(node);
        digests[node->applied] = state_digest(node);
    }
    node_free(node);
    snapdisk_free(disk);
}

/* ---- Taking under faults -------------------------------------------------------------------- */

#define NO_LIMIT UINT64_MAX

static bool lit(const struct node *node, uint64_t limit)
{
    return node->disk->operations < limit;
}

/* Applies and takes, every tenth entry, until ROUNDS snapshots were saved or `limit` operations are
 * done. Entries go on while the file is on its way, and never while it is being filled. */
static void node_work(struct node *node, uint64_t limit)
{
    for (uint32_t i = 0; i < STEPS && lit(node, limit); i++) {
        if (octo_snapshots_stage(node->snapshots) == OCTO_SNAPSHOTS_FAILED)
            return;
        if (node->saved >= 10 * ROUNDS)
            return;
        if (!octo_snapshots_freezes(node->snapshots) && node->applied < ENTRIES &&
            node->applied < node->saved + 12)
            node_apply(node);
        if (node->applied >= node->saved + 10 && octo_snapshots_idle(node->snapshots, node->now)) {
            struct octo_step step = step_begin(node);
            const struct octo_position position = position_of(node->applied);
            octo_snapshots_take(node->snapshots, &step, &position);
            step_end(node, &step);
        }
        node_turn(node);
    }
}

/* What a boot on a disk without faults finds: at least what counted, and equal to the reference. */
static void reboot_check(struct snapdisk *disk, octo_index saved, const char *when, uint64_t at,
                         uint32_t fault)
{
    disk->fail_at = 0;
    disk->full = false;
    for (uint32_t again = 0; again < 2; again++) { /* it changes nothing for the next one */
        struct node *node = node_new(disk);
        node_boot(node);
        cr_assert(node_ready(node), "%s %lu fault %u", when, (unsigned long)at, fault);
        cr_assert_geq(node->applied, saved, "%s %lu fault %u", when, (unsigned long)at, fault);
        cr_assert_eq(state_digest(node), digests[node->applied], "%s %lu fault %u", when,
                     (unsigned long)at, fault);
        const struct octo_position position = position_of(node->applied);
        if (node->applied > 0)
            cr_assert_eq(octo_snapshots_newest(node->snapshots)->position.chain, position.chain);
        while (node_turn(node))
            ;
        const uint32_t bytes =
            snapdisk_list(disk, OCTO_FILE_SNAPSHOT, 100); /* the spare, and the one that counts */
        cr_assert_eq(bytes, node->applied > 0 ? 8 : 4, "%s %lu fault %u", when, (unsigned long)at,
                     fault);
        cr_assert_eq(octo_get_u32(disk->answer), OCTO_SNAPSHOT_SPARE);
        saved = node->applied;
        node_free(node);
    }
}

static uint64_t operations_of_a_run(void)
{
    struct snapdisk *disk = snapdisk_make();
    struct node *node = node_new(disk);

    node_boot(node);
    cr_assert(node_ready(node));
    node_work(node, NO_LIMIT);
    const uint64_t operations = disk->operations;
    cr_assert_eq(node->marks[OCTO_MARK_SNAPSHOT_SAVED], ROUNDS);
    cr_assert_eq(node->marks[OCTO_MARK_SNAPSHOT_FAILED], 0);
    node_free(node);
    snapdisk_free(disk);
    return operations;
}

/* Lets operation `at` fail, and the power or the process (kill) die after operation `dies`. */
static void sweep_one(uint64_t at, uint32_t fault, uint64_t dies, bool kill, uint64_t seed)
{
    struct snapdisk *disk = snapdisk_make();
    struct node *node = node_new(disk);
    uint64_t random = seed;

    disk->fail_at = at;
    disk->fault = (enum snapdisk_fault)fault;
    node_boot(node);
    if (node_ready(node))
        node_work(node, dies);
    cr_assert_neq(octo_snapshots_stage(node->snapshots), OCTO_SNAPSHOTS_FAILED,
                  "operation %lu fault %u", (unsigned long)at, fault);
    if (dies == NO_LIMIT)
        cr_assert_geq(node->saved, 10 * ROUNDS, "operation %lu fault %u", (unsigned long)at, fault);
    const octo_index saved = node->saved;
    node_free(node);
    if (!kill)
        snapdisk_crash(disk, &random);
    reboot_check(disk, saved, kill ? "kill" : "crash", at, fault);
    snapdisk_free(disk);
}

Test(snapshot, every_operation_fails_in_every_way)
{
    reference_make();
    const uint64_t operations = operations_of_a_run();

    cr_assert_gt(operations, 40);
    for (uint64_t at = 1; at <= operations; at++) {
        for (uint32_t fault = SNAPDISK_WORKS; fault < SNAPDISK_FAULTS; fault++)
            sweep_one(at, fault, NO_LIMIT, false, at);
    }
}

Test(snapshot, power_is_lost_after_every_operation)
{
    reference_make();
    const uint64_t operations = operations_of_a_run();

    for (uint64_t dies = 1; dies <= operations; dies++) {
        for (uint64_t seed = 0; seed < 8; seed++)
            sweep_one(0, 0, dies, seed % 8 == 7, dies + (seed << 32));
    }
}

Test(snapshot, power_is_lost_around_every_failure)
{
    reference_make();
    const uint64_t operations = operations_of_a_run();

    for (uint64_t at = 1; at <= operations; at++) {
        for (uint32_t fault = SNAPDISK_FAILS; fault < SNAPDISK_FAULTS; fault++) {
            for (uint64_t after = 0; after < 8; after++)
                sweep_one(at, fault, at + after, after % 4 == 3, at + (after << 32));
        }
    }
}

/* The boot after a crash meets faults itself, and dies once more. */
Test(snapshot, boots_fail_too)
{
    reference_make();
    for (uint32_t shape = 0; shape < 200; shape++) {
        struct snapdisk *disk = snapdisk_make();
        uint64_t random = shape;
        octo_index saved = 0;
        for (uint32_t life = 0; life < 12; life++) {
            struct node *node = node_new(disk);
            disk->operations = 0;
            disk->fail_at = draw_below(&random, 40);
            disk->fault = (enum snapdisk_fault)draw_below(&random, SNAPDISK_LIES);
            node_boot(node);
            const uint64_t dies = 1 + draw_below(&random, 80);
            while (lit(node, dies) &&
                   octo_snapshots_stage(node->snapshots) == OCTO_SNAPSHOTS_BOOTING)
                node_turn(node);
            if (octo_snapshots_stage(node->snapshots) == OCTO_SNAPSHOTS_READY) {
                cr_assert(node_ready(node));
                cr_assert_geq(node->applied, saved, "shape %u life %u", shape, life);
                cr_assert_eq(state_digest(node), digests[node->applied]);
                saved = node->saved;
                node_work(node, dies);
                saved = node->saved;
            }
            node_free(node);
            if (draw_below(&random, 2) == 0)
                snapdisk_crash(disk, &random);
        }
        reboot_check(disk, saved, "shape", shape, 0);
        snapdisk_free(disk);
    }
}

Test(snapshot, full_disk_and_space_again)
{
    struct snapdisk *disk = snapdisk_make();
    struct node *node = node_new(disk);

    reference_make();
    disk->full = true;
    node_boot(node);
    cr_assert(node_ready(node));
    for (uint32_t i = 0; i < 50; i++)
        node_work(node, disk->operations + 10);
    cr_assert_eq(node->saved, 0);
    cr_assert_gt(node->marks[OCTO_MARK_SNAPSHOT_FAILED], 3);
    disk->full = false;
    node_work(node, NO_LIMIT);
    cr_assert_geq(node->saved, 10 * ROUNDS);
    node_free(node);
    reboot_check(disk, 10 * ROUNDS, "full", 0, 0);
    snapdisk_free(disk);
}

/* A snapshot that was given up and is durable all the same comes up under a number that is higher
 * than those given since. What it is of counts, not its number. */
Test(snapshot, an_older_one_with_a_higher_number)
{
    for (uint32_t damaged = 0; damaged < 2; damaged++) {
        struct snapdisk *disk = snapdisk_make();
        struct node *node = node_new(disk);
        uint8_t *old = malloc(SNAPDISK_BYTES);

        reference_make();
        node_boot(node);
        cr_assert(node_ready(node));
        while (node->saved == 0)
            node_work(node, disk->operations + 1);
        const octo_index first = node->saved;
        const struct octo_file name = {
            .kind = OCTO_FILE_SNAPSHOT,
            .number = octo_snapshots_newest(node->snapshots)->number,
        };
        const struct snapdisk_file *file = snapdisk_find(disk, snapdisk_name(name));
        const uint32_t bytes = file->durable_bytes;
        memcpy(old, file->durable, bytes);
        node_work(node, NO_LIMIT);
        while (node_turn(node)) /* the one before becomes the spare */
            ;
        cr_assert_gt(node->saved, first);
        const struct octo_file newest = {
            .kind = OCTO_FILE_SNAPSHOT,
            .number = octo_snapshots_newest(node->snapshots)->number,
        };
        struct snapdisk_file *again =
            snapdisk_new(disk, snapdisk_name((struct octo_file){OCTO_FILE_SNAPSHOT, 900}));
        memcpy(again->cache, old, bytes);
        memcpy(again->durable, old, bytes);
        again->bytes = again->durable_bytes = bytes;
        snapdisk_name_settle(disk, again);
        if (damaged == 1) { /* then the old one is all there is */
            snapdisk_find(disk, snapdisk_name(newest))->cache[100] ^= 1;
            snapdisk_find(disk, snapdisk_name(newest))->durable[100] ^= 1;
        }
        const octo_index saved = damaged == 1 ? first : node->saved;
        node_free(node);
        node = node_new(disk);
        node_boot(node);
        cr_assert(node_ready(node));
        cr_assert_eq(node->applied, saved);
        cr_assert_eq(state_digest(node), digests[saved]);
        cr_assert_eq(octo_snapshots_newest(node->snapshots)->number, 901);
        node_free(node);
        reboot_check(disk, saved, "number", damaged, 0);
        snapdisk_free(disk);
        free(old);
    }
}

/* ---- Sending and receiving ------------------------------------------------------------------ */

struct pair {
    struct snapdisk *disks[2];
    struct node *leader;
    struct node *follower;
};

static struct pair pair_new(void)
{
    struct pair pair = {.disks = {snapdisk_make(), snapdisk_make()}};

    reference_make();
    pair.leader = node_new(pair.disks[0]);
    pair.follower = node_new(pair.disks[1]);
    node_boot(pair.leader);
    node_boot(pair.follower);
    cr_assert(node_ready(pair.leader));
    node_work(pair.leader, NO_LIMIT);
    while (node_turn(pair.leader))
        ;
    return pair;
}

static void pair_free(struct pair *pair)
{
    node_free(pair->leader);
    node_free(pair->follower);
    snapdisk_free(pair->disks[0]);
    snapdisk_free(pair->disks[1]);
}

/* The leader reads what the follower wants, and that arrives, now and then twice or garbled. */
static void transfer(struct node *leader, struct node *follower, uint64_t limit, bool garbled)
{
    uint64_t random = 1;

    for (uint32_t i = 0; i < 2000 && lit(follower, limit) && follower->saved < leader->saved; i++) {
        const struct octo_snapshot_file *newest = octo_snapshots_newest(leader->snapshots);
        const uint64_t wanted = octo_snapshots_wanted(follower->snapshots, 1, &newest->position);
        struct octo_step step = step_begin(leader);
        octo_snapshots_fetch(leader->snapshots, &step, 2, wanted);
        step_end(leader, &step);
        while (node_turn(leader) && !leader->chunk_there)
            ;
        for (uint32_t copy = 0; leader->chunk_there && copy < 1 + draw_below(&random, 2); copy++) {
            struct octo_snapshot_chunk chunk = leader->chunk;
            chunk.peer = 1;
            if (garbled && i < 12 && draw_below(&random, 2) == 0 && chunk.offset > 0)
                leader->chunk_bytes[0] ^= 1;
            step = step_begin(follower);
            cr_assert_eq(octo_snapshots_receive(follower->snapshots, &step, &chunk), OCTO_ERR_OK);
            step_end(follower, &step);
        }
        for (uint32_t turn = 0; turn < 30 && node_turn(follower); turn++) {
            if (octo_snapshots_stage(follower->snapshots) == OCTO_SNAPSHOTS_FAILED)
                return;
        }
        follower->now += follower->config.disk_retry_ns;
    }
}

Test(snapshot, sent_and_installed)
{
    struct pair pair = pair_new();

    cr_assert(node_ready(pair.follower));
    transfer(pair.leader, pair.follower, NO_LIMIT, false);
    cr_assert_eq(pair.follower->saved, pair.leader->saved);
    cr_assert_eq(pair.follower->applied, pair.leader->saved);
    cr_assert_eq(pair.follower->marks[OCTO_MARK_SNAPSHOT_INSTALLED], 1);
    cr_assert_eq(octo_snapshots_newest(pair.follower->snapshots)->bytes,
                 octo_snapshots_newest(pair.leader->snapshots)->bytes);
    while (node_turn(pair.follower)) /* it makes a spare */
        ;
    /* And goes on, as the leader does: same entries, same bytes. */
    pair.leader->saved = pair.follower->saved = 20;
    for (uint32_t i = 0; i < 10; i++)
        node_apply(pair.follower);
    cr_assert_eq(state_digest(pair.follower), digests[pair.follower->applied]);
    pair_free(&pair);
}

Test(snapshot, not_restored_over_a_newer_state)
{
    struct pair pair = pair_new();

    cr_assert(node_ready(pair.follower));
    while (pair.follower->applied < ENTRIES)
        node_apply(pair.follower);
    transfer(pair.leader, pair.follower, NO_LIMIT, false);
    cr_assert_eq(pair.follower->saved, pair.leader->saved);
    cr_assert_eq(pair.follower->applied, ENTRIES);
    cr_assert_eq(state_digest(pair.follower), digests[ENTRIES]);
    cr_assert_eq(pair.follower->marks[OCTO_MARK_SNAPSHOT_INSTALLED], 0);
    pair_free(&pair);
}

Test(snapshot, garbled_chunks_are_not_installed)
{
    struct pair pair = pair_new();

    cr_assert(node_ready(pair.follower));
    transfer(pair.leader, pair.follower, NO_LIMIT, true);
    cr_assert_eq(pair.follower->saved, pair.leader->saved);
    cr_assert_gt(pair.follower->marks[OCTO_MARK_SNAPSHOT_FAILED], 0);
    cr_assert_eq(state_digest(pair.follower), digests[pair.follower->applied]);
    pair_free(&pair);
}

Test(snapshot, reception_under_every_failure_and_crash)
{
    for (uint64_t at = 1; at < 60; at++) {
        for (uint32_t fault = SNAPDISK_WORKS; fault < SNAPDISK_FAULTS; fault++) {
            struct pair pair = pair_new();
            uint64_t random = at;
            const bool dies = at % 2 == 0;
            pair.disks[1]->fail_at = at;
            pair.disks[1]->fault = (enum snapdisk_fault)fault;
            cr_assert(node_ready(pair.follower));
            transfer(pair.leader, pair.follower, dies ? at + fault : NO_LIMIT, false);
            /* A lie told while it is restored is believed a second time by nobody. */
            if (!dies && octo_snapshots_stage(pair.follower->snapshots) == OCTO_SNAPSHOTS_READY)
                cr_assert_eq(pair.follower->saved, pair.leader->saved, "%lu %u", (unsigned long)at,
                             fault);
            const octo_index saved = pair.follower->saved;
            node_free(pair.follower);
            snapdisk_crash(pair.disks[1], &random);
            reboot_check(pair.disks[1], saved, "reception", at, fault);
            pair.follower = node_new(pair.disks[1]);
            pair_free(&pair);
        }
    }
}

Test(snapshot, hostile_chunks)
{
    struct pair pair = pair_new();
    struct node *node = pair.follower;
    uint8_t bytes[1024];
    uint64_t random = 9;

    cr_assert(node_ready(node));
    for (uint32_t i = 0; i < 500; i++) {
        struct octo_step step = step_begin(node);
        draw_bytes(&random, bytes, sizeof bytes);
        const struct octo_snapshot_header header = {.position =
                                                        position_of(1 + draw_below(&random, 3)),
                                                    .machine_version = draw_below(&random, 3)};
        if (draw_below(&random, 2) == 0)
            octo_snapshot_header_encode(bytes, node->config.cluster_id, &header);
        const struct octo_snapshot_chunk chunk = {.peer = draw_below(&random, 3),
                                                  .position = position_of(draw_below(&random, 4)),
                                                  .offset = draw_below(&random, 3) * 512,
                                                  .bytes = bytes,
                                                  .size = draw_below(&random, 1025),
                                                  .last = draw_below(&random, 4) == 0};
        const enum octo_err err = octo_snapshots_receive(node->snapshots, &step, &chunk);
        (void)err;
        step_end(node, &step);
        node_turn(node);
        cr_assert_eq(octo_snapshots_stage(node->snapshots), OCTO_SNAPSHOTS_READY);
        cr_assert_eq(state_digest(node), digests[0]);
    }
    cr_assert_eq(node->saved, 0);
    pair_free(&pair);
}
