/* durable-ack: whatever a node promised is, at that moment, in the image that an honest disk holds.
 *
 * A promise is a vote that leaves (granted, or asked for on one's own behalf), a granted append,
 * and the node's own word that an index may be acknowledged, since a leader counts itself by that.
 * Once found in the image a promise is remembered: it must be there after every crash, and in the
 * memory of the next incarnation, until the log is replaced on a later leader's order.
 */
#include "oracle/oracle_state.h"

#include <stdio.h>

/* ---- Entries ------------------------------------------------------------------------------- */

/* How the image falls short, for the why line. */
static void image_shortfall(const struct oracle_node *node, octo_index index, uint64_t chain,
                            char *text, size_t size)
{
    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        const struct oracle_topic *held = &node->image.topics[i];
        const struct oracle_log *log = &held->log;
        const char *topic = i == 0 ? "main" : "recovery";
        if (held->unfounded || index < log->base.index)
            (void)snprintf(text, size,
                           "its %s topic goes on from index %" PRIu64
                           ", and no durable snapshot covers what was before",
                           topic, log->base.index);
        else if (index > log->last)
            (void)snprintf(text, size, "its %s topic durably ends at %" PRIu64, topic, log->last);
        else if (oracle_log_chain(log, index) != chain)
            (void)snprintf(text, size,
                           "its %s topic durably holds another entry there (term %" PRIu64 ")",
                           topic, oracle_log_term(log, index));
        else if (held->contradiction)
            (void)snprintf(text, size, "a marker in its %s topic contradicts the records", topic);
        else if (index > held->marked)
            (void)snprintf(text, size,
                           "no durable marker in its %s topic covers more than %" PRIu64, topic,
                           held->marked);
        else
            continue;
        return;
    }
}

void oracle_promise_move(struct octo_oracles *oracles, struct oracle_node *node, octo_index index)
{
    node->acked = index;
    node->acked_term = oracle_log_term(&node->log, index);
    node->acked_chain = oracle_log_chain(&node->log, index);
    node->acked_event = oracles->event;
}

/* Where a disk lied, a repair that was torn or refused leaves old entries in one topic only, and
 * the node goes on with that: what it promises on top of them is whole in that one. */
static bool one_topic_promises(const struct oracle_node *node, octo_index index, uint64_t chain)
{
    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        const struct oracle_topic *topic = &node->image.topics[i];
        if (!topic->unfounded && !topic->contradiction && index <= topic->marked &&
            oracle_log_has(&topic->log, index, chain))
            return true;
    }
    return false;
}

/* A leader's snapshot is durable and not yet installed: entries that it contradicts are on their
 * way out, and what was on its way to the disk of them may still arrive there. */
static bool is_replaced_soon(const struct oracle_node *node, octo_index index)
{
    const octo_index at = node->image.snapshot.at.index;

    return index <= at && node->saved < at;
}

static bool image_promises(struct octo_oracles *oracles, const struct oracle_node *node,
                           octo_index index, uint64_t chain)
{
    return (oracle_image_holds(oracles, node, index, chain) &&
            oracle_image_marked(oracles, node, index)) ||
           (node->lied && one_topic_promises(node, index, chain));
}

/* The node says that its log up to index is durable. */
static void log_promised(struct octo_oracles *oracles, const struct oracle_step *step,
                         octo_index index, const char *how)
{
    struct oracle_node *node = step->node;

    if (index <= node->acked)
        return; /* was found there, and the log has not changed below */
    if (index > node->log.last) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u %s index %" PRIu64 ", but its log ends at %" PRIu64, node->id, how, index,
                     node->log.last);
        return;
    }
    const uint64_t chain = oracle_log_chain(&node->log, index);
    oracle_image_refresh(oracles, node, step->images);
    if (image_promises(oracles, node, index, chain)) {
        oracle_promise_move(oracles, node, index);
        return;
    }
    char text[128] = "";
    image_shortfall(node, index, chain, text, sizeof text);
    oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                 "n%u %s index %" PRIu64 " (term %" PRIu64 "), but %s", node->id, how, index,
                 oracle_log_term(&node->log, index), text);
}

void oracle_durable(struct octo_oracles *oracles, const struct oracle_step *step, octo_index index)
{
    struct oracle_node *node = step->node;

    if (index > node->acked && index <= node->log.last) {
        oracle_image_refresh(oracles, node, step->images);
        if (is_replaced_soon(node, index) &&
            !image_promises(oracles, node, index, oracle_log_chain(&node->log, index)))
            return;
    }
    log_promised(oracles, step, index, "takes for durable");
}

/* ---- Votes and terms ----------------------------------------------------------------------- */

static void promised(struct octo_oracles *oracles, struct oracle_node *node, octo_term term)
{
    if (term <= node->promised)
        return;
    node->promised = term;
    node->promised_event = oracles->event;
}

static void vote_promised(struct octo_oracles *oracles, const struct oracle_step *step,
                          octo_term term, octo_node_id candidate)
{
    struct oracle_node *node = step->node;
    const struct oracle_ballot *ballot = &node->image.ballot;

    oracle_voted(oracles, node->id, candidate, term);
    if (oracles->stopped)
        return;
    oracle_image_ballot(oracles, node, step->images);
    if (!ballot->known || ballot->term != term || ballot->vote != candidate) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u votes for n%u in term %" PRIu64 ", but durable is term %" PRIu64
                     ", vote n%u%s",
                     node->id, candidate, term, ballot->term, ballot->vote,
                     ballot->known ? "" : " (unreadable)");
        return;
    }
    if (ballot->copies < 2) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u votes for n%u in term %" PRIu64 ", but only one copy of that is durable",
                     node->id, candidate, term);
        return;
    }
    promised(oracles, node, term);
    if (term < node->vote_term)
        return;
    node->vote_term = term;
    node->vote = candidate;
    node->vote_event = oracles->event;
}

bool oracle_vote_own(struct octo_oracles *oracles, const struct oracle_step *step)
{
    const struct oracle_ballot *ballot = &step->node->image.ballot;

    oracle_image_ballot(oracles, step->node, step->images);
    return ballot->known && ballot->term == step->view.term && ballot->vote == step->node->id;
}

/* ---- Messages ------------------------------------------------------------------------------ */

/* The term of an acknowledgement is durable, as the log that it is about is. */
static void term_promised(struct octo_oracles *oracles, const struct oracle_step *step,
                          octo_term term, octo_index index)
{
    struct oracle_node *node = step->node;
    const struct oracle_ballot *ballot = &node->image.ballot;

    oracle_image_ballot(oracles, node, step->images);
    if (!ballot->known || ballot->term < term) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u acknowledges index %" PRIu64 " in term %" PRIu64
                     ", but durable is term %" PRIu64 "%s",
                     node->id, index, term, ballot->term, ballot->known ? "" : " (unreadable)");
        return;
    }
    promised(oracles, node, term);
}

static void append_promised(struct octo_oracles *oracles, const struct oracle_step *step,
                            octo_term term, octo_index index)
{
    const struct oracle_node *node = step->node;

    log_promised(oracles, step, index, "acknowledges");
    if (oracles->stopped)
        return;
    /* What is committed needs nobody's word: after a start that is what the snapshot holds. */
    const octo_index verified =
        octo_max_u64(node->verified_term == term ? node->verified : 0, step->view.commit);
    if (index > verified) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u acknowledges index %" PRIu64 " in term %" PRIu64
                     ", whose leader has verified its log up to %" PRIu64 " only",
                     node->id, index, term, verified);
        return;
    }
    term_promised(oracles, step, term, index);
}

/* "I need no such snapshot": all up to its index is committed and durable here. */
static void snapshot_promised(struct octo_oracles *oracles, const struct oracle_step *step,
                              octo_term term, octo_index index)
{
    const struct oracle_node *node = step->node;

    log_promised(oracles, step, index, "acknowledges a snapshot at");
    if (oracles->stopped)
        return;
    if (index > node->commit) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u acknowledges a snapshot at index %" PRIu64 ", but has committed %" PRIu64
                     " only",
                     node->id, index, node->commit);
        return;
    }
    term_promised(oracles, step, term, index);
}

static bool message_promises(const struct octo_effect *effect)
{
    const uint8_t *bytes = effect->send.bytes;

    switch ((enum octo_message_type)bytes[ORACLE_MESSAGE_TYPE]) {
    case OCTO_MESSAGE_VOTE_REQUEST:
        return true;
    case OCTO_MESSAGE_VOTE_RESPONSE:
    case OCTO_MESSAGE_APPEND_RESPONSE:
        return bytes[ORACLE_RESPONSE_GRANTED] != 0;
    case OCTO_MESSAGE_SNAPSHOT_RESPONSE:
        return effect->send.size > ORACLE_SNAPSHOT_INSTALLED &&
               bytes[ORACLE_SNAPSHOT_INSTALLED] != 0;
    case OCTO_MESSAGE_NONE:
    case OCTO_MESSAGE_PRE_VOTE_REQUEST:
    case OCTO_MESSAGE_PRE_VOTE_RESPONSE:
    case OCTO_MESSAGE_APPEND_REQUEST:
    case OCTO_MESSAGE_SNAPSHOT_REQUEST:
    case OCTO_MESSAGE_FETCH_REQUEST:
    case OCTO_MESSAGE_FETCH_RESPONSE:
        break;
    }
    return false;
}

void oracle_send(struct octo_oracles *oracles, const struct oracle_step *step,
                 const struct octo_effect *effect)
{
    const uint8_t *bytes = effect->send.bytes;
    const octo_term term = octo_get_u64(bytes + ORACLE_MESSAGE_TERM);
    const uint8_t type = bytes[ORACLE_MESSAGE_TYPE];

    if (!message_promises(effect))
        return;
    if (!step->node->ready) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u makes a promise to n%u in term %" PRIu64 " while it is still starting",
                     step->node->id, effect->send.to, term);
        return;
    }
    if (type == OCTO_MESSAGE_VOTE_REQUEST) {
        vote_promised(oracles, step, term, step->node->id);
        oracle_candidate_says(oracles, step, bytes);
    } else if (type == OCTO_MESSAGE_VOTE_RESPONSE) {
        vote_promised(oracles, step, term, effect->send.to);
    } else if (type == OCTO_MESSAGE_APPEND_RESPONSE) {
        append_promised(oracles, step, term, octo_get_u64(bytes + ORACLE_RESPONSE_INDEX));
    } else {
        snapshot_promised(oracles, step, term, octo_get_u64(bytes + ORACLE_SNAPSHOT_INDEX));
    }
}

/* ---- Afterwards ---------------------------------------------------------------------------- */

/* Terms never fall along a log: with a snapshot of a later term no entry of the promise's can have
 * been committed behind it. */
static bool snapshot_contradicts(const struct octo_oracles *oracles, const struct oracle_node *node)
{
    const struct oracle_point *at = &node->image.snapshot.at;

    return at->term > node->acked_term && oracle_committed_is(oracles, at->index, at->chain);
}

/* Whether the image still holds what the node acknowledged: in its log, in a snapshot (of another
 * entry there, if a leader has replaced it), or, where the node may lose it, as its floor. After a
 * lie it may be in one topic alone: a crash has torn the sector that was being repaired. */
static bool acked_kept(const struct octo_oracles *oracles, const struct oracle_node *node,
                       const struct oracle_found *found)
{
    const struct oracle_marker *marker = &found->marker;

    if (oracle_image_covers(oracles, node, node->acked) || snapshot_contradicts(oracles, node))
        return true;
    if (oracle_image_holds(oracles, node, node->acked, node->acked_chain) &&
        oracle_image_marked(oracles, node, node->acked))
        return true;
    if (node->lied && found->acked)
        return true;
    /* A marker that rotted in both topics leaves the entries that it covered: the boot writes them
     * again, over the marker if that was the last of all, and marks them anew. */
    if (oracle_may_lose(node) && oracle_image_holds(oracles, node, node->acked, node->acked_chain))
        return true;
    /* A boot takes the position of a marker that its log does not reach for the floor. */
    return node->impaired && marker->found &&
           (oracle_position_reaches(marker->floor_term, marker->floor_index, node->acked_term,
                                    node->acked) ||
            oracle_position_reaches(marker->term, marker->index, node->acked_term, node->acked));
}

/* What was lost before is owed still: the image knows it as the node's floor, or has it again. */
static bool owed_kept(const struct oracle_node *node, const struct oracle_found *found)
{
    const struct oracle_marker *marker = &found->marker;

    return node->owed_index == 0 ||
           oracle_position_reaches(found->last.term, found->last.index, node->owed_term,
                                   node->owed_index) ||
           (marker->found && oracle_position_reaches(marker->floor_term, marker->floor_index,
                                                     node->owed_term, node->owed_index));
}

static bool log_kept(struct octo_oracles *oracles, const struct oracle_node *node,
                     const struct oracle_found *found)
{
    char text[160] = "";

    if (!acked_kept(oracles, node, found)) {
        image_shortfall(node, node->acked, node->acked_chain, text, sizeof text);
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u has lost index %" PRIu64 ", which it promised at event %" PRIu64 ": %s",
                     node->id, node->acked, node->acked_event, text);
    } else if (!owed_kept(node, found)) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u has lost its floor: it acknowledged index %" PRIu64 " (term %" PRIu64
                     "), durable is a log up to %" PRIu64 " (term %" PRIu64 ")",
                     node->id, node->owed_index, node->owed_term, found->last.index,
                     found->last.term);
    } else if (node->saved > node->image.snapshot.at.index && !node->impaired) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u has lost its snapshot at index %" PRIu64 "; the durable one ends at "
                     "%" PRIu64,
                     node->id, node->saved, node->image.snapshot.at.index);
    }
    return !oracles->stopped;
}

void oracle_promises_kept(struct octo_oracles *oracles, const struct oracle_node *node,
                          const struct oracle_found *found)
{
    const struct oracle_ballot *ballot = &node->image.ballot;

    if (!log_kept(oracles, node, found))
        return;
    if (node->promised != 0 && (!ballot->known || ballot->term < node->promised)) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u has lost term %" PRIu64 ", in which it made a promise at event %" PRIu64
                     ": durable is term %" PRIu64 "%s",
                     node->id, node->promised, node->promised_event, ballot->term,
                     ballot->known ? "" : " (unreadable)");
        return;
    }
    if (node->vote_term != 0 && ballot->term == node->vote_term && ballot->vote != node->vote)
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u has lost its vote for n%u in term %" PRIu64 ", given at event %" PRIu64
                     ": durable is n%u",
                     node->id, node->vote, node->vote_term, node->vote_event, ballot->vote);
}

void oracle_promises_remembered(struct octo_oracles *oracles, const struct oracle_step *step,
                                const struct octo_trace *ready)
{
    const struct oracle_node *node = step->node;
    const octo_term term = ready->words[0];
    const octo_node_id vote = (octo_node_id)ready->words[1];

    oracle_floor_ready(oracles, step);
    if (oracles->stopped)
        return;
    if (term < node->promised) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u starts in term %" PRIu64 ", having made a promise in term %" PRIu64
                     " at event %" PRIu64,
                     node->id, term, node->promised, node->promised_event);
        return;
    }
    if (node->vote_term != 0 && term == node->vote_term && vote != node->vote)
        oracle_break(oracles, OCTO_PROPERTY_VOTE_ONCE,
                     "n%u starts in term %" PRIu64 " with a vote for n%u, having voted for n%u at "
                     "event %" PRIu64,
                     node->id, term, vote, node->vote, node->vote_event);
}
