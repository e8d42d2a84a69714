/* One node on the bench: the test plays its peers, its clients and the hand that completes its disk
 * operations, and reads what it sends. */
#ifndef OCTO_TESTS_RAFT_BENCH_H
#define OCTO_TESTS_RAFT_BENCH_H

#include "kernel/kernel.h"
#include "tests/unit/node_disk.h"
#include "tests/unit/raft_machine.h"

#define BENCH_CLUSTER 99u
#define BENCH_EFFECTS 4096u
#define BENCH_BYTES   (1u << 20)

struct bench_sent {
    struct octo_message message; /* entries point into the bench */
    octo_node_id to;
};

struct bench {
    struct octo_config config;
    void *block;
    struct octo_node *node;
    struct octo_effects effects; /* of the last step */
    struct node_disk *disk;
    octo_time_ns now;
    octo_time_ns deadline;
    bool format;
    struct octo_effect all[BENCH_EFFECTS]; /* since bench_forget, in order */
    uint32_t all_count;
    uint8_t bytes[BENCH_BYTES]; /* what was sent and answered, copied */
    uint32_t bytes_used;
};

static inline struct bench *bench_new(octo_node_id id, uint32_t count)
{
    struct bench *bench = calloc(1, sizeof *bench);

    octo_config_small(&bench->config, BENCH_CLUSTER, id, count, 100);
    bench->config.result_bytes_max = 16;
    bench->disk = node_disk_make(1);
    node_disk_complaint = NULL;
    bench->now = OCTO_SECOND;
    bench->format = true;
    return bench;
}

static inline void bench_free(struct bench *bench)
{
    node_disk_free(bench->disk);
    free(bench->block);
    free(bench->effects.items);
    free(bench->effects.bytes);
    free(bench);
}

/* ---- Steps --------------------------------------------------------------------------------- */

static inline const uint8_t *bench_keep(struct bench *bench, const uint8_t *bytes, uint32_t size)
{
    uint8_t *at = bench->bytes + bench->bytes_used;

    if (bench->bytes_used + size > BENCH_BYTES)
        abort();
    if (size > 0)
        memcpy(at, bytes, size);
    bench->bytes_used += size;
    return at;
}

static inline void bench_take(struct bench *bench, const struct octo_effect *effect)
{
    if (bench->all_count == BENCH_EFFECTS)
        abort();
    struct octo_effect *kept = &bench->all[bench->all_count++];
    *kept = *effect;
    if (effect->kind == OCTO_EFFECT_SEND)
        kept->send.bytes = bench_keep(bench, effect->send.bytes, effect->send.size);
    if (effect->kind == OCTO_EFFECT_REPLY)
        kept->reply.result = bench_keep(bench, effect->reply.result, effect->reply.size);
    if (effect->kind == OCTO_EFFECT_DISK)
        node_disk_submit(bench->disk, &effect->disk);
}

static inline void bench_step(struct bench *bench, struct octo_event *event)
{
    event->now = bench->now;
    octo_node_step(bench->node, event, &bench->effects);
    octo_node_check(bench->node);
    for (uint32_t i = 0; i < bench->effects.count; i++)
        bench_take(bench, &bench->effects.items[i]);
    bench->deadline = bench->effects.deadline;
    if (node_disk_complaint != NULL)
        abort();
}

/* bench_forget empties the record of effects. */
static inline void bench_forget(struct bench *bench)
{
    bench->all_count = 0;
    bench->bytes_used = 0;
}

/* bench_disk completes the oldest operation on a file of this kind; false if there is none. */
static inline bool bench_disk(struct bench *bench, enum octo_file_kind kind)
{
    for (uint32_t i = 0; i < bench->disk->op_count; i++) {
        if (bench->disk->ops[i].op.file.kind != kind)
            continue;
        struct octo_event event;
        node_disk_complete(bench->disk, i, &event);
        bench_step(bench, &event);
        return true;
    }
    return false;
}

/* bench_settle completes operations until none is left. */
static inline void bench_settle(struct bench *bench)
{
    while (bench->disk->op_count > 0) {
        struct octo_event event;
        node_disk_complete(bench->disk, 0, &event);
        bench_step(bench, &event);
    }
}

/* bench_boot begins an incarnation on whatever the disk holds; what was in memory is gone. */
static inline void bench_boot(struct bench *bench)
{
    const size_t size = octo_node_bytes(&bench->config);
    uint32_t items;
    uint32_t bytes;

    octo_effects_limits(&bench->config, &items, &bytes);
    free(bench->block);
    free(bench->effects.items);
    free(bench->effects.bytes);
    bench->block = aligned_alloc(64, size);
    memset(bench->block, 0xa5, size);
    bench->effects = (struct octo_effects){.items = malloc(items * sizeof(struct octo_effect)),
                                           .capacity = items,
                                           .bytes = malloc(bytes),
                                           .bytes_capacity = bytes,
                                           .machine = &raft_machine};
    if (octo_node_init(bench->block, size, &bench->config, &bench->node) != OCTO_ERR_OK)
        abort();
    struct octo_event event = {.kind = OCTO_EVENT_BOOT};
    event.boot.seed = 1;
    event.boot.format = bench->format;
    bench->format = false;
    bench_step(bench, &event);
}

static inline void bench_crash(struct bench *bench)
{
    node_disk_power_loss(bench->disk, NODE_DISK_KEEPS_NONE);
    bench_boot(bench);
    bench_settle(bench);
    bench_forget(bench);
}

/* bench_open is a formatted follower of node_count, at rest. */
static inline struct bench *bench_open(octo_node_id id, uint32_t count)
{
    struct bench *bench = bench_new(id, count);

    bench_boot(bench);
    bench_settle(bench);
    bench_forget(bench);
    return bench;
}

static inline void bench_timer(struct bench *bench)
{
    struct octo_event event = {.kind = OCTO_EVENT_TIMER};

    bench->now = octo_max_u64(bench->now, bench->deadline);
    bench_step(bench, &event);
}

static inline struct octo_node_view bench_view(const struct bench *bench)
{
    struct octo_node_view view;

    octo_node_look(bench->node, &view);
    return view;
}

static inline uint32_t bench_mark(const struct bench *bench, enum octo_mark mark)
{
    return octo_node_marks(bench->node)[mark];
}

/* ---- What it is told ----------------------------------------------------------------------- */

static inline void bench_bytes(struct bench *bench, const uint8_t *bytes, uint32_t size)
{
    struct octo_event event = {.kind = OCTO_EVENT_MESSAGE};

    event.message.bytes = bytes;
    event.message.size = size;
    bench_step(bench, &event);
}

static inline void bench_tell(struct bench *bench, struct octo_message message)
{
    uint8_t bytes[16384];

    message.to = bench->config.node_id;
    const uint32_t size = octo_message_encode(&message, BENCH_CLUSTER, bytes, sizeof bytes);
    if (size == 0)
        abort();
    bench_bytes(bench, bytes, size);
}

static inline void bench_pre_vote_request(struct bench *bench, octo_node_id from, octo_term term,
                                          octo_index last_index, octo_term last_term)
{
    bench_tell(bench, (struct octo_message){
                          .type = OCTO_MESSAGE_PRE_VOTE_REQUEST,
                          .from = from,
                          .term = term,
                          .pre_vote_request = {.last_index = last_index, .last_term = last_term}});
}

static inline void bench_pre_vote(struct bench *bench, octo_node_id from, octo_term term,
                                  bool granted)
{
    bench_tell(bench, (struct octo_message){.type = OCTO_MESSAGE_PRE_VOTE_RESPONSE,
                                            .from = from,
                                            .term = term,
                                            .pre_vote_response = {.granted = granted}});
}

static inline void bench_vote_request(struct bench *bench, octo_node_id from, octo_term term,
                                      octo_index last_index, octo_term last_term)
{
    bench_tell(bench, (struct octo_message){
                          .type = OCTO_MESSAGE_VOTE_REQUEST,
                          .from = from,
                          .term = term,
                          .vote_request = {.last_index = last_index, .last_term = last_term}});
}

static inline void bench_vote(struct bench *bench, octo_node_id from, octo_term term, bool granted)
{
    bench_tell(bench, (struct octo_message){.type = OCTO_MESSAGE_VOTE_RESPONSE,
                                            .from = from,
                                            .term = term,
                                            .vote_response = {.granted = granted}});
}

/* An append request with entries of the given terms ("123": three entries), all commands of session
 * 7, whose sequence is their index. */
struct bench_append {
    octo_node_id from;
    octo_term term;
    octo_index prev_index;
    octo_term prev_term;
    octo_index commit;
    const char *terms;
};

static inline void bench_append(struct bench *bench, const struct bench_append *append)
{
    uint8_t entries[8192];
    const uint32_t count = append->terms == NULL ? 0 : (uint32_t)strlen(append->terms);
    struct octo_message message = {.type = OCTO_MESSAGE_APPEND_REQUEST,
                                   .from = append->from,
                                   .term = append->term,
                                   .append_request = {.prev_index = append->prev_index,
                                                      .prev_term = append->prev_term,
                                                      .commit = append->commit,
                                                      .round = 1,
                                                      .entry_count = count},
                                   .entries = entries};

    for (uint32_t i = 0; i < count; i++) {
        const struct octo_entry entry = {.term = (octo_term)(append->terms[i] - '0'),
                                         .kind = OCTO_ENTRY_COMMAND,
                                         .client = 7,
                                         .sequence = append->prev_index + i + 1,
                                         .command = (const uint8_t *)"command",
                                         .size = 7};
        message.entries_bytes += octo_entry_encode(&entry, entries + message.entries_bytes,
                                                   sizeof entries - message.entries_bytes);
    }
    bench_tell(bench, message);
}

static inline void bench_answer(struct bench *bench, octo_node_id from, octo_term term,
                                struct octo_append_response response)
{
    bench_tell(bench, (struct octo_message){.type = OCTO_MESSAGE_APPEND_RESPONSE,
                                            .from = from,
                                            .term = term,
                                            .append_response = response});
}

/* An acknowledgement: all up to index is durable at `from`. */
static inline void bench_ack(struct bench *bench, octo_node_id from, octo_term term,
                             octo_index index)
{
    bench_answer(bench, from, term,
                 (struct octo_append_response){.granted = 1, .index = index, .hint_index = index});
}

static inline void bench_request(struct bench *bench, octo_client_id client, uint64_t sequence,
                                 uint32_t size)
{
    static const uint8_t command[65536];
    struct octo_event event = {.kind = OCTO_EVENT_REQUEST};

    event.request.client = client;
    event.request.sequence = sequence;
    event.request.command = command;
    event.request.size = size;
    bench_step(bench, &event);
}

/* ---- What it said -------------------------------------------------------------------------- */

/* bench_sent gives the last message of a type that was sent to a node since bench_forget (to 0: to
 * anybody) and returns how many there were. */
static inline uint32_t bench_sent(const struct bench *bench, enum octo_message_type type,
                                  octo_node_id to, struct octo_message *message)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < bench->all_count; i++) {
        const struct octo_effect *effect = &bench->all[i];
        struct octo_message decoded;
        if (effect->kind != OCTO_EFFECT_SEND || (to != 0 && effect->send.to != to))
            continue;
        if (octo_message_decode(effect->send.bytes, effect->send.size, BENCH_CLUSTER, &decoded) !=
            OCTO_ERR_OK)
            abort();
        if (decoded.type != type)
            continue;
        *message = decoded;
        count++;
    }
    return count;
}

static inline uint32_t bench_count(const struct bench *bench, enum octo_message_type type,
                                   octo_node_id to)
{
    struct octo_message message;

    return bench_sent(bench, type, to, &message);
}

/* bench_replied gives the last reply since bench_forget and returns how many there were. */
static inline uint32_t bench_replied(const struct bench *bench, struct octo_effect *reply)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < bench->all_count; i++) {
        if (bench->all[i].kind == OCTO_EFFECT_REPLY) {
            *reply = bench->all[i];
            count++;
        }
    }
    return count;
}

static inline enum octo_err bench_status(const struct bench *bench)
{
    struct octo_effect reply;

    return bench_replied(bench, &reply) == 1 ? reply.reply.status : OCTO_ERR_MALFORMED;
}

static inline uint32_t bench_traced(const struct bench *bench, enum octo_trace_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < bench->all_count; i++)
        count += bench->all[i].kind == OCTO_EFFECT_TRACE && bench->all[i].trace.kind == kind;
    return count;
}

/* ---- Ways to a state ----------------------------------------------------------------------- */

/* bench_campaign makes a candidate whose requests are out, by the pre-votes of all others. */
static inline void bench_campaign(struct bench *bench)
{
    const octo_term term = bench_view(bench).term + 1;

    bench_timer(bench);
    for (octo_node_id id = 1; id <= bench->config.node_count; id++) {
        if (id != bench->config.node_id && bench_view(bench).role == OCTO_ROLE_PRE_CANDIDATE)
            bench_pre_vote(bench, id, term, true);
    }
    bench_settle(bench);
}

/* bench_lead makes a leader whose no-op is durable here and acknowledged by nobody. */
static inline void bench_lead(struct bench *bench)
{
    bench_campaign(bench);
    for (octo_node_id id = 1; id <= bench->config.node_count; id++) {
        if (id != bench->config.node_id && bench_view(bench).role == OCTO_ROLE_CANDIDATE)
            bench_vote(bench, id, bench_view(bench).term, true);
    }
    bench_settle(bench);
}

#endif
