/* A simulated disk for the tests of whole nodes: operations wait until node_disk_complete is called
 * on one of them, in any order, and every fault has a rate. It sees to the submitter's part of the
 * contract (K4, W3) as well. */
#ifndef OCTO_TESTS_NODE_DISK_H
#define OCTO_TESTS_NODE_DISK_H

#include <stdlib.h>

#include "tests/unit/draw.h"
#include "vfs/vfs.h"

#define NODE_DISK_OPS     64u
#define NODE_DISK_BYTES   (16u << 20)
#define NODE_DISK_SCRATCH (1u << 20)

enum node_disk_loss { NODE_DISK_KEEPS_NONE, NODE_DISK_KEEPS_ANY };

struct node_disk_op {
    struct octo_disk_op op;
    uint64_t data_hash; /* the data must not change until the completion */
    uint32_t slot;
};

struct node_disk {
    struct octo_simdisk *disk;
    struct octo_arena arena;
    uint8_t *block;
    uint8_t *scratch;
    uint64_t random;
    uint32_t fails_ppm; /* of everything that can fail, short reads included */
    enum node_disk_loss loss;
    struct node_disk_op ops[NODE_DISK_OPS];
    uint32_t op_count;
};

static const char *node_disk_complaint; /* the first broken rule of the contract, NULL if none */

static inline void node_disk_rule(bool holds, const char *rule)
{
    if (!holds && node_disk_complaint == NULL)
        node_disk_complaint = rule;
}

/* ---- Chance ---------------------------------------------------------------------------------- */

/* What becomes of an unsynced sector: kept, lost, torn or filled with garbage. */
static inline uint64_t node_disk_sector_fate(struct node_disk *disk)
{
    switch (draw_below(&disk->random, 6)) {
    case 0:
    case 1:
        return 1;
    case 2:
        return 2 + draw_below(&disk->random, 63);
    case 3:
        return 65 + (draw(&disk->random) >> 8);
    default:
        return 0;
    }
}

static inline uint64_t node_disk_crash_answer(struct node_disk *disk,
                                              enum octo_disk_chance_kind kind)
{
    if (disk->loss == NODE_DISK_KEEPS_NONE)
        return 0;
    if (kind == OCTO_CHANCE_CRASH_SECTOR)
        return node_disk_sector_fate(disk);
    return draw_below(&disk->random, kind == OCTO_CHANCE_CRASH_SIZE ? 3 : 2);
}

static inline uint64_t node_disk_ask(void *context, const struct octo_disk_question *question)
{
    struct node_disk *disk = context;
    uint32_t answers;

    switch (question->kind) {
    case OCTO_CHANCE_LATENCY:
        return 1;
    case OCTO_CHANCE_CRASH_SECTOR:
    case OCTO_CHANCE_CRASH_ENTRY:
    case OCTO_CHANCE_CRASH_SIZE:
        return node_disk_crash_answer(disk, question->kind);
    case OCTO_CHANCE_WRITE_ERROR:
        answers = 3;
        break;
    case OCTO_CHANCE_SYNC_ERROR:
        answers = 2;
        break;
    case OCTO_CHANCE_READ_ERROR:
    case OCTO_CHANCE_SHORT_READ:
    case OCTO_CHANCE_NO_SPACE:
        answers = 1;
        break;
    case OCTO_CHANCE_LOST_WRITE: /* lies would have to be kept within a budget: the simulator's */
    case OCTO_CHANCE_MISDIRECTED_WRITE:
    case OCTO_CHANCE_MISDIRECTED_READ:
        return 0;
    case OCTO_CHANCE_NONE:
    case OCTO_CHANCE_COUNT:
    default:
        abort();
    }
    if (disk->fails_ppm == 0 || draw_below(&disk->random, 1000000) >= disk->fails_ppm)
        return 0;
    return 1 + draw_below(&disk->random, answers);
}

static inline struct octo_disk_host node_disk_host(struct node_disk *disk)
{
    return (struct octo_disk_host){.context = disk, .ask = node_disk_ask};
}

/* ---- Life ------------------------------------------------------------------------------------ */

/* An empty directory, no faults. */
static inline void node_disk_reset(struct node_disk *disk, uint64_t seed)
{
    octo_arena_init(&disk->arena, disk->block, NODE_DISK_BYTES);
    disk->disk = octo_simdisk_create(&disk->arena, NODE_DISK_OPS);
    if (disk->disk == NULL)
        abort();
    disk->random = seed;
    disk->fails_ppm = 0;
    disk->op_count = 0;
}

static inline struct node_disk *node_disk_make(uint64_t seed)
{
    struct node_disk *disk = calloc(1, sizeof *disk);

    disk->block = aligned_alloc(4096, NODE_DISK_BYTES);
    disk->scratch = malloc(NODE_DISK_SCRATCH);
    node_disk_reset(disk, seed);
    return disk;
}

static inline void node_disk_free(struct node_disk *disk)
{
    free(disk->block);
    free(disk->scratch);
    free(disk);
}

/* ---- Operations ------------------------------------------------------------------------------ */

static inline bool node_disk_same_file(struct octo_file a, struct octo_file b)
{
    return a.kind == b.kind && a.number == b.number;
}

/* Whether two operations may not be in flight together. */
static inline bool node_disk_overlap(const struct octo_disk_op *a, const struct octo_disk_op *b)
{
    if (!node_disk_same_file(a->file, b->file))
        return false;
    if (a->kind == OCTO_DISK_SYNC || b->kind == OCTO_DISK_SYNC)
        return false; /* a sync covers what completed before it: another write may go on */
    if (a->kind != OCTO_DISK_WRITE && b->kind != OCTO_DISK_WRITE)
        return false;
    return a->offset < b->offset + b->length && b->offset < a->offset + a->length;
}

static inline void node_disk_submit(struct node_disk *disk, const struct octo_disk_op *op)
{
    const struct octo_disk_host host = node_disk_host(disk);

    for (uint32_t i = 0; i < disk->op_count; i++) {
        const struct octo_disk_op *other = &disk->ops[i].op;
        node_disk_rule(other->id < op->id, "operation id not fresh");
        node_disk_rule(!node_disk_overlap(op, other), "two operations on the same bytes in flight");
    }
    if (op->kind == OCTO_DISK_WRITE) {
        node_disk_rule(op->length > 0, "an empty write");
        node_disk_rule(op->offset % OCTO_SIMDISK_SECTOR_BYTES == 0, "write not on a sector");
    }
    if (disk->op_count == NODE_DISK_OPS)
        abort();
    struct node_disk_op *pending = &disk->ops[disk->op_count];
    pending->op = *op;
    pending->data_hash = op->kind == OCTO_DISK_WRITE ? octo_hash(op->data, op->length, 0) : 0;
    if (octo_simdisk_submit(disk->disk, op, &host, &pending->slot) == 0)
        abort(); /* NODE_DISK_BYTES is too small */
    disk->op_count++;
}

/* Ends waiting operation `which` and fills the event that says so; what was read lies in the disk's
 * memory until the next. */
static inline void node_disk_complete(struct node_disk *disk, uint32_t which,
                                      struct octo_event *event)
{
    const struct octo_disk_host host = node_disk_host(disk);
    const struct node_disk_op done = disk->ops[which];

    disk->op_count--;
    memmove(&disk->ops[which], &disk->ops[which + 1],
            (disk->op_count - which) * sizeof disk->ops[0]);
    if (done.op.kind == OCTO_DISK_WRITE)
        node_disk_rule(octo_hash(done.op.data, done.op.length, 0) == done.data_hash,
                       "data changed under a write");
    octo_simdisk_complete(disk->disk, done.slot, &host, disk->scratch, NODE_DISK_SCRATCH, event);
}

/* The process dies; the page cache survives. */
static inline void node_disk_kill(struct node_disk *disk)
{
    octo_simdisk_kill(disk->disk);
    disk->op_count = 0;
}

static inline void node_disk_power_loss(struct node_disk *disk, enum node_disk_loss loss)
{
    const struct octo_disk_host host = node_disk_host(disk);

    disk->loss = loss;
    octo_simdisk_power_loss(disk->disk, &host);
    disk->op_count = 0;
}

#endif
