/* Term and vote: docs/formats.md, "vote". */
#include "tools/wal/tool.h"

#define IN_USE 2u /* the first generation that is written when a node is ready */

void ballot_parse(struct ballot *ballot, const struct content *file, uint32_t slot,
                  const struct owner *owner)
{
    const uint64_t offset = (uint64_t)slot * owner->sector;

    *ballot = (struct ballot){.zeros = content_zeros(file, offset, owner->sector)};
    if (offset + OCTO_VOTE_BYTES > file->size)
        return;
    const uint8_t *at = file->bytes + offset;
    const uint64_t seed = octo_format_seed(owner->cluster, owner->node, OCTO_FILE_VOTE, offset);
    if (octo_get_u32(at) != OCTO_VOTE_MAGIC || at[4] != OCTO_VOTE_VERSION || at[5] != slot % 2)
        return;
    if (!content_zeros(file, offset + 6, 2) || !content_zeros(file, offset + 36, 12))
        return;
    if (octo_get_u64(at + 8) != octo_hash(at + 16, 32, seed))
        return;
    ballot->generation = octo_get_u64(at + 16);
    ballot->term = octo_get_u64(at + 24);
    ballot->vote = octo_get_u32(at + 32);
    ballot->valid = ballot->generation % 2 == slot / 2 &&
                    ballot->generation <= OCTO_FORMAT_NUMBER_MAX &&
                    ballot->term <= OCTO_FORMAT_NUMBER_MAX;
}

void votes_read(struct votes *votes, const struct directory *directory, const struct owner *owner)
{
    struct content file;

    content_read(&file, directory, OCTO_FILE_VOTE, 0);
    *votes = (struct votes){.missing = file.missing, .size = file.size};
    for (uint32_t slot = 0; slot < OCTO_VOTE_SLOTS; slot++) {
        struct ballot *ballot = &votes->slots[slot];
        ballot_parse(ballot, &file, slot, owner);
        if (!ballot->valid)
            continue;
        if (!votes->found || ballot->generation > votes->slots[votes->slot].generation)
            votes->slot = slot;
        votes->found = true;
    }
    votes->known = (votes->slots[0].valid || votes->slots[1].valid) &&
                   (votes->slots[2].valid || votes->slots[3].valid);
    votes->in_use = votes->found && votes->slots[votes->slot].generation >= IN_USE;
    content_free(&file);
}
