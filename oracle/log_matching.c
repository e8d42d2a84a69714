/* log-matching: same index and term, same entry and same prefix. Raft, section 5.3.
 *
 * The chain of an entry stands for the entry and all before it, and is computed here, from the
 * entries that the node shows. So (index, term) -> chain is all that must agree, O(1) an append.
 */
#include "oracle/oracle_state.h"

/* The place of `term` in the list at index, which begins in the table itself. */
static struct oracle_position *position_find(struct octo_oracles *oracles, octo_index index,
                                             octo_term term)
{
    struct oracle_position *position = oracle_table_at(&oracles->positions, index - 1);

    while (position != NULL && position->term != term)
        position = position->more;
    return position;
}

static void position_add(struct octo_oracles *oracles, const struct oracle_step *step,
                         octo_index index, const struct oracle_slot *slot)
{
    struct oracle_position *first = NULL;
    struct oracle_position *made = NULL;

    if (index > oracles->position_count) {
        octo_assert(index == oracles->position_count + 1); /* logs have no gaps */
        if (!oracle_table_reserve(oracles, &oracles->positions, index))
            return;
        oracles->position_count = index;
        made = oracle_table_at(&oracles->positions, index - 1);
    } else {
        first = oracle_table_at(&oracles->positions, index - 1);
        made = octo_arena_alloc(oracles->arena, sizeof *made);
        if (made == NULL) {
            oracle_memory_full(oracles);
            return;
        }
    }
    *made = (struct oracle_position){
        .term = slot->term,
        .chain = slot->chain,
        .event = oracles->event,
        .node = step->node->id,
        .more = first == NULL ? NULL : first->more,
    };
    if (first != NULL)
        first->more = made;
}

static void position_match(struct octo_oracles *oracles, const struct oracle_step *step,
                           octo_index index, const struct oracle_slot *slot)
{
    const struct oracle_position *known =
        index > oracles->position_count ? NULL : position_find(oracles, index, slot->term);

    if (known == NULL) {
        position_add(oracles, step, index, slot);
        return;
    }
    if (known->chain != slot->chain)
        oracle_break(oracles, OCTO_PROPERTY_LOG_MATCHING,
                     "n%u's log up to index %" PRIu64 " (term %" PRIu64 ") is not the one that n%u "
                     "had at event %" PRIu64,
                     step->node->id, index, slot->term, known->node, known->event);
}

/* What one log must satisfy by itself. */
static bool entry_sound(struct octo_oracles *oracles, const struct oracle_step *step,
                        const struct octo_entry *entry, octo_term term_before, uint64_t chain)
{
    const octo_node_id id = step->node->id;

    if (entry->term == 0 || entry->term < term_before) {
        oracle_break(oracles, OCTO_PROPERTY_LOG_MATCHING,
                     "n%u's entry %" PRIu64 " is of term %" PRIu64 ", the one before it of term "
                     "%" PRIu64,
                     id, entry->index, entry->term, term_before);
        return false;
    }
    if (entry->chain != chain) {
        oracle_break(oracles, OCTO_PROPERTY_ASSERT,
                     "n%u's chain at index %" PRIu64 " is not that of its entries", id,
                     entry->index);
        return false;
    }
    return true;
}

/* ---- The base ------------------------------------------------------------------------------ */

static bool base_sound(struct octo_oracles *oracles, const struct oracle_step *step)
{
    struct oracle_node *node = step->node;
    const struct octo_node_view *view = &step->view;

    if (!oracle_committed_is(oracles, view->base, view->base_chain) ||
        (view->base != 0 && oracle_committed_at(oracles, view->base)->term != view->base_term)) {
        oracle_break(oracles, OCTO_PROPERTY_STATE_MACHINE_SAFETY,
                     "n%u's log begins after index %" PRIu64 " (term %" PRIu64
                     "), and what it stands on is not what the cluster committed",
                     node->id, view->base, view->base_term);
        return false;
    }
    oracle_image_refresh(oracles, node, step->images);
    if (oracles->stopped)
        return false;
    if (view->base > node->image.snapshot.at.index && !oracle_may_lose(node)) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u drops its entries up to index %" PRIu64
                     ", but its durable snapshot ends at %" PRIu64,
                     node->id, view->base, node->image.snapshot.at.index);
        return false;
    }
    return true;
}

/* The log does not hold the base: it was replaced by a snapshot, on a leader's order. */
static octo_index log_replaced(struct octo_oracles *oracles, const struct oracle_step *step,
                               const struct oracle_point *base)
{
    struct oracle_node *node = step->node;

    if (node->led != 0 && node->led == step->view.term && node->log.last > node->log.base.index)
        oracle_break(oracles, OCTO_PROPERTY_LEADER_APPEND_ONLY,
                     "n%u replaces its log up to index %" PRIu64 " by a snapshot in term %" PRIu64
                     ", which it led",
                     node->id, node->log.last, step->view.term);
    oracle_log_restart(&node->log, base);
    return base->index + 1;
}

octo_index oracle_log_base(struct octo_oracles *oracles, const struct oracle_step *step, bool ready)
{
    struct oracle_node *node = step->node;
    const struct octo_node_view *view = &step->view;
    const struct oracle_point base = {view->base, view->base_term, view->base_chain};

    if (!ready && base.index == node->log.base.index && base.chain == node->log.base.chain)
        return 0;
    if (!ready && base.index < node->log.base.index) {
        oracle_break(oracles, OCTO_PROPERTY_LOG_MATCHING,
                     "n%u's log begins after index %" PRIu64 ", having begun after %" PRIu64,
                     node->id, base.index, node->log.base.index);
        return 0;
    }
    if (base.index > oracles->config.index_max) {
        oracle_memory_full(oracles);
        return 0;
    }
    if (!base_sound(oracles, step))
        return 0;
    octo_index from = 0;
    if (ready)
        oracle_log_restart(&node->log, &base);
    else if (oracle_log_has(&node->log, base.index, base.chain))
        node->log.base = base; /* the same log, a shorter part of it in memory */
    else
        from = log_replaced(oracles, step, &base);
    return from;
}

/* ---- Entries ------------------------------------------------------------------------------- */

static bool end_sound(struct octo_oracles *oracles, const struct oracle_step *step)
{
    const struct octo_node_view *view = &step->view;

    if (view->last < view->base || view->last - view->base > oracles->config.log_entries_max) {
        oracle_break(oracles, OCTO_PROPERTY_BOUNDED,
                     "n%u's log goes from index %" PRIu64 " to %" PRIu64
                     ", beyond its limit of %u entries",
                     step->node->id, view->base, view->last, oracles->config.log_entries_max);
        return false;
    }
    return oracle_table_reserve(oracles, &step->node->log.slots, view->last);
}

void oracle_log_read(struct octo_oracles *oracles, const struct oracle_step *step, octo_index from)
{
    struct oracle_log *log = &step->node->log;
    const octo_index last = step->view.last;

    octo_assert(from > log->base.index && from <= log->last + 1);
    if (!end_sound(oracles, step))
        return;
    log->last = from - 1;
    for (octo_index index = from; index <= last && !oracles->stopped; index++) {
        struct octo_entry entry;
        if (!octo_node_entry(step->seen->node, index, &entry)) {
            oracle_break(oracles, OCTO_PROPERTY_LOG_MATCHING,
                         "n%u has no entry %" PRIu64 ", although its log ends at %" PRIu64,
                         step->node->id, index, last);
            return;
        }
        struct oracle_slot *slot = oracle_slot(log, index);
        *slot = (struct oracle_slot){
            .term = entry.term,
            .chain = oracle_chain(oracle_log_chain(log, index - 1), &entry),
        };
        if (!entry_sound(oracles, step, &entry, oracle_log_term(log, index - 1), slot->chain))
            return;
        log->last = index;
        position_match(oracles, step, index, slot);
    }
}
