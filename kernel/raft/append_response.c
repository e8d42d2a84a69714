/* APPEND_RESPONSE: the follower's acknowledgement or refusal, and what the leader makes of it. */
#include "kernel/raft/parts.h"

/* What may be acknowledged: equal to the leader's log, and durable here (K3, B30). */
void octo_raft_append_ack_due(struct octo_raft *raft, struct octo_step *step)
{
    if (raft->role != OCTO_ROLE_FOLLOWER || raft->leader == 0)
        return;
    const octo_index index = octo_min_u64(raft->verified, octo_wal_durable(raft->wal));

    if (!raft->ack_due && index <= raft->acked)
        return;
    octo_assert(index >= raft->acked);
    struct octo_message response = {
        .type = OCTO_MESSAGE_APPEND_RESPONSE,
        .term = octo_raft_term(raft),
        .append_response = {.granted = 1,
                            .index = index,
                            .hint_index = raft->verified,
                            .round = raft->round},
    };
    octo_raft_reply(raft, step, &response, raft->leader);
    raft->acked = index;
    raft->ack_due = false;
}

/* A refusal promises nothing and leaves at once. The hint skips whole terms that cannot match
 * (section 5.3, end): no entry above it has a term as low as the leader's at prev_index. */
void octo_raft_append_refuse(struct octo_raft *raft, struct octo_step *step,
                             const struct octo_message *request)
{
    const struct octo_log *log = octo_raft_log(raft);
    const octo_index from = octo_min_u64(request->append_request.prev_index, log->last);
    const octo_index hint =
        octo_raft_log_term_search(raft, from, request->append_request.prev_term);

    struct octo_position floor;
    struct octo_message response = {
        .type = OCTO_MESSAGE_APPEND_RESPONSE,
        .term = octo_raft_term(raft),
        .append_response = {.granted = 0,
                            .index = request->append_request.prev_index,
                            .hint_index = hint,
                            .hint_term = hint < log->base.index ? 0 : octo_log_term(log, hint),
                            .lost = octo_wal_floor(raft->wal, &floor),
                            .round = request->append_request.round},
    };
    octo_raft_reply(raft, step, &response, request->from);
}

enum octo_err octo_raft_append_response(struct octo_raft *raft, struct octo_step *step,
                                        const struct octo_message *message)
{
    const struct octo_append_response *response = &message->append_response;
    const octo_index last = octo_raft_log(raft)->last;

    /* An answer to an older term's leader speaks of another log (B14). */
    if (message->term < octo_raft_term(raft) || raft->role != OCTO_ROLE_LEADER)
        return OCTO_ERR_OK;
    /* It answers a message of ours, and our log only grows while we lead. */
    if (response->index > last || response->hint_index > last)
        return OCTO_ERR_RANGE;
    struct octo_peer *peer = &raft->peers[message->from - 1];

    peer->heard = true;
    raft->active |= octo_raft_bit(message->from);
    if (response->granted != 0)
        octo_raft_peer_granted(raft, peer, response);
    else
        octo_raft_peer_refused(raft, step, peer, response);
    return OCTO_ERR_OK;
}
