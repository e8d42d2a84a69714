/* The disk contract (vfs/vfs.h): what every disk does, checked on the simulated and the POSIX one.
 */
#include "disk_rig.h"

#define PAGE 4096u

static const struct octo_file vote = {.kind = OCTO_FILE_VOTE};
static const struct octo_file first = {.kind = OCTO_FILE_MAIN, .number = 1};
static const struct octo_file second = {.kind = OCTO_FILE_MAIN, .number = 2};
static const struct octo_file nothing = {0};

/* Aligned, so that writes of whole pages may bypass the page cache; the caller's until the process
 * ends. */
static uint8_t *filled(uint8_t byte, uint32_t length)
{
    uint8_t *bytes = aligned_alloc(PAGE, octo_align_up(length + 1, PAGE));
    memset(bytes, byte, length);
    return bytes;
}

static bool all_are(const uint8_t *bytes, uint32_t length, uint8_t byte)
{
    for (uint32_t i = 0; i < length; i++) {
        if (bytes[i] != byte)
            return false;
    }
    return true;
}

/* [from, to) of the file is there and each byte of it is `byte`. */
static void expect(struct disk_rig *rig, struct octo_file file, uint32_t from, uint32_t to,
                   uint8_t byte)
{
    cr_assert_eq(disk_rig_read(rig, file, from, to - from), OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, to - from, "[%u, %u)", from, to);
    cr_assert(all_are(rig->event.disk.data, to - from, byte), "[%u, %u)", from, to);
}

static void create(struct disk_rig *rig, struct octo_file file)
{
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_CREATE, file), OCTO_ERR_OK);
}

static void write_fill(struct disk_rig *rig, struct octo_file file, uint64_t offset,
                       uint32_t length, uint8_t byte)
{
    uint8_t *data = filled(byte, length);
    cr_assert_eq(disk_rig_write(rig, file, offset, data, length), OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, length);
    free(data);
}

/* ---- Content --------------------------------------------------------------------------------- */

static void what_is_written_is_read(struct disk_rig *rig)
{
    static const struct {
        uint64_t offset;
        uint32_t length;
        uint32_t shift; /* of the data from an aligned address */
    } rows[] = {
        {0, 1, 0},         {0, PAGE, 0},        {PAGE, 4 * PAGE, 0},
        {PAGE, PAGE, 1},   {100, 5000, 0},      {511, 2, 7},
        {0, 64 * PAGE, 0}, {3 * PAGE, 512, 0},  {512, 2 * PAGE, 512},
        {70000, 1, 0},     {PAGE - 1, PAGE, 3}, {8 * PAGE, 100000, 0},
    };
    uint64_t draws = 4711;
    uint8_t *file = calloc(1, RIG_BYTES);
    uint8_t *bytes = filled(0, 65 * PAGE);
    uint32_t size = 0;
    create(rig, first);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *data = bytes + rows[i].shift;
        draw_bytes(&draws, data, rows[i].length);
        memcpy(file + rows[i].offset, data, rows[i].length);
        size = (uint32_t)octo_max_u64(size, rows[i].offset + rows[i].length);
        cr_assert_eq(disk_rig_write(rig, first, rows[i].offset, data, rows[i].length), OCTO_ERR_OK);
        cr_assert_eq(rig->event.disk.length, rows[i].length, "row %zu", i);
        cr_assert(disk_rig_is(rig, first, file, size), "row %zu", i);
        if (i % 2 == 1)
            cr_assert_eq(disk_rig_op(rig, OCTO_DISK_SYNC, first), OCTO_ERR_OK);
    }
    cr_assert(disk_rig_is(rig, first, file, size));
    free(bytes);
    free(file);
}

static void holes_read_as_zeros(struct disk_rig *rig)
{
    create(rig, first);
    write_fill(rig, first, 10 * PAGE + 5, 10, 'x');
    expect(rig, first, 0, 10 * PAGE + 5, 0);
    write_fill(rig, first, 2 * PAGE, PAGE, 'y');
    expect(rig, first, 0, 2 * PAGE, 0);
    expect(rig, first, 2 * PAGE, 3 * PAGE, 'y');
    expect(rig, first, 3 * PAGE, 10 * PAGE + 5, 0);
    expect(rig, first, 10 * PAGE + 5, 10 * PAGE + 15, 'x');
}

static void a_read_is_short_at_the_end_only(struct disk_rig *rig)
{
    static const struct {
        uint64_t offset;
        uint32_t length, read;
    } rows[] = {
        {0, 1000, 1000}, {0, 1001, 1000}, {0, 5000, 1000},      {999, 1, 1},
        {999, 2, 1},     {1000, 1, 0},    {123456789, 1000, 0}, {0, 0, 0},
    };
    create(rig, first);
    cr_assert_eq(disk_rig_read(rig, first, 0, 100), OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, 0, "an empty file");
    write_fill(rig, first, 0, 1000, 'x');
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(disk_rig_read(rig, first, rows[i].offset, rows[i].length), OCTO_ERR_OK);
        cr_assert_eq(rig->event.disk.length, rows[i].read, "row %zu", i);
        cr_assert(all_are(rig->event.disk.data, rows[i].read, 'x'), "row %zu", i);
    }
}

static void a_write_of_nothing_changes_nothing(struct disk_rig *rig)
{
    create(rig, first);
    write_fill(rig, first, 0, 10, 'x');
    write_fill(rig, first, 0, 0, 'y');
    write_fill(rig, first, 5000, 0, 'y');
    expect(rig, first, 0, 10, 'x');
    cr_assert_eq(disk_rig_read(rig, first, 10, 1), OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, 0);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void a_file_that_is_absent_is_not_found(struct disk_rig *rig)
{
    static const uint8_t kinds[] = {OCTO_DISK_READ, OCTO_DISK_WRITE, OCTO_DISK_SYNC,
                                    OCTO_DISK_UNLINK, OCTO_DISK_RENAME};
    for (size_t i = 0; i < sizeof kinds; i++) {
        const struct octo_disk_op op = {
            .kind = kinds[i], .file = first, .target = second, .length = 1, .data = kinds};
        cr_assert_eq(disk_rig_do(rig, op), OCTO_ERR_NOT_FOUND, "kind %u", kinds[i]);
        cr_assert_eq(rig->event.disk.length, 0);
    }
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_SYNC, second), OCTO_ERR_NOT_FOUND);
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_DIR_SYNC, nothing), OCTO_ERR_OK);
}

static void create_leaves_the_file_that_is_there(struct disk_rig *rig)
{
    create(rig, first);
    create(rig, vote);
    write_fill(rig, first, 0, 10, 'x');
    create(rig, first);
    expect(rig, first, 0, 10, 'x');
    cr_assert(disk_rig_is(rig, vote, "", 0), "another file");
}

static void a_rename_takes_the_content_along(struct disk_rig *rig)
{
    create(rig, first);
    write_fill(rig, first, 0, PAGE, 'x');
    cr_assert_eq(disk_rig_rename(rig, first, second), OCTO_ERR_OK);
    expect(rig, second, 0, PAGE, 'x');
    cr_assert_eq(disk_rig_read(rig, first, 0, 1), OCTO_ERR_NOT_FOUND);
    write_fill(rig, second, PAGE, PAGE, 'y');
    create(rig, first);
    cr_assert(disk_rig_is(rig, first, "", 0), "a new one");
    write_fill(rig, first, 0, 3, 'z');
    expect(rig, second, 0, PAGE, 'x');
    expect(rig, second, PAGE, 2 * PAGE, 'y');
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_SYNC, second), OCTO_ERR_OK);
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_DIR_SYNC, nothing), OCTO_ERR_OK);
}

static void a_rename_replaces_the_file_that_is_there(struct disk_rig *rig)
{
    create(rig, first);
    create(rig, second);
    write_fill(rig, first, 0, 10, 'x');
    write_fill(rig, second, 0, 2 * PAGE, 'y');
    cr_assert_eq(disk_rig_rename(rig, first, second), OCTO_ERR_OK);
    cr_assert(disk_rig_is(rig, second, "xxxxxxxxxx", 10));
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_UNLINK, first), OCTO_ERR_NOT_FOUND);
    cr_assert_eq(disk_rig_rename(rig, second, second), OCTO_ERR_OK, "onto itself");
    cr_assert(disk_rig_is(rig, second, "xxxxxxxxxx", 10));
}

static void what_is_unlinked_is_gone(struct disk_rig *rig)
{
    create(rig, first);
    write_fill(rig, first, 0, 10, 'x');
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_UNLINK, first), OCTO_ERR_OK);
    cr_assert_eq(disk_rig_read(rig, first, 0, 1), OCTO_ERR_NOT_FOUND);
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_UNLINK, first), OCTO_ERR_NOT_FOUND);
    create(rig, first);
    cr_assert(disk_rig_is(rig, first, "", 0), "a new one");
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_DIR_SYNC, nothing), OCTO_ERR_OK);
}

/* Names are the caller's to keep apart, and yet an operation that has begun is not disturbed. */
static void an_unlink_waits_for_nobody(struct disk_rig *rig)
{
    uint8_t *data = filled('x', 64 * PAGE);
    for (int round = 0; round < 20; round++) {
        create(rig, first);
        write_fill(rig, first, 0, 10, 'y');
        const uint64_t write = disk_rig_submit(
            rig, (struct octo_disk_op){
                     .kind = OCTO_DISK_WRITE, .file = first, .length = 64 * PAGE, .data = data});
        disk_rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_UNLINK, .file = first});
        for (int i = 0; i < 2; i++) {
            disk_rig_next(rig);
            const bool late = rig->event.disk.result == OCTO_ERR_NOT_FOUND;
            cr_assert(rig->event.disk.result == OCTO_ERR_OK ||
                      (late && rig->event.disk.id == write));
        }
        cr_assert_eq(disk_rig_read(rig, first, 0, 1), OCTO_ERR_NOT_FOUND);
    }
    free(data);
}

/* ---- LIST and ALLOCATE ----------------------------------------------------------------------- */

static void expect_list(struct disk_rig *rig, uint8_t kind, uint32_t length,
                        const uint32_t *numbers, uint32_t count)
{
    const struct octo_disk_op op = {
        .kind = OCTO_DISK_LIST, .file = {.kind = kind}, .length = length};
    cr_assert_eq(disk_rig_do(rig, op), OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, 4 * count);
    for (uint32_t i = 0; i < count; i++)
        cr_assert_eq(octo_get_u32(rig->event.disk.data + 4 * (size_t)i), numbers[i], "item %u", i);
}

static void list_gives_the_numbers_rising(struct disk_rig *rig)
{
    static const uint32_t made[] = {7, 3, 1000000007, 0, 12, 5};
    static const uint32_t sorted[] = {0, 3, 5, 7, 12, 1000000007};
    static const uint32_t later[] = {0, 3, 4, 12, 1000000007};
    expect_list(rig, OCTO_FILE_SNAPSHOT, 100, sorted, 0);
    for (uint32_t i = 0; i < 6; i++)
        create(rig, (struct octo_file){OCTO_FILE_SNAPSHOT, made[i]});
    create(rig, vote);
    create(rig, first);
    create(rig, second);
    expect_list(rig, OCTO_FILE_SNAPSHOT, 100, sorted, 6);
    expect_list(rig, OCTO_FILE_SNAPSHOT, 24, sorted, 6);
    expect_list(rig, OCTO_FILE_SNAPSHOT, 12, sorted, 3);
    expect_list(rig, OCTO_FILE_SNAPSHOT, 4, sorted, 1);
    expect_list(rig, OCTO_FILE_SNAPSHOT, 0, sorted, 0);
    expect_list(rig, OCTO_FILE_MAIN, 100, (const uint32_t[]){1, 2}, 2);
    expect_list(rig, OCTO_FILE_VOTE, 100, (const uint32_t[]){0}, 1);
    expect_list(rig, OCTO_FILE_IDENTITY, 100, NULL, 0);
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_UNLINK, (struct octo_file){OCTO_FILE_SNAPSHOT, 5}),
                 OCTO_ERR_OK);
    cr_assert_eq(disk_rig_rename(rig, (struct octo_file){OCTO_FILE_SNAPSHOT, 7},
                                 (struct octo_file){OCTO_FILE_SNAPSHOT, 4}),
                 OCTO_ERR_OK);
    expect_list(rig, OCTO_FILE_SNAPSHOT, 100, later, 5);
}

static void allocate_extends_and_keeps_the_content(struct disk_rig *rig)
{
    cr_assert_eq(disk_rig_allocate(rig, first, 0, PAGE), OCTO_ERR_NOT_FOUND);
    create(rig, first);
    write_fill(rig, first, 0, 10, 'x');
    write_fill(rig, first, 20 * PAGE, PAGE, 'y');
    cr_assert_eq(disk_rig_allocate(rig, first, 0, 10 * PAGE), OCTO_ERR_OK);
    cr_assert_eq(disk_rig_allocate(rig, first, 5 * PAGE, 100 * PAGE), OCTO_ERR_OK);
    for (int round = 0; round < 2; round++) {
        expect(rig, first, 0, 10, 'x');
        expect(rig, first, 10, 20 * PAGE, 0);
        expect(rig, first, 20 * PAGE, 21 * PAGE, 'y');
        expect(rig, first, 21 * PAGE, 105 * PAGE, 0);
        cr_assert_eq(disk_rig_read(rig, first, 105 * PAGE, 1), OCTO_ERR_OK);
        cr_assert_eq(rig->event.disk.length, 0);
        cr_assert_eq(disk_rig_op(rig, OCTO_DISK_SYNC, first), OCTO_ERR_OK);
        cr_assert_eq(disk_rig_allocate(rig, first, 0, 105 * PAGE), OCTO_ERR_OK, "once more");
    }
    write_fill(rig, first, 30 * PAGE, PAGE, 'z');
    expect(rig, first, 30 * PAGE, 31 * PAGE, 'z');
    expect(rig, first, 31 * PAGE, 105 * PAGE, 0);
}

static void allocate_leaves_what_is_outside_of_it(struct disk_rig *rig)
{
    create(rig, first);
    cr_assert_eq(disk_rig_allocate(rig, first, 10000, 5000), OCTO_ERR_OK, "beyond the end");
    expect(rig, first, 0, 15000, 0);
    cr_assert_eq(disk_rig_allocate(rig, first, 100, 200), OCTO_ERR_OK, "within");
    cr_assert_eq(disk_rig_allocate(rig, first, 90000, 0), OCTO_ERR_OK, "of nothing");
    cr_assert_eq(disk_rig_read(rig, first, 0, 20000), OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, 15000);
    cr_assert_eq(disk_rig_rename(rig, first, second), OCTO_ERR_OK);
    write_fill(rig, second, 0, 15000, 'x');
    cr_assert_eq(disk_rig_allocate(rig, second, 0, 15000), OCTO_ERR_OK, "a file used again");
    expect(rig, second, 0, 15000, 'x');
}

/* ---- Many at once ---------------------------------------------------------------------------- */

static void completions_come_once_each_in_any_order(struct disk_rig *rig)
{
    static const uint8_t kinds[] = {OCTO_FILE_MAIN, OCTO_FILE_RECOVERY, OCTO_FILE_SNAPSHOT};
    enum { ROUNDS = 10, WRITES = 54, SYNCS = 6 };
    for (uint32_t i = 0; i < 3; i++)
        create(rig, (struct octo_file){kinds[i], 1});
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint8_t *data[WRITES];
        bool seen[WRITES + SYNCS] = {false};
        const uint64_t before = rig->next_id;
        for (uint32_t i = 0; i < WRITES; i++) {
            data[i] = filled((uint8_t)(round + i), PAGE);
            disk_rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_WRITE,
                                                       .file = {kinds[i % 3], 1},
                                                       .offset = (uint64_t)(i / 3) * PAGE,
                                                       .length = i % 2 == 0 ? PAGE : PAGE - 1,
                                                       .data = data[i]});
            if (i % 9 == 8)
                disk_rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_SYNC,
                                                           .file = {kinds[i / 9 % 3], 1}});
        }
        for (uint32_t i = 0; i < WRITES + SYNCS; i++) {
            disk_rig_next(rig);
            const uint64_t which = rig->event.disk.id - before - 1;
            cr_assert_eq(rig->event.disk.result, OCTO_ERR_OK);
            cr_assert_lt(which, WRITES + SYNCS);
            cr_assert_not(seen[which], "a completion came twice");
            seen[which] = true;
        }
        for (uint32_t i = 0; i < WRITES; i++) {
            expect(rig, (struct octo_file){kinds[i % 3], 1}, i / 3 * PAGE, i / 3 * PAGE + PAGE - 1,
                   (uint8_t)(round + i));
            free(data[i]);
        }
    }
}

/* ---- The rows -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*check)(struct disk_rig *rig);
} rows[] = {
#define ROW(name)   \
    {               \
#name, name \
    }
    ROW(what_is_written_is_read),
    ROW(holes_read_as_zeros),
    ROW(a_read_is_short_at_the_end_only),
    ROW(a_write_of_nothing_changes_nothing),
    ROW(a_file_that_is_absent_is_not_found),
    ROW(create_leaves_the_file_that_is_there),
    ROW(a_rename_takes_the_content_along),
    ROW(a_rename_replaces_the_file_that_is_there),
    ROW(what_is_unlinked_is_gone),
    ROW(an_unlink_waits_for_nobody),
    ROW(list_gives_the_numbers_rising),
    ROW(allocate_extends_and_keeps_the_content),
    ROW(allocate_leaves_what_is_outside_of_it),
    ROW(completions_come_once_each_in_any_order),
#undef ROW
};

static void run_rows(bool posix, bool direct)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fprintf(stderr, "%s: %s\n", posix ? "posix" : "simulated", rows[i].name);
        struct disk_rig *rig = disk_rig_open(posix, direct);
        rows[i].check(rig);
        disk_rig_close(rig);
    }
}

Test(disk_contract, the_simulated_disk_keeps_it)
{
    run_rows(false, false);
}

Test(disk_contract, the_posix_disk_keeps_it)
{
    run_rows(true, false);
}

Test(disk_contract, the_posix_disk_keeps_it_with_direct_writes)
{
    run_rows(true, true);
}

/* ---- Both alike ------------------------------------------------------------------------------ */

static const struct octo_file drawn_files[] = {
    {OCTO_FILE_VOTE, 0}, {OCTO_FILE_MAIN, 1}, {OCTO_FILE_MAIN, 2}, {OCTO_FILE_RECOVERY, 1}};

/* Kinds as often as they are interesting. */
static const uint8_t drawn_kinds[] = {
    OCTO_DISK_READ,   OCTO_DISK_READ,   OCTO_DISK_READ,   OCTO_DISK_WRITE,    OCTO_DISK_WRITE,
    OCTO_DISK_WRITE,  OCTO_DISK_SYNC,   OCTO_DISK_CREATE, OCTO_DISK_CREATE,   OCTO_DISK_DIR_SYNC,
    OCTO_DISK_UNLINK, OCTO_DISK_RENAME, OCTO_DISK_LIST,   OCTO_DISK_ALLOCATE, OCTO_DISK_ALLOCATE,
};

static struct octo_disk_op drawn_op(uint64_t *draws, const uint8_t *data)
{
    /* Ends meet often: few places, many of them aligned. */
    static const uint32_t lengths[] = {0, 1, 100, 512, PAGE, 2 * PAGE, 5 * PAGE + 1};
    const uint32_t shift = draw_below(draws, 3);
    return (struct octo_disk_op){
        .kind = drawn_kinds[draw_below(draws, sizeof drawn_kinds)],
        .file = drawn_files[draw_below(draws, 4)],
        .target = drawn_files[draw_below(draws, 4)],
        .offset = (uint64_t)draw_below(draws, 12) * PAGE + (shift == 0 ? draw_below(draws, 99) : 0),
        .length = lengths[draw_below(draws, 7)],
        .data = data + (uint64_t)draw_below(draws, 8) * PAGE + (shift == 1 ? 1 : 0),
    };
}

static void compare(bool direct)
{
    uint64_t draws = 1;
    uint8_t *data = filled(0, 16 * PAGE);
    draw_bytes(&draws, data, 16 * PAGE);
    struct disk_rig *sim = disk_rig_open(false, false);
    struct disk_rig *posix = disk_rig_open(true, direct);
    for (int i = 0; i < 3000; i++) {
        const struct octo_disk_op op = drawn_op(&draws, data);
        disk_rig_do(sim, op);
        disk_rig_do(posix, op);
        const struct octo_event *a = &sim->event;
        const struct octo_event *b = &posix->event;
        cr_assert_eq(a->disk.result, b->disk.result, "operation %d, %s: %d, %d", i,
                     octo_disk_kind_text(op.kind), a->disk.result, b->disk.result);
        cr_assert_eq(a->disk.length, b->disk.length, "operation %d, %s: %u, %u", i,
                     octo_disk_kind_text(op.kind), a->disk.length, b->disk.length);
        if (a->disk.length > 0 && op.kind != OCTO_DISK_WRITE)
            cr_assert_eq(memcmp(a->disk.data, b->disk.data, a->disk.length), 0, "operation %d", i);
    }
    disk_rig_close(sim);
    disk_rig_close(posix);
    free(data);
}

Test(disk_contract, both_give_the_same_answers)
{
    compare(false);
    compare(true);
}
