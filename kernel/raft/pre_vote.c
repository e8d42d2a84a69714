/* PRE_VOTE_REQUEST and PRE_VOTE_RESPONSE: would you vote for me? (thesis 9.6)
 *
 * A question changes nothing at either end but the asker's role: no term, no vote, no clock.
 */
#include "kernel/raft/parts.h"

void octo_raft_pre_campaign(struct octo_raft *raft, struct octo_step *step)
{
    const octo_term term = octo_raft_term(raft) + 1;

    octo_raft_role_set(raft, step, OCTO_ROLE_PRE_CANDIDATE, 0);
    raft->grants = 0;
    octo_raft_election_reset(raft, step);
    if (octo_raft_tally(raft, step, raft->config->node_id, term, true)) {
        octo_raft_campaign(raft, step); /* the only voter */
        return;
    }
    octo_raft_requests_send(raft, step, OCTO_MESSAGE_PRE_VOTE_REQUEST, term);
}

/* Leader stickiness (thesis 4.2.3): who has heard from a live leader within the least election
 * timeout does not help to replace it. For pre-votes only. A real vote request follows upon a
 * majority of pre-votes, so a majority has missed the leader already; refusing it then would leave
 * its sender in a term that nobody else joins, until the leader hears of that term and falls
 * anyway.
 */
static bool leader_alive(const struct octo_raft *raft, const struct octo_step *step)
{
    if (raft->role == OCTO_ROLE_LEADER)
        return true;
    return raft->leader != 0 && step->now < raft->leader_heard + raft->config->election_timeout_ns;
}

void octo_raft_pre_vote_request(struct octo_raft *raft, struct octo_step *step,
                                const struct octo_message *message)
{
    const struct octo_pre_vote_request *request = &message->pre_vote_request;
    const octo_term term = octo_raft_term(raft);
    const bool granted = message->term > term && !leader_alive(raft, step) &&
                         octo_raft_candidate_current(raft, request->last_term, request->last_index);

    if (!granted)
        octo_step_mark(step, OCTO_MARK_PRE_VOTE_REFUSED);
    /* A refusal carries our own term: an asker behind it must learn of it, or never win (A21). */
    struct octo_message response = {
        .type = OCTO_MESSAGE_PRE_VOTE_RESPONSE,
        .term = granted ? message->term : term,
        .pre_vote_response = {.granted = granted},
    };
    octo_raft_reply(raft, step, &response, message->from);
}

void octo_raft_pre_vote_response(struct octo_raft *raft, struct octo_step *step,
                                 const struct octo_message *message)
{
    const octo_term term = octo_raft_term(raft);
    const bool granted = message->pre_vote_response.granted != 0;

    if (!granted && message->term > term) {
        octo_raft_term_raise(raft, step, message->term);
        return;
    }
    if (raft->role != OCTO_ROLE_PRE_CANDIDATE)
        return; /* the question is settled; this is no vote (A6) */
    if (granted && message->term != term + 1) {
        octo_step_mark(step, OCTO_MARK_STALE_MESSAGE);
        return;
    }
    if (octo_raft_tally(raft, step, message->from, term + 1, granted))
        octo_raft_campaign(raft, step);
}
