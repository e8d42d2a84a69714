/* The durable snapshot that counts, read as docs/formats.md says. Decoded once for each content: a
 * file is known by its number and its header's checksum, until something changes in it.
 */
#include "oracle/oracle_state.h"

#include <lz4.h>

#define LAST_BYTES 16u /* stored in the last block */

struct block {
    uint32_t number;
    uint32_t stored;
    uint32_t raw;
    uint64_t checksum;
    uint64_t bytes; /* in the file, padding included */
};

/* The raw bytes that the blocks stand for. */
struct raw {
    uint8_t *bytes;
    uint64_t size;
    uint64_t capacity;
};

static bool header_read(struct oracle_reader *reader, struct oracle_snapshot *snapshot)
{
    const struct octo_oracles_config *config = &reader->oracles->config;
    const uint8_t *at = oracle_reader_bytes(reader, 0, OCTO_SNAPSHOT_HEADER_BYTES);

    if (octo_get_u32(at) != OCTO_SNAPSHOT_MAGIC || at[4] != OCTO_SNAPSHOT_VERSION)
        return false;
    if (at[5] != 0 || octo_get_u16(at + 6) != 0)
        return false;
    if (octo_get_u64(at + 8) !=
        oracle_hash(at + 16, OCTO_SNAPSHOT_HEADER_BYTES - 16, octo_mix(config->cluster_id)))
        return false;
    if (octo_get_u64(at + 16) != config->cluster_id)
        return false;
    if (octo_get_u32(at + 52) != 0 || octo_get_u64(at + 56) != 0)
        return false;
    *snapshot = (struct oracle_snapshot){
        .number = reader->file.number,
        .checksum = octo_get_u64(at + 8),
        .at = {octo_get_u64(at + 24), octo_get_u64(at + 32), octo_get_u64(at + 40)},
        .machine_version = octo_get_u32(at + 48),
    };
    return true;
}

/* ---- Blocks -------------------------------------------------------------------------------- */

/* A block's header as it stands; its checksum is another matter. */
static bool block_look(struct oracle_reader *reader, uint64_t at, uint32_t number,
                       struct block *block)
{
    const uint8_t *bytes = oracle_reader_bytes(reader, at, OCTO_BLOCK_HEADER_BYTES);

    if (bytes == NULL || octo_get_u32(bytes) != OCTO_BLOCK_MAGIC)
        return false;
    *block = (struct block){
        .number = octo_get_u32(bytes + 4),
        .checksum = octo_get_u64(bytes + 8),
        .stored = octo_get_u32(bytes + 16),
        .raw = octo_get_u32(bytes + 20),
    };
    block->bytes = octo_align_up(OCTO_BLOCK_HEADER_BYTES + (uint64_t)block->stored, 8);
    if (block->number != number || octo_get_u64(bytes + 24) != 0)
        return false;
    if (block->raw == 0)
        return block->stored == LAST_BYTES;
    return block->stored <= OCTO_BLOCK_RAW_MAX && block->raw <= OCTO_BLOCK_RAW_MAX &&
           block->stored > 0;
}

/* The stored bytes of a verified block; NULL if it is damaged. */
static const uint8_t *block_verify(struct oracle_reader *reader, uint64_t at,
                                   const struct block *block, uint64_t file_checksum)
{
    const uint64_t size = OCTO_BLOCK_HEADER_BYTES + (uint64_t)block->stored;
    const uint8_t *bytes = oracle_reader_bytes(reader, at, size);

    if (bytes == NULL)
        return NULL;
    const uint64_t seed = file_checksum ^ octo_get_u64(bytes);
    if (block->checksum != oracle_hash(bytes + 16, size - 16, seed))
        return NULL;
    return bytes + OCTO_BLOCK_HEADER_BYTES;
}

static bool block_take(struct raw *raw, const uint8_t *stored, const struct block *block)
{
    uint8_t *to = raw->bytes + raw->size;

    octo_assert(raw->size + block->raw <= raw->capacity);
    raw->size += block->raw;
    if (block->stored == block->raw) {
        memcpy(to, stored, block->raw);
        return true;
    }
    const int made =
        LZ4_decompress_safe((const char *)stored, (char *)to, (int)block->stored, (int)block->raw);
    return made >= 0 && (uint32_t)made == block->raw;
}

/* How many raw bytes the blocks say they stand for; false if they do not reach a last one. */
static bool raw_measure(struct oracle_reader *reader, uint64_t *size)
{
    uint64_t at = OCTO_SNAPSHOT_HEADER_BYTES;
    struct block block;

    *size = 0;
    for (uint32_t number = 0; at < reader->size; number++, at += block.bytes) {
        if (!block_look(reader, at, number, &block))
            return false;
        if (block.raw == 0)
            return true;
        *size += block.raw;
    }
    return false;
}

static bool raw_read(struct oracle_reader *reader, uint64_t checksum, struct raw *raw)
{
    uint64_t at = OCTO_SNAPSHOT_HEADER_BYTES;

    for (uint32_t number = 0;; number++) {
        struct block block;
        if (!block_look(reader, at, number, &block))
            return false;
        const uint8_t *stored = block_verify(reader, at, &block, checksum);
        if (stored == NULL)
            return false;
        if (block.raw == 0)
            return octo_get_u64(stored) == raw->size &&
                   octo_get_u64(stored + 8) == oracle_hash(raw->bytes, raw->size, 0);
        if (!block_take(raw, stored, &block))
            return false;
        at += block.bytes;
    }
}

/* ---- Files --------------------------------------------------------------------------------- */

static bool content_read(struct oracle_reader *reader, struct oracle_snapshot *snapshot)
{
    struct octo_oracles *oracles = reader->oracles;
    struct raw raw = {.size = 0};

    if (!raw_measure(reader, &raw.capacity) || raw.capacity < 8)
        return false;
    /* The window grows in the arena, and what the blocks stand for goes behind it. */
    if (oracle_reader_bytes(reader, 0, OCTO_BLOCK_RAW_MAX + OCTO_BLOCK_HEADER_BYTES) == NULL)
        return false;
    struct octo_arena free_end = *oracles->arena;
    raw.bytes = octo_arena_alloc(&free_end, raw.capacity);
    if (raw.bytes == NULL) {
        oracle_memory_full(oracles);
        return false;
    }
    if (!raw_read(reader, snapshot->checksum, &raw))
        return false;
    snapshot->sessions_bytes = octo_get_u64(raw.bytes);
    if (snapshot->sessions_bytes > raw.size - 8)
        return false;
    const uint8_t *machine = raw.bytes + 8 + snapshot->sessions_bytes;
    snapshot->sessions_hash = oracle_hash(raw.bytes + 8, snapshot->sessions_bytes, 0);
    snapshot->machine_bytes = raw.size - 8 - snapshot->sessions_bytes;
    snapshot->machine_hash = oracle_hash(machine, snapshot->machine_bytes, 0);
    return true;
}

bool oracle_snapshot_durable(struct octo_oracles *oracles, octo_node_id node, octo_index index,
                             uint64_t number, const struct octo_images *images)
{
    uint32_t numbers[ORACLE_SNAPSHOTS_MAX];
    const uint32_t count =
        images->files(images->context, node, OCTO_FILE_SNAPSHOT, numbers, ORACLE_SNAPSHOTS_MAX);

    for (uint32_t i = 0; i < count && i < ORACLE_SNAPSHOTS_MAX && !oracles->stopped; i++) {
        const struct octo_file file = {.kind = OCTO_FILE_SNAPSHOT, .number = numbers[i]};
        struct oracle_reader reader;
        struct oracle_snapshot snapshot;
        if (file.number == OCTO_SNAPSHOT_SPARE || (number != 0 && file.number != number))
            continue;
        oracle_reader_open(&reader, oracles, node, file, images);
        if (header_read(&reader, &snapshot) && snapshot.at.index == index &&
            content_read(&reader, &snapshot))
            return true;
    }
    return false;
}

struct oracle_snapshot oracle_snapshot_read(struct octo_oracles *oracles, octo_node_id node,
                                            const struct oracle_snapshot *known,
                                            const struct octo_images *images)
{
    struct oracle_snapshot counts = {.number = 0};
    uint32_t numbers[ORACLE_SNAPSHOTS_MAX];
    const uint32_t count =
        images->files(images->context, node, OCTO_FILE_SNAPSHOT, numbers, ORACLE_SNAPSHOTS_MAX);

    if (count > ORACLE_SNAPSHOTS_MAX) {
        oracle_break(oracles, OCTO_PROPERTY_BOUNDED, "n%u keeps %u snapshots", node, count);
        return counts;
    }
    for (uint32_t i = count; i > 0 && numbers[i - 1] != OCTO_SNAPSHOT_SPARE; i--) {
        const struct octo_file file = {.kind = OCTO_FILE_SNAPSHOT, .number = numbers[i - 1]};
        struct oracle_reader reader;
        struct oracle_snapshot snapshot;
        oracle_reader_open(&reader, oracles, node, file, images);
        if (!header_read(&reader, &snapshot))
            continue;
        if (counts.number != 0 && snapshot.at.index <= counts.at.index)
            continue;
        if (snapshot.number == known->number && snapshot.checksum == known->checksum)
            counts = *known;
        else if (content_read(&reader, &snapshot))
            counts = snapshot;
        if (oracles->stopped)
            return (struct oracle_snapshot){.number = 0};
    }
    return counts;
}
