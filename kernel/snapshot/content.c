/* The raw bytes of a snapshot: size of the session table, session table, machine. */
#include "kernel/snapshot/state.h"

void octo_snapshot_stream_begin(struct octo_snapshots *snapshots)
{
    snapshots->stream = (struct octo_snapshot_stream){.part = OCTO_SNAPSHOT_PART_SIZE};
    octo_hash_begin(&snapshots->hash);
}

/* ---- Out ----------------------------------------------------------------------------------- */

/* Fills out from the present part; true when that part is at its end. */
static bool part_read(struct octo_snapshots *snapshots, const struct octo_step *step,
                      struct octo_buffer *out)
{
    struct octo_snapshot_stream *stream = &snapshots->stream;
    const struct octo_sessions *sessions = snapshots->content.sessions;

    switch ((enum octo_snapshot_part)stream->part) {
    case OCTO_SNAPSHOT_PART_SIZE:
        octo_assert(out->capacity >= 8);
        octo_put_u64(out->bytes, octo_sessions_image_bytes(sessions));
        out->size = 8;
        return true;
    case OCTO_SNAPSHOT_PART_SESSIONS:
        return octo_sessions_snapshot(sessions, &stream->cursor, out);
    case OCTO_SNAPSHOT_PART_MACHINE:
        return step->effects->machine->snapshot(snapshots->content.machine, &stream->cursor, out);
    case OCTO_SNAPSHOT_PART_END:
        break;
    }
    return true;
}

bool octo_snapshot_stream_read(struct octo_snapshots *snapshots, const struct octo_step *step,
                               uint8_t *raw, uint32_t capacity, uint32_t *size)
{
    struct octo_snapshot_stream *stream = &snapshots->stream;

    *size = 0;
    while (stream->part != OCTO_SNAPSHOT_PART_END && *size < capacity) {
        struct octo_buffer out = {.bytes = raw + *size, .capacity = capacity - *size};
        const bool ended = part_read(snapshots, step, &out);
        octo_assert(out.size <= out.capacity);
        *size += out.size;
        if (ended) {
            stream->part++;
            stream->cursor = 0;
        } else if (out.size == 0) { /* a machine's next piece may need all of a buffer */
            octo_assert(*size > 0);
            break;
        }
    }
    octo_hash_add(&snapshots->hash, raw, *size);
    return stream->part == OCTO_SNAPSHOT_PART_END;
}

/* ---- In ------------------------------------------------------------------------------------ */

enum octo_err octo_snapshot_state_clear(struct octo_snapshots *snapshots,
                                        const struct octo_step *step)
{
    const struct octo_snapshot_content *content = &snapshots->content;

    octo_assert(step->effects->machine != NULL);
    octo_sessions_clear(content->sessions);
    content->machine->allocator =
        octo_allocator_init(content->machine_memory, snapshots->config->machine_memory_bytes);
    return step->effects->machine->init(content->machine);
}

/* Takes bytes of the present part; how many in *used. */
static enum octo_err part_write(struct octo_snapshots *snapshots, const struct octo_step *step,
                                const uint8_t *raw, uint32_t size, uint32_t *used)
{
    struct octo_snapshot_stream *stream = &snapshots->stream;

    *used = size;
    switch ((enum octo_snapshot_part)stream->part) {
    case OCTO_SNAPSHOT_PART_SIZE:
        *used = (uint32_t)octo_min_u64(sizeof stream->size_bytes - stream->have, size);
        memcpy(stream->size_bytes + stream->have, raw, *used);
        stream->have += *used;
        if (stream->have == sizeof stream->size_bytes) {
            stream->left = octo_get_u64(stream->size_bytes);
            stream->part = OCTO_SNAPSHOT_PART_SESSIONS;
        }
        return stream->part == OCTO_SNAPSHOT_PART_SESSIONS && stream->left == 0 ? OCTO_ERR_MALFORMED
                                                                                : OCTO_ERR_OK;
    case OCTO_SNAPSHOT_PART_SESSIONS:
        *used = (uint32_t)octo_min_u64(stream->left, size);
        stream->left -= *used;
        if (stream->left == 0)
            stream->part = OCTO_SNAPSHOT_PART_MACHINE;
        return octo_sessions_restore(snapshots->content.sessions, raw, *used, stream->left == 0);
    case OCTO_SNAPSHOT_PART_MACHINE:
        return step->effects->machine->restore(snapshots->content.machine, raw, size, false);
    case OCTO_SNAPSHOT_PART_END:
        break;
    }
    return OCTO_ERR_MALFORMED;
}

enum octo_err octo_snapshot_stream_write(struct octo_snapshots *snapshots,
                                         const struct octo_step *step, const uint8_t *raw,
                                         uint32_t size, bool last)
{
    struct octo_snapshot_stream *stream = &snapshots->stream;

    while (size > 0) {
        uint32_t used;
        const enum octo_err err = part_write(snapshots, step, raw, size, &used);
        if (err != OCTO_ERR_OK)
            return err;
        raw += used;
        size -= used;
    }
    if (!last)
        return OCTO_ERR_OK;
    if (stream->part != OCTO_SNAPSHOT_PART_MACHINE)
        return OCTO_ERR_MALFORMED;
    stream->part = OCTO_SNAPSHOT_PART_END;
    return step->effects->machine->restore(snapshots->content.machine, raw, 0, true);
}
