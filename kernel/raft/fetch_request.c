/* FETCH_REQUEST: a node that lost entries which it had acknowledged asks everyone for them, leader
 * or not (Protocol-Aware Recovery, FAST '18). That a peer does not have them is never evidence: it
 * says nothing then. */
#include "kernel/raft/parts.h"

void octo_raft_fetch_ask(struct octo_raft *raft, struct octo_step *step)
{
    const struct octo_log *log = octo_raft_log(raft);
    struct octo_message message = {.type = OCTO_MESSAGE_FETCH_REQUEST,
                                   .term = octo_raft_term(raft)};

    octo_wal_fetched_drop(raft->wal); /* from the start: another peer may answer this time */
    message.fetch_request.index = log->last + 1;
    message.fetch_request.chain = octo_log_chain(log, log->last);
    for (octo_node_id id = 1; id <= raft->config->node_count; id++) {
        if (id != raft->config->node_id)
            octo_raft_reply(raft, step, &message, id);
    }
}

void octo_raft_fetch_request(struct octo_raft *raft, struct octo_step *step,
                             const struct octo_message *message)
{
    const struct octo_config *config = raft->config;
    const struct octo_log *log = octo_raft_log(raft);
    const octo_index prev = message->fetch_request.index - 1;
    const octo_index last = octo_wal_last(raft->wal);

    if (prev < log->base.index || prev >= last ||
        octo_log_chain(log, prev) != message->fetch_request.chain)
        return;
    const uint32_t offset = octo_message_entries_offset(OCTO_MESSAGE_FETCH_RESPONSE);
    uint8_t *out = octo_step_bytes(step, config->message_bytes_max);
    struct octo_message response = {
        .type = OCTO_MESSAGE_FETCH_RESPONSE,
        .from = config->node_id,
        .to = message->from,
        .term = octo_raft_term(raft),
        .fetch_response = {.prev_index = prev, .prev_term = octo_log_term(log, prev)},
        .entries = out + offset,
    };
    const uint32_t most = (uint32_t)octo_min_u64(config->append_entries_max, last - prev);
    response.fetch_response.entry_count =
        octo_raft_entries_encode(raft, prev + 1, most, out + offset,
                                 config->message_bytes_max - offset, &response.entries_bytes);
    octo_assert(response.fetch_response.entry_count > 0);
    const uint32_t size =
        octo_message_encode(&response, config->cluster_id, out, config->message_bytes_max);
    octo_assert(size > 0);
    octo_step_send(step, response.to, out, size);
}
