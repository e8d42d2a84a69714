/* The POSIX disk: what it does beyond the contract (test_disk_contract.c), and with what the system
 * says. */
#include "disk_rig.h"
#include "posix_calls.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PAGE 4096u

static const struct octo_file vote = {.kind = OCTO_FILE_VOTE};
static const struct octo_file first = {.kind = OCTO_FILE_MAIN, .number = 1};
static const struct octo_file twin = {.kind = OCTO_FILE_RECOVERY, .number = 1};

static struct disk_rig *fake_open_with(bool direct)
{
    struct disk_rig *rig = disk_rig_open_posix(
        (struct octo_posixdisk_options){.calls = &fake_calls, .direct = direct});
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_CREATE, first), OCTO_ERR_OK);
    return rig;
}

static struct disk_rig *fake_open(void)
{
    return fake_open_with(false);
}

static const char *path_in(const char *directory, const char *name)
{
    static char path[512];
    const int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert(length > 0 && (size_t)length < sizeof path);
    return path;
}

static uint64_t size_of(const struct disk_rig *rig, const char *name)
{
    struct stat status;
    cr_assert_eq(stat(path_in(rig->directory, name), &status), 0);
    return (uint64_t)status.st_size;
}

static void touch(const char *directory, const char *name)
{
    FILE *file = fopen(path_in(directory, name), "w");
    cr_assert_not_null(file);
    fclose(file);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static char reason[200];

static enum octo_err try_open(const char *directory, bool create, struct octo_posixdisk **disk)
{
    const struct octo_posixdisk_options options = {.create = create, .threads = 2};
    return octo_posixdisk_open(directory, &options, disk, reason, sizeof reason);
}

/* Runs check in another process and expects that it says true. */
static void elsewhere(bool (*check)(const char *directory), const char *directory)
{
    fflush(NULL);
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        _exit(check(directory) ? 0 : 1);
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool is_refused(const char *directory)
{
    struct octo_posixdisk *disk = NULL;
    char holder[40];
    snprintf(holder, sizeof holder, "process %ld", (long)getppid());
    return try_open(directory, false, &disk) == OCTO_ERR_LOCKED && disk == NULL &&
           strstr(reason, directory) != NULL && strstr(reason, holder) != NULL;
}

static bool dies_with_it(const char *directory)
{
    struct octo_posixdisk *disk = NULL;
    return try_open(directory, false, &disk) == OCTO_ERR_OK;
}

static bool may_not(const char *directory)
{
    struct octo_posixdisk *disk = NULL;
    if (geteuid() == 0 && setuid(65534) != 0)
        return false;
    return try_open(directory, false, &disk) == OCTO_ERR_IO &&
           strstr(reason, "Permission denied") != NULL;
}

Test(posixdisk, a_directory_has_one_owner)
{
    char directory[64];
    struct octo_posixdisk *disk = NULL;
    struct octo_posixdisk *other = NULL;
    directory_make(directory, sizeof directory);
    cr_assert_eq(try_open(directory, false, &disk), OCTO_ERR_OK);
    cr_assert_eq(try_open(directory, false, &other), OCTO_ERR_LOCKED);
    cr_assert_null(other);
    elsewhere(is_refused, directory);
    octo_posixdisk_close(disk);
    elsewhere(dies_with_it, directory);
    cr_assert_eq(try_open(directory, false, &disk), OCTO_ERR_OK, "%s", reason);
    octo_posixdisk_close(disk);
    octo_posixdisk_close(NULL);
    directory_remove(directory);
}

Test(posixdisk, what_is_wrong_is_said)
{
    char directory[64];
    directory_make(directory, sizeof directory);
    touch(directory, "plain");
    static const struct {
        const char *name;
        bool create;
        enum octo_err err;
        const char *text;
    } rows[] = {
        {"missing", false, OCTO_ERR_NOT_FOUND, "missing: cannot open the directory: No such file"},
        {"missing/below", true, OCTO_ERR_NOT_FOUND, "cannot make the directory: No such file"},
        {"plain", false, OCTO_ERR_IO, "Not a directory"},
        {"plain", true, OCTO_ERR_IO, "Not a directory"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct octo_posixdisk *disk = NULL;
        cr_assert_eq(try_open(path_in(directory, rows[i].name), rows[i].create, &disk), rows[i].err,
                     "row %zu", i);
        cr_assert_not_null(strstr(reason, directory), "%s", reason);
        cr_assert_not_null(strstr(reason, rows[i].text), "%s", reason);
    }
    elsewhere(may_not, directory);
    directory_remove(directory);
}

Test(posixdisk, a_directory_is_made_only_when_asked_for)
{
    char parent[64];
    char directory[512];
    directory_make(parent, sizeof parent);
    snprintf(directory, sizeof directory, "%s", path_in(parent, "node"));
    for (int round = 0; round < 2; round++) {
        struct octo_posixdisk *disk = NULL;
        cr_assert_eq(try_open(directory, true, &disk), OCTO_ERR_OK, "%s", reason);
        octo_posixdisk_close(disk);
        cr_assert_eq(unlink(path_in(directory, "lock")), 0);
    }
    cr_assert_eq(rmdir(directory), 0, "there is nothing else in it");
    directory_remove(parent);
}

Test(posixdisk, files_are_called_by_kind_and_number)
{
    static const struct {
        struct octo_file file;
        const char *name;
    } rows[] = {
        {{OCTO_FILE_IDENTITY, 0}, "identity"},
        {{OCTO_FILE_VOTE, 0}, "vote"},
        {{OCTO_FILE_MAIN, 1}, "main-0000000001"},
        {{OCTO_FILE_RECOVERY, 4294967295}, "recovery-4294967295"},
        {{OCTO_FILE_SNAPSHOT, 0}, "snapshot-0000000000"},
    };
    static const char *const foreign[] = {
        "main",
        "main-1",
        "main-00000000002",
        "main-0000000002.tmp",
        "main-4294967296",
        "mainly-0000000002",
        "main-000000000x",
        "-0000000002",
        "main--000000002",
        "Main-0000000002",
    };
    struct disk_rig *rig = disk_rig_open(true, false);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(disk_rig_op(rig, OCTO_DISK_CREATE, rows[i].file), OCTO_ERR_OK);
        cr_assert_eq(size_of(rig, rows[i].name), 0);
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        touch(rig->directory, foreign[i]);
    cr_assert_eq(disk_rig_do(rig, (struct octo_disk_op){.kind = OCTO_DISK_LIST,
                                                        .file = {OCTO_FILE_MAIN, 0},
                                                        .length = 100}),
                 OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, 4);
    cr_assert_eq(octo_get_u32(rig->event.disk.data), 1);
    disk_rig_close(rig);
}

/* ---- Failures -------------------------------------------------------------------------------- */

Test(posixdisk, what_the_system_says_becomes_a_result)
{
    static const struct {
        enum call call;
        uint8_t kind;
        int error;
        enum octo_err result;
    } rows[] = {
        {CALL_READ, OCTO_DISK_READ, EIO, OCTO_ERR_IO},
        {CALL_READ, OCTO_DISK_READ, ENOENT, OCTO_ERR_IO},
        {CALL_WRITE, OCTO_DISK_WRITE, EIO, OCTO_ERR_IO},
        {CALL_WRITE, OCTO_DISK_WRITE, EFBIG, OCTO_ERR_IO},
        {CALL_WRITE, OCTO_DISK_WRITE, EROFS, OCTO_ERR_IO},
        {CALL_WRITE, OCTO_DISK_WRITE, ENOSPC, OCTO_ERR_NO_SPACE},
        {CALL_WRITE, OCTO_DISK_WRITE, EDQUOT, OCTO_ERR_NO_SPACE},
        {CALL_WRITE, OCTO_DISK_WRITE, EINTR, OCTO_ERR_OK},
        {CALL_READ, OCTO_DISK_READ, EINTR, OCTO_ERR_OK},
        {CALL_SYNC, OCTO_DISK_SYNC, EIO, OCTO_ERR_IO},
        {CALL_SYNC, OCTO_DISK_SYNC, EINTR, OCTO_ERR_IO},
        {CALL_SYNC, OCTO_DISK_SYNC, ENOSPC, OCTO_ERR_IO},
        {CALL_DIR_SYNC, OCTO_DISK_DIR_SYNC, EIO, OCTO_ERR_IO},
        {CALL_ALLOCATE, OCTO_DISK_ALLOCATE, ENOSPC, OCTO_ERR_NO_SPACE},
        {CALL_ALLOCATE, OCTO_DISK_ALLOCATE, EIO, OCTO_ERR_IO},
        {CALL_ALLOCATE, OCTO_DISK_ALLOCATE, EOPNOTSUPP, OCTO_ERR_OK},
        {CALL_ALLOCATE, OCTO_DISK_ALLOCATE, EINTR, OCTO_ERR_OK},
    };
    static const uint8_t data[100] = "anything";
    struct disk_rig *rig = fake_open();
    cr_assert_eq(disk_rig_write(rig, first, 0, data, 100), OCTO_ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_fail(rows[i].call, 1, 1, rows[i].error);
        const struct octo_disk_op op = {
            .kind = rows[i].kind, .file = first, .length = 100, .data = data};
        cr_assert_eq(disk_rig_do(rig, op), rows[i].result, "row %zu", i);
        if (rows[i].result != OCTO_ERR_OK) {
            cr_assert_eq(rig->event.disk.length, 0, "row %zu", i);
            cr_assert_null(rig->event.disk.data);
            cr_assert_eq(fake.calls[rows[i].call], 1, "row %zu: never tried again", i);
        }
        cr_assert_eq(size_of(rig, "main-0000000001"), 100);
    }
    cr_assert_eq(disk_rig_read(rig, first, INT64_MAX, 100), OCTO_ERR_IO, "no file reaches there");
    disk_rig_close(rig);
}

Test(posixdisk, a_sync_is_one_fdatasync)
{
    struct disk_rig *rig = fake_open();
    fake_fail(CALL_SYNC, 3, 2, EIO);
    static const enum octo_err results[] = {OCTO_ERR_OK, OCTO_ERR_OK, OCTO_ERR_IO, OCTO_ERR_IO,
                                            OCTO_ERR_OK};
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(disk_rig_write(rig, first, 0, "x", 1), OCTO_ERR_OK);
        cr_assert_eq(fake.calls[CALL_SYNC], i, "a write syncs nothing");
        cr_assert_eq(disk_rig_op(rig, OCTO_DISK_SYNC, first), results[i], "%u", i);
        cr_assert_eq(fake.calls[CALL_SYNC], i + 1);
    }
    disk_rig_close(rig);
}

Test(posixdisk, a_write_goes_on_until_the_disk_refuses)
{
    static const struct {
        unsigned fail_from;
        int error;
        enum octo_err result;
        uint32_t length;
    } rows[] = {
        {0, 0, OCTO_ERR_OK, 10000},        {2, EINTR, OCTO_ERR_OK, 10000},
        {1, ENOSPC, OCTO_ERR_NO_SPACE, 0}, {2, ENOSPC, OCTO_ERR_OK, 3000},
        {4, EIO, OCTO_ERR_OK, 9000},       {1, EIO, OCTO_ERR_IO, 0},
    };
    uint8_t data[10000];
    uint64_t draws = 7;
    struct disk_rig *rig = fake_open();
    fake.transfer_max = 3000;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        draw_bytes(&draws, data, sizeof data);
        fake_fail(CALL_WRITE, rows[i].fail_from, 1, rows[i].error);
        cr_assert_eq(disk_rig_write(rig, first, 5, data, sizeof data), rows[i].result, "row %zu",
                     i);
        cr_assert_eq(rig->event.disk.length, rows[i].length, "row %zu", i);
        cr_assert_eq(disk_rig_read(rig, first, 5, sizeof data), OCTO_ERR_OK);
        cr_assert_eq(rig->event.disk.length, sizeof data);
        cr_assert_eq(memcmp(rig->event.disk.data, data, rows[i].length), 0, "row %zu", i);
    }
    disk_rig_close(rig);
}

/* A limit of the system's own: what it refuses in earnest. */
Test(posixdisk, a_write_ends_at_the_limit_for_files)
{
    struct disk_rig *rig = disk_rig_open(true, false);
    uint8_t *data = aligned_alloc(PAGE, 4 * PAGE);
    memset(data, 'x', 4 * PAGE);
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_CREATE, first), OCTO_ERR_OK);
    const struct rlimit limit = {.rlim_cur = 2 * PAGE, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(disk_rig_write(rig, first, 0, data, 4 * PAGE), OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, 2 * PAGE);
    cr_assert_eq(disk_rig_write(rig, first, 2 * PAGE, data, PAGE), OCTO_ERR_IO);
    cr_assert_eq(disk_rig_allocate(rig, first, 0, 3 * PAGE), OCTO_ERR_IO);
    cr_assert_eq(size_of(rig, "main-0000000001"), 2 * PAGE);
    free(data);
    disk_rig_close(rig);
}

/* ---- O_DIRECT -------------------------------------------------------------------------------- */

static bool has_direct(const struct disk_rig *rig)
{
    const int file = open(path_in(rig->directory, "main-0000000001"), O_RDWR | O_DIRECT);
    if (file >= 0)
        close(file);
    return file >= 0;
}

Test(posixdisk, aligned_writes_bypass_the_page_cache_if_wanted)
{
    static const struct {
        uint32_t offset, length, shift;
        bool direct;
    } rows[] = {
        {0, PAGE, 0, true},    {3 * PAGE, 2 * PAGE, 0, true}, {0, PAGE, 512, false},
        {512, PAGE, 0, false}, {0, PAGE - 1, 0, false},       {0, 1, 0, false},
    };
    uint8_t *data = aligned_alloc(PAGE, 4 * PAGE);
    memset(data, 'x', 4 * PAGE);
    struct disk_rig *rig = fake_open_with(true);
    const bool possible = has_direct(rig);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *from = data + rows[i].shift;
        cr_assert_eq(disk_rig_write(rig, first, rows[i].offset, from, rows[i].length), OCTO_ERR_OK);
        cr_assert_eq(fake.direct, rows[i].direct && possible, "row %zu", i);
        cr_assert_eq(fake.data, (uintptr_t)from, "no copy");
    }
    /* A disk that wants more alignment than ours says EINVAL, once. */
    fake_fail(CALL_WRITE, 1, 1, EINVAL);
    if (possible) {
        for (unsigned i = 2; i < 4; i++) {
            cr_assert_eq(disk_rig_write(rig, first, 0, data, PAGE), OCTO_ERR_OK);
            cr_assert_not(fake.direct);
            cr_assert_eq(fake.calls[CALL_WRITE], i);
        }
    }
    disk_rig_close(rig);
    fake_fail(CALL_WRITE, 0, 0, 0);
    rig = fake_open();
    cr_assert_eq(disk_rig_write(rig, first, 0, data, PAGE), OCTO_ERR_OK);
    cr_assert_not(fake.direct);
    disk_rig_close(rig);
    free(data);
}

/* ---- ALLOCATE -------------------------------------------------------------------------------- */

static uint64_t first_hole(const struct disk_rig *rig)
{
    const int file = open(path_in(rig->directory, "main-0000000001"), O_RDONLY);
    const off_t hole = lseek(file, 0, SEEK_HOLE);
    close(file);
    return (uint64_t)hole;
}

Test(posixdisk, allocated_space_is_written_once)
{
    enum { BYTES = 300 * PAGE };
    struct disk_rig *rig = fake_open();
    cr_assert_eq(disk_rig_allocate(rig, first, 0, BYTES), OCTO_ERR_OK);
    cr_assert_eq(fake.direct, has_direct(rig));
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_SYNC, first), OCTO_ERR_OK);
    cr_assert_eq(first_hole(rig), BYTES);
    cr_assert_eq(fake.calls[CALL_ALLOCATE], 1);
    fake_fail(CALL_WRITE, 0, 0, 0);
    cr_assert_eq(disk_rig_allocate(rig, first, 0, BYTES), OCTO_ERR_OK);
    cr_assert_eq(disk_rig_rename(rig, first, (struct octo_file){OCTO_FILE_MAIN, 2}), OCTO_ERR_OK);
    cr_assert_eq(disk_rig_allocate(rig, (struct octo_file){OCTO_FILE_MAIN, 2}, 0, BYTES),
                 OCTO_ERR_OK);
    cr_assert_eq(fake.calls[CALL_WRITE], 0, "a file that is used again has its space");
    disk_rig_close(rig);
}

Test(posixdisk, holes_are_filled_where_they_are)
{
    enum { BYTES = 50 * PAGE };
    struct disk_rig *rig = fake_open();
    cr_assert_eq(disk_rig_write(rig, first, 0, "begin", 5), OCTO_ERR_OK);
    cr_assert_eq(disk_rig_write(rig, first, 20 * PAGE, "middle", 6), OCTO_ERR_OK);
    cr_assert_eq(disk_rig_write(rig, first, BYTES - 3, "end", 3), OCTO_ERR_OK);
    const bool has_holes = first_hole(rig) < BYTES;
    fake_fail(CALL_WRITE, 0, 0, 0);
    cr_assert_eq(disk_rig_allocate(rig, first, 0, BYTES), OCTO_ERR_OK);
    cr_assert_eq(first_hole(rig), BYTES);
    cr_assert_eq(fake.calls[CALL_WRITE], has_holes ? 2 : 0);
    cr_assert_eq(disk_rig_read(rig, first, 0, 2 * BYTES), OCTO_ERR_OK);
    cr_assert_eq(rig->event.disk.length, BYTES);
    cr_assert_eq(memcmp(rig->event.disk.data, "begin", 6), 0);
    cr_assert_eq(memcmp(rig->event.disk.data + 20 * PAGE, "middle", 7), 0);
    cr_assert_eq(memcmp(rig->event.disk.data + BYTES - 4, "\0end", 4), 0);
    disk_rig_close(rig);
}

Test(posixdisk, an_allocation_that_fails_gives_back_what_it_took)
{
    static const struct {
        enum call call;
        unsigned n;
        int error;
        enum octo_err result;
    } rows[] = {
        {CALL_ALLOCATE, 1, ENOSPC, OCTO_ERR_NO_SPACE},
        {CALL_WRITE, 1, EIO, OCTO_ERR_IO},
        {CALL_WRITE, 3, ENOSPC, OCTO_ERR_NO_SPACE},
    };
    struct disk_rig *rig = fake_open();
    cr_assert_eq(disk_rig_write(rig, first, 0, "content", 7), OCTO_ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_fail(rows[i].call, rows[i].n, 1, rows[i].error);
        cr_assert_eq(disk_rig_allocate(rig, first, 0, RIG_BYTES), rows[i].result, "row %zu", i);
        cr_assert_eq(size_of(rig, "main-0000000001"), 7, "row %zu", i);
        cr_assert(disk_rig_is(rig, first, "content", 7));
    }
    disk_rig_close(rig);
}

Test(posixdisk, an_allocation_that_fails_cuts_off_nobody_else)
{
    struct disk_rig *rig = fake_open();
    fake_fail(CALL_ALLOCATE, 1, 1, ENOSPC);
    fake.gate_closed = true;
    disk_rig_submit(rig, (struct octo_disk_op){
                             .kind = OCTO_DISK_ALLOCATE, .file = first, .length = 100 * PAGE});
    while (fake.calls[CALL_ALLOCATE] == 0)
        nap();
    disk_rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_WRITE,
                                               .file = first,
                                               .offset = 200 * PAGE,
                                               .length = 5,
                                               .data = (const uint8_t *)"other"});
    disk_rig_next(rig);
    cr_assert_eq(rig->event.disk.result, OCTO_ERR_OK);
    fake.gate_closed = false;
    disk_rig_next(rig);
    cr_assert_eq(rig->event.disk.result, OCTO_ERR_NO_SPACE);
    cr_assert_eq(size_of(rig, "main-0000000001"), 200 * PAGE + 5);
    disk_rig_close(rig);
}

/* ---- Completions ----------------------------------------------------------------------------- */

static bool is_readable(const struct disk_rig *rig, int timeout_ms)
{
    struct pollfd wanted = {.fd = octo_posixdisk_descriptor(rig->posixdisk), .events = POLLIN};
    return poll(&wanted, 1, timeout_ms) == 1;
}

Test(posixdisk, the_descriptor_is_readable_while_a_completion_waits)
{
    struct disk_rig *rig = fake_open();
    struct octo_event event;
    cr_assert_not(is_readable(rig, 0));
    cr_assert_not(octo_posixdisk_wait(rig->posixdisk, OCTO_NEVER, &event), "nothing is in flight");
    fake.gate_closed = true;
    disk_rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_SYNC, .file = first});
    disk_rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_SYNC, .file = first});
    cr_assert_not(is_readable(rig, 20));
    cr_assert_not(octo_posixdisk_wait(rig->posixdisk, 0, &event));
    cr_assert_not(octo_posixdisk_wait(rig->posixdisk, 5 * OCTO_MS, &event));
    fake.gate_closed = false;
    for (int i = 0; i < 2; i++) {
        cr_assert(is_readable(rig, 10000));
        disk_rig_next(rig);
    }
    cr_assert_not(is_readable(rig, 0));
    disk_rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_CREATE, .file = vote});
    cr_assert(octo_posixdisk_wait(rig->posixdisk, OCTO_NEVER, &event));
    rig->in_flight = 0;
    disk_rig_close(rig);
}

Test(posixdisk, files_are_synced_in_parallel)
{
    struct disk_rig *rig = fake_open();
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_CREATE, twin), OCTO_ERR_OK);
    fake.meet = 2;
    disk_rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_SYNC, .file = first});
    disk_rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_SYNC, .file = twin});
    disk_rig_next(rig);
    disk_rig_next(rig);
    cr_assert_eq(fake.alone, 0);
    disk_rig_close(rig);
}

Test(posixdisk, there_is_room_for_so_many_operations)
{
    struct disk_rig *rig = disk_rig_open_posix(
        (struct octo_posixdisk_options){.calls = &fake_calls, .threads = 1, .pending_max = 3});
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_CREATE, first), OCTO_ERR_OK);
    const struct octo_disk_op sync = {.kind = OCTO_DISK_SYNC, .file = first};
    const struct octo_disk_op read = {.kind = OCTO_DISK_READ, .file = first, .length = 10};
    for (int round = 0; round < 3; round++) {
        fake.gate_closed = true;
        for (int i = 0; i < 3; i++)
            disk_rig_submit(rig, sync);
        cr_assert_eq(octo_posixdisk_submit(rig->posixdisk, &sync), OCTO_ERR_FULL);
        cr_assert_eq(octo_posixdisk_submit(rig->posixdisk, &read), OCTO_ERR_FULL);
        fake.gate_closed = false;
        for (int i = 0; i < 3; i++)
            disk_rig_next(rig);
    }
    disk_rig_close(rig);
}

Test(posixdisk, close_drops_what_has_not_begun)
{
    struct disk_rig *rig =
        disk_rig_open_posix((struct octo_posixdisk_options){.calls = &fake_calls, .threads = 1});
    cr_assert_eq(disk_rig_op(rig, OCTO_DISK_CREATE, first), OCTO_ERR_OK);
    for (int i = 0; i < 20; i++) {
        disk_rig_submit(rig, (struct octo_disk_op){.kind = OCTO_DISK_SYNC, .file = first});
        disk_rig_submit(
            rig, (struct octo_disk_op){.kind = OCTO_DISK_READ, .file = first, .length = 100});
    }
    disk_rig_next(rig);
    rig->in_flight = 0;
    disk_rig_close(rig);
}

/* ---- Many files ------------------------------------------------------------------------------ */

static uint32_t open_descriptors(void)
{
    uint32_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    cr_assert_not_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

Test(posixdisk, a_file_that_is_not_synced_stays_open)
{
    enum { FILES = 200 };
    struct disk_rig *rig = disk_rig_open_posix((struct octo_posixdisk_options){0});
    const uint32_t before = open_descriptors();
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < FILES; i++) {
            const struct octo_file file = {OCTO_FILE_MAIN, i};
            cr_assert_eq(disk_rig_op(rig, OCTO_DISK_CREATE, file), OCTO_ERR_OK);
            cr_assert_eq(disk_rig_write(rig, file, 0, "synced?", 7), OCTO_ERR_OK);
            if (round == 0)
                cr_assert_eq(disk_rig_op(rig, OCTO_DISK_SYNC, file), OCTO_ERR_OK);
        }
        const uint32_t more = open_descriptors() - before;
        if (round == 0)
            cr_assert_lt(more, 150);
        else
            cr_assert_eq(more, FILES);
    }
    for (uint32_t i = 0; i < FILES; i++)
        cr_assert(disk_rig_is(rig, (struct octo_file){OCTO_FILE_MAIN, i}, "synced?", 7));
    for (uint32_t i = 0; i < FILES; i++)
        cr_assert_eq(disk_rig_op(rig, OCTO_DISK_UNLINK, (struct octo_file){OCTO_FILE_MAIN, i}),
                     OCTO_ERR_OK);
    cr_assert_eq(open_descriptors(), before);
    disk_rig_close(rig);
}
