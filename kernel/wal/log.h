/* The log in memory: entries base + 1 .. last, their payload bytes, and the physical sequence of
 * each.
 *
 * Private to kernel/. Two rings, one of slots and one of payload bytes: dropping entries at either
 * end moves nothing. A command is never split over the end of the bytes. Capacity is the
 * configuration's; nothing is cleared at init.
 */
#ifndef OCTO_KERNEL_WAL_LOG_H
#define OCTO_KERNEL_WAL_LOG_H

#include "kernel/config.h"
#include "kernel/memory.h"
#include "kernel/node.h"

/* A place in a log: its last index, the term there, and the chain, which stands for all before it.
 */
struct octo_position {
    octo_index index; /* 0: before the first entry; term and chain are 0 then */
    octo_term term;
    uint64_t chain;
};

static inline bool octo_position_equal(const struct octo_position *a, const struct octo_position *b)
{
    return a->index == b->index && a->term == b->term && a->chain == b->chain;
}

struct octo_log_slot {
    octo_term term;
    uint64_t chain;
    octo_sequence sequence; /* of the record that holds it on disk; 0: it has none yet */
    octo_client_id client;
    uint64_t client_sequence;
    uint64_t offset; /* of the command in the stream of bytes: bytes[offset % bytes_max] */
    uint32_t size;
    uint32_t kind;
};

struct octo_log {
    struct octo_position base; /* of what was dropped at the front */
    octo_index last;           /* equal to base.index: empty */
    uint32_t entries_max;
    uint32_t bytes_max;
    uint64_t bytes_end;          /* in the stream: where the next command goes, if it fits there */
    struct octo_log_slot *slots; /* slots[index % entries_max] */
    uint8_t *bytes;
};

size_t octo_log_bytes(const struct octo_config *config);
void octo_log_init(struct octo_log *log, const struct octo_config *config,
                   struct octo_arena *arena);

/* octo_log_span is how much of bytes_max the entries from + 1 .. to take (base <= from <= to <=
 * last), bytes that are wasted between them included. */
uint64_t octo_log_span(const struct octo_log *log, octo_index from, octo_index to);

/* octo_log_append adds an entry after the last one (entry->index is last + 1; entry->chain is
 * ignored and computed). Copies the command. OCTO_ERR_FULL leaves the log unchanged. */
enum octo_err octo_log_append(struct octo_log *log, const struct octo_entry *entry,
                              octo_sequence sequence) OCTO_MUST_USE;

/* octo_log_fits says whether octo_log_append would succeed after octo_log_truncate(entry->index).
 * entry->index is base + 1 .. last + 1. */
bool octo_log_fits(const struct octo_log *log, const struct octo_entry *entry);

/* octo_log_truncate removes the entries from `from` on (base + 1 .. last + 1). */
void octo_log_truncate(struct octo_log *log, octo_index from);

/* octo_log_compact removes the entries up to index (base .. last). */
void octo_log_compact(struct octo_log *log, octo_index index);

/* octo_log_reset empties the log: it goes on after base. */
void octo_log_reset(struct octo_log *log, const struct octo_position *base);

/* octo_log_has: whether term, chain and sequence of index are known: base .. last. */
static inline bool octo_log_has(const struct octo_log *log, octo_index index)
{
    return index >= log->base.index && index <= log->last;
}

/* octo_log_term, octo_log_chain, octo_log_sequence of an index that the log has (asserted). The
 * base has no sequence: 0. */
octo_term octo_log_term(const struct octo_log *log, octo_index index);
uint64_t octo_log_chain(const struct octo_log *log, octo_index index);
octo_sequence octo_log_sequence(const struct octo_log *log, octo_index index);
void octo_log_sequence_set(struct octo_log *log, octo_index index, octo_sequence sequence);

/* octo_log_position is the place at an index that the log has. */
struct octo_position octo_log_position(const struct octo_log *log, octo_index index);

/* octo_log_entry fills entry, or returns false: at or below the base, above the end. The command
 * points into the log until it is truncated or compacted. */
bool octo_log_entry(const struct octo_log *log, octo_index index, struct octo_entry *entry);

#endif
