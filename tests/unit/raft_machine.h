/* A machine for the tests of consensus: it counts commands and hashes them in order, so that two
 * states are equal exactly if the same commands were applied in the same order. */
#ifndef OCTO_TESTS_RAFT_MACHINE_H
#define OCTO_TESTS_RAFT_MACHINE_H

#include "kernel/machine.h"

struct raft_machine_state {
    uint64_t count;
    uint64_t digest;
};

static inline enum octo_err raft_machine_init(struct octo_machine_context *context)
{
    struct raft_machine_state *state = octo_alloc(context->allocator, sizeof *state);

    if (state == NULL)
        return OCTO_ERR_FULL;
    memset(state, 0, sizeof *state);
    context->state = state;
    return OCTO_ERR_OK;
}

/* The result is the position of the command among all that were applied. */
static inline void raft_machine_apply(struct octo_machine_context *context, const uint8_t *command,
                                      uint32_t size, struct octo_buffer *result)
{
    struct raft_machine_state *state = context->state;

    state->count++;
    state->digest = octo_hash(command, size, state->digest);
    octo_assert(result->capacity >= 8);
    octo_put_u64(result->bytes, state->count);
    result->size = 8;
}

static inline uint64_t raft_machine_digest(const struct octo_machine_context *context)
{
    const struct raft_machine_state *state = context->state;

    return octo_mix(state->digest ^ octo_mix(state->count));
}

static const struct octo_machine raft_machine = {
    .name = "count",
    .version = 1,
    .init = raft_machine_init,
    .apply = raft_machine_apply,
    .digest = raft_machine_digest,
};

#endif
