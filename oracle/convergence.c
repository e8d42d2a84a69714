/* convergence: after healing, logs and states agree with the committed sequence and its replay. */
#include "oracle/oracle_state.h"

/* The first committed index at which the node's log, which may begin after a snapshot, is another
 * one, 0 if there is none. The log as
 * it was followed is compared in any case, what the node shows of it now if this is its turn. */
static octo_index log_differs(const struct octo_oracles *oracles, octo_node_id id,
                              const struct octo_node *node)
{
    const octo_index committed = oracles->committed_count;
    const octo_index common = oracle_committed_common(oracles, &oracles->nodes[id].log);
    struct octo_node_view view;

    octo_node_look(node, &view);
    if (common < committed)
        return common + 1;
    if (!oracle_committed_is(oracles, view.base, view.base_chain))
        return view.base;
    uint64_t chain = view.base_chain;
    for (octo_index index = view.base + 1; index <= committed && oracle_thorough(oracles, id);
         index++) {
        struct octo_entry entry;
        if (!octo_node_entry(node, index, &entry))
            return index;
        chain = oracle_chain(chain, &entry);
        if (chain != oracle_committed_at(oracles, index)->chain)
            return index;
    }
    return 0;
}

static bool log_converges(struct octo_oracles *oracles, octo_node_id id,
                          const struct octo_node *node)
{
    const octo_index index = log_differs(oracles, id, node);

    if (index == 0)
        return true;
    oracle_break(oracles, OCTO_PROPERTY_CONVERGENCE,
                 "n%u ends without the committed entry %" PRIu64 " (term %" PRIu64 ")", id, index,
                 oracle_committed_at(oracles, index)->term);
    return false;
}

static bool position_converges(struct octo_oracles *oracles, octo_node_id id,
                               const struct octo_node *node)
{
    const octo_index committed = oracles->committed_count;
    struct octo_node_view view;

    octo_node_look(node, &view);
    if (view.commit == committed && view.applied == committed)
        return true;
    oracle_break(oracles, OCTO_PROPERTY_CONVERGENCE,
                 "n%u (%s) ends at commit %" PRIu64 ", applied %" PRIu64
                 "; the cluster at %" PRIu64,
                 id, octo_role_text(view.role), view.commit, view.applied, committed);
    return false;
}

static void digest_broken(struct octo_oracles *oracles, octo_node_id id, uint64_t digest)
{
    const octo_index repeated = oracle_replay_again(oracles, *oracles->arena, digest);

    if (repeated != 0) {
        const struct oracle_committed *again = oracle_committed_at(oracles, repeated);
        oracle_break(
            oracles, OCTO_PROPERTY_EXACTLY_ONCE,
            "n%u's state is the one after repeated commands took effect again, e.g. command "
            "%" PRIu64 " of client %" PRIu64 " at index %" PRIu64,
            id, again->sequence, again->client, repeated);
        return;
    }
    oracle_break(oracles, OCTO_PROPERTY_CONVERGENCE,
                 "n%u's state (%016" PRIx64 ") is not what the %" PRIu64 " committed entries give",
                 id, digest, oracles->committed_count);
}

void oracle_convergence(struct octo_oracles *oracles, const struct octo_node *const *nodes,
                        const uint64_t *digest)
{
    for (octo_node_id id = 1; id <= oracles->config.node_count && !oracles->stopped; id++) {
        const struct octo_node *node = nodes[id - 1];
        if (node == NULL)
            continue;
        if (!position_converges(oracles, id, node) || !log_converges(oracles, id, node))
            return;
        if (digest == NULL)
            continue;
        const uint64_t own = octo_node_digest(node, oracles->config.machine);
        if (own != *digest)
            digest_broken(oracles, id, own);
    }
}
