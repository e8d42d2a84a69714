/* A simulated disk with a host for tests: questions are answered by constants, questions and
 * reports are kept, and every call is followed by octo_simdisk_check. */
#ifndef OCTO_TESTS_UNIT_SIMDISK_RIG_H
#define OCTO_TESTS_UNIT_SIMDISK_RIG_H

#include "vfs/vfs.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define SECTOR      512u
#define PENDING     8u
#define REPORTS_MAX 64u
#define FILE_BYTES  (64u * SECTOR)

static const struct octo_file identity = {.kind = OCTO_FILE_IDENTITY};
static const struct octo_file main_file = {.kind = OCTO_FILE_MAIN};
static const struct octo_file snapshot = {.kind = OCTO_FILE_SNAPSHOT, .number = 7};

struct report {
    struct octo_file file;
    uint64_t offset, length;
};

struct rig {
    uint8_t *block;
    struct octo_arena arena;
    struct octo_simdisk *disk;
    struct octo_disk_host host;
    uint64_t answers[OCTO_CHANCE_COUNT];
    uint64_t entry_bits; /* answers to CRASH_ENTRY, from the lowest on; the highest one ends them */
    struct octo_disk_question last[OCTO_CHANCE_COUNT]; /* of each kind */
    uint32_t asked[OCTO_CHANCE_COUNT];
    struct report reports[REPORTS_MAX];
    uint32_t report_count;
    uint64_t next_id;
    struct octo_event event; /* of the last completion */
    uint8_t scratch[FILE_BYTES];
};

static uint64_t rig_ask(void *context, const struct octo_disk_question *question)
{
    struct rig *rig = context;
    rig->last[question->kind] = *question;
    rig->asked[question->kind]++;
    if (question->kind == OCTO_CHANCE_CRASH_ENTRY && rig->entry_bits > 1) {
        const uint64_t answer = rig->entry_bits & 1;
        rig->entry_bits >>= 1;
        return answer;
    }
    return rig->answers[question->kind];
}

static void rig_durable(void *context, struct octo_file file, uint64_t offset, uint64_t length)
{
    struct rig *rig = context;
    rig->reports[rig->report_count++ % REPORTS_MAX] = (struct report){file, offset, length};
}

static struct rig *rig_new(size_t bytes)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig->block = aligned_alloc(64, bytes);
    memset(rig->block, 0xa5, bytes);
    octo_arena_init(&rig->arena, rig->block, bytes);
    rig->host = (struct octo_disk_host){rig, rig_ask, rig_durable};
    rig->answers[OCTO_CHANCE_LATENCY] = 1000;
    rig->disk = octo_simdisk_create(&rig->arena, PENDING);
    cr_assert_not_null(rig->disk);
    return rig;
}

static void rig_free(struct rig *rig)
{
    octo_simdisk_check(rig->disk);
    free(rig->block);
    free(rig);
}

static uint32_t rig_submit(struct rig *rig, struct octo_disk_op op)
{
    uint32_t slot = UINT32_MAX;
    op.id = ++rig->next_id;
    cr_assert_eq(octo_simdisk_submit(rig->disk, &op, &rig->host, &slot), 1000);
    octo_simdisk_check(rig->disk);
    return slot;
}

static enum octo_err rig_complete(struct rig *rig, uint32_t slot)
{
    octo_simdisk_complete(rig->disk, slot, &rig->host, rig->scratch, sizeof rig->scratch,
                          &rig->event);
    octo_simdisk_check(rig->disk);
    return rig->event.disk.result;
}

static enum octo_err rig_do(struct rig *rig, struct octo_disk_op op)
{
    return rig_complete(rig, rig_submit(rig, op));
}

static uint32_t rig_submit_write(struct rig *rig, uint64_t offset, uint32_t length, uint8_t fill)
{
    uint8_t data[FILE_BYTES];
    memset(data, fill, length);
    return rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_WRITE,
                                                 .file = main_file,
                                                 .offset = offset,
                                                 .length = length,
                                                 .data = data});
}

static enum octo_err rig_write(struct rig *rig, uint64_t offset, uint32_t length, uint8_t fill)
{
    return rig_complete(rig, rig_submit_write(rig, offset, length, fill));
}

static enum octo_err rig_op(struct rig *rig, enum octo_disk_kind kind, struct octo_file file)
{
    return rig_do(rig, (struct octo_disk_op){.kind = (uint8_t)kind, .file = file});
}

static enum octo_err rig_sync(struct rig *rig)
{
    return rig_op(rig, OCTO_DISK_SYNC, main_file);
}

static enum octo_err rig_rename(struct rig *rig, struct octo_file from, struct octo_file to)
{
    return rig_do(rig, (struct octo_disk_op){.kind = OCTO_DISK_RENAME, .file = from, .target = to});
}

/* The main file, durably there and empty. */
static struct rig *rig_with_main(void)
{
    struct rig *rig = rig_new(1u << 20);
    cr_assert_eq(rig_op(rig, OCTO_DISK_CREATE, main_file), OCTO_ERR_OK);
    cr_assert_eq(rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0}), OCTO_ERR_OK);
    return rig;
}

/* The byte that reads see at offset; -1 beyond the end. */
static int rig_byte(struct rig *rig, uint64_t offset)
{
    const struct octo_disk_op op = {
        .kind = OCTO_DISK_READ, .file = main_file, .offset = offset, .length = 1};
    cr_assert_eq(rig_do(rig, op), OCTO_ERR_OK);
    return rig->event.disk.length == 1 ? rig->event.disk.data[0] : -1;
}

/* Likewise in the durable image; 0 in a hole. */
static int rig_durable_byte(struct rig *rig, uint64_t offset)
{
    const uint8_t *at = octo_simdisk_durable_sector(rig->disk, main_file, offset / SECTOR);
    return at == NULL ? 0 : at[offset % SECTOR];
}

static bool rig_is_durable(struct rig *rig, struct octo_file file, uint64_t size)
{
    uint64_t found = 0;
    return octo_simdisk_durable_size(rig->disk, file, &found) && found == size;
}

static inline enum octo_err rig_allocate(struct rig *rig, uint64_t offset, uint32_t length)
{
    return rig_do(rig, (struct octo_disk_op){.kind = OCTO_DISK_ALLOCATE,
                                             .file = main_file,
                                             .offset = offset,
                                             .length = length});
}

static inline uint32_t rig_read(struct rig *rig, uint64_t offset, uint32_t length)
{
    cr_assert_eq(rig_do(rig, (struct octo_disk_op){.kind = OCTO_DISK_READ,
                                                   .file = main_file,
                                                   .offset = offset,
                                                   .length = length}),
                 OCTO_ERR_OK);
    return rig->event.disk.length;
}

static inline void rig_power_loss(struct rig *rig)
{
    octo_simdisk_power_loss(rig->disk, &rig->host);
    octo_simdisk_check(rig->disk);
}

static inline const struct octo_simdisk_stats *rig_stats(const struct rig *rig)
{
    return octo_simdisk_stats(rig->disk);
}

static inline uint32_t rig_lies(const struct rig *rig)
{
    return octo_simdisk_lies(rig->disk, main_file, 0, FILE_BYTES);
}

/* The main file, durably `sectors` sectors of 'a'. */
static inline struct rig *rig_with_content(uint32_t sectors)
{
    struct rig *rig = rig_with_main();
    rig_write(rig, 0, sectors * SECTOR, 'a');
    rig_sync(rig);
    return rig;
}

#endif
