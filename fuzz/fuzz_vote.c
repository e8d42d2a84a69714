/* Identity and vote as a boot finds them.
 *
 * An input is a byte that says what is made right, one that says more, the identity file and the
 * vote file, cut at a place that the third byte names. Bits of the first: 1 the identity's checksum
 * is made right; 2 the slots'; 4 the identity is this node's own; 8 magic, version and copy of the
 * slots are right too; 16 the host asks for a formatting.
 *
 * The log must come up or refuse. What it says of term and vote is in some valid slot, and is the
 * newest there is; a second start says the same, and a vote that was saved before it is still
 * there.
 */
#include "fuzz/replay.h"
#include "fuzz/wal_host.h"

#include <stdlib.h>

#define SECTOR     512u
#define INPUT_MAX  8192u
#define HEAD_BYTES 3u
#define OPERATIONS 20000u
#define CLUSTER    7u
#define NODE       2u

enum { SEAL_IDENTITY = 1, SEAL_VOTE = 2, OWN_IDENTITY = 4, SLOTS_OK = 8, FORMATS = 16 };

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
    return config;
}

static void identity_make(uint8_t *at, uint32_t flags)
{
    if ((flags & OWN_IDENTITY) != 0) {
        memset(at, 0, OCTO_IDENTITY_BYTES);
        octo_put_u32(at, OCTO_IDENTITY_MAGIC);
        at[4] = OCTO_IDENTITY_VERSION;
        octo_put_u64(at + 16, CLUSTER);
        octo_put_u32(at + 24, NODE);
        octo_put_u32(at + 28, 3);
        octo_put_u32(at + 32, SECTOR);
    }
    if ((flags & (OWN_IDENTITY | SEAL_IDENTITY)) != 0) {
        const uint64_t seed =
            octo_format_seed(octo_get_u64(at + 16), octo_get_u32(at + 24), OCTO_FILE_IDENTITY, 0);
        octo_put_u64(at + 8, octo_hash(at + 16, 32, seed));
    }
}

static void slots_make(struct host_file *file, uint32_t flags)
{
    for (uint32_t slot = 0; slot < OCTO_VOTE_SLOTS; slot++) {
        const uint64_t offset = (uint64_t)slot * SECTOR;
        if (offset + OCTO_VOTE_BYTES > file->size)
            return;
        uint8_t *at = file->bytes + offset;
        if ((flags & SLOTS_OK) != 0) {
            octo_put_u32(at, OCTO_VOTE_MAGIC);
            at[4] = OCTO_VOTE_VERSION;
            at[5] = slot % 2;
            memset(at + 6, 0, 2);
            memset(at + 36, 0, 12);
        }
        at[23] = at[31] = 0; /* generation and term: no node comes near the end of their range */
        if ((flags & SEAL_VOTE) != 0)
            octo_put_u64(
                at + 8,
                octo_hash(at + 16, 32, octo_format_seed(CLUSTER, NODE, OCTO_FILE_VOTE, offset)));
    }
}

/* Term and vote of the newest valid slot, read as docs/formats.md says; false if there is none. */
static bool newest(const struct wal_host *host, octo_term *term, octo_node_id *vote)
{
    const struct host_file *file = host_file((struct wal_host *)(uintptr_t)host, OCTO_FILE_VOTE, 0);
    uint64_t best = 0;
    bool found = false;

    for (uint32_t slot = 0; file != NULL && slot < OCTO_VOTE_SLOTS; slot++) {
        const uint64_t offset = (uint64_t)slot * SECTOR;
        const uint8_t *at = file->bytes + offset;
        if (offset + OCTO_VOTE_BYTES > file->size || octo_get_u32(at) != OCTO_VOTE_MAGIC)
            continue;
        const uint64_t seed = octo_format_seed(CLUSTER, NODE, OCTO_FILE_VOTE, offset);
        const uint64_t generation = octo_get_u64(at + 16);
        if (at[4] != OCTO_VOTE_VERSION || at[5] != slot % 2 || generation % 2 != slot / 2 ||
            octo_get_u64(at + 8) != octo_hash(at + 16, 32, seed) || (found && generation <= best))
            continue;
        if (octo_get_u32(at + 36) != 0 || octo_get_u64(at + 40) != 0 || at[6] != 0 || at[7] != 0)
            continue;
        found = true;
        best = generation;
        *term = octo_get_u64(at + 24);
        *vote = octo_get_u32(at + 32);
    }
    return found;
}

static bool boots(struct wal_host *host, bool format)
{
    const struct octo_position none = {0};

    host_boot(host, format);
    octo_assert(host_run(host, OPERATIONS, true));
    if (octo_wal_stage(host->wal) == OCTO_WAL_WAITING)
        host_found(host, &none);
    octo_assert(host_run(host, OPERATIONS, true));
    octo_assert(octo_wal_stage(host->wal) == OCTO_WAL_READY ||
                octo_wal_stage(host->wal) == OCTO_WAL_FAILED);
    return octo_wal_stage(host->wal) == OCTO_WAL_READY;
}

static void go_on(struct wal_host *host)
{
    const octo_term term = octo_wal_term(host->wal);
    const octo_node_id vote = octo_wal_vote(host->wal);

    octo_assert(octo_wal_vote_saved(host->wal));
    octo_assert(boots(host, false));
    octo_assert(octo_wal_term(host->wal) == term);
    octo_assert(octo_wal_vote(host->wal) == vote);
    if (term == UINT64_MAX)
        return;
    struct octo_step step = host_begin(host);
    octo_wal_set_vote(host->wal, term + 1, 3);
    host_end(host, &step);
    (void)host_run(host, 400, false);
    octo_assert(octo_wal_vote_saved(host->wal));
    octo_assert(boots(host, true));
    octo_assert(octo_wal_term(host->wal) == term + 1);
    octo_assert(octo_wal_vote(host->wal) == 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wal_host host;
    const struct octo_config config = small();
    octo_term term = 0;
    octo_node_id vote = 0;

    if (size < HEAD_BYTES || size > INPUT_MAX)
        return 0;
    const size_t rest = size - HEAD_BYTES;
    const size_t cut = octo_min_u64(rest, data[2] == 0 ? OCTO_IDENTITY_BYTES : 4u * data[2]);
    host_make(&host, &config, 1u << 20);
    host_put(&host, OCTO_FILE_IDENTITY, 0, data + HEAD_BYTES, cut);
    host_put(&host, OCTO_FILE_VOTE, 0, data + HEAD_BYTES + cut, rest - cut);
    if (cut >= OCTO_IDENTITY_BYTES)
        identity_make(host_file(&host, OCTO_FILE_IDENTITY, 0)->bytes, data[0]);
    slots_make(host_file(&host, OCTO_FILE_VOTE, 0), data[0]);
    const bool found = newest(&host, &term, &vote);
    if (boots(&host, (data[0] & FORMATS) != 0)) {
        const bool kept = octo_wal_term(host.wal) == term && octo_wal_vote(host.wal) == vote;
        /* A formatting that was asked for forgets votes of generation 0 and 1. */
        octo_assert(kept || (data[0] & FORMATS) != 0);
        octo_assert(found || (data[0] & FORMATS) != 0);
        go_on(&host);
    }
    host_free(&host);
    return 0;
}

/* ---- Seeds ----------------------------------------------------------------------------------- */

void fuzz_seeds(const char *directory)
{
    uint8_t input[HEAD_BYTES + OCTO_IDENTITY_BYTES + 4 * SECTOR] = {0};
    uint8_t *slots = input + HEAD_BYTES + OCTO_IDENTITY_BYTES;

    for (uint32_t slot = 0; slot < OCTO_VOTE_SLOTS; slot++) {
        octo_put_u64(slots + slot * SECTOR + 16, 8 + slot / 2);
        octo_put_u64(slots + slot * SECTOR + 24, 5 + slot / 2);
        octo_put_u32(slots + slot * SECTOR + 32, 1 + slot / 2);
    }
    input[0] = OWN_IDENTITY | SLOTS_OK | SEAL_VOTE;
    seed_put(directory, "whole", input, sizeof input);
    octo_put_u64(slots + 16, 12);
    seed_put(directory, "newer", input, sizeof input);
    seed_put(directory, "cut", input, sizeof input - SECTOR);
    input[0] = FORMATS;
    seed_put(directory, "format", input, HEAD_BYTES);
    input[0] = OWN_IDENTITY | FORMATS | SEAL_VOTE;
    seed_put(directory, "half", input, sizeof input);
}
