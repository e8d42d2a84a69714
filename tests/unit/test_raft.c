/* One node as voter, candidate and follower, against peers that the test plays. */
#include "tests/unit/raft_bench.h"

#include <criterion/criterion.h>

/* ---- Pre-vote (thesis 9.6) ----------------------------------------------------------------- */

Test(raft, a_timeout_asks_before_it_raises_the_term)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message request;

    bench_timer(bench);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_PRE_CANDIDATE);
    cr_assert_eq(bench_view(bench).term, 0);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_PRE_VOTE_REQUEST, 0, &request), 2);
    cr_assert_eq(request.term, 1);
    bench_settle(bench);
    bench_timer(bench); /* nobody answered: it asks again, as often as it likes */
    cr_assert_eq(bench_view(bench).term, 0);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_PRE_VOTE_REQUEST, 0, &request), 4);
    cr_assert_eq(request.term, 1);
    bench_free(bench);
}

Test(raft, a_question_changes_no_term_and_no_vote)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message response;

    bench_pre_vote_request(bench, 2, 100, 5, 50);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_PRE_VOTE_RESPONSE, 2, &response), 1);
    cr_assert_eq(response.pre_vote_response.granted, 1);
    cr_assert_eq(response.term, 100, "a grant speaks of the term asked for");
    cr_assert_eq(bench_view(bench).term, 0);
    cr_assert_eq(bench_view(bench).vote, 0);
    cr_assert_eq(bench->disk->op_count, 0);
    bench_free(bench);
}

Test(raft, a_refused_question_answers_with_the_term_of_the_one_asked)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message response;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 9, .terms = "3"});
    bench_settle(bench);
    bench->now += bench->config.election_timeout_ns;
    static const struct {
        octo_term term;
        octo_index last_index;
        octo_term last_term;
        bool granted;
    } asked[] = {
        {9, 5, 5, false},                                       /* not above our term */
        {8, 5, 5, false}, {10, 0, 0, false}, {10, 5, 2, false}, /* its log is behind */
        {10, 1, 3, true}, {10, 2, 3, true},  {10, 1, 4, true},
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        bench_forget(bench);
        bench_pre_vote_request(bench, 3, asked[i].term, asked[i].last_index, asked[i].last_term);
        cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_PRE_VOTE_RESPONSE, 3, &response), 1);
        cr_assert_eq(response.pre_vote_response.granted, asked[i].granted, "case %zu", i);
        cr_assert_eq(response.term, asked[i].granted ? asked[i].term : 9, "case %zu", i);
    }
    bench_free(bench);
}

Test(raft, who_hears_a_leader_does_not_help_to_replace_it)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message response;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 1});
    bench->now += bench->config.election_timeout_ns - 1;
    bench_pre_vote_request(bench, 3, 2, 0, 0);
    bench_sent(bench, OCTO_MESSAGE_PRE_VOTE_RESPONSE, 3, &response);
    cr_assert_eq(response.pre_vote_response.granted, 0);
    bench->now += 1;
    bench_pre_vote_request(bench, 3, 2, 0, 0);
    bench_sent(bench, OCTO_MESSAGE_PRE_VOTE_RESPONSE, 3, &response);
    cr_assert_eq(response.pre_vote_response.granted, 1);
    bench_free(bench);
}

Test(raft, a_refusal_of_a_higher_term_is_learnt_from)
{
    struct bench *bench = bench_open(1, 3);

    bench_timer(bench);
    bench_pre_vote(bench, 2, 7, false); /* A21 */
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_FOLLOWER);
    cr_assert_eq(bench_view(bench).term, 7);
    bench_free(bench);
}

Test(raft, pre_votes_are_no_votes)
{
    struct bench *bench = bench_open(1, 5);

    bench_timer(bench);
    bench_pre_vote(bench, 2, 1, true);
    bench_pre_vote(bench, 2, 1, true); /* delivered twice: A8 */
    bench_pre_vote(bench, 3, 2, true); /* of another round */
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_PRE_CANDIDATE);
    bench_pre_vote(bench, 3, 1, true);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_CANDIDATE);
    bench_settle(bench);
    bench_pre_vote(bench, 4, 1, true); /* late: A6 */
    bench_pre_vote(bench, 5, 1, true);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_CANDIDATE);
    bench_vote(bench, 2, 1, true);
    bench_vote(bench, 2, 1, true);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_CANDIDATE);
    bench_vote(bench, 3, 1, true);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_LEADER);
    bench_free(bench);
}

/* ---- Votes --------------------------------------------------------------------------------- */

Test(raft, a_candidate_asks_once_its_own_vote_is_saved)
{
    struct bench *bench = bench_open(1, 3);
    uint32_t operations = 0;

    bench_timer(bench);
    bench_pre_vote(bench, 2, 1, true);
    cr_assert_eq(bench_view(bench).term, 1);
    bench_vote(bench, 2, 1, true); /* an answer to nothing */
    bench_vote(bench, 3, 1, true);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_CANDIDATE);
    while (bench_traced(bench, OCTO_TRACE_VOTE_SAVED) == 0) {
        cr_assert_eq(bench_count(bench, OCTO_MESSAGE_VOTE_REQUEST, 0), 0, "K3");
        cr_assert(bench_disk(bench, OCTO_FILE_VOTE));
        operations++;
    }
    cr_assert_geq(operations, 4, "two copies, each written and synced");
    cr_assert_eq(bench_count(bench, OCTO_MESSAGE_VOTE_REQUEST, 0), 2);
    bench_free(bench);
}

Test(raft, a_slow_disk_runs_up_no_terms)
{
    struct bench *bench = bench_open(1, 3);

    bench_timer(bench);
    bench_pre_vote(bench, 2, 1, true);
    for (int i = 0; i < 5; i++)
        bench_timer(bench);
    cr_assert_eq(bench_view(bench).term, 1);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_CANDIDATE);
    bench_free(bench);
}

Test(raft, a_vote_is_given_when_saved_and_once)
{
    struct bench *bench = bench_open(1, 5);
    struct octo_message response;

    bench_vote_request(bench, 2, 3, 0, 0);
    cr_assert_eq(bench_view(bench).vote, 2);
    while (bench_traced(bench, OCTO_TRACE_VOTE_SAVED) == 0) {
        cr_assert_eq(bench_count(bench, OCTO_MESSAGE_VOTE_RESPONSE, 0), 0, "K3");
        cr_assert(bench_disk(bench, OCTO_FILE_VOTE));
    }
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_VOTE_RESPONSE, 2, &response), 1);
    cr_assert_eq(response.vote_response.granted, 1);
    for (int i = 0; i < 2; i++) { /* the second time after a crash */
        bench_forget(bench);
        bench_vote_request(bench, 3, 3, 9, 2);
        cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_VOTE_RESPONSE, 3, &response), 1);
        cr_assert_eq(response.vote_response.granted, 0);
        bench_vote_request(bench, 2, 3, 0, 0);
        cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_VOTE_RESPONSE, 2, &response), 1);
        cr_assert_eq(response.vote_response.granted, 1, "the answer may have been lost");
        bench_crash(bench);
    }
    bench_free(bench);
}

Test(raft, a_grant_of_an_older_term_is_void)
{
    struct bench *bench = bench_open(1, 5);
    struct octo_message response;

    bench_vote_request(bench, 2, 3, 0, 0);
    bench_disk(bench, OCTO_FILE_VOTE);
    bench_vote_request(bench, 3, 4, 0, 0);
    bench_settle(bench);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_VOTE_RESPONSE, 0, &response), 1);
    cr_assert_eq(response.to, 3);
    cr_assert_eq(response.term, 4);
    bench_free(bench);
}

Test(raft, the_vote_survives_a_leader_and_a_step_down)
{
    struct bench *bench = bench_open(1, 5);
    struct octo_message response;

    bench_vote_request(bench, 2, 1, 0, 0);
    bench_settle(bench);
    bench_append(bench, &(struct bench_append){.from = 2, .term = 1});
    cr_assert_eq(bench_view(bench).vote, 2, "A1");
    bench_timer(bench);
    bench_append(bench, &(struct bench_append){.from = 2, .term = 1});
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_FOLLOWER);
    cr_assert_eq(bench_view(bench).vote, 2, "A1");
    bench_forget(bench);
    bench_vote_request(bench, 3, 1, 0, 0);
    bench_settle(bench);
    bench_sent(bench, OCTO_MESSAGE_VOTE_RESPONSE, 3, &response);
    cr_assert_eq(response.vote_response.granted, 0);
    bench_free(bench);
}

Test(raft, a_log_that_is_behind_gets_no_vote)
{
    static const struct {
        octo_index last_index;
        octo_term last_term;
        bool granted;
    } asked[] = {{9, 1, false}, {1, 2, false}, {2, 2, true}, {1, 3, true}, {0, 0, false}};

    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct bench *bench = bench_open(1, 5);
        struct octo_message response;
        bench_append(bench, &(struct bench_append){.from = 2, .term = 2, .terms = "12"});
        bench_settle(bench);
        bench_vote_request(bench, 3, 5, asked[i].last_index, asked[i].last_term);
        bench_settle(bench);
        cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_VOTE_RESPONSE, 3, &response), 1);
        cr_assert_eq(response.vote_response.granted, asked[i].granted, "case %zu", i);
        cr_assert_eq(bench_view(bench).term, 5);
        bench_free(bench);
    }
}

Test(raft, a_candidate_names_the_term_of_its_last_entry)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message request;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 8, .terms = "23"});
    bench_settle(bench);
    bench_campaign(bench);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_VOTE_REQUEST, 2, &request), 1);
    cr_assert_eq(request.term, 9);
    cr_assert_eq(request.vote_request.last_index, 2);
    cr_assert_eq(request.vote_request.last_term, 3, "A9");
    bench_free(bench);
}

/* ---- Following ----------------------------------------------------------------------------- */

Test(raft, an_acknowledgement_waits_for_the_disk)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message response;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 1, .terms = "111"});
    while (bench_disk(bench, OCTO_FILE_VOTE))
        continue;
    cr_assert_eq(bench_count(bench, OCTO_MESSAGE_APPEND_RESPONSE, 0), 0, "K3");
    bench_append(bench,
                 &(struct bench_append){
                     .from = 2, .term = 1, .prev_index = 3, .prev_term = 1}); /* a heartbeat: B30 */
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_RESPONSE, 2, &response), 1);
    cr_assert_eq(response.append_response.granted, 1);
    cr_assert_eq(response.append_response.index, 0, "nothing is durable yet");
    cr_assert_eq(response.append_response.hint_index, 3, "but need not be sent again");
    bench_forget(bench);
    bench_settle(bench);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_RESPONSE, 2, &response), 1);
    cr_assert_eq(response.append_response.index, 3);
    bench_free(bench);
}

Test(raft, nothing_is_acknowledged_in_a_term_that_is_not_saved)
{
    struct bench *bench = bench_open(1, 3);

    bench_append(bench, &(struct bench_append){.from = 2, .term = 1, .terms = "1"});
    while (bench_disk(bench, OCTO_FILE_MAIN) || bench_disk(bench, OCTO_FILE_RECOVERY))
        continue;
    cr_assert_eq(bench_view(bench).durable, 1);
    cr_assert_eq(bench_count(bench, OCTO_MESSAGE_APPEND_RESPONSE, 0), 0);
    bench_settle(bench);
    cr_assert_eq(bench_count(bench, OCTO_MESSAGE_APPEND_RESPONSE, 2), 1);
    bench_free(bench);
}

/* Entries and term are saved side by side. */
Test(raft, a_log_is_never_ahead_of_its_term)
{
    struct bench *bench = bench_open(1, 3);

    bench_append(bench, &(struct bench_append){.from = 2, .term = 4, .terms = "4"});
    while (bench_disk(bench, OCTO_FILE_MAIN) || bench_disk(bench, OCTO_FILE_RECOVERY))
        continue;
    bench_crash(bench);
    cr_assert_eq(bench_view(bench).last, 1);
    cr_assert_eq(bench_view(bench).term, 4);
    bench_free(bench);
}

Test(raft, only_a_different_entry_truncates)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message response;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 2, .terms = "111222"});
    bench_settle(bench);
    bench_append(bench, &(struct bench_append){
                            .from = 2, .term = 2, .prev_index = 1, .prev_term = 1, .terms = "11"});
    cr_assert_eq(bench_view(bench).last, 6, "B6: an old message that overlaps");
    cr_assert_eq(bench_view(bench).durable, 6);
    cr_assert_eq(bench_mark(bench, OCTO_MARK_APPEND_OVERLAPPED), 2);
    bench_sent(bench, OCTO_MESSAGE_APPEND_RESPONSE, 2, &response);
    cr_assert_eq(response.append_response.index, 6, "and is answered with all that is verified");

    bench_append(bench, &(struct bench_append){
                            .from = 3, .term = 3, .prev_index = 2, .prev_term = 1, .terms = "13"});
    cr_assert_eq(bench_view(bench).last, 4);
    cr_assert_eq(bench_view(bench).durable, 3, "the third was there, the fourth is another");
    cr_assert_eq(bench_mark(bench, OCTO_MARK_LOG_TRUNCATED), 1);
    bench_forget(bench);
    bench_settle(bench);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_RESPONSE, 3, &response), 2,
                 "the third when the term is saved, the fourth when it is durable");
    cr_assert_eq(response.append_response.index, 4);
    bench_free(bench);
}

Test(raft, an_old_completion_acknowledges_nothing_newer)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message response;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 1, .terms = "11"});
    while (bench_disk(bench, OCTO_FILE_VOTE))
        continue;
    bench_append(bench, &(struct bench_append){.from = 3, .term = 2, .terms = "22"}); /* B16 */
    while (bench_disk(bench, OCTO_FILE_VOTE))
        continue;
    while (bench_count(bench, OCTO_MESSAGE_APPEND_RESPONSE, 0) == 0) {
        cr_assert_gt(bench->disk->op_count, 0);
        bench_disk(bench, OCTO_FILE_MAIN);
        bench_disk(bench, OCTO_FILE_RECOVERY);
    }
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_RESPONSE, 0, &response), 1);
    cr_assert_eq(response.to, 3);
    cr_assert_eq(bench_view(bench).durable, 2);
    bench_crash(bench);
    struct octo_entry entry;
    cr_assert(octo_node_entry(bench->node, 2, &entry));
    cr_assert_eq(entry.term, 2);
    bench_free(bench);
}

Test(raft, commit_follows_what_a_message_verified_and_never_back)
{
    struct bench *bench = bench_open(1, 3);

    bench_append(bench, &(struct bench_append){.from = 2, .term = 1, .terms = "1111"});
    bench_append(bench, &(struct bench_append){.from = 3, .term = 2, .commit = 4}); /* B3 */
    cr_assert_eq(bench_view(bench).commit, 0);
    bench_append(bench, &(struct bench_append){.from = 3,
                                               .term = 2,
                                               .prev_index = 1,
                                               .prev_term = 1,
                                               .commit = 4,
                                               .terms = "1"}); /* B2 */
    cr_assert_eq(bench_view(bench).commit, 2);
    bench_append(bench, &(struct bench_append){.from = 3, .term = 2, .commit = 1}); /* B4 */
    cr_assert_eq(bench_view(bench).commit, 2);
    bench_append(
        bench,
        &(struct bench_append){
            .from = 3, .term = 2, .prev_index = 2, .prev_term = 1, .commit = 4, .terms = "22"});
    cr_assert_eq(bench_view(bench).commit, 4);
    cr_assert_eq(bench_view(bench).applied, 4);
    bench_free(bench);
}

/* What one leader verified says nothing about the log of the next. */
Test(raft, a_new_leader_is_told_only_what_it_verified_itself)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message response;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 1, .terms = "1111"});
    bench_settle(bench);
    bench_append(bench,
                 &(struct bench_append){.from = 3, .term = 2, .prev_index = 1, .prev_term = 1});
    bench_forget(bench);
    bench_settle(bench);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_RESPONSE, 3, &response), 1);
    cr_assert_eq(response.append_response.index, 1);
    cr_assert_eq(bench_view(bench).last, 4);
    bench_free(bench);
}

Test(raft, a_refusal_says_where_to_try_next)
{
    static const struct {
        octo_index prev_index;
        octo_term prev_term;
        octo_index hint_index;
        octo_term hint_term;
    } refused[] = {
        {9, 4, 6, 3}, /* beyond the end */
        {6, 2, 4, 2}, /* skips the whole of term 3 */
        {5, 1, 2, 1}, {3, 1, 2, 1}, {4, 3, 4, 2},
    };
    struct bench *bench = bench_open(1, 3);
    struct octo_message response;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 4, .terms = "112233"});
    bench_settle(bench);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        bench_forget(bench);
        bench_append(bench, &(struct bench_append){.from = 2,
                                                   .term = 4,
                                                   .prev_index = refused[i].prev_index,
                                                   .prev_term = refused[i].prev_term});
        cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_RESPONSE, 2, &response), 1);
        cr_assert_eq(response.append_response.granted, 0);
        cr_assert_eq(response.append_response.index, refused[i].prev_index);
        cr_assert_eq(response.append_response.hint_index, refused[i].hint_index, "case %zu", i);
        cr_assert_eq(response.append_response.hint_term, refused[i].hint_term, "case %zu", i);
    }
    cr_assert_eq(bench_view(bench).last, 6);
    bench_free(bench);
}

Test(raft, an_old_leader_learns_the_term)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message response;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 5});
    bench_settle(bench);
    bench_forget(bench);
    bench_append(bench, &(struct bench_append){.from = 3, .term = 4, .terms = "4"});
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_RESPONSE, 3, &response), 1);
    cr_assert_eq(response.append_response.granted, 0);
    cr_assert_eq(response.term, 5);
    cr_assert_eq(bench_view(bench).last, 0);
    cr_assert_eq(bench_view(bench).leader, 2);
    bench_free(bench);
}

/* ---- Input that is not trusted (K5) --------------------------------------------------------- */

Test(raft, bad_messages_are_counted_and_without_effect)
{
    struct bench *bench = bench_open(1, 3);
    uint8_t bytes[256];
    const struct octo_message good = {
        .type = OCTO_MESSAGE_VOTE_REQUEST, .from = 2, .to = 1, .term = 5};
    uint32_t refused = 0;

    struct octo_message bad[8];
    for (size_t i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].to = 2;
    bad[1].from = 1;
    bad[2].from = 4;
    bad[3].term = 0;
    bad[4].term = OCTO_WIRE_NUMBER_MAX;
    bad[5].from = 15;
    bad[6].type = OCTO_MESSAGE_APPEND_REQUEST; /* a leader that is this node */
    bad[6].from = 1;
    bad[7].term = OCTO_WIRE_NUMBER_MAX / 2 + 1;
    for (size_t i = 0; i < 8; i++) {
        const uint32_t size = octo_message_encode(&bad[i], BENCH_CLUSTER, bytes, sizeof bytes);
        bench_bytes(bench, bytes, size);
        cr_assert_eq(bench_mark(bench, OCTO_MARK_MESSAGE_REFUSED), ++refused, "case %zu", i);
    }
    const uint32_t size = octo_message_encode(&good, BENCH_CLUSTER + 1, bytes, sizeof bytes);
    bench_bytes(bench, bytes, size);
    octo_message_encode(&good, BENCH_CLUSTER, bytes, sizeof bytes);
    for (uint32_t cut = 0; cut < size; cut++)
        bench_bytes(bench, bytes, cut);
    refused += 1 + size;
    cr_assert_eq(bench_mark(bench, OCTO_MARK_MESSAGE_REFUSED), refused);
    cr_assert_eq(bench_traced(bench, OCTO_TRACE_REFUSE), refused);
    cr_assert_eq(bench_view(bench).term, 0);
    cr_assert_eq(bench->disk->op_count, 0);
    bench_bytes(bench, bytes, size);
    cr_assert_eq(bench_view(bench).term, 5);
    bench_free(bench);
}

Test(raft, a_second_leader_in_a_term_is_refused)
{
    struct bench *bench = bench_open(1, 3);

    bench_append(bench, &(struct bench_append){.from = 2, .term = 1, .terms = "1"});
    bench_append(bench, &(struct bench_append){.from = 3, .term = 1, .terms = "11"});
    cr_assert_eq(bench_mark(bench, OCTO_MARK_MESSAGE_REFUSED), 1);
    cr_assert_eq(bench_view(bench).last, 1);
    cr_assert_eq(bench_view(bench).leader, 2);
    bench_settle(bench);
    bench_timer(bench); /* and by a leader as well */
    bench_pre_vote(bench, 2, 2, true);
    bench_settle(bench);
    bench_vote(bench, 2, 2, true);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_LEADER);
    bench_append(bench, &(struct bench_append){.from = 3, .term = 2, .terms = "2"});
    cr_assert_eq(bench_mark(bench, OCTO_MARK_MESSAGE_REFUSED), 2);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_LEADER);
    bench_free(bench);
}

Test(raft, a_leader_that_contradicts_itself_does_no_harm)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message response;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 3, .terms = "111"});
    bench_settle(bench);
    bench_append(bench, &(struct bench_append){.from = 2, .term = 3, .terms = "12"});
    bench_forget(bench);
    bench_settle(bench);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_RESPONSE, 2, &response), 1);
    cr_assert_eq(response.append_response.index, 2);
    cr_assert_eq(bench_view(bench).last, 2);
    bench_free(bench);
}
