/* The memory that a world is made in. Private to sim/main/ and tools/farm/. */
#ifndef OCTO_SIM_MAIN_BLOCK_H
#define OCTO_SIM_MAIN_BLOCK_H

#include "sim/sim.h"

/* Address space, of which only what is touched costs memory. */
struct sim_block {
    void *base; /* page aligned */
    size_t size;
};

/* sim_block_map reserves room for a world of options, under a plan of so many lines, at any address
 * but `apart` (NULL: anywhere). False if the system has no room. */
bool sim_block_map(struct sim_block *block, const struct octo_sim_options *options, uint32_t lines,
                   const void *apart) OCTO_MUST_USE;
void sim_block_unmap(struct sim_block *block);

/* sim_block_fill writes pattern over the first bytes (at most size) of the block, whatever lies
 * there. */
void sim_block_fill(const struct sim_block *block, uint8_t pattern, size_t bytes);

/* sim_stack_fill writes pattern over the stack below the caller, where later calls will have their
 * variables. */
void sim_stack_fill(uint8_t pattern);

/* sim_clock_ns is the wall clock: for statistics only. */
uint64_t sim_clock_ns(void);

#endif
