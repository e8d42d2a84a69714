/* Boot: which snapshot counts, and order in the directory. */
#include "kernel/snapshot/state.h"

void octo_snapshots_boot(struct octo_snapshots *snapshots, struct octo_step *step)
{
    octo_assert(snapshots->stage == OCTO_SNAPSHOTS_IDLE);
    octo_assert(step->effects->machine != NULL);
    snapshots->stage = OCTO_SNAPSHOTS_BOOTING;
    octo_snapshot_boot_set(snapshots, OCTO_SNAPSHOT_LIST);
}

/* ---- Operations ---------------------------------------------------------------------------- */

void octo_snapshot_boot_drive(struct octo_snapshots *snapshots, struct octo_step *step)
{
    struct octo_disk_op op = {.kind = OCTO_DISK_NONE};

    switch (snapshots->boot) {
    case OCTO_SNAPSHOT_LIST:
        op.kind = OCTO_DISK_LIST;
        op.file = octo_snapshot_name(0);
        op.length = (OCTO_SNAPSHOT_FILES_MAX + 1) * (uint32_t)sizeof(uint32_t);
        break;
    case OCTO_SNAPSHOT_CHOOSE:
    case OCTO_SNAPSHOT_LOAD:
        octo_snapshot_scan_drive(snapshots, step);
        return;
    case OCTO_SNAPSHOT_KEEP:
        op.kind = OCTO_DISK_RENAME;
        op.file = octo_snapshot_name(snapshots->newest.number);
        op.target = octo_snapshot_name(snapshots->number_max + 1);
        break;
    case OCTO_SNAPSHOT_KEEP_SYNC:
        op.kind = OCTO_DISK_DIR_SYNC;
        break;
    case OCTO_SNAPSHOT_TIDY:
        op.kind = snapshots->spare ? OCTO_DISK_UNLINK : OCTO_DISK_RENAME;
        op.file = octo_snapshot_name(snapshots->files[snapshots->file_count - 1]);
        if (op.kind == OCTO_DISK_RENAME)
            op.target = octo_snapshot_name(OCTO_SNAPSHOT_SPARE);
        break;
    }
    octo_assert(op.kind != OCTO_DISK_NONE);
    octo_snapshot_submit(snapshots, step, op);
}

/* ---- What follows -------------------------------------------------------------------------- */

static void tidy_next(struct octo_snapshots *snapshots)
{
    if (snapshots->file_count > 0) {
        octo_snapshot_boot_set(snapshots, OCTO_SNAPSHOT_TIDY);
        return;
    }
    snapshots->stage = OCTO_SNAPSHOTS_READY;
    octo_snapshot_prepare(snapshots);
}

/* Reads the newest file that was not looked at yet; there may be none. */
static void candidate_next(struct octo_snapshots *snapshots, struct octo_step *step)
{
    enum octo_err err = OCTO_ERR_OK;

    if (snapshots->candidate > 0 && snapshots->of[snapshots->candidate - 1] != 0) {
        octo_snapshot_boot_set(snapshots, OCTO_SNAPSHOT_LOAD);
        err = octo_snapshot_scan_begin(snapshots, step, snapshots->files[snapshots->candidate - 1],
                                       true);
    } else {
        err = octo_snapshot_state_clear(snapshots, step);
        tidy_next(snapshots);
    }
    if (err != OCTO_ERR_OK)
        octo_snapshot_fail(snapshots, err);
}

/* Of several files the one counts that is of the highest index, and of equal ones that with the
 * highest number. The number alone does not tell: a name may be durable that a sync failed for, or
 * that was removed without one; it is not in the page cache, where a process that was killed left
 * no trace of it, so numbers are given again that a power loss brings back. */
static void files_order(struct octo_snapshots *snapshots)
{
    for (uint32_t i = 1; i < snapshots->file_count; i++) { /* stable: numbers rise already */
        const uint32_t number = snapshots->files[i];
        const octo_index of = snapshots->of[i];
        uint32_t at = i;

        for (; at > 0 && snapshots->of[at - 1] > of; at--) {
            snapshots->files[at] = snapshots->files[at - 1];
            snapshots->of[at] = snapshots->of[at - 1];
        }
        snapshots->files[at] = number;
        snapshots->of[at] = of;
    }
}

/* Verifies the next file; after the last one it is known which counts. */
static void choose_next(struct octo_snapshots *snapshots, struct octo_step *step)
{
    if (snapshots->candidate == 0) {
        files_order(snapshots);
        snapshots->candidate = snapshots->file_count;
        candidate_next(snapshots, step);
        return;
    }
    octo_snapshot_boot_set(snapshots, OCTO_SNAPSHOT_CHOOSE);
    const enum octo_err err = octo_snapshot_scan_begin(
        snapshots, step, snapshots->files[snapshots->candidate - 1], false);
    octo_assert(err == OCTO_ERR_OK); /* only a restoring one can fail */
}

static void choose_goes_on(struct octo_snapshots *snapshots, struct octo_step *step,
                           const struct octo_event *event)
{
    enum octo_err err;
    const enum octo_scan_verdict verdict =
        octo_snapshot_scan_completion(snapshots, step, event, &err);

    if (verdict == OCTO_SCAN_GOES_ON)
        return;
    if (verdict == OCTO_SCAN_REFUSED) { /* it may be the one that counts */
        octo_snapshot_fail(snapshots, err);
        return;
    }
    if (verdict == OCTO_SCAN_DAMAGED)
        octo_step_mark(step, OCTO_MARK_SNAPSHOT_DAMAGED);
    snapshots->candidate--;
    snapshots->of[snapshots->candidate] =
        verdict == OCTO_SCAN_WHOLE ? snapshots->scan.header.position.index : 0;
    choose_next(snapshots, step);
}

static void listed(struct octo_snapshots *snapshots, struct octo_step *step,
                   const struct octo_event *event)
{
    const uint32_t count = event->disk.length / (uint32_t)sizeof(uint32_t);

    if (event->disk.result != OCTO_ERR_OK) {
        octo_step_mark(step, OCTO_MARK_READ_FAILED);
        octo_snapshot_refused(step, event->disk.result, OCTO_DISK_LIST);
        if (!octo_snapshot_retry(snapshots, step))
            octo_snapshot_fail(snapshots, OCTO_ERR_IO);
        return;
    }
    if (count > OCTO_SNAPSHOT_FILES_MAX) { /* not of this code's making, and the last are cut off */
        octo_snapshot_fail(snapshots, OCTO_ERR_RANGE);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = octo_get_u32(event->disk.data + i * sizeof(uint32_t));
        if (number == OCTO_SNAPSHOT_SPARE) {
            snapshots->spare = true;
        } else {
            snapshots->of[snapshots->file_count] = OCTO_NEVER;
            snapshots->files[snapshots->file_count++] = number;
        }
        if (number > snapshots->number_max)
            snapshots->number_max = number;
    }
    snapshots->candidate = snapshots->file_count;
    if (snapshots->file_count > 1)
        choose_next(snapshots, step);
    else
        candidate_next(snapshots, step);
}

/* The candidate is whole, and the state is its. A process that was killed may have left its name in
 * the page cache only, after a DIR_SYNC that failed: then no other one makes it durable. So it gets
 * a new name, and counts when that is durable (K8). */
static void loaded(struct octo_snapshots *snapshots, struct octo_step *step)
{
    const struct octo_snapshot_scan *scan = &snapshots->scan;
    const uint32_t at = snapshots->candidate - 1;

    octo_step_mark(step, OCTO_MARK_SNAPSHOT_RESTORED);
    snapshots->newest = (struct octo_snapshot_file){
        .number = scan->number,
        .position = scan->header.position,
        .bytes = scan->offset,
    };
    snapshots->file_count--;
    memmove(&snapshots->files[at], &snapshots->files[at + 1],
            (snapshots->file_count - at) * sizeof snapshots->files[0]);
    octo_snapshot_boot_set(snapshots, OCTO_SNAPSHOT_KEEP);
}

static void load_goes_on(struct octo_snapshots *snapshots, struct octo_step *step,
                         const struct octo_event *event)
{
    enum octo_err err;

    switch (octo_snapshot_scan_completion(snapshots, step, event, &err)) {
    case OCTO_SCAN_GOES_ON:
        break;
    case OCTO_SCAN_WHOLE:
        loaded(snapshots, step);
        break;
    case OCTO_SCAN_DAMAGED:
        octo_step_mark(step, OCTO_MARK_SNAPSHOT_DAMAGED);
        snapshots->candidate--;
        candidate_next(snapshots, step);
        break;
    case OCTO_SCAN_REFUSED:
        octo_snapshot_fail(snapshots, err);
        break;
    }
}

/* Renaming, and syncing that, until it is durable: the node cannot begin on less. */
static void keep_goes_on(struct octo_snapshots *snapshots, struct octo_step *step,
                         enum octo_err err)
{
    const bool renamed = snapshots->boot == OCTO_SNAPSHOT_KEEP;

    if (err != OCTO_ERR_OK) {
        octo_snapshot_refused(step, err, renamed ? OCTO_DISK_RENAME : OCTO_DISK_DIR_SYNC);
        if (!octo_snapshot_retry(snapshots, step))
            octo_snapshot_fail(snapshots, OCTO_ERR_IO);
        else
            snapshots->boot = OCTO_SNAPSHOT_KEEP; /* a fresh change for a fresh sync */
    } else if (renamed) {
        snapshots->number_max++;
        snapshots->newest.number = snapshots->number_max;
        snapshots->boot = OCTO_SNAPSHOT_KEEP_SYNC; /* failures are counted over both */
    } else {
        tidy_next(snapshots);
    }
}

/* What cannot be put in order now is left to the next boot. */
static void tidied(struct octo_snapshots *snapshots, struct octo_step *step, enum octo_err err)
{
    if (err != OCTO_ERR_OK)
        octo_snapshot_refused(step, err, OCTO_DISK_UNLINK);
    else if (!snapshots->spare)
        snapshots->spare = snapshots->spare_allocated = true;
    snapshots->file_count--;
    tidy_next(snapshots);
}

void octo_snapshot_boot_completion(struct octo_snapshots *snapshots, struct octo_step *step,
                                   const struct octo_event *event)
{
    switch (snapshots->boot) {
    case OCTO_SNAPSHOT_LIST:
        listed(snapshots, step, event);
        return;
    case OCTO_SNAPSHOT_CHOOSE:
        choose_goes_on(snapshots, step, event);
        return;
    case OCTO_SNAPSHOT_LOAD:
        load_goes_on(snapshots, step, event);
        return;
    case OCTO_SNAPSHOT_KEEP:
    case OCTO_SNAPSHOT_KEEP_SYNC:
        keep_goes_on(snapshots, step, event->disk.result);
        return;
    case OCTO_SNAPSHOT_TIDY:
        tidied(snapshots, step, event->disk.result);
        return;
    }
}
