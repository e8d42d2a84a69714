/* The topics, place by place: docs/formats.md, "Log topics". Both files of a segment are looked at
 * together: a record counts if either has it. */
#include "tools/wal/tool.h"

#define ZEROS_MAX (1u << 24) /* of a record, beyond the end of its file */

/* Whether the fields that decide how far the checksum reaches are as the format says. */
static bool fields_ok(const uint8_t *header)
{
    const uint8_t type = header[5];
    const uint8_t kind = header[6];
    const uint32_t size = octo_get_u32(header + 64);

    if (octo_get_u32(header) != OCTO_RECORD_MAGIC || header[4] != OCTO_RECORD_VERSION)
        return false;
    if (header[7] != 0 || octo_get_u32(header + 68) != 0)
        return false;
    for (uint32_t at = 16; at <= 32; at += 8) { /* sequence, index, term */
        if (octo_get_u64(header + at) > OCTO_FORMAT_NUMBER_MAX)
            return false;
    }
    switch (type) {
    case OCTO_RECORD_ENTRY:
        return kind == OCTO_ENTRY_COMMAND || (kind == OCTO_ENTRY_NOOP && size == 0);
    case OCTO_RECORD_MARKER:
    case OCTO_RECORD_BASE:
    case OCTO_RECORD_CUT:
        return kind == 0 && size == 0;
    default:
        return false;
    }
}

/* The checksum of a record that may reach beyond the end of the file, where zeros follow. */
static bool checksum_ok(const struct content *file, uint64_t offset, const uint8_t *header,
                        uint64_t seed)
{
    const uint64_t covered = (uint64_t)OCTO_RECORD_HEADER_BYTES - 16 + octo_get_u32(header + 64);
    const uint64_t there = file->size - octo_min_u64(file->size, offset + 16);
    const uint64_t stored = octo_get_u64(header + 8);

    seed ^= octo_get_u64(header);
    if (covered <= there)
        return octo_hash(file->bytes + offset + 16, covered, seed) == stored;
    if (covered - there > ZEROS_MAX)
        return false;
    uint8_t *whole = tool_grow(NULL, covered, 1);
    memset(whole, 0, covered);
    if (there > 0)
        memcpy(whole, file->bytes + offset + 16, there);
    const bool ok = octo_hash(whole, covered, seed) == stored;
    tool_free(whole);
    return ok;
}

bool record_parse(const struct content *file, const struct owner *owner, uint32_t segment,
                  uint64_t offset, struct record *record)
{
    uint8_t header[OCTO_RECORD_HEADER_BYTES] = {0};
    const uint64_t there = file->size - octo_min_u64(file->size, offset);

    if (there > 0)
        memcpy(header, file->bytes + offset, octo_min_u64(there, sizeof header));
    if (!fields_ok(header))
        return false;
    const uint64_t seed = octo_format_seed(owner->cluster, owner->node, OCTO_FILE_MAIN,
                                           octo_segment_place(segment, offset));
    if (!checksum_ok(file, offset, header, seed))
        return false;
    *record = (struct record){
        .type = header[5],
        .kind = header[6],
        .sequence = octo_get_u64(header + 16),
        .index = octo_get_u64(header + 24),
        .term = octo_get_u64(header + 32),
        .chain = octo_get_u64(header + 40),
        .client = octo_get_u64(header + 48),
        .client_sequence = octo_get_u64(header + 56),
        .size = octo_get_u32(header + 64),
        .segment = segment,
        .offset = offset,
    };
    record->bytes = (uint32_t)octo_align_up(OCTO_RECORD_HEADER_BYTES + (uint64_t)record->size, 8);
    /* A command that reaches beyond the end ends in zeros; who wants it, copies it. */
    record->command = file->bytes + octo_min_u64(file->size, offset + OCTO_RECORD_HEADER_BYTES);
    record->there =
        (uint32_t)octo_min_u64(record->size, there - octo_min_u64(there, OCTO_RECORD_HEADER_BYTES));
    return true;
}

/* ---- A segment ------------------------------------------------------------------------------- */

struct scan {
    const struct owner *owner;
    const struct scan_visitor *visitor;
    struct segment *segment;
    struct content files[TOPICS];
    struct rubble rubble; /* bytes 0: none so far */
};

static void rubble_over(struct scan *scan)
{
    if (scan->rubble.bytes > 0)
        scan->visitor->rubble(scan->visitor->context, &scan->rubble);
    scan->rubble = (struct rubble){0};
}

static void rubble_found(struct scan *scan, uint64_t offset, uint64_t end)
{
    struct rubble *rubble = &scan->rubble;
    uint32_t topics = 0;

    for (uint32_t topic = 0; topic < TOPICS; topic++)
        topics |= content_zeros(&scan->files[topic], offset, end - offset) ? 0 : 1u << topic;
    if (topics == 0 || (rubble->bytes > 0 && rubble->offset + rubble->bytes != offset))
        rubble_over(scan);
    if (topics == 0)
        return;
    if (rubble->bytes == 0)
        *rubble = (struct rubble){.segment = scan->segment->number, .offset = offset};
    rubble->bytes += end - offset;
    rubble->topics |= topics;
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        const struct content *file = &scan->files[topic];
        if (offset + 8 > file->size || octo_get_u32(file->bytes + offset) != OCTO_RECORD_MAGIC)
            continue;
        rubble->looks_like_ours = true;
        rubble->version = rubble->version || file->bytes[offset + 4] != OCTO_RECORD_VERSION;
    }
}

/* The record that counts at offset, and who has it; false if there is none. */
static bool record_at(const struct scan *scan, uint64_t offset, struct record *record)
{
    struct record found[TOPICS];
    bool valid[TOPICS];

    for (uint32_t topic = 0; topic < TOPICS; topic++)
        valid[topic] = record_parse(&scan->files[topic], scan->owner, scan->segment->number, offset,
                                    &found[topic]);
    if (!valid[TOPIC_MAIN] && !valid[TOPIC_RECOVERY])
        return false;
    *record = valid[TOPIC_MAIN] ? found[TOPIC_MAIN] : found[TOPIC_RECOVERY];
    record->topics = valid[TOPIC_MAIN] ? IN_MAIN : IN_RECOVERY;
    if (!valid[TOPIC_MAIN] || !valid[TOPIC_RECOVERY])
        return true;
    /* Valid, of one length and with one checksum: equal. */
    const bool equal =
        found[0].size == found[1].size && octo_get_u64(scan->files[0].bytes + offset + 8) ==
                                              octo_get_u64(scan->files[1].bytes + offset + 8);
    record->topics = equal ? IN_BOTH : IN_MAIN;
    record->other = !equal;
    return true;
}

static void segment_scan(struct scan *scan)
{
    struct segment *segment = scan->segment;
    const uint64_t sector = scan->owner->sector;
    const uint64_t size = octo_max_u64(scan->files[0].size, scan->files[1].size);
    const uint64_t end = octo_min_u64(size, UINT32_MAX); /* a place has 32 bits for it */
    uint64_t at = 0;

    while (at < end) {
        struct record record;
        if (!record_at(scan, at, &record)) {
            const uint64_t next = octo_align_up(at + 1, sector);
            rubble_found(scan, at, next);
            at = next;
            continue;
        }
        rubble_over(scan);
        segment->records++;
        for (uint32_t topic = 0; topic < TOPICS; topic++)
            segment->held[topic] += (record.topics & 1u << topic) != 0 ? 1 : 0;
        segment->end = at + record.bytes;
        scan->visitor->record(scan->visitor->context, &record);
        at += record.bytes;
    }
    rubble_over(scan);
}

void scan_topics(const struct directory *directory, const struct owner *owner,
                 struct segment *segments, uint32_t count, const struct scan_visitor *visitor)
{
    static const uint8_t kinds[TOPICS] = {OCTO_FILE_MAIN, OCTO_FILE_RECOVERY};

    for (uint32_t i = 0; i < count; i++) {
        struct scan scan = {.owner = owner, .visitor = visitor, .segment = &segments[i]};
        segments[i].records = 0;
        for (uint32_t topic = 0; topic < TOPICS; topic++) {
            content_read(&scan.files[topic], directory, kinds[topic], segments[i].number);
            segments[i].present[topic] = !scan.files[topic].missing;
            segments[i].size[topic] = scan.files[topic].size;
            segments[i].unreadable[topic] = scan.files[topic].unreadable;
            segments[i].held[topic] = 0;
        }
        segment_scan(&scan);
        for (uint32_t topic = 0; topic < TOPICS; topic++)
            content_free(&scan.files[topic]);
    }
}
