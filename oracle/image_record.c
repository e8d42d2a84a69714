/* One record of the durable image, read as docs/formats.md says. Shares no code with the kernel. */
#include "oracle/oracle_state.h"

#define SECTOR_BYTES     512u /* of octo_images */
#define WINDOW_BYTES_MIN 8192u

/* Makes the window hold at least `want` bytes (whole sectors). */
static bool window_room(struct octo_oracles *oracles, uint64_t want)
{
    uint64_t bytes = oracles->window_bytes == 0 ? WINDOW_BYTES_MIN : oracles->window_bytes;

    if (want <= oracles->window_bytes)
        return true;
    while (bytes < want)
        bytes *= 2;
    oracles->window_bytes = 0;
    oracles->window = octo_arena_alloc(oracles->arena, bytes);
    if (oracles->window == NULL) {
        oracle_memory_full(oracles);
        return false;
    }
    oracles->window_bytes = (uint32_t)bytes;
    return true;
}

static void window_fill(struct oracle_reader *reader)
{
    uint8_t *to = reader->oracles->window;

    for (uint64_t at = 0; at < reader->have; at += SECTOR_BYTES) {
        const uint8_t *sector =
            reader->images->sector(reader->images->context, reader->node, reader->file,
                                   (reader->base + at) / SECTOR_BYTES);
        if (sector == NULL)
            memset(to + at, 0, SECTOR_BYTES);
        else
            memcpy(to + at, sector, SECTOR_BYTES);
    }
}

/* The bytes [at, at + length) of the file, which has them; NULL only if memory is full. */
static const uint8_t *reader_bytes(struct oracle_reader *reader, uint64_t at, uint64_t length)
{
    if (at < reader->base || at + length > reader->base + reader->have) {
        const uint64_t base = at & ~(uint64_t)(SECTOR_BYTES - 1);
        const uint64_t need = octo_align_up(at + length - base, SECTOR_BYTES);
        if (!window_room(reader->oracles, need))
            return NULL;
        const uint64_t ahead =
            octo_align_up(octo_max_u64(reader->ahead, base), SECTOR_BYTES) - base;
        reader->base = base;
        reader->have = octo_max_u64(need, octo_min_u64(ahead, reader->oracles->window_bytes));
        window_fill(reader);
    }
    return reader->oracles->window + (at - reader->base);
}

/* Everything in the header but checksum and the command's end. */
static bool header_valid(const uint8_t *at)
{
    if (octo_get_u32(at) != OCTO_RECORD_MAGIC || at[4] != OCTO_RECORD_VERSION)
        return false;
    const uint8_t type = at[5];
    const uint8_t kind = at[6];
    const uint32_t size = octo_get_u32(at + 64);
    if (at[7] != 0 || octo_get_u32(at + 68) != 0)
        return false;
    if (type == OCTO_RECORD_MARKER)
        return kind == 0 && size == 0;
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

bool oracle_record_read(struct oracle_reader *reader, uint64_t at, struct oracle_record *record)
{
    if (at > reader->size || reader->size - at < OCTO_RECORD_HEADER_BYTES)
        return false;
    const uint8_t *bytes = reader_bytes(reader, at, OCTO_RECORD_HEADER_BYTES);
    if (bytes == NULL || !header_valid(bytes))
        return false;
    const uint32_t size = octo_get_u32(bytes + 64);
    if (size > reader->size - at - OCTO_RECORD_HEADER_BYTES)
        return false;
    bytes = reader_bytes(reader, at, OCTO_RECORD_HEADER_BYTES + (uint64_t)size);
    if (bytes == NULL)
        return false;
    /* Both topics hold the same bytes at the same offsets: both use the kind of the main one. */
    const uint64_t seed =
        octo_format_seed(reader->oracles->config.cluster_id, reader->node, OCTO_FILE_MAIN, at);
    const uint64_t covered = OCTO_RECORD_HEADER_BYTES - 16 + (uint64_t)size;
    if (octo_get_u64(bytes + 8) != oracle_hash(bytes + 16, covered, seed ^ octo_get_u64(bytes)))
        return false;
    record_fill(record, bytes, size);
    return true;
}
