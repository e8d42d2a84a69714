/* SNAPSHOT_RESPONSE: how far a follower is with the snapshot that it is sent, and what the leader
 * makes of it. */
#include "kernel/raft/parts.h"

/* Installed: committed here, and durable, be it in a snapshot or in the log (K3). */
static bool covered(const struct octo_raft *raft, octo_index index)
{
    return index <= raft->commit && index <= octo_wal_durable(raft->wal);
}

void octo_raft_snapshot_ack_due(struct octo_raft *raft, struct octo_step *step)
{
    const octo_index index = raft->receiving.index;

    if (raft->role != OCTO_ROLE_FOLLOWER || raft->leader == 0 || index == 0)
        return;
    const bool installed = covered(raft, index);
    const uint64_t wanted =
        installed ? 0 : octo_snapshots_wanted(raft->snapshots, raft->leader, &raft->receiving);
    if (!installed && !raft->snapshot_ack_due && wanted == raft->snapshot_acked)
        return;
    struct octo_message response = {
        .type = OCTO_MESSAGE_SNAPSHOT_RESPONSE,
        .term = octo_raft_term(raft),
        .snapshot_response = {.index = index,
                              .offset = wanted,
                              .round = raft->round,
                              .installed = installed},
    };
    octo_raft_reply(raft, step, &response, raft->leader);
    raft->snapshot_ack_due = false;
    raft->snapshot_acked = wanted;
    if (!installed)
        return;
    /* What is committed is in the leader's log too. */
    raft->receiving = (struct octo_position){.index = 0};
    raft->verified = octo_max_u64(raft->verified, index);
    raft->acked = octo_max_u64(raft->acked, index);
}

/* A follower that has all of the file for the second time has found it damaged the first time. It
 * may be the file here that is, and then it would be refused for ever. */
static void snapshot_had(struct octo_raft *raft, struct octo_step *step, struct octo_peer *peer,
                         uint64_t offset)
{
    const uint64_t bytes = octo_snapshots_newest(raft->snapshots)->bytes;

    if (offset < bytes || peer->snapshot_offset >= bytes)
        return;
    peer->snapshot_had++;
    if (peer->snapshot_had < 2)
        return;
    octo_snapshots_doubt(raft->snapshots, step);
    peer->snapshot_had = 0;
}

enum octo_err octo_raft_snapshot_response(struct octo_raft *raft, struct octo_step *step,
                                          const struct octo_message *message)
{
    const struct octo_snapshot_response *response = &message->snapshot_response;

    if (message->term < octo_raft_term(raft) || raft->role != OCTO_ROLE_LEADER)
        return OCTO_ERR_OK;
    if (response->index > octo_raft_log(raft)->last)
        return OCTO_ERR_RANGE; /* it answers a message of ours */
    struct octo_peer *peer = &raft->peers[message->from - 1];

    peer->heard = true;
    raft->active |= octo_raft_bit(message->from);
    if (response->installed != 0) {
        if (peer->mode == OCTO_PEER_SNAPSHOT) {
            octo_raft_peer_mode_set(peer, OCTO_PEER_PROBE);
            peer->next = 0;
        }
        octo_raft_peer_matched(raft, peer, response->index);
        return OCTO_ERR_OK;
    }
    /* The same offset again is a reason to send the chunk again only in answer to a heartbeat after
     * it: the follower may be busy with it. And nothing is sent again to one that is silent. */
    if (peer->mode == OCTO_PEER_SNAPSHOT && response->index == peer->snapshot_index &&
        (response->offset != peer->snapshot_offset || response->round > peer->probe_round)) {
        snapshot_had(raft, step, peer, response->offset);
        peer->snapshot_offset = response->offset;
        peer->probe_sent = false;
    }
    return OCTO_ERR_OK;
}
