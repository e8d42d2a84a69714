/* A naive model of the simulated disk: what test_simdisk_model.c compares the real one with.
 * Crashes and damage: simdisk_model_crash.h.
 *
 * Each file is four plain arrays: durable (on an honest disk), platter (on this one), complete
 * (what the writes that came back made), cache (what all submitted writes made), and a few words
 * for each sector. `expect` is the model's side of a question of chance. */
#ifndef OCTO_TESTS_UNIT_SIMDISK_MODEL_H
#define OCTO_TESTS_UNIT_SIMDISK_MODEL_H

#include "vfs/vfs.h"

#include <criterion/criterion.h>

#define SECTOR    512u
#define SECTORS   10u
#define BYTES     (SECTOR * SECTORS)
#define INODES    24u /* so that every sector may lie */
#define KINDS     10u /* of operations */
#define NAMES     4u  /* (kind, number) = (3, n % 2) and (5, n % 2) */
#define NOBODY    UINT32_MAX
#define PENDING   12u
#define CHANGES   5u /* unsynced directory changes at a time: never forces the disk's hand */
#define QUESTIONS 4096u

struct cell { /* one sector */
    bool dirty, lost, mixed, older;
    bool written; /* it has durable content */
    bool shows;   /* reads see the platter, which holds something else than durable */
    uint64_t astray, older_astray; /* where the cache, the older content will go */
    uint32_t inflight;
    uint64_t completed; /* step */
};

struct range {
    uint64_t first, end;
};

struct inode {
    uint8_t durable[BYTES], platter[BYTES], complete[BYTES], cache[BYTES];
    struct cell cells[SECTORS];
    uint64_t size, durable_size;
    struct range allocated, allocated_done, allocated_durable;
};

struct change {
    uint32_t name, inode; /* inode NOBODY: unlink */
    uint64_t completed;   /* step; 0 while in flight */
};

struct flight {
    bool used;
    struct octo_disk_op op;
    uint8_t data[BYTES];
    uint32_t slot, inode, part, change_name;
    uint64_t fault, shift, submitted; /* step */
    bool changes, halved;
    struct range range; /* ALLOCATE: its own; SYNC: what it covers */
    enum octo_err result;
    uint8_t promised[BYTES]; /* SYNC: complete content when it was submitted, of the sectors ... */
    bool covered[SECTORS];   /* ... that were dirty and that nobody has written since */
};

struct model {
    uint64_t seed, random, step;
    uint32_t incarnation;
    uint32_t rate[OCTO_CHANCE_COUNT]; /* of 256 */
    struct octo_simdisk *disk;
    struct inode inodes[INODES];
    uint32_t names[NAMES], durable_names[NAMES]; /* inode or NOBODY */
    struct change changes[CHANGES];
    uint32_t change_count;
    struct flight flights[PENDING];
    uint64_t counts[NAMES + 1][KINDS];
    uint64_t asked[QUESTIONS]; /* hashes of the disk's questions, a set */
    uint32_t asked_count, expected_count;
    uint8_t seen[NAMES][BYTES]; /* the durable image as last compared */
    bool reported[NAMES][SECTORS];
};

static struct model model;
static struct model *const m = &model;

/* How often, over all seeds. */
static uint64_t total_promises, total_settled;

#define check(condition, what)                                                     \
    cr_assert((condition), "seed %llu step %llu: %s", (unsigned long long)m->seed, \
              (unsigned long long)m->step, (what))

static struct octo_file file_of(uint32_t name)
{
    if (name == NAMES)
        return (struct octo_file){0}; /* DIR_SYNC */
    return (struct octo_file){.kind = name < 2 ? OCTO_FILE_MAIN : OCTO_FILE_SNAPSHOT,
                              .number = name % 2};
}

static uint32_t name_of(struct octo_file file)
{
    return (file.kind == OCTO_FILE_MAIN ? 0u : 2u) + file.number;
}

/* ---- Chance ---------------------------------------------------------------------------------- */

static uint64_t key_of(const struct octo_disk_question *question)
{
    uint64_t key = octo_mix(m->seed + 1);
    key = octo_mix(key ^ m->incarnation);
    key = octo_mix(key ^ ((uint64_t)question->kind << 32 | question->op));
    key = octo_mix(key ^ ((uint64_t)question->file.kind << 32 | question->file.number));
    return octo_mix(key ^ question->occurrence);
}

static const uint64_t answers[OCTO_CHANCE_COUNT] = {
    /* how many there are but 0 */
    [OCTO_CHANCE_READ_ERROR] = 1,       [OCTO_CHANCE_WRITE_ERROR] = 3,
    [OCTO_CHANCE_SYNC_ERROR] = 2,       [OCTO_CHANCE_CRASH_SECTOR] = 80,
    [OCTO_CHANCE_CRASH_ENTRY] = 1,      [OCTO_CHANCE_CRASH_SIZE] = 2,
    [OCTO_CHANCE_SHORT_READ] = 1,       [OCTO_CHANCE_NO_SPACE] = 1,
    [OCTO_CHANCE_LOST_WRITE] = 1,       [OCTO_CHANCE_MISDIRECTED_WRITE] = 4,
    [OCTO_CHANCE_MISDIRECTED_READ] = 2,
};

static uint64_t answer(const struct octo_disk_question *question)
{
    const uint64_t bits = key_of(question);
    if (question->kind == OCTO_CHANCE_LATENCY)
        return bits % 3;
    if (bits % 256 >= m->rate[question->kind])
        return 0;
    if (question->kind == OCTO_CHANCE_CRASH_SECTOR && (bits >> 40) % 4 == 0)
        return 1; /* kept: else it were rare */
    return 1 + (bits >> 8) % answers[question->kind];
}

/* The model's side of a question: the disk must ask just as many, and get the same answers. */
static uint64_t expect(enum octo_disk_chance_kind kind, struct octo_file file, uint8_t op,
                       uint64_t occurrence)
{
    const struct octo_disk_question question = {kind, file, op, occurrence};
    m->expected_count++;
    check(kind != OCTO_CHANCE_NONE, "a kind");
    return answer(&question);
}

/* ---- Sectors and files ----------------------------------------------------------------------- */

static void copy_sector(uint8_t *to, const uint8_t *from, uint32_t i)
{
    memcpy(to + i * SECTOR, from + i * SECTOR, SECTOR);
}

static bool is_lie(const struct inode *inode, uint32_t i)
{
    return memcmp(inode->platter + i * SECTOR, inode->durable + i * SECTOR, SECTOR) != 0;
}

/* The page cache of a clean sector is gone: reads see what is on the disk. */
static void show(struct inode *inode, uint32_t i)
{
    copy_sector(inode->cache, inode->platter, i);
    copy_sector(inode->complete, inode->platter, i);
    inode->cells[i].shows = is_lie(inode, i);
}

/* The bytes of content's sector i arrive on the platter, at sector `at`. */
static void arrive(struct inode *inode, uint32_t at, const uint8_t *content, uint32_t i,
                   uint64_t end)
{
    octo_assert(at < SECTORS && i < SECTORS);
    uint8_t *const to = inode->platter + at * SECTOR;
    const uint64_t kept = end <= at * SECTOR ? 0 : octo_min_u64(end - at * SECTOR, SECTOR);
    memcpy(to, content + i * SECTOR, kept);
    memset(to + kept, 0, SECTOR - kept);
}

/* The sector's content arrives where it goes astray, if that sector has content of its own. */
static void land(struct inode *inode, uint32_t i, const uint8_t *content, uint64_t astray)
{
    if (astray >= SECTORS - i || !inode->cells[i + astray].written)
        return;
    const uint32_t at = i + (uint32_t)astray;
    arrive(inode, at, content, i, inode->durable_size);
    if (inode->cells[at].shows)
        show(inode, at);
}

static void make_durable(struct inode *inode, uint32_t i, const uint8_t *content, uint64_t astray)
{
    const uint64_t end = octo_min_u64(inode->size, (i + 1) * SECTOR);
    copy_sector(inode->durable, content, i);
    inode->durable_size = octo_max_u64(inode->durable_size, end);
    inode->cells[i].written = true;
    if (astray == 0)
        arrive(inode, i, content, i, BYTES);
    else
        land(inode, i, content, astray);
}

/* Whole sectors that were allocated or written need no space. */
static bool has_space(const struct inode *inode, uint64_t offset, uint64_t length)
{
    const struct range *range = &inode->allocated;
    if (length == 0 || (offset >= range->first && offset + length <= range->end))
        return true;
    for (uint64_t i = offset / SECTOR; i <= (offset + length - 1) / SECTOR; i++) {
        const struct cell *cell = &inode->cells[i];
        const bool inside = i * SECTOR >= range->first && (i + 1) * SECTOR <= range->end;
        if (!inside && !cell->written && !cell->dirty && !cell->lost)
            return false;
    }
    return true;
}

static void range_add(struct range *range, struct range more)
{
    if (more.first == more.end)
        return;
    if (range->first == range->end)
        *range = more;
    range->first = octo_min_u64(range->first, more.first);
    range->end = octo_max_u64(range->end, more.end);
}

static bool inode_needed(uint32_t number)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        if (m->names[i] == number || m->durable_names[i] == number)
            return true;
    }
    for (uint32_t i = 0; i < m->change_count; i++) {
        if (m->changes[i].inode == number)
            return true;
    }
    for (uint32_t i = 0; i < PENDING; i++) {
        if (m->flights[i].used && m->flights[i].inode == number)
            return true;
    }
    return false;
}

static uint32_t inode_new(void)
{
    for (uint32_t i = 0; i < INODES; i++) {
        if (!inode_needed(i)) {
            memset(&m->inodes[i], 0, sizeof m->inodes[i]);
            return i;
        }
    }
    check(false, "the test leaves room for one more file");
    return NOBODY;
}

/* A name's inode durably, after a change; an inode has one name at most. One that loses its name
 * while it is seen under another was renamed, and that has arrived too. */
static void change_apply(uint32_t name, uint32_t number)
{
    const uint32_t holder = m->durable_names[name];
    if (holder == number)
        return;
    for (uint32_t i = 0; i < NAMES; i++) {
        if (number != NOBODY && m->durable_names[i] == number)
            m->durable_names[i] = NOBODY;
    }
    m->durable_names[name] = number;
    for (uint32_t i = 0; i < NAMES; i++) {
        if (holder != NOBODY && m->names[i] == holder)
            change_apply(i, holder);
    }
}

/* ---- Submit ---------------------------------------------------------------------------------- */

/* A sync in flight that covers the sector's complete content. */
static bool is_covered(uint32_t number, uint32_t i)
{
    for (uint32_t f = 0; f < PENDING; f++) {
        const struct flight *flight = &m->flights[f];
        if (flight->used && flight->op.kind == OCTO_DISK_SYNC && flight->inode == number &&
            m->inodes[number].cells[i].completed < flight->submitted)
            return true;
    }
    return false;
}

/* The sector is written, or a sync of it failed: no sync in flight promises anything about it. */
static void forget_promise(uint32_t number, uint32_t i)
{
    for (uint32_t f = 0; f < PENDING; f++) {
        if (m->flights[f].used && m->flights[f].inode == number)
            m->flights[f].covered[i] = false;
    }
}

/* What the page cache holds of a sector is written over. */
static void model_over(struct flight *flight, uint32_t i)
{
    struct inode *inode = &m->inodes[flight->inode];
    struct cell *cell = &inode->cells[i];
    if (cell->dirty && cell->inflight > 0) {
        cell->mixed = true;
    } else if (cell->dirty && is_covered(flight->inode, i)) {
        make_durable(inode, i, inode->complete, cell->astray);
    } else if (cell->dirty) {
        cell->older = true;
        cell->older_astray = cell->astray;
    } else if (cell->shows) {
        copy_sector(inode->cache, inode->durable, i);
        copy_sector(inode->complete, inode->durable, i);
    }
    cell->dirty = true;
    cell->lost = cell->shows = false;
    cell->astray = 0;
    cell->inflight++;
    forget_promise(flight->inode, i);
}

static bool model_no_space(struct flight *flight, uint64_t occurrence)
{
    const struct octo_disk_op *op = &flight->op;
    const bool has = op->kind == OCTO_DISK_CREATE
                         ? m->names[name_of(op->file)] != NOBODY
                         : has_space(&m->inodes[flight->inode], op->offset, op->length);
    if (flight->fault != 0 || has ||
        expect(OCTO_CHANCE_NO_SPACE, op->file, op->kind, occurrence) == 0)
        return false;
    flight->result = OCTO_ERR_NO_SPACE;
    return true;
}

static void model_write(struct flight *flight, uint64_t occurrence)
{
    struct inode *inode = &m->inodes[flight->inode];
    const uint32_t from = (uint32_t)flight->op.offset;
    const uint32_t half = flight->op.length / 2;
    if (model_no_space(flight, occurrence))
        return;
    flight->part = flight->op.length;
    if (flight->fault != 0)
        flight->part = half < SECTOR ? half : half / SECTOR * SECTOR;
    if (flight->fault == 1)
        flight->part = 0;
    flight->result = flight->fault == 1 || flight->fault == 2 ? OCTO_ERR_IO : OCTO_ERR_OK;
    if (flight->part == 0)
        return;
    for (uint32_t i = from / SECTOR; i <= (from + flight->part - 1) / SECTOR; i++)
        model_over(flight, i);
    memcpy(inode->cache + from, flight->data, flight->part);
    inode->size = octo_max_u64(inode->size, from + flight->part);
    if (flight->fault != 0)
        return;
    uint64_t astray = SECTORS; /* nowhere */
    if (expect(OCTO_CHANCE_LOST_WRITE, flight->op.file, OCTO_DISK_WRITE, occurrence) == 0)
        astray =
            expect(OCTO_CHANCE_MISDIRECTED_WRITE, flight->op.file, OCTO_DISK_WRITE, occurrence);
    for (uint32_t i = from / SECTOR; i <= (from + flight->part - 1) / SECTOR; i++)
        inode->cells[i].astray = astray;
}

static void model_read(struct flight *flight, uint64_t occurrence)
{
    const struct octo_disk_op *op = &flight->op;
    if (flight->fault != 0 || op->length == 0)
        return;
    if (op->length > 1)
        flight->halved = expect(OCTO_CHANCE_SHORT_READ, op->file, op->kind, occurrence) != 0;
    flight->shift = expect(OCTO_CHANCE_MISDIRECTED_READ, op->file, op->kind, occurrence) * SECTOR;
}

static void model_allocate(struct flight *flight, uint64_t occurrence)
{
    struct inode *inode = &m->inodes[flight->inode];
    const struct octo_disk_op *op = &flight->op;
    if (flight->fault != 0)
        flight->result = OCTO_ERR_IO;
    if (flight->fault != 0 || op->length == 0 || model_no_space(flight, occurrence))
        return;
    flight->range = (struct range){op->offset, op->offset + op->length};
    range_add(&inode->allocated, flight->range);
    inode->size = octo_max_u64(inode->size, flight->range.end);
}

static void model_sync(struct flight *flight)
{
    struct inode *inode = &m->inodes[flight->inode];
    memcpy(flight->promised, inode->complete, BYTES);
    flight->range = inode->allocated_done;
    for (uint32_t i = 0; i < SECTORS; i++) {
        struct cell *cell = &inode->cells[i];
        flight->covered[i] = cell->dirty && cell->inflight == 0;
        total_settled += cell->mixed || cell->older;
        if (cell->mixed) {
            make_durable(inode, i, inode->cache, cell->astray);
            cell->dirty = false;
            cell->astray = 0;
        } else if (cell->older) {
            make_durable(inode, i, inode->complete, cell->older_astray);
        }
        cell->mixed = cell->older = false;
        cell->older_astray = 0;
    }
}

static void change_add(struct flight *flight, uint32_t name, uint32_t inode)
{
    check(m->change_count < CHANGES, "the test leaves room for one more change");
    m->changes[m->change_count++] = (struct change){name, inode, 0};
    flight->changes = true;
    flight->change_name = name;
}

static void model_create(struct flight *flight, uint32_t name)
{
    if (m->names[name] != NOBODY) {
        bool coming = m->durable_names[name] == m->names[name];
        for (uint32_t i = 0; i < m->change_count; i++)
            coming |= m->changes[i].name == name && m->changes[i].inode == m->names[name];
        if (coming)
            return;
    } else {
        m->names[name] = inode_new();
    }
    change_add(flight, name, m->names[name]);
}

static void model_change(struct flight *flight, uint64_t occurrence)
{
    const uint32_t name = name_of(flight->op.file);
    const uint32_t target = name_of(flight->op.target);
    if (flight->fault != 0) {
        flight->result = OCTO_ERR_IO;
    } else if (flight->op.kind == OCTO_DISK_CREATE) {
        if (!model_no_space(flight, occurrence))
            model_create(flight, name);
    } else if (m->names[name] == NOBODY) {
        flight->result = OCTO_ERR_NOT_FOUND;
    } else if (flight->op.kind == OCTO_DISK_UNLINK) {
        m->names[name] = NOBODY;
        change_add(flight, name, NOBODY);
    } else if (name != target) {
        m->names[target] = m->names[name];
        m->names[name] = NOBODY;
        change_add(flight, target, m->names[target]);
    }
}

static const enum octo_disk_chance_kind chances[KINDS] = {
    [OCTO_DISK_READ] = OCTO_CHANCE_READ_ERROR,    [OCTO_DISK_WRITE] = OCTO_CHANCE_WRITE_ERROR,
    [OCTO_DISK_SYNC] = OCTO_CHANCE_SYNC_ERROR,    [OCTO_DISK_DIR_SYNC] = OCTO_CHANCE_SYNC_ERROR,
    [OCTO_DISK_CREATE] = OCTO_CHANCE_WRITE_ERROR, [OCTO_DISK_UNLINK] = OCTO_CHANCE_WRITE_ERROR,
    [OCTO_DISK_RENAME] = OCTO_CHANCE_WRITE_ERROR, [OCTO_DISK_ALLOCATE] = OCTO_CHANCE_WRITE_ERROR,
    [OCTO_DISK_LIST] = OCTO_CHANCE_READ_ERROR,
};

static bool is_change(uint8_t kind)
{
    return kind == OCTO_DISK_CREATE || kind == OCTO_DISK_UNLINK || kind == OCTO_DISK_RENAME;
}

static void model_submit(struct flight *flight)
{
    const struct octo_disk_op *op = &flight->op;
    const uint32_t name = op->kind == OCTO_DISK_DIR_SYNC ? NAMES : name_of(op->file);
    const uint64_t occurrence = m->counts[name][op->kind]++;
    const bool on_file = op->kind <= OCTO_DISK_SYNC || op->kind == OCTO_DISK_ALLOCATE;
    flight->inode = on_file ? m->names[name] : NOBODY;
    flight->submitted = m->step;
    flight->result = OCTO_ERR_OK;
    if (on_file && flight->inode == NOBODY) {
        flight->result = OCTO_ERR_NOT_FOUND;
    } else {
        flight->fault = expect(chances[op->kind], op->file, op->kind, occurrence);
        if (op->kind == OCTO_DISK_READ)
            model_read(flight, occurrence);
        else if (op->kind == OCTO_DISK_WRITE)
            model_write(flight, occurrence);
        else if (op->kind == OCTO_DISK_ALLOCATE)
            model_allocate(flight, occurrence);
        else if (op->kind == OCTO_DISK_SYNC)
            model_sync(flight);
        else if (is_change(op->kind))
            model_change(flight, occurrence);
    }
    expect(OCTO_CHANCE_LATENCY, op->file, op->kind, occurrence);
}

/* ---- Complete -------------------------------------------------------------------------------- */

/* The write came back, or the process ended: it is in the page cache for good. */
static void model_written(const struct flight *flight)
{
    const uint32_t from = (uint32_t)flight->op.offset;
    if (flight->result == OCTO_ERR_NOT_FOUND || flight->part == 0)
        return;
    struct inode *inode = &m->inodes[flight->inode];
    memcpy(inode->complete + from, flight->data, flight->part);
    for (uint32_t i = from / SECTOR; i <= (from + flight->part - 1) / SECTOR; i++) {
        struct cell *cell = &inode->cells[i];
        if (--cell->inflight == 0) {
            cell->completed = m->step;
            cell->mixed = cell->older = false;
            cell->older_astray = 0;
        }
    }
}

static void model_allocated(const struct flight *flight)
{
    if (flight->range.end != 0)
        range_add(&m->inodes[flight->inode].allocated_done, flight->range);
}

static void model_synced(struct flight *flight)
{
    struct inode *inode = &m->inodes[flight->inode];
    if (flight->fault == 0) {
        range_add(&inode->allocated_durable, flight->range);
        range_add(&inode->allocated_done, flight->range);
        inode->durable_size = octo_max_u64(inode->durable_size, flight->range.end);
    } else if (memcmp(&inode->allocated_done, &flight->range, sizeof flight->range) == 0) {
        inode->allocated_done = inode->allocated_durable;
    }
    for (uint32_t i = 0; i < SECTORS; i++) {
        struct cell *cell = &inode->cells[i];
        const bool covered = cell->dirty && !cell->lost && cell->inflight == 0 &&
                             cell->completed < flight->submitted;
        if (covered && flight->fault == 0) {
            make_durable(inode, i, inode->complete, cell->astray);
            cell->dirty = false;
            cell->astray = 0;
        } else if (covered) {
            forget_promise(flight->inode, i);
            cell->lost = flight->fault == 2;
            cell->dirty = false;
            cell->astray = 0;
            if (!cell->lost)
                show(inode, i);
        }
        total_promises += flight->covered[i];
        if (flight->covered[i] && flight->fault == 0)
            check(memcmp(inode->durable + i * SECTOR, flight->promised + i * SECTOR, SECTOR) == 0,
                  "what a successful sync covers is durable");
    }
}

static void model_dir_synced(const struct flight *flight)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->change_count; i++) {
        const struct change change = m->changes[i];
        if (change.completed == 0 || change.completed >= flight->submitted)
            m->changes[kept++] = change;
        else if (flight->fault == 0)
            change_apply(change.name, change.inode);
    }
    m->change_count = kept;
}

static void model_changed(const struct flight *flight)
{
    for (uint32_t i = m->change_count; flight->changes && i-- > 0;) {
        if (m->changes[i].name == flight->change_name && m->changes[i].completed == 0) {
            m->changes[i].completed = m->step;
            return;
        }
    }
}

static void model_complete(struct flight *flight)
{
    if (flight->op.kind == OCTO_DISK_WRITE)
        model_written(flight);
    else if (flight->op.kind == OCTO_DISK_ALLOCATE)
        model_allocated(flight);
    else if (flight->op.kind == OCTO_DISK_SYNC && flight->result == OCTO_ERR_OK)
        model_synced(flight);
    else if (flight->op.kind == OCTO_DISK_DIR_SYNC)
        model_dir_synced(flight);
    else
        model_changed(flight);
    flight->used = false;
}

#endif
