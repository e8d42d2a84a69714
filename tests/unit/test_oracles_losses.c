/* Losses and starts: each property held by nodes that do right, and broken by one that does wrong
 * once. */
#include "oracle_logs.h"

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

Test(oracles_losses, a_loss_that_the_budget_covers)
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

Test(oracles_losses, a_loss_that_the_budget_does_not_cover)
{
    steady();
    cr_assert_not(lose(2, 1, 4));
    rig_broke(DURABLE_ACK);

    steady(); /* nothing is lost, but the node says so */
    cr_assert_not(lose(4, 1, 5));
    rig_broke(DURABLE_ACK);
}

Test(oracles_losses, a_floor_below_what_was_acknowledged)
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

Test(oracles_losses, a_floor_that_is_forgotten)
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

Test(oracles_losses, a_campaign_below_the_floor)
{
    steady();
    octo_oracles_impaired(rig.oracles, 2, true);
    cr_assert(lose(2, 1, 4));
    rig_vote(2, 2, 2);
    rig_request_vote(2, 1, 2);
    cr_assert_not(rig_step(2));
    rig_broke(LEADER_COMPLETENESS);
}

Test(oracles_losses, a_vote_for_a_log_behind_the_floor)
{
    steady();
    cr_assert(rig_replicate(1, 3, 2));
    octo_oracles_impaired(rig.oracles, 2, true);
    cr_assert(lose(2, 1, 4));
    rig_vote(2, 2, 3);
    cr_assert_not(rig_step_vote(2, 3, 2)); /* as long as its log, but not as what it promised */
    rig_broke(LEADER_COMPLETENESS);
}

Test(oracles_losses, an_acknowledgement_of_what_is_lost)
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

/* n1 has entry 5, and n2 may lose what it acknowledges. */
static void five(void)
{
    steady();
    octo_oracles_impaired(rig.oracles, 2, true);
    rig_append(1, 5, 1, "five");
    cr_assert(rig_step(1));
    rig_store(1);
}

/* It had acknowledged entry 5; the leader commits that while the node is recovering. */
Test(oracles_losses, a_loss_counts_as_held)
{
    five();
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

/* Entry `index` rots in both topics. */
static void rot(octo_node_id id, octo_index index)
{
    const uint8_t kinds[] = {OCTO_FILE_MAIN, OCTO_FILE_RECOVERY};

    octo_oracles_damaged(rig.oracles, id);
    for (uint32_t topic = 0; topic < 2; topic++) {
        struct rig_file *file = rig_file_at(rig.disks, id, kinds[topic], rig.nodes[id].segment);
        uint64_t at = 0;
        while (at < file->end &&
               (file->bytes[at + 5] != 1 || octo_get_u64(file->bytes + at + 24) != index))
            at += RIG_SECTOR;
        cr_assert_lt(at, file->end);
        file->bytes[at + 8] ^= 1;
        rig_durable(id, kinds[topic], rig.nodes[id].segment, at / RIG_SECTOR, 1);
    }
}

/* It had acknowledged entry 5, and is down when that is committed. It will vote by its marker, so
 * that n3, which has as much as is left of n2's log, cannot be elected. */
Test(oracles_losses, a_loss_that_is_not_found_yet)
{
    five();
    cr_assert(rig_replicate(1, 3, 3));
    cr_assert(rig_replicate(1, 2, 5));
    cr_assert(crash_lying(2));
    rot(2, 3);
    rig_commit(1, 5);
    cr_assert(rig_step(1), "%s", octo_oracles_verdict(rig.oracles)->why);
    rig_close();
}

/* n1 leads term 3; entry 5 of it is committed, entry 6 is not. */
static void gone_on(void)
{
    cr_assert(rig_elect(1, 3, N(2)));
    for (octo_index i = 5; i <= 6; i++)
        rig_append(1, i, 3, "command");
    rig_commit_with(1, 6, 2, 5);
}

/* n3 starts on a snapshot at entry 5, without what it had behind it. */
static bool start_on_snapshot(bool log_gone)
{
    struct octo_node *node = &rig.nodes[3];
    const struct rig_snapshot snapshot = snapshot_of(5);

    snapshot_put(3, 1, &snapshot);
    if (log_gone) {
        rig_gone(3, OCTO_FILE_MAIN, 1);
        rig_gone(3, OCTO_FILE_RECOVERY, 1);
    }
    node->view.base = 5;
    node->view.base_term = snapshot.term;
    node->view.base_chain = snapshot.chain;
    node->view.last = 5;
    return rig_crash(3) && rig_boot(3);
}

/* Terms never fall along a log: a promise of an entry behind a snapshot of a later term is void,
 * and one of the snapshot's own term is not. */
Test(oracles_losses, a_promise_that_a_snapshot_contradicts)
{
    for (uint32_t gone = 0; gone < 2; gone++) {
        steady();
        cr_assert(rig_replicate(1, 3, 4));
        rig_vote(3, 2, 0); /* follows a leader that gets no majority for its entries */
        for (octo_index i = 5; i <= 6; i++)
            rig_append(3, i, 2, "other");
        cr_assert(rig_step_append(3, 2, 4, 2));
        rig_store(3);
        rig_ack(3, 2, 2, 6);
        cr_assert(rig_step(3));
        gone_on();
        cr_assert(start_on_snapshot(gone == 1), "%s", octo_oracles_verdict(rig.oracles)->why);
        rig_close();

        steady();
        gone_on();
        cr_assert(rig_replicate(1, 3, 6));
        cr_assert_not(start_on_snapshot(gone == 1));
        rig_broke(DURABLE_ACK);
    }
}

Test(oracles_losses, a_wiped_disk)
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
Test(oracles_losses, a_repair_that_a_crash_has_torn)
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

Test(oracles_losses, a_start_that_keeps_the_tail)
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

Test(oracles_losses, a_start_that_drops_the_tail)
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

Test(oracles_losses, a_start_in_another_term)
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
Test(oracles_losses, a_start_that_nothing_foretells)
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
