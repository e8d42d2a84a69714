/* Images of one node, n2, made by hand, and the oracles' reader of them. Test code. */
#ifndef OCTO_TESTS_IMAGE_SCRIPT_H
#define OCTO_TESTS_IMAGE_SCRIPT_H

#include "oracle/oracle_state.h"

#include "image_rig.h"

#include <criterion/criterion.h>

static struct octo_oracles *oracles;
static struct oracle_node *node;
static struct rig_disks *disks;
static struct octo_images images;
static struct octo_arena arena;
static uint32_t segment; /* that is written */

static inline void open_image(void)
{
    static const struct octo_oracles_config config = {
        .cluster_id = RIG_CLUSTER,
        .node_count = 3,
        .sector_bytes = RIG_SECTOR,
        .log_entries_max = 1000,
        .operations_max = 1000,
        .machine = &octo_machine_kv,
        .machine_memory_bytes = 65536,
        .sessions_max = 16,
        .result_bytes_max = 128,
    };
    octo_arena_init(&arena, aligned_alloc(64, 4 << 20), 4 << 20);
    memset(arena.base, 0xa5, arena.size);
    oracles = octo_oracles_create(&arena, &config);
    cr_assert_not_null(oracles);
    node = &oracles->nodes[2];
    disks = calloc(1, sizeof *disks);
    images = rig_images(disks);
    segment = OCTO_SEGMENT_FIRST;
}

static inline void close_image(void)
{
    free(arena.base);
    free(disks);
}

static inline void file_durable(uint8_t kind, uint32_t number, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        rig_file_at(disks, 2, kind, number)->durable[i] = true;
    octo_oracles_durable(oracles, 2, (struct octo_file){kind, number}, first * RIG_SECTOR,
                         count * RIG_SECTOR, &images);
}

/* Of the segment that is written. */
static inline void now_durable(uint8_t kind, uint64_t first, uint64_t count)
{
    file_durable(kind, segment, first, count);
}

/* A file goes away; with `to` it is renamed, and whatever stands in it stays. */
static inline void file_gone(uint8_t kind, uint32_t number, uint32_t to)
{
    struct rig_file *file = rig_file_at(disks, 2, kind, number);

    if (to != 0) {
        *rig_file_at(disks, 2, kind, to) = *file;
        rig_file_at(disks, 2, kind, to)->end = 0;
    }
    memset(file, 0, sizeof *file);
    octo_oracles_durable(oracles, 2, (struct octo_file){kind, number}, 0,
                         RIG_FILE_SECTORS * RIG_SECTOR, &images);
    if (to != 0)
        octo_oracles_durable(oracles, 2, (struct octo_file){kind, to}, 0,
                             RIG_FILE_SECTORS * RIG_SECTOR, &images);
}

static inline void segment_gone(uint32_t number, uint32_t to)
{
    file_gone(OCTO_FILE_MAIN, number, to);
    file_gone(OCTO_FILE_RECOVERY, number, to);
}

static inline void refresh(void)
{
    oracle_image_refresh(oracles, node, &images);
    cr_assert_not(oracles->stopped, "%s", oracles->verdict.why);
}

static inline void compare(void)
{
    oracle_image_compare(oracles, node, &images);
    cr_assert_not(oracles->stopped, "%s", oracles->verdict.why);
}

/* Makes the oracles believe that this much of a log is committed. */
static inline void committed(octo_index index, octo_term term, uint64_t chain)
{
    cr_assert(oracle_table_reserve(oracles, &oracles->committed, index));
    oracles->committed_count = octo_max_u64(oracles->committed_count, index);
    *oracle_committed_at(oracles, index) = (struct oracle_committed){.term = term, .chain = chain};
}

/* ---- Logs made by hand ----------------------------------------------------------------------- */

/* A log as it grows, and the records that say so. */
struct script {
    octo_term terms[64]; /* by index */
    uint64_t chains[64];
    octo_index last;
    octo_sequence sequence;
    uint8_t commands[2048];
};

static inline struct rig_record script_entry(struct script *script, octo_index index,
                                             octo_term term, uint32_t size)
{
    struct rig_record record = {
        .type = 1,
        .sequence = ++script->sequence,
        .chain = script->chains[index - 1],
        .entry = {.index = index,
                  .term = term,
                  .kind = size == 0 ? OCTO_ENTRY_NOOP : OCTO_ENTRY_COMMAND,
                  .client = size == 0 ? 0 : 9,
                  .sequence = size == 0 ? 0 : script->sequence,
                  .command = script->commands,
                  .size = size},
    };
    cr_assert_leq(index, script->last + 1);
    script->last = index;
    script->terms[index] = term;
    script->chains[index] = octo_entry_chain(script->chains[index - 1], &record.entry);
    return record;
}

static inline struct rig_record script_marker(const struct script *script)
{
    return (struct rig_record){
        .type = 2,
        .sequence = script->sequence,
        .chain = script->chains[script->last],
        .entry = {.index = script->last, .term = script->terms[script->last]},
    };
}

/* Writes records as one batch at the end of both topics; returns its first sector. */
static inline uint64_t write_batch(const struct rig_record *records, uint32_t count,
                                   uint64_t *sectors)
{
    uint64_t first = 0;

    for (uint32_t topic = 0; topic < 2; topic++) {
        struct rig_file *file =
            rig_file_at(disks, 2, topic == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY, segment);
        uint64_t at = file->end;
        for (uint32_t i = 0; i < count; i++)
            at += rig_record_put(file->bytes, 2, segment, at, &records[i]);
        first = file->end / RIG_SECTOR;
        *sectors = (at - file->end + RIG_SECTOR - 1) / RIG_SECTOR;
        file->end = octo_align_up(at, RIG_SECTOR);
        cr_assert_lt(file->end, sizeof file->bytes);
    }
    return first;
}

static inline struct rig_record script_cut(const struct script *script)
{
    struct rig_record record = script_marker(script);

    record.type = 4;
    return record;
}

static inline void batch_durable(const struct rig_record *records, uint32_t count)
{
    uint64_t sectors;
    const uint64_t first = write_batch(records, count, &sectors);
    now_durable(OCTO_FILE_MAIN, first, sectors);
    now_durable(OCTO_FILE_RECOVERY, first, sectors);
}

/* A snapshot of the script's log up to index, durable as number. */
static inline void snapshot_durable(const struct script *script, octo_index index, uint32_t number)
{
    static const uint8_t machine[] = "a machine, a machine, a machine, a machine";
    const struct rig_snapshot snapshot = {
        .index = index,
        .term = script->terms[index],
        .chain = script->chains[index],
        .version = octo_machine_kv.version,
        .sessions = machine,
        .sessions_bytes = 9,
        .machine = machine,
        .machine_bytes = sizeof machine,
        .packed = true,
    };
    memset(rig_file_at(disks, 2, OCTO_FILE_SNAPSHOT, number), 0, sizeof(struct rig_file));
    const uint64_t size =
        rig_snapshot_put(rig_file_at(disks, 2, OCTO_FILE_SNAPSHOT, number)->bytes, &snapshot);

    file_durable(OCTO_FILE_SNAPSHOT, number, 0, (size + RIG_SECTOR - 1) / RIG_SECTOR);
}

#endif
