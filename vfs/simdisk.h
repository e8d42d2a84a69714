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
 * A lie is kept in a table beside the sectors. `durable` is always the honest content; the lie has
 * a slot of its own with what the disk really holds. A clean sector's cached content is the honest
 * slot while the page cache hides the lie, the lie's slot when it shows. A write that is to go
 * astray makes an entry when it is submitted, and the lie is told when its content becomes durable;
 * content that is thrown away before (written over, reverted, lost) tells none. A power loss takes
 * unsynced content that goes astray from the honest disk too, wherever it lands. Two kindnesses: a
 * write over a part of a sector whose lie shows finds the honest bytes around it, so that the
 * honest content never holds a lie's bytes; a second lie shows at once where the first one did.
 *
 * ALLOCATE grows the file when it is submitted. A SYNC carries with it, from its submission on, the
 * hull of the ranges whose ALLOCATE had completed, and its success makes that hull, and a size that
 * reaches its end, durable. A failed one takes back what nothing has been added to since: the size
 * is seen, and never durable, until allocated anew.
 *
 * The directory is a map from names to files, durable and cached, and a list of the unsynced
 * changes between the two, each of which is "this name now means that file" or "this name means
 * nothing". A file has at most one name in either map, and one that had a durable name loses it
 * only by being unlinked or replaced: where an entry arrives without the rename that made way for
 * it, the file in the way takes the name that it is seen under. A file lives while a name, a change
 * or an operation in flight refers to it. A failed DIR_SYNC drops the changes that it covered from
 * the list: they are seen, and never durable; CREATE of a name in that state writes the entry anew.
 *
 * Files: simdisk.c (the door), simdisk_pool.c (slots, sector trees), simdisk_cache.c (reads,
 * writes, syncs), simdisk_lies.c (lies, damage), simdisk_directory.c (names), simdisk_crash.c
 * (kill, power loss), simdisk_check.c (the invariants), names.c (texts).
 */
#ifndef OCTO_VFS_SIMDISK_H
#define OCTO_VFS_SIMDISK_H

#include "vfs/vfs.h"

#define SIMDISK_FILES_MAX   256u /* of one disk, unlinked ones still needed included */
#define SIMDISK_CHANGES_MAX 64u  /* unsynced directory changes; the oldest become durable beyond */
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
#define SIMDISK_LIE   8u /* in the table of lies; the other flags do not depend on it */

struct simdisk_sector {
    uint32_t durable; /* slot; SIMDISK_SLOT_NONE is a hole */
    uint32_t cache;   /* slot; equals durable while clean, or the slot of a lie that shows */
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

/* A range of bytes; zeroed is empty. */
struct simdisk_extent {
    uint64_t first;
    uint64_t end;
};

static inline struct simdisk_extent simdisk_hull(struct simdisk_extent a, struct simdisk_extent b)
{
    if (a.first == a.end)
        return b;
    if (b.first == b.end)
        return a;
    return (struct simdisk_extent){octo_min_u64(a.first, b.first), octo_max_u64(a.end, b.end)};
}

struct simdisk_file {
    uint64_t size;         /* bytes, as reads see it */
    uint64_t durable_size; /* bytes; where the highest durable content ends, or the durable hull */
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
    /* The hull of what was allocated: writes inside it need no space. What lies between two ranges
     * counts as allocated too, which only means that it is never struck. */
    struct simdisk_extent allocated;
    struct simdisk_extent allocated_done; /* of it, completed: the next SYNC covers it */
    struct simdisk_extent allocated_durable;
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
    uint64_t stamp; /* SYNC and DIR_SYNC: what it covers carries a smaller one */
    struct simdisk_extent
        extent;            /* ALLOCATE: its range; SYNC: the allocated range that it covers */
    uint64_t offset;       /* READ: bytes; LIST: the kind of file */
    uint64_t change;       /* serial of the directory change, 0 if there is none */
    uint32_t length;       /* READ, LIST: bytes asked for; WRITE: bytes to report */
    uint32_t sector_first; /* WRITE: the sectors that it is changing */
    uint32_t sector_count;
    uint32_t file; /* that it refers to; SIMDISK_FILE_NONE */
    uint32_t next_free;
    enum octo_err result;
    uint32_t shift; /* READ: from so many sectors further on */
    uint8_t kind;   /* enum octo_disk_kind; OCTO_DISK_NONE while free */
    uint8_t fault;  /* READ, LIST, SYNC, DIR_SYNC: the answer of chance */
    bool halved;    /* READ: a short one */
};

#define SIMDISK_COUNTED           10u /* kinds of operations, the unused 0 included */
#define SIMDISK_COUNTERS_PER_PAGE 10u

/* How many operations of each kind every name has seen in this incarnation. */
struct simdisk_counter {
    simdisk_name name;
    uint32_t counts[SIMDISK_COUNTED]; /* by enum octo_disk_kind */
};

struct simdisk_counter_page {
    uint32_t next; /* slot */
    uint32_t count;
    struct simdisk_counter items[SIMDISK_COUNTERS_PER_PAGE];
};

_Static_assert(sizeof(struct simdisk_counter_page) <= SIMDISK_SLOT_BYTES, "counters fit a slot");
_Static_assert(OCTO_DISK_LIST < SIMDISK_COUNTED, "every kind of operation has a counter");

#define SIMDISK_LIES_PER_PAGE 25u
#define SIMDISK_LIE_PAGES     10u
#define SIMDISK_LIES_MAX      (SIMDISK_LIES_PER_PAGE * SIMDISK_LIE_PAGES)
#define SIMDISK_NOWHERE       UINT32_MAX /* astray: a lost write */

/* A sector whose content on the disk is not what the disk was told, or will not be. */
struct simdisk_lie {
    uint32_t sector;
    uint32_t slot;   /* while told: what the disk holds; SIMDISK_SLOT_NONE is zeros */
    uint32_t astray; /* where the dirty content goes when it becomes durable: 0: its own place;
                        SIMDISK_NOWHERE; else so many sectors further on */
    uint32_t older_astray; /* likewise for the older content */
    uint16_t file;
    bool told; /* the disk holds something else than the durable content, now */
};

struct simdisk_lie_page {
    struct simdisk_lie items[SIMDISK_LIES_PER_PAGE];
};

_Static_assert(sizeof(struct simdisk_lie_page) <= SIMDISK_SLOT_BYTES, "lies fit a slot");

#define SIMDISK_FORMERS_MAX 16u

/* What a sector held durably before the last write that became so: for OCTO_DAMAGE_OLD. */
struct simdisk_former {
    uint32_t sector;
    uint32_t slot; /* SIMDISK_SLOT_NONE: an empty place */
    uint32_t file;
};

struct octo_simdisk {
    struct simdisk_pool pool;
    uint64_t stamp;  /* the disk's time: SYNCs and DIR_SYNCs submitted */
    uint64_t serial; /* of the directory change made last */
    struct simdisk_pending *pending;
    uint32_t pending_max;
    uint32_t pending_used; /* entries ever in use: the ones beyond are not initialised */
    uint32_t pending_free; /* first of the free ones below; pending_max if none */
    uint32_t change_count;
    uint32_t counters; /* slot of the first counter page */
    uint32_t lie_count;
    uint32_t lie_pages[SIMDISK_LIE_PAGES]; /* slots; as many as hold lie_count lies */
    uint32_t former_next;                  /* the place in the ring that is used next */
    struct simdisk_former formers[SIMDISK_FORMERS_MAX];
    uint32_t file_last;                            /* the file found last, a shortcut */
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

/* simdisk_cache_revert throws the cached content of a dirty or lost sector away: what is on the
 * disk is read again. */
void simdisk_cache_revert(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                          struct simdisk_sector *sector);

/* simdisk_cache_has_space returns whether a write to [offset, offset + size) needs no more space:
 * all of it was allocated or written before. */
bool simdisk_cache_has_space(const struct octo_simdisk *disk, uint32_t index, uint64_t offset,
                             uint32_t size);

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

/* simdisk_lies.c */

/* simdisk_lie_at returns the i-th lie, simdisk_lie_find the one of a sector, NULL if it has none.
 * They stay where they are until one is removed. */
struct simdisk_lie *simdisk_lie_at(const struct octo_simdisk *disk, uint32_t i);
struct simdisk_lie *simdisk_lie_find(const struct octo_simdisk *disk, uint32_t index,
                                     uint32_t number, const struct simdisk_sector *sector);

/* simdisk_lie_room reserves entries for so many more sectors, and `slots` slots besides; false if
 * there is no room. */
bool simdisk_lie_room(struct octo_simdisk *disk, uint32_t sectors, uint32_t slots) OCTO_MUST_USE;

/* simdisk_lie_astray: the cached content of these dirty sectors, for which there is room, goes
 * astray when it becomes durable. */
void simdisk_lie_astray(struct octo_simdisk *disk, uint32_t index, uint32_t sector_first,
                        uint32_t sector_count, uint32_t astray);

/* simdisk_lie_covered: a write goes over the cached content, which is kept as the older one, or is
 * not. */
void simdisk_lie_covered(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                         struct simdisk_sector *sector, bool kept);

/* simdisk_lie_forsaken: the cached content, or only the older one, will not become durable. */
void simdisk_lie_forsaken(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                          struct simdisk_sector *sector, bool only_older);

/* simdisk_lie_durable makes content (the cached one, or the older) the sector's durable one, on the
 * disk too unless it goes astray. The sector's former slot is taken care of. */
void simdisk_lie_durable(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                         struct simdisk_sector *sector, uint32_t content);

/* simdisk_lie_land: the cached content, which goes astray, arrives where it goes, if anywhere. */
void simdisk_lie_land(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                      const struct simdisk_sector *sector);

/* simdisk_lie_torn: the first `bytes` of the cached content reach the disk, over a lie. */
void simdisk_lie_torn(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                      const struct simdisk_sector *sector, uint32_t bytes);

/* simdisk_lies_show: the page cache is gone. No sector is dirty. */
void simdisk_lies_show(struct octo_simdisk *disk);

/* simdisk_lies_forget removes a file's lies and former contents; the honest ones are back. */
void simdisk_lies_forget(struct octo_simdisk *disk, uint32_t index);

/* simdisk_garbage fills a slot with bytes drawn from bits; simdisk_cut zeroes what of a sector's
 * bytes lies at or beyond `end` in the file. */
void simdisk_garbage(uint8_t *to, uint64_t bits);
void simdisk_cut(uint8_t *content, uint32_t number, uint64_t end);

/* simdisk_directory.c */

/* simdisk_find and simdisk_find_durable return the file that a name means, or SIMDISK_FILE_NONE;
 * simdisk_lookup is simdisk_find with a memory. */
uint32_t simdisk_lookup(struct octo_simdisk *disk, simdisk_name name);
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

/* simdisk_directory_numbers writes the numbers of the files of a kind, rising, as names (the cached
 * or the durable ones) say; numbers has SIMDISK_FILES_MAX places. Returns how many. */
uint32_t simdisk_directory_numbers(const struct octo_simdisk *disk, const simdisk_name *names,
                                   uint8_t kind, uint32_t *numbers);

/* simdisk_directory_apply makes one change durable; it stays in the list. */
void simdisk_directory_apply(struct octo_simdisk *disk, const struct simdisk_change *change,
                             const struct octo_disk_host *host);

/* simdisk_file_release frees a file that nothing refers to any more; others are left alone. */
void simdisk_file_release(struct octo_simdisk *disk, uint32_t index);

#endif
