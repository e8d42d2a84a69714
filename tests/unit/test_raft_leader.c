/* One node as leader, and the node around it: clients, limits, memory. */
#include "tests/unit/raft_bench.h"

#include <criterion/criterion.h>

/* ---- Leading ------------------------------------------------------------------------------- */

Test(raft_leader, opens_its_term_with_a_no_op_sent_to_all_at_once)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message request;
    struct octo_entry entry;

    bench_lead(bench);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_LEADER);
    cr_assert_eq(bench_view(bench).last, 1);
    cr_assert(octo_node_entry(bench->node, 1, &entry));
    cr_assert_eq(entry.kind, OCTO_ENTRY_NOOP);
    for (octo_node_id peer = 2; peer <= 3; peer++) {
        cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, peer, &request), 1);
        cr_assert_eq(request.append_request.prev_index, 0);
        cr_assert_eq(request.append_request.entry_count, 1);
    }
    bench_free(bench);
}

/* Figure 8 of the paper: an entry of an older term that stands on a majority may still be replaced;
 * it is committed by one of the leader's own term only (B1). */
Test(raft_leader, counts_only_entries_of_its_own_term)
{
    struct bench *bench = bench_open(1, 5);

    bench_append(bench, &(struct bench_append){.from = 2, .term = 2, .terms = "12"});
    bench_settle(bench);
    bench_append(bench,
                 &(struct bench_append){.from = 3, .term = 3, .prev_index = 2, .prev_term = 2});
    bench_settle(bench);
    bench_lead(bench);
    cr_assert_eq(bench_view(bench).term, 4);
    cr_assert_eq(bench_view(bench).last, 3);
    bench_ack(bench, 4, 4, 2);
    bench_ack(bench, 5, 4, 2);
    cr_assert_eq(bench_view(bench).commit, 0, "index 2 is of term 2");
    cr_assert_eq(bench_mark(bench, OCTO_MARK_COMMIT_WAITED_TERM), 1);
    bench_ack(bench, 4, 4, 3);
    cr_assert_eq(bench_view(bench).commit, 0);
    bench_ack(bench, 5, 4, 3);
    cr_assert_eq(bench_view(bench).commit, 3);
    bench_free(bench);
}

Test(raft_leader, counts_itself_when_its_own_disk_has_it)
{
    struct bench *bench = bench_open(1, 1);
    struct octo_effect reply;

    bench_timer(bench);
    bench_settle(bench);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_LEADER);
    bench_request(bench, 7, 1, 10);
    cr_assert_eq(bench_view(bench).last, 2);
    while (bench_view(bench).durable < 2) {
        cr_assert_eq(bench_view(bench).commit, 1, "B12");
        cr_assert_eq(bench_replied(bench, &reply), 0, "K3");
        bench_disk(bench, OCTO_FILE_MAIN);
        bench_disk(bench, OCTO_FILE_RECOVERY);
    }
    cr_assert_eq(bench_view(bench).applied, 2);
    cr_assert_eq(bench_replied(bench, &reply), 1);
    cr_assert_eq(reply.reply.status, OCTO_ERR_OK);
    cr_assert_eq(octo_get_u64(reply.reply.result), 1);
    bench_free(bench);
}

Test(raft_leader, believes_only_answers_to_its_own_term)
{
    struct bench *bench = bench_open(1, 3);

    bench_lead(bench);
    bench_append(bench, &(struct bench_append){.from = 2, .term = 2});
    bench_settle(bench);
    bench_lead(bench);
    cr_assert_eq(bench_view(bench).term, 3);
    bench_ack(bench, 2, 1, 2); /* B14 */
    cr_assert_eq(bench_view(bench).commit, 0);
    cr_assert_eq(bench_mark(bench, OCTO_MARK_STALE_MESSAGE), 1);
    bench_ack(bench, 2, 3, 3); /* more than there is: no correct node says so */
    cr_assert_eq(bench_mark(bench, OCTO_MARK_MESSAGE_REFUSED), 1);
    cr_assert_eq(bench_view(bench).commit, 0);
    bench_ack(bench, 2, 3, 2);
    cr_assert_eq(bench_view(bench).commit, 2);
    bench_free(bench);
}

Test(raft_leader, steps_down_when_it_hears_no_majority)
{
    struct bench *bench = bench_open(1, 5);
    const octo_time_ns timeout = bench->config.election_timeout_ns;

    bench_lead(bench);
    const octo_time_ns start = bench->now;
    while (bench->now < start + 5 * timeout) { /* two of four answer: a majority with itself */
        bench_ack(bench, 2, 1, 0);
        bench_answer(bench, 3, 1, (struct octo_append_response){.granted = 0});
        bench_timer(bench);
        bench_forget(bench);
    }
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_LEADER);
    const octo_time_ns alone = bench->now;
    while (bench_view(bench).role == OCTO_ROLE_LEADER) { /* one of four does not do */
        bench_ack(bench, 2, 1, 0);
        bench_timer(bench);
        bench_forget(bench);
    }
    cr_assert_geq(bench->now, alone + timeout / 2);
    cr_assert_leq(bench->now, alone + 2 * timeout);
    cr_assert_eq(bench_mark(bench, OCTO_MARK_STEPPED_DOWN_QUORUM), 1);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_FOLLOWER);
    cr_assert_eq(bench_view(bench).term, 1);
    cr_assert_eq(bench_view(bench).vote, 1, "A1");
    bench_free(bench);
}

Test(raft_leader, steps_down_for_a_higher_term)
{
    struct bench *bench = bench_open(1, 3);

    bench_lead(bench);
    bench_answer(bench, 3, 9, (struct octo_append_response){.granted = 0});
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_FOLLOWER);
    cr_assert_eq(bench_view(bench).term, 9);
    cr_assert_eq(bench_mark(bench, OCTO_MARK_STEPPED_DOWN_TERM), 1);
    bench_free(bench);
}

/* ---- Replication --------------------------------------------------------------------------- */

/* Hands out numbers until the window of every peer is full. */
static void window_fill(struct bench *bench)
{
    for (uint64_t sequence = 1; sequence <= 20; sequence++)
        bench_request(bench, 7, sequence, 10);
    bench_settle(bench);
}

Test(raft_leader, probes_with_one_message_and_pipelines_when_it_matches)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message request;

    bench_lead(bench);
    bench_request(bench, 7, 1, 10);
    cr_assert_eq(bench_count(bench, OCTO_MESSAGE_APPEND_REQUEST, 2), 1, "still probing");
    bench_forget(bench);
    bench_ack(bench, 2, 1, 1);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, 2, &request), 1);
    cr_assert_eq(request.append_request.prev_index, 1);
    cr_assert_eq(request.append_request.commit, 1, "the newest commit rides along");
    bench_request(bench, 7, 2, 10);
    bench_request(bench, 7, 3, 10);
    cr_assert_eq(bench_count(bench, OCTO_MESSAGE_APPEND_REQUEST, 2), 3, "without waiting");
    cr_assert_eq(bench_count(bench, OCTO_MESSAGE_APPEND_REQUEST, 3), 0);
    bench_free(bench);
}

Test(raft_leader, a_full_window_that_is_lost_is_found_and_filled_again)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message request = {0};

    bench_lead(bench);
    bench_ack(bench, 2, 1, 1);
    window_fill(bench);
    cr_assert_gt(bench_mark(bench, OCTO_MARK_WINDOW_FULL), 0);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, 2, &request),
                 1 + bench->config.inflight_max);
    const octo_index sent = request.append_request.prev_index + request.append_request.entry_count;
    cr_assert_lt(sent, 21);

    bench_forget(bench); /* all of it is lost: L1 */
    bench_timer(bench);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, 2, &request), 1);
    cr_assert_eq(request.append_request.entry_count, 0);
    cr_assert_eq(request.append_request.prev_index, sent, "a heartbeat asks for the end");
    bench_forget(bench);
    bench_answer(bench, 2, 1,
                 (struct octo_append_response){.index = sent, .hint_index = 1, .hint_term = 1});
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, 2, &request), 1);
    cr_assert_eq(request.append_request.prev_index, 1);
    cr_assert_eq(request.append_request.entry_count, 20, "now in one message");
    bench_ack(bench, 2, 1, 21);
    cr_assert_eq(bench_view(bench).commit, 21);
    bench_free(bench);
}

Test(raft_leader, acknowledgements_open_the_window_again)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message request;

    bench_lead(bench);
    bench_ack(bench, 2, 1, 1);
    window_fill(bench);
    bench_forget(bench);
    bench_ack(bench, 2, 1, 2);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, 2, &request), 1);
    cr_assert_gt(request.append_request.entry_count, 1, "what waited travels together");
    cr_assert_eq(request.append_request.prev_index + request.append_request.entry_count, 21);
    bench_free(bench);
}

Test(raft_leader, skips_terms_that_cannot_match)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message request;

    bench_append(bench, &(struct bench_append){.from = 2, .term = 5, .terms = "1114445"});
    bench_settle(bench);
    bench_lead(bench);
    static const struct {
        octo_index refused, hint_index;
        octo_term hint_term;
        octo_index prev_index;
    } answers[] = {
        {7, 7, 5, 6}, /* no better hint than one step back */
        {5, 5, 4, 5}, /* stale: not what was asked last */
        {6, 6, 3, 3}, /* the follower's term 3 lies between our 1 and 4 */
        {6, 6, 3, 3}, /* delivered twice */
        {3, 0, 0, 0},
    };
    octo_index prev = 7;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        bench_forget(bench);
        bench_answer(bench, 2, 6,
                     (struct octo_append_response){.index = answers[i].refused,
                                                   .hint_index = answers[i].hint_index,
                                                   .hint_term = answers[i].hint_term});
        const uint32_t count = bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, 2, &request);
        cr_assert_eq(count, answers[i].refused == prev ? 1 : 0, "case %zu", i);
        if (count == 1)
            prev = answers[i].prev_index;
        if (count == 1)
            cr_assert_eq(request.append_request.prev_index, prev, "case %zu", i);
    }
    bench_free(bench);
}

Test(raft_leader, does_not_send_again_what_is_only_not_durable_yet)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message request;

    bench_lead(bench);
    bench_request(bench, 7, 1, 10);
    bench_forget(bench);
    bench_answer(bench, 2, 1,
                 (struct octo_append_response){.granted = 1, .index = 0, .hint_index = 1});
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, 2, &request), 1);
    cr_assert_eq(request.append_request.prev_index, 1);
    cr_assert_eq(bench_view(bench).commit, 0, "verified is not durable");
    bench_free(bench);
}

/* One answer to the probe of a full follower, which matches before it and takes nothing. */
static void probe_grant(struct bench *bench, uint64_t round, octo_index hint)
{
    bench_forget(bench);
    bench_answer(bench, 2, 1,
                 (struct octo_append_response){
                     .granted = 1, .index = hint, .hint_index = hint, .round = round});
}

/* A grant that took no entries opens no window, however often it comes: the follower is asked again
 * once a round of heartbeats, and is sent the rest when it has taken all that it was asked to. */
Test(raft_leader, a_follower_without_room_is_asked_again_once_a_round)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_message request;

    bench_lead(bench);
    bench_request(bench, 7, 1, 10);
    bench_answer(bench, 2, 1, (struct octo_append_response){.granted = 0, .index = 0});
    for (uint32_t i = 0; i < 5; i++) {
        probe_grant(bench, 0, 0);
        cr_assert_eq(bench_count(bench, OCTO_MESSAGE_APPEND_REQUEST, 2), 0, "grant %u", i);
    }
    for (uint32_t round = 0; round < 3; round++) {
        bench_forget(bench);
        bench_timer(bench);
        cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, 2, &request), 1);
        cr_assert_eq(request.append_request.entry_count, 0, "a heartbeat");
        cr_assert_eq(request.append_request.prev_index, 0);
        probe_grant(bench, request.append_request.round, 0);
        cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, 2, &request), 1);
        cr_assert_eq(request.append_request.entry_count, 2, "the probe again");
        probe_grant(bench, request.append_request.round, 0);
        cr_assert_eq(bench_count(bench, OCTO_MESSAGE_APPEND_REQUEST, 2), 0, "once a round");
    }
    probe_grant(bench, request.append_request.round, 1);
    cr_assert_eq(bench_count(bench, OCTO_MESSAGE_APPEND_REQUEST, 2), 0, "room for one");
    bench_request(bench, 7, 2, 10);
    probe_grant(bench, request.append_request.round, 2);
    cr_assert_eq(bench_sent(bench, OCTO_MESSAGE_APPEND_REQUEST, 2, &request), 1);
    cr_assert_eq(request.append_request.prev_index, 2, "room again");
    bench_request(bench, 7, 3, 10);
    cr_assert_eq(bench_count(bench, OCTO_MESSAGE_APPEND_REQUEST, 2), 2, "without waiting");
    bench_free(bench);
}

/* ---- Clients ------------------------------------------------------------------------------- */

Test(raft_leader, refuses_what_it_cannot_take)
{
    struct bench *bench = bench_new(1, 3);
    struct octo_effect reply;

    bench_boot(bench);
    bench_request(bench, 7, 1, 10);
    cr_assert_eq(bench_status(bench), OCTO_ERR_NOT_READY);
    bench_settle(bench);
    bench_forget(bench);
    bench_request(bench, 7, 1, 10);
    cr_assert_eq(bench_status(bench), OCTO_ERR_NOT_LEADER);
    bench_forget(bench);
    bench_append(bench, &(struct bench_append){.from = 3, .term = 1});
    bench_request(bench, 7, 1, 10);
    cr_assert_eq(bench_replied(bench, &reply), 1);
    cr_assert_eq(reply.reply.leader, 3);
    bench_lead(bench);
    static const struct {
        octo_client_id client;
        uint64_t sequence;
        uint32_t more;
    } bad[] = {{0, 1, 0}, {7, 0, 0}, {7, 1, 1}};
    for (size_t i = 0; i < 3; i++) {
        bench_forget(bench);
        bench_request(bench, bad[i].client, bad[i].sequence,
                      bench->config.command_bytes_max + bad[i].more);
        cr_assert_eq(bench_status(bench), OCTO_ERR_RANGE);
        cr_assert_eq(bench_traced(bench, OCTO_TRACE_REFUSE), 1, "K5");
    }
    bench_forget(bench);
    bench_request(bench, 7, 1, bench->config.command_bytes_max);
    cr_assert_eq(bench_replied(bench, &reply), 0);
    bench_settle(bench);
    bench_ack(bench, 2, bench_view(bench).term, bench_view(bench).last);
    cr_assert_eq(bench_status(bench), OCTO_ERR_OK);
    bench_free(bench);
}

Test(raft_leader, a_command_takes_effect_once_however_often_it_is_sent)
{
    struct bench *bench = bench_open(1, 3);
    struct octo_effect reply;

    bench_lead(bench);
    bench_request(bench, 7, 1, 10);
    bench_request(bench, 7, 1, 10); /* a retry before the first is applied: it waits with it */
    bench_settle(bench);
    bench_forget(bench);
    bench_ack(bench, 2, 1, 2);
    cr_assert_eq(bench_replied(bench, &reply), 1);
    cr_assert_eq(reply.reply.status, OCTO_ERR_OK);
    cr_assert_eq(octo_get_u64(reply.reply.result), 1, "the kept result");
    bench_forget(bench);
    bench_request(bench, 7, 1, 10); /* and after: from the session, at once */
    cr_assert_eq(bench_status(bench), OCTO_ERR_OK);
    cr_assert_eq(bench_view(bench).last, 2);
    cr_assert_eq(bench_mark(bench, OCTO_MARK_DUPLICATE_COMMAND), 2);
    bench_request(bench, 7, 2, 10);
    bench_settle(bench);
    bench_ack(bench, 2, 1, 3);
    bench_forget(bench);
    bench_request(bench, 7, 1, 10);
    cr_assert_eq(bench_status(bench), OCTO_ERR_STALE);
    bench_free(bench);
}

/* A kept result must not change under the host's eyes when the session goes on in the same step. */
Test(raft_leader, two_commands_of_a_session_in_one_page_get_their_own_results)
{
    struct bench *bench = bench_open(1, 3);
    uint64_t results[4] = {0};

    bench_lead(bench);
    bench_request(bench, 7, 1, 10);
    bench_request(bench, 7 + 128, 1, 10); /* takes the place of the first one's proposal */
    bench_request(bench, 7, 1, 10);       /* so this retry is in the log a second time */
    bench_request(bench, 7, 2, 10);
    bench_settle(bench);
    bench_forget(bench);
    bench_ack(bench, 2, 1, 5);
    for (uint32_t i = 0, at = 0; i < bench->effects.count; i++) {
        const struct octo_effect *effect = &bench->effects.items[i];
        if (effect->kind == OCTO_EFFECT_REPLY)
            results[at++] = octo_get_u64(effect->reply.result);
    }
    cr_assert_eq(results[0], 1);
    cr_assert_eq(results[1], 2);
    cr_assert_eq(results[2], 1);
    cr_assert_eq(results[3], 3);
    bench_free(bench);
}

Test(raft_leader, a_full_log_and_full_sessions_refuse_cleanly)
{
    struct bench *bench = bench_new(1, 1);
    struct octo_effect reply;

    bench->config.log_entries_max = 64;
    bench->config.log_keep_entries = 0;
    bench->config.snapshot_entries = 0; /* nothing makes room */
    bench->config.sessions_max = 2;
    bench_boot(bench);
    bench_settle(bench);
    bench_timer(bench);
    bench_settle(bench);
    bench_request(bench, 1, 1, 1);
    bench_request(bench, 2, 1, 1);
    bench_request(bench, 3, 1, 1); /* in the log before the table is full */
    bench_forget(bench);
    bench_settle(bench);
    cr_assert_eq(bench_replied(bench, &reply), 3);
    cr_assert_eq(reply.reply.status, OCTO_ERR_SESSIONS_FULL);
    bench_forget(bench);
    bench_request(bench, 4, 1, 1);
    cr_assert_eq(bench_status(bench), OCTO_ERR_SESSIONS_FULL);

    uint64_t sequence = 1;
    do {
        bench_forget(bench);
        bench_request(bench, 1, ++sequence, 1);
        bench_settle(bench);
        cr_assert_eq(bench_replied(bench, &reply), 1);
    } while (reply.reply.status == OCTO_ERR_OK);
    cr_assert_eq(reply.reply.status, OCTO_ERR_FULL);
    cr_assert_eq(bench_view(bench).last, 60, "four of 64 are kept for no-ops");
    bench_crash(bench);
    bench_timer(bench);
    bench_settle(bench);
    cr_assert_eq(bench_view(bench).commit, 61, "so that the next leader can commit");
    bench_free(bench);
}

Test(raft_leader, applies_a_page_at_a_time)
{
    struct bench *bench = bench_new(1, 3);
    struct octo_event timer = {.kind = OCTO_EVENT_TIMER};

    bench->config.apply_max = 4;
    bench_boot(bench);
    bench_settle(bench);
    bench_append(bench,
                 &(struct bench_append){.from = 2, .term = 1, .commit = 10, .terms = "1111111111"});
    for (octo_index applied = 4; applied < 10; applied += 4) { /* B26 */
        cr_assert_eq(bench_view(bench).commit, 10);
        cr_assert_eq(bench_view(bench).applied, applied);
        cr_assert_eq(bench->deadline, bench->now, "it wants to go on at once");
        bench_step(bench, &timer);
    }
    cr_assert_eq(bench_view(bench).applied, 10);
    cr_assert_gt(bench->deadline, bench->now);
    cr_assert_eq(bench_traced(bench, OCTO_TRACE_APPLY), 10);
    bench_free(bench);
}

/* ---- The node ------------------------------------------------------------------------------ */

Test(node, halts_once_and_then_ignores_everything)
{
    struct bench *bench = bench_new(1, 3);

    bench->format = false; /* nobody ever made this directory a node's */
    bench_boot(bench);
    bench_settle(bench);
    cr_assert_eq(bench_view(bench).role, OCTO_ROLE_HALTED);
    cr_assert_eq(bench_traced(bench, OCTO_TRACE_HALT), 1);
    cr_assert_eq(bench->all[bench->all_count - 1].kind, OCTO_EFFECT_HALT);
    cr_assert_eq(bench->all[bench->all_count - 1].halt.reason, OCTO_ERR_UNFORMATTED);
    cr_assert_eq(bench->deadline, OCTO_NEVER);
    bench_forget(bench);
    bench_request(bench, 7, 1, 1);
    bench_vote_request(bench, 2, 1, 0, 0);
    bench_timer(bench);
    cr_assert_eq(bench->all_count, 0);
    bench_free(bench);
}

Test(node, says_how_much_memory_it_needs)
{
    struct octo_config config;
    struct octo_node *node = NULL;

    octo_config_small(&config, 1, 1, 3, 100);
    const size_t size = octo_node_bytes(&config);
    void *block = aligned_alloc(64, size);
    cr_assert_eq(size % 64, 0);
    cr_assert_eq(octo_node_init(block, size - 1, &config, &node), OCTO_ERR_FULL);
    cr_assert_null(node);
    cr_assert_eq(octo_node_init(block, size, &config, &node), OCTO_ERR_OK);
    cr_assert_eq((void *)node, block);
    config.node_id = 4;
    cr_assert_eq(octo_node_init(block, size, &config, &node), OCTO_ERR_RANGE);
    config.node_id = 1;
    config.apply_max = 1 << 24; /* the effects of a step would not fit 32 bits */
    cr_assert_eq(octo_node_init(block, size, &config, &node), OCTO_ERR_RANGE);
    free(block);
}

/* The allocator poisons what is free; a copy of the whole block reads and writes that too. */
__attribute__((no_sanitize("address"))) static void block_copy(void *to, const void *from,
                                                               size_t size)
{
    volatile uint64_t *out = to;
    const volatile uint64_t *in = from;

    for (size_t i = 0; i < size / sizeof *out; i++)
        out[i] = in[i];
}

/* A node that is copied aside, changed and put back goes on as if nothing had been (K1, K2). */
Test(node, can_be_copied_aside_and_put_back)
{
    struct bench *bench = bench_open(1, 3);
    const size_t size = octo_node_bytes(&bench->config);
    struct octo_effects first;
    struct octo_event event = {.kind = OCTO_EVENT_TIMER};

    bench_lead(bench);
    struct octo_node *node = bench->node;
    uint8_t *copy = malloc(size);
    block_copy(copy, bench->block, size);
    event.now = bench->now + 40 * OCTO_MS;
    octo_node_step(node, &event, &bench->effects);
    first = bench->effects;
    cr_assert_gt(first.count, 0);
    struct octo_effect *items = malloc(first.count * sizeof *items);
    uint8_t *bytes = malloc(first.bytes_used);
    memcpy(items, first.items, first.count * sizeof *items);
    memcpy(bytes, first.bytes, first.bytes_used);

    block_copy(bench->block, copy, size);
    octo_node_step(node, &event, &bench->effects);
    cr_assert_eq(bench->effects.count, first.count);
    cr_assert_eq(bench->effects.bytes_used, first.bytes_used);
    cr_assert_eq(memcmp(items, bench->effects.items, first.count * sizeof *items), 0);
    cr_assert_eq(memcmp(bytes, bench->effects.bytes, first.bytes_used), 0);
    free(copy);
    free(items);
    free(bytes);
    bench_free(bench);
}
