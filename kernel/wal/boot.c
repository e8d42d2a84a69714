/* Boot: whose directory is this, what did it promise, and what must be written before this node may
 * promise anything again.
 *
 * Formatting makes the identity last, when the files, the vote slots and the empty topics are
 * durable: an identity that can be read proves them. (So it is also the first to go, durably, when
 * a formatting that failed is started over: none may outlive what it proves.) It does not prove
 * itself: a process killed in the middle may have left it in the page cache only. What does is a
 * vote of generation 2 or more, which no boot writes before the identity is durable, and the first
 * marker with it. Below that no node with this directory was ever READY, nothing can be lost, and
 * the identity is simply made again. From then on it is never touched: writing the only copy would
 * put it at the mercy of a crash.
 *
 * For the same reason a directory with such a vote and without identity is not formatted anew, even
 * on request: it held promises.
 *
 * What failed is begun again with fresh files, and with changes to the directory that are changes
 * again (CREATE before UNLINK), so that no sync is asked a second time about the same thing (K8).
 */
#include "kernel/wal/wal_state.h"

#define GENERATION_IN_USE 2u /* the first one that is written after formatting */

struct format_step {
    enum octo_disk_kind operation;
    enum octo_file_kind file;
};

static const struct format_step format_steps[] = {
    {OCTO_DISK_CREATE, OCTO_FILE_IDENTITY}, /* FORMAT_ALL: for a new directory */
    {OCTO_DISK_UNLINK, OCTO_FILE_IDENTITY},
    {OCTO_DISK_DIR_SYNC, OCTO_FILE_NONE},
    {OCTO_DISK_UNLINK, OCTO_FILE_VOTE},
    {OCTO_DISK_UNLINK, OCTO_FILE_MAIN},
    {OCTO_DISK_UNLINK, OCTO_FILE_RECOVERY},
    {OCTO_DISK_CREATE, OCTO_FILE_VOTE},
    {OCTO_DISK_CREATE, OCTO_FILE_MAIN},
    {OCTO_DISK_CREATE, OCTO_FILE_RECOVERY},
    {OCTO_DISK_ALLOCATE, OCTO_FILE_MAIN},
    {OCTO_DISK_ALLOCATE, OCTO_FILE_RECOVERY},
    {OCTO_DISK_DIR_SYNC, OCTO_FILE_NONE},
    {OCTO_DISK_WRITE, OCTO_FILE_VOTE},
    {OCTO_DISK_SYNC, OCTO_FILE_VOTE},
    {OCTO_DISK_SYNC, OCTO_FILE_MAIN},
    {OCTO_DISK_SYNC, OCTO_FILE_RECOVERY},
    {OCTO_DISK_UNLINK, OCTO_FILE_IDENTITY}, /* FORMAT_IDENTITY: for one that may not be durable */
    {OCTO_DISK_CREATE, OCTO_FILE_IDENTITY},
    {OCTO_DISK_WRITE, OCTO_FILE_IDENTITY},
    {OCTO_DISK_SYNC, OCTO_FILE_IDENTITY},
    {OCTO_DISK_DIR_SYNC, OCTO_FILE_NONE},
};

enum {
    FORMAT_ALL = 0,
    FORMAT_IDENTITY = 16,
    FORMAT_STEPS = sizeof format_steps / sizeof format_steps[0],
};

static void identity_want(struct octo_wal *wal)
{
    wal->boot.stage = WAL_BOOT_READ_IDENTITY;
    octo_wal_reader_start(&wal->readers[0], (struct octo_file){.kind = OCTO_FILE_IDENTITY}, 0,
                          wal->boot.identity, wal->config.sector_bytes);
}

static void vote_want(struct octo_wal *wal)
{
    wal->boot.stage = WAL_BOOT_READ_VOTE;
    octo_wal_reader_start(&wal->readers[0], (struct octo_file){.kind = OCTO_FILE_VOTE}, 0,
                          wal->votes.buffer, OCTO_VOTE_SLOTS * wal->config.sector_bytes);
}

void octo_wal_boot(struct octo_wal *wal, struct octo_step *step, bool format)
{
    (void)step;
    octo_assert(wal->stage == OCTO_WAL_IDLE);
    wal->stage = OCTO_WAL_OPENING;
    wal->boot.format = format;
    identity_want(wal);
}

/* ---- Formatting ---------------------------------------------------------------------------- */

static void format_start(struct octo_wal *wal, uint32_t first)
{
    wal->boot.stage = WAL_BOOT_FORMAT;
    wal->boot.format_first = first;
    wal->boot.format_step = first;
    octo_identity_encode(wal->boot.identity, &wal->config);
    if (first == FORMAT_ALL)
        octo_wal_votes_format(wal);
}

static bool is_topic(uint8_t kind)
{
    return kind == OCTO_FILE_MAIN || kind == OCTO_FILE_RECOVERY;
}

static struct octo_disk_op format_op(const struct octo_wal *wal)
{
    const struct format_step *present = &format_steps[wal->boot.format_step];
    const bool vote = present->file == OCTO_FILE_VOTE;
    struct octo_disk_op op = {
        .kind = (uint8_t)present->operation,
        .file = {.kind = (uint8_t)present->file},
    };

    if (is_topic(op.file.kind))
        op.file.number = OCTO_SEGMENT_FIRST;
    if (present->operation == OCTO_DISK_ALLOCATE)
        op.length = wal->config.segment_bytes;
    if (present->operation == OCTO_DISK_WRITE) {
        op.data = vote ? wal->votes.buffer : wal->boot.identity;
        op.length = vote ? OCTO_VOTE_SLOTS * wal->config.sector_bytes : wal->config.sector_bytes;
    }
    return op;
}

void octo_wal_boot_drive(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_boot *boot = &wal->boot;

    if (boot->stage != WAL_BOOT_FORMAT || boot->op != 0)
        return;
    if (step->now < boot->not_before) {
        octo_step_deadline(step, boot->not_before);
        return;
    }
    const struct octo_disk_op op = format_op(wal);
    boot->op = octo_step_disk(step, &op);
}

static enum octo_err format_result(const struct octo_wal *wal, const struct octo_event *event)
{
    const struct octo_disk_op op = format_op(wal);

    if (op.kind == OCTO_DISK_WRITE)
        return octo_wal_result(event, op.length);
    if (op.kind == OCTO_DISK_UNLINK && event->disk.result == OCTO_ERR_NOT_FOUND)
        return OCTO_ERR_OK; /* as it should be */
    return event->disk.result;
}

/* The directory is this node's. Where a node was ready before, the vote is written once more,
 * whatever it is; else only when the first marker is durable: such a vote says that there is one.
 */
static void opened(struct octo_wal *wal)
{
    wal->boot.stage = WAL_BOOT_WAIT;
    wal->stage = OCTO_WAL_WAITING;
    wal->votes.enabled = wal->boot.in_use;
}

void octo_wal_boot_completion(struct octo_wal *wal, struct octo_step *step,
                              const struct octo_event *event)
{
    struct wal_boot *boot = &wal->boot;
    const struct format_step *present = &format_steps[boot->format_step];
    const enum octo_err err = format_result(wal, event);

    boot->op = 0;
    if (err != OCTO_ERR_OK) {
        octo_wal_refused(step, err, present->operation, present->file);
        boot->format_step = boot->format_first;
        boot->not_before = step->now + wal->config.disk_retry_ns;
        return;
    }
    boot->format_step++;
    if (boot->format_step < FORMAT_STEPS)
        return;
    if (boot->format_first == FORMAT_ALL) {
        const uint32_t size = OCTO_VOTE_SLOTS * wal->config.sector_bytes;
        const enum octo_err own = octo_wal_votes_read(wal, step, size);
        octo_assert(own == OCTO_ERR_OK);
    }
    opened(wal);
}

/* ---- The way to READY ---------------------------------------------------------------------- */

/* What looks damaged is read a second time: the read may have gone astray. */
static bool read_again(struct octo_wal *wal, struct octo_step *step, bool damaged)
{
    const bool again = damaged && !wal->boot.again && wal->readers[0].have > 0;

    if (wal->boot.again && !damaged)
        octo_step_mark(step, OCTO_MARK_DAMAGE_REREAD);
    wal->boot.again = again;
    return again;
}

static void identity_read(struct octo_wal *wal, struct octo_step *step)
{
    const enum octo_err err =
        octo_identity_check(wal->boot.identity, wal->readers[0].have, &wal->config);

    if (read_again(wal, step, err != OCTO_ERR_OK)) {
        identity_want(wal);
        return;
    }
    if (err != OCTO_ERR_OK && err != OCTO_ERR_UNFORMATTED) {
        octo_wal_fail(wal, err);
        return;
    }
    wal->boot.identified = err == OCTO_ERR_OK;
    vote_want(wal);
}

static void vote_read(struct octo_wal *wal, struct octo_step *step)
{
    const enum octo_err err = octo_wal_votes_read(wal, step, wal->readers[0].have);

    if (read_again(wal, step, wal->votes.damaged)) {
        vote_want(wal);
        return;
    }
    wal->boot.in_use = octo_wal_votes_newest(wal) >= GENERATION_IN_USE;
    if (!wal->boot.identified) {
        if (!wal->boot.format || wal->boot.in_use)
            octo_wal_fail(wal, OCTO_ERR_UNFORMATTED);
        else
            format_start(wal, FORMAT_ALL);
    } else if (err != OCTO_ERR_OK) {
        octo_wal_fail(wal, err);
    } else if (!wal->boot.in_use) {
        format_start(wal, FORMAT_IDENTITY);
    } else {
        opened(wal);
    }
}

void octo_wal_found(struct octo_wal *wal, struct octo_step *step,
                    const struct octo_position *snapshot)
{
    (void)step;
    octo_assert(wal->stage == OCTO_WAL_WAITING);
    wal->stage = OCTO_WAL_RECOVERING;
    wal->boot.stage = WAL_BOOT_LIST;
    wal->scan.snapshot = *snapshot;
    octo_wal_reader_list(&wal->readers[WAL_MAIN], OCTO_FILE_MAIN, wal->scan.buffers[WAL_MAIN],
                         wal->config.read_bytes);
    octo_wal_reader_list(&wal->readers[WAL_RECOVERY], OCTO_FILE_RECOVERY,
                         wal->scan.buffers[WAL_RECOVERY], wal->config.read_bytes);
}

/* Both lists are here. */
static void listed(struct octo_wal *wal)
{
    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        if (wal->readers[topic].unreadable)
            octo_wal_fail(wal, OCTO_ERR_IO);
    }
    if (wal->stage != OCTO_WAL_FAILED)
        octo_wal_segments_listed(wal);
    if (wal->stage == OCTO_WAL_FAILED)
        return;
    wal->boot.stage = WAL_BOOT_SCAN;
    octo_wal_scan_start(wal);
}

/* Everything in memory is durable in both topics and marked, term and vote in both copies. */
static void ready(struct octo_wal *wal)
{
    octo_assert(wal->flush.durable == wal->log.last);
    wal->boot.stage = WAL_BOOT_DONE;
    wal->stage = OCTO_WAL_READY;
    wal->snapshot = wal->scan.snapshot.index;
    (void)octo_wal_reclaim(wal); /* a crash may have come before it */
}

/* One of the first two files could not be read at all. */
static bool gave_up(struct octo_wal *wal)
{
    if (wal->readers[0].unreadable)
        octo_wal_fail(wal, OCTO_ERR_IO);
    return wal->readers[0].unreadable;
}

void octo_wal_boot_advance(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_boot *boot = &wal->boot;
    const bool reading = wal->readers[WAL_MAIN].active || wal->readers[WAL_RECOVERY].active;

    if (boot->stage == WAL_BOOT_READ_IDENTITY && !reading && !gave_up(wal))
        identity_read(wal, step);
    else if (boot->stage == WAL_BOOT_READ_VOTE && !reading && !gave_up(wal))
        vote_read(wal, step);
    else if (boot->stage == WAL_BOOT_LIST && !reading)
        listed(wal);
    /* With no segment at all there is nothing to read, and no completion to wait for. */
    if (wal->stage != OCTO_WAL_FAILED && boot->stage == WAL_BOOT_SCAN &&
        !wal->readers[WAL_MAIN].active && !wal->readers[WAL_RECOVERY].active &&
        !octo_wal_scan_waits(wal) && octo_wal_scan_read(wal, step))
        boot->stage = WAL_BOOT_TAIL;
    if (wal->stage == OCTO_WAL_FAILED)
        return;
    if (boot->stage == WAL_BOOT_TAIL && octo_wal_flush_settled(wal)) {
        wal->votes.enabled = true;
        boot->stage = WAL_BOOT_VOTE;
    }
    if (boot->stage == WAL_BOOT_VOTE && octo_wal_votes_are_saved(wal))
        ready(wal);
}
