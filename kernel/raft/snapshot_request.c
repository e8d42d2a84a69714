/* SNAPSHOT_REQUEST: a leader sends the snapshot itself to a follower that wants entries which are
 * no longer in the log (section 7), a chunk of its file at a time. */
#include "kernel/raft/parts.h"

/* ---- The leader ---------------------------------------------------------------------------- */

/* Sends a chunk; none: a heartbeat. */
static void request_send(struct octo_raft *raft, struct octo_step *step, struct octo_peer *peer,
                         const struct octo_snapshot_chunk *chunk)
{
    const struct octo_config *config = raft->config;
    const struct octo_position *position = &octo_snapshots_newest(raft->snapshots)->position;
    const uint32_t capacity = chunk == NULL ? OCTO_RAFT_SMALL_BYTES : config->message_bytes_max;
    uint8_t *out = octo_step_bytes(step, capacity);
    struct octo_message message = {
        .type = OCTO_MESSAGE_SNAPSHOT_REQUEST,
        .from = config->node_id,
        .to = (octo_node_id)(peer - raft->peers) + 1,
        .term = octo_raft_term(raft),
        .snapshot_request = {.index = position->index,
                             .snapshot_term = position->term,
                             .chain = position->chain,
                             .offset = peer->snapshot_offset,
                             .round = raft->round},
    };

    if (chunk != NULL) {
        message.snapshot_request.last = chunk->last;
        message.bytes = chunk->bytes;
        message.bytes_size = chunk->size;
        if (chunk->last)
            octo_step_mark(step, OCTO_MARK_SNAPSHOT_SENT);
    }
    const uint32_t size = octo_message_encode(&message, config->cluster_id, out, capacity);
    octo_assert(size > 0); /* octo_config_check: a chunk fits into a message */
    octo_step_send(step, message.to, out, size);
    peer->sent_at = step->now;
}

/* The chunk for this peer that was read in this step, if it is the one that it wants. */
static const struct octo_snapshot_chunk *chunk_for(const struct octo_raft *raft,
                                                   const struct octo_peer *peer)
{
    const struct octo_snapshot_chunk *chunk = octo_snapshots_chunk(raft->snapshots);

    if (chunk == NULL || chunk->peer != (octo_node_id)(peer - raft->peers) + 1 ||
        chunk->position.index != peer->snapshot_index || chunk->offset != peer->snapshot_offset)
        return NULL;
    return chunk;
}

void octo_raft_snapshot_send(struct octo_raft *raft, struct octo_step *step, struct octo_peer *peer)
{
    const struct octo_snapshot_file *newest = octo_snapshots_newest(raft->snapshots);
    const octo_node_id id = (octo_node_id)(peer - raft->peers) + 1;

    octo_assert(newest->number != 0);                     /* what the log has dropped is in it */
    if (peer->snapshot_index != newest->position.index) { /* another one: from the beginning */
        peer->snapshot_index = newest->position.index;
        peer->snapshot_offset = 0;
        peer->snapshot_had = 0;
        peer->probe_sent = false;
    }
    const struct octo_snapshot_chunk *chunk = chunk_for(raft, peer);
    if (chunk != NULL) {
        request_send(raft, step, peer, chunk);
        peer->probe_round = raft->round;
    } else if (peer->heartbeat_due) { /* its answer says whether the chunk was lost */
        request_send(raft, step, peer, NULL);
    }
    peer->heartbeat_due = false;
    if (!peer->probe_sent) {
        octo_snapshots_fetch(raft->snapshots, step, id, peer->snapshot_offset);
        peer->probe_sent = true;
    }
}

/* ---- The follower -------------------------------------------------------------------------- */

/* Its sender learns our term and steps down. */
static void refuse(struct octo_raft *raft, struct octo_step *step,
                   const struct octo_message *request)
{
    struct octo_message response = {
        .type = OCTO_MESSAGE_SNAPSHOT_RESPONSE,
        .term = octo_raft_term(raft),
        .snapshot_response = {.index = request->snapshot_request.index,
                              .round = request->snapshot_request.round},
    };
    octo_raft_reply(raft, step, &response, request->from);
}

enum octo_err octo_raft_snapshot_request(struct octo_raft *raft, struct octo_step *step,
                                         const struct octo_message *message)
{
    const struct octo_snapshot_request *request = &message->snapshot_request;
    const struct octo_position position = {
        .index = request->index,
        .term = request->snapshot_term,
        .chain = request->chain,
    };

    if (message->term < octo_raft_term(raft)) {
        refuse(raft, step, message);
        return OCTO_ERR_OK;
    }
    const enum octo_err err = octo_raft_leader_hear(raft, step, message->from, request->round);
    if (err != OCTO_ERR_OK)
        return err;
    const bool another = !octo_position_equal(&raft->receiving, &position);
    raft->receiving = position;
    raft->snapshot_ack_due = raft->snapshot_ack_due || another || message->bytes_size == 0;
    if (position.index <= raft->commit || message->bytes_size == 0) {
        raft->snapshot_ack_due = true;
        return OCTO_ERR_OK;
    }
    const struct octo_snapshot_chunk chunk = {
        .peer = message->from,
        .position = position,
        .offset = request->offset,
        .bytes = message->bytes,
        .size = message->bytes_size,
        .last = request->last != 0,
    };
    return octo_snapshots_receive(raft->snapshots, step, &chunk);
}

void octo_raft_installed(struct octo_raft *raft, struct octo_step *step,
                         const struct octo_position *position)
{
    if (octo_raft_log(raft)->last > position->index)
        octo_step_mark(step, OCTO_MARK_SNAPSHOT_OVER_LONGER);
    octo_wal_install(raft->wal, step, position);
    const octo_index last = octo_raft_log(raft)->last;
    raft->verified = octo_min_u64(raft->verified, last);
    /* Until the log says durably where it begins, nothing is acknowledged; then all is anew. */
    raft->acked =
        octo_min_u64(octo_min_u64(raft->acked, raft->verified), octo_wal_durable(raft->wal));
    octo_raft_commit_raise(raft, step, position->index);
}
