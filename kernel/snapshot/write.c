/* Writing a snapshot, taken or received: the spare, its blocks, and the way to its number. */
#include "kernel/snapshot/state.h"

#define RECYCLE_TRIES 3u
#define PAUSES        8u /* of disk_retry_ns after a failed attempt */

/* ---- Beginning ----------------------------------------------------------------------------- */

void octo_snapshot_prepare(struct octo_snapshots *snapshots)
{
    enum octo_snapshot_work work = OCTO_SNAPSHOT_REST;

    if (!snapshots->spare)
        work = OCTO_SNAPSHOT_CREATE;
    else if (!snapshots->spare_allocated)
        work = OCTO_SNAPSHOT_ALLOCATE;
    else if (snapshots->job.active)
        work = OCTO_SNAPSHOT_WRITE;
    octo_snapshot_work_set(snapshots, work);
}

static void job_begin(struct octo_snapshots *snapshots, struct octo_step *step,
                      const struct octo_position *position, octo_node_id leader)
{
    snapshots->number_max++;
    snapshots->job = (struct octo_snapshot_job){
        .active = true,
        .leader = leader,
        .number = snapshots->number_max,
        .position = *position,
        .heard_at = step->now,
    };
    octo_step_trace(step, OCTO_TRACE_SNAPSHOT_BEGUN, position->index, position->term,
                    snapshots->job.number, 0);
    /* The spare may be in the making. */
    if (snapshots->work != OCTO_SNAPSHOT_CREATE && snapshots->work != OCTO_SNAPSHOT_ALLOCATE)
        octo_snapshot_prepare(snapshots);
}

/* A reception that nobody goes on with must not keep others waiting. */
static bool reception_stale(const struct octo_snapshots *snapshots, octo_time_ns now)
{
    const struct octo_snapshot_job *job = &snapshots->job;

    return job->active && job->leader != 0 && !job->complete && job->pending == 0 &&
           snapshots->work == OCTO_SNAPSHOT_WRITE &&
           now - job->heard_at > 4 * snapshots->config->election_timeout_ns;
}

bool octo_snapshots_idle(const struct octo_snapshots *snapshots, octo_time_ns now)
{
    if (snapshots->stage != OCTO_SNAPSHOTS_READY || now < snapshots->again_at)
        return false;
    return snapshots->work == OCTO_SNAPSHOT_REST || reception_stale(snapshots, now);
}

void octo_snapshots_take(struct octo_snapshots *snapshots, struct octo_step *step,
                         const struct octo_position *position)
{
    octo_assert(octo_snapshots_idle(snapshots, step->now));
    octo_assert(
        position->index > snapshots->newest.position.index ||
        (position->index == snapshots->newest.position.index && octo_snapshots_doubted(snapshots)));
    octo_assert(step->effects->machine->snapshot != NULL);
    octo_assert(step->effects->machine->restore != NULL);
    job_begin(snapshots, step, position, 0);
    octo_snapshot_stream_begin(snapshots);
}

/* ---- Blocks -------------------------------------------------------------------------------- */

/* A block is one write, and one chunk at most. */
static uint32_t block_raw_bytes(const struct octo_config *config)
{
    const uint32_t room = (config->snapshot_chunk_bytes - OCTO_BLOCK_HEADER_BYTES) & ~7u;

    return (uint32_t)octo_min_u64(room, OCTO_BLOCK_RAW_MAX);
}

/* Makes the next block, the header before the first and the last one behind the last. */
static void block_make(struct octo_snapshots *snapshots, const struct octo_step *step)
{
    struct octo_snapshot_job *job = &snapshots->job;
    uint8_t *const at = snapshots->stored;
    uint32_t size;

    octo_assert(job->pending == 0);
    if (job->offset == 0) {
        const struct octo_snapshot_header header = {
            .position = job->position,
            .machine_version = step->effects->machine->version,
        };
        octo_snapshot_header_encode(at, snapshots->config->cluster_id, &header);
        job->seed = octo_snapshot_seed(at);
        job->pending = OCTO_SNAPSHOT_HEADER_BYTES;
    }
    job->complete = octo_snapshot_stream_read(snapshots, step, snapshots->raw,
                                              block_raw_bytes(snapshots->config), &size);
    if (size > 0)
        job->pending += octo_block_encode(at + job->pending, job->block++, snapshots->raw, size,
                                          job->seed, snapshots->work_memory);
    job->raw_bytes += size;
    if (job->complete)
        job->pending += octo_block_encode_last(at + job->pending, job->block, job->raw_bytes,
                                               octo_hash_end(&snapshots->hash), job->seed);
    octo_assert(job->pending <= octo_snapshot_stored_bytes(snapshots->config));
}

/* False: the next chunk has not come yet. */
static bool write_due(struct octo_snapshots *snapshots, const struct octo_step *step,
                      struct octo_disk_op *op)
{
    struct octo_snapshot_job *job = &snapshots->job;

    octo_assert(job->active);
    if (job->leader == 0)
        block_make(snapshots, step);
    if (job->pending == 0)
        return false;
    op->kind = OCTO_DISK_WRITE;
    op->offset = job->offset;
    op->length = job->pending;
    op->data = snapshots->stored;
    return true;
}

/* ---- Receiving ----------------------------------------------------------------------------- */

static bool receives(const struct octo_snapshots *snapshots, octo_node_id peer,
                     const struct octo_position *position)
{
    const struct octo_snapshot_job *job = &snapshots->job;

    return job->active && job->leader != 0 && job->leader == peer &&
           octo_position_equal(&job->position, position);
}

uint64_t octo_snapshots_wanted(const struct octo_snapshots *snapshots, octo_node_id peer,
                               const struct octo_position *position)
{
    return receives(snapshots, peer, position) ? snapshots->job.offset : 0;
}

/* The first chunk says what the file is. */
static enum octo_err first_check(const struct octo_snapshots *snapshots,
                                 const struct octo_step *step,
                                 const struct octo_snapshot_chunk *chunk)
{
    struct octo_snapshot_header header;

    if (chunk->size < OCTO_SNAPSHOT_HEADER_BYTES)
        return OCTO_ERR_MALFORMED;
    const enum octo_err err =
        octo_snapshot_header_decode(chunk->bytes, snapshots->config->cluster_id, &header);
    if (err != OCTO_ERR_OK)
        return err;
    if (!octo_position_equal(&header.position, &chunk->position))
        return OCTO_ERR_MALFORMED;
    return header.machine_version == step->effects->machine->version ? OCTO_ERR_OK
                                                                     : OCTO_ERR_VERSION;
}

/* Whether a reception may begin: nothing else goes on, but for the making of the spare and for a
 * reception that waits for its next chunk. */
static bool reception_begins(const struct octo_snapshots *snapshots, octo_time_ns now)
{
    const struct octo_snapshot_job *job = &snapshots->job;

    if (snapshots->stage != OCTO_SNAPSHOTS_READY || now < snapshots->again_at)
        return false;
    if (job->active)
        return job->leader != 0 && !job->complete && job->pending == 0 &&
               snapshots->work == OCTO_SNAPSHOT_WRITE;
    return snapshots->work == OCTO_SNAPSHOT_REST || snapshots->work == OCTO_SNAPSHOT_CREATE ||
           snapshots->work == OCTO_SNAPSHOT_ALLOCATE;
}

enum octo_err octo_snapshots_receive(struct octo_snapshots *snapshots, struct octo_step *step,
                                     const struct octo_snapshot_chunk *chunk)
{
    struct octo_snapshot_job *job = &snapshots->job;

    if (chunk->peer == 0 || chunk->size == 0 || chunk->position.index == 0 ||
        chunk->size > octo_snapshot_stored_bytes(snapshots->config))
        return OCTO_ERR_MALFORMED;
    if (step->effects->machine->restore == NULL)
        return OCTO_ERR_VERSION;
    if (chunk->offset == 0) {
        const enum octo_err err = first_check(snapshots, step, chunk);
        if (err != OCTO_ERR_OK)
            return err;
    }
    if (!receives(snapshots, chunk->peer, &chunk->position)) {
        if (chunk->offset != 0 || !reception_begins(snapshots, step->now))
            return OCTO_ERR_OK;
        job_begin(snapshots, step, &chunk->position, chunk->peer);
    }
    job->heard_at = step->now;
    if (job->complete || job->pending != 0 || chunk->offset != job->offset)
        return OCTO_ERR_OK;
    memcpy(snapshots->stored, chunk->bytes, chunk->size);
    job->pending = chunk->size;
    job->complete = chunk->last;
    return OCTO_ERR_OK;
}

/* ---- Operations ---------------------------------------------------------------------------- */

void octo_snapshot_write_drive(struct octo_snapshots *snapshots, struct octo_step *step)
{
    struct octo_disk_op op = {.file = octo_snapshot_name(OCTO_SNAPSHOT_SPARE)};

    switch (snapshots->work) {
    case OCTO_SNAPSHOT_CREATE:
        op.kind = OCTO_DISK_CREATE;
        break;
    case OCTO_SNAPSHOT_ALLOCATE:
        op.kind = OCTO_DISK_ALLOCATE;
        op.length = snapshots->config->snapshot_reserve_bytes;
        break;
    case OCTO_SNAPSHOT_WRITE:
        if (!write_due(snapshots, step, &op))
            return;
        break;
    case OCTO_SNAPSHOT_SYNC:
        op.kind = OCTO_DISK_SYNC;
        break;
    case OCTO_SNAPSHOT_VERIFY:
    case OCTO_SNAPSHOT_RESTORE:
        octo_snapshot_scan_drive(snapshots, step);
        return;
    case OCTO_SNAPSHOT_RENAME:
        if (!octo_step_directory_take(step, OCTO_DIRECTORY_SNAPSHOTS))
            return; /* whoever has it comes by here when it is done */
        op.kind = OCTO_DISK_RENAME;
        op.target = octo_snapshot_name(snapshots->job.number);
        break;
    case OCTO_SNAPSHOT_RENAME_SYNC:
        op.kind = OCTO_DISK_DIR_SYNC;
        op.file = (struct octo_file){.kind = OCTO_FILE_NONE};
        break;
    case OCTO_SNAPSHOT_RECYCLE:
        if (octo_snapshot_being_read(snapshots, snapshots->old))
            return; /* its completion comes by here again */
        op.kind = OCTO_DISK_RENAME;
        op.file = octo_snapshot_name(snapshots->old);
        op.target = octo_snapshot_name(OCTO_SNAPSHOT_SPARE);
        break;
    case OCTO_SNAPSHOT_DISCARD:
        op.kind = OCTO_DISK_UNLINK;
        op.file = octo_snapshot_name(snapshots->discard);
        break;
    case OCTO_SNAPSHOT_REST:
        break;
    }
    octo_assert(op.kind != OCTO_DISK_NONE);
    octo_snapshot_submit(snapshots, step, op);
}

/* ---- What follows -------------------------------------------------------------------------- */

/* Ends the attempt. */
static void job_fail(struct octo_snapshots *snapshots, struct octo_step *step, enum octo_err err)
{
    octo_step_mark(step, OCTO_MARK_SNAPSHOT_FAILED);
    octo_step_trace(step, OCTO_TRACE_SNAPSHOT_FAILED, snapshots->job.position.index,
                    (uint64_t) - (int64_t)err, snapshots->job.number, 0);
    snapshots->job.active = false;
    snapshots->again_at = step->now + PAUSES * snapshots->config->disk_retry_ns;
    octo_snapshot_work_set(snapshots, OCTO_SNAPSHOT_REST);
}

/* Likewise, and removes a file whose content or name is not to be trusted any more (K8). */
static void job_fail_discard(struct octo_snapshots *snapshots, struct octo_step *step,
                             enum octo_err err, uint32_t number)
{
    job_fail(snapshots, step, err);
    if (number == OCTO_SNAPSHOT_SPARE)
        snapshots->spare = snapshots->spare_allocated = false;
    snapshots->discard = number;
    octo_snapshot_work_set(snapshots, OCTO_SNAPSHOT_DISCARD);
}

static void created(struct octo_snapshots *snapshots, struct octo_step *step, enum octo_err err)
{
    if (err == OCTO_ERR_OK) {
        snapshots->spare = true;
        octo_snapshot_prepare(snapshots);
        return;
    }
    octo_snapshot_refused(step, err, OCTO_DISK_CREATE);
    if (snapshots->job.active)
        job_fail(snapshots, step, err);
    else
        octo_snapshot_work_set(snapshots, OCTO_SNAPSHOT_REST); /* tried again by who needs it */
}

/* Without space in reserve a snapshot may fit all the same. */
static void allocated(struct octo_snapshots *snapshots, struct octo_step *step, enum octo_err err)
{
    snapshots->spare_allocated = err == OCTO_ERR_OK;
    if (err != OCTO_ERR_OK)
        octo_snapshot_refused(step, err, OCTO_DISK_ALLOCATE);
    octo_snapshot_work_set(snapshots,
                           snapshots->job.active ? OCTO_SNAPSHOT_WRITE : OCTO_SNAPSHOT_REST);
}

static void written(struct octo_snapshots *snapshots, struct octo_step *step,
                    const struct octo_event *event)
{
    struct octo_snapshot_job *job = &snapshots->job;
    enum octo_err err = event->disk.result;

    if (err == OCTO_ERR_OK && event->disk.length != job->pending)
        err = OCTO_ERR_IO;
    if (err != OCTO_ERR_OK) {
        octo_snapshot_refused(step, err, OCTO_DISK_WRITE);
        /* On a full disk the space is kept: the next attempt writes all of it again. */
        if (err == OCTO_ERR_NO_SPACE)
            job_fail(snapshots, step, err);
        else
            job_fail_discard(snapshots, step, err, OCTO_SNAPSHOT_SPARE);
        return;
    }
    job->offset += job->pending;
    job->pending = 0;
    if (job->complete)
        octo_snapshot_work_set(snapshots, OCTO_SNAPSHOT_SYNC);
}

static void synced(struct octo_snapshots *snapshots, struct octo_step *step, enum octo_err err)
{
    if (err == OCTO_ERR_OK) {
        octo_snapshot_work_set(snapshots, OCTO_SNAPSHOT_VERIFY);
        err = octo_snapshot_scan_begin(snapshots, step, OCTO_SNAPSHOT_SPARE, false);
        octo_assert(err == OCTO_ERR_OK); /* only a restoring one can fail */
        return;
    }
    octo_snapshot_refused(step, err, OCTO_DISK_SYNC);
    job_fail_discard(snapshots, step, err, OCTO_SNAPSHOT_SPARE);
}

static void verify_goes_on(struct octo_snapshots *snapshots, struct octo_step *step,
                           const struct octo_event *event)
{
    enum octo_err err;
    enum octo_scan_verdict verdict = octo_snapshot_scan_completion(snapshots, step, event, &err);

    if (verdict == OCTO_SCAN_GOES_ON)
        return;
    if (verdict == OCTO_SCAN_WHOLE &&
        octo_position_equal(&snapshots->scan.header.position, &snapshots->job.position) &&
        snapshots->scan.offset == snapshots->job.offset) {
        octo_snapshot_work_set(snapshots, OCTO_SNAPSHOT_RENAME);
        return;
    }
    if (verdict != OCTO_SCAN_REFUSED)
        err = OCTO_ERR_CHECKSUM;
    job_fail_discard(snapshots, step, err, OCTO_SNAPSHOT_SPARE);
}

static void renamed(struct octo_snapshots *snapshots, struct octo_step *step, enum octo_err err)
{
    if (err == OCTO_ERR_OK) {
        snapshots->spare = snapshots->spare_allocated = false;
        octo_snapshot_work_set(snapshots, OCTO_SNAPSHOT_RENAME_SYNC);
        return;
    }
    octo_snapshot_refused(step, err, OCTO_DISK_RENAME);
    job_fail_discard(snapshots, step, err, OCTO_SNAPSHOT_SPARE);
}

static void recycle_next(struct octo_snapshots *snapshots)
{
    if (snapshots->old != 0)
        octo_snapshot_work_set(snapshots, OCTO_SNAPSHOT_RECYCLE);
    else
        octo_snapshot_prepare(snapshots);
}

/* It counts. */
static void name_synced(struct octo_snapshots *snapshots, struct octo_step *step, enum octo_err err)
{
    struct octo_snapshot_job *job = &snapshots->job;

    if (err != OCTO_ERR_OK) {
        /* The name may be durable or not: at the next boot it is a valid snapshot, or it is gone.
         * Another sync of it would prove nothing. */
        octo_snapshot_refused(step, err, OCTO_DISK_DIR_SYNC);
        job_fail_discard(snapshots, step, err, job->number);
        return;
    }
    snapshots->old = snapshots->newest.number;
    snapshots->newest = (struct octo_snapshot_file){
        .number = job->number,
        .position = job->position,
        .bytes = job->offset,
    };
    if (job->leader != 0 && job->position.index > *snapshots->content.applied) {
        octo_snapshot_work_set(snapshots, OCTO_SNAPSHOT_RESTORE);
        err = octo_snapshot_scan_begin(snapshots, step, job->number, true);
        if (err != OCTO_ERR_OK)
            octo_snapshot_fail(snapshots, err);
        return;
    }
    octo_step_mark(step, OCTO_MARK_SNAPSHOT_SAVED);
    octo_step_trace(step, OCTO_TRACE_SNAPSHOT_SAVED, job->position.index, job->position.term,
                    job->number, job->offset);
    job->active = false;
    snapshots->news = OCTO_SNAPSHOT_SAVED;
    recycle_next(snapshots);
}

static void restore_goes_on(struct octo_snapshots *snapshots, struct octo_step *step,
                            const struct octo_event *event)
{
    const struct octo_snapshot_file *newest = &snapshots->newest;
    enum octo_err err;

    switch (octo_snapshot_scan_completion(snapshots, step, event, &err)) {
    case OCTO_SCAN_GOES_ON:
        break;
    case OCTO_SCAN_WHOLE:
        octo_step_mark(step, OCTO_MARK_SNAPSHOT_INSTALLED);
        octo_step_trace(step, OCTO_TRACE_SNAPSHOT_INSTALLED, newest->position.index,
                        newest->position.term, newest->number, newest->bytes);
        snapshots->job.active = false;
        snapshots->news = OCTO_SNAPSHOT_INSTALLED;
        recycle_next(snapshots);
        break;
    case OCTO_SCAN_DAMAGED: /* since it was verified: the state is neither old nor new */
        octo_snapshot_fail(snapshots, OCTO_ERR_IO);
        break;
    case OCTO_SCAN_REFUSED:
        octo_snapshot_fail(snapshots, err);
        break;
    }
}

static void recycled(struct octo_snapshots *snapshots, struct octo_step *step, enum octo_err err)
{
    if (err != OCTO_ERR_OK) {
        octo_snapshot_refused(step, err, OCTO_DISK_RENAME);
        octo_snapshot_retry(snapshots, step);
        if (err != OCTO_ERR_NOT_FOUND && snapshots->failures < RECYCLE_TRIES)
            return;
    } else {
        snapshots->spare = snapshots->spare_allocated = true;
    }
    snapshots->old = 0; /* if it is still there, the next boot removes it */
    octo_snapshot_prepare(snapshots);
}

static void discarded(struct octo_snapshots *snapshots, struct octo_step *step, enum octo_err err)
{
    if (err == OCTO_ERR_OK || err == OCTO_ERR_NOT_FOUND) {
        octo_snapshot_prepare(snapshots);
        return;
    }
    octo_snapshot_refused(step, err, OCTO_DISK_UNLINK);
    octo_snapshot_retry(snapshots, step); /* for ever: that file is not to be written again */
}

void octo_snapshot_write_completion(struct octo_snapshots *snapshots, struct octo_step *step,
                                    const struct octo_event *event)
{
    const enum octo_err err = event->disk.result;

    switch (snapshots->work) {
    case OCTO_SNAPSHOT_CREATE:
        created(snapshots, step, err);
        return;
    case OCTO_SNAPSHOT_ALLOCATE:
        allocated(snapshots, step, err);
        return;
    case OCTO_SNAPSHOT_WRITE:
        written(snapshots, step, event);
        return;
    case OCTO_SNAPSHOT_SYNC:
        synced(snapshots, step, err);
        return;
    case OCTO_SNAPSHOT_VERIFY:
        verify_goes_on(snapshots, step, event);
        return;
    case OCTO_SNAPSHOT_RENAME:
        renamed(snapshots, step, err);
        if (err != OCTO_ERR_OK)
            octo_step_directory_give(step, OCTO_DIRECTORY_SNAPSHOTS);
        return;
    case OCTO_SNAPSHOT_RENAME_SYNC:
        octo_step_directory_give(step, OCTO_DIRECTORY_SNAPSHOTS);
        name_synced(snapshots, step, err);
        return;
    case OCTO_SNAPSHOT_RESTORE:
        restore_goes_on(snapshots, step, event);
        return;
    case OCTO_SNAPSHOT_RECYCLE:
        recycled(snapshots, step, err);
        return;
    case OCTO_SNAPSHOT_DISCARD:
        discarded(snapshots, step, err);
        return;
    case OCTO_SNAPSHOT_REST:
        octo_assert(snapshots->stage == OCTO_SNAPSHOTS_FAILED);
    }
}
