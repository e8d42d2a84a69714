/* Each property, held by a cluster that does right and broken by one that does wrong once. */
#include "oracle_rig.h"

#include <stdio.h>

/* n1 leads term 1 of three nodes, has a no-op and two commands, and all of it is committed. */
static void steady(void)
{
    rig_open(3);
    cr_assert(rig_elect(1, 1, N(2)));
    rig_append(1, 1, 1, NULL);
    rig_append(1, 2, 1, "two");
    rig_append(1, 3, 1, "three");
    rig_commit_with(1, 3, 2, 3);
    cr_assert_eq(octo_oracles_committed(rig.oracles), 3);
}

Test(oracles, right_is_right)
{
    steady();
    cr_assert(rig_replicate(1, 3, 3));
    rig_commit(2, 3);
    cr_assert(rig_step_append(2, 1, 3, 0));
    rig_commit(3, 3);
    cr_assert(rig_step_append(3, 1, 3, 0));
    rig_reply(7, 2);
    cr_assert(rig_step(1));
    cr_assert(rig_crash(1));
    cr_assert(rig_boot(1));
    cr_assert(rig_elect(3, 2, N(1) | N(2)));
    rig_append(3, 4, 2, NULL);
    cr_assert(rig_step(3));
    rig_store(3);
    cr_assert(rig_replicate(3, 1, 4));
    rig_commit(3, 4);
    cr_assert(rig_step(3));
    rig_commit(1, 4);
    cr_assert(rig_step_append(1, 3, 4, 0));
    cr_assert_eq(octo_oracles_verdict(rig.oracles)->property, OCTO_PROPERTY_NONE);
    rig_close();
}

/* ---- Elections ------------------------------------------------------------------------------- */

Test(oracles, two_leaders_of_one_term)
{
    steady();
    rig_vote(3, 1, 3);
    rig.nodes[3].view.role = OCTO_ROLE_LEADER;
    cr_assert_not(rig_step(3));
    rig_broke(ELECTION_SAFETY);
}

Test(oracles, a_leader_without_a_majority)
{
    rig_open(5);
    cr_assert_not(rig_elect(1, 1, N(2)));
    rig_broke(ELECTION_SAFETY);
}

Test(oracles, a_vote_given_twice)
{
    rig_open(3);
    cr_assert(rig_elect(1, 1, N(2)));
    rig_vote(2, 1, 3);
    rig_grant(2, 3, 1);
    cr_assert_not(rig_step(2));
    rig_broke(VOTE_ONCE);
}

Test(oracles, a_vote_forgotten_in_a_restart)
{
    rig_open(3);
    cr_assert(rig_elect(1, 1, N(2)));
    cr_assert(rig_crash(2));
    rig.nodes[2].view.vote = 0;
    cr_assert_not(rig_boot(2));
    rig_broke(VOTE_ONCE);
}

Test(oracles, a_term_that_goes_back)
{
    rig_open(3);
    rig_vote(1, 5, 0);
    cr_assert(rig_step(1));
    rig.nodes[1].view.term = 4;
    cr_assert_not(rig_step(1));
    rig_broke(VOTE_ONCE);
}

Test(oracles, a_vote_that_is_not_durable)
{
    static const struct {
        const char *name;
        octo_term term; /* durable */
        octo_node_id vote;
    } cases[] = {{"older term", 4, 0}, {"no vote", 5, 0}, {"another vote", 5, 2}, {"newer", 6, 3}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint32_t own = 0; own < 2; own++) {
            rig_open(3);
            rig_vote(1, cases[i].term, cases[i].vote);
            rig.nodes[1].view.term = 6;
            if (own == 1)
                rig_request_vote(1, 2, 5);
            else
                rig_grant(1, 3, 5);
            cr_assert_not(rig_step(1), "%s", cases[i].name);
            rig_broke(DURABLE_ACK);
        }
    }
}

Test(oracles, a_vote_that_cannot_be_read)
{
    rig_open(3);
    rig_vote(1, 5, 2);
    rig_vote(1, 5, 3);
    rig_file(rig.disks, 1, OCTO_FILE_VOTE)->durable[2] = false;
    rig_file(rig.disks, 1, OCTO_FILE_VOTE)->durable[3] = false;
    rig_grant(1, 3, 5);
    cr_assert_not(rig_step(1));
    rig_broke(DURABLE_ACK);

    rig_open(3);
    rig_vote(1, 5, 3); /* the first copy alone */
    rig_file(rig.disks, 1, OCTO_FILE_VOTE)->durable[3] = false;
    rig_grant(1, 3, 5);
    cr_assert_not(rig_step(1));
    rig_broke(DURABLE_ACK);
}

Test(oracles, a_promise_while_starting)
{
    rig_open(3);
    rig_vote(1, 5, 2);
    const struct octo_event boot = {.kind = OCTO_EVENT_BOOT};
    rig.nodes[1].view.role = OCTO_ROLE_STARTING;
    rig_grant(1, 2, 5);
    cr_assert_not(rig_step_with(1, &boot));
    rig_broke(DURABLE_ACK);
}

/* ---- Logs ------------------------------------------------------------------------------------ */

Test(oracles, another_entry_of_the_same_term)
{
    steady();
    rig_vote(3, 1, 0);
    rig_append(3, 1, 1, NULL);
    rig_append(3, 2, 1, "other");
    cr_assert_not(rig_step(3));
    rig_broke(LOG_MATCHING);
}

Test(oracles, another_prefix_of_the_same_entry)
{
    rig_open(3);
    rig_vote(1, 2, 0);
    rig_vote(2, 2, 0);
    rig_append(1, 1, 1, "a");
    rig_append(1, 2, 2, "x");
    cr_assert(rig_step(1));
    rig_append(2, 1, 2, "b");
    cr_assert(rig_step(2));
    rig_append(2, 2, 2, "x");
    cr_assert_not(rig_step(2));
    rig_broke(LOG_MATCHING);
}

Test(oracles, terms_that_fall)
{
    rig_open(3);
    rig_vote(1, 3, 0);
    rig_append(1, 1, 3, NULL);
    rig_append(1, 2, 2, NULL);
    cr_assert_not(rig_step(1));
    rig_broke(LOG_MATCHING);
}

Test(oracles, a_chain_that_is_not_that_of_its_entries)
{
    rig_open(3);
    rig_vote(1, 1, 0);
    rig_append(1, 1, 1, "a");
    rig.nodes[1].entries[1].chain++;
    cr_assert_not(rig_step(1));
    rig_broke(ASSERT);
}

Test(oracles, a_log_that_changes_without_a_word)
{
    steady();
    rig.nodes[1].view.last = 2;
    cr_assert_not(rig_step(1));
    rig_broke(LEADER_APPEND_ONLY);
}

Test(oracles, a_leader_that_truncates)
{
    steady();
    rig_append(1, 4, 1, "four");
    cr_assert(rig_step(1));
    rig_append(1, 4, 1, "other");
    cr_assert_not(rig_step(1));
    rig_broke(LEADER_APPEND_ONLY);
}

Test(oracles, a_follower_that_drops_committed_entries)
{
    steady();
    rig_append(2, 3, 1, "three");
    cr_assert(rig_step(2)); /* the same again */
    rig_vote(2, 2, 0);
    rig_append(2, 3, 2, "other");
    cr_assert_not(rig_step(2));
    rig_broke(LEADER_COMPLETENESS);
}

/* n4 is still in term 2 and hears that term's leader, who lacks what term 3 has committed. */
Test(oracles, a_late_follower_that_an_older_leader_overwrites)
{
    rig_open(5);
    cr_assert(rig_elect(1, 1, N(2) | N(3)));
    rig_append(1, 1, 1, "a");
    cr_assert(rig_step(1));
    rig_store(1);
    cr_assert(rig_replicate(1, 4, 1));
    cr_assert(rig_elect(2, 2, N(3) | N(5)));
    rig_append(2, 1, 2, "b");
    cr_assert(rig_step(2));
    cr_assert(rig_elect(1, 3, N(3) | N(5)));
    rig_append(1, 2, 3, NULL);
    cr_assert(rig_step(1));
    rig_store(1);
    cr_assert(rig_replicate(1, 3, 2));
    cr_assert(rig_replicate(1, 5, 2));
    rig_commit(1, 2);
    cr_assert(rig_step(1), "%s", octo_oracles_verdict(rig.oracles)->why);
    rig_vote(4, 2, 0);
    rig_append(4, 1, 2, "b");
    cr_assert(rig_step_append(4, 2, 0, 1), "%s", octo_oracles_verdict(rig.oracles)->why);
    rig_close();
}

Test(oracles, a_leader_without_a_committed_entry)
{
    steady();
    rig_vote(3, 2, 3);
    cr_assert_not(rig_elect(3, 2, N(2)));
    rig_broke(LEADER_COMPLETENESS);
}

/* The grants of term 2 come late: by then term 3 has committed, and need not be in that log. */
Test(oracles, a_late_winner_of_an_older_term)
{
    steady();
    rig_vote(3, 2, 3);
    rig.nodes[3].view.role = OCTO_ROLE_CANDIDATE;
    rig_request_vote(3, 2, 2);
    cr_assert(rig_step(3));
    rig_vote(2, 2, 3);
    rig_grant(2, 3, 2);
    cr_assert(rig_step(2)); /* wrong of n2, but not seen yet */
    rig.nodes[1].view.role = OCTO_ROLE_FOLLOWER;
    cr_assert(rig_elect(1, 3, N(2)));
    rig_append(1, 4, 3, NULL);
    cr_assert(rig_step(1));
    rig_store(1);
    cr_assert(rig_replicate(1, 2, 4));
    rig_commit(1, 4);
    cr_assert(rig_step(1));
    for (octo_index i = 1; i <= 3; i++)
        rig_put(3, &rig.nodes[1].entries[i]);
    cr_assert(rig_step(3));
    rig.nodes[3].view.role = OCTO_ROLE_LEADER;
    cr_assert(rig_step(3), "%s", octo_oracles_verdict(rig.oracles)->why);
    rig_close();
}

/* n3 is elected first; then the deposed n1 learns that it had committed what n3 lacks. */
Test(oracles, a_leader_that_lacks_what_its_predecessor_commits_late)
{
    rig_open(3);
    cr_assert(rig_elect(1, 1, N(2)));
    rig_append(1, 1, 1, NULL);
    cr_assert(rig_step(1));
    rig_store(1);
    cr_assert(rig_replicate(1, 2, 1));
    cr_assert(rig_elect(3, 2, N(2)));
    rig_commit(1, 1);
    cr_assert_not(rig_step(1));
    rig_broke(LEADER_COMPLETENESS);
}

/* Figure 8 of the Raft paper: n1 commits an entry of term 2 by counting, in term 4; n5 has one of
 * term 3 and could still win. */
Test(oracles, an_entry_of_an_older_term_committed_by_counting)
{
    rig_open(5);
    cr_assert(rig_elect(1, 2, N(2) | N(3)));
    rig_append(1, 1, 2, "a");
    cr_assert(rig_step(1));
    rig_store(1);
    cr_assert(rig_replicate(1, 2, 1));
    rig_vote(3, 3, 5);
    rig_vote(4, 3, 5);
    rig_vote(5, 3, 5);
    rig.nodes[5].view.role = OCTO_ROLE_CANDIDATE;
    rig_request_vote(5, 3, 3);
    cr_assert(rig_step(5));
    rig_grant(3, 5, 3);
    cr_assert(rig_step(3));
    rig_grant(4, 5, 3);
    cr_assert(rig_step(4));
    rig.nodes[5].view.role = OCTO_ROLE_LEADER;
    rig_append(5, 1, 3, "b");
    cr_assert(rig_step(5));
    rig_store(5);
    rig.nodes[5].view.role = OCTO_ROLE_FOLLOWER;
    cr_assert(rig_crash(5));
    cr_assert(rig_crash(1));
    cr_assert(rig_boot(1));
    cr_assert(rig_elect(1, 4, N(2) | N(3)));
    cr_assert(rig_replicate(1, 3, 1));
    rig_commit(1, 1);
    cr_assert_not(rig_step(1));
    rig_broke(LEADER_COMPLETENESS);
}

/* ---- What completeness rests on ----------------------------------------------------------------
 */

Test(oracles, a_candidate_that_lies_about_its_log)
{
    static const struct {
        octo_index last_index;
        octo_term last_term;
    } lies[] = {{3, 2}, {4, 1}, {2, 1}, {0, 0}};

    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        steady();
        rig_vote(2, 2, 2);
        struct octo_message request = rig_vote_request(2, 2);
        request.vote_request.last_index = lies[i].last_index;
        request.vote_request.last_term = lies[i].last_term;
        rig_send(request, 2, 3);
        cr_assert_not(rig_step(2), "%zu", i);
        rig_broke(LEADER_COMPLETENESS);
    }
}

Test(oracles, a_vote_for_a_log_that_is_behind)
{
    steady();
    rig_vote(2, 2, 1);
    cr_assert(rig_step_vote(2, 1, 2));
    rig_vote(2, 3, 0);
    cr_assert(rig_step_vote(2, 3, 3)); /* no vote */
    rig_vote(2, 3, 3);
    cr_assert_not(rig_step_vote(2, 3, 3));
    rig_broke(LEADER_COMPLETENESS);
}

/* ---- Commit ---------------------------------------------------------------------------------- */

Test(oracles, commit_goes_back)
{
    steady();
    rig.nodes[1].view.commit = 2;
    cr_assert_not(rig_step(1));
    rig_broke(COMMIT_MONOTONE);
}

Test(oracles, commit_beyond_the_log)
{
    steady();
    rig.nodes[1].view.commit = 4;
    cr_assert_not(rig_step(1));
    rig_broke(COMMIT_MONOTONE);
}

Test(oracles, a_follower_commits_what_was_not_verified)
{
    steady();
    cr_assert(rig_replicate(1, 3, 1));
    rig_append(3, 2, 1, "two");
    rig_commit(3, 2);
    cr_assert_not(rig_step_append(3, 1, 1, 0));
    rig_broke(COMMIT_MONOTONE);
}

/* What an older leader verified does not count. */
Test(oracles, a_follower_commits_what_was_verified_in_another_term)
{
    steady();
    rig_vote(2, 2, 0);
    rig_commit(2, 3);
    cr_assert_not(rig_step(2));
    rig_broke(COMMIT_MONOTONE);
}

Test(oracles, a_follower_commits_before_any_leader)
{
    steady();
    rig_append(1, 4, 1, "four");
    cr_assert(rig_step(1));
    rig_store(1);
    cr_assert(rig_replicate(1, 2, 4));
    rig_commit(2, 4);
    cr_assert_not(rig_step_append(2, 1, 4, 0));
    rig_broke(COMMIT_MONOTONE);
}

Test(oracles, a_follower_commits_another_entry)
{
    steady();
    rig_vote(3, 2, 0);
    rig_append(3, 1, 1, NULL);
    rig_append(3, 2, 2, "other");
    rig_commit(3, 2);
    cr_assert_not(rig_step(3));
    rig_broke(STATE_MACHINE_SAFETY);
}

Test(oracles, committed_but_held_by_a_minority)
{
    steady();
    rig_append(1, 4, 1, "four");
    cr_assert(rig_step(1));
    rig_store(1);
    rig_append(2, 4, 1, "four");
    cr_assert(rig_step(2));
    rig_store_in(2, 1, false); /* in one topic only */
    rig_commit(1, 4);
    cr_assert_not(rig_step(1));
    rig_broke(DURABLE_ACK);
}

Test(oracles, applied_in_the_wrong_order)
{
    static const uint64_t applied[][2] = {{1, 3}, {1, 1}, {2, 3}, {3, 2}};

    for (size_t i = 0; i < sizeof applied / sizeof applied[0]; i++) {
        steady();
        struct octo_node *node = &rig.nodes[2];
        node->view.commit = 3;
        node->view.applied = 2;
        for (uint32_t k = 0; k < 2; k++) {
            const struct octo_entry *entry = &node->entries[applied[i][k]];
            rig_trace(OCTO_TRACE_APPLY, entry->index, entry->term, entry->client, entry->sequence);
        }
        cr_assert_not(rig_step_append(2, 1, 3, 0), "%zu", i);
        rig_broke(STATE_MACHINE_SAFETY);
    }
}

Test(oracles, applied_but_not_said_or_said_but_not_committed)
{
    steady();
    rig.nodes[2].view.commit = 3;
    rig.nodes[2].view.applied = 3;
    cr_assert_not(rig_step_append(2, 1, 3, 0));
    rig_broke(STATE_MACHINE_SAFETY);

    steady();
    rig_trace(OCTO_TRACE_APPLY, 1, 1, 0, 0);
    rig.nodes[2].view.applied = 1;
    cr_assert_not(rig_step(2));
    rig_broke(STATE_MACHINE_SAFETY);
}

/* ---- Durability ------------------------------------------------------------------------------ */

Test(oracles, acknowledged_but_not_durable)
{
    static const struct {
        const char *name;
        uint32_t topics;
        bool mark;
    } cases[] = {{"nowhere", 0, false},
                 {"main only", 1, false},
                 {"recovery only", 2, false},
                 {"no marker", 3, false}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint32_t how = 0; how < 2; how++) {
            steady();
            rig_append(1, 4, 1, "four");
            cr_assert(rig_step(1));
            rig_append(2, 4, 1, "four");
            cr_assert(rig_step_append(2, 1, 3, 1));
            rig_store_in(2, cases[i].topics, cases[i].mark);
            if (how == 0)
                rig_ack(2, 1, 1, 4);
            else
                rig_trace(OCTO_TRACE_DURABLE, 4, 0, 0, 0);
            cr_assert_not(rig_step(2), "%s", cases[i].name);
            rig_broke(DURABLE_ACK);
        }
    }
}

/* The stale completion (ABA): what is durable at the index is the entry that was replaced. */
Test(oracles, acknowledged_but_another_entry_is_durable)
{
    steady();
    rig_append(2, 4, 1, "four");
    cr_assert(rig_step(2));
    rig_store(2);
    rig_vote(2, 2, 0);
    rig_append(2, 4, 2, "other");
    cr_assert(rig_step(2));
    rig_ack(2, 3, 2, 4);
    cr_assert_not(rig_step(2));
    rig_broke(DURABLE_ACK);
}

Test(oracles, acknowledged_beyond_the_log_or_in_an_unsaved_term)
{
    steady();
    rig_ack(2, 1, 1, 4);
    cr_assert_not(rig_step(2));
    rig_broke(DURABLE_ACK);

    steady();
    rig.nodes[2].view.term = 2;
    rig_ack(2, 1, 2, 3);
    cr_assert_not(rig_step(2));
    rig_broke(DURABLE_ACK);
}

Test(oracles, acknowledged_but_not_verified)
{
    steady();
    rig_vote(2, 2, 0); /* the new leader has not shown itself */
    rig_ack(2, 3, 2, 3);
    cr_assert_not(rig_step(2));
    rig_broke(DURABLE_ACK);
}

Test(oracles, lost_in_a_crash)
{
    steady();
    struct rig_file *file = rig_file(rig.disks, 2, OCTO_FILE_MAIN);
    file->durable[2] = false;
    octo_oracles_durable(rig.oracles, 2, (struct octo_file){.kind = OCTO_FILE_MAIN, .number = 1},
                         2 * RIG_SECTOR, RIG_SECTOR, &rig.images);
    cr_assert_not(rig_crash(2));
    rig_broke(DURABLE_ACK);

    steady();
    rig_vote_put(rig.disks, 2, 0, rig.nodes[2].generation + 1, 0, 0);
    cr_assert_not(rig_crash(2));
    rig_broke(DURABLE_ACK);
}

/* What was acknowledged to a leader that is no more goes when the next one replaces it. */
Test(oracles, a_promise_ends_when_a_leader_replaces_the_entry)
{
    steady();
    rig_append(1, 4, 1, "four");
    cr_assert(rig_step(1));
    cr_assert(rig_replicate(1, 3, 4));
    cr_assert(rig_elect(2, 2, N(1)));
    rig_append(2, 4, 2, NULL);
    cr_assert(rig_step(2));
    cr_assert(rig_replicate(2, 3, 4));
    cr_assert(rig_crash(3), "%s", octo_oracles_verdict(rig.oracles)->why);
    cr_assert(rig_boot(3));

    rig_append(2, 5, 2, NULL);
    cr_assert(rig_step(2));
    cr_assert(rig_replicate(2, 3, 5));
    rig_vote(3, 3, 0);
    rig_append(3, 5, 3, NULL);
    cr_assert(rig_step(3));
    cr_assert(rig_kill(3), "%s", octo_oracles_verdict(rig.oracles)->why);
    rig.nodes[3].view.last = 4;
    cr_assert(rig_boot(3), "%s", octo_oracles_verdict(rig.oracles)->why);
    rig_close();
}

Test(oracles, changed_behind_the_oracles_back)
{
    steady();
    rig_file(rig.disks, 2, OCTO_FILE_MAIN)->durable[2] = false;
    cr_assert_not(rig_crash(2));
    rig_broke(ASSERT);
}

Test(oracles, forgotten_in_a_restart)
{
    steady();
    cr_assert(rig_crash(2));
    rig.nodes[2].view.last = 2;
    cr_assert_not(rig_boot(2));
    rig_broke(DURABLE_ACK);
}
