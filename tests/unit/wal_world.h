/* One durable log on one test disk, and a model of what it must hold: the tests' host.
 *
 * The model knows the content of every sequence number (it changes only while nobody else has seen
 * it), what was acknowledged, and which votes may be read back. The log is judged after every event
 * from its durable bytes, by a reader written from docs/formats.md alone.
 */
#ifndef OCTO_TESTS_WAL_WORLD_H
#define OCTO_TESTS_WAL_WORLD_H

#include "kernel/format.h"
#include "kernel/wal/wal.h"
#include "tests/unit/wal_disk.h"

#define WORLD_RECORDS 4096u
#define WORLD_VOTES   1024u
#define WORLD_EFFECTS 64u

struct world_record {
    octo_index index;
    octo_term term;
    uint64_t previous; /* chain of the logical predecessor */
    uint64_t chain;
    uint64_t content; /* hash of kind, client, client sequence and command */
};

struct world_vote {
    octo_term term;
    octo_node_id vote;
};

struct world {
    struct disk *disk;
    struct octo_config config;
    void *block;
    size_t block_bytes;
    struct octo_wal *wal;
    struct octo_effect items[WORLD_EFFECTS];
    struct octo_effects effects;
    uint32_t marks[OCTO_MARK_COUNT];
    octo_time_ns now;
    octo_time_ns deadline;
    uint64_t random;
    bool was_ready;                             /* ever: what it promised must stay */
    bool checked;                               /* this incarnation's recovered state was */
    struct world_record records[WORLD_RECORDS]; /* [sequence] */
    octo_sequence top;                          /* the last one given out */
    octo_sequence acked;
    octo_term term; /* a leader's, for the next entries */
    uint64_t clients;
    struct world_vote votes[WORLD_VOTES]; /* since, and with, the one last saved */
    uint32_t vote_count;
    uint32_t readies;
    const char *complaint; /* what broke first */
};

static inline bool world_rule(struct world *world, bool holds, const char *rule)
{
    if (!holds && world->complaint == NULL)
        world->complaint = rule;
    if (disk_complaint != NULL && world->complaint == NULL)
        world->complaint = disk_complaint;
    return world->complaint == NULL;
}

/* ---- A reader of its own ------------------------------------------------------------------- */

struct image {
    octo_sequence marker;   /* newest, 0 if none */
    octo_sequence accepted; /* last record that is next */
    octo_index last;
    octo_sequence at_index[WORLD_RECORDS]; /* sequence of the entry at each index */
    bool equal; /* every accepted record is what the model holds under that sequence */
};

static inline uint64_t image_seed(const struct world *world, uint8_t kind, uint64_t offset)
{
    return octo_format_seed(world->config.cluster_id, world->config.node_id, kind, offset);
}

/* The length of the valid record at `at`, 0 if there is none. */
static inline uint64_t image_record(const struct world *world, const uint8_t *file, uint64_t size,
                                    uint64_t at)
{
    if (at + 72 > size || octo_get_u32(file + at) != OCTO_RECORD_MAGIC || file[at + 4] != 1)
        return 0;
    const uint64_t command = octo_get_u32(file + at + 64);
    const bool marker = file[at + 5] == 2 && file[at + 6] == 0 && command == 0;
    if (!marker && (file[at + 5] != 1 || file[at + 6] < 1 || file[at + 6] > 2))
        return 0;
    if (file[at + 7] != 0 || octo_get_u32(file + at + 68) != 0 || command > size - at - 72)
        return 0;
    const uint64_t sum =
        octo_hash(file + at + 16, 56 + command, image_seed(world, 3, at) ^ octo_get_u64(file + at));
    return sum == octo_get_u64(file + at + 8) ? octo_align_up(72 + command, 8) : 0;
}

static inline uint64_t world_content(uint64_t kind, uint64_t client, uint64_t sequence,
                                     const uint8_t *command, uint32_t size)
{
    return octo_hash(command, size, octo_mix(kind ^ octo_mix(client ^ octo_mix(sequence))));
}

static inline void image_entry(const struct world *world, struct image *image, const uint8_t *at)
{
    const octo_sequence sequence = octo_get_u64(at + 16);
    const octo_index index = octo_get_u64(at + 24);
    const uint64_t before =
        image->last == 0 || index < 2 ? 0 : world->records[image->at_index[index - 1]].chain;

    if (sequence != image->accepted + 1 || index == 0 || index > image->last + 1)
        return;
    if (octo_get_u64(at + 40) != before)
        return;
    const struct world_record *record = &world->records[sequence];
    const uint64_t content = world_content(at[6], octo_get_u64(at + 48), octo_get_u64(at + 56),
                                           at + 72, octo_get_u32(at + 64));
    image->equal = image->equal && sequence <= world->top && record->index == index &&
                   record->term == octo_get_u64(at + 32) && record->content == content;
    image->accepted = sequence;
    image->last = index;
    image->at_index[index] = sequence;
}

static inline void image_read(const struct world *world, struct image *image, uint8_t kind)
{
    const struct disk_inode *inode = disk_durable_file(world->disk, kind);
    const uint64_t sector = world->config.sector_bytes;

    image->marker = 0;
    image->accepted = 0;
    image->last = 0;
    image->equal = true;
    if (inode == NULL)
        return;
    for (uint64_t at = 0; at < inode->durable_bytes;) {
        const uint64_t bytes = image_record(world, inode->durable, inode->durable_bytes, at);
        if (bytes == 0) {
            at = octo_align_up(at + 1, sector);
            continue;
        }
        if (inode->durable[at + 5] == OCTO_RECORD_ENTRY)
            image_entry(world, image, inode->durable + at);
        else
            image->marker = octo_max_u64(image->marker, octo_get_u64(inode->durable + at + 16));
        at += bytes;
    }
}

/* Everything acknowledged stands in each topic by itself, under a marker. */
static inline void image_check_topics(struct world *world)
{
    static struct image image;

    for (uint8_t kind = OCTO_FILE_MAIN; kind <= OCTO_FILE_RECOVERY; kind++) {
        image_read(world, &image, kind);
        world_rule(world, image.equal, "a durable record differs from what was appended");
        world_rule(world, image.marker >= world->acked, "acknowledged without a durable marker");
        world_rule(world, image.accepted >= image.marker, "a marker over records not durable");
    }
}

/* Fills *found with the newest durable vote; false if a pair has no valid copy. *both: its two
 * copies are equal. */
static inline bool image_vote(const struct world *world, struct world_vote *found, bool *both)
{
    const struct disk_inode *inode = disk_durable_file(world->disk, OCTO_FILE_VOTE);
    uint64_t newest = 0;
    uint32_t valid[2] = {0, 0};
    uint32_t copies = 0;

    for (uint32_t slot = 0; inode != NULL && slot < 4; slot++) {
        const uint64_t offset = (uint64_t)slot * world->config.sector_bytes;
        const uint8_t *at = inode->durable + offset;
        if (octo_get_u32(at) != OCTO_VOTE_MAGIC || at[5] != slot % 2 ||
            octo_get_u64(at + 8) != octo_hash(at + 16, 32, image_seed(world, 2, offset)))
            continue;
        const uint64_t generation = octo_get_u64(at + 16);
        valid[slot / 2]++;
        copies = generation == newest ? copies + 1 : generation > newest ? 1 : copies;
        if (generation < newest)
            continue;
        newest = generation;
        found->term = octo_get_u64(at + 24);
        found->vote = octo_get_u32(at + 32);
    }
    *both = copies == 2;
    return valid[0] > 0 && valid[1] > 0;
}

/* ---- Judging ------------------------------------------------------------------------------- */

static inline void world_check_entry(struct world *world, octo_index index, octo_sequence sequence)
{
    const struct octo_log *log = octo_wal_log(world->wal);
    const struct world_record *record = &world->records[sequence];
    struct octo_entry entry;

    if (!world_rule(world, octo_log_entry(log, index, &entry), "an entry is missing"))
        return;
    world_rule(world, octo_log_sequence(log, index) == sequence, "an entry's sequence is wrong");
    world_rule(world,
               entry.term == record->term && entry.chain == record->chain &&
                   world_content((uint64_t)entry.kind, entry.client, entry.sequence, entry.command,
                                 entry.size) == record->content,
               "an entry differs from what was appended");
}

/* The log in memory is what records 1 .. last make, one after the other. */
static inline void world_check_log(struct world *world, octo_sequence last)
{
    static octo_sequence at_index[WORLD_RECORDS];
    octo_index end = 0;

    for (octo_sequence sequence = 1; sequence <= last; sequence++) {
        end = world->records[sequence].index;
        at_index[end] = sequence;
    }
    world_rule(world, octo_wal_log(world->wal)->last == end, "the log's length is wrong");
    for (octo_index index = 1; index <= end && world->complaint == NULL; index++)
        world_check_entry(world, index, at_index[index]);
}

static inline void world_check_recovered(struct world *world)
{
    const struct octo_log *log = octo_wal_log(world->wal);
    const octo_sequence last = octo_log_sequence(log, log->last);
    bool known = !world->was_ready && world->vote_count == 0;

    world_rule(world, last >= world->acked, "an acknowledged record was lost");
    if (!world_rule(world, last <= world->top, "a record from nowhere"))
        return;
    world_check_log(world, last);
    world->top = last;
    world_rule(world, octo_wal_durable(world->wal) == log->last, "READY and not durable");
    world_rule(world, octo_wal_vote_saved(world->wal), "READY and the vote not saved");
    for (uint32_t i = 0; i < world->vote_count; i++)
        known = known || (world->votes[i].term == octo_wal_term(world->wal) &&
                          world->votes[i].vote == octo_wal_vote(world->wal));
    world_rule(world, known, "the vote went back, or came from nowhere");
    world->was_ready = true;
    world->readies++;
}

/* What may be promised now, against what is durable. */
static inline void world_check_promises(struct world *world)
{
    const struct octo_log *log = octo_wal_log(world->wal);
    const octo_index durable = octo_wal_durable(world->wal);
    struct world_vote found = {0, 0};
    bool both;

    if (!world_rule(world, durable <= log->last, "durable past the end of the log"))
        return;
    if (octo_log_sequence(log, durable) > world->acked) {
        world->acked = octo_log_sequence(log, durable);
        image_check_topics(world);
    }
    world_rule(world, image_vote(world, &found, &both), "a pair of votes without a valid copy");
    if (!octo_wal_vote_saved(world->wal))
        return;
    world_rule(world,
               both && found.term == octo_wal_term(world->wal) &&
                   found.vote == octo_wal_vote(world->wal),
               "a saved vote is not durable in both copies");
    world->votes[0] = found;
    world->vote_count = 1;
}

/* ---- Steps --------------------------------------------------------------------------------- */

static inline struct octo_step world_step_begin(struct world *world)
{
    world->effects.count = 0;
    world->effects.bytes_used = 0;
    world->effects.deadline = OCTO_NEVER;
    return (struct octo_step){
        .config = &world->config,
        .effects = &world->effects,
        .now = world->now,
        .marks = world->marks,
    };
}

static inline void world_step_end(struct world *world, struct octo_step *step)
{
    octo_wal_flush(world->wal, step);
    octo_wal_check(world->wal);
    world->deadline = world->effects.deadline;
    for (uint32_t i = 0; i < world->effects.count; i++)
        if (world->effects.items[i].kind == OCTO_EFFECT_DISK)
            disk_submit(world->disk, &world->effects.items[i].disk);
    world_rule(world, true, "");
    if (octo_wal_stage(world->wal) != OCTO_WAL_READY)
        return;
    if (!world->checked)
        world_check_recovered(world);
    world->checked = true;
    world_check_promises(world);
}

static inline void world_boot(struct world *world, bool format)
{
    struct octo_arena arena;

    /* A block may hold anything before init. */
    memset(world->block, (int)(octo_mix(world->random++) & 0xff), 4096);
    octo_arena_init(&arena, world->block, world->block_bytes);
    world->wal = octo_wal_init(&world->config, &arena);
    world_rule(world, arena.used == octo_wal_bytes(&world->config), "octo_wal_bytes is wrong");
    world->checked = false;
    struct octo_step step = world_step_begin(world);
    octo_wal_boot(world->wal, &step, format);
    world_step_end(world, &step);
}

static inline void world_complete(struct world *world, uint32_t which)
{
    struct octo_event event = {.now = world->now};
    struct octo_step step = world_step_begin(world);

    disk_complete(world->disk, which, &event);
    octo_wal_completion(world->wal, &step, &event);
    world_step_end(world, &step);
}

static inline void world_timer(struct world *world, octo_time_ns at)
{
    world->now = at;
    struct octo_step step = world_step_begin(world);
    world_step_end(world, &step);
}

/* Appends an entry at index (1 .. last + 1) with a command of `size` bytes, or a no-op if 0. */
static inline enum octo_err world_append(struct world *world, octo_index index, uint32_t size)
{
    static uint8_t command[65536];
    const struct octo_log *log = octo_wal_log(world->wal);
    const uint64_t seed = octo_mix(++world->clients);

    for (uint32_t i = 0; i < size; i++)
        command[i] = (uint8_t)(seed >> (i % 8 * 8));
    const struct octo_entry entry = {
        .index = index,
        .term = world->term,
        .kind = size > 0 ? OCTO_ENTRY_COMMAND : OCTO_ENTRY_NOOP,
        .client = size > 0 ? seed : 0,
        .sequence = size > 0 ? world->clients : 0,
        .command = command,
        .size = size,
    };
    const octo_index last_before = log->last;
    const enum octo_err err = octo_wal_append(world->wal, &entry);
    if (err != OCTO_ERR_OK) {
        world_rule(world, log->last == last_before, "a refused append changed the log");
        return err;
    }
    const octo_sequence sequence = octo_log_sequence(log, log->last);
    if (!world_rule(world, sequence <= world->top + 1 && sequence < WORLD_RECORDS, "sequences gap"))
        return OCTO_ERR_FULL;
    world->top = sequence;
    world->records[sequence] = (struct world_record){
        .index = index,
        .term = entry.term,
        .previous = octo_log_chain(log, index - 1),
        .chain = octo_log_chain(log, index),
        .content = world_content((uint64_t)entry.kind, entry.client, entry.sequence, command, size),
    };
    return OCTO_ERR_OK;
}

static inline void world_set_vote(struct world *world, octo_term term, octo_node_id vote)
{
    if (world->vote_count == WORLD_VOTES)
        return;
    octo_wal_set_vote(world->wal, term, vote);
    world->votes[world->vote_count++] = (struct world_vote){term, vote};
}

/* ---- Making ------------------------------------------------------------------------------- */

static inline struct world *world_make(void)
{
    struct world *world = calloc(1, sizeof *world);

    world->disk = disk_make();
    world->block_bytes = 4u << 20;
    world->block = aligned_alloc(64, world->block_bytes);
    return world;
}

static inline void world_free(struct world *world)
{
    disk_free(world->disk);
    free(world->block);
    free(world);
}

/* A new directory and its node, not booted. Marks go on counting. */
static inline void world_reset(struct world *world, uint64_t seed)
{
    disk_reset(world->disk, octo_mix(seed));
    disk_complaint = NULL;
    octo_config_small(&world->config, 77, 2, 3, 100);
    world->effects = (struct octo_effects){.items = world->items, .capacity = WORLD_EFFECTS};
    world->random = seed;
    world->now = 1000;
    world->deadline = OCTO_NEVER;
    world->was_ready = false;
    world->top = 0;
    world->acked = 0;
    world->term = 1;
    world->clients = 0;
    world->vote_count = 0;
    world->readies = 0;
    world->complaint = NULL;
}

/* Runs without faults until READY, FAILED or `events` are over, completions in order. */
static inline void world_settle(struct world *world, uint32_t events)
{
    while (events-- > 0 && world->complaint == NULL) {
        if (world->disk->op_count > 0)
            world_complete(world, 0);
        else if (world->deadline != OCTO_NEVER)
            world_timer(world, world->deadline);
        else
            return;
    }
    world_rule(world, world->disk->op_count == 0, "does not come to rest");
}

#endif
