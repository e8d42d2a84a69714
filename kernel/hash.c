/* XXH3-64, compiled into the kernel so that one binary holds one version of it. */
#include "kernel/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t octo_hash(const void *bytes, size_t size, uint64_t seed)
{
    octo_assert(bytes != NULL || size == 0);
    /* The library wants a pointer even for no bytes; the value does not depend on it. */
    return XXH3_64bits_withSeed(size > 0 ? bytes : "", size, seed);
}

_Static_assert(sizeof(XXH3_state_t) <= sizeof(struct octo_hash_stream), "the state has room");

void octo_hash_begin(struct octo_hash_stream *stream)
{
    XXH3_state_t *state = (XXH3_state_t *)stream->bytes;

    memset(stream, 0, sizeof *stream);
    XXH3_64bits_reset(state);
    /* The library points at its own constants; a node's block holds no pointer out of itself (K2),
     * so it gets a copy of them. */
    memcpy(state->customSecret, XXH3_kSecret, sizeof state->customSecret);
    state->extSecret = NULL;
}

void octo_hash_add(struct octo_hash_stream *stream, const void *bytes, size_t size)
{
    if (size > 0)
        XXH3_64bits_update((XXH3_state_t *)stream->bytes, bytes, size);
}

uint64_t octo_hash_end(const struct octo_hash_stream *stream)
{
    return XXH3_64bits_digest((const XXH3_state_t *)stream->bytes);
}
