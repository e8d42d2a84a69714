/* APPEND_REQUEST at the leader: how far each follower is, and what it is sent next (section 5.3,
 * thesis 10.2.1 for the pipeline).
 *
 *     PROBE ─ entries taken ─> REPLICATE    match < next <= last + 1
 *       ^ next goes down           │
 *       └──────── refused ─────────┘
 *
 * From either to SNAPSHOT when the log no longer has the entry before next (snapshot_request.c),
 * and back to PROBE when that is installed.
 */
#include "kernel/raft/parts.h"

static octo_index *ring_of(const struct octo_raft *raft, const struct octo_peer *peer)
{
    return raft->inflight + (size_t)(peer - raft->peers) * raft->config->inflight_max;
}

void octo_raft_peer_mode_set(struct octo_peer *peer, enum octo_peer_mode mode)
{
    peer->mode = mode;
    peer->probe_sent = false;
    peer->inflight_first = 0;
    peer->inflight_count = 0;
    peer->snapshot_index = 0;
    peer->snapshot_offset = 0;
    peer->snapshot_had = 0;
    peer->probe_round = 0;
    peer->probe_last = 0;
}

void octo_raft_peers_reset(struct octo_raft *raft, const struct octo_step *step)
{
    const octo_index next = octo_raft_log(raft)->last + 1;

    for (uint32_t i = 0; i < raft->config->node_count; i++) {
        raft->peers[i] = (struct octo_peer){.next = next, .sent_at = step->now};
        octo_raft_peer_mode_set(&raft->peers[i], OCTO_PEER_PROBE);
    }
}

/* ---- Sending ------------------------------------------------------------------------------- */

/* Encodes the entries from `next` on, at most `count` of them and as many as fit, straight to where
 * the message has them: each byte is copied once. Returns how many there are. */
uint32_t octo_raft_entries_encode(const struct octo_raft *raft, octo_index next, uint32_t count,
                                  uint8_t *out, uint32_t capacity, uint32_t *bytes)
{
    const struct octo_log *log = octo_raft_log(raft);
    uint32_t encoded = 0;

    *bytes = 0;
    while (encoded < count) {
        struct octo_entry entry;
        if (!octo_log_entry(log, next + encoded, &entry))
            break;
        const uint32_t size = octo_entry_encode(&entry, out + *bytes, capacity - *bytes);
        if (size == 0)
            break;
        *bytes += size;
        encoded++;
    }
    return encoded;
}

/* Sends up to count entries from `next` on (none: a heartbeat) and returns how many those were. */
static uint32_t append_send(struct octo_raft *raft, struct octo_step *step, struct octo_peer *peer,
                            uint32_t count)
{
    const struct octo_config *config = raft->config;
    const uint32_t capacity = count == 0 ? OCTO_RAFT_SMALL_BYTES : config->message_bytes_max;
    const uint32_t offset = octo_message_entries_offset(OCTO_MESSAGE_APPEND_REQUEST);
    uint8_t *out = octo_step_bytes(step, capacity);
    struct octo_message message = {
        .type = OCTO_MESSAGE_APPEND_REQUEST,
        .from = config->node_id,
        .to = (octo_node_id)(peer - raft->peers) + 1,
        .term = octo_raft_term(raft),
        .append_request = {.prev_index = peer->next - 1,
                           .prev_term = octo_log_term(octo_raft_log(raft), peer->next - 1),
                           .commit = raft->commit,
                           .round = raft->round},
        .entries = out + offset,
    };

    const uint32_t encoded = octo_raft_entries_encode(raft, peer->next, count, out + offset,
                                                      capacity - offset, &message.entries_bytes);
    message.append_request.entry_count = encoded;
    const uint32_t size = octo_message_encode(&message, config->cluster_id, out, capacity);
    octo_assert(size > 0);
    octo_step_send(step, message.to, out, size);
    peer->sent_at = step->now;
    peer->heartbeat_due = false; /* any append request is one */
    return encoded;
}

static void window_push(const struct octo_raft *raft, struct octo_peer *peer, octo_index last)
{
    const uint32_t max = raft->config->inflight_max;

    octo_assert(peer->inflight_count < max);
    ring_of(raft, peer)[(peer->inflight_first + peer->inflight_count) % max] = last;
    peer->inflight_count++;
}

static void window_free(const struct octo_raft *raft, struct octo_peer *peer)
{
    const uint32_t max = raft->config->inflight_max;
    const octo_index *ring = ring_of(raft, peer);

    while (peer->inflight_count > 0 && ring[peer->inflight_first] <= peer->match) {
        peer->inflight_first = (peer->inflight_first + 1) % max;
        peer->inflight_count--;
    }
}

static void entries_send(struct octo_raft *raft, struct octo_step *step, struct octo_peer *peer)
{
    const octo_index last = octo_raft_log(raft)->last;

    for (uint32_t sent = 0; peer->next <= last && sent < OCTO_RAFT_SENDS_MAX; sent++) {
        if (peer->inflight_count == raft->config->inflight_max) {
            octo_step_mark(step, OCTO_MARK_WINDOW_FULL);
            return;
        }
        const uint32_t count = append_send(raft, step, peer, raft->config->append_entries_max);
        octo_assert(count > 0); /* a message has room for the longest command */
        peer->next += count;
        window_push(raft, peer, peer->next - 1);
    }
}

static void probe_send(struct octo_raft *raft, struct octo_step *step, struct octo_peer *peer)
{
    const uint32_t count = append_send(raft, step, peer, raft->config->append_entries_max);

    peer->probe_sent = true;
    peer->probe_round = raft->round;
    peer->probe_last = peer->next - 1 + count;
}

void octo_raft_peers_send(struct octo_raft *raft, struct octo_step *step)
{
    for (uint32_t i = 0; i < raft->config->node_count; i++) {
        struct octo_peer *peer = &raft->peers[i];
        if (i + 1 == raft->config->node_id)
            continue;
        if (!octo_log_has(octo_raft_log(raft), peer->next - 1)) {
            if (peer->mode != OCTO_PEER_SNAPSHOT)
                octo_raft_peer_mode_set(peer, OCTO_PEER_SNAPSHOT);
            octo_raft_snapshot_send(raft, step, peer);
            continue;
        }
        if (peer->mode == OCTO_PEER_SNAPSHOT) /* its log reaches ours by another way */
            octo_raft_peer_mode_set(peer, OCTO_PEER_PROBE);
        if (peer->mode == OCTO_PEER_REPLICATE) {
            entries_send(raft, step, peer);
        } else if (!peer->probe_sent) {
            probe_send(raft, step, peer);
        }
        /* At next - 1, not at match: were all messages of a full window lost, the refusal of this
         * one says so, and nothing else would (L1). */
        if (peer->heartbeat_due)
            append_send(raft, step, peer, 0);
    }
}

void octo_raft_heartbeat(struct octo_raft *raft, const struct octo_step *step)
{
    const octo_time_ns interval = raft->config->heartbeat_ns;

    raft->round++;
    raft->heartbeat_at = step->now + interval;
    for (uint32_t i = 0; i < raft->config->node_count; i++) {
        struct octo_peer *peer = &raft->peers[i];
        /* Not to one that was just sent entries and answers: the heartbeat could overtake them, and
         * its refusal would stop the pipeline for nothing. */
        peer->heartbeat_due = !peer->heard || step->now - peer->sent_at >= interval / 2;
        peer->heard = false;
    }
}

/* ---- Answers ------------------------------------------------------------------------------- */

void octo_raft_peer_matched(struct octo_raft *raft, struct octo_peer *peer, octo_index index)
{
    if (index > peer->match) {
        peer->match = index;
        raft->count_due = true;
        window_free(raft, peer);
    }
    peer->next = octo_max_u64(peer->next, peer->match + 1);
}

/* A grant says where the logs match, not that the entries were taken: a follower whose log is full
 * takes none and grants all the same. The window opens for one that has all that the probe brought.
 * Were it opened for the other, too, the messages that follow would be refused, the refusals would
 * call for probes, and the grants of those for more messages. It is probed again when it answers a
 * heartbeat that was sent after the probe (which may have been lost): once a round. */
static void probe_granted(struct octo_peer *peer, const struct octo_append_response *grant)
{
    if (grant->hint_index >= peer->probe_last)
        octo_raft_peer_mode_set(peer, OCTO_PEER_REPLICATE);
    else if (grant->round > peer->probe_round)
        peer->probe_sent = false;
}

void octo_raft_peer_granted(struct octo_raft *raft, struct octo_peer *peer,
                            const struct octo_append_response *grant)
{
    octo_raft_peer_matched(raft, peer, grant->index);
    /* What the follower has verified but not yet made durable need not be sent again. */
    peer->next = octo_max_u64(peer->next, grant->hint_index + 1);
    if (peer->mode == OCTO_PEER_PROBE)
        probe_granted(peer, grant);
    /* An old grant does not end the sending of a snapshot. */
    if (peer->mode == OCTO_PEER_SNAPSHOT && octo_log_has(octo_raft_log(raft), peer->next - 1))
        octo_raft_peer_mode_set(peer, OCTO_PEER_REPLICATE);
}

void octo_raft_peer_refused(struct octo_raft *raft, struct octo_step *step, struct octo_peer *peer,
                            const struct octo_append_response *refusal)
{
    if (peer->mode == OCTO_PEER_SNAPSHOT)
        return; /* of a message from before */
    /* Stale: it matched there meanwhile, or the refused probe is not the present one. But a
     * follower that lost what it had acknowledged is served below its match. (That match stays
     * counted in what was committed: it votes by the position that it acknowledged, whether it
     * still has the entries or not.) */
    if (refusal->index <= peer->match && refusal->lost == 0)
        return;
    if (peer->mode == OCTO_PEER_PROBE && refusal->index != peer->next - 1)
        return;
    if (refusal->index <= peer->match)
        octo_step_mark(step, OCTO_MARK_SERVED_BELOW_MATCH);
    octo_step_mark(step, OCTO_MARK_PROBE_AFTER_REJECT);
    /* No entry of ours above this one has a term as low as the follower's at its hint. */
    const octo_index hint =
        octo_raft_log_term_search(raft, refusal->hint_index, refusal->hint_term);
    const octo_index next = octo_min_u64(refusal->index, hint + 1);
    octo_raft_peer_mode_set(peer, OCTO_PEER_PROBE);
    if (refusal->lost != 0)
        peer->match = octo_min_u64(peer->match, octo_max_u64(next, 1) - 1);
    peer->next = octo_max_u64(next, peer->match + 1);
}

void octo_raft_peers_check(const struct octo_raft *raft)
{
    const octo_index last = octo_raft_log(raft)->last;

    for (uint32_t i = 0; i < raft->config->node_count; i++) {
        const struct octo_peer *peer = &raft->peers[i];
        if (i + 1 == raft->config->node_id)
            continue;
        octo_assert(peer->match < peer->next);
        octo_assert(peer->next <= last + 1);
        octo_assert(peer->inflight_count <= raft->config->inflight_max);
        octo_assert(peer->mode == OCTO_PEER_REPLICATE || peer->inflight_count == 0);
    }
}
