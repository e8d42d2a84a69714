/* The checks of the end: what clients were told, the replay of the committed sequence, convergence;
 * and what is of no single step: replies, verdicts, memory. */
#include "oracle_rig.h"

#include <stdio.h>

/* A machine like the nodes', to know the digest that they should have. */
static struct octo_machine_context machine;
static _Alignas(64) uint8_t region[65536];

static void begin_unjudged(uint32_t unjudged)
{
    rig_open_unjudged(3, unjudged);
    cr_assert(rig_elect(1, 1, N(2) | N(3)));
    rig_append(1, 1, 1, NULL);
    machine.allocator = octo_allocator_init(region, sizeof region);
    cr_assert_eq(octo_machine_kv.init(&machine), OCTO_ERR_OK);
}

static void begin(void)
{
    begin_unjudged(0);
}

static struct octo_buffer encode(enum octo_kv_op op, const char *key, const char *value,
                                 const char *expected)
{
    static uint8_t bytes[64];
    struct octo_buffer out = {.bytes = bytes, .capacity = sizeof bytes};
    const struct octo_kv_command command = {
        .op = op,
        .key = (const uint8_t *)key,
        .key_size = (uint32_t)strlen(key),
        .value = (const uint8_t *)value,
        .value_size = (uint32_t)strlen(value),
        .expected = (const uint8_t *)expected,
        .expected_size = (uint32_t)strlen(expected),
    };
    cr_assert_eq(octo_kv_encode(&command, &out), OCTO_ERR_OK);
    return out;
}

/* A client asks; returns the number of the operation. */
static uint32_t ask(octo_client_id client, uint64_t sequence, struct octo_buffer command)
{
    cr_assert(octo_oracles_invoke(rig.oracles, rig.operations, ++rig.event, client, sequence,
                                  command.bytes, command.size));
    return rig.operations++;
}

static void told(uint32_t operation, enum octo_kv_status status, const char *value)
{
    uint8_t result[64];

    result[0] = (uint8_t)status;
    memcpy(result + 1, value, strlen(value));
    cr_assert(octo_oracles_returned(rig.oracles, operation, ++rig.event, result,
                                    1 + (uint32_t)strlen(value)));
}

/* Puts a command into n1's log; the machine takes it `times` times. */
static void commit(octo_client_id client, uint64_t sequence, struct octo_buffer command,
                   uint32_t times)
{
    uint8_t bytes[64];
    const struct octo_entry entry = {
        .index = rig.nodes[1].view.last + 1,
        .term = 1,
        .kind = OCTO_ENTRY_COMMAND,
        .client = client,
        .sequence = sequence,
        .command = command.bytes,
        .size = command.size,
    };
    rig_put(1, &entry);
    for (; times > 0; times--) {
        struct octo_buffer result = {.bytes = bytes, .capacity = sizeof bytes};
        octo_machine_kv.apply(&machine, command.bytes, command.size, &result);
    }
}

/* Everybody has the log, applied; the oracles judge. */
static bool end(void)
{
    const struct octo_node *nodes[3];
    const octo_index last = rig.nodes[1].view.last;

    cr_assert(rig_step(1));
    rig_store(1);
    cr_assert(rig_replicate(1, 2, last));
    cr_assert(rig_replicate(1, 3, last));
    rig_commit(1, last);
    cr_assert(rig_step(1));
    for (octo_node_id id = 2; id <= 3; id++) {
        rig_commit(id, last);
        cr_assert(rig_step_append(id, 1, last, 0), "%s", octo_oracles_verdict(rig.oracles)->why);
    }
    for (octo_node_id id = 1; id <= 3; id++) {
        rig.nodes[id].digest = octo_machine_kv.digest(&machine);
        nodes[id - 1] = &rig.nodes[id];
    }
    return octo_oracles_finish(rig.oracles, ++rig.event, nodes, &rig.images);
}

static void holds(void)
{
    cr_assert(end(), "%s", octo_oracles_verdict(rig.oracles)->why);
    cr_assert_not(octo_oracles_verdict(rig.oracles)->undecided);
    rig_close();
}

/* ---- What clients were told --------------------------------------------------------------------
 */

static struct octo_buffer set(const char *key, const char *value)
{
    return encode(OCTO_KV_SET, key, value, "");
}

static struct octo_buffer get(const char *key)
{
    return encode(OCTO_KV_GET, key, "", "");
}

Test(oracles_end, right_is_right)
{
    begin();
    const uint32_t write = ask(5, 1, set("a", "1"));
    const uint32_t lost = ask(6, 1, set("b", "2"));
    const uint32_t unknown = ask(8, 1, encode(OCTO_KV_APPEND, "a", "x", ""));
    commit(5, 1, set("a", "1"), 1);
    commit(8, 1, encode(OCTO_KV_APPEND, "a", "x", ""), 1);
    told(write, OCTO_KV_OK, "");
    cr_assert(octo_oracles_failed(rig.oracles, lost, ++rig.event));
    const uint32_t read = ask(5, 2, get("a"));
    commit(5, 2, get("a"), 1);
    commit(5, 1, set("a", "1"), 0); /* a retry that came late */
    told(read, OCTO_KV_OK, "1x");
    const uint32_t nonsense = ask(5, 3, (struct octo_buffer){.bytes = (uint8_t *)"??", .size = 2});
    commit(5, 3, (struct octo_buffer){.bytes = (uint8_t *)"??", .size = 2}, 1);
    told(nonsense, OCTO_KV_MALFORMED, "");
    (void)unknown;
    holds();
}

Test(oracles_end, acknowledged_and_not_committed)
{
    begin();
    told(ask(5, 1, set("a", "1")), OCTO_KV_OK, "");
    cr_assert_not(end());
    rig_broke(NO_LOST_WRITE);
}

Test(oracles_end, committed_and_never_asked)
{
    begin();
    commit(5, 1, set("a", "1"), 1);
    cr_assert_not(end());
    rig_broke(NO_LOST_WRITE);

    begin();
    ask(5, 1, set("a", "2"));
    commit(5, 1, set("a", "1"), 1);
    cr_assert_not(end());
    rig_broke(NO_LOST_WRITE);
}

Test(oracles_end, refused_for_good_and_committed)
{
    begin();
    const uint32_t operation = ask(5, 1, set("a", "1"));
    cr_assert(octo_oracles_failed(rig.oracles, operation, ++rig.event));
    commit(5, 1, set("a", "1"), 1);
    cr_assert_not(end());
    rig_broke(NO_LOST_WRITE);
}

Test(oracles_end, told_another_result)
{
    begin();
    const uint32_t operation = ask(5, 1, set("a", "1"));
    commit(5, 1, set("a", "1"), 1);
    told(operation, OCTO_KV_TOO_LARGE, ""); /* a lie that no register contradicts */
    cr_assert_not(end());
    rig_broke(NO_LOST_WRITE);
}

Test(oracles_end, a_stale_read)
{
    begin();
    uint32_t operation = ask(5, 1, set("a", "1"));
    commit(5, 1, set("a", "1"), 1);
    told(operation, OCTO_KV_OK, "");
    operation = ask(5, 2, get("a"));
    commit(5, 2, get("a"), 1);
    told(operation, OCTO_KV_MISSING, "");
    cr_assert_not(end());
    rig_broke(LINEARIZABLE);
}

/* Two keys, each fine by itself; the commit order is against real time. */
Test(oracles_end, committed_after_the_answer)
{
    begin();
    told(ask(5, 1, set("a", "1")), OCTO_KV_OK, "");
    ask(6, 1, set("b", "1"));
    commit(6, 1, set("b", "1"), 1);
    commit(5, 1, set("a", "1"), 1);
    cr_assert_not(end());
    rig_broke(LINEARIZABLE);
}

/* ---- Once --------------------------------------------------------------------------------------
 */

static struct octo_buffer append(const char *value)
{
    return encode(OCTO_KV_APPEND, "a", value, "");
}

Test(oracles_end, a_repeated_command_takes_effect_once)
{
    begin();
    ask(5, 1, append("x"));
    commit(5, 1, append("x"), 1);
    commit(5, 1, append("x"), 0);
    holds();
}

Test(oracles_end, a_state_in_which_it_took_effect_twice)
{
    begin();
    ask(5, 1, append("x"));
    commit(5, 1, append("x"), 1);
    commit(5, 1, append("x"), 1);
    cr_assert_not(end());
    rig_broke(EXACTLY_ONCE);
}

Test(oracles_end, told_the_result_of_the_second_time)
{
    begin();
    ask(6, 1, set("a", "1"));
    const uint32_t operation = ask(5, 1, encode(OCTO_KV_CAS, "a", "2", "1"));
    commit(6, 1, set("a", "1"), 1);
    commit(5, 1, encode(OCTO_KV_CAS, "a", "2", "1"), 1);
    commit(5, 1, encode(OCTO_KV_CAS, "a", "2", "1"), 1);
    told(operation, OCTO_KV_DIFFERENT, "");
    cr_assert_not(end());
    rig_broke(EXACTLY_ONCE);
}

/* Four sessions fit; the fifth client's command has no effect. */
Test(oracles_end, no_room_for_another_session)
{
    begin();
    for (octo_client_id client = 1; client <= 5; client++) {
        const uint32_t operation = ask(client, 1, append("x"));
        commit(client, 1, append("x"), client <= 4);
        if (client == 5)
            cr_assert(octo_oracles_failed(rig.oracles, operation, ++rig.event));
    }
    holds();

    begin();
    for (octo_client_id client = 1; client <= 5; client++) {
        ask(client, 1, append("x"));
        commit(client, 1, append("x"), 1);
    }
    cr_assert_not(end());
    rig_broke(CONVERGENCE);
}

/* ---- Snapshots ---------------------------------------------------------------------------------
 */

/* n1 saves what the machine is now, as of its last entry, or something else. */
static void save(bool right)
{
    static uint8_t state[4096];
    struct octo_node *node = &rig.nodes[1];
    const struct octo_entry *entry = &node->entries[node->view.last];
    struct octo_buffer out = {.bytes = state, .capacity = sizeof state};
    uint64_t cursor = 0;

    cr_assert(rig_step(1));
    rig_store(1);
    cr_assert(rig_replicate(1, 2, entry->index));
    rig_commit(1, entry->index);
    cr_assert(rig_step(1));
    cr_assert(octo_machine_kv.snapshot(&machine, &cursor, &out));
    const struct rig_snapshot snapshot = {
        .index = entry->index,
        .term = entry->term,
        .chain = entry->chain,
        .version = octo_machine_kv.version,
        .sessions = state,
        .sessions_bytes = 1,
        .machine = state,
        .machine_bytes = out.size - !right,
        .packed = true,
    };
    const uint64_t size =
        rig_snapshot_put(rig_file(rig.disks, 1, OCTO_FILE_SNAPSHOT)->bytes, &snapshot);
    rig_durable(1, OCTO_FILE_SNAPSHOT, 1, 0, (size + RIG_SECTOR - 1) / RIG_SECTOR);
    node->view.snapshot = entry->index;
    rig_trace(OCTO_TRACE_SNAPSHOT_SAVED, entry->index, entry->term, 1, 0);
    cr_assert(rig_step(1), "%s", octo_oracles_verdict(rig.oracles)->why);
    node->view.base = entry->index; /* and needs the rest no more */
    node->view.base_term = entry->term;
    node->view.base_chain = entry->chain;
    cr_assert(rig_step(1), "%s", octo_oracles_verdict(rig.oracles)->why);
}

Test(oracles_end, a_snapshot_is_the_applied_prefix)
{
    for (uint32_t right = 0; right < 2; right++) {
        begin();
        ask(5, 1, append("x"));
        commit(5, 1, append("x"), 1);
        ask(6, 1, set("b", "some more"));
        commit(6, 1, set("b", "some more"), 1);
        save(right == 1);
        ask(5, 2, append("y"));
        commit(5, 2, append("y"), 1);
        if (right == 1) {
            holds();
            continue;
        }
        cr_assert_not(end());
        rig_broke(SNAPSHOT_EQUALS_PREFIX);
    }
}

/* ---- Convergence -------------------------------------------------------------------------------
 */

static void two_commands(void)
{
    begin();
    ask(5, 1, append("x"));
    commit(5, 1, append("x"), 1);
    ask(5, 2, append("y"));
    commit(5, 2, append("y"), 1);
    cr_assert(end());
}

static bool end_again(const struct octo_node *second)
{
    const struct octo_node *nodes[3] = {&rig.nodes[1], second, &rig.nodes[3]};

    return octo_oracles_finish(rig.oracles, ++rig.event, nodes, &rig.images);
}

Test(oracles_end, a_node_that_does_not_converge)
{
    two_commands();
    struct octo_node other = rig.nodes[2];
    other.view.applied--;
    cr_assert_not(end_again(&other));
    rig_broke(CONVERGENCE);

    two_commands();
    other = rig.nodes[2];
    other.digest++;
    cr_assert_not(end_again(&other));
    rig_broke(CONVERGENCE);

    two_commands();
    other = rig.nodes[2];
    other.entries[2].client++;
    /* One node after the other is read as a whole. */
    cr_assert_not(end_again(&other) && end_again(&other) && end_again(&other));
    rig_broke(CONVERGENCE);

    two_commands();
    cr_assert(end_again(NULL)); /* excused */
    rig_close();
}

Test(oracles_end, without_memory_it_is_undecided)
{
    for (size_t room = 0; room < 40960; room += 512) {
        begin();
        told(ask(5, 1, append("x")), OCTO_KV_OK, "");
        commit(5, 1, append("x"), 1);
        cr_assert(rig_step(1));
        rig_store(1);
        const struct octo_node *nodes[3] = {NULL, NULL, NULL};
        rig.arena.size = rig.arena.used + room;
        cr_assert(octo_oracles_finish(rig.oracles, ++rig.event, nodes, &rig.images));
        cr_assert(octo_oracles_verdict(rig.oracles)->undecided);
        rig_close();
    }
}

/* A world is copied and put back at the same address; what is beyond its high-water mark is
 * scratch. */
Test(oracles_end, a_copied_world_goes_on_as_before)
{
    begin();
    const uint32_t operation = ask(5, 1, append("x"));
    commit(5, 1, append("x"), 1);
    cr_assert(rig_step(1));
    const struct octo_arena arena = rig.arena;
    uint8_t *copy = malloc(arena.used);
    memcpy(copy, arena.base, arena.used);
    told(operation, OCTO_KV_TOO_LARGE, "");
    ask(5, 2, append("y"));
    cr_assert_not(octo_oracles_committed(rig.oracles));
    memset(arena.base, 0x77, RIG_ARENA);
    memcpy(arena.base, copy, arena.used);
    rig.arena = arena;
    rig.operations = operation + 1;
    told(operation, OCTO_KV_OK, "");
    holds();
    free(copy);
}

/* ---- Replies, and the world's own verdicts -----------------------------------------------------
 */

Test(oracles_end, answered_before_it_is_committed)
{
    begin();
    cr_assert(rig_step(1));
    rig_append(1, 2, 1, "two");
    cr_assert(rig_step(1));
    rig_reply(7, 2);
    cr_assert_not(rig_step(1));
    rig_broke(NO_LOST_WRITE);
}

Test(oracles_end, the_first_break_counts)
{
    begin();
    cr_assert(rig_step(1));
    octo_oracles_break(rig.oracles, OCTO_PROPERTY_LIVENESS, rig.event, "no %s", "leader");
    octo_oracles_break(rig.oracles, OCTO_PROPERTY_BOUNDED, 99, "never seen");
    cr_assert_str_eq(octo_oracles_verdict(rig.oracles)->why, "no leader");
    rig.nodes[1].view.commit = 1;
    rig.event--;
    cr_assert_not(rig_step(1));
    rig_broke(LIVENESS);
}

Test(oracles_end, names)
{
    for (int i = 1; i < OCTO_PROPERTY_COUNT; i++) {
        cr_assert_str_neq(octo_property_text((enum octo_property)i), "unknown");
        cr_assert_gt(strlen(octo_property_what((enum octo_property)i)), 10);
    }
    cr_assert_str_eq(octo_property_text(OCTO_PROPERTY_VOTE_ONCE), "vote-once");
    cr_assert_str_eq(octo_property_text(OCTO_PROPERTY_COUNT), "unknown");
}

/* ---- Memory ---------------------------------------------------------------------------------- */

Test(oracles_end, full_memory_is_undecided)
{
    for (size_t room = 64; room < 200000; room += room / 3) {
        rig_open(3);
        rig.arena.size = rig.arena.used + room / 64 * 64;
        bool holds = rig_elect(1, 1, N(2));
        for (octo_index i = 1; i < RIG_LOG && holds; i++) {
            rig_append(1, i, 1, "command");
            holds = rig_step(1);
        }
        cr_assert(holds);
        const struct octo_verdict *verdict = octo_oracles_verdict(rig.oracles);
        cr_assert_eq(verdict->property, OCTO_PROPERTY_NONE);
        if (room < 4096)
            cr_assert(verdict->undecided);
        rig_close();
    }
}

/* What is not judged breaks nothing, and what is judged goes on to be. */
Test(oracles_end, convergence_that_nobody_asked_for)
{
    begin_unjudged(1u << OCTO_PROPERTY_CONVERGENCE);
    ask(5, 1, append("x"));
    commit(5, 1, append("x"), 1);
    struct octo_node other = rig.nodes[2];
    other.digest++;
    cr_assert(end_again(&other));

    const uint32_t operation = ask(6, 1, append("y"));
    told(operation, OCTO_KV_OK, "");
    cr_assert_not(end_again(&other));
    rig_broke(NO_LOST_WRITE);
}
