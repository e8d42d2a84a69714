/* The drawing of a seed: which faults, how much; and what it promises to the rest of the simulator.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "sim/world.h"

#define SEEDS 2000u

static struct octo_world world;

static void draw_prepare(uint64_t seed, uint32_t nodes, enum octo_sim_faults faults)
{
    memset(&world, 0, sizeof world);
    world.options = octo_sim_options_default();
    world.options.seed = seed;
    world.options.node_count = nodes;
    world.options.faults = faults;
    octo_config_small(&world.config, 1, 1, nodes, world.options.operations);
}

static const struct octo_drawing *draw(uint64_t seed, uint32_t nodes, enum octo_sim_faults faults)
{
    draw_prepare(seed, nodes, faults);
    drawing_make(&world);
    return &world.drawing;
}

static uint32_t kinds_on(const struct octo_drawing *drawing)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < OCTO_FAULT_COUNT; i++)
        count += drawing->on[i];
    return count;
}

Test(drawing, a_fifth_of_the_seeds_has_no_faults)
{
    uint32_t faultless = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        faultless += kinds_on(draw(seed, 5, OCTO_SIM_FAULTS_SWARM)) == 0;
    cr_assert(gt(u32, faultless, SEEDS * 17 / 100));
    cr_assert(lt(u32, faultless, SEEDS * 23 / 100));
}

Test(drawing, every_kind_is_on_in_some_seeds_and_off_in_others)
{
    uint32_t on[OCTO_FAULT_COUNT] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const struct octo_drawing *drawing = draw(seed, 7, OCTO_SIM_FAULTS_SWARM);
        for (uint32_t i = 0; i < OCTO_FAULT_COUNT; i++)
            on[i] += drawing->on[i];
    }
    for (uint32_t i = 0; i < OCTO_FAULT_COUNT; i++) {
        cr_assert(gt(u32, on[i], SEEDS / 4), "%s", octo_fault_text((enum octo_fault)i));
        cr_assert(lt(u32, on[i], SEEDS * 4 / 5), "%s", octo_fault_text((enum octo_fault)i));
    }
}

Test(drawing, equal_seeds_draw_alike_and_others_do_not)
{
    const struct octo_drawing first = *draw(7, 5, OCTO_SIM_FAULTS_SWARM);
    const struct octo_drawing other = *draw(8, 5, OCTO_SIM_FAULTS_SWARM);
    const struct octo_drawing *again = draw(7, 5, OCTO_SIM_FAULTS_SWARM);

    cr_assert(eq(u64, first.latency_base_ns, again->latency_base_ns));
    cr_assert(eq(u64, first.heal_ns, again->heal_ns));
    cr_assert(eq(u32, first.client_count, again->client_count));
    cr_assert(zero(int, memcmp(first.on, again->on, sizeof first.on)));
    cr_assert(ne(u64, first.latency_base_ns, other.latency_base_ns));
}

Test(drawing, none_turns_nothing_on_and_all_turns_everything_on)
{
    cr_assert(zero(u32, kinds_on(draw(3, 5, OCTO_SIM_FAULTS_NONE))));
    cr_assert(eq(u32, kinds_on(draw(3, 7, OCTO_SIM_FAULTS_ALL)), OCTO_FAULT_COUNT));
}

/* Options that name a fault are heeded in seeds that draw none, too. */
Test(drawing, what_is_asked_for_is_on_in_every_mix)
{
    static const enum octo_sim_faults mixes[] = {OCTO_SIM_FAULTS_NONE, OCTO_SIM_FAULTS_SWARM,
                                                 OCTO_SIM_FAULTS_DISK, OCTO_SIM_FAULTS_ALL};

    for (uint64_t seed = 1; seed <= 100; seed++) {
        const struct octo_drawing *drawing = &world.drawing;
        draw_prepare(seed, 3, mixes[seed % 4]);
        world.options.io_error_ppm = 50000;
        world.options.crash_cycles = 2;
        drawing_make(&world);
        cr_assert(drawing->on[OCTO_FAULT_POWER_LOSS]);
        cr_assert(drawing->on[OCTO_FAULT_DISK_SECTOR_TORN]);
        cr_assert(eq(u32, drawing->disk_read_error_ppm, 50000));
        cr_assert(eq(u32, drawing->disk_write_error_ppm, 50000));
        cr_assert(eq(u32, drawing->disk_sync_error_ppm, 50000));
    }
}

Test(drawing, disk_faults_are_those_of_disks_and_crashes)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        const struct octo_drawing *drawing = draw(seed, 5, OCTO_SIM_FAULTS_DISK);
        for (uint32_t i = 0; i <= OCTO_FAULT_PARTITION_CLIENTS; i++)
            cr_assert(not(drawing->on[i]), "%s", octo_fault_text((enum octo_fault)i));
        cr_assert(not(drawing->on[OCTO_FAULT_PAUSE]));
        cr_assert(not(drawing->on[OCTO_FAULT_CLOCK_DRIFT]));
        cr_assert(not(drawing->on[OCTO_FAULT_CLIENT_DUPLICATE]));
    }
}

Test(drawing, a_kind_that_is_off_has_no_rate)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const struct octo_drawing *drawing = draw(seed, 3, OCTO_SIM_FAULTS_SWARM);
        cr_assert(eq(int, drawing->loss_ppm != 0, drawing->on[OCTO_FAULT_MESSAGE_LOST]));
        cr_assert(
            eq(int, drawing->disk_sync_error_ppm != 0, drawing->on[OCTO_FAULT_DISK_SYNC_ERROR]));
        cr_assert(eq(int, drawing->crash_at_io_ppm != 0, drawing->on[OCTO_FAULT_CRASH_AT_IO]));
        cr_assert(eq(int, drawing->client_crash_ppm != 0, drawing->on[OCTO_FAULT_CLIENT_CRASH]));
    }
}

Test(drawing, small_clusters_suffer_only_what_is_possible)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        const struct octo_drawing *one = draw(seed, 1, OCTO_SIM_FAULTS_SWARM);
        cr_assert(not(one->on[OCTO_FAULT_PARTITION_SYMMETRIC]));
        cr_assert(not(one->on[OCTO_FAULT_MESSAGE_CORRUPTED]));
        const struct octo_drawing *two = draw(seed, 2, OCTO_SIM_FAULTS_SWARM);
        cr_assert(not(two->on[OCTO_FAULT_MAJORITY_CRASH]));
        cr_assert(not(two->on[OCTO_FAULT_PARTITION_BRIDGE]));
    }
}

/* Every shape cuts something, and nothing that is not there. */
Test(shapes, cut_links_of_the_cluster_only)
{
    for (uint32_t nodes = 3; nodes <= OCTO_SIM_NODES_MAX; nodes++) {
        world.options.node_count = nodes;
        for (uint32_t shape = OCTO_FAULT_PARTITION_SYMMETRIC; shape <= OCTO_FAULT_PARTITION_CLIENTS;
             shape++) {
            for (uint64_t i = 0; i < 200; i++) {
                uint16_t links[OCTO_SIM_NODES_MAX + 1];
                shape_links(&world, (enum octo_fault)shape, octo_mix(i + 1), i % 2 ? 2 : 0, links);
                uint32_t cut = 0;
                for (uint32_t a = 0; a <= OCTO_SIM_NODES_MAX; a++) {
                    cr_assert(eq(int, links[a] >> (nodes + 1), 0));
                    cr_assert(eq(int, links[a] >> a & 1, 0));
                    cr_assert(a <= nodes || links[a] == 0);
                    cut += links[a] != 0;
                }
                cr_assert(gt(u32, cut, 0));
            }
        }
    }
}

/* A bridge leaves every node of a ring, or the middle one, in touch with a majority. */
Test(shapes, a_bridge_leaves_a_majority_in_sight)
{
    for (uint32_t nodes = 3; nodes <= OCTO_SIM_NODES_MAX; nodes++) {
        world.options.node_count = nodes;
        for (uint64_t i = 0; i < 100; i++) {
            uint16_t links[OCTO_SIM_NODES_MAX + 1];
            shape_links(&world, OCTO_FAULT_PARTITION_BRIDGE, octo_mix(i + 1), 0, links);
            uint32_t best = 0;
            for (uint32_t a = 1; a <= nodes; a++) {
                uint32_t seen = 0;
                for (uint32_t b = 1; b <= nodes; b++)
                    seen += (links[a] >> b & 1) == 0;
                best = seen > best ? seen : best;
            }
            cr_assert(gt(u32, 2 * best, nodes));
        }
    }
}
