/* Logs and snapshots of three nodes, for the tests of the oracles: a cluster that has committed
 * four entries, and what its nodes do with them. */
#ifndef OCTO_TESTS_UNIT_ORACLE_LOGS_H
#define OCTO_TESTS_UNIT_ORACLE_LOGS_H

#include "oracle_rig.h"

static const uint8_t sessions[] = "the sessions";
static const uint8_t machine[] = "the state, the state, the state";

static inline bool is_right(void)
{
    cr_assert_eq(octo_oracles_verdict(rig.oracles)->property, OCTO_PROPERTY_NONE, "%s",
                 octo_oracles_verdict(rig.oracles)->why);
    return true;
}

/* n1 leads term 1 of three nodes; entries 1 to 4 are committed, n1 and n2 hold them. */
static inline void steady(void)
{
    rig_open(3);
    cr_assert(rig_elect(1, 1, N(2)));
    rig_append(1, 1, 1, NULL);
    for (octo_index i = 2; i <= 4; i++)
        rig_append(1, i, 1, "command");
    rig_commit_with(1, 4, 2, 4);
    rig_commit(2, 4);
    cr_assert(rig_step_append(2, 1, 4, 0));
}

/* ---- Snapshots --------------------------------------------------------------------------------
 */

static inline struct rig_snapshot snapshot_of(octo_index index)
{
    const struct octo_entry *entry = &rig.nodes[1].entries[index];

    return (struct rig_snapshot){
        .index = index,
        .term = entry->term,
        .chain = entry->chain,
        .version = octo_machine_kv.version,
        .sessions = sessions,
        .sessions_bytes = sizeof sessions,
        .machine = machine,
        .machine_bytes = sizeof machine,
    };
}

static inline void snapshot_put(octo_node_id id, uint32_t number,
                                const struct rig_snapshot *snapshot)
{
    struct rig_file *file = rig_file_at(rig.disks, id, OCTO_FILE_SNAPSHOT, number);
    const uint64_t size = rig_snapshot_put(file->bytes, snapshot);

    rig_durable(id, OCTO_FILE_SNAPSHOT, number, 0, (size + RIG_SECTOR - 1) / RIG_SECTOR);
    rig.nodes[id].view.snapshot = snapshot->index;
}

/* The node saves a snapshot at index and says so. */
static inline bool save(octo_node_id id, octo_index index, uint32_t number)
{
    const struct rig_snapshot snapshot = snapshot_of(index);

    snapshot_put(id, number, &snapshot);
    rig_trace(OCTO_TRACE_SNAPSHOT_SAVED, index, snapshot.term, number, 0);
    return rig_step(id);
}

/* The log in memory begins after index now. */
static inline bool compact(octo_node_id id, octo_index index)
{
    struct octo_node_view *view = &rig.nodes[id].view;

    view->base = index;
    view->base_term = rig.nodes[1].entries[index].term;
    view->base_chain = rig.nodes[1].entries[index].chain;
    rig_trace(OCTO_TRACE_COMPACT, index, view->base_term, 0, 0);
    return rig_step(id);
}

/* What the node writes from now on goes to another segment, and the older ones go. */
static inline void segment_next(octo_node_id id, bool keep)
{
    const uint32_t before = rig.nodes[id].segment++;

    if (keep)
        return;
    rig_gone(id, OCTO_FILE_MAIN, before);
    rig_gone(id, OCTO_FILE_RECOVERY, before);
}

/* n1 and n2 begin after entry 3; of their first segments nothing is left. */
static inline void compacted(void)
{
    steady();
    for (octo_node_id id = 1; id <= 2; id++) {
        cr_assert(save(id, 3, 1));
        rig.nodes[id].stored = 3; /* entry 4 stands in the next segment too */
        rig.nodes[id].segment = 2;
        rig_store(id);
        rig.nodes[id].segment = 1;
        segment_next(id, false);
        cr_assert(compact(id, 3));
    }
}

#endif
