/* The files of the topics: prepared ahead of use, recycled, removed.
 *
 *     old file ──RENAME──┐
 *                        ├──> ALLOCATE, SYNC, DIR_SYNC ──> spare ──roll──> live ──reclaim──> old
 *     nothing ──CREATE───┘
 *
 * A segment is written to only when its space and its name are durable in both topics, so no batch
 * ever waits for either, and none fails for want of space. WAL_SPARES are kept prepared. Entries
 * never take the last one: a marker that makes acknowledged what is already written, and the first
 * batch of a boot, find room on a full disk too.
 *
 * What failed while a segment was prepared is not asked again (K8): the names go, durably or not,
 * and the file is made anew.
 *
 * Old files go one after the other, each durably before the next one is touched: a file that comes
 * back after a crash may hold records that a later one declares void. */
#include "kernel/wal/wal_state.h"

#define OLD_KEPT             2u  /* old files that wait to be recycled; more are removed */
#define REMOVE_FIRST         2u  /* the step of remove_steps to begin with */
#define AGAIN_WITHOUT_FROM   4u  /* the step of again_steps to begin with if nothing was recycled */
#define NO_SPACE_RETRY_TIMES 10u /* of disk_retry_ns, until space is asked for again */

struct prepare_step {
    enum octo_disk_kind operation;
    uint32_t topic;
    bool from; /* the file under its old name */
};

#define OF_BOTH_AT(operation, from)       \
    {(operation), WAL_MAIN, (from)},      \
    {                                     \
        (operation), WAL_RECOVERY, (from) \
    }
#define OF_BOTH(operation) OF_BOTH_AT(operation, false)
#define MADE_DURABLE                                                                      \
    OF_BOTH(OCTO_DISK_ALLOCATE), OF_BOTH(OCTO_DISK_SYNC), {OCTO_DISK_DIR_SYNC, 0, false}, \
    {                                                                                     \
        OCTO_DISK_NONE, 0, false                                                          \
    }

static const struct prepare_step fresh_steps[] = {OF_BOTH(OCTO_DISK_CREATE), MADE_DURABLE};
static const struct prepare_step recycle_steps[] = {OF_BOTH(OCTO_DISK_RENAME), MADE_DURABLE};
static const struct prepare_step again_steps[] = {
    OF_BOTH_AT(OCTO_DISK_CREATE, true), OF_BOTH_AT(OCTO_DISK_UNLINK, true),
    OF_BOTH(OCTO_DISK_CREATE),          OF_BOTH(OCTO_DISK_UNLINK),
    OF_BOTH(OCTO_DISK_CREATE),          MADE_DURABLE};
static const struct prepare_step remove_steps[] = {
    OF_BOTH(OCTO_DISK_CREATE), /* REMOVE_FIRST: the first attempt leaves this out */
    OF_BOTH(OCTO_DISK_UNLINK),
    {OCTO_DISK_DIR_SYNC, 0, false},
    {OCTO_DISK_NONE, 0, false}};
static const struct prepare_step extend_steps[] = {
    OF_BOTH(OCTO_DISK_ALLOCATE), OF_BOTH(OCTO_DISK_SYNC), {OCTO_DISK_NONE, 0, false}};

static const struct prepare_step *step_now(const struct wal_prepare *prepare)
{
    switch ((enum wal_prepare_mode)prepare->mode) {
    case WAL_PREPARE_FRESH:
        return &fresh_steps[prepare->step];
    case WAL_PREPARE_RECYCLE:
        return &recycle_steps[prepare->step];
    case WAL_PREPARE_AGAIN:
        return &again_steps[prepare->step];
    case WAL_PREPARE_EXTEND:
        return &extend_steps[prepare->step];
    case WAL_PREPARE_REMOVE:
        return &remove_steps[prepare->step];
    case WAL_PREPARE_NONE:
        break;
    }
    octo_assert(false);
    return NULL;
}

/* ---- The list at boot ------------------------------------------------------------------------ */

static void listed_add(struct octo_wal *wal, uint32_t number, uint32_t topics)
{
    struct wal_segments *segments = &wal->segments;

    if (number == 0)
        return; /* not one of ours */
    if (segments->count == wal_files_max(&wal->config)) {
        octo_wal_fail(wal, OCTO_ERR_FULL);
        return;
    }
    segments->items[segments->count++] = (struct wal_segment){.number = number, .topics = topics};
}

void octo_wal_segments_listed(struct octo_wal *wal)
{
    const struct wal_reader *readers = wal->readers;
    uint32_t at[WAL_TOPICS] = {0, 0};

    wal->segments.count = 0;
    while (wal->stage != OCTO_WAL_FAILED) {
        uint32_t number = UINT32_MAX;
        uint32_t topics = 0;
        for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
            if (at[topic] + 4 > readers[topic].have)
                continue;
            const uint32_t next = octo_get_u32(readers[topic].buffer + at[topic]);
            if (next < number)
                topics = 0;
            if (next <= number) {
                number = next;
                topics |= 1u << topic;
            }
        }
        if (topics == 0)
            break;
        for (uint32_t topic = 0; topic < WAL_TOPICS; topic++)
            at[topic] += (topics & 1u << topic) != 0 ? 4 : 0;
        listed_add(wal, number, topics);
    }
    const uint32_t count = wal->segments.count;
    const uint32_t last = count == 0 ? 0 : wal->segments.items[count - 1].number;
    wal->segments.next_number = last + 1;
}

static void old_add(struct octo_wal *wal, uint32_t number)
{
    struct wal_segments *segments = &wal->segments;

    /* One that there is no room to remember is found, and removed, at the next boot. */
    if (segments->old_count < wal_files_max(&wal->config))
        segments->old[segments->old_count++] = number;
}

static uint32_t old_take(struct wal_segments *segments)
{
    const uint32_t number = segments->old[0];

    octo_assert(segments->old_count > 0);
    segments->old_count--;
    memmove(segments->old, segments->old + 1, segments->old_count * sizeof *segments->old);
    return number;
}

void octo_wal_segments_begin(struct octo_wal *wal, uint32_t last, bool whole)
{
    struct wal_segments *segments = &wal->segments;

    for (uint32_t i = last + 1; i < segments->count; i++)
        old_add(wal, segments->items[i].number);
    segments->count = (uint32_t)octo_min_u64(segments->count, last + 1);
    segments->live = segments->count;
    if (segments->live > 0 && !whole)
        wal->flush.append_offset = wal_segment_current(wal)->bytes;
}

/* ---- In use ---------------------------------------------------------------------------------- */

static uint32_t spares(const struct wal_segments *segments)
{
    return segments->count - segments->live;
}

bool octo_wal_segments_roll(struct octo_wal *wal, struct octo_step *step, uint32_t bytes,
                            bool reserve)
{
    struct wal_segments *segments = &wal->segments;
    const uint32_t wanted = reserve ? 2 : 1;

    if (spares(segments) < wanted || segments->items[segments->live].bytes < bytes) {
        segments->need_bytes = (uint32_t)octo_max_u64(segments->need_bytes, bytes);
        return false;
    }
    if (segments->prepare.mode == WAL_PREPARE_EXTEND &&
        segments->prepare.number == segments->items[segments->live].number)
        return false;
    if (segments->live > 0)
        wal_segment_current(wal)->sequence = wal->flush.submitted;
    segments->live++;
    segments->need_bytes = 0;
    wal->flush.append_offset = 0;
    octo_step_mark(step, OCTO_MARK_SEGMENT_ROLLED);
    return true;
}

uint32_t octo_wal_segments_covered(const struct octo_wal *wal, octo_sequence sequence)
{
    const struct wal_segments *segments = &wal->segments;
    uint32_t count = 0;

    while (count + 1 < segments->live && segments->items[count].sequence <= sequence &&
           segments->items[count].number < wal->flush.marked_in)
        count++;
    return count;
}

uint32_t octo_wal_segments_reclaim(struct octo_wal *wal, octo_sequence sequence)
{
    struct wal_segments *segments = &wal->segments;
    const uint32_t count = octo_wal_segments_covered(wal, sequence);

    for (uint32_t i = 0; i < count; i++)
        old_add(wal, segments->items[i].number);
    segments->live -= count;
    segments->count -= count;
    if (count > 0)
        memmove(segments->items, segments->items + count,
                segments->count * sizeof *segments->items);
    return count;
}

uint64_t octo_wal_segments_room(const struct octo_wal *wal)
{
    const struct wal_segments *segments = &wal->segments;
    const uint32_t end = (uint32_t)octo_min_u64(segments->count, wal->config.segments_max);
    uint64_t room = 0;

    if (segments->live > 0)
        room = segments->items[segments->live - 1].bytes - wal->flush.append_offset;
    for (uint32_t i = segments->live + 1; i < end; i++) /* the last one is in reserve */
        room += segments->items[i].bytes;
    return room;
}

/* ---- Preparing ------------------------------------------------------------------------------- */

static void prepare_begin(struct wal_segments *segments, enum wal_prepare_mode mode,
                          uint32_t number, uint32_t bytes)
{
    struct wal_prepare *prepare = &segments->prepare;

    prepare->mode = (uint8_t)mode;
    prepare->step = 0;
    prepare->number = number;
    prepare->from = 0;
    prepare->bytes = bytes;
}

/* A file to be recycled may still stand under its old name: then it goes from there. */
static void prepare_again(struct wal_prepare *prepare)
{
    prepare->mode = WAL_PREPARE_AGAIN;
    prepare->step = prepare->from != 0 ? 0 : AGAIN_WITHOUT_FROM;
}

/* Whether the no-op of a leader is among the entries that wait to be written. */
static bool noop_waits(const struct octo_wal *wal)
{
    struct octo_entry entry;

    for (octo_index i = wal->flush.submitted_index + 1; octo_log_entry(&wal->log, i, &entry); i++)
        if (entry.kind == OCTO_ENTRY_NOOP)
            return true;
    return false;
}

/* Beyond segments_max there is still the one that entries leave alone: without room for a marker no
 * boot would come to its end, and nothing be given up for a snapshot. Entries get one as well while
 * others that they replace hold segments back, and for the no-op of a new leader: nothing is known
 * to be committed before that one is, so nothing could be applied, and given up for a snapshot. */
static uint32_t spares_wanted(const struct octo_wal *wal)
{
    const struct wal_segments *segments = &wal->segments;
    const uint32_t limit = wal->config.segments_max;
    uint32_t least = 1;

    if (segments->live + 2 >= limit && (wal->flush.replaced != 0 || noop_waits(wal)))
        least = 2;
    if (segments->live + least >= limit)
        return segments->count < wal_files_max(&wal->config) ? least : 0;
    return (uint32_t)octo_min_u64(WAL_SPARES, limit - segments->live);
}

/* Decides what is to be done next, if anything. */
static void prepare_choose(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_segments *segments = &wal->segments;
    const uint32_t bytes = (uint32_t)octo_max_u64(
        wal->config.segment_bytes, octo_align_up(segments->need_bytes, wal->config.sector_bytes));

    if (spares(segments) > 0 && segments->items[segments->live].bytes < segments->need_bytes) {
        prepare_begin(segments, WAL_PREPARE_EXTEND, segments->items[segments->live].number, bytes);
    } else if (spares_wanted(wal) > spares(segments)) {
        const uint32_t number = segments->next_number++;
        if (segments->old_count > 0) {
            const uint32_t from = old_take(segments);
            octo_step_mark(step, OCTO_MARK_SEGMENT_RECYCLED);
            prepare_begin(segments, WAL_PREPARE_RECYCLE, number, bytes);
            segments->prepare.from = from;
        } else {
            prepare_begin(segments, WAL_PREPARE_FRESH, number, bytes);
        }
    } else if (segments->old_count > OLD_KEPT) {
        octo_step_mark(step, OCTO_MARK_SEGMENT_REMOVED);
        prepare_begin(segments, WAL_PREPARE_REMOVE, old_take(segments), 0);
        segments->prepare.step = REMOVE_FIRST;
    }
}

static struct octo_disk_op prepare_op(const struct wal_prepare *prepare)
{
    const struct prepare_step *present = step_now(prepare);
    struct octo_disk_op op = {.kind = (uint8_t)present->operation};

    if (present->operation == OCTO_DISK_DIR_SYNC)
        return op;
    op.file = wal_topic_file(present->topic, prepare->number);
    if (present->operation == OCTO_DISK_RENAME)
        op.target = op.file;
    if (present->operation == OCTO_DISK_RENAME || present->from)
        op.file.number = prepare->from;
    if (present->operation == OCTO_DISK_ALLOCATE)
        op.length = prepare->bytes;
    return op;
}

void octo_wal_segments_drive(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_prepare *prepare = &wal->segments.prepare;

    if (prepare->op != 0)
        return;
    if (step->now < prepare->not_before) {
        octo_step_deadline(step, prepare->not_before);
        return;
    }
    if (prepare->mode == WAL_PREPARE_NONE)
        prepare_choose(wal, step);
    if (prepare->mode == WAL_PREPARE_NONE || !octo_step_directory_take(step, OCTO_DIRECTORY_LOG))
        return;
    const struct octo_disk_op op = prepare_op(prepare);
    prepare->op = octo_step_disk(step, &op);
}

static void prepare_done(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_segments *segments = &wal->segments;
    struct wal_prepare *prepare = &segments->prepare;
    const enum wal_prepare_mode mode = (enum wal_prepare_mode)prepare->mode;

    prepare->mode = WAL_PREPARE_NONE;
    octo_step_directory_give(step, OCTO_DIRECTORY_LOG);
    if (mode == WAL_PREPARE_REMOVE)
        return;
    if (mode == WAL_PREPARE_EXTEND) {
        octo_assert(segments->items[segments->live].number == prepare->number);
        segments->items[segments->live].bytes = prepare->bytes;
    } else {
        octo_assert(segments->count < wal_files_max(&wal->config));
        segments->items[segments->count++] =
            (struct wal_segment){.number = prepare->number, .bytes = prepare->bytes};
    }
    if (segments->no_space)
        octo_step_mark(step, OCTO_MARK_SPACE_RETURNED);
    segments->no_space = false;
    octo_step_trace(step, OCTO_TRACE_SEGMENT, prepare->number, prepare->bytes,
                    mode == WAL_PREPARE_RECYCLE, 0);
}

/* A spare that could not be made longer is a spare no more. Its number goes with it: numbers rise
 * in the order of use. */
static void extend_give_up(struct octo_wal *wal)
{
    struct wal_segments *segments = &wal->segments;
    const uint32_t at = segments->live;

    old_add(wal, segments->items[at].number);
    segments->count--;
    memmove(segments->items + at, segments->items + at + 1,
            (segments->count - at) * sizeof *segments->items);
    segments->prepare.mode = WAL_PREPARE_NONE;
}

/* What there is of a new file serves the next attempt, or another file that is old by then. An old
 * file that was to be recycled is on its way out, and its successor is made anew. */
static void no_space_give_up(struct octo_wal *wal)
{
    struct wal_prepare *prepare = &wal->segments.prepare;

    if (prepare->from != 0 || prepare->mode != WAL_PREPARE_AGAIN)
        return;
    old_add(wal, prepare->number);
    prepare->mode = WAL_PREPARE_NONE;
}

static void prepare_failed(struct octo_wal *wal, struct octo_step *step, enum octo_err err)
{
    struct wal_segments *segments = &wal->segments;
    struct wal_prepare *prepare = &segments->prepare;
    const enum wal_prepare_mode mode = (enum wal_prepare_mode)prepare->mode;
    octo_time_ns pause = wal->config.disk_retry_ns;

    octo_step_directory_give(step, OCTO_DIRECTORY_LOG);
    if (mode == WAL_PREPARE_EXTEND)
        extend_give_up(wal);
    else if (mode == WAL_PREPARE_REMOVE)
        prepare->step = 0;
    else
        prepare_again(prepare);
    if (err == OCTO_ERR_NO_SPACE) {
        if (!segments->no_space) {
            octo_step_mark(step, OCTO_MARK_NO_SPACE);
            octo_step_trace(step, OCTO_TRACE_NO_SPACE, OCTO_FILE_MAIN, 0, 0, 0);
        }
        segments->no_space = true;
        no_space_give_up(wal);
        pause *= NO_SPACE_RETRY_TIMES;
    }
    prepare->not_before = step->now + pause;
}

void octo_wal_segments_completion(struct octo_wal *wal, struct octo_step *step,
                                  const struct octo_event *event)
{
    struct wal_prepare *prepare = &wal->segments.prepare;
    const struct octo_disk_op op = prepare_op(prepare);
    enum octo_err err = event->disk.result;

    prepare->op = 0;
    if (op.kind == OCTO_DISK_UNLINK && err == OCTO_ERR_NOT_FOUND)
        err = OCTO_ERR_OK;
    if (err != OCTO_ERR_OK) {
        octo_wal_refused(step, err, (enum octo_disk_kind)op.kind,
                         (enum octo_file_kind)op.file.kind);
        prepare_failed(wal, step, err);
        return;
    }
    prepare->step++;
    if (step_now(prepare)->operation == OCTO_DISK_NONE)
        prepare_done(wal, step);
}
