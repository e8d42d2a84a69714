#include "sim/world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct octo_key plain = {
    .purpose = OCTO_DECIDE_MESSAGE_LOST,
    .detail = 5,
    .actor = 1,
    .target = 2,
    .incarnation = 1,
    .identity = {3, 40},
    .attempt = 0,
};

/* Golden values: a seed file of last year must still mean the same run. */
Test(decision, base_is_fixed_for_good)
{
    static const struct {
        uint64_t seed;
        uint64_t value;
    } golden[] = {
        {0, 0x384218b9cbeab769ull},
        {1, 0xc581cf0b1716e7e8ull},
        {UINT64_MAX, 0x788691865312a86bull},
    };
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++)
        cr_assert_eq(octo_base_seeded(golden[i].seed, &plain), golden[i].value, "%zu: %016llx", i,
                     (unsigned long long)octo_base_seeded(golden[i].seed, &plain));
}

Test(decision, every_field_of_the_key_counts)
{
    struct octo_key keys[9];
    for (size_t i = 0; i < 9; i++)
        keys[i] = plain;
    keys[1].purpose++;
    keys[2].detail++;
    keys[3].actor++;
    keys[4].target++;
    keys[5].incarnation++;
    keys[6].identity[0]++;
    keys[7].identity[1]++;
    keys[8].attempt++;
    for (size_t i = 0; i < 9; i++) {
        for (size_t k = 0; k < i; k++) {
            const uint64_t a = octo_base_seeded(9, &keys[i]);
            const uint64_t b = octo_base_seeded(9, &keys[k]);
            cr_assert_neq(a, b);
            const int bits = __builtin_popcountll(a ^ b);
            cr_assert(bits > 10 && bits < 54, "%zu and %zu differ in %d bits", i, k, bits);
        }
    }
}

Test(decision, rates_are_as_asked)
{
    static const uint32_t rates[] = {0, 100, 10000, 250000, 999999, 1000000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        uint64_t struck = 0;
        const uint64_t count = 1000000;
        for (uint64_t n = 0; n < count; n++) {
            struct octo_key key = plain;
            key.identity[1] = n;
            struck += octo_strikes(octo_base_seeded(17, &key), rates[i]);
        }
        const double expected = rates[i];
        const double width = 6 * __builtin_sqrt(expected * (1 - expected / 1e6)) + 0.5;
        cr_assert(__builtin_fabs((double)struck - expected) <= width, "%u: %llu", rates[i],
                  (unsigned long long)struck);
    }
}

Test(decision, attempts_count_each_key_apart)
{
    const size_t bytes = 32u << 20;
    void *const block = aligned_alloc(4096, bytes);
    cr_assert_not_null(block);
    static struct octo_world world;
    octo_arena_init(&world.arena, block, bytes);
    world.attempts = attempts_create(&world.arena);
    cr_assert_not_null(world.attempts);

    const uint64_t keys = 100000;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint64_t n = 0; n < keys; n++) {
            struct octo_key key = plain;
            key.identity[0] = n % 100;
            key.identity[1] = n / 100;
            key.attempt = (uint32_t)n; /* is left out */
            cr_assert_eq(world_attempt(&world, &key), round);
        }
    }
    cr_assert_lt(world.arena.used, 4u << 20);
    free(block);
}
