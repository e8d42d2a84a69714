/* Random numbers for tests: a counter through octo_mix. Print the seed when a test fails. */
#ifndef OCTO_TESTS_UNIT_DRAW_H
#define OCTO_TESTS_UNIT_DRAW_H

#include "kernel/base.h"

static inline uint64_t draw(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ull;
    return octo_mix(*state);
}

/* draw_below returns 0 .. limit - 1. */
static inline uint32_t draw_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(draw(state) % limit);
}

static inline void draw_bytes(uint64_t *state, uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)draw(state);
}

#endif
