/* The page cache of one file: writes, reads and syncs, sector by sector. */
#include "vfs/simdisk.h"

/* ---- Lists of sectors ------------------------------------------------------------------------ */

/* Sorted from the end: appends, the usual case, take one step. */
static void list_insert(struct octo_simdisk *disk, uint32_t index, struct simdisk_list *list,
                        uint32_t number, struct simdisk_sector *sector)
{
    const struct simdisk_file *file = &disk->files[index];
    uint32_t previous = list->last;
    uint32_t next = SIMDISK_SECTOR_NONE;
    struct simdisk_sector *before = NULL;
    struct simdisk_sector *after = NULL;
    while (previous != SIMDISK_SECTOR_NONE) {
        octo_assert(previous != number);
        before = simdisk_tree_find(&disk->pool, file, previous);
        if (previous < number)
            break;
        next = previous;
        after = before;
        previous = before->previous;
        before = NULL;
    }
    sector->previous = previous;
    sector->next = next;
    if (before != NULL)
        before->next = number;
    else
        list->first = number;
    if (after != NULL)
        after->previous = number;
    else
        list->last = number;
}

static void list_remove(struct octo_simdisk *disk, uint32_t index, struct simdisk_list *list,
                        const struct simdisk_sector *sector)
{
    const struct simdisk_file *file = &disk->files[index];
    if (sector->previous != SIMDISK_SECTOR_NONE)
        simdisk_tree_find(&disk->pool, file, sector->previous)->next = sector->next;
    else
        list->first = sector->next;
    if (sector->next != SIMDISK_SECTOR_NONE)
        simdisk_tree_find(&disk->pool, file, sector->next)->previous = sector->previous;
    else
        list->last = sector->previous;
}

/* ---- Reports --------------------------------------------------------------------------------- */

void simdisk_report_flush(struct simdisk_report *report, const struct octo_simdisk *disk,
                          uint32_t index, const struct octo_disk_host *host)
{
    const simdisk_name name = disk->durable_names[index];
    if (report->count > 0 && name != 0 && host->durable != NULL)
        host->durable(host->context, simdisk_file_of(name),
                      (uint64_t)report->first * SIMDISK_SLOT_BYTES,
                      (uint64_t)report->count * SIMDISK_SLOT_BYTES);
    report->count = 0;
}

void simdisk_report_add(struct simdisk_report *report, const struct octo_simdisk *disk,
                        uint32_t index, uint32_t number, const struct octo_disk_host *host)
{
    if (report->count > 0 && report->first + report->count != number)
        simdisk_report_flush(report, disk, index, host);
    if (report->count == 0)
        report->first = number;
    report->count++;
}

/* ---- A sector's contents --------------------------------------------------------------------- */

/* The durable size follows the highest durable sector, as far as the file is known to reach. */
static void durable_reaches(struct simdisk_file *file, uint32_t number)
{
    const uint64_t end = ((uint64_t)number + 1) * SIMDISK_SLOT_BYTES;
    file->durable_size = octo_max_u64(file->durable_size, octo_min_u64(end, file->size));
}

static void drop_older(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                       struct simdisk_sector *sector)
{
    struct simdisk_file *file = &disk->files[index];
    if (sector->older == SIMDISK_SLOT_NONE && (sector->flags & SIMDISK_MIXED) == 0)
        return;
    if (sector->older != SIMDISK_SLOT_NONE)
        simdisk_pool_give(&disk->pool, sector->older);
    sector->older = SIMDISK_SLOT_NONE;
    sector->flags &= (uint16_t)~SIMDISK_MIXED;
    simdisk_lie_forsaken(disk, index, number, sector, true);
    octo_assert(file->overlaid > 0);
    file->overlaid--;
}

/* A dirty or lost sector becomes clean; which content it keeps is the caller's business. */
static void sector_clean(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                         struct simdisk_sector *sector)
{
    struct simdisk_file *file = &disk->files[index];
    octo_assert(sector->cache != sector->durable);
    drop_older(disk, index, number, sector);
    const bool lost = (sector->flags & SIMDISK_LOST) != 0;
    list_remove(disk, index, lost ? &file->lost : &file->dirty, sector);
    sector->flags &= SIMDISK_LIE;
}

void simdisk_cache_settle(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                          struct simdisk_sector *sector)
{
    sector_clean(disk, index, number, sector);
    simdisk_lie_durable(disk, index, number, sector, sector->cache);
    durable_reaches(&disk->files[index], number);
}

void simdisk_cache_revert(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                          struct simdisk_sector *sector)
{
    sector_clean(disk, index, number, sector);
    simdisk_pool_give(&disk->pool, sector->cache);
    simdisk_lie_forsaken(disk, index, number, sector, false);
    const struct simdisk_lie *lie = simdisk_lie_find(disk, index, number, sector);
    sector->cache = lie != NULL ? lie->slot : sector->durable;
}

/* ---- Writes ---------------------------------------------------------------------------------- */

/* A slot for a new cached content, which begins as the present one unless all of it is overwritten.
 */
static uint32_t copy_for_write(struct octo_simdisk *disk, uint32_t present, bool whole)
{
    const uint32_t slot = simdisk_pool_take(&disk->pool);
    void *to = simdisk_slot(&disk->pool, slot);
    if (!whole && present != SIMDISK_SLOT_NONE)
        simdisk_slot_copy(to, simdisk_slot(&disk->pool, present));
    else if (!whole)
        simdisk_slot_clear(to);
    return slot;
}

/* A write goes over unsynced content that was complete. Content that a sync in flight covers must
 * be durable when that sync succeeds: it becomes so at once. Otherwise it is kept while the new
 * write is in flight, for a sync that may be submitted meanwhile. Returns whether the sector is
 * clean now. */
static bool overlay(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                    struct simdisk_sector *sector, bool whole, const struct octo_disk_host *host)
{
    struct simdisk_file *file = &disk->files[index];
    octo_assert(sector->older == SIMDISK_SLOT_NONE);
    if (file->syncs > 0 && sector->stamp < file->sync_stamp) {
        struct simdisk_report report = {0};
        simdisk_cache_settle(disk, index, number, sector);
        simdisk_report_add(&report, disk, index, number, host);
        simdisk_report_flush(&report, disk, index, host);
        return true;
    }
    simdisk_lie_covered(disk, index, number, sector, true);
    sector->older = sector->cache;
    sector->cache = copy_for_write(disk, sector->older, whole);
    file->overlaid++;
    return false;
}

/* Makes the sector's cached content one that may be written to, and the sector dirty. */
static void sector_open(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                        struct simdisk_sector *sector, bool whole,
                        const struct octo_disk_host *host)
{
    struct simdisk_file *file = &disk->files[index];
    if ((sector->flags & SIMDISK_LOST) != 0) {
        list_remove(disk, index, &file->lost, sector);
        list_insert(disk, index, &file->dirty, number, sector);
        sector->flags = SIMDISK_DIRTY | (sector->flags & SIMDISK_LIE);
        return;
    }
    if ((sector->flags & SIMDISK_DIRTY) != 0 && sector->inflight > 0) {
        if ((sector->flags & SIMDISK_MIXED) == 0 && sector->older == SIMDISK_SLOT_NONE)
            file->overlaid++;
        sector->flags |= SIMDISK_MIXED;
        simdisk_lie_covered(disk, index, number, sector, false);
        return;
    }
    if ((sector->flags & SIMDISK_DIRTY) != 0 && !overlay(disk, index, number, sector, whole, host))
        return;
    octo_assert(sector->cache == sector->durable || sector->flags == SIMDISK_LIE);
    sector->cache = copy_for_write(disk, sector->durable, whole);
    sector->flags |= SIMDISK_DIRTY;
    list_insert(disk, index, &file->dirty, number, sector);
}

void simdisk_cache_write(struct octo_simdisk *disk, uint32_t index, uint64_t offset,
                         const uint8_t *data, uint32_t size, const struct octo_disk_host *host)
{
    struct simdisk_file *file = &disk->files[index];
    uint64_t at = offset;
    uint32_t left = size;
    while (left > 0) {
        const uint32_t number = (uint32_t)(at / SIMDISK_SLOT_BYTES);
        const uint32_t from = (uint32_t)(at % SIMDISK_SLOT_BYTES);
        const uint32_t piece = (uint32_t)octo_min_u64(left, SIMDISK_SLOT_BYTES - from);
        const bool whole = piece == SIMDISK_SLOT_BYTES;
        struct simdisk_sector *sector = simdisk_tree_get(&disk->pool, file, number);
        sector_open(disk, index, number, sector, whole, host);
        octo_assert(sector->inflight < UINT16_MAX);
        sector->inflight++;
        uint8_t *to = simdisk_slot(&disk->pool, sector->cache);
        if (whole)
            simdisk_slot_copy(to, data);
        else
            memcpy(to + from, data, piece);
        data += piece;
        at += piece;
        left -= piece;
    }
    /* Only now: content that sector_open made durable knew nothing of the new end. */
    if (size > 0)
        file->size = octo_max_u64(file->size, at);
}

void simdisk_cache_written(struct octo_simdisk *disk, uint32_t index, uint32_t sector_first,
                           uint32_t sector_count)
{
    struct simdisk_file *file = &disk->files[index];
    for (uint32_t number = sector_first; number - sector_first < sector_count; number++) {
        struct simdisk_sector *sector = simdisk_tree_find(&disk->pool, file, number);
        octo_assert(sector != NULL);
        octo_assert(sector->inflight > 0);
        sector->inflight--;
        if (sector->inflight > 0)
            continue;
        sector->stamp = disk->stamp;
        drop_older(disk, index, number, sector);
    }
}

bool simdisk_cache_has_space(const struct octo_simdisk *disk, uint32_t index, uint64_t offset,
                             uint32_t size)
{
    const struct simdisk_file *file = &disk->files[index];
    if (size == 0 || (offset >= file->allocated.first && offset + size <= file->allocated.end))
        return true;
    /* From the end: what an append lacks is there. */
    uint64_t number = (offset + size - 1) / SIMDISK_SLOT_BYTES + 1;
    while (number-- > offset / SIMDISK_SLOT_BYTES) {
        const uint64_t start = number * SIMDISK_SLOT_BYTES;
        if (start >= file->allocated.first && start + SIMDISK_SLOT_BYTES <= file->allocated.end)
            continue;
        const struct simdisk_sector *sector =
            simdisk_tree_find(&disk->pool, file, (uint32_t)number);
        if (sector == NULL ||
            (sector->cache == SIMDISK_SLOT_NONE && sector->durable == SIMDISK_SLOT_NONE))
            return false;
    }
    return true;
}

/* ---- Reads ----------------------------------------------------------------------------------- */

/* The entry of sector `number`; sector is that of the one before it, or NULL. A leaf's entries
 * stand side by side. */
static const struct simdisk_sector *sector_next(const struct octo_simdisk *disk,
                                                const struct simdisk_file *file,
                                                const struct simdisk_sector *sector,
                                                uint32_t number)
{
    if (sector != NULL && number % SIMDISK_LEAF_SECTORS != 0)
        return sector + 1;
    return simdisk_tree_find(&disk->pool, file, number);
}

/* What a read finds in the sector; NULL if that is zeros. */
static const uint8_t *sector_seen(const struct octo_simdisk *disk,
                                  const struct simdisk_sector *sector)
{
    if (sector == NULL || sector->cache == SIMDISK_SLOT_NONE)
        return NULL;
    return simdisk_slot(&disk->pool, sector->cache);
}

/* A log is read long after it was written: its bytes are fetched from memory while the sector
 * before them is copied. */
static void slot_fetch(const uint8_t *slot)
{
    for (size_t at = 0; at < SIMDISK_SLOT_BYTES; at += SIMDISK_SLOT_UNIT)
        __builtin_prefetch(slot + at);
}

static void sector_copy(uint8_t *to, const uint8_t *seen, uint32_t from, uint32_t piece)
{
    if (piece < SIMDISK_SLOT_BYTES) {
        if (seen == NULL)
            memset(to, 0, piece);
        else
            memcpy(to, seen + from, piece);
    } else if (seen == NULL) {
        simdisk_slot_clear(to);
    } else {
        simdisk_slot_copy(to, seen);
    }
}

uint32_t simdisk_cache_read(const struct octo_simdisk *disk, uint32_t index, uint64_t offset,
                            uint8_t *to, uint32_t size)
{
    const struct simdisk_file *file = &disk->files[index];
    if (offset >= file->size || size == 0)
        return 0;
    const uint32_t total = (uint32_t)octo_min_u64(size, file->size - offset);
    uint32_t number = (uint32_t)(offset / SIMDISK_SLOT_BYTES);
    uint32_t from = (uint32_t)(offset % SIMDISK_SLOT_BYTES);
    uint32_t left = total;
    const struct simdisk_sector *sector = simdisk_tree_find(&disk->pool, file, number);
    const uint8_t *seen = sector_seen(disk, sector);
    for (;;) {
        const uint32_t piece = (uint32_t)octo_min_u64(left, SIMDISK_SLOT_BYTES - from);
        const uint8_t *now = seen;
        left -= piece;
        if (left > 0) {
            sector = sector_next(disk, file, sector, ++number);
            seen = sector_seen(disk, sector);
            if (seen != NULL)
                slot_fetch(seen);
        }
        sector_copy(to, now, from, piece);
        if (left == 0)
            return total;
        to += piece;
        from = 0;
    }
}

/* ---- Syncs ----------------------------------------------------------------------------------- */

/* A sync is submitted while a write is in flight over content that was complete before: that
 * content is covered, the write is not. */
static void settle_older(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                         struct simdisk_sector *sector)
{
    struct simdisk_file *file = &disk->files[index];
    simdisk_lie_durable(disk, index, number, sector, sector->older);
    sector->older = SIMDISK_SLOT_NONE;
    octo_assert(file->overlaid > 0);
    file->overlaid--;
    durable_reaches(file, number);
}

uint64_t simdisk_cache_sync_begin(struct octo_simdisk *disk, uint32_t index,
                                  const struct octo_disk_host *host)
{
    struct simdisk_file *file = &disk->files[index];
    struct simdisk_report report = {0};
    uint32_t next;
    for (uint32_t number = file->overlaid > 0 ? file->dirty.first : SIMDISK_SECTOR_NONE;
         number != SIMDISK_SECTOR_NONE; number = next) {
        struct simdisk_sector *sector = simdisk_tree_find(&disk->pool, file, number);
        next = sector->next;
        if ((sector->flags & SIMDISK_MIXED) != 0)
            simdisk_cache_settle(disk, index, number, sector);
        else if (sector->older != SIMDISK_SLOT_NONE)
            settle_older(disk, index, number, sector);
        else
            continue;
        simdisk_report_add(&report, disk, index, number, host);
    }
    simdisk_report_flush(&report, disk, index, host);
    octo_assert(file->overlaid == 0);
    file->syncs++;
    file->sync_stamp = ++disk->stamp;
    return disk->stamp;
}

static bool covered(const struct simdisk_sector *sector, uint64_t stamp)
{
    return sector->inflight == 0 && sector->stamp < stamp;
}

void simdisk_cache_sync_end(struct octo_simdisk *disk, uint32_t index, uint64_t stamp,
                            uint64_t fault, const struct octo_disk_host *host)
{
    struct simdisk_file *file = &disk->files[index];
    struct simdisk_report report = {0};
    octo_assert(file->syncs > 0);
    file->syncs--;
    uint32_t next;
    for (uint32_t number = file->dirty.first; number != SIMDISK_SECTOR_NONE; number = next) {
        struct simdisk_sector *sector = simdisk_tree_find(&disk->pool, file, number);
        next = sector->next;
        if (!covered(sector, stamp))
            continue;
        if (fault == 0) {
            simdisk_cache_settle(disk, index, number, sector);
            simdisk_report_add(&report, disk, index, number, host);
        } else if (fault == 1) {
            simdisk_cache_revert(disk, index, number, sector);
        } else {
            list_remove(disk, index, &file->dirty, sector);
            list_insert(disk, index, &file->lost, number, sector);
            sector->flags = SIMDISK_LOST | (sector->flags & SIMDISK_LIE);
            simdisk_lie_forsaken(disk, index, number, sector, false);
        }
    }
    simdisk_report_flush(&report, disk, index, host);
}
