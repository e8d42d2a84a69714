#include "draw.h"
#include "kernel/snapshot/codec.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define CLUSTER 99u
#define ROOM    (OCTO_BLOCK_BYTES_MAX + 8u)

static const struct octo_snapshot_header sample = {
    .position = {.index = 7, .term = 3, .chain = 0x1122334455667788ull}, .machine_version = 5};

static uint8_t *work;
static uint8_t *raw_out;

static void setup(void)
{
    work = aligned_alloc(64, octo_block_work_bytes());
    raw_out = malloc(OCTO_BLOCK_RAW_MAX);
}

static void teardown(void)
{
    free(work);
    free(raw_out);
}

TestSuite(snapshot_codec, .init = setup, .fini = teardown);

/* In a block of exactly its size, so that reading beyond it is seen. */
static enum octo_err decode_exact(const uint8_t *bytes, uint32_t size, uint32_t number,
                                  uint64_t seed, struct octo_block *block)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, bytes, size);
    const enum octo_err err = octo_block_decode(copy, size, number, seed, raw_out, block);
    free(copy);
    return err;
}

Test(snapshot_codec, header_round_trip_and_every_bit)
{
    uint8_t bytes[OCTO_SNAPSHOT_HEADER_BYTES];
    struct octo_snapshot_header read;

    octo_snapshot_header_encode(bytes, CLUSTER, &sample);
    cr_assert_eq(octo_snapshot_header_decode(bytes, CLUSTER, &read), OCTO_ERR_OK);
    cr_assert_eq(read.position.index, 7);
    cr_assert_eq(read.position.term, 3);
    cr_assert_eq(read.position.chain, sample.position.chain);
    cr_assert_eq(read.machine_version, 5);
    cr_assert_eq(octo_snapshot_header_decode(bytes, CLUSTER + 1, &read), OCTO_ERR_CHECKSUM);
    for (uint32_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_neq(octo_snapshot_header_decode(bytes, CLUSTER, &read), OCTO_ERR_OK, "bit %u",
                      bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* Bytes that compress well (0), not at all (1), and somewhat (2). */
static void fill(uint8_t *raw, uint32_t size, uint32_t kind, uint64_t *random)
{
    for (uint32_t i = 0; i < size; i++)
        raw[i] = kind == 0 ? (uint8_t)(i / 64)
                           : (uint8_t)(kind == 1 ? draw(random) : draw_below(random, 4));
}

Test(snapshot_codec, blocks_round_trip)
{
    const uint32_t sizes[] = {1, 2, 7, 8, 12, 13, 100, 480, 4096, 65535, 65536};
    uint8_t *raw = malloc(OCTO_BLOCK_RAW_MAX);
    uint8_t *bytes = malloc(ROOM);
    uint64_t random = 1;
    uint32_t shorter = 0;

    for (uint32_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (uint32_t kind = 0; kind < 3; kind++) {
            struct octo_block block;
            fill(raw, sizes[i], kind, &random);
            const uint32_t size = octo_block_encode(bytes, i, raw, sizes[i], 42, work);
            cr_assert_leq(size, OCTO_BLOCK_HEADER_BYTES + octo_align_up(sizes[i], 8));
            shorter += size < sizes[i];
            cr_assert_eq(decode_exact(bytes, size, i, 42, &block), OCTO_ERR_OK);
            cr_assert_eq(block.bytes, size);
            cr_assert_eq(block.raw, sizes[i]);
            cr_assert_eq(memcmp(raw, raw_out, sizes[i]), 0);
            cr_assert_neq(decode_exact(bytes, size, i + 1, 42, &block), OCTO_ERR_OK);
            cr_assert_neq(decode_exact(bytes, size, i, 43, &block), OCTO_ERR_OK);
        }
    }
    cr_assert_gt(shorter, 5);
    free(raw);
    free(bytes);
}

Test(snapshot_codec, every_truncation_and_every_bit)
{
    uint8_t raw[300];
    uint8_t bytes[400];
    uint64_t random = 2;

    for (uint32_t kind = 0; kind < 4; kind++) {
        struct octo_block block;
        fill(raw, sizeof raw, kind, &random);
        const uint32_t size = kind == 3 ? octo_block_encode_last(bytes, 9, 12345, 678, 42)
                                        : octo_block_encode(bytes, 9, raw, 297, 42, work);
        for (uint32_t cut = 0; cut < size; cut++) {
            cr_assert_eq(decode_exact(bytes, cut, 9, 42, &block), OCTO_ERR_TRUNCATED);
            cr_assert_eq(block.bytes, cut < OCTO_BLOCK_HEADER_BYTES ? 0 : size);
        }
        for (uint32_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_neq(decode_exact(bytes, size, 9, 42, &block), OCTO_ERR_OK, "bit %u", bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        cr_assert_eq(decode_exact(bytes, size, 9, 42, &block), OCTO_ERR_OK);
        cr_assert_eq(block.raw, kind == 3 ? 0 : 297);
        if (kind == 3) {
            cr_assert_eq(block.raw_bytes, 12345);
            cr_assert_eq(block.raw_hash, 678);
        }
    }
}

/* Checksums are no protection from who can compute them: sizes, and lz4's bytes, are judged too. */
Test(snapshot_codec, hostile_sizes_and_bytes)
{
    const uint32_t sizes[][2] = {
        {0, 1},     {0, 0}, {15, 0},         {17, 0},         {65537, 65537},
        {8, 65537}, {9, 8}, {UINT32_MAX, 8}, {8, UINT32_MAX}, {UINT32_MAX, UINT32_MAX}};
    uint8_t bytes[256];
    uint64_t random = 3;
    struct octo_block block;

    for (uint32_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        octo_block_encode_last(bytes, 0, 1, 1, 42);
        octo_put_u32(bytes + 16, sizes[i][0]);
        octo_put_u32(bytes + 20, sizes[i][1]);
        cr_assert_eq(decode_exact(bytes, sizeof bytes, 0, 42, &block), OCTO_ERR_MALFORMED, "%u", i);
    }
    for (uint32_t i = 0; i < 20000; i++) { /* random lz4 bytes under a right checksum */
        const uint32_t stored = 1 + draw_below(&random, 64);
        const uint32_t raw = stored + 1 + draw_below(&random, 60000);
        memset(bytes, 0, sizeof bytes);
        octo_put_u32(bytes, OCTO_BLOCK_MAGIC);
        octo_put_u32(bytes + 16, stored);
        octo_put_u32(bytes + 20, raw);
        draw_bytes(&random, bytes + 32, stored);
        octo_put_u64(bytes + 8, octo_hash(bytes + 16, 16 + stored, 42 ^ octo_get_u64(bytes)));
        const uint32_t size = 32 + (uint32_t)octo_align_up(stored, 8);
        const enum octo_err err = decode_exact(bytes, size, 0, 42, &block);
        cr_assert(err == OCTO_ERR_OK || err == OCTO_ERR_MALFORMED);
    }
}
