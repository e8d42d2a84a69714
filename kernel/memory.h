/* Memory without a heap: a bump arena over a caller's block, and a recycling allocator on top of it
 * for a machine's state.
 *
 * Neither clears memory; neither ever asks the system for more. Exhaustion is NULL. Under
 * AddressSanitizer an allocator's free bytes are poisoned: unpoison a region before copying it
 * whole.
 */
#ifndef OCTO_KERNEL_MEMORY_H
#define OCTO_KERNEL_MEMORY_H

#include "kernel/base.h"

/* A bump arena. base is the caller's, aligned to 64; used never shrinks (except by
 * octo_arena_init). The high-water mark is `used`. */
struct octo_arena {
    uint8_t *base;
    size_t size; /* bytes */
    size_t used; /* bytes */
};

/* octo_arena_init takes over size bytes at base. The bytes stay the caller's; nothing is cleared.
 */
void octo_arena_init(struct octo_arena *arena, void *base, size_t size);

/* octo_arena_alloc returns size bytes aligned to 64, uncleared, or NULL when the arena is full. */
void *octo_arena_alloc(struct octo_arena *arena, size_t size) OCTO_MUST_USE;

#define OCTO_ALLOCATOR_CLASSES 24u /* block sizes 16 B .. 128 MiB, powers of two */

/* A recycling allocator: power-of-two blocks from an arena region, one free list per size. Lives at
 * the start of the region it hands out; a zeroed free list is empty. Links are offsets from the
 * allocator itself, so that its region may be copied aside and back. */
struct octo_allocator {
    uint32_t size;   /* bytes of the whole region, this header included */
    uint32_t used;   /* high-water mark in bytes, header included */
    uint32_t in_use; /* bytes handed out and not returned */
    uint32_t free_list[OCTO_ALLOCATOR_CLASSES]; /* offset of the first free block, 0 if none */
};

/* octo_allocator_init makes an allocator of the size bytes at region (aligned to 16) and returns it
 * (it lies at region). size is at least sizeof(struct octo_allocator) and below 2 GiB. */
struct octo_allocator *octo_allocator_init(void *region, uint32_t size);

/* octo_alloc returns size bytes (1 or more) aligned to 16, uncleared, or NULL when none are left.
 */
void *octo_alloc(struct octo_allocator *allocator, uint32_t size) OCTO_MUST_USE;

/* octo_free returns what octo_alloc(allocator, size) gave, with that same size. */
void octo_free(struct octo_allocator *allocator, void *block, uint32_t size);

#endif
