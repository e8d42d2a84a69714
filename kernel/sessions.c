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

#define IMAGE_HEADER_BYTES  32u
#define IMAGE_SESSION_BYTES 40u

/* A snapshot that is being read: its pieces may end anywhere. */
struct restore {
    bool headed;      /* the header is in */
    uint32_t count;   /* sessions that the header announced */
    uint32_t have;    /* bytes of head */
    uint32_t missing; /* result bytes of the last session */
    uint8_t head[IMAGE_SESSION_BYTES];
};

struct octo_sessions {
    struct restore restore;
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

    sessions->max = config->sessions_max;
    sessions->index_mask = slots - 1;
    sessions->ring_bytes = ring_size(config);
    sessions->result_max = config->result_bytes_max;
    sessions->index = must_alloc(arena, (size_t)slots * sizeof(uint32_t));
    sessions->sessions = must_alloc(arena, (size_t)sessions->max * sizeof(struct session));
    sessions->ring = must_alloc(arena, (size_t)sessions->ring_bytes + sessions->result_max);
    octo_sessions_clear(sessions);
    return sessions;
}

void octo_sessions_clear(struct octo_sessions *sessions)
{
    memset(sessions->index, 0, ((size_t)sessions->index_mask + 1) * sizeof(uint32_t));
    sessions->restore = (struct restore){.headed = false};
    sessions->stream = 0;
    sessions->digest = 0;
    sessions->count = 0;
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

/* ---- Snapshot ------------------------------------------------------------------------------ */

static uint32_t kept_bytes(const struct octo_sessions *sessions, const struct session *session)
{
    return result_kept(sessions, session) ? session->size : 0;
}

uint64_t octo_sessions_image_bytes(const struct octo_sessions *sessions)
{
    uint64_t bytes = IMAGE_HEADER_BYTES + (uint64_t)sessions->count * IMAGE_SESSION_BYTES;

    for (uint32_t i = 0; i < sessions->count; i++)
        bytes += kept_bytes(sessions, &sessions->sessions[i]);
    return bytes;
}

static void header_put(const struct octo_sessions *sessions, uint8_t head[IMAGE_HEADER_BYTES])
{
    octo_put_u32(head, sessions->count);
    octo_put_u32(head + 4, sessions->max);
    octo_put_u32(head + 8, sessions->ring_bytes);
    octo_put_u32(head + 12, sessions->result_max);
    octo_put_u64(head + 16, sessions->stream);
    octo_put_u64(head + 24, 0);
}

static void session_put(const struct octo_sessions *sessions, const struct session *session,
                        uint8_t head[IMAGE_SESSION_BYTES])
{
    octo_put_u64(head, session->client);
    octo_put_u64(head + 8, session->sequence);
    octo_put_u64(head + 16, session->hash);
    octo_put_u64(head + 24, session->position);
    octo_put_u32(head + 32, session->size);
    octo_put_u32(head + 36, result_kept(sessions, session));
}

/* Copies what is left of source from *at on and what fits; true when all of it is out. */
static bool part_copy(const uint8_t *source, uint32_t size, uint32_t *at, struct octo_buffer *out)
{
    const uint32_t run = (uint32_t)octo_min_u64(size - *at, out->capacity - out->size);

    if (run > 0)
        memcpy(out->bytes + out->size, source + *at, run);
    out->size += run;
    *at += run;
    return *at == size;
}

/* The cursor: the part in its upper half (0 the header, i the session i - 1), in its lower one the
 * bytes of the part that are out. */
bool octo_sessions_snapshot(const struct octo_sessions *sessions, uint64_t *cursor,
                            struct octo_buffer *out)
{
    uint32_t part = (uint32_t)(*cursor >> 32);
    uint32_t at = (uint32_t)*cursor;
    uint8_t head[IMAGE_SESSION_BYTES];

    octo_assert(sessions->count < UINT32_MAX); /* so that part does not wrap around */
    out->size = 0;
    while (part <= sessions->count) {
        uint32_t head_bytes = IMAGE_HEADER_BYTES;
        uint32_t result_bytes = 0;
        const uint8_t *result = NULL;
        if (part == 0) {
            header_put(sessions, head);
        } else {
            const struct session *session = &sessions->sessions[part - 1];
            session_put(sessions, session, head);
            head_bytes = IMAGE_SESSION_BYTES;
            result_bytes = kept_bytes(sessions, session);
            result = result_at(sessions, session);
        }
        bool whole = at >= head_bytes || part_copy(head, head_bytes, &at, out);
        if (whole && result_bytes > 0) {
            uint32_t result_out = at - head_bytes;
            whole = part_copy(result, result_bytes, &result_out, out);
            at = head_bytes + result_out;
        }
        if (!whole)
            break;
        part++;
        at = 0;
    }
    *cursor = (uint64_t)part << 32 | at;
    return part > sessions->count;
}

/* ---- Restore ------------------------------------------------------------------------------- */

static enum octo_err header_take(struct octo_sessions *sessions, const uint8_t *head)
{
    if (octo_get_u32(head + 4) != sessions->max || octo_get_u32(head + 8) != sessions->ring_bytes ||
        octo_get_u32(head + 12) != sessions->result_max)
        return OCTO_ERR_RANGE;
    sessions->restore.count = octo_get_u32(head);
    sessions->stream = octo_get_u64(head + 16);
    if (sessions->restore.count > sessions->max || octo_get_u64(head + 24) != 0)
        return OCTO_ERR_MALFORMED;
    sessions->restore.headed = true;
    return OCTO_ERR_OK;
}

/* What octo_sessions_record can have left. */
static bool session_ok(const struct octo_sessions *sessions, const struct session *session,
                       uint32_t kept)
{
    if (session->client == 0 || session->sequence == 0 || session->size > sessions->result_max)
        return false;
    if (session->size <= SHORT_BYTES)
        return session->position == 0 && kept == 1;
    return session->size <= sessions->stream &&
           session->position <= sessions->stream - session->size &&
           kept == (result_kept(sessions, session) ? 1 : 0);
}

static enum octo_err session_take(struct octo_sessions *sessions, const uint8_t *head)
{
    const struct session read = {
        .client = octo_get_u64(head),
        .sequence = octo_get_u64(head + 8),
        .hash = octo_get_u64(head + 16),
        .position = octo_get_u64(head + 24),
        .size = octo_get_u32(head + 32),
    };

    if (sessions->count == sessions->restore.count ||
        !session_ok(sessions, &read, octo_get_u32(head + 36)))
        return OCTO_ERR_MALFORMED;
    uint32_t *slot = slot_of(sessions, read.client);
    if (*slot != 0)
        return OCTO_ERR_MALFORMED;
    *session_add(sessions, read.client, slot) = read;
    sessions->restore.missing = kept_bytes(sessions, &read);
    return OCTO_ERR_OK;
}

static enum octo_err session_complete(struct octo_sessions *sessions)
{
    const struct session *session = &sessions->sessions[sessions->count - 1];

    if (result_kept(sessions, session) &&
        octo_hash(result_at(sessions, session), session->size, 0) != session->hash)
        return OCTO_ERR_MALFORMED;
    sessions->digest += session_digest(session);
    return OCTO_ERR_OK;
}

/* Takes result bytes of the last session; how many. */
static uint32_t result_take(struct octo_sessions *sessions, const uint8_t *bytes, uint32_t size)
{
    struct session *session = &sessions->sessions[sessions->count - 1];
    const uint32_t run = (uint32_t)octo_min_u64(sessions->restore.missing, size);
    uint8_t *kept = session->size <= SHORT_BYTES
                        ? session->short_result
                        : sessions->ring + session->position % sessions->ring_bytes;

    memcpy(kept + session->size - sessions->restore.missing, bytes, run);
    sessions->restore.missing -= run;
    return run;
}

/* Takes bytes of a head, and the head when it is whole; how many in *used. */
static enum octo_err head_take(struct octo_sessions *sessions, const uint8_t *bytes, uint32_t size,
                               uint32_t *used)
{
    struct restore *restore = &sessions->restore;
    const uint32_t whole = restore->headed ? IMAGE_SESSION_BYTES : IMAGE_HEADER_BYTES;
    const uint32_t run = (uint32_t)octo_min_u64(whole - restore->have, size);

    memcpy(restore->head + restore->have, bytes, run);
    restore->have += run;
    *used = run;
    if (restore->have < whole)
        return OCTO_ERR_OK;
    restore->have = 0;
    if (!restore->headed)
        return header_take(sessions, restore->head);
    const enum octo_err err = session_take(sessions, restore->head);
    if (err != OCTO_ERR_OK || restore->missing > 0)
        return err;
    return session_complete(sessions);
}

enum octo_err octo_sessions_restore(struct octo_sessions *sessions, const uint8_t *bytes,
                                    uint32_t size, bool last)
{
    struct restore *restore = &sessions->restore;
    enum octo_err err = OCTO_ERR_OK;

    while (size > 0 && err == OCTO_ERR_OK) {
        uint32_t used;
        if (restore->missing > 0) {
            used = result_take(sessions, bytes, size);
            if (restore->missing == 0)
                err = session_complete(sessions);
        } else {
            err = head_take(sessions, bytes, size, &used);
        }
        bytes += used;
        size -= used;
    }
    if (err != OCTO_ERR_OK || !last)
        return err;
    if (!restore->headed || restore->have > 0 || restore->missing > 0 ||
        sessions->count != restore->count)
        return OCTO_ERR_MALFORMED;
    *restore = (struct restore){.headed = false};
    return OCTO_ERR_OK;
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
        if (i + 1 == sessions->count && sessions->restore.missing > 0)
            continue; /* half restored */
        if (result_kept(sessions, session)) {
            const uint8_t *result = result_at(sessions, session);
            octo_assert(octo_hash(result, session->size, 0) == session->hash);
        }
        digest += session_digest(session);
    }
    octo_assert(digest == sessions->digest);
}
