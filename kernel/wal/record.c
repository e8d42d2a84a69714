/* One record, to and from bytes: docs/formats.md, "Record". */
#include "kernel/wal/record.h"

enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_TYPE = 5,
    AT_KIND = 6,
    AT_ZERO = 7,
    AT_CHECKSUM = 8,
    AT_SEQUENCE = 16, /* the checksum covers from here to the end of the command */
    AT_INDEX = 24,
    AT_TERM = 32,
    AT_CHAIN = 40,
    AT_CLIENT = 48,
    AT_CLIENT_SEQUENCE = 56,
    AT_SIZE = 64,
    AT_ZERO_TOO = 68,
    AT_COMMAND = 72,
};
_Static_assert(AT_COMMAND == OCTO_RECORD_HEADER_BYTES, "the header of docs/formats.md");

/* The eight bytes before the checksum are part of the seed. Without them a record whose first bytes
 * were torn off at a sector boundary, and replaced by those of another record, would verify as one
 * of another type or kind. */
static uint64_t checksum(const uint8_t *at, uint32_t size, uint64_t seed)
{
    return octo_hash(at + AT_SEQUENCE, (size_t)(AT_COMMAND - AT_SEQUENCE) + size,
                     seed ^ octo_get_u64(at));
}

uint32_t octo_record_encode(uint8_t *at, const struct octo_record *record, uint64_t seed)
{
    const uint32_t size = record->size;
    const uint32_t bytes = (uint32_t)octo_record_bytes(size);

    octo_assert(record->type >= OCTO_RECORD_ENTRY && record->type <= OCTO_RECORD_CUT);
    octo_assert(record->type == OCTO_RECORD_ENTRY || size == 0);
    octo_put_u32(at + AT_MAGIC, OCTO_RECORD_MAGIC);
    at[AT_VERSION] = OCTO_RECORD_VERSION;
    at[AT_TYPE] = record->type;
    at[AT_KIND] = (uint8_t)record->kind;
    at[AT_ZERO] = 0;
    octo_put_u64(at + AT_SEQUENCE, record->sequence);
    octo_put_u64(at + AT_INDEX, record->index);
    octo_put_u64(at + AT_TERM, record->term);
    octo_put_u64(at + AT_CHAIN, record->chain);
    octo_put_u64(at + AT_CLIENT, record->client);
    octo_put_u64(at + AT_CLIENT_SEQUENCE, record->client_sequence);
    octo_put_u32(at + AT_SIZE, size);
    octo_put_u32(at + AT_ZERO_TOO, 0);
    if (size > 0)
        memcpy(at + AT_COMMAND, record->command, size);
    memset(at + AT_COMMAND + size, 0, bytes - AT_COMMAND - size);
    octo_put_u64(at + AT_CHECKSUM, checksum(at, size, seed));
    return bytes;
}

void octo_record_stamp(uint8_t *at, uint64_t seed)
{
    octo_put_u64(at + AT_CHECKSUM, checksum(at, octo_get_u32(at + AT_SIZE), seed));
}

void octo_record_view(const uint8_t *at, struct octo_record *record)
{
    *record = (struct octo_record){
        .type = at[AT_TYPE],
        .sequence = octo_get_u64(at + AT_SEQUENCE),
        .index = octo_get_u64(at + AT_INDEX),
        .term = octo_get_u64(at + AT_TERM),
        .chain = octo_get_u64(at + AT_CHAIN),
        .kind = (enum octo_entry_kind)at[AT_KIND],
        .client = octo_get_u64(at + AT_CLIENT),
        .client_sequence = octo_get_u64(at + AT_CLIENT_SEQUENCE),
        .command = at + AT_COMMAND,
        .size = octo_get_u32(at + AT_SIZE),
    };
}

/* The fields that can be judged before the checksum: they say how far it reaches. */
static bool fields_ok(const uint8_t *at)
{
    const uint32_t size = octo_get_u32(at + AT_SIZE);

    if (octo_get_u64(at + AT_SEQUENCE) > OCTO_FORMAT_NUMBER_MAX ||
        octo_get_u64(at + AT_INDEX) > OCTO_FORMAT_NUMBER_MAX ||
        octo_get_u64(at + AT_TERM) > OCTO_FORMAT_NUMBER_MAX)
        return false;

    if (at[AT_ZERO] != 0 || octo_get_u32(at + AT_ZERO_TOO) != 0)
        return false;
    if (at[AT_TYPE] < OCTO_RECORD_ENTRY || at[AT_TYPE] > OCTO_RECORD_CUT)
        return false;
    if (at[AT_TYPE] != OCTO_RECORD_ENTRY)
        return at[AT_KIND] == 0 && size == 0;
    if (at[AT_KIND] == OCTO_ENTRY_NOOP)
        return size == 0;
    return at[AT_KIND] == OCTO_ENTRY_COMMAND;
}

enum octo_err octo_record_parse(const uint8_t *at, uint64_t available, uint64_t seed,
                                struct octo_record *record, uint64_t *needed)
{
    *needed = OCTO_RECORD_HEADER_BYTES;
    /* Most calls look at padding: four bytes decide. */
    if (available >= 4 && octo_get_u32(at) != OCTO_RECORD_MAGIC)
        return OCTO_ERR_MALFORMED;
    if (available < OCTO_RECORD_HEADER_BYTES)
        return OCTO_ERR_TRUNCATED;
    if (at[AT_VERSION] != OCTO_RECORD_VERSION)
        return OCTO_ERR_VERSION;
    if (!fields_ok(at))
        return OCTO_ERR_MALFORMED;

    const uint32_t size = octo_get_u32(at + AT_SIZE);
    *needed = (uint64_t)OCTO_RECORD_HEADER_BYTES + size;
    if (*needed > available)
        return OCTO_ERR_TRUNCATED;
    if (octo_get_u64(at + AT_CHECKSUM) != checksum(at, size, seed))
        return OCTO_ERR_CHECKSUM;
    octo_record_view(at, record);
    return OCTO_ERR_OK;
}

struct octo_entry octo_record_entry(const struct octo_record *record)
{
    octo_assert(record->type == OCTO_RECORD_ENTRY);
    return (struct octo_entry){
        .index = record->index,
        .term = record->term,
        .kind = record->kind,
        .client = record->client,
        .sequence = record->client_sequence,
        .command = record->command,
        .size = record->size,
    };
}
