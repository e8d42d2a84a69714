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

void oracle_log_read(struct octo_oracles *oracles, const struct oracle_step *step, octo_index from)
{
    struct oracle_log *log = &step->node->log;
    const octo_index last = step->view.last;

    octo_assert(from >= 1 && from <= log->last + 1);
    if (last > oracles->config.log_entries_max) {
        oracle_break(oracles, OCTO_PROPERTY_BOUNDED,
                     "n%u's log ends at index %" PRIu64 ", beyond its limit of %u", step->node->id,
                     last, oracles->config.log_entries_max);
        return;
    }
    if (!oracle_table_reserve(oracles, &log->slots, last))
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

octo_index oracle_log_common(const struct oracle_log *a, const struct oracle_log *b)
{
    octo_index low = 0; /* equal up to here: a chain stands for its whole prefix */
    octo_index high = octo_min_u64(a->last, b->last);

    while (low < high) {
        const octo_index middle = high - (high - low) / 2;
        if (oracle_log_chain(a, middle) == oracle_log_chain(b, middle))
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}
