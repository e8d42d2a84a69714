/* A directory for the tests of snapshots: page cache apart from the durable image, names too. It
 * does one operation at a time, at once; any of them can be made to fail in each of its ways. Not
 * the simulator's disk, on purpose.
 */
#ifndef OCTO_TESTS_SNAPSHOT_DISK_H
#define OCTO_TESTS_SNAPSHOT_DISK_H

#include "kernel/event.h"
#include "tests/unit/draw.h"

#include <stdlib.h>

#define SNAPDISK_FILES  64u
#define SNAPDISK_BYTES  65536u
#define SNAPDISK_SECTOR 512u
#define SNAPDISK_NONE   UINT32_MAX

enum snapdisk_fault {
    SNAPDISK_WORKS = 0,
    SNAPDISK_FAILS,    /* nothing happens; a sync loses what it should have saved */
    SNAPDISK_HALF,     /* a write does half, and says so by its length; the rest as FAILS */
    SNAPDISK_POISONED, /* a sync: cached content stays readable, and is never durable unless it is
                          written anew; the rest as FAILS */
    SNAPDISK_FULL,     /* no space; a read as FAILS */
    SNAPDISK_DID,      /* done, and reported as failed */
    SNAPDISK_LIES,     /* a write is lost, a read is garbled, and nobody says so */
    SNAPDISK_FAULTS,
};

struct snapdisk_file {
    uint32_t name; /* snapdisk_name, or SNAPDISK_NONE */
    uint32_t durable_name;
    uint32_t bytes;
    uint32_t durable_bytes;
    uint8_t *cache;
    uint8_t *durable;
    bool dirty[SNAPDISK_BYTES / SNAPDISK_SECTOR];
    bool renamed; /* its names differ, and a sync may settle that */
};

struct snapdisk {
    struct snapdisk_file files[SNAPDISK_FILES];
    uint64_t operations;
    uint64_t fail_at; /* the operation with this number, from 1 on; 0: none */
    enum snapdisk_fault fault;
    bool full; /* until told otherwise: no write, no space */
    uint8_t answer[SNAPDISK_BYTES];
};

static inline uint32_t snapdisk_name(struct octo_file file)
{
    return (uint32_t)file.kind << 24 | file.number;
}

static inline struct snapdisk *snapdisk_make(void)
{
    struct snapdisk *disk = calloc(1, sizeof *disk);

    for (uint32_t i = 0; i < SNAPDISK_FILES; i++) {
        disk->files[i].name = disk->files[i].durable_name = SNAPDISK_NONE;
        disk->files[i].cache = calloc(1, SNAPDISK_BYTES);
        disk->files[i].durable = calloc(1, SNAPDISK_BYTES);
    }
    return disk;
}

static inline void snapdisk_free(struct snapdisk *disk)
{
    for (uint32_t i = 0; i < SNAPDISK_FILES; i++) {
        free(disk->files[i].cache);
        free(disk->files[i].durable);
    }
    free(disk);
}

static inline struct snapdisk_file *snapdisk_find(struct snapdisk *disk, uint32_t name)
{
    for (uint32_t i = 0; i < SNAPDISK_FILES; i++) {
        if (disk->files[i].name == name)
            return &disk->files[i];
    }
    return NULL;
}

static inline struct snapdisk_file *snapdisk_new(struct snapdisk *disk, uint32_t name)
{
    for (uint32_t i = 0; i < SNAPDISK_FILES; i++) {
        struct snapdisk_file *file = &disk->files[i];
        if (file->name != SNAPDISK_NONE || file->durable_name != SNAPDISK_NONE)
            continue;
        memset(file->cache, 0, SNAPDISK_BYTES);
        memset(file->durable, 0, SNAPDISK_BYTES);
        memset(file->dirty, 0, sizeof file->dirty);
        file->bytes = file->durable_bytes = 0;
        file->name = name;
        file->renamed = true;
        return file;
    }
    abort();
}

static inline void snapdisk_name_settle(struct snapdisk *disk, struct snapdisk_file *file)
{
    for (uint32_t i = 0; i < SNAPDISK_FILES; i++) {
        if (file->name != SNAPDISK_NONE && disk->files[i].durable_name == file->name)
            disk->files[i].durable_name = SNAPDISK_NONE;
    }
    file->durable_name = file->name;
    file->renamed = false;
}

static inline void snapdisk_sector_settle(struct snapdisk_file *file, uint32_t sector)
{
    const uint32_t at = sector * SNAPDISK_SECTOR;

    memcpy(file->durable + at, file->cache + at, SNAPDISK_SECTOR);
    file->dirty[sector] = false;
    if (at + SNAPDISK_SECTOR > file->durable_bytes)
        file->durable_bytes =
            file->bytes < at + SNAPDISK_SECTOR ? file->bytes : at + SNAPDISK_SECTOR;
}

static inline void snapdisk_sync(struct snapdisk_file *file, enum snapdisk_fault fault)
{
    for (uint32_t i = 0; i < SNAPDISK_BYTES / SNAPDISK_SECTOR; i++) {
        const uint32_t at = i * SNAPDISK_SECTOR;
        if (!file->dirty[i])
            continue;
        if (fault == SNAPDISK_WORKS || fault == SNAPDISK_DID)
            snapdisk_sector_settle(file, i);
        else if (fault != SNAPDISK_POISONED)
            memcpy(file->cache + at, file->durable + at, SNAPDISK_SECTOR);
        file->dirty[i] = false;
    }
}

static inline void snapdisk_write(struct snapdisk_file *file, uint64_t offset, const uint8_t *data,
                                  uint32_t length)
{
    if (offset + length > SNAPDISK_BYTES)
        abort();
    memcpy(file->cache + offset, data, length);
    for (uint64_t i = offset / SNAPDISK_SECTOR; i * SNAPDISK_SECTOR < offset + length; i++)
        file->dirty[i] = true;
    if (offset + length > file->bytes)
        file->bytes = (uint32_t)(offset + length);
}

static inline void snapdisk_names_sync(struct snapdisk *disk, bool works)
{
    /* Names that were given go last: a name that was taken from one file may be another's now. */
    for (uint32_t i = 0; i < SNAPDISK_FILES; i++) {
        if (disk->files[i].renamed && works)
            snapdisk_name_settle(disk, &disk->files[i]);
        disk->files[i].renamed = false;
    }
}

static inline uint32_t snapdisk_list(struct snapdisk *disk, uint8_t kind, uint32_t length)
{
    uint32_t count = 0;
    uint32_t below = (uint32_t)kind << 24;

    for (;;) {
        uint32_t least = (uint32_t)(kind + 1) << 24;
        for (uint32_t i = 0; i < SNAPDISK_FILES; i++) {
            const uint32_t name = disk->files[i].name;
            if (name >= below && name < least)
                least = name;
        }
        if (least == (uint32_t)(kind + 1) << 24 || 4 * count + 4 > length)
            return 4 * count;
        octo_put_u32(disk->answer + 4 * (size_t)count++, least & 0xffffff);
        below = least + 1;
    }
}

static inline enum octo_err snapdisk_names(struct snapdisk *disk, const struct octo_disk_op *op)
{
    struct snapdisk_file *file = snapdisk_find(disk, snapdisk_name(op->file));

    if (op->kind == OCTO_DISK_CREATE) {
        if (file == NULL)
            snapdisk_new(disk, snapdisk_name(op->file));
        return OCTO_ERR_OK;
    }
    if (file == NULL)
        return OCTO_ERR_NOT_FOUND;
    if (op->kind == OCTO_DISK_RENAME) {
        struct snapdisk_file *replaced = snapdisk_find(disk, snapdisk_name(op->target));
        if (replaced != NULL) {
            replaced->name = SNAPDISK_NONE;
            replaced->renamed = true;
        }
        file->name = snapdisk_name(op->target);
    } else {
        file->name = SNAPDISK_NONE;
    }
    file->renamed = true;
    return OCTO_ERR_OK;
}

/* Does op; length and data of the answer are set where there are any. */
static inline enum octo_err snapdisk_do(struct snapdisk *disk, const struct octo_disk_op *op,
                                        struct octo_event *event)
{
    struct snapdisk_file *file = snapdisk_find(disk, snapdisk_name(op->file));
    enum snapdisk_fault fault = SNAPDISK_WORKS;
    enum octo_err err = OCTO_ERR_OK;

    disk->operations++;
    if (disk->operations == disk->fail_at)
        fault = disk->fault;
    if (fault == SNAPDISK_FAILS || fault == SNAPDISK_POISONED || fault == SNAPDISK_DID ||
        fault == SNAPDISK_HALF)
        err = OCTO_ERR_IO;
    if (fault == SNAPDISK_FULL)
        err = op->kind == OCTO_DISK_READ || op->kind == OCTO_DISK_LIST ? OCTO_ERR_IO
                                                                       : OCTO_ERR_NO_SPACE;
    if (disk->full && (op->kind == OCTO_DISK_WRITE || op->kind == OCTO_DISK_ALLOCATE))
        return OCTO_ERR_NO_SPACE;
    const bool works = err == OCTO_ERR_OK || fault == SNAPDISK_DID;
    switch ((enum octo_disk_kind)op->kind) {
    case OCTO_DISK_READ:
        if (file == NULL)
            return OCTO_ERR_NOT_FOUND;
        event->disk.data = disk->answer;
        if (op->offset < file->bytes)
            event->disk.length = (uint32_t)octo_min_u64(op->length, file->bytes - op->offset);
        if (fault == SNAPDISK_HALF) {
            event->disk.length = (event->disk.length + 1) / 2;
            err = OCTO_ERR_OK;
        }
        memcpy(disk->answer, file->cache + op->offset, event->disk.length);
        if (fault == SNAPDISK_LIES && event->disk.length > 0)
            disk->answer[event->disk.length / 2] ^= 4;
        break;
    case OCTO_DISK_WRITE:
        if (file == NULL)
            return OCTO_ERR_NOT_FOUND;
        event->disk.length = op->length;
        if (fault == SNAPDISK_HALF) {
            event->disk.length /= 2;
            snapdisk_write(file, op->offset, op->data, op->length / 2);
            err = OCTO_ERR_OK;
        } else if (works && fault != SNAPDISK_LIES) {
            snapdisk_write(file, op->offset, op->data, op->length);
        }
        break;
    case OCTO_DISK_SYNC:
        if (file == NULL)
            return OCTO_ERR_NOT_FOUND;
        snapdisk_sync(file, fault == SNAPDISK_LIES ? SNAPDISK_WORKS : fault);
        break;
    case OCTO_DISK_ALLOCATE:
        if (file == NULL)
            return OCTO_ERR_NOT_FOUND;
        if (works && op->length > file->bytes)
            file->bytes = op->length;
        break;
    case OCTO_DISK_DIR_SYNC:
        snapdisk_names_sync(disk, works);
        break;
    case OCTO_DISK_LIST:
        event->disk.data = disk->answer;
        event->disk.length = snapdisk_list(disk, op->file.kind, op->length);
        break;
    case OCTO_DISK_CREATE:
    case OCTO_DISK_UNLINK:
    case OCTO_DISK_RENAME:
        if (works) {
            const enum octo_err named = snapdisk_names(disk, op);
            return err == OCTO_ERR_OK ? named : err;
        }
        break;
    case OCTO_DISK_NONE:
        abort();
    }
    return err;
}

/* A power loss: every sector and every name that is not durable is kept or lost by chance. */
static inline void snapdisk_crash(struct snapdisk *disk, uint64_t *random)
{
    for (uint32_t i = 0; i < SNAPDISK_FILES; i++) {
        struct snapdisk_file *file = &disk->files[i];
        for (uint32_t s = 0; s < SNAPDISK_BYTES / SNAPDISK_SECTOR; s++) {
            if (file->dirty[s] && draw_below(random, 2) == 0)
                snapdisk_sector_settle(file, s);
            file->dirty[s] = false;
        }
        if (file->renamed && draw_below(random, 2) == 0)
            snapdisk_name_settle(disk, file);
    }
    for (uint32_t i = 0; i < SNAPDISK_FILES; i++) {
        struct snapdisk_file *file = &disk->files[i];
        memcpy(file->cache, file->durable, SNAPDISK_BYTES);
        file->bytes = file->durable_bytes;
        file->name = file->durable_name;
        file->renamed = false;
    }
}

#endif
