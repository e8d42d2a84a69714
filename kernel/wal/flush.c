/* Group commit: batches, markers and what becomes of them when the disk fails.
 *
 * A flush is one batch on its way: the same bytes are written to the same offset of both topics,
 * and when both writes are back, both topics are synced. One flush at a time; what is appended
 * meanwhile waits for the next. A batch is
 *
 *     [marker for `due`] [entry] [entry] ... zeros to the next sector
 *
 * where `due` is the log as of the last record that is durable in both topics: it was noted when
 * that record was put into its batch, for the log in memory may have been truncated since. When the
 * flush is done its entries are due and its marker's are marked, which is what may be acknowledged.
 *
 *   F1  due.sequence <= submitted; a marker is never for more than is durable in both topics.
 *   F2  Records reach the disk in the order of their sequences, without gaps: an entry truncated
 *       before it was put into a batch gives its sequence back, one truncated later keeps it.
 *   F3  A batch begins on a sector that was never submitted before, in either topic.
 *
 * Failures (K8). When any of the four operations fails, the others are waited for (they still use
 * the buffer), and the batch is written again as a whole, to both topics, further on: same records,
 * same sequences, also of entries truncated meanwhile (F2), with checksums for the new offset. What
 * was written before is never counted, whatever becomes of it; a copy of it that can be read later
 * is equal to the new one. The marker in the batch is for older records, so it is true in either
 * copy. */
#include "kernel/wal/wal_state.h"

static bool work_waits(const struct octo_wal *wal)
{
    const struct wal_flush *flush = &wal->flush;

    return flush->due.sequence > flush->marked || wal->tail.sent < wal->tail.used ||
           flush->submitted_index < wal->log.last;
}

bool octo_wal_flush_settled(const struct octo_wal *wal)
{
    return wal->flush.stage == WAL_FLUSH_IDLE && !work_waits(wal);
}

/* ---- Filling a batch ----------------------------------------------------------------------- */

static uint32_t room(const struct octo_wal *wal)
{
    return wal->config.flush_bytes_max - wal->flush.used;
}

static void put(struct octo_wal *wal, const struct octo_record *record)
{
    struct wal_flush *flush = &wal->flush;

    octo_assert(octo_record_bytes(record->size) <= room(wal));
    flush->used += octo_record_encode(flush->buffer + flush->used, record,
                                      wal_record_seed(wal, flush->append_offset + flush->used));
}

static void put_marker(struct octo_wal *wal)
{
    struct wal_flush *flush = &wal->flush;

    put(wal, &(struct octo_record){
                 .type = OCTO_RECORD_MARKER,
                 .sequence = flush->due.sequence,
                 .index = flush->due.index,
                 .term = flush->due.term,
                 .chain = flush->due.chain,
             });
    flush->marker = flush->due.sequence;
}

/* As many of the waiting entries as fit. */
static uint32_t put_entries(struct octo_wal *wal)
{
    struct wal_flush *flush = &wal->flush;
    struct octo_entry entry;
    uint32_t count = 0;

    while (octo_log_entry(&wal->log, flush->submitted_index + 1, &entry) &&
           octo_record_bytes(entry.size) <= room(wal)) {
        const octo_sequence sequence = octo_log_sequence(&wal->log, entry.index);
        octo_assert(sequence == flush->submitted + 1); /* F2 */
        put(wal, &(struct octo_record){
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
        flush->submitted = sequence;
        flush->submitted_index = entry.index;
        flush->last = (struct wal_position){sequence, entry.index, entry.term, entry.chain};
        count++;
    }
    return count;
}

/* As many of the recovered tail's records as fit, verbatim (recovery.c says why). */
static void put_tail(struct octo_wal *wal)
{
    struct wal_flush *flush = &wal->flush;
    struct wal_tail *tail = &wal->tail;
    struct octo_record record;

    while (tail->sent < tail->used) {
        octo_record_view(tail->bytes + tail->sent, &record);
        if (octo_record_bytes(record.size) > room(wal))
            break;
        put(wal, &record);
        tail->sent += (uint32_t)octo_record_bytes(record.size);
        const struct octo_entry entry = octo_record_entry(&record);
        flush->last = (struct wal_position){record.sequence, entry.index, entry.term, entry.chain};
    }
}

static void batch_fill(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_flush *flush = &wal->flush;

    flush->used = 0;
    flush->marker = 0;
    flush->last = (struct wal_position){0};
    if (flush->due.sequence > flush->marked)
        put_marker(wal);
    if (wal->tail.sent < wal->tail.used)
        put_tail(wal);
    else if (put_entries(wal) > 1)
        octo_step_mark(step, OCTO_MARK_GROUP_COMMIT);
    octo_assert(flush->used > 0);
    flush->bytes = (uint32_t)octo_align_up(flush->used, wal->config.sector_bytes);
    octo_assert(flush->bytes <= wal->config.flush_bytes_max);
    memset(flush->buffer + flush->used, 0, flush->bytes - flush->used);
    flush->stage = WAL_FLUSH_WRITE;
    flush->not_before = step->now;
}

/* The batch in the buffer goes to another offset than it was filled for. */
static void batch_move(struct octo_wal *wal)
{
    struct wal_flush *flush = &wal->flush;

    for (uint32_t at = 0; at < flush->used;) {
        struct octo_record record;
        octo_record_view(flush->buffer + at, &record);
        octo_record_stamp(flush->buffer + at, wal_record_seed(wal, flush->append_offset + at));
        at += (uint32_t)octo_record_bytes(record.size);
    }
}

/* ---- Disk operations ----------------------------------------------------------------------- */

static void submit(struct octo_wal *wal, struct octo_step *step, enum octo_disk_kind kind)
{
    struct wal_flush *flush = &wal->flush;

    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        struct octo_disk_op op = {
            .kind = (uint8_t)kind,
            .file = {.kind = (uint8_t)wal_topic_file(topic)},
        };
        if (kind == OCTO_DISK_WRITE) {
            op.offset = flush->append_offset;
            op.length = flush->bytes;
            op.data = flush->buffer;
        }
        flush->ops[topic] = octo_wal_submit(wal, step, op);
    }
    flush->failed = false;
}

void octo_wal_flush_drive(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_flush *flush = &wal->flush;

    if (flush->stage == WAL_FLUSH_IDLE && work_waits(wal))
        batch_fill(wal, step);
    if (flush->stage == WAL_FLUSH_WRITE) {
        if (step->now < flush->not_before) {
            octo_step_deadline(step, flush->not_before);
            return;
        }
        submit(wal, step, OCTO_DISK_WRITE);
        flush->append_offset += flush->bytes; /* F3, whatever becomes of the write */
        flush->stage = WAL_FLUSH_WRITING;
    } else if (flush->stage == WAL_FLUSH_SYNC) {
        submit(wal, step, OCTO_DISK_SYNC);
        flush->stage = WAL_FLUSH_SYNCING;
    }
}

static void flush_failed(struct octo_wal *wal, struct octo_step *step)
{
    octo_step_mark(step, OCTO_MARK_FLUSH_FAILED);
    batch_move(wal);
    wal->flush.stage = WAL_FLUSH_WRITE;
    wal->flush.not_before = step->now + wal->config.disk_retry_ns;
}

/* Moves `durable` up to what is marked. Sequences ascend with the index, so an entry that replaced
 * one of this flush has a higher one and stops the loop, whatever its index. */
static void durable_advance(struct octo_wal *wal)
{
    struct wal_flush *flush = &wal->flush;

    while (flush->durable < wal->log.last &&
           octo_log_sequence(&wal->log, flush->durable + 1) <= flush->marked)
        flush->durable++;
}

/* Both topics hold the batch durably. */
static void flush_done(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_flush *flush = &wal->flush;
    const struct wal_position *last = &flush->last;

    flush->stage = WAL_FLUSH_IDLE;
    if (last->sequence != 0) {
        flush->due = *last;
        if (wal->stage == OCTO_WAL_READY &&
            (last->index > wal->log.last ||
             octo_log_sequence(&wal->log, last->index) != last->sequence))
            octo_step_mark(step, OCTO_MARK_STALE_COMPLETION);
    }
    if (flush->marker != 0) {
        octo_assert(flush->marker > flush->marked);
        flush->marked = flush->marker;
        durable_advance(wal);
    }
}

void octo_wal_flush_completion(struct octo_wal *wal, struct octo_step *step, uint32_t topic,
                               const struct octo_event *event)
{
    struct wal_flush *flush = &wal->flush;
    const bool writing = flush->stage == WAL_FLUSH_WRITING;
    const enum octo_err err = writing ? octo_wal_result(event, flush->bytes) : event->disk.result;

    octo_assert(writing || flush->stage == WAL_FLUSH_SYNCING);
    flush->ops[topic] = 0;
    if (err != OCTO_ERR_OK) {
        flush->failed = true;
        octo_wal_refused(step, err, writing ? OCTO_DISK_WRITE : OCTO_DISK_SYNC,
                         wal_topic_file(topic));
    }
    if (flush->ops[topic ^ 1u] != 0)
        return;
    if (flush->failed)
        flush_failed(wal, step);
    else if (writing)
        flush->stage = WAL_FLUSH_SYNC;
    else
        flush_done(wal, step);
}

/* ---- Truncation and invariants ------------------------------------------------------------- */

void octo_wal_flush_truncate(struct octo_wal *wal, octo_index from)
{
    struct wal_flush *flush = &wal->flush;

    octo_assert(from >= 1);
    flush->submitted_index = octo_min_u64(flush->submitted_index, from - 1);
    flush->durable = octo_min_u64(flush->durable, from - 1);
}

void octo_wal_flush_check(const struct octo_wal *wal)
{
    const struct wal_flush *flush = &wal->flush;
    const struct octo_log *log = &wal->log;

    octo_assert(flush->durable <= flush->submitted_index);
    octo_assert(flush->submitted_index <= log->last);
    octo_assert(octo_log_sequence(log, flush->submitted_index) <= flush->submitted);
    octo_assert(octo_log_sequence(log, flush->durable) <= flush->marked);
    octo_assert(flush->marked <= flush->due.sequence);
    octo_assert(flush->due.sequence <= flush->submitted); /* F1 */
    octo_assert(flush->append_offset % wal->config.sector_bytes == 0);
    if (flush->submitted_index < log->last) /* F2 */
        octo_assert(octo_log_sequence(log, flush->submitted_index + 1) == flush->submitted + 1);
}
