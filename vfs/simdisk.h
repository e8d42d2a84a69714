/* The simulated disk from the inside. Private to vfs/; the door is vfs/vfs.h.
 *
 * The model, before the code.
 *
 * A file is a row of 512-byte sectors. A sector has a durable content and a cached one, each in a
 * slot of the pool; a clean sector has one slot for both, slot 0 is a hole (zeros). The first write
 * to a clean sector takes a second slot; a sync that covers it makes that slot the durable one. No
 * byte is copied for either.
 *
 *                  write                      sync succeeds (covered)
 *        CLEAN ------------------> DIRTY ------------------------------> CLEAN, new content
 *   durable == cache         durable != cache --- sync error 1 --------> CLEAN, old content
 *                                  ^  '---------- sync error 2 ----> LOST: readable, never durable
 *                                  '------------- written anew -------'
 *
 * Covered by a sync: all writes to the sector completed before the sync was submitted. Time is the
 * disk's `stamp`, which each SYNC and DIR_SYNC advances when it is submitted: a write that
 * completes marks its sectors with the present stamp, and a sync covers what carries a smaller one
 * than its own.
 *
 * Unsynced content may reach the disk at any time, and that is used where a sector would otherwise
 * need a third content for long: content that a sync in flight covers becomes durable when it is
 * written over; content that was complete when a write, still in flight, went over it ("older")
 * becomes durable when a sync is submitted; a sector shared by several writes in flight ("mixed")
 * becomes durable whole at that moment. So what a sync covers is durable when it succeeds, and what
 * it does not cover stays at risk.
 *
 * The directory is a map from names to files, durable and cached, and a list of the unsynced
 * changes between the two, each of which is "this name now means that file" or "this name means
 * nothing". A file has at most one name in either map. It lives while a name, a change or an
 * operation in flight refers to it. A failed DIR_SYNC drops the changes that it covered from the
 * list: they are seen, and never durable; CREATE of a name in that state writes the entry anew.
 *
 * Files: simdisk.c (the door), simdisk_pool.c (slots, sector trees), simdisk_cache.c (reads,
 * writes, syncs), simdisk_directory.c (names), simdisk_crash.c (kill, power loss), simdisk_check.c
 * (the invariants), names.c (texts).
 */
#ifndef OCTO_VFS_SIMDISK_H
#define OCTO_VFS_SIMDISK_H

#include "vfs/vfs.h"

#define SIMDISK_FILES_MAX   16u /* of one disk, unlinked ones still needed included */
#define SIMDISK_CHANGES_MAX 32u /* unsynced directory changes; the oldest become durable beyond */
#define SIMDISK_FILE_NONE   SIMDISK_FILES_MAX
#define SIMDISK_SECTOR_NONE UINT32_MAX /* ends a list; no sector has this number */
#define SIMDISK_SLOT_NONE   0u

/* ---- Pool: 512-byte slots ------------------------------------------------------------------- */

#define SIMDISK_SLOT_BYTES  OCTO_SIMDISK_SECTOR_BYTES
#define SIMDISK_SLOT_UNIT   64u /* a slot's name is its offset in the arena in these units */
#define SIMDISK_CHUNK_SLOTS 64u /* slots taken from the arena at a time */

/* Sector contents, sector trees and counters all live in slots of one pool. */
struct simdisk_pool {
    struct octo_arena *arena;
    uint32_t free_first; /* recycled slots, linked through their first four bytes */
    uint32_t free_count;
    uint32_t fresh_first; /* slots of the newest chunk that were never used */
    uint32_t fresh_count;
    uint32_t slot_count; /* slots ever used; sum of octo_mix(slot) over them, for the check */
    uint64_t slot_sum;
};

/* simdisk_pool_reserve makes sure that the next count slots can be taken; false if the arena is
 * full. */
bool simdisk_pool_reserve(struct simdisk_pool *pool, uint32_t count) OCTO_MUST_USE;

/* simdisk_pool_take returns a slot, uncleared; it asserts that one was reserved. */
uint32_t simdisk_pool_take(struct simdisk_pool *pool) OCTO_MUST_USE;

void simdisk_pool_give(struct simdisk_pool *pool, uint32_t slot);

/* simdisk_slot points at the 512 bytes of a slot, aligned to 64, until it is given back. */
static inline void *simdisk_slot(const struct simdisk_pool *pool, uint32_t slot)
{
    return pool->arena->base + (size_t)slot * SIMDISK_SLOT_UNIT;
}

/* Whole slots are copied and cleared in lines of 64 bytes: gcc 12 makes `rep movs` of a memcpy
 * whose size it knows, which costs as much to start as a sector to copy. */
static inline void simdisk_slot_copy(void *to, const void *from)
{
    for (size_t at = 0; at < SIMDISK_SLOT_BYTES; at += SIMDISK_SLOT_UNIT)
        memcpy((uint8_t *)to + at, (const uint8_t *)from + at, SIMDISK_SLOT_UNIT);
}

static inline void simdisk_slot_clear(void *to)
{
    for (size_t at = 0; at < SIMDISK_SLOT_BYTES; at += SIMDISK_SLOT_UNIT)
        memset((uint8_t *)to + at, 0, SIMDISK_SLOT_UNIT);
}

/* ---- Files: trees of sectors ----------------------------------------------------------------- */

#define SIMDISK_DIRTY 1u /* on the file's dirty list */
#define SIMDISK_LOST  2u /* on the file's lost list: a sync failed, readable but never durable */
#define SIMDISK_MIXED 4u /* dirty, and several writes in flight shared it */

struct simdisk_sector {
    uint32_t durable; /* slot; SIMDISK_SLOT_NONE is a hole */
    uint32_t cache;   /* slot; equals durable while clean */
    uint32_t older;   /* slot: complete unsynced content that a write in flight went over, if any */
    uint32_t next;    /* in the dirty or lost list, by sector number */
    uint32_t previous;
    uint16_t inflight; /* writes submitted and not completed */
    uint16_t flags;
    uint64_t stamp; /* of the last completion; counts while dirty and nothing is in flight */
};

#define SIMDISK_LEAF_SECTORS  16u
#define SIMDISK_PAGE_BITS     7u
#define SIMDISK_PAGE_CHILDREN (1u << SIMDISK_PAGE_BITS)
#define SIMDISK_HEIGHT_MAX    4u /* 128^4 leaves of 16 sectors: every 32-bit sector number */

struct simdisk_leaf {
    struct simdisk_sector sectors[SIMDISK_LEAF_SECTORS];
};

struct simdisk_page {
    uint32_t children[SIMDISK_PAGE_CHILDREN]; /* slots of pages, or of leaves on the lowest level */
};

_Static_assert(sizeof(struct simdisk_leaf) == SIMDISK_SLOT_BYTES, "a leaf is a slot");
_Static_assert(sizeof(struct simdisk_page) == SIMDISK_SLOT_BYTES, "a page is a slot");

/* A list of sectors in rising order. */
struct simdisk_list {
    uint32_t first; /* SIMDISK_SECTOR_NONE if empty */
    uint32_t last;
};

struct simdisk_file {
    uint64_t size;         /* bytes, as reads see it */
    uint64_t durable_size; /* bytes; ends where the highest durable content does */
    uint32_t root;         /* slot: a leaf if height is 0, else a page */
    uint32_t height;
    uint32_t leaf_number; /* the leaf used last, a shortcut */
    uint32_t leaf;        /* its slot; SIMDISK_SLOT_NONE if there is none */
    struct simdisk_list dirty;
    struct simdisk_list lost;
    uint64_t sync_stamp; /* of the SYNC submitted last */
    uint32_t syncs;      /* SYNCs in flight */
    uint32_t overlaid;   /* sectors that have an older content or are mixed */
    uint32_t users;      /* operations in flight */
    uint32_t changes;    /* unsynced directory changes that name this file */
};

/* simdisk_tree_find returns a sector's entry, NULL if it was never written. simdisk_tree_get makes
 * it (zeroed: a clean hole) where there is none; simdisk_tree_slots bounds the slots that takes for
 * `sectors` neighbours. Entries stay where they are. */
struct simdisk_sector *simdisk_tree_find(const struct simdisk_pool *pool,
                                         const struct simdisk_file *file, uint32_t number);
struct simdisk_sector *simdisk_tree_get(struct simdisk_pool *pool, struct simdisk_file *file,
                                        uint32_t number);
uint32_t simdisk_tree_slots(uint32_t sectors);

/* simdisk_tree_free gives back every slot of the file. */
void simdisk_tree_free(struct simdisk_pool *pool, struct simdisk_file *file);

/* ---- The disk -------------------------------------------------------------------------------- */

/* A file's name as one number, never 0 for a real one. */
typedef uint64_t simdisk_name;

static inline simdisk_name simdisk_name_of(struct octo_file file)
{
    return (uint64_t)file.kind << 32 | file.number;
}

static inline struct octo_file simdisk_file_of(simdisk_name name)
{
    return (struct octo_file){.kind = (uint8_t)(name >> 32), .number = (uint32_t)name};
}

/* An unsynced directory change: name now means file, or nothing (SIMDISK_FILE_NONE). */
struct simdisk_change {
    simdisk_name name;
    uint64_t serial; /* names the change while its operation is in flight */
    uint64_t stamp;  /* of its completion */
    uint32_t file;
    bool inflight;
};

/* An operation in flight, or a free place for one. */
struct simdisk_pending {
    uint64_t id;
    uint64_t stamp;        /* SYNC and DIR_SYNC: what it covers carries a smaller one */
    uint64_t offset;       /* READ, bytes */
    uint64_t change;       /* serial of the directory change, 0 if there is none */
    uint32_t length;       /* READ: bytes asked for; WRITE: bytes to report */
    uint32_t sector_first; /* WRITE: the sectors that it is changing */
    uint32_t sector_count;
    uint32_t file; /* that it refers to; SIMDISK_FILE_NONE */
    uint32_t next_free;
    enum octo_err result;
    uint8_t kind;  /* enum octo_disk_kind; OCTO_DISK_NONE while free */
    uint8_t fault; /* READ, SYNC, DIR_SYNC: the answer of chance */
};

#define SIMDISK_COUNTERS_PER_PAGE 12u

/* How many operations of each kind every name has seen in this incarnation. */
struct simdisk_counter {
    simdisk_name name;
    uint32_t counts[8]; /* by enum octo_disk_kind */
};

struct simdisk_counter_page {
    uint32_t next; /* slot */
    uint32_t count;
    struct simdisk_counter items[SIMDISK_COUNTERS_PER_PAGE];
};

_Static_assert(sizeof(struct simdisk_counter_page) <= SIMDISK_SLOT_BYTES, "counters fit a slot");
_Static_assert(OCTO_DISK_RENAME < 8, "every kind of operation has a counter");

struct octo_simdisk {
    struct simdisk_pool pool;
    uint64_t stamp;  /* the disk's time: SYNCs and DIR_SYNCs submitted */
    uint64_t serial; /* of the directory change made last */
    struct simdisk_pending *pending;
    uint32_t pending_max;
    uint32_t pending_used; /* entries ever in use: the ones beyond are not initialised */
    uint32_t pending_free; /* first of the free ones below; pending_max if none */
    uint32_t change_count;
    uint32_t counters;                             /* slot of the first counter page */
    uint32_t file_high;                            /* files at and beyond this were never used */
    simdisk_name names[SIMDISK_FILES_MAX];         /* what the cached directory says; 0: no name */
    simdisk_name durable_names[SIMDISK_FILES_MAX]; /* what a power loss leaves of it */
    struct simdisk_file files[SIMDISK_FILES_MAX];
    struct simdisk_change changes[SIMDISK_CHANGES_MAX]; /* oldest first */
    struct octo_simdisk_stats stats;
};

/* simdisk.c */

/* simdisk_ask asks one question of chance. */
uint64_t simdisk_ask(const struct octo_disk_host *host, enum octo_disk_chance_kind kind,
                     struct octo_file file, uint8_t op, uint64_t occurrence);

/* simdisk_struck counts a fault. */
void simdisk_struck(struct octo_simdisk *disk, enum octo_disk_chance_kind kind);

/* simdisk_pending_drop ends every operation in flight without a completion: writes and directory
 * changes count as completed, syncs as never submitted. */
void simdisk_pending_drop(struct octo_simdisk *disk);

/* simdisk_counters_restart: the occurrences of a new incarnation start at 0. */
void simdisk_counters_restart(struct octo_simdisk *disk);

/* simdisk_cache.c. `index` is a file of the disk. */

/* simdisk_cache_write puts size bytes (reserved by simdisk_cache_write_slots) into the page cache.
 * The sectors touched count as in flight until simdisk_cache_written. */
void simdisk_cache_write(struct octo_simdisk *disk, uint32_t index, uint64_t offset,
                         const uint8_t *data, uint32_t size, const struct octo_disk_host *host);
void simdisk_cache_written(struct octo_simdisk *disk, uint32_t index, uint32_t sector_first,
                           uint32_t sector_count);

/* simdisk_cache_read returns how many bytes of [offset, offset + size) the file has, copied to
 * `to`. */
uint32_t simdisk_cache_read(const struct octo_simdisk *disk, uint32_t index, uint64_t offset,
                            uint8_t *to, uint32_t size);

/* simdisk_cache_sync_begin returns the stamp of a SYNC that is submitted now;
 * simdisk_cache_sync_end completes it: fault 0 succeeds, 1 loses the pages, 2 and more makes them
 * never durable. */
uint64_t simdisk_cache_sync_begin(struct octo_simdisk *disk, uint32_t index,
                                  const struct octo_disk_host *host);
void simdisk_cache_sync_end(struct octo_simdisk *disk, uint32_t index, uint64_t stamp,
                            uint64_t fault, const struct octo_disk_host *host);

/* simdisk_cache_settle makes the cached content of a dirty or lost sector durable; the caller
 * reports. */
void simdisk_cache_settle(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                          struct simdisk_sector *sector);

/* simdisk_cache_revert throws the cached content of a dirty or lost sector away. */
void simdisk_cache_revert(struct octo_simdisk *disk, uint32_t index, struct simdisk_sector *sector);

/* Neighbouring sectors that changed durably, gathered into one report. Zeroed is empty. */
struct simdisk_report {
    uint32_t first;
    uint32_t count;
};

/* simdisk_report_add adds a sector, of rising numbers; simdisk_report_flush reports what is left. A
 * file without a durable name is not reported: nobody can see it. */
void simdisk_report_add(struct simdisk_report *report, const struct octo_simdisk *disk,
                        uint32_t index, uint32_t number, const struct octo_disk_host *host);
void simdisk_report_flush(struct simdisk_report *report, const struct octo_simdisk *disk,
                          uint32_t index, const struct octo_disk_host *host);

/* simdisk_directory.c */

/* simdisk_find and simdisk_find_durable return the file that a name means, or SIMDISK_FILE_NONE. */
uint32_t simdisk_find(const struct octo_simdisk *disk, simdisk_name name);
uint32_t simdisk_find_durable(const struct octo_simdisk *disk, simdisk_name name);

/* simdisk_directory_room makes room for one more change and, for a CREATE, one more file; the
 * oldest changes become durable if there is no other way. False if there is none at all. */
bool simdisk_directory_room(struct octo_simdisk *disk, const struct octo_disk_op *op,
                            const struct octo_disk_host *host) OCTO_MUST_USE;

/* simdisk_directory_change does CREATE, UNLINK or RENAME in the cached directory. *change is the
 * serial of the change in flight, 0 if there was nothing to do. OK or NOT_FOUND. */
enum octo_err simdisk_directory_change(struct octo_simdisk *disk, const struct octo_disk_op *op,
                                       uint64_t *change) OCTO_MUST_USE;
void simdisk_directory_changed(struct octo_simdisk *disk, uint64_t change);

/* simdisk_directory_sync_end completes a DIR_SYNC: with any fault the changes are never durable. */
void simdisk_directory_sync_end(struct octo_simdisk *disk, uint64_t stamp, uint64_t fault,
                                const struct octo_disk_host *host);

/* simdisk_directory_apply makes one change durable; it stays in the list. */
void simdisk_directory_apply(struct octo_simdisk *disk, const struct simdisk_change *change,
                             const struct octo_disk_host *host);

/* simdisk_file_release frees a file that nothing refers to any more; others are left alone. */
void simdisk_file_release(struct octo_simdisk *disk, uint32_t index);

#endif
