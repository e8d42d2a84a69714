/* The disk formats as numbers. The byte tables and the "valid if and only if" conditions are in
 * docs/formats.md; the oracle's own decoder is written from that page and shares only the magics
 * below with the kernel's code. All integers are little-endian.
 */
#ifndef OCTO_KERNEL_FORMAT_H
#define OCTO_KERNEL_FORMAT_H

#include "kernel/base.h"

/* Sequences, indexes, terms and generations end well before 2^64, so that adding to one cannot
 * wrap. */
#define OCTO_FORMAT_NUMBER_MAX (UINT64_MAX / 4)

#define OCTO_RECORD_MAGIC        0x5254434fu /* "OCTR" */
#define OCTO_RECORD_VERSION      2u
#define OCTO_RECORD_HEADER_BYTES 72u /* then the command, padded with zeros to a multiple of 8 */
#define OCTO_RECORD_ENTRY        1u
#define OCTO_RECORD_MARKER       2u
#define OCTO_RECORD_BASE         3u /* the log goes on after an installed snapshot */
#define OCTO_RECORD_CUT          4u /* what stands before with a higher sequence is void */

/* The place of a byte in a topic: segments are numbered from 1. */
#define OCTO_SEGMENT_FIRST 1u
static inline uint64_t octo_segment_place(uint32_t segment, uint64_t offset)
{
    return (uint64_t)segment << 32 | offset;
}

#define OCTO_SNAPSHOT_MAGIC        0x5354434fu /* "OCTS" */
#define OCTO_SNAPSHOT_VERSION      1u
#define OCTO_SNAPSHOT_HEADER_BYTES 64u
#define OCTO_BLOCK_MAGIC           0x4254434fu /* "OCTB" */
#define OCTO_BLOCK_HEADER_BYTES    32u
#define OCTO_BLOCK_RAW_MAX         65536u
#define OCTO_SNAPSHOT_SPARE        0u /* number of the file that only holds space */

#define OCTO_VOTE_MAGIC   0x5654434fu /* "OCTV" */
#define OCTO_VOTE_VERSION 1u
#define OCTO_VOTE_BYTES   48u
#define OCTO_VOTE_SLOTS   4u /* slot s at s * sector_bytes; generation g in slots 2*(g%2) and +1 */

#define OCTO_IDENTITY_MAGIC   0x4954434fu /* "OCTI" */
#define OCTO_IDENTITY_VERSION 2u
#define OCTO_IDENTITY_BYTES   48u

/* octo_format_seed is the checksum seed of what lies at `place` of a file of `kind`: a record that
 * was written elsewhere, by another node or another cluster does not verify. MAIN and RECOVERY hold
 * the same bytes at the same places, so both use kind MAIN. */
static inline uint64_t octo_format_seed(uint64_t cluster_id, octo_node_id node, uint8_t kind,
                                        uint64_t place)
{
    return octo_mix(cluster_id ^ octo_mix(((uint64_t)node << 8 | kind) ^ octo_mix(place)));
}

#endif
