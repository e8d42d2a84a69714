/* The arena and the recycling allocator.
 *
 * Under AddressSanitizer everything that is not handed out is poisoned. Whoever copies or clears a
 * block as a whole (world_save) unpoisons it first; what an arena or allocator hands out is always
 * unpoisoned again, so that a reused block begins clean. */
#include "kernel/memory.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_POISONS 1
#endif

#if defined(MEMORY_POISONS)
/* From <sanitizer/asan_interface.h>; the kernel includes freestanding headers only. */
void __asan_poison_memory_region(const volatile void *at, size_t size);
void __asan_unpoison_memory_region(const volatile void *at, size_t size);
#define POISON(at, size)   __asan_poison_memory_region((at), (size))
#define UNPOISON(at, size) __asan_unpoison_memory_region((at), (size))
#else
#define POISON(at, size)   ((void)(at), (void)(size))
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#define ARENA_ALIGNMENT 64u

#define BLOCK_BYTES_MIN 16u
#define REGION_MAX      (1u << 31)
/* The first block begins on a cache line, as the region of a node does. */
#define ALLOCATOR_BYTES 128u

_Static_assert(sizeof(struct octo_allocator) <= ALLOCATOR_BYTES, "the header fits");
_Static_assert(ALLOCATOR_BYTES % BLOCK_BYTES_MIN == 0, "blocks stay aligned");

void octo_arena_init(struct octo_arena *arena, void *base, size_t size)
{
    octo_assert(base != NULL);
    octo_assert((uintptr_t)base % ARENA_ALIGNMENT == 0);
    arena->base = base;
    arena->size = size;
    arena->used = 0;
}

void *octo_arena_alloc(struct octo_arena *arena, size_t size)
{
    octo_assert(arena->used <= arena->size);
    octo_assert(arena->used % ARENA_ALIGNMENT == 0);
    const size_t room = arena->size - arena->used;
    if (size > room)
        return NULL;
    const size_t rounded = octo_align_up(size, ARENA_ALIGNMENT);
    if (rounded > room || rounded < size)
        return NULL;
    uint8_t *block = arena->base + arena->used;
    arena->used += rounded;
    UNPOISON(block, rounded);
    return block;
}

struct octo_allocator *octo_allocator_init(void *region, uint32_t size)
{
    octo_assert(region != NULL);
    octo_assert((uintptr_t)region % BLOCK_BYTES_MIN == 0);
    octo_assert(size >= sizeof(struct octo_allocator));
    octo_assert(size < REGION_MAX);
    struct octo_allocator *allocator = region;
    UNPOISON(region, sizeof *allocator);
    memset(allocator, 0, sizeof *allocator);
    allocator->size = size;
    allocator->used = (uint32_t)octo_min_u64(ALLOCATOR_BYTES, size);
    POISON((uint8_t *)region + allocator->used, size - allocator->used);
    return allocator;
}

/* The class whose blocks hold size bytes; OCTO_ALLOCATOR_CLASSES if none does. */
static uint32_t class_of(uint32_t size)
{
    uint32_t class = 0;
    while (class < OCTO_ALLOCATOR_CLASSES && BLOCK_BYTES_MIN << class < size)
        class ++;
    return class;
}

void *octo_alloc(struct octo_allocator *allocator, uint32_t size)
{
    octo_assert(size > 0);
    octo_assert(allocator->used <= allocator->size);
    const uint32_t class = class_of(size);
    if (class == OCTO_ALLOCATOR_CLASSES)
        return NULL;
    const uint32_t block_bytes = BLOCK_BYTES_MIN << class;
    uint8_t *const base = (uint8_t *)allocator;
    uint32_t offset = allocator->free_list[class];
    if (offset != 0) {
        UNPOISON(base + offset, block_bytes);
        memcpy(&allocator->free_list[class], base + offset, sizeof(uint32_t));
    } else {
        if (block_bytes > allocator->size - allocator->used)
            return NULL;
        offset = allocator->used;
        allocator->used += block_bytes;
        UNPOISON(base + offset, block_bytes);
    }
    allocator->in_use += block_bytes;
    octo_assert(offset + block_bytes <= allocator->used);
    return base + offset;
}

void octo_free(struct octo_allocator *allocator, void *block, uint32_t size)
{
    octo_assert(block != NULL);
    octo_assert(size > 0);
    const uint32_t class = class_of(size);
    octo_assert(class < OCTO_ALLOCATOR_CLASSES);
    const uint32_t block_bytes = BLOCK_BYTES_MIN << class;
    octo_assert((uintptr_t)block > (uintptr_t)allocator);
    const uintptr_t distance = (uintptr_t)block - (uintptr_t)allocator;
    octo_assert(distance % BLOCK_BYTES_MIN == 0);
    octo_assert(distance < allocator->used);
    octo_assert(block_bytes <= allocator->used - distance);
    octo_assert(block_bytes <= allocator->in_use);
    const uint32_t offset = (uint32_t)distance;
    memcpy(block, &allocator->free_list[class], sizeof(uint32_t));
    allocator->free_list[class] = offset;
    allocator->in_use -= block_bytes;
    POISON(block, block_bytes);
}
