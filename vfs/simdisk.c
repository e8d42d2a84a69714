/* The simulated disk's door: operations in flight, questions, counters. The model: vfs/simdisk.h.
 */
#include "vfs/simdisk.h"

/* No file reaches further: its last sector's number would end a list. */
#define OFFSET_MAX ((uint64_t)SIMDISK_SECTOR_NONE * SIMDISK_SLOT_BYTES)

struct octo_simdisk *octo_simdisk_create(struct octo_arena *arena, uint32_t pending_max)
{
    octo_assert(pending_max > 0);
    octo_assert(arena->size / SIMDISK_SLOT_UNIT < UINT32_MAX);
    struct octo_simdisk *disk = octo_arena_alloc(arena, sizeof *disk);
    struct simdisk_pending *pending =
        octo_arena_alloc(arena, pending_max * sizeof(struct simdisk_pending));
    if (disk == NULL || pending == NULL)
        return NULL;
    memset(disk, 0, sizeof *disk);
    disk->pool.arena = arena;
    disk->pending = pending;
    disk->pending_max = pending_max;
    disk->pending_free = pending_max;
    return disk;
}

const struct octo_simdisk_stats *octo_simdisk_stats(const struct octo_simdisk *disk)
{
    return &disk->stats;
}

/* ---- Questions ------------------------------------------------------------------------------- */

uint64_t simdisk_ask(const struct octo_disk_host *host, enum octo_disk_chance_kind kind,
                     struct octo_file file, uint8_t op, uint64_t occurrence)
{
    const struct octo_disk_question question = {
        .kind = kind, .file = file, .op = op, .occurrence = occurrence};
    return host->ask(host->context, &question);
}

/* An operation that is being submitted. */
struct submission {
    struct octo_simdisk *disk;
    const struct octo_disk_op *op;
    const struct octo_disk_host *host;
    struct simdisk_pending *pending;
    uint64_t occurrence;
};

static uint64_t ask(const struct submission *at, enum octo_disk_chance_kind kind)
{
    return simdisk_ask(at->host, kind, at->op->file, at->op->kind, at->occurrence);
}

void simdisk_struck(struct octo_simdisk *disk, enum octo_disk_chance_kind kind)
{
    disk->stats.faults[kind]++;
}

/* The counter of a name; a slot for a new page of them is reserved. */
static struct simdisk_counter *counter_of(struct octo_simdisk *disk, simdisk_name name)
{
    struct simdisk_counter_page *page = NULL;
    for (uint32_t slot = disk->counters; slot != SIMDISK_SLOT_NONE; slot = page->next) {
        page = simdisk_slot(&disk->pool, slot);
        for (uint32_t i = 0; i < page->count; i++) {
            if (page->items[i].name == name)
                return &page->items[i];
        }
    }
    /* Only the first page has room, if any: full ones are pushed down. */
    page = NULL;
    if (disk->counters != SIMDISK_SLOT_NONE)
        page = simdisk_slot(&disk->pool, disk->counters);
    if (page == NULL || page->count == SIMDISK_COUNTERS_PER_PAGE) {
        const uint32_t slot = simdisk_pool_take(&disk->pool);
        page = simdisk_slot(&disk->pool, slot);
        page->next = disk->counters;
        page->count = 0;
        disk->counters = slot;
    }
    page->items[page->count] = (struct simdisk_counter){.name = name};
    return &page->items[page->count++];
}

void simdisk_counters_restart(struct octo_simdisk *disk)
{
    while (disk->counters != SIMDISK_SLOT_NONE) {
        const uint32_t slot = disk->counters;
        const struct simdisk_counter_page *page = simdisk_slot(&disk->pool, slot);
        disk->counters = page->next;
        simdisk_pool_give(&disk->pool, slot);
    }
}

/* ---- Operations in flight -------------------------------------------------------------------- */

static struct simdisk_pending *pending_take(struct octo_simdisk *disk,
                                            const struct octo_disk_op *op, uint32_t *slot)
{
    *slot = disk->pending_free;
    if (*slot != disk->pending_max)
        disk->pending_free = disk->pending[*slot].next_free;
    else
        *slot = disk->pending_used++;
    octo_assert(*slot < disk->pending_max);
    struct simdisk_pending *pending = &disk->pending[*slot];
    *pending = (struct simdisk_pending){
        .id = op->id, .kind = op->kind, .file = SIMDISK_FILE_NONE, .result = OCTO_ERR_OK};
    return pending;
}

/* The operation is over, with or without a completion: what it changed counts as completed. */
static void pending_end(struct octo_simdisk *disk, uint32_t slot)
{
    struct simdisk_pending *pending = &disk->pending[slot];
    if (pending->kind == OCTO_DISK_WRITE && pending->sector_count > 0)
        simdisk_cache_written(disk, pending->file, pending->sector_first, pending->sector_count);
    if (pending->kind == OCTO_DISK_ALLOCATE && pending->extent.end != 0) {
        struct simdisk_file *file = &disk->files[pending->file];
        file->allocated_done = simdisk_hull(file->allocated_done, pending->extent);
    }
    if (pending->change != 0)
        simdisk_directory_changed(disk, pending->change);
    if (pending->file != SIMDISK_FILE_NONE) {
        octo_assert(disk->files[pending->file].users > 0);
        disk->files[pending->file].users--;
        simdisk_file_release(disk, pending->file);
    }
    pending->kind = OCTO_DISK_NONE;
    pending->next_free = disk->pending_free;
    disk->pending_free = slot;
}

void simdisk_pending_drop(struct octo_simdisk *disk)
{
    for (uint32_t slot = 0; slot < disk->pending_used; slot++) {
        const struct simdisk_pending *pending = &disk->pending[slot];
        if (pending->kind == OCTO_DISK_SYNC && pending->file != SIMDISK_FILE_NONE)
            disk->files[pending->file].syncs--;
        if (pending->kind != OCTO_DISK_NONE)
            pending_end(disk, slot);
    }
    disk->pending_used = 0;
    disk->pending_free = disk->pending_max;
}

/* ---- Submit ---------------------------------------------------------------------------------- */

/* What an operation of this kind may be struck by. */
static enum octo_disk_chance_kind chance_of(uint8_t op)
{
    switch ((enum octo_disk_kind)op) {
    case OCTO_DISK_READ:
    case OCTO_DISK_LIST:
        return OCTO_CHANCE_READ_ERROR;
    case OCTO_DISK_WRITE:
    case OCTO_DISK_ALLOCATE:
    case OCTO_DISK_CREATE:
    case OCTO_DISK_UNLINK:
    case OCTO_DISK_RENAME:
        return OCTO_CHANCE_WRITE_ERROR;
    case OCTO_DISK_SYNC:
    case OCTO_DISK_DIR_SYNC:
        return OCTO_CHANCE_SYNC_ERROR;
    case OCTO_DISK_NONE:
        break;
    }
    return OCTO_CHANCE_NONE;
}

static uint32_t sectors_touched(uint64_t offset, uint32_t size)
{
    if (size == 0)
        return 0;
    return (uint32_t)((offset + size - 1) / SIMDISK_SLOT_BYTES - offset / SIMDISK_SLOT_BYTES + 1);
}

/* Takes all the memory that the operation can need, so that nothing fails halfway. */
static bool room_for(struct octo_simdisk *disk, const struct octo_disk_op *op,
                     const struct octo_disk_host *host)
{
    if (disk->pending_free == disk->pending_max && disk->pending_used == disk->pending_max)
        return false;
    uint32_t slots = 1; /* a page of counters */
    if ((op->kind == OCTO_DISK_WRITE || op->kind == OCTO_DISK_ALLOCATE) &&
        (op->offset > OFFSET_MAX || op->length > OFFSET_MAX - op->offset))
        return false;
    if (op->kind == OCTO_DISK_WRITE) {
        const uint32_t sectors = sectors_touched(op->offset, op->length);
        slots += sectors + simdisk_tree_slots(sectors);
    }
    if (!simdisk_pool_reserve(&disk->pool, slots))
        return false;
    if (op->kind == OCTO_DISK_CREATE || op->kind == OCTO_DISK_UNLINK ||
        op->kind == OCTO_DISK_RENAME)
        return simdisk_directory_room(disk, op, host);
    return true;
}

/* How many bytes of a write arrive: all; none (1); about half, in whole sectors if there are
 * several (2: and yet an error, 3: reported as a short write). */
static uint32_t write_part(uint32_t length, uint64_t fault)
{
    if (fault == 0)
        return length;
    if (fault == 1)
        return 0;
    const uint32_t half = length / 2;
    return half < SIMDISK_SLOT_BYTES ? half : half - half % SIMDISK_SLOT_BYTES;
}

/* Whether the operation fails for want of space; asked only if it needs any. */
static bool no_space(const struct submission *at)
{
    struct octo_simdisk *disk = at->disk;
    const bool has =
        at->op->kind == OCTO_DISK_CREATE
            ? simdisk_lookup(disk, simdisk_name_of(at->op->file)) != SIMDISK_FILE_NONE
            : simdisk_cache_has_space(disk, at->pending->file, at->op->offset, at->op->length);
    if (has || ask(at, OCTO_CHANCE_NO_SPACE) == 0)
        return false;
    simdisk_struck(disk, OCTO_CHANCE_NO_SPACE);
    at->pending->result = OCTO_ERR_NO_SPACE;
    return true;
}

/* A write that nothing else struck may go astray once it is in the page cache. */
static void write_astray(const struct submission *at)
{
    struct octo_simdisk *disk = at->disk;
    const struct simdisk_pending *pending = at->pending;
    enum octo_disk_chance_kind kind = OCTO_CHANCE_LOST_WRITE;
    uint32_t astray = SIMDISK_NOWHERE;
    if (ask(at, kind) == 0) {
        kind = OCTO_CHANCE_MISDIRECTED_WRITE;
        astray = (uint32_t)octo_min_u64(ask(at, kind), SIMDISK_NOWHERE);
    }
    if (astray == 0 || !simdisk_lie_room(disk, pending->sector_count, 0))
        return;
    simdisk_struck(disk, kind);
    simdisk_lie_astray(disk, pending->file, pending->sector_first, pending->sector_count, astray);
}

static void submit_write(const struct submission *at, uint64_t fault)
{
    struct octo_simdisk *disk = at->disk;
    const struct octo_disk_op *op = at->op;
    struct simdisk_pending *pending = at->pending;
    if (fault == 0 && no_space(at))
        return;
    const uint32_t part = write_part(op->length, fault);
    if (fault != 0)
        simdisk_struck(disk, OCTO_CHANCE_WRITE_ERROR);
    if (fault == 1 || fault == 2)
        pending->result = OCTO_ERR_IO;
    else
        pending->length = part;
    pending->sector_first = (uint32_t)(op->offset / SIMDISK_SLOT_BYTES);
    pending->sector_count = sectors_touched(op->offset, part);
    simdisk_cache_write(disk, pending->file, op->offset, op->data, part, at->host);
    disk->stats.writes++;
    disk->stats.bytes_written += part;
    if (fault == 0 && part > 0)
        write_astray(at);
}

static void submit_allocate(const struct submission *at, uint64_t fault)
{
    struct simdisk_pending *pending = at->pending;
    if (fault != 0) {
        simdisk_struck(at->disk, OCTO_CHANCE_WRITE_ERROR);
        pending->result = OCTO_ERR_IO;
        return;
    }
    if (at->op->length == 0 || no_space(at))
        return;
    struct simdisk_file *file = &at->disk->files[pending->file];
    pending->extent = (struct simdisk_extent){at->op->offset, at->op->offset + at->op->length};
    file->allocated = simdisk_hull(file->allocated, pending->extent);
    file->size = octo_max_u64(file->size, pending->extent.end);
}

static void submit_change(const struct submission *at, uint64_t fault)
{
    struct simdisk_pending *pending = at->pending;
    if (fault != 0) {
        simdisk_struck(at->disk, OCTO_CHANCE_WRITE_ERROR);
        pending->result = OCTO_ERR_IO;
    } else if (at->op->kind != OCTO_DISK_CREATE || !no_space(at)) {
        pending->result = simdisk_directory_change(at->disk, at->op, &pending->change);
    }
}

static void submit_read(const struct submission *at, uint64_t fault)
{
    struct simdisk_pending *pending = at->pending;
    pending->offset = at->op->offset;
    pending->length = at->op->length;
    at->disk->stats.reads++;
    if (fault != 0 || at->op->length == 0)
        return;
    if (at->op->length > 1)
        pending->halved = ask(at, OCTO_CHANCE_SHORT_READ) != 0;
    pending->shift = (uint32_t)octo_min_u64(ask(at, OCTO_CHANCE_MISDIRECTED_READ), UINT32_MAX);
}

/* Does what an operation does when it is submitted; what is left for its end is in pending. */
static void submit_kind(const struct submission *at, uint64_t fault)
{
    struct octo_simdisk *disk = at->disk;
    struct simdisk_pending *pending = at->pending;
    pending->fault = (uint8_t)octo_min_u64(fault, UINT8_MAX);
    switch ((enum octo_disk_kind)at->op->kind) {
    case OCTO_DISK_NONE:
        break;
    case OCTO_DISK_READ:
        submit_read(at, fault);
        break;
    case OCTO_DISK_LIST:
        pending->offset = at->op->file.kind;
        pending->length = at->op->length;
        disk->stats.reads++;
        break;
    case OCTO_DISK_WRITE:
        submit_write(at, fault);
        break;
    case OCTO_DISK_ALLOCATE:
        submit_allocate(at, fault);
        break;
    case OCTO_DISK_SYNC:
        pending->extent = disk->files[pending->file].allocated_done;
        pending->stamp = simdisk_cache_sync_begin(disk, pending->file, at->host);
        disk->stats.syncs++;
        break;
    case OCTO_DISK_DIR_SYNC:
        pending->stamp = ++disk->stamp;
        disk->stats.syncs++;
        break;
    case OCTO_DISK_CREATE:
    case OCTO_DISK_UNLINK:
    case OCTO_DISK_RENAME:
        submit_change(at, fault);
        break;
    }
}

static bool is_on_file(uint8_t kind)
{
    return kind == OCTO_DISK_READ || kind == OCTO_DISK_WRITE || kind == OCTO_DISK_SYNC ||
           kind == OCTO_DISK_ALLOCATE;
}

octo_time_ns octo_simdisk_submit(struct octo_simdisk *disk, const struct octo_disk_op *op,
                                 const struct octo_disk_host *host, uint32_t *slot)
{
    octo_assert(op->kind >= OCTO_DISK_READ);
    octo_assert(op->kind <= OCTO_DISK_LIST);
    octo_assert(op->kind == OCTO_DISK_DIR_SYNC || op->file.kind != OCTO_FILE_NONE);
    if (!room_for(disk, op, host))
        return 0;
    const simdisk_name name = simdisk_name_of(op->file);
    struct simdisk_counter *counter = counter_of(disk, name);
    struct simdisk_pending *pending = pending_take(disk, op, slot);
    const struct submission at = {.disk = disk,
                                  .op = op,
                                  .host = host,
                                  .pending = pending,
                                  .occurrence = counter->counts[op->kind]++};
    if (is_on_file(op->kind))
        pending->file = simdisk_lookup(disk, name);
    if (is_on_file(op->kind) && pending->file == SIMDISK_FILE_NONE) {
        pending->result = OCTO_ERR_NOT_FOUND;
    } else {
        if (pending->file != SIMDISK_FILE_NONE)
            disk->files[pending->file].users++;
        submit_kind(&at, ask(&at, chance_of(op->kind)));
    }
    return octo_max_u64(ask(&at, OCTO_CHANCE_LATENCY), 1);
}

/* ---- Complete -------------------------------------------------------------------------------- */

static void complete_read(struct octo_simdisk *disk, const struct simdisk_pending *pending,
                          uint8_t *scratch, uint32_t scratch_bytes, struct octo_event *event)
{
    if (pending->fault != 0) {
        simdisk_struck(disk, OCTO_CHANCE_READ_ERROR);
        event->disk.result = OCTO_ERR_IO;
        return;
    }
    octo_assert(scratch_bytes >= pending->length);
    const uint64_t size = disk->files[pending->file].size;
    uint64_t offset = pending->offset;
    uint64_t length = offset >= size ? 0 : octo_min_u64(pending->length, size - offset);
    if (pending->halved && length > 1) {
        simdisk_struck(disk, OCTO_CHANCE_SHORT_READ);
        length /= 2;
    }
    const uint64_t further = (uint64_t)pending->shift * SIMDISK_SLOT_BYTES;
    if (further > 0 && length > 0 && further < size - offset) {
        simdisk_struck(disk, OCTO_CHANCE_MISDIRECTED_READ);
        offset += further;
    }
    const uint32_t got = simdisk_cache_read(disk, pending->file, offset, scratch, (uint32_t)length);
    memset(scratch + got, 0, length - got); /* read from further on, where the file ends */
    event->disk.data = scratch;
    event->disk.length = (uint32_t)length;
    disk->stats.bytes_read += length;
}

static void complete_list(struct octo_simdisk *disk, const struct simdisk_pending *pending,
                          uint8_t *scratch, uint32_t scratch_bytes, struct octo_event *event)
{
    if (pending->fault != 0) {
        simdisk_struck(disk, OCTO_CHANCE_READ_ERROR);
        event->disk.result = OCTO_ERR_IO;
        return;
    }
    octo_assert(scratch_bytes >= pending->length);
    uint32_t numbers[SIMDISK_FILES_MAX];
    const uint32_t found =
        simdisk_directory_numbers(disk, disk->names, (uint8_t)pending->offset, numbers);
    const uint32_t count = (uint32_t)octo_min_u64(found, pending->length / sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++)
        octo_put_u32(scratch + i * sizeof(uint32_t), numbers[i]);
    event->disk.data = scratch;
    event->disk.length = count * (uint32_t)sizeof(uint32_t);
    disk->stats.bytes_read += event->disk.length;
}

/* The size is durable with the allocation: or it is seen, and never durable, unless a later
 * ALLOCATE was added to what this SYNC should have covered. */
static void sync_extent(struct simdisk_file *file, struct simdisk_extent covered, bool failed)
{
    if (!failed) {
        file->allocated_durable = simdisk_hull(file->allocated_durable, covered);
        file->allocated_done =
            simdisk_hull(file->allocated_done, covered); /* one may have failed */
        file->durable_size = octo_max_u64(file->durable_size, covered.end);
    } else if (file->allocated_done.first == covered.first &&
               file->allocated_done.end == covered.end) {
        file->allocated_done = file->allocated_durable;
    }
}

static void complete_sync(struct octo_simdisk *disk, const struct simdisk_pending *pending,
                          const struct octo_disk_host *host, struct octo_event *event)
{
    if (pending->fault != 0) {
        simdisk_struck(disk, OCTO_CHANCE_SYNC_ERROR);
        event->disk.result = OCTO_ERR_IO;
    }
    if (pending->kind == OCTO_DISK_SYNC) {
        sync_extent(&disk->files[pending->file], pending->extent, pending->fault != 0);
        simdisk_cache_sync_end(disk, pending->file, pending->stamp, pending->fault, host);
    } else {
        simdisk_directory_sync_end(disk, pending->stamp, pending->fault, host);
    }
}

void octo_simdisk_complete(struct octo_simdisk *disk, uint32_t slot,
                           const struct octo_disk_host *host, uint8_t *scratch,
                           uint32_t scratch_bytes, struct octo_event *event)
{
    octo_assert(slot < disk->pending_used);
    const struct simdisk_pending *pending = &disk->pending[slot];
    octo_assert(pending->kind != OCTO_DISK_NONE);
    event->kind = OCTO_EVENT_DISK;
    event->disk.id = pending->id;
    event->disk.result = pending->result;
    event->disk.data = NULL;
    event->disk.length = 0;
    if (pending->result != OCTO_ERR_NOT_FOUND) {
        switch ((enum octo_disk_kind)pending->kind) {
        case OCTO_DISK_READ:
            complete_read(disk, pending, scratch, scratch_bytes, event);
            break;
        case OCTO_DISK_LIST:
            complete_list(disk, pending, scratch, scratch_bytes, event);
            break;
        case OCTO_DISK_WRITE:
            event->disk.length = pending->length;
            break;
        case OCTO_DISK_SYNC:
        case OCTO_DISK_DIR_SYNC:
            complete_sync(disk, pending, host, event);
            break;
        case OCTO_DISK_NONE:
        case OCTO_DISK_ALLOCATE:
        case OCTO_DISK_CREATE:
        case OCTO_DISK_UNLINK:
        case OCTO_DISK_RENAME:
            break;
        }
    }
    pending_end(disk, slot);
}

/* ---- The durable image ------------------------------------------------------------------------
 */

const uint8_t *octo_simdisk_durable_sector(const struct octo_simdisk *disk, struct octo_file file,
                                           uint64_t sector)
{
    const uint32_t index = simdisk_find_durable(disk, simdisk_name_of(file));
    if (index == SIMDISK_FILE_NONE || sector >= SIMDISK_SECTOR_NONE)
        return NULL;
    const struct simdisk_sector *found =
        simdisk_tree_find(&disk->pool, &disk->files[index], (uint32_t)sector);
    if (found == NULL || found->durable == SIMDISK_SLOT_NONE)
        return NULL;
    return simdisk_slot(&disk->pool, found->durable);
}

bool octo_simdisk_durable_size(const struct octo_simdisk *disk, struct octo_file file,
                               uint64_t *size)
{
    const uint32_t index = simdisk_find_durable(disk, simdisk_name_of(file));
    if (index == SIMDISK_FILE_NONE)
        return false;
    *size = disk->files[index].durable_size;
    return true;
}
