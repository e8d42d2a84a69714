/* Decisions: the seeded base. plan.c decides. */
#include "sim/world.h"

/* Odd constants without structure: the fractional bits of pi. */
#define FOLD_A 0x243f6a8885a308d3ull
#define FOLD_B 0x13198a2e03707345ull
#define FOLD_C 0xa4093822299f31d1ull
#define FOLD_D 0x082efa98ec4e6c89ull

#define SPLITMIX_STEP 0x9e3779b97f4a7c15ull

uint64_t octo_key_hash(uint64_t seed, const struct octo_key *key)
{
    const uint64_t who = (uint64_t)key->purpose | (uint64_t)key->detail << 8 |
                         (uint64_t)key->actor << 16 | (uint64_t)key->target << 24 |
                         (uint64_t)key->incarnation << 32;
    const uint64_t left = octo_fold(who ^ seed ^ FOLD_A, key->identity[0] ^ FOLD_B);
    const uint64_t right = octo_fold(key->identity[1] ^ FOLD_C, key->attempt ^ seed ^ FOLD_D);
    return octo_mix(left ^ octo_mix(right + SPLITMIX_STEP));
}

/* xoshiro256**, seeded by four outputs of splitmix64; its first output is made of s[1] alone, so
 * that the other three words need not be computed. */
uint64_t octo_base_seeded(uint64_t seed, const struct octo_key *key)
{
    const uint64_t state = octo_key_hash(seed, key);
    const uint64_t s1 = octo_mix(state + 2 * SPLITMIX_STEP);
    const uint64_t product = s1 * 5;
    return (product << 7 | product >> 57) * 9;
}
