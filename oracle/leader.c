/* leader-append-only and leader-completeness. Raft, sections 5.3 and 5.4. */
#include "oracle/oracle_state.h"

/* The log of the node is about to change at index `from`, which it has. */
static void committed_removed(struct octo_oracles *oracles, const struct oracle_step *step,
                              octo_index from)
{
    const struct oracle_log *log = &step->node->log;
    const octo_index kept = oracle_committed_common(oracles, log);
    struct octo_entry entry;

    if (from > kept)
        return;
    /* A leader of a term before the one in which it was committed need not have it, and a follower
     * that is late may still take its order: those who committed it are a majority without him. */
    if (oracle_committed_at(oracles, from)->commit_term > step->view.term)
        return;
    /* The same entry again is no harm. The chain shown is checked when the log is read. */
    if (kept <= step->view.base)
        return; /* a snapshot covers what is committed; oracle_log_base judges it */
    if (octo_node_entry(step->seen->node, kept, &entry) &&
        entry.chain == oracle_log_chain(log, kept))
        return;
    const struct oracle_committed *committed = oracle_committed_at(oracles, kept);
    oracle_break(oracles, OCTO_PROPERTY_LEADER_COMPLETENESS,
                 "n%u removes entries from index %" PRIu64 " on, of which those up to %" PRIu64
                 " are committed (by n%u in term %" PRIu64 ", event %" PRIu64 ")",
                 step->node->id, from, kept, committed->node, committed->commit_term,
                 committed->event);
}

void oracle_log_changes(struct octo_oracles *oracles, const struct oracle_step *step,
                        octo_index from)
{
    const struct oracle_node *node = step->node;

    if (from > node->log.last)
        return;
    if (node->led != 0 && node->led == step->view.term) {
        oracle_break(oracles, OCTO_PROPERTY_LEADER_APPEND_ONLY,
                     "n%u replaces its entries %" PRIu64 " to %" PRIu64 " in term %" PRIu64
                     ", which it led",
                     node->id, from, node->log.last, step->view.term);
        return;
    }
    committed_removed(oracles, step, from);
}

/* ---- Completeness -------------------------------------------------------------------------- */

static void complete_up_to(struct octo_oracles *oracles, const struct oracle_node *node,
                           octo_term term, octo_index index)
{
    const struct oracle_committed *committed = oracle_committed_at(oracles, index);

    if (index <= node->log.base.index || oracle_log_has(&node->log, index, committed->chain))
        return;
    const octo_index lacking = oracle_committed_common(oracles, &node->log) + 1;
    committed = oracle_committed_at(oracles, lacking);
    oracle_break(oracles, OCTO_PROPERTY_LEADER_COMPLETENESS,
                 "n%u leads term %" PRIu64 " without entry %" PRIu64 " of term %" PRIu64
                 ", which n%u committed in term %" PRIu64 " at event %" PRIu64,
                 node->id, term, lacking, committed->term, committed->node, committed->commit_term,
                 committed->event);
}

void oracle_leader_complete(struct octo_oracles *oracles, const struct oracle_step *step)
{
    octo_index index = oracles->committed_count;

    /* A deposed leader may learn late that it committed: not before this term, hence no matter. */
    while (index > 0 && oracle_committed_at(oracles, index)->commit_term >= step->view.term)
        index--;
    if (index > 0)
        complete_up_to(oracles, step->node, step->view.term, index);
}

void oracle_leaders_complete(struct octo_oracles *oracles, octo_term term, octo_index index)
{
    if (term >= oracles->led)
        return;
    for (octo_node_id id = 1; id <= oracles->config.node_count; id++) {
        const struct oracle_node *node = &oracles->nodes[id];
        if (node->leading && node->term > term)
            complete_up_to(oracles, node, node->term, index);
    }
}

/* ---- Elections ----------------------------------------------------------------------------- */

void oracle_candidate_says(struct octo_oracles *oracles, const struct oracle_step *step,
                           const uint8_t *request)
{
    const struct oracle_log *log = &step->node->log;
    const octo_index index = octo_get_u64(request + ORACLE_VOTE_LAST_INDEX);
    const octo_term term = octo_get_u64(request + ORACLE_VOTE_LAST_TERM);

    if (oracle_floor_ahead(step->node, log)) {
        const struct oracle_point floor = oracle_floor_position(step->node, log);
        oracle_break(oracles, OCTO_PROPERTY_LEADER_COMPLETENESS,
                     "n%u asks for votes with a log up to index %" PRIu64 " (term %" PRIu64
                     "), having lost what it acknowledged up to %" PRIu64 " (term %" PRIu64 ")",
                     step->node->id, index, term, floor.index, floor.term);
        return;
    }
    if (index == log->last && term == oracle_log_term(log, log->last))
        return;
    oracle_break(oracles, OCTO_PROPERTY_LEADER_COMPLETENESS,
                 "n%u asks for votes with a log up to index %" PRIu64 " (term %" PRIu64
                 "), but its log ends at %" PRIu64 " (term %" PRIu64 ")",
                 step->node->id, index, term, log->last, oracle_log_term(log, log->last));
}

void oracle_voter_decides(struct octo_oracles *oracles, const struct oracle_step *step,
                          const uint8_t *request)
{
    const struct oracle_log *log = &step->node->log;
    const octo_index index = octo_get_u64(request + ORACLE_VOTE_LAST_INDEX);
    const octo_term term = octo_get_u64(request + ORACLE_VOTE_LAST_TERM);
    const struct oracle_point own = oracle_floor_position(step->node, log);

    if (oracle_position_reaches(term, index, own.term, own.index))
        return;
    oracle_break(oracles, OCTO_PROPERTY_LEADER_COMPLETENESS,
                 "n%u votes for n%u, whose log up to index %" PRIu64 " (term %" PRIu64
                 ") is behind its own, up to %" PRIu64 " (term %" PRIu64 ")",
                 step->node->id, step->view.vote, index, term, own.index, own.term);
}
