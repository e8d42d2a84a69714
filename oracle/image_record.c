/* One record of the durable image, read as docs/formats.md says. Shares no code with the kernel. */
#include "oracle/oracle_state.h"

#define SECTOR_BYTES     512u /* of octo_images */
#define WINDOW_BYTES_MIN 8192u

/* Far beyond any command of a simulation: keeps a damaged size from being believed. */
#define COMMAND_BYTES_MAX (1u << 20)

static const uint8_t zeros[SECTOR_BYTES];

void oracle_reader_open(struct oracle_reader *reader, struct octo_oracles *oracles,
                        octo_node_id node, struct octo_file file, const struct octo_images *images)
{
    *reader =
        (struct oracle_reader){.oracles = oracles, .images = images, .node = node, .file = file};
    if (!images->size(images->context, node, file, &reader->size))
        reader->size = 0;
}

/* Where the bytes of a sector stand; beyond the end and in a hole the file counts as zeros. */
static const uint8_t *sector_at(struct oracle_reader *reader, uint64_t sector)
{
    if (reader->bytes == NULL || reader->sector != sector) {
        const uint8_t *bytes =
            reader->images->sector(reader->images->context, reader->node, reader->file, sector);
        reader->sector = sector;
        reader->bytes = bytes == NULL ? zeros : bytes;
    }
    return reader->bytes;
}

/* Makes the window at least `want` bytes long. */
static bool window_room(struct octo_oracles *oracles, uint64_t want)
{
    struct oracle_scratch *scratch = &oracles->scratch;

    if (want <= scratch->window_bytes)
        return true;
    return oracle_room(oracles, &scratch->window, &scratch->window_bytes,
                       octo_max_u64(want, WINDOW_BYTES_MIN), 1);
}

const uint8_t *oracle_reader_bytes(struct oracle_reader *reader, uint64_t at, uint64_t length)
{
    const uint64_t in = at % SECTOR_BYTES;

    if (in + length <= SECTOR_BYTES)
        return sector_at(reader, at / SECTOR_BYTES) + in;
    if (!window_room(reader->oracles, length))
        return NULL;
    uint8_t *to = reader->oracles->scratch.window;
    for (uint64_t done = 0; done < length;) {
        const uint64_t from = (at + done) % SECTOR_BYTES;
        const uint64_t run = octo_min_u64(SECTOR_BYTES - from, length - done);
        memcpy(to + done, sector_at(reader, (at + done) / SECTOR_BYTES) + from, run);
        done += run;
    }
    return to;
}

/* Everything in the header but magic and checksum. */
static bool header_valid(const uint8_t *at)
{
    if (at[4] != OCTO_RECORD_VERSION)
        return false;
    const uint8_t type = at[5];
    const uint8_t kind = at[6];
    const uint32_t size = octo_get_u32(at + 64);
    if (at[7] != 0 || octo_get_u32(at + 68) != 0)
        return false;
    for (uint32_t number = 16; number <= 32; number += 8) { /* sequence, index, term */
        if (octo_get_u64(at + number) > OCTO_FORMAT_NUMBER_MAX)
            return false;
    }
    if (type == OCTO_RECORD_MARKER)
        return kind == 0 && size == 0;
    if (type == OCTO_RECORD_BASE || type == OCTO_RECORD_CUT)
        return kind == 0 && size == 0 && octo_get_u64(at + 48) == 0 && octo_get_u64(at + 56) == 0;
    if (type != OCTO_RECORD_ENTRY)
        return false;
    return kind == OCTO_ENTRY_COMMAND || (kind == OCTO_ENTRY_NOOP && size == 0);
}

static void record_fill(struct oracle_record *record, const uint8_t *at, uint32_t size)
{
    *record = (struct oracle_record){
        .type = at[5],
        .sequence = octo_get_u64(at + 16),
        .index = octo_get_u64(at + 24),
        .term = octo_get_u64(at + 32),
        .chain = octo_get_u64(at + 40),
        .floor_term = octo_get_u64(at + 48),
        .floor_index = octo_get_u64(at + 56),
        .bytes = octo_align_up(OCTO_RECORD_HEADER_BYTES + (uint64_t)size, 8),
    };
    record->entry = (struct octo_entry){
        .index = record->index,
        .term = record->term,
        .kind = (enum octo_entry_kind)at[6],
        .client = octo_get_u64(at + 48),
        .sequence = octo_get_u64(at + 56),
        .command = at + OCTO_RECORD_HEADER_BYTES,
        .size = size,
    };
}

/* Whether the checksum of the record at offset `at`, whose bytes these are, matches. Both topics
 * hold the same bytes at the same offsets: both use the kind of the main one. */
static bool checksum_valid(const struct oracle_reader *reader, uint64_t at, const uint8_t *bytes,
                           uint32_t size)
{
    const uint64_t place = octo_segment_place(reader->file.number, at);
    const uint64_t seed =
        octo_format_seed(reader->oracles->config.cluster_id, reader->node, OCTO_FILE_MAIN, place) ^
        octo_get_u64(bytes);
    const size_t covered = OCTO_RECORD_HEADER_BYTES - 16 + (size_t)size;

    return octo_get_u64(bytes + 8) == oracle_hash(bytes + 16, covered, seed);
}

bool oracle_record_read(struct oracle_reader *reader, uint64_t at, struct oracle_record *record)
{
    if (at >= reader->size)
        return false;
    /* Many calls look at padding. Records are aligned to 8: the magic lies in one sector. */
    const uint64_t in = at % SECTOR_BYTES;
    const uint8_t *bytes = sector_at(reader, at / SECTOR_BYTES) + in;
    if (octo_get_u32(bytes) != OCTO_RECORD_MAGIC)
        return false;
    if (in + OCTO_RECORD_HEADER_BYTES > SECTOR_BYTES)
        bytes = oracle_reader_bytes(reader, at, OCTO_RECORD_HEADER_BYTES);
    if (bytes == NULL || !header_valid(bytes))
        return false;
    const uint32_t size = octo_get_u32(bytes + 64);
    if (size > COMMAND_BYTES_MAX)
        return false;
    if (in + OCTO_RECORD_HEADER_BYTES + size > SECTOR_BYTES)
        bytes = oracle_reader_bytes(reader, at, OCTO_RECORD_HEADER_BYTES + (uint64_t)size);
    if (bytes == NULL || !checksum_valid(reader, at, bytes, size))
        return false;
    record_fill(record, bytes, size);
    return true;
}
