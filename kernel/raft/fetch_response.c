/* FETCH_RESPONSE: lost entries from a peer. They count when all of them are here and their chain is
 * the one that was acknowledged; a leader's word comes before (wal.h, octo_wal_fetched). */
#include "kernel/raft/parts.h"

/* Asks the same peer for what follows. */
static void ask_on(struct octo_raft *raft, struct octo_step *step, octo_node_id peer)
{
    const struct octo_log *log = octo_raft_log(raft);
    struct octo_message message = {
        .type = OCTO_MESSAGE_FETCH_REQUEST,
        .term = octo_raft_term(raft),
        .fetch_request = {.index = log->last + 1, .chain = octo_log_chain(log, log->last)},
    };
    octo_raft_reply(raft, step, &message, peer);
}

/* The lost entries are back: they are ours again, and are written like any others. */
static void recovered(struct octo_raft *raft, struct octo_step *step, octo_index first)
{
    const struct octo_log *log = octo_raft_log(raft);

    octo_step_mark(step, OCTO_MARK_FETCHED);
    octo_step_trace(step, OCTO_TRACE_APPEND, first, log->last, octo_log_term(log, log->last), 0);
}

enum octo_err octo_raft_fetch_response(struct octo_raft *raft, struct octo_step *step,
                                       const struct octo_message *message)
{
    const struct octo_log *log = octo_raft_log(raft);
    const octo_index first = octo_wal_last(raft->wal) + 1;
    struct octo_position floor;
    uint32_t at = 0;

    /* Only while it lacks them, no leader gives them, and the answer goes on where the log ends. */
    if (!octo_wal_floor(raft->wal, &floor) || raft->leader != 0 ||
        message->fetch_response.prev_index != log->last ||
        message->fetch_response.prev_term != octo_log_term(log, log->last))
        return OCTO_ERR_OK;
    for (uint32_t i = 0; i < message->fetch_response.entry_count && log->last < floor.index; i++) {
        struct octo_entry entry;
        uint32_t used;
        enum octo_err err =
            octo_entry_decode(message->entries + at, message->entries_bytes - at, &entry, &used);
        if (err != OCTO_ERR_OK)
            return err;
        if (entry.term > octo_raft_term(raft) || entry.term < octo_log_term(log, log->last))
            return OCTO_ERR_RANGE;
        entry.index = log->last + 1;
        err = octo_wal_fetched(raft->wal, &entry);
        if (err != OCTO_ERR_OK)
            return err == OCTO_ERR_FULL ? OCTO_ERR_OK : err;
        at += used;
    }
    if (octo_wal_last(raft->wal) >= first)
        recovered(raft, step, first);
    else if (log->last < floor.index)
        ask_on(raft, step, message->from);
    return OCTO_ERR_OK;
}
