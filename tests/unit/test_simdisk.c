/* The simulated disk: what its contract says, one sentence a test. */
#include "draw.h"
#include "simdisk_rig.h"

#include <sanitizer/asan_interface.h>

Test(simdisk, names_are_those_of_the_tables)
{
    cr_assert_str_eq(octo_disk_chance_text(OCTO_CHANCE_NONE), "none");
    cr_assert_str_eq(octo_disk_chance_text(OCTO_CHANCE_CRASH_ENTRY), "disk-crash-entry");
    cr_assert_str_eq(octo_disk_kind_text(OCTO_DISK_DIR_SYNC), "dirsync");
    cr_assert_str_eq(octo_file_kind_text(OCTO_FILE_RECOVERY), "recovery");
    cr_assert_str_eq(octo_file_kind_text((enum octo_file_kind)99), "unknown");
    cr_assert_str_eq(octo_disk_kind_text((enum octo_disk_kind) - 1), "unknown");
    cr_assert_str_eq(octo_disk_chance_text(OCTO_CHANCE_COUNT), "unknown");
}

Test(simdisk, a_file_that_is_absent_is_not_found)
{
    static const uint8_t kinds[] = {OCTO_DISK_READ, OCTO_DISK_WRITE, OCTO_DISK_SYNC,
                                    OCTO_DISK_UNLINK, OCTO_DISK_RENAME};
    struct rig *rig = rig_new(1u << 20);
    for (size_t i = 0; i < sizeof kinds; i++) {
        const struct octo_disk_op op = {
            .kind = kinds[i], .file = main_file, .target = snapshot, .length = 1, .data = kinds};
        cr_assert_eq(rig_do(rig, op), OCTO_ERR_NOT_FOUND, "kind %u", kinds[i]);
        cr_assert_eq(rig->event.kind, OCTO_EVENT_DISK);
        cr_assert_eq(rig->event.disk.id, rig->next_id);
        cr_assert_eq(rig->event.disk.length, 0);
    }
    cr_assert_not(rig_is_durable(rig, main_file, 0));
    rig_free(rig);
}

Test(simdisk, a_sync_covers_the_writes_that_came_back_before_it_was_submitted)
{
    struct rig *rig = rig_with_main();
    cr_assert_eq(rig_write(rig, 0, SECTOR, 'a'), OCTO_ERR_OK);
    const uint32_t before = rig_submit_write(rig, SECTOR, SECTOR, 'b');
    const uint32_t sync =
        rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_SYNC, .file = main_file});
    const uint32_t after = rig_submit_write(rig, 2 * SECTOR, SECTOR, 'c');
    rig_complete(rig, before);
    rig_complete(rig, after);
    cr_assert_eq(rig_durable_byte(rig, 0), 0, "not before the completion");
    cr_assert_eq(rig_complete(rig, sync), OCTO_ERR_OK);
    cr_assert(rig_is_durable(rig, main_file, SECTOR));
    cr_assert_eq(rig_durable_byte(rig, 0), 'a');
    cr_assert_eq(rig_byte(rig, 2 * SECTOR), 'c', "reads see it all the same");
    octo_simdisk_power_loss(rig->disk, &rig->host);
    cr_assert_eq(rig_byte(rig, 0), 'a');
    cr_assert_eq(rig_byte(rig, SECTOR), -1);
    cr_assert_eq(rig->asked[OCTO_CHANCE_CRASH_SECTOR], 2);
    rig_free(rig);
}

Test(simdisk, what_a_sync_covers_stays_covered_when_it_is_written_over)
{
    struct rig *rig = rig_with_main();
    rig_write(rig, 0, SECTOR, 'a');
    const uint32_t sync =
        rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_SYNC, .file = main_file});
    rig_write(rig, 0, SECTOR, 'b');
    cr_assert_eq(rig_complete(rig, sync), OCTO_ERR_OK);
    cr_assert_eq(rig_durable_byte(rig, 0), 'a');

    rig_write(rig, SECTOR, SECTOR, 'c');
    const uint32_t over = rig_submit_write(rig, SECTOR, SECTOR, 'd');
    cr_assert_eq(rig_sync(rig), OCTO_ERR_OK);
    cr_assert_eq(rig_durable_byte(rig, 0), 'b');
    cr_assert_eq(rig_durable_byte(rig, SECTOR), 'c', "'d' was in flight");
    rig_complete(rig, over);
    octo_simdisk_power_loss(rig->disk, &rig->host);
    cr_assert_eq(rig_byte(rig, SECTOR), 'c');
    rig_free(rig);
}

Test(simdisk, unsynced_content_written_over_is_not_durable_by_that)
{
    struct rig *rig = rig_with_main();
    rig_write(rig, 0, SECTOR, 'a');
    rig_write(rig, 0, SECTOR, 'b');
    cr_assert_eq(rig_durable_byte(rig, 0), 0);
    octo_simdisk_power_loss(rig->disk, &rig->host);
    cr_assert_eq(rig_byte(rig, 0), -1);
    rig_free(rig);
}

Test(simdisk, a_write_fails_in_three_ways)
{
    static const struct {
        uint64_t fault;
        uint32_t length;
        enum octo_err result;
        uint32_t reported, written;
    } rows[] = {
        {0, 2048, OCTO_ERR_OK, 2048, 2048}, {1, 2048, OCTO_ERR_IO, 0, 0},
        {2, 2048, OCTO_ERR_IO, 0, 1024},    {3, 2048, OCTO_ERR_OK, 1024, 1024},
        {3, 1536, OCTO_ERR_OK, 512, 512},   {3, 512, OCTO_ERR_OK, 256, 256},
        {2, 1, OCTO_ERR_IO, 0, 0},          {3, 1, OCTO_ERR_OK, 0, 0},
        {9, 2048, OCTO_ERR_OK, 1024, 1024}, {0, 0, OCTO_ERR_OK, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *rig = rig_with_main();
        rig->answers[OCTO_CHANCE_WRITE_ERROR] = rows[i].fault;
        cr_assert_eq(rig_write(rig, 0, rows[i].length, 'x'), rows[i].result, "row %zu", i);
        cr_assert_eq(rig->event.disk.length, rows[i].reported, "row %zu", i);
        if (rows[i].written > 0)
            cr_assert_eq(rig_byte(rig, rows[i].written - 1), 'x', "row %zu", i);
        cr_assert_eq(rig_byte(rig, rows[i].written), -1, "row %zu", i);
        cr_assert_eq(octo_simdisk_stats(rig->disk)->faults[OCTO_CHANCE_WRITE_ERROR],
                     rows[i].fault != 0, "row %zu", i);
        rig_free(rig);
    }
}

Test(simdisk, a_read_error_returns_nothing)
{
    struct rig *rig = rig_with_main();
    rig_write(rig, 0, 10, 'x');
    rig->answers[OCTO_CHANCE_READ_ERROR] = 1;
    const struct octo_disk_op op = {.kind = OCTO_DISK_READ, .file = main_file, .length = 10};
    cr_assert_eq(rig_do(rig, op), OCTO_ERR_IO);
    cr_assert_eq(rig->event.disk.length, 0);
    cr_assert_null(rig->event.disk.data);
    rig->answers[OCTO_CHANCE_READ_ERROR] = 0;
    cr_assert_eq(rig_do(rig, op), OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, 10);
    rig_free(rig);
}

/* fsyncgate: the second sync's answer is worth nothing, the pages are gone or never durable. */
Test(simdisk, a_failed_sync_loses_its_pages_whatever_the_next_one_says)
{
    for (uint64_t fault = 1; fault <= 2; fault++) {
        struct rig *rig = rig_with_main();
        rig_write(rig, 0, SECTOR, 'a');
        rig_sync(rig);
        rig_write(rig, 0, 2 * SECTOR, 'b');
        rig->answers[OCTO_CHANCE_SYNC_ERROR] = fault;
        cr_assert_eq(rig_sync(rig), OCTO_ERR_IO);
        rig->answers[OCTO_CHANCE_SYNC_ERROR] = 0;
        cr_assert_eq(rig_byte(rig, 0), fault == 1 ? 'a' : 'b');
        cr_assert_eq(rig_byte(rig, SECTOR), fault == 1 ? 0 : 'b', "the size stays");
        cr_assert_eq(rig_sync(rig), OCTO_ERR_OK);
        octo_simdisk_kill(rig->disk);
        cr_assert_eq(rig_byte(rig, 0), fault == 1 ? 'a' : 'b', "a kill changes nothing");
        cr_assert_eq(rig_sync(rig), OCTO_ERR_OK);
        cr_assert_eq(rig_durable_byte(rig, 0), 'a');
        rig->answers[OCTO_CHANCE_CRASH_SECTOR] = 1;
        octo_simdisk_power_loss(rig->disk, &rig->host);
        cr_assert_eq(rig_byte(rig, 0), 'a', "lost, however kind the crash is");
        cr_assert_eq(rig_byte(rig, SECTOR), -1);
        cr_assert_eq(rig->asked[OCTO_CHANCE_CRASH_SECTOR], 0);
        rig_free(rig);
    }
}

Test(simdisk, a_page_that_was_lost_may_be_written_anew)
{
    struct rig *rig = rig_with_main();
    rig_write(rig, 0, SECTOR, 'a');
    rig->answers[OCTO_CHANCE_SYNC_ERROR] = 2;
    rig_sync(rig);
    rig->answers[OCTO_CHANCE_SYNC_ERROR] = 0;
    rig_write(rig, 0, 8, 'b');
    cr_assert_eq(rig_sync(rig), OCTO_ERR_OK);
    cr_assert_eq(rig_durable_byte(rig, 7), 'b');
    cr_assert_eq(rig_durable_byte(rig, 8), 'a', "the sector is written as a whole");
    rig_free(rig);
}

Test(simdisk, a_power_loss_tears_at_eight_bytes)
{
    for (uint64_t fate = 0; fate <= 64; fate++) {
        const uint64_t new_bytes = fate == 0 ? 0 : fate == 1 ? SECTOR : (fate - 1) * 8;
        struct rig *rig = rig_with_main();
        rig_write(rig, 0, SECTOR, 'a');
        rig_sync(rig);
        rig_write(rig, 0, SECTOR, 'b');
        rig->answers[OCTO_CHANCE_CRASH_SECTOR] = fate;
        octo_simdisk_power_loss(rig->disk, &rig->host);
        for (uint32_t i = 0; i < SECTOR; i++)
            cr_assert_eq(rig_durable_byte(rig, i), i < new_bytes ? 'b' : 'a', "fate %llu, byte %u",
                         (unsigned long long)fate, i);
        cr_assert_eq(rig_byte(rig, 511), rig_durable_byte(rig, 511), "cache and image are equal");
        rig_free(rig);
    }
}

Test(simdisk, reports_are_whole_runs_of_sectors)
{
    struct rig *rig = rig_with_main();
    rig_write(rig, 5 * SECTOR, 10, 'x');
    rig_write(rig, 0, 3 * SECTOR, 'x');
    cr_assert_eq(rig->report_count, 0);
    rig_sync(rig);
    cr_assert_eq(rig->report_count, 2);
    cr_assert_eq(rig->reports[0].offset, 0);
    cr_assert_eq(rig->reports[0].length, 3 * SECTOR);
    cr_assert_eq(rig->reports[1].offset, 5 * SECTOR);
    cr_assert_eq(rig->reports[1].length, SECTOR);
    cr_assert(rig_is_durable(rig, main_file, 5 * SECTOR + 10));
    rig_free(rig);
}

Test(simdisk, occurrences_count_from_the_start_of_the_incarnation)
{
    struct rig *rig = rig_with_main();
    const struct octo_disk_question *question = &rig->last[OCTO_CHANCE_SYNC_ERROR];
    rig_sync(rig);
    rig_sync(rig);
    cr_assert_eq(question->occurrence, 1);
    cr_assert_eq(question->op, OCTO_DISK_SYNC);
    cr_assert_eq(question->file.kind, OCTO_FILE_MAIN);
    rig_write(rig, 0, 1, 'x');
    cr_assert_eq(rig->last[OCTO_CHANCE_WRITE_ERROR].occurrence, 0, "each kind by itself");
    octo_simdisk_kill(rig->disk);
    rig_sync(rig);
    cr_assert_eq(question->occurrence, 0);
    cr_assert_eq(rig->last[OCTO_CHANCE_LATENCY].occurrence, 0);
    rig_free(rig);
}

Test(simdisk, more_names_than_a_page_of_counters_holds)
{
    struct rig *rig = rig_new(1u << 20);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t number = 0; number < 100; number++) {
            const struct octo_file file = {.kind = OCTO_FILE_SNAPSHOT, .number = number};
            cr_assert_eq(rig_op(rig, OCTO_DISK_READ, file), OCTO_ERR_NOT_FOUND);
            cr_assert_eq(rig->last[OCTO_CHANCE_LATENCY].occurrence, round);
        }
    }
    rig_free(rig);
}

Test(simdisk, a_synced_file_without_a_synced_entry_may_vanish)
{
    for (uint64_t kept = 0; kept <= 1; kept++) {
        struct rig *rig = rig_new(1u << 20);
        rig_op(rig, OCTO_DISK_CREATE, main_file);
        rig_write(rig, 0, SECTOR, 'a');
        cr_assert_eq(rig_sync(rig), OCTO_ERR_OK);
        cr_assert_not(rig_is_durable(rig, main_file, SECTOR));
        cr_assert_eq(rig->report_count, 0, "nobody can see it yet");
        rig->answers[OCTO_CHANCE_CRASH_ENTRY] = kept;
        octo_simdisk_power_loss(rig->disk, &rig->host);
        cr_assert_eq(rig_is_durable(rig, main_file, SECTOR), kept == 1);
        cr_assert_eq(rig->report_count, kept);
        cr_assert_eq(octo_simdisk_stats(rig->disk)->entries_lost, 1 - kept);
        cr_assert_eq(rig_op(rig, OCTO_DISK_READ, main_file),
                     kept == 1 ? OCTO_ERR_OK : OCTO_ERR_NOT_FOUND);
        rig_free(rig);
    }
}

Test(simdisk, a_directory_sync_covers_what_came_back_before_it)
{
    struct rig *rig = rig_new(1u << 20);
    rig_op(rig, OCTO_DISK_CREATE, main_file);
    const uint32_t create =
        rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_CREATE, .file = snapshot});
    rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0});
    rig_complete(rig, create);
    cr_assert(rig_is_durable(rig, main_file, 0));
    cr_assert_not(rig_is_durable(rig, snapshot, 0));
    rig_free(rig);
}

Test(simdisk, unlink_and_rename_are_undone_by_a_power_loss)
{
    struct rig *rig = rig_with_main();
    rig_write(rig, 0, SECTOR, 'a');
    rig_sync(rig);
    cr_assert_eq(rig_op(rig, OCTO_DISK_UNLINK, main_file), OCTO_ERR_OK);
    cr_assert_eq(rig_op(rig, OCTO_DISK_READ, main_file), OCTO_ERR_NOT_FOUND);
    octo_simdisk_power_loss(rig->disk, &rig->host);
    cr_assert_eq(rig_byte(rig, 0), 'a');
    rig_rename(rig, main_file, snapshot);
    cr_assert_eq(rig_op(rig, OCTO_DISK_READ, main_file), OCTO_ERR_NOT_FOUND);
    octo_simdisk_power_loss(rig->disk, &rig->host);
    cr_assert_eq(rig_byte(rig, 0), 'a');
    rig_rename(rig, main_file, snapshot);
    rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0});
    cr_assert(rig_is_durable(rig, snapshot, SECTOR));
    cr_assert_not(rig_is_durable(rig, main_file, SECTOR));
    rig_free(rig);
}

Test(simdisk, a_failed_directory_sync_is_mended_by_creating_again)
{
    struct rig *rig = rig_new(1u << 20);
    rig_op(rig, OCTO_DISK_CREATE, main_file);
    rig->answers[OCTO_CHANCE_SYNC_ERROR] = 2;
    cr_assert_eq(rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0}), OCTO_ERR_IO);
    rig->answers[OCTO_CHANCE_SYNC_ERROR] = 0;
    cr_assert_eq(rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0}), OCTO_ERR_OK);
    cr_assert_not(rig_is_durable(rig, main_file, 0), "the second answer is worth nothing");
    cr_assert_eq(rig_op(rig, OCTO_DISK_CREATE, main_file), OCTO_ERR_OK);
    cr_assert_eq(rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0}), OCTO_ERR_OK);
    cr_assert(rig_is_durable(rig, main_file, 0));
    rig->answers[OCTO_CHANCE_WRITE_ERROR] = 1;
    cr_assert_eq(rig_op(rig, OCTO_DISK_UNLINK, main_file), OCTO_ERR_IO);
    cr_assert_eq(rig_byte(rig, 0), -1, "and nothing happened");
    rig_free(rig);
}

Test(simdisk, a_directory_that_is_never_synced_makes_room)
{
    struct rig *rig = rig_new(1u << 20);
    for (uint32_t i = 0; i < 1000; i++) {
        const struct octo_file file = {.kind = OCTO_FILE_SNAPSHOT, .number = i};
        cr_assert_eq(rig_op(rig, OCTO_DISK_CREATE, file), OCTO_ERR_OK);
        cr_assert_eq(rig_rename(rig, file, identity), OCTO_ERR_OK);
        if (i % 3 == 0)
            cr_assert_eq(rig_op(rig, OCTO_DISK_UNLINK, identity), OCTO_ERR_OK);
    }
    rig_free(rig);
}

Test(simdisk, files_may_be_sparse_and_large)
{
    static const uint64_t offsets[] = {0,
                                       8191,
                                       8192,
                                       (1u << 20) - 1,
                                       1u << 20,
                                       134217728,
                                       17179869184,
                                       2199023255000,
                                       UINT64_C(2199023255552) - 1024};
    struct rig *rig = rig_with_main();
    for (size_t i = sizeof offsets / sizeof offsets[0]; i-- > 0;)
        cr_assert_eq(rig_write(rig, offsets[i], 1, (uint8_t)('a' + i)), OCTO_ERR_OK);
    rig_sync(rig);
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        cr_assert_eq(rig_byte(rig, offsets[i]), (int)('a' + i), "offset %zu", i);
        cr_assert_eq(rig_durable_byte(rig, offsets[i]), (int)('a' + i), "offset %zu", i);
    }
    cr_assert_eq(rig_byte(rig, 4096), 0, "a hole");
    uint32_t slot;
    struct octo_disk_op op = {.kind = OCTO_DISK_WRITE,
                              .file = main_file,
                              .length = 513,
                              .offset = UINT64_C(2199023255552) - 1024,
                              .data = rig->scratch};
    cr_assert_eq(octo_simdisk_submit(rig->disk, &op, &rig->host, &slot), 0, "too far");
    op.offset = UINT64_MAX;
    cr_assert_eq(octo_simdisk_submit(rig->disk, &op, &rig->host, &slot), 0, "too far");
    rig_free(rig);
}

Test(simdisk, a_full_arena_refuses_and_changes_nothing)
{
    struct rig *rig = rig_new(128u << 10);
    rig_op(rig, OCTO_DISK_CREATE, main_file);
    uint64_t offset = 0;
    uint32_t slot;
    for (;; offset += SECTOR) {
        const struct octo_disk_op op = {.kind = OCTO_DISK_WRITE,
                                        .file = main_file,
                                        .offset = offset,
                                        .length = SECTOR,
                                        .data = rig->scratch};
        const uint32_t asked = rig->asked[OCTO_CHANCE_LATENCY];
        if (octo_simdisk_submit(rig->disk, &op, &rig->host, &slot) == 0) {
            cr_assert_eq(rig->asked[OCTO_CHANCE_LATENCY], asked, "not even a question");
            break;
        }
        rig_complete(rig, slot);
    }
    cr_assert_gt(offset, 64 * SECTOR);
    cr_assert_eq(rig_byte(rig, offset), -1);
    cr_assert_eq(rig_byte(rig, offset - 1), 0);
    cr_assert_eq(rig_sync(rig), OCTO_ERR_OK);
    rig_free(rig);
}

Test(simdisk, no_more_operations_in_flight_than_agreed)
{
    struct rig *rig = rig_with_main();
    uint32_t slots[PENDING];
    uint32_t slot;
    const struct octo_disk_op op = {.kind = OCTO_DISK_SYNC, .file = main_file};
    for (uint32_t i = 0; i < PENDING; i++)
        slots[i] = rig_submit(rig, op);
    cr_assert_eq(octo_simdisk_submit(rig->disk, &op, &rig->host, &slot), 0);
    rig_complete(rig, slots[3]);
    cr_assert_eq(rig_submit(rig, op), slots[3], "places are used again");
    octo_simdisk_kill(rig->disk);
    for (uint32_t i = 0; i < PENDING; i++)
        rig_submit(rig, op);
    rig_free(rig);
}

Test(simdisk, a_dropped_operation_cannot_complete, .exit_code = 77)
{
    struct rig *rig = rig_with_main();
    const uint32_t slot = rig_submit_write(rig, 0, SECTOR, 'x');
    octo_simdisk_kill(rig->disk);
    rig_complete(rig, slot);
}

static void draw_life_op(uint64_t *random, struct octo_disk_op *op, uint8_t *data)
{
    static const uint8_t kinds[8] = {OCTO_DISK_WRITE,  OCTO_DISK_WRITE,   OCTO_DISK_WRITE,
                                     OCTO_DISK_SYNC,   OCTO_DISK_READ,    OCTO_DISK_CREATE,
                                     OCTO_DISK_UNLINK, OCTO_DISK_DIR_SYNC};
    const uint32_t range = draw_below(random, 4) == 0 ? 8 : 5; /* the directory changes seldom */
    *op = (struct octo_disk_op){.kind = kinds[draw_below(random, range)], .data = data};
    op->file = draw_below(random, 2) == 0 ? main_file : snapshot;
    op->offset = draw_below(random, FILE_BYTES / 2);
    op->length = draw_below(random, 2048);
    memset(data, (int)draw_below(random, 256), op->length);
}

/* A life of the disk: the hash covers what a host can see of it. */
static uint64_t rig_live(struct rig *rig, uint64_t random, uint32_t steps)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < steps; i++) {
        struct octo_disk_op op;
        uint8_t data[2048];
        uint32_t slot = 0;
        draw_life_op(&random, &op, data);
        rig->answers[OCTO_CHANCE_SYNC_ERROR] = draw_below(&random, 8) == 0 ? 1 + i % 2 : 0;
        rig->answers[OCTO_CHANCE_CRASH_SECTOR] = draw_below(&random, 80);
        rig->answers[OCTO_CHANCE_CRASH_ENTRY] = draw_below(&random, 2);
        rig->answers[OCTO_CHANCE_LOST_WRITE] = draw_below(&random, 16) == 0;
        rig->answers[OCTO_CHANCE_MISDIRECTED_WRITE] =
            draw_below(&random, 16) == 0 ? draw_below(&random, 8) : 0;
        if (draw_below(&random, 64) == 0)
            hash += octo_simdisk_damage(rig->disk, op.file, op.offset, op.length,
                                        (enum octo_disk_damage)(1 + draw_below(&random, 4)), i);
        cr_assert_neq(octo_simdisk_submit(rig->disk, &op, &rig->host, &slot), 0);
        hash = octo_mix(hash ^ slot ^ (uint64_t)rig->report_count << 32);
        const uint32_t fate = draw_below(&random, 64);
        if (fate == 0) {
            octo_simdisk_power_loss(rig->disk, &rig->host);
        } else if (fate == 1) {
            octo_simdisk_kill(rig->disk);
        } else {
            octo_simdisk_complete(rig->disk, slot, &rig->host, rig->scratch, FILE_BYTES,
                                  &rig->event);
            hash = octo_mix(hash ^ (uint32_t)rig->event.disk.result);
            for (uint32_t at = 0; rig->event.disk.data != NULL && at < rig->event.disk.length; at++)
                hash = octo_mix(hash ^ rig->event.disk.data[at]);
        }
    }
    octo_simdisk_check(rig->disk);
    return hash;
}

/* Nothing on it, durably. */
static void rig_empty(struct rig *rig)
{
    octo_simdisk_kill(rig->disk);
    rig->answers[OCTO_CHANCE_SYNC_ERROR] = 0;
    rig_op(rig, OCTO_DISK_UNLINK, main_file);
    rig_op(rig, OCTO_DISK_UNLINK, snapshot);
    rig->answers[OCTO_CHANCE_CRASH_ENTRY] = 1;
    octo_simdisk_power_loss(rig->disk, &rig->host);
    cr_assert_not(rig_is_durable(rig, main_file, 0));
    cr_assert_not(rig_is_durable(rig, snapshot, 0));
}

/* The same life over and over takes the same slots: one that leaked would be missing. */
Test(simdisk, memory_does_not_grow_with_time)
{
    struct rig *rig = rig_new(1u << 20);
    rig_live(rig, 1, 10000);
    const size_t used = rig->arena.used;
    for (uint32_t i = 0; i < 10; i++) {
        rig_empty(rig);
        rig_live(rig, 1, 10000);
        cr_assert_eq(rig->arena.used, used, "%zu, then %zu bytes", used, rig->arena.used);
    }
    rig_free(rig);
}

Test(simdisk, a_copied_world_goes_on_as_the_original_and_addresses_do_not_matter)
{
    struct rig *rig = rig_new(1u << 20);
    struct rig *other = rig_new(1u << 20);
    uint8_t *copy = malloc(1u << 20);
    memset(other->block + other->arena.used, 0x5a, (1u << 20) - other->arena.used);
    cr_assert_eq(rig_live(rig, 1, 3000), rig_live(other, 1, 3000));

    struct rig saved = *rig;
    ASAN_UNPOISON_MEMORY_REGION(rig->block, 1u << 20); /* as world_save does */
    memcpy(copy, rig->block, saved.arena.used);
    const uint64_t hash = rig_live(rig, 9, 3000);
    *rig = saved;
    ASAN_UNPOISON_MEMORY_REGION(rig->block, 1u << 20);
    memcpy(rig->block, copy, saved.arena.used);
    cr_assert_eq(rig_live(rig, 9, 3000), hash);
    free(copy);
    rig_free(rig);
    rig_free(other);
}
