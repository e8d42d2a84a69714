/* Whose directory it is: docs/formats.md, "identity". Where that cannot be read, what the command
 * line says; where that says nothing, the numbers with which other files verify. */
#include "tools/wal/tool.h"

#define IDENTITY_SECTOR_MIN 512u
#define IDENTITY_SECTOR_MAX 65536u
#define GUESSES_MAX         16u
#define GUESS_NODES         15u

static enum owner_state identity_state(const struct content *file)
{
    const uint8_t *at = file->bytes;

    if (file->missing)
        return OWNER_MISSING;
    if (content_zeros(file, 0, file->size))
        return OWNER_EMPTY;
    if (file->size < OCTO_IDENTITY_BYTES || octo_get_u32(at) != OCTO_IDENTITY_MAGIC || at[4] == 0)
        return OWNER_DAMAGED;
    if (at[4] != OCTO_IDENTITY_VERSION)
        return OWNER_VERSION;
    const uint64_t seed =
        octo_format_seed(octo_get_u64(at + 16), octo_get_u32(at + 24), OCTO_FILE_IDENTITY, 0);
    if (!content_zeros(file, 5, 3) || !content_zeros(file, 36, 12) ||
        octo_get_u64(at + 8) != octo_hash(at + 16, 32, seed))
        return OWNER_DAMAGED;
    return OWNER_KNOWN;
}

static bool sector_ok(uint64_t sector)
{
    return sector >= IDENTITY_SECTOR_MIN && sector <= IDENTITY_SECTOR_MAX &&
           (sector & (sector - 1)) == 0;
}

/* ---- Guessing -------------------------------------------------------------------------------- */

/* How many things verify with what owner says: vote slots, and the first record of each file. */
static uint32_t evidence(const struct directory *directory, const struct owner *owner)
{
    struct content file;
    uint32_t count = 0;

    content_read(&file, directory, OCTO_FILE_VOTE, 0);
    for (uint32_t slot = 0; slot < OCTO_VOTE_SLOTS; slot++) {
        struct ballot ballot;
        ballot_parse(&ballot, &file, slot, owner);
        count += ballot.valid ? 1 : 0;
    }
    content_free(&file);
    for (uint32_t i = 0; i < directory->count && count == 0; i++) {
        const struct entry *entry = &directory->entries[i];
        struct record record;
        if (entry->kind != OCTO_FILE_MAIN && entry->kind != OCTO_FILE_RECOVERY)
            continue;
        content_read(&file, directory, entry->kind, entry->number);
        count += record_parse(&file, owner, entry->number, 0, &record) ? 1 : 0;
        content_free(&file);
    }
    return count;
}

/* The sector size that most vote slots agree with: slot 0 fits every one. */
static uint32_t sector_try(const struct directory *directory, struct owner *owner)
{
    uint32_t best = 0;
    uint32_t best_sector = IDENTITY_SECTOR_MIN;

    for (uint32_t sector = IDENTITY_SECTOR_MIN; sector <= IDENTITY_SECTOR_MAX; sector *= 2) {
        owner->sector = sector;
        const uint32_t found = evidence(directory, owner);
        if (found > best) {
            best = found;
            best_sector = sector;
        }
    }
    owner->sector = best_sector;
    return best;
}

static bool cluster_try(const struct directory *directory, struct owner *owner, uint64_t cluster,
                        uint32_t node)
{
    const uint32_t first = node != 0 ? node : 1;
    const uint32_t last = node != 0 ? node : GUESS_NODES;

    if (cluster == 0)
        return false;
    for (uint32_t candidate = first; candidate <= last; candidate++) {
        owner->cluster = cluster;
        owner->node = candidate;
        if (sector_try(directory, owner) > 0)
            return true;
    }
    return false;
}

/* Clusters that the directory itself names: in what is left of the identity, and in snapshots. */
static bool guess(const struct directory *directory, struct owner *owner, uint64_t named,
                  const struct tool_arguments *arguments)
{
    if (arguments->cluster != 0)
        return cluster_try(directory, owner, arguments->cluster, arguments->node);
    if (cluster_try(directory, owner, named, arguments->node))
        return true;
    uint32_t tried = 0;
    for (uint32_t i = 0; i < directory->count && tried < GUESSES_MAX; i++) {
        const struct entry *entry = &directory->entries[i];
        if (entry->kind != OCTO_FILE_SNAPSHOT)
            continue;
        tried++;
        if (cluster_try(directory, owner, snapshot_cluster(directory, entry->number),
                        arguments->node))
            return true;
    }
    return false;
}

static void owner_otherwise(struct owner *owner, const struct directory *directory,
                            const struct content *file, const struct tool_arguments *arguments)
{
    const uint64_t named = file->size >= 24 ? octo_get_u64(file->bytes + 16) : 0;

    owner->nodes = 0;
    owner->source = SOURCE_GUESSED;
    if (guess(directory, owner, named, arguments)) {
        if (arguments->cluster != 0 && arguments->node != 0)
            owner->source = SOURCE_GIVEN;
        return;
    }
    owner->cluster = arguments->cluster;
    owner->node = arguments->node;
    owner->sector = IDENTITY_SECTOR_MIN;
    owner->source = arguments->cluster != 0 && arguments->node != 0 ? SOURCE_GIVEN : SOURCE_NONE;
}

void owner_find(struct owner *owner, const struct directory *directory,
                const struct tool_arguments *arguments)
{
    struct content file;

    content_read(&file, directory, OCTO_FILE_IDENTITY, 0);
    *owner = (struct owner){.state = identity_state(&file), .size = file.size};
    if (owner->state == OWNER_KNOWN) {
        owner->cluster = octo_get_u64(file.bytes + 16);
        owner->node = octo_get_u32(file.bytes + 24);
        owner->nodes = octo_get_u32(file.bytes + 28);
        owner->sector = octo_get_u32(file.bytes + 32);
        owner->contradicted = (arguments->cluster != 0 && arguments->cluster != owner->cluster) ||
                              (arguments->node != 0 && arguments->node != owner->node);
        if (!sector_ok(owner->sector)) /* no code of this project writes that */
            owner->state = OWNER_DAMAGED;
    }
    if (owner->state == OWNER_VERSION)
        owner->version = file.bytes[4];
    if (owner->state != OWNER_KNOWN && owner->state != OWNER_VERSION)
        owner_otherwise(owner, directory, &file, arguments);
    content_free(&file);
}
