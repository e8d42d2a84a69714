/* VOTE_RESPONSE: granted once the vote is saved, and counted by the candidate. */
#include "kernel/raft/parts.h"

void octo_raft_vote_grant_due(struct octo_raft *raft, struct octo_step *step)
{
    if (raft->grant_to == 0)
        return;
    struct octo_message response = {
        .type = OCTO_MESSAGE_VOTE_RESPONSE,
        .term = octo_raft_term(raft),
        .vote_response = {.granted = 1},
    };
    octo_raft_reply(raft, step, &response, raft->grant_to);
    raft->grant_to = 0;
}

void octo_raft_vote_response(struct octo_raft *raft, struct octo_step *step,
                             const struct octo_message *message)
{
    const octo_term term = octo_raft_term(raft);

    if (message->term < term || raft->role != OCTO_ROLE_CANDIDATE)
        return;
    if (raft->requests_unsent)
        return; /* an answer to a question that was not asked yet */
    if (octo_raft_tally(raft, step, message->from, term, message->vote_response.granted != 0))
        octo_raft_lead(raft, step);
}
