/* The codec of messages between nodes, generated from kernel/wire/messages.h. */
#ifndef OCTO_KERNEL_WIRE_WIRE_H
#define OCTO_KERNEL_WIRE_WIRE_H

#include "kernel/base.h"
#include "kernel/node.h"
#include "kernel/wire/messages.h"

#define OCTO_MESSAGE_HEADER_BYTES 40u
#define OCTO_WIRE_VERSION         1u
#define OCTO_WIRE_ENTRY_BYTES     32u /* term 8, client 8, sequence 8, size 4, kind 1, zero 3 */

typedef uint8_t octo_wire_u8;
typedef uint32_t octo_wire_u32;
typedef uint64_t octo_wire_u64;

enum octo_message_type {
    OCTO_MESSAGE_NONE = 0,
#define OCTO_MESSAGE_ENUM(NAME, name, code) OCTO_MESSAGE_##NAME = (code),
    OCTO_MESSAGES(OCTO_MESSAGE_ENUM)
#undef OCTO_MESSAGE_ENUM
};

#define OCTO_MESSAGE_FIELD(type, field, minimum, maximum) octo_wire_##type field;
#define OCTO_MESSAGE_STRUCT(NAME, name, code)            \
    struct octo_##name {                                 \
        OCTO_MESSAGE_##NAME##_FIELDS(OCTO_MESSAGE_FIELD) \
    };
OCTO_MESSAGES(OCTO_MESSAGE_STRUCT)
#undef OCTO_MESSAGE_STRUCT
#undef OCTO_MESSAGE_FIELD

struct octo_message {
    enum octo_message_type type;
    octo_node_id from;
    octo_node_id to;
    octo_term term;
    union {
#define OCTO_MESSAGE_MEMBER(NAME, name, code) struct octo_##name name;
        OCTO_MESSAGES(OCTO_MESSAGE_MEMBER)
#undef OCTO_MESSAGE_MEMBER
    };
    /* The tail. APPEND_REQUEST, FETCH_RESPONSE: entry_count encoded entries. SNAPSHOT_REQUEST:
     * bytes of the snapshot's file. Else NULL. */
    union {
        const uint8_t *entries;
        const uint8_t *bytes;
    };
    union {
        uint32_t entries_bytes;
        uint32_t bytes_size;
    };
};

/* octo_message_encode writes message to out. Where a message has a tail, its encoded entries
 * (octo_entry_encode) or its bytes may already stand at their place, out +
 * octo_message_entries_offset(type): then message->entries points there and is not copied. Returns
 * the size, or 0 if capacity is too small.
 */
uint32_t octo_message_encode(const struct octo_message *message, uint64_t cluster_id, uint8_t *out,
                             uint32_t capacity);
uint32_t octo_message_entries_offset(enum octo_message_type type);

/* octo_message_decode reads and checks a message, its whole entry list included, so that
 * octo_entry_decode over message->entries cannot fail. message->entries points into bytes.
 * CHECKSUM, VERSION, WRONG_TYPE, TRUNCATED, TRAILING, RANGE, MALFORMED as base.h says. */
enum octo_err octo_message_decode(const uint8_t *bytes, uint32_t size, uint64_t cluster_id,
                                  struct octo_message *message) OCTO_MUST_USE;

/* octo_entry_encode appends one entry at out; returns its size, or 0 if it does not fit. */
uint32_t octo_entry_encode(const struct octo_entry *entry, uint8_t *out, uint32_t capacity);

/* octo_entry_decode reads the entry at bytes and sets *used; index and chain are 0, and the
 * caller's to fill in. The command points into bytes. TRUNCATED or MALFORMED: *used is 0, *entry
 * undefined. */
enum octo_err octo_entry_decode(const uint8_t *bytes, uint32_t size, struct octo_entry *entry,
                                uint32_t *used) OCTO_MUST_USE;

/* octo_message_peek reads type, from, to, term and the message's main index (last_index, prev_index
 * or index; 0 if it has none) of a message of the sender's own making, without the checksum. False
 * if it is too short or of no known type. For hosts and tools, which name messages by these. */
struct octo_message_name {
    enum octo_message_type type;
    octo_node_id from;
    octo_node_id to;
    octo_term term;
    octo_index index;
    uint64_t checksum; /* as in the header: stands for the content */
};
bool octo_message_peek(const uint8_t *bytes, uint32_t size, struct octo_message_name *name);

/* octo_message_text writes "append-request prev_index=4 …" (all fields) to out, NUL-terminated,
 * cut at capacity; returns the length without the NUL. octo_message_type_text: the name alone. */
uint32_t octo_message_text(const struct octo_message *message, char *out, uint32_t capacity);
const char *octo_message_type_text(enum octo_message_type type);

#endif
