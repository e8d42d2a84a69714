/* Chains of equal cells: how the key-value machine keeps its bytes. Private to kernel/kv*.c.
 *
 * An entry is a chain that holds one string: its key, then its value. Cells come from the machine's
 * allocator, all of one size, so that counting them is enough to know what fits.
 */
#ifndef OCTO_KERNEL_KV_CELLS_H
#define OCTO_KERNEL_KV_CELLS_H

#include "kernel/machine.h"

#define KV_CELL_BYTES 64u

typedef uint32_t kv_at; /* where a cell stands: its offset from the allocator; 0 is none */

/* Bytes where they stand in memory. */
struct kv_bytes {
    const uint8_t *at;
    uint32_t size;
};

/* How many cells there are. */
struct kv_pool {
    uint32_t used;
    uint32_t max;
};

/* The first cell of a chain: what is known of the entry, and the string's beginning. */
struct kv_entry {
    kv_at next; /* cell of the chain */
    kv_at left; /* the two children in the index */
    kv_at right;
    uint32_t image_bytes; /* of the subtree */
    uint64_t digest;      /* of key and value */
    uint32_t priority;    /* hash of the key */
    uint32_t value_size;
    uint16_t key_size;
    uint8_t bytes[30];
};

/* octo_kv_entry_at is the entry whose first cell is at. The allocator is the base of all offsets;
 * its const goes no deeper than that of a pointer. */
static inline struct kv_entry *octo_kv_entry_at(const struct octo_allocator *allocator, kv_at at)
{
    octo_assert(at != 0);
    octo_assert(at < allocator->used);
    return (struct kv_entry *)((uintptr_t)allocator + at);
}

/* octo_kv_cells_for is the number of cells of a chain with a string of size bytes; 1 or more. */
uint32_t octo_kv_cells_for(uint32_t size);

/* octo_kv_pool_has says whether a chain of `now` cells (0: none yet) can become one of `then`. */
bool octo_kv_pool_has(const struct kv_pool *pool, uint32_t now, uint32_t then);

/* octo_kv_chain_new makes a chain of one zeroed cell; octo_kv_chain_resize makes a chain count
 * cells long (1 or more), new ones zeroed; octo_kv_chain_free gives all of it back. There must be
 * room. */
kv_at octo_kv_chain_new(struct octo_allocator *allocator, struct kv_pool *pool);
void octo_kv_chain_resize(struct octo_allocator *allocator, struct kv_pool *pool, kv_at at,
                          uint32_t count);
void octo_kv_chain_free(struct octo_allocator *allocator, struct kv_pool *pool, kv_at at);

/* octo_kv_chain_cells counts a chain's cells. */
uint32_t octo_kv_chain_cells(const struct octo_allocator *allocator, kv_at at);

/* These work on the string from offset on; it must end within the chain's cells. compare is memcmp
 * of the string with bytes. */
void octo_kv_chain_write(const struct octo_allocator *allocator, kv_at at, uint32_t offset,
                         struct kv_bytes bytes);
void octo_kv_chain_read(const struct octo_allocator *allocator, kv_at at, uint32_t offset,
                        uint8_t *out, uint32_t size);
int octo_kv_chain_compare(const struct octo_allocator *allocator, kv_at at, uint32_t offset,
                          struct kv_bytes bytes);

/* octo_kv_chain_digest is a hash of an entry's key and value. */
uint64_t octo_kv_chain_digest(const struct octo_allocator *allocator, kv_at at);

#endif
