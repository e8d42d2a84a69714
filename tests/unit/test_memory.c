#include "draw.h"
#include "kernel/memory.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static uint8_t *block_new(size_t size)
{
    uint8_t *block = aligned_alloc(64, size);
    cr_assert_not_null(block);
    memset(block, 0xa5, size);
    return block;
}

Test(memory, arena_gives_aligned_pieces_until_it_is_full)
{
    static const struct {
        size_t size;
        bool fits;
        size_t used_after;
    } steps[] = {
        {1, true, 64},    {64, true, 128},         {0, true, 128},
        {65, true, 256},  {769, false, 256},       {768, true, 1024},
        {1, false, 1024}, {SIZE_MAX, false, 1024}, {SIZE_MAX - 62, false, 1024},
        {0, true, 1024},
    };
    uint8_t *block = block_new(1024);
    struct octo_arena arena;

    octo_arena_init(&arena, block, 1024);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        uint8_t *piece = octo_arena_alloc(&arena, steps[i].size);
        cr_assert_eq(piece != NULL, steps[i].fits, "step %zu", i);
        cr_assert_eq(arena.used, steps[i].used_after, "step %zu: used %zu", i, arena.used);
        if (piece != NULL)
            cr_assert_eq((uintptr_t)piece % 64, 0);
    }
    cr_assert_eq(block[0], 0xa5, "an arena clears nothing");
    octo_arena_init(&arena, block, 100);
    cr_assert_null(octo_arena_alloc(&arena, 70), "the rounded size does not fit either");
    cr_assert_not_null(octo_arena_alloc(&arena, 64));
    free(block);
}

#define PIECES 200u

struct piece {
    uint8_t *at;
    uint32_t size;
    uint8_t fill;
};

static void piece_check(const struct piece *piece, uint64_t seed)
{
    for (uint32_t i = 0; i < piece->size; i++)
        cr_assert_eq(piece->at[i], piece->fill, "seed %llu: overwritten", (unsigned long long)seed);
}

/* Pieces never overlap, stay inside, and come back: random lives, each full of its own byte. */
Test(memory, allocator_keeps_pieces_apart)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const uint32_t size = 16 * 1024;
        uint8_t *region = block_new(size);
        struct octo_allocator *allocator = octo_allocator_init(region, size);
        struct piece pieces[PIECES] = {{0}};
        uint64_t state = seed;
        uint32_t refused = 0;

        cr_assert_eq((void *)allocator, (void *)region);
        for (uint32_t step = 0; step < 5000; step++) {
            struct piece *piece = &pieces[draw_below(&state, PIECES)];
            if (piece->at != NULL) {
                piece_check(piece, seed);
                octo_free(allocator, piece->at, piece->size);
                piece->at = NULL;
                continue;
            }
            piece->size = 1 + draw_below(&state, 300);
            piece->at = octo_alloc(allocator, piece->size);
            if (piece->at == NULL) {
                refused++;
                continue;
            }
            cr_assert_eq((uintptr_t)piece->at % 16, 0);
            cr_assert_geq(piece->at, region + sizeof *allocator);
            cr_assert_leq(piece->at + piece->size, region + size);
            piece->fill = (uint8_t)draw(&state);
            memset(piece->at, piece->fill, piece->size);
        }
        cr_assert_gt(refused, 0, "seed %llu: never full", (unsigned long long)seed);
        for (uint32_t i = 0; i < PIECES; i++)
            if (pieces[i].at != NULL)
                octo_free(allocator, pieces[i].at, pieces[i].size);
        cr_assert_eq(allocator->in_use, 0);
        cr_assert_leq(allocator->used, size);
        free(region);
    }
}

Test(memory, allocator_recycles_by_class)
{
    uint8_t *region = block_new(4096);
    struct octo_allocator *allocator = octo_allocator_init(region, 4096);
    void *first = octo_alloc(allocator, 33);
    void *second = octo_alloc(allocator, 64);
    const uint32_t used = allocator->used;

    cr_assert_eq(allocator->in_use, 128);
    octo_free(allocator, first, 33);
    octo_free(allocator, second, 64);
    cr_assert_eq(octo_alloc(allocator, 40), second, "last in, first out");
    cr_assert_eq(octo_alloc(allocator, 64), first);
    cr_assert_eq(allocator->used, used);
    cr_assert_null(octo_alloc(allocator, 4096));
    cr_assert_null(octo_alloc(allocator, UINT32_MAX));
    free(region);
}

/* The region holds offsets, not pointers: a copy works wherever it lies. */
Test(memory, allocator_works_in_a_copy)
{
    uint8_t *region = block_new(1024);
    uint8_t *copy = block_new(1024);
    struct octo_allocator *allocator = octo_allocator_init(region, 1024);
    uint8_t *first = octo_alloc(allocator, 16);
    uint8_t *second = octo_alloc(allocator, 16);

    memset(first, 7, 16);
    memset(second, 8, 16);
    memcpy(copy, region, allocator->used);
    memset(region, 0xff, sizeof *allocator);
    struct octo_allocator *copied = (struct octo_allocator *)copy;
    uint8_t *moved = copy + (second - region);
    octo_free(copied, moved, 16);
    cr_assert_eq(octo_alloc(copied, 16), moved);
    cr_assert_eq(copied->in_use, 32);
    cr_assert_eq(copy[first - region], 7);
    free(copy);
    free(region);
}

Test(memory, smallest_region_is_always_full)
{
    uint8_t *region = block_new(192);
    struct octo_allocator *allocator = octo_allocator_init(region, sizeof *allocator);
    cr_assert_null(octo_alloc(allocator, 1));
    free(region);
}

Test(memory, freeing_what_lies_outside_is_a_broken_invariant, .exit_code = 77)
{
    uint8_t *region = block_new(1024);
    struct octo_allocator *allocator = octo_allocator_init(region, 512);
    (void)!octo_alloc(allocator, 16);
    octo_free(allocator, region + 512, 16);
}

Test(memory, freeing_with_another_size_is_a_broken_invariant, .exit_code = 77)
{
    uint8_t *region = block_new(1024);
    struct octo_allocator *allocator = octo_allocator_init(region, 1024);
    void *piece = octo_alloc(allocator, 16);
    octo_free(allocator, piece, 100);
}

Test(memory, hash_is_the_published_function)
{
    /* XXH3-64 of the empty string, and of "abc", as the reference implementation prints them. */
    cr_assert_eq(octo_hash(NULL, 0, 0), 0x2d06800538d394c2ull);
    cr_assert_eq(octo_hash("abc", 3, 0), 0x78af5f94892f3950ull);
    cr_assert_neq(octo_hash("abc", 3, 1), octo_hash("abc", 3, 0));
}
