/* The storage of the built-in key-value machine: keys and values in equal cells, keys in order.
 *
 * Private to kernel/kv*.c. Whether something fits depends on what is stored alone, not on the order
 * in which it came, because all cells are equal: a replica that was restored from a snapshot
 * refuses exactly what the others refuse. For the same reason there is nothing to compact.
 *
 * The index is a treap: a binary tree in key order that is also a heap in the order of a hash of
 * the key (Seidel and Aragon 1996). Its shape is a function of the set of keys. Every entry knows
 * the snapshot bytes of its subtree, so that a snapshot can go on at any byte offset.
 */
#ifndef OCTO_KERNEL_KV_STORE_H
#define OCTO_KERNEL_KV_STORE_H

#include "kernel/kv_cells.h"

/* An entry in a snapshot: key size u16, value size u32, key, value. */
#define KV_ENTRY_HEADER_BYTES 6u

struct kv_store {
    kv_at root;
    struct kv_pool pool;
    uint32_t count;  /* entries */
    uint64_t digest; /* sum of the entries' digests */
};

/* octo_kv_store_init makes an empty store that may use all that is left of the allocator. */
void octo_kv_store_init(struct kv_store *store, const struct octo_allocator *allocator);

/* octo_kv_store_find returns the entry with key, 0 if there is none. */
kv_at octo_kv_store_find(const struct octo_allocator *allocator, const struct kv_store *store,
                         struct kv_bytes key);

/* octo_kv_store_set makes value the value of key, creating it if need be. False, and nothing
 * changed, if there is no room. */
bool octo_kv_store_set(struct octo_allocator *allocator, struct kv_store *store,
                       struct kv_bytes key, struct kv_bytes value);

/* octo_kv_store_append adds bytes to the value of an existing entry. False, and nothing changed, if
 * there is no room. */
bool octo_kv_store_append(struct octo_allocator *allocator, struct kv_store *store, kv_at at,
                          struct kv_bytes bytes);

/* octo_kv_store_remove removes an existing entry. */
void octo_kv_store_remove(struct octo_allocator *allocator, struct kv_store *store, kv_at at);

/* What an entry holds. octo_kv_value_read copies size bytes of the value from offset on. */
uint32_t octo_kv_value_size(const struct octo_allocator *allocator, kv_at at);
void octo_kv_value_read(const struct octo_allocator *allocator, kv_at at, uint32_t offset,
                        uint8_t *out, uint32_t size);
bool octo_kv_value_equals(const struct octo_allocator *allocator, kv_at at, struct kv_bytes value);

/* The entries as one string of bytes, in key order: octo_kv_image_bytes is its length;
 * octo_kv_image_read copies some of it from offset on, at most size bytes and all of one entry, and
 * returns how many (0 only at the end). */
uint32_t octo_kv_image_bytes(const struct octo_allocator *allocator, const struct kv_store *store);
uint32_t octo_kv_image_read(const struct octo_allocator *allocator, const struct kv_store *store,
                            uint32_t offset, uint8_t *out, uint32_t size);

/* Rebuilding from an image. octo_kv_draft_new makes an entry outside of the index with room for a
 * key and a value of these sizes (0 if there is none); octo_kv_draft_write fills in key and value;
 * octo_kv_draft_enter enters it, if its key is above all others: otherwise false. */
kv_at octo_kv_draft_new(struct octo_allocator *allocator, struct kv_store *store, uint32_t key_size,
                        uint32_t value_size);
void octo_kv_draft_write(struct octo_allocator *allocator, kv_at at, uint32_t offset,
                         const uint8_t *bytes, uint32_t size);
bool octo_kv_draft_enter(struct octo_allocator *allocator, struct kv_store *store, kv_at at);

/* octo_kv_store_check walks the whole store and asserts its invariants; octo_kv_check does so for a
 * context of octo_machine_kv, unless a restore is under way. */
void octo_kv_store_check(const struct octo_allocator *allocator, const struct kv_store *store);
void octo_kv_check(const struct octo_machine_context *context);

#endif
