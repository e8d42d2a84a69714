/* The world: made in one block, stepped item by item, copied whole. */
#include "sim/world.h"

#include "sim/plan.h"

#include <time.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WORLD_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WORLD_POISONS 1
#endif
#if defined(WORLD_POISONS)
#include <sanitizer/asan_interface.h>
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION((at), (size))
#else
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#define WORLD_ALIGNMENT 4096u
#define OPERATIONS_MAX  100000u

#define CLUSTER_SALT 0x6f63746f2d73696dull /* "octo-sim" */

/* Address space: what every world may need, and what grows with the run (sectors, log, history). */
#define WORLD_BYTES_BASE          (64ull << 20)
#define WORLD_BYTES_PER_OPERATION 4096ull /* and again for each node */

#define LOG_ENTRIES_MAX 512u
#define LOG_BYTES_MAX   (112u << 10)

#define INDEXES_BASE 4096u /* retries and no-ops */

/* Items of the queue until a run counts as one that does not end. */
#define ITEMS_BASE          2000000ull
#define ITEMS_PER_OPERATION 100ull /* and 40 for each node */

struct octo_sim_options octo_sim_options_default(void)
{
    return (struct octo_sim_options){
        .seed = 1, .node_count = 5, .operations = 1000, .faults = OCTO_SIM_FAULTS_SWARM};
}

static bool options_ok(const struct octo_sim_options *options)
{
    return options->node_count >= 1 && options->node_count <= OCTO_SIM_NODES_MAX &&
           options->operations >= 1 && options->operations <= OPERATIONS_MAX &&
           tuning_ok(&options->tuning);
}

static void config_make(const struct octo_sim_options *options, struct octo_config *config)
{
    const uint64_t cluster_id = octo_mix(options->seed ^ CLUSTER_SALT) | 1;
    octo_config_small(config, cluster_id, 1, options->node_count, options->operations);
    octo_assert(config->sector_bytes == OCTO_SIMDISK_SECTOR_BYTES);
    /* A short log, so that snapshots matter. Its segments can hold all of it, two sectors an entry,
     * and a node that has run out of them has not merely failed to commit. */
    config->log_entries_max = LOG_ENTRIES_MAX;
    config->log_bytes_max = LOG_BYTES_MAX;
}

size_t octo_world_bytes(const struct octo_sim_options *options)
{
    if (!options_ok(options))
        return 0;
    struct octo_config config;
    config_make(options, &config);
    const size_t nodes = options->node_count;
    const size_t growing = options->operations * WORLD_BYTES_PER_OPERATION * (nodes + 1);
    return octo_align_up(WORLD_BYTES_BASE + nodes * octo_node_bytes(&config) + growing,
                         WORLD_ALIGNMENT);
}

/* ---- Creation -------------------------------------------------------------------------------- */

static bool oracles_make(struct octo_world *world)
{
    const struct octo_config *const config = &world->config;
    const struct octo_oracles_config oracles = {
        .cluster_id = config->cluster_id,
        .node_count = config->node_count,
        .sector_bytes = config->sector_bytes,
        .log_entries_max = config->log_entries_max,
        .index_max = world->options.operations + world->options.operations / 2 + INDEXES_BASE,
        .operations_max = world->options.operations,
        .machine = world->machine,
        .machine_memory_bytes = config->machine_memory_bytes,
        .sessions_max = config->sessions_max,
        .result_bytes_max = config->result_bytes_max,
        .unjudged = world->options.tuning.unjudged,
    };
    world->oracles = octo_oracles_create(&world->arena, &oracles);
    return world->oracles != NULL;
}

static bool effects_make(struct octo_world *world)
{
    struct octo_effects *const effects = &world->effects;
    octo_effects_limits(&world->config, &effects->capacity, &effects->bytes_capacity);
    effects->items =
        octo_arena_alloc(&world->arena, effects->capacity * sizeof(struct octo_effect));
    effects->bytes = octo_arena_alloc(&world->arena, effects->bytes_capacity);
    effects->machine = world->machine;
    world->scratch_bytes = world->config.read_bytes;
    world->scratch = octo_arena_alloc(&world->arena, world->scratch_bytes);
    return effects->items != NULL && effects->bytes != NULL && world->scratch != NULL;
}

static bool parts_make(struct octo_world *world)
{
    struct octo_arena *const arena = &world->arena;
    world->queue = queue_create(arena);
    world->attempts = attempts_create(arena);
    world->network = network_create(arena, world->config.message_bytes_max);
    if (world->queue == NULL || world->attempts == NULL || world->network == NULL)
        return false;
    if (!effects_make(world) || !oracles_make(world))
        return false;
    drawing_make(world);
    ledger_tell(world);
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        if (!host_create(world, id))
            return false;
        world_at(world, 0, OCTO_ITEM_START, id, 0);
    }
    return clients_create(world);
}

static struct octo_world *world_create(void *block, size_t size,
                                       const struct octo_sim_options *options,
                                       const struct octo_plan *plan,
                                       const struct octo_machine *machine)
{
    octo_assert((uintptr_t)block % WORLD_ALIGNMENT == 0);
    if (!options_ok(options))
        return NULL;
    struct octo_arena arena;
    octo_arena_init(&arena, block, size);
    struct octo_world *const world = octo_arena_alloc(&arena, sizeof *world);
    if (world == NULL)
        return NULL;
    memset(world, 0, sizeof *world);
    world->arena = arena;
    world->options = *options;
    world->machine = machine;
    world->hash = octo_mix(options->seed);
    world->items_max =
        ITEMS_BASE + options->operations * (ITEMS_PER_OPERATION + 40ull * options->node_count);
    config_make(options, &world->config);
    const size_t before_plan = world->arena.used;
    if (plan != NULL && !plan_install(world, plan))
        return NULL;
    /* Where a run meets the end of its memory does not depend on the block that it happens to have,
     * nor on the length of its plan. */
    world->arena.size = octo_min_u64(world->arena.size,
                                     octo_world_bytes(options) + (world->arena.used - before_plan));
    if (!parts_make(world))
        return NULL;
    clients_begin(world);
    schedule_begin(world);
    return world;
}

struct octo_world *octo_world_create(void *block, size_t size,
                                     const struct octo_sim_options *options,
                                     const struct octo_machine *machine)
{
    return world_create(block, size, options, NULL, machine);
}

struct octo_world *octo_world_create_planned(void *block, size_t size, const struct octo_plan *plan,
                                             const struct octo_machine *machine)
{
    return world_create(block, size, &plan->options, plan, machine);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static void world_dispatch(struct octo_world *world, const struct octo_item *item)
{
    struct octo_host_node *const host = &world->hosts[item->subject % (OCTO_SIM_NODES_MAX + 1)];
    switch ((enum octo_item_kind)item->kind) {
    case OCTO_ITEM_TIMER:
        host_timer(world, item);
        return;
    case OCTO_ITEM_MESSAGE:
        network_arrive(world, item);
        return;
    case OCTO_ITEM_DISK:
        host_disk(world, item);
        return;
    case OCTO_ITEM_START:
        if (!host->up && host->incarnation == item->token)
            host_start(world, item->subject);
        return;
    case OCTO_ITEM_RESUME:
        if (host->up && host->paused && !host_is_paused(world, item->subject))
            host_resume(world, item->subject);
        return;
    case OCTO_ITEM_CLIENT:
        clients_item(world, item->subject, item->token);
        return;
    case OCTO_ITEM_REQUEST:
        clients_request_arrives(world, item->subject);
        return;
    case OCTO_ITEM_REPLY:
        clients_reply_arrives(world, item->subject);
        return;
    case OCTO_ITEM_SCHEDULE:
        schedule_item(world, item->subject, item->token);
        return;
    case OCTO_ITEM_FINISH:
        finish_look(world);
        return;
    case OCTO_ITEM_CRASH:
        if (host->up && host->incarnation == item->token && !world_calm(world))
            host_stop(world, item->subject, true);
        return;
    }
    octo_assert(false); /* an item of an unknown kind */
}

static void world_advance(struct octo_world *world)
{
    struct octo_item item;
    if (!queue_pop(world->queue, &item)) {
        finish_stuck(world, "nothing is left to happen, and the run is not over");
        return;
    }
    if (++world->items > world->items_max) {
        finish_stuck(world, "the run does not end");
        return;
    }
    octo_assert(item.time >= world->now);
    world->now = item.time;
    world_dispatch(world, &item);
}

/* Steps until the run is over, event `until` has been taken, or `items` items have. Asserts that
 * break meanwhile are verdicts. */
static void world_guarded(struct octo_world *world, uint64_t until, uint64_t items)
{
    jmp_buf jump;
    if (setjmp(jump) != 0) {
        world->over = true;
        octo_oracles_break(world->oracles, OCTO_PROPERTY_ASSERT, world->events, "%s", panic_text());
        return;
    }
    panic_arm(&jump);
    world_share(world, OCTO_SHARE_OTHER);
    const uint64_t items_end =
        items > UINT64_MAX - world->items ? UINT64_MAX : world->items + items;
    while (!world->over && world->events < until && world->items < items_end)
        world_advance(world);
    world_share(world, OCTO_SHARE_COUNT);
    panic_arm(NULL);
}

bool octo_world_step(struct octo_world *world)
{
    world_guarded(world, UINT64_MAX, 1);
    return !world->over;
}

void octo_world_run(struct octo_world *world, uint64_t until)
{
    world_guarded(world, until, UINT64_MAX);
}

bool octo_world_over(const struct octo_world *world)
{
    return world->over;
}

uint64_t octo_world_hash(const struct octo_world *world)
{
    return world->hash;
}

uint64_t octo_world_events(const struct octo_world *world)
{
    return world->events;
}

/* The clock that measures the simulator itself; nothing in a world depends on it. OCTO_SHARE_COUNT
 * stands for time that nobody is charged for. */
enum octo_sim_share world_share_slow(struct octo_world *world, enum octo_sim_share share)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    const uint64_t now = (uint64_t)time.tv_sec * OCTO_SECOND + (uint64_t)time.tv_nsec;
    const enum octo_sim_share before = world->share_current;
    if (before < OCTO_SHARE_COUNT && world->share_since_ns != 0)
        world->share_ns[before] += now - world->share_since_ns;
    world->share_current = share;
    world->share_since_ns = now;
    return before;
}

/* ---- Copies ---------------------------------------------------------------------------------- */

size_t octo_world_used(const struct octo_world *world)
{
    return world->arena.used;
}

void octo_world_save(const struct octo_world *world, void *copy)
{
    UNPOISON(world, world->arena.used);
    memcpy(copy, world, world->arena.used);
}

void octo_world_restore(struct octo_world *world, const void *copy, size_t used)
{
    UNPOISON(world, used); /* what lies beyond is unpoisoned when the arena hands it out again */
    memcpy(world, copy, used);
    octo_assert(world->arena.base == (uint8_t *)world);
    octo_assert(world->arena.used == used);
}
