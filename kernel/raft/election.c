/* Timers, and the way from follower to leader that votes and pre-votes share. */
#include "kernel/raft/parts.h"

/* splitmix64 (Steele et al. 2014): one addition and one finalizer a draw. */
static uint64_t random_draw(struct octo_raft *raft)
{
    raft->random += 0x9e3779b97f4a7c15ull;
    return octo_mix(raft->random);
}

void octo_raft_election_reset(struct octo_raft *raft, const struct octo_step *step)
{
    const octo_time_ns timeout = raft->config->election_timeout_ns;

    /* Randomised anew each time, so that split votes do not repeat (section 5.2). */
    raft->election_at = step->now + timeout + random_draw(raft) % (timeout + 1);
}

static void election_timeout(struct octo_raft *raft, struct octo_step *step)
{
    /* A candidate whose own vote is not saved yet has asked nobody: a slow disk must not run up
     * terms. Others campaign meanwhile. */
    if (raft->role == OCTO_ROLE_CANDIDATE && raft->requests_unsent) {
        octo_raft_election_reset(raft, step);
        return;
    }
    struct octo_position floor;
    if (octo_wal_floor(raft->wal,
                       &floor)) { /* it could not lead: its log is not what it promised */
        octo_raft_follow(raft, step, 0);
        octo_raft_election_reset(raft, step);
        octo_raft_fetch_ask(raft, step);
        return;
    }
    if (raft->config->pre_vote)
        octo_raft_pre_campaign(raft, step);
    else
        octo_raft_campaign(raft, step);
}

/* A leader that hears no majority may have been replaced without knowing it, and keeps its clients
 * waiting for nothing (thesis 6.2). */
static void quorum_timeout(struct octo_raft *raft, struct octo_step *step)
{
    const uint32_t self = octo_raft_bit(raft->config->node_id);

    if (!octo_raft_majority(raft, raft->active | self)) {
        octo_step_mark(step, OCTO_MARK_STEPPED_DOWN_QUORUM);
        octo_raft_follow(raft, step, 0);
        return;
    }
    raft->active = 0;
    raft->quorum_at = step->now + raft->config->election_timeout_ns;
}

void octo_raft_timer(struct octo_raft *raft, struct octo_step *step)
{
    if (raft->role != OCTO_ROLE_LEADER) {
        if (step->now >= raft->election_at)
            election_timeout(raft, step);
        return;
    }
    if (step->now >= raft->quorum_at)
        quorum_timeout(raft, step);
    if (raft->role == OCTO_ROLE_LEADER && step->now >= raft->heartbeat_at)
        octo_raft_heartbeat(raft, step);
}

/* ---- Candidates ---------------------------------------------------------------------------- */

void octo_raft_campaign(struct octo_raft *raft, struct octo_step *step)
{
    const octo_node_id self = raft->config->node_id;

    octo_step_mark(step, OCTO_MARK_ELECTION_STARTED);
    octo_raft_vote_set(raft, step, octo_raft_term(raft) + 1, self);
    octo_raft_role_set(raft, step, OCTO_ROLE_CANDIDATE, 0);
    raft->grants = 0;
    raft->requests_unsent = true; /* until the vote is saved (K3) */
    octo_raft_election_reset(raft, step);
}

void octo_raft_requests_send(struct octo_raft *raft, struct octo_step *step,
                             enum octo_message_type type, octo_term term)
{
    const struct octo_log *log = octo_raft_log(raft);
    struct octo_message message = {.type = type, .term = term};

    /* The term of the last entry, not the candidate's (A9). */
    if (type == OCTO_MESSAGE_VOTE_REQUEST) {
        message.vote_request.last_index = log->last;
        message.vote_request.last_term = octo_log_term(log, log->last);
    } else {
        message.pre_vote_request.last_index = log->last;
        message.pre_vote_request.last_term = octo_log_term(log, log->last);
    }
    for (octo_node_id id = 1; id <= raft->config->node_count; id++) {
        if (id != raft->config->node_id)
            octo_raft_reply(raft, step, &message, id);
    }
}

bool octo_raft_candidate_current(const struct octo_raft *raft, octo_term last_term,
                                 octo_index last_index)
{
    const struct octo_position own = octo_wal_vote_position(raft->wal);
    const struct octo_position theirs = {.index = last_index, .term = last_term};

    /* Section 5.4.1: at least as up to date as ours. */
    return !octo_wal_ahead(&own, &theirs);
}

bool octo_raft_tally(struct octo_raft *raft, struct octo_step *step, octo_node_id voter,
                     octo_term term, bool granted)
{
    const uint32_t bit = octo_raft_bit(voter);

    if ((raft->grants & bit) != 0)
        return false; /* the network delivered a grant twice */
    octo_step_trace(step, OCTO_TRACE_VOTE_RECEIVED, voter, term, granted,
                    raft->role == OCTO_ROLE_PRE_CANDIDATE);
    if (!granted)
        return false;
    raft->grants |= bit;
    return octo_raft_majority(raft, raft->grants);
}

void octo_raft_lead(struct octo_raft *raft, struct octo_step *step)
{
    const struct octo_log *log = octo_raft_log(raft);
    const bool alone = raft->config->node_count == 1;

    octo_assert(raft->role == OCTO_ROLE_CANDIDATE);
    octo_step_mark(step, OCTO_MARK_ELECTION_WON);
    octo_raft_role_set(raft, step, OCTO_ROLE_LEADER, raft->config->node_id);
    octo_raft_peers_reset(raft, step);
    raft->active = 0;
    raft->heartbeat_at = alone ? OCTO_NEVER : step->now + raft->config->heartbeat_ns;
    raft->quorum_at = alone || !raft->config->check_quorum
                          ? OCTO_NEVER
                          : step->now + raft->config->election_timeout_ns;

    /* Entries of earlier terms are committed by one of our own only (section 5.4.2, 8). */
    const struct octo_entry noop = {
        .index = log->last + 1, .term = octo_raft_term(raft), .kind = OCTO_ENTRY_NOOP};
    if (octo_wal_append(raft->wal, &noop) != OCTO_ERR_OK) {
        octo_step_mark(step, OCTO_MARK_LOG_FULL);
        return;
    }
    octo_step_trace(step, OCTO_TRACE_APPEND, noop.index, noop.index, noop.term,
                    octo_log_sequence(log, noop.index));
}
