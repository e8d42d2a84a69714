/* The invariants of the simulated disk, checked by walking all of it. */
#include "vfs/simdisk.h"

/* What a walk adds up. */
struct tally {
    uint64_t slots; /* with an owner */
    uint64_t slot_sum;
    uint64_t inflight; /* over the sectors of one file */
    uint64_t dirty, lost, overlaid;
    uint64_t lies; /* over all files */
};

/* Each slot ever used must be owned once or free: counted, and summed through a bijection, so that
 * one that is owned twice cannot make up for one that nobody has. */
static void tally_slot(struct tally *tally, uint32_t slot)
{
    octo_assert(slot != SIMDISK_SLOT_NONE);
    tally->slots++;
    tally->slot_sum += octo_mix(slot);
}

/* ---- Sectors --------------------------------------------------------------------------------- */

static void check_flags(const struct simdisk_sector *sector)
{
    switch (sector->flags & ~SIMDISK_LIE) {
    case 0: /* the cached content: check_lie, if there is one */
        octo_assert(sector->cache == sector->durable || sector->flags == SIMDISK_LIE);
        octo_assert(sector->older == SIMDISK_SLOT_NONE);
        break;
    case SIMDISK_LOST:
        octo_assert(sector->inflight == 0);
        octo_assert(sector->cache != sector->durable);
        octo_assert(sector->older == SIMDISK_SLOT_NONE);
        break;
    case SIMDISK_DIRTY | SIMDISK_MIXED:
        octo_assert(sector->inflight > 0);
        octo_assert(sector->cache != sector->durable);
        break;
    default:
        octo_assert((sector->flags & ~SIMDISK_LIE) == SIMDISK_DIRTY);
        octo_assert(sector->cache != sector->durable);
        octo_assert(sector->inflight > 0 || sector->older == SIMDISK_SLOT_NONE);
    }
}

static void check_sector(const struct simdisk_file *file, const struct simdisk_sector *sector,
                         uint64_t number, struct tally *tally)
{
    check_flags(sector);
    const bool shows = sector->flags == SIMDISK_LIE; /* or may: then the lie owns the slot */
    tally->inflight += sector->inflight;
    tally->dirty += (sector->flags & SIMDISK_DIRTY) != 0;
    tally->lost += (sector->flags & SIMDISK_LOST) != 0;
    tally->lies += (sector->flags & SIMDISK_LIE) != 0;
    tally->overlaid += (sector->flags & SIMDISK_MIXED) != 0 || sector->older != SIMDISK_SLOT_NONE;
    if (sector->durable != SIMDISK_SLOT_NONE) {
        octo_assert(number * SIMDISK_SLOT_BYTES < file->durable_size);
        tally_slot(tally, sector->durable);
    }
    if (sector->cache != sector->durable && !shows) {
        octo_assert(number * SIMDISK_SLOT_BYTES < file->size);
        tally_slot(tally, sector->cache);
    }
    if (sector->older != SIMDISK_SLOT_NONE)
        tally_slot(tally, sector->older);
}

/* Recursion as deep as the tree: SIMDISK_HEIGHT_MAX (K7). */
static void check_below(const struct octo_simdisk *disk, const struct simdisk_file *file,
                        uint32_t slot, uint32_t level, uint64_t leaf_number, struct tally *tally)
{
    if (slot == SIMDISK_SLOT_NONE)
        return;
    tally_slot(tally, slot);
    if (level == 0) {
        const struct simdisk_leaf *leaf = simdisk_slot(&disk->pool, slot);
        for (uint32_t i = 0; i < SIMDISK_LEAF_SECTORS; i++)
            check_sector(file, &leaf->sectors[i], leaf_number * SIMDISK_LEAF_SECTORS + i, tally);
        return;
    }
    const struct simdisk_page *page = simdisk_slot(&disk->pool, slot);
    for (uint32_t i = 0; i < SIMDISK_PAGE_CHILDREN; i++)
        check_below(disk, file, page->children[i], level - 1, leaf_number << SIMDISK_PAGE_BITS | i,
                    tally);
}

/* Returns how many sectors the list holds: in rising order, linked both ways, all with the flag. */
static uint64_t check_list(const struct octo_simdisk *disk, const struct simdisk_file *file,
                           const struct simdisk_list *list, uint16_t flag)
{
    uint64_t count = 0;
    uint32_t previous = SIMDISK_SECTOR_NONE;
    for (uint32_t number = list->first; number != SIMDISK_SECTOR_NONE; count++) {
        const struct simdisk_sector *sector = simdisk_tree_find(&disk->pool, file, number);
        octo_assert(sector != NULL);
        octo_assert((sector->flags & flag) != 0);
        octo_assert(sector->previous == previous);
        octo_assert(previous == SIMDISK_SECTOR_NONE || previous < number);
        previous = number;
        number = sector->next;
    }
    octo_assert(list->last == previous);
    return count;
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* The operations and directory changes that refer to a file are those that it counts. */
static void check_references(const struct octo_simdisk *disk, uint32_t index, uint64_t inflight)
{
    uint64_t users = 0;
    uint64_t syncs = 0;
    uint64_t writes = 0;
    uint64_t changes = 0;
    for (uint32_t i = 0; i < disk->pending_used; i++) {
        const struct simdisk_pending *pending = &disk->pending[i];
        if (pending->kind == OCTO_DISK_NONE || pending->file != index)
            continue;
        users++;
        syncs += pending->kind == OCTO_DISK_SYNC;
        writes += pending->kind == OCTO_DISK_WRITE ? pending->sector_count : 0;
    }
    for (uint32_t i = 0; i < disk->change_count; i++)
        changes += disk->changes[i].file == index;
    octo_assert(disk->files[index].users == users);
    octo_assert(disk->files[index].syncs == syncs);
    octo_assert(disk->files[index].changes == changes);
    octo_assert(inflight == writes);
}

static void check_file(const struct octo_simdisk *disk, uint32_t index, struct tally *tally)
{
    const struct simdisk_file *file = &disk->files[index];
    const bool named = disk->names[index] != 0 || disk->durable_names[index] != 0;
    tally->inflight = tally->dirty = tally->lost = tally->overlaid = 0;
    check_below(disk, file, file->root, file->height, 0, tally);
    check_references(disk, index, tally->inflight);
    octo_assert(tally->overlaid == file->overlaid);
    octo_assert(tally->dirty == check_list(disk, file, &file->dirty, SIMDISK_DIRTY));
    octo_assert(tally->lost == check_list(disk, file, &file->lost, SIMDISK_LOST));
    octo_assert(file->durable_size <= file->size);
    octo_assert(file->allocated.end <= file->size);
    octo_assert(file->allocated_done.end <= file->allocated.end);
    octo_assert(file->allocated_durable.end <= file->allocated_done.end);
    octo_assert(file->allocated_durable.end <= file->durable_size);
    if (!named && file->users == 0 && file->changes == 0)
        octo_assert(file->root == SIMDISK_SLOT_NONE);
}

/* ---- Lies ------------------------------------------------------------------------------------ */

static void check_lie(const struct octo_simdisk *disk, const struct simdisk_lie *lie,
                      struct tally *tally)
{
    octo_assert(lie->file < disk->file_high);
    const struct simdisk_sector *sector =
        simdisk_tree_find(&disk->pool, &disk->files[lie->file], lie->sector);
    octo_assert(sector != NULL);
    octo_assert(simdisk_lie_find(disk, lie->file, lie->sector, sector) == lie);
    octo_assert(lie->told || lie->astray != 0 || lie->older_astray != 0);
    octo_assert(lie->astray == 0 || (sector->flags & SIMDISK_DIRTY) != 0);
    octo_assert(lie->older_astray == 0 || sector->older != SIMDISK_SLOT_NONE);
    octo_assert(lie->told || lie->slot == SIMDISK_SLOT_NONE);
    if (lie->told)
        octo_assert(sector->durable != SIMDISK_SLOT_NONE);
    if (sector->flags == SIMDISK_LIE)
        octo_assert(sector->cache == sector->durable || sector->cache == lie->slot);
    if (lie->slot == SIMDISK_SLOT_NONE)
        return;
    octo_assert(memcmp(simdisk_slot(&disk->pool, lie->slot),
                       simdisk_slot(&disk->pool, sector->durable), SIMDISK_SLOT_BYTES) != 0);
    tally_slot(tally, lie->slot);
}

/* As many lies as sectors with the flag, each found by its sector: none is there twice. */
static void check_lies(const struct octo_simdisk *disk, struct tally *tally)
{
    octo_assert(disk->lie_count <= SIMDISK_LIES_MAX);
    octo_assert(disk->lie_count == tally->lies);
    for (uint32_t i = 0; i < disk->lie_count; i++) {
        if (i % SIMDISK_LIES_PER_PAGE == 0)
            tally_slot(tally, disk->lie_pages[i / SIMDISK_LIES_PER_PAGE]);
        check_lie(disk, simdisk_lie_at(disk, i), tally);
    }
    for (uint32_t i = 0; i < SIMDISK_FORMERS_MAX; i++) {
        if (disk->formers[i].slot == SIMDISK_SLOT_NONE)
            continue;
        octo_assert(disk->files[disk->formers[i].file].root != SIMDISK_SLOT_NONE);
        tally_slot(tally, disk->formers[i].slot);
    }
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void check_names(const simdisk_name *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = i + 1; j < count; j++)
            octo_assert(names[i] == 0 || names[i] != names[j]);
    }
}

static void check_pending(const struct octo_simdisk *disk)
{
    uint32_t free_count = 0;
    uint32_t listed = 0;
    for (uint32_t i = 0; i < disk->pending_used; i++)
        free_count += disk->pending[i].kind == OCTO_DISK_NONE;
    for (uint32_t i = disk->pending_free; i != disk->pending_max; i = disk->pending[i].next_free) {
        octo_assert(i < disk->pending_used);
        octo_assert(disk->pending[i].kind == OCTO_DISK_NONE);
        octo_assert(listed < free_count);
        listed++;
    }
    octo_assert(listed == free_count);
}

static void tally_pool(const struct octo_simdisk *disk, struct tally *tally)
{
    uint32_t count = 0;
    for (uint32_t slot = disk->pool.free_first; slot != SIMDISK_SLOT_NONE; count++) {
        octo_assert(count < disk->pool.free_count);
        tally_slot(tally, slot);
        slot = octo_get_u32(simdisk_slot(&disk->pool, slot));
    }
    octo_assert(count == disk->pool.free_count);
}

void octo_simdisk_check(const struct octo_simdisk *disk)
{
    struct tally tally = {0};
    octo_assert(disk->file_high <= SIMDISK_FILES_MAX);
    octo_assert(disk->change_count <= SIMDISK_CHANGES_MAX);
    octo_assert(disk->pending_used <= disk->pending_max);
    check_pending(disk);
    check_names(disk->names, disk->file_high);
    check_names(disk->durable_names, disk->file_high);
    for (uint32_t i = 0; i < disk->file_high; i++)
        check_file(disk, i, &tally);
    check_lies(disk, &tally);
    for (uint32_t slot = disk->counters; slot != SIMDISK_SLOT_NONE;) {
        const struct simdisk_counter_page *page = simdisk_slot(&disk->pool, slot);
        tally_slot(&tally, slot);
        slot = page->next;
    }
    tally_pool(disk, &tally);
    octo_assert(tally.slots == disk->pool.slot_count);
    octo_assert(tally.slot_sum == disk->pool.slot_sum);
}
