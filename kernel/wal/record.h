/* One record of a log topic, to and from bytes. The byte table is in docs/formats.md.
 *
 * Private to kernel/wal/. `seed` is always octo_format_seed of the record's place: the same
 * bytes do not verify at another offset, in another segment, in another node's file or in another
 * cluster's.
 */
#ifndef OCTO_KERNEL_WAL_RECORD_H
#define OCTO_KERNEL_WAL_RECORD_H

#include "kernel/format.h"
#include "kernel/node.h"

struct octo_record {
    uint8_t type;           /* OCTO_RECORD_ENTRY, _MARKER, _BASE or _CUT */
    octo_sequence sequence; /* an entry's or base's own; the last one that a marker covers or a cut
                               leaves */
    octo_index index;
    octo_term term;
    uint64_t chain;           /* entry: of its predecessor; else: at its index */
    octo_client_id client;    /* marker: the floor's term */
    uint64_t client_sequence; /* marker: the floor's index */
    /* Entries only. */
    enum octo_entry_kind kind;
    const uint8_t *command;
    uint32_t size; /* bytes of the command */
};

/* octo_record_bytes is the length on disk of a record with a command of size bytes. */
static inline uint64_t octo_record_bytes(uint32_t size)
{
    return octo_align_up((uint64_t)OCTO_RECORD_HEADER_BYTES + size, 8);
}

/* octo_record_encode writes record to at: octo_record_bytes(record->size) of them, the padding
 * included. Returns that number. */
uint32_t octo_record_encode(uint8_t *at, const struct octo_record *record, uint64_t seed);

/* octo_record_stamp renews the checksum of an encoded record that moves to another offset. */
void octo_record_stamp(uint8_t *at, uint64_t seed);

/* octo_record_view reads the fields of a record that octo_record_encode wrote, unverified; its
 * command points into at. */
void octo_record_view(const uint8_t *at, struct octo_record *record);

/* octo_record_parse verifies the record at `at`, of which available bytes can be seen, and fills
 * record; its command points into at. Untrusted input. The padding need not be in sight.
 *   MALFORMED  no record begins here, or a field is not as the format says
 *   VERSION    a record of a version that this code does not know
 *   TRUNCATED  may be valid, but does not end within available; *needed is the length to show
 *   CHECKSUM   looks like a record and is damaged */
enum octo_err octo_record_parse(const uint8_t *at, uint64_t available, uint64_t seed,
                                struct octo_record *record, uint64_t *needed) OCTO_MUST_USE;

/* octo_record_entry is the log entry that an ENTRY record holds; its chain is left to
 * octo_log_append. */
struct octo_entry octo_record_entry(const struct octo_record *record);

#endif
