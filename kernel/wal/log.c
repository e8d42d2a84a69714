/* The log in memory: two rings, one of slots and one of payload bytes. Both ends move in O(1), so
 * nothing here depends on the length of the log.
 *
 * Payload lies in a stream that only grows; `offset % bytes_max` is where it is. A command that
 * would pass the end of the buffer begins at its start instead: the bytes left at the end are
 * wasted until the stream has passed them. */
#include "kernel/wal/log.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHAIN_HEADER_BYTES 32u  /* term, kind, client, client sequence: docs/formats.md, "Chain" */
#define CHAIN_ONCE_BYTES   512u /* up to here in one piece: a stream takes longer to begin */

static void chain_header(uint8_t *at, const struct octo_entry *entry)
{
    octo_put_u64(at, entry->term);
    octo_put_u64(at + 8, (uint64_t)entry->kind);
    octo_put_u64(at + 16, entry->client);
    octo_put_u64(at + 24, entry->sequence);
}

/* Streaming gives the value of hashing header and command as one piece, without the copy. */
static uint64_t chain_long(uint64_t previous, const struct octo_entry *entry)
{
    uint8_t header[CHAIN_HEADER_BYTES];
    XXH3_state_t state;

    chain_header(header, entry);
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset_withSeed(&state, previous);
    XXH3_64bits_update(&state, header, sizeof header);
    XXH3_64bits_update(&state, entry->command, entry->size);
    return XXH3_64bits_digest(&state);
}

uint64_t octo_entry_chain(uint64_t previous, const struct octo_entry *entry)
{
    uint8_t bytes[CHAIN_ONCE_BYTES];

    if (entry->size > CHAIN_ONCE_BYTES - CHAIN_HEADER_BYTES)
        return chain_long(previous, entry);
    chain_header(bytes, entry);
    if (entry->size > 0)
        memcpy(bytes + CHAIN_HEADER_BYTES, entry->command, entry->size);
    return XXH3_64bits_withSeed(bytes, CHAIN_HEADER_BYTES + entry->size, previous);
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

static struct octo_log_slot *slot_at(const struct octo_log *log, octo_index index)
{
    octo_assert(index > log->base.index);
    octo_assert(index <= log->last);
    return &log->slots[index % log->entries_max];
}

/* Where in the stream a command of size bytes begins if the stream ends at `end`. */
static uint64_t command_offset(const struct octo_log *log, uint64_t end, uint32_t size)
{
    const uint64_t in = end % log->bytes_max;

    return in + size > log->bytes_max ? end + (log->bytes_max - in) : end;
}

/* Where the stream begins; everything before is free. */
static uint64_t stream_first(const struct octo_log *log, octo_index last)
{
    return last == log->base.index ? log->bytes_end : slot_at(log, log->base.index + 1)->offset;
}

uint64_t octo_log_span(const struct octo_log *log, octo_index from, octo_index to)
{
    if (from == to)
        return 0;
    const struct octo_log_slot *end = slot_at(log, to);
    return end->offset + end->size - slot_at(log, from + 1)->offset;
}

bool octo_log_fits(const struct octo_log *log, const struct octo_entry *entry)
{
    const bool cuts = entry->index <= log->last;
    const uint64_t end = cuts ? slot_at(log, entry->index)->offset : log->bytes_end;

    octo_assert(entry->index > log->base.index);
    octo_assert(entry->index <= log->last + 1);
    if (entry->index - log->base.index > log->entries_max || entry->size > log->bytes_max)
        return false;
    const uint64_t first = entry->index == log->base.index + 1 ? end : stream_first(log, log->last);
    const uint64_t used = command_offset(log, end, entry->size) + entry->size - first;
    return used <= log->bytes_max || first == end;
}

enum octo_err octo_log_append(struct octo_log *log, const struct octo_entry *entry,
                              octo_sequence sequence)
{
    octo_assert(entry->index == log->last + 1);
    if (!octo_log_fits(log, entry))
        return OCTO_ERR_FULL;

    const uint64_t offset = command_offset(log, log->bytes_end, entry->size);
    const uint64_t chain = octo_entry_chain(octo_log_chain(log, log->last), entry);
    /* The command may be one that was just truncated out of this very log. */
    if (entry->size > 0)
        memmove(log->bytes + offset % log->bytes_max, entry->command, entry->size);
    log->bytes_end = offset + entry->size;
    log->last++;
    *slot_at(log, log->last) = (struct octo_log_slot){
        .term = entry->term,
        .chain = chain,
        .sequence = sequence,
        .client = entry->client,
        .client_sequence = entry->sequence,
        .offset = offset,
        .size = entry->size,
        .kind = (uint32_t)entry->kind,
    };
    return OCTO_ERR_OK;
}

void octo_log_truncate(struct octo_log *log, octo_index from)
{
    octo_assert(from > log->base.index);
    octo_assert(from <= log->last + 1);
    if (from > log->last)
        return;
    log->bytes_end = slot_at(log, from)->offset;
    log->last = from - 1;
}

void octo_log_compact(struct octo_log *log, octo_index index)
{
    log->base = octo_log_position(log, index);
}

void octo_log_reset(struct octo_log *log, const struct octo_position *base)
{
    log->base = *base;
    log->last = base->index;
    log->bytes_end = 0; /* from there on everything fits that did before, nothing being wasted */
}

octo_term octo_log_term(const struct octo_log *log, octo_index index)
{
    return index == log->base.index ? log->base.term : slot_at(log, index)->term;
}

uint64_t octo_log_chain(const struct octo_log *log, octo_index index)
{
    return index == log->base.index ? log->base.chain : slot_at(log, index)->chain;
}

octo_sequence octo_log_sequence(const struct octo_log *log, octo_index index)
{
    return index == log->base.index ? 0 : slot_at(log, index)->sequence;
}

void octo_log_sequence_set(struct octo_log *log, octo_index index, octo_sequence sequence)
{
    slot_at(log, index)->sequence = sequence;
}

struct octo_position octo_log_position(const struct octo_log *log, octo_index index)
{
    return (struct octo_position){
        .index = index,
        .term = octo_log_term(log, index),
        .chain = octo_log_chain(log, index),
    };
}

bool octo_log_entry(const struct octo_log *log, octo_index index, struct octo_entry *entry)
{
    if (index <= log->base.index || index > log->last)
        return false;
    const struct octo_log_slot *slot = slot_at(log, index);
    *entry = (struct octo_entry){
        .index = index,
        .term = slot->term,
        .chain = slot->chain,
        .kind = (enum octo_entry_kind)slot->kind,
        .client = slot->client,
        .sequence = slot->client_sequence,
        .command = log->bytes + slot->offset % log->bytes_max,
        .size = slot->size,
    };
    return true;
}
