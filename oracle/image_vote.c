/* The durable term and vote, read as docs/formats.md says. */
#include "oracle/oracle_state.h"

#define SECTOR_BYTES 512u /* of octo_images */

static bool slot_read(const struct octo_oracles *oracles, octo_node_id node, uint32_t slot,
                      const struct octo_images *images, struct oracle_ballot *ballot)
{
    const struct octo_file file = {.kind = OCTO_FILE_VOTE};
    const uint64_t offset = (uint64_t)slot * oracles->config.sector_bytes;
    const uint8_t *at = images->sector(images->context, node, file, offset / SECTOR_BYTES);

    if (at == NULL)
        return false;
    if (octo_get_u32(at) != OCTO_VOTE_MAGIC || at[4] != OCTO_VOTE_VERSION)
        return false;
    if (at[5] != slot % 2 || octo_get_u16(at + 6) != 0)
        return false;
    if (octo_get_u32(at + 36) != 0 || octo_get_u64(at + 40) != 0)
        return false;
    const uint64_t seed =
        octo_format_seed(oracles->config.cluster_id, node, OCTO_FILE_VOTE, offset);
    if (octo_get_u64(at + 8) != oracle_hash(at + 16, OCTO_VOTE_BYTES - 16, seed))
        return false;
    *ballot = (struct oracle_ballot){
        .generation = octo_get_u64(at + 16),
        .term = octo_get_u64(at + 24),
        .vote = octo_get_u32(at + 32),
        .known = true,
    };
    return ballot->generation % 2 == slot / 2 && ballot->generation <= OCTO_FORMAT_NUMBER_MAX &&
           ballot->term <= OCTO_FORMAT_NUMBER_MAX;
}

struct oracle_ballot oracle_vote_read(const struct octo_oracles *oracles, octo_node_id node,
                                      const struct octo_images *images)
{
    struct oracle_ballot newest = {.known = false};
    bool readable = true;

    for (uint32_t pair = 0; pair < 2; pair++) {
        bool any = false;
        for (uint32_t copy = 0; copy < 2; copy++) {
            struct oracle_ballot ballot;
            if (!slot_read(oracles, node, 2 * pair + copy, images, &ballot))
                continue;
            any = true;
            if (!newest.known || ballot.generation > newest.generation)
                newest = ballot;
            newest.copies += ballot.generation == newest.generation;
        }
        readable = readable && any;
    }
    newest.known = readable; /* a pair without a valid copy may have held something newer */
    return newest;
}
