#include "sim/world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define BLOCK_BYTES (4u << 20)

/* A world with nothing but a queue. */
static struct octo_world *queue_world(uint64_t seed)
{
    void *const block = aligned_alloc(4096, BLOCK_BYTES);
    cr_assert_not_null(block);
    memset(block, 0xa5, BLOCK_BYTES);
    struct octo_arena arena;
    octo_arena_init(&arena, block, BLOCK_BYTES);
    struct octo_world *const world = octo_arena_alloc(&arena, sizeof *world);
    memset(world, 0, sizeof *world);
    world->arena = arena;
    world->options.seed = seed;
    world->queue = queue_create(&world->arena);
    cr_assert_not_null(world->queue);
    return world;
}

Test(queue, gives_items_in_order_of_time_however_they_came)
{
    struct octo_world *const world = queue_world(1);
    for (uint32_t i = 0; i < 5000; i++)
        world_at(world, octo_mix(i) % 1000, OCTO_ITEM_CLIENT, i, 0);
    cr_assert_eq(queue_count(world->queue), 5000);

    bool seen[5000] = {false};
    struct octo_item last = {0};
    for (uint32_t i = 0; i < 5000; i++) {
        struct octo_item item;
        cr_assert(queue_pop(world->queue, &item));
        cr_assert_geq(item.time, last.time);
        if (item.time == last.time)
            cr_assert_lt(last.tie, item.tie);
        cr_assert_eq(item.time, octo_mix(item.subject) % 1000);
        cr_assert(!seen[item.subject]);
        seen[item.subject] = true;
        last = item;
    }
    struct octo_item none;
    cr_assert(!queue_pop(world->queue, &none));
    free(world);
}

/* The order of some items of one instant, as they leave the queue; every `skip`-th is left out. */
static void order_of(uint64_t seed, uint32_t skip, bool backwards, uint32_t order[64])
{
    struct octo_world *const world = queue_world(seed);
    for (uint32_t i = 0; i < 64; i++) {
        const uint32_t subject = backwards ? 63 - i : i;
        if (skip == 0 || subject % skip != 0)
            world_at(world, 7, OCTO_ITEM_SCHEDULE, subject, 3);
    }
    struct octo_item item;
    uint32_t count = 0;
    while (queue_pop(world->queue, &item)) {
        if (item.subject % 5 != 0)
            order[count++] = item.subject;
    }
    free(world);
}

Test(queue, order_within_an_instant_is_of_the_seed_and_the_items_alone)
{
    uint32_t first[64] = {0}, backwards[64] = {0}, fewer[64] = {0}, other[64] = {0};
    order_of(11, 0, false, first);
    order_of(11, 0, true, backwards);
    order_of(11, 5, false, fewer);
    order_of(12, 0, false, other);
    cr_assert_arr_eq(first, backwards, sizeof first);
    cr_assert_arr_eq(first, fewer, sizeof first);
    cr_assert_arr_neq(first, other, sizeof first);
}

Test(queue, what_is_put_off_comes_first_and_in_order)
{
    struct octo_world *const world = queue_world(3);
    for (uint32_t i = 0; i < 100; i++)
        world_at(world, 50, OCTO_ITEM_CLIENT, 1000 + i, 0);
    for (uint32_t i = 0; i < 100; i++) {
        const struct octo_item item = {.kind = OCTO_ITEM_MESSAGE, .subject = i};
        world_put_off(world, 50, &item);
    }
    for (uint32_t i = 0; i < 100; i++) {
        struct octo_item item;
        cr_assert(queue_pop(world->queue, &item));
        cr_assert_eq(item.subject, i);
        cr_assert_eq(item.time, 50);
    }
    free(world);
}
