/* Tables in the oracles' arena, and their hashes. Private to oracle/: memory.c, hash.c. */
#ifndef OCTO_ORACLE_TABLE_H
#define OCTO_ORACLE_TABLE_H

#include "oracle/oracle.h"

#define ORACLE_CHUNK_ITEMS 256u

/* A growing array whose items never move. Items are uncleared until somebody writes them. */
struct oracle_table {
    void **chunks;
    uint32_t chunk_count;
    uint32_t chunks_max;
    uint32_t item_bytes;
};

static inline void *oracle_table_at(const struct oracle_table *table, uint64_t item)
{
    return (uint8_t *)table->chunks[item / ORACLE_CHUNK_ITEMS] +
           (item % ORACLE_CHUNK_ITEMS) * table->item_bytes;
}

/* oracle_table_init makes an empty table of at most items_max items; false if the arena is full.
 * oracle_table_reserve makes room for items [0, count); false, and the oracles stop undecided, if
 * there is none. */
bool oracle_table_init(struct octo_oracles *oracles, struct oracle_table *table,
                       uint32_t item_bytes, uint64_t items_max) OCTO_MUST_USE;
bool oracle_table_reserve(struct octo_oracles *oracles, struct oracle_table *table,
                          uint64_t count) OCTO_MUST_USE;

/* oracle_keep copies bytes to memory that stays; NULL, and the oracles stop undecided, if there is
 * none. */
const uint8_t *oracle_keep(struct octo_oracles *oracles, const uint8_t *bytes,
                           uint32_t size) OCTO_MUST_USE;

/* oracle_room makes the array at *items at least `want` items long: what it held is kept if it has
 * to move. False, and the oracles stop undecided, if there is no memory. */
bool oracle_room(struct octo_oracles *oracles, void *items, uint32_t *capacity, uint64_t want,
                 uint32_t item_bytes) OCTO_MUST_USE;

/* oracle_memory_full stops the oracles undecided. */
void oracle_memory_full(struct octo_oracles *oracles);

uint64_t oracle_hash(const void *bytes, size_t size, uint64_t seed);

/* oracle_chain is the chain of docs/formats.md: it stands for an entry and its whole prefix. */
uint64_t oracle_chain(uint64_t previous, const struct octo_entry *entry);

#endif
