/* XXH3, called by the oracles for themselves, and the chain of docs/formats.md. */
#include "oracle/oracle_state.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHAIN_HEADER_BYTES 32u
#define CHAIN_ONCE_BYTES   512u /* up to here in one piece, which is quicker */

uint64_t oracle_hash(const void *bytes, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(size > 0 ? bytes : "", size, seed);
}

static void chain_header(uint8_t *at, const struct octo_entry *entry)
{
    octo_put_u64(at, entry->term);
    octo_put_u64(at + 8, (uint64_t)entry->kind);
    octo_put_u64(at + 16, entry->client);
    octo_put_u64(at + 24, entry->sequence);
}

static uint64_t chain_long(uint64_t previous, const struct octo_entry *entry)
{
    uint8_t header[CHAIN_HEADER_BYTES];
    XXH3_state_t state;

    chain_header(header, entry);
    XXH3_INITSTATE(&state);
    const XXH_errorcode begun = XXH3_64bits_reset_withSeed(&state, previous);
    const XXH_errorcode first = XXH3_64bits_update(&state, header, sizeof header);
    const XXH_errorcode second = XXH3_64bits_update(&state, entry->command, entry->size);
    octo_assert(begun == XXH_OK && first == XXH_OK && second == XXH_OK);
    return XXH3_64bits_digest(&state);
}

uint64_t oracle_chain(uint64_t previous, const struct octo_entry *entry)
{
    uint8_t bytes[CHAIN_ONCE_BYTES];

    if (entry->size > CHAIN_ONCE_BYTES - CHAIN_HEADER_BYTES)
        return chain_long(previous, entry);
    chain_header(bytes, entry);
    if (entry->size > 0)
        memcpy(bytes + CHAIN_HEADER_BYTES, entry->command, entry->size);
    return oracle_hash(bytes, CHAIN_HEADER_BYTES + entry->size, previous);
}
