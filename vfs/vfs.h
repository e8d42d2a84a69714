/* The disks' door: what executes a node's disk operations.
 *
 * The contract (K4) that every disk keeps:
 *   - operations are asynchronous; completions may come in any order;
 *   - a SYNC covers exactly the writes to its file whose completions were returned before it was
 *     submitted; a DIR_SYNC likewise covers creates, renames and unlinks;
 *   - overlapping operations are never in flight together (the caller's duty);
 *   - a failed SYNC says nothing about any of the bytes it should have covered;
 *   - ALLOCATE gives a range its space, so that writing there never fails for want of it; the size
 * is durable, like content, when a SYNC has covered the ALLOCATE;
 *   - LIST shows the directory as it is, synced or not.
 */
#ifndef OCTO_VFS_VFS_H
#define OCTO_VFS_VFS_H

#include "kernel/kernel.h"

#define OCTO_SIMDISK_SECTOR_BYTES 512u

/* ---- The simulated disk ---------------------------------------------------------------------
 *
 * One per node. Each file has two images that share what is equal: the page cache (what reads see)
 * and the durable image (what a power loss leaves). All memory comes from a world's arena in chunks
 * and is recycled; it holds no function pointer, so a world can be copied. All chance is asked of
 * the host, one keyed question at a time. */
struct octo_simdisk;

/* What a disk asks of chance, and what an answer means; 0 is always "no fault". */
#define OCTO_DISK_CHANCES(C)                                                                        \
    C(LATENCY, "disk-latency")           /* nanoseconds until the completion, at least 1 */         \
    C(READ_ERROR, "disk-read-error")     /* 1: EIO */                                               \
    C(WRITE_ERROR, "disk-write-error")   /* 1: EIO, nothing written; 2: EIO, a part written;        \
                                            3: a short write, reported as such. CREATE, UNLINK,     \
                                            RENAME: any but 0 is EIO, nothing changed */            \
    C(SYNC_ERROR, "disk-sync-error")     /* 1: EIO, dirty pages gone (old bytes read again);        \
                                            2: EIO, pages readable but never durable, whatever sync \
                                            follows, until written anew */                          \
    C(CRASH_SECTOR, "disk-crash-sector") /* for one unsynced sector at a power loss: 0: lost;       \
                                            1: kept; 2 .. 64: torn, the first (n - 1) * 8 bytes     \
                                            new (n - 1 in 1 .. 63), the rest old; 65 ..: garbage,   \
                                            drawn from the answer */                                \
    C(CRASH_ENTRY, "disk-crash-entry")   /* for one unsynced directory change: 0: lost; 1: kept */  \
    C(CRASH_SIZE, "disk-crash-size")     /* for a file whose size is not synced, at a power loss:   \
                                            0: it ends where its durable content does; 1: the new   \
                                            size arrived without the data: zeros up to it; 2: the   \
                                            old size stays, whatever content arrived beyond it */   \
    C(SHORT_READ, "disk-short-read")     /* READ: 1: about half of what could be read */            \
    C(NO_SPACE, "disk-no-space")         /* CREATE of a new file, ALLOCATE and WRITE that need      \
                                            space which was not allocated: 1: NO_SPACE, nothing     \
                                            changed */                                              \
    C(LOST_WRITE, "disk-lost-write")     /* WRITE: 1: reported as done, and readable from the page  \
                                            cache until that is gone, but the sectors keep their    \
                                            old content on the disk, whatever sync says */          \
    C(MISDIRECTED_WRITE,                                                                            \
      "disk-misdirected-write")                  /* WRITE: n: what reaches the disk goes n sectors  \
                                          further on in the same file, within its size; its own     \
                                          place keeps the old content, as for a lost write */       \
    C(MISDIRECTED_READ, "disk-misdirected-read") /* READ: n: the bytes of n sectors further on in   \
                                            the same file */

enum octo_disk_chance_kind {
    OCTO_CHANCE_NONE = 0,
#define OCTO_CHANCE_ENUM(name, text) OCTO_CHANCE_##name,
    OCTO_DISK_CHANCES(OCTO_CHANCE_ENUM)
#undef OCTO_CHANCE_ENUM
        OCTO_CHANCE_COUNT,
};

/* A question is asked only where its fault could strike, each kind once: an operation on a file
 * that is not there asks LATENCY only. First comes the error of the operation's kind, and only if
 * that is 0: NO_SPACE, where space is needed that was neither allocated nor written; for a WRITE of
 * anything, after it, LOST_WRITE, and if that is 0, MISDIRECTED_WRITE; for a READ of anything
 * SHORT_READ (of more than one byte) and MISDIRECTED_READ. LATENCY comes last. A write that goes
 * astray does so with the last content that was written before it reaches the disk: written over by
 * another, it does not matter any more. A power loss before it is synced leaves the former content
 * here, on an honest disk too. A fault for which the disk has no memory left does not strike: it
 * keeps 250 sectors' lies. A misdirected read strikes where the other sectors begin within the
 * file, and reads zeros beyond its end. */

/* The semantic identity of one question: the same question is never asked twice in an incarnation.
 */
struct octo_disk_question {
    enum octo_disk_chance_kind kind;
    struct octo_file file;
    uint8_t op;          /* enum octo_disk_kind; 0 for CRASH_* */
    uint64_t occurrence; /* of (file, op) since the node started; CRASH_SECTOR: the sector's number;
                            CRASH_SIZE: 0; CRASH_ENTRY: 0, 1 ... of the unsynced changes of that
                            entry, oldest first (a rename is a change of its target) */
};

/* The host as a disk sees it; passed with each call, never kept. */
struct octo_disk_host {
    void *context;
    uint64_t (*ask)(void *context, const struct octo_disk_question *question);
    /* durable reports that [offset, offset + length) of file has new durable content, after the
     * image has changed. Whole sectors, never none; all of the file when its durable directory
     * entry comes or goes. Unsynced content may become durable at any time, so it may be called by
     * submit too. It may look at the durable image, and nothing else. May be NULL. */
    void (*durable)(void *context, struct octo_file file, uint64_t offset, uint64_t length);
};

/* ---- Lies -----------------------------------------------------------------------------------
 *
 * A lost or misdirected write, and what octo_simdisk_damage does, are lies: the disk holds
 * something else than it was told. The *honest* content is kept beside the lie:
 * octo_simdisk_durable_sector shows that one, so that an oracle can tell what a node owed to its
 * disk from what the disk did to it. A lie shows when the page cache no longer hides it: at once
 * for damage (the cached copy of a clean sector goes with it), after a power loss for the others.
 * Writing a sector anew, and syncing it, ends its lie. */

enum octo_disk_damage {
    OCTO_DAMAGE_FLIP = 1,    /* one bit of each sector */
    OCTO_DAMAGE_GARBAGE = 2, /* the whole of it */
    OCTO_DAMAGE_ZERO = 3,
    OCTO_DAMAGE_OLD = 4, /* what stood there before the last write that became durable; zeros if
                            that is not kept any more */
};

/* Statistics: injected faults that struck, by kind; and work done. */
struct octo_simdisk_stats {
    uint64_t faults[OCTO_CHANCE_COUNT];                /* answers other than 0, LATENCY excluded */
    uint64_t sectors_lost, sectors_kept, sectors_torn; /* at power losses, of unsynced ones */
    uint64_t sectors_garbage;                          /* likewise */
    uint64_t sizes_wrong;                              /* CRASH_SIZE other than 0 */
    uint64_t entries_lost;                             /* directory changes undone */
    uint64_t lies_told, lies_ended;                    /* sectors; ended: written anew */
    uint64_t reads, writes, syncs, bytes_written, bytes_read;
};

/* octo_simdisk_create makes an empty disk (no files) with memory from arena; arena must outlive it.
 * Up to `pending_max` operations in flight. NULL if the arena is full. */
struct octo_simdisk *octo_simdisk_create(struct octo_arena *arena,
                                         uint32_t pending_max) OCTO_MUST_USE;

/* octo_simdisk_submit starts op and returns after how many nanoseconds it completes; *slot names it
 * for octo_simdisk_complete. A WRITE's bytes are copied now (op->data may then change). Returns 0
 * if the disk has no room for the operation's bytes or slot: a configuration error. */
octo_time_ns octo_simdisk_submit(struct octo_simdisk *disk, const struct octo_disk_op *op,
                                 const struct octo_disk_host *host, uint32_t *slot) OCTO_MUST_USE;

/* octo_simdisk_complete ends the operation in slot and fills event (kind, disk.*); the bytes of a
 * READ lie in `scratch` (scratch_bytes >= the operation's length), the caller's. event->now is left
 * alone. */
void octo_simdisk_complete(struct octo_simdisk *disk, uint32_t slot,
                           const struct octo_disk_host *host, uint8_t *scratch,
                           uint32_t scratch_bytes, struct octo_event *event);

/* octo_simdisk_kill ends the process, not the machine: operations in flight are dropped (a write
 * may or may not have reached the page cache: it has), the page cache stays. */
void octo_simdisk_kill(struct octo_simdisk *disk);

/* octo_simdisk_power_loss drops what is in flight and resolves every unsynced sector and directory
 * change by chance; afterwards page cache and durable image are equal. */
void octo_simdisk_power_loss(struct octo_simdisk *disk, const struct octo_disk_host *host);

/* octo_simdisk_damage damages the sectors that [offset, offset + length) of file touches; bits draw
 * what the damage is. Sectors that are dirty, never written or beyond the end are left alone.
 * Returns how many it struck. */
uint32_t octo_simdisk_damage(struct octo_simdisk *disk, struct octo_file file, uint64_t offset,
                             uint64_t length, enum octo_disk_damage damage, uint64_t bits);

/* octo_simdisk_lies: the number of sectors of [offset, offset + length) of file that hold a lie, or
 * will when what was written reaches the disk. */
uint32_t octo_simdisk_lies(const struct octo_simdisk *disk, struct octo_file file, uint64_t offset,
                           uint64_t length);

/* octo_simdisk_heal ends every lie: the honest content is back. */
void octo_simdisk_heal(struct octo_simdisk *disk);

/* octo_simdisk_wipe removes every file, durably: a new, empty disk. No operation may be in flight.
 */
void octo_simdisk_wipe(struct octo_simdisk *disk, const struct octo_disk_host *host);

/* octo_simdisk_files writes the numbers of the files of `kind` with a durable name, rising, at most
 * count of them, and returns how many there are. */
uint32_t octo_simdisk_files(const struct octo_simdisk *disk, uint8_t kind, uint32_t *numbers,
                            uint32_t count);

/* octo_simdisk_durable_sector points at the 512 durable, honest bytes of a sector, NULL where the
 * durable image has none (a hole reads as zeros, or the file does not durably exist). */
const uint8_t *octo_simdisk_durable_sector(const struct octo_simdisk *disk, struct octo_file file,
                                           uint64_t sector);

/* octo_simdisk_durable_size: bytes of the file in the durable image; false if it is not there (its
 * directory entry included). */
bool octo_simdisk_durable_size(const struct octo_simdisk *disk, struct octo_file file,
                               uint64_t *size);

/* octo_simdisk_stats points at the counters, since creation. */
const struct octo_simdisk_stats *octo_simdisk_stats(const struct octo_simdisk *disk);

/* octo_simdisk_check asserts the invariants: every sector has one owner or is free. */
void octo_simdisk_check(const struct octo_simdisk *disk);

/* octo_disk_chance_text and octo_disk_kind_text: names as in the tables. */
const char *octo_disk_chance_text(enum octo_disk_chance_kind kind);
const char *octo_disk_kind_text(enum octo_disk_kind kind);
const char *octo_file_kind_text(enum octo_file_kind kind);

/* ---- The POSIX disk -------------------------------------------------------------------------
 *
 * The same contract on a real directory, which it owns: one process at a time. A few threads
 * execute the operations, so that those on different files run in parallel; the threads see nothing
 * but the disk. Calls come from one thread, the owner's. Linux only; links with `posixdisk`. */
struct octo_posixdisk;

/* The system calls that a test replaces. Each returns what the call returned (bytes, or 0), or
 * -errno. They are called by the disk's threads, several at a time. */
struct octo_posix_calls {
    int64_t (*read_at)(int file, uint8_t *bytes, uint64_t size, uint64_t offset);
    int64_t (*write_at)(int file, const uint8_t *bytes, uint64_t size, uint64_t offset);
    int (*sync_data)(int file);                                /* fdatasync */
    int (*sync_directory)(int directory);                      /* fsync */
    int (*allocate)(int file, uint64_t offset, uint64_t size); /* fallocate; extends the file */
};

/* octo_posix_calls are the real ones. */
extern const struct octo_posix_calls octo_posix_calls;

/* With the option `direct`, a WRITE bypasses the page cache if its data, offset and length are
 * multiples of this; others go through it. */
#define OCTO_POSIXDISK_ALIGNMENT 4096u

struct octo_posixdisk_options {
    bool create;          /* make the directory if it is not there; its parent must be */
    bool direct;          /* O_DIRECT for WRITEs that are aligned, where the system has it */
    uint32_t threads;     /* 0: 8 */
    uint32_t pending_max; /* operations submitted and not yet returned; 0: 256 */
    const struct octo_posix_calls *calls; /* NULL: the real ones; must outlive the disk */
};

/* octo_posixdisk_open takes the directory for this process and starts the threads. Of itself it
 * makes only the file `lock` in it. On an error *disk is NULL and `why` says what is wrong, naming
 * the directory (why_bytes of room, its end included): NOT_FOUND: there is no such directory;
 * LOCKED: another process has it; IO: no directory, or no permission, or what else the system says;
 * FULL: no memory or no threads. */
enum octo_err octo_posixdisk_open(const char *directory,
                                  const struct octo_posixdisk_options *options,
                                  struct octo_posixdisk **disk, char *why,
                                  size_t why_bytes) OCTO_MUST_USE;

/* octo_posixdisk_submit starts op. A WRITE's bytes are not copied: they stay as they are until the
 * completion was returned. FULL: pending_max operations are in flight, or no memory for the bytes
 * of a READ or LIST; nothing was started. */
enum octo_err octo_posixdisk_submit(struct octo_posixdisk *disk,
                                    const struct octo_disk_op *op) OCTO_MUST_USE;

/* octo_posixdisk_wait returns the next completion in event (kind, disk.*; event->now is left
 * alone), waiting for one up to timeout_ns: 0 only looks, OCTO_NEVER waits as long as it takes.
 * False: none came in time, or nothing is in flight. The bytes of a READ are the disk's, valid
 * until the next call of wait or close. A WRITE that the system refused within is a short one, and
 * OK; one of which it took nothing has the error as its result. */
bool octo_posixdisk_wait(struct octo_posixdisk *disk, octo_time_ns timeout_ns,
                         struct octo_event *event) OCTO_MUST_USE;

/* octo_posixdisk_descriptor: the file descriptor that is readable while a completion waits to be
 * returned, for an event loop. The disk reads it and closes it. */
int octo_posixdisk_descriptor(const struct octo_posixdisk *disk);

/* octo_posixdisk_close lets the operations end that have begun, drops the others and all
 * completions, and frees the directory and the disk. NULL is allowed. */
void octo_posixdisk_close(struct octo_posixdisk *disk);

#endif
