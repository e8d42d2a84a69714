/* commit-monotone, state-machine-safety, and what being committed rests on. Raft,
 * sections 5.3, 5.4.
 *
 * The committed sequence is what leaders were first seen committing. Every node's commit and apply
 * is held against it, by chain, O(1) whatever the distance.
 */
#include "oracle/oracle_state.h"

octo_index oracle_committed_common(const struct octo_oracles *oracles, const struct oracle_log *log)
{
    octo_index low = log->base.index;
    octo_index high = octo_min_u64(log->last, oracles->committed_count);

    if (high <= low || oracle_log_chain(log, high) == oracle_committed_at(oracles, high)->chain)
        return high;
    while (low < high) {
        const octo_index middle = high - (high - low) / 2;
        if (oracle_log_chain(log, middle) == oracle_committed_at(oracles, middle)->chain)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* ---- Clients' newest commands -------------------------------------------------------------- */

/* The item of client, or the free one where it belongs. */
static struct oracle_client *client_at(const struct oracle_clients *clients, octo_client_id client)
{
    uint64_t at = octo_mix(client) & (clients->capacity - 1);

    while (clients->items[at].client != 0 && clients->items[at].client != client)
        at = (at + 1) & (clients->capacity - 1);
    return &clients->items[at];
}

static bool clients_grow(struct octo_oracles *oracles)
{
    const struct oracle_clients before = oracles->clients;
    struct oracle_clients *clients = &oracles->clients;

    clients->capacity = before.capacity == 0 ? 64 : 2 * before.capacity;
    clients->items = octo_arena_alloc(oracles->arena, clients->capacity * sizeof *clients->items);
    if (clients->items == NULL) {
        *clients = before;
        oracle_memory_full(oracles);
        return false;
    }
    memset(clients->items, 0, clients->capacity * sizeof *clients->items);
    for (uint32_t i = 0; i < before.capacity; i++) {
        if (before.items[i].client != 0)
            *client_at(clients, before.items[i].client) = before.items[i];
    }
    return true;
}

static void client_committed(struct octo_oracles *oracles, octo_client_id client, uint64_t sequence)
{
    struct oracle_clients *clients = &oracles->clients;

    if (2 * clients->count >= clients->capacity && !clients_grow(oracles))
        return;
    struct oracle_client *item = client_at(clients, client);
    clients->count += item->client == 0;
    item->client = client;
    item->sequence = octo_max_u64(item->sequence, sequence);
}

void oracle_reply(struct octo_oracles *oracles, const struct oracle_step *step,
                  octo_client_id client, uint64_t sequence)
{
    const struct oracle_clients *clients = &oracles->clients;

    if (clients->capacity != 0 && client_at(clients, client)->sequence >= sequence)
        return;
    oracle_break(oracles, OCTO_PROPERTY_NO_LOST_WRITE,
                 "n%u answers command %" PRIu64 " of client %" PRIu64
                 " as done, which nobody has committed",
                 step->node->id, sequence, client);
}

/* ---- What being committed rests on --------------------------------------------------------- */

/* Whether a node whose log ends like `candidate` would get the vote of voter, after a power loss.
 */
static bool would_vote(const struct oracle_log *candidate, const struct oracle_node *voter)
{
    const struct oracle_point own = oracle_floor_position(voter, oracle_image_log(voter));

    return oracle_position_reaches(oracle_log_term(candidate, candidate->last), candidate->last,
                                   own.term, own.index);
}

/* The harm that section 5.4.2 is about (figure 8): a node with this log could win an election, at
 * the latest after a power loss of all. If the log lacks a committed entry, that would replace it,
 * and by the rules it cannot be. */
static bool could_lead(const struct octo_oracles *oracles, const struct oracle_log *log)
{
    uint32_t votes = 0;

    for (octo_node_id id = 1; id <= oracles->config.node_count; id++)
        votes += !oracles->nodes[id].wiped && would_vote(log, &oracles->nodes[id]);
    return votes >= oracle_majority(oracles);
}

static bool lacks(const struct oracle_log *log, octo_index index, uint64_t chain)
{
    return index > log->base.index && !oracle_log_has(log, index, chain);
}

/* A node that lacks the committed entry, on disk or in memory, and could lead; 0 if there is none.
 * One that lost what it acknowledged does not campaign until it has it again. */
static octo_node_id eraser_find(const struct octo_oracles *oracles, octo_index index,
                                uint64_t chain)
{
    for (octo_node_id id = 1; id <= oracles->config.node_count; id++) {
        const struct oracle_node *node = &oracles->nodes[id];
        const struct oracle_log *image = oracle_image_log(node);
        if (oracle_floor_ahead(node, image))
            continue;
        if (node->wiped)
            continue;
        if (lacks(image, index, chain) && could_lead(oracles, image))
            return id;
        if (node->ready && lacks(&node->log, index, chain) && could_lead(oracles, &node->log))
            return id;
    }
    return 0;
}

/* A node that lost an entry which it acknowledged still votes as one that holds it; one that lost
 * its disk votes for nobody any more, which keeps the entry just as well; and one whose disk has
 * lied may hold it in one topic alone, until it has started again. */
static bool counts_as_holder(const struct octo_oracles *oracles, const struct oracle_step *step,
                             const struct oracle_node *node, octo_index index, uint64_t chain)
{
    const octo_term term = oracle_log_term(&step->node->log, index);

    if (node->wiped)
        return index <= node->acked && term <= node->acked_term;
    if (oracle_image_holds(oracles, node, index, chain))
        return true;
    /* What the leader says of itself in this step is judged by oracle_durable, after its commit. */
    if (node->lied && node == step->node && index <= step->view.durable)
        return true;
    if (!node->lied && !(node->impaired && oracle_floor_ahead(node, oracle_image_log(node))))
        return false;
    return (index <= node->owed_index && term <= node->owed_term) ||
           (index <= node->acked && term <= node->acked_term);
}

/* A majority holds the committed entry durably, and that suffices to keep it. */
static void committed_held(struct octo_oracles *oracles, const struct oracle_step *step,
                           octo_index index)
{
    const uint64_t chain = oracle_log_chain(&step->node->log, index);
    const octo_term term = oracle_log_term(&step->node->log, index);
    uint32_t holders = 0;

    for (octo_node_id id = 1; id <= oracles->config.node_count; id++) {
        if (!oracles->nodes[id].wiped)
            oracle_image_refresh(oracles, &oracles->nodes[id], step->images);
        holders += counts_as_holder(oracles, step, &oracles->nodes[id], index, chain);
    }
    if (holders < oracle_majority(oracles)) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u commits entry %" PRIu64 " (term %" PRIu64
                     "), which only %u of %u nodes hold durably",
                     step->node->id, index, term, holders, oracles->config.node_count);
        return;
    }
    const octo_node_id eraser = eraser_find(oracles, index, chain);
    if (eraser != 0)
        oracle_break(oracles, OCTO_PROPERTY_LEADER_COMPLETENESS,
                     "n%u commits entry %" PRIu64 " (term %" PRIu64 ") in term %" PRIu64
                     ", but n%u lacks it and could still be elected by a majority (figure 8)",
                     step->node->id, index, term, step->view.term, eraser);
}

/* ---- Commit -------------------------------------------------------------------------------- */

static bool agrees(struct octo_oracles *oracles, const struct oracle_step *step, octo_index commit)
{
    const struct oracle_log *log = &step->node->log;
    const octo_index shared = octo_min_u64(commit, oracles->committed_count);

    if (shared <= log->base.index ||
        oracle_log_chain(log, shared) == oracle_committed_at(oracles, shared)->chain)
        return true;
    const octo_index at = oracle_committed_common(oracles, log) + 1;
    const struct oracle_committed *committed = oracle_committed_at(oracles, at);
    oracle_break(oracles, OCTO_PROPERTY_STATE_MACHINE_SAFETY,
                 "n%u commits another entry %" PRIu64 " (term %" PRIu64 ") than n%u (term %" PRIu64
                 ") at event %" PRIu64,
                 step->node->id, at, oracle_log_term(log, at), committed->node, committed->term,
                 committed->event);
    return false;
}

static bool committed_add(struct octo_oracles *oracles, const struct oracle_step *step,
                          octo_index index)
{
    const struct oracle_slot *slot = oracle_slot(&step->node->log, index);
    struct octo_entry entry;

    if (!oracle_table_reserve(oracles, &oracles->committed, index))
        return false;
    const bool found = octo_node_entry(step->seen->node, index, &entry);
    octo_assert(found); /* the log was read in this step, or has not changed since */
    const uint8_t *command = NULL;
    if (entry.size > 0) {
        command = oracle_keep(oracles, entry.command, entry.size);
        if (command == NULL)
            return false;
    }
    *oracle_committed_at(oracles, index) = (struct oracle_committed){
        .term = slot->term,
        .chain = slot->chain,
        .commit_term = step->view.term,
        .event = oracles->event,
        .node = step->node->id,
        .kind = entry.kind,
        .client = entry.client,
        .sequence = entry.sequence,
        .command = command,
        .size = entry.size,
    };
    oracles->committed_count = index;
    if (entry.kind == OCTO_ENTRY_COMMAND)
        client_committed(oracles, entry.client, entry.sequence);
    return !oracles->stopped;
}

static void leader_commits(struct octo_oracles *oracles, const struct oracle_step *step,
                           octo_index commit)
{
    if (commit <= oracles->committed_count)
        return;
    while (oracles->committed_count < commit) {
        if (!committed_add(oracles, step, oracles->committed_count + 1))
            return;
    }
    committed_held(oracles, step, commit);
    if (!oracles->stopped)
        oracle_leaders_complete(oracles, step->view.term, commit);
}

static void follower_commits(struct octo_oracles *oracles, const struct oracle_step *step,
                             octo_index commit, bool ready)
{
    const struct oracle_node *node = step->node;

    if (commit > oracles->committed_count) {
        oracle_break(oracles, OCTO_PROPERTY_COMMIT_MONOTONE,
                     "n%u, not a leader, commits index %" PRIu64
                     "; leaders have committed %" PRIu64,
                     node->id, commit, oracles->committed_count);
        return;
    }
    const octo_index verified = node->verified_term == step->view.term ? node->verified : 0;
    if (commit > verified && !ready)
        oracle_break(oracles, OCTO_PROPERTY_COMMIT_MONOTONE,
                     "n%u commits index %" PRIu64 ", but the leader of term %" PRIu64
                     " has verified its log up to %" PRIu64 " only",
                     node->id, commit, step->view.term, verified);
}

void oracle_commit(struct octo_oracles *oracles, const struct oracle_step *step, bool ready)
{
    struct oracle_node *node = step->node;
    const octo_index commit = step->view.commit;

    if (commit < node->log.base.index) {
        oracle_break(oracles, OCTO_PROPERTY_COMMIT_MONOTONE,
                     "n%u's commit index is %" PRIu64 ", but its log begins after %" PRIu64,
                     node->id, commit, node->log.base.index);
        return;
    }
    if (commit == node->commit)
        return;
    if (commit < node->commit) {
        oracle_break(oracles, OCTO_PROPERTY_COMMIT_MONOTONE,
                     "n%u's commit index goes back from %" PRIu64 " to %" PRIu64, node->id,
                     node->commit, commit);
        return;
    }
    if (commit > node->log.last) {
        oracle_break(oracles, OCTO_PROPERTY_COMMIT_MONOTONE,
                     "n%u commits index %" PRIu64 ", but its log ends at %" PRIu64, node->id,
                     commit, node->log.last);
        return;
    }
    node->commit = commit;
    if (!agrees(oracles, step, commit))
        return;
    /* A leader may have committed and been deposed in one step. */
    if (step->view.role == OCTO_ROLE_LEADER || node->leading)
        leader_commits(oracles, step, commit);
    else
        follower_commits(oracles, step, commit, ready);
}

void oracle_verify(const struct oracle_step *step)
{
    struct oracle_node *node = step->node;
    const uint8_t *bytes = step->seen->input->message.bytes;
    const octo_term term = octo_get_u64(bytes + ORACLE_MESSAGE_TERM);
    const octo_index prev = octo_get_u64(bytes + ORACLE_REQUEST_PREV_INDEX);

    if (step->refused != 0 && step->refused != (uint64_t)-OCTO_ERR_RANGE &&
        step->refused != (uint64_t)-OCTO_ERR_MALFORMED)
        return; /* not even read; a range error may come up in the middle of it */
    if (term != step->view.term || step->view.role != OCTO_ROLE_FOLLOWER)
        return;
    /* Below the base all is committed, and every leader's. */
    if (prev > node->log.last ||
        (prev >= node->log.base.index &&
         oracle_log_term(&node->log, prev) != octo_get_u64(bytes + ORACLE_REQUEST_PREV_TERM)))
        return;
    const octo_index end = prev + octo_get_u32(bytes + ORACLE_REQUEST_ENTRY_COUNT);
    oracle_verified(node, term, octo_min_u64(end, node->log.last));
}

void oracle_verified(struct oracle_node *node, octo_term term, octo_index index)
{
    if (node->verified_term != term) {
        node->verified_term = term;
        node->verified = 0;
    }
    node->verified = octo_max_u64(node->verified, index);
}

/* ---- Apply --------------------------------------------------------------------------------- */

void oracle_apply(struct octo_oracles *oracles, const struct oracle_step *step,
                  const struct octo_trace *trace)
{
    struct oracle_node *node = step->node;
    const octo_index index = trace->words[0];

    if (index != node->applied + 1) {
        oracle_break(oracles, OCTO_PROPERTY_STATE_MACHINE_SAFETY,
                     "n%u applies entry %" PRIu64 " after entry %" PRIu64, node->id, index,
                     node->applied);
        return;
    }
    if (index > node->commit || index > oracles->committed_count) {
        oracle_break(oracles, OCTO_PROPERTY_STATE_MACHINE_SAFETY,
                     "n%u applies entry %" PRIu64 " and has committed %" PRIu64 " only", node->id,
                     index, node->commit);
        return;
    }
    node->applied = index;
    const struct oracle_committed *committed = oracle_committed_at(oracles, index);
    if (trace->words[1] != committed->term || trace->words[2] != committed->client ||
        trace->words[3] != committed->sequence)
        oracle_break(oracles, OCTO_PROPERTY_STATE_MACHINE_SAFETY,
                     "n%u applies command %" PRIu64 " of client %" PRIu64 " (term %" PRIu64
                     ") as entry %" PRIu64 "; committed is command %" PRIu64 " of client %" PRIu64
                     " (term %" PRIu64 ")",
                     node->id, trace->words[3], trace->words[2], trace->words[1], index,
                     committed->sequence, committed->client, committed->term);
}

void oracle_applied(struct octo_oracles *oracles, const struct oracle_step *step)
{
    if (step->view.applied != step->node->applied)
        oracle_break(oracles, OCTO_PROPERTY_STATE_MACHINE_SAFETY,
                     "n%u says that it applied up to entry %" PRIu64 "; it did up to %" PRIu64,
                     step->node->id, step->view.applied, step->node->applied);
}
