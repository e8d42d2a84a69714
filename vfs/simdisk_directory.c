/* The directory: which name means which file, in the page cache and durably. */
#include "vfs/simdisk.h"

static uint32_t find_in(const struct octo_simdisk *disk, const simdisk_name *names,
                        simdisk_name name)
{
    octo_assert(name != 0);
    for (uint32_t i = 0; i < disk->file_high; i++) {
        if (names[i] == name)
            return i;
    }
    return SIMDISK_FILE_NONE;
}

uint32_t simdisk_find(const struct octo_simdisk *disk, simdisk_name name)
{
    return find_in(disk, disk->names, name);
}

uint32_t simdisk_lookup(struct octo_simdisk *disk, simdisk_name name)
{
    if (disk->names[disk->file_last] == name)
        return disk->file_last;
    const uint32_t file = simdisk_find(disk, name);
    if (file != SIMDISK_FILE_NONE)
        disk->file_last = file;
    return file;
}

uint32_t simdisk_find_durable(const struct octo_simdisk *disk, simdisk_name name)
{
    /* What is asked about has mostly just been synced, under the same name. */
    if (disk->durable_names[disk->file_last] == name)
        return disk->file_last;
    return find_in(disk, disk->durable_names, name);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static bool is_needed(const struct octo_simdisk *disk, uint32_t index)
{
    const struct simdisk_file *file = &disk->files[index];
    return disk->names[index] != 0 || disk->durable_names[index] != 0 || file->users > 0 ||
           file->changes > 0;
}

static struct simdisk_file empty_file(void)
{
    const struct simdisk_list empty = {SIMDISK_SECTOR_NONE, SIMDISK_SECTOR_NONE};
    return (struct simdisk_file){.dirty = empty, .lost = empty};
}

void simdisk_file_release(struct octo_simdisk *disk, uint32_t index)
{
    if (index == SIMDISK_FILE_NONE || is_needed(disk, index))
        return;
    octo_assert(disk->files[index].syncs == 0);
    simdisk_lies_forget(disk, index);
    simdisk_tree_free(&disk->pool, &disk->files[index]);
    disk->files[index] = empty_file();
}

/* The first file that is not needed; SIMDISK_FILE_NONE if all are. */
static uint32_t free_file(const struct octo_simdisk *disk)
{
    for (uint32_t i = 0; i < disk->file_high; i++) {
        if (!is_needed(disk, i))
            return i;
    }
    return disk->file_high;
}

static uint32_t file_make(struct octo_simdisk *disk, simdisk_name name)
{
    const uint32_t index = free_file(disk);
    octo_assert(index != SIMDISK_FILE_NONE);
    if (index == disk->file_high)
        disk->file_high++;
    disk->files[index] = empty_file();
    disk->names[index] = name;
    disk->durable_names[index] = 0;
    return index;
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void report_whole(simdisk_name name, uint64_t bytes, const struct octo_disk_host *host)
{
    if (bytes > 0 && host->durable != NULL)
        host->durable(host->context, simdisk_file_of(name), 0,
                      octo_align_up(bytes, SIMDISK_SLOT_BYTES));
}

/* The name means the file durably from now on; returns which one it meant before. */
static uint32_t durable_name(struct octo_simdisk *disk, simdisk_name name, uint32_t file,
                             const struct octo_disk_host *host)
{
    const uint32_t holder = simdisk_find_durable(disk, name);
    octo_assert(holder != file);
    uint64_t bytes = 0;
    if (holder != SIMDISK_FILE_NONE) {
        bytes = disk->files[holder].durable_size;
        disk->durable_names[holder] = 0;
    }
    if (file != SIMDISK_FILE_NONE) {
        const simdisk_name before = disk->durable_names[file];
        const uint64_t moved_bytes = disk->files[file].durable_size;
        disk->durable_names[file] = name;
        bytes = octo_max_u64(bytes, moved_bytes);
        if (before != 0)
            report_whole(before, moved_bytes, host);
    }
    report_whole(name, bytes, host);
    return holder;
}

void simdisk_directory_apply(struct octo_simdisk *disk, const struct simdisk_change *change,
                             const struct octo_disk_host *host)
{
    const uint32_t holder = simdisk_find_durable(disk, change->name);
    if (holder == change->file)
        return;
    uint32_t moved = durable_name(disk, change->name, change->file, host);
    /* Whoever is in the way was renamed, or else unlinked or replaced. A rename is atomic: if it
     * has made way here, its new name has arrived. That ends, for each step gives one more file the
     * name that it is seen under. */
    while (moved != SIMDISK_FILE_NONE && disk->names[moved] != 0)
        moved = durable_name(disk, disk->names[moved], moved, host);
    simdisk_file_release(disk, moved);
}

/* The list no longer holds a change that meant this file. */
static void change_ended(struct octo_simdisk *disk, uint32_t file)
{
    if (file == SIMDISK_FILE_NONE)
        return;
    octo_assert(disk->files[file].changes > 0);
    disk->files[file].changes--;
    simdisk_file_release(disk, file);
}

/* Unsynced changes may reach the disk at any time: that is how a full list makes room. */
static void settle_oldest(struct octo_simdisk *disk, const struct octo_disk_host *host)
{
    const struct simdisk_change change = disk->changes[0];
    octo_assert(disk->change_count > 0);
    disk->change_count--;
    memmove(disk->changes, disk->changes + 1, disk->change_count * sizeof *disk->changes);
    simdisk_directory_apply(disk, &change, host);
    change_ended(disk, change.file);
}

bool simdisk_directory_room(struct octo_simdisk *disk, const struct octo_disk_op *op,
                            const struct octo_disk_host *host)
{
    if (disk->change_count == SIMDISK_CHANGES_MAX)
        settle_oldest(disk, host);
    const bool makes_file = op->kind == OCTO_DISK_CREATE &&
                            simdisk_find(disk, simdisk_name_of(op->file)) == SIMDISK_FILE_NONE;
    while (makes_file && free_file(disk) == SIMDISK_FILE_NONE) {
        if (disk->change_count == 0)
            return false;
        settle_oldest(disk, host);
    }
    return true;
}

static uint64_t change_add(struct octo_simdisk *disk, simdisk_name name, uint32_t file)
{
    octo_assert(disk->change_count < SIMDISK_CHANGES_MAX);
    disk->changes[disk->change_count++] = (struct simdisk_change){
        .name = name, .serial = ++disk->serial, .file = file, .inflight = true};
    if (file != SIMDISK_FILE_NONE)
        disk->files[file].changes++;
    return disk->serial;
}

void simdisk_directory_changed(struct octo_simdisk *disk, uint64_t change)
{
    for (uint32_t i = disk->change_count; i-- > 0;) {
        if (disk->changes[i].serial == change) {
            disk->changes[i].inflight = false;
            disk->changes[i].stamp = disk->stamp;
            return;
        }
    }
}

/* ---- Operations ------------------------------------------------------------------------------ */

/* Whether name means file durably, or will when the changes in the list are synced. If neither, a
 * DIR_SYNC failed over it. */
static bool entry_is_on_its_way(const struct octo_simdisk *disk, simdisk_name name, uint32_t file)
{
    for (uint32_t i = 0; i < disk->change_count; i++) {
        if (disk->changes[i].name == name && disk->changes[i].file == file)
            return true;
    }
    return disk->durable_names[file] == name;
}

static uint64_t create(struct octo_simdisk *disk, simdisk_name name)
{
    uint32_t file = simdisk_find(disk, name);
    if (file == SIMDISK_FILE_NONE)
        file = file_make(disk, name);
    else if (entry_is_on_its_way(disk, name, file))
        return 0;
    return change_add(disk, name, file);
}

static uint64_t unlink_file(struct octo_simdisk *disk, simdisk_name name, uint32_t file)
{
    disk->names[file] = 0;
    const uint64_t change = change_add(disk, name, SIMDISK_FILE_NONE);
    simdisk_file_release(disk, file);
    return change;
}

static uint64_t rename_file(struct octo_simdisk *disk, simdisk_name target, uint32_t file)
{
    const uint32_t replaced = simdisk_find(disk, target);
    if (replaced == file)
        return 0;
    if (replaced != SIMDISK_FILE_NONE)
        disk->names[replaced] = 0;
    disk->names[file] = target;
    const uint64_t change = change_add(disk, target, file);
    simdisk_file_release(disk, replaced);
    return change;
}

enum octo_err simdisk_directory_change(struct octo_simdisk *disk, const struct octo_disk_op *op,
                                       uint64_t *change)
{
    const simdisk_name name = simdisk_name_of(op->file);
    *change = 0;
    if (op->kind == OCTO_DISK_CREATE) {
        *change = create(disk, name);
        return OCTO_ERR_OK;
    }
    const uint32_t file = simdisk_find(disk, name);
    if (file == SIMDISK_FILE_NONE)
        return OCTO_ERR_NOT_FOUND;
    if (op->kind == OCTO_DISK_UNLINK) {
        *change = unlink_file(disk, name, file);
    } else {
        octo_assert(op->kind == OCTO_DISK_RENAME);
        octo_assert(op->target.kind != OCTO_FILE_NONE);
        *change = rename_file(disk, simdisk_name_of(op->target), file);
    }
    return OCTO_ERR_OK;
}

void simdisk_directory_sync_end(struct octo_simdisk *disk, uint64_t stamp, uint64_t fault,
                                const struct octo_disk_host *host)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < disk->change_count; i++) {
        const struct simdisk_change change = disk->changes[i];
        if (change.inflight || change.stamp >= stamp) {
            disk->changes[kept++] = change;
            continue;
        }
        if (fault == 0)
            simdisk_directory_apply(disk, &change, host);
        change_ended(disk, change.file);
    }
    disk->change_count = kept;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

uint32_t simdisk_directory_numbers(const struct octo_simdisk *disk, const simdisk_name *names,
                                   uint8_t kind, uint32_t *numbers)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < disk->file_high; i++) {
        const struct octo_file file = simdisk_file_of(names[i]);
        if (names[i] == 0 || file.kind != kind)
            continue;
        uint32_t at = count++;
        for (; at > 0 && numbers[at - 1] > file.number; at--)
            numbers[at] = numbers[at - 1];
        numbers[at] = file.number;
    }
    return count;
}

uint32_t octo_simdisk_files(const struct octo_simdisk *disk, uint8_t kind, uint32_t *numbers,
                            uint32_t count)
{
    uint32_t all[SIMDISK_FILES_MAX];
    const uint32_t found = simdisk_directory_numbers(disk, disk->durable_names, kind, all);
    const uint32_t given = (uint32_t)octo_min_u64(found, count);
    if (given > 0)
        memcpy(numbers, all, given * sizeof *all);
    return found;
}

void octo_simdisk_wipe(struct octo_simdisk *disk, const struct octo_disk_host *host)
{
    for (uint32_t i = 0; i < disk->pending_used; i++)
        octo_assert(disk->pending[i].kind == OCTO_DISK_NONE);
    disk->change_count = 0;
    for (uint32_t i = 0; i < disk->file_high; i++) {
        const simdisk_name name = disk->durable_names[i];
        const uint64_t bytes = disk->files[i].durable_size;
        disk->files[i].changes = 0;
        disk->names[i] = 0;
        disk->durable_names[i] = 0;
        simdisk_file_release(disk, i);
        if (name != 0)
            report_whole(name, bytes, host);
    }
}
