/* A small cluster for the tests of consensus: nodes on simulated disks, a network that loses,
 * doubles and reorders, clients that retry, and chance that crashes and partitions; all of it from
 * one seed. Not the simulator, on purpose: two worlds find more than one.
 */
#ifndef OCTO_TESTS_RAFT_CLUSTER_H
#define OCTO_TESTS_RAFT_CLUSTER_H

#include "tests/unit/node_disk.h"
#include "tests/unit/raft_judge.h"
#include "tests/unit/raft_machine.h"

/* host_reply names the errors that a client acts on, not all there are. */
#pragma GCC diagnostic ignored "-Wswitch-enum"

#define CLUSTER_NODES         5u
#define CLUSTER_CLIENTS       3u
#define CLUSTER_PACKETS       512u
#define CLUSTER_MESSAGE_BYTES 1024u
#define CLUSTER_COMMANDS      200u /* in all */
#define CLUSTER_POSITIONS     1024u

struct packet {
    octo_time_ns at;
    octo_node_id from;
    octo_node_id to;
    uint32_t size;
    uint8_t bytes[CLUSTER_MESSAGE_BYTES];
};

struct host {
    struct octo_config config;
    void *block;
    struct octo_node *node;
    struct octo_effects effects;
    struct node_disk *disk;
    octo_time_ns offset; /* of its clock */
    octo_time_ns deadline;
    octo_time_ns disk_at; /* one of its operations completes */
    bool up;
    bool formatted;
    uint32_t boots;
    uint32_t steps;
};

struct client {
    uint64_t sequence; /* of the present command, 0: none yet */
    bool waiting;
    octo_time_ns at; /* sends, or sends again */
    octo_node_id hint;
    uint64_t after; /* the highest position answered to anyone before this command was first sent */
};

struct chances {
    uint32_t lost_ppm;
    uint32_t doubled_ppm;
    uint32_t slow_ppm;
    octo_time_ns disk_ns;  /* an operation's time, at most */
    octo_time_ns chaos_ns; /* between two strokes of fate; 0: none */
    uint32_t disk_fails_ppm;
    uint32_t nerves_ppm; /* a crash at a turning point, before anybody hears of it */
};

struct cluster {
    uint64_t random;
    octo_time_ns now;
    uint32_t count;
    struct host hosts[CLUSTER_NODES + 1];
    bool cut[CLUSTER_NODES + 1][CLUSTER_NODES + 1]; /* from, to */
    struct packet packets[CLUSTER_PACKETS];
    uint32_t packet_count;
    struct client clients[CLUSTER_CLIENTS + 1];
    struct chances chances;
    octo_time_ns chaos_at;
    uint32_t commands; /* begun */
    uint32_t answered;
    uint64_t positions[CLUSTER_POSITIONS]; /* what each position was answered for */
    uint64_t position_max;
    uint64_t marks[OCTO_MARK_COUNT];
    struct judge judge;
};

/* ---- Making -------------------------------------------------------------------------------- */

static inline void cluster_config(struct cluster *cluster, octo_node_id id, uint64_t shape)
{
    struct octo_config *config = &cluster->hosts[id].config;

    octo_config_small(config, 77, id, cluster->count, 800);
    config->command_bytes_max = 128;
    config->message_bytes_max = CLUSTER_MESSAGE_BYTES;
    config->flush_bytes_max = 4096;
    config->read_bytes = 8192;
    config->result_bytes_max = 16;
    config->machine_memory_bytes = 1024;
    config->sessions_max = CLUSTER_CLIENTS;
    config->segment_bytes = 4096;
    config->snapshot_entries = 16 + (uint32_t)(shape / 8192 % 4) * 24;
    config->log_keep_entries = (uint32_t)(shape / 32768 % 3) * 8;
    config->snapshot_chunk_bytes = 512;
    config->snapshot_reserve_bytes = 4096;
    config->append_entries_max = 1 + shape % 8;
    config->inflight_max = 1 + shape / 8 % 4;
    config->apply_max = 1 + shape / 32 % 4;
    config->pre_vote = shape / 128 % 8 != 0;
    config->check_quorum = shape / 1024 % 8 != 0;
}

static inline struct cluster *cluster_new(void)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);

    for (octo_node_id id = 1; id <= CLUSTER_NODES; id++)
        cluster->hosts[id].disk = node_disk_make(id);
    return cluster;
}

static inline void cluster_free(struct cluster *cluster)
{
    for (octo_node_id id = 1; id <= CLUSTER_NODES; id++) {
        node_disk_free(cluster->hosts[id].disk);
        free(cluster->hosts[id].block);
        free(cluster->hosts[id].effects.items);
        free(cluster->hosts[id].effects.bytes);
    }
    free(cluster);
}

static inline void host_make(struct cluster *cluster, octo_node_id id)
{
    struct host *host = &cluster->hosts[id];
    uint32_t items;
    uint32_t bytes;

    octo_effects_limits(&host->config, &items, &bytes);
    free(host->effects.items);
    free(host->effects.bytes);
    host->effects = (struct octo_effects){.items = malloc(items * sizeof(struct octo_effect)),
                                          .capacity = items,
                                          .bytes = malloc(bytes),
                                          .bytes_capacity = bytes,
                                          .machine = &raft_machine};
    host->up = false;
    host->formatted = false;
    host->boots = 0;
    node_disk_reset(host->disk, draw(&cluster->random));
}

/* cluster_reset makes a fresh cluster of count nodes, all down. */
static inline void cluster_reset(struct cluster *cluster, uint64_t seed, uint32_t count)
{
    const uint64_t shape = octo_mix(seed + 1000);

    cluster->random = seed;
    cluster->now = OCTO_SECOND;
    cluster->count = count;
    cluster->packet_count = 0;
    cluster->commands = 0;
    cluster->answered = 0;
    cluster->position_max = 0;
    memset(cluster->cut, 0, sizeof cluster->cut);
    memset(cluster->clients, 0, sizeof cluster->clients);
    memset(cluster->positions, 0, sizeof cluster->positions);
    memset(cluster->marks, 0, sizeof cluster->marks);
    memset(&cluster->judge, 0, sizeof cluster->judge);
    cluster->judge.cluster_id = 77;
    cluster->chances = (struct chances){.disk_ns = 100000};
    node_disk_complaint = NULL;
    for (octo_node_id id = 1; id <= count; id++) {
        cluster_config(cluster, id, shape);
        host_make(cluster, id);
    }
}

/* ---- Effects ------------------------------------------------------------------------------- */

static inline bool cluster_chance(struct cluster *cluster, uint32_t ppm)
{
    return ppm > 0 && draw_below(&cluster->random, 1000000) < ppm;
}

static inline void packet_add(struct cluster *cluster, octo_node_id from,
                              const struct octo_effect *effect)
{
    octo_time_ns delay = 100000 + draw_below(&cluster->random, 2000000);

    if (cluster->packet_count == CLUSTER_PACKETS)
        return;
    if (cluster_chance(cluster, cluster->chances.slow_ppm))
        delay *= 1 + draw_below(&cluster->random, 200);
    struct packet *packet = &cluster->packets[cluster->packet_count++];
    packet->at = cluster->now + delay;
    packet->from = from;
    packet->to = effect->send.to;
    packet->size = effect->send.size;
    memcpy(packet->bytes, effect->send.bytes, effect->send.size);
}

static inline void host_send(struct cluster *cluster, octo_node_id id,
                             const struct octo_effect *effect)
{
    judge_rule(&cluster->judge, id, effect->send.size <= CLUSTER_MESSAGE_BYTES, "a long message");
    if (cluster_chance(cluster, cluster->chances.lost_ppm))
        return;
    packet_add(cluster, id, effect);
    if (cluster_chance(cluster, cluster->chances.doubled_ppm))
        packet_add(cluster, id, effect);
}

/* The result is the command's position among all: nobody else's, the same at every retry, and after
 * all that was answered before the command was sent. */
static inline void client_answer(struct cluster *cluster, octo_node_id id,
                                 const struct octo_effect *effect)
{
    struct client *client = &cluster->clients[effect->reply.client];
    const uint64_t name = effect->reply.client << 32 | effect->reply.sequence;
    struct judge *judge = &cluster->judge;

    const uint64_t position = octo_get_u64(effect->reply.result);
    judge_rule(judge, id, effect->reply.size == 8 && position < CLUSTER_POSITIONS, "odd result");
    judge_rule(judge, id, cluster->positions[position] == 0 || cluster->positions[position] == name,
               "exactly once: two commands took effect at one position");
    cluster->positions[position] = name;
    if (!client->waiting || client->sequence != effect->reply.sequence)
        return;
    judge_rule(judge, id, position > client->after, "linearizable: an answer from the past");
    cluster->position_max = octo_max_u64(cluster->position_max, position);
    cluster->answered++;
    client->waiting = false;
    client->hint = id;
    client->at = cluster->now + draw_below(&cluster->random, 100000000);
}

static inline void host_reply(struct cluster *cluster, octo_node_id id,
                              const struct octo_effect *effect)
{
    struct client *client = &cluster->clients[effect->reply.client];
    const bool current = client->waiting && client->sequence == effect->reply.sequence;

    switch (effect->reply.status) {
    case OCTO_ERR_OK:
        client_answer(cluster, id, effect);
        break;
    case OCTO_ERR_NOT_LEADER:
        if (current) {
            client->hint = effect->reply.leader;
            client->at = cluster->now + 1000000 + draw_below(&cluster->random, 20000000);
        }
        break;
    case OCTO_ERR_NOT_READY:
    case OCTO_ERR_NO_SPACE: /* the same may find room later */
        break;
    case OCTO_ERR_STALE:
        judge_rule(&cluster->judge, id, !current, "stale: a present command's result is forgotten");
        break;
    default:
        judge_rule(&cluster->judge, id, false, "an unexpected refusal");
        break;
    }
}

static inline void host_effects(struct cluster *cluster, octo_node_id id)
{
    struct host *host = &cluster->hosts[id];
    const bool idle = host->disk->op_count == 0;

    for (uint32_t i = 0; i < host->effects.count; i++) {
        const struct octo_effect *effect = &host->effects.items[i];
        if (effect->kind == OCTO_EFFECT_SEND)
            host_send(cluster, id, effect);
        if (effect->kind == OCTO_EFFECT_DISK)
            node_disk_submit(host->disk, &effect->disk);
        if (effect->kind == OCTO_EFFECT_REPLY)
            host_reply(cluster, id, effect);
    }
    if (idle && host->disk->op_count > 0)
        host->disk_at = cluster->now + 1 + draw(&cluster->random) % cluster->chances.disk_ns;
    host->deadline = host->effects.deadline;
    if (host->deadline != OCTO_NEVER)
        host->deadline -= octo_min_u64(host->deadline, host->offset); /* on the cluster's clock */
}

static inline void host_crash(struct cluster *cluster, octo_node_id id, bool power_loss)
{
    struct host *host = &cluster->hosts[id];
    struct octo_node_view view;

    octo_node_look(host->node, &view);
    host->formatted = host->formatted || view.role != OCTO_ROLE_STARTING;
    for (uint32_t mark = 0; mark < OCTO_MARK_COUNT; mark++)
        cluster->marks[mark] += octo_node_marks(host->node)[mark];
    host->up = false;
    cluster->judge.live[id] = NULL;
    if (power_loss)
        node_disk_power_loss(host->disk, NODE_DISK_KEEPS_ANY);
    else
        node_disk_kill(host->disk);
}

/* Whether the step decided something: what is lost then hurts most. */
static inline bool host_turns(const struct host *host)
{
    for (uint32_t i = 0; i < host->effects.count; i++) {
        const struct octo_effect *effect = &host->effects.items[i];
        if (effect->kind == OCTO_EFFECT_TRACE &&
            (effect->trace.kind == OCTO_TRACE_COMMIT || effect->trace.kind == OCTO_TRACE_ROLE ||
             effect->trace.kind == OCTO_TRACE_VOTE_SAVED ||
             effect->trace.kind == OCTO_TRACE_DURABLE))
            return true;
    }
    return false;
}

static inline void host_step(struct cluster *cluster, octo_node_id id, struct octo_event *event)
{
    struct host *host = &cluster->hosts[id];

    event->now = cluster->now + host->offset;
    octo_node_step(host->node, event, &host->effects);
    judge_step(&cluster->judge, id, host->node, &host->effects);
    if (++host->steps % 32 == 0)
        octo_node_check(host->node);
    if (host_turns(host) && cluster_chance(cluster, cluster->chances.nerves_ppm))
        host_crash(cluster, id, true);
    else
        host_effects(cluster, id);
}

/* ---- Life and death ------------------------------------------------------------------------ */

static inline void host_boot(struct cluster *cluster, octo_node_id id)
{
    struct host *host = &cluster->hosts[id];
    const size_t size = octo_node_bytes(&host->config);

    /* Neither where the block lies nor what it held may matter. */
    free(host->block);
    host->block = aligned_alloc(64, size);
    memset(host->block, (int)draw_below(&cluster->random, 256), size);
    const enum octo_err err = octo_node_init(host->block, size, &host->config, &host->node);
    judge_rule(&cluster->judge, id, err == OCTO_ERR_OK, "init refused");
    host->up = true;
    cluster->judge.live[id] = host->node;
    host->boots++;
    host->offset = draw_below(&cluster->random, 1000000000);
    struct octo_event event = {.kind = OCTO_EVENT_BOOT};
    event.boot.seed = draw(&cluster->random);
    event.boot.format = !host->formatted; /* until it once was READY */
    host_step(cluster, id, &event);
}

static inline octo_node_id cluster_leader(const struct cluster *cluster)
{
    octo_node_id leader = 0;
    octo_term term = 0;

    for (octo_node_id id = 1; id <= cluster->count; id++) {
        struct octo_node_view view;
        if (!cluster->hosts[id].up)
            continue;
        octo_node_look(cluster->hosts[id].node, &view);
        if (view.role == OCTO_ROLE_LEADER && view.term > term) {
            leader = id;
            term = view.term;
        }
    }
    return leader;
}

/* ---- Fate ---------------------------------------------------------------------------------- */

static inline void cluster_cut(struct cluster *cluster, octo_node_id id, bool in, bool out)
{
    for (octo_node_id other = 1; other <= cluster->count; other++) {
        cluster->cut[other][id] = in;
        cluster->cut[id][other] = out;
    }
}

static inline void cluster_halve(struct cluster *cluster)
{
    const uint32_t side = draw_below(&cluster->random, 1u << cluster->count) << 1;

    for (octo_node_id a = 1; a <= cluster->count; a++) {
        for (octo_node_id b = 1; b <= cluster->count; b++)
            cluster->cut[a][b] = (side >> a & 1) != (side >> b & 1);
    }
}

static inline void cluster_chaos(struct cluster *cluster)
{
    const octo_node_id id = 1 + draw_below(&cluster->random, cluster->count);
    const octo_node_id leader = cluster_leader(cluster);
    struct host *host = &cluster->hosts[id];

    cluster->chaos_at = cluster->now + 1 + draw(&cluster->random) % cluster->chances.chaos_ns;
    switch (draw_below(&cluster->random, 12)) {
    case 0:
    case 1:
        memset(cluster->cut, 0, sizeof cluster->cut);
        break;
    case 2:
        cluster_halve(cluster);
        break;
    case 3:
        cluster_cut(cluster, leader != 0 ? leader : id, true, true);
        break;
    case 4:
        cluster_cut(cluster, leader != 0 ? leader : id, draw_below(&cluster->random, 2) == 0, true);
        break;
    case 5:
        cluster->cut[id][1 + draw_below(&cluster->random, cluster->count)] = true;
        break;
    case 6: /* a stalled disk */
        host->disk_at = cluster->now + draw_below(&cluster->random, 600000000);
        break;
    case 7:
    case 8:
        if (leader != 0)
            host_crash(cluster, leader, draw_below(&cluster->random, 2) == 0);
        break;
    default:
        if (host->up)
            host_crash(cluster, id, draw_below(&cluster->random, 2) == 0);
        else
            host_boot(cluster, id);
        break;
    }
}

/* ---- Time ---------------------------------------------------------------------------------- */

static inline void client_act(struct cluster *cluster, octo_client_id id)
{
    struct client *client = &cluster->clients[id];
    uint8_t command[64];
    octo_node_id to = client->hint;

    client->at = cluster->now + 200 * OCTO_MS;
    if (!client->waiting) {
        if (cluster->commands == CLUSTER_COMMANDS) {
            client->at = OCTO_NEVER;
            return;
        }
        cluster->commands++;
        client->sequence++;
        client->waiting = true;
        client->after = cluster->position_max;
    }
    if (to == 0 || draw_below(&cluster->random, 4) == 0)
        to = 1 + draw_below(&cluster->random, cluster->count);
    client->hint = 0;
    if (!cluster->hosts[to].up)
        return;
    octo_put_u64(command, id << 32 | client->sequence);
    struct octo_event event = {.kind = OCTO_EVENT_REQUEST};
    event.request.client = id;
    event.request.sequence = client->sequence;
    event.request.command = command;
    event.request.size = 8 + (uint32_t)(octo_mix(id ^ client->sequence) % 40);
    memset(command + 8, (int)id, sizeof command - 8);
    host_step(cluster, to, &event);
}

static inline void packet_deliver(struct cluster *cluster, uint32_t which)
{
    static struct packet packet; /* large, and gone from the list before anything else happens */

    packet = cluster->packets[which];
    cluster->packets[which] = cluster->packets[--cluster->packet_count];
    if (!cluster->hosts[packet.to].up || cluster->cut[packet.from][packet.to])
        return;
    struct octo_event event = {.kind = OCTO_EVENT_MESSAGE};
    event.message.bytes = packet.bytes;
    event.message.size = packet.size;
    host_step(cluster, packet.to, &event);
}

static inline void host_disk(struct cluster *cluster, octo_node_id id)
{
    struct host *host = &cluster->hosts[id];
    struct octo_event event = {.kind = OCTO_EVENT_DISK};

    node_disk_complete(host->disk, draw_below(&cluster->random, host->disk->op_count), &event);
    host->disk_at = cluster->now + 1 + draw(&cluster->random) % cluster->chances.disk_ns;
    host_step(cluster, id, &event);
}

enum next_kind { NEXT_CHAOS, NEXT_PACKET, NEXT_TIMER, NEXT_DISK, NEXT_CLIENT };

struct next {
    octo_time_ns at;
    enum next_kind kind;
    uint32_t which;
};

static inline void next_offer(struct next *next, octo_time_ns at, enum next_kind kind,
                              uint32_t which)
{
    if (at < next->at)
        *next = (struct next){at, kind, which};
}

static inline struct next cluster_next(const struct cluster *cluster)
{
    struct next next = {.at = OCTO_NEVER};

    if (cluster->chances.chaos_ns > 0)
        next_offer(&next, cluster->chaos_at, NEXT_CHAOS, 0);
    for (uint32_t i = 0; i < cluster->packet_count; i++)
        next_offer(&next, cluster->packets[i].at, NEXT_PACKET, i);
    for (octo_node_id id = 1; id <= cluster->count; id++) {
        const struct host *host = &cluster->hosts[id];
        if (host->up)
            next_offer(&next, host->deadline, NEXT_TIMER, id);
        if (host->up && host->disk->op_count > 0)
            next_offer(&next, host->disk_at, NEXT_DISK, id);
    }
    for (octo_client_id id = 1; id <= CLUSTER_CLIENTS; id++)
        next_offer(&next, cluster->clients[id].at, NEXT_CLIENT, (uint32_t)id);
    return next;
}

/* cluster_step takes the next event; false if nothing will ever happen, or a rule broke. */
static inline bool cluster_step(struct cluster *cluster)
{
    const struct next next = cluster_next(cluster);
    struct octo_event timer = {.kind = OCTO_EVENT_TIMER};

    if (next.at == OCTO_NEVER || cluster->judge.complaint != NULL)
        return false;
    cluster->now = octo_max_u64(cluster->now, next.at);
    switch (next.kind) {
    case NEXT_CHAOS:
        cluster_chaos(cluster);
        break;
    case NEXT_PACKET:
        packet_deliver(cluster, next.which);
        break;
    case NEXT_TIMER:
        host_step(cluster, next.which, &timer);
        break;
    case NEXT_DISK:
        host_disk(cluster, next.which);
        break;
    case NEXT_CLIENT:
        client_act(cluster, next.which);
        break;
    }
    judge_rule(&cluster->judge, 0, node_disk_complaint == NULL, node_disk_complaint);
    return cluster->judge.complaint == NULL;
}

/* cluster_run goes on for so long; false if a rule broke. */
static inline bool cluster_run(struct cluster *cluster, octo_time_ns duration)
{
    const octo_time_ns until = cluster->now + duration;

    while (cluster->now < until) {
        if (!cluster_step(cluster))
            return cluster->judge.complaint == NULL;
    }
    return true;
}

#endif
