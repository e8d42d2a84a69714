/* Group commit: batches on their way, and what becomes of them when the disk fails.
 *
 * A batch is written to the same place of both topics. In each topic one sync is under way at a
 * time, and it covers the batches whose writes had returned when it was submitted (K4). A batch is
 * done when both topics have it durably and all before it are done: its entries are then *due* a
 * marker, and the marker that it carried is durable. A new batch is begun while others are on their
 * way only when their writes have all returned: so at any time one batch is being written while
 * those before it are being synced, and what is appended meanwhile gathers for the next.
 *
 *   F1  A marker is never for more than is durable in both topics.
 *   F2  Records reach the disk in the order of their sequences. An entry gets its sequence when it
 *       is put into a batch, and keeps it wherever that batch is written.
 *   F3  A batch begins on a sector that was never submitted before, in either topic.
 *   F4  All batches on their way lie in one segment.
 *
 * Failures (K8). When any operation fails, the others are waited for (they still use the buffers);
 * then every batch that is not done is written again as a whole, to both topics, in order, further
 * on: same records, same sequences, also of entries truncated meanwhile, with checksums for the new
 * place. What was written before is never counted, whatever becomes of it; a copy of it that can be
 * read later is equal to the new one. The marker in a batch is for older records, so it is true in
 * either copy. */
#include "kernel/wal/wal_state.h"

/* The ring has WAL_BATCHES_MAX places, of which the first batches_max are used. */
static struct wal_batch *batch_at(struct wal_flush *flush, uint32_t number)
{
    return &flush->batches[(flush->first + number) % flush->places];
}

bool octo_wal_flush_settled(const struct octo_wal *wal)
{
    return wal->flush.count == 0 && !octo_wal_fill_waits(wal);
}

/* ---- Disk operations ----------------------------------------------------------------------- */

static void batch_write(struct octo_wal *wal, struct octo_step *step, struct wal_batch *batch)
{
    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        const struct octo_disk_op op = {
            .kind = OCTO_DISK_WRITE,
            .file = wal_topic_file(topic, wal_segment_current(wal)->number),
            .offset = (uint32_t)batch->place,
            .length = batch->bytes,
            .data = batch->buffer,
        };
        batch->ops[topic] = octo_step_disk(step, &op);
    }
    batch->stage = WAL_BATCH_WRITING;
}

/* Writes what is filled; false if some of it has to wait. */
static bool batches_write(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_flush *flush = &wal->flush;

    for (uint32_t i = 0; i < flush->count; i++) {
        struct wal_batch *batch = batch_at(flush, i);
        if (batch->stage != WAL_BATCH_FILLED)
            continue;
        if (step->now < flush->not_before) {
            octo_step_deadline(step, flush->not_before);
            return false;
        }
        if (!batch->placed && !octo_wal_fill_move(wal, step, batch, i == 0))
            return false;
        batch_write(wal, step, batch);
    }
    return true;
}

/* The batches that a sync of the topic, submitted now, would cover and that need one. */
static uint32_t cover_of(struct wal_flush *flush, uint32_t topic)
{
    uint32_t cover = 0;

    for (uint32_t i = 0; i < flush->count; i++) {
        const struct wal_batch *batch = batch_at(flush, i);
        if ((batch->written & ~batch->synced & 1u << topic) != 0)
            cover |= 1u << (flush->first + i) % flush->places;
    }
    return cover;
}

static void topics_sync(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_flush *flush = &wal->flush;

    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        struct wal_sync *sync = &flush->syncs[topic];
        if (sync->op != 0)
            continue;
        sync->cover = cover_of(flush, topic);
        if (sync->cover == 0)
            continue;
        const struct octo_disk_op op = {
            .kind = OCTO_DISK_SYNC,
            .file = wal_topic_file(topic, wal_segment_current(wal)->number),
        };
        sync->op = octo_step_disk(step, &op);
    }
}

/* Whether every batch's writes have returned: another may be begun. */
static bool all_written(struct wal_flush *flush)
{
    for (uint32_t i = 0; i < flush->count; i++) {
        if (batch_at(flush, i)->written != WAL_BOTH)
            return false;
    }
    return true;
}

void octo_wal_flush_drive(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_flush *flush = &wal->flush;

    if (flush->failed)
        return;
    if (flush->count < flush->places && octo_wal_fill_waits(wal) && all_written(flush) &&
        octo_wal_fill(wal, step, batch_at(flush, flush->count))) {
        if (flush->count > 0)
            octo_step_mark(step, OCTO_MARK_PIPELINED);
        flush->count++;
    }
    (void)batches_write(wal, step);
    topics_sync(wal, step);
}

/* ---- Completions ----------------------------------------------------------------------------- */

/* Moves `durable` up to what is marked. Sequences ascend with the index, so an entry that replaced
 * one of a batch has a higher one, or none yet, and stops the loop, whatever its index. */
static void durable_advance(struct octo_wal *wal)
{
    struct wal_flush *flush = &wal->flush;
    const octo_sequence most = wal->config.marker_lazy ? flush->due.sequence : flush->marked;

    while (flush->durable < flush->submitted_index &&
           octo_log_sequence(&wal->log, flush->durable + 1) <= most)
        flush->durable++;
    if (flush->durable >= flush->replaced)
        flush->replaced = 0;
}

static void batch_done(struct octo_wal *wal, struct octo_step *step, const struct wal_batch *batch)
{
    struct wal_flush *flush = &wal->flush;
    const struct wal_mark *last = &batch->last;

    if (last->sequence > flush->due.sequence)
        flush->due = *last;
    if (flush->due.sequence >= flush->base_awaited)
        flush->base_awaited = 0;
    if (last->sequence != 0 && wal->stage == OCTO_WAL_READY &&
        last->at.index > wal->log.base.index &&
        (!octo_log_has(&wal->log, last->at.index) ||
         octo_log_sequence(&wal->log, last->at.index) != last->sequence))
        octo_step_mark(step, OCTO_MARK_STALE_COMPLETION);
    if (batch->has_marker) {
        octo_assert(batch->marker >= flush->marked);
        flush->marked = batch->marker;
        if (flush->marked_in != (uint32_t)(batch->place >> 32)) {
            flush->marked_in = (uint32_t)(batch->place >> 32);
            if (wal->stage == OCTO_WAL_READY) /* segments may have waited for it */
                (void)octo_wal_reclaim(wal);
        }
        if (wal->floor.index != 0 && batch->floor.index == 0) { /* and it says so for good */
            octo_step_mark(step, OCTO_MARK_RECOVERED);
            octo_step_trace(step, OCTO_TRACE_RECOVERED, wal->log.last,
                            octo_log_term(&wal->log, wal->log.last), 0, 0);
            wal->floor = (struct octo_position){0};
        }
    }
    durable_advance(wal);
    if (batch->has_marker && wal->stage == OCTO_WAL_READY) /* segments before it may go now */
        (void)octo_wal_reclaim(wal);
}

static void done_take(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_flush *flush = &wal->flush;

    while (flush->count > 0 && batch_at(flush, 0)->synced == WAL_BOTH) {
        const struct wal_batch *batch = batch_at(flush, 0);
        flush->first = (flush->first + 1) % flush->places;
        flush->count--;
        batch_done(wal, step, batch);
    }
}

static bool idle(struct wal_flush *flush)
{
    for (uint32_t i = 0; i < flush->count; i++) {
        const struct wal_batch *batch = batch_at(flush, i);
        if (batch->ops[WAL_MAIN] != 0 || batch->ops[WAL_RECOVERY] != 0)
            return false;
    }
    return flush->syncs[WAL_MAIN].op == 0 && flush->syncs[WAL_RECOVERY].op == 0;
}

static void all_again(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_flush *flush = &wal->flush;

    octo_step_mark(step, OCTO_MARK_FLUSH_FAILED);
    flush->failed = false;
    flush->not_before = step->now + wal->config.disk_retry_ns;
    for (uint32_t i = 0; i < flush->count; i++) {
        struct wal_batch *batch = batch_at(flush, i);
        batch->stage = WAL_BATCH_FILLED;
        batch->placed = false;
        batch->written = 0;
        batch->synced = 0;
    }
}

static void operation_over(struct octo_wal *wal, struct octo_step *step, enum octo_err err,
                           enum octo_disk_kind operation, uint32_t topic)
{
    struct wal_flush *flush = &wal->flush;

    if (err != OCTO_ERR_OK) {
        flush->failed = true;
        octo_wal_refused(step, err, operation, (enum octo_file_kind)wal_topic_file(topic, 0).kind);
    }
    if (!flush->failed)
        done_take(wal, step);
    else if (idle(flush))
        all_again(wal, step);
}

static void write_over(struct octo_wal *wal, struct octo_step *step, struct wal_batch *batch,
                       uint32_t topic, const struct octo_event *event)
{
    const enum octo_err err = octo_wal_result(event, batch->bytes);

    batch->ops[topic] = 0;
    if (err == OCTO_ERR_OK)
        batch->written |= (uint8_t)(1u << topic);
    operation_over(wal, step, err, OCTO_DISK_WRITE, topic);
}

static void sync_over(struct octo_wal *wal, struct octo_step *step, uint32_t topic,
                      const struct octo_event *event)
{
    struct wal_flush *flush = &wal->flush;
    struct wal_sync *sync = &flush->syncs[topic];

    sync->op = 0;
    for (uint32_t i = 0; i < WAL_BATCHES_MAX && event->disk.result == OCTO_ERR_OK; i++) {
        if ((sync->cover & 1u << i) != 0)
            flush->batches[i].synced |= (uint8_t)(1u << topic);
    }
    operation_over(wal, step, event->disk.result, OCTO_DISK_SYNC, topic);
}

bool octo_wal_flush_completion(struct octo_wal *wal, struct octo_step *step,
                               const struct octo_event *event)
{
    struct wal_flush *flush = &wal->flush;
    const uint64_t id = event->disk.id;

    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        if (id == flush->syncs[topic].op) {
            sync_over(wal, step, topic, event);
            return true;
        }
        for (uint32_t i = 0; i < flush->count; i++) {
            struct wal_batch *batch = batch_at(flush, i);
            if (id == batch->ops[topic]) {
                write_over(wal, step, batch, topic, event);
                return true;
            }
        }
    }
    return false;
}

/* ---- Truncation and invariants ------------------------------------------------------------- */

void octo_wal_flush_truncate(struct octo_wal *wal, octo_index from)
{
    struct wal_flush *flush = &wal->flush;

    octo_assert(from >= 1);
    if (from <= flush->submitted_index) {
        const octo_sequence first = octo_log_sequence(&wal->log, from);
        flush->replaced_first =
            flush->replaced != 0 ? octo_min_u64(flush->replaced_first, first) : first;
        flush->replaced = from;
    }
    flush->submitted_index = octo_min_u64(flush->submitted_index, from - 1);
    flush->durable = octo_min_u64(flush->durable, from - 1);
}

void octo_wal_flush_check(const struct octo_wal *wal)
{
    const struct wal_flush *flush = &wal->flush;
    const struct octo_log *log = &wal->log;

    octo_assert(flush->count <= flush->places);
    octo_assert(log->base.index <= flush->durable);
    octo_assert(flush->durable <= flush->submitted_index);
    octo_assert(flush->submitted_index <= log->last);
    octo_assert(octo_log_sequence(log, flush->submitted_index) <= flush->submitted);
    octo_assert(wal->config.marker_lazy || octo_log_sequence(log, flush->durable) <= flush->marked);
    octo_assert(flush->marked <= flush->due.sequence);
    octo_assert(flush->due.sequence <= flush->submitted); /* F1 */
    octo_assert(flush->append_offset % wal->config.sector_bytes == 0);
}
