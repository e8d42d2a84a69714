/* The log in memory: entries 1 .. last, their payload bytes, and the physical sequence of each.
 *
 * Private to kernel/. Capacity is the configuration's; nothing is cleared at init.
 */
#ifndef OCTO_KERNEL_WAL_LOG_H
#define OCTO_KERNEL_WAL_LOG_H

#include "kernel/config.h"
#include "kernel/memory.h"
#include "kernel/node.h"

struct octo_log_slot {
    octo_term term;
    uint64_t chain;
    octo_sequence sequence; /* of the record that holds it on disk */
    octo_client_id client;
    uint64_t client_sequence;
    uint32_t offset; /* of the command in bytes[] */
    uint32_t size;
    uint32_t kind;
    uint32_t one_topic; /* 1: recovery has found its record in one topic only */
};

struct octo_log {
    octo_index last; /* 0: empty */
    uint32_t entries_max;
    uint32_t bytes_max;
    uint32_t bytes_used;
    struct octo_log_slot *slots; /* slots[index - 1] */
    uint8_t *bytes;
};

size_t octo_log_bytes(const struct octo_config *config);
void octo_log_init(struct octo_log *log, const struct octo_config *config,
                   struct octo_arena *arena);

/* octo_log_append adds an entry after the last one (entry->index is last + 1; entry->chain is
 * ignored and computed). Copies the command. OCTO_ERR_FULL leaves the log unchanged. */
enum octo_err octo_log_append(struct octo_log *log, const struct octo_entry *entry,
                              octo_sequence sequence) OCTO_MUST_USE;

/* octo_log_truncate removes the entries from `from` on (1 .. last + 1). */
void octo_log_truncate(struct octo_log *log, octo_index from);

/* octo_log_term and octo_log_chain: 0 at index 0. index is at most last. */
octo_term octo_log_term(const struct octo_log *log, octo_index index);
uint64_t octo_log_chain(const struct octo_log *log, octo_index index);
octo_sequence octo_log_sequence(const struct octo_log *log, octo_index index);

/* octo_log_entry fills entry; the command points into the log until it is truncated. */
bool octo_log_entry(const struct octo_log *log, octo_index index, struct octo_entry *entry);

#endif
