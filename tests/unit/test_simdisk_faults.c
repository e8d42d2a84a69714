/* The simulated disk's space, lists, short reads, sizes and renames: one sentence a test. */
#include "simdisk_rig.h"

/* ---- Space ----------------------------------------------------------------------------------- */

Test(simdisk_faults, an_allocation_is_durable_when_a_sync_covered_it)
{
    struct rig *rig = rig_with_main();
    const size_t used = rig->arena.used;
    cr_assert_eq(rig_allocate(rig, 0, 1u << 30), OCTO_ERR_OK);
    cr_assert_eq(rig->arena.used, used, "holes cost nothing");
    cr_assert_eq(rig_byte(rig, (1u << 30) - 1), 0);
    cr_assert_eq(rig_byte(rig, 1u << 30), -1);
    cr_assert(rig_is_durable(rig, main_file, 0));
    rig_sync(rig);
    cr_assert(rig_is_durable(rig, main_file, 1u << 30));
    const uint32_t more = rig_submit(
        rig, (struct octo_disk_op){
                 .kind = OCTO_DISK_ALLOCATE, .file = main_file, .offset = 1u << 30, .length = 10});
    rig_sync(rig);
    rig_complete(rig, more);
    cr_assert(rig_is_durable(rig, main_file, 1u << 30), "it was in flight");
    rig_power_loss(rig);
    cr_assert_eq(rig_byte(rig, 1u << 30), -1);
    cr_assert_eq(rig_byte(rig, (1u << 30) - 1), 0);
    rig_free(rig);
}

Test(simdisk_faults, an_allocation_never_shortens_a_file_and_may_be_of_nothing)
{
    struct rig *rig = rig_with_content(4);
    cr_assert_eq(rig_allocate(rig, 0, SECTOR), OCTO_ERR_OK);
    cr_assert_eq(rig_allocate(rig, FILE_BYTES, 0), OCTO_ERR_OK);
    cr_assert_eq(rig_byte(rig, 4 * SECTOR - 1), 'a');
    cr_assert_eq(rig_byte(rig, 4 * SECTOR), -1);
    cr_assert_eq(rig_op(rig, OCTO_DISK_ALLOCATE, snapshot), OCTO_ERR_NOT_FOUND);
    uint32_t slot;
    const struct octo_disk_op far = {
        .kind = OCTO_DISK_ALLOCATE, .file = main_file, .offset = UINT64_MAX - 1, .length = 9};
    cr_assert_eq(octo_simdisk_submit(rig->disk, &far, &rig->host, &slot), 0);
    rig_free(rig);
}

Test(simdisk_faults, a_failed_sync_takes_an_allocations_durability_for_good)
{
    struct rig *rig = rig_with_main();
    rig_allocate(rig, 0, 4 * SECTOR);
    rig->answers[OCTO_CHANCE_SYNC_ERROR] = 2;
    cr_assert_eq(rig_sync(rig), OCTO_ERR_IO);
    rig->answers[OCTO_CHANCE_SYNC_ERROR] = 0;
    cr_assert_eq(rig_sync(rig), OCTO_ERR_OK);
    cr_assert(rig_is_durable(rig, main_file, 0), "the second answer is worth nothing");
    cr_assert_eq(rig_byte(rig, 4 * SECTOR - 1), 0, "but it is seen");
    rig_allocate(rig, 0, 4 * SECTOR);
    cr_assert_eq(rig_sync(rig), OCTO_ERR_OK);
    cr_assert(rig_is_durable(rig, main_file, 4 * SECTOR));
    rig_free(rig);
}

Test(simdisk_faults, an_allocation_fails_and_changes_nothing)
{
    static const enum octo_disk_chance_kind kinds[] = {OCTO_CHANCE_WRITE_ERROR,
                                                       OCTO_CHANCE_NO_SPACE};
    static const enum octo_err results[] = {OCTO_ERR_IO, OCTO_ERR_NO_SPACE};
    for (size_t i = 0; i < 2; i++) {
        struct rig *rig = rig_with_main();
        rig->answers[kinds[i]] = 1;
        cr_assert_eq(rig_allocate(rig, 0, SECTOR), results[i]);
        cr_assert_eq(rig_stats(rig)->faults[kinds[i]], 1);
        cr_assert_eq(rig_byte(rig, 0), -1);
        rig->answers[kinds[i]] = 0;
        rig_sync(rig);
        cr_assert(rig_is_durable(rig, main_file, 0));
        rig_free(rig);
    }
}

Test(simdisk_faults, what_was_allocated_or_written_needs_no_space)
{
    struct rig *rig = rig_with_main();
    const uint32_t *asked = &rig->asked[OCTO_CHANCE_NO_SPACE];
    uint32_t before = *asked;
    rig_allocate(rig, SECTOR, 4 * SECTOR);
    rig_write(rig, 7 * SECTOR, SECTOR, 'x');
    cr_assert_eq(*asked, before + 2);
    before = *asked;
    rig->answers[OCTO_CHANCE_NO_SPACE] = 1;
    cr_assert_eq(rig_write(rig, SECTOR, 4 * SECTOR, 'x'), OCTO_ERR_OK);
    cr_assert_eq(rig_write(rig, 7 * SECTOR + 9, 1, 'y'), OCTO_ERR_OK);
    cr_assert_eq(rig_allocate(rig, 2 * SECTOR, SECTOR), OCTO_ERR_OK);
    cr_assert_eq(rig_op(rig, OCTO_DISK_CREATE, main_file), OCTO_ERR_OK);
    cr_assert_eq(*asked, before);
    cr_assert_eq(rig_write(rig, 4 * SECTOR, SECTOR + 1, 'z'), OCTO_ERR_NO_SPACE, "a byte too far");
    cr_assert_eq(rig->event.disk.length, 0);
    cr_assert_eq(rig_byte(rig, 4 * SECTOR), 'x', "nothing changed");
    cr_assert_eq(rig_write(rig, 0, 1, 'z'), OCTO_ERR_NO_SPACE);
    cr_assert_eq(rig_op(rig, OCTO_DISK_CREATE, snapshot), OCTO_ERR_NO_SPACE);
    cr_assert_eq(rig_op(rig, OCTO_DISK_READ, snapshot), OCTO_ERR_NOT_FOUND);
    cr_assert_eq(rig_stats(rig)->faults[OCTO_CHANCE_NO_SPACE], 3);
    rig_power_loss(rig);
    cr_assert_eq(rig_write(rig, SECTOR, SECTOR, 'z'), OCTO_ERR_NO_SPACE, "it was not synced");
    rig_free(rig);
}

/* ---- Lists and reads ------------------------------------------------------------------------- */

static uint32_t rig_list(struct rig *rig, uint32_t length)
{
    const struct octo_file file = {.kind = OCTO_FILE_SNAPSHOT};
    cr_assert_eq(
        rig_do(rig, (struct octo_disk_op){.kind = OCTO_DISK_LIST, .file = file, .length = length}),
        OCTO_ERR_OK);
    return rig->event.disk.length;
}

Test(simdisk_faults, a_list_shows_the_directory_synced_or_not)
{
    static const uint32_t numbers[] = {7, 1u << 31, 0, 300};
    struct rig *rig = rig_with_main();
    uint32_t durable[2];
    cr_assert_eq(rig_list(rig, 64), 0);
    for (size_t i = 0; i < 4; i++) {
        if (i == 3)
            rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0});
        rig_op(rig, OCTO_DISK_CREATE,
               (struct octo_file){.kind = OCTO_FILE_SNAPSHOT, .number = numbers[i]});
    }
    cr_assert_eq(rig_list(rig, 64), 16);
    cr_assert_eq(octo_get_u32(rig->event.disk.data), 0);
    cr_assert_eq(octo_get_u32(rig->event.disk.data + 4), 7);
    cr_assert_eq(octo_get_u32(rig->event.disk.data + 8), 300);
    cr_assert_eq(octo_get_u32(rig->event.disk.data + 12), 1u << 31);
    cr_assert_eq(rig_list(rig, 11), 8, "whole numbers, as many as asked for");
    cr_assert_eq(octo_simdisk_files(rig->disk, OCTO_FILE_SNAPSHOT, durable, 2), 3);
    cr_assert_eq(durable[0], 0);
    cr_assert_eq(durable[1], 7);
    cr_assert_eq(octo_simdisk_files(rig->disk, OCTO_FILE_MAIN, NULL, 0), 1);
    rig->answers[OCTO_CHANCE_READ_ERROR] = 1;
    cr_assert_eq(rig_op(rig, OCTO_DISK_LIST, snapshot), OCTO_ERR_IO);
    rig_free(rig);
}

Test(simdisk_faults, more_files_than_a_node_has)
{
    struct rig *rig = rig_new(1u << 20);
    for (uint32_t i = 0; i < 60; i++) {
        const struct octo_file file = {.kind = OCTO_FILE_SNAPSHOT, .number = 59 - i};
        cr_assert_eq(rig_op(rig, OCTO_DISK_CREATE, file), OCTO_ERR_OK);
    }
    cr_assert_eq(rig->report_count, 0);
    cr_assert_eq(octo_simdisk_files(rig->disk, OCTO_FILE_SNAPSHOT, NULL, 0), 0, "none was forced");
    cr_assert_eq(rig_list(rig, 4096), 240);
    rig_free(rig);
}

Test(simdisk_faults, a_short_read_returns_half_and_reading_on_gets_the_rest)
{
    static const struct {
        uint32_t asked, read;
    } rows[] = {{1024, 512}, {3, 1}, {2, 1}, {1, 1}, {FILE_BYTES, 512}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *rig = rig_with_content(2);
        rig->answers[OCTO_CHANCE_SHORT_READ] = 1;
        cr_assert_eq(rig_read(rig, 0, rows[i].asked), rows[i].read, "row %zu", i);
        uint32_t at = 0;
        while (at < octo_min_u64(rows[i].asked, 1024)) {
            const uint32_t got = rig_read(rig, at, rows[i].asked - at);
            cr_assert_gt(got, 0);
            at += got;
        }
        cr_assert_eq(at, octo_min_u64(rows[i].asked, 1024), "row %zu", i);
        cr_assert_eq(rig_read(rig, 1024, 10), 0, "nothing is left of nothing");
        rig_free(rig);
    }
}

Test(simdisk_faults, a_misdirected_read_is_right_the_second_time)
{
    struct rig *rig = rig_with_content(3);
    rig_write(rig, 2 * SECTOR, SECTOR / 2, 'b');
    rig_sync(rig);
    rig->answers[OCTO_CHANCE_MISDIRECTED_READ] = 2;
    cr_assert_eq(rig_byte(rig, 3), 'b');
    cr_assert_eq(rig_read(rig, SECTOR / 2, 2 * SECTOR), 2 * SECTOR, "as many as were asked for");
    cr_assert_eq(rig->event.disk.data[0], 'a');
    cr_assert_eq(rig->event.disk.data[SECTOR], 0, "zeros beyond the end");
    cr_assert_eq(rig_stats(rig)->faults[OCTO_CHANCE_MISDIRECTED_READ], 2);
    rig->answers[OCTO_CHANCE_MISDIRECTED_READ] = 3;
    cr_assert_eq(rig_byte(rig, 3), 'a', "no such sector");
    cr_assert_eq(rig_stats(rig)->faults[OCTO_CHANCE_MISDIRECTED_READ], 2);
    rig->answers[OCTO_CHANCE_MISDIRECTED_READ] = 0;
    cr_assert_eq(rig_byte(rig, 3), 'a');
    cr_assert_eq(rig_lies(rig), 0);
    rig_free(rig);
}

/* ---- Power losses ---------------------------------------------------------------------------- */

Test(simdisk_faults, a_power_loss_leaves_garbage_drawn_from_the_answer)
{
    uint8_t first[SECTOR];
    static const uint64_t answers[] = {65, 66, 65};
    for (size_t row = 0; row < 3; row++) {
        struct rig *rig = rig_with_content(1);
        rig_write(rig, 0, 2 * SECTOR - 8, 'b');
        rig->answers[OCTO_CHANCE_CRASH_SECTOR] = answers[row];
        rig_power_loss(rig);
        cr_assert_eq(rig_stats(rig)->sectors_garbage, 2);
        const uint8_t *at = octo_simdisk_durable_sector(rig->disk, main_file, 0);
        uint32_t wrong = 0;
        for (uint32_t i = 0; i < SECTOR; i++)
            wrong += at[i] != 'a' && at[i] != 'b';
        cr_assert_gt(wrong, SECTOR / 2);
        if (row == 0)
            memcpy(first, at, SECTOR);
        cr_assert_eq(memcmp(first, at, SECTOR) == 0, answers[row] == 65);
        cr_assert_eq(rig_read(rig, 0, FILE_BYTES), 2 * SECTOR - 8);
        cr_assert_eq(memcmp(rig->event.disk.data, at, SECTOR), 0, "what an honest disk holds");
        cr_assert_eq(rig_durable_byte(rig, 2 * SECTOR - 8), 0, "only up to the end");
        cr_assert_eq(rig_lies(rig), 0);
        rig_free(rig);
    }
}

Test(simdisk_faults, size_and_data_fall_apart_at_a_power_loss)
{
    static const struct {
        uint64_t size, sector; /* answers */
        uint64_t end;
        int last; /* byte before it */
    } rows[] = {
        {0, 0, 100, 'a'}, {0, 1, 2560, 0},  {1, 0, 4096, 0},
        {1, 1, 4096, 0},  {2, 1, 100, 'b'}, {2, 0, 100, 'a'},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *rig = rig_with_main();
        rig_write(rig, 0, 100, 'a');
        rig_sync(rig);
        rig_write(rig, 0, 2100, 'b');
        rig_allocate(rig, 0, 4096);
        rig->answers[OCTO_CHANCE_CRASH_SIZE] = rows[i].size;
        rig->answers[OCTO_CHANCE_CRASH_SECTOR] = rows[i].sector;
        rig_power_loss(rig);
        cr_assert(rig_is_durable(rig, main_file, rows[i].end), "row %zu", i);
        cr_assert_eq(rig_byte(rig, rows[i].end - 1), rows[i].last, "row %zu", i);
        cr_assert_eq(rig_stats(rig)->sizes_wrong, rows[i].size != 0);
        cr_assert_eq(rig->asked[OCTO_CHANCE_CRASH_SECTOR], rows[i].size == 2 ? 1 : 5);
        rig_write(rig, 4095, 1, 'c');
        cr_assert_eq(rig_byte(rig, 3000), 0, "nothing comes back from beyond the end");
        if (rows[i].size == 2)
            cr_assert_eq(rig_byte(rig, 100), 0, "row %zu", i);
        rig_free(rig);
    }
}

Test(simdisk_faults, a_synced_size_is_not_asked_about)
{
    struct rig *rig = rig_with_content(1);
    rig_allocate(rig, 0, 4096);
    rig_sync(rig);
    rig_write(rig, 2000, 10, 'b');
    rig->answers[OCTO_CHANCE_CRASH_SIZE] = 2;
    rig_power_loss(rig);
    cr_assert_eq(rig->asked[OCTO_CHANCE_CRASH_SIZE], 0);
    cr_assert(rig_is_durable(rig, main_file, 4096));
    rig_free(rig);
}

/* ---- Renames --------------------------------------------------------------------------------- */

/* Short programs over the names a, b, c: "Ca" creates a, "Ua" unlinks it, "Rab" renames a to b.
 * Before, a marked file is durably called a, and no program removes it. */
static const char *const programs[] = {
    "Rab",
    "Rab Ca",
    "Rab Ca Ua",
    "Rab Ca Ua Rba",
    "Rab Rbc Ca",
    "Rab Rbc Cb",
    "Rab Rba",
    "Rab Rbc Rca",
    "Cb Rab",
    "Cb Rab Ca Rac",
    "Cb Rbc Rab Rca",
    "Cc Rab Rca Rac",
    "Rab Cc Rca Rbc Rab",
};

static struct octo_file letter(char c)
{
    return (struct octo_file){.kind = OCTO_FILE_SNAPSHOT, .number = (uint32_t)(c - 'a')};
}

static uint32_t rig_program(struct rig *rig, const char *at)
{
    uint32_t count = 0;
    for (; *at != 0; count++) {
        if (at[0] == 'C')
            rig_op(rig, OCTO_DISK_CREATE, letter(at[1]));
        else if (at[0] == 'U')
            rig_op(rig, OCTO_DISK_UNLINK, letter(at[1]));
        else
            rig_rename(rig, letter(at[1]), letter(at[2]));
        at += at[0] == 'R' ? 3 : 2;
        at += *at == ' ';
    }
    return count;
}

/* How many durable names the marked file has. */
static uint32_t rig_names(const struct rig *rig)
{
    uint32_t count = 0;
    for (char c = 'a'; c <= 'c'; c++) {
        const uint8_t *content = octo_simdisk_durable_sector(rig->disk, letter(c), 0);
        count += content != NULL && content[0] == 'a';
    }
    return count;
}

Test(simdisk_faults, a_renamed_file_has_one_name_whatever_reached_the_disk)
{
    static const uint8_t mark[SECTOR] = {'a'};
    const struct octo_disk_op write = {
        .kind = OCTO_DISK_WRITE, .file = letter('a'), .length = SECTOR, .data = mark};
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        for (uint64_t kept = 0; kept < 64; kept++) {
            for (uint32_t failed = 0; failed <= 1; failed++) {
                struct rig *rig = rig_new(1u << 20);
                rig_op(rig, OCTO_DISK_CREATE, letter('a'));
                rig_do(rig, write);
                rig_op(rig, OCTO_DISK_SYNC, letter('a'));
                rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0});
                rig_program(rig, programs[i]);
                if (failed == 1) {
                    rig->answers[OCTO_CHANCE_SYNC_ERROR] = 1;
                    rig_op(rig, OCTO_DISK_DIR_SYNC, (struct octo_file){0});
                    rig_program(rig, "Ca");
                }
                rig->entry_bits = kept | 64;
                rig_power_loss(rig);
                cr_assert_eq(rig_names(rig), 1, "%s, kept %x", programs[i], (unsigned)kept);
                rig_free(rig);
            }
        }
    }
}

Test(simdisk_faults, a_rename_that_arrives_takes_the_old_name_along)
{
    struct rig *rig = rig_new(1u << 20);
    rig_op(rig, OCTO_DISK_CREATE, main_file);
    rig_rename(rig, main_file, snapshot);
    rig->entry_bits = 4 | 2; /* the create is lost, the rename is kept */
    rig_power_loss(rig);
    cr_assert_not(rig_is_durable(rig, main_file, 0));
    cr_assert(rig_is_durable(rig, snapshot, 0));
    rig_free(rig);
}
