/* A cluster that only pretends: nodes that show what a test wants, and disks that hold what it
 * says. So each property can be broken by itself. Test code.
 *
 * octo_node_look, octo_node_entry and octo_node_digest are this file's: a node is a view, a log and
 * a digest. A test changes them, adds the effects of a step, and lets the oracles look.
 */
#ifndef OCTO_TESTS_ORACLE_RIG_H
#define OCTO_TESTS_ORACLE_RIG_H

#include "oracle/oracle.h"

#include "image_rig.h"

#include <criterion/criterion.h>

#define RIG_LOG     64u
#define RIG_EFFECTS 64u
#define RIG_BYTES   16384u
#define RIG_ARENA   (8u << 20)

struct octo_node {
    struct octo_node_view view;
    struct octo_entry entries[RIG_LOG]; /* by index */
    uint8_t commands[RIG_LOG][64];
    uint64_t digest;
    octo_index stored; /* on disk */
    octo_sequence sequence;
    uint32_t segment;
    uint64_t generation;
    uint32_t incarnation;
};

static struct {
    struct octo_oracles *oracles;
    struct octo_arena arena;
    struct rig_disks *disks;
    struct octo_images images;
    struct octo_node nodes[RIG_NODES + 1];
    struct octo_effect items[RIG_EFFECTS];
    uint8_t bytes[RIG_BYTES];
    struct octo_effects effects;
    uint64_t event;
    uint32_t node_count;
    uint32_t operations;
} rig;

/* ---- What the oracles see of a node ---------------------------------------------------------- */

void octo_node_look(const struct octo_node *node, struct octo_node_view *view)
{
    *view = node->view;
}

bool octo_node_entry(const struct octo_node *node, octo_index index, struct octo_entry *entry)
{
    if (index <= node->view.base || index > node->view.last)
        return false;
    *entry = node->entries[index];
    return true;
}

uint64_t octo_node_digest(const struct octo_node *node, const struct octo_machine *machine)
{
    (void)machine;
    return node->digest;
}

const char *octo_role_text(enum octo_role role)
{
    return role == OCTO_ROLE_LEADER ? "leader" : "other";
}

/* ---- Effects --------------------------------------------------------------------------------- */

static inline void rig_trace(enum octo_trace_kind kind, uint64_t a, uint64_t b, uint64_t c,
                             uint64_t d)
{
    rig.items[rig.effects.count++] = (struct octo_effect){
        .kind = OCTO_EFFECT_TRACE,
        .trace = {.kind = kind, .words = {a, b, c, d}},
    };
}

static inline void rig_send(struct octo_message message, octo_node_id from, octo_node_id to)
{
    uint8_t *out = rig.bytes + rig.effects.bytes_used;

    message.from = from;
    message.to = to;
    const uint32_t size =
        octo_message_encode(&message, RIG_CLUSTER, out, RIG_BYTES - rig.effects.bytes_used);
    cr_assert_gt(size, 0);
    rig.effects.bytes_used += size;
    rig.items[rig.effects.count++] = (struct octo_effect){
        .kind = OCTO_EFFECT_SEND,
        .send = {.to = to, .bytes = out, .size = size},
    };
}

static inline struct octo_message rig_vote_request(octo_node_id from, octo_term term)
{
    const struct octo_node *node = &rig.nodes[from];
    const octo_index last = node->view.last;

    return (struct octo_message){
        .type = OCTO_MESSAGE_VOTE_REQUEST,
        .from = from,
        .term = term,
        .vote_request = {.last_index = last, .last_term = last == 0 ? 0 : node->entries[last].term},
    };
}

static inline void rig_request_vote(octo_node_id from, octo_node_id to, octo_term term)
{
    rig_send(rig_vote_request(from, term), from, to);
}

static inline void rig_grant(octo_node_id from, octo_node_id to, octo_term term)
{
    rig_send((struct octo_message){.type = OCTO_MESSAGE_VOTE_RESPONSE,
                                   .term = term,
                                   .vote_response = {.granted = 1}},
             from, to);
}

static inline void rig_ack(octo_node_id from, octo_node_id to, octo_term term, octo_index index)
{
    rig_send((struct octo_message){.type = OCTO_MESSAGE_APPEND_RESPONSE,
                                   .term = term,
                                   .append_response = {.granted = 1, .index = index}},
             from, to);
}

static inline void rig_reply(octo_client_id client, uint64_t sequence)
{
    rig.items[rig.effects.count++] = (struct octo_effect){
        .kind = OCTO_EFFECT_REPLY,
        .reply = {.client = client, .sequence = sequence, .status = OCTO_ERR_OK},
    };
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static inline bool rig_step_with(octo_node_id id, const struct octo_event *input)
{
    struct octo_node *node = &rig.nodes[id];

    rig.event++;
    rig.effects.items = rig.items;
    const struct octo_observation seen = {
        .event = rig.event,
        .time = rig.event * OCTO_MS,
        .node_id = id,
        .incarnation = node->incarnation,
        .input = input,
        .effects = &rig.effects,
        .node = node,
    };
    const bool holds = octo_oracles_step(rig.oracles, &seen, &rig.images);
    rig.effects.count = 0;
    rig.effects.bytes_used = 0;
    return holds;
}

/* rig_step lets the oracles look at node after a step with the effects added so far. */
static inline bool rig_step(octo_node_id id)
{
    const struct octo_event timer = {.kind = OCTO_EVENT_TIMER};

    return rig_step_with(id, &timer);
}

/* rig_step_append: the step took an append request that verified up to `prev` and carried `count`.
 */
static inline bool rig_step_append(octo_node_id id, octo_node_id from, octo_index prev,
                                   uint32_t count)
{
    static uint8_t bytes[RIG_BYTES];
    static uint8_t entries[RIG_BYTES / 2];
    struct octo_node *node = &rig.nodes[id];
    uint32_t used = 0;

    for (uint32_t i = 1; i <= count; i++)
        used += octo_entry_encode(&node->entries[prev + i], entries + used, sizeof entries - used);
    const struct octo_message message = {
        .type = OCTO_MESSAGE_APPEND_REQUEST,
        .from = from,
        .to = id,
        .term = node->view.term,
        .append_request = {.prev_index = prev,
                           .prev_term = prev == 0 ? 0 : node->entries[prev].term,
                           .entry_count = count},
        .entries = entries,
        .entries_bytes = used,
    };
    const struct octo_event input = {
        .kind = OCTO_EVENT_MESSAGE,
        .message = {.bytes = bytes,
                    .size = octo_message_encode(&message, RIG_CLUSTER, bytes, sizeof bytes)},
    };
    cr_assert_gt(input.message.size, 0);
    return rig_step_with(id, &input);
}

/* rig_step_vote: the step took a vote request of `from`. */
static inline bool rig_step_vote(octo_node_id id, octo_node_id from, octo_term term)
{
    static uint8_t bytes[128];
    struct octo_message message = rig_vote_request(from, term);

    message.to = id;
    const struct octo_event input = {
        .kind = OCTO_EVENT_MESSAGE,
        .message = {.bytes = bytes,
                    .size = octo_message_encode(&message, RIG_CLUSTER, bytes, sizeof bytes)},
    };
    cr_assert_gt(input.message.size, 0);
    return rig_step_with(id, &input);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

/* rig_put gives node an entry at index (what stood there and after goes), and the traces. */
static inline void rig_put(octo_node_id id, const struct octo_entry *from)
{
    struct octo_node *node = &rig.nodes[id];
    const octo_index index = from->index;
    struct octo_entry *entry = &node->entries[index];

    cr_assert_leq(index, node->view.last + 1);
    cr_assert_leq(from->size, sizeof node->commands[index]);
    if (index <= node->view.last)
        rig_trace(OCTO_TRACE_TRUNCATE, index, node->view.last, node->view.term, 0);
    *entry = *from;
    if (from->size > 0)
        memcpy(node->commands[index], from->command, from->size);
    entry->command = from->size > 0 ? node->commands[index] : NULL;
    entry->chain = octo_entry_chain(index == 1 ? 0 : node->entries[index - 1].chain, entry);
    node->view.last = index;
    node->stored = octo_min_u64(node->stored, index - 1);
    rig_trace(OCTO_TRACE_APPEND, index, index, entry->term, 0);
}

/* rig_append: a no-op, or a command of client 7 whose sequence is its index. */
static inline void rig_append(octo_node_id id, octo_index index, octo_term term,
                              const char *command)
{
    const struct octo_entry entry = {
        .index = index,
        .term = term,
        .kind = command == NULL ? OCTO_ENTRY_NOOP : OCTO_ENTRY_COMMAND,
        .client = command == NULL ? 0 : 7,
        .sequence = command == NULL ? 0 : index,
        .command = (const uint8_t *)command,
        .size = command == NULL ? 0 : (uint32_t)strlen(command),
    };
    rig_put(id, &entry);
}

static inline void rig_durable(octo_node_id id, uint8_t kind, uint32_t number, uint64_t first,
                               uint64_t count)
{
    struct rig_file *file = rig_file_at(rig.disks, id, kind, number);

    for (uint64_t i = first; i < first + count; i++)
        file->durable[i] = true;
    octo_oracles_durable(rig.oracles, id, (struct octo_file){kind, number}, first * RIG_SECTOR,
                         count * RIG_SECTOR, &rig.images);
}

/* rig_gone takes a file away. */
static inline void rig_gone(octo_node_id id, uint8_t kind, uint32_t number)
{
    struct rig_file *file = rig_file_at(rig.disks, id, kind, number);

    memset(file, 0, sizeof *file);
    octo_oracles_durable(rig.oracles, id, (struct octo_file){kind, number}, 0,
                         RIG_FILE_SECTORS * RIG_SECTOR, &rig.images);
}

/* rig_write appends a record, as a batch of its own, to the node's present segment. */
static inline void rig_write(octo_node_id id, uint8_t kind, const struct rig_record *record)
{
    const uint32_t segment = rig.nodes[id].segment;
    struct rig_file *file = rig_file_at(rig.disks, id, kind, segment);
    const uint64_t first = file->end / RIG_SECTOR;

    file->end = octo_align_up(
        file->end + rig_record_put(file->bytes, id, segment, file->end, record), RIG_SECTOR);
    cr_assert_lt(file->end, sizeof file->bytes);
    rig_durable(id, kind, segment, first, file->end / RIG_SECTOR - first);
}

static inline void rig_write_both(octo_node_id id, const struct rig_record *record)
{
    rig_write(id, OCTO_FILE_MAIN, record);
    rig_write(id, OCTO_FILE_RECOVERY, record);
}

/* rig_place_record: a record that is no entry, about the end of what is stored. */
static inline struct rig_record rig_place_record(octo_node_id id, uint8_t type)
{
    const struct octo_node *node = &rig.nodes[id];
    const bool base = node->stored == node->view.base;

    return (struct rig_record){
        .type = type,
        .sequence = node->sequence,
        .chain = base ? node->view.base_chain : node->entries[node->stored].chain,
        .entry = {.index = node->stored,
                  .term = base ? node->view.base_term : node->entries[node->stored].term},
    };
}

/* rig_store makes the log of node durable in the topics that `topics` says (1: main, 2: recovery),
 * with a marker if `mark`. */
static inline void rig_store_in(octo_node_id id, uint32_t topics, bool mark)
{
    struct octo_node *node = &rig.nodes[id];
    struct rig_record record = {.type = 1};

    while (node->stored < node->view.last) {
        node->stored++;
        node->sequence++;
        record.sequence = node->sequence;
        record.entry = node->entries[node->stored];
        record.chain = node->stored == 1 ? 0 : node->entries[node->stored - 1].chain;
        for (uint32_t i = 0; i < 2; i++) {
            if ((topics >> i & 1) != 0)
                rig_write(id, i == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY, &record);
        }
    }
    if (!mark)
        return;
    record = rig_place_record(id, 2);
    record.entry.client = node->view.floor_term;
    record.entry.sequence = node->view.floor_index;
    rig_write_both(id, &record);
}

static inline void rig_store(octo_node_id id)
{
    rig_store_in(id, 3, true);
}

/* rig_vote sets term and vote of node, durably. */
static inline void rig_vote(octo_node_id id, octo_term term, octo_node_id vote)
{
    struct octo_node *node = &rig.nodes[id];
    const struct octo_file file = {.kind = OCTO_FILE_VOTE};
    const uint32_t slot = 2 * (uint32_t)(++node->generation % 2);

    rig_vote_put(rig.disks, id, slot, node->generation, term, vote);
    rig_vote_put(rig.disks, id, slot + 1, node->generation, term, vote);
    octo_oracles_durable(rig.oracles, id, file, slot * RIG_SECTOR, 2 * RIG_SECTOR, &rig.images);
    node->view.term = term;
    node->view.vote = vote;
}

/* rig_boot starts node with the log that it has; it is READY after one step more. */
static inline bool rig_boot(octo_node_id id)
{
    const struct octo_event boot = {.kind = OCTO_EVENT_BOOT};
    struct octo_node *node = &rig.nodes[id];

    node->incarnation++;
    node->view.role = OCTO_ROLE_STARTING;
    node->view.commit = node->view.snapshot;
    node->view.applied = node->view.snapshot;
    if (!rig_step_with(id, &boot))
        return false;
    node->view.role = OCTO_ROLE_FOLLOWER;
    rig_trace(OCTO_TRACE_READY, node->view.term, node->view.vote, node->view.last, 0);
    return rig_step(id);
}

static inline bool rig_crash(octo_node_id id)
{
    rig.event++;
    return octo_oracles_crash(rig.oracles, id, rig.event, true, false, &rig.images);
}

/* rig_kill ends the process and nothing else. */
static inline bool rig_kill(octo_node_id id)
{
    rig.event++;
    return octo_oracles_crash(rig.oracles, id, rig.event, false, false, &rig.images);
}

/* rig_elect makes leader win term with the votes of the nodes in the set `voters`, and its own. */
#define N(id) (1u << (id))

static inline bool rig_elect(octo_node_id leader, octo_term term, uint32_t voters)
{
    bool holds = true;

    rig_vote(leader, term, leader);
    rig.nodes[leader].view.role = OCTO_ROLE_CANDIDATE;
    for (octo_node_id id = 1; id <= rig.node_count; id++) {
        if (id != leader)
            rig_request_vote(leader, id, term);
    }
    holds = rig_step(leader) && holds;
    for (octo_node_id id = 1; id <= rig.node_count; id++) {
        if (id == leader || (voters & N(id)) == 0)
            continue;
        rig.nodes[id].view.role = OCTO_ROLE_FOLLOWER;
        rig_vote(id, term, leader);
        rig_grant(id, leader, term);
        holds = rig_step(id) && holds;
    }
    rig.nodes[leader].view.role = OCTO_ROLE_LEADER;
    return rig_step(leader) && holds;
}

/* rig_commit raises commit and applied of node, with the traces. */
static inline void rig_commit(octo_node_id id, octo_index commit)
{
    struct octo_node *node = &rig.nodes[id];

    rig_trace(OCTO_TRACE_COMMIT, node->view.commit, commit, node->view.term, 0);
    while (node->view.applied < commit) {
        const struct octo_entry *entry = &node->entries[++node->view.applied];
        rig_trace(OCTO_TRACE_APPLY, entry->index, entry->term, entry->client, entry->sequence);
    }
    node->view.commit = commit;
}

/* rig_replicate: node `to` has the leader's log up to `last`, durable, and acknowledges it. */
static inline bool rig_replicate(octo_node_id leader, octo_node_id to, octo_index last)
{
    struct octo_node *node = &rig.nodes[to];
    const octo_term term = rig.nodes[leader].view.term;

    if (node->view.term < term)
        rig_vote(to, term, 0);
    octo_index prev = octo_min_u64(node->view.last, last);
    while (prev > 0 && node->entries[prev].chain != rig.nodes[leader].entries[prev].chain)
        prev--;
    for (octo_index index = prev + 1; index <= last; index++)
        rig_put(to, &rig.nodes[leader].entries[index]);
    if (!rig_step_append(to, leader, prev, (uint32_t)(last - prev)))
        return false;
    rig_store(to);
    rig_trace(OCTO_TRACE_DURABLE, last, 0, 0, 0);
    rig_ack(to, leader, term, last);
    return rig_step(to);
}

/* rig_commit_with: the leader stores what it has appended, up to `last`, and commits up to `commit`
 * with `follower`, which has no more than that. */
static inline void rig_commit_with(octo_node_id leader, octo_index last, octo_node_id follower,
                                   octo_index commit)
{
    cr_assert(rig_step(leader));
    rig_store(leader);
    rig_trace(OCTO_TRACE_DURABLE, last, 0, 0, 0);
    cr_assert(rig_step(leader));
    cr_assert(rig_replicate(leader, follower, commit));
    rig_commit(leader, commit);
    cr_assert(rig_step(leader), "%s", octo_oracles_verdict(rig.oracles)->why);
}

/* rig_open_unjudged makes a cluster of node_count new nodes, all READY; some properties, as bits,
 * are not judged. rig_open: all are. */
static inline void rig_open_unjudged(uint32_t node_count, uint32_t unjudged)
{
    const struct octo_oracles_config config = {
        .cluster_id = RIG_CLUSTER,
        .node_count = node_count,
        .sector_bytes = RIG_SECTOR,
        .log_entries_max = RIG_LOG,
        .operations_max = 100,
        .machine = &octo_machine_kv,
        .machine_memory_bytes = 65536,
        .sessions_max = 4,
        .result_bytes_max = 128,
        .unjudged = unjudged,
    };
    memset(&rig, 0, sizeof rig);
    octo_arena_init(&rig.arena, aligned_alloc(64, RIG_ARENA), RIG_ARENA);
    memset(rig.arena.base, 0x5a, RIG_ARENA);
    rig.disks = calloc(1, sizeof *rig.disks);
    rig.images = rig_images(rig.disks);
    rig.node_count = node_count;
    rig.oracles = octo_oracles_create(&rig.arena, &config);
    cr_assert_not_null(rig.oracles);
    for (octo_node_id id = 1; id <= node_count; id++) {
        rig.nodes[id].segment = OCTO_SEGMENT_FIRST;
        rig_vote(id, 0, 0);
        rig_vote(id, 0, 0);
        cr_assert(rig_boot(id));
    }
}

static inline void rig_open(uint32_t node_count)
{
    rig_open_unjudged(node_count, 0);
}

static inline void rig_close(void)
{
    free(rig.arena.base);
    free(rig.disks);
}

/* rig_broke asserts which property broke first. */
#define rig_broke(which)                                                         \
    do {                                                                         \
        const struct octo_verdict *verdict_ = octo_oracles_verdict(rig.oracles); \
        cr_assert_eq(verdict_->property, OCTO_PROPERTY_##which, "broke %s: %s",  \
                     octo_property_text(verdict_->property), verdict_->why);     \
        cr_assert_eq(verdict_->event, rig.event);                                \
        cr_assert_neq(verdict_->why[0], '\0');                                   \
        cr_assert_null(strchr(verdict_->why, '\n'));                             \
        rig_close();                                                             \
    } while (0)

#endif
