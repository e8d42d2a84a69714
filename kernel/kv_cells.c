#include "kernel/kv_cells.h"

#define DIGEST_SEED 0x6b76646967657374ull

struct kv_cell {
    kv_at next;
    uint8_t bytes[60];
};

#define FIRST_BYTES ((uint32_t)sizeof(((struct kv_entry *)NULL)->bytes))
#define CELL_BYTES  ((uint32_t)sizeof(((struct kv_cell *)NULL)->bytes))

_Static_assert(sizeof(struct kv_entry) == KV_CELL_BYTES, "an entry begins with one cell");
_Static_assert(sizeof(struct kv_cell) == KV_CELL_BYTES, "cells are equal");
_Static_assert(offsetof(struct kv_entry, next) == offsetof(struct kv_cell, next),
               "every cell begins with its link");

static struct kv_cell *cell_at(const struct octo_allocator *allocator, kv_at at)
{
    octo_assert(at != 0);
    octo_assert(at < allocator->used);
    return (struct kv_cell *)((uintptr_t)allocator + at);
}

uint32_t octo_kv_cells_for(uint32_t size)
{
    if (size <= FIRST_BYTES)
        return 1;
    return 1 + (size - FIRST_BYTES + CELL_BYTES - 1) / CELL_BYTES;
}

bool octo_kv_pool_has(const struct kv_pool *pool, uint32_t now, uint32_t then)
{
    return then <= now || then - now <= pool->max - pool->used;
}

static kv_at cell_take(struct octo_allocator *allocator, struct kv_pool *pool)
{
    octo_assert(pool->used < pool->max);
    uint8_t *cell = octo_alloc(allocator, KV_CELL_BYTES);
    octo_assert(cell != NULL); /* there are no other sizes, so counting cells is enough */
    memset(cell, 0, KV_CELL_BYTES);
    pool->used++;
    return (kv_at)((uintptr_t)cell - (uintptr_t)allocator);
}

static void cell_give(struct octo_allocator *allocator, struct kv_pool *pool, kv_at at)
{
    octo_assert(pool->used > 0);
    octo_free(allocator, cell_at(allocator, at), KV_CELL_BYTES);
    pool->used--;
}

kv_at octo_kv_chain_new(struct octo_allocator *allocator, struct kv_pool *pool)
{
    return cell_take(allocator, pool);
}

void octo_kv_chain_resize(struct octo_allocator *allocator, struct kv_pool *pool, kv_at at,
                          uint32_t count)
{
    octo_assert(count >= 1);
    kv_at *link = &octo_kv_entry_at(allocator, at)->next;
    for (uint32_t i = 1; i < count; i++) {
        if (*link == 0)
            *link = cell_take(allocator, pool);
        link = &cell_at(allocator, *link)->next;
    }
    kv_at rest = *link;
    *link = 0;
    while (rest != 0) {
        const kv_at next = cell_at(allocator, rest)->next;
        cell_give(allocator, pool, rest);
        rest = next;
    }
}

void octo_kv_chain_free(struct octo_allocator *allocator, struct kv_pool *pool, kv_at at)
{
    octo_kv_chain_resize(allocator, pool, at, 1);
    cell_give(allocator, pool, at);
}

uint32_t octo_kv_chain_cells(const struct octo_allocator *allocator, kv_at at)
{
    uint32_t cells = 1;
    kv_at next = octo_kv_entry_at(allocator, at)->next;
    for (; next != 0; next = cell_at(allocator, next)->next)
        cells++;
    return cells;
}

/* A run of bytes of a chain that lie together in memory. */
struct span {
    uint8_t *at;
    uint32_t size;
    kv_at next;
};

static struct span span_first(const struct octo_allocator *allocator, kv_at at, uint32_t offset)
{
    struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    if (offset < FIRST_BYTES)
        return (struct span){entry->bytes + offset, FIRST_BYTES - offset, entry->next};
    offset -= FIRST_BYTES;
    kv_at next = entry->next;
    for (; offset >= CELL_BYTES && next != 0; offset -= CELL_BYTES)
        next = cell_at(allocator, next)->next;
    if (next == 0) /* just past the last cell */
        return (struct span){NULL, 0, 0};
    struct kv_cell *cell = cell_at(allocator, next);
    return (struct span){cell->bytes + offset, CELL_BYTES - offset, cell->next};
}

static void span_skip(const struct octo_allocator *allocator, struct span *span, uint32_t size)
{
    octo_assert(size <= span->size);
    span->at += size;
    span->size -= size;
    if (span->size == 0 && span->next != 0) {
        struct kv_cell *cell = cell_at(allocator, span->next);
        *span = (struct span){cell->bytes, CELL_BYTES, cell->next};
    }
}

/* How much of size can be done in span's present run. */
static uint32_t span_run(const struct span *span, uint32_t size)
{
    const uint32_t run = (uint32_t)octo_min_u64(span->size, size);
    octo_assert(run > 0);
    return run;
}

void octo_kv_chain_write(const struct octo_allocator *allocator, kv_at at, uint32_t offset,
                         struct kv_bytes bytes)
{
    if (bytes.size == 0)
        return;
    struct span span = span_first(allocator, at, offset);
    while (bytes.size > 0) {
        const uint32_t run = span_run(&span, bytes.size);
        memcpy(span.at, bytes.at, run);
        span_skip(allocator, &span, run);
        bytes.at += run;
        bytes.size -= run;
    }
}

void octo_kv_chain_read(const struct octo_allocator *allocator, kv_at at, uint32_t offset,
                        uint8_t *out, uint32_t size)
{
    if (size == 0)
        return;
    struct span span = span_first(allocator, at, offset);
    while (size > 0) {
        const uint32_t run = span_run(&span, size);
        memcpy(out, span.at, run);
        span_skip(allocator, &span, run);
        out += run;
        size -= run;
    }
}

int octo_kv_chain_compare(const struct octo_allocator *allocator, kv_at at, uint32_t offset,
                          struct kv_bytes bytes)
{
    if (bytes.size == 0)
        return 0;
    struct span span = span_first(allocator, at, offset);
    while (bytes.size > 0) {
        const uint32_t run = span_run(&span, bytes.size);
        const int order = memcmp(span.at, bytes.at, run);
        if (order != 0)
            return order;
        span_skip(allocator, &span, run);
        bytes.at += run;
        bytes.size -= run;
    }
    return 0;
}

/* Cell by cell: where cells end is a function of the sizes. */
uint64_t octo_kv_chain_digest(const struct octo_allocator *allocator, kv_at at)
{
    const struct kv_entry *entry = octo_kv_entry_at(allocator, at);
    uint32_t size = entry->key_size + entry->value_size;
    uint64_t digest = octo_mix(DIGEST_SEED ^ ((uint64_t)entry->key_size << 32 | entry->value_size));
    struct span span = span_first(allocator, at, 0);

    while (size > 0) {
        const uint32_t run = span_run(&span, size);
        digest = octo_hash(span.at, run, digest);
        span_skip(allocator, &span, run);
        size -= run;
    }
    return digest;
}
