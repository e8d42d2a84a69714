/* The log's topics as recovery finds them: bytes from a disk that may hold anything.
 *
 * An input is a head of four bytes and what it says:
 *
 *     0  mode: 0 bytes as they are; 1 every record's checksum is made right first, as a fuzzer
 *        cannot; 2 a program that makes records
 *     1  flags: 1 the log goes on from a snapshot; 2 the second topic is the first one, damaged;
 *        4 two segments; 8 the second topic's files are not there
 *     2  where one file ends and the next begins, in parts of 256
 *     3  damages the copy with flag 2
 *
 * A program is a row of instructions of eight bytes, see `instruct`: entries, markers, bases and
 * cuts with right checksums in any order and place, in one topic or both, with sequences such as a
 * node gives.
 *
 * Whatever it is, the log must come up or refuse in so many operations, keep its invariants, and be
 * the same when it is started again: what the first start made durable is what it said. Then it
 * must take an entry and keep it.
 */
#include "fuzz/replay.h"
#include "fuzz/wal_host.h"
#include "kernel/wal/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SECTOR      512u
#define INPUT_MAX   (1u << 15)
#define HEAD_BYTES  4u
#define OPERATIONS  20000u
#define SEGMENTS    2u
#define BUILT_BYTES 8192u
#define CHAINS      64u
#define INSTRUCTION 8u
#define SNAPSHOT_AT 5u
#define SEQUENCE    1000u /* programs begin there, so that they may go below */
#define CLUSTER     7u
#define NODE        2u

enum mode { MODE_RAW = 0, MODE_SEALED = 1, MODE_PROGRAM = 2, MODES = 3 };
enum { FLAG_SNAPSHOT = 1, FLAG_COPY = 2, FLAG_TWO = 4, FLAG_ALONE = 8 };

static const uint8_t kinds[2] = {OCTO_FILE_MAIN, OCTO_FILE_RECOVERY};

static uint64_t seed_at(uint32_t segment, uint64_t offset)
{
    return octo_format_seed(CLUSTER, NODE, OCTO_FILE_MAIN, octo_segment_place(segment, offset));
}

static struct octo_config small(void)
{
    struct octo_config config;

    octo_config_small(&config, CLUSTER, NODE, 3, 16);
    config.command_bytes_max = 900;
    config.log_entries_max = 96;
    config.log_keep_entries = 8;
    config.log_bytes_max = 8192;
    config.flush_bytes_max = 4 * SECTOR;
    config.read_bytes = 4 * SECTOR;
    config.segment_bytes = 4 * SECTOR;
    config.segments_max = 16;
    config.batches_max = 2;
    return config;
}

/* ---- Bytes, as they are or sealed ------------------------------------------------------------ */

/* Whatever begins like a record gets the checksum of one, as far as it is there. Its numbers are
 * kept from the end of their range: no node gets there, and none could go on from there. */
static void seal(uint8_t *bytes, uint64_t size, uint32_t segment)
{
    for (uint64_t at = 0; at + OCTO_RECORD_HEADER_BYTES <= size;) {
        const uint32_t length = octo_get_u32(bytes + at + 64);
        if (octo_get_u32(bytes + at) != OCTO_RECORD_MAGIC ||
            length > size - at - OCTO_RECORD_HEADER_BYTES) {
            at = octo_align_up(at + 1, SECTOR);
            continue;
        }
        for (uint32_t field = 16; field <= 32; field += 8) /* sequence, index, term */
            bytes[at + field + 7] = 0;
        octo_record_stamp(bytes + at, seed_at(segment, at));
        at += octo_record_bytes(length);
    }
}

static void file_make(struct wal_host *host, const uint8_t *bytes, uint64_t size, uint32_t topic,
                      uint32_t segment, bool sealed)
{
    host_put(host, kinds[topic], segment, bytes, size);
    if (sealed)
        seal(host_file(host, kinds[topic], segment)->bytes, size, segment);
}

static void files_cut(struct wal_host *host, const uint8_t *head, const uint8_t *bytes,
                      uint64_t size)
{
    const bool sealed = head[0] % MODES == MODE_SEALED;
    const uint32_t segments = (head[1] & FLAG_TWO) != 0 ? 2 : 1;
    const bool copy = (head[1] & FLAG_COPY) != 0;

    for (uint32_t segment = 1; segment <= segments; segment++) {
        const uint64_t run = segment == segments ? size : size * head[2] / 256;
        const uint64_t main = copy ? run : run * (256u - head[2] / 2u) / 256;
        file_make(host, bytes, main, 0, segment, sealed);
        if ((head[1] & FLAG_ALONE) == 0 && copy) {
            file_make(host, bytes, run, 1, segment, sealed);
            if (run > 0)
                host_file(host, kinds[head[3] % 2], segment)->bytes[head[3] * run / 256] ^= 0x55;
        } else if ((head[1] & FLAG_ALONE) == 0) {
            file_make(host, bytes + main, run - main, 1, segment, sealed);
        }
        bytes += run;
        size -= run;
    }
}

/* ---- Programs -------------------------------------------------------------------------------- */

struct builder {
    uint8_t bytes[2][SEGMENTS][BUILT_BYTES];
    uint32_t used[SEGMENTS];
    uint32_t segment;        /* 0: number 1 */
    uint64_t chains[CHAINS]; /* at each index, of the entry last made there */
    octo_term terms[CHAINS];
    octo_sequence sequence;
    bool torn;  /* the last one */
    bool alone; /* the second topic's files are not there */
};

/* One instruction: what (2 bits), topics (2 bits: both, main, recovery, both and torn), where (2
 * bits: back to back, a new sector, a sector skipped, the next segment), chain wrong (1 bit);
 * sequence from the last one on, signed; index, of 64; term; size of the command; floor; two bytes
 * more of the command. */
/* Entries and bases rise, as a node's do; a marker may cover more than there is to be seen, and a
 * cut may be below what stands before it. */
static octo_sequence sequence_of(const struct builder *builder, const uint8_t *code)
{
    const uint32_t type = code[0] & 3u;
    const uint32_t by = code[1] % 64u;

    if (type == 0 || type == 2)
        return builder->sequence + 1 + by % 8;
    if (type == 1 && code[1] >= 128)
        return builder->sequence + by;
    return builder->sequence - octo_min_u64(builder->sequence, by);
}

static void record_of(const struct builder *builder, const uint8_t *code,
                      struct octo_record *record)
{
    static const uint8_t types[4] = {OCTO_RECORD_ENTRY, OCTO_RECORD_MARKER, OCTO_RECORD_BASE,
                                     OCTO_RECORD_CUT};
    const bool entry = (code[0] & 3u) == 0;
    const uint64_t index = entry ? 1 + code[2] % (CHAINS - 1) : code[2] % CHAINS;

    *record = (struct octo_record){.type = types[code[0] & 3u], .index = index};
    record->sequence = sequence_of(builder, code);
    record->chain = builder->chains[entry ? index - 1 : index];
    record->chain ^= (code[0] & 64u) != 0 && index > 0 ? 1 : 0;
    record->term = entry ? 1 + code[3] % 8u : builder->terms[index];
    if (record->type == OCTO_RECORD_MARKER && code[5] % 16u != 0) {
        record->client = 1 + code[5] / 16u;
        record->client_sequence = code[5] % 16u;
    }
    if (!entry)
        return;
    record->size = code[4] < 128 ? 0 : (code[4] - 128u) * 7u;
    record->kind = record->size == 0 ? OCTO_ENTRY_NOOP : OCTO_ENTRY_COMMAND;
    record->client = record->size == 0 ? 0 : code[5];
}

/* Where the record goes; false if there is no room for it. */
static bool place(struct builder *builder, uint32_t where, uint64_t bytes)
{
    uint32_t at = builder->used[builder->segment];

    if (where == 3 && builder->segment + 1 < SEGMENTS) {
        builder->segment++;
        at = 0;
    } else if (where != 0) {
        at = (uint32_t)octo_align_up(at, SECTOR) + (where >= 2 ? SECTOR : 0);
    }
    if (at + bytes > BUILT_BYTES)
        return false;
    builder->used[builder->segment] = at;
    return true;
}

static void instruct(struct builder *builder, const uint8_t *code)
{
    const uint8_t command[900] = {code[6], code[7]};
    const bool torn = (code[0] >> 2 & 3u) == 3 && (code[0] & 3u) != 3; /* no cut is */
    const bool nowhere = builder->alone && (code[0] >> 2 & 3u) == 2;
    /* Sequences fall after a cut, so that is never lost. */
    const uint32_t topics = nowhere && (code[0] & 3u) == 3 ? 0 : (code[0] >> 2 & 3u) % 3;
    const uint32_t where = code[0] >> 4 & 3u;
    struct octo_record record;

    record_of(builder, code, &record);
    record.command = command;
    /* What stands in the same sector after a torn record, or a missing one, is not seen. */
    if (!place(builder, builder->torn && where == 0 ? 1 : where, octo_record_bytes(record.size)))
        return;
    builder->torn = torn || (nowhere && topics != 0);
    uint32_t *used = &builder->used[builder->segment];
    for (uint32_t topic = 0; topic < 2; topic++) {
        uint8_t *at = builder->bytes[topic][builder->segment] + *used;
        if (topics == 1u << (topic ^ 1u)) /* the other one only */
            continue;
        (void)octo_record_encode(at, &record, seed_at(builder->segment + 1, *used));
        if (torn) /* what it was cannot be read */
            at[8]++;
    }
    *used += (uint32_t)octo_record_bytes(record.size);
    /* What is written after a cut goes on from there. */
    if (record.type == OCTO_RECORD_CUT || record.sequence > builder->sequence)
        builder->sequence = record.sequence;
    if (record.type == OCTO_RECORD_ENTRY) {
        builder->chains[record.index] = octo_record_entry(&record).chain;
        builder->terms[record.index] = record.term;
    } else if (record.type == OCTO_RECORD_BASE) {
        builder->chains[record.index] = record.chain;
    }
}

static void files_build(struct wal_host *host, const uint8_t *head, const uint8_t *bytes,
                        uint64_t size)
{
    struct builder *builder = calloc(1, sizeof *builder);

    if (builder == NULL)
        abort();
    builder->sequence = SEQUENCE;
    builder->alone = (head[1] & FLAG_ALONE) != 0;
    for (uint32_t i = 1; i < CHAINS; i++)
        builder->terms[i] = 1;
    if ((head[1] & FLAG_SNAPSHOT) != 0) {
        builder->chains[SNAPSHOT_AT] = octo_mix(SNAPSHOT_AT);
        builder->terms[SNAPSHOT_AT] = 1;
    }
    for (uint64_t at = 0; at + INSTRUCTION <= size; at += INSTRUCTION)
        instruct(builder, bytes + at);
    for (uint32_t segment = 0; segment <= builder->segment; segment++) {
        for (uint32_t topic = 0; topic < 2; topic++) {
            if (topic == 1 && builder->alone)
                continue;
            host_put(host, kinds[topic], segment + 1, builder->bytes[topic][segment],
                     octo_align_up(builder->used[segment], SECTOR));
        }
    }
    free(builder);
}

/* ---- The log --------------------------------------------------------------------------------- */

struct state {
    enum octo_wal_stage stage;
    struct octo_position base, end, floor;
    bool recovering;
};

static void state_look(const struct wal_host *host, struct state *state)
{
    const struct octo_log *log = octo_wal_log(host->wal);

    memset(state, 0, sizeof *state);
    state->stage = octo_wal_stage(host->wal);
    octo_assert(state->stage == OCTO_WAL_READY || state->stage == OCTO_WAL_FAILED);
    if (state->stage == OCTO_WAL_FAILED)
        return;
    state->base = log->base;
    state->end = octo_log_position(log, log->last);
    state->recovering = octo_wal_floor(host->wal, &state->floor);
    octo_assert(octo_wal_durable(host->wal) == log->last);
    for (octo_index i = log->base.index + 1; i <= log->last; i++) {
        struct octo_entry entry;
        octo_assert(octo_log_entry(log, i, &entry));
        octo_assert(octo_entry_chain(octo_log_chain(log, i - 1), &entry) == entry.chain);
    }
}

static void boot(struct wal_host *host, const struct octo_position *snapshot, struct state *state)
{
    host_boot(host, false);
    octo_assert(host_run(host, OPERATIONS, true));
    octo_assert(octo_wal_stage(host->wal) == OCTO_WAL_WAITING);
    host_found(host, snapshot);
    octo_assert(host_run(host, OPERATIONS, true));
    state_look(host, state);
}

/* Of a directory that a node was ready with: identity and a vote of generation 2. */
static void begin(struct wal_host *host)
{
    static uint8_t identity[SECTOR], vote[OCTO_VOTE_SLOTS * SECTOR];
    const struct octo_config config = small();

    if (octo_get_u32(identity) == 0) {
        const struct octo_position none = {0};
        host_make(host, &config, 1u << 20);
        host_boot(host, true);
        octo_assert(host_run(host, OPERATIONS, true));
        host_found(host, &none);
        octo_assert(host_run(host, OPERATIONS, true));
        octo_assert(octo_wal_stage(host->wal) == OCTO_WAL_READY);
        memcpy(identity, host_file(host, OCTO_FILE_IDENTITY, 0)->bytes, sizeof identity);
        memcpy(vote, host_file(host, OCTO_FILE_VOTE, 0)->bytes, sizeof vote);
        host_free(host);
    }
    host_make(host, &config, 1u << 20);
    host_put(host, OCTO_FILE_IDENTITY, 0, identity, sizeof identity);
    host_put(host, OCTO_FILE_VOTE, 0, vote, sizeof vote);
}

static void state_equal(const struct state *first, const struct state *second)
{
    octo_assert(second->stage == OCTO_WAL_READY);
    octo_assert(second->base.index == first->base.index);
    octo_assert(second->base.chain == first->base.chain);
    octo_assert(second->end.index == first->end.index);
    octo_assert(second->end.chain == first->end.chain);
    octo_assert(second->recovering == first->recovering);
    octo_assert(!second->recovering || second->floor.index == first->floor.index);
    octo_assert(!second->recovering || second->floor.term == first->floor.term);
}

/* The same again, and one entry more. */
static void go_on(struct wal_host *host, const struct octo_position *snapshot,
                  const struct state *first, bool ours)
{
    struct state second, third;

    boot(host, snapshot, &second);
    if (ours)
        state_equal(first, &second);
    if (second.stage != OCTO_WAL_READY)
        return;
    const struct octo_entry entry = {
        .index = second.end.index + 1, .term = second.end.term + 1, .kind = OCTO_ENTRY_NOOP};
    struct octo_step step = host_begin(host);
    const bool taken = octo_wal_append(host->wal, &entry) == OCTO_ERR_OK;
    host_end(host, &step);
    (void)host_run(host, 400, false);
    octo_wal_check(host->wal);
    const bool kept = taken && octo_wal_durable(host->wal) == entry.index;
    host_kill(host);
    boot(host, snapshot, &third);
    if (!kept || !ours)
        return;
    octo_assert(third.stage == OCTO_WAL_READY);
    octo_assert(third.end.index == entry.index);
    octo_assert(third.end.term == entry.term);
}

static void save(struct wal_host *host, const struct octo_position *snapshot)
{
    static const char *const names[] = {"", "identity", "vote", "main", "recovery", "snapshot"};
    char path[512];

    mkdir(fuzz_directory, 0777);
    for (uint32_t i = 0; i < HOST_FILES; i++) {
        const struct host_file *file = &host->files[i];
        if (file->name.kind == 0)
            continue;
        snprintf(path, sizeof path, file->name.kind > OCTO_FILE_VOTE ? "%s-%010u" : "%s",
                 names[file->name.kind], file->name.number);
        seed_put(fuzz_directory, path, file->bytes, file->size);
    }
    printf("%llu %llu %016llx\n", (unsigned long long)snapshot->index,
           (unsigned long long)snapshot->term, (unsigned long long)snapshot->chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wal_host host;
    struct octo_position snapshot = {0};
    struct state state;

    if (size < HEAD_BYTES || size > INPUT_MAX)
        return 0;
    begin(&host);
    if ((data[1] & FLAG_SNAPSHOT) != 0)
        snapshot = (struct octo_position){SNAPSHOT_AT, 1, octo_mix(SNAPSHOT_AT)};
    if (data[0] % MODES == MODE_PROGRAM)
        files_build(&host, data, data + HEAD_BYTES, size - HEAD_BYTES);
    else
        files_cut(&host, data, data + HEAD_BYTES, size - HEAD_BYTES);
    if (fuzz_directory != NULL) {
        save(&host, &snapshot);
    } else {
        boot(&host, &snapshot, &state);
        if (state.stage == OCTO_WAL_READY)
            go_on(&host, &snapshot, &state, data[0] % MODES == MODE_PROGRAM);
    }
    host_free(&host);
    return 0;
}

/* ---- Seeds ----------------------------------------------------------------------------------- */

static const uint8_t life[] = {
    /* cut, marker of sequence 0, then entries 1 to 4, a marker, another entry 3, a marker */
    0x13, 0, 0, 0, 0,   0, 0, 0, 0x01, 0xff, 0, 0, 0, 0, 0, 0, 0x10, 0, 1, 1, 0,   0, 0, 0,
    0x00, 1, 2, 1, 160, 9, 1, 0, 0x10, 1,    3, 1, 0, 0, 0, 0, 0x10, 1, 4, 1, 200, 3, 2, 2,
    0x11, 0, 4, 0, 0,   0, 0, 0, 0x10, 1,    3, 2, 0, 0, 0, 0, 0x11, 0, 3, 0, 0,   0, 0, 0,
};

void fuzz_seeds(const char *directory)
{
    uint8_t input[HEAD_BYTES + 8 * SECTOR] = {MODE_PROGRAM};
    static const uint8_t flags[] = {0, FLAG_SNAPSHOT, FLAG_ALONE};

    memcpy(input + HEAD_BYTES, life, sizeof life);
    for (uint32_t i = 0; i < sizeof flags; i++) {
        char name[32];
        snprintf(name, sizeof name, "program-%u", i);
        input[1] = flags[i];
        seed_put(directory, name, input, HEAD_BYTES + sizeof life);
    }
    struct wal_host host;
    begin(&host);
    files_build(&host, (const uint8_t[4]){0}, life, sizeof life);
    const struct host_file *main = host_file(&host, OCTO_FILE_MAIN, 1);
    const size_t used = octo_min_u64(main->size, 8 * SECTOR);
    memcpy(input + HEAD_BYTES, main->bytes, used);
    input[1] = FLAG_COPY;
    for (uint8_t mode = MODE_RAW; mode <= MODE_SEALED; mode++) {
        input[0] = mode;
        input[3] = (uint8_t)(100 + mode);
        seed_put(directory, mode == MODE_RAW ? "raw" : "sealed", input, HEAD_BYTES + used);
    }
    host_free(&host);
}
