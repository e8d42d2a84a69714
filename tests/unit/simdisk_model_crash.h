/* The model's crashes and damage. Included by test_simdisk_model.c after simdisk_model.h. */
#ifndef OCTO_TESTS_UNIT_SIMDISK_MODEL_CRASH_H
#define OCTO_TESTS_UNIT_SIMDISK_MODEL_CRASH_H

#include "simdisk_model.h"

/* ---- Crashes --------------------------------------------------------------------------------- */

static void model_drop(void)
{
    for (uint32_t f = 0; f < PENDING; f++) {
        struct flight *flight = &m->flights[f];
        if (flight->used && flight->op.kind == OCTO_DISK_WRITE)
            model_written(flight);
        else if (flight->used && flight->op.kind == OCTO_DISK_ALLOCATE)
            model_allocated(flight);
        else if (flight->used)
            model_changed(flight);
        flight->used = false;
    }
}

static void garbage(uint8_t *to, uint64_t bits)
{
    for (uint32_t b = 0; b < SECTOR; b += 8)
        octo_put_u64(to + b, bits = octo_mix(bits + 1));
}

/* A dirty sector below the file's new end. */
static void model_resolve_dirty(struct inode *inode, uint32_t i, uint64_t fate)
{
    struct cell *cell = &inode->cells[i];
    uint8_t content[BYTES];
    uint8_t platter[SECTOR];
    copy_sector(content, inode->cache, i);
    if (fate > 64)
        garbage(content + i * SECTOR, fate);
    for (uint64_t b = octo_max_u64(i * SECTOR, inode->size); b < (i + 1) * SECTOR; b++)
        content[b] = 0;
    memcpy(platter, content + i * SECTOR, SECTOR);
    if (fate >= 2 && fate <= 64) {
        const uint64_t head = (fate - 1) * 8;
        memcpy(content + i * SECTOR + head, inode->durable + i * SECTOR + head, SECTOR - head);
        memcpy(platter + head, inode->platter + i * SECTOR + head, SECTOR - head);
    }
    if (cell->astray != 0) { /* elsewhere, and not here */
        land(inode, i, content, cell->astray);
        return;
    }
    make_durable(inode, i, content, 0);
    memcpy(inode->platter + i * SECTOR, platter, SECTOR);
}

static void model_resolve_file(struct inode *inode, uint32_t name)
{
    uint64_t fate = 0;
    if (inode->size != inode->durable_size)
        fate = expect(OCTO_CHANCE_CRASH_SIZE, file_of(name), 0, 0);
    if (fate == 2)
        inode->size = inode->durable_size;
    for (uint32_t i = 0; i < SECTORS; i++) {
        struct cell *cell = &inode->cells[i];
        if (!cell->dirty && !cell->lost && !cell->shows)
            check(memcmp(inode->durable + i * SECTOR, inode->cache + i * SECTOR, SECTOR) == 0,
                  "clean is durable");
        if (cell->dirty && i * SECTOR < inode->size) {
            const uint64_t sector = expect(OCTO_CHANCE_CRASH_SECTOR, file_of(name), 0, i);
            if (sector == 1 || (sector != 0 && cell->astray == 0)) /* what went astray is whole */
                model_resolve_dirty(inode, i, sector);
        }
        *cell = (struct cell){.written = cell->written};
    }
    for (uint32_t i = 0; i < SECTORS; i++)
        show(inode, i);
    if (fate == 1)
        inode->durable_size = inode->size;
    inode->size = inode->durable_size;
    inode->allocated = inode->allocated_done = inode->allocated_durable;
}

static void model_power_loss(void)
{
    uint64_t ordinals[NAMES] = {0};
    for (uint32_t i = 0; i < m->change_count; i++) {
        const uint32_t name = m->changes[i].name;
        if (expect(OCTO_CHANCE_CRASH_ENTRY, file_of(name), 0, ordinals[name]++) != 0)
            change_apply(name, m->changes[i].inode);
    }
    m->change_count = 0;
    for (uint32_t name = 0; name < NAMES; name++) {
        m->names[name] = m->durable_names[name];
        if (m->names[name] != NOBODY)
            model_resolve_file(&m->inodes[m->names[name]], name);
    }
}

/* ---- Damage ---------------------------------------------------------------------------------- */

static bool model_damage_sector(struct inode *inode, uint32_t i, enum octo_disk_damage damage,
                                uint64_t bits)
{
    const struct cell *cell = &inode->cells[i];
    if (!cell->written || cell->dirty || cell->lost)
        return false;
    const uint64_t used = octo_min_u64(inode->durable_size - i * SECTOR, SECTOR);
    const uint64_t draw = octo_mix(bits + i);
    uint8_t before[BYTES];
    uint8_t content[BYTES] = {0};
    copy_sector(before, inode->platter, i);
    if (damage == OCTO_DAMAGE_FLIP) {
        copy_sector(content, before, i);
        content[i * SECTOR + draw % (used * 8) / 8] ^= (uint8_t)(1u << draw % (used * 8) % 8);
    } else if (damage == OCTO_DAMAGE_GARBAGE) {
        garbage(content + i * SECTOR, draw);
    }
    arrive(inode, i, content, i, inode->durable_size);
    if (memcmp(before + i * SECTOR, inode->platter + i * SECTOR, SECTOR) == 0)
        return false;
    show(inode, i);
    return true;
}

static uint32_t model_damage(uint32_t name, uint64_t offset, uint64_t length,
                             enum octo_disk_damage damage, uint64_t bits)
{
    uint32_t struck = 0;
    if (m->durable_names[name] == NOBODY || length == 0)
        return 0;
    struct inode *inode = &m->inodes[m->durable_names[name]];
    for (uint32_t i = 0; i < SECTORS; i++) {
        if ((i + 1) * SECTOR > offset && i * SECTOR < offset + length)
            struck += model_damage_sector(inode, i, damage, bits);
    }
    return struck;
}

static void model_heal(void)
{
    for (uint32_t n = 0; n < INODES; n++) {
        struct inode *inode = &m->inodes[n];
        for (uint32_t i = 0; i < SECTORS; i++) {
            copy_sector(inode->platter, inode->durable, i);
            inode->cells[i].astray = inode->cells[i].older_astray = 0;
            if (inode->cells[i].shows)
                show(inode, i);
        }
    }
}

#endif
