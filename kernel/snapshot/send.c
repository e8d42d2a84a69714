/* Chunks of the newest snapshot, read for peers. */
#include "kernel/snapshot/state.h"

void octo_snapshots_fetch(struct octo_snapshots *snapshots, struct octo_step *step,
                          octo_node_id peer, uint64_t offset)
{
    struct octo_snapshot_send *send = &snapshots->sends[peer - 1];
    const struct octo_snapshot_file *newest = &snapshots->newest;

    octo_assert(peer >= 1);
    octo_assert(peer <= snapshots->config->node_count);
    octo_assert(newest->number != 0);
    if (send->op != 0 || offset >= newest->bytes)
        return;
    const struct octo_disk_op op = {
        .kind = OCTO_DISK_READ,
        .file = octo_snapshot_name(newest->number),
        .offset = offset,
        .length =
            (uint32_t)octo_min_u64(snapshots->config->snapshot_chunk_bytes, newest->bytes - offset),
    };
    send->op = octo_step_disk(step, &op);
    send->offset = offset;
    send->number = newest->number;
    snapshots->sent = true;
    snapshots->sent_at = step->now;
}

/* Whether the first bytes of the newest file say what it is. A peer refuses them if they do not,
 * and with no word: it cannot tell a file that rotted from a message that nobody should send. */
static bool header_sound(const struct octo_snapshots *snapshots, const uint8_t *bytes)
{
    struct octo_snapshot_header header;

    return octo_snapshot_header_decode(bytes, snapshots->config->cluster_id, &header) ==
               OCTO_ERR_OK &&
           octo_position_equal(&header.position, &snapshots->newest.position);
}

bool octo_snapshot_send_completion(struct octo_snapshots *snapshots, struct octo_step *step,
                                   const struct octo_event *event)
{
    const struct octo_snapshot_file *newest = &snapshots->newest;
    uint32_t at = 0;

    while (at < snapshots->config->node_count && snapshots->sends[at].op != event->disk.id)
        at++;
    if (at == snapshots->config->node_count)
        return false;
    struct octo_snapshot_send *send = &snapshots->sends[at];
    send->op = 0;
    if (event->disk.result != OCTO_ERR_OK) { /* the peer is served again at the next heartbeat */
        octo_step_mark(step, OCTO_MARK_READ_FAILED);
        octo_snapshot_refused(step, event->disk.result, OCTO_DISK_READ);
        return true;
    }
    const uint32_t least = send->offset == 0 ? OCTO_SNAPSHOT_HEADER_BYTES : 1;
    if (send->number != newest->number || event->disk.length < least)
        return true;
    if (send->offset == 0 && !header_sound(snapshots, event->disk.data)) {
        octo_snapshots_doubt(snapshots, step);
        return true;
    }
    const uint32_t size = (uint32_t)octo_min_u64(
        event->disk.length,
        octo_min_u64(snapshots->config->snapshot_chunk_bytes, newest->bytes - send->offset));
    snapshots->chunk = (struct octo_snapshot_chunk){
        .peer = at + 1,
        .position = newest->position,
        .offset = send->offset,
        .bytes = event->disk.data,
        .size = size,
        .last = send->offset + size == newest->bytes,
    };
    snapshots->chunk_read = true;
    return true;
}

const struct octo_snapshot_chunk *octo_snapshots_chunk(const struct octo_snapshots *snapshots)
{
    return snapshots->chunk_read ? &snapshots->chunk : NULL;
}

bool octo_snapshot_being_read(const struct octo_snapshots *snapshots, uint32_t number)
{
    for (uint32_t i = 0; i < snapshots->config->node_count; i++) {
        if (snapshots->sends[i].op != 0 && snapshots->sends[i].number == number)
            return true;
    }
    return false;
}

void octo_snapshots_doubt(struct octo_snapshots *snapshots, struct octo_step *step)
{
    octo_step_mark(step, OCTO_MARK_SNAPSHOT_DOUBTED);
    snapshots->doubted = snapshots->newest.number;
}

bool octo_snapshots_doubted(const struct octo_snapshots *snapshots)
{
    return snapshots->doubted != 0 && snapshots->doubted == snapshots->newest.number;
}

bool octo_snapshots_sending(const struct octo_snapshots *snapshots, octo_time_ns now)
{
    return snapshots->sent && now - snapshots->sent_at < snapshots->config->election_timeout_ns;
}
