/* Snapshots: memory, what the parts share, and the way of an event to the work that it is for. */
#include "kernel/snapshot/state.h"

/* One operation and its refusal, BEGUN, SAVED or INSTALLED, FAILED, NO_SPACE, and one to spare. */
#define ITEMS 8u

static size_t struct_bytes(void)
{
    return octo_align_up(sizeof(struct octo_snapshots), 64);
}

size_t octo_snapshots_bytes(const struct octo_config *config)
{
    return struct_bytes() + octo_block_work_bytes() + OCTO_BLOCK_RAW_MAX +
           octo_align_up(octo_snapshot_stored_bytes(config), 64);
}

static void *must_alloc(struct octo_arena *arena, size_t size)
{
    void *block = octo_arena_alloc(arena, size);

    octo_assert(block != NULL);
    return block;
}

struct octo_snapshots *octo_snapshots_init(const struct octo_config *config,
                                           const struct octo_snapshot_content *content,
                                           struct octo_arena *arena)
{
    struct octo_snapshots *snapshots = must_alloc(arena, sizeof *snapshots);

    memset(snapshots, 0, sizeof *snapshots);
    snapshots->config = config;
    snapshots->content = *content;
    snapshots->work_memory = must_alloc(arena, octo_block_work_bytes());
    snapshots->raw = must_alloc(arena, OCTO_BLOCK_RAW_MAX);
    snapshots->stored = must_alloc(arena, octo_snapshot_stored_bytes(config));
    return snapshots;
}

void octo_snapshots_limits(const struct octo_config *config, uint64_t *items)
{
    *items += ITEMS + config->node_count; /* a read for each peer */
}

/* ---- What the parts share ------------------------------------------------------------------ */

void octo_snapshot_submit(struct octo_snapshots *snapshots, struct octo_step *step,
                          struct octo_disk_op op)
{
    octo_assert(snapshots->op == 0);
    snapshots->op = octo_step_disk(step, &op);
}

bool octo_snapshot_retry(struct octo_snapshots *snapshots, struct octo_step *step)
{
    snapshots->retry_at = step->now + snapshots->config->disk_retry_ns;
    snapshots->failures++;
    if (snapshots->failures < OCTO_SNAPSHOT_FAILURES)
        return true;
    snapshots->failures = 0;
    return false;
}

void octo_snapshot_refused(struct octo_step *step, enum octo_err err, enum octo_disk_kind kind)
{
    if (err == OCTO_ERR_NO_SPACE) {
        octo_step_mark(step, OCTO_MARK_NO_SPACE);
        octo_step_trace(step, OCTO_TRACE_NO_SPACE, OCTO_FILE_SNAPSHOT, 0, 0, 0);
        return;
    }
    octo_step_trace(step, OCTO_TRACE_DISK_ERROR, (uint64_t) - (int64_t)err, kind,
                    OCTO_FILE_SNAPSHOT, 0);
}

void octo_snapshot_fail(struct octo_snapshots *snapshots, enum octo_err reason)
{
    octo_assert(reason != OCTO_ERR_OK);
    snapshots->stage = OCTO_SNAPSHOTS_FAILED;
    snapshots->reason = reason;
    octo_snapshot_work_set(snapshots, OCTO_SNAPSHOT_REST);
}

void octo_snapshot_work_set(struct octo_snapshots *snapshots, enum octo_snapshot_work work)
{
    snapshots->work = work;
    snapshots->retry_at = 0;
    snapshots->failures = 0;
}

void octo_snapshot_boot_set(struct octo_snapshots *snapshots, enum octo_snapshot_boot boot)
{
    snapshots->boot = boot;
    snapshots->retry_at = 0;
    snapshots->failures = 0;
}

/* ---- Events -------------------------------------------------------------------------------- */

bool octo_snapshots_completion(struct octo_snapshots *snapshots, struct octo_step *step,
                               const struct octo_event *event)
{
    octo_assert(event->kind == OCTO_EVENT_DISK);
    if (octo_snapshot_send_completion(snapshots, step, event))
        return true;
    if (snapshots->op == 0 || event->disk.id != snapshots->op)
        return false;
    snapshots->op = 0;
    if (snapshots->stage == OCTO_SNAPSHOTS_BOOTING)
        octo_snapshot_boot_completion(snapshots, step, event);
    else
        octo_snapshot_write_completion(snapshots, step, event);
    return true;
}

void octo_snapshots_drive(struct octo_snapshots *snapshots, struct octo_step *step)
{
    const bool booting = snapshots->stage == OCTO_SNAPSHOTS_BOOTING;

    snapshots->chunk_read = false; /* its bytes were those of the event */
    if (snapshots->work == OCTO_SNAPSHOT_REST && step->now < snapshots->again_at)
        octo_step_deadline(step, snapshots->again_at);
    if (snapshots->op != 0 || (snapshots->work == OCTO_SNAPSHOT_REST && !booting))
        return;
    if (step->now < snapshots->retry_at) {
        octo_step_deadline(step, snapshots->retry_at);
        return;
    }
    if (booting)
        octo_snapshot_boot_drive(snapshots, step);
    else
        octo_snapshot_write_drive(snapshots, step);
}

/* ---- Questions ----------------------------------------------------------------------------- */

enum octo_snapshots_stage octo_snapshots_stage(const struct octo_snapshots *snapshots)
{
    return snapshots->stage;
}

enum octo_err octo_snapshots_reason(const struct octo_snapshots *snapshots)
{
    return snapshots->reason;
}

const struct octo_snapshot_file *octo_snapshots_newest(const struct octo_snapshots *snapshots)
{
    return &snapshots->newest;
}

enum octo_snapshot_news octo_snapshots_news(struct octo_snapshots *snapshots)
{
    const enum octo_snapshot_news news = snapshots->news;

    snapshots->news = OCTO_SNAPSHOT_NO_NEWS;
    return news;
}

bool octo_snapshots_restoring(const struct octo_snapshots *snapshots)
{
    return snapshots->work == OCTO_SNAPSHOT_RESTORE;
}

bool octo_snapshots_freezes(const struct octo_snapshots *snapshots)
{
    const struct octo_snapshot_job *job = &snapshots->job;

    return octo_snapshots_restoring(snapshots) ||
           (job->active && job->leader == 0 && !job->complete);
}

void octo_snapshots_check(const struct octo_snapshots *snapshots)
{
    const struct octo_snapshot_job *job = &snapshots->job;

    octo_assert(snapshots->newest.number <= snapshots->number_max);
    octo_assert((snapshots->newest.number == 0) == (snapshots->newest.position.index == 0));
    octo_assert(snapshots->op == 0 || snapshots->work != OCTO_SNAPSHOT_REST ||
                snapshots->stage != OCTO_SNAPSHOTS_READY);
    octo_assert(job->pending <= octo_snapshot_stored_bytes(snapshots->config));
    octo_assert(!job->active || job->number <= snapshots->number_max);
    octo_assert(!job->active || job->number > snapshots->newest.number ||
                snapshots->work == OCTO_SNAPSHOT_RESTORE);
    octo_assert(!snapshots->spare_allocated || snapshots->spare);
}
