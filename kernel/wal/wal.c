/* The durable log's calls: wal.h says what they promise, wal_state.h which file keeps what. */
#include "kernel/wal/wal_state.h"

/* ---- Memory -------------------------------------------------------------------------------- */

static size_t rounded(size_t bytes)
{
    return octo_align_up(bytes, 64);
}

size_t octo_wal_bytes(const struct octo_config *config)
{
    return rounded(sizeof(struct octo_wal)) + octo_log_bytes(config) +
           rounded(config->sector_bytes) +                   /* identity */
           rounded(OCTO_VOTE_SLOTS * config->sector_bytes) + /* vote */
           rounded(config->flush_bytes_max) +                /* batch */
           rounded(octo_wal_tail_bytes(config)) +            /* tail */
           WAL_TOPICS * rounded(config->read_bytes);         /* scan */
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
    wal->flush.buffer = buffer_take(arena, config->flush_bytes_max);
    wal->tail.bytes = buffer_take(arena, octo_wal_tail_bytes(config));
    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++)
        wal->scan.buffers[topic] = buffer_take(arena, config->read_bytes);
    return wal;
}

/* ---- Events -------------------------------------------------------------------------------- */

uint64_t octo_wal_submit(struct octo_wal *wal, struct octo_step *step, struct octo_disk_op op)
{
    (void)wal;
    return octo_step_disk(step, &op);
}

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
    for (uint32_t i = 0; i < WAL_TOPICS; i++) {
        if (id == wal->readers[i].op) {
            octo_wal_reader_completion(wal, step, &wal->readers[i], event);
            return true;
        }
        if (id == wal->flush.ops[i]) {
            octo_wal_flush_completion(wal, step, i, event);
            return true;
        }
    }
    if (id == wal->votes.op)
        octo_wal_votes_completion(wal, step, event);
    else if (id == wal->boot.op)
        octo_wal_boot_completion(wal, step, event);
    else
        return false;
    return true;
}

void octo_wal_completion(struct octo_wal *wal, struct octo_step *step,
                         const struct octo_event *event)
{
    octo_assert(event->kind == OCTO_EVENT_DISK);
    if (wal->stage == OCTO_WAL_FAILED || !completion_route(wal, step, event)) {
        wal->ignored++;
        return;
    }
    if (wal->stage == OCTO_WAL_RECOVERING)
        octo_wal_boot_advance(wal, step);
    octo_wal_check(wal);
}

void octo_wal_flush(struct octo_wal *wal, struct octo_step *step)
{
    if (wal->stage != OCTO_WAL_RECOVERING && wal->stage != OCTO_WAL_READY)
        return;
    for (uint32_t i = 0; i < WAL_TOPICS; i++)
        octo_wal_reader_drive(wal, step, &wal->readers[i]);
    octo_wal_boot_drive(wal, step);
    octo_wal_votes_drive(wal, step);
    if (wal->boot.stage >= WAL_BOOT_TAIL) /* before that the log in memory is half of itself */
        octo_wal_flush_drive(wal, step);
}

/* ---- The log ------------------------------------------------------------------------------- */

/* Whether entry fits into the log, cut to just before it, and into a batch beside a marker. */
static bool entry_fits(const struct octo_wal *wal, const struct octo_entry *entry)
{
    const struct octo_log *log = &wal->log;
    const uint32_t used =
        entry->index <= log->last ? log->slots[entry->index - 1].offset : log->bytes_used;

    if (entry->size > wal->config.command_bytes_max)
        return false;
    return entry->index <= log->entries_max && entry->size <= log->bytes_max - used;
}

enum octo_err octo_wal_append(struct octo_wal *wal, const struct octo_entry *entry)
{
    struct octo_log *log = &wal->log;

    octo_assert(wal->stage == OCTO_WAL_READY);
    octo_assert(entry->index >= 1);
    octo_assert(entry->index <= log->last + 1);
    if (!entry_fits(wal, entry))
        return OCTO_ERR_FULL;
    if (entry->index <= log->last) {
        octo_wal_flush_truncate(wal, entry->index);
        octo_log_truncate(log, entry->index);
    }
    /* What was never put into a batch has given its sequence back (flush.c, F2). */
    const octo_sequence newest =
        octo_max_u64(wal->flush.submitted, octo_log_sequence(log, log->last));
    const enum octo_err err = octo_log_append(log, entry, newest + 1);
    octo_assert(err == OCTO_ERR_OK);
    octo_wal_flush_check(wal);
    return OCTO_ERR_OK;
}

const struct octo_log *octo_wal_log(const struct octo_wal *wal)
{
    return &wal->log;
}

octo_index octo_wal_durable(const struct octo_wal *wal)
{
    return wal->flush.durable;
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
    octo_assert(wal->log.last <= wal->log.entries_max);
    octo_assert(wal->log.bytes_used <= wal->log.bytes_max);
    octo_assert((wal->stage == OCTO_WAL_FAILED) == (wal->reason != OCTO_ERR_OK));
    octo_assert(wal->stage != OCTO_WAL_READY || wal->boot.stage == WAL_BOOT_DONE);
    octo_wal_votes_check(wal);
    if (wal->stage != OCTO_WAL_FAILED && wal->boot.stage >= WAL_BOOT_TAIL)
        octo_wal_flush_check(wal);
}
