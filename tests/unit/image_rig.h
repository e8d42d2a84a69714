/* Durable images made by hand, byte by byte from docs/formats.md. Test code. */
#ifndef OCTO_TESTS_IMAGE_RIG_H
#define OCTO_TESTS_IMAGE_RIG_H

#include "kernel/kernel.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#define RIG_NODES        5u
#define RIG_FILE_SECTORS 256u
#define RIG_SECTOR       512u
#define RIG_CLUSTER      77u
#define RIG_NUMBERS      12u /* files of one kind */

/* One file: what was written, and which sectors of it are durable. */
struct rig_file {
    uint8_t bytes[RIG_FILE_SECTORS * RIG_SECTOR];
    bool durable[RIG_FILE_SECTORS];
    uint64_t end; /* where the next batch begins */
};

struct rig_disk {
    struct rig_file files[OCTO_FILE_SNAPSHOT + 1][RIG_NUMBERS]; /* by kind and number */
};

struct rig_disks {
    struct rig_disk nodes[RIG_NODES + 1];
};

static inline struct rig_file *rig_file_at(struct rig_disks *disks, octo_node_id node, uint8_t kind,
                                           uint32_t number)
{
    return &disks->nodes[node].files[kind][number];
}

/* The first file of a kind. */
static inline uint32_t rig_first(uint8_t kind)
{
    return kind == OCTO_FILE_MAIN || kind == OCTO_FILE_RECOVERY || kind == OCTO_FILE_SNAPSHOT;
}

static inline struct rig_file *rig_file(struct rig_disks *disks, octo_node_id node, uint8_t kind)
{
    return rig_file_at(disks, node, kind, rig_first(kind));
}

static inline const uint8_t *rig_sector(void *context, octo_node_id node, struct octo_file file,
                                        uint64_t sector)
{
    const struct rig_file *found = rig_file_at(context, node, file.kind, file.number);

    if (sector >= RIG_FILE_SECTORS || !found->durable[sector])
        return NULL;
    return found->bytes + sector * RIG_SECTOR;
}

static inline bool rig_size(void *context, octo_node_id node, struct octo_file file, uint64_t *size)
{
    const struct rig_file *found = rig_file_at(context, node, file.kind, file.number);

    *size = 0;
    for (uint32_t i = 0; i < RIG_FILE_SECTORS; i++) {
        if (found->durable[i])
            *size = (i + 1) * RIG_SECTOR;
    }
    return *size > 0;
}

static inline uint32_t rig_files(void *context, octo_node_id node, uint8_t kind, uint32_t *numbers,
                                 uint32_t count)
{
    uint32_t found = 0;
    uint64_t size;

    for (uint32_t number = 0; number < RIG_NUMBERS; number++) {
        if (!rig_size(context, node, (struct octo_file){kind, number}, &size))
            continue;
        if (found < count)
            numbers[found] = number;
        found++;
    }
    return found;
}

static inline struct octo_images rig_images(struct rig_disks *disks)
{
    return (struct octo_images){
        .context = disks, .sector = rig_sector, .size = rig_size, .files = rig_files};
}

/* ---- Records --------------------------------------------------------------------------------- */

struct rig_record {
    uint8_t type;
    octo_sequence sequence;
    uint64_t chain;          /* as in the record */
    struct octo_entry entry; /* else index and term; marker: client and sequence are the floor */
};

/* rig_record_put writes a record at offset `at` of a segment of node and returns its length. */
static inline uint32_t rig_record_put(uint8_t *bytes, octo_node_id node, uint32_t segment,
                                      uint64_t at, const struct rig_record *record)
{
    const struct octo_entry *entry = &record->entry;
    uint8_t *to = bytes + at;
    const uint64_t place =
        octo_format_seed(RIG_CLUSTER, node, OCTO_FILE_MAIN, (uint64_t)segment << 32 | at);

    octo_put_u32(to, 0x5254434fu);
    to[4] = 2;
    to[5] = record->type;
    to[6] = record->type == 1 ? (uint8_t)entry->kind : 0;
    to[7] = 0;
    octo_put_u64(to + 16, record->sequence);
    octo_put_u64(to + 24, entry->index);
    octo_put_u64(to + 32, entry->term);
    octo_put_u64(to + 40, record->chain);
    octo_put_u64(to + 48, entry->client);
    octo_put_u64(to + 56, entry->sequence);
    octo_put_u32(to + 64, entry->size);
    octo_put_u32(to + 68, 0);
    if (entry->size > 0)
        memcpy(to + 72, entry->command, entry->size);
    octo_put_u64(to + 8, octo_hash(to + 16, 56 + entry->size, place ^ octo_get_u64(to)));
    return (uint32_t)octo_align_up(72 + (uint64_t)entry->size, 8);
}

/* rig_vote_put writes slot `slot` of the vote file. */
static inline void rig_vote_put(struct rig_disks *disks, octo_node_id node, uint32_t slot,
                                uint64_t generation, octo_term term, octo_node_id vote)
{
    struct rig_file *file = rig_file(disks, node, OCTO_FILE_VOTE);
    uint8_t *to = file->bytes + slot * RIG_SECTOR;
    const uint64_t seed =
        octo_format_seed(RIG_CLUSTER, node, OCTO_FILE_VOTE, slot * (uint64_t)RIG_SECTOR);

    memset(to, 0, RIG_SECTOR);
    octo_put_u32(to, 0x5654434fu);
    to[4] = 1;
    to[5] = (uint8_t)(slot % 2);
    octo_put_u64(to + 16, generation);
    octo_put_u64(to + 24, term);
    octo_put_u32(to + 32, vote);
    octo_put_u64(to + 8, octo_hash(to + 16, 32, seed));
    file->durable[slot] = true;
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

struct rig_snapshot {
    octo_index index;
    octo_term term;
    uint64_t chain;
    uint32_t version; /* of the machine */
    const uint8_t *sessions;
    uint32_t sessions_bytes;
    const uint8_t *machine;
    uint32_t machine_bytes;
    uint32_t block_bytes; /* raw bytes of a block; 0: as many as may be */
    bool packed;          /* blocks are lz4's where that is shorter */
};

static inline uint64_t rig_block_put(uint8_t *to, uint64_t checksum, uint32_t number,
                                     const uint8_t *stored, uint32_t size, uint32_t raw)
{
    octo_put_u32(to, 0x4254434fu);
    octo_put_u32(to + 4, number);
    octo_put_u32(to + 16, size);
    octo_put_u32(to + 20, raw);
    octo_put_u64(to + 24, 0);
    memcpy(to + 32, stored, size);
    octo_put_u64(to + 8, octo_hash(to + 16, 16 + size, checksum ^ octo_get_u64(to)));
    return octo_align_up(32 + (uint64_t)size, 8);
}

/* rig_snapshot_put writes a snapshot to bytes, and returns its length. */
static inline uint64_t rig_snapshot_put(uint8_t *to, const struct rig_snapshot *snapshot)
{
    const uint32_t size = 8 + snapshot->sessions_bytes + snapshot->machine_bytes;
    const uint32_t most = snapshot->block_bytes == 0 ? 65536 : snapshot->block_bytes;
    uint8_t *raw = malloc(size), *packed = malloc(2 * most + 64);
    uint8_t last[16];
    uint64_t at = 64;
    uint32_t number = 0;

    octo_put_u64(raw, snapshot->sessions_bytes);
    memcpy(raw + 8, snapshot->sessions, snapshot->sessions_bytes);
    memcpy(raw + 8 + snapshot->sessions_bytes, snapshot->machine, snapshot->machine_bytes);
    memset(to, 0, 64);
    octo_put_u32(to, 0x5354434fu);
    to[4] = 1;
    octo_put_u64(to + 16, RIG_CLUSTER);
    octo_put_u64(to + 24, snapshot->index);
    octo_put_u64(to + 32, snapshot->term);
    octo_put_u64(to + 40, snapshot->chain);
    octo_put_u32(to + 48, snapshot->version);
    octo_put_u64(to + 8, octo_hash(to + 16, 48, octo_mix(RIG_CLUSTER)));
    const uint64_t checksum = octo_get_u64(to + 8);
    for (uint32_t done = 0; done < size;) {
        const uint32_t run = size - done < most ? size - done : most;
        const int short_one = LZ4_compress_default((const char *)raw + done, (char *)packed,
                                                   (int)run, (int)(2 * most + 64));
        if (snapshot->packed && (uint32_t)short_one < run)
            at += rig_block_put(to + at, checksum, number, packed, (uint32_t)short_one, run);
        else
            at += rig_block_put(to + at, checksum, number, raw + done, run, run);
        done += run;
        number++;
    }
    octo_put_u64(last, size);
    octo_put_u64(last + 8, octo_hash(raw, size, 0));
    at += rig_block_put(to + at, checksum, number, last, 16, 0);
    free(raw);
    free(packed);
    return at;
}

#endif
