/* Lies: where the disk holds something else than it was told. The model: vfs/simdisk.h. */
#include "vfs/simdisk.h"

/* ---- The table ------------------------------------------------------------------------------- */

struct simdisk_lie *simdisk_lie_at(const struct octo_simdisk *disk, uint32_t i)
{
    octo_assert(i < disk->lie_count);
    struct simdisk_lie_page *page =
        simdisk_slot(&disk->pool, disk->lie_pages[i / SIMDISK_LIES_PER_PAGE]);
    return &page->items[i % SIMDISK_LIES_PER_PAGE];
}

struct simdisk_lie *simdisk_lie_find(const struct octo_simdisk *disk, uint32_t index,
                                     uint32_t number, const struct simdisk_sector *sector)
{
    if ((sector->flags & SIMDISK_LIE) == 0)
        return NULL;
    for (uint32_t i = 0; i < disk->lie_count; i++) {
        struct simdisk_lie *lie = simdisk_lie_at(disk, i);
        if (lie->sector == number && lie->file == index)
            return lie;
    }
    octo_assert(false); /* a flag without an entry */
    return NULL;
}

bool simdisk_lie_room(struct octo_simdisk *disk, uint32_t sectors, uint32_t slots)
{
    if (sectors > SIMDISK_LIES_MAX - disk->lie_count)
        return false;
    return simdisk_pool_reserve(&disk->pool, slots + sectors / SIMDISK_LIES_PER_PAGE + 1);
}

/* The entry of a sector, made if it has none; there is room. */
static struct simdisk_lie *lie_make(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                                    struct simdisk_sector *sector)
{
    struct simdisk_lie *lie = simdisk_lie_find(disk, index, number, sector);
    if (lie != NULL)
        return lie;
    octo_assert(disk->lie_count < SIMDISK_LIES_MAX);
    if (disk->lie_count % SIMDISK_LIES_PER_PAGE == 0)
        disk->lie_pages[disk->lie_count / SIMDISK_LIES_PER_PAGE] = simdisk_pool_take(&disk->pool);
    disk->lie_count++;
    lie = simdisk_lie_at(disk, disk->lie_count - 1);
    *lie = (struct simdisk_lie){.sector = number, .file = (uint16_t)index};
    sector->flags |= SIMDISK_LIE;
    return lie;
}

static void entry_remove(struct octo_simdisk *disk, struct simdisk_lie *lie)
{
    *lie = *simdisk_lie_at(disk, disk->lie_count - 1);
    disk->lie_count--;
    if (disk->lie_count % SIMDISK_LIES_PER_PAGE == 0)
        simdisk_pool_give(&disk->pool, disk->lie_pages[disk->lie_count / SIMDISK_LIES_PER_PAGE]);
}

/* An entry that says nothing any more goes. */
static void lie_tidy(struct octo_simdisk *disk, struct simdisk_lie *lie,
                     struct simdisk_sector *sector)
{
    if (lie->told || lie->astray != 0 || lie->older_astray != 0)
        return;
    octo_assert(lie->slot == SIMDISK_SLOT_NONE);
    sector->flags &= (uint16_t)~SIMDISK_LIE;
    entry_remove(disk, lie);
}

/* ---- Telling and ending ---------------------------------------------------------------------- */

static bool slots_equal(const struct simdisk_pool *pool, uint32_t a, uint32_t b)
{
    static const uint8_t hole[SIMDISK_SLOT_BYTES];
    const void *of_a = a == SIMDISK_SLOT_NONE ? hole : simdisk_slot(pool, a);
    const void *of_b = b == SIMDISK_SLOT_NONE ? hole : simdisk_slot(pool, b);
    return memcmp(of_a, of_b, SIMDISK_SLOT_BYTES) == 0;
}

/* Whether reads see the lie: the sector is clean, and its cached content is not the honest one. */
static bool lie_shows(const struct simdisk_lie *lie, const struct simdisk_sector *sector)
{
    return lie->told && (sector->flags & ~SIMDISK_LIE) == 0 && sector->cache != sector->durable;
}

static void lie_end(struct octo_simdisk *disk, struct simdisk_lie *lie)
{
    if (lie->slot != SIMDISK_SLOT_NONE)
        simdisk_pool_give(&disk->pool, lie->slot);
    lie->slot = SIMDISK_SLOT_NONE;
    lie->told = false;
}

/* The disk holds what is in slot, and the lie owns it. One that happens to be true is none. */
static void lie_tell(struct octo_simdisk *disk, struct simdisk_lie *lie,
                     const struct simdisk_sector *sector, uint32_t slot)
{
    if (lie->told && lie->slot != slot && lie->slot != SIMDISK_SLOT_NONE)
        simdisk_pool_give(&disk->pool, lie->slot);
    lie->slot = slot;
    if (slots_equal(&disk->pool, slot, sector->durable)) {
        lie_end(disk, lie);
        return;
    }
    disk->stats.lies_told += !lie->told;
    lie->told = true;
}

/* What the disk really holds of a sector is now in slot; reads see it if `show`, or if they saw the
 * lie before. There is room. */
static void sector_strike(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                          struct simdisk_sector *sector, uint32_t slot, bool show)
{
    struct simdisk_lie *lie = lie_make(disk, index, number, sector);
    const bool shows = show || lie_shows(lie, sector);
    lie_tell(disk, lie, sector, slot);
    if (shows)
        sector->cache = lie->told ? lie->slot : sector->durable;
    lie_tidy(disk, lie, sector);
}

/* ---- Writes that go astray ------------------------------------------------------------------- */

void simdisk_lie_astray(struct octo_simdisk *disk, uint32_t index, uint32_t sector_first,
                        uint32_t sector_count, uint32_t astray)
{
    octo_assert(astray != 0);
    for (uint32_t number = sector_first; number - sector_first < sector_count; number++) {
        struct simdisk_sector *sector = simdisk_tree_find(&disk->pool, &disk->files[index], number);
        octo_assert(sector != NULL);
        octo_assert((sector->flags & SIMDISK_DIRTY) != 0);
        lie_make(disk, index, number, sector)->astray = astray;
    }
}

void simdisk_lie_covered(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                         struct simdisk_sector *sector, bool kept)
{
    struct simdisk_lie *lie = simdisk_lie_find(disk, index, number, sector);
    if (lie == NULL)
        return;
    if (kept)
        lie->older_astray = lie->astray;
    lie->astray = 0;
    lie_tidy(disk, lie, sector);
}

void simdisk_lie_forsaken(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                          struct simdisk_sector *sector, bool only_older)
{
    struct simdisk_lie *lie = simdisk_lie_find(disk, index, number, sector);
    if (lie == NULL)
        return;
    lie->older_astray = 0;
    if (!only_older)
        lie->astray = 0;
    lie_tidy(disk, lie, sector);
}

/* The content of a misdirected write lands on a sector that has content of its own, or nowhere. */
static void land(struct octo_simdisk *disk, uint32_t index, uint32_t number, uint32_t content)
{
    if (number == SIMDISK_SECTOR_NONE)
        return;
    struct simdisk_sector *sector = simdisk_tree_find(&disk->pool, &disk->files[index], number);
    if (sector == NULL || sector->durable == SIMDISK_SLOT_NONE || !simdisk_lie_room(disk, 1, 1))
        return;
    const uint32_t slot = simdisk_pool_take(&disk->pool);
    simdisk_slot_copy(simdisk_slot(&disk->pool, slot), simdisk_slot(&disk->pool, content));
    simdisk_cut(simdisk_slot(&disk->pool, slot), number, disk->files[index].durable_size);
    sector_strike(disk, index, number, sector, slot, false);
}

static void former_keep(struct octo_simdisk *disk, uint32_t index, uint32_t number, uint32_t slot)
{
    if (slot == SIMDISK_SLOT_NONE)
        return;
    struct simdisk_former *former = &disk->formers[disk->former_next];
    disk->former_next = (disk->former_next + 1) % SIMDISK_FORMERS_MAX;
    if (former->slot != SIMDISK_SLOT_NONE)
        simdisk_pool_give(&disk->pool, former->slot);
    *former = (struct simdisk_former){.sector = number, .slot = slot, .file = index};
}

void simdisk_lie_durable(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                         struct simdisk_sector *sector, uint32_t content)
{
    const uint32_t before = sector->durable;
    struct simdisk_lie *lie = simdisk_lie_find(disk, index, number, sector);
    sector->durable = content;
    if (lie == NULL) {
        former_keep(disk, index, number, before);
        return;
    }
    uint32_t *const from = content == sector->older ? &lie->older_astray : &lie->astray;
    const uint32_t astray = *from;
    *from = 0;
    if (astray == 0) {
        disk->stats.lies_ended += lie->told;
        lie_end(disk, lie);
        former_keep(disk, index, number, before);
    } else if (lie->told) {
        lie_tell(disk, lie, sector, lie->slot);
        former_keep(disk, index, number, before);
    } else {
        lie_tell(disk, lie, sector, before);
    }
    lie_tidy(disk, lie, sector);
    if (astray != 0 && astray < SIMDISK_SECTOR_NONE - number)
        land(disk, index, number + astray, content);
}

/* ---- Crashes --------------------------------------------------------------------------------- */

void simdisk_lie_land(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                      const struct simdisk_sector *sector)
{
    const uint32_t astray = simdisk_lie_find(disk, index, number, sector)->astray;
    simdisk_cut(simdisk_slot(&disk->pool, sector->cache), number, disk->files[index].size);
    if (astray < SIMDISK_SECTOR_NONE - number)
        land(disk, index, number + astray, sector->cache);
}

void simdisk_lie_torn(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                      const struct simdisk_sector *sector, uint32_t bytes)
{
    struct simdisk_lie *lie = simdisk_lie_find(disk, index, number, sector);
    if (lie == NULL || !lie->told || lie->astray != 0)
        return;
    if (lie->slot == SIMDISK_SLOT_NONE) {
        if (!simdisk_pool_reserve(&disk->pool, 1))
            return; /* then all of the sector arrives, and ends the lie */
        lie->slot = simdisk_pool_take(&disk->pool);
        simdisk_slot_clear(simdisk_slot(&disk->pool, lie->slot));
    }
    memcpy(simdisk_slot(&disk->pool, lie->slot), simdisk_slot(&disk->pool, sector->cache), bytes);
    lie->astray = SIMDISK_NOWHERE; /* what arrived is in the lie already */
}

void simdisk_lies_show(struct octo_simdisk *disk)
{
    for (uint32_t i = 0; i < disk->lie_count; i++) {
        const struct simdisk_lie *lie = simdisk_lie_at(disk, i);
        struct simdisk_sector *sector =
            simdisk_tree_find(&disk->pool, &disk->files[lie->file], lie->sector);
        octo_assert(lie->told);
        octo_assert(sector->flags == SIMDISK_LIE);
        sector->cache = lie->slot;
    }
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static void lie_heal(struct octo_simdisk *disk, struct simdisk_lie *lie)
{
    struct simdisk_sector *sector =
        simdisk_tree_find(&disk->pool, &disk->files[lie->file], lie->sector);
    if (lie_shows(lie, sector))
        sector->cache = sector->durable;
    lie_end(disk, lie);
    lie->astray = 0;
    lie->older_astray = 0;
    lie_tidy(disk, lie, sector);
}

void octo_simdisk_heal(struct octo_simdisk *disk)
{
    while (disk->lie_count > 0)
        lie_heal(disk, simdisk_lie_at(disk, disk->lie_count - 1));
}

void simdisk_lies_forget(struct octo_simdisk *disk, uint32_t index)
{
    /* From the end: what takes a removed one's place was looked at already. */
    for (uint32_t i = disk->lie_count; i-- > 0;) {
        if (simdisk_lie_at(disk, i)->file == index)
            lie_heal(disk, simdisk_lie_at(disk, i));
    }
    for (uint32_t i = 0; i < SIMDISK_FORMERS_MAX; i++) {
        struct simdisk_former *former = &disk->formers[i];
        if (former->slot == SIMDISK_SLOT_NONE || former->file != index)
            continue;
        simdisk_pool_give(&disk->pool, former->slot);
        former->slot = SIMDISK_SLOT_NONE;
    }
}

static uint64_t range_end(uint64_t offset, uint64_t length)
{
    return length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
}

uint32_t octo_simdisk_lies(const struct octo_simdisk *disk, struct octo_file file, uint64_t offset,
                           uint64_t length)
{
    const uint32_t index = simdisk_find_durable(disk, simdisk_name_of(file));
    uint32_t count = 0;
    for (uint32_t i = 0; i < disk->lie_count && length > 0; i++) {
        const struct simdisk_lie *lie = simdisk_lie_at(disk, i);
        const uint64_t sector = lie->sector;
        const bool lies = lie->told || lie->astray != 0 || lie->older_astray != 0;
        count += lies && lie->file == index && sector >= offset / SIMDISK_SLOT_BYTES &&
                 sector <= (range_end(offset, length) - 1) / SIMDISK_SLOT_BYTES;
    }
    return count;
}

/* ---- Damage ---------------------------------------------------------------------------------- */

void simdisk_garbage(uint8_t *to, uint64_t bits)
{
    for (uint32_t at = 0; at < SIMDISK_SLOT_BYTES; at += 8) {
        bits = octo_mix(bits + 1);
        octo_put_u64(to + at, bits);
    }
}

void simdisk_cut(uint8_t *content, uint32_t number, uint64_t end)
{
    const uint64_t start = (uint64_t)number * SIMDISK_SLOT_BYTES;
    const uint64_t kept = end <= start ? 0 : octo_min_u64(end - start, SIMDISK_SLOT_BYTES);
    memset(content + kept, 0, SIMDISK_SLOT_BYTES - kept);
}

/* The slot that held what stood in the sector before; SIMDISK_SLOT_NONE if it is not kept. */
static uint32_t former_slot(const struct octo_simdisk *disk, uint32_t index, uint32_t number)
{
    for (uint32_t i = 1; i <= SIMDISK_FORMERS_MAX; i++) {
        const struct simdisk_former *former =
            &disk->formers[(disk->former_next + SIMDISK_FORMERS_MAX - i) % SIMDISK_FORMERS_MAX];
        if (former->slot != SIMDISK_SLOT_NONE && former->file == index && former->sector == number)
            return former->slot;
    }
    return SIMDISK_SLOT_NONE;
}

/* A slot's content; zeros for a hole. */
static void slot_load(const struct simdisk_pool *pool, uint8_t *to, uint32_t slot)
{
    if (slot == SIMDISK_SLOT_NONE)
        simdisk_slot_clear(to);
    else
        simdisk_slot_copy(to, simdisk_slot(pool, slot));
}

/* Fills `to` with what damage makes of a sector that holds what is in slot present. */
static void damage_make(const struct octo_simdisk *disk, uint32_t index, uint32_t number,
                        uint32_t present, enum octo_disk_damage damage, uint64_t bits, uint8_t *to)
{
    const uint64_t size = disk->files[index].durable_size;
    const uint64_t start = (uint64_t)number * SIMDISK_SLOT_BYTES;
    const uint64_t bit = bits % (octo_min_u64(size - start, SIMDISK_SLOT_BYTES) * 8);
    switch (damage) {
    case OCTO_DAMAGE_FLIP:
        slot_load(&disk->pool, to, present);
        to[bit / 8] ^= (uint8_t)(1u << bit % 8);
        break;
    case OCTO_DAMAGE_GARBAGE:
        simdisk_garbage(to, bits);
        break;
    case OCTO_DAMAGE_ZERO:
        simdisk_slot_clear(to);
        break;
    case OCTO_DAMAGE_OLD:
        slot_load(&disk->pool, to, former_slot(disk, index, number));
        break;
    }
    simdisk_cut(to, number, size);
}

static bool damage_sector(struct octo_simdisk *disk, uint32_t index, uint32_t number,
                          enum octo_disk_damage damage, uint64_t bits)
{
    struct simdisk_sector *sector = simdisk_tree_find(&disk->pool, &disk->files[index], number);
    if (sector == NULL || sector->durable == SIMDISK_SLOT_NONE ||
        (sector->flags & ~SIMDISK_LIE) != 0)
        return false;
    const struct simdisk_lie *lie = simdisk_lie_find(disk, index, number, sector);
    if (!simdisk_lie_room(disk, lie == NULL ? 1 : 0, 1))
        return false;
    const uint32_t present = lie != NULL && lie->told ? lie->slot : sector->durable;
    const uint32_t slot = simdisk_pool_take(&disk->pool);
    damage_make(disk, index, number, present, damage, octo_mix(bits + number),
                simdisk_slot(&disk->pool, slot));
    if (slots_equal(&disk->pool, slot, present)) {
        simdisk_pool_give(&disk->pool, slot);
        return false;
    }
    sector_strike(disk, index, number, sector, slot, true);
    return true;
}

uint32_t octo_simdisk_damage(struct octo_simdisk *disk, struct octo_file file, uint64_t offset,
                             uint64_t length, enum octo_disk_damage damage, uint64_t bits)
{
    const uint32_t index = simdisk_find_durable(disk, simdisk_name_of(file));
    octo_assert(damage >= OCTO_DAMAGE_FLIP);
    octo_assert(damage <= OCTO_DAMAGE_OLD);
    if (index == SIMDISK_FILE_NONE)
        return 0;
    const uint64_t size = disk->files[index].durable_size;
    if (size == 0 || length == 0)
        return 0;
    const uint64_t last =
        octo_min_u64(range_end(offset, length) - 1, size - 1) / SIMDISK_SLOT_BYTES;
    uint32_t count = 0;
    for (uint64_t number = offset / SIMDISK_SLOT_BYTES; number <= last; number++)
        count += damage_sector(disk, index, (uint32_t)number, damage, bits);
    return count;
}
