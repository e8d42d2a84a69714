/* Sessions stand in a dense array, in the order in which their clients first appeared; an
 * open-addressing index of at most half load finds them. There is no removal.
 *
 * A long result begins at position p of an endless stream and stands at storage[p % R]. It runs on
 * past R rather than around the corner, so that it is contiguous; the storage has result_bytes_max
 * bytes more for that. A later result touches its bytes only if it ends beyond p + R, and by then
 * the rule (sessions.h) has dropped it. */
#include "kernel/sessions.h"

#define SHORT_BYTES 32u
#define LONG_BYTES  256u /* share of the ring per session */

struct session {
    octo_client_id client;
    uint64_t sequence; /* of the last command applied */
    uint64_t hash;     /* of its result */
    uint64_t position; /* long result: where it begins in the stream */
    uint32_t size;     /* of its result */
    uint32_t reserved;
    uint8_t short_result[SHORT_BYTES];
};

struct octo_sessions {
    uint64_t stream; /* bytes of long results recorded so far */
    uint64_t digest; /* sum over sessions */
    uint32_t count;
    uint32_t max;
    uint32_t index_mask;
    uint32_t ring_bytes;
    uint32_t result_max;
    uint32_t *index; /* session number + 1, 0 if empty */
    struct session *sessions;
    uint8_t *ring; /* ring_bytes + result_max */
};

static uint32_t index_slots(const struct octo_config *config)
{
    uint32_t slots = 2;
    while (slots < 2 * config->sessions_max)
        slots *= 2;
    return slots;
}

static uint32_t ring_size(const struct octo_config *config)
{
    return (uint32_t)octo_max_u64((uint64_t)LONG_BYTES * config->sessions_max,
                                  config->result_bytes_max);
}

size_t octo_sessions_bytes(const struct octo_config *config)
{
    size_t bytes = octo_align_up(sizeof(struct octo_sessions), 64);
    bytes += octo_align_up((size_t)index_slots(config) * sizeof(uint32_t), 64);
    bytes += octo_align_up((size_t)config->sessions_max * sizeof(struct session), 64);
    bytes += octo_align_up((size_t)ring_size(config) + config->result_bytes_max, 64);
    return bytes;
}

static void *must_alloc(struct octo_arena *arena, size_t size)
{
    void *block = octo_arena_alloc(arena, size);
    octo_assert(block != NULL);
    return block;
}

struct octo_sessions *octo_sessions_init(const struct octo_config *config, struct octo_arena *arena)
{
    struct octo_sessions *sessions = must_alloc(arena, sizeof *sessions);
    const uint32_t slots = index_slots(config);

    memset(sessions, 0, sizeof *sessions);
    sessions->max = config->sessions_max;
    sessions->index_mask = slots - 1;
    sessions->ring_bytes = ring_size(config);
    sessions->result_max = config->result_bytes_max;
    sessions->index = must_alloc(arena, (size_t)slots * sizeof(uint32_t));
    memset(sessions->index, 0, (size_t)slots * sizeof(uint32_t));
    sessions->sessions = must_alloc(arena, (size_t)sessions->max * sizeof(struct session));
    sessions->ring = must_alloc(arena, (size_t)sessions->ring_bytes + sessions->result_max);
    return sessions;
}

/* The index slot that holds client, or the empty one where it belongs. */
static uint32_t *slot_of(const struct octo_sessions *sessions, octo_client_id client)
{
    uint32_t at = (uint32_t)octo_mix(client) & sessions->index_mask;
    while (sessions->index[at] != 0 && sessions->sessions[sessions->index[at] - 1].client != client)
        at = (at + 1) & sessions->index_mask;
    return &sessions->index[at];
}

static bool result_kept(const struct octo_sessions *sessions, const struct session *session)
{
    return session->size <= SHORT_BYTES ||
           sessions->stream - session->position <= sessions->ring_bytes;
}

static const uint8_t *result_at(const struct octo_sessions *sessions, const struct session *session)
{
    if (session->size <= SHORT_BYTES)
        return session->short_result;
    return sessions->ring + session->position % sessions->ring_bytes;
}

enum octo_session_verdict octo_sessions_look(const struct octo_sessions *sessions,
                                             octo_client_id client, uint64_t sequence,
                                             const uint8_t **result, uint32_t *size)
{
    octo_assert(client != 0);
    octo_assert(sequence != 0);
    *result = NULL;
    *size = 0;
    const uint32_t number = *slot_of(sessions, client);
    if (number == 0)
        return sessions->count < sessions->max ? OCTO_SESSION_NEW : OCTO_SESSION_FULL;
    const struct session *session = &sessions->sessions[number - 1];
    if (sequence > session->sequence)
        return OCTO_SESSION_NEW;
    if (sequence < session->sequence || !result_kept(sessions, session))
        return OCTO_SESSION_STALE;
    *result = result_at(sessions, session);
    *size = session->size;
    return OCTO_SESSION_DUPLICATE;
}

/* One session's share of the digest. */
static uint64_t session_digest(const struct session *session)
{
    uint64_t digest = octo_mix(session->client ^ 0x9e3779b97f4a7c15ull);
    digest = octo_mix(digest ^ session->sequence);
    digest = octo_mix(digest ^ session->hash);
    digest = octo_mix(digest ^ session->position);
    return octo_mix(digest ^ session->size);
}

static struct session *session_add(struct octo_sessions *sessions, octo_client_id client,
                                   uint32_t *slot)
{
    octo_assert(sessions->count < sessions->max);
    struct session *session = &sessions->sessions[sessions->count];
    sessions->count++;
    *slot = sessions->count;
    memset(session, 0, sizeof *session);
    session->client = client;
    return session;
}

void octo_sessions_record(struct octo_sessions *sessions, octo_client_id client, uint64_t sequence,
                          const uint8_t *result, uint32_t size)
{
    octo_assert(client != 0);
    octo_assert(size <= sessions->result_max);
    octo_assert(result != NULL || size == 0);
    uint32_t *slot = slot_of(sessions, client);
    struct session *session;
    if (*slot == 0) {
        session = session_add(sessions, client, slot);
    } else {
        session = &sessions->sessions[*slot - 1];
        sessions->digest -= session_digest(session);
    }
    octo_assert(sequence > session->sequence);
    session->sequence = sequence;
    session->size = size;
    session->hash = octo_hash(result, size, 0);
    session->position = 0;
    uint8_t *kept = session->short_result;
    if (size > SHORT_BYTES) {
        session->position = sessions->stream;
        sessions->stream += size;
        kept = sessions->ring + session->position % sessions->ring_bytes;
    }
    if (size > 0)
        memcpy(kept, result, size);
    sessions->digest += session_digest(session);
}

uint64_t octo_sessions_digest(const struct octo_sessions *sessions)
{
    return octo_mix(octo_mix(sessions->digest ^ sessions->count) ^ sessions->stream);
}

void octo_sessions_check(const struct octo_sessions *sessions)
{
    uint64_t digest = 0;

    octo_assert(sessions->count <= sessions->max);
    for (uint32_t i = 0; i < sessions->count; i++) {
        const struct session *session = &sessions->sessions[i];
        octo_assert(session->client != 0);
        octo_assert(session->sequence != 0);
        octo_assert(session->size <= sessions->result_max);
        octo_assert(*slot_of(sessions, session->client) == i + 1);
        octo_assert(session->position <= sessions->stream);
        if (result_kept(sessions, session)) {
            const uint8_t *result = result_at(sessions, session);
            octo_assert(octo_hash(result, session->size, 0) == session->hash);
        }
        digest += session_digest(session);
    }
    octo_assert(digest == sessions->digest);
}
