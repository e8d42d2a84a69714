/* Slots of 512 bytes, recycled, and the trees of sectors that are built from them. */
#include "vfs/simdisk.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define POOL_POISONS 1
#endif

/* A free slot is poisoned but for its link, as kernel/memory.c does with what is not handed out. */
#define LINK_BYTES 8u
#if defined(POOL_POISONS)
#include <sanitizer/asan_interface.h>
#define POISON(slot) \
    ASAN_POISON_MEMORY_REGION((uint8_t *)(slot) + LINK_BYTES, SIMDISK_SLOT_BYTES - LINK_BYTES)
#define UNPOISON(slot) ASAN_UNPOISON_MEMORY_REGION((slot), SIMDISK_SLOT_BYTES)
#else
#define POISON(slot)   ((void)(slot))
#define UNPOISON(slot) ((void)(slot))
#endif

#define SLOT_UNITS (SIMDISK_SLOT_BYTES / SIMDISK_SLOT_UNIT)

_Static_assert(SIMDISK_SLOT_BYTES % SIMDISK_SLOT_UNIT == 0, "slots stay aligned");

/* ---- The pool -------------------------------------------------------------------------------- */

static uint32_t take_fresh(struct simdisk_pool *pool)
{
    octo_assert(pool->fresh_count > 0);
    const uint32_t slot = pool->fresh_first;
    pool->fresh_first += SLOT_UNITS;
    pool->fresh_count--;
    pool->slot_count++;
    pool->slot_sum += octo_mix(slot);
    return slot;
}

bool simdisk_pool_reserve(struct simdisk_pool *pool, uint32_t count)
{
    while (pool->free_count + pool->fresh_count < count) {
        uint8_t *chunk =
            octo_arena_alloc(pool->arena, (size_t)SIMDISK_CHUNK_SLOTS * SIMDISK_SLOT_BYTES);
        if (chunk == NULL)
            return false;
        while (pool->fresh_count > 0)
            simdisk_pool_give(pool, take_fresh(pool));
        const size_t offset = (size_t)(chunk - pool->arena->base);
        octo_assert(offset % SIMDISK_SLOT_UNIT == 0);
        octo_assert(offset / SIMDISK_SLOT_UNIT < UINT32_MAX - SIMDISK_CHUNK_SLOTS * SLOT_UNITS);
        pool->fresh_first = (uint32_t)(offset / SIMDISK_SLOT_UNIT);
        pool->fresh_count = SIMDISK_CHUNK_SLOTS;
    }
    return true;
}

uint32_t simdisk_pool_take(struct simdisk_pool *pool)
{
    if (pool->free_count == 0)
        return take_fresh(pool);
    const uint32_t slot = pool->free_first;
    octo_assert(slot != SIMDISK_SLOT_NONE);
    void *at = simdisk_slot(pool, slot);
    UNPOISON(at);
    pool->free_first = octo_get_u32(at);
    pool->free_count--;
    return slot;
}

void simdisk_pool_give(struct simdisk_pool *pool, uint32_t slot)
{
    octo_assert(slot != SIMDISK_SLOT_NONE);
    void *at = simdisk_slot(pool, slot);
    octo_put_u32(at, pool->free_first);
    POISON(at);
    pool->free_first = slot;
    pool->free_count++;
}

/* ---- Trees ------------------------------------------------------------------------------------
 *
 * A radix tree over leaf numbers that grows at its root, so that nothing ever moves. */

static uint32_t child_number(uint32_t leaf_number, uint32_t level)
{
    return leaf_number >> SIMDISK_PAGE_BITS * (level - 1) & (SIMDISK_PAGE_CHILDREN - 1);
}

/* Whether a tree of this height has a place for the leaf. */
static bool tree_reaches(uint32_t height, uint32_t leaf_number)
{
    return height >= SIMDISK_HEIGHT_MAX || leaf_number >> SIMDISK_PAGE_BITS * height == 0;
}

static struct simdisk_sector *sector_of(const struct simdisk_pool *pool, uint32_t leaf,
                                        uint32_t number)
{
    struct simdisk_leaf *at = simdisk_slot(pool, leaf);
    return &at->sectors[number % SIMDISK_LEAF_SECTORS];
}

struct simdisk_sector *simdisk_tree_find(const struct simdisk_pool *pool,
                                         const struct simdisk_file *file, uint32_t number)
{
    const uint32_t leaf_number = number / SIMDISK_LEAF_SECTORS;
    if (file->leaf != SIMDISK_SLOT_NONE && file->leaf_number == leaf_number)
        return sector_of(pool, file->leaf, number);
    if (!tree_reaches(file->height, leaf_number))
        return NULL;
    uint32_t slot = file->root;
    for (uint32_t level = file->height; level > 0 && slot != SIMDISK_SLOT_NONE; level--) {
        const struct simdisk_page *page = simdisk_slot(pool, slot);
        slot = page->children[child_number(leaf_number, level)];
    }
    return slot == SIMDISK_SLOT_NONE ? NULL : sector_of(pool, slot, number);
}

static uint32_t take_cleared(struct simdisk_pool *pool)
{
    const uint32_t slot = simdisk_pool_take(pool);
    simdisk_slot_clear(simdisk_slot(pool, slot));
    return slot;
}

static void tree_grow(struct simdisk_pool *pool, struct simdisk_file *file, uint32_t leaf_number)
{
    while (!tree_reaches(file->height, leaf_number)) {
        if (file->root != SIMDISK_SLOT_NONE) {
            const uint32_t slot = take_cleared(pool);
            struct simdisk_page *page = simdisk_slot(pool, slot);
            page->children[0] = file->root;
            file->root = slot;
        }
        file->height++;
    }
}

struct simdisk_sector *simdisk_tree_get(struct simdisk_pool *pool, struct simdisk_file *file,
                                        uint32_t number)
{
    octo_assert(number != SIMDISK_SECTOR_NONE);
    const uint32_t leaf_number = number / SIMDISK_LEAF_SECTORS;
    if (file->leaf == SIMDISK_SLOT_NONE || file->leaf_number != leaf_number) {
        tree_grow(pool, file, leaf_number);
        uint32_t *slot = &file->root;
        for (uint32_t level = file->height; level > 0; level--) {
            if (*slot == SIMDISK_SLOT_NONE)
                *slot = take_cleared(pool);
            struct simdisk_page *page = simdisk_slot(pool, *slot);
            slot = &page->children[child_number(leaf_number, level)];
        }
        if (*slot == SIMDISK_SLOT_NONE)
            *slot = take_cleared(pool);
        file->leaf = *slot;
        file->leaf_number = leaf_number;
    }
    return sector_of(pool, file->leaf, number);
}

uint32_t simdisk_tree_slots(uint32_t sectors)
{
    const uint32_t leaves = sectors / SIMDISK_LEAF_SECTORS + 2;
    const uint32_t pages = leaves / SIMDISK_PAGE_CHILDREN * 2 + 2;
    return leaves + pages + 3 * SIMDISK_HEIGHT_MAX;
}

static void free_leaf(struct simdisk_pool *pool, struct simdisk_leaf *leaf)
{
    for (uint32_t i = 0; i < SIMDISK_LEAF_SECTORS; i++) {
        const struct simdisk_sector *sector = &leaf->sectors[i];
        if (sector->durable != SIMDISK_SLOT_NONE)
            simdisk_pool_give(pool, sector->durable);
        if (sector->cache != sector->durable)
            simdisk_pool_give(pool, sector->cache);
        octo_assert(sector->older == SIMDISK_SLOT_NONE); /* no write is in flight */
    }
}

/* Recursion as deep as the tree: SIMDISK_HEIGHT_MAX (K7). */
static void free_below(struct simdisk_pool *pool, uint32_t slot, uint32_t level)
{
    if (level == 0) {
        free_leaf(pool, simdisk_slot(pool, slot));
    } else {
        const struct simdisk_page *page = simdisk_slot(pool, slot);
        for (uint32_t i = 0; i < SIMDISK_PAGE_CHILDREN; i++) {
            if (page->children[i] != SIMDISK_SLOT_NONE)
                free_below(pool, page->children[i], level - 1);
        }
    }
    simdisk_pool_give(pool, slot);
}

void simdisk_tree_free(struct simdisk_pool *pool, struct simdisk_file *file)
{
    if (file->root != SIMDISK_SLOT_NONE)
        free_below(pool, file->root, file->height);
    file->root = SIMDISK_SLOT_NONE;
    file->height = 0;
    file->leaf = SIMDISK_SLOT_NONE;
}
