/* Snapshot files: docs/formats.md, "snapshot". What the blocks hold is not looked into. */
#include "tools/wal/tool.h"

#include <lz4.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LAST_STORED 16u

struct walk {
    struct snapshot *snapshot;
    const struct content *file;
    uint64_t at;
    uint64_t seed;
    XXH3_state_t *hash; /* apart: it is aligned beyond what memory for *this is */
    uint8_t raw[OCTO_BLOCK_RAW_MAX];
};

static bool bad(struct walk *walk, const char *why)
{
    walk->snapshot->why = why;
    walk->snapshot->damaged_at = walk->at;
    return false;
}

static bool header_ok(struct walk *walk, uint64_t cluster)
{
    const struct content *file = walk->file;
    struct snapshot *snapshot = walk->snapshot;

    if (file->size < OCTO_SNAPSHOT_HEADER_BYTES)
        return bad(walk, "the file ends within the header");
    const uint8_t *at = file->bytes;
    if (octo_get_u32(at) != OCTO_SNAPSHOT_MAGIC)
        return bad(walk, "this is no snapshot");
    snapshot->cluster = octo_get_u64(at + 16);
    if (octo_get_u64(at + 8) != octo_hash(at + 16, 48, octo_mix(snapshot->cluster)))
        return bad(walk, "the header's checksum does not match");
    if (at[4] != OCTO_SNAPSHOT_VERSION)
        return bad(walk, "a version that this program does not know");
    if (!content_zeros(file, 5, 3) || !content_zeros(file, 52, 12))
        return bad(walk, "the header is not as the format says");
    snapshot->headed = true;
    snapshot->position =
        (struct position){octo_get_u64(at + 24), octo_get_u64(at + 32), octo_get_u64(at + 40)};
    snapshot->machine_version = octo_get_u32(at + 48);
    if (cluster != 0 && snapshot->cluster != cluster)
        return bad(walk, "it is another cluster's");
    walk->seed = octo_get_u64(at + 8);
    walk->at = OCTO_SNAPSHOT_HEADER_BYTES;
    return true;
}

static bool last_ok(struct walk *walk, const uint8_t *data)
{
    const struct snapshot *snapshot = walk->snapshot;

    if (octo_get_u64(data) != snapshot->raw_bytes)
        return bad(walk, "the last block tells of another number of bytes");
    if (octo_get_u64(data + 8) != XXH3_64bits_digest(walk->hash))
        return bad(walk, "the last block's hash is not that of the content");
    return true;
}

static bool data_ok(struct walk *walk, const uint8_t *data, uint32_t stored, uint32_t raw)
{
    const uint8_t *content = data;

    if (raw != stored) {
        const int got =
            LZ4_decompress_safe((const char *)data, (char *)walk->raw, (int)stored, (int)raw);
        if (got != (int)raw)
            return bad(walk, "the block does not decompress");
        content = walk->raw;
    }
    XXH3_64bits_update(walk->hash, content, raw);
    walk->snapshot->raw_bytes += raw;
    walk->snapshot->blocks++;
    return true;
}

/* Verifies one block; *last says that it was the last one. */
static bool block_ok(struct walk *walk, bool *last)
{
    const struct content *file = walk->file;
    const uint64_t there = file->size - walk->at;

    if (there < OCTO_BLOCK_HEADER_BYTES)
        return bad(walk, "the file ends before the last block");
    const uint8_t *at = file->bytes + walk->at;
    const uint32_t stored = octo_get_u32(at + 16);
    const uint32_t raw = octo_get_u32(at + 20);
    if (octo_get_u32(at) != OCTO_BLOCK_MAGIC)
        return bad(walk, "no block begins here");
    if (octo_get_u32(at + 4) != walk->snapshot->blocks)
        return bad(walk, "the block has another number");
    if (stored == 0 || stored > OCTO_BLOCK_RAW_MAX || raw > OCTO_BLOCK_RAW_MAX ||
        (raw == 0 ? stored != LAST_STORED : stored > raw) || !content_zeros(file, walk->at + 24, 8))
        return bad(walk, "the block is not as the format says");
    const uint64_t bytes = OCTO_BLOCK_HEADER_BYTES + octo_align_up(stored, 8);
    if (bytes > there)
        return bad(walk, "the file ends within the block");
    if (octo_get_u64(at + 8) != octo_hash(at + 16, 16u + stored, walk->seed ^ octo_get_u64(at)))
        return bad(walk, "the block's checksum does not match");
    *last = raw == 0;
    if (!(*last ? last_ok(walk, at + 32) : data_ok(walk, at + 32, stored, raw)))
        return false;
    walk->at += bytes;
    return true;
}

void snapshot_read(struct snapshot *snapshot, const struct directory *directory, uint32_t number,
                   uint64_t cluster)
{
    struct content file;
    struct walk *walk = tool_grow(NULL, 1, sizeof *walk);
    XXH3_state_t hash;
    bool last = false;

    content_read(&file, directory, OCTO_FILE_SNAPSHOT, number);
    *snapshot = (struct snapshot){.number = number, .size = file.size};
    *walk = (struct walk){.snapshot = snapshot, .file = &file, .hash = &hash};
    XXH3_INITSTATE(&hash);
    XXH3_64bits_reset_withSeed(&hash, 0);
    bool sound = header_ok(walk, cluster);
    while (sound && !last)
        sound = block_ok(walk, &last);
    snapshot->valid = sound;
    snapshot->bytes = walk->at;
    content_free(&file);
    tool_free(walk);
}

uint64_t snapshot_cluster(const struct directory *directory, uint32_t number)
{
    struct snapshot snapshot;

    snapshot_read(&snapshot, directory, number, 0);
    return snapshot.headed ? snapshot.cluster : 0;
}
