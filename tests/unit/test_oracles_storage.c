/* Logs that begin after a snapshot, and snapshots: each property held by nodes that do right, and
 * broken by one that does wrong once. */
#include "oracle_logs.h"

Test(oracles_storage, a_log_after_a_snapshot)
{
    compacted();
    rig_append(1, 5, 1, "five");
    cr_assert(rig_step(1));
    rig_store(1);
    cr_assert(rig_replicate(1, 2, 5));
    rig_commit(1, 5);
    cr_assert(rig_step(1));
    cr_assert(rig_crash(2));
    cr_assert(rig_boot(2));
    rig_commit(2, 5);
    cr_assert(rig_step_append(2, 1, 5, 0));
    cr_assert(rig_crash(1));
    cr_assert(rig_boot(1));
    cr_assert(rig_elect(2, 2, N(1)));
    rig_append(2, 6, 2, NULL);
    cr_assert(rig_step(2));
    rig_store(2);
    cr_assert(rig_replicate(2, 1, 6));
    is_right();
    rig_close();
}

Test(oracles_storage, a_base_that_no_snapshot_covers)
{
    steady();
    cr_assert(save(1, 2, 1));
    cr_assert_not(compact(1, 3));
    rig_broke(DURABLE_ACK);
}

Test(oracles_storage, a_base_that_is_not_committed)
{
    compacted();
    rig.nodes[1].view.base_chain++;
    cr_assert_not(rig_step(1));
    rig_broke(STATE_MACHINE_SAFETY);

    compacted();
    rig.nodes[1].view.base = 5;
    rig.nodes[1].view.last = 5;
    cr_assert_not(rig_step(1));
    rig_broke(STATE_MACHINE_SAFETY);
}

Test(oracles_storage, a_base_that_goes_back)
{
    compacted();
    cr_assert_not(compact(1, 2));
    rig_broke(LOG_MATCHING);
}

Test(oracles_storage, a_log_longer_than_memory)
{
    steady();
    rig.nodes[1].view.last = RIG_LOG + 1;
    cr_assert_not(rig_step(1));
    rig_broke(BOUNDED);
}

/* Bug C9: log removed that no durable snapshot covers. */
Test(oracles_storage, a_segment_reclaimed_too_early)
{
    for (uint32_t how = 0; how < 2; how++) {
        steady();
        if (how == 1)
            cr_assert(save(2, 2, 1));
        segment_next(2, false);
        cr_assert_not(rig_crash(2));
        rig_broke(DURABLE_ACK);
    }
}

Test(oracles_storage, a_segment_reclaimed_in_one_topic)
{
    compacted();
    rig_gone(2, OCTO_FILE_RECOVERY, 2);
    cr_assert_not(rig_crash(2));
    rig_broke(DURABLE_ACK);
}

Test(oracles_storage, a_snapshot_that_is_not_durable)
{
    steady();
    rig_trace(OCTO_TRACE_SNAPSHOT_SAVED, 3, 1, 1, 0);
    cr_assert_not(rig_step(1));
    rig_broke(DURABLE_ACK);

    steady();
    struct rig_snapshot snapshot = snapshot_of(3);
    snapshot_put(1, 0, &snapshot); /* the spare counts for nothing */
    rig_trace(OCTO_TRACE_SNAPSHOT_SAVED, 3, 1, 1, 0);
    cr_assert_not(rig_step(1));
    rig_broke(DURABLE_ACK);

    steady();
    snapshot_put(1, 1, &snapshot);
    rig_file_at(rig.disks, 1, OCTO_FILE_SNAPSHOT, 1)->bytes[100] ^= 1;
    rig_trace(OCTO_TRACE_SNAPSHOT_SAVED, 3, 1, 1, 0);
    cr_assert_not(rig_step(1));
    rig_broke(DURABLE_ACK);
}

Test(oracles_storage, a_snapshot_lost_in_a_crash)
{
    compacted();
    rig_gone(2, OCTO_FILE_SNAPSHOT, 1);
    cr_assert_not(rig_crash(2));
    rig_broke(DURABLE_ACK);

    steady();
    cr_assert(save(2, 3, 1));
    rig_gone(2, OCTO_FILE_SNAPSHOT, 1); /* all of the log is there still */
    cr_assert_not(rig_crash(2));
    rig_broke(DURABLE_ACK);
}

Test(oracles_storage, a_snapshot_of_something_else)
{
    for (uint32_t what = 0; what < 5; what++) {
        steady();
        cr_assert(save(1, 3, 1));
        struct rig_snapshot snapshot = snapshot_of(3);
        if (what == 0)
            snapshot.machine_bytes--;
        else if (what == 1)
            snapshot.sessions_bytes--;
        else if (what == 2)
            snapshot.chain++;
        else if (what == 3)
            snapshot.term++;
        else
            snapshot.version++;
        snapshot_put(2, 1, &snapshot);
        rig_trace(OCTO_TRACE_SNAPSHOT_SAVED, 3, snapshot.term, 1, 0);
        cr_assert_not(rig_step(2), "%u", what);
        rig_broke(SNAPSHOT_EQUALS_PREFIX);
    }
}

/* ---- Installing -------------------------------------------------------------------------------
 */

/* n3 gets the snapshot at 3 from n1, and what goes on after it. */
static bool install(octo_index index)
{
    struct octo_node *node = &rig.nodes[3];

    rig_vote(3, rig.nodes[1].view.term, 0);
    const struct rig_snapshot snapshot = snapshot_of(index);
    snapshot_put(3, 1, &snapshot);
    node->view.base = index;
    node->view.base_term = snapshot.term;
    node->view.base_chain = snapshot.chain;
    node->view.last = index;
    node->view.commit = index;
    node->view.applied = index;
    node->stored = index;
    rig_trace(OCTO_TRACE_SNAPSHOT_INSTALLED, index, snapshot.term, 1, 0);
    return rig_step(3);
}

static void base_store(octo_node_id id)
{
    struct rig_record record = rig_place_record(id, 3);

    record.sequence = ++rig.nodes[id].sequence;
    rig_write_both(id, &record);
}

Test(oracles_storage, an_installed_snapshot)
{
    for (uint32_t older = 0; older < 3; older++) {
        compacted();
        if (older == 1) { /* it had some of the log */
            cr_assert(rig_replicate(1, 3, 0));
            rig_put(3, &rig.nodes[2].entries[1]);
            cr_assert(rig_step_append(3, 1, 0, 1));
            rig_store(3);
            rig_ack(3, 1, 1, 1);
            cr_assert(rig_step(3));
        }
        if (older == 2) { /* another one: of a leader that got no majority for it */
            rig_vote(3, 2, 0);
            rig_put(3, &rig.nodes[2].entries[1]);
            for (octo_index i = 2; i <= 5; i++)
                rig_append(3, i, 2, "other");
            cr_assert(rig_step_append(3, 2, 0, 5));
            rig_store(3);
            rig_ack(3, 2, 2, 5);
            cr_assert(rig_step(3));
            cr_assert(rig_elect(1, 3, N(2)));
        }
        cr_assert(install(3), "%s", octo_oracles_verdict(rig.oracles)->why);
        base_store(3);
        cr_assert(rig_replicate(1, 3, 4), "%s", octo_oracles_verdict(rig.oracles)->why);
        rig_commit(3, 4);
        cr_assert(rig_step_append(3, 1, 4, 0));
        cr_assert(rig_crash(3), "%s", octo_oracles_verdict(rig.oracles)->why);
        cr_assert(rig_boot(3), "%s", octo_oracles_verdict(rig.oracles)->why);
        rig_close();
    }
}

Test(oracles_storage, an_installed_snapshot_that_is_not_durable)
{
    compacted();
    rig_file_at(rig.disks, 3, OCTO_FILE_SNAPSHOT, 1)->durable[1] = false;
    cr_assert(rig_step(3));
    rig.nodes[3].view.base = 3;
    rig.nodes[3].view.base_term = 1;
    rig.nodes[3].view.base_chain = rig.nodes[1].entries[3].chain;
    rig.nodes[3].view.last = 3;
    rig_trace(OCTO_TRACE_SNAPSHOT_INSTALLED, 3, 1, 1, 0);
    cr_assert_not(rig_step(3));
    rig_broke(DURABLE_ACK);
}

static void respond_installed(octo_node_id id, octo_index index)
{
    rig_send((struct octo_message){.type = OCTO_MESSAGE_SNAPSHOT_RESPONSE,
                                   .term = 1,
                                   .snapshot_response = {.index = index, .installed = 1}},
             id, 1);
}

Test(oracles_storage, an_acknowledged_snapshot)
{
    compacted();
    cr_assert(install(3));
    respond_installed(3, 3);
    cr_assert(rig_step(3), "%s", octo_oracles_verdict(rig.oracles)->why);
    respond_installed(3, 4);
    cr_assert_not(rig_step(3));
    rig_broke(DURABLE_ACK);

    steady(); /* durable, and not known to be committed */
    cr_assert(rig_replicate(1, 3, 3));
    respond_installed(3, 3);
    cr_assert_not(rig_step(3));
    rig_broke(DURABLE_ACK);
}

Test(oracles_storage, a_snapshot_installed_over_a_newer_state)
{
    compacted();
    cr_assert(install(4));
    const struct rig_snapshot snapshot = snapshot_of(3);
    snapshot_put(3, 2, &snapshot);
    rig_trace(OCTO_TRACE_SNAPSHOT_INSTALLED, 3, 1, 2, 0);
    cr_assert_not(rig_step(3));
    rig_broke(STATE_MACHINE_SAFETY);
}
