/* The codec, generated from messages.h: adding a message or a field there is all there is to do,
 * but for rules between fields (fields_ok). */
#include "kernel/wire/wire.h"

#define WIRE_MAGIC 0x4d54434fu /* "OCTM" */

/* Where the header's fields stand. */
#define AT_MAGIC    0u
#define AT_VERSION  4u
#define AT_TYPE     5u
#define AT_ZERO     6u
#define AT_CHECKSUM 8u
#define AT_FROM     16u
#define AT_TO       20u
#define AT_TERM     24u
#define AT_BODY     32u
#define AT_ZERO_2   36u

_Static_assert(AT_ZERO_2 + 4 == OCTO_MESSAGE_HEADER_BYTES, "the header is packed");

/* Where an entry's stand. */
#define ENTRY_TERM     0u
#define ENTRY_CLIENT   8u
#define ENTRY_SEQUENCE 16u
#define ENTRY_SIZE     24u
#define ENTRY_KIND     28u
#define ENTRY_ZERO     29u

_Static_assert(ENTRY_ZERO + 3 == OCTO_WIRE_ENTRY_BYTES, "the entry's header is packed");

/* ---- Fields, one function of each sort per message ------------------------------------------ */

static inline uint8_t *put_u8(uint8_t *at, uint8_t value)
{
    at[0] = value;
    return at + 1;
}

static inline uint8_t *put_u32(uint8_t *at, uint32_t value)
{
    octo_put_u32(at, value);
    return at + 4;
}

static inline uint8_t *put_u64(uint8_t *at, uint64_t value)
{
    octo_put_u64(at, value);
    return at + 8;
}

static inline const uint8_t *get_u8(const uint8_t *at, uint8_t *value)
{
    *value = at[0];
    return at + 1;
}

static inline const uint8_t *get_u32(const uint8_t *at, uint32_t *value)
{
    *value = octo_get_u32(at);
    return at + 4;
}

static inline const uint8_t *get_u64(const uint8_t *at, uint64_t *value)
{
    *value = octo_get_u64(at);
    return at + 8;
}

static inline bool within(uint64_t value, uint64_t minimum, uint64_t maximum)
{
    return minimum <= value && value <= maximum;
}

#define FIELD_BYTES(type, field, minimum, maximum) +(uint32_t)sizeof(octo_wire_##type)
#define FIELD_PUT(type, field, minimum, maximum)   at = put_##type(at, fields->field);
#define FIELD_GET(type, field, minimum, maximum)   at = get_##type(at, &fields->field);
#define FIELD_WITHIN(type, field, minimum, maximum)   \
    if (!within(fields->field, (minimum), (maximum))) \
        return false;

#define MESSAGE_FUNCTIONS(NAME, name, code)                                      \
    enum { name##_bytes = 0 OCTO_MESSAGE_##NAME##_FIELDS(FIELD_BYTES) };         \
    static inline void name##_put(const struct octo_##name *fields, uint8_t *at) \
    {                                                                            \
        OCTO_MESSAGE_##NAME##_FIELDS(FIELD_PUT)(void) at;                        \
    }                                                                            \
    static inline void name##_get(struct octo_##name *fields, const uint8_t *at) \
    {                                                                            \
        OCTO_MESSAGE_##NAME##_FIELDS(FIELD_GET)(void) at;                        \
    }                                                                            \
    static inline bool name##_within(const struct octo_##name *fields)           \
    {                                                                            \
        OCTO_MESSAGE_##NAME##_FIELDS(FIELD_WITHIN) return true;                  \
    }
OCTO_MESSAGES(MESSAGE_FUNCTIONS)

/* ---- The same, over the type ---------------------------------------------------------------- */

/* The enumerator with this code, or NONE. */
static enum octo_message_type type_of(uint8_t code)
{
#define TYPE_OF(NAME, name, number) \
    if (code == (number))           \
        return OCTO_MESSAGE_##NAME;
    OCTO_MESSAGES(TYPE_OF)
#undef TYPE_OF
    return OCTO_MESSAGE_NONE;
}

static uint32_t fields_bytes(enum octo_message_type type)
{
    switch (type) {
    case OCTO_MESSAGE_NONE:
        break;
#define FIELDS_BYTES(NAME, name, code) \
    case OCTO_MESSAGE_##NAME:          \
        return name##_bytes;
        OCTO_MESSAGES(FIELDS_BYTES)
#undef FIELDS_BYTES
    }
    octo_assert(type != OCTO_MESSAGE_NONE);
    return 0;
}

static void fields_put(const struct octo_message *message, uint8_t *at)
{
    switch (message->type) {
    case OCTO_MESSAGE_NONE:
        break;
#define FIELDS_PUT(NAME, name, code)    \
    case OCTO_MESSAGE_##NAME:           \
        name##_put(&message->name, at); \
        break;
        OCTO_MESSAGES(FIELDS_PUT)
#undef FIELDS_PUT
    }
}

static void fields_get(struct octo_message *message, const uint8_t *at)
{
    switch (message->type) {
    case OCTO_MESSAGE_NONE:
        break;
#define FIELDS_GET(NAME, name, code)    \
    case OCTO_MESSAGE_##NAME:           \
        name##_get(&message->name, at); \
        break;
        OCTO_MESSAGES(FIELDS_GET)
#undef FIELDS_GET
    }
}

static bool fields_within(const struct octo_message *message)
{
    switch (message->type) {
    case OCTO_MESSAGE_NONE:
        break;
#define FIELDS_WITHIN(NAME, name, code) \
    case OCTO_MESSAGE_##NAME:           \
        return name##_within(&message->name);
        OCTO_MESSAGES(FIELDS_WITHIN)
#undef FIELDS_WITHIN
    }
    return false;
}

static bool carries_entries(enum octo_message_type type)
{
    return type == OCTO_MESSAGE_APPEND_REQUEST || type == OCTO_MESSAGE_FETCH_RESPONSE;
}

static bool carries_tail(enum octo_message_type type)
{
    return carries_entries(type) || type == OCTO_MESSAGE_SNAPSHOT_REQUEST;
}

/* The last bytes of a snapshot are at least one. */
static bool tail_ok(const struct octo_message *message)
{
    return message->type != OCTO_MESSAGE_SNAPSHOT_REQUEST || message->bytes_size > 0 ||
           message->snapshot_request.last == 0;
}

/* Index 0 is the empty log, whose term is 0; every entry's term is at least 1. */
static bool position_ok(octo_index index, octo_term term)
{
    return (index == 0) == (term == 0);
}

/* What must hold between the fields of one message. */
static bool fields_ok(const struct octo_message *message)
{
    switch (message->type) {
    case OCTO_MESSAGE_PRE_VOTE_REQUEST:
        return position_ok(message->pre_vote_request.last_index,
                           message->pre_vote_request.last_term);
    case OCTO_MESSAGE_VOTE_REQUEST:
        return position_ok(message->vote_request.last_index, message->vote_request.last_term);
    case OCTO_MESSAGE_APPEND_REQUEST:
        return position_ok(message->append_request.prev_index, message->append_request.prev_term);
    case OCTO_MESSAGE_FETCH_RESPONSE:
        return position_ok(message->fetch_response.prev_index, message->fetch_response.prev_term);
    case OCTO_MESSAGE_SNAPSHOT_REQUEST: /* what is committed was appended in a term before, or now
                                         */
        return message->snapshot_request.snapshot_term <= message->term;
    case OCTO_MESSAGE_NONE:
    case OCTO_MESSAGE_PRE_VOTE_RESPONSE:
    case OCTO_MESSAGE_VOTE_RESPONSE:
    case OCTO_MESSAGE_APPEND_RESPONSE:
    case OCTO_MESSAGE_SNAPSHOT_RESPONSE:
    case OCTO_MESSAGE_FETCH_REQUEST:
        break;
    }
    return true;
}

/* ---- Entries -------------------------------------------------------------------------------- */

static inline bool entry_ok(const struct octo_entry *entry)
{
    if (!within(entry->term, 1, OCTO_WIRE_NUMBER_MAX))
        return false;
    if (entry->kind == OCTO_ENTRY_NOOP)
        return entry->client == 0 && entry->sequence == 0 && entry->size == 0;
    return entry->client != 0 && entry->sequence != 0;
}

uint32_t octo_entry_encode(const struct octo_entry *entry, uint8_t *out, uint32_t capacity)
{
    octo_assert(entry->kind == OCTO_ENTRY_NOOP || entry->kind == OCTO_ENTRY_COMMAND);
    octo_assert(entry->command != NULL || entry->size == 0);
    octo_assert(entry_ok(entry)); /* nothing leaves that a peer would refuse */
    if (capacity < OCTO_WIRE_ENTRY_BYTES || capacity - OCTO_WIRE_ENTRY_BYTES < entry->size)
        return 0;
    octo_put_u64(out + ENTRY_TERM, entry->term);
    octo_put_u64(out + ENTRY_CLIENT, entry->client);
    octo_put_u64(out + ENTRY_SEQUENCE, entry->sequence);
    octo_put_u32(out + ENTRY_SIZE, entry->size);
    octo_put_u32(out + ENTRY_KIND, entry->kind); /* and the three zeros */
    if (entry->size > 0)
        memcpy(out + OCTO_WIRE_ENTRY_BYTES, entry->command, entry->size);
    return OCTO_WIRE_ENTRY_BYTES + entry->size;
}

enum octo_err octo_entry_decode(const uint8_t *bytes, uint32_t size, struct octo_entry *entry,
                                uint32_t *used)
{
    *used = 0;
    if (size < OCTO_WIRE_ENTRY_BYTES)
        return OCTO_ERR_TRUNCATED;
    const uint32_t command_bytes = octo_get_u32(bytes + ENTRY_SIZE);
    const uint32_t kind = octo_get_u32(bytes + ENTRY_KIND); /* with the three zeros above it */
    if (command_bytes > size - OCTO_WIRE_ENTRY_BYTES)
        return OCTO_ERR_TRUNCATED;
    if (kind != OCTO_ENTRY_NOOP && kind != OCTO_ENTRY_COMMAND)
        return OCTO_ERR_MALFORMED;
    entry->index = 0;
    entry->term = octo_get_u64(bytes + ENTRY_TERM);
    entry->chain = 0;
    entry->kind = (enum octo_entry_kind)kind;
    entry->client = octo_get_u64(bytes + ENTRY_CLIENT);
    entry->sequence = octo_get_u64(bytes + ENTRY_SEQUENCE);
    entry->command = bytes + OCTO_WIRE_ENTRY_BYTES;
    entry->size = command_bytes;
    if (!entry_ok(entry))
        return OCTO_ERR_MALFORMED;
    *used = OCTO_WIRE_ENTRY_BYTES + command_bytes;
    return OCTO_ERR_OK;
}

/* Walks the list of entries: as many as the message says, in the bytes there are, with terms that a
 * log can have. */
static enum octo_err entries_check(const struct octo_message *message)
{
    const bool fetched = message->type == OCTO_MESSAGE_FETCH_RESPONSE;
    const uint32_t count =
        fetched ? message->fetch_response.entry_count : message->append_request.entry_count;
    const uint8_t *at = message->entries;
    uint32_t left = message->entries_bytes;
    octo_term term =
        fetched ? message->fetch_response.prev_term : message->append_request.prev_term;

    for (uint32_t i = 0; i < count; i++) {
        struct octo_entry entry;
        uint32_t used;
        const enum octo_err err = octo_entry_decode(at, left, &entry, &used);
        if (err != OCTO_ERR_OK)
            return err;
        if (entry.term < term || entry.term > message->term)
            return OCTO_ERR_MALFORMED;
        term = entry.term;
        at += used;
        left -= used;
    }
    return left == 0 ? OCTO_ERR_OK : OCTO_ERR_TRAILING;
}

/* ---- Messages ------------------------------------------------------------------------------- */

static uint64_t checksum_of(const uint8_t *bytes, uint32_t size, uint64_t cluster_id)
{
    const uint64_t seed = octo_mix(cluster_id) ^ octo_get_u64(bytes + AT_MAGIC);
    return octo_hash(bytes + AT_FROM, size - AT_FROM, seed);
}

uint32_t octo_message_entries_offset(enum octo_message_type type)
{
    octo_assert(carries_tail(type));
    return OCTO_MESSAGE_HEADER_BYTES + fields_bytes(type);
}

uint32_t octo_message_encode(const struct octo_message *message, uint64_t cluster_id, uint8_t *out,
                             uint32_t capacity)
{
    octo_assert(carries_tail(message->type) || message->entries_bytes == 0);
    octo_assert(within(message->from, 1, OCTO_NODES_MAX));
    octo_assert(within(message->to, 1, OCTO_NODES_MAX));
    octo_assert(within(message->term, 0, OCTO_WIRE_NUMBER_MAX));
    octo_assert(fields_within(message));
    octo_assert(fields_ok(message));
    octo_assert(tail_ok(message));
    const uint32_t fixed = OCTO_MESSAGE_HEADER_BYTES + fields_bytes(message->type);
    if (capacity < fixed || capacity - fixed < message->entries_bytes)
        return 0;
    const uint32_t size = fixed + message->entries_bytes;
    if (message->entries_bytes > 0 && message->entries != out + fixed)
        memmove(out + fixed, message->entries, message->entries_bytes);
    octo_put_u32(out + AT_MAGIC, WIRE_MAGIC);
    out[AT_VERSION] = OCTO_WIRE_VERSION;
    out[AT_TYPE] = (uint8_t)message->type;
    octo_put_u16(out + AT_ZERO, 0);
    octo_put_u32(out + AT_FROM, message->from);
    octo_put_u32(out + AT_TO, message->to);
    octo_put_u64(out + AT_TERM, message->term);
    octo_put_u32(out + AT_BODY, size - OCTO_MESSAGE_HEADER_BYTES);
    octo_put_u32(out + AT_ZERO_2, 0);
    fields_put(message, out + OCTO_MESSAGE_HEADER_BYTES);
    octo_put_u64(out + AT_CHECKSUM, checksum_of(out, size, cluster_id));
    return size;
}

/* Everything in the header but the checksum; sets type, from, to, term. */
static enum octo_err header_decode(const uint8_t *bytes, uint32_t size,
                                   struct octo_message *message)
{
    if (octo_get_u32(bytes + AT_MAGIC) != WIRE_MAGIC)
        return OCTO_ERR_MALFORMED;
    if (bytes[AT_VERSION] != OCTO_WIRE_VERSION)
        return OCTO_ERR_VERSION;
    message->type = type_of(bytes[AT_TYPE]);
    if (message->type == OCTO_MESSAGE_NONE)
        return OCTO_ERR_WRONG_TYPE;
    if (octo_get_u16(bytes + AT_ZERO) != 0 || octo_get_u32(bytes + AT_ZERO_2) != 0)
        return OCTO_ERR_MALFORMED;
    const uint32_t body = octo_get_u32(bytes + AT_BODY);
    if (body > size - OCTO_MESSAGE_HEADER_BYTES || body < fields_bytes(message->type))
        return OCTO_ERR_TRUNCATED;
    if (body < size - OCTO_MESSAGE_HEADER_BYTES)
        return OCTO_ERR_TRAILING;
    message->from = octo_get_u32(bytes + AT_FROM);
    message->to = octo_get_u32(bytes + AT_TO);
    message->term = octo_get_u64(bytes + AT_TERM);
    if (!within(message->from, 1, OCTO_NODES_MAX) || !within(message->to, 1, OCTO_NODES_MAX))
        return OCTO_ERR_RANGE;
    return within(message->term, 0, OCTO_WIRE_NUMBER_MAX) ? OCTO_ERR_OK : OCTO_ERR_RANGE;
}

enum octo_err octo_message_decode(const uint8_t *bytes, uint32_t size, uint64_t cluster_id,
                                  struct octo_message *message)
{
    message->type = OCTO_MESSAGE_NONE;
    message->entries = NULL;
    message->entries_bytes = 0;
    if (size < OCTO_MESSAGE_HEADER_BYTES)
        return OCTO_ERR_TRUNCATED;
    if (octo_get_u64(bytes + AT_CHECKSUM) != checksum_of(bytes, size, cluster_id))
        return OCTO_ERR_CHECKSUM;
    const enum octo_err err = header_decode(bytes, size, message);
    if (err != OCTO_ERR_OK)
        return err;
    fields_get(message, bytes + OCTO_MESSAGE_HEADER_BYTES);
    if (!fields_within(message))
        return OCTO_ERR_RANGE;
    if (!fields_ok(message))
        return OCTO_ERR_MALFORMED;
    const uint32_t fixed = OCTO_MESSAGE_HEADER_BYTES + fields_bytes(message->type);
    if (!carries_tail(message->type))
        return size == fixed ? OCTO_ERR_OK : OCTO_ERR_TRAILING;
    message->entries = bytes + fixed;
    message->entries_bytes = size - fixed;
    if (carries_entries(message->type))
        return entries_check(message);
    return tail_ok(message) ? OCTO_ERR_OK : OCTO_ERR_MALFORMED;
}

/* ---- For people and tools ------------------------------------------------------------------- */

/* The index by which hosts and tools name a message; 0 if it has none. */
static octo_index main_index(const struct octo_message *message)
{
    switch (message->type) {
    case OCTO_MESSAGE_PRE_VOTE_REQUEST:
        return message->pre_vote_request.last_index;
    case OCTO_MESSAGE_VOTE_REQUEST:
        return message->vote_request.last_index;
    case OCTO_MESSAGE_APPEND_REQUEST:
        return message->append_request.prev_index;
    case OCTO_MESSAGE_APPEND_RESPONSE:
        return message->append_response.index;
    case OCTO_MESSAGE_SNAPSHOT_REQUEST:
        return message->snapshot_request.index;
    case OCTO_MESSAGE_SNAPSHOT_RESPONSE:
        return message->snapshot_response.index;
    case OCTO_MESSAGE_FETCH_REQUEST:
        return message->fetch_request.index;
    case OCTO_MESSAGE_FETCH_RESPONSE:
        return message->fetch_response.prev_index;
    case OCTO_MESSAGE_NONE:
    case OCTO_MESSAGE_PRE_VOTE_RESPONSE:
    case OCTO_MESSAGE_VOTE_RESPONSE:
        break;
    }
    return 0;
}

bool octo_message_peek(const uint8_t *bytes, uint32_t size, struct octo_message_name *name)
{
    struct octo_message message;

    *name = (struct octo_message_name){.type = OCTO_MESSAGE_NONE};
    if (size < OCTO_MESSAGE_HEADER_BYTES)
        return false;
    message.type = type_of(bytes[AT_TYPE]);
    if (message.type == OCTO_MESSAGE_NONE)
        return false;
    if (size - OCTO_MESSAGE_HEADER_BYTES < fields_bytes(message.type))
        return false;
    fields_get(&message, bytes + OCTO_MESSAGE_HEADER_BYTES);
    name->type = message.type;
    name->from = octo_get_u32(bytes + AT_FROM);
    name->to = octo_get_u32(bytes + AT_TO);
    name->term = octo_get_u64(bytes + AT_TERM);
    name->index = main_index(&message);
    name->checksum = octo_get_u64(bytes + AT_CHECKSUM);
    return true;
}

const char *octo_message_type_text(enum octo_message_type type)
{
    switch (type) {
    case OCTO_MESSAGE_NONE:
        return "none";
    case OCTO_MESSAGE_PRE_VOTE_REQUEST:
        return "pre-vote-request";
    case OCTO_MESSAGE_PRE_VOTE_RESPONSE:
        return "pre-vote-response";
    case OCTO_MESSAGE_VOTE_REQUEST:
        return "vote-request";
    case OCTO_MESSAGE_VOTE_RESPONSE:
        return "vote-response";
    case OCTO_MESSAGE_APPEND_REQUEST:
        return "append-request";
    case OCTO_MESSAGE_APPEND_RESPONSE:
        return "append-response";
    case OCTO_MESSAGE_SNAPSHOT_REQUEST:
        return "snapshot-request";
    case OCTO_MESSAGE_SNAPSHOT_RESPONSE:
        return "snapshot-response";
    case OCTO_MESSAGE_FETCH_REQUEST:
        return "fetch-request";
    case OCTO_MESSAGE_FETCH_RESPONSE:
        return "fetch-response";
    }
    return "unknown";
}

struct text {
    char *out;
    uint32_t capacity;
    uint32_t length; /* always below capacity: the NUL has its place */
};

static void text_add(struct text *text, const char *string)
{
    while (*string != '\0' && text->length + 1 < text->capacity)
        text->out[text->length++] = *string++;
}

static void text_add_field(struct text *text, const char *field, uint64_t value)
{
    char digits[21];
    uint32_t at = sizeof digits - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    text_add(text, " ");
    text_add(text, field);
    text_add(text, "=");
    text_add(text, &digits[at]);
}

uint32_t octo_message_text(const struct octo_message *message, char *out, uint32_t capacity)
{
    struct text text = {.out = out, .capacity = capacity};

    if (capacity == 0)
        return 0;
    text_add(&text, octo_message_type_text(message->type));
    switch (message->type) {
    case OCTO_MESSAGE_NONE:
        break;
#define FIELD_TEXT(type, field, minimum, maximum) text_add_field(&text, #field, fields->field);
#define MESSAGE_TEXT(NAME, name, code)                     \
    case OCTO_MESSAGE_##NAME: {                            \
        const struct octo_##name *fields = &message->name; \
        OCTO_MESSAGE_##NAME##_FIELDS(FIELD_TEXT) break;    \
    }
        OCTO_MESSAGES(MESSAGE_TEXT)
#undef MESSAGE_TEXT
#undef FIELD_TEXT
    }
    out[text.length] = '\0';
    return text.length;
}
