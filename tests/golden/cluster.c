#include "tests/golden/cluster.h"

#include <stdarg.h>
#include <stdlib.h>

#define NODES_MAX   5u
#define FLIGHT_MAX  256u
#define DISK_QUEUE  64u
#define ARENA_BYTES (32u << 20)

struct flight {
    octo_node_id from, to;
    uint32_t size;
    uint8_t *bytes;
};

struct member {
    struct octo_node *node;
    void *block;
    struct octo_simdisk *disk;
    struct octo_config config;
    octo_time_ns now, deadline;
    uint32_t incarnation;
    bool up, cut, formatted;
    uint32_t pending[DISK_QUEUE]; /* disk slots, oldest first */
    uint32_t pending_count;
};

static struct {
    FILE *out;
    uint32_t count;
    struct member members[NODES_MAX + 1];
    struct flight flights[FLIGHT_MAX];
    uint32_t flight_count;
    struct octo_effects effects;
    struct octo_arena arena;
    uint64_t client_sequence;
    bool saying; /* the last line written was a comment */
} cluster;

_Noreturn void octo_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, expression);
    exit(3);
}

static void *must(void *pointer)
{
    if (pointer == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(3);
    }
    return pointer;
}

static uint64_t honest(void *context, const struct octo_disk_question *question)
{
    (void)context;
    return question->kind == OCTO_CHANCE_LATENCY ? 1 : 0;
}

static const struct octo_disk_host honest_host = {.ask = honest};

static char role_letter(enum octo_role role)
{
    return " sfpcLh"[role];
}

/* One line: node, role and term, then what happened. */
__attribute__((format(printf, 2, 3))) static void line(octo_node_id id, const char *format, ...)
{
    cluster.saying = false;
    struct octo_node_view view;
    octo_node_look(cluster.members[id].node, &view);
    fprintf(cluster.out, "n%u %c%-2llu ", id, role_letter(view.role),
            (unsigned long long)view.term);
    va_list list;
    va_start(list, format);
    vfprintf(cluster.out, format, list);
    va_end(list);
    fputc('\n', cluster.out);
}

static void tell_trace(octo_node_id id, const struct octo_trace *trace)
{
    char text[160];
    int used = 0;
    text[0] = '\0';
    for (uint32_t word = 0; word < 4; word++) {
        const char *name = octo_trace_word_text(trace->kind, word);
        if (name[0] != '\0' && used < (int)sizeof text - 40) {
            used += snprintf(text + used, sizeof text - (size_t)used, " %s=%llu", name,
                             (unsigned long long)trace->words[word]);
        }
    }
    line(id, "%s%s", octo_trace_text(trace->kind), text);
}

static void tell_message(octo_node_id id, const char *verb, const uint8_t *bytes, uint32_t size)
{
    struct octo_message message;
    if (octo_message_decode(bytes, size, cluster.members[id].config.cluster_id, &message) !=
        OCTO_ERR_OK) {
        line(id, "%s an undecodable message", verb);
        return;
    }
    char text[256];
    (void)octo_message_text(&message, text, sizeof text);
    line(id, "%s n%u -> n%u term=%llu %s", verb, message.from, message.to,
         (unsigned long long)message.term, text);
}

static void send(const struct octo_effect *effect, octo_node_id from)
{
    tell_message(from, "send   ", effect->send.bytes, effect->send.size);
    if (cluster.members[from].cut || cluster.members[effect->send.to].cut) {
        return;
    }
    octo_assert(cluster.flight_count < FLIGHT_MAX);
    struct flight *flight = &cluster.flights[cluster.flight_count++];
    flight->from = from;
    flight->to = effect->send.to;
    flight->size = effect->send.size;
    flight->bytes = must(malloc(flight->size));
    memcpy(flight->bytes, effect->send.bytes, flight->size);
}

static void execute(octo_node_id id)
{
    struct member *member = &cluster.members[id];
    for (uint32_t i = 0; i < cluster.effects.count; i++) {
        const struct octo_effect *effect = &cluster.effects.items[i];
        switch (effect->kind) {
        case OCTO_EFFECT_SEND:
            send(effect, id);
            break;
        case OCTO_EFFECT_DISK:
            octo_assert(member->pending_count < DISK_QUEUE);
            octo_assert(octo_simdisk_submit(member->disk, &effect->disk, &honest_host,
                                            &member->pending[member->pending_count]) != 0);
            member->pending_count++;
            break;
        case OCTO_EFFECT_REPLY:
            line(id, "reply   client=%llu sequence=%llu %s",
                 (unsigned long long)effect->reply.client,
                 (unsigned long long)effect->reply.sequence, octo_err_text(effect->reply.status));
            break;
        case OCTO_EFFECT_TRACE:
            member->formatted = member->formatted || effect->trace.kind == OCTO_TRACE_READY;
            tell_trace(id, &effect->trace);
            break;
        case OCTO_EFFECT_HALT:
            line(id, "halt: %s", octo_err_text(effect->halt.reason));
            break;
        }
    }
    member->deadline = cluster.effects.deadline;
}

static void step(octo_node_id id, struct octo_event *event)
{
    struct member *member = &cluster.members[id];
    event->now = member->now;
    octo_node_step(member->node, event, &cluster.effects);
    execute(id);
    while (member->pending_count > 0) {
        static uint8_t scratch[1u << 20];
        struct octo_event done;
        memset(&done, 0, sizeof done);
        const uint32_t slot = member->pending[0];
        member->pending_count--;
        memmove(member->pending, member->pending + 1, member->pending_count * sizeof slot);
        octo_simdisk_complete(member->disk, slot, &honest_host, scratch, sizeof scratch, &done);
        done.now = member->now;
        octo_node_step(member->node, &done, &cluster.effects);
        execute(id);
    }
}

static void boot(octo_node_id id)
{
    struct member *member = &cluster.members[id];
    member->incarnation++;
    octo_assert(octo_node_init(member->block, octo_node_bytes(&member->config), &member->config,
                               &member->node) == OCTO_ERR_OK);
    member->up = true;
    struct octo_event event = {.kind = OCTO_EVENT_BOOT};
    event.boot.seed = id * 1000u + member->incarnation;
    event.boot.format = !member->formatted;
    step(id, &event);
}

void cluster_open(uint32_t node_count, uint32_t entries_max, FILE *out)
{
    memset(&cluster, 0, sizeof cluster);
    cluster.out = out;
    cluster.count = node_count;
    octo_arena_init(&cluster.arena, must(aligned_alloc(4096, ARENA_BYTES)), ARENA_BYTES);
    cluster.effects.machine = &octo_machine_kv;
    for (octo_node_id id = 1; id <= node_count; id++) {
        struct member *member = &cluster.members[id];
        octo_config_small(&member->config, 1, id, node_count, 100);
        member->config.append_entries_max = entries_max;
        member->block = must(octo_arena_alloc(&cluster.arena, octo_node_bytes(&member->config)));
        member->disk = must(octo_simdisk_create(&cluster.arena, DISK_QUEUE));
        member->now = OCTO_SECOND;
    }
    uint32_t items = 0, bytes = 0;
    octo_effects_limits(&cluster.members[1].config, &items, &bytes);
    cluster.effects.items =
        must(octo_arena_alloc(&cluster.arena, items * sizeof(struct octo_effect)));
    cluster.effects.bytes = must(octo_arena_alloc(&cluster.arena, bytes));
    cluster.effects.capacity = items;
    cluster.effects.bytes_capacity = bytes;
    for (octo_node_id id = 1; id <= node_count; id++) {
        boot(id);
    }
}

void cluster_close(void)
{
    drop_all();
    free(cluster.arena.base);
}

void say(const char *text)
{
    fprintf(cluster.out, "%s# %s\n", cluster.saying ? "" : "\n", text);
    cluster.saying = true;
}

void timeout(octo_node_id node)
{
    struct member *member = &cluster.members[node];
    octo_assert(member->up && member->deadline != OCTO_NEVER);
    member->now = octo_max_u64(member->now, member->deadline);
    line(node, "timer");
    struct octo_event event = {.kind = OCTO_EVENT_TIMER};
    step(node, &event);
}

void elapse(void)
{
    for (octo_node_id id = 1; id <= cluster.count; id++) {
        cluster.members[id].now += OCTO_SECOND;
    }
}

static void take(uint32_t at, struct flight *flight)
{
    *flight = cluster.flights[at];
    cluster.flight_count--;
    memmove(&cluster.flights[at], &cluster.flights[at + 1],
            (cluster.flight_count - at) * sizeof *flight);
}

static void hand_over(uint32_t at)
{
    struct flight flight;
    take(at, &flight);
    struct member *member = &cluster.members[flight.to];
    if (member->up && !member->cut) {
        tell_message(flight.to, "receive", flight.bytes, flight.size);
        struct octo_event event = {.kind = OCTO_EVENT_MESSAGE};
        event.message.bytes = flight.bytes;
        event.message.size = flight.size;
        step(flight.to, &event);
    }
    free(flight.bytes);
}

void deliver(octo_node_id from, octo_node_id to)
{
    for (uint32_t i = 0; i < cluster.flight_count; i++) {
        if (cluster.flights[i].from == from && cluster.flights[i].to == to) {
            hand_over(i);
            return;
        }
    }
    fprintf(cluster.out, "!! nothing in flight from n%u to n%u\n", from, to);
}

void deliver_all(void)
{
    while (cluster.flight_count > 0) {
        hand_over(0);
    }
}

void drop(octo_node_id from, octo_node_id to)
{
    for (uint32_t i = 0; i < cluster.flight_count;) {
        if (cluster.flights[i].from != from || cluster.flights[i].to != to) {
            i++;
            continue;
        }
        struct flight flight;
        take(i, &flight);
        free(flight.bytes);
    }
}

void drop_all(void)
{
    while (cluster.flight_count > 0) {
        free(cluster.flights[--cluster.flight_count].bytes);
    }
}

void cut(octo_node_id node)
{
    fprintf(cluster.out, "n%u is cut off\n", node);
    cluster.members[node].cut = true;
}

void join(octo_node_id node)
{
    fprintf(cluster.out, "n%u is joined again\n", node);
    cluster.members[node].cut = false;
}

void set(octo_node_id node, const char *key, const char *value)
{
    uint8_t bytes[256];
    struct octo_buffer command = {.bytes = bytes, .capacity = sizeof bytes};
    const struct octo_kv_command kv = {
        .op = OCTO_KV_SET,
        .key = (const uint8_t *)key,
        .key_size = (uint32_t)strlen(key),
        .value = (const uint8_t *)value,
        .value_size = (uint32_t)strlen(value),
    };
    octo_assert(octo_kv_encode(&kv, &command) == OCTO_ERR_OK);
    struct octo_event event = {.kind = OCTO_EVENT_REQUEST};
    event.request.client = 1;
    event.request.sequence = ++cluster.client_sequence;
    event.request.command = bytes;
    event.request.size = command.size;
    line(node, "request client=1 sequence=%llu SET %s=%s",
         (unsigned long long)cluster.client_sequence, key, value);
    step(node, &event);
}

void crash(octo_node_id node)
{
    struct member *member = &cluster.members[node];
    line(node, "power loss");
    member->up = false;
    member->pending_count = 0;
    octo_simdisk_power_loss(member->disk, &honest_host);
}

void restart(octo_node_id node)
{
    fprintf(cluster.out, "n%u restarts\n", node);
    boot(node);
}

void show(void)
{
    cluster.saying = false;
    for (octo_node_id id = 1; id <= cluster.count; id++) {
        struct octo_node_view view;
        octo_node_look(cluster.members[id].node, &view);
        fprintf(cluster.out, "n%u %-13s term %llu vote %u commit %llu log", id,
                cluster.members[id].up ? octo_role_text(view.role) : "down",
                (unsigned long long)view.term, view.vote, (unsigned long long)view.commit);
        struct octo_entry entry;
        for (octo_index i = 1; octo_node_entry(cluster.members[id].node, i, &entry); i++) {
            fprintf(cluster.out, " %llu@%llu", (unsigned long long)i,
                    (unsigned long long)entry.term);
        }
        fputc('\n', cluster.out);
    }
}
