/* What a node may lose, and what starting again gives.
 *
 * A node that finds acknowledged entries damaged in both topics comes up with a *floor*: the
 * position that it had promised. It votes by that, does not campaign, and acknowledges nothing that
 * it has not got again. Only a node that the budget of faults allows to lose that much may do so
 * (durable-ack); what it lost is *owed* until its log reaches that position.
 *
 * And without any lie on its disk, what a node has after a power loss follows from the image
 * (recovery-idempotent): however often it crashes on the way to its next READY.
 */
#include "oracle/oracle_state.h"

/* ---- Positions ----------------------------------------------------------------------------- */

static void position_raise(struct oracle_point *position, octo_term term, octo_index index)
{
    if (index == 0 || oracle_position_reaches(position->term, position->index, term, index))
        return;
    *position = (struct oracle_point){.index = index, .term = term};
}

/* What a boot will vote by if its log does not reach so far: the position and the floor of the
 * marker that counts, which is that with the highest sequence, the later one of equals. */
static void image_floor_raise(const struct oracle_node *node, struct oracle_point *position)
{
    const struct oracle_marker *a = &node->image.topics[0].marker;
    const struct oracle_marker *b = &node->image.topics[1].marker;
    const bool second = b->found && (!a->found || b->sequence > a->sequence ||
                                     (b->sequence == a->sequence && b->place > a->place));
    const struct oracle_marker *marker = second ? b : a;

    if (marker->found) {
        position_raise(position, marker->term, marker->index);
        position_raise(position, marker->floor_term, marker->floor_index);
    }
}

struct oracle_point oracle_floor_position(const struct oracle_node *node,
                                          const struct oracle_log *log)
{
    struct oracle_point position = {
        .index = log->last,
        .term = oracle_log_term(log, log->last),
        .chain = oracle_log_chain(log, log->last),
    };

    position_raise(&position, node->owed_term, node->owed_index);
    position_raise(&position, node->floor_term, node->floor_index);
    if (!node->ready)
        image_floor_raise(node, &position);
    return position;
}

bool oracle_floor_ahead(const struct oracle_node *node, const struct oracle_log *log)
{
    const struct oracle_point position = oracle_floor_position(node, log);

    return position.index != log->last || position.term != oracle_log_term(log, log->last);
}

/* ---- Losses -------------------------------------------------------------------------------- */

void octo_oracles_impaired(struct octo_oracles *oracles, octo_node_id node, bool impaired)
{
    octo_assert(node >= 1);
    octo_assert(node <= oracles->config.node_count);
    oracles->nodes[node].impaired = impaired;
}

void octo_oracles_damaged(struct octo_oracles *oracles, octo_node_id node)
{
    octo_assert(node >= 1);
    octo_assert(node <= oracles->config.node_count);
    oracles->nodes[node].predicted.valid = false;
    oracles->nodes[node].lied = true;
}

void octo_oracles_wiped(struct octo_oracles *oracles, octo_node_id id)
{
    octo_assert(id >= 1);
    octo_assert(id <= oracles->config.node_count);
    struct oracle_node *node = &oracles->nodes[id];
    octo_assert(!node->ready);
    node->wiped = true;
    node->predicted.valid = false;
}

/* The log lacks what was acknowledged: from now on that is owed. */
static void loss_note(struct octo_oracles *oracles, const struct oracle_step *step)
{
    struct oracle_node *node = step->node;
    const octo_index last = node->log.last;

    if (!oracle_position_reaches(node->owed_term, node->owed_index, node->acked_term,
                                 node->acked)) {
        node->owed_term = node->acked_term;
        node->owed_index = node->acked;
    }
    /* What is left of it is held as before, if it is a part of what was acknowledged. */
    oracle_image_refresh(oracles, node, step->images);
    const bool held = last < node->acked &&
                      oracle_image_holds(oracles, node, last, oracle_log_chain(&node->log, last)) &&
                      oracle_image_marked(oracles, node, last);
    oracle_promise_move(oracles, node, held ? last : node->log.base.index);
}

static void floor_allowed(struct octo_oracles *oracles, const struct oracle_step *step)
{
    const struct oracle_node *node = step->node;

    if (step->view.floor_index != 0 && !node->impaired)
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u says that it lost entries up to index %" PRIu64 " (term %" PRIu64
                     "): the budget does not cover that loss",
                     node->id, step->view.floor_index, step->view.floor_term);
}

void oracle_floor_ready(struct octo_oracles *oracles, const struct oracle_step *step)
{
    struct oracle_node *node = step->node;
    const struct octo_node_view *view = &step->view;

    if (node->wiped && (node->promised != 0 || node->acked != 0)) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u starts with an empty disk, having made a promise in term %" PRIu64
                     " and acknowledged index %" PRIu64,
                     node->id, node->promised, node->acked);
        return;
    }
    floor_allowed(oracles, step);
    if (oracles->stopped)
        return;
    /* Terms never fall along a log: on a snapshot of a later term no entry of the promise's can
     * have been committed. */
    if (node->acked <= node->log.base.index || node->acked_term < node->log.base.term) {
        oracle_promise_move(oracles, node, node->log.base.index);
        return;
    }
    if (oracle_log_has(&node->log, node->acked, node->acked_chain))
        return;
    if (view->floor_index == 0 || !oracle_position_reaches(view->floor_term, view->floor_index,
                                                           node->acked_term, node->acked)) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u starts without entry %" PRIu64 " (term %" PRIu64
                     ") that it promised at event %" PRIu64 "; its log ends at %" PRIu64
                     ", its floor is %" PRIu64 " (term %" PRIu64 ")",
                     node->id, node->acked, node->acked_term, node->acked_event, node->log.last,
                     view->floor_index, view->floor_term);
        return;
    }
    loss_note(oracles, step);
}

void oracle_floor_follow(struct octo_oracles *oracles, const struct oracle_step *step)
{
    struct oracle_node *node = step->node;
    const struct oracle_log *log = &node->log;
    const struct octo_node_view *view = &step->view;

    node->floor_term = view->floor_term;
    node->floor_index = view->floor_index;
    floor_allowed(oracles, step);
    if (node->owed_index == 0 || oracles->stopped)
        return;
    if (oracle_position_reaches(oracle_log_term(log, log->last), log->last, node->owed_term,
                                node->owed_index)) {
        node->owed_term = 0;
        node->owed_index = 0;
        return;
    }
    if (!oracle_position_reaches(view->floor_term, view->floor_index, node->owed_term,
                                 node->owed_index))
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u's floor is index %" PRIu64 " (term %" PRIu64
                     "), but it acknowledged %" PRIu64 " (term %" PRIu64
                     "), and its log ends at %" PRIu64,
                     node->id, view->floor_index, view->floor_term, node->owed_index,
                     node->owed_term, log->last);
}

/* ---- Starting again ------------------------------------------------------------------------ */

void oracle_predict(struct oracle_node *node, bool was_ready, bool power_loss, bool lies,
                    const struct oracle_found *found)
{
    if (lies)
        node->predicted.valid = false;
    else if (was_ready || (power_loss && !node->predicted.valid && node->started))
        node->predicted = (struct oracle_prediction){
            .valid = power_loss, /* a killed process leaves more in the page cache */
            .last = found->start,
            .ballot = node->image.ballot,
        };
}

void oracle_predicted(struct octo_oracles *oracles, const struct oracle_step *step,
                      const struct octo_trace *ready)
{
    struct oracle_node *node = step->node;
    const struct oracle_prediction before = node->predicted;
    const octo_index last = ready->words[2];

    node->predicted.valid = false;
    node->started = true;
    if (!before.valid)
        return;
    if (last != before.last.index || !oracle_log_has(&node->log, last, before.last.chain)) {
        oracle_break(oracles, OCTO_PROPERTY_RECOVERY_IDEMPOTENT,
                     "n%u starts with a log up to index %" PRIu64
                     "; after the power loss its disk held %" PRIu64 " (term %" PRIu64 ")%s",
                     node->id, last, before.last.index, before.last.term,
                     last == before.last.index ? ", another entry" : "");
        return;
    }
    if (!before.ballot.known)
        return;
    if (ready->words[0] != before.ballot.term || ready->words[1] != before.ballot.vote)
        oracle_break(oracles, OCTO_PROPERTY_RECOVERY_IDEMPOTENT,
                     "n%u starts in term %" PRIu64 " with vote n%" PRIu64
                     "; after the power loss its disk held term %" PRIu64 ", vote n%u",
                     node->id, ready->words[0], ready->words[1], before.ballot.term,
                     before.ballot.vote);
}
