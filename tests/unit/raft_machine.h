/* A machine for the tests of consensus: it counts commands and hashes them in order, so that two
 * states are equal exactly if the same commands were applied in the same order. */
#ifndef OCTO_TESTS_RAFT_MACHINE_H
#define OCTO_TESTS_RAFT_MACHINE_H

#include "kernel/machine.h"

#define RAFT_MACHINE_BYTES 16u /* of a snapshot: count, digest */

struct raft_machine_state {
    uint64_t count;
    uint64_t digest;
    uint8_t restored[RAFT_MACHINE_BYTES]; /* of a snapshot that is being read */
    uint32_t restored_bytes;
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

static inline bool raft_machine_snapshot(const struct octo_machine_context *context,
                                         uint64_t *cursor, struct octo_buffer *out)
{
    const struct raft_machine_state *state = context->state;
    uint8_t bytes[RAFT_MACHINE_BYTES];

    octo_put_u64(bytes, state->count);
    octo_put_u64(bytes + 8, state->digest);
    out->size = (uint32_t)octo_min_u64(out->capacity, sizeof bytes - *cursor);
    memcpy(out->bytes, bytes + *cursor, out->size);
    *cursor += out->size;
    return *cursor == sizeof bytes;
}

static inline enum octo_err raft_machine_restore(struct octo_machine_context *context,
                                                 const uint8_t *bytes, uint32_t size, bool last)
{
    struct raft_machine_state *state = context->state;

    if (size > sizeof state->restored - state->restored_bytes)
        return OCTO_ERR_MALFORMED;
    if (size > 0)
        memcpy(state->restored + state->restored_bytes, bytes, size);
    state->restored_bytes += size;
    if (!last)
        return OCTO_ERR_OK;
    if (state->restored_bytes != sizeof state->restored)
        return OCTO_ERR_MALFORMED;
    state->count = octo_get_u64(state->restored);
    state->digest = octo_get_u64(state->restored + 8);
    return OCTO_ERR_OK;
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
    .snapshot = raft_machine_snapshot,
    .restore = raft_machine_restore,
    .digest = raft_machine_digest,
};

#endif
