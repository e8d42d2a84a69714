/* One of the two disks, simulated or POSIX, behind the same few calls. The simulated one completes
 * in an order that is drawn, the other one in whichever comes about. */
#ifndef OCTO_TESTS_UNIT_DISK_RIG_H
#define OCTO_TESTS_UNIT_DISK_RIG_H

#include "draw.h"
#include "vfs/vfs.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RIG_PENDING     64u
#define RIG_BYTES       (1u << 20) /* the longest READ and WRITE */
#define RIG_ARENA_BYTES (16u << 20)

struct rig_flight {
    uint32_t slot;
    octo_time_ns due;
};

struct disk_rig {
    bool posix;
    uint64_t next_id;
    uint32_t in_flight;
    struct octo_event event; /* the last completion */
    /* simulated */
    uint64_t draws;
    octo_time_ns now;
    struct octo_simdisk *simdisk;
    struct octo_disk_host host;
    struct octo_arena arena;
    struct rig_flight flights[RIG_PENDING];
    uint8_t *block, *scratch;
    /* POSIX */
    struct octo_posixdisk *posixdisk;
    char directory[64];
};

/* ---- A directory for a test ------------------------------------------------------------------ */

static inline void directory_make(char *path, size_t bytes)
{
    const char *parent = getenv("TMPDIR");
    snprintf(path, bytes, "%.40s/octo-disk-XXXXXX", parent != NULL ? parent : "/tmp");
    cr_assert_not_null(mkdtemp(path));
}

static inline void directory_remove(const char *path)
{
    DIR *directory = opendir(path);
    cr_assert_not_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    cr_assert_eq(rmdir(path), 0);
}

/* ---- Open and close -------------------------------------------------------------------------- */

static inline uint64_t disk_rig_ask(void *context, const struct octo_disk_question *question)
{
    struct disk_rig *rig = context;
    return question->kind == OCTO_CHANCE_LATENCY ? 1 + draw_below(&rig->draws, 1000) : 0;
}

static inline struct disk_rig *disk_rig_open_posix(struct octo_posixdisk_options options)
{
    struct disk_rig *rig = calloc(1, sizeof *rig);
    char why[128] = "";
    rig->posix = true;
    if (options.pending_max == 0)
        options.pending_max = RIG_PENDING;
    directory_make(rig->directory, sizeof rig->directory);
    cr_assert_eq(octo_posixdisk_open(rig->directory, &options, &rig->posixdisk, why, sizeof why),
                 OCTO_ERR_OK, "%s", why);
    return rig;
}

static inline struct disk_rig *disk_rig_open(bool posix, bool direct)
{
    if (posix)
        return disk_rig_open_posix((struct octo_posixdisk_options){.direct = direct});
    struct disk_rig *rig = calloc(1, sizeof *rig);
    rig->draws = 1;
    rig->block = aligned_alloc(64, RIG_ARENA_BYTES);
    rig->scratch = malloc(RIG_BYTES);
    octo_arena_init(&rig->arena, rig->block, RIG_ARENA_BYTES);
    rig->host = (struct octo_disk_host){rig, disk_rig_ask, NULL};
    rig->simdisk = octo_simdisk_create(&rig->arena, RIG_PENDING);
    cr_assert_not_null(rig->simdisk);
    return rig;
}

static inline void disk_rig_close(struct disk_rig *rig)
{
    cr_assert_eq(rig->in_flight, 0);
    if (rig->posix) {
        octo_posixdisk_close(rig->posixdisk);
        directory_remove(rig->directory);
    } else {
        octo_simdisk_check(rig->simdisk);
    }
    free(rig->scratch);
    free(rig->block);
    free(rig);
}

/* ---- Operations ------------------------------------------------------------------------------ */

/* Returns the operation's id: 1, 2, 3 ... */
static inline uint64_t disk_rig_submit(struct disk_rig *rig, struct octo_disk_op op)
{
    cr_assert_lt(rig->in_flight, RIG_PENDING);
    op.id = ++rig->next_id;
    if (rig->posix) {
        cr_assert_eq(octo_posixdisk_submit(rig->posixdisk, &op), OCTO_ERR_OK);
    } else {
        struct rig_flight *flight = &rig->flights[rig->in_flight];
        const octo_time_ns latency =
            octo_simdisk_submit(rig->simdisk, &op, &rig->host, &flight->slot);
        cr_assert_neq(latency, 0);
        flight->due = rig->now + latency;
        octo_simdisk_check(rig->simdisk);
    }
    rig->in_flight++;
    return op.id;
}

/* The next completion, in rig->event. */
static inline void disk_rig_next(struct disk_rig *rig)
{
    cr_assert_gt(rig->in_flight, 0);
    rig->in_flight--;
    memset(&rig->event, 0xa5, sizeof rig->event);
    if (rig->posix) {
        cr_assert(octo_posixdisk_wait(rig->posixdisk, 60 * OCTO_SECOND, &rig->event));
    } else {
        struct rig_flight *first = &rig->flights[0];
        for (uint32_t i = 1; i <= rig->in_flight; i++) {
            if (rig->flights[i].due < first->due)
                first = &rig->flights[i];
        }
        const struct rig_flight flight = *first;
        *first = rig->flights[rig->in_flight];
        rig->now = flight.due;
        octo_simdisk_complete(rig->simdisk, flight.slot, &rig->host, rig->scratch, RIG_BYTES,
                              &rig->event);
        octo_simdisk_check(rig->simdisk);
    }
    cr_assert_eq(rig->event.kind, OCTO_EVENT_DISK);
}

/* Does op, with nothing else in flight. */
static inline enum octo_err disk_rig_do(struct disk_rig *rig, struct octo_disk_op op)
{
    cr_assert_eq(rig->in_flight, 0);
    const uint64_t id = disk_rig_submit(rig, op);
    disk_rig_next(rig);
    cr_assert_eq(rig->event.disk.id, id);
    return rig->event.disk.result;
}

static inline enum octo_err disk_rig_op(struct disk_rig *rig, enum octo_disk_kind kind,
                                        struct octo_file file)
{
    return disk_rig_do(rig, (struct octo_disk_op){.kind = (uint8_t)kind, .file = file});
}

static inline enum octo_err disk_rig_write(struct disk_rig *rig, struct octo_file file,
                                           uint64_t offset, const void *data, uint32_t length)
{
    return disk_rig_do(rig, (struct octo_disk_op){.kind = OCTO_DISK_WRITE,
                                                  .file = file,
                                                  .offset = offset,
                                                  .length = length,
                                                  .data = data});
}

static inline enum octo_err disk_rig_read(struct disk_rig *rig, struct octo_file file,
                                          uint64_t offset, uint32_t length)
{
    return disk_rig_do(
        rig, (struct octo_disk_op){
                 .kind = OCTO_DISK_READ, .file = file, .offset = offset, .length = length});
}

static inline enum octo_err disk_rig_allocate(struct disk_rig *rig, struct octo_file file,
                                              uint64_t offset, uint32_t length)
{
    return disk_rig_do(
        rig, (struct octo_disk_op){
                 .kind = OCTO_DISK_ALLOCATE, .file = file, .offset = offset, .length = length});
}

static inline enum octo_err disk_rig_rename(struct disk_rig *rig, struct octo_file file,
                                            struct octo_file target)
{
    return disk_rig_do(
        rig, (struct octo_disk_op){.kind = OCTO_DISK_RENAME, .file = file, .target = target});
}

/* Whether the file is exactly these bytes. */
static inline bool disk_rig_is(struct disk_rig *rig, struct octo_file file, const void *bytes,
                               uint32_t length)
{
    return disk_rig_read(rig, file, 0, length + 1) == OCTO_ERR_OK &&
           rig->event.disk.length == length && memcmp(rig->event.disk.data, bytes, length) == 0;
}

#endif
