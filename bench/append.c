/* A follower's append, through octo_node_step alone. */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define QUEUE_MAX     16u
#define CLUSTER_ID    7u
#define LEADER        1u
#define FOLLOWER      2u
#define MESSAGE_BYTES 8192u

struct follower {
    struct octo_config config;
    struct octo_node *node;
    void *block;
    struct octo_effects effects;
    struct octo_disk_op queue[QUEUE_MAX]; /* disk operations that have not returned */
    uint32_t queued;
    uint32_t steps;
    octo_index acked; /* of the last acknowledgement that was sent */
    octo_time_ns now;
};

/* A disk that is empty, fast and good. */
static struct octo_event completion(const struct octo_disk_op *op)
{
    struct octo_event event = {.kind = OCTO_EVENT_DISK,
                               .disk = {.id = op->id, .result = OCTO_ERR_OK}};
    if (op->kind == OCTO_DISK_WRITE)
        event.disk.length = op->length;
    if (op->kind == OCTO_DISK_READ)
        event.disk.result = OCTO_ERR_NOT_FOUND;
    return event;
}

static void look_at_send(struct follower *follower, const struct octo_effect *effect)
{
    struct octo_message message;
    if (octo_message_decode(effect->send.bytes, effect->send.size, CLUSTER_ID, &message) ==
            OCTO_ERR_OK &&
        message.type == OCTO_MESSAGE_APPEND_RESPONSE && message.append_response.granted != 0)
        follower->acked = message.append_response.index;
}

static void step(struct follower *follower, struct octo_event *event)
{
    event->now = ++follower->now;
    octo_node_step(follower->node, event, &follower->effects);
    follower->steps++;
}

/* What the step asked for; not measured. */
static void take_effects(struct follower *follower)
{
    for (uint32_t i = 0; i < follower->effects.count; i++) {
        const struct octo_effect *effect = &follower->effects.items[i];
        if (effect->kind == OCTO_EFFECT_DISK) {
            octo_assert(follower->queued < QUEUE_MAX);
            follower->queue[follower->queued++] = effect->disk;
        } else if (effect->kind == OCTO_EFFECT_SEND) {
            look_at_send(follower, effect);
        }
    }
}

/* Returns the time spent in steps. */
static uint64_t timed_step(struct follower *follower, struct octo_event *event)
{
    const uint64_t begin = bench_clock_ns();
    step(follower, event);
    const uint64_t spent = bench_clock_ns() - begin;
    take_effects(follower);
    return spent;
}

static uint64_t drain(struct follower *follower)
{
    uint64_t spent = 0;
    while (follower->queued > 0) {
        struct octo_event event = completion(&follower->queue[0]);
        follower->queued--;
        memmove(follower->queue, follower->queue + 1, follower->queued * sizeof *follower->queue);
        spent += timed_step(follower, &event);
    }
    return spent;
}

static bool follower_make(struct follower *follower, uint32_t rounds)
{
    uint32_t items, bytes;
    memset(follower, 0, sizeof *follower);
    octo_config_small(&follower->config, CLUSTER_ID, FOLLOWER, 3,
                      rounds * BENCH_APPEND_ENTRIES + 1);
    /* Nothing but appends: the log, in memory and on the disk, holds all there is to come. */
    follower->config.snapshot_entries = 0;
    follower->config.segments_max = 8 + rounds * MESSAGE_BYTES / follower->config.segment_bytes;
    octo_effects_limits(&follower->config, &items, &bytes);
    const size_t size = octo_node_bytes(&follower->config);
    follower->block = aligned_alloc(64, size);
    follower->effects = (struct octo_effects){.items = calloc(items, sizeof(struct octo_effect)),
                                              .capacity = items,
                                              .bytes = malloc(bytes),
                                              .bytes_capacity = bytes,
                                              .machine = &octo_machine_kv};
    if (follower->block == NULL || follower->effects.items == NULL ||
        follower->effects.bytes == NULL)
        return false;
    memset(follower->block, 1, size); /* no page fault is to be measured */
    return octo_node_init(follower->block, size, &follower->config, &follower->node) == OCTO_ERR_OK;
}

static void follower_free(struct follower *follower)
{
    free(follower->block);
    free(follower->effects.items);
    free(follower->effects.bytes);
}

/* The leader's message number round, from 0; returns its size. */
static uint32_t message_make(uint32_t round, uint8_t *out)
{
    static const uint8_t command[BENCH_APPEND_BYTES] = "a command of sixty-four bytes";
    const octo_index previous = (octo_index)round * BENCH_APPEND_ENTRIES;
    struct octo_message message = {
        .type = OCTO_MESSAGE_APPEND_REQUEST,
        .from = LEADER,
        .to = FOLLOWER,
        .term = 1,
        .append_request = {.prev_index = previous,
                           .prev_term = previous == 0 ? 0 : 1,
                           .round = 1,
                           .entry_count = BENCH_APPEND_ENTRIES},
        .entries = out + octo_message_entries_offset(OCTO_MESSAGE_APPEND_REQUEST),
    };
    for (uint32_t i = 0; i < BENCH_APPEND_ENTRIES; i++) {
        const struct octo_entry entry = {.index = previous + i + 1,
                                         .term = 1,
                                         .kind = OCTO_ENTRY_COMMAND,
                                         .client = 1,
                                         .sequence = previous + i + 1,
                                         .command = command,
                                         .size = BENCH_APPEND_BYTES};
        const uint32_t at =
            octo_message_entries_offset(OCTO_MESSAGE_APPEND_REQUEST) + message.entries_bytes;
        message.entries_bytes += octo_entry_encode(&entry, out + at, MESSAGE_BYTES - at);
    }
    return octo_message_encode(&message, CLUSTER_ID, out, MESSAGE_BYTES);
}

static bool rounds_run(struct follower *follower, uint32_t rounds, uint64_t *samples,
                       struct bench_append *result)
{
    static uint8_t bytes[MESSAGE_BYTES];
    uint64_t spent = 0;
    follower->steps = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        struct octo_event event = {.kind = OCTO_EVENT_MESSAGE};
        event.message.bytes = bytes;
        event.message.size = message_make(round, bytes);
        samples[round] = timed_step(follower, &event);
        spent += samples[round] + drain(follower);
    }
    result->rounds = rounds;
    result->steps = follower->steps / rounds;
    result->round_ns = spent / rounds;
    result->step_ns = bench_median(samples, rounds);
    result->p99_ns = samples[(size_t)rounds * 99 / 100];
    return follower->acked == (octo_index)rounds * BENCH_APPEND_ENTRIES;
}

bool bench_append_run(uint32_t rounds, struct bench_append *result)
{
    struct follower follower;
    uint64_t *samples = calloc(rounds, sizeof *samples);
    bool good = follower_make(&follower, rounds) && samples != NULL;
    if (good) {
        struct octo_event boot = {.kind = OCTO_EVENT_BOOT, .boot = {.seed = 1, .format = true}};
        (void)timed_step(&follower, &boot);
        (void)drain(&follower);
        good = rounds_run(&follower, rounds, samples, result);
    }
    follower_free(&follower);
    free(samples);
    return good;
}
