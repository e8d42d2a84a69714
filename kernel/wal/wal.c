/* The durable log's calls: wal.h says what they promise, wal_state.h which file keeps what. */
#include "kernel/wal/wal_state.h"

/* ---- Memory -------------------------------------------------------------------------------- */

static size_t rounded(size_t bytes)
{
    return octo_align_up(bytes, 64);
}

static size_t lacking_bytes(const struct octo_config *config)
{
    return config->read_bytes / config->sector_bytes;
}

size_t octo_wal_bytes(const struct octo_config *config)
{
    return rounded(sizeof(struct octo_wal)) + octo_log_bytes(config) +
           rounded(config->sector_bytes) +                               /* identity */
           rounded(OCTO_VOTE_SLOTS * config->sector_bytes) +             /* vote */
           config->batches_max * rounded(config->flush_bytes_max) +      /* batches */
           rounded(wal_files_max(config) * sizeof(struct wal_segment)) + /* segments */
           rounded(wal_files_max(config) * sizeof(uint32_t)) +           /* old ones */
           rounded(lacking_bytes(config)) +                              /* scan */
           WAL_TOPICS * rounded(config->read_bytes);                     /* likewise */
}

static uint8_t *buffer_take(struct octo_arena *arena, size_t bytes)
{
    uint8_t *buffer = octo_arena_alloc(arena, rounded(bytes));

    octo_assert(buffer != NULL);
    return buffer;
}

struct octo_wal *octo_wal_init(const struct octo_config *config, struct octo_arena *arena)
{
    struct octo_wal *wal = octo_arena_alloc(arena, rounded(sizeof *wal));

    octo_assert(wal != NULL);
    memset(wal, 0, sizeof *wal);
    wal->config = *config;
    octo_log_init(&wal->log, config, arena);
    wal->boot.identity = buffer_take(arena, config->sector_bytes);
    wal->votes.buffer = buffer_take(arena, OCTO_VOTE_SLOTS * config->sector_bytes);
    wal->flush.places = config->batches_max;
    for (uint32_t i = 0; i < config->batches_max; i++)
        wal->flush.batches[i].buffer = buffer_take(arena, config->flush_bytes_max);
    wal->segments.items =
        (void *)buffer_take(arena, wal_files_max(config) * sizeof(struct wal_segment));
    wal->segments.old = (void *)buffer_take(arena, wal_files_max(config) * sizeof(uint32_t));
    wal->scan.lacking = buffer_take(arena, lacking_bytes(config));
    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++)
        wal->scan.buffers[topic] = buffer_take(arena, config->read_bytes);
    return wal;
}

/* ---- Events -------------------------------------------------------------------------------- */

void octo_wal_refused(struct octo_step *step, enum octo_err err, enum octo_disk_kind operation,
                      enum octo_file_kind file)
{
    octo_step_trace(step, OCTO_TRACE_DISK_ERROR, (uint64_t) - (int64_t)err, (uint64_t)operation,
                    (uint64_t)file, 0);
}

enum octo_err octo_wal_result(const struct octo_event *event, uint32_t length)
{
    if (event->disk.result == OCTO_ERR_OK && event->disk.length != length)
        return OCTO_ERR_IO;
    return event->disk.result;
}

void octo_wal_fail(struct octo_wal *wal, enum octo_err reason)
{
    octo_assert(reason != OCTO_ERR_OK);
    if (wal->stage == OCTO_WAL_FAILED)
        return;
    wal->stage = OCTO_WAL_FAILED;
    wal->reason = reason;
}

/* Gives the completion to whoever waits for it; false if nobody does. */
static bool completion_route(struct octo_wal *wal, struct octo_step *step,
                             const struct octo_event *event)
{
    const uint64_t id = event->disk.id;

    if (id == 0)
        return false;
    if (octo_wal_flush_completion(wal, step, event))
        return true;
    for (uint32_t i = 0; i < WAL_TOPICS; i++) {
        if (id == wal->readers[i].op) {
            octo_wal_reader_completion(step, &wal->readers[i], event);
            return true;
        }
    }
    if (id == wal->votes.op)
        octo_wal_votes_completion(wal, step, event);
    else if (id == wal->segments.prepare.op)
        octo_wal_segments_completion(wal, step, event);
    else if (id == wal->boot.op)
        octo_wal_boot_completion(wal, step, event);
    else if (id == wal->scan.repair.op)
        octo_wal_scan_completion(wal, step, event);
    else
        return false;
    return true;
}

static void compact_trace(const struct octo_wal *wal, struct octo_step *step, uint32_t segments)
{
    octo_step_trace(step, OCTO_TRACE_COMPACT, wal->log.base.index, wal->log.base.term, segments, 0);
}

/* Drops the entries up to `keep`; false if there are none to drop. What is not durable yet is still
 * to be written from memory, and goes when it is: a log that filled up while its disk stood still
 * takes no entries, so no snapshot may ever come to say it again. */
static bool log_drop(struct octo_wal *wal)
{
    const octo_index index = octo_min_u64(wal->keep, wal->flush.durable);

    if (index <= wal->log.base.index)
        return false;
    octo_log_compact(&wal->log, index);
    return true;
}

bool octo_wal_completion(struct octo_wal *wal, struct octo_step *step,
                         const struct octo_event *event)
{
    octo_assert(event->kind == OCTO_EVENT_DISK);
    if (wal->stage == OCTO_WAL_FAILED || !completion_route(wal, step, event))
        return false;
    if (wal->stage == OCTO_WAL_OPENING || wal->stage == OCTO_WAL_RECOVERING)
        octo_wal_boot_advance(wal, step);
    if (wal->stage == OCTO_WAL_READY && log_drop(wal))
        compact_trace(wal, step, octo_wal_reclaim(wal));
    octo_wal_check(wal);
    return true;
}

void octo_wal_flush(struct octo_wal *wal, struct octo_step *step)
{
    if (wal->stage == OCTO_WAL_IDLE || wal->stage == OCTO_WAL_FAILED)
        return;
    if (wal->stage != OCTO_WAL_READY) {
        for (uint32_t i = 0; i < WAL_TOPICS; i++)
            octo_wal_reader_drive(step, &wal->readers[i]);
        octo_wal_boot_drive(wal, step);
        octo_wal_scan_drive(wal, step);
    }
    octo_wal_votes_drive(wal, step);
    if (wal->boot.stage >= WAL_BOOT_TAIL) { /* before that the log in memory is half of itself */
        octo_wal_flush_drive(wal, step);
        octo_wal_segments_drive(wal, step);
    }
}

/* ---- The log ------------------------------------------------------------------------------- */

enum octo_err octo_wal_append(struct octo_wal *wal, const struct octo_entry *entry)
{
    struct octo_log *log = &wal->log;

    octo_assert(wal->stage == OCTO_WAL_READY);
    octo_wal_fetched_drop(wal); /* a leader's word comes first */
    octo_assert(entry->index > log->base.index);
    octo_assert(entry->index <= log->last + 1);
    if (entry->size > wal->config.command_bytes_max || !octo_log_fits(log, entry))
        return OCTO_ERR_FULL;
    if (entry->index <= log->last) {
        octo_wal_flush_truncate(wal, entry->index);
        octo_log_truncate(log, entry->index);
    }
    const enum octo_err err = octo_log_append(log, entry, 0);
    octo_assert(err == OCTO_ERR_OK);
    octo_wal_flush_check(wal);
    return OCTO_ERR_OK;
}

bool octo_wal_space(const struct octo_wal *wal, uint32_t size)
{
    if (!wal->segments.no_space && wal->segments.live + WAL_SPARES < wal->config.segments_max)
        return true;
    uint64_t bytes = octo_record_bytes(size);
    struct octo_entry entry;
    for (octo_index i = wal->flush.submitted_index + 1; octo_log_entry(&wal->log, i, &entry); i++)
        bytes += octo_record_bytes(entry.size);
    return bytes + wal->config.sector_bytes <= octo_wal_segments_room(wal);
}

/* Segments are needed from the one on that holds the first live entry above the snapshot; and what
 * the newest marker speaks of must be there after a crash, or be seen to be replaced. */
static octo_sequence covered_by(const struct octo_wal *wal, octo_index snapshot)
{
    const struct octo_log *log = &wal->log;
    octo_sequence needed = wal->flush.submitted + 1;

    if (wal->flush.base_awaited != 0)
        return 0;
    if (snapshot < log->last && octo_log_sequence(log, snapshot + 1) != 0)
        needed = octo_log_sequence(log, snapshot + 1);
    if (wal->flush.replaced != 0)
        needed = octo_min_u64(needed, wal->flush.replaced_first);
    return needed - 1;
}

bool octo_wal_pressed(const struct octo_wal *wal, octo_index index)
{
    if (!wal->segments.no_space && 2 * wal->segments.live <= wal->config.segments_max)
        return false;
    return octo_wal_segments_covered(wal, covered_by(wal, index)) > 0;
}

const struct octo_log *octo_wal_log(const struct octo_wal *wal)
{
    return &wal->log;
}

/* While the log does not say that it goes on from the snapshot which replaced it, all rests on that
 * snapshot alone: were it lost, nothing would tell. */
octo_index octo_wal_durable(const struct octo_wal *wal)
{
    return wal->flush.base_awaited != 0 ? 0 : wal->flush.durable;
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

uint32_t octo_wal_reclaim(struct octo_wal *wal)
{
    return octo_wal_segments_reclaim(wal, covered_by(wal, wal->snapshot));
}

void octo_wal_compact(struct octo_wal *wal, struct octo_step *step, octo_index snapshot,
                      octo_index keep)
{
    octo_assert(wal->stage == OCTO_WAL_READY);
    octo_assert(octo_log_has(&wal->log, snapshot));
    octo_assert(keep <= snapshot);
    wal->snapshot = octo_max_u64(wal->snapshot, snapshot);
    wal->keep = octo_max_u64(wal->keep, keep);
    (void)log_drop(wal);
    compact_trace(wal, step, octo_wal_reclaim(wal));
}

void octo_wal_install(struct octo_wal *wal, struct octo_step *step,
                      const struct octo_position *snapshot)
{
    struct octo_log *log = &wal->log;
    struct wal_flush *flush = &wal->flush;

    octo_assert(wal->stage == OCTO_WAL_READY);
    octo_wal_fetched_drop(wal);
    octo_assert(snapshot->index >= log->base.index);
    if (octo_log_has(log, snapshot->index) &&
        octo_log_chain(log, snapshot->index) == snapshot->chain) {
        octo_wal_compact(wal, step, snapshot->index, snapshot->index);
        return;
    }
    octo_log_reset(log, snapshot);
    flush->submitted_index = log->last;
    flush->durable = log->last;
    flush->replaced = 0;
    flush->base_due = true;
    flush->base_awaited = OCTO_NEVER;
    flush->base_sequence = 0;
    flush->base_at = *snapshot;
    wal->snapshot = snapshot->index;
    compact_trace(wal, step, octo_wal_reclaim(wal));
    octo_wal_flush_check(wal);
}

/* ---- Loss ------------------------------------------------------------------------------------ */

bool octo_wal_ahead(const struct octo_position *a, const struct octo_position *b)
{
    return a->term > b->term || (a->term == b->term && a->index > b->index);
}

octo_index octo_wal_last(const struct octo_wal *wal)
{
    return wal->unproven != 0 ? wal->unproven - 1 : wal->log.last;
}

bool octo_wal_floor(const struct octo_wal *wal, struct octo_position *floor)
{
    *floor = wal->floor;
    if (wal->floor.index == 0)
        return false;
    const struct octo_position end = octo_log_position(&wal->log, octo_wal_last(wal));
    return octo_wal_ahead(&wal->floor, &end);
}

struct octo_position octo_wal_vote_position(const struct octo_wal *wal)
{
    struct octo_position floor;

    return octo_wal_floor(wal, &floor) ? floor : octo_log_position(&wal->log, octo_wal_last(wal));
}

void octo_wal_fetched_drop(struct octo_wal *wal)
{
    if (wal->unproven != 0)
        octo_log_truncate(&wal->log, wal->unproven);
    wal->unproven = 0;
}

enum octo_err octo_wal_fetched(struct octo_wal *wal, const struct octo_entry *entry)
{
    const struct octo_position *floor = &wal->floor;

    octo_assert(wal->stage == OCTO_WAL_READY);
    octo_assert(entry->index == wal->log.last + 1);
    if (entry->index > floor->index || floor->chain == 0)
        return OCTO_ERR_RANGE;
    if (entry->size > wal->config.command_bytes_max ||
        octo_log_append(&wal->log, entry, 0) != OCTO_ERR_OK)
        return OCTO_ERR_FULL;
    if (wal->unproven == 0)
        wal->unproven = entry->index;
    if (entry->index < floor->index)
        return OCTO_ERR_OK;
    if (octo_log_chain(&wal->log, entry->index) != floor->chain) {
        octo_wal_fetched_drop(wal);
        return OCTO_ERR_RANGE;
    }
    wal->unproven = 0;
    return OCTO_ERR_OK;
}

/* ---- Term and vote ------------------------------------------------------------------------- */

void octo_wal_set_vote(struct octo_wal *wal, octo_term term, octo_node_id vote)
{
    struct wal_votes *votes = &wal->votes;

    octo_assert(wal->stage == OCTO_WAL_READY);
    octo_assert(term >= votes->term);
    octo_assert(term > votes->term || votes->vote == 0 || votes->vote == vote);
    votes->term = term;
    votes->vote = vote;
}

octo_term octo_wal_term(const struct octo_wal *wal)
{
    return wal->votes.term;
}

octo_node_id octo_wal_vote(const struct octo_wal *wal)
{
    return wal->votes.vote;
}

bool octo_wal_vote_saved(const struct octo_wal *wal)
{
    return octo_wal_votes_are_saved(wal);
}

/* ---- State --------------------------------------------------------------------------------- */

enum octo_wal_stage octo_wal_stage(const struct octo_wal *wal)
{
    return wal->stage;
}

enum octo_err octo_wal_reason(const struct octo_wal *wal)
{
    return wal->reason;
}

void octo_wal_check(const struct octo_wal *wal)
{
    octo_assert(wal->log.last - wal->log.base.index <= wal->log.entries_max);
    octo_assert((wal->stage == OCTO_WAL_FAILED) == (wal->reason != OCTO_ERR_OK));
    octo_assert(wal->stage != OCTO_WAL_READY || wal->boot.stage == WAL_BOOT_DONE);
    octo_wal_votes_check(wal);
    if (wal->stage != OCTO_WAL_FAILED && wal->boot.stage >= WAL_BOOT_TAIL)
        octo_wal_flush_check(wal);
}
