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
        const struct oracle_log *log = &node->topics[i].log;
        const char *topic = i == 0 ? "main" : "recovery";
        if (index > log->last)
            (void)snprintf(text, size, "its %s topic durably ends at %" PRIu64, topic, log->last);
        else if (oracle_log_chain(log, index) != chain)
            (void)snprintf(text, size,
                           "its %s topic durably holds another entry there (term %" PRIu64 ")",
                           topic, oracle_log_term(log, index));
        else if (node->topics[i].contradiction)
            (void)snprintf(text, size, "a marker in its %s topic contradicts the records", topic);
        else if (index > node->topics[i].marked)
            (void)snprintf(text, size,
                           "no durable marker in its %s topic covers more than %" PRIu64, topic,
                           node->topics[i].marked);
        else
            continue;
        return;
    }
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
    if (oracle_image_holds(node, index, chain) && oracle_image_marked(node, index)) {
        node->acked = index;
        node->acked_chain = chain;
        node->acked_event = oracles->event;
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

static void ballot_refresh(struct octo_oracles *oracles, const struct oracle_step *step)
{
    struct oracle_node *node = step->node;

    if (node->ballot_dirty)
        node->ballot = oracle_vote_read(oracles, node->id, step->images);
    node->ballot_dirty = false;
}

static void vote_promised(struct octo_oracles *oracles, const struct oracle_step *step,
                          octo_term term, octo_node_id candidate)
{
    struct oracle_node *node = step->node;
    const struct oracle_ballot *ballot = &node->ballot;

    oracle_voted(oracles, node->id, candidate, term);
    if (oracles->stopped)
        return;
    ballot_refresh(oracles, step);
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
    const struct oracle_node *node = step->node;

    ballot_refresh(oracles, step);
    return node->ballot.known && node->ballot.term == step->view.term &&
           node->ballot.vote == node->id;
}

/* ---- Messages ------------------------------------------------------------------------------ */

static void append_promised(struct octo_oracles *oracles, const struct oracle_step *step,
                            octo_term term, octo_index index)
{
    struct oracle_node *node = step->node;

    log_promised(oracles, step, index, "acknowledges");
    if (oracles->stopped)
        return;
    const octo_index verified = node->verified_term == term ? node->verified : 0;
    if (index > verified) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u acknowledges index %" PRIu64 " in term %" PRIu64
                     ", whose leader has verified its log up to %" PRIu64 " only",
                     node->id, index, term, verified);
        return;
    }
    ballot_refresh(oracles, step);
    if (!node->ballot.known || node->ballot.term < term) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u acknowledges index %" PRIu64 " in term %" PRIu64
                     ", but durable is term %" PRIu64 "%s",
                     node->id, index, term, node->ballot.term,
                     node->ballot.known ? "" : " (unreadable)");
        return;
    }
    promised(oracles, node, term);
}

void oracle_send(struct octo_oracles *oracles, const struct oracle_step *step,
                 const struct octo_effect *effect)
{
    const uint8_t *bytes = effect->send.bytes;
    const octo_term term = octo_get_u64(bytes + ORACLE_MESSAGE_TERM);
    const uint8_t type = bytes[ORACLE_MESSAGE_TYPE];

    if (type != OCTO_MESSAGE_VOTE_REQUEST && bytes[ORACLE_RESPONSE_GRANTED] == 0)
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
    } else {
        append_promised(oracles, step, term, octo_get_u64(bytes + ORACLE_RESPONSE_INDEX));
    }
}

/* ---- Afterwards ---------------------------------------------------------------------------- */

void oracle_promises_kept(struct octo_oracles *oracles, const struct oracle_node *node)
{
    const struct oracle_ballot *ballot = &node->ballot;
    char text[128] = "";

    if (!oracle_image_holds(node, node->acked, node->acked_chain) ||
        !oracle_image_marked(node, node->acked)) {
        image_shortfall(node, node->acked, node->acked_chain, text, sizeof text);
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u has lost index %" PRIu64 ", which it promised at event %" PRIu64 ": %s",
                     node->id, node->acked, node->acked_event, text);
        return;
    }
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

    if (node->acked > node->log.last ||
        oracle_log_chain(&node->log, node->acked) != node->acked_chain) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u starts without entry %" PRIu64 " that it promised at event %" PRIu64
                     "; its log ends at %" PRIu64,
                     node->id, node->acked, node->acked_event, node->log.last);
        return;
    }
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
