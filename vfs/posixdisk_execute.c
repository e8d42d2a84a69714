/* The POSIX disk's operations, as its threads execute them. */
#include "vfs/posixdisk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum octo_err posixdisk_error(int error)
{
    if (error == 0)
        return OCTO_ERR_OK;
    if (error == ENOENT)
        return OCTO_ERR_NOT_FOUND;
    return error == ENOSPC || error == EDQUOT ? OCTO_ERR_NO_SPACE : OCTO_ERR_IO;
}

/* ---- Content --------------------------------------------------------------------------------- */

static bool is_aligned(const uint8_t *data, uint64_t length, uint64_t offset)
{
    return ((uint64_t)(uintptr_t)data | length | offset) % OCTO_POSIXDISK_ALIGNMENT == 0;
}

uint64_t posixdisk_write(struct octo_posixdisk *disk, const struct posixdisk_file *file, int direct,
                         const uint8_t *data, uint64_t length, uint64_t offset, int *error)
{
    uint64_t written = 0;
    *error = 0;
    while (written < length && *error == 0) {
        const uint8_t *rest = data + written;
        const uint64_t size = length - written;
        const uint64_t at = offset + written;
        const bool is_direct = direct >= 0 && is_aligned(rest, size, at);
        const int64_t result =
            disk->calls->write_at(is_direct ? direct : file->descriptor, rest, size, at);
        octo_assert(result <= (int64_t)size);
        if (result > 0) {
            written += (uint64_t)result;
        } else if (result == -EINVAL && is_direct) {
            atomic_store(&disk->direct_works, false); /* it wants more than our alignment */
            direct = -1;
        } else if (result != -EINTR) {
            *error = result == 0 ? EIO : (int)-result;
        }
    }
    return written;
}

/* A write that failed within is a short one; only if nothing at all was written its error is the
 * result. So NO_SPACE means, here too, that nothing has changed. */
static enum octo_err execute_write(struct octo_posixdisk *disk, struct posixdisk_file *file,
                                   struct posixdisk_pending *pending)
{
    int error = 0;
    /* O_DIRECT is no default, for what was measured on ext4 over a virtual disk, in zeroed space.
     * One file, a write and its fdatasync, took 0.93 (4 KiB), 0.90 (64 KiB) and 0.79 (1 MiB) of the
     * time through the page cache. But two files written, waited for and synced together, as a log
     * does with its topics, took 1.06, 1.02 and 1.00 of it: a write that waits for the device costs
     * a round trip that the page cache saves. (Means of alternating runs; devices differ.) */
    const int direct = disk->direct_writes ? posixdisk_file_direct(disk, file) : -1;
    pending->length = (uint32_t)posixdisk_write(disk, file, direct, pending->op.data,
                                                pending->op.length, pending->op.offset, &error);
    return pending->length > 0 ? OCTO_ERR_OK : posixdisk_error(error);
}

static enum octo_err execute_read(struct octo_posixdisk *disk, struct posixdisk_file *file,
                                  struct posixdisk_pending *pending)
{
    uint32_t done = 0;
    while (done < pending->op.length) {
        const int64_t result =
            disk->calls->read_at(file->descriptor, pending->answer.bytes + done,
                                 pending->op.length - done, pending->op.offset + done);
        octo_assert(result <= (int64_t)(pending->op.length - done));
        if (result == 0)
            break;
        if (result > 0)
            done += (uint32_t)result;
        else if (result != -EINTR)
            return posixdisk_error((int)-result);
    }
    pending->length = done;
    return OCTO_ERR_OK;
}

/* NO_SPACE would say that nothing has changed, which a failed sync cannot. */
static enum octo_err sync_result(int result)
{
    return result == 0 ? OCTO_ERR_OK : OCTO_ERR_IO;
}

/* One fdatasync, never repeated, not even after EINTR: the second answer of a sync that failed is
 * worth nothing (contract K8). */
static enum octo_err execute_sync(struct octo_posixdisk *disk, struct posixdisk_file *file)
{
    const uint64_t changes = posixdisk_file_changes(disk, file);
    const int result = disk->calls->sync_data(file->descriptor);
    if (result == 0)
        posixdisk_file_synced(disk, file, changes);
    return sync_result(result);
}

static enum octo_err execute_on_file(struct octo_posixdisk *disk, struct posixdisk_pending *pending)
{
    const struct octo_disk_op *op = &pending->op;
    struct posixdisk_file *file = NULL;
    enum octo_err err = posixdisk_file_use(disk, op->file, op->kind == OCTO_DISK_CREATE, &file);
    if (err != OCTO_ERR_OK)
        return err;
    bool changed = false;
    if (op->offset > (uint64_t)INT64_MAX - op->length) {
        err = OCTO_ERR_IO; /* no file reaches there */
    } else if (op->kind == OCTO_DISK_READ) {
        err = execute_read(disk, file, pending);
    } else if (op->kind == OCTO_DISK_WRITE) {
        changed = true;
        err = execute_write(disk, file, pending);
    } else if (op->kind == OCTO_DISK_SYNC) {
        err = execute_sync(disk, file);
    } else if (op->kind == OCTO_DISK_ALLOCATE) {
        changed = true;
        err = posixdisk_allocate(disk, file, op->offset, op->length);
    }
    posixdisk_file_release(disk, file, changed);
    /* The file is there, whatever the system says about what lies in it. */
    return err == OCTO_ERR_NOT_FOUND ? OCTO_ERR_IO : err;
}

/* ---- The directory --------------------------------------------------------------------------- */

/* Puts number where it belongs among the `count` rising ones; of more than `room` the lowest stay.
 */
static uint32_t insert(uint8_t *numbers, uint32_t count, uint32_t room, uint32_t number)
{
    uint32_t at = count;
    while (at > 0 && octo_get_u32(numbers + 4 * (at - 1)) > number)
        at--;
    if (at == room)
        return count;
    const uint32_t kept = count < room ? count : room - 1;
    memmove(numbers + 4 * (at + 1), numbers + 4 * at, 4 * (size_t)(kept - at));
    octo_put_u32(numbers + 4 * at, number);
    return kept + 1;
}

static enum octo_err execute_list(struct octo_posixdisk *disk, struct posixdisk_pending *pending)
{
    const int descriptor = openat(disk->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return OCTO_ERR_IO;
    DIR *directory = fdopendir(descriptor);
    if (directory == NULL) {
        close(descriptor);
        return OCTO_ERR_IO;
    }
    uint32_t count = 0;
    errno = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL; errno = 0) {
        uint32_t number = 0;
        if (posixdisk_name_parse(entry->d_name, pending->op.file.kind, &number))
            count = insert(pending->answer.bytes, count, pending->op.length / 4, number);
    }
    const int error = errno;
    closedir(directory);
    if (error != 0)
        return OCTO_ERR_IO;
    pending->length = 4 * count;
    return OCTO_ERR_OK;
}

void posixdisk_execute(struct octo_posixdisk *disk, struct posixdisk_pending *pending)
{
    switch ((enum octo_disk_kind)pending->op.kind) {
    case OCTO_DISK_CREATE:
    case OCTO_DISK_READ:
    case OCTO_DISK_WRITE:
    case OCTO_DISK_SYNC:
    case OCTO_DISK_ALLOCATE:
        pending->result = execute_on_file(disk, pending);
        return;
    case OCTO_DISK_DIR_SYNC:
        pending->result = sync_result(disk->calls->sync_directory(disk->directory));
        return;
    case OCTO_DISK_UNLINK:
        pending->result = posixdisk_unlink(disk, pending->op.file);
        return;
    case OCTO_DISK_RENAME:
        pending->result = posixdisk_rename(disk, pending->op.file, pending->op.target);
        return;
    case OCTO_DISK_LIST:
        pending->result = execute_list(disk, pending);
        return;
    case OCTO_DISK_NONE:
        break;
    }
    octo_assert_failed("a kind of operation", __FILE__, __LINE__);
}
