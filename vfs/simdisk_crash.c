/* Kill and power loss: what a crash leaves. */
#include "vfs/simdisk.h"

#define TORN_MAX (SIMDISK_SLOT_BYTES / 8) /* the last answer that tears; beyond is garbage */

void octo_simdisk_kill(struct octo_simdisk *disk)
{
    simdisk_pending_drop(disk);
    simdisk_counters_restart(disk);
}

/* ---- Directory ------------------------------------------------------------------------------- */

/* How many unsynced changes of the same entry came before: what tells one question from another. */
static uint64_t change_ordinal(const struct octo_simdisk *disk, uint32_t number)
{
    uint64_t ordinal = 0;
    for (uint32_t i = 0; i < number; i++)
        ordinal += disk->changes[i].name == disk->changes[number].name;
    return ordinal;
}

/* Any subset of the changes may have reached the disk. A kept one is applied to what the others
 * before it left, so that a name means one file, and a file has one name, whatever the answers. */
static void resolve_directory(struct octo_simdisk *disk, const struct octo_disk_host *host)
{
    for (uint32_t i = 0; i < disk->change_count; i++) {
        const struct simdisk_change *change = &disk->changes[i];
        if (simdisk_ask(host, OCTO_CHANCE_CRASH_ENTRY, simdisk_file_of(change->name),
                        OCTO_DISK_NONE, change_ordinal(disk, i)) != 0) {
            simdisk_struck(disk, OCTO_CHANCE_CRASH_ENTRY);
            simdisk_directory_apply(disk, change, host);
        } else {
            disk->stats.entries_lost++;
        }
    }
    disk->change_count = 0;
    for (uint32_t i = 0; i < disk->file_high; i++) {
        disk->files[i].changes = 0;
        disk->names[i] = disk->durable_names[i];
        simdisk_file_release(disk, i);
    }
}

/* ---- Sectors --------------------------------------------------------------------------------- */

/* The tail of the new content, from byte `from` on, is the old one. */
static void tear(struct octo_simdisk *disk, const struct simdisk_sector *sector, uint32_t from)
{
    uint8_t *new = simdisk_slot(&disk->pool, sector->cache);
    const uint32_t size = SIMDISK_SLOT_BYTES - from;
    if (sector->durable == SIMDISK_SLOT_NONE)
        memset(new + from, 0, size);
    else
        memcpy(new + from, (const uint8_t *)simdisk_slot(&disk->pool, sector->durable) + from,
               size);
}

/* Asks what became of a dirty sector. Content that went astray arrives elsewhere, or nowhere,
 * whole; here an honest disk has lost it, as it may: to keep it would be to hold against a node
 * what it was never told and can never read. Returns whether the durable content changed. */
static bool resolve_sector(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                           struct simdisk_sector *sector, const struct octo_disk_host *host)
{
    const struct simdisk_lie *lie = simdisk_lie_find(disk, index, number, sector);
    const bool astray = lie != NULL && lie->astray != 0;
    const uint64_t answer =
        simdisk_ask(host, OCTO_CHANCE_CRASH_SECTOR, simdisk_file_of(disk->durable_names[index]),
                    OCTO_DISK_NONE, number);
    if (astray && answer == 1)
        simdisk_lie_land(disk, index, number, sector);
    if (astray || answer == 0) {
        disk->stats.sectors_lost++;
        simdisk_cache_revert(disk, index, number, sector);
        return false;
    }
    simdisk_struck(disk, OCTO_CHANCE_CRASH_SECTOR);
    uint8_t *content = simdisk_slot(&disk->pool, sector->cache);
    if (answer > TORN_MAX)
        simdisk_garbage(content, answer);
    simdisk_cut(content, number, disk->files[index].size);
    if (answer == 1) {
        disk->stats.sectors_kept++;
    } else if (answer <= TORN_MAX) {
        const uint32_t bytes = (uint32_t)(answer - 1) * 8;
        disk->stats.sectors_torn++;
        simdisk_lie_torn(disk, index, number, sector, bytes);
        tear(disk, sector, bytes);
    } else {
        disk->stats.sectors_garbage++;
    }
    simdisk_cache_settle(disk, index, number, sector);
    return true;
}

/* Asks what became of the size of a file, and returns where its durable content may end. */
static uint64_t resolve_size(struct octo_simdisk *disk, uint32_t index, bool *grown,
                             const struct octo_disk_host *host)
{
    const struct simdisk_file *file = &disk->files[index];
    *grown = false;
    if (file->size == file->durable_size)
        return file->size;
    const uint64_t answer =
        simdisk_ask(host, OCTO_CHANCE_CRASH_SIZE, simdisk_file_of(disk->durable_names[index]),
                    OCTO_DISK_NONE, 0);
    if (answer == 0)
        return file->size;
    simdisk_struck(disk, OCTO_CHANCE_CRASH_SIZE);
    disk->stats.sizes_wrong++;
    *grown = answer == 1;
    return *grown ? file->size : file->durable_size;
}

static void resolve_file(struct octo_simdisk *disk, uint32_t index,
                         const struct octo_disk_host *host)
{
    struct simdisk_file *file = &disk->files[index];
    struct simdisk_report report = {0};
    bool grown;
    file->size = resolve_size(disk, index, &grown, host);
    while (file->lost.first != SIMDISK_SECTOR_NONE) {
        const uint32_t number = file->lost.first;
        disk->stats.sectors_lost++;
        simdisk_cache_revert(disk, index, number, simdisk_tree_find(&disk->pool, file, number));
    }
    while (file->dirty.first != SIMDISK_SECTOR_NONE) {
        const uint32_t number = file->dirty.first;
        struct simdisk_sector *sector = simdisk_tree_find(&disk->pool, file, number);
        if ((uint64_t)number * SIMDISK_SLOT_BYTES >= file->size) {
            disk->stats.sectors_lost++;
            simdisk_cache_revert(disk, index, number, sector);
        } else if (resolve_sector(disk, index, number, sector, host)) {
            simdisk_report_add(&report, disk, index, number, host);
        }
    }
    octo_assert(file->overlaid == 0);
    if (grown)
        file->durable_size = file->size;
    file->size = file->durable_size;
    file->allocated = file->allocated_durable;
    file->allocated_done = file->allocated_durable;
    simdisk_report_flush(&report, disk, index, host);
}

void octo_simdisk_power_loss(struct octo_simdisk *disk, const struct octo_disk_host *host)
{
    simdisk_pending_drop(disk);
    simdisk_counters_restart(disk);
    resolve_directory(disk, host);
    for (uint32_t i = 0; i < disk->file_high; i++) {
        if (disk->durable_names[i] != 0)
            resolve_file(disk, i, host);
    }
    simdisk_lies_show(disk);
}
