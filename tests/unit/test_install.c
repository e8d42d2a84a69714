/* Snapshots between nodes: a follower that was away is sent one, crashes at every operation on the
 * way, and catches up all the same. */
#include "kernel/kernel.h"
#include "snapshot_disk.h"

#include <criterion/criterion.h>

#define NODES   3u
#define PACKETS 4096u
#define OPS     64u
#define TURNS   200000u

struct packet {
    octo_node_id from;
    octo_node_id to;
    uint32_t size;
    uint8_t *bytes;
};

struct member {
    struct octo_config config;
    void *block;
    struct octo_node *node;
    struct octo_effects effects;
    struct snapdisk *disk;
    struct octo_disk_op ops[OPS];
    uint32_t op_count;
    octo_time_ns deadline;
    bool up;
    bool away;     /* nothing reaches it, nothing comes from it */
    uint64_t dies; /* after so many operations of its disk; 0: never */
};

struct world {
    struct member members[NODES + 1];
    struct packet packets[PACKETS];
    uint32_t first;
    uint32_t count;
    octo_time_ns now;
    uint64_t answered;
    uint64_t random;
};

static void member_step(struct world *world, octo_node_id id, struct octo_event *event);

static void member_boot(struct world *world, octo_node_id id, bool format)
{
    struct member *member = &world->members[id];
    const size_t bytes = octo_node_bytes(&member->config);
    struct octo_event event = {.kind = OCTO_EVENT_BOOT, .boot = {.seed = id, .format = format}};

    free(member->block); /* what it remembers is on its disk */
    member->block = aligned_alloc(64, bytes);
    memset(member->block, 0xa5, bytes);
    cr_assert_eq(octo_node_init(member->block, bytes, &member->config, &member->node), OCTO_ERR_OK);
    member->op_count = 0;
    member->up = true;
    member_step(world, id, &event);
}

static struct world *world_new(uint32_t chunk_bytes)
{
    struct world *world = calloc(1, sizeof *world);

    world->now = OCTO_SECOND;
    for (octo_node_id id = 1; id <= NODES; id++) {
        struct member *member = &world->members[id];
        struct octo_config *config = &member->config;
        octo_config_small(config, 3, id, NODES, 200);
        config->segment_bytes = 16384;
        config->snapshot_entries = 20;
        config->log_keep_entries = 4;
        config->snapshot_chunk_bytes = chunk_bytes;
        config->snapshot_reserve_bytes = 4096;
        config->machine_memory_bytes = 32768;
        config->sessions_max = 8;
        member->disk = snapdisk_make();
        octo_effects_limits(config, &member->effects.capacity, &member->effects.bytes_capacity);
        member->effects.items = calloc(member->effects.capacity, sizeof *member->effects.items);
        member->effects.bytes = malloc(member->effects.bytes_capacity);
        member->effects.machine = &octo_machine_kv;
        member->deadline = OCTO_NEVER;
    }
    for (octo_node_id id = 1; id <= NODES; id++)
        member_boot(world, id, true);
    return world;
}

static void world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++)
        free(world->packets[(world->first + i) % PACKETS].bytes);
    for (octo_node_id id = 1; id <= NODES; id++) {
        struct member *member = &world->members[id];
        free(member->block);
        free(member->effects.items);
        free(member->effects.bytes);
        snapdisk_free(member->disk);
    }
    free(world);
}

static void packet_send(struct world *world, octo_node_id from, const struct octo_effect *effect)
{
    if (world->count == PACKETS || world->members[from].away ||
        world->members[effect->send.to].away)
        return;
    struct packet *packet = &world->packets[(world->first + world->count++) % PACKETS];
    *packet = (struct packet){from, effect->send.to, effect->send.size, malloc(effect->send.size)};
    memcpy(packet->bytes, effect->send.bytes, effect->send.size);
}

static void member_step(struct world *world, octo_node_id id, struct octo_event *event)
{
    struct member *member = &world->members[id];

    event->now = world->now;
    octo_node_step(member->node, event, &member->effects);
    octo_node_check(member->node);
    member->deadline = member->effects.deadline;
    for (uint32_t i = 0; i < member->effects.count; i++) {
        const struct octo_effect *effect = &member->effects.items[i];
        cr_assert_neq(effect->kind, OCTO_EFFECT_HALT, "node %u halts", id);
        if (effect->kind == OCTO_EFFECT_SEND)
            packet_send(world, id, effect);
        if (effect->kind == OCTO_EFFECT_DISK)
            member->ops[member->op_count++] = effect->disk;
        if (effect->kind == OCTO_EFFECT_REPLY && effect->reply.status == OCTO_ERR_OK)
            world->answered = effect->reply.sequence;
    }
}

static void disk_turn(struct world *world, octo_node_id id)
{
    struct member *member = &world->members[id];
    struct octo_event event = {.kind = OCTO_EVENT_DISK};
    const struct octo_disk_op op = member->ops[0];

    member->op_count--;
    memmove(&member->ops[0], &member->ops[1], member->op_count * sizeof op);
    event.disk.id = op.id;
    event.disk.result = snapdisk_do(member->disk, &op, &event);
    if (member->dies != 0 && member->disk->operations >= member->dies) {
        member->dies = 0;
        snapdisk_crash(member->disk, &world->random);
        member_boot(world, id, false);
        return;
    }
    member_step(world, id, &event);
}

static void packet_turn(struct world *world)
{
    struct packet packet = world->packets[world->first];
    struct octo_event event = {.kind = OCTO_EVENT_MESSAGE};

    world->first = (world->first + 1) % PACKETS;
    world->count--;
    event.message.bytes = packet.bytes;
    event.message.size = packet.size;
    if (!world->members[packet.to].away)
        member_step(world, packet.to, &event);
    free(packet.bytes);
}

/* One thing happens: an operation or a packet if there is any, else the next deadline comes. */
static void world_turn(struct world *world)
{
    octo_time_ns next = OCTO_NEVER;
    octo_node_id who = 0;

    world->now += 1000;
    for (octo_node_id id = 1; id <= NODES; id++) {
        const struct member *member = &world->members[id];
        if (member->deadline < next) {
            next = member->deadline;
            who = id;
        }
    }
    if (next <= world->now) { /* time does not wait for a busy network */
        struct octo_event event = {.kind = OCTO_EVENT_TIMER};
        member_step(world, who, &event);
        return;
    }
    for (octo_node_id id = 1; id <= NODES; id++) {
        if (world->members[id].op_count > 0) {
            disk_turn(world, id);
            return;
        }
    }
    if (world->count > 0)
        packet_turn(world);
    else
        world->now = next;
}

static struct octo_node_view view_of(const struct world *world, octo_node_id id)
{
    struct octo_node_view view;

    octo_node_look(world->members[id].node, &view);
    return view;
}

static octo_node_id leader_of(const struct world *world)
{
    octo_node_id leader = 0;
    octo_term term = 0;

    for (octo_node_id id = 1; id <= NODES; id++) {
        const struct octo_node_view view = view_of(world, id);
        if (!world->members[id].away && view.role == OCTO_ROLE_LEADER && view.term > term) {
            leader = id;
            term = view.term;
        }
    }
    return leader;
}

static void leader_await(struct world *world)
{
    for (uint32_t turn = 0; turn < TURNS && leader_of(world) == 0; turn++)
        world_turn(world);
    cr_assert_neq(leader_of(world), 0);
}

/* Commands up to `sequence`, one after the other, each asked for until it is answered. */
static void commands(struct world *world, uint64_t sequence)
{
    uint8_t bytes[512];
    uint8_t value[100];

    while (world->answered < sequence) {
        const uint64_t now = world->answered + 1;
        struct octo_buffer out = {.bytes = bytes, .capacity = sizeof bytes};
        const uint8_t key = (uint8_t)(now % 29);
        uint64_t random = now;
        draw_bytes(&random, value, sizeof value);
        const struct octo_kv_command command = {.op = OCTO_KV_SET,
                                                .key = &key,
                                                .key_size = 1,
                                                .value = value,
                                                .value_size = sizeof value};
        cr_assert_eq(octo_kv_encode(&command, &out), OCTO_ERR_OK);
        leader_await(world);
        struct octo_event event = {
            .kind = OCTO_EVENT_REQUEST,
            .request = {.client = 1, .sequence = now, .command = bytes, .size = out.size}};
        member_step(world, leader_of(world), &event);
        for (uint32_t turn = 0; turn < 2000 && world->answered < now; turn++)
            world_turn(world);
    }
}

static void caught_up_await(struct world *world)
{
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        const octo_node_id leader = leader_of(world);
        bool equal = leader != 0;
        for (octo_node_id id = 1; equal && id <= NODES; id++)
            equal = view_of(world, id).applied == view_of(world, leader).last;
        if (equal)
            break;
        world_turn(world);
    }
    const struct octo_node *first = world->members[1].node;
    for (octo_node_id id = 2; id <= NODES; id++) {
        cr_assert_eq(view_of(world, id).applied, view_of(world, 1).applied, "node %u", id);
        cr_assert_eq(octo_node_digest(world->members[id].node, &octo_machine_kv),
                     octo_node_digest(first, &octo_machine_kv));
    }
}

static uint32_t mark_of(const struct world *world, octo_node_id id, enum octo_mark mark)
{
    return octo_node_marks(world->members[id].node)[mark];
}

Test(install, a_follower_that_was_away_is_sent_the_snapshot)
{
    const uint32_t chunks[] = {512, 1024, 8192};

    for (uint32_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        struct world *world = world_new(chunks[i]);
        commands(world, 5);
        const octo_node_id away = leader_of(world) % NODES + 1;
        world->members[away].away = true;
        commands(world, 90);
        const octo_index last = view_of(world, away).last;
        cr_assert_gt(view_of(world, leader_of(world)).base, last);
        world->members[away].away = false;
        caught_up_await(world);
        cr_assert_geq(mark_of(world, away, OCTO_MARK_SNAPSHOT_INSTALLED), 1);
        cr_assert_gt(view_of(world, away).base, last);
        cr_assert_geq(view_of(world, away).snapshot, view_of(world, away).base);
        commands(world, 130); /* and it goes on, taking its own */
        caught_up_await(world);
        world_free(world);
    }
}

/* The leader that is cut off keeps a tail that nobody else has; the snapshot replaces it. */
Test(install, a_snapshot_over_a_longer_log_that_lost)
{
    struct world *world = world_new(1024);

    commands(world, 5);
    const octo_node_id away = leader_of(world);
    world->members[away].away = true;
    for (uint64_t sequence = 1; sequence <= 150; sequence++) { /* never answered */
        uint8_t command[OCTO_KV_HEADER_BYTES + 1] = {OCTO_KV_GET, 1};
        struct octo_event event = {
            .kind = OCTO_EVENT_REQUEST,
            .request = {
                .client = 7, .sequence = sequence, .command = command, .size = sizeof command}};
        if (view_of(world, away).role == OCTO_ROLE_LEADER)
            member_step(world, away, &event);
    }
    for (uint32_t turn = 0; turn < 5000; turn++)
        world_turn(world);
    cr_assert_gt(view_of(world, away).last, 100);
    commands(world, 60);
    world->members[away].away = false;
    caught_up_await(world);
    cr_assert_eq(mark_of(world, away, OCTO_MARK_SNAPSHOT_INSTALLED), 1);
    cr_assert_eq(mark_of(world, away, OCTO_MARK_SNAPSHOT_OVER_LONGER), 1);
    world_free(world);
}

/* The newest snapshot of a node rots, from a place on. */
static void snapshot_rots(struct world *world, octo_node_id id, uint32_t from)
{
    struct snapdisk *disk = world->members[id].disk;
    struct snapdisk_file *newest = NULL;

    for (uint32_t i = 0; i < SNAPDISK_FILES; i++) {
        struct snapdisk_file *file = &disk->files[i];
        if (file->name != SNAPDISK_NONE && file->name >> 24 == OCTO_FILE_SNAPSHOT &&
            (newest == NULL || file->name > newest->name))
            newest = file;
    }
    cr_assert(newest != NULL);
    for (uint32_t at = from; at < SNAPDISK_BYTES; at += 100)
        newest->cache[at] ^= 0xff;
}

/* What a leader sends has rotted since it was verified, and there is nothing new that another
 * snapshot would be taken of: the follower refuses it, and gets another one of the same state. */
static void rotted_at_the_leader(uint32_t from)
{
    struct world *world = world_new(1024);
    uint64_t sequence = 60;

    commands(world, 5);
    const octo_node_id away = leader_of(world) % NODES + 1;
    world->members[away].away = true;
    for (;; sequence++) { /* until the last entry is the snapshot's */
        commands(world, sequence);
        for (uint32_t turn = 0; turn < 300; turn++)
            world_turn(world);
        const struct octo_node_view view = view_of(world, leader_of(world));
        if (view.snapshot == view.applied && view.applied == view.last)
            break;
        cr_assert(sequence < 200);
    }
    const octo_node_id leader = leader_of(world);
    const octo_index last = view_of(world, leader).last;
    snapshot_rots(world, leader, from);
    world->members[away].away = false;
    caught_up_await(world);
    cr_assert_eq(leader_of(world), leader);
    cr_assert_eq(view_of(world, leader).last, last);
    cr_assert_geq(mark_of(world, away, OCTO_MARK_SNAPSHOT_INSTALLED), 1);
    cr_assert_geq(mark_of(world, leader, OCTO_MARK_SNAPSHOT_DOUBTED), 1);
    world_free(world);
}

Test(install, a_snapshot_that_rotted_at_the_leader)
{
    rotted_at_the_leader(100); /* its content, which the follower notices when it has all of it */
    rotted_at_the_leader(10);  /* its header, which the follower refuses without a word */
}

Test(install, the_follower_dies_at_every_operation)
{
    uint32_t installed = 0;
    uint32_t restored = 0; /* at the boot after the crash */

    for (uint64_t dies = 1; dies < 40; dies++) {
        struct world *world = world_new(1024);
        world->random = dies;
        commands(world, 5);
        const octo_node_id away = leader_of(world) % NODES + 1;
        world->members[away].away = true;
        commands(world, 90);
        world->members[away].away = false;
        world->members[away].dies = world->members[away].disk->operations + dies;
        caught_up_await(world);
        installed += mark_of(world, away, OCTO_MARK_SNAPSHOT_INSTALLED);
        restored += mark_of(world, away, OCTO_MARK_SNAPSHOT_RESTORED);
        cr_assert_geq(view_of(world, away).snapshot, view_of(world, away).base);
        world_free(world);
    }
    cr_assert_gt(installed, 5, "%u %u", installed, restored);
    cr_assert_gt(restored, 5, "%u %u", installed, restored);
}

/* All of them lose their power now and then, and come back from their snapshots. */
Test(install, a_cluster_lives_on_its_snapshots)
{
    struct world *world = world_new(1024);
    uint32_t restored = 0;

    commands(world, 5);
    caught_up_await(world);
    for (uint64_t round = 1; round <= 30; round++) {
        const octo_node_id dies = (octo_node_id)(round % NODES) + 1;
        world->members[dies].dies = world->members[dies].disk->operations + 1 + round * 7 % 90;
        commands(world, round * 12);
        restored += mark_of(world, dies, OCTO_MARK_SNAPSHOT_RESTORED);
    }
    caught_up_await(world);
    cr_assert_gt(restored, 10);
    world_free(world);
}
