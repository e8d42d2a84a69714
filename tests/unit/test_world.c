#include "sim/sim.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Blocks in address space of their own: only what is used costs. Never unmapped: what a world
 * poisons under AddressSanitizer would stay so for whoever is mapped there next. */
static void *block_map(const struct octo_sim_options *options, size_t *size)
{
    *size = octo_world_bytes(options);
    void *const block = mmap(NULL, *size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(block, MAP_FAILED);
    return block;
}

static struct octo_sim_options small(uint64_t seed, uint32_t nodes, enum octo_sim_faults faults)
{
    struct octo_sim_options options = octo_sim_options_default();
    options.seed = seed;
    options.node_count = nodes;
    options.operations = 60;
    options.faults = faults;
    return options;
}

static struct octo_world *world_make(void *block, size_t size,
                                     const struct octo_sim_options *options)
{
    struct octo_world *const world = octo_world_create(block, size, options, &octo_machine_kv);
    cr_assert_not_null(world);
    return world;
}

Test(world, refuses_options_out_of_range_and_blocks_too_small)
{
    struct octo_sim_options options = small(1, 3, OCTO_SIM_FAULTS_NONE);
    size_t size;
    void *const block = block_map(&options, &size);
    cr_assert_null(octo_world_create(block, 4096, &options, &octo_machine_kv));
    options.node_count = 0;
    cr_assert_null(octo_world_create(block, size, &options, &octo_machine_kv));
    options.node_count = OCTO_SIM_NODES_MAX + 1;
    cr_assert_null(octo_world_create(block, size, &options, &octo_machine_kv));
    options = small(1, 3, OCTO_SIM_FAULTS_NONE);
    options.operations = 0;
    cr_assert_null(octo_world_create(block, size, &options, &octo_machine_kv));
}

Test(world, a_run_is_a_function_of_its_options)
{
    static const uint32_t nodes[] = {1, 3, 5, 7};
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        const struct octo_sim_options options = small(5 + i, nodes[i], OCTO_SIM_FAULTS_ALL);
        size_t size;
        uint64_t hash[2];
        void *const blocks[2] = {block_map(&options, &size), block_map(&options, &size)};
        for (int k = 0; k < 2; k++) {
            memset(blocks[k], k == 0 ? 0 : 0xa5, 4u << 20);
            struct octo_world *const world = world_make(blocks[k], size, &options);
            octo_world_run(world, UINT64_MAX);
            cr_assert(octo_world_over(world));
            struct octo_sim_result result;
            octo_world_result(world, &result);
            cr_assert_eq(result.verdict.property, OCTO_PROPERTY_NONE, "%s: %s",
                         octo_property_text(result.verdict.property), result.verdict.why);
            cr_assert_eq(result.acked + result.failed + result.unknown, options.operations);
            hash[k] = result.hash;
        }
        cr_assert_eq(hash[0], hash[1], "%u nodes", nodes[i]);
    }
}

Test(world, different_seeds_run_differently)
{
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        const struct octo_sim_options options = small(seed, 3, OCTO_SIM_FAULTS_NONE);
        size_t size;
        void *const block = block_map(&options, &size);
        struct octo_world *const world = world_make(block, size, &options);
        octo_world_run(world, UINT64_MAX);
        cr_assert_neq(octo_world_hash(world), last);
        last = octo_world_hash(world);
    }
}

Test(world, goes_on_from_a_copy_as_it_would_have)
{
    static const uint64_t stops[] = {1, 40, 300, 900};
    const struct octo_sim_options options = small(3, 5, OCTO_SIM_FAULTS_ALL);
    size_t size;
    void *const block = block_map(&options, &size);
    struct octo_world *world = world_make(block, size, &options);
    octo_world_run(world, UINT64_MAX);
    const uint64_t hash = octo_world_hash(world);

    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        world = world_make(block, size, &options);
        octo_world_run(world, stops[i]);
        cr_assert_eq(octo_world_events(world), stops[i]);
        const size_t used = octo_world_used(world);
        void *const copy = malloc(used);
        octo_world_save(world, copy);
        octo_world_run(world, UINT64_MAX);
        cr_assert_eq(octo_world_hash(world), hash);
        octo_world_restore(world, copy, used);
        cr_assert_eq(octo_world_events(world), stops[i]);
        while (octo_world_step(world))
            continue;
        cr_assert_eq(octo_world_hash(world), hash, "from event %llu", (unsigned long long)stops[i]);
        free(copy);
    }
}

struct seen {
    uint64_t lines;
    uint64_t last;
    size_t longest;
};

static void see(void *context, uint64_t event, const char *text)
{
    struct seen *const seen = context;
    cr_assert_geq(event, seen->last);
    cr_assert_null(strchr(text, '\n'));
    seen->last = event;
    seen->lines++;
    seen->longest = strlen(text) > seen->longest ? strlen(text) : seen->longest;
}

Test(world, watching_changes_nothing)
{
    const struct octo_sim_options options = small(9, 3, OCTO_SIM_FAULTS_ALL);
    size_t size;
    void *const block = block_map(&options, &size);
    struct octo_world *world = world_make(block, size, &options);
    octo_world_run(world, UINT64_MAX);
    const uint64_t hash = octo_world_hash(world);

    struct seen seen = {0};
    const struct octo_watch watch = {.context = &seen, .line = see};
    world = world_make(block, size, &options);
    octo_world_watch(world, &watch);
    octo_world_run(world, UINT64_MAX);
    octo_world_watch(world, NULL);
    cr_assert_eq(octo_world_hash(world), hash);
    cr_assert_gt(seen.lines, octo_world_events(world));
    cr_assert_lt(seen.longest, 512);

    struct seen dumped = {0};
    const struct octo_watch picture = {.context = &dumped, .line = see};
    for (octo_node_id id = 1; id <= options.node_count; id++)
        octo_world_dump(world, id, &picture);
    cr_assert_gt(dumped.lines, 3 * options.node_count);
}

static void apply_badly(struct octo_machine_context *context, const uint8_t *command, uint32_t size,
                        struct octo_buffer *result)
{
    octo_machine_kv.apply(context, command, size, result);
    octo_assert(result->size == UINT32_MAX);
}

Test(world, a_broken_assert_is_a_verdict)
{
    struct octo_machine machine = octo_machine_kv;
    machine.apply = apply_badly;
    const struct octo_sim_options options = small(1, 3, OCTO_SIM_FAULTS_NONE);
    size_t size;
    void *const block = block_map(&options, &size);
    struct octo_world *const world = octo_world_create(block, size, &options, &machine);
    cr_assert_not_null(world);
    octo_world_run(world, UINT64_MAX);
    cr_assert(octo_world_over(world));
    cr_assert(!octo_world_step(world));
    struct octo_sim_result result;
    octo_world_result(world, &result);
    cr_assert_eq(result.verdict.property, OCTO_PROPERTY_ASSERT);
    cr_assert_not_null(strstr(result.verdict.why, "UINT32_MAX"), "%s", result.verdict.why);
    cr_assert_eq(result.verdict.event, result.events);
}
