/* The POSIX disk's directory: to open it, to have it alone, and how files are called in it. */
#include "vfs/posixdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "lock"

/* ---- Names ----------------------------------------------------------------------------------- */

/* Whether there are many files of the kind, told apart by their numbers. */
static bool is_numbered(uint8_t kind)
{
    switch ((enum octo_file_kind)kind) {
    case OCTO_FILE_IDENTITY:
    case OCTO_FILE_VOTE:
        return false;
    case OCTO_FILE_MAIN:
    case OCTO_FILE_RECOVERY:
    case OCTO_FILE_SNAPSHOT:
        return true;
    case OCTO_FILE_NONE:
        break;
    }
    octo_assert_failed("a kind of file", __FILE__, __LINE__);
}

void posixdisk_name(struct octo_file file, char name[POSIXDISK_NAME_BYTES])
{
    const char *kind = octo_file_kind_text((enum octo_file_kind)file.kind);
    int length = 0;
    if (is_numbered(file.kind)) {
        length = snprintf(name, POSIXDISK_NAME_BYTES, "%s-%010" PRIu32, kind, file.number);
    } else {
        octo_assert(file.number == 0);
        length = snprintf(name, POSIXDISK_NAME_BYTES, "%s", kind);
    }
    octo_assert(length > 0 && length < (int)POSIXDISK_NAME_BYTES);
}

/* Whatever number is read, the name is the file's only if it would be called like that. */
bool posixdisk_name_parse(const char *name, uint8_t kind, uint32_t *number)
{
    const char *dash = is_numbered(kind) ? strrchr(name, '-') : NULL;
    char expected[POSIXDISK_NAME_BYTES];
    *number = dash != NULL ? (uint32_t)strtoull(dash + 1, NULL, 10) : 0;
    posixdisk_name((struct octo_file){.kind = kind, .number = *number}, expected);
    return strcmp(name, expected) == 0;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static enum octo_err refuse(const char *path, const char *what, int error, char *why,
                            size_t why_bytes)
{
    snprintf(why, why_bytes, "%s: %s%s", path, what, strerror(error));
    return error == ENOENT ? OCTO_ERR_NOT_FOUND : OCTO_ERR_IO;
}

/* The entry of a new directory is durable before anything in it can be. */
static int sync_parent(const struct octo_posixdisk *disk)
{
    const int parent = openat(disk->directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return -errno;
    const int result = disk->calls->sync_directory(parent);
    close(parent);
    return result;
}

static enum octo_err refuse_locked(int lock, const char *path, char *why, size_t why_bytes)
{
    char text[32] = "";
    const ssize_t length = pread(lock, text, sizeof text - 1, 0);
    const long holder = length > 0 ? strtol(text, NULL, 10) : 0;
    if (holder > 0)
        snprintf(why, why_bytes, "%s: in use by process %ld", path, holder);
    else
        snprintf(why, why_bytes, "%s: in use by another process", path);
    return OCTO_ERR_LOCKED;
}

/* The lock is flock's, which ends with the process; what the file says is for people. It stays when
 * the lock is gone: two processes must never lock two files of that name. */
static enum octo_err lock_take(struct octo_posixdisk *disk, const char *path, char *why,
                               size_t why_bytes)
{
    disk->lock =
        openat(disk->directory, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (disk->lock < 0)
        return refuse(path, "cannot open its file `" LOCK_NAME "`: ", errno, why, why_bytes);
    while (flock(disk->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return refuse_locked(disk->lock, path, why, why_bytes);
        if (errno != EINTR)
            return refuse(path, "cannot lock it: ", errno, why, why_bytes);
    }
    disk->locked = true;
    char text[32];
    const int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* A full disk may refuse it, and a node can live without. */
    if (ftruncate(disk->lock, 0) == 0 && pwrite(disk->lock, text, (size_t)length, 0) != length)
        errno = 0;
    return OCTO_ERR_OK;
}

void posixdisk_unlock(struct octo_posixdisk *disk)
{
    if (disk->lock < 0)
        return;
    if (disk->locked && ftruncate(disk->lock, 0) != 0)
        errno = 0; /* an old holder's number does no harm */
    close(disk->lock);
}

enum octo_err posixdisk_directory_open(struct octo_posixdisk *disk, const char *path, bool create,
                                       char *why, size_t why_bytes)
{
    const bool made = create && mkdir(path, 0700) == 0;
    if (create && !made && errno != EEXIST)
        return refuse(path, "cannot make the directory: ", errno, why, why_bytes);
    disk->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->directory < 0)
        return refuse(path, "cannot open the directory: ", errno, why, why_bytes);
    if (made) {
        const int result = sync_parent(disk);
        if (result < 0)
            return refuse(path, "cannot sync its parent: ", -result, why, why_bytes);
    }
    return lock_take(disk, path, why, why_bytes);
}
