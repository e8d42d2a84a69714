/* The scan: both topics side by side, window by window, segment by segment.
 *
 * At each place a record is taken from whichever topic has it intact. If one was lacking somewhere,
 * and the marker that counts covers it, all is read once more, and a topic that lacks a record
 * which the marker covers gets it back: the sectors are copied from the twin, whose bytes are equal
 * by construction, from the window in memory. Not the tail: half of a record from here and half
 * from there would make whole what neither topic held, and what had been given up before. Only the
 * damaged topic is written to, and only sectors of which the twin has every record, so a crash in
 * the middle of it can harm nothing that is not damaged already.
 *
 * Damage is believed only when it is read twice: a read that went astray would have recovery give
 * up a tail that comes up again later, or rewrite what is sound. So the records of a window are
 * taken up to the first place in doubt; then the window is read again, and they are taken from
 * there on. None is taken out of its order: what the log is may depend on that. What looks like
 * damage and is the same in both topics was left by an earlier life of the segment: two reads do
 * not go astray to the same bytes, and it is not read again. */
#include "kernel/wal/wal_state.h"

#define SECTOR_NOT_COVERED 4u /* beside the bits of the topics that lack something */

#define REREADS_MAX 8u /* of one window: then its damage is believed at first sight */

#define REPAIR_FAILURES_MAX 8u /* of one segment: then its damage stays, and the twin must do */

/* The end of the longer topic; OCTO_NEVER while that is unknown. */
static uint64_t topics_end(const struct wal_scan *scan)
{
    return octo_max_u64(scan->ends[WAL_MAIN], scan->ends[WAL_RECOVERY]);
}

/* ---- Windows --------------------------------------------------------------------------------- */

static void window_read(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;

    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        struct wal_reader *reader = &wal->readers[topic];
        if (scan->ends[topic] <= scan->base) {
            reader->have = 0;
            continue;
        }
        octo_wal_reader_start(reader, wal_topic_file(topic, wal_segment_now(wal)->number),
                              scan->base, scan->buffers[topic], wal->config.read_bytes);
    }
}

/* Another window: nothing of it has been taken or doubted. */
static void window_start(struct octo_wal *wal, uint64_t base, uint64_t at, uint8_t lacking)
{
    struct wal_scan *scan = &wal->scan;

    scan->base = base;
    scan->window_at = at;
    scan->window_lacking = lacking;
    scan->taken = at;
    scan->doubted = OCTO_NEVER;
    scan->rereads = 0;
    window_read(wal);
}

/* Reads on from the sector that scan->at lies in: a record that straddled the end of the window is
 * then inside, since no batch is longer than it. */
static void window_next(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;
    const uint64_t base = wal_sector_start(wal, scan->at);
    const uint64_t sector = (base - scan->base) / wal->config.sector_bytes;

    /* What the window before found of this window's first sector. */
    const uint8_t lacking =
        sector < wal->config.read_bytes / wal->config.sector_bytes ? scan->lacking[sector] : 0;
    window_start(wal, base, scan->at, lacking);
}

static void segment_start(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;
    const struct wal_segment *segment = wal_segment_now(wal);

    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++)
        scan->ends[topic] = (segment->topics & 1u << topic) != 0 ? OCTO_NEVER : 0;
    scan->at = 0;
    scan->repair = (struct wal_repair){0};
    window_start(wal, 0, 0, 0);
}

void octo_wal_scan_start(struct octo_wal *wal)
{
    octo_wal_recovery_start(wal);
    wal->scan.lacked = OCTO_NEVER;
    wal->scan.segment = 0;
    if (wal->segments.count > 0)
        segment_start(wal);
}

/* Takes note of a topic's end. Beyond it the file counts as zeros. */
static void topic_end(struct wal_scan *scan, struct wal_reader *reader, uint32_t topic)
{
    scan->ends[topic] = octo_min_u64(scan->ends[topic], reader->offset + reader->have);
    memset(reader->buffer + reader->have, 0, reader->want - reader->have);
    reader->have = reader->want;
}

/* Where a topic ends that cannot be read: with its twin. */
static void unreadable_end(struct octo_wal *wal, uint32_t topic)
{
    struct wal_scan *scan = &wal->scan;

    if (scan->ends[topic] == OCTO_NEVER &&
        scan->ends[topic ^ 1u] <= scan->base + wal->config.read_bytes)
        scan->ends[topic] = scan->ends[topic ^ 1u];
}

/* What the readers brought, made good to look at. */
static void window_take(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;
    uint32_t unreadable = 0;

    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        struct wal_reader *reader = &wal->readers[topic];
        if (scan->ends[topic] <= scan->base) {
            memset(scan->buffers[topic], 0, wal->config.read_bytes);
            continue;
        }
        if (reader->missing) {
            scan->ends[topic] = 0;
            memset(scan->buffers[topic], 0, wal->config.read_bytes);
        } else if (reader->unreadable) { /* as good as damaged: the twin has it */
            unreadable |= 1u << topic;
            memset(reader->buffer, 0, reader->want);
            reader->have = reader->want;
        } else if (reader->ended) {
            topic_end(scan, reader, topic);
        }
    }
    if (unreadable != 0)
        scan->blind_segment = wal_segment_now(wal)->number;
    if (unreadable == WAL_BOTH)
        octo_wal_fail(wal, OCTO_ERR_IO);
    else if (unreadable != 0)
        unreadable_end(wal, unreadable == 1u << WAL_MAIN ? WAL_MAIN : WAL_RECOVERY);
}

/* ---- Records --------------------------------------------------------------------------------- */

/* Whether the window has to be read again before what was seen at scan->at is believed. One topic's
 * damage is harmless while the other has the record: a second look at the window is enough for all
 * of it. What both lack is looked at twice, each place for itself. */
static bool in_doubt(struct wal_scan *scan, const struct wal_look *look)
{
    const bool one_lacks = look->topics != 0 && look->topics != WAL_BOTH;
    const bool both_lack = look->topics == 0 && look->damaged;

    if (!one_lacks && !both_lack)
        return false;
    scan->suspicious = true;
    if (scan->at < scan->taken || scan->rereads == REREADS_MAX)
        return false;
    if (one_lacks)
        return scan->rereads == 0;
    const bool first = scan->at != scan->doubted;
    scan->doubted = scan->at;
    return first;
}

/* Notes of the record's sectors which topics lack it, or that they hold something which no marker
 * covers. */
static void record_note(struct octo_wal *wal, const struct octo_record *record, uint32_t topics)
{
    struct wal_scan *scan = &wal->scan;
    const bool covered = scan->repairing && record->sequence <= scan->repair_limit;
    const uint32_t lacking = covered ? WAL_BOTH & ~topics : SECTOR_NOT_COVERED;
    const uint64_t from = (scan->at - scan->base) / wal->config.sector_bytes;
    const uint64_t to =
        (scan->at - scan->base + octo_record_bytes(record->size) - 1) / wal->config.sector_bytes;

    for (uint64_t sector = from; sector <= to; sector++)
        scan->lacking[sector] |= (uint8_t)lacking;
    if (topics != WAL_BOTH)
        scan->lacked = octo_min_u64(scan->lacked, record->sequence);
}

/* Whether anything but zeros stands in [from, to) of either topic's bytes. Without a branch. */
static bool bytes_in(const struct wal_scan *scan, uint64_t from, uint64_t to)
{
    uint64_t any = 0;

    for (uint64_t in = from; in < to; in += 8)
        any |= octo_get_u64(scan->buffers[WAL_MAIN] + in) |
               octo_get_u64(scan->buffers[WAL_RECOVERY] + in);
    return any != 0;
}

/* Whether what lies at scan->at is damage that one topic alone has suffered, in a sector of which
 * it lacks records: in the other one there is nothing but padding. */
static bool damage_in_one(const struct octo_wal *wal)
{
    const struct wal_scan *scan = &wal->scan;
    const uint64_t in = scan->at - scan->base;
    const uint8_t lacks = scan->lacking[in / wal->config.sector_bytes];

    if (lacks != 1u << WAL_MAIN && lacks != 1u << WAL_RECOVERY)
        return false;
    const uint8_t *whole = scan->buffers[lacks == 1u << WAL_MAIN ? WAL_RECOVERY : WAL_MAIN];
    const uint64_t end = wal_sector_start(wal, scan->at) + wal->config.sector_bytes - scan->base;
    for (uint64_t i = in; i < end; i++)
        if (whole[i] != 0)
            return false;
    return true;
}

/* Records stand up to `end` of the segment: the log goes on behind them. */
static void used_note(struct wal_scan *scan, uint64_t end)
{
    const bool same = scan->used && scan->used_segment == scan->segment;

    scan->used = true;
    scan->used_end = same ? octo_max_u64(scan->used_end, end) : end;
    scan->used_segment = scan->segment;
}

/* A record at scan->at, and on to the next one. */
static void record_take(struct octo_wal *wal, const struct octo_record *record, uint32_t topics)
{
    struct wal_scan *scan = &wal->scan;
    const uint64_t place = octo_segment_place(wal_segment_now(wal)->number, scan->at);

    if (topics != WAL_BOTH || scan->repairing)
        record_note(wal, record, topics);
    const bool fresh = scan->at >= scan->taken;
    scan->at += octo_record_bytes(record->size);
    if (!fresh)
        return;
    octo_wal_recovery_record(wal, record, place, topics);
    scan->taken = scan->at;
    used_note(scan, scan->at);
}

/* On to the next sector, or to where records have not been taken yet. */
static void sector_leave(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;
    const uint64_t next = wal_sector_start(wal, scan->at) + wal->config.sector_bytes;

    scan->at = scan->at < scan->taken ? octo_min_u64(next, scan->taken) : next;
}

/* No record at scan->at. */
static void record_missed(struct octo_wal *wal, const struct wal_look *look)
{
    struct wal_scan *scan = &wal->scan;
    const uint64_t in = scan->at - scan->base;

    if (look->stray_end != 0)
        used_note(scan, look->stray_end);

    if (bytes_in(scan, in, in + 8)) { /* something other than padding or a hole */
        scan->torn = scan->torn || scan->at >= scan->taken;
        if (!damage_in_one(wal))
            scan->lacking[in / wal->config.sector_bytes] |= SECTOR_NOT_COVERED;
    }
    sector_leave(wal);
}

/* Whether nothing stands from scan->at to the end of its sector, as in all that was prepared and
 * not written yet: most of what is read. */
static bool sector_empty(const struct octo_wal *wal)
{
    const struct wal_scan *scan = &wal->scan;
    const uint64_t in = scan->at - scan->base;
    const uint64_t end = wal_sector_start(wal, scan->at) + wal->config.sector_bytes - scan->base;

    return !bytes_in(scan, in, in + 8) && !bytes_in(scan, in, end);
}

/* Takes the records in the window, until its end or until one that goes beyond it. False if the
 * window has to be read again. */
static bool window_scan(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;
    const uint64_t end = octo_min_u64(scan->base + wal->config.read_bytes, topics_end(scan));

    memset(scan->lacking, 0, wal->config.read_bytes / wal->config.sector_bytes);
    scan->lacking[0] = scan->window_lacking;
    scan->suspicious = false;
    scan->at = scan->window_at;
    while (scan->at < end && wal->stage != OCTO_WAL_FAILED && !scan->rescan) {
        if (sector_empty(wal)) {
            sector_leave(wal);
            continue;
        }
        struct octo_record record;
        const struct wal_look look = octo_wal_look(wal, &record);
        if (look.more && wal_sector_start(wal, scan->at) > scan->base)
            break;
        if (in_doubt(scan, &look))
            return false;
        if (look.topics != 0)
            record_take(wal, &record, look.topics);
        else
            record_missed(wal, &look);
    }
    return true;
}

/* ---- Repair ---------------------------------------------------------------------------------- */

bool octo_wal_scan_waits(const struct octo_wal *wal)
{
    return wal->scan.repair.busy;
}

/* Sectors of the window that are done with: the last one may go on beyond it. */
static uint32_t sectors_done(const struct octo_wal *wal)
{
    const struct wal_scan *scan = &wal->scan;
    const uint64_t end = scan->at >= topics_end(scan)
                             ? octo_align_up(scan->at, wal->config.sector_bytes)
                             : wal_sector_start(wal, scan->at);
    const uint64_t most = wal->config.read_bytes / wal->config.sector_bytes;

    return (uint32_t)octo_min_u64((end - scan->base) / wal->config.sector_bytes, most);
}

/* Finds the next run of sectors that exactly one topic lacks; false if there is none. */
static bool repair_find(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;
    struct wal_repair *repair = &scan->repair;
    const uint32_t end = sectors_done(wal);

    for (; repair->sector < end; repair->sector++) {
        const uint8_t lacks = scan->lacking[repair->sector];
        if (lacks != 1u << WAL_MAIN && lacks != 1u << WAL_RECOVERY)
            continue;
        repair->topic = lacks == 1u << WAL_MAIN ? WAL_MAIN : WAL_RECOVERY;
        repair->count = 1;
        while (repair->sector + repair->count < end &&
               scan->lacking[repair->sector + repair->count] == lacks)
            repair->count++;
        return true;
    }
    return false;
}

/* A topic whose file is gone gets a new one first: CREATE, ALLOCATE. */
static struct octo_disk_op repair_op(const struct octo_wal *wal)
{
    const struct wal_scan *scan = &wal->scan;
    const struct wal_repair *repair = &scan->repair;
    struct octo_disk_op op = {
        .kind = OCTO_DISK_WRITE,
        .file = wal_topic_file(repair->topic, wal_segment_now(wal)->number),
        .offset = scan->base + (uint64_t)repair->sector * wal->config.sector_bytes,
        .length = repair->count * wal->config.sector_bytes,
        .data =
            scan->buffers[repair->topic ^ 1u] + (size_t)repair->sector * wal->config.sector_bytes,
    };

    if ((wal_segment_now(wal)->topics & 1u << repair->topic) == 0) {
        op = (struct octo_disk_op){.kind = OCTO_DISK_CREATE, .file = op.file};
    } else if (repair->count == 0) {
        op = (struct octo_disk_op){
            .kind = repair->touched == 0 ? OCTO_DISK_DIR_SYNC : OCTO_DISK_SYNC, .file = op.file};
        if (op.kind == OCTO_DISK_DIR_SYNC)
            op.file = (struct octo_file){0};
    }
    return op;
}

void octo_wal_scan_drive(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_repair *repair = &wal->scan.repair;

    if (!repair->busy || repair->op != 0)
        return;
    const struct octo_disk_op op = repair_op(wal);
    const bool directory = op.kind == OCTO_DISK_CREATE || op.kind == OCTO_DISK_DIR_SYNC;
    if (directory && !octo_step_directory_take(step, OCTO_DIRECTORY_LOG))
        return;
    repair->op = octo_step_disk(step, &op);
}

/* At a segment's end what was copied is synced, topic by topic; then the directory, if a file was
 * made. False if there is nothing more to do. */
static bool repair_close(struct wal_repair *repair)
{
    repair->count = 0;
    if (repair->touched != 0) {
        repair->topic = (repair->touched & 1u << WAL_MAIN) != 0 ? WAL_MAIN : WAL_RECOVERY;
        return true;
    }
    return repair->topics_made != 0;
}

/* What cannot be repaired is left: the twin has it, and the next boot tries again. */
void octo_wal_scan_completion(struct octo_wal *wal, struct octo_step *step,
                              const struct octo_event *event)
{
    struct wal_scan *scan = &wal->scan;
    struct wal_repair *repair = &scan->repair;
    const struct octo_disk_op op = repair_op(wal);
    const enum octo_err err =
        op.kind == OCTO_DISK_WRITE ? octo_wal_result(event, op.length) : event->disk.result;

    repair->op = 0;
    if (err != OCTO_ERR_OK) {
        octo_wal_refused(step, err, (enum octo_disk_kind)op.kind,
                         (enum octo_file_kind)op.file.kind);
        repair->failures++;
    }
    switch ((enum octo_disk_kind)op.kind) {
    case OCTO_DISK_CREATE:
        if (err == OCTO_ERR_OK) {
            wal_segment_now(wal)->topics |= 1u << repair->topic;
            repair->topics_made |= 1u << repair->topic;
        }
        break;
    case OCTO_DISK_WRITE:
        if (err == OCTO_ERR_OK) {
            octo_step_mark(step, OCTO_MARK_RECORD_REWRITTEN);
            octo_step_mark(step, OCTO_MARK_TOPIC_REPAIRED);
            repair->touched |= 1u << repair->topic;
        }
        repair->sector += repair->count;
        break;
    case OCTO_DISK_SYNC:
        repair->touched &= ~(1u << repair->topic);
        break;
    case OCTO_DISK_DIR_SYNC:
        octo_step_directory_give(step, OCTO_DIRECTORY_LOG);
        repair->topics_made = 0;
        break;
    case OCTO_DISK_NONE:
    case OCTO_DISK_READ:
    case OCTO_DISK_UNLINK:
    case OCTO_DISK_RENAME:
    case OCTO_DISK_ALLOCATE:
    case OCTO_DISK_LIST:
        octo_assert(false);
        break;
    }
    repair->busy = false;
}

/* Whether there is still something to be written of this window, or at the end of this segment. */
static bool repair_goes_on(struct octo_wal *wal, bool segment_over)
{
    struct wal_repair *repair = &wal->scan.repair;

    if (repair->failures < REPAIR_FAILURES_MAX)
        repair->busy = repair_find(wal) || (segment_over && repair_close(repair));
    return repair->busy;
}

/* ---- On and on ------------------------------------------------------------------------------- */

/* The segment has been seen to its end; true if there is none left. */
static bool segment_next(struct octo_wal *wal)
{
    struct wal_scan *scan = &wal->scan;
    struct wal_segment *segment = wal_segment_now(wal);

    segment->bytes =
        (uint32_t)octo_min_u64(octo_min_u64(scan->ends[WAL_MAIN], scan->ends[WAL_RECOVERY]),
                               UINT32_MAX - wal->config.sector_bytes);
    segment->bytes -= segment->bytes % wal->config.sector_bytes;
    segment->sequence = scan->accepted;
    scan->segment++;
    if (scan->segment == wal->segments.count)
        return true;
    segment_start(wal);
    return false;
}

/* Where the log goes on: after the last record that was found, in its segment if that is whole. */
static void scan_end(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_scan *scan = &wal->scan;
    const uint32_t last = scan->used ? scan->used_segment : 0;
    const uint64_t end = scan->used ? octo_align_up(scan->used_end, wal->config.sector_bytes) : 0;
    bool whole = false;

    if (wal->segments.count > 0) {
        const struct wal_segment *segment = &wal->segments.items[last];
        whole = segment->topics == WAL_BOTH && end <= segment->bytes &&
                scan->blind_segment != segment->number;
        wal->flush.append_offset = (uint32_t)end;
    }
    octo_wal_segments_begin(wal, last, whole);
    octo_wal_recovery_end(wal, step);
}

bool octo_wal_scan_read(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_scan *scan = &wal->scan;

    if (wal->segments.count == 0) {
        scan_end(wal, step);
        return true;
    }
    if (!scan->window_over) {
        window_take(wal);
        if (wal->stage == OCTO_WAL_FAILED)
            return false;
        const bool believed = window_scan(wal);
        if (wal->stage == OCTO_WAL_FAILED)
            return false;
        if (scan->rescan) {
            octo_step_mark(step, OCTO_MARK_CUT_OBEYED);
            octo_wal_scan_start(wal);
            return false;
        }
        if (!believed) {
            scan->rereads++;
            window_read(wal);
            return false;
        }
        if (scan->rereads > 0 && !scan->suspicious)
            octo_step_mark(step, OCTO_MARK_DAMAGE_REREAD);
        scan->window_over = true;
        scan->repair.sector = 0;
    }
    const bool over = scan->at >= topics_end(scan);
    if (repair_goes_on(wal, over))
        return false;
    scan->window_over = false;
    if (!over) {
        window_next(wal);
        return false;
    }
    octo_step_directory_give(step, OCTO_DIRECTORY_LOG); /* also when the repair was given up */
    if (!segment_next(wal))
        return false;
    const octo_sequence limit = scan->marked ? scan->marker.sequence : 0;
    if (scan->lacked <= limit && !scan->repairing) {
        scan->repairing = true;
        scan->repair_limit = limit;
        octo_wal_scan_start(wal);
        return false;
    }
    scan_end(wal, step);
    return true;
}
