/* What goes into a batch:
 *
 *     [cut] [base] [marker for `due`] [entry] [entry] ... zeros to the next sector
 *
 * `due` is the log as of the last record that is durable in both topics: it was noted when that
 * record was put into its batch, for the log in memory may have been truncated since. The cut comes
 * first after a boot, the base after the installation of a snapshot that the log does not reach. */
#include "kernel/wal/wal_state.h"

static bool marker_due(const struct wal_flush *flush)
{
    return !flush->marker_sent || flush->due.sequence > flush->marker_last;
}

static bool heads_wait(const struct wal_flush *flush)
{
    return flush->cut_due || flush->base_due || marker_due(flush);
}

static bool entries_wait(const struct octo_wal *wal)
{
    return wal->flush.submitted_index < octo_wal_last(wal);
}

bool octo_wal_fill_waits(const struct octo_wal *wal)
{
    return heads_wait(&wal->flush) || entries_wait(wal);
}

/* ---- Room ------------------------------------------------------------------------------------ */

/* Bytes of the smallest batch that holds what is due, with or without the next entry. */
static uint32_t batch_least(const struct octo_wal *wal, bool with_entry)
{
    const struct wal_flush *flush = &wal->flush;
    const uint32_t heads =
        (flush->cut_due ? 1u : 0u) + (flush->base_due ? 1u : 0u) + (marker_due(flush) ? 1u : 0u);
    uint64_t bytes = (uint64_t)heads * octo_record_bytes(0);
    struct octo_entry entry;

    if (with_entry) {
        const bool found = octo_log_entry(&wal->log, flush->submitted_index + 1, &entry);
        octo_assert(found);
        bytes += octo_record_bytes(entry.size);
    }
    octo_assert(bytes <= wal->config.flush_bytes_max);
    return (uint32_t)octo_align_up(bytes, wal->config.sector_bytes);
}

static uint32_t segment_room(const struct octo_wal *wal)
{
    const struct wal_segments *segments = &wal->segments;

    if (segments->live == 0)
        return 0;
    return segments->items[segments->live - 1].bytes - wal->flush.append_offset;
}

/* Room for bytes at the end of the log. Another segment is begun only when nothing is on its way in
 * this one: a sync is for one file. */
static bool room_find(struct octo_wal *wal, struct octo_step *step, uint32_t bytes, bool reserve)
{
    if (segment_room(wal) >= bytes)
        return true;
    return wal->flush.count == 0 && octo_wal_segments_roll(wal, step, bytes, reserve);
}

/* ---- Records --------------------------------------------------------------------------------- */

static void put(struct octo_wal *wal, struct wal_batch *batch, const struct octo_record *record)
{
    octo_assert(octo_record_bytes(record->size) <= wal->config.flush_bytes_max - batch->used);
    batch->used += octo_record_encode(batch->buffer + batch->used, record,
                                      wal_record_seed(wal, batch->place + batch->used));
}

static void put_mark(struct octo_wal *wal, struct wal_batch *batch, uint8_t type,
                     octo_sequence sequence, const struct octo_position *at,
                     const struct octo_position *floor)
{
    put(wal, batch,
        &(struct octo_record){
            .type = type,
            .sequence = sequence,
            .index = at->index,
            .term = at->term,
            .chain = at->chain,
            .client = floor->term,
            .client_sequence = floor->index,
        });
}

static void put_heads(struct octo_wal *wal, struct wal_batch *batch)
{
    static const struct octo_position none = {0};
    struct wal_flush *flush = &wal->flush;

    if (flush->cut_due) {
        const struct octo_position end = octo_log_position(&wal->log, wal->log.last);
        put_mark(wal, batch, OCTO_RECORD_CUT, flush->submitted, &end, &none);
        flush->cut_due = false;
    }
    if (flush->base_due) {
        const octo_sequence sequence =
            flush->base_sequence != 0 ? flush->base_sequence : ++flush->submitted;
        put_mark(wal, batch, OCTO_RECORD_BASE, sequence, &flush->base_at, &none);
        batch->last = (struct wal_mark){sequence, flush->base_at};
        flush->base_due = false;
        flush->base_awaited = sequence;
    }
    if (marker_due(flush)) {
        /* What the marker at boot promised may be lost, whatever position it names: written again,
         * it says so. */
        const bool of_boot = flush->due.sequence <= wal->scan.marker.sequence;
        const bool below =
            wal->floor.index != 0 && (of_boot || octo_wal_ahead(&wal->floor, &flush->due.at));
        batch->has_marker = true;
        batch->marker = flush->due.sequence;
        batch->floor = below ? wal->floor : none;
        put_mark(wal, batch, OCTO_RECORD_MARKER, flush->due.sequence, &flush->due.at,
                 &batch->floor);
        flush->marker_sent = true;
        flush->marker_last = flush->due.sequence;
    }
}

/* As many of the waiting entries as fit in `limit` bytes. What recovery has found unmarked keeps
 * its sequences: it may still stand further up, and is then passed over here. */
static uint32_t put_entries(struct octo_wal *wal, struct wal_batch *batch, uint32_t limit)
{
    struct wal_flush *flush = &wal->flush;
    struct octo_entry entry;
    uint32_t count = 0;

    while (entries_wait(wal) && octo_log_entry(&wal->log, flush->submitted_index + 1, &entry) &&
           octo_record_bytes(entry.size) <= limit - batch->used) {
        octo_sequence sequence = octo_log_sequence(&wal->log, entry.index);
        if (sequence == 0) {
            sequence = ++flush->submitted;
            octo_log_sequence_set(&wal->log, entry.index, sequence);
        }
        put(wal, batch,
            &(struct octo_record){
                .type = OCTO_RECORD_ENTRY,
                .sequence = sequence,
                .index = entry.index,
                .term = entry.term,
                .chain = octo_log_chain(&wal->log, entry.index - 1),
                .kind = entry.kind,
                .client = entry.client,
                .client_sequence = entry.sequence,
                .command = entry.command,
                .size = entry.size,
            });
        flush->submitted_index = entry.index;
        batch->last = (struct wal_mark){sequence, {entry.index, entry.term, entry.chain}};
        count++;
    }
    return count;
}

bool octo_wal_fill(struct octo_wal *wal, struct octo_step *step, struct wal_batch *batch)
{
    struct wal_flush *flush = &wal->flush;
    const bool heads = heads_wait(flush);
    bool entries = entries_wait(wal);

    /* A marker does not wait for room for entries. */
    if (entries)
        entries = room_find(wal, step, batch_least(wal, true), wal->stage == OCTO_WAL_READY);
    if (!entries && (!heads || !room_find(wal, step, batch_least(wal, false), false)))
        return false;

    batch->stage = WAL_BATCH_FILLED;
    batch->placed = true;
    batch->written = 0;
    batch->synced = 0;
    batch->used = 0;
    batch->has_marker = false;
    batch->last = (struct wal_mark){0};
    batch->place = octo_segment_place(wal_segment_current(wal)->number, flush->append_offset);
    put_heads(wal, batch);
    if (entries &&
        put_entries(wal, batch,
                    (uint32_t)octo_min_u64(wal->config.flush_bytes_max, segment_room(wal))) > 1)
        octo_step_mark(step, OCTO_MARK_GROUP_COMMIT);
    octo_assert(batch->used > 0);
    batch->bytes = (uint32_t)octo_align_up(batch->used, wal->config.sector_bytes);
    octo_assert(batch->bytes <= segment_room(wal));
    memset(batch->buffer + batch->used, 0, batch->bytes - batch->used);
    flush->append_offset += batch->bytes;
    return true;
}

bool octo_wal_fill_move(struct octo_wal *wal, struct octo_step *step, struct wal_batch *batch,
                        bool alone)
{
    struct wal_flush *flush = &wal->flush;

    if (segment_room(wal) < batch->bytes &&
        !(alone && octo_wal_segments_roll(wal, step, batch->bytes, false)))
        return false;
    batch->place = octo_segment_place(wal_segment_current(wal)->number, flush->append_offset);
    for (uint32_t at = 0; at < batch->used;) {
        struct octo_record record;
        octo_record_view(batch->buffer + at, &record);
        octo_record_stamp(batch->buffer + at, wal_record_seed(wal, batch->place + at));
        at += (uint32_t)octo_record_bytes(record.size);
    }
    flush->append_offset += batch->bytes;
    batch->placed = true;
    return true;
}
