/* Points that are the same: what a power loss leaves is the disk and nothing else, and most
 * operations of a recovery change nothing on it. */
#include "tools/sweep/points.h"

#include <stdlib.h>

#define FILES 128u

/* ---- What a world goes on from ----------------------------------------------------------------
 */

static uint64_t mixed(uint64_t hash, uint64_t value)
{
    return octo_mix(hash + octo_mix(value + 0x9e3779b97f4a7c15ull));
}

static uint64_t file_hash(const struct octo_simdisk *disk, struct octo_file file, uint64_t hash)
{
    uint64_t size = 0;

    if (!octo_simdisk_durable_size(disk, file, &size))
        return hash;
    hash = mixed(mixed(mixed(hash, file.kind), file.number), size);
    for (uint64_t sector = 0; sector * OCTO_SIMDISK_SECTOR_BYTES < size; sector++) {
        const uint8_t *bytes = octo_simdisk_durable_sector(disk, file, sector);
        const uint64_t at = sector * OCTO_SIMDISK_SECTOR_BYTES;
        if (octo_simdisk_lies(disk, file, at, 1) != 0)
            hash = mixed(hash, sector);
        if (bytes != NULL)
            hash = octo_hash(bytes, OCTO_SIMDISK_SECTOR_BYTES, hash + sector);
    }
    return hash;
}

static uint64_t disk_hash(const struct octo_simdisk *disk, uint64_t hash)
{
    for (uint8_t kind = OCTO_FILE_IDENTITY; kind <= OCTO_FILE_SNAPSHOT; kind++) {
        uint32_t numbers[FILES];
        const uint32_t count = octo_simdisk_files(disk, kind, numbers, FILES);
        octo_assert(count <= FILES);
        for (uint32_t i = 0; i < count; i++) {
            const struct octo_file file = {.kind = kind, .number = numbers[i]};
            hash = file_hash(disk, file, hash);
        }
    }
    return hash;
}

static uint64_t host_hash(const struct sweep_host *host, uint64_t hash)
{
    struct octo_node_view view;
    struct octo_entry last = {.chain = 0};

    hash = mixed(hash, (uint64_t)host->up | (uint64_t)host->cut << 1 | (uint64_t)host->dead << 2 |
                           (uint64_t)host->formatted << 3 |
                           (uint64_t)(host->boot_at == OCTO_NEVER) << 4);
    hash = mixed(mixed(hash, host->saved_term), host->saved_vote);
    if (!host->up)
        return hash;
    octo_node_look(host->node, &view);
    (void)octo_node_entry(host->node, view.last, &last);
    const uint64_t words[] = {view.role,    view.term,  view.vote,    view.leader,
                              view.base,    view.last,  view.durable, view.commit,
                              view.applied, last.chain, view.snapshot};
    return octo_hash(words, sizeof words, hash);
}

uint64_t sweep_same_key(const struct sweep_world *world, octo_node_id struck)
{
    const struct sweep_judge *judge = &world->judge;
    uint64_t hash = disk_hash(world->hosts[struck - 1].disk, 0);

    for (uint32_t i = 0; i < world->scenario->nodes; i++)
        hash = host_hash(&world->hosts[i], hash);
    hash = mixed(mixed(hash, judge->top), judge->chains[judge->top]);
    hash = mixed(mixed(hash, world->act), world->to_send);
    hash = mixed(mixed(hash, world->pinned), world->send_next);
    for (uint32_t at = 0; at < SWEEP_CLIENTS; at++) {
        const struct sweep_client *client = &world->clients[at];
        hash = mixed(mixed(mixed(hash, client->sequence), client->waiting), client->shape);
    }
    return hash == 0 ? 1 : hash;
}

/* ---- The keys of one row -----------------------------------------------------------------------
 */

static void same_grow(struct sweep_same *same)
{
    const struct sweep_same old = *same;

    same->capacity = old.capacity == 0 ? 4096 : 2 * old.capacity;
    same->count = 0;
    same->keys = calloc(same->capacity, sizeof *same->keys);
    same->values = calloc(same->capacity, sizeof *same->values);
    if (same->keys == NULL || same->values == NULL) {
        fprintf(stderr, "octo-sweep: out of memory\n");
        exit(3);
    }
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.keys[i] != 0)
            *sweep_same_at(same, old.keys[i], NULL) = old.values[i];
    }
    free(old.keys);
    free(old.values);
}

uint64_t *sweep_same_at(struct sweep_same *same, uint64_t key, bool *seen)
{
    if (2 * same->count >= same->capacity)
        same_grow(same);
    size_t at = key & (same->capacity - 1);
    while (same->keys[at] != 0 && same->keys[at] != key)
        at = (at + 1) & (same->capacity - 1);
    if (seen != NULL)
        *seen = same->keys[at] == key;
    same->count += same->keys[at] == 0;
    same->keys[at] = key;
    return &same->values[at];
}

void sweep_same_free(struct sweep_same *same)
{
    free(same->keys);
    free(same->values);
    *same = (struct sweep_same){.count = 0};
}
