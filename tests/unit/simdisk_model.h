/* A naive model of the simulated disk: what test_simdisk_model.c compares the real one with.
 *
 * Each file is three plain arrays: durable, complete (what the writes that came back made), cache
 * (what all submitted writes made), and a few words for each sector. `expect` is the model's side
 * of a question of chance. */
#ifndef OCTO_TESTS_UNIT_SIMDISK_MODEL_H
#define OCTO_TESTS_UNIT_SIMDISK_MODEL_H

#include "vfs/vfs.h"

#include <criterion/criterion.h>

#define SECTOR    512u
#define SECTORS   10u
#define BYTES     (SECTOR * SECTORS)
#define INODES    16u /* as many as the disk has */
#define NAMES     4u  /* (kind, number) = (3, n % 2) and (5, n % 2) */
#define NOBODY    UINT32_MAX
#define PENDING   12u
#define CHANGES   5u /* unsynced directory changes at a time: never forces the disk's hand */
#define QUESTIONS 4096u

struct cell { /* one sector */
    bool dirty, lost, mixed, older;
    uint32_t inflight;
    uint64_t completed; /* step */
};

struct inode {
    uint8_t durable[BYTES], complete[BYTES], cache[BYTES];
    struct cell cells[SECTORS];
    uint64_t size, durable_size;
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
    uint64_t fault, submitted; /* step */
    bool changes;
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
    uint64_t counts[NAMES + 1][8];
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
    [OCTO_CHANCE_READ_ERROR] = 1,    [OCTO_CHANCE_WRITE_ERROR] = 3, [OCTO_CHANCE_SYNC_ERROR] = 2,
    [OCTO_CHANCE_CRASH_SECTOR] = 64, [OCTO_CHANCE_CRASH_ENTRY] = 1,
};

static uint64_t answer(const struct octo_disk_question *question)
{
    const uint64_t bits = key_of(question);
    if (question->kind == OCTO_CHANCE_LATENCY)
        return bits % 3;
    if (bits % 256 >= m->rate[question->kind])
        return 0;
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

static void make_durable(struct inode *inode, uint32_t i, const uint8_t *content)
{
    const uint64_t end = octo_min_u64(inode->size, (i + 1) * SECTOR);
    copy_sector(inode->durable, content, i);
    inode->durable_size = octo_max_u64(inode->durable_size, end);
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

/* A name's inode durably, after a change; an inode has one name at most. */
static void change_apply(const struct change *change)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        if (change->inode != NOBODY && m->durable_names[i] == change->inode)
            m->durable_names[i] = NOBODY;
    }
    m->durable_names[change->name] = change->inode;
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

static void model_write(struct flight *flight)
{
    struct inode *inode = &m->inodes[flight->inode];
    const uint32_t from = (uint32_t)flight->op.offset;
    const uint32_t half = flight->op.length / 2;
    flight->part = flight->op.length;
    if (flight->fault != 0)
        flight->part = half < SECTOR ? half : half / SECTOR * SECTOR;
    if (flight->fault == 1)
        flight->part = 0;
    flight->result = flight->fault == 1 || flight->fault == 2 ? OCTO_ERR_IO : OCTO_ERR_OK;
    if (flight->part == 0)
        return;
    for (uint32_t i = from / SECTOR; i <= (from + flight->part - 1) / SECTOR; i++) {
        struct cell *cell = &inode->cells[i];
        if (cell->dirty && cell->inflight > 0)
            cell->mixed = true;
        else if (cell->dirty && is_covered(flight->inode, i))
            make_durable(inode, i, inode->complete);
        else if (cell->dirty)
            cell->older = true;
        cell->dirty = true;
        cell->lost = false;
        cell->inflight++;
        forget_promise(flight->inode, i);
    }
    memcpy(inode->cache + from, flight->data, flight->part);
    inode->size = octo_max_u64(inode->size, from + flight->part);
}

static void model_sync(struct flight *flight)
{
    struct inode *inode = &m->inodes[flight->inode];
    memcpy(flight->promised, inode->complete, BYTES);
    for (uint32_t i = 0; i < SECTORS; i++) {
        struct cell *cell = &inode->cells[i];
        flight->covered[i] = cell->dirty && cell->inflight == 0;
        total_settled += cell->mixed || cell->older;
        if (cell->mixed) {
            make_durable(inode, i, inode->cache);
            cell->dirty = false;
        } else if (cell->older) {
            make_durable(inode, i, inode->complete);
        }
        cell->mixed = cell->older = false;
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

static void model_change(struct flight *flight)
{
    const uint32_t name = name_of(flight->op.file);
    const uint32_t target = name_of(flight->op.target);
    if (flight->fault != 0) {
        flight->result = OCTO_ERR_IO;
    } else if (flight->op.kind == OCTO_DISK_CREATE) {
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

static const enum octo_disk_chance_kind chances[8] = {
    [OCTO_DISK_READ] = OCTO_CHANCE_READ_ERROR,    [OCTO_DISK_WRITE] = OCTO_CHANCE_WRITE_ERROR,
    [OCTO_DISK_SYNC] = OCTO_CHANCE_SYNC_ERROR,    [OCTO_DISK_DIR_SYNC] = OCTO_CHANCE_SYNC_ERROR,
    [OCTO_DISK_CREATE] = OCTO_CHANCE_WRITE_ERROR, [OCTO_DISK_UNLINK] = OCTO_CHANCE_WRITE_ERROR,
    [OCTO_DISK_RENAME] = OCTO_CHANCE_WRITE_ERROR,
};

static void model_submit(struct flight *flight)
{
    const struct octo_disk_op *op = &flight->op;
    const uint32_t name = op->kind == OCTO_DISK_DIR_SYNC ? NAMES : name_of(op->file);
    const uint64_t occurrence = m->counts[name][op->kind]++;
    const bool on_file = op->kind <= OCTO_DISK_SYNC;
    flight->inode = on_file ? m->names[name] : NOBODY;
    flight->submitted = m->step;
    flight->result = OCTO_ERR_OK;
    if (on_file && flight->inode == NOBODY) {
        flight->result = OCTO_ERR_NOT_FOUND;
    } else {
        flight->fault = expect(chances[op->kind], op->file, op->kind, occurrence);
        if (op->kind == OCTO_DISK_WRITE)
            model_write(flight);
        else if (op->kind == OCTO_DISK_SYNC)
            model_sync(flight);
        else if (op->kind >= OCTO_DISK_CREATE && op->kind != OCTO_DISK_DIR_SYNC)
            model_change(flight);
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
        }
    }
}

static void model_synced(struct flight *flight)
{
    struct inode *inode = &m->inodes[flight->inode];
    for (uint32_t i = 0; i < SECTORS; i++) {
        struct cell *cell = &inode->cells[i];
        const bool covered = cell->dirty && !cell->lost && cell->inflight == 0 &&
                             cell->completed < flight->submitted;
        if (covered && flight->fault == 0) {
            make_durable(inode, i, inode->complete);
            cell->dirty = false;
        } else if (covered) {
            forget_promise(flight->inode, i);
            cell->lost = flight->fault == 2;
            cell->dirty = false;
            if (!cell->lost) {
                copy_sector(inode->cache, inode->durable, i);
                copy_sector(inode->complete, inode->durable, i);
            }
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
            change_apply(&change);
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
    else if (flight->op.kind == OCTO_DISK_SYNC && flight->result == OCTO_ERR_OK)
        model_synced(flight);
    else if (flight->op.kind == OCTO_DISK_DIR_SYNC)
        model_dir_synced(flight);
    else
        model_changed(flight);
    flight->used = false;
}

/* ---- Crashes --------------------------------------------------------------------------------- */

static void model_drop(void)
{
    for (uint32_t f = 0; f < PENDING; f++) {
        struct flight *flight = &m->flights[f];
        if (flight->used && flight->op.kind == OCTO_DISK_WRITE)
            model_written(flight);
        else if (flight->used)
            model_changed(flight);
        flight->used = false;
    }
}

static void model_resolve_sector(struct inode *inode, uint32_t name, uint32_t i)
{
    struct cell *cell = &inode->cells[i];
    if (cell->dirty) {
        const uint64_t fate = expect(OCTO_CHANCE_CRASH_SECTOR, file_of(name), 0, i);
        const uint64_t bytes = fate == 0 ? 0 : fate == 1 ? SECTOR : (fate - 1) * 8;
        uint8_t content[BYTES];
        copy_sector(content, inode->durable, i);
        memcpy(content + i * SECTOR, inode->cache + i * SECTOR, bytes);
        if (fate != 0)
            make_durable(inode, i, content);
    } else if (!cell->lost) {
        check(memcmp(inode->durable + i * SECTOR, inode->cache + i * SECTOR, SECTOR) == 0,
              "clean is durable");
    }
    *cell = (struct cell){0};
    copy_sector(inode->cache, inode->durable, i);
    copy_sector(inode->complete, inode->durable, i);
}

static void model_power_loss(void)
{
    uint64_t ordinals[NAMES] = {0};
    for (uint32_t i = 0; i < m->change_count; i++) {
        const uint32_t name = m->changes[i].name;
        if (expect(OCTO_CHANCE_CRASH_ENTRY, file_of(name), 0, ordinals[name]++) != 0)
            change_apply(&m->changes[i]);
    }
    m->change_count = 0;
    for (uint32_t name = 0; name < NAMES; name++) {
        m->names[name] = m->durable_names[name];
        if (m->names[name] == NOBODY)
            continue;
        struct inode *inode = &m->inodes[m->names[name]];
        for (uint32_t i = 0; i < SECTORS; i++)
            model_resolve_sector(inode, name, i);
        inode->size = inode->durable_size;
    }
}

#endif
