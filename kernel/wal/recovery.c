/* Recovery: from the bytes of two topics to the log in memory.
 *
 * Both topics hold the same bytes at the same offsets, so they are read side by side, and at each
 * offset a record is taken from whichever has it intact. Records are accepted in the order of the
 * file, each only if it is *next* (docs/formats.md): nothing accepted is ever taken back, since a
 * record that survives stays in the log for good, marked or not.
 *
 * Why that gives the log that was acknowledged. Let m be the sequence of the newest marker seen, L
 * the last one accepted.
 *
 *   R1  A marker for m was submitted only when every record up to m was durable in both topics, in
 *       ascending order of offsets: a batch follows the one before it, and one that failed is
 *       written again, whole, before the next. So the scan finds 1..m in every crash image, also if
 *       the marker itself stood in one topic or in the page cache only. Finding less is damage.
 *   R2  A sequence names one content, for good. It gets another one only after a recovery whose L
 *       was below it. Could an old copy of it come back later and be taken for the new one? New
 *       bytes are written past the end of both files, so the region in question only ever loses
 *       readable records (at the end of a file: topic_end); a scan over fewer records has accepted
 * no more, at each offset, than the recovery had; hence what was not next then, or not there, is
 * not next later. (Appending right after the last good batch would break this: what lies beyond it
 * would follow the new bytes, with just the sequences that they are about to get.) R3  So a
 * duplicate is equal to what was accepted in its place, and passing over it is safe.
 *
 * The tail, m+1..L, may be readable and yet never durable: bytes of a killed process, or of a
 * failed sync. It is written again past the end, verbatim and with its old sequences: truncated
 * records too, for the order must have no gap if the old copies vanish, and the same content, for
 * they may stay. Then it is marked. Only then is the log READY. A crash on the way leaves the old
 * copies, the new ones, or a mixture, which by R3 scan to the same log, or to one with a shorter
 * tail.
 *
 * At most two batches lie above the newest marker (a batch is submitted only when the one before is
 * durable, and carries the marker of the one before that), so that is what the tail has room for.
 */
#include "kernel/wal/wal_state.h"

#define BOTH_TOPICS (1u << WAL_MAIN | 1u << WAL_RECOVERY)

/* ---- The tail ------------------------------------------------------------------------------ */

size_t octo_wal_tail_bytes(const struct octo_config *config)
{
    return 2 * (size_t)config->flush_bytes_max;
}

static void tail_keep(struct octo_wal *wal, const struct octo_record *record)
{
    struct wal_tail *tail = &wal->tail;
    const uint64_t bytes = octo_record_bytes(record->size);
    const uint32_t unpadded = OCTO_RECORD_HEADER_BYTES + record->size;

    if (tail->dropped != 0 || bytes > octo_wal_tail_bytes(&wal->config) - tail->used ||
        bytes > wal->config.flush_bytes_max - OCTO_RECORD_HEADER_BYTES) {
        tail->dropped = record->sequence;
        return;
    }
    uint8_t *at = tail->bytes + tail->used;
    memcpy(at, record->command - OCTO_RECORD_HEADER_BYTES, unpadded);
    memset(at + unpadded, 0, (size_t)bytes - unpadded);
    tail->used += (uint32_t)bytes;
}

/* Forgets what a marker for sequence covers: usually everything. */
static void tail_forget(struct wal_tail *tail, octo_sequence sequence)
{
    uint32_t at = 0;

    while (at < tail->used) {
        struct octo_record record;
        octo_record_view(tail->bytes + at, &record);
        if (record.sequence > sequence)
            break;
        at += (uint32_t)octo_record_bytes(record.size);
    }
    tail->used -= at;
    if (tail->used > 0)
        memmove(tail->bytes, tail->bytes + at, tail->used);
    if (tail->dropped <= sequence)
        tail->dropped = 0;
}

/* ---- Records ------------------------------------------------------------------------------- */

/* A duplicate of an accepted record stands in both topics: that of a batch that failed halfway and
 * was written again. The first copy is then not one that lacks its twin. */
static void twin_found(struct octo_log *log, const struct octo_record *record)
{
    if (record->index == 0 || record->index > log->last)
        return;
    struct octo_log_slot *slot = &log->slots[record->index - 1];
    if (slot->sequence == record->sequence)
        slot->one_topic = 0;
}

static void entry_found(struct octo_wal *wal, const struct octo_record *record, uint32_t topics)
{
    struct wal_scan *scan = &wal->scan;
    struct octo_log *log = &wal->log;

    if (record->sequence <= scan->accepted) {
        if (topics == BOTH_TOPICS)
            twin_found(log, record);
        return;
    }
    if (record->sequence != scan->accepted + 1 || record->index == 0 ||
        record->index > log->last + 1 || record->chain != octo_log_chain(log, record->index - 1)) {
        scan->torn = true;
        return;
    }
    const struct octo_entry entry = octo_record_entry(record);
    octo_log_truncate(log, record->index);
    if (octo_log_append(log, &entry, record->sequence) != OCTO_ERR_OK) {
        octo_wal_fail(wal, OCTO_ERR_FULL);
        return;
    }
    scan->accepted = record->sequence;
    scan->torn = false;
    if (topics != BOTH_TOPICS) {
        log->slots[log->last - 1].one_topic = 1;
        scan->one_topic = true;
    }
    if (record->sequence > scan->marker.sequence)
        tail_keep(wal, record);
}

static void marker_found(struct octo_wal *wal, const struct octo_record *record, uint32_t topics)
{
    struct wal_scan *scan = &wal->scan;
    const struct octo_log *log = &wal->log;

    if (record->sequence < scan->marker.sequence)
        return;
    if (record->sequence == scan->marker.sequence) {
        scan->marker_topics |= topics;
        return;
    }
    scan->marker = (struct wal_position){
        .sequence = record->sequence,
        .index = record->index,
        .term = record->term,
        .chain = record->chain,
    };
    scan->marker_topics = topics;
    if (record->sequence == scan->accepted &&
        (record->index != log->last || record->term != octo_log_term(log, log->last) ||
         record->chain != octo_log_chain(log, log->last)))
        scan->contradiction = true;
    tail_forget(&wal->tail, record->sequence);
}

/* Looks for a record at scan->at. Returns the topics that hold it, 0 if none does; *more if that
 * may be because the buffers end too early. */
static uint32_t record_at(const struct octo_wal *wal, struct octo_record *record, bool *more)
{
    const struct wal_scan *scan = &wal->scan;
    const uint64_t seed = wal_record_seed(wal, scan->at);
    const uint64_t in = scan->at - scan->base;

    *more = false;
    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        const uint32_t twin = topic ^ 1u;
        const uint8_t *bytes = scan->buffers[topic] + in;
        uint64_t needed;
        if (scan->at >= scan->ends[topic])
            continue;
        const enum octo_err err =
            octo_record_parse(bytes, wal->readers[topic].have - in, seed, record, &needed);
        if (err == OCTO_ERR_TRUNCATED)
            *more = true;
        if (err != OCTO_ERR_OK)
            continue;
        *more = false;
        /* The twin is compared, which is cheaper than a second checksum. */
        const bool equal =
            scan->at < scan->ends[twin] && memcmp(bytes, scan->buffers[twin] + in, needed) == 0;
        return equal ? BOTH_TOPICS : 1u << topic;
    }
    return 0;
}

/* Whether something other than padding or a hole lies at scan->at. */
static bool bytes_at(const struct octo_wal *wal)
{
    const uint64_t in = wal->scan.at - wal->scan.base;

    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        const uint64_t end = octo_min_u64(in + 8, wal->readers[topic].have);
        for (uint64_t i = in; i < end; i++)
            if (wal->scan.buffers[topic][i] != 0)
                return true;
    }
    return false;
}

/* ---- The scan ------------------------------------------------------------------------------ */

static uint64_t sector_start(const struct octo_wal *wal, uint64_t offset)
{
    return offset & ~(uint64_t)(wal->config.sector_bytes - 1);
}

/* The end of the longer topic; OCTO_NEVER while that is unknown. */
static uint64_t topics_end(const struct wal_scan *scan)
{
    return octo_max_u64(scan->ends[WAL_MAIN], scan->ends[WAL_RECOVERY]);
}

/* Reads on from the sector that scan->at lies in: a record that straddled the end of the buffers is
 * then inside, since no batch is longer than they are. */
static void buffers_fill(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;

    scan->base = sector_start(wal, scan->at);
    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        struct wal_reader *reader = &wal->readers[topic];
        if (scan->ends[topic] <= scan->base)
            reader->have = 0;
        else
            octo_wal_reader_start(reader, wal_topic_file(topic), scan->base, scan->buffers[topic],
                                  wal->config.read_bytes);
    }
}

/* Takes the records in the buffers, until their end or until one that goes beyond it. */
static void buffers_scan(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;
    const uint64_t end = octo_min_u64(scan->base + wal->config.read_bytes, topics_end(scan));

    while (scan->at < end && wal->stage != OCTO_WAL_FAILED) {
        struct octo_record record;
        bool more;
        const uint32_t topics = record_at(wal, &record, &more);
        if (topics != 0) {
            if (record.type == OCTO_RECORD_ENTRY)
                entry_found(wal, &record, topics);
            else
                marker_found(wal, &record, topics);
            scan->at += octo_record_bytes(record.size);
            continue;
        }
        if (more && sector_start(wal, scan->at) > scan->base)
            return;
        scan->torn = scan->torn || bytes_at(wal);
        scan->at = sector_start(wal, scan->at) + wal->config.sector_bytes;
    }
}

/* Whether a record that a marker covers has been found in one topic only. */
static bool one_topic_below(const struct octo_log *log, octo_sequence marked)
{
    for (octo_index index = 1; index <= log->last; index++)
        if (log->slots[index - 1].one_topic != 0)
            return log->slots[index - 1].sequence <= marked;
    return false;
}

static void scan_end(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_scan *scan = &wal->scan;
    const octo_sequence marked = scan->marker.sequence;

    if (scan->contradiction || scan->accepted < marked) {
        octo_wal_fail(wal, OCTO_ERR_DAMAGED);
        return;
    }
    if (wal->tail.dropped != 0) { /* written under a configuration with larger batches */
        octo_wal_fail(wal, OCTO_ERR_FULL);
        return;
    }
    if (scan->accepted > marked)
        octo_step_mark(step, OCTO_MARK_TAIL_KEPT);
    if (scan->torn)
        octo_step_mark(step, OCTO_MARK_TAIL_TORN);
    if (scan->one_topic && one_topic_below(&wal->log, marked))
        octo_step_mark(step, OCTO_MARK_TOPIC_REPAIRED);
    if (marked > 0 && scan->marker_topics != BOTH_TOPICS)
        octo_step_mark(step, OCTO_MARK_MARKER_ONE_TOPIC);

    wal->flush.append_offset = octo_align_up(scan->at, wal->config.sector_bytes); /* R2 */
    wal->flush.submitted = scan->accepted;
    wal->flush.submitted_index = wal->log.last;
    wal->flush.due = scan->marker; /* true by R1; marked only when written anew */
}

void octo_wal_scan_start(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;

    scan->ends[WAL_MAIN] = OCTO_NEVER;
    scan->ends[WAL_RECOVERY] = OCTO_NEVER;
    buffers_fill(wal);
}

/* Takes note of a topic's end. Beyond it the file counts as zeros, for that is what it will hold
 * there once new bytes are written further on: a record cut off in its own zeros would come to life
 * then, and R2 be broken, unless it is seen now. */
static void topic_end(struct wal_scan *scan, struct wal_reader *reader, uint32_t topic)
{
    scan->ends[topic] = octo_min_u64(scan->ends[topic], reader->offset + reader->have);
    memset(reader->buffer + reader->have, 0, reader->want - reader->have);
    reader->have = reader->want;
}

bool octo_wal_scan_read(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_scan *scan = &wal->scan;

    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        struct wal_reader *reader = &wal->readers[topic];
        if (reader->missing) { /* formatting made it durable before the identity */
            octo_wal_fail(wal, OCTO_ERR_NOT_FOUND);
            return false;
        }
        if (scan->ends[topic] > scan->base && reader->ended)
            topic_end(scan, reader, topic);
    }
    buffers_scan(wal);
    if (wal->stage == OCTO_WAL_FAILED)
        return false;
    if (scan->at < topics_end(scan)) {
        buffers_fill(wal);
        return false;
    }
    scan_end(wal, step);
    return wal->stage != OCTO_WAL_FAILED;
}
