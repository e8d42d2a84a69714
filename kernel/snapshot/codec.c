/* The codec of a snapshot file: docs/formats.md, "snapshot". */
#include "kernel/snapshot/codec.h"

#include <lz4.h>

enum {
    HEADER_MAGIC = 0,
    HEADER_VERSION = 4,
    HEADER_CHECKSUM = 8,
    HEADER_CLUSTER = 16, /* the checksum covers from here on */
    HEADER_INDEX = 24,
    HEADER_TERM = 32,
    HEADER_CHAIN = 40,
    HEADER_MACHINE = 48,
    HEADER_ZERO = 52,
    HEADER_BYTES = 64,
};
_Static_assert(HEADER_BYTES == OCTO_SNAPSHOT_HEADER_BYTES, "the header of docs/formats.md");

enum {
    BLOCK_MAGIC = 0,
    BLOCK_NUMBER = 4,
    BLOCK_CHECKSUM = 8,
    BLOCK_STORED = 16, /* the checksum covers from here to the end of the stored bytes */
    BLOCK_RAW = 20,
    BLOCK_ZERO = 24,
    BLOCK_DATA = 32,
};
_Static_assert(BLOCK_DATA == OCTO_BLOCK_HEADER_BYTES, "the block of docs/formats.md");

#define LAST_STORED 16u /* number of raw bytes, and their hash */

static uint64_t header_checksum(const uint8_t *at, uint64_t cluster)
{
    return octo_hash(at + HEADER_CLUSTER, HEADER_BYTES - HEADER_CLUSTER, octo_mix(cluster));
}

void octo_snapshot_header_encode(uint8_t *at, uint64_t cluster,
                                 const struct octo_snapshot_header *header)
{
    octo_assert(header->position.index > 0);
    memset(at, 0, HEADER_BYTES);
    octo_put_u32(at + HEADER_MAGIC, OCTO_SNAPSHOT_MAGIC);
    at[HEADER_VERSION] = OCTO_SNAPSHOT_VERSION;
    octo_put_u64(at + HEADER_CLUSTER, cluster);
    octo_put_u64(at + HEADER_INDEX, header->position.index);
    octo_put_u64(at + HEADER_TERM, header->position.term);
    octo_put_u64(at + HEADER_CHAIN, header->position.chain);
    octo_put_u32(at + HEADER_MACHINE, header->machine_version);
    octo_put_u64(at + HEADER_CHECKSUM, header_checksum(at, cluster));
}

static bool all_zero(const uint8_t *at, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        if (at[i] != 0)
            return false;
    }
    return true;
}

enum octo_err octo_snapshot_header_decode(const uint8_t *at, uint64_t cluster,
                                          struct octo_snapshot_header *header)
{
    *header = (struct octo_snapshot_header){.machine_version = 0};
    if (octo_get_u32(at + HEADER_MAGIC) != OCTO_SNAPSHOT_MAGIC)
        return OCTO_ERR_MALFORMED;
    if (octo_get_u64(at + HEADER_CHECKSUM) != header_checksum(at, cluster))
        return OCTO_ERR_CHECKSUM;
    if (!all_zero(at + HEADER_VERSION + 1, 3))
        return OCTO_ERR_MALFORMED;
    if (at[HEADER_VERSION] != OCTO_SNAPSHOT_VERSION)
        return OCTO_ERR_VERSION;
    if (octo_get_u64(at + HEADER_CLUSTER) != cluster)
        return OCTO_ERR_CLUSTER;
    const struct octo_position position = {
        .index = octo_get_u64(at + HEADER_INDEX),
        .term = octo_get_u64(at + HEADER_TERM),
        .chain = octo_get_u64(at + HEADER_CHAIN),
    };
    if (position.index == 0 || position.term == 0 ||
        !all_zero(at + HEADER_ZERO, HEADER_BYTES - HEADER_ZERO))
        return OCTO_ERR_MALFORMED;
    header->position = position;
    header->machine_version = octo_get_u32(at + HEADER_MACHINE);
    return OCTO_ERR_OK;
}

/* ---- Blocks -------------------------------------------------------------------------------- */

size_t octo_block_work_bytes(void)
{
    return octo_align_up(sizeof(LZ4_stream_t), 64);
}

/* The eight bytes before the checksum are part of the seed: a block stands for its place only. */
static uint64_t block_checksum(const uint8_t *at, uint32_t stored, uint64_t seed)
{
    return octo_hash(at + BLOCK_STORED, (size_t)(BLOCK_DATA - BLOCK_STORED) + stored,
                     seed ^ octo_get_u64(at));
}

static uint32_t block_bytes(uint32_t stored)
{
    return BLOCK_DATA + (uint32_t)octo_align_up(stored, 8);
}

static uint32_t block_finish(uint8_t *at, uint32_t number, uint32_t stored, uint32_t raw,
                             uint64_t seed)
{
    const uint32_t bytes = block_bytes(stored);

    octo_put_u32(at + BLOCK_MAGIC, OCTO_BLOCK_MAGIC);
    octo_put_u32(at + BLOCK_NUMBER, number);
    octo_put_u32(at + BLOCK_STORED, stored);
    octo_put_u32(at + BLOCK_RAW, raw);
    octo_put_u64(at + BLOCK_ZERO, 0);
    memset(at + BLOCK_DATA + stored, 0, bytes - BLOCK_DATA - stored);
    octo_put_u64(at + BLOCK_CHECKSUM, block_checksum(at, stored, seed));
    return bytes;
}

uint32_t octo_block_encode(uint8_t *at, uint32_t number, const uint8_t *raw, uint32_t size,
                           uint64_t seed, void *work)
{
    octo_assert(size > 0);
    octo_assert(size <= OCTO_BLOCK_RAW_MAX);
    /* Room for one byte less than there is to say: what does not get shorter is not compressed. */
    int stored = LZ4_compress_fast_extState(work, (const char *)raw, (char *)at + BLOCK_DATA,
                                            (int)size, (int)size - 1, 1);
    if (stored <= 0) {
        memcpy(at + BLOCK_DATA, raw, size);
        stored = (int)size;
    }
    return block_finish(at, number, (uint32_t)stored, size, seed);
}

uint32_t octo_block_encode_last(uint8_t *at, uint32_t number, uint64_t raw_bytes, uint64_t raw_hash,
                                uint64_t seed)
{
    octo_put_u64(at + BLOCK_DATA, raw_bytes);
    octo_put_u64(at + BLOCK_DATA + 8, raw_hash);
    return block_finish(at, number, LAST_STORED, 0, seed);
}

static bool sizes_ok(uint32_t stored, uint32_t raw)
{
    if (raw == 0)
        return stored == LAST_STORED;
    return stored > 0 && stored <= raw && raw <= OCTO_BLOCK_RAW_MAX;
}

/* The raw bytes of a block whose checksum matches. */
static enum octo_err block_open(const uint8_t *data, uint32_t stored, uint8_t *raw,
                                struct octo_block *block)
{
    if (block->raw == 0) {
        block->raw_bytes = octo_get_u64(data);
        block->raw_hash = octo_get_u64(data + 8);
    } else if (block->raw == stored) {
        memcpy(raw, data, stored);
    } else if (LZ4_decompress_safe((const char *)data, (char *)raw, (int)stored, (int)block->raw) !=
               (int)block->raw) {
        return OCTO_ERR_MALFORMED;
    }
    return OCTO_ERR_OK;
}

enum octo_err octo_block_decode(const uint8_t *at, uint32_t size, uint32_t number, uint64_t seed,
                                uint8_t *raw, struct octo_block *block)
{
    *block = (struct octo_block){.bytes = 0};
    if (size < BLOCK_DATA)
        return OCTO_ERR_TRUNCATED;
    const uint32_t stored = octo_get_u32(at + BLOCK_STORED);
    const uint32_t raw_bytes = octo_get_u32(at + BLOCK_RAW);
    if (octo_get_u32(at + BLOCK_MAGIC) != OCTO_BLOCK_MAGIC ||
        octo_get_u32(at + BLOCK_NUMBER) != number || !all_zero(at + BLOCK_ZERO, 8) ||
        !sizes_ok(stored, raw_bytes))
        return OCTO_ERR_MALFORMED;
    block->bytes = block_bytes(stored);
    block->raw = raw_bytes;
    if (size < block->bytes)
        return OCTO_ERR_TRUNCATED;
    if (octo_get_u64(at + BLOCK_CHECKSUM) != block_checksum(at, stored, seed))
        return OCTO_ERR_CHECKSUM;
    if (!all_zero(at + BLOCK_DATA + stored, block->bytes - BLOCK_DATA - stored))
        return OCTO_ERR_MALFORMED;
    return block_open(at + BLOCK_DATA, stored, raw, block);
}
