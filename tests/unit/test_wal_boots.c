/* What a boot after a crash finds, and must leave as it is: the records that stand, whether
 * anything leads to them or not, and the newest vote, of which there may be one copy only. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "kernel/wal/record.h"
#include "tests/unit/wal_life.h"

#define SEGMENTS      64u
#define SEGMENT_BYTES 16384u
#define RECORDS       512u

/* ---- Records --------------------------------------------------------------------------------- */

struct standing {
    struct octo_file file;
    uint32_t offset;
    uint64_t needed, check; /* bytes, and what they are */
};

/* The bytes of a file as the next boot finds them. */
static uint32_t file_read(const struct world *world, struct octo_file file, uint8_t *bytes)
{
    uint64_t size = 0;

    if (!octo_simdisk_durable_size(world->disk, file, &size))
        return 0;
    cr_assert(size <= SEGMENT_BYTES);
    for (uint32_t sector = 0; sector < size / 512; sector++) {
        const uint8_t *at = octo_simdisk_durable_sector(world->disk, file, sector);
        if (at != NULL)
            memcpy(bytes + 512ull * sector, at, 512);
        else
            memset(bytes + 512ull * sector, 0, 512);
    }
    return (uint32_t)size;
}

static uint64_t check_of(const uint8_t *bytes, uint64_t count)
{
    uint64_t check = count;

    for (uint64_t i = 0; i < count; i += 8)
        check = octo_mix(check ^ octo_get_u64(bytes + i));
    return check;
}

/* Every valid record of both topics; *remains counts those that no longer verify. */
static uint32_t standing_find(const struct world *world, struct standing *found, uint32_t *remains)
{
    static uint8_t bytes[SEGMENT_BYTES];
    uint32_t count = 0;

    *remains = 0;
    for (uint32_t topic = 0; topic < 2; topic++) {
        uint32_t numbers[SEGMENTS];
        const uint8_t kind = topic_file(topic, 0).kind;
        const uint32_t files = octo_simdisk_files(world->disk, kind, numbers, SEGMENTS);
        for (uint32_t f = 0; f < files; f++) {
            const struct octo_file file = topic_file(topic, numbers[f]);
            const uint32_t size = file_read(world, file, bytes);
            for (uint32_t at = 0; at < size; at += 8) {
                const uint64_t seed =
                    octo_format_seed(world->config.cluster_id, world->config.node_id,
                                     OCTO_FILE_MAIN, octo_segment_place(file.number, at));
                struct octo_record record;
                uint64_t needed;
                if (octo_record_parse(bytes + at, size - at, seed, &record, &needed) !=
                    OCTO_ERR_OK) {
                    *remains += octo_get_u32(bytes + at) == OCTO_RECORD_MAGIC;
                    continue;
                }
                cr_assert(count < RECORDS);
                found[count++] = (struct standing){file, at, needed, check_of(bytes + at, needed)};
            }
        }
    }
    return count;
}

static bool stands(const struct world *world, const struct standing *record)
{
    static uint8_t bytes[SEGMENT_BYTES];
    const uint32_t size = file_read(world, record->file, bytes);

    return record->offset + record->needed <= size &&
           check_of(bytes + record->offset, record->needed) == record->check;
}

/* Whether a scan comes to it: a batch begins with a sector, and each record leads to the next. */
static bool led_to(const struct standing *records, uint32_t count, const struct standing *record)
{
    if (record->offset % 512 == 0)
        return true;
    for (uint32_t r = 0; r < count; r++)
        if (records[r].file.number == record->file.number &&
            records[r].offset + records[r].needed == record->offset)
            return true;
    return false;
}

/* A crash among batches of several sectors leaves, of some, the later sectors only: records to
 * which nothing leads. The boot goes on behind them: what it wrote over them might be lost in its
 * turn, all of it or its end, and then a record before them, of another batch, would lead to them.
 */
Test(wal_boots, no_record_is_written_over)
{
    struct world *world = world_make();
    struct world *saved = world_make();
    static struct standing records[RECORDS];
    uint32_t hidden = 0;

    lived(world, 11);
    world_copy(saved, world);
    for (uint32_t i = 0; i < 2000; i++) {
        world_copy(world, saved);
        world->random = i;
        boot(world);
        for (uint32_t batch = 0; batch < 3; batch++) {
            struct octo_step step = world_step_begin(world);
            for (uint32_t n = 1 + below(world, 4); n > 0; n--)
                (void)world_append(world, octo_wal_last(world->wal) + 1, below(world, 900));
            world_step_end(world, &step);
            for (uint32_t events = below(world, 3); events > 0; events--)
                world_event(world, 0);
        }
        world_power_loss(world, LOSE_ANY);
        uint32_t remains;
        const uint32_t count = standing_find(world, records, &remains);
        for (uint32_t r = 0; r < count; r++)
            hidden += !led_to(records, count, &records[r]);
        boot(world);
        struct octo_step step = world_step_begin(world);
        (void)world_append(world, octo_wal_last(world->wal) + 1, 100);
        world_step_end(world, &step);
        world_settle(world);
        for (uint32_t r = 0; r < count; r++)
            cr_assert(stands(world, &records[r]), "%u: topic %u segment %u offset %u", i,
                      records[r].file.kind, records[r].file.number, records[r].offset);
        cr_assert(world->model.complaint == NULL, "%s: %u", world->model.complaint, i);
    }
    cr_assert(hidden > 100);
    free(world);
    free(saved);
}

/* What an earlier life of a segment left looks like records that came to harm. It is the same in
 * both topics: no reason to read it again. */
Test(wal_boots, recycled_segments_are_read_once)
{
    static struct standing records[RECORDS];
    struct world *world = world_make();
    uint32_t numbers[SEGMENTS];
    uint32_t remains;

    lived(world, 60);
    (void)standing_find(world, records, &remains);
    cr_assert(remains > 8);
    const uint32_t files = octo_simdisk_files(world->disk, OCTO_FILE_MAIN, numbers, SEGMENTS) +
                           octo_simdisk_files(world->disk, OCTO_FILE_RECOVERY, numbers, SEGMENTS);
    const uint64_t before = octo_simdisk_stats(world->disk)->reads;
    boot(world);
    const uint64_t reads = octo_simdisk_stats(world->disk)->reads - before;
    /* A segment is shorter than a read: its end takes another. Two lists, vote, identity. */
    cr_assert(reads <= 2 * files + 8, "%u files, %u reads", files, (unsigned)reads);
    cr_assert(world->model.complaint == NULL, "%s", world->model.complaint);
    free(world);
}

/* ---- The vote -------------------------------------------------------------------------------- */

/* Boots that fail, and that a crash ends, one after the other. */
static void boots_in_vain(struct world *world)
{
    for (uint32_t boots = 0; boots < 6; boots++) {
        world->rates[OCTO_CHANCE_WRITE_ERROR] = 200000;
        world->rates[OCTO_CHANCE_SYNC_ERROR] = 200000;
        world->stop_at = world->ticks + 1 + below(world, boots % 2 == 0 ? 40 : 400);
        world_boot(world, false);
        world_settle(world);
        if (below(world, 3) == 0)
            world_kill(world);
        else
            world_power_loss(world, LOSE_ANY);
    }
    world_faultless(world);
}

/* A write of that slot went nowhere: it holds what it held when `bytes` was taken. */
static void slot_take(struct world *world, uint32_t slot, uint8_t *bytes)
{
    static const struct octo_file vote = {.kind = OCTO_FILE_VOTE};
    const uint8_t *sector = octo_simdisk_durable_sector(world->disk, vote, slot);

    cr_assert(sector != NULL);
    memcpy(bytes, sector, 512);
}

static void slot_put_back(struct world *world, uint32_t slot, const uint8_t *bytes)
{
    const struct octo_disk_op write = {.kind = OCTO_DISK_WRITE,
                                       .file = {.kind = OCTO_FILE_VOTE},
                                       .offset = 512ull * slot,
                                       .length = 512,
                                       .data = bytes};
    const struct octo_disk_op sync = {.kind = OCTO_DISK_SYNC, .file = write.file};

    cr_assert(world_disk_do(world, &write) == OCTO_ERR_OK);
    cr_assert(world_disk_do(world, &sync) == OCTO_ERR_OK);
}

/* A crash in the middle of a vote, or one whose copy in one slot went nowhere: what the next boot
 * finds is what any later one finds. Of the newest there may be one copy only. */
Test(wal_boots, vote_outlives_boots_in_vain)
{
    struct world *world = world_make();
    struct world *saved = world_make();
    struct world *crashed = world_make();
    uint32_t newer = 0;

    lived(world, 11);
    world_copy(saved, world);
    for (uint32_t i = 0; i < 3000; i++) {
        const uint32_t slot = i % 8;
        uint8_t bytes[512];
        world_copy(world, saved);
        world->random = i;
        for (uint32_t boots = 0; boots <= i / 8 % 2; boots++) { /* the newest is in either pair */
            boot(world);
            world_power_loss(world, LOSE_ALL);
        }
        boot(world);
        if (slot < 4)
            slot_take(world, slot, bytes);
        const octo_term old = octo_wal_term(world->wal);
        world_vote(world, old + 1, 2);
        world_timer(world, world->now);
        for (uint32_t events = slot < 4 ? 100 : below(world, 8); events > 0; events--)
            world_event(world, 0);
        world_power_loss(world, LOSE_ANY);
        if (slot < 4)
            slot_put_back(world, slot, bytes);
        world_copy(crashed, world);
        boot(world);
        const octo_term term = octo_wal_term(world->wal);
        const octo_node_id vote = octo_wal_vote(world->wal);
        newer += term > old;
        world_copy(world, crashed);
        boots_in_vain(world);
        boot(world);
        cr_assert(world->model.complaint == NULL, "%s: %u", world->model.complaint, i);
        cr_assert(octo_wal_term(world->wal) == term, "%u", i);
        cr_assert(octo_wal_vote(world->wal) == vote, "%u", i);
    }
    cr_assert(newer > 1500);
    free(world);
    free(saved);
    free(crashed);
}
