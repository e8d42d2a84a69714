/* The world: time, network, and what comes next. */
#include "tools/sweep/sweep.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SWEEP_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SWEEP_POISONS 1
#endif
#if defined(SWEEP_POISONS)
#include <sanitizer/asan_interface.h>
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION((at), (size))
#else
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#define EVENTS_MAX 400000u

/* ---- Events ---------------------------------------------------------------------------------- */

/* What comes next: the earliest, and of equals the first in this order. */
struct next {
    octo_time_ns at;
    enum { NEXT_NONE, NEXT_SCRIPT, NEXT_BOOT, NEXT_DISK, NEXT_MESSAGE, NEXT_TIMER } kind;
    struct sweep_host *host;
    uint32_t pending;
};

static void next_lower(struct next *next, struct next other)
{
    if (other.at < next->at)
        *next = other;
}

static struct next next_of_host(const struct sweep_world *world, struct sweep_host *host)
{
    struct next next = {.at = OCTO_NEVER};
    uint64_t order = 0;

    next_lower(&next, (struct next){.at = host->boot_at, .kind = NEXT_BOOT, .host = host});
    for (uint32_t i = 0; i < host->pending_count; i++) {
        const struct sweep_pending *pending = &host->pending[i];
        if (pending->at > next.at || (pending->at == next.at && pending->order > order))
            continue;
        next = (struct next){.at = pending->at, .kind = NEXT_DISK, .host = host, .pending = i};
        order = pending->order;
    }
    const octo_time_ns deadline = octo_max_u64(host->deadline, world->now);
    if (host->up)
        next_lower(&next, (struct next){.at = deadline, .kind = NEXT_TIMER, .host = host});
    return next;
}
static void do_message(struct sweep_world *world)
{
    static uint8_t bytes[SWEEP_WIRE_BYTES];
    struct sweep_network *network = &world->network;
    const struct sweep_message message = network->messages[network->first];
    struct sweep_host *to = &world->hosts[message.to - 1];
    struct octo_event event = {.kind = OCTO_EVENT_MESSAGE};

    network->first++;
    network->count--;
    memcpy(bytes, network->bytes + message.offset, message.size);
    if (network->count == 0)
        network->first = network->used = 0;
    if (!to->up || to->cut)
        return;
    event.message.bytes = bytes;
    event.message.size = message.size;
    sweep_host_step(world, to, &event);
}

static void do_next(struct sweep_world *world, const struct next *next)
{
    struct octo_event timer = {.kind = OCTO_EVENT_TIMER};

    switch (next->kind) {
    case NEXT_NONE:
        break;
    case NEXT_SCRIPT:
        sweep_script_clients(world);
        break;
    case NEXT_BOOT:
        sweep_host_boot(world, next->host);
        break;
    case NEXT_DISK:
        sweep_host_complete(world, next->host, next->pending);
        break;
    case NEXT_MESSAGE:
        do_message(world);
        break;
    case NEXT_TIMER:
        sweep_host_step(world, next->host, &timer);
        break;
    }
}

static bool stays_out(const struct sweep_world *world)
{
    for (uint32_t i = 0; i < world->scenario->nodes; i++) {
        if (world->hosts[i].dead || world->hosts[i].recovering)
            return true;
    }
    return false;
}

static void out_of_time(struct sweep_world *world)
{
    char roles[96];
    int used = 0;

    if (world->may_stay_out && stays_out(world)) {
        world->judge.verdict = SWEEP_OUT;
        world->over = true;
        return;
    }
    roles[0] = '\0';
    for (uint32_t i = 0; i < world->scenario->nodes; i++) {
        struct octo_node_view view;
        octo_node_look(world->hosts[i].node, &view);
        used += snprintf(roles + used, sizeof roles - (size_t)used, ", n%u %s term %llu", i + 1,
                         world->hosts[i].up ? octo_role_text(view.role) : "down",
                         (unsigned long long)view.term);
    }
    sweep_judge_break(world, SWEEP_BROKEN, "does not come to its end: act %u (%s)%s", world->act,
                      sweep_script_act_text(world), roles);
}

bool sweep_world_step(struct sweep_world *world)
{
    struct next next = {.at = OCTO_NEVER};

    sweep_op_count = 0;
    sweep_script_advance(world);
    if (world->over)
        return false;
    next_lower(&next, (struct next){.at = sweep_script_next(world), .kind = NEXT_SCRIPT});
    for (uint32_t i = 0; i < world->scenario->nodes; i++) {
        next_lower(&next, next_of_host(world, &world->hosts[i]));
        if (world->hosts[i].ready_by < world->now)
            sweep_judge_break(world, SWEEP_BROKEN, "n%u is not ready %llu s after its start", i + 1,
                              (unsigned long long)(SWEEP_READY_NS / OCTO_SECOND));
    }
    if (world->network.count > 0)
        next_lower(&next, (struct next){.at = world->network.messages[world->network.first].at,
                                        .kind = NEXT_MESSAGE});
    if (!world->over && (next.at > world->bound || world->events > EVENTS_MAX))
        out_of_time(world);
    if (world->over)
        return false;
    world->now = octo_max_u64(world->now, next.at);
    world->events++;
    do_next(world, &next);
    return !world->over;
}

void sweep_world_run(struct sweep_world *world)
{
    jmp_buf jump;

    if (setjmp(jump) == 0) {
        sweep_jump = &jump;
        while (sweep_world_step(world))
            ;
        sweep_judge_end(world);
    } else {
        sweep_judge_break(world, SWEEP_BROKEN, "assert: %s", sweep_assert_text);
    }
    sweep_jump = NULL;
}

/* ---- Making, saving -------------------------------------------------------------------------- */

static struct octo_config host_config(octo_node_id id, uint32_t nodes)
{
    struct octo_config config;

    octo_config_small(&config, 1, id, nodes, 0);
    config.command_bytes_max = SWEEP_COMMAND_BYTES;
    config.message_bytes_max = 6144;
    config.append_entries_max = 8;
    config.apply_max = 4;
    config.log_entries_max = 64;
    config.log_bytes_max = 32768;
    config.flush_bytes_max = 6144;
    config.read_bytes = 6144;
    config.segment_bytes = 8 * 512;
    config.segments_max = 12;
    config.snapshot_entries = 8;
    config.log_keep_entries = 2;
    config.snapshot_chunk_bytes = 1024;
    config.snapshot_reserve_bytes = 8192;
    config.sessions_max = 8;
    config.result_bytes_max = 64;
    config.machine_memory_bytes = 32768;
    return config;
}

static void *must_alloc(struct octo_arena *arena, size_t size)
{
    void *block = octo_arena_alloc(arena, size);

    octo_assert(block != NULL);
    return block;
}

static void host_create(struct sweep_world *world, octo_node_id id)
{
    struct sweep_host *host = &world->hosts[id - 1];

    host->world = world;
    host->id = id;
    host->config = host_config(id, world->scenario->nodes);
    host->block = must_alloc(&world->arena, octo_node_bytes(&host->config));
    host->deadline = OCTO_NEVER;
    host->ready_by = OCTO_NEVER;
    host->boot_at = world->now;
    host->disk = octo_simdisk_create(&world->arena, SWEEP_PENDING_MAX);
    octo_assert(host->disk != NULL);
    /* Until its first start it can be looked at as well. */
    const enum octo_err err =
        octo_node_init(host->block, octo_node_bytes(&host->config), &host->config, &host->node);
    octo_assert(err == OCTO_ERR_OK);
}

struct sweep_world *sweep_world_create(void *block, size_t size,
                                       const struct sweep_scenario *scenario)
{
    struct octo_arena arena;

    UNPOISON(block, size);
    octo_arena_init(&arena, block, size);
    struct sweep_world *world = must_alloc(&arena, sizeof *world);
    memset(world, 0, sizeof *world);
    world->arena = arena;
    world->scenario = scenario;
    world->now = OCTO_SECOND;
    world->bound = 600 * OCTO_SECOND;
    for (uint32_t i = 0; i < SWEEP_CLIENTS; i++)
        world->clients[i].target = 1;
    for (octo_node_id id = 1; id <= scenario->nodes; id++)
        host_create(world, id);
    sweep_judge_init(world);
    sweep_effects_create(&world->hosts[0].config);
    return world;
}

void sweep_world_save(struct sweep_world *world, void *copy)
{
    UNPOISON(world, world->arena.used);
    memcpy(copy, world, world->arena.used);
}

void sweep_world_restore(struct sweep_world *world, const void *copy)
{
    const struct sweep_world *saved = copy;

    UNPOISON(world, world->arena.size);
    memcpy(world, copy, saved->arena.used);
}

void sweep_world_marks(const struct sweep_world *world, uint64_t *marks)
{
    for (uint32_t i = 0; i < world->scenario->nodes; i++) {
        const struct sweep_host *host = &world->hosts[i];
        const uint32_t *present = octo_node_marks(host->node);
        for (uint32_t mark = 0; mark < OCTO_MARK_COUNT; mark++)
            marks[mark] += host->marks[mark] + (host->up ? present[mark] : 0);
    }
}
