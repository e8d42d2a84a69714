/* The simulated disk against a naive model, over thousands of seeds.
 *
 * The model works out from the contract which questions the disk must ask; questions are answered
 * by hashing them, so that one asked twice, left out or worded otherwise is seen. After each
 * operation the whole durable image is compared, and every difference to the one before must have
 * been reported. */
#include "draw.h"
#include "simdisk_model_crash.h"

#include <stdlib.h>

#if !defined(SEEDS)
#define SEEDS 3000u
#endif
#define STEPS       160u
#define ARENA_BYTES (1u << 20)

/* Over all seeds: a run that never saw a fault proves nothing about it. */
static struct octo_simdisk_stats total;
static uint64_t total_damaged;

/* ---- Chance ---------------------------------------------------------------------------------- */

static uint64_t ask(void *context, const struct octo_disk_question *question)
{
    (void)context;
    const uint64_t key = key_of(question) | 1;
    uint32_t at = (uint32_t)(key >> 40) % QUESTIONS;
    for (; m->asked[at] != 0; at = (at + 1) % QUESTIONS)
        check(m->asked[at] != key, "a question was asked twice");
    m->asked[at] = key;
    m->asked_count++;
    check(m->asked_count < QUESTIONS, "the test's table is too small");
    return answer(question);
}

static void durable(void *context, struct octo_file file, uint64_t offset, uint64_t length)
{
    (void)context;
    check(offset % SECTOR == 0 && length % SECTOR == 0 && length > 0, "whole sectors");
    check(offset + length <= BYTES, "inside the file");
    for (uint64_t i = offset / SECTOR; i < (offset + length) / SECTOR; i++)
        m->reported[name_of(file)][i] = true;
}

static const struct octo_disk_host host = {NULL, ask, durable};

static void incarnation_begins(void)
{
    check(m->asked_count == m->expected_count, "as many questions as the contract says");
    memset(m->asked, 0, sizeof m->asked);
    memset(m->counts, 0, sizeof m->counts);
    m->asked_count = m->expected_count = 0;
    m->incarnation++;
}

/* ---- Comparison ------------------------------------------------------------------------------ */

static void compare_name(uint32_t name)
{
    const uint32_t number = m->durable_names[name];
    uint64_t size = 0;
    const bool there = octo_simdisk_durable_size(m->disk, file_of(name), &size);
    check(there == (number != NOBODY), "durably there");
    if (there)
        check(size == m->inodes[number].durable_size, "durable size");
    for (uint32_t i = 0; i < SECTORS; i++) {
        static const uint8_t hole[SECTOR];
        const uint8_t *at = octo_simdisk_durable_sector(m->disk, file_of(name), i);
        check(there || at == NULL, "nothing where no file is");
        const uint8_t *now = at != NULL ? at : hole;
        if (there)
            check(memcmp(now, m->inodes[number].durable + i * SECTOR, SECTOR) == 0,
                  "durable content");
        if (memcmp(now, m->seen[name] + i * SECTOR, SECTOR) != 0)
            check(m->reported[name][i], "a durable change is reported");
        memcpy(m->seen[name] + i * SECTOR, now, SECTOR);
    }
    uint32_t lies = 0;
    for (uint32_t i = 0; there && i < SECTORS; i++)
        lies += is_lie(&m->inodes[number], i) || m->inodes[number].cells[i].astray != 0 ||
                m->inodes[number].cells[i].older_astray != 0;
    check(octo_simdisk_lies(m->disk, file_of(name), 0, BYTES) == lies, "lies");
}

/* The numbers of a kind that names say, as the disk should list them. */
static uint32_t numbers_of(const uint32_t *names, uint8_t kind, uint32_t *numbers)
{
    uint32_t count = 0;
    for (uint32_t name = 0; name < NAMES; name++) {
        if (names[name] != NOBODY && file_of(name).kind == kind)
            numbers[count++] = file_of(name).number;
    }
    return count;
}

static void compare_files(void)
{
    uint32_t numbers[NAMES] = {0};
    uint32_t found[NAMES] = {0};
    const uint32_t count = numbers_of(m->durable_names, OCTO_FILE_MAIN, numbers);
    check(octo_simdisk_files(m->disk, OCTO_FILE_MAIN, found, NAMES) == count, "files");
    check(memcmp(numbers, found, sizeof found) == 0, "files' numbers");
}

static void compare(void)
{
    for (uint32_t name = 0; name < NAMES; name++)
        compare_name(name);
    compare_files();
    memset(m->reported, 0, sizeof m->reported);
    check(m->asked_count == m->expected_count, "as many questions as the contract says");
    octo_simdisk_check(m->disk);
}

static void compare_read(const struct flight *flight, const struct octo_event *event)
{
    const struct inode *inode = &m->inodes[flight->inode];
    uint64_t offset = octo_min_u64(flight->op.offset, inode->size);
    uint64_t length = octo_min_u64(flight->op.length, inode->size - offset);
    if (flight->halved && length > 1)
        length /= 2;
    if (flight->shift < inode->size - offset)
        offset += flight->shift;
    check(event->disk.length == length, "as much as the file has, or half");
    for (uint64_t b = 0; b < length; b++)
        check(event->disk.data[b] == (offset + b < inode->size ? inode->cache[offset + b] : 0),
              "a read sees the page cache");
}

static void compare_list(const struct flight *flight, const struct octo_event *event)
{
    uint32_t numbers[NAMES];
    const uint32_t count = numbers_of(m->names, flight->op.file.kind, numbers);
    check(event->disk.length == octo_min_u64(count, flight->op.length / 4) * 4, "all, or as asked");
    for (uint32_t i = 0; i < event->disk.length / 4; i++)
        check(octo_get_u32(event->disk.data + (size_t)i * 4) == numbers[i], "a file's number");
}

static void complete(struct flight *flight)
{
    static uint8_t scratch[BYTES];
    struct octo_event event = {0};
    model_complete(flight);
    octo_simdisk_complete(m->disk, flight->slot, &host, scratch, sizeof scratch, &event);
    const bool faulty = flight->fault != 0 && flight->op.kind != OCTO_DISK_WRITE;
    const enum octo_err result = faulty ? OCTO_ERR_IO : flight->result;
    check(event.kind == OCTO_EVENT_DISK && event.disk.id == flight->op.id, "the operation's event");
    check(event.disk.result == result, "result");
    if (flight->op.kind == OCTO_DISK_READ && result == OCTO_ERR_OK)
        compare_read(flight, &event);
    else if (flight->op.kind == OCTO_DISK_LIST && result == OCTO_ERR_OK)
        compare_list(flight, &event);
    else if (flight->op.kind == OCTO_DISK_WRITE && result == OCTO_ERR_OK)
        check(event.disk.length == flight->part, "length");
    else
        check(event.disk.length == 0, "no length");
}

static void crash(bool power_loss)
{
    model_drop();
    if (power_loss) {
        model_power_loss();
        octo_simdisk_power_loss(m->disk, &host);
    } else {
        octo_simdisk_kill(m->disk);
    }
    compare();
    incarnation_begins();
    if (draw_below(&m->random, 8) != 0)
        return;
    octo_simdisk_wipe(m->disk, &host);
    m->change_count = 0;
    for (uint32_t name = 0; name < NAMES; name++)
        m->names[name] = m->durable_names[name] = NOBODY;
    compare();
}

static void damage(void)
{
    const uint32_t name = draw_below(&m->random, NAMES);
    const uint64_t offset = draw_below(&m->random, BYTES + SECTOR);
    const uint64_t length = draw_below(&m->random, BYTES);
    const enum octo_disk_damage kind = 1 + draw_below(&m->random, 3);
    const uint32_t struck = model_damage(name, offset, length, kind, m->step);
    check(octo_simdisk_damage(m->disk, file_of(name), offset, length, kind, m->step) == struck,
          "sectors damaged");
    total_damaged += struck;
}

/* ---- The run --------------------------------------------------------------------------------- */

/* Overlapping operations in flight are the caller's fault, so the test avoids them: writes over
 * bytes that another is writing, directory changes of an entry that another is changing. */
static bool is_free(const struct octo_disk_op *op)
{
    for (uint32_t f = 0; f < PENDING; f++) {
        const struct flight *flight = &m->flights[f];
        const struct octo_disk_op *other = &flight->op;
        if (!flight->used)
            continue;
        if (op->kind == OCTO_DISK_WRITE && other->kind == OCTO_DISK_WRITE &&
            flight->inode == m->names[name_of(op->file)] &&
            op->offset < other->offset + other->length && other->offset < op->offset + op->length)
            return false;
        if (is_change(op->kind) && is_change(other->kind))
            return false;
    }
    return !is_change(op->kind) || m->change_count < CHANGES;
}

static void draw_op(struct octo_disk_op *op)
{
    static const uint8_t kinds[20] = {
        OCTO_DISK_READ,     OCTO_DISK_READ,     OCTO_DISK_WRITE,    OCTO_DISK_WRITE,
        OCTO_DISK_WRITE,    OCTO_DISK_WRITE,    OCTO_DISK_WRITE,    OCTO_DISK_WRITE,
        OCTO_DISK_SYNC,     OCTO_DISK_SYNC,     OCTO_DISK_SYNC,     OCTO_DISK_CREATE,
        OCTO_DISK_CREATE,   OCTO_DISK_DIR_SYNC, OCTO_DISK_DIR_SYNC, OCTO_DISK_UNLINK,
        OCTO_DISK_ALLOCATE, OCTO_DISK_ALLOCATE, OCTO_DISK_LIST,     OCTO_DISK_UNLINK,
    };
    *op = (struct octo_disk_op){.id = m->step, .kind = kinds[draw_below(&m->random, 20)]};
    if (op->kind == OCTO_DISK_UNLINK && draw_below(&m->random, 2) == 0)
        op->kind = OCTO_DISK_RENAME;
    if (op->kind != OCTO_DISK_DIR_SYNC)
        op->file = file_of(draw_below(&m->random, NAMES));
    if (op->kind != OCTO_DISK_DIR_SYNC && m->names[name_of(op->file)] == NOBODY &&
        draw_below(&m->random, 2) == 0)
        op->kind = OCTO_DISK_CREATE; /* or nearly all would find nothing */
    op->target = file_of(draw_below(&m->random, NAMES));
    if (op->kind == OCTO_DISK_LIST)
        op->length = draw_below(&m->random, 16);
    if (op->kind > OCTO_DISK_WRITE && op->kind != OCTO_DISK_ALLOCATE)
        return;
    op->offset = draw_below(&m->random, BYTES);
    op->length = draw_below(&m->random, BYTES - (uint32_t)op->offset + 1) % (3 * SECTOR);
    if (draw_below(&m->random, 2) == 0) {
        op->offset -= op->offset % SECTOR;
        op->length = (uint32_t)octo_min_u64(octo_align_up(op->length, SECTOR), BYTES - op->offset);
    }
}

static void submit(struct flight *flight)
{
    *flight = (struct flight){0};
    draw_op(&flight->op);
    if (!is_free(&flight->op))
        return;
    draw_bytes(&m->random, flight->data, flight->op.length);
    flight->op.data = flight->data;
    model_submit(flight);
    const octo_time_ns latency = octo_simdisk_submit(m->disk, &flight->op, &host, &flight->slot);
    check(latency >= 1, "accepted");
    flight->used = true;
}

static void heal(void)
{
    model_heal();
    octo_simdisk_heal(m->disk);
}

static void step(void)
{
    struct flight *flight = &m->flights[draw_below(&m->random, PENDING)];
    m->step++;
    const uint32_t event = draw_below(&m->random, 80);
    if (event == 0)
        crash(draw_below(&m->random, 2) == 0);
    else if (event == 1)
        damage();
    else if (event == 2 && draw_below(&m->random, 4) == 0)
        heal();
    else if (flight->used)
        complete(flight);
    else
        submit(flight);
    compare();
}

static void total_add(const struct octo_simdisk_stats *stats)
{
    for (uint32_t i = 0; i < OCTO_CHANCE_COUNT; i++)
        total.faults[i] += stats->faults[i];
    total.sectors_lost += stats->sectors_lost;
    total.sectors_kept += stats->sectors_kept;
    total.sectors_torn += stats->sectors_torn;
    total.sectors_garbage += stats->sectors_garbage;
    total.sizes_wrong += stats->sizes_wrong;
    total.lies_told += stats->lies_told;
    total.lies_ended += stats->lies_ended;
    total.entries_lost += stats->entries_lost;
    total.bytes_read += stats->bytes_read;
}

static void total_check(void)
{
    for (uint32_t i = OCTO_CHANCE_READ_ERROR; i < OCTO_CHANCE_COUNT; i++)
        cr_assert(total.faults[i] > SEEDS / 10, "%s: struck %llu times",
                  octo_disk_chance_text((enum octo_disk_chance_kind)i),
                  (unsigned long long)total.faults[i]);
    cr_assert_gt(total.sectors_lost, SEEDS);
    cr_assert_gt(total.sectors_kept, SEEDS / 10);
    cr_assert_gt(total.sectors_torn, SEEDS);
    cr_assert_gt(total.entries_lost, SEEDS / 10);
    cr_assert_gt(total.bytes_read, SEEDS);
    cr_assert_gt(total_promises, SEEDS);
    cr_assert_gt(total_settled, SEEDS / 10);
    cr_assert_eq(total.faults[OCTO_CHANCE_CRASH_SECTOR],
                 total.sectors_kept + total.sectors_torn + total.sectors_garbage);
    cr_assert_eq(total.faults[OCTO_CHANCE_CRASH_SIZE], total.sizes_wrong);
    cr_assert_gt(total.sectors_garbage, SEEDS / 10);
    cr_assert_gt(total.lies_told, SEEDS);
    cr_assert_gt(total.lies_ended, SEEDS / 10);
    cr_assert_gt(total_damaged, SEEDS / 10);
}

static void run(uint64_t seed, uint8_t *block)
{
    struct octo_arena arena;
    memset(m, 0, sizeof *m);
    m->seed = m->random = seed;
    for (uint32_t i = 0; i < OCTO_CHANCE_COUNT; i++)
        m->rate[i] = (uint32_t[]){0, 10, 64}[draw_below(&m->random, 3)];
    m->rate[OCTO_CHANCE_CRASH_SECTOR] = m->rate[OCTO_CHANCE_CRASH_ENTRY] = 170;
    m->rate[OCTO_CHANCE_CRASH_SIZE] = 128;
    m->rate[OCTO_CHANCE_MISDIRECTED_READ] = 64; /* few reads could be */
    for (uint32_t i = 0; i < NAMES; i++)
        m->names[i] = m->durable_names[i] = NOBODY;
    octo_arena_init(&arena, block, ARENA_BYTES);
    m->disk = octo_simdisk_create(&arena, PENDING);
    check(m->disk != NULL, "room for a disk");
    for (uint32_t i = 0; i < STEPS; i++)
        step();
    crash(true);
    total_add(octo_simdisk_stats(m->disk));
}

Test(simdisk_model, agrees_with_a_naive_model)
{
    uint8_t *block = aligned_alloc(64, ARENA_BYTES);
    cr_assert_not_null(block);
    memset(block, 0xa5, ARENA_BYTES);
    const char *one = getenv("OCTO_TEST_SEED"); /* to run one seed again */
    if (one != NULL)
        run(strtoull(one, NULL, 10), block);
    for (uint64_t seed = 1; one == NULL && seed <= SEEDS; seed++)
        run(seed, block);
    if (one == NULL)
        total_check();
    free(block);
}
