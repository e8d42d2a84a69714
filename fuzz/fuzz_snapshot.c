/* A snapshot file's bytes: header and blocks, as they are read from a disk or come from a leader.
 *
 * The first byte of an input says what is made right first: 1 the header's checksum; 2 the blocks'
 * checksums, numbers and magics; 4 their sizes too, as far as the bytes reach; 8 the last block's
 * sum and hash. What is accepted must be what the encoder would have said: blocks that are stored
 * as they are and the last one are written again and compared; a compressed one is compressed again
 * and must stand for the same bytes.
 */
#include "fuzz/replay.h"
#include "kernel/snapshot/codec.h"

#include <stdlib.h>

#define CLUSTER   7u
#define INPUT_MAX (1u << 18)

enum { SEAL_HEADER = 1, SEAL_BLOCKS = 2, SIZES_OK = 4, SUM_OK = 8 };

struct work {
    uint8_t raw[OCTO_BLOCK_RAW_MAX];
    uint8_t again[OCTO_BLOCK_RAW_MAX];
    uint8_t encoded[OCTO_BLOCK_BYTES_MAX + 8u];
    uint8_t *whole; /* all raw bytes */
    uint64_t whole_bytes;
    void *compressor;
};

/* ---- Made right ------------------------------------------------------------------------------ */

static void header_seal(uint8_t *at, uint32_t flags)
{
    if ((flags & SEAL_HEADER) == 0)
        return;
    octo_put_u32(at, OCTO_SNAPSHOT_MAGIC);
    octo_put_u64(at + 16, CLUSTER);
    octo_put_u64(at + 8, octo_hash(at + 16, OCTO_SNAPSHOT_HEADER_BYTES - 16, octo_mix(CLUSTER)));
}

/* `size` bytes are there from `at` on. */
static void block_seal(uint8_t *at, uint64_t size, uint32_t number, uint64_t seed, uint32_t flags,
                       const struct work *work)
{
    if ((flags & SEAL_BLOCKS) == 0 || size < OCTO_BLOCK_HEADER_BYTES)
        return;
    octo_put_u32(at, OCTO_BLOCK_MAGIC);
    octo_put_u32(at + 4, number);
    if ((flags & SIZES_OK) != 0) {
        const uint64_t room = (size - OCTO_BLOCK_HEADER_BYTES) / 8 * 8;
        const uint32_t stored =
            (uint32_t)octo_min_u64(octo_get_u32(at + 16) % (OCTO_BLOCK_RAW_MAX + 1), room);
        uint32_t raw = octo_get_u32(at + 20) % (OCTO_BLOCK_RAW_MAX + 1);
        if (raw < stored && raw != 0)
            raw = stored;
        octo_put_u32(at + 16, raw == 0 && room >= 16 ? 16 : stored);
        octo_put_u32(at + 20, raw);
        octo_put_u64(at + 24, 0);
    }
    const uint32_t stored = octo_get_u32(at + 16);
    if (stored > size - OCTO_BLOCK_HEADER_BYTES)
        return;
    if ((flags & SUM_OK) != 0 && octo_get_u32(at + 20) == 0 && stored == 16) {
        octo_put_u64(at + 32, work->whole_bytes);
        octo_put_u64(at + 40, octo_hash(work->whole, work->whole_bytes, 0));
    }
    const uint64_t padded = octo_min_u64(octo_align_up(stored, 8), size - OCTO_BLOCK_HEADER_BYTES);
    memset(at + 32 + stored, 0, padded - stored);
    octo_put_u64(at + 8, octo_hash(at + 16, 16u + (size_t)stored, seed ^ octo_get_u64(at)));
}

/* ---- Judging --------------------------------------------------------------------------------- */

static void block_again(struct work *work, const uint8_t *at, uint32_t number, uint64_t seed,
                        const struct octo_block *block)
{
    struct octo_block once_more;
    const uint32_t stored = octo_get_u32(at + 16);

    octo_assert(block->raw <= OCTO_BLOCK_RAW_MAX);
    octo_assert(block->bytes <= OCTO_BLOCK_BYTES_MAX);
    if (block->raw == 0) {
        const uint32_t bytes =
            octo_block_encode_last(work->encoded, number, block->raw_bytes, block->raw_hash, seed);
        octo_assert(bytes == block->bytes);
        octo_assert(memcmp(work->encoded, at, bytes) == 0);
        return;
    }
    octo_assert(stored <= block->raw);
    const uint32_t bytes =
        octo_block_encode(work->encoded, number, work->raw, block->raw, seed, work->compressor);
    octo_assert(octo_block_decode(work->encoded, bytes, number, seed, work->again, &once_more) ==
                OCTO_ERR_OK);
    octo_assert(once_more.raw == block->raw);
    octo_assert(memcmp(work->again, work->raw, block->raw) == 0);
}

/* Whether the bytes from `at` on are a valid block; they lie in a block of exactly their size, so
 * that a sanitizer sees one read too many. */
static bool block_ok(struct work *work, uint8_t *at, uint64_t size, uint32_t number, uint64_t seed,
                     struct octo_block *block)
{
    const uint32_t shown = (uint32_t)octo_min_u64(size, OCTO_BLOCK_BYTES_MAX);
    uint8_t *copy = malloc(shown > 0 ? shown : 1);

    if (copy == NULL)
        abort();
    if (shown > 0)
        memcpy(copy, at, shown);
    const enum octo_err err = octo_block_decode(copy, shown, number, seed, work->raw, block);
    if (err == OCTO_ERR_TRUNCATED)
        octo_assert(block->bytes == 0 ||
                    (block->bytes > shown && block->bytes <= OCTO_BLOCK_BYTES_MAX));
    if (err == OCTO_ERR_OK) {
        octo_assert(block->bytes <= shown);
        block_again(work, copy, number, seed, block);
    }
    free(copy);
    return err == OCTO_ERR_OK;
}

static void blocks(struct work *work, uint8_t *bytes, uint64_t size, uint32_t flags)
{
    const uint64_t seed = octo_snapshot_seed(bytes);
    uint64_t at = OCTO_SNAPSHOT_HEADER_BYTES;

    for (uint32_t number = 0; at < size; number++) {
        struct octo_block block;
        block_seal(bytes + at, size - at, number, seed, flags, work);
        if (!block_ok(work, bytes + at, size - at, number, seed, &block))
            return;
        if (block.raw == 0) {
            if ((flags & SUM_OK) != 0)
                octo_assert(block.raw_bytes == work->whole_bytes);
            return;
        }
        if (work->whole_bytes + block.raw > INPUT_MAX)
            return;
        memcpy(work->whole + work->whole_bytes, work->raw, block.raw);
        work->whole_bytes += block.raw;
        at += block.bytes;
    }
}

static void header(struct work *work, uint8_t *bytes, uint64_t size, uint32_t flags)
{
    struct octo_snapshot_header header;
    uint8_t again[OCTO_SNAPSHOT_HEADER_BYTES];

    header_seal(bytes, flags);
    if (octo_snapshot_header_decode(bytes, CLUSTER, &header) != OCTO_ERR_OK)
        return;
    octo_snapshot_header_encode(again, CLUSTER, &header);
    octo_assert(memcmp(again, bytes, sizeof again) == 0);
    blocks(work, bytes, size, flags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct work work;

    if (size < 1 + OCTO_SNAPSHOT_HEADER_BYTES || size > INPUT_MAX)
        return 0;
    uint8_t *bytes = malloc(size - 1);
    work.whole = malloc(INPUT_MAX);
    work.whole_bytes = 0;
    work.compressor = aligned_alloc(64, octo_block_work_bytes());
    if (bytes == NULL || work.whole == NULL || work.compressor == NULL)
        abort();
    memcpy(bytes, data + 1, size - 1);
    header(&work, bytes, size - 1, data[0]);
    free(work.compressor);
    free(work.whole);
    free(bytes);
    return 0;
}

/* ---- Seeds ----------------------------------------------------------------------------------- */

void fuzz_seeds(const char *directory)
{
    static const uint8_t raw[300] = {1, 2, 3, 4, 5, 6, 7, 8};
    static uint8_t input[1024];
    const struct octo_snapshot_header sample = {.position = {.index = 7, .term = 3, .chain = 11},
                                                .machine_version = 1};
    uint8_t *at = input + 1;
    void *compressor = aligned_alloc(64, octo_block_work_bytes());

    if (compressor == NULL)
        abort();
    octo_snapshot_header_encode(at, CLUSTER, &sample);
    const uint64_t seed = octo_snapshot_seed(at);
    at += OCTO_SNAPSHOT_HEADER_BYTES;
    at += octo_block_encode(at, 0, raw, sizeof raw, seed, compressor);
    at += octo_block_encode(at, 1, raw, 5, seed, compressor);
    uint8_t whole[sizeof raw + 5];
    memcpy(whole, raw, sizeof raw);
    memcpy(whole + sizeof raw, raw, 5);
    at += octo_block_encode_last(at, 2, sizeof whole, octo_hash(whole, sizeof whole, 0), seed);
    const size_t size = (size_t)(at - input);
    seed_put(directory, "whole", input, size);
    input[0] = SEAL_HEADER | SEAL_BLOCKS;
    seed_put(directory, "sealed", input, size);
    input[0] = SEAL_HEADER | SEAL_BLOCKS | SIZES_OK | SUM_OK;
    seed_put(directory, "sized", input, size);
    seed_put(directory, "cut", input, size - 20);
    free(compressor);
}
