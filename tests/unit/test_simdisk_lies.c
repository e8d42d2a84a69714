/* The simulated disk's lies and damage: one sentence a test. Each shows what reads see, and what an
 * honest disk would hold. */
#include "simdisk_rig.h"

/* ---- Lost and misdirected writes ------------------------------------------------------------- */

/* Writes 'b' over sector 0 and syncs it, and the write goes astray. */
static void rig_lie(struct rig *rig, enum octo_disk_chance_kind kind, uint64_t answer)
{
    rig->answers[kind] = answer;
    cr_assert_eq(rig_write(rig, 0, SECTOR, 'b'), OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, SECTOR);
    rig->answers[kind] = 0;
    cr_assert_eq(rig_sync(rig), OCTO_ERR_OK);
}

Test(simdisk_lies, a_lost_write_is_readable_until_the_page_cache_is_gone)
{
    struct rig *rig = rig_with_content(2);
    rig_lie(rig, OCTO_CHANCE_LOST_WRITE, 1);
    cr_assert_eq(rig_lies(rig), 1);
    cr_assert_eq(octo_simdisk_lies(rig->disk, main_file, SECTOR, SECTOR), 0);
    cr_assert_eq(rig_byte(rig, 0), 'b');
    octo_simdisk_kill(rig->disk);
    cr_assert_eq(rig_byte(rig, 0), 'b', "a kill leaves the page cache");
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, 0), 'a');
    cr_assert_eq(rig_durable_byte(rig, 0), 'b', "what an honest disk holds");
    cr_assert_eq(rig_stats(rig)->faults[OCTO_CHANCE_LOST_WRITE], 1);
    cr_assert_eq(rig_stats(rig)->lies_told, 1);
    rig_write(rig, 0, SECTOR, 'c');
    cr_assert_eq(rig_lies(rig), 1, "not before it is synced");
    rig_sync(rig);
    cr_assert_eq(rig_lies(rig), 0);
    cr_assert_eq(rig_stats(rig)->lies_ended, 1);
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, 0), 'c');
    rig_free(rig);
}

Test(simdisk_lies, a_lost_write_to_a_hole_leaves_the_hole)
{
    struct rig *rig = rig_with_main();
    rig_allocate(rig, 0, 4 * SECTOR);
    rig_lie(rig, OCTO_CHANCE_LOST_WRITE, 1);
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, 0), 0);
    cr_assert_eq(rig_durable_byte(rig, 0), 'b');
    cr_assert_eq(rig_lies(rig), 1);
    octo_simdisk_heal(rig->disk);
    octo_simdisk_check(rig->disk);
    cr_assert_eq(rig_byte(rig, 0), 'b');
    cr_assert_eq(rig_lies(rig), 0);
    rig_free(rig);
}

Test(simdisk_lies, a_lost_write_that_never_reached_the_disk_is_no_lie)
{
    struct rig *rig = rig_with_content(1);
    rig->answers[OCTO_CHANCE_LOST_WRITE] = 1;
    rig_write(rig, 0, SECTOR, 'b');
    rig->answers[OCTO_CHANCE_LOST_WRITE] = 0;
    rig_write(rig, 0, 8, 'c');
    rig_sync(rig);
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, 8), 'b', "the next write took the whole sector along");

    for (uint64_t fault = 1; fault <= 2; fault++) {
        rig->answers[OCTO_CHANCE_LOST_WRITE] = 1;
        rig_write(rig, 0, SECTOR, 'd');
        rig->answers[OCTO_CHANCE_LOST_WRITE] = 0;
        rig->answers[OCTO_CHANCE_SYNC_ERROR] = fault;
        rig_sync(rig);
        rig->answers[OCTO_CHANCE_SYNC_ERROR] = 0;
        cr_assert_eq(rig_sync(rig), OCTO_ERR_OK);
        rig_power_loss(rig);
        cr_assert_eq(rig_byte(rig, 8), 'b');
    }
    cr_assert_eq(rig_stats(rig)->lies_told, 0);
    rig_free(rig);
}

/* What a sync in flight covers is written over by a lost write, and the other way round. */
Test(simdisk_lies, each_content_of_a_sector_goes_its_own_way)
{
    struct rig *rig = rig_with_content(1);
    rig->answers[OCTO_CHANCE_LOST_WRITE] = 1;
    rig_write(rig, 0, SECTOR, 'b');
    rig->answers[OCTO_CHANCE_LOST_WRITE] = 0;
    const uint32_t over = rig_submit_write(rig, 0, SECTOR, 'c');
    rig_sync(rig);
    cr_assert_eq(rig_durable_byte(rig, 0), 'b', "complete, and covered");
    cr_assert_eq(rig_lies(rig), 1);
    rig_complete(rig, over);
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, 0), 'a');
    cr_assert_eq(rig_durable_byte(rig, 0), 'b');

    rig_write(rig, 0, SECTOR, 'd');
    const uint32_t sync =
        rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_SYNC, .file = main_file});
    rig->answers[OCTO_CHANCE_LOST_WRITE] = 1;
    rig_write(rig, 0, SECTOR, 'e');
    rig_complete(rig, sync);
    cr_assert_eq(rig_stats(rig)->lies_ended, 1, "'d' ended it");
    cr_assert_eq(rig_lies(rig), 1, "and 'e' will tell another");
    rig_sync(rig);
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, 0), 'd');
    cr_assert_eq(rig_durable_byte(rig, 0), 'e');
    rig_free(rig);
}

Test(simdisk_lies, a_second_lost_write_leaves_the_first_content)
{
    struct rig *rig = rig_with_content(1);
    rig_lie(rig, OCTO_CHANCE_LOST_WRITE, 1);
    rig->answers[OCTO_CHANCE_LOST_WRITE] = 1;
    rig_write(rig, 0, SECTOR, 'c');
    rig_sync(rig);
    cr_assert_eq(rig_stats(rig)->lies_told, 1);
    rig_write(rig, 0, SECTOR, 'a');
    rig_sync(rig);
    cr_assert_eq(rig_lies(rig), 0, "a lie that is true is none");
    rig_free(rig);
}

Test(simdisk_lies, a_failed_sync_reads_the_lie_again)
{
    struct rig *rig = rig_with_content(1);
    rig_lie(rig, OCTO_CHANCE_LOST_WRITE, 1);
    rig_write(rig, 0, SECTOR, 'c');
    rig->answers[OCTO_CHANCE_SYNC_ERROR] = 1;
    rig_sync(rig);
    cr_assert_eq(rig_byte(rig, 0), 'a');
    cr_assert_eq(rig_durable_byte(rig, 0), 'b');
    rig_free(rig);
}

Test(simdisk_lies, a_part_written_over_a_lie_finds_the_honest_bytes_around_it)
{
    struct rig *rig = rig_with_content(1);
    rig_lie(rig, OCTO_CHANCE_LOST_WRITE, 1);
    rig_power_loss(rig);
    rig_write(rig, 0, 8, 'c');
    rig_sync(rig);
    cr_assert_eq(rig_durable_byte(rig, 8), 'b');
    cr_assert_eq(rig_byte(rig, 8), 'b');
    cr_assert_eq(rig_lies(rig), 0);
    rig_free(rig);
}

Test(simdisk_lies, a_torn_write_over_a_lie_leaves_its_tail)
{
    struct rig *rig = rig_with_content(1);
    rig_lie(rig, OCTO_CHANCE_LOST_WRITE, 1);
    rig_write(rig, 0, SECTOR, 'c');
    rig->answers[OCTO_CHANCE_CRASH_SECTOR] = 3;
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, 15), 'c');
    cr_assert_eq(rig_byte(rig, 16), 'a');
    cr_assert_eq(rig_durable_byte(rig, 15), 'c');
    cr_assert_eq(rig_durable_byte(rig, 16), 'b', "an honest disk tears too");
    cr_assert_eq(rig_lies(rig), 1);
    rig_free(rig);
}

Test(simdisk_lies, a_power_loss_takes_an_unsynced_write_that_goes_astray_from_the_honest_disk_too)
{
    struct rig *rig = rig_with_content(4);
    rig->answers[OCTO_CHANCE_CRASH_SECTOR] = 1;
    rig->answers[OCTO_CHANCE_MISDIRECTED_WRITE] = 2;
    rig_write(rig, 0, SECTOR, 'b');
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, 0), 'a');
    cr_assert_eq(rig_durable_byte(rig, 0), 'a');
    cr_assert_eq(rig_byte(rig, 2 * SECTOR), 'b', "it arrived all the same");
    cr_assert_eq(rig_durable_byte(rig, 2 * SECTOR), 'a');
    cr_assert_eq(rig_lies(rig), 1);

    rig->answers[OCTO_CHANCE_MISDIRECTED_WRITE] = 0;
    rig->answers[OCTO_CHANCE_LOST_WRITE] = 1;
    rig_write(rig, SECTOR, SECTOR, 'c');
    rig_power_loss(rig);
    cr_assert_eq(rig_durable_byte(rig, SECTOR), 'a');
    cr_assert_eq(rig_lies(rig), 1, "it arrived nowhere");
    rig_free(rig);
}

Test(simdisk_lies, a_misdirected_write_goes_further_on)
{
    struct rig *rig = rig_with_content(4);
    rig_lie(rig, OCTO_CHANCE_MISDIRECTED_WRITE, 2);
    cr_assert_eq(rig_lies(rig), 2);
    cr_assert_eq(rig_byte(rig, 0), 'b');
    cr_assert_eq(rig_byte(rig, 2 * SECTOR), 'a', "the page cache hides it");
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, 0), 'a');
    cr_assert_eq(rig_byte(rig, 2 * SECTOR), 'b');
    cr_assert_eq(rig_durable_byte(rig, 0), 'b');
    cr_assert_eq(rig_durable_byte(rig, 2 * SECTOR), 'a');
    cr_assert_eq(rig_stats(rig)->faults[OCTO_CHANCE_MISDIRECTED_WRITE], 1);
    octo_simdisk_heal(rig->disk);
    cr_assert_eq(rig_byte(rig, 0), 'b');
    cr_assert_eq(rig_byte(rig, 2 * SECTOR), 'a');
    rig_free(rig);
}

Test(simdisk_lies, a_misdirected_write_ends_where_the_file_does)
{
    struct rig *rig = rig_with_content(1);
    rig_write(rig, SECTOR, 10, 'a');
    rig_sync(rig);
    rig_lie(rig, OCTO_CHANCE_MISDIRECTED_WRITE, 1);
    rig_power_loss(rig);
    rig_write(rig, 2 * SECTOR, 1, 'c');
    cr_assert_eq(rig_byte(rig, SECTOR + 9), 'b');
    cr_assert_eq(rig_byte(rig, SECTOR + 10), 0);
    rig_free(rig);
}

Test(simdisk_lies, a_misdirected_write_to_nowhere_is_lost)
{
    static const uint64_t answers[] = {2, 4, 100, UINT64_MAX, UINT32_MAX - 1};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct rig *rig = rig_with_content(1);
        rig_write(rig, 3 * SECTOR, SECTOR, 'a');
        rig_sync(rig);
        rig_lie(rig, OCTO_CHANCE_MISDIRECTED_WRITE, answers[i]);
        cr_assert_eq(rig_lies(rig), 1, "answer %zu", i);
        rig_power_loss(rig);
        cr_assert_eq(rig_byte(rig, 0), 'a');
        cr_assert_eq(rig_byte(rig, 2 * SECTOR), 0);
        rig_free(rig);
    }
}

Test(simdisk_lies, a_misdirected_write_under_a_dirty_sector_shows_when_that_is_lost)
{
    for (uint64_t kept = 0; kept <= 1; kept++) {
        struct rig *rig = rig_with_content(2);
        rig->answers[OCTO_CHANCE_MISDIRECTED_WRITE] = 1;
        rig_write(rig, 0, SECTOR, 'b');
        rig->answers[OCTO_CHANCE_MISDIRECTED_WRITE] = 0;
        const uint32_t over = rig_submit_write(rig, SECTOR, SECTOR, 'c');
        rig_sync(rig);
        rig_complete(rig, over);
        cr_assert_eq(rig_byte(rig, SECTOR), 'c');
        cr_assert_eq(rig_lies(rig), 2);
        rig->answers[OCTO_CHANCE_CRASH_SECTOR] = kept;
        rig_power_loss(rig);
        cr_assert_eq(rig_byte(rig, SECTOR), kept == 1 ? 'c' : 'b');
        cr_assert_eq(rig_durable_byte(rig, SECTOR), kept == 1 ? 'c' : 'a');
        cr_assert_eq(rig_lies(rig), 2 - kept);
        rig_free(rig);
    }
}

Test(simdisk_lies, a_lie_goes_with_its_file)
{
    struct rig *rig = rig_with_content(2);
    rig_lie(rig, OCTO_CHANCE_LOST_WRITE, 1);
    rig_power_loss(rig);
    rig_rename(rig, main_file, snapshot);
    rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0});
    cr_assert_eq(octo_simdisk_lies(rig->disk, snapshot, 0, 1), 1);
    cr_assert_eq(rig_lies(rig), 0);
    rig_op(rig, OCTO_DISK_CREATE, main_file);
    rig_rename(rig, main_file, snapshot);
    rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0});
    octo_simdisk_check(rig->disk);
    cr_assert_eq(octo_simdisk_lies(rig->disk, snapshot, 0, UINT64_MAX), 0);
    rig_free(rig);
}

Test(simdisk_lies, a_disk_that_lies_too_much_tells_the_truth)
{
    struct rig *rig = rig_with_main();
    for (uint32_t i = 0; i < 5; i++)
        rig_write(rig, i * FILE_BYTES, FILE_BYTES, 'a');
    rig_sync(rig);
    rig->answers[OCTO_CHANCE_LOST_WRITE] = 1;
    for (uint32_t i = 0; i < 5; i++)
        rig_write(rig, i * FILE_BYTES, FILE_BYTES, 'b');
    rig_sync(rig);
    cr_assert_eq(rig_stats(rig)->faults[OCTO_CHANCE_LOST_WRITE], 3, "64 sectors each, 250 lies");
    cr_assert_eq(rig_stats(rig)->lies_told, 192);
    cr_assert_eq(octo_simdisk_damage(rig->disk, main_file, 3 * FILE_BYTES, 2 * FILE_BYTES,
                                     OCTO_DAMAGE_ZERO, 1),
                 58);
    octo_simdisk_check(rig->disk);
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, FILE_BYTES), 'a');
    cr_assert_eq(rig_byte(rig, 4 * FILE_BYTES), 'b');
    rig_free(rig);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

static uint32_t rig_damage(struct rig *rig, uint64_t offset, uint64_t length,
                           enum octo_disk_damage damage)
{
    const uint32_t count =
        octo_simdisk_damage(rig->disk, main_file, offset, length, damage, rig->next_id);
    octo_simdisk_check(rig->disk);
    return count;
}

Test(simdisk_lies, damage_shows_at_once_and_the_honest_content_is_kept)
{
    static const uint32_t wrong[] = {[OCTO_DAMAGE_FLIP] = 1,
                                     [OCTO_DAMAGE_GARBAGE] = SECTOR,
                                     [OCTO_DAMAGE_ZERO] = SECTOR,
                                     [OCTO_DAMAGE_OLD] = SECTOR};
    for (uint32_t kind = OCTO_DAMAGE_FLIP; kind <= OCTO_DAMAGE_OLD; kind++) {
        struct rig *rig = rig_with_content(3);
        cr_assert_eq(rig_damage(rig, SECTOR + 5, 1, kind), 1);
        rig_read(rig, 0, 3 * SECTOR);
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < 3 * SECTOR; i++) {
            bytes += rig->event.disk.data[i] != 'a';
            cr_assert(rig->event.disk.data[i] == 'a' || i / SECTOR == 1);
            cr_assert_eq(rig_durable_byte(rig, i), 'a', "what an honest disk holds");
        }
        cr_assert_gt(bytes + 8, wrong[kind], "kind %u", kind);
        cr_assert_leq(bytes, wrong[kind], "kind %u", kind);
        cr_assert_eq(rig_lies(rig), 1);
        rig_power_loss(rig);
        cr_assert_eq(rig_lies(rig), 1);
        octo_simdisk_heal(rig->disk);
        octo_simdisk_check(rig->disk);
        cr_assert_eq(rig_byte(rig, SECTOR), 'a');
        cr_assert_eq(rig_byte(rig, 2 * SECTOR - 1), 'a');
        rig_free(rig);
    }
}

Test(simdisk_lies, damage_leaves_alone_what_is_not_on_the_disk)
{
    struct rig *rig = rig_with_content(2);
    rig_allocate(rig, 0, 8 * SECTOR);
    rig_sync(rig);
    rig_write(rig, SECTOR, SECTOR, 'b');
    cr_assert_eq(rig_damage(rig, 0, UINT64_MAX, OCTO_DAMAGE_GARBAGE), 1, "dirty, holes, beyond");
    cr_assert_eq(rig_byte(rig, SECTOR), 'b');
    cr_assert_eq(rig_damage(rig, 0, 0, OCTO_DAMAGE_FLIP), 0);
    cr_assert_eq(rig_damage(rig, 8 * SECTOR, SECTOR, OCTO_DAMAGE_FLIP), 0);
    cr_assert_eq(octo_simdisk_damage(rig->disk, snapshot, 0, 1, OCTO_DAMAGE_FLIP, 1), 0);
    cr_assert_eq(rig_damage(rig, 0, 1, OCTO_DAMAGE_ZERO), 1);
    cr_assert_eq(rig_damage(rig, 0, 1, OCTO_DAMAGE_ZERO), 0, "it is zero already");
    cr_assert_eq(rig_stats(rig)->lies_told, 1);
    rig_free(rig);
}

Test(simdisk_lies, the_same_bit_twice_is_no_damage)
{
    struct rig *rig = rig_with_content(1);
    cr_assert_eq(octo_simdisk_damage(rig->disk, main_file, 0, 1, OCTO_DAMAGE_FLIP, 9), 1);
    cr_assert_eq(octo_simdisk_damage(rig->disk, main_file, 0, 1, OCTO_DAMAGE_FLIP, 9), 1);
    octo_simdisk_check(rig->disk);
    cr_assert_eq(rig_lies(rig), 0);
    rig_free(rig);
}

Test(simdisk_lies, an_older_version_comes_back_while_it_is_kept)
{
    struct rig *rig = rig_with_content(20);
    rig_write(rig, 0, SECTOR, 'b');
    rig_sync(rig);
    rig_write(rig, 0, SECTOR, 'c');
    rig_sync(rig);
    cr_assert_eq(rig_damage(rig, 0, SECTOR, OCTO_DAMAGE_OLD), 1);
    cr_assert_eq(rig_byte(rig, 0), 'b');
    cr_assert_eq(rig_durable_byte(rig, 0), 'c');
    rig_write(rig, SECTOR, 19 * SECTOR, 'd');
    rig_sync(rig);
    cr_assert_eq(rig_damage(rig, 0, 20 * SECTOR, OCTO_DAMAGE_OLD), 20);
    cr_assert_eq(rig_byte(rig, 0), 0, "not kept any more");
    cr_assert_eq(rig_byte(rig, SECTOR), 0);
    cr_assert_eq(rig_byte(rig, 19 * SECTOR), 'a');
    rig_free(rig);
}

Test(simdisk_lies, a_wiped_disk_is_empty_and_says_so)
{
    struct rig *rig = rig_with_content(2);
    rig_lie(rig, OCTO_CHANCE_LOST_WRITE, 1);
    rig_op(rig, OCTO_DISK_CREATE, snapshot);
    rig_write(rig, 0, SECTOR, 'c');
    rig->report_count = 0;
    octo_simdisk_wipe(rig->disk, &rig->host);
    octo_simdisk_check(rig->disk);
    cr_assert_eq(rig->report_count, 1);
    cr_assert_eq(rig->reports[0].length, 2 * SECTOR);
    cr_assert_not(rig_is_durable(rig, main_file, 0));
    cr_assert_eq(rig_op(rig, OCTO_DISK_READ, main_file), OCTO_ERR_NOT_FOUND);
    cr_assert_eq(rig_op(rig, OCTO_DISK_READ, snapshot), OCTO_ERR_NOT_FOUND);
    rig_power_loss(rig);
    cr_assert_eq(rig->asked[OCTO_CHANCE_CRASH_ENTRY], 0);
    cr_assert_eq(rig_op(rig, OCTO_DISK_CREATE, main_file), OCTO_ERR_OK);
    cr_assert_eq(rig_byte(rig, 0), -1);
    rig_free(rig);
}

Test(simdisk_lies, a_disk_at_work_is_not_wiped, .exit_code = 77)
{
    struct rig *rig = rig_with_content(1);
    rig_submit_write(rig, 0, SECTOR, 'x');
    octo_simdisk_wipe(rig->disk, &rig->host);
}
