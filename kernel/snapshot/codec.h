/* The bytes of a snapshot file: its header and its blocks. docs/formats.md, "snapshot", has the
 * tables. Private to kernel/.
 *
 * Encoding asserts; decoding trusts nothing (K5).
 */
#ifndef OCTO_KERNEL_SNAPSHOT_CODEC_H
#define OCTO_KERNEL_SNAPSHOT_CODEC_H

#include "kernel/format.h"
#include "kernel/wal/log.h"

struct octo_snapshot_header {
    struct octo_position position; /* of the last entry applied */
    uint32_t machine_version;
};

/* octo_snapshot_header_encode writes OCTO_SNAPSHOT_HEADER_BYTES bytes at `at`. */
void octo_snapshot_header_encode(uint8_t *at, uint64_t cluster,
                                 const struct octo_snapshot_header *header);

/* octo_snapshot_header_decode reads as many. CHECKSUM: damaged, or another cluster's. VERSION: of a
 * format that this code does not know. MALFORMED: no such thing is ever written. */
enum octo_err octo_snapshot_header_decode(const uint8_t *at, uint64_t cluster,
                                          struct octo_snapshot_header *header) OCTO_MUST_USE;

/* octo_snapshot_seed is what ties blocks to their file: of an encoded header. */
static inline uint64_t octo_snapshot_seed(const uint8_t *header)
{
    return octo_get_u64(header + 8);
}

#define OCTO_BLOCK_BYTES_MAX  (OCTO_BLOCK_HEADER_BYTES + OCTO_BLOCK_RAW_MAX)
#define OCTO_BLOCK_LAST_BYTES (OCTO_BLOCK_HEADER_BYTES + 16u)

/* What the compressor works in: so many bytes, aligned to 64. */
size_t octo_block_work_bytes(void);

/* octo_block_encode writes block `number` at `at`, which has room for size bytes rounded up to 8
 * and a header, and returns what it takes. size is 1 .. OCTO_BLOCK_RAW_MAX. Bytes that lz4 does not
 * make fewer are stored as they are. */
uint32_t octo_block_encode(uint8_t *at, uint32_t number, const uint8_t *raw, uint32_t size,
                           uint64_t seed, void *work);

/* octo_block_encode_last writes the last block and returns OCTO_BLOCK_LAST_BYTES. */
uint32_t octo_block_encode_last(uint8_t *at, uint32_t number, uint64_t raw_bytes, uint64_t raw_hash,
                                uint64_t seed);

struct octo_block {
    uint32_t bytes;     /* in the file, header and padding included */
    uint32_t raw;       /* bytes that it stands for; 0: it is the last */
    uint64_t raw_bytes; /* the last: of the whole snapshot */
    uint64_t raw_hash;
};

/* octo_block_decode verifies block `number`, which begins at `at`, of a file with this seed; size
 * bytes are there. raw has room for OCTO_BLOCK_RAW_MAX bytes.
 *   TRUNCATED  more bytes are needed: block->bytes of them if it is not 0; never more than
 *              OCTO_BLOCK_BYTES_MAX
 *   CHECKSUM, MALFORMED  damaged; raw holds anything then */
enum octo_err octo_block_decode(const uint8_t *at, uint32_t size, uint32_t number, uint64_t seed,
                                uint8_t *raw, struct octo_block *block) OCTO_MUST_USE;

#endif
