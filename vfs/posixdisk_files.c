/* The POSIX disk's open files: which name means which, and how long they stay open.
 *
 * A file with content that no good sync has covered is never closed: Linux reports a failed
 * write-back to the descriptors that were open when it happened, and one that is opened later may
 * be told that all is well.
 */
#include "vfs/posixdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void file_close(struct posixdisk_file *file)
{
    octo_assert(file->users == 0);
    if (file->direct >= 0)
        close(file->direct);
    close(file->descriptor);
    free(file);
}

/* The file called name, now the first of the list; NULL if it is not open. */
static struct posixdisk_file *find(struct octo_posixdisk *disk, struct octo_file name)
{
    for (struct posixdisk_file **at = &disk->files; *at != NULL; at = &(*at)->next) {
        struct posixdisk_file *file = *at;
        if (file->name.kind == name.kind && file->name.number == name.number) {
            *at = file->next;
            file->next = disk->files;
            disk->files = file;
            return file;
        }
    }
    return NULL;
}

static void take_out(struct octo_posixdisk *disk, const struct posixdisk_file *file)
{
    struct posixdisk_file **at = &disk->files;
    while (*at != file)
        at = &(*at)->next;
    *at = file->next;
    disk->open_count--;
}

/* Closes the one that was not used for the longest time, of those that may be closed. */
static void make_room(struct octo_posixdisk *disk)
{
    struct posixdisk_file *oldest = NULL;
    for (struct posixdisk_file *file = disk->files; file != NULL; file = file->next) {
        if (file->users == 0 && file->changes == file->synced)
            oldest = file;
    }
    if (oldest != NULL) {
        take_out(disk, oldest);
        file_close(oldest);
    }
}

static int open_in(const struct octo_posixdisk *disk, const char *name, int flags)
{
    int descriptor = -1;
    do {
        descriptor = openat(disk->directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

static enum octo_err open_file(struct octo_posixdisk *disk, struct octo_file name, bool make,
                               struct posixdisk_file **opened)
{
    char text[POSIXDISK_NAME_BYTES];
    posixdisk_name(name, text);
    if (disk->open_count >= POSIXDISK_OPEN_MAX)
        make_room(disk);
    const int descriptor = open_in(disk, text, make ? O_CREAT : 0);
    if (descriptor < 0)
        return posixdisk_error(errno);
    struct posixdisk_file *file = malloc(sizeof *file);
    if (file == NULL) {
        close(descriptor);
        return OCTO_ERR_IO;
    }
    *file = (struct posixdisk_file){
        .next = disk->files, .name = name, .descriptor = descriptor, .direct = -1};
    disk->files = file;
    disk->open_count++;
    *opened = file;
    return OCTO_ERR_OK;
}

enum octo_err posixdisk_file_use(struct octo_posixdisk *disk, struct octo_file name, bool make,
                                 struct posixdisk_file **file)
{
    octo_assert(name.kind != OCTO_FILE_NONE);
    enum octo_err err = OCTO_ERR_OK;
    pthread_mutex_lock(&disk->files_lock);
    *file = find(disk, name);
    if (*file == NULL)
        err = open_file(disk, name, make, file);
    if (*file != NULL)
        (*file)->users++;
    pthread_mutex_unlock(&disk->files_lock);
    return err;
}

void posixdisk_file_release(struct octo_posixdisk *disk, struct posixdisk_file *file, bool changed)
{
    pthread_mutex_lock(&disk->files_lock);
    octo_assert(file->users > 0);
    file->users--;
    if (changed)
        file->changes++;
    const bool is_over = file->users == 0 && file->name.kind == OCTO_FILE_NONE;
    pthread_mutex_unlock(&disk->files_lock);
    if (is_over)
        file_close(file);
}

int posixdisk_file_direct(struct octo_posixdisk *disk, struct posixdisk_file *file)
{
    if (!atomic_load(&disk->direct_works))
        return -1;
    pthread_mutex_lock(&disk->files_lock);
    if (file->direct < 0 && file->name.kind != OCTO_FILE_NONE) {
        char text[POSIXDISK_NAME_BYTES];
        posixdisk_name(file->name, text);
        file->direct = open_in(disk, text, O_DIRECT);
    }
    const int direct = file->direct;
    pthread_mutex_unlock(&disk->files_lock);
    return direct;
}

uint64_t posixdisk_file_changes(struct octo_posixdisk *disk, const struct posixdisk_file *file)
{
    pthread_mutex_lock(&disk->files_lock);
    const uint64_t changes = file->changes;
    pthread_mutex_unlock(&disk->files_lock);
    return changes;
}

void posixdisk_file_synced(struct octo_posixdisk *disk, struct posixdisk_file *file,
                           uint64_t changes)
{
    pthread_mutex_lock(&disk->files_lock);
    file->synced = octo_max_u64(file->synced, changes);
    pthread_mutex_unlock(&disk->files_lock);
}

void posixdisk_file_cut(struct octo_posixdisk *disk, const struct posixdisk_file *file,
                        uint64_t size, uint64_t changes)
{
    /* The lock keeps others from beginning, so that no bytes of theirs are cut off. */
    pthread_mutex_lock(&disk->files_lock);
    if (file->users != 1 || file->changes != changes ||
        ftruncate(file->descriptor, (off_t)size) != 0)
        errno = 0; /* then it stays as it is: space that is taken, and zeros in it */
    pthread_mutex_unlock(&disk->files_lock);
}

/* The name means another file from now on, or none. Returns the file if it is to be closed, which
 * may take long (its space is given back) and waits until the lock is free. */
static struct posixdisk_file *name_lost(struct octo_posixdisk *disk, struct octo_file name)
{
    struct posixdisk_file *file = find(disk, name);
    if (file == NULL)
        return NULL;
    take_out(disk, file);
    file->name = (struct octo_file){0};
    return file->users == 0 ? file : NULL;
}

enum octo_err posixdisk_unlink(struct octo_posixdisk *disk, struct octo_file name)
{
    char text[POSIXDISK_NAME_BYTES];
    posixdisk_name(name, text);
    enum octo_err err = OCTO_ERR_OK;
    struct posixdisk_file *gone = NULL;
    pthread_mutex_lock(&disk->files_lock);
    if (unlinkat(disk->directory, text, 0) == 0)
        gone = name_lost(disk, name);
    else
        err = posixdisk_error(errno);
    pthread_mutex_unlock(&disk->files_lock);
    if (gone != NULL)
        file_close(gone);
    return err;
}

enum octo_err posixdisk_rename(struct octo_posixdisk *disk, struct octo_file name,
                               struct octo_file target)
{
    char from[POSIXDISK_NAME_BYTES];
    char to[POSIXDISK_NAME_BYTES];
    posixdisk_name(name, from);
    posixdisk_name(target, to);
    enum octo_err err = OCTO_ERR_OK;
    struct posixdisk_file *gone = NULL;
    pthread_mutex_lock(&disk->files_lock);
    if (renameat(disk->directory, from, disk->directory, to) != 0) {
        err = posixdisk_error(errno);
    } else if (strcmp(from, to) != 0) {
        gone = name_lost(disk, target);
        struct posixdisk_file *file = find(disk, name);
        if (file != NULL)
            file->name = target;
    }
    pthread_mutex_unlock(&disk->files_lock);
    if (gone != NULL)
        file_close(gone);
    return err;
}

void posixdisk_files_close(struct octo_posixdisk *disk)
{
    while (disk->files != NULL) {
        struct posixdisk_file *file = disk->files;
        disk->files = file->next;
        file_close(file);
    }
}
