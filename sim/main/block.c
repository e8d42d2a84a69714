#include "sim/main/block.h"

#include "sim/plan.h"

#include <sys/mman.h>
#include <time.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BLOCK_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define BLOCK_POISONS 1
#endif
#if defined(BLOCK_POISONS)
#include <sanitizer/asan_interface.h>
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION((at), (size))
#else
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#define DECOY_BYTES ((size_t)7 << 20)
#define STACK_BYTES 65536u

static void *map(size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return base == MAP_FAILED ? NULL : base;
}

bool sim_block_map(struct sim_block *block, const struct octo_sim_options *options, uint32_t lines,
                   const void *apart)
{
    /* A decoy takes the place that the system would have given, address randomisation or not. */
    void *decoy = apart == NULL ? NULL : map(DECOY_BYTES);
    block->size = octo_world_bytes(options) + octo_plan_room(lines);
    block->base = map(block->size);
    if (block->base != NULL && block->base == apart) {
        void *elsewhere = map(block->size);
        (void)munmap(block->base, block->size);
        block->base = elsewhere;
    }
    if (decoy != NULL)
        (void)munmap(decoy, DECOY_BYTES);
    return block->base != NULL;
}

void sim_block_unmap(struct sim_block *block)
{
    if (block->base == NULL)
        return;
    UNPOISON(block->base, block->size);
    (void)munmap(block->base, block->size);
    block->base = NULL;
}

void sim_block_fill(const struct sim_block *block, uint8_t pattern, size_t bytes)
{
    if (bytes > block->size)
        bytes = block->size;
    UNPOISON(block->base, bytes);
    memset(block->base, pattern, bytes);
}

__attribute__((noinline)) void sim_stack_fill(uint8_t pattern)
{
    uint8_t below[STACK_BYTES];
    memset(below, pattern, sizeof below);
    __asm__ volatile("" : : "r"(below) : "memory"); /* the compiler must believe that it is read */
}

uint64_t sim_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * OCTO_SECOND + (uint64_t)now.tv_nsec;
}
