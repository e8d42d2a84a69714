/* A disk for the tests of the durable log: page cache apart from the durable image, per sector of
 * 512 bytes, with every fault that a crash, a kill or a failing operation may cause. Not the
 * simulator's disk, on purpose: two readings of the same contract find more than one.
 *
 * Operations wait until disk_complete is called on one of them, in any order.
 */
#ifndef OCTO_TESTS_WAL_DISK_H
#define OCTO_TESTS_WAL_DISK_H

#include <stdio.h>
#include <stdlib.h>

#include "kernel/event.h"

#define DISK_SECTOR     512u
#define DISK_SECTORS    2048u /* of one file, at most */
#define DISK_FILE_BYTES (DISK_SECTOR * DISK_SECTORS)
#define DISK_FILES      5u  /* names: enum octo_file_kind */
#define DISK_INODES     12u /* a name may get a new one while a crash may bring back the old */
#define DISK_OPS        16u
#define DISK_NO_FILE    (-1)

struct disk_inode {
    uint8_t *cache;
    uint8_t *durable;
    uint32_t cache_bytes;
    uint32_t durable_bytes;
    bool dirty[DISK_SECTORS]; /* the next good sync makes it durable */
};

struct disk_op {
    struct octo_disk_op op;
    uint64_t data_hash; /* the data must not change until the completion */
};

struct disk {
    uint64_t random;
    uint32_t write_fails_ppm; /* also CREATE, UNLINK, DIR_SYNC */
    uint32_t sync_fails_ppm;
    uint32_t read_fails_ppm;
    uint32_t read_short_ppm;
    uint64_t fail_countdown; /* the n-th operation from now fails; 0: none */
    struct disk_inode inodes[DISK_INODES];
    int names[DISK_FILES]; /* inode, or DISK_NO_FILE */
    int durable_names[DISK_FILES];
    bool dirty_names[DISK_FILES];
    struct disk_op ops[DISK_OPS];
    uint32_t op_count;
    uint8_t read_buffer[DISK_FILE_BYTES];
};

static const char *disk_complaint; /* the first broken rule of the contract, NULL if none */

static inline void disk_rule(bool holds, const char *rule)
{
    if (!holds && disk_complaint == NULL)
        disk_complaint = rule;
}

static inline uint64_t disk_random(struct disk *disk)
{
    disk->random += 0x9e3779b97f4a7c15ull;
    return octo_mix(disk->random);
}

static inline uint32_t disk_below(struct disk *disk, uint32_t bound)
{
    return (uint32_t)((disk_random(disk) >> 32) * bound >> 32);
}

static inline bool disk_chance(struct disk *disk, uint32_t ppm)
{
    return ppm > 0 && disk_below(disk, 1000000) < ppm;
}

static inline struct disk *disk_make(void)
{
    struct disk *disk = calloc(1, sizeof *disk);

    for (uint32_t i = 0; i < DISK_INODES; i++) {
        disk->inodes[i].cache = calloc(1, DISK_FILE_BYTES);
        disk->inodes[i].durable = calloc(1, DISK_FILE_BYTES);
    }
    return disk;
}

static inline void disk_free(struct disk *disk)
{
    for (uint32_t i = 0; i < DISK_INODES; i++) {
        free(disk->inodes[i].cache);
        free(disk->inodes[i].durable);
    }
    free(disk);
}

static inline void disk_inode_clear(struct disk_inode *inode)
{
    const uint32_t used =
        inode->cache_bytes > inode->durable_bytes ? inode->cache_bytes : inode->durable_bytes;
    memset(inode->cache, 0, octo_align_up(used, DISK_SECTOR));
    memset(inode->durable, 0, octo_align_up(used, DISK_SECTOR));
    memset(inode->dirty, 0, sizeof inode->dirty);
    inode->cache_bytes = 0;
    inode->durable_bytes = 0;
}

/* An empty directory, no faults. */
static inline void disk_reset(struct disk *disk, uint64_t seed)
{
    for (uint32_t i = 0; i < DISK_INODES; i++)
        disk_inode_clear(&disk->inodes[i]);
    for (uint32_t i = 0; i < DISK_FILES; i++) {
        disk->names[i] = DISK_NO_FILE;
        disk->durable_names[i] = DISK_NO_FILE;
        disk->dirty_names[i] = false;
    }
    disk->random = seed;
    disk->write_fails_ppm = 0;
    disk->sync_fails_ppm = 0;
    disk->read_fails_ppm = 0;
    disk->read_short_ppm = 0;
    disk->fail_countdown = 0;
    disk->op_count = 0;
}

static inline struct disk_inode *disk_file(struct disk *disk, uint8_t kind)
{
    const int inode = kind < DISK_FILES ? disk->names[kind] : DISK_NO_FILE;
    return inode == DISK_NO_FILE ? NULL : &disk->inodes[inode];
}

/* What a reader of the disk would see after a power loss that keeps nothing unsynced. */
static inline const struct disk_inode *disk_durable_file(const struct disk *disk, uint8_t kind)
{
    const int inode = disk->durable_names[kind];
    return inode == DISK_NO_FILE ? NULL : &disk->inodes[inode];
}

static inline int disk_inode_new(struct disk *disk)
{
    for (uint32_t i = 0; i < DISK_INODES; i++) {
        bool used = false;
        for (uint32_t name = 0; name < DISK_FILES; name++)
            used = used || disk->names[name] == (int)i || disk->durable_names[name] == (int)i;
        if (!used) {
            disk_inode_clear(&disk->inodes[i]);
            return (int)i;
        }
    }
    abort();
}

/* ---- Submitting ---------------------------------------------------------------------------- */

/* The contract's part of the submitter (K4, W3), checked on every operation. */
static inline void disk_submit(struct disk *disk, const struct octo_disk_op *op)
{
    const bool topic = op->file.kind == OCTO_FILE_MAIN || op->file.kind == OCTO_FILE_RECOVERY;
    const struct disk_inode *inode = disk_file(disk, op->file.kind);

    disk_rule(disk->op_count < DISK_OPS, "too many operations");
    for (uint32_t i = 0; i < disk->op_count; i++) {
        const struct octo_disk_op *other = &disk->ops[i].op;
        disk_rule(other->id < op->id, "operation id not fresh");
        disk_rule(other->file.kind != op->file.kind, "two operations on one file in flight");
    }
    if (op->kind == OCTO_DISK_WRITE) {
        disk_rule(op->length > 0 && op->offset + op->length <= DISK_FILE_BYTES, "file too long");
        disk_rule(op->offset % DISK_SECTOR == 0, "write not on a sector");
        if (topic && inode != NULL)
            disk_rule(op->offset >= inode->cache_bytes, "bytes of a topic overwritten");
    }
    struct disk_op *slot = &disk->ops[disk->op_count++];
    slot->op = *op;
    slot->data_hash = op->kind == OCTO_DISK_WRITE ? octo_hash(op->data, op->length, 0) : 0;
}

/* ---- Completing ---------------------------------------------------------------------------- */

static inline void disk_put(struct disk_inode *inode, const struct octo_disk_op *op, uint32_t from,
                            uint32_t to)
{
    if (from >= to)
        return;
    memcpy(inode->cache + op->offset + from, op->data + from, to - from);
    for (uint64_t at = op->offset + from; at < op->offset + to; at++)
        inode->dirty[at / DISK_SECTOR] = true;
    if (op->offset + to > inode->cache_bytes)
        inode->cache_bytes = (uint32_t)(op->offset + to);
}

/* Some of a write reaches the page cache. */
static inline void disk_put_some(struct disk *disk, const struct octo_disk_op *op)
{
    struct disk_inode *inode = disk_file(disk, op->file.kind);
    const uint32_t manner = disk_below(disk, 4);

    if (inode == NULL || manner == 0)
        return;
    for (uint32_t from = 0; from < op->length; from += DISK_SECTOR) {
        uint32_t to = (uint32_t)octo_min_u64(op->length, from + DISK_SECTOR);
        if (manner == 1 || disk_below(disk, 2) == 0) {
            if (manner == 3 && disk_below(disk, 4) == 0)
                to = from + disk_below(disk, to - from);
            disk_put(inode, op, from, to);
        }
    }
}

static inline enum octo_err disk_write(struct disk *disk, const struct octo_disk_op *op, bool fails,
                                       uint32_t *length)
{
    struct disk_inode *inode = disk_file(disk, op->file.kind);

    *length = 0;
    if (inode == NULL)
        return OCTO_ERR_NOT_FOUND;
    if (!fails) {
        disk_put(inode, op, 0, op->length);
        *length = op->length;
        return OCTO_ERR_OK;
    }
    if (disk_below(disk, 3) == 0) { /* short, and said to be fine */
        *length = disk_below(disk, op->length);
        disk_put(inode, op, 0, *length);
        return OCTO_ERR_OK;
    }
    disk_put_some(disk, op);
    return disk_below(disk, 2) == 0 ? OCTO_ERR_IO : OCTO_ERR_NO_SPACE;
}

static inline void disk_sector_garbage(struct disk *disk, struct disk_inode *inode, uint32_t sector)
{
    uint8_t *at = inode->durable + sector * DISK_SECTOR;

    if (disk_below(disk, 2) == 0) { /* another sector's contents */
        memmove(at, inode->cache + disk_below(disk, sector + 1) * DISK_SECTOR, DISK_SECTOR);
        return;
    }
    for (uint32_t i = 0; i < DISK_SECTOR; i++)
        at[i] = (uint8_t)disk_random(disk);
}

/* What becomes of a dirty sector that no good sync covers: kept, lost, torn or filled with garbage.
 */
static inline void disk_sector_fate(struct disk *disk, struct disk_inode *inode, uint32_t sector)
{
    const uint32_t at = sector * DISK_SECTOR;

    switch (disk_below(disk, 6)) {
    case 0:
    case 1:
        memcpy(inode->durable + at, inode->cache + at, DISK_SECTOR);
        break;
    case 2:
        memcpy(inode->durable + at, inode->cache + at, disk_below(disk, DISK_SECTOR));
        break;
    case 3:
        disk_sector_garbage(disk, inode, sector);
        break;
    default:
        break;
    }
}

/* After a failed sync a dirty sector may be durable after all, stay dirty, be gone from the cache
 * too, or be readable and never durable, with anything below it. */
static inline void disk_sync_failed(struct disk *disk, struct disk_inode *inode)
{
    for (uint32_t sector = 0; sector * DISK_SECTOR < inode->cache_bytes; sector++) {
        const uint32_t at = sector * DISK_SECTOR;
        if (!inode->dirty[sector])
            continue;
        const uint32_t fate = disk_below(disk, 4);
        if (fate == 0)
            continue;
        disk_sector_fate(disk, inode, sector);
        inode->dirty[sector] = false;
        if (fate == 1)
            memcpy(inode->cache + at, inode->durable + at, DISK_SECTOR);
    }
    if (inode->durable_bytes < inode->cache_bytes && disk_below(disk, 2) == 0)
        inode->durable_bytes = inode->cache_bytes;
}

static inline enum octo_err disk_sync(struct disk *disk, struct disk_inode *inode, bool fails)
{
    if (inode == NULL)
        return OCTO_ERR_NOT_FOUND;
    if (fails) {
        disk_sync_failed(disk, inode);
        return OCTO_ERR_IO;
    }
    for (uint32_t sector = 0; sector * DISK_SECTOR < inode->cache_bytes; sector++) {
        const uint32_t at = sector * DISK_SECTOR;
        if (inode->dirty[sector])
            memcpy(inode->durable + at, inode->cache + at, DISK_SECTOR);
        inode->dirty[sector] = false;
    }
    inode->durable_bytes = inode->cache_bytes;
    return OCTO_ERR_OK;
}

static inline enum octo_err disk_name(struct disk *disk, const struct octo_disk_op *op, bool fails)
{
    const uint8_t kind = op->file.kind;
    const bool create = op->kind == OCTO_DISK_CREATE;

    if (!create && disk->names[kind] == DISK_NO_FILE)
        return OCTO_ERR_NOT_FOUND;
    if (fails && disk_below(disk, 2) == 0)
        return OCTO_ERR_IO;
    if (!create || disk->names[kind] == DISK_NO_FILE) {
        disk->names[kind] = create ? disk_inode_new(disk) : DISK_NO_FILE;
        disk->dirty_names[kind] = true;
    }
    return fails ? OCTO_ERR_IO : OCTO_ERR_OK;
}

/* As with sectors: a failed sync of the directory may leave entries that never become durable. */
static inline enum octo_err disk_dir_sync(struct disk *disk, bool fails)
{
    for (uint32_t name = 0; name < DISK_FILES; name++) {
        if (!disk->dirty_names[name])
            continue;
        const uint32_t fate = fails ? disk_below(disk, 4) : 0;
        if (fate == 3)
            continue;
        disk->dirty_names[name] = false;
        if (fate == 0)
            disk->durable_names[name] = disk->names[name];
        else if (fate == 1)
            disk->names[name] = disk->durable_names[name];
    }
    return fails ? OCTO_ERR_IO : OCTO_ERR_OK;
}

static inline enum octo_err disk_read(struct disk *disk, const struct octo_disk_op *op, bool fails,
                                      uint32_t *length)
{
    const struct disk_inode *inode = disk_file(disk, op->file.kind);

    *length = 0;
    if (inode == NULL)
        return OCTO_ERR_NOT_FOUND;
    if (fails)
        return OCTO_ERR_IO;
    if (op->offset >= inode->cache_bytes)
        return OCTO_ERR_OK;
    *length = (uint32_t)octo_min_u64(op->length, inode->cache_bytes - op->offset);
    if (disk_chance(disk, disk->read_short_ppm))
        *length = 1 + disk_below(disk, *length);
    memcpy(disk->read_buffer, inode->cache + op->offset, *length);
    return OCTO_ERR_OK;
}

static inline enum octo_err disk_execute(struct disk *disk, const struct octo_disk_op *op,
                                         bool fails, uint32_t *length)
{
    switch ((enum octo_disk_kind)op->kind) {
    case OCTO_DISK_READ:
        return disk_read(disk, op, fails, length);
    case OCTO_DISK_WRITE:
        return disk_write(disk, op, fails, length);
    case OCTO_DISK_SYNC:
        return disk_sync(disk, disk_file(disk, op->file.kind), fails);
    case OCTO_DISK_CREATE:
    case OCTO_DISK_UNLINK:
        return disk_name(disk, op, fails);
    case OCTO_DISK_DIR_SYNC:
        return disk_dir_sync(disk, fails);
    case OCTO_DISK_NONE:
    case OCTO_DISK_RENAME:
    case OCTO_DISK_ALLOCATE:
    case OCTO_DISK_LIST:
        break;
    }
    abort();
}

static inline uint32_t disk_fails_ppm(const struct disk *disk, uint8_t kind)
{
    if (kind == OCTO_DISK_READ)
        return disk->read_fails_ppm;
    return kind == OCTO_DISK_SYNC || kind == OCTO_DISK_DIR_SYNC ? disk->sync_fails_ppm
                                                                : disk->write_fails_ppm;
}

/* Executes waiting operation `which` and fills the event that says so. */
static inline void disk_complete(struct disk *disk, uint32_t which, struct octo_event *event)
{
    const struct disk_op slot = disk->ops[which];
    uint32_t length = 0;

    disk->ops[which] = disk->ops[--disk->op_count];
    if (slot.op.kind == OCTO_DISK_WRITE)
        disk_rule(octo_hash(slot.op.data, slot.op.length, 0) == slot.data_hash,
                  "data changed under a write");
    const bool fails =
        disk->fail_countdown == 1 || disk_chance(disk, disk_fails_ppm(disk, slot.op.kind));
    disk->fail_countdown -= disk->fail_countdown > 0 ? 1 : 0;
    event->kind = OCTO_EVENT_DISK;
    event->disk.id = slot.op.id;
    event->disk.result = disk_execute(disk, &slot.op, fails, &length);
    event->disk.data = disk->read_buffer;
    event->disk.length = length;
}

/* ---- The end of an incarnation ------------------------------------------------------------- */

/* The process dies; the page cache survives. Waiting operations are done, in part, or not at all.
 */
static inline void disk_kill(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->op_count; i++) {
        const struct octo_disk_op *op = &disk->ops[i].op;
        uint32_t length;
        if (op->kind == OCTO_DISK_WRITE)
            disk_put_some(disk, op);
        else if (op->kind != OCTO_DISK_READ && disk_below(disk, 2) == 0)
            (void)disk_execute(disk, op, disk_below(disk, 2) == 0, &length);
    }
    disk->op_count = 0;
}

enum disk_loss {
    DISK_KEEPS_ANY = 0, /* any subset of what was not synced, torn and garbled too */
    DISK_KEEPS_NONE = 1,
    DISK_KEEPS_ALL = 2,
};

static inline void disk_inode_power_loss(struct disk *disk, struct disk_inode *inode,
                                         enum disk_loss loss)
{
    const uint32_t top = (uint32_t)octo_align_up(
        octo_max_u64(inode->cache_bytes, inode->durable_bytes), DISK_SECTOR);

    for (uint32_t sector = 0; sector * DISK_SECTOR < top; sector++) {
        const uint32_t at = sector * DISK_SECTOR;
        if (inode->dirty[sector] && loss == DISK_KEEPS_ALL)
            memcpy(inode->durable + at, inode->cache + at, DISK_SECTOR);
        else if (inode->dirty[sector] && loss == DISK_KEEPS_ANY)
            disk_sector_fate(disk, inode, sector);
        inode->dirty[sector] = false;
    }
    /* The size may be out of step with the data, either way. */
    if (inode->cache_bytes > inode->durable_bytes && loss != DISK_KEEPS_NONE) {
        const uint32_t more = inode->cache_bytes - inode->durable_bytes;
        const uint32_t manner = loss == DISK_KEEPS_ALL ? 0 : disk_below(disk, 3);
        inode->durable_bytes += manner == 0 ? more : manner == 1 ? disk_below(disk, more) : 0;
    }
    memset(inode->durable + inode->durable_bytes, 0, top - inode->durable_bytes);
    memcpy(inode->cache, inode->durable, top);
    inode->cache_bytes = inode->durable_bytes;
}

static inline void disk_power_loss(struct disk *disk, enum disk_loss loss)
{
    disk_kill(disk);
    for (uint32_t i = 0; i < DISK_INODES; i++)
        disk_inode_power_loss(disk, &disk->inodes[i], loss);
    for (uint32_t name = 0; name < DISK_FILES; name++) {
        const bool keeps =
            loss == DISK_KEEPS_ALL || (loss == DISK_KEEPS_ANY && disk_below(disk, 2) == 0);
        if (disk->dirty_names[name] && keeps)
            disk->durable_names[name] = disk->names[name];
        disk->names[name] = disk->durable_names[name];
        disk->dirty_names[name] = false;
    }
}

#endif
