/* A machine of your own under the whole simulator, in a page.
 *
 * Sixteen counters in a replicated store: ADD a number, TAKE it if there is enough, READ. The
 * kernel makes it a fault-tolerant service; octo_sim_main makes this program a simulator of whole
 * clusters of it: try `counter --seed 7`, `counter --seeds 1..100`, `counter --help`.
 *
 *   command = op u8 | counter u8 | amount u32      result = done u8 | value u64   (little-endian)
 */
#include "sim/sim.h"

#define COUNTERS      16u
#define COMMAND_BYTES 6u
#define RESULT_BYTES  9u

enum { ADD = 1, TAKE = 2, READ = 3 };

struct counters {
    uint64_t values[COUNTERS];
};

static enum octo_err counter_init(struct octo_machine_context *context)
{
    context->state = octo_alloc(context->allocator, sizeof(struct counters));
    if (context->state == NULL)
        return OCTO_ERR_FULL;
    memset(context->state, 0, sizeof(struct counters));
    return OCTO_ERR_OK;
}

/* Commands come from clients: one that makes no sense is a result that says so, never an abort. */
static void counter_apply(struct octo_machine_context *context, const uint8_t *command,
                          uint32_t size, struct octo_buffer *result)
{
    struct counters *counters = context->state;
    bool done = false;
    uint64_t value = 0;

    if (size == COMMAND_BYTES && command[1] < COUNTERS) {
        uint64_t *counter = &counters->values[command[1]];
        const uint32_t amount = octo_get_u32(command + 2);
        done = command[0] == READ || (command[0] == ADD && *counter <= UINT64_MAX - amount) ||
               (command[0] == TAKE && *counter >= amount);
        if (done && command[0] == ADD)
            *counter += amount;
        if (done && command[0] == TAKE)
            *counter -= amount;
        value = *counter;
    }
    result->bytes[0] = done;
    octo_put_u64(result->bytes + 1, value);
    result->size = RESULT_BYTES;
}

/* The state in pieces of (counter, value), as many as fit; *cursor is the next counter. */
static bool counter_snapshot(const struct octo_machine_context *context, uint64_t *cursor,
                             struct octo_buffer *out)
{
    const struct counters *counters = context->state;
    for (out->size = 0; *cursor < COUNTERS && out->size + 9 <= out->capacity; out->size += 9) {
        out->bytes[out->size] = (uint8_t)*cursor;
        octo_put_u64(out->bytes + out->size + 1, counters->values[*cursor]);
        ++*cursor;
    }
    return *cursor == COUNTERS;
}

static enum octo_err counter_restore(struct octo_machine_context *context, const uint8_t *bytes,
                                     uint32_t size, bool last)
{
    struct counters *counters = context->state;
    (void)last;
    for (uint32_t at = 0; at < size; at += 9) {
        if (size - at < 9 || bytes[at] >= COUNTERS)
            return OCTO_ERR_MALFORMED;
        counters->values[bytes[at]] = octo_get_u64(bytes + at + 1);
    }
    return OCTO_ERR_OK;
}

static uint64_t counter_digest(const struct octo_machine_context *context)
{
    const struct counters *counters = context->state;
    uint64_t digest = 0;
    for (uint32_t i = 0; i < COUNTERS; i++)
        digest = octo_mix(digest ^ octo_mix(counters->values[i] + i));
    return digest;
}

/* What the simulator's clients try. */
static void counter_sample(const struct octo_workload *workload, uint64_t random, uint64_t choice,
                           struct octo_buffer *command)
{
    (void)workload; /* every command is of one kind */
    command->bytes[0] = (uint8_t)(ADD + random % 3);
    command->bytes[1] = (uint8_t)(random / 3 % COUNTERS);
    octo_put_u32(command->bytes + 2, (uint32_t)(choice % 100));
    command->size = COMMAND_BYTES;
}

static const struct octo_machine counter = {
    .name = "counter",
    .version = 1,
    .init = counter_init,
    .apply = counter_apply,
    .snapshot = counter_snapshot,
    .restore = counter_restore,
    .digest = counter_digest,
    .sample = counter_sample,
};

int main(int argc, char **argv)
{
    return octo_sim_main(argc, argv, &counter);
}
