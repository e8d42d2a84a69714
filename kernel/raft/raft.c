/* Roles, terms, and the way of a message to its handler. */
#include "kernel/raft/parts.h"

size_t octo_raft_bytes(const struct octo_config *config)
{
    const size_t rings = (size_t)config->node_count * config->inflight_max * sizeof(octo_index);

    return octo_align_up(rings, 64);
}

void octo_raft_init(struct octo_raft *raft, const struct octo_config *config, struct octo_wal *wal,
                    struct octo_snapshots *snapshots, struct octo_arena *arena)
{
    memset(raft, 0, sizeof *raft);
    raft->config = config;
    raft->wal = wal;
    raft->snapshots = snapshots;
    raft->inflight = octo_arena_alloc(arena, octo_raft_bytes(config));
    octo_assert(raft->inflight != NULL);
    raft->role = OCTO_ROLE_STARTING;
}

void octo_raft_start(struct octo_raft *raft, struct octo_step *step, uint64_t seed)
{
    octo_assert(raft->role == OCTO_ROLE_STARTING);
    octo_assert(octo_wal_stage(raft->wal) == OCTO_WAL_READY);
    /* Nodes that are given the same seed must still draw different timeouts. */
    raft->random = octo_mix(seed ^ octo_mix(raft->config->node_id));
    raft->durable = octo_wal_durable(raft->wal);
    raft->commit = octo_raft_log(raft)->base.index;
    /* Entries and term are saved side by side, so a crash may keep a term's entries and not the
     * term. Nothing was promised in it; but a log is never ahead of its node's term. */
    const struct octo_log *log = octo_raft_log(raft);
    const octo_term last_term = octo_log_term(log, log->last);
    if (last_term > octo_raft_term(raft))
        octo_raft_vote_set(raft, step, last_term, 0);
    octo_raft_follow(raft, step, 0);
}

void octo_raft_halt(struct octo_raft *raft, struct octo_step *step)
{
    octo_raft_role_set(raft, step, OCTO_ROLE_HALTED, 0);
}

bool octo_raft_majority(const struct octo_raft *raft, uint32_t set)
{
    uint32_t count = 0;
    for (; set != 0; set &= set - 1)
        count++;
    return count > raft->config->node_count / 2;
}

octo_index octo_raft_log_term_search(const struct octo_raft *raft, octo_index index, octo_term term)
{
    const struct octo_log *log = octo_raft_log(raft);
    octo_index low = log->base.index; /* what is committed matches whoever leads */
    octo_index high = index;

    octo_assert(index <= log->last);
    if (index < low)
        return index;
    while (low < high) {
        const octo_index middle = high - (high - low) / 2;
        if (octo_log_term(log, middle) <= term)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* ---- Roles and terms ----------------------------------------------------------------------- */

void octo_raft_role_set(struct octo_raft *raft, struct octo_step *step, enum octo_role role,
                        octo_node_id leader)
{
    const enum octo_role from = raft->role;

    octo_assert(from != OCTO_ROLE_HALTED);
    if (leader != raft->leader) { /* what was verified was verified against the one before */
        raft->verified = 0;
        raft->acked = 0;
        raft->round = 0;
        raft->ack_due = false;
        raft->receiving = (struct octo_position){.index = 0};
        raft->snapshot_ack_due = false;
    }
    raft->role = role;
    raft->leader = leader;
    if (from != role)
        octo_step_trace(step, OCTO_TRACE_ROLE, from, role, octo_raft_term(raft), leader);
}

void octo_raft_vote_set(struct octo_raft *raft, struct octo_step *step, octo_term term,
                        octo_node_id vote)
{
    const octo_term from = octo_raft_term(raft);

    octo_assert(term >= from);
    octo_wal_set_vote(raft->wal, term, vote);
    octo_step_trace(step, OCTO_TRACE_TERM, from, term, vote, 0);
    if (term > from) /* a promise of an older term is void */
        raft->grant_to = 0;
}

void octo_raft_term_raise(struct octo_raft *raft, struct octo_step *step, octo_term term)
{
    octo_assert(term > octo_raft_term(raft));
    if (raft->role == OCTO_ROLE_LEADER)
        octo_step_mark(step, OCTO_MARK_STEPPED_DOWN_TERM);
    octo_raft_vote_set(raft, step, term, 0);
    octo_raft_follow(raft, step, 0);
}

void octo_raft_follow(struct octo_raft *raft, struct octo_step *step, octo_node_id leader)
{
    const bool was_follower = raft->role == OCTO_ROLE_FOLLOWER;

    /* The vote stays: it was given in this term, whatever the role becomes (A1). */
    octo_raft_role_set(raft, step, OCTO_ROLE_FOLLOWER, leader);
    raft->grants = 0;
    raft->requests_unsent = false;
    /* A follower's clock runs on when somebody merely raises the term: only a leader's message or
     * a granted vote resets it (section 5.2), or one that cannot win would keep all waiting. */
    if (!was_follower)
        octo_raft_election_reset(raft, step);
}

/* ---- Messages ------------------------------------------------------------------------------ */

void octo_raft_reply(struct octo_raft *raft, struct octo_step *step, struct octo_message *message,
                     octo_node_id to)
{
    uint8_t *out = octo_step_bytes(step, OCTO_RAFT_SMALL_BYTES);

    message->from = raft->config->node_id;
    message->to = to;
    const uint32_t size =
        octo_message_encode(message, raft->config->cluster_id, out, OCTO_RAFT_SMALL_BYTES);
    octo_assert(size > 0);
    octo_step_send(step, to, out, size);
}

/* No correct node sends term 0 (before any election) except in refusing a pre-vote; nor one so high
 * that it could not have been reached by campaigning, or left none to campaign in. */
static bool term_ok(const struct octo_message *message)
{
    if (message->term == 0)
        return message->type == OCTO_MESSAGE_PRE_VOTE_RESPONSE ||
               message->type == OCTO_MESSAGE_FETCH_REQUEST ||
               message->type == OCTO_MESSAGE_FETCH_RESPONSE;
    return message->term <= OCTO_WIRE_NUMBER_MAX / 2;
}

enum octo_err octo_raft_message(struct octo_raft *raft, struct octo_step *step,
                                const struct octo_message *message)
{
    if (!term_ok(message))
        return OCTO_ERR_RANGE;

    const bool termless = message->type == OCTO_MESSAGE_PRE_VOTE_REQUEST ||
                          message->type == OCTO_MESSAGE_PRE_VOTE_RESPONSE ||
                          message->type == OCTO_MESSAGE_FETCH_REQUEST ||
                          message->type == OCTO_MESSAGE_FETCH_RESPONSE;
    /* Pre-votes never raise the term by themselves (A22): their term is hypothetical. Nor does a
     * node that asks for what it lost, or one that gives it. */
    if (!termless) {
        if (message->term > octo_raft_term(raft))
            octo_raft_term_raise(raft, step, message->term);
        if (message->term < octo_raft_term(raft))
            octo_step_mark(step, OCTO_MARK_STALE_MESSAGE);
    }

    switch (message->type) {
    case OCTO_MESSAGE_PRE_VOTE_REQUEST:
        octo_raft_pre_vote_request(raft, step, message);
        return OCTO_ERR_OK;
    case OCTO_MESSAGE_PRE_VOTE_RESPONSE:
        octo_raft_pre_vote_response(raft, step, message);
        return OCTO_ERR_OK;
    case OCTO_MESSAGE_VOTE_REQUEST:
        octo_raft_vote_request(raft, step, message);
        return OCTO_ERR_OK;
    case OCTO_MESSAGE_VOTE_RESPONSE:
        octo_raft_vote_response(raft, step, message);
        return OCTO_ERR_OK;
    case OCTO_MESSAGE_APPEND_REQUEST:
        return octo_raft_append_request(raft, step, message);
    case OCTO_MESSAGE_APPEND_RESPONSE:
        return octo_raft_append_response(raft, step, message);
    case OCTO_MESSAGE_SNAPSHOT_REQUEST:
        return octo_raft_snapshot_request(raft, step, message);
    case OCTO_MESSAGE_SNAPSHOT_RESPONSE:
        return octo_raft_snapshot_response(raft, step, message);
    case OCTO_MESSAGE_FETCH_REQUEST:
        octo_raft_fetch_request(raft, step, message);
        return OCTO_ERR_OK;
    case OCTO_MESSAGE_FETCH_RESPONSE:
        return octo_raft_fetch_response(raft, step, message);
    case OCTO_MESSAGE_NONE:
        break;
    }
    return OCTO_ERR_WRONG_TYPE;
}

/* ---- What follows every event -------------------------------------------------------------- */

static void durable_look(struct octo_raft *raft, struct octo_step *step)
{
    const octo_index durable = octo_wal_durable(raft->wal);

    if (durable > raft->durable) {
        octo_step_trace(step, OCTO_TRACE_DURABLE, durable,
                        octo_log_sequence(octo_raft_log(raft), durable), 0, 0);
        raft->count_due = true;
    }
    raft->durable = durable; /* a truncation lowers it */
}

void octo_raft_advance(struct octo_raft *raft, struct octo_step *step)
{
    durable_look(raft, step);
    if (octo_wal_vote_saved(raft->wal)) { /* K3: every promise is made in a saved term */
        octo_raft_vote_requests_due(raft, step);
        octo_raft_vote_grant_due(raft, step);
        octo_raft_append_ack_due(raft, step);
        octo_raft_snapshot_ack_due(raft, step);
    }
    octo_raft_commit_count(raft, step);
}

void octo_raft_send(struct octo_raft *raft, struct octo_step *step)
{
    if (raft->role != OCTO_ROLE_LEADER) {
        octo_step_deadline(step, raft->election_at);
        return;
    }
    octo_raft_peers_send(raft, step);
    octo_step_deadline(step, raft->heartbeat_at);
    octo_step_deadline(step, raft->quorum_at);
}

enum octo_err octo_raft_propose(struct octo_raft *raft, struct octo_step *step,
                                const struct octo_entry *command)
{
    const struct octo_log *log = octo_raft_log(raft);

    if (raft->role != OCTO_ROLE_LEADER)
        return OCTO_ERR_NOT_LEADER;
    /* A slot in sixteen is kept for the no-ops of leaders to come: without one they commit nothing.
     */
    if (log->last - log->base.index >= log->entries_max - log->entries_max / 16)
        return OCTO_ERR_FULL;
    if (!octo_wal_space(raft->wal, command->size))
        return OCTO_ERR_NO_SPACE;
    struct octo_entry entry = *command;
    entry.index = log->last + 1;
    entry.term = octo_raft_term(raft);
    const enum octo_err err = octo_wal_append(raft->wal, &entry);
    if (err != OCTO_ERR_OK)
        return err;
    octo_step_trace(step, OCTO_TRACE_APPEND, entry.index, entry.index, entry.term,
                    octo_log_sequence(log, entry.index));
    return OCTO_ERR_OK;
}

/* ---- Limits and invariants ----------------------------------------------------------------- */

void octo_raft_limits(const struct octo_config *config, uint64_t *items, uint64_t *bytes)
{
    const uint64_t peers = config->node_count - 1;
    const uint64_t sends = OCTO_RAFT_SENDS_MAX * peers; /* a heartbeat only if none of these */
    const uint64_t requests = peers;                    /* for votes, or for pre-votes */
    const uint64_t answers = 4; /* a refusal, a grant, an acknowledgement, one of a snapshot */
    const uint64_t traces = 16; /* two each of TERM, ROLE, VOTE_RECEIVED, APPEND; three of COMMIT;
                                   one each of TRUNCATE, DURABLE, READY; one to spare */

    *items += sends + requests + answers + traces;
    *bytes += sends * config->message_bytes_max + (requests + answers) * OCTO_RAFT_SMALL_BYTES;
}

static void follower_check(const struct octo_raft *raft)
{
    octo_assert(raft->leader != raft->config->node_id);
    octo_assert(raft->verified <= octo_raft_log(raft)->last);
    octo_assert(raft->acked <= raft->verified);
}

void octo_raft_check(const struct octo_raft *raft)
{
    const octo_node_id self = raft->config->node_id;
    const struct octo_log *log = octo_raft_log(raft);

    octo_assert(raft->commit <= log->last);
    octo_assert(octo_log_term(log, log->last) <= octo_raft_term(raft));
    switch (raft->role) {
    case OCTO_ROLE_FOLLOWER:
        follower_check(raft);
        break;
    case OCTO_ROLE_PRE_CANDIDATE:
        octo_assert(raft->leader == 0);
        break;
    case OCTO_ROLE_CANDIDATE:
        octo_assert(raft->leader == 0);
        octo_assert(octo_wal_vote(raft->wal) == self);
        break;
    case OCTO_ROLE_LEADER:
        octo_assert(raft->leader == self);
        octo_assert(octo_wal_vote(raft->wal) == self);
        octo_raft_peers_check(raft);
        break;
    case OCTO_ROLE_STARTING:
    case OCTO_ROLE_HALTED:
        break;
    }
}
