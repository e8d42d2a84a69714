/* VOTE_REQUEST: sent by a candidate, judged by everyone (section 5.2, 5.4.1). */
#include "kernel/raft/parts.h"

void octo_raft_vote_requests_due(struct octo_raft *raft, struct octo_step *step)
{
    if (raft->role != OCTO_ROLE_CANDIDATE || !raft->requests_unsent)
        return;
    const octo_node_id self = raft->config->node_id;
    const octo_term term = octo_raft_term(raft);

    raft->requests_unsent = false;
    octo_raft_election_reset(raft, step); /* the answers' time begins now, not at the decision */
    octo_raft_requests_send(raft, step, OCTO_MESSAGE_VOTE_REQUEST, term);
    if (octo_raft_tally(raft, step, self, term, true))
        octo_raft_lead(raft, step); /* the only voter */
}

static void vote_refuse(struct octo_raft *raft, struct octo_step *step, octo_node_id candidate)
{
    struct octo_message response = {
        .type = OCTO_MESSAGE_VOTE_RESPONSE,
        .term = octo_raft_term(raft),
        .vote_response = {.granted = 0},
    };
    octo_raft_reply(raft, step, &response, candidate);
}

/* Whether candidate may have our vote in this term: it has it already, or nobody has. */
static bool vote_free(const struct octo_raft *raft, octo_node_id candidate)
{
    const octo_node_id vote = octo_wal_vote(raft->wal);

    if (vote == candidate)
        return true;
    return vote == 0 && raft->leader == 0; /* a term with a leader needs no second one */
}

void octo_raft_vote_request(struct octo_raft *raft, struct octo_step *step,
                            const struct octo_message *message)
{
    const struct octo_vote_request *request = &message->vote_request;
    const octo_term term = octo_raft_term(raft);

    if (message->term < term) {
        vote_refuse(raft, step, message->from);
        return;
    }
    if (!vote_free(raft, message->from)) {
        octo_step_mark(step, OCTO_MARK_ELECTION_CONTESTED);
        vote_refuse(raft, step, message->from);
        return;
    }
    if (!octo_raft_candidate_current(raft, request->last_term, request->last_index)) {
        octo_step_mark(step, OCTO_MARK_VOTE_REFUSED_LOG);
        vote_refuse(raft, step, message->from);
        return;
    }
    if (octo_wal_vote(raft->wal) == 0)
        octo_raft_vote_set(raft, step, term, message->from);
    raft->grant_to = message->from; /* told when the vote is saved (K3, A12) */
    octo_raft_election_reset(raft, step);
}
