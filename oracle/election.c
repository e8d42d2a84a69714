/* election-safety and vote-once: who voted for whom, and who led. Raft, section 5.2.
 *
 * A vote counts from the moment it leaves its voter: that is the promise. It is kept for ever, so
 * that a voter which forgets it, in a restart for example, is caught by its second one.
 */
#include "oracle/oracle_state.h"

#define TERMS_MIN 32u

static bool terms_grow(struct octo_oracles *oracles)
{
    struct oracle_terms *terms = &oracles->terms;
    const uint32_t capacity = terms->capacity == 0 ? TERMS_MIN : 2 * terms->capacity;
    struct oracle_term *items = octo_arena_alloc(oracles->arena, capacity * sizeof *items);

    if (items == NULL) {
        oracle_memory_full(oracles);
        return false;
    }
    if (terms->count > 0)
        memcpy(items, terms->items, terms->count * sizeof *items);
    terms->items = items;
    terms->capacity = capacity;
    return true;
}

/* The item of a term, made if need be; NULL if memory is full. Terms nearly always rise. */
static struct oracle_term *term_of(struct octo_oracles *oracles, octo_term term)
{
    struct oracle_terms *terms = &oracles->terms;
    uint32_t at = terms->count;

    while (at > 0 && terms->items[at - 1].term >= term)
        at--;
    if (at < terms->count && terms->items[at].term == term)
        return &terms->items[at];
    if (terms->count == terms->capacity && !terms_grow(oracles))
        return NULL;
    struct oracle_term *item = &terms->items[at];
    memmove(item + 1, item, (terms->count - at) * sizeof *item);
    terms->count++;
    *item = (struct oracle_term){.term = term};
    return item;
}

void oracle_voted(struct octo_oracles *oracles, octo_node_id voter, octo_node_id candidate,
                  octo_term term)
{
    struct oracle_term *item = term_of(oracles, term);

    if (item == NULL)
        return;
    const octo_node_id before = item->votes[voter];
    if (before == candidate)
        return;
    if (before != 0) {
        oracle_break(oracles, OCTO_PROPERTY_VOTE_ONCE,
                     "n%u votes for n%u in term %" PRIu64
                     ", having voted for n%u at event %" PRIu64,
                     voter, candidate, term, before, item->vote_events[voter]);
        return;
    }
    item->votes[voter] = (uint8_t)candidate;
    item->vote_events[voter] = oracles->event;
}

static uint32_t votes_for(const struct octo_oracles *oracles, const struct oracle_term *item,
                          octo_node_id candidate)
{
    uint32_t count = 0;

    for (octo_node_id voter = 1; voter <= oracles->config.node_count; voter++)
        count += item->votes[voter] == candidate;
    return count;
}

void oracle_elected(struct octo_oracles *oracles, const struct oracle_step *step)
{
    const octo_node_id leader = step->node->id;
    const octo_term term = step->view.term;

    if (!oracle_vote_own(oracles, step)) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u leads term %" PRIu64 " without its own vote being durable (durable is "
                     "term %" PRIu64 ", vote n%u)",
                     leader, term, step->node->image.ballot.term, step->node->image.ballot.vote);
        return;
    }
    oracle_voted(oracles, leader, leader, term);
    struct oracle_term *item = term_of(oracles, term);
    if (oracles->stopped || item == NULL)
        return;
    if (item->leader != 0 && item->leader != leader) {
        oracle_break(oracles, OCTO_PROPERTY_ELECTION_SAFETY,
                     "n%u and n%u are both leaders of term %" PRIu64 " (since events %" PRIu64
                     " and %" PRIu64 ")",
                     item->leader, leader, term, item->leader_event, oracles->event);
        return;
    }
    const uint32_t votes = votes_for(oracles, item, leader);
    if (votes < oracle_majority(oracles)) {
        oracle_break(oracles, OCTO_PROPERTY_ELECTION_SAFETY,
                     "n%u leads term %" PRIu64 " with %u of %u votes", leader, term, votes,
                     oracles->config.node_count);
        return;
    }
    item->leader = leader;
    item->leader_event = oracles->event;
    oracles->led = octo_max_u64(oracles->led, term);
}
