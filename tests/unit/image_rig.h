/* Durable images made by hand, byte by byte from docs/formats.md. Test code. */
#ifndef OCTO_TESTS_IMAGE_RIG_H
#define OCTO_TESTS_IMAGE_RIG_H

#include "kernel/kernel.h"

#include <stdlib.h>
#include <string.h>

#define RIG_NODES        5u
#define RIG_FILE_SECTORS 512u
#define RIG_SECTOR       512u
#define RIG_CLUSTER      77u

/* One file: what was written, and which sectors of it are durable. */
struct rig_file {
    uint8_t bytes[RIG_FILE_SECTORS * RIG_SECTOR];
    bool durable[RIG_FILE_SECTORS];
    uint64_t end; /* where the next batch begins */
};

struct rig_disk {
    struct rig_file files[OCTO_FILE_RECOVERY + 1]; /* by kind */
};

struct rig_disks {
    struct rig_disk nodes[RIG_NODES + 1];
};

static inline struct rig_file *rig_file(struct rig_disks *disks, octo_node_id node, uint8_t kind)
{
    return &disks->nodes[node].files[kind];
}

static inline const uint8_t *rig_sector(void *context, octo_node_id node, struct octo_file file,
                                        uint64_t sector)
{
    const struct rig_file *found = rig_file(context, node, file.kind);

    if (sector >= RIG_FILE_SECTORS || !found->durable[sector])
        return NULL;
    return found->bytes + sector * RIG_SECTOR;
}

static inline bool rig_size(void *context, octo_node_id node, struct octo_file file, uint64_t *size)
{
    const struct rig_file *found = rig_file(context, node, file.kind);

    *size = 0;
    for (uint32_t i = 0; i < RIG_FILE_SECTORS; i++) {
        if (found->durable[i])
            *size = (i + 1) * RIG_SECTOR;
    }
    return true;
}

static inline struct octo_images rig_images(struct rig_disks *disks)
{
    return (struct octo_images){.context = disks, .sector = rig_sector, .size = rig_size};
}

/* ---- Records --------------------------------------------------------------------------------- */

struct rig_record {
    uint8_t type;
    octo_sequence sequence;
    uint64_t chain;          /* as in the record */
    struct octo_entry entry; /* a marker: index and term */
};

/* rig_record_put writes a record at offset `at` of a topic of node and returns its length. */
static inline uint32_t rig_record_put(uint8_t *bytes, octo_node_id node, uint64_t at,
                                      const struct rig_record *record)
{
    const struct octo_entry *entry = &record->entry;
    uint8_t *to = bytes + at;
    const uint64_t place = octo_format_seed(RIG_CLUSTER, node, OCTO_FILE_MAIN, at);

    octo_put_u32(to, 0x5254434fu);
    to[4] = 1;
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

#endif
