/* Logs that begin after a snapshot, snapshots, losses and starts: each property held by nodes that
 * do right, and broken by one that does wrong once. */
#include "oracle_rig.h"

static const uint8_t sessions[] = "the sessions";
static const uint8_t machine[] = "the state, the state, the state";

static bool is_right(void)
{
    cr_assert_eq(octo_oracles_verdict(rig.oracles)->property, OCTO_PROPERTY_NONE, "%s",
                 octo_oracles_verdict(rig.oracles)->why);
    return true;
}

/* n1 leads term 1 of three nodes; entries 1 to 4 are committed, n1 and n2 hold them. */
static void steady(void)
{
    rig_open(3);
    cr_assert(rig_elect(1, 1, N(2)));
    rig_append(1, 1, 1, NULL);
    for (octo_index i = 2; i <= 4; i++)
        rig_append(1, i, 1, "command");
    cr_assert(rig_step(1));
    rig_store(1);
    rig_trace(OCTO_TRACE_DURABLE, 4, 0, 0, 0);
    cr_assert(rig_step(1));
    cr_assert(rig_replicate(1, 2, 4));
    rig_commit(1, 4);
    cr_assert(rig_step(1));
    rig_commit(2, 4);
    cr_assert(rig_step_append(2, 1, 4, 0));
}

/* ---- Snapshots --------------------------------------------------------------------------------
 */

static struct rig_snapshot snapshot_of(octo_index index)
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

static void snapshot_put(octo_node_id id, uint32_t number, const struct rig_snapshot *snapshot)
{
    struct rig_file *file = rig_file_at(rig.disks, id, OCTO_FILE_SNAPSHOT, number);
    const uint64_t size = rig_snapshot_put(file->bytes, snapshot);

    rig_durable(id, OCTO_FILE_SNAPSHOT, number, 0, (size + RIG_SECTOR - 1) / RIG_SECTOR);
    rig.nodes[id].view.snapshot = snapshot->index;
}

/* The node saves a snapshot at index and says so. */
static bool save(octo_node_id id, octo_index index, uint32_t number)
{
    const struct rig_snapshot snapshot = snapshot_of(index);

    snapshot_put(id, number, &snapshot);
    rig_trace(OCTO_TRACE_SNAPSHOT_SAVED, index, snapshot.term, number, 0);
    return rig_step(id);
}

/* The log in memory begins after index now. */
static bool compact(octo_node_id id, octo_index index)
{
    struct octo_node_view *view = &rig.nodes[id].view;

    view->base = index;
    view->base_term = rig.nodes[1].entries[index].term;
    view->base_chain = rig.nodes[1].entries[index].chain;
    rig_trace(OCTO_TRACE_COMPACT, index, view->base_term, 0, 0);
    return rig_step(id);
}

/* What the node writes from now on goes to another segment, and the older ones go. */
static void segment_next(octo_node_id id, bool keep)
{
    const uint32_t before = rig.nodes[id].segment++;

    if (keep)
        return;
    rig_gone(id, OCTO_FILE_MAIN, before);
    rig_gone(id, OCTO_FILE_RECOVERY, before);
}

/* n1 and n2 begin after entry 3; of their first segments nothing is left. */
static void compacted(void)
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

/* ---- Losses -----------------------------------------------------------------------------------
 */

static bool crash_lying(octo_node_id id)
{
    rig.event++;
    return octo_oracles_crash(rig.oracles, id, rig.event, true, true, &rig.images);
}

/* n2 acknowledged up to 4, is to lose what is after `left`, and starts with this floor. */
static bool lose(octo_index left, octo_term floor_term, octo_index floor_index)
{
    struct octo_node *node = &rig.nodes[2];

    if (!crash_lying(2))
        return false;
    node->view.last = left;
    node->stored = left;
    node->view.floor_term = floor_term;
    node->view.floor_index = floor_index;
    struct rig_record records[] = {rig_place_record(2, 4), rig_place_record(2, 2)};
    records[0].sequence = node->sequence; /* what is lost stays where it is */
    records[1].sequence = node->sequence;
    records[1].entry.client = floor_term;
    records[1].entry.sequence = floor_index;
    rig_write_both(2, &records[0]);
    rig_write_both(2, &records[1]);
    node->view.commit = 0;
    node->view.applied = 0;
    return rig_boot(2);
}

Test(oracles_storage, a_loss_that_the_budget_covers)
{
    steady();
    octo_oracles_impaired(rig.oracles, 2, true);
    cr_assert(lose(2, 1, 4), "%s", octo_oracles_verdict(rig.oracles)->why);
    cr_assert(crash_lying(2), "%s", octo_oracles_verdict(rig.oracles)->why);
    cr_assert(rig_boot(2), "%s", octo_oracles_verdict(rig.oracles)->why);
    rig_vote(2, 2, 0);
    cr_assert(rig_step_vote(2, 1, 2)); /* no vote given */
    rig.nodes[1].view.role = OCTO_ROLE_FOLLOWER;
    rig_vote(2, 2, 1);
    cr_assert(rig_step_vote(2, 1, 2)); /* to one that has it all */
    cr_assert(rig_elect(1, 3, N(2)));
    rig_put(2, &rig.nodes[1].entries[3]);
    rig_put(2, &rig.nodes[1].entries[4]);
    rig.nodes[2].view.floor_term = 0;
    rig.nodes[2].view.floor_index = 0;
    cr_assert(rig_step_append(2, 1, 2, 2));
    rig_store(2);
    rig_ack(2, 1, 3, 4);
    cr_assert(rig_step(2), "%s", octo_oracles_verdict(rig.oracles)->why);
    cr_assert(rig_crash(2));
    cr_assert(rig_boot(2));
    cr_assert(rig_elect(2, 4, N(1)));
    is_right();
    rig_close();
}

Test(oracles_storage, a_loss_that_the_budget_does_not_cover)
{
    steady();
    cr_assert_not(lose(2, 1, 4));
    rig_broke(DURABLE_ACK);

    steady(); /* nothing is lost, but the node says so */
    cr_assert_not(lose(4, 1, 5));
    rig_broke(DURABLE_ACK);
}

Test(oracles_storage, a_floor_below_what_was_acknowledged)
{
    static const struct {
        octo_term term;
        octo_index index;
    } floors[] = {{0, 0}, {1, 3}, {0, 9}};

    for (size_t i = 0; i < sizeof floors / sizeof floors[0]; i++) {
        steady();
        octo_oracles_impaired(rig.oracles, 2, true);
        cr_assert_not(lose(2, floors[i].term, floors[i].index), "%zu", i);
        rig_broke(DURABLE_ACK);
    }
}

Test(oracles_storage, a_floor_that_is_forgotten)
{
    steady(); /* in memory */
    octo_oracles_impaired(rig.oracles, 2, true);
    cr_assert(lose(2, 1, 4));
    rig.nodes[2].view.floor_index = 3;
    cr_assert_not(rig_step(2));
    rig_broke(DURABLE_ACK);

    steady(); /* on disk */
    octo_oracles_impaired(rig.oracles, 2, true);
    cr_assert(lose(2, 1, 4));
    rig.nodes[2].sequence += 2; /* above what was lost */
    rig_append(2, 3, 1, "command");
    rig.nodes[2].view.floor_index = 0;
    rig_store(2);
    cr_assert_not(rig_crash(2));
    rig_broke(DURABLE_ACK);
}

Test(oracles_storage, a_campaign_below_the_floor)
{
    steady();
    octo_oracles_impaired(rig.oracles, 2, true);
    cr_assert(lose(2, 1, 4));
    rig_vote(2, 2, 2);
    rig_request_vote(2, 1, 2);
    cr_assert_not(rig_step(2));
    rig_broke(LEADER_COMPLETENESS);
}

Test(oracles_storage, a_vote_for_a_log_behind_the_floor)
{
    steady();
    cr_assert(rig_replicate(1, 3, 2));
    octo_oracles_impaired(rig.oracles, 2, true);
    cr_assert(lose(2, 1, 4));
    rig_vote(2, 2, 3);
    cr_assert_not(rig_step_vote(2, 3, 2)); /* as long as its log, but not as what it promised */
    rig_broke(LEADER_COMPLETENESS);
}

Test(oracles_storage, an_acknowledgement_of_what_is_lost)
{
    for (octo_index index = 3; index <= 4; index++) {
        steady();
        octo_oracles_impaired(rig.oracles, 2, true);
        cr_assert(lose(2, 1, 4));
        rig_ack(2, 1, 1, index);
        cr_assert_not(rig_step(2));
        rig_broke(DURABLE_ACK);
    }
}

/* It had acknowledged entry 5; the leader commits that while the node is recovering. */
Test(oracles_storage, a_loss_counts_as_held)
{
    steady();
    octo_oracles_impaired(rig.oracles, 2, true);
    rig_append(1, 5, 1, "five");
    cr_assert(rig_step(1));
    rig_store(1);
    cr_assert(rig_replicate(1, 2, 5));
    cr_assert(lose(2, 1, 5), "%s", octo_oracles_verdict(rig.oracles)->why);
    rig.nodes[2].sequence += 5;
    rig_append(2, 3, 1, "command"); /* the honest disk, too, ends here now */
    cr_assert(rig_step(2));
    rig_store(2);
    rig_commit(1, 5);
    cr_assert(rig_step(1), "%s", octo_oracles_verdict(rig.oracles)->why);
    rig_close();
}

Test(oracles_storage, a_wiped_disk)
{
    steady();
    cr_assert(rig_crash(2));
    octo_oracles_wiped(rig.oracles, 2);
    rig_gone(2, OCTO_FILE_MAIN, 1);
    rig_gone(2, OCTO_FILE_RECOVERY, 1);
    cr_assert(rig_kill(2));
    rig.nodes[2].view.last = 0;
    cr_assert_not(rig_boot(2));
    rig_broke(DURABLE_ACK);
}

/* A repair in place was torn: one topic is enough, if the other one lied. */
Test(oracles_storage, a_repair_that_a_crash_has_torn)
{
    for (uint32_t lied = 0; lied < 2; lied++) {
        steady();
        if (lied == 1)
            octo_oracles_damaged(rig.oracles, 2);
        rig_file(rig.disks, 2, OCTO_FILE_MAIN)->bytes[2 * RIG_SECTOR + 40] ^= 1;
        rig_durable(2, OCTO_FILE_MAIN, 1, 2, 1);
        if (lied == 0) {
            cr_assert_not(rig_crash(2));
            rig_broke(DURABLE_ACK);
            continue;
        }
        cr_assert(rig_crash(2), "%s", octo_oracles_verdict(rig.oracles)->why);
        rig_file(rig.disks, 2, OCTO_FILE_RECOVERY)->bytes[2 * RIG_SECTOR + 40] ^= 1;
        rig_durable(2, OCTO_FILE_RECOVERY, 1, 2, 1);
        cr_assert_not(rig_kill(2));
        rig_broke(DURABLE_ACK);
    }
}

/* ---- Starting again ---------------------------------------------------------------------------
 */

/* n2 has an entry 5 that it has not acknowledged; its disk, after a power loss, holds it. */
static void unmarked(void)
{
    steady();
    rig_append(1, 5, 1, "five");
    cr_assert(rig_step(1));
    rig_put(2, &rig.nodes[1].entries[5]);
    cr_assert(rig_step_append(2, 1, 4, 1));
    rig_store_in(2, 1, false); /* in one topic only: it is kept */
}

Test(oracles_storage, a_start_that_keeps_the_tail)
{
    unmarked();
    cr_assert(rig_crash(2));
    const struct octo_event boot = {.kind = OCTO_EVENT_BOOT};
    rig.nodes[2].view.role = OCTO_ROLE_STARTING;
    cr_assert(rig_step_with(2, &boot));
    cr_assert(rig_crash(2)); /* inside recovery */
    cr_assert(rig_boot(2), "%s", octo_oracles_verdict(rig.oracles)->why);
    rig_close();
}

Test(oracles_storage, a_start_that_drops_the_tail)
{
    unmarked();
    cr_assert(rig_crash(2));
    rig.nodes[2].view.last = 4;
    cr_assert_not(rig_boot(2));
    rig_broke(RECOVERY_IDEMPOTENT);

    unmarked(); /* and spoils it on the way */
    cr_assert(rig_crash(2));
    const struct octo_event boot = {.kind = OCTO_EVENT_BOOT};
    rig.nodes[2].view.role = OCTO_ROLE_STARTING;
    cr_assert(rig_step_with(2, &boot));
    rig_file(rig.disks, 2, OCTO_FILE_MAIN)->bytes[(5 + 1) * RIG_SECTOR] ^= 1;
    rig_file(rig.disks, 2, OCTO_FILE_MAIN)->bytes[5 * RIG_SECTOR] ^= 1;
    rig_durable(2, OCTO_FILE_MAIN, 1, 5, 2);
    cr_assert(rig_crash(2));
    rig.nodes[2].view.last = 4;
    cr_assert_not(rig_boot(2));
    rig_broke(RECOVERY_IDEMPOTENT);
}

Test(oracles_storage, a_start_in_another_term)
{
    for (uint32_t i = 0; i < 2; i++) {
        steady();
        rig_vote(2, 3, 0);
        cr_assert(rig_step(2));
        cr_assert(rig_crash(2));
        if (i == 0)
            rig.nodes[2].view.term = 4;
        else
            rig.nodes[2].view.vote = 3;
        cr_assert_not(rig_boot(2));
        rig_broke(RECOVERY_IDEMPOTENT);
    }
}

/* A killed process leaves what no image shows, and a lying disk is another one. */
Test(oracles_storage, a_start_that_nothing_foretells)
{
    for (uint32_t i = 0; i < 3; i++) {
        unmarked();
        rig.event++;
        cr_assert(octo_oracles_crash(rig.oracles, 2, rig.event, i != 0, i == 1, &rig.images));
        if (i == 2)
            octo_oracles_damaged(rig.oracles, 2);
        rig.nodes[2].view.last = 4;
        cr_assert(rig_boot(2), "%u: %s", i, octo_oracles_verdict(rig.oracles)->why);
        rig_close();
    }
}
