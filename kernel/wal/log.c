/* The log in memory: two stacks, one of slots and one of payload bytes. Truncation pops both, so
 * neither ever fragments and nothing here depends on the length of the log. */
#include "kernel/wal/log.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHAIN_HEADER_BYTES 32u /* term, kind, client, client sequence: docs/formats.md, "Chain" */

uint64_t octo_entry_chain(uint64_t previous, const struct octo_entry *entry)
{
    uint8_t header[CHAIN_HEADER_BYTES];
    XXH3_state_t state;

    octo_put_u64(header, entry->term);
    octo_put_u64(header + 8, (uint64_t)entry->kind);
    octo_put_u64(header + 16, entry->client);
    octo_put_u64(header + 24, entry->sequence);
    /* Streaming gives the value of hashing header and command as one piece, without the copy. */
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset_withSeed(&state, previous);
    XXH3_64bits_update(&state, header, sizeof header);
    if (entry->size > 0)
        XXH3_64bits_update(&state, entry->command, entry->size);
    return XXH3_64bits_digest(&state);
}

static size_t slots_bytes(const struct octo_config *config)
{
    return octo_align_up((uint64_t)config->log_entries_max * sizeof(struct octo_log_slot), 64);
}

static size_t payload_bytes(const struct octo_config *config)
{
    return octo_align_up(config->log_bytes_max, 64);
}

size_t octo_log_bytes(const struct octo_config *config)
{
    return slots_bytes(config) + payload_bytes(config);
}

void octo_log_init(struct octo_log *log, const struct octo_config *config, struct octo_arena *arena)
{
    *log = (struct octo_log){
        .entries_max = config->log_entries_max,
        .bytes_max = config->log_bytes_max,
        .slots = octo_arena_alloc(arena, slots_bytes(config)),
        .bytes = octo_arena_alloc(arena, payload_bytes(config)),
    };
    octo_assert(log->slots != NULL);
    octo_assert(log->bytes != NULL);
}

enum octo_err octo_log_append(struct octo_log *log, const struct octo_entry *entry,
                              octo_sequence sequence)
{
    octo_assert(entry->index == log->last + 1);
    octo_assert(sequence > octo_log_sequence(log, log->last));
    if (log->last == log->entries_max)
        return OCTO_ERR_FULL;
    if (entry->size > log->bytes_max - log->bytes_used)
        return OCTO_ERR_FULL;

    log->slots[log->last] = (struct octo_log_slot){
        .term = entry->term,
        .chain = octo_entry_chain(octo_log_chain(log, log->last), entry),
        .sequence = sequence,
        .client = entry->client,
        .client_sequence = entry->sequence,
        .offset = log->bytes_used,
        .size = entry->size,
        .kind = (uint32_t)entry->kind,
    };
    /* The command may be one that was just truncated out of this very log. */
    if (entry->size > 0)
        memmove(log->bytes + log->bytes_used, entry->command, entry->size);
    log->bytes_used += entry->size;
    log->last++;
    return OCTO_ERR_OK;
}

void octo_log_truncate(struct octo_log *log, octo_index from)
{
    octo_assert(from >= 1);
    octo_assert(from <= log->last + 1);
    if (from > log->last)
        return;
    log->bytes_used = log->slots[from - 1].offset;
    log->last = from - 1;
}

octo_term octo_log_term(const struct octo_log *log, octo_index index)
{
    octo_assert(index <= log->last);
    return index == 0 ? 0 : log->slots[index - 1].term;
}

uint64_t octo_log_chain(const struct octo_log *log, octo_index index)
{
    octo_assert(index <= log->last);
    return index == 0 ? 0 : log->slots[index - 1].chain;
}

octo_sequence octo_log_sequence(const struct octo_log *log, octo_index index)
{
    octo_assert(index <= log->last);
    return index == 0 ? 0 : log->slots[index - 1].sequence;
}

bool octo_log_entry(const struct octo_log *log, octo_index index, struct octo_entry *entry)
{
    if (index == 0 || index > log->last)
        return false;
    const struct octo_log_slot *slot = &log->slots[index - 1];
    *entry = (struct octo_entry){
        .index = index,
        .term = slot->term,
        .chain = slot->chain,
        .kind = (enum octo_entry_kind)slot->kind,
        .client = slot->client,
        .sequence = slot->client_sequence,
        .command = log->bytes + slot->offset,
        .size = slot->size,
    };
    return true;
}
