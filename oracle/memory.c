/* The oracles' memory: tables that grow in chunks, and bytes that are kept. */
#include "oracle/oracle_state.h"

#define KEEP_BYTES 16384u

void oracle_memory_full(struct octo_oracles *oracles)
{
    oracle_undecided(oracles, "the oracles' memory is full at event %" PRIu64, oracles->event);
    oracles->stopped = true;
}

bool oracle_table_init(struct octo_oracles *oracles, struct oracle_table *table,
                       uint32_t item_bytes, uint64_t items_max)
{
    table->chunks_max = (uint32_t)((items_max + ORACLE_CHUNK_ITEMS - 1) / ORACLE_CHUNK_ITEMS);
    table->chunk_count = 0;
    table->item_bytes = item_bytes;
    table->chunks = octo_arena_alloc(oracles->arena, table->chunks_max * sizeof *table->chunks);
    return table->chunks != NULL;
}

bool oracle_table_reserve(struct octo_oracles *oracles, struct oracle_table *table, uint64_t count)
{
    while ((uint64_t)table->chunk_count * ORACLE_CHUNK_ITEMS < count) {
        void *chunk = NULL;
        if (table->chunk_count < table->chunks_max)
            chunk =
                octo_arena_alloc(oracles->arena, (size_t)table->item_bytes * ORACLE_CHUNK_ITEMS);
        if (chunk == NULL) {
            oracle_memory_full(oracles);
            return false;
        }
        table->chunks[table->chunk_count] = chunk;
        table->chunk_count++;
    }
    return true;
}

const uint8_t *oracle_keep(struct octo_oracles *oracles, const uint8_t *bytes, uint32_t size)
{
    if (size > oracles->keep_room) {
        const uint32_t room = size > KEEP_BYTES ? size : KEEP_BYTES;
        oracles->keep = octo_arena_alloc(oracles->arena, room);
        oracles->keep_room = oracles->keep == NULL ? 0 : room;
        if (oracles->keep == NULL) {
            oracle_memory_full(oracles);
            return NULL;
        }
    }
    uint8_t *kept = oracles->keep;
    if (size > 0)
        memcpy(kept, bytes, size);
    oracles->keep += size;
    oracles->keep_room -= size;
    return kept;
}

bool oracle_room(struct octo_oracles *oracles, void *items, uint32_t *capacity, uint64_t want,
                 uint32_t item_bytes)
{
    uint64_t count = *capacity == 0 ? 16 : *capacity;
    void *before;

    if (want <= *capacity)
        return true;
    while (count < want)
        count *= 2;
    void *made = octo_arena_alloc(oracles->arena, count * item_bytes);
    if (made == NULL) {
        oracle_memory_full(oracles);
        return false;
    }
    memcpy(&before, items, sizeof before);
    if (*capacity > 0)
        memcpy(made, before, (size_t)*capacity * item_bytes);
    memcpy(items, &made, sizeof made);
    *capacity = (uint32_t)count;
    return true;
}
