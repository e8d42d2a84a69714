/* Recovery: from the records of two topics to the log in memory (docs/formats.md, "What the records
 * mean"; docs/durability.md has the argument).
 *
 * The log begins after the snapshot that counts. Records come in the order of their places, each
 * from whichever topic has it intact. Whether one belongs to the log is decided by its chain: that
 * stands for the whole prefix, so a record that connects is right whatever is missing or
 * superfluous before it; a sequence only says which of two records is the later one.
 *
 * Let m be the sequence of the marker that counts and p its position. Every record up to m was once
 * durable in both topics. So if the log does not reach p, and nothing later has cut it short,
 * entries that were acknowledged are lost: the log ends before the first of them, and p becomes the
 * floor.
 *
 * The tail, what is live above m, may be readable and yet never durable: bytes of a killed process,
 * or of a failed sync. It is written again, with its old sequences, and then marked; only then is
 * the log READY. A crash on the way leaves the old copies, the new ones, or a mixture, which give
 * the same log, or one with a shorter tail. */
#include "kernel/wal/wal_state.h"

void octo_wal_recovery_start(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;

    octo_log_reset(&wal->log, &scan->snapshot);
    scan->accepted = 0;
    scan->base_sequence = 0;
    scan->marked = false;
    scan->marker = (struct wal_mark){0};
    scan->floor = (struct octo_position){0};
    scan->marker_topics = 0;
    scan->used = false;
    scan->blind_segment = 0;
    scan->torn = false;
    scan->lost = false;
    scan->other_last = 0;
    scan->rescan = false;
}

/* ---- Records --------------------------------------------------------------------------------- */

/* Records that were given up when a cut was written, and have come up again. */
static bool is_void(const struct wal_scan *scan, octo_sequence sequence, uint64_t place)
{
    for (uint32_t i = 0; i < scan->cut_count; i++) {
        if (place < scan->cuts[i].place && sequence > scan->cuts[i].sequence)
            return true;
    }
    return false;
}

static void log_empty(struct octo_wal *wal, octo_sequence sequence)
{
    octo_log_truncate(&wal->log, wal->log.base.index + 1);
    wal->scan.accepted = sequence;
    wal->scan.base_sequence = sequence;
}

/* A snapshot that a leader sent may have replaced a log without that log's saying so: the crash
 * came in between. That log is followed beside the one that counts, from the snapshot's index on,
 * where its chain is another than the snapshot's. */
static void other_found(struct wal_scan *scan, const struct octo_record *record)
{
    struct octo_entry entry = octo_record_entry(record);
    const struct octo_position *snapshot = &scan->snapshot;
    octo_index *last = &scan->other_last;

    entry.chain = octo_entry_chain(record->chain, &entry);
    if (entry.index == snapshot->index && entry.chain != snapshot->chain) {
        *last = entry.index;
        scan->other[*last % WAL_OTHER_MAX] = entry.chain;
        return;
    }
    if (entry.index == snapshot->index + 1 && record->chain != snapshot->chain) {
        *last = snapshot->index;
        scan->other[*last % WAL_OTHER_MAX] = record->chain;
    }
    if (entry.index <= snapshot->index || entry.index > *last + 1 ||
        entry.index + WAL_OTHER_MAX <= *last + 2 ||
        scan->other[(entry.index - 1) % WAL_OTHER_MAX] != record->chain)
        return;
    *last = entry.index;
    scan->other[*last % WAL_OTHER_MAX] = entry.chain;
}

/* Whether the newest marker spoke of that other log: its chain stands for the whole of it. */
static bool other_was_marked(const struct wal_scan *scan)
{
    const struct octo_position *at = &scan->marker.at;

    if (scan->snapshot.index != 0 && at->index == scan->snapshot.index)
        return at->chain != scan->snapshot.chain;
    return at->index > scan->snapshot.index && at->index <= scan->other_last &&
           at->index + WAL_OTHER_MAX > scan->other_last &&
           at->chain == scan->other[at->index % WAL_OTHER_MAX];
}

static void entry_found(struct octo_wal *wal, const struct octo_record *record)
{
    struct wal_scan *scan = &wal->scan;
    struct octo_log *log = &wal->log;

    if (record->sequence <= scan->accepted)
        return;
    if (record->index <= log->base.index) {
        other_found(scan, record);
        log_empty(wal, record->sequence);
        return;
    }
    if (record->index > log->last + 1 || record->chain != octo_log_chain(log, record->index - 1)) {
        other_found(scan, record);
        scan->torn = true;
        return;
    }
    const struct octo_entry entry = octo_record_entry(record);
    octo_log_truncate(log, record->index);
    if (octo_log_append(log, &entry, record->sequence) != OCTO_ERR_OK) {
        octo_wal_fail(wal, OCTO_ERR_FULL); /* written under a configuration with a larger log */
        return;
    }
    scan->accepted = record->sequence;
    scan->torn = false;
}

/* One above the log's base says that the log went on from a snapshot which is not there any more;
 * one at the snapshot that counts, that it goes on from there after all. */
static void base_found(struct octo_wal *wal, const struct octo_record *record)
{
    const struct octo_position base = {record->index, record->term, record->chain};
    const struct octo_position *snapshot = &wal->scan.snapshot;

    if (record->sequence <= wal->scan.accepted)
        return;
    if (base.index == snapshot->index && base.chain == snapshot->chain)
        octo_log_reset(&wal->log, snapshot);
    else if (base.index > wal->log.base.index)
        octo_log_reset(&wal->log, &base);
    log_empty(wal, record->sequence);
}

static bool same_place(const struct octo_position *a, const struct octo_position *b)
{
    return a->index == b->index && a->term == b->term;
}

static void marker_found(struct octo_wal *wal, const struct octo_record *record, uint32_t topics)
{
    struct wal_scan *scan = &wal->scan;

    struct octo_position floor = {.index = record->client_sequence, .term = record->client};

    if (scan->marked && record->sequence < scan->marker.sequence)
        return;
    /* A marker has no room for the floor's chain; the one that stood there once has it. */
    if (same_place(&floor, &scan->marker.at))
        floor.chain = scan->marker.at.chain;
    else if (same_place(&floor, &scan->floor))
        floor.chain = scan->floor.chain;
    scan->marked = true;
    scan->marker.sequence = record->sequence;
    scan->marker.at = (struct octo_position){record->index, record->term, record->chain};
    scan->floor = floor;
    scan->marker_topics = topics;
}

static void cut_found(struct octo_wal *wal, const struct octo_record *record, uint64_t place)
{
    struct wal_scan *scan = &wal->scan;

    if (scan->accepted <= record->sequence &&
        (!scan->marked || scan->marker.sequence <= record->sequence))
        return;
    if (scan->cut_count == WAL_CUTS_MAX) {
        octo_wal_fail(wal, OCTO_ERR_DAMAGED);
        return;
    }
    scan->cuts[scan->cut_count++] = (struct wal_cut){place, record->sequence};
    scan->rescan = true;
}

void octo_wal_recovery_record(struct octo_wal *wal, const struct octo_record *record,
                              uint64_t place, uint32_t topics)
{
    const bool counts = !is_void(&wal->scan, record->sequence, place);

    if (record->type == OCTO_RECORD_ENTRY && counts)
        entry_found(wal, record);
    else if (record->type == OCTO_RECORD_BASE && counts)
        base_found(wal, record);
    else if (record->type == OCTO_RECORD_MARKER && counts)
        marker_found(wal, record, topics);
    else if (record->type == OCTO_RECORD_CUT)
        cut_found(wal, record, place);
}

/* ---- The end --------------------------------------------------------------------------------- */

/* The first live entry above the marker; last + 1 if there is none. Sequences ascend with the
 * index. */
static octo_index tail_first(const struct octo_wal *wal)
{
    octo_index first = wal->log.last + 1;

    while (first > wal->log.base.index + 1 &&
           octo_log_sequence(&wal->log, first - 1) > wal->scan.marker.sequence)
        first--;
    return first;
}

/* Whether what the marker covers is there, or was replaced by what came after it. */
static bool marked_is_there(const struct octo_wal *wal, octo_index tail)
{
    const struct octo_log *log = &wal->log;
    const struct wal_scan *scan = &wal->scan;
    const struct octo_position *at = &scan->marker.at;

    if (at->index < log->base.index || at->index >= tail)
        return tail <= log->last || at->index < log->base.index;
    return octo_log_chain(log, at->index) == at->chain;
}

/* What was acknowledged and is lost. */
static void floor_find(struct octo_wal *wal, octo_index tail)
{
    struct wal_scan *scan = &wal->scan;
    const bool replaced = scan->base_sequence > scan->marker.sequence || other_was_marked(scan);
    struct octo_position floor = scan->floor;

    if (!scan->marked && wal->boot.in_use)
        floor = (struct octo_position){.index = OCTO_FLOOR_UNKNOWN, .term = wal->votes.term};
    if (scan->unfounded) {
        const struct octo_position end = octo_log_position(&wal->log, wal->log.last);
        if (octo_wal_ahead(&end, &floor))
            floor = end;
        if (octo_wal_ahead(&scan->marker.at, &floor))
            floor = scan->marker.at;
        octo_log_reset(&wal->log, &scan->snapshot);
        scan->lost = true;
    } else if (scan->marked && !replaced && !marked_is_there(wal, tail)) {
        if (octo_wal_ahead(&scan->marker.at, &floor))
            floor = scan->marker.at;
        scan->lost = true;
    }
    /* Without markers between records and acknowledgement a torn tail may have been acknowledged.
     */
    if (wal->config.marker_lazy && scan->torn)
        floor = (struct octo_position){.index = OCTO_FLOOR_UNKNOWN, .term = wal->votes.term};
    wal->floor = floor;
}

static void flush_begin(struct octo_wal *wal, octo_index tail)
{
    struct wal_scan *scan = &wal->scan;
    struct wal_flush *flush = &wal->flush;

    /* New sequences are above all that was ever seen, a marker's included. */
    flush->submitted = octo_max_u64(scan->accepted, scan->marker.sequence);
    flush->submitted_index = tail - 1;
    flush->durable = wal->log.base.index;
    flush->due = scan->marker; /* true when it was written; counted only when written anew */
    flush->cut_due = true;
    if (scan->unfounded) {
        flush->base_due = true;
        flush->base_at = wal->log.base;
    } else if (scan->base_sequence > scan->marker.sequence &&
               scan->accepted == scan->base_sequence) { /* may not be durable */
        flush->base_due = true;
        flush->base_sequence = scan->base_sequence;
        flush->base_at = wal->log.base;
    } else if (wal->log.last == wal->log.base.index &&
               octo_wal_ahead(&wal->log.base, &scan->marker.at)) {
        /* Nothing in the log says how far the snapshot goes: were that lost, the promise would be
         * forgotten. */
        flush->base_due = true;
        flush->base_at = wal->log.base;
    }
}

static void marks(const struct octo_wal *wal, struct octo_step *step, octo_index tail)
{
    const struct wal_scan *scan = &wal->scan;
    const struct octo_log *log = &wal->log;
    struct octo_position floor;

    if (tail <= log->last)
        octo_step_mark(step, OCTO_MARK_TAIL_KEPT);
    if (scan->torn)
        octo_step_mark(step, OCTO_MARK_TAIL_TORN);
    if (scan->marker.sequence > 0 && scan->marker_topics != WAL_BOTH)
        octo_step_mark(step, OCTO_MARK_MARKER_ONE_TOPIC);
    if (!octo_wal_floor(wal, &floor))
        return;
    octo_step_mark(step, OCTO_MARK_RECOVERING);
    octo_step_trace(step, OCTO_TRACE_RECOVERING, log->last + 1, floor.term, floor.index, 0);
}

void octo_wal_recovery_end(struct octo_wal *wal, struct octo_step *step)
{
    octo_index tail = tail_first(wal);

    wal->scan.unfounded = wal->log.base.index != wal->scan.snapshot.index;
    floor_find(wal, tail);
    tail = (octo_index)octo_min_u64(tail, wal->log.last + 1);
    flush_begin(wal, tail);
    marks(wal, step, tail);
}
