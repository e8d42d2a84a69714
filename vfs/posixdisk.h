/* The POSIX disk's private door: what its files share.
 *
 * Threads. The owner's thread submits and takes completions; the disk's threads execute. Two locks,
 * never held together: `queue_lock` for the lists of operations, `files_lock` for the names, in
 * memory and in the directory. No data is read, written or synced under either.
 */
#ifndef OCTO_VFS_POSIXDISK_H
#define OCTO_VFS_POSIXDISK_H

#include "vfs/vfs.h"

#include <pthread.h>
#include <stdatomic.h>

/* Files kept open beyond those in use or with unsynced content. */
#define POSIXDISK_OPEN_MAX 128u

/* What zeros are written with; a multiple of OCTO_POSIXDISK_ALIGNMENT. */
#define POSIXDISK_ZEROS_BYTES (256u * 1024u)

/* Buffers of READs that are kept for the next, of those that are at least that long. */
#define POSIXDISK_BUFFERS      2u
#define POSIXDISK_BUFFER_LEAST 65536u

/* Room for a file's name in the directory, its end included. */
#define POSIXDISK_NAME_BYTES 32u

/* An open file. It goes with its name through a rename, and keeps what it means to the operations
 * that use it when the name is gone. */
struct posixdisk_file {
    struct posixdisk_file *next; /* the one used before it */
    struct octo_file name;       /* of kind OCTO_FILE_NONE when it has none any more */
    int descriptor;
    int direct;       /* the same file with O_DIRECT; -1: not needed so far, or not to be had */
    uint32_t users;   /* operations */
    uint64_t changes; /* WRITEs and ALLOCATEs that ended */
    uint64_t synced;  /* how many of them a good SYNC has covered */
};

struct posixdisk_buffer {
    uint8_t *bytes;
    uint32_t size;
};

/* An operation between submit and the return of its completion. */
struct posixdisk_pending {
    struct posixdisk_pending *next; /* in whichever list it is */
    struct octo_disk_op op;
    enum octo_err result;
    uint32_t length;
    struct posixdisk_buffer answer; /* READ, LIST: at least op.length bytes */
};

struct posixdisk_list {
    struct posixdisk_pending *first, *last;
};

struct octo_posixdisk {
    const struct octo_posix_calls *calls;
    int directory;
    int lock;
    bool locked;
    int event;                /* eventfd: not 0 while `done` holds something */
    bool direct_writes;       /* the option */
    atomic_bool direct_works; /* until the system has said that it does not */
    uint8_t *zeros;           /* aligned, POSIXDISK_ZEROS_BYTES */

    pthread_mutex_t files_lock;
    struct posixdisk_file *files; /* most recently used first */
    uint32_t open_count;

    pthread_mutex_t queue_lock;
    pthread_cond_t submitted;
    struct posixdisk_list free, todo, done;
    uint32_t in_flight; /* submitted and not yet returned */
    bool closing;

    struct posixdisk_pending *pending; /* all of them */
    struct posixdisk_buffer returned;  /* of the last completion */
    struct posixdisk_buffer kept[POSIXDISK_BUFFERS];
    pthread_t *threads;
    uint32_t thread_count;
};

/* posixdisk_directory_open opens and locks the directory: sets disk->directory and disk->lock, or
 * says why not, as octo_posixdisk_open does. */
enum octo_err posixdisk_directory_open(struct octo_posixdisk *disk, const char *path, bool create,
                                       char *why, size_t why_bytes);

/* posixdisk_unlock ends what it began, if it did. */
void posixdisk_unlock(struct octo_posixdisk *disk);

/* posixdisk_name writes a file's name in the directory. */
void posixdisk_name(struct octo_file file, char name[POSIXDISK_NAME_BYTES]);

/* posixdisk_name_parse: whether name is that of a file of `kind`, and of which number. */
bool posixdisk_name_parse(const char *name, uint8_t kind, uint32_t *number);

/* posixdisk_error maps an errno to the result of an operation. */
enum octo_err posixdisk_error(int error);

/* posixdisk_file_use finds or opens the file called name, and keeps it open until
 * posixdisk_file_release. NOT_FOUND, NO_SPACE (only if it is to be made), IO. */
enum octo_err posixdisk_file_use(struct octo_posixdisk *disk, struct octo_file name, bool make,
                                 struct posixdisk_file **file);

/* posixdisk_file_release ends the use; changed: its content may have changed meanwhile. */
void posixdisk_file_release(struct octo_posixdisk *disk, struct posixdisk_file *file, bool changed);

/* posixdisk_file_direct: a descriptor of the file with O_DIRECT, -1 if the system has none. */
int posixdisk_file_direct(struct octo_posixdisk *disk, struct posixdisk_file *file);

/* posixdisk_file_changes and posixdisk_file_synced go around a sync: the second one says that it
 * was good and covered that many changes. */
uint64_t posixdisk_file_changes(struct octo_posixdisk *disk, const struct posixdisk_file *file);
void posixdisk_file_synced(struct octo_posixdisk *disk, struct posixdisk_file *file,
                           uint64_t changes);

/* posixdisk_file_cut gives the file the size that it had when it had seen that many changes, if
 * nothing else has used it since. */
void posixdisk_file_cut(struct octo_posixdisk *disk, const struct posixdisk_file *file,
                        uint64_t size, uint64_t changes);

/* posixdisk_unlink and posixdisk_rename change the directory and what the names mean. */
enum octo_err posixdisk_unlink(struct octo_posixdisk *disk, struct octo_file name);
enum octo_err posixdisk_rename(struct octo_posixdisk *disk, struct octo_file name,
                               struct octo_file target);

/* posixdisk_buffer_take gives a buffer of at least size bytes, whose bytes are NULL if there is no
 * memory. */
struct posixdisk_buffer posixdisk_buffer_take(struct octo_posixdisk *disk, uint32_t size);

/* posixdisk_buffer_give takes one back; its bytes may be NULL. */
void posixdisk_buffer_give(struct octo_posixdisk *disk, struct posixdisk_buffer buffer);
void posixdisk_buffers_free(struct octo_posixdisk *disk);

/* posixdisk_files_close closes them all; none is in use. */
void posixdisk_files_close(struct octo_posixdisk *disk);

/* posixdisk_execute does the operation and fills in result, length and the bytes. */
void posixdisk_execute(struct octo_posixdisk *disk, struct posixdisk_pending *pending);

/* posixdisk_allocate: ALLOCATE on an open file. */
enum octo_err posixdisk_allocate(struct octo_posixdisk *disk, struct posixdisk_file *file,
                                 uint64_t offset, uint64_t length);

/* posixdisk_write writes until all is done or an error comes (*error, else 0), and returns the
 * bytes written. What is aligned goes to `direct`, a posixdisk_file_direct, if that is not -1. */
uint64_t posixdisk_write(struct octo_posixdisk *disk, const struct posixdisk_file *file, int direct,
                         const uint8_t *data, uint64_t length, uint64_t offset, int *error);

#endif
